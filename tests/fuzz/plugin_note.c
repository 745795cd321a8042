/* plugin_note.c - fuzz the reader of ELF notes: a plugin file may be anything. */

#include <assert.h>

#include "core/plugin/internal.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dv_error err = { 0 };
    struct dv_note note;

    if (dv_plugin_note_parse(data, size, "/fuzz.so", &note, &err) == 0)
        assert(strnlen(note.name, sizeof(note.name)) < sizeof(note.name));
    else
        assert(err.code != 0 && err.msg[0]);
    return 0;
}

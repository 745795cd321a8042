/* plugin_note.c - reading the ELF note of files that may be anything. */

#include "plugin_helper.h"

#include <elf.h>
#include <stdlib.h>

#include "core/plugin/internal.h"

static char *bytes;
static size_t n_bytes;

static int read_good(void **state)
{
    struct dv_error err = { 0 };

    (void)state;
    return dv_read_file(AT_FDCWD, TEST_BUILD_DIR "/tests/plugins/good.so", 64 << 20, &bytes,
                        &n_bytes, &err);
}

static int free_good(void **state)
{
    (void)state;
    free(bytes);
    return 0;
}

static int parse(const void *data, size_t n, struct dv_note *note, struct dv_error *err)
{
    return dv_plugin_note_parse(data, n, "/x.so", note, err);
}

static void reads_kind_name_version(void **state)
{
    struct dv_error err = { 0 };
    struct dv_note note;

    (void)state;
    assert_int_equal(parse(bytes, n_bytes, &note, &err), 0);
    assert_int_equal(note.kind, DV_KIND_STORAGE);
    assert_int_equal(note.abi_major, DV_ABI_MAJOR);
    assert_int_equal(note.abi_minor, DV_ABI_MINOR);
    assert_string_equal(note.name, "good");
    assert_string_equal(note.version, "1.2.3");
}

static void says_what_is_wrong(void **state)
{
    static const struct { const char *text; size_t n; const char *says; } cases[] = {
        { "", 0, "not a shared object: 0 bytes" },
        { "hello\n", 6, "not a shared object" },
        { "\x7f" "ELF", 4, "not a shared object" },
    };
    struct dv_error err = { 0 };
    struct dv_note note;
    char text[256];

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        assert_int_equal(parse(cases[i].text, cases[i].n, &note, &err), -DV_E_INVALID);
        assert_contains(err.msg, cases[i].says);
    }
    memset(text, 'x', sizeof(text));
    assert_int_equal(parse(text, sizeof(text), &note, &err), -DV_E_INVALID);
    assert_contains(err.msg, "no ELF header");
}

/* Change N bytes at OFF and put them back. */
static void expect_changed(size_t off, const void *with, size_t n, const char *says)
{
    struct dv_error err = { 0 };
    struct dv_note note;
    char saved[16];

    memcpy(saved, bytes + off, n);
    memcpy(bytes + off, with, n);
    assert_int_equal(parse(bytes, n_bytes, &note, &err), -DV_E_INVALID);
    assert_contains(err.msg, says);
    memcpy(bytes + off, saved, n);
}

static void checks_the_header(void **state)
{
    const uint16_t foreign = 0xfe, exec = ET_EXEC, none = 0, many = 0xffff;
    const uint64_t far = UINT64_MAX - 10;
    const uint8_t class32 = ELFCLASS32;

    (void)state;
    expect_changed(offsetof(Elf64_Ehdr, e_machine), &foreign, 2, "for this machine");
    expect_changed(EI_CLASS, &class32, 1, "for this machine");
    expect_changed(offsetof(Elf64_Ehdr, e_type), &exec, 2, "-shared");
    expect_changed(offsetof(Elf64_Ehdr, e_phnum), &none, 2, "program headers");
    expect_changed(offsetof(Elf64_Ehdr, e_phnum), &many, 2, "program headers");
    expect_changed(offsetof(Elf64_Ehdr, e_phoff), &far, 8, "outside the file");
}

static void every_cut_is_refused_or_reads_the_same(void **state)
{
    (void)state;
    for (size_t n = 0; n < n_bytes; n += n < 4096 ? 1 : 97) {
        dv_autofree char *cut = malloc(n ? n : 1); /* exact, so that ASan sees each step too far */
        struct dv_error err = { 0 };
        struct dv_note note;

        memcpy(cut, bytes, n);
        if (parse(cut, n, &note, &err) == 0)
            assert_string_equal(note.name, "good");
        else
            assert_true(err.msg[0]);
    }
}

static void survives_random_damage(void **state)
{
    unsigned seed = 1;
    dv_autofree char *copy = malloc(n_bytes);
    struct dv_error err = { 0 };
    struct dv_note note;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        memcpy(copy, bytes, n_bytes);
        for (int i = 0; i < 4; i++)
            copy[(size_t)rand_r(&seed) % 2048] = (char)rand_r(&seed);
        if (parse(copy, n_bytes, &note, &err) == 0)
            assert_true(strnlen(note.name, sizeof(note.name)) < sizeof(note.name));
    }
}

static void no_note_is_named(void **state)
{
    struct dv_error err = { 0 };
    struct dv_note note;

    (void)state;
    assert_int_equal(dv_plugin_note(TEST_BUILD_DIR "/tests/plugins/no-note.so", &note, &err),
                     -DV_E_INVALID);
    assert_contains(err.msg, "no davit note");
    assert_int_equal(dv_plugin_note("/nowhere.so", &note, &err), -DV_E_NOT_FOUND);
    assert_int_equal(dv_plugin_note("/dev/null", &note, &err), -DV_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_kind_name_version),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(checks_the_header),
        cmocka_unit_test(every_cut_is_refused_or_reads_the_same),
        cmocka_unit_test(survives_random_damage),
        cmocka_unit_test(no_note_is_named),
    };

    return cmocka_run_group_tests(tests, read_good, free_good);
}

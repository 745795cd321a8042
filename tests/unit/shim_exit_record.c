/* shim_exit_record.c - tests of core/shim/exit_record. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "core/base/limits.h"
#include "core/shim/exit_record.h"

static void replaces_the_record_as_one_line(void **state)
{
    char path[] = "/tmp/davit-exit-record-XXXXXX";
    struct dv_error err = { 0 };
    dv_autofree char *boot_id = NULL;
    char expected[128];

    (void)state;
    assert_non_null(mkdtemp(path));
    dv_autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(dv_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &boot_id, NULL,
                                  &err), 0);
    for (int code = 0; code < 256; code += 137) {
        struct dv_exit_record record = { .exit_code = code, .started_ns = 12,
                                         .finished_ns = 18446744073709551615u };
        dv_autofree char *text = NULL;

        assert_int_equal(dv_exit_record_write(fd, &record, &err), 0);
        assert_int_equal(dv_read_file(fd, "exit", 256, &text, NULL, &err), 0);
        snprintf(expected, sizeof(expected), "1 %d 0 12 18446744073709551615 %s", code,
                 boot_id); /* the boot id's own newline ends it */
        assert_string_equal(text, expected);
    }
    assert_int_equal(unlinkat(fd, "exit", 0), 0); /* and nothing else is there */
    assert_int_equal(rmdir(path), 0);
}

static void names_what_failed(void **state)
{
    struct dv_exit_record record = { .exit_code = 0 };
    struct dv_error err = { 0 };

    (void)state;
    assert_true(dv_exit_record_write(-1, &record, &err) < 0);
    assert_true(strstr(err.msg, "exit record") != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_the_record_as_one_line),
        cmocka_unit_test(names_what_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* plugin_helper.h - what the tests of loader and storage drivers share: a directory that the trust
 * check accepts, with plugins of this build in it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/str.h"
#include "core/plugin/load.h"

#define HELPER static __attribute__((unused))

/* Trusted directories have no sticky parent, so not below /tmp: /run, which root may write. */
static char dir[64];
static int dir_fd = -1;

HELPER int make_dir(void **state)
{
    (void)state;
    if (geteuid() != 0)
        return 0;
    snprintf(dir, sizeof(dir), "/run/davit-unit-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    chmod(dir, 0755);
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir_fd < 0 ? -1 : 0;
}

HELPER int remove_dir(void **state)
{
    struct dv_error err = { 0 };

    (void)state;
    if (dir_fd < 0)
        return 0;
    dv_close(dir_fd);
    dir_fd = -1;
    return dv_remove_tree(AT_FDCWD, dir, &err) == 0 ? 0 : -1;
}

#define NEEDS_ROOT()                                                                               \
    do {                                                                                           \
        if (geteuid() != 0) {                                                                      \
            print_message("skipped: needs a root-owned directory, so root\n");                     \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/* Path in the trusted directory; a static buffer of eight turns. */
HELPER const char *in_dir(const char *name)
{
    static char turns[8][128];
    static unsigned turn;
    char *path = turns[turn++ % N(turns)];

    snprintf(path, sizeof(turns[0]), "%s/%s", dir, name);
    return path;
}

HELPER void put(const char *name, const void *data, size_t n, mode_t mode)
{
    struct dv_error err = { 0 };

    assert_int_equal(dv_file_replace(dir_fd, name, data, n, mode, DV_VOLATILE, &err), 0);
    assert_int_equal(fchmodat(dir_fd, name, mode, 0), 0);
}

/* Copy <build>/PATH.so to NAME of the trusted directory; its bytes as *RET if asked for. */
HELPER void copy_plugin(const char *path, const char *name, char **ret, size_t *ret_n)
{
    dv_autofree char *from = dv_format("%s/%s.so", TEST_BUILD_DIR, path);
    dv_autofree char *data = NULL;
    struct dv_error err = { 0 };
    size_t n;

    assert_int_equal(dv_read_file(AT_FDCWD, from, 64 << 20, &data, &n, &err), 0);
    put(name, data, n, 0644);
    if (ret) {
        *ret = dv_take(data);
        *ret_n = n;
    }
}

#define assert_contains(text, part)                                                                \
    do {                                                                                           \
        if (!strstr((text), (part)))                                                               \
            fail_msg("'%s' does not say '%s'", (text), (part));                                    \
    } while (0)

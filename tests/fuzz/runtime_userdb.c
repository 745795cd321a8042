/* runtime_userdb.c - fuzz target: an image's passwd and group, and a user to be found in them. Parts,
 * divided by NUL: the user, passwd, group, and groups to add. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/str.h"
#include "core/runtime/internal.h"
#include "fuzz.h"

static int etc_fd = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    if (mkdirat(fuzz_dir(), "etc", 0755) < 0)
        fuzz_fail("make a folder", "etc");
    etc_fd = openat(fuzz_dir(), "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dv_user user;
    struct fuzz_part rest = { data, size }, passwd = { 0 }, group = { 0 };
    char *name = fuzz_text(&rest, 0);
    dv_autostrv add = { 0 };
    struct dv_error err = { 0 };

    (void)fuzz_next(&rest, 0, &passwd);
    (void)fuzz_next(&rest, 0, &group);
    while (rest.n)
        if (dv_strv_add_take(&add, fuzz_text(&rest, 0)) < 0)
            fuzz_fail("out of memory", "");
    fuzz_file(etc_fd, "passwd", passwd.data, passwd.n);
    fuzz_file(etc_fd, "group", group.data, group.n);
    if (dv_user_resolve(fuzz_dir(), name, &add, &user, &err) == 0) {
        if (user.n_groups == 0 || user.n_groups > N(user.groups) || user.groups[0] != user.gid)
            fuzz_fail("groups", name);
        if (!memchr(user.home, 0, sizeof(user.home)) || user.home[0] == 0)
            fuzz_fail("home", name);
    } else if (!err.msg[0]) {
        fuzz_fail("refused without a reason", name);
    }
    free(name);
    return 0;
}

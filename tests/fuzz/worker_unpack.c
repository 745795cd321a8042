/* worker_unpack.c - fuzz target: a layer from arbitrary bytes, unpacked as davit-worker does. The first
 * byte chooses the kind of whiteouts.
 *
 * Unpacking needs root. It happens in a mount namespace in which everything but the target's own tmpfs
 * is read-only, and beside the root there lies a file that no layer may reach. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/worker/stream.h"
#include "core/worker/unpack.h"
#include "fuzz.h"

static const char place[] = "/mnt"; /* of the tmpfs, in our own namespace */
static const char canary[] = "untouched";
static int place_fd = -1;

/* Where libFuzzer writes stays writable: the working directory. */
static void close_the_house(void)
{
    struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
    struct mount_attr writable = { .attr_clr = MOUNT_ATTR_RDONLY };
    char cwd[4096];
    int cwd_fd;

    if (!getcwd(cwd, sizeof(cwd)) || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        fuzz_fail("needs root", "unshare");
    if (mount(cwd, cwd, NULL, MS_BIND, NULL) < 0 ||
        syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &read_only, sizeof(read_only)) < 0)
        fuzz_fail("make the house read-only", cwd);
    cwd_fd = open(cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (syscall(SYS_mount_setattr, cwd_fd, "", AT_EMPTY_PATH, &writable, sizeof(writable)) < 0 ||
        fchdir(cwd_fd) < 0)
        fuzz_fail("make writable", cwd);
    close(cwd_fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    close_the_house();
    if (mount("fuzz", place, "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,nr_inodes=20000") < 0)
        fuzz_fail("mount a tmpfs", place);
    place_fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fuzz_file(place_fd, canary, canary, sizeof(canary));
    return 0;
}

static void check_canary(void)
{
    dv_autofree char *text = NULL;
    struct dv_error err = { 0 };
    struct stat st;

    if (fstatat(place_fd, canary, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
        st.st_nlink != 1 || (st.st_mode & 07777) != 0600 || st.st_uid != 0 ||
        dv_read_file(place_fd, canary, 64, &text, NULL, &err) < 0 || strcmp(text, canary) != 0)
        fuzz_fail("a layer reached what lies beside its root", "");
}

static int fail_read(void *arg, struct dv_error *err)
{
    return dv_stream_fail(arg, "read", err);
}

static void unpack(int layer_fd, int root_fd, enum dv_whiteouts whiteouts)
{
    const struct dv_stream_config config = { .fd = layer_fd, .tee_fd = -1, .cancel_fd = -1 };
    struct dv_unpack_result result = { 0 };
    struct dv_error err = { 0 };
    struct dv_stream *s = NULL;
    int r = dv_stream_new(&config, &s, &err);

    if (r == 0)
        r = dv_unpack(dv_stream_tar(s), root_fd, whiteouts, fail_read, s, &result, &err);
    if (r < 0 && !err.msg[0])
        fuzz_fail("failed without a reason", "");
    dv_stream_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), layer_fd, root_fd;
    struct dv_error err = { 0 };

    layer_fd = memfd_create("layer", MFD_CLOEXEC);
    if (size < 1 || layer_fd < 0 || dv_write_all(layer_fd, data + 1, size - 1) < 0 ||
        lseek(layer_fd, 0, SEEK_SET) < 0 || mkdirat(place_fd, "root", 0755) < 0) {
        close(layer_fd);
        close(home);
        return 0;
    }
    root_fd = openat(place_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    unpack(layer_fd, root_fd, data[0] & 1 ? DV_WHITEOUT_APPLY : DV_WHITEOUT_OVERLAY);
    check_canary();
    if (fchdir(home) < 0 || dv_remove_tree(place_fd, "root", &err) < 0)
        fuzz_fail("remove the root", err.msg);
    close(root_fd);
    close(layer_fd);
    close(home);
    return 0;
}

/* plugin_storage.c - overlay.so and vfs.so of this build, driven through their tables. */

#include "plugin_helper.h"

#include <dirent.h>
#include <davit/storage.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define ID(c) c "0123456789abcdef0123456789abcde"
#define LAYER_1 ID("1")
#define LAYER_2 ID("2")
#define LAYER_3 ID("3")
#define WORK_1 ID("a")
#define WORK_2 ID("b")

static struct dv_driver *drv;
static const struct dv_storage_ops *ops;
static struct dv_error err;
static char *state_dir;

/* ---- one line for each operation; the result as dv_call_result gives it ---- */

#define CALL(...)                                                                                  \
    __extension__({                                                                                \
        dv_autocall c_;                                                                            \
        struct dv_call *c = &c_;                                                                   \
        err = (struct dv_error){ 0 };                                                              \
        assert_int_equal(dv_call_begin(c, drv, "test", &err), 0);                                  \
        dv_call_result(c, __VA_ARGS__);                                                            \
    })

static int prepare(const char *id, const char *parent)
{
    const struct dv_layer_req req = { .struct_size = sizeof(req), .id = id, .parent = parent };

    return CALL(ops->prepare(drv->self, c, &req));
}
static int commit(const char *id, const char *layer, const char *parent)
{
    return CALL(ops->commit(drv->self, c, id, layer, parent));
}
static int erase(const char *id)
{
    return CALL(ops->remove(drv->self, c, id));
}
static int recover(const char *const *known, size_t n)
{
    return CALL(ops->recover(drv->self, c, known, n));
}
static int empty_trash(uint64_t older_than_s)
{
    return CALL(ops->empty_trash(drv->self, c, older_than_s));
}
static int open_diff(const char *id, uint32_t for_write, struct dv_diff_dir *out)
{
    *out = (struct dv_diff_dir){ .struct_size = sizeof(*out), .dir_fd = -1 };
    return CALL(ops->open_diff(drv->self, c, id, for_write, out));
}
static int state_of(const char *id)
{
    struct dv_layer_info info = { .struct_size = sizeof(info) };
    int r = CALL(ops->stat(drv->self, c, id, &info));

    return r < 0 ? r : (int)info.state;
}

/* A file with TEXT in ID's own directory. */
static void write_in(const char *id, const char *name, const char *text)
{
    struct dv_diff_dir d;

    assert_int_equal(open_diff(id, 1, &d), 0);
    assert_int_equal(dv_file_replace(d.dir_fd, name, text, strlen(text), 0640, DV_VOLATILE, &err),
                     0);
    close(d.dir_fd);
}

static void expect_in(const char *id, const char *name, const char *text)
{
    dv_autofree char *found = NULL;
    struct dv_diff_dir d;

    assert_int_equal(open_diff(id, 0, &d), 0);
    if (text) {
        assert_int_equal(dv_read_file(d.dir_fd, name, 4096, &found, NULL, &err), 0);
        assert_string_equal(found, text);
    } else {
        assert_int_equal(faccessat(d.dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW), -1);
    }
    close(d.dir_fd);
}

static size_t entries(const char *name)
{
    dv_autofree char *path = dv_format("%s/%s", state_dir, name);
    DIR *list = opendir(path);
    size_t n = 0;

    assert_non_null(list);
    for (struct dirent *e; (e = readdir(list));)
        n += e->d_name[0] != '.';
    closedir(list);
    return n;
}

/* ---- setting up: one driver a group ---- */

static int open_driver(const char *name)
{
    const struct dv_plugin_file file = { .kind = DV_KIND_STORAGE, .name = name, .plugin_dir = dir };
    const struct dv_kv item = { "state_dir", state_dir };
    const struct dv_kvs options = { &item, 1 };

    err = (struct dv_error){ 0 };
    if (dv_driver_open(&file, &options, NULL, &drv, &err) < 0) {
        print_error("%s\n", err.msg);
        return -1;
    }
    ops = drv->ops;
    return 0;
}

/* State on the disk, not in /run: overlay over a tmpfs would test the tmpfs. */
static int set_up(const char *name)
{
    dv_autofree char *from = dv_format("plugins/storage/%s", name);
    dv_autofree char *to = dv_format("storage/%s.so", name);
    char base[] = "/var/tmp/davit-unit-XXXXXX";
    void *none = NULL;

    if (geteuid() != 0)
        return 0;
    if (make_dir(&none) < 0 || mkdirat(dir_fd, "storage", 0755) < 0 || !mkdtemp(base))
        return -1;
    copy_plugin(from, to, NULL, NULL);
    state_dir = dv_format("%s/deep/%s", base, name);
    return open_driver(name);
}
static int set_up_overlay(void **state)
{
    (void)state;
    return set_up("overlay");
}
static int set_up_vfs(void **state)
{
    (void)state;
    return set_up("vfs");
}

static int tear_down(void **state)
{
    int r;

    if (geteuid() != 0)
        return 0;
    dv_driver_close(drv);
    drv = NULL;
    *strstr(state_dir, "/deep/") = '\0';
    r = dv_remove_tree(AT_FDCWD, state_dir, &err);
    free(state_dir);
    return remove_dir(state) < 0 ? -1 : r;
}

/* Each test starts with an empty store and leaves nothing in use. */
static int wipe(void **state)
{
    (void)state;
    return geteuid() == 0 && (recover(NULL, 0) < 0 || empty_trash(0) < 0) ? -1 : 0;
}

/* ---- both drivers ---- */

static void a_layer_is_prepared_and_committed(void **state)
{
    struct dv_diff_dir d;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(prepare(WORK_1, NULL), 0);
    assert_int_equal(state_of(WORK_1), 1);
    write_in(WORK_1, "hello", "world");
    assert_int_equal(commit(WORK_1, LAYER_1, NULL), 0);
    assert_int_equal(state_of(LAYER_1), 2);
    assert_int_equal(state_of(WORK_1), -DV_E_NOT_FOUND);
    expect_in(LAYER_1, "hello", "world");
    assert_int_equal(open_diff(LAYER_1, 1, &d), -DV_E_CONFLICT);
    /* A replay after the answer was lost. */
    assert_int_equal(commit(WORK_1, LAYER_1, NULL), 0);
    assert_int_equal(commit(WORK_1, LAYER_1, LAYER_2), -DV_E_CONFLICT);
    assert_int_equal(commit(WORK_2, LAYER_2, NULL), -DV_E_NOT_FOUND);
}

static void ids_are_checked(void **state)
{
    static const char *const bad[] = { "", "..", "a/b", "A", "-a", "a.b", "x y" };
    dv_autofree char *longest = malloc(200);

    (void)state;
    NEEDS_ROOT();
    for (size_t i = 0; i < N(bad); i++) {
        assert_int_equal(prepare(bad[i], NULL), -DV_E_INVALID);
        assert_int_equal(prepare(WORK_1, bad[i]), -DV_E_INVALID);
        assert_int_equal(erase(bad[i]), -DV_E_INVALID);
        assert_int_equal(commit(bad[i], LAYER_1, NULL), -DV_E_INVALID);
        assert_int_equal(commit(WORK_1, bad[i], NULL), -DV_E_INVALID);
    }
    memset(longest, 'a', 199);
    longest[199] = '\0';
    assert_int_equal(prepare(longest, NULL), -DV_E_INVALID);
    longest[128] = '\0';
    assert_int_equal(prepare(longest, NULL), 0);
    assert_int_equal(erase(longest), 0);
}

static void conflicts_are_told(void **state)
{
    struct dv_mounts m = { .struct_size = sizeof(m) };

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(prepare(WORK_1, NULL), 0);
    assert_int_equal(prepare(WORK_1, NULL), -DV_E_CONFLICT);
    assert_int_equal(prepare(WORK_2, WORK_1), -DV_E_NOT_FOUND); /* a workspace is no parent */
    assert_contains(err.msg, WORK_1);
    assert_int_equal(prepare(WORK_2, LAYER_1), -DV_E_NOT_FOUND);
    assert_int_equal(commit(WORK_1, LAYER_1, NULL), 0);
    assert_int_equal(prepare(LAYER_1, NULL), -DV_E_CONFLICT);
    assert_int_equal(prepare(WORK_2, LAYER_1), 0);
    assert_int_equal(erase(LAYER_1), -DV_E_CONFLICT);
    assert_contains(err.msg, "has a child");
    assert_int_equal(CALL(ops->activate(drv->self, c, WORK_2, 0, &m)), 0);
    assert_int_equal(erase(WORK_2), -DV_E_CONFLICT);
    assert_contains(err.msg, "in use");
    assert_int_equal(CALL(ops->deactivate(drv->self, c, WORK_2)), 0);
    assert_int_equal(CALL(ops->deactivate(drv->self, c, WORK_2)), 0);
    assert_int_equal(erase(WORK_2), 0);
    assert_int_equal(erase(WORK_2), 0);
    assert_int_equal(erase(LAYER_1), 0);
}

static void requests_beyond_the_driver_are_refused(void **state)
{
    const struct dv_kv size = { "size", "1g" };
    struct dv_layer_req req = { .struct_size = sizeof(req), .id = WORK_1, .quota_bytes = 1 };

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(CALL(ops->prepare(drv->self, c, &req)), -DV_E_UNSUPPORTED);
    req.quota_bytes = 0;
    req.options = (struct dv_kvs){ &size, 1 };
    assert_int_equal(CALL(ops->prepare(drv->self, c, &req)), -DV_E_UNSUPPORTED);
    assert_contains(err.msg, "'size'");
    req.options.n = 0;
    req.flags = 1u << 31;
    assert_int_equal(CALL(ops->prepare(drv->self, c, &req)), -DV_E_INVALID);
}

static void removed_goes_to_trash_and_away(void **state)
{
    struct dv_diff_dir d;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(prepare(WORK_1, NULL), 0);
    assert_int_equal(open_diff(WORK_1, 1, &d), 0);
    for (int i = 0; i < 300; i++) { /* deeper than the deleter holds descriptors */
        int next;

        assert_int_equal(mkdirat(d.dir_fd, "deeper", 0700), 0);
        next = openat(d.dir_fd, "deeper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(d.dir_fd);
        d.dir_fd = next;
    }
    close(d.dir_fd);
    write_in(WORK_1, "f", "x");
    assert_int_equal(state_of(WORK_1), 1);
    assert_int_equal(erase(WORK_1), 0);
    assert_int_equal(entries("trash"), 1);
    assert_int_equal(empty_trash(3600), 0);
    assert_int_equal(entries("trash"), 1);
    assert_int_equal(empty_trash(0), 0);
    assert_int_equal(entries("trash"), 0);
}

static void recover_keeps_what_is_known(void **state)
{
    static const char *const known[] = { WORK_2, LAYER_2 };
    dv_autofree char *half = dv_format("%s/tmp/half", state_dir);

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(prepare(WORK_1, NULL), 0);
    assert_int_equal(commit(WORK_1, LAYER_1, NULL), 0);
    assert_int_equal(prepare(WORK_1, LAYER_1), 0);
    assert_int_equal(commit(WORK_1, LAYER_2, LAYER_1), 0);
    assert_int_equal(prepare(WORK_1, NULL), 0);
    assert_int_equal(commit(WORK_1, LAYER_3, NULL), 0);
    assert_int_equal(prepare(WORK_1, LAYER_2), 0);
    assert_int_equal(prepare(WORK_2, LAYER_2), 0);
    assert_int_equal(mkdir(half, 0700), 0);
    assert_int_equal(recover(known, N(known)), 0);
    assert_int_equal(state_of(LAYER_1), 2); /* unknown, but LAYER_2 stands on it */
    assert_int_equal(state_of(LAYER_2), 2);
    assert_int_equal(state_of(WORK_2), 1);
    assert_int_equal(state_of(LAYER_3), -DV_E_NOT_FOUND);
    assert_int_equal(state_of(WORK_1), -DV_E_NOT_FOUND);
    assert_int_equal(entries("tmp"), 0);
    assert_int_equal(entries("trash"), 3);
}

static void what_was_committed_is_there_after_a_restart(void **state)
{
    const char *name = dv_streq(drv ? drv->name : "", "vfs") ? "vfs" : "overlay";

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(prepare(WORK_1, NULL), 0);
    write_in(WORK_1, "f", "kept");
    assert_int_equal(commit(WORK_1, LAYER_1, NULL), 0);
    assert_int_equal(prepare(WORK_2, LAYER_1), 0);
    dv_driver_close(drv);
    assert_int_equal(open_driver(name), 0);
    assert_int_equal(state_of(LAYER_1), 2);
    assert_int_equal(state_of(WORK_2), 1);
    expect_in(LAYER_1, "f", "kept");
    assert_int_equal(erase(LAYER_1), -DV_E_CONFLICT);
}

static void stat_counts_each_inode_once(void **state)
{
    struct dv_layer_info info = { .struct_size = sizeof(info) };
    struct dv_diff_dir d;
    dv_autocall call;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(prepare(WORK_1, NULL), 0);
    write_in(WORK_1, "base", "x");
    assert_int_equal(commit(WORK_1, LAYER_1, NULL), 0);
    assert_int_equal(prepare(WORK_1, NULL), 0);
    write_in(WORK_1, "ten", "0123456789");
    assert_int_equal(open_diff(WORK_1, 1, &d), 0);
    assert_int_equal(linkat(d.dir_fd, "ten", d.dir_fd, "again", 0), 0);
    assert_int_equal(mkdirat(d.dir_fd, "sub", 0755), 0);
    close(d.dir_fd);
    assert_int_equal(dv_call_begin(&call, drv, "test", &err), 0);
    assert_int_equal(ops->stat(drv->self, &call, WORK_1, &info), 0);
    assert_int_equal(info.bytes, 10);
    assert_int_equal(info.inodes, 3);
    assert_null(info.parent);
    assert_int_equal(ops->commit(drv->self, &call, WORK_1, LAYER_2, NULL), 0);
    info.bytes = info.inodes = 0;
    assert_int_equal(ops->stat(drv->self, &call, LAYER_2, &info), 0);
    assert_int_equal(info.state, 2);
    assert_int_equal(info.bytes, 10);
    assert_int_equal(info.inodes, 3);
}

static void a_cancelled_call_ends(void **state)
{
    struct dv_error e = { 0 };
    dv_autocall c;
    int fds[2];

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(prepare(WORK_1, NULL), 0);
    for (int i = 0; i < 200; i++) {
        dv_autofree char *name = dv_format("f%d", i);

        write_in(WORK_1, name, "x");
    }
    assert_int_equal(erase(WORK_1), 0);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    close(fds[1]);
    assert_int_equal(dv_call_begin(&c, drv, "test", &e), 0);
    c.cancel_fd = fds[0];
    assert_int_equal(dv_call_result(&c, ops->empty_trash(drv->self, &c, 0)), -DV_E_CANCELED);
    c.cancel_fd = -1;
    c.deadline_ns = 1;
    assert_int_equal(dv_call_result(&c, ops->empty_trash(drv->self, &c, 0)), -DV_E_TIMEOUT);
    close(fds[0]);
    assert_int_equal(empty_trash(0), 0);
}

/* Workspaces come and go on one parent from several threads; a layer with children stays. */
static void *come_and_go(void *arg)
{
    dv_autofree char *id = dv_format("thread-%d", *(int *)arg);
    const struct dv_layer_req req = { .struct_size = sizeof(req), .id = id, .parent = LAYER_1 };
    struct dv_error e = { 0 };
    struct dv_mounts m = { .struct_size = sizeof(m) };

    for (int i = 0; i < 50; i++) {
        dv_autocall c;

        assert_int_equal(dv_call_begin(&c, drv, "test", &e), 0);
        if (ops->prepare(drv->self, &c, &req) < 0 || ops->activate(drv->self, &c, id, 0, &m) < 0 ||
            ops->remove(drv->self, &c, LAYER_1) != -DV_E_CONFLICT ||
            ops->deactivate(drv->self, &c, id) < 0 || ops->remove(drv->self, &c, id) < 0) {
            print_error("%s: %s\n", id, e.msg);
            return arg;
        }
    }
    return NULL;
}

static void threads_share_a_parent(void **state)
{
    pthread_t threads[6];
    int n[N(threads)];
    void *failed = NULL, *one;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(prepare(WORK_1, NULL), 0);
    write_in(WORK_1, "f", "x");
    assert_int_equal(commit(WORK_1, LAYER_1, NULL), 0);
    for (size_t i = 0; i < N(threads); i++) {
        n[i] = (int)i;
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &n[i]), 0);
    }
    for (size_t i = 0; i < N(threads); i++) {
        pthread_join(threads[i], &one);
        failed = one ? one : failed;
    }
    assert_null(failed);
    assert_int_equal(entries("work"), 0);
    assert_int_equal(erase(LAYER_1), 0);
}

/* Killed at random: what is known stays whole, the rest can be recovered and used again. */
static void survives_kill(void **state)
{
    static const char *const known[] = { LAYER_1 };

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(prepare(WORK_1, NULL), 0);
    for (int i = 0; i < 20; i++) {
        dv_autofree char *name = dv_format("f%d", i);

        write_in(WORK_1, name, "content");
    }
    assert_int_equal(commit(WORK_1, LAYER_1, NULL), 0);
    for (int round = 0; round < 25; round++) {
        pid_t pid = fork();

        if (pid == 0) {
            for (int i = 0;; i++) {
                (void)!prepare(WORK_1, LAYER_1);
                (void)!prepare(WORK_2, LAYER_1);
                (void)!erase(WORK_2);
                (void)!commit(WORK_1, LAYER_2, LAYER_1);
                (void)!erase(LAYER_2);
                (void)!empty_trash(0);
            }
        }
        usleep((useconds_t)(500 + round * 613 % 9000));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(recover(known, N(known)), 0);
        assert_int_equal(entries("layers"), 1);
        assert_int_equal(entries("work"), 0);
        assert_int_equal(entries("tmp"), 0);
        expect_in(LAYER_1, "f19", "content");
        assert_int_equal(empty_trash(0), 0);
        assert_int_equal(entries("trash"), 0);
    }
}

/* ---- overlay ---- */

static const char *param(const struct dv_mount *m, const char *key, size_t nth)
{
    for (size_t i = 0; i < m->n_params; i++)
        if (dv_streq(m->params[i].key, key) && nth-- == 0)
            return m->params[i].value ? m->params[i].value : "";
    return NULL;
}

/* LAYER_1 "f" = one, LAYER_2 on it "f" = two, unpacked side by side. */
static void two_layers(void)
{
    assert_int_equal(prepare(WORK_1, NULL), 0);
    assert_int_equal(prepare(WORK_2, NULL), 0);
    write_in(WORK_2, "f", "two");
    write_in(WORK_1, "f", "one");
    assert_int_equal(commit(WORK_1, LAYER_1, NULL), 0);
    assert_int_equal(commit(WORK_2, LAYER_2, LAYER_1), 0);
}

static void overlay_describes_its_mount(void **state)
{
    struct dv_mounts m = { .struct_size = sizeof(m) };
    const struct dv_mount *mount;
    dv_autocall c;

    (void)state;
    NEEDS_ROOT();
    two_layers();
    assert_int_equal(prepare(WORK_1, LAYER_2), 0);
    assert_int_equal(dv_call_begin(&c, drv, "test", &err), 0);
    assert_int_equal(dv_call_result(&c, ops->activate(drv->self, &c, WORK_1, 0, &m)), 0);
    assert_int_equal(m.n, 1);
    mount = m.items;
    assert_string_equal(mount->type, "overlay");
    assert_int_equal(mount->attrs, 0);
    assert_contains(param(mount, "lowerdir+", 0), "/layers/" LAYER_2 "/diff");
    assert_contains(param(mount, "lowerdir+", 1), "/layers/" LAYER_1 "/diff");
    assert_null(param(mount, "lowerdir+", 2));
    assert_contains(param(mount, "upperdir", 0), "/work/" WORK_1 "/diff");
    assert_contains(param(mount, "workdir", 0), "/work/" WORK_1 "/work");
    assert_non_null(param(mount, "userxattr", 0));
    for (size_t i = 0; i < mount->n_params; i++) {
        assert_int_equal(mount->params[i].idmap, mount->params[i].kind == DV_PARAM_PATH);
        assert_int_equal(mount->params[i].fd, -1);
        if (mount->params[i].kind == DV_PARAM_PATH)
            assert_int_equal(access(mount->params[i].value, F_OK), 0);
    }
    assert_int_equal(ops->activate(drv->self, &c, LAYER_2, 0, &m), -DV_E_CONFLICT);
    assert_int_equal(ops->activate(drv->self, &c, LAYER_2, 1, &m), 0);
    assert_int_equal(m.items->attrs, MOUNT_ATTR_RDONLY);
    assert_contains(param(m.items, "lowerdir+", 0), LAYER_2);
    assert_null(param(m.items, "upperdir", 0));
    assert_int_equal(ops->activate(drv->self, &c, LAYER_1, 1, &m), 0);
    assert_string_equal(m.items->type, "bind");
    assert_contains(m.items->source, "/layers/" LAYER_1 "/diff");
    assert_int_equal(ops->deactivate(drv->self, &c, WORK_1), 0);
    assert_int_equal(ops->deactivate(drv->self, &c, LAYER_1), 0);
    assert_int_equal(ops->deactivate(drv->self, &c, LAYER_2), 0);
}

/* What is described can be mounted, by the kernel's own word, detached. */
static void overlay_plan_mounts(void **state)
{
    struct dv_mounts m = { .struct_size = sizeof(m) };
    dv_autoclose int fs = -1, mnt = -1;
    dv_autofree char *text = NULL;
    dv_autocall c;

    (void)state;
    NEEDS_ROOT();
    two_layers();
    assert_int_equal(prepare(WORK_1, LAYER_2), 0);
    assert_int_equal(dv_call_begin(&c, drv, "test", &err), 0);
    assert_int_equal(dv_call_result(&c, ops->activate(drv->self, &c, WORK_1, 0, &m)), 0);
    fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
    assert_true(fs >= 0);
    for (size_t i = 0; i < m.items->n_params; i++) {
        const struct dv_param *p = &m.items->params[i];
        unsigned cmd = p->kind == DV_PARAM_FLAG ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;

        if (syscall(SYS_fsconfig, fs, cmd, p->key, p->value, 0) < 0) {
            print_message("skipped: this kernel takes no %s\n", p->key);
            ops->deactivate(drv->self, &c, WORK_1);
            skip();
        }
    }
    assert_int_equal(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
    mnt = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
    assert_true(mnt >= 0);
    assert_int_equal(dv_read_file(mnt, "f", 64, &text, NULL, &err), 0);
    assert_string_equal(text, "two");
    assert_int_equal(dv_file_replace(mnt, "new", "x", 1, 0644, DV_VOLATILE, &err), 0);
    assert_int_equal(unlinkat(mnt, "f", 0), 0);
    dv_close(dv_take_fd(mnt));
    assert_int_equal(ops->deactivate(drv->self, &c, WORK_1), 0);
    expect_in(WORK_1, "new", "x");
    assert_int_equal(commit(WORK_1, LAYER_3, LAYER_2), 0); /* its work directory was used */
    expect_in(LAYER_3, "new", "x");
}

static void overlay_root_looks_as_its_parents(void **state)
{
    struct dv_diff_dir d;
    struct stat st;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(prepare(WORK_1, NULL), 0);
    assert_int_equal(open_diff(WORK_1, 1, &d), 0);
    assert_int_equal(d.whiteouts, 1);
    assert_int_equal(fchown(d.dir_fd, 5, 6), 0);
    assert_int_equal(fchmod(d.dir_fd, 01711), 0);
    close(d.dir_fd);
    assert_int_equal(commit(WORK_1, LAYER_1, NULL), 0);
    assert_int_equal(prepare(WORK_1, LAYER_1), 0);
    assert_int_equal(prepare(WORK_2, NULL), 0);
    assert_int_equal(commit(WORK_2, LAYER_2, LAYER_1), 0); /* parent learnt late */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(open_diff(i ? LAYER_2 : WORK_1, 0, &d), 0);
        assert_int_equal(fstat(d.dir_fd, &st), 0);
        assert_int_equal(st.st_mode & 07777, 01711);
        assert_int_equal(st.st_uid, 5);
        assert_int_equal(st.st_gid, 6);
        close(d.dir_fd);
    }
}

static void overlay_takes_128_layers(void **state)
{
    char id[40] = "", parent[40] = "";
    struct dv_mounts m = { .struct_size = sizeof(m) };
    dv_autocall c;

    (void)state;
    NEEDS_ROOT();
    for (int i = 0; i < 128; i++) {
        snprintf(id, sizeof(id), "layer%d", i);
        assert_int_equal(prepare(WORK_1, NULL), 0);
        assert_int_equal(commit(WORK_1, id, i ? parent : NULL), 0);
        memcpy(parent, id, sizeof(parent));
    }
    assert_int_equal(prepare(WORK_1, parent), 0);
    assert_int_equal(dv_call_begin(&c, drv, "test", &err), 0);
    assert_int_equal(dv_call_result(&c, ops->activate(drv->self, &c, WORK_1, 0, &m)), 0);
    assert_non_null(param(m.items, "lowerdir+", 127));
    assert_null(param(m.items, "lowerdir+", 128));
    assert_int_equal(ops->deactivate(drv->self, &c, WORK_1), 0);
}

static void overlay_says_what_info_shows(void **state)
{
    struct dv_kvs rows = { 0 };
    dv_autocall c;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(dv_call_begin(&c, drv, "test", &err), 0);
    assert_int_equal(dv_call_result(&c, ops->status(drv->self, &c, &rows)), 0);
    assert_int_equal(rows.n, 5);
    assert_string_equal(rows.items[0].key, "Backing Filesystem");
    assert_string_equal(rows.items[1].value, "true");
    assert_true(drv->caps == (uint64_t)DV_STORAGE_CAP_NATIVE_DIFF << 32);
}

/* ---- vfs ---- */

static void make_odd_tree(int fd)
{
    const struct timespec old[2] = { { 1000, 7 }, { 2000, 8 } };
    dv_autoclose int big = -1;

    assert_int_equal(dv_file_replace(fd, "suid", "x", 1, 0755, DV_VOLATILE, &err), 0);
    assert_int_equal(fchownat(fd, "suid", 7, 8, 0), 0);
    assert_int_equal(fchmodat(fd, "suid", 06755, 0), 0);
    assert_int_equal(linkat(fd, "suid", fd, "suid-too", 0), 0);
    assert_int_equal(mkdirat(fd, "d", 02770), 0);
    assert_int_equal(fchmodat(fd, "d", 02770, 0), 0);
    assert_int_equal(linkat(fd, "suid", fd, "d/suid-three", 0), 0);
    assert_int_equal(symlinkat("../nowhere", fd, "d/link"), 0);
    assert_int_equal(mknodat(fd, "fifo", S_IFIFO | 0604, 0), 0);
    assert_int_equal(mknodat(fd, "dev", S_IFCHR | 0600, makedev(1, 3)), 0);
    big = openat(fd, "sparse", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_true(big >= 0);
    assert_int_equal(pwrite(big, "data", 4, 32 << 20), 4);
    assert_int_equal(ftruncate(big, 64 << 20), 0);
    assert_int_equal(fsetxattr(big, "user.note", "hi", 2, 0), 0);
    assert_int_equal(fsetxattr(big, "trusted.note", "ho", 2, 0), 0);
    assert_int_equal(utimensat(fd, "d/link", old, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(utimensat(fd, "d", old, 0), 0);
}

static void expect_same(int a, int b, const char *name)
{
    struct stat x, y;

    assert_int_equal(fstatat(a, name, &x, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(fstatat(b, name, &y, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(x.st_mode, y.st_mode);
    assert_int_equal(x.st_uid, y.st_uid);
    assert_int_equal(x.st_gid, y.st_gid);
    assert_int_equal(x.st_rdev, y.st_rdev);
    assert_int_equal(x.st_nlink, y.st_nlink);
    assert_int_equal(x.st_mtim.tv_sec, y.st_mtim.tv_sec);
    assert_int_equal(x.st_mtim.tv_nsec, y.st_mtim.tv_nsec);
    assert_true(x.st_ino != y.st_ino);
    if (!S_ISDIR(x.st_mode)) {
        assert_int_equal(x.st_size, y.st_size);
        assert_true(y.st_blocks <= x.st_blocks + 16);
    }
}

static void vfs_copies_everything(void **state)
{
    static const char *const names[] = { ".",      "suid", "suid-too", "d",     "d/suid-three",
                                         "d/link", "fifo", "dev",      "sparse" };
    struct dv_diff_dir a, b;
    dv_autofree char *text = NULL;
    char value[8] = "";
    struct stat x, y;
    size_t n;
    int fd;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(prepare(WORK_1, NULL), 0);
    assert_int_equal(open_diff(WORK_1, 1, &a), 0);
    assert_int_equal(a.whiteouts, 2);
    make_odd_tree(a.dir_fd);
    close(a.dir_fd);
    assert_int_equal(commit(WORK_1, LAYER_1, NULL), 0);
    assert_int_equal(prepare(WORK_2, LAYER_1), 0);
    assert_int_equal(open_diff(LAYER_1, 0, &a), 0);
    assert_int_equal(open_diff(WORK_2, 1, &b), 0);
    for (size_t i = 0; i < N(names); i++)
        expect_same(a.dir_fd, b.dir_fd, names[i]);
    assert_int_equal(fstatat(b.dir_fd, "suid", &x, 0), 0);
    assert_int_equal(fstatat(b.dir_fd, "d/suid-three", &y, 0), 0);
    assert_int_equal(x.st_ino, y.st_ino);
    assert_int_equal(readlinkat(b.dir_fd, "d/link", value, sizeof(value)), 8);
    fd = openat(b.dir_fd, "sparse", O_RDONLY | O_CLOEXEC);
    assert_int_equal(fgetxattr(fd, "trusted.note", value, sizeof(value)), 2);
    assert_int_equal(fgetxattr(fd, "user.note", value, sizeof(value)), 2);
    assert_memory_equal(value, "hi", 2);
    assert_int_equal(dv_read_fd(fd, 65 << 20, &text, &n, &err), 0);
    assert_int_equal(n, 64 << 20);
    assert_memory_equal(text + (32 << 20), "data", 4);
    assert_int_equal(text[(32 << 20) + 4], 0);
    close(fd);
    close(a.dir_fd);
    close(b.dir_fd);
}

static void vfs_needs_the_parent_first(void **state)
{
    struct dv_mounts m = { .struct_size = sizeof(m) };
    dv_autocall c;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(prepare(WORK_1, NULL), 0);
    assert_int_equal(commit(WORK_1, LAYER_1, NULL), 0);
    assert_int_equal(prepare(WORK_1, NULL), 0);
    assert_int_equal(commit(WORK_1, LAYER_2, LAYER_1), -DV_E_CONFLICT);
    assert_contains(err.msg, "was prepared on parent ''");
    assert_true(drv->caps == 0);
    assert_int_equal(dv_call_begin(&c, drv, "test", &err), 0);
    assert_int_equal(dv_call_result(&c, ops->activate(drv->self, &c, WORK_1, 0, &m)), 0);
    assert_string_equal(m.items->type, "bind");
    assert_contains(m.items->source, "/work/" WORK_1 "/diff");
    assert_int_equal(ops->deactivate(drv->self, &c, WORK_1), 0);
}

static void vfs_cancelled_copy_leaves_nothing(void **state)
{
    const struct dv_layer_req req = { .struct_size = sizeof(req), .id = WORK_2, .parent = LAYER_1 };
    dv_autocall c;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(prepare(WORK_1, NULL), 0);
    for (int i = 0; i < 100; i++) {
        dv_autofree char *name = dv_format("f%d", i);

        write_in(WORK_1, name, "x");
    }
    assert_int_equal(commit(WORK_1, LAYER_1, NULL), 0);
    assert_int_equal(dv_call_begin(&c, drv, "test", &err), 0);
    c.deadline_ns = 1;
    assert_int_equal(dv_call_result(&c, ops->prepare(drv->self, &c, &req)), -DV_E_TIMEOUT);
    assert_int_equal(entries("tmp"), 0);
    assert_int_equal(state_of(WORK_2), -DV_E_NOT_FOUND);
    assert_int_equal(erase(LAYER_1), 0); /* the lost child does not hold it */
}

/* In a child with a mount namespace of its own: a full disk. Exit codes tell the line. */
static int on_a_full_disk(void)
{
    static char text[700 << 10];
    struct dv_diff_dir d;
    dv_autoclose int full = -1;
    char name[8] = "vfs";

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", "/mnt", "tmpfs", 0, "size=1m") < 0)
        return 2;
    free(state_dir);
    state_dir = dv_strdup("/mnt/s");
    if (open_driver(name) < 0)
        return 3;
    if (prepare(WORK_1, NULL) < 0 || open_diff(WORK_1, 1, &d) < 0)
        return 4;
    full = openat(d.dir_fd, "big", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (dv_write_all(full, text, sizeof(text)) < 0 || commit(WORK_1, LAYER_1, NULL) < 0)
        return 5;
    if (prepare(WORK_2, LAYER_1) != -DV_E_NO_SPACE || !strstr(err.msg, "/big"))
        return 6;
    /* The half is gone at once: there is room again. */
    if (entries("tmp") || entries("trash") || entries("work"))
        return 7;
    if (erase(LAYER_1) < 0 || empty_trash(0) < 0 || entries("layers"))
        return 8;
    return 0;
}

static void vfs_tells_a_full_disk(void **state)
{
    int status = 0;
    pid_t pid;

    (void)state;
    NEEDS_ROOT();
    pid = fork();
    if (pid == 0)
        _exit(on_a_full_disk());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define T(fn) cmocka_unit_test_setup(fn, wipe)
#define BOTH                                                                                       \
    T(a_layer_is_prepared_and_committed), T(ids_are_checked), T(conflicts_are_told),               \
        T(requests_beyond_the_driver_are_refused), T(removed_goes_to_trash_and_away),              \
        T(recover_keeps_what_is_known), T(what_was_committed_is_there_after_a_restart),            \
        T(stat_counts_each_inode_once), T(a_cancelled_call_ends), T(threads_share_a_parent),       \
        T(survives_kill)

int main(void)
{
    const struct CMUnitTest overlay[] = {
        BOTH,
        T(overlay_describes_its_mount),
        T(overlay_plan_mounts),
        T(overlay_root_looks_as_its_parents),
        T(overlay_takes_128_layers),
        T(overlay_says_what_info_shows),
    };
    const struct CMUnitTest vfs[] = {
        BOTH,
        T(vfs_copies_everything),
        T(vfs_needs_the_parent_first),
        T(vfs_cancelled_copy_leaves_nothing),
        T(vfs_tells_a_full_disk),
    };
    int failed = cmocka_run_group_tests(overlay, set_up_overlay, tear_down);

    return failed + cmocka_run_group_tests(vfs, set_up_vfs, tear_down);
}

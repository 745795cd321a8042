/* spec_joins.c - namespaces of another container that a container joins, and what belongs to them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/file.h"
#include "core/base/sock.h"
#include "core/container/spec_parts.h"

enum { STAT_MAX_BYTES = 4096, START_TIME_FIELD = 22, MAX_HOPS = 32 };

static const struct {
    enum dv_ns ns;
    const char *file;                /* in /proc/PID/ns */
} kinds[] = { { DV_NS_NET, "net" }, { DV_NS_PID, "pid" }, { DV_NS_IPC, "ipc" } };

static const char *file_of(enum dv_ns ns)
{
    for (size_t i = 0; i < N(kinds); i++)
        if (kinds[i].ns == ns)
            return kinds[i].file;
    return "?";
}

/* proc(5), /proc/pid/stat: the name in parentheses may hold anything, so it is left from the right. */
static uint64_t start_time(int proc_fd)
{
    dv_autofree char *text = NULL;
    struct dv_error ignored = { 0 };
    char *at;

    if (dv_read_file(proc_fd, "stat", STAT_MAX_BYTES, &text, NULL, &ignored) < 0)
        return 0;
    at = strrchr(text, ')');
    for (int field = 2; at && field < START_TIME_FIELD; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

/* The init's directory in /proc; whoever has its number after it fails the comparison, and a
 * directory that passed it stays that process's. */
static int open_process(struct dv_container *other)
{
    char path[32];
    uint64_t expected = 0;
    int64_t pid = 0;
    int fd;

    dv_lock_take(&other->lock);
    if (other->status == DV_RUNNING || other->status == DV_PAUSED) {
        pid = other->pid;
        expected = other->start_time;
    }
    dv_lock_drop(&other->lock);
    if (pid <= 0)
        return -1;
    snprintf(path, sizeof(path), "/proc/%lld", (long long)pid);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && start_time(fd) != expected) {
        dv_close(fd);
        return -1;
    }
    return fd;
}

/* Its number among the descriptors. */
static int add(struct dv_spec_joins *joins, int fd)
{
    joins->fds[joins->n++] = fd;
    return (int)joins->n - 1 + joins->own_netns;
}

/* POSIX shared memory lies in files: an IPC namespace without them is half of it. */
static int lend_shm(struct dv_container *other, struct dv_spec_joins *joins, struct dv_error *err)
{
    dv_autopacket answer = { 0 };
    struct dv_msg_writer w;
    int fd, r;

    dv_msg_begin(&w, DV_SHIM_LEND, 0, DV_MAX_MSG_BYTES);
    dv_msg_u64(&w, DV_ST_WHAT, DV_LEND_SHM);
    r = dv_shim_request(other, &w, NULL, 0, &answer, NULL, err);
    dv_msg_done(&w);
    if (r < 0)
        return dv_wrap(err, "share /dev/shm of container %s", other->id);
    fd = dv_packet_take_fd(&answer, 0);
    if (fd < 0)
        return dv_fail(err, DV_E_INTERNAL, "davit-shim lent no /dev/shm of container %s", other->id);
    joins->shm = add(joins, fd);
    return 0;
}

/* Docker's rule: only who said so shares its IPC. A join of a join goes on to the first. */
static int check_shareable(const struct dv_container *other, const char *name, struct dv_error *err)
{
    const char *mode = other->config->ipc_mode;

    if (mode && (dv_streq(mode, "shareable") || dv_starts(mode, "container:")))
        return 0;
    return dv_fail(err, DV_E_CONFLICT,
                   "can't join IPC of container %s: non-shareable IPC (hint: use IpcMode:shareable "
                   "for the donor container)",
                   name);
}

static int join(struct dv_container *other, const char *name, enum dv_ns ns, struct dv_spec *spec,
                struct dv_spec_joins *joins, struct dv_error *err)
{
    dv_autoclose int proc_fd = -1;
    char file[16];
    int fd;

    if (ns == DV_NS_IPC && check_shareable(other, name, err) < 0)
        return -err->code;
    proc_fd = open_process(other);
    if (proc_fd < 0)
        return dv_fail(err, DV_E_CONFLICT, "cannot join %s namespace of a non running container: %s",
                       file_of(ns), name);
    snprintf(file, sizeof(file), "ns/%s", file_of(ns));
    fd = openat(proc_fd, file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open the %s namespace of container %s",
                             file_of(ns), name);
    spec->ns[ns].wanted = true;
    spec->ns[ns].fd_index = add(joins, fd);
    return ns == DV_NS_IPC ? lend_shm(other, joins, err) : 0;
}

int dv_spec_join(struct dv_container *c, const char *mode, enum dv_ns ns, struct dv_spec *spec,
                 struct dv_spec_joins *joins, struct dv_error *err)
{
    const char *name = mode + strlen("container:");
    struct dv_container *other = NULL;
    int r = dv_container_get(c->cs, name, &other, err);

    if (r < 0)
        return r;
    if (other == c)
        r = dv_fail(err, DV_E_INVALID, "container %s cannot join its own %s namespace", name,
                    file_of(ns));
    else
        r = join(other, name, ns, spec, joins, err);
    dv_container_unref(other);
    return r;
}

/* A ring of joins, which can never start, ends at its last hop. */
struct dv_container *dv_container_net_owner(struct dv_container *c)
{
    static const char prefix[] = "container:";
    struct dv_container *owner = dv_container_ref(c);

    for (int hop = 0; hop < MAX_HOPS; hop++) {
        const char *mode = owner->config->network_mode;
        struct dv_container *next = NULL;
        struct dv_error gone = { 0 };

        if (!mode || !dv_starts(mode, prefix) ||
            dv_container_get(c->cs, mode + strlen(prefix), &next, &gone) < 0)
            break;
        dv_container_unref(owner);
        owner = next;
    }
    return owner;
}

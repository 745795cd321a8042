/* trash.c - directories of volumes that are gone: moved aside at once, deleted by a thread. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/time.h"
#include "core/volume/internal.h"

int dv_volume_names(int dir_fd, struct dv_strv *ret, struct dv_error *err)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (!dir) {
        dv_close(fd);
        return dv_fail_errno(err, DV_E_INTERNAL, "read a directory of volumes");
    }
    while (r == 0 && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            r = dv_strv_add(ret, entry->d_name);
    closedir(dir);
    return r < 0 ? dv_fail(err, DV_E_NO_MEMORY, "read a directory of volumes") : 0;
}

static void delete_one(struct dv_volumes *vs, const char *name)
{
    struct dv_error err = { 0 };

    if (dv_remove_tree(vs->trash_fd, name, &err) < 0)
        dv_log_warn(NULL, "delete %s/.trash/%s: %s; the next start tries again", vs->root, name,
                    err.msg);
}

static void *janitor(void *arg)
{
    struct dv_volumes *vs = arg;

    dv_lock_take(&vs->lock);
    while (!vs->stopping) {
        struct dv_strv names = vs->doomed;

        if (!names.n) {
            (void)dv_lock_wait(&vs->lock, &vs->changed, 0);
            continue;
        }
        vs->doomed = (struct dv_strv){ 0 };
        dv_lock_drop(&vs->lock);
        for (size_t i = 0; i < names.n; i++)
            delete_one(vs, names.items[i]);
        dv_strv_done(&names);
        dv_lock_take(&vs->lock);
    }
    dv_lock_drop(&vs->lock);
    return NULL;
}

/* With the first need only: a daemon without volumes has no such thread. Under the lock. */
static void wake(struct dv_volumes *vs)
{
    pthread_attr_t attr;
    sigset_t all, old;

    pthread_cond_broadcast(&vs->changed);
    if (vs->janitor_runs)
        return;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    vs->janitor_runs = pthread_create(&vs->janitor, &attr, janitor, vs) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (vs->janitor_runs)
        pthread_setname_np(vs->janitor, "volumes");
    else
        dv_log_warn(NULL, "start the thread that deletes volumes; the next start deletes them");
}

void dv_volume_to_trash(struct dv_volumes *vs, const char *name, enum dv_volume_trash what)
{
    char to[DV_VOLUME_NAME_BYTES];

    /* Not by the name alone: the trash may hold an earlier one of it, and names are long. */
    snprintf(to, sizeof(to), "%.200s.%llu", name, (unsigned long long)dv_now_ns());
    if (renameat(vs->dir_fd, name, vs->trash_fd, to) < 0) {
        if (errno != ENOENT)
            dv_log_warn(NULL, "move volume %s to the trash: %m", name);
        return;
    }
    if (what == DV_VOLUME_DELETE && dv_strv_add(&vs->doomed, to) == 0)
        wake(vs);
}

void dv_volume_empty_trash(struct dv_volumes *vs)
{
    struct dv_error err = { 0 };
    dv_guard(&vs->lock);

    if (dv_volume_names(vs->trash_fd, &vs->doomed, &err) < 0)
        dv_log_warn(NULL, "empty %s/.trash: %s", vs->root, err.msg);
    if (vs->doomed.n)
        wake(vs);
}

void dv_volume_janitor_stop(struct dv_volumes *vs)
{
    if (!vs->janitor_runs)
        return;
    dv_lock_take(&vs->lock);
    vs->stopping = true;
    pthread_cond_broadcast(&vs->changed);
    dv_lock_drop(&vs->lock);
    pthread_join(vs->janitor, NULL);
}

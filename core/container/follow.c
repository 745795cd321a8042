/* follow.c - telling log readers that there is more: one inotify instance for all containers. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/container/internal.h"
#include "core/daemon/engine.h"

struct dv_follower {
    struct dv_follower *next;
    struct dv_container *c;          /* reference */
    int wd;                          /* inotify watch of the log directory, -1 = none */
    uint64_t told;                   /* loop thread: the last round in which it was told */
    dv_follow_fn *fn;
    void *arg;
    bool cancelled;                  /* loop thread, once its end is posted */
};

/* Inotify gives one watch a directory, so it is removed with its last follower. Under c->lock. */
static void drop_watch(struct dv_container *c, int wd)
{
    if (wd < 0)
        return;
    for (struct dv_follower *f = c->followers; f; f = f->next)
        if (f->wd == wd)
            return;
    inotify_rm_watch(c->cs->inotify_fd, wd);
}

static void tell_end(void *data)
{
    struct dv_follower *f = data;

    if (!f->cancelled)
        f->fn(f->arg, true);
    dv_container_unref(f->c);
    free(f);
}

void dv_followers_end(struct dv_container *c)
{
    int wd = c->followers ? c->followers->wd : -1;

    while (c->followers) {
        struct dv_follower *f = c->followers;

        c->followers = f->next;
        dv_loop_post(c->cs->engine->loop, tell_end, f);
    }
    drop_watch(c, wd);
}

/* A follower of directory WD that ROUND has not told yet. */
static struct dv_follower *next_follower(struct dv_container *c, int wd, uint64_t round)
{
    struct dv_follower *f;

    dv_lock_take(&c->lock);
    for (f = c->followers; f && (f->wd != wd || f->told == round); f = f->next)
        ;
    dv_lock_drop(&c->lock);
    return f;
}

/* Loop thread. Followers are freed in this thread only, and callbacks may cancel any of them: so the
 * list is looked at anew for each. */
static void tell_more(struct dv_containers *cs, int wd)
{
    struct dv_container **list = NULL;
    size_t n = dv_container_list(cs, &list);

    cs->follow_rounds++;
    for (size_t i = 0; i < n; i++) {
        struct dv_follower *f;

        while ((f = next_follower(list[i], wd, cs->follow_rounds))) {
            f->told = cs->follow_rounds;
            f->fn(f->arg, false);
        }
        dv_container_unref(list[i]);
    }
    free(list);
}

static void on_inotify(void *data, uint32_t events)
{
    struct dv_containers *cs = data;
    char buf[4096] __attribute__((aligned(8)));
    int last = -1;

    (void)events;
    for (;;) {
        ssize_t n = read(cs->inotify_fd, buf, sizeof(buf));

        if (n <= 0)
            return;
        for (char *p = buf; p < buf + n;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)p;

            if (event->wd != last)
                tell_more(cs, event->wd);
            last = event->wd;
            p += sizeof(*event) + event->len;
        }
        last = -1;
    }
}

static void watch_in_loop(void *data)
{
    struct dv_containers *cs = data;
    struct dv_error err = { 0 };

    if (dv_loop_add(cs->engine->loop, cs->inotify_fd, EPOLLIN, on_inotify, cs, &cs->inotify_watch,
                    &err) < 0)
        dv_log_error(NULL, "watch inotify: %s", err.msg);
}

int dv_follow_open(struct dv_containers *cs, struct dv_error *err)
{
    cs->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (cs->inotify_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL,
                             "create an inotify instance (see fs.inotify.max_user_instances)");
    dv_loop_post(cs->engine->loop, watch_in_loop, cs);
    return 0;
}

void dv_follow_close(struct dv_containers *cs)
{
    dv_watch_remove(cs->inotify_watch);
    dv_close(cs->inotify_fd);
}

int dv_container_follow(struct dv_container *c, dv_follow_fn *fn, void *arg,
                        struct dv_follower **ret, struct dv_error *err)
{
    struct dv_follower *f = calloc(1, sizeof(*f));
    char path[4096];

    if (!f)
        return dv_fail(err, DV_E_NO_MEMORY, "follow the log of container %s", c->id);
    f->c = dv_container_ref(c);
    f->fn = fn;
    f->arg = arg;
    f->wd = -1;
    *ret = f;
    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", c->cs->dirs_fd, c->id);
    dv_lock_take(&c->lock);
    if (c->status == DV_RUNNING || c->status == DV_PAUSED ||
        (c->busy && dv_streq(c->busy, "start"))) {
        f->wd = inotify_add_watch(c->cs->inotify_fd, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
        if (f->wd < 0)
            dv_log_warn(NULL, "container %s: watch its log: %m", c->id);
        f->next = c->followers;
        c->followers = f;
    } else {
        dv_loop_post(c->cs->engine->loop, tell_end, f);
    }
    dv_lock_drop(&c->lock);
    return 0;
}

/* Loop thread: the end, once posted, is delivered there too. */
void dv_follower_cancel(struct dv_containers *cs, struct dv_follower *f)
{
    struct dv_container *c;
    bool found = false;

    (void)cs;
    if (!f)
        return;
    c = dv_container_ref(f->c);
    dv_lock_take(&c->lock);
    f->cancelled = true;
    for (struct dv_follower **at = &c->followers; *at; at = &(*at)->next)
        if (*at == f) {
            *at = f->next;
            found = true;
            break;
        }
    if (found)
        drop_watch(c, f->wd);
    dv_lock_drop(&c->lock);
    if (found) {
        dv_container_unref(f->c);
        free(f);
    }
    dv_container_unref(c);
}

int dv_container_log_dir(struct dv_container *c, int *ret_fd, char **ret_name,
                         struct dv_error *err)
{
    const char *type = c->config->log_type;
    dv_autofree char *name = NULL;

    if (!dv_empty(type) && !dv_streq(type, "json-file"))
        return dv_fail(err, DV_E_UNSUPPORTED,
                       "configured logging driver does not support reading");
    name = dv_format("%s-json.log", c->id);
    if (!name)
        return dv_fail(err, DV_E_NO_MEMORY, "open the log of container %s", c->id);
    *ret_fd = openat(c->cs->dirs_fd, c->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*ret_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open the log directory of container %s", c->id);
    *ret_name = dv_take(name);
    return 0;
}

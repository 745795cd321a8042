/* top.c - the processes of a container, as ps would print them. */
#include <stdlib.h>

#include "core/container/internal.h"
#include "core/container/ps.h"
#include "core/daemon/engine.h"
#include "core/runtime/cgroup.h"

void dv_top_done(struct dv_top *top)
{
    dv_strv_done(&top->titles);
    for (size_t i = 0; i < top->n; i++)
        dv_strv_done(&top->rows[i]);
    free(top->rows);
    *top = (struct dv_top){ 0 };
}

static int check_up(struct dv_container *c, struct dv_error *err)
{
    int r = 0;

    dv_lock_take(&c->lock);
    if (c->status == DV_RESTARTING)
        r = dv_fail(err, DV_E_CONFLICT,
                    "Container %s is restarting, wait until the container is running", c->id);
    else if (c->status != DV_RUNNING && c->status != DV_PAUSED)
        r = dv_fail(err, DV_E_CONFLICT, "container %s is not running", c->id);
    dv_lock_drop(&c->lock);
    return r;
}

static int by_number(const void *a, const void *b)
{
    pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

    return (x > y) - (x < y);
}

static int fill(struct dv_top *top, const struct dv_ps_format *format, const pid_t *pids, size_t n,
                struct dv_error *err)
{
    struct dv_ps_host host;
    int r = 0;

    for (size_t i = 0; i < format->n; i++)
        if (dv_strv_add(&top->titles, dv_ps_title(format, i)) < 0)
            return dv_fail(err, DV_E_NO_MEMORY, "list the processes");
    top->rows = calloc(n + 1, sizeof(*top->rows));
    if (!top->rows)
        return dv_fail(err, DV_E_NO_MEMORY, "list the processes");
    dv_ps_host_look(&host);
    for (size_t i = 0; i < n && r >= 0; i++) {
        r = dv_ps_row(format, &host, pids[i], &top->rows[top->n], err);
        if (r == 1)
            top->n++;
        else
            dv_strv_done(&top->rows[top->n]);
    }
    dv_ps_host_done(&host);
    return r < 0 ? r : 0;
}

int dv_container_top(struct dv_container *c, const char *ps_args, struct dv_top *ret,
                     struct dv_error *err)
{
    struct dv_ps_format format;
    struct dv_top top = { 0 };
    pid_t *pids = NULL;
    size_t n = 0;
    int r = check_up(c, err);

    if (r == 0)
        r = dv_ps_parse(ps_args, &format, err);
    if (r == 0)
        r = dv_cgroup_pids(c->cs->engine->cgroups, c->cs->cgroup_parent, c->id, &pids, &n, err);
    if (r == 0) {
        if (n > 0) /* where it has just ended there is no list at all */
            qsort(pids, n, sizeof(*pids), by_number);
        r = fill(&top, &format, pids, n, err);
    }
    free(pids);
    if (r < 0) {
        dv_top_done(&top);
        return r;
    }
    *ret = top;
    dv_container_emit(c, "top", NULL);
    return 0;
}

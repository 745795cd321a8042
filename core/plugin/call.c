/* call.c - one call into a plugin: its arena, its error slot, its result. */

#include "core/base/log.h"
#include "core/plugin/load.h"

#include <stdarg.h>
#include <stdio.h>

struct block {
    struct block *next;
};

void dv_call_init(struct dv_call *c, const struct dv_driver *driver, struct dv_error *err)
{
    *c = (struct dv_call){
        .err = err,
        .deadline_ns = UINT64_MAX,
        .cancel_fd = -1,
        .driver = driver ? driver->name : "?",
    };
    /* DV_CAP_SERIAL: the lock is taken by the call, not by each caller, so none forgets it. */
    if (driver && driver->serial) {
        pthread_mutex_lock(driver->serial);
        c->serial = driver->serial;
    }
}

void dv_call_done(struct dv_call *c)
{
    struct block *b = c->arena;

    while (b) {
        struct block *next = b->next;

        free(b);
        b = next;
    }
    c->arena = NULL;
    if (c->serial)
        pthread_mutex_unlock(c->serial);
    c->serial = NULL;
}

static int misbehaved(struct dv_call *c, const char *fmt, ...) DV_PRINTF(2, 3);
static int misbehaved(struct dv_call *c, const char *fmt, ...)
{
    char what[160];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    dv_log_warn(NULL, "plugin '%s' misbehaved: %s", c->driver, what);
    return dv_fail(c->err, DV_E_INTERNAL, "plugin '%s' misbehaved: %s", c->driver, what);
}

int dv_call_result_upto(struct dv_call *c, int32_t result, int32_t max)
{
    if (result >= 0 && result <= max) {
        dv_error_clear(c->err); /* the plugin recorded something and then found a way */
        return result;
    }
    if (result > 0)
        return misbehaved(c, "it returned %d where at most %d is an answer", result, max);
    if (result < -DV_E_INTERNAL)
        return misbehaved(c, "it returned %d, which is no error code", result);
    if (c->err->code == 0)
        return misbehaved(c, "it returned %s without a reason", dv_code_name(-result));
    return -c->err->code;
}

int dv_call_result(struct dv_call *c, int32_t result)
{
    return dv_call_result_upto(c, result, 0);
}

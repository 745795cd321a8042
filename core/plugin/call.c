/* call.c - one call into a plugin: its arena, its error slot, its result. */

#include "core/base/log.h"
#include "core/base/time.h"
#include "core/plugin/internal.h"
#include "core/plugin/watch.h"

#include <stdarg.h>
#include <stdio.h>

enum { SERIAL_STEP_NS = 100000000 }; /* between two looks whether the call before is stuck */

/* DV_CAP_SERIAL: the lock is taken by the call, not by each caller, so none forgets it. Those who wait
 * when the call before them turns out to be stuck are told so, like those who come later. */
static int take_serial(struct dv_call *c, const struct dv_driver *driver)
{
    while (pthread_mutex_trylock(driver->serial) != 0) {
        uint64_t until = dv_mono_ns() + SERIAL_STEP_NS;
        struct timespec t = { (time_t)(until / 1000000000), (long)(until % 1000000000) };

        if (pthread_mutex_clocklock(driver->serial, CLOCK_MONOTONIC, &t) == 0)
            break;
        if (dv_calls_stuck(driver->calls, c->err))
            return -c->err->code;
    }
    c->serial = driver->serial;
    return 0;
}

int dv_call_begin(struct dv_call *c, const struct dv_driver *driver, const char *op,
                  struct dv_error *err)
{
    int r = 0;

    *c = (struct dv_call){
        .err = err,
        .deadline_ns = UINT64_MAX,
        .cancel_fd = -1,
        .driver = driver,
        .op = op,
    };
    if (!driver)
        return 0;
    if (dv_calls_stuck(driver->calls, err))
        return -err->code;
    if (driver->serial)
        r = take_serial(c, driver);
    if (r == 0)
        dv_calls_enter(driver->calls, c);
    return r;
}

void dv_call_next(struct dv_call *c, const char *op)
{
    c->op = op;
    dv_calls_renew(c);
}

void dv_call_long(struct dv_call *c)
{
    dv_calls_extend(c, 10);
}

void dv_call_done(struct dv_call *c)
{
    struct dv_arena_block *b = c->arena;

    if (c->slot)
        dv_calls_leave(c);
    while (b) {
        struct dv_arena_block *next = b->next;

        free(b);
        b = next;
    }
    c->arena = NULL;
    if (c->serial)
        pthread_mutex_unlock(c->serial);
    c->serial = NULL;
}

int dv_call_misbehaved(struct dv_call *c, const char *fmt, ...)
{
    const char *name = c->driver ? c->driver->name : "?";
    char what[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    dv_log_warn(NULL, "plugin '%s' misbehaved: %s", name, what);
    if (c->driver)
        dv_calls_complain(c->driver->calls, what);
    return dv_fail(c->err, DV_E_INTERNAL, "plugin '%s' misbehaved: %s", name, what);
}

int dv_call_result_upto(struct dv_call *c, int32_t result, int32_t max)
{
    if (result >= 0 && result <= max) {
        dv_error_clear(c->err); /* the plugin recorded something and then found a way */
        return result;
    }
    if (result > 0)
        return dv_call_misbehaved(c, "%s() returned %d where at most %d is an answer", c->op,
                                  result, max);
    if (result < -DV_E_INTERNAL)
        return dv_call_misbehaved(c, "%s() returned %d, which is no error code", c->op, result);
    if (c->err->code == 0)
        return dv_call_misbehaved(c, "%s() returned %s without a reason", c->op,
                                  dv_code_name(-result));
    return -c->err->code;
}

int dv_call_result(struct dv_call *c, int32_t result)
{
    return dv_call_result_upto(c, result, 0);
}

/* cleanup.h - scoped release of memory and descriptors. */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Marks results that must be looked at. */
#define DV_CHECK __attribute__((warn_unused_result))
#define DV_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define N(array) (sizeof(array) / sizeof((array)[0]))

static inline void dv_cleanup_free(void *p)
{
    free(*(void **)p);
}

/* Close without touching errno, so that it can run between a failure and its report. */
static inline void dv_close(int fd)
{
    int saved = errno;

    if (fd >= 0)
        close(fd);
    errno = saved;
}

static inline void dv_cleanup_close(int *fd)
{
    dv_close(*fd);
}

#define dv_autofree __attribute__((cleanup(dv_cleanup_free)))
#define dv_autoclose __attribute__((cleanup(dv_cleanup_close)))

/* Give a scoped pointer or descriptor away: the scope no longer releases it. */
#define dv_take(p) __extension__({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })

static inline int dv_take_fd_(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}
#define dv_take_fd(fd) dv_take_fd_(&(fd))

/* One scoped type for each TYPE with FREE(TYPE *): DV_DEFINE_AUTO(dv_thing, dv_thing_free) gives
 * `dv_autoptr_dv_thing`, used as `dv_auto(dv_thing) *thing = NULL;`. */
#define DV_DEFINE_AUTO(type, free_fn)                                                              \
    static inline void dv_autoclean_##type(struct type **p)                                        \
    {                                                                                              \
        free_fn(*p);                                                                               \
    }                                                                                              \
    struct type
#define dv_auto(type) __attribute__((cleanup(dv_autoclean_##type))) struct type

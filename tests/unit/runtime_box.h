/* runtime_box.h - a container of busybox for the tests of core/runtime. */
#pragma once

#include <stdbool.h>

#include "core/base/str.h"
#include "core/runtime/runtime.h"

struct box {
    char dir[64];                /* below it all lies; removed in the end */
    struct dv_spec *spec;
    struct dv_runtime_fds fds;
    struct dv_init init;
    struct dv_strv warnings;
    struct dv_error err;
    int out;                     /* what we read of its output, -1 */
    char text[65536];            /* all of it */
};

/* NULL where containers can be made, else why not. */
const char *box_unable(void);
/* A directory with busybox in it as "root", and a spec as davitd makes it: bind rootfs, the usual
 * mounts and namespaces, root with Docker's capabilities. */
void box_open(struct box *b);
void box_close(struct box *b);
/* sh -c SCRIPT. */
void box_script(struct box *b, const char *script);
void box_args(struct box *b, const char *const *args);
/* The root file system as an overlay of LOWERS directories, busybox in the last, and an upper one.
 */
void box_overlay(struct box *b, size_t lowers);
void box_add_option(struct box *b, const char *destination, const char *option);
struct dv_spec_mount *box_add_mount(struct box *b, const char *type, const char *source,
                                    const char *destination, const char *options);
/* A file below the box's directory. */
void box_write(struct box *b, const char *name, const char *text, unsigned mode);
/* create alone; negative on failure, told in b->err. */
int box_create(struct box *b);
/* create and start, output to its end, exit code; negative on failure. */
int box_run(struct box *b);
/* Run SCRIPT in the living container; exit code, or negative. */
int box_exec(struct box *b, const struct dv_spec_process *p);
/* Wait for PIDFD: exit code, or 128 + signal. */
int box_wait(int pidfd);
void box_kill(struct box *b);

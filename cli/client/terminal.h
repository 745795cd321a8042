/* terminal.h - the user's terminal: raw mode, size, and the keys that detach from a container. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#include "core/base/error.h"

struct dv_raw {
    bool on;
    int fd;
    struct termios before;
};
/* Put FD (a terminal, else nothing happens) into raw mode. */
void dv_raw_enter(struct dv_raw *raw, int fd);
void dv_raw_leave(struct dv_raw *raw); /* safe to call twice */

/* Rows and columns of the terminal FD; false if it has none. */
bool dv_terminal_size(int fd, unsigned *rows, unsigned *columns);

/* Watches what is typed for the detach keys. The daemon does the detaching; the client needs to
 * know that the end of the stream was asked for. */
struct dv_detach {
    unsigned char keys[16];
    size_t n, matched;
    bool done;
};
/* TEXT: "ctrl-p,ctrl-q", "a,b"; "" for the default. INVALID for anything else. */
DV_CHECK int dv_detach_init(struct dv_detach *detach, const char *text, struct dv_error *err);
void dv_detach_feed(struct dv_detach *detach, const void *data, size_t n);

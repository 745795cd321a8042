/* listen.h - the daemon's sockets and its word to the service manager. */
#pragma once

#include "core/base/str.h"

struct dv_error;

enum { DV_MAX_LISTENERS = 16 };
/* Listening sockets: those that systemd passed (LISTEN_FDS), else one for each of HOSTS
 * ("unix:///path"; 0660, group davit where it exists). CONFLICT when somebody answers there. */
int dv_listen(const struct dv_strv *hosts, int fds[DV_MAX_LISTENERS], size_t *ret_n,
              struct dv_error *err);
/* Remove the socket files that dv_listen made. */
void dv_unlisten(const struct dv_strv *hosts);
/* sd_notify(3): "READY=1", "STOPPING=1"; nothing without NOTIFY_SOCKET. */
void dv_notify(const char *state);

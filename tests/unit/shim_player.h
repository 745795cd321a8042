/* shim_player.h - plays davitd for the tests of davit-shim: starts, asks, hears. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "core/base/sock.h"
#include "core/runtime/spec.h"
#include "core/shim/protocol.h"

struct player {
    char path[64];          /* a directory of its own: run, state and log directory */
    int dir_fd, control, pidfd;
    uint32_t seq;
};
struct player_client {
    int fd;                 /* given away; -1 = none */
    unsigned flags;
    const char *keys, *early;
};
struct player_plan {
    struct dv_spec *spec;   /* borrowed */
    bool open_stdin, stdin_once, kill_cgroup, no_log;
    struct player_client clients[4];
    int procs_fd, cgroup_dir; /* 0 = none */
    int init_program;
};

/* Start the shim PROGRAM with a fresh directory. */
void player_begin(struct player *p, const char *program);
/* Whatever is left is killed and removed. */
void player_end(struct player *p);
/* Send W (ended here), and read the answer to it; events before it are dropped. Gives the kind. */
int player_ask(struct player *p, struct dv_msg_writer *w, const int *fds, size_t n_fds,
               struct dv_packet *answer);
/* The same for a request without fields. */
int player_ask_plain(struct player *p, uint16_t kind, struct dv_packet *answer);
int player_create(struct player *p, const struct player_plan *plan, struct dv_packet *answer);
/* Create and start; both must succeed. */
void player_run(struct player *p, const struct player_plan *plan);
int player_exec(struct player *p, const char *id, const struct dv_spec_process *process,
                const struct player_client *client, struct dv_packet *answer);
/* The next message, which must be of KIND, within TIMEOUT_MS. */
void player_expect(struct player *p, uint16_t kind, int timeout_ms, struct dv_packet *ret);
/* EVENT_EXIT; gives the exit code. */
int player_expect_exit(struct player *p, int timeout_ms);
/* The shim ends within TIMEOUT_MS; gives its exit status. */
int player_expect_end(struct player *p, int timeout_ms);
bool player_has(const struct player *p, const char *name);
char *player_read(struct player *p, const char *name, size_t *ret_n);

/* A stream socket pair: the shim's end in *RET_THEIRS. */
int player_socket(int *ret_theirs);
/* Everything up to EOF. */
char *player_drain(int fd, size_t *ret_n);
/* The payload of STREAM in a framed DATA; fails the test where a frame is broken. */
char *player_unframe(const char *data, size_t n, uint8_t stream, size_t *ret_n);

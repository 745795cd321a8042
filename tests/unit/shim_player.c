/* shim_player.c - plays davitd for the tests of davit-shim. */
#include "shim_player.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "core/base/spawn.h"
#include "core/base/str.h"
#include "core/runtime/spec_msg.h"

enum { ANSWER_MS = 10000, FILE_MAX = 1 << 30 };

void player_begin(struct player *p, const char *program)
{
    char *const argv[] = { "davit-shim", NULL };
    int pair[2], fds[] = { -1, -1, STDERR_FILENO, -1 };
    struct dv_spawn spawn = { .path = program, .argv = argv, .envp = environ, .fds = fds,
                              .n_fds = N(fds), .new_session = 1 };
    struct dv_error err = { 0 };
    pid_t pid;

    *p = (struct player){ .pidfd = -1, .control = -1 };
    snprintf(p->path, sizeof(p->path), "/tmp/davit-shim-XXXXXX");
    assert_non_null(mkdtemp(p->path));
    p->dir_fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(p->dir_fd >= 0);
    assert_int_equal(dv_sock_pair(SOCK_SEQPACKET, pair, &err), 0);
    fds[3] = pair[1];
    assert_int_equal(dv_spawn(&spawn, &pid, &p->pidfd, &err), 0);
    p->control = pair[0];
    close(pair[1]);
}

void player_end(struct player *p)
{
    dv_autoclose int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct dv_error err = { 0 };
    siginfo_t info;

    if (p->pidfd >= 0) {
        syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
        waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED);
    }
    dv_close(p->pidfd);
    dv_close(p->control);
    dv_close(p->dir_fd);
    if (p->path[0] && dv_remove_tree(tmp, p->path + strlen("/tmp/"), &err) < 0)
        print_error("%s\n", err.msg);
}

static bool wait_readable(int fd, int timeout_ms)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

    return poll(&poll_fd, 1, timeout_ms) == 1;
}

static void read_message(struct player *p, int timeout_ms, struct dv_packet *ret)
{
    struct dv_error err = { 0 };

    dv_packet_done(ret);
    *ret = (struct dv_packet){ 0 };
    assert_true(wait_readable(p->control, timeout_ms));
    if (dv_sock_recv(p->control, ret, &err) != 1)
        fail_msg("the shim closed the connection: %s", err.msg);
}

int player_ask(struct player *p, struct dv_msg_writer *w, const int *fds, size_t n_fds,
               struct dv_packet *answer)
{
    struct dv_error err = { 0 };

    assert_int_equal(dv_msg_end(w, &err), 0);
    dv_msg_set_seq(w, ++p->seq);
    if (dv_sock_send(p->control, w, fds, n_fds, &err) < 0)
        fail_msg("%s", err.msg);
    dv_msg_done(w);
    do
        read_message(p, ANSWER_MS, answer);
    while (answer->msg.seq != p->seq);
    return answer->msg.kind;
}

int player_ask_plain(struct player *p, uint16_t kind, struct dv_packet *answer)
{
    struct dv_msg_writer w;

    dv_msg_begin(&w, kind, 0, DV_MAX_MSG_BYTES);
    return player_ask(p, &w, NULL, 0, answer);
}

struct fd_list {
    int fds[DV_MAX_MSG_FDS];
    size_t n;
};

static void name_fd(struct dv_msg_writer *w, struct fd_list *list, uint16_t tag, int fd)
{
    dv_msg_u64(w, tag, list->n);
    list->fds[list->n++] = fd;
}

static int make_plan_fd(const struct dv_spec *spec)
{
    struct dv_msg_writer w;
    struct dv_error err = { 0 };
    int fd = memfd_create("plan", MFD_CLOEXEC);

    dv_msg_begin(&w, DV_SHIM_CREATE, 0, DV_MAX_PLAN_BYTES);
    dv_spec_encode(&w, DV_ST_SPEC, spec);
    assert_int_equal(dv_msg_end(&w, &err), 0);
    assert_true(fd >= 0 && dv_write_all(fd, w.buf.data, w.buf.len) == 0);
    dv_msg_done(&w);
    return fd;
}

static void put_client(struct dv_msg_writer *w, const struct player_client *c)
{
    dv_msg_u64(w, DV_ST_ATTACH_FLAGS, c->flags);
    if (c->keys)
        dv_msg_bytes(w, DV_ST_DETACH_KEYS, c->keys, strlen(c->keys));
    if (c->early)
        dv_msg_bytes(w, DV_ST_EARLY, c->early, strlen(c->early));
}

static void put_clients(struct dv_msg_writer *w, struct fd_list *list,
                        const struct player_plan *plan)
{
    for (size_t i = 0; i < N(plan->clients); i++) {
        const struct player_client *c = &plan->clients[i];
        size_t mark;

        if (!c->flags)
            continue;
        mark = dv_msg_open(w, DV_ST_CLIENT);
        name_fd(w, list, DV_ST_FD_CLIENT, c->fd);
        put_client(w, c);
        dv_msg_close(w, mark);
    }
}

static void prepare(struct player *p)
{
    dv_autopacket answer = { 0 };
    struct fd_list list = { .n = 0 };
    struct dv_msg_writer w;

    dv_msg_begin(&w, DV_SHIM_PREPARE, 0, DV_MAX_MSG_BYTES);
    name_fd(&w, &list, DV_ST_FD_RUN_DIR, p->dir_fd);
    assert_int_equal(player_ask(p, &w, list.fds, list.n, &answer), DV_SHIM_REPLY);
    assert_true(player_has(p, "shim.sock"));
}

int player_create(struct player *p, const struct player_plan *plan, struct dv_packet *answer)
{
    struct fd_list list = { .n = 0 };
    struct dv_msg_writer w;
    dv_autoclose int plan_fd = make_plan_fd(plan->spec);
    int kind;

    prepare(p);
    dv_msg_begin(&w, DV_SHIM_CREATE, 0, DV_MAX_MSG_BYTES);
    dv_msg_str(&w, DV_ST_ID, "c");
    name_fd(&w, &list, DV_ST_FD_PLAN, plan_fd);
    name_fd(&w, &list, DV_ST_FD_STATE_DIR, p->dir_fd);
    name_fd(&w, &list, DV_ST_FD_LOG_DIR, p->dir_fd);
    if (plan->procs_fd > 0)
        name_fd(&w, &list, DV_ST_FD_CGROUP_PROCS, plan->procs_fd);
    if (plan->cgroup_dir > 0)
        name_fd(&w, &list, DV_ST_FD_CGROUP_DIR, plan->cgroup_dir);
    if (plan->init_program > 0)
        name_fd(&w, &list, DV_ST_FD_INIT_PROGRAM, plan->init_program);
    dv_msg_u64(&w, DV_ST_OPEN_STDIN, plan->open_stdin);
    dv_msg_u64(&w, DV_ST_STDIN_ONCE, plan->stdin_once);
    dv_msg_u64(&w, DV_ST_KILL_CGROUP, plan->kill_cgroup);
    dv_msg_u64(&w, DV_ST_LOG_KIND, !plan->no_log);
    dv_msg_str(&w, DV_ST_LOG_NAME, "log");
    put_clients(&w, &list, plan);
    kind = player_ask(p, &w, list.fds, list.n, answer);
    for (size_t i = 0; i < N(plan->clients); i++)
        if (plan->clients[i].flags)
            close(plan->clients[i].fd);
    return kind;
}

static void must_reply(int kind, const struct dv_packet *answer)
{
    if (kind != DV_SHIM_REPLY)
        fail_msg("shim: %s", dv_msg_get_str(&answer->msg, DV_ST_MESSAGE, "no message"));
}

void player_run(struct player *p, const struct player_plan *plan)
{
    dv_autopacket answer = { 0 };

    must_reply(player_create(p, plan, &answer), &answer);
    assert_true(dv_msg_get_i64(&answer.msg, DV_ST_PID, 0) > 1);
    assert_true(dv_msg_get_u64(&answer.msg, DV_ST_START_TIME, 0) > 0);
    must_reply(player_ask_plain(p, DV_SHIM_START, &answer), &answer);
}

int player_exec(struct player *p, const char *id, const struct dv_spec_process *process,
                const struct player_client *client, struct dv_packet *answer)
{
    struct dv_msg_writer w;
    int kind;

    dv_msg_begin(&w, DV_SHIM_EXEC, 0, DV_MAX_MSG_BYTES);
    dv_process_encode(&w, DV_ST_PROCESS, process);
    dv_msg_str(&w, DV_ST_EXEC_ID, id);
    if (client)
        put_client(&w, client);
    kind = player_ask(p, &w, client ? &client->fd : NULL, client ? 1 : 0, answer);
    if (client)
        close(client->fd);
    return kind;
}

void player_expect(struct player *p, uint16_t kind, int timeout_ms, struct dv_packet *ret)
{
    read_message(p, timeout_ms, ret);
    assert_int_equal(ret->msg.kind, kind);
}

int player_expect_exit(struct player *p, int timeout_ms)
{
    dv_autopacket event = { 0 };
    int code;

    player_expect(p, DV_SHIM_EVENT_EXIT, timeout_ms, &event);
    code = (int)dv_msg_get_i64(&event.msg, DV_ST_EXIT_CODE, -1);
    assert_true(player_has(p, "exit"));
    assert_false(player_has(p, "shim.sock"));
    return code;
}

int player_expect_end(struct player *p, int timeout_ms)
{
    siginfo_t info = { 0 };

    assert_true(wait_readable(p->pidfd, timeout_ms));
    assert_int_equal(waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED), 0);
    dv_close(dv_take_fd(p->pidfd));
    assert_int_equal(info.si_code, CLD_EXITED);
    assert_false(player_has(p, "shim.sock"));
    return info.si_status;
}

bool player_has(const struct player *p, const char *name)
{
    return faccessat(p->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

char *player_read(struct player *p, const char *name, size_t *ret_n)
{
    struct dv_error err = { 0 };
    char *text = NULL;

    if (dv_read_file(p->dir_fd, name, FILE_MAX, &text, ret_n, &err) < 0)
        fail_msg("%s", err.msg);
    return text;
}

int player_socket(int *ret_theirs)
{
    struct dv_error err = { 0 };
    int pair[2];

    assert_int_equal(dv_sock_pair(SOCK_STREAM, pair, &err), 0);
    *ret_theirs = pair[1];
    return pair[0];
}

char *player_drain(int fd, size_t *ret_n)
{
    struct dv_error err = { 0 };
    char *data = NULL;

    if (dv_read_fd(fd, FILE_MAX, &data, ret_n, &err) < 0)
        fail_msg("%s", err.msg);
    return data;
}

char *player_unframe(const char *data, size_t n, uint8_t stream, size_t *ret_n)
{
    char *out = malloc(n + 1);
    size_t used = 0;

    assert_non_null(out);
    while (n > 0) {
        const uint8_t *h = (const uint8_t *)data;
        size_t len;

        assert_true(n >= 8);
        assert_true((h[0] == 1 || h[0] == 2) && !h[1] && !h[2] && !h[3]);
        len = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | h[7];
        assert_true(len > 0 && len <= n - 8);
        if (h[0] == stream) {
            memcpy(out + used, data + 8, len);
            used += len;
        }
        data += 8 + len;
        n -= 8 + len;
    }
    out[used] = '\0';
    if (ret_n)
        *ret_n = used;
    return out;
}

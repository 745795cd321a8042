/* ended.c - what a davitd that comes later is told about execs. */
#include "core/shim/ended.h"

#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/msg.h"
#include "core/base/str.h"
#include "core/shim/life.h"
#include "core/shim/protocol.h"
#include "core/shim/session.h"

enum {
    ENDED_KEPT = 64,
    NOTE_MAX_BYTES = 4096,
    /* All that run fit into a message; notes and ended ones get what is left of it. */
    EXEC_BYTES = 112,             /* of one without its note */
    LIST_BYTES = DV_MAX_MSG_BYTES - NOTE_MAX_BYTES,
};

struct dv_ended {
    struct dv_ended *next;
    char *exec_id;
    int exit_code;
    struct dv_buf note;
};

int dv_note_keep(struct dv_session *session, const struct dv_msg *ask, struct dv_error *err)
{
    struct dv_field f;

    session->note = (struct dv_buf)DV_BUF_INIT(NOTE_MAX_BYTES, "note");
    if (!dv_msg_find(ask, DV_ST_NOTE, &f) || f.len > NOTE_MAX_BYTES)
        return 0;
    return dv_buf_put(&session->note, f.data, f.len, err);
}

static void free_one(struct dv_ended *ended)
{
    free(ended->exec_id);
    dv_buf_done(&ended->note);
    free(ended);
}

void dv_ended_add(struct dv_session *session)
{
    struct dv_ended *ended = calloc(1, sizeof(*ended)), **at;
    char *exec_id = dv_strdup(session->exec_id);

    if (!ended || !exec_id) { /* who is connected is told; a later davitd will not know it */
        free(ended);
        free(exec_id);
        return;
    }
    *ended = (struct dv_ended){ .next = session->life->ended, .exec_id = exec_id,
                                .exit_code = session->exit_code, .note = session->note };
    session->note = (struct dv_buf){ 0 };
    session->life->ended = ended;
    at = &session->life->ended;
    for (size_t n = 0; *at && n < ENDED_KEPT; n++)
        at = &(*at)->next;
    if (*at)
        free_one(dv_take(*at)); /* one more than there may be, the last */
}

void dv_ended_free(struct dv_life *life)
{
    while (life->ended) {
        struct dv_ended *ended = life->ended;

        life->ended = ended->next;
        free_one(ended);
    }
}

static void put_exec(struct dv_msg_writer *w, const char *exec_id, uint16_t tag, int64_t value,
                     const struct dv_buf *note, size_t max_bytes)
{
    size_t mark = dv_msg_open(w, DV_ST_EXEC);

    dv_msg_str(w, DV_ST_EXEC_ID, exec_id);
    dv_msg_i64(w, tag, value);
    if (note->len > 0 && w->buf.len + note->len < max_bytes)
        dv_msg_bytes(w, DV_ST_NOTE, note->data, note->len);
    dv_msg_close(w, mark);
}

static bool runs(const struct dv_session *s)
{
    return s->exec_id && s->phase < DV_SESSION_LINGERING;
}

void dv_execs_list(const struct dv_life *life, struct dv_msg_writer *w)
{
    size_t reserved = 0;

    for (const struct dv_session *s = life->sessions; s; s = s->next)
        reserved += runs(s) ? EXEC_BYTES : 0;
    for (const struct dv_session *s = life->sessions; s; s = s->next)
        if (runs(s)) {
            reserved -= EXEC_BYTES;
            put_exec(w, s->exec_id, DV_ST_PID, s->pid, &s->note,
                     LIST_BYTES > reserved ? LIST_BYTES - reserved : 0);
        }
    for (const struct dv_ended *e = life->ended; e && w->buf.len < LIST_BYTES; e = e->next)
        put_exec(w, e->exec_id, DV_ST_EXIT_CODE, e->exit_code, &e->note, LIST_BYTES);
}

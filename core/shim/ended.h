/* ended.h - what a davitd that comes later is told about execs: those that run and the last that
 * ended. */
#pragma once

#include "core/base/error.h"

struct dv_life;
struct dv_msg;
struct dv_msg_writer;
struct dv_session;

/* Keep ASK's NOTE, if it has one of reasonable size. */
DV_CHECK int dv_note_keep(struct dv_session *session, const struct dv_msg *ask,
                          struct dv_error *err);
/* SESSION, an exec, is over: its id, code and note (taken) are kept until many others ended. */
void dv_ended_add(struct dv_session *session);
void dv_ended_free(struct dv_life *life);
/* An EXEC group for each, within the bounds of a message. */
void dv_execs_list(const struct dv_life *life, struct dv_msg_writer *w);

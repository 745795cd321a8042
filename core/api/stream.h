/* stream.h - long replies that need no thread (wait, logs, events): they live in the loop's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct dv_loop;
struct dv_stream;

/* All are called in the loop's thread. */
struct dv_stream_ops {
    /* The reply's header is queued; subscribe to what feeds the stream. May put and end. */
    void (*start)(void *arg, struct dv_stream *stream);
    /* There is room in the queue, and dv_stream_want() was called; may be NULL. */
    void (*pull)(void *arg, struct dv_stream *stream);
    /* The stream ended or its client went: unsubscribe and free ARG. Always called, once. */
    void (*free)(void *arg);
};
/* Queue bytes. False: the client does not keep up and the queue is beyond its limit, or it is gone;
 * the stream will end, nothing more need be done. */
bool dv_stream_put(struct dv_stream *stream, const void *data, size_t n);
/* Stop producing for now? (the queue is over its high-water mark) */
bool dv_stream_full(const struct dv_stream *stream);
/* Call pull soon, when the queue has room. */
void dv_stream_want(struct dv_stream *stream);
/* Call pull soon, once all that is queued was sent. */
void dv_stream_want_empty(struct dv_stream *stream);
/* All was said: send what is queued, then end the reply. */
void dv_stream_end(struct dv_stream *stream);
/* Something went wrong: break the reply off, so that the client sees that it is not whole. */
void dv_stream_abort(struct dv_stream *stream);
struct dv_loop *dv_stream_loop(struct dv_stream *stream);

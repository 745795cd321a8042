/* verdict.c - what is remembered of a plugin file between starts. */

#include "core/plugin/verdict.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/time.h"

enum { FILE_MAX_BYTES = 4096, MAX_STRIKES = 1000 };

/* What lies on disk. */
struct record {
    char *file, *engine, *state, *reason;
    uint64_t time_ns, strikes;
    bool initialised;
};
#define FIELD(key_, type_, member) { .key = key_, .type = type_, .offset = offsetof(struct record, member) }
static const struct dv_json_field fields[] = {
    FIELD("File", DV_JSON_STR, file),     FIELD("Engine", DV_JSON_STR, engine),
    FIELD("State", DV_JSON_STR, state),   FIELD("Reason", DV_JSON_STR, reason),
    FIELD("TimeNs", DV_JSON_U64, time_ns), FIELD("Initialised", DV_JSON_BOOL, initialised),
    FIELD("Strikes", DV_JSON_U64, strikes),
};

void dv_verdict_identity(const struct stat *st, char out[DV_IDENTITY_BYTES])
{
    snprintf(out, DV_IDENTITY_BYTES, "%ju:%ju:%jd:%jd.%09ld:%jd.%09ld", (uintmax_t)st->st_dev,
             (uintmax_t)st->st_ino, (intmax_t)st->st_size, (intmax_t)st->st_mtim.tv_sec,
             st->st_mtim.tv_nsec, (intmax_t)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

/* NAME was checked to be of the form [a-z0-9-]. */
static void file_name(const char *kind, const char *name, const char *suffix, char out[96])
{
    snprintf(out, 96, "%s.%s.%s", kind, name, suffix);
}

/* False: not there, or not readable, which is the same here. */
static bool read_record(int dir_fd, const char *file, struct record *ret)
{
    dv_autojson json_object *doc = NULL;
    dv_autofree char *text = NULL;
    struct dv_error err = { 0 };
    size_t n;

    if (dir_fd < 0 || dv_read_file(dir_fd, file, FILE_MAX_BYTES, &text, &n, &err) < 0)
        return false;
    if (dv_json_parse(text, n, &doc, &err) == 0 &&
        dv_json_decode(doc, fields, N(fields), ret, &err) == 0 && ret->file && ret->engine &&
        ret->state)
        return true;
    dv_json_release(fields, N(fields), ret);
    return false;
}

static void write_record(int dir_fd, const char *file, const struct record *record,
                         enum dv_durability durability)
{
    dv_autojson json_object *doc = NULL;
    dv_autofree char *text = NULL;
    struct dv_error err = { 0 };

    if (dir_fd < 0)
        return;
    doc = dv_json_encode(fields, N(fields), record);
    text = doc ? dv_json_text(doc) : NULL;
    if (!text)
        (void)dv_fail(&err, DV_E_NO_MEMORY, "out of memory");
    else if (dv_file_replace(dir_fd, file, text, strlen(text), 0600, durability, &err) == 0)
        return;
    dv_log_warn(NULL, "remember a plugin's state: %s", err.msg);
}

void dv_verdict_read(int dir_fd, const char *kind, const char *name, const char *identity,
                     struct dv_verdict *ret)
{
    struct record record = { 0 };
    char file[96];

    *ret = (struct dv_verdict){ 0 };
    file_name(kind, name, "verdict", file);
    if (!read_record(dir_fd, file, &record))
        return;
    if (dv_streq(record.file, identity)) {
        if (dv_streq(record.state, "quarantined"))
            ret->state = DV_VERDICT_QUARANTINED;
        else if (dv_streq(record.state, "good") && dv_streq(record.engine, DAVIT_VERSION))
            ret->state = DV_VERDICT_GOOD;
        ret->initialised = record.initialised && ret->state == DV_VERDICT_GOOD;
        ret->time_ns = record.time_ns;
        snprintf(ret->reason, sizeof(ret->reason), "%s", record.reason ? record.reason : "");
    }
    dv_json_release(fields, N(fields), &record);
}

void dv_verdict_write(int dir_fd, const char *kind, const char *name, const char *identity,
                      const struct dv_verdict *verdict)
{
    const struct record record = {
        .file = (char *)identity, .engine = (char *)DAVIT_VERSION,
        .state = (char *)(verdict->state == DV_VERDICT_GOOD ? "good" : "quarantined"),
        .reason = (char *)verdict->reason, .time_ns = verdict->time_ns,
        .initialised = verdict->initialised,
    };
    char file[96];

    file_name(kind, name, "verdict", file);
    write_record(dir_fd, file, &record,
                 verdict->state == DV_VERDICT_GOOD ? DV_VOLATILE : DV_DURABLE);
}

void dv_verdict_mark(int dir_fd, const char *kind, const char *name, const char *identity,
                     unsigned strikes, bool durable)
{
    const struct record record = { .file = (char *)identity, .engine = (char *)DAVIT_VERSION,
                                   .state = (char *)"starting", .time_ns = dv_now_ns(),
                                   .strikes = strikes };
    char file[96];

    file_name(kind, name, "starting", file);
    write_record(dir_fd, file, &record, durable ? DV_DURABLE : DV_VOLATILE);
}

static void drop(int dir_fd, const char *kind, const char *name, const char *suffix)
{
    char file[96];

    file_name(kind, name, suffix, file);
    if (dir_fd >= 0 && unlinkat(dir_fd, file, 0) < 0 && errno != ENOENT)
        dv_log_warn(NULL, "remove plugins/%s: %m", file);
}

unsigned dv_verdict_marked(int dir_fd, const char *kind, const char *name, const char *identity,
                           uint64_t *ret_ns)
{
    struct record record = { 0 };
    unsigned strikes;
    char file[96];

    file_name(kind, name, "starting", file);
    if (!read_record(dir_fd, file, &record))
        return 0;
    strikes = record.strikes < MAX_STRIKES ? (unsigned)record.strikes + 1 : MAX_STRIKES;
    if (!dv_streq(record.file, identity)) {
        dv_verdict_unmark(dir_fd, kind, name);
        strikes = 0;
    }
    *ret_ns = record.time_ns;
    dv_json_release(fields, N(fields), &record);
    return strikes;
}

void dv_verdict_unmark(int dir_fd, const char *kind, const char *name)
{
    drop(dir_fd, kind, name, "starting");
}

void dv_verdict_forget(int dir_fd, const char *kind, const char *name)
{
    drop(dir_fd, kind, name, "starting");
    drop(dir_fd, kind, name, "verdict");
}

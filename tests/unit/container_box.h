/* container_box.h - containers that are rows and objects only, in a store of the test's own: nothing of
 * them runs. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/loop.h"
#include "core/base/time.h"
#include "core/container/events.h"
#include "core/container/internal.h"
#include "core/daemon/engine.h"
#include "core/image/lease.h"
#include "core/state/db.h"

#define BOX_HELPER static __attribute__((unused))

struct box {
    char dir[64];
    struct dv_engine engine;
    struct dv_containers cs;
};

BOX_HELPER int box_set_up(void **state)
{
    struct box *b = calloc(1, sizeof(*b));
    struct dv_error err = { 0 };
    char path[128];

    if (!b)
        return -1;
    snprintf(b->dir, sizeof(b->dir), "/tmp/davit-box.XXXXXX");
    if (!mkdtemp(b->dir))
        return -1;
    snprintf(path, sizeof(path), "%s/davit.db", b->dir);
    if (dv_db_open(path, &b->engine.db, &err) < 0 || dv_loop_new(&b->engine.loop, &err) < 0 ||
        dv_leases_new(&b->engine.leases, &err) < 0 ||
        dv_events_open(b->engine.db, b->engine.loop, &b->engine.events, &err) < 0)
        return -1;
    b->engine.config.root = b->engine.config.libexec_dir = b->dir;
    b->cs.engine = &b->engine;
    b->cs.dirs_fd = open(b->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dv_lock_init(&b->cs.lock, DV_RANK_STORE);
    if (dv_follow_open(&b->cs, &err) < 0)
        return -1;
    *state = b;
    return 0;
}

BOX_HELPER void box_stop(void *loop)
{
    dv_loop_stop(loop);
}

/* Let the loop do all that it was asked for. */
BOX_HELPER void box_settle(struct box *b)
{
    struct dv_error err = { 0 };

    for (int i = 0; i < 2; i++) {
        dv_loop_post(b->engine.loop, box_stop, b->engine.loop);
        assert_int_equal(dv_loop_run(b->engine.loop, &err), 0);
    }
}

BOX_HELPER int box_tear_down(void **state)
{
    struct box *b = *state;
    struct dv_error err = { 0 };

    box_settle(b);
    while (b->cs.n)
        dv_containers_forget(&b->cs, b->cs.items[0]);
    free(b->cs.items);
    dv_follow_close(&b->cs);
    dv_close(b->cs.dirs_fd);
    dv_lock_done(&b->cs.lock);
    dv_events_close(b->engine.events);
    dv_loop_free(b->engine.loop);
    dv_db_close(b->engine.db);
    dv_leases_free(b->engine.leases);
    (void)!dv_remove_tree(AT_FDCWD, b->dir, &err);
    free(b);
    return 0;
}

/* As a create leaves it: what was asked for, kept. */
BOX_HELPER struct dv_container_config *box_config(const char *body)
{
    dv_auto(dv_container_config) *asked = NULL;
    struct dv_container_config *config = NULL;
    dv_autojson json_object *doc = NULL;
    dv_autofree char *text = NULL;
    dv_autostrv warnings = { 0 };
    struct dv_error err = { 0 };

    if (dv_json_parse(body, strlen(body), &doc, &err) < 0 ||
        dv_container_config_parse(doc, &warnings, &asked, &err) < 0)
        fail_msg("%s: %s", body, err.msg);
    text = dv_container_config_save(asked);
    assert_non_null(text);
    assert_int_equal(dv_container_config_load(text, &config, &err), 0);
    return config;
}

/* In the table and with a row; the table owns it. */
BOX_HELPER struct dv_container *box_make_with(struct box *b, const char *name,
                                              enum dv_status status, const char *body)
{
    struct dv_container *c;
    struct dv_error err = { 0 };
    char id[DV_ID_BYTES];

    dv_id_new(id);
    c = dv_container_new(&b->cs, id);
    assert_non_null(c);
    c->name = dv_strdup(name);
    c->image_id = dv_strdup("sha256:1");
    c->image_name = dv_strdup("i");
    c->storage_driver = dv_strdup("d");
    c->status = status;
    c->config = box_config(body);
    c->auto_remove = c->config->auto_remove;
    if (dv_containers_insert(&b->cs, c, &err) < 0 || dv_container_row_insert(c, &err) < 0)
        fail_msg("%s", err.msg);
    dv_containers_publish(&b->cs, c);
    assert_int_equal(mkdirat(b->cs.dirs_fd, id, 0700), 0);
    dv_container_unref(c);
    return c;
}

BOX_HELPER struct dv_container *box_make(struct box *b, const char *name, enum dv_status status)
{
    return box_make_with(b, name, status, "{\"Image\":\"i\"}");
}

/* The one text that SQL gives; caller frees. */
BOX_HELPER int box_on_text(void *arg, sqlite3_stmt *row)
{
    *(char **)arg = dv_strdup(dv_row_text(row, 0));
    return 1;
}

BOX_HELPER char *box_text(struct box *b, const char *sql, const char *arg)
{
    char *text = NULL;
    struct dv_error err = { 0 };

    if (dv_db_query(b->engine.db, box_on_text, &text, &err, sql, "s", arg) < 0)
        fail_msg("%s", err.msg);
    return text ? text : dv_strdup("");
}

/* ---- events: "ACTION" and what follows it, one a line ---- */

struct box_events {
    char text[8192];
};

BOX_HELPER void box_on_event(void *arg, const struct dv_event *e)
{
    struct box_events *all = arg;
    size_t n = strlen(all->text);

    n += (size_t)snprintf(all->text + n, sizeof(all->text) - n, "%s %s", e->type, e->action);
    for (size_t i = 0; i < e->keys.n && n < sizeof(all->text); i++)
        n += (size_t)snprintf(all->text + n, sizeof(all->text) - n, " %s=%s", e->keys.items[i],
                              e->values.items[i]);
    if (n < sizeof(all->text))
        snprintf(all->text + n, sizeof(all->text) - n, "\n");
}

/* All that there were. */
BOX_HELPER void box_events(struct box *b, struct box_events *ret)
{
    struct dv_subscriber *s = NULL;
    struct dv_error err = { 0 };

    ret->text[0] = '\0';
    assert_int_equal(dv_events_subscribe(b->engine.events, 1, box_on_event, ret, &s, &err), 0);
    box_settle(b);
    dv_events_unsubscribe(s);
    box_settle(b);
}

#define box_assert_has(text, part)                                                                 \
    do {                                                                                           \
        if (!strstr((text), (part)))                                                               \
            fail_msg("'%s' is not in: %s", (part), (text));                                        \
    } while (0)

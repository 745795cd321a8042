/* container_update.c - fuzz target: the body of an update; what it leaves must load as a config. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/loop.h"
#include "core/container/events.h"
#include "core/container/internal.h"
#include "core/daemon/engine.h"
#include "core/state/db.h"
#include "fuzz.h"

static struct dv_engine engine;
static struct dv_containers cs;
static struct dv_container *c;

static struct dv_container_config *fresh_config(void)
{
    static const char text[] = "{\"Image\":\"i\",\"HostConfig\":{\"Memory\":67108864,"
                               "\"CpuQuota\":50000,\"RestartPolicy\":{\"Name\":\"always\"}}}";
    struct dv_container_config *config = NULL;
    struct dv_error err = { 0 };
    dv_autojson json_object *body = NULL;
    dv_autostrv warnings = { 0 };

    if (dv_json_parse(text, strlen(text), &body, &err) < 0 ||
        dv_container_config_parse(body, &warnings, &config, &err) < 0 ||
        dv_container_config_keep(&config, &err) < 0)
        fuzz_fail("a config", err.msg);
    return config;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    dv_autofree char *path = dv_format("%s/davit.db", fuzz_dir_path());
    struct dv_error err = { 0 };
    char id[DV_ID_BYTES];

    (void)argc;
    (void)argv;
    if (dv_db_open(path, &engine.db, &err) < 0 || dv_loop_new(&engine.loop, &err) < 0 ||
        dv_events_open(engine.db, engine.loop, &engine.events, &err) < 0)
        fuzz_fail("an engine", err.msg);
    cs.engine = &engine;
    dv_lock_init(&cs.lock, DV_RANK_STORE);
    dv_id_new(id);
    c = dv_container_new(&cs, id);
    c->name = dv_strdup("web");
    c->image_id = dv_strdup("sha256:1");
    c->image_name = dv_strdup("i");
    c->status = DV_EXITED;
    return 0;
}

static void stop(void *loop)
{
    dv_loop_stop(loop);
}

/* What the events post to the loop. */
static void drain(void)
{
    struct dv_error err = { 0 };

    dv_loop_post(engine.loop, stop, engine.loop);
    if (dv_loop_run(engine.loop, &err) < 0)
        fuzz_fail("run the loop", err.msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dv_auto(dv_container_config) *again = NULL;
    dv_autojson json_object *body = NULL;
    dv_autofree char *text = NULL;
    dv_autostrv warnings = { 0 };
    struct dv_error err = { 0 };

    if (dv_json_parse((const char *)data, size, &body, &err) < 0)
        return 0;
    dv_container_config_free(c->config);
    c->config = fresh_config();
    if (dv_container_update(c, body, &warnings, &err) < 0 && !err.msg[0])
        fuzz_fail("refused without a reason", "");
    drain();
    text = dv_container_config_save(c->config);
    memset(&err, 0, sizeof(err));
    if (!text || dv_container_config_load(text, &again, &err) < 0)
        fuzz_fail(text, err.msg);
    return 0;
}

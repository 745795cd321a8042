/* api_fakes.c - an engine with one container, for tests of the API server. */
#include "api_fakes.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/loop.h"
#include "core/container/config.h"
#include "core/container/events.h"
#include "core/image/image.h"
#include "core/network/network.h"
#include "core/plugin/drivers.h"
#include "core/plugin/probe.h"
#include "core/runtime/cgroup.h"

struct fake fake;
static int waiter_tag, follower_tag;

#define LOCKED(statement)                                                                          \
    do {                                                                                           \
        pthread_mutex_lock(&fake.mutex);                                                           \
        statement;                                                                                 \
        pthread_cond_broadcast(&fake.changed);                                                     \
        pthread_mutex_unlock(&fake.mutex);                                                         \
    } while (0)

void fake_reset(void)
{
    struct dv_loop *loop = fake.engine.loop;

    fake = (struct fake){ .client_fd = -1, .status = DV_CREATED };
    pthread_mutex_init(&fake.mutex, NULL);
    pthread_cond_init(&fake.changed, NULL);
    fake.engine.loop = loop;
    fake.engine.config.storage_driver = (char *)"overlay";
    fake.engine.config.root = (char *)"/var/lib/davit";
}

bool fake_until(const int *value, int wanted)
{
    struct timespec deadline;
    bool hit;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 5;
    pthread_mutex_lock(&fake.mutex);
    while (*value != wanted &&
           pthread_cond_timedwait(&fake.changed, &fake.mutex, &deadline) == 0)
        ;
    hit = *value == wanted;
    pthread_mutex_unlock(&fake.mutex);
    return hit;
}

/* ---- containers ---- */

static struct dv_container *const web = (struct dv_container *)(void *)&fake;
static const char web_id[] = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945";

int dv_container_get(struct dv_containers *cs, const char *name, struct dv_container **ret,
                     struct dv_error *err)
{
    (void)cs;
    if (strcmp(name, "web") != 0 && strcmp(name, web_id) != 0)
        return dv_fail(err, DV_E_NOT_FOUND, "No such container: %s", name);
    *ret = web;
    return 0;
}
struct dv_container *dv_container_unref(struct dv_container *c)
{
    (void)c;
    return NULL;
}
size_t dv_container_list(struct dv_containers *cs, struct dv_container ***ret)
{
    (void)cs;
    *ret = calloc(1, sizeof(**ret));
    **ret = web;
    return 1;
}
const char *dv_container_id(const struct dv_container *c)
{
    (void)c;
    return web_id;
}
const char *dv_status_name(enum dv_status status)
{
    return status == DV_RUNNING ? "running" : status == DV_EXITED ? "exited" : "created";
}
static struct dv_container_config *web_config(void)
{
    static struct dv_container_config *config;
    struct dv_error err = { 0 };

    if (!config && dv_container_config_load("{\"Image\":\"busybox\",\"Labels\":{\"a\":\"b\"},"
                                            "\"HostConfig\":{\"Binds\":[\"/a:/b:ro\"]}}",
                                            &config, &err) < 0)
        abort();
    return config;
}
int dv_container_look(struct dv_container *c, struct dv_container_view *ret, struct dv_error *err)
{
    struct dv_container_config *config = web_config();

    (void)c;
    (void)err;
    *ret = (struct dv_container_view){
        .name = strdup("web"), .error = strdup(""), .image_id = strdup("sha256:1"),
        .image_name = strdup("busybox"), .storage_driver = strdup("overlay"),
        .platform = strdup("linux"), .path = strdup("sh"), .log_path = strdup(""),
        .hosts_path = strdup(""), .hostname_path = strdup(""), .resolv_conf_path = strdup(""),
        .status = fake.status, .tty = fake.tty, .open_stdin = true, .config = config,
        .created_ns = 1700000000000000000,
    };
    snprintf(ret->id, sizeof(ret->id), "%s", web_id);
    return 0;
}
int dv_container_look_whole(struct dv_container *c, struct dv_container_view *ret,
                            struct dv_error *err)
{
    int r = dv_container_look(c, ret, err);

    ret->config_json = json_tokener_parse(ret->config->config_text);
    ret->host_config_json = json_tokener_parse(ret->config->host_config_text);
    return r;
}
void dv_container_view_done(struct dv_container_view *v)
{
    char *texts[] = { v->name, v->error, v->image_id, v->image_name, v->storage_driver, v->platform,
                      v->path, v->log_path, v->hosts_path, v->hostname_path, v->resolv_conf_path };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    json_object_put(v->config_json);
    json_object_put(v->host_config_json);
    *v = (struct dv_container_view){ 0 };
}
int dv_container_create(struct dv_containers *cs, struct dv_create_request *req, char ret_id[65],
                        struct dv_strv *warnings, struct dv_error *err)
{
    (void)cs;
    if (!req->config->image || strcmp(req->config->image, "busybox") != 0)
        return dv_fail(err, DV_E_NOT_FOUND, "No such image: %s:latest", req->config->image);
    if (dv_strv_add(warnings, "a warning") < 0)
        abort();
    dv_container_config_free(req->config);
    req->config = NULL;
    memcpy(ret_id, web_id, sizeof(web_id));
    return 0;
}
int dv_container_start(struct dv_container *c, struct dv_error *err)
{
    (void)c;
    if (fake.status == DV_RUNNING)
        return dv_fail(err, DV_E_NOT_MODIFIED, "already started");
    LOCKED(fake.status = DV_RUNNING; fake.started++);
    return 0;
}
int dv_container_stop(struct dv_container *c, int signal, int64_t timeout_s, struct dv_error *err)
{
    (void)c;
    (void)signal;
    (void)err;
    LOCKED(fake.stopped++; fake.stop_timeout = timeout_s);
    pthread_mutex_lock(&fake.mutex);
    while (fake.block_stop)
        pthread_cond_wait(&fake.changed, &fake.mutex);
    pthread_mutex_unlock(&fake.mutex);
    return 0;
}
int dv_container_update(struct dv_container *c, json_object *body, struct dv_strv *warnings,
                        struct dv_error *err)
{
    (void)c;
    (void)body;
    (void)warnings;
    (void)err;
    return 0;
}
int dv_container_top(struct dv_container *c, const char *ps_args, struct dv_top *ret,
                     struct dv_error *err)
{
    (void)c;
    (void)ps_args;
    (void)err;
    *ret = (struct dv_top){ 0 };
    return 0;
}
void dv_top_done(struct dv_top *top)
{
    (void)top;
}
int dv_container_restart(struct dv_container *c, int signal, int64_t timeout_s,
                         struct dv_error *err)
{
    return dv_container_stop(c, signal, timeout_s, err);
}
int dv_container_kill(struct dv_container *c, int signal, struct dv_error *err)
{
    (void)c;
    if (fake.status != DV_RUNNING)
        return dv_fail(err, DV_E_CONFLICT, "container %s is not running", web_id);
    LOCKED(fake.killed_by = signal);
    return 0;
}
int dv_container_pause(struct dv_container *c, bool pause, struct dv_error *err)
{
    (void)c;
    (void)pause;
    (void)err;
    return 0;
}
int dv_container_remove(struct dv_container *c, bool force, bool volumes, struct dv_error *err)
{
    (void)c;
    (void)force;
    (void)volumes;
    (void)err;
    LOCKED(fake.removed++);
    return 0;
}
int dv_container_rename(struct dv_container *c, const char *name, struct dv_error *err)
{
    (void)c;
    (void)name;
    (void)err;
    return 0;
}
int dv_container_resize(struct dv_container *c, unsigned rows, unsigned cols, struct dv_error *err)
{
    (void)c;
    (void)rows;
    (void)cols;
    (void)err;
    return 0;
}
int dv_container_attach_check(struct dv_container *c, struct dv_error *err)
{
    (void)c;
    (void)err;
    return 0;
}
int dv_container_attach(struct dv_container *c, struct dv_attach *a, struct dv_error *err)
{
    (void)c;
    if (fake.attach_fails)
        return dv_fail(err, DV_E_CONFLICT, "no attach here");
    if (a->held && fake.held_rest) {
        a->held->token = 7;
        a->held->rest[0] = strdup(fake.held_rest);
        a->held->n_rest[0] = strlen(fake.held_rest);
    }
    fake.n_early = a->n_early < sizeof(fake.early) ? a->n_early : sizeof(fake.early);
    memcpy(fake.early, a->early, fake.n_early);
    fake.attach_flags = a->flags;
    LOCKED(fake.client_fd = a->fd; fake.attached++);
    return 0;
}
int dv_container_attach_release(struct dv_container *c, uint64_t token, struct dv_error *err)
{
    (void)c;
    (void)err;
    assert(token == 7);
    LOCKED(fake.released++);
    return 0;
}
void dv_held_done(struct dv_held *held)
{
    free(held->rest[0]);
    free(held->rest[1]);
}
int dv_container_wait(struct dv_container *c, enum dv_wait_for cond, dv_wait_fn *fn, void *arg,
                      struct dv_waiter **ret, struct dv_error *err)
{
    (void)c;
    (void)cond;
    (void)err;
    *ret = (struct dv_waiter *)(void *)&waiter_tag;
    LOCKED(fake.wait_fn = fn; fake.wait_arg = arg; fake.waits++);
    return 0;
}
void dv_waiter_cancel(struct dv_containers *cs, struct dv_waiter *w)
{
    (void)cs;
    if (w)
        LOCKED(fake.cancelled_waits++);
}
int dv_container_follow(struct dv_container *c, dv_follow_fn *fn, void *arg,
                        struct dv_follower **ret, struct dv_error *err)
{
    (void)c;
    (void)err;
    *ret = (struct dv_follower *)(void *)&follower_tag;
    LOCKED(fake.follow_fn = fn; fake.follow_arg = arg; fake.followers++);
    return 0;
}
void dv_follower_cancel(struct dv_containers *cs, struct dv_follower *f)
{
    (void)cs;
    if (f)
        LOCKED(fake.followers--);
}
int dv_container_log_dir(struct dv_container *c, int *ret_fd, char **ret_name,
                         struct dv_error *err)
{
    (void)c;
    (void)err;
    *ret_fd = open(fake.log_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *ret_name = strdup("log");
    return 0;
}
void dv_containers_count(struct dv_containers *cs, struct dv_container_counts *ret)
{
    (void)cs;
    *ret = (struct dv_container_counts){ .total = 1 };
}
const char *dv_containers_use_image(void *containers, const char *image_id, bool *ret_running)
{
    (void)containers;
    (void)image_id;
    *ret_running = false;
    return fake.image_used ? web_id : NULL;
}

/* ---- exec ---- */

void dv_exec_config_done(struct dv_exec_config *config)
{
    dv_strv_done(&config->cmd);
    dv_strv_done(&config->env);
    free(config->user);
    free(config->working_dir);
    free(config->detach_keys);
}
void dv_exec_view_done(struct dv_exec_view *view)
{
    dv_strv_done(&view->cmd);
    free(view->user);
}
int dv_exec_create(struct dv_container *c, struct dv_exec_config *config, char ret_id[65],
                   struct dv_error *err)
{
    (void)c;
    (void)config;
    (void)err;
    memcpy(ret_id, web_id, sizeof(web_id));
    return 0;
}
int dv_exec_look(struct dv_containers *cs, const char *exec_id, struct dv_exec_view *ret,
                 struct dv_error *err)
{
    (void)cs;
    if (strcmp(exec_id, web_id) != 0)
        return dv_fail(err, DV_E_NOT_FOUND, "No such exec instance: %s", exec_id);
    ret->attach_stdout = true;
    return 0;
}
int dv_exec_start_check(struct dv_containers *cs, const char *exec_id, struct dv_error *err)
{
    (void)cs;
    (void)exec_id;
    (void)err;
    return 0;
}
int dv_exec_start(struct dv_containers *cs, const char *exec_id, struct dv_attach *a,
                  uint16_t rows, uint16_t cols, struct dv_error *err)
{
    (void)cs;
    (void)exec_id;
    (void)rows;
    (void)cols;
    return a ? dv_container_attach(web, a, err) : 0;
}
int dv_exec_resize(struct dv_containers *cs, const char *exec_id, unsigned rows, unsigned cols,
                   struct dv_error *err)
{
    (void)cs;
    (void)exec_id;
    (void)rows;
    (void)cols;
    (void)err;
    return 0;
}

/* ---- the rest of the engine ---- */

int dv_events_subscribe(struct dv_events *events, uint64_t since_ns, dv_event_fn *fn, void *arg,
                        struct dv_subscriber **ret, struct dv_error *err)
{
    static char *keys[] = { (char *)"image", (char *)"name" };
    static char *values[] = { (char *)"busybox", (char *)"web" };
    struct dv_event event = { 1700000000000000001, "container", "start", web_id, { keys, 2 },
                              { values, 2 } };

    (void)events;
    (void)since_ns;
    (void)err;
    *ret = NULL;
    fn(arg, &event);
    return 0;
}
void dv_events_emit(struct dv_events *events, const char *type, const char *action,
                    const char *actor_id, const char *const *attrs)
{
    (void)events;
    (void)actor_id;
    (void)attrs;
    LOCKED(snprintf(fake.event, sizeof(fake.event), "%s %s", type, action));
}
void dv_events_unsubscribe(struct dv_subscriber *subscriber)
{
    (void)subscriber;
}
void dv_engine_stop(struct dv_engine *engine, bool stop_containers)
{
    (void)engine;
    fake.shutdown = stop_containers;
}
bool dv_cgroups_has(const struct dv_cgroups *cg, const char *controller)
{
    (void)cg;
    (void)controller;
    return true;
}
enum dv_cgroup_mode dv_cgroups_mode(const struct dv_cgroups *cg)
{
    (void)cg;
    return DV_CGROUP_V2;
}
size_t dv_drivers_count(const struct dv_drivers *drivers)
{
    (void)drivers;
    return 0;
}
void dv_drivers_info(const struct dv_drivers *drivers, size_t i, struct dv_driver_info *ret)
{
    (void)drivers;
    (void)i;
    (void)ret;
}
const char *dv_driver_state_name(enum dv_driver_state state)
{
    (void)state;
    return "active";
}
int dv_drivers_find(struct dv_drivers *drivers, const char *name, size_t *ret, struct dv_error *err)
{
    (void)drivers;
    (void)ret;
    return dv_fail(err, DV_E_NOT_FOUND, "no driver '%s'", name);
}
int dv_drivers_retry(struct dv_drivers *drivers, const char *name, dv_adopt_fn *adopt, void *arg,
                     struct dv_error *err)
{
    (void)drivers;
    (void)adopt;
    (void)arg;
    return dv_fail(err, DV_E_NOT_FOUND, "no driver '%s'", name);
}
json_object *dv_caps_names(uint32_t kind, uint64_t caps)
{
    (void)kind;
    (void)caps;
    return NULL;
}
void dv_engine_adopt(void *engine, struct dv_driver *driver)
{
    (void)engine;
    (void)driver;
}
const char *dv_kind_name(uint32_t kind)
{
    (void)kind;
    return "storage";
}
/* "bridge", the default one, where web is once it runs, and "back" with nobody in it. */
static const struct dv_net_view networks[] = {
    { .id = "b1", .name = "bridge", .driver = "bridge", .scope = "local", .is_default = true,
      .subnet = "172.17.0.0/16", .gateway = "172.17.0.1", .n_endpoints = 1 },
    { .id = "c2", .name = "back", .driver = "none", .scope = "local", .internal = true },
};
size_t dv_endpoint_list(struct dv_net *net, const char *container_id,
                        struct dv_endpoint_view **ret)
{
    (void)net;
    (void)container_id;
    *ret = fake.n_networks ? calloc(1, sizeof(**ret)) : NULL;
    if (*ret)
        **ret = (struct dv_endpoint_view){ .id = "e1", .network_id = "b1",
                                           .network_name = "bridge", .ip = "172.17.0.2",
                                           .prefix_len = 16, .mac = "02:42:ac:11:00:02" };
    return *ret ? 1 : 0;
}
int dv_net_find(struct dv_net *net, const char *name, struct dv_net_view *ret,
                struct dv_error *err)
{
    (void)net;
    for (size_t i = 0; i < fake.n_networks; i++)
        if (strcmp(networks[i].name, name) == 0) {
            *ret = networks[i];
            return 0;
        }
    return dv_fail(err, DV_E_NOT_FOUND, "network %s not found", name);
}
const char *dv_net_shown_driver(const char *driver)
{
    return strcmp(driver, "none") == 0 ? "null" : driver;
}
size_t dv_net_list(struct dv_net *net, struct dv_net_view **ret)
{
    (void)net;
    *ret = calloc(fake.n_networks + 1, sizeof(**ret));
    memcpy(*ret, networks, fake.n_networks * sizeof(**ret));
    return fake.n_networks;
}

/* ---- images ---- */

static const struct fake_image {
    const char *id, *tags, *labels, *history;
    uint64_t created_s, size;
} fake_images[] = {
    { "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "busybox:latest reg.example:5000/team/app:v1", "a",
      "[{\"created_by\":\"ADD\"},{\"created_by\":\"CMD\",\"empty_layer\":true},7,null,"
      "{\"created_by\":[],\"created\":\"never\"}]", 1700000000, 100 },
    { "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "", "b", NULL,
      1600000000, 50 },
    { "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc", "app:v2", "",
      "{}", 1650000000, 25 },
};
static struct dv_image *new_image(const struct fake_image *from)
{
    struct dv_image *image = calloc(1, sizeof(*image));

    snprintf(image->id, sizeof(image->id), "%s", from->id);
    if ((*from->tags && dv_strv_split(&image->repo_tags, from->tags, ' ') < 0) ||
        (*from->labels && (dv_strv_add(&image->label_keys, from->labels) < 0 ||
                           dv_strv_add(&image->label_values, "1") < 0)))
        abort();
    image->history_json = from->history ? strdup(from->history) : NULL;
    image->created_ns = from->created_s * 1000000000;
    image->size_bytes = from->size;
    image->os = (char *)"linux";
    image->architecture = (char *)"amd64";
    image->variant = image->author = image->comment = image->docker_version = image->user =
        image->working_dir = (char *)"";
    return image;
}
void dv_image_free(struct dv_image *image)
{
    if (!image)
        return;
    dv_strv_done(&image->repo_tags);
    dv_strv_done(&image->label_keys);
    dv_strv_done(&image->label_values);
    free(image->history_json);
    free(image);
}
static const struct fake_image *find_image(const char *name)
{
    for (size_t i = 0; i < fake.n_images; i++) {
        const char *hit = strstr(fake_images[i].tags, name);

        if (strcmp(fake_images[i].id, name) == 0 || (hit && *name))
            return &fake_images[i];
    }
    return NULL;
}
int dv_image_get(struct dv_images *images, const char *name, struct dv_image **ret,
                 struct dv_error *err)
{
    const struct fake_image *found = find_image(name);

    (void)images;
    if (!found)
        return dv_fail(err, DV_E_NOT_FOUND, "No such image: %s", name);
    *ret = new_image(found);
    return 0;
}
size_t dv_image_list(struct dv_images *images, struct dv_image ***ret)
{
    (void)images;
    *ret = calloc(fake.n_images + 1, sizeof(**ret));
    for (size_t i = 0; i < fake.n_images; i++)
        (*ret)[i] = new_image(&fake_images[i]);
    return fake.n_images;
}
int dv_image_tag(struct dv_images *images, const char *source, const char *target,
                 struct dv_error *err)
{
    (void)images;
    return dv_fail(err, DV_E_NOT_FOUND, "tag %s as %s", source, target);
}
int dv_image_remove(struct dv_images *images, const char *name, bool force, bool no_prune,
                    dv_image_user_fn *in_use, void *arg, struct dv_image_deleted **ret,
                    size_t *ret_n, struct dv_error *err)
{
    (void)images;
    (void)force;
    (void)no_prune;
    (void)in_use;
    (void)arg;
    if (!find_image(name))
        return dv_fail(err, DV_E_NOT_FOUND, "No such image: %s", name);
    snprintf(fake.removed_image, sizeof(fake.removed_image), "%s", name);
    *ret = calloc(2, sizeof(**ret));
    (*ret)[0] = (struct dv_image_deleted){ true, strdup(name), 0 };
    (*ret)[1] = (struct dv_image_deleted){ false, strdup("sha256:gone"), 50 };
    *ret_n = 2;
    return 0;
}
int dv_image_layer_sizes(struct dv_images *images, const char *image_id, uint64_t **ret,
                         size_t *ret_n, struct dv_error *err)
{
    static const uint64_t sizes[] = { 30, 40, 50 };

    (void)images;
    (void)image_id;
    *ret = malloc(sizeof(sizes));
    if (!*ret)
        return dv_fail(err, DV_E_NO_MEMORY, "sizes");
    memcpy(*ret, sizes, sizeof(sizes));
    *ret_n = sizeof(sizes) / sizeof(sizes[0]);
    return 0;
}
int dv_image_shared_size(struct dv_images *images, const char *image_id, uint64_t *ret,
                         struct dv_error *err)
{
    (void)images;
    (void)image_id;
    (void)err;
    *ret = 9;
    return 0;
}
int dv_images_layers_size(struct dv_images *images, uint64_t *ret, struct dv_error *err)
{
    (void)images;
    (void)err;
    *ret = 175;
    return 0;
}
int dv_image_paths(struct dv_images *images, const char *image_id, struct dv_strv *keys,
                   struct dv_strv *values, struct dv_error *err)
{
    (void)images;
    (void)keys;
    (void)values;
    return dv_fail(err, DV_E_NOT_FOUND, "No such image: %s", image_id);
}
int dv_workspace_size(struct dv_images *images, const char *driver, const char *workspace_id,
                      uint64_t *ret, struct dv_error *err)
{
    (void)images;
    (void)driver;
    (void)workspace_id;
    (void)err;
    *ret = 12;
    return 0;
}
int dv_workspace_paths(struct dv_images *images, const char *driver, const char *workspace_id,
                       struct dv_strv *keys, struct dv_strv *values, struct dv_error *err)
{
    (void)images;
    (void)driver;
    (void)workspace_id;
    (void)err;
    return dv_strv_add(keys, "UpperDir") < 0 || dv_strv_add(values, "/up") < 0 ? -1 : 0;
}
int dv_image_load(struct dv_images *images, int body_fd, int cancel_fd,
                  dv_image_message_fn *message, void *arg, struct dv_error *err)
{
    char buf[4096];
    ssize_t n;
    bool bad = false;

    (void)images;
    while ((n = read(body_fd, buf, sizeof(buf))) > 0) {
        bad = bad || memmem(buf, (size_t)n, "BAD", 3);
        LOCKED(fake.loaded_bytes += (int)n);
        if (bad)
            return dv_fail(err, DV_E_INVALID, "invalid tar header");
    }
    LOCKED(fake.loads++);
    if (poll(&(struct pollfd){ .fd = cancel_fd, .events = POLLIN }, 1, 0) > 0)
        return dv_fail(err, DV_E_CANCELED, "the request was canceled");
    message(arg, "Loaded image: busybox:latest\n");
    return 0;
}
int dv_image_import(struct dv_images *images, int body_fd, int cancel_fd,
                    const struct dv_image_import *request, char **ret_id, struct dv_error *err)
{
    (void)images;
    (void)body_fd;
    (void)cancel_fd;
    (void)request;
    (void)err;
    *ret_id = strdup("sha256:2");
    return 0;
}
/* "whole" and "broken" give an archive of "archive", one of them with a failure at its end; "stuck"
 * gives nothing for ever. */
struct dv_image_save {
    int fds[2];
    bool broken;
};
int dv_image_save_start(struct dv_images *images, const struct dv_strv *names, const char *platform,
                        struct dv_image_save **ret, struct dv_error *err)
{
    struct dv_image_save *save;

    (void)images;
    if (names->n == 0)
        return dv_fail(err, DV_E_INVALID, "no image was named");
    if (platform)
        return dv_fail(err, DV_E_NOT_FOUND, "platform %s", platform);
    save = calloc(1, sizeof(*save));
    assert(save && pipe2(save->fds, O_CLOEXEC | O_NONBLOCK) == 0);
    save->broken = strcmp(names->items[0], "broken") == 0;
    if (strcmp(names->items[0], "stuck") != 0) {
        assert(write(save->fds[1], "archive", 7) == 7);
        close(save->fds[1]);
        save->fds[1] = -1;
    }
    LOCKED(fake.saves++);
    *ret = save;
    return 0;
}
int dv_image_save_fd(const struct dv_image_save *save)
{
    return save->fds[0];
}
int dv_image_save_result(struct dv_image_save *save, struct dv_error *err)
{
    return save->broken ? dv_fail(err, DV_E_INTERNAL, "cut short") : 0;
}
void dv_image_save_free(struct dv_image_save *save)
{
    close(save->fds[0]);
    if (save->fds[1] >= 0)
        close(save->fds[1]);
    free(save);
    LOCKED(fake.saves--);
}
int dv_ref_parse(const char *text, struct dv_ref *ret, struct dv_error *err)
{
    (void)err;
    ret->familiar = strdup(text);
    return 0;
}
void dv_ref_done(struct dv_ref *ref)
{
    free(ref->familiar);
}
void dv_images_driver_status(struct dv_images *images, struct dv_strv *keys,
                             struct dv_strv *values)
{
    (void)images;
    (void)keys;
    (void)values;
}

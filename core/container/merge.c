/* merge.c - what the image gives a container that did not say it itself. */
#include <stdlib.h>
#include <string.h>

#include "core/container/internal.h"
#include "core/image/image.h"

static bool set_text(json_object *config, const char *key, const char *own, const char *image)
{
    if (!dv_empty(own) || dv_empty(image))
        return true;
    return json_object_object_add(config, key, json_object_new_string(image)) == 0;
}

static json_object *strings(const struct dv_strv *v)
{
    json_object *array = json_object_new_array();

    for (size_t i = 0; array && i < v->n; i++)
        json_object_array_add(array, json_object_new_string(v->items[i]));
    return array;
}

static bool has_variable(const struct dv_strv *env, const char *entry)
{
    size_t n = strcspn(entry, "=");

    for (size_t i = 0; i < env->n; i++)
        if (strncmp(env->items[i], entry, n) == 0 && (env->items[i][n] == '=' || !env->items[i][n]))
            return true;
    return false;
}

/* The container's own variables win; the image's others follow them, as Docker orders them. */
static bool merge_env(json_object *config, const struct dv_strv *own, const struct dv_strv *image)
{
    json_object *env = strings(own);

    for (size_t i = 0; env && i < image->n; i++)
        if (!has_variable(own, image->items[i]))
            json_object_array_add(env, json_object_new_string(image->items[i]));
    return env && json_object_object_add(config, "Env", env) == 0;
}

/* A map with empty objects: ExposedPorts, Volumes. */
static bool merge_set(json_object *config, const char *key, const struct dv_strv *image)
{
    json_object *map = NULL;

    if (!image->n)
        return true;
    if (!json_object_object_get_ex(config, key, &map) || !map) {
        map = json_object_new_object();
        if (!map || json_object_object_add(config, key, map) < 0)
            return false;
    }
    for (size_t i = 0; i < image->n; i++)
        if (!json_object_object_get_ex(map, image->items[i], NULL))
            json_object_object_add(map, image->items[i], json_object_new_object());
    return true;
}

static bool merge_labels(json_object *config, const struct dv_container_config *own,
                         const struct dv_image *image)
{
    json_object *map = NULL;

    if (!image->label_keys.n)
        return true;
    if (!json_object_object_get_ex(config, "Labels", &map) || !map) {
        map = json_object_new_object();
        if (!map || json_object_object_add(config, "Labels", map) < 0)
            return false;
    }
    for (size_t i = 0; i < image->label_keys.n; i++)
        if (!dv_json_map_get(&own->labels, image->label_keys.items[i]))
            json_object_object_add(map, image->label_keys.items[i],
                                   json_object_new_string(image->label_values.items[i]));
    return true;
}

/* Docker's rule: an entrypoint of one's own drops the image's command too; [""] clears it. */
static bool merge_command(json_object *config, const struct dv_container_config *own,
                          const struct dv_image *image)
{
    bool cleared = own->entrypoint.v.n == 1 && !*own->entrypoint.v.items[0];

    if (cleared)
        return json_object_object_add(config, "Entrypoint", NULL) == 0;
    if (own->entrypoint.v.n)
        return true;
    if (!own->cmd.v.n && image->cmd.n &&
        json_object_object_add(config, "Cmd", strings(&image->cmd)) < 0)
        return false;
    if (!own->entrypoint.present && image->entrypoint.n)
        return json_object_object_add(config, "Entrypoint", strings(&image->entrypoint)) == 0;
    return true;
}

int dv_config_merge_image(struct dv_container_config **config, const struct dv_image *image,
                          struct dv_error *err)
{
    const struct dv_container_config *own = *config;
    json_object *doc = own->config_json;

    if (!set_text(doc, "User", own->user, image->user) ||
        !set_text(doc, "WorkingDir", own->working_dir, image->working_dir) ||
        !set_text(doc, "StopSignal", own->stop_signal, image->stop_signal) ||
        !merge_env(doc, &own->env, &image->env) ||
        !merge_set(doc, "ExposedPorts", &image->exposed_ports) ||
        !merge_set(doc, "Volumes", &image->volumes) || !merge_labels(doc, own, image) ||
        !merge_command(doc, own, image))
        return dv_fail(err, DV_E_NO_MEMORY, "merge the image's config");
    return dv_container_config_keep(config, err) < 0 ? dv_wrap(err, "merge the image's config") : 0;
}

static int append(struct dv_strv *argv, const struct dv_strv *more)
{
    for (size_t i = 0; i < more->n; i++)
        if (dv_strv_add(argv, more->items[i]) < 0)
            return -1;
    return 0;
}

int dv_config_argv(const struct dv_container_config *config, struct dv_strv *argv,
                   struct dv_error *err)
{
    if (append(argv, &config->entrypoint.v) < 0 || append(argv, &config->cmd.v) < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "read the command");
    if (!argv->n)
        return dv_fail(err, DV_E_INVALID, "no command specified");
    return 0;
}

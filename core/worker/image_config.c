/* image_config.c - an image's config: one field table for reading and writing. */
#include "core/worker/image_config.h"

#include <sys/utsname.h>

#include "core/base/id.h"
#include "core/base/limits.h"
#include "core/base/time.h"

#define AT(member) offsetof(struct dv_image_exec_config, member)
static const struct dv_json_field exec_fields[] = {
    { .key = "Hostname", .type = DV_JSON_STR, .offset = AT(hostname), .flags = DV_JSON_OMITEMPTY },
    { .key = "Domainname", .type = DV_JSON_STR, .offset = AT(domainname),
      .flags = DV_JSON_OMITEMPTY },
    { .key = "User", .type = DV_JSON_STR, .offset = AT(user), .flags = DV_JSON_OMITEMPTY },
    { .key = "ExposedPorts", .type = DV_JSON_RAW, .offset = AT(exposed_ports),
      .flags = DV_JSON_OMITEMPTY },
    { .key = "Env", .type = DV_JSON_STRV, .offset = AT(env), .flags = DV_JSON_OMITEMPTY },
    { .key = "Cmd", .type = DV_JSON_STRV, .offset = AT(cmd), .flags = DV_JSON_OMITEMPTY,
      .seen_offset = AT(has_cmd) },
    { .key = "Healthcheck", .type = DV_JSON_RAW, .offset = AT(healthcheck),
      .flags = DV_JSON_OMITEMPTY },
    { .key = "ArgsEscaped", .type = DV_JSON_BOOL, .offset = AT(args_escaped),
      .flags = DV_JSON_OMITEMPTY },
    { .key = "Volumes", .type = DV_JSON_RAW, .offset = AT(volumes), .flags = DV_JSON_OMITEMPTY },
    { .key = "WorkingDir", .type = DV_JSON_STR, .offset = AT(working_dir),
      .flags = DV_JSON_OMITEMPTY },
    { .key = "Entrypoint", .type = DV_JSON_STRV, .offset = AT(entrypoint),
      .flags = DV_JSON_OMITEMPTY, .seen_offset = AT(has_entrypoint) },
    { .key = "OnBuild", .type = DV_JSON_STRV, .offset = AT(on_build), .flags = DV_JSON_OMITEMPTY },
    { .key = "Labels", .type = DV_JSON_MAP, .offset = AT(labels), .flags = DV_JSON_OMITEMPTY },
    { .key = "StopSignal", .type = DV_JSON_STR, .offset = AT(stop_signal),
      .flags = DV_JSON_OMITEMPTY },
    { .key = "Shell", .type = DV_JSON_STRV, .offset = AT(shell), .flags = DV_JSON_OMITEMPTY },
};
#undef AT

static const struct dv_json_field rootfs_fields[] = {
    { .key = "type", .type = DV_JSON_STR, .offset = offsetof(struct dv_image_rootfs, type) },
    { .key = "diff_ids", .type = DV_JSON_STRV,
      .offset = offsetof(struct dv_image_rootfs, diff_ids) },
};

#define AT(member) offsetof(struct dv_image_config, member)
static const struct dv_json_field image_fields[] = {
    { .key = "comment", .type = DV_JSON_STR, .offset = AT(comment), .flags = DV_JSON_OMITEMPTY },
    { .key = "created", .type = DV_JSON_STR, .offset = AT(created), .flags = DV_JSON_OMITEMPTY },
    { .key = "docker_version", .type = DV_JSON_STR, .offset = AT(docker_version),
      .flags = DV_JSON_OMITEMPTY },
    { .key = "author", .type = DV_JSON_STR, .offset = AT(author), .flags = DV_JSON_OMITEMPTY },
    { .key = "config", .type = DV_JSON_OBJ, .offset = AT(config), .sub = exec_fields,
      .n_sub = N(exec_fields) },
    { .key = "architecture", .type = DV_JSON_STR, .offset = AT(architecture) },
    { .key = "variant", .type = DV_JSON_STR, .offset = AT(variant), .flags = DV_JSON_OMITEMPTY },
    { .key = "os", .type = DV_JSON_STR, .offset = AT(os) },
    { .key = "os.version", .type = DV_JSON_STR, .offset = AT(os_version),
      .flags = DV_JSON_OMITEMPTY },
    { .key = "rootfs", .type = DV_JSON_OBJ, .offset = AT(rootfs), .flags = DV_JSON_REQUIRED,
      .sub = rootfs_fields, .n_sub = N(rootfs_fields) },
    { .key = "history", .type = DV_JSON_RAW, .offset = AT(history), .flags = DV_JSON_OMITEMPTY },
};
#undef AT

bool dv_is_digest(const char *text)
{
    return dv_starts(text, "sha256:") && strlen(text) == 71 && dv_is_hex(text + 7, 64) &&
           strspn(text + 7, "0123456789abcdef") == 64;
}

static int check_kind(json_object *obj, json_type type, const char *key, struct dv_error *err)
{
    if (!obj || json_object_get_type(obj) == type)
        return 0;
    return dv_fail(err, DV_E_INVALID, "%s: expected %s", key,
                   type == json_type_array ? "list" : "object");
}

static int check(const struct dv_image_config *c, struct dv_error *err)
{
    uint64_t created;
    size_t i;
    int r;

    r = check_kind(c->config.volumes, json_type_object, "config.Volumes", err);
    r = r < 0 ? r
              : check_kind(c->config.exposed_ports, json_type_object, "config.ExposedPorts", err);
    r = r < 0 ? r : check_kind(c->config.healthcheck, json_type_object, "config.Healthcheck", err);
    r = r < 0 ? r : check_kind(c->history, json_type_array, "history", err);
    if (r < 0)
        return r;
    if (!dv_empty(c->created) && dv_time_parse(c->created, &created) < 0)
        return dv_fail(err, DV_E_INVALID, "created: '%.64s' is no RFC 3339 time", c->created);
    if (c->rootfs.diff_ids.n > DV_MAX_LAYERS)
        return dv_fail(err, DV_E_INVALID, "image has %zu layers, at most %d are possible",
                       c->rootfs.diff_ids.n, DV_MAX_LAYERS);
    for (i = 0; i < c->rootfs.diff_ids.n; i++)
        if (!dv_is_digest(c->rootfs.diff_ids.items[i]))
            return dv_fail(err, DV_E_INVALID, "rootfs.diff_ids[%zu]: '%.80s' is no sha256 digest",
                           i, c->rootfs.diff_ids.items[i]);
    return 0;
}

int dv_image_config_parse(const char *text, size_t len, struct dv_image_config *out,
                          struct dv_error *err)
{
    dv_autojson json_object *doc = NULL;
    int r;

    r = dv_json_parse(text, len, &doc, err);
    if (r == 0)
        r = dv_json_decode(doc, image_fields, N(image_fields), out, err);
    if (r == 0)
        r = check(out, err);
    return r < 0 ? dv_wrap(err, "image config") : 0;
}

char *dv_image_config_text(const struct dv_image_config *config)
{
    dv_autojson json_object *doc = dv_json_encode(image_fields, N(image_fields), config);

    return doc ? dv_json_text(doc) : NULL;
}

void dv_image_config_done(struct dv_image_config *config)
{
    dv_json_release(image_fields, N(image_fields), config);
}

/* GOARCH of what uname(2) calls the machine. */
static const struct {
    const char *machine, *arch;
} arches[] = {
    { "x86_64", "amd64" },   { "aarch64", "arm64" },   { "riscv64", "riscv64" },
    { "ppc64le", "ppc64le" }, { "s390x", "s390x" },    { "loongarch64", "loong64" },
    { "mips64", "mips64le" },
};

const char *dv_machine_arch(void)
{
    struct utsname u;
    size_t i;

    if (uname(&u) == 0)
        for (i = 0; i < N(arches); i++)
            if (dv_streq(u.machine, arches[i].machine))
                return arches[i].arch;
    return "unknown";
}

/* userns.c - the user namespace that userns_remap gives containers: ranges from /etc/subuid. */
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/file.h"
#include "core/base/parse.h"
#include "core/container/spec_parts.h"
#include "core/daemon/engine.h"

enum { SUBID_MAX_BYTES = 1 << 20 };

/* "auto" is the user davit, as Docker's "default" is dockremap. */
static const char *remap_user(const char *setting)
{
    return dv_streq(setting, "auto") ? "davit" : setting;
}

/* The first range of NAME (or of its number) in FILE: "name:start:count". */
static int read_range(const char *file, const char *name, struct dv_spec_idmap *ret,
                      struct dv_error *err)
{
    dv_autofree char *text = NULL;
    dv_autostrv lines = { 0 };
    size_t n = strlen(name);
    int r = dv_read_file(AT_FDCWD, file, SUBID_MAX_BYTES, &text, NULL, err);

    if (r < 0)
        return dv_wrap(err, "userns_remap = %s", name);
    if (dv_strv_split(&lines, text, '\n') < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "read %s", file);
    for (size_t i = 0; i < lines.n; i++) {
        const char *line = lines.items[i];
        unsigned long start, count;

        if (strncmp(line, name, n) != 0 || line[n] != ':' ||
            sscanf(line + n + 1, "%lu:%lu", &start, &count) != 2 || start > UINT32_MAX ||
            count == 0 || count > UINT32_MAX - start)
            continue;
        *ret = (struct dv_spec_idmap){ 0, (uint32_t)start, (uint32_t)count };
        return 0;
    }
    return dv_fail(err, DV_E_INVALID,
                   "userns_remap = %s: %s has no range for that user; add a line such as "
                   "'%s:100000:65536'",
                   name, file, name);
}

int dv_spec_user_namespace(struct dv_container *c, struct dv_spec *spec, struct dv_error *err)
{
    const char *setting = c->cs->engine->config.userns_remap;
    const char *mode = c->config->userns_mode;
    const char *name;
    int r;

    if (dv_empty(setting) || (mode && dv_streq(mode, "host")) || c->config->privileged)
        return 0;
    name = remap_user(setting);
    spec->uid_maps = calloc(1, sizeof(*spec->uid_maps));
    spec->gid_maps = calloc(1, sizeof(*spec->gid_maps));
    if (!spec->uid_maps || !spec->gid_maps)
        return dv_fail(err, DV_E_NO_MEMORY, "describe the user namespace");
    r = read_range("/etc/subuid", name, spec->uid_maps, err);
    if (r == 0)
        r = read_range("/etc/subgid", name, spec->gid_maps, err);
    if (r == 0)
        spec->n_uid_maps = spec->n_gid_maps = 1;
    return r;
}

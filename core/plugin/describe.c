/* describe.c - what a loaded plugin says of itself, checked, and copied at the smaller of the two
 * sizes into tables of our own. */

#include "core/plugin/internal.h"

#include <stdio.h>

/* Each operations table begins with these two. */
struct ops_head {
    uint32_t struct_size, reserved;
};

static int check_size(const char *what, size_t found, size_t least, const char *path,
                      struct dv_error *err)
{
    if (found < least)
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s: its %s has %zu bytes, at least %zu are needed: rebuild it with "
                       "this engine's headers",
                       path, what, found, least);
    if (found > DV_PLUGIN_STRUCT_MAX)
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s: its %s claims %zu bytes, more than %d are not credible", path,
                       what, found, DV_PLUGIN_STRUCT_MAX);
    return 0;
}

static int check_strings(const struct dv_plugin *p, const struct dv_note *note, const char *path,
                         struct dv_error *err)
{
    const char *optional[] = { p->vendor, p->license, p->url };

    if (!p->name || strncmp(p->name, note->name, sizeof(note->name)) != 0 || !p->version ||
        strncmp(p->version, note->version, sizeof(note->version)) != 0)
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s: name and version it reports ('%.32s' '%.32s') differ from its "
                       "note ('%s' '%s'): use DV_PLUGIN_DEFINE for both",
                       path, p->name ? p->name : "", p->version ? p->version : "", note->name,
                       note->version);
    for (size_t i = 0; i < N(optional); i++)
        if (optional[i] && strnlen(optional[i], DV_PLUGIN_TEXT_MAX) == DV_PLUGIN_TEXT_MAX)
            return dv_fail(err, DV_E_INVALID,
                           "plugin %s: vendor, licence or URL exceeds %d bytes", path,
                           DV_PLUGIN_TEXT_MAX - 1);
    return 0;
}

/* Step 7: copy the table of operations and insist on the slots of its kind. */
static int take_ops(const struct dv_kind *kind, const struct dv_plugin *p, const char *path,
                    void **ret, struct dv_error *err)
{
    const struct ops_head *head = p->ops;
    dv_autofree char *ops = NULL;
    size_t least, size;
    int r;

    if (!head)
        return dv_fail(err, DV_E_INVALID, "plugin %s has no table of operations (.ops)", path);
    least = kind->required[kind->n_required - 1].offset + sizeof(void (*)(void));
    r = check_size("table of operations", head->struct_size, least, path, err);
    if (r < 0)
        return r;
    size = head->struct_size < kind->ops_size ? head->struct_size : kind->ops_size;
    size &= ~(sizeof(void *) - 1); /* half a pointer is none */
    ops = calloc(1, kind->ops_size);
    if (!ops)
        return dv_fail(err, DV_E_NO_MEMORY, "plugin %s: out of memory", path);
    memcpy(ops, head, size);
    ((struct ops_head *)(void *)ops)->struct_size = (uint32_t)size;
    for (size_t i = 0; i < kind->n_required; i++) {
        void *slot;

        memcpy(&slot, ops + kind->required[i].offset, sizeof(slot));
        if (!slot)
            return dv_fail(err, DV_E_INVALID,
                           "plugin %s leaves out %s(), which each %s driver must have", path,
                           kind->required[i].name, kind->name);
    }
    *ret = dv_take(ops);
    return 0;
}

int dv_plugin_describe(const struct dv_plugin *theirs, const struct dv_note *note,
                       const char *path, struct dv_described *ret, struct dv_error *err)
{
    const struct dv_kind *kind = dv_kind_find(note->kind);
    struct dv_plugin p = { 0 };
    size_t size;
    int r;

    if (!theirs)
        return dv_fail(err, DV_E_INVALID, "plugin %s: %s() returned NULL", path, DV_PLUGIN_ENTRY);
    if (theirs->magic != DV_PLUGIN_MAGIC)
        return dv_fail(err, DV_E_INVALID, "plugin %s: magic 0x%08x, expected 0x%08x", path,
                       theirs->magic, DV_PLUGIN_MAGIC);
    r = check_size("struct dv_plugin", theirs->struct_size,
                   offsetof(struct dv_plugin, init) + sizeof(theirs->init), path, err);
    if (r < 0)
        return r;
    size = theirs->struct_size < sizeof(p) ? theirs->struct_size : sizeof(p);
    memcpy(&p, theirs, size & ~(sizeof(void *) - 1));
    p.struct_size = (uint32_t)size;
    if (p.abi_major != note->abi_major || p.abi_minor != note->abi_minor || p.kind != note->kind)
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s: ABI or kind it reports (%u.%u, %u) differ from its note "
                       "(%u.%u, %u)",
                       path, p.abi_major, p.abi_minor, p.kind, note->abi_major, note->abi_minor,
                       note->kind);
    if (!kind || kind->ops_size == 0)
        return dv_fail(err, DV_E_UNSUPPORTED, "plugin %s: drivers of kind %s are not built yet",
                       path, kind ? kind->name : "(unknown)");
    r = check_strings(&p, note, path, err);
    if (r == 0)
        r = dv_options_check_table(&p, path, err);
    if (r == 0 && !p.init)
        r = dv_fail(err, DV_E_INVALID, "plugin %s has no init()", path);
    if (r == 0)
        r = take_ops(kind, &p, path, &ret->ops, err);
    if (r < 0)
        return r;
    p.ops = ret->ops;
    ret->plugin = p;
    return 0;
}

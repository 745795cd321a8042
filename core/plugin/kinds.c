/* kinds.c - the kinds of plugins: names, table sizes, slots that no driver may leave out. */

#include "core/plugin/internal.h"

#include <davit/network.h>
#include <davit/registry.h>
#include <davit/storage.h>

#define SLOT(ops, member) { #member, offsetof(struct ops, member) }

static const struct dv_slot storage_slots[] = {
    SLOT(dv_storage_ops, prepare),    SLOT(dv_storage_ops, commit),
    SLOT(dv_storage_ops, remove),     SLOT(dv_storage_ops, activate),
    SLOT(dv_storage_ops, deactivate), SLOT(dv_storage_ops, stat),
    SLOT(dv_storage_ops, recover),    SLOT(dv_storage_ops, empty_trash),
};
static const struct dv_slot network_slots[] = {
    SLOT(dv_network_ops, create_network),  SLOT(dv_network_ops, delete_network),
    SLOT(dv_network_ops, create_endpoint), SLOT(dv_network_ops, delete_endpoint),
    SLOT(dv_network_ops, join),            SLOT(dv_network_ops, leave),
    SLOT(dv_network_ops, recover),
};
static const struct dv_slot registry_slots[] = {
    SLOT(dv_registry_ops, open),
    SLOT(dv_registry_ops, next_image),
    SLOT(dv_registry_ops, open_blob),
    SLOT(dv_registry_ops, close),
};

static const struct dv_kind kinds[] = {
    { DV_KIND_STORAGE, "storage", sizeof(struct dv_storage_ops), storage_slots, N(storage_slots) },
    { DV_KIND_NETWORK, "network", sizeof(struct dv_network_ops), network_slots, N(network_slots) },
    { DV_KIND_REGISTRY, "registry", sizeof(struct dv_registry_ops), registry_slots,
      N(registry_slots) },
    { .kind = DV_KIND_BUILDER, .name = "builder" },
    { .kind = DV_KIND_VOLUME, .name = "volume" },
    { .kind = DV_KIND_LOG, .name = "log" },
    { .kind = DV_KIND_CLUSTER, .name = "cluster" },
    { .kind = DV_KIND_AUTHZ, .name = "authz" },
    { .kind = DV_KIND_SCANNER, .name = "scanner" },
};

const struct dv_kind *dv_kind_find(uint32_t kind)
{
    for (size_t i = 0; i < N(kinds); i++)
        if (kinds[i].kind == kind)
            return &kinds[i];
    return NULL;
}

const char *dv_kind_name(uint32_t kind)
{
    const struct dv_kind *k = dv_kind_find(kind);

    return k ? k->name : NULL;
}

int dv_kind_parse(const char *name)
{
    for (size_t i = 0; i < N(kinds); i++)
        if (dv_streq(kinds[i].name, name))
            return (int)kinds[i].kind;
    return -1;
}

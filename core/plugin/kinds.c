/* kinds.c - the kinds of plugins: names, table sizes, slots that no driver may leave out. */

#include "core/plugin/internal.h"
#include "core/plugin/probe.h"

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

static const struct {
    uint32_t kind;                   /* 0: of every kind */
    uint64_t bit;
    const char *name;
} caps[] = {
    { 0, DV_CAP_SERIAL, "serial" },
    { 0, DV_CAP_ROOTLESS, "rootless" },
    { 0, DV_CAP_RELOAD, "reload" },
    { DV_KIND_STORAGE, (uint64_t)DV_STORAGE_CAP_QUOTA << 32, "quota" },
    { DV_KIND_STORAGE, (uint64_t)DV_STORAGE_CAP_NATIVE_DIFF << 32, "native-diff" },
    { DV_KIND_NETWORK, (uint64_t)DV_NET_SCOPE_GLOBAL << 32, "scope-global" },
    { DV_KIND_NETWORK, (uint64_t)DV_NET_CAP_OWNS_SANDBOX << 32, "owns-sandbox" },
    { DV_KIND_NETWORK, (uint64_t)DV_NET_CAP_NO_GATEWAY << 32, "no-gateway" },
};

json_object *dv_caps_names(uint32_t kind, uint64_t bits)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; list && i < N(caps); i++)
        if ((bits & caps[i].bit) && (!caps[i].kind || caps[i].kind == kind))
            json_object_array_add(list, json_object_new_string(caps[i].name));
    return list;
}

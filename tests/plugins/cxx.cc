/* cxx.cc - the headers in C++: a driver whose one symbol is found all the same. */

#include <davit/network.h>
#include <davit/registry.h>
#include <davit/storage.h>

namespace
{
int32_t prepare(void *, dv_call *, const dv_layer_req *)
{
    return 0;
}
int32_t commit(void *, dv_call *, const char *, const char *, const char *)
{
    return 0;
}
int32_t on_id(void *, dv_call *, const char *)
{
    return 0;
}
int32_t activate(void *, dv_call *, const char *, uint32_t, dv_mounts *)
{
    return 0;
}
int32_t stat(void *, dv_call *, const char *, dv_layer_info *)
{
    return 0;
}
int32_t recover(void *, dv_call *, const char *const *, size_t)
{
    return 0;
}
int32_t empty_trash(void *, dv_call *, uint64_t)
{
    return 0;
}

const dv_storage_ops ops = { sizeof(dv_storage_ops), 0,     prepare, commit,  on_id,      activate,
                             on_id,                  stat,  recover, empty_trash, nullptr, nullptr,
                             nullptr,                nullptr };

int32_t init(const dv_host *, dv_call *, const dv_kvs *, void **self)
{
    static int state;

    *self = &state;
    return 0;
}
} // namespace

DV_PLUGIN_DEFINE(DV_KIND_STORAGE, "cxx", "1", .ops = &ops, .init = init)

/* results.c - where the pointers of a plugin's results lead: into the call's arena or the plugin's own
 * image, or to memory that may be gone by now. */

#include <davit/network.h>
#include <davit/storage.h>

#include "core/plugin/internal.h"

enum { MAX_ITEMS = 4096 };           /* of any array in a result */

static size_t room_in(uintptr_t p, uintptr_t begin, size_t size)
{
    return p >= begin && p - begin < size ? size - (p - begin) : 0;
}

/* Bytes from P to the end of what holds it; 0: neither the arena nor the plugin's image. */
static size_t room(const struct dv_call *c, const void *ptr)
{
    uintptr_t p = (uintptr_t)ptr;
    size_t n;

    for (const struct dv_arena_block *b = c->arena; b; b = b->next) {
        n = room_in(p, (uintptr_t)b->data, b->size);
        if (n > 0)
            return n;
    }
    return c->driver ? room_in(p, c->driver->image_begin, c->driver->image_bytes) : 0;
}

static int outside(struct dv_call *c, const char *member)
{
    return dv_call_misbehaved(c, "%s() gave a '%s' that lies neither in the call's memory (alloc) "
                              "nor in its own constants", c->op, member);
}

static int missing(struct dv_call *c, const char *member)
{
    return dv_call_misbehaved(c, "%s() gave no '%s'", c->op, member);
}

int dv_result_text(struct dv_call *c, const char *member, const char *text)
{
    size_t n = text ? room(c, text) : 1;

    if (n == 0 || (text && !memchr(text, '\0', n)))
        return outside(c, member);
    return 0;
}

/* N structs of at least SIZE bytes, STRIDE apart, aligned to ALIGN. */
static int check_array(struct dv_call *c, const char *member, const void *items, size_t n,
                       size_t stride, size_t size, size_t align)
{
    if (n == 0)
        return 0;
    if (n > MAX_ITEMS || stride < size || stride > DV_PLUGIN_STRUCT_MAX || stride % align != 0)
        return dv_call_misbehaved(c, "%s() gave %zu '%s' %zu bytes apart, expected at most %d of at "
                                  "least %zu", c->op, n, member, stride, MAX_ITEMS, size);
    return !items || room(c, items) < (n - 1) * stride + size ? outside(c, member) : 0;
}

static int check_params(struct dv_call *c, const struct dv_mount *m)
{
    int r = check_array(c, "params", m->params, m->n_params, m->param_stride,
                        sizeof(struct dv_param), _Alignof(struct dv_param));

    for (size_t i = 0; r == 0 && i < m->n_params; i++) {
        const struct dv_param *p = (const void *)((const char *)m->params + i * m->param_stride);

        r = p->key ? dv_result_text(c, "key", p->key) : missing(c, "key");
        if (r == 0)
            r = dv_result_text(c, "value", p->value);
    }
    return r;
}

int dv_result_mounts(struct dv_call *c, const struct dv_mounts *mounts)
{
    int r = check_array(c, "items", mounts->items, mounts->n, mounts->stride,
                        sizeof(struct dv_mount), _Alignof(struct dv_mount));

    for (size_t i = 0; r == 0 && i < mounts->n; i++) {
        const struct dv_mount *m = (const void *)((const char *)mounts->items + i * mounts->stride);

        r = m->type ? dv_result_text(c, "type", m->type) : missing(c, "type");
        if (r == 0)
            r = dv_result_text(c, "source", m->source);
        if (r == 0)
            r = check_params(c, m);
    }
    return r;
}

int dv_result_net_info(struct dv_call *c, const struct dv_net_info *info)
{
    return dv_result_text(c, "ifname", info->ifname);
}

int dv_result_link(struct dv_call *c, const struct dv_link *link)
{
    int r = dv_result_text(c, "prefix", link->prefix);

    return r < 0 ? r : check_array(c, "routes", link->routes, link->n_routes, link->route_stride,
                                   sizeof(struct dv_route), _Alignof(struct dv_route));
}

int dv_result_kvs(struct dv_call *c, const char *member, const struct dv_kvs *kvs)
{
    int r = check_array(c, member, kvs->items, kvs->n, sizeof(*kvs->items), sizeof(*kvs->items),
                        _Alignof(struct dv_kv));

    for (size_t i = 0; r == 0 && i < kvs->n; i++) {
        r = dv_result_text(c, member, kvs->items[i].key);
        if (r == 0)
            r = dv_result_text(c, member, kvs->items[i].value);
    }
    return r;
}

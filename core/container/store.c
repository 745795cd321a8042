/* store.c - the table of containers: lookup, references, snapshots. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/id.h"
#include "core/container/internal.h"
#include "core/container/names.h"

struct dv_container *dv_container_ref(struct dv_container *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

static void container_free(struct dv_container *c)
{
    dv_pending_close(c);
    dv_execs_free(c);
    dv_shim_unref(c->shim);
    dv_container_config_free(c->config);
    dv_strv_done(&c->argv);
    free(c->image_id);
    free(c->image_name);
    free(c->storage_driver);
    free(c->name);
    free(c->error);
    pthread_cond_destroy(&c->changed);
    dv_lock_done(&c->lock);
    free(c);
}

struct dv_container *dv_container_unref(struct dv_container *c)
{
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        container_free(c);
    return NULL;
}

struct dv_container *dv_container_new(struct dv_containers *cs, const char *id)
{
    struct dv_container *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    atomic_init(&c->refs, 1);
    c->cs = cs;
    snprintf(c->id, sizeof(c->id), "%s", id);
    dv_lock_init(&c->lock, DV_RANK_OBJECT);
    dv_cond_init(&c->changed);
    c->status = DV_CREATED;
    return c;
}

const char *dv_container_id(const struct dv_container *c)
{
    return c->id;
}

/* The name is read without the object's lock: it changes under both locks only. Those in creation
 * have their name already. */
static struct dv_container *by_name(const struct dv_containers *cs, const char *name)
{
    for (size_t i = 0; i < cs->n; i++)
        if (dv_streq(cs->items[i]->name, name))
            return cs->items[i];
    return NULL;
}

static int name_taken(const char *name, const struct dv_container *by, struct dv_error *err)
{
    return dv_fail(err, DV_E_CONFLICT,
                   "Conflict. The container name \"/%s\" is already in use by container \"%s\". You "
                   "have to remove (or rename) that container to be able to reuse that name.",
                   name, by->id);
}

static void swap_names(char **a, char **b)
{
    char *old = *a;

    *a = *b;
    *b = old;
}

int dv_containers_insert(struct dv_containers *cs, struct dv_container *c, struct dv_error *err)
{
    struct dv_container *other, **grown;
    int r = 0;

    dv_lock_take(&cs->lock);
    other = by_name(cs, c->name);
    if (other) {
        r = name_taken(c->name, other, err);
    } else if (cs->n == cs->cap) {
        grown = reallocarray(cs->items, cs->cap ? 2 * cs->cap : 16, sizeof(*grown));
        if (grown) {
            cs->items = grown;
            cs->cap = cs->cap ? 2 * cs->cap : 16;
        } else {
            r = dv_fail(err, DV_E_NO_MEMORY, "enter container %s", c->name);
        }
    }
    if (r == 0)
        cs->items[cs->n++] = dv_container_ref(c);
    dv_lock_drop(&cs->lock);
    return r;
}

void dv_containers_publish(struct dv_containers *cs, struct dv_container *c)
{
    dv_lock_take(&cs->lock);
    c->published = true;
    dv_lock_drop(&cs->lock);
}

void dv_containers_forget(struct dv_containers *cs, struct dv_container *c)
{
    bool found = false;

    dv_lock_take(&cs->lock);
    for (size_t i = 0; i < cs->n && !found; i++) {
        if (cs->items[i] != c)
            continue;
        cs->items[i] = cs->items[--cs->n];
        found = true;
    }
    dv_lock_drop(&cs->lock);
    if (found)
        dv_container_unref(c);
}

/* Full id, then exact name, then unique id prefix (Docker's order). Under cs->lock. */
static int find(const struct dv_containers *cs, const char *name, struct dv_container **ret,
                struct dv_error *err)
{
    size_t len = strlen(name), hits = 0;
    struct dv_container *c;

    if (*name == '/')
        name++, len--;
    for (size_t i = 0; i < cs->n; i++)
        if (cs->items[i]->published && dv_streq(cs->items[i]->id, name)) {
            *ret = cs->items[i];
            return 0;
        }
    c = by_name(cs, name);
    if (c && !c->published)
        c = NULL;
    for (size_t i = 0; !c && len && i < cs->n; i++)
        if (cs->items[i]->published && strncmp(cs->items[i]->id, name, len) == 0) {
            *ret = cs->items[i];
            hits++;
        }
    if (c)
        *ret = c;
    else if (hits > 1)
        return dv_fail(err, DV_E_INVALID, "Multiple IDs found with provided prefix: %s", name);
    else if (hits == 0)
        return dv_fail(err, DV_E_NOT_FOUND, "No such container: %s", name);
    return 0;
}

int dv_container_get(struct dv_containers *cs, const char *name, struct dv_container **ret,
                     struct dv_error *err)
{
    struct dv_container *c = NULL;
    int r;

    dv_lock_take(&cs->lock);
    r = find(cs, name, &c, err);
    if (r == 0)
        *ret = dv_container_ref(c);
    dv_lock_drop(&cs->lock);
    return r;
}

size_t dv_container_list(struct dv_containers *cs, struct dv_container ***ret)
{
    struct dv_container **list;
    size_t n = 0;

    dv_lock_take(&cs->lock);
    list = calloc(cs->n + 1, sizeof(*list));
    for (size_t i = 0; list && i < cs->n; i++)
        if (cs->items[i]->published)
            list[n++] = dv_container_ref(cs->items[i]);
    dv_lock_drop(&cs->lock);
    *ret = list;
    return n;
}

/* The caller holds the operation, so nobody else uses the old name meanwhile. */
static int rename_now(struct dv_container *c, char **name, struct dv_error *err)
{
    struct dv_containers *cs = c->cs;
    const struct dv_container *other;
    int r = 0;

    dv_lock_take(&cs->lock);
    dv_lock_take(&c->lock);
    other = by_name(cs, *name);
    if (other == c)
        r = dv_fail(err, DV_E_INVALID,
                    "Renaming a container with the same name as its current name");
    else if (other)
        r = name_taken(*name, other, err);
    if (r == 0) {
        swap_names(&c->name, name);
        r = dv_container_row_update(c, err);
        if (r < 0)
            swap_names(&c->name, name);
    }
    dv_lock_drop(&c->lock);
    dv_lock_drop(&cs->lock);
    return r;
}

int dv_container_rename(struct dv_container *c, const char *name, struct dv_error *err)
{
    dv_autofree char *text = NULL;
    dv_autofree char *slashed = dv_format("%s%s", *name == '/' ? "" : "/", name), *event = NULL;
    int r;

    if (!slashed)
        return dv_fail(err, DV_E_NO_MEMORY, "rename container %s", c->id);
    r = dv_name_check(slashed, err);
    if (r < 0)
        return dv_wrap(err, "Error when allocating new name");
    text = dv_strdup(slashed + 1);
    if (!text)
        return dv_fail(err, DV_E_NO_MEMORY, "rename container %s", c->id);
    r = dv_op_begin(c, "rename", err);
    if (r < 0)
        return r;
    r = rename_now(c, &text, err);
    dv_op_end(c);
    event = r == 0 ? dv_format("/%s", text) : NULL; /* the old one, with the slash that Docker gives it */
    if (event)
        dv_container_emit(c, "rename", (const char *const[]){ "oldName", event, NULL });
    return r;
}

const char *dv_containers_use_image(void *containers, const char *image_id, bool *ret_running)
{
    struct dv_containers *cs = containers;
    static _Thread_local char user[DV_ID_BYTES]; /* outlives the container it names */

    *ret_running = false;
    user[0] = '\0';
    dv_lock_take(&cs->lock);
    for (size_t i = 0; i < cs->n; i++) {
        struct dv_container *c = cs->items[i];

        if (!dv_streq(c->image_id, image_id))
            continue;
        dv_lock_take(&c->lock);
        if (!user[0] || c->status == DV_RUNNING)
            memcpy(user, c->id, sizeof(user));
        *ret_running = *ret_running || c->status == DV_RUNNING || c->status == DV_PAUSED;
        dv_lock_drop(&c->lock);
    }
    dv_lock_drop(&cs->lock);
    return user[0] ? user : NULL;
}

void dv_containers_count(struct dv_containers *cs, struct dv_container_counts *ret)
{
    struct dv_container_counts n = { 0 };

    dv_lock_take(&cs->lock);
    for (size_t i = 0; i < cs->n; i++) {
        n.total += cs->items[i]->published;
        dv_lock_take(&cs->items[i]->lock);
        n.running += cs->items[i]->status == DV_RUNNING || cs->items[i]->status == DV_RESTARTING;
        n.paused += cs->items[i]->status == DV_PAUSED;
        dv_lock_drop(&cs->items[i]->lock);
    }
    dv_lock_drop(&cs->lock);
    n.stopped = n.total - n.running - n.paused;
    *ret = n;
}

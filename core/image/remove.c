/* remove.c - Docker's rmi: untag, and delete when the last name goes. */
#include <stdio.h>

#include "core/image/internal.h"

enum { SHORT_ID = 12 };

struct removal {
    struct dv_images *images;
    const char *name;
    bool force;
    dv_image_user_fn *in_use;
    void *arg;
    struct dv_found found;
    struct dv_strv refs;             /* canonical references of the image */
    struct dv_image_deleted *records;
    size_t n_records, cap_records;
    struct dv_error *err;
};

static int record(struct removal *rm, bool untagged, char *name_taken)
{
    if (name_taken && rm->n_records == rm->cap_records) {
        size_t cap = rm->cap_records ? rm->cap_records * 2 : 8;
        struct dv_image_deleted *more = realloc(rm->records, cap * sizeof(*more));

        if (!more) {
            free(name_taken);
            name_taken = NULL;
        } else {
            rm->records = more;
            rm->cap_records = cap;
        }
    }
    if (!name_taken)
        return dv_fail(rm->err, DV_E_NO_MEMORY, "out of memory for removed images");
    rm->records[rm->n_records++] = (struct dv_image_deleted){ .untagged = untagged,
                                                              .name = name_taken };
    return 0;
}

static const char *short_id(const char *id)
{
    return dv_starts(id, "sha256:") ? id + 7 : id;
}

static void event(const struct removal *rm, const char *action)
{
    if (rm->images->event)
        rm->images->event(rm->images->event_arg, action, rm->found.id, rm->found.id);
}

static int fail_use(struct removal *rm, bool hard, const char *fmt, const char *container)
{
    char why[200];

    snprintf(why, sizeof(why), "%s%.*s", fmt, SHORT_ID, container ? container : "");
    return dv_fail(rm->err, DV_E_CONFLICT, "conflict: unable to delete %.*s (%s) - %s", SHORT_ID,
                   short_id(rm->found.id), hard ? "cannot be forced" : "must be forced", why);
}

/* What stands against deleting. SOFT: what force would overrule counts too; REFS: names count. */
static int check_conflicts(struct removal *rm, bool soft, bool refs)
{
    bool running = false;
    const char *user = rm->in_use ? rm->in_use(rm->arg, rm->found.id, &running) : NULL;

    if (user && running)
        return fail_use(rm, true, "image is being used by running container ", user);
    if (soft && refs && rm->refs.n > 0)
        return fail_use(rm, false, "image is referenced in multiple repositories", NULL);
    if (soft && user)
        return fail_use(rm, false, "image is being used by stopped container ", user);
    return 0;
}

static int untag(struct removal *rm, const char *canonical)
{
    int r = dv_db_exec(rm->images->db, rm->err,
                       "DELETE FROM image_refs WHERE reference = ? AND image_id = ?", "ss",
                       canonical, rm->found.id);

    r = r < 0 ? r : record(rm, true, dv_ref_familiar(canonical));
    if (r == 0)
        event(rm, "untag");
    return r;
}

/* The references that the image has now. */
static int read_refs(struct removal *rm)
{
    dv_strv_done(&rm->refs);
    return dv_rows_strings(rm->images->db, &rm->refs, rm->err,
                           "SELECT reference FROM image_refs WHERE image_id = ? ORDER BY reference",
                           rm->found.id);
}

static int untag_all(struct removal *rm)
{
    size_t i;
    int r = 0;

    for (i = 0; i < rm->refs.n && r == 0; i++)
        r = untag(rm, rm->refs.items[i]);
    return r < 0 ? r : read_refs(rm);
}

/* 1: deleted, 0: somebody gave it a name meanwhile. */
static int delete_rows(struct removal *rm)
{
    struct dv_db *db = rm->images->db;
    int64_t named = 0;
    int r;

    r = dv_tx_begin(db, DV_SYNC_FULL, rm->err);
    if (r < 0)
        return r;
    r = dv_row_count(db, &named, rm->err,
                     "SELECT EXISTS (SELECT 1 FROM image_refs WHERE image_id = ?)", rm->found.id);
    if (r < 0 || named) {
        dv_tx_rollback(db);
        return r;
    }
    r = dv_db_exec(db, rm->err, "DELETE FROM image_layers WHERE image_id = ?", "s", rm->found.id);
    r = r < 0 ? r : dv_db_exec(db, rm->err, "DELETE FROM images WHERE id = ?", "s", rm->found.id);
    if (r < 0) {
        dv_tx_rollback(db);
        return r;
    }
    r = dv_tx_commit(db, rm->err);
    return r < 0 ? r : 1;
}

static int delete_image(struct removal *rm)
{
    struct dv_collected went = { 0 };
    size_t i;
    int r;

    r = untag_all(rm);
    r = r < 0 ? r : delete_rows(rm);
    if (r <= 0)
        return r;
    event(rm, "delete");
    r = record(rm, false, dv_strdup(rm->found.id));
    dv_store_write_index(rm->images);
    dv_images_collect(rm->images, &went);
    if (r == 0)
        rm->records[rm->n_records - 1].freed_bytes = went.size_bytes;
    for (i = 0; i < went.chains.n && r == 0; i++)
        r = record(rm, false, dv_strdup(went.chains.items[i]));
    dv_strv_done(&went.chains);
    return r;
}

/* A name was given: it goes, and the image with its last one. */
static int remove_by_name(struct removal *rm)
{
    const char *user;
    bool running = false;
    int r;

    if (!rm->force && rm->refs.n <= 1 && rm->in_use) {
        user = rm->in_use(rm->arg, rm->found.id, &running);
        if (user)
            return dv_fail(
                rm->err, DV_E_CONFLICT,
                "conflict: unable to remove repository reference "
                "\"%s\" (must force) - container %.*s is using its referenced image %.*s",
                rm->name, SHORT_ID, user, SHORT_ID, short_id(rm->found.id));
    }
    r = untag(rm, rm->found.ref);
    r = r < 0 ? r : read_refs(rm);
    if (r < 0 || rm->refs.n > 0)
        return r;
    /* A container that uses it keeps the image, without a name. */
    if (check_conflicts(rm, !rm->force, false) < 0) {
        dv_error_clear(rm->err);
        return 0;
    }
    return delete_image(rm);
}

/* Docker's "single reference": at most one name, so that the id alone says what is meant. */
static int remove_by_id(struct removal *rm)
{
    bool single = rm->refs.n <= 1;
    int r = check_conflicts(rm, !rm->force, !single);

    return r < 0 ? r : delete_image(rm);
}

int dv_image_remove(struct dv_images *images, const char *name, bool force, bool no_prune,
                    dv_image_user_fn *in_use, void *arg, struct dv_image_deleted **ret,
                    size_t *ret_n, struct dv_error *err)
{
    struct removal rm = { .images = images, .name = name, .force = force, .in_use = in_use,
                          .arg = arg, .err = err };
    int r;

    (void)no_prune; /* images have no parents that could be pruned */
    r = dv_image_find(images, name, &rm.found, err);
    r = r < 0 ? r : read_refs(&rm);
    if (r == 0)
        r = rm.found.ref ? remove_by_name(&rm) : remove_by_id(&rm);
    if (rm.n_records > 0)
        dv_store_write_index(images);
    free(rm.found.ref);
    dv_strv_done(&rm.refs);
    if (r < 0) {
        while (rm.n_records > 0)
            free(rm.records[--rm.n_records].name);
        free(rm.records);
        return r;
    }
    *ret = rm.records;
    *ret_n = rm.n_records;
    return 0;
}

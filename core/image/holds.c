/* holds.c - what running jobs use, and what is being removed: never the same thing at once. */
#include <stdio.h>

#include "core/image/internal.h"

struct dv_hold {
    struct dv_hold *next;
    char key[DV_KEY_BYTES];
    unsigned users;
    bool removing;
};

static struct dv_hold **find(struct dv_images *images, const char *key)
{
    struct dv_hold **at = &images->holds;

    while (*at && !dv_streq((*at)->key, key))
        at = &(*at)->next;
    return at;
}

static struct dv_hold *find_or_add(struct dv_images *images, const char *key)
{
    struct dv_hold **at = find(images, key);

    if (!*at) {
        *at = calloc(1, sizeof(**at));
        if (*at)
            snprintf((*at)->key, sizeof((*at)->key), "%s", key);
    }
    return *at;
}

static void forget(struct dv_images *images, const char *key)
{
    struct dv_hold **at = find(images, key), *hold = *at;

    if (!hold || hold->users > 0 || hold->removing)
        return;
    *at = hold->next;
    free(hold);
}

int dv_hold_take(struct dv_images *images, const char *key, struct dv_error *err)
{
    struct dv_hold *hold;

    dv_guard(&images->lock);
    while ((hold = find_or_add(images, key)) && hold->removing)
        (void)dv_lock_wait(&images->lock, &images->changed, 0);
    if (!hold)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for '%s'", key);
    hold->users++;
    return 0;
}

void dv_hold_drop(struct dv_images *images, const char *key)
{
    struct dv_hold *hold;

    dv_guard(&images->lock);
    hold = *find(images, key);
    if (hold && hold->users > 0)
        hold->users--;
    forget(images, key);
}

bool dv_hold_claim(struct dv_images *images, const char *key)
{
    struct dv_hold *hold;

    dv_guard(&images->lock);
    hold = find_or_add(images, key);
    if (!hold || hold->users > 0 || hold->removing)
        return false;
    hold->removing = true;
    return true;
}

void dv_hold_release(struct dv_images *images, const char *key)
{
    struct dv_hold *hold;

    dv_guard(&images->lock);
    hold = *find(images, key);
    if (hold)
        hold->removing = false;
    forget(images, key);
    pthread_cond_broadcast(&images->changed);
}

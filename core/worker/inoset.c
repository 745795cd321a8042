/* inoset.c - a growing set of inode numbers, open addressing. */
#include "core/worker/inoset.h"

enum { FIRST_SLOTS = 256 };

static size_t slot_of(const struct dv_inoset *set, uint64_t ino)
{
    size_t i = (size_t)(ino * 0x9e3779b97f4a7c15u >> 20) & (set->cap - 1);

    while (set->slots[i] && set->slots[i] != ino)
        i = (i + 1) & (set->cap - 1);
    return i;
}

static int grow(struct dv_inoset *set)
{
    struct dv_inoset bigger = { .cap = set->cap ? set->cap * 2 : FIRST_SLOTS };
    size_t i;

    bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
    if (!bigger.slots)
        return -1;
    for (i = 0; i < set->cap; i++)
        if (set->slots[i])
            bigger.slots[slot_of(&bigger, set->slots[i])] = set->slots[i];
    bigger.n = set->n;
    free(set->slots);
    *set = bigger;
    return 0;
}

int dv_inoset_add(struct dv_inoset *set, uint64_t ino)
{
    size_t i;

    if (set->n * 2 >= set->cap && grow(set) < 0)
        return -1;
    i = slot_of(set, ino);
    if (!set->slots[i]) {
        set->slots[i] = ino;
        set->n++;
    }
    return 0;
}

bool dv_inoset_has(const struct dv_inoset *set, uint64_t ino)
{
    return set->cap > 0 && set->slots[slot_of(set, ino)] == ino;
}

void dv_inoset_done(struct dv_inoset *set)
{
    free(set->slots);
    *set = (struct dv_inoset){ 0 };
}

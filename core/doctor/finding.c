/* finding.c - the list of findings. */
#include "core/doctor/finding.h"

#include <stdarg.h>
#include <stdio.h>

static void put(json_object *obj, const char *key, const char *text)
{
    json_object_object_add(obj, key, json_object_new_string(text));
}

void dv_found(struct dv_findings *f, enum dv_level level, const char *check, const char *means,
              const char *remedy, const char *fmt, ...)
{
    static const char *const levels[] = {
        [DV_OK] = "ok",           [DV_NOTE] = "note",     [DV_WARNING] = "warning",
        [DV_PROBLEM] = "problem", [DV_UNSEEN] = "unseen",
    };
    json_object *obj = json_object_new_object();
    char found[1200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(found, sizeof(found), fmt, ap);
    va_end(ap);
    put(obj, "Section", f->section);
    put(obj, "Check", check);
    put(obj, "Level", levels[level]);
    put(obj, "Found", found);
    put(obj, "Means", means);
    put(obj, "Do", remedy);
    json_object_array_add(f->list, obj);
}

void dv_unseen(struct dv_findings *f, const char *check, const char *what)
{
    dv_found(f, DV_UNSEEN, check, "", "run `davit doctor` as root to have it looked at",
             "%s: only root can see that", what);
}

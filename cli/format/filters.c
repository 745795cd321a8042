/* filters.c - --filter key=value as the API's filters parameter. */
#include "cli/format/filters.h"

#include <ctype.h>

int dv_check_filter(const char *value, char **ret, struct dv_error *err)
{
    (void)ret;
    if (!strchr(value, '='))
        return dv_fail(err, DV_E_INVALID, "bad format of filter (expected name=value)");
    return 0;
}

/* Without the space around it, in lower case. */
static char *clean(const char *text, size_t n, bool lower)
{
    char *copy, *p;

    while (n > 0 && isspace((unsigned char)*text)) {
        text++;
        n--;
    }
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    copy = dv_xstrndup(text, n);
    for (p = copy; lower && *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return copy;
}

char *dv_filters_text(const struct dv_strv *values)
{
    dv_autojson json_object *filters = dv_jobj();
    char *text;
    size_t i;

    if (values->n == 0)
        return NULL;
    for (i = 0; i < values->n; i++) {
        size_t n = strcspn(values->items[i], "=");
        dv_autofree char *key = clean(values->items[i], n, true);
        const char *rest = values->items[i] + n + 1;
        dv_autofree char *value = clean(rest, strlen(rest), false);

        if (!dv_jget(filters, key))
            dv_jset(filters, key, dv_jobj());
        dv_jset_bool(dv_jget(filters, key), value, true);
    }
    text = dv_json_text(filters);
    return text ? text : dv_xstrdup("{}");
}

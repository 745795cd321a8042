/* api_http.c - fuzz target: a request from arbitrary bytes, its URL, its filters, its JSON. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/filters.h"
#include "core/api/http.h"
#include "core/api/routes.h"
#include "fuzz.h"

/* In pieces whose length the first byte gives, as a socket gives them. */
static void feed(struct dv_http *h, const char *data, size_t n, size_t step)
{
    struct dv_buf body = DV_BUF_INIT(1 << 16, "body");
    struct dv_error err = { 0 };
    size_t at = 0;

    h->body = &body;
    while (at < n && h->state != DV_HTTP_DONE) {
        size_t piece = n - at < step ? n - at : step, used = 0;

        if (dv_http_feed(h, data + at, piece, &used, &err) < 0)
            break;
        if (used > piece)
            abort();
        at += used;
    }
    dv_buf_done(&body);
}

static void route(const struct dv_http *h)
{
    struct dv_error err = { 0 };
    struct dv_route_param params[2] = { { 0 } };
    char version[16];
    char *path = h->url.data ? dv_http_unescape(h->url.data, h->url.len, false, &err) : NULL;
    unsigned minor = 0;

    if (!path || !h->method)
        goto out;
    if (dv_route_find(h->method, dv_route_version(path, version), params) &&
        dv_route_version_check(version, &minor, &err) == 0 && minor < 24)
        abort();
out:
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = { "label", "name", NULL };
    dv_autofilters filters = { .n = 0 };
    struct dv_error err = { 0 };
    struct dv_http h;
    char *text;

    if (size == 0 || dv_http_init(&h, &err) < 0)
        return 0;
    text = strndup((const char *)data + 1, size - 1);
    feed(&h, (const char *)data + 1, size - 1, data[0] + 1u);
    if (h.state != DV_HTTP_HEAD) {
        (void)dv_http_header(&h, "Content-Type");
        route(&h);
    }
    if (text && dv_filters_parse(text, keys, &filters, &err) == 0)
        (void)dv_filter_name(&filters, "name", "web");
    free(text);
    dv_http_done(&h);
    return 0;
}

/* api_http.c - tests of reading a request from bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/api/http.h"
#include "core/base/limits.h"

/* Feed TEXT in pieces of STEP bytes up to the end of the request; returns bytes used. */
static size_t feed(struct dv_http *h, struct dv_buf *body, const char *text, size_t step)
{
    struct dv_error err = { 0 };
    size_t at = 0, n = strlen(text);

    h->body = body;
    while (at < n && h->state != DV_HTTP_DONE) {
        size_t piece = n - at < step ? n - at : step, used = 0;

        if (dv_http_feed(h, text + at, piece, &used, &err) < 0)
            return SIZE_MAX;
        at += used;
    }
    return at;
}

static void reads_head_and_body_in_any_pieces(void **state)
{
    static const char request[] = "POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-Empty:\r\n"
                                  "content-type: application/json\r\nContent-Length: 5\r\n\r\n"
                                  "helloREST";
    struct dv_error err = { 0 };

    (void)state;
    for (size_t step = 1; step < sizeof(request); step++) {
        struct dv_http h;
        dv_autobuf body = DV_BUF_INIT(100, "body");

        assert_int_equal(dv_http_init(&h, &err), 0);
        assert_int_equal(feed(&h, &body, request, step), sizeof(request) - 1 - 4);
        assert_int_equal(h.state, DV_HTTP_DONE);
        assert_string_equal(h.method, "POST");
        assert_string_equal(h.url.data, "/a?b=c");
        assert_string_equal(dv_http_header(&h, "Content-Type"), "application/json");
        assert_string_equal(dv_http_header(&h, "x-empty"), "");
        assert_null(dv_http_header(&h, "nothing"));
        assert_true(h.keep_alive);
        assert_string_equal(body.data, "hello");
        dv_http_done(&h);
    }
}

static void reads_chunks(void **state)
{
    static const char request[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nTrailer: x\r\n\r\nNEXT";
    struct dv_error err = { 0 };

    (void)state;
    for (size_t step = 1; step < sizeof(request); step++) {
        struct dv_http h;
        dv_autobuf body = DV_BUF_INIT(100, "body");

        assert_int_equal(dv_http_init(&h, &err), 0);
        assert_int_equal(feed(&h, &body, request, step), sizeof(request) - 1 - 4);
        assert_true(h.chunked);
        assert_string_equal(body.data, "abcde");
        assert_null(dv_http_header(&h, "Trailer"));
        dv_http_done(&h);
    }
}

/* A stream may begin right behind the head. */
static void leaves_the_streams_bytes(void **state)
{
    static const char *const requests[] = {
        "POST /attach HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nGET /x",
        "POST /attach HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: "
        "2\r\n\r\n{}"
        "GET /x",
        "POST /attach HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET /x",
        "POST /attach HTTP/1.1\r\n\r\nGET /x",
    };
    struct dv_error err = { 0 };

    (void)state;
    for (size_t i = 0; i < N(requests); i++) {
        struct dv_http h;
        dv_autobuf body = DV_BUF_INIT(100, "body");

        assert_int_equal(dv_http_init(&h, &err), 0);
        assert_int_equal(feed(&h, &body, requests[i], 1000), strlen(requests[i]) - 6);
        assert_int_equal(h.state, DV_HTTP_DONE);
        assert_int_equal(h.upgrade, i < 2);
        dv_http_done(&h);
    }
}

static int status_of(const char *request)
{
    struct dv_error err = { 0 };
    struct dv_http h;
    dv_autobuf body = DV_BUF_INIT(100, "body");
    size_t used;
    int status;

    assert_int_equal(dv_http_init(&h, &err), 0);
    used = feed(&h, &body, request, 1000);
    status = used == SIZE_MAX ? h.status : 0;
    dv_http_done(&h);
    return status;
}

static void refuses_what_is_broken_or_too_long(void **state)
{
    char *text = malloc(DV_MAX_HTTP_HEADER_BYTES + 100);
    dv_autobuf many = DV_BUF_INIT(1 << 20, "headers");
    struct dv_error err = { 0 };

    (void)state;
    assert_int_equal(status_of("nonsense\r\n\r\n"), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"), 400);
    assert_int_equal(
        status_of("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
                  "\r\n"),
        400);
    memset(text, 'a', DV_MAX_HTTP_HEADER_BYTES + 99);
    text[DV_MAX_HTTP_HEADER_BYTES + 99] = '\0';
    memcpy(text, "GET /", 5);
    assert_int_equal(status_of(text), 414);
    memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
    assert_int_equal(status_of(text), 431);
    assert_int_equal(dv_buf_puts(&many, "GET / HTTP/1.1\r\n", &err), 0);
    for (int i = 0; i <= DV_MAX_HTTP_HEADERS; i++)
        assert_int_equal(dv_buf_puts(&many, "A: b\r\n", &err), 0);
    assert_int_equal(dv_buf_puts(&many, "\r\n", &err), 0);
    assert_int_equal(status_of(many.data), 431);
    free(text);
}

static void unescapes(void **state)
{
    static const struct {
        const char *in, *out;
        bool plus;
    } cases[] = {
        { "a%2Fb", "a/b", false }, { "a+b", "a+b", false }, { "a+b", "a b", true },
        { "%41", "A", false },     { "%4", NULL, false },   { "%", NULL, false },
        { "%zz", NULL, false },    { "x%00y", NULL, false }, { "", "", false },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct dv_error err = { 0 };
        char *out = dv_http_unescape(cases[i].in, strlen(cases[i].in), cases[i].plus, &err);

        if (cases[i].out)
            assert_string_equal(out, cases[i].out);
        else
            assert_null(out);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_head_and_body_in_any_pieces),
        cmocka_unit_test(reads_chunks),
        cmocka_unit_test(leaves_the_streams_bytes),
        cmocka_unit_test(refuses_what_is_broken_or_too_long),
        cmocka_unit_test(unescapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* worker_words.c - the words of a Dockerfile instruction: quotes, backslashes, variables, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/worker/words.h"

static char *environment[] = { (char *)"A=one", (char *)"B=two words", (char *)"AB=longer",
                               (char *)"EMPTY=", (char *)"A=second", (char *)"Q=it's \"$A\"" };
static const struct dv_strv env = { environment, sizeof(environment) / sizeof(environment[0]) };

/* The words, each in brackets; or "!" and what is wrong. */
static const char *split(const char *text)
{
    static char out[1024];
    dv_autostrv words = { 0 };
    struct dv_error err = { 0 };
    size_t n = 0;

    out[0] = '\0';
    if (dv_words(text, &env, &words, &err) < 0) {
        assert_int_equal(err.code, DV_E_INVALID);
        snprintf(out, sizeof(out), "!%s", err.msg);
        return out;
    }
    for (size_t i = 0; i < words.n; i++)
        n += (size_t)snprintf(out + n, sizeof(out) - n, "[%s]", words.items[i]);
    return out;
}

static void splits_as_a_dockerfile_does(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        { "", "" },
        { " \t\n\v\f\r", "" },
        { "a b", "[a][b]" },
        { "  a\t b  ", "[a][b]" },
        { "a\vb\fc", "[a][b][c]" },
        { "'a b' \"c d\"", "[a b][c d]" },
        { "a'b c'd", "[ab cd]" },
        { "''", "[]" },
        { "\"\" x", "[][x]" },
        { "'a\"b' \"c'd\"", "[a\"b][c'd]" },
        { "a\\ b", "[a b]" },
        { "\\$A", "[$A]" },
        { "'\\'", "[\\]" },                 /* nothing is special in single quotes */
        { "\"\\\"\\$\\\\\\n\"", "[\"$\\\\n]" }, /* in double quotes only a quote, a dollar, itself */
        { "a\\", "[a\\]" },
        { "k=v k2=\"v 2\"", "[k=v][k2=v 2]" },
        { "\xc3\xa9 \xff", "[\xc3\xa9][\xff]" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(split(cases[i].text), cases[i].words);
}

static void puts_values_in(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        { "$A", "[one]" },                  /* the first of that name */
        { "${A}x", "[onex]" },
        { "$Ax", "[]" },                    /* "Ax" is not set */
        { "$AB", "[longer]" },
        { "$B", "[two words]" },            /* a value is not split again */
        { "\"$B\"", "[two words]" },
        { "'$A'", "[$A]" },
        { "$EMPTY", "[]" },
        { "x${NONE}y", "[xy]" },
        { "$", "[$]" },
        { "$ $1", "[$][]" },
        { "$-", "[$-]" },
        { "$Q", "[it's \"$A\"]" },          /* nor read again */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(split(cases[i].text), cases[i].words);
}

static void refuses_what_it_cannot_read(void **state)
{
    static const char *const texts[] = { "'a", "\"a", "a '", "\"\\\"", "${A", "${}", "${A:-b}", "${A}${",
                                         "${ A}", "\"${A\"" };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (split(texts[i])[0] != '!')
            fail_msg("%s: %s", texts[i], split(texts[i]));
}

static void knows_an_end(void **state)
{
    enum { LONG = 1 << 20 };
    char *text = malloc(LONG + 1), name[300];
    dv_autostrv words = { 0 };
    struct dv_error err = { 0 };

    (void)state;
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    assert_int_equal(dv_words(text, &env, &words, &err), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "word of an instruction"));
    assert_int_equal(words.n, 0);
    memset(name, 'N', sizeof(name));
    name[0] = '$';
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(split(name)[0], '!');
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_as_a_dockerfile_does),
        cmocka_unit_test(puts_values_in),
        cmocka_unit_test(refuses_what_it_cannot_read),
        cmocka_unit_test(knows_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

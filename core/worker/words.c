/* words.c - the words of a Dockerfile instruction. */
#include "core/worker/words.h"

#include <ctype.h>
#include <string.h>

#include "core/base/buf.h"

enum { MAX_WORD_BYTES = 64 << 10 };

const char *dv_env_get(const struct dv_strv *env, const char *name)
{
    size_t n = strlen(name), i;

    for (i = 0; i < env->n; i++)
        if (strncmp(env->items[i], name, n) == 0 && env->items[i][n] == '=')
            return env->items[i] + n + 1;
    return NULL;
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* At a '$': put the value, move *FROM behind the name. */
static int put_variable(const char **from, const struct dv_strv *env, struct dv_buf *out,
                        struct dv_error *err)
{
    bool braces = (*from)[1] == '{';
    const char *start = *from + 1 + braces, *end = start, *value;
    char name[128];

    while (is_name(*end))
        end++;
    if (end == start && !braces) {
        *from += 1;
        return dv_buf_put(out, "$", 1, err);
    }
    if (end == start || (braces && *end != '}') || (size_t)(end - start) >= sizeof(name))
        return dv_fail(err, DV_E_INVALID, "'%.60s': only $NAME and ${NAME} can be used here",
                       *from);
    memcpy(name, start, (size_t)(end - start));
    name[end - start] = 0;
    *from = end + braces;
    value = dv_env_get(env, name);
    return value ? dv_buf_puts(out, value, err) : 0;
}

/* One word from *FROM, which stands on its first character. */
static int next_word(const char **from, const struct dv_strv *env, struct dv_buf *out,
                     struct dv_error *err)
{
    char quote = 0;

    while (**from && (quote || !isspace((unsigned char)**from))) {
        char c = **from;
        int r;

        if (c == '$' && quote != '\'') {
            r = put_variable(from, env, out, err);
            if (r < 0)
                return r;
            continue;
        }
        *from += 1;
        if ((c == '"' || c == '\'') && (!quote || quote == c)) {
            quote = quote ? 0 : c;
            continue;
        }
        /* In double quotes a backslash is one unless it shields a quote, a dollar or itself. */
        if (c == '\\' && quote != '\'' && **from && (!quote || strchr("\"$\\", **from))) {
            c = **from;
            *from += 1;
        }
        r = dv_buf_put(out, &c, 1, err);
        if (r < 0)
            return r;
    }
    return quote ? dv_fail(err, DV_E_INVALID, "a quote is not closed") : 0;
}

int dv_words(const char *text, const struct dv_strv *env, struct dv_strv *ret, struct dv_error *err)
{
    const char *from = text + strspn(text, DV_BLANKS);

    while (*from) {
        dv_autobuf word = DV_BUF_INIT(MAX_WORD_BYTES, "word of an instruction");
        int r = next_word(&from, env, &word, err);

        if (r < 0)
            return r;
        if (dv_strv_add_take(ret, dv_buf_take(&word)) < 0)
            return dv_fail(err, DV_E_NO_MEMORY, "out of memory for an instruction");
        from += strspn(from, DV_BLANKS);
    }
    return 0;
}

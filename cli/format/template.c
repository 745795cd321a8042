/* template.c - the part of Go's templates that davit's --format knows. */
#include "cli/format/template.h"

#include <ctype.h>
#include <stdint.h>

#include "cli/format/json_text.h"
#include "core/base/parse.h"

enum { MAX_ARGS = 4 };

enum verb { VERB_PRINT, VERB_JSON, VERB_UPPER, VERB_LOWER, VERB_TITLE, VERB_LEN, VERB_INDEX };
static const struct {
    const char *name;
    enum verb verb;
    size_t min_args, max_args; /* the field included */
} verbs[] = {
    { "print", VERB_PRINT, 1, 1 }, { "json", VERB_JSON, 1, 1 },   { "upper", VERB_UPPER, 1, 1 },
    { "lower", VERB_LOWER, 1, 1 }, { "title", VERB_TITLE, 1, 1 }, { "len", VERB_LEN, 1, 1 },
    { "index", VERB_INDEX, 2, MAX_ARGS },
};

struct node {
    char *text;              /* literal; else NULL */
    enum verb verb;
    struct dv_strv field;    /* the path's names; empty is "." */
    char *shown;             /* ".A.B" */
    size_t at;               /* of the field in the template, for messages */
    struct dv_strv args;     /* index: keys; .Label: its argument */
};
struct dv_template {
    struct node *nodes;
    size_t n;
};

void dv_template_free(struct dv_template *template)
{
    size_t i;

    if (!template)
        return;
    for (i = 0; i < template->n; i++) {
        free(template->nodes[i].text);
        free(template->nodes[i].shown);
        dv_strv_done(&template->nodes[i].field);
        dv_strv_done(&template->nodes[i].args);
    }
    free(template->nodes);
    free(template);
}

char *dv_template_unescape(const char *text)
{
    char *out = dv_xstrdup(text), *w = out;

    for (; *text; text++) {
        if (text[0] == '\\' && (text[1] == 't' || text[1] == 'n'))
            *w++ = *++text == 't' ? '\t' : '\n';
        else
            *w++ = *text;
    }
    *w = '\0';
    return out;
}

static struct node *add_node(struct dv_template *template)
{
    struct node *node;

    template->nodes = dv_xrealloc(template->nodes, template->n + 1, sizeof(*template->nodes));
    node = &template->nodes[template->n++];
    *node = (struct node){ 0 };
    return node;
}

/* --- parsing ---------------------------------------------------------------------------------- */

/* One word of an action at *P: a bare word, or a quoted one (without its quotes). NULL at the
 * end or where a quote is open. */
static char *next_word(const char **p, const char *end, bool *quoted)
{
    const char *start;
    char *word;

    while (*p < end && isspace((unsigned char)**p))
        ++*p;
    if (*p >= end)
        return NULL;
    *quoted = **p == '"' || **p == '`';
    start = *p + *quoted;
    if (*quoted) {
        const char *close = memchr(start, **p, (size_t)(end - start));

        if (!close)
            return NULL;
        word = dv_xstrndup(start, (size_t)(close - start));
        *p = close + 1;
        return word;
    }
    while (*p < end && !isspace((unsigned char)**p))
        ++*p;
    return dv_xstrndup(start, (size_t)(*p - start));
}

static bool is_field(const char *word)
{
    const char *p;

    if (word[0] != '.')
        return false;
    for (p = word; *p; p++)
        if (*p != '.' && *p != '_' && !isalnum((unsigned char)*p))
            return false;
    return !strstr(word, "..") && (!word[1] || !dv_ends(word, "."));
}

static int refuse(struct dv_error *err, const char *action, size_t n)
{
    return dv_fail(err, DV_E_UNSUPPORTED,
                   "unsupported: template action '{{%.*s}}': davit knows {{.Field}} and json, "
                   "upper, lower, title, len, index", (int)n, action);
}

static int set_verb(struct node *node, struct dv_strv *words, const char *action, size_t n,
                    struct dv_error *err)
{
    size_t i;

    for (i = 0; i < N(verbs); i++)
        if (words->n > 0 && dv_streq(words->items[0], verbs[i].name))
            break;
    if (i == N(verbs) || words->n - 1 < verbs[i].min_args || words->n - 1 > verbs[i].max_args)
        return refuse(err, action, n);
    node->verb = verbs[i].verb;
    return 0;
}

/* ACTION: what stands between the braces, N bytes. */
static int parse_action(struct node *node, const char *action, size_t n, size_t at,
                        struct dv_error *err)
{
    dv_autostrv words = { 0 };
    const char *p = action, *end = action + n;
    bool quoted, field_first;
    char *word;
    size_t field, i;

    while ((word = next_word(&p, end, &quoted))) {
        if (!quoted && !is_field(word) && words.n > 0 && !isdigit((unsigned char)word[0])) {
            free(word);
            return refuse(err, action, n);
        }
        dv_xadd_take(&words, word);
    }
    if (words.n == 0)
        return dv_fail(err, DV_E_INVALID, "template: :1: missing value for command");
    field_first = is_field(words.items[0]);
    field = field_first ? 0 : 1;
    if (!field_first && set_verb(node, &words, action, n, err) < 0)
        return -err->code;
    if (p < end || (field_first && words.n > 1 && !dv_streq(words.items[0], ".Label")) ||
        !is_field(words.items[field]))
        return refuse(err, action, n);
    node->shown = dv_xstrdup(words.items[field]);
    node->at = at + (size_t)(strstr(action, node->shown) - action);
    if (node->shown[1])
        dv_xsplit(&node->field, node->shown + 1, '.');
    for (i = field + 1; i < words.n; i++)
        dv_xadd(&node->args, words.items[i]);
    return 0;
}

static void trim_left_of(struct dv_template *template)
{
    char *text = template->n ? template->nodes[template->n - 1].text : NULL;
    size_t n = text ? strlen(text) : 0;

    while (n > 0 && isspace((unsigned char)text[n - 1]))
        text[--n] = '\0';
}

int dv_template_parse(const char *text, struct dv_template **ret, struct dv_error *err)
{
    dv_auto(dv_template) *template = dv_xcalloc(1, sizeof(*template));
    const char *p = text;
    bool trim = false;

    while (*p) {
        const char *open = strstr(p, "{{"), *close = open ? strstr(open, "}}") : NULL;
        const char *start, *end;

        if (trim)
            p += strspn(p, " \t\r\n");
        if (open != p)
            add_node(template)->text = open ? dv_xstrndup(p, (size_t)(open - p)) : dv_xstrdup(p);
        if (!open)
            break;
        if (!close)
            return dv_fail(err, DV_E_INVALID, "template: :1: unclosed action");
        start = open + 2;
        end = close;
        if (dv_starts(start, "- ")) {
            trim_left_of(template);
            start += 2;
        }
        trim = end - start >= 2 && end[-1] == '-' && end[-2] == ' ';
        end -= trim ? 2 : 0;
        if (parse_action(add_node(template), start, (size_t)(end - start),
                         (size_t)(start - text), err) < 0)
            return -err->code;
        p = close + 2;
    }
    *ret = dv_take(template);
    return 0;
}

/* --- running ---------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_value(struct dv_buf *out, json_object *value, int depth);

/* "map[a:1 b:2]", sorted, as Go prints a map. */
static void print_map(struct dv_buf *out, json_object *value, int depth)
{
    struct json_object_iterator i = json_object_iter_begin(value);
    struct json_object_iterator end = json_object_iter_end(value);
    dv_autostrv keys = { 0 };
    size_t k;

    for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i))
        dv_xadd(&keys, json_object_iter_peek_name(&i));
    if (keys.n > 0)
        qsort(keys.items, keys.n, sizeof(*keys.items), by_key);
    dv_xput(out, "map[");
    for (k = 0; k < keys.n; k++) {
        dv_xprintf(out, "%s%s:", k ? " " : "", keys.items[k]);
        print_value(out, dv_jget(value, keys.items[k]), depth + 1);
    }
    dv_xput(out, "]");
}

static void print_value(struct dv_buf *out, json_object *value, int depth)
{
    size_t i;

    switch (json_object_get_type(value)) {
    case json_type_null:
        dv_xput(out, depth ? "<nil>" : "<no value>");
        break;
    case json_type_array:
        dv_xput(out, "[");
        for (i = 0; i < dv_jlen(value); i++) {
            dv_xput(out, i ? " " : "");
            print_value(out, json_object_array_get_idx(value, i), depth + 1);
        }
        dv_xput(out, "]");
        break;
    case json_type_object:
        print_map(out, value, depth);
        break;
    case json_type_string:
        dv_xput(out, json_object_get_string(value));
        break;
    default:
        dv_xput(out, json_object_to_json_string(value));
        break;
    }
}

static int failed(const struct node *node, struct dv_error *err, int code, const char *why)
{
    return dv_fail(err, code, "template: :1:%zu: executing \"\" at <%s>: %s", node->at,
                   node->shown, why);
}

/* People know two names of a member: the one of Go's struct (.Server.APIVersion) and the one of the
 * document (.Server.ApiVersion), which differ in case at most. The document's own comes first. */
static bool get_member(json_object *data, const char *name, json_object **ret)
{
    if (json_object_object_get_ex(data, name, ret))
        return true;
    json_object_object_foreach(data, key, value)
    {
        if (strcasecmp(key, name) == 0) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static int look_up(const struct node *node, json_object *data, json_object **ret,
                   struct dv_error *err)
{
    size_t i;

    for (i = 0; i < node->field.n; i++) {
        const char *key = node->field.items[i];
        dv_autofree char *why = NULL;
        json_object *next;

        if (!data)
            return failed(node, err, DV_E_NOT_FOUND, "nil pointer evaluating interface {}");
        if (!json_object_is_type(data, json_type_object)) {
            why = dv_xformat("can't evaluate field %s in type %s", key,
                             json_type_to_name(json_object_get_type(data)));
            return failed(node, err, DV_E_NOT_FOUND, why);
        }
        if (!get_member(data, key, &next)) {
            why = dv_xformat("map has no entry for key \"%s\"", key);
            return failed(node, err, DV_E_NOT_FOUND, why);
        }
        data = next;
    }
    *ret = data;
    return 0;
}

static int run_index(const struct node *node, json_object *value, struct dv_buf *out,
                     struct dv_error *err)
{
    uint64_t at;
    size_t i;

    for (i = 0; i < node->args.n; i++) {
        const char *key = node->args.items[i];

        if (json_object_is_type(value, json_type_array)) {
            if (dv_parse_u64(key, 0, UINT32_MAX, &at) < 0 || at >= dv_jlen(value))
                return failed(node, err, DV_E_NOT_FOUND, "error calling index: index out of range");
            value = json_object_array_get_idx(value, (size_t)at);
        } else if (json_object_is_type(value, json_type_object)) {
            value = dv_jget(value, key);
        } else {
            return failed(node, err, DV_E_NOT_FOUND,
                          "error calling index: can't index item of this type");
        }
    }
    print_value(out, value, 0);
    return 0;
}

/* upper, lower, title: ASCII, as identifiers and states are. */
static void put_cased(struct dv_buf *out, const char *text, enum verb verb)
{
    bool begin = true;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        char changed = (char)(verb == VERB_UPPER || (verb == VERB_TITLE && begin) ? toupper(c)
                              : verb == VERB_LOWER                               ? tolower(c)
                                                                                 : c);

        begin = isspace(c);
        dv_xputn(out, &changed, 1);
    }
}

static int run_len(const struct node *node, json_object *value, struct dv_buf *out,
                   struct dv_error *err)
{
    switch (json_object_get_type(value)) {
    case json_type_array:
        dv_xprintf(out, "%zu", dv_jlen(value));
        return 0;
    case json_type_object:
        dv_xprintf(out, "%d", json_object_object_length(value));
        return 0;
    case json_type_string:
        dv_xprintf(out, "%d", json_object_get_string_len(value));
        return 0;
    default:
        return failed(node, err, DV_E_INVALID, "error calling len: it has no length");
    }
}

static int print_label(const struct node *node, const struct dv_template_data *data,
                       struct dv_buf *out, struct dv_error *err)
{
    if (!data->row || node->args.n != 1)
        return failed(node, err, DV_E_UNSUPPORTED, "unsupported: only rows of a list have .Label");
    dv_xput(out, dv_jget_str(data->labels, node->args.items[0]));
    return 0;
}

static int run_node(const struct node *node, const struct dv_template_data *data,
                    struct dv_buf *out, struct dv_error *err)
{
    dv_autobuf text = DV_TEXT_INIT;
    json_object *value = NULL;
    int r;

    if (node->verb == VERB_PRINT && node->args.n > 0)
        return print_label(node, data, out, err);
    r = look_up(node, data->value, &value, err);
    if (r < 0)
        return r;
    switch (node->verb) {
    case VERB_JSON:
        dv_json_put(out, value, data->row && node->field.n == 0 ? DV_JSON_COMPACT_HTML
                                                                : DV_JSON_COMPACT);
        break;
    case VERB_LEN:
        return run_len(node, value, out, err);
    case VERB_INDEX:
        return run_index(node, value, out, err);
    case VERB_PRINT:
        print_value(out, value, 0);
        break;
    case VERB_UPPER:
    case VERB_LOWER:
    case VERB_TITLE:
        print_value(&text, value, 0);
        put_cased(out, text.data ? text.data : "", node->verb);
        break;
    }
    return 0;
}

int dv_template_run(const struct dv_template *template, const struct dv_template_data *data,
                    struct dv_buf *out, struct dv_error *err)
{
    size_t i;
    int r;

    for (i = 0; i < template->n; i++) {
        if (template->nodes[i].text) {
            dv_xput(out, template->nodes[i].text);
            continue;
        }
        r = run_node(&template->nodes[i], data, out, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static const char *last_name(const struct node *node)
{
    return node->field.n ? node->field.items[node->field.n - 1] : "";
}

bool dv_template_names(const struct dv_template *template, const char *field)
{
    size_t i;

    for (i = 0; i < template->n; i++)
        if (!template->nodes[i].text && dv_streq(last_name(&template->nodes[i]), field))
            return true;
    return false;
}

bool dv_template_shows(const struct dv_template *template, const char *key)
{
    size_t i;

    for (i = 0; i < template->n; i++) {
        const struct node *node = &template->nodes[i];

        if (!node->text && (node->field.n == 0 || dv_streq(node->field.items[0], key)))
            return true;
    }
    return false;
}

void dv_template_headings(const struct dv_template *template, const char *(*heading)(const char *),
                          struct dv_buf *out)
{
    size_t i;

    for (i = 0; i < template->n; i++) {
        const struct node *node = &template->nodes[i];

        if (node->text)
            dv_xput(out, node->text);
        else if (node->args.n > 0)
            dv_xput(out, node->args.items[0]);
        else
            dv_xput(out, heading(last_name(node)));
    }
}

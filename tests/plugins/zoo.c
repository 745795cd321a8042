/* zoo.c - plugins for the loader's tests: one that behaves, others wrong in one way each.
 * ZOO_* chooses the way, ZOO_NAME the name. */

#include <davit/storage.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef ZOO_ABI_MAJOR                 /* a header of another time */
#undef DV_ABI_MAJOR
#define DV_ABI_MAJOR ZOO_ABI_MAJOR
#endif
#ifdef ZOO_ABI_MINOR
#undef DV_ABI_MINOR
#define DV_ABI_MINOR ZOO_ABI_MINOR
#endif

static const struct dv_host *host;

/* For the host to find: close-on-exec was forgotten, and so was close. */
__attribute__((unused)) static void leak(void)
{
    (void)!open("/etc/passwd", O_RDONLY);
}

/* Until the end of the process. */
__attribute__((unused)) static void hang(void)
{
    for (;;)
        pause();
}

/* Ids choose what an operation answers. */
static int32_t answer(struct dv_call *c, const char *id)
{
    static const struct { const char *id; int32_t result; } answers[] = {
        { "ok", 0 }, { "positive", 7 }, { "no-code", -4711 }, { "silent", -DV_E_CONFLICT },
    };

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        if (strcmp(answers[i].id, id) == 0)
            return answers[i].result;
    if (strcmp(id, "leak") == 0) {
        leak();
        return 0;
    }
    if (strcmp(id, "until-cancelled") == 0) {
        struct pollfd p = { host->cancel_fd(c), POLLIN, 0 };

        poll(&p, 1, -1);
        return host->fail(c, DV_E_CANCELED, 0, "given up");
    }
    host->fail(c, DV_E_CONFLICT, 0, "the zoo says no");
    if (strcmp(id, "changed-mind") == 0)
        return 0;
    return host->fail(c, 0, 0, id);
}

static int32_t prepare(void *self, struct dv_call *c, const struct dv_layer_req *req)
{
    (void)self;
    return answer(c, req->id);
}
static int32_t commit(void *self, struct dv_call *c, const char *id, const char *layer,
                      const char *parent)
{
    (void)self;
    (void)layer;
    (void)parent;
    return answer(c, id);
}
static int32_t on_id(void *self, struct dv_call *c, const char *id)
{
    (void)self;
    return answer(c, id);
}
static int32_t activate(void *self, struct dv_call *c, const char *id, uint32_t read_only,
                        struct dv_mounts *out)
{
    (void)self;
    (void)read_only;
    (void)out;
    return answer(c, id);
}
static int32_t stat_layer(void *self, struct dv_call *c, const char *id, struct dv_layer_info *out)
{
    (void)self;
    (void)out;
    return answer(c, id);
}
static int32_t recover(void *self, struct dv_call *c, const char *const *known, size_t n)
{
    (void)self;
    (void)c;
    (void)known;
    (void)n;
    return 0;
}
static int32_t empty_trash(void *self, struct dv_call *c, uint64_t older_than_s)
{
    (void)self;
    (void)c;
    (void)older_than_s;
    return 0;
}
#ifndef ZOO_OLDER
static char *copy_text(struct dv_call *c, const char *text)
{
    char *copy = host->alloc(c, strlen(text) + 1);

    return copy ? strcpy(copy, text) : NULL;
}

/* What init() was configured with, in the table's order. */
static int32_t status(void *self, struct dv_call *c, struct dv_kvs *out)
{
    const struct dv_kvs *config = self;
    struct dv_kv *items = host->alloc(c, config->n * sizeof(*items));

    for (size_t i = 0; items && i < config->n; i++)
        items[i] = (struct dv_kv){ copy_text(c, config->items[i].key),
                                   copy_text(c, config->items[i].value) };
#ifdef ZOO_OUTSIDE                   /* memory that may be gone when the host reads it */
    items[1].value = config->items[1].value;
#endif
    *out = (struct dv_kvs){ items, config->n };
    return items ? 0 : host->fail(c, DV_E_NO_MEMORY, 0, "out of memory");
}
#endif

static const struct dv_storage_ops ops = {
#ifdef ZOO_TINY_OPS
    .struct_size = 16,
#else
    .struct_size = sizeof(ops),
#endif
#ifndef ZOO_MISSING_SLOT
    .prepare = prepare,
#endif
    .commit = commit,
    .remove = on_id,
    .activate = activate,
    .deactivate = on_id,
    .stat = stat_layer,
    .recover = recover,
    .empty_trash = empty_trash,
#ifndef ZOO_OLDER
    .status = status,
#endif
};

static const struct dv_option options[] = {
    { "greeting", "string", "hello", "any text" },
    { "loud", "bool", "no", "a switch" },
    { "count", "u64", "3", "a number" },
    { "room", "bytes", "1k", "a size" },
    { "patience", "seconds", "1m30s", "a time" },
    { "place", "path", "", "a path, or nothing" },
#ifdef ZOO_REQUIRED
    { "needed", "string", NULL, "has no default" },
#endif
#ifdef ZOO_BAD_OPTION
    { "odd", "colour", "red", "of no known type" },
#endif
};

static int32_t init(const struct dv_host *h, struct dv_call *c, const struct dv_kvs *config,
                    void **self)
{
    struct dv_kvs *copy;
    struct dv_kv *items;

    host = h;
#ifdef ZOO_OLDER                     /* has no fini() that could free a copy */
    (void)c;
    (void)config;
    *self = &host;
    return 0;
#endif
#ifdef ZOO_CRASHING_INIT
    abort();
#endif
#ifdef ZOO_HANGING_INIT
    hang();
#endif
#ifdef ZOO_LEAKING
    leak();
#endif
#ifdef ZOO_SILENT
    (void)c;
    return -DV_E_INVALID;
#endif
#ifdef ZOO_REFUSES
    return h->fail(c, DV_E_UNSUPPORTED, 0, "this driver never starts");
#endif
    copy = malloc(sizeof(*copy));
    items = calloc(config->n, sizeof(*items));
    if (!copy || !items) {
        free(copy);
        free(items);
        return h->fail(c, DV_E_NO_MEMORY, 0, "out of memory");
    }
    for (size_t i = 0; i < config->n; i++) {
        items[i].key = strdup(config->items[i].key);
        items[i].value = strdup(config->items[i].value);
    }
    copy->items = items;
    copy->n = config->n;
    *self = copy;
    return 0;
}

#ifndef ZOO_OLDER
static void fini(void *self)
{
    struct dv_kvs *copy = self;

#ifdef ZOO_HANGING_FINI
    hang();
#endif

    for (size_t i = 0; i < copy->n; i++) {
        free((char *)copy->items[i].key);
        free((char *)copy->items[i].value);
    }
    free((struct dv_kv *)copy->items);
    free(copy);
}
#endif

#ifdef ZOO_UNRESOLVED
int32_t dv_of_the_engine(void);
int32_t (*const dv_taken)(void) __attribute__((visibility("default"))) = dv_of_the_engine;
#endif
#ifdef ZOO_CRASHING_CONSTRUCTOR
__attribute__((constructor)) static void crash(void)
{
    abort();
}
#endif
#ifdef ZOO_HANGING_CONSTRUCTOR
__attribute__((constructor)) static void hang_at_once(void)
{
    hang();
}
#endif
#ifdef ZOO_EXITING_CONSTRUCTOR
__attribute__((constructor)) static void leave(void)
{
    exit(3);
}
#endif
#ifdef ZOO_LEAKING_CONSTRUCTOR
__attribute__((constructor)) static void leak_at_once(void)
{
    leak();
}
#endif
#if defined(ZOO_CRASHING_DESCRIBE) || defined(ZOO_HANGING_DESCRIBE)
#define dv_plugin_v0 described       /* the name of what DV_PLUGIN_DEFINE makes, from here */
dv_plugin_entry dv_plugin_v0;
#undef dv_plugin_v0
__attribute__((visibility("default"))) dv_plugin_entry dv_plugin_v0;
const struct dv_plugin *dv_plugin_v0(void)
{
#ifdef ZOO_HANGING_DESCRIBE
    hang();
#endif
    abort();
}
#define dv_plugin_v0 described
#endif
#ifdef ZOO_NO_ENTRY
#define dv_plugin_v0 dv_plugin_of_another_name
#endif

#ifdef ZOO_NO_NOTE
__attribute__((visibility("default"))) dv_plugin_entry dv_plugin_v0;
const struct dv_plugin *dv_plugin_v0(void)
{
    static const struct dv_plugin p = {
        .magic = DV_PLUGIN_MAGIC, .struct_size = sizeof(p), .abi_major = DV_ABI_MAJOR,
        .abi_minor = DV_ABI_MINOR, .kind = DV_KIND_STORAGE, .name = ZOO_NAME, .version = "1",
        .ops = &ops, .init = init,
    };
    return &p;
}
#else
DV_PLUGIN_DEFINE(DV_KIND_STORAGE, ZOO_NAME, "1.2.3",
#ifdef ZOO_TINY
                 .struct_size = 16,
#elif defined(ZOO_HUGE)
                 .struct_size = UINT32_MAX,
#endif
#ifdef ZOO_SERIAL
                 .caps = DV_CAP_SERIAL,
#endif
#ifdef ZOO_LIES
                 .name = "somebody-else",
#endif
                 .options = options, .n_options = sizeof(options) / sizeof(options[0]),
                 .option_stride = sizeof(options[0]), .ops = &ops,
#ifndef ZOO_OLDER
                 .fini = fini,
#endif
                 .init = init)
#endif

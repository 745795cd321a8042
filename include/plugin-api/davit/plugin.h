/* davit/plugin.h - contract between the engine and every driver plugin.
 * Needs only <stddef.h> and <stdint.h>; valid C11 and C++. Layout rules: docs/plugin-abi.md. */
#ifndef DV_PLUGIN_H
#define DV_PLUGIN_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#define DV_EXTERN_C extern "C"   /* without it the one symbol is mangled and never found */
#else
#define DV_EXTERN_C
#endif

#define DV_ABI_MAJOR 0 /* not declared stable yet: a loader takes its own minor only */
#define DV_ABI_MINOR 1
#define DV_PLUGIN_MAGIC 0x44565047u                  /* 'D' 'V' 'P' 'G' */
/* True if the peer that filled *P was compiled with field F. */
#define DV_HAS(p, f) \
    ((p)->struct_size >= offsetof(__typeof__(*(p)), f) + sizeof((p)->f))

enum {                                               /* dv_plugin.kind; never renumbered */
    DV_KIND_STORAGE = 1, DV_KIND_NETWORK, DV_KIND_REGISTRY, DV_KIND_BUILDER,
    DV_KIND_VOLUME, DV_KIND_LOG, DV_KIND_CLUSTER, DV_KIND_AUTHZ, DV_KIND_SCANNER,
};
enum {                                               /* results are 0 or -DV_E_*   HTTP */
    DV_E_INVALID = 1, DV_E_UNAUTHORIZED, DV_E_FORBIDDEN, DV_E_NOT_FOUND, /* 400 401 403 404 */
    DV_E_CONFLICT, DV_E_NOT_MODIFIED, DV_E_UNSUPPORTED, DV_E_UNAVAILABLE, /* 409 304 501 503 */
    DV_E_CANCELED, DV_E_TIMEOUT, DV_E_NO_SPACE, DV_E_NO_MEMORY, DV_E_INTERNAL, /* 500 */
};
enum { DV_CAP_SERIAL = 1 << 0,    /* host must never make two calls at once */
       DV_CAP_ROOTLESS = 1 << 1,  /* works without CAP_SYS_ADMIN in the initial user ns */
       DV_CAP_RELOAD = 1 << 2 };  /* reload() applies new options without stop/start */

struct dv_call;                   /* one request: arena, error slot, deadline, cancel token */
struct dv_kv  { const char *key, *value; };
struct dv_kvs { const struct dv_kv *items; size_t n; };
struct dv_option {                /* one key of this driver's INI section */
    const char *name, *type;      /* type: "string" "bool" "u64" "bytes" "seconds" "path" */
    const char *fallback, *help;  /* default as written in INI, NULL if required; one line */
};
/* init() gets every option of its table, in the table's order and in one form: bool as "true" or
 * "false", u64, bytes and seconds as decimal digits, path absolute. A fallback of "" means "unset"
 * and comes as "". The option "state_dir" (path) is the host's: where the driver may keep files. */

/* Host services. One table per loaded plugin, valid from init() until fini() returns. */
struct dv_host {
    uint32_t struct_size;
    uint16_t abi_major, abi_minor;                   /* spoken by this engine */
    const char *engine_version;
    void    *self;                                   /* pass back where asked */
    void    (*log)(void *host, struct dv_call *c, uint32_t level, const char *msg); /* c or NULL */
    /* Record why C failed, or prefix what is recorded (code 0 keeps the code); returns -code.
     * SYS_ERRNO, if not 0, is appended as text; INTERNAL with ENOSPC, EDQUOT or ENOMEM becomes
     * NO_SPACE or NO_MEMORY. */
    int32_t (*fail)(struct dv_call *c, int32_t code, int32_t sys_errno, const char *msg);
    /* Zeroed memory that lives until the host has consumed C's results; NULL on OOM and above
     * 64 MiB. */
    void   *(*alloc)(struct dv_call *c, size_t size);
    int32_t (*cancel_fd)(struct dv_call *c);         /* pollable, borrowed; readable = give up */
    uint64_t (*deadline_ns)(struct dv_call *c);      /* CLOCK_MONOTONIC; UINT64_MAX = none */
    void    (*progress)(struct dv_call *c, const char *id, uint64_t done, uint64_t total);
    void    (*event)(void *host, const char *action, const char *id, const struct dv_kvs *attrs);
    /* openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS) and O_CLOEXEC; new fd or -DV_E_*. */
    int32_t (*open_in_root)(struct dv_call *c, int32_t root_fd, const char *path,
                            int32_t oflags, uint32_t mode);
    /* Run FN on a throw-away thread that has entered NETNS_FD; its result is returned. */
    int32_t (*run_in_netns)(struct dv_call *c, int32_t netns_fd, int32_t (*fn)(void *), void *arg);
    /* Run a program (argv[0] absolute) to its end; stdout goes to OUT_FD or the log if -1, stderr
     * to the log. *STATUS: exit code, or 128 + signal. Killed when C is cancelled or late. Plugins
     * never fork. For vendors whose storage has no library; the bundled drivers do not use it. */
    int32_t (*spawn)(struct dv_call *c, const char *const argv[], int32_t out_fd, int32_t *status);
    /* Optional service tables by id and revision, e.g. "dv.build/1"; NULL if absent. */
    const void *(*service)(void *host, const char *id);
};

/* Static description of one driver. The first 16 bytes never change, in any major. */
struct dv_plugin {
    uint32_t magic;                                  /* DV_PLUGIN_MAGIC */
    uint32_t struct_size;                            /* sizeof(struct dv_plugin) */
    uint16_t abi_major, abi_minor;                   /* DV_ABI_* at compile time */
    uint32_t kind;                                   /* DV_KIND_* */
    const char *name;                                /* = file stem; [a-z0-9][a-z0-9-]{0,31} */
    const char *version, *vendor, *license, *url;    /* name and version are mandatory */
    uint64_t caps;                                   /* DV_CAP_* | per-kind bits from 1<<32 */
    const struct dv_option *options; uint32_t n_options, option_stride;
    const void *ops;                                 /* struct dv_<kind>_ops */
    /* [serial] Where it fails it has cleaned up: no other function is called then. */
    int32_t (*init)(const struct dv_host *h, struct dv_call *c,
                    const struct dv_kvs *config, void **self);
    /* [serial] May do I/O. After a failure comes fini(), not stop(). */
    int32_t (*start)(void *self, struct dv_call *c);
    int32_t (*reload)(void *self, struct dv_call *c, const struct dv_kvs *config);
    void    (*stop)(void *self);                     /* no calls run; must end own threads */
    void    (*fini)(void *self);                     /* frees SELF; the object stays mapped */
};
/* The only exported symbol. No side effects, no allocation; may be called in a probe. */
typedef const struct dv_plugin *dv_plugin_entry(void);
#define DV_PLUGIN_ENTRY "dv_plugin_v0"               /* v1 would be a second symbol */
struct dv_note { uint32_t magic; uint16_t abi_major, abi_minor; uint32_t kind;
                 char name[32], version[32]; };      /* ELF note, owner "davit", type 1 */
struct dv_note_elf { uint32_t namesz, descsz, type; char owner[8]; struct dv_note d; };
/* DV_PLUGIN_DEFINE(DV_KIND_STORAGE, "zfs", "1.2.0", .ops = &ops, .init = zfs_init, ...)
 * In C++ the members go in the order of their declaration. */
#define DV_PLUGIN_DEFINE(k, n, v, ...)                                                         \
    static const struct dv_note_elf dv_note_ __attribute__((section(".note.davit"), used,      \
        aligned(4))) = { 6, sizeof(struct dv_note), 1, "davit",                                \
        { DV_PLUGIN_MAGIC, DV_ABI_MAJOR, DV_ABI_MINOR, k, n, v } };                            \
    DV_EXTERN_C __attribute__((visibility("default"))) dv_plugin_entry dv_plugin_v0;          \
    const struct dv_plugin *dv_plugin_v0(void) {                                               \
        static const struct dv_plugin p = { .magic = DV_PLUGIN_MAGIC,                          \
            .struct_size = sizeof(struct dv_plugin), .abi_major = DV_ABI_MAJOR,                \
            .abi_minor = DV_ABI_MINOR, .kind = k, .name = n, .version = v, __VA_ARGS__ };      \
        return &p; }

#ifdef __cplusplus
}
#endif
#endif

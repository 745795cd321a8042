/* davit/registry.h - the registry kind: transports that images come through and go by.
 * Loaded by davit-worker, never by davitd. The host verifies every digest itself. */
#ifndef DV_REGISTRY_H
#define DV_REGISTRY_H
#include <davit/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

/* What a source is opened with. SOURCE_FD: an archive to be read from its beginning (may be a
 * pipe), or -1; REF: a reference such as "docker.io/library/busybox:1.36", or NULL. */
struct dv_reg_req {
    uint32_t struct_size, flags;         /* flags: 1 = writer */
    const char *ref;
    int32_t source_fd, pad;              /* borrowed */
    struct dv_kvs options;
};

/* One content-addressed blob as the source names it. */
struct dv_reg_blob {
    const char *media_type;              /* OCI or Docker media type */
    const char *digest;                  /* "sha256:..." as claimed, or NULL if the source has none */
    const char *key;                     /* what open_blob takes; the digest where there is one */
    uint64_t size_bytes;                 /* UINT64_MAX if unknown */
};

/* One image of the source. Strings live in the call's arena. */
struct dv_reg_image {
    uint32_t struct_size, n_layers;
    const char *manifest;                /* the source's own manifest document, or NULL */
    size_t manifest_len;
    const char *manifest_type;           /* its media type, or NULL */
    struct dv_reg_blob config;
    const struct dv_reg_blob *layers;    /* base first */
    uint32_t layer_stride, n_names;
    const char *const *names;            /* "repo:tag" wishes of the source, as it writes them */
};

/* Service "dv.spool/1" of the host (by dv_host.service): unnamed temporary files that become blobs
 * of the content store without a copy. */
struct dv_spool {
    uint32_t struct_size, reserved;
    /* New empty read-write descriptor (the plugin's, close it), or -DV_E_*. */
    int32_t (*file)(void *host, struct dv_call *c);
};

struct dv_registry_ops {
    uint32_t struct_size, reserved;
    /* *HANDLE: the opened source, closed by close(). INVALID: not this transport's format. */
    int32_t (*open)(void *self, struct dv_call *c, const struct dv_reg_req *req, void **handle);
    /* The next image: 1 with *OUT filled, 0 at the end, -DV_E_*. */
    int32_t (*next_image)(void *self, struct dv_call *c, void *handle, struct dv_reg_image *out);
    /* Descriptor (becomes the host's) from which BLOB is read from its first byte. A spool file may
     * be given: then the host may adopt it as the blob. */
    int32_t (*open_blob)(void *self, struct dv_call *c, void *handle, const struct dv_reg_blob *blob,
                         int32_t *fd);
    void (*close)(void *self, void *handle);
};

#ifdef __cplusplus
}
#endif
#endif

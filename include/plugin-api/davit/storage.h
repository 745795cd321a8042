/* davit/storage.h - the storage kind: layers and container workspaces. */
#ifndef DV_STORAGE_H
#define DV_STORAGE_H
#include <davit/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

/* ---- storage: layers are immutable once committed; a container gets one workspace ---- */
/* In dv_plugin.caps, shifted left by 32. QUOTA: quota_bytes is kept. NATIVE_DIFF: a layer holds
 * only what differs from its parent, so that it may be prepared without one and learn it at commit:
 * layers unpack side by side. Without it a layer is a whole tree: each is prepared with its parent,
 * in order, and commit must name the same one. */
enum { DV_STORAGE_CAP_QUOTA = 1, DV_STORAGE_CAP_NATIVE_DIFF = 2 };
struct dv_idmap { uint32_t container_id, host_id, length; };
enum { DV_PARAM_FLAG = 1, DV_PARAM_STRING,           /* fsconfig(2): SET_FLAG, SET_STRING, */
       DV_PARAM_PATH, DV_PARAM_FD };                 /* opened by the host, SET_FD where the kernel can */
struct dv_param { const char *key, *value;           /* e.g. "lowerdir+", "/.../layers/ab/diff" */
                  int32_t fd; uint8_t kind;          /* fd: new, becomes the host's; -1 = by value */
                  uint8_t idmap, pad[2]; };          /* 1: pass a clone idmapped for the container */
/* Of an overlay, upperdir and workdir lie in one directory: that one is cloned, since the kernel
 * wants both on one mount. lowerdir+ comes once for each layer, the topmost first. */
struct dv_mount { const char *type, *source;         /* as for fsopen(2); "bind" = open_tree */
                  const struct dv_param *params; uint32_t n_params, param_stride;
                  uint64_t attrs; };                 /* MOUNT_ATTR_* of <linux/mount.h> */
struct dv_mounts { uint32_t struct_size, stride; const struct dv_mount *items; size_t n; };
struct dv_layer_req { uint32_t struct_size, flags;
                      const char *id, *parent;       /* parent: committed layer or NULL */
                      uint64_t quota_bytes;          /* 0 = none */
                      const struct dv_idmap *idmaps; uint32_t n_idmaps, idmap_stride;
                      struct dv_kvs options; };      /* HostConfig.StorageOpt */
/* QUICK: BYTES and INODES may stay 0 where they would have to be measured. */
enum { DV_STAT_QUICK = 1 };
struct dv_layer_info { uint32_t struct_size, state;  /* 1 workspace, 2 committed */
                       const char *parent; uint64_t bytes, inodes; /* of its own files */
                       struct dv_kvs data;            /* rows of GraphDriver.Data: its paths */
                       uint32_t flags, reserved; };   /* flags: in, DV_STAT_* */
/* How a layer's own directory says that something of the parent is gone.
 * 1: as the kernel's overlay does, with userxattr. A deleted name is a character device 0:0, a
 *    directory that hides the parent's has user.overlay.opaque = "y". Who unpacks ".wh.x" makes the
 *    device x and for ".wh..wh..opq" sets the attribute; who walks finds both. The tree is the
 *    difference alone.
 * 2: the directory is the whole tree, and nothing in it marks what is gone. Who unpacks applies
 *    each ".wh.x" at once by deleting x, ".wh..wh..opq" by deleting what the directory held before
 *    this layer; who wants the difference compares with the parent. */
struct dv_diff_dir { uint32_t struct_size;
                     uint32_t whiteouts;             /* 1 or 2, see above */
                     int32_t dir_fd; };              /* new fd, becomes the host's */

struct dv_storage_ops {
    uint32_t struct_size, reserved;
    /* Create workspace REQ->id over REQ->parent. -CONFLICT if the id exists in any state,
     * -NOT_FOUND if the parent is no committed layer. Ids: [a-z0-9][a-z0-9-]{0,127}. */
    int32_t (*prepare)(void *self, struct dv_call *c, const struct dv_layer_req *req);
    /* Freeze workspace ID as layer LAYER on PARENT, durably: after 0, it survives power loss. ID is
     * gone then; committing a container that goes on is diff + apply into a workspace of its own.
     * Replayed, it is 0 again; -CONFLICT where LAYER exists and ID too, or on another PARENT.
     * With NATIVE_DIFF layers unpack side by side: prepared without a parent, committed in order. */
    int32_t (*commit)(void *self, struct dv_call *c, const char *id, const char *layer,
                      const char *parent);
    /* Delete; 0 if already gone; -CONFLICT while a child or an activation exists. */
    int32_t (*remove)(void *self, struct dv_call *c, const char *id);
    /* Describe how to mount ID; the host mounts, detached, and only one user of a workspace at a
     * time (its lease). Items apply in order on one target. Block drivers attach devices here.
     * Called again before deactivate: the same plan, nothing attached twice. */
    int32_t (*activate)(void *self, struct dv_call *c, const char *id, uint32_t read_only,
                        struct dv_mounts *out);
    /* Counterpart of activate, after the host unmounted. Idempotent. */
    int32_t (*deactivate)(void *self, struct dv_call *c, const char *id);
    /* For a committed layer this is quick: it is how the host asks whether it is there. A workspace
     * is measured, while a container may write to it, unless QUICK. */
    int32_t (*stat)(void *self, struct dv_call *c, const char *id, struct dv_layer_info *out);
    /* Finish or undo half-done work and move every id that is neither in KNOWN nor an ancestor of
     * one to the driver's trash, to be emptied by empty_trash(). Called after start(), never when
     * the engine's database is new or was restored: a wrong KNOWN would cost every layer. */
    int32_t (*recover)(void *self, struct dv_call *c, const char *const *known, size_t n);
    /* Delete what has lain in the trash for that long; 0: all. remove() may be a mere rename. */
    int32_t (*empty_trash)(void *self, struct dv_call *c, uint64_t older_than_s);
    /* Optional from here. Fast path: where the host may unpack or walk ID's own files. */
    int32_t (*open_diff)(void *self, struct dv_call *c, const char *id, uint32_t for_write,
                         struct dv_diff_dir *out);
    /* Own layer transport; TAR_FD is borrowed, OCI layer media format, uncompressed. */
    int32_t (*apply)(void *self, struct dv_call *c, const char *id, int32_t tar_fd);
    int32_t (*diff)(void *self, struct dv_call *c, const char *id, const char *base,
                    int32_t tar_fd);
    int32_t (*status)(void *self, struct dv_call *c, struct dv_kvs *out); /* rows of /info */
};

#ifdef __cplusplus
}
#endif
#endif

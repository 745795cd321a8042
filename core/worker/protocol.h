/* protocol.h - what davitd and a davit-worker say to each other, over SOCK_SEQPACKET
 * (core/base/msg.h).
 *
 * The worker is born with the socket as descriptor DV_WORKER_FD and nothing else but /dev/null and
 * the log. davitd sends DV_W_JOB first; then the worker asks and davitd answers each question with
 * DV_W_REPLY of the same seq: a code and message, or the fields and descriptors named below. The
 * last word is the worker's DV_W_RESULT. davitd gives up by DV_W_CANCEL or by closing the socket.
 *
 * davitd checks every field as it checks a request: the worker has met outside data. */
#pragma once

#include <stdint.h>

enum {
    DV_WORKER_FD = 3,
    DV_WORKER_MSG_BYTES = 64 << 10,      /* a message; what may be larger goes by descriptor */
    DV_WORKER_DOC_BYTES = 32 << 20,      /* a document of tagged fields in a memfd */
};

enum dv_worker_kind {
    /* davitd -> worker */
    DV_W_JOB = 1,        /* NAME, the job's own fields, descriptors as the job says */
    DV_W_REPLY,          /* CODE (absent: success), MESSAGE, or the answer */
    DV_W_CANCEL,
    /* worker -> davitd: questions */
    DV_W_BLOB_OPEN = 16, /* -> fd: an empty unnamed file of the content store */
    DV_W_BLOB_DONE,      /* DIGEST SIZE MEDIA_TYPE + fd of BLOB_OPEN: now durable and named */
    DV_W_BLOB_READ,      /* DIGEST -> fd: a blob that the store has; NOT_FOUND */
    DV_W_LAYER_PREPARE,  /* CHAIN (absent: not known yet) PARENT (chain id; absent: none)
                          * -> PRESENT 1, or TOKEN WHITEOUTS + fd of the layer's directory */
    DV_W_LAYER_COMMIT,   /* TOKEN CHAIN PARENT: durable from now on */
    DV_W_LAYER_ABORT,    /* TOKEN: throw the directory away */
    DV_W_IMAGE,          /* + fd of a document (DV_WD_*): make it visible. -> DIGEST: its id */
    /* worker -> davitd: told, not answered */
    DV_W_MESSAGE = 32,   /* TEXT for the user, a whole line */
    DV_W_PROGRESS,       /* TEXT (what), DONE, TOTAL */
    DV_W_RESULT,         /* CODE MESSAGE, or the job's answer; the worker ends */
};

enum dv_worker_tag {
    DV_WT_CODE = 1,      /* u64 DV_E_* */
    DV_WT_MESSAGE,       /* str */
    DV_WT_NAME,          /* str: job */
    DV_WT_PLUGIN_DIR,    /* str */
    DV_WT_TRANSPORT,     /* str: registry driver */
    DV_WT_DIGEST,        /* str "sha256:..." */
    DV_WT_SIZE,          /* u64 bytes */
    DV_WT_MEDIA_TYPE,    /* str */
    DV_WT_CHAIN,         /* str "sha256:..." */
    DV_WT_PARENT,        /* str "sha256:..." */
    DV_WT_DIFF_ID,       /* str "sha256:..." */
    DV_WT_PRESENT,       /* u64 1 */
    DV_WT_TOKEN,         /* str */
    DV_WT_WHITEOUTS,     /* u64: as dv_diff_dir.whiteouts of davit/storage.h */
    DV_WT_TEXT,          /* str */
    DV_WT_DONE,          /* u64 */
    DV_WT_TOTAL,         /* u64 */
    DV_WT_LAYER,         /* group, repeated: a layer to unpack (DIFF_ID DIGEST PARENT CHAIN) */
    DV_WT_CHANGE,        /* str, repeated: a Dockerfile instruction */
    DV_WT_COMMENT,       /* str */
    DV_WT_PLATFORM,      /* str "os/arch[/variant]" */
    DV_WT_IMPORT_NAME,   /* str: the reference that an imported image gets */
    DV_WT_SPEC,          /* group: a root file system, as core/runtime/spec_msg.h encodes it */
    DV_WT_TARGET,        /* str, repeated: a path in it */
};

/* Document of DV_W_IMAGE. */
enum dv_worker_doc_tag {
    DV_WD_ID = 1,        /* str: digest of the config blob */
    DV_WD_CONFIG,        /* bytes: the normalised config, JSON (core/worker/image_config.h) */
    DV_WD_MANIFEST,      /* str: digest of the OCI manifest blob that index.json lists */
    DV_WD_MANIFEST_SIZE, /* u64 */
    DV_WD_NAME,          /* str, repeated: reference as the source writes it */
    DV_WD_LAYER,         /* group, repeated, base first: */
    DV_WD_SIZE,          /* u64: bytes of all layers, unpacked */
    DV_WD_SOURCE,        /* str: digest of the Docker schema 2 manifest that MANIFEST was derived from;
                          * absent: none */
};
/* Document of job save: the archive's entries in their order. */
enum dv_worker_save_tag {
    DV_WS_DIR = 1,       /* str: name of a directory */
    DV_WS_FILE,          /* group: NAME, BYTES */
    DV_WS_BLOB,          /* group: DIGEST, SIZE: a file of the content store */
    DV_WS_NAME,          /* str */
    DV_WS_BYTES,         /* bytes: contents */
};
/* Inside DV_WD_LAYER: DV_WT_DIFF_ID, DV_WT_CHAIN, DV_WT_DIGEST (blob), DV_WT_MEDIA_TYPE, DV_WT_SIZE
 * (bytes unpacked). */

/* Jobs. Descriptors of DV_W_JOB: load and import: the body; copy-up: a directory for each TARGET;
 * save: a pipe to write to, the content store's directory of blobs, its document;
 * seccomp and unpack: none.
 *   copy-up SPEC TARGET... (what a root file system has there, into the directories)
 *   load    PLUGIN_DIR TRANSPORT
 *   import  CHANGE... COMMENT PLATFORM IMPORT_NAME
 *   save    (asks nothing, so that davitd need not listen: it says RESULT before the pipe closes)
 *   unpack  LAYER... (blobs that the store has, into the chosen storage driver) */

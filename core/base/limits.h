/* limits.h - the named maximum of each size that comes from outside. */
#pragma once

enum {
    DV_MAX_HTTP_HEADER_BYTES = 64 << 10,   /* request line and all header lines */
    DV_MAX_HTTP_URL_BYTES = 16 << 10,
    DV_MAX_JSON_BODY_BYTES = 4 << 20,      /* a JSON request body */
    DV_MAX_BODIES_BYTES = 64 << 20,        /* all bodies that are under way or wait for a thread */
    DV_MAX_CONNECTIONS = 4096,             /* clients at once, unless davit.ini says otherwise */
    DV_MAX_JSON_DEPTH = 32,
    DV_MAX_CONFIG_BYTES = 1 << 20,         /* davit.ini */
    DV_MAX_IMAGE_CONFIG_BYTES = 8 << 20,   /* an image config blob */
    DV_MAX_MANIFEST_BYTES = 4 << 20,       /* manifest.json, index.json, an OCI manifest */
    DV_MAX_LAYERS = 500,                   /* overlay's own limit on new kernels */
    DV_MAX_TAR_NAME_BYTES = 4096,
    DV_MAX_PASSWD_BYTES = 1 << 20,         /* a container's /etc/passwd or /etc/group */
    DV_MAX_PASSWD_LINE_BYTES = 8 << 10,
    DV_MAX_GROUPS = 1024,                  /* supplementary groups of one process */
    DV_MAX_PLAN_BYTES = 16 << 20,          /* a compiled spec, arguments and environment included */
    DV_MAX_MSG_BYTES = 128 << 10,          /* one message on a seqpacket socket */
    DV_MAX_MSG_FDS = 64,
    DV_LOG_LINE_BYTES = 16 << 10,          /* Docker splits log lines here */
    DV_MAX_NAME_BYTES = 255,
};

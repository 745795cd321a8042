/* protocol.h - messages between davitd and davit-shim, over SOCK_SEQPACKET.
 *
 * The shim is started with descriptor 3 = control connection and waits for PREPARE and CREATE on it. It binds
 * "shim.sock" in the container's run directory before anything else and serves further connections
 * there (a restarted davitd). If the connection that sent CREATE closes before START came, the shim
 * kills the init and ends without an exit record: nobody was told of a start. Every request is
 * answered by REPLY or ERROR with the same seq; events carry seq 0 and go to every connection.
 * Compatible growth: new tags and kinds only; a shim answers an unknown kind with ERROR
 * UNSUPPORTED, and garbage with ERROR INVALID of seq 0. */
#pragma once

enum { DV_SHIM_PROTOCOL = 1 };

enum dv_shim_kind {
    /* requests: davitd -> shim */
    DV_SHIM_CREATE = 1,     /* SPEC by memfd (fds: see FDS_*). Replies CREATED fields when the init
                             * waits for "go"; ERROR and exit otherwise */
    DV_SHIM_START,          /* "go"; REPLY with STARTED_NS after the exec succeeded; ERROR with CODE
                             * and EXIT_CODE 125/126/127 otherwise: the shim then ends without an
                             * exit record, since the answer says it all */
    DV_SHIM_SIGNAL,         /* SIGNAL to the init (or to exec EXEC_ID); ALL = 1: every process */
    DV_SHIM_EXEC,           /* PROCESS, EXEC_ID, OPEN_STDIN; fds: 0 or 1 client, described by
                             * ATTACH_FLAGS, DETACH_KEYS, EARLY (streams nobody asked for: /dev/null).
                             * NOTE is kept for STATE. REPLY with PID after the exec succeeded; ERROR as for START, and the
                             * client reads the failure in its stream, as Docker's clients expect */
    DV_SHIM_RESIZE,         /* ROWS, COLS, optional EXEC_ID */
    DV_SHIM_ATTACH,         /* one client descriptor, ATTACH_FLAGS, DETACH_KEYS, optional EXEC_ID. HELD: REPLY
                             * with TOKEN, REST_OUT and REST_ERR (of lines that the log lacks yet); until
                             * RELEASE no output is read, so that log and REST together are all that was
                             * written. A control connection that closes drops such a client */
    DV_SHIM_STATE,          /* REPLY: PROTOCOL PID STATE STARTED_NS START_TIME, each EXEC group:
                             * those that run and the last that ended, newest first. All events before
                             * this answer are contained in it */
    DV_SHIM_LEND,           /* WHAT = LEND_*; REPLY with one descriptor */
    DV_SHIM_CLOSE_STDIN,    /* optional EXEC_ID */
    DV_SHIM_PREPARE,        /* FD_RUN_DIR, FD_SHIM_PROCS; once, before CREATE: the shim binds its
                             * socket and leaves davitd's control groups while davitd prepares the
                             * rest. REPLY: WARNING */
    DV_SHIM_RELEASE,        /* TOKEN: the client that was attached HELD gets its output from now on */

    /* answers and events: shim -> davitd */
    DV_SHIM_REPLY = 100,
    DV_SHIM_ERROR,          /* CODE (DV_E_*), MESSAGE, optional EXIT_CODE */
    DV_SHIM_EVENT_EXIT,     /* EXIT_CODE, SIGNAL, OOM, STARTED_NS, FINISHED_NS; the record is on
                             * disk already and shim.sock is gone. The connection closes once mounts
                             * and namespaces are released, a few ms later (the shim may go on feeding
                             * a slow client): only then is the writable layer free. Connection EOF
                             * without the event = look for the record; if there is none, the shim
                             * was killed */
    DV_SHIM_EVENT_EXEC_EXIT,/* EXEC_ID, EXIT_CODE: after its output was drained */
    DV_SHIM_EVENT_DETACH,   /* a client typed its detach keys; optional EXEC_ID */
};

enum dv_shim_tag {
    DV_ST_SPEC = 1,         /* group: spec_msg.h; in the memfd, as the only field of a message */
    DV_ST_PROCESS,          /* group: spec_msg.h */
    DV_ST_ID,
    DV_ST_EXEC_ID,
    DV_ST_PID,
    DV_ST_SIGNAL,
    DV_ST_ALL,
    DV_ST_ROWS,
    DV_ST_COLS,
    DV_ST_ATTACH_FLAGS,     /* DV_ATTACH_* */
    DV_ST_DETACH_KEYS,      /* bytes; absent = none */
    DV_ST_WHAT,
    DV_ST_CODE,
    DV_ST_MESSAGE,
    DV_ST_EXIT_CODE,        /* as a shell gives it: 0..255, 128 + n for a signal */
    DV_ST_UNUSED,           /* keeps the numbers of what follows */
    DV_ST_STARTED_NS,       /* CLOCK_REALTIME */
    DV_ST_FINISHED_NS,
    DV_ST_STATE,            /* 1 created, 2 running, 3 exited (draining) */
    DV_ST_START_TIME,       /* field 22 of /proc/PID/stat of the init: with PID it is unique */
    DV_ST_WARNING,          /* repeated */
    DV_ST_PROTOCOL,
    DV_ST_EXEC,             /* group of EXEC_ID, NOTE, and PID or (ended) EXIT_CODE */
    /* of CREATE: where stdio goes */
    DV_ST_OPEN_STDIN,       /* 1: a pipe for stdin; 0: /dev/null */
    DV_ST_STDIN_ONCE,       /* close it when the first attached client's stdin ends */
    DV_ST_LOG_KIND,         /* 0 none, 1 json-file */
    DV_ST_LOG_MAX_BYTES,    /* 0 = no rotation */
    DV_ST_LOG_MAX_FILES,
    DV_ST_LOG_NAME,         /* "<id>-json.log", in the log directory */
    DV_ST_KILL_CGROUP,      /* 1: pid namespace shared with the host: kill the cgroup at exit */
    DV_ST_LOG_ATTRS,        /* ready-made JSON text put into each record as "attrs", optional */
    /* of PREPARE and CREATE: which descriptor is what (index into the message's descriptors; absent = none) */
    DV_ST_FD_PLAN,          /* memfd with SPEC */
    DV_ST_FD_RUN_DIR,       /* the container's run directory: shim.sock */
    DV_ST_FD_STATE_DIR,     /* where the exit record "exit" goes */
    DV_ST_FD_LOG_DIR,
    DV_ST_FD_NETNS,         /* held by the shim, lent by LEND_NETNS; the init joins it by FD_NS */
    DV_ST_FD_CGROUP_PROCS,  /* repeated */
    DV_ST_FD_CGROUP_DIR,    /* v2 */
    DV_ST_FD_SHIM_PROCS,    /* repeated: where the shim puts itself */
    DV_ST_FD_INIT_PROGRAM,
    DV_ST_FD_CLIENT,        /* inside CLIENT */
    DV_ST_CLIENT,           /* repeated group of FD_CLIENT, ATTACH_FLAGS, DETACH_KEYS, EARLY: clients
                             * attached before the start */
    DV_ST_FD_NS,            /* repeated, in order: what dv_spec_ns.fd_index and dv_spec_mount.tree count */
    DV_ST_EARLY,            /* bytes, in CLIENT, ATTACH and EXEC: what was read past the request; given
                             * to stdin before what the client's socket gives */
    DV_ST_NOTE,             /* bytes of davitd's own about an exec, for the davitd after it; left out
                             * of STATE where that grows too long */
    DV_ST_TOKEN,
    DV_ST_REST_OUT, DV_ST_REST_ERR, /* bytes */
};

enum {
    DV_ATTACH_STDIN = 1, DV_ATTACH_STDOUT = 2, DV_ATTACH_STDERR = 4,
    DV_ATTACH_FRAMED = 8,   /* 8-byte headers of Docker's stream format; else raw bytes */
    DV_ATTACH_HELD = 16,    /* another process writes to the socket until RELEASE */
};
enum { DV_LEND_ROOT = 1,    /* open_tree(OPEN_TREE_CLONE | AT_RECURSIVE) of the live root */
       DV_LEND_NETNS, DV_LEND_ROOT_ONLY /* not recursive: the writable layer's view */,
       DV_LEND_SHM };       /* clone of what is at /dev/shm, for who joins the IPC namespace */

/* The exit record: file "exit" in the state directory, replaced atomically, one line of text:
 * "1 EXIT_CODE 0 STARTED_NS FINISHED_NS BOOT_ID\n"  (1 = version of the record; 0 was meant for the OOM
 * killer, of which only davitd knows, who holds the control group). */

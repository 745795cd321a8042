/* schema.c - the tables, and each step from an older version to the next. */
#include "core/state/schema.h"

/* Version 1. Times are nanoseconds since 1970; *_json are documents that only we write. */
static const char version_1[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"

    /* core/container */
    "CREATE TABLE containers ("
    " id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_ns INTEGER NOT NULL,"
    " image_id TEXT NOT NULL, image_name TEXT NOT NULL, storage_driver TEXT NOT NULL,"
    " config_json TEXT NOT NULL, argv_json TEXT NOT NULL,"
    " status INTEGER NOT NULL, pid INTEGER NOT NULL DEFAULT 0,"
    " start_time INTEGER NOT NULL DEFAULT 0,"  /* field 22 of /proc/PID/stat */
    " started_ns INTEGER NOT NULL DEFAULT 0, finished_ns INTEGER NOT NULL DEFAULT 0,"
    " exit_code INTEGER NOT NULL DEFAULT 0, oom_killed INTEGER NOT NULL DEFAULT 0,"
    " error TEXT NOT NULL DEFAULT '', restart_count INTEGER NOT NULL DEFAULT 0,"
    " generation INTEGER NOT NULL DEFAULT 0, boot_id TEXT NOT NULL DEFAULT '',"
    " stopped_by_user INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
    /* Half-done operations: what start-up must finish or undo. */
    "CREATE TABLE intents ("
    " id INTEGER PRIMARY KEY, kind TEXT NOT NULL, object TEXT NOT NULL,"
    " generation INTEGER NOT NULL DEFAULT 0, step TEXT NOT NULL DEFAULT '',"
    " data TEXT NOT NULL DEFAULT '', created_ns INTEGER NOT NULL);"
    "CREATE TABLE events ("
    " id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, type TEXT NOT NULL, action TEXT NOT NULL,"
    " actor_id TEXT NOT NULL, attributes_json TEXT NOT NULL);"

    /* core/image */
    "CREATE TABLE images ("
    " id TEXT PRIMARY KEY, config_json TEXT NOT NULL, created_ns INTEGER NOT NULL,"
    " size_bytes INTEGER NOT NULL, manifest_digest TEXT NOT NULL, platform TEXT NOT NULL,"
    " loaded_ns INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE image_refs ("
    " reference TEXT PRIMARY KEY, image_id TEXT NOT NULL REFERENCES images(id)) WITHOUT ROWID;"
    "CREATE TABLE image_layers ("
    " image_id TEXT NOT NULL REFERENCES images(id), position INTEGER NOT NULL,"
    " chain_id TEXT NOT NULL, blob_digest TEXT NOT NULL, PRIMARY KEY (image_id, position))"
    " WITHOUT ROWID;"
    "CREATE INDEX image_layers_chain ON image_layers (chain_id);"
    "CREATE INDEX image_layers_blob ON image_layers (blob_digest);"
    /* depth: 0 for a base layer. */
    "CREATE TABLE layers ("
    " chain_id TEXT PRIMARY KEY, diff_id TEXT NOT NULL, parent TEXT NOT NULL,"
    " depth INTEGER NOT NULL, size_bytes INTEGER NOT NULL) WITHOUT ROWID;"
    /* One row a layer and driver that has it unpacked. */
    "CREATE TABLE layer_storage ("
    " chain_id TEXT NOT NULL REFERENCES layers(chain_id), driver TEXT NOT NULL,"
    " layer_id TEXT NOT NULL, PRIMARY KEY (chain_id, driver)) WITHOUT ROWID;"
    "CREATE TABLE blobs ("
    " digest TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, media_type TEXT NOT NULL)"
    " WITHOUT ROWID;"

    /* core/network */
    "CREATE TABLE networks ("
    " id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, driver TEXT NOT NULL,"
    " created_ns INTEGER NOT NULL, subnet TEXT NOT NULL, gateway TEXT NOT NULL,"
    " flags INTEGER NOT NULL, options_json TEXT NOT NULL, labels_json TEXT NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE endpoints ("
    " id TEXT PRIMARY KEY, network_id TEXT NOT NULL REFERENCES networks(id),"
    " container_id TEXT NOT NULL, position INTEGER NOT NULL, ip TEXT NOT NULL,"
    " prefix_len INTEGER NOT NULL, mac TEXT NOT NULL, aliases_json TEXT NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE UNIQUE INDEX endpoint_address ON endpoints (network_id, ip) WHERE ip <> '';"
    "CREATE INDEX endpoint_container ON endpoints (container_id);";

/* Version 2: core/volume. A use is a container that has the volume; it is there before the container
 * is recorded, so one without a container is what a kill left of a creation. */
static const char version_2[] =
    "CREATE TABLE volumes ("
    " name TEXT PRIMARY KEY, driver TEXT NOT NULL, created_ns INTEGER NOT NULL,"
    " labels_json TEXT NOT NULL, options_json TEXT NOT NULL, anonymous INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE volume_uses ("
    " volume TEXT NOT NULL REFERENCES volumes(name), container_id TEXT NOT NULL,"
    " PRIMARY KEY (volume, container_id)) WITHOUT ROWID;"
    "CREATE INDEX volume_uses_container ON volume_uses (container_id);";

/* Version 3: the blob of a manifest that came in another form than the OCI's, which the image keeps; ''
 * for none. An older davit would take the blob for unused. */
static const char version_3[] =
    "ALTER TABLE images ADD COLUMN source_manifest TEXT NOT NULL DEFAULT '';";

const struct dv_migration dv_migrations[] = {
    { 1, 1, version_1 },
    { 2, 2, version_2 },
    { 3, 3, version_3 },
};
const size_t dv_n_migrations = N(dv_migrations);

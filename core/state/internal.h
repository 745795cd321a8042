/* internal.h - what the files of core/state share. */
#pragma once

#include <stdbool.h>

#include "core/base/error.h"

struct dv_db;

/* Run several statements without arguments; no lock, no transaction of its own. WHAT for messages. */
DV_CHECK int dv_db_script(struct dv_db *db, const char *sql, const char *what,
                          struct dv_error *err);
/* Bring a database that was just opened to our schema. *RET_FRESH: it was empty. */
DV_CHECK int dv_db_migrate(struct dv_db *db, const char *path, bool *ret_fresh,
                           struct dv_error *err);

/* schema.h - migrations of the database, oldest first. */
#pragma once

#include <stddef.h>

#include "core/base/cleanup.h"

struct dv_migration {
    int version;             /* the schema after this step */
    int min_reader_version;  /* the oldest davit schema that may still open the result */
    const char *sql;
};
extern const struct dv_migration dv_migrations[];
extern const size_t dv_n_migrations;

/* filters.h - --filter key=value as the API's filters parameter. */
#pragma once

#include "cli/util.h"

/* A dv_cli_option.check: "key=value". */
int dv_check_filter(const char *value, char **ret, struct dv_error *err);
/* {"key":{"value":true}} of checked VALUES; NULL if there are none. Caller frees. */
char *dv_filters_text(const struct dv_strv *values);

/* words.h - the words of a Dockerfile instruction: quotes, backslashes, variables. */
#pragma once

#include "core/base/error.h"
#include "core/base/str.h"

/* What isspace() means in the C locale: what ends a word is what is skipped before the next one. */
#define DV_BLANKS " \t\n\v\f\r"

/* The value of NAME among "NAME=value" items; NULL if there is none. */
const char *dv_env_get(const struct dv_strv *env, const char *name);
/* Split TEXT at white space outside quotes, with quotes and backslashes taken away and $NAME and
 * ${NAME} replaced from ENV (nothing where it is not set). INVALID: a quote that is not closed, or
 * another form of ${...}. */
DV_CHECK int dv_words(const char *text, const struct dv_strv *env, struct dv_strv *ret,
                      struct dv_error *err);

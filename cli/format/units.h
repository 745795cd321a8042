/* units.h - sizes, spans of time and shortened names as docker prints them. */
#pragma once

#include <stdint.h>

#include "cli/util.h"

enum { DV_SHORT_ID_CHARS = 12 };

/* Decimal units with DIGITS significant ones: "1.23MB" (3), "1.235MB" (4). */
char *dv_size_decimal(int64_t bytes, int digits);
/* Binary units: "7.566GiB". */
char *dv_size_binary(int64_t bytes);
/* "2 minutes", "About an hour", "5 weeks". */
char *dv_span_text(int64_t seconds);
/* "2 minutes ago"; "N/A" for 0. UNIX: seconds since 1970. */
char *dv_ago_text(int64_t unix_seconds, int64_t now);
/* "2026-11-24 11:19:21 +0000 UTC" in the local zone. */
char *dv_local_time_text(int64_t unix_seconds);
/* Without "sha256:", cut to 12 characters. */
char *dv_short_id(const char *id);
/* Cut to WIDTH characters, the last one being "…" where something was left out. */
char *dv_ellipsis(const char *text, size_t width);
/* Characters on the screen: UTF-8 sequences. */
size_t dv_text_width(const char *text, size_t bytes);

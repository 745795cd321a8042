/* id.h - random identifiers and hexadecimal text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DV_ID_BYTES = 65 };            /* 64 hex digits and NUL */
void dv_id_new(char id[DV_ID_BYTES]); /* from getrandom(2); aborts if the kernel has none */
bool dv_is_hex(const char *s, size_t n);
void dv_hex(const void *data, size_t n, char *out); /* 2n digits and NUL */
void dv_random(void *out, size_t n);
/* FNV-1a, for names of kernel objects; not for security. */
uint64_t dv_hash64(const void *data, size_t n);

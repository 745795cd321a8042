/* user_config.h - what the user set once and for all: docker's config.json, of $DOCKER_CONFIG or
 * ~/.docker (or of the option --config), read when something in it is first asked for. */
#pragma once

#include "cli/client/client.h"
#include "core/base/str.h"

/* The text at KEY ("detachKeys", "psFormat" ...), "" where there is none. Borrowed from CLIENT, which
 * may be NULL. A file that cannot be read or parsed, and a member of another type, are warned of on
 * stderr, once, and count as not there. */
const char *dv_user_config_text(struct dv_client *client, const char *key);

/* Append to ENV what "proxies" has for CLIENT's daemon, else for "default": HTTP_PROXY=... and
 * http_proxy=..., and so on, save the names that GIVEN ("NAME" or "NAME=value") has. */
void dv_user_config_proxies(struct dv_client *client, const struct dv_strv *given,
                            struct dv_strv *env);

/* pull.h - ask the daemon to pull an image. */
#pragma once

#include <stdio.h>

#include "cli/client/client.h"
#include "cli/image/ref.h"

/* PLATFORM may be ""; OUT: where progress goes, or NULL. */
DV_CHECK int dv_pull(struct dv_client *client, const struct dv_ref *ref, const char *platform,
                     FILE *out, struct dv_error *err);

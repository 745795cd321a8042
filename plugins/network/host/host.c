/* host.c - network driver "host": the container shares the host's network namespace. */
#include "nolink.h"

static const struct dv_option options[] = NOLINK_OPTIONS;

DV_PLUGIN_DEFINE(DV_KIND_NETWORK, "host", "0.1.0", .vendor = "davit", .license = "Apache-2.0",
                 .options = options, .n_options = sizeof(options) / sizeof(options[0]),
                 .option_stride = sizeof(options[0]), .ops = &nolink_ops, .init = nolink_init,
                 .start = nolink_start, .stop = nolink_stop, .fini = nolink_stop)

/* nolink.h - what the drivers without a link share: "host" and "none". */
#pragma once

#include <davit/network.h>

extern const struct dv_network_ops nolink_ops;
int32_t nolink_init(const struct dv_host *host, struct dv_call *c, const struct dv_kvs *config,
                    void **self);
int32_t nolink_start(void *self, struct dv_call *c);
void nolink_stop(void *self);

/* davitd gives each network driver its instance. */
#define NOLINK_OPTIONS { { "instance", "string", "", "short name of this engine; not used here" } }

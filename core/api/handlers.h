/* handlers.h - every handler that the routes name, by the file that has it. */
#pragma once

#include "core/api/routes.h"

/* system.c, info.c, events.c, davit.c */
dv_handler_fn dv_api_ping, dv_api_options, dv_api_version, dv_api_info, dv_api_events, dv_api_davit_plugins,
    dv_api_davit_plugin, dv_api_davit_plugin_retry, dv_api_davit_shutdown;
/* container_create.c, container_list.c, container_inspect.c, containers.c */
dv_handler_fn dv_api_container_create, dv_api_container_list, dv_api_container_inspect,
    dv_api_container_start, dv_api_container_stop, dv_api_container_restart,
    dv_api_container_kill, dv_api_container_pause, dv_api_container_unpause,
    dv_api_container_rename, dv_api_container_resize, dv_api_container_remove;
/* container_more.c */
dv_handler_fn dv_api_container_top, dv_api_container_update, dv_api_container_prune;
/* attach.c, wait.c, logs.c, exec.c */
dv_handler_fn dv_api_container_attach, dv_api_container_wait, dv_api_container_logs,
    dv_api_exec_create, dv_api_exec_start, dv_api_exec_inspect, dv_api_exec_resize;
/* df.c */
dv_handler_fn dv_api_system_df, dv_api_build_prune;
/* images.c, image_load.c, image_prune.c, image_save.c */
dv_handler_fn dv_api_image_list, dv_api_image_inspect, dv_api_image_history, dv_api_image_tag,
    dv_api_image_remove, dv_api_image_create, dv_api_image_load, dv_api_image_get,
    dv_api_images_get, dv_api_image_prune;
/* volumes.c */
dv_handler_fn dv_api_volume_create, dv_api_volume_list, dv_api_volume_inspect,
    dv_api_volume_remove, dv_api_volume_prune;
/* networks.c */
dv_handler_fn dv_api_network_list, dv_api_network_inspect, dv_api_network_prune;

/* layout.c - the driver ABI's layout, frozen: what does not compile here breaks built plugins.
 *
 * All of it is for 64-bit machines; x86-64 and aarch64 agree. Members are only appended: a new line is
 * added at the end of its struct together with the new SIZE. */

#include <davit/network.h>
#include <davit/plugin.h>
#include <davit/registry.h>
#include <davit/storage.h>

#define SIZE(type, size) _Static_assert(sizeof(struct type) == (size), "size of " #type)
#define AT(type, member, offset)                                                                   \
    _Static_assert(offsetof(struct type, member) == (offset), #type "." #member)

/* ---- davit/plugin.h ---- */

SIZE(dv_kv, 16);
AT(dv_kv, key, 0);
AT(dv_kv, value, 8);

SIZE(dv_kvs, 16);
AT(dv_kvs, items, 0);
AT(dv_kvs, n, 8);

SIZE(dv_option, 32);
AT(dv_option, name, 0);
AT(dv_option, type, 8);
AT(dv_option, fallback, 16);
AT(dv_option, help, 24);

SIZE(dv_host, 112);
AT(dv_host, struct_size, 0);
AT(dv_host, abi_major, 4);
AT(dv_host, abi_minor, 6);
AT(dv_host, engine_version, 8);
AT(dv_host, self, 16);
AT(dv_host, log, 24);
AT(dv_host, fail, 32);
AT(dv_host, alloc, 40);
AT(dv_host, cancel_fd, 48);
AT(dv_host, deadline_ns, 56);
AT(dv_host, progress, 64);
AT(dv_host, event, 72);
AT(dv_host, open_in_root, 80);
AT(dv_host, run_in_netns, 88);
AT(dv_host, spawn, 96);
AT(dv_host, service, 104);

SIZE(dv_plugin, 128);
AT(dv_plugin, magic, 0);
AT(dv_plugin, struct_size, 4);
AT(dv_plugin, abi_major, 8);
AT(dv_plugin, abi_minor, 10);
AT(dv_plugin, kind, 12);
AT(dv_plugin, name, 16);
AT(dv_plugin, version, 24);
AT(dv_plugin, vendor, 32);
AT(dv_plugin, license, 40);
AT(dv_plugin, url, 48);
AT(dv_plugin, caps, 56);
AT(dv_plugin, options, 64);
AT(dv_plugin, n_options, 72);
AT(dv_plugin, option_stride, 76);
AT(dv_plugin, ops, 80);
AT(dv_plugin, init, 88);
AT(dv_plugin, start, 96);
AT(dv_plugin, reload, 104);
AT(dv_plugin, stop, 112);
AT(dv_plugin, fini, 120);

SIZE(dv_note, 76);
AT(dv_note, magic, 0);
AT(dv_note, abi_major, 4);
AT(dv_note, abi_minor, 6);
AT(dv_note, kind, 8);
AT(dv_note, name, 12);
AT(dv_note, version, 44);

SIZE(dv_note_elf, 96);
AT(dv_note_elf, namesz, 0);
AT(dv_note_elf, descsz, 4);
AT(dv_note_elf, type, 8);
AT(dv_note_elf, owner, 12);
AT(dv_note_elf, d, 20);

/* ---- davit/storage.h ---- */

SIZE(dv_idmap, 12);
AT(dv_idmap, container_id, 0);
AT(dv_idmap, host_id, 4);
AT(dv_idmap, length, 8);

SIZE(dv_param, 24);
AT(dv_param, key, 0);
AT(dv_param, value, 8);
AT(dv_param, fd, 16);
AT(dv_param, kind, 20);
AT(dv_param, idmap, 21);
AT(dv_param, pad, 22);

SIZE(dv_mount, 40);
AT(dv_mount, type, 0);
AT(dv_mount, source, 8);
AT(dv_mount, params, 16);
AT(dv_mount, n_params, 24);
AT(dv_mount, param_stride, 28);
AT(dv_mount, attrs, 32);

SIZE(dv_mounts, 24);
AT(dv_mounts, struct_size, 0);
AT(dv_mounts, stride, 4);
AT(dv_mounts, items, 8);
AT(dv_mounts, n, 16);

SIZE(dv_layer_req, 64);
AT(dv_layer_req, struct_size, 0);
AT(dv_layer_req, flags, 4);
AT(dv_layer_req, id, 8);
AT(dv_layer_req, parent, 16);
AT(dv_layer_req, quota_bytes, 24);
AT(dv_layer_req, idmaps, 32);
AT(dv_layer_req, n_idmaps, 40);
AT(dv_layer_req, idmap_stride, 44);
AT(dv_layer_req, options, 48);

SIZE(dv_layer_info, 56);
AT(dv_layer_info, struct_size, 0);
AT(dv_layer_info, state, 4);
AT(dv_layer_info, parent, 8);
AT(dv_layer_info, bytes, 16);
AT(dv_layer_info, inodes, 24);
AT(dv_layer_info, data, 32);
AT(dv_layer_info, flags, 48);
AT(dv_layer_info, reserved, 52);

SIZE(dv_diff_dir, 12);
AT(dv_diff_dir, struct_size, 0);
AT(dv_diff_dir, whiteouts, 4);
AT(dv_diff_dir, dir_fd, 8);

SIZE(dv_storage_ops, 104);
AT(dv_storage_ops, struct_size, 0);
AT(dv_storage_ops, reserved, 4);
AT(dv_storage_ops, prepare, 8);
AT(dv_storage_ops, commit, 16);
AT(dv_storage_ops, remove, 24);
AT(dv_storage_ops, activate, 32);
AT(dv_storage_ops, deactivate, 40);
AT(dv_storage_ops, stat, 48);
AT(dv_storage_ops, recover, 56);
AT(dv_storage_ops, empty_trash, 64);
AT(dv_storage_ops, open_diff, 72);
AT(dv_storage_ops, apply, 80);
AT(dv_storage_ops, diff, 88);
AT(dv_storage_ops, status, 96);

/* ---- davit/network.h ---- */

SIZE(dv_cidr, 20);
AT(dv_cidr, family, 0);
AT(dv_cidr, prefix_len, 1);
AT(dv_cidr, pad, 2);
AT(dv_cidr, addr, 4);

SIZE(dv_subnet, 60);
AT(dv_subnet, pool, 0);
AT(dv_subnet, gateway, 20);
AT(dv_subnet, ip_range, 40);

SIZE(dv_net_req, 72);
AT(dv_net_req, struct_size, 0);
AT(dv_net_req, flags, 4);
AT(dv_net_req, id, 8);
AT(dv_net_req, name, 16);
AT(dv_net_req, subnets, 24);
AT(dv_net_req, n_subnets, 32);
AT(dv_net_req, subnet_stride, 36);
AT(dv_net_req, options, 40);
AT(dv_net_req, labels, 56);

SIZE(dv_ep_req, 72);
AT(dv_ep_req, struct_size, 0);
AT(dv_ep_req, n_addrs, 4);
AT(dv_ep_req, net_id, 8);
AT(dv_ep_req, ep_id, 16);
AT(dv_ep_req, addrs, 24);
AT(dv_ep_req, mac, 32);
AT(dv_ep_req, mac_set, 38);
AT(dv_ep_req, pad, 39);
AT(dv_ep_req, options, 40);
AT(dv_ep_req, sandbox_path, 56);
AT(dv_ep_req, netns_fd, 64);
AT(dv_ep_req, pad2, 68);

SIZE(dv_net_info, 24);
AT(dv_net_info, struct_size, 0);
AT(dv_net_info, policy, 4);
AT(dv_net_info, ifname, 8);
AT(dv_net_info, ifindex, 16);
AT(dv_net_info, mtu, 20);

SIZE(dv_route, 40);
AT(dv_route, dest, 0);
AT(dv_route, via, 20);

SIZE(dv_link, 88);
AT(dv_link, struct_size, 0);
AT(dv_link, mtu, 4);
AT(dv_link, where, 8);
AT(dv_link, ifindex, 12);
AT(dv_link, prefix, 16);
AT(dv_link, gateway4, 24);
AT(dv_link, gateway6, 44);
AT(dv_link, routes, 64);
AT(dv_link, n_routes, 72);
AT(dv_link, route_stride, 76);
AT(dv_link, mac, 80);
AT(dv_link, pad, 86);

SIZE(dv_port, 28);
AT(dv_port, host_ip, 0);
AT(dv_port, container, 20);
AT(dv_port, host, 22);
AT(dv_port, host_end, 24);
AT(dv_port, proto, 26);
AT(dv_port, pad, 27);

SIZE(dv_network_ops, 104);
AT(dv_network_ops, struct_size, 0);
AT(dv_network_ops, reserved, 4);
AT(dv_network_ops, create_network, 8);
AT(dv_network_ops, delete_network, 16);
AT(dv_network_ops, create_endpoint, 24);
AT(dv_network_ops, delete_endpoint, 32);
AT(dv_network_ops, join, 40);
AT(dv_network_ops, leave, 48);
AT(dv_network_ops, recover, 56);
AT(dv_network_ops, publish, 64);
AT(dv_network_ops, unpublish, 72);
AT(dv_network_ops, inspect, 80);
AT(dv_network_ops, peer, 88);
AT(dv_network_ops, set_keys, 96);

/* ---- davit/registry.h ---- */

SIZE(dv_reg_req, 40);
AT(dv_reg_req, struct_size, 0);
AT(dv_reg_req, flags, 4);
AT(dv_reg_req, ref, 8);
AT(dv_reg_req, source_fd, 16);
AT(dv_reg_req, pad, 20);
AT(dv_reg_req, options, 24);

SIZE(dv_reg_blob, 32);
AT(dv_reg_blob, media_type, 0);
AT(dv_reg_blob, digest, 8);
AT(dv_reg_blob, key, 16);
AT(dv_reg_blob, size_bytes, 24);

SIZE(dv_reg_image, 88);
AT(dv_reg_image, struct_size, 0);
AT(dv_reg_image, n_layers, 4);
AT(dv_reg_image, manifest, 8);
AT(dv_reg_image, manifest_len, 16);
AT(dv_reg_image, manifest_type, 24);
AT(dv_reg_image, config, 32);
AT(dv_reg_image, layers, 64);
AT(dv_reg_image, layer_stride, 72);
AT(dv_reg_image, n_names, 76);
AT(dv_reg_image, names, 80);

SIZE(dv_spool, 16);
AT(dv_spool, struct_size, 0);
AT(dv_spool, reserved, 4);
AT(dv_spool, file, 8);

SIZE(dv_registry_ops, 40);
AT(dv_registry_ops, struct_size, 0);
AT(dv_registry_ops, reserved, 4);
AT(dv_registry_ops, open, 8);
AT(dv_registry_ops, next_image, 16);
AT(dv_registry_ops, open_blob, 24);
AT(dv_registry_ops, close, 32);

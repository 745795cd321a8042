/* network_root.c - networks for real: the bridge driver, sandboxes, packets, firewall, recovery.
 * Needs root. Everything happens in network namespaces of the test's own, one a test case, which
 * take bridges, links and tables with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/id.h"
#include "core/base/log.h"
#include "core/base/time.h"
#include "core/network/addr.h"
#include "core/network/firewall.h"
#include "core/network/network.h"
#include "core/network/rtnl.h"
#include "core/plugin/drivers.h"
#include "core/state/db.h"

#define BRIDGE "davit-t0"
#define TABLE "davit-test"
#define PLUGIN_DIR "/mnt" /* in a mount namespace of our own */

struct fixture {
    char dir[64], db_path[96];
    struct dv_db *db;
    struct dv_drivers *drivers;
    struct dv_net *net;
    int rtnl_fd, host_ns;
};

static void ok(int r, const struct dv_error *err)
{
    if (r < 0)
        fail_msg("%s: %s", dv_code_name(err->code), err->msg);
}

/* ---- opening and closing, as a daemon does ---- */

static void add_driver(struct dv_drivers *drivers, const char *name)
{
    struct dv_plugin_file file = { .kind = DV_KIND_NETWORK, .name = name,
                                   .plugin_dir = PLUGIN_DIR };
    struct dv_kv items[] = { { "instance", "test" } };
    struct dv_kvs options = { items, 1 };

    dv_drivers_add(drivers, &file, &options);
}

static void open_net(struct fixture *f, const char *const drivers[])
{
    struct dv_net_config config = { .instance = "test", .bridge_name = BRIDGE, .nft_table = TABLE,
                                    .pool_size = 2 };
    struct dv_error err = { 0 };

    ok(dv_db_open(f->db_path, &f->db, &err), &err);
    ok(dv_drivers_new(PLUGIN_DIR, &f->drivers, &err), &err);
    for (; *drivers; drivers++)
        add_driver(f->drivers, *drivers);
    config.db = f->db;
    config.drivers = f->drivers;
    ok(dv_net_open(&config, &f->net, &err), &err);
}

static void close_net(struct fixture *f)
{
    dv_net_close(f->net);
    dv_drivers_free(f->drivers);
    dv_db_close(f->db);
    f->net = NULL;
}

static const char *const all_drivers[] = { "bridge", "host", "none", NULL };

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct dv_error err = { 0 };

    assert_non_null(f);
    *state = f;
    assert_int_equal(unshare(CLONE_NEWNET), 0); /* a "host" for each test */
    snprintf(f->dir, sizeof(f->dir), "/tmp/davit-net-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->db_path, sizeof(f->db_path), "%s/davit.db", f->dir);
    f->rtnl_fd = dv_rtnl_open(&err);
    ok(f->rtnl_fd, &err);
    ok(dv_rtnl_up(f->rtnl_fd, 1, &err), &err);
    f->host_ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    open_net(f, all_drivers);
    return 0;
}

static int teardown(void **state)
{
    int tmp_fd = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct fixture *f = *state;
    struct dv_error err = { 0 };

    if (f->net) {
        dv_net_teardown(f->net);
        close_net(f);
    }
    dv_close(f->rtnl_fd);
    dv_close(f->host_ns);
    ok(dv_remove_tree(tmp_fd, strrchr(f->dir, '/') + 1, &err), &err);
    close(tmp_fd);
    free(f);
    return 0;
}

/* ---- helpers ---- */

static struct dv_endpoint_view create(struct fixture *f, const char *container, const char *network,
                                      const char *ip)
{
    struct dv_endpoint_req req = { .network = network, .container_id = container,
                                   .container_name = container, .ip = ip };
    struct dv_endpoint_view view;
    struct dv_error err = { 0 };

    ok(dv_endpoint_create(f->net, &req, &view, &err), &err);
    return view;
}

static struct dv_sandbox sandbox(struct fixture *f)
{
    struct dv_sandbox sb;
    struct dv_error err = { 0 };

    ok(dv_sandbox_get(f->net, &sb, &err), &err);
    return sb;
}

static void join(struct fixture *f, struct dv_endpoint_view *view, struct dv_sandbox *sb)
{
    struct dv_error err = { 0 };

    ok(dv_endpoint_join(f->net, view->id, sb, view, &err), &err);
}

struct in_ns {
    int netns_fd;
    int (*fn)(void *arg);
    void *arg;
    int result;
};

static void *in_ns_thread(void *arg)
{
    struct in_ns *in = arg;

    in->result = setns(in->netns_fd, CLONE_NEWNET) < 0 ? -errno : in->fn(in->arg);
    return NULL;
}

static int in_ns(int netns_fd, int (*fn)(void *arg), void *arg)
{
    struct in_ns in = { netns_fd, fn, arg, 0 };
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, in_ns_thread, &in), 0);
    pthread_join(thread, NULL);
    return in.result;
}

static int open_socket(void *arg)
{
    return socket(AF_INET, *(int *)arg | SOCK_CLOEXEC, 0);
}

static struct sockaddr_in address(const char *ip, uint16_t port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };

    assert_int_equal(inet_pton(AF_INET, ip, &addr.sin_addr), 1);
    return addr;
}

static int bound_socket(int netns_fd, int type, uint16_t port)
{
    struct sockaddr_in addr = address("0.0.0.0", port);
    int fd = in_ns(netns_fd, open_socket, &type);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* Send a datagram from the namespace to IP:PORT, where TO_FD listens. 1: it came; *FROM is its
 * source as seen there. */
static int udp_passes(int from_ns, const char *ip, uint16_t port, int to_fd, char from[16],
                      int timeout_ms)
{
    struct sockaddr_in to = address(ip, port), source;
    socklen_t n = sizeof(source);
    int type = SOCK_DGRAM, fd = in_ns(from_ns, open_socket, &type);
    struct pollfd p = { .fd = to_fd, .events = POLLIN };
    char buf[8];
    int r;

    assert_true(fd >= 0);
    (void)!sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to));
    r = poll(&p, 1, timeout_ms);
    if (r == 1) {
        assert_int_equal(recvfrom(to_fd, buf, sizeof(buf), 0, (struct sockaddr *)&source, &n), 5);
        inet_ntop(AF_INET, &source.sin_addr, from, 16);
    }
    close(fd);
    return r;
}

static int tcp_connects(int from_ns, const char *ip, uint16_t port)
{
    struct sockaddr_in to = address(ip, port);
    struct timeval timeout = { .tv_sec = 2 };
    int type = SOCK_STREAM, fd = in_ns(from_ns, open_socket, &type), r;

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    r = connect(fd, (struct sockaddr *)&to, sizeof(to));
    close(fd);
    return r;
}

static int read_names(void *arg)
{
    struct if_nameindex *list = if_nameindex();
    char *out = arg;

    *out = '\0';
    for (struct if_nameindex *i = list; i && i->if_index; i++) {
        size_t used = strlen(out);

        snprintf(out + used, 256 - used, "%s ", i->if_name);
    }
    if_freenameindex(list);
    return 0;
}

/* Links of the test's "host" whose name begins with PREFIX. */
static unsigned count_links(const char *prefix)
{
    struct if_nameindex *list = if_nameindex();
    unsigned n = 0;

    for (struct if_nameindex *i = list; i && i->if_index; i++)
        n += dv_starts(i->if_name, prefix);
    if_freenameindex(list);
    return n;
}

/* The kernel takes down dead namespaces in the background. */
static bool links_become(const char *prefix, unsigned n)
{
    for (int i = 0; i < 300; i++) {
        if (count_links(prefix) == n)
            return true;
        usleep(10000);
    }
    return false;
}

/* A veth pair NAME / PEER, the latter in PEER_NS, both with an address and up. */
static void make_veth(struct fixture *f, const char *name, const char *ip, const char *peer,
                      const char *peer_ip, struct dv_sandbox *sb)
{
    _Alignas(8) char buf[1024] = { 0 };
    struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
    struct nlattr *info, *data, *nest;
    struct dv_error err = { 0 };
    uint32_t peer_addr;
    struct dv_if_setup in = { .name = peer, .prefix = 24 };

    msg->nlmsg_type = RTM_NEWLINK;
    msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
    mnl_nlmsg_put_extra_header(msg, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(msg, IFLA_IFNAME, name);
    info = mnl_attr_nest_start(msg, IFLA_LINKINFO);
    mnl_attr_put_strz(msg, IFLA_INFO_KIND, "veth");
    data = mnl_attr_nest_start(msg, IFLA_INFO_DATA);
    nest = mnl_attr_nest_start(msg, VETH_INFO_PEER);
    mnl_nlmsg_put_extra_header(msg, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(msg, IFLA_IFNAME, peer);
    mnl_attr_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)sb->netns_fd);
    mnl_attr_nest_end(msg, nest);
    mnl_attr_nest_end(msg, data);
    mnl_attr_nest_end(msg, info);
    assert_true(send(f->rtnl_fd, buf, msg->nlmsg_len, 0) > 0);
    assert_true(recv(f->rtnl_fd, buf, sizeof(buf), 0) > 0);
    assert_int_equal(((struct nlmsgerr *)mnl_nlmsg_get_payload((struct nlmsghdr *)buf))->error, 0);
    ok(dv_rtnl_up(f->rtnl_fd, if_nametoindex(name), &err), &err);
    assert_int_equal(dv_ip4_parse(ip, &peer_addr), 0);
    ok(dv_rtnl_add_addr(f->rtnl_fd, if_nametoindex(name), (struct dv_net4){ peer_addr, 24 }, &err),
       &err);
    assert_int_equal(dv_ip4_parse(peer_ip, &in.addr), 0);
    in.ifindex = 2;
    ok(dv_rtnl_setup(sb->rtnl_fd, &in, &err), &err);
}

static bool table_present(void)
{
    struct dv_firewall *fw;
    struct dv_error err = { 0 };
    bool present;

    ok(dv_firewall_new(TABLE, &fw, &err), &err);
    present = dv_firewall_present(fw);
    dv_firewall_free(fw);
    return present;
}

/* ---- tests ---- */

static void creates_the_default_networks(void **state)
{
    static const char *const names[] = { "bridge", "host", "none" };
    struct fixture *f = *state;
    struct dv_net_view view, again, *list;
    struct dv_error err = { 0 };
    char prefix[13];

    for (size_t i = 0; i < N(names); i++) {
        ok(dv_net_find(f->net, names[i], &view, &err), &err);
        assert_string_equal(view.name, names[i]);
        assert_string_equal(view.driver, names[i]);
        assert_true(dv_is_hex(view.id, 64));
        assert_int_equal(view.is_default, i == 0);
        assert_string_equal(view.subnet, i == 0 ? "172.17.0.0/16" : "");
    }
    ok(dv_net_find(f->net, "default", &view, &err), &err);
    assert_string_equal(view.gateway, "172.17.0.1");
    snprintf(prefix, sizeof(prefix), "%.12s", view.id);
    ok(dv_net_find(f->net, prefix, &again, &err), &err);
    assert_string_equal(again.id, view.id);
    assert_int_equal(dv_net_list(f->net, &list), 3);
    free(list);
    assert_int_equal(dv_net_find(f->net, "nope", &again, &err), -DV_E_NOT_FOUND);
    assert_string_equal(err.msg, "network nope not found");

    /* The same ones after a restart. */
    close_net(f);
    open_net(f, all_drivers);
    dv_error_clear(&err);
    ok(dv_net_find(f->net, "bridge", &again, &err), &err);
    assert_string_equal(again.id, view.id);
    assert_string_equal(again.subnet, view.subnet);
}

static void avoids_subnets_of_the_host(void **state)
{
    struct fixture *f = *state;
    struct dv_error err = { 0 };
    struct dv_net_view view;

    dv_net_teardown(f->net);
    close_net(f);
    assert_int_equal(unlink(f->db_path), 0);
    ok(dv_rtnl_add_addr(f->rtnl_fd, 1, (struct dv_net4){ 0xac110909, 24 }, &err), &err);
    open_net(f, all_drivers);
    ok(dv_net_find(f->net, "bridge", &view, &err), &err);
    assert_string_equal(view.subnet, "172.18.0.0/16");
}

static void two_sandboxes_and_the_host_talk(void **state)
{
    struct fixture *f = *state;
    struct dv_endpoint_view a = create(f, "a", "bridge", NULL), b = create(f, "b", "bridge", NULL);
    struct dv_sandbox sa = sandbox(f), sb = sandbox(f);
    char names[256], from[16] = "";
    int server, host;

    join(f, &a, &sa);
    join(f, &b, &sb);
    assert_string_equal(a.ip, "172.17.0.2");
    assert_string_equal(b.ip, "172.17.0.3");
    assert_string_equal(a.gateway, "172.17.0.1");
    assert_string_equal(a.mac, "02:42:ac:11:00:02");
    assert_string_equal(a.ifname, "eth0");
    assert_int_equal(in_ns(sa.netns_fd, read_names, names), 0);
    assert_string_equal(names, "lo eth0 ");

    server = bound_socket(sb.netns_fd, SOCK_DGRAM, 5000);
    assert_int_equal(udp_passes(sa.netns_fd, b.ip, 5000, server, from, 2000), 1);
    assert_string_equal(from, a.ip); /* not masqueraded */
    close(server);

    host = bound_socket(f->host_ns, SOCK_STREAM, 5001);
    assert_int_equal(tcp_connects(sa.netns_fd, "172.17.0.1", 5001), 0);
    close(host);
    host = bound_socket(sa.netns_fd, SOCK_STREAM, 5002);
    assert_int_equal(tcp_connects(f->host_ns, a.ip, 5002), 0);
    close(host);

    dv_sandbox_done(&sa);
    dv_sandbox_done(&sb);
    assert_true(links_become("vtest", 0));
    dv_endpoint_leave(f->net, a.id, -1);
}

static void masquerades_and_keeps_outsiders_out(void **state)
{
    struct fixture *f = *state;
    struct dv_endpoint_view a = create(f, "a", "bridge", NULL);
    struct dv_sandbox sa = sandbox(f), out = sandbox(f);
    struct dv_if_setup route = { .ifindex = 2, .name = "out1", .gateway = 0x0a630001 };
    struct dv_error err = { 0 };
    char from[16] = "";
    int server, inside;

    join(f, &a, &sa);
    make_veth(f, "out0", "10.99.0.1", "out1", "10.99.0.2", &out);
    server = bound_socket(out.netns_fd, SOCK_DGRAM, 5000);
    assert_int_equal(udp_passes(sa.netns_fd, "10.99.0.2", 5000, server, from, 2000), 1);
    assert_string_equal(from, "10.99.0.1");
    /* The other machine routes to the container's address by way of us: no port is published. */
    ok(dv_rtnl_setup(out.rtnl_fd, &route, &err), &err);
    inside = bound_socket(sa.netns_fd, SOCK_DGRAM, 5003);
    assert_int_equal(udp_passes(out.netns_fd, a.ip, 5003, inside, from, 200), 0);
    close(inside);
    close(server);
    dv_sandbox_done(&sa);
    dv_sandbox_done(&out);
    assert_true(links_become("out", 0));
}

static void hands_out_wished_addresses_and_names(void **state)
{
    struct fixture *f = *state;
    struct dv_endpoint_view a = create(f, "a", "bridge", "172.17.0.9"), b, *list;
    struct dv_endpoint_req req = { .network = "bridge", .container_id = "b", .ip = "172.17.0.9" };
    struct dv_error err = { 0 };

    assert_string_equal(a.ip, "172.17.0.9");
    assert_int_equal(dv_endpoint_create(f->net, &req, &b, &err), -DV_E_CONFLICT);
    assert_non_null(strstr(err.msg, "Address already in use"));
    req.ip = "10.0.0.1";
    assert_int_equal(dv_endpoint_create(f->net, &req, &b, &err), -DV_E_INVALID);
    req.ip = "x";
    assert_int_equal(dv_endpoint_create(f->net, &req, &b, &err), -DV_E_INVALID);
    req.ip = NULL;
    req.mac = "0a:00:00:00:00:01";
    dv_error_clear(&err);
    ok(dv_endpoint_create(f->net, &req, &b, &err), &err);
    assert_string_equal(b.mac, "0a:00:00:00:00:01");
    req.network = "none";
    req.mac = NULL;
    ok(dv_endpoint_create(f->net, &req, &b, &err), &err);
    assert_string_equal(b.ip, "");

    assert_int_equal(dv_endpoint_list(f->net, "b", &list), 2);
    assert_string_equal(list[0].network_name, "bridge");
    assert_string_equal(list[1].network_name, "none");
    free(list);
    /* Kept over a restart, and the address with them. */
    close_net(f);
    open_net(f, all_drivers);
    req = (struct dv_endpoint_req){ .network = "bridge", .container_id = "c", .ip = a.ip };
    assert_int_equal(dv_endpoint_create(f->net, &req, &b, &err), -DV_E_CONFLICT);
    dv_error_clear(&err);
    ok(dv_endpoint_remove(f->net, a.id, &err), &err);
    ok(dv_endpoint_remove(f->net, a.id, &err), &err); /* gone already */
    ok(dv_endpoint_create(f->net, &req, &b, &err), &err);
}

static void joins_and_leaves_a_running_sandbox(void **state)
{
    struct fixture *f = *state;
    struct dv_endpoint_view a = create(f, "a", "bridge", NULL), b;
    struct dv_sandbox sa = sandbox(f), foreign;
    char names[256];

    join(f, &a, &sa);
    join(f, &a, &sa); /* replayed: the wished state holds */
    assert_int_equal(count_links("vtest"), 1);
    /* As a running container's: only the namespace is known. */
    foreign = (struct dv_sandbox){ dup(sa.netns_fd), -1 };
    b = create(f, "a", "bridge", NULL);
    join(f, &b, &foreign);
    assert_string_equal(b.ifname, "eth1");
    assert_int_equal(in_ns(sa.netns_fd, read_names, names), 0);
    assert_string_equal(names, "lo eth0 eth1 ");
    dv_endpoint_leave(f->net, b.id, foreign.netns_fd);
    assert_int_equal(in_ns(sa.netns_fd, read_names, names), 0);
    assert_string_equal(names, "lo eth0 ");
    dv_sandbox_done(&foreign);

    /* A restart of the container, its last namespace not yet gone. */
    foreign = sandbox(f);
    join(f, &a, &foreign);
    assert_int_equal(count_links("vtest"), 2);
    dv_sandbox_done(&foreign);
    dv_sandbox_done(&sa);
    assert_true(links_become("vtest", 0));
}

static void recovery_keeps_the_named_and_removes_the_rest(void **state)
{
    struct fixture *f = *state;
    struct dv_endpoint_view a = create(f, "a", "bridge", NULL), b = create(f, "b", "bridge", NULL);
    struct dv_sandbox sa = sandbox(f), sb = sandbox(f);
    struct dv_error err = { 0 };
    char from[16] = "";
    int server;

    join(f, &a, &sa);
    join(f, &b, &sb);
    ok(dv_db_exec(f->db, &err, "DELETE FROM endpoints WHERE id = ?", "s", b.id), &err);
    close_net(f);
    assert_int_equal(count_links("vtest"), 2); /* closing touches nothing */
    assert_true(table_present());

    open_net(f, all_drivers);
    assert_int_equal(count_links("vtest"), 1);
    assert_int_equal(count_links(BRIDGE), 1);
    server = bound_socket(f->host_ns, SOCK_DGRAM, 5000);
    assert_int_equal(udp_passes(sa.netns_fd, "172.17.0.1", 5000, server, from, 2000), 1);
    assert_string_equal(from, a.ip);
    close(server);
    dv_sandbox_done(&sa);
    dv_sandbox_done(&sb);
}

static void a_fresh_database_removes_nothing(void **state)
{
    struct fixture *f = *state;
    struct dv_endpoint_view a = create(f, "a", "bridge", NULL);
    struct dv_sandbox sa = sandbox(f);

    join(f, &a, &sa);
    close_net(f);
    assert_int_equal(unlink(f->db_path), 0);
    open_net(f, all_drivers);
    assert_int_equal(count_links("vtest"), 1);
    dv_sandbox_done(&sa);
}

static void reconciliation_removes_endpoints_of_no_container(void **state)
{
    struct fixture *f = *state;
    dv_autostrv known = { 0 };
    struct dv_endpoint_view *list;
    struct dv_net_view view;
    struct dv_error err = { 0 };

    create(f, "a", "bridge", NULL);
    create(f, "b", "bridge", NULL);
    create(f, "b", "none", NULL);
    assert_int_equal(dv_strv_add(&known, "a"), 0);
    dv_net_reconcile(f->net, &known);
    assert_int_equal(dv_endpoint_list(f->net, "b", &list), 0);
    free(list);
    assert_int_equal(dv_endpoint_list(f->net, "a", &list), 1);
    free(list);
    ok(dv_net_find(f->net, "bridge", &view, &err), &err);
    assert_int_equal(view.n_endpoints, 1);
}

static void leaves_others_bridges_alone(void **state)
{
    struct fixture *f = *state;
    struct dv_error err = { 0 };
    struct dv_endpoint_view a;
    struct dv_sandbox sa, other = sandbox(f);
    struct ifinfomsg body = { 0 };
    struct dv_nl_batch batch;

    dv_net_teardown(f->net);
    assert_int_equal(count_links(BRIDGE), 0);
    close_net(f);
    make_veth(f, BRIDGE, "10.98.0.1", "x", "10.98.0.2", &other); /* somebody's, of that name */
    open_net(f, all_drivers);
    a = create(f, "a", "bridge", NULL);
    sa = sandbox(f);
    assert_int_equal(dv_endpoint_join(f->net, a.id, &sa, &a, &err), -DV_E_CONFLICT);
    assert_non_null(strstr(err.msg, "not this engine's"));
    dv_net_teardown(f->net);
    assert_int_equal(count_links(BRIDGE), 1);

    /* Once it is gone the next join makes ours. */
    dv_nl_init(&batch);
    body.ifi_index = (int)if_nametoindex(BRIDGE);
    dv_nl_msg(&batch, "delete", 0, RTM_DELLINK, 0, &body, sizeof(body));
    dv_error_clear(&err);
    ok(dv_nl_run(f->rtnl_fd, &batch, &err), &err);
    assert_false(table_present());
    join(f, &a, &sa);
    assert_true(table_present()); /* it names the late network */
    dv_sandbox_done(&sa);
    dv_sandbox_done(&other);
}

static void opens_without_a_driver(void **state)
{
    static const char *const some[] = { "none", NULL };
    struct fixture *f = *state;
    struct dv_error err = { 0 };
    struct dv_endpoint_view a;
    struct dv_sandbox sa;

    close_net(f);
    open_net(f, some);
    a = create(f, "a", "bridge", NULL);
    sa = sandbox(f);
    assert_true(dv_endpoint_join(f->net, a.id, &sa, &a, &err) < 0);
    assert_non_null(strstr(err.msg, "network 'bridge'"));
    dv_error_clear(&err);
    ok(dv_endpoint_remove(f->net, a.id, &err), &err);
    a = create(f, "b", "none", NULL);
    join(f, &a, &sa);
    assert_string_equal(a.ifname, "");
    dv_sandbox_done(&sa);
}

/* The rules alone, with two veth ends for the host sides of two networks. */
static void isolates_networks(void **state)
{
    static const struct {
        uint32_t policy_a, policy_b;
        int passes;
    } cases[] = {
        { DV_NET_FORWARD | DV_NET_ISOLATE, DV_NET_FORWARD | DV_NET_ISOLATE, 0 },
        { DV_NET_FORWARD | DV_NET_ISOLATE, DV_NET_FORWARD, 1 },
        { DV_NET_FORWARD, DV_NET_FORWARD, 1 },
        { 0, DV_NET_FORWARD, 0 }, /* internal */
        { DV_NET_FORWARD, 0, 0 },
    };
    struct dv_if_setup route_a = { .ifindex = 2, .name = "pa", .gateway = 0x0a010001 };
    struct dv_if_setup route_b = { .ifindex = 2, .name = "pb", .gateway = 0x0a020001 };
    struct dv_fw_net nets[2] = { { .ifname = "na", .subnet = { 0x0a010000, 24 } },
                                 { .ifname = "nb", .subnet = { 0x0a020000, 24 } } };
    struct fixture *f = *state;
    struct dv_sandbox a = sandbox(f), b = sandbox(f);
    struct dv_firewall *fw;
    struct dv_error err = { 0 };
    char from[16];
    int server;

    make_veth(f, "na", "10.1.0.1", "pa", "10.1.0.2", &a);
    make_veth(f, "nb", "10.2.0.1", "pb", "10.2.0.2", &b);
    ok(dv_rtnl_setup(a.rtnl_fd, &route_a, &err), &err);
    ok(dv_rtnl_setup(b.rtnl_fd, &route_b, &err), &err);
    ok(dv_firewall_new("davit-two", &fw, &err), &err);
    for (size_t i = 0; i < N(cases); i++) {
        nets[0].policy = cases[i].policy_a;
        nets[1].policy = cases[i].policy_b;
        ok(dv_firewall_install(fw, nets, 2, &err), &err);
        server = bound_socket(b.netns_fd, SOCK_DGRAM, 5000);
        if (udp_passes(a.netns_fd, "10.2.0.2", 5000, server, from,
                       cases[i].passes ? 2000 : 150) != cases[i].passes)
            fail_msg("case %zu", i);
        close(server);
    }
    ok(dv_firewall_remove(fw, &err), &err);
    ok(dv_firewall_remove(fw, &err), &err); /* gone already */
    dv_firewall_free(fw);
    dv_sandbox_done(&a);
    dv_sandbox_done(&b);
}

/* Another process of the same name: refused, or at least replaced; never both. */
static void tells_of_a_table_that_another_owns(void **state)
{
    struct fixture *f = *state;
    struct dv_firewall *fw;
    struct dv_error err = { 0 };

    (void)f;
    ok(dv_firewall_new(TABLE, &fw, &err), &err);
    if (dv_firewall_install(fw, NULL, 0, &err) < 0) {
        assert_int_equal(err.code, DV_E_CONFLICT);
        assert_non_null(strstr(err.msg, "network.nft_table"));
    } else {
        assert_false(dv_firewall_is_owned(fw)); /* a kernel without OWNER and PERSIST */
    }
    dv_firewall_free(fw);
    assert_true(table_present());
}

/* By the kernel where it protects the table, by us where it does not. */
static void the_table_survives_a_flush(void **state)
{
    struct dv_firewall *fw;
    struct dv_error err = { 0 };

    (void)state;
    ok(dv_firewall_new(TABLE, &fw, &err), &err);
    (void)!dv_firewall_remove(fw, &err); /* as another program would; EPERM with OWNER */
    dv_firewall_free(fw);
    for (int i = 0; i < 100 && !table_present(); i++)
        usleep(10000);
    assert_true(table_present());
}

static void teardown_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct dv_endpoint_view a = create(f, "a", "bridge", NULL);
    struct dv_sandbox sa = sandbox(f);
    char names[256];

    join(f, &a, &sa);
    assert_true(table_present());
    dv_net_teardown(f->net);
    assert_false(table_present());
    assert_int_equal(read_names(names), 0);
    assert_string_equal(names, "lo ");
    dv_sandbox_done(&sa);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The figures are reported, not judged; the end of the bridge is. */
static void fills_a_bridge_and_says_so(void **state)
{
    enum { PORTS = 1023 };
    struct fixture *f = *state;
    static struct dv_sandbox boxes[PORTS + 1];
    static uint64_t ns[PORTS];
    struct dv_endpoint_view view;
    struct dv_error err = { 0 };
    uint64_t first, last;
    char name[16];

    for (int i = 0; i <= PORTS; i++) {
        uint64_t start;
        int r;

        boxes[i] = sandbox(f);
        snprintf(name, sizeof(name), "c%d", i);
        view = create(f, name, "bridge", NULL);
        start = dv_mono_ns();
        r = dv_endpoint_join(f->net, view.id, &boxes[i], &view, &err);
        if (i < PORTS)
            ok(r, &err);
        else
            assert_int_equal(r, -DV_E_NO_SPACE);
        if (i < PORTS)
            ns[i] = dv_mono_ns() - start;
    }
    assert_non_null(strstr(err.msg, "bridge '" BRIDGE "' is full"));
    qsort(ns, 100, sizeof(*ns), by_value);
    first = ns[50];
    qsort(ns + PORTS - 100, 100, sizeof(*ns), by_value);
    last = ns[PORTS - 50];
    print_message("join: median of the first 100 %llu us, of the last 100 of %d %llu us\n",
                  (unsigned long long)first / 1000, PORTS, (unsigned long long)last / 1000);
    for (int i = 0; i <= PORTS; i++)
        dv_sandbox_done(&boxes[i]);
    assert_true(links_become("vtest", 0));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(creates_the_default_networks),
        TEST(avoids_subnets_of_the_host),
        TEST(two_sandboxes_and_the_host_talk),
        TEST(masquerades_and_keeps_outsiders_out),
        TEST(hands_out_wished_addresses_and_names),
        TEST(joins_and_leaves_a_running_sandbox),
        TEST(recovery_keeps_the_named_and_removes_the_rest),
        TEST(a_fresh_database_removes_nothing),
        TEST(reconciliation_removes_endpoints_of_no_container),
        TEST(leaves_others_bridges_alone),
        TEST(opens_without_a_driver),
        TEST(isolates_networks),
        TEST(tells_of_a_table_that_another_owns),
        TEST(the_table_survives_a_flush),
        TEST(teardown_leaves_nothing),
        TEST(fills_a_bridge_and_says_so),
    };

    if (unshare(CLONE_NEWNS) < 0) {
        fprintf(stderr, "skipped: mount and network namespaces need root: %s\n", strerror(errno));
        return 77;
    }
    /* The loader refuses drivers below a directory that others may write, as a build directory in
     * /tmp is. Here, for this process alone, the drivers just built lie where it trusts. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount(TEST_PLUGIN_DIR, PLUGIN_DIR, NULL, MS_BIND, NULL) < 0) {
        fprintf(stderr, "bind %s to %s: %s\n", TEST_PLUGIN_DIR, PLUGIN_DIR, strerror(errno));
        return 1;
    }
    dv_log_set_level(DV_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* etc_files.c - /etc/hosts, hostname and resolv.conf of a container, as Docker makes them. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/container/internal.h"
#include "core/container/spec_parts.h"
#include "core/daemon/engine.h"
#include "core/network/network.h"

enum { ETC_MAX_BYTES = 1 << 20 };

static const char hosts_head[] = "127.0.0.1\tlocalhost\n"
                                 "::1\tlocalhost ip6-localhost ip6-loopback\n"
                                 "fe00::\tip6-localnet\n"
                                 "ff00::\tip6-mcastprefix\n"
                                 "ff02::1\tip6-allnodes\n"
                                 "ff02::2\tip6-allrouters\n";

static bool is_mode(const char *mode, const char *word)
{
    return mode && dv_streq(mode, word);
}

/* The host's address as containers of this network reach it: for --add-host x:host-gateway. */
static const char *host_gateway(const struct dv_endpoint_view *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].gateway[0])
            return list[i].gateway;
    return NULL;
}

static int put_extra(struct dv_buf *out, const struct dv_strv *extra, const char *gateway,
                     struct dv_error *err)
{
    int r = 0;

    for (size_t i = 0; i < extra->n && r == 0; i++) {
        const char *entry = extra->items[i];
        const char *sep = strpbrk(entry, ":=");
        const char *ip = sep ? sep + 1 : "";

        if (!sep)
            return dv_fail(err, DV_E_INVALID, "bad format for add-host: \"%s\"", entry);
        if (dv_streq(ip, "host-gateway")) {
            if (!gateway)
                return dv_fail(err, DV_E_INVALID,
                               "unable to derive the IP value for host-gateway");
            ip = gateway;
        }
        r = dv_buf_printf(out, err, "%s\t%.*s\n", ip, (int)(sep - entry), entry);
    }
    return r;
}

static int build_hosts(struct dv_container *c, const struct dv_endpoint_view *list, size_t n,
                       struct dv_buf *out, struct dv_error *err)
{
    dv_autofree char *hostname = dv_spec_hostname(c);
    const char *domain = c->config->domainname;
    int r;

    if (!hostname)
        return dv_fail(err, DV_E_NO_MEMORY, "write /etc/hosts");
    r = dv_buf_puts(out, hosts_head, err);
    if (r == 0)
        r = put_extra(out, &c->config->extra_hosts, host_gateway(list, n), err);
    for (size_t i = 0; i < n && r == 0; i++) {
        if (!list[i].ip[0])
            continue;
        if (dv_empty(domain))
            r = dv_buf_printf(out, err, "%s\t%s\n", list[i].ip, hostname);
        else
            r = dv_buf_printf(out, err, "%s\t%s.%s %s\n", list[i].ip, hostname, domain, hostname);
    }
    return r;
}

/* Nameservers of the host's file that a container cannot reach are left out: its loopback is its
 * own. Without any left, Docker's public ones. */
static bool is_loopback_server(const char *line)
{
    const char *address = line + strlen("nameserver");

    address += strspn(address, " \t");
    return dv_starts(address, "127.") || strncmp(address, "::1", 3) == 0;
}

static int filter_host_resolv(const char *text, struct dv_buf *out, struct dv_error *err)
{
    dv_autostrv lines = { 0 };
    bool any = false;
    int r = 0;

    if (dv_strv_split(&lines, text, '\n') < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "read resolv.conf");
    for (size_t i = 0; i < lines.n && r == 0; i++) {
        const char *line = lines.items[i];
        bool server = dv_starts(line, "nameserver");

        if (server && is_loopback_server(line))
            continue;
        any = any || server;
        if (*line)
            r = dv_buf_printf(out, err, "%s\n", line);
    }
    if (r == 0 && !any)
        r = dv_buf_puts(out, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n", err);
    return r;
}

/* systemd-resolved keeps the real servers in a file of its own. */
static int read_host_resolv(char **ret, struct dv_error *err)
{
    struct dv_error ignored = { 0 };
    char target[256];
    ssize_t n = readlink("/etc/resolv.conf", target, sizeof(target) - 1);

    target[n > 0 ? n : 0] = '\0';
    if (strstr(target, "stub-resolv.conf") &&
        dv_read_file(AT_FDCWD, "/run/systemd/resolve/resolv.conf", ETC_MAX_BYTES, ret, NULL,
                     &ignored) == 0)
        return 0;
    dv_autoclose int fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        *ret = dv_strdup("");
        return *ret ? 0 : dv_fail(err, DV_E_NO_MEMORY, "read resolv.conf");
    }
    return dv_read_fd(fd, ETC_MAX_BYTES, ret, NULL, err);
}

static int put_words(struct dv_buf *out, const char *keyword, const struct dv_strv *words,
                     struct dv_error *err)
{
    int r = dv_buf_puts(out, keyword, err);

    for (size_t i = 0; i < words->n && r == 0; i++)
        r = dv_buf_printf(out, err, " %s", words->items[i]);
    return r == 0 ? dv_buf_puts(out, "\n", err) : r;
}

static int keep_lines(struct dv_buf *out, const char *text, const struct dv_container_config *config,
                      struct dv_error *err)
{
    dv_autostrv lines = { 0 };
    int r = 0;

    if (dv_strv_split(&lines, text, '\n') < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "read resolv.conf");
    for (size_t i = 0; i < lines.n && r == 0; i++) {
        const char *line = lines.items[i];

        if (!*line || (config->dns.n && dv_starts(line, "nameserver")) ||
            (config->dns_search.n && (dv_starts(line, "search") || dv_starts(line, "domain"))) ||
            (config->dns_options.n && dv_starts(line, "options")))
            continue;
        r = dv_buf_printf(out, err, "%s\n", line);
    }
    return r;
}

static int build_resolv(const struct dv_container *c, struct dv_buf *out, struct dv_error *err)
{
    const struct dv_container_config *config = c->config;
    dv_autobuf host = DV_BUF_INIT(2 * ETC_MAX_BYTES, "resolv.conf");
    dv_autofree char *text = NULL;
    int r = read_host_resolv(&text, err);

    if (r == 0 && is_mode(config->network_mode, "host"))
        r = dv_buf_puts(&host, text, err);
    else if (r == 0)
        r = filter_host_resolv(text, &host, err);
    for (size_t i = 0; i < config->dns.n && r == 0; i++)
        r = dv_buf_printf(out, err, "nameserver %s\n", config->dns.items[i]);
    if (r == 0)
        r = keep_lines(out, host.data ? host.data : "", config, err);
    /* --dns-search . means none at all */
    if (r == 0 && config->dns_search.n && !dv_streq(config->dns_search.items[0], "."))
        r = put_words(out, "search", &config->dns_search, err);
    if (r == 0 && config->dns_options.n)
        r = put_words(out, "options", &config->dns_options, err);
    return r;
}

static int write_one(int dir_fd, const char *name, const struct dv_buf *text, struct dv_error *err)
{
    /* Rewritten in place at each start: a running container has the file mounted, a stopped one has
     * no reader. */
    dv_autoclose int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                                 0644);

    if (fd < 0 || dv_write_all(fd, text->data ? text->data : "", text->len) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "write the container's %s", name);
    return 0;
}

static int copy_hosts_of_host(struct dv_buf *out, struct dv_error *err)
{
    dv_autofree char *text = NULL;
    dv_autoclose int fd = open("/etc/hosts", O_RDONLY | O_CLOEXEC);
    int r;

    if (fd < 0)
        return dv_buf_puts(out, hosts_head, err);
    r = dv_read_fd(fd, ETC_MAX_BYTES, &text, NULL, err);
    return r < 0 ? r : dv_buf_puts(out, text, err);
}

static int write_hosts(struct dv_container *c, int dir_fd, struct dv_error *err)
{
    dv_autobuf out = DV_BUF_INIT(4 * ETC_MAX_BYTES, "hosts");
    struct dv_endpoint_view *list = NULL;
    size_t n = dv_endpoint_list(c->cs->engine->net, c->id, &list);
    int r;

    if (is_mode(c->config->network_mode, "host")) {
        r = copy_hosts_of_host(&out, err);
        if (r == 0)
            r = put_extra(&out, &c->config->extra_hosts, "127.0.0.1", err);
    } else {
        r = build_hosts(c, list, n, &out, err);
    }
    free(list);
    return r < 0 ? r : write_one(dir_fd, "hosts", &out, err);
}

static int write_all(struct dv_container *c, int dir_fd, struct dv_error *err)
{
    dv_autobuf hostname = DV_BUF_INIT(1024, "hostname");
    dv_autobuf resolv = DV_BUF_INIT(4 * ETC_MAX_BYTES, "resolv.conf");
    dv_autofree char *name = dv_spec_hostname(c);
    int r;

    if (!name)
        return dv_fail(err, DV_E_NO_MEMORY, "write the container's hostname");
    r = dv_buf_printf(&hostname, err, "%s\n", name);
    if (r == 0)
        r = write_one(dir_fd, "hostname", &hostname, err);
    if (r == 0)
        r = write_hosts(c, dir_fd, err);
    if (r == 0)
        r = build_resolv(c, &resolv, err);
    return r < 0 ? r : write_one(dir_fd, "resolv.conf", &resolv, err);
}

int dv_etc_files_write(struct dv_container *c, int dir_fd, struct dv_error *err)
{
    struct dv_container *owner = dv_container_net_owner(c);
    int r = owner == c ? write_all(c, dir_fd, err) : 0;

    dv_container_unref(owner);
    return r;
}

/* info.c - GET /info: what this daemon and its host are and can do. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "core/api/build.h"
#include "core/api/handlers.h"
#include "core/api/request.h"
#include "core/base/file.h"
#include "core/base/time.h"
#include "core/container/container.h"
#include "core/daemon/engine.h"
#include "core/image/image.h"
#include "core/network/network.h"
#include "core/plugin/drivers.h"
#include "core/runtime/cgroup.h"

enum { OS_RELEASE_MAX = 64 << 10 };

/* A value of /etc/os-release, without its quotes. */
static void os_release(const char *key, char *out, size_t size)
{
    dv_autofree char *text = NULL;
    dv_autostrv lines = { 0 };
    struct dv_error err = { 0 };
    dv_autoclose int fd = open("/etc/os-release", O_RDONLY | O_CLOEXEC);
    size_t n = strlen(key);

    snprintf(out, size, "%s", dv_streq(key, "PRETTY_NAME") ? "Linux" : "");
    if (fd < 0 || dv_read_fd(fd, OS_RELEASE_MAX, &text, NULL, &err) < 0 ||
        dv_strv_split(&lines, text, '\n') < 0)
        return;
    for (size_t i = 0; i < lines.n; i++) {
        const char *value = lines.items[i] + n + 1;
        size_t len;

        if (strncmp(lines.items[i], key, n) != 0 || lines.items[i][n] != '=')
            continue;
        value += *value == '"' || *value == '\'';
        len = strcspn(value, "\"'");
        snprintf(out, size, "%.*s", (int)len, value);
    }
}

static bool reads_one(const char *path)
{
    dv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    char c = '0';

    return fd >= 0 && read(fd, &c, 1) == 1 && c == '1';
}

static int64_t count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int64_t n = -3; /* ".", "..", and the directory's own */

    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n > 0 ? n : 0;
}

static void put_counts(json_object *obj, struct dv_engine *engine)
{
    struct dv_container_counts counts = { 0 };
    struct dv_image **images = NULL;
    size_t n_images = dv_image_list(engine->images, &images);

    for (size_t i = 0; i < n_images; i++)
        dv_image_free(images[i]);
    free(images);
    dv_containers_count(engine->containers, &counts);
    dv_put_str(obj, "ID", engine->id);
    dv_put_int(obj, "Containers", (int64_t)counts.total);
    dv_put_int(obj, "ContainersRunning", (int64_t)counts.running);
    dv_put_int(obj, "ContainersPaused", (int64_t)counts.paused);
    dv_put_int(obj, "ContainersStopped", (int64_t)counts.stopped);
    dv_put_int(obj, "Images", (int64_t)n_images);
}

static json_object *pair(const char *key, const char *value)
{
    json_object *list = json_object_new_array();

    json_object_array_add(list, json_object_new_string(key));
    json_object_array_add(list, json_object_new_string(value ? value : ""));
    return list;
}

static void put_storage(json_object *obj, struct dv_engine *engine)
{
    dv_autostrv keys = { 0 }, values = { 0 };
    json_object *status = json_object_new_array();

    dv_images_driver_status(engine->images, &keys, &values);
    for (size_t i = 0; i < keys.n && i < values.n; i++)
        json_object_array_add(status, pair(keys.items[i], values.items[i]));
    dv_put_str(obj, "Driver", engine->storage_driver);
    dv_put(obj, "DriverStatus", status);
    dv_put_str(obj, "DockerRootDir", engine->config.root);
}

static void put_plugins(json_object *obj, struct dv_engine *engine)
{
    json_object *plugins = json_object_new_object(), *networks = json_object_new_array();
    json_object *logs = json_object_new_array(), *volumes = json_object_new_array();

    for (size_t i = 0; i < dv_drivers_count(engine->drivers); i++) {
        struct dv_driver_info info = { 0 };

        dv_drivers_info(engine->drivers, i, &info);
        if (info.kind == DV_KIND_NETWORK && info.state == DV_DRIVER_ACTIVE)
            json_object_array_add(networks,
                                  json_object_new_string(dv_net_shown_driver(info.name)));
    }
    json_object_array_add(logs, json_object_new_string("json-file"));
    json_object_array_add(logs, json_object_new_string("none"));
    json_object_array_add(volumes, json_object_new_string("local"));
    dv_put(plugins, "Volume", volumes);
    dv_put(plugins, "Network", networks);
    dv_put(plugins, "Authorization", NULL);
    dv_put(plugins, "Log", logs);
    dv_put(obj, "Plugins", plugins);
}

static void put_limits(json_object *obj, const struct dv_cgroups *cg)
{
    bool v1 = dv_cgroups_mode(cg) == DV_CGROUP_V1;
    bool memory = dv_cgroups_has(cg, "memory"), cpu = dv_cgroups_has(cg, "cpu");

    dv_put_bool(obj, "MemoryLimit", memory);
    dv_put_bool(obj, "SwapLimit",
                memory && (!v1 || access("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes",
                                         F_OK) == 0));
    dv_put_bool(obj, "CpuCfsPeriod", cpu);
    dv_put_bool(obj, "CpuCfsQuota", cpu);
    dv_put_bool(obj, "CPUShares", cpu);
    dv_put_bool(obj, "CPUSet", dv_cgroups_has(cg, "cpuset"));
    dv_put_bool(obj, "PidsLimit", dv_cgroups_has(cg, "pids"));
    dv_put_bool(obj, "OomKillDisable", memory && v1);
    dv_put_bool(obj, "IPv4Forwarding", reads_one("/proc/sys/net/ipv4/ip_forward"));
}

/* A member more, where the request's version of the API has it. */
static json_object *registry_json(unsigned version)
{
    json_object *registry = dv_json_text_or_null(
        "{\"InsecureRegistryCIDRs\":[\"127.0.0.0/8\"],\"Mirrors\":[],\"IndexConfigs\":{"
        "\"docker.io\":{\"Name\":\"docker.io\",\"Mirrors\":[],\"Secure\":true,\"Official\":true}}}");

    if (version < 47) {
        dv_put(registry, "AllowNondistributableArtifactsCIDRs", json_object_new_array());
        dv_put(registry, "AllowNondistributableArtifactsHostnames", json_object_new_array());
    }
    return registry;
}

static void put_firewall(json_object *obj, struct dv_engine *engine, unsigned version)
{
    json_object *firewall, *details;

    if (version < 50) { /* Docker 28.1 shows them no more */
        dv_put_bool(obj, "BridgeNfIptables",
                    reads_one("/proc/sys/net/bridge/bridge-nf-call-iptables"));
        dv_put_bool(obj, "BridgeNfIp6tables",
                    reads_one("/proc/sys/net/bridge/bridge-nf-call-ip6tables"));
    }
    if (version < 49)
        return;
    firewall = json_object_new_object();
    details = json_object_new_array();
    json_object_array_add(details, pair("Table", engine->config.nft_table));
    dv_put_str(firewall, "Driver", "nftables");
    dv_put(firewall, "Info", details);
    dv_put(obj, "FirewallBackend", firewall);
}

static void put_host(json_object *obj, struct dv_engine *engine, unsigned version)
{
    struct utsname host;
    struct sysinfo memory = { 0 };
    char name[256], release[64];

    uname(&host);
    sysinfo(&memory);
    os_release("PRETTY_NAME", name, sizeof(name));
    os_release("VERSION_ID", release, sizeof(release));
    dv_put_bool(obj, "Debug", false);
    dv_put_int(obj, "NFd", count_fds());
    dv_put_int(obj, "NGoroutines", 0);
    dv_put_time(obj, "SystemTime", dv_now_ns());
    dv_put_str(obj, "LoggingDriver", "json-file");
    dv_put_str(obj, "CgroupDriver", "cgroupfs");
    dv_put_str(obj, "CgroupVersion",
               dv_cgroups_mode(engine->cgroups) == DV_CGROUP_V2 ? "2" : "1");
    dv_put_int(obj, "NEventsListener", 0);
    dv_put_str(obj, "KernelVersion", host.release);
    dv_put_str(obj, "OperatingSystem", name);
    dv_put_str(obj, "OSVersion", release);
    dv_put_str(obj, "OSType", "linux");
    dv_put_str(obj, "Architecture", host.machine);
    dv_put_int(obj, "NCPU", sysconf(_SC_NPROCESSORS_ONLN));
    dv_put_int(obj, "MemTotal", (int64_t)memory.totalram * memory.mem_unit);
    dv_put_str(obj, "IndexServerAddress", "https://index.docker.io/v1/");
    dv_put(obj, "RegistryConfig", registry_json(version));
    dv_put(obj, "GenericResources", NULL);
    dv_put_str(obj, "HttpProxy", "");
    dv_put_str(obj, "HttpsProxy", "");
    dv_put_str(obj, "NoProxy", "");
    dv_put_str(obj, "Name", host.nodename);
    dv_put(obj, "Labels", json_object_new_array());
    dv_put_bool(obj, "ExperimentalBuild", false);
    dv_put_str(obj, "ServerVersion", DAVIT_VERSION);
}

static void put_commit(json_object *obj, const char *key, unsigned version)
{
    json_object *commit = json_object_new_object();

    dv_put_str(commit, "ID", "");
    if (version < 49)
        dv_put_str(commit, "Expected", "");
    dv_put(obj, key, commit);
}

/* Clients before 1.25 know names only, without "name=" and what follows it. */
static json_object *security_json(struct dv_engine *engine, unsigned version)
{
    const char *seccomp = version < 25 ? "seccomp" : "name=seccomp,profile=builtin";
    const char *userns = version < 25 ? "userns" : "name=userns";
    const char *cgroupns = version < 25 ? "cgroupns" : "name=cgroupns";
    json_object *security = json_object_new_array();

    json_object_array_add(security, json_object_new_string(seccomp));
    if (!dv_empty(engine->config.userns_remap))
        json_object_array_add(security, json_object_new_string(userns));
    if (dv_cgroups_mode(engine->cgroups) == DV_CGROUP_V2)
        json_object_array_add(security, json_object_new_string(cgroupns));
    return security;
}

/* What was found at the start, and each driver that is not active or misbehaves. */
static json_object *warnings_json(struct dv_engine *engine)
{
    json_object *list = dv_json_strings(&engine->warnings);

    for (size_t i = 0; list && i < dv_drivers_count(engine->drivers); i++) {
        struct dv_driver_info info = { 0 };
        dv_autofree char *text = NULL;

        dv_drivers_info(engine->drivers, i, &info);
        if (info.state != DV_DRIVER_ACTIVE)
            text = dv_format("WARNING: %s driver '%s' is %s: %s", dv_kind_name(info.kind),
                             info.name, dv_driver_state_name(info.state), info.reason);
        else if (info.complaint[0])
            text = dv_format("WARNING: %s driver '%s' misbehaved: %s", dv_kind_name(info.kind),
                             info.name, info.complaint);
        if (text)
            json_object_array_add(list, json_object_new_string(text));
    }
    return list;
}

static void put_runtime(json_object *obj, struct dv_engine *engine, unsigned version)
{
    char logs[64];
    json_object *davit = json_object_new_object();

    dv_put(obj, "Runtimes", dv_json_text_or_null("{\"davit\":{\"path\":\"davit-shim\"}}"));
    dv_put_str(obj, "DefaultRuntime", "davit");
    dv_put(obj, "Swarm", dv_json_text_or_null(
        "{\"NodeID\":\"\",\"NodeAddr\":\"\",\"LocalNodeState\":\"inactive\","
        "\"ControlAvailable\":false,\"Error\":\"\",\"RemoteManagers\":null}"));
    dv_put_bool(obj, "LiveRestoreEnabled", true);
    dv_put_str(obj, "Isolation", "");
    dv_put_str(obj, "InitBinary", "davit-init");
    put_commit(obj, "ContainerdCommit", version);
    put_commit(obj, "RuncCommit", version);
    put_commit(obj, "InitCommit", version);
    dv_put(obj, "SecurityOptions", security_json(engine, version));
    dv_put_str(obj, "ProductLicense", "");
    dv_put_list(obj, "Warnings", warnings_json(engine));
    if (version >= 44)
        dv_put(obj, "CDISpecDirs", json_object_new_array());
    /* What is davit's own: clients ignore a key that they do not know. */
    snprintf(logs, sizeof(logs), "%lld bytes x %lld files",
             (long long)engine->config.log_max_bytes, (long long)engine->config.log_max_files);
    dv_put_str(davit, "Instance", engine->config.instance);
    dv_put_bool(davit, "Favordynmods", engine->favordynmods_on);
    dv_put_str(davit, "LogRotation", logs);
    dv_put_str(davit, "NftTable", engine->config.nft_table);
    dv_put_str(davit, "CgroupParent", engine->config.cgroup_parent);
    dv_put_time(davit, "StartedAt", engine->started_ns);
    dv_put(obj, "Davit", davit);
}

int dv_api_info(struct dv_request *req, struct dv_error *err)
{
    struct dv_engine *engine = req->engine;
    json_object *obj = json_object_new_object();

    if (!obj)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the reply");
    put_counts(obj, engine);
    put_storage(obj, engine);
    put_plugins(obj, engine);
    put_limits(obj, engine->cgroups);
    put_firewall(obj, engine, req->version);
    put_host(obj, engine, req->version);
    put_runtime(obj, engine, req->version);
    dv_reply_json(req, 200, obj);
    return 0;
}

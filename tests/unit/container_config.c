/* container_config.c - tests of create requests: the table, the refusals, the documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/container/config_fields.h"

static struct dv_container_config *parse(const char *text, struct dv_strv *warnings,
                                         struct dv_error *err)
{
    dv_autojson json_object *body = NULL;
    dv_autostrv ignored = { 0 };
    struct dv_container_config *config = NULL;

    *err = (struct dv_error){ 0 };
    assert_int_equal(dv_json_parse(text, strlen(text), &body, err), 0);
    if (dv_container_config_parse(body, warnings ? warnings : &ignored, &config, err) < 0)
        return NULL;
    return config;
}

static struct dv_container_config *parse_ok(const char *text)
{
    struct dv_error err;
    struct dv_container_config *config = parse(text, NULL, &err);

    if (!config)
        fail_msg("%s: %s", text, err.msg);
    return config;
}

static void reads_a_plain_request(void **state)
{
    dv_auto(dv_container_config) *c = parse_ok(
        "{\"Image\":\"busybox\",\"cmd\":\"true\",\"Env\":[\"A=b\"],\"Entrypoint\":[],"
        "\"Labels\":{\"k\":\"v\"},\"ExposedPorts\":{\"80/tcp\":{}},\"Unknown\":{\"x\":1},"
        "\"HostConfig\":{\"Memory\":8388608,\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":1,\"Hard\":"
        "2}],"
        "\"Devices\":[{\"PathOnHost\":\"/dev/null\"}],\"NetworkMode\":\"default\","
        "\"BlkioDeviceReadBps\":[{\"Path\":\"/dev/sda\",\"Rate\":1024}],"
        "\"Sysctls\":{\"net.ipv4.ip_forward\":\"1\"},\"Init\":false,\"MemorySwappiness\":null},"
        "\"NetworkingConfig\":{\"EndpointsConfig\":{\"bridge\":{\"IPAMConfig\":"
        "{\"IPv4Address\":\"172.17.0.9\"},\"Aliases\":[\"x\"]}}}}");

    (void)state;
    assert_string_equal(c->image, "busybox");
    assert_true(c->cmd.present);
    assert_string_equal(c->cmd.v.items[0], "true");
    assert_true(c->entrypoint.present);
    assert_int_equal(c->entrypoint.v.n, 0);
    assert_string_equal(c->exposed_ports.items[0], "80/tcp");
    assert_string_equal(dv_json_map_get(&c->labels, "k"), "v");
    assert_int_equal(c->memory, 8388608);
    assert_int_equal(c->ulimits[0].hard, 2);
    assert_string_equal(c->devices[0].host, "/dev/null");
    assert_int_equal(c->read_bps[0].rate, 1024);
    assert_string_equal(c->network_mode, "bridge");
    assert_true(c->has_init);
    assert_false(c->init);
    assert_false(c->has_swappiness);
    assert_int_equal(c->n_endpoints, 1);
    assert_string_equal(c->endpoints[0].ip, "172.17.0.9");
    assert_string_equal(c->endpoints[0].aliases.items[0], "x");
    assert_string_equal(c->log_type, "json-file");
    assert_int_equal(c->shm_size, 64 << 20);
}

static const char *text_of(json_object *obj, const char *key)
{
    json_object *value = NULL;

    if (!json_object_object_get_ex(obj, key, &value))
        return "absent";
    return json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
                                                     JSON_C_TO_STRING_NOSLASHESCAPE);
}

static void shows_defaults_and_drops_unknown_keys(void **state)
{
    dv_auto(dv_container_config) *c = parse_ok(
        "{\"Image\":\"b\",\"Nonsense\":1,\"HostConfig\":{\"binds\":[\"/a:/b\"],\"Nonsense\":2,"
        "\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/t\",\"Nonsense\":3}]}}");
    dv_auto(dv_container_config) *p = parse_ok("{\"HostConfig\":{\"Privileged\":true}}");

    (void)state;
    assert_string_equal(text_of(c->config_json, "Image"), "\"b\"");
    assert_string_equal(text_of(c->config_json, "Nonsense"), "absent");
    assert_string_equal(text_of(c->config_json, "HostConfig"), "absent");
    assert_string_equal(text_of(c->config_json, "Cmd"), "null");
    assert_string_equal(text_of(c->config_json, "Labels"), "{}");
    assert_string_equal(text_of(c->config_json, "StopSignal"), "absent");
    assert_string_equal(text_of(c->host_config_json, "Binds"), "[\"/a:/b\"]");
    assert_string_equal(text_of(c->host_config_json, "Nonsense"), "absent");
    assert_string_equal(text_of(c->host_config_json, "Mounts"),
                        "[{\"Type\":\"tmpfs\",\"Target\":\"/t\"}]");
    assert_string_equal(text_of(c->host_config_json, "RestartPolicy"),
                        "{\"Name\":\"no\",\"MaximumRetryCount\":0}");
    assert_string_equal(text_of(c->host_config_json, "ShmSize"), "67108864");
    assert_string_equal(text_of(c->host_config_json, "NetworkMode"), "\"bridge\"");
    assert_string_equal(text_of(c->host_config_json, "ReadonlyPaths"),
                        "[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\","
                        "\"/proc/sysrq-trigger\"]");
    assert_string_equal(text_of(p->host_config_json, "MaskedPaths"), "null");
}

/* What is refused, and with which words. */
static const struct {
    const char *body;
    int code;
    const char *text;
} refusals[] = {
    {"{\"HostConfig\":{\"Memory\":\"1g\"}}", DV_E_INVALID,
     "HostConfig.Memory: expected number, found string"},
    {"{\"HostConfig\":{\"Memory\":1024}}", DV_E_INVALID, "Minimum memory limit allowed is 6MB"},
    {"{\"HostConfig\":{\"MemorySwap\":8388608}}", DV_E_INVALID,
     "You should always set the Memory limit when using Memoryswap limit"},
    {"{\"HostConfig\":{\"Memory\":16777216,\"MemorySwap\":8388608}}", DV_E_INVALID,
     "Minimum memoryswap limit should be larger than memory limit"},
    {"{\"HostConfig\":{\"NanoCpus\":1000000000,\"CpuQuota\":50000}}", DV_E_INVALID,
     "Conflicting options: Nano CPUs and CPU Quota cannot both be set."},
    {"{\"HostConfig\":{\"NanoCpus\":99999000000000}}", DV_E_INVALID,
     "range of CPUs is from 0.01 to"},
    {"{\"HostConfig\":{\"CpusetCpus\":\"0-,2\"}}", DV_E_INVALID,
     "Invalid value 0-,2 for cpuset cpus"},
    {"{\"HostConfig\":{\"BlkioWeight\":5}}", DV_E_INVALID,
     "range of blkio weight is from 10 to 1000"},
    {"{\"HostConfig\":{\"OomScoreAdj\":2000}}", DV_E_INVALID, "[-1000, 1000]"},
    {"{\"HostConfig\":{\"Ulimits\":[{\"Name\":\"x\"}]}}", DV_E_INVALID, "invalid ulimit type: x"},
    {"{\"HostConfig\":{\"Ulimits\":[{\"Name\":\"cpu\",\"Soft\":3,\"Hard\":1}]}}", DV_E_INVALID,
     "ulimit soft limit must be less than or equal to hard limit: 3 > 1"},
    {"{\"HostConfig\":{\"CapAdd\":[\"FLY\"]}}", DV_E_INVALID, "unknown capability: \"CAP_FLY\""},
    {"{\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"always\",\"MaximumRetryCount\":2}}}",
     DV_E_INVALID, "maximum retry count can only be used with 'on-failure'"},
    {"{\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"maybe\"}}}", DV_E_INVALID,
     "unknown policy 'maybe'"},
    {"{\"HostConfig\":{\"AutoRemove\":true,\"RestartPolicy\":{\"Name\":\"always\"}}}", DV_E_INVALID,
     "can't create 'AutoRemove' container with restart policy"},
    {"{\"HostConfig\":{\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"8080\"}]}}}", DV_E_UNSUPPORTED,
     "HostConfig.PortBindings: published ports are not supported yet"},
    {"{\"HostConfig\":{\"PublishAllPorts\":true}}", DV_E_UNSUPPORTED,
     "HostConfig.PublishAllPorts: published ports are not supported yet"},
    {"{\"HostConfig\":{\"Links\":[\"a:b\"]}}", DV_E_UNSUPPORTED, "HostConfig.Links"},
    {"{\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"]}}", DV_E_UNSUPPORTED,
     "Healthcheck: health checks are not supported yet"},
    {"{\"HostConfig\":{\"DeviceRequests\":[{\"Count\":-1}]}}", DV_E_UNSUPPORTED,
     "HostConfig.DeviceRequests"},
    {"{\"HostConfig\":{\"CpuCount\":2}}", DV_E_INVALID, "HostConfig.CpuCount"},
    {"{\"HostConfig\":{\"Isolation\":\"hyperv\"}}", DV_E_INVALID, "HostConfig.Isolation"},
    {"{\"HostConfig\":{\"LogConfig\":{\"Type\":\"syslog\"}}}", DV_E_UNSUPPORTED,
     "log driver 'syslog' is not supported yet"},
    {"{\"HostConfig\":{\"LogConfig\":{\"Config\":{\"max-size\":\"x\"}}}}", DV_E_INVALID,
     "invalid value for log opt max-size: 'x'"},
    {"{\"HostConfig\":{\"Runtime\":\"kata\"}}", DV_E_INVALID,
     "unknown or invalid runtime name: kata"},
    {"{\"HostConfig\":{\"SecurityOpt\":[\"seccomp={}\"]}}", DV_E_UNSUPPORTED, "seccomp"},
    {"{\"HostConfig\":{\"SecurityOpt\":[\"fly=1\"]}}", DV_E_INVALID,
     "invalid --security-opt: \"fly=1\""},
    {"{\"HostConfig\":{\"IpcMode\":\"x\"}}", DV_E_INVALID, "invalid IPC mode: x"},
    {"{\"HostConfig\":{\"UsernsMode\":\"auto\"}}", DV_E_INVALID, "invalid userns mode: auto"},
    {"{\"HostConfig\":{\"Sysctls\":{\"kernel.panic\":\"1\"}}}", DV_E_INVALID, "kernel.panic"},
    {"{\"HostConfig\":{\"DeviceCgroupRules\":[\"c 1:2\"]}}", DV_E_INVALID,
     "invalid device cgroup rule format: 'c 1:2'"},
    {"{\"HostConfig\":{\"ExtraHosts\":[\"nocolon\"]}}", DV_E_INVALID, "bad format for add-host"},
    {"{\"HostConfig\":{\"Binds\":[\"/a:/b:/c:/d\"]}}", DV_E_INVALID,
     "invalid volume specification: '/a:/b:/c:/d'"},
    {"{\"HostConfig\":{\"Binds\":[\"/a:b\"]}}", DV_E_INVALID, "mount path must be absolute"},
    {"{\"HostConfig\":{\"Binds\":[\"/a:/\"]}}", DV_E_INVALID, "destination can't be '/'"},
    {"{\"HostConfig\":{\"Binds\":[\"/a:/b:rx\"]}}", DV_E_INVALID, "invalid mode: rx"},
    {"{\"HostConfig\":{\"Binds\":[\"/a:/b:ro,rw\"]}}", DV_E_INVALID, "invalid mode: rw"},
    {"{\"HostConfig\":{\"Binds\":[\"/a:/b:nocopy\"]}}", DV_E_INVALID, "invalid mode: nocopy"},
    {"{\"HostConfig\":{\"Binds\":[\"data:/b:rshared\"]}}", DV_E_INVALID, "invalid mode: rshared"},
    {"{\"HostConfig\":{\"Binds\":[\"data:b\"]}}", DV_E_INVALID, "mount path must be absolute"},
    {"{\"HostConfig\":{\"Binds\":[\"/a:/b\",\"/c:/b/\"]}}", DV_E_INVALID,
     "Duplicate mount point: /b"},
    {"{\"HostConfig\":{\"Mounts\":[{\"Type\":\"bind\",\"Target\":\"/b\"}]}}", DV_E_INVALID,
     "field Source must not be empty"},
    {"{\"HostConfig\":{\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/no/such\",\"Target\":\"/"
     "b\"}]}}",
     DV_E_INVALID, "bind source path does not exist: /no/such"},
    {"{\"HostConfig\":{\"Mounts\":[{\"Type\":\"image\",\"Source\":\"i\",\"Target\":\"/b\"}]}}",
     DV_E_UNSUPPORTED, "mounts of type \"image\" are not supported yet"},
    {"{\"HostConfig\":{\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/b\",\"ReadOnly\":true}]}}",
     DV_E_INVALID, "must not set ReadOnly mode when using anonymous volumes"},
    {"{\"HostConfig\":{\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"v\",\"Target\":\"/b\","
     "\"BindOptions\":{\"Propagation\":\"shared\"}}]}}",
     DV_E_INVALID, "field BindOptions must not be specified"},
    {"{\"HostConfig\":{\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"v\",\"Target\":\"/b\","
     "\"VolumeOptions\":{\"Labels\":{\"a\":1}}}]}}",
     DV_E_INVALID, "VolumeOptions.Labels.a: expected string"},
    {"{\"HostConfig\":{\"Mounts\":[{\"Type\":\"fly\",\"Target\":\"/b\"}]}}", DV_E_INVALID,
     "mount type unknown"},
    {"{\"HostConfig\":{\"Tmpfs\":{\"/t\":\"fly\"}}}", DV_E_INVALID, "invalid tmpfs option"},
    {"{\"WorkingDir\":\"x\"}", DV_E_INVALID, "the working directory 'x' is invalid"},
    {"{\"Hostname\":\"a b\"}", DV_E_INVALID, "invalid hostname format: a b"},
    {"{\"Env\":[\"=x\"]}", DV_E_INVALID, "invalid environment variable: =x"},
    {"{\"StopSignal\":\"SIGFLY\"}", DV_E_INVALID, "invalid signal: SIGFLY"},
    {"{\"ExposedPorts\":{\"http\":{}}}", DV_E_INVALID, "invalid port specification: \"http\""},
    {"{\"NetworkingConfig\":{\"EndpointsConfig\":{\"n\":{\"DriverOpts\":{\"a\":\"b\"}}}}}",
     DV_E_UNSUPPORTED, "NetworkingConfig.EndpointsConfig.n.DriverOpts"},
    {"{\"HostConfig\":{\"UTSMode\":\"host\"},\"Hostname\":\"x\"}", DV_E_INVALID,
     "conflicting options: hostname and the UTS mode"},
    {"{\"HostConfig\":{\"NetworkMode\":\"container:x\"},\"Hostname\":\"x\"}", DV_E_INVALID,
     "conflicting options: hostname and the network mode"},
    {"[]", DV_E_INVALID, "config cannot be empty"},
};

static void refuses_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(refusals); i++) {
        struct dv_error err;
        struct dv_container_config *config = parse(refusals[i].body, NULL, &err);

        if (config)
            fail_msg("accepted: %s", refusals[i].body);
        if (err.code != refusals[i].code || !strstr(err.msg, refusals[i].text))
            fail_msg("%s\n gave %s: %s\n not %s", refusals[i].body, dv_code_name(err.code), err.msg,
                     refusals[i].text);
    }
}

/* What the docker CLI sends for `docker run busybox`. */
static const char cli_request[] =
    "{\"Hostname\":\"\",\"Domainname\":\"\",\"User\":\"\",\"AttachStdin\":false,\"AttachStdout\":"
    "true,"
    "\"AttachStderr\":true,\"Tty\":false,\"OpenStdin\":false,\"StdinOnce\":false,\"Env\":null,"
    "\"Cmd\":null,\"Image\":\"busybox\",\"Volumes\":{},\"WorkingDir\":\"\",\"Entrypoint\":null,"
    "\"OnBuild\":null,\"Labels\":{},\"HostConfig\":{\"Binds\":null,\"ContainerIDFile\":\"\","
    "\"LogConfig\":{\"Type\":\"\",\"Config\":{}},\"NetworkMode\":\"default\",\"PortBindings\":{},"
    "\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0},\"AutoRemove\":false,"
    "\"VolumeDriver\":\"\",\"VolumesFrom\":null,\"ConsoleSize\":[24,80],\"CapAdd\":null,"
    "\"CapDrop\":null,\"CgroupnsMode\":\"\",\"Dns\":[],\"DnsOptions\":[],\"DnsSearch\":[],"
    "\"ExtraHosts\":null,\"GroupAdd\":null,\"IpcMode\":\"\",\"Cgroup\":\"\",\"Links\":null,"
    "\"OomScoreAdj\":0,\"PidMode\":\"\",\"Privileged\":false,\"PublishAllPorts\":false,"
    "\"ReadonlyRootfs\":false,\"SecurityOpt\":null,\"UTSMode\":\"\",\"UsernsMode\":\"\","
    "\"ShmSize\":0,"
    "\"Isolation\":\"\",\"CpuShares\":0,\"Memory\":0,\"NanoCpus\":0,\"CgroupParent\":\"\","
    "\"BlkioWeight\":0,\"BlkioWeightDevice\":[],\"BlkioDeviceReadBps\":[],\"BlkioDeviceWriteBps\":["
    "],"
    "\"BlkioDeviceReadIOps\":[],\"BlkioDeviceWriteIOps\":[],\"CpuPeriod\":0,\"CpuQuota\":0,"
    "\"CpuRealtimePeriod\":0,\"CpuRealtimeRuntime\":0,\"CpusetCpus\":\"\",\"CpusetMems\":\"\","
    "\"Devices\":[],\"DeviceCgroupRules\":null,\"DeviceRequests\":null,\"MemoryReservation\":0,"
    "\"MemorySwap\":0,\"MemorySwappiness\":-1,\"OomKillDisable\":false,\"PidsLimit\":0,"
    "\"Ulimits\":[],\"CpuCount\":0,\"CpuPercent\":0,\"IOMaximumIOps\":0,\"IOMaximumBandwidth\":0,"
    "\"MaskedPaths\":null,\"ReadonlyPaths\":null},"
    "\"NetworkingConfig\":{\"EndpointsConfig\":{\"default\":{\"IPAMConfig\":null,\"Links\":null,"
    "\"Aliases\":null,\"MacAddress\":\"\",\"DriverOpts\":null,\"GwPriority\":0,\"NetworkID\":\"\","
    "\"EndpointID\":\"\",\"Gateway\":\"\",\"IPAddress\":\"\",\"IPPrefixLen\":0,\"IPv6Gateway\":"
    "\"\","
    "\"GlobalIPv6Address\":\"\",\"GlobalIPv6PrefixLen\":0,\"DNSNames\":null}}}}";

static void takes_what_the_client_sends(void **state)
{
    dv_auto(dv_container_config) *c = parse_ok(cli_request);

    (void)state;
    assert_string_equal(c->network_mode, "bridge");
    assert_false(c->masked_paths.present);
    assert_string_equal(text_of(c->host_config_json, "LogConfig"),
                        "{\"Type\":\"json-file\",\"Config\":{}}");
    assert_int_equal(c->n_endpoints, 1);
    assert_false(c->cmd.present);
}

static void saves_and_loads(void **state)
{
    static const char request[] =
        "{\"Image\":\"b\",\"Cmd\":[\"x\"],\"Entrypoint\":[],\"StopTimeout\":0,\"HostConfig\":{"
        "\"Binds\":[\"/a:/b:ro,rshared\"],\"Tmpfs\":{\"/t\":\"size=1m\"},\"Memory\":8388608,"
        "\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/m\",\"TmpfsOptions\":{\"SizeBytes\":4096,"
        "\"Mode\":448,\"Options\":[[\"noexec\"],[\"uid\",\"5\"]]}}]},"
        "\"NetworkingConfig\":{\"EndpointsConfig\":{\"n\":{\"MacAddress\":\"02:42:ac:11:00:02\"}}}"
        "}";
    dv_auto(dv_container_config) *c = parse_ok(request), *again = NULL;
    struct dv_error err = { 0 };
    dv_autofree char *text = dv_container_config_save(c), *second = NULL;
    dv_autofree char *own = dv_json_text(c->config_json);
    dv_autofree char *host = dv_json_text(c->host_config_json);

    (void)state;
    assert_int_equal(dv_container_config_load(text, &again, &err), 0);
    second = dv_container_config_save(again);
    assert_string_equal(text, second);
    assert_string_equal(again->config_text, own);
    assert_string_equal(again->host_config_text, host);
    assert_null(again->config_json); /* objects are large, and a container is kept for long */
    assert_null(again->host_config_json);
    assert_true(again->entrypoint.present);
    assert_true(again->has_stop_timeout);
    assert_int_equal(again->n_mounts, 3);
    assert_string_equal(again->mounts[0].source, "/a");
    assert_string_equal(again->mounts[0].propagation, "rshared");
    assert_true(again->mounts[0].read_only);
    assert_true(again->mounts[0].create_mountpoint);
    assert_string_equal(again->mounts[1].target, "/m");
    assert_int_equal(again->mounts[1].tmpfs_size, 4096);
    assert_int_equal(again->mounts[1].tmpfs_mode, 0700);
    assert_string_equal(again->mounts[1].tmpfs_options, "noexec,uid=5");
    assert_string_equal(again->mounts[2].tmpfs_options, "size=1m");
    assert_string_equal(again->endpoints[0].mac, "02:42:ac:11:00:02");
}

static void warns(void **state)
{
    dv_autostrv warnings = { 0 };
    struct dv_error err;
    dv_auto(dv_container_config) *c = parse(
        "{\"HostConfig\":{\"OomKillDisable\":true,\"KernelMemory\":1,\"NetworkMode\":\"host\","
        "\"PortBindings\":{\"80/tcp\":[{}]},\"PublishAllPorts\":true}}",
        &warnings, &err);

    (void)state;
    assert_non_null(c);
    assert_int_equal(warnings.n, 3);
    assert_string_equal(warnings.items[0],
                        "Published ports are discarded when using host network mode");
    assert_non_null(strstr(warnings.items[1], "HostConfig.KernelMemory"));
    assert_non_null(strstr(warnings.items[2], "OOM killer is disabled"));
}

/* Every row has a key of its own within its object, and a text where its rule needs one. */
static size_t walk(const struct dv_config_field *fields, size_t n)
{
    size_t total = n;

    for (size_t i = 0; i < n; i++) {
        bool refused = fields[i].rule == DV_RULE_LATER || fields[i].rule == DV_RULE_NEVER ||
                       fields[i].rule == DV_RULE_WARN;
        json_object *shown = fields[i].unset ? json_tokener_parse(fields[i].unset) : NULL;

        assert_true(!refused || fields[i].what);
        if (fields[i].unset && strcmp(fields[i].unset, "null") != 0)
            assert_non_null(shown);
        json_object_put(shown);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(fields[i].key, fields[k].key);
        total += walk(fields[i].sub, fields[i].n_sub);
    }
    return total;
}

static void has_every_field_once(void **state)
{
    (void)state;
    /* container_fields.c says which. */
    assert_int_equal(walk(dv_config_root, dv_config_root_n), 174);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_plain_request),
        cmocka_unit_test(shows_defaults_and_drops_unknown_keys),
        cmocka_unit_test(refuses_by_name),
        cmocka_unit_test(takes_what_the_client_sends),
        cmocka_unit_test(saves_and_loads),
        cmocka_unit_test(warns),
        cmocka_unit_test(has_every_field_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

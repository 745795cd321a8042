/* cli_create.c - unit tests of what run and create ask for: options in, document out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cli/container/create.h"
#include "cli/image/ref.h"

static const struct dv_cli_command *create_row(void)
{
    size_t i;

    for (i = 0; i < dv_cli_n_commands; i++)
        if (dv_starts(dv_cli_commands[i].paths, "container create"))
            return &dv_cli_commands[i];
    fail();
    return NULL;
}

/* The document of a line of words with single spaces between; NULL and ERR where it is refused. */
static json_object *body_of(const char *line, struct dv_error *err)
{
    struct dv_cli_call call = { .command = create_row(), .path = "create" };
    json_object *body = NULL;
    dv_autostrv words = { 0 };

    dv_xsplit(&words, line, ' ');
    assert_int_equal(dv_cli_parse(&call, (int)words.n, words.items), -1);
    if (dv_create_prepare(&call, &body, err) < 0)
        body = NULL;
    dv_cli_call_done(&call);
    return body;
}

static void options_reach_their_field(void **state)
{
    static const struct {
        const char *line, *path, *json;
    } cases[] = {
        { "x", "Cmd", "null" },
        { "x", "HostConfig.MemorySwappiness", "-1" },
        { "x", "HostConfig.NetworkMode", "\"default\"" },
        { "x", "HostConfig.RestartPolicy", "{\"Name\":\"no\",\"MaximumRetryCount\":0}" },
        { "x", "AttachStdout", "true" },
        { "x", "StdinOnce", "false" },
        { "-i x", "StdinOnce", "true" },
        { "-a stdin x", "AttachStdout", "false" },
        { "x a -b", "Cmd", "[\"a\",\"-b\"]" },
        { "--entrypoint= x", "Entrypoint", "[\"\"]" },
        { "-e A=b -e NOT_SET_HERE x", "Env", "[\"A=b\",\"NOT_SET_HERE\"]" },
        { "-l a=b -l c x", "Labels", "{\"a\":\"b\",\"c\":\"\"}" },
        { "-v /a:/b -v vol:/c:ro -v /anon x", "HostConfig.Binds", "[\"/a:/b\",\"vol:/c:ro\"]" },
        { "-v /anon x", "Volumes", "{\"/anon\":{}}" },
        { "--tmpfs /t --tmpfs /u:size=1m x", "HostConfig.Tmpfs",
          "{\"/t\":\"\",\"/u\":\"size=1m\"}" },
        { "--mount type=bind,src=/a,dst=/b,ro,bind-propagation=rslave x", "HostConfig.Mounts",
          "[{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b\",\"ReadOnly\":true,"
          "\"BindOptions\":{\"Propagation\":\"rslave\"}}]" },
        { "--mount type=bind,\"src=/a,b\",dst=/c x", "HostConfig.Mounts",
          "[{\"Type\":\"bind\",\"Source\":\"/a,b\",\"Target\":\"/c\"}]" },
        { "--mount type=tmpfs,dst=/t,tmpfs-size=64m,tmpfs-mode=1770 x", "HostConfig.Mounts",
          "[{\"Type\":\"tmpfs\",\"Target\":\"/t\",\"TmpfsOptions\":{\"SizeBytes\":67108864,"
          "\"Mode\":1016}}]" },
        { "--cap-add net_admin --cap-add CAP_KILL --cap-add kill x", "HostConfig.CapAdd",
          "[\"CAP_KILL\",\"CAP_NET_ADMIN\"]" },
        { "--cap-drop kill --cap-drop all x", "HostConfig.CapDrop", "[\"ALL\"]" },
        { "--ulimit nofile=10:20 --ulimit core=-1 x", "HostConfig.Ulimits",
          "[{\"Name\":\"core\",\"Hard\":-1,\"Soft\":-1},"
          "{\"Name\":\"nofile\",\"Hard\":20,\"Soft\":10}]" },
        { "--device /dev/a --device /dev/b:/dev/c:r --device /dev/d:rw x", "HostConfig.Devices",
          "[{\"PathOnHost\":\"/dev/a\",\"PathInContainer\":\"/dev/a\","
          "\"CgroupPermissions\":\"rwm\"},"
          "{\"PathOnHost\":\"/dev/b\",\"PathInContainer\":\"/dev/c\",\"CgroupPermissions\":\"r\"},"
          "{\"PathOnHost\":\"/dev/d\",\"PathInContainer\":\"/dev/d\","
          "\"CgroupPermissions\":\"rw\"}]" },
        { "--device-read-bps /dev/sda:1mb x", "HostConfig.BlkioDeviceReadBps",
          "[{\"Path\":\"/dev/sda\",\"Rate\":1048576}]" },
        { "--cpus .25 x", "HostConfig.NanoCpus", "250000000" },
        { "--add-host a=[::1] x", "HostConfig.ExtraHosts", "[\"a:::1\"]" },
        { "-p 8080:80 -p 127.0.0.1:53:53/udp x", "HostConfig.PortBindings",
          "{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8080\"}],"
          "\"53/udp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"53\"}]}" },
        { "-p 7000-7001:80-81 x", "HostConfig.PortBindings",
          "{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"7000\"}],"
          "\"81/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"7001\"}]}" },
        { "-p 80-82:80 x", "HostConfig.PortBindings",
          "{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"80-82\"}]}" },
        { "-p [::1]:1:2 -p target=3,published=4,protocol=udp x", "HostConfig.PortBindings",
          "{\"2/tcp\":[{\"HostIp\":\"::1\",\"HostPort\":\"1\"}],"
          "\"3/udp\":[{\"HostIp\":\"\",\"HostPort\":\"4\"}]}" },
        { "--expose 90-91/udp x", "ExposedPorts", "{\"90/udp\":{},\"91/udp\":{}}" },
        { "--net host x", "NetworkingConfig", "{\"EndpointsConfig\":{}}" },
        { "--network app --ip 10.0.0.5 --network-alias al x",
          "NetworkingConfig.EndpointsConfig.app",
          "{\"IPAMConfig\":{\"IPv4Address\":\"10.0.0.5\"},\"Links\":null,\"Aliases\":[\"al\"],"
          "\"MacAddress\":\"\",\"DriverOpts\":null,\"GwPriority\":0}" },
        { "--health-cmd true --health-interval 5s x", "Healthcheck",
          "{\"Test\":[\"CMD-SHELL\",\"true\"],\"Interval\":5000000000}" },
        { "--no-healthcheck x", "Healthcheck", "{\"Test\":[\"NONE\"]}" },
        { "--restart on-failure:3 x", "HostConfig.RestartPolicy",
          "{\"Name\":\"on-failure\",\"MaximumRetryCount\":3}" },
        { "--security-opt systempaths=unconfined x", "HostConfig.MaskedPaths", "[]" },
        { "--init=false x", "HostConfig.Init", "false" },
        { "--gpus all x", "HostConfig.DeviceRequests",
          "[{\"Driver\":\"\",\"Count\":-1,\"DeviceIDs\":null,\"Capabilities\":[[\"gpu\"]],"
          "\"Options\":{}}]" },
        { "--stop-timeout 0 x", "StopTimeout", "0" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(cases); i++) {
        struct dv_error err = { 0 };
        dv_autojson json_object *body = body_of(cases[i].line, &err);
        dv_autofree char *text = NULL;

        assert_non_null(body);
        text = dv_jpath(body, cases[i].path) ? dv_json_text(dv_jpath(body, cases[i].path))
                                             : dv_xstrdup("null");
        assert_string_equal(text, cases[i].json);
    }
}

static void refuses_in_dockers_words(void **state)
{
    static const struct {
        const char *line, *message;
    } cases[] = {
        { "-p foo x", "invalid containerPort: foo" },
        { "-p a:80 x", "invalid hostPort: a" },
        { "-p 1.2.3:80:80 x", "invalid IP address: 1.2.3" },
        { "-p 80:90-95 x", "invalid ranges specified for container and host Ports: 90-95 and 80" },
        { "-p 80/foo x", "invalid proto: foo" },
        { "--expose 1:2 x", "invalid port format for --expose: 1:2" },
        { "--pull foo x", "invalid pull option: 'foo': must be one of \"always\", \"missing\" or "
                          "\"never\"" },
        { "--rm --restart always x",
          "conflicting options: cannot specify both --restart and --rm" },
        { "--restart :3 x", "invalid restart policy format: no policy provided before colon" },
        { "--pid bogus x", "--pid: invalid PID mode" },
        { "--memory-swappiness 101 x",
          "invalid value: 101. Valid memory swappiness range is 0-100" },
        { "--no-healthcheck --health-cmd a x",
          "--no-healthcheck conflicts with --health-* options" },
        { "--network-alias q x",
          "network-scoped aliases are only supported for user-defined networks" },
        { "--network a --network a x", "network \"a\" is specified multiple times" },
        { "--mac-address zz x", "zz is not a valid mac address" },
        { "--device relative x", "relative is not an absolute path" },
        { "--device /dev/null:/x:foo x", "bad mode specified: foo" },
        { "-v /a: x", "invalid spec: /a:: empty section between colons" },
        { "--env-file /nonexistent x", "open /nonexistent: no such file or directory" },
        { "--storage-opt a x", "invalid storage option" },
        { "--security-opt nonewprivs x", "Invalid --security-opt: \"nonewprivs\"" },
        { "--log-driver none --log-opt a=b x", "invalid logging opts for driver none" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(cases); i++) {
        struct dv_error err = { 0 };

        assert_null(body_of(cases[i].line, &err));
        assert_string_equal(err.msg, cases[i].message);
    }
}

static void checks_single_values(void **state)
{
    static const struct {
        int (*check)(const char *value, char **ret, struct dv_error *err);
        const char *good, *bad;
    } cases[] = {
        { dv_check_env, "A=b", "=b" },
        { dv_check_label, "a=", "=x" },
        { dv_check_attach, "STDIN", "foo" },
        { dv_check_add_host, "a:host-gateway", "a:b" },
        { dv_check_ip, "::1", "1.2.3.4.5" },
        { dv_check_domain, "a.b", "a..b" },
        { dv_check_link, "a:b", "a:b:c" },
        { dv_check_sysctl, "net.ipv4.ip_forward=1", "kernel.pid_max=5" },
        { dv_check_device_rule, "c 1:* rwm", "c 1:3 rwmz" },
        { dv_check_weight, "/dev/sda:1000", "/dev/sda:5" },
        { dv_check_bps, "/dev/sda:1.5m", "dev/sda:1" },
        { dv_check_iops, "/dev/sda:100", "/dev/sda:1k" },
        { dv_check_ulimit, "nofile=5:-1", "nofile=20:10" },
        { dv_check_ulimit, "core=-1", "bogus=1" },
        { dv_check_mount, "type=bind,src=/a,dst=/b", "type=bind,src=/a" },
        { dv_check_mount, "dst=/b", "type=bind,src=/a,dst=/b,volume-nocopy" },
        { dv_check_mount, "dst=/b,\"src=/a\"", "dst=/b,\"src=/a" },
        { dv_check_mount, "dst=/b,consistency=x", "dst=/b,foo=bar" },
        { dv_check_network, "name=a,alias=b", "alias=b" },
        { dv_check_network, "a", "name=a,foo=b" },
        { dv_check_gpus, "device=0", "foo=bar" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(cases); i++) {
        dv_autofree char *normal = NULL;
        struct dv_error err = { 0 };

        assert_int_equal(cases[i].check(cases[i].good, &normal, &err), 0);
        assert_int_equal(cases[i].check(cases[i].bad, &normal, &err), -DV_E_INVALID);
        assert_true(err.msg[0] != '\0');
    }
}

static void references_have_long_and_short_forms(void **state)
{
    static const struct {
        const char *text, *name, *familiar;
    } cases[] = {
        { "busybox", "docker.io/library/busybox", "busybox:latest" },
        { "me/app:1.2", "docker.io/me/app", "me/app:1.2" },
        { "localhost/app", "localhost/app", "localhost/app:latest" },
        { "reg.io:5000/a/b:t", "reg.io:5000/a/b", "reg.io:5000/a/b:t" },
        { "FOO/bar", "FOO/bar", "FOO/bar:latest" },
        { "index.docker.io/x", "docker.io/library/x", "x:latest" },
        { "a__b/e---f.g", "docker.io/a__b/e---f.g", "a__b/e---f.g:latest" },
        { "[::1]:5000/x", "[::1]:5000/x", "[::1]:5000/x:latest" },
    };
    static const char *const bad[] = { "", ":x", "X", "x:bad:tag", "x@sha256:abc", "foo..bar",
                                       "foo/", "-x", "a___b", "x:", "x:-t", "a//b", "foo.io:x/y" };
    size_t i;

    (void)state;
    for (i = 0; i < N(cases); i++) {
        struct dv_error err = { 0 };
        dv_autofree char *name = NULL, *familiar = NULL;
        dv_autoref ref = { 0 };

        assert_int_equal(dv_ref_parse_image(cases[i].text, &ref, &err), 0);
        name = dv_ref_name(&ref);
        familiar = dv_ref_familiar(&ref);
        assert_string_equal(name, cases[i].name);
        assert_string_equal(familiar, cases[i].familiar);
    }
    for (i = 0; i < N(bad); i++) {
        struct dv_error err = { 0 };
        dv_autoref ref = { 0 };

        assert_int_equal(dv_ref_parse_image(bad[i], &ref, &err), -DV_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_reach_their_field),
        cmocka_unit_test(refuses_in_dockers_words),
        cmocka_unit_test(checks_single_values),
        cmocka_unit_test(references_have_long_and_short_forms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

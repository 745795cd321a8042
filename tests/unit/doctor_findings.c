/* doctor_findings.c - what davit-doctor finds on a host that lacks something: each test makes such a host
 * in namespaces of its own. Needs root. */
#include "nft_rules.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/daemon/engine.h"
#include "core/doctor/finding.h"

static struct dv_findings findings;

static int set_up(void **state)
{
    (void)state;
    findings = (struct dv_findings){ .list = json_object_new_array() };
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -1;
    return findings.list ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    json_object_put(findings.list);
    return 0;
}

static const char *text(json_object *obj, const char *key)
{
    json_object *value = NULL;

    assert_true(json_object_object_get_ex(obj, key, &value));
    return json_object_get_string(value);
}

/* The finding about CHECK with LEVEL and FOUND in its text; its remedy says REMEDY. */
static void expect(const char *check, const char *level, const char *found, const char *remedy)
{
    for (size_t i = 0; i < json_object_array_length(findings.list); i++) {
        json_object *f = json_object_array_get_idx(findings.list, i);

        if (strcmp(text(f, "Check"), check) == 0 && strcmp(text(f, "Level"), level) == 0 &&
            strstr(text(f, "Found"), found) && strstr(text(f, "Do"), remedy)) {
            assert_true(strcmp(level, "ok") == 0 || strcmp(level, "note") == 0 ||
                        (*text(f, "Means") && *text(f, "Do")));
            return;
        }
    }
    fail_msg("no %s of %s '%s' (%s) in %s", level, check, found, remedy,
             json_object_to_json_string(findings.list));
}

/* A file of the host's that says CONTENTS, in this mount namespace. */
static void fake_file(const char *path, const char *contents)
{
    char own[] = "/tmp/davit-doctor-file.XXXXXX";
    int fd = mkostemp(own, O_CLOEXEC);

    (void)!umount2(path, MNT_DETACH); /* the one before */
    assert_true(fd >= 0);
    assert_int_equal(dv_write_all(fd, contents, strlen(contents)), 0);
    close(fd);
    if (mount(own, path, NULL, MS_BIND, NULL) < 0)
        fail_msg("bind on %s: %s", path, strerror(errno));
    unlink(own);
}

static void firewall(void)
{
    const struct dv_engine_config config = { .bridge_name = (char *)"davit0",
                                             .nft_table = (char *)"davit" };

    json_object_put(findings.list);
    findings.list = json_object_new_array();
    dv_doctor_firewall(&findings, &config);
}

static void write_sysctl(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, value, 1), 1);
    close(fd);
}

static void tells_how_to_open_a_firewall(void **state)
{
    struct nft_chain chain = { NFPROTO_IPV4, "filter", "FORWARD", "filter", NF_INET_FORWARD, NF_DROP };

    (void)state;
    write_sysctl("/proc/sys/net/ipv4/ip_forward", "0");
    firewall();
    expect("ip_forward", "warning", "is 0", "sysctl -w net.ipv4.ip_forward=1");
    expect("nftables", "ok", "no chain of others", "");
    write_sysctl("/proc/sys/net/ipv4/ip_forward", "1");
    nft_add_chain(&chain);
    firewall();
    expect("ip_forward", "ok", "is 1", "");
    expect("nftables", "problem", "chain FORWARD of table ip filter drops what is forwarded (its policy)",
           "iptables -I FORWARD -i davit0 -j ACCEPT; iptables -I FORWARD -o davit0 -j ACCEPT");
    assert_int_equal(nft_add_rule(&chain, &(struct nft_rule){ "davit0", .verdict = "accept" }), 0);
    firewall();
    expect("nftables", "ok", "but accepts davit0", "");

    assert_int_equal(unshare(CLONE_NEWNET), 0);
    chain = (struct nft_chain){ NFPROTO_INET, "firewalld", "fwd", "filter", NF_INET_FORWARD, NF_ACCEPT };
    nft_add_chain(&chain);
    assert_int_equal(nft_add_rule(&chain, &(struct nft_rule){ .verdict = "drop" }), 0);
    firewall();
    expect("nftables", "problem", "chain fwd of table inet firewalld drops what is forwarded (its last "
           "rule)", "nft insert rule inet firewalld fwd iifname davit0 accept");
}

static void sees_davit_s_table_in_a_saved_ruleset(void **state)
{
    (void)state;
    if (access("/etc/nftables.conf", F_OK) < 0) {
        assert_int_equal(mount("none", "/etc", "tmpfs", 0, NULL), 0); /* one of the test's own */
        close(open("/etc/nftables.conf", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
    fake_file("/etc/nftables.conf", "table inet davit-other {\n}\n");
    firewall();
    assert_null(strstr(json_object_to_json_string(findings.list), "saved-ruleset"));
    fake_file("/etc/nftables.conf", "flush ruleset\ntable inet davit {\n}\n");
    firewall();
    expect("saved-ruleset", "warning", "holds davit's own table davit", "remove davit's table");
}

static void a_kernel_without_overlay(void **state)
{
    (void)state;
    fake_file("/proc/filesystems", "nodev\tsysfs\n\text4\nnodev\tnot-overlay\nnodev\toverlayx\n");
    fake_file("/proc/sys/user/max_user_namespaces", "0\n");
    dv_doctor_kernel(&findings);
    expect("overlay", "warning", "overlay is not in /proc/filesystems", "modprobe overlay");
    expect("userns", "warning", "max_user_namespaces is 0", "sysctl -w user.max_user_namespaces");
    expect("clone3", "ok", "clone3(2) is there", "");
}

static void disk_at(const char *path)
{
    const struct dv_engine_config config = { .root = (char *)path };

    json_object_put(findings.list);
    findings.list = json_object_new_array();
    dv_doctor_disk(&findings, &config);
}

/* The nearest directory that is there counts: davitd makes the rest. */
static void disks_that_hold_no_containers(void **state)
{
    (void)state;
    assert_int_equal(mount("none", "/mnt", "tmpfs", MS_NOEXEC | MS_NOSUID | MS_NODEV,
                           "size=1m,nr_inodes=64"), 0);
    for (int i = 0; i < 62; i++) {
        char path[32];

        snprintf(path, sizeof(path), "/mnt/%d", i);
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
    disk_at("/mnt/not/there/yet");
    expect("type", "warning", "/mnt is on tmpfs", "put root on a disk");
    expect("space", "problem", "of 0.0 GiB are free at /mnt", "davit system prune");
    expect("inodes", "warning", "of 64 are free", "more inodes");
    expect("mount", "problem", "mounted noexec", "without that option");
    expect("mount", "warning", "mounted nosuid", "without that option");
    expect("mount", "note", "mounted nodev", "");
    assert_int_equal(mount(NULL, "/mnt", NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    disk_at("/mnt");
    expect("mount", "problem", "mounted read-only", "without that option");
    disk_at("/mnt/../etc/passwd");
    expect("root", "problem", "Not a directory", "set [engine] root");
}

static void an_overlay_below_is_told(void **state)
{
    (void)state;
    assert_int_equal(mount("none", "/mnt", "tmpfs", 0, NULL), 0);
    mkdir("/mnt/l", 0755);
    mkdir("/mnt/u", 0755);
    mkdir("/mnt/w", 0755);
    mkdir("/mnt/m", 0755);
    if (mount("none", "/mnt/m", "overlay", 0, "lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w") < 0) {
        print_message("skipped: no overlay here: %s\n", strerror(errno));
        skip();
    }
    disk_at("/mnt/m");
    expect("type", "problem", "/mnt/m is on overlay", "[storage] driver = vfs");
}

static void without_control_groups_nothing_starts(void **state)
{
    (void)state;
    assert_int_equal(mount("none", "/sys/fs/cgroup", "tmpfs", 0, NULL), 0);
    fake_file("/proc/self/mountinfo", "");
    dv_doctor_cgroups(&findings);
    expect("version", "problem", "", "mount -t cgroup2 none /sys/fs/cgroup");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(tells_how_to_open_a_firewall),
        TEST(sees_davit_s_table_in_a_saved_ruleset),
        TEST(a_kernel_without_overlay),
        TEST(disks_that_hold_no_containers),
        TEST(an_overlay_below_is_told),
        TEST(without_control_groups_nothing_starts),
    };

    if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
        fprintf(stderr, "skipped: namespaces need root: %s\n", strerror(errno));
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

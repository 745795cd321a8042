/* doctor.c - davit-doctor's sections on whatever host this is: every finding says what it must. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/daemon/engine.h"
#include "core/doctor/finding.h"
#include "core/doctor/legacy.h"
#include "core/network/foreign.h"

static struct dv_findings findings;

static int begin(void **state)
{
    (void)state;
    findings = (struct dv_findings){ .list = json_object_new_array() };
    return findings.list ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    json_object_put(findings.list);
    return 0;
}

static const char *text(json_object *finding, const char *key)
{
    json_object *value = NULL;

    if (!json_object_object_get_ex(finding, key, &value) ||
        !json_object_is_type(value, json_type_string))
        fail_msg("a finding has no '%s'", key);
    return json_object_get_string(value);
}

/* Every finding is of SECTION and whole; one is about CHECK. */
static void expect_findings(const char *section, const char *check)
{
    static const char *const levels[] = { "ok", "note", "warning", "problem", "unseen" };
    size_t n = json_object_array_length(findings.list);
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        json_object *f = json_object_array_get_idx(findings.list, i);
        bool known = false;

        assert_string_equal(text(f, "Section"), section);
        assert_true(*text(f, "Found"));
        for (size_t j = 0; j < N(levels); j++)
            known = known || dv_streq(text(f, "Level"), levels[j]);
        assert_true(known);
        if (dv_streq(text(f, "Level"), "problem"))
            assert_true(*text(f, "Means") && *text(f, "Do"));
        found = found || dv_streq(text(f, "Check"), check);
    }
    assert_true(found);
}

static void kernel(void **state)
{
    (void)state;
    dv_doctor_kernel(&findings);
    expect_findings("kernel", "clone3");
}

static void cgroups(void **state)
{
    (void)state;
    dv_doctor_cgroups(&findings);
    expect_findings("cgroups", "version");
}

static void disk(void **state)
{
    const struct dv_engine_config config = { .root = (char *)"/proc/self/no/such/place" };

    (void)state;
    dv_doctor_disk(&findings, &config);
    expect_findings("disk", "space");
}

static void firewall(void **state)
{
    const struct dv_engine_config config = { .bridge_name = (char *)"davit0",
                                             .nft_table = (char *)"davit" };

    (void)state;
    dv_doctor_firewall(&findings, &config);
    expect_findings("firewall", "ip_forward");
}

/* It leaves the process' network namespace, so in a child. */
static void links(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        dv_doctor_links(&findings);
        expect_findings("network", json_object_array_length(findings.list) > 1 ? "veth" : "links");
        _exit(7);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

/* A new network namespace has no firewall at all. */
static void nothing_foreign_in_a_new_namespace(void **state)
{
    struct dv_foreign_chain chains[DV_FOREIGN_MAX];
    struct dv_legacy legacy;
    struct dv_error err = { 0 };
    size_t n = 1;
    pid_t pid;
    int status;

    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: needs root\n");
        skip();
    }
    pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNET) < 0 || dv_foreign_chains("davit0", chains, &n, &err) < 0 ||
            n != 0 || dv_foreign_warning("davit0") || dv_legacy_read(&legacy) < 0 || legacy.present)
            _exit(1);
        _exit(7);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
    const struct CMUnitTest tests[] = {
        T(kernel), T(cgroups), T(disk), T(firewall), T(links),
        T(nothing_foreign_in_a_new_namespace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

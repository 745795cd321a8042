/* runtime_mount_opts.c - option words of mounts. */
#include <linux/mount.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/runtime/internal.h"

static void parse(const char *text, struct dv_strv *words, struct dv_mount_opts *o)
{
    struct dv_error err = { 0 };

    assert_int_equal(dv_strv_split(words, text, ','), 0);
    assert_int_equal(dv_mount_opts_parse(words, o, &err), 0);
}

static void knows_attributes_propagation_and_data(void **state)
{
    dv_autostrv words = { 0 };
    struct dv_mount_opts o;

    (void)state;
    parse("rbind,ro,nosuid,rslave,size=64m,newinstance,rro,async", &words, &o);
    assert_true(o.bind && o.bind_rec);
    assert_int_equal(o.set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
    assert_int_equal(o.clr, 0);
    assert_int_equal(o.rec_set, MOUNT_ATTR_RDONLY);
    assert_int_equal(o.propagation, MS_SLAVE);
    assert_true(o.propagation_rec);
    assert_int_equal(o.n_data, 2);
    assert_string_equal(o.data[0], "size=64m");
    assert_string_equal(o.data[1], "newinstance");
}

static void the_later_word_wins(void **state)
{
    dv_autostrv words = { 0 }, more = { 0 };
    struct dv_mount_opts o;

    (void)state;
    parse("ro,exec,noexec,rw", &words, &o);
    assert_int_equal(o.set, MOUNT_ATTR_NOEXEC);
    assert_int_equal(o.clr, MOUNT_ATTR_RDONLY);
    parse("noatime,strictatime", &more, &o);
    assert_int_equal(o.set, MOUNT_ATTR_STRICTATIME);
    assert_int_equal(o.clr & MOUNT_ATTR__ATIME, MOUNT_ATTR__ATIME);
}

/* The table is searched by halves: every word must be found. */
static void finds_every_word(void **state)
{
    static const char *const all[] = {
        "async",      "atime",         "bind",        "defaults",    "dev",         "diratime",
        "exec",       "idmap",         "noatime",     "nodev",       "nodiratime",  "noexec",
        "norelatime", "nostrictatime", "nosuid",      "nosymfollow", "private",     "ratime",
        "rbind",      "rdev",          "rdiratime",   "relatime",    "rexec",       "ridmap",
        "rnoatime",   "rnodev",        "rnodiratime", "rnoexec",     "rnosuid",     "rnosymfollow",
        "ro",         "rprivate",      "rrelatime",   "rro",         "rrw",         "rshared",
        "rslave",     "rstrictatime",  "rsuid",       "rsymfollow",  "runbindable", "rw",
        "shared",     "slave",         "strictatime", "suid",        "symfollow",   "unbindable",
    };

    (void)state;
    for (size_t i = 0; i < N(all); i++) {
        dv_autostrv words = { 0 };
        struct dv_mount_opts o;

        parse(all[i], &words, &o);
        assert_int_equal(o.n_data, 0);
    }
}

static void too_many_words_are_refused(void **state)
{
    dv_autostrv words = { 0 };
    struct dv_error err = { 0 };
    struct dv_mount_opts o;

    (void)state;
    for (int i = 0; i < 40; i++)
        assert_int_equal(dv_strv_add(&words, "x=1"), 0);
    assert_int_equal(dv_mount_opts_parse(&words, &o, &err), -DV_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_attributes_propagation_and_data),
        cmocka_unit_test(the_later_word_wins),
        cmocka_unit_test(finds_every_word),
        cmocka_unit_test(too_many_words_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

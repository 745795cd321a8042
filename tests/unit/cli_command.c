/* cli_command.c - unit tests of the table of commands and the parser of its flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/util.h"

static const struct dv_cli_option options[] = {
    { .name = "cpus", .type = DV_CLI_DECIMAL },
    { .name = "env", .letter = 'e', .type = DV_CLI_LIST },
    { .name = "interactive", .letter = 'i', .type = DV_CLI_BOOL },
    { .name = "memory", .letter = 'm', .type = DV_CLI_BYTES },
    { .name = "name", .type = DV_CLI_STR },
    { .name = "net", .type = DV_CLI_LIST, .same_as = "network" },
    { .name = "network", .type = DV_CLI_LIST },
    { .name = "never", .type = DV_CLI_STR, .flags = DV_CLI_UNSUPPORTED },
    { .name = "pull", .type = DV_CLI_STR, .fallback = "missing" },
    { .name = "rm", .type = DV_CLI_BOOL },
    { .name = "span", .type = DV_CLI_DURATION, .fallback = "1m30s" },
    { .name = "swap", .type = DV_CLI_SWAP },
    { .name = "tty", .letter = 't', .type = DV_CLI_BOOL },
    { .name = "weight", .type = DV_CLI_UINT16 },
};
static const struct dv_cli_command row = {
    .paths = "container run, run", .args = "[OPTIONS] IMAGE [COMMAND] [ARG...]", .help = "Run",
    .min_args = 1, .max_args = -1, .args_begin = true, .options = options, .n_options = N(options),
};

/* Parse a NULL-terminated line; what it prints is thrown away. */
static int parse(struct dv_cli_call *call, const char *const *argv)
{
    int saved[2] = { dup(1), dup(2) }, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int argc = 0, code;

    while (argv[argc])
        argc++;
    *call = (struct dv_cli_call){ .command = &row, .path = "run" };
    fflush(stdout);
    dup2(null, 1);
    dup2(null, 2);
    code = dv_cli_parse(call, argc, (char *const *)argv);
    fflush(stdout);
    dup2(saved[0], 1);
    dup2(saved[1], 2);
    close(saved[0]);
    close(saved[1]);
    close(null);
    return code;
}
#define LINE(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void parses_every_form_of_a_flag(void **state)
{
    struct dv_cli_call call;

    (void)state;
    assert_int_equal(parse(&call, LINE("-it", "-eA=b", "-e", "C=d", "-e=E", "--env", "F",
                                       "--env=G=h", "--rm=false", "--name=x", "--name", "y",
                                       "--net", "n1", "--network=n2", "-m64m", "--cpus=1.5",
                                       "--swap", "-1", "img", "-x", "--rm", "--", "z")), -1);
    assert_true(dv_cli_on(&call, "interactive"));
    assert_true(dv_cli_on(&call, "tty"));
    assert_true(dv_cli_set(&call, "rm"));
    assert_false(dv_cli_on(&call, "rm"));
    assert_string_equal(dv_cli_str(&call, "name"), "y");
    assert_int_equal(dv_cli_list(&call, "env")->n, 5);
    assert_string_equal(dv_cli_list(&call, "env")->items[0], "A=b");
    assert_string_equal(dv_cli_list(&call, "env")->items[2], "E");
    assert_string_equal(dv_cli_list(&call, "env")->items[4], "G=h");
    assert_int_equal(dv_cli_list(&call, "network")->n, 2);
    assert_int_equal(dv_cli_num(&call, "memory"), 64 << 20);
    assert_int_equal(dv_cli_num(&call, "cpus"), 1500000000);
    assert_int_equal(dv_cli_num(&call, "swap"), -1);
    /* Behind the image everything is the command's. */
    assert_int_equal(call.n_args, 5);
    assert_string_equal(call.args[0], "img");
    assert_string_equal(call.args[1], "-x");
    assert_string_equal(call.args[3], "--");
    dv_cli_call_done(&call);
}

static void knows_defaults_and_what_was_given(void **state)
{
    struct dv_cli_call call;

    (void)state;
    assert_int_equal(parse(&call, LINE("--", "-img")), -1);
    assert_string_equal(call.args[0], "-img");
    assert_string_equal(dv_cli_str(&call, "pull"), "missing");
    assert_false(dv_cli_set(&call, "pull"));
    assert_int_equal(dv_cli_num(&call, "span"), 90000000000);
    assert_string_equal(dv_cli_str(&call, "name"), "");
    dv_cli_call_done(&call);

    assert_int_equal(parse(&call, LINE("--pull=never", "img")), -1);
    assert_int_equal(dv_cli_list(&call, "pull")->n, 1);
    assert_string_equal(dv_cli_str(&call, "pull"), "never");
    dv_cli_call_done(&call);
}

static void refuses_with_dockers_exit_codes(void **state)
{
    static const struct {
        const char *const line[4];
        int code;
    } cases[] = {
        { { "--nope", "img" }, DV_EXIT_FLAGS },
        { { "-z", "img" }, DV_EXIT_FLAGS },
        { { "-iz", "img" }, DV_EXIT_FLAGS },
        { { "--memory" }, DV_EXIT_FLAGS },
        { { "-e" }, DV_EXIT_FLAGS },
        { { "--rm=maybe", "img" }, DV_EXIT_FLAGS },
        { { "-it=x", "img" }, DV_EXIT_FLAGS },
        { { "-m", "lots", "img" }, DV_EXIT_FLAGS },
        { { "--cpus", "1.2.3", "img" }, DV_EXIT_FLAGS },
        { { "--cpus", "1.00000000001", "img" }, DV_EXIT_FLAGS },
        { { "--cpus", "99999999999", "img" }, DV_EXIT_FLAGS },
        { { "--cpus", ".", "img" }, DV_EXIT_FLAGS },
        { { "--weight", "70000", "img" }, DV_EXIT_FLAGS },
        { { "--span", "5", "img" }, DV_EXIT_FLAGS },
        { { "--=x", "img" }, DV_EXIT_FLAGS },
        { { "---x", "img" }, DV_EXIT_FLAGS },
        { { "--never", "x", "img" }, DV_EXIT_FLAGS },
        { { "--never=x", "img" }, DV_EXIT_FLAGS },
        { { "--rm" }, DV_EXIT_USAGE },
        { { "--help" }, 0 },
        { { "-h" }, 0 },
    };
    struct dv_cli_call call;
    size_t i;

    (void)state;
    for (i = 0; i < N(cases); i++) {
        assert_int_equal(parse(&call, cases[i].line), cases[i].code);
        dv_cli_call_done(&call);
    }
}

/* --- the table itself ------------------------------------------------------------------------- */

static void check_options(const struct dv_cli_option *rows, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        assert_non_null(rows[i].name);
        if (i > 0)
            assert_true(strcmp(rows[i - 1].name, rows[i].name) < 0);
        if (!(rows[i].flags & (DV_CLI_HIDDEN | DV_CLI_UNSUPPORTED)))
            assert_true(!dv_empty(rows[i].help));
    }
}

static void rows_are_sorted_and_complete(void **state)
{
    size_t i, a, b;

    (void)state;
    for (i = 0; i < dv_cli_n_commands; i++) {
        const struct dv_cli_command *c = &dv_cli_commands[i];
        char letters[256] = { 0 };

        if (i > 0)
            assert_true(strcmp(dv_cli_commands[i - 1].paths, c->paths) < 0);
        assert_true(!dv_empty(c->help));
        assert_non_null(c->run);
        assert_true(c->max_args < 0 || c->max_args >= c->min_args);
        check_options(c->options, c->n_options);
        check_options(c->more, c->n_more);
        for (a = 0; a < c->n_options + c->n_more; a++) {
            const struct dv_cli_option *o = a < c->n_options ? &c->options[a]
                                                             : &c->more[a - c->n_options];

            if (o->letter)
                assert_int_equal(letters[(unsigned char)o->letter]++, 0);
            for (b = 0; a >= c->n_options && b < c->n_options; b++)
                assert_string_not_equal(o->name, c->options[b].name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_every_form_of_a_flag),
        cmocka_unit_test(knows_defaults_and_what_was_given),
        cmocka_unit_test(refuses_with_dockers_exit_codes),
        cmocka_unit_test(rows_are_sorted_and_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

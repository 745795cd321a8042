/* main.c - davit: the command line client. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/util.h"

/* Options that stand before the command. */
static const struct dv_cli_option global_options[] = {
    { .name = "config", .type = DV_CLI_STR },
    { .name = "context", .letter = 'c', .type = DV_CLI_STR, .flags = DV_CLI_UNSUPPORTED },
    { .name = "debug", .letter = 'D', .type = DV_CLI_BOOL },
    { .name = "host", .letter = 'H', .type = DV_CLI_STR },
    { .name = "log-level", .letter = 'l', .type = DV_CLI_STR },
    { .name = "tls", .type = DV_CLI_BOOL, .flags = DV_CLI_UNSUPPORTED },
    { .name = "tlscacert", .type = DV_CLI_STR, .flags = DV_CLI_UNSUPPORTED },
    { .name = "tlscert", .type = DV_CLI_STR, .flags = DV_CLI_UNSUPPORTED },
    { .name = "tlskey", .type = DV_CLI_STR, .flags = DV_CLI_UNSUPPORTED },
    { .name = "tlsverify", .type = DV_CLI_BOOL, .flags = DV_CLI_UNSUPPORTED },
    { .name = "version", .letter = 'v', .type = DV_CLI_BOOL },
};
static const struct dv_cli_command global = {
    .paths = "", .args = "[OPTIONS] COMMAND [ARG...]", .max_args = -1, .args_begin = true,
    .options = global_options, .n_options = N(global_options),
};

static int check_level(const char *level, struct dv_client *client)
{
    static const char *const levels[] = { "", "debug", "info", "warn", "error", "fatal" };
    size_t i;

    for (i = 0; i < N(levels); i++) {
        if (!dv_streq(levels[i], level))
            continue;
        client->debug = client->debug || i == 1;
        return -1;
    }
    fprintf(stderr, "unable to parse logging level: %s\n", level);
    return 1;
}

static int run(struct dv_cli_call *call, struct dv_client *client)
{
    struct dv_error err = { 0 };
    int code;

    if (dv_cli_on(call, "version")) {
        printf("davit version %s\n", DAVIT_VERSION);
        return 0;
    }
    if (call->n_args == 0) {
        dv_cli_help_top(stdout);
        return 0;
    }
    if (dv_client_init(client, dv_cli_str(call, "host"), &err) < 0) {
        fprintf(stderr, "davit: %s\n", err.msg);
        return 1;
    }
    client->debug = dv_cli_on(call, "debug");
    client->config_dir = dv_cli_str(call, "config");
    code = check_level(dv_cli_str(call, "log-level"), client);
    return code >= 0 ? code : dv_cli_dispatch(client, (int)call->n_args, call->args);
}

/* What could not be written was not done: a full disk behind stdout is a failure. */
static int flush_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    perror("davit: write to stdout");
    return code ? code : 1;
}

int main(int argc, char **argv)
{
    struct dv_cli_call call = { .command = &global, .path = "" };
    struct dv_client client = { 0 };
    int code = dv_cli_parse(&call, argc - 1, argv + 1);

    if (code < 0)
        code = run(&call, &client);
    dv_client_done(&client);
    dv_cli_call_done(&call);
    return flush_output(code);
}

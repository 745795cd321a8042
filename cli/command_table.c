/* command_table.c - the only list of davit's commands: a row a command, its options below. */
#include "cli/command.h"
#include "cli/container/commands.h"
#include "cli/container/create.h"
#include "cli/format/filters.h"
#include "cli/image/commands.h"
#include "cli/system/commands.h"
#include "cli/volume/commands.h"

#define FORMAT OWN_FORMAT(NULL)
#define OWN_FORMAT(config_)                                                                        \
    { .name = "format", .type = DV_CLI_STR, .config = config_,                                     \
      .help = "Format of the output:\n'table':          a table with headings (default)\n"         \
              "'table TEMPLATE': a table of these fields\n'json':           JSON\n"                \
              "'TEMPLATE':       each row by this template" }
#define DOCUMENT_FORMAT                                                                            \
    { .name = "format", .letter = 'f', .type = DV_CLI_STR,                                         \
      .help = "Format of the output:\n'json':     JSON\n'TEMPLATE': by this template" }
#define DOCUMENT_FORMAT_ONLY                                                                       \
    { .name = "format", .type = DV_CLI_STR,                                                        \
      .help = "Format of the output:\n'json':     JSON\n'TEMPLATE': by this template" }
#define FILTER(letter_)                                                                            \
    { .name = "filter", .letter = letter_, .type = DV_CLI_LIST, .word = "filter",                  \
      .help = "Only what fits the condition (name=value)", .check = dv_check_filter }
#define DETACH_KEYS                                                                                \
    { .name = "detach-keys", .type = DV_CLI_STR, .config = "detachKeys",                           \
      .help = "Key sequence that detaches" }
#define SIG_PROXY                                                                                  \
    { .name = "sig-proxy", .type = DV_CLI_BOOL, .fallback = "true",                                \
      .help = "Pass signals on to the container" }
#define BOOL(n, l, h) { .name = n, .letter = l, .type = DV_CLI_BOOL, .help = h }
#define STR(n, l, h) { .name = n, .letter = l, .type = DV_CLI_STR, .help = h }
#define LATER(n, l, t) { .name = n, .letter = l, .type = t, .flags = DV_CLI_UNSUPPORTED }

static const struct dv_cli_option attach_options[] = {
    DETACH_KEYS,
    BOOL("no-stdin", 0, "Do not attach STDIN"),
    SIG_PROXY,
};
static const struct dv_cli_option container_prune_options[] = {
    FILTER(0),
    BOOL("force", 'f', "Do not ask"),
};
static const struct dv_cli_option doctor_options[] = {
    STR("config", 0, "Configuration of the daemon (default /etc/davit/davit.ini)"),
    DOCUMENT_FORMAT_ONLY,
};
static const struct dv_cli_option events_options[] = {
    FILTER('f'),
    DOCUMENT_FORMAT_ONLY,
    STR("since", 0, "Begin at a time (2013-01-02T13:23:37Z) or a span ago (42m)"),
    STR("until", 0, "End at a time (2013-01-02T13:23:37Z) or a span ago (42m)"),
};
static const struct dv_cli_option exec_options[] = {
    BOOL("detach", 'd', "Run in the background"),
    DETACH_KEYS,
    { .name = "env", .letter = 'e', .type = DV_CLI_LIST, .help = "Set environment variables",
      .check = dv_check_env },
    { .name = "env-file", .type = DV_CLI_LIST, .help = "Read environment variables from a file" },
    BOOL("interactive", 'i', "Keep STDIN open even if not attached"),
    BOOL("privileged", 0, "Give extended privileges to the command"),
    BOOL("tty", 't', "Allocate a pseudo-TTY"),
    STR("user", 'u', "Name or UID (<name|uid>[:<group|gid>])"),
    STR("workdir", 'w', "Working directory in the container"),
};
static const struct dv_cli_option images_options[] = {
    BOOL("all", 'a', "Show all images"),
    BOOL("digests", 0, "Show digests"),
    FILTER('f'),
    OWN_FORMAT("imagesFormat"),
    BOOL("no-trunc", 0, "Do not cut the output"),
    BOOL("quiet", 'q', "Show image IDs only"),
    LATER("tree", 0, DV_CLI_BOOL),
};
static const struct dv_cli_option import_options[] = {
    { .name = "change", .letter = 'c', .type = DV_CLI_LIST,
      .help = "Apply a Dockerfile instruction to the image" },
    STR("message", 'm', "Message of the image's history"),
    STR("platform", 0, "Platform of the image"),
};
static const struct dv_cli_option document_options[] = {
    DOCUMENT_FORMAT,
};
static const struct dv_cli_option container_inspect_options[] = {
    DOCUMENT_FORMAT,
    BOOL("size", 's', "Show the container's sizes"),
};
static const struct dv_cli_option image_inspect_options[] = {
    DOCUMENT_FORMAT,
    LATER("platform", 0, DV_CLI_STR),
};
static const struct dv_cli_option inspect_options[] = {
    DOCUMENT_FORMAT,
    BOOL("size", 's', "Show the sizes of a container"),
    STR("type", 0, "Only objects of this type (container, image, network, volume)"),
};
static const struct dv_cli_option kill_options[] = {
    STR("signal", 's', "Signal to send (KILL if not given)"),
};
static const struct dv_cli_option df_options[] = {
    FORMAT,
    BOOL("verbose", 'v', "Show each object"),
};
static const struct dv_cli_option history_options[] = {
    FORMAT,
    { .name = "human", .letter = 'H', .type = DV_CLI_BOOL, .fallback = "true",
      .help = "Sizes and times for people" },
    BOOL("no-trunc", 0, "Do not cut the output"),
    STR("platform", 0, "Show only this platform (os[/arch[/variant]])"),
    BOOL("quiet", 'q', "Show IDs only"),
};
static const struct dv_cli_option image_prune_options[] = {
    BOOL("all", 'a', "Remove all unused images, not only dangling ones"),
    FILTER(0),
    BOOL("force", 'f', "Do not ask"),
};
static const struct dv_cli_option load_options[] = {
    STR("input", 'i', "Read this archive instead of STDIN"),
    STR("platform", 0, "Load only this platform (os[/arch[/variant]])"),
    BOOL("quiet", 'q', "Do not show progress"),
};
static const struct dv_cli_option logs_options[] = {
    BOOL("details", 0, "Show the details that the log options asked for"),
    BOOL("follow", 'f', "Go on as more is printed"),
    STR("since", 0, "Begin at a time (2013-01-02T13:23:37Z) or a span ago (42m)"),
    { .name = "tail", .letter = 'n', .type = DV_CLI_STR, .fallback = "all",
      .help = "Lines to show from the end" },
    BOOL("timestamps", 't', "Show timestamps"),
    STR("until", 0, "End at a time (2013-01-02T13:23:37Z) or a span ago (42m)"),
};
static const struct dv_cli_option plugin_check_options[] = {
    { .name = "option", .letter = 'o', .type = DV_CLI_LIST, .word = "key=value",
      .help = "A key of the driver's section, to be checked too" },
};
static const struct dv_cli_option plugin_ls_options[] = {
    LATER("filter", 'f', DV_CLI_LIST),
    FORMAT,
    BOOL("no-trunc", 0, "Show the paths too"),
    BOOL("quiet", 'q', "Show names only"),
};
static const struct dv_cli_option ps_options[] = {
    BOOL("all", 'a', "Show all containers, not only running ones"),
    FILTER('f'),
    OWN_FORMAT("psFormat"),
    { .name = "last", .letter = 'n', .type = DV_CLI_INT, .fallback = "-1",
      .help = "Show the N last created ones, in any state" },
    BOOL("latest", 'l', "Show the last created one, in any state"),
    BOOL("no-trunc", 0, "Do not cut the output"),
    BOOL("quiet", 'q', "Show container IDs only"),
    BOOL("size", 's', "Show sizes"),
};
static const struct dv_cli_option pull_options[] = {
    LATER("all-tags", 'a', DV_CLI_BOOL),
    LATER("disable-content-trust", 0, DV_CLI_BOOL),
    STR("platform", 0, "Platform, if the registry has several"),
    BOOL("quiet", 'q', "Do not show progress"),
};
static const struct dv_cli_option stop_options[] = {
    STR("signal", 's', "Signal to send to the container"),
    { .name = "time", .type = DV_CLI_INT, .flags = DV_CLI_HIDDEN, .same_as = "timeout" },
    { .name = "timeout", .letter = 't', .type = DV_CLI_INT,
      .help = "Seconds to wait before killing the container" },
};
static const struct dv_cli_option rm_options[] = {
    BOOL("force", 'f', "Remove it even if it runs (by SIGKILL)"),
    BOOL("link", 'l', "Remove the link, not the container"),
    BOOL("volumes", 'v', "Remove its anonymous volumes"),
};
static const struct dv_cli_option rmi_options[] = {
    BOOL("force", 'f', "Remove it even if it is used"),
    BOOL("no-prune", 0, "Keep untagged parents"),
    { .name = "platform", .type = DV_CLI_CSV, .help = "Remove only these platforms" },
};
static const struct dv_cli_option run_options[] = {
    BOOL("detach", 'd', "Run in the background and print the container ID"),
    DETACH_KEYS,
    SIG_PROXY,
};
static const struct dv_cli_option save_options[] = {
    STR("output", 'o', "Write to this file instead of STDOUT"),
    STR("platform", 0, "Save only this platform (os[/arch[/variant]])"),
};
static const struct dv_cli_option shutdown_options[] = {
    BOOL("keep-containers", 0, "End the daemon alone: its containers run on"),
};
static const struct dv_cli_option start_options[] = {
    BOOL("attach", 'a', "Attach STDOUT and STDERR, and pass signals on"),
    LATER("checkpoint", 0, DV_CLI_STR),
    LATER("checkpoint-dir", 0, DV_CLI_STR),
    DETACH_KEYS,
    BOOL("interactive", 'i', "Attach the container's STDIN"),
    { .name = "sig-proxy", .type = DV_CLI_BOOL, .flags = DV_CLI_HIDDEN, .fallback = "true" },
};

static const struct dv_cli_option system_prune_options[] = {
    BOOL("all", 'a', "Remove all unused images, not only dangling ones"),
    FILTER(0),
    BOOL("force", 'f', "Do not ask"),
    BOOL("volumes", 0, "Remove anonymous volumes too"),
};
static const struct dv_cli_option update_options[] = {
    { .name = "blkio-weight", .type = DV_CLI_UINT16,
      .help = "Block IO weight, 10 to 1000, or 0 for none" },
    { .name = "cpu-period", .type = DV_CLI_INT, .help = "CPU period of CFS in microseconds" },
    { .name = "cpu-quota", .type = DV_CLI_INT, .help = "CPU quota of CFS in microseconds" },
    { .name = "cpu-rt-period", .type = DV_CLI_INT,
      .help = "Period of the real-time scheduler in microseconds" },
    { .name = "cpu-rt-runtime", .type = DV_CLI_INT,
      .help = "CPU time in each real-time period in microseconds" },
    { .name = "cpu-shares", .letter = 'c', .type = DV_CLI_INT,
      .help = "CPU shares (relative weight)" },
    { .name = "cpus", .type = DV_CLI_DECIMAL, .help = "Number of CPUs" },
    STR("cpuset-cpus", 0, "CPUs to run on (0-3, 0,1)"),
    STR("cpuset-mems", 0, "Memory nodes to use (0-3, 0,1)"),
    LATER("kernel-memory", 0, DV_CLI_BYTES),
    { .name = "memory", .letter = 'm', .type = DV_CLI_BYTES, .help = "Memory limit" },
    { .name = "memory-reservation", .type = DV_CLI_BYTES, .help = "Soft memory limit" },
    { .name = "memory-swap", .type = DV_CLI_SWAP,
      .help = "Limit of memory and swap together, -1 for no limit" },
    { .name = "pids-limit", .type = DV_CLI_INT, .help = "Limit of processes, -1 for none" },
    STR("restart", 0, "Restart policy once the container exits"),
};

static const struct dv_cli_option volume_create_options[] = {
    LATER("availability", 0, DV_CLI_STR),
    { .name = "driver", .letter = 'd', .type = DV_CLI_STR, .fallback = "local",
      .help = "Volume driver" },
    LATER("group", 0, DV_CLI_STR),
    { .name = "label", .type = DV_CLI_LIST, .help = "Set metadata of the volume" },
    LATER("limit-bytes", 0, DV_CLI_BYTES),
    { .name = "name", .type = DV_CLI_STR, .flags = DV_CLI_HIDDEN },
    { .name = "opt", .letter = 'o', .type = DV_CLI_MAP, .help = "Set options of the driver" },
    LATER("required-bytes", 0, DV_CLI_BYTES),
    LATER("scope", 0, DV_CLI_STR),
    LATER("secret", 0, DV_CLI_MAP),
    LATER("sharing", 0, DV_CLI_STR),
    LATER("topology-preferred", 0, DV_CLI_LIST),
    LATER("topology-required", 0, DV_CLI_LIST),
    LATER("type", 0, DV_CLI_STR),
};
static const struct dv_cli_option volume_ls_options[] = {
    LATER("cluster", 0, DV_CLI_BOOL),
    FILTER('f'),
    OWN_FORMAT("volumesFormat"),
    BOOL("quiet", 'q', "Show volume names only"),
};
static const struct dv_cli_option volume_prune_options[] = {
    BOOL("all", 'a', "Remove all unused volumes, not only anonymous ones"),
    FILTER(0),
    BOOL("force", 'f', "Do not ask"),
};
static const struct dv_cli_option volume_rm_options[] = {
    BOOL("force", 'f', "No error where there is no such volume"),
};

#define OPTIONS(table) .options = table, .n_options = N(table)
#define CREATE_OPTIONS .more = dv_create_options, .n_more = DV_N_CREATE_OPTIONS
#define EACH "CONTAINER [CONTAINER...]"

const struct dv_cli_command dv_cli_commands[] = {
    { .paths = "config check", .args = "[FILE]", .max_args = 1, .run = dv_cmd_config_check,
      .help = "Say what is wrong with davit.ini and the drivers it names, without a daemon" },
    { .paths = "container attach, attach", .args = "[OPTIONS] CONTAINER", .min_args = 1,
      .max_args = 1, .run = dv_cmd_attach, OPTIONS(attach_options),
      .help = "Attach this terminal to a running container" },
    { .paths = "container create, create", .args = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
      .min_args = 1, .max_args = -1, .args_begin = true, .run = dv_cmd_create, CREATE_OPTIONS,
      .help = "Create a new container" },
    { .paths = "container exec, exec", .args = "[OPTIONS] CONTAINER COMMAND [ARG...]",
      .min_args = 2, .max_args = -1, .args_begin = true, .run = dv_cmd_exec, OPTIONS(exec_options),
      .help = "Execute a command in a running container" },
    { .paths = "container inspect", .args = "[OPTIONS] " EACH, .min_args = 1, .max_args = -1,
      .run = dv_cmd_container_inspect, OPTIONS(container_inspect_options),
      .help = "Show all about containers" },
    { .paths = "container kill, kill", .args = "[OPTIONS] " EACH, .min_args = 1, .max_args = -1,
      .run = dv_cmd_kill, OPTIONS(kill_options), .help = "Kill running containers" },
    { .paths = "container logs, logs", .args = "[OPTIONS] CONTAINER", .min_args = 1, .max_args = 1,
      .run = dv_cmd_logs, OPTIONS(logs_options), .help = "Show what a container printed" },
    { .paths = "container ls, container list, container ps, ps", .args = "[OPTIONS]",
      .run = dv_cmd_ps, OPTIONS(ps_options), .help = "List containers" },
    { .paths = "container pause, pause", .args = EACH, .min_args = 1, .max_args = -1,
      .run = dv_cmd_pause, .help = "Pause all processes of containers" },
    { .paths = "container prune", .args = "[OPTIONS]", .run = dv_cmd_container_prune,
      OPTIONS(container_prune_options), .help = "Remove all stopped containers" },
    { .paths = "container rename, rename", .args = "CONTAINER NEW_NAME", .min_args = 2,
      .max_args = 2, .run = dv_cmd_rename, .help = "Rename a container" },
    { .paths = "container restart, restart", .args = "[OPTIONS] " EACH, .min_args = 1,
      .max_args = -1, .run = dv_cmd_restart, OPTIONS(stop_options),
      .help = "Restart containers" },
    { .paths = "container rm, container remove, rm", .args = "[OPTIONS] " EACH, .min_args = 1,
      .max_args = -1, .run = dv_cmd_rm, OPTIONS(rm_options), .help = "Remove containers" },
    { .paths = "container run, run", .args = "[OPTIONS] IMAGE [COMMAND] [ARG...]", .min_args = 1,
      .max_args = -1, .args_begin = true, .run = dv_cmd_run, OPTIONS(run_options), CREATE_OPTIONS,
      .help = "Create a container from an image and run it" },
    { .paths = "container start, start", .args = "[OPTIONS] " EACH, .min_args = 1, .max_args = -1,
      .run = dv_cmd_start, OPTIONS(start_options), .help = "Start stopped containers" },
    { .paths = "container stop, stop", .args = "[OPTIONS] " EACH, .min_args = 1, .max_args = -1,
      .run = dv_cmd_stop, OPTIONS(stop_options), .help = "Stop running containers" },
    { .paths = "container top, top", .args = "CONTAINER [ps OPTIONS]", .min_args = 1,
      .max_args = -1, .args_begin = true, .run = dv_cmd_top,
      .help = "Show the processes of a container" },
    { .paths = "container unpause, unpause", .args = EACH, .min_args = 1, .max_args = -1,
      .run = dv_cmd_unpause, .help = "Let paused containers go on" },
    { .paths = "container update, update", .args = "[OPTIONS] " EACH, .min_args = 1,
      .max_args = -1, .run = dv_cmd_update, OPTIONS(update_options),
      .help = "Change the limits and the restart policy of containers" },
    { .paths = "container wait, wait", .args = EACH, .min_args = 1, .max_args = -1,
      .run = dv_cmd_wait, .help = "Wait until containers stop, then print their exit codes" },
    { .paths = "doctor", .args = "[OPTIONS]", .run = dv_cmd_doctor, OPTIONS(doctor_options),
      .help = "Say what keeps davit from working here, what it means and what to do" },
    { .paths = "image history, history", .args = "[OPTIONS] IMAGE", .min_args = 1, .max_args = 1,
      .run = dv_cmd_history, OPTIONS(history_options), .help = "Show the steps that made an image" },
    { .paths = "image import, import", .args = "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
      .min_args = 1, .max_args = 2, .run = dv_cmd_import, OPTIONS(import_options),
      .help = "Make an image of a root file system's archive" },
    { .paths = "image inspect", .args = "[OPTIONS] IMAGE [IMAGE...]", .min_args = 1,
      .max_args = -1, .run = dv_cmd_image_inspect, OPTIONS(image_inspect_options),
      .help = "Show all about images" },
    { .paths = "image load, load", .args = "[OPTIONS]", .run = dv_cmd_load, OPTIONS(load_options),
      .help = "Load images from an archive or STDIN" },
    { .paths = "image ls, image list, images", .args = "[OPTIONS] [REPOSITORY[:TAG]]",
      .max_args = 1, .run = dv_cmd_images, OPTIONS(images_options), .help = "List images" },
    { .paths = "image prune", .args = "[OPTIONS]", .run = dv_cmd_image_prune,
      OPTIONS(image_prune_options), .help = "Remove unused images" },
    { .paths = "image pull, pull", .args = "[OPTIONS] NAME[:TAG|@DIGEST]", .min_args = 1,
      .max_args = 1, .run = dv_cmd_pull, OPTIONS(pull_options),
      .help = "Download an image from a registry" },
    { .paths = "image rm, image remove, rmi", .args = "[OPTIONS] IMAGE [IMAGE...]", .min_args = 1,
      .max_args = -1, .run = dv_cmd_rmi, OPTIONS(rmi_options), .help = "Remove images" },
    { .paths = "image save, save", .args = "[OPTIONS] IMAGE [IMAGE...]", .min_args = 1,
      .max_args = -1, .run = dv_cmd_save, OPTIONS(save_options),
      .help = "Write images as an archive to a file or STDOUT" },
    { .paths = "image tag, tag", .args = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", .min_args = 2,
      .max_args = 2, .run = dv_cmd_tag, .help = "Give an image another name" },
    { .paths = "inspect", .args = "[OPTIONS] NAME|ID [NAME|ID...]", .min_args = 1, .max_args = -1,
      .run = dv_cmd_inspect, OPTIONS(inspect_options), .help = "Show all about objects" },
    { .paths = "plugin check", .args = "[OPTIONS] FILE", .min_args = 1, .max_args = 1,
      .run = dv_cmd_plugin_check, OPTIONS(plugin_check_options),
      .help = "Try a driver's file step by step, without a daemon" },
    { .paths = "plugin inspect", .args = "[OPTIONS] DRIVER [DRIVER...]", .min_args = 1,
      .max_args = -1, .run = dv_cmd_plugin_inspect, OPTIONS(document_options),
      .help = "Show all about drivers" },
    { .paths = "plugin ls, plugin list", .args = "[OPTIONS]", .run = dv_cmd_plugin_ls,
      OPTIONS(plugin_ls_options), .help = "List the daemon's drivers and their state" },
    { .paths = "plugin retry", .args = "DRIVER [DRIVER...]", .min_args = 1, .max_args = -1,
      .run = dv_cmd_plugin_retry,
      .help = "Load drivers again that are not active, out of quarantine too" },
    { .paths = "system df", .args = "[OPTIONS]", .run = dv_cmd_df, OPTIONS(df_options),
      .help = "Show what images, containers and volumes take on the disk" },
    { .paths = "system events, events", .args = "[OPTIONS]", .run = dv_cmd_events,
      OPTIONS(events_options), .help = "Show what happens on the daemon, as it happens" },
    { .paths = "system info, info", .args = "[OPTIONS]", .run = dv_cmd_info,
      OPTIONS(document_options), .help = "Show information about the daemon and its host" },
    { .paths = "system prune", .args = "[OPTIONS]", .run = dv_cmd_system_prune,
      OPTIONS(system_prune_options), .help = "Remove what nobody uses" },
    { .paths = "system shutdown", .args = "[OPTIONS]", .run = dv_cmd_shutdown,
      OPTIONS(shutdown_options), .help = "Stop all containers, then the daemon" },
    { .paths = "version", .args = "[OPTIONS]", .run = dv_cmd_version, OPTIONS(document_options),
      .help = "Show the versions of davit and of the daemon" },
    { .paths = "volume create", .args = "[OPTIONS] [VOLUME]", .max_args = 1,
      .run = dv_cmd_volume_create, OPTIONS(volume_create_options), .help = "Create a volume" },
    { .paths = "volume inspect", .args = "[OPTIONS] VOLUME [VOLUME...]", .min_args = 1,
      .max_args = -1, .run = dv_cmd_volume_inspect, OPTIONS(document_options),
      .help = "Show all about volumes" },
    { .paths = "volume ls, volume list", .args = "[OPTIONS]", .run = dv_cmd_volume_ls,
      OPTIONS(volume_ls_options), .help = "List volumes" },
    { .paths = "volume prune", .args = "[OPTIONS]", .run = dv_cmd_volume_prune,
      OPTIONS(volume_prune_options), .help = "Remove unused volumes" },
    { .paths = "volume rm, volume remove", .args = "[OPTIONS] VOLUME [VOLUME...]", .min_args = 1,
      .max_args = -1, .run = dv_cmd_volume_rm, OPTIONS(volume_rm_options),
      .help = "Remove volumes" },
};
const size_t dv_cli_n_commands = N(dv_cli_commands);

const struct dv_cli_group dv_cli_groups[] = {
    { "config", "Check the daemon's configuration" },
    { "container", "Manage containers" },
    { "image", "Manage images" },
    { "plugin", "Manage drivers" },
    { "system", "Manage the daemon" },
    { "volume", "Manage volumes" },
};
const size_t dv_cli_n_groups = N(dv_cli_groups);

const char *const dv_cli_later[] = {
    "build", "builder", "buildx", "checkpoint", "commit", "compose", "config create",
    "config inspect", "config ls", "config rm", "container commit",
    "container cp", "container diff", "container export", "container port", "container stats",
    "context", "cp", "diff", "export", "image build",
    "image push", "login", "logout", "manifest", "network", "node", "plugin create",
    "plugin disable", "plugin enable", "plugin install", "plugin push",
    "plugin rm", "plugin set", "plugin upgrade", "port", "push", "search", "secret",
    "service", "stack", "stats", "swarm", "trust", "volume update",
    NULL,
};

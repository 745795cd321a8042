/* cli_replies.c - what commands ask of the daemon and what they make of its replies: sound ones, errors,
 * and such as no daemon should give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/util.h"
#include "core/base/file.h"
#include "core/base/sock.h"

enum { MAX_ARGS = 8, OUT_BYTES = 16384 };

/* ---- the daemon: answers whatever it is asked, by a list of replies, over and over ---- */

/* Shared by the processes; none has a thread, since a fork would copy another one's locks. */
static struct daemon {
    char dir[64];
    int dir_fd, listen_fd, stop[2];
    const char *const *replies;      /* "STATUS BODY" */
    size_t n_replies, asked;
    char requests[4][512];           /* their first lines */
} *shared;
#define served (*shared)

static bool read_request(int fd, char line[512])
{
    char buf[8192];
    size_t len = 0, body = 0;
    char *end = NULL;

    while (!end || len < (size_t)(end + 4 - buf) + body) {
        struct pollfd p[] = { { .fd = fd, .events = POLLIN },
                              { .fd = served.stop[0], .events = POLLIN } };
        ssize_t n;
        const char *length;

        if (poll(p, 2, -1) < 0 || p[1].revents)
            return false;
        n = read(fd, buf + len, sizeof(buf) - 1 - len);
        if (n <= 0)
            return false;
        len += (size_t)n;
        buf[len] = '\0';
        end = strstr(buf, "\r\n\r\n");
        if (end && strcasestr(buf, "transfer-encoding: chunked") && !strstr(end + 4, "0\r\n\r\n"))
            end = NULL;
        length = end ? strcasestr(buf, "content-length:") : NULL;
        if (length && length < end)
            body = strtoul(length + strlen("content-length:"), NULL, 10);
    }
    snprintf(line, 512, "%.*s", (int)strcspn(buf, "\r"), buf);
    return true;
}

static void serve_one(int fd)
{
    char line[512];

    while (read_request(fd, line)) {
        const char *reply = served.replies[served.asked % served.n_replies], *body = strchr(reply, ' ') + 1;
        dv_autofree char *text = dv_format("HTTP/1.1 %.3s X\r\nContent-Type: application/json\r\n"
                                           "Content-Length: %zu\r\n\r\n%s", reply, strlen(body), body);

        if (served.asked < N(served.requests))
            snprintf(served.requests[served.asked], sizeof(served.requests[0]), "%s", line);
        served.asked++;
        if (dv_write_all(fd, text, strlen(text)) < 0)
            return;
    }
}

static void serve(void)
{
    for (;;) {
        struct pollfd p[] = { { .fd = served.listen_fd, .events = POLLIN },
                              { .fd = served.stop[0], .events = POLLIN } };
        int fd;

        if (poll(p, 2, -1) < 0 || p[1].revents)
            return;
        fd = accept4(served.listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        serve_one(fd);
        close(fd);
    }
}

static int set_up(void **state)
{
    struct dv_error err = { 0 };

    (void)state;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return -1;
    strcpy(served.dir, "/tmp/davit-cli-XXXXXX");
    if (!mkdtemp(served.dir))
        return -1;
    served.dir_fd = open(served.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    served.listen_fd = dv_sock_listen(served.dir_fd, "sock", SOCK_STREAM, 0600, &err);
    return served.listen_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct dv_error err = { 0 };

    (void)state;
    close(served.listen_fd);
    close(served.dir_fd);
    return dv_remove_tree(AT_FDCWD, served.dir, &err);
}

/* ---- the command, in a child: what it prints and its exit code ---- */

static struct {
    char out[OUT_BYTES], err[OUT_BYTES];
    int code;                        /* -1: a signal ended it */
} said;

static void read_back(int fd, char *to)
{
    ssize_t n = pread(fd, to, OUT_BYTES - 1, 0);

    to[n > 0 ? n : 0] = '\0';
    close(fd);
}

static int run_command(int argc, char *const *argv)
{
    dv_autofree char *host = dv_format("unix://%s/sock", served.dir);
    struct dv_client client = { 0 };
    struct dv_error err = { 0 };
    int code;

    if (dv_client_init(&client, host, &err) < 0)
        return 99;
    client.config_dir = served.dir; /* nobody's own settings */
    code = dv_cli_dispatch(&client, argc, argv);
    dv_client_done(&client);
    return code;
}

/* LINE, its words split at blanks, so many TIMES. */
static void run_times(const char *line, size_t times)
{
    int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC), status;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dv_autostrv words = { 0 };
    pid_t pid, daemon_pid;

    assert_int_equal(dv_strv_split(&words, line, ' '), 0);
    served.asked = 0;
    memset(served.requests, 0, sizeof(served.requests));
    assert_int_equal(pipe2(served.stop, O_CLOEXEC), 0);
    daemon_pid = fork();
    assert_true(daemon_pid >= 0);
    if (daemon_pid == 0) {
        close(served.stop[1]);
        serve();
        _exit(0);
    }
    close(served.stop[0]);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(null, 0);
        dup2(out, 1);
        dup2(err, 2);
        setenv("TZ", "UTC", 1);
        for (status = 0; times > 0 && status <= 1; times--)
            status = run_command((int)words.n, words.items);
        fflush(NULL);
        exit(status);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(served.stop[1]); /* the daemon's end */
    assert_int_equal(waitpid(daemon_pid, NULL, 0), daemon_pid);
    said.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    read_back(out, said.out);
    read_back(err, said.err);
    close(null);
}

static void run(const char *line, const char *first, const char *second)
{
    const char *const replies[] = { first, second ? second : first };

    served.replies = replies;
    served.n_replies = N(replies);
    run_times(line, 1);
}

/* ---- sound replies ---- */

#define CONTAINER                                                                                  \
    "{\"Id\":\"4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945\",\"Names\":"      \
    "[\"/web\",\"/other/db\"],\"Image\":\"busybox\",\"ImageID\":\"sha256:1\",\"Command\":\"sh -c "  \
    "sleep-for-a-long-time\",\"Created\":1700000000,\"State\":\"running\",\"Status\":\"Up 2 "      \
    "minutes\",\"Ports\":[{\"IP\":\"0.0.0.0\",\"PrivatePort\":80,\"PublicPort\":8080,\"Type\":"    \
    "\"tcp\"},{\"IP\":\"0.0.0.0\",\"PrivatePort\":81,\"PublicPort\":8081,\"Type\":\"tcp\"},{"     \
    "\"PrivatePort\":53,\"Type\":\"udp\"}],\"Labels\":{\"b\":\"2\",\"a\":\"1\"},\"SizeRw\":1500,"  \
    "\"SizeRootFs\":3000000,\"Mounts\":[{\"Type\":\"volume\",\"Name\":\"data\",\"Driver\":"       \
    "\"local\"}],\"NetworkSettings\":{\"Networks\":{\"bridge\":{}}}}"
#define IMAGE                                                                                      \
    "{\"Id\":\"sha256:aaaaaaaaaaaabbbbbbbbbbbb\",\"RepoTags\":[\"busybox:latest\",\"h:5000/a:v1\"]," \
    "\"RepoDigests\":[\"busybox@sha256:77\"],\"Created\":1700000000,\"Size\":4200000,"             \
    "\"SharedSize\":-1,\"Containers\":-1}"

static void asks_and_prints(void **state)
{
    static const struct {
        const char *line, *reply, *request, *out;
    } cases[] = {
        { "ps", "200 [" CONTAINER "]", "GET /v1.51/containers/json HTTP/1.1",
          "0.0.0.0:8080-8081->80-81/tcp, 53/udp" },
        { "ps -a --filter status=exited --last 3", "200 []",
          "GET /v1.51/containers/json?all=1&limit=3&filters=", "CONTAINER ID" },
        { "ps -q", "200 [" CONTAINER "]", "GET ", "4f53cda18c2b\n" },
        { "ps --no-trunc --format {{.ID}}/{{.Names}}/{{.Labels}}", "200 [" CONTAINER "]", "GET ",
          "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945/web,other/db/a=1,b=2\n" },
        { "ps --format {{.Size}}", "200 [" CONTAINER "]", "GET /v1.51/containers/json?size=1 ",
          "1.5kB (virtual 3MB)\n" },
        { "ps --format {{.Networks}},{{.LocalVolumes}},{{.Mounts}}", "200 [" CONTAINER "]", "GET ",
          "bridge,1,data\n" },
        { "images", "200 [" IMAGE "]", "GET /v1.51/images/json HTTP/1.1", "h:5000/a" },
        { "images -q busybox", "200 [" IMAGE "]",
          "GET /v1.51/images/json?filters=%7B%22reference%22%3A%7B%22busybox%22%3Atrue%7D%7D ",
          "aaaaaaaaaaaa\naaaaaaaaaaaa\n" },
        { "images --digests --format {{.Repository}}@{{.Digest}}", "200 [" IMAGE "]", "GET ",
          "busybox@sha256:77\nh:5000/a@<none>\n" },
        { "top web -o pid", "200 {\"Titles\":[\"PID\",\"CMD\"],\"Processes\":[[\"1\",\"sh\"]]}",
          "GET /v1.51/containers/web/top?ps_args=-o%20pid ", "PID" },
        { "volume ls", "200 {\"Volumes\":[{\"Name\":\"data\",\"Driver\":\"local\",\"Labels\":{\"k\":"
          "\"v\"}}]}", "GET /v1.51/volumes HTTP/1.1", "local     data\n" },
        { "volume create --label a=b --opt o= data", "201 {\"Name\":\"data\"}",
          "POST /v1.51/volumes/create ", "data\n" },
        { "volume rm -f a/b", "204 ", "DELETE /v1.51/volumes/a%2Fb?force=1 ", "a/b\n" },
        { "volume prune -f -a", "200 {\"VolumesDeleted\":[\"data\"],\"SpaceReclaimed\":1500}",
          "POST /v1.51/volumes/prune?filters=%7B%22all%22%3A%7B%22true%22%3Atrue%7D%7D ",
          "Deleted Volumes:\ndata\n\nTotal reclaimed space: 1.5kB\n" },
        { "container prune -f", "200 {\"ContainersDeleted\":null,\"SpaceReclaimed\":0}",
          "POST /v1.51/containers/prune ", "Total reclaimed space: 0B\n" },
        { "image prune -f", "200 {\"ImagesDeleted\":[{\"Untagged\":\"a:b\"},{\"Deleted\":"
          "\"sha256:1\"}],\"SpaceReclaimed\":2000}", "POST /v1.51/images/prune?filters=",
          "untagged: a:b\ndeleted: sha256:1\n" },
        { "rmi -f app:v1", "200 [{\"Untagged\":\"app:v1\"},{\"Deleted\":\"sha256:1\"}]",
          "DELETE /v1.51/images/app:v1?force=1 ", "Untagged: app:v1\nDeleted: sha256:1\n" },
        { "tag a h:5000/b:c", "201 ", "POST /v1.51/images/a/tag?repo=h%3A5000%2Fb&tag=c ", "" },
        { "history --no-trunc --format {{.CreatedBy}}:{{.Size}} app",
          "200 [{\"Id\":\"<missing>\",\"Created\":1,\"CreatedBy\":\"/bin/sh -c #(nop)  CMD\",\"Size\":"
          "1000}]", "GET /v1.51/images/app/history ", "/bin/sh -c #(nop)  CMD:1kB\n" },
        { "system df", "200 {\"LayersSize\":4200000,\"Images\":[{\"Containers\":1,\"Size\":4200000,"
          "\"SharedSize\":0},{\"Containers\":0}],\"Containers\":[" CONTAINER "],\"Volumes\":[{"
          "\"UsageData\":{\"Size\":-1,\"RefCount\":0}}],\"BuildCache\":null}",
          "GET /v1.51/system/df ", "Images          2         1         4.2MB     0B (0%)" },
        { "plugin ls", "200 [{\"Name\":\"vfs\",\"Kind\":\"storage\",\"Version\":\"1\",\"State\":"
          "\"failed\",\"Reason\":\"no space\"}]", "GET /v1.51/davit/plugins ", "no space" },
        { "plugin retry vfs", "200 {}", "POST /v1.51/davit/plugins/vfs/retry ", "vfs\n" },
        { "rename a b", "204 ", "POST /v1.51/containers/a/rename?name=b ", "" },
        { "kill -s HUP a", "204 ", "POST /v1.51/containers/a/kill?signal=HUP ", "a\n" },
        { "stop a", "204 ", "POST /v1.51/containers/a/stop ", "a\n" },
        { "pause a", "204 ", "POST /v1.51/containers/a/pause ", "a\n" },
        { "rm -f -v a", "204 ", "DELETE /v1.51/containers/a?", "a\n" },
        { "update --memory 64m a", "200 {\"Warnings\":[\"no swap\"]}",
          "POST /v1.51/containers/a/update ", "a\n" },
        { "wait a", "200 {\"StatusCode\":7}", "POST /v1.51/containers/a/wait", "7\n" },
        { "inspect -f {{.Name}} a", "200 {\"Name\":\"/a\"}", "GET /v1.51/containers/a/json ", "/a\n" },
        { "version -f {{.Server.Version}}", "200 {\"Version\":\"9.9\",\"Components\":[{\"Name\":"
          "\"Engine\",\"Details\":{}}]}", "GET /v1.51/version ", "9.9\n" },
        { "info -f {{.Images}}", "200 {\"Images\":3}", "GET /v1.51/info ", "3\n" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        run(cases[i].line, cases[i].reply, NULL);
        if (said.code != 0)
            fail_msg("davit %s: exit %d: %s", cases[i].line, said.code, said.err);
        if (strncmp(served.requests[0], cases[i].request, strlen(cases[i].request)) != 0)
            fail_msg("davit %s asked: %s", cases[i].line, served.requests[0]);
        if (!strstr(said.out, cases[i].out))
            fail_msg("davit %s: no '%s' in: %s", cases[i].line, cases[i].out, said.out);
    }
}

/* ---- errors ---- */

static void passes_errors_on(void **state)
{
    static const struct {
        const char *line, *first, *second;
        int code;
        const char *out, *err;
    } cases[] = {
        { "ps", "500 {\"message\":\"boom\"}", NULL, 1, "", "Error response from daemon: boom\n" },
        { "ps", "500 ", NULL, 1, "", "status 500 without a message" },
        { "ps", "400 plain words", NULL, 1, "", "Error response from daemon: plain words\n" },
        { "ps", "400 {\"message\":7}", NULL, 1, "", "status 400 without a message" },
        { "ps", "200 [", NULL, 1, "", "the daemon's reply to GET /containers/json" },
        /* Of several, each by itself. */
        { "stop a b", "404 {\"message\":\"No such container: a\"}", "204 ", 1, "b\n",
          "No such container: a" },
        { "rm a b", "204 ", "409 {\"message\":\"it runs\"}", 1, "a\n", "it runs" },
        { "volume rm a b", "404 {\"message\":\"get a: no such volume\"}", "204 ", 1, "b\n",
          "no such volume" },
        { "rmi -f a b", "404 {\"message\":\"No such image: a\"}", "200 []", 0, "", "No such image" },
        { "rmi a", "404 {\"message\":\"No such image: a\"}", NULL, 1, "", "No such image" },
        { "inspect a", "404 {\"message\":\"none\"}", NULL, 1, "[]\n", "No such object: a" },
        { "plugin inspect a", "404 {\"message\":\"no driver 'a'\"}", NULL, 1, "[]\n",
          "no driver 'a'" },
        { "images --format {{.Nope}}", "200 [" IMAGE "]", NULL, 1, "", "Nope" },
        { "ps --format {{.ID", "200 []", NULL, 1, "", "" },
        { "volume create --name a b", "201 {}", NULL, 1, "", "conflicting options" },
        { "system prune -f --volumes --filter until=1h", "200 {}", NULL, 1, "",
          "\"until\" filter is not supported" },
        { "volume prune", "200 {}", NULL, 1, "", "volume prune has been cancelled" },
        { "tag a B", "201 ", NULL, 1, "", "not a valid repository/tag" },
        { "inspect --type dust a", "200 {}", NULL, 1, "", "dust" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        run(cases[i].line, cases[i].first, cases[i].second);
        if (said.code != cases[i].code || !strstr(said.out, cases[i].out) ||
            !strstr(said.err, cases[i].err))
            fail_msg("davit %s: exit %d: %s%s", cases[i].line, said.code, said.out, said.err);
    }
}

/* ---- streams ---- */

#define EVENT                                                                                      \
    "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"c1\",\"Attributes\":{\"b\":"          \
    "\"2\",\"a\":\"1\"}},\"timeNano\":1000000001}\n"

static void carries_streams(void **state)
{
    static const struct {
        const char *line, *first, *second;
        int code;
        const char *out, *err, *request; /* the last one's beginning */
    } cases[] = {
        { "logs -n 3 a", "200 {\"Id\":\"x1\",\"Config\":{\"Tty\":true}}", "200 hello\n", 0, "hello\n",
          "", "GET /v1.51/containers/x1/logs?stdout=1&stderr=1&tail=3" },
        { "logs a", "200 {\"Id\":\"x1\",\"Config\":{}}", "200 no frame at all", 1, "", "", "GET " },
        { "logs --since never a", "200 {\"Id\":\"x1\"}", NULL, 1, "", "since", "GET " },
        { "events --until 1", "200 " EVENT, NULL, 0,
          "1970-01-01T00:00:01.000000001Z container start c1 (a=1, b=2)\n", "",
          "GET /v1.51/events?until=1" },
        { "events --format {{.Action}}", "200 " EVENT EVENT, NULL, 0, "start\nstart\n", "", "GET " },
        { "events", "200 7\n[]\n{\"Actor\":[],\"timeNano\":\"x\"}\n", NULL, 0, "", "", "GET " },
        { "events", "200 {\n", NULL, 1, "", "JSON", "GET " },
        { "load", "200 {\"stream\":\"Loaded image: a:b\\n\"}\n", NULL, 0, "Loaded image: a:b\n", "",
          "POST /v1.51/images/load?quiet=1 " },
        { "load", "200 {\"errorDetail\":{\"message\":\"bad tar\"},\"error\":\"bad tar\"}\n", NULL, 1, "",
          "bad tar", "POST " },
        { "load -i /nonexistent", "200 ", NULL, 1, "", "open /nonexistent: no such file or directory",
          "" },
        { "import -c CMD - fs:t", "200 {\"status\":\"sha256:1\"}\n", NULL, 0, "sha256:1\n", "",
          "POST /v1.51/images/create?fromSrc=-&repo=fs%3At&changes=CMD " },
        { "pull busybox", "501 {\"message\":\"cannot pull\"}", NULL, 1, "", "cannot pull",
          "POST /v1.51/images/create?fromImage=" },
        { "save a b", "200 an archive", NULL, 0, "an archive", "",
          "GET /v1.51/images/get?names=a&names=b " },
        { "save -o /nonexistent/x a", "200 an archive", NULL, 1, "", "/nonexistent", "" },
        { "exec -d -e A=b a sh -c true", "201 {\"Id\":\"e1\"}", "200 ", 0, "", "",
          "POST /v1.51/exec/e1/start " },
        { "exec -d a sh", "409 {\"message\":\"it is paused\"}", NULL, 1, "", "it is paused",
          "POST /v1.51/containers/a/exec " },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        const char *last;

        run(cases[i].line, cases[i].first, cases[i].second);
        last = served.asked ? served.requests[served.asked - 1] : "";
        if (said.code != cases[i].code || !strstr(said.out, cases[i].out) ||
            !strstr(said.err, cases[i].err) ||
            strncmp(last, cases[i].request, strlen(cases[i].request)) != 0)
            fail_msg("davit %s: exit %d, asked %s: %s%s", cases[i].line, said.code, last, said.out,
                     said.err);
    }
}

/* ---- what no daemon should say ---- */

/* Every list and every member of another type than it should have: an error or an odd line, no more. */
static void bears_any_json(void **state)
{
    static const char *const lines[] = {
        "ps", "ps -a --no-trunc", "ps --size", "images", "images --digests", "top a", "history a",
        "volume ls", "volume prune -f", "container prune -f", "image prune -f", "rmi a", "system df",
        "system df -v", "info", "version", "plugin ls", "plugin inspect a", "inspect a", "update a",
        "volume create", "wait a", "ps --format json", "images --format json",
        "system df --format json",
    };
    static const char *const documents[] = {
        "200 null", "200 7", "200 \"x\"", "200 []", "200 {}", "200 [[],7,\"x\",{},true]",
        "200 [{\"Id\":7,\"Names\":{},\"Ports\":[7,{}],\"Mounts\":[7,{\"Name\":[]}],\"Labels\":[],"
        "\"Created\":\"x\",\"RepoTags\":\"x\",\"RepoDigests\":7,\"NetworkSettings\":[],\"Size\":"
        "\"big\",\"Name\":{}}]",
        "200 [{\"Created\":9223372036854775807,\"Size\":-9223372036854775808,\"SizeRw\":"
        "9223372036854775807,\"SizeRootFs\":9223372036854775807,\"RepoTags\":[\"\",\":\",\"@\"],"
        "\"RepoDigests\":[\"\",\"@\",\"a@\"],\"Names\":[\"\",\"/\"],\"Ports\":[{\"PrivatePort\":-1,"
        "\"PublicPort\":99999999999}]}]",
        "200 {\"Titles\":[\"A\",\"B\"],\"Processes\":[[\"1\"],[],[[],{}]],\"Volumes\":[7,{},"
        "{\"Labels\":{\"a\":null},\"UsageData\":[]}],\"VolumesDeleted\":[\"\"],\"ContainersDeleted\":"
        "{},\"ImagesDeleted\":[7,[],{}],\"SpaceReclaimed\":-1,\"LayersSize\":-1,\"Images\":[7,{}],"
        "\"Containers\":[{}],\"BuildCache\":[7],\"Warnings\":7,\"Components\":[7,{}],"
        "\"Plugins\":[],\"Swarm\":7,\"SecurityOptions\":[\"\",\"=\",\"name=\"],\"DriverStatus\":"
        "[[\"a\",\"b\"]],\"MemTotal\":-1,\"StatusCode\":-1}",
        "200 [null,{\"Names\":[null,7],\"RepoTags\":[null,[]],\"RepoDigests\":[null,{}],\"Labels\":"
        "{\"a\":null,\"b\":7}}]",
        "200 {\"Titles\":[null,7],\"Processes\":[null,7,{},[null,7]],\"Volumes\":[null,{\"Labels\":"
        "{\"a\":null}}],\"VolumesDeleted\":[null,7],\"ContainersDeleted\":[null,[]],"
        "\"ImagesDeleted\":[null],\"Images\":[null,{\"RepoTags\":[null],\"RepoDigests\":[null]}],"
        "\"Containers\":[null,7,[]],\"Warnings\":[null,7],\"SecurityOptions\":[null,7],"
        "\"DriverStatus\":[null,7,[null,7]],\"Labels\":[null,7],\"Plugins\":{\"Volume\":[null]}}",
    };

    (void)state;
    served.replies = documents;
    served.n_replies = N(documents);
    for (size_t i = 0; i < N(lines); i++) {
        run_times(lines[i], N(documents));
        if (said.code < 0 || said.code > 1)
            fail_msg("davit %s: exit %d after %zu replies: %s", lines[i], said.code, served.asked,
                     said.err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_and_prints),
        cmocka_unit_test(passes_errors_on),
        cmocka_unit_test(carries_streams),
        cmocka_unit_test(bears_any_json),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* api_objects.c - tests of the handlers of images, volumes, networks, execs and davit's own, through
 * the server's socket: volumes are real ones, the rest is fake. */
#include <signal.h>
#include <stdio.h>

#include "api_box.h"
#include "core/state/db.h"
#include "core/volume/volume.h"

static int set_up_objects(void **state)
{
    struct dv_volumes_config config = { .root = server.dir };
    struct dv_error err = { 0 };
    char path[64];

    if (set_up(state) != 0)
        return -1;
    fake.n_images = 3;
    fake.n_networks = 2;
    snprintf(path, sizeof(path), "%s/davit.db", server.dir);
    if (dv_db_open(path, &fake.engine.db, &err) < 0)
        return -1;
    config.root_fd = server.dir_fd;
    config.db = fake.engine.db;
    return dv_volumes_open(&config, &fake.engine.volumes, &err);
}

static int tear_down_objects(void **state)
{
    struct dv_volumes *volumes = fake.engine.volumes;
    struct dv_db *db = fake.engine.db;
    struct dv_error err = { 0 };
    int keep = dup(server.dir_fd), r;
    char dir[sizeof(server.dir)];

    memcpy(dir, server.dir, sizeof(dir));
    r = tear_down(state); /* no request is under way any more */
    dv_volumes_close(volumes);
    dv_db_close(db);
    dv_close(keep);
    (void)!dv_remove_tree(AT_FDCWD, dir, &err); /* what the store wrote at its close */
    return r;
}

/* ---- a client's shorthand ---- */

/* "PATH?filters=TEXT", percent-encoded. Static buffer. */
static const char *filtered(const char *path, const char *text)
{
    static char out[2048];
    size_t n = (size_t)snprintf(out, sizeof(out), "%s%cfilters=", path, strchr(path, '?') ? '&' : '?');

    for (; *text; text++)
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%%%02x", (unsigned char)*text);
    return out;
}

static const char *request(const char *method, const char *target, const char *body)
{
    char text[4096];

    snprintf(text, sizeof(text),
             "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s", method, target, strlen(body), body);
    return ask(text);
}
#define get(target) request("GET", target, "")
#define post(target, body) request("POST", target, body)
#define drop(target) request("DELETE", target, "")

static void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' is in: %s", part, text);
}

struct filter_case {
    const char *filters, *has, *lacks;
};

static void check_filters(const char *path, const struct filter_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *reply = get(filtered(path, cases[i].filters));

        if (!strstr(reply, cases[i].has))
            fail_msg("%s: '%s' is not in: %s", cases[i].filters, cases[i].has, reply);
        if (cases[i].lacks && strstr(reply, cases[i].lacks))
            fail_msg("%s: '%s' is in: %s", cases[i].filters, cases[i].lacks, reply);
    }
}

/* ---- volumes ---- */

static void makes_shows_and_removes_volumes(void **state)
{
    const char *reply;

    (void)state;
    reply = post("/volumes/create", "{\"Name\":\"data\",\"Labels\":{\"a\":\"b\"}}");
    assert_has(reply, "201 Created");
    assert_has(reply, "\"Labels\":{\"a\":\"b\"}");
    assert_has(reply, "/volumes/data/_data\"");
    reply = post("/volumes/create", "{\"Name\":\"data\",\"Labels\":{\"other\":\"x\"}}");
    assert_has(reply, "201 Created");
    assert_has(reply, "\"Labels\":{\"a\":\"b\"}"); /* what exists is kept as it is */
    assert_has(get("/volumes/data"), "\"Options\":null");
    assert_has(drop("/volumes/data"), "204 No Content");
    assert_has(drop("/volumes/data"), "404 Not Found");
    assert_has(drop("/volumes/data?force=1"), "204 No Content");
    assert_has(get("/volumes"), "{\"Volumes\":[],\"Warnings\":null}");
}

static void marks_anonymous_volumes(void **state)
{
    static const char label[] = "\"Labels\":{\"com.docker.volume.anonymous\":\"\"}";

    (void)state;
    assert_has(post("/v1.42/volumes/create", "{}"), label);
    assert_has(get("/v1.41/volumes"), "\"Labels\":null");
    assert_has(get("/v1.42/volumes"), label);
}

static void refuses_bad_volumes(void **state)
{
    static const struct {
        const char *body, *status, *text;
    } cases[] = {
        { "", "400", "EOF" },
        { "[]", "400", "" },
        { "{\"Name\":7}", "400", "Name" },
        { "{\"Name\":\"../etc\"}", "400", "../etc" },
        { "{\"Name\":\"a/b\"}", "400", "a/b" },
        { "{\"Name\":\"xy\",\"Labels\":[\"a\"]}", "400", "Labels" },
        { "{\"Name\":\"xy\",\"Labels\":{\"a\":1}}", "400", "Labels" },
        { "{\"Name\":\"xy\",\"Driver\":\"nfs\"}", "404", "nfs" },
        { "{\"Name\":\"xy\",\"DriverOpts\":{\"nonsense\":\"1\"}}", "400", "nonsense" },
        { "{\"Name\":\"xy\",\"ClusterVolumeSpec\":{}}", "501", "not supported yet" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        const char *reply = post("/volumes/create", cases[i].body);

        if (strncmp(reply, "HTTP/1.1 ", 9) != 0 || strncmp(reply + 9, cases[i].status, 3) != 0)
            fail_msg("%s: %s", cases[i].body, reply);
        assert_has(reply, cases[i].text);
    }
    assert_has(get("/volumes"), "\"Volumes\":[]");
    assert_has(get("/volumes/%2e%2e%2fdavit.db"), "404 Not Found");
    assert_has(drop("/volumes/%2e%2e%2fdavit.db?force=1"), "HTTP/1.1 ");
    assert_int_equal(faccessat(server.dir_fd, "davit.db", F_OK, 0), 0);
}

static void use_volume(const char *name)
{
    const struct dv_volume_req req = { .name = name, .container_id = "c1" };
    char made[DV_VOLUME_NAME_BYTES];
    struct dv_error err = { 0 };

    assert_int_equal(dv_volume_create(fake.engine.volumes, &req, made, &err), 0);
}

static void filters_volumes(void **state)
{
    static const struct filter_case cases[] = {
        { "{\"name\":[\"^dat\"]}", "\"data\"", "\"other\"" },
        { "{\"dangling\":[\"true\"]}", "\"data\"", "\"used\"" },
        { "{\"dangling\":[\"0\"]}", "\"used\"", "\"data\"" },
        { "{\"dangling\":[\"maybe\"]}", "400 Bad Request", NULL },
        { "{\"dangling\":[\"1\",\"0\"]}", "400 Bad Request", NULL },
        { "{\"label\":[\"a=b\"]}", "\"data\"", "\"other\"" },
        { "{\"label\":[\"a=c\"]}", "\"Volumes\":[]", NULL },
        { "{\"driver\":[\"nfs\"]}", "\"Volumes\":[]", NULL },
        { "{\"driver\":[]}", "\"data\"", NULL },
        { "{\"colour\":[\"red\"]}", "invalid filter 'colour'", NULL },
        { "{\"name\":{\"data\":7}}", "\"data\"", "\"other\"" },
    };

    (void)state;
    assert_has(post("/volumes/create", "{\"Name\":\"data\",\"Labels\":{\"a\":\"b\"}}"), "201 ");
    assert_has(post("/volumes/create", "{\"Name\":\"other\"}"), "201 ");
    use_volume("used");
    check_filters("/volumes", cases, N(cases));
}

/* What a container uses stays; since 1.42 what has a name stays, too, unless "all" is asked for. */
static void prunes_volumes(void **state)
{
    const char *reply;

    (void)state;
    use_volume("used");
    assert_has(drop("/volumes/used"), "409 Conflict");
    assert_has(drop("/volumes/used?force=1"), "409 Conflict");
    assert_has(post("/volumes/create", "{\"Name\":\"keep\",\"Labels\":{\"a\":\"b\"}}"), "201 ");
    assert_has(post("/volumes/create", "{\"Name\":\"named\"}"), "201 ");
    assert_has(post("/volumes/create", "{}"), "201 ");
    reply = post("/v1.42/volumes/prune", "");
    assert_has(reply, "\"SpaceReclaimed\":");
    assert_lacks(reply, "\"named\"");
    assert_lacks(reply, "\"VolumesDeleted\":null");
    assert_string_equal(fake.event, "volume prune");
    assert_has(post("/v1.42/volumes/prune", ""), "\"VolumesDeleted\":null");
    assert_has(post(filtered("/v1.42/volumes/prune", "{\"all\":[\"1\"],\"label!\":[\"a=b\"]}"), ""),
               "\"VolumesDeleted\":[\"named\"]");
    assert_has(post("/v1.41/volumes/prune", ""), "\"VolumesDeleted\":[\"keep\"]");
    assert_has(post(filtered("/volumes/prune", "{\"dangling\":[\"1\"]}"), ""), "400 ");
    assert_has(get("/volumes/used"), "200 OK");
}

/* ---- networks ---- */

static void filters_networks(void **state)
{
    static const struct filter_case cases[] = {
        { "{\"driver\":[\"bridge\"]}", "\"bridge\"", "\"back\"" },
        { "{\"driver\":[\"null\"]}", "\"back\"", "\"Name\":\"bridge\"" },
        { "{\"id\":[\"c\"]}", "\"back\"", "\"Name\":\"bridge\"" },
        { "{\"name\":[\"ack\"]}", "\"back\"", "\"Name\":\"bridge\"" },
        { "{\"type\":[\"custom\"]}", "\"back\"", "\"Name\":\"bridge\"" },
        { "{\"type\":[\"builtin\",\"custom\"]}", "\"back\"", NULL },
        { "{\"type\":[\"homemade\"]}", "invalid filter: 'type'='homemade'", NULL },
        { "{\"dangling\":[\"true\"]}", "\"back\"", "\"Name\":\"bridge\"" },
        { "{\"dangling\":[\"false\"]}", "\"Name\":\"bridge\"", "\"back\"" },
        { "{\"dangling\":[\"\"]}", "400 Bad Request", NULL },
        { "{\"scope\":[\"global\"]}", "\r\n\r\n[]", NULL },
        { "{\"label\":[\"a\"]}", "\r\n\r\n[]", NULL },
    };

    (void)state;
    check_filters("/networks", cases, N(cases));
}

static void shows_who_is_in_a_network(void **state)
{
    const char *reply = get("/networks/bridge");

    (void)state;
    assert_has(reply, "\"Containers\":{}"); /* web does not run */
    assert_has(reply, "\"Subnet\":\"172.17.0.0/16\",\"Gateway\":\"172.17.0.1\"");
    assert_has(reply, "\"com.docker.network.bridge.default_bridge\":\"true\"");
    fake.status = DV_RUNNING;
    assert_has(get("/networks/bridge"), "\"IPv4Address\":\"172.17.0.2/16\"");
    reply = get("/networks/back");
    assert_has(reply, "\"Containers\":{}");
    assert_has(reply, "\"Internal\":true");
    assert_has(reply, "\"Options\":{}");
    assert_has(reply, "\"Config\":[]");
    assert_has(get("/networks/bridge?scope=swarm"), "network bridge not found");
    assert_has(get("/networks/nope"), "404 Not Found");
    assert_lacks(get("/v1.47/networks/bridge"), "EnableIPv4");
}

/* ---- images ---- */

static void filters_images(void **state)
{
    static const struct filter_case cases[] = {
        { "{\"dangling\":[\"true\"]}", "\"Id\":\"sha256:bbbb", "\"Id\":\"sha256:aaaa" },
        { "{\"dangling\":[\"false\"]}", "\"Id\":\"sha256:aaaa", "\"Id\":\"sha256:bbbb" },
        { "{\"label\":[\"b=1\"]}", "\"Id\":\"sha256:bbbb", "\"Id\":\"sha256:aaaa" },
        /* Only the names that were asked for. */
        { "{\"reference\":[\"busy*\"]}", "\"RepoTags\":[\"busybox:latest\"]", "\"Id\":\"sha256:cccc" },
        { "{\"reference\":[\"app\"]}", "\"RepoTags\":[\"app:v2\"]", "team/app" },
        { "{\"reference\":[\"*\"]}", "\"busybox:latest\"", "team/app" }, /* '*' stops at '/' */
        { "{\"reference\":[\"reg.example:5000/*/*\"]}", "team/app:v1", "busybox" },
        { "{\"reference\":[\"[\"]}", "\r\n\r\n[]", NULL },
        { "{\"before\":[\"app:v2\"]}", "\"Id\":\"sha256:bbbb", "\"Id\":\"sha256:aaaa" },
        { "{\"since\":[\"app:v2\"]}", "\"Id\":\"sha256:aaaa", "\"Id\":\"sha256:bbbb" },
        { "{\"since\":[\"nosuch\"]}", "No such image: nosuch", NULL },
        { "{\"since\":[]}", "\"Id\":\"sha256:bbbb", NULL },
        { "{\"until\":[\"1610000000\"]}", "\"Id\":\"sha256:bbbb", "\"Id\":\"sha256:cccc" },
        { "{\"until\":[\"soon\"]}", "400 Bad Request", NULL },
        { "{\"size\":[\"1\"]}", "invalid filter 'size'", NULL },
    };
    const char *reply;

    (void)state;
    check_filters("/images/json", cases, N(cases));
    reply = get("/v1.43/images/json?shared-size=1");
    assert_has(reply, "\"SharedSize\":9");
    assert_has(reply, "\"VirtualSize\":100");
    reply = get("/v1.42/images/json?filter=app");
    assert_has(reply, "\"RepoTags\":[\"app:v2\"]");
    assert_lacks(reply, "busybox");
    assert_has(get("/v1.42/images/json"), "\"RepoTags\":[\"<none>:<none>\"]");
    assert_has(get("/v1.44/images/json"), "\"SharedSize\":-1");
}

static void shows_an_image_as_each_version_did(void **state)
{
    const char *reply = get("/images/busybox:latest/json");

    (void)state;
    assert_has(reply, "\"Architecture\":\"amd64\"");
    assert_has(reply, "\"Config\":{\"User\":\"\"");
    assert_lacks(reply, "ContainerConfig");
    assert_lacks(reply, "VirtualSize");
    reply = get("/v1.43/images/busybox:latest/json");
    assert_has(reply, "\"ContainerConfig\":{\"AttachStdin\":false");
    assert_has(reply, "\"VirtualSize\":100");
    assert_has(get("/images/busybox:latest/json?platform=%7B%22os%22%3A%22linux%22%2C"
                   "%22architecture%22%3A%22s390x%22%7D"), "404 Not Found");
    assert_has(get("/images/busybox:latest/json?platform=%5B%5D"), "invalid platform");
    assert_has(get("/images/nosuch/json"), "No such image: nosuch");
}

/* What an image says of its history may be anything, and fewer or more steps than it has layers. */
static void tells_the_history_of_any_image(void **state)
{
    const char *reply = get("/images/busybox:latest/history");

    (void)state;
    /* Newest first; the newest has the image's id and names. */
    assert_has(reply, "\r\n\r\n[{\"Id\":\"sha256:aaaa");
    assert_has(reply, "\"Tags\":[\"busybox:latest\",\"reg.example:5000/team/app:v1\"],\"Size\":0");
    assert_has(reply, "\"CreatedBy\":\"CMD\",\"Tags\":null,\"Size\":0");
    assert_has(reply, "\"CreatedBy\":\"ADD\",\"Tags\":null,\"Size\":30");
    reply = get("/images/app:v2/history"); /* an object in place of the list */
    assert_has(reply, "\"Tags\":[\"app:v2\"],\"Size\":120");
}

static void tags_and_removes_images(void **state)
{
    const char *reply;

    (void)state;
    assert_has(post("/images/busybox/tag", ""), "invalid reference format");
    assert_has(post("/images/busybox/tag?repo=x&tag=y", ""), "tag busybox as x:y");
    reply = drop("/images/app:v2");
    assert_has(reply, "[{\"Untagged\":\"app:v2\"},{\"Deleted\":\"sha256:gone\"}]");
    assert_has(drop("/images/nosuch"), "404 Not Found");
    fake.removed_image[0] = '\0';
    assert_has(drop("/images/app:v2?platforms=%7B%22os%22%3A%22linux%22%2C%22architecture%22%3A"
                    "%22s390x%22%7D"), "404 Not Found");
    assert_string_equal(fake.removed_image, "");
}

static void prunes_images(void **state)
{
    const char *reply;

    (void)state;
    reply = post("/images/prune", ""); /* those without a name */
    assert_has(reply, "\"SpaceReclaimed\":50");
    assert_has(reply, "sha256:bbbb");
    assert_lacks(reply, "app:v2");
    assert_string_equal(fake.event, "image prune");
    reply = post(filtered("/images/prune", "{\"dangling\":[\"0\"],\"label!\":[\"a\"]}"), "");
    assert_has(reply, "app:v2");
    assert_lacks(reply, "busybox");
    fake.image_used = true;
    assert_has(post(filtered("/images/prune", "{\"dangling\":[\"0\"]}"), ""),
               "\"ImagesDeleted\":null,\"SpaceReclaimed\":0");
    assert_has(post(filtered("/images/prune", "{\"until\":[\"1\",\"2\"]}"), ""), "400 ");
}

/* ---- system ---- */

static void adds_up_the_disk(void **state)
{
    const char *reply;

    (void)state;
    assert_has(post("/volumes/create", "{\"Name\":\"data\"}"), "201 ");
    use_volume("used");
    reply = get("/system/df");
    assert_has(reply, "\"LayersSize\":175");
    assert_has(reply, "\"BuildCache\":[]");
    assert_has(reply, "\"UsageData\":{\"RefCount\":1,");
    assert_has(reply, "\"SizeRw\":12");
    reply = get("/system/df?type=volume&type=build-cache");
    assert_has(reply, "\"LayersSize\":0,\"Images\":null,\"Containers\":null,\"Volumes\":[{");
    assert_has(get("/system/df?type=dust"), "unknown object type: dust");
    assert_has(get("/v1.41/system/df?type=dust"), "\"BuilderSize\":0");
}

static void answers_about_drivers(void **state)
{
    (void)state;
    assert_has(get("/davit/plugins"), "\r\n\r\n[]");
    assert_has(get("/davit/plugins/nope"), "404 Not Found");
    assert_has(post("/davit/plugins/nope/retry", ""), "no driver 'nope'");
}

static void ends_with_or_without_containers(void **state)
{
    (void)state;
    assert_has(post("/davit/shutdown", ""), "204 No Content");
    assert_true(fake.shutdown);
    assert_has(post("/davit/shutdown?containers=0", ""), "204 No Content");
    assert_false(fake.shutdown);
}

/* ---- exec, top, update, prune of containers ---- */

static void refuses_bad_execs(void **state)
{
    static const struct {
        const char *body, *text;
    } cases[] = {
        { "{}", "No exec command specified" },
        { "{\"Cmd\":[]}", "No exec command specified" },
        { "{\"Cmd\":\"sh\"}", "Cmd" },
        { "{\"Cmd\":[1]}", "Cmd" },
        { "{\"Cmd\":[\"sh\"],\"DetachKeys\":\"ctrl-\"}", "Invalid escape keys (ctrl-) provided" },
        { "{\"Cmd\":[\"sh\"],\"WorkingDir\":\"tmp\"}", "needs to be an absolute path" },
        { "{\"Cmd\":[\"sh\"],\"ConsoleSize\":[1]}", "ConsoleSize" },
        { "{\"Cmd\":[\"sh\"],\"ConsoleSize\":[70000,1]}", "ConsoleSize" },
        { "{\"Cmd\":[\"sh\"],\"ConsoleSize\":[-1,1]}", "ConsoleSize" },
        { "{\"Cmd\":[\"sh\"],\"ConsoleSize\":\"1x1\"}", "ConsoleSize" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        const char *reply = post("/containers/web/exec", cases[i].body);

        assert_has(reply, "400 Bad Request");
        assert_has(reply, cases[i].text);
    }
    /* Before 1.42 nobody looked at a size. */
    assert_has(post("/v1.41/containers/web/exec", "{\"Cmd\":[\"sh\"],\"ConsoleSize\":[1]}"), "201 ");
    assert_has(post("/containers/nobody/exec", "{\"Cmd\":[\"sh\"]}"), "404 Not Found");
    assert_has(post("/exec/nope/start", "{\"Detach\":false}"), "No such exec instance: nope");
    assert_has(get("/exec/nope/json"), "404 Not Found");
    assert_has(post("/exec/nope/resize?h=1", ""), "invalid resize value of 'w': ''");
    assert_has(post("/exec/nope/resize?h=1&w=65536", ""), "invalid resize value of 'w': '65536'");
}

static void updates_and_prunes_containers(void **state)
{
    (void)state;
    assert_has(post("/containers/web/update", "[]"), "an update's body must be a JSON object");
    assert_has(post("/containers/web/update", "7"), "400 Bad Request");
    assert_has(post("/containers/web/update", "{}"), "{\"Warnings\":null}");
    assert_has(get("/containers/web/top?ps_args=-ef"), "{\"Titles\":[],\"Processes\":[]}");
    assert_has(post(filtered("/containers/prune", "{\"label\":[\"a=c\"]}"), ""),
               "{\"ContainersDeleted\":null,\"SpaceReclaimed\":0}");
    assert_has(post(filtered("/containers/prune", "{\"until\":[\"1\"]}"), ""),
               "\"ContainersDeleted\":null");
    fake.status = DV_RUNNING;
    assert_has(post("/containers/prune", ""), "\"ContainersDeleted\":null");
    assert_int_equal(fake.removed, 0);
    fake.status = DV_EXITED;
    assert_has(post("/containers/prune", ""), "\"SpaceReclaimed\":12");
    assert_int_equal(fake.removed, 1);
    assert_string_equal(fake.event, "container prune");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up_objects, tear_down_objects)
    const struct CMUnitTest tests[] = {
        TEST(makes_shows_and_removes_volumes),
        TEST(marks_anonymous_volumes),
        TEST(refuses_bad_volumes),
        TEST(filters_volumes),
        TEST(prunes_volumes),
        TEST(filters_networks),
        TEST(shows_who_is_in_a_network),
        TEST(filters_images),
        TEST(shows_an_image_as_each_version_did),
        TEST(tells_the_history_of_any_image),
        TEST(tags_and_removes_images),
        TEST(prunes_images),
        TEST(adds_up_the_disk),
        TEST(answers_about_drivers),
        TEST(ends_with_or_without_containers),
        TEST(refuses_bad_execs),
        TEST(updates_and_prunes_containers),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

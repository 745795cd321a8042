#!/usr/bin/env python3
"""endpoints - every row of tests/data/engine-api.tsv answers in one of its allowed ways. TAP.

Column "answer" of the table says what davit does with a row: it is served, comes later and says so by
name (501), needs a swarm (503), or is a debug endpoint that is not switched on (404). A row that gets
built must be changed there, and gets a call in CALLS.
"""
import csv, io, json, os, subprocess, sys, tarfile, urllib.parse

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, TOP + "/tests/lib")
import tap                                                                     # noqa: E402
from rawapi import Conn, ask, create, expect, expect_match                     # noqa: E402

NEWEST = 51


def rows():
    with open(TOP + "/tests/data/engine-api.tsv", encoding="ascii") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


def codes(row, column):
    return [int(c) for c in row[column].split(",") if c != "-"]


def status_of(method, path, body=None, headers=""):
    """The status line alone: the reply may be a stream without end."""
    c = Conn()
    c.request(method, path, body, headers)
    return c.head()


# ---- what the calls work on ----

def sleeper(**host):
    """A fresh container that runs until it is killed."""
    made = create(Cmd=["sleep", "1000"], HostConfig=dict({"NetworkMode": "none"}, **host))
    expect(204, ask("POST", "/containers/%s/start" % made)[0])
    return made


def stopped():
    return create(Cmd=["true"], HostConfig={"NetworkMode": "none"})


def exec_of(container, *cmd):
    return ask("POST", "/containers/%s/exec" % container, {"Cmd": list(cmd), "AttachStdout": True})[1]["Id"]


def rootfs():
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo("file")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    return data.getvalue()


def archive():
    return subprocess.run([TOP + "/tests/lib/mkimage", "--name", "made:1", "-"], stdout=subprocess.PIPE,
                          check=True).stdout


def image(name):
    status, reply = ask("POST", "/images/create?fromSrc=-&repo=" + name, rootfs(),
                        headers="Content-Type: application/x-tar\r\n")
    expect(200, status)
    return name


def volume():
    return ask("POST", "/volumes/create", {})[1]["Name"]


def paused():
    made = sleeper()
    expect(204, ask("POST", "/containers/%s/pause" % made)[0])
    return made


def running_exec():
    made = exec_of(sleeper(), "sleep", "1000")
    expect(200, ask("POST", "/exec/%s/start" % made, {"Detach": True})[0])
    return made


def terminal():
    made = create(Cmd=["sleep", "1000"], Tty=True, HostConfig={"NetworkMode": "none"})
    expect(204, ask("POST", "/containers/%s/start" % made)[0])
    return made


UPGRADE = "Connection: Upgrade\r\nUpgrade: tcp\r\n"
PLATFORM = urllib.parse.quote('{"os": "linux", "architecture": "amd64"}')
TAR = "Content-Type: application/x-tar\r\n"
# One good request a row: "METHOD path", what stands for {...}, query, body, headers.
CALLS = {
    "GET /_ping": {}, "HEAD /_ping": {}, "GET /info": {}, "GET /version": {},
    "GET /system/df": {"query": "type=image"},
    "GET /events": {"query": "since=1&until=2"},
    "OPTIONS /{anyroute}": {"name": lambda: "info"},
    "POST /containers/create": {"query": "name=made&platform=linux/amd64",
                                "body": {"Image": "busybox", "Cmd": ["true"], "HostConfig": {}}},
    "GET /containers/json": {"query": "all=1&limit=3"},
    "POST /containers/prune": {"query": "filters=%7B%22label%22%3A%5B%22none%22%5D%7D"},
    "DELETE /containers/{id}": {"name": sleeper, "query": "v=1&force=1&link=0"},
    "POST /containers/{id}/attach": {"name": sleeper, "query": "stream=1&stdout=1", "headers": UPGRADE},
    "GET /containers/{id}/json": {"name": stopped, "query": "size=0"},
    "POST /containers/{id}/kill": {"name": sleeper, "query": "signal=SIGTERM"},
    "GET /containers/{id}/logs": {"name": sleeper, "query": "stdout=1&tail=1&since=0&until=0&timestamps=1&details=1"},
    "POST /containers/{id}/pause": {"name": sleeper},
    "POST /containers/{id}/rename": {"name": stopped, "query": "name=renamed"},
    "POST /containers/{id}/resize": {"name": terminal, "query": "h=10&w=20"},
    "POST /containers/{id}/restart": {"name": sleeper, "query": "t=0&signal=KILL"},
    "POST /containers/{id}/start": {"name": stopped, "query": "detachKeys=ctrl-x"},
    "POST /containers/{id}/stop": {"name": sleeper, "query": "t=0&signal=KILL"},
    "GET /containers/{id}/top": {"name": sleeper, "query": "ps_args=-o+pid,comm"},
    "POST /containers/{id}/unpause": {"name": paused},
    "POST /containers/{id}/update": {"name": sleeper, "body": {"CpuShares": 512}},
    "POST /containers/{id}/wait": {"name": stopped, "query": "condition=not-running"},
    "POST /containers/{id}/exec": {"name": sleeper, "body": {"Cmd": ["true"]}},
    "GET /exec/{id}/json": {"name": lambda: exec_of(sleeper(), "true")},
    "POST /exec/{id}/resize": {"name": running_exec, "query": "h=10&w=20"},
    "POST /exec/{id}/start": {"name": lambda: exec_of(sleeper(), "true"), "body": {"Detach": True}},
    "POST /images/create": {"query": "fromSrc=-&repo=made&tag=1&message=m&changes=CMD+x", "body": rootfs(), "headers": TAR},
    "GET /images/get": {"query": "names=busybox&platform=" + PLATFORM},
    "GET /images/{name}/get": {"name": lambda: "busybox", "query": "platform=" + PLATFORM},
    "GET /images/json": {"query": "all=1&digests=1&shared-size=1"},
    "POST /images/prune": {"query": "filters=%7B%22label%22%3A%5B%22none%22%5D%7D"},
    "POST /images/load": {"query": "quiet=1", "body": archive(), "headers": TAR},
    "DELETE /images/{name}": {"name": lambda: image("gone"), "query": "force=1&noprune=1"},
    "GET /images/{name}/history": {"name": lambda: "busybox"},
    "GET /images/{name}/json": {"name": lambda: "busybox"},
    "POST /images/{name}/tag": {"name": lambda: "busybox", "query": "repo=a/b&tag=1"},
    "POST /networks/prune": {"query": "filters=%7B%22until%22%3A%5B%221h%22%5D%7D"},
    "POST /build/prune": {"query": "all=1&filters=%7B%22until%22%3A%5B%221h%22%5D%7D"},
    "GET /networks": {}, "GET /networks/{id}": {"name": lambda: "bridge", "query": "verbose=1&scope=local"},
    "GET /volumes": {},
    "POST /volumes/create": {"body": {"Labels": {"a": "b"}}},
    "POST /volumes/prune": {"query": "filters=%7B%22label%22%3A%5B%22none%22%5D%7D"},
    "DELETE /volumes/{name}": {"name": volume, "query": "force=0"},
    "GET /volumes/{name}": {"name": volume},
}
# A word for each filter that takes none but certain ones.
FILTER_WORDS = {
    "exited": "0", "health": "none", "is-task": "false", "isolation": "default", "status": "running",
    "before": "web", "since": "web", "dangling": "true", "until": "1h", "scope": "local", "type": "container",
    "all": "true", "expose": "80/tcp", "publish": "80/tcp",
}
IMAGES = {"before": "busybox", "since": "busybox"}
NETWORKS = {"type": "builtin"}


def fill(path, name):
    start, end = path.find("{"), path.find("}")
    return path if start < 0 else path[:start] + urllib.parse.quote(name, safe="/:") + path[end + 1:].replace("{checkpoint}", "c")


def served(row):
    key = "%s %s" % (row["method"], row["path"])
    call = CALLS[key]
    for version in sorted({max(24, int(row["since"]) if row["since"] != "-" else 24), NEWEST}):
        path = fill(row["path"], call["name"]() if "name" in call else "")
        got = status_of(row["method"], "/v1.%d%s?%s" % (version, path, call.get("query", "")),
                        call.get("body"), call.get("headers", ""))
        if got not in codes(row, "success"):
            yield "1.%d: %d, not %s" % (version, got, row["success"])
        for made in ("made", "renamed"):
            ask("DELETE", "/containers/%s?force=1" % made)


def later(row):
    status, reply = ask(row["method"], fill(row["path"], "web"), {} if row["method"] != "GET" else None)
    expect(501, status)
    expect("%s %s is not supported yet by davit" % (row["method"], row["path"]), reply["message"])


def head_later(row):
    """A HEAD has no body to name itself in."""
    expect(501, status_of("HEAD", fill(row["path"], "web")))


def swarm(row):
    status, reply = ask(row["method"], fill(row["path"], "web"), {} if row["method"] == "POST" else None)
    expect(503, status)
    expect_match("^This node is not a swarm manager", reply["message"])


def unknown(row):
    expect((404, {"message": "page not found"}), ask(row["method"], fill(row["path"], "x")))


ANSWERS = {"served": served, "501": later, "503": swarm, "404": unknown}


def answers(row):
    if row["method"] == "HEAD" and row["answer"] == "501":
        return head_later(row)
    problems = ANSWERS[row["answer"]](row)
    return list(problems or ())


def missing(row):
    """404 for an object that is not there names it."""
    call = CALLS["%s %s" % (row["method"], row["path"])]
    status, reply = ask(row["method"], fill(row["path"], "no-such-thing") + "?" + call.get("query", ""),
                        call.get("body"), call.get("headers", ""))
    expect(404, status)
    expect_match("no-such-thing", reply["message"])


def filters(row):
    """Each key of the row is taken, an unknown one is refused by name."""
    problems = []
    words = dict(FILTER_WORDS)
    words.update(IMAGES if "/images" in row["path"] else NETWORKS if "/networks" in row["path"] else {})

    def get(key, word):
        text = urllib.parse.quote(json.dumps({key: [word]}))
        tail = "&until=1" if row["path"] == "/events" else ""
        return ask(row["method"], "%s?filters=%s%s" % (row["path"], text, tail))
    for key in row["filters"].split(","):
        if row["method"] == "POST" and key == "all":
            continue                               # would prune what the next tests need
        # Labels that nothing has, so that a prune finds nothing.
        status, reply = get(key, words.get(key, "nothing-has-this"))
        if status != 200:
            problems.append("%s: %s %r" % (key, status, reply))
    status, reply = get("unheard-of", "x")
    if status != 400 or "unheard-of" not in reply["message"]:
        problems.append("unknown key: %s %r" % (status, reply))
    return problems


def main():
    table = rows()
    for row in table:
        name = "%s %s" % (row["method"], row["path"])
        tap.test("%s: %s" % (name, row["answer"]), answers, row)
        if row["answer"] != "served":
            continue
        if "{" in row["path"] and 404 in codes(row, "error"):
            tap.test("%s: 404 by name" % name, missing, row)
        if row["filters"] != "-":
            tap.test("%s: filters" % name, filters, row)
    extra = set(CALLS) - {"%s %s" % (r["method"], r["path"]) for r in table if r["answer"] == "served"}
    tap.test("calls are of rows that are served", lambda: sorted(extra))
    tap.done()


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""python_day DIR - python3-docker does a day's work on the engine of $DOCKER_HOST. TAP.

DIR has rootfs.tar (a root file system) and image.tar (an archive of loaded:1).
"""
import os, signal, sys, threading, time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, TOP + "/tests/lib")
import docker                                                                  # noqa: E402
import docker.errors                                                           # noqa: E402
import tap                                                                     # noqa: E402

DIR = sys.argv[1]
client = docker.from_env(timeout=30)
api = client.api


def expect(want, got):
    assert want == got, "expected %r, got %r" % (want, got)


def raises(kind, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except kind as e:
        return e
    raise AssertionError("no %s was raised" % kind.__name__)


def sleeper(**kwargs):
    kwargs.setdefault("network_mode", "none")
    return client.containers.run("busybox", "sleep 1000", detach=True, **kwargs)


def wait_for(what):
    end = time.time() + 30
    while not what():
        assert time.time() < end, "waited 30 s in vain"
        time.sleep(0.02)


def ping_version_info():
    expect(True, client.ping())
    version = client.version()
    expect("1.51", version["ApiVersion"])
    expect("linux", version["Os"])
    expect("davit", client.info()["DefaultRuntime"])
    expect("1.51", docker.from_env(version="auto").api.api_version)


def run_gives_output():
    expect(b"hello\n", client.containers.run("busybox", "echo hello", remove=True))
    expect(b"err\n", client.containers.run("busybox", ["sh", "-c", "echo out; echo err >&2"], stdout=False, stderr=True, remove=True))
    failed = raises(docker.errors.ContainerError, client.containers.run, "busybox", "sh -c 'echo no >&2; exit 3'", remove=True)
    expect((3, b"no\n"), (failed.exit_status, failed.stderr))
    expect([b"1\n", b"2\n"], list(client.containers.run("busybox", "sh -c 'echo 1; echo 2'", stream=True, remove=True)))


def errors_have_their_classes():
    raises(docker.errors.NotFound, client.containers.get, "no-such-thing")
    raises(docker.errors.ImageNotFound, client.images.get, "no-such-thing")
    raises(docker.errors.ImageNotFound, client.containers.create, "no-such-thing")
    raises(docker.errors.NotFound, client.volumes.get, "no-such-thing")
    raises(docker.errors.NotFound, client.networks.get, "no-such-thing")
    first = client.containers.create("busybox", name="taken")
    expect(409, raises(docker.errors.APIError, client.containers.create, "busybox", name="taken").response.status_code)
    first.remove()
    refused = raises(docker.errors.APIError, client.networks.create, "later")
    expect(501, refused.response.status_code)
    assert "not supported yet by davit" in refused.explanation, refused.explanation


def life():
    c = sleeper(name="life", labels={"day": "py"}, environment={"A": "b"}, hostname="box", working_dir="/tmp",
                user="nobody", volumes={DIR: {"bind": "/mnt", "mode": "ro"}}, tmpfs={"/t": "size=1m"},
                mem_limit="64m", cpu_shares=512, pids_limit=50, cap_drop=["ALL"], read_only=True,
                ulimits=[docker.types.Ulimit(name="nofile", soft=100, hard=200)], extra_hosts={"x": "192.0.2.1"},
                dns=["192.0.2.2"], restart_policy={"Name": "on-failure", "MaximumRetryCount": 2}, init=True,
                log_config=docker.types.LogConfig(type="json-file"), stop_signal="SIGKILL")
    expect("running", c.status if c.reload() else c.status)
    expect("running", client.containers.get("life").status)
    host = c.attrs["HostConfig"]
    expect((64 << 20, 512, 50, True, ["ALL"]), (host["Memory"], host["CpuShares"], host["PidsLimit"], host["ReadonlyRootfs"], host["CapDrop"]))
    expect((0, b"b box /tmp 65534 100\n"), tuple(c.exec_run(["sh", "-c", "echo $A $(hostname) $PWD $(id -u) $(ulimit -n)"])))
    expect(["life"], [x.name for x in client.containers.list(filters={"label": "day=py", "status": "running"})])
    expect([], client.containers.list(filters={"name": "no-such-thing"}))
    assert any("sleep 1000" in " ".join(p) for p in c.top()["Processes"]), c.top()
    expect("PID", c.top(ps_args="-o pid,comm")["Titles"][0])
    c.pause()
    expect("paused", client.containers.get("life").status)
    c.unpause()
    c.rename("renamed")
    expect({"Warnings": None}, c.update(cpu_shares=256))
    c.reload()
    expect(("renamed", 256), (c.name, c.attrs["HostConfig"]["CpuShares"]))
    started = c.attrs["State"]["StartedAt"]
    c.restart(timeout=0)
    c.reload()
    assert c.attrs["State"]["StartedAt"] != started
    c.kill()
    expect(137, c.wait()["StatusCode"])
    c.start()
    c.stop(timeout=1)
    expect("exited", client.containers.get("renamed").status)
    c.remove(v=True, force=True)
    raises(docker.errors.NotFound, c.reload)


def waits_for_each_condition():
    c = client.containers.create("busybox", "sh -c 'exit 7'", network_mode="none")
    got = {}
    waiters = [threading.Thread(target=lambda k=k: got.setdefault(k, api.wait(c.id, timeout=30, condition=k)["StatusCode"]))
               for k in ("next-exit", "removed")]
    for w in waiters:
        w.start()
    # Both have to be waiting; a wait for a container that is gone would fail, one that comes late hangs.
    time.sleep(0.5)
    c.start()
    expect(7, c.wait(condition="not-running")["StatusCode"])
    c.remove()
    for w in waiters:
        w.join(30)
    expect({"next-exit": 7, "removed": 7}, got)


def logs_as_they_come():
    c = client.containers.run("busybox", ["sh", "-c", "echo one; echo two >&2; echo three"], detach=True, network_mode="none")
    c.wait()
    expect(b"one\nthree\n", c.logs(stderr=False))
    expect(b"two\n", c.logs(stdout=False))
    expect(1, len(c.logs(tail=1).splitlines()))
    assert c.logs(timestamps=True, stderr=False).startswith(b"20")
    expect(b"", c.logs(since=int(time.time()) + 100))
    expect(b"", c.logs(until=int(time.time()) - 100))
    expect(3, len(b"".join(c.logs(stream=True, follow=True)).splitlines()))
    c.remove()


def attaches():
    c = client.containers.create("busybox", ["sh", "-c", "read x; echo got $x; echo bad >&2"], stdin_open=True, network_mode="none")
    sock = c.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    c.start()
    sock._sock.sendall(b"line\n")
    data = b""
    while True:
        more = sock._sock.recv(4096)
        if not more:
            break
        data += more
    expect(b"\1\0\0\0\0\0\0\x09got line\n" + b"\2\0\0\0\0\0\0\4bad\n", b"".join(sorted([data[:17], data[17:]])))
    sock.close()
    expect(b"got line\n", c.attach(stdout=True, stderr=False, logs=True, stream=False))
    expect((b"got line\n", b"bad\n"), c.attach(logs=True, stream=False, demux=True))
    c.remove(force=True)


def executes():
    c = sleeper()
    expect((5, b"x\n"), tuple(c.exec_run("sh -c 'echo x; exit 5'")))
    expect((0, (b"o\n", b"e\n")), tuple(c.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True)))
    expect(b"streamed\n", b"".join(c.exec_run("echo streamed", stream=True).output))
    expect((0, b"v /tmp\n"), tuple(c.exec_run(["sh", "-c", "echo $K $PWD"], environment={"K": "v"}, workdir="/tmp", user="nobody")))
    expect((None, ""), tuple(c.exec_run("sleep 1000", detach=True)))
    made = api.exec_create(c.id, "cat", stdin=True)["Id"]
    sock = api.exec_start(made, socket=True)
    sock._sock.sendall(b"through\n")
    expect(b"\1\0\0\0\0\0\0\x08through\n", sock._sock.recv(16, 0x100))      # MSG_WAITALL
    info = api.exec_inspect(made)
    expect((True, "cat", c.id), (info["Running"], info["ProcessConfig"]["entrypoint"], info["ContainerID"]))
    sock._sock.shutdown(1)
    wait_for(lambda: not api.exec_inspect(made)["Running"])
    expect(0, api.exec_inspect(made)["ExitCode"])
    sock.close()
    tty = api.exec_create(c.id, ["sh", "-c", "read x; stty size"], tty=True, stdin=True)["Id"]
    sock = api.exec_start(tty, tty=True, socket=True)
    wait_for(lambda: api.exec_inspect(tty)["Running"])
    api.exec_resize(tty, height=11, width=22)
    sock._sock.sendall(b"\n")
    text = b""
    while b"22" not in text:
        more = sock._sock.recv(100)
        assert more, text
        text += more
    assert b"11 22" in text, text
    sock.close()
    c.kill()
    c.wait()
    expect(409, raises(docker.errors.APIError, c.exec_run, "true").response.status_code)
    c.remove()


def resizes_a_terminal():
    c = client.containers.run("busybox", ["sh", "-c", "trap 'stty size' WINCH; while :; do sleep 0.1; done"], tty=True, detach=True, network_mode="none")

    def sized():
        c.resize(33, 44)
        c.resize(33, 45)
        return b"33 45" in c.logs()
    wait_for(sized)
    c.remove(force=True)


def images():
    with open(DIR + "/image.tar", "rb") as f:
        loaded = client.images.load(f.read())
    expect(["loaded:1"], loaded[0].tags)
    text = api.import_image_from_file(DIR + "/rootfs.tar", repository="imported", tag="1", changes=['CMD ["echo", "hi"]'])
    assert "sha256:" in text, text
    expect(b"hi\n", client.containers.run("imported:1", remove=True))
    image = client.images.get("loaded:1")
    assert image.tag("other/name", "2")
    expect({"loaded:1", "other/name:2"}, set(client.images.get(image.id).tags))
    expect(image.id, image.history()[0]["Id"])
    assert image.id in [i.id for i in client.images.list("loaded")]
    expect([], client.images.list(filters={"dangling": True}))
    expect("amd64", image.attrs["Architecture"]) if os.uname().machine == "x86_64" else None
    saved = b"".join(image.save())
    expect(image.id, client.images.load(saved)[0].id)
    c = client.containers.create("loaded:1")
    expect(409, raises(docker.errors.APIError, client.images.remove, image.id).response.status_code)
    c.remove()
    client.images.remove("other/name:2")
    client.images.remove("loaded:1")
    client.images.remove("imported:1", force=True)
    raises(docker.errors.ImageNotFound, client.images.get, "loaded:1")
    assert "does not pull" in raises(docker.errors.APIError, client.images.pull, "busybox", tag="no-such").explanation


def events():
    begin = time.time()
    c = sleeper(name="eventful")
    c.kill()
    c.wait()
    c.remove()
    seen = [e["Action"] for e in client.events(since=begin - 1, until=time.time() + 1, decode=True,
                                               filters={"container": "eventful", "type": "container"})]
    expect(["create", "start", "kill", "die", "destroy"], seen)
    stream = client.events(decode=True, filters={"event": "create", "label": "live"})
    thread = threading.Thread(target=lambda: [client.containers.create("busybox", labels=["live"]).remove() for _ in range(3)])
    thread.start()
    expect("create", next(iter(stream))["status"])
    stream.close()
    thread.join()


def volumes():
    v = client.volumes.create("keep", labels={"k": "v"})
    expect(("keep", "local"), (v.name, v.attrs["Driver"]))
    mount = docker.types.Mount("/data", "keep")
    client.containers.run("busybox", "sh -c 'echo kept >/data/f'", mounts=[mount], remove=True)
    expect(b"kept\n", client.containers.run("busybox", "cat /data/f", volumes={"keep": {"bind": "/data"}}, remove=True))
    expect(["keep"], [x.name for x in client.volumes.list(filters={"label": "k=v"})])
    expect("keep", client.volumes.get("keep").id)
    c = client.containers.create("busybox", volumes=["keep:/data"])
    expect(409, raises(docker.errors.APIError, v.remove).response.status_code)
    c.remove()
    v.remove()
    anonymous = client.volumes.create()
    expect([anonymous.name], client.volumes.prune()["VolumesDeleted"])


def networks():
    expect({"bridge", "host", "none"}, {n.name for n in client.networks.list()})
    bridge = client.networks.list(names=["bridge"])[0]
    c = client.containers.run("busybox", "sleep 1000", detach=True)
    c.reload()
    bridge.reload()
    expect([c.id], [x.id for x in bridge.containers])
    address = c.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    assert address and bridge.attrs["Containers"][c.id]["IPv4Address"].startswith(address + "/")
    c.remove(force=True)


def prunes():
    c = client.containers.create("busybox", labels=["pruned"])
    expect([c.id], client.containers.prune(filters={"label": "pruned"})["ContainersDeleted"])
    expect(None, client.images.prune(filters={"dangling": True})["ImagesDeleted"])
    expect(None, client.networks.prune(filters={"until": "1h"})["NetworksDeleted"])
    expect(0, client.api.prune_builds()["SpaceReclaimed"])
    expect(1, len(client.df()["Images"]))


def main():
    signal.alarm(300)                              # a stream that never ends ends the day
    for function in (ping_version_info, run_gives_output, errors_have_their_classes, life, waits_for_each_condition,
                     logs_as_they_come, attaches, executes, resizes_a_terminal, images, events, volumes, networks, prunes):
        tap.test("python3-docker: " + function.__name__.replace("_", " "), function)
    left = client.containers.list(all=True)
    tap.result("python3-docker: cleans up", [c.name for c in left])
    for c in left:
        c.remove(force=True)
    tap.done()


if __name__ == "__main__":
    main()

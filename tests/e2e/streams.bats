# core: streams of attach, logs, exec and wait: no byte lost or twice, clients that do not read or vanish
load lib

bats_require_minimum_version 1.5.0

setup_file() { engine_names; start_davitd; busybox_image; }
teardown_file() { stop_engine; }
teardown() { remove_containers; }

# Python with the raw API at hand, and a daemon to restart.
py() {
    PYTHONPATH=tests/lib python3 -c "from rawapi import *
import subprocess, threading, time
def daemon(command): subprocess.run(['bash', '-c', '. tests/e2e/lib.bash; ' + command], check=True)
def davit(*args): return subprocess.run([os.environ['DAVIT_BIN'] + '/davit', *args], check=True, capture_output=True, text=True).stdout.strip()
def post(path, *a): return ask('POST', path, *a)
def open_stream(method, path, *a):
    c = Conn(); c.request(method, path, *a); assert c.head() in (101, 200), c.status; return c
def until(what):
    end = time.monotonic() + 30
    while not what(): assert time.monotonic() < end, 'waited 30 s in vain'; time.sleep(0.02)
def threads(): return len(os.listdir('/proc/%s/task' % open(os.environ['T'] + '/davitd.pid').read().strip()))
$1"
}

@test "attach with logs: whoever joins, whenever, has every byte once" {
    py '
lines = 3000
script = "i=0; while [ $i -lt %d ]; do i=$((i+1)); echo $i; echo e$i >&2; [ $((i %% 50)) -ne 0 ] || printf \"part%%s \" $i; done; read x; echo $x" % lines
id = create(Cmd=["sh", "-c", script], OpenStdin=True, name="count")
got = {}
def join(n, slow):
    c = open_stream("POST", "/containers/count/attach?logs=1&stream=1&stdout=1&stderr=1")
    if slow: time.sleep(0.3)
    got[n] = c.frames()
early = [threading.Thread(target=join, args=("early%d" % i, i == 0)) for i in range(2)]
[t.start() for t in early]
post("/containers/count/start")
late = []
for i in range(12):
    t = threading.Thread(target=join, args=(i, i % 4 == 0)); t.start(); late.append(t); time.sleep(0.02)
until(lambda: b"e%d\n" % lines in open_stream("GET", "/containers/count/logs?stderr=1").body())
last = open_stream("POST", "/containers/count/attach?logs=1&stream=1&stdin=1&stdout=1&stderr=1")
last.send("the end\n"); got["last"] = last.frames()
[t.join() for t in early + late]
out = b"".join(b"%d\n" % i + (b"part%d " % i if i % 50 == 0 else b"") for i in range(1, lines + 1)) + b"the end\n"
err = b"".join(b"e%d\n" % i for i in range(1, lines + 1))
for n, frames in got.items():
    assert frames == {1: out, 2: err}, (n, len(frames[1]), len(out), len(frames[2]), len(err), frames[1][:40], frames[1][-40:])
'
}

@test "attach with logs: of what is over or not yet started; without stream" {
    py '
id = create(Cmd=["sh", "-c", "echo one; printf two"], name="run")
post("/containers/run/start"); post("/containers/run/wait")
expect({1: b"one\ntwo"}, open_stream("POST", "/containers/run/attach?logs=1&stdout=1&stderr=1").frames())
c = open_stream("POST", "/containers/run/attach?logs=1&stream=1&stdout=1")
post("/containers/run/start")
expect({1: b"one\ntwoone\ntwo"}, c.frames())
expect({}, open_stream("POST", "/containers/run/attach?logs=1&stderr=1").frames())
'
}

@test "clients that only wait, or do not read, cost no thread" {
    py '
id = create(Cmd=["sh", "-c", "head -c 3000000 /dev/zero | tr \"\\0\" x; read x"], OpenStdin=True, Tty=True, name="much")
post("/containers/much/start")
until(lambda: "much" in davit("ps", "--format", "{{.Names}}"))
sleeper = create(Cmd=["sleep", "1000"], name="sleeper"); post("/containers/sleeper/start")
open_stream("POST", "/containers/much/attach?stream=1&stdout=1").s.close()
before = threads()
idle = []
for i in range(70):
    # The log is more than the socket takes: these stand in the middle of it.
    idle.append(open_stream("POST", "/containers/much/attach?logs=1&stream=1&stdout=1"))
    idle.append(open_stream("GET", "/containers/much/logs?follow=1&stdout=1"))
    idle.append(open_stream("POST", "/containers/sleeper/attach?stream=1&stdout=1"))
    idle.append(open_stream("POST", "/containers/sleeper/wait"))
    idle.append(open_stream("GET", "/events"))
    idle.append(Conn())
for i in range(20):
    e = post("/containers/sleeper/exec", {"AttachStdout": True, "Cmd": ["sleep", "1000"]})[1]["Id"]
    idle.append(open_stream("POST", "/exec/%s/start" % e, {}))
expect(200, ask("GET", "/info")[0])
until(lambda: threads() <= before + 2)
for c in idle: c.s.close()
expect(200, ask("GET", "/containers/much/json")[0])
'
}

@test "a client that stops reading holds up its container alone, and only while it is there" {
    py '
id = create(Cmd=["sh", "-c", "head -c 20000000 /dev/zero | tr \"\\0\" x; echo; echo over; read x"], OpenStdin=True, name="held")
stuck = open_stream("POST", "/containers/held/attach?stream=1&stdout=1")
post("/containers/held/start")
def size(): return os.stat(davit("inspect", "-f", "{{.LogPath}}", "held")).st_size
until(lambda: size() > 100000)
# Others go on, in the same container too: exec, inspect, a second client, logs, and the daemon.
expect("in", davit("exec", "held", "echo", "in"))
follow = open_stream("GET", "/containers/held/logs?follow=1&stdout=1"); follow.chunk()
late = open_stream("POST", "/containers/held/attach?stream=1&stdout=1&stderr=1")
assert size() < 10000000
expect("out", davit("run", "--rm", "busybox", "echo", "out"))
late.s.close(); follow.s.close(); stuck.s.close()
until(lambda: davit("logs", "--tail", "1", "held") == "over")
# At the end of a container nobody waits long for a client that does not read.
id = create(Cmd=["sh", "-c", "head -c 3000000 /dev/zero | tr \"\\0\" x; exit 5"], name="ends")
stuck = open_stream("POST", "/containers/ends/attach?stream=1&stdout=1")
post("/containers/ends/start")
until(lambda: os.stat(davit("inspect", "-f", "{{.LogPath}}", "ends")).st_size > 100000)
davit("kill", "ends")
expect((200, {"StatusCode": 137}), post("/containers/ends/wait"))
'
}

@test "attach and logs -f together, with a daemon killed meanwhile: both have every byte" {
    py '
lines = 20000
id = create(Cmd=["sh", "-c", "read x; seq 1 %d; read y; seq 1 100; exit 3" % lines], OpenStdin=True, name="both")
a = open_stream("POST", "/containers/both/attach?stream=1&stdin=1&stdout=1")
post("/containers/both/start")
f = open_stream("GET", "/containers/both/logs?follow=1&stdout=1")
seq = lambda n: b"".join(b"%d\n" % i for i in range(1, n + 1))
frames = {}
t = threading.Thread(target=lambda: frames.update(a.frames())); t.start()
a.send("go\n")
def lines_of(c, want):
    text = b""
    while len(text) < len(want):
        data = c.chunk()
        while data:
            n = struct.unpack(">xxxxI", data[:8])[0]; text += data[8:8 + n]; data = data[8 + n:]
    return text
assert lines_of(f, seq(lines)) == seq(lines)
daemon("kill_davitd KILL; start_davitd")
a.send("on\n")
w = open_stream("POST", "/containers/both/wait")
expect({"StatusCode": 3}, json.loads(w.body()))
t.join()
assert frames == {1: seq(lines) + seq(100)}, len(frames[1])
assert davit("logs", "both").encode() + b"\n" == seq(lines) + seq(100)
'
}

@test "wait: the header at once, one answer; one die for each end, whatever happens to the daemon" {
    py '
for kill in False, True:
    id = create(Cmd=["sh", "-c", "read x; exit 9"], OpenStdin=True, name="once")
    a = open_stream("POST", "/containers/once/attach?stream=1&stdin=1")
    w = [open_stream("POST", "/containers/once/wait?condition=next-exit") for i in range(5)]
    post("/containers/once/start")
    if kill: daemon("kill_davitd KILL")
    a.send("go\n")
    a.rest()
    if kill: daemon("start_davitd"); w = [open_stream("POST", "/containers/once/wait")]
    for c in w: expect(b"{\"StatusCode\":9}\n", c.body())
    died = lambda: davit("events", "--since", "1h", "--until", "0s", "--filter", "event=die", "--filter", "container=" + id, "--format", "{{.Actor.Attributes.exitCode}}")
    until(lambda: died() == "9")
    davit("rm", "once")
'
}

@test "execs over a restart of the daemon: those that run, ended meanwhile, ended before" {
    py '
id = create(Cmd=["sleep", "1000"], name="cc"); post("/containers/cc/start")
def make(**k): return post("/containers/cc/exec", dict({"AttachStdout": True, "AttachStdin": True, "Cmd": ["sh", "-c", "read x; exit 4"]}, **k))[1]["Id"]
def look(e): return ask("GET", "/exec/%s/json" % e)[1]
ids = [make(User="nobody"), make(), make(Tty=True), make()]
never = ids.pop()
streams = [open_stream("POST", "/exec/%s/start" % e, {"Tty": i == 2}) for i, e in enumerate(ids)]
until(lambda: all(look(e)["Pid"] for e in ids))
before = [look(e) for e in ids]
streams[0].send("x\n"); streams[0].rest()
expect(4, look(ids[0])["ExitCode"])
daemon("kill_davitd KILL")
streams[1].send("x\n"); streams[1].rest()
daemon("start_davitd")
expect([(False, 4), (False, 4), (True, None)], [(look(e)["Running"], look(e)["ExitCode"]) for e in ids])
for e, b in zip(ids, before):
    now = look(e)
    for key in "ProcessConfig", "OpenStdin", "OpenStdout", "OpenStderr", "ContainerID": expect(b[key], now[key])
expect(before[2], look(ids[2]))
expect([ids[2]], ask("GET", "/containers/cc/json")[1]["ExecIDs"])
expect((200, ""), post("/exec/%s/resize?h=30&w=90" % ids[2]))
expect(409, post("/exec/%s/start" % ids[2], {})[0])
streams[2].send("x\n"); streams[2].rest()
expect((False, 4), (look(ids[2])["Running"], look(ids[2])["ExitCode"]))
expect(404, ask("GET", "/exec/%s/json" % never)[0])      # as Docker: what never ran is forgotten
'
}

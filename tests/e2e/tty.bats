# terminals: shells and full-screen programs on run, attach and exec -it, as a user of each client sees them
load lib

# Where the clients may be: name and path.
new=$(command -v docker || true)
old=$PWD/build-check/peers/root/usr/bin/docker
python=/usr/bin/python3 # Debian's, which has python3-pyte

setup_file() {
    engine_names
    export DOCKER_CONFIG=$T/docker-config
    mkdir "$DOCKER_CONFIG"
    "$python" -c 'import pyte' 2>/dev/null || skip "python3-pyte is not there"
    start_davitd
    busybox_image
}
teardown_file() { [ ! -e "$T/davitd.pid" ] || stop_engine; }
setup() {
    export CLIENT=$davit
    [[ $BATS_TEST_DESCRIPTION != docker:* ]] || CLIENT=$new
    [[ $BATS_TEST_DESCRIPTION != 20.10:* ]] || CLIENT=$old
    [ -n "$CLIENT" ] && [ -x "$CLIENT" ] || skip "${CLIENT:-no docker client in PATH} is not there"
}
teardown() { remove_containers; }

# Python with a client and a terminal at hand; Terminal's arguments are the client's.
py() {
    PYTHONPATH=tests/lib "$python" -c "from terminal import *
client, old, davit = os.environ['CLIENT'], '$old' == os.environ['CLIENT'], os.environ['DAVIT_BIN'] + '/davit'
def on(*args, **more): return Terminal(client, *args, **more)
def ask(*args): return subprocess.run([davit, *args], capture_output=True, text=True).stdout.strip()
def resize(t, container, rows, columns):
    def is_so(): # the docker clients are deaf to SIGWINCH for a moment after the start
        if client != davit: t.child.send_signal(signal.SIGWINCH)
        return ask('exec', container, 'stty', '-F', '/dev/pts/0', 'size') == '%d %d' % (rows, columns)
    t.resize(rows, columns); t.wait('the new size inside', is_so)
$1"
}

# The docker clients look for the keys themselves and tell nobody.
told() { [ "$("$davit" events --since 1h --until 0s --filter event="$1" --filter container="$2" --format '{{.Action}}' | wc -l)" = "$3" ]; }

shell() {
    py '
if not old:                                                         # that one tells the size after the start
    t = on("run", "--rm", "-it", "busybox", "stty", "size", rows=33, columns=111)
    t.ends(0); t.shows("^33 111")
t = on("run", "--rm", "-it", "--name", "sh", "busybox", "sh")
t.shows("^/ #"); assert t.is_raw()
t.type("tty; stty size\r"); t.shows("^/dev/pts/0\n24 80")
resize(t, "sh", 30, 100)
t.type("stty size\r"); t.shows("^30 100")
t.type("sh -c \"echo on; exec sleep 1000\"\r"); t.shows("^on"); t.type(b"\x03"); t.shows("C\n/ #$")      # Ctrl-C is a byte for the shell
t.type("echo code $?\r"); t.shows("^code 130")
t.type("clear; sh -c \"echo gone; exec sleep 1000\"\r"); t.shows("^gone"); t.type(b"\x1a")      # and so is Ctrl-Z
t.shows("Stopped"); assert t.child.poll() is None
t.type("clear; stty -a | grep -o ixon; printf \"\\\\033[1;31mred\\\\033[0m and \\\\303\\\\274\\\\n\"\r"); t.shows("^red and ü")
assert t.screen.buffer[1][0].fg == "red"
import time; asked = [0]
def killed(): # the shell tells at the first prompt after the end
    if time.monotonic() > asked[0] + 1: asked[0] = time.monotonic(); t.type("kill -9 %1\r")
    return b"Killed" in t.text
t.wait("its end", killed)
t.type("exit 7\r")
t.ends(7)
'
}
full_screen() {
    py '
t = on("run", "--rm", "-it", "--name", "full", "busybox", "sh")
t.shows("^/ #"); t.type("vi /tmp/file\r"); t.shows("^~\n(.*\n)*- /tmp/file")
t.type("ifirst\rsecond"); t.shows("^first\nsecond")
t.type(b"\x1b"); t.shows("^- /tmp/file")
t.type("kx"); t.shows("^firs.?\n|^fist\nsecond|^.*\nsecond")
t.type(":wq\r"); t.shows("^/ #")
saved = ask("exec", "full", "cat", "/tmp/file").split("\n")
assert len(saved) == 2 and len(saved[0]) == 4 and saved[1] == "second", saved
t.type("clear; seq 1 500 | less\r"); t.shows("^1\n2\n(.*\n)*23")
resize(t, "full", 40, 90); t.type("G"); t.shows("^480\n(.*\n)*500"); t.type("q"); t.shows("^/ #")
t.type("top -d 1\r"); t.shows("^Mem: .* used.*\n(.*\n)+ +PID +PPID")
t.shows("top -d 1$")
t.type("q"); t.shows("/ #$"); t.type("exit\r"); t.ends(0)
'
}
detaches() {
    py '
t = on("run", "-it", "--name", "shell", "busybox", "sh")
t.shows("^/ #")
t.type("vi /tmp/file\r"); t.shows("^~\n(.*\n)*- /tmp/file"); t.type("iin vi"); t.shows("^in vi")
t.type(b"\x10\x11"); t.ends(0)
assert ask("inspect", "-f", "{{.State.Status}}", "shell") == "running"
# A full-screen program draws itself again, in the new size; the editor is where it was.
t = on("attach", "shell", rows=20, columns=70)
t.type(" again"); t.shows("^in vi again"); t.type(b"\x1b"); t.shows("^- /tmp/file"); t.type(":wq\r"); t.shows("/ #$")
t.type("clear; cat /tmp/file; stty size\r"); t.shows("^in vi again\n20 70")
t.type("clear; sh -c \"echo on; exec cat -v\"\r"); t.shows("^on"); t.type(b"a\x10b\r"); t.shows("^a\^Pb\na\^Pb")      # a lone Ctrl-P goes with the next byte
t.type(b"\x03"); t.shows("/ #$"); t.type("clear\r"); t.shows("\A/ #$")
# In the middle of a paste: what comes before the keys arrives, what comes after does not.
t.type(b"echo pasted" + b"\x10\x11" + b" and lost\recho never\r"); t.ends(1); t.shows("read escape sequence")
t = on("attach", "--detach-keys", "ctrl-a,b,a", "shell")
t.type("\r"); t.shows("pasted\n/ #")
t.type(b"\x10\x11"); t.type("clear; echo here\r"); t.shows("^here")      # not the keys here
assert "never" not in t.display() and "lost" not in t.display()
t.type(b"\x01ba"); t.ends(1)
assert ask("inspect", "-f", "{{.State.Status}}", "shell") == "running"
t = on("attach", "shell"); t.type("clear; exit 9\r"); t.ends(9)
'
    [ "$CLIENT" != "$davit" ] || wait_for told detach shell 3
}
execs() {
    py '
ask("run", "-d", "--name", "cc", "busybox", "sleep", "1000")
t = on("exec", "-it", "cc", "sh", rows=25, columns=90)
t.shows("^/ #"); t.type("stty size\r"); t.shows("^25 90")
resize(t, "cc", 31, 99); t.type("clear; stty size\r"); t.shows("^31 99")
t.type("clear; vi /tmp/file\r"); t.shows("^~\n(.*\n)*- /tmp/file"); t.type("ix"); t.shows("^x"); t.type(b"\x1b"); t.shows("^- /tmp"); t.type(":wq\r"); t.shows("/ #$")
t.type("clear; sh -c \"echo on; exec sleep 1000\"\r"); t.shows("^on"); t.type(b"\x03"); t.shows("C\n/ #$"); t.type("exit 6\r"); t.ends(6)
t = on("exec", "-it", "cc", "sleep", "1001"); t.goes_raw(); t.type(b"\x10\x11"); t.ends(1); t.shows("^read escape sequence")
t = on("exec", "-it", "--detach-keys", "x,y", "cc", "sh"); t.shows("^/ #"); t.type(b"\x10\x11\x15"); t.type("clear; echo ab\r"); t.shows("^ab"); t.type("xy"); t.ends(1)
left = ask("exec", "cc", "ps", "-o", "args").split("\n")
assert "sleep 1001" in left and "sh" in left, left
t = on("exec", "-it", "cc", "no-such-program"); t.ends(127); t.shows("no-such-program")
'
    [ "$CLIENT" != "$davit" ] || wait_for told exec_detach cc 2
}

restored() {
    py '
def daemon(*signals):
    for signal in signals:
        subprocess.run(["bash", "-c", ". tests/e2e/lib.bash; kill_davitd %s; start_davitd" % signal], check=True)
# The daemon goes, the terminal and what runs there do not notice.
t = on("run", "-it", "--name", "run", "busybox", "sh"); t.shows("^/ #")
u = on("attach", "run"); u.goes_raw()
v = on("exec", "-it", "run", "sh"); v.shows("^/ #")
daemon("KILL", "TERM")
t.type("echo still\r"); t.shows("^still"); u.shows("^still")
v.type("echo here\r"); v.shows("^here")
v.type("exit 4\r"); v.ends(4)
t.type("exit 5\r")
# The docker clients do not ask again for the code.
t.ends(5 if client == davit else 125); u.ends(5 if client == davit else 1)
# It is killed or removed from outside.
for command, codes in (("kill", [137]), ("rm -f", [137, 1])): # 1: the exec went with it before the client asked
    t = on("run", "-it", "--name", "victim", "busybox", "sh"); t.shows("^/ #")
    u = on("exec", "-it", "victim", "sh"); u.shows("^/ #")
    ask(*command.split(), "victim"); t.ends(137); u.ends(*codes); ask("rm", "victim")
'
}
signals() {
    py '
ask("run", "-dit", "--name", "cc", "busybox", "sh")
for one in signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT:
    for args in ("exec", "-it", "cc", "sh"), ("attach", "cc"):
        t = on(*args); t.goes_raw(); t.child.send_signal(one); t.ends(-one)
assert ask("inspect", "-f", "{{.State.Running}}", "cc") == "true"
# With run they are the container\x27s; the fourth is meant for the client.
t = on("run", "--rm", "-it", "busybox", "sh", "-c", "trap \"echo told\" TERM; echo on; while :; do sleep 0.1; done"); t.shows("^on")
t.child.send_signal(signal.SIGTERM); t.shows("^told")
for i in range(3):
    n = t.text.count(b"told"); t.child.send_signal(signal.SIGTERM)
    t.wait("the signal or the end", lambda: t.text.count(b"told") > n or t.child.poll() is not None)
t.ends(1); t.shows("forcefully exiting")
# The window is closed: what runs inside gets the signal, as it would outside.
t = on("run", "--rm", "-it", "--name", "window", "busybox", "sh", "-c", "trap \"exit 0\" HUP; echo on; while :; do sleep 0.1; done"); t.shows("^on"); t.close()
'
    wait_for gone_container window
}
gone_container() { ! "$davit" inspect "$1" >/dev/null 2>&1; }

@test "a shell: size, resize, Ctrl-C, Ctrl-Z, colours, its code" { shell; }
@test "docker: a shell" { shell; }
@test "20.10: a shell" { shell; }
@test "full-screen programs: vi, less, top" { full_screen; }
@test "docker: full-screen programs" { full_screen; }
@test "20.10: full-screen programs" { full_screen; }
@test "detach and attach again: default keys, own keys, in a paste" { detaches; }
@test "docker: detach and attach again" { detaches; }
@test "20.10: detach and attach again" { detaches; }
@test "exec -it: the same" { execs; }
@test "docker: exec -it" { execs; }
@test "20.10: exec -it" { execs; }
@test "the terminal is restored when the container or the daemon ends" { restored; }
@test "docker: the terminal is restored" { restored; }
@test "20.10: the terminal is restored" { restored; }
@test "signals to the client: the terminal is restored, the container lives on" { signals; }

#!/usr/bin/env python3
"""flags BUILD - every command and flag of docker's client that tests/data/docker-cli.tsv has: davit takes it,
or refuses it by name, and then it is in REFUSED with the reason. TAP."""
import csv, os, subprocess, sys

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, TOP + "/tests/lib")
import tap                                                                     # noqa: E402

DAVIT = os.path.join(TOP, sys.argv[1], "bin/davit")
RUN_AND_CREATE = ("container run", "container create")
SWARM = "swarm's cluster volumes"
# Command (or "*"), flag: why davit refuses it.
REFUSED = {
    ("(global)", "context"): "contexts come later", ("(global)", "tls"): "TLS comes later",
    ("(global)", "tlscacert"): "TLS comes later", ("(global)", "tlscert"): "TLS comes later",
    ("(global)", "tlskey"): "TLS comes later", ("(global)", "tlsverify"): "TLS comes later",
    ("container start", "checkpoint"): "checkpoints come later",
    ("container start", "checkpoint-dir"): "checkpoints come later",
    ("image inspect", "platform"): "images of several platforms come later",
    ("image ls", "tree"): "experimental; images of several platforms come later",
    ("volume ls", "cluster"): SWARM, ("container update", "kernel-memory"): "gone from the kernel with 5.4",
}
REFUSED.update({(command, flag): "of Windows" for command in RUN_AND_CREATE for flag in (
    "cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops")})
REFUSED.update({(command, "use-api-socket"): "experimental; would hand out the user's logins"
                for command in RUN_AND_CREATE})
REFUSED.update({("volume create", flag): SWARM for flag in (
    "availability", "group", "limit-bytes", "required-bytes", "scope", "secret", "sharing", "topology-preferred",
    "topology-required", "type")})
# What a flag of a type takes.
VALUES = {
    "bytes": "64m", "decimal": "1.5", "duration": "1s", "filter": "name=x", "gpu-request": "all", "int": "1",
    "int64": "1", "list": "A=1", "map": "a=b", "mount": "type=tmpfs,dst=/t", "network": "none", "string": "x",
    "stringSlice": "linux/amd64", "uint16": "100", "uint64": "1", "ulimit": "nofile=1:1", "value": "x=1",
}
WORDS = {
    "blkio-weight-device": "/dev/null:100", "device-read-bps": "/dev/null:1mb", "device-read-iops": "/dev/null:1",
    "device-write-bps": "/dev/null:1mb", "device-write-iops": "/dev/null:1", "add-host": "x:192.0.2.1",
    "attach": "stdout", "device": "/dev/null", "expose": "80", "publish": "80:80", "volume": "/a:/b", "tmpfs": "/t",
    "link": "a:b", "net": "none", "dns-search": "a.b", "sysctl": "net.a=b", "dns": "192.0.2.1", "memory-swap": "64m", "env-file": "/dev/null", "label-file": "/dev/null",
    "memory-swappiness": "1", "device-cgroup-rule": "c 1:1 rwm", "ip": "192.0.2.1", "ip6": "2001:db8::1", "link-local-ip": "192.0.2.1",
}


def run(*args):
    return subprocess.run([DAVIT, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=20, env={"PATH": os.environ["PATH"], "DAVIT_HOST": "unix:///nowhere"}, check=False)


def words(row):
    """The flag with a value, in each of its spellings."""
    value = WORDS.get(row["flag"], VALUES.get(row["type"], "x"))
    boolean = row["type"] == "bool"
    yield ["--" + row["flag"]] if boolean else ["--%s=%s" % (row["flag"], value)]
    if row["short"] != "-":
        yield [row["short"]] if boolean else [row["short"], value]


def flag(row):
    """A help behind it shows whether it parses; nothing is asked of a daemon."""
    problems = []
    command = [] if row["command"] == "(global)" else row["command"].split()
    reason = REFUSED.get((row["command"], row["flag"]))
    for spelling in words(row):
        done = run(*command, *spelling, *([] if row["flag"] == "version" else ["--help"]))
        if "unknown" in done.stdout.split("\n")[0]:
            problems.append("%s: %s" % (spelling[0], done.stdout.split("\n")[0]))
        elif "unsupported: " in done.stdout.split("\n")[0] and not reason:
            problems.append("%s is refused and not on the list" % spelling[0])
        elif reason and ("unsupported: --%s: " % row["flag"] not in done.stdout or done.returncode == 0):
            problems.append("%s is on the list and not refused" % spelling[0])
        elif not reason and done.returncode != 0:
            problems.append("%s: %s" % (" ".join(spelling), done.stdout.split("\n")[0]))
    return problems


def command(row):
    """Each way to type the command shows its help, which names it."""
    problems = []
    for path in [row["command"]] + [a.strip() for a in row["aliases"].split(",") if a != "-"]:
        done = run(*path.split(), "--help")
        if done.returncode != 0 or "Usage:  davit " + path not in done.stdout:
            problems.append("%s: %d %s" % (path, done.returncode, done.stdout.split("\n")[0]))
    return problems


def main():
    with open(TOP + "/tests/data/docker-cli.tsv", encoding="ascii") as f:
        rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        if row["flag"] != "-":
            tap.test("davit %s --%s" % (row["command"], row["flag"]), flag, row)
        elif row["command"] != "(global)":
            tap.test("davit " + row["command"], command, row)
    known = {(r["command"], r["flag"]) for r in rows}
    tap.result("what is refused are flags of docker's", ["%s --%s" % k for k in REFUSED if k not in known])
    tap.done()


if __name__ == "__main__":
    main()

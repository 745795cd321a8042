#!/usr/bin/env python3
"""bulk.py CLIENT MEGABYTES [stderr] - so much through `CLIENT run -i busybox cat`, in both directions at
the same time; with "stderr" the container writes as much there meanwhile. Hashes must be equal."""
import hashlib, random, subprocess, sys, threading

client, size, noisy = sys.argv[1], int(sys.argv[2]) << 20, sys.argv[3:] == ["stderr"]
PIECE = 1 << 20
# What stderr gets: `yes` in the container, cut at SIZE.
script = "yes to stderr | head -c %d >&2 & cat; wait" % size if noisy else "exec cat"
p = subprocess.Popen([client, "run", "--rm", "-i", "busybox", "sh", "-c", script],
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
sums = {"in": hashlib.sha256(), "out": hashlib.sha256(), "err": hashlib.sha256(), "yes": hashlib.sha256()}


def feed():
    rng = random.Random(1)
    block = rng.randbytes(PIECE)
    for i in range(size // PIECE):
        data = i.to_bytes(8, "big") + block[8:]
        sums["in"].update(data)
        p.stdin.write(data)
    p.stdin.close()


def drain(name, pipe):
    while data := pipe.read(PIECE):
        sums[name].update(data)


threads = [threading.Thread(target=f, args=a) for f, a in
           ((feed, ()), (drain, ("out", p.stdout)), (drain, ("err", p.stderr)))]
[t.start() for t in threads]
[t.join() for t in threads]
code = p.wait()
if noisy:
    sums["yes"].update((b"to stderr\n" * (size // 10 + 1))[:size])
assert code == 0, "exit code %d" % code
assert sums["in"].digest() == sums["out"].digest(), "stdout differs from stdin"
assert sums["err"].digest() == sums["yes"].digest(), "stderr differs"

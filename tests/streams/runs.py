#!/usr/bin/env python3
"""runs.py CLIENT N AT_ONCE - N containers that print one line and exit, AT_ONCE at a time, by CLIENT;
every output and exit code must be right. Says how fast it went; exit 1 where any was wrong."""
import concurrent.futures, subprocess, sys, time

client, n, at_once = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def run(i):
    code = i % 7
    p = subprocess.run([client, "run", "--rm", "busybox", "sh", "-c", "echo out %d; echo err %d >&2; exit %d" % (i, i, code)],
                       capture_output=True, text=True)
    got = (p.stdout, p.stderr, p.returncode)
    want = ("out %d\n" % i, "err %d\n" % i, code)
    return None if got == want else "run %d: expected %r, got %r" % (i, want, got)


begin = time.monotonic()
with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
    wrong = [w for w in pool.map(run, range(n)) if w]
seconds = time.monotonic() - begin
print("\n".join(wrong[:20]))
print("%d runs, %d at once, %.1f s, %.0f a second, %d wrong" % (n, at_once, seconds, n / seconds, len(wrong)))
sys.exit(1 if wrong else 0)

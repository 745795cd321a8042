"""measure.py - timing by davit-stopwatch, memory by smaps_rollup, and the figures made of them."""
import os
import statistics
import subprocess
import sys
import time

WARM_UP = 2          # runs that are made first and not counted


class Failed(Exception):
    """A measurement or an engine that cannot be had here; its text is the reason in the table."""


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def command(argv, env=None, stdin=None, timeout=120):
    """Run ARGV to its end and give its stdout; Failed with the last line of its stderr otherwise."""
    try:
        done = subprocess.run(argv, env=env, stdin=stdin or subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=timeout, check=False)
    except FileNotFoundError:
        raise Failed(f"{argv[0]} is not there") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"`{os.path.basename(argv[0])} {' '.join(argv[1:4])}` took over {timeout} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise Failed(f"`{os.path.basename(argv[0])}`: {lines[-1][:200]}")
    return done.stdout.strip()


def wait_for(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Times:
    """Milliseconds of one measurement."""

    def __init__(self, ms):
        self.ms = sorted(ms)
        self.in_order = list(ms)

    def at(self, part):
        return self.ms[min(len(self.ms) - 1, int(part * len(self.ms)))]

    @property
    def median(self):
        return statistics.median(self.ms)

    def __str__(self):
        if len(self.ms) == 1:
            return number(self.ms[0])
        return f"{number(self.median)} ({number(self.at(0.1))}-{number(self.at(0.9))})"


def number(ms):
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.1f}" if ms >= 10 else f"{ms:.2f}"


class Stopwatch:
    def __init__(self, program, runs, pause_ms):
        self.program, self.runs, self.pause_ms = program, runs, pause_ms

    def time(self, argv, env=None, runs=None, pause_ms=None, warm_up=WARM_UP):
        """Times of ARGV, one run after another with quiet pauses between."""
        n = (runs or self.runs) + warm_up
        pause = self.pause_ms if pause_ms is None else pause_ms
        out = command([self.program, "--runs", str(n), "--pause", str(pause), *argv], env,
                      timeout=60 + n * (5 + pause / 1000))
        return Times([int(line) / 1000 for line in out.splitlines()][warm_up:])

    def all_together(self, argv, runs, at_once, env=None):
        """How long RUNS of ARGV take, AT_ONCE at any moment."""
        out = command([self.program, "--runs", str(runs), "--at-once", str(at_once), *argv], env,
                      timeout=60 + runs * 5)
        return Times([int(out) / 1000])


def floor_times(program, network, rootfs, runs, pause_ms, options=()):
    """Times of davit-floor, which keeps its own clock."""
    out = command([program, "--network", network, "--runs", str(runs + WARM_UP), "--pause",
                   str(pause_ms), *options, rootfs], timeout=60 + runs * (1 + pause_ms / 1000))
    return Times([int(line) / 1000 for line in out.splitlines()][WARM_UP:])


def pss_kb(pid):
    """Pss of a process in kB: its own pages, and its part of those it shares."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        for line in rollup:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def at_rest(read, seconds=7):
    """The figures of READ() when their sum has not fallen for SECONDS: threads that a load needed wait
    a while for more, and a daemon gives back later what it took."""
    least, since = read(), time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(0.5)
        now = read()
        if sum(now.values()) < 0.99 * sum(least.values()):
            least, since = now, time.monotonic()
    return least


def processes(program):
    """Pids of all processes in this pid namespace that run PROGRAM (a file name)."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == program:
                found.append(int(pid))
        except OSError:
            continue
    return found


def pss_by_program(programs):
    """{program: kB} of all processes that run one of PROGRAMS."""
    return {name: sum(pss_kb(pid) for pid in processes(name)) for name in programs}


def attach_ms(group):
    """What the first move of a process into a control group takes after 100 ms of quiet: about 10 ms,
    or a part of one where favordynmods is on for this kernel. None on control groups v2 alone."""
    if not os.path.isdir("/sys/fs/cgroup/freezer"):
        return None
    path = f"/sys/fs/cgroup/freezer/{group}"
    os.mkdir(path)
    took = []
    try:
        for _ in range(5):
            with subprocess.Popen(["sleep", "60"]) as sleeper:
                time.sleep(0.1)
                begin = time.perf_counter()
                with open(f"{path}/cgroup.procs", "w", encoding="ascii") as procs:
                    procs.write(str(sleeper.pid))
                took.append((time.perf_counter() - begin) * 1000)
                sleeper.kill()
    finally:
        wait_for(lambda: not open(f"{path}/cgroup.procs", encoding="ascii").read(), "leave " + path)
        os.rmdir(path)
    return statistics.median(took)

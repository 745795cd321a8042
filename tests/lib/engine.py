"""engine - a davitd of a test's own: start, kill, ask, and what it left behind. TAP lines.

Names in the kernel (bridge, table, control group) and the subnet are derived from KIND, one letter of
the test, and the process id, so that tests may run beside each other.
"""
import json, os, re, shutil, sqlite3, subprocess, sys, tempfile, time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
LONG = os.environ.get("CHECK_LONG") == "1"


class Engine:
    def __init__(self, build, kind, size=24):
        """KIND: a letter; SIZE: of the subnet's prefix (24: 253 addresses)."""
        self.bin = os.path.join(TOP, build, "bin")
        self.t = tempfile.mkdtemp(prefix="davit-%s." % kind, dir="/tmp")
        os.chmod(self.t, 0o711)
        n = os.getpid() % 60000
        mark = "%s%d" % (kind, n)
        self.root, self.run = self.t + "/root", self.t + "/run"
        self.bridge, self.table, self.cgroup = "dv" + mark, "davit-" + mark, "/davit-" + mark
        self.subnet = "10.%d.%d.0/%d" % (150 + n % 50, n // 50 % 60 * 4, size)
        self.extra = []
        self.env = dict(os.environ, DAVIT_HOST="unix://%s/davit.sock" % self.run)
        self.log = open(self.t + "/davitd.log", "ab")
        self.daemon = None

    def start(self, kill_at=None):
        env = dict(os.environ)
        if kill_at:
            env["DAVIT_TEST_KILL"] = kill_at
        self.daemon = subprocess.Popen(
            [self.bin + "/davitd", "--root", self.root, "--run-dir", self.run,
             "--set", "network.bridge_name=" + self.bridge, "--set", "network.default_pool=" + self.subnet,
             "--set", "network.nft_table=" + self.table, "--set", "engine.cgroup_parent=" + self.cgroup, *self.extra],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, env=env, start_new_session=True)
        end = time.time() + 30
        while self.cli("version").returncode != 0:
            if self.daemon.poll() is not None and not kill_at:
                raise Failure("davitd ended at its start: " + self.tail())
            if self.daemon.poll() is not None or time.time() > end:
                return False
            time.sleep(0.02)
        return True

    def import_busybox(self):
        rootfs = subprocess.run([TOP + "/tools/busybox-rootfs"], stdout=subprocess.PIPE, check=True).stdout
        r = subprocess.run([self.bin + "/davit", "import", "-c", 'CMD ["sh"]', "-", "busybox:latest"],
                           input=rootfs, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if r.returncode != 0:
            raise Failure("import: " + r.stdout.decode())

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()

    def cli(self, *args, timeout=60, **kw):
        try:
            return subprocess.run([self.bin + "/davit", *args], env=self.env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, **kw)
        except subprocess.TimeoutExpired as e:
            return subprocess.CompletedProcess(args, 124, e.stdout or b"", b"")

    def ok(self, *args):
        r = self.cli(*args)
        if r.returncode != 0:
            raise Failure("davit %s: %d %s" % (" ".join(args), r.returncode, r.stdout.decode()[-500:]))
        return r.stdout.decode().strip()

    def containers(self):
        ids = self.ok("ps", "-aq", "--no-trunc").split()
        found = {}
        for i in ids:
            r = self.cli("inspect", i)
            if r.returncode == 0:
                found[i] = json.loads(r.stdout)[0]
        return found

    def tail(self):
        return open(self.t + "/davitd.log", errors="replace").read()[-1500:]

    def reports(self):
        """What sanitizers and our own lock checks said."""
        text = open(self.t + "/davitd.log", errors="replace").read()
        return re.findall(r"(?:ERROR|WARNING): (?:Address|Leak|Undefined|Thread).*|.*runtime error:.*|.*lock of rank.*",
                          text)

    def is_plain(self):
        """Built without a sanitizer: its memory means something."""
        libs = subprocess.run(["ldd", self.bin + "/davitd"], stdout=subprocess.PIPE).stdout
        return not re.search(rb"lib[atu][a-z]*san", libs)

    def leftovers(self):
        """What carries our mark and no record names; a list of sentences."""
        known = self.containers()
        running = {i for i, c in known.items() if c["State"]["Running"]}
        found = []
        for base in os.listdir("/sys/fs/cgroup"):
            d = "/sys/fs/cgroup/%s%s" % (base, self.cgroup)
            if os.path.isdir(d):
                found += ["cgroup %s/%s" % (d, n) for n in os.listdir(d)
                          if os.path.isdir(d + "/" + n) and n != "shims" and n not in running]
        for d, keep in ((self.run + "/containers", running), (self.root + "/containers", known)):
            found += ["directory %s/%s" % (d, n) for n in os.listdir(d) if n not in keep]
        layers = self.root + "/storage/overlay/layers"
        found += ["layer " + n for n in os.listdir(layers) if len(n) >= 64 and n[:64] not in known]
        links = "/sys/class/net/%s/brif" % self.bridge
        joined = {i for i in running if known[i]["HostConfig"]["NetworkMode"] in ("default", "bridge")}
        n_links = len(os.listdir(links)) if os.path.isdir(links) else 0
        if n_links != len(joined):
            found.append("%d links on the bridge for %d running containers" % (n_links, len(joined)))
        shims = self.shims()
        if len(shims) != len(running):
            found.append("%d shims for %d running containers" % (len(shims), len(running)))
        if self.root in open("/proc/self/mountinfo").read():
            found.append("a mount in the host's namespace")
        db = sqlite3.connect("file:%s/davit.db?mode=ro" % self.root, uri=True, timeout=10)
        for (c,) in db.execute("SELECT container_id FROM endpoints"):
            if c not in known:
                found.append("address of unknown container " + c)
        for row in db.execute("SELECT kind, object FROM intents"):
            found.append("intent %s %s" % row)
        db.close()
        return found

    def shims(self):
        pids = []
        for base in ("pids", "memory", "unified", ""):
            p = os.path.join("/sys/fs/cgroup", base) + self.cgroup + "/shims/cgroup.procs"
            if os.path.exists(p):
                return open(p).read().split()
        return pids

    def settle(self):
        end = time.time() + 10
        while True:
            found = self.leftovers()
            if not found or time.time() > end:
                return found
            time.sleep(0.1)

    def finish(self):
        if self.daemon and self.daemon.poll() is None:
            ids = self.cli("ps", "-aq").stdout.decode().split()
            if ids:
                self.cli("rm", "-f", *ids)
            self.cli("system", "shutdown")
            try:
                self.daemon.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        self.log.close()

    def clear_away(self):
        """The last thing: the state, unless a test failed, which is said."""
        if bad:
            print("# state is kept in " + self.t)
            print("# " + self.tail().replace("\n", "\n# "))
        else:
            shutil.rmtree(self.t, ignore_errors=True)


def plan():
    """The end of the program."""
    print("1..%d" % number)
    sys.exit(1 if bad else 0)


class Failure(Exception):
    pass


number = 0
bad = 0


def verdict(name, problem=None, skip=None):
    global number, bad
    number += 1
    if skip:
        print("ok %d %s # skip %s" % (number, name, skip))
    elif problem:
        bad += 1
        print("not ok %d %s" % (number, name))
        for line in str(problem).splitlines():
            print("# " + line)
    else:
        print("ok %d %s" % (number, name))
    sys.stdout.flush()

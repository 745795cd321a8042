"""apart.py - run a program apart from this machine: in mount, network and pid namespaces of its own, with
/etc, /run, /sys and /dev/shm covered. Engines that it starts neither find nor leave anything outside:
when it ends, in whatever way, every process, mount, bridge and firewall rule goes with the namespaces.
What is not bound to them, its folder and its control groups, `Apart` removes at its end, or, after a
kill by force, the next one of that prefix."""
import fcntl
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---- outside ----

class Apart:
    """A folder in /var/tmp, control groups named after it, and the one program that runs in both."""

    def __init__(self, prefix):
        self.prefix, self.child = prefix, None
        sweep(prefix)
        self.tmp = tempfile.mkdtemp(prefix=f"{prefix}.", dir="/var/tmp")
        os.chmod(self.tmp, 0o711)
        self.lock = os.open(self.tmp, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(self.lock, fcntl.LOCK_EX)

    def start(self, argv, **popen):
        """Start ARGV apart; it ends with us. It shall call enter(), and stay as reap_until() does."""
        self.child = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--fork",
             "--kill-child", "--mount-proc", "--propagation", "private", *argv], **popen)
        return self.child

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child:
            self.child.kill()         # --kill-child: all inside goes with it, the namespaces too
            self.child.wait()
            wait_gone(group_of(self.tmp))
        clean(self.tmp)
        os.close(self.lock)


def group_of(tmp):
    """The name of the control groups that belong to the folder TMP."""
    return os.path.basename(tmp).replace(".", "-")


def remove_groups(top):
    for folder, _, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(folder)
        except OSError as error:
            say(f"control group {folder} stays: {error.strerror}")


def clean(tmp):
    group = group_of(tmp)
    for top in glob.glob(f"/sys/fs/cgroup/{group}*") + glob.glob(f"/sys/fs/cgroup/*/{group}*"):
        remove_groups(top)
    shutil.rmtree(tmp, ignore_errors=True)


def sweep(prefix):
    """Remove what a run that was killed by force left: its folder is not locked any more."""
    for tmp in glob.glob(f"/var/tmp/{prefix}.*"):
        try:
            lock = os.open(tmp, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            clean(tmp)
        except BlockingIOError:
            pass                 # another run is at work
        finally:
            os.close(lock)


def wait_gone(group):
    """Until no process is left in the control groups GROUP; the kernel ends them one by one."""
    def busy():
        for top in ("/sys/fs/cgroup/*/", "/sys/fs/cgroup/"):
            for procs in glob.glob(f"{top}{group}*/**/cgroup.procs", recursive=True):
                try:
                    with open(procs, encoding="ascii") as file:
                        if file.read():
                            return True
                except OSError:
                    continue
        return False
    for _ in range(500):
        if not busy():
            return
        signal.sigtimedwait([], 0.02)


# ---- inside ----

def mount(*words):
    subprocess.run(["mount", *words], check=True)


def enter(tmp):
    """Our own /sys, /run, /dev/shm and /etc; what engines write to /etc goes to the folder TMP."""
    groups = f"{tmp}/groups"
    os.makedirs(groups)
    mount("--rbind", "/sys/fs/cgroup", groups)
    mount("-t", "sysfs", "sysfs", "/sys")      # /sys/class/net of the new network namespace
    if os.path.exists(f"{groups}/cgroup.controllers"):
        mount("--rbind", groups, "/sys/fs/cgroup")
    else:
        mount("-t", "tmpfs", "-o", "mode=755", "cgroups", "/sys/fs/cgroup")
        for name in os.listdir(groups):
            if os.path.ismount(f"{groups}/{name}"):
                os.mkdir(f"/sys/fs/cgroup/{name}")
                mount("--rbind", f"{groups}/{name}", f"/sys/fs/cgroup/{name}")
    subprocess.run(["umount", "--lazy", groups], check=True)
    for name in ("/run", "/dev/shm"):
        mount("-t", "tmpfs", "apart", name)
    for name in ("etc-upper", "etc-work"):
        os.mkdir(f"{tmp}/{name}")
    mount("-t", "overlay", "-o", f"lowerdir=/etc,upperdir={tmp}/etc-upper,workdir={tmp}/etc-work",
          "overlay", "/etc")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def reap_until(pid):
    """As process 1: collect orphans until PID has ended; gives its exit code."""
    while True:
        ended, status = os.wait()
        if ended == pid:
            return os.waitstatus_to_exitcode(status)

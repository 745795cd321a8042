"""peers.py - other engines, from Debian's packages unpacked into a folder; nothing is installed.

Installing Debian's docker.io starts a daemon and changes the firewall; unpacking does neither."""
import glob
import os
import shutil
import subprocess

from measure import say

# What Debian 12 lacks of these beside the packages that a minimal system has.
PACKAGES = [
    "docker.io", "containerd", "runc", "tini", "iptables", "libip6tc2", "libnfnetlink0",
    "libnetfilter-conntrack3",
    "podman", "crun", "conmon", "netavark", "aardvark-dns", "containernetworking-plugins",
    "golang-github-containers-common", "golang-github-containers-image", "libyajl2", "libgpgme11",
    "libsubid4",
]


def fetch(folder):
    """Download and unpack what FOLDER lacks; gives None, or why some peers will be missing."""
    debs, root = os.path.join(folder, "debs"), os.path.join(folder, "root")
    os.makedirs(debs, exist_ok=True)
    missing = [p for p in PACKAGES if not glob.glob(f"{debs}/{p}_*.deb")]
    if missing:
        say("downloading " + " ".join(missing))
        if not shutil.which("apt-get"):
            return "no apt-get here to download packages with"
        done = subprocess.run(["apt-get", "download", "-qq", *missing], cwd=debs, check=False,
                              capture_output=True, text=True)
        if done.returncode != 0:
            return "apt-get download: " + (done.stderr.strip().splitlines() or ["failed"])[-1]
    done_mark = os.path.join(root, ".unpacked")
    if missing or not os.path.exists(done_mark):
        shutil.rmtree(root, ignore_errors=True)
        for deb in sorted(glob.glob(f"{debs}/*.deb")):
            subprocess.run(["dpkg", "-x", deb, root], check=True)
        links(root)
        with open(done_mark, "w", encoding="ascii"):
            pass
    return None


def links(root):
    """What the packages' scripts would have set up by update-alternatives."""
    for name in ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save",
                 "ip6tables-restore"):
        os.symlink("xtables-nft-multi", f"{root}/usr/sbin/{name}")


def environment(root):
    """Programs from ROOT first, and the modules of its iptables."""
    env = dict(os.environ)
    env["PATH"] = f"{root}/usr/sbin:{root}/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    env["XTABLES_LIBDIR"] = f"{root}/usr/lib/x86_64-linux-gnu/xtables"
    return env

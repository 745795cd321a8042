"""peers.py - other engines, from Debian's packages unpacked into a folder; nothing is installed.

Installing Debian's docker.io starts a daemon and changes the firewall; unpacking does neither."""
import os
import subprocess

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What Debian 12 lacks of these beside the packages that a minimal system has.
CLIENT = ["docker.io"]
DOCKERD = CLIENT + ["containerd", "runc", "tini", "iptables", "libip6tc2", "libnfnetlink0",
                    "libnetfilter-conntrack3", "libdevmapper1.02.1"]
PACKAGES = DOCKERD + [
    "podman", "crun", "conmon", "netavark", "aardvark-dns", "containernetworking-plugins",
    "golang-github-containers-common", "golang-github-containers-image", "libyajl2", "libgpgme11",
    "libsubid4",
]


def fetch(folder, packages=None):
    """Download and unpack what FOLDER lacks of PACKAGES (all peers'); gives None, or why some peers will
    be missing."""
    done = subprocess.run(["bash", "-c", '. "$0"; unpack_packages "$@"', f"{TREE}/tools/setup.sh", folder,
                           *(packages or PACKAGES)], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        return "apt-get download: " + (done.stderr.strip().splitlines() or ["failed"])[-1]
    links(f"{folder}/root")
    return None


def links(root):
    """What the packages' scripts would have set up by update-alternatives."""
    for name in ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save",
                 "ip6tables-restore"):
        path = f"{root}/usr/sbin/{name}"
        if not os.path.lexists(path) and os.path.isdir(os.path.dirname(path)):
            os.symlink("xtables-nft-multi", path)


def environment(root):
    """Programs from ROOT first, and the modules of its iptables."""
    env = dict(os.environ)
    env["PATH"] = f"{root}/usr/sbin:{root}/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    env["XTABLES_LIBDIR"] = f"{root}/usr/lib/x86_64-linux-gnu/xtables"
    return env

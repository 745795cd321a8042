"""engines.py - what bench/run compares: davit and its peers, each started by path, with its state in a
folder of its own. All of this runs inside the namespaces that bench/run makes."""
import glob
import json
import os
import shutil
import subprocess

import peers
from measure import Failed, command, processes, pss_by_program, say, wait_for

NETWORKS = ("none", "host", "bridge")


class Place:
    """Where things are: BUILD with bin/ and bench/, PEERS unpacked, TMP ours, GROUP our control group."""

    def __init__(self, build, peers_root, tmp, group):
        self.build, self.peers_root, self.tmp, self.group = build, peers_root, tmp, group
        self.rootfs, self.image_tar = f"{tmp}/rootfs", f"{tmp}/busybox.tar"

    def folder(self, name):
        path = os.path.join(self.tmp, name)
        os.makedirs(path, exist_ok=True)
        return path


class Engine:
    """One line of the table. A subclass fills in NAME and the command lines."""
    name = ""
    image = "busybox"
    unrotated = ()  # options of run that let the log grow; most do without being asked
    programs = {}            # title of the memory table: names of programs

    def __init__(self, place):
        self.place = place
        self.env = peers.environment(place.peers_root)
        self.daemon = None

    def start(self):
        """Ready to run busybox afterwards."""

    def stop(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.terminate()
            try:
                self.daemon.wait(30)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        self.daemon = None

    def version(self):
        raise NotImplementedError

    def cli(self, *words):
        """The command line of this engine's client."""
        raise NotImplementedError

    def run(self, network):
        return self.cli("run", "--rm", "--network", network, self.image, "true")

    def call(self, *words, timeout=120):
        return command(self.cli(*words), self.env, timeout=timeout)

    def load_image(self):
        with open(self.place.image_tar, "rb") as tar:
            command(self.cli("import", "-c", 'CMD ["sh"]', "-", "busybox:latest"), self.env, stdin=tar)

    def remove_all(self):
        ids = self.call("ps", "-aq").split()
        if ids:
            self.call("rm", "-f", *ids, timeout=600)

    def memory(self):
        return {title: sum(pss_by_program(names).values()) for title, names in self.programs.items()}

    def start_daemon(self, argv, answers):
        """Start ARGV with its output in a log, and wait until ANSWERS() no longer fails."""
        log = open(f"{self.place.tmp}/{self.name}.log", "ab")
        self.daemon = subprocess.Popen(argv, env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True)
        log.close()

        def ready():
            if self.daemon.poll() is not None:
                raise Failed(f"{os.path.basename(argv[0])} ended: {self.last_words()}")
            try:
                answers()
            except Failed:
                return False
            return True
        wait_for(ready, f"{os.path.basename(argv[0])} answers", 60)

    def last_words(self):
        with open(f"{self.place.tmp}/{self.name}.log", encoding="utf-8", errors="replace") as log:
            return (log.read().strip().splitlines() or ["no word"])[-1][-200:]


class Davit(Engine):
    name = "davit"
    unrotated = ("--log-opt", "max-size=-1")
    programs = {"daemon": ["davitd"], "for each container": ["davit-shim"]}

    def __init__(self, place):
        super().__init__(place)
        self.run_dir = place.folder("davit-run")
        self.env = dict(os.environ, DAVIT_HOST=f"unix://{self.run_dir}/davit.sock")

    def settings(self):
        return {"network.bridge_name": "dvbench0", "network.default_pool": "10.98.0.0/16",
                "network.nft_table": "davit-bench", "engine.cgroup_parent": f"/{self.place.group}-davit"}

    def start(self):
        argv = [f"{self.place.build}/bin/davitd", "--root", self.place.folder("davit"),
                "--run-dir", self.run_dir]
        for key, value in self.settings().items():
            argv += ["--set", f"{key}={value}"]
        self.start_daemon(argv, lambda: self.call("ps"))
        self.load_image()

    def cli(self, *words):
        return [f"{self.place.build}/bin/davit", *words]

    def leftovers(self):
        """What of containers is left, though none is on record."""
        groups = glob.glob(f"/sys/fs/cgroup/*/{self.place.group}-davit/" + "?" * 64)
        folders = glob.glob(f"{self.run_dir}/containers/*") + glob.glob(
            f"{self.place.tmp}/davit/containers/*")
        links = glob.glob("/sys/class/net/dvbench0/brif/*")
        return groups + folders + links + processes("davit-shim")

    def version(self):
        return "davit " + self.call("version", "--format", "{{.Server.Version}}")


class Docker(Engine):
    name = "dockerd"
    programs = {"daemon": ["dockerd", "containerd"],
                "for each container": ["containerd-shim-runc-v2"]}

    def __init__(self, place):
        super().__init__(place)
        self.socket = f"unix://{place.tmp}/docker.sock"
        self.client = f"{place.peers_root}/usr/bin/docker"

    def start(self):
        config = f"{self.place.tmp}/docker.json"
        with open(config, "w", encoding="ascii") as file:
            file.write("{}")
        self.start_daemon([f"{self.place.peers_root}/usr/sbin/dockerd", "--config-file", config,
                           "--data-root", self.place.folder("docker"), "--exec-root",
                           self.place.folder("docker-exec"), "--pidfile",
                           f"{self.place.tmp}/docker.pid", "-H", self.socket, "--storage-driver",
                           "overlay2", "--cgroup-parent", f"/{self.place.group}/docker"],
                          lambda: self.call("version"))
        self.load_image()

    def cli(self, *words):
        return [self.client, "-H", self.socket, *words]

    def version(self):
        root = self.place.peers_root
        server = self.call("version", "--format", "{{.Server.Version}} (client {{.Client.Version}})")
        return (f"dockerd {server}, {command([f'{root}/usr/bin/containerd', '--version']).split()[2]}"
                f" containerd, {command([f'{root}/usr/sbin/runc', '--version']).splitlines()[0]}")


class Podman(Engine):
    """With crun, conmon and netavark. It needs policy.json in /etc; bench/run lays ours over it."""
    name = "podman"
    image = "localhost/busybox"
    programs = {"for each container": ["conmon"]}

    def start(self):
        root = self.place.peers_root
        os.makedirs("/etc/containers", exist_ok=True)
        shutil.copy(f"{root}/etc/containers/policy.json", "/etc/containers/policy.json")
        conf = f"{self.place.tmp}/containers.conf"
        with open(conf, "w", encoding="ascii") as file:
            # Default limits above our own cannot be set without CAP_SYS_RESOURCE.
            file.write(f'[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
                       f'seccomp_profile = "{root}/usr/share/containers/seccomp.json"\n'
                       f'[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
                       f'runtime = "crun"\nconmon_path = ["{root}/usr/bin/conmon"]\n'
                       f'helper_binaries_dir = ["{root}/usr/lib/podman"]\n'
                       f'[engine.runtimes]\ncrun = ["{root}/usr/bin/crun"]\n'
                       f'[network]\nnetwork_backend = "netavark"\n'
                       f'network_config_dir = "{self.place.folder("podman-networks")}"\n')
        self.env["CONTAINERS_CONF"] = conf
        self.load_image()
        self.call("run", "--rm", "--network", "none", *self.groups(), self.image, "true")

    def groups(self):
        return ["--cgroup-parent", f"/{self.place.group}/podman"]

    def cli(self, *words):
        words = list(words)
        if words[0] in ("run", "create"):
            words[1:1] = self.groups()
        return [f"{self.place.peers_root}/usr/bin/podman", "--root", self.place.folder("podman"),
                "--runroot", self.place.folder("podman-run"), "--tmpdir",
                self.place.folder("podman-tmp"), *words]

    def version(self):
        crun = command([self.place.peers_root + "/usr/bin/crun", "--version"], self.env)
        return (f"podman {self.call('version', '--format', '{{.Client.Version}}')} with "
                f"{crun.splitlines()[0]}")


class Runtime(Engine):
    """crun or runc alone on a bundle: no image, no overlay, no bridge, the spec that it proposes."""

    def __init__(self, place, name):
        super().__init__(place)
        self.name = name
        self.program = f"{place.peers_root}/usr/{'bin' if name == 'crun' else 'sbin'}/{name}"
        self.bundles = {}

    def start(self):
        for network in ("none", "host"):
            bundle = self.place.folder(f"{self.name}-{network}")
            if not os.path.exists(f"{bundle}/config.json"):
                done = subprocess.run([self.program, "spec"], cwd=bundle, env=self.env, check=False,
                                      capture_output=True, text=True)
                if done.returncode != 0:
                    raise Failed((done.stderr.strip().splitlines() or ["spec failed"])[-1])
            with open(f"{bundle}/config.json", encoding="utf-8") as file:
                spec = json.load(file)
            spec["process"].update(args=["true"], terminal=False)
            spec["root"] = {"path": self.place.rootfs, "readonly": False}
            spec["linux"]["cgroupsPath"] = f"/{self.place.group}/{self.name}"
            if network == "host":
                spec["linux"]["namespaces"] = [ns for ns in spec["linux"]["namespaces"]
                                               if ns["type"] != "network"]
            with open(f"{bundle}/config.json", "w", encoding="utf-8") as file:
                json.dump(spec, file)
            self.bundles[network] = bundle

    def run(self, network):
        if network not in self.bundles:
            raise Failed("no bridge of its own")
        return [self.program, "--root", self.place.folder(f"{self.name}-state"), "run", "--bundle",
                self.bundles[network], "run{}"]

    def version(self):
        return command([self.program, "--version"], self.env).splitlines()[0].replace(" version", "")


def sleeping(watch, engine, n):
    """Start N containers that sleep."""
    say(f"{engine.name}: {n} sleeping containers")
    watch.all_together(engine.cli("run", "-d", engine.image, "sleep", "100000"), n, 8, engine.env)

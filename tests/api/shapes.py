#!/usr/bin/env python3
"""shapes - every field of the replies, at every version of the API, by tests/data/engine-types.tsv. TAP.

A field must be there from its version on, with its JSON type, in a fixture that sets as much as can be
set. What Docker leaves out or sends as null is named here, with the reason.
"""
import csv, json, os, sys

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, TOP + "/tests/lib")
import tap                                                                     # noqa: E402
from rawapi import Conn, ask                                                   # noqa: E402

VERSIONS = range(24, 52)

# Fields that a reply may lack: where, and why. A name stands for all below it.
ABSENT = {
    "Port.IP": "only of published ports", "Port.PublicPort": "only of published ports",
    "MountPoint.Name": "only of volumes", "MountPoint.Driver": "only of volumes",
    "Mount": "what the client sent comes back", "Resources.Init": "what the client did not set",
    "Resources.CpuRealtimePeriod": "sent since 1.25", "Resources.CpuRealtimeRuntime": "sent since 1.25",
    "Resources.KernelMemoryTCP": "left out at 0",
    "HostConfig.Annotations": "what the client did not set", "HostConfig.Mounts": "left out when empty",
    "HostConfig.StorageOpt": "left out when empty", "HostConfig.Sysctls": "left out when empty",
    "HostConfig.Tmpfs": "left out when empty", "HostConfig.MaskedPaths": "sent since 1.38",
    "HealthConfig.StartPeriod": "left out at 0", "HealthConfig.StartInterval": "left out at 0",
    "HealthConfig.Timeout": "left out at 0", "HealthConfig.Retries": "left out at 0",
    "ContainerConfig.ArgsEscaped": "of Windows", "ContainerConfig.NetworkDisabled": "left out at false",
    "ContainerConfig.MacAddress": "moved to the endpoint in 1.44",
    "ContainerConfig.Shell": "left out when empty", "ContainerConfig.Healthcheck": "left out when none",
    "ContainerConfig.OnBuild": "a container has none",
    "ImageConfig.Healthcheck": "left out when none", "ImageConfig.ArgsEscaped": "of Windows", "ImageConfig.Shell": "left out when empty",
    "ImageInspect.Descriptor": "of Docker's containerd store", "ImageInspect.Manifests": "only when asked",
    "ImageInspect.Variant": "left out when empty", "ImageInspect.OsVersion": "of Windows",
    "ImageSummary.Descriptor": "of Docker's containerd store", "ImageSummary.Manifests": "only when asked",
    "Volume.Status": "left out when empty", "Volume.ClusterVolume": "of swarm",
    "Volume.UsageData": "only of system df",
    "Network.Peers": "of swarm", "IPAMConfig.IPRange": "left out when empty",
    "IPAMConfig.AuxiliaryAddresses": "left out when empty",
    "ContainerInspectResponse.ImageManifestDescriptor": "of Docker's containerd store",
    "ContainerSummary.ImageManifestDescriptor": "of Docker's containerd store",
    "ContainerInspectResponse.SizeRw": "only when asked", "ContainerInspectResponse.SizeRootFs": "only when asked",
    "ContainerSummary.SizeRw": "only when asked", "ContainerSummary.SizeRootFs": "only when asked",
    "ContainerState.Health": "left out without a health check",
    "ContainerWaitResponse.Error": "left out when there is none",
    "SystemInfo.KernelMemoryTCP": "left out at false", "SystemInfo.DiscoveredDevices": "of CDI",
    "SystemInfo.DefaultAddressPools": "left out when not configured",
    "SystemInfo.Containerd": "davit has none", "SystemInfo.CgroupVersion": "",
    "Runtime.runtimeArgs": "left out when empty", "Runtime.status": "left out when empty",
    "SwarmInfo.Nodes": "of swarm", "SwarmInfo.Managers": "of swarm", "SwarmInfo.Cluster": "of swarm",
    "ImageDeleteResponseItem": "one of the two",
}
# Null where there is nothing, as Docker sends it; the fixture has nothing to show there.
NULL = {
    "EndpointSettings.IPAMConfig": "", "EndpointSettings.Links": "", "EndpointSettings.Aliases": "",
    "EndpointSettings.DriverOpts": "", "EndpointSettings.DNSNames": "the default network has none",
    "NetworkSettings.SecondaryIPAddresses": "", "NetworkSettings.SecondaryIPv6Addresses": "",
    "ContainerConfig.Entrypoint": "", "ContainerConfig.OnBuild": "", "ContainerConfig.Volumes": "",
    "ContainerInspectResponse.ExecIDs": "",
    "ImageSummary.Labels": "of an image without labels",
    "RES POST /images/prune 200.ImagesDeleted": "",
    "SystemInfo.Warnings": "of a host that lacks nothing", "PluginsInfo.Authorization": "", "SystemInfo.GenericResources": "of swarm", "SwarmInfo.RemoteManagers": "of swarm",
    "IPAM.Options": "", "VolumeListResponse.Warnings": "",
    "ContainerUpdateResponse.Warnings": "", "RES POST /volumes/prune 200.VolumesDeleted": "",
}


def load_types():
    types = {}
    with open(TOP + "/tests/data/engine-types.tsv", encoding="ascii") as f:
        for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            types.setdefault(row["definition"], []).append((row["field"], row["type"], int(row["since"])))
    return types


TYPES = load_types()
SCALARS = {"string": str, "integer": int, "boolean": bool, "object": dict}


class Walk:
    """Holds one reply against the table; problems and the fields that were there."""

    def __init__(self, version):
        self.version, self.problems, self.seen, self.null = version, [], set(), set()

    def say(self, where, what):
        self.problems.append("1.%d %s: %s" % (self.version, where, what))

    def value(self, value, kind, where):
        if value is None:
            self.null.add(where)
            if where not in NULL:
                self.say(where, "is null, wanted %s" % kind)
        elif kind.startswith("["):
            if self.of(value, list, where, kind):
                for item in value:
                    self.value(item, kind[1:-1], where + "[]")
        elif kind.startswith("map["):
            if self.of(value, dict, where, kind):
                for item in value.values():
                    self.value(item, kind[4:-1], where + "{}")
        elif kind in SCALARS:
            self.of(value, SCALARS[kind], where, kind)
        elif kind in TYPES and TYPES[kind][0][0] != ".":
            if self.of(value, dict, where, kind):
                self.object(value, kind)

    def of(self, value, python, where, kind):
        good = isinstance(value, python) and (python is not int or not isinstance(value, bool))
        if not good:
            self.say(where, "is %s, wanted %s" % (json.dumps(value)[:60], kind))
        return good

    def object(self, value, definition):
        for field, kind, since in TYPES[definition]:
            if field == ".":
                if kind in TYPES:
                    self.object(value, kind)
            elif since <= self.version:
                self.field(value, definition, field, kind)

    def field(self, value, definition, field, kind):
        name = "%s.%s" % (definition, field)
        holders = [value]
        *path, last = field.split(".")
        for step in path:
            holders = [h.get(step.replace("[]", "")) for h in holders if isinstance(h, dict)]
            if step.endswith("[]"):
                holders = [item for h in holders for item in h or []]
        for holder in holders:
            if not isinstance(holder, dict):
                continue
            if last in holder:
                self.seen.add(name)
                self.value(holder[last], kind, name)
            elif not any(name == a or name.startswith(a + ".") for a in ABSENT):
                self.say(name, "is not there")


# Documents of the fixture: path, and what the table calls the reply.
REPLIES = [
    ("/containers/json?all=1", "[ContainerSummary]"),
    ("/containers/web/json", "ContainerInspectResponse"),
    ("/containers/web/top", "ContainerTopResponse"),
    ("/images/json", "[ImageSummary]"),
    ("/images/full:1/json", "ImageInspect"),
    ("/images/full:1/history", "[RES GET /images/{name}/history 200]"),
    ("/exec/EXEC/json", "RES GET /exec/{id}/json 200"),
    ("/info", "SystemInfo"),
    ("/version", "SystemVersion"),
    ("/system/df", "RES GET /system/df 200"),
    ("/networks", "[Network]"),
    ("/networks/bridge", "Network"),
    ("/volumes", "VolumeListResponse"),
    ("/volumes/data", "Volume"),
]
# What is there in some versions only: path, member, first and last version.
ONLY = [
    ("/info", "BridgeNfIptables", 24, 49), ("/info", "BridgeNfIp6tables", 24, 49),
    ("/info", "ContainerdCommit.Expected", 24, 48), ("/info", "RuncCommit.Expected", 24, 48),
    ("/info", "InitCommit.Expected", 24, 48),
    ("/info", "RegistryConfig.AllowNondistributableArtifactsCIDRs", 24, 46),
    ("/info", "RegistryConfig.AllowNondistributableArtifactsHostnames", 24, 46),
    ("/info", "FirewallBackend", 49, 51),
    ("/images/json", "0.VirtualSize", 24, 43), ("/images/full:1/json", "VirtualSize", 24, 43),
    ("/images/full:1/json", "Container", 24, 44), ("/images/full:1/json", "ContainerConfig", 24, 44),
    ("/containers/json", "0.HostConfig.Annotations", 46, 51),
] + [("/images/full:1/json", "Config." + key, 24, 49)
     for key in ("AttachStdin", "AttachStdout", "AttachStderr", "Domainname", "Hostname", "Image",
                 "OpenStdin", "StdinOnce", "Tty")]


def has(document, member):
    for step in member.split("."):
        if isinstance(document, list):
            document = document[int(step)]
        elif step in document:
            document = document[step]
        else:
            return False
    return True


class Fixture:
    """The objects of tests/api/run, and what can be made with them once for each version."""

    def __init__(self):
        status, reply = ask("POST", "/containers/web/exec",
                            {"Cmd": ["true"], "User": "nobody", "AttachStdout": True})
        self.exec = reply["Id"]
        c = Conn()
        c.request("POST", "/exec/%s/start" % self.exec, {})
        c.head()
        c.rest()
        self.seen, self.null = set(), set()

    def get(self, version, path, method="GET", body=None):
        status, reply = ask(method, "/v1.%d%s" % (version, path.replace("EXEC", self.exec)), body)
        assert status in (200, 201), "1.%d %s %s: %s %r" % (version, method, path, status, reply)
        return reply

    def check(self, version, kind, reply):
        walk = Walk(version)
        walk.value(reply, kind, kind)
        self.seen |= walk.seen
        self.null |= walk.null
        return walk.problems

    def reply(self, path, kind):
        """The same problem at many versions is one line."""
        found = {}
        for version in VERSIONS:
            for problem in self.check(version, kind, self.get(version, path)):
                number, text = problem.split(" ", 1)
                found.setdefault(text, []).append(number)
        return ["%s (%s to %s)" % (text, at[0], at[-1]) for text, at in found.items()]

    def only(self, path, member, first, last):
        at = [v for v in VERSIONS if has(self.get(v, path), member)]
        return [] if at == list(range(first, last + 1)) else ["is there in 1.%s" % at]

    def made(self, version):
        """What writing endpoints answer."""
        problems = []

        def post(path, kind, body=None, method="POST"):
            reply = self.get(version, path, method, body)
            problems.extend(self.check(version, kind, reply))
            return reply
        post("/containers/create?name=once", "ContainerCreateResponse",
             {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}})
        post("/containers/once/update", "ContainerUpdateResponse", {"CpuShares": 512})
        problems += ["start: %s %r" % r for r in [ask("POST", "/containers/once/start")] if r[0] != 204]
        post("/containers/once/wait", "ContainerWaitResponse")
        post("/containers/web/exec", "IDResponse", {"Cmd": ["true"]})
        if version >= 25:
            post("/containers/prune", "RES POST /containers/prune 200")
            post("/images/prune?filters=%7B%22label%22%3A%5B%22none%22%5D%7D", "RES POST /images/prune 200")
            post("/volumes/prune?filters=%7B%22label%22%3A%5B%22none%22%5D%7D", "RES POST /volumes/prune 200")
        else:
            ask("DELETE", "/containers/once")
        post("/volumes/create", "Volume", {"Name": "data", "Labels": {"a": "b"}})
        ask("POST", "/images/busybox/tag?repo=second&tag=2")
        post("/images/second:2", "[ImageDeleteResponseItem]", method="DELETE")
        return problems

    def events(self):
        problems = []
        for version in (24, 40, 51):
            c = Conn()
            c.request("GET", "/v1.%d/events?since=1&until=%d" % (version, 1 << 31))
            c.head()
            for _ in range(8):
                problems += self.check(version, "EventMessage", json.loads(c.chunk()))
        return problems

    def errors(self):
        return [p for v in VERSIONS
                for p in self.check(v, "ErrorResponse", ask("GET", "/v1.%d/containers/no/json" % v)[1])]

    def lists(self):
        """The names in ABSENT and NULL are fields of the table, and not there or null at times."""
        fields = {"%s.%s" % (d, f) for d in TYPES for f, _, _ in TYPES[d]} | set(TYPES)
        return (["ABSENT has %s, which is no field" % n for n in ABSENT if n not in fields] +
                ["NULL has %s, which is never null" % n for n in NULL if n not in self.null])


def main():
    fixture = Fixture()
    for path, kind in REPLIES:
        tap.test("shape of GET %s, 1.24 to 1.51" % path, fixture.reply, path, kind)
    for path, member, first, last in ONLY:
        tap.test("%s: %s from 1.%d to 1.%d only" % (path, member, first, last),
                 fixture.only, path, member, first, last)
    for version in VERSIONS:
        tap.test("shapes of what is made, 1.%d" % version, fixture.made, version)
    tap.test("shape of events", fixture.events)
    tap.test("shape of errors", fixture.errors)
    tap.test("exceptions are of fields, and needed", fixture.lists)
    tap.done()


if __name__ == "__main__":
    main()

"""mutants - valid requests of every route, and what can be done to them.

The routes are those of core/api/routes.c itself. A request is mutated as a whole (method, path, query,
header, body, framing), always from the random number generator that is passed in.
"""
import copy, io, json, os, re, tarfile
from urllib.parse import quote, unquote_to_bytes

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
ROW = re.compile(r'^\s*\{ "([A-Z]+)", "(/[^"]*)", (\w+), \d+, ([\w| ]+) \},', re.M)


class Route:
    def __init__(self, method, pattern, handler, flags):
        self.method, self.pattern = method, pattern
        self.built, self.swarm = handler != "NULL", "DV_ROUTE_SWARM" in flags


def routes():
    source = open(TOP + "/core/api/routes.c").read()
    table = source[source.index("dv_routes[] = {"):source.index("dv_routes_n")]
    found = [Route(*m.groups()) for m in ROW.finditer(table)]
    lines = table.count("{ \"")
    if len(found) != lines or lines < 100:
        raise SystemExit("core/api/routes.c: read %d of %d rows" % (len(found), lines))
    return found


# ---- valid requests ----

def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def archive():
    """A docker-archive of one small layer."""
    import hashlib
    layer = tar({"hello": b"hello\n"})
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/hello"]}, "rootfs": {
        "type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
    manifest = [{"Config": "c.json", "RepoTags": ["small:latest"], "Layers": ["l.tar"]}]
    return tar({"c.json": config, "l.tar": layer, "manifest.json": json.dumps(manifest).encode()})


# Everything that a create may carry; no source of a bind that could be mutated into another directory.
CREATE = {
    "Image": "busybox", "Cmd": ["sleep", "1000"], "Entrypoint": None, "Hostname": "h", "Domainname": "d",
    "User": "0:0", "Env": ["A=1", "B"], "Labels": {"l": "1"}, "WorkingDir": "/tmp", "StopSignal": "SIGTERM",
    "StopTimeout": 1, "Tty": False, "OpenStdin": True, "StdinOnce": False, "AttachStdin": False,
    "AttachStdout": True, "AttachStderr": True, "Volumes": {"/anon": {}}, "NetworkDisabled": False,
    "HostConfig": {
        "Binds": ["vol:/data"], "NetworkMode": "bridge", "AutoRemove": False, "Privileged": False,
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 1}, "LogConfig": {"Type": "json-file",
        "Config": {"max-size": "1m", "max-file": "2"}}, "CapAdd": ["NET_ADMIN"], "CapDrop": ["CHOWN"],
        "Dns": ["1.1.1.1"], "DnsOptions": ["ndots:1"], "DnsSearch": ["x"], "ExtraHosts": ["a:1.2.3.4"],
        "GroupAdd": ["1"], "IpcMode": "private", "PidMode": "", "UTSMode": "", "CgroupnsMode": "private",
        "OomScoreAdj": 1, "ReadonlyRootfs": False, "SecurityOpt": ["no-new-privileges"], "ShmSize": 65536,
        "Sysctls": {"net.ipv4.ip_forward": "1"}, "Tmpfs": {"/t": "size=64k"}, "Init": True,
        "Memory": 67108864, "MemorySwap": 67108864, "NanoCpus": 500000000, "CpuShares": 2, "PidsLimit": 50,
        "CpusetCpus": "0", "Ulimits": [{"Name": "nofile", "Soft": 64, "Hard": 64}],
        "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/n", "CgroupPermissions": "rwm"}],
        "Mounts": [{"Type": "volume", "Source": "vol", "Target": "/v", "VolumeOptions": {"NoCopy": True}},
                   {"Type": "tmpfs", "Target": "/m", "TmpfsOptions": {"SizeBytes": 65536, "Mode": 493}}],
        "MaskedPaths": ["/proc/kcore"], "ReadonlyPaths": ["/proc/bus"],
    },
    "NetworkingConfig": {"EndpointsConfig": {"bridge": {}}},
}
SMALL = {"Image": "busybox", "Cmd": ["true"]}
EXEC = {"Cmd": ["echo", "x"], "AttachStdout": True, "AttachStderr": True, "AttachStdin": False, "Tty": False,
        "Env": ["E=1"], "User": "0", "WorkingDir": "/", "Privileged": False, "DetachKeys": "ctrl-p,q",
        "ConsoleSize": [24, 80]}
UPDATE = {"Memory": 67108864, "MemorySwap": -1, "CpuShares": 512, "PidsLimit": 100,
          "RestartPolicy": {"Name": "no"}}
FILTERS = '{"label":["a=b"],"name":["x"],"status":["running"],"dangling":["true"],"type":{"container":true}}'

# (method, pattern): [(query, body)]; a route that is not here is asked plainly.
VALID = {
    ("GET", "/events"): [([("since", "1"), ("until", "2"), ("filters", '{"type":["container"]}')], None),
                         ([], None)],
    ("GET", "/containers/json"): [([("all", "1"), ("size", "1"), ("limit", "5"), ("filters", '{"label":["a=b"]}')],
                                   None), ([("filters", FILTERS)], None)],
    ("GET", "/containers/{id}/json"): [([("size", "1")], None)],
    ("GET", "/containers/{id}/logs"): [([("stdout", "1"), ("stderr", "1"), ("tail", "5"), ("timestamps", "1"),
                                         ("since", "1"), ("follow", "0")], None),
                                       ([("stdout", "1"), ("follow", "1")], None)],
    ("GET", "/containers/{id}/top"): [([("ps_args", "-o pid,comm")], None)],
    ("POST", "/containers/create"): [([("name", "made")], CREATE), ([], CREATE), ([], SMALL), ([], CREATE)],
    ("POST", "/containers/{id}/attach"): [([("stream", "1"), ("stdout", "1"), ("stdin", "1"), ("logs", "1"),
                                            ("detachKeys", "ctrl-c")], None)],
    ("POST", "/containers/{id}/kill"): [([("signal", "SIGUSR1")], None)],
    ("POST", "/containers/{id}/rename"): [([("name", "renamed")], None)],
    ("POST", "/containers/{id}/resize"): [([("h", "24"), ("w", "80")], None)],
    ("POST", "/containers/{id}/restart"): [([("t", "0"), ("signal", "KILL")], None)],
    ("POST", "/containers/{id}/start"): [([("detachKeys", "a")], None)],
    ("POST", "/containers/{id}/stop"): [([("t", "0"), ("signal", "KILL")], None)],
    ("POST", "/containers/{id}/update"): [([], UPDATE)],
    ("POST", "/containers/{id}/wait"): [([("condition", "next-exit")], None)],
    ("POST", "/containers/{id}/exec"): [([], EXEC)],
    ("POST", "/containers/prune"): [([("filters", '{"until":["1h"],"label":["x=y"]}')], None)],
    ("DELETE", "/containers/{id}"): [([("force", "1"), ("v", "1")], None)],
    ("POST", "/exec/{id}/start"): [([], {"Detach": True, "Tty": False}), ([], {"Detach": False, "Tty": False})],
    ("POST", "/exec/{id}/resize"): [([("h", "24"), ("w", "80")], None)],
    ("POST", "/images/create"): [([("fromSrc", "-"), ("repo", "made"), ("tag", "1"), ("message", "m"),
                                   ("changes", "CMD true")], "tar"), ([("fromImage", "busybox"), ("tag", "x")], None)],
    ("POST", "/images/load"): [([("quiet", "1")], "archive")],
    ("GET", "/images/json"): [([("all", "1"), ("digests", "1"), ("filters", '{"reference":["busy*"]}')], None)],
    ("GET", "/images/get"): [([("names", "busybox")], None)],
    ("POST", "/images/{name}/tag"): [([("repo", "other"), ("tag", "t")], None)],
    ("DELETE", "/images/{name}"): [([("force", "1"), ("noprune", "1")], None)],
    ("GET", "/networks"): [([("filters", '{"driver":["bridge"]}')], None)],
    ("GET", "/networks/{id}"): [([("verbose", "1"), ("scope", "local")], None)],
    ("POST", "/networks/create"): [([], {"Name": "n", "Driver": "bridge", "IPAM": {"Config": []}})],
    ("POST", "/networks/{id}/connect"): [([], {"Container": "web", "EndpointConfig": {}})],
    ("GET", "/volumes"): [([("filters", '{"dangling":["true"]}')], None)],
    ("POST", "/volumes/create"): [([], {"Name": "made", "Driver": "local", "DriverOpts": {}, "Labels": {"a": "b"}})],
    ("POST", "/volumes/prune"): [([("filters", '{"all":["true"]}')], None)],
    ("DELETE", "/volumes/{name}"): [([("force", "1")], None)],
    ("POST", "/auth"): [([], {"username": "u", "password": "p", "serveraddress": "s"})],
    ("POST", "/build"): [([("t", "x")], "tar")],
    ("PUT", "/containers/{id}/archive"): [([("path", "/tmp")], "tar")],
    ("GET", "/containers/{id}/archive"): [([("path", "/etc")], None)],
    ("HEAD", "/containers/{id}/archive"): [([("path", "/etc")], None)],
}


class Request:
    """One request before it is bytes. FRAMED: the server can tell where it ends."""
    def __init__(self, route, rng, names):
        query, body = rng.choice(VALID.get((route.method, route.pattern), [([], None)]))
        self.route, self.method = route, route.method
        kind = route.pattern.split("/")[1]
        self.path = re.sub(r"\{\w+\}", lambda m: rng.choice(names.get(kind, ["x"])), route.pattern)
        self.version = rng.choice(["", "", "/v1.51", "/v1.41", "/v1.24"])
        self.query, self.body = list(query), copy.deepcopy(body)
        self.headers = [("Host", "d")]
        self.framed, self.complete = True, True
        self.protocol = "HTTP/1.1"
        self.pieces, self.early_close = 1, False
        self.notes = []

    def text_body(self, rng):
        if self.body == "tar":
            return tar({"f": b"x" * rng.randrange(100)})
        if self.body == "archive":
            return archive()
        if isinstance(self.body, bytes) or self.body is None:
            return self.body
        return json.dumps(self.body).encode()

    def bytes(self):
        target = self.version + self.path
        if self.query:
            target += "?" + "&".join(k + "=" + v if v is not None else k for k, v in self.query)
        lines = "%s %s %s\r\n" % (self.method, target, self.protocol)
        lines += "".join("%s: %s\r\n" % h for h in self.headers) + "\r\n"
        return lines.encode("utf-8", "surrogateescape") + (self.body or b"")

    def finish(self, rng):
        """From objects to text: query escaped, body serialised, framing headers."""
        self.query = [(k, v if v is None or k.startswith("raw") else quote(v, errors="surrogateescape"))
                      for k, v in self.query]
        data = self.text_body(rng)
        if data is not None:
            self.headers.append(("Content-Type", "application/x-tar" if self.body in ("tar", "archive")
                                 else "application/json"))
            self.headers.append(("Content-Length", str(len(data))))
        elif self.method == "POST":
            self.headers.append(("Content-Length", "0"))
        self.body = data


# ---- what can be done to a request: each takes (request, rng) ----

NUMBERS = [0, -1, 1, 255, 65536, 2 ** 31 - 1, 2 ** 31, -2 ** 31, 2 ** 32, 2 ** 53 + 1, 2 ** 63 - 1, 2 ** 63,
           -2 ** 63, 2 ** 64 - 1, 2 ** 64, 10 ** 30, 1e308, 1e-308, 0.5, -0.0]
STRINGS = ["", " ", "x" * 300, "x" * 70000, "\u0000", "a\nb", "..", "../../etc", "%s%n%x", "'; DROP TABLE x;--",
           "ünïcödé", "\U0001f600", "\u202e", "-1", "0x10", "1e9", "true", "null", "busybox@sha256:" + "0" * 64,
           "sha256:" + "f" * 64, "a:b:c", ":", "@", "=", ",", "ctrl-", "SIGRTMAX+1", "container:", "container:web",
           "host", "none", "((((a{1,255}){1,255}){1,255}){1,255})", "(a*)*\\1", "[", "\\", "*", "\udcff\udcfe"]


def odd_value(rng, depth=0):
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice(NUMBERS)
    if kind <= 3:
        return rng.choice(STRINGS[:-1])  # the last one is no JSON
    if kind == 4:
        return rng.choice([True, False, None])
    if kind == 5:
        return [odd_value(rng, depth + 1) for _ in range(rng.randrange(4))] if depth < 3 else []
    if kind == 6:
        return {rng.choice(STRINGS[:-1]): odd_value(rng, depth + 1)} if depth < 3 else {}
    return rng.choice([[], {}, [[]], {"": {}}, [None], [""]])


def places(value, found=None):
    """All (container, key) of a JSON value."""
    found = [] if found is None else found
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        found.append((value, key))
        if isinstance(value[key], (dict, list)):
            places(value[key], found)
    return found


def swap_value(r, rng):
    if isinstance(r.body, dict) and r.body:
        for _ in range(rng.choice([1, 1, 1, 2, 5])):
            at, key = rng.choice(places(r.body))
            at[key] = odd_value(rng)
    else:
        r.body = odd_value(rng)


def drop_value(r, rng):
    if isinstance(r.body, dict) and r.body:
        at, key = rng.choice(places(r.body))
        del at[key]


def move_value(r, rng):
    """A value that is right elsewhere."""
    if isinstance(r.body, dict) and r.body:
        (a, i), (b, j) = rng.choice(places(r.body)), rng.choice(places(r.body))
        a[i] = copy.deepcopy(b[j])


def many_values(r, rng):
    if isinstance(r.body, dict) and r.body:
        at, key = rng.choice(places(r.body))
        at[key] = rng.choice([[at[key]] * 2000, {"k%d" % i: "v" for i in range(2000)}, ["x"] * 5000])


def odd_query(r, rng):
    if r.query and rng.random() < 0.8:
        i = rng.randrange(len(r.query))
        key, value = r.query[i]
        if key == "filters" and rng.random() < 0.7:
            value = json.dumps({rng.choice(["label", "name", "id", "status", "type", "until", "dangling", "reference",
                                            "before", "since", "x"]): odd_value(rng)})
        else:
            value = rng.choice([None, str(rng.choice(NUMBERS)), rng.choice(STRINGS)])
        r.query[i] = (key, value)
    else:
        r.query.append((rng.choice(["name", "t", "h", "w", "filters", "all", "", "x" * 500]), rng.choice(STRINGS)))


def raw_query(r, rng):
    r.query.append(("raw" + rng.choice(["%", "%zz", "%00", "&&&", "=", "a=b=c", "#", "?"]),
                    rng.choice(["%", "%u1234", "%ff", "%c3%28", "+", "%2"])))


def many_queries(r, rng):
    r.query += rng.choice([[("filters", "{}")] * 20, [("a%d" % i, "b") for i in range(300)], list(r.query) * 2])


def odd_path(r, rng):
    chars = list(r.path)
    i = rng.randrange(len(chars))
    chars[i] = rng.choice(["", "/", "//", "%2f", "%00", "%", "%zz", "..", "%2e%2e/", "a", "\u00e9", "\udcff", ";", "~",
                           chars[i] * 2, "%%%02x" % (ord(chars[i]) & 255), "x" * 3000, "x" * 20000, "*", "?", "#"])
    r.path = "".join(chars)
    if not r.path.startswith("/") and rng.random() < 0.5:
        r.path = "/" + r.path


def odd_version(r, rng):
    r.version = rng.choice(["/v1.23", "/v1.52", "/v9.9", "/v0", "/v1.", "/v", "/v1.51/v1.51", "/v1.99999999999", "/V1.41",
                            "/v1.41.0", "/v-1.41", "http://d", "http://d/v1.41", "/v" + "1" * 400])


def odd_method(r, rng):
    r.method = rng.choice(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "G",
                           "", "PROPFIND", "X" * 300, "GET\0"])
    if r.method not in ("GET", "POST", "PUT", "DELETE", "HEAD"):
        r.framed = False


OBJECTS = [swap_value] * 4 + [drop_value, move_value, many_values, odd_query, odd_query, raw_query, many_queries,
                              odd_path, odd_version, odd_method]


# ---- after finish(): bytes and framing ----

def cut_body(r, rng):
    """Shorter, with a length that fits it."""
    if r.body:
        set_body(r, r.body[:rng.randrange(len(r.body))])


def set_body(r, data):
    """DATA with a length that fits it, unless it goes in chunks already."""
    r.body = data
    if ("Transfer-Encoding", "chunked") in r.headers:
        r.framed = r.complete = False
        return
    r.headers = [h for h in r.headers if h[0] != "Content-Length"] + [("Content-Length", str(len(data)))]


def flip_bytes(r, rng):
    if r.body:
        data = bytearray(r.body)
        for _ in range(rng.choice([1, 1, 3, 20])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        set_body(r, bytes(data))


def odd_text(r, rng):
    """What looks like JSON, put in where a value may stand."""
    piece = rng.choice([b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\ud800", b"\\u0000", b"\0", b"NaN", b"-",
                        b"1e999", b"9" * 5000, b"[" * 5000, b'{"a":' * 100, b"]" * 50, b"//x\n", b"'", b",,", b"\\",
                        b'"Image":"x","Image":"busybox",', b" " * 100000])
    data = r.body or b"{}"
    at = rng.choice([0, 1, len(data), rng.randrange(len(data) + 1)])
    set_body(r, data[:at] + piece + data[at:])


def double_keys(r, rng):
    if r.body and r.body.startswith(b"{") and r.body.endswith(b"}") and len(r.body) > 2:
        set_body(r, r.body[:-1] + b"," + r.body[1:])


def huge_body(r, rng):
    set_body(r, b'{"Image":"busybox","Cmd":["' + b"x" * rng.choice([70000, 1 << 20, 5 << 20]) + b'"]}')


def odd_header(r, rng):
    r.headers.append(rng.choice([
        ("Content-Type", "text/plain"), ("Content-Type", ""), ("X", "y" * 3000), ("X", "\udcff\udcfe"), ("Upgrade", "tcp"),
        ("Connection", "Upgrade"), ("Connection", "close"), ("Accept-Encoding", "gzip"), ("Range", "bytes=0-1"),
        ("X-Registry-Auth", "!!!"), ("X-Registry-Config", "e30="), ("Host", "evil"), ("Cookie", "a" * 9000),
        ("Authorization", "Basic x"), ("If-None-Match", "*"), ("User-Agent", "")]))


def odd_framing(r, rng):
    r.framed = r.complete = False
    r.headers = r.headers + [rng.choice([
        ("Content-Length", "-1"), ("Content-Length", "5, 5"), ("Content-Length", "99999999999999999999"), ("Content-Length", "0x5"),
        ("Content-Length", "7"), ("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "gzip, chunked"), ("Expect", "100-continue"),
        ("Expect", "x"), ("X", "a\r\n folded"), ("X", "a\0b"), ("", "x"), ("X y", "z"), ("X", "z" * 80000)])]


def many_headers(r, rng):
    r.framed = False
    r.headers += [("X-%d" % i, "y") for i in range(rng.choice([50, 200, 5000]))]


def odd_protocol(r, rng):
    r.framed = False
    r.protocol = rng.choice(["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.2", "HTTP/9.9", "http/1.1", "HTTP/1.1 x", "", "ICY"])


def chunked(r, rng):
    """The same body in chunks, which may be damaged."""
    if r.body:
        cuts, out = sorted(rng.randrange(len(r.body) + 1) for _ in range(3)), b""
        for a, b in zip([0] + cuts, cuts + [len(r.body)]):
            if b > a:
                out += b"%x\r\n%s\r\n" % (b - a, r.body[a:b])
        r.headers = [h for h in r.headers if h[0] != "Content-Length"] + [("Transfer-Encoding", "chunked")]
        r.body = out + b"0\r\n\r\n"
        if rng.random() < 0.4:
            r.framed = r.complete = False
            r.body = rng.choice([r.body[:-2], b"zz\r\n" + r.body, b"ffffffffffffffff\r\n" + r.body, b"-1\r\n" + r.body,
                                 r.body.replace(b"\r\n", b"\n", 1), r.body[:len(r.body) // 2]])


def stop_early(r, rng):
    r.framed = r.complete = False
    r.early_close = True


def split(r, rng):
    r.pieces = rng.choice([2, 3, 10, 40])


BYTES = [cut_body, flip_bytes, flip_bytes, odd_text, odd_text, double_keys, huge_body, odd_header, odd_framing, many_headers,
         odd_protocol, chunked, chunked, stop_early, split, split]


def mutant(route, rng, names):
    r = Request(route, rng, names)
    has_json = isinstance(r.body, dict)
    for how in rng.sample(OBJECTS, rng.choice([0, 1, 1, 2])):
        if how in (swap_value, drop_value, move_value, many_values) and not has_json:
            how = rng.choice([odd_query, odd_path])
        how(r, rng)
        r.notes.append(how.__name__)
    r.finish(rng)
    for how in rng.sample(BYTES, rng.choice([0, 1, 1, 2]) if r.notes else rng.choice([1, 2])):
        if how in (huge_body, flip_bytes) and r.body is None:
            how = odd_header
        if how is huge_body and not has_json:
            how = flip_bytes
        how(r, rng)
        r.notes.append(how.__name__)
    # The one request that ends what is tested.
    if b"shutdown" in unquote_to_bytes(r.path.encode("utf-8", "surrogateescape")):
        r.method = "GET"
    return r

"""rawapi - the Engine API with the bytes in one's own hand, for what curl cannot do."""
import json, os, re, socket, struct

class Conn:
    def __init__(self, timeout=20):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(timeout)
        self.s.connect(os.environ["T_RUN"] + "/davit.sock")
        self.buf = b""
    def send(self, data):
        self.s.sendall(data if isinstance(data, bytes) else data.encode())
    def request(self, method, path, body=None, headers=""):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if body is not None:
            headers += "Content-Type: application/json\r\nContent-Length: %d\r\n" % len(data)
        self.send(("%s %s HTTP/1.1\r\nHost: d\r\n%s\r\n" % (method, path, headers)).encode() + data)
    def more(self):
        data = self.s.recv(65536)
        self.buf += data
        return bool(data)
    def until(self, mark):
        while mark not in self.buf:
            if not self.more():
                raise EOFError("closed before %r; got %r" % (mark, self.buf[-300:]))
        head, self.buf = self.buf.split(mark, 1)
        return head
    def take(self, n):
        while len(self.buf) < n:
            if not self.more():
                raise EOFError("closed %d bytes early" % (n - len(self.buf)))
        data, self.buf = self.buf[:n], self.buf[n:]
        return data
    def rest(self):
        while self.more():
            pass
        data, self.buf = self.buf, b""
        return data
    def head(self):
        lines = self.until(b"\r\n\r\n").decode().split("\r\n")
        self.headers = {k.lower(): v.strip() for k, v in (l.split(":", 1) for l in lines[1:])}
        self.status = int(lines[0].split()[1])
        self.reason = lines[0].split(" ", 2)[2]
        return self.status
    def chunk(self):
        size = int(self.until(b"\r\n"), 16)
        data = self.take(size)
        self.take(2)
        return data
    def body(self):
        if self.headers.get("transfer-encoding") == "chunked":
            out = b""
            while True:
                data = self.chunk()
                if not data:
                    return out
                out += data
        if "content-length" in self.headers:
            return self.take(int(self.headers["content-length"]))
        return b""
    def reply(self):
        self.head()
        return self.body()
    def frame(self):
        kind, n = struct.unpack(">BxxxI", self.take(8))
        return kind, self.take(n)
    def frames(self):
        """All frames up to the end: {stream: bytes}."""
        out, data = {}, self.rest()
        while data:
            kind, n = struct.unpack(">BxxxI", data[:8])
            out[kind] = out.get(kind, b"") + data[8:8 + n]
            data = data[8 + n:]
        return out
    def end(self):
        self.s.shutdown(socket.SHUT_WR)

def ask(method, path, body=None, headers=""):
    """(status, parsed body or text)."""
    c = Conn()
    c.request(method, path, body, headers)
    data = c.reply()
    if c.headers.get("content-type", "").startswith("application/json") and data.strip():
        return c.status, json.loads(data)
    return c.status, data.decode()

def create(**config):
    config.setdefault("Image", "busybox")
    config.setdefault("HostConfig", {})
    name = config.pop("name", None)
    status, reply = ask("POST", "/containers/create" + ("?name=" + name if name else ""), config)
    assert status == 201, (status, reply)
    return reply["Id"]

def expect(want, got):
    assert want == got, "expected %r, got %r" % (want, got)

def expect_match(regex, got):
    assert re.search(regex, got), "expected /%s/, got %r" % (regex, got)

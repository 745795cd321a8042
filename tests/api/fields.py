#!/usr/bin/env python3
"""fields - every field of a container's creation, by tests/data/container-config.tsv. TAP.

A row has a request's BODY in which the field has a value that is not its default, and what the ANSWER is:
  honoured  created; inspect shows SHOWN there, and EFFECT, a command in the container, prints it
  refused   400 or 501, which names the field or what it is a part of
  warned    created, with a warning that names it
  host      one of the first two and the last, as the host can
  output    created and as if it had not been there: davit's to fill in, sent back by clients
SHOWN: "=" what BODY has; "@contains" that among others; "@subset" its members among others; "-" nothing.
EFFECT: "COMMAND => REGEX", on the output's words; COMMAND "@": what the container runs by itself.
A value of a wrong type is 400 and names the field, for every row.
"""
import copy, csv, json, os, re, sys

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, TOP + "/tests/lib")
import tap                                                                     # noqa: E402
from rawapi import Conn, ask                                                   # noqa: E402

ROWS = list(csv.DictReader(open(TOP + "/tests/data/container-config.tsv"), delimiter="\t",
                           quoting=csv.QUOTE_NONE))
FREE_IP = os.environ["T_SUBNET"].split("/")[0].rsplit(".", 1)[0] + ".77"


def steps(field):
    """"A.B[].<key>.C" as ["A", "B", 0, None, "C"]; None is any key."""
    out = []
    for word in field.replace("[]", ".[]").split("."):
        out.append(0 if word == "[]" else None if word == "<key>" else word)
    return out


def walk(doc, path):
    for step in path:
        if step is None:
            step = next(iter(doc))
        doc = doc[step]
    return doc


def put(doc, path, value):
    last = path[-1] if path[-1] is not None else next(iter(walk(doc, path[:-1])))
    walk(doc, path[:-1])[last] = value


def names(field):
    """What a refusal may call the field: itself, or what it is a part of."""
    return [w for w in field.replace("[]", "").split(".")
            if w not in ("HostConfig", "NetworkingConfig", "EndpointsConfig", "<key>")] or [field]


def wrong(kind):
    """A value that no reader of KIND takes; Cmd and Entrypoint take one string for a list."""
    return "text" if kind.startswith(("integer", "boolean", "go:int")) else 7


def create(body, **more):
    request = {"Image": "busybox", **body, **more}
    status, reply = ask("POST", "/v1.51/containers/create", request)
    return status, reply, request


def remove(cid):
    ask("DELETE", "/v1.51/containers/%s?force=1&v=1" % cid)


def inspected(cid, field):
    """The field's value in inspect; KeyError or TypeError where there is none."""
    _, doc = ask("GET", "/v1.51/containers/%s/json" % cid)
    path = steps(field)
    if path[0] == "HostConfig":
        return walk(doc, path)
    if path[0] == "NetworkingConfig":
        return walk(doc["NetworkSettings"]["Networks"], path[2:])
    return walk(doc["Config"], path)


def is_shown(shown, wanted, got):
    if shown == "@contains":
        return all(w in (got or []) for w in wanted)
    if shown == "@subset" and isinstance(wanted, list):
        return {w.replace("CAP_", "") for w in wanted} <= {g.replace("CAP_", "") for g in got}
    if shown == "@subset":
        return all(k in got and is_shown(shown, v, got[k]) if isinstance(v, dict) else got.get(k) == v
                   for k, v in wanted.items())
    return got == wanted


def output_of(cid):
    """Run it to its end; its output's words."""
    status, reply = ask("POST", "/v1.51/containers/%s/start" % cid, b"")
    if status != 204:
        return "start: %s %s" % (status, reply)
    ask("POST", "/v1.51/containers/%s/wait" % cid, b"")
    c = Conn()
    c.request("GET", "/v1.51/containers/%s/logs?stdout=1&stderr=1" % cid)
    c.head()
    data = c.body()
    if c.headers["content-type"].endswith("multiplexed-stream"):
        text, data = b"", data
        while data:
            n = int.from_bytes(data[4:8], "big")
            text, data = text + data[8:8 + n], data[8 + n:]
        data = text
    return " ".join(data.decode(errors="replace").split())


def check_effect(row):
    command, regex = row["effect"].split(" => ")
    body = json.loads(row["body"])
    if command != "@":
        body["Cmd"] = ["sh", "-c", command]
    status, reply, _ = create(body)
    if status != 201:
        return ["%s: %s" % (status, reply)]
    got = output_of(reply["Id"])
    remove(reply["Id"])
    return [] if re.search(regex, got) else ["'%s' prints '%s', not /%s/" % (command, got, regex)]


def check_honoured(row, status, reply, request):
    if status != 201:
        return ["%s: %s" % (status, reply)]
    wanted = walk(request, steps(row["field"]))
    try:
        got = inspected(reply["Id"], row["field"]) if row["shown"] != "-" else None
    except (KeyError, TypeError, IndexError):
        got = "nothing"
    remove(reply["Id"])
    if row["shown"] != "-" and not is_shown(row["shown"], wanted, got):
        return ["inspect shows %s, not %s" % (json.dumps(got), json.dumps(wanted))]
    return check_effect(row) if row["effect"] != "-" else []


def check_refused(row, status, reply, request):
    if status == 201:
        remove(reply["Id"])
    if status not in (400, 501):
        return ["%s: %s" % (status, reply)]
    message = reply["message"]
    return [] if any(n in message for n in names(row["field"])) else ["does not name it: " + message]


def check_warned(row, status, reply, request):
    if status != 201:
        return ["%s: %s" % (status, reply)]
    remove(reply["Id"])
    name = names(row["field"])[-1]
    return [] if any(name in w for w in reply["Warnings"]) else ["no warning names it: %s" % reply["Warnings"]]


# How Docker's warnings name what the host has not got.
HOST_WORDS = {"BlkioWeight": "Block I/O weight", "BlkioWeightDevice": "weight_device",
              "CpuRealtimePeriod": "real-time", "CpuRealtimeRuntime": "real-time", "MemorySwap": "swap limit",
              "MemorySwappiness": "swappiness", "OomKillDisable": "OomKillDisable"}


def check_host(row, status, reply, request):
    if status != 201:
        return ["%s: %s" % (status, reply)]
    words = HOST_WORDS[names(row["field"])[0]]
    if any(words in w for w in reply["Warnings"]):
        remove(reply["Id"])
        return []
    return check_honoured(row, status, reply, request)


def check_output(row, status, reply, request):
    if status != 201:
        return ["%s: %s" % (status, reply)]
    wanted = walk(request, steps(row["field"]))
    try:
        got = inspected(reply["Id"], row["field"])
    except (KeyError, TypeError):
        got = None
    remove(reply["Id"])
    return ["inspect shows what the client sent: %s" % wanted] if got == wanted else []


CHECKS = {"honoured": check_honoured, "refused": check_refused, "warned": check_warned,
          "host": check_host, "output": check_output}


def check_field(row):
    return CHECKS[row["answer"]](row, *create(json.loads(row["body"])))


def check_wrong_type(row):
    body = copy.deepcopy(json.loads(row["body"]))
    put(body, steps(row["field"]), wrong(row["type"]))
    status, reply, _ = create({}, **body)
    if status == 201:
        remove(reply["Id"])
    if status != 400:
        return ["%s: %s" % (status, reply)]
    # A key of a map is named itself.
    last = steps(row["field"])[-1] or next(iter(walk(json.loads(row["body"]), steps(row["field"])[:-1])))
    return [] if last in reply["message"] else ["does not name it: " + reply["message"]]


def main():
    for row in ROWS:
        row["body"] = row["body"].replace("@IP", FREE_IP)
        row["effect"] = row["effect"].replace("@IP", FREE_IP)
    donor = ask("POST", "/v1.51/containers/create?name=donor",
                {"Image": "busybox", "Volumes": {"/donated": {}}})[1]
    for row in ROWS:
        tap.test("create's %s is %s" % (row["field"], row["answer"]), check_field, row)
    for row in ROWS:
        tap.test("create's %s of a wrong type is refused" % row["field"], check_wrong_type, row)
    remove(donor["Id"])
    ask("DELETE", "/v1.51/volumes/fields?force=1")
    tap.done()


if __name__ == "__main__":
    main()

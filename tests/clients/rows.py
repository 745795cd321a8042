#!/usr/bin/env python3
"""rows CLIENT RECORD - that a client called each endpoint which its row of tests/data/client-endpoints.tsv
names and which davit serves, and got a code that the endpoint's row allows. TAP."""
import csv, os, re, sys

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, TOP + "/tests/lib")
import tap                                                                     # noqa: E402

# Rows that a client's day does not come by, and why.
NOT_CALLED = {
    ("compose", "GET /networks/{id}"): "asks only for networks that it makes or that are external: later",
}
# What davit answers a call that has not been built, though the endpoint is served otherwise.
NOT_BUILT = {"POST /images/create": 501}


def read(name):
    with open("%s/tests/data/%s.tsv" % (TOP, name), encoding="ascii") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


def pattern(path):
    """Fixed words before names, as the routes have them: {id} takes no slash, an image's name does."""
    parts = re.split(r"(\{\w+\})", path)
    name = "[^/]+" if parts[0] != "/images/" else ".+"
    return re.compile("^(/v1\\.\\d+)?" + "".join(name if p.startswith("{") else re.escape(p) for p in parts) + "$")


def main(client, record):
    rows = {"%s %s" % (r["method"], r["path"]): r for r in read("engine-api")}
    patterns = [(key, r["method"], pattern(r["path"]), "{" in r["path"]) for key, r in rows.items()]
    patterns.sort(key=lambda p: p[3])
    statuses = {}
    with open(record, encoding="utf-8") as f:
        for line in f:
            method, url, status = line.split()
            path = url.split("?")[0]
            for key, m, regex, _ in patterns:
                if m == method and regex.match(path):
                    statuses.setdefault(key, set()).add(int(status))
                    break
            else:
                tap.result("%s: %s" % (client, line.strip()), ["no row of the API"])
    for row in read("client-endpoints"):
        key = "%s %s" % (row["method"], row["path"])
        if client not in row["clients"].split(",") or rows[key]["answer"] != "served":
            continue
        got = statuses.get(key, set())
        good = {int(c) for c in rows[key]["success"].split(",")}
        if (client, key) in NOT_CALLED:
            tap.result("%s: %s" % (client, key), ["is called: take it off the list"] if got else [],
                       skip=None if got else NOT_CALLED[client, key])
        elif got & good or NOT_BUILT.get(key) in got:
            tap.result("%s: %s" % (client, key))
        else:
            tap.result("%s: %s" % (client, key), ["answered %s" % sorted(got) if got else "was not called"])
    tap.done()


if __name__ == "__main__":
    main(*sys.argv[1:])

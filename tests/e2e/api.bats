# core: the Engine API as clients meet it: codes, texts, headers, streams
load lib

bats_require_minimum_version 1.5.0

setup_file() {
    engine_names
    start_davitd
    busybox_image
    export PYTHONPATH=$PWD/tests/lib PYTHONDONTWRITEBYTECODE=1
}
teardown_file() { stop_engine; }
teardown() { remove_containers; }

# api METHOD PATH [BODY [CURL ARGUMENT...]]: prints the body; $code has the status, $T/head the headers.
api() {
    local method=$1 path=$2 body=${3-}
    shift 2
    [ $# = 0 ] || shift
    [ "$method" = HEAD ] && set -- --head "$@" || set -- -X "$method" "$@"
    [ -z "$body" ] || set -- -H 'Content-Type: application/json' --data-binary "$body" "$@"
    code=$(curl -s --max-time 20 --unix-socket "$T_RUN/davit.sock" -o "$T/body" -D "$T/head" -w '%{http_code}' "$@" "http://d$path")
}
# answers_with CODE REGEX METHOD PATH [BODY...]: a JSON error of that code whose message matches.
answers_with() {
    local want=$1 regex=$2
    shift 2
    api "$@"
    expect "$want" "$code" || { cat "$T/body"; return 1; }
    expect_match "$regex" "$(jq -r .message "$T/body")"
}
header() { sed -n "s/^$1: \(.*\)\r$/\1/Ip" "$T/head"; }
py() { python3 -c "from rawapi import *
$1"; }

# ---- routes, versions, headers ----

@test "ping: GET and HEAD, with the headers that clients look for" {
    api GET /_ping
    expect "200 OK" "$code $(cat "$T/body")"
    for head in HEAD GET; do
        api $head /_ping
        expect 200 "$code"
        expect 1.51 "$(header Api-Version)"
        expect linux "$(header Ostype)"
        expect false "$(header Docker-Experimental)"
        expect_match '^Docker/.* \(linux\)$' "$(header Server)"
        expect inactive "$(header Swarm)"
        expect 1 "$(header Builder-Version)"
        expect_match no-cache "$(header Cache-Control)"
        expect no-cache "$(header Pragma)"
    done
}

@test "the headers are on every reply, errors and streams too" {
    for path in /version /info /containers/json /nothing /v1.99/info /containers/none/json /containers/x/export "/events?until=1"; do
        api GET "$path"
        expect "1.51 linux false" "$(header Api-Version) $(header Ostype) $(header Docker-Experimental)"
        expect_match Docker/ "$(header Server)"
    done
}

@test "unknown paths and methods are 404 page not found" {
    for what in "GET /" "GET /nothing" "GET /v1.41/nothing" "GET /containers" "PATCH /info" "DELETE /version" \
        "GET /containers/create" "GET //info" "GET /_ping/"; do
        answers_with 404 '^page not found$' $what
    done
}

@test "paths with and without a version; versions that are not served" {
    for v in "" /v1.24 /v1.41 /v1.51; do
        api GET $v/version
        expect 200 "$code"
        expect "1.51 1.24" "$(jq -r '"\(.ApiVersion) \(.MinAPIVersion)"' "$T/body")"
    done
    answers_with 400 '^client version 1.52 is too new. Maximum supported API version is 1.51$' GET /v1.52/version
    answers_with 400 '^client version 2.0 is too new' GET /v2.0/info
    answers_with 400 '^client version 1.23 is too old. Minimum supported API version is 1.24' GET /v1.23/version
    answers_with 400 'too old' GET /v1.9/version
}

@test "what is not built yet answers 501 and names itself, swarm's 503" {
    sed -n 's/^    { "\([A-Z]*\)", "\([^"]*\)", NULL, [0-9]*, \([A-Z_0-9]*\) },$/\1 \2 \3/p' core/api/routes.c >"$T/routes"
    [ "$(wc -l <"$T/routes")" -gt 50 ]
    while read -r method pattern flags; do
        path=$(sed 's/{[a-z]*}/x/g' <<<"$pattern")
        api "$method" "$path"
        if [ "$flags" = DV_ROUTE_SWARM ]; then
            expect "503 $method $path" "$code $method $path"
            expect_match 'not a swarm manager' "$(jq -r .message "$T/body")"
        else
            expect "501 $method $path" "$code $method $path"
            [ "$method" = HEAD ] || expect "$method $pattern is not supported yet by davit" "$(jq -r .message "$T/body")"
        fi
    done <"$T/routes"
}

@test "objects that are not there are 404 by Docker's words" {
    for what in "GET json" "GET logs?stdout=1" "POST start" "POST stop" "POST restart" "POST wait" \
        "POST attach?stdout=1" "POST pause" "POST unpause" "POST rename?name=x" "POST resize?h=1&w=1"; do
        answers_with 404 '^No such container: none$' ${what% *} "/containers/none/${what#* }"
    done
    answers_with 404 '^cannot kill container: none: No such container: none$' POST /containers/none/kill
    answers_with 404 '^No such container: none$' DELETE /containers/none
    answers_with 404 '^No such container: none$' POST /containers/none/exec '{"Cmd":["true"]}'
    answers_with 404 '^No such exec instance: none$' GET /exec/none/json
    answers_with 404 '^No such exec instance: none$' POST /exec/none/start '{}'
    answers_with 404 '^No such image: none:latest$' GET /images/none/json
    answers_with 404 '^No such image: none:latest$' DELETE /images/none
    answers_with 404 '^No such image: none:latest$' GET /images/none/history
    answers_with 404 '^No such image: none:latest$' POST '/images/none/tag?repo=x'
    answers_with 404 '^No such image: none:latest$' POST /containers/create '{"Image":"none"}'
    answers_with 404 '^network none-such not found$' GET /networks/none-such
}

# ---- requests ----

@test "bodies: bad JSON, none, wrong types, wrong content type" {
    answers_with 400 'JSON' POST /containers/create '{"Image":'
    answers_with 400 'JSON' POST /containers/create '{} {}'
    answers_with 400 'EOF' POST /containers/create
    answers_with 400 'config cannot be empty' POST /containers/create '[]'
    answers_with 400 '^Cmd: expected' POST /containers/create '{"Image":"busybox","Cmd":{"a":1}}'
    answers_with 400 'HostConfig.Memory: expected' POST /containers/create '{"Image":"busybox","HostConfig":{"Memory":"much"}}'
    code=$(curl -s --unix-socket "$T_RUN/davit.sock" -o "$T/body" -w '%{http_code}' -H 'Content-Type: text/plain' \
        -d '{"Image":"busybox"}' http://d/containers/create)
    expect 400 "$code"
    expect_match "unsupported Content-Type header \(text/plain\): must be 'application/json'" "$(cat "$T/body")"
    deep=$(printf '[%.0s' $(seq 1 100000))
    echo "$deep" >"$T/deep"
    answers_with 400 . POST /containers/create "@$T/deep"
    head -c 5000000 /dev/zero | tr '\0' ' ' >"$T/large"
    api POST /containers/create "@$T/large"
    expect_match '^4(00|13)$' "$code"
}

@test "keys: unknown ones are ignored, defaults accepted, what davit does not do refused by name" {
    api POST /containers/create '{"Image":"busybox","NoSuchKey":{"a":[1]},"HostConfig":{"Nothing":1,"Links":null,"Devices":[],"PidMode":""}}'
    expect 201 "$code"
    expect "[]" "$(jq -c .Warnings "$T/body")"
    answers_with 501 Links POST /containers/create '{"Image":"busybox","HostConfig":{"Links":["x:y"]}}'
    answers_with 400 '[Nn]o command specified' POST /containers/create '{"Image":"busybox","Cmd":[],"Entrypoint":[""]}'
}

@test "names: in use is 409, a bad one 400; lookup by name, id, prefix" {
    api POST '/containers/create?name=taken' '{"Image":"busybox"}'
    expect 201 "$code"
    id=$(jq -r .Id "$T/body")
    answers_with 409 "^Conflict\. The container name \"/taken\" is already in use by container \"?$id\"?\. You have to remove \(or rename\) that container to be able to reuse that name\.$" \
        POST '/containers/create?name=taken' '{"Image":"busybox"}'
    answers_with 400 'Invalid container name \(a/b\), only \[a-zA-Z0-9\]\[a-zA-Z0-9_.-\] are allowed' POST '/containers/create?name=a/b' '{"Image":"busybox"}'
    for x in taken "$id" "${id:0:12}" "${id:0:4}" %74aken; do
        api GET "/containers/$x/json"
        expect "200 $id" "$code $(jq -r .Id "$T/body")"
    done
    api POST '/containers/taken/rename?name=other'
    expect 204 "$code"
    api GET /containers/other/json
    expect "/other" "$(jq -r .Name "$T/body")"
    answers_with 400 'already|same|empty' POST '/containers/other/rename?name='
}

@test "start and stop: 204, then 304 without a body; states that refuse are 409" {
    api POST '/containers/create?name=cc' '{"Image":"busybox","Cmd":["sleep","1000"]}'
    answers_with 409 'is not running' POST /containers/cc/kill
    answers_with 409 'is not running' POST /containers/cc/exec '{"Cmd":["true"]}'
    api POST /containers/cc/stop
    expect 304 "$code"
    for want in 204 304; do
        api POST /containers/cc/start
        expect "$want 0" "$code $(stat -c %s "$T/body")"
    done
    answers_with 409 'cannot remove container "/?cc".*stop the container before removing or force remove' DELETE /containers/cc
    answers_with 409 'in use|using its referenced|being used' DELETE "/images/busybox"
    answers_with 400 'signal' POST '/containers/cc/kill?signal=NOPE'
    api POST /containers/cc/pause
    expect 204 "$code"
    answers_with 409 'paused' POST /containers/cc/pause
    answers_with 409 'paused' POST /containers/cc/exec '{"Cmd":["true"]}'
    api POST /containers/cc/unpause
    expect 204 "$code"
    answers_with 409 'not paused' POST /containers/cc/unpause
    for want in 204 304; do
        api POST '/containers/cc/stop?t=0'
        expect "$want 0" "$code $(stat -c %s "$T/body")"
    done
    api POST '/containers/cc/restart?t=0'
    expect 204 "$code"
    api DELETE '/containers/cc?force=1'
    expect 204 "$code"
    answers_with 404 'No such container: cc' DELETE /containers/cc
}

@test "booleans as Docker reads them, filters of both kinds, bad ones" {
    api POST '/containers/create?name=cc' '{"Image":"busybox","Labels":{"a":"1","b":"2"}}'
    for all in 1 true yes True t; do api GET "/containers/json?all=$all"; expect 1 "$(jq length "$T/body")"; done
    for all in 0 false no none "" FALSE; do api GET "/containers/json?all=$all"; expect 0 "$(jq length "$T/body")"; done
    count() { api GET "/containers/json?all=1" "" -G --data-urlencode "filters=$1"; jq length "$T/body"; }
    expect 1 "$(count '{"label":{"a=1":true,"b":true}}')"
    expect 1 "$(count '{"label":["a=1","b=2"]}')"
    expect 0 "$(count '{"label":["a=1","b=3"]}')"
    expect 1 "$(count '{"name":["x","cc"]}')"
    expect 0 "$(count '{"status":["running"]}')"
    expect 1 "$(count '{"status":["running","created"]}')"
    for bad in '{"nonsense":["x"]}' '{"label":' '[]' '{"label":5}' '{"status":["sleeping"]}'; do
        api GET "/containers/json" "" -G --data-urlencode "filters=$bad"
        expect "400 $bad" "$code $bad"
    done
    api GET /containers/json
    expect "[]" "$(tr -d '\n' <"$T/body")"
    api GET '/images/json?filters=%7B%22reference%22%3A%5B%22none%22%5D%7D'
    expect "[]" "$(tr -d '\n' <"$T/body")"
}

@test "lists, inspect, networks, info, plugins have Docker's shape" {
    id=$("$davit" run -d --name cc -e A=b --label l=1 busybox sleep 1000)
    api GET '/containers/json?size=0'
    expect "$id /cc busybox running" "$(jq -r '.[0] | "\(.Id) \(.Names[0]) \(.Image) \(.State)"' "$T/body")"
    expect number "$(jq -r '.[0].Created | type' "$T/body")"
    expect_match '^Up ' "$(jq -r '.[0].Status' "$T/body")"
    api GET /containers/cc/json
    expect "true running 0 0001-01-01T00:00:00Z" "$(jq -r '.State | "\(.Running) \(.Status) \(.ExitCode) \(.FinishedAt)"' "$T/body")"
    expect_match '^20..-..-..T..:..:..(\.[0-9]*[1-9])?Z$' "$(jq -r .Created "$T/body")"
    expect "sleep 1000" "$(jq -r '"\(.Path) \(.Args[0])"' "$T/body")"
    expect "1 true" "$(jq -r '"\(.Config.Labels.l) \(.Config.Env | any(. == "A=b"))"' "$T/body")"
    expect default "$(jq -r .HostConfig.NetworkMode "$T/body" | sed s/bridge/default/)"
    ip=$(jq -r .NetworkSettings.Networks.bridge.IPAddress "$T/body")
    api GET /networks/bridge
    expect "$ip" "$(jq -r --arg id "$id" '.Containers[$id].IPv4Address' "$T/body" | cut -d/ -f1)"
    expect "$T_SUBNET" "$(jq -r '.IPAM.Config[0].Subnet' "$T/body")"
    api GET /networks
    expect "bridge host none" "$(jq -r '[.[].Name] | sort | join(" ")' "$T/body")"
    api GET /info
    expect "1 1 inactive" "$(jq -r '"\(.Containers) \(.ContainersRunning) \(.Swarm.LocalNodeState)"' "$T/body")"
    api GET /davit/plugins
    expect true "$(jq 'any(.[]; .Name == "overlay" and .State == "active")' "$T/body")"
}

# ---- the wire ----

@test "keep-alive, pipelined requests in their order, half requests, HTTP/1.0" {
    py '
c = Conn()
for i in range(50):
    c.request("GET", "/_ping"); expect(b"OK", c.reply())
c = Conn()
c.send("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\nGET /nothing HTTP/1.1\r\nHost: d\r\n\r\nGET /version HTTP/1.1\r\nHost: d\r\n\r\n")
expect(b"OK", c.reply())
c.reply(); expect(404, c.status)
expect("1.51", json.loads(c.reply())["ApiVersion"])
# A body, and the next request behind it in the same packet.
body = b"{\"Image\":\"busybox\"}"
c.send(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%sGET /_ping HTTP/1.1\r\nHost: d\r\n\r\n" % (len(body), body))
c.reply(); expect(201, c.status)
expect(b"OK", c.reply())
# Byte by byte.
for b in b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n":
    c.send(bytes([b]))
expect(b"OK", c.reply())
c = Conn(); c.send("GET /_ping HTTP/1.0\r\n\r\n"); c.head(); expect(200, c.status); expect(b"OK", c.rest())
c = Conn(); c.send("GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"); c.head(); expect(b"OK", c.rest())
'
}

@test "chunked request bodies, Expect: 100-continue" {
    py '
text = json.dumps({"Image": "busybox", "Cmd": ["true"]}).encode()
c = Conn()
c.send("POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
for i in range(0, len(text), 7):
    part = text[i:i + 7]
    c.send(b"%x;ext=1\r\n%s\r\n" % (len(part), part))
c.send("0\r\nTrailer: x\r\n\r\n")
c.reply(); expect(201, c.status)
c.request("GET", "/_ping"); expect(b"OK", c.reply())
c.send("POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(text))
expect(100, c.head())
c.send(text)
c.reply(); expect(201, c.status)
# A load whose end does not come is none.
c = Conn()
c.send("POST /images/load HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
c.end()
c.rest()
'
    expect 1 "$("$davit" images -q | wc -l)"
}

@test "broken requests are refused, and the daemon goes on" {
    py '
def bad(text, *status):
    c = Conn(); c.send(text); c.end()
    c.head(); assert c.status in status, (text[:60], c.status); c.rest()
bad("\x00\x01\x02 nonsense\r\n\r\n", 400)
bad("GET /_ping HTTP/9.9\r\n\r\n", 400)
bad("GET /_ping HTTP/1.1\r\nbad header\r\n\r\n", 400)
bad("POST /containers/create HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)
bad("POST /containers/create HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400)
bad("POST /containers/create HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400)
bad("GET /" + "x" * 20000 + " HTTP/1.1\r\nHost: d\r\n\r\n", 414)
bad("GET /_ping HTTP/1.1\r\nHost: d\r\nX: " + "y" * 70000 + "\r\n\r\n", 431)
bad("GET /containers/%zz/json HTTP/1.1\r\nHost: d\r\n\r\n", 400)
bad("GET /containers/a%00b/json HTTP/1.1\r\nHost: d\r\n\r\n", 400, 404)
c = Conn(); c.send("GET /_pi"); c.s.close()
c = Conn(); c.s.close()
expect((200, "OK"), ask("GET", "/_ping"))
'
}

@test "a header that does not arrive is given up, idle connections are not" {
    py '
import time
idle, slow = Conn(), Conn(timeout=30)
idle.request("GET", "/_ping"); expect(b"OK", idle.reply())
slow.send("GET /_ping HTTP/1.1\r\nHost: d\r\n")
begin = time.monotonic()
slow.s.settimeout(1)
while True:                       # one byte now and then does not buy more time
    assert time.monotonic() - begin < 25, "the connection was not given up"
    try:
        slow.send("X"); data = slow.s.recv(100); break
    except (socket.timeout, TimeoutError):
        continue
    except (BrokenPipeError, ConnectionResetError):
        data = b"HTTP/1.1 408"; break
assert data.startswith(b"HTTP/1.1 408"), data
idle.request("GET", "/_ping"); expect(b"OK", idle.reply())
'
}

@test "many connections that only wait do not keep others out" {
    py '
many = [Conn() for i in range(300)]
for c in many[:200]: c.request("GET", "/events")
for c in many[:200]: expect(200, c.head())
for c in many[200:]: c.send("GET /_p")
expect((200, "OK"), ask("GET", "/_ping"))
'
}

# ---- streams ----

@test "wait: the header at once, the answer later; of what is over at once" {
    py '
id = create(Cmd=["sh", "-c", "exit 7"])
c = Conn()
c.request("POST", "/containers/%s/wait?condition=next-exit" % id)
expect(200, c.head())
expect("chunked", c.headers["transfer-encoding"])
expect((204, ""), ask("POST", "/containers/%s/start" % id))
expect({"StatusCode": 7}, json.loads(c.body()))
expect((200, {"StatusCode": 7}), ask("POST", "/containers/%s/wait" % id))
expect(400, ask("POST", "/containers/%s/wait?condition=nonsense" % id)[0])
id = create(Cmd=["true"], HostConfig={"AutoRemove": True})
c = Conn()
c.request("POST", "/containers/%s/wait?condition=removed" % id)
c.head()
ask("POST", "/containers/%s/start" % id)
expect({"StatusCode": 0}, json.loads(c.body()))
expect(404, ask("GET", "/containers/%s/json" % id)[0])
'
}

@test "attach: raw 200 and 101, before the start, half-close, frames" {
    py '
for upgrade in False, True:
    id = create(Cmd=["sh", "-c", "cat; echo err >&2; exit 3"], OpenStdin=True, StdinOnce=True,
                AttachStdin=True, AttachStdout=True, AttachStderr=True)
    c = Conn()
    head = "Connection: Upgrade\r\nUpgrade: tcp\r\n" if upgrade else ""
    # Stdin comes in the same packet as the request.
    c.send("POST /containers/%s/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: d\r\n%s\r\nearly " % (id, head))
    expect(101 if upgrade else 200, c.head())
    expect("application/vnd.docker.multiplexed-stream" if upgrade else "application/vnd.docker.raw-stream", c.headers["content-type"])
    if upgrade:
        expect(("UPGRADED", "Upgrade", "tcp"), (c.reason, c.headers["connection"], c.headers["upgrade"]))
    assert "content-length" not in c.headers and "transfer-encoding" not in c.headers
    expect((204, ""), ask("POST", "/containers/%s/start" % id))
    c.send("and late\n")
    c.end()
    expect({1: b"early and late\n", 2: b"err\n"}, c.frames())
    expect((200, {"StatusCode": 3}), ask("POST", "/containers/%s/wait" % id))
'
}

@test "attach: large both ways, several at once, one that leaves, logs first" {
    py '
import hashlib, os, threading
data = os.urandom(4 << 20)
id = create(Cmd=["cat"], OpenStdin=True, StdinOnce=True)
c, watcher, gone = Conn(), Conn(), Conn()
for x, q in (c, "stdin=1&stdout=1"), (watcher, "stdout=1"), (gone, "stdout=1"):
    x.request("POST", "/containers/%s/attach?stream=1&%s" % (id, q)); expect(200, x.head())
ask("POST", "/containers/%s/start" % id)
got = {}
threads = [threading.Thread(target=lambda x=x, n=n: got.update({n: x.frames()})) for n, x in (("c", c), ("w", watcher))]
[t.start() for t in threads]
gone.s.close()
c.send(data); c.end()
[t.join() for t in threads]
for n in "cw":
    expect([1], list(got[n])); expect(hashlib.sha256(data).hexdigest(), hashlib.sha256(got[n][1]).hexdigest())
id = create(Cmd=["sh", "-c", "echo before; cat"], OpenStdin=True)
ask("POST", "/containers/%s/start" % id)
first = Conn(); first.request("GET", "/containers/%s/logs?stdout=1&follow=1" % id); first.head(); first.chunk()
c = Conn(); c.request("POST", "/containers/%s/attach?logs=1&stream=1&stdin=1&stdout=1" % id); c.head()
expect((1, b"before\n"), c.frame())
c.send("after\n")
expect((1, b"after\n"), c.frame())
'
}

@test "exec: create, start by 200 and 101, inspect, detached, errors inside the stream" {
    "$davit" run -d --name cc busybox sleep 1000
    py '
def make(**k):
    status, r = ask("POST", "/containers/cc/exec", dict({"AttachStdout": True, "AttachStderr": True}, **k))
    expect(201, status); return r["Id"]
for upgrade in False, True:
    e = make(Cmd=["sh", "-c", "cat; echo err >&2; exit 5"], AttachStdin=True)
    c = Conn()
    c.request("POST", "/exec/%s/start" % e, {"Detach": False}, "Connection: Upgrade\r\nUpgrade: tcp\r\n" if upgrade else "")
    expect(101 if upgrade else 200, c.head())
    c.send("in\n"); c.end()
    expect({1: b"in\n", 2: b"err\n"}, c.frames())
    s, r = ask("GET", "/exec/%s/json" % e)
    expect((200, False, 5), (s, r["Running"], r["ExitCode"]))
    expect(409, ask("POST", "/exec/%s/start" % e, {})[0])
e = make(Cmd=["sleep", "1000"])
expect((200, ""), ask("POST", "/exec/%s/start" % e, {"Detach": True}))
s, r = ask("GET", "/exec/%s/json" % e)
expect((True, None), (r["Running"], r["ExitCode"])); assert r["Pid"] > 0
for i in range(20):               # whoever asks when the stream has ended finds the code
    e = make(Cmd=["no-such-program"])
    c = Conn(); c.request("POST", "/exec/%s/start" % e, {}); expect(200, c.head())
    out = b"".join(c.frames().values()).decode()
    expect_match("no-such-program.*executable file not found in \\$PATH", out)
    expect(127, ask("GET", "/exec/%s/json" % e)[1]["ExitCode"])
expect((400, {"message": "No exec command specified"}), ask("POST", "/containers/cc/exec", {}))
'
}

@test "logs: streams chosen, follow ends with the container, a client that leaves" {
    answers_with 404 . GET '/containers/cc/logs?stdout=1'
    "$davit" run -d --name cc busybox sh -c 'echo out; echo err >&2; sleep 1000'
    answers_with 400 'you must choose at least one stream' GET /containers/cc/logs
    wait_for sh -c "\"$davit\" logs cc 2>&1 | grep -q err"
    py '
def logs(q):
    c = Conn(); c.request("GET", "/containers/cc/logs?" + q); expect(200, c.head())
    d, out = c.body(), {}
    while d:
        k, n = struct.unpack(">BxxxI", d[:8]); out[k] = out.get(k, b"") + d[8:8 + n]; d = d[8 + n:]
    return out
expect({1: b"out\n", 2: b"err\n"}, logs("stdout=1&stderr=1"))
expect({2: b"err\n"}, logs("stderr=1"))
expect({}, logs("stdout=1&tail=0"))
expect_match("^20..-..-..T..:..:..\\.\\d{9}Z out\n$", logs("stdout=1&timestamps=1")[1].decode())
c, gone = Conn(), Conn()
for x in c, gone:
    x.request("GET", "/containers/cc/logs?follow=1&stdout=1&stderr=1"); expect(200, x.head())
    expect("application/vnd.docker.multiplexed-stream", x.headers["content-type"])
gone.s.close()
ask("POST", "/containers/cc/kill")
c.body()
old = Conn(); old.request("GET", "/v1.41/containers/cc/logs?stdout=1"); old.reply()
expect("application/vnd.docker.raw-stream", old.headers["content-type"])
'
}

@test "events: the header at once, live events, filters, since and until" {
    py '
import time
begin = time.time()
c, f = Conn(), Conn()
c.request("GET", "/events"); expect(200, c.head())
f.request("GET", "/events?filters=%7B%22event%22%3A%5B%22die%22%5D%7D"); f.head()
id = create(Cmd=["sh", "-c", "exit 4"], name="seen", Labels={"l": "1"})
ask("POST", "/containers/%s/start" % id)
ask("POST", "/containers/%s/wait" % id)
ask("DELETE", "/containers/%s" % id)
seen = []
while not seen or seen[-1]["Action"] != "destroy":
    seen += [json.loads(l) for l in c.chunk().splitlines() if l]
mine = [e["Action"] for e in seen if e["Type"] == "container"]
expect(["create", "start", "die", "destroy"], [a for a in mine if a != "attach"])
die = json.loads(f.chunk())
expect(("die", id, "4", "seen", "busybox", "1"), (die["status"], die["id"], die["Actor"]["Attributes"]["exitCode"],
       die["Actor"]["Attributes"]["name"], die["from"], die["Actor"]["Attributes"]["l"]))
expect(die["time"], die["timeNano"] // 10**9)
# What was, read once more.
old = Conn(); old.request("GET", "/events?since=%.9f&until=%.9f&filters=%s" % (begin, time.time(), "%7B%22container%22%3A%5B%22seen%22%5D%7D"))
old.head()
expect(mine, [json.loads(l)["Action"] for l in old.body().splitlines()])
expect(400, ask("GET", "/events?since=yesterday")[0])
'
}

@test "a client that leaves in the middle of anything costs the daemon nothing" {
    "$davit" run -d --name cc busybox sh -c 'while :; do echo x; done' >/dev/null
    fds() { ls "/proc/$(cat "$T/davitd.pid")/fd" | wc -l; }
    answers
    before=$(fds)
    py '
for i in range(20):
    for path in "GET /containers/cc/logs?follow=1&stdout=1", "POST /containers/cc/attach?stream=1&stdout=1", "GET /events", "POST /containers/cc/wait", "GET /version":
        c = Conn(); c.request(*path.split()); c.s.recv(10); c.s.close()
'
    settled() { [ "$(fds)" -le $((before + 2)) ]; }
    wait_for settled
    "$davit" rm -f cc
}

@test "the socket belongs to root and its group" {
    expect 660 "$(stat -c %a "$T_RUN/davit.sock")"
}

# core: logs - every byte, times, tail, since, rotation, following
load lib

bats_require_minimum_version 1.5.0

setup_file() { engine_names; start_davitd; busybox_image; mkdir -m 0777 "$T/in"; }
teardown_file() { stop_engine; }
teardown() {
    rm -f "$T/in/go"
    remove_containers
}

ended() { [ "$("$davit" inspect -f '{{.State.Status}}' "$1")" = exited ]; }
log_file() { "$davit" inspect -f '{{.LogPath}}' "$1"; }

# logs_equal FILE...: what a container copied to its output is what its log gives.
logs_equal() {
    "$davit" run --name c1 -v "$T/in:/in" busybox sh -c 'cat /in/out; cat /in/err >&2' >"$T/out" 2>"$T/err"
    cmp "$T/in/out" "$T/out"
    cmp "$T/in/err" "$T/err"
    "$davit" logs c1 >"$T/out" 2>"$T/err"
    cmp "$T/in/out" "$T/out"
    cmp "$T/in/err" "$T/err"
    "$davit" rm c1
}

@test "text: lines of all lengths around 16 KiB, no newline at the end, empty lines" {
    python3 - "$T/in/out" "$T/in/err" <<'PY'
import sys
K = 16384
out = b"".join(b"%d " % n + b"x" * n + b"\n" for n in (0, 1, 2, K - 8, K - 7, K - 6, K - 2, K - 1, K, K + 1, 2 * K - 1, 2 * K, 2 * K + 1, 200000))
open(sys.argv[1], "wb").write(out + b"\n\n\nno newline at the end")
open(sys.argv[2], "wb").write(b"short\n" + b"y" * (3 * K))
PY
    logs_equal
}

@test "text: UTF-8 of all lengths, across 16 KiB; control characters and JSON's own" {
    python3 - "$T/in/out" "$T/in/err" <<'PY'
import sys
text = "".join(chr(c) for c in list(range(1, 10)) + list(range(11, 0x250)) + [0x2028, 0x2029, 0x20ac, 0xfeff, 0xfffd, 0xffff, 0x1f600, 0x10ffff])
out = text + "\n" + '"quotes" \\ back / slash <tag> & amp\n' + "".join("x" * n + "\u20ac" * 20000 + "\n" for n in range(3)) + "\U0001f600" * 9000
open(sys.argv[1], "wb").write(out.encode())
open(sys.argv[2], "wb").write("\u00e4\u00f6\u00fc\r\n\ttab\x1b[31mred\x1b[0m\n".encode())
PY
    logs_equal
}

@test "binary: what is no UTF-8 is replaced in the log, as Docker does, and only there" {
    printf 'a\377b\200\303(c\342\202d\360\237\230e\355\240\200f\300\257g\0h\n' >"$T/in/out"
    : >"$T/in/err"
    "$davit" run --name c1 -v "$T/in:/in" busybox cat /in/out >"$T/out"
    cmp "$T/in/out" "$T/out"
    "$davit" logs c1 >"$T/out"
    r=$'\357\277\275'
    printf 'a%sb%s%s(c%s%sd%s%s%se%s%s%sf%s%sg\0h\n' $r $r $r $r $r $r $r $r $r $r $r $r $r >"$T/want"
    cmp "$T/want" "$T/out"
    # Its lines are JSON of Docker's shape.
    expect 'log stdout string' "$(jq -r '"\(keys[0]) \(.stream) \(.time | type)"' "$(log_file c1)")"
}

@test "a megabyte of random bytes neither stops nor breaks the log" {
    head -c 1000000 /dev/urandom >"$T/in/out"
    "$davit" run --name c1 -v "$T/in:/in" busybox sh -c 'cat /in/out; echo; echo the end' | cmp - <(cat "$T/in/out"; echo; echo the end)
    expect "the end" "$("$davit" logs --tail 1 c1)"
    jq -e .log "$(log_file c1)" >/dev/null
}

@test "timestamps, tail, since, until, streams" {
    "$davit" run -d --name c1 busybox sh -c 'for i in 1 2 3; do echo "out $i"; echo "err $i" >&2; sleep 1.1; done'
    wait_for ended c1
    expect $'out 1\nout 2\nout 3' "$("$davit" logs c1 2>/dev/null)"
    expect $'err 1\nerr 2\nerr 3' "$("$davit" logs c1 2>&1 >/dev/null)"
    run "$davit" logs -t c1
    for line in "${lines[@]}"; do
        expect_match '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z (out|err) [123]$' "$line"
    done
    expect "$(sort <<<"$output")" "$output"
    expect 4 "$("$davit" logs --tail 4 c1 2>&1 | wc -l)"
    expect 0 "$("$davit" logs --tail 0 c1 2>&1 | wc -l)"
    expect 6 "$("$davit" logs --tail all c1 2>&1 | wc -l)"
    expect 6 "$("$davit" logs --tail 100 c1 2>&1 | wc -l)"
    # From the second pair on, and before it.
    second=$("$davit" logs -t c1 2>/dev/null | sed -n '2s/ .*//p')
    expect $'out 2\nout 3' "$("$davit" logs --since "$second" c1 2>/dev/null)"
    expect "out 1" "$("$davit" logs --until "$(date -u -d "$second - 0.5 seconds" +%FT%T.%NZ)" c1 2>/dev/null)"
    expect "" "$("$davit" logs --since 2100-01-01T00:00:00Z c1 2>&1)"
    expect 6 "$("$davit" logs --since 10m c1 2>&1 | wc -l)"
    expect 0 "$("$davit" logs --until 10m c1 2>&1 | wc -l)"
    run "$davit" logs --since nonsense c1
    [ "$status" -ne 0 ]
    run "$davit" logs no-such
    expect 1 "$status"
    expect_match 'No such container: no-such' "$output"
}

@test "follow: what was, what comes, to the end; --tail with it" {
    mkfifo "$T/in/go"
    "$davit" run -d --name c1 -v "$T/in:/in" busybox sh -c 'echo one; echo two; cat /in/go; echo three'
    wait_for sh -c "\"$davit\" logs c1 | grep -q two"
    "$davit" logs -f c1 >"$T/all" &
    "$davit" logs -f --tail 1 c1 >"$T/tail" &
    wait_for grep -q two "$T/all"
    wait_for grep -q two "$T/tail"
    echo through >"$T/in/go"
    wait
    expect $'one\ntwo\nthrough\nthree' "$(cat "$T/all")"
    expect $'two\nthrough\nthree' "$(cat "$T/tail")"
}

@test "follow goes on over a restart of the container" {
    "$davit" run -d --name c1 busybox sh -c 'echo begun; sleep 1000'
    wait_for sh -c "\"$davit\" logs c1 | grep -q begun"
    "$davit" restart -t 0 c1
    wait_for sh -c "[ \$(\"$davit\" logs c1 | grep -c begun) = 2 ]"
}

@test "rotation by --log-opt: sizes and number of files hold, logs read across them" {
    "$davit" run --name c1 --log-opt max-size=64k --log-opt max-file=3 busybox \
        sh -c 'i=0; while [ $i -lt 5000 ]; do echo "line $i of many"; i=$((i + 1)); done' >/dev/null
    dir=$(dirname "$(log_file c1)")
    base=$(basename "$(log_file c1)")
    ls -l "$dir"
    expect 3 "$(ls "$dir" | grep -c "^$base")"
    for f in "$dir/$base"*; do [ "$(stat -c %s "$f")" -le 66000 ]; done
    "$davit" logs c1 >"$T/out"
    first=$(sed -n '1s/line \([0-9]*\) .*/\1/p' "$T/out")
    [ "$first" -gt 0 ]
    # Nothing is missing from there on.
    seq "$first" 4999 | sed 's/.*/line & of many/' | cmp - "$T/out"
    expect $'line 4998 of many\nline 4999 of many' "$("$davit" logs --tail 2 c1)"
    n=$("$davit" logs c1 | wc -l)
    expect "$n" "$("$davit" logs --tail 100000 c1 | wc -l)"
    expect 1500 "$("$davit" logs --tail 1500 c1 | wc -l)"
    expect "map[max-file:3 max-size:64k]" "$("$davit" inspect -f '{{.HostConfig.LogConfig.Config}}' c1)"
}

@test "rotation with one file only" {
    "$davit" run --name c1 --log-opt max-size=32k --log-opt max-file=1 busybox \
        sh -c 'i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i + 1)); done' >/dev/null
    dir=$(dirname "$(log_file c1)")
    expect 1 "$(ls "$dir" | grep -c "$(basename "$(log_file c1)")")"
    [ "$(stat -c %s "$(log_file c1)")" -le 34000 ]
    expect "line 1999" "$("$davit" logs --tail 1 c1)"
}

@test "follow across rotation loses nothing and repeats nothing" {
    mkfifo "$T/in/go"
    "$davit" run -d --name c1 --log-opt max-size=16k --log-opt max-file=100 -v "$T/in:/in" busybox \
        sh -c 'cat /in/go; i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i + 1)); done'
    "$davit" logs -f c1 >"$T/follow" &
    "$davit" logs -f -t c1 >"$T/follow2" &
    echo go >"$T/in/go"
    wait
    { echo go; seq 0 2999 | sed 's/^/line /'; } | cmp - "$T/follow"
    cut -d' ' -f2- "$T/follow2" | cmp - "$T/follow"
    "$davit" logs c1 | cmp - "$T/follow"
}

@test "what --log-opt and --log-driver refuse" {
    for bad in max-size=much max-size=-5 max-file=0 max-file=x nonsense=1; do
        run "$davit" run --rm --log-opt $bad busybox true
        [ "$status" = 125 ] || { echo "accepted $bad"; return 1; }
        expect_match "${bad%%=*}" "$output"
    done
    run "$davit" run --rm --log-driver no-such busybox true
    expect 125 "$status"
    expect_match 'no-such' "$output"
    run "$davit" run --rm --log-driver none --log-opt max-size=1m busybox true
    expect 125 "$status"
}

@test "the none driver: output comes to who is attached, and is nowhere kept" {
    expect hello "$("$davit" run --name c1 --log-driver none busybox echo hello)"
    run "$davit" logs c1
    expect 1 "$status"
    expect_match 'configured logging driver does not support reading' "$output"
    expect none "$("$davit" inspect -f '{{.HostConfig.LogConfig.Type}}' c1)"
    expect "" "$(log_file c1)"
    [ -z "$(grep -rls hello "$T_ROOT/containers")" ]
}

@test "davitd is killed while a container writes: not a line is lost" {
    mkfifo "$T/in/go"
    "$davit" run -d --name c1 -v "$T/in:/in" busybox \
        sh -c 'i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i + 1)); [ $i != 1000 ] || cat /in/go; done'
    wait_for sh -c "\"$davit\" logs c1 | grep -qx 'line 999'"
    kill_davitd KILL
    echo through >"$T/in/go"
    start_davitd
    wait_for ended c1
    { seq 0 999; echo through; seq 1000 1999; } | sed 's/^[0-9]/line &/' | cmp - <("$davit" logs c1)
}

@test "the log of a container goes with it" {
    "$davit" run --name c1 busybox echo hello
    f=$(log_file c1)
    [ -f "$f" ]
    expect 640 "$(stat -c %a "$f")"
    "$davit" rm c1
    log_gone() { [ ! -e "$f" ]; }
    wait_for log_gone
}

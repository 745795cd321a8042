# core: a full disk: each failure names it and the remedy, what frees it works, nothing is lost
load lib

bats_require_minimum_version 1.5.0

ADVICE="No space left on device; free some below .*/root \('davit system prune' removes"

setup_file() {
    engine_names
    export DISK=$(mktemp -d /tmp/davit-disk.XXXXXX)
    mount -t tmpfs -o size=64m,mode=0711 davit-disk "$DISK"
    T_ROOT=$DISK/root
    start_davitd
    busybox_image
    tools/busybox-rootfs >"$T/rootfs.tar"
    python3 tests/lib/mkimage --rootfs "$T/rootfs.tar" --name other:latest "$T/other.tar"
    "$davit" run -d --name loud busybox sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done'
    "$davit" run -d --name quiet busybox sleep 1000
    "$davit" create --name made busybox echo hello
}
teardown_file() {
    stop_engine
    umount -l "$DISK"
    rmdir "$DISK"
}
teardown() { rm -f "$DISK/filler"; }

# Not a byte is left.
fill() {
    local size
    for size in 1M 4k 1; do
        dd if=/dev/zero of="$DISK/filler" bs=$size oflag=append conv=notrunc 2>/dev/null || true
    done
    ! echo x 2>/dev/null >"$DISK/x"
    rm -f "$DISK/x"
}
fails() { # REGEX COMMAND...
    local regex=$1
    shift
    run "$@"
    [ "$status" -ne 0 ] || { echo "went well: $*"; return 1; }
    expect_match "$regex" "$output"
}
api() { curl -s --max-time 60 -o /dev/null -w '%{http_code}' --unix-socket "$T_RUN/davit.sock" "$@"; }
database_is_whole() {
    expect ok "$(python3 -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("PRAGMA integrity_check").fetchone()[0])' "$T_ROOT/davit.db")"
}

@test "what needs room says that there is none, and what to do" {
    fill
    fails "$ADVICE" "$davit" start made
    fails "$ADVICE" "$davit" run --rm busybox true
    fails "$ADVICE" "$davit" load -i "$T/other.tar"
    fails "$ADVICE" "$davit" import "$T/rootfs.tar" third:latest
    expect 500 "$(api -X POST http://d/containers/made/start)"
    fails "No space left on device" "$davit" exec quiet sh -c 'echo x >/file'
    expect "busybox:latest" "$("$davit" images --format '{{.Repository}}:{{.Tag}}')"
    expect Created "$("$davit" ps -a --filter name=made --format '{{.Status}}')"
    rm "$DISK/filler"
    expect hello "$("$davit" start -a made)"
    "$davit" load -i "$T/other.tar"
    expect 3 "$("$davit" run --rm other sh -c 'echo 3')"
}

@test "what needs none goes on: exec, logs, names, the end of a container, its removal" {
    "$davit" run -d --name ends --stop-signal KILL busybox sleep 1000
    "$davit" create --name goes busybox true
    "$davit" create --name later busybox echo later
    fill
    expect "from exec" "$("$davit" exec quiet echo from exec)"
    expect 1 "$("$davit" logs loud | head -1)"
    "$davit" rename goes went
    "$davit" stop ends
    expect_match "^Exited \(137\)" "$("$davit" ps -a --filter name=ends --format '{{.Status}}')"
    "$davit" rm went
    expect 204 "$(api -X DELETE 'http://d/containers/ends')"
    kill_davitd KILL
    start_davitd
    expect "" "$("$davit" ps -aq --filter name=went --filter name=ends)"
    database_is_whole
    fill
    fails "$ADVICE" "$davit" start later
    rm "$DISK/filler"
    database_is_whole
    expect later "$("$davit" start -a later)"
}

@test "a container that fills the disk can be removed, which frees it" {
    "$davit" create --name hungry busybox echo fed
    fails "No space left on device" "$davit" run --name eater busybox sh -c 'cat /dev/zero >/big'
    fill
    fails "$ADVICE" "$davit" start hungry
    "$davit" rm eater
    freed() { [ "$(df --output=avail -B1M "$DISK" | tail -1)" -gt 20 ]; }
    wait_for freed
    expect fed "$("$davit" start -a hungry)"
}

@test "logs drop whole lines while the disk is full, and go on after" {
    "$davit" run -d --name writer busybox sh -c 'i=0; while :; do i=$((i+1)); echo "$i a line of some length $i"; done'
    fill_up() { fill; grep -q 'output is dropped until it can be written again' "$T/davitd.log"; }
    wait_for fill_up
    rm "$DISK/filler"
    again() { grep -q 'can be written again; [0-9]* lines were lost' "$T/davitd.log"; }
    wait_for again
    "$davit" kill writer
    expect "" "$("$davit" logs writer | awk '$1 != $NF || $1 <= last || !/^[0-9]+ a line of some length [0-9]+$/ {
        print "line " NR ": " $0; exit } { last = $1 }')"
    "$davit" rm writer
}

@test "no line of a container that wrote little all the time is out of place" {
    expect "" "$("$davit" logs loud | awk '$1 <= last { print "line " NR ": " $0; exit } { last = $1 }')"
    expect running "$("$davit" inspect -f '{{.State.Status}}' loud)"
}

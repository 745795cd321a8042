#!/usr/bin/env bats
# races.bats - operations on the same container at once, and a daemon that ends with clients attached.

bats_require_minimum_version 1.5.0
load lib

setup_file() { engine_names; start_davitd; busybox_image; }
teardown_file() { stop_engine; }

# at_once COMMAND...: eight of it in parallel, to their end.
at_once() {
    local i pids=
    for i in 1 2 3 4 5 6 7 8; do
        "$@" 3>&- & pids="$pids $!"
    done
    for i in $pids; do wait "$i" || true; done
}

@test "of several creations with one name one succeeds" {
    create() { "$davit" create --name same busybox true >>"$T/same" 2>>"$T/refused" && return; }
    at_once create
    expect 1 "$(wc -l <"$T/same")"
    expect 7 "$(grep -c 'The container name "/same" is already in use' "$T/refused")"
    "$davit" rm same
}

@test "--rm, kill and rm -f at once take a container away without an error" {
    local i
    for i in 1 2 3 4 5; do
        "$davit" run -d --rm --name brief busybox sleep 1000
        "$davit" kill brief >/dev/null 2>&1 3>&- & local killer=$!
        run -0 "$davit" rm -f brief
        wait $killer || true
        expect "" "$("$davit" ps -aq --filter name=brief)"
    done
}

@test "a container that was killed can be removed at once" {
    local i
    for i in 1 2 3 4 5; do
        "$davit" run -d --name brief busybox sh -c 'while :; do echo a line; done'
        "$davit" kill brief
        "$davit" rm brief
    done
}

@test "a restart keeps a --rm container" {
    "$davit" run -d --rm --name again busybox sleep 1000
    "$davit" restart -t 0 again
    "$davit" restart -t 0 again
    expect alive "$("$davit" exec again echo alive)"
    "$davit" kill again
    gone_container() { ! "$davit" inspect again >/dev/null 2>&1; }
    wait_for gone_container
}

@test "starts, stops, kills and restarts at once leave a container that works" {
    "$davit" create --name life busybox sleep 1000
    step() {
        "$davit" start life; "$davit" exec life true; "$davit" stop -t 0 life
        "$davit" start life; "$davit" kill life; "$davit" restart -t 0 life
    }
    at_once step >/dev/null 2>&1
    "$davit" restart -t 0 life
    expect alive "$("$davit" exec life echo alive)"
    run -0 "$davit" exec life ping -c 1 -W 5 "${T_SUBNET%.0/24}.1"
    "$davit" rm -f life
}

@test "at no time has a writable layer two mounts, whatever comes at once" {
    "$davit" create --name one busybox sleep 1000
    "$davit" create --restart always --name policy busybox sleep 0.01
    step() {
        set +e # each is refused at times
        local i
        for i in 1 2 3 4; do
            "$davit" start one; "$davit" rm one; "$davit" restart -t 0 one; "$davit" kill one
            "$davit" start policy; "$davit" restart -t 0 policy; "$davit" rm one
            "$davit" create --name one busybox sleep 1000
        done
    }
    (at_once step; kill_davitd KILL; start_davitd; at_once step) >"$T/storm" 2>&1 3>&- &
    local storm=$!
    run --separate-stderr tests/lib/one-mount "$T_ROOT" $storm
    wait $storm
    expect "" "$stderr"
    expect 0 "$status"
    # An older kernel shows names that are relative to the layer.
    [ "$output" -gt 0 ] || skip "this kernel does not tell where an overlay's layers lie"
    "$davit" rm -f one policy
    # Nothing was refused for a lease that had been left behind.
    run -1 grep 'writable layer' "$T/storm"
}

@test "shims that ended are waited for" {
    local i
    for i in 1 2 3; do "$davit" run --rm busybox true; done
    run -127 "$davit" run --rm busybox /nonexistent
    no_zombies() { ! grep -qs '^State:.*Z' $(children); }
    children() { sed 's|\([0-9]*\) *|/proc/\1/status |g' /proc/$(cat "$T/davitd.pid")/task/*/children; }
    wait_for no_zombies
}

@test "a container and the one that joins its IPC share memory files" {
    "$davit" run -d --name donor --ipc shareable busybox sleep 1000
    "$davit" exec donor sh -c 'echo from donor > /dev/shm/x'
    expect "from donor" "$("$davit" run --rm --ipc container:donor busybox sh -c 'cat /dev/shm/x; echo back > /dev/shm/y')"
    expect back "$("$davit" exec donor cat /dev/shm/y)"
    "$davit" run -d --name private busybox sleep 1000
    run -125 "$davit" run --rm --ipc container:private busybox true
    expect_match 'non-shareable IPC' "$output"
    run -1 "$davit" run --rm --ipc none busybox ls /dev/shm
    "$davit" rm -f donor private
}

@test "a daemon that ends leaves its clients and nothing else; another one goes on" {
    "$davit" run -d --name talk busybox sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done'
    "$davit" logs -f talk >/dev/null 2>&1 3>&- &
    "$davit" wait talk >/dev/null 2>&1 3>&- &
    "$davit" events >/dev/null 2>&1 3>&- &
    "$davit" attach --no-stdin talk >/dev/null 2>&1 3>&- &
    expect 0 "$("$davit" exec talk sh -c 'echo $?')"
    local pid
    pid=$("$davit" inspect -f '{{.State.Pid}}' talk)
    kill_davitd TERM
    start_davitd
    expect "$pid" "$("$davit" inspect -f '{{.State.Pid}}' talk)"
    "$davit" kill talk
    expect 137 "$("$davit" wait talk)"
    expect "" "$("$davit" logs talk | awk 'NR != $1 { print "gap at line " NR; exit }')"
    "$davit" rm talk
}

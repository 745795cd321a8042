# lib.bash - what the end-to-end tests share: a davitd of their own, and the proof that it left
# nothing behind. Every file has its own state directory, socket, bridge, table, subnet.

: "${DAVIT_BIN:=$PWD/build/bin}"
davit=$DAVIT_BIN/davit

# Names of this test file's engine, from a number that no other running file has.
engine_names() {
    export T=$(mktemp -d /tmp/davit-e2e.XXXXXX)
    chmod 0711 "$T"
    local n=$((BASHPID % 60000))
    export T_ROOT=$T/root T_RUN=$T/run T_BRIDGE=dvt$n T_TABLE=davit-t$n T_CGROUP=/davit-t$n
    export T_SUBNET=10.$((200 + n % 50)).$((n / 50 % 250)).0/24
    export DOCKER_CONFIG=$T/no-docker-config # not the one of who runs the tests
    export DAVIT_HOST=unix://$T_RUN/davit.sock DOCKER_HOST=unix://$T_RUN/davit.sock
}

# start_davitd [ARGUMENT...]: start it and wait until it answers.
start_davitd() {
    mkdir -p "$T_RUN"
    "$DAVIT_BIN/davitd" --root "$T_ROOT" --run-dir "$T_RUN" \
        --set network.bridge_name=$T_BRIDGE --set network.default_pool=$T_SUBNET \
        --set network.nft_table=$T_TABLE --set engine.cgroup_parent=$T_CGROUP "$@" \
        >>"$T/davitd.log" 2>&1 3>&- &
    echo $! >"$T/davitd.pid"
    wait_for answers
}

answers() { curl -sf --max-time 5 --unix-socket "$T_RUN/davit.sock" http://d/_ping >/dev/null; }

# wait_for COMMAND...: until it succeeds, 30 s at most; asks again every 20 ms.
wait_for() {
    local end=$((SECONDS + 30))
    until "$@"; do
        if [ $SECONDS -ge $end ]; then
            echo "waited 30 s in vain for: $*"
            tail -20 "$T/davitd.log"
            return 1
        fi
        read -rt 0.02 <> <(:) || true
    done
}

kill_davitd() { # SIGNAL
    local pid
    pid=$(cat "$T/davitd.pid")
    kill "-$1" "$pid" 2>/dev/null || true
    wait_for gone "$pid"
}
gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null; }

# What carries this instance's mark and should be gone after a shutdown; one line each.
leftovers() {
    local d
    for d in /sys/fs/cgroup/*"$T_CGROUP" /sys/fs/cgroup"$T_CGROUP" /sys/fs/cgroup/unified"$T_CGROUP"; do
        [ ! -d "$d" ] || echo "cgroup $d"
    done
    [ ! -d "/sys/class/net/$T_BRIDGE" ] || echo "bridge $T_BRIDGE"
    if command -v nft >/dev/null && nft list tables 2>/dev/null | grep -qw "$T_TABLE"; then
        echo "nft table $T_TABLE"
    fi
    grep -F "$T_ROOT" /proc/self/mountinfo || true
    grep -lsF "$T_RUN" /proc/[0-9]*/environ 2>/dev/null | while read -r d; do
        [ "$(readlink "${d%environ}exe")" != "$DAVIT_BIN/davit-shim" ] || echo "shim $d"
    done
    ls "$T_RUN/containers" 2>/dev/null | sed 's/^/run directory /'
    ls "$T_ROOT/containers" 2>/dev/null | sed 's/^/container directory /'
}
no_leftovers() { [ -z "$(leftovers)" ]; }

# remove_containers [-v]: all, running or not; with -v their anonymous volumes too.
remove_containers() {
    local ids
    ids=$("$davit" ps -aq)
    [ -z "$ids" ] || "$davit" rm -f "$@" $ids >/dev/null
}

# Remove all containers, shut down, and prove that nothing is left.
stop_engine() {
    remove_containers
    "$davit" system shutdown
    wait_for gone "$(cat "$T/davitd.pid")"
    if ! wait_for no_leftovers; then
        leftovers
        return 1
    fi
    if grep -E '(ERROR|WARNING): (Address|Leak|Undefined|Thread)|runtime error:|lock order' "$T/davitd.log"; then
        return 1
    fi
    rm -rf "$T"
}

busybox_image() { tools/busybox-rootfs | "$davit" import -c 'CMD ["sh"]' - busybox:latest >/dev/null; }

# Assertions that say what they saw.
expect() { # EXPECTED ACTUAL
    [ "$1" = "$2" ] || { printf 'expected: %s\n     got: %s\n' "$1" "$2"; return 1; }
}
expect_match() { # REGEX ACTUAL
    [[ "$2" =~ $1 ]] || { printf 'expected: /%s/\n     got: %s\n' "$1" "$2"; return 1; }
}

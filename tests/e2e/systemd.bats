# core: davitd as a service of systemd
load lib

setup_file() { engine_names; mkdir -p "$T_RUN"; }
teardown_file() { rm -rf "$T"; }

# A test that failed leaves its service to the next one's start otherwise.
teardown() {
    [ -z "${systemd_pid-}" ] || kill "$systemd_pid" 2>/dev/null || true
    [ -z "${systemd_pid-}" ] || wait "$systemd_pid" 2>/dev/null || true
}

service_log() { grep -qx "$1" "$T/notify.log"; }

# The service of a machine that systemd runs: its socket is passed, its state is reported.
start_service() {
    rm -f "$T_RUN/davit.sock" "$T/notify.log"
    touch "$T/notify.log"
    tests/e2e/play-systemd "$T_RUN/davit.sock" "$T/notify.log" \
        "$DAVIT_BIN/davitd" --root "$T_ROOT" --run-dir "$T_RUN" \
        --set network.bridge_name="$T_BRIDGE" --set network.default_pool="$T_SUBNET" \
        --set network.nft_table="$T_TABLE" --set engine.cgroup_parent="$T_CGROUP" \
        >"$T/davitd.pid" 2>>"$T/davitd.log" 3>&- &
    systemd_pid=$!
    wait_for service_log READY=1
}

@test "READY=1 comes when the daemon answers, STOPPING=1 when it ends" {
    start_service
    expect "READY=1" "$(cat "$T/notify.log")"
    # One question, no second try: READY means that it is served.
    answers
    kill "$systemd_pid"
    wait "$systemd_pid"
    expect "READY=1 STOPPING=1" "$(xargs <"$T/notify.log")"
}

@test "a socket that was passed is served, and stays when the daemon ends" {
    start_service
    inode=$(stat -c %i "$T_RUN/davit.sock")
    run "$davit" ps -q
    expect "0 " "$status $output"
    kill "$systemd_pid"
    wait "$systemd_pid"
    expect "$inode" "$(stat -c %i "$T_RUN/davit.sock")"
}

@test "what a service was given is not handed to its containers or helpers" {
    start_service
    busybox_image
    "$davit" run -d --name kept busybox sleep 1000
    n=0
    for environ in $(grep -lF "$T_CGROUP/" /proc/[0-9]*/cgroup 2>/dev/null | sed 's/cgroup$/environ/'); do
        run grep -zE '^(NOTIFY_SOCKET|LISTEN_)' "$environ"
        expect "" "$output"
        n=$((n + 1))
    done
    expect 2 $n # the shim and the container's process
    # Stopping the service does not stop the container (KillMode=process), and it is found again.
    pid=$("$davit" inspect -f '{{.State.Pid}}' kept)
    kill "$systemd_pid"
    wait "$systemd_pid"
    kill -0 "$pid"
    start_service
    expect "$pid" "$("$davit" inspect -f '{{.State.Pid}}' kept)"
    expect in "$("$davit" exec kept echo in)"
    "$davit" rm -f kept
    "$davit" system shutdown
    wait "$systemd_pid"
    expect "READY=1 STOPPING=1" "$(xargs <"$T/notify.log")"
    wait_for no_leftovers || { leftovers; false; }
}

@test "LISTEN_FDS meant for another process is not taken" {
    rm -f "$T_RUN/davit.sock"
    export LISTEN_PID=1 LISTEN_FDS=1
    start_davitd
    unset LISTEN_PID LISTEN_FDS
    [ -S "$T_RUN/davit.sock" ]
    "$davit" system shutdown
    wait_for gone "$(cat "$T/davitd.pid")"
    [ ! -e "$T_RUN/davit.sock" ]
}

@test "systemd-analyze verifies the installed units" {
    command -v systemd-analyze >/dev/null || skip "systemd-analyze is not installed"
    command -v meson >/dev/null || skip "meson is not installed"
    [ -f "$DAVIT_BIN/../build.ninja" ] || skip "$DAVIT_BIN is not in a build folder"
    DESTDIR=$T/installed meson install -C "$DAVIT_BIN/.." --no-rebuild >"$T/install.log"
    units=$(dirname "$(find "$T/installed" -name davit.service)")
    expect "davit.service davit.socket" "$(cd "$units" && ls | xargs)"
    # The program that the unit names was installed where the unit looks for it.
    exec=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$units/davit.service")
    [ -x "$T/installed$exec" ]
    mkdir "$T/units"
    sed "s|^ExecStart=|ExecStart=$T/installed|" "$units/davit.service" >"$T/units/davit.service"
    cp "$units/davit.socket" "$T/units"
    run systemd-analyze verify --man=no "$T/units/davit.service" "$T/units/davit.socket"
    # Only what it says of ours: this machine's own units are not our business.
    expect "" "$(grep -iE 'davit' <<<"$output" || true)"
    for line in Type=notify KillMode=process Delegate=yes; do
        grep -qx "$line" "$units/davit.service"
    done
}

@test "containers do not inherit the service's oom_score_adj" {
    echo 200 >"/proc/$BASHPID/oom_score_adj"
    start_service
    # Root may always raise it; lowering needs CAP_SYS_RESOURCE, which not every host gives.
    if ! (echo 0 >"/proc/$BASHPID/oom_score_adj") 2>/dev/null; then
        "$davit" system shutdown
        wait "$systemd_pid"
        skip "no CAP_SYS_RESOURCE here: nobody can lower oom_score_adj"
    fi
    busybox_image
    expect 0 "$("$davit" run --rm busybox cat /proc/1/oom_score_adj)"
    "$davit" system shutdown
    wait "$systemd_pid"
}

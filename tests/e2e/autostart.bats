# the first command starts a daemon where none answers on the default socket
load lib

setup() { export T=$(mktemp -d /tmp/davit-e2e.XXXXXX) davit DAVIT_BIN; }
teardown() { rm -rf "$T"; }

# The default directories are the test's own; what is left of its processes and devices ends with it.
alone() {
    unshare -mnpf --kill-child --mount-proc bash -euc '
        . tests/e2e/lib.bash
        unset DAVIT_HOST DOCKER_HOST
        for dir in /run /var/lib /var/log; do mount -t tmpfs none $dir; done
        touch "$T/davitd.log"
        '"$1"
}

@test "it holds nothing of the command that started it, and goes when told to" {
    run alone '
        exec 7>"$T/held"
        "$davit" ps -q
        pid=$(pgrep -x davitd)
        ls -l /proc/$pid/fd >"$T/fds"
        "$davit" ps -q
        [ "$(pgrep -x davitd)" = "$pid" ]
        "$davit" system shutdown
        wait_for gone "$pid"'
    echo "$output"
    expect 0 "$status"
    expect 1 "$(grep -c 'no daemon was running; started davitd' <<<"$output")"
    expect "" "$(grep -E "$T/held" "$T/fds")"
    expect_match '/var/lib/davit/' "$(cat "$T/fds")"
}

@test "where another host is named, none is started" {
    run alone '! DAVIT_HOST=unix:///run/other.sock "$davit" ps && ! pgrep -x davitd'
    expect 0 "$status"
    expect_match 'Cannot connect to the davit daemon at unix:///run/other.sock' "$output"
}

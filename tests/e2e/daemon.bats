# core: the daemon's configuration, drivers chosen by it, and several engines on one machine
load lib

setup_file() { engine_names; start_davitd; busybox_image; }
teardown_file() { stop_engine; }

# After a failure: as at the start, so that the next test shows its own result only.
teardown() {
    rm -rf "/var/lib/davit-e2e-plugin.$T_BRIDGE"
    [ -z "${BATS_TEST_COMPLETED-}" ] || return 0
    restart_davitd
    remove_containers
}

# What a davitd says that ends at once; its exit code is in $status.
refused() { run timeout 20 "$DAVIT_BIN/davitd" --root "$T/other" --run-dir "$T/other-run" "$@"; }

# Start the file's engine again with other arguments.
restart_davitd() {
    kill_davitd TERM
    start_davitd "$@"
}

# One value of `davit plugin ls`: plugin_field NAME FIELD.
plugin_field() { "$davit" plugin ls --format '{{.Name}} {{.'"$2"'}}' | sed -n "s/^$1 //p"; }

@test "a second daemon on the same root is refused, the first one goes on" {
    run timeout 20 "$DAVIT_BIN/davitd" --root "$T_ROOT" --run-dir "$T/other-run" -H "unix://$T/other.sock"
    [ "$status" -ne 0 ] && [ "$status" -ne 124 ]
    expect_match "another davitd uses $T_ROOT" "$output"
    expect_match 'its own --root' "$output"
    [ ! -e "$T/other.sock" ]
    answers
}

@test "a second daemon on the same socket is refused" {
    refused -H "unix://$T_RUN/davit.sock" --set network.bridge_name="${T_BRIDGE}b" \
        --set network.nft_table="${T_TABLE}b" --set engine.cgroup_parent="${T_CGROUP}b"
    [ "$status" -ne 0 ] && [ "$status" -ne 124 ]
    expect_match 'another daemon answers there' "$output"
    answers
    # It served nobody and ran nothing, so nothing of it stays in the kernel.
    [ ! -d "/sys/class/net/${T_BRIDGE}b" ]
    expect "" "$(find /sys/fs/cgroup -maxdepth 2 -name "${T_CGROUP#/}b")"
}

@test "an unknown key names the nearest known one, with file and line" {
    printf '[engine]\n; a comment\nlog_levle = debug\n' >"$T/bad.ini"
    refused --config "$T/bad.ini"
    [ "$status" -ne 0 ] && [ "$status" -ne 124 ]
    expect_match "$T/bad.ini:3: unknown key 'log_levle' in \[engine\].*'log_level'" "$output"
}

@test "an unknown section, a line that is none, a value that does not fit" {
    printf '[enigne]\nroot = /x\n' >"$T/bad.ini"
    refused --config "$T/bad.ini"
    expect_match "unknown section \[enigne\].*\[engine\]" "$output"
    printf '[engine]\nno equals sign\n' >"$T/bad.ini"
    refused --config "$T/bad.ini"
    expect_match "bad.ini:2: neither" "$output"
    printf '[engine]\nfavordynmods = perhaps\n' >"$T/bad.ini"
    refused --config "$T/bad.ini"
    expect_match "engine.favordynmods: 'perhaps' is neither true nor false" "$output"
    printf '[engine]\nroot = relative\n' >"$T/bad.ini"
    refused --config "$T/bad.ini"
    expect_match "'relative' is not an absolute path" "$output"
    printf '[log]\nmax_size = big\n' >"$T/bad.ini"
    refused --config "$T/bad.ini"
    expect_match "log.max_size: 'big' is not a size" "$output"
}

@test "a config file that is not there is an error when it was named" {
    refused --config "$T/none.ini"
    [ "$status" -ne 0 ] && [ "$status" -ne 124 ]
    expect_match "$T/none.ini" "$output"
}

@test "--set is checked like the file" {
    refused --set engine.log_levle=debug
    expect_match "--set engine.log_levle=debug.*'log_level'" "$output"
    refused --set nonsense
    expect_match 'section.key=value' "$output"
    refused --set storage.driver
    expect_match 'section.key=value' "$output"
    refused --no-such-option
    expect 2 "$status"
    refused unexpected
    expect 2 "$status"
    expect_match "unexpected argument 'unexpected'" "$output"
}

@test "--set goes before the file" {
    printf '[engine]\nlog_level = nonsense\n' >"$T/level.ini"
    refused --config "$T/level.ini"
    expect_match "log_level.*'nonsense'" "$output"
    restart_davitd --config "$T/level.ini" --set engine.log_level=debug
    restart_davitd
}

@test "the commented davit.ini is valid, also with every key taken at its default" {
    # ";key = value" is a default; "; text" is a comment. Paths and names of kernel objects would be
    # those of the machine's own engine, and examples of drivers are not there.
    sed -n '/^;\[/q; /^\[/p; s/^;\([a-z_]* =\)/\1/p' conf/davit.ini |
        grep -vE '^(root|run_dir|hosts|plugin_dir|libexec_dir|cgroup_parent|bridge_name|nft_table) ' >"$T/all.ini"
    grep -q '^favordynmods = true$' "$T/all.ini"
    restart_davitd --config "$T/all.ini"
    expect ok "$("$davit" run --rm busybox echo ok)"
    restart_davitd --config conf/davit.ini
    expect ok "$("$davit" run --rm busybox echo ok)"
    restart_davitd
}

@test "plugin ls shows the drivers and their state" {
    for name in overlay bridge host none; do
        expect active "$(plugin_field $name State)"
    done
    expect storage "$(plugin_field overlay Kind)"
    expect network "$(plugin_field bridge Kind)"
}

@test "a driver that is not there: the daemon comes up, says why, and falls back to nothing" {
    restart_davitd --set storage.driver=zfs
    expect_match '^(rejected|failed)$' "$(plugin_field zfs State)"
    expect_match 'zfs\.so' "$(plugin_field zfs Reason)"
    run "$davit" run --rm busybox true
    expect 125 "$status"
    expect_match 'zfs' "$output"
    # Nothing needs storage to be listed.
    "$davit" ps -a
    "$davit" images
    restart_davitd
    expect ok "$("$davit" run --rm busybox echo ok)"
}

@test "an unknown key of a driver's section is refused by the driver's own table" {
    printf '[storage.overlay]\nmetacpy = true\n' >"$T/option.ini"
    restart_davitd --config "$T/option.ini"
    expect_match '^(rejected|failed)$' "$(plugin_field overlay State)"
    expect_match 'metacpy' "$(plugin_field overlay Reason)"
    restart_davitd
}

@test "overlay becomes vfs in the INI: new containers use it, old ones stay and still start" {
    printf '[storage]\ndriver = overlay\n' >"$T/davit.ini"
    restart_davitd --config "$T/davit.ini"
    "$davit" create --name old busybox sh -c 'cat /kept 2>/dev/null; echo one >>/kept'
    "$davit" start -a old
    "$davit" run -d --name running busybox sleep 1000
    expect overlay "$("$davit" inspect -f '{{.GraphDriver.Name}}' old)"

    sed -i 's/driver = overlay/driver = vfs/' "$T/davit.ini"
    restart_davitd --config "$T/davit.ini"
    expect vfs "$("$davit" info --format '{{.Driver}}')"
    expect in "$("$davit" exec running echo in)"
    expect one "$("$davit" start -a old)"
    expect overlay "$("$davit" inspect -f '{{.GraphDriver.Name}}' old)"

    # The same image, unpacked for the new driver at its first use.
    "$davit" run --name new busybox \
        sh -c 'echo here >/file; cat /file; grep " / " /proc/self/mountinfo' >"$T/out"
    expect here "$(head -1 "$T/out")"
    expect vfs "$("$davit" inspect -f '{{.GraphDriver.Name}}' new)"
    run grep -c -- '- overlay' "$T/out"
    expect 0 "$output"

    # And back again.
    sed -i 's/driver = vfs/driver = overlay/' "$T/davit.ini"
    restart_davitd --config "$T/davit.ini"
    expect here "$("$davit" start -a new | head -1)"
    expect ok "$("$davit" run --rm busybox echo ok)"
    "$davit" rm -f old running new
    restart_davitd
}

# Headers and pkg-config file of an installation, and nothing else of the tree.
build_outside_plugin() { # SOURCE OUT
    [ -f "$DAVIT_BIN/../build.ninja" ] || return 1
    DESTDIR=$T/sdk meson install -C "$DAVIT_BIN/.." --no-rebuild >"$T/install.log"
    local include
    include=$(dirname "$(dirname "$(find "$T/sdk" -path '*/davit/plugin.h')")")
    (cd "$T" && gcc -Wall -Wextra -Werror -shared -fPIC -fvisibility=hidden -I"$include" -o "$2" "$1")
}

@test "a storage driver built outside the tree serves a container" {
    command -v gcc >/dev/null || skip "gcc is not installed"
    command -v meson >/dev/null || skip "meson is not installed"
    # Not below /tmp: davitd takes a plugin only from where nobody but root may write.
    P=/var/lib/davit-e2e-plugin.$T_BRIDGE
    mkdir -m 0755 "$P"
    cp tests/plugins/outside/plaincopy.c "$T/"
    build_outside_plugin "$T/plaincopy.c" "$P/plaincopy.so"
    cat >"$T/outside.ini" <<INI
[storage]
driver = plaincopy
[plugin "plaincopy"]
kind = storage
path = $P/plaincopy.so
[storage.plaincopy]
colour = green
INI
    restart_davitd --config "$T/outside.ini"
    expect active "$(plugin_field plaincopy State)"
    expect 0.9.1 "$(plugin_field plaincopy Version)"
    expect plaincopy "$("$davit" info --format '{{.Driver}}')"
    expect served "$("$davit" run --rm busybox sh -c 'echo served >/x; cat /x')"
    "$davit" run -d --name outside busybox sleep 1000
    expect plaincopy "$("$davit" inspect -f '{{.GraphDriver.Name}}' outside)"
    expect in "$("$davit" exec outside echo in)"
    "$davit" rm -f outside

    # A vendor's key that is not in the driver's table.
    sed -i 's/colour/color/' "$T/outside.ini"
    restart_davitd --config "$T/outside.ini"
    expect_match "color.*colour" "$(plugin_field plaincopy Reason)"

    # A file that others could have written is not loaded.
    sed -i 's/color/colour/' "$T/outside.ini"
    chmod g+w "$P/plaincopy.so"
    restart_davitd --config "$T/outside.ini"
    expect rejected "$(plugin_field plaincopy State)"
    expect_match 'chmod go-w' "$(plugin_field plaincopy Reason)"
    restart_davitd
}

@test "several engines at once: each has its own images, containers, bridge, table, groups" {
    # Of the second one only the root is given: all the rest is derived from it.
    root=$T/second
    mkdir -p "$T/second-run"
    "$DAVIT_BIN/davitd" --root "$root" --run-dir "$T/second-run" >>"$T/davitd.log" 2>&1 3>&- &
    pid=$!
    second() { DAVIT_HOST=unix://$T/second-run/davit.sock "$davit" "$@"; }
    wait_for second ps -q
    expect "" "$(second images -q)"
    tools/busybox-rootfs | second import -c 'CMD ["sh"]' - busybox:latest >/dev/null
    "$davit" run -d --name same busybox sleep 1000
    second run -d --name same busybox sleep 1000
    expect same "$("$davit" ps --format '{{.Names}}')"
    expect same "$(second ps --format '{{.Names}}')"
    one=$("$davit" inspect -f '{{.NetworkSettings.IPAddress}}' same)
    two=$(second inspect -f '{{.NetworkSettings.IPAddress}}' same)
    [ -n "$one" ] && [ -n "$two" ] && [ "$one" != "$two" ]
    # No name of a kernel object is shared.
    instance=$(curl -sf --unix-socket "$T/second-run/davit.sock" http://d/info | jq -r .Davit.Instance)
    expect_match '^[a-z2-7]{6}$' "$instance"
    bridge=dv-$instance
    [ -d "/sys/class/net/$bridge" ] && [ -d "/sys/class/net/$T_BRIDGE" ]
    nft list table inet "davit-$instance" >/dev/null
    nft list table inet "$T_TABLE" >/dev/null
    # The end of one does not touch the other.
    second rm -f same
    second system shutdown
    wait_for gone "$pid"
    [ ! -d "/sys/class/net/$bridge" ] && [ -d "/sys/class/net/$T_BRIDGE" ]
    expect in "$("$davit" exec same echo in)"
    expect ok "$("$davit" run --rm busybox echo ok)"
    "$davit" rm -f same
    rm -rf "$root" "$T/second-run"
}

@test "driver = a list: the first that is active is taken, and said" {
    kill_davitd TERM
    start_davitd --set storage.driver='no-such, vfs'
    expect vfs "$("$davit" info -f '{{.Driver}}')"
    kill_davitd TERM
    start_davitd
    expect overlay "$("$davit" info -f '{{.Driver}}')"
}

# davit doctor: the host, the firewalls of others, disk, config, drivers and the daemon
load lib

setup_file() { engine_names; start_davitd; }
teardown_file() { stop_engine; }

# found SECTION CHECK LEVEL REGEX: a finding of $T/doctor.json that fits.
found() {
    jq -er --arg s "$1" --arg c "$2" --arg l "$3" --arg r "$4" \
        '[.[] | select(.Section == $s and .Check == $c and .Level == $l and (.Found | test($r)))] | length > 0' \
        "$T/doctor.json" >/dev/null || {
        jq -c --arg s "$1" '.[] | select(.Section == $s)' "$T/doctor.json"
        return 1
    }
}
# doctor [ARGUMENT...]: into $T/doctor.json; its exit code into $code.
doctor() {
    code=0
    "$davit" doctor --format json "$@" >"$T/doctor.json" || code=$?
    # The exit code says whether there is a problem, and each finding that is not fine helps on.
    expect "$(jq 'if any(.[]; .Level == "problem") then 1 else 0 end' "$T/doctor.json")" "$code"
    expect 0 "$(jq '[.[] | select(.Level == "problem" and (.Means == "" or .Do == ""))] | length' "$T/doctor.json")"
}
# The engine's own config, as a file.
ini() {
    printf '[engine]\nroot = %s\n[network]\nbridge_name = %s\n' "$T_ROOT" "$T_BRIDGE" >"$T/doctor.ini"
}

@test "every section is there, as JSON and as text" {
    ini
    doctor --config "$T/doctor.ini"
    expect "config kernel cgroups firewall disk plugins network daemon" \
        "$(jq -r '[.[].Section] | reduce .[] as $s ([]; if index($s) then . else . + [$s] end) | join(" ")' "$T/doctor.json")"
    found kernel version ok "Linux $(uname -r | sed 's/\./\\./g')"
    found kernel clone3 ok 'clone3'
    found config programs ok "$DAVIT_BIN"
    found disk xattrs ok 'user\.\*'
    found plugins overlay ok 'storage driver'
    found daemon reachable ok 'answers'
    found daemon version ok 'davit [0-9.]+, daemon [0-9.]+'
    found daemon bridge ok 'network driver, active'
    run "$davit" doctor --config "$T/doctor.ini"
    expect "$code" "$status"
    expect_match 'kernel
  ok +version +Linux' "$output"
    expect_match '(no problems|[0-9]+ problems?)$' "$output"
}

@test "a firewall of others that drops is a problem with its remedy, which works" {
    ini
    cat >"$T/in-netns" <<EOF
set -e
"$davit" doctor --config "$T/doctor.ini" --format json >"$T/before.json" || true
nft add table inet other
nft 'add chain inet other forw { type filter hook forward priority 10; }'
nft add rule inet other forw tcp dport 80 accept
nft add rule inet other forw counter reject
nft add table ip filter
nft 'add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'
nft 'add chain ip filter OUTPUT { type filter hook output priority 0; policy drop; }'
nft add table inet davit-else
nft 'add chain inet davit-else forward { type filter hook forward priority 0; policy drop; }'
"$davit" doctor --config "$T/doctor.ini" --format json >"$T/dropping.json" && exit 1
jq -r '.[] | select(.Check == "nftables" and (.Do | startswith("nft "))).Do' "$T/dropping.json" | tr ';' '\n' | grep '^ *nft ' >"$T/remedy"
. "$T/remedy"
nft insert rule ip filter FORWARD iifname $T_BRIDGE accept
"$davit" doctor --config "$T/doctor.ini" --format json >"$T/remedied.json" || true
EOF
    unshare -n bash "$T/in-netns"
    cp "$T/before.json" "$T/doctor.json"
    found firewall nftables ok 'no chain of others'
    cp "$T/dropping.json" "$T/doctor.json"
    found firewall nftables problem 'chain forw of table inet other drops what is forwarded \(its last rule\)'
    found firewall nftables problem 'chain FORWARD of table ip filter drops what is forwarded \(its policy\)'
    expect 2 "$(jq '[.[] | select(.Check == "nftables")] | length' "$T/doctor.json")"
    expect_match "iptables -I FORWARD -o $T_BRIDGE -j ACCEPT" \
        "$(jq -r '.[] | select(.Check == "nftables").Do' "$T/doctor.json")"
    expect 2 "$(wc -l <"$T/remedy")"
    cp "$T/remedied.json" "$T/doctor.json"
    found firewall nftables ok "chain forw .* but accepts $T_BRIDGE"
    found firewall nftables ok "chain FORWARD .* but accepts $T_BRIDGE"
}

@test "iptables-legacy that drops is told of, and not made by asking" {
    ini
    command -v iptables-legacy >/dev/null || skip "iptables-legacy is not installed"
    cat >"$T/in-netns" <<EOF
"$davit" doctor --config "$T/doctor.ini" --format json >"$T/before.json"
cat /proc/net/ip_tables_names >"$T/names"
iptables-legacy -P FORWARD DROP && iptables-legacy -A FORWARD -s 192.0.2.1 -j DROP || exit 42
"$davit" doctor --config "$T/doctor.ini" --format json >"$T/doctor.json"
true
EOF
    run unshare -n bash "$T/in-netns"
    [ "$status" != 42 ] || skip "this kernel has no iptables-legacy"
    expect "" "$(cat "$T/names")"
    found firewall iptables-legacy problem 'policy DROP, 1 rule'
    cp "$T/before.json" "$T/doctor.json"
    found firewall iptables-legacy ok 'no filter table'
}

@test "davitd warns of a firewall that drops, too" {
    cat >"$T/in-netns" <<EOF
nft add table inet other
nft 'add chain inet other forw { type filter hook forward priority 0; policy drop; }'
export DAVIT_HOST=unix://$T/netns-run/davit.sock
"$DAVIT_BIN/davitd" --root "$T/netns-root" --run-dir "$T/netns-run" --set engine.cgroup_parent=${T_CGROUP}n \
    >"$T/netns.log" 2>&1 3>&- &
for i in \$(seq 1500); do "$davit" version >/dev/null 2>&1 && break; read -rt 0.02 <> <(:); done
"$davit" info >"$T/info" 2>&1
"$davit" system shutdown
wait
EOF
    unshare -n bash "$T/in-netns"
    expect_match 'WARNING: chain forw of table inet other drops what containers on dv-' "$(cat "$T/info")"
    grep -q 'level=warn.*chain forw of table inet other drops' "$T/netns.log"
}

@test "a disk that is not fit says why" {
    printf '[engine]\nroot = %s/small\n' "$T" >"$T/disk.ini"
    mkdir -p "$T/small" "$T/lower" "$T/upper" "$T/work"
    unshare -m bash -c "mount -t tmpfs -o size=1m,ro,noexec,nosuid none '$T/small'
        '$davit' doctor --config '$T/disk.ini' --format json" >"$T/doctor.json" || true
    found disk type warning 'is on tmpfs'
    found disk space problem 'of 0.0 GiB'
    found disk mount problem 'read-only'
    found disk mount problem 'noexec'
    found disk mount warning 'nosuid'
    unshare -m bash -c "mount -t tmpfs none '$T/upper' && mkdir '$T/upper/u' '$T/upper/w' &&
        mount -t overlay -o lowerdir='$T/lower',upperdir='$T/upper/u',workdir='$T/upper/w' none '$T/small' || exit 1
        '$davit' doctor --config '$T/disk.ini' --format json" >"$T/doctor.json" || true
    found disk type problem 'is on overlay'
    # A directory that is not there yet: the one above it counts.
    printf '[engine]\nroot = %s/not/yet\n' "$T" >"$T/disk.ini"
    doctor --config "$T/disk.ini"
    found disk d_type ok "at $T\$|at $T have"
}

@test "mistakes of the config, drivers that do not load" {
    printf '[engine]\nlog_levle = debug\n[plugin "acme"]\nkind = storage\npath = %s/acme.so\n' "$T" >"$T/bad.ini"
    doctor --config "$T/bad.ini"
    expect 1 "$code"
    found config davit.ini problem "bad.ini:2: unknown key 'log_levle'.*'log_level'"
    found plugins acme problem 'acme.so does not exist'
    printf '[engine]\nlibexec_dir = %s\n' "$T" >"$T/bad.ini"
    doctor --config "$T/bad.ini"
    found config programs problem 'davit-shim: No such file'
}

@test "the daemon's drivers that are not active, no daemon, another's socket" {
    kill_davitd TERM
    start_davitd --set storage.driver=zfs
    ini
    doctor --config "$T/doctor.ini"
    expect 1 "$code"
    found daemon zfs problem 'storage driver, rejected: .*zfs\.so does not exist'
    kill_davitd TERM
    start_davitd
    DAVIT_HOST=unix://$T/nobody.sock doctor --config "$T/doctor.ini"
    found daemon reachable warning 'nobody.sock'
}

@test "without root it says what it cannot see" {
    setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$DAVIT_BIN/davit-doctor" ||
        skip "the build folder is not open to others"
    printf '[engine]\nroot = /var/lib/davit\n' >"$T/doctor.ini"
    chmod 644 "$T/doctor.ini"
    setpriv --reuid 65534 --regid 65534 --clear-groups \
        "$davit" doctor --config "$T/doctor.ini" --format json >"$T/doctor.json" || true
    found kernel version ok Linux
    found firewall nftables unseen 'only root'
    found cgroups writable unseen 'only root'
    found daemon reachable problem 'ermission denied'
}

# plugins that are broken in one way each (tests/plugins): the engine comes up and says why
load lib

# The zoo's copies lie where nobody but root writes; those of the build tree may lie anywhere.
setup_file() {
    engine_names
    export ZOO=$DAVIT_BIN/../tests/plugins Z=$T/zoo
    [ -e "$ZOO/good.so" ] || skip "this build has no zoo"
    mkdir -m 755 "$Z"
    cp "$ZOO"/*.so "$Z/"
    chmod 0644 "$Z"/*.so
    start_davitd
    busybox_image
}
teardown_file() { stop_engine; }

teardown() {
    [ -n "${BATS_TEST_COMPLETED-}" ] || restart_davitd
}

restart_davitd() {
    kill_davitd TERM
    start_davitd "$@"
}

# config NAME...: an INI that names these files of the zoo, each by its own name.
config() {
    local name
    for name; do
        printf '[plugin "%s"]\nkind = storage\npath = %s/%s.so\n' "$name" "$Z" "$name"
    done >"$T/zoo.ini"
}

# expect_driver NAME STATE REGEX: its state, and the one sentence in `plugin ls` and in the log.
expect_driver() {
    local state reason
    state=$("$davit" plugin inspect -f '{{.State}}' "$1")
    reason=$("$davit" plugin inspect -f '{{.Reason}}' "$1")
    [ "$state" = "$2" ] || { echo "$1 is $state: $reason"; return 1; }
    [[ $reason =~ $3 ]] || { echo "$1: '$reason' does not match '$3'"; return 1; }
    [ "$(wc -l <<<"$reason")" = 1 ]
    "$davit" plugin ls --format '{{.Name}}|{{.State}}|{{.Reason}}' | grep -qxF "$1|$2|$reason"
    grep -q "storage driver '$1' is $2: " "$T/davitd.log"
}

works() { expect ok "$("$davit" run --rm busybox echo ok)"; }

@test "what is wrong with the file: rejected, each with its reason" {
    printf 'just text\n' >"$Z/text.so"
    ln -sf good.so "$Z/link.so"
    cp "$Z/good.so" "$Z/writable.so" && chmod 0664 "$Z/writable.so"
    mkdir -p "$Z/open" && cp "$Z/good.so" "$Z/open/" && chmod 0775 "$Z/open"
    cp "$Z/good.so" "$Z/other-name.so"
    config text link writable other-name no-note wrong-major wrong-minor tiny huge tiny-ops \
        missing-slot no-entry unresolved lies bad-option older
    printf '[plugin "parent"]\nkind = storage\npath = %s/open/parent.so\n' "$Z" >>"$T/zoo.ini"
    cp "$Z/good.so" "$Z/open/parent.so"
    printf '[plugin "older"]\nkind = storage\npath = %s/good.so\n' "$Z" >>"$T/zoo.ini"
    restart_davitd --config "$T/zoo.ini"
    expect_driver text rejected 'text\.so'
    expect_driver link rejected 'symbolic link'
    expect_driver writable rejected 'mode 0664.*chmod go-w'
    expect_driver parent rejected "open has mode 0775.*chmod go-w"
    expect_driver other-name rejected "calls itself 'good', expected 'other-name'"
    expect_driver no-note rejected 'no davit note'
    expect_driver wrong-major rejected 'ABI 77'
    expect_driver wrong-minor rejected '\.77'
    expect_driver tiny rejected '16 bytes'
    expect_driver huge rejected '4294967295'
    expect_driver tiny-ops rejected 'table of operations has 16 bytes'
    expect_driver missing-slot rejected 'prepare\(\)'
    expect_driver no-entry rejected 'does not export'
    expect_driver unresolved rejected 'undefined symbol: dv_of_the_engine'
    expect_driver lies rejected "'somebody-else'"
    expect_driver bad-option rejected "type 'colour'"
    # The second of one name is turned away; the first goes on.
    [ "$("$davit" plugin ls --format '{{.Name}} {{.State}}' | grep -c '^older ')" = 2 ]
    "$davit" plugin ls --format '{{.Name}} {{.State}}' | grep -qx 'older active'
    "$davit" plugin ls --format '{{.Name}} {{.State}} {{.Reason}}' |
        grep -q "^older rejected .*the name 'older' is taken by $Z/older.so"
    # info warns of each.
    "$davit" info 2>&1 | grep -q "^WARNING: storage driver 'tiny' is rejected: .*16 bytes"
    works
}

@test "a plugin built from older headers, and one in C++, are active" {
    config older
    if [ -e "$Z/cxx.so" ]; then config older cxx; fi
    restart_davitd --config "$T/zoo.ini"
    expect active "$("$davit" plugin inspect -f '{{.State}}' older)"
    [ ! -e "$Z/cxx.so" ] || expect active "$("$davit" plugin inspect -f '{{.State}}' cxx)"
}

@test "a crash while it is loaded or described hits a probe: quarantined" {
    config crash-constructor crash-describe exit-constructor leak-constructor
    restart_davitd --config "$T/zoo.ini"
    expect_driver crash-constructor quarantined 'while it was loaded.*signal 6.*davit plugin retry'
    expect_driver crash-describe quarantined 'in dv_plugin_v0\(\).*signal 6'
    expect_driver exit-constructor quarantined 'exit code 3'
    expect_driver leak-constructor rejected 'leaves descriptor .*/etc/passwd'
    works
    run "$davit" plugin retry crash-describe
    expect 1 "$status"
    expect_match 'in dv_plugin_v0\(\)' "$output"
    run "$davit" plugin retry no-such
    expect 1 "$status"
    expect_match "no driver 'no-such' is configured" "$output"
}

@test "a hang while it is loaded, described or initialised ends: the engine comes up" {
    config hang-constructor hang-describe hang-init
    restart_davitd --config "$T/zoo.ini" --set engine.driver_timeout=2
    expect_driver hang-constructor quarantined 'hung while it was loaded.*within 2 s'
    expect_driver hang-describe quarantined 'hung in dv_plugin_v0\(\)'
    expect_driver hang-init stuck 'has not come back from its start \(init\) for 2 s'
    run "$davit" plugin retry hang-init
    expect 1 "$status"
    expect_match 'still at its start' "$output"
    works
    # An end in good order: it did not kill the daemon, and is tried again.
    restart_davitd --config "$T/zoo.ini" --set engine.driver_timeout=2
    expect_driver hang-init stuck 'init'
}

@test "what init() does wrong: failed, or active with a complaint" {
    config refuses silent leak leak-fails required
    restart_davitd --config "$T/zoo.ini"
    expect_driver refuses failed 'this driver never starts'
    expect_driver silent failed 'misbehaved: init\(\) returned INVALID without a reason'
    expect_driver leak-fails failed 'without a reason'
    expect_match '/etc/passwd.*open when its start failed' "$("$davit" plugin inspect -f '{{.Complaint}}' leak-fails)"
    expect active "$("$davit" plugin inspect -f '{{.State}}' leak)"
    expect_match '/etc/passwd.*without close-on-exec' "$("$davit" plugin inspect -f '{{.Complaint}}' leak)"
    "$davit" info 2>&1 | grep -q "^WARNING: storage driver 'leak' misbehaved: .*/etc/passwd"
    expect_driver required failed '\[storage.required\] needed: must be set'
    works
}

@test "a death in init() quarantines the plugin at the next start; retry takes it out" {
    config crash-init
    kill_davitd TERM
    run timeout 60 "$DAVIT_BIN/davitd" --root "$T_ROOT" --run-dir "$T_RUN" --config "$T/zoo.ini" \
        --set network.bridge_name=$T_BRIDGE --set network.default_pool=$T_SUBNET \
        --set network.nft_table=$T_TABLE --set engine.cgroup_parent=$T_CGROUP
    expect 134 "$status"
    start_davitd --config "$T/zoo.ini"
    expect_driver crash-init quarantined 'davitd died while it was in init\(\), at 20.*davit plugin retry crash-init'
    works
    # It stays so, until the file is another.
    restart_davitd --config "$T/zoo.ini"
    expect_driver crash-init quarantined 'davitd died while'
    cp "$Z/refuses.so" "$Z/crash-init.so"
    restart_davitd --config "$T/zoo.ini"
    expect_driver crash-init rejected "calls itself 'refuses'"
}

@test "a chosen driver that is not active: 503 with its reason, nothing falls back, retry brings it" {
    mkdir -p "$Z/storage"
    config vfs
    restart_davitd --config "$T/zoo.ini" --set storage.driver=vfs
    expect_driver vfs rejected 'vfs\.so does not exist'
    code=$(curl -s -o "$T/answer" -w '%{http_code}' --unix-socket "$T_RUN/davit.sock" -H 'Content-Type: application/json' \
        -d '{"Image":"busybox"}' http://d/containers/create)
    expect 503 "$code"
    expect_match "storage driver 'vfs' is not active: .*vfs\.so does not exist" "$(cat "$T/answer")"
    tools/busybox-rootfs >"$T/rootfs.tar"
    run "$davit" import "$T/rootfs.tar" other:latest
    [ "$status" -ne 0 ]
    expect_match "storage driver 'vfs' is not active" "$output"
    expect vfs "$("$davit" info -f '{{.Driver}}')"
    # What needs no storage goes on.
    "$davit" ps -a && "$davit" images && "$davit" volume ls
    cp "$DAVIT_BIN/../plugins/storage/vfs.so" "$Z/" && chmod 0644 "$Z/vfs.so"
    expect vfs "$("$davit" plugin retry vfs)"
    expect active "$("$davit" plugin inspect -f '{{.State}}' storage/vfs)"
    works
    run "$davit" plugin retry vfs
    expect_match "'vfs' is active" "$output"
}

bridge_is() { [ "$("$davit" plugin inspect -f '{{.State}}' bridge)" = "$1" ]; }

@test "a call that does not come back: stuck, answered 503, others go on; and back again" {
    mkdir -p "$Z/net" && cp "$Z/bridge.so" "$Z/net/"
    # Another file stands in for the bridge's driver; its join() hangs while $T/hang is there.
    printf '[plugin "bridge"]\nkind = network\npath = %s/net/bridge.so\n[network.bridge]\nwhile = %s\n' \
        "$Z" "$T/hang" >"$T/zoo.ini"
    restart_davitd --config "$T/zoo.ini" # probed with time enough
    restart_davitd --config "$T/zoo.ini" --set engine.driver_timeout=2
    expect ok "$("$davit" run --rm busybox echo ok)"
    touch "$T/hang"
    "$davit" run --name hung busybox echo back >"$T/hung.out" 2>&1 3>&- &
    pid=$!
    wait_for bridge_is stuck
    expect_match 'join\(\) has not returned for [0-9]+ s' \
        "$("$davit" plugin inspect -f '{{.Reason}}' bridge)"
    grep -q "network driver 'bridge' is stuck: join() has not returned" "$T/davitd.log"
    "$davit" create --name later busybox true
    code=$(curl -s -o "$T/answer" -w '%{http_code}' -X POST --unix-socket "$T_RUN/davit.sock" http://d/containers/later/start)
    expect 503 "$code"
    expect_match "network driver 'bridge' is stuck: join\(\)" "$(cat "$T/answer")"
    expect ok "$("$davit" run --rm --network none busybox echo ok)"
    rm "$T/hang"
    wait_for bridge_is active
    wait "$pid"
    expect back "$(cat "$T/hung.out")"
    "$davit" start later
    "$davit" rm -f later hung
    restart_davitd
    works
}

@test "plugin check needs no daemon and shows each step" {
    export DAVIT_HOST=unix://$T/nobody.sock
    run "$davit" plugin check "$Z/good.so"
    expect 0 "$status"
    expect_match 'trust +ok.*note +ok.*load +ok.*describe +ok.*options +ok +6 keys.*patience +seconds +1m30s' "$output"
    expect_match 'davitd would load this plugin' "$output"
    run "$davit" plugin check "$Z/good.so" -o count=7 -o loud=perhaps
    expect 1 "$status"
    expect_match "\[storage.good\] loud = 'perhaps'" "$output"
    run "$davit" plugin check "$Z/good.so" -o cuont=7
    expect_match "cuont: unknown key; the nearest known one is 'count'" "$output"
    run "$davit" plugin check "$Z/crash-constructor.so"
    expect 1 "$status"
    expect_match 'load +FAILED.*signal 6.*davitd would not load this plugin' "$output"
    run "$davit" plugin check "$Z/crash-describe.so"
    expect_match 'describe +FAILED' "$output"
    run "$davit" plugin check "$Z/wrong-major.so"
    expect 1 "$status"
    expect_match 'note +FAILED.*ABI 77' "$output"
    run "$davit" plugin check "$T/none.so"
    expect 1 "$status"
    expect_match 'does not exist' "$output"
    run "$davit" plugin check
    [ "$status" -ne 0 ]
}

@test "config check needs no daemon and tells every mistake with its line" {
    export DAVIT_HOST=unix://$T/nobody.sock
    printf '[engine]\nlog_levle = debug\n[network]\nnetns_pol = 2\n[plugin "good"]\nkind = storage\npath = %s/good.so\n[storage.good]\ncount = 3\npatiense = 1\n' \
        "$Z" >"$T/check.ini"
    run "$davit" config check "$T/check.ini"
    expect 1 "$status"
    expect_match "check.ini:2: unknown key 'log_levle' in \[engine\]; the nearest known one is 'log_level'" "$output"
    expect_match "check.ini:4: unknown key 'netns_pol' in \[network\]; the nearest known one is 'netns_pool'" "$output"
    expect_match "check.ini:10: \[storage.good\] patiense: unknown key; the nearest known one is 'patience'" "$output"
    expect_match 'check.ini: 3 mistakes' "$output"
    expect_match "network driver 'bridge' [0-9.]+: fine" "$output"
    sed -i 's/levle/level/; s/pol /pool /; s/patiense/patience/' "$T/check.ini"
    run "$davit" config check "$T/check.ini"
    expect 0 "$status"
    expect_match 'check.ini is fine' "$output"
    run "$davit" config check "$T/none.ini"
    expect 1 "$status"
}

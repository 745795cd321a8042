# core: user namespaces - userns_remap with a range from /etc/subuid
load lib

bats_require_minimum_version 1.5.0

setup_file() {
    engine_names
    # A user of the test's own; its lines are taken out again.
    export U=davit-test-${T_BRIDGE#dvt} START=$((300000 + ${T_BRIDGE#dvt} * 1000))
    echo "$U:$START:65536" >>/etc/subuid
    echo "$U:$((START + 7)):65536" >>/etc/subgid
    start_davitd --set "engine.userns_remap=$U"
    busybox_image
}
teardown_file() {
    sed -i "/^$U:/d" /etc/subuid /etc/subgid
    stop_engine
}
teardown() { remove_containers; }
words() { tr -s ' \n\t' ' ' | sed 's/^ //; s/ $//'; }
upper_of() { find "$T_ROOT/storage/overlay" -name "$1" -printf '%h\n'; }

@test "the maps are the range's; root inside is nobody of the host's" {
    expect "0 $START 65536" "$("$davit" run --rm busybox cat /proc/self/uid_map | words)"
    expect "0 $((START + 7)) 65536" "$("$davit" run --rm busybox cat /proc/self/gid_map | words)"
    "$davit" run -d --name box busybox sleep 1000
    pid=$("$davit" inspect -f '{{.State.Pid}}' box)
    expect "$START $((START + 7))" "$(awk '/^[UG]id:/ { print $2 }' "/proc/$pid/status" | xargs)"
    [ "$(readlink "/proc/$pid/ns/user")" != "$(readlink /proc/self/ns/user)" ]
    expect "uid=0(root) gid=0(root)" "$("$davit" exec box id | cut -d' ' -f1,2)"
    expect 00000000a80425fb "$("$davit" exec box sh -c 'grep CapEff /proc/self/status' | cut -f2)"
    expect_match 'userns' "$("$davit" info --format '{{json .SecurityOptions}}')"
}

@test "files of the image and of the container have their owners, on the disk too: nothing is changed there" {
    expect "0 0 0 0" "$("$davit" run --rm busybox stat -c '%u %g' /bin/busybox /etc | xargs)"
    "$davit" run --name made busybox sh -c 'echo x >/only-here; mkdir /dir; echo y >/dir/other; chown 5:6 /dir/other; chmod 4755 /only-here; ln /only-here /link; echo z >>/etc/passwd'
    upper=$(upper_of only-here)
    expect "0 0 4755 2" "$(stat -c '%u %g %a %h' "$upper/only-here")"
    expect "5 6" "$(stat -c '%u %g' "$upper/dir/other")"
    expect "0 0" "$(stat -c '%u %g' "$upper/etc/passwd")"
    layer=$(dirname "$(find "$T_ROOT/storage/overlay/layers" -name busybox -type f | head -1)")
    expect "0 0" "$(stat -c '%u %g' "$layer/busybox")"
    # And they are there at the next start.
    "$davit" start -a made
    expect "" "$("$davit" ps -q)"
}

@test "binds show the host's owners through the map" {
    mkdir "$T/shared"
    chmod 0777 "$T/shared"
    echo secret >"$T/shared/roots"
    chmod 0600 "$T/shared/roots"
    "$davit" run --rm -v "$T/shared:/mnt" busybox sh -c 'echo x >/mnt/made; echo y >/mnt/owned; chown 5:6 /mnt/owned'
    expect "$START $((START + 7))" "$(stat -c '%u %g' "$T/shared/made")"
    expect "$((START + 5)) $((START + 13))" "$(stat -c '%u %g' "$T/shared/owned")"
    run "$davit" run --rm -v "$T/shared:/mnt" busybox cat /mnt/roots
    expect_match 'Permission denied' "$output"
    run "$davit" run --rm -v "$T/shared:/mnt:ro" busybox touch /mnt/x
    expect_match 'Read-only file system' "$output"
}

@test "sysfs, proc, dev, shm, mqueue, tmpfs, --read-only are as without" {
    expect "eth0 lo" "$("$davit" run --rm busybox ls /sys/class/net | xargs)"
    expect "lo" "$("$davit" run --rm --network none busybox ls /sys/class/net)"
    run "$davit" run --rm busybox sh -c 'touch /sys/x; echo 1 >/proc/sys/kernel/pid_max; cat /proc/keys | wc -c; mount -t tmpfs x /mnt || echo no mount'
    expect_match 'touch: /sys/x: Read-only file system' "$output"
    expect_match 'no mount' "$output"
    expect_match 'pid_max' "$output"
    expect ok "$("$davit" run --rm busybox sh -c 'echo x >/dev/null && head -c 1 /dev/urandom >/dev/null && echo x >/dev/shm/x && touch /dev/mqueue/x && { echo x >/dev/full; } 2>/dev/null || echo ok' | tail -1)"
    expect_match 'crw-rw-rw- +1 +(0|root|nobody|65534)' "$("$davit" run --rm busybox ls -l /dev/null)"
    run "$davit" run --rm --read-only --tmpfs /t busybox sh -c 'touch /x; touch /t/x && echo fine'
    expect_match 'Read-only file system' "$output"
    expect_match 'fine' "$output"
    run "$davit" run --rm busybox mknod /null c 1 3
    expect_match 'Operation not permitted' "$output"
    expect docker-init "$("$davit" run --rm --init busybox cat /proc/1/comm)"
}

@test "network: loopback, other containers, the host, ports below 1024, ping" {
    "$davit" run -d --name server busybox sh -c 'while :; do echo pong | nc -l -p 80; done'
    ip=$("$davit" inspect -f '{{.NetworkSettings.IPAddress}}' server)
    ask() { [ "$("$davit" run --rm busybox nc -w 2 "$ip" 80)" = pong ]; }
    wait_for ask
    loopback() { [ "$("$davit" exec server nc -w 2 127.0.0.1 80)" = pong ]; }
    wait_for loopback
    host_asks() { [ "$(socat -T2 - "TCP:$ip:80" </dev/null)" = pong ]; }
    wait_for host_asks
    "$davit" run --rm busybox ping -c 1 -W 2 "$ip" >/dev/null
    expect "$("$davit" exec server readlink /proc/self/ns/net)" \
        "$("$davit" run --rm --network container:server busybox readlink /proc/self/ns/net)"
    "$davit" run --rm busybox ip link add dummy-x type bridge 2>&1 | grep -q 'not permitted'
}

@test "exec, users, stdin, limits" {
    "$davit" run -d --name box -m 32m --pids-limit 20 busybox sleep 1000
    expect "$("$davit" exec box readlink /proc/1/ns/user)" "$("$davit" exec box readlink /proc/self/ns/user)"
    expect 65534 "$("$davit" exec -u nobody box id -u)"
    expect hello "$(echo hello | "$davit" exec -i box cat)"
    run "$davit" exec box sh -c 'exit 9'
    expect 9 "$status"
    run "$davit" run --rm -m 20m busybox sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1'
    expect 137 "$status"
    run "$davit" run --rm --pids-limit 5 busybox sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 5 & done'
    expect_match "can't fork" "$output"
    expect "uid=7 gid=100(users)" "$("$davit" run --rm -u 7:users busybox id | cut -d' ' -f1,2)"
    expect 65534 "$("$davit" run --rm -u nobody busybox id -u)"
    # Beyond the range.
    run "$davit" run --rm -u 70000 busybox id
    [ "$status" -ge 125 ]
    expect_match '70000' "$output"
}

@test "another container's pids; signals reach what runs inside" {
    "$davit" run -d --name first busybox sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done'
    expect_match 'trap' "$("$davit" run --rm --pid container:first busybox ps)"
    "$davit" stop -t 20 first
    expect 3 "$("$davit" inspect -f '{{.State.ExitCode}}' first)"
}

@test "--userns host gets none, --network host wants it" {
    expect "0 0 4294967295" "$("$davit" run --rm --userns host busybox cat /proc/self/uid_map | words)"
    expect "$(readlink /proc/self/ns/user)" "$("$davit" run --rm --userns host busybox readlink /proc/self/ns/user)"
    # Without power over it, which is what docker refuses it for.
    expect "$(readlink /proc/self/ns/net)" "$("$davit" run --rm --network host busybox readlink /proc/self/ns/net)"
    run "$davit" run --rm --network host busybox ip link set lo down
    expect_match 'not permitted' "$output"
    expect "$(readlink /proc/self/ns/net)" "$("$davit" run --rm --userns host --network host busybox readlink /proc/self/ns/net)"
    run "$davit" run --rm --userns nonsense busybox true
    expect 125 "$status"
}

@test "a container outlives davitd, and goes on when the setting changes" {
    "$davit" run -d --name box busybox sh -c 'echo x >/file; chown 5:6 /file; sleep 1000'
    kill_davitd TERM
    start_davitd --set "engine.userns_remap=$U"
    expect "0 $START 65536" "$("$davit" exec box cat /proc/self/uid_map | words)"
    "$davit" stop -t 0 box
    kill_davitd TERM
    start_davitd
    "$davit" start box
    expect "0 0 4294967295" "$("$davit" exec box cat /proc/self/uid_map | words)"
    expect "5 6" "$("$davit" exec box stat -c '%u %g' /file)"
    kill_davitd TERM
    start_davitd --set "engine.userns_remap=$U"
    "$davit" restart -t 0 box
    expect "0 $START 65536 5 6" "$("$davit" exec box sh -c 'cat /proc/self/uid_map; stat -c "%u %g" /file' | words)"
}

@test "vfs has no other owners either" {
    kill_davitd TERM
    start_davitd --set "engine.userns_remap=$U" --set storage.driver=vfs
    expect "0 $START 65536 0 0" "$("$davit" run --name copy busybox sh -c 'cat /proc/self/uid_map; stat -c "%u %g" /bin/busybox; echo x >/file' | words)"
    file=$(find "$T_ROOT/storage/vfs" -name file)
    expect "0 0" "$(stat -c '%u %g' "$file")"
    "$davit" rm copy
    kill_davitd TERM
    start_davitd --set "engine.userns_remap=$U"
}

@test "a user without a range is named, with what to do" {
    kill_davitd TERM
    start_davitd --set engine.userns_remap=davit-no-such-user
    run "$davit" run --rm busybox true
    expect 125 "$status"
    expect_match "davit-no-such-user: /etc/subuid has no range for that user; add a line such as 'davit-no-such-user:100000:65536'" "$output"
    expect ok "$("$davit" run --rm --userns host busybox echo ok)"
    kill_davitd TERM
    start_davitd --set "engine.userns_remap=$U"
}

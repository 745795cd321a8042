# core: running containers from the command line
load lib

bats_require_minimum_version 1.5.0

setup_file() { engine_names; start_davitd; busybox_image; }
teardown_file() { stop_engine; }

@test "run prints the program's output and gives its exit code" {
    run "$davit" run --rm busybox echo hello
    expect "0 hello" "$status $output"
    run "$davit" run --rm busybox sh -c 'exit 42'
    expect 42 "$status"
    run "$davit" run --rm busybox sh -c 'sh -c "kill -9 \$\$"; exit $?'
    expect 137 "$status"
}

@test "stdout and stderr come apart" {
    out=$("$davit" run --rm busybox sh -c 'echo out; echo err >&2' 2>"$T/err")
    expect out "$out"
    expect err "$(cat "$T/err")"
}

@test "a program that is not there gives 127, one that cannot be run 126" {
    run -127 "$davit" run --rm busybox no-such-program
    expect 127 "$status"
    expect_match 'executable file not found' "$output"
    run "$davit" run --rm busybox /etc/passwd
    expect 126 "$status"
    expect_match 'permission denied' "$output"
}

@test "an image that is not there gives 125 and says so" {
    run "$davit" run --rm no-such-image true
    expect 125 "$status"
    expect_match "Unable to find image 'no-such-image:latest' locally" "$output"
}

@test "an unknown flag gives 125" {
    run "$davit" run --no-such-flag busybox true
    expect 125 "$status"
    expect_match 'unknown flag: --no-such-flag' "$output"
}

@test "stdin reaches the program, up to its end" {
    expect hello "$(echo hello | "$davit" run --rm -i busybox cat)"
    head -c 3000000 /dev/urandom >"$T/data"
    expect "$(sha256sum <"$T/data")" "$("$davit" run --rm -i busybox cat <"$T/data" | sha256sum)"
}

@test "environment: PATH, HOSTNAME, HOME, and what -e and --env-file give" {
    printf 'FROM_FILE=1\n# comment\nFROM_HOST\n' >"$T/env"
    FROM_HOST=2 run "$davit" run --rm --hostname box -e A=b --env-file "$T/env" busybox env
    expect_match 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$output"
    expect_match 'HOSTNAME=box' "$output"
    expect_match 'HOME=/root' "$output"
    expect_match 'A=b' "$output"
    expect_match 'FROM_FILE=1' "$output"
    expect_match 'FROM_HOST=2' "$output"
}

@test "user, group and working directory" {
    expect "uid=65534(nobody) gid=65534(nogroup)" \
        "$("$davit" run --rm -u nobody busybox id | cut -d' ' -f1,2)"
    expect "uid=7 gid=100(users)" "$("$davit" run --rm -u 7:users busybox id | cut -d' ' -f1,2)"
    run "$davit" run --rm -u nosuch busybox id
    expect_match 'unable to find user nosuch' "$output"
    expect /new/dir "$("$davit" run --rm -w /new/dir busybox pwd)"
}

@test "the container has its own pids, host name, mounts and network" {
    expect 1 "$("$davit" run --rm busybox sh -c 'echo $$')"
    expect_match '^[0-9a-f]{12}$' "$("$davit" run --rm busybox hostname)"
    expect "eth0 lo" "$("$davit" run --rm busybox ls /sys/class/net | xargs)"
    expect lo "$("$davit" run --rm --network none busybox ls /sys/class/net)"
    expect "$(readlink /proc/self/ns/net)" \
        "$("$davit" run --rm --network host busybox readlink /proc/self/ns/net)"
}

@test "proc is masked, sys is read-only, capabilities are Docker's" {
    run "$davit" run --rm busybox sh -c 'cat /proc/keys | wc -c; touch /sys/x; echo 1 >/proc/sys/kernel/pid_max'
    expect_match '^0' "$output"
    expect_match "touch: /sys/x: Read-only file system" "$output"
    expect_match "pid_max: Read-only file system" "$output"
    expect "CapBnd: 00000000a80425fb" "$("$davit" run --rm busybox grep CapBnd /proc/self/status | tr '\t' ' ')"
    expect "Seccomp: 2" "$("$davit" run --rm busybox grep Seccomp: /proc/self/status | tr '\t' ' ')"
    run "$davit" run --rm busybox mount -t tmpfs x /tmp
    [ "$status" -ne 0 ]
}

@test "a daemon with -d: ps, logs, exec, stop, start, rm" {
    id=$("$davit" run -d --name web busybox sh -c 'echo begun; trap "exit 3" TERM; while :; do sleep 0.1; done')
    expect "$id" "$("$davit" ps -q --no-trunc)"
    wait_for sh -c "\"$davit\" logs web | grep -q begun"
    expect in "$("$davit" exec web echo in)"
    run "$davit" exec web sh -c 'exit 9'
    expect 9 "$status"
    expect web "$("$davit" stop -t 20 web)"
    expect 3 "$("$davit" inspect -f '{{.State.ExitCode}}' web)"
    expect web "$("$davit" start web)"
    run "$davit" rm web
    expect 1 "$status"
    expect_match 'stop the container before removing' "$output"
    expect web "$("$davit" rm -f web)"
    expect "" "$("$davit" ps -aq)"
}

@test "wait and kill" {
    "$davit" run -d --name sleeper busybox sleep 1000
    "$davit" wait sleeper >"$T/code" &
    expect sleeper "$("$davit" kill sleeper)"
    wait $!
    expect 137 "$(cat "$T/code")"
    "$davit" rm sleeper
}

@test "binds and tmpfs" {
    mkdir "$T/shared"
    echo data >"$T/shared/file"
    expect data "$("$davit" run --rm -v "$T/shared:/mnt" busybox cat /mnt/file)"
    "$davit" run --rm -v "$T/shared:/mnt" busybox sh -c 'echo back >/mnt/back'
    expect back "$(cat "$T/shared/back")"
    run "$davit" run --rm -v "$T/shared:/mnt:ro" busybox touch /mnt/x
    expect_match 'Read-only file system' "$output"
    run "$davit" run --rm --read-only busybox touch /x
    expect_match 'Read-only file system' "$output"
    run "$davit" run --rm --read-only --tmpfs /t:size=1m busybox sh -c 'touch /t/x && df /t | tail -1'
    expect_match '1024' "$output"
    run "$davit" run --rm --mount type=bind,src=/no/such,dst=/mnt busybox true
    expect 125 "$status"
}

@test "limits bite" {
    run "$davit" run --rm -m 20m busybox sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1'
    expect 137 "$status"
    run "$davit" run --rm --pids-limit 5 busybox sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 5 & done'
    expect_match "can't fork" "$output"
}

@test "shm and its size" {
    expect_match '65536 ' "$("$davit" run --rm busybox df -k /dev/shm)"
    expect_match '131072 ' "$("$davit" run --rm --shm-size 128m busybox df -k /dev/shm)"
}

@test "two containers and the host reach each other" {
    "$davit" run -d --name server busybox sh -c 'while :; do echo pong | nc -l -p 7000; done'
    ip=$("$davit" inspect -f '{{.NetworkSettings.IPAddress}}' server)
    ask() { [ "$("$davit" run --rm busybox nc -w 2 "$ip" 7000)" = pong ]; }
    wait_for ask
    host_asks() { [ "$(socat -T2 - "TCP:$ip:7000" </dev/null)" = pong ]; }
    wait_for host_asks
    "$davit" rm -f server
}

@test "hosts, hostname, resolv.conf and their options" {
    run "$davit" run --rm --hostname box --add-host db:10.1.2.3 --dns 9.9.9.9 --dns-search example.org \
        busybox cat /etc/hosts /etc/hostname /etc/resolv.conf
    expect_match $'10.1.2.3\tdb' "$output"
    expect_match 'box' "$output"
    expect_match 'nameserver 9.9.9.9' "$output"
    expect_match 'search example.org' "$output"
}

@test "--init reaps and forwards" {
    expect docker-init "$("$davit" run --rm --init busybox cat /proc/1/comm)"
    run "$davit" run --rm --init busybox sh -c 'exit 5'
    expect 5 "$status"
}

@test "joining another container's network and pids" {
    "$davit" run -d --name first busybox sleep 1000
    expect "$("$davit" exec first readlink /proc/self/ns/net)" \
        "$("$davit" run --rm --network container:first busybox readlink /proc/self/ns/net)"
    expect_match 'sleep 1000' "$("$davit" run --rm --pid container:first busybox ps)"
    "$davit" rm -f first
}

@test "who joins another container's network has its hostname and /etc files" {
    "$davit" run -d --name first -h donor --add-host extra:10.1.2.3 busybox sleep 1000
    "$davit" run -d --name second --network container:first busybox sleep 1000
    local third=(run --rm --network container:second busybox) # a join of a join
    expect "donor donor donor" "$("$davit" "${third[@]}" sh -c 'echo $(hostname) $HOSTNAME $(cat /etc/hostname)')"
    expect "donor" "$("$davit" exec second sh -c 'echo $HOSTNAME')"
    expect "$("$davit" exec first cat /etc/hosts)" "$("$davit" "${third[@]}" cat /etc/hosts)"
    "$davit" exec second sh -c 'echo 10.9.9.9 added >> /etc/hosts'
    expect_match '10.1.2.3.extra.*10.9.9.9 added' "$("$davit" exec first cat /etc/hosts)"
    local path
    for path in HostsPath HostnamePath ResolvConfPath; do
        expect "$("$davit" inspect -f "{{.$path}}" first)" "$("$davit" inspect -f "{{.$path}}" second)"
    done
    "$davit" rm -f second first
}

@test "no rootfs mount in the host's mount namespace" {
    "$davit" run -d --name mounted busybox sleep 1000
    run grep -F "$T_ROOT" /proc/self/mountinfo
    expect "" "$output"
    "$davit" rm -f mounted
}

# the stock docker clients on davitd: the newest one that is installed, and Debian's 20.10
load lib

bats_require_minimum_version 1.5.0

# Where the clients may be: name and path.
new=$(command -v docker || true)
old=$PWD/build-check/peers/root/usr/bin/docker

setup_file() {
    engine_names
    export DOCKER_CONFIG=$T/docker-config
    mkdir "$DOCKER_CONFIG"
    start_davitd
    busybox_image
    tools/busybox-rootfs >"$T/rootfs.tar"
}
teardown_file() { stop_engine; }
setup() {
    docker=$new
    [[ $BATS_TEST_DESCRIPTION != 20.10* ]] || docker=$old
    [ -n "$docker" ] && [ -x "$docker" ] || skip "${docker:-no docker client in PATH} is not there"
}
teardown() { remove_containers; }

running() { [ "$("$davit" inspect -f '{{.State.Running}}' "$1")" = true ]; }

# The same for both clients, since a bats test has one name and one client.
run_commands() {
    run "$docker" run --rm busybox echo hello
    expect "0 hello" "$status $output"
    run "$docker" run --rm busybox sh -c 'exit 42'
    expect 42 "$status"
    run -127 "$docker" run --rm busybox no-such-program
    expect_match 'executable file not found in \$PATH' "$output"
    run "$docker" run --rm busybox /etc/passwd
    expect 126 "$status"
    run "$docker" run --rm no-such-image true
    expect 125 "$status"
    expect_match "Unable to find image 'no-such-image:latest' locally" "$output"
    out=$("$docker" run --rm busybox sh -c 'echo out; echo err >&2' 2>"$T/err")
    expect "out err" "$out $(cat "$T/err")"
    expect "b box /tmp 65534" "$("$docker" run --rm -e A=b -h box -w /tmp -u nobody busybox sh -c 'echo $A $(hostname) $PWD $(id -u)')"
    expect "" "$("$davit" ps -aq)"
}
pipe_commands() {
    expect hello "$(echo hello | "$docker" run --rm -i busybox cat)"
    head -c 2000000 /dev/urandom >"$T/data"
    expect "$(sha256sum <"$T/data")" "$("$docker" run --rm -i busybox cat <"$T/data" | sha256sum)"
    "$docker" run -d --name cat busybox sleep 1000 >/dev/null
    expect "$(sha256sum <"$T/data")" "$("$docker" exec -i cat cat <"$T/data" | sha256sum)"
}
life_commands() {
    id=$("$docker" run -d --name web --label l=1 busybox sh -c 'echo begun; trap "echo ended; exit 3" TERM; while :; do sleep 0.1; done')
    expect "$id" "$("$docker" ps -q --no-trunc)"
    expect "web busybox l=1" "$("$docker" ps --format '{{.Names}} {{.Image}} {{.Labels}}' --filter label=l)"
    expect_match 'Up .* web' "$("$docker" ps)"
    wait_for sh -c "\"$docker\" logs web | grep -q begun"
    "$docker" logs -f web >"$T/follow" &
    expect in "$("$docker" exec web echo in)"
    run "$docker" exec web sh -c 'exit 9'
    expect 9 "$status"
    run -127 "$docker" exec web no-such-program
    "$docker" wait web >"$T/code" &
    expect web "$("$docker" stop -t 20 web)"
    wait
    expect 3 "$(cat "$T/code")"
    expect $'begun\nended' "$(cat "$T/follow")"
    expect "exited 3" "$("$docker" inspect -f '{{.State.Status}} {{.State.ExitCode}}' web)"
    expect_match '^20.*Z begun$' "$("$docker" logs -t web | head -1)"
    expect ended "$("$docker" logs --tail 1 web)"
    run "$docker" start -a web 3>&- &
    wait_for running web
    expect web "$("$docker" kill web)"
    wait
    expect web "$("$docker" restart -t 0 web)"
    run "$docker" rm web
    expect 1 "$status"
    expect_match 'stop the container before removing|You cannot remove a running container' "$output"
    expect renamed "$("$docker" rename web renamed && "$docker" ps --format '{{.Names}}')"
    expect renamed "$("$docker" pause renamed)"
    expect_match Paused "$("$docker" ps)"
    expect renamed "$("$docker" unpause renamed)"
    expect renamed "$("$docker" rm -f renamed)"
    expect "" "$("$docker" ps -aq)"
    expect created "$("$docker" create --name made busybox true >/dev/null && "$docker" inspect -f '{{.State.Status}}' made)"
    run "$docker" create --name made busybox true
    expect 1 "$status"
    expect_match 'Conflict. The container name "/made" is already in use' "$output"
    "$docker" start -a made
    "$docker" rm made
}
image_commands() {
    id=$("$docker" import -c 'CMD ["echo", "from cmd"]' -m note "$T/rootfs.tar" imported:1)
    expect "from cmd" "$("$docker" run --rm imported:1)"
    "$docker" import - piped:1 <"$T/rootfs.tar"
    python3 tests/lib/mkimage --rootfs "$T/rootfs.tar" --layers 2 --name loaded:1 "$T/image.tar"
    expect "Loaded image: loaded:1" "$("$docker" load -i "$T/image.tar")"
    expect "Loaded image: loaded:1" "$("$docker" load -q <"$T/image.tar")"
    "$docker" tag loaded:1 other:2
    expect "busybox imported loaded other piped" "$("$docker" images --format '{{.Repository}}' | sort | xargs)"
    expect_match "^${id:7:12}$" "$("$docker" images -q imported)"
    expect 3 "$("$docker" history -q loaded:1 | wc -l)"
    expect "amd64 linux" "$("$docker" image inspect -f '{{.Architecture}} {{.Os}}' loaded:1)"
    expect "Untagged: other:2" "$("$docker" rmi other:2)"
    run "$docker" rmi loaded:1 piped:1 imported:1
    expect 0 "$status"
    expect 3 "$(grep -c '^Untagged' <<<"$output")"
    run "$docker" rmi loaded:1
    expect 1 "$status"
    expect_match 'No such image: loaded:1' "$output"
}
system_commands() {
    expect "1.51 linux" "$("$docker" version -f '{{.Server.APIVersion}} {{.Server.Os}}')"
    expect "overlay davit" "$("$docker" info -f '{{.Driver}} {{.DefaultRuntime}}')"
    "$docker" info >"$T/info"
    expect_match 'Storage Driver: overlay' "$(cat "$T/info")"
    "$docker" events --format '{{.Action}}' --filter type=container >"$T/events" &
    pid=$!
    # Nothing says when it listens: containers come until it has seen two ends.
    seen() { "$docker" run --rm busybox true; [ "$(grep -c destroy "$T/events")" -ge 2 ]; }
    wait_for seen
    kill "$pid"
    wait "$pid" || true
    for action in create start die destroy; do grep -qx $action "$T/events"; done
    expect "create attach start die destroy" "$("$docker" events --since "$(date -d '-1 hour' +%s)" --until "$(date +%s.%N)" \
        --filter type=container --format '{{.Action}}' | tail -5 | xargs)"
    expect "bridge host none" "$("$docker" network ls --format '{{.Name}}' | sort | xargs)"
    expect "$T_SUBNET" "$("$docker" network inspect -f '{{(index .IPAM.Config 0).Subnet}}' bridge)"
    run "$docker" network create x
    expect 1 "$status"
    expect_match 'not supported yet by davit' "$output"
}

@test "run, its output and codes" { run_commands; }
@test "20.10: run, its output and codes" { run_commands; }
@test "stdin from a pipe: run -i, exec -i" { pipe_commands; }
@test "20.10: stdin from a pipe: run -i, exec -i" { pipe_commands; }
@test "a container's life: ps, logs -f, exec, wait, stop, start, kill, restart, rename, pause, rm, create" { life_commands; }
@test "20.10: a container's life" { life_commands; }
@test "images: import, load, tag, history, inspect, rmi" { image_commands; }
@test "20.10: images" { image_commands; }
@test "version, info, events, networks" { system_commands; }
@test "20.10: version, info, events, networks" { system_commands; }

@test "limits, mounts, networks by docker's flags" {
    mkdir "$T/shared"
    "$docker" run --rm -v "$T/shared:/mnt" busybox touch /mnt/made
    [ -f "$T/shared/made" ]
    run "$docker" run --rm --read-only --mount "type=bind,src=$T/shared,dst=/mnt,readonly" busybox touch /mnt/x
    expect_match 'Read-only file system' "$output"
    run "$docker" run --rm -m 20m busybox sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1'
    expect 137 "$status"
    expect lo "$("$docker" run --rm --network none busybox ls /sys/class/net)"
    "$docker" run -d --name first busybox sleep 1000
    expect "$("$docker" exec first readlink /proc/self/ns/net)" \
        "$("$docker" run --rm --network container:first busybox readlink /proc/self/ns/net)"
    expect docker-init "$("$docker" run --rm --init busybox cat /proc/1/comm)"
    run "$docker" run --rm -p 8080:80 busybox true
    expect 125 "$status"
}

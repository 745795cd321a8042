# much data and many runs: 200 MB both ways by hash, 10,000 runs in the long check
load lib

new=$(command -v docker || true)
old=$PWD/build-check/peers/root/usr/bin/docker

setup_file() {
    engine_names
    export DOCKER_CONFIG=$T/docker-config
    mkdir "$DOCKER_CONFIG"
    start_davitd
    busybox_image
}
teardown_file() { stop_engine; }
setup() {
    client=$davit
    [[ $BATS_TEST_DESCRIPTION != docker:* ]] || client=$new
    [[ $BATS_TEST_DESCRIPTION != 20.10:* ]] || client=$old
    [ -n "$client" ] && [ -x "$client" ] || skip "${client:-no docker client in PATH} is not there"
    megabytes=8 runs=24
    [ "${CHECK_LONG:-0}" = 0 ] || megabytes=200 runs=1000
}
none_left() { [ -z "$("$davit" ps -aq)" ]; }

both_ways() {
    python3 tests/streams/bulk.py "$client" $megabytes
    python3 tests/streams/bulk.py "$client" $megabytes stderr
}
many() {
    run python3 tests/streams/runs.py "$client" "$1" 64
    echo "$output"
    [ "$status" -eq 0 ]
    none_left
}

@test "200 MB through run -i cat in both directions, as much on stderr meanwhile" {
    python3 tests/streams/bulk.py "$client" 200 stderr
}
@test "both directions at once, with and without stderr" { both_ways; }
@test "docker: both directions at once, with and without stderr" { both_ways; }
@test "20.10: both directions at once, with and without stderr" { both_ways; }
@test "many runs at once: every output and code is right" {
    n=200
    [ "${CHECK_LONG:-0}" = 0 ] || n=10000
    many $n
}
@test "docker: many runs at once" { many $runs; }
@test "20.10: many runs at once" { many $runs; }

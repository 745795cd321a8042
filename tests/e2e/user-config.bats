# docker's config.json as davit reads it: formats, detach keys, proxies; a broken file
load lib

bats_require_minimum_version 1.5.0

setup_file() {
    engine_names
    start_davitd
    busybox_image
}
teardown_file() { stop_engine; }
setup() { export DOCKER_CONFIG=$BATS_TEST_TMPDIR; }
teardown() {
    local ids
    ids=$("$davit" ps -aq 2>/dev/null)
    [ -z "$ids" ] || "$davit" rm -f $ids >/dev/null 2>&1
}
config() { printf '%s\n' "$1" >"$DOCKER_CONFIG/config.json"; }

@test "psFormat, imagesFormat and volumesFormat are the lists' own; --format and -q come first" {
    config '{"psFormat": "{{.Names}}={{.Image}}", "imagesFormat": "{{.Repository}}!", "volumesFormat": "table {{.Name}}"}'
    id=$("$davit" create --name made busybox)
    "$davit" volume create data
    expect "made=busybox" "$("$davit" ps -a)"
    expect "made" "$("$davit" ps -a --format '{{.Names}}')"
    expect "${id:0:12}" "$("$davit" ps -aq)"
    expect "busybox!" "$("$davit" images)"
    expect_match '^[0-9a-f]{12}$' "$("$davit" images -q)"
    expect "VOLUME NAME data" "$("$davit" volume ls | xargs)"
    expect data "$("$davit" volume ls -q)"
    "$davit" volume rm data
}

@test "proxies of the default become the environment, but for what -e sets" {
    config '{"proxies": {"default": {"httpProxy": "http://p:1", "noProxy": "a,b", "httpsProxy": "http://s:2"}}}'
    expect "HTTPS_PROXY=http://s:2 HTTP_PROXY=http://p:1 NO_PROXY=own http_proxy=http://p:1 https_proxy=http://s:2 no_proxy=a,b" \
        "$("$davit" run --rm -e NO_PROXY=own busybox env | grep -i proxy | sort | xargs)"
    "$davit" create --name made busybox
    expect_match 'HTTP_PROXY=http://p:1' "$("$davit" inspect -f '{{.Config.Env}}' made)"
}

@test "proxies of this very daemon come before the default's" {
    config "{\"proxies\": {\"default\": {\"httpProxy\": \"http://no\"}, \"$DAVIT_HOST\": {\"httpProxy\": \"http://yes\"}}}"
    expect "http://yes" "$("$davit" run --rm busybox sh -c 'echo $HTTP_PROXY')"
}

@test "detachKeys reach the daemon; the flag comes first" {
    config '{"detachKeys": "ctrl-nonsense"}'
    run "$davit" run -d busybox true
    expect 0 "$status"
    run "$davit" run busybox true
    expect 125 "$status"
    expect_match 'ctrl-nonsense' "$output"
    "$davit" run --detach-keys ctrl-x busybox true
}

@test "--config names another directory, HOME has the usual one" {
    mkdir -p "$BATS_TEST_TMPDIR/other" "$BATS_TEST_TMPDIR/.docker"
    echo '{"psFormat": "other"}' >"$BATS_TEST_TMPDIR/other/config.json"
    echo '{"psFormat": "home"}' >"$BATS_TEST_TMPDIR/.docker/config.json"
    "$davit" create busybox
    expect other "$("$davit" --config "$BATS_TEST_TMPDIR/other" ps -a)"
    expect home "$(env -u DOCKER_CONFIG HOME="$BATS_TEST_TMPDIR" "$davit" ps -a)"
}

@test "a broken file is warned of by name, once, and does no harm" {
    for text in '{"psFormat": ' '[]' 'null x' '{"psFormat": 5}'; do
        config "$text"
        run --separate-stderr "$davit" ps -a
        expect 0 "$status"
        expect_match '^CONTAINER ID' "$output"
        expect 1 "${#stderr_lines[@]}"
        expect_match "^WARNING: Error loading config file: $DOCKER_CONFIG/config.json: " "$stderr"
    done
    rm "$DOCKER_CONFIG/config.json"
    mkdir "$DOCKER_CONFIG/config.json"
    run --separate-stderr "$davit" ps -a
    expect_match "^WARNING: Error loading config file: $DOCKER_CONFIG/config.json" "$stderr"
    rmdir "$DOCKER_CONFIG/config.json"
    head -c 2000000 /dev/zero >"$DOCKER_CONFIG/config.json"
    run --separate-stderr "$davit" ps -a
    expect 0 "$status"
    expect_match "WARNING: Error loading config file: $DOCKER_CONFIG/config.json" "$stderr"
    rm "$DOCKER_CONFIG/config.json"
    run --separate-stderr "$davit" ps -a
    expect "" "$stderr"
}

@test "DOCKER_HOST: a scheme that is not served is refused by name" {
    for host in tcp://127.0.0.1:2375 ssh://me@there npipe:////x nonsense unix://relative; do
        run env -u DAVIT_HOST DOCKER_HOST=$host "$davit" ps
        expect 1 "$status"
        expect_match "unsupported: host '$host'" "$output"
    done
    expect 0 "$(env -u DAVIT_HOST "$davit" ps >/dev/null; echo $?)"
}

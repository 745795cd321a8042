# davit beside the docker client, 28.x, on one davitd: the same output, errors and exit codes
load lib

setup_file() {
    [[ $(docker --version 2>/dev/null) =~ ' 28.' ]] || return 0
    engine_names
    start_davitd
    busybox_image
    "$davit" tag busybox second:2
    "$davit" run -d --name web -l a=b -v data:/data --expose 80 busybox sh -c 'echo one; echo two >&2; exec sleep 1000'
    "$davit" run --name gone busybox sh -c 'exit 3' || true
    "$davit" create --name made -v /anon busybox true
    "$davit" volume create --label k=v lab
    wait_for has_printed
}
teardown_file() { [ -z "${T_RUN-}" ] || stop_engine; }
has_printed() { [ "$("$davit" logs web 2>&1 | wc -l)" -eq 2 ]; }

# answer PROGRAM LINE: what it says and its code; it speaks of davit instead of docker.
answer() {
    local code=0
    eval "timeout 20 $1 $2" >"$T/said" 2>"$T/errors" </dev/null || code=$?
    sed 's/docker/davit/g; s/Docker/davit/g' "$T/said" "$T/errors"
    echo "exit code $code"
}
# Ages and CPU times change while one looks: what differs three times differs.
same() { # LINE
    local n
    for n in 1 2 3; do
        answer docker "$1" >"$T/docker"
        answer "$davit" "$1" >"$T/davit"
        ! cmp -s "$T/docker" "$T/davit" || return 0
    done
    echo "$1"
    diff "$T/docker" "$T/davit"
}

@test "lines that docker 28 and davit answer alike" {
    [ -n "${T_RUN-}" ] || skip "no docker 28 in PATH"
    local until lines=0 differ=0 line
    until=$(date +%s)
    while IFS= read -r line; do
        [[ $line != '#'* ]] || continue
        lines=$((lines + 1))
        same "${line//UNTIL/$until}" || differ=$((differ + 1))
    done <tests/e2e/same-as-docker.txt
    [ $lines -gt 130 ]
    expect 0 $differ
}

# core: top, update, prune and events, by davit and the API
load lib

setup_file() { engine_names; start_davitd; busybox_image; }
teardown_file() { stop_engine; }
teardown() { remove_containers; }

value() { "$davit" inspect -f "$2" "$1"; }
api() { # METHOD PATH [BODY]: status and body
    curl -s --max-time 20 --unix-socket "$T_RUN/davit.sock" -X "$1" ${3+-H Content-Type:application/json -d "$3"} -w ' %{http_code}' "http://d$2"
}
# The knob of v1 or v2 that holds a limit of container $1.
knob() { # ID V1-CONTROLLER/FILE V2-FILE
    cat "/sys/fs/cgroup/${2%%/*}$T_CGROUP/$1/${2#*/}" 2>/dev/null || cat "/sys/fs/cgroup$T_CGROUP/$1/$3"
}

@test "top: the columns of ps -ef, aux and -o, by host pids" {
    "$davit" run -d --name web busybox sh -c 'sleep 1000 & sleep 1001; :' >/dev/null
    wait_for eval '[ "$("$davit" top web | grep -c " sleep 100[01]$")" -eq 2 ]' # forked, and execed
    run "$davit" top web
    expect_match '^UID +PID +PPID +C +STIME +TTY +TIME +CMD$' "${lines[0]}"
    expect_match "^root +$(value web '{{.State.Pid}}') +[0-9]+ +0 +[0-9:]+ +\? +00:00:00 +sh -c sleep 1000 & sleep 1001; :$" "${lines[1]}"
    expect_match 'sleep 1000$' "${lines[2]}"
    run "$davit" top web aux
    expect_match '^USER +PID +%CPU +%MEM +VSZ +RSS +TTY +STAT +START +TIME +COMMAND$' "${lines[0]}"
    run "$davit" top web -o pid,comm
    expect_match '^[0-9]+ +sleep$' "${lines[2]}"
    run "$davit" top web --forest
    [ "$status" -eq 1 ]
    expect_match "'--forest' are not supported" "$output"
    run "$davit" top web -o comm
    expect_match "Couldn't find PID field in ps output" "$output"
}

@test "top: a terminal's name; only of what runs" {
    "$davit" run -dt --name web busybox sleep 1000 >/dev/null
    expect_match ' pts/[0-9]+ ' "$("$davit" top web | tail -1)"
    "$davit" stop -t 0 web
    run "$davit" top web
    [ "$status" -eq 1 ]
    expect_match 'is not running' "$output"
}

@test "update: a limit reaches the kernel at once, and the next daemon and run" {
    local id
    id=$("$davit" run -d --name web -m 64m --pids-limit 50 busybox sleep 1000)
    [ "$("$davit" update -m 100m --cpu-shares 512 --pids-limit 70 web)" = web ]
    [ "$(knob "$id" memory/memory.limit_in_bytes memory.max)" = 104857600 ]
    [ "$(knob "$id" pids/pids.max pids.max)" = 70 ]
    [ "$(value web '{{.HostConfig.Memory}} {{.HostConfig.CpuShares}} {{.HostConfig.PidsLimit}}')" = "104857600 512 70" ]
    kill_davitd KILL
    start_davitd
    [ "$(value web '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}')" = "104857600 70" ]
    "$davit" restart -t 0 web
    [ "$(knob "$id" memory/memory.limit_in_bytes memory.max)" = 104857600 ]
    "$davit" update --pids-limit -1 web
    [ "$(knob "$id" pids/pids.max pids.max)" = max ]
}

@test "update: Docker's refusals; then nothing has changed" {
    "$davit" run -d --name web -m 64m --cpus 0.5 busybox sleep 1000 >/dev/null
    run "$davit" update -m 1g web
    [ "$status" -eq 1 ]
    expect_match 'Cannot update container .*update the memoryswap at the same time' "$output"
    run "$davit" update --cpu-quota 20000 web
    expect_match 'CPU Quota cannot be updated as NanoCPUs has already been set' "$output"
    run "$davit" update -m 1k web
    expect_match 'Minimum memory limit allowed is 6MB' "$output"
    run "$davit" update web
    expect_match 'you must provide one or more flags' "$output"
    expect_match 'Ulimits cannot be changed by an update.* 400$' "$(api POST /containers/web/update '{"Ulimits":[{"Name":"nofile","Soft":1,"Hard":1}]}')"
    expect_match ' 400$' "$(api POST /containers/web/update '{"Memory":"much"}')"
    expect_match ' 404$' "$(api POST /containers/none/update '{"Memory":100000000}')"
    [ "$(value web '{{.HostConfig.Memory}} {{.HostConfig.CpuQuota}}')" = "67108864 0" ]
}

@test "update: the restart policy of a running and of a --rm container" {
    "$davit" run -d --name web busybox sleep 1000 >/dev/null
    "$davit" run -d --rm --name tmp busybox sleep 1000 >/dev/null
    "$davit" update --restart on-failure:3 web
    [ "$(value web '{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}')" = on-failure:3 ]
    kill -KILL "$(value web '{{.State.Pid}}')"
    wait_for eval '[ "$(value web "{{.RestartCount}} {{.State.Status}}")" = "1 running" ]'
    "$davit" update --restart no web
    kill -KILL "$(value web '{{.State.Pid}}')"
    wait_for eval '[ "$(value web "{{.State.Status}}")" = exited ]'
    run "$davit" update --restart always tmp
    [ "$status" -eq 1 ]
    expect_match 'AutoRemove is enabled' "$output"
}

@test "container prune: what is stopped, by age and label, asked before" {
    "$davit" run -d --name web busybox sleep 1000 >/dev/null
    "$davit" create --name old --label keep busybox >/dev/null
    "$davit" run --name done busybox true
    run "$davit" container prune <<<n
    [ "$status" -eq 1 ]
    expect_match 'WARNING! This will remove all stopped containers' "$output"
    [ "$("$davit" ps -aq | wc -l)" -eq 3 ]
    run "$davit" container prune -f --filter until=1h
    [ "$output" = "Total reclaimed space: 0B" ]
    run "$davit" container prune -f --filter label!=keep
    expect_match 'Deleted Containers:' "${lines[0]}"
    [ "$("$davit" ps -a --format '{{.Names}}' | sort | tr '\n' ' ')" = "old web " ]
    run "$davit" system prune -f
    [ "$status" -eq 0 ]
    [ "$("$davit" ps -a --format '{{.Names}}')" = web ]
    expect_match "invalid filter 'size'.* 400$" "$(api POST '/containers/prune?filters=%7B%22size%22%3A%5B%221%22%5D%7D')"
}

@test "inspect: what has the name, looked for among containers, images, networks, volumes" {
    expect "bridge bridge local" "$("$davit" inspect -f '{{.Name}} {{.Driver}} {{.Scope}}' bridge)"
    expect none "$("$davit" inspect --type network -f '{{.Name}}' none)"
    "$davit" volume create bridge >/dev/null
    "$davit" volume create alone >/dev/null
    expect "bridge local" "$("$davit" inspect -f '{{.Driver}}' bridge alone | xargs)"
    expect local "$("$davit" inspect --type volume -f '{{.Driver}}' bridge)"
    "$davit" create --name bridge busybox true >/dev/null
    expect "/bridge" "$("$davit" inspect -f '{{.Name}}' bridge)"
    "$davit" volume rm bridge alone >/dev/null
    run "$davit" inspect --type network nothing
    [ "$status" -eq 1 ]
    expect_match 'network nothing not found' "$output"
    run "$davit" inspect --type node nothing
    expect '1 unknown type: "node": must be one of "container", "image", "network", "volume"' "$status $output"
}

@test "events: a life in order, filtered, by template and as JSON" {
    local since
    since=$(date +%s.%N)
    "$davit" run --name web --label a=b busybox sh -c 'exit 3' || true
    "$davit" rm web >/dev/null
    run "$davit" events --since "$since" --until "$(date +%s.%N)" --filter type=container --format '{{.Action}}'
    [ "$(tr '\n' ' ' <<<"$output")" = "create attach start die destroy " ]
    run "$davit" events --since "$since" --until "$(date +%s.%N)" --filter event=die --filter label=a=b
    [ "${#lines[@]}" -eq 1 ]
    expect_match '^[0-9-]+T[0-9:]+\.[0-9]{9}(Z|[+-][0-9:]+) container die [0-9a-f]{64} \(a=b, execDuration=0, exitCode=3, image=busybox, name=web\)$' "$output"
    run "$davit" events --since "$since" --until "$(date +%s.%N)" --filter container=web --filter event=create --format json
    [ "$(jq -r '.Actor.Attributes.name' <<<"$output")" = web ]
    run "$davit" events --since "$since" --until "$(date +%s.%N)" --filter container=other
    [ -z "$output" ]
    run "$davit" events --filter size=1
    [ "$status" -eq 1 ]
}

@test "events live: a restart policy's die and start" {
    "$davit" events --filter container=web --format '{{.Action}}' >"$T/events" 3>&- &
    local pid=$!
    "$davit" run -d --name web --restart on-failure:1 busybox sh -c 'exit 3' >/dev/null
    wait_for eval '[ "$(grep -c die "$T/events")" -eq 2 ]'
    kill "$pid"
    [ "$(grep -c start "$T/events")" -eq 2 ]
}

@test "the docker client: top, update, prune, events" {
    command -v docker >/dev/null || skip "no docker client on this machine"
    docker run -d --name web --restart always busybox sleep 1000 >/dev/null
    expect_match 'sleep 1000' "$(docker top web)"
    expect_match '^PID +COMMAND' "$(docker top web -o pid,comm)"
    [ "$(docker update -m 80m --memory-swap 160m --restart no web)" = web ]
    [ "$(docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}' web)" = "83886080 no" ]
    docker stop -t 0 web >/dev/null
    expect_match 'Deleted Containers' "$(docker container prune -f)"
    # Not "--until 0s": the client rounds a span down to whole seconds, which hides the last ones.
    expect_match "container destroy [0-9a-f]+ \\(image=busybox, name=web\\)" \
        "$(docker events --since 1m --until "$(date +%s.%N)" --filter container=web)"
}

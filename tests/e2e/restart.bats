# core: restart policies: back-off, counts, what the user stops, and what a new daemon brings back
load lib

setup_file() { engine_names; start_davitd; busybox_image; }
teardown_file() { stop_engine; }
teardown() { remove_containers; }

value() { "$davit" inspect -f "$2" "$1"; }
has() { [ "$(value "$1" "$2")" = "$3" ]; } # CONTAINER TEMPLATE VALUE
restarts_over() { [ "$(value "$1" '{{.RestartCount}}')" -ge "$2" ]; }
is() { has "$1" '{{.State.Status}}' "$2"; }
again() { kill_davitd "${1:-TERM}"; start_davitd; }
# As if the machine had been started anew: no process left, another boot id on record.
reboot_davitd() {
    kill_davitd KILL
    local g
    for g in /sys/fs/cgroup/*"$T_CGROUP" /sys/fs/cgroup"$T_CGROUP"; do
        [ ! -d "$g" ] || cat "$g"/*/cgroup.procs 2>/dev/null
    done | sort -u | xargs -r kill -KILL 2>/dev/null || true
    python3 -c "import sqlite3
db = sqlite3.connect('$T_ROOT/davit.db')
db.execute(\"UPDATE containers SET boot_id = 'other'\")
db.commit()"
    start_davitd
}

@test "always: runs again after every exit, counted, with a growing back-off" {
    "$davit" run -d --name web --restart always busybox sh -c 'echo run; exit 3' >/dev/null
    wait_for restarts_over web 3
    wait_for is web restarting
    has web '{{.State.Running}} {{.State.Restarting}} {{.State.ExitCode}} {{.State.Pid}}' "true true 3 0"
    expect_match 'Restarting \(3\) ' "$("$davit" ps --filter name=web)"
    # 100 ms, 200, 400, 800: few runs in so short a time.
    [ "$("$davit" logs web | wc -l)" -ge 3 ]
    [ "$(value web '{{.RestartCount}}')" -le 6 ]
}

@test "on-failure: a good exit ends it, a bad one is tried again as often as allowed" {
    "$davit" run -d --name good --restart on-failure busybox true >/dev/null
    "$davit" run -d --name bad --restart on-failure:2 busybox sh -c 'exit 4' >/dev/null
    wait_for is good exited
    has good '{{.RestartCount}}' 0
    wait_for has bad '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' "2 exited 4"
    has bad '{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}' "on-failure 2"
}

@test "stop during the back-off ends it at once; start begins anew" {
    "$davit" run -d --name web --restart always busybox sh -c 'exit 3' >/dev/null
    wait_for restarts_over web 4
    wait_for is web restarting
    run timeout 5 "$davit" stop web
    [ "$status" -eq 0 ]
    is web exited
    "$davit" start web
    wait_for restarts_over web 1
    [ "$(value web '{{.RestartCount}}')" -le 3 ]
}

@test "stop and kill end a running one for good" {
    "$davit" run -d --name web --restart always busybox sleep 1000 >/dev/null
    "$davit" run -d --name db --restart unless-stopped busybox sleep 1000 >/dev/null
    "$davit" stop -t 0 web
    "$davit" kill db
    wait_for is db exited
    is web exited
    "$davit" start web db
    is web running
}

@test "a process that is killed from outside comes back; restart leaves the count alone" {
    "$davit" run -d --name web --restart unless-stopped busybox sleep 1000 >/dev/null
    kill -KILL "$(value web '{{.State.Pid}}')"
    wait_for has web '{{.RestartCount}} {{.State.Status}}' "1 running"
    "$davit" restart -t 0 web
    has web '{{.RestartCount}} {{.State.Status}}' "0 running"
}

@test "waiting: each exit is told; a removal needs force, pause and exec are refused" {
    "$davit" run -d --name web --restart always busybox sh -c 'exit 3' >/dev/null
    wait_for restarts_over web 4
    run timeout 10 "$davit" wait web
    [ "$output" = 3 ]
    wait_for restarts_over web 6
    wait_for is web restarting
    run "$davit" rm web
    [ "$status" -eq 1 ]
    expect_match 'container is restarting: stop the container before removing or force remove' "$output"
    run "$davit" exec web true
    expect_match 'is restarting, wait until the container is running' "$output"
    run "$davit" pause web
    expect_match 'is restarting, wait until the container is running' "$output"
    "$davit" rm -f web
    [ -z "$("$davit" ps -aq)" ]
}

@test "policies that contradict themselves are refused" {
    run "$davit" run --rm --restart always busybox true
    [ "$status" -eq 125 ]
    expect_match 'conflicting options: cannot specify both --restart and --rm' "$output"
    run "$davit" create --restart sometimes busybox
    expect_match "unknown policy 'sometimes'" "$output"
    run "$davit" create --restart always:3 busybox
    expect_match "maximum retry count can only be used with 'on-failure'" "$output"
    run "$davit" create --restart on-failure:-1 busybox
    expect_match "maximum retry count cannot be negative" "$output"
}

@test "a restart that fails ends there, with its reason" {
    mkdir -p "$T/mnt"
    "$davit" run -d --name web --restart always --mount "type=bind,src=$T/mnt,dst=/mnt" busybox sleep 1000 >/dev/null
    rmdir "$T/mnt"
    kill -KILL "$(value web '{{.State.Pid}}')"
    wait_for is web exited
    expect_match . "$(value web '{{.State.Error}}')"
    mkdir "$T/mnt"
    "$davit" start web
    is web running
}

@test "a daemon that was away brings back what ended meanwhile, and goes on with a back-off" {
    "$davit" run -d --name web --restart unless-stopped busybox sleep 1000 >/dev/null
    "$davit" run -d --name loop --restart always busybox sh -c 'exit 3' >/dev/null
    "$davit" run -d --name once busybox sleep 1000 >/dev/null
    local pid
    pid=$(value web '{{.State.Pid}}')
    wait_for restarts_over loop 5
    wait_for is loop restarting
    kill_davitd KILL
    kill -KILL "$pid"
    wait_for gone "$pid"
    start_davitd
    wait_for is web running
    [ "$(value web '{{.State.Pid}}')" != "$pid" ]
    wait_for restarts_over loop 6
    is once running
}

@test "a daemon's start: always comes back though stopped, unless-stopped does not" {
    "$davit" run -d --name web --restart always busybox sleep 1000 >/dev/null
    "$davit" run -d --name db --restart unless-stopped busybox sleep 1000 >/dev/null
    "$davit" create --name new --restart always busybox sleep 1000 >/dev/null
    "$davit" stop -t 0 web db
    again
    wait_for is web running
    is db exited
    is new created
}

@test "after a reboot the policies start again what ran" {
    "$davit" run -d --name web --restart always busybox sleep 1000 >/dev/null
    "$davit" run -d --name db --restart unless-stopped busybox sleep 1000 >/dev/null
    "$davit" run -d --name off --restart unless-stopped busybox sleep 1000 >/dev/null
    "$davit" run -d --name once busybox sleep 1000 >/dev/null
    "$davit" stop -t 0 off
    reboot_davitd
    wait_for is web running
    wait_for is db running
    wait_for is once exited
    has once '{{.State.ExitCode}}' 255
    is off exited
}

@test "a shutdown stops them; the next daemon starts what a policy covers" {
    "$davit" run -d --name web --restart unless-stopped busybox sleep 1000 >/dev/null
    "$davit" run -d --name loop --restart always busybox sh -c 'exit 3' >/dev/null
    "$davit" run -d --name once busybox sleep 1000 >/dev/null
    wait_for restarts_over loop 2
    "$davit" system shutdown
    wait_for gone "$(cat "$T/davitd.pid")"
    [ -z "$(leftovers | grep -v 'container directory')" ]
    start_davitd
    wait_for is web running
    wait_for restarts_over loop 3
    is once exited
}

@test "a daemon killed at any step of a restart: the next one goes on with it" {
    [ -n "$(strings -a "$DAVIT_BIN/davitd" | grep -m1 DAVIT_TEST_KILL)" ] || skip "built without test hooks"
    local point n
    for point in exit-told:2 exit-recorded:2 exit-settled:2 start-prepared:3 start-spawned:3 start-created:3 start-gone:3; do
        kill_davitd TERM
        DAVIT_TEST_KILL=$point start_davitd
        "$davit" run -d --name loop --restart always busybox sh -c 'exit 3' >/dev/null
        wait_for gone "$(cat "$T/davitd.pid")"
        start_davitd
        n=$(value loop '{{.RestartCount}}')
        [ "$n" -ge 2 ]
        wait_for restarts_over loop $((n + 2))
        "$davit" rm -f loop >/dev/null
    done
    run "$davit" run --name once --restart on-failure:1 busybox sh -c 'echo hi; exit 3'
    [ "$status $output" = "3 hi" ]
}

gone_container() { ! "$davit" inspect "$1" >/dev/null 2>&1; }
logged() { "$davit" logs "$1" 2>&1 | grep -q "$2"; } # CONTAINER TEXT
actions() { "$davit" events --since 1h --until "$(date +%s.%N)" --filter container="$1" --filter type=container --format '{{.Action}}' | grep -vE 'create|attach|exec' | xargs; }

@test "--rm: what ends while no daemon is there is removed by the next one, after a reboot too" {
    local id volume
    id=$("$davit" run -d --rm --name brief -v /data busybox sleep 1000)
    volume=$("$davit" inspect brief | jq -r '.[0].Mounts[0].Name')
    "$davit" run -d --rm --name stays busybox sleep 1000 >/dev/null
    local pid
    pid=$(value brief '{{.State.Pid}}')
    kill_davitd KILL
    kill -KILL "$pid"
    wait_for gone "$pid"
    start_davitd
    wait_for gone_container brief
    expect_match '^(start )?die destroy$' "$(actions "$id")" # the last events before a SIGKILL may be lost
    run "$davit" volume inspect "$volume"
    [ "$status" -eq 1 ]
    is stays running
    reboot_davitd
    wait_for gone_container stays
}

@test "a reboot in the middle of a back-off and of a stop" {
    "$davit" run -d --name loop --restart always busybox sh -c 'exit 3' >/dev/null
    "$davit" run -d --name stopping --restart unless-stopped busybox sh -c 'trap "echo told" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
    wait_for logged stopping ready
    wait_for restarts_over loop 4
    wait_for is loop restarting
    local n
    n=$(value loop '{{.RestartCount}}')
    "$davit" stop -t 60 stopping >/dev/null 2>&1 3>&- &
    wait_for logged stopping told
    reboot_davitd
    wait "$!" || true
    wait_for restarts_over loop $((n + 1))
    wait_for is stopping exited # the user wanted it to stop
    "$davit" start stopping
    is stopping running
}

@test "a daemon killed in the middle of a stop: the policy does not bring back what the user stopped" {
    "$davit" run -d --name web --restart unless-stopped busybox sh -c 'trap "echo told; read x < /fifo; exit 0" TERM; mkfifo /fifo; echo ready; while :; do sleep 0.1; done' >/dev/null
    wait_for logged web ready
    "$davit" stop -t 60 web >/dev/null 2>&1 3>&- &
    wait_for logged web told
    local pid
    pid=$(value web '{{.State.Pid}}')
    again KILL
    wait "$!" || true
    is web running
    [ "$(value web '{{.State.Pid}}')" = "$pid" ]
    "$davit" exec web sh -c 'echo > /fifo'
    wait_for is web exited
    has web '{{.State.ExitCode}} {{.RestartCount}}' "0 0"
    again
    is web exited
}

@test "a daemon killed in the middle of a restart or a removal: nothing hangs, nothing is half there" {
    "$davit" run -d --name web busybox sh -c 'trap "echo told" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
    wait_for logged web ready
    "$davit" restart -t 60 web >/dev/null 2>&1 3>&- &
    wait_for logged web told
    again KILL
    wait "$!" || true
    is web running
    "$davit" restart -t 0 web
    is web running
    "$davit" rm -f web >/dev/null
    gone_container web
}

@test "stop signals and time-outs: the container's, the request's, and what follows them" {
    "$davit" run -d --name own --stop-signal USR1 busybox sh -c 'trap "exit 7" USR1; trap "" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
    wait_for logged own ready
    "$davit" stop -t 30 own
    has own '{{.State.ExitCode}}' 7
    expect "start kill die stop" "$(actions own)"
    "$davit" run -d --name deaf --stop-timeout 1 busybox sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
    wait_for logged deaf ready
    run timeout 25 "$davit" stop deaf
    [ "$status" -eq 0 ]
    has deaf '{{.State.ExitCode}} {{.State.OOMKilled}}' "137 false"
    expect "start kill kill die stop" "$(actions deaf)"
    expect "15 9" "$("$davit" events --since 1h --until "$(date +%s.%N)" --filter container=deaf --filter event=kill --format '{{.Actor.Attributes.signal}}' | xargs)"
    "$davit" run -d --name asked busybox sh -c 'trap "exit 8" INT; trap "" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
    wait_for logged asked ready
    "$davit" stop -s INT -t 30 asked
    has asked '{{.State.ExitCode}}' 8
}

@test "oom: the event before die, OOMKilled, code 137, and a policy's next run begins without it" {
    run "$davit" run --name eats -m 24m --memory-swap 24m busybox sh -c 'exec dd if=/dev/zero of=/dev/null bs=100M count=1'
    [ "$status" -eq 137 ]
    has eats '{{.State.OOMKilled}} {{.State.ExitCode}} {{.State.Status}}' "true 137 exited"
    expect "start oom die" "$(actions eats)"
    expect 137 "$("$davit" events --since 1h --until "$(date +%s.%N)" --filter container=eats --filter event=die --format '{{.Actor.Attributes.exitCode}}')"
    again KILL
    has eats '{{.State.OOMKilled}} {{.State.ExitCode}}' "true 137"
    # It ends while no daemon is there.
    "$davit" run -d --name later -m 24m --memory-swap 24m busybox sh -c 'mkfifo /fifo; echo ready; read x < /fifo; exec dd if=/dev/zero of=/dev/null bs=100M count=1' >/dev/null
    wait_for logged later ready
    local pid root
    pid=$(value later '{{.State.Pid}}')
    kill_davitd KILL
    echo >"/proc/$pid/root/fifo"
    wait_for gone "$pid"
    start_davitd
    wait_for has later '{{.State.OOMKilled}} {{.State.ExitCode}} {{.State.Status}}' "true 137 exited"
    expect_match '^(start )?oom die$' "$(actions later)"
    "$davit" run -d --name again --restart on-failure:1 -m 24m --memory-swap 24m busybox sh -c '[ ! -e /ran ] || exec sleep 1000; touch /ran; exec dd if=/dev/zero of=/dev/null bs=100M count=1' >/dev/null
    wait_for has again '{{.RestartCount}} {{.State.Status}} {{.State.OOMKilled}}' "1 running false"
    expect "start oom die start" "$(actions again)"
}

# A container whose init lives on when what it starts is killed: a line in /eat is one bite too many.
eater() { # NAME OPTION...
    "$davit" run -d --name "$@" busybox sh -c 'mkfifo /eat; echo ready; while :; do read x </eat; dd if=/dev/zero of=/dev/null bs=100M count=1; echo "eaten $?"; done' >/dev/null
    wait_for logged "$1" ready
}
eat() { echo >"/proc/$1/root/eat"; } # PID of the container; it takes no daemon
ooms() { [ "$(actions "$1" | xargs -n1 | grep -c oom)" -eq "$2" ]; } # CONTAINER HOW_MANY
eaten() { [ "$(grep -c 'eaten 137' "$T_ROOT/containers/$1/$1-json.log")" -ge "$2" ]; } # ID TIMES

@test "oom: what the init survives is told while it runs, once, by this daemon or the next one" {
    local id pid
    eater lives -m 24m --memory-swap 24m
    id=$(value lives '{{.Id}}')
    pid=$(value lives '{{.State.Pid}}')
    has lives '{{.State.OOMKilled}}' false
    eat "$pid"
    wait_for ooms lives 1
    has lives '{{.State.OOMKilled}} {{.State.Status}} {{.State.Pid}}' "true running $pid"
    expect "busybox lives" "$("$davit" events --since 1h --until "$(date +%s.%N)" --filter event=oom --filter container=lives --format '{{.Actor.Attributes.image}} {{.Actor.Attributes.name}}')"
    run "$davit" exec lives dd if=/dev/zero of=/dev/null bs=100M count=1
    [ "$status" -eq 137 ]
    wait_for ooms lives 2
    again KILL
    ooms lives 2
    has lives '{{.State.OOMKilled}} {{.State.Status}}' "true running"
    # While no daemon is there.
    kill_davitd KILL
    eat "$pid"
    wait_for eaten "$id" 2
    start_davitd
    wait_for ooms lives 3
    again TERM
    eat "$pid"
    wait_for ooms lives 4
    "$davit" kill lives >/dev/null
    wait_for is lives exited
    expect "start oom oom oom oom kill die" "$(actions lives)"
    has lives '{{.State.OOMKilled}}' true
    "$davit" start lives >/dev/null
    has lives '{{.State.OOMKilled}}' false
}

@test "oom: a limit that comes by an update is watched, too" {
    eater grows
    "$davit" update -m 24m --memory-swap 24m grows >/dev/null
    eat "$(value grows '{{.State.Pid}}')"
    wait_for ooms grows 1
    "$davit" update -m 26m --memory-swap 26m grows >/dev/null
    eat "$(value grows '{{.State.Pid}}')"
    wait_for ooms grows 2
    "$davit" rm -f grows >/dev/null
}

@test "oom: a daemon that is killed while it tells one: the next one has it told once" {
    [ -n "$(strings -a "$DAVIT_BIN/davitd" | grep -m1 DAVIT_TEST_KILL)" ] || skip "built without test hooks"
    local pid point n=0
    eater told -m 24m --memory-swap 24m
    pid=$(value told '{{.State.Pid}}')
    for point in oom-counted oom-kept; do
        kill_davitd TERM
        DAVIT_TEST_KILL=$point start_davitd
        eat "$pid"
        wait_for gone "$(cat "$T/davitd.pid")"
        start_davitd
        n=$((n + 1))
        wait_for ooms told $n
        has told '{{.State.OOMKilled}} {{.State.Status}}' "true running"
    done
    "$davit" kill told >/dev/null
    wait_for is told exited
    expect "start oom oom kill die" "$(actions told)"
}

# core: prune - sizes of images and containers, and what goes when nobody uses it
load lib

bats_require_minimum_version 1.5.0

setup_file() {
    engine_names
    start_davitd
    tools/busybox-rootfs >"$T/rootfs.tar"
    base_image
    export T_BASE_BYTES=$("$davit" inspect --type image -f '{{.Size}}' busybox)
}
# From the tar that the other images begin with: they share its layer.
base_image() { "$davit" import -c 'CMD ["sh"]' "$T/rootfs.tar" busybox:latest >/dev/null; }
teardown_file() { stop_engine; }
teardown() {
    remove_containers -v
    "$davit" images --format '{{.ID}} {{.Repository}}' --no-trunc | while read -r id name; do
        [ "$name" = busybox ] || "$davit" rmi -f "$id" >/dev/null
    done
    "$davit" volume prune -af >/dev/null
}

api() { curl -s --max-time 60 --unix-socket "$T_RUN/davit.sock" "http://d$1" "${@:2}"; }
filters() { python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1]))' "$1"; }
# An image with a layer of so many bytes on busybox: sized NAME BYTES [MKIMAGE ARGUMENT...]
sized() {
    mkdir -p "$T/made"
    head -c "$2" /dev/urandom >"$T/made/data"
    tar cf "$T/made.tar" -C "$T/made" data
    python3 tests/lib/mkimage --rootfs "$T/rootfs.tar" --layer "$T/made.tar" --name "$1" "${@:3}" "$T/image.tar" >"$T/id"
    "$davit" load -qi "$T/image.tar" >/dev/null
}
repositories() { "$davit" images --format '{{.Repository}}' "$@" | sort | xargs; }

# ---- containers ----

@test "sizes of a container: ps --size, inspect --size, and nothing measured without them" {
    "$davit" run -d --name writer busybox sh -c 'head -c 30000 /dev/zero >/tmp/a; ln /tmp/a /tmp/b; echo ready; sleep 1000' >/dev/null
    ready() { "$davit" logs writer | grep -q ready; }
    wait_for ready
    "$davit" create --name still busybox >/dev/null
    expect "30kB (virtual $((T_BASE_BYTES + 30000)))" "$("$davit" ps -s --filter name=writer --format '{{.Size}}' |
        sed "s/virtual .*)/virtual $(api '/containers/json?size=1' | jq '.[] | select(.Names[0] == "/writer") | .SizeRootFs'))/")"
    expect 30000 "$("$davit" inspect --size -f '{{.SizeRw}}' writer)"
    expect "0 $T_BASE_BYTES" "$("$davit" inspect --size -f '{{.SizeRw}} {{.SizeRootFs}}' still)"
    expect_match '^0B \(virtual ' "$("$davit" ps -as --filter name=still --format '{{.Size}}')"
    expect_match 'SIZE$' "$("$davit" ps -s | head -1)"
    expect null "$("$davit" inspect still | jq '.[0].SizeRootFs')"
    expect '[false,false]' "$(api '/containers/json?all=1' | jq -c 'map(has("SizeRw") or has("SizeRootFs"))')"
}

@test "container prune: what it reclaims, by filters; the running one stays" {
    "$davit" run --name big busybox sh -c 'head -c 50000 /dev/zero >/data'
    "$davit" run --name labelled --label keep=yes busybox sh -c 'head -c 7000 /dev/zero >/data'
    "$davit" run -d --name up busybox sleep 1000 >/dev/null
    expect "labelled up" "$("$davit" container prune -f --filter 'label!=keep=yes' >"$T/out"; "$davit" ps -a --format '{{.Names}}' | sort | xargs)"
    expect "Total reclaimed space: 50kB" "$(tail -1 "$T/out")"
    expect "Total reclaimed space: 0B" "$("$davit" container prune -f --filter until=1h | tail -1)"
    expect '{"n":1,"bytes":7000}' "$(api /containers/prune -X POST | jq -c '{n: (.ContainersDeleted | length), bytes: .SpaceReclaimed}')"
    expect '{"ContainersDeleted":null,"SpaceReclaimed":0}' "$(api /containers/prune -X POST | jq -c .)"
    expect up "$("$davit" ps -a --format '{{.Names}}')"
}

@test "inspect tells where a container's and an image's files lie" {
    "$davit" create --name laid busybox >/dev/null
    "$davit" inspect laid >"$T/c"
    expect overlay "$(jq -r '.[0].GraphDriver.Name' "$T/c")"
    expect "LowerDir UpperDir WorkDir" "$(jq -r '.[0].GraphDriver.Data | keys | join(" ")' "$T/c")"
    [ -x "$(jq -r '.[0].GraphDriver.Data.LowerDir' "$T/c")/bin/busybox" ]
    [ -d "$(jq -r '.[0].GraphDriver.Data.UpperDir' "$T/c")" ]
    [ -d "$(jq -r '.[0].GraphDriver.Data.WorkDir' "$T/c")" ]
    expect "$(jq -r '.[0].GraphDriver.Data.LowerDir' "$T/c")" \
        "$("$davit" inspect --type image -f '{{.GraphDriver.Data.UpperDir}}' busybox)"
}

@test "sizes with vfs, whose layers are whole trees: what the container wrote, no paths" {
    kill_davitd TERM
    start_davitd --set storage.driver=vfs
    "$davit" run --name copied busybox sh -c 'head -c 6000 /dev/zero >/data'
    expect "6000 $((T_BASE_BYTES + 6000))" "$("$davit" inspect --size -f '{{.SizeRw}} {{.SizeRootFs}}' copied)"
    expect '{"Data":null,"Name":"vfs"}' "$("$davit" inspect copied | jq -c '.[0].GraphDriver')"
    expect "Total reclaimed space: 6kB" "$("$davit" container prune -f | tail -1)"
    kill_davitd TERM
    start_davitd
}

# ---- images ----

@test "image prune: dangling ones only, or all that no container uses" {
    sized named:1 40000
    sized used:1 5000
    sized moved:1 20000
    old=$(cat "$T/id")
    sized moved:1 30000 --config '{"Labels":{"new":"yes"}}'
    "$davit" create --name user used:1 >/dev/null
    run "$davit" image prune -f
    expect "Deleted Images:" "${lines[0]}"
    expect "deleted: $old" "${lines[1]}"
    expect_match '^deleted: sha256:' "${lines[2]}"
    expect "Total reclaimed space: 20kB" "${lines[-1]}"
    expect "Total reclaimed space: 0B" "$("$davit" image prune -f)"
    expect "busybox moved named used" "$(repositories)"
    run "$davit" image prune -af --filter label=new
    expect "untagged: moved:1" "${lines[1]}"
    expect "Total reclaimed space: 30kB" "${lines[-1]}"
    "$davit" tag busybox keep:1
    "$davit" create --name keeper keep:1 >/dev/null
    expect "Total reclaimed space: 40kB" "$("$davit" image prune -af | tail -1)"
    expect "busybox keep used" "$(repositories)"
    "$davit" rmi keep:1 >/dev/null || true
}

@test "image prune: until, label and label!; what is asked before" {
    sized young:1 1000 --config '{"Labels":{"a":"1"}}'
    "$davit" import - fresh:1 <"$T/rootfs.tar" >/dev/null
    "$davit" create --name holder busybox >/dev/null
    expect "ImagesDeleted SpaceReclaimed" "$(api "/images/prune?filters=$(filters '{"dangling":["false"],"until":["2020-01-01T00:00:00Z"]}')" -X POST | jq -r 'keys | join(" ")')"
    expect "busybox fresh young" "$(repositories)"
    "$davit" image prune -af --filter 'label!=a' >/dev/null
    expect "busybox young" "$(repositories)"
    "$davit" import - fresh:1 <"$T/rootfs.tar" >/dev/null
    # mkimage's images are of 2024.
    "$davit" image prune -af --filter until=24h >/dev/null
    expect "busybox fresh" "$(repositories)"
    run "$davit" image prune -f --filter nonsense=1
    expect 1 "$status"
    expect_match "invalid filter 'nonsense'" "$output"
    run "$davit" image prune <<<n
    expect 1 "$status"
    expect_match 'WARNING! This will remove all dangling images.' "$output"
    expect_match 'image prune has been cancelled' "$output"
    "$davit" image prune -a <<<y >/dev/null
    expect busybox "$(repositories)"
}

@test "the list's filters, and the size that images share" {
    sized one:1 6000
    sized two:1 9000 --config '{"Labels":{"kind":"two"}}'
    "$davit" import -c 'LABEL kind=late' - late:1 <"$T/rootfs.tar" >/dev/null
    images() { "$davit" images --format '{{.Repository}}' --filter "$@" | sort | xargs; }
    expect "late two" "$(images label=kind)"
    expect two "$(images label=kind=two)"
    expect "busybox one two" "$(images before=late:1)"
    expect "busybox late" "$(images since=one:1)"
    expect "one two" "$(images until=24h)"
    expect "one two" "$(images until=2025-01-01T00:00:00Z)"
    expect "one" "$(images reference='o*')"
    expect "" "$(images dangling=true)"
    list() { api "/v1.$1/images/json$2" | jq -c "[.[] | select(.RepoTags[0] == \"one:1\") | .SharedSize, .Containers][0:2]"; }
    expect '[-1,-1]' "$(list 51)"
    expect "[$((T_BASE_BYTES)),-1]" "$(list 51 '?shared-size=1')"
    expect '[-1,-1]' "$(list 41 '?shared-size=1')"
}

@test "history: a step a line, newest first, with the sizes of its layers" {
    sized steps:1 12000
    id=$(cat "$T/id")
    run "$davit" history steps:1
    expect_match '^IMAGE +CREATED +CREATED BY +SIZE +COMMENT$' "${lines[0]}"
    expect_match "^${id:7:12} +.* years? ago +mkimage 1 +12kB" "${lines[1]}"
    expect_match '^<missing> +.* years? ago +mkimage 0 ' "${lines[2]}"
    expect "12000 $T_BASE_BYTES" "$("$davit" history -H=false --format '{{.Size}}' steps:1 | xargs)"
    expect_match '^IMAGE +CREATED AT +CREATED BY' "$("$davit" history --human=false steps:1 | head -1)"
    expect_match '2024-01-01T' "$("$davit" history --human=false steps:1 | tail -1)"
    expect "$id <missing>" "$("$davit" history -q --no-trunc steps:1 | xargs)"
    expect "$id" "$("$davit" history --format json --no-trunc steps:1 | head -1 | jq -r .ID)"
    run "$davit" history --platform linux/s390x steps:1
    expect 1 "$status"
    expect_match 'platform' "$output"
    run "$davit" history none
    expect_match 'No such image: none' "$output"
}

# ---- the system ----

@test "system df: totals, each object, as JSON; and what system prune gives back of it" {
    sized idle:1 8000
    "$davit" volume create full >/dev/null
    "$davit" run --name ended -v full:/v busybox sh -c 'head -c 9000 /dev/zero >/data; head -c 4000 /dev/zero >/v/x'
    "$davit" volume create alone >/dev/null
    expect "Images 2 1" "$("$davit" system df --format '{{.Type}} {{.TotalCount}} {{.Active}}' | head -1)"
    run "$davit" system df
    expect_match '^TYPE +TOTAL +ACTIVE +SIZE +RECLAIMABLE$' "${lines[0]}"
    expect_match '^Containers +1 +0 +9kB +9kB \(100%\)' "${lines[2]}"
    expect_match '^Local Volumes +2 +1 +4kB +0B \(0%\)' "${lines[3]}"
    expect_match '^Build Cache +0 +0 +0B +0B' "${lines[4]}"
    run "$davit" system df -v
    expect_match 'Images space usage:' "$output"
    expect_match "idle +1 +[0-9a-f]{12} .* 8kB +0" "$output"
    expect_match "ended" "$output"
    expect_match "full +1 +4kB" "$output"
    expect 2 "$("$davit" system df -v --format json | jq '.Volumes | length')"
    expect '[null,null,1]' "$(api '/system/df?type=container' | jq -c '[.Images, .Volumes, (.Containers | length)]')"
    expect 0 "$(api /v1.41/system/df | jq .BuilderSize)"
    expect 400 "$(api '/system/df?type=nonsense' -o "$T/answer" -w '%{http_code}')"
    run "$davit" system prune -af
    expect "Total reclaimed space: $(python3 -c "print('%.4g' % ((9000 + $T_BASE_BYTES + 8000) / 1e6))")MB" "${lines[-1]}"
    expect "" "$(repositories)"
    base_image
}

@test "the docker client: ps -s, history, image prune, system df" {
    command -v docker >/dev/null || skip "no docker client in PATH"
    export DOCKER_CONFIG=$T/docker-config
    "$davit" run --name ended busybox sh -c 'head -c 9000 /dev/zero >/data'
    sized used:1 7000
    for words in 'ps -as --format {{.Size}}' 'history -q used:1' 'history --human=false used:1' 'system df' \
        'images --format {{.Repository}}' 'container inspect -s -f {{.SizeRw}} ended'; do
        expect "$(docker $words)" "$("$davit" $words)"
    done
    # A second may pass between the two.
    ages() { sed -E 's/(Less than a|About a|[0-9]+) (second|minute)s?/T/g; s/ +/ /g'; }
    docker system df -v | ages >"$T/theirs"
    "$davit" system df -v | ages >"$T/ours"
    diff "$T/theirs" "$T/ours"
    expect "Total reclaimed space: 7kB" "$(docker image prune -af --filter label!=x | tail -1)"
    expect "Total reclaimed space: 9kB" "$(docker container prune -f | tail -1)"
    # Networks and a build cache go with it, of which there are none.
    expect "Total reclaimed space: 0B" "$(docker system prune -f --volumes)"
    expect "" "$(docker network prune -f)"
}

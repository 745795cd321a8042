# core: save - archives of images, and who reads them: davit, dockerd, skopeo, umoci
load lib

bats_require_minimum_version 1.5.0

setup_file() {
    engine_names
    start_davitd
    busybox_image
    tools/busybox-rootfs >"$T/rootfs.tar"
    head -c 30000000 /dev/urandom >"$T/random"
    python3 tests/lib/mkimage --rootfs "$T/rootfs.tar" --layers 2 --compress gzip \
        --name multi:1,multi:2,example.org/team/x:3 "$T/image.tar" >"$T/multi.id"
    "$davit" load -qi "$T/image.tar"
    "$davit" save -o "$T/saved.tar" multi
}
teardown_file() { stop_engine; }
teardown() {
    if [ -n "${pids-}" ]; then kill -9 $pids 2>/dev/null || true; fi
    "$davit" rmi -f big:1 >/dev/null 2>&1 || true
    wait_for no_workers
}

api() { curl -s --max-time 60 --unix-socket "$T_RUN/davit.sock" "http://d$1" "${@:2}"; }
id_of() { "$davit" inspect --type image -f '{{.Id}}' "$1"; }
# Processes that davitd started and that are there, dead or alive: workers, as long as none runs a container.
workers() { cat /proc/"$(cat "$T/davitd.pid")"/task/*/children | wc -w; }
no_workers() { [ "$(workers)" = 0 ]; }
blobs() { ls "$T_ROOT/images/blobs/sha256"; }
document() { tar xOf "$1" "$2" | jq -c "$3"; }

# A second engine of its own: elsewhere COMMAND...
elsewhere() (
    first=$T
    engine_names
    start_davitd
    "$@"
    stop_engine
)

# An image of 30 MB, which no pipe and no socket takes at once.
big_image() {
    tar cf "$T/big.tar" -C "$T" random
    python3 tests/lib/mkimage --rootfs "$T/rootfs.tar" --layer "$T/big.tar" --name big:1 "$T/big-image.tar" >"$T/big.id"
    "$davit" load -qi "$T/big-image.tar"
}

# Begin to save big:1 by a client that reads nothing until descriptor 4 is read from. $1: its pid.
begin_slowly() {
    rm -f "$T/slow"
    mkfifo "$T/slow"
    exec 4<>"$T/slow"
    rm -f "$T/slow.head"
    curl -s --unix-socket "$T_RUN/davit.sock" -D "$T/slow.head" -o "$T/slow" http://d/images/big:1/get 3>&- 4>&- &
    pids=$!
    wait_for one_worker
    wait_for test -s "$T/slow.head" # the answer has begun: what ends it now cuts the archive short
}
one_worker() { [ "$(workers)" = 1 ]; }

@test "an archive is an OCI layout and has docker's manifest.json; the same bytes each time" {
    id=$(cat "$T/multi.id")
    expect "blobs/ blobs/sha256/ index.json manifest.json oci-layout" \
        "$(tar tf "$T/saved.tar" | grep -v 'sha256/.' | xargs)"
    expect "blobs/sha256/${id#sha256:}" "$(document "$T/saved.tar" manifest.json '.[0].Config' | tr -d '"')"
    expect '["multi:1","multi:2"]' "$(document "$T/saved.tar" manifest.json '.[0].RepoTags')"
    expect 3 "$(document "$T/saved.tar" manifest.json '.[0].Layers | length')"
    expect '["docker.io/library/multi:1","docker.io/library/multi:2"]' \
        "$(document "$T/saved.tar" index.json '[.manifests[].annotations["io.containerd.image.name"]]')"
    expect '["1","2"]' \
        "$(document "$T/saved.tar" index.json '[.manifests[].annotations["org.opencontainers.image.ref.name"]]')"
    tar xf "$T/saved.tar" -C "$T" --one-top-level=layout
    for f in "$T"/layout/blobs/sha256/*; do
        expect "${f##*/}" "$(sha256sum <"$f" | cut -d' ' -f1)"
    done
    "$davit" save multi:2 multi | cmp - "$T/saved.tar" || [ "$("$davit" save multi:1 multi:2 | sha256sum)" = \
        "$(sha256sum <"$T/saved.tar")" ]
    "$davit" save -o /dev/stdout multi | cmp - "$T/saved.tar"
}

@test "names: a repository is all its tags, an id none; several images share their blobs" {
    id=$(cat "$T/multi.id")
    save() { "$davit" save "$@" | tar xO manifest.json | jq -c '[.[].RepoTags]'; }
    expect '[["multi:1"]]' "$(save multi:1)"
    expect '[["multi:1","multi:2"]]' "$(save multi)"
    expect '[["example.org/team/x:3"]]' "$(save example.org/team/x:3)"
    expect '[null]' "$(save "${id:7:12}")"
    expect '[null]' "$(save "$id")"
    expect '[["multi:1"]]' "$(save "$id" multi:1)"
    expect '[["busybox:latest"],["multi:1","multi:2"]]' "$(save busybox multi)"
    expect '[["multi:2","multi:1"]]' "$(save multi:2 multi)"
    expect '[["multi:1"]]' "$(api /images/multi:1/get | tar xO manifest.json | jq -c '[.[].RepoTags]')"
    expect 5 "$("$davit" save multi:1 multi:2 "$id" | tar t | grep -c 'sha256/.')"
}

@test "saved here, loaded in another engine: the same id and names, and the same archive again" {
    again() {
        expect "Loaded image: multi:1
Loaded image: multi:2" "$("$davit" load -i "$first/saved.tar" | sort)"
        expect "$(cat "$first/multi.id")" "$(id_of multi:1)"
        expect "1 2" "$("$davit" run --rm multi:2 ls /layer | xargs)"
        "$davit" save multi | cmp - "$first/saved.tar"
    }
    elsewhere again
}

@test "refused before it begins: no such image, another platform, a blob that is gone, a terminal" {
    run "$davit" save -o "$T/none.tar" multi:1 no-such-image
    expect 1 "$status"
    expect_match 'No such image: no-such-image' "$output"
    run "$davit" save --platform linux/s390x -o "$T/none.tar" multi:1
    expect 1 "$status"
    expect_match 'platform.*linux/s390x' "$output"
    "$davit" save --platform "linux/$("$davit" version -f '{{.Server.Arch}}')" multi | cmp - "$T/saved.tar"
    blob=$(document "$T/saved.tar" manifest.json '.[0].Layers[1]' | tr -d '"')
    mv "$T_ROOT/images/$blob" "$T/blob"
    run "$davit" save -o "$T/none.tar" multi
    mv "$T/blob" "$T_ROOT/images/$blob"
    expect 1 "$status"
    expect_match "lacks blob sha256:${blob##*/}" "$output"
    [ ! -e "$T/none.tar" ]
    expect 404 "$(api /images/get?names=none -o "$T/answer" -w '%{http_code}')"
    expect 400 "$(api /images/get -o "$T/answer" -w '%{http_code}')"
    run script -qec "$davit save multi" /dev/null
    expect_match 'cowardly refusing to save to a terminal' "$output"
    run "$davit" save -o "$T" multi
    expect "1 failed to save image: cannot write to a directory" "$status $output"
    run "$davit" save -o "$T/no/such/folder/x.tar" multi
    expect 1 "$status"
    expect "failed to save image: invalid output path: stat $T/no/such/folder: no such file or directory" "$output"
}

@test "a blob that was changed on the disk: the archive breaks off, and what was there stays" {
    blob=$T_ROOT/images/$(document "$T/saved.tar" manifest.json '.[0].Layers[0]' | tr -d '"')
    cp "$blob" "$T/blob"
    printf x | dd of="$blob" bs=1 seek=500000 conv=notrunc status=none
    echo before >"$T/kept.tar"
    run "$davit" save -o "$T/kept.tar" multi
    cp "$T/blob" "$blob"
    expect 1 "$status"
    expect before "$(cat "$T/kept.tar")"
    expect "" "$(ls "$T" | grep 'kept.tar\.' || true)"
    grep -q "has the digest sha256:.*the store is damaged" "$T/davitd.log"
}

@test "a client that reads slowly costs no thread, and holds the image's files" {
    big_image
    begin_slowly
    mkfifo "$T/more"
    exec 5<>"$T/more"
    for n in 1 2 3 4 5 6 7 8; do
        curl -s --unix-socket "$T_RUN/davit.sock" -o "$T/more" http://d/images/big:1/get 3>&- 4>&- 5>&- &
        pids+=" $!"
    done
    all_wait() { [ "$(workers)" = 9 ]; }
    wait_for all_wait
    "$davit" version >/dev/null
    # Threads that took the requests rest for a while, then end: nine archives need none of them.
    few_threads() { [ "$(cat /proc/"$(cat "$T/davitd.pid")"/task/*/comm | grep -cx request)" -le 1 ]; }
    wait_for few_threads
    expect "Untagged: big:1" "$("$davit" rmi big:1 | head -1)"
    expect "" "$("$davit" images -q big)"
    timeout 60 cat <&4 >"$T/slow.tar" 3>&- &
    reader=$!
    wait "${pids%% *}"
    exec 4>&-
    wait_for has_all
    kill $reader 2>/dev/null || true
    again() {
        "$davit" load -qi "$first/slow.tar"
        expect "$(cat "$first/big.id")" "$(id_of big:1)"
    }
    elsewhere again
    kill -9 ${pids#* }
    exec 5>&-
    wait_for no_workers
    # With the last archive go the files of the image that was removed.
    gone_too() { ! blobs | grep -qF "$(sha256sum <"$T/big.tar" | cut -d' ' -f1)"; }
    wait_for gone_too
}
has_all() { tar tf "$T/slow.tar" 2>/dev/null | grep -q oci-layout; }

@test "a client that vanishes leaves no worker, and no hold on the image" {
    big_image
    begin_slowly
    kill -9 $pids
    exec 4>&-
    wait_for no_workers
    "$davit" rmi big:1
    gone_too() { ! blobs | grep -qF "$(sha256sum <"$T/big.tar" | cut -d' ' -f1)"; }
    wait_for gone_too
}

@test "a daemon that ends in the middle of an archive leaves no worker; the archive is not whole" {
    big_image
    for signal in KILL TERM; do
        begin_slowly
        worker=$(cat /proc/"$(cat "$T/davitd.pid")"/task/*/children)
        kill_davitd $signal
        wait_for gone $worker
        timeout 60 cat <&4 >"$T/cut.tar" 3>&- &
        reader=$!
        code=0
        wait $pids || code=$?
        exec 4>&-
        kill $reader 2>/dev/null || true
        expect 18 $code # "transfer closed with outstanding read data remaining"
        start_davitd
    done
    expect "$(cat "$T/big.id")" "$(id_of big:1)"
    "$davit" save big:1 | tar t | grep -q oci-layout
}

@test "the docker client saves, and tells of it by an event" {
    command -v docker >/dev/null || skip "no docker client in PATH"
    export DOCKER_CONFIG=$T/docker-config
    docker save multi:1 multi:2 | cmp - "$T/saved.tar"
    docker image save -o "$T/by-docker.tar" multi
    cmp "$T/by-docker.tar" "$T/saved.tar"
    expect_match "image save $(cat "$T/multi.id")" \
        "$("$davit" events --since 1h --until "$(date +%s.%N)" --filter event=save)"
}

@test "skopeo reads it as docker-archive and as oci-archive" {
    command -v skopeo >/dev/null || skip "no skopeo in PATH"
    skopeo inspect --raw --config "docker-archive:$T/saved.tar:multi:2" >"$T/config"
    expect "$(cat "$T/multi.id")" "sha256:$(sha256sum <"$T/config" | cut -d' ' -f1)"
    skopeo inspect --raw --config "oci-archive:$T/saved.tar:1" >"$T/config"
    expect "$(cat "$T/multi.id")" "sha256:$(sha256sum <"$T/config" | cut -d' ' -f1)"
    skopeo --insecure-policy copy -q "docker-archive:$T/saved.tar:multi:1" "docker-archive:$T/copied.tar:copied:1"
    skopeo --insecure-policy copy -q "oci-archive:$T/saved.tar:2" "dir:$T/copied"
}

# A dockerd 20.10 of Debian's package, unpacked, in namespaces of its own: dockerd COMMAND...
with_dockerd() {
    local peers=${DAVIT_PEERS:-$PWD/build-check/peers}
    mkdir -p "$peers" "$T/dockerd"
    flock "$peers" python3 -c 'import sys; sys.path.insert(0, "bench"); import peers
for n in range(3):
    why = peers.fetch(sys.argv[1])
    if why is None: sys.exit(0)
print(why); sys.exit(1)' "$peers" >"$T/peers.log" 2>&1 || skip "dockerd cannot be had: $(tail -1 "$T/peers.log")"
    # It writes a key into /etc/docker, whatever it is told: so it has an /etc of its own.
    cp -a /etc "$T/dockerd/etc"
    LD_LIBRARY_PATH=$peers/root/usr/lib/x86_64-linux-gnu PATH=$peers/root/usr/sbin:$peers/root/usr/bin:$PATH \
        setpriv --pdeathsig KILL unshare --net --pid --mount --fork \
        --kill-child --mount-proc sh -c 'mount --bind "$0" /etc && exec "$@"' "$T/dockerd/etc" \
        "$peers/root/usr/sbin/dockerd" --iptables=false --ip6tables=false --bridge=none \
        --storage-driver=vfs --data-root "$T/dockerd/root" --exec-root "$T/dockerd/exec" --pidfile "$T/dockerd/pid" \
        -H "unix://$T/dockerd/sock" \
        >"$T/dockerd.log" 2>&1 3>&- &
    pids=$! # unshare: it takes nothing but SIGKILL, and all in its namespaces ends with it
    docker=("$peers/root/usr/bin/docker" -H "unix://$T/dockerd/sock")
    wait_for docker_answers
}

docker_answers() { "${docker[@]}" version >/dev/null 2>&1; }

@test "dockerd 20.10 loads it, with the same image id" {
    with_dockerd
    expect "Loaded image: multi:1
Loaded image: multi:2" "$("${docker[@]}" load -i "$T/saved.tar" | sort)"
    expect "$(cat "$T/multi.id")" "$("${docker[@]}" image inspect -f '{{.Id}}' multi:1)"
    # And what it saves itself comes back as the same image.
    "${docker[@]}" save multi:1 | elsewhere sh -c '"$0" load -q; "$0" inspect --type image -f "{{.Id}}" multi:1' "$davit" >"$T/back"
    grep -qx "$(cat "$T/multi.id")" "$T/back"
    kill -9 $pids
    wait_for gone $pids
    rm -rf "$T/dockerd"
}

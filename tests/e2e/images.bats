# core: images - import, load, list, inspect, tag, remove; archives that are damaged or hostile
load lib

bats_require_minimum_version 1.5.0

setup_file() {
    engine_names
    start_davitd
    busybox_image
    tools/busybox-rootfs >"$T/rootfs.tar"
    expect overlay "$("$davit" info --format '{{.Driver}}')"
    state >"$T/state"
}
teardown_file() { stop_engine; }

# All that images leave on the disk: blobs, unpacked layers, what is half done.
state() {
    (cd "$T_ROOT" && find images storage -mindepth 1 -maxdepth 3 ! -path '*/trash/*' | sort)
    "$davit" images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort
}
as_before() { [ "$(state)" = "$(cat "$T/state")" ]; }

# Remove all images but busybox, and prove that they leave nothing.
teardown() {
    remove_containers
    "$davit" images --format '{{.Repository}}:{{.Tag}}' | grep -vxF -e busybox:latest -e '<none>:<none>' |
        while read -r name; do "$davit" rmi -f "$name" >/dev/null; done
    "$davit" images --no-trunc --format '{{.Repository}} {{.ID}}' | sed -n 's/^<none> //p' |
        while read -r id; do "$davit" rmi -f "$id" >/dev/null; done
    wait_for as_before || { state | diff "$T/state" -; return 1; }
}

mkimage() { python3 tests/lib/mkimage "$@"; }
mktar() { python3 tests/lib/mktar "$@"; }
id_of() { "$davit" inspect --type image -f '{{.Id}}' "$1"; }
files_in() { "$davit" run --rm "$@"; }

# load_fails REGEX ARGUMENT...: load refuses it, says why, and nothing of it is there.
load_fails() {
    local regex=$1
    shift
    run timeout 30 "$davit" load "$@"
    expect 1 "$status"
    expect_match "$regex" "$output"
    wait_for as_before || { state | diff "$T/state" -; return 1; }
}

# A layer from entries, on busybox: layer_fails REGEX ENTRY...
layer_fails() {
    local regex=$1
    shift
    mktar "$T/layer.tar" "$@"
    mkimage --rootfs "$T/rootfs.tar" --layer "$T/layer.tar" --name bad:latest "$T/bad.tar"
    load_fails "$regex" -i "$T/bad.tar"
}

# ---- import ----

@test "import: plain, gzip, zstd, xz, bzip2; from a file and from stdin" {
    gzip -c "$T/rootfs.tar" >"$T/rootfs.gz"
    zstd -qf "$T/rootfs.tar" -o "$T/rootfs.zst"
    xz -1c "$T/rootfs.tar" >"$T/rootfs.xz"
    bzip2 -1c "$T/rootfs.tar" >"$T/rootfs.bz2"
    layer=sha256:$(sha256sum <"$T/rootfs.tar" | cut -d' ' -f1)
    for kind in tar gz zst xz bz2; do
        id=$("$davit" import "$T/rootfs.$kind" "made:$kind")
        expect_match '^sha256:[0-9a-f]{64}$' "$id"
        expect "$id" "$(id_of "made:$kind")"
        expect "$layer" "$("$davit" inspect --type image -f '{{index .RootFS.Layers 0}}' "made:$kind")"
        "$davit" import - "piped:$kind" <"$T/rootfs.$kind"
        expect "$kind" "$("$davit" run --rm "piped:$kind" /bin/echo "$kind")"
    done
}

@test "import: -c changes the configuration, -m its history; without a name it has none" {
    id=$("$davit" import -m 'by hand' -c 'CMD ["echo", "from cmd"]' -c 'ENV A=b C="d e"' \
        -c 'WORKDIR /tmp' -c 'USER nobody' -c 'LABEL one=1' -c 'EXPOSE 80/tcp' -c 'VOLUME /data' \
        -c 'STOPSIGNAL SIGINT' "$T/rootfs.tar" changed)
    expect "from cmd" "$("$davit" run --rm changed)"
    expect "65534 /tmp b d e" "$("$davit" run --rm changed sh -c 'echo $(id -u) $(pwd) $A $C')"
    run "$davit" inspect --type image -f '{{json .Config}}' changed
    expect 1 "$(jq -r .Labels.one <<<"$output")"
    expect SIGINT "$(jq -r .StopSignal <<<"$output")"
    expect '{"80/tcp":{}}' "$(jq -c .ExposedPorts <<<"$output")"
    expect_match 'by hand' "$("$davit" inspect --type image -f '{{.Comment}}' changed)"
    run "$davit" import -c 'ENTRYPOINT ["echo", "in"]' "$T/rootfs.tar"
    expect "in x" "$("$davit" run --rm "$output" x)"
    run "$davit" import -c 'RUN rm /etc/passwd' "$T/rootfs.tar" bad
    expect 1 "$status"
    expect_match 'RUN' "$output"
}

@test "import: no archive, one cut short, a bad name; nothing is an empty root, as with Docker" {
    run "$davit" import "$T/no-such-file" bad
    expect 1 "$status"
    expect_match 'no-such-file' "$output"
    for broken in 'echo nothing like a tar' "head -c 100000 $T/rootfs.tar" "gzip -c $T/rootfs.tar | head -c 5000"; do
        run sh -c "$broken | \"$davit\" import - bad"
        echo "$broken: $output"
        expect 1 "$status"
        [ -n "$output" ]
    done
    run "$davit" import "$T/rootfs.tar" 'Bad Name'
    expect 1 "$status"
    expect_match 'invalid reference format' "$output"
    expect_match '^sha256:' "$("$davit" import - </dev/null)"
}

# ---- load ----

@test "load: docker-archive of a new and an old docker save, OCI; as a file and from a pipe" {
    for format in docker docker-old oci; do
        id=$(mkimage --rootfs "$T/rootfs.tar" --layers 2 --format $format --name "from:$format" "$T/image.tar")
        run "$davit" load -i "$T/image.tar"
        expect "Loaded image: from:$format" "$output"
        expect "$id" "$(id_of "from:$format")"
        expect "1 2" "$("$davit" run --rm "from:$format" ls /layer | xargs)"
        "$davit" rmi "from:$format"
        expect "Loaded image: from:$format" "$(cat "$T/image.tar" | "$davit" load)"
        expect "$id" "$(id_of "from:$format")"
        expect "from:$format" "$("$davit" images --format '{{.Repository}}:{{.Tag}}' from)"
        "$davit" rmi "from:$format"
    done
}

@test "load: the whole archive compressed, and its layers" {
    for how in none gzip zstd; do
        id=$(mkimage --rootfs "$T/rootfs.tar" --layers 2 --format oci --compress $how --name layers:$how "$T/image.tar")
        gzip -1c "$T/image.tar" | "$davit" load -q
        expect "$id" "$(id_of layers:$how)"
        expect "1 2" "$("$davit" run --rm layers:$how ls /layer | xargs)"
        "$davit" rmi layers:$how
        zstd -qfc "$T/image.tar" >"$T/image.zst"
        "$davit" load -i "$T/image.zst"
        xz -0c "$T/image.tar" | "$davit" load
        expect "$id" "$(id_of layers:$how)"
    done
}

@test "load: manifest last and first, from a pipe" {
    id=$(mkimage --rootfs "$T/rootfs.tar" --layers 2 --format oci --manifest-last --name last:1 "$T/image.tar")
    "$davit" load <"$T/image.tar"
    expect "$id" "$(id_of last:1)"
    id=$(mkimage --rootfs "$T/rootfs.tar" --layers 2 --format oci --name first:1 "$T/image.tar")
    cat "$T/image.tar" | "$davit" load
    expect "$id" "$(id_of first:1)"
}

@test "load: equal layers, which old archives link" {
    mktar "$T/layer.tar" dir:same file:same/file=x
    for format in docker-old docker oci; do
        id=$(mkimage --rootfs "$T/rootfs.tar" --layer "$T/layer.tar" --layer "$T/layer.tar" --format $format \
            --name "equal:$format" "$T/image.tar")
        [ $format != docker-old ] || tar tvf "$T/image.tar" | grep -q -- '->'
        cat "$T/image.tar" | "$davit" load
        expect "$id" "$(id_of "equal:$format")"
        expect 3 "$("$davit" inspect --type image -f '{{len .RootFS.Layers}}' "equal:$format")"
        expect x "$("$davit" run --rm "equal:$format" cat /same/file)"
    done
}

@test "load: several names and several images in one archive" {
    for format in docker docker-old oci; do
        mkimage --rootfs "$T/rootfs.tar" --format $format --name "one:1,one:2,ghcr.io/team/one:3" --second two:1 "$T/image.tar"
        run "$davit" load -i "$T/image.tar"
        expect "Loaded image: ghcr.io/team/one:3
Loaded image: one:1
Loaded image: one:2
Loaded image: two:1" "$(sort <<<"$output")"
        expect "$(id_of one:1)" "$(id_of one:2)"
        expect "$(id_of one:1)" "$(id_of ghcr.io/team/one:3)"
        [ "$(id_of one:1)" != "$(id_of two:1)" ]
        expect yes "$("$davit" inspect --type image -f '{{.Config.Labels.second}}' two:1)"
        "$davit" rmi -f "$(id_of one:1)" two:1
        expect "busybox:latest" "$("$davit" images --format '{{.Repository}}:{{.Tag}}')"
    done
}

@test "load: an image that is there already is no news; a name moves to the newer image" {
    old=$(mkimage --rootfs "$T/rootfs.tar" --layers 2 --name same:1 "$T/image.tar")
    "$davit" load -i "$T/image.tar"
    expect "Loaded image: same:1" "$("$davit" load -i "$T/image.tar")"
    expect 1 "$("$davit" images -q same | wc -l)"
    new=$(mkimage --rootfs "$T/rootfs.tar" --layers 2 --name same:1 --config '{"Labels":{"v":"2"}}' "$T/image.tar")
    "$davit" load -i "$T/image.tar"
    expect "$new" "$(id_of same:1)"
    expect "<none> <none>" "$("$davit" images --no-trunc --format '{{.ID}} {{.Repository}} {{.Tag}}' | sed -n "s/^$old //p")"
}

@test "the image's id is the digest of its configuration, which lies in the store as it came" {
    id=$(mkimage --rootfs "$T/rootfs.tar" --layers 2 --name id:1 "$T/image.tar")
    "$davit" load -i "$T/image.tar"
    blob=$T_ROOT/images/blobs/sha256/${id#sha256:}
    expect "${id#sha256:}" "$(sha256sum <"$blob" | cut -d' ' -f1)"
    # The store is an OCI layout: index -> manifest -> config and layers, each under its own digest.
    manifest=$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] | test("id:1")) | .digest' \
        "$T_ROOT/images/index.json")
    expect "$id" "$(jq -r .config.digest "$T_ROOT/images/blobs/sha256/${manifest#sha256:}")"
    for f in "$T_ROOT"/images/blobs/sha256/*; do
        expect "${f##*/}" "$(sha256sum <"$f" | cut -d' ' -f1)"
    done
}

@test "a layer deletes a file, empties a directory, replaces one by the other" {
    mktar "$T/1.tar" dir:d file:d/a=1 file:d/b=1 dir:o file:o/old=1 dir:o/sub file:o/sub/old=1 \
        file:f=1 dir:r file:r/x=1 dir:gone file:gone/x=1
    mktar "$T/2.tar" file:d/.wh.a= file:o/.wh..wh..opq= file:o/new=2 dir:f file:f/in=2 file:r=2 file:.wh.gone=
    mktar "$T/3.tar" dir:gone file:gone/y=3 file:d/a=3
    mkimage --rootfs "$T/rootfs.tar" --layer "$T/1.tar" --layer "$T/2.tar" --name wh:2 "$T/image2.tar"
    mkimage --rootfs "$T/rootfs.tar" --layer "$T/1.tar" --layer "$T/2.tar" --layer "$T/3.tar" --name wh:3 "$T/image3.tar"
    "$davit" load -i "$T/image2.tar"
    "$davit" load -i "$T/image3.tar"
    expect "d d/b f f/in o o/new r" "$(files_in wh:2 sh -c 'find d o f r gone 2>/dev/null | sort | xargs')"
    expect "d d/a d/b f f/in gone gone/y o o/new r" "$(files_in wh:3 sh -c 'find d o f r gone | sort | xargs')"
    expect "3 2" "$(files_in wh:3 sh -c 'cat d/a r | xargs')"
}

@test "an image of 40 layers runs" {
    mkimage --rootfs "$T/rootfs.tar" --layers 39 --name forty:latest "$T/image.tar"
    "$davit" load -i "$T/image.tar"
    expect 40 "$("$davit" inspect --type image -f '{{len .RootFS.Layers}}' forty)"
    expect 39 "$("$davit" run --rm forty sh -c 'ls /layer | wc -l')"
}

# ---- archives that are damaged ----

@test "load: damaged archives are refused and leave nothing" {
    for format in docker docker-old oci; do
        for case in layer:'damaged or was changed' diff-id:'damaged or was changed' json:JSON \
            no-layer:'lacks the file' no-config:'lacks the file' layers:'has 3 layers, but its config names 2'; do
            echo "$format ${case%%:*}"
            mkimage --rootfs "$T/rootfs.tar" --layers 2 --format $format --damage "${case%%:*}" --name bad:1 "$T/bad.tar"
            load_fails "${case#*:}" -i "$T/bad.tar"
        done
    done
}

@test "load: cut short, garbage, empty, not an image" {
    mkimage --rootfs "$T/rootfs.tar" --layers 2 --name bad:1 "$T/whole.tar"
    for n in 100 1000 300000 $(($(stat -c %s "$T/whole.tar") - 20000)); do
        head -c $n "$T/whole.tar" >"$T/bad.tar"
        load_fails . -i "$T/bad.tar"
    done
    gzip -c "$T/whole.tar" | head -c 200000 >"$T/bad.gz"
    load_fails . -i "$T/bad.gz"
    head -c 100000 /dev/urandom >"$T/bad.tar"
    load_fails . -i "$T/bad.tar"
    : >"$T/bad.tar"
    load_fails . -i "$T/bad.tar"
    load_fails 'manifest.json|index.json|import' -i "$T/rootfs.tar"
    mkimage --rootfs "$T/rootfs.tar" --format oci --damage layer --name bad:1 "$T/bad.tar"
    run sh -c "cat $T/bad.tar | \"$davit\" load"
    expect 1 "$status"
    run "$davit" load -i "$T/no-such.tar"
    expect 1 "$status"
    expect_match no-such.tar "$output"
}

@test "load: hostile entries of layers" {
    echo untouched >"$T/outside"
    layer_fails 'leads out' "file:../../../../../../..$T/outside=x"
    layer_fails 'leads out' 'file:a/../../x=x'
    layer_fails 'hard link' "hard:x=../../../../../../..$T/outside"
    layer_fails 'hard link' "hard:x=$T/outside"
    layer_fails 'hard link' "link:up=../../../../../../.." "hard:x=up$T/outside"
    layer_fails '0:0' 'char:dev/x=0:0'
    layer_fails 'names nothing' 'file:.wh...=' 
    layer_fails 'directory' 'file:f=x' 'file:f/x=x'
    expect untouched "$(cat "$T/outside")"
    expect 1 "$(stat -c %h "$T/outside")"
}

@test "load: absolute names and links that point out stay inside the root" {
    mkdir "$T/target"
    mktar "$T/layer.tar" "file:$T/target/absolute=in" "link:escape=$T/target" file:escape/through=in \
        link:up=../../../../../../../.. "file:up$T/target/up=in" "link:final=$T/target/final" file:final=in
    mkimage --rootfs "$T/rootfs.tar" --layer "$T/layer.tar" --name inside:1 "$T/image.tar"
    "$davit" load -i "$T/image.tar"
    expect "" "$(ls -A "$T/target")"
    expect "absolute through up" "$(files_in inside:1 ls "$T/target" | xargs)"
    expect in "$(files_in inside:1 cat /final)"
}

@test "load: hostile entries of the archive itself" {
    hostile() {
        local regex=$1
        shift
        mktar "$T/bad.tar" "$@"
        load_fails "$regex" -i "$T/bad.tar"
    }
    echo not-for-images >"$T/secret"
    m='[{"Config":"c.json","RepoTags":["bad:1"],"Layers":["l.tar"]}]'
    hostile . "file:manifest.json=$m" "link:c.json=$T/secret" "link:l.tar=$T/secret"
    hostile . "file:manifest.json=$m" "file:c.json={}" "file:l.tar=x"
    hostile . "link:manifest.json=$T/secret"
    hostile . "link:manifest.json=manifest.json"
    hostile . "link:l.tar=m.tar" "link:m.tar=l.tar" "file:c.json={}" "file:manifest.json=$m"
    hostile . 'file:manifest.json=[{"Config":"../../c.json","RepoTags":["bad:1"],"Layers":[]}]'
    hostile . "file:manifest.json=[]"
    hostile . "file:manifest.json={}"
    hostile . "file:manifest.json=$(printf '[%.0s' $(seq 1 5000))"
    hostile . 'file:oci-layout={"imageLayoutVersion":"1.0.0"}' \
        'file:index.json={"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:../../../x","size":3}]}'
    run grep -rl not-for-images "$T_ROOT/images" "$T_ROOT/storage"
    expect "" "$output"
}

# ---- names ----

@test "images: columns, filters, quiet, digests, no truncation" {
    mkimage --rootfs "$T/rootfs.tar" --name list:1 --config '{"Labels":{"kind":"test"}}' "$T/image.tar"
    "$davit" load -i "$T/image.tar"
    run "$davit" images
    expect_match '^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE' "${lines[0]}"
    expect_match 'list +1 +[0-9a-f]{12} .* ago +[0-9.]+MB' "$output"
    expect_match '^sha256:[0-9a-f]{64}$' "$("$davit" images -q --no-trunc list)"
    expect list:1 "$("$davit" images --filter label=kind=test --format '{{.Repository}}:{{.Tag}}')"
    expect list:1 "$("$davit" images --filter reference='lis*' --format '{{.Repository}}:{{.Tag}}')"
    expect "" "$("$davit" images --filter dangling=true -q)"
    expect "" "$("$davit" images nothing -q)"
    run "$davit" images --filter nonsense=1
    expect 1 "$status"
    expect_match 'nonsense' "$output"
}

@test "inspect, history" {
    id=$(mkimage --rootfs "$T/rootfs.tar" --layers 2 --name show:1 "$T/image.tar")
    "$davit" load -i "$T/image.tar"
    "$davit" inspect --type image show:1 >"$T/inspect"
    expect "$id" "$(jq -r '.[0].Id' "$T/inspect")"
    expect show:1 "$(jq -r '.[0].RepoTags[0]' "$T/inspect")"
    expect "[]" "$(jq -c '.[0].RepoDigests' "$T/inspect")"
    expect "amd64 linux 3" "$(jq -r '.[0] | "\(.Architecture) \(.Os) \(.RootFS.Layers | length)"' "$T/inspect")"
    expect 2024-01-01T00:00:00Z "$(jq -r '.[0].Created' "$T/inspect")"
    expect "$id" "$("$davit" inspect -f '{{.Id}}' "${id:7:12}")"
    expect "$id" "$("$davit" inspect -f '{{.Id}}' "$id")"
    run curl -sf --unix-socket "$T_RUN/davit.sock" http://d/images/show:1/history
    expect "mkimage 2 mkimage 1 mkimage 0" "$(jq -r '[.[].CreatedBy] | join(" ")' <<<"$output")"
    expect "$id" "$(jq -r '.[0].Id' <<<"$output")"
    expect '["show:1"]' "$(jq -c '.[0].Tags' <<<"$output")"
    run "$davit" inspect --type image nothing
    expect 1 "$status"
    expect_match 'No such image: nothing' "$output"
}

@test "tag: names of one image, what a name may be" {
    "$davit" tag busybox other:v1
    "$davit" tag busybox localhost:5000/a/b
    expect "$(id_of busybox)" "$(id_of other:v1)"
    expect "$(id_of busybox)" "$(id_of localhost:5000/a/b:latest)"
    expect "busybox:latest localhost:5000/a/b:latest other:v1" \
        "$("$davit" inspect --type image -f '{{json .RepoTags}}' busybox | jq -r 'sort | join(" ")')"
    expect "$(id_of busybox)" "$(id_of docker.io/library/busybox:latest)"
    for bad in Upper:x 'a b' a:b:c 'x@sha256:00' '' -x "$(printf 'a%.0s' $(seq 1 300))"; do
        run "$davit" tag busybox -- "$bad"
        [ "$status" -ne 0 ] || { echo "accepted '$bad'"; return 1; }
    done
    run "$davit" tag nothing x
    expect 1 "$status"
    expect_match 'No such image: nothing' "$output"
}

@test "rmi: untags, deletes with the last name" {
    id=$(mkimage --rootfs "$T/rootfs.tar" --layers 2 --name gone:1,gone:2 "$T/image.tar")
    "$davit" load -i "$T/image.tar"
    expect "Untagged: gone:1" "$("$davit" rmi gone:1)"
    run "$davit" rmi gone:2
    expect "Untagged: gone:2" "${lines[0]}"
    expect "Deleted: $id" "${lines[1]}"
    expect_match 'Deleted: sha256:' "${lines[2]}"
    run "$davit" rmi gone:2
    expect 1 "$status"
    expect_match 'No such image: gone:2' "$output"
    wait_for as_before
}

@test "rmi: by id, with several names only by force" {
    id=$(mkimage --rootfs "$T/rootfs.tar" --layers 2 --name gone:1,gone:2 "$T/image.tar")
    "$davit" load -i "$T/image.tar"
    run "$davit" rmi "${id:7:12}"
    expect 1 "$status"
    expect_match 'referenced in multiple repositories' "$output"
    run "$davit" rmi -f "${id:7:12}"
    expect 0 "$status"
    expect_match "Untagged: gone:1" "$output"
    expect_match "Untagged: gone:2" "$output"
    expect_match "Deleted: $id" "$output"
    wait_for as_before
}

@test "rmi: an image that a container uses" {
    mkimage --rootfs "$T/rootfs.tar" --layers 2 --name used:1 "$T/image.tar"
    "$davit" load -i "$T/image.tar"
    "$davit" run -d --name user used:1 sleep 1000
    run "$davit" rmi used:1
    expect 1 "$status"
    expect_match 'conflict: unable to remove repository reference "used:1" \(must force\)' "$output"
    run "$davit" rmi -f "$(id_of used:1)"
    expect 1 "$status"
    expect_match 'cannot be forced.*running container' "$output"
    # By its name: that goes, the image stays for its container.
    expect "Untagged: used:1" "$("$davit" rmi -f used:1)"
    expect in "$("$davit" exec user echo in)"
    "$davit" stop -t 0 user
    expect in "$("$davit" start user >/dev/null && "$davit" exec user echo in)"
    "$davit" rm -f user
}

@test "platforms: load and rmi take this machine's, and refuse another by name" {
    own=linux/$("$davit" version -f '{{.Server.Arch}}')
    id=$(mkimage --rootfs "$T/rootfs.tar" --name plat:1 "$T/image.tar")
    load_fails 'platform linux/s390x: only images for this machine' --platform linux/s390x -i "$T/image.tar"
    "$davit" load --platform "$own" -i "$T/image.tar"
    run "$davit" rmi --platform linux/s390x plat:1
    expect 1 "$status"
    expect_match 'does not provide the specified platform \(linux/s390x\)' "$output"
    expect "Untagged: plat:1" "$("$davit" rmi --platform "$own" plat:1 | head -1)"
    run "$davit" load --platform linux -i "$T/image.tar"
    expect 1 "$status"
    expect_match 'invalid platform' "$output"
}

@test "two images over the same layers: each keeps what the other has" {
    mkimage --rootfs "$T/rootfs.tar" --layers 3 --name a:1 --second b:1 "$T/image.tar"
    "$davit" load -i "$T/image.tar"
    "$davit" rmi a:1
    expect 3 "$("$davit" run --rm b:1 sh -c 'ls /layer | wc -l')"
    "$davit" rmi b:1
    wait_for as_before
}

@test "several loads at once, of the same and of other images" {
    for n in 1 2 3; do
        mkimage --rootfs "$T/rootfs.tar" --layers $((n + 1)) --name "par:$n" "$T/image$n.tar"
    done
    for n in 1 2 3 1 2 3; do "$davit" load -q -i "$T/image$n.tar" & pids+=" $!"; done
    for pid in $pids; do wait "$pid"; done
    for n in 1 2 3; do expect $((n + 1)) "$("$davit" run --rm "par:$n" sh -c 'ls /layer | wc -l')"; done
}

@test "a client that goes away in the middle of a load leaves nothing" {
    mkimage --rootfs "$T/rootfs.tar" --layers 2 --name cut:1 "$T/image.tar"
    mkfifo "$T/slow"
    "$davit" load <"$T/slow" &
    pid=$!
    exec 4>"$T/slow"
    head -c 1500000 "$T/image.tar" >&4
    kill -9 "$pid"
    exec 4>&-
    wait_for as_before
    expect "" "$("$davit" images -q cut)"
}

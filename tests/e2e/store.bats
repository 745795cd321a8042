# core: store - the image store as it lies on the disk is an OCI image layout that others read
load lib

bats_require_minimum_version 1.5.0

setup_file() {
    engine_names
    start_davitd
    tools/busybox-rootfs >"$T/rootfs.tar"
}
teardown_file() { stop_engine; }
teardown() {
    "$davit" images -q --no-trunc | sort -u | while read -r id; do "$davit" rmi -f "$id" >/dev/null; done
}

mkimage() { python3 tests/lib/mkimage --rootfs "$T/rootfs.tar" "$@"; }
blob() { echo "$T_ROOT/images/blobs/sha256/${1#sha256:}"; }
hash() { sha256sum | sed 's/\([0-9a-f]*\).*/sha256:\1/'; }
# manifest NAME: the digest that index.json gives it.
manifest() {
    jq -r --arg name "$1" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $name) | .digest' \
        "$T_ROOT/images/index.json"
}
# parts MANIFEST: config and layers of that blob.
parts() { jq -r '.config.digest, .layers[].digest' "$(blob "$1")"; }
# source FILE: the same of the only manifest in an archive.
source_parts() {
    tar xOf "$1" "blobs/sha256/$(tar xOf "$1" index.json | jq -r '.manifests[0].digest[7:]')" | jq -r '.config.digest, .layers[].digest'
}
# All that index.json names is there, under its own digest and of the size that it says.
whole_layout() {
    expect 1.0.0 "$(jq -r .imageLayoutVersion "$T_ROOT/images/oci-layout")"
    jq -r '.manifests[] | "\(.digest) \(.size)"' "$T_ROOT/images/index.json" | while read -r digest size; do
        expect "$digest $size" "$(hash <"$(blob "$digest")") $(stat -c %s "$(blob "$digest")")"
        jq -r '(.config, .layers[]) | "\(.digest) \(.size)"' "$(blob "$digest")" | while read -r digest size; do
            expect "$digest $size" "$(hash <"$(blob "$digest")") $(stat -c %s "$(blob "$digest")")"
        done
    done
}

@test "config and layers are the source's own blobs, plain, gzip and zstd" {
    for how in none gzip zstd; do
        # Of its own configuration: an image that is there already keeps the blobs it came with.
        id=$(mkimage --layers 2 --format oci --compress $how --config "{\"Labels\":{\"how\":\"$how\"}}" --name "kept:$how" "$T/$how.tar")
        "$davit" load -qi "$T/$how.tar"
        expect "$(source_parts "$T/$how.tar")" "$(parts "$(manifest "kept:$how")")"
        expect "$id" "$(parts "$(manifest "kept:$how")" | head -1)"
    done
    whole_layout
}

@test "index.json follows each change of names and images, also after a kill" {
    mkimage --layers 2 --name follow:1 "$T/image.tar"
    "$davit" load -qi "$T/image.tar"
    "$davit" tag follow:1 example.org/other:2
    whole_layout
    expect "$(manifest follow:1)" "$(manifest example.org/other:2)"
    "$davit" rmi follow:1
    expect "" "$(manifest follow:1)"
    # What was lost or is half written is derived anew.
    kill_davitd KILL
    echo '{"schemaVersion": 2, "manifests": [{"dig' >"$T_ROOT/images/index.json"
    start_davitd
    [ -n "$(manifest example.org/other:2)" ]
    whole_layout
    "$davit" rmi example.org/other:2
    expect '[]' "$(jq -c .manifests "$T_ROOT/images/index.json")"
    expect "" "$(ls "$T_ROOT/images/blobs/sha256")"
}

@test "a Docker schema 2 manifest keeps its own blob beside the OCI one derived from it" {
    id=$(mkimage --layers 2 --format oci --compress gzip --schema2 --name v2:1 "$T/v2.tar")
    given=$(tar xOf "$T/v2.tar" index.json | jq -r '.manifests[0].digest')
    "$davit" load -qi "$T/v2.tar"
    expect "$id" "$("$davit" inspect --type image -f '{{.Id}}' v2:1)"
    expect "$given" "$(hash <"$(blob "$given")")"
    derived=$(manifest v2:1)
    [ "$derived" != "$given" ]
    expect "application/vnd.oci.image.manifest.v1+json application/vnd.oci.image.layer.v1.tar+gzip" \
        "$(jq -r '"\(.mediaType) \(.layers[0].mediaType)"' "$(blob "$derived")")"
    expect "$(parts "$given")" "$(parts "$derived")"
    whole_layout
    # It stays over a restart, which sweeps what belongs to nobody, and goes with the image.
    kill_davitd KILL
    start_davitd
    [ -e "$(blob "$given")" ]
    expect "1 2" "$("$davit" run --rm v2:1 ls /layer | xargs)"
    "$davit" rmi v2:1
    expect "" "$(ls "$T_ROOT/images/blobs/sha256")"
}

@test "skopeo inspects and copies out of it" {
    command -v skopeo >/dev/null || skip "no skopeo in PATH"
    for how in none gzip; do
        id=$(mkimage --layers 2 --format oci --compress $how --name "sk:$how" "$T/image.tar")
        "$davit" load -qi "$T/image.tar"
        expect "$(manifest "sk:$how")" "$(skopeo inspect -f '{{.Digest}}' "oci:$T_ROOT/images:sk:$how")"
        expect "$id" "$(skopeo inspect --raw --config "oci:$T_ROOT/images:sk:$how" | hash)"
        rm -rf "$T/copy"
        skopeo --insecure-policy copy -q --dest-oci-accept-uncompressed-layers "oci:$T_ROOT/images:sk:$how" "oci:$T/copy:copied"
        expect "$(source_parts "$T/image.tar")" \
            "$(jq -r '.config.digest, .layers[].digest' "$T/copy/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' "$T/copy/index.json")")"
        # And into an archive that davit loads: the same image again.
        skopeo --insecure-policy copy -q "oci:$T_ROOT/images:sk:$how" "docker-archive:$T/back-$how.tar:back:$how"
        "$davit" load -qi "$T/back-$how.tar"
        expect "$id" "$("$davit" inspect --type image -f '{{.Id}}' "back:$how")"
        "$davit" rmi "sk:$how" "back:$how"
    done
}

@test "umoci unpacks out of it" {
    command -v umoci >/dev/null || skip "no umoci in PATH"
    for how in none gzip; do
        mkimage --layers 2 --format oci --compress $how --name "um:$how" "$T/image.tar"
        "$davit" load -qi "$T/image.tar"
        umoci unpack --image "$T_ROOT/images:um:$how" "$T/bundle-$how"
        expect "1 2" "$(ls "$T/bundle-$how/rootfs/layer" | xargs)"
        [ -x "$T/bundle-$how/rootfs/bin/busybox" ]
        rm -rf "$T/bundle-$how"
    done
    umoci ls --layout "$T_ROOT/images" >"$T/list"
    grep -qx um:gzip "$T/list"
}

@test "drop_blobs: an image keeps its unpacked layers only; what needs more is refused by name" {
    mkimage --layers 2 --format oci --compress gzip --name kept:1 "$T/kept.tar"
    "$davit" load -qi "$T/kept.tar"
    layers=$(ls "$T_ROOT/images/blobs/sha256" | wc -l)
    kill_davitd TERM
    start_davitd --set storage.drop_blobs=true
    id=$(mkimage --layers 3 --format oci --compress none --config '{"Labels":{"a":"b"}}' --name dropped:1 "$T/dropped.tar")
    "$davit" load -qi "$T/dropped.tar"
    only_two() { [ "$(ls "$T_ROOT/images/blobs/sha256" | wc -l)" = $((layers + 2)) ]; } # config and manifest
    wait_for only_two
    expect "1 2 3" "$("$davit" run --rm dropped:1 ls /layer | xargs)"
    # What was loaded before keeps its own.
    "$davit" save kept:1 | tar t | grep -q oci-layout
    [ -n "$(manifest kept:1)" ]
    expect "" "$(manifest dropped:1)"
    whole_layout
    run "$davit" save -o "$T/out.tar" kept:1 dropped:1
    expect 1 "$status"
    expect_match "image ${id:0:19} has no archives of its layers any more .*drop_blobs" "$output"
    [ ! -e "$T/out.tar" ]
    # Another driver would need them, too.
    kill_davitd TERM
    start_davitd --set storage.driver=vfs
    run "$davit" create dropped:1
    expect 1 "$status"
    expect_match 'drop_blobs' "$output"
    "$davit" load -qi "$T/dropped.tar"
    [ -n "$(manifest dropped:1)" ]
    whole_layout
    expect "1 2 3" "$("$davit" run --rm dropped:1 ls /layer | xargs)"
    "$davit" save dropped:1 | tar t | grep -q oci-layout
    kill_davitd TERM
    start_davitd
    expect "$id" "$("$davit" inspect --type image -f '{{.Id}}' dropped:1)"
}

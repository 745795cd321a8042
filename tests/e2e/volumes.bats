# core: volumes: named and anonymous, filled by the image, in containers, and what a kill leaves
load lib

docker=$(command -v docker || true)

setup_file() {
    engine_names
    start_davitd
    busybox_image
    filled_image
}
teardown_file() {
    sed -i "/^davit-vol-${T_BRIDGE#dvt}:/d" /etc/subuid /etc/subgid
    stop_engine
}

teardown() {
    remove_containers -v
    "$davit" volume prune -af >/dev/null
    rm -rf "$T/state"
}

restart_davitd() {
    kill_davitd TERM
    start_davitd "$@"
}

# An image with a directory of every kind of file, and VOLUMEs at it and at a place that is not there.
filled_image() {
    mkdir "$T/rootfs"
    tools/busybox-rootfs | tar -xC "$T/rootfs"
    python3 - "$T/rootfs/data" "$T/state" <<'EOF'
import os, sys
d = sys.argv[1]
os.mkdir(d)
open(d + "/file", "w").write("from the image\n")
os.chown(d + "/file", 1000, 2000)
os.chmod(d + "/file", 0o4755)
os.setxattr(d + "/file", "user.colour", b"red")
os.utime(d + "/file", (1000000000, 1000000000))
os.link(d + "/file", d + "/again")
os.symlink("/nowhere", d + "/link")
os.lchown(d + "/link", 7, 8)
os.mkfifo(d + "/pipe")
os.mkdir(d + "/sub")
open(d + "/sub/deep", "w").write("x" * 3000000)
os.chmod(d + "/sub", 0o1777)
os.symlink(sys.argv[2], d + "/../leak")
os.chown(d, 11, 22)
os.chmod(d, 0o2750)
EOF
    tar --xattrs -cC "$T/rootfs" . |
        "$davit" import -c 'VOLUME ["/data", "/empty/"]' -c 'CMD ["sh"]' - filled:latest >/dev/null
    rm -rf "$T/rootfs"
}

volumes() { "$davit" volume ls -q "$@"; }
path_of() { "$davit" volume inspect -f '{{.Mountpoint}}' "$1"; }
# Directories of volumes, also of those that no row names.
directories() { ls "$T_ROOT/volumes"; }

refused() { # TEXT COMMAND...
    local text=$1
    shift
    run "$@"
    [ "$status" -ne 0 ] || { echo "not refused: $*"; return 1; }
    expect_match "$text" "$output"
}

@test "a named volume outlives its containers" {
    expect data "$("$davit" volume create data)"
    "$davit" run --rm -v data:/v busybox sh -c 'echo kept >/v/f'
    expect kept "$("$davit" run --rm -v data:/v:ro busybox cat /v/f)"
    refused 'Read-only file system' "$davit" run --rm -v data:/v:ro busybox touch /v/g
    expect kept "$(cat "$(path_of data)/f")"
    expect "local data" "$("$davit" volume ls --format '{{.Driver}} {{.Name}}')"
    expect data "$("$davit" volume rm data)"
    expect "" "$(volumes)"
    wait_for [ -z "$(directories)" ]
}

@test "create: idempotent, labels, names and options as Docker words them" {
    "$davit" volume create --label a=1 --label b vol
    expect vol "$("$davit" volume create --label a=2 vol)"
    expect '{"a":"1","b":""}' "$("$davit" volume inspect -f '{{json .Labels}}' vol)"
    expect local "$("$davit" volume inspect -f '{{.Scope}}' vol)"
    refused '^Error response from daemon: create a/b: "a/b" includes invalid characters for a local volume name, only "\[a-zA-Z0-9\]\[a-zA-Z0-9_.-\]" are allowed. If you intended to pass a host directory, use absolute path$' "$davit" volume create a/b
    refused 'create x: volume name is too short, names should be at least two alphanumeric characters' "$davit" volume create x
    refused 'create .*: a volume.s name has at most 255 bytes' "$davit" volume create "$(printf 'v%.0s' $(seq 256))"
    refused 'error looking up volume plugin nfs: plugin "nfs" not found' "$davit" volume create -d nfs vv
    refused 'option "type" of the volume driver "local" is not supported yet' "$davit" volume create -o type=tmpfs vv
    refused 'invalid option: "fly"' "$davit" volume create -o fly=1 vv
    refused 'get none: no such volume' "$davit" volume inspect none
    refused 'get none: no such volume' "$davit" volume rm none
    "$davit" volume rm -f none
    refused '"a/b" includes invalid characters' "$davit" create -v a/b:/x busybox
    refused 'VolumeOptions.Subpath is not supported yet' "$davit" create --mount type=volume,source=vv,target=/x,volume-subpath=y busybox
    refused 'plugin "nfs" not found' "$davit" create --volume-driver nfs -v vv:/x busybox
    expect vol "$(volumes)"
}

@test "a volume in use is not removed, its containers are named" {
    id=$("$davit" create -v used:/v busybox)
    refused "^Error response from daemon: remove used: volume is in use - \[$id\]\$" "$davit" volume rm used
    expect "" "$(volumes -f dangling=true)"
    expect used "$(volumes -f dangling=false)"
    "$davit" rm -v "$id"
    expect used "$(volumes -f dangling=true)"
}

@test "filters of the list" {
    "$davit" volume create --label stage=one one-a
    "$davit" volume create --label stage=two two-a
    expect one-a "$(volumes -f name=one)"
    expect two-a "$(volumes -f label=stage=two)"
    expect "one-a two-a" "$(volumes -f label=stage -f driver=local | xargs)"
    expect "" "$(volumes -f driver=other)"
    refused "invalid filter 'colour'" "$davit" volume ls -f colour=red
}

@test "an empty volume gets the image's files, with all that belongs to them" {
    "$davit" create -v fresh:/data filled
    d=$(path_of fresh)
    expect "11:22 2750" "$(stat -c '%u:%g %a' "$d")"
    expect "1000:2000 4755 2 1000000000" "$(stat -c '%u:%g %a %h %Y' "$d/file")"
    expect "$(stat -c %i "$d/file")" "$(stat -c %i "$d/again")"
    expect "/nowhere 7:8" "$(readlink "$d/link") $(stat -c '%u:%g' "$d/link")"
    expect "fifo" "$(stat -c %F "$d/pipe")"
    expect "1777 3000000" "$(stat -c %a "$d/sub") $(stat -c %s "$d/sub/deep")"
    expect red "$(python3 -c 'import os, sys; print(os.getxattr(sys.argv[1], "user.colour").decode())' "$d/file")"
    expect "" "$(ls -A "$d/.." | grep -v '^_data$' || true)"
    # Only the first time.
    rm "$d/file"
    "$davit" run --rm -v fresh:/data filled sh -c '! [ -e /data/file ]'
    # Not where it is not wanted; not from under a file.
    "$davit" create -v bare:/data:nocopy filled
    expect "" "$(ls -A "$(path_of bare)")"
    "$davit" create --mount type=volume,source=bare2,target=/data,volume-nocopy=true filled
    expect "" "$(ls -A "$(path_of bare2)")"
    refused 'cannot mount volume over existing file, file exists /etc/passwd' "$davit" create -v pw:/etc/passwd busybox
}

@test "a link in the image does not lead the copy out of it" {
    mkdir "$T/state" && echo secret >"$T/state/host"
    "$davit" create -v leak:/leak filled
    expect "" "$(ls -A "$(path_of leak)")"
}

@test "VOLUMEs of the image are anonymous volumes; rm -v and --rm take them away" {
    id=$("$davit" create filled)
    expect 2 "$(volumes | wc -l)"
    expect "/data /empty" "$("$davit" inspect "$id" | jq -r '.[].Mounts[].Destination' | xargs)"
    "$davit" start -a "$id"
    "$davit" rm "$id"
    expect 2 "$(volumes -f dangling=true | wc -l)"
    "$davit" volume prune -f
    expect "" "$(volumes)"
    "$davit" create --name two filled
    "$davit" rm -v two
    expect "" "$(volumes)"
    expect "from the image" "$("$davit" run --rm -v /more filled cat /data/file)"
    wait_for [ -z "$(volumes)" ]
    wait_for [ -z "$(directories)" ]
}

@test "inspect shows volumes and binds as Docker does" {
    mkdir "$T/state"
    "$davit" create --name ins -v named:/n:ro -v "$T/state:/b:ro,rslave" -v /a --tmpfs /t busybox
    mount() { "$davit" inspect -f '{{json .Mounts}}' ins | jq -c ".[] | select(.Destination == \"$1\")"; }
    expect "{\"Type\":\"volume\",\"Name\":\"named\",\"Source\":\"$T_ROOT/volumes/named/_data\",\"Destination\":\"/n\",\"Driver\":\"local\",\"Mode\":\"ro\",\"RW\":false,\"Propagation\":\"\"}" "$(mount /n)"
    expect "{\"Type\":\"bind\",\"Source\":\"$T/state\",\"Destination\":\"/b\",\"Mode\":\"ro,rslave\",\"RW\":false,\"Propagation\":\"rslave\"}" "$(mount /b)"
    expect '"local" "" true' "$(mount /a | jq -r '"\"\(.Driver)\" \"\(.Mode)\" \(.RW)"')"
    expect "" "$(mount /t)"
    name=$(mount /a | jq -r .Name)
    expect_match '^[0-9a-f]{64}$' "$name"
    # The same after a restart of the daemon.
    before=$("$davit" inspect -f '{{json .Mounts}}' ins)
    restart_davitd
    expect "$before" "$("$davit" inspect -f '{{json .Mounts}}' ins)"
    "$davit" start -a ins
    expect ins "$("$davit" ps -a --filter volume=named --format '{{.Names}}')"
}

@test "--volumes-from gives the same volumes, read-only where asked for" {
    "$davit" create --name source -v shared:/s -v /anon busybox
    "$davit" run --rm --volumes-from source busybox sh -c 'echo 1 >/s/f && echo 2 >/anon/f'
    expect 12 "$("$davit" run --rm --volumes-from source:ro busybox cat /s/f /anon/f | tr -d '\n')"
    refused 'Read-only' "$davit" run --rm --volumes-from source:ro busybox touch /s/g
    refused 'No such container: nobody' "$davit" create --volumes-from nobody busybox
    refused 'invalid mode: fly' "$davit" create --volumes-from source:fly busybox
    # What is asked for here goes before; a volume goes with its last user.
    "$davit" volume create mine
    expect "" "$("$davit" run --rm --volumes-from source -v mine:/s busybox ls /s)"
    "$davit" create --name user --volumes-from source busybox
    "$davit" rm -v source
    expect 3 "$(volumes | wc -l)"
    "$davit" rm -v user
    expect "mine shared" "$(volumes | xargs)"
}

@test "many containers at once share one volume that is filled once" {
    for i in $(seq 8); do
        "$davit" run --rm -v crowd:/data -v crowd:/twice filled sh -c 'cat /data/file && [ -s /twice/sub/deep ]' >"$T/crowd.$i" &
    done
    wait $(jobs -p | tail -8) || true
    for i in $(seq 8); do expect "from the image" "$(cat "$T/crowd.$i")"; done
    expect crowd "$(volumes)"
}

@test "prune takes anonymous ones, with --all and by label the others too" {
    "$davit" volume create --label keep named-one
    "$davit" volume create named-two
    anon=$("$davit" volume create)
    run "$davit" volume prune <<<n
    expect_match 'anonymous local volumes not used' "$output"
    expect 3 "$(volumes | wc -l)"
    expect_match "Deleted Volumes:.*$anon.*Total reclaimed space: 0B" "$("$davit" volume prune -f | xargs)"
    "$davit" volume prune -af --filter 'label!=keep'
    expect named-one "$(volumes)"
    dd if=/dev/zero of="$(path_of named-one)/f" bs=1000 count=5 2>/dev/null
    expect_match 'Total reclaimed space: 5kB' "$("$davit" volume prune -af | xargs)"
}

@test "another storage driver fills volumes as well" {
    restart_davitd --set storage.driver=vfs
    expect "from the image" "$("$davit" run --rm -v byvfs:/data filled cat /data/file)"
    restart_davitd
}

@test "with a user namespace the files belong to the container's ids" {
    user=davit-vol-${T_BRIDGE#dvt}
    echo "$user:$((300000 + ${T_BRIDGE#dvt} * 1000)):65536" | tee -a /etc/subuid >>/etc/subgid
    restart_davitd --set engine.userns_remap=$user
    expect "1000:2000" "$("$davit" run --rm -v mapped:/data filled stat -c %u:%g /data/file)"
    "$davit" run --rm -v mapped:/data filled touch /data/mine
    restart_davitd
    expect "0:22" "$("$davit" run --rm -v mapped:/data filled stat -c %u:%g /data/mine)" # the set-gid directory's group
}

# Kill davitd at POINT in the middle of COMMAND, start it again twice.
killed_at() { # POINT COMMAND...
    local point=$1
    shift
    kill_davitd TERM
    DAVIT_TEST_KILL=$point start_davitd
    "$@" >/dev/null 2>&1 || true
    wait_for gone "$(cat "$T/davitd.pid")"
    start_davitd
}

@test "a kill in the middle of a creation or removal leaves no volume behind" {
    [ -n "$(strings -a "$DAVIT_BIN/davitd" | grep -m1 DAVIT_TEST_KILL)" ] || skip "built without test hooks"
    for point in create-workspace create-volumes create-filled create-endpoints; do
        killed_at $point "$davit" create filled
        expect "$point:" "$point:$(volumes | xargs)"
        expect "$point:" "$point:$("$davit" ps -aq)"
    done
    killed_at create-recorded "$davit" create --name there filled
    expect 2 "$(volumes | wc -l)"
    for point in rm-rows rm-workspace; do
        "$davit" create --name x-$point filled
        killed_at $point "$davit" rm -v x-$point
    done
    "$davit" rm -v there
    expect "" "$(volumes)"
    wait_for [ -z "$(directories)" ]
    # What lay about went to the trash, which the start after that empties.
    restart_davitd
    wait_for [ -z "$(ls "$T_ROOT/volumes/.trash")" ]
}

@test "a directory without a volume goes to the trash, and stays there until the next start" {
    mkdir "$T_ROOT/volumes/stray" && echo x >"$T_ROOT/volumes/stray/f"
    restart_davitd
    expect "" "$(directories)"
    expect x "$(cat "$T_ROOT"/volumes/.trash/stray.*/f)"
    restart_davitd
    wait_for [ -z "$(ls "$T_ROOT/volumes/.trash")" ]
}

@test "the stock docker client: create, use, list, inspect, remove, prune, events" {
    [ -n "$docker" ] || skip "no docker client is installed"
    since=$(date +%s)
    expect dock "$("$docker" volume create --label a=b dock)"
    "$docker" run --rm -v dock:/data filled sh -c 'echo more >>/data/file'
    expect "from the image more" "$("$docker" run --rm --mount type=volume,src=dock,dst=/data,readonly filled cat /data/file | xargs)"
    expect "local dock" "$("$docker" volume ls --format '{{.Driver}} {{.Name}}')"
    expect '{"a":"b"}' "$("$docker" volume inspect -f '{{json .Labels}}' dock)"
    "$docker" create --name holder -v dock:/d busybox >/dev/null
    refused 'volume is in use' "$docker" volume rm dock
    "$docker" rm holder
    expect dock "$("$docker" volume rm dock)"
    "$docker" volume prune -f
    sleep 1
    seen=$("$docker" events --since "$since" --until "$(date +%s)" --filter type=volume --format '{{.Action}}' | uniq | xargs)
    expect_match 'create .*mount .*unmount .*destroy' "$seen"
}

# core: storage driver vfs - the same work on whole copies
load lib

bats_require_minimum_version 1.5.0

setup_file() { engine_names; start_davitd --set storage.driver=vfs; busybox_image; tools/busybox-rootfs >"$T/rootfs.tar"; }
teardown_file() { stop_engine; }
teardown() { remove_containers; }
mkimage() { python3 tests/lib/mkimage --rootfs "$T/rootfs.tar" "$@"; }
mktar() { python3 tests/lib/mktar "$@"; }
copies() { find "$T_ROOT/storage/vfs" -mindepth 2 -maxdepth 2 ! -path '*/trash/*' | sort; }

@test "it is the driver, and nothing is an overlay" {
    expect vfs "$("$davit" info --format '{{.Driver}}')"
    run "$davit" run --name cc busybox grep ' / ' /proc/self/mountinfo
    [[ "$output" != *overlay* ]]
    expect vfs "$("$davit" inspect -f '{{.GraphDriver.Name}}' cc)"
}

@test "run, its output and codes, stdin, environment, users" {
    expect hello "$("$davit" run --rm busybox echo hello)"
    run "$davit" run --rm busybox sh -c 'exit 42'
    expect 42 "$status"
    run -127 "$davit" run --rm busybox no-such-program
    run "$davit" run --rm busybox /etc/passwd
    expect 126 "$status"
    expect hello "$(echo hello | "$davit" run --rm -i busybox cat)"
    expect "b 65534 /new" "$("$davit" run --rm -e A=b -u nobody -w /new busybox sh -c 'echo $A $(id -u) $PWD')"
}

@test "each container has files of its own, which stay as long as it does" {
    before=$(copies)
    "$davit" run -d --name one busybox sh -c 'echo one >/file; rm /bin/vi; sleep 1000'
    "$davit" run -d --name two busybox sh -c 'ls /file /bin/vi; sleep 1000'
    wait_for sh -c "\"$davit\" logs two 2>&1 | grep -q /bin/vi"
    expect_match 'ls: /file: No such file' "$("$davit" logs two 2>&1)"
    wait_for sh -c "\"$davit\" exec one cat /file | grep -q one"
    "$davit" restart -t 0 one
    expect one "$("$davit" exec one cat /file)"
    kill_davitd TERM
    start_davitd --set storage.driver=vfs
    expect one "$("$davit" exec one cat /file)"
    expect one "$("$davit" stop -t 0 one)"
    "$davit" start one
    expect one "$("$davit" exec one cat /file)"
    "$davit" rm -f one two
    as_before() { [ "$(copies)" = "$before" ]; }
    wait_for as_before
}

@test "layers: files that are deleted, directories emptied and replaced" {
    mktar "$T/1.tar" dir:d file:d/a=1 file:d/b=1 dir:o file:o/old=1 dir:o/sub file:o/sub/old=1 \
        file:f=1 dir:r file:r/x=1 dir:gone file:gone/x=1
    mktar "$T/2.tar" file:d/.wh.a= file:o/.wh..wh..opq= file:o/new=2 dir:f file:f/in=2 file:r=2 file:.wh.gone=
    mktar "$T/3.tar" dir:gone file:gone/y=3 file:d/a=3
    before=$(copies)
    mkimage --layer "$T/1.tar" --layer "$T/2.tar" --name wh:2 "$T/image2.tar"
    mkimage --layer "$T/1.tar" --layer "$T/2.tar" --layer "$T/3.tar" --name wh:3 "$T/image3.tar"
    "$davit" load -i "$T/image2.tar"
    "$davit" load -i "$T/image3.tar"
    expect "d d/b f f/in o o/new r" "$("$davit" run --rm wh:2 sh -c 'find d o f r gone 2>/dev/null | sort | xargs')"
    expect "d d/a d/b f f/in gone gone/y o o/new r" "$("$davit" run --rm wh:3 sh -c 'find d o f r gone | sort | xargs')"
    expect "3 2" "$("$davit" run --rm wh:3 sh -c 'cat d/a r | xargs')"
    "$davit" rmi wh:2 wh:3
    as_before() { [ "$(copies)" = "$before" ]; }
    wait_for as_before
}

@test "copies keep modes, owners, hard links, times, capabilities, attributes, devices, holes" {
    mkdir -p "$T/tree/d"
    echo x >"$T/tree/d/a"
    ln "$T/tree/d/a" "$T/tree/d/b"
    ln -s ../d/a "$T/tree/d/link"
    cp /bin/true "$T/tree/cap"
    setfattr -n user.test -v value "$T/tree/d/a" 2>/dev/null || python3 -c 'import os,sys; os.setxattr(sys.argv[1], "user.test", b"value")' "$T/tree/d/a"
    truncate -s 100M "$T/tree/hole"
    mknod "$T/tree/null" c 1 3
    mkfifo "$T/tree/fifo"
    chmod 4711 "$T/tree/cap"
    setcap cap_net_raw+ep "$T/tree/cap"
    chown 5:6 "$T/tree/d/a" "$T/tree/null"
    touch -h -d 2001-02-03T04:05:06.5Z "$T/tree/d/a" "$T/tree/d/link" "$T/tree/d"
    tar -C "$T/tree" --numeric-owner --xattrs --xattrs-include='*' --format=posix -Scf "$T/layer.tar" .
    mkimage --layer "$T/layer.tar" --name keep:1 "$T/image.tar"
    "$davit" load -i "$T/image.tar"
    "$davit" create --name kept keep:1 true
    # The container's own copy is the newest one.
    copy=$(find "$T_ROOT/storage/vfs" -name cap -printf '%C@ %h\n' | sort -n | tail -1 | cut -d' ' -f2)
    for f in d d/a d/b cap null fifo hole; do
        expect "$f $(stat -c '%A %u:%g %h %s %t:%T' "$T/tree/$f" | sed 's/ 4096 / /')" "$f $(stat -c '%A %u:%g %h %s %t:%T' "$copy/$f" | sed 's/ 4096 / /')"
    done
    for f in d d/a d/link; do expect "$(stat -c %.Y "$T/tree/$f")" "$(stat -c %.Y "$copy/$f")"; done
    [ "$copy/d/a" -ef "$copy/d/b" ]
    expect "$(getcap "$T/tree/cap" | cut -d' ' -f2)" "$(getcap "$copy/cap" | cut -d' ' -f2)"
    expect value "$(python3 -c 'import os,sys; print(os.getxattr(sys.argv[1], "user.test").decode())' "$copy/d/a")"
    [ "$(stat -c %b "$copy/hole")" -lt 1000 ]
    "$davit" rm kept
    "$davit" rmi keep:1
}

@test "an image of many layers; --read-only; binds; limits" {
    mkimage --layers 12 --name many:1 "$T/image.tar"
    "$davit" load -i "$T/image.tar"
    expect 12 "$("$davit" run --rm many:1 sh -c 'ls /layer | wc -l')"
    run "$davit" run --rm --read-only many:1 touch /x
    expect_match 'Read-only file system' "$output"
    mkdir "$T/shared"
    "$davit" run --rm -v "$T/shared:/mnt" busybox touch /mnt/made
    [ -f "$T/shared/made" ]
    run "$davit" run --rm -m 20m busybox sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1'
    expect 137 "$status"
    "$davit" rmi many:1
}

@test "no rootfs mount in the host's mount namespace" {
    "$davit" run -d --name mounted busybox sleep 1000
    run grep -F "$T_ROOT" /proc/self/mountinfo
    expect "" "$output"
}

# a real Debian 12 root file system: imported, loaded, and what people do in it
load lib

bats_require_minimum_version 1.5.0

cache=build-check/debian

# $cache/rootfs.tar, made once: debootstrap's minbase, a file with a capability and a hard link.
debian_rootfs() {
    [ ! -f "$cache/rootfs.tar" ] || return 0
    command -v debootstrap >/dev/null || return 1
    mkdir -p "$cache"
    local try
    for try in 1 2 3; do
        rm -rf "$cache/root"
        ! timeout 300 debootstrap --variant=minbase bookworm "$cache/root" >"$cache/log" 2>&1 || break
    done
    [ -f "$cache/root/etc/debian_version" ] || return 1
    rm -f "$cache"/root/var/cache/apt/archives/*.deb
    cp "$cache/root/bin/cat" "$cache/root/usr/local/bin/cat-with-cap"
    setcap cap_net_bind_service+ep "$cache/root/usr/local/bin/cat-with-cap"
    ln "$cache/root/usr/local/bin/cat-with-cap" "$cache/root/usr/local/bin/cat-linked"
    tar -C "$cache/root" --numeric-owner --xattrs --xattrs-include='*' -cf "$cache/rootfs.tar.new" .
    rm -rf "$cache/root"
    mv "$cache/rootfs.tar.new" "$cache/rootfs.tar"
}

setup_file() {
    engine_names
    start_davitd
    if debian_rootfs; then
        "$davit" import "$cache/rootfs.tar" debian:12 >/dev/null
        touch "$T/have"
    fi
}
setup() { [ -f "$T/have" ] || skip "no Debian root: debootstrap is missing or failed, see $cache/log"; }
teardown_file() { stop_engine; }

@test "imported: apt-get, a shell script, Debian's own words" {
    expect_match '^apt 2\.6\.' "$("$davit" run --rm debian:12 apt-get --version)"
    expect_match '^12\.' "$("$davit" run --rm debian:12 cat /etc/debian_version)"
    printf '#!/bin/bash\nset -eu\nfor i in 1 2 3; do echo "$1 $i"; done | sort -r | paste -sd,\nexit 5\n' >"$T/script"
    chmod 0755 "$T/script"
    run "$davit" run --rm -v "$T/script:/script:ro" debian:12 /script line
    expect "line 3,line 2,line 1" "$output"
    expect 5 "$status"
    expect "" "$("$davit" run --rm debian:12 dpkg --audit)"
}

@test "loaded from a docker-archive and an OCI tar: the same root" {
    for format in docker oci; do
        python3 tests/lib/mkimage --rootfs "$cache/rootfs.tar" --format $format --name "loaded:$format" - | "$davit" load
        expect_match '^apt 2\.6\.' "$("$davit" run --rm "loaded:$format" apt-get --version)"
    done
    expect "$("$davit" inspect --type image -f '{{json .RootFS.Layers}}' debian:12)" \
        "$("$davit" inspect --type image -f '{{json .RootFS.Layers}}' loaded:oci)"
    "$davit" rmi loaded:docker loaded:oci
}

@test "every file is as in the tar: kind, mode, owner, size, link" {
    # /dev, /proc, /sys and the three files of the network are the engine's.
    theirs() { grep -avE '^[^ ]+ [^ ]+ [^ ]+ ((dev|proc|sys)(/.*)?|etc/(hosts|hostname|resolv\.conf)|\.dockerenv)? ' | LC_ALL=C sort; }
    python3 tests/lib/tar-as-find "$cache/rootfs.tar" | theirs >"$T/tar"
    "$davit" run --rm debian:12 find / -xdev \( -type d -printf '%M %U:%G - %P %l\n' -o -printf '%M %U:%G %s %P %l\n' \) |
        theirs >"$T/found"
    [ "$(wc -l <"$T/found")" -gt 5000 ]
    diff "$T/tar" "$T/found" | head -20 >"$T/diff"
    expect "" "$(cat "$T/diff")"
}

@test "set-uid programs, file capabilities and hard links are kept and work" {
    expect "-rwsr-xr-x 0 0" "$("$davit" run --rm debian:12 stat -c '%A %u %g' /usr/bin/passwd)"
    # It reads /etc/shadow, which www-data may not.
    expect_match '^www-data L ' "$("$davit" run --rm -u www-data debian:12 passwd -S)"
    expect "www-data P" "$("$davit" run --rm -u www-data --security-opt no-new-privileges debian:12 passwd -S)"
    run "$davit" run --rm -u www-data debian:12 cat-with-cap /proc/self/status
    expect_match $'CapEff:\t0000000000000400' "$output"
    run "$davit" run --rm -u www-data debian:12 cat /proc/self/status
    expect_match $'CapEff:\t0000000000000000' "$output"
    expect "2 same" "$("$davit" run --rm debian:12 sh -c \
        'cd /usr/local/bin && stat -c %h cat-linked && [ cat-linked -ef cat-with-cap ] && echo same' | xargs)"
}

@test "a daemon with -d answers, logs, and stops when told" {
    "$davit" run -d --name daemon debian:12 perl -MIO::Socket::INET -e '
        $| = 1; $SIG{TERM} = sub { print "bye\n"; exit 7 };
        $l = IO::Socket::INET->new(Listen => 5, LocalPort => 7000, ReuseAddr => 1) or die;
        print "listening\n";
        while (1) { $c = $l->accept or next; print $c "hello from $$\n"; close $c }'
    wait_for sh -c "\"$davit\" logs daemon | grep -q listening"
    expect "hello from 1" "$("$davit" exec daemon bash -c 'cat </dev/tcp/127.0.0.1/7000')"
    ip=$("$davit" inspect -f '{{.NetworkSettings.IPAddress}}' daemon)
    # From another container, and from the host.
    expect "hello from 1" "$("$davit" run --rm debian:12 bash -c "cat </dev/tcp/$ip/7000")"
    expect "hello from 1" "$(bash -c "cat </dev/tcp/$ip/7000")"
    "$davit" stop daemon
    expect 7 "$("$davit" inspect -f '{{.State.ExitCode}}' daemon)"
    expect_match 'bye' "$("$davit" logs daemon)"
    "$davit" rm daemon
}

@test "a server on the host is reached from a container" {
    socat -u "EXEC:echo from the host" TCP-LISTEN:0,reuseaddr 2>"$T/socat" &
    pid=$!
    port() { ss -Hltnp | sed -n "s/.*:\([0-9]*\) .*pid=$pid,.*/\1/p" | grep .; }
    wait_for port >/dev/null
    gateway=$("$davit" run --rm debian:12 sh -c "sed -n 's/^eth0\t00000000\t\([0-9A-F]*\).*/\1/p' /proc/net/route" |
        sed 's/\(..\)\(..\)\(..\)\(..\)/0x\4 0x\3 0x\2 0x\1/')
    gateway=$(printf '%d.%d.%d.%d' $gateway)
    expect "from the host" "$("$davit" run --rm debian:12 bash -c "cat </dev/tcp/$gateway/$(port)")"
    wait "$pid"
}

@test "limits bite: memory, pids, cpus" {
    run "$davit" run --name big -m 48m debian:12 perl -e '$x = "a" x (128 << 20); print length $x'
    expect 137 "$status"
    expect true "$("$davit" inspect -f '{{.State.OOMKilled}}' big)"
    "$davit" rm big
    run "$davit" run --rm --pids-limit 10 debian:12 \
        perl -e 'for (1..30) { $p = fork; defined $p or die "fork $_: $!\n"; $p or sleep 100 }'
    expect "fork 10: Resource temporarily unavailable" "$output"
    # A quarter of a processor: two seconds of wall time give about half a second.
    used=$("$davit" run --rm --cpus 0.25 debian:12 perl -e \
        '$e = time + 2; 1 while time < $e; ($u, $s) = times; printf "%d", 1000 * ($u + $s)')
    echo "used $used ms"
    [ "$used" -lt 1200 ]
    expect "0" "$("$davit" run --rm --cpuset-cpus 0 debian:12 sh -c "sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status")"
    expect 1 "$("$davit" run --rm --cpuset-cpus 0 debian:12 nproc)"
    expect 77 "$("$davit" run --rm --ulimit nofile=77:99 debian:12 bash -c 'ulimit -n')"
}

@test "-v and --read-only" {
    mkdir "$T/data"
    "$davit" run --rm -v "$T/data:/data" -u 1234:5678 debian:12 id >/dev/null
    chmod 0777 "$T/data"
    "$davit" run --rm -v "$T/data:/data" -u 1234:5678 debian:12 sh -c 'echo mine >/data/file'
    expect "1234 5678 mine" "$(stat -c '%u %g' "$T/data/file") $(cat "$T/data/file")"
    run "$davit" run --rm --read-only debian:12 touch /etc/x /var/x /usr/x
    expect 3 "$(grep -c 'Read-only file system' <<<"$output")"
    expect ok "$("$davit" run --rm --read-only --tmpfs /tmp -v "$T/data:/var/lib/x" debian:12 \
        sh -c 'touch /tmp/x /var/lib/x/y && echo ok')"
}

@test "-u with Debian's passwd and group, -w, -e" {
    expect "uid=33(www-data) gid=33(www-data) groups=33(www-data)" "$("$davit" run --rm -u www-data debian:12 id)"
    expect "uid=1(daemon) gid=4(adm) groups=4(adm)" "$("$davit" run --rm -u daemon:adm debian:12 id)"
    expect /var/www "$("$davit" run --rm -u www-data debian:12 sh -c 'echo $HOME')"
    expect "uid=0(root) gid=0(root) groups=0(root),4(adm),27(sudo)" \
        "$("$davit" run --rm --group-add adm --group-add 27 debian:12 id)"
    expect "/opt/new /opt/new" "$("$davit" run --rm -w /opt/new debian:12 sh -c 'echo $PWD $(pwd)')"
    expect "C.UTF-8 a b" "$("$davit" run --rm -e LANG=C.UTF-8 -e X='a b' debian:12 sh -c 'echo $LANG $X')"
}

# A repository of one package of our own, which needs no network.
make_repository() {
    mkdir -p "$T/deb/DEBIAN" "$T/deb/usr/bin" "$T/repo"
    printf 'Package: davit-hello\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: says hello\n' \
        >"$T/deb/DEBIAN/control"
    printf '#!/bin/sh\nuseradd -r -m hello\nchown hello /usr/bin/davit-hello\nchmod 4755 /usr/bin/davit-hello\n' \
        >"$T/deb/DEBIAN/postinst"
    printf '#!/bin/sh\necho hello from a package\n' >"$T/deb/usr/bin/davit-hello"
    chmod 0755 "$T/deb/DEBIAN/postinst" "$T/deb/usr/bin/davit-hello"
    dpkg-deb --root-owner-group -b "$T/deb" "$T/repo/hello.deb" >/dev/null
    {
        cat "$T/deb/DEBIAN/control"
        printf 'Filename: ./hello.deb\nSize: %s\nSHA256: %s\n' "$(stat -c %s "$T/repo/hello.deb")" \
            "$(sha256sum <"$T/repo/hello.deb" | cut -d' ' -f1)"
    } >"$T/repo/Packages"
}

@test "apt installs a package, with its own user for the download" {
    make_repository
    "$davit" run --name apt -v "$T/repo:/repo:ro" debian:12 sh -ec '
        echo "deb [trusted=yes] file:/repo ./" >/etc/apt/sources.list
        apt-get -q update && apt-get -qy install davit-hello && davit-hello && id -u hello && stat -c "%A %U" /usr/bin/davit-hello' >"$T/out" 2>&1 ||
        { cat "$T/out"; return 1; }
    expect "hello from a package 999 -rwsr-xr-x hello" "$(tail -3 "$T/out" | xargs)"
    # What it wrote is there at the next start.
    "$davit" start -a apt >"$T/again" 2>&1
    expect_match 'already the newest version' "$(cat "$T/again")"
    "$davit" rm apt
}

@test "apt-get update over the network" {
    # The mirror that the image itself names; reachable from the host, or there is nothing to show.
    mirror=$("$davit" run --rm debian:12 sh -c "sed -n 's/^deb \([^ ]*\) .*/\1/p' /etc/apt/sources.list | head -1")
    timeout 5 curl -sfo /dev/null "$mirror/dists/bookworm/InRelease" || skip "$mirror cannot be reached from here"
    for try in 1 2 3; do
        run timeout 60 "$davit" run --rm debian:12 apt-get -q update
        [ "$status" -ne 0 ] || break
    done
    expect 0 "$status"
    expect_match 'Reading package lists' "$output"
}

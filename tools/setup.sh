# setup.sh - what ./quickstart and ./check share: packages, build. Sourced by bash.

# Packages of Debian 12 that building needs; those that tests need besides.
build_packages=(
    ca-certificates gcc libc6-dev meson ninja-build pkg-config
    libarchive-dev libcap-dev libcurl4-openssl-dev libhttp-parser-dev libinih-dev libjson-c-dev
    libmd-dev libmnl-dev libnftnl-dev libnl-3-dev libnl-route-3-dev libseccomp-dev libsqlite3-dev
    libssl-dev libzstd-dev zlib1g-dev libcmocka-dev musl-tools busybox-static
)
test_packages=(
    bats curl jq python3 python3-pyte socat iproute2 nftables procps xz-utils zstd bzip2 debootstrap
    clang libclang-rt-14-dev g++ qemu-system-x86 kmod cpio strace util-linux systemd
    skopeo umoci pmccabe
)

say() { printf '%s\n' "$*"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Three tries: a mirror may fail for a moment.
try3() {
    local n
    for n in 1 2 3; do
        "$@" && return 0
        say "try $n of 3 failed: $*" >&2
    done
    return 1
}

# install_packages PACKAGE...: those that are missing, by apt; says which.
install_packages() {
    local missing=() p
    for p in "$@"; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing+=("$p")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || { say "needs apt-get to install: ${missing[*]}" >&2; return 1; }
    say "installing with apt: ${missing[*]}"
    try3 as_root apt-get update -qq
    try3 as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" >/dev/null
}

# unpack_packages FOLDER PACKAGE...: Debian packages into FOLDER/root, without installing them; only what
# is not there yet. Without lists of packages a second try has them.
unpack_packages() (
    folder=$1 missing=()
    shift
    mkdir -p "$folder/debs" "$folder/root"
    exec 9>"$folder/lock"
    flock 9
    for p; do
        compgen -G "$folder/debs/${p}_*.deb" >/dev/null || missing+=("$p")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        command -v apt-get >/dev/null || { say "no apt-get here to download ${missing[*]} with" >&2; exit 1; }
        say "downloading ${missing[*]}"
        cd "$folder/debs" && try3 download_packages "${missing[@]}" && cd "$OLDPWD" || exit 1
    fi
    for p; do
        [ -e "$folder/root/.unpacked-$p" ] && continue
        dpkg -x "$folder"/debs/"${p}"_*.deb "$folder/root" && : >"$folder/root/.unpacked-$p" || exit 1
    done
)
download_packages() {
    apt-get download -qq "$@" || { as_root apt-get update -qq; return 1; }
}

# build DIR [MESON OPTION...]: configure once, then build ($targets: only these).
build() {
    local dir=$1
    shift
    if [ -f "$dir/build.ninja" ]; then
        meson configure "$dir" "$@" >/dev/null
    else
        meson setup "$dir" "$@" >/dev/null || { cat "$dir/meson-logs/meson-log.txt"; return 1; }
    fi
    ninja -C "$dir" ${targets-} >"$dir/build.log" 2>&1 || { cat "$dir/build.log"; return 1; }
}

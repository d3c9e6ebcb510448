#!/bin/sh
# Builds the release that starts on any Debian from 11 on, and on whatever else has glibc 2.31 or newer: in a Debian 11 root of its
# own, made by debootstrap, with the Rust toolchain of this machine. Then starts the result in a second, bare root, has it check
# its fingerprint, and download a file there.
#
# Usage: scripts/dist.sh [FOLDER]      as root; FOLDER, target/dist by default, keeps the roots for the next time
#
# Needs debootstrap, cargo, 2 GiB of disk, and the network the first time. Writes FOLDER/hydrastream-VERSION-ARCH-linux.tar.gz.
set -eu

here=$(dirname "$(dirname "$(realpath "$0")")")
dist=$(realpath -m "${1:-$here/target/dist}")
suite=bullseye
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
# BoringSSL wants a newer CMake than Debian 11 has; PyPI has it as a program.
cmake=3.31.6
glibc=2.31

cargo_home=${CARGO_HOME:-$HOME/.cargo}
rustup_home=${RUSTUP_HOME:-$HOME/.rustup}

main() {
    if [ "$(id -u)" != 0 ]; then
        fail "run it as root: debootstrap and chroot need that"
    fi
    # Mounts are seen by this process and what it starts alone, and are gone with it.
    if [ -z "${DIST_MOUNTS:-}" ]; then
        DIST_MOUNTS=own exec unshare --mount "$0" "$dist"
    fi
    mkdir -p "$dist"
    root "$dist/bare"
    root "$dist/build" ca-certificates,gcc,g++,make,patch,git,libclang-dev,python3-pip
    # Trusts whom this machine trusts, which may be behind a proxy.
    cp -L /etc/ssl/certs/ca-certificates.crt "$dist/build/etc/ssl/certs/"
    chroot "$dist/build" cmake --version >/dev/null 2>&1 || chroot "$dist/build" env -i \
        PATH=/usr/bin:/bin PIP_CERT=/etc/ssl/certs/ca-certificates.crt pip3 install "cmake==$cmake"
    build
    check_symbols
    pack
    check_start
}

fail() {
    echo "dist: $*" >&2
    exit 1
}

# root FOLDER [PACKAGES]: a Debian root. One that is there and complete is used again.
root() {
    [ ! -e "$1/complete" ] || return 0
    rm -rf "$1"
    debootstrap --variant=minbase ${2:+--include="$2"} "$suite" "$1" "$mirror"
    : >"$1/complete"
}

build() {
    for folder in src cargo rustup out dev proc; do
        mkdir -p "$dist/build/$folder"
    done
    mount --bind "$here" "$dist/build/src"
    mount --bind "$cargo_home" "$dist/build/cargo"
    mount --bind "$rustup_home" "$dist/build/rustup"
    mount --rbind /dev "$dist/build/dev"
    mount -t proc proc "$dist/build/proc"
    cp /etc/resolv.conf "$dist/build/etc/resolv.conf"
    cargo fetch --locked --manifest-path "$here/Cargo.toml"
    inside "cargo build --locked --offline --release --bin hs -j ${JOBS:-2}"
    hs=$dist/build/out/release/hs
}

# inside COMMAND: runs it in the building root, at the top of the sources.
inside() {
    chroot "$dist/build" env -i HOME=/root PATH=/cargo/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 CARGO_HOME=/cargo \
        RUSTUP_HOME=/rustup CARGO_TARGET_DIR=/out sh -c "cd /src && $1"
}

# The newest version of glibc that the program asks for must not be newer than the oldest system it is for.
check_symbols() {
    newest=$(objdump -T "$hs" | sed -n 's/.*(\{0,1\}GLIBC_\([0-9.]*\)).*/\1/p' | sort -uV | tail -1)
    highest=$(printf '%s\n%s\n' "$newest" "$glibc" | sort -V | tail -1)
    [ "$highest" = "$glibc" ] || fail "it asks for glibc $newest"
    echo "dist: asks for glibc $newest at most"
}

pack() {
    version=$("$hs" -v | sed -n '1s/^hs //p')
    name=hydrastream-$version-$(uname -m)-linux
    rm -rf "${dist:?}/$name"
    mkdir -p "$dist/$name"
    install -m 755 "$hs" "$dist/$name/hs"
    install -m 644 "$here/README.md" "$here/LICENSE" "$here/CHANGELOG.md" "$dist/$name/"
    "$hs" man >"$dist/$name/hs.1"
    for shell in bash zsh fish; do
        "$hs" completions "$shell" >"$dist/$name/hs.$shell"
    done
    tar -C "$dist" --owner=0 --group=0 --sort=name -czf "$dist/$name.tar.gz" "$name"
    (cd "$dist" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
}

# In the bare root, which has nothing but Debian 11: the program starts, and downloads a file from this machine.
check_start() {
    tar -C "$dist/bare/root" -xzf "$dist/$name.tar.gz"
    chroot "$dist/bare" "/root/$name/hs" -v
    chroot "$dist/bare" "/root/$name/hs" fingerprint check chrome120
    python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 40000)' >"$dist/sample.bin"
    wanted=$(sha256sum <"$dist/sample.bin" | cut -d ' ' -f 1)
    # On a free port, which it names first.
    python3 -u -m http.server --bind 127.0.0.1 --directory "$dist" 0 >"$dist/port" 2>/dev/null &
    server=$!
    trap 'kill $server' EXIT
    until grep -q port "$dist/port"; do
        kill -0 $server
        sleep 0.2
    done
    port=$(sed -n 's/.* port \([0-9]*\).*/\1/p' "$dist/port")
    chroot "$dist/bare" "/root/$name/hs" -nu -o /root/got --checksum "sha256:$wanted" "http://127.0.0.1:$port/sample.bin"
    cmp "$dist/sample.bin" "$dist/bare/root/got/sample.bin"
    rm -rf "$dist/bare/root/got" "$dist/bare/root/${name:?}" "$dist/sample.bin" "$dist/port"
    echo "dist: $dist/$name.tar.gz starts and downloads on Debian 11"
}

main

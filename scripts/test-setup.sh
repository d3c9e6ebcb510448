#!/bin/sh
# Tests scripts/setup.sh on machines made of stubs: a folder that is the whole PATH, a root without libclang, and package
# managers that write down what they were asked and then "install" it. Nothing real is installed and nobody is asked for a
# password. Takes about three seconds.
# The conditions given to `check` are evaluated there, hence in single quotes.
# shellcheck disable=SC2016
set -eu

setup=$(cd "$(dirname "$0")" && pwd)/setup.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# fresh MANAGER UID SUDO: a machine with nothing but a shell, Rust, and package manager MANAGER (none, apt-get, …).
fresh() {
    rm -rf "${work:?}/bin" "$work/root" "$work/log"
    mkdir -p "$work/bin" "$work/root"
    : >"$work/log"
    for tool in sh sed dirname mkdir cat chmod env; do
        ln -s "$(command -v "$tool")" "$work/bin/$tool"
    done
    stub true ""
    stub id "echo $2"
    stub cargo 'echo cargo 99.0.0'
    stub rustc 'echo rustc 99.0.0 stub'
    # A password is wanted unless SUDO is yes: then it drops `-n` and runs the rest.
    [ "$3" = absent ] || stub sudo "[ $3 = yes ] || exit 1; echo sudo >>'$work/log'; shift; [ \$# -eq 0 ] || exec \"\$@\""
    [ "$1" = none ] || stub "$1" "echo $1 \"\$@\" >>'$work/log'
for word; do case \$word in
    cmake) printf '#!/bin/sh\necho cmake version 3.25.1\n' >'$work/bin/cmake' ;;
    g++ | gcc-c++ | gcc) for c in cc c++; do echo '#!/bin/sh' >'$work/bin/'\$c; done ;;
    make | patch | git | apache2 | caddy | microsocks | chromium | firefox-esr | openssl | strace) echo '#!/bin/sh' >'$work/bin/'\$word ;;
    nginx-light) echo '#!/bin/sh' >'$work/bin/nginx' ;;
    tinyproxy-bin) echo '#!/bin/sh' >'$work/bin/tinyproxy' ;;
    iproute2) echo '#!/bin/sh' >'$work/bin/ip' ;;
    libclang-dev | clang-devel | clang-dev | clang | llvm)
        mkdir -p '$work/root/usr/lib/llvm-14/lib/clang/14/include'
        echo >'$work/root/usr/lib/llvm-14/lib/libclang.so.1'
        echo >'$work/root/usr/lib/llvm-14/lib/clang/14/include/stddef.h' ;;
esac; done
chmod +x '$work/bin/'*"
}

stub() {
    printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
    chmod +x "$work/bin/$1"
}

# run [ARG]: runs setup.sh on the machine; leaves $status and $said (both outputs).
run() {
    status=0
    said=$(env -i PATH="$work/bin" HOME="$work" HS_SETUP_ROOT="$work/root" sh "$setup" "$@" 2>&1) || status=$?
}

# check NAME CONDITION: counts one test; the condition is evaluated here.
check() {
    if eval "$2"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n  status %s, it said:\n%s\n  it ran:\n%s\n' "$1" "$status" "$said" "$(cat "$work/log")" >&2
    fi
}

said_line() {
    printf '%s\n' "$said" | grep -qxF -- "$1"
}

ran_line() {
    grep -qxF -- "$1" "$work/log"
}

names() {
    case $1 in
    apt-get) echo "install -y --no-install-recommends g++ make patch git cmake libclang-dev" ;;
    dnf | yum) echo "install -y gcc-c++ make patch git cmake clang-devel" ;;
    pacman) echo "-Sy --needed --noconfirm gcc make patch git cmake clang" ;;
    apk) echo "add g++ linux-headers make patch git cmake clang-dev" ;;
    zypper) echo "--non-interactive install gcc-c++ make patch git cmake clang-devel" ;;
    brew) echo "install gcc make patch git cmake llvm" ;;
    esac
}

for manager in apt-get dnf yum pacman apk zypper brew; do
    fresh "$manager" 0 absent
    run
    check "$manager as root installs all" '[ $status -eq 0 ] && ran_line "$manager $(names $manager)"'
    : >"$work/log"
    run
    check "$manager: a second run is silent and runs nothing" '[ $status -eq 0 ] && [ -z "$said" ] && [ ! -s "$work/log" ]'

    fresh "$manager" 0 absent
    run --check
    check "$manager --check installs nothing" '[ $status -eq 1 ] && [ ! -s "$work/log" ]'
done

fresh apt-get 1000 yes
run
check "sudo without a password is used" '[ $status -eq 0 ] && ran_line sudo && ran_line "apt-get $(names apt-get)"'

fresh dnf 1000 no
run
check "no password-less sudo: one line to copy" \
    '[ $status -eq 1 ] && [ ! -s "$work/log" ] && said_line "sudo dnf $(names dnf)"'

fresh apt-get 1000 absent
run
check "no sudo at all: one line to copy" '[ $status -eq 1 ] && [ ! -s "$work/log" ] &&
    said_line "sudo apt-get update && sudo env DEBIAN_FRONTEND=noninteractive apt-get $(names apt-get)"'

fresh brew 501 absent
run
check "brew needs no sudo" '[ $status -eq 0 ] && ran_line "brew $(names brew)" && ! ran_line sudo'

servers="apache2 caddy nginx-light microsocks tinyproxy-bin chromium firefox-esr openssl strace iproute2"
fresh apt-get 0 absent
run --system
check "the system tests' programs are installed too" '[ $status -eq 0 ] && ran_line "apt-get $(names apt-get) $servers"'
: >"$work/log"
run --system
check "and not twice" '[ $status -eq 0 ] && [ -z "$said" ] && [ ! -s "$work/log" ]'
run --sistem
check "an unknown option is named" '[ $status -eq 2 ] && said_line "setup: unknown option --sistem"'

fresh none 0 absent
run
check "no package manager: the tools are named" '[ $status -eq 1 ] && said_line "setup: missing: c++ make patch git cmake libclang"'

fresh apt-get 0 absent
run
stub cmake 'echo cmake version 3.16.3'
: >"$work/log"
run --check
check "an old cmake counts as missing" '[ $status -eq 1 ] && said_line "setup: missing: cmake"'

stub apt-get 'exit 0'
run
check "what is still missing afterwards is named" '[ $status -eq 1 ] && said_line "  cmake 3.22 or newer (https://cmake.org/download/)"'

stub apt-get 'exit 100'
run
check "a package manager that fails is named" '[ $status -eq 1 ] && printf "%s\n" "$said" | grep -q "apt-get failed"'

fresh apt-get 0 absent
run
rm "$work/root/usr/lib/llvm-14/lib/clang/14/include/stddef.h"
run --check
check "libclang without clang's headers counts as missing" '[ $status -eq 1 ] && said_line "setup: missing: libclang"'

fresh apt-get 0 absent
run
rm "$work/bin/rustc"
run
check "no Rust: the rustup line" '[ $status -eq 1 ] && printf "%s\n" "$said" | grep -q "^curl .*sh.rustup.rs"'
stub rustc 'echo "rustc 1.63.0 (4b91a6ea7 2022-08-08)"'
run
check "an old Rust is named" '[ $status -eq 1 ] && printf "%s\n" "$said" | grep -q "rustc 1.63.0 is too old"'

printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]

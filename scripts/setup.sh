#!/bin/sh
# Installs what `cargo build` needs and a fresh machine lacks: BoringSSL is built from source (cmake, a C++ compiler, make,
# patch, git), and its Rust bindings are generated with libclang. Silent and quick when everything is there.
#
# Packages are installed only as root, through a sudo that asks no password, or by Homebrew. Where none of these is possible,
# one line to copy is printed and the exit status is 1. Rust itself is never installed: which toolchain a machine has is its
# owner's choice.
#
# Usage: scripts/setup.sh [--check] [--system]
#
# --check   installs nothing and only says what is missing
# --system  what the system tests need as well: real servers, proxies and browsers, under the names that Debian has for them
#
# HS_SETUP_ROOT  a folder in which libclang is looked for instead of `/`; scripts/test-setup.sh sets it.
set -eu

cmake_wanted=3.22 # cmake_minimum_required of BoringSSL
# Program and package of Debian.
system_programs='apache2:apache2 caddy:caddy nginx:nginx-light microsocks:microsocks tinyproxy:tinyproxy-bin
    chromium:chromium firefox-esr:firefox-esr openssl:openssl strace:strace ip:iproute2'
root=${HS_SETUP_ROOT:-}
manifest=$(dirname "$0")/../Cargo.toml

main() {
    check=
    system=
    for option; do
        case $option in
        --check) check=yes ;;
        --system) system=yes ;;
        *) say "setup: unknown option $option" && exit 2 ;;
        esac
    done
    missing=$(missing_tools)
    if [ -n "$missing" ]; then
        manager=$(package_manager)
        if [ -n "$check" ] || ! allowed "$manager"; then
            refuse "$missing" "$manager"
        fi
        install_with "$manager" "$missing"
        still=$(missing_tools)
        if [ -n "$still" ]; then
            refuse "$still" none
        fi
    fi
    check_rust
}

say() {
    printf '%s\n' "$*" >&2
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# --- what is missing -------------------------------------------------------------------------------------------------

# Prints the missing tools, separated by blanks; nothing when all are there.
missing_tools() {
    found=
    has "${CC:-cc}" && has "${CXX:-c++}" || found="$found c++"
    has make || found="$found make"
    has patch || found="$found patch"
    has git || found="$found git"
    has_cmake || found="$found cmake"
    has_libclang || found="$found libclang"
    for program in ${system:+$system_programs}; do
        has_program "${program%%:*}" || found="$found ${program%%:*}"
    done
    printf '%s' "${found# }"
}

# Servers are where an ordinary user's PATH does not lead.
has_program() {
    has "$1" || [ -x "$root/usr/sbin/$1" ]
}

has_cmake() {
    has cmake && at_least "$(cmake --version 2>/dev/null | sed -n '1s/[^0-9]*\([0-9.]*\).*/\1/p')" "$cmake_wanted"
}

# at_least 3.25.1 3.22: is version $1 (major.minor[.more]) not older than $2?
at_least() {
    major=${1%%.*}
    minor=${1#*.}
    minor=${minor%%.*}
    [ "${major:-0}" -gt "${2%%.*}" ] || { [ "${major:-0}" -eq "${2%%.*}" ] && [ "${minor:-0}" -ge "${2#*.}" ]; }
}

# Looks where bindgen will look (its crate clang-sys), and asks for clang's own headers as well: a lone libclang, as other
# packages drag it in, cannot even find stddef.h.
has_libclang() {
    if [ -n "${LIBCLANG_PATH:-}" ]; then
        return 0 # said by the user, who knows better; bindgen will name it if it is wrong
    fi
    llvm=$("${LLVM_CONFIG_PATH:-llvm-config}" --prefix 2>/dev/null || true)
    folders="${llvm:+$llvm/lib $llvm/lib64} $root/usr/local/llvm*/lib* $root/usr/local/lib* $root/usr/local/lib*/*
        $root/usr/local/lib*/*/* $root/usr/lib* $root/usr/lib*/* $root/usr/lib*/*/* $root/usr/local/opt/llvm*/lib
        $root/opt/homebrew/opt/llvm*/lib $root/Library/Developer/CommandLineTools/usr/lib"
    found_in 'libclang.so libclang.so.* libclang-*.so libclang-*.so.* libclang.dylib' && found_in 'clang/*/include/stddef.h'
}

# Is there, in one of $folders, a file that one of the patterns $1 matches?
found_in() {
    # Both lists are patterns to be expanded; one that matches nothing stays as it is and fails the test for existence.
    for folder in $folders; do
        for pattern in $1; do
            # shellcheck disable=SC2231
            for file in $folder/$pattern; do
                case $file in *libclang-cpp.*) continue ;; esac
                if [ -e "$file" ]; then
                    return 0
                fi
            done
        done
    done
    return 1
}

# --- installing --------------------------------------------------------------------------------------------------------

package_manager() {
    for candidate in apt-get dnf yum pacman apk zypper brew; do
        if has "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    printf none
}

# May packages be installed with $1 without asking anybody? Sets `as`, the words to put before each command.
allowed() {
    as=
    case $1 in
    none) return 1 ;;
    brew) return 0 ;; # refuses root, needs no sudo
    esac
    if [ "$(id -u)" -eq 0 ]; then
        return 0
    fi
    if has sudo && sudo -n true 2>/dev/null; then
        as='sudo -n'
        return 0
    fi
    return 1
}

# Prints the package of manager $1 that brings tool $2.
package() {
    case $1:$2 in
    *:make | *:patch | *:git | *:cmake) printf '%s' "$2" ;;
    apt-get:libclang) printf libclang-dev ;;
    dnf:libclang | yum:libclang | zypper:libclang) printf clang-devel ;;
    pacman:libclang) printf clang ;;
    apk:libclang) printf clang-dev ;;
    brew:libclang) printf llvm ;;
    apt-get:c++) printf g++ ;;
    dnf:c++ | yum:c++ | zypper:c++) printf gcc-c++ ;;
    apk:c++) printf 'g++ linux-headers' ;;
    pacman:c++ | brew:c++) printf gcc ;;
    *)
        for program in $system_programs; do
            [ "${program%%:*}" != "$2" ] || printf '%s' "${program#*:}"
        done
        ;;
    esac
}

packages() {
    names=
    for tool in $2; do
        names="$names $(package "$1" "$tool")"
    done
    printf '%s' "${names# }"
}

# Prints the command line that installs the packages of tools $2 with manager $1, each command after the words $3.
command_line() {
    names=$(packages "$1" "$2")
    case $1 in
    apt-get) printf '%s' "${3}apt-get update && ${3}env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $names" ;;
    dnf | yum) printf '%s' "${3}$1 install -y $names" ;;
    pacman) printf '%s' "${3}pacman -Sy --needed --noconfirm $names" ;;
    apk) printf '%s' "${3}apk add $names" ;;
    zypper) printf '%s' "${3}zypper --non-interactive install $names" ;;
    brew) printf '%s' "brew install $names" ;;
    esac
}

install_with() {
    line=$(command_line "$1" "$2" "${as:+$as }")
    say "setup: missing: $2"
    say "setup: $line"
    # What the package manager prints is news, not output: `make run` may be part of a pipe.
    if ! sh -c "$line" </dev/null >&2; then
        say "setup: $1 failed; run the line above by hand and look at what it says"
        exit 1
    fi
}

# Says what is missing and the one line that brings it, and ends.
refuse() {
    say "setup: missing: $1"
    case $2 in
    none)
        say "setup: install these with your system's package manager, then run this again:"
        for tool in $1; do
            case $tool in
            cmake) say "  cmake $cmake_wanted or newer (https://cmake.org/download/)" ;;
            libclang) say "  libclang with clang's headers (often called libclang-dev or clang-devel), or set LIBCLANG_PATH" ;;
            c++) say "  a C and C++17 compiler, as cc and c++ (or set CC and CXX)" ;;
            *) say "  $tool" ;;
            esac
        done
        ;;
    brew) command_line brew "$1" '' && echo ;;
    *)
        say "setup: run this line, then the same command again:"
        become=
        [ "$(id -u)" -eq 0 ] || become='sudo '
        command_line "$2" "$1" "$become" && echo
        ;;
    esac
    exit 1
}

# --- Rust --------------------------------------------------------------------------------------------------------------

check_rust() {
    PATH=$PATH:${CARGO_HOME:-${HOME:-}/.cargo}/bin
    wanted=$(sed -n 's/^rust-version *= *"\([0-9]*\.[0-9]*\).*/\1/p' "$manifest")
    if ! has cargo || ! has rustc; then
        say "setup: Rust is missing (${wanted:-the newest} or newer); run this line, then the same command again:"
        echo "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal"
        exit 1
    fi
    version=$(rustc --version | sed 's/^rustc \([0-9.]*\).*/\1/')
    if [ -n "$wanted" ] && ! at_least "$version" "$wanted"; then
        say "setup: rustc $version is too old, $wanted or newer is needed; run this line, then the same command again:"
        if has rustup; then
            echo "rustup update stable && rustup default stable"
        else
            echo "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal"
        fi
        exit 1
    fi
}

main "$@"

#!/bin/sh
# Measures streams and hashing against the demonstration origin on this machine: peak memory for several windows with 50 ms
# of latency, speed of a stream beside that of a download to disk, and what hashing costs. Prints one line for each run.
#
# Usage: scripts/bench-stream.sh HS ORIGIN [MIB]     size of the file, 4096 by default; the disk needs room for it
#
# Figures, not a test: the exit status is 0 unless something failed or a digest was wrong. Needs a shell, awk, sha256sum
# and /proc. Ends only the origins that it started, and leaves no file behind.
set -eu

hs=$1
origin=$2
mib=${3:-4096}
size=$((mib * 1048576))

# shellcheck source-path=SCRIPTDIR source=origin.sh
. "$(dirname "$0")/origin.sh"

main() {
    mkfifo "$folder/pipe"
    start_origin --size "$size"
    # From a single request, which needs no reordering.
    right=$("$hs" -q -s -t 1 --cacert "$folder/ca.pem" "${base}f.bin" | sha256sum | cut -d ' ' -f 1)
    echo "speed, no latency, $mib MiB"
    for round in 1 2 3; do
        measure "disk, md5, round $round" "" -o "$folder/out"
        measure "disk, --checksum sha256, round $round" "" -o "$folder/out" --checksum "sha256:$right"
        measure "-s into cat >/dev/null, round $round" "cat >/dev/null" -s
        measure "-s --checksum sha256, round $round" "cat >/dev/null" -s --checksum "sha256:$right"
    done
    measure "-s -t 16 into sha256sum" "sha256sum" -s -t 16
    stop_origin
    start_origin --size "$size" --latency 50
    echo "peak memory, 50 ms of latency for each request, -t 16"
    for buffer in 16 50 100 500; do
        measure "-s -b $buffer into sha256sum" "sha256sum" -s -t 16 -b "$buffer"
    done
    measure "-s -b 100, reader stops for 20 s" "sleep 20; sha256sum" -s -t 16 -b 100
}

# measure TITLE READER OPTION...: one run of hs over HTTP/2, its standard output into READER. Time, speed, peak memory.
measure() {
    title=$1
    reader=$2
    shift 2
    begun=$(date +%s.%N)
    "$hs" -q --cacert "$folder/ca.pem" "${base}f.bin" "$@" >"$folder/pipe" &
    hs_id=$!
    (eval "${reader:-cat}") <"$folder/pipe" >"$folder/read" &
    reader_id=$!
    peak=0
    while now=$(awk '/^VmHWM/ { print $2 }' "/proc/$hs_id/status" 2>/dev/null) && [ -n "$now" ]; do
        peak=$now
        sleep 0.05
    done
    wait "$hs_id" || fail "$title: hs ended with status $?"
    ended=$(date +%s.%N)
    wait "$reader_id"
    case $reader in
    *sha256sum*) [ "$(cut -d ' ' -f 1 "$folder/read")" = "$right" ] || fail "$title: the bytes are wrong" ;;
    esac
    rm -rf "$folder/out"
    awk -v title="$title" -v begun="$begun" -v ended="$ended" -v mib="$mib" -v peak="$peak" 'BEGIN {
        seconds = ended - begun
        printf "  %-36s %6.2f s %7.0f MiB/s, peak %4.0f MiB\n", title, seconds, mib / seconds, peak / 1024
    }'
}

main "$@"

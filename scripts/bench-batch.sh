#!/bin/sh
# Measures runs of many files against the demonstration origin on this machine: small files beside `curl --parallel`, over both
# versions of HTTP, and the memory that a list of a million lines costs. Prints one line for each run.
#
# Usage: scripts/bench-batch.sh HS ORIGIN [FILES [LINES]]     1000 files of 16 KiB, and a list of 1000000 lines; 0 leaves it out
#
# Figures, not a test: the exit status is 0 unless something failed or a file was wrong. Needs a shell, awk, curl with HTTP/2,
# and /proc. Ends only the programs that it started, and leaves no file behind. Both programs get the same number of
# connections, which are counted by the origin, and put their files on the same disk; `hs` hashes and syncs every file before
# it gets its name, `curl` does not. Nothing is removed before the end: some file systems are slow to create files after that.
set -eu

hs=$1
origin=$2
files=${3:-1000}
lines=${4:-1000000}

# shellcheck source-path=SCRIPTDIR source=origin.sh
. "$(dirname "$0")/origin.sh"
number=0

main() {
    start_origin --size 16384
    seq "$files" | sed "s|.*|${base}f&.bin|" >"$folder/urls"
    echo "$files files of 16 KiB"
    for round in 1 2 3; do
        # What hs opens of itself: six connections over HTTP/1.1, and one that all requests share over HTTP/2.
        measure "curl --parallel, HTTP/1.1, round $round" with_curl --http1.1 --parallel-max 6
        measure "hs -i, HTTP/1.1, round $round" with_hs --http1.1
        measure "curl --parallel, HTTP/2, round $round" with_curl --http2 --parallel-max 32
        measure "hs -i, HTTP/2, round $round" with_hs --http2
    done
    if [ "$lines" -gt 0 ]; then
        echo "a list of $lines lines"
        seq "$lines" | sed "s|.*|${base}a/rather/long/path/f&.bin|" >"$folder/urls"
        remember 1 "--max-filesize 0" --max-filesize 0
        remember 0 "--dry-run" --dry-run
    fi
}

with_curl() {
    curl -s --parallel "$@" --create-dirs --cacert "$folder/ca.pem" -K "$folder/curlrc" 2>"$folder/errors"
}

with_hs() {
    "$hs" -q -N "$@" --no-config --cacert "$folder/ca.pem" -o "$out" --log-file none -i "$folder/urls"
}

# measure TITLE PROGRAM...: one run that fetches all files.
measure() {
    title=$1
    shift
    number=$((number + 1))
    out=$folder/out$number
    sed "s|.*/\(.*\)|url = \"&\"\noutput = \"$out/\1\"|" "$folder/urls" >"$folder/curlrc"
    before=$(connections)
    begun=$(date +%s.%N)
    "$@" || fail "$title: ended with status $?"
    ended=$(date +%s.%N)
    opened=$(($(connections) - before))
    whole=$(find "$out" -name 'f*.bin' -size 16384c | wc -l)
    [ "$whole" -eq "$files" ] || fail "$title: $whole files of $files are whole"
    awk -v title="$title" -v begun="$begun" -v ended="$ended" -v files="$files" -v opened="$opened" 'BEGIN {
        printf "  %-36s %6.2f s %7.0f files/s %3d connections\n", title, ended - begun, files / (ended - begun), opened
    }'
}

# How many connections with TLS the origin has seen. Asked for without TLS, so that this adds none.
connections() {
    curl -s "${plain}_seen" | grep -c '"tls": true' || true
}

# remember CODE TITLE OPTION...: the memory of a run over the whole list, which has to end with this status.
remember() {
    code=$1
    title=$2
    shift 2
    begun=$(date +%s)
    "$hs" -q --no-config --cacert "$folder/ca.pem" -o "$folder/out" --log-file none -i "$folder/urls" "$@" >"$folder/report" &
    hs_id=$!
    peak=0
    while now=$(awk '/^VmHWM/ { print $2 }' "/proc/$hs_id/status" 2>/dev/null) && [ -n "$now" ]; do
        peak=$now
        sleep 0.5
    done
    ended=0
    wait "$hs_id" || ended=$?
    [ "$ended" -eq "$code" ] || fail "$title: ended with status $ended"
    printf '  %-36s peak %4d MiB, %d s\n' "$title" $((peak / 1024)) $(($(date +%s) - begun))
}

main "$@"

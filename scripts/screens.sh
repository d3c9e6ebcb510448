#!/bin/sh
# Keeps what `hs` shows on terminals of 40, 80 and 200 columns, as text: one file, fifty files, a server that is busy at first,
# a server that refuses some of the requests. The captures in docs/screens/ are made by this, from real runs against the
# demonstration origin on this machine.
#
# Usage: scripts/screens.sh HS ORIGIN [FOLDER]      FOLDER is docs/screens by default
#
# Needs tmux. Ends only what it started.
set -eu

hs=$(realpath "$1")
origin=$(realpath "$2")
out=$(realpath "${3:-docs/screens}")

# shellcheck source-path=SCRIPTDIR source=origin.sh
. "$(dirname "$0")/origin.sh"
tmux=

main() {
    mkdir -p "$out"
    start_origin
    i=1
    while [ $i -le 50 ]; do
        echo "${base}sample-$i.fastq.gz?size=$((i * 400000 + 9000000))&limit=900000"
        i=$((i + 1))
    done >"$folder/urls.txt"
    for columns in 40 80 200; do
        screen one "$columns" 4 "'${base}GCF_000001405.40_GRCh38.p14_genomic.fna.gz?size=93000000&limit=2000000'"
        screen fifty "$columns" 6 "-i $folder/urls.txt"
        screen retry "$columns" 1.5 "'${base}$columns/reads.fastq.gz?size=93000000&busy=2&after=5'"
        screen throttle "$columns" 5 "'${base}archive.tar?size=93000000&limit=900000&most=3'"
    done
}

# screen NAME COLUMNS SECONDS ARGUMENTS: what is on the screen so long after the beginning.
screen() {
    # A server for each, since the last one may still be going.
    tmux="tmux -L hs-screens-$$-$1-$2 -f /dev/null"
    $tmux new-session -d -x "$2" -y 24 \
        "env -i PATH='$PATH' HOME='$folder' TERM=tmux-256color LANG=C.UTF-8 '$hs' -o '$folder/$1-$2' --cacert '$folder/ca.pem' $4; sleep 60"
    sleep "$3"
    # A capture may fall into the middle of drawing: the longest of some is whole.
    : >"$folder/screen"
    for _ in 1 2 3 4; do
        $tmux capture-pane -p >"$folder/next"
        [ "$(grep -c . "$folder/next")" -le "$(grep -c . "$folder/screen")" ] || cp "$folder/next" "$folder/screen"
        sleep 0.15
    done
    # Empty lines at the end are of the screen, not of hs.
    sed -e "s#$folder#/home/me#g" "$folder/screen" | sed -e 's/ *$//' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' >"$out/$1-$2.txt"
    $tmux kill-server
    rm -rf "${folder:?}/$1-$2"
}

clean_up() {
    [ -z "$tmux" ] || $tmux kill-server 2>/dev/null || true
    stop_origin
    rm -rf "$folder"
}

main

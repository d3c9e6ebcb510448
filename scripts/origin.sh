# The demonstration origin for the scripts beside this file, which read it with `. scripts/origin.sh` after they have set
# `origin`, the program. Not to be run by itself.
#
# Gives them a folder of their own, `$folder`, and functions to start and end the origin; at their end, however it comes about,
# it calls `clean_up`, which they may replace. Ends only what it started, and leaves no file behind.

script=$(basename "$0" .sh)
folder=$(mktemp -d "${TMPDIR:-/tmp}/hs-$script.XXXXXX")
origin_id=
trap 'clean_up' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start_origin OPTION...: starts it on free ports and reads its one line: `ready HTTPS_URL HTTP_URL CA_FILE`. Sets `base`, the
# first of the URLs, and `plain`, the second.
start_origin() {
    : >"$folder/ready"
    "$origin" "$@" --ca-out "$folder/ca.pem" >"$folder/ready" 2>"$folder/errors" &
    origin_id=$!
    tries=0
    while [ ! -s "$folder/ready" ]; do
        tries=$((tries + 1))
        if [ $tries -gt 100 ] || ! kill -0 "$origin_id" 2>/dev/null; then
            cat "$folder/errors" >&2
            fail "the origin did not start"
        fi
        sleep 0.1
    done
    # Not every script needs both.
    # shellcheck disable=SC2034
    read -r _ base plain _ <"$folder/ready"
}

# Ends it, if it runs.
stop_origin() {
    if [ -n "$origin_id" ]; then
        kill "$origin_id" 2>/dev/null || true
        wait "$origin_id" 2>/dev/null || true
    fi
    origin_id=
}

fail() {
    echo "$script: $*" >&2
    exit 1
}

clean_up() {
    stop_origin
    rm -rf "$folder"
}

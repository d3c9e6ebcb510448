#!/bin/sh
# Shows on this machine alone what `hs` does: starts the demonstration origin, downloads 256 MiB from it as Chrome 120 over
# parallel range requests, verifies the bytes, and prints what the origin saw beside what it would have seen of that browser.
# The exit status is 0 only if the checksum held and the fingerprints are equal.
#
# Usage: scripts/demo.sh HS ORIGIN [HS_OPTION]...      `make run` builds both programs and calls this
#
# Needs nothing but a shell and awk. Ends only the origin that it started, and leaves no file behind.
set -eu

size=268435456 # bytes
# Of the origin's /demo.bin, whose bytes are the same on every machine. Known beforehand, so that it proves something.
sha256=cf04b0d821b247ae56ff65fae50d19e148cc320c8a06cf8a57338ac806ccd5eb
browser=chrome120
# Chrome 120 pads its ClientHello on some connections only, by the length of the host name and by chance.
wanted_ja4='t13d1516h2_8daaf6152771_02713d6af862 t13d1517h2_8daaf6152771_b1ff8ab2d16f'
wanted_akamai=52d84b11737d980aef856699f885ca86

hs=$1
origin=$2
shift 2

# shellcheck source-path=SCRIPTDIR source=origin.sh
. "$(dirname "$0")/origin.sh"

main() {
    start_origin --size "$size"
    echo "$ hs ${base}demo.bin -B $browser --checksum sha256:$sha256 $*"
    "$hs" "${base}demo.bin" -o "$folder" -B "$browser" --cacert "$folder/ca.pem" --checksum "sha256:$sha256" "$@"
    if [ ! -s "$folder/demo.bin" ] || [ -e "$folder/demo.bin.part" ]; then
        fail "hs ended well, but demo.bin is not there"
    fi
    echo "verified: 256 MiB, sha256 $sha256"
    echo
    # Over plain HTTP, so that this request adds nothing to what the origin saw of TLS.
    "$hs" -q "${plain}_seen" -o "$folder" || fail "the origin did not tell what it saw"
    compare "$folder/_seen"
}

# Prints the table from the origin's JSON, file $1, and ends with 1 if a value is not the browser's. The file is read line by
# line, as `"name": "value",`; an object ends with a line that is a brace.
compare() {
    awk -F '"' -v size="$size" -v browser="$browser" -v ja4="$wanted_ja4" -v akamai="$wanted_akamai" '
        /^  "(connections|requests)": / { part = $2 }
        $3 ~ /^: / { value[$2] = NF > 3 ? $4 : $3; gsub(/^: |,$/, "", value[$2]) }
        /^    }/ {
            if (part == "connections" && value["tls"] == "true") {
                connections++
                note("protocol"); note("ja4"); note("akamai_hash")
            } else if (part == "requests" && value["target"] != "/_seen") {
                requests++
                sent += value["sent"]
            }
        }
        END {
            row("", "the origin saw", browser)
            one("protocol", "protocol", "h2")
            one("JA4", "ja4", ja4)
            one("Akamai", "akamai_hash", akamai)
            row("requests", requests + 0, "")
            row("connections", connections + 0, "")
            row("bytes sent", sprintf("%.3f times the file", sent / size), "")
            print wrong ? "\nNOT the fingerprint of " browser : "\nthe fingerprint is that of " browser
            exit wrong
        }
        # Keeps each distinct value; a connection on which nothing was asked has no HTTP/2 to see.
        function note(name) {
            if (value[name] != "null" && index(" " seen[name] " ", " " value[name] " ") == 0) seen[name] = seen[name] " " value[name]
        }
        # One line for each value that was seen, beside the value of the browser that it equals, or else beside the first.
        function one(title, name, wanted,    values, allowed, n, m, i, j, hit) {
            n = split(seen[name], values, " "); m = split(wanted, allowed, " ")
            if (n == 0) { n = 1; values[1] = "nothing" }
            for (i = 1; i <= n; i++) {
                hit = 0
                for (j = 1; j <= m; j++) if (values[i] == allowed[j]) hit = j
                row(i == 1 ? title : "", values[i], hit ? allowed[hit] "  equal" : allowed[1] "  DIFFERENT")
                if (!hit) wrong = 1
            }
        }
        function row(title, value, other,    line) {
            line = sprintf("%-12s %-38s %s", title, value, other)
            sub(/ +$/, "", line)
            print line
        }
    ' "$1"
}

main "$@"

#!/bin/sh
# Fuzzes parsers, each for FUZZ_SECONDS (default 60): those named, or all that fuzz/Cargo.toml has. `make fuzz` calls it.
#
# What is found is kept in target/fuzz/corpus for the next run; an input that breaks a promise is printed, and stays in
# fuzz/artifacts. Copy it to fuzz/corpus, and `cargo test` holds it from then on.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
target=$(cd "$target" && pwd)

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "make fuzz: there is no nightly compiler" >&2
    echo "hint: rustup toolchain install nightly --profile minimal; without it, cargo test fuzz:: runs the same targets a little" >&2
    exit 1
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "make fuzz: installing cargo-fuzz" >&2
    cargo install --locked cargo-fuzz
fi
# shellcheck disable=SC2046 # Names have no spaces.
[ $# -gt 0 ] || set -- $(sed -n 's/^path = "targets\/\(.*\)\.rs"$/\1/p' fuzz/Cargo.toml)
failed=
for name; do
    found=$target/fuzz/corpus/$name
    mkdir -p "$found"
    echo "==== fuzzing $name for ${FUZZ_SECONDS:=60} s"
    # What is found goes to the first folder.
    cargo +nightly fuzz run --fuzz-dir fuzz --target-dir "$target/fuzz" "$name" "$found" "fuzz/corpus/$name" \
        -- -max_total_time="$FUZZ_SECONDS" -max_len=16384 -timeout=10 -print_final_stats=1 || failed="$failed $name"
done
if [ -n "$failed" ]; then
    echo "make fuzz: failed:$failed" >&2
    exit 1
fi

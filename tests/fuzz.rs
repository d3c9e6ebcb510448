//! Parsers keep their promises whatever strangers send: the fuzz targets over their corpora, and over changed copies.
//!
//! `make fuzz` searches much further, and needs a nightly compiler. Here each run makes the same inputs.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;

use crate::common::dice::Dice;
use targets::{TARGETS, Target};

/// Changed copies for each target. One takes up to a fraction of a millisecond.
const COPIES: usize = 3_000;

/// What parsers look for, put in at any place.
const WORDS: [&str; 26] = [
    "bytes ",
    "-",
    "/",
    "*",
    "0",
    "18446744073709551615",
    "18446744073709551616",
    "=",
    ";",
    "\"",
    "\\",
    "filename*=UTF-8''",
    "%00",
    "%2F",
    "..",
    "=?UTF-8?B?",
    "\n",
    "\r\n",
    "  ",
    "SHA256 (",
    "GMT",
    "[[0,1]]",
    "null",
    "-----BEGIN PGP SIGNATURE-----",
    "\u{202e}",
    "ffff",
];

#[test]
fn parsers_keep_their_promises_on_the_corpora() {
    for (name, target) in TARGETS {
        for (file, input) in corpus(name) {
            hold(name, target, &input, &file);
        }
    }
}

#[test]
fn parsers_keep_their_promises_on_changed_copies() {
    std::thread::scope(|scope| {
        for (name, target) in TARGETS {
            scope.spawn(move || {
                let corpus = corpus(name);
                let mut dice = Dice::of(name);
                for nth in 0..COPIES {
                    let mut input = dice.pick(&corpus).1;
                    for _ in 0..1 + dice.below(6) {
                        change(&mut dice, &mut input, &corpus);
                    }
                    hold(name, target, &input, &format!("copy {nth}"));
                }
            });
        }
    });
}

#[test]
fn every_target_has_a_fuzzer() {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}

/// Runs a target, and says for which input it failed in a form that can be put into the corpus.
fn hold(name: &str, target: Target, input: &[u8], what: &str) {
    if panic::catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
        panic!(
            "{name}, {what}: printf '{}'",
            input.escape_ascii().to_string().replace('\'', "\\x27")
        );
    }
}

/// The committed inputs of a target, sorted by name.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let file = entry.file_name().into_string().unwrap();
            (file, fs::read(entry.path()).unwrap())
        })
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 4, "{name}: a corpus worth the name");
    inputs
}

/// One change of the kinds that libFuzzer makes.
fn change(dice: &mut Dice, input: &mut Vec<u8>, corpus: &[(String, Vec<u8>)]) {
    let at = dice.below(input.len() as u64 + 1) as usize;
    let end = (at + dice.below(9) as usize).min(input.len());
    match dice.below(7) {
        0 if at < input.len() => input[at] ^= 1 << dice.below(8),
        1 if at < input.len() => input[at] = dice.below(256) as u8,
        2 => drop(input.drain(at..end)),
        3 => {
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        4 => input.truncate(at),
        5 => {
            let other = dice.pick(corpus).1;
            let from = dice.below(other.len() as u64 + 1) as usize;
            input.splice(at.., other[from..].iter().copied());
        }
        _ => {
            let word = dice.pick(&WORDS);
            input.splice(at..end, word.bytes());
        }
    }
}

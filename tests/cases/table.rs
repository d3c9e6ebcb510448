//! `docs/RELIABILITY.md`: the cases, their variants and their tests, as the descriptions have them.
//!
//! The page is written by `make reliability`, and compared with the descriptions by a test, so it cannot say more than is
//! played. What does not hold is said there in plain words.

use std::fmt::Write as _;
use std::path::Path;

use super::case::{Case, Mode, Performance, Play};
use super::{a_first, b_range, c_identity, d_redirects, e_concurrency, f_local, f_names};
use crate::common::origin::Via;

const PAGE: &str = "docs/RELIABILITY.md";

/// Set to write the page instead of comparing it.
const WRITE: &str = "WRITE_RELIABILITY";

type Cases = fn() -> Vec<Case>;

const SECTIONS: [(&str, &str, &[Cases]); 6] = [
    ("A", "Answer to the first GET", &[a_first::all]),
    ("B", "Answer to a range request", &[b_range::all]),
    ("C", "Identity of the entity", &[c_identity::all]),
    ("D", "Redirects and expiry", &[d_redirects::all]),
    (
        "E",
        "Concurrency limits and connection life",
        &[e_concurrency::all],
    ),
    ("F", "Local side", &[f_local::all, f_names::all]),
];

/// Cases of each section, in its order.
const COUNTS: [usize; 6] = [21, 24, 13, 8, 22, 11];

const HEAD: &str = "\
# What an origin, the network and the disk may do, and what `hs` does then

Made by `make reliability` from the cases in `tests/cases`; a test holds the two together. Do not edit.

Each case is a test that plays it in all its variants, and asserts the bytes and the exit code of each:
`cargo test --test main held::b04`. The variants are protocol (HTTP/2 and HTTP/1.1 over TLS, HTTP/1.1 in the clear) × mode:

- *file*: to a file, nothing is there;
- *resumed*: to a file of which an earlier run left a part with holes, and rubbish in the holes;
- *stdout*: to standard output.

After a failure the assertion is: no file of the final name, every byte that the control file vouches for is right, and standard
output has nothing but the beginning of the file. A result of *held* means that the test passes in every variant;
what is said behind it is not met.
";

fn all() -> Vec<Case> {
    let cases = SECTIONS
        .iter()
        .flat_map(|(_, _, parts)| parts.iter().flat_map(|part| part()));
    cases.collect()
}

fn page() -> String {
    let cases = all();
    let combinations: usize = cases.iter().map(|case| case.combinations().count()).sum();
    let unmet = cases.iter().filter(|case| case.unmet.is_some()).count();
    let mut page = HEAD.to_owned();
    write!(
        page,
        "\n**{} cases, {combinations} combinations of play × protocol × mode; {} cases held in full, {unmet} in part or not.**\n",
        cases.len(),
        cases.len() - unmet
    )
    .unwrap();
    for (letter, title, parts) in SECTIONS {
        write!(page, "\n## {letter}. {title}\n\n").unwrap();
        page += "| case | what happens | what `hs` does | plays | variants | runs | result |\n";
        page += "|---|---|---|---|---|--:|---|\n";
        parts
            .iter()
            .flat_map(|part| part())
            .for_each(|case| row(&mut page, &case));
    }
    page
}

fn row(page: &mut String, case: &Case) {
    let mut plays: Vec<String> = case.plays.iter().map(play_name).collect();
    plays.retain(|play| !play.is_empty());
    let also = case
        .also
        .iter()
        .map(|(file, function)| format!("`{file}`: `{function}`"));
    plays.extend(also);
    let result = match case.unmet {
        None => "held".to_owned(),
        Some(words) if case.plays.is_empty() => format!("**not met**: {words}"),
        Some(words) => format!("held, but: {words}"),
    };
    writeln!(
        page,
        "| {} | {} | {} | {} | {} | {} | {result} |",
        case.id,
        cell(case.stimulus),
        cell(case.outcome),
        cell(&plays.join("; ")),
        variants(case),
        case.combinations().count(),
    )
    .unwrap();
}

fn play_name(play: &Play) -> String {
    match (&play.act, play.what) {
        (_, "") => String::new(),
        (Performance::Script { .. } | Performance::Scene(_), what) => what.to_owned(),
    }
}

/// For each mode the protocols over which it is played.
fn variants(case: &Case) -> String {
    const MODES: [(Mode, &str); 3] = [
        (Mode::Cold, "file"),
        (Mode::Resumed, "resumed"),
        (Mode::Stream, "stdout"),
    ];
    const WAYS: [(Via, &str); 3] = [
        (Via::Http2, "h2"),
        (Via::Http1, "h1"),
        (Via::Clear, "clear"),
    ];
    let is_played = |via, mode| case.combinations().any(|(_, v, m)| (v, m) == (via, mode));
    let modes = MODES.iter().filter_map(|(mode, name)| {
        let ways = WAYS.iter().filter(|(via, _)| is_played(*via, *mode));
        let ways: Vec<_> = ways.map(|(_, name)| *name).collect();
        (!ways.is_empty()).then(|| format!("{name}: {}", ways.join(", ")))
    });
    modes.collect::<Vec<_>>().join("; ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[test]
fn every_case_is_there_once_and_in_order() {
    let expected: Vec<String> = ["A", "B", "C", "D", "E", "F"]
        .iter()
        .zip(COUNTS)
        .flat_map(|(letter, count)| (1..=count).map(move |n| format!("{letter}{n:02}")))
        .collect();
    let cases = all();
    let ids: Vec<_> = cases.iter().map(|case| case.id).collect();
    assert_eq!(ids, expected);
    for case in &cases {
        assert!(
            !case.plays.is_empty() || !case.also.is_empty() || case.unmet.is_some(),
            "{} has no test",
            case.id
        );
    }
}

#[test]
fn tests_elsewhere_that_a_case_names_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for case in all() {
        for (file, function) in case.also {
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
            let found = text.contains(&format!("fn {function}("));
            assert!(found, "{}: no {function} in {file}", case.id);
        }
    }
}

#[test]
fn the_page_says_what_is_played() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "{PAGE} is out of date: run `make reliability`"
    );
}

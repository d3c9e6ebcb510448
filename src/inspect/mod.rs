//! `hs fingerprint`: shows what the fingerprints look like on the wire, by really connecting, and records new ones.
//!
//! The other end is a server on this machine ([`capture`](crate::capture)); the connections are made by the same
//! [`net`](crate::net) that downloads. What is equal and what is not, [`crate::fingerprint::compare`]
//! decides. Returns texts; printing them is the program's business.

mod check;
mod connect;
mod record;
mod show;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Error;
use crate::capture::Options;
use crate::day;
use crate::fingerprint::headers::Places;
use crate::fingerprint::observed::Connection;
use crate::fingerprint::{self, Fingerprint};
use crate::net::Kind;

pub use check::{Report, check};
pub use record::{Progress, Recording, record};
pub use show::show;

const SECONDS_A_DAY: u64 = 24 * 60 * 60;

/// What a capture server sees of `fingerprint`: the first request of `count` fresh connections, over HTTP/1.1 if `http1`.
///
/// # Errors
/// If connecting fails.
pub fn observe(
    fingerprint: &Fingerprint,
    http1: bool,
    count: usize,
) -> Result<Vec<Connection>, Error> {
    let worn = Arc::new(fingerprint.clone());
    let options = Options {
        http1,
        ..Options::default()
    };
    connect::block_on(async {
        let server = connect::serve(&options, 0)?;
        connect::repeat(&server, &worn, Kind::Navigation, &Places::default(), count).await
    })
}

/// All embedded fingerprints, one a line, in columns.
///
/// # Errors
/// [`Error::Internal`] if an embedded file is wrong, which the build prevents.
pub fn list() -> Result<String, Error> {
    let heads = [
        "NAME", "ALIASES", "BROWSER", "VERSION", "PLATFORM", "AGE", "SOURCE",
    ];
    let mut all = fingerprint::names()
        .map(|name| Ok((name, find(name)?)))
        .collect::<Result<Vec<_>, Error>>()?;
    // By age within a family, and the newest last, next to the prompt.
    let age_of =
        |found: &Fingerprint| (found.browser.family.clone(), found.browser.released.clone());
    all.sort_by_key(|(_, found)| age_of(found));
    let mut rows = vec![heads.map(str::to_owned)];
    for (name, found) in all {
        let platforms = platforms(&found);
        let browser = found.browser;
        rows.push([
            browser.name,
            fingerprint::aliases(name).collect::<Vec<_>>().join(","),
            browser.family,
            browser.version,
            platforms,
            age(&browser.released),
            browser.source,
        ]);
    }
    Ok(columns(&rows))
}

/// Its own platform first.
fn platforms(fingerprint: &Fingerprint) -> String {
    let own = &fingerprint.browser.platform;
    let others = fingerprint.platforms().into_iter().filter(|it| it != own);
    std::iter::once(own.clone())
        .chain(others)
        .collect::<Vec<_>>()
        .join(",")
}

/// In days, with a word where that is more than a year.
fn age(released: &str) -> String {
    match day::age(released, today()) {
        None => "?".to_owned(),
        Some(days) if days > day::YEAR => format!("{days} d, old"),
        Some(days) => format!("{days} d"),
    }
}

fn find(name: &str) -> Result<Fingerprint, Error> {
    fingerprint::find(name).map_err(|error| Error::Internal(error.to_string()))
}

fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a String cannot fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Days since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "ages and the day of a recording are told by the wall clock"
)]
fn today() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs() / SECONDS_A_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_the_oldest_of_a_family_first() {
        let text = list().unwrap();
        let names: Vec<_> = text
            .lines()
            .skip(1)
            .filter_map(|it| it.split(' ').next())
            .collect();
        assert_eq!(names.len(), fingerprint::names().count());
        let at = |name| names.iter().position(|it| *it == name).unwrap();
        assert!(at("chrome99") < at("chrome100") && at("chrome100") < at("chrome156"));
        assert!(at("chrome156") < at("firefox133") && at("firefox133") < at("firefox153"));
    }

    #[test]
    fn every_fingerprint_is_listed_with_its_age() {
        let list = list().unwrap();
        for name in fingerprint::names() {
            assert!(list.lines().any(|line| line.starts_with(name)), "{name}");
        }
        let row = |name: &str| list.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(row("safari153 ").contains(" d, old "), "{list}");
        assert!(
            row("chrome156 ").contains(" chrome ")
                && row("chrome156 ").contains("linux,macos,windows")
        );
        assert!(!list.contains('?'), "{list}");
    }
}

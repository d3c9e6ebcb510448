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
    let mut rows =
        vec![["NAME", "BROWSER", "VERSION", "PLATFORM", "AGE", "SOURCE"].map(str::to_owned)];
    for name in fingerprint::names() {
        let browser = find(name)?.browser;
        let age = days_since(&browser.released);
        rows.push([
            browser.name,
            browser.family,
            browser.version,
            browser.platform,
            age.map_or("?".to_owned(), |days| format!("{days} d")),
            browser.source,
        ]);
    }
    Ok(columns(&rows))
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

/// Days from `YYYY-MM-DD` until today; `None` for another text, 0 for the future.
fn days_since(day: &str) -> Option<u64> {
    let mut parts = day.split('-').map(str::parse::<u64>);
    let (Some(Ok(year)), Some(Ok(month)), Some(Ok(date)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    Some(today().saturating_sub(day_number(year, month, date)?))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, counting years from March so that a leap day comes last.
fn day_number(year: u64, month: u64, date: u64) -> Option<u64> {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + date;
    days.checked_sub(719_469)
}

/// The day with this number since 1970, `YYYY-MM-DD`.
fn day_text(number: u64) -> String {
    let days = number + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    format!("{:04}-{month:02}-{date:02}", era * 400 + year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_both_ways() {
        for (number, text) in [
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (19_696, "2023-12-05"),
        ] {
            assert_eq!(day_text(number), text);
            let parts: Vec<u64> = text.split('-').map(|part| part.parse().unwrap()).collect();
            assert_eq!(
                day_number(parts[0], parts[1], parts[2]),
                Some(number),
                "{text}"
            );
        }
    }

    #[test]
    fn every_fingerprint_is_listed_with_its_age() {
        let list = list().unwrap();
        for name in fingerprint::names() {
            assert!(list.lines().any(|line| line.starts_with(name)), "{name}");
        }
        assert!(!list.contains('?'), "{list}");
    }
}

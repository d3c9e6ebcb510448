//! Which part of a resource a request selects: preconditions and ranges (RFC 9110 §13.2.2 and §14.2).
//!
//! Pure, and right where the rest of the origin may be told to be wrong. A request for several ranges gets the whole
//! resource, which §14.2 allows.

use std::ops::Range;

use super::script::header;

/// The selected representation, as far as conditions look at it.
#[derive(Clone, Copy, Debug)]
pub struct Current<'a> {
    /// Bytes.
    pub size: u64,
    /// With its quotes, and `W/` if weak.
    pub etag: Option<&'a str>,
    /// An IMF-fixdate.
    pub last_modified: Option<&'a str>,
}

/// What is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    /// 200 with everything.
    Whole,
    /// 206 with a half-open, non-empty range.
    Part(Range<u64>),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    Unsatisfiable,
}

/// Evaluates a GET or HEAD request's conditions in the order that RFC 9110 §13.2.2 asks for.
pub fn select(headers: &[(String, String)], current: &Current<'_>) -> Selected {
    if let Some(tags) = header(headers, "if-match") {
        if !lists(tags, current.etag, strong_match) {
            return Selected::PreconditionFailed;
        }
    } else if let Some(date) = header(headers, "if-unmodified-since").and_then(seconds)
        && current
            .last_modified
            .and_then(seconds)
            .is_some_and(|modified| modified > date)
    {
        return Selected::PreconditionFailed;
    }
    if let Some(tags) = header(headers, "if-none-match") {
        if lists(tags, current.etag, weak_match) {
            return Selected::NotModified;
        }
    } else if let Some(date) = header(headers, "if-modified-since").and_then(seconds)
        && current
            .last_modified
            .and_then(seconds)
            .is_some_and(|modified| modified <= date)
    {
        return Selected::NotModified;
    }
    match header(headers, "range") {
        Some(range)
            if header(headers, "if-range").is_none_or(|validator| holds(validator, current)) =>
        {
            part(range, current.size)
        }
        Some(_) | None => Selected::Whole,
    }
}

/// Whether an If-Range validator is strong and agrees (RFC 9110 §13.1.5).
fn holds(validator: &str, current: &Current<'_>) -> bool {
    if validator.contains('"') {
        current
            .etag
            .is_some_and(|etag| strong_match(validator, etag))
    } else {
        current.last_modified == Some(validator)
    }
}

fn lists(tags: &str, etag: Option<&str>, matches: fn(&str, &str) -> bool) -> bool {
    tags.trim() == "*"
        || etag.is_some_and(|etag| tags.split(',').any(|tag| matches(tag.trim(), etag)))
}

fn strong_match(a: &str, b: &str) -> bool {
    a == b && !a.starts_with("W/")
}

fn weak_match(a: &str, b: &str) -> bool {
    a.trim_start_matches("W/") == b.trim_start_matches("W/")
}

/// One range of a Range field; what is not understood is ignored, as §14.2 asks.
fn part(range: &str, size: u64) -> Selected {
    let Some((first, last)) = range
        .strip_prefix("bytes=")
        .and_then(|spec| spec.split_once('-'))
    else {
        return Selected::Whole;
    };
    let range = match (first.trim(), last.trim()) {
        ("", suffix) => suffix
            .parse()
            .ok()
            .map(|suffix: u64| size.saturating_sub(suffix)..size),
        (first, "") => first.parse().ok().map(|first| first..size),
        (first, last) => first
            .parse()
            .ok()
            .zip(last.parse().ok())
            .filter(|(first, last): &(u64, u64)| first <= last)
            .map(|(first, last)| first..last.saturating_add(1).min(size)),
    };
    match range {
        None => Selected::Whole,
        Some(range) if range.is_empty() => Selected::Unsatisfiable,
        Some(range) => Selected::Part(range),
    }
}

/// Seconds since some fixed day of an IMF-fixdate (RFC 9110 §5.6.7), good for comparing; `None` for other forms.
fn seconds(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, rest) = date.split_once(", ")?;
    let [day, month, year, time, "GMT"] = rest.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    let [hour, minute, second] = time.split(':').collect::<Vec<_>>()[..] else {
        return None;
    };
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number < 10_000);
    let days = (number(year)? * 12 + month) * 31 + number(day)?;
    Some(((days * 24 + number(hour)?) * 60 + number(minute)?) * 60 + number(second)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONDAY: &str = "Mon, 02 Mar 2026 10:00:00 GMT";
    const TUESDAY: &str = "Tue, 03 Mar 2026 09:00:00 GMT";

    fn ask(etag: &str, headers: &[(&str, &str)]) -> Selected {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        select(
            &headers,
            &Current {
                size: 100,
                etag: Some(etag),
                last_modified: Some(MONDAY),
            },
        )
    }

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-0", Selected::Part(0..1)),
            ("bytes=99-", Selected::Part(99..100)),
            ("bytes=10-200", Selected::Part(10..100)),
            ("bytes=0-18446744073709551615", Selected::Part(0..100)),
            ("bytes=-5", Selected::Part(95..100)),
            ("bytes=-500", Selected::Part(0..100)),
            ("bytes=100-", Selected::Unsatisfiable),
            ("bytes=-0", Selected::Unsatisfiable),
            ("bytes=9-8", Selected::Whole),
            ("bytes=0-1,3-4", Selected::Whole),
            ("lines=0-1", Selected::Whole),
        ] {
            assert_eq!(ask("\"a\"", &[("Range", range)]), expected, "{range}");
        }
    }

    #[test]
    fn if_range_needs_a_strong_validator() {
        let range = ("range", "bytes=1-1");
        for (etag, validator, holds) in [
            ("\"a\"", "\"a\"", true),
            ("\"a\"", "\"b\"", false),
            ("W/\"a\"", "W/\"a\"", false),
            ("\"a\"", MONDAY, true),
            ("\"a\"", TUESDAY, false),
        ] {
            let expected = if holds {
                Selected::Part(1..2)
            } else {
                Selected::Whole
            };
            assert_eq!(
                ask(etag, &[range, ("If-Range", validator)]),
                expected,
                "{validator}"
            );
        }
    }

    #[test]
    fn preconditions_go_before_ranges() {
        let range = ("range", "bytes=1-1");
        for (name, value, expected) in [
            ("if-match", "\"x\", \"a\"", Selected::Part(1..2)),
            ("if-match", "*", Selected::Part(1..2)),
            ("if-match", "\"x\"", Selected::PreconditionFailed),
            ("if-unmodified-since", MONDAY, Selected::Part(1..2)),
            (
                "if-unmodified-since",
                "Sun, 01 Mar 2026 10:00:00 GMT",
                Selected::PreconditionFailed,
            ),
            ("if-none-match", "W/\"a\"", Selected::NotModified),
            ("if-modified-since", TUESDAY, Selected::NotModified),
            ("if-modified-since", "yesterday", Selected::Part(1..2)),
        ] {
            assert_eq!(
                ask("\"a\"", &[(name, value), range]),
                expected,
                "{name}: {value}"
            );
        }
        assert_eq!(
            ask("W/\"a\"", &[("if-match", "W/\"a\"")]),
            Selected::PreconditionFailed
        );
        let both = [
            ("if-match", "\"a\""),
            ("if-unmodified-since", "Sun, 01 Mar 2026 10:00:00 GMT"),
        ];
        assert_eq!(ask("\"a\"", &both), Selected::Whole);
    }
}

//! From the text of a value to the value: numbers, sizes, times, choices.
//!
//! Every reader answers `None` to a text that is no value; the caller says which setting it was and what would be right.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The longest time that can be asked for, a thousand years; beyond it arithmetic would overflow.
const LONGEST: f64 = 1000.0 * 365.0 * 86_400.0;

/// A whole number within a range.
pub(super) fn whole(text: &str, range: RangeInclusive<u32>) -> Option<u32> {
    let number = text.parse().ok()?;
    range.contains(&number).then_some(number)
}

/// `auto`, or a whole number within a range.
pub(super) fn auto_or_whole(text: &str, range: RangeInclusive<u32>) -> Option<Option<u32>> {
    if is(text, "auto") {
        return Some(None);
    }
    whole(text, range).map(Some)
}

/// `inf`, which is `u32::MAX`, or a whole number.
pub(super) fn count(text: &str) -> Option<u32> {
    if is(text, "inf") {
        return Some(u32::MAX);
    }
    text.parse().ok()
}

/// A finite number above 0.
pub(super) fn positive(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number > 0.0).then_some(number)
}

/// Seconds above 0, decimals allowed.
pub(super) fn time(text: &str) -> Option<Duration> {
    let seconds = positive(text)?;
    let time = Duration::from_secs_f64(seconds.min(LONGEST));
    (!time.is_zero()).then_some(time)
}

/// `inf`, which is `None`, or seconds from 0 on.
pub(super) fn time_or_inf(text: &str) -> Option<Option<Duration>> {
    let seconds: f64 = text.parse().ok()?;
    let usual = seconds >= 0.0;
    usual.then(|| {
        seconds
            .is_finite()
            .then(|| Duration::from_secs_f64(seconds.min(LONGEST)))
    })
}

/// Bytes: a number, decimals allowed, and perhaps K, M, G or T, which are powers of 1024; `KB` and `KiB` mean the same.
pub(super) fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let unit = unit.trim_start().to_ascii_lowercase();
    let shift = match unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(&unit)
    {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    if let Ok(number) = number.parse::<u64>() {
        return number.checked_mul(1 << shift);
    }
    let number: f64 = number.parse().ok()?;
    let bytes = number * (1u64 << shift) as f64;
    (bytes < u64::MAX as f64).then_some(bytes as u64)
}

/// MB of the options are 1024² bytes.
pub(super) fn mib(number: u32) -> u64 {
    u64::from(number) << 20
}

/// What people write for yes and no.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// The most similar of these words, if any is similar.
pub(super) fn nearest<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_ascii_lowercase();
    let scored = words
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&text, word), word));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then_some(best.1)
}

fn is(text: &str, word: &str) -> bool {
    text.eq_ignore_ascii_case(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("1500", Some(1500)),
            ("2K", Some(2048)),
            ("1.5m", Some(1_572_864)),
            ("3 GiB", Some(3 << 30)),
            ("4GB", Some(4 << 30)),
            ("1T", Some(1 << 40)),
            ("16777216T", None),
            ("", None),
            ("G", None),
            ("-1", None),
            ("1X", None),
            ("1.2.3", None),
            ("inf", None),
        ] {
            assert_eq!(size(text), bytes, "{text}");
        }
    }

    #[test]
    fn numbers_keep_to_their_range() {
        assert_eq!(whole("128", 1..=128), Some(128));
        for wrong in ["0", "129", "-1", "1.5", "x", "", "99999999999"] {
            assert_eq!(whole(wrong, 1..=128), None, "{wrong}");
        }
        assert_eq!(auto_or_whole("Auto", 1..=2), Some(None));
        assert_eq!(count("inf"), Some(u32::MAX));
        assert_eq!(count("0"), Some(0));
        assert_eq!(positive("0.5"), Some(0.5));
        for wrong in ["0", "-1", "inf", "nan", ""] {
            assert_eq!(positive(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_are_seconds() {
        assert_eq!(time("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(time("0"), None);
        assert_eq!(time("1e-30"), None);
        assert!(time("1e300").is_some());
        assert_eq!(time_or_inf("inf"), Some(None));
        assert_eq!(time_or_inf("0"), Some(Some(Duration::ZERO)));
        assert_eq!(time_or_inf("-1"), None);
        assert_eq!(time_or_inf("nan"), None);
    }

    #[test]
    fn a_similar_word_is_offered_and_no_other() {
        let words = ["resume", "skip", "overwrite", "rename"];
        assert_eq!(nearest("overwrit", words), Some("overwrite"));
        assert_eq!(nearest("qqq", words), None);
    }
}

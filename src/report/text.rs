//! Numbers and names as they are shown: units of 1024, short times, names that fit.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A number of bytes in at most 8 columns: `999 B`, `45.9 MiB`, `1023 GiB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if value < 1023.5 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    let decimals = usize::from(value < 99.95);
    format!("{value:.decimals$} {unit}")
}

/// Bytes per second in at most 10 columns.
pub(super) fn speed(per_second: f64) -> String {
    // A float beyond the range ends at its end.
    format!("{}/s", size(per_second.round() as u64))
}

/// A time in at most 8 columns: `0:07`, `1:02:03`, `>99 h`.
pub(super) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        1..=99 => format!("{hours}:{minutes:02}:{seconds:02}"),
        100.. => ">99 h".to_owned(),
    }
}

/// `1 file`, `2 files`.
pub(super) fn plural(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}

/// How much of a whole is there; 100 only when all of it is.
pub(super) fn percent(bytes: u64, size: u64) -> u64 {
    if bytes >= size {
        return 100;
    }
    u64::try_from(u128::from(bytes) * 100 / u128::from(size)).unwrap_or(100)
}

/// Text in at most `columns` columns. Of a longer one the beginning, where the files of a list mostly differ, and what its end
/// says of its kind: the extension as far as there is room for it.
pub(super) fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let left = columns.saturating_sub(1);
    let end = take_end(text, left / 2);
    let end = match end.find('.') {
        Some(dot) => &end[dot..],
        None => &take_end(&end, left / 3),
    };
    let start: String = take(text.chars(), left - end.width()).into_iter().collect();
    let dots = if columns == 0 { "" } else { "…" };
    start + dots + end
}

/// Text in exactly `columns` columns.
pub(super) fn pad(text: &str, columns: usize) -> String {
    let text = fit(text, columns);
    let missing = columns.saturating_sub(text.width());
    text + &" ".repeat(missing)
}

/// Text from elsewhere without what could steer a terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                '\u{FFFD}'
            } else {
                c
            }
        })
        .collect()
}

fn take_end(text: &str, columns: usize) -> String {
    take(text.chars().rev(), columns)
        .into_iter()
        .rev()
        .collect()
}

fn take(chars: impl Iterator<Item = char>, columns: usize) -> Vec<char> {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= columns
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_times_are_short() {
        let sizes = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (48_129_638, "45.9 MiB"),
            (104_806_220, "100 MiB"),
            (1_048_575, "1.0 MiB"),
            (1 << 30, "1.0 GiB"),
            ((1 << 40) - 1, "1.0 TiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, shown) in sizes {
            assert_eq!(size(bytes), shown);
        }
        assert_eq!(speed(9.2 * 1_048_576.0), "9.2 MiB/s");
        assert_eq!(speed(f64::INFINITY), "16.0 EiB/s");
        let times = [
            (7, "0:07"),
            (754, "12:34"),
            (3723, "1:02:03"),
            (360_000, ">99 h"),
        ];
        for (seconds, shown) in times {
            assert_eq!(time(Duration::from_secs(seconds)), shown);
        }
    }

    #[test]
    fn a_hundred_percent_means_all() {
        let all = [
            (0, 0, 100),
            (0, 9, 0),
            (999, 1000, 99),
            (u64::MAX - 1, u64::MAX, 99),
            (5, 5, 100),
        ];
        for (bytes, size, shown) in all {
            assert_eq!(percent(bytes, size), shown);
        }
    }

    #[test]
    fn names_are_cut_in_the_middle() {
        assert_eq!(fit("short.bin", 9), "short.bin");
        assert_eq!(
            fit("GCF_000001405.40_genomic.fna.gz", 16),
            "GCF_0000….fna.gz"
        );
        assert_eq!(fit("sample-14.fastq.gz", 15), "sample-14.f….gz");
        assert_eq!(fit("sample-14-of-20-reads", 15), "sample-14-…eads");
        assert_eq!(fit("文件文件文件.bin", 10), "文件….bin");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(pad("ab", 4), "ab  ");
    }

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(
            clean("a\u{1b}[2Jb\r\u{9b}c\nd"),
            "a\u{FFFD}[2Jb\u{FFFD}\u{FFFD}c\nd"
        );
    }

    proptest! {
        #[test]
        fn everything_fits(name in "\\PC*", columns in 0usize..60, bytes in any::<u64>()) {
            prop_assert!(fit(&name, columns).width() <= columns);
            prop_assert_eq!(pad(&name, columns).width(), columns);
            prop_assert!(size(bytes).len() <= 8);
        }
    }
}

//! Days of the Gregorian calendar as numbers, for the ages of browsers and the times of events.
//!
//! Counts in years that begin with March, so that a leap day is a year's last, and in eras of 400 years, which all have the
//! same length (the algorithms of Howard Hinnant). What day it is, the caller knows.

/// A browser that is older than this is not what most people use, in days.
pub const YEAR: u64 = 365;

/// Days since 1970 of `YYYY-MM-DD`; `None` for another text.
#[must_use]
pub fn number(day: &str) -> Option<u64> {
    let mut parts = day.split('-').map(str::parse::<u64>);
    let (Some(Ok(year)), Some(Ok(month)), Some(Ok(date)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    // Counting years from March, so that a leap day comes last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + date;
    days.checked_sub(719_469)
}

/// The day with this number since 1970, `YYYY-MM-DD`.
#[must_use]
pub fn text(number: u64) -> String {
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

/// Days from `day` (`YYYY-MM-DD`) until `today`, a number since 1970: 0 for the future, `None` for another text.
#[must_use]
pub fn age(day: &str, today: u64) -> Option<u64> {
    Some(today.saturating_sub(number(day)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_both_ways() {
        for (days, day) in [
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (19_696, "2023-12-05"),
        ] {
            assert_eq!(text(days), day);
            assert_eq!(number(day), Some(days), "{day}");
        }
        assert_eq!(age("1970-01-02", 11), Some(10));
        assert_eq!(age("1970-02-01", 11), Some(0));
        assert_eq!(age("yesterday", 11), None);
    }

    #[test]
    fn every_day_has_the_next_one() {
        let leap =
            |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
        let (mut year, mut month, mut of_month) = (1970, 1, 1);
        for day in 0..150_000 {
            assert_eq!(text(day), format!("{year:04}-{month:02}-{of_month:02}"));
            let last = match month {
                2 if leap(year) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            of_month += 1;
            if of_month > last {
                (month, of_month) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }
}

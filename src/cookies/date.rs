//! Dates of cookies (RFC 6265 §5.1.1): whatever has a day, a month, a year and a time in it, in any order.

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Seconds since 1970, 0 for what lies before; `None` if it is no date.
pub(super) fn parse(text: &str) -> Option<u64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let delimiter = |c: char| !(c.is_ascii_alphanumeric() || c == ':' || !c.is_ascii());
    for token in text.split(delimiter).filter(|token| !token.is_empty()) {
        if time.is_none()
            && let Some(found) = clock(token)
        {
            time = Some(found);
        } else if day.is_none()
            && let Some(found) = number(token, 1..=2)
        {
            day = Some(found);
        } else if month.is_none()
            && let Some(found) = month_of(token)
        {
            month = Some(found);
        } else if year.is_none()
            && let Some(found) = number(token, 2..=4)
        {
            year = Some(found);
        }
    }
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    let (month, day, (hour, minute, second)) = (month?, day?, time?);
    let valid =
        year >= 1601 && (1..=31).contains(&day) && hour <= 23 && minute <= 59 && second <= 59;
    let days = days(i64::from(year), i64::from(month), i64::from(day));
    let of_day = i64::from(hour * 3600 + minute * 60 + second);
    valid.then(|| u64::try_from(days * 86_400 + of_day).unwrap_or(0))
}

/// The digits that `token` begins with, if there are so many of them.
fn number(token: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let end = token
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(token.len());
    digits
        .contains(&end)
        .then(|| token[..end].parse().ok())
        .flatten()
}

fn clock(token: &str) -> Option<(u32, u32, u32)> {
    let mut parts = token.splitn(3, ':').map(|part| number(part, 1..=2));
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// 1 to 12.
fn month_of(token: &str) -> Option<u32> {
    let start = token.get(..3)?.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| *month == start)?;
    u32::try_from(at + 1).ok()
}

/// Days since 1970 of a date in the Gregorian calendar; the years of the sum begin in March, so that leap days end them.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let before_month = (153 * month + 2) / 5;
    365 * year + year / 4 - year / 100 + year / 400 + before_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_form_is_the_same_moment() {
        let moment = Some(1_445_412_480);
        for text in [
            "Wed, 21 Oct 2015 07:28:00 GMT",
            "Wed, 21-Oct-2015 07:28:00 GMT",
            "Wednesday, 21-Oct-15 07:28:00 GMT",
            "Wed Oct 21 07:28:00 2015",
            "21 oct 2015 7:28:0",
            "Oct 21 2015 07:28:00 +0000",
        ] {
            assert_eq!(parse(text), moment, "{text}");
        }
        assert_eq!(parse("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(parse("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        assert_eq!(
            parse("Fri, 31 Dec 9999 23:59:59 GMT"),
            Some(253_402_300_799)
        );
        assert_eq!(parse("Mon, 01 Jan 1601 00:00:00 GMT"), Some(0));
    }

    #[test]
    fn what_lacks_a_part_is_no_date() {
        for text in [
            "",
            "0",
            "Oct 2015 07:28:00",
            "21 Oct 2015",
            "32 Oct 2015 07:28:00",
            "21 Oct 2015 24:00:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

//! Byte ranges: one half-open range, a set of them, and the `Range` and `Content-Range` fields (RFC 9110 §14).
//!
//! HTTP writes the last byte's position, everything else here counts half-open, so the `- 1` and `+ 1` live in this file
//! and nowhere else. Positions are `u64` throughout. Nothing here asks whether an answer fits its request: that is
//! `answer`'s business.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The bytes from `start` up to but not including `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRange {
    /// Offset of the first byte; never beyond `end`.
    pub start: u64,
    /// Offset behind the last byte.
    pub end: u64,
}

impl ByteRange {
    /// The range `start..end`.
    ///
    /// # Panics
    /// If `start > end`.
    pub fn new(start: u64, end: u64) -> ByteRange {
        assert!(start <= end, "byte range {start}..{end} runs backwards");
        ByteRange { start, end }
    }

    /// Number of bytes.
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether there is no byte in it.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether the byte at `offset` belongs to it.
    pub fn contains(self, offset: u64) -> bool {
        self.start <= offset && offset < self.end
    }

    /// The bytes that both have, `None` if there are none.
    pub fn intersect(self, other: ByteRange) -> Option<ByteRange> {
        let start = self.start.max(other.start);
        let end = self.end.min(other.end);
        (start < end).then_some(ByteRange { start, end })
    }

    /// The value of a `Range` field that asks for exactly these bytes (RFC 9110 §14.2).
    ///
    /// # Panics
    /// If the range is empty, which that field cannot express.
    pub fn request(self) -> String {
        assert!(!self.is_empty(), "an empty range cannot be requested");
        format!("bytes={}-{}", self.start, self.end - 1)
    }

    /// The value of a `Range` field that asks for everything from `start` on.
    pub fn request_open(self) -> String {
        format!("bytes={}-", self.start)
    }
}

/// Half-open as in Rust, `0..500`, so that nobody takes it for a header's `0-499`.
impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// A set of byte offsets, kept as few ranges as possible.
///
/// Serialized as `[[start, end], …]`, half-open. Reading checks the invariant, so a damaged list never becomes a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct RangeSet {
    /// Sorted, disjoint, none empty, and a gap of at least one byte between neighbours.
    ranges: Vec<ByteRange>,
}

impl RangeSet {
    /// The empty set.
    pub fn new() -> RangeSet {
        RangeSet::default()
    }

    /// Adds `range`, merging it with what it touches. An empty range adds nothing.
    pub fn insert(&mut self, range: ByteRange) {
        if range.is_empty() {
            return;
        }
        // Everything that overlaps or touches the new range melts into it.
        let first = self.ranges.partition_point(|r| r.end < range.start);
        let last = self.ranges.partition_point(|r| r.start <= range.end);
        let mut merged = range;
        for touched in &self.ranges[first..last] {
            merged.start = merged.start.min(touched.start);
            merged.end = merged.end.max(touched.end);
        }
        self.ranges.splice(first..last, [merged]);
    }

    /// Takes `range` out; offsets that are not in the set do not matter.
    pub fn remove(&mut self, range: ByteRange) {
        if range.is_empty() {
            return;
        }
        let first = self.ranges.partition_point(|r| r.end <= range.start);
        let last = self.ranges.partition_point(|r| r.start < range.end);
        let remnants: Vec<ByteRange> = self.ranges[first..last]
            .iter()
            .flat_map(|r| {
                let left = ByteRange {
                    start: r.start,
                    end: range.start.max(r.start),
                };
                let right = ByteRange {
                    start: range.end.min(r.end),
                    end: r.end,
                };
                [left, right]
            })
            .filter(|r| !r.is_empty())
            .collect();
        self.ranges.splice(first..last, remnants);
    }

    /// Whether every byte of `range` is in the set; true for an empty range.
    pub fn contains_range(&self, range: ByteRange) -> bool {
        if range.is_empty() {
            return true;
        }
        let at = self.ranges.partition_point(|r| r.end <= range.start);
        self.ranges
            .get(at)
            .is_some_and(|r| r.start <= range.start && range.end <= r.end)
    }

    /// Number of bytes in the set.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|r| r.len()).sum()
    }

    /// Whether there is no byte in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges in ascending order, disjoint and not touching.
    pub fn iter(&self) -> impl Iterator<Item = ByteRange> + '_ {
        self.ranges.iter().copied()
    }

    /// The lowest range.
    pub fn first(&self) -> Option<ByteRange> {
        self.ranges.first().copied()
    }

    /// What of `0..total` is not in the set. Offsets at or beyond `total` are ignored.
    pub fn complement(&self, total: u64) -> RangeSet {
        let mut missing = RangeSet::from(ByteRange::new(0, total));
        for range in self.iter() {
            missing.remove(range);
        }
        missing
    }

    /// End of the run of bytes that begins at offset 0; 0 if byte 0 is not in the set.
    pub fn frontier(&self) -> u64 {
        self.first()
            .filter(|first| first.start == 0)
            .map_or(0, |first| first.end)
    }
}

impl From<ByteRange> for RangeSet {
    fn from(range: ByteRange) -> RangeSet {
        let mut set = RangeSet::new();
        set.insert(range);
        set
    }
}

impl FromIterator<ByteRange> for RangeSet {
    fn from_iter<I: IntoIterator<Item = ByteRange>>(ranges: I) -> RangeSet {
        let mut set = RangeSet::new();
        ranges.into_iter().for_each(|range| set.insert(range));
        set
    }
}

/// Why a list of pairs is not a [`RangeSet`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("range {start}..{end} is empty, backwards, out of order or touches the one before it")]
pub struct RangeSetError {
    /// Start of the offending pair.
    pub start: u64,
    /// End of the offending pair.
    pub end: u64,
}

impl TryFrom<Vec<(u64, u64)>> for RangeSet {
    type Error = RangeSetError;

    fn try_from(pairs: Vec<(u64, u64)>) -> Result<RangeSet, RangeSetError> {
        let mut ranges: Vec<ByteRange> = Vec::with_capacity(pairs.len());
        for (start, end) in pairs {
            let ordered = ranges.last().is_none_or(|last| last.end < start);
            if start >= end || !ordered {
                return Err(RangeSetError { start, end });
            }
            ranges.push(ByteRange { start, end });
        }
        Ok(RangeSet { ranges })
    }
}

impl From<RangeSet> for Vec<(u64, u64)> {
    fn from(set: RangeSet) -> Vec<(u64, u64)> {
        set.iter().map(|r| (r.start, r.end)).collect()
    }
}

/// The value of a `Content-Range` field (RFC 9110 §14.4).
///
/// At least one of the two is known: `bytes */*` does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// What the body carries, never empty; `None` in the unsatisfied form `bytes */total` of a 416.
    pub range: Option<ByteRange>,
    /// Length of the whole representation in bytes; `None` where the server wrote `*`.
    pub total: Option<u64>,
}

/// Why a `Content-Range` value is invalid. Its bytes must not be combined with others (RFC 9110 §14.4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentRangeError {
    /// The unit is missing or is not `bytes`.
    #[error("content-range has no unit or one other than bytes")]
    Unit,
    /// Not of the form `first-last/total`, `first-last/*` or `*/total`.
    #[error("content-range is malformed")]
    Syntax,
    /// A number does not fit 64 bits.
    #[error("content-range has a number too large")]
    Overflow,
    /// The last position lies before the first, or at or beyond the total.
    #[error("content-range contradicts itself")]
    Contradiction,
}

impl ContentRange {
    /// Reads a field value, strictly by the grammar. The unit's case does not matter.
    ///
    /// # Errors
    /// See [`ContentRangeError`].
    pub fn parse(value: &str) -> Result<ContentRange, ContentRangeError> {
        let (unit, rest) = value
            .trim_matches([' ', '\t'])
            .split_once(' ')
            .ok_or(ContentRangeError::Unit)?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return Err(ContentRangeError::Unit);
        }
        numbers(rest)
    }

    /// Reads a field value as [`parse`](Self::parse) does, and also two misspellings that servers in the field use:
    /// `bytes: 0-9/20` and `0-9/20`. Trust the result only if it is exactly what was asked for.
    ///
    /// # Errors
    /// See [`ContentRangeError`].
    pub fn parse_loose(value: &str) -> Result<ContentRange, ContentRangeError> {
        let value = value.trim_matches([' ', '\t']);
        let rest = match value.get(..5) {
            Some(unit) if unit.eq_ignore_ascii_case("bytes") => &value[5..],
            Some(_) | None => value,
        };
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        numbers(rest.trim_matches([' ', '\t']))
    }
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.range {
            Some(range) => write!(f, "bytes {}-{}/", range.start, range.end.saturating_sub(1))?,
            None => f.write_str("bytes */")?,
        }
        match self.total {
            Some(total) => write!(f, "{total}"),
            None => f.write_str("*"),
        }
    }
}

/// Reads `first-last/total`, where one side of the slash may be `*`.
fn numbers(text: &str) -> Result<ContentRange, ContentRangeError> {
    let (range, total) = text.split_once('/').ok_or(ContentRangeError::Syntax)?;
    let total = match total {
        "*" => None,
        digits => Some(number(digits)?),
    };
    if range == "*" {
        return match total {
            Some(_) => Ok(ContentRange { range: None, total }),
            None => Err(ContentRangeError::Syntax),
        };
    }
    let (first, last) = range.split_once('-').ok_or(ContentRangeError::Syntax)?;
    let (start, last) = (number(first)?, number(last)?);
    let end = last.checked_add(1).ok_or(ContentRangeError::Overflow)?;
    if start > last || total.is_some_and(|total| end > total) {
        return Err(ContentRangeError::Contradiction);
    }
    let range = Some(ByteRange { start, end });
    Ok(ContentRange { range, total })
}

/// Reads digits only: `u64::from_str` alone would let a `+` through.
fn number(digits: &str) -> Result<u64, ContentRangeError> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ContentRangeError::Syntax);
    }
    digits.parse().map_err(|_| ContentRangeError::Overflow)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn r(start: u64, end: u64) -> ByteRange {
        ByteRange::new(start, end)
    }

    fn set(pairs: &[(u64, u64)]) -> RangeSet {
        pairs.iter().map(|&(a, b)| r(a, b)).collect()
    }

    #[test]
    fn a_range_counts_half_open_and_asks_inclusive() {
        let range = r(10, 20);
        assert_eq!(range.len(), 10);
        assert!(range.contains(10) && range.contains(19) && !range.contains(20));
        assert_eq!(range.request(), "bytes=10-19");
        assert_eq!(range.request_open(), "bytes=10-");
        assert_eq!(range.to_string(), "10..20");
        assert_eq!(r(0, 1).request(), "bytes=0-0");
    }

    #[test]
    fn intersections() {
        assert_eq!(r(0, 10).intersect(r(5, 15)), Some(r(5, 10)));
        assert_eq!(r(0, 10).intersect(r(10, 15)), None);
        assert_eq!(r(0, 10).intersect(r(3, 3)), None);
    }

    #[test]
    #[should_panic(expected = "runs backwards")]
    fn a_backward_range_panics() {
        let _ = r(2, 1);
    }

    #[test]
    #[should_panic(expected = "cannot be requested")]
    fn an_empty_range_cannot_be_asked_for() {
        let _ = r(2, 2).request();
    }

    #[test]
    fn inserting_merges_what_overlaps_or_touches() {
        let mut s = set(&[(0, 10), (20, 30), (40, 50)]);
        s.insert(r(10, 20));
        assert_eq!(s, set(&[(0, 30), (40, 50)]));
        s.insert(r(31, 39));
        assert_eq!(s.iter().count(), 3);
        s.insert(r(5, 45));
        assert_eq!(s, set(&[(0, 50)]));
        s.insert(r(7, 7));
        assert_eq!(s.len(), 50);
    }

    #[test]
    fn removing_splits_and_trims() {
        let mut s = set(&[(0, 10), (20, 30)]);
        s.remove(r(3, 5));
        s.remove(r(8, 25));
        assert_eq!(s, set(&[(0, 3), (5, 8), (25, 30)]));
        s.remove(r(0, 100));
        assert!(s.is_empty());
    }

    #[test]
    fn containment_frontier_and_complement() {
        let s = set(&[(0, 10), (20, 30)]);
        assert!(s.contains_range(r(2, 10)) && s.contains_range(r(15, 15)));
        assert!(!s.contains_range(r(9, 11)) && !s.contains_range(r(5, 25)));
        assert_eq!(s.frontier(), 10);
        assert_eq!(set(&[(1, 10)]).frontier(), 0);
        assert_eq!(RangeSet::new().frontier(), 0);
        assert_eq!(s.complement(25), set(&[(10, 20)]));
        assert_eq!(s.complement(40), set(&[(10, 20), (30, 40)]));
        assert_eq!(s.complement(0), RangeSet::new());
    }

    #[test]
    fn the_serialized_form_is_checked_on_reading() {
        let s = set(&[(0, 10), (20, 30)]);
        let text = serde_json::to_string(&s).unwrap();
        assert_eq!(text, "[[0,10],[20,30]]");
        assert_eq!(serde_json::from_str::<RangeSet>(&text).unwrap(), s);
        for bad in [
            "[[5,5]]",
            "[[9,5]]",
            "[[0,10],[10,20]]",
            "[[20,30],[0,10]]",
            "[[0,10],[5,20]]",
            "[[0]]",
            "[[-1,4]]",
        ] {
            assert!(serde_json::from_str::<RangeSet>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn content_ranges_of_every_form() {
        let max = u64::MAX;
        for (text, range, total) in [
            ("bytes 0-0/1", Some(r(0, 1)), Some(1)),
            ("bytes 5-9/*", Some(r(5, 10)), None),
            ("bytes */47", None, Some(47)),
            (
                "bytes 9007199254740992-9007199254740993/18446744073709551615",
                Some(r(1 << 53, (1 << 53) + 2)),
                Some(max),
            ),
        ] {
            let parsed = ContentRange::parse(text).unwrap();
            assert_eq!(parsed, ContentRange { range, total });
            assert_eq!(parsed.to_string(), text);
        }
        assert!(ContentRange::parse("Bytes 0-0/1").is_ok());
    }

    #[test]
    fn invalid_content_ranges() {
        use ContentRangeError::{Contradiction, Overflow, Syntax, Unit};
        for (text, why) in [
            ("", Unit),
            ("(null)", Unit),
            ("0-9/20", Unit),
            ("bytes=0-9/20", Unit),
            ("bytes: 0-9/20", Unit),
            ("items 0-9/20", Unit),
            ("bytes 0-9", Syntax),
            ("bytes  0-9/20", Syntax),
            ("bytes 0-/20", Syntax),
            ("bytes -9/20", Syntax),
            ("bytes 0-+9/20", Syntax),
            ("bytes */*", Syntax),
            ("bytes 0-9/", Syntax),
            ("bytes 0x0-9/20", Syntax),
            ("bytes 9-0/20", Contradiction),
            ("bytes 0-20/20", Contradiction),
            ("bytes 0-18446744073709551615/*", Overflow),
            ("bytes 0-99999999999999999999/*", Overflow),
        ] {
            assert_eq!(ContentRange::parse(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn loose_reading_takes_two_misspellings_only() {
        let want = ContentRange::parse("bytes 0-9/20").unwrap();
        for text in ["bytes 0-9/20", "bytes: 0-9/20", "0-9/20", "BYTES:0-9/20"] {
            assert_eq!(ContentRange::parse_loose(text), Ok(want), "{text:?}");
        }
        for text in ["bytes=0-9/20", "items 0-9/20", "(null)", "", "bytes"] {
            assert!(ContentRange::parse_loose(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        /// A set of ranges is the set of their offsets.
        #[test]
        fn a_range_set_is_a_set(steps in prop::collection::vec((any::<bool>(), 0u64..60, 0u64..20), 0..40)) {
            let mut set = RangeSet::new();
            let mut model = BTreeSet::new();
            for (add, start, len) in steps {
                let range = r(start, start + len);
                if add {
                    set.insert(range);
                    model.extend(start..start + len);
                } else {
                    set.remove(range);
                    model.retain(|&offset| !range.contains(offset));
                }
                prop_assert!(RangeSet::try_from(Vec::from(set.clone())).is_ok());
                let offsets: BTreeSet<u64> = set.iter().flat_map(|r| r.start..r.end).collect();
                prop_assert_eq!(&offsets, &model);
                prop_assert_eq!(set.len(), model.len() as u64);
                prop_assert_eq!(set.contains_range(range), (start..start + len).all(|o| model.contains(&o)));
                prop_assert_eq!(set.complement(80).len(), 80 - set.len());
            }
        }

        #[test]
        fn content_range_round_trips(start in 0u64..1 << 60, len in 1u64..1 << 60, more in 0u64..1 << 60, star in any::<bool>()) {
            let range = r(start, start + len);
            let total = (!star).then_some(range.end + more);
            let value = ContentRange { range: Some(range), total };
            prop_assert_eq!(ContentRange::parse(&value.to_string()), Ok(value));
        }

        #[test]
        fn no_content_range_panics(text in ".*") {
            let _ = ContentRange::parse(&text);
            let _ = ContentRange::parse_loose(&text);
        }
    }
}

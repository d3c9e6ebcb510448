//! The bytes that nobody is fetching: gaps, with what happened to them so far.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::range::{ByteRange, RangeSet};

/// What is to be remembered about a gap besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    /// Attempts in a row that brought no byte of it.
    pub(super) attempts: u32,
    /// How often a request for it was replaced because it crawled.
    pub(super) replaced: u32,
    /// Not to be asked for earlier; `None` = at once.
    pub(super) not_before: Option<Instant>,
}

impl History {
    fn is_ready(self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Gaps by their start: disjoint, none empty. Neighbours may touch if their histories differ.
    gaps: BTreeMap<u64, (u64, History)>,
    /// Sum of all gaps' lengths.
    bytes: u64,
}

impl Pending {
    pub(super) fn new(missing: &RangeSet) -> Pending {
        let mut pending = Pending::default();
        for range in missing.iter() {
            pending.put(range, History::default());
        }
        pending
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Adds bytes that are in no gap yet, joining them with touching gaps of the same history.
    pub(super) fn put(&mut self, range: ByteRange, history: History) {
        if range.is_empty() {
            return;
        }
        let mut joined = range;
        if let Some((&start, &(end, before))) = self.gaps.range(..range.start).next_back()
            && end == range.start
            && before == history
        {
            joined.start = start;
        }
        if let Some(&(end, behind)) = self.gaps.get(&range.end)
            && behind == history
        {
            self.gaps.remove(&range.end);
            joined.end = end;
        }
        self.gaps.insert(joined.start, (joined.end, history));
        self.bytes += range.len();
    }

    /// Whether no gap begins before `offset`.
    pub(super) fn begins_behind(&self, offset: u64) -> bool {
        self.gaps.keys().next().is_none_or(|&start| start >= offset)
    }

    /// All gaps, lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = ByteRange> + '_ {
        let ranges = self.gaps.iter();
        ranges.map(|(&start, &(end, _))| ByteRange { start, end })
    }

    /// The lowest gap.
    pub(super) fn first(&self) -> Option<ByteRange> {
        let (&start, &(end, _)) = self.gaps.iter().next()?;
        Some(ByteRange { start, end })
    }

    /// Whether the lowest gap may not be asked for yet.
    pub(super) fn first_waits(&self, now: Instant) -> bool {
        let first = self.gaps.values().next();
        first.is_some_and(|(_, history)| !history.is_ready(now))
    }

    /// The lowest gap that may be asked for now.
    pub(super) fn first_ready(&self, now: Instant) -> Option<ByteRange> {
        self.gaps
            .iter()
            .find(|(_, (_, history))| history.is_ready(now))
            .map(|(&start, &(end, _))| ByteRange { start, end })
    }

    /// What follows `offset` without interruption and with one history; ready or not, as a running body has no use for
    /// pauses. `None` if the byte at `offset` is in no gap.
    pub(super) fn run_at(&self, offset: u64) -> Option<ByteRange> {
        let (_, &(end, _)) = self.gaps.range(..=offset).next_back()?;
        (offset < end).then_some(ByteRange { start: offset, end })
    }

    /// Takes out `range`, which has to lie within one gap, and tells its history.
    pub(super) fn take(&mut self, range: ByteRange) -> History {
        let gap = self.gaps.range(..=range.start).next_back();
        let Some((&start, &(end, history))) = gap else {
            debug_assert!(false, "{range} is not pending");
            return History::default();
        };
        debug_assert!(range.end <= end, "{range} is not within {start}..{end}");
        self.gaps.remove(&start);
        if start < range.start {
            self.gaps.insert(start, (range.start, history));
        }
        if range.end < end {
            self.gaps.insert(range.end, (end, history));
        }
        self.bytes -= range.len();
        history
    }

    /// The first moment after `now` at which a gap becomes ready.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        self.gaps
            .values()
            .filter_map(|(_, history)| history.not_before)
            .filter(|&at| at > now)
            .min()
    }
}

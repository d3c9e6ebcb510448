//! How large a chunk should be, and where to cut.
//!
//! Pure arithmetic for `schedule`, which holds the state. Two wishes pull: a request should carry seconds of data, as
//! each costs a round trip and looks odd in great numbers; and all requests should end at the same time, so the last
//! chunks have to be small. Guided self-scheduling serves both: a chunk is a fixed share of what is left, large at
//! first and ever smaller (Polychronopoulos and Kuck, 1987). Chunks sized like that end by themselves; cutting a
//! transfer short is left for laggards, because all that the server has sent by then is lost.

use crate::range::ByteRange;

/// What the user and the protocol say about chunks. All sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many requests are expected to run at once; at least 1.
    pub requests: usize,
    /// No chunk is planned smaller, except for the end of a gap; at least 1.
    pub min_chunk: u64,
    /// No chunk is planned larger; below `min_chunk` it counts as that.
    pub max_chunk: u64,
    /// Ordered mode: no chunk ends beyond the head plus this. Two chunks have to fit, or nothing runs beside the head.
    pub window: Option<u64>,
    /// Requests have no end (`bytes=a-`), as a browser's parallel downloads do; each has to be cut.
    pub open: bool,
    /// What cutting a running transfer may waste: the flow-control window of one stream.
    pub cut_cost: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            requests: 8,
            min_chunk: 1 << 20,
            max_chunk: 64 << 20,
            window: None,
            open: false,
            cut_cost: 6 << 20,
        }
    }
}

impl Options {
    /// For a stream of `window` bytes, in chunks of about `chunk`. Two for each request have to fit into the window, so
    /// that one can wait there while the next arrives.
    pub fn ordered(requests: usize, chunk: u64, window: u64) -> Options {
        let share = window / (2 * requests.max(1) as u64);
        let max_chunk = chunk.min(share).max(SMALL);
        Options {
            requests,
            min_chunk: SMALL,
            max_chunk,
            window: Some(window),
            ..Options::default()
        }
    }
}

/// The window of a stream where the user named none: room for two chunks of each request. The least is what a gigabit
/// brings in half a second, and so enough for the delay of any line of that speed.
pub fn window(requests: usize, chunk: u64) -> u64 {
    let room = chunk.saturating_mul(2 * requests as u64);
    room.clamp(64 << 20, 256 << 20)
}

/// The smallest chunk of a stream. One at its head is split down to this, so it is smaller than on disk.
const SMALL: u64 = 512 << 10;

/// Chunks end at multiples of this where they can, so that neighbours rarely write to the same pages.
pub const ALIGN: u64 = 64 << 10;

/// Seconds of data that a request should carry.
const SPAN: f64 = 4.0;

/// Seconds of data below which a chunk is not worth its round trip, however little is left.
const WORTH: f64 = 0.2;

/// Length of the next chunk, when `pending` bytes wait and a request is known to bring `speed` bytes a second.
///
/// The share is half of what would be fair, so a chunk that turns out slow still ends before the others run dry.
pub fn chunk_len(options: &Options, pending: u64, speed: Option<f64>) -> u64 {
    let share = pending / (2 * requests(options));
    let (most, least) = match speed {
        Some(speed) => ((speed * SPAN) as u64, (speed * WORTH) as u64),
        None => (u64::MAX, 0),
    };
    let floor = options.min_chunk.max(1);
    share.min(most).max(least).clamp(floor, ceiling(options))
}

/// Length of the next chunk where requests have no end and `idle` of them are not in flight: an even share, as browsers cut
/// a file. Guided self-scheduling would cut each of its many small chunks short.
pub fn even_len(options: &Options, pending: u64, idle: usize) -> u64 {
    (pending / idle.max(1) as u64).max(options.min_chunk).max(1)
}

/// Length of the first chunk, whose body runs open-ended already, when `pending` bytes are missing in all.
///
/// So few bytes that cutting might lose as many as it saves are left to that body; if it turns out slow, its tail is
/// stolen. Otherwise it gets a fair share, since for this one body the end is a cut.
pub fn first_len(options: &Options, pending: u64) -> u64 {
    if pending <= options.cut_cost.saturating_mul(2) {
        return pending.max(1);
    }
    if options.open {
        return even_len(options, pending, options.requests);
    }
    let share = pending / requests(options);
    share
        .max(options.cut_cost)
        .clamp(options.min_chunk.max(1), ceiling(options))
}

/// Where a chunk of about `len` bytes at the start of `gap` ends: leaving no crumb behind, and aligned unless requests have
/// no end, whose starts a server sees.
///
/// Never beyond the gap, and never at its start unless the gap is empty.
pub fn cut(options: &Options, gap: ByteRange, len: u64) -> u64 {
    let wanted = gap.start.saturating_add(len.max(1));
    let aligned = if options.open {
        wanted
    } else {
        wanted - wanted % ALIGN
    };
    let end = if aligned > gap.start + len / 2 {
        aligned
    } else {
        wanted
    };
    if end >= gap.end || gap.end - end < options.min_chunk / 2 {
        gap.end
    } else {
        end
    }
}

/// Where to split what a laggard still has to do: in the middle, aligned upwards, away from what is arriving now.
pub fn middle(rest: ByteRange) -> u64 {
    let middle = rest.start + rest.len() / 2;
    let aligned = middle.next_multiple_of(ALIGN);
    if aligned < rest.end { aligned } else { middle }
}

fn requests(options: &Options) -> u64 {
    options.requests.max(1) as u64
}

/// The largest chunk. In ordered mode every request gets room in the window.
fn ceiling(options: &Options) -> u64 {
    let room = match options.window {
        Some(window) => window / requests(options).max(2),
        None => u64::MAX,
    };
    options.max_chunk.min(room).max(options.min_chunk).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn options(requests: usize) -> Options {
        Options {
            requests,
            ..Options::default()
        }
    }

    /// Lengths of all chunks of a file, if they were taken one after the other.
    fn sizes(options: &Options, total: u64, speed: Option<f64>) -> Vec<u64> {
        let mut gap = ByteRange::new(0, total);
        let mut sizes = Vec::new();
        while !gap.is_empty() {
            let end = cut(options, gap, chunk_len(options, gap.len(), speed));
            sizes.push(end - gap.start);
            gap.start = end;
        }
        sizes
    }

    #[test]
    fn a_large_file_begins_with_large_chunks_and_ends_with_small_ones() {
        let sizes = sizes(&options(8), 1024 * MIB, None);
        assert_eq!(sizes[0], 64 * MIB);
        assert!(sizes.windows(2).all(|w| w[1] <= w[0] + MIB / 2));
        assert!(*sizes.last().unwrap() <= 3 * MIB / 2);
        assert!(sizes.len() < 90, "{}", sizes.len());
    }

    #[test]
    fn a_stream_has_room_for_two_chunks_of_each_request() {
        assert_eq!(window(8, 5 * MIB), 80 * MIB);
        assert_eq!(window(1, 5 * MIB), 64 * MIB);
        assert_eq!(window(128, 5 * MIB), 256 * MIB);
        for (requests, chunk, room, expected) in [
            (8, 5 * MIB, 80 * MIB, 5 * MIB),
            (16, 5 * MIB, 64 * MIB, 2 * MIB),
            (128, 5 * MIB, 16 * MIB, 512 << 10),
            (1, 5 * MIB, 16 * MIB, 5 * MIB),
        ] {
            let options = Options::ordered(requests, chunk, room);
            assert_eq!(options.max_chunk, expected, "{requests} {room}");
            assert_eq!(
                chunk_len(&options, 1 << 40, None),
                expected,
                "{requests} {room}"
            );
        }
    }

    #[test]
    fn speed_bounds_a_chunk_on_both_sides() {
        let o = options(8);
        // 100 KB/s: four seconds are less than a minimal chunk
        assert_eq!(chunk_len(&o, 1024 * MIB, Some(1e5)), MIB);
        // 4 MiB/s: four seconds
        assert_eq!(chunk_len(&o, 1024 * MIB, Some(4.0 * MIB as f64)), 16 * MIB);
        // 60 MiB/s: no chunk of milliseconds at the end
        assert_eq!(chunk_len(&o, 16 * MIB, Some(60.0 * MIB as f64)), 12 * MIB);
    }

    #[test]
    fn many_requests_on_a_small_file_take_minimal_chunks() {
        let sizes = sizes(&options(128), 100 * MIB, None);
        assert_eq!(sizes, [MIB; 100]);
    }

    #[test]
    fn the_first_body_keeps_a_small_file() {
        assert_eq!(first_len(&options(8), 3 * MIB), 3 * MIB);
        assert_eq!(first_len(&options(8), 12 * MIB), 12 * MIB);
        assert_eq!(first_len(&options(8), 24 * MIB), 6 * MIB);
        assert_eq!(first_len(&options(8), 256 * MIB), 32 * MIB);
        assert_eq!(first_len(&options(8), 1 << 40), 64 * MIB);
    }

    #[test]
    fn every_request_has_room_in_the_window() {
        let ordered = Options {
            window: Some(16 * MIB),
            max_chunk: 5 * MIB,
            ..options(8)
        };
        assert_eq!(chunk_len(&ordered, 1024 * MIB, None), 2 * MIB);
        let roomy = Options {
            window: Some(64 * MIB),
            ..ordered
        };
        assert_eq!(chunk_len(&roomy, 1024 * MIB, None), 5 * MIB);
    }

    #[test]
    fn cuts_are_aligned_and_leave_no_crumbs() {
        let o = options(8);
        assert_eq!(cut(&o, ByteRange::new(100, 10 * MIB), MIB), MIB);
        assert_eq!(cut(&o, ByteRange::new(0, MIB + 5), MIB), MIB + 5);
        assert_eq!(cut(&o, ByteRange::new(0, 5), MIB), 5);
        assert_eq!(middle(ByteRange::new(0, 4 * MIB)), 2 * MIB);
        assert_eq!(middle(ByteRange::new(100, 4 * MIB)), 2 * MIB + ALIGN);
        assert_eq!(middle(ByteRange::new(10, 20)), 15);
    }

    proptest! {
        #[test]
        fn lengths_and_cuts_hold_their_bounds(
            requests in 0usize..200, min_chunk in 0u64..1 << 22, max_chunk in 0u64..1 << 26,
            window in prop::option::of(0u64..1 << 27), start in 0u64..1 << 62, len in 1u64..1 << 40,
            speed in prop::option::of(0f64..1e12),
        ) {
            let o = Options { requests, min_chunk, max_chunk, window, ..Options::default() };
            let wanted = chunk_len(&o, len, speed);
            prop_assert!(wanted >= min_chunk.max(1) && wanted <= max_chunk.max(min_chunk).max(1));
            prop_assert!(first_len(&o, len) >= 1);
            let gap = ByteRange::new(start, start + len);
            let end = cut(&o, gap, wanted);
            prop_assert!(gap.start < end && end <= gap.end);
            if len >= 2 {
                let middle = middle(gap);
                prop_assert!(gap.start < middle && middle < gap.end);
            }
        }
    }
}

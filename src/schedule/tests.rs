use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::order::Order;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Any moment will do: only differences count.
fn epoch() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

fn at(milliseconds: u64) -> Instant {
    epoch() + Duration::from_millis(milliseconds)
}

fn r(start: u64, end: u64) -> ByteRange {
    ByteRange::new(start, end)
}

fn whole(len: u64) -> RangeSet {
    RangeSet::from(r(0, len))
}

fn options(requests: usize) -> Options {
    Options {
        requests,
        ..Options::default()
    }
}

fn again(milliseconds: u64) -> Outcome {
    Outcome::Again {
        after: Duration::from_millis(milliseconds),
    }
}

#[test]
fn nothing_missing_is_done_at_once() {
    let mut schedule = Schedule::new(RangeSet::new(), options(8));
    assert!(schedule.is_done());
    assert_eq!(schedule.start(8, at(0)), None);
    assert_eq!(schedule.wake(), None);
    assert!(schedule.adopt(0, at(0)).range.is_empty());
}

#[test]
fn chunks_are_contiguous_lowest_first_and_within_the_limit() {
    let mut schedule = Schedule::new(whole(1024 * MIB), options(4));
    let first = schedule.adopt(0, at(0));
    assert!(first.open && first.range.start == 0);
    let second = schedule.start(3, at(0)).unwrap();
    let third = schedule.start(3, at(0)).unwrap();
    assert_eq!(schedule.start(3, at(0)), None);
    assert_eq!(second.range.start, first.range.end);
    assert_eq!(third.range.start, second.range.end);
    assert!(!second.open);
    assert_eq!(schedule.in_flight(), 3);
}

#[test]
fn a_resumed_file_fetches_only_what_is_missing() {
    let done = RangeSet::from_iter([r(0, 10), r(50, 60)]);
    let mut schedule = Schedule::new(done.complement(100), options(4));
    assert!(schedule.adopt(0, at(0)).range.is_empty());
    let ranges = [(); 2].map(|()| schedule.start(8, at(0)).unwrap().range);
    assert_eq!(ranges, [r(10, 50), r(60, 100)]);
}

#[test]
fn bytes_beyond_the_chunk_are_not_accepted() {
    let mut schedule = Schedule::new(whole(4 * MIB), options(2));
    let one = schedule.start(2, at(0)).unwrap();
    let _two = schedule.start(2, at(0)).unwrap();
    assert_eq!(one.range, r(0, MIB));
    assert_eq!(schedule.advance(one.id, MIB - 1, at(1)), MIB - 1);
    assert_eq!(schedule.rest(one.id), r(MIB - 1, MIB));
    assert_eq!(schedule.advance(one.id, 7, at(2)), 1);
    assert!(schedule.rest(one.id).is_empty());
    assert_eq!(schedule.advance(one.id, 7, at(3)), 0);
    schedule.end(one.id, Outcome::Complete, at(4));
    assert_eq!(schedule.advance(one.id, 7, at(5)), 0);
    assert_eq!(schedule.missing(), 3 * MIB);
}

#[test]
fn a_failed_chunk_waits_and_keeps_its_attempts_until_a_byte_arrives() {
    let mut schedule = Schedule::new(whole(MIB), options(1));
    for attempt in 0..3 {
        let now = 1000 * u64::from(attempt);
        let chunk = schedule.start(1, at(now)).unwrap();
        assert_eq!((chunk.attempt, chunk.range), (attempt, r(0, MIB)));
        assert_eq!(schedule.attempts_without_progress(chunk.id), attempt + 1);
        schedule.end(chunk.id, again(1000), at(now));
        assert_eq!(schedule.start(1, at(now)), None);
        assert_eq!(schedule.wake(), Some(at(now + 1000)));
    }
    let chunk = schedule.start(1, at(3000)).unwrap();
    assert_eq!(schedule.advance(chunk.id, 5, at(3000)), 5);
    assert_eq!(schedule.attempts_without_progress(chunk.id), 0);
    schedule.end(chunk.id, again(0), at(3000));
    let chunk = schedule.start(1, at(3000)).unwrap();
    assert_eq!((chunk.attempt, chunk.range), (0, r(5, MIB)));
}

#[test]
fn a_body_without_end_takes_over_what_nobody_fetches() {
    let mut schedule = Schedule::new(whole(100 * MIB), options(1));
    let chunk = schedule.adopt(0, at(0));
    assert!(chunk.range.end < 100 * MIB);
    assert_eq!(schedule.start(1, at(0)), None);
    for offset in 0..100 {
        assert!(!schedule.rest(chunk.id).is_empty(), "{offset}");
        assert_eq!(schedule.advance(chunk.id, MIB, at(offset)), MIB);
    }
    assert!(schedule.is_done());
}

#[test]
fn one_block_may_cross_several_chunks() {
    let mut schedule = Schedule::new(whole(100 * MIB), options(16));
    let chunk = schedule.adopt(0, at(0));
    assert_eq!(schedule.advance(chunk.id, 200 * MIB, at(1)), 100 * MIB);
    assert!(schedule.is_done());
}

#[test]
fn a_body_that_lost_bytes_fills_no_gap_that_opens_later() {
    let mut schedule = Schedule::new(whole(100 * MIB), options(4));
    let body = schedule.adopt(0, at(0));
    let neighbour = schedule.start(2, at(0)).unwrap();
    let len = body.range.len();
    assert_eq!(schedule.advance(body.id, len + 10, at(1)), len);
    schedule.end(neighbour.id, again(0), at(2));
    assert_eq!(schedule.advance(body.id, 10, at(3)), 0);
    assert!(schedule.rest(body.id).is_empty());
}

#[test]
fn a_bounded_body_does_not_grow() {
    let mut schedule = Schedule::new(whole(100 * MIB), options(16));
    let chunk = schedule.start(1, at(0)).unwrap();
    let len = chunk.range.len();
    assert_eq!(schedule.advance(chunk.id, 200 * MIB, at(1)), len);
    assert!(schedule.rest(chunk.id).is_empty());
}

#[test]
fn a_small_file_is_left_to_the_first_body_until_it_proves_slow() {
    let mut schedule = Schedule::new(whole(3 * MIB), options(8));
    let first = schedule.adopt(0, at(0));
    assert_eq!(first.range, r(0, 3 * MIB));
    assert_eq!(schedule.start(8, at(0)), None);
    assert_eq!(schedule.wake(), Some(at(500)));
    // 100 KiB/s
    for tick in 0..5 {
        schedule.advance(first.id, 10 * KIB, at(100 * tick));
    }
    let stolen = schedule.start(8, at(500)).unwrap();
    assert_eq!(stolen.range.end, 3 * MIB);
    assert!(stolen.range.len() >= MIB);
    assert_eq!(schedule.rest(first.id).end, stolen.range.start);
}

#[test]
fn a_fast_body_is_not_stolen_from() {
    let mut schedule = Schedule::new(whole(12 * MIB), options(8));
    let first = schedule.adopt(0, at(0));
    for tick in 0..5 {
        schedule.advance(first.id, 2 * MIB, at(100 * tick));
        assert_eq!(schedule.start(8, at(100 * tick)), None);
    }
}

#[test]
fn the_chunk_that_ends_last_is_stolen_from() {
    let mut schedule = Schedule::new(whole(64 * MIB), options(1));
    schedule.options.max_chunk = 32 * MIB;
    let slow = schedule.start(2, at(0)).unwrap();
    schedule.options.requests = 1;
    let fast = schedule.start(2, at(0)).unwrap();
    while let Some(rest) = schedule.pending.run_at(fast.range.end) {
        schedule.pending.take(rest);
    }
    for tick in 0..20 {
        schedule.advance(slow.id, 64 * KIB, at(100 * tick));
        schedule.advance(fast.id, 128 * KIB, at(100 * tick));
    }
    let stolen = schedule.start(3, at(2000)).unwrap();
    assert_eq!(stolen.range.end, slow.range.end);
    assert_eq!(stolen.range.start % plan::ALIGN, 0);
}

#[test]
fn a_body_that_stops_loses_everything_while_others_move() {
    let mut schedule = Schedule::new(whole(32 * MIB), options(2));
    let stalled = schedule.start(2, at(0)).unwrap();
    schedule.advance(stalled.id, 100, at(0));
    assert_eq!(schedule.relieve(at(5_000)), 0, "it may be the line");
    let other = schedule.start(2, at(5_000)).unwrap();
    schedule.advance(other.id, MIB, at(5_000));
    schedule.hold(stalled.id, true, at(5_000));
    assert_eq!(schedule.relieve(at(9_000)), 0, "it waits for us");
    schedule.hold(stalled.id, false, at(9_000));
    schedule.advance(other.id, MIB, at(10_000));
    assert_eq!(schedule.relieve(at(10_000)), 0, "not yet");
    // The longest pause that ended well, of five seconds, is what patience follows from.
    schedule.advance(other.id, MIB, at(13_900));
    assert_eq!(schedule.relieve(at(13_900)), 0);
    assert_eq!(schedule.relieve(at(17_000)), 1);
    assert!(schedule.rest(stalled.id).is_empty());
    assert_eq!(schedule.advance(stalled.id, 50, at(17_001)), 0);
    let rescue = schedule.start(3, at(17_002)).unwrap();
    assert_eq!((rescue.range.start, rescue.attempt), (100, 0));
}

#[test]
fn e17_a_body_that_crawls_is_replaced_and_the_next_one_gets_more_time() {
    let mut schedule = Schedule::new(whole(32 * MIB), options(2));
    let slow = schedule.start(2, at(0)).unwrap();
    let fast = schedule.start(2, at(0)).unwrap();
    let drip = |schedule: &mut Schedule, id, from: u64| {
        let mut now = from;
        while schedule.relieve(at(now)) == 0 {
            schedule.advance(id, 10, at(now));
            schedule.advance(fast.id, 8 * KIB, at(now));
            now += 100;
        }
        now - from
    };
    let took = drip(&mut schedule, slow.id, 0);
    assert!((5_000..7_000).contains(&took), "{took}");
    schedule.end(slow.id, Outcome::Complete, at(took));
    let next = schedule.start(2, at(took)).unwrap();
    let took = drip(&mut schedule, next.id, took);
    assert!((10_000..13_000).contains(&took), "{took}");
}

/// A late answer, the one that races it, and a body that brings bytes meanwhile.
fn race() -> (Schedule, Chunk, Chunk) {
    let mut schedule = Schedule::new(whole(4 * MIB), options(1));
    let late = schedule.start(2, at(0)).unwrap();
    let other = schedule.start(2, at(0)).unwrap();
    schedule.advance(other.id, 1, at(100));
    schedule.advance(other.id, other.range.len() - 1, at(300));
    schedule.end(other.id, Outcome::Complete, at(300));
    while let Some(chunk) = schedule.start(2, at(1_999)) {
        schedule.advance(chunk.id, chunk.range.len(), at(1_999));
        schedule.end(chunk.id, Outcome::Complete, at(1_999));
    }
    assert_eq!(schedule.busy(at(2_000)), 0, "a late one does not count");
    let racer = schedule.start(1, at(2_000)).unwrap();
    assert_eq!(racer.range, late.range);
    assert_eq!(schedule.start(2, at(2_000)), None, "one is enough");
    assert_eq!(schedule.rest(racer.id), schedule.rest(late.id));
    assert_eq!(schedule.missing(), late.range.len());
    (schedule, late, racer)
}

#[test]
fn b21_a_late_answer_wins_if_it_comes_first() {
    let (mut schedule, late, racer) = race();
    assert_eq!(schedule.advance(late.id, 5, at(2_500)), 5);
    assert!(schedule.rest(racer.id).is_empty());
    assert_eq!(schedule.advance(racer.id, 5, at(2_000)), 0);
    assert_eq!(schedule.rest(late.id), r(5, late.range.end));
}

#[test]
fn a_request_that_overtakes_a_late_one_gets_its_bytes() {
    let (mut schedule, late, racer) = race();
    assert_eq!(schedule.advance(racer.id, 5, at(2_000)), 5);
    assert!(schedule.rest(late.id).is_empty());
    assert_eq!(schedule.advance(late.id, 5, at(2_000)), 0);
    assert_eq!(schedule.rest(racer.id), r(5, racer.range.end));
}

#[test]
fn the_end_of_a_race_leaves_the_bytes_with_the_other() {
    let (mut schedule, late, racer) = race();
    schedule.end(late.id, again(0), at(2_000));
    assert_eq!(schedule.rest(racer.id), racer.range);
    assert_eq!(schedule.advance(racer.id, MIB, at(2_000)), MIB);
    let (mut schedule, late, racer) = race();
    schedule.end(racer.id, again(0), at(2_000));
    assert_eq!(schedule.rest(late.id), late.range);
    assert_eq!(schedule.missing(), late.range.len());
}

#[test]
fn what_failed_for_other_reasons_is_no_attempt() {
    let mut schedule = Schedule::new(whole(MIB), options(1));
    let chunk = schedule.start(1, at(0)).unwrap();
    schedule.end(chunk.id, Outcome::Void, at(0));
    assert_eq!(schedule.start(1, at(0)).unwrap().attempt, 0);
    schedule.abandon(&RangeSet::new(), at(1));
    assert_eq!((schedule.in_flight(), schedule.missing()), (0, MIB));
    assert_eq!(schedule.start(1, at(1)).unwrap().attempt, 0);
}

#[test]
fn what_was_delivered_and_got_lost_is_fetched_again() {
    let mut schedule = Schedule::new(whole(2 * MIB), options(1));
    let chunk = schedule.start(1, at(0)).unwrap();
    schedule.advance(chunk.id, chunk.range.len(), at(0));
    let missing = schedule.missing();
    schedule.end(chunk.id, Outcome::Complete, at(0));
    // The other bytes of `lost` are missing anyway.
    let lost = ByteRange::new(chunk.range.start + 10, 2 * MIB);
    schedule.abandon(&lost.into(), at(1));
    assert_eq!(schedule.missing(), missing + chunk.range.len() - 10);
    assert_eq!(schedule.start(1, at(1)).unwrap().range.start, lost.start);
}

#[test]
fn silence_of_all_is_no_stall() {
    let mut schedule = Schedule::new(whole(2 * MIB), options(2));
    let chunks = [(); 2].map(|()| schedule.start(4, at(0)).unwrap());
    assert_eq!(chunks[1].range.end, 2 * MIB);
    assert_eq!(schedule.start(4, at(60_000)), None);
}

#[test]
fn nothing_is_stolen_while_bytes_wait_for_their_time() {
    let mut schedule = Schedule::new(whole(64 * MIB), options(1));
    let one = schedule.start(2, at(0)).unwrap();
    let two = schedule.start(2, at(0)).unwrap();
    while schedule.pending.first_ready(at(0)).is_some() {
        let more = schedule.start(99, at(0)).unwrap();
        schedule.advance(more.id, more.range.len(), at(0));
        schedule.end(more.id, Outcome::Complete, at(0));
    }
    schedule.advance(one.id, 1, at(0));
    schedule.end(two.id, again(60_000), at(0));
    assert_eq!(schedule.start(2, at(5000)), None);
    assert!(schedule.wake().is_some());
}

#[test]
fn no_chunk_ends_beyond_the_window() {
    let ordered = Options {
        window: Some(4 * MIB),
        ..options(8)
    };
    let mut schedule = Schedule::new(whole(100 * MIB), ordered);
    let chunks: Vec<Chunk> = std::iter::from_fn(|| schedule.start(8, at(0))).collect();
    assert_eq!(chunks.len(), 4);
    assert_eq!(chunks[3].range.end, 4 * MIB);
    schedule.advance(chunks[0].id, MIB, at(1));
    schedule.end(chunks[0].id, Outcome::Complete, at(1));
    assert_eq!(schedule.start(8, at(1)), None);
    schedule.head(MIB / 2);
    // half a chunk of room is not worth a request
    assert_eq!(schedule.start(8, at(1)), None);
    schedule.head(MIB);
    assert_eq!(schedule.start(8, at(1)).unwrap().range, r(4 * MIB, 5 * MIB));
}

#[test]
fn the_head_is_begun_even_in_a_tiny_window() {
    let ordered = Options {
        window: Some(1000),
        ..options(8)
    };
    let mut schedule = Schedule::new(whole(10_000), ordered);
    assert_eq!(schedule.start(8, at(0)).unwrap().range, r(0, 1000));
    assert_eq!(schedule.start(8, at(0)), None);
}

#[test]
fn f08_a_slow_head_is_stolen_from_first() {
    let ordered = Options {
        window: Some(16 * MIB),
        max_chunk: 8 * MIB,
        ..options(2)
    };
    let mut schedule = Schedule::new(whole(100 * MIB), ordered);
    let head = schedule.start(2, at(0)).unwrap();
    let other = schedule.start(2, at(0)).unwrap();
    assert_eq!((head.range.end, other.range.end), (8 * MIB, 16 * MIB));
    for tick in 0..20 {
        schedule.advance(head.id, 64 * KIB, at(100 * tick));
        schedule.advance(other.id, 32 * KIB, at(100 * tick));
    }
    let stolen = schedule.start(3, at(2000)).unwrap();
    assert_eq!(stolen.range.end, 8 * MIB);
}

#[test]
fn a_head_far_slower_than_usual_is_split_before_new_chunks_are_begun() {
    let ordered = Options {
        window: Some(64 * MIB),
        max_chunk: 4 * MIB,
        ..options(4)
    };
    let mut schedule = Schedule::new(whole(1000 * MIB), ordered);
    let head = schedule.start(2, at(0)).unwrap();
    for tick in 0..4 {
        let other = schedule.start(2, at(1000 * tick)).unwrap();
        for part in 0..4 {
            let now = at(1000 * tick + 250 * part);
            schedule.advance(head.id, 10 * KIB, now);
            schedule.advance(other.id, MIB, now);
        }
        schedule.end(other.id, Outcome::Complete, at(1000 * tick + 999));
        if schedule.rest(head.id).end < head.range.end {
            assert_eq!(other.range.end, head.range.end);
            return;
        }
    }
    panic!("the head was left alone");
}

#[test]
fn a_request_is_kept_free_for_a_head_that_waits() {
    let ordered = Options {
        window: Some(64 * MIB),
        max_chunk: 4 * MIB,
        ..options(2)
    };
    let mut schedule = Schedule::new(whole(100 * MIB), ordered);
    let head = schedule.start(2, at(0)).unwrap();
    let other = schedule.start(2, at(0)).unwrap();
    schedule.end(head.id, again(500), at(0));
    assert_eq!(schedule.start(2, at(100)), None);
    assert_eq!(schedule.wake(), Some(at(500)));
    schedule.end(other.id, Outcome::Complete, at(200));
    assert_eq!(schedule.start(2, at(200)).unwrap().range, other.range);
    assert_eq!(schedule.start(2, at(500)).unwrap().range, head.range);
}

#[test]
fn a_stalled_head_is_relieved_once_although_nothing_else_moves() {
    let ordered = Options {
        window: Some(4 * MIB),
        max_chunk: 4 * MIB,
        ..options(1)
    };
    let mut schedule = Schedule::new(whole(100 * MIB), ordered);
    let head = schedule.start(4, at(0)).unwrap();
    let other = schedule.start(4, at(0)).unwrap();
    schedule.advance(other.id, 1, at(0));
    assert_eq!(schedule.start(4, at(7_000)), None);
    let relief = schedule.start(4, at(8_000)).unwrap();
    assert_eq!((relief.range, relief.attempt), (head.range, 1));
    assert!(schedule.rest(head.id).is_empty());
    // The next one would be no better: its end decides.
    assert_eq!(schedule.start(4, at(20_000)), None);
}

#[test]
fn a_body_alone_at_the_front_runs_on_however_slow_the_reader() {
    let ordered = Options {
        window: Some(16 * MIB),
        max_chunk: 4 * MIB,
        ..options(1)
    };
    let mut schedule = Schedule::new(whole(100 * MIB), ordered);
    let body = schedule.adopt(0, at(0));
    for second in 0..100 {
        assert!(!schedule.rest(body.id).is_empty(), "{second}");
        assert_eq!(schedule.advance(body.id, MIB, at(1000 * second)), MIB);
    }
    assert!(schedule.is_done());
}

#[test]
fn a_robbed_body_takes_its_tail_back_if_the_thief_gives_up() {
    let mut schedule = Schedule::new(whole(8 * MIB), options(1));
    schedule.options.max_chunk = 8 * MIB;
    let body = schedule.adopt(0, at(0));
    for tick in 0..10 {
        schedule.advance(body.id, 10 * KIB, at(100 * tick));
    }
    let thief = schedule.start(2, at(1000)).unwrap();
    assert!(thief.range.end == 8 * MIB);
    schedule.end(thief.id, again(1000), at(1000));
    assert_eq!(
        schedule.advance(body.id, 8 * MIB, at(1100)),
        8 * MIB - 100 * KIB
    );
    assert!(schedule.is_done());
}

/// A link that all transfers share fairly, each with a limit of its own and a delay before its first byte.
struct Link {
    capacity: f64,
    per_transfer: f64,
    delay_ms: u64,
}

struct Run {
    seconds: f64,
    requests: usize,
    /// Transfers that were ended before their body did.
    cuts: usize,
}

impl Link {
    /// Downloads a file of `len` bytes in steps of 10 ms. The first body was asked for with the file.
    fn run(&self, len: u64, options: Options) -> Run {
        let limit = options.requests;
        let mut schedule = Schedule::new(whole(len), options);
        let mut live: BTreeMap<ChunkId, (u64, u64)> = BTreeMap::new();
        let mut run = Run {
            seconds: 0.0,
            requests: 1,
            cuts: 0,
        };
        live.insert(schedule.adopt(0, at(0)).id, (0, len));
        for tick in 0u64.. {
            let now = tick * 10;
            while let Some(chunk) = schedule.start(limit, at(now)) {
                run.requests += 1;
                live.insert(chunk.id, (now + self.delay_ms, chunk.range.len()));
            }
            let ready = live.values().filter(|(begin, _)| *begin <= now).count();
            let share = (self.capacity / ready.max(1) as f64).min(self.per_transfer);
            for (id, (begin, body)) in live.clone() {
                if begin > now {
                    continue;
                }
                let arrived = ((share / 100.0) as u64).min(body);
                schedule.advance(id, arrived, at(now));
                live.insert(id, (begin, body - arrived));
                if schedule.rest(id).is_empty() {
                    run.cuts += usize::from(body > arrived);
                    schedule.end(id, Outcome::Complete, at(now));
                    live.remove(&id);
                }
            }
            if schedule.is_done() {
                run.seconds = (now + 10) as f64 / 1000.0;
                return run;
            }
        }
        unreachable!("the loop has no end of its own")
    }
}

#[test]
fn a_fast_line_is_kept_busy_with_few_requests() {
    let loopback = Link {
        capacity: 600e6,
        per_transfer: 200e6,
        delay_ms: 10,
    };
    let run = loopback.run(1024 * MIB, options(8));
    assert!(run.seconds < 2.1, "{}", run.seconds);
    assert!(run.requests < 80, "{}", run.requests);
    assert_eq!(run.cuts, 1);
}

#[test]
fn many_requests_on_a_slow_line_do_not_fight() {
    let dsl = Link {
        capacity: 2e6,
        per_transfer: 2e6,
        delay_ms: 60,
    };
    let run = dsl.run(100 * MIB, options(128));
    assert!(run.seconds < 53.5, "{}", run.seconds);
    assert!(run.requests <= 100, "{}", run.requests);
    assert!(run.cuts <= 2, "{}", run.cuts);
}

#[test]
fn throttled_requests_are_all_used() {
    let throttled = Link {
        capacity: 1e9,
        per_transfer: 1e6,
        delay_ms: 60,
    };
    // 8 requests of 1 MB/s: 12.6 s at best
    let run = throttled.run(96 * MIB, options(8));
    assert!(run.seconds < 14.0, "{}", run.seconds);
    assert!(run.cuts <= 3, "{}", run.cuts);
    // 3 MiB: the first alone would need 3.1 s
    let run = throttled.run(3 * MIB, options(8));
    assert!(run.seconds < 2.2, "{}", run.seconds);
}

#[test]
fn a_small_file_on_a_fast_line_is_one_request() {
    let fast = Link {
        capacity: 100e6,
        per_transfer: 100e6,
        delay_ms: 20,
    };
    let run = fast.run(3 * MIB, options(8));
    assert_eq!((run.requests, run.cuts), (1, 0));
}

/// What happens next in a random history.
#[derive(Clone, Debug)]
enum Step {
    Start { limit: usize },
    Arrive { which: usize, bytes: u64 },
    End { which: usize, pause: Option<u64> },
    Void { which: usize },
    Relieve,
    Abandon,
    Wait { milliseconds: u64 },
    Consume { bytes: u64 },
    RunsOn { which: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..12).prop_map(|limit| Step::Start { limit }),
        6 => (any::<usize>(), 0u64..3 * MIB).prop_map(|(which, bytes)| Step::Arrive { which, bytes }),
        2 => (any::<usize>(), prop::option::of(0u64..20_000)).prop_map(|(which, pause)| Step::End { which, pause }),
        1 => any::<usize>().prop_map(|which| Step::Void { which }),
        1 => Just(Step::Relieve),
        1 => Just(Step::Abandon),
        2 => Just(Step::Wait { milliseconds: 500 }),
        2 => (0u64..10_000).prop_map(|milliseconds| Step::Wait { milliseconds }),
        2 => (0u64..8 * MIB).prop_map(|bytes| Step::Consume { bytes }),
        1 => any::<usize>().prop_map(|which| Step::RunsOn { which }),
    ]
}

/// The file of all histories; a byte is recognised by where it lies in memory.
fn content() -> &'static Bytes {
    static CONTENT: std::sync::OnceLock<Bytes> = std::sync::OnceLock::new();
    CONTENT.get_or_init(|| Bytes::from(vec![0; 48 << 20]))
}

fn slice(range: ByteRange) -> Bytes {
    let place = |offset| usize::try_from(offset).unwrap();
    content().slice(place(range.start)..place(range.end))
}

/// A schedule, and the world it is used in.
struct Model {
    schedule: Schedule,
    /// Puts what is accepted into order for a reader.
    order: Order,
    /// Whether a body was let run on beyond the window, as one alone at the front is.
    ran_on: bool,
    /// Every byte accepted so far.
    delivered: RangeSet,
    /// Transfers by chunk: the offset of the next byte of the body, where the body ends, whether a byte came.
    bodies: BTreeMap<ChunkId, (u64, u64, bool)>,
    missing: RangeSet,
    total: u64,
    window: Option<u64>,
    head: u64,
    now: u64,
}

impl Model {
    fn new(missing: RangeSet, total: u64, options: Options) -> Model {
        let mut order = Order::new(0);
        for range in missing.complement(total).iter() {
            order.insert(range.start, slice(range));
        }
        Model {
            order,
            ran_on: false,
            window: options.window,
            schedule: Schedule::new(missing.clone(), options),
            delivered: RangeSet::new(),
            bodies: BTreeMap::new(),
            head: missing.first().map_or(0, |range| range.start),
            missing,
            total,
            now: 0,
        }
    }

    fn bound(&self) -> u64 {
        self.window.map_or(u64::MAX, |window| self.head + window)
    }

    fn pick(&self, which: usize) -> Option<ChunkId> {
        let count = self.bodies.len();
        (count > 0).then(|| *self.bodies.keys().nth(which % count).unwrap())
    }

    fn note(&mut self, chunk: Chunk) {
        assert!(chunk.range.end <= self.bound(), "beyond the window");
        let end = if chunk.open {
            self.total
        } else {
            chunk.range.end
        };
        self.bodies
            .insert(chunk.id, (chunk.range.start, end, false));
    }

    fn start(&mut self, limit: usize) -> bool {
        let Some(chunk) = self.schedule.start(limit, at(self.now)) else {
            return false;
        };
        assert!(self.schedule.busy(at(self.now)) <= limit);
        assert!(!chunk.range.is_empty());
        self.note(chunk);
        true
    }

    fn arrive(&mut self, id: ChunkId, bytes: u64) {
        let (next, end, begun) = self.bodies[&id];
        let bytes = bytes.min(end - next);
        let expected = self.schedule.rest(id);
        let accepted = self.schedule.advance(id, bytes, at(self.now));
        assert!(accepted <= bytes);
        assert!(
            accepted == 0 || expected.start == next,
            "bytes of another place"
        );
        let range = r(next, next + accepted);
        // The body at the very front may run on: it needs no reordering.
        let below = self
            .missing
            .iter()
            .filter_map(|gap| gap.intersect(r(0, next)));
        let leads = below
            .into_iter()
            .all(|gap| self.delivered.contains_range(gap));
        assert!(
            range.is_empty() || range.end <= self.bound() || leads,
            "beyond the window"
        );
        let missing = self.delivered.complement(self.total);
        assert!(
            missing.contains_range(range),
            "{range} was delivered before"
        );
        self.delivered.insert(range);
        self.ran_on |= range.end > self.bound();
        self.order.insert(range.start, slice(range));
        self.bodies
            .insert(id, (next + bytes, end, begun || bytes > 0));
    }

    fn end(&mut self, id: ChunkId, outcome: Outcome) {
        self.bodies.remove(&id);
        self.schedule.end(id, outcome, at(self.now));
        assert_eq!(self.schedule.advance(id, 1, at(self.now)), 0);
        assert!(self.schedule.rest(id).is_empty());
    }

    /// Moves the head as far as bytes are contiguous, by at most `bytes`.
    fn consume(&mut self, bytes: u64) {
        let mut present = self.delivered.clone();
        for range in self.missing.complement(self.total).iter() {
            present.insert(range);
        }
        if self.head == 0 || present.frontier() > self.head {
            self.head = present.frontier().min(self.head + bytes).max(self.head);
            self.schedule.head(self.head);
        }
        self.read();
    }

    /// Takes out what the reader has, which is all of it and in order, and looks at how much waits.
    fn read(&mut self) {
        while self.order.head() < self.head {
            let at = usize::try_from(self.order.head()).unwrap();
            let bytes = self.order.pop().expect("what is contiguous comes out");
            assert_eq!(
                bytes.as_ptr(),
                content()[at..].as_ptr(),
                "bytes of another place"
            );
        }
        if let Some(window) = self.window.filter(|_| !self.ran_on) {
            let before = self.missing.complement(self.total).len();
            assert!(
                self.order.held() <= window + before,
                "more than the window is held"
            );
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Start { limit } => {
                self.start(limit);
            }
            Step::Arrive { which, bytes } => {
                if let Some(id) = self.pick(which) {
                    self.arrive(id, bytes);
                }
            }
            Step::End { which, pause } => {
                if let Some(id) = self.pick(which) {
                    self.end(id, pause.map_or(Outcome::Complete, again));
                }
            }
            Step::Void { which } => {
                if let Some(id) = self.pick(which) {
                    self.end(id, Outcome::Void);
                }
            }
            Step::Relieve => {
                self.schedule.relieve(at(self.now));
            }
            Step::Abandon => {
                self.bodies.clear();
                let mut missing = self.missing.clone();
                for range in self.delivered.iter() {
                    missing.remove(range);
                }
                self.schedule.abandon(&missing, at(self.now));
            }
            Step::Wait { milliseconds } => self.now += milliseconds,
            Step::Consume { bytes } => self.consume(bytes),
            Step::RunsOn { which } => {
                if let Some(id) = self.pick(which) {
                    self.schedule.runs_on(id);
                    let (next, end, begun) = self.bodies[&id];
                    let end = if begun { end } else { self.total };
                    self.bodies.insert(id, (next, end, begun));
                }
            }
        }
        let left = self.missing.len() - self.delivered.len();
        assert_eq!(self.schedule.missing(), left);
        assert_eq!(self.schedule.is_done(), left == 0);
    }

    /// Nothing goes wrong from here on: it has to come to an end.
    fn finish(&mut self) {
        for _ in 0..10_000 {
            self.consume(u64::MAX / 2);
            if self.schedule.is_done() {
                return;
            }
            while self.start(4) {}
            let ids: Vec<ChunkId> = self.bodies.keys().copied().collect();
            if ids.is_empty() {
                let wake = self.schedule.wake().expect("deadlock");
                let pause = wake.saturating_duration_since(at(self.now));
                assert!(pause > Duration::ZERO, "a wake that has passed");
                self.now += u64::try_from(pause.as_millis()).unwrap() + 1;
            }
            for id in ids {
                self.arrive(id, u64::MAX / 2);
                self.end(id, Outcome::Complete);
            }
        }
        panic!("no end after many rounds");
    }
}

proptest! {
    // PROPTEST_CASES=100000 for a long run.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(512)))]

    /// However transfers begin, break, are cut and robbed: each missing byte is accepted exactly once.
    #[test]
    fn every_byte_arrives_exactly_once(
        total in 1u64..40 * MIB,
        done in prop::collection::vec((0u64..40 * MIB, 0u64..4 * MIB), 0..4),
        requests in 1usize..10,
        window in prop::option::of(8 * KIB..20 * MIB),
        cut_cost in prop_oneof![Just(0), Just(6 * MIB)],
        open in any::<bool>(),
        adopt in prop::option::of(0u64..40 * MIB),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let done: RangeSet = done.into_iter().map(|(start, len)| r(start, start + len)).collect();
        let options = Options {
            requests, window, cut_cost, open,
            min_chunk: 256 * KIB,
            max_chunk: 8 * MIB,
        };
        let mut model = Model::new(done.complement(total), total, options);
        if let Some(from) = adopt {
            let chunk = model.schedule.adopt(from.min(total), at(0));
            prop_assert_eq!(chunk.range.start, from.min(total));
            if !chunk.range.is_empty() {
                model.note(chunk);
            } else {
                model.schedule.end(chunk.id, Outcome::Complete, at(0));
            }
        }
        for step in steps {
            model.step(step);
        }
        model.finish();
        prop_assert_eq!(&model.delivered, &model.missing);
        if model.window.is_some() {
            prop_assert_eq!(model.order.held(), 0);
        }
    }
}

#[test]
fn requests_without_an_end_cut_the_file_evenly() {
    let now = Instant::now();
    let options = Options {
        requests: 3,
        open: true,
        ..Options::default()
    };
    let mut schedule = Schedule::new(RangeSet::from(ByteRange::new(0, 60_000_000)), options);
    let first = schedule.adopt(0, now);
    let rest: Vec<_> = std::iter::from_fn(|| schedule.start(3, now)).collect();
    let ranges: Vec<_> = std::iter::once(first)
        .chain(rest)
        .map(|chunk| chunk.range.request_open())
        .collect();
    assert_eq!(ranges, ["bytes=0-", "bytes=20000000-", "bytes=40000000-"]);
}

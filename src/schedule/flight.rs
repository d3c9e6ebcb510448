//! One chunk in flight: how far it is, how fast, and when it will probably end.

use std::time::{Duration, Instant};

use super::ChunkId;
use super::pending::History;
use crate::range::ByteRange;

/// A speed is measured over at least this long.
const SAMPLE: Duration = Duration::from_millis(200);

/// A transfer that was quiet for so long is no longer believed to keep its measured speed.
const QUIET: Duration = Duration::from_secs(1);

/// The head of a stream that was quiet for so long is stalled, though nothing else can show that.
const STALLED: Duration = Duration::from_secs(8);

/// A transfer that brings less than this share of what is usual, for [`CRAWL`], crawls.
const CRAWLING: f64 = 0.1;

/// How long a transfer may crawl; twice as long for each time that its bytes were taken from another for the same reason.
const CRAWL: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Flight {
    /// From the next byte to arrive to the end of the chunk. Only grows at its end by taking over pending bytes.
    pub(super) rest: ByteRange,
    /// Up to where the transfer's body can be used: never below `rest.end`. Its own end, `u64::MAX` if it was asked for
    /// without one, or `rest.end` from when a byte behind that was thrown away.
    pub(super) body_end: u64,
    /// Attempts in a row without a byte before this one.
    pub(super) attempts: u32,
    /// How often a request for these bytes was replaced because it crawled.
    pub(super) replaced: u32,
    /// The flight whose rest this one is to bring if it is the first to bring a byte of it. Its own rest is empty until then.
    pub(super) against: Option<ChunkId>,
    /// Whether this attempt brought a byte of the chunk.
    pub(super) arrived: bool,
    /// Whether the body brought a byte, be it of the chunk or not.
    pub(super) touched: bool,
    /// Whether its bytes wait for us; then it is neither late nor slow.
    held: bool,
    /// When the attempt began.
    begun: Instant,
    /// Since when its bytes are counted to see whether it crawls.
    watch: Instant,
    /// Bytes since then.
    watched: u64,
    /// What all transfers together had delivered then.
    delivered_at_watch: u64,
    /// When the last byte came; before the first, when the attempt began.
    last: Instant,
    /// What all transfers of the file together had delivered then.
    delivered_at_last: u64,
    /// Begin of the running speed sample.
    mark: Instant,
    /// Bytes since `mark`.
    marked: u64,
    /// Bytes a second, smoothed; `None` before the first sample.
    rate: Option<f64>,
}

impl Flight {
    /// A chunk whose attempt begins now, when all transfers together have delivered `delivered` bytes.
    pub(super) fn new(
        rest: ByteRange,
        body_end: u64,
        history: History,
        delivered: u64,
        now: Instant,
    ) -> Flight {
        Flight {
            rest,
            body_end,
            attempts: history.attempts,
            replaced: history.replaced,
            against: None,
            begun: now,
            watch: now,
            watched: 0,
            delivered_at_watch: delivered,
            arrived: false,
            touched: false,
            held: false,
            last: now,
            delivered_at_last: delivered,
            mark: now,
            marked: 0,
            rate: None,
        }
    }

    /// Attempts in a row without a byte, should this one end now.
    pub(super) fn fruitless(&self) -> u32 {
        if self.arrived {
            0
        } else {
            self.attempts.saturating_add(1)
        }
    }

    /// Notes that `bytes` arrived, and returns a speed if a sample became complete. `delivered` counts all transfers.
    ///
    /// The first bytes only start the clock: the wait for them is latency, not speed.
    pub(super) fn measure(&mut self, bytes: u64, delivered: u64, now: Instant) -> Option<f64> {
        if bytes == 0 {
            return None;
        }
        self.last = now;
        self.watched += bytes;
        self.delivered_at_last = delivered;
        if !self.arrived {
            self.arrived = true;
            self.mark = now;
            return None;
        }
        self.marked += bytes;
        self.sample(SAMPLE, now)
    }

    /// The speed of a transfer that ended before its first sample was complete.
    pub(super) fn last_sample(&mut self, now: Instant) -> Option<f64> {
        match self.rate {
            Some(_) => None,
            None => self.sample(SAMPLE / 20, now),
        }
    }

    /// Seconds until the chunk is complete, infinite if nothing comes; `None` without any speed to judge by. `typical` is
    /// what a request usually brings, and stands in for a speed not yet measured.
    pub(super) fn expected(&self, typical: Option<f64>, now: Instant) -> Option<f64> {
        let rate = self.live_rate(now).or(self.rate).or(typical);
        rate.map(|rate| self.rest.len() as f64 / rate)
    }

    /// Whether another request may take over although nothing shows that it would fare better. Only once for the same
    /// bytes: if none of them comes then either, the line is dead, and the transfer's own end has to say so.
    pub(super) fn may_be_relieved(&self) -> bool {
        self.arrived || self.attempts == 0
    }

    /// See [`Schedule::hold`](super::Schedule::hold).
    pub(super) fn hold(&mut self, held: bool, now: Instant) {
        self.held = held;
        self.last = now;
        (self.watch, self.watched) = (now, 0);
    }

    /// How long nothing has come.
    pub(super) fn quiet(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last)
    }

    /// Whether nothing came for longer than `patience`, while others brought `enough`. Without the others it may be the line,
    /// or ourselves.
    pub(super) fn is_late(
        &self,
        patience: Duration,
        delivered: u64,
        enough: u64,
        now: Instant,
    ) -> bool {
        !self.held
            && self.quiet(now) >= patience
            && delivered.saturating_sub(self.delivered_at_last) >= enough
    }

    /// Whether nothing came for so long that no doubt is left.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        !self.held && self.quiet(now) >= STALLED
    }

    /// Whether bytes come, but so few that another request would surely fare better, as far as `typical` tells and if others
    /// bring theirs meanwhile. Looks back on a whole stretch of time, and then begins another.
    pub(super) fn crawls(&mut self, typical: Option<f64>, delivered: u64, now: Instant) -> bool {
        let patience = CRAWL.saturating_mul(1 << self.replaced.min(8));
        let elapsed = now.saturating_duration_since(self.watch);
        if elapsed < patience || !self.arrived || self.held {
            return false;
        }
        let rate = self.watched as f64 / elapsed.as_secs_f64();
        let others = delivered.saturating_sub(self.delivered_at_watch + self.watched);
        (self.watch, self.watched, self.delivered_at_watch) = (now, 0, delivered);
        others > 0
            && typical.is_some_and(|typical| rate < typical * CRAWLING)
            && self.rest.len() as f64 > rate * patience.as_secs_f64()
    }

    /// Whether it had its time, as long as one that crawls gets.
    pub(super) fn had_its_time(&self, now: Instant) -> bool {
        let patience = CRAWL.saturating_mul(1 << self.replaced.min(8));
        self.arrived && !self.held && now.saturating_duration_since(self.begun) >= patience
    }

    /// What came since the running sample began, if that was long enough ago.
    fn live_rate(&self, now: Instant) -> Option<f64> {
        let elapsed = now.saturating_duration_since(self.mark);
        (self.arrived && elapsed > QUIET).then(|| {
            let live = self.marked as f64 / elapsed.as_secs_f64();
            self.rate.map_or(live, |rate| rate.min(live))
        })
    }

    fn sample(&mut self, least: Duration, now: Instant) -> Option<f64> {
        let elapsed = now.saturating_duration_since(self.mark);
        if elapsed < least || self.marked == 0 {
            return None;
        }
        let speed = self.marked as f64 / elapsed.as_secs_f64();
        self.rate = Some(smooth(self.rate, speed));
        self.mark = now;
        self.marked = 0;
        Some(speed)
    }
}

/// Exponentially weighted moving average; the weight forgets a sample after about five others.
pub(super) fn smooth(average: Option<f64>, sample: f64) -> f64 {
    const WEIGHT: f64 = 0.3;
    average.map_or(sample, |average| average + WEIGHT * (sample - average))
}

//! How many requests at once.
//!
//! More requests help where a server limits each one, and harm where it limits their number; neither is announced. So
//! the number is found as TCP finds its window. It begins small and grows by one with each answer, up to what was asked
//! for; beyond that it doubles while throughput follows, then grows in small steps. A number that brought no throughput is
//! given back. When the server shows that it is asked too much, the number is halved; when it refuses some requests while
//! it serves others, what it serves is the number. The next try then comes late, since servers punish those who insist.
//!
//! One instance belongs to one host. What counts as congestion is told by `retry::Failure::is_congestion`.

use std::time::{Duration, Instant};

/// The number of requests that may be in flight to one host.
#[derive(Clone, Debug)]
pub struct Aimd {
    /// The number now; from 1 to `max`.
    limit: usize,
    /// Never more than this; at least 1.
    max: usize,
    /// Up to here answers raise the number by one; 0 once the server has complained.
    ramp: usize,
    /// Whether the number doubles, or grows in small steps.
    doubling: bool,
    /// The number before the growth that is on trial, and the throughput it had in bytes a second.
    trial: Option<(usize, f64)>,
    /// Begin of the running measurement; in the future while new requests come up to speed.
    since: Instant,
    /// Bytes since then.
    bytes: u64,
    /// Whether the number was used up all the time since then; if not, more of it would change nothing.
    full: bool,
    /// No growth before this.
    grow_at: Instant,
    /// No second halving before this: failures of one moment are one event.
    cut_at: Instant,
    /// The most requests that were seen to be served at once since the last complaint.
    served: usize,
    /// Answers since the number was last raised or cut.
    answers: usize,
    /// Answers do not raise the number before this.
    ramp_at: Instant,
    /// A single refusal at the number that was served before is passed over until this; a server that counts a request
    /// which has just ended is not out of room.
    lenient_at: Instant,
    /// How long the number does not grow after the next complaint; longer each time growth was the cause.
    penance: Duration,
    /// No request at all before this; `None` = no pause.
    paused_until: Option<Instant>,
}

/// A throughput is measured over this long.
const EPOCH: Duration = Duration::from_secs(1);

/// Between small steps.
const BREATH: Duration = Duration::from_secs(5);

/// After the number was tried and found useless.
const HOLD: Duration = Duration::from_secs(15);

/// After the server complained.
const PENANCE: Duration = Duration::from_secs(30);

/// After it complained again and again about growth.
const LONGEST_PENANCE: Duration = Duration::from_secs(480);

/// Failures within this time after a halving belong to it.
const ONE_EVENT: Duration = Duration::from_secs(2);

/// Below this the number is raised by one at a time, and only when all so far are served.
const CAREFUL: usize = 8;

/// A growth has to bring this share of what it would bring if all requests were equally fast.
const WORTH: f64 = 0.4;

/// Growth that does not double adds one request for so many. One alone would be lost in the noise of any real line.
const STEP: usize = 4;

impl Aimd {
    /// Begins with `start` requests, reaches `ramp` as fast as answers come, and never allows more than `max`. Each counts as
    /// at least 1, and `start` and `ramp` as at most `max`.
    pub fn new(start: usize, ramp: usize, max: usize, now: Instant) -> Aimd {
        let max = max.max(1);
        Aimd {
            limit: start.clamp(1, max),
            max,
            ramp: ramp.min(max),
            doubling: true,
            trial: None,
            since: now,
            bytes: 0,
            full: true,
            grow_at: now,
            cut_at: now,
            served: 0,
            answers: 0,
            ramp_at: now,
            lenient_at: now,
            penance: PENANCE,
            paused_until: None,
        }
    }

    /// How many requests to plan for: the limit, or what it will have grown to in a moment.
    pub fn expected(&self) -> usize {
        self.limit.max(self.ramp)
    }

    /// Lowers the maximum for good, as the server has announced one.
    pub fn cap(&mut self, max: usize) {
        self.max = self.max.min(max.max(1));
        self.ramp = self.ramp.min(self.max);
        self.limit = self.limit.min(self.max);
    }

    /// How many requests may be in flight; 0 during a pause.
    pub fn limit(&self, now: Instant) -> usize {
        if self.paused_until.is_some_and(|until| now < until) {
            0
        } else {
            self.limit
        }
    }

    /// When the pause ends, if there is one.
    pub fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Notes that `bytes` came while `in_flight` requests ran. May change the limit.
    pub fn delivered(&mut self, bytes: u64, in_flight: usize, now: Instant) {
        if now <= self.since {
            return;
        }
        self.bytes += bytes;
        self.full &= in_flight >= self.limit;
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < EPOCH {
            return;
        }
        let throughput = self.bytes as f64 / elapsed.as_secs_f64();
        let full = self.full;
        self.measure_anew(now);
        if full {
            self.judge(throughput, now);
        }
    }

    /// Notes that a request was answered as it should be, the `running`th of those that are being served.
    pub fn accepted(&mut self, running: usize, now: Instant) {
        let before = self.limit;
        self.served = self.served.max(running);
        self.answers += 1;
        if self.limit < self.ramp && now >= self.ramp_at {
            // A server that takes few takes less than ten, and what it does not take are requests for nothing. Where all are
            // never served at once because each is short, a round of answers says the same.
            let is_borne = running >= self.limit || self.answers >= self.limit;
            if is_borne || self.limit >= CAREFUL {
                self.limit += 1;
                self.answers = 0;
            }
        }
        if now < self.cut_at {
            // It was on its way when the limit was cut, and shows that the cut went too deep.
            self.limit = self.limit.max(running.min(self.max));
        }
        if self.limit != before {
            self.measure_anew(now);
        }
    }

    /// Notes that the server refused a request although it serves `running` others: that many it takes. If it was seen to serve
    /// more, that is tried again soon.
    pub fn refused(&mut self, running: usize, now: Instant) {
        let served = self.served;
        let is_odd = running < served && self.trial.is_none();
        if is_odd && now >= self.lenient_at {
            self.lenient_at = now + BREATH;
            return;
        }
        self.cut(self.limit.min(running.max(1)), now);
        if is_odd {
            (self.ramp, self.ramp_at) = (served.min(self.max), now + BREATH);
        }
    }

    /// Notes that the server showed that it is asked too much: halves the limit, once per event.
    pub fn congested(&mut self, now: Instant) {
        if now >= self.cut_at {
            self.cut((self.limit / 2).max(1), now);
        }
    }

    /// Lets no request begin until `until`, as a Retry-After demands. The later of two pauses holds.
    pub fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// Decides about growth, with the throughput of a whole epoch in which all requests allowed were in flight.
    fn judge(&mut self, throughput: f64, now: Instant) {
        if let Some((before, then)) = self.trial.take() {
            let ideal = then * self.limit as f64 / before as f64;
            if throughput < then + WORTH * (ideal - then) {
                self.limit = before;
                self.doubling = false;
                self.grow_at = now + HOLD;
                return;
            }
        }
        if self.limit == self.max
            || self.limit < self.ramp
            || now < self.grow_at
            || throughput == 0.0
        {
            return;
        }
        self.trial = Some((self.limit, throughput));
        let step = if self.doubling {
            self.limit
        } else {
            self.grow_at = now + BREATH;
            (self.limit / STEP).max(1)
        };
        self.limit = self.limit.saturating_add(step).min(self.max);
        // Until the new requests have come up to speed, a measurement would say nothing.
        self.since = now + EPOCH;
    }

    fn cut(&mut self, limit: usize, now: Instant) {
        if now >= self.cut_at {
            self.penance = match self.trial {
                Some(_) => (self.penance * 2).min(LONGEST_PENANCE),
                None => PENANCE,
            };
            self.cut_at = now + ONE_EVENT;
        }
        self.limit = limit;
        self.served = limit;
        self.ramp = 0;
        self.answers = 0;
        self.doubling = false;
        self.trial = None;
        self.grow_at = now + self.penance;
        self.measure_anew(now);
    }

    fn measure_anew(&mut self, now: Instant) {
        self.since = now;
        self.bytes = 0;
        self.full = true;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs for `seconds` against a server whose throughput depends on the number of requests.
    fn run(
        aimd: &mut Aimd,
        begin: Instant,
        seconds: u64,
        throughput: impl Fn(usize) -> u64,
    ) -> Instant {
        let mut now = begin;
        for _ in 0..seconds * 10 {
            now += Duration::from_millis(100);
            let limit = aimd.limit(now);
            aimd.delivered(throughput(limit) / 10, limit, now);
        }
        now
    }

    #[test]
    fn throttled_requests_raise_the_number_to_its_maximum() {
        let now = Instant::now();
        let mut aimd = Aimd::new(4, 4, 32, now);
        let now = run(&mut aimd, now, 12, |n| n as u64 * 1_000_000);
        assert_eq!(aimd.limit(now), 32);
    }

    #[test]
    fn a_full_line_keeps_the_number_low() {
        let now = Instant::now();
        let mut aimd = Aimd::new(4, 4, 32, now);
        let now = run(&mut aimd, now, 60, |_| 10_000_000);
        assert!(aimd.limit(now) <= 5, "{}", aimd.limit(now));
    }

    #[test]
    fn the_knee_is_found() {
        let now = Instant::now();
        let mut aimd = Aimd::new(2, 2, 64, now);
        let now = run(&mut aimd, now, 600, |n| n.min(11) as u64 * 1_000_000);
        assert!((8..=12).contains(&aimd.limit(now)), "{}", aimd.limit(now));
    }

    #[test]
    fn congestion_halves_once_per_event_and_growth_waits() {
        let now = Instant::now();
        let mut aimd = Aimd::new(16, 16, 32, now);
        for milliseconds in [0, 10, 20, 1000] {
            aimd.congested(now + Duration::from_millis(milliseconds));
        }
        assert_eq!(aimd.limit(now), 8);
        let now = run(&mut aimd, now, 29, |n| n as u64 * 1_000_000);
        assert_eq!(aimd.limit(now), 8);
        let now = run(&mut aimd, now, 10, |n| n as u64 * 1_000_000);
        assert!((9..=16).contains(&aimd.limit(now)));
        let mut now = now;
        for _ in 0..10 {
            now += ONE_EVENT;
            aimd.congested(now);
        }
        assert_eq!(aimd.limit(now), 1);
    }

    #[test]
    fn answers_raise_the_number_until_it_is_what_was_asked_for() {
        let now = Instant::now();
        let mut aimd = Aimd::new(4, 8, 8, now);
        assert_eq!((aimd.limit(now), aimd.expected()), (4, 8));
        for running in 1..=3 {
            aimd.accepted(running, now);
        }
        assert_eq!(aimd.limit(now), 4);
        // All are served, and then the one more.
        aimd.accepted(4, now);
        aimd.accepted(5, now);
        assert_eq!(aimd.limit(now), 6);
        // Short ones, of which two run at a time.
        (0..6).for_each(|_| aimd.accepted(2, now));
        assert_eq!(aimd.limit(now), 7);
        for running in 6..=20 {
            aimd.accepted(running, now);
        }
        assert_eq!(aimd.limit(now), 8);
    }

    #[test]
    fn what_is_served_beside_a_refusal_is_the_number() {
        let second = Duration::from_secs(1);
        let now = Instant::now();
        let mut aimd = Aimd::new(4, 32, 32, now);
        (1..=4).for_each(|running| aimd.accepted(running, now));
        assert_eq!(aimd.limit(now), 5);
        aimd.refused(4, now);
        assert_eq!((aimd.limit(now), aimd.expected()), (4, 4));
        // One refusal at this number is a coincidence, two are none.
        let now = now + 10 * second;
        aimd.refused(3, now);
        assert_eq!(aimd.limit(now), 4);
        aimd.refused(3, now + second);
        assert_eq!(aimd.limit(now + second), 3);
        // It served four, though.
        aimd.accepted(3, now + 2 * second);
        assert_eq!(aimd.limit(now + 2 * second), 3);
        aimd.accepted(3, now + 7 * second);
        assert_eq!(aimd.limit(now + 7 * second), 4);
        aimd.refused(3, now + 8 * second);
        aimd.accepted(3, now + 14 * second);
        assert_eq!(aimd.limit(now + 14 * second), 3, "twice is enough");
        aimd.cap(2);
        assert_eq!(aimd.limit(now + second), 2);
    }

    #[test]
    fn growth_that_is_refused_comes_later_and_later() {
        let begin = Instant::now();
        let mut aimd = Aimd::new(8, 8, 32, begin);
        let mut now = begin;
        let mut refusals = Vec::new();
        aimd.refused(4, now);
        while now < begin + Duration::from_secs(600) {
            now += Duration::from_millis(100);
            let limit = aimd.limit(now);
            if limit > 4 {
                refusals.push((now - begin).as_secs());
                aimd.refused(4, now);
            }
            aimd.delivered(400_000, limit, now);
        }
        assert!((3..=5).contains(&refusals.len()), "{refusals:?}");
    }

    #[test]
    fn a_number_that_is_not_used_does_not_grow() {
        let mut now = Instant::now();
        let mut aimd = Aimd::new(4, 4, 32, now);
        for _ in 0..100 {
            now += Duration::from_millis(100);
            aimd.delivered(1_000_000, 3, now);
        }
        assert_eq!(aimd.limit(now), 4);
    }

    #[test]
    fn a_pause_stops_everything_until_it_is_over() {
        let now = Instant::now();
        let mut aimd = Aimd::new(4, 4, 4, now);
        aimd.pause(now + Duration::from_secs(10));
        aimd.pause(now + Duration::from_secs(5));
        assert_eq!(aimd.limit(now + Duration::from_secs(9)), 0);
        assert_eq!(aimd.limit(now + Duration::from_secs(10)), 4);
        assert_eq!(aimd.paused_until(), Some(now + Duration::from_secs(10)));
    }

    proptest! {
        #[test]
        fn the_limit_stays_in_its_bounds(
            start in 0usize..200, max in 0usize..200,
            events in prop::collection::vec((0u64..3000, 0u64..1 << 30, any::<bool>()), 0..200),
        ) {
            let mut now = Instant::now();
            let mut aimd = Aimd::new(start, start, max, now);
            for (milliseconds, bytes, congested) in events {
                now += Duration::from_millis(milliseconds);
                match (congested, bytes % 3) {
                    (true, 0) => aimd.congested(now),
                    (true, _) => aimd.refused((bytes % 200) as usize, now),
                    (false, 0) => aimd.accepted((bytes % 200) as usize, now),
                    (false, _) => aimd.delivered(bytes, aimd.limit(now), now),
                }
                prop_assert!((1..=max.max(1)).contains(&aimd.limit(now)));
            }
        }
    }
}

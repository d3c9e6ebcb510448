//! What one host bears, and whether it answers at all: shared by all requests to it, of whatever file.
//!
//! Three things hold requests back. The number in flight is [`Aimd`]'s. A pause that the host asked for (`Retry-After`)
//! holds for all alike. And a host that fails every request in a row, with not one byte between, is taken to be out: a
//! circuit breaker opens, and after a pause that grows each time one request tries whether the host is back. So twenty
//! transfers that see one outage do not knock twenty times, and go on together as soon as one was let in.
//!
//! It is told what happened and at what time, and draws no random number: the length of a pause comes from outside.

use std::time::{Duration, Instant};

use super::Aimd;

/// The state of one host.
#[derive(Clone, Debug)]
pub struct Host {
    aimd: Aimd,
    /// Requests under way, those left out that are given up on.
    in_flight: usize,
    /// Of those, the ones that are being served.
    running: usize,
    /// Failures since anything good came from the host.
    strikes: u32,
    /// `None` while the host serves.
    outage: Option<Outage>,
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    /// No request before this; then one at a time.
    until: Instant,
    /// Pauses so far, at least 1.
    pauses: u32,
    /// When the request began that tries whether the host is back.
    probe: Option<Instant>,
}

/// Failures in a row that make an outage. Fewer may be bad luck of single requests, which wait by themselves.
const STRIKES: u32 = 3;

/// A probe that says nothing for so long has been given up by whoever made it.
const PROBE: Duration = Duration::from_secs(60);

impl Host {
    /// A host of which nothing is known yet.
    pub fn new(aimd: Aimd) -> Host {
        Host {
            aimd,
            in_flight: 0,
            running: 0,
            strikes: 0,
            outage: None,
        }
    }

    /// How many requests may begin now.
    pub fn free(&self, now: Instant) -> usize {
        let Some(outage) = &self.outage else {
            return self.aimd.limit(now).saturating_sub(self.in_flight);
        };
        let probing = self.in_flight > 0
            && outage
                .probe
                .is_some_and(|since| now.saturating_duration_since(since) < PROBE);
        if now < outage.until || probing {
            0
        } else {
            self.aimd.limit(now).min(1)
        }
    }

    /// Whether the host is paused or out, so that not even a first request may begin.
    pub fn is_closed(&self, now: Instant) -> bool {
        self.aimd.limit(now) == 0 || self.outage.is_some() && self.free(now) == 0
    }

    /// When the pause or the outage's pause ends, if that is what keeps requests back; after it, ask again.
    pub fn opens(&self, now: Instant) -> Option<Instant> {
        let outage = self.outage.map(|outage| outage.until);
        self.aimd
            .paused_until()
            .max(outage)
            .filter(|&until| now < until)
    }

    /// How many requests to plan for.
    pub fn expected(&self) -> usize {
        self.aimd.expected()
    }

    /// The rules for the number of requests.
    pub fn aimd(&mut self) -> &mut Aimd {
        &mut self.aimd
    }

    /// Requests that are being served.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Notes that a request begins.
    pub fn begun(&mut self, now: Instant) {
        if let Some(outage) = &mut self.outage {
            outage.probe = Some(now);
        }
    }

    /// Changes the numbers of requests under way and being served from `before` to `after`, as one file's share of them.
    pub fn shift(&mut self, before: (usize, usize), after: (usize, usize)) {
        self.in_flight = (self.in_flight + after.0).saturating_sub(before.0);
        self.running = (self.running + after.1).saturating_sub(before.1);
    }

    /// Notes that a request failed in a way that takes a host which is there.
    pub fn reached(&mut self) {
        self.recovered();
    }

    /// Notes that a request was answered as it should be.
    pub fn accepted(&mut self, now: Instant) {
        self.recovered();
        self.aimd.accepted(self.running, now);
    }

    /// Notes that `bytes` came. May change how many requests are allowed.
    pub fn delivered(&mut self, bytes: u64, now: Instant) {
        if bytes > 0 {
            self.recovered();
        }
        self.aimd.delivered(bytes, self.in_flight, now);
    }

    /// Pauses that the running outage has had; 0 without one.
    pub fn pauses(&self) -> u32 {
        self.outage.map_or(0, |outage| outage.pauses)
    }

    /// Notes that a request failed as it does where a host is out. If it is, nothing begins for the time of `pause`. True
    /// if a pause began.
    pub fn struck(&mut self, pause: Duration, now: Instant) -> bool {
        self.strikes = self.strikes.saturating_add(1);
        let pauses = match &self.outage {
            // What began before the pause fails within it, and says nothing new.
            Some(outage) if outage.probe.is_none() => return false,
            Some(outage) => outage.pauses.saturating_add(1),
            None if self.strikes < STRIKES => return false,
            None => 1,
        };
        self.outage = Some(Outage {
            until: now + pause,
            pauses,
            probe: None,
        });
        true
    }

    fn recovered(&mut self) {
        self.strikes = 0;
        self.outage = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn host(now: Instant) -> Host {
        Host::new(Aimd::new(20, 20, 20, now))
    }

    /// A host that was struck until it closed for a second, and whose probe has begun: when it did.
    fn probed() -> (Host, Instant) {
        let now = Instant::now();
        let mut host = host(now);
        for _ in 0..STRIKES {
            host.struck(SECOND, now);
        }
        let now = now + SECOND;
        host.begun(now);
        host.shift((0, 0), (1, 0));
        (host, now)
    }

    #[test]
    fn requests_of_all_files_count() {
        let now = Instant::now();
        let mut host = host(now);
        host.shift((0, 0), (12, 3));
        host.shift((0, 0), (5, 0));
        assert_eq!((host.free(now), host.running()), (3, 3));
        host.shift((12, 3), (0, 0));
        assert_eq!((host.free(now), host.running()), (15, 0));
    }

    #[test]
    fn e21_one_outage_is_one_pause_and_one_probe() {
        let now = Instant::now();
        let mut host = host(now);
        host.shift((0, 0), (20, 20));
        let pauses: usize = (0..20).map(|_| usize::from(host.struck(SECOND, now))).sum();
        host.shift((20, 20), (0, 0));
        assert_eq!(pauses, 1);
        assert!(host.is_closed(now) && host.free(now) == 0);
        assert_eq!(host.opens(now), Some(now + SECOND));
        let now = now + SECOND;
        assert_eq!(host.free(now), 1);
        host.begun(now);
        host.shift((0, 0), (1, 0));
        assert_eq!(host.free(now), 0);
        // The probe fails: a second pause, the longer for it.
        assert_eq!(host.pauses(), 1);
        assert!(host.struck(4 * SECOND, now));
        assert_eq!(host.pauses(), 2);
        let now = now + 4 * SECOND;
        host.begun(now);
        host.accepted(now);
        assert_eq!((host.free(now), host.pauses()), (19, 0));
    }

    #[test]
    fn failures_with_bytes_between_them_are_no_outage() {
        let now = Instant::now();
        let mut host = host(now);
        for _ in 0..10 {
            assert!(!host.struck(SECOND, now) && !host.struck(SECOND, now));
            host.delivered(1, now);
        }
        assert_eq!(host.free(now), 20);
    }

    #[test]
    fn a_probe_that_nobody_waits_for_does_not_keep_the_host_closed() {
        let (mut host, now) = probed();
        assert!(host.is_closed(now + SECOND));
        assert_eq!(host.free(now + PROBE), 1);
        // Given up without a word.
        host.shift((1, 0), (0, 0));
        assert_eq!(host.free(now + SECOND), 1);
    }

    #[test]
    fn a_probe_that_fails_otherwise_than_by_an_outage_ends_it() {
        let (mut host, now) = probed();
        host.reached();
        assert_eq!((host.free(now), host.pauses()), (19, 0));
    }

    #[test]
    fn a_pause_holds_for_all() {
        let now = Instant::now();
        let mut host = host(now);
        host.aimd().pause(now + SECOND);
        assert!(host.is_closed(now) && host.free(now) == 0);
        assert_eq!(host.opens(now), Some(now + SECOND));
        assert!(!host.is_closed(now + SECOND) && host.opens(now + SECOND).is_none());
    }
}

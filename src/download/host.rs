//! The hosts of a run: all transfers to one of them, of whatever file, share a [`Gate`].
//!
//! What a host bears is decided by [`limit::Host`]; here failures are translated for it, and requests counted.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use url::Url;

use crate::http::{BROWSER_CONNECTIONS, Protocol};
use crate::limit::{self, Aimd};
use crate::retry::{self, Failure, Policy};

/// Requests that begin at once at a host of which nothing is known; the others follow as it answers.
const FIRST: usize = 4;

/// Requests that a host soon gets where the user named no number and they share a connection. Over HTTP/1.1, where they are
/// connections, it is a browser's limit.
const AUTO_HTTP2: usize = 8;

/// The most that a host gets where the user named no number and throughput grows with it.
const AUTO_MOST: usize = 32;

/// All hosts of a run that were asked for ranges.
#[derive(Default)]
pub struct Hosts {
    /// By scheme, name and port.
    known: RefCell<HashMap<String, Rc<Gate>>>,
}

impl Hosts {
    /// The host of a URL. `most` is the number of requests that the user named.
    pub(super) fn gate(&self, url: &Url, most: Option<usize>, now: Instant) -> Rc<Gate> {
        let mut known = self.known.borrow_mut();
        let gate = known.entry(url.origin().ascii_serialization());
        Rc::clone(gate.or_insert_with(|| {
            let (soon, most) = match most {
                Some(most) => (most, most),
                None => (AUTO_HTTP2, AUTO_MOST),
            };
            Rc::new(Gate {
                automatic: soon != most,
                host: RefCell::new(limit::Host::new(Aimd::new(FIRST, soon, most, now))),
                silent_since: Cell::new(now),
                no_ranges: Cell::new(false),
            })
        }))
    }
}

/// What lets requests to one host through.
pub(super) struct Gate {
    /// Whether the user left the number of requests to us.
    automatic: bool,
    /// Never borrowed across an await.
    host: RefCell<limit::Host>,
    /// When the last byte came from the host.
    silent_since: Cell<Instant>,
    /// Whether it was asked for ranges, and served none of that file.
    no_ranges: Cell<bool>,
}

/// Something that the user should know of a host.
pub(super) struct Throttled {
    /// Requests that may be in flight now.
    pub(super) requests: usize,
    /// How long it is not asked at all.
    pub(super) delay: Duration,
}

impl Gate {
    /// Notes which protocol the host speaks. Over HTTP/1.1 a request is a connection, of which there may be `sockets`, and
    /// one more would only wait.
    pub(super) fn speaks(&self, protocol: Protocol, sockets: Option<usize>) {
        match protocol {
            Protocol::Http10 | Protocol::Http11 => {
                let usual = if self.automatic {
                    BROWSER_CONNECTIONS
                } else {
                    usize::MAX
                };
                let most = sockets.unwrap_or(usual);
                self.host.borrow_mut().aimd().cap(most);
            }
            Protocol::Http2 | Protocol::Http3 => {}
        }
    }

    /// Notes how many requests at once the host takes on one connection. More would need another, and look odd.
    pub(super) fn takes(&self, streams: usize) {
        self.host.borrow_mut().aimd().cap(streams);
    }

    /// Whether it is known to serve no ranges.
    pub(super) fn has_no_ranges(&self) -> bool {
        self.no_ranges.get()
    }

    /// Notes that it serves no ranges, whatever it says: files to come are not asked for in ranges.
    pub(super) fn serves_no_ranges(&self) {
        self.no_ranges.set(true);
    }

    /// How many requests may begin now.
    pub(super) fn free(&self, now: Instant) -> usize {
        self.host.borrow().free(now)
    }

    /// How long no request may begin at all; zero if it may.
    pub(super) fn closed_for(&self, now: Instant) -> Duration {
        let host = self.host.borrow();
        match host.opens(now) {
            Some(opens) => opens - now,
            // A probe is under way.
            None if host.is_closed(now) => Duration::from_millis(100),
            None => Duration::ZERO,
        }
    }

    /// How much longer the host wants to be left alone.
    pub(super) fn paused_for(&self, now: Instant) -> Duration {
        let until = self.host.borrow_mut().aimd().paused_until();
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// How many requests to plan for.
    pub(super) fn expected(&self) -> usize {
        self.host.borrow().expected()
    }

    /// Notes that a request begins.
    pub(super) fn begun(&self, now: Instant) {
        self.host.borrow_mut().begun(now);
    }

    /// Notes that a request was answered as it should be.
    pub(super) fn accepted(&self, now: Instant) {
        self.silent_since.set(now);
        self.host.borrow_mut().accepted(now);
    }

    /// Notes that so many bytes came.
    pub(super) fn delivered(&self, bytes: u64, now: Instant) {
        if bytes > 0 {
            self.silent_since.set(now);
        }
        self.host.borrow_mut().delivered(bytes, now);
    }

    /// How long nothing has come from the host.
    pub(super) fn silent(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.silent_since.get())
    }

    /// Notes that most of the requests of a file stopped.
    pub(super) fn stalled(&self, now: Instant) {
        self.host.borrow_mut().aimd().congested(now);
    }

    /// Notes a failure. Tells if something follows for requests to come. `answered` says whether the request had been let in.
    pub(super) fn failed(
        &self,
        failure: &Failure,
        answered: bool,
        policy: &Policy,
        now: Instant,
    ) -> Option<Throttled> {
        let mut host = self.host.borrow_mut();
        let before = (host.aimd().limit(now), host.opens(now));
        let running = host.running();
        if failure.is_congestion() || (!answered && running > 0 && failure.is_refusal()) {
            if running > 0 && !answered {
                host.aimd().refused(running, now);
            } else if failure.is_congestion() {
                host.aimd().congested(now);
            }
        }
        if let Some(pause) = failure.retry_after().filter(|pause| !pause.is_zero()) {
            host.aimd().pause(now + pause.min(policy.max_retry_after));
        }
        if failure.is_outage() {
            let pauses = host.pauses().saturating_add(1);
            let pause = retry::backoff(pauses, policy, fastrand::u64(..)).min(LONGEST_OUTAGE);
            host.struck(pause, now);
        } else {
            host.reached();
        }
        let after = (host.aimd().limit(now), host.opens(now));
        let changed = after.0 < before.0 || after.1 > before.1;
        changed.then(|| Throttled {
            requests: host.expected(),
            delay: after.1.map_or(Duration::ZERO, |opens| opens - now),
        })
    }

    /// What one file has of the host's requests.
    pub(super) fn share(self: &Rc<Self>) -> Share {
        Share {
            gate: Rc::clone(self),
            taken: Cell::default(),
        }
    }
}

/// While a host is out, it is tried at least this often: then many wait for one request.
const LONGEST_OUTAGE: Duration = Duration::from_secs(10);

/// One file's requests to one host; given back when dropped.
pub(super) struct Share {
    pub(super) gate: Rc<Gate>,
    /// Requests under way, and of those the ones being served, as the host has counted them.
    taken: Cell<(usize, usize)>,
}

impl Share {
    /// Counts the file's requests anew.
    pub(super) fn set(&self, in_flight: usize, running: usize) {
        let now = (in_flight, running);
        let mut host = self.gate.host.borrow_mut();
        host.shift(self.taken.replace(now), now);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn gate() -> (Rc<Gate>, Instant) {
        let now = Instant::now();
        (
            Hosts::default().gate(&url("https://h/f"), Some(8), now),
            now,
        )
    }

    fn status(code: u16, seconds: Option<u64>) -> Failure {
        Failure::Status {
            code,
            retry_after: seconds.map(Duration::from_secs),
        }
    }

    #[test]
    fn urls_of_one_origin_share_a_gate() {
        let now = Instant::now();
        let hosts = Hosts::default();
        let gate = |text| hosts.gate(&url(text), None, now);
        assert!(Rc::ptr_eq(&gate("https://h/a"), &gate("https://h:443/b?c")));
        assert!(!Rc::ptr_eq(&gate("https://h/a"), &gate("http://h/a")));
        assert!(!Rc::ptr_eq(&gate("https://h/a"), &gate("https://i/a")));
    }

    #[test]
    fn a_share_counts_until_it_is_dropped() {
        let (gate, now) = gate();
        let share = gate.share();
        share.set(3, 1);
        assert_eq!(gate.free(now), 1);
        share.set(2, 1);
        assert_eq!(gate.free(now), 2);
        drop(share);
        assert_eq!(gate.free(now), 4);
    }

    #[test]
    fn e01_a_refusal_beside_running_requests_leaves_these() {
        let (gate, now) = gate();
        let share = gate.share();
        share.set(4, 3);
        let told = gate.failed(&status(503, None), false, &Policy::default(), now);
        assert_eq!(told.map(|told| told.requests), Some(3));
        assert_eq!(gate.closed_for(now), Duration::ZERO);
    }

    #[test]
    fn e02_a_pause_is_for_all_and_not_longer_than_allowed() {
        let (gate, now) = gate();
        let policy = Policy {
            max_retry_after: Duration::from_secs(5),
            ..Policy::default()
        };
        let told = gate
            .failed(&status(429, Some(3600)), false, &policy, now)
            .unwrap();
        assert_eq!(told.delay, Duration::from_secs(5));
        assert_eq!((gate.free(now), gate.closed_for(now)), (0, told.delay));
    }

    #[test]
    fn e15_connections_that_are_refused_beside_others_are_too_many() {
        let (gate, now) = gate();
        let share = gate.share();
        share.set(4, 2);
        let refused = Failure::Network(crate::retry::Fault::Connect);
        let told = gate.failed(&refused, false, &Policy::default(), now);
        assert_eq!(told.map(|told| told.requests), Some(2));
        share.set(1, 0);
        assert!(
            gate.failed(&refused, false, &Policy::default(), now)
                .is_none()
        );
    }
}

//! Requests whose turn has not come: which of them may begin.
//!
//! A browser has one HTTP/2 connection to a host, and a request that the server takes no stream for waits until another ends
//! (RFC 9113 §5.1.2). libcurl would open a second connection for it, so such a request is kept from libcurl. Over HTTP/1.1 the
//! first requests of files wait while there are as many of them as connections.
//!
//! Nothing is begun here, and no handle known: the driver says how its transfers at a host stand, and what time it is.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::Id;

/// How long requests wait for transfers of which none is read.
const HELD: Duration = Duration::from_secs(2);

/// How the transfers at one host stand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// Those that were begun and have not ended.
    pub active: usize,
    /// Of these, the ones that wait for their bytes to be taken.
    pub paused: usize,
    /// Of these, the ones that would have waited for others.
    pub patient: usize,
    /// How many at once the server takes on a connection; `None` before that is known, and over HTTP/1.1.
    pub most: Option<usize>,
}

impl Standing {
    /// Whether the connection that there is takes no more.
    pub(super) fn is_full(&self) -> bool {
        self.most.is_some_and(|most| self.active >= most)
    }

    /// Whether nobody takes what any of them brings.
    pub(super) fn is_held(&self) -> bool {
        self.paused == self.active
    }
}

/// The requests, each with what the driver needs to begin it.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// In the order of asking.
    waiting: VecDeque<(Id, T)>,
    /// Since when one of them waits for transfers of which none is read.
    held: Option<Instant>,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            held: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, id: Id, request: T) {
        self.waiting.push_back((id, request));
    }

    /// Takes a request out that is not wanted any more, if it is here.
    pub(super) fn cancel(&mut self, id: Id) {
        self.waiting.retain(|(waiting, _)| *waiting != id);
    }

    /// The place of the first request that has room, of those at place `from` and behind.
    pub(super) fn ready(&self, from: usize, has_room: impl Fn(&T) -> bool) -> Option<usize> {
        let mut behind = self.waiting.range(from..);
        behind
            .position(|(_, request)| has_room(request))
            .map(|place| from + place)
    }

    /// Takes out the request at a place, into which the next one moves.
    pub(super) fn take(&mut self, place: usize) -> Option<(Id, T)> {
        self.waiting.remove(place)
    }

    /// Takes out a request that has waited too long for transfers whose bytes nobody takes: it needs a connection of its own.
    /// They may be waiting for what it brings, as the second file of a stream does for the end of the first.
    pub(super) fn overdue(
        &mut self,
        now: Instant,
        is_held: impl Fn(&T) -> bool,
    ) -> Option<(Id, T)> {
        let place = self.waiting.iter().position(|(_, it)| is_held(it));
        let Some(place) = place else {
            self.held = None;
            return None;
        };
        let since = *self.held.get_or_insert(now);
        if now - since < HELD {
            return None;
        }
        self.held = None;
        self.take(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests for these hosts, numbered from 0.
    fn queue(hosts: &str) -> Queue<char> {
        let mut queue = Queue::new();
        for (id, host) in hosts.chars().enumerate() {
            queue.push(id, host);
        }
        queue
    }

    #[test]
    fn a_host_is_full_when_it_has_as_many_as_it_takes() {
        let standing = |active, most| Standing {
            active,
            paused: 0,
            patient: 0,
            most,
        };
        assert!(!standing(1000, None).is_full());
        assert!(!standing(7, Some(8)).is_full());
        assert!(standing(8, Some(8)).is_full());
        assert!(standing(9, Some(8)).is_full(), "it takes fewer by now");
    }

    #[test]
    fn what_has_room_goes_in_order_past_what_has_none() {
        let mut queue = queue("aabab");
        let mut room = 2;
        let (mut from, mut begun) = (0, Vec::new());
        while let Some(place) = queue.ready(from, |host| *host == 'b' || room > 0) {
            let (id, host) = queue.take(place).unwrap();
            room -= usize::from(host == 'a');
            begun.push(id);
            from = place;
        }
        assert_eq!(begun, [0, 1, 2, 4]);
        assert_eq!(queue.take(0), Some((3, 'a')));
        assert!(queue.is_empty());
    }

    #[test]
    fn what_is_cancelled_never_begins() {
        let mut queue = queue("ab");
        queue.cancel(0);
        queue.cancel(7);
        assert_eq!(queue.ready(0, |_| true), Some(0));
        assert_eq!(queue.take(0), Some((1, 'b')));
        assert_eq!(queue.ready(0, |_| true), None);
    }

    #[test]
    fn one_that_waits_for_unread_transfers_goes_after_a_while() {
        let held = |paused| {
            move |host: &char| {
                let active = 3;
                let standing = Standing {
                    active,
                    paused,
                    patient: 0,
                    most: Some(3),
                };
                *host == 'b' && standing.is_held()
            }
        };
        let (start, mut queue) = (Instant::now(), queue("abb"));
        let at = |tenths| start + HELD * tenths / 10;
        assert_eq!(queue.overdue(at(0), held(3)), None);
        assert_eq!(queue.overdue(at(9), held(3)), None);
        // One of them is read meanwhile.
        assert_eq!(queue.overdue(at(10), held(2)), None);
        assert_eq!(queue.overdue(at(12), held(3)), None);
        assert_eq!(queue.overdue(at(21), held(3)), None);
        assert_eq!(queue.overdue(at(22), held(3)), Some((1, 'b')));
        // The next one gives the first time to be of use.
        assert_eq!(queue.overdue(at(23), held(3)), None);
        assert_eq!(queue.overdue(at(33), held(3)), Some((2, 'b')));
        assert_eq!(queue.overdue(at(99), held(3)), None);
    }
}

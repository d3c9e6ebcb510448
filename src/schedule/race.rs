//! Answers that are late, and the races with them.
//!
//! A request without an answer may be lost, or its server may need long for the first byte; nobody can tell which. So it is
//! not given up but raced: a second request asks for the same bytes, and the first to bring one of them owns the rest. While
//! it is late it does not count as in flight either, lest a few lost requests use up all that may run at once.

use std::time::{Duration, Instant};

use super::flight::Flight;
use super::pending::History;
use super::{ALIVE, Chunk, ChunkId, PATIENCE, Schedule, TOO_LONG};
use crate::range::ByteRange;

impl Schedule {
    /// Number of transfers in flight, those left out whose answer is late.
    pub fn busy(&self, now: Instant) -> usize {
        let patience = self.patience(self.longest_wait);
        let counts = |flight: &&Flight| !self.is_late(flight, patience, now);
        self.flights.values().filter(counts).count()
    }

    /// A late request that nothing races yet, the longest waiting first.
    pub(super) fn late(&self, now: Instant) -> Option<ChunkId> {
        let patience = self.patience(self.longest_wait);
        let late = self.flights.iter().filter(|&(&id, flight)| {
            self.is_late(flight, patience, now)
                && flight.against.is_none()
                && !self.is_raced(id, now)
        });
        late.max_by_key(|(_, flight)| flight.quiet(now))
            .map(|(&id, _)| id)
    }

    /// Ordered mode: the chunk that all others wait for, if its request is late and nothing races it.
    pub(super) fn late_head(&self, now: Instant) -> Option<ChunkId> {
        let (&id, head) = self.lowest()?;
        let late = self.is_late(head, self.patience(self.longest_wait), now);
        (late && !self.is_raced(id, now)).then_some(id)
    }

    /// Begins a request for the same bytes.
    pub(super) fn race(&mut self, late: ChunkId, now: Instant) -> Chunk {
        let mut history = History::default();
        let mut range = ByteRange::new(0, 0);
        if let Some(flight) = self.flights.get(&late) {
            range = flight.rest;
            history.attempts = flight.attempts;
            history.replaced = flight.replaced;
        }
        let chunk = self.depart(range, self.options.open, history, now);
        if let Some(flight) = self.flights.get_mut(&chunk.id) {
            flight.rest.end = range.start;
            flight.against = Some(late);
        }
        chunk
    }

    /// Whether a request races this one and is not late itself.
    pub(super) fn is_raced(&self, id: ChunkId, now: Instant) -> bool {
        let patience = self.patience(self.longest_wait);
        let mut flights = self.flights.values();
        flights.any(|flight| flight.against == Some(id) && !self.is_late(flight, patience, now))
    }

    /// A byte of this transfer has come: if it is in a race, it has won that.
    pub(super) fn win(&mut self, id: ChunkId) {
        let late = self
            .flights
            .get_mut(&id)
            .and_then(|flight| flight.against.take());
        let losers = late.unwrap_or(id);
        for flight in self.flights.values_mut() {
            if flight.against == Some(losers) {
                flight.against = None;
            }
        }
        let Some(loser) = late.and_then(|late| self.flights.get_mut(&late)) else {
            return;
        };
        let rest = loser.rest;
        loser.rest.end = rest.start;
        loser.body_end = rest.start;
        if let Some(winner) = self.flights.get_mut(&id) {
            winner.rest = rest;
            winner.body_end = winner.body_end.max(rest.end);
        }
    }

    /// Hands the rest of a transfer that has ended to one that races it. False if there is none.
    pub(super) fn inherit(&mut self, ended: ChunkId, rest: ByteRange) -> bool {
        let racers: Vec<ChunkId> = self
            .flights
            .iter()
            .filter(|(_, flight)| flight.against == Some(ended))
            .map(|(&id, _)| id)
            .collect();
        for &id in &racers {
            if let Some(flight) = self.flights.get_mut(&id) {
                flight.against = (id != racers[0]).then_some(racers[0]);
                if id == racers[0] {
                    flight.rest = rest;
                }
            }
        }
        !racers.is_empty()
    }

    /// Learns from a wait that has ended how long waits are.
    pub(super) fn note_wait(&mut self, flight: &Flight, now: Instant) {
        let quiet = flight.quiet(now);
        if flight.touched {
            self.longest_pause = self.longest_pause.max(quiet);
        } else {
            self.longest_wait = self.longest_wait.max(Some(quiet));
        }
    }

    /// How long a wait may be, given the longest one that ended well. Where none has, nobody can say what is usual.
    pub(super) fn patience(&self, longest: Option<Duration>) -> Duration {
        let (least, most) = PATIENCE;
        longest.map_or(most, |longest| {
            let patience = (longest * TOO_LONG).clamp(least, most);
            patience.max(longest + longest / 2)
        })
    }

    fn is_late(&self, flight: &Flight, patience: Duration, now: Instant) -> bool {
        !flight.arrived
            && !flight.touched
            && (!flight.rest.is_empty() || flight.against.is_some())
            && flight.is_late(patience, self.delivered, ALIVE, now)
    }
}

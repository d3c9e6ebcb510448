//! The body that opened a file, once its chunk is there: it is kept until a range is seen to be served.
//!
//! A server may refuse ranges that it promised, and some addresses answer only once; then this body brings the rest, and
//! letting go of it would mean to begin anew. But it takes up a request. Where what is missing lies elsewhere than behind it,
//! and no other request may be made or has its turn, it would wait for ever for what waits for it: then it makes room.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use super::Context;
use super::fetch::File;
use super::transfer::Counted;
use crate::net::Turn;
use crate::schedule::ChunkId;

/// Ticks in a row after which requests that wait for each other, and not for the server, are seen to do so.
const STUCK: u32 = 2;

/// Which of a file's requests wait for others of its own host.
#[derive(Default)]
pub(super) struct Parked {
    /// Bodies that are kept.
    bodies: Cell<usize>,
    /// Requests that are made and may not have begun.
    turns: RefCell<Vec<Weak<Turn>>>,
    /// Ticks in a row at which there was nothing but these.
    stuck: Cell<u32>,
}

impl Parked {
    /// Notes a request; it counts until its turn comes or the result is dropped.
    pub(super) fn asks(&self, turn: Turn) -> Rc<Turn> {
        let turn = Rc::new(turn);
        self.turns.borrow_mut().push(Rc::downgrade(&turn));
        turn
    }

    /// Requests whose turn has not come.
    fn waiting(&self) -> usize {
        let mut turns = self.turns.borrow_mut();
        turns.retain(|turn| turn.upgrade().is_some_and(|turn| turn.came().is_none()));
        turns.len()
    }

    /// To be told at every tick whether all requests are among these. True if a body has to make room.
    fn beat(&self, in_flight: usize, is_more_to_ask: bool) -> bool {
        let waiting = self.waiting();
        let bodies = self.bodies.get();
        let is_stuck =
            bodies > 0 && bodies + waiting == in_flight && (is_more_to_ask || waiting > 0);
        self.stuck
            .set(if is_stuck { self.stuck.get() + 1 } else { 0 });
        self.stuck.get() >= STUCK
    }

    /// Whether a body has to make room; true only once for each.
    fn makes_room(&self) -> bool {
        let is_stuck = self.stuck.get() >= STUCK;
        if is_stuck {
            self.stuck.set(0);
        }
        is_stuck
    }
}

impl File<'_> {
    /// Waits, where the opening body has reached its chunk's end, until ranges are seen to work: then it is not needed any
    /// more. True if it goes on with what a slice was to bring, because that failed.
    pub(super) async fn goes_on(&self, id: ChunkId) -> bool {
        let _parked = Counted::new(&self.parked.bodies);
        loop {
            let moved = self.moved.notified();
            if self.proven.get() || self.schedule.borrow().is_done() || self.parked.makes_room() {
                return false;
            }
            self.schedule.borrow_mut().advance(id, 0, Context::now());
            if !self.rest(id).is_empty() {
                return true;
            }
            moved.await;
        }
    }

    /// Lets a body that is kept make room, if everything waits for that.
    pub(super) fn make_room(&self) {
        let now = Context::now();
        let schedule = self.schedule.borrow();
        let is_open =
            !self.resolving.get() && self.place.borrow().share.gate.closed_for(now).is_zero();
        if self
            .parked
            .beat(schedule.in_flight(), is_open && schedule.has_ready(now))
        {
            self.moved.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_makes_room_when_nothing_but_kept_bodies_is_left_for_a_while() {
        let parked = Parked::default();
        let _one = Counted::new(&parked.bodies);
        assert!(!parked.beat(1, true) && !parked.makes_room());
        // Another request runs.
        assert!(!parked.beat(2, true) && !parked.beat(1, true));
        assert!(parked.beat(1, true));
        assert!(parked.makes_room() && !parked.makes_room());
        // There is nothing to make room for.
        assert!(!parked.beat(1, false) && !parked.beat(1, false));
    }

    #[test]
    fn without_a_body_that_is_kept_there_is_nothing_to_let_go() {
        let parked = Parked::default();
        assert!(!parked.beat(0, true) && !parked.beat(0, true));
    }
}

//! The life of one answer, free of any protocol: when its head goes out, how many bytes may follow, which fault is due.
//!
//! HTTP/1.1 and HTTP/2 both ask [`Delivery::step`] what to do next and do it in their own bytes. Reads no clock.

use std::time::{Duration, Instant};

use super::content::Body;
use super::script::{Act, Fault, Point, Reply};

/// A limited body goes out in pieces that last this long.
const PIECE: Duration = Duration::from_millis(20);

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the head.
    Head,
    /// Take so many bytes, at least one, with [`Delivery::read`] and send them.
    Body(usize),
    /// Misbehave; never [`Act::Stall`], which shows as `Wait`.
    Fault(Act),
    /// Nothing before this instant; for ever if `None`.
    Wait(Option<Instant>),
    /// The body is complete.
    End,
}

/// One answer on its way.
#[derive(Debug)]
pub struct Delivery {
    body: Body,
    /// Faults that have not struck, in the order in which they do.
    faults: Vec<Fault>,
    /// Bytes a second, more than 0.
    limit: Option<u64>,
    /// When the head may go out.
    head_at: Instant,
    /// When the head went out; the limit counts from here.
    begun: Option<Instant>,
    /// Until when a stall lasts.
    stalled: Option<Stall>,
    /// Bytes of body taken.
    sent: u64,
}

#[derive(Clone, Copy, Debug)]
enum Stall {
    Until(Instant),
    Forever,
}

impl Delivery {
    /// Begins an answer; `with_body` is false for HEAD and the like.
    pub fn new(reply: &Reply, with_body: bool, now: Instant) -> Self {
        let mut faults = reply.faults.clone();
        faults.sort_by_key(|fault| match fault.at {
            Point::Head => None,
            Point::Body(bytes) => Some(bytes),
        });
        Self {
            body: if with_body {
                reply.body.clone()
            } else {
                Body::default()
            },
            faults,
            limit: reply.limit.map(|limit| limit.max(1)),
            head_at: now + reply.latency,
            begun: None,
            stalled: None,
            sent: 0,
        }
    }

    /// Bytes of body taken so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether the head has gone out.
    pub fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Whether the body is at its end and nothing else is to happen: what was taken last may carry the end of the stream.
    pub fn is_complete(&self) -> bool {
        self.body.len() == 0 && self.faults.is_empty() && self.stalled.is_none()
    }

    /// The next thing to do, if up to `room` bytes of body can be sent; with a room of 0, `Wait(None)` stands for a body
    /// that could go on.
    pub fn step(&mut self, room: usize, now: Instant) -> Step {
        match self.stalled {
            Some(Stall::Forever) => return Step::Wait(None),
            Some(Stall::Until(end)) if now < end => return Step::Wait(Some(end)),
            Some(Stall::Until(_)) => self.stalled = None,
            None => {}
        }
        if let Some(act) = self.due_fault() {
            let Act::Stall(time) = act else {
                return Step::Fault(act);
            };
            self.stalled = Some(time.map_or(Stall::Forever, |time| Stall::Until(now + time)));
            return self.step(room, now);
        }
        let Some(begun) = self.begun else {
            if now < self.head_at {
                return Step::Wait(Some(self.head_at));
            }
            self.begun = Some(now);
            return Step::Head;
        };
        let left = self.body.len();
        if left == 0 {
            return Step::End;
        }
        if room == 0 {
            return Step::Wait(None);
        }
        let mut most = left.min(room as u64);
        if let Some(Fault {
            at: Point::Body(at),
            ..
        }) = self.faults.first()
        {
            most = most.min(at - self.sent);
        }
        if let Some(limit) = self.limit {
            let piece = most.min((limit * PIECE.as_millis() as u64 / 1000).max(1));
            let due = begun + Duration::from_secs_f64((self.sent + piece) as f64 / limit as f64);
            if now < due {
                return Step::Wait(Some(due));
            }
            most = piece;
        }
        Step::Body(most as usize)
    }

    /// Takes the next bytes of the body.
    pub fn read(&mut self, out: &mut [u8]) {
        self.sent += self.body.read(out) as u64;
    }

    /// Takes the first fault whose point is reached.
    fn due_fault(&mut self) -> Option<Act> {
        let due = match self.faults.first()?.at {
            Point::Head => self.begun.is_none(),
            Point::Body(at) => self.begun.is_some() && at <= self.sent,
        };
        due.then(|| self.faults.remove(0).act)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(reply: &Reply, mut now: Instant) -> (Vec<Step>, Duration) {
        let (start, mut steps) = (now, Vec::new());
        let mut delivery = Delivery::new(reply, true, now);
        loop {
            let step = delivery.step(1 << 20, now);
            match step {
                Step::Wait(Some(until)) => now = until,
                Step::Body(count) => delivery.read(&mut vec![0; count]),
                Step::Head | Step::Fault(_) | Step::Wait(None) | Step::End => {}
            }
            steps.push(step);
            if matches!(step, Step::Wait(None) | Step::End) {
                return (steps, now - start);
            }
        }
    }

    #[test]
    fn faults_strike_at_their_byte() {
        let reply = Reply::new(200, Body::generated(0, 0..100))
            .fault(Point::Body(70), Act::Stall(None))
            .fault(Point::Body(30), Act::ResetStream(8));
        let (steps, _) = drain(&reply, Instant::now());
        let expected = [
            Step::Head,
            Step::Body(30),
            Step::Fault(Act::ResetStream(8)),
            Step::Body(40),
            Step::Wait(None),
        ];
        assert_eq!(steps, expected);
    }

    #[test]
    fn a_limit_is_kept_and_used() {
        let mut reply = Reply::new(200, Body::generated(0, 0..500_000));
        (reply.limit, reply.latency) = (Some(1_000_000), Duration::from_millis(100));
        let (_, took) = drain(&reply, Instant::now());
        assert!(
            (0.599..0.601).contains(&took.as_secs_f64()),
            "took {took:?}"
        );
    }
}

//! What follows from the end of a transfer: the next attempt, another address, a single stream, or the end.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::time::sleep;

use super::Context;
use super::fetch::{File, Place};
use super::job::{Stop, earlier, earlier_from, is_resumable};
use crate::Error;
use crate::answer::{Meaning, Refusal};
use crate::net::Transfer;
use crate::resolve::{Opening, Problem};
use crate::retry::{self, Failure, Fault, Verdict};
use crate::schedule::{ChunkId, Outcome};
use crate::sink;

/// Attempts at a range of a server that has served ranges, or at any while it serves none, until it is believed not to.
const DOUBTS: u32 = 3;

/// How often the original URL is asked for another address without a range being served from any.
const MOST_BARREN: u32 = 3;

/// A host that was silent for so long when a transfer stalled: the connection is dead, not the transfer.
const DEAD: Duration = Duration::from_secs(10);

/// Why one transfer ended before its chunk did.
pub(super) enum Trouble {
    Disk(sink::Error),
    Net(Problem),
    /// Another node of the host answered than the one to keep to.
    Elsewhere,
}

impl<T: Into<Problem>> From<T> for Trouble {
    fn from(problem: T) -> Self {
        Self::Net(problem.into())
    }
}

/// A transfer that has ended.
pub(super) struct Ended {
    pub(super) id: ChunkId,
    /// Where it was asked for.
    pub(super) place: Rc<Place>,
    /// Whether the answer was one to its request.
    pub(super) answered: bool,
    pub(super) end: Result<(), Trouble>,
}

/// What is to be done besides.
pub(super) enum Next {
    GoOn,
    /// Ask the original URL again, after a pause.
    Reresolve(Problem, Duration),
}

/// The original URL on its way to another address.
pub(super) type Moving<'a> = LocalBoxFuture<'a, Result<(Opening, Problem), Stop>>;

/// How a move ended, if there is one.
pub(super) async fn moved(moving: &mut Option<Moving<'_>>) -> Result<(Opening, Problem), Stop> {
    match moving {
        Some(moving) => moving.await,
        None => std::future::pending().await,
    }
}

impl File<'_> {
    /// Takes note of a transfer's end. `opened` says whether the body that opened the file is still arriving.
    pub(super) fn settle(&self, ended: Ended, opened: bool) -> Result<Next, Stop> {
        let id = ended.id;
        ended.place.count(-1);
        let problem = match ended.end {
            Ok(()) => {
                self.requeue(id, Outcome::Complete);
                return Ok(Next::GoOn);
            }
            Err(Trouble::Disk(error)) => return Err(error.into()),
            Err(Trouble::Elsewhere) => {
                // Asked again where it was begun; who asks there gets no such answer.
                self.requeue(id, Outcome::Void);
                return Ok(Next::GoOn);
            }
            Err(Trouble::Net(problem)) => problem,
        };
        if problem.failure.is_unreachable() && self.pinned.replace(false) {
            // That node is gone, and the others have no such file.
            self.node.set(None);
        }
        if ended.place.mirror.is_some() {
            return self.settle_mirror(id, &ended.place, problem);
        }
        if ended.place.generation != self.place.borrow().generation && is_outdated(&problem.failure)
        {
            // Asked for where nothing is to be had any more, or on a condition that the server does not know, as is known by
            // now.
            self.requeue(id, Outcome::Void);
            return Ok(Next::GoOn);
        }
        self.tell_host(&ended.place, ended.answered, &problem);
        if self.job.is_challenge(&problem) && self.job.change_family() {
            return Err(Stop::Again(problem));
        }
        if problem.failure.is_misdirected() {
            self.job.client().reset();
        }
        let attempts = self.schedule.borrow().attempts_without_progress(id);
        if let Failure::Refused(refusal) = &problem.failure
            && refusal.meaning() == Meaning::NoRanges
            && self.has_no_ranges(attempts)
        {
            if !self.proven.get() {
                ended.place.share.gate.serves_no_ranges();
            }
            return self.go_on_alone(id, problem, opened);
        }
        match self.job.verdict(&problem.failure, attempts) {
            Verdict::Retry { after } => {
                self.requeue(id, Outcome::Again { after });
                self.job.retrying(&problem, after);
                Ok(Next::GoOn)
            }
            Verdict::Reresolve => self.look_elsewhere(id, problem, opened),
            Verdict::Restart => Err(Stop::Again(problem)),
            Verdict::Fatal => {
                self.lose(self.job.failed(problem))?;
                self.requeue(id, Outcome::Void);
                Ok(Next::GoOn)
            }
        }
    }

    /// Whether a server that sent the whole file is to be believed that it serves no ranges, after so many attempts at one. It
    /// may have served others, and may still do so while it serves any.
    fn has_no_ranges(&self, attempts: u32) -> bool {
        let wholes = self.wholes.get() + 1;
        self.wholes.set(wholes);
        !self.proven.get() || attempts > DOUBTS || (wholes > DOUBTS && self.served.get() == 0)
    }

    fn requeue(&self, id: ChunkId, outcome: Outcome) {
        self.schedule.borrow_mut().end(id, outcome, Context::now());
    }

    /// Tells the host's gate of a failure, and the user of what follows.
    fn tell_host(&self, place: &Place, answered: bool, problem: &Problem) {
        let now = Context::now();
        let gate = &place.share.gate;
        if problem.failure == Failure::Network(Fault::Stall) && gate.silent(now) >= DEAD {
            self.job.client().reset();
        }
        let busy = self.schedule.borrow().busy(now);
        place.share.set(busy, self.served.get());
        let policy = &self.job.context.policy;
        if let Some(throttled) = gate.failed(&problem.failure, answered, policy, now) {
            self.job
                .throttled(problem, throttled.requests, throttled.delay);
        }
    }

    /// The address does not serve this any more: once for all requests, the original URL is asked where it is now.
    fn look_elsewhere(&self, id: ChunkId, problem: Problem, opened: bool) -> Result<Next, Stop> {
        if !is_resumable(&self.resource.entity) {
            return Err(Stop::Again(problem));
        }
        if self.resolving.get() {
            // What comes of that is for this request too.
            self.requeue(id, Outcome::Void);
            return Ok(Next::GoOn);
        }
        let barren = self.barren.get();
        if barren > 0 && !self.proven.get() {
            // A fresh address served its one body and no range: such addresses are good for one request.
            return self.go_on_alone(id, problem, opened);
        }
        if barren >= MOST_BARREN {
            return Err(Stop::Fatal(self.job.failed(problem)));
        }
        self.requeue(id, Outcome::Void);
        self.resolving.set(true);
        self.barren.set(barren + 1);
        let policy = &self.job.context.policy;
        let pause = match barren {
            0 => Duration::ZERO,
            barren => retry::backoff(barren, policy, fastrand::u64(..)),
        };
        self.job.retrying(&problem, pause);
        Ok(Next::Reresolve(problem, pause))
    }

    /// Asks the original URL. The answer brings the first bytes that wait.
    pub(super) async fn reresolve(
        &self,
        problem: Problem,
        pause: Duration,
    ) -> Result<(Opening, Problem), Stop> {
        sleep(pause).await;
        let (entity, done) = (&self.resource.entity, self.sink.done());
        let gap = self.schedule.borrow().first_gap();
        let left = match gap {
            Some(gap) => earlier_from(entity, &done, gap),
            None => earlier(entity, &done),
        };
        match self.job.open(Some(&left)).await {
            Ok(opening) => Ok((opening, problem)),
            Err(error) => Err(Stop::Fatal(error)),
        }
    }

    /// Goes on at a new address, with the body that came from there, if it is one of the same file.
    pub(super) fn settle_move(
        &self,
        end: Result<(Opening, Problem), Stop>,
        opened: bool,
    ) -> Result<Option<(Transfer, u64)>, Stop> {
        self.resolving.set(false);
        let (opening, problem) = match end {
            Ok(end) => end,
            Err(Stop::Fatal(error)) if opened && !self.proven.get() && is_denied(&error) => {
                // Good for one request, whose body may bring everything.
                self.alone(&error.to_string());
                return Ok(None);
            }
            Err(Stop::Fatal(error)) => return self.lose(error).map(|()| None),
            Err(stop) => return Err(stop),
        };
        let same = self.resource.entity.confirms(&opening.resource.entity);
        if same {
            self.job.learn(&problem);
        }
        if !opening.resumed && !(same && (opened || self.proven.get())) {
            return Err(Stop::Opened(problem, Box::new(opening)));
        }
        let generation = self.place.borrow().generation + 1;
        let place = Place::new(self.job.context, &opening.resource, generation);
        self.place.replace(place);
        if opening.resumed && !self.job.no_ranges.get() {
            // It is a range that was served, which may be the first.
            self.limit.set(usize::MAX);
        }
        self.job.reresolved(&problem);
        Ok(opening.resumed.then_some((opening.transfer, opening.from)))
    }

    /// The server ignores ranges: the body that opened the file brings everything, or a new one from the first byte.
    fn go_on_alone(&self, id: ChunkId, problem: Problem, opened: bool) -> Result<Next, Stop> {
        self.alone(&problem.to_string());
        if !opened {
            return Err(Stop::Again(problem));
        }
        self.requeue(id, Outcome::Void);
        Ok(Next::GoOn)
    }

    fn alone(&self, why: &str) {
        if !self.job.no_ranges.replace(true) {
            self.job
                .note(format!("one request at a time from here on: {why}"));
        }
        self.limit.set(1);
    }
}

/// Whether the server has the file, and not for us.
fn is_denied(error: &Error) -> bool {
    matches!(
        error,
        Error::Failed {
            failure: Failure::Status {
                code: 401 | 403,
                ..
            },
            ..
        }
    )
}

/// Whether an address that is no longer good fails like this, or a condition that is not sent any more.
fn is_outdated(failure: &Failure) -> bool {
    match failure {
        Failure::Status { code, .. } => matches!(code, 400 | 401 | 403 | 404 | 410),
        Failure::Refused(refusal) => *refusal == Refusal::Precondition,
        Failure::Network(_) | Failure::Short => false,
    }
}

//! Fetches what a sink lacks, beginning with a body that is arriving already.
//!
//! Every transfer is a future of its own, straight from request to last byte; all of them run in one task and share the
//! file's schedule, so nothing is locked. What a server without ranges sends is fetched by [`whole`].

use std::cell::{Cell, RefCell};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::Context;
use super::job::{Job, Stop, timed};
use super::whole::whole;
use crate::answer::{self, Meaning, Ranges, Refusal};
use crate::entity::Validator;
use crate::fingerprint::headers::Places;
use crate::net::{Block, Error as NetError, Event, Kind, Request, Transfer};
use crate::plan::Options;
use crate::range::ByteRange;
use crate::resolve::{Opening, Problem, Resource, head};
use crate::retry::{Failure, Verdict};
use crate::schedule::{Chunk, ChunkId, Outcome, Schedule};
use crate::sink::{self, Follow, Sink};

/// Requests of one download that browsers make at once.
const BROWSER_REQUESTS: usize = 3;

/// How often progress is reported.
const TICK: Duration = Duration::from_millis(100);

/// How long a complete body may take to be reported as such; after that its connection is given up.
const LINGER: Duration = Duration::from_millis(500);

/// Writes all that is missing into `sink`.
pub(super) async fn fetch(job: &Job<'_>, sink: Sink<'_>, opening: Opening) -> Result<(), Stop> {
    let Opening {
        resource,
        transfer,
        from,
        resumed,
    } = opening;
    match resource.entity.length {
        Some(length) if resource.ranges != Ranges::No && !job.no_ranges.get() => {
            let file = File::new(job, sink, &resource, length);
            // What is continued is being served as a range already.
            file.proven.set(resumed);
            file.run(transfer, from).await
        }
        Some(_) | None => whole(job, sink, &resource, transfer).await,
    }
}

/// Why one transfer ended before its chunk did.
enum Trouble {
    Disk(sink::Error),
    Net(Problem),
}

impl<T: Into<Problem>> From<T> for Trouble {
    fn from(problem: T) -> Self {
        Self::Net(problem.into())
    }
}

type Transfers<'a> = FuturesUnordered<LocalBoxFuture<'a, (ChunkId, Result<(), Trouble>)>>;

/// A file that is fetched in ranges; shared by its transfers.
struct File<'a> {
    job: &'a Job<'a>,
    sink: Sink<'a>,
    resource: &'a Resource,
    /// What is asked for and what has come. Never borrowed across an await.
    schedule: RefCell<Schedule>,
    /// Bytes of the whole file.
    length: u64,
    /// Requests allowed at once: 2 while one range tries whether the server takes them, 1 when it does not.
    limit: Cell<usize>,
    /// Requests allowed at once where ranges work.
    requests: usize,
    /// Whether a range was seen to be served. Until then the body that opened the file is not let go.
    proven: Cell<bool>,
    /// Told whenever a chunk begins, which may have been taken from another, is answered, or ends.
    moved: Notify,
}

impl<'a> File<'a> {
    fn new(job: &'a Job<'a>, sink: Sink<'a>, resource: &'a Resource, length: u64) -> Self {
        let requests = job.context.requests(resource.protocol);
        let options = Options {
            requests,
            window: sink.window(),
            // A browser's requests have no end and are cut, which wastes what is on its way: not for more than it makes.
            open: job.context.open_slices
                && requests <= BROWSER_REQUESTS
                && sink.window().is_none(),
            ..job.context.chunks.clone()
        };
        let schedule = Schedule::new(sink.done().complement(length), options);
        let limit = if resource.ranges == Ranges::Yes {
            requests
        } else {
            requests.min(2)
        };
        Self {
            job,
            sink,
            resource,
            schedule: RefCell::new(schedule),
            length,
            limit: Cell::new(limit),
            requests,
            proven: Cell::new(false),
            moved: Notify::new(),
        }
    }

    /// Keeps requests in flight until nothing is missing.
    async fn run(&self, opened: Transfer, from: u64) -> Result<(), Stop> {
        let mut transfers: Transfers<'_> = FuturesUnordered::new();
        let mut opened_by = self.adopt(opened, from, &mut transfers);
        let mut ticks = ticks();
        let mut follow = self.sink.follow();
        loop {
            while let Some(chunk) = self.start() {
                transfers.push(
                    self.ask(chunk)
                        .map(move |end| (chunk.id, end))
                        .boxed_local(),
                );
            }
            if self.schedule.borrow().is_all_begun() {
                self.job.nothing_left_to_begin();
            }
            if transfers.is_empty() && self.schedule.borrow().is_done() {
                return Ok(());
            }
            let wake = self.schedule.borrow().wake();
            tokio::select! {
                Some((id, end)) = transfers.next() => {
                    if opened_by == Some(id) {
                        opened_by = None;
                    }
                    self.settle(id, end, opened_by.is_some())?;
                    self.moved.notify_waiters();
                }
                () = sleep_until(wake.map_or_else(Instant::now, Instant::from_std)), if wake.is_some() => {}
                left = left(&mut follow) => self.schedule.borrow_mut().head(left?),
                _ = ticks.tick() => self.report(),
                stopped = self.job.context.stopped() => return Err(Stop::Fatal(stopped)),
            }
        }
    }

    /// Goes on with the body that opened the file, whose next byte is the one at `from`. One that begins with bytes that are
    /// there already, as when a stream is begun again, is let go at once: nothing can be made of it but [`whole`].
    fn adopt<'b>(
        &'b self,
        opened: Transfer,
        from: u64,
        transfers: &mut Transfers<'b>,
    ) -> Option<ChunkId> {
        // The body may begin with bytes that are there, to show that it goes on with the same file.
        let missing = self.sink.done().complement(self.length);
        let gap = missing.iter().find(|gap| gap.end > from);
        let at = gap.map_or(from, |gap| gap.start.max(from));
        let first = self.schedule.borrow_mut().adopt(at, Context::now());
        if first.range.is_empty() {
            let mut schedule = self.schedule.borrow_mut();
            schedule.end(first.id, Outcome::Complete, Context::now());
            return None;
        }
        let body = ByteRange::new(from, self.length.max(from));
        let delivered = self.deliver(first.id, opened, body, true);
        transfers.push(delivered.map(move |end| (first.id, end)).boxed_local());
        Some(first.id)
    }

    fn start(&self) -> Option<Chunk> {
        let chunk = self
            .schedule
            .borrow_mut()
            .start(self.limit.get(), Context::now())?;
        self.moved.notify_waiters();
        Some(chunk)
    }

    /// Asks for a chunk and delivers its bytes.
    async fn ask(&self, chunk: Chunk) -> Result<(), Trouble> {
        let validator = match self.job.no_conditions.get() {
            true => &Validator::default(),
            false => &self.resource.entity.validator,
        };
        let range = if chunk.open {
            chunk.range.request_open()
        } else {
            chunk.range.request()
        };
        let places = Places {
            range: Some(range),
            strong_etag: validator.if_match(),
            if_range: validator.if_range(),
            last_modified: validator.last_modified.clone(),
            authorization: self.resource.authorization.clone(),
            ..Places::default()
        };
        let request = Request {
            url: self.resource.url.clone(),
            kind: Kind::Slice,
            places,
        };
        let mut transfer = self.job.context.client.start(request);
        let head = tokio::select! {
            head = timed(self.job.context.stall, head(&mut transfer)) => head?,
            () = self.robbed(chunk.id) => return Ok(()),
        };
        let slice = answer::slice(&head, chunk.range, chunk.open, &self.resource.entity)
            .map_err(|refusal| Failure::of(refusal, &head, Context::wall_clock()))?;
        if slice.whole {
            self.schedule.borrow_mut().runs_on(chunk.id);
        } else {
            self.limit.set(self.requests);
            self.proven.set(true);
            self.moved.notify_waiters();
        }
        self.deliver(chunk.id, transfer, slice.range, false).await
    }

    /// Writes a chunk's bytes from a body that brings `range` of the file; `opener` if it is the one that opened the file.
    ///
    /// What it brings of bytes before the chunk is held against those that are there already.
    async fn deliver(
        &self,
        id: ChunkId,
        mut transfer: Transfer,
        range: ByteRange,
        opener: bool,
    ) -> Result<(), Trouble> {
        let mut before = self.rest(id).start.saturating_sub(range.start);
        loop {
            if self.rest(id).is_empty() && !(opener && self.goes_on(id).await) {
                return Ok(());
            }
            let block = tokio::select! {
                block = timed(self.job.context.stall, next(&mut transfer)) => block?,
                () = self.robbed(id) => return Ok(()),
            };
            let Some(block) = block else {
                return Err(Failure::Short.into());
            };
            let mut offset = range.start + block.offset;
            let mut bytes = block.bytes;
            let end = offset + bytes.len() as u64;
            if before > 0 {
                let overlap = first(bytes.clone(), before);
                bytes.advance(overlap.len());
                before -= overlap.len() as u64;
                let at = offset;
                offset += overlap.len() as u64;
                if !self.sink.agrees(at, overlap).await.map_err(Trouble::Disk)? {
                    return Err(Failure::Refused(Refusal::Changed).into());
                }
            }
            self.keep(id, offset, bytes, opener).await?;
            if end == range.end {
                // The body is complete, and its connection good for another request once libcurl has seen that too.
                let _ = timed(LINGER, next(&mut transfer)).await;
                // A server may send less than was asked for; the rest is asked for anew (RFC 9110 §15.3.7).
                return Ok(());
            }
        }
    }

    /// Writes what of these bytes belongs to the chunk. What the opening body brings beyond its chunk waits for a decision.
    async fn keep(
        &self,
        id: ChunkId,
        mut offset: u64,
        mut bytes: Bytes,
        opener: bool,
    ) -> Result<(), Trouble> {
        while !bytes.is_empty() {
            let mut piece = std::mem::take(&mut bytes);
            if opener {
                let rest = usize::try_from(self.rest(id).len()).unwrap_or(usize::MAX);
                bytes = piece.split_off(rest.min(piece.len()));
            }
            if piece.is_empty() {
                if !self.goes_on(id).await {
                    return Ok(());
                }
                continue;
            }
            let arrived = piece.len() as u64;
            let kept = self
                .schedule
                .borrow_mut()
                .advance(id, arrived, Context::now());
            self.sink
                .write(offset, first(piece, kept))
                .await
                .map_err(Trouble::Disk)?;
            offset += arrived;
        }
        Ok(())
    }

    /// Waits, where the opening body has reached its chunk's end, until ranges are seen to work: then it is not needed any
    /// more. True if it goes on with what a slice was to bring, because that failed. Letting go of it sooner would mean to
    /// begin anew, and some addresses answer only once.
    async fn goes_on(&self, id: ChunkId) -> bool {
        loop {
            let moved = self.moved.notified();
            if self.proven.get() || self.schedule.borrow().is_done() {
                return false;
            }
            self.schedule.borrow_mut().advance(id, 0, Context::now());
            if !self.rest(id).is_empty() {
                return true;
            }
            moved.await;
        }
    }

    /// Resolves when nothing of the chunk is left to a transfer that waits, because others took it over.
    async fn robbed(&self, id: ChunkId) {
        while !self.rest(id).is_empty() {
            self.moved.notified().await;
        }
    }

    fn rest(&self, id: ChunkId) -> ByteRange {
        self.schedule.borrow().rest(id)
    }

    /// Takes note of a transfer's end. `opened` says whether the body that opened the file is still arriving.
    fn settle(&self, id: ChunkId, end: Result<(), Trouble>, opened: bool) -> Result<(), Stop> {
        let problem = match end {
            Ok(()) => {
                let mut schedule = self.schedule.borrow_mut();
                schedule.end(id, Outcome::Complete, Context::now());
                return Ok(());
            }
            Err(Trouble::Disk(error)) => return Err(error.into()),
            Err(Trouble::Net(problem)) => problem,
        };
        if let Failure::Refused(refusal) = &problem.failure
            && refusal.meaning() == Meaning::NoRanges
        {
            return self.go_on_alone(id, problem, opened);
        }
        let mut schedule = self.schedule.borrow_mut();
        let attempts = schedule.attempts_without_progress(id);
        match self.job.verdict(&problem.failure, attempts) {
            Verdict::Retry { after } => {
                schedule.end(id, Outcome::Again { after }, Context::now());
                self.job.retrying(&problem, after);
                Ok(())
            }
            Verdict::Restart | Verdict::Reresolve => Err(Stop::Again(problem)),
            Verdict::Fatal => Err(Stop::Fatal(self.job.failed(problem))),
        }
    }

    /// The server ignores ranges: the body that opened the file brings everything, or a new one from the first byte.
    fn go_on_alone(&self, id: ChunkId, problem: Problem, opened: bool) -> Result<(), Stop> {
        if !self.job.no_ranges.replace(true) {
            self.job
                .note(format!("one request at a time from here on: {problem}"));
        }
        if !opened {
            return Err(Stop::Again(problem));
        }
        self.limit.set(1);
        let after = Duration::ZERO;
        self.schedule
            .borrow_mut()
            .end(id, Outcome::Again { after }, Context::now());
        Ok(())
    }

    fn report(&self) {
        let schedule = self.schedule.borrow();
        let length = self.length;
        self.job
            .progress(length - schedule.missing(), schedule.in_flight());
    }
}

/// The next block; `None` when the message is complete.
pub(super) async fn next(transfer: &mut Transfer) -> Result<Option<Block>, NetError> {
    loop {
        match transfer.next().await {
            Some(Event::Data(block)) => return Ok(Some(block)),
            Some(Event::End(Ok(()))) | None => return Ok(None),
            Some(Event::End(Err(error))) => return Err(error),
            Some(Event::Head(_)) => {}
        }
    }
}

/// How many bytes have left the sink, when more have.
pub(super) async fn left(follow: &mut Option<Follow>) -> Result<u64, sink::Error> {
    match follow {
        Some(follow) => follow.next().await,
        None => std::future::pending().await,
    }
}

/// The first `length` of `bytes`.
pub(super) fn first(mut bytes: Bytes, length: u64) -> Bytes {
    bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
    bytes
}

pub(super) fn ticks() -> tokio::time::Interval {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

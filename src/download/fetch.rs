//! Fetches what a sink lacks, beginning with a body that is arriving already.
//!
//! Every transfer is a future of its own, straight from request to last byte (see [`transfer`](super::transfer)); all of
//! them run in one task and share the file's schedule, so nothing is locked. What follows from their ends is in
//! [`settle`](super::settle). What a server without ranges sends is fetched by [`whole`].

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use url::Url;

use super::Context;
use super::host::Share;
use super::job::{Job, Stop};
use super::lines::Lines;
use super::mirrors::Mirror;
use super::parked::Parked;
use super::pulse::Pulse;
use super::settle::{Ended, Moving, Next, moved};
use super::whole::whole;
use crate::Error;
use crate::answer::{self, Ranges};
use crate::net::Transfer;
use crate::plan::Options;
use crate::resolve::{Opening, Resource};
use crate::schedule::{Chunk, ChunkId, Outcome, Schedule};
use crate::sink::{self, Follow, Sink};

/// Requests of one download that browsers make at once.
const BROWSER_REQUESTS: usize = 3;

/// How often progress is reported, and everything is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Time without a byte after which it is looked whether this machine still has the addresses of its connections.
const STRANDED: Duration = Duration::from_secs(1);

/// Writes all that is missing into `sink`.
pub(super) async fn fetch(job: &Job<'_>, sink: Sink<'_>, opening: Opening) -> Result<(), Stop> {
    let Opening {
        resource,
        transfer,
        from,
        resumed,
    } = opening;
    let context = job.context;
    let gate = (context.hosts).gate(&resource.url, context.threads, Context::now());
    // What is continued is being served as a range already.
    let has_none = job.no_ranges.get() || (gate.has_no_ranges() && !resumed);
    let in_ranges = resource.ranges != Ranges::No && !has_none;
    match resource.entity.length {
        Some(length) if in_ranges && job.may_be_put_together(&resource) => {
            let file = File::new(job, sink, resource, length, &transfer);
            file.proven.set(resumed);
            file.run(transfer, from).await
        }
        Some(_) | None => whole(job, sink, &resource, transfer).await,
    }
}

/// Where ranges are asked for. It may change on the way.
pub(super) struct Place {
    pub(super) url: Url,
    /// Counts the places of the file.
    pub(super) generation: u32,
    /// The requests at its host.
    pub(super) share: Share,
    /// What it has of its own if it is not the file's first place but a mirror.
    pub(super) mirror: Option<Mirror>,
}

impl Place {
    pub(super) fn new(context: &Context, resource: &Resource, generation: u32) -> Rc<Self> {
        let gate = context
            .hosts
            .gate(&resource.url, context.threads, Context::now());
        gate.speaks(resource.protocol, context.sockets);
        Rc::new(Self {
            url: resource.url.clone(),
            generation,
            share: gate.share(),
            mirror: None,
        })
    }
}

pub(super) type Transfers<'a> = FuturesUnordered<LocalBoxFuture<'a, Ended>>;

/// A file that is fetched in ranges; shared by its transfers.
pub(super) struct File<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) sink: Sink<'a>,
    pub(super) resource: Resource,
    /// Bytes of the whole file.
    pub(super) length: u64,
    /// Where new requests go.
    pub(super) place: RefCell<Rc<Place>>,
    /// Mirrors that are seen to have the same file.
    pub(super) mirrors: RefCell<Vec<Rc<Place>>>,
    /// Why nothing is asked for at the first place any more; only mirrors are then.
    pub(super) lost: RefCell<Option<Error>>,
    /// Mirrors of which it is not known yet whether they have the file.
    pub(super) unknown: Cell<usize>,
    /// What is asked for and what has come. Never borrowed across an await.
    pub(super) schedule: RefCell<Schedule>,
    /// Requests allowed at once, whatever the host bears: 2 while one range tries whether the server takes them, 1 when it
    /// does not.
    pub(super) limit: Cell<usize>,
    /// Whether a range was seen to be served. Until then the body that opened the file is not let go.
    pub(super) proven: Cell<bool>,
    /// Those that wait for that, and for each other.
    pub(super) parked: Parked,
    /// How often in a row the whole file came instead of a range.
    pub(super) wholes: Cell<u32>,
    /// Requests that are being served.
    pub(super) served: Cell<usize>,
    /// The connections on which they are.
    pub(super) lines: Lines,
    /// Whether the original URL is being asked; no request begins meanwhile.
    pub(super) resolving: Cell<bool>,
    /// How often it was asked since a range was last served.
    pub(super) barren: Cell<u32>,
    /// The address of the host at which the file was begun; `None` if it is not known, or not there any more.
    pub(super) node: Cell<Option<IpAddr>>,
    /// Whether no other address of the host is asked any more.
    pub(super) pinned: Cell<bool>,
    /// Bytes since the last tick.
    pub(super) arrived: Cell<u64>,
    /// Told whenever a chunk begins, which may have been taken from another, is answered, or ends.
    pub(super) moved: Notify,
}

impl<'a> File<'a> {
    fn new(
        job: &'a Job<'a>,
        sink: Sink<'a>,
        resource: Resource,
        length: u64,
        opened: &Transfer,
    ) -> Self {
        let place = Place::new(job.context, &resource, 0);
        // With a number of sockets the requests are shared out among them.
        if job.context.sockets.is_none() {
            place.share.gate.takes(opened.streams());
        }
        let requests = place.share.gate.expected();
        let options = Options {
            requests,
            window: sink.window(),
            // A browser's requests have no end and are cut, which wastes what is on its way: not for more than it makes.
            open: job.context.open_slices
                && requests <= BROWSER_REQUESTS
                && sink.window().is_none(),
            ..job.context.chunks.clone()
        };
        let limit = match resource.ranges {
            Ranges::Yes => usize::MAX,
            Ranges::Unknown | Ranges::No => 2,
        };
        Self {
            job,
            sink,
            place: RefCell::new(place),
            mirrors: RefCell::default(),
            lost: RefCell::default(),
            unknown: Cell::new(job.source.mirrors.len()),
            schedule: RefCell::new(Schedule::new(sink.done().complement(length), options)),
            limit: Cell::new(limit),
            proven: Cell::new(false),
            parked: Parked::default(),
            wholes: Cell::new(0),
            served: Cell::new(0),
            lines: Lines::default(),
            resolving: Cell::new(false),
            barren: Cell::new(0),
            node: Cell::new(opened.node()),
            pinned: Cell::new(false),
            arrived: Cell::new(0),
            moved: Notify::new(),
            resource,
            length,
        }
    }

    /// Keeps requests in flight until nothing is missing.
    async fn run(&self, opened: Transfer, from: u64) -> Result<(), Stop> {
        let mut transfers = Transfers::new();
        let mut opened_by = self.adopt(&mut transfers, opened, from);
        let mut moving: Option<Moving<'_>> = None;
        let mirrors = self.job.source.mirrors.iter();
        let mut mirrors: FuturesUnordered<_> = mirrors.map(|url| self.try_mirror(url)).collect();
        let mut pulse = Pulse::new(Context::now(), Context::wall_time());
        let mut ticks = ticks();
        let mut follow = self.sink.follow();
        let mut over = pin!(self.job.over());
        loop {
            while let Some((chunk, place)) = self.start() {
                transfers.push(self.ask(chunk, place).boxed_local());
            }
            if self.schedule.borrow().is_all_begun() {
                self.job.all_is_begun();
            }
            if transfers.is_empty() && self.schedule.borrow().is_done() {
                return Ok(());
            }
            let wake = self.schedule.borrow().wake();
            tokio::select! {
                Some(ended) = transfers.next() => {
                    if opened_by == Some(ended.id) {
                        opened_by = None;
                    }
                    if let Next::Reresolve(problem, pause) = self.settle(ended, opened_by.is_some())? {
                        moving = Some(self.reresolve(problem, pause).boxed_local());
                    }
                    self.moved.notify_waiters();
                }
                end = moved(&mut moving) => {
                    moving = None;
                    if self.schedule.borrow().is_done() {
                        // What was in flight has brought all of it meanwhile.
                        continue;
                    }
                    if let Some((body, from)) = self.settle_move(end, opened_by.is_some())? {
                        self.adopt(&mut transfers, body, from);
                    }
                }
                () = sleep_until(wake.map_or_else(Instant::now, Instant::from_std)), if wake.is_some() => {}
                Some(mirror) = mirrors.next() => self.welcome(mirror)?,
                left = left(&mut follow) => self.schedule.borrow_mut().head(left?),
                _ = ticks.tick() => if self.tick(&mut pulse) {
                    self.drop_all(&mut transfers);
                    opened_by = None;
                },
                error = &mut over => return Err(Stop::Fatal(error)),
            }
        }
    }

    /// Goes on with a body that has been asked for already, whose next byte is the one at `from`. It may begin with some bytes
    /// that are there, to show that it goes on with the same file. One with many, as when a stream is begun again, is let go
    /// at once: nothing can be made of it but [`whole`].
    fn adopt<'s>(
        &'s self,
        transfers: &mut Transfers<'s>,
        body: Transfer,
        from: u64,
    ) -> Option<ChunkId> {
        let missing = self.sink.done().complement(self.length);
        let gap = missing.iter().find(|gap| gap.end > from);
        let near = gap.filter(|gap| gap.start.saturating_sub(from) <= answer::MAX_OVERLAP);
        let at = near.map_or(from, |gap| gap.start.max(from));
        let first = self.schedule.borrow_mut().adopt(at, Context::now());
        if first.range.is_empty() {
            let mut schedule = self.schedule.borrow_mut();
            schedule.end(first.id, Outcome::Complete, Context::now());
            return None;
        }
        transfers.push(self.take_in(first.id, body, from).boxed_local());
        Some(first.id)
    }

    /// What is to be asked for now, and where.
    fn start(&self) -> Option<(Chunk, Rc<Place>)> {
        let now = Context::now();
        let first = Rc::clone(&self.place.borrow());
        let gate = &first.share.gate;
        let elsewhere = self.elsewhere();
        let mut schedule = self.schedule.borrow_mut();
        let relieved = schedule.relieve(now);
        if relieved > 0 {
            self.moved.notify_waiters();
            if schedule.in_flight() > 2 && relieved * 2 >= schedule.in_flight() {
                gate.stalled(now);
            }
        }
        let all = schedule.busy(now);
        let busy = all.saturating_sub(elsewhere);
        first.share.set(busy, self.served.get());
        let closed = self.resolving.get() || self.is_lost() || !gate.closed_for(now).is_zero();
        let free = match closed {
            true => 0,
            // A file without any request would wait for others that may wait for it.
            false => gate.free(now).max(usize::from(busy == 0)),
        };
        let (place, free) = self.choose(&first, free, busy);
        if free == 0 {
            return None;
        }
        schedule.expect(gate.expected() + elsewhere);
        let context = self.job.context;
        let most = (self.limit.get())
            .min(context.threads.unwrap_or(usize::MAX))
            .min(context.pace.requests(now));
        let chunk = schedule.start(most.min(all + free), now)?;
        place.share.gate.begun(now);
        match place.mirror {
            Some(_) => place.count(1),
            None => place.share.set(
                schedule.busy(now).saturating_sub(elsewhere),
                self.served.get(),
            ),
        }
        self.moved.notify_waiters();
        Some((chunk, place))
    }

    /// Reports, and tells whether all connections are to be taken for dead.
    fn tick(&self, pulse: &mut Pulse) -> bool {
        let now = Context::now();
        let place = self.place.borrow();
        let gate = &place.share.gate;
        gate.delivered(self.arrived.take(), now);
        let schedule = self.schedule.borrow();
        let bytes = self.length - schedule.missing();
        self.job
            .progress(bytes, schedule.in_flight(), self.lines.count());
        // A host that is left alone because it fails is silent all the same.
        let waits_for_us = schedule.in_flight() == 0
            && schedule.wake().is_none()
            && gate.closed_for(now).is_zero();
        self.make_room();
        if (waits_for_us && !self.resolving.get()) || !gate.paused_for(now).is_zero() {
            self.job.note_life();
        }
        let silent = gate.silent(now);
        pulse.beat(now, Context::wall_time(), silent)
            || (silent >= STRANDED && self.lines.is_stranded())
    }

    /// Gives up all transfers and their connections, and of the bytes only those that wait to be written.
    fn drop_all<'s>(&'s self, transfers: &mut Transfers<'s>) {
        self.job
            .note("the connections are lost, it goes on with new ones".to_owned());
        transfers.clear();
        for place in self.mirrors.borrow().iter() {
            place.count(isize::MIN);
        }
        let missing = self.sink.done().complement(self.length);
        let mut schedule = self.schedule.borrow_mut();
        schedule.abandon(&missing, Context::now());
        self.job.client().reset();
    }
}

/// How many bytes have left the sink, when more have.
pub(super) async fn left(follow: &mut Option<Follow>) -> Result<u64, sink::Error> {
    match follow {
        Some(follow) => follow.next().await,
        None => std::future::pending().await,
    }
}

pub(super) fn ticks() -> tokio::time::Interval {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

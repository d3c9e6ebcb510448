//! What a download to disk and a stream have in common: the rounds of fetching, and what is said of them.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Context, Search, fetch};
use crate::Error;
use crate::answer::{Ranges, Refusal};
use crate::entity::Entity;
use crate::hash::Checksum;
use crate::net::{Client, Transfer, Turn};
use crate::range::{ByteRange, RangeSet};
use crate::report::{Level, Update};
use crate::resolve::checksum::Found;
use crate::resolve::{self, Earlier, Opening, Problem, Resource, Source};
use crate::retry::{self, Failure, Fault, Verdict};
use crate::sink::{self, Identity, Sink};

/// Beginning anew, or at the original URL, this often without one new byte between ends the file.
const MAX_ROUNDS: u32 = 4;

/// Pauses from here on are noticed by whoever waits.
const NOTICED: Duration = Duration::from_secs(1);

/// One file on its way.
pub(super) struct Job<'a> {
    pub(super) context: &'a Context,
    /// Numbers the file within the run.
    pub(super) id: usize,
    pub(super) source: Source,
    /// For messages and control files: without credentials.
    pub(super) url: String,
    /// Runs the file's transfers: the run's, or one that wears another family of browsers.
    client: RefCell<Client>,
    /// Whether another family was tried.
    disguised: Cell<bool>,
    /// The server has been seen to ignore ranges, whatever it says of itself.
    pub(super) no_ranges: Cell<bool>,
    /// When the last byte came, or something that explains why none did.
    life: Cell<Instant>,
    /// When the last first request was made, and whether its turn has come.
    asked: RefCell<Option<(Instant, Turn)>>,
    /// How many wait for something of our own, such as a slow disk.
    holds: Cell<usize>,
    /// The server fails conditions that hold: none is sent any more, what the answers say is compared all the same.
    pub(super) no_conditions: Cell<bool>,
    /// Whether the user has been told that more comes than is declared.
    overlong: Cell<bool>,
    /// Told when nothing is left to ask for; `None` when it was, or nobody wants to know.
    pub(super) all_begun: RefCell<Option<oneshot::Sender<()>>>,
}

/// Why fetching ended before the file did.
pub(super) enum Stop {
    /// For good.
    Fatal(Error),
    /// This opening is used up; another may go on.
    Again(Problem),
    /// The same, and the other one is there: it brings the file from its first byte.
    Opened(Problem, Box<Opening>),
}

/// While one lives, nobody expects bytes.
pub(super) struct Holding<'a>(&'a Job<'a>);

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.holds.set(self.0.holds.get() - 1);
        self.0.note_life();
    }
}

impl From<sink::Error> for Stop {
    fn from(error: sink::Error) -> Self {
        Self::Fatal(error.into())
    }
}

impl<'a> Job<'a> {
    /// Tells that the file begins, too.
    pub(super) fn new(context: &'a Context, id: usize, source: Source) -> Self {
        let url = Error::redact(source.url.as_str());
        context.reporter.send(Update::Started {
            id,
            url: url.clone(),
            name: resolve::name::expected(&source),
        });
        Self {
            context,
            id,
            source,
            url,
            client: RefCell::new(context.client.clone()),
            disguised: Cell::new(false),
            no_ranges: Cell::new(false),
            life: Cell::new(Context::now()),
            asked: RefCell::default(),
            holds: Cell::new(0),
            no_conditions: Cell::new(false),
            overlong: Cell::new(false),
            all_begun: RefCell::default(),
        }
    }

    /// What runs the file's transfers.
    pub(super) fn client(&self) -> Client {
        self.client.borrow().clone()
    }

    pub(super) fn is_challenge(&self, problem: &Problem) -> bool {
        matches!(&problem.failure, Failure::Refused(Refusal::Challenge(_)))
    }

    /// Goes on as a browser of another family. False if that was tried already, or there is none.
    pub(super) fn change_family(&self) -> bool {
        if self.disguised.replace(true) {
            return false;
        }
        let other = (self.context.other_family)();
        other.map(|client| self.client.replace(client)).is_some()
    }

    /// Refuses what is larger than the user wants.
    pub(super) fn not_too_large(&self, length: u64) -> Result<(), Error> {
        match self.context.destination.max_size {
            Some(limit) if length > limit => Err(Error::TooLarge {
                url: self.url.clone(),
                length,
                limit,
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Resolves when the user wants to stop, or nothing has come for too long.
    pub(super) async fn over(&self) -> Error {
        tokio::select! {
            stopped = self.context.stopped() => stopped,
            problem = self.abandoned() => self.failed(problem),
        }
    }

    async fn abandoned(&self) -> Problem {
        let Some(patience) = self.context.give_up_after else {
            return std::future::pending().await;
        };
        loop {
            if self.holds.get() > 0 {
                self.note_life();
            }
            let silent = Context::now() - self.life.get();
            let left = patience.saturating_sub(silent.saturating_sub(self.waited()));
            if left.is_zero() {
                return Problem {
                    failure: Failure::Network(Fault::Stall),
                    detail: format!("no byte came for {} s", patience.as_secs_f64()),
                };
            }
            tokio::time::sleep(left).await;
        }
    }

    /// Notes that a byte came, or something that explains why none did.
    pub(super) fn note_life(&self) {
        self.life.set(Context::now());
    }

    /// Notes that a request is made, which may wait for its turn.
    pub(super) fn asks(&self, turn: Turn) {
        self.life.set(self.life.get() + self.waited());
        self.asked.replace(Some((Context::now(), turn)));
    }

    /// How long the last first request has waited for its turn since the last byte came.
    fn waited(&self) -> Duration {
        let asked = self.asked.borrow();
        let Some((asked, turn)) = &*asked else {
            return Duration::ZERO;
        };
        let came = turn.came().map(tokio::time::Instant::into_std);
        let since = self.life.get().max(*asked);
        came.unwrap_or_else(Context::now)
            .saturating_duration_since(since)
    }

    /// Notes that no byte can come while the result lives, for reasons of our own.
    pub(super) fn holding(&self) -> Holding<'_> {
        self.holds.set(self.holds.get() + 1);
        Holding(self)
    }

    pub(super) fn verdict(&self, failure: &Failure, attempts: u32) -> Verdict {
        retry::verdict(failure, attempts, &self.context.policy, fastrand::u64(..))
    }

    pub(super) fn failed(&self, problem: Problem) -> Error {
        Error::Failed {
            url: self.url.clone(),
            failure: problem.failure,
            detail: problem.detail,
        }
    }

    /// Fetches until nothing is missing. Begins again at the original URL when the resolved one stops working, and with
    /// nothing when the file has changed.
    pub(super) async fn fetch(&self, sink: Sink<'_>, mut opening: Opening) -> Result<(), Error> {
        let (mut rounds, mut restarts) = (0, 0);
        let mut entity = opening.resource.entity.clone();
        // What came before was waiting of our own.
        self.note_life();
        loop {
            let had = sink.done().len();
            let (problem, opened) = match fetch::fetch(self, sink, opening).await {
                Ok(()) => return Ok(()),
                Err(Stop::Fatal(error)) => return Err(error),
                Err(Stop::Again(problem)) => (problem, None),
                Err(Stop::Opened(problem, opening)) => (problem, Some(*opening)),
            };
            rounds = if sink.done().len() > had {
                1
            } else {
                rounds + 1
            };
            if rounds > MAX_ROUNDS || restarts > MAX_ROUNDS {
                return Err(self.failed(problem));
            }
            let reason = problem.to_string();
            let keep = is_resumable(&entity) && !self.no_ranges.get();
            let keep = keep && !self.must_restart(&problem);
            let left = keep.then(|| earlier(&entity, &sink.done()));
            opening = match opened {
                Some(opening) => opening,
                None => self.open(left.as_ref()).await?,
            };
            if entity.confirms(&opening.resource.entity) {
                self.learn(&problem);
            }
            if opening.resumed {
                self.reresolved(&problem);
            } else {
                restarts += 1;
                let now = &opening.resource.entity;
                self.begin_again(sink, &entity, now, problem).await?;
                self.restarted(reason);
            }
            entity = opening.resource.entity.clone();
        }
    }

    /// Learns from a problem with a file that turned out to be the same.
    pub(super) fn learn(&self, problem: &Problem) {
        if problem.failure == Failure::Refused(Refusal::Precondition) {
            self.no_conditions.set(true);
        }
    }

    /// Prepares for a body that brings all of the file once more, after `problem`.
    ///
    /// A part on disk is emptied. What a reader has cannot be taken back: there it has to be the same file, and to be seen
    /// to be, so that its bytes can be passed over up to where they are new.
    async fn begin_again(
        &self,
        sink: Sink<'_>,
        before: &Entity,
        now: &Entity,
        problem: Problem,
    ) -> Result<(), Error> {
        match sink {
            Sink::Part(part) => part.restart(&self.identity(now)).await?,
            Sink::Pipe(pipe) if !pipe.is_begun() => pipe.forget(),
            Sink::Pipe(pipe) if !before.agrees(now) => {
                return Err(Error::Changed {
                    url: self.url.clone(),
                    written: pipe.written(),
                });
            }
            Sink::Pipe(_) if !before.validator.confirms(&now.validator) => {
                return Err(self.failed(problem));
            }
            Sink::Pipe(_) => {}
        }
        Ok(())
    }

    /// Whether it would show if parts of two versions were put together: by a validator, or in the end by a checksum.
    pub(super) fn may_be_put_together(&self, resource: &Resource) -> bool {
        let stated = match self.context.search {
            Search::Off => None,
            Search::Likely | Search::Everywhere => resource.stated.as_ref(),
        };
        let is_vouched = !resource.entity.validator.is_empty()
            || self.source.checksum.is_some()
            || stated.is_some();
        let is_splittable = resource.ranges != Ranges::No && resource.entity.length.is_some();
        if !is_vouched && is_splittable && !self.no_ranges.replace(true) {
            let why = "nothing that the server says would show that the file changes";
            self.note(format!("one request at a time: {why}; --checksum would"));
        }
        is_vouched
    }

    fn must_restart(&self, problem: &Problem) -> bool {
        self.verdict(&problem.failure, 1) == Verdict::Restart
    }

    pub(super) fn identity(&self, entity: &Entity) -> Identity {
        Identity {
            url: self.url.clone(),
            entity: entity.clone(),
        }
    }

    pub(super) fn wrong(
        &self,
        expected: Checksum,
        actual: Checksum,
        kept: Option<PathBuf>,
    ) -> Error {
        Error::Checksum {
            url: self.url.clone(),
            expected,
            actual,
            kept,
        }
    }

    /// Says that what is missing is on its way: the next file may begin, unless it would take the only connection, which may be
    /// needed once more.
    pub(super) fn all_is_begun(&self) {
        if self.context.sockets != Some(1) {
            self.nothing_left_to_begin();
        }
    }

    /// Whoever waits for it may make requests of its own now.
    pub(super) fn nothing_left_to_begin(&self) {
        if let Some(waiting) = self.all_begun.take() {
            // It may have been given up.
            let _ = waiting.send(());
        }
    }

    fn note_unverified(&self) {
        if !self.context.unverified.replace(true) {
            let text =
                "no checksum to verify by was found; --checksum gives one, --sidecar looks further";
            self.note(text.to_owned());
        }
    }

    /// Says once of a file that a body went on behind its declared end, if one did.
    pub(super) fn note_length(&self, transfer: &Transfer) {
        if transfer.is_overlong() && !self.overlong.replace(true) {
            let text = "the server sends more bytes than it declares; those are not used";
            self.message(Level::Warning, text.to_owned());
        }
    }

    pub(super) fn note(&self, text: String) {
        self.message(Level::Info, text);
    }

    fn message(&self, level: Level, text: String) {
        let id = Some(self.id);
        self.tell(Update::Message { id, level, text });
    }

    /// Says what the server has and what of it, `resumed` bytes, is here already.
    pub(super) fn resolved(
        &self,
        resource: &Resource,
        name: &str,
        resumed: u64,
        checksum: Option<&Checksum>,
    ) {
        self.tell(Update::Resolved {
            id: self.id,
            name: name.to_owned(),
            size: resource.entity.length,
            ranges: resource.ranges,
            protocol: resource.protocol,
            checksum: checksum.cloned(),
            resumed,
        });
    }

    /// Says which checksum holds, or once in a run that a file had nothing to be verified by. Returns who stated it.
    pub(super) fn verified(&self, held: Option<Found>) -> Option<String> {
        let Some(Found { checksum, place }) = held else {
            self.note_unverified();
            return None;
        };
        self.tell(Update::Verified {
            id: self.id,
            checksum,
            place: place.clone(),
        });
        Some(place)
    }

    pub(super) fn progress(&self, bytes: u64, requests: usize, connections: usize) {
        self.tell(Update::Progress {
            id: self.id,
            bytes,
            requests,
            connections,
        });
    }

    /// Says that something is asked for again, unless that is how connections end.
    pub(super) fn retrying(&self, problem: &Problem, delay: Duration) {
        if problem.failure.is_ordinary() && delay < NOTICED {
            return;
        }
        self.tell(Update::Retry {
            id: self.id,
            reason: problem.to_string(),
            delay,
        });
    }

    /// Says that the file begins with its first byte again.
    pub(super) fn restarted(&self, reason: String) {
        self.tell(Update::Restarted {
            id: self.id,
            reason,
        });
    }

    /// Says that the address has changed.
    pub(super) fn reresolved(&self, problem: &Problem) {
        self.tell(Update::Reresolved {
            id: self.id,
            reason: problem.to_string(),
        });
    }

    /// Says that less is asked of the host from here on.
    pub(super) fn throttled(&self, problem: &Problem, requests: usize, delay: Duration) {
        self.tell(Update::Throttled {
            id: self.id,
            reason: problem.to_string(),
            requests,
            delay,
        });
    }

    fn tell(&self, update: Update) {
        self.context.reporter.send(update);
    }
}

/// Bytes without any validator could be continued with those of another version unnoticed.
pub(super) fn is_resumable(entity: &Entity) -> bool {
    entity.length.is_some_and(|length| length > 0) && !entity.validator.is_empty()
}

/// Whether what an earlier run left of `entity` may be gone on with. A weak tag alone says too little for that, as it may
/// stay when bytes change: it takes a checksum that tells in the end.
pub(super) fn outlives(entity: &Entity, source: &Source) -> bool {
    let validator = &entity.validator;
    let is_vouched = validator.is_strong() || validator.last_modified.is_some();
    is_resumable(entity) && (is_vouched || source.checksum.is_some())
}

/// Bytes before a gap that are asked for once more where no validator is strong: a server that goes on with another file
/// without saying so is found out by them.
const OVERLAP: u64 = 64 << 10;

/// What of `entity` is missing first. Of a complete one the last byte is asked for again, to see that it is still the same.
pub(super) fn earlier(entity: &Entity, done: &RangeSet) -> Earlier {
    let length = entity.length.unwrap_or(1).max(1);
    let missing = done.complement(length).iter().next();
    let gap = missing.unwrap_or(ByteRange::new(length - 1, length));
    Earlier {
        complete: missing.is_none(),
        ..earlier_from(entity, done, gap)
    }
}

/// As [`earlier`], with the bytes that are to come first.
pub(super) fn earlier_from(entity: &Entity, done: &RangeSet, mut gap: ByteRange) -> Earlier {
    if !entity.validator.is_strong() {
        let known = done.iter().find(|range| range.end == gap.start);
        gap.start -= known.map_or(0, |range| range.len().min(OVERLAP));
    }
    Earlier {
        gap,
        complete: false,
        entity: entity.clone(),
    }
}

/// `work`, given up when it takes longer than `limit`.
pub(super) async fn timed<T, E: Into<Problem>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Problem> {
    match timeout(limit, work).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(Failure::Network(Fault::Stall).into()),
    }
}

//! One file's whole life, from its URL to its name on disk.
//!
//! Reads from top to bottom: resolve, take up or create the part file, fetch what is missing, verify, rename. Every
//! decision is somebody else's: `schedule` says what is asked for next, `answer` whether an answer may be used, `retry`
//! what a failure means. What it shares with a [`stream()`] is in [`job`], the transfers themselves are in [`fetch`].

mod doors;
mod fetch;
mod host;
mod job;
mod lines;
mod mirrors;
mod names;
mod open;
mod pace;
mod packed;
mod parked;
mod preview;
mod pulse;
mod settle;
mod stream;
mod transfer;
mod verify;
mod whole;

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Error;
use crate::hash::{Algorithm, Checksum};
use crate::net::Client;
use crate::plan;
use crate::report::Reporter;
use crate::resolve::checksum::Found;
use crate::resolve::{self, Opening, Resource, Session, Source, Visit};
use crate::resume::Leftovers;
use crate::retry::Policy;
use crate::sink::{self, Existing, Hashed, OnConflict, Part, Place, Sink, Verified};

pub use doors::Doors;
pub use host::Hosts;
use job::{Job, earlier, outlives};
pub use names::Names;
pub use pace::Pace;
pub use preview::{Plan, Preview, preview};
pub use stream::{Turn, stream};
use verify::Check;

/// What all downloads of a run share.
pub struct Context {
    /// Runs the transfers.
    pub client: Client,
    /// Makes a client that is like the other, but wears another family of browsers; `None` if there is none.
    pub other_family: Box<dyn Fn() -> Option<Client>>,
    /// What the user brings to servers.
    pub session: Session,
    /// Where files go.
    pub destination: Destination,
    /// Concurrent range requests at one host; `None` = as many as prove useful.
    pub threads: Option<usize>,
    /// Sockets to one host, where the user named a number.
    pub sockets: Option<usize>,
    /// How files are cut; the number of requests is set for each.
    pub chunks: plan::Options,
    /// Whether the browser asks for slices without an end.
    pub open_slices: bool,
    /// When to give up.
    pub policy: Policy,
    /// Time without a byte after which a transfer is given up.
    pub stall: Duration,
    /// Time without a byte of a file, from anywhere, after which it is given up; `None` = never.
    pub give_up_after: Option<Duration>,
    /// What is known of the hosts.
    pub hosts: Hosts,
    /// The bandwidth limit of all files together.
    pub pace: Pace,
    /// Digests to compute of each file; if none, one is where nobody states a checksum.
    pub algorithms: Vec<Algorithm>,
    /// Where checksums are looked for that the user has not given.
    pub search: Search,
    /// Whether the user has been told that a file had nothing to be verified by.
    pub unverified: Cell<bool>,
    /// Where updates go.
    pub reporter: Reporter,
    /// How many files of each host are fetched at once.
    pub doors: Doors,
    /// Becomes the number of the signal that ends the run.
    pub stop: watch::Receiver<Option<i32>>,
}

/// Where files go, and which are taken.
pub struct Destination {
    /// The directory.
    pub dir: PathBuf,
    /// What to do if a file's name is taken.
    pub on_conflict: OnConflict,
    /// Larger files are refused; bytes.
    pub max_size: Option<u64>,
    /// The names that the run's files have.
    pub names: Names,
    /// What earlier runs left in the directory.
    pub leftovers: Leftovers,
}

impl Destination {
    /// A directory into which any file goes, and what earlier runs left there is taken up.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self {
            on_conflict: OnConflict::Resume,
            max_size: None,
            names: Names::default(),
            leftovers: Leftovers::scan(&dir),
            dir,
        }
    }
}

impl Context {
    #[expect(
        clippy::disallowed_methods,
        reason = "the flow's one clock; core gets its value"
    )]
    fn now() -> Instant {
        Instant::now()
    }

    /// Time since 1970.
    #[expect(
        clippy::disallowed_methods,
        reason = "dates of Retry-After, and sleep, are seen by the wall clock"
    )]
    fn wall_time() -> Duration {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    }

    /// Seconds since 1970.
    pub(crate) fn wall_clock() -> u64 {
        Self::wall_time().as_secs()
    }

    /// A way to a source, from here and now.
    fn visit<'a>(&'a self, source: &'a Source) -> Visit<'a> {
        Visit {
            client: &self.client,
            session: &self.session,
            source,
            stall: self.stall,
            now: Self::wall_clock(),
            asks: None,
        }
    }

    /// Resolves when the user wants to stop.
    pub async fn stopped(&self) -> Error {
        let mut stop = self.stop.clone();
        let signal = match stop.wait_for(Option::is_some).await {
            Ok(signal) => *signal,
            // Nobody is left to send a signal.
            Err(_) => std::future::pending().await,
        };
        Error::Interrupted {
            signal: signal.unwrap_or_default(),
            saved: self.chunks.window.is_none(),
        }
    }
}

/// Where checksums are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Nowhere: only what the user gave counts.
    Off,
    /// In the head of the answer, and beside the file on hosts that are known for that.
    Likely,
    /// In the head of the answer, and beside the file on any host.
    Everywhere,
}

/// How a download ended well.
#[derive(Debug)]
pub enum Outcome {
    /// The file is complete.
    Complete {
        /// Where it is; its name if it went to standard output.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
        /// Its digests.
        checksums: Vec<Checksum>,
        /// Who stated the checksum that held, if anybody did.
        verified: Option<String>,
    },
    /// A complete file was there already.
    Skipped {
        /// Where it is.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
    },
}

/// Downloads one file. `id` numbers it within the run.
///
/// # Errors
/// Whatever ended it. What was written stays for a later run.
pub async fn download(context: &Context, id: usize, source: Source) -> Result<Outcome, Error> {
    match bring(context, id, source).await? {
        Brought::Nothing(outcome) => Ok(outcome),
        Brought::Whole(whole) => whole.put_in_place().await,
    }
}

/// What there is when the network has done its part.
pub enum Brought<'a> {
    /// No new file: the download has ended like this.
    Nothing(Outcome),
    /// A file that waits for its name.
    Whole(Box<Whole<'a>>),
}

/// All of a file, which is not verified yet, nor on stable storage, and has not got its name.
pub struct Whole<'a> {
    job: Job<'a>,
    filled: Filled,
}

impl Whole<'_> {
    /// The rest of the download, which is the disk's, unless all of it turns out to be wrong.
    ///
    /// # Errors
    /// As [`download`].
    pub async fn put_in_place(self) -> Result<Outcome, Error> {
        let Self { job, filled } = self;
        match filled.settle(&job).await? {
            Settled::Complete(outcome) => Ok(outcome),
            Settled::Wrong(part, wrong) => Box::pin(once_more(&job, part, wrong)).await,
        }
    }
}

/// The first part of [`download`]: all that needs the network. The file's place among those of its host is free when it ends.
///
/// # Errors
/// As [`download`].
pub async fn bring(context: &Context, id: usize, source: Source) -> Result<Brought<'_>, Error> {
    let destination = &context.destination;
    let mut claim = destination.names.claim(&resolve::name::expected(&source));
    let alone = left_alone(destination, &source);
    let _door = match alone {
        Some(_) => None,
        None => Some(context.doors.enter(&source.url).await),
    };
    let job = Job::new(context, id, source);
    if let Some(path) = alone {
        return Ok(Brought::Nothing(skipped(path)));
    }
    let part = take_up(&job)?;
    let left = part
        .as_ref()
        .map(|part| earlier(&part.identity().entity, &part.done()));
    let opening = job.open(left.as_ref()).await?;
    context.doors.speaks(
        &job.source.url,
        opening.resource.protocol,
        opening.resource.entity.length,
    );
    let check = Check::new(context, &job.source, &opening.resource);
    let name = claim.settle(&opening.resource.name);
    if let Some(path) = finished(&job, &check, &opening.resource, &name, part.is_some()).await? {
        claim.keep();
        return Ok(Brought::Nothing(skipped(path)));
    }
    let part = prepare(&job, &check, part, &name, &opening).await?;
    let filled = fill(&job, check, part, opening).await?;
    claim.keep();
    Ok(Brought::Whole(Box::new(Whole { job, filled })))
}

/// A part that has all of its bytes, and what it takes to verify them.
struct Filled {
    part: Part,
    check: Check,
    /// Was found beside the file.
    beside: Option<Found>,
    /// The checksums, where they are computed while the file comes; those of a small one are when it has.
    hashing: Option<JoinHandle<Result<Hashed, sink::Error>>>,
}

/// What became of it.
enum Settled {
    /// It has its name.
    Complete(Outcome),
    /// It is not what it has to be: the expected checksum, and the one there is.
    Wrong(Part, (Checksum, Checksum)),
}

/// Fetches what a part lacks.
async fn fill(job: &Job<'_>, check: Check, part: Part, opening: Opening) -> Result<Filled, Error> {
    let hashing = (!part.is_small()).then(|| tokio::spawn(part.hash(check.algorithms())));
    let fetching = Box::pin(job.fetch(Sink::Part(&part), opening));
    let whereabouts = (job.context, &job.source);
    match check.search_beside(whereabouts, fetching).await {
        Ok(beside) => Ok(Filled {
            part,
            check,
            beside,
            hashing,
        }),
        Err(error) => {
            // The reason for ending matters more than a state that could not be saved as well.
            let _ = if matches!(error, Error::TooLarge { .. }) {
                part.discard().await
            } else {
                part.suspend().await
            };
            Err(error)
        }
    }
}

impl Filled {
    /// Holds all of it against what it has to be, and gives it its name if that is so.
    async fn settle(self, job: &Job<'_>) -> Result<Settled, Error> {
        let Self {
            part,
            check,
            beside,
            hashing,
        } = self;
        let bytes = part.done().len();
        let place = match job.context.destination.on_conflict {
            OnConflict::Overwrite => Place::Over,
            OnConflict::Resume | OnConflict::Skip | OnConflict::Rename => Place::Free,
        };
        let algorithms = check.algorithms();
        let (path, verdict) = match hashing {
            None => {
                let expected = check.expected().or(beside.as_ref().map(|it| &it.checksum));
                match part.verify(place, algorithms, expected).await? {
                    Verified::Placed(path, checksums) => (path, check.judge(checksums, beside)),
                    Verified::Refused(part, wrong) => return Ok(Settled::Wrong(part, wrong)),
                }
            }
            Some(hashing) => {
                let hashed = hashing.await;
                let mut hashed =
                    hashed.map_err(|error| Error::Internal(format!("hashing: {error}")))??;
                if !part.is_of(&hashed) {
                    // It was complete, and was begun anew because something at its end said that the file has changed.
                    hashed = part.hash(algorithms).await?;
                }
                let verdict = check.judge(hashed.checksums, beside);
                if let Some(wrong) = verdict.wrong {
                    return Ok(Settled::Wrong(part, wrong));
                }
                (part.commit(place).await?, verdict)
            }
        };
        Ok(Settled::Complete(Outcome::Complete {
            path,
            bytes,
            checksums: verdict.digests,
            verified: job.verified(verdict.held),
        }))
    }
}

/// Sets a file with a wrong checksum aside and downloads all of it once more, since a byte may have been damaged on its way,
/// or come from another version. What was set aside stays unless the second one is right.
async fn once_more(
    job: &Job<'_>,
    part: Part,
    (expected, actual): (Checksum, Checksum),
) -> Result<Outcome, Error> {
    let name = part.name().to_owned();
    let kept = part.reject().await?;
    job.restarted(format!("{actual} is not {expected}"));
    let door = job.context.doors.enter(&job.source.url).await;
    let opening = job.open(None).await?;
    let identity = job.identity(&opening.resource.entity);
    let Ok(part) = Part::create(&job.context.destination.dir, &name, &identity) else {
        // Not enough room for two, say: that is not what is wrong with this file.
        return Err(job.wrong(expected, actual, Some(kept)));
    };
    let check = Check::new(job.context, &job.source, &opening.resource);
    let filled = fill(job, check, part, opening).await?;
    drop(door);
    match filled.settle(job).await? {
        Settled::Complete(outcome) => {
            sink::remove(&kept)?;
            Ok(outcome)
        }
        Settled::Wrong(part, (expected, actual)) => {
            let kept = Some(part.reject().await?);
            Err(job.wrong(expected, actual, kept))
        }
    }
}

fn skipped(path: PathBuf) -> Outcome {
    Outcome::Skipped {
        bytes: sink::size_of(&path),
        path,
    }
}

/// The path of a file that nothing is to be done about, if that can be told before anything is asked for.
fn left_alone(destination: &Destination, source: &Source) -> Option<PathBuf> {
    let name = source.name.as_ref()?;
    let taken = sink::existing(&destination.dir, name).is_some();
    (taken && destination.on_conflict == OnConflict::Skip).then(|| destination.dir.join(name))
}

/// What an earlier run left, if it can be continued.
fn take_up(job: &Job<'_>) -> Result<Option<Part>, Error> {
    let context = job.context;
    let left = context
        .destination
        .leftovers
        .of(&job.url)
        .map(|left| &left.name);
    let Some(name) = job.source.name.as_ref().or(left) else {
        return Ok(None);
    };
    let part = Part::take_up_named(&context.destination.dir, name, &job.url)?;
    Ok(part.filter(|part| outlives(&part.identity().entity, &job.source)))
}

/// The path of a finished file that is this one, or that is to be left alone, if there is any. `part` says whether there is a
/// part to be continued.
async fn finished(
    job: &Job<'_>,
    check: &Check,
    resource: &Resource,
    name: &str,
    part: bool,
) -> Result<Option<PathBuf>, Error> {
    let dir = &job.context.destination.dir;
    let path = dir.join(name);
    let size = match (
        sink::existing(dir, name),
        job.context.destination.on_conflict,
    ) {
        (None, _) | (_, OnConflict::Rename) => return Ok(None),
        (Some(_), OnConflict::Skip) => return Ok(Some(path)),
        (Some(Existing::Directory), OnConflict::Overwrite) => {
            return Err(sink::Error::NotRegular { path }.into());
        }
        (Some(_), OnConflict::Overwrite) => return Ok(None),
        (Some(Existing::File { size }), OnConflict::Resume) if !part => size,
        (Some(_), OnConflict::Resume) => return Ok(None),
    };
    if resource.entity.length != Some(size) {
        return Ok(None);
    }
    let Some(expected) = check.expected() else {
        return Ok(Some(path));
    };
    let actual = sink::digest_of(&path, &[expected.algorithm]).await?;
    Ok(actual.contains(expected).then_some(path))
}

/// The part file for what is opening: the earlier one if that goes on, else an empty one.
async fn prepare(
    job: &Job<'_>,
    check: &Check,
    part: Option<Part>,
    name: &str,
    opening: &Opening,
) -> Result<Part, Error> {
    let resource = &opening.resource;
    let identity = job.identity(&resource.entity);
    let part = match part {
        Some(part) if opening.resumed => part,
        Some(part) => {
            part.restart(&identity).await?;
            part
        }
        None => {
            let Destination { dir, leftovers, .. } = &job.context.destination;
            Part::create_beside(leftovers, dir, name, &identity)?
        }
    };
    job.resolved(resource, part.name(), part.done().len(), check.expected());
    Ok(part)
}

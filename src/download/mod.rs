//! One file's whole life, from its URL to its name on disk.
//!
//! Reads from top to bottom: resolve, take up or create the part file, fetch what is missing, verify, rename. Every
//! decision is somebody else's: `schedule` says what is asked for next, `answer` whether an answer may be used, `retry`
//! what a failure means. The transfers themselves are in [`fetch`].

mod fetch;

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;
use tokio::time::timeout;

use crate::Error;
use crate::hash::{Algorithm, Checksum};
use crate::http::Protocol;
use crate::net::Client;
use crate::range::ByteRange;
use crate::report::{Reporter, Update};
use crate::resolve::{Earlier, Opening, Problem, Resource, Source, resolve};
use crate::retry::{self, Failure, Fault, Policy, Verdict};
use crate::sink::{self, Existing, Identity, Part};

/// Concurrent requests where the user named no number: HTTP/2 shares a connection, HTTP/1.1 keeps a browser's limit.
const AUTO_HTTP2: usize = 8;
const AUTO_HTTP1: usize = 6;

/// Beginning anew, or at the original URL, this often without one new byte between ends the file.
const MAX_ROUNDS: u32 = 4;

/// Attempts after the first at a host that has never answered: the address is wrong more often than the host is down.
const FIRST_RETRIES: u32 = 3;

/// What all downloads of a run share.
pub struct Context {
    /// Runs the transfers.
    pub client: Client,
    /// Destination directory.
    pub dir: PathBuf,
    /// Concurrent range requests; `None` = by protocol.
    pub threads: Option<usize>,
    /// Smallest chunk worth a request of its own, bytes.
    pub min_chunk: u64,
    /// When to give up.
    pub policy: Policy,
    /// Time without a byte after which a transfer is given up.
    pub stall: Duration,
    /// Digest to compute if no checksum is expected.
    pub algorithm: Algorithm,
    /// Where updates go.
    pub reporter: Reporter,
    /// Becomes the number of the signal that ends the run.
    pub stop: watch::Receiver<Option<i32>>,
}

impl Context {
    #[expect(
        clippy::disallowed_methods,
        reason = "the flow's one clock; core gets its value"
    )]
    fn now() -> Instant {
        Instant::now()
    }

    /// Seconds since 1970.
    #[expect(
        clippy::disallowed_methods,
        reason = "dates of Retry-After are held against the wall clock"
    )]
    fn wall_clock() -> u64 {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }

    fn requests(&self, protocol: Protocol) -> usize {
        self.threads.unwrap_or(match protocol {
            Protocol::Http10 | Protocol::Http11 => AUTO_HTTP1,
            Protocol::Http2 | Protocol::Http3 => AUTO_HTTP2,
        })
    }

    /// Resolves when the user wants to stop.
    async fn stopped(&self) -> Error {
        let mut stop = self.stop.clone();
        let signal = match stop.wait_for(Option::is_some).await {
            Ok(signal) => *signal,
            // Nobody is left to send a signal.
            Err(_) => std::future::pending().await,
        };
        Error::Interrupted {
            signal: signal.unwrap_or_default(),
        }
    }
}

/// How a download ended well.
#[derive(Debug)]
pub enum Outcome {
    /// The file is complete.
    Complete {
        /// Where it is.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
        /// Its digest.
        checksum: Checksum,
    },
    /// A complete file was there already.
    Skipped {
        /// Where it is.
        path: PathBuf,
    },
}

/// Downloads one file. `id` numbers it within the run.
///
/// # Errors
/// Whatever ended it. What was written stays for a later run.
pub async fn download(context: &Context, id: usize, source: &Source) -> Result<Outcome, Error> {
    let job = Job {
        context,
        id,
        source,
        url: Error::redact(source.url.as_str()),
        no_ranges: Cell::new(false),
    };
    let part = Part::take_up(&context.dir, &job.url)?.filter(is_resumable);
    let opening = job.open(part.as_ref().map(earlier).as_ref()).await?;
    if let Some(path) = job.finished_file(&opening.resource, part.as_ref()).await? {
        return Ok(Outcome::Skipped { path });
    }
    let part = job.prepare(part, &opening).await?;
    let algorithm = source
        .checksum
        .as_ref()
        .map_or(context.algorithm, |checksum| checksum.algorithm);
    let hashing = tokio::spawn(part.hash(&[algorithm]));
    if let Err(error) = job.fetch(&part, opening).await {
        // The reason for ending matters more than a state that could not be saved as well.
        let _ = part.suspend().await;
        return Err(error);
    }
    let checksums = hashing
        .await
        .map_err(|error| Error::Internal(format!("hashing: {error}")))??;
    job.finish(part, checksums).await
}

/// A part without any validator could be continued with bytes of another version unnoticed.
fn is_resumable(part: &Part) -> bool {
    let entity = part.identity().entity;
    entity.length.is_some_and(|length| length > 0) && !entity.validator.is_empty()
}

/// What a part lacks first. A complete one asks for its last byte again, to see that the entity is still the same.
fn earlier(part: &Part) -> Earlier {
    let entity = part.identity().entity;
    let length = entity.length.unwrap_or(1).max(1);
    let gap = part.done().complement(length).iter().next();
    Earlier {
        gap: gap.unwrap_or(ByteRange::new(length - 1, length)),
        entity,
    }
}

/// One file on its way.
struct Job<'a> {
    context: &'a Context,
    id: usize,
    source: &'a Source,
    /// For messages and control files.
    url: String,
    /// The server has been seen to ignore ranges, whatever it says of itself.
    no_ranges: Cell<bool>,
}

impl Job<'_> {
    /// The first request, with retries.
    async fn open(&self, earlier: Option<&Earlier>) -> Result<Opening, Error> {
        let mut attempt = 0;
        loop {
            let request = resolve(
                &self.context.client,
                self.source,
                earlier,
                Context::wall_clock(),
            );
            let problem = tokio::select! {
                opening = timed(self.context.stall, request) => match opening {
                    Ok(opening) => return Ok(opening),
                    Err(problem) => problem,
                },
                stopped = self.context.stopped() => return Err(stopped),
            };
            attempt += 1;
            let verdict = match (&problem.failure, earlier) {
                (Failure::Network(_), None) => self.first_verdict(&problem.failure, attempt),
                _ => self.verdict(&problem.failure, attempt),
            };
            match verdict.on_first() {
                Verdict::Retry { after } => self.pause(&problem, after).await?,
                Verdict::Restart | Verdict::Reresolve | Verdict::Fatal => {
                    return Err(self.failed(problem));
                }
            }
        }
    }

    async fn pause(&self, problem: &Problem, after: Duration) -> Result<(), Error> {
        self.retrying(problem, after);
        tokio::select! {
            () = tokio::time::sleep(after) => Ok(()),
            stopped = self.context.stopped() => Err(stopped),
        }
    }

    fn verdict(&self, failure: &Failure, attempts: u32) -> Verdict {
        retry::verdict(failure, attempts, &self.context.policy, fastrand::u64(..))
    }

    /// The verdict where nothing has ever come from the host.
    fn first_verdict(&self, failure: &Failure, attempts: u32) -> Verdict {
        let policy = &self.context.policy;
        let retries = match policy.retries {
            u32::MAX => u32::MAX,
            retries => retries.min(FIRST_RETRIES),
        };
        let policy = Policy { retries, ..*policy };
        retry::verdict(failure, attempts, &policy, fastrand::u64(..))
    }

    fn failed(&self, problem: Problem) -> Error {
        Error::Failed {
            url: self.url.clone(),
            failure: problem.failure,
            detail: problem.detail,
        }
    }

    /// The path of a finished file that is this one, if there is any.
    async fn finished_file(
        &self,
        resource: &Resource,
        part: Option<&Part>,
    ) -> Result<Option<PathBuf>, Error> {
        let size = match sink::existing(&self.context.dir, &resource.name) {
            Some(Existing::File { size }) if part.is_none() => size,
            Some(Existing::File { .. } | Existing::Other) | None => return Ok(None),
        };
        let path = self.context.dir.join(&resource.name);
        if resource.entity.length != Some(size) {
            return Ok(None);
        }
        let Some(expected) = &self.source.checksum else {
            return Ok(Some(path));
        };
        let actual = sink::digest_of(&path, &[expected.algorithm]).await?;
        Ok(actual.contains(expected).then_some(path))
    }

    /// The part file for what is opening: the earlier one if that goes on, else an empty one.
    async fn prepare(&self, part: Option<Part>, opening: &Opening) -> Result<Part, Error> {
        let resource = &opening.resource;
        let identity = Identity {
            url: self.url.clone(),
            entity: resource.entity.clone(),
        };
        let part = match part {
            Some(part) if opening.resumed => part,
            Some(part) => {
                part.restart(&identity).await?;
                part
            }
            None => Part::create(&self.context.dir, &resource.name, &identity)?,
        };
        self.context.reporter.send(Update::Started {
            id: self.id,
            name: part.name().to_owned(),
            size: resource.entity.length,
            resumed: part.done().len(),
        });
        Ok(part)
    }

    /// Fetches until nothing is missing. Begins again at the original URL when the resolved one stops working, and with
    /// an empty part when the file has changed.
    async fn fetch(&self, part: &Part, mut opening: Opening) -> Result<(), Error> {
        let mut rounds = 0;
        loop {
            let had = part.done().len();
            let problem = match fetch::fetch(self, part, opening).await {
                Ok(()) => return Ok(()),
                Err(Stop::Fatal(error)) => return Err(error),
                Err(Stop::Again(problem)) => problem,
            };
            rounds = if part.done().len() > had {
                1
            } else {
                rounds + 1
            };
            if rounds > MAX_ROUNDS {
                return Err(self.failed(problem));
            }
            self.retrying(&problem, Duration::ZERO);
            let keep = is_resumable(part) && !self.no_ranges.get() && !self.must_restart(&problem);
            let keep = keep.then(|| earlier(part));
            opening = self.open(keep.as_ref()).await?;
            if !opening.resumed {
                let entity = opening.resource.entity.clone();
                part.restart(&Identity {
                    url: self.url.clone(),
                    entity,
                })
                .await?;
            }
        }
    }

    fn must_restart(&self, problem: &Problem) -> bool {
        self.verdict(&problem.failure, 1) == Verdict::Restart
    }

    /// Compares checksums and gives the file its name.
    async fn finish(&self, part: Part, checksums: Vec<Checksum>) -> Result<Outcome, Error> {
        let actual = checksums
            .into_iter()
            .next()
            .ok_or_else(|| Error::Internal("no digest was computed".into()))?;
        if let Some(expected) = self
            .source
            .checksum
            .as_ref()
            .filter(|expected| **expected != actual)
        {
            let kept = part.reject().await?;
            let (url, expected) = (self.url.clone(), expected.clone());
            return Err(Error::Checksum {
                url,
                expected,
                actual,
                kept,
            });
        }
        let bytes = part.done().len();
        let path = part.commit().await?;
        Ok(Outcome::Complete {
            path,
            bytes,
            checksum: actual,
        })
    }

    fn retrying(&self, problem: &Problem, after: Duration) {
        self.context.reporter.send(Update::Retry {
            id: self.id,
            reason: problem.to_string(),
            after,
        });
    }
}

/// Why fetching ended before the file did.
enum Stop {
    /// For good.
    Fatal(Error),
    /// This opening is used up; another may go on.
    Again(Problem),
}

impl From<sink::Error> for Stop {
    fn from(error: sink::Error) -> Self {
        Self::Fatal(error.into())
    }
}

/// `work`, given up when it takes longer than `limit`.
async fn timed<T, E: Into<Problem>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Problem> {
    match timeout(limit, work).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(Failure::Network(Fault::Stall).into()),
    }
}

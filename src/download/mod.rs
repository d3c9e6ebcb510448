//! One file's whole life, from its URL to its name on disk.
//!
//! Reads from top to bottom: resolve, take up or create the part file, fetch what is missing, verify, rename. Every
//! decision is somebody else's: `schedule` says what is asked for next, `answer` whether an answer may be used, `retry`
//! what a failure means. What it shares with a [`stream()`] is in [`job`], the transfers themselves are in [`fetch`].

mod fetch;
mod job;
mod stream;
mod verify;
mod whole;

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use crate::Error;
use crate::hash::{Algorithm, Checksum};
use crate::http::Protocol;
use crate::net::Client;
use crate::plan;
use crate::report::Reporter;
use crate::resolve::{Opening, Resource, Source};
use crate::retry::Policy;
use crate::sink::{self, Existing, Part, Sink};

use job::{Job, earlier, outlives};
pub use stream::{Turn, stream};
use verify::Check;

/// Concurrent requests where the user named no number: HTTP/2 shares a connection, HTTP/1.1 keeps a browser's limit.
const AUTO_HTTP2: usize = 8;
const AUTO_HTTP1: usize = 6;

/// What all downloads of a run share.
pub struct Context {
    /// Runs the transfers.
    pub client: Client,
    /// Destination directory.
    pub dir: PathBuf,
    /// Concurrent range requests; `None` = by protocol.
    pub threads: Option<usize>,
    /// How files are cut; the number of requests is set for each.
    pub chunks: plan::Options,
    /// Whether the browser asks for slices without an end.
    pub open_slices: bool,
    /// When to give up.
    pub policy: Policy,
    /// Time without a byte after which a transfer is given up.
    pub stall: Duration,
    /// Digests to compute of each file; if none, one is where nobody states a checksum.
    pub algorithms: Vec<Algorithm>,
    /// Where checksums are looked for that the user has not given.
    pub search: Search,
    /// Whether the user has been told that a file had nothing to be verified by.
    pub unverified: Cell<bool>,
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
pub async fn download(context: &Context, id: usize, source: &Source) -> Result<Outcome, Error> {
    let job = Job::new(context, id, source);
    let taken_up = Part::take_up(&context.dir, &job.url)?;
    let part = taken_up.filter(|part| outlives(&part.identity().entity, source));
    let left = part
        .as_ref()
        .map(|part| earlier(&part.identity().entity, &part.done()));
    let opening = job.open(left.as_ref()).await?;
    let check = Check::new(context, source, &opening.resource);
    if let Some(path) = finished(&job, &check, &opening.resource, part.as_ref()).await? {
        let bytes = opening.resource.entity.length.unwrap_or_default();
        return Ok(Outcome::Skipped { path, bytes });
    }
    let part = prepare(&job, &check, part, &opening).await?;
    let hashing = tokio::spawn(part.hash(check.algorithms()));
    let fetching = job.fetch(Sink::Part(&part), opening);
    let found = match check.search_beside(context, fetching).await {
        Ok(found) => found,
        Err(error) => {
            // The reason for ending matters more than a state that could not be saved as well.
            let _ = part.suspend().await;
            return Err(error);
        }
    };
    let digests = hashing
        .await
        .map_err(|error| Error::Internal(format!("hashing: {error}")))??;
    let verdict = check.judge(digests, found);
    if let Some((expected, actual)) = verdict.wrong {
        let kept = Some(part.reject().await?);
        return Err(job.wrong(expected, actual, kept));
    }
    let verified = job.verified(verdict.held);
    let bytes = part.done().len();
    Ok(Outcome::Complete {
        path: part.commit().await?,
        bytes,
        checksums: verdict.digests,
        verified,
    })
}

/// The path of a finished file that is this one, if there is any.
async fn finished(
    job: &Job<'_>,
    check: &Check<'_>,
    resource: &Resource,
    part: Option<&Part>,
) -> Result<Option<PathBuf>, Error> {
    let dir = &job.context.dir;
    let size = match sink::existing(dir, &resource.name) {
        Some(Existing::File { size }) if part.is_none() => size,
        Some(Existing::File { .. } | Existing::Other) | None => return Ok(None),
    };
    let path = dir.join(&resource.name);
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
    check: &Check<'_>,
    part: Option<Part>,
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
        None => Part::create(&job.context.dir, &resource.name, &identity)?,
    };
    job.resolved(resource, part.name(), part.done().len(), check.expected());
    Ok(part)
}

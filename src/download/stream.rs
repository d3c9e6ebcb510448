//! One file's whole life as a part of a stream: from its URL to the last byte on standard output.
//!
//! Files come one after the other, without a gap: the next one makes its first request when the one before has nothing
//! left to ask for, and hands in its bytes when all of that one's are handed in.

use std::future::pending;

use tokio::sync::oneshot;

use super::job::Job;
use super::verify::Check;
use super::{Context, Outcome};
use crate::Error;
use crate::answer::Meaning;
use crate::resolve::Source;
use crate::retry::Failure;
use crate::sink::{Output, Pipe, Sink};

/// A file's place in the stream.
#[derive(Debug)]
pub struct Turn {
    /// Told when the file before has nothing left to ask for; `None` for the first.
    near: Option<oneshot::Receiver<()>>,
    /// Told the offset in the stream at which the file before ends; `None` for the first.
    base: Option<oneshot::Receiver<u64>>,
    /// For the one behind: its `near` and `base`.
    next: (oneshot::Sender<()>, oneshot::Sender<u64>),
}

impl Turn {
    /// Turns in their order, without end.
    pub fn all() -> impl Iterator<Item = Turn> {
        let mut before = (None, None);
        std::iter::repeat_with(move || {
            let (begun, near) = oneshot::channel();
            let (end, base) = oneshot::channel();
            let (before_near, before_base) =
                std::mem::replace(&mut before, (Some(near), Some(base)));
            Turn {
                near: before_near,
                base: before_base,
                next: (begun, end),
            }
        })
    }
}

/// Streams one file. `id` numbers it within the run.
///
/// # Errors
/// Whatever ended it. Then the stream is over: what would come next does not belong where it would stand.
pub async fn stream(
    context: &Context,
    id: usize,
    source: Source,
    output: &Output,
    turn: Turn,
) -> Result<Outcome, Error> {
    let (begun, end) = turn.next;
    wait(turn.near, ()).await;
    let job = Job::new(context, id, source);
    let opening = job.open(None).await?;
    let base = wait(turn.base, 0).await;
    job.all_begun.replace(Some(begun));
    let name = opening.resource.name.clone();
    let check = Check::new(context, &job.source, &opening.resource);
    let pipe = Pipe::new(output, base, check.algorithms());
    job.resolved(&opening.resource, &name, 0, check.expected());
    let fetching = Box::pin(job.fetch(Sink::Pipe(&pipe), opening));
    let fetched = check.search_beside((context, &job.source), async {
        fetching.await?;
        // The next file need not wait for the search.
        job.nothing_left_to_begin();
        let _ = end.send(base + pipe.close());
        Ok(())
    });
    let found = fetched.await.map_err(|error| broken_off(error, &pipe))?;
    let digests = tokio::select! {
        digests = pipe.written_completely() => digests?,
        stopped = context.stopped() => return Err(stopped),
    };
    let verdict = check.judge(digests, found);
    if let Some((expected, actual)) = verdict.wrong {
        return Err(job.wrong(expected, actual, None));
    }
    let verified = job.verified(verdict.held);
    Ok(Outcome::Complete {
        path: name.into(),
        bytes: pipe.written(),
        checksums: verdict.digests,
        verified,
    })
}

/// A failure of the network, or a file that keeps changing, which are worse if the reader has bytes already.
fn broken_off(error: Error, pipe: &Pipe) -> Error {
    let written = pipe.written();
    let Error::Failed { url, failure, .. } = &error else {
        return error;
    };
    if written == 0 {
        return error;
    }
    if matches!(failure, Failure::Refused(refusal) if refusal.meaning() == Meaning::Changed) {
        let url = url.clone();
        return Error::Changed { url, written };
    }
    Error::BrokenOff {
        written,
        source: Box::new(error),
    }
}

/// What the file before tells. If it does not, it has failed, and this one's turn never comes.
async fn wait<T>(told: Option<oneshot::Receiver<T>>, first: T) -> T {
    match told {
        None => first,
        Some(told) => match told.await {
            Ok(value) => value,
            Err(_) => pending().await,
        },
    }
}

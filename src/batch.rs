//! A whole run: many files at once to disk, one after the other to standard output, or only a report; signals, and the exit
//! code.

mod dry;
pub mod list;
mod online;
mod queue;

use std::cell::Cell;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{self, FuturesUnordered, StreamExt as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::download::{
    self, Brought, Context, Destination, Doors, Hosts, Outcome, Pace, Search, Turn, bring,
};
use crate::hash::Algorithm;
use crate::plan;
use crate::report::{Reporter, Update};
use crate::retry::Policy;
use crate::sink::{self, Manifest, Output};
use crate::{Config, Error};

pub use dry::Print;
use queue::{Item, Queue};

const MIB: usize = 1 << 20;

/// Files to be fetched at once, of all hosts together, where the user named no number.
const FILES: usize = 64;

/// So many places become free before others take them: enough that the network is told of several at once, and few enough that it
/// has something to do meanwhile.
const HANDFUL: usize = 16;

/// Files that may wait for the disk beside them. It serves many in the time of one, so this is what keeps it from holding up
/// the network; each takes a file descriptor, of which a process has a thousand or so.
const ENDING: usize = 128;

/// What a file that has ended waits if more is told than shown.
const BREATH: Duration = Duration::from_millis(20);

/// Requests to plan a stream for where neither the user nor, yet, the protocol says how many.
const USUAL: usize = 8;

/// Does what the configuration says and returns the exit code: the failures' common one, or 1. What happens to files is told
/// to `reporter`, which the caller closes; `print` gets the reports of a dry run.
///
/// # Errors
/// Only what prevents the run as a whole; a file's failure is reported and counted.
pub fn run(config: &Config, reporter: &Reporter, print: &mut Print<'_>) -> Result<u8, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Internal(format!("starting the runtime: {error}")))?;
    let code = runtime.block_on(all(config, reporter, print));
    // Blocks that a cancelled download was writing need not be waited for: nothing claims them.
    runtime.shutdown_background();
    code
}

async fn all(config: &Config, reporter: &Reporter, print: &mut Print<'_>) -> Result<u8, Error> {
    let (stop, stopped) = watch::channel(None);
    let queue = Queue::new(config)?;
    let context = context(config, reporter.clone(), stopped)?;
    if !config.dry_run {
        tell_planned(&context, &queue);
    }
    let work = async {
        match context.chunks.window {
            _ if config.dry_run => dry::run(config, &context, queue, print).await,
            None => each(config, &context, queue).await,
            Some(window) => one_stream(config, &context, queue, window).await,
        }
    };
    let code = tokio::select! {
        code = work => code,
        error = watch_signals(&stop, context.chunks.window.is_none()) => Err(error),
    };
    let kept = online::keep_cookies(config, &context.session, Context::wall_clock());
    match (&code, kept) {
        // What went wrong before matters more.
        (Ok(0), Err(error)) => Err(error),
        _ => code,
    }
}

/// To disk: many at once, and one that fails does not keep the others from being tried. A file that has come makes room for the
/// next one, and is put in its place meanwhile.
async fn each(config: &Config, context: &Context, mut queue: Queue) -> Result<u8, Error> {
    let listing = Listing::new(config)?;
    let most = config.limits.threads.unwrap_or(FILES).min(FILES);
    let (mut running, mut ending) = (FuturesUnordered::new(), FuturesUnordered::new());
    let (mut code, mut more) = (0, true);
    loop {
        let mut free = most.saturating_sub(running.len());
        if more && free >= HANDFUL.min(most) && ending.len() < ENDING {
            // Before more of those that have come are seen to: the network is idle until it is told of the next ones.
            while free > 0
                && let Some(Some(item)) = queue.next().now_or_never()
            {
                running.push(begun(one(context, item)));
                free -= 1;
            }
        }
        let has_room = free > 0 && ending.len() < ENDING;
        let is_idle = running.is_empty() && ending.is_empty();
        if is_idle && !more {
            return Ok(code);
        }
        let (id, result) = tokio::select! {
            biased;
            Some(ended) = ending.next(), if !ending.is_empty() => ended,
            Some((id, brought)) = running.next(), if !running.is_empty() => match brought {
                Ok(Brought::Whole(whole)) => {
                    ending.push(async move { (id, whole.put_in_place().await) });
                    continue;
                }
                Ok(Brought::Nothing(outcome)) => (id, Ok(outcome)),
                Err(error) => (id, Err(error)),
            },
            item = queue.next(), if more && has_room => {
                match item {
                    Some(item) => running.push(begun(one(context, item))),
                    None => {
                        more = false;
                        tell_planned(context, &queue);
                    }
                }
                continue;
            }
            error = context.stopped(), if more && is_idle => {
                code = common(code, error.exit_code());
                more = false;
                continue;
            }
        };
        let result = listing.list(result).await;
        if let Err(error) = &result {
            code = common(code, error.exit_code());
            more &= !matches!(error, Error::Interrupted { .. });
        }
        tell(context, id, result);
        breathe(context).await;
    }
}

/// Tells how many files there are, once that is known.
fn tell_planned(context: &Context, queue: &Queue) {
    if let Some(files) = queue.planned() {
        context.reporter.send(Update::Planned { files });
    }
}

/// Lets the faces catch up, but is not held up by one that has stopped.
async fn breathe(context: &Context) {
    if context.reporter.is_behind() {
        tokio::time::sleep(BREATH).await;
    }
}

/// What is begun at once, and not only when it has its turn among others.
fn begun<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let mut work = Box::pin(work);
    let end = work.as_mut().now_or_never();
    async move {
        match end {
            Some(end) => end,
            None => work.await,
        }
    }
}

async fn one(context: &Context, item: Item) -> (usize, Result<Brought<'_>, Error>) {
    let result = match item.source {
        Ok(source) => bring(context, item.id, source).await,
        Err(error) => Err(told(context, item.id, item.place, error)),
    };
    (item.id, result)
}

/// To standard output. While one file ends, the next one begins; the first that fails is the last.
async fn one_stream(
    config: &Config,
    context: &Context,
    queue: Queue,
    window: u64,
) -> Result<u8, Error> {
    let discard = config.stream.is_some_and(|stream| stream.discard);
    let output = if discard {
        Output::nowhere(window)
    } else {
        Output::stdout(window)
    }?;
    let output = &output;
    let listing = Listing::new(config)?;
    let items = stream::unfold(queue, async |mut queue| {
        let item = queue.next().await?;
        Some((item, queue))
    });
    let begun = items
        .zip(stream::iter(Turn::all()))
        .map(|(item, turn)| async move {
            let result = match item.source {
                Ok(source) => download::stream(context, item.id, source, output, turn).await,
                Err(error) => Err(told(context, item.id, item.place, error)),
            };
            (item.id, result)
        });
    let mut files = std::pin::pin!(begun.buffered(2));
    while let Some((id, result)) = files.next().await {
        let result = listing.list(result).await;
        let failed = result.as_ref().err().map(Error::exit_code);
        tell(context, id, result);
        if let Some(code) = failed {
            return Ok(code);
        }
    }
    Ok(0)
}

/// The error of a line that is no source, which begins and ends here.
fn told(context: &Context, id: usize, place: Option<String>, error: Error) -> Error {
    let place = place.unwrap_or_default();
    context.reporter.send(Update::Started {
        id,
        url: place.clone(),
        name: place,
    });
    error
}

/// Nobody reads what is printed.
fn reader_gone() -> Error {
    sink::Error::ReaderGone.into()
}

/// The manifest, if one is wanted.
struct Listing {
    manifest: Option<Manifest>,
    /// Of its digests: that which the user named first.
    algorithm: Algorithm,
}

impl Listing {
    fn new(config: &Config) -> Result<Self, Error> {
        let manifest = config.files.manifest.as_deref().map(Manifest::open);
        let algorithm = config.checksums.algorithms.first();
        Ok(Self {
            manifest: manifest.transpose()?,
            algorithm: algorithm.copied().unwrap_or(Algorithm::Md5),
        })
    }

    /// Lists a file that is complete, now or already before.
    async fn list(&self, result: Result<Outcome, Error>) -> Result<Outcome, Error> {
        let (Some(manifest), Ok(outcome)) = (&self.manifest, &result) else {
            return result;
        };
        let (path, known) = match outcome {
            Outcome::Complete {
                path, checksums, ..
            } => (path, checksums.clone()),
            Outcome::Skipped { path, .. } => {
                (path, sink::digest_of(path, &[self.algorithm]).await?)
            }
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(digest) = known
            .iter()
            .find(|digest| digest.algorithm == self.algorithm)
        {
            manifest.list(digest, &name)?;
        }
        result
    }
}

/// Reports how a file ended. That the reader of standard output has gone is what `head` and its like do.
fn tell(context: &Context, id: usize, result: Result<Outcome, Error>) {
    if let Err(error) = &result {
        error.trace();
    }
    context.reporter.send(match result {
        Ok(Outcome::Complete {
            path,
            bytes,
            checksums,
            verified,
        }) => Update::Completed {
            id,
            path,
            bytes,
            checksums,
            verified,
        },
        Ok(Outcome::Skipped { path, bytes }) => Update::Skipped { id, path, bytes },
        Err(Error::Disk(sink::Error::ReaderGone)) => return,
        Err(error) => Update::Failed {
            id,
            kind: error.kind(),
            exit_code: error.exit_code(),
            error: error.to_string(),
            hint: error.hint(),
        },
    });
}

/// The code for a run in which `code` was the failures' so far.
fn common(code: u8, next: u8) -> u8 {
    match code {
        0 => next,
        same if same == next => same,
        _ if next > 128 => next,
        _ => 1,
    }
}

fn context(
    config: &Config,
    reporter: Reporter,
    stop: watch::Receiver<Option<i32>>,
) -> Result<Context, Error> {
    let requests = config.limits.threads.unwrap_or(USUAL);
    let chunks = match config.stream {
        None => plan::Options {
            min_chunk: config.limits.min_chunk,
            ..plan::Options::default()
        },
        Some(stream) => {
            let window = stream.buffer;
            let window = window.unwrap_or_else(|| plan::window(requests, stream.chunk));
            plan::Options::ordered(requests, stream.chunk, window)
        }
    };
    Ok(Context {
        client: online::client(config)?,
        other_family: online::other_family(config),
        session: online::session(config),
        destination: Destination {
            on_conflict: config.files.on_conflict,
            max_size: config.files.max_size,
            ..Destination::new(config.files.dir.clone())
        },
        threads: config.limits.threads,
        sockets: config.limits.connections,
        chunks,
        open_slices: config.fingerprint.slice.open,
        policy: Policy {
            retries: config.retry.retries,
            first_retries: first_retries(config),
            max_retry_after: config.retry.max_retry_after,
            ..Policy::default()
        },
        stall: config.retry.stall_timeout,
        give_up_after: config.retry.give_up_after,
        hosts: Hosts::default(),
        pace: Pace::new(config.limits.rate),
        algorithms: match config.files.manifest {
            // It needs one in any case.
            Some(_) if config.checksums.algorithms.is_empty() => vec![Algorithm::Md5],
            Some(_) | None => config.checksums.algorithms.clone(),
        },
        search: match (config.checksums.verify, config.checksums.sidecar) {
            (false, _) => Search::Off,
            (true, false) => Search::Likely,
            (true, true) => Search::Everywhere,
        },
        doors: Doors::default(),
        unverified: Cell::new(false),
        reporter,
        stop,
    })
}

/// A host that never answers is given up sooner than one that did, unless the user has said how often to try.
fn first_retries(config: &Config) -> u32 {
    let mut settings = config.settings.iter();
    let said = settings.any(|setting| setting.name == "retries" && setting.origin != "default");
    if said {
        config.retry.retries
    } else {
        Policy::default().first_retries
    }
}

/// The first signal asks the downloads to save their state and end, the second does not wait for that.
async fn watch_signals(stop: &watch::Sender<Option<i32>>, saved: bool) -> Error {
    let listen = |kind| {
        signal(kind).map_err(|error| Error::Internal(format!("listening for signals: {error}")))
    };
    let (mut interrupt, mut terminate, mut hangup) = match (
        listen(SignalKind::interrupt()),
        listen(SignalKind::terminate()),
        listen(SignalKind::hangup()),
    ) {
        (Ok(interrupt), Ok(terminate), Ok(hangup)) => (interrupt, terminate, hangup),
        (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => return error,
    };
    loop {
        let signal = tokio::select! {
            _ = interrupt.recv() => 2,
            _ = terminate.recv() => 15,
            _ = hangup.recv() => 1,
        };
        if stop.send_replace(Some(signal)).is_some() {
            return Error::Interrupted { signal, saved };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{begun, common};

    #[test]
    fn failures_of_one_kind_keep_their_code() {
        assert_eq!(common(0, 4), 4);
        assert_eq!(common(4, 4), 4);
        assert_eq!(common(4, 3), 1);
        assert_eq!(common(1, 3), 1);
        assert_eq!(common(4, 130), 130);
    }

    #[tokio::test]
    async fn what_is_begun_has_had_its_first_turn_and_ends_all_the_same() {
        let turns = Cell::new(0);
        let work = begun(async {
            turns.set(1);
            tokio::task::yield_now().await;
            turns.set(2);
            "end"
        });
        assert_eq!(turns.get(), 1);
        assert_eq!((work.await, turns.get()), ("end", 2));
        assert_eq!(begun(std::future::ready("at once")).await, "at once");
    }
}

//! A whole run: every URL one after the other, to disk or to standard output, signals, and the exit code.

mod online;

use std::cell::Cell;

use futures_util::stream::{self, StreamExt as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::download::{self, Context, Destination, Hosts, Outcome, Pace, Search, Turn, download};
use crate::plan;
use crate::report::{Reporter, Update};
use crate::resolve::Source;
use crate::retry::Policy;
use crate::sink::{self, Output};
use crate::{Config, Error};

const MIB: usize = 1 << 20;

/// Requests to plan a stream for where neither the user nor, yet, the protocol says how many.
const USUAL: usize = 8;

/// Downloads everything and returns the exit code: the failures' common one, or 1. What happens to files is told to
/// `reporter`, which the caller closes.
///
/// # Errors
/// Only what prevents the run as a whole; a file's failure is reported and counted.
pub fn run(config: &Config, reporter: &Reporter) -> Result<u8, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Internal(format!("starting the runtime: {error}")))?;
    let code = runtime.block_on(all(config, reporter));
    // Blocks that a cancelled download was writing need not be waited for: nothing claims them.
    runtime.shutdown_background();
    code
}

async fn all(config: &Config, reporter: &Reporter) -> Result<u8, Error> {
    let (stop, stopped) = watch::channel(None);
    let context = context(config, reporter.clone(), stopped)?;
    reporter.send(Update::Planned {
        files: config.sources.urls.len(),
    });
    let work = async {
        match context.chunks.window {
            None => Ok(each(config, &context).await),
            Some(window) => one_stream(config, &context, window).await,
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

/// To disk: a file that fails does not keep the next one from being tried.
async fn each(config: &Config, context: &Context) -> u8 {
    let mut code = 0;
    for (id, source) in sources(config).enumerate() {
        let result = download(context, id, &source).await;
        if let Err(error) = &result {
            code = common(code, error.exit_code());
        }
        let interrupted = matches!(result, Err(Error::Interrupted { .. }));
        tell(context, id, result);
        if interrupted {
            break;
        }
    }
    code
}

/// To standard output. While one file ends, the next one begins; the first that fails is the last.
async fn one_stream(config: &Config, context: &Context, window: u64) -> Result<u8, Error> {
    let discard = config.stream.is_some_and(|stream| stream.discard);
    let output = if discard {
        Output::nowhere(window)
    } else {
        Output::stdout(window)
    }?;
    let output = &output;
    let begun = sources(config).zip(Turn::all()).enumerate();
    let begun = begun.map(|(id, (source, turn))| async move {
        let result = download::stream(context, id, &source, output, turn).await;
        (id, result)
    });
    let mut files = stream::iter(begun).buffered(2);
    while let Some((id, result)) = files.next().await {
        let failed = result.as_ref().err().map(Error::exit_code);
        tell(context, id, result);
        if let Some(code) = failed {
            return Ok(code);
        }
    }
    Ok(0)
}

fn sources(config: &Config) -> impl Iterator<Item = Source> {
    config.sources.urls.iter().map(|url| Source {
        checksum: config.sources.checksum.clone(),
        name: config.sources.out.clone(),
        pages: config.files.accept_html,
        ..Source::new(url.clone())
    })
}

/// Reports how a file ended. That the reader of standard output has gone is what `head` and its like do.
fn tell(context: &Context, id: usize, result: Result<Outcome, Error>) {
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
        algorithms: config.checksums.algorithms.clone(),
        search: match (config.checksums.verify, config.checksums.sidecar) {
            (false, _) => Search::Off,
            (true, false) => Search::Likely,
            (true, true) => Search::Everywhere,
        },
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
    use super::common;

    #[test]
    fn failures_of_one_kind_keep_their_code() {
        assert_eq!(common(0, 4), 4);
        assert_eq!(common(4, 4), 4);
        assert_eq!(common(4, 3), 1);
        assert_eq!(common(1, 3), 1);
        assert_eq!(common(4, 130), 130);
    }
}

//! A whole run: every URL one after the other, signals, and the exit code.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::download::{Context, Outcome, download};
use crate::net::{self, Client};
use crate::report::{Reporter, Update};
use crate::resolve::Source;
use crate::retry::Policy;
use crate::{Config, Error};

const MIB: usize = 1 << 20;

/// Body bytes that all transfers together may have on their way to the disk.
const IN_FLIGHT: usize = 24 * MIB;

/// Downloads everything and returns the exit code: the failures' common one, or 1.
///
/// # Errors
/// Only what prevents the run as a whole; a file's failure is reported and counted.
pub fn run(config: &Config) -> Result<u8, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Internal(format!("starting the runtime: {error}")))?;
    let code = runtime.block_on(all(config));
    // Blocks that a cancelled download was writing need not be waited for: nothing claims them.
    runtime.shutdown_background();
    code
}

async fn all(config: &Config) -> Result<u8, Error> {
    let (stop, stopped) = watch::channel(None);
    let context = context(config, stopped)?;
    tokio::select! {
        code = each(config, &context) => Ok(code),
        error = watch_signals(&stop) => Err(error),
    }
}

async fn each(config: &Config, context: &Context) -> u8 {
    let mut code = 0;
    for (id, url) in config.urls.iter().enumerate() {
        let source = Source {
            url: url.clone(),
            checksum: config.checksum.clone(),
        };
        let update = match download(context, id, &source).await {
            Ok(Outcome::Complete {
                path,
                bytes,
                checksum,
            }) => Update::Finished {
                id,
                path,
                bytes,
                checksum,
            },
            Ok(Outcome::Skipped { path }) => Update::Skipped { id, path },
            Err(error) => {
                code = common(code, error.exit_code());
                let interrupted = matches!(error, Error::Interrupted { .. });
                let (error, hint) = (error.to_string(), error.hint());
                context.reporter.send(Update::Failed { id, error, hint });
                if interrupted {
                    break;
                }
                continue;
            }
        };
        context.reporter.send(update);
    }
    context.reporter.close();
    code
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

fn context(config: &Config, stop: watch::Receiver<Option<i32>>) -> Result<Context, Error> {
    let window = (IN_FLIGHT / config.threads.unwrap_or(8)).clamp(512 * 1024, 2 * MIB);
    let client = Client::new(net::Options {
        fingerprint: Arc::new(config.fingerprint.clone()),
        insecure: config.insecure,
        cacert: config.cacert.clone(),
        connect_timeout: Duration::from_secs(15),
        window,
    })
    .map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Context {
        client,
        dir: config.output.clone(),
        threads: config.threads,
        min_chunk: MIB as u64,
        policy: Policy::default(),
        stall: Duration::from_secs(30),
        algorithm: config.algorithm,
        reporter: Reporter::new(config.quiet),
        stop,
    })
}

/// The first signal asks the downloads to save their state and end, the second does not wait for that.
async fn watch_signals(stop: &watch::Sender<Option<i32>>) -> Error {
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
            return Error::Interrupted { signal };
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

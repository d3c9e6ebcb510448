//! Connections of the real stack to a capture server, and what the server saw of them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::Error;
use crate::capture::{Answer, Answers, Body, Options, Server};
use crate::fingerprint::Fingerprint;
use crate::fingerprint::headers::Places;
use crate::fingerprint::observed::{Connection, Request as Seen};
use crate::net::{self, Client, Event, Kind, Request, Transfer};

/// Clients that connect at once; each is a thread.
const AT_ONCE: usize = 10;
/// Body bytes that may wait in a client: more than any answer has, since a paused transfer shows another rhythm.
const WINDOW: usize = 1 << 30;
/// Nothing on this machine takes longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A server that answers with so many bytes, or what a Range header asks of them.
pub(super) fn serve(options: &Options, length: u64) -> Result<Server, Error> {
    start(
        options,
        Arc::new(move |request: &Seen| file(request, length)),
    )
}

/// The same, with a new connection for each request.
pub(super) fn serve_once(options: &Options, length: u64) -> Result<Server, Error> {
    start(
        options,
        Arc::new(move |request: &Seen| Answer {
            close: true,
            ..file(request, length)
        }),
    )
}

fn start(options: &Options, answers: Answers) -> Result<Server, Error> {
    Server::start(options, answers)
        .map_err(|error| Error::Internal(format!("starting the capture server: {error}")))
}

/// Part or all of a file of `length` zeros.
pub(super) fn file(request: &Seen, length: u64) -> Answer {
    let mut headers = vec![
        ("content-type", "application/octet-stream".to_owned()),
        ("accept-ranges", "bytes".to_owned()),
        ("etag", "\"capture\"".to_owned()),
    ];
    let range = request
        .header("range")
        .and_then(|range| bounds(range, length));
    let (status, count) = match range {
        Some((start, end)) => {
            headers.push((
                "content-range",
                format!("bytes {start}-{}/{length}", end - 1),
            ));
            (206, end - start)
        }
        None => (200, length),
    };
    Answer {
        status,
        headers,
        body: Body::Zeros(count),
        close: false,
    }
}

/// The half-open range that `bytes=a-b` or `bytes=a-` asks for.
fn bounds(range: &str, length: u64) -> Option<(u64, u64)> {
    let (start, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let start: u64 = start.parse().ok()?;
    let end = last
        .parse::<u64>()
        .map_or(length, |last| last.saturating_add(1).min(length));
    (start < end).then_some((start, end))
}

/// A client that wears `fingerprint` and trusts anybody.
pub(super) fn client(fingerprint: &Arc<Fingerprint>) -> Result<Client, Error> {
    let options = net::Options {
        insecure: true,
        connect_timeout: PATIENCE,
        window: WINDOW,
        ..net::Options::new(fingerprint.clone())
    };
    Client::new(options).map_err(|error| Error::Internal(error.to_string()))
}

/// A request to the server's host by name, as a typed address has it.
pub(super) fn request(server: &Server, kind: Kind, places: &Places) -> Request {
    Request {
        url: format!("https://localhost:{}/", server.port()),
        kind,
        node: None,
        patient: false,
        places: places.clone(),
    }
}

/// Reads a transfer to its end.
pub(super) async fn finish(mut transfer: Transfer) -> Result<(), Error> {
    let end = async {
        while let Some(event) = transfer.next().await {
            if let Event::End(result) = event {
                return result.map_err(|error| error.to_string());
            }
        }
        Err("the transfer ended without an end".to_owned())
    };
    let ended = tokio::time::timeout(PATIENCE, end).await;
    ended
        .unwrap_or_else(|_| Err(format!("took longer than {PATIENCE:?}")))
        .map_err(|error| Error::Internal(format!("connecting to the capture server: {error}")))
}

/// Asks `server` the same on `count` connections, each of a client of its own, and returns what it saw of them all.
pub(super) async fn repeat(
    server: &Server,
    fingerprint: &Arc<Fingerprint>,
    kind: Kind,
    places: &Places,
    count: usize,
) -> Result<Vec<Connection>, Error> {
    let mut left = count;
    while left > 0 {
        let now = left.min(AT_ONCE);
        let all = join_all((0..now).map(|_| async {
            let client = client(fingerprint)?;
            finish(client.start(request(server, kind, places))).await
        }));
        all.await.into_iter().collect::<Result<Vec<()>, Error>>()?;
        left -= now;
    }
    Ok(server.connections())
}

/// Runs a future on a runtime of its own.
pub(super) fn block_on<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Internal(format!("starting the runtime: {error}")))?
        .block_on(future)
}

//! `hs fingerprint record`: serves a page that makes a browser show itself, and writes down what it showed.
//!
//! Every answer ends its connection and no session can be resumed, so each request of the page is a cold connection. When
//! the page's download has come through, the server turns to HTTP/1.1 and the page opens one more address.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::connect::{block_on, file};
use super::today;
use crate::Error;
use crate::capture::{Answer, Answers, Body, Options, Server};
use crate::day;
use crate::fingerprint::observed::{Connection, Request};
use crate::fingerprint::recording::{self, Who, path};
use crate::fingerprint::text;

/// The page; `COUNT` stands for the number of connections.
const PAGE: &str = include_str!("page.html");
/// Bytes of the long answers: enough to see how they are acknowledged.
const LONG: u64 = 48 << 20;
/// Bytes of a range.
const SHORT: u64 = 1000;
/// How often the server's notes are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long the page waits for its download to end, in ticks.
const END_TICKS: u32 = 300;
/// How long the page waits for a download to begin, in ticks; a browser may ask its user first.
const BEGIN_TICKS: u32 = 50;

/// What to record.
#[derive(Debug, Clone)]
pub struct Recording {
    /// For `browser.name` in the file.
    pub name: String,
    /// Cold connections to ask for.
    pub connections: usize,
    /// Time for everything, from the moment the address is shown.
    pub timeout: Duration,
    /// Port to listen on; 0 = any.
    pub port: u16,
}

/// What the recording has to say while it runs.
#[derive(Debug)]
pub enum Progress<'a> {
    /// The server listens; its address and its certificate in PEM.
    Ready {
        /// What to open.
        address: &'a str,
        /// What the browser will be shown.
        certificate: &'a str,
    },
    /// So many connections came so far.
    Connections(usize),
}

/// Waits for a browser to walk through the page, and returns the file's text. `say` is told what happens; if it fails,
/// so does the recording.
///
/// # Errors
/// If no browser came in time, or it showed too little for a file.
pub fn record(
    wanted: &Recording,
    mut say: impl FnMut(Progress<'_>) -> Result<(), Error>,
) -> Result<String, Error> {
    let page = Arc::new(Page {
        connections: wanted.connections,
        turned: AtomicBool::new(false),
        version: Mutex::default(),
    });
    let answers: Answers = {
        let page = page.clone();
        Arc::new(move |request: &Request| page.answer(request))
    };
    let options = Options {
        port: wanted.port,
        ..Options::default()
    };
    let server = Server::start(&options, answers)
        .map_err(|error| Error::Internal(format!("starting the capture server: {error}")))?;
    say(Progress::Ready {
        address: &format!("https://localhost:{}/", server.port()),
        certificate: server.certificate(),
    })?;
    let walked = block_on(async {
        let walk = walk(&server, &page, &mut say);
        match tokio::time::timeout(wanted.timeout, walk).await {
            Ok(walked) => walked.map(|()| true),
            Err(_) => Ok(false),
        }
    })?;
    let who = Who {
        name: wanted.name.clone(),
        version: page.version(),
        day: day::text(today()),
    };
    let (fingerprint, mut notes) =
        recording::fingerprint(&server.connections(), &who).map_err(|missing| {
            let hint = "leave the page open until it says that all is recorded";
            Error::usage(format!("recording: {missing}"), hint)
        })?;
    if !walked {
        notes.insert(
            0,
            "The page was not walked through to its end in time.".to_owned(),
        );
    }
    Ok(text::file(&fingerprint, &notes))
}

/// Waits for the last page, and turns the server to HTTP/1.1 before it.
async fn walk(
    server: &Server,
    page: &Page,
    say: &mut impl FnMut(Progress<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut waited = 0;
    let mut shown = 0;
    loop {
        tokio::time::sleep(TICK).await;
        let seen = server.connections();
        if seen.len() > shown {
            shown = seen.len();
            say(Progress::Connections(shown))?;
        }
        if page.turned.load(Ordering::Relaxed) {
            if seen.iter().any(|connection| asked(connection, path::HTTP1)) {
                return Ok(());
            }
        } else if seen.iter().any(|connection| asked(connection, "/turn")) {
            waited += 1;
            let download = || seen.iter().filter(|it| asked(it, path::DOWNLOAD));
            let begun = download().next().is_some();
            let ended = download().any(|it| recording::is_answered(it, path::DOWNLOAD));
            if ended || waited > END_TICKS || !begun && waited > BEGIN_TICKS {
                server.agree_on_http1(true);
                page.turned.store(true, Ordering::Relaxed);
            }
        }
    }
}

fn asked(connection: &Connection, target: &str) -> bool {
    connection
        .requests
        .iter()
        .any(|request| request.target == target)
}

/// What the server says to the browser.
struct Page {
    /// Cold connections to ask for.
    connections: usize,
    /// Whether the server has turned to HTTP/1.1.
    turned: AtomicBool,
    /// Full version, if the browser told its page.
    version: Mutex<Option<String>>,
}

impl Page {
    fn version(&self) -> Option<String> {
        let version = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        version.clone().filter(|version| !version.is_empty())
    }

    fn answer(&self, request: &Request) -> Answer {
        let (path, query) = request
            .target
            .split_once('?')
            .unwrap_or((&request.target, ""));
        if let path::DOWNLOAD | path::RANGE | path::LONG = path {
            let length = if path == path::RANGE { SHORT } else { LONG };
            return Answer {
                close: true,
                ..file(request, length)
            };
        }
        if let Some(version) = query.strip_prefix("version=") {
            let mut known = self.version.lock().unwrap_or_else(PoisonError::into_inner);
            *known = Some(version.to_owned());
        }
        let turned = self.turned.load(Ordering::Relaxed);
        let (kind, text) = match path {
            path::TYPED => (
                "text/html",
                PAGE.replace("COUNT", &self.connections.to_string()),
            ),
            path::HTTP1 => (
                "text/html",
                "All is recorded. You can close this page.".to_owned(),
            ),
            "/turn" if turned => ("text/plain", "go".to_owned()),
            _ => ("text/plain", "wait".to_owned()),
        };
        Answer {
            status: 200,
            headers: vec![
                ("content-type", kind.to_owned()),
                ("cache-control", "no-store".to_owned()),
            ],
            body: Body::Text(text),
            // Whoever asks whether it is time asks often, and always on the same connection.
            close: path != "/turn",
        }
    }
}

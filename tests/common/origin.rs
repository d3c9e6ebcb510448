//! The server side of a test: the demonstration's origin, with files of known bytes, told to behave or not to.
//!
//! A [`Site`] answers as its files are described (size, validators, ranges, speed; see `server/files.rs`), unless the test
//! gives it a behaviour that turns the right reply into another one. Every site has ports of its own.

#[allow(dead_code, reason = "the demonstration uses what the tests do not")]
#[path = "../../examples/origin/server/mod.rs"]
pub mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use server::content;
use server::files::{Files, Resource, seed_of};
use server::log::{Connection, Exchange, Log};
use server::script::{Protocol, Reply, Request, Script};
use server::{Config, Origin};

pub const MIB: u64 = 1 << 20;

/// How a client reaches a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// TLS, and the server speaks HTTP/2.
    Http2,
    /// TLS, and the server speaks HTTP/1.1 alone.
    Http1,
    /// HTTP/1.1 without TLS.
    Clear,
}

/// Every way there is.
pub const EVERY_WAY: [Via; 3] = [Via::Http2, Via::Http1, Via::Clear];

/// Runs a test in every way at once: most of its time it waits.
pub fn in_every_way(test: impl Fn(Via) + Sync) {
    std::thread::scope(|scope| {
        for via in EVERY_WAY {
            let test = &test;
            scope.spawn(move || test(via));
        }
    });
}

/// Makes of the right reply to a request the one that is sent.
pub type Behaviour = dyn Fn(&Request, Reply) -> Reply + Send + Sync;

/// Whether to accept another connection when so many are open.
pub type Admission = dyn Fn(usize) -> bool + Send + Sync;

/// A running origin.
pub struct Site {
    via: Via,
    files: Arc<Files>,
    origin: Origin,
}

struct Behaving {
    files: Arc<Files>,
    behaviour: Box<Behaviour>,
    admission: Box<Admission>,
}

impl Script for Behaving {
    fn reply(&self, request: &Request) -> Reply {
        (self.behaviour)(request, self.files.reply(request))
    }

    fn admit(&self, open: usize) -> bool {
        (self.admission)(open)
    }
}

/// The setup of a server that takes so many HTTP/2 streams at once (SETTINGS_MAX_CONCURRENT_STREAMS, RFC 9113 §6.5.2).
pub fn taking(streams: u32) -> Config {
    const MAX_CONCURRENT_STREAMS: u16 = 3;
    Config {
        settings: vec![(MAX_CONCURRENT_STREAMS, streams)],
        ..Config::default()
    }
}

impl Site {
    /// A site that does everything right.
    pub fn new(via: Via) -> Self {
        Self::behaving(via, |_, reply| reply)
    }

    /// A site that sends what `behaviour` makes of the right reply to a request.
    pub fn behaving(
        via: Via,
        behaviour: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::set_up(
            via,
            Config::default(),
            Box::new(behaviour),
            Box::new(|_| true),
        )
    }

    /// A site over TLS that does everything right and is set up like this.
    pub fn configured(config: Config) -> Self {
        Self::set_up(
            Via::Http2,
            config,
            Box::new(|_, reply| reply),
            Box::new(|_| true),
        )
    }

    /// A site with a setup, a behaviour and a door of its own.
    pub fn set_up(
        via: Via,
        mut config: Config,
        behaviour: Box<Behaviour>,
        admission: Box<Admission>,
    ) -> Self {
        if via == Via::Http1 {
            config.tls.alpn = vec![Protocol::Http11];
        }
        let files = Arc::new(Files::new(Resource::new(0, MIB)));
        let script = Behaving {
            files: Arc::clone(&files),
            behaviour,
            admission,
        };
        let origin = Origin::start(config, Arc::new(script), Arc::new(Log::default())).unwrap();
        Self { via, files, origin }
    }

    /// The URL of a path and query.
    pub fn url(&self, target: &str) -> String {
        match self.via {
            Via::Http2 | Via::Http1 => self.origin.https_url(target),
            Via::Clear => self.origin.http_url(target),
        }
    }

    /// As [`Site::url`], with credentials in it.
    pub fn url_as(&self, user: &str, password: &str, target: &str) -> String {
        let url = self.url(target);
        let (scheme, rest) = url.split_once("://").unwrap();
        format!("{scheme}://{user}:{password}@{rest}")
    }

    /// Host and port, as a browser names them.
    pub fn authority(&self) -> String {
        let url = self.url("/");
        let (_, rest) = url.split_once("://").unwrap();
        rest.trim_end_matches('/').to_owned()
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        let authority = self.authority();
        let (_, port) = authority.rsplit_once(':').unwrap();
        port.parse().unwrap()
    }

    /// The certificate to trust, PEM.
    pub fn ca_pem(&self) -> &str {
        &self.origin.ca_pem
    }

    /// Puts another resource where `path` is.
    pub fn set(&self, path: &str, resource: Resource) {
        self.files.set(path, resource);
    }

    /// All requests so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.origin.log.exchanges()
    }

    /// All connections so far.
    pub fn connections(&self) -> Vec<Connection> {
        self.origin.log.connections()
    }

    /// What was asked and what became of it, a line each, for whoever reads of a failed test.
    pub fn story(&self) -> String {
        let line = |exchange: &Exchange| {
            let request = &exchange.request;
            format!(
                "\n{:.3}-{:.3} {:?} {} {}: {:?}, {} bytes sent, reset {:?}",
                exchange.at.as_secs_f64(),
                exchange.ended.unwrap_or_default().as_secs_f64(),
                request.protocol,
                request.target,
                request.header("range").unwrap_or_default(),
                exchange.status,
                exchange.sent,
                exchange.reset
            )
        };
        self.exchanges().iter().map(line).collect()
    }

    /// Bytes of body sent so far, in all answers.
    pub fn sent(&self) -> u64 {
        self.exchanges().iter().map(|exchange| exchange.sent).sum()
    }

    /// Waits until every client has gone, so that nothing is on its way into the log.
    pub fn settle(&self) -> &Self {
        self.wait_until("every connection is closed", || {
            self.connections()
                .iter()
                .all(|connection| connection.closed.is_some())
        });
        self
    }

    /// Waits until so many bytes of body have been sent.
    pub fn wait_for_sent(&self, bytes: u64) {
        self.wait_until(&format!("{bytes} bytes are sent"), || self.sent() >= bytes);
    }

    fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let begun = Instant::now();
        while !condition() {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "not in 30 s: {what}; {:#}",
                self.origin.log.to_json()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The bytes of the file of this path that nobody has registered.
pub fn bytes_of(path: &str, size: u64) -> Vec<u8> {
    content::bytes(seed_of(path), 0..size)
}

/// The bytes of a resource of this seed.
pub fn bytes_of_seed(seed: u64, size: u64) -> Vec<u8> {
    content::bytes(seed, 0..size)
}

/// Whether a request asks for a range.
pub fn asks_range(request: &Request) -> bool {
    request.header("range").is_some()
}

/// The most requests that were being answered at one time.
pub fn most_active(exchanges: &[Exchange]) -> usize {
    exchanges
        .iter()
        .map(|exchange| exchange.request.active)
        .max()
        .unwrap_or(0)
}

/// The most bodies of the file that were being sent at one time.
pub fn most_served(exchanges: &[Exchange]) -> usize {
    let served: Vec<_> = exchanges
        .iter()
        .filter(|exchange| matches!(exchange.status, Some(200 | 206)))
        .collect();
    let at_once = |at| {
        let lasts = |e: &&&Exchange| e.at <= at && e.ended.is_none_or(|ended| ended > at);
        served.iter().filter(lasts).count()
    };
    served.iter().map(|e| at_once(e.at)).max().unwrap_or(0)
}

/// Whether the range of a request has this offset in it, which its caller chooses so that only one request asks for it.
pub fn asks_for(request: &Request, offset: u64) -> bool {
    let range = request
        .header("range")
        .and_then(|r| r.strip_prefix("bytes="));
    let Some((start, end)) = range.and_then(|r| r.split_once('-')) else {
        return false;
    };
    start.parse::<u64>().is_ok_and(|start| start <= offset)
        && end
            .parse::<u64>()
            .map_or(end.is_empty(), |end| offset <= end)
}

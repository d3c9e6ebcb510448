//! What the origin was shown and what it answered, as data.
//!
//! Everything a test wants to hold against a recorded browser is kept as it came: the first raw bytes of each TLS
//! connection, the layout of its records, HTTP/2 frames, header fields in order and case. An origin lives as long as
//! a test or a demonstration, so requests are never dropped from the log.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hydrastream::fingerprint::ja;
use hydrastream::fingerprint::wire::frames::{Frame, Payload};
use hydrastream::fingerprint::wire::hello::{ClientHello, HelloError};
use hydrastream::fingerprint::wire::hpack::Block;
use hydrastream::fingerprint::wire::record::Record;
use serde_json::{Value, json};

use super::script::{Headers, Protocol, Reply, Request};

/// More frames than this are not kept.
const MAX_FRAMES: usize = 10_000;

/// One connection.
#[derive(Clone, Debug)]
pub struct Connection {
    pub tls: bool,
    /// What was negotiated; `None` before, or if the handshake failed.
    pub protocol: Option<Protocol>,
    /// The first raw bytes of the client, see [`super::tap::RAW`]; empty without TLS.
    pub raw: Vec<u8>,
    /// The headers of the client's first TLS records, see [`super::tap::RECORDS`].
    pub records: Vec<Record>,
    /// The client's HTTP/2 frames in order; of DATA only the length.
    pub frames: Vec<Frame>,
    /// The client's header blocks by stream, in order, with the form of each field.
    pub blocks: Vec<(u32, Block)>,
    /// When it was accepted, since the origin's start.
    pub opened: Duration,
    /// When it was closed, and why if not in order.
    pub closed: Option<(Duration, Option<String>)>,
}

impl Connection {
    /// The first ClientHello.
    ///
    /// # Errors
    ///
    /// If the raw bytes do not begin with one.
    pub fn hello(&self) -> Result<ClientHello, HelloError> {
        ClientHello::parse(&self.raw)
    }

    /// Akamai's text; `None` without an HTTP/2 request.
    pub fn akamai(&self) -> Option<String> {
        let (_, first) = self.blocks.first()?;
        Some(ja::akamai(&self.frames, &first.fields))
    }
}

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub request: Request,
    /// The status sent; `None` before, or if a fault took its place.
    pub status: Option<u16>,
    /// The header fields sent, without Content-Length and Transfer-Encoding.
    pub reply_headers: Headers,
    /// Bytes of body handed to the connection.
    pub sent: u64,
    /// Whether the body was sent to its end.
    pub complete: bool,
    /// RST_STREAM's code, if the client sent one.
    pub reset: Option<u32>,
    /// When the request was read, since the origin's start.
    pub at: Duration,
    /// When its answer ended in whatever way.
    pub ended: Option<Duration>,
}

#[derive(Debug, Default)]
struct Seen {
    /// By connection number.
    connections: Vec<Connection>,
    /// By request number.
    exchanges: Vec<Exchange>,
    /// The numbers of those whose answers are not all on their way.
    active: HashSet<usize>,
}

/// The log of one origin, shared by its connections.
#[derive(Debug)]
pub struct Log {
    seen: Mutex<Seen>,
    start: Instant,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            seen: Mutex::default(),
            start: Instant::now(),
        }
    }
}

impl Log {
    /// All connections so far, by number.
    pub fn connections(&self) -> Vec<Connection> {
        self.lock().connections.clone()
    }

    /// All requests so far, by number.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.lock().exchanges.clone()
    }

    /// How many connections are open.
    pub(super) fn open_connections(&self) -> usize {
        self.lock()
            .connections
            .iter()
            .filter(|connection| connection.closed.is_none())
            .count()
    }

    /// Notes a new connection, and gives it its number.
    pub fn open(&self, tls: bool) -> usize {
        let mut seen = self.lock();
        seen.connections.push(Connection {
            tls,
            protocol: None,
            raw: Vec::new(),
            records: Vec::new(),
            frames: Vec::new(),
            blocks: Vec::new(),
            opened: self.start.elapsed(),
            closed: None,
        });
        seen.connections.len() - 1
    }

    pub(super) fn connection(&self, number: usize, change: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.lock().connections.get_mut(number) {
            change(connection);
        }
    }

    pub(super) fn close(&self, number: usize, error: Option<String>) {
        let now = self.start.elapsed();
        self.connection(number, |connection| connection.closed = Some((now, error)));
        let seen = &mut *self.lock();
        for exchange in &mut seen.exchanges {
            if exchange.request.connection == number {
                exchange.ended.get_or_insert(now);
                seen.active.remove(&exchange.request.nth);
            }
        }
    }

    pub(super) fn frame(&self, number: usize, frame: &Frame) {
        self.connection(number, |connection| {
            if connection.frames.len() < MAX_FRAMES {
                let mut frame = frame.clone();
                if let Payload::Data(bytes) = &mut frame.payload {
                    bytes.clear();
                }
                connection.frames.push(frame);
            }
        });
    }

    /// Notes a request and gives it its number.
    pub(super) fn request(&self, mut request: Request) -> Request {
        let at = self.start.elapsed();
        let mut seen = self.lock();
        request.nth = seen.exchanges.len();
        seen.active.insert(request.nth);
        request.active = seen.active.len();
        seen.exchanges.push(Exchange {
            request: request.clone(),
            status: None,
            reply_headers: Headers::new(),
            sent: 0,
            complete: false,
            reset: None,
            at,
            ended: None,
        });
        request
    }

    /// Notes that the head of an answer goes out.
    pub(super) fn head(&self, nth: usize, reply: &Reply) {
        self.exchange(nth, |exchange| {
            exchange.status = Some(reply.status);
            exchange.reply_headers.clone_from(&reply.headers);
        });
    }

    /// Notes that the last of an answer is about to go out: whoever has read it may ask for the next thing.
    pub(super) fn leaves(&self, nth: usize) {
        self.lock().active.remove(&nth);
    }

    /// Notes that an answer is over, whole or not.
    pub(super) fn end(&self, nth: usize) {
        let now = self.start.elapsed();
        self.leaves(nth);
        self.exchange(nth, |exchange| exchange.ended = Some(now));
    }

    pub(super) fn exchange(&self, nth: usize, change: impl FnOnce(&mut Exchange)) {
        if let Some(exchange) = self.lock().exchanges.get_mut(nth) {
            change(exchange);
        }
    }

    /// Everything a person wants to see, as JSON: connections with their fingerprints, requests with their headers.
    pub fn to_json(&self) -> Value {
        let seen = self.lock();
        json!({
            "connections": seen.connections.iter().map(connection_json).collect::<Vec<_>>(),
            "requests": seen.exchanges.iter().map(exchange_json).collect::<Vec<_>>(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no holder panics")
    }
}

fn connection_json(connection: &Connection) -> Value {
    let hello = connection.hello().ok();
    let akamai = connection.akamai();
    json!({
        "tls": connection.tls,
        "protocol": connection.protocol.map(Protocol::alpn),
        "ja3n": hello.as_ref().map(|hello| ja::md5_hex(&ja::ja3n(hello))),
        "ja4": hello.as_ref().map(ja::ja4),
        "ja4_r": hello.as_ref().map(ja::ja4_r),
        "akamai": akamai,
        "akamai_hash": akamai.as_deref().map(ja::md5_hex),
        "records": connection.records.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "seconds": connection.closed.as_ref().map(|(at, _)| (*at - connection.opened).as_secs_f64()),
        "error": connection.closed.as_ref().and_then(|(_, error)| error.clone()),
    })
}

fn exchange_json(exchange: &Exchange) -> Value {
    let request = &exchange.request;
    json!({
        "connection": request.connection,
        "stream": request.stream,
        "protocol": request.protocol.alpn(),
        "method": request.method,
        "target": request.target,
        "headers": request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>(),
        "status": exchange.status,
        "sent": exchange.sent,
        "complete": exchange.complete,
        "reset": exchange.reset,
        "at": exchange.at.as_secs_f64(),
        "ended": exchange.ended.map(|at| at.as_secs_f64()),
    })
}

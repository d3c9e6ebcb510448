//! HTTP transfers as a browser would make them: one thread, one curl multi handle, commands in, events out.
//!
//! [`Client`] is the small handle that the flow holds; the thread behind it ([`driver`]) owns libcurl and wears one
//! fingerprint. Why a thread of its own: libcurl's multi handle is not `Send`-friendly state, and a driver that only
//! ever waits in one place cannot lose a wakeup. Plain data crosses in both directions; how much body data may wait on
//! its way is bounded by credit, as in HTTP/2.
//!
//! This module runs transfers and nothing more: it follows no redirect, retries nothing and judges no answer.

#![allow(unsafe_code, reason = "libcurl, nghttp2 and BoringSSL are C")]

mod bell;
mod driver;
mod error;
mod handler;
mod head;
mod hooks;
mod http1;
mod http2;
mod info;
mod line;
mod queue;
mod route;
mod setup;
mod stretch;
mod tls;
mod trace;

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::fingerprint::headers::Places;
use crate::fingerprint::{Fingerprint, names, schema};
use crate::http::{Head, Protocol};

use bell::Bell;
pub use error::Error;
use line::Line;
pub use route::{Proxies, Route};
pub use setup::versions;
use stretch::Stretch;

/// Bytes that one [`Block`] carries at most; libcurl's own callbacks bring 16 KiB.
pub(crate) const BLOCK: usize = 256 * 1024;

/// The smallest window, what one of libcurl's callbacks brings.
const LEAST_WINDOW: usize = 16 * 1024;

/// Whether an address is one of this machine's, as far as the system tells. When it is not any more, as after a move to another
/// network, nothing comes on the connections that began at it, and nobody says so.
#[must_use]
pub fn is_own_address(address: IpAddr) -> bool {
    let bound = UdpSocket::bind((address, 0));
    !bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable)
}

/// How a client connects; the same for all its transfers.
#[derive(Debug, Clone)]
pub struct Options {
    /// What every connection and request looks like.
    pub fingerprint: Arc<Fingerprint>,
    /// Accept any certificate (`CURLOPT_SSL_VERIFYPEER`, `CURLOPT_SSL_VERIFYHOST`).
    pub insecure: bool,
    /// Certificates to trust instead of the system's, PEM (`CURLOPT_CAINFO`).
    pub cacert: Option<PathBuf>,
    /// Who this client is, to servers that ask for it.
    pub identity: Option<Identity>,
    /// The only keys that a server may have, as `CURLOPT_PINNEDPUBLICKEY` has them.
    pub pinned_key: Option<String>,
    /// How hosts are reached.
    pub route: Route,
    /// With HTTP/1.1 nothing else is offered, as browsers do for a WebSocket. Anything else changes nothing here: a
    /// browser that offers HTTP/2 offers HTTP/1.1 too.
    pub http: Option<Protocol>,
    /// Sockets to one host; `None` = as many as there are requests on HTTP/1.1, one on HTTP/2.
    pub connections: Option<Connections>,
    /// Time for name, TCP and TLS together (`CURLOPT_CONNECTTIMEOUT_MS`).
    pub connect_timeout: Duration,
    /// Bytes of body that one transfer may deliver before they are taken; at least 16 KiB. Blocks are no larger.
    pub window: usize,
}

/// A client certificate.
#[derive(Debug, Clone)]
pub struct Identity {
    /// PEM, with the chain behind it (`CURLOPT_SSLCERT`).
    pub certificate: PathBuf,
    /// PEM (`CURLOPT_SSLKEY`); `None` = in the same file.
    pub key: Option<PathBuf>,
}

/// Sockets to one host.
#[derive(Debug, Clone, Copy)]
pub struct Connections {
    /// At most so many, at least 1 (`CURLMOPT_MAX_HOST_CONNECTIONS`).
    pub most: usize,
    /// Requests that one HTTP/2 connection takes before another is opened, at least 1 (`CURLMOPT_MAX_CONCURRENT_STREAMS`);
    /// `None` = one connection takes them all, and those that the server has no room for wait.
    pub streams: Option<usize>,
}

impl Options {
    /// Whether one HTTP/2 connection is to take all requests to a host.
    fn is_single(&self) -> bool {
        self.connections
            .is_none_or(|connections| connections.streams.is_none())
    }

    /// Options that change nothing: the system's certificates, no proxy, 15 s to connect.
    #[must_use]
    pub fn new(fingerprint: Arc<Fingerprint>) -> Self {
        Self {
            fingerprint,
            insecure: false,
            cacert: None,
            identity: None,
            pinned_key: None,
            route: Route::default(),
            http: None,
            connections: None,
            connect_timeout: Duration::from_secs(15),
            window: BLOCK,
        }
    }

    /// What connections wear: without HTTP/2, no setting for it is offered either.
    fn worn(&self) -> Arc<Fingerprint> {
        if self.http != Some(Protocol::Http11) {
            return self.fingerprint.clone();
        }
        let mut worn = Fingerprint::clone(&self.fingerprint);
        worn.tls.alpn = vec!["http/1.1".to_owned()];
        worn.tls.application_settings.clear();
        let settings = [names::ALPS, names::ALPS_OLD];
        worn.tls.extensions.retain(|it| !settings.contains(it));
        Arc::new(worn)
    }
}

/// Which of the fingerprint's request shapes a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An address that was typed in.
    Navigation,
    /// A range beside a running download.
    Slice,
    /// The range that takes up an earlier download.
    Resume,
}

impl Kind {
    fn shape(self, fingerprint: &Fingerprint) -> &schema::RequestShape {
        match self {
            Self::Navigation => &fingerprint.navigation,
            Self::Slice => &fingerprint.slice,
            Self::Resume => &fingerprint.resume,
        }
    }
}

/// One GET.
#[derive(Debug, Clone)]
pub struct Request {
    /// Absolute `http` or `https` URL.
    pub url: String,
    /// Its shape.
    pub kind: Kind,
    /// What it brings for the shape's places.
    pub places: Places,
    /// The one address of the host to ask, whatever others it has; `None` = any. Nothing where a proxy stands between.
    pub node: Option<IpAddr>,
    /// Whether it waits over HTTP/1.1 while so many others that would wait are under way at its host as that may have
    /// connections, or [a browser](crate::http::BROWSER_CONNECTIONS) would: the first that ends makes room for it at once.
    pub patient: bool,
}

/// Consecutive bytes of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Where they lie in the body (not in the file: a slice's body begins at 0).
    pub offset: u64,
    /// At least one byte, at most 256 KiB.
    pub bytes: Bytes,
}

/// What a transfer reports: at most one `Head`, then `Data` in order, then exactly one `End`.
#[derive(Debug)]
pub enum Event {
    /// Status and headers of the final answer.
    Head(Head),
    /// Some of its body.
    Data(Block),
    /// Nothing comes after this. `Ok` means that the message was complete as HTTP frames it.
    End(Result<(), Error>),
}

/// Number of a transfer within its client.
type Id = usize;

/// What the driver is told. A closed channel tells it to stop.
enum Command {
    Start {
        id: Id,
        request: Box<Request>,
        events: UnboundedSender<Event>,
        line: Arc<Line>,
    },
    /// That many body bytes were taken; as many more may come.
    Grant {
        id: Id,
        bytes: usize,
    },
    Cancel {
        id: Id,
    },
    /// No connection that is open may be used for another transfer.
    Reset,
}

/// The handle to a driver thread; clones share it. Dropping the last one (transfers hold one too) ends the thread.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    /// `None` only while dropping.
    commands: Mutex<Option<Sender<Command>>>,
    /// Ends the driver's wait.
    bell: Bell,
    /// The driver; `None` while dropping.
    thread: Option<JoinHandle<()>>,
    /// Number of the next transfer.
    next: AtomicUsize,
    /// See [`Options::window`].
    window: usize,
}

impl Client {
    /// Starts the driver thread.
    ///
    /// # Errors
    /// [`Error`] if the system gives no thread or libcurl cannot start.
    pub fn new(options: Options) -> Result<Self, Error> {
        let window = options.window.max(LEAST_WINDOW);
        let (commands, receiver) = mpsc::channel();
        let fingerprint = options.worn();
        let options = Options {
            fingerprint,
            window,
            ..options
        };
        let bell = Bell::new()?;
        let thread = driver::spawn(options, receiver, bell.clone())?;
        Ok(Self(Arc::new(Inner {
            commands: Mutex::new(Some(commands)),
            bell,
            thread: Some(thread),
            next: AtomicUsize::new(0),
            window,
        })))
    }

    /// Starts a transfer; it fails, if it does, in its [`Event::End`].
    #[must_use]
    pub fn start(&self, request: Request) -> Transfer {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (events, receiver) = unbounded_channel();
        let line = Arc::new(Line::default());
        self.0.send(Command::Start {
            id,
            request: Box::new(request),
            events,
            line: Arc::clone(&line),
        });
        Transfer {
            id,
            events: receiver,
            line,
            client: self.clone(),
            taken: 0,
            stretch: None,
            ended: false,
        }
    }
}

impl Client {
    /// Makes all transfers to come open new connections, and look names up anew. For when those that are open are taken for
    /// dead, which libcurl would notice late; transfers that use them go on.
    pub fn reset(&self) {
        self.0.send(Command::Reset);
    }
}

impl Inner {
    fn send(&self, command: Command) {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(commands) = commands.as_ref()
            && commands.send(command).is_ok()
        {
            self.bell.ring();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.commands
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            // A panic of the driver has already been reported by its transfers' ends.
            let _ = thread.join();
        }
    }
}

/// One running GET. Dropping it cancels it.
pub struct Transfer {
    id: Id,
    events: UnboundedReceiver<Event>,
    /// What it is on.
    line: Arc<Line>,
    client: Client,
    /// Body bytes taken since the last grant.
    taken: usize,
    /// What of the body is told of; `None` = all of it.
    stretch: Option<Stretch>,
    /// Whether `End` was seen: then there is nothing to cancel.
    ended: bool,
}

impl Transfer {
    /// Tells when the request began, while the transfer is waited for.
    #[must_use]
    pub fn turn(&self) -> Turn {
        Turn(Arc::clone(&self.line))
    }

    /// How many requests at once the server takes on this transfer's connection, known with the head of the answer
    /// (SETTINGS_MAX_CONCURRENT_STREAMS, RFC 9113 §6.5.2); no limit where it states none.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.line.streams()
    }

    /// Which connection this transfer is on, by a number that no other connection of the client ever has; known with the head
    /// of the answer.
    #[must_use]
    pub fn connection(&self) -> Option<u64> {
        self.line.connection()
    }

    /// The address of the host that answers, known with the head of the answer; `None` where a proxy stands between.
    #[must_use]
    pub fn node(&self) -> Option<IpAddr> {
        self.line.node()
    }

    /// The address of this machine that the transfer's connection begins at, known with the head of the answer.
    #[must_use]
    pub fn local(&self) -> Option<IpAddr> {
        self.line.local()
    }

    /// Whether the server has sent more than the length that it declared, none of which is delivered. Known with the end of the
    /// transfer; what comes later than the body's last byte may escape notice.
    #[must_use]
    pub fn is_overlong(&self) -> bool {
        self.line.is_overflowing()
    }

    /// Makes `length` bytes the whole body, of which `read` has the first ones, as they were read already: they come once
    /// more, and offsets are counted from them. What comes behind them is read over.
    pub fn narrow(&mut self, read: Bytes, length: u64) {
        self.stretch = Some(Stretch::new(read, length));
    }

    /// The next event. After `End`, and only then, `None`.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(block) = self.stretch.as_mut().and_then(Stretch::waiting) {
            return Some(Event::Data(block));
        }
        loop {
            if self.ended {
                return None;
            }
            let event = self
                .events
                .recv()
                .await
                .unwrap_or_else(|| Event::End(Err(Error::gone())));
            match &event {
                Event::Data(block) => self.take(block.bytes.len()),
                Event::End(_) => self.ended = true,
                Event::Head(_) => {}
            }
            match (event, &mut self.stretch) {
                (Event::Data(block), Some(stretch)) => {
                    if let Some(block) = stretch.cut(block.bytes) {
                        return Some(Event::Data(block));
                    }
                }
                (event, _) => return Some(event),
            }
        }
    }

    /// Gives credit back by half windows, so that grants are few and the driver seldom stops.
    fn take(&mut self, bytes: usize) {
        self.taken += bytes;
        if self.taken >= self.client.0.window / 2 {
            self.client.0.send(Command::Grant {
                id: self.id,
                bytes: self.taken,
            });
            self.taken = 0;
        }
    }
}

/// Whether a request has begun: see [`Transfer::turn`].
#[derive(Debug)]
pub struct Turn(Arc<Line>);

impl Turn {
    /// When it began; `None` while it waits for others, as where the host takes no more of them at once.
    #[must_use]
    pub fn came(&self) -> Option<Instant> {
        self.0.begun()
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if !self.ended {
            self.client.0.send(Command::Cancel { id: self.id });
        }
    }
}

//! An HTTPS server on this machine that records what its clients show: the other end of every claim about the wire.
//!
//! It answers a page or a file, over HTTP/2 or HTTP/1.1, well enough for a browser to go on, and notes everything that
//! came before, between and after. `hs fingerprint` and the tests read the notes; what they mean is not known here.
//!
//! Threads that block, one for each connection: there are few of them, they live for seconds, and code that reads from
//! top to bottom is worth more here than speed.

mod h1;
mod h2;
mod tap;
mod tls;

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use boring::ssl::SslAcceptor;

use crate::fingerprint::observed::{Connection, Request};
use crate::http::Protocol;
use tap::{Seen, Tap, note};

/// How long a client may stay silent before its connection is closed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the server offers.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Port on 127.0.0.1; 0 = any free one.
    pub port: u16,
    /// Agree on HTTP/1.1 even where a client would like HTTP/2.
    pub http1: bool,
    /// Groups as in `SSL_CTX_set1_curves_list`; one that a client supports but sends no key share for makes a
    /// HelloRetryRequest. BoringSSL's own if `None`.
    pub groups: Option<String>,
    /// Give tickets, and resume sessions. Otherwise every connection is a first one.
    pub tickets: bool,
    /// Speak TLS 1.2 at most.
    pub tls12: bool,
}

/// What is said to one request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Without Content-Length; names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// What follows.
    pub body: Body,
    /// Whether the connection ends behind it, so that the next request needs a new one.
    pub close: bool,
}

/// A body.
#[derive(Debug, Clone)]
pub enum Body {
    /// These bytes.
    Text(String),
    /// So many zeros.
    Zeros(u64),
}

impl Body {
    fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Zeros(count) => *count,
        }
    }

    /// Bytes from `offset`, at most `most`.
    fn piece(&self, offset: u64, most: usize) -> Vec<u8> {
        let left = usize::try_from(self.len() - offset).unwrap_or(usize::MAX);
        let count = left.min(most);
        match self {
            Self::Text(text) => {
                let from = text.len() - left;
                text.as_bytes()[from..from + count].to_vec()
            }
            Self::Zeros(_) => vec![0; count],
        }
    }
}

/// Decides what is said to a request.
pub type Answers = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// A running server. Dropping it ends it and its connections.
pub struct Server {
    port: u16,
    certificate: String,
    shared: Arc<Shared>,
    /// `None` only while dropping.
    thread: Option<JoinHandle<()>>,
}

/// What the server and its threads share.
struct Shared {
    acceptor: SslAcceptor,
    answers: Answers,
    /// Whether new connections agree on HTTP/1.1.
    http1: Arc<AtomicBool>,
    /// Whether the server is going away.
    stopping: AtomicBool,
    /// By order of arrival; a stream is kept to end it.
    connections: Mutex<Vec<(Seen, TcpStream)>>,
}

impl Server {
    /// Starts listening on 127.0.0.1.
    ///
    /// # Errors
    /// If the port is taken or the certificate cannot be made.
    pub fn start(options: &Options, answers: Answers) -> io::Result<Self> {
        let http1 = Arc::new(AtomicBool::new(options.http1));
        let (acceptor, certificate) =
            tls::acceptor(options, http1.clone()).map_err(io::Error::other)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            acceptor,
            answers,
            http1,
            stopping: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let served = shared.clone();
        let thread = std::thread::Builder::new()
            .name("capture".into())
            .spawn(move || listen(&listener, &served))?;
        Ok(Self {
            port,
            certificate,
            shared,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its certificate, PEM; valid for `localhost` and `127.0.0.1`.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Makes new connections agree on HTTP/1.1, or on what the client likes best again, and ends the others.
    pub fn agree_on_http1(&self, http1: bool) {
        self.shared.http1.store(http1, Ordering::Relaxed);
        self.shared.hang_up();
    }

    /// What was seen so far, by order of arrival.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.shared
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(seen, _)| seen.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees the flag.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        self.shared.hang_up();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn hang_up(&self) {
        let connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (_, tcp) in connections.iter() {
            // An error means that it has ended already.
            let _ = tcp.shutdown(Shutdown::Both);
        }
    }
}

fn listen(listener: &TcpListener, shared: &Arc<Shared>) {
    for tcp in listener.incoming() {
        if shared.stopping.load(Ordering::Relaxed) {
            return;
        }
        // A client that is gone before it is served has shown nothing.
        if let Ok(tcp) = tcp
            && let Ok(copy) = tcp.try_clone()
        {
            let seen = Seen::default();
            shared
                .connections
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((seen.clone(), copy));
            let shared = shared.clone();
            // Errors end a connection like a client that leaves; what was seen until then is kept.
            std::thread::spawn(move || serve(tcp, &seen, &shared));
        }
    }
}

fn serve(tcp: TcpStream, seen: &Seen, shared: &Shared) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let mut stream = shared
        .acceptor
        .accept(Tap::new(tcp, seen.clone()))
        .map_err(|error| io::Error::other(error.to_string()))?;
    let http2 = stream.ssl().selected_alpn_protocol() == Some(b"h2");
    let protocol = if http2 {
        Protocol::Http2
    } else {
        Protocol::Http11
    };
    note(seen, |connection| connection.protocol = Some(protocol));
    let ended = if http2 {
        h2::serve(&mut stream, seen, &shared.answers)
    } else {
        h1::serve(&mut stream, seen, &shared.answers)
    };
    // A client that has already gone needs no goodbye.
    let _ = stream.shutdown();
    let _ = stream.get_ref().tcp().shutdown(Shutdown::Write);
    ended
}

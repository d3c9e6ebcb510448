//! An origin server that can be told what to do: HTTP/1.1 and HTTP/2 over TLS, HTTP/1.1 in the clear, on loopback.
//!
//! It has two jobs. It shows what a client sends, down to the raw ClientHello and each HTTP/2 frame ([`log`]); and it
//! answers right or wrong, at will ([`script`]). Frameworks hide the first and prevent the second, so the protocols are
//! written out here, as far as a client of one file needs them: no uploads, no trailers, no compression, no push.
//!
//! The origin runs on one thread of its own and stops when [`Origin`] is dropped.

pub mod certificate;
pub mod conditions;
pub mod content;
pub mod delivery;
pub mod files;
mod h1;
mod h2;
pub mod log;
pub mod script;
pub mod tap;
pub mod tls;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use boring::ssl::SslAcceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_boring::SslStream;

use log::Log;
use script::{Protocol, Script};
use tap::Tap;
use tls::TlsConfig;

/// How long a closed connection waits for the client to close its side, so that unread bytes do not become a reset.
const LINGER: Duration = Duration::from_secs(1);
/// How long a client gets to read what was sent before a reset.
const SETTLE: Duration = Duration::from_millis(50);

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct Config {
    pub address: IpAddr,
    /// 0 for any free port.
    pub https_port: u16,
    /// 0 for any free port.
    pub http_port: u16,
    pub tls: TlsConfig,
    /// HTTP/2 settings to announce, as identifier and value; the number of concurrent streams is enforced.
    pub settings: Vec<(u16, u32)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            https_port: 0,
            http_port: 0,
            tls: TlsConfig::default(),
            settings: vec![(h2::MAX_CONCURRENT_STREAMS, 128)],
        }
    }
}

/// A running origin.
#[derive(Debug)]
pub struct Origin {
    /// Where it speaks TLS.
    pub https: SocketAddr,
    /// Where it speaks HTTP/1.1 in the clear.
    pub http: SocketAddr,
    /// The certificate to trust, in PEM.
    pub ca_pem: String,
    /// What it has seen.
    pub log: Arc<Log>,
    /// Dropped to stop the thread; `None` only while dropping.
    stop: Option<oneshot::Sender<()>>,
    /// Joined when dropped; `None` only while dropping.
    thread: Option<JoinHandle<()>>,
}

impl Origin {
    /// Starts to listen and to answer as `script` says.
    ///
    /// # Errors
    ///
    /// If a port is taken, or a certificate or thread cannot be made.
    pub fn start(config: Config, script: Arc<dyn Script>, log: Arc<Log>) -> io::Result<Self> {
        let (acceptor, ca_pem) =
            tls::acceptor(&config.tls, config.address).map_err(io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listen = |port| runtime.block_on(TcpListener::bind((config.address, port)));
        let (secure, plain) = (listen(config.https_port)?, listen(config.http_port)?);
        let (https, http) = (secure.local_addr()?, plain.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::new(Shared {
            script,
            log: Arc::clone(&log),
            settings: config.settings,
        });
        let thread = std::thread::Builder::new()
            .name("origin".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(secure, Some(acceptor), &shared) => {}
                        () = accept(plain, None, &shared) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            https,
            http,
            ca_pem,
            log,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The URL of a path over TLS.
    pub fn https_url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.https.port())
    }

    /// The URL of a path in the clear.
    pub fn http_url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.http.port())
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; the test fails by what it could not download.
            let _ = thread.join();
        }
    }
}

/// What all connections share.
struct Shared {
    script: Arc<dyn Script>,
    log: Arc<Log>,
    settings: Vec<(u16, u32)>,
}

/// What a protocol needs to know of its connection.
struct Peer {
    number: usize,
    tls: bool,
    shared: Arc<Shared>,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// With close_notify on TLS, then FIN.
    InOrder,
    /// FIN without close_notify.
    Cut,
    /// RST.
    Reset,
}

/// A byte stream that can be cut below TLS.
trait Transport: AsyncRead + AsyncWrite + Unpin + Send {
    fn tcp(&mut self) -> &mut TcpStream;
}

impl Transport for TcpStream {
    fn tcp(&mut self) -> &mut TcpStream {
        self
    }
}

impl Transport for SslStream<Tap> {
    fn tcp(&mut self) -> &mut TcpStream {
        self.get_mut().tcp()
    }
}

/// Accepts for ever; connections end with it.
async fn accept(listener: TcpListener, tls: Option<SslAcceptor>, shared: &Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((tcp, _)) = listener.accept().await else {
            // Out of descriptors, most likely: let some connections end.
            tokio::time::sleep(SETTLE).await;
            continue;
        };
        if !shared.script.admit(shared.log.open_connections()) {
            // Without linger, closing is a reset; a socket that refuses even that is closed in order.
            let _ = tcp.set_zero_linger();
            continue;
        }
        let (tls, shared) = (tls.clone(), Arc::clone(shared));
        connections.spawn(async move {
            let log = Arc::clone(&shared.log);
            let peer = Peer {
                number: log.open(tls.is_some()),
                tls: tls.is_some(),
                shared,
            };
            let result = connection(tcp, tls, &peer).await;
            log.close(peer.number, result.err().map(|error| error.to_string()));
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(tcp: TcpStream, tls: Option<SslAcceptor>, peer: &Peer) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let Some(acceptor) = tls else {
        return serve(tcp, Protocol::Http11, peer).await;
    };
    let tap = Tap::new(tcp, Arc::clone(&peer.shared.log), peer.number);
    let stream = tokio_boring::accept(&acceptor, tap).await;
    let stream = stream.map_err(|error| io::Error::other(format!("tls handshake: {error}")))?;
    let h2 = stream.ssl().selected_alpn_protocol() == Some(Protocol::Http2.alpn().as_bytes());
    serve(
        stream,
        if h2 {
            Protocol::Http2
        } else {
            Protocol::Http11
        },
        peer,
    )
    .await
}

async fn serve(mut stream: impl Transport, protocol: Protocol, peer: &Peer) -> io::Result<()> {
    peer.shared.log.connection(peer.number, |connection| {
        connection.protocol = Some(protocol)
    });
    let ending = match protocol {
        Protocol::Http11 => h1::serve(&mut stream, peer).await?,
        Protocol::Http2 => h2::serve(&mut stream, peer).await?,
    };
    match ending {
        Ending::InOrder => stream.shutdown().await?,
        Ending::Cut => stream.tcp().shutdown().await?,
        Ending::Reset => {
            tokio::time::sleep(SETTLE).await;
            return stream.tcp().set_zero_linger();
        }
    }
    // What the client still sends is of no interest, and neither is how it goes away.
    let _ = tokio::time::timeout(LINGER, discard(stream.tcp())).await;
    Ok(())
}

/// Reads until the client closes its side.
async fn discard(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).await? > 0 {}
    Ok(())
}

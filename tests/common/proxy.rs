//! A proxy that a test can look into: HTTP with CONNECT, SOCKS 4a and 5, over TCP, and over TLS if it is told to. It forwards
//! bytes and notes what it was asked.
//!
//! Threads that block, one or two for each connection; a test makes few. It stops to accept when it is dropped. TLS ends at a
//! door in front of it, which hands on what it decrypts.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use boring::ssl::SslAcceptor;
use tokio::sync::oneshot;

use super::origin::server::log::{Connection, Log};
use super::origin::server::tap::Tap;
use super::origin::server::tls::{TlsConfig, acceptor};

/// What a proxy does with a request.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    /// The status with which everything is refused.
    pub refuses: Option<u16>,
    /// `user:password` without which nothing is forwarded.
    pub wants: Option<&'static str>,
}

/// A running proxy.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    door: Option<Door>,
}

/// Where a proxy speaks TLS.
struct Door {
    address: SocketAddr,
    /// The certificate to trust.
    pem: String,
    /// The beginnings of its connections.
    log: Arc<Log>,
    /// Dropped to close it.
    _open: oneshot::Sender<()>,
}

struct Shared {
    habits: Habits,
    /// Heads as they came, or `socks5 HOST PORT`, `socks4a HOST PORT`.
    asked: Mutex<Vec<String>>,
    stopped: AtomicBool,
}

impl Proxy {
    pub fn new(habits: Habits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            habits,
            asked: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // A client that goes away in the middle is part of the tests.
                std::thread::spawn(move || client.and_then(|client| serve(client, &shared)));
            }
        });
        Self {
            address,
            shared,
            door: None,
        }
    }

    /// One that is reached over TLS alone, and wants one of these protocols in it if the client names any.
    pub fn secure(habits: Habits, config: &TlsConfig) -> Self {
        let mut proxy = Self::new(habits);
        proxy.door = Some(Door::open(proxy.address, config));
        proxy
    }

    /// Host and port.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Host and port where it speaks TLS.
    pub fn secure_authority(&self) -> String {
        format!("localhost:{}", self.the_door().address.port())
    }

    /// The certificate of its TLS, PEM.
    pub fn ca_pem(&self) -> &str {
        &self.the_door().pem
    }

    /// The connections over TLS so far.
    pub fn connections(&self) -> Vec<Connection> {
        self.the_door().log.connections()
    }

    fn the_door(&self) -> &Door {
        self.door.as_ref().expect("a proxy over TLS")
    }

    /// All that was asked so far.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread; if it is gone, that is what is wanted.
        let _ = TcpStream::connect(self.address);
    }
}

impl Door {
    fn open(inner: SocketAddr, config: &TlsConfig) -> Self {
        let (acceptor, pem) = acceptor(config, Ipv4Addr::LOCALHOST.into()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let (open, closed) = oneshot::channel();
        let theirs = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(async {
                tokio::select! {
                    result = admit(listener, acceptor, inner, theirs) => result.unwrap(),
                    _ = closed => {}
                }
            });
        });
        Self {
            address,
            pem,
            log,
            _open: open,
        }
    }
}

/// Takes TLS off what comes, and hands it to the proxy inside.
async fn admit(
    listener: TcpListener,
    acceptor: SslAcceptor,
    inner: SocketAddr,
    log: Arc<Log>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (tcp, _) = listener.accept().await?;
        let tap = Tap::new(tcp, Arc::clone(&log), log.open(true));
        let acceptor = acceptor.clone();
        // A client that goes away in the middle, or does not like the certificate, is part of the tests.
        tokio::spawn(async move {
            let mut outer = tokio_boring::accept(&acceptor, tap).await.ok()?;
            let mut inner = tokio::net::TcpStream::connect(inner).await.ok()?;
            tokio::io::copy_bidirectional(&mut outer, &mut inner)
                .await
                .ok()
        });
    }
}

impl Shared {
    fn note(&self, text: String) {
        self.asked.lock().unwrap().push(text);
    }
}

fn serve(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut first = [0];
    client.read_exact(&mut first)?;
    match first[0] {
        4 => socks4(client, shared),
        5 => socks5(client, shared),
        first => http(client, first, shared),
    }
}

fn http(mut client: TcpStream, first: u8, shared: &Shared) -> io::Result<()> {
    let mut head = vec![first];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(byte(&mut client)?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    shared.note(head.clone());
    let habits = &shared.habits;
    let refused = match (habits.refuses, habits.wants) {
        (Some(status), _) => Some(status),
        (None, Some(wanted)) if !head.contains(&base64(wanted)) => Some(407),
        (None, _) => None,
    };
    if let Some(status) = refused {
        let ask = "Proxy-Authenticate: Basic realm=\"proxy\"\r\n";
        return write!(
            client,
            "HTTP/1.1 {status} No\r\n{ask}Content-Length: 0\r\n\r\n"
        );
    }
    let mut words = head.split(' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    if method == "CONNECT" {
        let server = TcpStream::connect(local(target))?;
        client.write_all(b"HTTP/1.1 200 Connection established\r\nX-Of: the proxy\r\n\r\n")?;
        return forward(client, server);
    }
    let rest = target.trim_start_matches("http://");
    let at = rest.find('/').unwrap_or(rest.len());
    let mut server = TcpStream::connect(local(&rest[..at]))?;
    // One request a connection is enough for a test.
    let head = head.replacen(target, &rest[at..], 1);
    let head = head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    server.write_all(head.as_bytes())?;
    forward(client, server)
}

fn socks5(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    let count = byte(&mut client)?;
    let methods = bytes(&mut client, count.into())?;
    let mut user = String::new();
    if methods.contains(&2) {
        client.write_all(&[5, 2])?;
        let _version = byte(&mut client)?;
        user = text(&mut client)?;
        user = format!(" {user}:{}", text(&mut client)?);
        client.write_all(&[1, 0])?;
    } else {
        client.write_all(&[5, 0])?;
    }
    let request = bytes(&mut client, 4)?;
    let host = match request[3] {
        1 => {
            let address: [u8; 4] = bytes(&mut client, 4)?.try_into().unwrap();
            std::net::Ipv4Addr::from(address).to_string()
        }
        3 => text(&mut client)?,
        other => panic!("address of type {other}"),
    };
    let port = u16::from_be_bytes(bytes(&mut client, 2)?.try_into().unwrap());
    shared.note(format!("socks5 {host} {port}{user}"));
    let server = TcpStream::connect(("127.0.0.1", port))?;
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0])?;
    forward(client, server)
}

fn socks4(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    let _connect = byte(&mut client)?;
    let port = u16::from_be_bytes(bytes(&mut client, 2)?.try_into().unwrap());
    let address = bytes(&mut client, 4)?;
    let _user = until_zero(&mut client)?;
    let host = match address[..] {
        [0, 0, 0, last] if last > 0 => until_zero(&mut client)?,
        _ => format!("{address:?}"),
    };
    shared.note(format!("socks4a {host} {port}"));
    let server = TcpStream::connect(("127.0.0.1", port))?;
    client.write_all(&[0, 90, 0, 0, 0, 0, 0, 0])?;
    forward(client, server)
}

/// Every name is this machine.
fn local(authority: &str) -> (&'static str, u16) {
    let port = authority.rsplit_once(':').map(|(_, port)| port.parse());
    ("127.0.0.1", port.and_then(Result::ok).unwrap_or(80))
}

fn forward(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let up = std::thread::spawn(move || {
        let result = io::copy(&mut from, &mut to);
        // It may be closed already.
        let _ = to.shutdown(Shutdown::Write);
        result
    });
    let (mut from, mut to) = (server, client);
    // Whichever side ended it, the other is told.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
    let _ = up.join();
    Ok(())
}

fn byte(from: &mut TcpStream) -> io::Result<u8> {
    Ok(bytes(from, 1)?[0])
}

fn bytes(from: &mut TcpStream, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes).map(|()| bytes)
}

fn text(from: &mut TcpStream) -> io::Result<String> {
    let length = byte(from)?;
    let bytes = bytes(from, length.into())?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn until_zero(from: &mut TcpStream) -> io::Result<String> {
    let mut text = Vec::new();
    loop {
        match byte(from)? {
            0 => return String::from_utf8(text).map_err(io::Error::other),
            byte => text.push(byte),
        }
    }
}

fn base64(text: &str) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    BASE64_STANDARD.encode(text)
}

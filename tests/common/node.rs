//! Addresses of one host: each passes what comes on to a site of its own, and its door can be shut and opened again.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often a door is looked after.
const LOOK: Duration = Duration::from_millis(1);

/// An address that listens until it is dropped.
pub struct Node {
    address: SocketAddr,
    door: Arc<Door>,
}

/// What decides whether connections are accepted. While it is shut, they are refused as if nobody was there.
#[derive(Default)]
pub struct Door {
    /// Whether it is to be open.
    open: AtomicBool,
    /// Whether it is.
    is_open: AtomicBool,
    over: AtomicBool,
}

impl Door {
    /// Refuses all connections to come.
    pub fn shut(&self) {
        self.open.store(false, Ordering::SeqCst);
    }

    /// Accepts connections again; returns when it does.
    pub fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
        while !self.is_open.load(Ordering::SeqCst) && !self.over.load(Ordering::SeqCst) {
            std::thread::sleep(LOOK);
        }
    }
}

impl Node {
    /// Listens at an address, on a free port if that is 0, and passes connections on to a port of 127.0.0.1. Each is first
    /// told of to `each`, which may shut the door behind it.
    pub fn new(at: IpAddr, port: u16, to: u16, each: impl Fn(&Door) + Send + 'static) -> Self {
        let mut listener = Some(TcpListener::bind((at, port)).unwrap());
        let address = listener.as_ref().unwrap().local_addr().unwrap();
        let door = Arc::new(Door::default());
        door.open.store(true, Ordering::SeqCst);
        let state = Arc::clone(&door);
        std::thread::spawn(move || {
            while !state.over.load(Ordering::SeqCst) {
                match state.open.load(Ordering::SeqCst) {
                    true if listener.is_none() => {
                        listener = Some(TcpListener::bind(address).unwrap());
                    }
                    true => {}
                    false => listener = None,
                }
                state.is_open.store(listener.is_some(), Ordering::SeqCst);
                if let Some(client) = listener.as_ref().and_then(accept) {
                    each(&state);
                    if !state.open.load(Ordering::SeqCst) {
                        listener = None;
                    }
                    pass_on(client, to);
                }
                std::thread::sleep(LOOK);
            }
            state.is_open.store(false, Ordering::SeqCst);
        });
        Self { address, door }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn door(&self) -> Arc<Door> {
        Arc::clone(&self.door)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.door.over.store(true, Ordering::SeqCst);
    }
}

fn accept(listener: &TcpListener) -> Option<TcpStream> {
    listener.set_nonblocking(true).unwrap();
    let (client, _) = listener.accept().ok()?;
    client.set_nonblocking(false).unwrap();
    Some(client)
}

fn pass_on(client: TcpStream, to: u16) {
    let server = TcpStream::connect(("127.0.0.1", to)).unwrap();
    let halves = [
        (client.try_clone().unwrap(), server.try_clone().unwrap()),
        (server, client),
    ];
    for (mut from, mut to) in halves {
        std::thread::spawn(move || {
            // Either side may be gone at any time.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
    }
}

//! Notes the raw bytes that a client sends before TLS decrypts them.
//!
//! Sits between the TCP stream and TLS. Only the beginning of a connection is kept, however much follows.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use crate::fingerprint::observed::Connection;
use crate::fingerprint::wire::hello::ClientHello;
use crate::fingerprint::wire::record::Layout;

/// How many of a client's first bytes are kept: enough for two ClientHellos.
const RAW: usize = 16 * 1024;
/// How many of a client's first records are noted.
const RECORDS: usize = 20;

/// What was seen of one connection, shared by the thread that serves it and whoever asks the server.
pub(super) type Seen = Arc<Mutex<Connection>>;

/// Changes what was seen.
pub(super) fn note(seen: &Seen, change: impl FnOnce(&mut Connection)) {
    change(&mut seen.lock().unwrap_or_else(PoisonError::into_inner));
}

/// A TCP stream whose beginning is noted.
#[derive(Debug)]
pub(super) struct Tap {
    tcp: TcpStream,
    /// The first bytes read, at most [`RAW`].
    raw: Vec<u8>,
    /// Full once [`RECORDS`] records have passed.
    layout: Layout,
    seen: Seen,
}

impl Tap {
    pub(super) fn new(tcp: TcpStream, seen: Seen) -> Self {
        Self {
            tcp,
            raw: Vec::new(),
            layout: Layout::new(RECORDS),
            seen,
        }
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    fn hear(&mut self, bytes: &[u8]) {
        if self.layout.is_full() {
            return;
        }
        self.layout.feed(bytes);
        let room = RAW.saturating_sub(self.raw.len()).min(bytes.len());
        self.raw.extend_from_slice(&bytes[..room]);
        note(&self.seen, |connection| {
            connection.records = self.layout.records().to_vec();
            if connection.protocol.is_none() {
                connection.hellos = ClientHello::parse_all(&self.raw).unwrap_or_default();
            }
        });
    }
}

impl Read for Tap {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.tcp.read(buffer)?;
        self.hear(&buffer[..count]);
        Ok(count)
    }
}

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

//! Listens to the raw bytes that a client sends before TLS decrypts them.
//!
//! Sits between the TCP stream and TLS. After the first records it only passes bytes through.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hydrastream::fingerprint::wire::record::Layout;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::log::Log;

/// How many of a client's first bytes are kept: enough for two ClientHellos.
pub const RAW: usize = 16 * 1024;
/// How many of a client's first records are noted.
pub const RECORDS: usize = 20;

/// A TCP stream whose beginning is logged.
#[derive(Debug)]
pub struct Tap {
    tcp: TcpStream,
    /// Full once [`RECORDS`] records have passed; nothing is logged any more then.
    layout: Layout,
    log: Arc<Log>,
    /// The connection's number in the log.
    number: usize,
}

impl Tap {
    /// Notes the beginning under this number of the log.
    pub fn new(tcp: TcpStream, log: Arc<Log>, number: usize) -> Self {
        Self {
            tcp,
            layout: Layout::new(RECORDS),
            log,
            number,
        }
    }

    pub(super) fn tcp(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }

    fn hear(&mut self, bytes: &[u8]) {
        if self.layout.is_full() || bytes.is_empty() {
            return;
        }
        self.layout.feed(bytes);
        self.log.connection(self.number, |connection| {
            let room = RAW.saturating_sub(connection.raw.len()).min(bytes.len());
            connection.raw.extend_from_slice(&bytes[..room]);
            connection.records = self.layout.records().to_vec();
        });
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        self.hear(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

//! What the driver tells the flow of the connection that a transfer is on.
//!
//! All of it but when it begins is known with the head of the answer, and is read while the transfer runs. These are cells
//! and no events, since only the latest counts and nobody waits for it.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tokio::time::Instant;

/// Shared by the two ends of a transfer: the driver writes, the flow reads.
#[derive(Debug)]
pub(super) struct Line {
    /// When the request was handed to libcurl; not set while it waits for its turn.
    begun: OnceLock<Instant>,
    /// Requests at once that the server takes on it; `u32::MAX` where it states no limit.
    streams: AtomicU32,
    /// libcurl's number of it, which no other connection of the client ever has; `u64::MAX` before it is known.
    connection: AtomicU64,
    /// The address of the host; not set where a proxy stands between.
    node: OnceLock<IpAddr>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            begun: OnceLock::new(),
            streams: AtomicU32::new(u32::MAX),
            connection: AtomicU64::new(u64::MAX),
            node: OnceLock::new(),
        }
    }
}

impl Line {
    /// Notes that the request is handed to libcurl.
    pub(super) fn begins(&self) {
        let _ = self.begun.set(Instant::now());
    }

    pub(super) fn begun(&self) -> Option<Instant> {
        self.begun.get().copied()
    }

    pub(super) fn takes(&self, streams: u32) {
        self.streams.store(streams, Ordering::Relaxed);
    }

    pub(super) fn is_on(&self, connection: u64) {
        self.connection.store(connection, Ordering::Relaxed);
    }

    /// The first address counts: it does not change without another connection.
    pub(super) fn leads_to(&self, node: IpAddr) {
        let _ = self.node.set(node);
    }

    pub(super) fn node(&self) -> Option<IpAddr> {
        self.node.get().copied()
    }

    pub(super) fn streams(&self) -> usize {
        usize::try_from(self.streams.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    pub(super) fn connection(&self) -> Option<u64> {
        let number = self.connection.load(Ordering::Relaxed);
        (number != u64::MAX).then_some(number)
    }
}

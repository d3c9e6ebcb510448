//! What the driver tells the flow of the connection that a transfer is on.
//!
//! Most of it is known with the head of the answer, and is read while the transfer runs. These are cells
//! and no events, since only the latest counts and nobody waits for it.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

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
    /// The address of this machine.
    local: OnceLock<IpAddr>,
    /// Whether more came than the head of the answer declares.
    overflows: AtomicBool,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            begun: OnceLock::new(),
            streams: AtomicU32::new(u32::MAX),
            connection: AtomicU64::new(u64::MAX),
            node: OnceLock::new(),
            local: OnceLock::new(),
            overflows: AtomicBool::new(false),
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

    /// As [`leads_to`](Self::leads_to), of this end.
    pub(super) fn begins_at(&self, local: IpAddr) {
        let _ = self.local.set(local);
    }

    pub(super) fn local(&self) -> Option<IpAddr> {
        self.local.get().copied()
    }

    /// Notes that more has come than was declared.
    pub(super) fn overflows(&self) {
        self.overflows.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_overflowing(&self) -> bool {
        self.overflows.load(Ordering::Relaxed)
    }

    pub(super) fn streams(&self) -> usize {
        usize::try_from(self.streams.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    pub(super) fn connection(&self) -> Option<u64> {
        let number = self.connection.load(Ordering::Relaxed);
        (number != u64::MAX).then_some(number)
    }
}

//! Reads a body that a server packs whatever it is asked, as what it is.
//!
//! Unpacking pulls, and bytes are pushed by the network: a task of the blocking pool stands between them, with a few
//! blocks of room on either side, so that a slow sink still slows the network down.

use std::io::{self, Read};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::job::timed;
use super::transfer::next;
use crate::coding;
use crate::net::Transfer;
use crate::resolve::Problem;
use crate::retry::{Failure, Fault};

/// Blocks that may wait on each side.
const ROOM: usize = 4;

/// Unpacked bytes that are handed over at a time.
const BLOCK: usize = 256 << 10;

/// A body, as it is stored.
pub(super) enum Body {
    /// It comes like that.
    Plain(Transfer),
    /// It comes packed.
    Packed {
        transfer: Transfer,
        /// `None` once all of it was handed in.
        packed: Option<Sender<Bytes>>,
        unpacked: Receiver<io::Result<Bytes>>,
    },
}

impl Body {
    /// `codings` is the Content-Encoding, of codings that are known.
    pub(super) fn new(transfer: Transfer, codings: Option<&str>) -> Self {
        let Some(codings) = codings else {
            return Self::Plain(transfer);
        };
        let ((packed, source), (sink, unpacked)) = (channel(ROOM), channel(ROOM));
        let codings = codings.to_owned();
        // Ends by itself as soon as one of the channels does.
        drop(tokio::task::spawn_blocking(move || {
            unpack(&codings, source, &sink);
        }));
        Self::Packed {
            transfer,
            packed: Some(packed),
            unpacked,
        }
    }

    /// The next bytes; `None` behind the last.
    pub(super) async fn next(&mut self, stall: Duration) -> Result<Option<Bytes>, Problem> {
        let (transfer, packed, unpacked) = match self {
            Self::Plain(transfer) => {
                let block = timed(stall, next(transfer)).await?;
                return Ok(block.map(|block| block.bytes));
            }
            Self::Packed {
                transfer,
                packed,
                unpacked,
            } => (transfer, packed, unpacked),
        };
        loop {
            tokio::select! {
                bytes = unpacked.recv() => {
                    return bytes.transpose().map_err(|error| {
                        let words = format!("unpacking the body: {error}");
                        Failure::Network(Fault::Protocol(words)).into()
                    });
                }
                fed = feed(transfer, packed.as_ref(), stall), if packed.is_some() => {
                    if !fed? {
                        *packed = None;
                    }
                }
            }
        }
    }
}

/// Hands in a block; false if there is none any more. Nothing is lost if it is dropped.
async fn feed(
    transfer: &mut Transfer,
    packed: Option<&Sender<Bytes>>,
    stall: Duration,
) -> Result<bool, Problem> {
    let Some(packed) = packed else {
        return Ok(false);
    };
    let Ok(room) = packed.reserve().await else {
        return Ok(false);
    };
    match timed(stall, next(transfer)).await? {
        Some(block) => {
            room.send(block.bytes);
            Ok(true)
        }
        None => Ok(false),
    }
}

fn unpack(codings: &str, source: Receiver<Bytes>, sink: &Sender<io::Result<Bytes>>) {
    let source = Source(source, Bytes::new());
    let Some(mut unpacked) = coding::unpack(codings, Box::new(source)) else {
        return;
    };
    loop {
        let mut block = Vec::with_capacity(BLOCK);
        let read = (&mut unpacked).take(BLOCK as u64).read_to_end(&mut block);
        // What came before an error is as good as what comes after it: of no use.
        let message = match read {
            Ok(0) => return,
            Ok(_) => Ok(block.into()),
            Err(error) => Err(error),
        };
        let is_over = message.is_err();
        if sink.blocking_send(message).is_err() || is_over {
            return;
        }
    }
}

/// What was handed in, to be read.
struct Source(Receiver<Bytes>, Bytes);

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.1.is_empty() {
            match self.0.blocking_recv() {
                Some(bytes) => self.1 = bytes,
                None => return Ok(0),
            }
        }
        let length = self.1.len().min(out.len());
        self.1.copy_to_slice(&mut out[..length]);
        Ok(length)
    }
}

//! One transfer of a file: from the request for a chunk to its last byte in the sink.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};

use super::Context;
use super::fetch::{File, Place};
use super::job::{Job, timed};
use super::settle::{Ended, Trouble};
use crate::answer::{self, Refusal};
use crate::entity::{Entity, Validator};
use crate::fingerprint::headers::Places;
use crate::net::{Block, Error as NetError, Event, Kind, Request, Transfer};
use crate::page;
use crate::range::ByteRange;
use crate::resolve::part::head_within;
use crate::resolve::plain;
use crate::retry::Failure;
use crate::schedule::{Chunk, ChunkId};

/// How long a complete body may take to be reported as such; after that its connection is given up.
const LINGER: Duration = Duration::from_millis(500);

/// Is counted while it lives.
pub(super) struct Counted<'a>(&'a Cell<usize>);

impl<'a> Counted<'a> {
    pub(super) fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl File<'_> {
    /// Asks for a chunk and delivers its bytes.
    pub(super) async fn ask(&self, chunk: Chunk, place: Rc<Place>) -> Ended {
        let answered = Cell::new(false);
        let end = self.try_to_ask(chunk, &place, &answered).await;
        Ended {
            id: chunk.id,
            place,
            answered: answered.get(),
            end,
        }
    }

    /// Delivers the bytes of a body that was asked for before, and begins at offset `from`.
    pub(super) async fn take_in(&self, id: ChunkId, body: Transfer, from: u64) -> Ended {
        let place = Rc::clone(&self.place.borrow());
        let _served = Counted::new(&self.served);
        let body_range = ByteRange::new(from, self.length.max(from));
        Ended {
            id,
            place,
            answered: true,
            end: self.deliver(id, body, body_range, true).await,
        }
    }

    async fn try_to_ask(
        &self,
        chunk: Chunk,
        place: &Place,
        answered: &Cell<bool>,
    ) -> Result<(), Trouble> {
        let request = self.request(chunk, place);
        let node = request.node;
        let mut transfer = self.job.client().start(request);
        let _turn = self.parked.asks(transfer.turn());
        let head = tokio::select! {
            head = head_within(self.job.context.stall, &mut transfer) => head?,
            () = self.robbed(chunk.id) => return Ok(()),
        };
        let now = Context::wall_clock();
        let context = self.job.context;
        context.session.learn(&place.url, &head, now)?;
        self.note_streams(&transfer);
        if let Some(guard) = page::challenge(&head) {
            return Err(Failure::Refused(Refusal::Challenge(guard)).into());
        }
        let slice = answer::slice(&head, chunk.range, chunk.open, self.entity(place));
        if let Err(Refusal::Twin | Refusal::Precondition) = &slice
            && node.is_none()
            && place.mirror.is_none()
            && self.stays_with(transfer.node())
        {
            return Err(Trouble::Elsewhere);
        }
        let slice = slice.map_err(|refusal| Failure::of(refusal, &head, now))?;
        answered.set(true);
        let _served = Counted::new(match &place.mirror {
            Some(mirror) => &mirror.served,
            None => &self.served,
        });
        if slice.whole {
            self.schedule.borrow_mut().runs_on(chunk.id);
        } else {
            self.range_was_served(place);
        }
        self.deliver(chunk.id, transfer, slice.range, false).await
    }

    fn request(&self, chunk: Chunk, place: &Place) -> Request {
        let validator = match self.job.no_conditions.get() {
            true => &Validator::default(),
            false => &self.entity(place).validator,
        };
        let range = if chunk.open {
            chunk.range.request_open()
        } else {
            chunk.range.request()
        };
        let context = self.job.context;
        let places = Places {
            range: Some(range),
            strong_etag: validator.if_match(),
            if_range: validator.if_range(),
            last_modified: validator.last_modified.clone(),
            ..context
                .session
                .places(&self.job.source, &place.url, Context::wall_clock())
        };
        Request {
            url: plain(&place.url),
            kind: Kind::Slice,
            places,
            node: self
                .node
                .get()
                .filter(|_| self.pinned.get() && place.mirror.is_none()),
            patient: false,
        }
    }

    /// Keeps to the node that the file was begun at from here on, if the answer came from another one.
    fn stays_with(&self, answered: Option<IpAddr>) -> bool {
        let (Some(node), Some(answered)) = (self.node.get(), answered) else {
            return false;
        };
        if node != answered && !self.pinned.replace(true) {
            let why = "another address of the host has another tag for the file";
            self.job
                .note(format!("{why}; it goes on with {node} alone"));
        }
        node != answered
    }

    /// What a place has.
    fn entity<'e>(&'e self, place: &'e Place) -> &'e Entity {
        let mirror = place.mirror.as_ref().map(|mirror| &mirror.entity);
        mirror.unwrap_or(&self.resource.entity)
    }

    fn range_was_served(&self, place: &Place) {
        if place.mirror.is_some() {
            place.forgive();
            return place.share.gate.accepted(Context::now());
        }
        let busy = self.schedule.borrow().busy(Context::now());
        place.share.set(busy, self.served.get());
        place.share.gate.accepted(Context::now());
        if !self.proven.replace(true) {
            self.limit.set(usize::MAX);
        }
        self.barren.set(0);
        self.wholes.set(0);
        self.moved.notify_waiters();
    }

    /// Writes a chunk's bytes from a body that brings `range` of the file; `opener` if it is one that opened the file.
    ///
    /// What it brings of bytes before the chunk is held against those that are there already.
    async fn deliver(
        &self,
        id: ChunkId,
        mut transfer: Transfer,
        range: ByteRange,
        opener: bool,
    ) -> Result<(), Trouble> {
        let _on_line = self.lines.enter(&transfer);
        let mut before = self.rest(id).start.saturating_sub(range.start);
        loop {
            if self.rest(id).is_empty() && !(opener && self.goes_on(id).await) {
                return Ok(());
            }
            let block = tokio::select! {
                block = timed(self.job.context.stall, next(&mut transfer)) => block?,
                () = self.robbed(id) => return Ok(()),
            };
            let Some(Block { offset, mut bytes }) = block else {
                return Err(Failure::Short.into());
            };
            self.note_streams(&transfer);
            self.note_arrival(id, bytes.len()).await;
            let mut at = range.start + offset;
            let end = at + bytes.len() as u64;
            if before > 0 {
                let overlap = first(bytes.clone(), before);
                bytes.advance(overlap.len());
                before -= overlap.len() as u64;
                self.compare(at, overlap.clone()).await?;
                at += overlap.len() as u64;
            }
            self.keep(id, at, bytes, opener).await?;
            if end == range.end {
                see_off(self.job, &mut transfer).await;
                // A server may send less than was asked for; the rest is asked for anew (RFC 9110 §15.3.7).
                return Ok(());
            }
        }
    }

    /// Holds bytes against those that are there already.
    async fn compare(&self, offset: u64, bytes: Bytes) -> Result<(), Trouble> {
        let agrees = self.sink.agrees(offset, bytes).await;
        if agrees.map_err(Trouble::Disk)? {
            Ok(())
        } else {
            Err(Failure::Refused(Refusal::Changed).into())
        }
    }

    /// Keeps to what the server takes on one connection, unless several are wanted.
    fn note_streams(&self, transfer: &Transfer) {
        if self.job.context.sockets.is_none() {
            self.place.borrow().share.gate.takes(transfer.streams());
        }
    }

    /// Pays for bytes that came.
    async fn note_arrival(&self, id: ChunkId, bytes: usize) {
        self.arrived.set(self.arrived.get() + bytes as u64);
        if self.job.context.pace.is_limited() {
            self.hold(id, self.job.context.pace.pay(bytes)).await;
        }
        self.job.note_life();
    }

    /// Waits for something of our own, which is not to be held against the server.
    async fn hold<T>(&self, id: ChunkId, work: impl Future<Output = T>) -> T {
        let held = |held| self.schedule.borrow_mut().hold(id, held, Context::now());
        held(true);
        let _holding = self.job.holding();
        let result = work.await;
        held(false);
        result
    }

    /// Writes what of these bytes belongs to the chunk. What the opening body brings beyond its chunk waits for a decision.
    async fn keep(
        &self,
        id: ChunkId,
        mut offset: u64,
        mut bytes: Bytes,
        opener: bool,
    ) -> Result<(), Trouble> {
        while !bytes.is_empty() {
            let mut piece = std::mem::take(&mut bytes);
            if opener {
                let rest = usize::try_from(self.rest(id).len()).unwrap_or(usize::MAX);
                bytes = piece.split_off(rest.min(piece.len()));
            }
            if piece.is_empty() {
                if !self.goes_on(id).await {
                    return Ok(());
                }
                continue;
            }
            let arrived = piece.len() as u64;
            let kept = self
                .schedule
                .borrow_mut()
                .advance(id, arrived, Context::now());
            let written = self.hold(id, self.sink.write(offset, first(piece, kept)));
            written.await.map_err(Trouble::Disk)?;
            offset += arrived;
        }
        Ok(())
    }

    /// Resolves when nothing of the chunk is left to a transfer that waits, because others took it over.
    async fn robbed(&self, id: ChunkId) {
        while !self.rest(id).is_empty() {
            self.moved.notified().await;
        }
    }

    pub(super) fn rest(&self, id: ChunkId) -> ByteRange {
        self.schedule.borrow().rest(id)
    }
}

/// Waits until libcurl has seen too that a body is complete: its connection is good for another request then.
pub(super) async fn see_off(job: &Job<'_>, transfer: &mut Transfer) {
    let _ = timed(LINGER, next(transfer)).await;
    job.note_length(transfer);
}

/// The next block; `None` when the message is complete.
pub(super) async fn next(transfer: &mut Transfer) -> Result<Option<Block>, NetError> {
    loop {
        match transfer.next().await {
            Some(Event::Data(block)) => return Ok(Some(block)),
            Some(Event::End(Ok(()))) | None => return Ok(None),
            Some(Event::End(Err(error))) => return Err(error),
            Some(Event::Head(_)) => {}
        }
    }
}

/// The first `length` of `bytes`.
pub(super) fn first(mut bytes: Bytes, length: u64) -> Bytes {
    bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
    bytes
}

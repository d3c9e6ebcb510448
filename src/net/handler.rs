//! What libcurl calls while one transfer runs: header lines become a [`Head`](crate::http::Head), body bytes become [`Block`]s.
//!
//! Credit: a transfer may deliver its window; when that is used up the write callback pauses it, and a grant lets it
//! go on. It may be overdrawn by one callback's bytes (16 KiB), because libcurl delivers all or nothing.

use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use curl::easy::{Handler, InfoType, WriteError};
use tokio::sync::mpsc::UnboundedSender;

use super::head::{Reader, is_status_line};
use super::http1::Fields;
use super::tls::sessions::{self, Shared};
use super::{BLOCK, Block, Error, Event, Line, Options, Request, hooks, info, setup, tls, trace};
use crate::answer::content_length;
use crate::fingerprint::Fingerprint;
use crate::http::Protocol;
use crate::retry::Fault;

/// The state of one transfer on the driver thread.
pub(super) struct Body {
    /// The other end is the flow's `Transfer`.
    events: UnboundedSender<Event>,
    /// Is told of the connection before the head is sent.
    line: Arc<Line>,
    /// Whether the address at the other end of the connection is the host's, and not a proxy's.
    direct: bool,
    /// Address of the easy handle this belongs to; 0 before it has one.
    handle: usize,
    /// Worn by the connection, if this transfer opens one.
    fingerprint: Arc<Fingerprint>,
    /// What that connection may resume.
    sessions: Shared,
    /// libcurl is asked for its one URL and follows no redirect.
    request: Rc<Request>,
    /// Host and port of that.
    authority: String,
    /// What the request shows over HTTP/1.1; libcurl knows where it is.
    fields: Option<Rc<Fields>>,
    /// The head being read; `None` once it was sent.
    head: Option<Reader>,
    /// Body bytes that may still be delivered; below zero after an overdraft.
    credit: isize,
    /// Whether the write callback has paused the transfer.
    paused: bool,
    /// The size of a block.
    block: usize,
    /// Bytes that wait to become a block; at most one block. What is left of its capacity after a flush is used up
    /// before memory is taken anew.
    part: BytesMut,
    /// Round of the driver's loop in which `part` got its first byte; 0 = not yet known.
    since: u64,
    /// Offset in the body of the first byte of `part`.
    offset: u64,
    /// Whether it comes over HTTP/2; known with the head.
    framed: bool,
    /// Bytes that the body has by its head; `None` where something else tells where it ends.
    declared: Option<u64>,
    /// Whether there is a body whose end only a mark in the stream tells: HTTP/2, and no length.
    unmeasured: bool,
    /// Whether a second answer came: libcurl had asked again by itself.
    again: bool,
}

impl Body {
    pub(super) fn new(
        options: &Options,
        sessions: &Shared,
        request: Rc<Request>,
        events: UnboundedSender<Event>,
        line: Arc<Line>,
    ) -> Self {
        Self {
            events,
            line,
            direct: false,
            handle: 0,
            fingerprint: options.fingerprint.clone(),
            sessions: sessions.clone(),
            authority: setup::authority(&request.url).to_owned(),
            request,
            fields: None,
            head: Some(Reader::default()),
            credit: isize::try_from(options.window).unwrap_or(isize::MAX),
            paused: false,
            block: BLOCK.min(options.window),
            part: BytesMut::new(),
            since: 0,
            offset: 0,
            framed: false,
            declared: None,
            unmeasured: false,
            again: false,
        }
    }

    /// Notes that the request's turn has come.
    pub(super) fn begins(&self) {
        self.line.begins();
    }

    /// Whether it waits for its bytes to be taken.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(super) fn events(&self) -> UnboundedSender<Event> {
        self.events.clone()
    }

    pub(super) fn set_handle(&mut self, address: usize) {
        self.handle = address;
    }

    /// Notes that no proxy stands between.
    pub(super) fn goes_directly(&mut self) {
        self.direct = true;
    }

    /// Whether its connection is there, and speaks HTTP/1.1.
    pub(super) fn speaks_http1(&self) -> bool {
        self.fields.as_ref().is_some_and(|it| it.are_wanted())
    }

    /// Whether no head has come.
    pub(super) fn is_unanswered(&self) -> bool {
        self.head.is_some()
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn request(&self) -> &Rc<Request> {
        &self.request
    }

    pub(super) fn set_fields(&mut self, fields: Rc<Fields>) {
        self.fields = Some(fields);
    }

    /// Adds credit; true if the transfer must be unpaused.
    pub(super) fn grant(&mut self, bytes: usize) -> bool {
        self.credit = self.credit.saturating_add_unsigned(bytes);
        let resume = self.paused && self.credit > 0;
        if resume {
            self.paused = false;
        }
        resume
    }

    /// Sends what waits if it waits since `oldest` or before. A part without a round gets `round`.
    pub(super) fn flush_older_than(&mut self, oldest: u64, round: u64) {
        if self.since == 0 {
            self.since = round;
        }
        if self.since <= oldest {
            self.flush();
        }
    }

    /// What the end of the transfer means, if libcurl ends it with `result`.
    pub(super) fn judge(&self, result: Result<(), curl::Error>) -> Result<(), Error> {
        let result = result.map_err(|error| self.why(&error));
        if self.again {
            let message = "the server broke off the answer, as it requires http/1.1";
            return Err(Error::new(Fault::Http11Required, message));
        }
        let came = hooks::answer(self.handle);
        if self.framed && self.declared.is_some_and(|declared| came.body > declared) {
            self.line.overflows();
        }
        if result.is_ok() && self.unmeasured && !came.has_ended {
            let message = "the server reset the stream before the end of the answer";
            return Err(Error::new(Fault::Http2 { code: 0 }, message));
        }
        result
    }

    /// Why libcurl failed.
    fn why(&self, error: &curl::Error) -> Error {
        if let Some(fault) = hooks::unserved(self.handle) {
            return Error::new(fault.clone(), fault.to_string());
        }
        let error = Error::from_curl(error);
        let is_lost = matches!(error.fault(), Fault::Reset | Fault::Http2 { code: 0 });
        // A connection that had served others ended when the request was on its way, which libcurl asks again by itself where
        // that happens over HTTP/1.1; or it still brought bytes of the answer before, which had more of them than it said.
        let is_spent = is_lost || error.is_no_answer();
        if is_spent && self.is_unanswered() && info::is_reused(self.handle) {
            return Error::new(Fault::Goaway { code: 0 }, error.to_string());
        }
        error
    }

    /// The last event.
    pub(super) fn end(&mut self, result: Result<(), Error>) {
        self.flush();
        self.send(Event::End(result));
    }

    /// Bytes to take memory for, as `next` are there: a block, or less where no more than that can come.
    fn room_for(&self, next: usize) -> usize {
        let left = self.declared.map(|it| it.saturating_sub(self.come()));
        let left = left.and_then(|left| usize::try_from(left).ok());
        self.block.min(left.unwrap_or(usize::MAX).max(next))
    }

    /// Bytes of the body so far.
    fn come(&self) -> u64 {
        self.offset + self.part.len() as u64
    }

    fn flush(&mut self) {
        if !self.part.is_empty() {
            let bytes = self.part.split().freeze();
            let offset = self.offset;
            self.offset += bytes.len() as u64;
            self.send(Event::Data(Block { offset, bytes }));
        }
        self.since = 0;
    }

    /// The server may change its mind at any time.
    fn note_streams(&self) {
        if let Some(streams) = hooks::most_streams(self.handle) {
            self.line.takes(streams);
        }
    }

    fn note_node(&self) {
        if self.direct
            && let Some(node) = info::node(self.handle)
        {
            self.line.leads_to(node);
        }
    }

    fn note_connection(&self) {
        if let Some(number) = info::connection(self.handle) {
            self.line.is_on(number);
        }
        if let Some(address) = info::local(self.handle) {
            self.line.begins_at(address);
        }
    }

    fn send(&self, event: Event) {
        // Nobody listens any more when the flow has dropped the transfer; a cancel is on its way.
        let _ = self.events.send(event);
    }
}

impl Handler for Body {
    fn debug(&mut self, kind: InfoType, data: &[u8]) {
        trace::say(kind, data);
    }

    fn header(&mut self, data: &[u8]) -> bool {
        if self.head.is_none() && is_status_line(data) {
            // At HTTP_1_1_REQUIRED libcurl makes the request once more over HTTP/1.1, although the flow has the head and a
            // part of the body already. The second answer's bytes do not belong behind them.
            self.again = true;
            return false;
        }
        if let Some(reader) = &mut self.head
            && let Some(head) = reader.line(data, &self.request.url)
        {
            self.head = None;
            self.framed = head.protocol == Protocol::Http2;
            self.declared = content_length(&head).ok().flatten();
            self.unmeasured =
                self.framed && matches!(head.status, 200 | 206) && self.declared.is_none();
            self.note_streams();
            self.note_connection();
            self.note_node();
            self.send(Event::Head(head));
        }
        true
    }

    fn write(&mut self, mut data: &[u8]) -> Result<usize, WriteError> {
        if self.credit <= 0 {
            self.paused = true;
            self.flush();
            return Err(WriteError::Pause);
        }
        self.note_streams();
        let (length, end) = (data.len(), data.as_ptr_range().end);
        self.credit -= isize::try_from(length).unwrap_or(isize::MAX);
        while !data.is_empty() {
            if self.part.len() == self.part.capacity() {
                self.flush();
                self.part = BytesMut::with_capacity(self.room_for(data.len()));
            }
            let room = self.part.capacity() - self.part.len();
            let (now, later) = data.split_at(data.len().min(room));
            self.part.extend_from_slice(now);
            data = later;
        }
        if self.declared == Some(self.come()) && !self.framed && hooks::is_more_behind(end) {
            self.line.overflows();
        }
        Ok(length)
    }

    fn ssl_ctx(&mut self, context: *mut std::ffi::c_void) -> Result<(), curl::Error> {
        let tls = &self.fingerprint.tls;
        sessions::share(context, tls, &self.request.url, &self.sessions);
        tls::dress_context(context, tls)
    }
}

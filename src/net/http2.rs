//! How the HTTP/2 connections of one driver differ from libcurl's: the fingerprint's SETTINGS, windows, header lists,
//! header coding and priorities.
//!
//! Plain state and bytes; [`super::hooks`] brings the calls. nghttp2 keeps the protocol right and owns HPACK's table;
//! what it cannot be told (the priority fields of HEADERS, which RFC 9113 deprecates and browsers still send, and a
//! browser's way to write strings) is written into the frame on its way out.

pub(super) mod callbacks;
mod session;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use self::callbacks::Callbacks;
use crate::fingerprint::Fingerprint;
use crate::fingerprint::schema::Priority;
use crate::fingerprint::wire::recode::Style;
use crate::retry::Fault;
pub(super) use session::Session;
use session::{FRAME_HEAD, FrameHead, HEADERS};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const STREAM_CLOSED: u32 = 5;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
/// A connection's window before any WINDOW_UPDATE (RFC 9113 §6.9.2).
const INITIAL_WINDOW: u32 = 65_535;

/// What a transfer asks over HTTP/2, apart from the pseudo-headers.
pub(super) struct Requested {
    /// In wire order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// For the HEADERS frame.
    pub priority: Option<Priority>,
}

/// Name and value.
type Field<'a> = (&'a [u8], &'a [u8]);

/// What has come of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Bytes of its body, those included that libcurl takes for too many.
    pub body: u64,
    /// Whether its last frame came (END_STREAM, RFC 9113 §5.1).
    pub has_ended: bool,
}

/// The HTTP/2 state of one driver thread.
pub(super) struct Wire {
    fingerprint: Arc<Fingerprint>,
    /// Whether one connection serves all requests to a host.
    is_single: bool,
    /// What libcurl gave nghttp2 to call, and ours pass on to.
    pub(super) callbacks: Callbacks,
    /// By address of the easy handle: why the server did not begin what it last asked.
    unserved: HashMap<usize, Fault>,
    /// Easy handles whose sessions nghttp2 has given up since it was last asked for.
    orphans: Vec<usize>,
    /// By address of the easy handle: what has come of its answer. Alive as long as the transfer.
    answers: HashMap<usize, Answer>,
    /// By address of the easy handle: what it will ask. Alive as long as the transfer.
    requested: HashMap<usize, Rc<Requested>>,
    /// By address of the easy handle: the session and stream it was last given.
    streams: HashMap<usize, (usize, i32)>,
    /// By address of the session, while that is alive.
    sessions: HashMap<usize, Session>,
}

impl Wire {
    pub(super) fn new(fingerprint: Arc<Fingerprint>, is_single: bool) -> Self {
        Self {
            fingerprint,
            is_single,
            callbacks: Callbacks::default(),
            unserved: HashMap::new(),
            orphans: Vec::new(),
            answers: HashMap::new(),
            requested: HashMap::new(),
            streams: HashMap::new(),
            sessions: HashMap::new(),
        }
    }

    pub(super) fn fingerprint(&self) -> &Arc<Fingerprint> {
        &self.fingerprint
    }

    pub(super) fn is_single(&self) -> bool {
        self.is_single
    }

    pub(super) fn expect(&mut self, easy: usize, request: Rc<Requested>) {
        self.requested.insert(easy, request);
    }

    /// The session that an easy handle was last given, if that is alive.
    pub(super) fn session_of(&self, easy: usize) -> Option<usize> {
        self.streams.get(&easy).map(|&(session, _)| session)
    }

    /// Forgets a transfer. If it was paused, the credit that was held back is still due to its connection: session,
    /// stream and bytes.
    pub(super) fn forget(&mut self, easy: usize) -> Option<(usize, i32, usize)> {
        self.requested.remove(&easy);
        self.unserved.remove(&easy);
        self.answers.remove(&easy);
        let (session, stream) = self.streams.remove(&easy)?;
        let held = self.sessions.get_mut(&session)?.pause(stream, false);
        (held > 0).then_some((session, stream, held))
    }

    /// Forgets a session that is about to be freed, and whose address may come again. Transfers may outlive theirs: libcurl asks
    /// once more on another connection.
    pub(super) fn close(&mut self, session: usize) {
        self.streams.retain(|_, of| of.0 != session);
        self.sessions.remove(&session);
    }

    /// Notes that the stream of an easy handle has ended with `code`; the code that libcurl is to see.
    pub(super) fn closed(&mut self, easy: usize, code: u32) -> u32 {
        if code != REFUSED_STREAM {
            return code;
        }
        self.unserved.entry(easy).or_insert(Fault::RefusedStream);
        CANCEL
    }

    /// Notes that the server closes a session, and does nothing for streams behind `last`.
    pub(super) fn goes_away(&mut self, session: usize, last: i32, code: u32) {
        let of_session = self.streams.iter().filter(|(_, of)| of.0 == session);
        for (&easy, _) in of_session.filter(|(_, of)| of.1 > last) {
            self.unserved.insert(easy, Fault::Goaway { code });
        }
    }

    /// Notes a frame on its way out. Where it ends the session, all of its transfers are over.
    pub(super) fn sends(&mut self, session: usize, frame: &[u8]) {
        if self.session(session).gives_up(frame) {
            let orphans = self.streams.iter().filter(|(_, of)| of.0 == session);
            self.orphans.extend(orphans.map(|(&easy, _)| easy));
        }
    }

    /// The transfers that are over since this was last asked.
    pub(super) fn orphans(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.orphans)
    }

    /// Why the server did not begin what an easy handle asked.
    pub(super) fn unserved(&self, easy: usize) -> Option<Fault> {
        self.unserved.get(&easy).cloned()
    }

    /// Notes a frame of an answer that carried so many bytes of the body, and whether it was the last.
    pub(super) fn came(&mut self, easy: usize, carried: u64, is_last: bool) {
        let answer = self.answers.entry(easy).or_default();
        answer.body += carried;
        answer.has_ended |= is_last;
    }

    /// What has come of an answer.
    pub(super) fn answer(&self, easy: usize) -> Answer {
        self.answers.get(&easy).copied().unwrap_or_default()
    }

    pub(super) fn session(&mut self, session: usize) -> &mut Session {
        self.sessions.entry(session).or_default()
    }

    /// Begins a session: its SETTINGS and the id of its first stream.
    pub(super) fn open(&mut self, session: usize) -> (Vec<(u16, u32)>, i32) {
        let http2 = &self.fingerprint.http2;
        let style = Style {
            huffman_always: http2.huffman_always,
            path_always_literal: http2.path_always_literal,
        };
        self.sessions.insert(session, Session::new(style));
        let first_stream = i32::try_from(http2.first_stream).unwrap_or(1);
        (http2.settings.clone(), first_stream)
    }

    /// The connection's receive window, initial one included.
    pub(super) fn connection_window(&self) -> i32 {
        i32::try_from(INITIAL_WINDOW.saturating_add(self.fingerprint.http2.window_update))
            .unwrap_or(i32::MAX)
    }

    /// Increment of the WINDOW_UPDATE behind a request's HEADERS; 0 = none.
    pub(super) fn stream_window_update(&self) -> i32 {
        i32::try_from(self.fingerprint.http2.stream_window_update).unwrap_or(i32::MAX)
    }

    /// What becomes of `size` bytes of a stream that were received and are done with. `unacknowledged` is how many bytes of
    /// all streams count against the connection's window.
    pub(super) fn consume(
        &mut self,
        session: usize,
        stream: i32,
        size: usize,
        unacknowledged: i32,
    ) -> Consumed {
        let credit = self.fingerprint.http2.credit;
        let session = self.session(session);
        if session.hold(stream, size) {
            return Consumed::Updates(Vec::new());
        }
        let Some(credit) = credit else {
            return Consumed::Counted;
        };
        let updates = [
            (stream, session.credit(stream, size, credit.stream)),
            (
                0,
                session.connection_credit(unacknowledged, credit.connection),
            ),
        ];
        let due = updates.into_iter();
        Consumed::Updates(
            due.filter_map(|(stream, due)| Some((stream, due?)))
                .collect(),
        )
    }

    pub(super) fn reset_code(&self, code: u32) -> u32 {
        if code == STREAM_CLOSED { CANCEL } else { code }
    }

    /// How many of `bytes` belong into the first TLS record, if they open a connection and the browser splits there.
    pub(super) fn first_record(&self, bytes: &[u8]) -> Option<usize> {
        if !self.fingerprint.http2.headers_in_own_record || !bytes.starts_with(PREFACE) {
            return None;
        }
        let mut at = PREFACE.len();
        while let Some(frame) = bytes.get(at..).and_then(FrameHead::read) {
            if frame.kind == HEADERS {
                return Some(at);
            }
            at += FRAME_HEAD + frame.length;
        }
        None
    }

    /// What the request of `easy` shows: of `given` the pseudo-headers, in the browser's order, and all that follows them.
    pub(super) fn header_list<'a>(
        &self,
        easy: usize,
        given: &[Field<'a>],
    ) -> Option<(Vec<Field<'a>>, Rc<Requested>)> {
        let requested = Rc::clone(self.requested.get(&easy)?);
        let named = |name: &String| given.iter().find(|(it, _)| *it == name.as_bytes());
        let pseudo = self.fingerprint.http2.pseudo_headers.iter();
        Some((pseudo.filter_map(named).copied().collect(), requested))
    }

    pub(super) fn submitted(&mut self, session: usize, stream: i32, easy: usize) {
        if let Some(requested) = self.requested.get(&easy) {
            let priority = requested.priority;
            self.unserved.remove(&easy);
            self.streams.insert(easy, (session, stream));
            // libcurl may have asked before.
            self.answers.remove(&easy);
            self.session(session).submitted(stream, priority);
        }
    }
}

/// What becomes of received bytes.
pub(super) enum Consumed {
    /// nghttp2 counts them and acknowledges when it thinks fit.
    Counted,
    /// These streams, 0 = the connection, get a WINDOW_UPDATE of that many bytes; nghttp2 is not told otherwise.
    Updates(Vec<(i32, i32)>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> Wire {
        let fingerprint = crate::fingerprint::find("chrome120").unwrap();
        Wire::new(Arc::new(fingerprint), true)
    }

    fn submit(wire: &mut Wire, session: usize, stream: i32, easy: usize) {
        let request = Requested {
            headers: Vec::new(),
            priority: None,
        };
        wire.expect(easy, Rc::new(request));
        wire.submitted(session, stream, easy);
    }

    #[test]
    fn transfers_of_a_session_that_is_given_up_are_over() {
        let mut wire = wire();
        for (session, easy) in [(7, 100), (8, 200)] {
            wire.open(session);
            submit(&mut wire, session, 1, easy);
        }
        let goaway = |code| [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, code];
        wire.sends(7, &goaway(0));
        assert_eq!(wire.orphans(), [0; 0]);
        wire.sends(7, &goaway(1));
        assert_eq!((wire.orphans(), wire.orphans()), (vec![100], vec![]));
    }

    #[test]
    fn a_session_that_is_gone_is_nobodys() {
        let mut wire = wire();
        wire.open(7);
        submit(&mut wire, 7, 1, 100);
        assert_eq!(wire.session_of(100), Some(7));
        wire.close(7);
        assert_eq!(wire.session_of(100), None);
    }

    #[test]
    fn what_a_server_did_not_begin_is_known_until_it_is_asked_again() {
        let mut wire = wire();
        wire.open(7);
        for (easy, stream) in [(100, 1), (200, 3), (300, 5)] {
            submit(&mut wire, 7, stream, easy);
        }
        assert_eq!(wire.closed(100, 0), 0);
        assert_eq!(wire.closed(100, 2), 2);
        assert_eq!(wire.unserved(100), None);
        wire.goes_away(7, 1, 11);
        wire.goes_away(8, 0, 2);
        assert_eq!(wire.closed(200, REFUSED_STREAM), CANCEL);
        assert_eq!(wire.unserved(100), None);
        assert_eq!(wire.unserved(200), Some(Fault::Goaway { code: 11 }));
        assert_eq!(wire.closed(100, REFUSED_STREAM), CANCEL);
        assert_eq!(wire.unserved(100), Some(Fault::RefusedStream));
        submit(&mut wire, 7, 7, 200);
        assert_eq!(wire.unserved(200), None);
        wire.forget(300);
        assert_eq!(wire.unserved(300), None);
    }

    #[test]
    fn bytes_of_streams_that_were_given_up_count_for_the_connection() {
        let mut wire = wire();
        let credit = wire.fingerprint.http2.credit.unwrap();
        let enough = i32::try_from(credit.connection).unwrap();
        wire.open(7);
        let mut consume = |unacknowledged| match wire.consume(7, 1, 10, unacknowledged) {
            Consumed::Updates(updates) => updates,
            Consumed::Counted => panic!("counted by nghttp2"),
        };
        // Ten bytes at a time arrive for the stream, and many more for others.
        assert_eq!(consume(enough - 1), []);
        assert_eq!(consume(enough + 5), [(0, enough + 5)]);
        // Held back for a reader that is slow.
        wire.session(7).pause(3, true);
        wire.session(7).hold(3, 100);
        let Consumed::Updates(updates) = wire.consume(7, 1, 10, enough + 99) else {
            panic!("counted by nghttp2");
        };
        assert_eq!(updates, []);
    }

    #[test]
    fn a_paused_transfer_that_is_cancelled_gives_its_credit_back() {
        let mut wire = wire();
        wire.open(7);
        for (easy, stream) in [(100, 1), (200, 3)] {
            submit(&mut wire, 7, stream, easy);
        }
        wire.session(7).pause(1, true);
        wire.session(7).hold(1, 10);
        assert_eq!(wire.forget(100), Some((7, 1, 10)));
        assert_eq!(wire.forget(100), None);
        wire.session(7).pause(3, true);
        wire.session(7).hold(3, 10);
        wire.close(7);
        assert_eq!(wire.forget(200), None);
    }
}

//! How the HTTP/2 connections of one driver differ from libcurl's: the fingerprint's SETTINGS, windows, header lists
//! and priorities.
//!
//! Plain state and bytes; [`super::hooks`] brings the calls. nghttp2 keeps the protocol right and HPACK is its own;
//! what it cannot be told (the priority fields of HEADERS, which RFC 9113 deprecates and browsers still send) is
//! written into the frame on its way out.

use std::collections::HashMap;
use std::sync::Arc;

use crate::fingerprint::Fingerprint;
use crate::fingerprint::schema::{DependsOn, Priority};

type SendCallback = unsafe extern "C" fn(
    *mut libnghttp2_sys::nghttp2_session,
    *const u8,
    usize,
    std::ffi::c_int,
    *mut std::ffi::c_void,
) -> isize;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEAD: usize = 9;
const PRIORITY_FIELDS: usize = 5;
const HEADERS: u8 = 1;
const FLAG_PRIORITY: u8 = 0x20;
const STREAM_CLOSED: u32 = 5;
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

/// The HTTP/2 state of one driver thread.
pub(super) struct Wire {
    fingerprint: Arc<Fingerprint>,
    /// libcurl's send callback, the same for all sessions.
    send: Option<SendCallback>,
    /// By address of the easy handle: what it will ask. Alive as long as the transfer.
    requested: HashMap<usize, Requested>,
    /// By address of the easy handle: the session and stream it was last given.
    streams: HashMap<usize, (usize, i32)>,
    /// By address of the session, while that is alive.
    sessions: HashMap<usize, Session>,
}

impl Wire {
    pub(super) fn new(fingerprint: Arc<Fingerprint>) -> Self {
        Self {
            fingerprint,
            send: None,
            requested: HashMap::new(),
            streams: HashMap::new(),
            sessions: HashMap::new(),
        }
    }

    pub(super) fn fingerprint(&self) -> &Arc<Fingerprint> {
        &self.fingerprint
    }

    pub(super) fn expect(&mut self, easy: usize, request: Requested) {
        self.requested.insert(easy, request);
    }

    /// Forgets a transfer. If it was paused, the credit that was held back is still due to its connection: session,
    /// stream and bytes.
    pub(super) fn forget(&mut self, easy: usize) -> Option<(usize, i32, usize)> {
        self.requested.remove(&easy);
        let (session, stream) = self.streams.remove(&easy)?;
        let held = self.sessions.get_mut(&session)?.pause(stream, false);
        (held > 0).then_some((session, stream, held))
    }

    /// Forgets a session that is about to be freed.
    pub(super) fn close(&mut self, session: usize) {
        self.sessions.remove(&session);
    }

    pub(super) fn set_send(&mut self, send: Option<SendCallback>) {
        self.send = send;
    }

    pub(super) fn send(&self) -> Option<SendCallback> {
        self.send
    }

    pub(super) fn session(&mut self, session: usize) -> &mut Session {
        self.sessions.entry(session).or_default()
    }

    /// Begins a session: its SETTINGS and the id of its first stream.
    pub(super) fn open(&mut self, session: usize) -> (Vec<(u16, u32)>, i32) {
        self.sessions.insert(session, Session::default());
        let first_stream = i32::try_from(self.fingerprint.http2.first_stream).unwrap_or(1);
        (self.fingerprint.http2.settings.clone(), first_stream)
    }

    /// The connection's receive window, initial one included.
    pub(super) fn connection_window(&self) -> i32 {
        i32::try_from(INITIAL_WINDOW.saturating_add(self.fingerprint.http2.window_update))
            .unwrap_or(i32::MAX)
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

    /// The full header list for the request of `easy`: pseudo-headers of `given` in the browser's order, then its own.
    pub(super) fn header_list<'a>(
        &self,
        easy: usize,
        given: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let requested = self.requested.get(&easy)?;
        let given: HashMap<_, _> = given.collect();
        let pseudo = self
            .fingerprint
            .http2
            .pseudo_headers
            .iter()
            .map(String::as_bytes);
        let mut list: Vec<_> = pseudo
            .filter_map(|name| Some((name.to_vec(), given.get(name)?.to_vec())))
            .collect();
        list.extend(
            requested
                .headers
                .iter()
                .map(|(name, value)| (name.clone().into(), value.clone().into())),
        );
        Some(list)
    }

    pub(super) fn submitted(&mut self, session: usize, stream: i32, easy: usize) {
        self.streams.insert(easy, (session, stream));
        if let Some(priority) = self
            .requested
            .get(&easy)
            .and_then(|requested| requested.priority)
        {
            self.session(session).priorities.insert(stream, priority);
        }
    }
}

/// One HTTP/2 connection.
#[derive(Default)]
pub(super) struct Session {
    /// Priorities of requests whose HEADERS were not sent yet.
    priorities: HashMap<i32, Priority>,
    /// Streams whose HEADERS were sent, oldest first; the closed ones are dropped when the next is sent.
    opened: Vec<i32>,
    /// Streams of paused transfers, with the bytes that were received meanwhile and count against the windows.
    held: HashMap<i32, usize>,
    /// Bytes of the current frame that nghttp2 still offers after a partial send; they are not a frame's head.
    remainder: usize,
}

impl Session {
    /// Marks a stream paused or not; returns the bytes whose credit is due when it is not paused any more.
    pub(super) fn pause(&mut self, stream: i32, paused: bool) -> usize {
        if paused {
            self.held.entry(stream).or_default();
            return 0;
        }
        self.held.remove(&stream).unwrap_or_default()
    }

    /// True if the stream is paused: then its credit is held back.
    pub(super) fn hold(&mut self, stream: i32, size: usize) -> bool {
        self.held
            .get_mut(&stream)
            .map(|held| *held += size)
            .is_some()
    }

    /// The frame to send instead of `frame`, and its stream, if it is a HEADERS frame that needs priority fields.
    pub(super) fn rewrite(
        &mut self,
        frame: &[u8],
        is_open: impl Fn(i32) -> bool,
    ) -> Option<(i32, Vec<u8>)> {
        if self.remainder > 0 {
            return None;
        }
        let head = FrameHead::read(frame)
            .filter(|head| head.kind == HEADERS && head.flags & FLAG_PRIORITY == 0)?;
        let priority = *self.priorities.get(&head.stream)?;
        self.opened.retain(|&stream| is_open(stream));
        let parent = match priority.depends_on {
            DependsOn::Root => 0,
            DependsOn::Previous => self.opened.last().copied().unwrap_or(0),
        };
        let mut rewritten = Vec::with_capacity(frame.len() + PRIORITY_FIELDS);
        rewritten.extend_from_slice(
            &u32::try_from(head.length + PRIORITY_FIELDS)
                .ok()?
                .to_be_bytes()[1..],
        );
        rewritten.extend_from_slice(&[HEADERS, head.flags | FLAG_PRIORITY]);
        rewritten.extend_from_slice(&frame[5..FRAME_HEAD]);
        let exclusive = u32::from(priority.exclusive) << 31;
        rewritten.extend_from_slice(&(parent.cast_unsigned() | exclusive).to_be_bytes());
        rewritten.push(u8::try_from(priority.weight - 1).unwrap_or(u8::MAX));
        rewritten.extend_from_slice(&frame[FRAME_HEAD..]);
        Some((head.stream, rewritten))
    }

    /// Notes that `sent` bytes of an untouched frame went out.
    pub(super) fn passed(&mut self, sent: isize) {
        self.remainder = self
            .remainder
            .saturating_sub(usize::try_from(sent).unwrap_or_default());
    }

    /// Translates libcurl's answer for the rewritten HEADERS of `stream` into one for the original of `length` bytes.
    ///
    /// A cut within the inserted fields cannot be told to nghttp2; it fails the connection. libcurl buffers 16 KiB, so
    /// that a cut at all needs a blocked socket.
    pub(super) fn sent(&mut self, stream: i32, sent: isize, length: usize) -> isize {
        let Ok(bytes) = usize::try_from(sent) else {
            return sent;
        };
        if bytes < FRAME_HEAD + PRIORITY_FIELDS {
            return libnghttp2_sys::NGHTTP2_ERR_CALLBACK_FAILURE as isize;
        }
        let original = bytes - PRIORITY_FIELDS;
        self.remainder = length.saturating_sub(original);
        self.priorities.remove(&stream);
        self.opened.push(stream);
        isize::try_from(original).unwrap_or(isize::MAX)
    }
}

/// The fixed part of a frame (RFC 9113 §4.1).
struct FrameHead {
    length: usize,
    kind: u8,
    flags: u8,
    stream: i32,
}

impl FrameHead {
    fn read(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, kind, flags, d, e, f, g] = bytes.first_chunk::<FRAME_HEAD>()?;
        Some(Self {
            length: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
            kind,
            flags,
            stream: i32::from_be_bytes([d & 0x7f, e, f, g]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(weight: u16) -> Session {
        let priority = Priority {
            weight,
            exclusive: true,
            depends_on: DependsOn::Previous,
        };
        Session {
            priorities: HashMap::from([(3, priority), (5, priority)]),
            ..Session::default()
        }
    }

    const FRAME: [u8; 12] = [0, 0, 3, HEADERS, 5, 0, 0, 0, 3, 0x82, 0x84, 0x87];

    #[test]
    fn headers_get_weight_exclusive_bit_and_the_previous_open_stream() {
        let mut session = session(256);
        let (stream, frame) = session.rewrite(&FRAME, |_| true).unwrap();
        assert_eq!(
            frame,
            [
                0, 0, 8, HEADERS, 0x25, 0, 0, 0, 3, 0x80, 0, 0, 0, 255, 0x82, 0x84, 0x87
            ]
        );
        assert_eq!(session.sent(stream, 17, 12), 12);
        let mut next = FRAME;
        next[8] = 5;
        let (_, frame) = session.rewrite(&next, |_| true).unwrap();
        assert_eq!(frame[9..14], [0x80, 0, 0, 3, 255]);
        let (_, frame) = session.rewrite(&next, |_| false).unwrap();
        assert_eq!(frame[9..14], [0x80, 0, 0, 0, 255]);
    }

    #[test]
    fn a_cut_frame_goes_on_where_it_was_cut() {
        let mut session = session(110);
        let (stream, frame) = session.rewrite(&FRAME, |_| true).unwrap();
        assert_eq!(
            session.sent(stream, frame.len() as isize - 2, FRAME.len()),
            FRAME.len() as isize - 2
        );
        // The two bytes left are a frame's end, however much they look like another's head.
        assert!(session.rewrite(&FRAME, |_| true).is_none());
        session.passed(2);
        let mut next = FRAME;
        next[8] = 5;
        assert!(session.rewrite(&next, |_| true).is_some());
    }

    #[test]
    fn a_blocked_send_changes_nothing() {
        let mut session = session(110);
        let (stream, _) = session.rewrite(&FRAME, |_| true).unwrap();
        assert_eq!(session.sent(stream, -504, 12), -504);
        assert!(session.rewrite(&FRAME, |_| true).is_some());
    }

    #[test]
    fn a_paused_stream_keeps_its_credit_until_it_goes_on() {
        let mut session = Session::default();
        assert!(!session.hold(1, 10));
        assert_eq!(session.pause(1, true), 0);
        assert!(session.hold(1, 10) && session.hold(1, 5) && !session.hold(3, 7));
        assert_eq!(session.pause(1, false), 15);
        assert!(!session.hold(1, 10));
    }

    #[test]
    fn a_paused_transfer_that_is_cancelled_gives_its_credit_back() {
        let fingerprint = crate::fingerprint::find("chrome120").unwrap();
        let mut wire = Wire::new(Arc::new(fingerprint));
        wire.open(7);
        wire.submitted(7, 1, 100);
        wire.submitted(7, 3, 200);
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

//! What is remembered of one HTTP/2 connection, and how its HEADERS are rewritten on their way out.

use std::collections::HashMap;

use crate::fingerprint::schema::{DependsOn, Priority};
use crate::fingerprint::wire::recode::{Style, recode};

pub(super) const FRAME_HEAD: usize = 9;
const PRIORITY_FIELDS: usize = 5;
pub(super) const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;
const FLAG_END_HEADERS: u8 = 0x4;
const FLAG_PRIORITY: u8 = 0x20;
/// The largest payload that every peer takes (RFC 9113 §4.2).
const MAX_PAYLOAD: usize = 16_384;

/// One HTTP/2 connection.
#[derive(Default)]
pub(in crate::net) struct Session {
    /// How this browser writes header blocks.
    style: Style,
    /// Requests whose HEADERS were not sent yet, with their priorities.
    waiting: HashMap<i32, Option<Priority>>,
    /// Streams whose HEADERS were sent, oldest first; the closed ones are dropped when the next is sent.
    opened: Vec<i32>,
    /// Streams of paused transfers, with the bytes that were received meanwhile and count against the windows.
    held: HashMap<i32, usize>,
    /// Bytes consumed and not acknowledged yet, by stream. Used only if the browser's credit is not nghttp2's.
    due: HashMap<i32, usize>,
    /// A frame of ours of which a part was sent; nghttp2 offers its own version again until the rest is gone too.
    outgoing: Option<Outgoing>,
    /// Bytes of the current frame that nghttp2 still offers after a partial send; they are not a frame's head.
    remainder: usize,
}

/// A HEADERS frame that goes out in place of nghttp2's.
pub(in crate::net) struct Outgoing {
    /// Its stream.
    pub stream: i32,
    /// The whole frame.
    bytes: Vec<u8>,
    /// How many of them were sent.
    sent: usize,
}

impl Outgoing {
    /// What is still to be sent; never empty.
    pub(in crate::net) fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Notes that the next `sent` bytes went out; true if those were the last.
    pub(in crate::net) fn passed(&mut self, sent: usize) -> bool {
        self.sent = (self.sent + sent).min(self.bytes.len());
        self.sent == self.bytes.len()
    }
}

impl Session {
    pub(super) fn new(style: Style) -> Self {
        Self {
            style,
            ..Self::default()
        }
    }

    /// Notes that nghttp2 was given a request, whose HEADERS come later.
    pub(super) fn submitted(&mut self, stream: i32, priority: Option<Priority>) {
        self.waiting.insert(stream, priority);
    }

    /// Marks a stream paused or not; returns the bytes whose credit is due when it is not paused any more.
    pub(in crate::net) fn pause(&mut self, stream: i32, paused: bool) -> usize {
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

    /// Adds `size` bytes to what a stream is owed; all of it, once it is `enough`.
    pub(super) fn credit(&mut self, stream: i32, size: usize, enough: u32) -> Option<i32> {
        let due = self.due.entry(stream).or_default();
        *due += size;
        if *due < usize::try_from(enough).unwrap_or(usize::MAX) {
            return None;
        }
        i32::try_from(std::mem::take(due)).ok()
    }

    /// What the connection is owed, if that is `enough`: of `unacknowledged` bytes, as nghttp2 counts them, all that do not
    /// belong to paused transfers. So it includes what came for streams that were given up by then.
    pub(super) fn connection_credit(&self, unacknowledged: i32, enough: u32) -> Option<i32> {
        let held: usize = self.held.values().sum();
        let owed = usize::try_from(unacknowledged).ok()?.saturating_sub(held);
        i32::try_from(owed)
            .ok()
            .filter(|_| owed > 0 && owed >= usize::try_from(enough).unwrap_or(usize::MAX))
    }

    /// Whether `frame` is the GOAWAY with which libcurl ends a connection in order. Browsers just close it.
    pub(in crate::net) fn is_farewell(&self, frame: &[u8]) -> bool {
        self.remainder == 0
            && FrameHead::read(frame).is_some_and(|head| head.kind == GOAWAY)
            && frame.get(FRAME_HEAD + 4..FRAME_HEAD + 8) == Some(&[0; 4])
    }

    /// Whether nghttp2 ends the session with this frame, because the peer broke the rules.
    pub(in crate::net) fn gives_up(&self, frame: &[u8]) -> bool {
        self.remainder == 0
            && FrameHead::read(frame).is_some_and(|head| head.kind == GOAWAY)
            && !self.is_farewell(frame)
    }

    /// The frame to send instead of `frame`, if that is a request's HEADERS. It must come back by [`Session::keep`] or
    /// [`Session::finish`].
    pub(in crate::net) fn replace(
        &mut self,
        frame: &[u8],
        is_open: impl Fn(i32) -> bool,
    ) -> Option<Outgoing> {
        if self.remainder > 0 {
            return None;
        }
        if self.outgoing.is_some() {
            return self.outgoing.take();
        }
        let head = FrameHead::read(frame)
            .filter(|head| head.kind == HEADERS && head.flags & FLAG_PRIORITY == 0)?;
        let priority = *self.waiting.get(&head.stream)?;
        self.opened.retain(|&stream| is_open(stream));
        self.due.retain(|&stream, _| stream == 0 || is_open(stream));
        Some(Outgoing {
            stream: head.stream,
            bytes: self.rewrite(&head, &frame[FRAME_HEAD..], priority),
            sent: 0,
        })
    }

    /// HEADERS with the priority fields, and the block as the browser writes it.
    fn rewrite(&self, head: &FrameHead, block: &[u8], priority: Option<Priority>) -> Vec<u8> {
        let mut payload = Vec::with_capacity(PRIORITY_FIELDS + block.len());
        let mut flags = head.flags;
        if let Some(priority) = priority {
            flags |= FLAG_PRIORITY;
            payload.extend_from_slice(&self.priority_fields(priority));
        }
        let restyled = (self.style != Style::default() && flags & FLAG_END_HEADERS != 0)
            .then(|| recode(block, self.style))
            .flatten()
            .filter(|restyled| payload.len() + restyled.len() <= MAX_PAYLOAD);
        payload.extend_from_slice(restyled.as_deref().unwrap_or(block));
        let length = u32::try_from(payload.len()).unwrap_or_default();
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[HEADERS, flags]);
        frame.extend_from_slice(&head.stream.to_be_bytes());
        frame.extend_from_slice(&payload);
        frame
    }

    fn priority_fields(&self, priority: Priority) -> [u8; PRIORITY_FIELDS] {
        let parent = match priority.depends_on {
            DependsOn::Root => 0,
            DependsOn::Previous => self.opened.last().copied().unwrap_or(0),
        };
        let exclusive = u32::from(priority.exclusive) << 31;
        let [a, b, c, d] = (parent.cast_unsigned() | exclusive).to_be_bytes();
        let weight = u8::try_from(priority.weight - 1).unwrap_or(u8::MAX);
        [a, b, c, d, weight]
    }

    /// Takes back a frame of which a part, or nothing, was sent.
    pub(in crate::net) fn keep(&mut self, outgoing: Outgoing) {
        self.outgoing = Some(outgoing);
    }

    /// Notes that the HEADERS of `stream` went out whole.
    pub(in crate::net) fn finish(&mut self, stream: i32) {
        self.waiting.remove(&stream);
        self.opened.push(stream);
    }

    /// Notes that `sent` of the `offered` bytes of an untouched frame went out.
    pub(in crate::net) fn passed(&mut self, sent: isize, offered: usize) {
        if let Ok(sent) = usize::try_from(sent) {
            self.remainder = offered.saturating_sub(sent);
        }
    }
}

/// The fixed part of a frame (RFC 9113 §4.1).
pub(super) struct FrameHead {
    /// Of the payload, in bytes.
    pub(super) length: usize,
    pub(super) kind: u8,
    flags: u8,
    stream: i32,
}

impl FrameHead {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
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
            waiting: HashMap::from([(3, Some(priority)), (5, Some(priority)), (7, None)]),
            ..Session::default()
        }
    }

    fn headers(stream: u8) -> [u8; 12] {
        [0, 0, 3, HEADERS, 5, 0, 0, 0, stream, 0x82, 0x84, 0x87]
    }

    #[test]
    fn headers_get_weight_exclusive_bit_and_the_previous_open_stream() {
        let mut session = session(256);
        let mut frame = session.replace(&headers(3), |_| true).unwrap();
        assert_eq!(
            frame.rest(),
            [
                0, 0, 8, HEADERS, 0x25, 0, 0, 0, 3, 0x80, 0, 0, 0, 255, 0x82, 0x84, 0x87
            ]
        );
        assert!(frame.passed(17));
        session.finish(3);
        let next = session.replace(&headers(5), |_| true).unwrap();
        assert_eq!(next.rest()[9..14], [0x80, 0, 0, 3, 255]);
        let next = session.replace(&headers(5), |_| false).unwrap();
        assert_eq!(next.rest()[9..14], [0x80, 0, 0, 0, 255]);
    }

    #[test]
    fn headers_without_priority_stay_as_they_are() {
        let frame = session(1).replace(&headers(7), |_| true).unwrap();
        assert_eq!(frame.rest(), headers(7));
    }

    #[test]
    fn the_block_is_written_in_the_browsers_style() {
        let mut session = session(42);
        session.style.path_always_literal = true;
        let frame = session.replace(&headers(3), |_| true).unwrap();
        assert_eq!(frame.rest()[..3], [0, 0, 10]);
        assert_eq!(frame.rest()[14..], [0x82, 0x04, 1, b'/', 0x87]);
    }

    #[test]
    fn a_cut_frame_goes_on_where_it_was_cut() {
        let mut session = session(110);
        let mut frame = session.replace(&headers(3), |_| true).unwrap();
        assert!(!frame.passed(15));
        session.keep(frame);
        let mut frame = session.replace(&headers(3), |_| true).unwrap();
        assert_eq!(frame.rest(), [0x84, 0x87]);
        assert!(frame.passed(2));
        session.finish(3);
        // The bytes left of a foreign frame are its end, however much they look like another's head.
        session.passed(4, 16);
        assert!(session.replace(&headers(5), |_| true).is_none());
        session.passed(12, 12);
        assert!(session.replace(&headers(5), |_| true).is_some());
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
    fn credit_is_returned_in_the_browsers_steps() {
        let mut session = Session::default();
        assert_eq!(session.credit(1, 6, 10), None);
        assert_eq!(session.credit(3, 6, 10), None);
        assert_eq!(session.credit(1, 6, 10), Some(12));
        assert_eq!(session.credit(1, 6, 10), None);
    }
}

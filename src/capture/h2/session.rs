//! One HTTP/2 connection's state: frames in, bytes out. It knows nothing of sockets and waits for nothing.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bytes::Bytes;

use crate::capture::tap::{Seen, note};
use crate::capture::{Answer, Answers, PATIENCE};
use crate::fingerprint::observed::Request;
use crate::fingerprint::wire::frames::{
    self, Frame, FrameReader, MIN_MAX_LENGTH, Payload, Priority, flag, kind,
};
use crate::fingerprint::wire::hpack::{self, Decoder};

const INITIAL_WINDOW_SIZE: u16 = 4;
const DEFAULT_WINDOW: i64 = 65_535;
/// Frames that are noted of one connection; a download of many GiB sends more.
const MAX_FRAMES: usize = 20_000;
/// How long a client that has asked something must be silent before the server speaks.
const QUIET: Duration = Duration::from_millis(40);
/// How long a client may keep a window narrow before the rest of it is used.
const PAUSE: Duration = Duration::from_millis(300);
/// The same for one that has asked nothing; Firefox takes half a second from SETTINGS to its request.
const LONG_QUIET: Duration = Duration::from_secs(2);

/// The state of one connection.
pub(super) struct Session<'a> {
    seen: &'a Seen,
    answers: &'a Answers,
    reader: FrameReader,
    decoder: Decoder,
    /// A header block whose END_HEADERS has not come.
    partial: Option<(u32, Option<Priority>, Vec<u8>)>,
    /// Bytes to be written.
    pub out: Vec<u8>,
    /// Whether the server has said its first word.
    pub speaking: bool,
    /// Requests that came before that.
    unanswered: Vec<Request>,
    /// Credit for streams that are not answered yet: Firefox grants it right behind its HEADERS.
    early: BTreeMap<u32, i64>,
    /// Credit for DATA on the connection.
    window: i64,
    /// The largest that has been.
    widest: i64,
    /// Whether the client was given time to widen its windows, and did not.
    pub hungry: bool,
    /// Credit that new streams begin with, as the client's settings say.
    initial_window: i64,
    /// Answers under way.
    streams: BTreeMap<u32, Stream>,
    /// Whether the connection ends with the last stream.
    closing: bool,
}

/// One answer under way.
struct Stream {
    answer: Answer,
    /// Bytes of body sent.
    sent: u64,
    /// Credit for DATA; negative after the client shrinks its initial window.
    window: i64,
    /// The largest that has been.
    widest: i64,
}

impl<'a> Session<'a> {
    pub(super) fn new(seen: &'a Seen, answers: &'a Answers) -> Self {
        Self {
            seen,
            answers,
            reader: FrameReader::new(MIN_MAX_LENGTH),
            decoder: Decoder::new(hpack::DEFAULT_TABLE_SIZE),
            partial: None,
            out: Vec::new(),
            speaking: false,
            unanswered: Vec::new(),
            early: BTreeMap::new(),
            window: DEFAULT_WINDOW,
            widest: DEFAULT_WINDOW,
            hungry: false,
            initial_window: DEFAULT_WINDOW,
            streams: BTreeMap::new(),
            closing: false,
        }
    }

    /// Whether DATA could be sent at once.
    pub(super) fn has_more(&self) -> bool {
        self.streams.values().any(|stream| self.credit(stream) > 0)
    }

    /// How many bytes of DATA a stream may send now.
    fn credit(&self, stream: &Stream) -> i64 {
        let reserve = |widest: i64| if self.hungry { 0 } else { widest / 4 };
        let connection = self.window - reserve(self.widest);
        let own = stream.window - reserve(stream.widest);
        connection.min(own).clamp(0, i64::from(MIN_MAX_LENGTH))
    }

    /// How long the client may be silent until something is done about it.
    pub(super) fn patience(&self) -> Duration {
        match (self.speaking, self.unanswered.is_empty()) {
            (true, _) if self.streams.is_empty() || self.hungry => PATIENCE,
            (true, _) => PAUSE,
            (false, true) => LONG_QUIET,
            (false, false) => QUIET,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.closing && self.streams.is_empty()
    }

    /// Says the server's first words, and answers what was asked until now.
    pub(super) fn speak(&mut self) {
        if self.speaking {
            return;
        }
        self.speaking = true;
        note(self.seen, |connection| {
            connection.opening = Some(connection.frames.len())
        });
        self.put(kind::SETTINGS, 0, 0, &[]);
        self.put(kind::SETTINGS, flag::ACK, 0, &[]);
        for request in std::mem::take(&mut self.unanswered) {
            self.answer(&request);
        }
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.feed(bytes);
        while let Some(frame) = self.reader.next_frame().map_err(io::Error::other)? {
            self.frame(frame)?;
        }
        Ok(())
    }

    fn frame(&mut self, frame: Frame) -> io::Result<()> {
        self.note_frame(&frame);
        match frame.payload {
            Payload::Headers {
                priority,
                ref fragment,
            } => {
                self.block(&frame, priority, fragment)?;
            }
            Payload::Continuation(ref fragment) => {
                let priority = self.partial.as_ref().and_then(|(_, priority, _)| *priority);
                self.block(&frame, priority, fragment)?;
            }
            Payload::Settings(ref pairs) if !frame.has(flag::ACK) => self.settings(pairs),
            Payload::WindowUpdate { increment } if frame.stream == 0 => {
                self.window += i64::from(increment);
                self.widest = self.widest.max(self.window);
                self.hungry = false;
            }
            Payload::WindowUpdate { increment } => match self.streams.get_mut(&frame.stream) {
                Some(stream) => {
                    stream.window += i64::from(increment);
                    stream.widest = stream.widest.max(stream.window);
                    self.hungry = false;
                }
                None => *self.early.entry(frame.stream).or_default() += i64::from(increment),
            },
            Payload::RstStream { .. } => {
                self.streams.remove(&frame.stream);
            }
            Payload::Ping(data) if !frame.has(flag::ACK) => {
                self.put(kind::PING, flag::ACK, 0, &data)
            }
            Payload::GoAway { .. } => self.closing = true,
            Payload::Data(_)
            | Payload::Priority(_)
            | Payload::Settings(_)
            | Payload::Ping(_)
            | Payload::PriorityUpdate { .. }
            | Payload::Unknown { .. } => {}
        }
        Ok(())
    }

    /// Keeps a frame, but not what would fill the memory.
    fn note_frame(&self, frame: &Frame) {
        let mut frame = frame.clone();
        match &mut frame.payload {
            Payload::Headers { fragment, .. } => *fragment = Bytes::new(),
            Payload::Data(content) | Payload::Continuation(content) => *content = Bytes::new(),
            Payload::Priority(_)
            | Payload::RstStream { .. }
            | Payload::Settings(_)
            | Payload::Ping(_)
            | Payload::GoAway { .. }
            | Payload::WindowUpdate { .. }
            | Payload::PriorityUpdate { .. }
            | Payload::Unknown { .. } => {}
        }
        note(self.seen, |connection| {
            if connection.frames.len() < MAX_FRAMES {
                connection.frames.push(frame);
            }
        });
    }

    fn settings(&mut self, pairs: &[(u16, u32)]) {
        for (id, value) in pairs {
            if *id == INITIAL_WINDOW_SIZE {
                let change = i64::from(*value) - self.initial_window;
                self.initial_window += change;
                for stream in self.streams.values_mut() {
                    stream.window += change;
                }
            }
        }
        if self.speaking {
            self.put(kind::SETTINGS, flag::ACK, 0, &[]);
        }
    }

    /// Takes a piece of a header block, and the request once it is whole.
    fn block(
        &mut self,
        frame: &Frame,
        priority: Option<Priority>,
        fragment: &[u8],
    ) -> io::Result<()> {
        let (_, _, mut bytes) = self.partial.take().unwrap_or_default();
        bytes.extend_from_slice(fragment);
        if !frame.has(flag::END_HEADERS) {
            self.partial = Some((frame.stream, priority, bytes));
            return Ok(());
        }
        let block = self.decoder.decode(&bytes).map_err(io::Error::other)?;
        let request = Request::from_block(frame.stream, priority, &block);
        note(self.seen, |connection| {
            connection.requests.push(request.clone())
        });
        if self.speaking {
            self.answer(&request);
        } else {
            self.unanswered.push(request);
        }
        Ok(())
    }

    fn answer(&mut self, request: &Request) {
        let answer = (self.answers)(request);
        let mut block = Vec::new();
        hpack::encode(":status", &answer.status.to_string(), &mut block);
        hpack::encode("content-length", &answer.body.len().to_string(), &mut block);
        for (name, value) in &answer.headers {
            hpack::encode(name, value, &mut block);
        }
        self.put(kind::HEADERS, flag::END_HEADERS, request.stream, &block);
        if answer.close && !self.closing {
            self.closing = true;
            let goodbye = [request.stream.to_be_bytes(), [0; 4]].concat();
            self.put(kind::GOAWAY, 0, 0, &goodbye);
        }
        let window = self.initial_window + self.early.remove(&request.stream).unwrap_or(0);
        let stream = Stream {
            answer,
            sent: 0,
            window,
            widest: window,
        };
        self.streams.insert(request.stream, stream);
    }

    /// One DATA frame of each stream that may send.
    pub(super) fn produce(&mut self) {
        let ids: Vec<u32> = self.streams.keys().copied().collect();
        for id in ids {
            let credit = self
                .streams
                .get(&id)
                .map_or(0, |stream| self.credit(stream));
            let Some(stream) = self.streams.get_mut(&id) else {
                continue;
            };
            let left = stream.answer.body.len() - stream.sent;
            if credit == 0 && left > 0 {
                continue;
            }
            let most = usize::try_from(credit).unwrap_or(0);
            let piece = stream.answer.body.piece(stream.sent, most);
            stream.sent += piece.len() as u64;
            stream.window -= piece.len() as i64;
            self.window -= piece.len() as i64;
            let last = piece.len() as u64 == left;
            if last {
                self.streams.remove(&id);
                note(self.seen, |connection| connection.answered.push(id));
            }
            let flags = if last { flag::END_STREAM } else { 0 };
            self.put(kind::DATA, flags, id, &piece);
        }
    }

    fn put(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.out
            .extend_from_slice(&frames::header(payload.len(), kind, flags, stream));
        self.out.extend_from_slice(payload);
    }
}

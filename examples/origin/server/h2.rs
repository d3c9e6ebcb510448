//! HTTP/2 (RFC 9113), as much as a downloading client needs: streams side by side, flow control, and every way to fail.
//!
//! One task serves a connection: [`Session`] turns frames and time into bytes and knows nothing of sockets, [`serve`] moves
//! the bytes. Streams share the connection by turns of one DATA frame, in the order of their ids.

mod turns;

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use hydrastream::fingerprint::wire::frames::{
    self, Frame, FrameReader, MIN_MAX_LENGTH, Payload, flag, kind,
};
use hydrastream::fingerprint::wire::hpack::{self, Decoder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::delivery::Delivery;
use super::script::{Headers, Protocol, Reply, Request, header};
use super::{Ending, Peer, Transport};

pub(super) const MAX_CONCURRENT_STREAMS: u16 = 3;
const HEADER_TABLE_SIZE: u16 = 1;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const DEFAULT_WINDOW: i64 = 65_535;
const PROTOCOL_ERROR: u32 = 1;
const REFUSED_STREAM: u32 = 7;

/// Answers requests until either side ends the connection.
pub(super) async fn serve(io: &mut impl Transport, peer: &Peer) -> io::Result<Ending> {
    let (mut reader, mut writer) = tokio::io::split(io);
    let mut session = Session::new(peer);
    let mut input = vec![0; 64 * 1024];
    loop {
        let wake = session.produce(Instant::now());
        if session.out.is_empty()
            && let Some(ending) = session.ending()
        {
            writer.flush().await?;
            return Ok(ending);
        }
        let sleep = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now).into());
        tokio::select! {
            read = reader.read(&mut input) => match read? {
                0 => return Ok(Ending::InOrder),
                count => session.receive(&input[..count])?,
            },
            written = writer.write(&session.out), if !session.out.is_empty() => session.out.advance(written?),
            () = sleep, if wake.is_some() => {}
        }
    }
}

/// The state of one connection.
struct Session<'a> {
    peer: &'a Peer,
    reader: FrameReader,
    decoder: Decoder,
    /// A header block whose END_HEADERS has not come: stream, flags of HEADERS, bytes so far.
    partial: Option<(u32, u8, Vec<u8>)>,
    /// Bytes to be written.
    out: BytesMut,
    /// Credit for DATA on the connection; negative never.
    window: i64,
    /// Credit that new streams begin with, as the client's settings say.
    initial_window: i64,
    /// The longest payload the client takes.
    max_frame: usize,
    /// Answers under way.
    streams: BTreeMap<u32, Stream>,
    /// Streams allowed at once; one beyond is refused.
    most_streams: usize,
    /// The last stream that a GOAWAY of ours promised to serve.
    last_stream: Option<u32>,
    /// How the connection ends as soon as `out` is empty.
    ending: Option<Ending>,
}

/// One answer under way.
struct Stream {
    delivery: Delivery,
    reply: Reply,
    /// Number of the request in the log.
    nth: usize,
    /// Credit for DATA; negative after the client shrinks its initial window.
    window: i64,
}

impl<'a> Session<'a> {
    fn new(peer: &'a Peer) -> Self {
        let settings = &peer.shared.settings;
        let table = settings.iter().rfind(|(id, _)| *id == HEADER_TABLE_SIZE);
        let mut session = Self {
            peer,
            reader: FrameReader::new(MIN_MAX_LENGTH),
            decoder: Decoder::new(
                table.map_or(hpack::DEFAULT_TABLE_SIZE, |(_, size)| *size as usize),
            ),
            partial: None,
            out: BytesMut::new(),
            window: DEFAULT_WINDOW,
            initial_window: DEFAULT_WINDOW,
            max_frame: MIN_MAX_LENGTH as usize,
            streams: BTreeMap::new(),
            most_streams: usize::MAX,
            last_stream: None,
            ending: None,
        };
        let most = settings
            .iter()
            .rfind(|(id, _)| *id == MAX_CONCURRENT_STREAMS);
        if let Some((_, most)) = most {
            session.most_streams = *most as usize;
        }
        let pairs: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        session.put(kind::SETTINGS, 0, 0, &pairs);
        session
    }

    /// How the connection ends once everything is written; `None` while it goes on.
    fn ending(&self) -> Option<Ending> {
        let gone = self.last_stream.is_some() && self.streams.is_empty();
        self.ending.or(gone.then_some(Ending::InOrder))
    }

    fn put(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.out
            .extend_from_slice(&frames::header(payload.len(), kind, flags, stream));
        self.out.extend_from_slice(payload);
    }

    /// Announces that only so many streams may be open at once. What is asked for before the client has read it is refused.
    fn limit_streams(&mut self, most: u32) {
        self.most_streams = most as usize;
        let setting = [
            &MAX_CONCURRENT_STREAMS.to_be_bytes()[..],
            &most.to_be_bytes(),
        ]
        .concat();
        self.put(kind::SETTINGS, 0, 0, &setting);
    }

    fn put_goaway(&mut self, last_stream: u32, code: u32) {
        self.put(
            kind::GOAWAY,
            0,
            0,
            &[last_stream.to_be_bytes(), code.to_be_bytes()].concat(),
        );
    }

    /// Takes the client's bytes.
    fn receive(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.feed(bytes);
        while let Some(frame) = self.reader.next_frame().map_err(io::Error::other)? {
            self.peer.shared.log.frame(self.peer.number, &frame);
            self.frame(frame)?;
        }
        Ok(())
    }

    fn frame(&mut self, frame: Frame) -> io::Result<()> {
        let Frame {
            stream,
            flags,
            length,
            payload,
        } = frame;
        match payload {
            Payload::Settings(pairs) if flags & flag::ACK == 0 => self.settings(&pairs),
            Payload::Ping(bytes) if flags & flag::ACK == 0 => {
                self.put(kind::PING, flag::ACK, 0, &bytes)
            }
            Payload::Headers { fragment, .. } => {
                self.partial = Some((stream, flags, fragment.to_vec()));
                self.block(flags)?;
            }
            Payload::Continuation(fragment) => {
                if let Some((_, _, block)) = &mut self.partial {
                    block.extend_from_slice(&fragment);
                }
                self.block(flags)?;
            }
            Payload::WindowUpdate { increment } => self.credit(stream, increment),
            Payload::RstStream { code } => self.reset(stream, code),
            Payload::Data(_) if length > 0 => {
                self.put(kind::WINDOW_UPDATE, 0, 0, &length.to_be_bytes());
                self.put(kind::WINDOW_UPDATE, 0, stream, &length.to_be_bytes());
            }
            Payload::Settings(_)
            | Payload::Ping(_)
            | Payload::Data(_)
            | Payload::Priority(_)
            | Payload::GoAway { .. }
            | Payload::PriorityUpdate { .. }
            | Payload::Unknown { .. } => {}
        }
        Ok(())
    }

    fn credit(&mut self, stream: u32, increment: u32) {
        let window = match stream {
            0 => Some(&mut self.window),
            id => self.streams.get_mut(&id).map(|stream| &mut stream.window),
        };
        // Credit for a stream that is over is normal: it crossed the last DATA frame.
        if let Some(window) = window {
            *window += i64::from(increment);
        }
    }

    fn reset(&mut self, stream: u32, code: u32) {
        if let Some(gone) = self.streams.remove(&stream) {
            let log = &self.peer.shared.log;
            log.exchange(gone.nth, |exchange| exchange.reset = Some(code));
            log.end(gone.nth);
        }
    }

    fn settings(&mut self, pairs: &[(u16, u32)]) {
        for (id, value) in pairs {
            match *id {
                INITIAL_WINDOW_SIZE => {
                    let change = i64::from(*value) - self.initial_window;
                    self.initial_window = i64::from(*value);
                    self.streams
                        .values_mut()
                        .for_each(|stream| stream.window += change);
                }
                MAX_FRAME_SIZE => self.max_frame = *value as usize,
                _ => {}
            }
        }
        self.put(kind::SETTINGS, flag::ACK, 0, &[]);
    }

    /// Takes up a request once its header block is whole.
    fn block(&mut self, flags: u8) -> io::Result<()> {
        let Some((id, _, bytes)) = self.partial.take_if(|_| flags & flag::END_HEADERS != 0) else {
            return Ok(());
        };
        let block = self
            .decoder
            .decode(&bytes)
            .inspect_err(|_| self.put_goaway(id, PROTOCOL_ERROR));
        let block = block.map_err(io::Error::other)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = block
            .fields
            .iter()
            .map(|field| (text(&field.name), text(&field.value)))
            .collect();
        let log = &self.peer.shared.log;
        log.connection(self.peer.number, |connection| {
            connection.blocks.push((id, block))
        });
        // Trailers of an upload, and streams that a GOAWAY has disowned, are not answered.
        if !self.streams.contains_key(&id) && self.last_stream.is_none_or(|last| id <= last) {
            self.answer(id, headers);
        }
        Ok(())
    }

    fn answer(&mut self, id: u32, headers: Headers) {
        let shared = &self.peer.shared;
        let pseudo = |name| header(&headers, name).unwrap_or_default().to_owned();
        let request = shared.log.request(Request {
            method: pseudo(":method"),
            target: pseudo(":path"),
            protocol: Protocol::Http2,
            tls: self.peer.tls,
            connection: self.peer.number,
            stream: id,
            nth: 0,
            active: 0,
            headers,
        });
        if self.streams.len() >= self.most_streams {
            shared.log.end(request.nth);
            self.put(kind::RST_STREAM, 0, id, &REFUSED_STREAM.to_be_bytes());
            return;
        }
        let reply = shared.script.reply(&request);
        let delivery = Delivery::new(&reply, reply.has_body(&request.method), Instant::now());
        let stream = Stream {
            delivery,
            reply,
            nth: request.nth,
            window: self.initial_window,
        };
        self.streams.insert(id, stream);
    }
}

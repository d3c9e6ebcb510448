//! The sending half of an HTTP/2 connection: streams take turns until there is enough to write.

use std::time::Instant;

use hydrastream::fingerprint::wire::frames::{self, flag, kind};
use hydrastream::fingerprint::wire::hpack;

use super::super::Ending;
use super::super::delivery::Step;
use super::super::script::Act;
use super::Session;

/// Bytes waiting to be written are filled up to here, once fewer than [`LOW`] are left.
const HIGH: usize = 256 * 1024;
const LOW: usize = 64 * 1024;

/// What became of a stream's turn.
enum Turn {
    /// It made bytes and may make more.
    Moved,
    /// It can do nothing before this instant, or before the client gives credit.
    Idle(Option<Instant>),
    /// It is over.
    Gone,
}

impl Session<'_> {
    /// Gives the streams turns until there is enough to write or nothing more to do; when to come back, if time alone will
    /// bring more.
    pub(super) fn produce(&mut self, now: Instant) -> Option<Instant> {
        if self.out.len() >= LOW || self.ending.is_some() {
            return None;
        }
        loop {
            let mut moved = false;
            let mut wake: Option<Instant> = None;
            let ids: Vec<u32> = self.streams.keys().copied().collect();
            for id in ids {
                if self.out.len() >= HIGH || self.ending.is_some() {
                    return None;
                }
                match self.turn(id, now) {
                    Turn::Moved => moved = true,
                    Turn::Idle(until) => wake = wake.into_iter().chain(until).min(),
                    Turn::Gone => {
                        moved = true;
                        if let Some(gone) = self.streams.remove(&id) {
                            self.peer.shared.log.end(gone.nth);
                        }
                    }
                }
            }
            if !moved {
                return wake;
            }
        }
    }

    /// One step of one stream.
    fn turn(&mut self, id: u32, now: Instant) -> Turn {
        let Some(stream) = self.streams.get_mut(&id) else {
            return Turn::Gone;
        };
        let credit = self
            .window
            .min(stream.window)
            .clamp(0, self.max_frame as i64);
        match stream.delivery.step(credit as usize, now) {
            Step::Wait(until) => Turn::Idle(until),
            Step::Head => self.head(id),
            Step::Body(count) => self.body(id, count),
            Step::End => {
                self.put(kind::DATA, flag::END_STREAM, id, &[]);
                self.complete(id)
            }
            Step::Fault(act) => self.fault(id, act),
        }
    }

    fn complete(&mut self, id: u32) -> Turn {
        if let Some(stream) = self.streams.get(&id) {
            self.peer
                .shared
                .log
                .exchange(stream.nth, |exchange| exchange.complete = true);
        }
        Turn::Gone
    }

    fn head(&mut self, id: u32) -> Turn {
        let Some(stream) = self.streams.get(&id) else {
            return Turn::Gone;
        };
        let (reply, nth) = (&stream.reply, stream.nth);
        self.peer.shared.log.head(nth, reply);
        let last = stream.delivery.is_complete();
        let mut blocks: Vec<Vec<u8>> = reply
            .interim
            .iter()
            .map(|(status, headers)| header_block(*status, headers))
            .collect();
        let mut block = header_block(reply.status, &reply.headers);
        if let Some(length) = reply.content_length() {
            hpack::encode("content-length", &length.to_string(), &mut block);
        }
        blocks.push(block);
        let count = blocks.len();
        for (at, block) in blocks.iter().enumerate() {
            let end = if last && at + 1 == count {
                flag::END_STREAM
            } else {
                0
            };
            self.put(kind::HEADERS, flag::END_HEADERS | end, id, block);
        }
        if last { self.complete(id) } else { Turn::Moved }
    }

    fn body(&mut self, id: u32, count: usize) -> Turn {
        let Some(stream) = self.streams.get_mut(&id) else {
            return Turn::Gone;
        };
        let head = self.out.len();
        self.out.resize(head + frames::HEADER + count, 0);
        let (header, content) = self.out[head..].split_at_mut(frames::HEADER);
        stream.delivery.read(content);
        let last = stream.delivery.is_complete();
        header.copy_from_slice(&frames::header(
            count,
            kind::DATA,
            if last { flag::END_STREAM } else { 0 },
            id,
        ));
        stream.window -= count as i64;
        self.window -= count as i64;
        let sent = stream.delivery.sent();
        self.peer
            .shared
            .log
            .exchange(stream.nth, |exchange| exchange.sent = sent);
        if last { self.complete(id) } else { Turn::Moved }
    }

    fn fault(&mut self, id: u32, act: Act) -> Turn {
        match act {
            Act::Close => self.ending = Some(Ending::InOrder),
            Act::Cut => self.ending = Some(Ending::Cut),
            Act::Reset => self.ending = Some(Ending::Reset),
            Act::Finish => self.put(kind::DATA, flag::END_STREAM, id, &[]),
            Act::ResetStream(code) => self.put(kind::RST_STREAM, 0, id, &code.to_be_bytes()),
            Act::GoAway { code, last_stream } => {
                let last = last_stream.unwrap_or(id);
                self.put_goaway(last, code);
                self.last_stream = Some(last);
                for gone in self
                    .streams
                    .split_off(&last.saturating_add(1))
                    .into_values()
                {
                    self.peer.shared.log.end(gone.nth);
                }
                return Turn::Moved;
            }
            Act::MaxStreams(most) => {
                self.limit_streams(most);
                return Turn::Moved;
            }
            // Shows as a wait.
            Act::Stall(_) => return Turn::Moved,
        }
        Turn::Gone
    }
}

fn header_block(status: u16, headers: &[(String, String)]) -> Vec<u8> {
    let mut block = Vec::new();
    hpack::encode(":status", &status.to_string(), &mut block);
    for (name, value) in headers {
        hpack::encode(&name.to_ascii_lowercase(), value, &mut block);
    }
    block
}

//! HTTP/2 frames, parsed from a client's byte stream as it arrives (RFC 9113 §4 to §6, RFC 9218 §7).
//!
//! [`FrameReader`] is fed bytes cut anywhere and gives whole frames. It decodes what a fingerprint or a small server needs
//! and is lenient about the rest: frames of types it does not know are [`Payload::Unknown`], flags without meaning are
//! kept. It does not follow streams, windows or header blocks.

use bytes::{Buf, Bytes, BytesMut};

use super::cursor::Cursor;

/// What a client sends before its first frame (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's header.
pub const HEADER: usize = 9;
/// The largest payload that every peer must accept (RFC 9113 §4.2).
pub const MIN_MAX_LENGTH: u32 = 16_384;

/// Frame types (RFC 9113 §6, RFC 9218 §7.1).
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
    pub const PRIORITY_UPDATE: u8 = 16;
}

/// Frame flags.
pub mod flag {
    /// On SETTINGS and PING.
    pub const ACK: u8 = 0x1;
    /// On DATA and HEADERS.
    pub const END_STREAM: u8 = 0x1;
    /// On HEADERS and CONTINUATION.
    pub const END_HEADERS: u8 = 0x4;
    /// On DATA and HEADERS.
    pub const PADDED: u8 = 0x8;
    /// On HEADERS: the five priority bytes are there.
    pub const PRIORITY: u8 = 0x20;
}

/// Why a stream of frames cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The stream does not begin with [`PREFACE`].
    #[error("reading http/2 frames: the stream does not begin with the connection preface")]
    Preface,
    /// A frame is longer than the reader accepts.
    #[error(
        "reading http/2 frames: a frame of type {kind} has {length} bytes, {limit} are allowed"
    )]
    TooLong { kind: u8, length: u32, limit: u32 },
    /// A payload is too short or too long for its type, or its padding too long for it.
    #[error(
        "reading http/2 frames: the {length} bytes of a frame of type {kind} are not in its format"
    )]
    Malformed { kind: u8, length: u32 },
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Stream identifier, 0 for the connection.
    pub stream: u32,
    /// Flags as sent, see [`flag`].
    pub flags: u8,
    /// Bytes of payload as sent, padding and priority fields included.
    pub length: u32,
    /// The payload without padding.
    pub payload: Payload,
}

impl Frame {
    /// Whether all bits of `flag` are set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag == flag
    }
}

/// A frame's payload by type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A piece of a body.
    Data(Bytes),
    /// The beginning of a header block, with the deprecated priority fields if they were sent.
    Headers {
        priority: Option<Priority>,
        fragment: Bytes,
    },
    /// The deprecated PRIORITY frame.
    Priority(Priority),
    /// An error code (RFC 9113 §7).
    RstStream { code: u32 },
    /// Identifier and value, in order, repeats included; empty for an acknowledgement.
    Settings(Vec<(u16, u32)>),
    /// Eight opaque bytes.
    Ping([u8; 8]),
    /// The last stream the sender may have acted on, an error code, and text for people.
    GoAway {
        last_stream: u32,
        code: u32,
        debug: Bytes,
    },
    /// Bytes of credit; 0 is an error for whoever keeps windows.
    WindowUpdate { increment: u32 },
    /// More of a header block.
    Continuation(Bytes),
    /// A priority in the syntax of RFC 9218.
    PriorityUpdate { stream: u32, value: Bytes },
    /// Any other type, PUSH_PROMISE among them.
    Unknown { kind: u8, content: Bytes },
}

/// The priority fields of HEADERS and PRIORITY (RFC 7540 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority {
    /// The stream depended on, 0 for none.
    pub dependency: u32,
    /// The exclusive bit.
    pub exclusive: bool,
    /// 1 to 256; the wire carries one less.
    pub weight: u16,
}

/// Cuts a client's byte stream into frames.
#[derive(Debug)]
pub struct FrameReader {
    /// Bytes fed and not yet returned in frames.
    buffer: BytesMut,
    /// Whether the preface is still to come.
    preface_due: bool,
    /// The longest payload accepted, in bytes.
    max_length: u32,
}

impl FrameReader {
    /// Reads a stream that begins with the preface, and refuses payloads longer than `max_length` bytes.
    pub fn new(max_length: u32) -> Self {
        Self {
            buffer: BytesMut::new(),
            preface_due: true,
            max_length,
        }
    }

    /// Takes the next bytes of the stream. Memory stays within one frame if [`FrameReader::next_frame`] is called until
    /// it gives `None` after each feeding.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame; `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// [`FrameError`]; the stream cannot be read on after one.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.preface_due {
            let there = self.buffer.len().min(PREFACE.len());
            if self.buffer[..there] != PREFACE[..there] {
                return Err(FrameError::Preface);
            }
            if there < PREFACE.len() {
                return Ok(None);
            }
            self.buffer.advance(there);
            self.preface_due = false;
        }
        let mut cursor = Cursor::new(&self.buffer);
        let (Some(length), Some(kind), Some(flags), Some(stream)) =
            (cursor.u24(), cursor.u8(), cursor.u8(), cursor.u32())
        else {
            return Ok(None);
        };
        if length > self.max_length {
            return Err(FrameError::TooLong {
                kind,
                length,
                limit: self.max_length,
            });
        }
        let end = HEADER + length as usize;
        if self.buffer.len() < end {
            return Ok(None);
        }
        let content = self.buffer.split_to(end).freeze().slice(HEADER..);
        let payload =
            payload(kind, flags, content).ok_or(FrameError::Malformed { kind, length })?;
        Ok(Some(Frame {
            stream: stream & STREAM_BITS,
            flags,
            length,
            payload,
        }))
    }
}

/// The header of a frame with `length` bytes of payload.
///
/// # Panics
///
/// If `length` does not fit 24 bits.
pub fn header(length: usize, kind: u8, flags: u8, stream: u32) -> [u8; HEADER] {
    assert!(length < 1 << 24, "a frame's length has 24 bits");
    let [_, _, _, _, _, a, b, c] = (length as u64).to_be_bytes();
    let [s0, s1, s2, s3] = (stream & STREAM_BITS).to_be_bytes();
    [a, b, c, kind, flags, s0, s1, s2, s3]
}

/// All bits of a stream identifier; the one above is reserved or carries the exclusive flag.
const STREAM_BITS: u32 = 0x7fff_ffff;

fn payload(kind: u8, flags: u8, content: Bytes) -> Option<Payload> {
    let mut cursor = Cursor::new(&content);
    let payload = match kind {
        kind::DATA => return Some(Payload::Data(unpadded(flags, content)?)),
        kind::HEADERS => return headers(flags, unpadded(flags, content)?),
        kind::CONTINUATION => return Some(Payload::Continuation(content)),
        kind::GOAWAY => {
            let (last_stream, code) = (cursor.u32()? & STREAM_BITS, cursor.u32()?);
            return Some(Payload::GoAway {
                last_stream,
                code,
                debug: content.slice(8..),
            });
        }
        kind::PRIORITY_UPDATE => {
            let stream = cursor.u32()? & STREAM_BITS;
            return Some(Payload::PriorityUpdate {
                stream,
                value: content.slice(4..),
            });
        }
        kind::PRIORITY => Payload::Priority(priority(&mut cursor)?),
        kind::RST_STREAM => Payload::RstStream {
            code: cursor.u32()?,
        },
        kind::SETTINGS => {
            let pairs = Cursor::new(cursor.rest());
            Payload::Settings(pairs.all(|pair| Some((pair.u16()?, pair.u32()?)))?)
        }
        kind::PING => Payload::Ping(cursor.array()?),
        kind::WINDOW_UPDATE => Payload::WindowUpdate {
            increment: cursor.u32()? & STREAM_BITS,
        },
        _ => return Some(Payload::Unknown { kind, content }),
    };
    cursor.is_empty().then_some(payload)
}

fn headers(flags: u8, content: Bytes) -> Option<Payload> {
    if flags & flag::PRIORITY == 0 {
        return Some(Payload::Headers {
            priority: None,
            fragment: content,
        });
    }
    let priority = priority(&mut Cursor::new(&content))?;
    Some(Payload::Headers {
        priority: Some(priority),
        fragment: content.slice(5..),
    })
}

fn priority(cursor: &mut Cursor<'_>) -> Option<Priority> {
    let (word, weight) = (cursor.u32()?, cursor.u8()?);
    Some(Priority {
        dependency: word & STREAM_BITS,
        exclusive: word & !STREAM_BITS != 0,
        weight: u16::from(weight) + 1,
    })
}

fn unpadded(flags: u8, content: Bytes) -> Option<Bytes> {
    if flags & flag::PADDED == 0 {
        return Some(content);
    }
    let padding = usize::from(*content.first()?);
    let end = content.len().checked_sub(padding).filter(|end| *end >= 1)?;
    Some(content.slice(1..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A browser's opening: preface, SETTINGS, WINDOW_UPDATE, HEADERS with priority.
    fn opening() -> Vec<u8> {
        let mut bytes = PREFACE.to_vec();
        bytes.extend(header(12, kind::SETTINGS, 0, 0));
        bytes.extend([0, 1, 0, 1, 0, 0, 0, 4, 0, 0x60, 0, 0]);
        bytes.extend(header(4, kind::WINDOW_UPDATE, 0, 0));
        bytes.extend(15_663_105u32.to_be_bytes());
        bytes.extend(header(6, kind::HEADERS, 0x25, 1));
        bytes.extend([0x80, 0, 0, 0, 255, 0x82]);
        bytes
    }

    fn frames(reader: &mut FrameReader) -> Result<Vec<Frame>, FrameError> {
        std::iter::from_fn(|| reader.next_frame().transpose()).collect()
    }

    fn one(kind: u8, flags: u8, content: &[u8]) -> Result<Option<Frame>, FrameError> {
        let mut reader = FrameReader::new(MIN_MAX_LENGTH);
        reader.feed(PREFACE);
        reader.feed(&header(content.len(), kind, flags, 1));
        reader.feed(content);
        reader.next_frame()
    }

    #[test]
    fn frames_do_not_depend_on_how_the_stream_is_cut() {
        for piece in 1..=opening().len() {
            let mut reader = FrameReader::new(MIN_MAX_LENGTH);
            let mut seen = Vec::new();
            for bytes in opening().chunks(piece) {
                reader.feed(bytes);
                seen.extend(frames(&mut reader).unwrap());
            }
            assert_eq!(
                seen[0].payload,
                Payload::Settings(vec![(1, 65536), (4, 6_291_456)])
            );
            assert_eq!(
                seen[1].payload,
                Payload::WindowUpdate {
                    increment: 15_663_105
                }
            );
            let priority = Some(Priority {
                dependency: 0,
                exclusive: true,
                weight: 256,
            });
            let fragment = Bytes::from_static(&[0x82]);
            assert_eq!(seen[2].payload, Payload::Headers { priority, fragment });
            assert!(seen[2].has(flag::END_STREAM | flag::END_HEADERS) && seen[2].stream == 1);
            assert_eq!(seen.len(), 3);
        }
    }

    #[test]
    fn padding_is_taken_off() {
        let frame = one(kind::DATA, flag::PADDED, &[2, b'x', 0, 0])
            .unwrap()
            .unwrap();
        assert_eq!(frame.payload, Payload::Data(Bytes::from_static(b"x")));
        assert!(one(kind::DATA, flag::PADDED, &[3, 0, 0]).is_err());
        assert!(one(kind::DATA, flag::PADDED, &[]).is_err());
    }

    #[test]
    fn a_payload_of_the_wrong_size_is_an_error() {
        for (kind, content) in [
            (kind::PING, &[0; 7][..]),
            (kind::SETTINGS, &[0; 5]),
            (kind::WINDOW_UPDATE, &[0; 5]),
            (kind::RST_STREAM, &[0; 3]),
            (kind::PRIORITY, &[0; 6]),
            (kind::GOAWAY, &[0; 7]),
        ] {
            let length = u32::try_from(content.len()).unwrap();
            assert_eq!(
                one(kind, 0, content),
                Err(FrameError::Malformed { kind, length })
            );
        }
        assert!(matches!(
            one(kind::PING, 0, &[0; 16_385]),
            Err(FrameError::TooLong { .. })
        ));
    }

    #[test]
    fn another_protocol_is_noticed_at_its_first_byte() {
        let mut reader = FrameReader::new(MIN_MAX_LENGTH);
        reader.feed(b"G");
        assert_eq!(reader.next_frame(), Err(FrameError::Preface));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>, kind: u8, flags: u8) {
            let _ = one(kind, flags, &bytes);
            let mut reader = FrameReader::new(64);
            reader.feed(PREFACE);
            reader.feed(&bytes);
            let _ = frames(&mut reader);
        }
    }
}

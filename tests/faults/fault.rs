//! What may go wrong with one answer, as a value that can be drawn, printed, and done to a right answer.

use std::time::Duration;

use super::world::{Weather, World};
use crate::common::dice::Dice;
use crate::common::origin::Via;
use crate::common::origin::server::content::Body;
use crate::common::origin::server::files::Resource;
use crate::common::origin::server::script::{Act, Framing, Point, Reply, Request};

/// Statuses that pass.
const PASSING: [u16; 20] = [
    408, 421, 425, 429, 500, 502, 503, 504, 507, 508, 509, 520, 521, 522, 523, 524, 525, 526, 527,
    530,
];
/// Statuses that say something else, and which may come at the wrong time.
const OTHERS: [u16; 18] = [
    204, 205, 206, 300, 304, 400, 401, 403, 404, 405, 407, 410, 412, 414, 416, 431, 451, 501,
];
/// RST_STREAM: NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM, HTTP_1_1_REQUIRED.
const RESETS: [u32; 7] = [0, 1, 2, 7, 8, 11, 13];
const HTTP_1_1_REQUIRED: u32 = 13;
/// Values of Content-Range that are none, or not the one asked for.
const NONSENSE: [&str; 14] = [
    "",
    "bytes",
    "bytes ",
    "bytes=",
    "bytes (null)",
    "bytes 5-4/9",
    "bytes */*",
    "bytes 0-/9",
    "bytes -9/9",
    "bytes 0-9/9",
    "lines 0-0/1",
    "bytes 18446744073709551615-18446744073709551615/*",
    "bytes 99999999999999999999-99999999999999999999/99999999999999999999",
    "bytes 0-0/1, bytes 0-0/1",
];
/// Heads that are none (HTTP/1.1 only).
const GARBAGE: [&str; 5] = [
    "\0\0\0\0garbage\r\n\r\n",
    "HTTP/1.1 abc Odd\r\n\r\n",
    "HTTP/9.9 200 OK\r\nContent-Length: 4\r\n\r\n",
    "SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "HTTP/1.1 200 OK\r\nNo colon here\r\nContent-Length: -5\r\n\r\n",
];

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A plain answer with this status instead, perhaps with `Retry-After: 0`.
    Status { code: u16, retry_after: bool },
    /// The connection or the stream ends, or rests, at a point.
    Break { at: Point, act: Act },
    /// The head comes late.
    Late(Duration),
    /// Interim answers go before it.
    Interim(usize),
    /// A part begins so many bytes too early.
    Early(u64),
    /// A part begins so many bytes too late.
    Behind(u64),
    /// A part has so many bytes more than asked for, and says so.
    Oversized(u64),
    /// A part has only so many bytes, and says so.
    Fewer(u64),
    /// A part comes with this Content-Range.
    ContentRange(&'static str),
    /// A part does not say which it is.
    NoContentRange,
    /// A part says that it is of several.
    Multipart,
    /// The whole file comes instead of a part, as 200 or as 206.
    Whole(u16),
    /// The other version of the file answers.
    OtherVersion,
    /// An answer comes without its validators.
    NoValidators,
    /// Content-Length is so many bytes too large.
    LengthMore(u64),
    /// Content-Length is so many bytes too small. In an answer that brings the whole file, whatever was asked, only a checksum
    /// tells that from a shorter file.
    LengthLess { by: u64, of_parts_alone: bool },
    /// There is a second Content-Length that says something else.
    TwoLengths,
    /// The body is said to be encoded.
    Encoding(&'static str),
    /// The head is none.
    Garbage(&'static str),
}

impl Fault {
    /// Draws a fault for a request, `ranged` if that is for a range.
    pub fn draw(world: &World, dice: &mut Dice, ranged: bool) -> Self {
        match world.weather {
            Weather::Fair => Self::passing(world, dice, ranged),
            Weather::Foul if dice.percent(50) => Self::passing(world, dice, ranged),
            Weather::Foul => Self::lasting(world, dice, ranged),
        }
    }

    /// One that a second request does not meet, and that says nothing wrong about the file.
    fn passing(world: &World, dice: &mut Dice, ranged: bool) -> Self {
        let bytes = |dice: &mut Dice| dice.below(world.size + 1);
        match dice.below(if ranged { 10 } else { 8 }) {
            0 | 1 => Self::Status {
                code: dice.pick(&PASSING),
                retry_after: dice.percent(30),
            },
            2 => Self::Late(Duration::from_millis(dice.below(100))),
            3 => Self::Interim(1 + dice.below(5) as usize),
            4..=6 => {
                let at = match dice.below(4) {
                    0 => Point::Head,
                    1 => Point::Body(0),
                    _ => Point::Body(bytes(dice)),
                };
                let act = Self::act(world, dice, at);
                Self::Break { at, act }
            }
            7 if ranged => Self::LengthMore(1 + dice.below(1000)),
            7 => Self::Late(Duration::ZERO),
            8 => Self::Fewer(1 + bytes(dice)),
            _ => Self::Early(1 + dice.below(70_000)),
        }
    }

    fn act(world: &World, dice: &mut Dice, at: Point) -> Act {
        match dice.below(8) {
            0 => Act::Close,
            1 => Act::Cut,
            // Where no length was told, this would be the end.
            2 if world.is_length_told() && at != Point::Head => Act::Finish,
            3 => Act::Stall(Some(Duration::from_millis(dice.below(300)))),
            4 => Act::Stall(None),
            5 => Act::ResetStream(match dice.pick(&RESETS) {
                // It would never pass.
                HTTP_1_1_REQUIRED if world.weather == Weather::Fair => 2,
                code => code,
            }),
            6 => Act::GoAway {
                code: dice.pick(&[0, 0, 2, 11]),
                last_stream: dice.pick(&[None, Some(0)]),
            },
            _ => Act::Reset,
        }
    }

    /// One that may come again, or leads astray.
    fn lasting(world: &World, dice: &mut Dice, ranged: bool) -> Self {
        match dice.below(if ranged { 14 } else { 8 }) {
            0 | 1 => Self::Status {
                code: dice.pick(&OTHERS),
                retry_after: dice.percent(10),
            },
            2 if world.is_change_visible() || world.checked => Self::OtherVersion,
            // Nobody could tell the versions apart then.
            3 if world.other != world.size && world.length => Self::NoValidators,
            4 => Self::TwoLengths,
            5 => Self::Encoding(dice.pick(&["gzip", "br", "zstd", "identity", "x-odd"])),
            6 if world.via != Via::Http2 => Self::Garbage(dice.pick(&GARBAGE)),
            7 if dice.percent(50) => Self::LengthMore(1 + dice.below(1000)),
            7 if ranged || world.checked => Self::LengthLess {
                by: 1 + dice.below(1000),
                of_parts_alone: !world.checked,
            },
            2..=7 => Self::Status {
                code: 404,
                retry_after: false,
            },
            8 => Self::ContentRange(dice.pick(&NONSENSE)),
            9 => Self::NoContentRange,
            10 => Self::Multipart,
            11 => Self::Behind(1 + dice.below(1000)),
            12 => Self::Oversized(1 + dice.below(1000)),
            _ => Self::Whole(dice.pick(&[200, 206])),
        }
    }

    /// Does it to the right answer `reply` of the file `now`; `other` is its other version.
    pub fn strike(&self, request: &Request, mut reply: Reply, files: &Files) -> Reply {
        let part = part(&reply);
        match *self {
            Self::Status { code, retry_after } => {
                let reply = Reply::new(code, "no file\n".into());
                if retry_after {
                    reply.with("Retry-After", "0")
                } else {
                    reply
                }
            }
            Self::Break { at, act } => reply.fault(at, act),
            Self::Late(time) => {
                reply.latency += time;
                reply
            }
            Self::Interim(count) => {
                reply.interim = vec![(103, vec![("Link".to_owned(), "</a>".to_owned())]); count];
                reply
            }
            Self::OtherVersion => files.other.reply(request),
            Self::NoValidators => {
                let is_validator = |name: &str| name == "ETag" || name == "Last-Modified";
                reply.headers.retain(|(name, _)| !is_validator(name));
                reply
            }
            Self::LengthMore(by) => declared(reply, |length| length + by),
            Self::LengthLess { of_parts_alone, .. } if of_parts_alone && part.is_none() => reply,
            Self::LengthLess { by, .. } => declared(reply, |length| length.saturating_sub(by)),
            Self::TwoLengths => {
                let length = reply.body.len() + 1;
                reply.with("Content-Length", length.to_string())
            }
            Self::Encoding(coding) => reply.with("Content-Encoding", coding),
            Self::Garbage(head) => {
                reply.raw_head = Some(head.into());
                reply
            }
            Self::Early(_)
            | Self::Behind(_)
            | Self::Oversized(_)
            | Self::Fewer(_)
            | Self::ContentRange(_)
            | Self::NoContentRange
            | Self::Multipart
            | Self::Whole(_) => match part {
                Some(part) => self.strike_part(reply, part, &files.now),
                None => reply,
            },
        }
    }

    /// The same for a fault of a 206 that has this part of `file`.
    fn strike_part(&self, mut reply: Reply, (start, end): (u64, u64), file: &Resource) -> Reply {
        let moved = |mut reply: Reply, start: u64, end: u64| {
            reply.body = Body::generated(file.seed, start..end);
            let value = format!("bytes {start}-{}/{}", end - 1, file.size);
            reply.replace("Content-Range", value)
        };
        match *self {
            Self::Early(by) => moved(reply, start.saturating_sub(by), end),
            Self::Behind(by) => {
                let start = (start + by).min(end - 1);
                moved(reply, start, end)
            }
            Self::Oversized(by) => {
                let end = (end + by).min(file.size);
                moved(reply, start, end)
            }
            Self::Fewer(bytes) => {
                let end = (start + bytes).min(end);
                moved(reply, start, end)
            }
            Self::ContentRange(value) => reply.replace("Content-Range", value),
            Self::NoContentRange => {
                reply.headers.retain(|(name, _)| name != "Content-Range");
                reply
            }
            Self::Multipart => {
                reply.replace("Content-Type", "multipart/byteranges; boundary=\"x\"")
            }
            Self::Whole(206) => moved(reply, 0, file.size),
            Self::Whole(status) => {
                reply.status = status;
                reply.headers.retain(|(name, _)| name != "Content-Range");
                reply.body = Body::generated(file.seed, 0..file.size);
                reply
            }
            _ => reply,
        }
    }
}

/// What an answer can be made of.
pub struct Files {
    pub now: Resource,
    pub other: Resource,
}

/// The half-open range that a right 206 brings.
fn part(reply: &Reply) -> Option<(u64, u64)> {
    let (_, value) = reply
        .headers
        .iter()
        .find(|(name, _)| reply.status == 206 && name == "Content-Range")?;
    let start = value.strip_prefix("bytes ")?.split('-').next()?;
    let start: u64 = start.parse().ok()?;
    Some((start, start + reply.body.len()))
}

fn declared(mut reply: Reply, change: impl Fn(u64) -> u64) -> Reply {
    if reply.framing == Framing::Length {
        reply.framing = Framing::Declared(change(reply.body.len()));
    }
    reply
}

//! What a client was seen to do on one connection: plain data between whoever records and whoever compares.
//!
//! Everything a server can see before it answers is here, as it came; nothing is judged or left out for being usual.
//! The bodies of frames are not kept, their lengths are.

use super::wire::frames::{Frame, Payload, Priority, flag};
use super::wire::hello::ClientHello;
use super::wire::hpack::Block;
use super::wire::record::Record;
use crate::http::Protocol;

/// One TLS connection.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// One ClientHello, or two if the server asked for another; none if the client never spoke TLS.
    pub hellos: Vec<ClientHello>,
    /// Headers of the client's first TLS records, in order.
    pub records: Vec<Record>,
    /// What was agreed on; `None` while the handshake lasts, and for ever if it fails.
    pub protocol: Option<Protocol>,
    /// The client's HTTP/2 frames in order, without the content of DATA, HEADERS and CONTINUATION.
    pub frames: Vec<Frame>,
    /// How many of `frames` came before the server said anything; `None` while it is silent.
    pub opening: Option<usize>,
    /// Requests in order.
    pub requests: Vec<Request>,
    /// Streams whose answer was sent to its end.
    pub answered: Vec<u32>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// HTTP/2's stream id; 0 for HTTP/1.1.
    pub stream: u32,
    /// Priority fields of HEADERS; always `None` for HTTP/1.1.
    pub priority: Option<Priority>,
    /// `GET`
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Pseudo-headers in order; empty for HTTP/1.1.
    pub pseudo: Vec<(String, String)>,
    /// The other fields in order, letter case kept; `Host` is among them for HTTP/1.1.
    pub headers: Vec<(String, String)>,
    /// How HPACK wrote each field, pseudo-headers included; empty for HTTP/1.1.
    pub forms: Vec<String>,
}

impl Connection {
    /// The frames that came before the server said anything.
    #[must_use]
    pub fn opening_frames(&self) -> &[Frame] {
        &self.frames[..self.opening.unwrap_or(self.frames.len())]
    }
}

impl Request {
    /// A request as HTTP/2 shows it.
    #[must_use]
    pub fn from_block(stream: u32, priority: Option<Priority>, block: &Block) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut request = Self {
            stream,
            priority,
            method: String::new(),
            target: String::new(),
            pseudo: Vec::new(),
            headers: Vec::new(),
            forms: block
                .fields
                .iter()
                .map(|field| field.form.to_string())
                .collect(),
        };
        for field in &block.fields {
            let (name, value) = (text(&field.name), text(&field.value));
            match name.as_str() {
                ":method" => request.method.clone_from(&value),
                ":path" => request.target.clone_from(&value),
                _ => {}
            }
            if name.starts_with(':') {
                request.pseudo.push((name, value));
            } else {
                request.headers.push((name, value));
            }
        }
        request
    }

    /// The first header of this name, in any letter case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// A frame in a few words: `SETTINGS`, `WINDOW_UPDATE 0 +15663105`.
#[must_use]
pub fn frame_text(frame: &Frame) -> String {
    let stream = frame.stream;
    match &frame.payload {
        Payload::Data(_) => format!("DATA {stream}"),
        Payload::Headers { .. } => format!("HEADERS {stream}"),
        Payload::Priority(it) => format!(
            "PRIORITY {stream}: {}{} weight {}",
            it.dependency,
            if it.exclusive { " exclusive" } else { "" },
            it.weight
        ),
        Payload::RstStream { code } => format!("RST_STREAM {stream} code {code}"),
        Payload::Settings(_) if frame.has(flag::ACK) => "SETTINGS ack".to_owned(),
        Payload::Settings(_) => "SETTINGS".to_owned(),
        Payload::Ping(_) => "PING".to_owned(),
        Payload::GoAway { code, .. } => format!("GOAWAY code {code}"),
        Payload::WindowUpdate { increment } => format!("WINDOW_UPDATE {stream} +{increment}"),
        Payload::Continuation(_) => format!("CONTINUATION {stream}"),
        Payload::PriorityUpdate { stream, .. } => format!("PRIORITY_UPDATE of {stream}"),
        Payload::Unknown { kind, .. } => format!("frame of type {kind}"),
    }
}

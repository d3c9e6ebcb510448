//! What a request is and what may be answered: the vocabulary in which a test says how the origin behaves.
//!
//! A [`Script`] sees each request and returns a [`Reply`]; the protocol modules turn it into bytes. Everything an origin
//! may do wrong is a value here, a header that contradicts the body, a [`Fault`] at a given byte, so that HTTP/1.1 and
//! HTTP/2 misbehave alike. A script decides, it does not wait: delays are part of the reply.

use std::time::Duration;

use bytes::Bytes;

use super::content::Body;

/// Header fields in order. Names keep the case they were sent with.
pub type Headers = Vec<(String, String)>;

/// The first value of a header field, by a name in any case.
pub fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http11,
    Http2,
}

impl Protocol {
    /// Its name in ALPN.
    pub fn alpn(self) -> &'static str {
        match self {
            Self::Http11 => "http/1.1",
            Self::Http2 => "h2",
        }
    }
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// The request target: path and query.
    pub target: String,
    /// Exactly as sent, on HTTP/2 with the pseudo-header fields.
    pub headers: Headers,
    pub protocol: Protocol,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Counts the origin's connections from 0.
    pub connection: usize,
    /// HTTP/2 stream, 0 on HTTP/1.1.
    pub stream: u32,
    /// Counts the origin's requests from 0.
    pub nth: usize,
    /// Requests that are being answered on any connection, this one included.
    pub active: usize,
}

impl Request {
    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(&self.target, |(path, _)| path)
    }

    /// A parameter of the query; not decoded.
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query
            .split('&')
            .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
            .map(|(_, value)| value)
    }

    /// The first value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// How the length of the body is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Content-Length with the body's length.
    #[default]
    Length,
    /// Content-Length with this value, whatever the body has.
    Declared(u64),
    /// Not at all: chunked on HTTP/1.1, END_STREAM on HTTP/2.
    Unknown,
    /// Not at all: HTTP/1.1 closes the connection behind the body, HTTP/2 is as for `Unknown`.
    UntilClose,
}

/// Where in an answer a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Instead of the head.
    Head,
    /// After so many bytes of the body.
    Body(u64),
}

/// What happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The connection is closed in order, with close_notify on TLS.
    Close,
    /// The TCP connection is closed without close_notify.
    Cut,
    /// The TCP connection is reset, a moment later, because a reset throws away what the client has not read.
    Reset,
    /// Nothing is sent for so long, or for ever.
    Stall(Option<Duration>),
    /// The answer ends here as if it were whole: END_STREAM on HTTP/2; on HTTP/1.1 as `Close` unless the framing is chunked.
    Finish,
    /// RST_STREAM with this code; as `Reset` on HTTP/1.1.
    ResetStream(u32),
    /// GOAWAY; without a last stream, that of this request. Streams up to it go on, later ones are never answered, and the
    /// connection is closed behind them. As `Close` on HTTP/1.1.
    GoAway { code: u32, last_stream: Option<u32> },
    /// From here on only so many streams at once, as new SETTINGS say; nothing on HTTP/1.1.
    MaxStreams(u32),
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub at: Point,
    pub act: Act,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// Without the fields that `framing` adds behind them.
    pub headers: Headers,
    pub body: Body,
    pub framing: Framing,
    /// Interim answers (1xx) that go before the head.
    pub interim: Vec<(u16, Headers)>,
    /// Sent on HTTP/1.1 in place of the whole head, blank line included.
    pub raw_head: Option<Bytes>,
    /// Time between the request and the head.
    pub latency: Duration,
    /// Bytes of body a second; unlimited if `None`.
    pub limit: Option<u64>,
    /// In the order of their points.
    pub faults: Vec<Fault>,
}

impl Reply {
    /// An answer without headers, delays and faults.
    pub fn new(status: u16, body: Body) -> Self {
        Self {
            status,
            headers: Headers::new(),
            body,
            framing: Framing::default(),
            interim: Vec::new(),
            raw_head: None,
            latency: Duration::ZERO,
            limit: None,
            faults: Vec::new(),
        }
    }

    /// Appends a header field.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Takes all fields of this name away and appends this one: how a script lies about what is right.
    pub fn replace(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers
            .retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.with(name, value)
    }

    /// Adds a fault.
    pub fn fault(mut self, at: Point, act: Act) -> Self {
        self.faults.push(Fault { at, act });
        self
    }

    /// Whether a body may follow the head at all (RFC 9110 §6.4.1).
    pub fn has_body(&self, method: &str) -> bool {
        method != "HEAD" && !matches!(self.status, 100..=199 | 204 | 304)
    }

    /// The Content-Length to send, if any.
    pub fn content_length(&self) -> Option<u64> {
        match self.framing {
            _ if matches!(self.status, 100..=199 | 204 | 304) => None,
            Framing::Length => Some(self.body.len()),
            Framing::Declared(length) => Some(length),
            Framing::Unknown | Framing::UntilClose => None,
        }
    }
}

/// Decides what is answered. Called once per request, from the origin's thread; must not block.
pub trait Script: Send + Sync + 'static {
    fn reply(&self, request: &Request) -> Reply;

    /// Whether to accept another connection when `open` others are; if not, it is reset.
    fn admit(&self, open: usize) -> bool {
        let _ = open;
        true
    }
}

impl<F: Fn(&Request) -> Reply + Send + Sync + 'static> Script for F {
    fn reply(&self, request: &Request) -> Reply {
        self(request)
    }
}

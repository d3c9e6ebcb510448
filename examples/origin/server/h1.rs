//! HTTP/1.1 (RFC 9112), as much as a downloading client needs, with the exact order and case of header fields.

use std::io;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::delivery::{Delivery, Step};
use super::script::{Act, Framing, Headers, Protocol, Reply, Request, header};
use super::{Ending, Peer, Transport};

/// A longer request head is refused.
const MAX_HEAD: usize = 256 * 1024;
/// Bytes of body made and written at a time.
const PIECE: usize = 128 * 1024;

/// Answers requests one after the other until either side ends the connection.
pub(super) async fn serve(io: &mut impl Transport, peer: &Peer) -> io::Result<Ending> {
    let mut input = BytesMut::new();
    loop {
        let Some(head) = read_head(io, &mut input).await? else {
            return Ok(Ending::InOrder);
        };
        let request = parse_head(&head, peer).ok_or_else(|| malformed("request head"))?;
        skip_body(io, &mut input, &request).await?;
        let request = peer.shared.log.request(request);
        let reply = peer.shared.script.reply(&request);
        let ending = answer(io, &mut input, peer, &request, reply).await?;
        peer.shared.log.end(request.nth);
        if let Some(ending) = ending {
            return Ok(ending);
        }
    }
}

/// The next head without its blank line; `None` if the client closed the connection instead.
async fn read_head(io: &mut impl Transport, input: &mut BytesMut) -> io::Result<Option<String>> {
    const BLANK: &[u8] = b"\r\n\r\n";
    loop {
        if let Some(end) = input
            .windows(BLANK.len())
            .position(|window| window == BLANK)
        {
            let head = input.split_to(end);
            input.advance(BLANK.len());
            return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
        }
        if input.len() > MAX_HEAD {
            return Err(malformed("request head without an end"));
        }
        if io.read_buf(input).await? == 0 {
            return Ok(None);
        }
    }
}

fn parse_head(head: &str, peer: &Peer) -> Option<Request> {
    let mut lines = head.split("\r\n");
    let [method, target, "HTTP/1.1" | "HTTP/1.0"] =
        lines.next()?.split(' ').collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let field = |line: &str| {
        line.split_once(':')
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
    };
    Some(Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: lines.map(field).collect::<Option<Headers>>()?,
        protocol: Protocol::Http11,
        tls: peer.tls,
        connection: peer.number,
        stream: 0,
        nth: 0,
        active: 0,
    })
}

async fn skip_body(
    io: &mut impl Transport,
    input: &mut BytesMut,
    request: &Request,
) -> io::Result<()> {
    let mut left = request
        .header("content-length")
        .map_or(Ok(0), str::parse)
        .map_err(io::Error::other)?;
    while left > 0 {
        if input.is_empty() && io.read_buf(input).await? == 0 {
            return Err(malformed("request body without an end"));
        }
        let now = input.len().min(left);
        input.advance(now);
        left -= now;
    }
    Ok(())
}

/// Sends one answer; how the connection ends if it does not go on.
async fn answer(
    io: &mut impl Transport,
    input: &mut BytesMut,
    peer: &Peer,
    request: &Request,
    reply: Reply,
) -> io::Result<Option<Ending>> {
    let log = &peer.shared.log;
    let with_body = reply.has_body(&request.method);
    let chunked = with_body && reply.framing == Framing::Unknown;
    let mut delivery = Delivery::new(&reply, with_body, Instant::now());
    let mut out = Vec::with_capacity(PIECE + 64);
    loop {
        out.clear();
        match delivery.step(PIECE, Instant::now()) {
            Step::Head => {
                put_head(&mut out, &reply, chunked);
                log.head(request.nth, &reply);
            }
            Step::Body(count) => put_body(&mut out, &mut delivery, count, chunked),
            Step::End => {
                if chunked {
                    io.write_all(b"0\r\n\r\n").await?;
                }
                io.flush().await?;
                log.exchange(request.nth, |exchange| exchange.complete = true);
                return Ok(closes(request, &reply).then_some(Ending::InOrder));
            }
            Step::Wait(until) => {
                if !wait(io, input, until).await? {
                    return Ok(Some(Ending::InOrder));
                }
            }
            Step::Fault(Act::MaxStreams(_)) => {}
            Step::Fault(Act::Finish) if chunked && delivery.has_begun() => {
                io.write_all(b"0\r\n\r\n").await?;
                return Ok(None);
            }
            Step::Fault(act) => {
                io.flush().await?;
                return Ok(Some(ending(act)));
            }
        }
        if delivery.is_complete() {
            log.leaves(request.nth);
        }
        io.write_all(&out).await?;
        // A body that is behind its time, or has none to keep, would not let the other connections get a turn.
        tokio::task::yield_now().await;
        log.exchange(request.nth, |exchange| exchange.sent = delivery.sent());
    }
}

/// How a fault looks where there are no streams.
fn ending(act: Act) -> Ending {
    match act {
        Act::Close | Act::Finish | Act::GoAway { .. } | Act::MaxStreams(_) | Act::Stall(_) => {
            Ending::InOrder
        }
        Act::Cut => Ending::Cut,
        Act::Reset | Act::ResetStream(_) => Ending::Reset,
    }
}

/// Whether one side wants the connection closed behind this answer.
fn closes(request: &Request, reply: &Reply) -> bool {
    let says_close = |headers: &Headers| {
        header(headers, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    };
    reply.framing == Framing::UntilClose
        || says_close(&request.headers)
        || says_close(&reply.headers)
}

/// Sleeps, and listens meanwhile; whether the client is still there.
async fn wait(
    io: &mut impl Transport,
    input: &mut BytesMut,
    until: Option<Instant>,
) -> io::Result<bool> {
    let sleep = async {
        match until {
            Some(until) => tokio::time::sleep_until(until.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(sleep);
    loop {
        tokio::select! {
            read = io.read_buf(input), if input.len() < MAX_HEAD => {
                if read? == 0 {
                    return Ok(false);
                }
            }
            () = &mut sleep => return Ok(true),
        }
    }
}

fn put_head(out: &mut Vec<u8>, reply: &Reply, chunked: bool) {
    for (status, headers) in &reply.interim {
        put_fields(out, *status, headers);
        out.extend_from_slice(b"\r\n");
    }
    if let Some(raw) = &reply.raw_head {
        out.extend_from_slice(raw);
        return;
    }
    put_fields(out, reply.status, &reply.headers);
    if let Some(length) = reply.content_length() {
        put_field(out, "Content-Length", &length.to_string());
    }
    if chunked {
        put_field(out, "Transfer-Encoding", "chunked");
    }
    if reply.framing == Framing::UntilClose {
        put_field(out, "Connection", "close");
    }
    out.extend_from_slice(b"\r\n");
}

fn put_fields(out: &mut Vec<u8>, status: u16, headers: &[(String, String)]) {
    out.extend_from_slice(format!("HTTP/1.1 {status} {}\r\n", reason(status)).as_bytes());
    for (name, value) in headers {
        put_field(out, name, value);
    }
}

fn put_field(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn put_body(out: &mut Vec<u8>, delivery: &mut Delivery, count: usize, chunked: bool) {
    if chunked {
        out.extend_from_slice(format!("{count:x}\r\n").as_bytes());
    }
    let start = out.len();
    out.resize(start + count, 0);
    delivery.read(&mut out[start..]);
    if chunked {
        out.extend_from_slice(b"\r\n");
    }
}

/// Reason phrases of the statuses that tests use; clients ignore them (RFC 9112 §4).
fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        103 => "Early Hints",
        200 => "OK",
        206 => "Partial Content",
        302 => "Found",
        304 => "Not Modified",
        403 => "Forbidden",
        404 => "Not Found",
        412 => "Precondition Failed",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::other(format!("reading http/1.1: {what}"))
}

//! `[http2]` and the shapes of requests, out of what was seen.

use crate::fingerprint::observed::{Connection, Request, frame_text};
use crate::fingerprint::schema::{DependsOn, HeaderLine, Http2, Priority, RequestShape};
use crate::fingerprint::wire::frames::{self, Frame, PREFACE, Payload};
use crate::fingerprint::wire::huffman;

/// Content type of protected TLS 1.3 records.
const APPLICATION_DATA: u8 = 23;
/// What TLS 1.3 adds to a record's content: its inner type and the tag.
const PROTECTION: usize = 17;

/// `[http2]` of a connection's opening, without `credit`; `None` without a request in it.
#[must_use]
pub fn http2(connection: &Connection) -> Option<Http2> {
    let opening = connection.opening_frames();
    let request = connection
        .requests
        .first()
        .filter(|request| request.stream > 0)?;
    let at = opening
        .iter()
        .position(|frame| matches!(frame.payload, Payload::Headers { .. }))?;
    let settings = opening.iter().find_map(|frame| {
        if let Payload::Settings(pairs) = &frame.payload {
            Some(pairs.clone())
        } else {
            None
        }
    });
    Some(Http2 {
        settings: settings.unwrap_or_default(),
        window_update: increments(&opening[..at], 0).next().unwrap_or(0),
        stream_window_update: increments(&opening[at..], request.stream)
            .next()
            .unwrap_or(0),
        credit: None,
        pseudo_headers: request
            .pseudo
            .iter()
            .map(|(name, _)| name.clone())
            .collect(),
        first_stream: request.stream,
        headers_in_own_record: layout(connection)
            .is_some_and(|records| records.iter().any(|record| record.starts_with("HEADERS"))),
        huffman_always: huffman_always(request),
        path_always_literal: path_always_literal(request),
        split_cookies: false,
    })
}

/// Increments of the WINDOW_UPDATE frames on a stream.
pub fn increments(frames: &[Frame], stream: u32) -> impl Iterator<Item = u32> + '_ {
    frames.iter().filter_map(move |frame| {
        if let Payload::WindowUpdate { increment } = frame.payload {
            (frame.stream == stream).then_some(increment)
        } else {
            None
        }
    })
}

/// The frames of the opening as TLS 1.3 records carried them, each record's as `PREFACE SETTINGS WINDOW_UPDATE`; a frame
/// that goes on in the next record is marked with `…`. `None` before TLS 1.3, where the overhead is not known.
#[must_use]
pub fn layout(connection: &Connection) -> Option<Vec<String>> {
    let hello = connection.hellos.first()?;
    hello.versions().contains(&0x0304).then_some(())?;
    // The first protected record is the handshake's end.
    let mut rooms = connection
        .records
        .iter()
        .filter(|record| record.content_type == APPLICATION_DATA)
        .skip(1)
        .map(|record| usize::from(record.length).saturating_sub(PROTECTION));
    let preface = ("PREFACE".to_owned(), PREFACE.len());
    let sizes = connection.opening_frames().iter().map(|frame| {
        let text = frame_text(frame);
        let name = text.split(' ').next().unwrap_or_default().to_owned();
        (name, frames::HEADER + frame.length as usize)
    });
    let (mut records, mut record, mut room) = (Vec::new(), Vec::new(), rooms.next()?);
    for (name, mut size) in std::iter::once(preface).chain(sizes) {
        while size > room {
            record.push(format!("{name}…"));
            size -= room;
            records.push(std::mem::take(&mut record).join(" "));
            room = rooms.next()?;
        }
        room -= size;
        record.push(name);
        if room == 0 {
            records.push(std::mem::take(&mut record).join(" "));
            room = rooms.next().unwrap_or(0);
        }
    }
    if !record.is_empty() {
        records.push(record.join(" "));
    }
    Some(records)
}

/// Whether a string was Huffman coded though that does not make it shorter.
fn huffman_always(request: &Request) -> bool {
    request
        .pseudo
        .iter()
        .chain(&request.headers)
        .zip(&request.forms)
        .any(|((_, value), form)| {
            form.ends_with("vH") && huffman::encoded_len(value.as_bytes()) >= value.len()
        })
}

fn path_always_literal(request: &Request) -> bool {
    let path = request.pseudo.iter().position(|(name, _)| name == ":path");
    let form = path.and_then(|at| request.forms.get(at));
    form.is_some_and(|form| match request.target.as_str() {
        "/" => form.starts_with('L'),
        _ => form.contains("n5"),
    })
}

/// A request as a shape without places: what was sent, word for word. `previous` is what it would depend on.
#[must_use]
pub fn shape(request: &Request) -> RequestShape {
    RequestShape {
        open: false,
        redirected: None,
        priority: request.priority.map(|priority| Priority {
            weight: priority.weight,
            exclusive: priority.exclusive,
            depends_on: match priority.dependency {
                0 => DependsOn::Root,
                _ => DependsOn::Previous,
            },
        }),
        headers: request
            .headers
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
            .map(|(name, value)| HeaderLine {
                name: name.clone(),
                value: value.clone(),
                http: None,
                scheme: None,
            })
            .collect(),
    }
}

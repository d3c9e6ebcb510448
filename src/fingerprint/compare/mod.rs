//! Holds what was seen on the wire against a fingerprint, field by field.
//!
//! Equal means: the same in everything a server can see before it answers, except what is random (keys, random, session
//! id) and GREASE values among themselves. Over several connections also what varies is compared: what the file says is
//! drawn must differ from one to the next, and what it doesn't must not.
//!
//! Pure: whoever opened the connections hands over what was recorded. Nothing here knows a browser by name, nor accepts a
//! difference because it is known.

mod forms;
mod variation;

use std::collections::BTreeMap;

use super::Fingerprint;
use super::headers::{Places, compose};
use super::names;
use super::observed::{Connection, Request, frame_text};
use super::schema::{DependsOn, Habit, RequestShape, Scheme, Tls};
use super::text::{self, Line};
use super::wire::extension::{Body, is_grease};
use super::wire::frames::Payload;
use super::wire::hello::ClientHello;
use super::{describe, schema};

pub use variation::variation;

/// The `padding` extension.
const PADDING: u16 = 21;
/// How far beyond its threshold a WINDOW_UPDATE may go: what one read of a socket brings.
const SLACK: u32 = 256 * 1024;
/// A window before any SETTINGS or WINDOW_UPDATE (RFC 9113 §6.9.2).
const DEFAULT_WINDOW: u32 = 65_535;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// One field in which what was seen is not what was expected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The field, as a path into the fingerprint file where it has one.
    pub field: String,
    /// What the fingerprint says.
    pub expected: String,
    /// What was seen.
    pub got: String,
}

impl Difference {
    /// A difference.
    pub fn new(
        field: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            expected: expected.into(),
            got: got.into(),
        }
    }
}

/// All differences of connections that each began with the request `shape` (`name` in the file); each difference with
/// how many connections show it.
#[must_use]
pub fn differences(
    expected: &Fingerprint,
    name: &str,
    shape: &RequestShape,
    places: &Places,
    connections: &[Connection],
) -> Vec<(Difference, usize)> {
    let mut counted = BTreeMap::new();
    for connection in connections {
        let mut found = match connection.hellos.first() {
            Some(seen) => hello(&expected.tls, seen),
            None => vec![Difference::new("connection", "a ClientHello", "none")],
        };
        if let [first, second, ..] = &connection.hellos[..] {
            found.extend(second_hello(first, second));
        }
        if connection
            .requests
            .first()
            .is_some_and(|request| request.stream > 0)
        {
            found.extend(opening(expected, connection));
        }
        match connection.requests.first() {
            Some(seen) => {
                found.extend(request(expected, name, shape, places, seen));
                found.extend(priority(name, shape, seen, 0));
            }
            None => found.push(Difference::new("connection", "a request", "none")),
        }
        for difference in found {
            *counted.entry(difference).or_insert(0) += 1;
        }
    }
    let hellos: Vec<_> = connections
        .iter()
        .filter_map(|connection| connection.hellos.first())
        .collect();
    let varying = variation(&expected.tls, &hellos);
    counted
        .into_iter()
        .chain(varying.into_iter().map(|it| (it, connections.len())))
        .collect()
}

/// Differences between a first ClientHello and the file.
#[must_use]
pub fn hello(expected: &Tls, hello: &ClientHello) -> Vec<Difference> {
    let (mut seen, mut found) = describe::tls(hello);
    found.extend(padding(expected, hello));
    allow_draws(expected, &mut seen);
    let mut expected = expected.clone();
    // Only a resumed connection could tell the one, and only two shares of x25519 the other.
    let tells = expected.key_shares.contains(&describe::X25519_MLKEM768);
    expected.habits.retain(|habit| match habit {
        Habit::SharedX25519 => tells,
        Habit::NoTicketWithPsk => false,
    });
    found.extend(lines("tls", &text::tls(&expected), &text::tls(&seen)));
    found
}

/// Replaces what one connection has drawn by what it may have been drawn from.
fn allow_draws(expected: &Tls, seen: &mut Tls) {
    if let (Some(may), Some(drawn)) = (&expected.ech_grease, &seen.ech_grease)
        && drawn
            .payload_lengths
            .iter()
            .all(|length| may.payload_lengths.contains(length))
        && drawn.aeads.iter().all(|aead| may.aeads.contains(aead))
    {
        seen.ech_grease.clone_from(&expected.ech_grease);
    }
    // Whether it should be there is another question, which `padding` asks.
    if let Some(at) = expected.extensions.iter().position(|id| *id == PADDING)
        && !seen.extensions.contains(&PADDING)
    {
        seen.extensions
            .insert(at.min(seen.extensions.len()), PADDING);
    }
    if expected.permute_extensions {
        seen.permute_extensions = true;
        let sorted = |tls: &Tls| {
            let mut extensions = tls.extensions.clone();
            extensions.sort_unstable();
            extensions
        };
        let fixed = |tls: &Tls| {
            let extensions = tls.extensions.iter().enumerate();
            extensions
                .filter(|(_, id)| is_grease(**id))
                .map(|(at, _)| at)
                .collect::<Vec<_>>()
        };
        if sorted(expected) == sorted(seen) && fixed(expected) == fixed(seen) {
            seen.extensions.clone_from(&expected.extensions);
        }
        let by_number = |opaque: &schema::OpaqueExtension| opaque.extension;
        seen.opaque_extensions.sort_by_key(by_number);
        if expected.opaque_extensions.len() == seen.opaque_extensions.len()
            && expected
                .opaque_extensions
                .iter()
                .all(|it| seen.opaque_extensions.contains(it))
        {
            seen.opaque_extensions
                .clone_from(&expected.opaque_extensions);
        }
    }
}

/// Hellos of 256 to 511 bytes are padded to 512, or by one byte where that is too near (RFC 7685 §4).
fn padding(expected: &Tls, hello: &ClientHello) -> Option<Difference> {
    let seen = hello.extension(PADDING).map(|body| {
        if let Body::Padding { length, .. } = body {
            usize::from(*length)
        } else {
            0
        }
    });
    let unpadded = hello.message_length - seen.map_or(0, |length| length + 4);
    let due =
        (expected.extensions.contains(&PADDING) && (256..512).contains(&unpadded)).then(|| {
            (512 - unpadded)
                .checked_sub(4)
                .filter(|length| *length > 0)
                .unwrap_or(1)
        });
    let words =
        |length: Option<usize>| length.map_or("none".to_owned(), |it| format!("{it} bytes"));
    (seen != due).then(|| {
        let field = format!("padding of a hello of {unpadded} bytes");
        Difference::new(field, words(due), words(seen))
    })
}

/// Differences between the hello that follows a HelloRetryRequest and the first one: only the key share changes, to the
/// one group that was asked for.
#[must_use]
pub fn second_hello(first: &ClientHello, second: &ClientHello) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut same = |field: &str, is: bool| {
        if !is {
            found.push(Difference::new(
                format!("second hello: {field}"),
                "as in the first",
                "another",
            ));
        }
    };
    same("random", first.random == second.random);
    same("session id", first.session_id == second.session_id);
    same("ciphers", first.ciphers == second.ciphers);
    let others = |hello: &ClientHello| {
        let mut extensions = hello.extensions.clone();
        extensions.retain(|it| !matches!(it.body, Body::KeyShares(_) | Body::Padding { .. }));
        extensions
    };
    same("extensions", others(first) == others(second));
    if second.key_shares().len() != 1 {
        let got = format!("{} shares", second.key_shares().len());
        found.push(Difference::new("second hello: key share", "1 share", got));
    }
    found
}

/// Differences between the opening of an HTTP/2 connection and the file.
#[must_use]
pub fn opening(expected: &Fingerprint, connection: &Connection) -> Vec<Difference> {
    let Some(mut seen) = describe::http2(connection) else {
        return vec![Difference::new(
            "http2",
            "a request",
            "none before the server spoke",
        )];
    };
    seen.credit = expected.http2.credit;
    let mut found = lines("http2", &text::http2(&expected.http2), &text::http2(&seen));
    let http2 = &expected.http2;
    let mut frames = vec!["SETTINGS".to_owned()];
    let mut layout = "PREFACE SETTINGS".to_owned();
    if http2.window_update > 0 {
        frames.push(format!("WINDOW_UPDATE 0 +{}", http2.window_update));
        layout += " WINDOW_UPDATE";
    }
    layout += if http2.headers_in_own_record {
        " | HEADERS"
    } else {
        " HEADERS"
    };
    frames.push(format!("HEADERS {}", http2.first_stream));
    if http2.stream_window_update > 0 {
        let (stream, increment) = (http2.first_stream, http2.stream_window_update);
        frames.push(format!("WINDOW_UPDATE {stream} +{increment}"));
        layout += " WINDOW_UPDATE";
    }
    let got: Vec<_> = connection.opening_frames().iter().map(frame_text).collect();
    if got != frames {
        let difference = Difference::new("opening frames", frames.join(", "), got.join(", "));
        found.push(difference);
    } else if let Some(got) = describe::layout(connection).map(|records| records.join(" | "))
        && got != layout
    {
        found.push(Difference::new("TLS records of the opening", layout, got));
    }
    if let Some(request) = connection.requests.first() {
        found.extend(forms::forms(http2, request));
    }
    found
}

/// Differences between a request's header list and a shape of the file, whose name is `name`.
#[must_use]
pub fn request(
    expected: &Fingerprint,
    name: &str,
    shape: &RequestShape,
    places: &Places,
    seen: &Request,
) -> Vec<Difference> {
    let version = if seen.stream > 0 { 2 } else { 1 };
    let mut list = compose(shape, version, Scheme::Https, &expected.values, places);
    if version == 1 {
        let host = seen.header("host").unwrap_or("missing").to_owned();
        list.insert(0, ("Host".to_owned(), host));
    }
    headers(
        &format!("{name}.headers over HTTP/{version}"),
        &list,
        &seen.headers,
    )
}

/// Differences between two header lists: in their names and order, else in single values.
#[must_use]
pub fn headers(
    field: &str,
    expected: &[(String, String)],
    seen: &[(String, String)],
) -> Vec<Difference> {
    let names = |list: &[(String, String)]| {
        list.iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    if names(expected) != names(seen) {
        return vec![Difference::new(field, names(expected), names(seen))];
    }
    expected
        .iter()
        .zip(seen)
        .filter(|(expected, seen)| expected != seen)
        .map(|((name, expected), (_, seen))| {
            Difference::new(format!("{field}: {name}"), expected, seen)
        })
        .collect()
}

/// The difference between a request's priority fields and its shape's. `previous` is the stream of the latest request
/// that is still open, 0 if there is none.
#[must_use]
pub fn priority(
    name: &str,
    shape: &RequestShape,
    seen: &Request,
    previous: u32,
) -> Option<Difference> {
    if seen.stream == 0 {
        return None;
    }
    let words = |weight: u16, exclusive: bool, parent: u32| {
        let exclusive = if exclusive { ", exclusive" } else { "" };
        format!("weight {weight}{exclusive}, depends on stream {parent}")
    };
    let expected = shape.priority.map_or("none".to_owned(), |it| {
        let parent = match it.depends_on {
            DependsOn::Root => 0,
            DependsOn::Previous => previous,
        };
        words(it.weight, it.exclusive, parent)
    });
    let got = seen.priority.map_or("none".to_owned(), |it| {
        words(it.weight, it.exclusive, it.dependency)
    });
    (expected != got).then(|| Difference::new(format!("{name}.priority"), expected, got))
}

/// Differences in how the bytes of one download of `length` bytes, on `stream`, were acknowledged. Looks only at
/// frames behind the opening.
#[must_use]
pub fn credit(
    expected: &schema::Http2,
    connection: &Connection,
    stream: u32,
    length: u64,
) -> Vec<Difference> {
    let setting = expected
        .settings
        .iter()
        .find(|(id, _)| *id == INITIAL_WINDOW_SIZE);
    let window =
        setting.map_or(DEFAULT_WINDOW, |(_, value)| *value) + expected.stream_window_update;
    let thresholds = expected.credit.map_or(
        (window / 2, (DEFAULT_WINDOW + expected.window_update) / 2),
        |credit| (credit.stream, credit.connection),
    );
    let frames = &connection.frames[connection.opening.unwrap_or(0)..];
    // What follows a later request's HEADERS at once is that request's, not the download's.
    let follows = frames.iter().position(|frame| {
        frame.stream == stream && matches!(frame.payload, Payload::Headers { .. })
    });
    let extra = usize::from(expected.stream_window_update > 0 && follows.is_some());
    let of_stream: Vec<_> = describe::increments(frames, stream).skip(extra).collect();
    let of_connection: Vec<_> = describe::increments(frames, 0).collect();
    cadence("stream", thresholds.0, &of_stream, length)
        .into_iter()
        .chain(cadence("connection", thresholds.1, &of_connection, length))
        .collect()
}

/// Each update acknowledges what has come since the last, as soon as that reaches the threshold.
fn cadence(what: &str, threshold: u32, seen: &[u32], length: u64) -> Option<Difference> {
    let least = length / u64::from(threshold + SLACK);
    let most = length / u64::from(threshold.max(1));
    let regular = seen
        .iter()
        .all(|it| (threshold..threshold + SLACK).contains(it));
    // The last may be omitted, because the stream has ended, or be due to what came before.
    let enough = (least.saturating_sub(1)..=most + 1).contains(&(seen.len() as u64));
    (!regular || !enough).then(|| {
        let expected = format!("{least} to {most} of about +{threshold}");
        let mut got: Vec<_> = seen.iter().take(8).map(|it| format!("+{it}")).collect();
        if seen.len() > got.len() {
            got.push(format!("… {} in all", seen.len()));
        }
        Difference::new(
            format!("WINDOW_UPDATEs of the {what}"),
            expected,
            got.join(", "),
        )
    })
}

/// Lines of a table that differ.
fn lines(table: &str, expected: &[Line], seen: &[Line]) -> Vec<Difference> {
    let find = |lines: &[Line], key: &str| {
        let line = lines.iter().find(|(known, _)| *known == key);
        line.map_or("nothing".to_owned(), |(_, value)| one_line(value))
    };
    let mut keys: Vec<_> = expected.iter().chain(seen).map(|(key, _)| *key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .map(|key| (key, find(expected, key), find(seen, key)))
        .filter(|(_, expected, seen)| expected != seen)
        .map(|(key, expected, seen)| Difference::new(format!("{table}.{key}"), expected, seen))
        .collect()
}

fn one_line(value: &str) -> String {
    let words: Vec<_> = value.split_whitespace().collect();
    words.join(" ").replace("[ ", "[").replace(", ]", "]")
}

#[cfg(test)]
mod tests;

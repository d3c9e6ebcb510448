//! Holds what was seen on the wire against a fingerprint, field by field.
//!
//! Equal means: the same in everything a server can see before it answers, except what is random (keys, random, session
//! id) and GREASE values among themselves. Over several connections also what varies is compared: what the file says is
//! drawn must differ from one to the next, and what it doesn't must not.
//!
//! Pure: whoever opened the connections hands over what was recorded. Nothing here knows a browser by name, nor accepts a
//! difference because it is known.

mod credit;
mod forms;
mod hello;
mod request;
mod variation;

use std::collections::BTreeMap;

use super::observed::{Connection, frame_text};
use super::schema::RequestShape;
use super::text::{self, Line};
use super::{Fingerprint, describe, headers};

pub use credit::credit;
pub use hello::{first, hello, resumed, second_hello};
pub use request::{header_list, priority, request};
pub use variation::variation;

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
    places: &headers::Places,
    connections: &[Connection],
) -> Vec<(Difference, usize)> {
    let mut counted = BTreeMap::new();
    for connection in connections {
        let mut found = match connection.hellos.first() {
            Some(seen) => [
                hello(&expected.tls, seen),
                first(seen).into_iter().collect(),
            ]
            .concat(),
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
    seen.split_cookies = expected.http2.split_cookies;
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

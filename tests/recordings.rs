//! Recordings of real browsers, held to their fingerprint files and to what `hs` itself shows on twenty connections.
//!
//! A recording (`HS_CAPTURES`, JSON) is read into the form in which our own server notes a connection. So one comparison
//! serves both, and then both are compared with each other. Only values that name a build (`HeadlessChrome`, for one) are
//! taken over from the recording.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use hydrastream::fingerprint::headers::Places;
use hydrastream::fingerprint::observed::{Connection, Request, frame_text};
use hydrastream::fingerprint::wire::frames::{Frame, Payload, Priority};
use hydrastream::fingerprint::wire::hello::ClientHello;
use hydrastream::fingerprint::wire::record::Record;
use hydrastream::fingerprint::{self, Fingerprint, compare, describe};
use hydrastream::inspect;
use serde_json::Value;

/// Recordings, and the files that wear them.
const RECORDED: [(&str, &str); 3] = [
    ("chromium-120.0.6099.224", "chrome120"),
    ("chromium-156.0.8078.79", "chromium156"),
    ("firefox-153.7.0esr", "firefox153"),
];
/// Connections of our own.
const CONNECTIONS: usize = 20;

/// The connections of one recording, if recordings are at hand.
fn recording(name: &str) -> Option<Vec<Connection>> {
    let Some(folder) = std::env::var_os("HS_CAPTURES") else {
        println!("skipped: HS_CAPTURES names no folder");
        return None;
    };
    let path = PathBuf::from(folder).join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
    let recording: Value = serde_json::from_str(&text).unwrap();
    Some(
        array(&recording["connections"])
            .iter()
            .map(connection)
            .collect(),
    )
}

/// What the file would be for the very build that was recorded.
fn as_recorded(browser: &str, connections: &[Connection]) -> Fingerprint {
    let mut worn = fingerprint::find(browser).unwrap();
    let request = connections
        .iter()
        .find_map(|it| it.requests.first())
        .unwrap();
    for (key, header) in [
        ("user_agent", "user-agent"),
        ("brands", "sec-ch-ua"),
        ("platform", "sec-ch-ua-platform"),
    ] {
        if let Some(value) = request.header(header) {
            worn.values.insert(key.to_owned(), value.to_owned());
        }
    }
    worn
}

#[test]
fn first_connections_are_the_recorded_ones() {
    for (name, browser) in RECORDED {
        for http1 in [false, true] {
            let version = if http1 { "-http1" } else { "" };
            let Some(all) = recording(&format!("{name}{version}")) else {
                return;
            };
            // A cold browser opens connections that it does not need; their hellos count, too.
            let asked: Vec<_> = all
                .iter()
                .filter(|it| !it.requests.is_empty())
                .cloned()
                .collect();
            let worn = as_recorded(browser, &asked);
            let ours = inspect::observe(&worn, http1, CONNECTIONS).unwrap();
            assert_eq!(ours.len(), CONNECTIONS);
            for (whose, connections) in [("recorded", &asked), ("ours", &ours)] {
                let (shape, places) = (&worn.navigation, Places::default());
                let found = compare::differences(&worn, "navigation", shape, &places, connections);
                assert!(found.is_empty(), "{name}{version}, {whose}: {found:#?}");
            }
            for hello in all.iter().flat_map(|connection| &connection.hellos) {
                let found = compare::hello(&worn.tls, hello);
                assert!(found.is_empty(), "{name}{version}: {found:#?}");
            }
            assert_eq!(constant(&ours), constant(&asked), "{name}{version}");
        }
    }
}

/// What does not vary from one connection to the next: TLS records and frames of the opening, request, HPACK.
fn constant(connections: &[Connection]) -> BTreeSet<String> {
    let text = |connection: &Connection| {
        let frames: Vec<_> = connection.opening_frames().iter().map(frame_text).collect();
        let request = &connection.requests[0];
        // Each server has its own port.
        let fixed = |(name, value): &(String, String)| {
            let place = [":authority", "Host"].contains(&name.as_str());
            format!("{name}: {}", if place { "" } else { value })
        };
        let fields: Vec<_> = request
            .pseudo
            .iter()
            .chain(&request.headers)
            .map(fixed)
            .collect();
        let (priority, forms) = (request.priority, &request.forms);
        let records = frames
            .len()
            .checked_sub(1)
            .and_then(|_| describe::layout(connection));
        format!("{records:?} {frames:?} {priority:?} {fields:?} {forms:?}")
    };
    connections.iter().map(text).collect()
}

/// The server of the recordings gave no tickets: there every connection is a first one, and so it is with us.
#[test]
fn nothing_is_resumed_without_tickets() {
    for (name, _) in RECORDED {
        for version in ["", "-http1"] {
            let Some(connections) = recording(&format!("{name}{version}")) else {
                return;
            };
            assert!(connections.len() > 2);
            for hello in connections.iter().flat_map(|connection| &connection.hellos) {
                assert_eq!(compare::first(hello), None, "{name}{version}");
            }
        }
    }
}

#[test]
fn the_slices_of_a_parallel_download_are_the_recorded_ones() {
    for (name, browser) in [
        ("chromium-120.0.6099.224", "chrome120"),
        ("chromium-150.0.7871.100", "chrome150"),
        ("chromium-156.0.8078.79", "chromium156"),
    ] {
        let Some(connections) = recording(&format!("{name}-dl-parallel")) else {
            return;
        };
        let worn = as_recorded(browser, &connections);
        let requests = connections
            .iter()
            .flat_map(|connection| &connection.requests);
        let slices: Vec<_> = requests.filter(|it| it.header("range").is_some()).collect();
        assert_eq!(slices.len(), 2, "{name}");
        for slice in slices {
            let value = |name: &str| slice.header(name).map(str::to_owned);
            let places = Places {
                range: value("range"),
                strong_etag: value("if-match"),
                last_modified: value("if-unmodified-since"),
                referer: value("referer"),
                ..Places::default()
            };
            assert!(worn.slice.open && value("range").unwrap().ends_with('-'));
            let found = compare::request(&worn, "slice", &worn.slice, &places, slice);
            assert!(found.is_empty(), "{name}: {found:#?}");
            let found = compare::priority("slice", &worn.slice, slice, slice.stream - 2);
            assert_eq!(found, None, "{name}");
        }
    }
}

#[test]
fn a_long_download_is_acknowledged_as_recorded() {
    const LENGTH: u64 = 60_000_000;
    for (name, browser, stream) in [
        ("chromium-156.0.8078.79", "chromium156", 3),
        ("firefox-153.7.0esr", "firefox153", 5),
    ] {
        let Some(connections) = recording(&format!("{name}-dl-slow")) else {
            return;
        };
        let worn = fingerprint::find(browser).unwrap();
        let found = compare::credit(&worn.http2, &connections[0], stream, LENGTH);
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}

fn connection(recorded: &Value) -> Connection {
    let message = unhex(recorded["client_hello_hex"].as_str().unwrap());
    let hello = ClientHello::parse_message(&message, 0x0301).unwrap();
    let record = |it: &Value| Record {
        content_type: u8::try_from(number(&it["type"])).unwrap(),
        version: u16::from_str_radix(it["version"].as_str().unwrap().trim_start_matches("0x"), 16)
            .unwrap(),
        length: u16::try_from(number(&it["length"])).unwrap(),
    };
    let http2 = &recorded["http2"];
    let frames = array(&http2["frames"]);
    let over_http2 = frames.iter().filter(|it| it["frame_type"] == "HEADERS");
    let over_http1 = array(&recorded["http1"]["requests"]).iter();
    Connection {
        hellos: vec![hello],
        records: array(&recorded["client_records"])
            .iter()
            .map(record)
            .collect(),
        frames: frames.iter().map(frame).collect(),
        opening: http2["opening_frames"]
            .as_u64()
            .and_then(|count| usize::try_from(count).ok()),
        requests: over_http2
            .map(http2_request)
            .chain(over_http1.map(http1_request))
            .collect(),
        ..Connection::default()
    }
}

fn frame(recorded: &Value) -> Frame {
    let increment = || number(&recorded["window_size_increment"]);
    let pair = |it: &Value| {
        (
            u16::try_from(number(&it["key"])).unwrap(),
            number(&it["value"]),
        )
    };
    Frame {
        stream: number(&recorded["stream_id"]),
        flags: u8::try_from(number(&recorded["flags"])).unwrap(),
        length: number(&recorded["length"]),
        payload: match recorded["frame_type"].as_str().unwrap() {
            "SETTINGS" => {
                Payload::Settings(array(&recorded["settings"]).iter().map(pair).collect())
            }
            "WINDOW_UPDATE" => Payload::WindowUpdate {
                increment: increment(),
            },
            "HEADERS" => Payload::Headers {
                priority: priority(recorded),
                fragment: Bytes::new(),
            },
            "RST_STREAM" => Payload::RstStream {
                code: number(&recorded["error_code"]),
            },
            other => panic!("a frame {other}"),
        },
    }
}

fn priority(recorded: &Value) -> Option<Priority> {
    let it = recorded.get("priority").filter(|it| it.is_object())?;
    Some(Priority {
        dependency: number(&it["dep_stream_id"]),
        exclusive: it["exclusive"] == true,
        weight: u16::try_from(number(&it["weight"])).unwrap(),
    })
}

fn http2_request(recorded: &Value) -> Request {
    let value = |name: &str| recorded["pseudo_values"][name].as_str().unwrap().to_owned();
    let names = array(&recorded["pseudo_headers"]).iter();
    // Each with the field's name before it.
    let form = |it: &Value| it.as_str().unwrap().rsplit_once(' ').unwrap().1.to_owned();
    Request {
        stream: number(&recorded["stream_id"]),
        priority: priority(recorded),
        method: value(":method"),
        target: value(":path"),
        pseudo: names
            .map(|name| name.as_str().unwrap())
            .map(|name| (name.to_owned(), value(name)))
            .collect(),
        headers: pairs(&recorded["headers"]),
        forms: array(&recorded["hpack"]).iter().map(form).collect(),
    }
}

fn http1_request(recorded: &Value) -> Request {
    let mut words = recorded["request_line"].as_str().unwrap().split(' ');
    let mut word = || words.next().unwrap().to_owned();
    Request {
        stream: 0,
        priority: None,
        method: word(),
        target: word(),
        pseudo: Vec::new(),
        headers: pairs(&recorded["headers"]),
        forms: Vec::new(),
    }
}

fn pairs(list: &Value) -> Vec<(String, String)> {
    let text = |pair: &Value, at: usize| pair[at].as_str().unwrap().to_owned();
    array(list)
        .iter()
        .map(|pair| (text(pair, 0), text(pair, 1)))
        .collect()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

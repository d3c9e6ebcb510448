use super::credit::cadence;
use super::*;
use crate::fingerprint::find;
use crate::fingerprint::headers::{Places, compose};
use crate::fingerprint::observed::Request;
use crate::fingerprint::schema::Scheme;
use crate::fingerprint::wire::frames::{Frame, Payload, Priority};

/// A Chromium 120's first connection, as far as HTTP/2 goes.
fn connection() -> Connection {
    let frame = |stream, length, payload| Frame {
        stream,
        flags: 0,
        length,
        payload,
    };
    let pairs = vec![(1, 65_536), (2, 0), (4, 6_291_456), (6, 262_144)];
    let priority = Some(Priority {
        dependency: 0,
        exclusive: true,
        weight: 256,
    });
    let header = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let chrome = find("chrome120").unwrap();
    let pseudo = [
        (":method", "GET"),
        (":authority", "localhost"),
        (":scheme", "https"),
        (":path", "/"),
    ];
    let mut request = Request {
        stream: 1,
        priority,
        method: "GET".to_owned(),
        target: "/".to_owned(),
        pseudo: pseudo.map(header).to_vec(),
        headers: compose(
            &chrome.navigation,
            2,
            Scheme::Https,
            &chrome.values,
            &Places::default(),
        ),
        forms: Vec::new(),
    };
    request.forms = forms::usual(&chrome.http2, &request);
    Connection {
        frames: vec![
            frame(0, 24, Payload::Settings(pairs)),
            frame(
                0,
                4,
                Payload::WindowUpdate {
                    increment: 15_663_105,
                },
            ),
            frame(
                1,
                400,
                Payload::Headers {
                    priority,
                    fragment: bytes::Bytes::new(),
                },
            ),
        ],
        requests: vec![request],
        ..Connection::default()
    }
}

fn fields(differences: &[Difference]) -> Vec<&str> {
    differences
        .iter()
        .map(|difference| difference.field.as_str())
        .collect()
}

/// What is found after `change`; without TLS records, so that their layout is not judged.
fn found(change: impl FnOnce(&mut Connection)) -> Vec<Difference> {
    let mut chrome = find("chrome120").unwrap();
    chrome.http2.headers_in_own_record = false;
    let mut connection = connection();
    change(&mut connection);
    let request = &connection.requests[0];
    let mut found = opening(&chrome, &connection);
    let shape = &chrome.navigation;
    found.extend(super::request(
        &chrome,
        "navigation",
        shape,
        &Places::default(),
        request,
    ));
    found.extend(priority("navigation", shape, request, 0));
    found
}

#[test]
fn the_browser_itself_is_no_different() {
    assert_eq!(found(|_| {}), []);
}

#[test]
fn what_a_server_sees_is_found() {
    let settings = found(|it| it.frames[0].payload = Payload::Settings(vec![(1, 65_536)]));
    assert_eq!(fields(&settings), ["http2.settings"]);
    let window = found(|it| it.frames[1].payload = Payload::WindowUpdate { increment: 1 });
    assert_eq!(fields(&window), ["http2.window_update", "opening frames"]);
    let more = found(|it| it.frames.push(it.frames[1].clone()));
    assert_eq!(fields(&more), ["opening frames"]);
    let value = found(|it| it.requests[0].headers[0].1.push('x'));
    assert_eq!(
        fields(&value),
        ["navigation.headers over HTTP/2: sec-ch-ua"]
    );
    let order = found(|it| it.requests[0].headers.swap(0, 1));
    assert!(fields(&order).contains(&"navigation.headers over HTTP/2"));
    let form = found(|it| it.requests[0].forms[3] = "L-n4vp".to_owned());
    assert_eq!(
        fields(&form),
        ["http2.path_always_literal", "HPACK form of :path"]
    );
    let weight = found(|it| it.requests[0].priority = None);
    assert_eq!(fields(&weight), ["navigation.priority"]);
}

#[test]
fn acknowledgements_have_a_rhythm() {
    assert_eq!(cadence("stream", 100, &[110, 120, 100], 400), None);
    assert!(cadence("stream", 1_000_000, &[1_000_000, 10], 2_500_000).is_some());
    assert!(cadence("stream", 1_000_000, &[], 64 << 20).is_some());
}

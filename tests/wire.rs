//! On the wire, `hs` is the browser that it names, from the first byte to the last.
//!
//! Most tests hold connections to the fingerprint file that the program itself was built with, and what the file cannot say
//! (how header fields are written, for one) to facts seen in the browser. With `HS_CAPTURES` set to a folder of recorded
//! browsers, recordings are held to the same file and the same facts.

use std::collections::BTreeSet;
use std::path::PathBuf;

use hydrastream::fingerprint::headers::Places;
use hydrastream::fingerprint::observed::Request;
use hydrastream::fingerprint::wire::extension::{KEY_SHARE, PADDING};
use hydrastream::fingerprint::wire::frames::{Frame, Payload};
use hydrastream::fingerprint::wire::hello::ClientHello;
use hydrastream::fingerprint::{self, Fingerprint, compare, ja};
use serde_json::Value;

use crate::common::capture::{assert_hello, assert_none, ech_length, extension_order, observed};
use crate::common::hs::Hs;
use crate::common::origin::server::Config;
use crate::common::origin::server::log::{Connection, Exchange};
use crate::common::origin::server::script::{Act, Point, Protocol};
use crate::common::origin::{MIB, Site, Via, asks_range, bytes_of, in_every_way};

const JA4: &str = "t13d1516h2_8daaf6152771_02713d6af862";
const JA4_PADDED: &str = "t13d1517h2_8daaf6152771_b1ff8ab2d16f";
const AKAMAI: &str = "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p";
const AKAMAI_HASH: &str = "52d84b11737d980aef856699f885ca86";

/// How Chrome 120 writes the fields of its first request for a path that is not `/`.
const NAVIGATION_FORMS: [&str; 16] = [
    ":method I2",
    ":authority L+n1vH",
    ":scheme I7",
    ":path L-n4vH",
    "sec-ch-ua L+nHvH",
    "sec-ch-ua-mobile L+nHvp",
    "sec-ch-ua-platform L+nHvp",
    "upgrade-insecure-requests L+nHvp",
    "user-agent L+n58vH",
    "accept L+n19vH",
    "sec-fetch-site L+nHvH",
    "sec-fetch-mode L+nHvH",
    "sec-fetch-user L+nHvp",
    "sec-fetch-dest L+nHvH",
    "accept-encoding L+n16vH",
    "accept-language L+n17vH",
];

/// How Chrome 120 writes the fields of the first slice behind that request: what has been said is indexed.
const SLICE_FORMS: [&str; 13] = [
    ":method I2",
    ":authority Id",
    ":scheme I7",
    ":path L-n4vH",
    "range L+n50vH",
    "if-match L+n39vH",
    "if-unmodified-since L+n43vH",
    "sec-fetch-site Id",
    "sec-fetch-mode Id",
    "sec-fetch-dest L+ndvH",
    "user-agent Id",
    "accept-encoding L+n16vH",
    "accept-language Id",
];

/// The navigation's fields on HTTP/1.1, as the browser spells them; values of other versions and platforms left out.
const NAVIGATION_HTTP1: [&str; 14] = [
    "Host",
    "Connection: keep-alive",
    "sec-ch-ua",
    "sec-ch-ua-mobile: ?0",
    "sec-ch-ua-platform: \"Linux\"",
    "Upgrade-Insecure-Requests: 1",
    "User-Agent",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    "Sec-Fetch-Site: none",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-User: ?1",
    "Sec-Fetch-Dest: document",
    "Accept-Encoding: gzip, deflate, br",
    "Accept-Language: en-US,en;q=0.9",
];

/// A slice's fields on HTTP/1.1.
const SLICE_HTTP1: [&str; 11] = [
    "Host",
    "Connection: keep-alive",
    "Range",
    "If-Match",
    "If-Unmodified-Since: Mon, 02 Mar 2026 10:00:00 GMT",
    "Sec-Fetch-Site: none",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: empty",
    "User-Agent",
    "Accept-Encoding: identity",
    "Accept-Language: en-US,en;q=0.9",
];

/// The fields of a download that is taken up again, on HTTP/1.1.
const RESUME_HTTP1: [&str; 10] = [
    "Host",
    "Connection: keep-alive",
    "Range",
    "If-Range",
    "Accept-Encoding: identity",
    "Sec-Fetch-Site: none",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: empty",
    "User-Agent",
    "Accept-Language: en-US,en;q=0.9",
];

/// Where a connection is not to be trusted, Chrome says less of itself.
const NAVIGATION_CLEAR: [&str; 7] = [
    "Host",
    "Connection: keep-alive",
    "Upgrade-Insecure-Requests: 1",
    "User-Agent",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    "Accept-Encoding: gzip, deflate",
    "Accept-Language: en-US,en;q=0.9",
];

/// A slice's fields in the clear, and those of a resumed download.
const SLICE_CLEAR: [&str; 8] = [
    "Host",
    "Connection: keep-alive",
    "Range",
    "If-Match",
    "If-Unmodified-Since: Mon, 02 Mar 2026 10:00:00 GMT",
    "User-Agent",
    "Accept-Encoding: identity",
    "Accept-Language: en-US,en;q=0.9",
];
const RESUME_CLEAR: [&str; 7] = [
    "Host",
    "Connection: keep-alive",
    "Range",
    "If-Range",
    "Accept-Encoding: identity",
    "User-Agent",
    "Accept-Language: en-US,en;q=0.9",
];

fn chrome120() -> Fingerprint {
    fingerprint::find("chrome120").unwrap()
}

/// A file large enough for ranges, slow enough that requests really overlap.
const LARGE: &str = "/large.bin?size=33554432&limit=8388608";

#[test]
fn every_client_hello_is_the_browsers() {
    let tls = chrome120().tls;
    let all_lengths: BTreeSet<_> = tls
        .ech_grease
        .iter()
        .flat_map(|ech| ech.payload_lengths.clone())
        .collect();
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let (mut orders, mut lengths) = (BTreeSet::new(), BTreeSet::new());
    // Each length is as likely as the others: that one of four is missing after 80 happens once in 10^9 times.
    for nth in 0..80 {
        if nth >= 20 && lengths == all_lengths {
            break;
        }
        hs.run(&[&site.url(&format!("/{nth}.bin?size=1"))]).exits(0);
        let hello = site.connections()[nth].hello().unwrap();
        assert_hello(&format!("hello {nth}"), &hello, &tls, "localhost");
        assert_eq!(ja::ja4(&hello), ja4_of(&hello), "hello {nth}");
        orders.insert(extension_order(&hello));
        lengths.extend(ech_length(&hello));
    }
    assert_eq!(lengths, all_lengths, "lengths of ECH payloads");
    assert!(orders.len() >= 18, "{} orders of extensions", orders.len());
}

/// JA4 of Chrome 120 for a hello with or without padding.
fn ja4_of(hello: &ClientHello) -> &'static str {
    match hello.extension(PADDING) {
        Some(_) => JA4_PADDED,
        None => JA4,
    }
}

#[test]
fn resumed_and_parallel_connections_are_the_browsers_too() {
    let tls = chrome120().tls;
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    hs.run(&["-t", "6", &site.url(LARGE)]).exits(0);
    let connections = site.settle().connections();
    assert!(connections.len() >= 4, "{} connections", connections.len());
    for connection in connections {
        let hello = connection.hello().unwrap();
        assert_hello("a hello", &hello, &tls, "localhost");
    }
}

#[test]
fn a_second_hello_repeats_the_first_but_for_the_key() {
    let mut config = Config::default();
    config.tls.groups = Some("P-384".to_owned());
    let site = Site::configured(config);
    let hs = Hs::trusting(&site);
    hs.run(&[&site.url("/x.bin?size=10")]).exits(0);
    let hellos = ClientHello::parse_all(&site.connections()[0].raw).unwrap();
    let [first, second] = &hellos[..] else {
        panic!("{} hellos", hellos.len());
    };
    assert_hello("the first hello", first, &chrome120().tls, "localhost");
    assert_eq!(second.record_version, 0x0303);
    let shares: Vec<_> = second
        .key_shares()
        .iter()
        .map(|s| (s.group, s.key.len()))
        .collect();
    assert_eq!(shares, [(24, 97)]);
    let rest = |hello: &ClientHello| {
        let mut rest = hello.clone();
        rest.extensions
            .retain(|e| ![KEY_SHARE, PADDING].contains(&e.id));
        (rest.record_version, rest.message_length) = (0, 0);
        rest
    };
    assert_eq!(rest(first), rest(second));
}

#[test]
fn an_http2_connection_opens_like_the_browsers() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    for nth in 0..3 {
        hs.run(&[&site.url(&format!("/{nth}.bin?size=1"))]).exits(0);
        let connection = &site.settle().connections()[nth];
        let fingerprint = chrome120();
        let (shape, places) = (&fingerprint.navigation, Places::default());
        let seen = [observed(connection)];
        let found = compare::differences(&fingerprint, "navigation", shape, &places, &seen);
        assert_none("the opening", found.into_iter().map(|(found, _)| found));
        let target = format!("/{nth}.bin?size=1");
        assert_pseudo(&seen[0].requests[0], &site, &target);
        assert_eq!(forms(&seen[0].requests[0]), NAVIGATION_FORMS);
        assert_eq!(connection.akamai().as_deref(), Some(AKAMAI));
        assert_eq!(ja::md5_hex(AKAMAI), AKAMAI_HASH);
    }
}

#[test]
fn the_root_path_is_indexed() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    hs.run(&[&site.url("/")]).exits(0);
    let (_, block) = &site.connections()[0].blocks[0];
    assert_eq!(block.fields[3].form.to_string(), "I4");
}

/// Fails unless a request asks the site for this, with the pseudo-headers in Chrome's order.
fn assert_pseudo(request: &Request, site: &Site, target: &str) {
    let authority = site.authority();
    let expected = [
        (":method", "GET"),
        (":authority", &*authority),
        (":scheme", "https"),
        (":path", target),
    ];
    let seen = request.pseudo.iter();
    let seen: Vec<_> = seen.map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(seen, expected);
}

/// Each field of a request with how it was written.
fn forms(request: &Request) -> Vec<String> {
    let fields = request.pseudo.iter().chain(&request.headers);
    fields
        .zip(&request.forms)
        .map(|((name, _), form)| format!("{name} {form}"))
        .collect()
}

#[test]
fn slices_over_http2_are_the_browsers() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    hs.run(&["-t", "4", &site.url(LARGE)]).exits(0);
    let seen = observed(&site.settle().connections()[0]);
    let requests = &seen.requests;
    assert!(requests.len() > 3, "{} requests", requests.len());
    let chrome = chrome120();
    for (nth, (exchange, slice)) in site.exchanges().iter().zip(requests).enumerate().skip(1) {
        let what = format!("slice {nth}");
        let places = slice_places(&site, exchange);
        let found = compare::request(&chrome, "slice", &chrome.slice, &places, slice);
        assert_none(&what, found);
        assert_pseudo(slice, &site, LARGE);
        if nth == 1 {
            assert_eq!(forms(slice), SLICE_FORMS);
        }
        // The one before is still open, at least for the first three.
        let dependency = if nth <= 3 {
            requests[nth - 1].stream
        } else {
            slice.priority.unwrap().dependency
        };
        let found = compare::priority("slice", &chrome.slice, slice, dependency);
        assert_none(&what, found);
        assert_eq!(
            slice.stream,
            1 + 2 * nth as u32,
            "streams are numbered without gaps"
        );
    }
}

/// As Chromium 156 was recorded with its parallel downloading switched on.
#[test]
fn three_requests_divide_a_file_as_the_browser_does() {
    const SLICE: [&str; 13] = [
        ":method",
        ":authority",
        ":scheme",
        ":path",
        "range",
        "if-match",
        "if-unmodified-since",
        "sec-fetch-site",
        "sec-fetch-mode",
        "sec-fetch-dest",
        "user-agent",
        "accept-encoding",
        "accept-language",
    ];
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let url = site.url("/p.bin?size=60000000&limit=30000000");
    hs.run(&["-t", "3", "-B", "chromium156", &url]).exits(0);
    let exchanges = site.settle().exchanges();
    let seen: Vec<_> = exchanges
        .iter()
        .map(|exchange| (exchange.request.header("range"), exchange.reset))
        .collect();
    let expected = [
        (None, Some(8)),
        (Some("bytes=20000000-"), Some(8)),
        (Some("bytes=40000000-"), None),
    ];
    assert_eq!(seen, expected);
    for slice in &exchanges[1..] {
        let names = slice.request.headers.iter().map(|(name, _)| name.as_str());
        assert!(names.eq(SLICE.into_iter().chain(["priority"])), "{slice:?}");
    }
    let frames: Vec<_> = request_frames(&site.connections()[0]).map(parent).collect();
    assert_eq!(frames, [0, 1, 3], "each depends on the one before");
}

/// The HEADERS frames of a connection.
fn request_frames(connection: &Connection) -> impl Iterator<Item = &Frame> {
    let frames = connection.frames.iter();
    frames.filter(|frame| matches!(frame.payload, Payload::Headers { .. }))
}

/// The stream that a HEADERS frame depends on.
fn parent(frame: &Frame) -> u32 {
    let Payload::Headers {
        priority: Some(priority),
        ..
    } = &frame.payload
    else {
        panic!("no priority in {frame:?}");
    };
    priority.dependency
}

/// What a slice brings, given the range that it did ask.
fn slice_places(site: &Site, exchange: &Exchange) -> Places {
    let first = &site.exchanges()[0];
    let validator = |name: &str| {
        let mut headers = first.reply_headers.iter();
        headers
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    };
    Places {
        range: exchange.request.header("range").map(str::to_owned),
        strong_etag: validator("ETag"),
        last_modified: validator("Last-Modified"),
        ..Places::default()
    }
}

#[test]
fn what_is_not_wanted_any_more_is_cancelled_as_by_the_browser() {
    const CANCEL: u32 = 8;
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    hs.run(&["-t", "4", &site.url(LARGE)]).exits(0);
    let connection = &site.settle().connections()[0];
    let mut cancelled = 0;
    for frame in &connection.frames[2..] {
        match &frame.payload {
            Payload::RstStream { code } => {
                assert_eq!(*code, CANCEL, "stream {}", frame.stream);
                cancelled += 1;
            }
            Payload::Headers { .. } | Payload::Settings(_) | Payload::WindowUpdate { .. } => {}
            other => panic!("no browser sends {other:?} here"),
        }
    }
    assert!(cancelled > 0, "the first body is cut where a slice begins");
}

#[test]
fn credit_is_given_in_the_browsers_portions() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    hs.run(&["-t", "4", &site.url("/x.bin?size=67108864&limit=16777216")])
        .exits(0);
    let connection = &site.settle().connections()[0];
    let (mut of_streams, mut of_connection) = (0, 0);
    for frame in &connection.frames[2..] {
        let Payload::WindowUpdate { increment } = frame.payload else {
            continue;
        };
        let (portion, count) = match frame.stream {
            0 => (15 * MIB / 2, &mut of_connection),
            _ => (6 * MIB / 2, &mut of_streams),
        };
        // Beyond the threshold goes what one read brings; a busy machine reads more at once.
        let most = portion + 256 * 1024;
        assert!(
            (portion..=most).contains(&u64::from(increment)),
            "credit of {increment} on stream {}",
            frame.stream
        );
        *count += 1;
    }
    assert!(
        of_streams > 3 && of_connection > 3,
        "{of_streams}, {of_connection}"
    );
}

#[test]
fn http1_requests_are_the_browsers() {
    for (via, navigation, slices) in [
        (Via::Http1, &NAVIGATION_HTTP1[..], &SLICE_HTTP1[..]),
        (Via::Clear, &NAVIGATION_CLEAR[..], &SLICE_CLEAR[..]),
    ] {
        let site = Site::new(via);
        let hs = Hs::trusting(&site);
        hs.run(&["-t", "4", &site.url(LARGE)]).exits(0);
        let exchanges = site.settle().exchanges();
        assert_http1(&exchanges[0], navigation);
        for slice in &exchanges[1..] {
            assert_http1(slice, slices);
        }
    }
}

/// libcurl is given these headers when a connection turns out to speak HTTP/1.1, also where it asks once more by itself.
#[test]
fn a_request_that_falls_back_to_http1_is_the_browsers_too() {
    const HTTP_1_1_REQUIRED: u32 = 13;
    let site = Site::behaving(Via::Http2, |request, reply| match request.protocol {
        Protocol::Http2 => reply.fault(Point::Head, Act::ResetStream(HTTP_1_1_REQUIRED)),
        Protocol::Http11 => reply,
    });
    let hs = Hs::trusting(&site);
    hs.run(&["-t", "4", &site.url(LARGE)]).exits(0);
    let exchanges = site.settle().exchanges();
    let mut old = exchanges
        .iter()
        .filter(|exchange| exchange.request.protocol == Protocol::Http11);
    assert_http1(old.next().unwrap(), &NAVIGATION_HTTP1);
    for slice in old {
        assert_http1(slice, &SLICE_HTTP1);
    }
}

/// Holds a request's fields to a list of `Name: value`, or `Name` alone where the value is another one each time.
fn assert_http1(exchange: &Exchange, expected: &[&str]) {
    let request = &exchange.request;
    let sent = request
        .headers
        .iter()
        .zip(expected)
        .map(|((name, value), expected)| {
            if expected.contains(':') {
                format!("{name}: {value}")
            } else {
                name.clone()
            }
        });
    assert_eq!(sent.collect::<Vec<_>>(), expected);
    assert_eq!(
        request.headers.len(),
        expected.len(),
        "{:?}",
        request.headers
    );
}

#[test]
fn a_download_is_taken_up_as_by_the_browser() {
    in_every_way(|via| {
        let site = Site::new(via);
        let hs = Hs::trusting(&site);
        let running = hs.start(&[&site.url(LARGE)]);
        site.wait_for_sent(4 * MIB);
        running.signal(rustix::process::Signal::INT);
        running.wait().exits(130);
        let asked = site.settle().exchanges().len();
        hs.run(&[&site.url(LARGE)]).exits(0);
        let exchange = &site.exchanges()[asked];
        assert!(asks_range(&exchange.request));
        match via {
            Via::Http2 => assert_resumes_over_http2(exchange),
            Via::Http1 => assert_http1(exchange, &RESUME_HTTP1),
            Via::Clear => assert_http1(exchange, &RESUME_CLEAR),
        }
        hs.assert_only("large.bin", &bytes_of("/large.bin", 32 * MIB));
    });
}

fn assert_resumes_over_http2(exchange: &Exchange) {
    let sent = exchange
        .request
        .headers
        .iter()
        .skip(4)
        .map(|(name, _)| &**name);
    let expected = RESUME_HTTP1[2..].iter();
    let expected = expected.map(|field| field.split(':').next().unwrap().to_ascii_lowercase());
    assert_eq!(sent.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[test]
fn an_unencrypted_request_does_not_offer_http2() {
    let site = Site::new(Via::Clear);
    Hs::new().run(&[&site.url("/x.bin?size=1")]).exits(0);
    let request = &site.exchanges()[0].request;
    for name in ["upgrade", "http2-settings"] {
        assert_eq!(request.header(name), None);
    }
}

/// The recording of a browser, if recordings are at hand.
fn recording(name: &str) -> Option<Value> {
    let Some(folder) = std::env::var_os("HS_CAPTURES") else {
        println!("skipped: HS_CAPTURES names no folder");
        return None;
    };
    let path = PathBuf::from(folder).join(format!("chromium-120.0.6099.224{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(serde_json::from_str(&text).unwrap())
}

/// Frames, fields and forms of the recorded opening against those of a connection of ours.
#[test]
fn recorded_http2_is_what_hs_sends() {
    let Some(recording) = recording("-dl-parallel") else {
        return;
    };
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    hs.run(&["-t", "4", &site.url(LARGE)]).exits(0);
    let connection = &site.settle().connections()[0];
    let recorded = &recording["connections"][0];
    let frames = recorded["http2"]["frames"].as_array().unwrap();

    let Payload::Settings(settings) = &connection.frames[0].payload else {
        panic!("{:?}", connection.frames[0]);
    };
    let theirs = frames[0]["settings"].as_array().unwrap().iter();
    let theirs = theirs.map(|s| (s["key"].as_u64().unwrap(), s["value"].as_u64().unwrap()));
    let ours = settings
        .iter()
        .map(|(key, value)| (u64::from(*key), u64::from(*value)));
    assert_eq!(ours.collect::<Vec<_>>(), theirs.collect::<Vec<_>>());
    let increment = frames[1]["window_size_increment"].as_u64().unwrap() as u32;
    assert_eq!(
        connection.frames[1].payload,
        Payload::WindowUpdate { increment }
    );

    let theirs: Vec<_> = frames
        .iter()
        .filter(|f| f["frame_type"] == "HEADERS")
        .collect();
    let ours: Vec<_> = request_frames(connection).collect();
    // Of the recording: the page, the click on it, a first slice, whose tables hold more than ours, and another.
    assert_recorded(&site, 0, ours[0], theirs[0], true);
    assert_recorded(&site, 1, ours[1], theirs[2], false);
    assert_recorded(&site, 2, ours[2], theirs[3], true);

    let layout = |of: &Value| (of["type"].as_u64(), of["length"].as_u64());
    let theirs = &recorded["client_records"];
    for at in [1, 3] {
        let ours = &connection.records[at];
        let ours = (Some(ours.content_type.into()), Some(ours.length.into()));
        assert_eq!(ours, layout(&theirs[at]), "record {at}");
    }
}

/// One request of ours against one recorded.
fn assert_recorded(site: &Site, nth: usize, ours: &Frame, theirs: &Value, with_forms: bool) {
    let Payload::Headers {
        priority: Some(priority),
        ..
    } = &ours.payload
    else {
        panic!("no priority in {ours:?}");
    };
    assert_eq!(u64::from(ours.flags), theirs["flags"].as_u64().unwrap());
    assert_eq!(
        u64::from(priority.weight),
        theirs["priority"]["weight"].as_u64().unwrap()
    );
    assert_eq!(
        priority.exclusive,
        theirs["priority"]["exclusive"].as_bool().unwrap()
    );
    let pairs = theirs["headers"].as_array().unwrap().iter();
    let pairs = pairs.map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    // The recorded user came from a page.
    let pairs: Vec<_> = pairs.filter(|(name, _)| *name != "referer").collect();
    let headers = &site.exchanges()[nth].request.headers[4..];
    for ((name, value), (recorded_name, recorded_value)) in headers.iter().zip(&pairs) {
        assert_eq!(name, recorded_name);
        let ours_alone = ["user-agent", "sec-ch-ua", "sec-ch-ua-platform"];
        let per_request = ["range", "if-match", "if-unmodified-since"];
        if !ours_alone.contains(&&**name) && !per_request.contains(&&**name) {
            assert_eq!(value, recorded_value, "{name}");
        }
    }
    assert_eq!(headers.len(), pairs.len(), "{headers:?}");
    let forms = site.connections()[0].blocks[nth]
        .1
        .fields
        .iter()
        .map(|f| f.form.to_string())
        .collect::<Vec<_>>();
    let recorded = theirs["hpack"]
        .as_array()
        .unwrap()
        .iter()
        .map(|form| form.as_str().unwrap());
    let recorded: Vec<_> = recorded
        .filter(|form| !form.starts_with("referer"))
        .map(|form| form.rsplit_once(' ').unwrap().1)
        .collect();
    if with_forms {
        assert_eq!(forms, recorded, "request {nth}");
    }
}

#[test]
fn recorded_http1_is_what_the_facts_say() {
    for (name, nth, facts) in [
        ("-http1", 0, &NAVIGATION_HTTP1[..]),
        ("-dl-resume-http1", 2, &RESUME_HTTP1[..]),
    ] {
        let Some(recording) = recording(name) else {
            return;
        };
        let connections = recording["connections"].as_array().unwrap().iter();
        let requests = connections.flat_map(|c| c["http1"]["requests"].as_array().unwrap());
        let headers = requests.clone().nth(nth).unwrap()["headers"]
            .as_array()
            .unwrap()
            .iter();
        let headers = headers.map(|pair| [0, 1].map(|at| pair[at].as_str().unwrap()));
        let headers: Vec<_> = headers.filter(|[name, _]| *name != "Referer").collect();
        assert_eq!(headers.len(), facts.len());
        for ([name, value], fact) in headers.into_iter().zip(facts) {
            let sent = if fact.contains(':') {
                format!("{name}: {value}")
            } else {
                name.to_owned()
            };
            assert_eq!(sent, *fact);
        }
    }
}

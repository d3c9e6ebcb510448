//! A file arrives whole and unchanged, whatever its size, over whichever protocol, whether the server has ranges or not.

use std::time::Duration;

use crate::common::hs::Hs;
use crate::common::origin::server::content::Body;
use crate::common::origin::server::files::{Resource, seed_of};
use crate::common::origin::server::log::Exchange;
use crate::common::origin::server::script::{Framing, Reply};
use crate::common::origin::{MIB, Site, Via, asks_range, bytes_of, in_every_way, most_active};

/// What a cut may cost: bytes that were on their way when a neighbour's start was reached, or an answer refused.
const CUT: u64 = 2 * MIB;

/// Speed of each request in tests that count bytes, so that little is on its way at a cut.
const STEADY: u64 = 12 * MIB;

#[test]
fn every_size_arrives_over_every_protocol() {
    in_every_way(|via| {
        let site = Site::new(via);
        for size in [0, 1, 2, 1_000, 65_536, 65_537, 3 * MIB + 7] {
            let hs = Hs::trusting(&site);
            let done = hs.run(&[&site.url(&format!("/some.bin?size={size}"))]);
            done.exits(0).says("some.bin");
            hs.assert_only("some.bin", &bytes_of("/some.bin", size));
        }
    });
}

#[test]
fn a_large_file_arrives_over_http2_in_ranges() {
    let site = arrives_in_ranges(Via::Http2);
    assert_eq!(site.connections().len(), 1, "requests share a connection");
}

#[test]
fn a_large_file_arrives_over_http1_in_ranges() {
    let site = arrives_in_ranges(Via::Http1);
    assert!(site.connections().len() > 1, "a request is a connection");
}

#[test]
fn a_large_file_arrives_in_the_clear_in_ranges() {
    arrives_in_ranges(Via::Clear);
}

/// Downloads 40 MiB with eight requests and looks at what the server was asked.
fn arrives_in_ranges(via: Via) -> Site {
    let size = 40 * MIB + 11;
    let site = Site::new(via);
    let hs = Hs::trusting(&site);
    let url = site.url(&format!("/large.bin?size={size}&limit={STEADY}"));
    hs.run(&["-t", "8", &url]).exits(0);
    hs.assert_only("large.bin", &bytes_of("/large.bin", size));
    let exchanges = site.settle().exchanges();
    assert_begins_with_a_plain_get(&exchanges);
    for slice in &exchanges[1..] {
        let request = &slice.request;
        assert!(asks_range(request), "no range in {request:?}");
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        let tag = format!("\"{:x}-{size:x}\"", seed_of("/large.bin"));
        assert_eq!(request.header("if-match"), Some(&*tag));
        assert_eq!(slice.status, Some(206));
    }
    assert_at_most(&site, size, CUT);
    let most = most_active(&exchanges);
    assert!((5..=9).contains(&most), "{most} requests at a time");
    site
}

fn assert_begins_with_a_plain_get(exchanges: &[Exchange]) {
    let first = &exchanges[0].request;
    assert!(!asks_range(first), "the first request asks for a range");
    for condition in ["if-match", "if-range", "if-unmodified-since"] {
        assert_eq!(first.header(condition), None, "{condition}");
    }
    for exchange in exchanges {
        assert_eq!(exchange.request.method, "GET");
    }
}

/// Holds bytes sent to the promise: 1.02 times the file, and what the cuts cost.
fn assert_at_most(site: &Site, size: u64, allowance: u64) {
    let sent = site.sent();
    let most = size + size / 50 + allowance;
    assert!(
        sent <= most,
        "{sent} bytes were sent for {size}, at most {most} may be: {}",
        site.story()
    );
}

#[test]
fn one_thread_means_one_request() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let size = 16 * MIB;
    let url = site.url(&format!("/single.bin?size={size}"));
    hs.run(&["-t", "1", &url]).exits(0);
    hs.assert_only("single.bin", &bytes_of("/single.bin", size));
    assert_eq!(site.settle().exchanges().len(), 1);
    assert_eq!(site.sent(), size);
}

#[test]
fn ranges_are_used_where_the_server_does_not_mention_them() {
    in_every_way(|via| {
        let site = Site::new(via);
        let hs = Hs::trusting(&site);
        let size = 20 * MIB;
        let url = format!("/silent.bin?size={size}&ranges=silent&limit={STEADY}");
        hs.run(&["-t", "4", &site.url(&url)]).exits(0);
        hs.assert_only("silent.bin", &bytes_of("/silent.bin", size));
        let exchanges = site.settle().exchanges();
        assert!(most_active(&exchanges) > 2, "{via:?}: ranges are not used");
        assert_at_most(&site, size, CUT);
    });
}

#[test]
fn a_server_that_says_it_has_no_ranges_is_asked_once() {
    in_every_way(|via| {
        let site = without_ranges(via, "none");
        assert_eq!(site.exchanges().len(), 1);
    });
}

#[test]
fn a_server_that_ignores_ranges_is_tried_once() {
    in_every_way(|via| {
        let site = without_ranges(via, "ignored");
        assert!(site.exchanges().len() <= 2);
    });
}

#[test]
fn a_server_that_breaks_its_promise_of_ranges_is_read_once() {
    in_every_way(|via| {
        without_ranges(via, "broken");
    });
}

/// The first chunk is here long before the first range is answered.
#[test]
fn the_first_body_is_not_let_go_before_a_range_was_served() {
    in_every_way(|via| {
        for ranges in ["broken", "ignored"] {
            let site = Site::behaving(via, |request, mut reply| {
                if asks_range(request) {
                    reply.latency = Duration::from_millis(1500);
                } else if request.nth > 0 {
                    return Reply::new(403, "only once\n".into());
                }
                reply
            });
            let hs = Hs::trusting(&site);
            let url = format!("/whole.bin?size=20971520&ranges={ranges}");
            hs.run(&["-t", "4", &site.url(&url)]).exits(0);
            hs.assert_only("whole.bin", &bytes_of("/whole.bin", 20 * MIB));
        }
    });
}

/// Downloads from a server without ranges, and checks that the file is sent once, not once for each request.
fn without_ranges(via: Via, ranges: &str) -> Site {
    let size = 14 * MIB + 3;
    let site = Site::new(via);
    let hs = Hs::trusting(&site);
    let url = format!("/whole.bin?size={size}&ranges={ranges}&limit={STEADY}");
    hs.run(&["-t", "4", &site.url(&url)]).exits(0);
    hs.assert_only("whole.bin", &bytes_of("/whole.bin", size));
    assert_begins_with_a_plain_get(&site.settle().exchanges());
    assert_at_most(&site, size, 2 * CUT);
    site
}

#[test]
fn a_file_of_unknown_length_ends_where_its_body_does() {
    in_every_way(|via| {
        let site = Site::new(via);
        for size in [0, 1, 100_000, 14 * MIB + 5] {
            let hs = Hs::trusting(&site);
            let url = site.url(&format!("/endless.bin?size={size}&length=off"));
            hs.run(&["-t", "4", &url]).exits(0);
            hs.assert_only("endless.bin", &bytes_of("/endless.bin", size));
        }
        assert_eq!(site.settle().exchanges().len(), 4, "one request for each");
    });
}

#[test]
fn a_closed_connection_ends_a_body_that_says_so() {
    for via in [Via::Http1, Via::Clear] {
        let site = Site::behaving(via, |_, mut reply| {
            reply.framing = Framing::UntilClose;
            reply
        });
        let hs = Hs::trusting(&site);
        hs.run(&[&site.url("/closed.bin?size=300000")]).exits(0);
        hs.assert_only("closed.bin", &bytes_of("/closed.bin", 300_000));
    }
}

#[test]
fn the_server_may_name_the_file() {
    let site = Site::behaving(Via::Http2, |request, reply| match request.path() {
        "/star" => reply.with(
            "Content-Disposition",
            "attachment; filename=\"plain.bin\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.bin",
        ),
        "/evil" => reply.with(
            "Content-Disposition",
            "attachment; filename=\"../../up.bin\"",
        ),
        _ => reply,
    });
    let named = |target: &str| {
        let hs = Hs::trusting(&site);
        hs.run(&[&site.url(target)]).exits(0);
        hs.files().join(" ")
    };
    assert_eq!(named("/some/path?size=10&name=given.bin"), "given.bin");
    assert_eq!(named("/star?size=10"), "größe.bin");
    assert_eq!(named("/some/with%20space.bin?size=10"), "with space.bin");
    assert_eq!(named("/?size=10"), "download.bin");
    let evil = named("/evil?size=10");
    assert!(evil.ends_with("up.bin") && !evil.contains('/'), "{evil}");
}

#[test]
fn a_redirect_is_followed_and_its_target_is_asked_for_ranges() {
    in_every_way(|via| {
        let size = 16 * MIB;
        let location = format!("/real/file.bin?size={size}&limit={STEADY}");
        let site = Site::behaving(via, move |request, reply| match request.path() {
            "/latest.bin" => redirect("/hop"),
            "/hop" => redirect(&location),
            _ => reply,
        });
        let hs = Hs::trusting(&site);
        hs.run(&["-t", "4", &site.url("/latest.bin")]).exits(0);
        hs.assert_only("latest.bin", &bytes_of("/real/file.bin", size));
        let exchanges = site.settle().exchanges();
        let paths: Vec<_> = exchanges.iter().map(|e| e.request.path()).collect();
        assert_eq!(paths[..3], ["/latest.bin", "/hop", "/real/file.bin"]);
        assert!(paths[3..].iter().all(|path| *path == "/real/file.bin"));
        assert!(paths.len() > 3, "no ranges in {paths:?}");
    });
}

fn redirect(location: &str) -> Reply {
    Reply::new(302, "moved\n".into()).with("Location", location)
}

#[test]
fn an_encoded_answer_is_asked_for_again_as_it_is_stored() {
    in_every_way(|via| {
        let site = Site::behaving(via, |request, reply| {
            let encodes = request.header("accept-encoding") != Some("identity");
            if encodes && request.path() == "/text.bin" {
                return Reply::new(200, Body::generated(99, 0..5000))
                    .with("Content-Encoding", "gzip")
                    .with("ETag", "\"encoded\"");
            }
            reply
        });
        let hs = Hs::trusting(&site);
        let size = 14 * MIB + 1;
        let url = site.url(&format!("/text.bin?size={size}&limit={STEADY}"));
        hs.run(&["-t", "4", &url]).exits(0);
        hs.assert_only("text.bin", &bytes_of("/text.bin", size));
        let exchanges = site.settle().exchanges();
        assert!(!asks_range(&exchanges[0].request));
        for exchange in &exchanges[1..] {
            let coding = exchange.request.header("accept-encoding");
            assert_eq!(coding, Some("identity"), "{:?}", exchange.request);
        }
    });
}

#[test]
fn a_query_is_sent_as_it_was_typed() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let target = "/get/x.bin?size=14000000&a=b%20c&url=https://e/?f&empty=&plus=1+1&%C3%BC=%2F";
    hs.run(&["-t", "4", &site.url(target)]).exits(0);
    hs.assert_only("x.bin", &bytes_of("/get/x.bin", 14_000_000));
    for exchange in site.exchanges() {
        assert_eq!(exchange.request.target, target);
    }
}

#[test]
fn a_fragment_is_not_sent() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    hs.run(&[&site.url("/x.bin?size=10#part")]).exits(0);
    assert_eq!(site.exchanges()[0].request.target, "/x.bin?size=10");
}

#[test]
fn several_urls_arrive_one_after_the_other() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let [a, b, c] = ["/a.bin?size=1000", "/b.bin?size=0", "/c.bin?size=3000000"];
    hs.run(&[&site.url(a), &site.url(b), &site.url(c)]).exits(0);
    assert_eq!(hs.files(), ["a.bin", "b.bin", "c.bin"]);
    hs.assert_file("a.bin", &bytes_of("/a.bin", 1000));
    hs.assert_file("b.bin", &[]);
    hs.assert_file("c.bin", &bytes_of("/c.bin", 3_000_000));
    assert_eq!(site.connections().len(), 1, "the connection is kept");
}

#[test]
fn one_failure_does_not_end_a_batch() {
    let site = Site::behaving(Via::Http2, |request, reply| match request.path() {
        "/gone.bin" => Reply::new(404, "gone\n".into()),
        _ => reply,
    });
    let hs = Hs::trusting(&site);
    let urls = [site.url("/gone.bin"), site.url("/here.bin?size=1000")];
    let done = hs.run(&[&urls[0], &urls[1]]).exits(4);
    done.says("404").says("hint: ");
    hs.assert_only("here.bin", &bytes_of("/here.bin", 1000));
}

#[test]
fn two_urls_of_one_name_are_two_files() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let urls = [
        site.url("/one/x.bin?size=1000"),
        site.url("/two/x.bin?size=2000"),
    ];
    hs.run(&[&urls[0], &urls[1]]).exits(0);
    assert_eq!(hs.files(), ["x (1).bin", "x.bin"]);
    hs.assert_file("x.bin", &bytes_of("/one/x.bin", 1000));
    hs.assert_file("x (1).bin", &bytes_of("/two/x.bin", 2000));
}

#[test]
fn the_folder_is_made_with_its_parents() {
    let site = Site::new(Via::Clear);
    let hs = Hs::new();
    let deep = hs.home().join("a/b/c");
    let url = site.url("/x.bin?size=10");
    hs.run_bare(&["-o", deep.to_str().unwrap(), &url]).exits(0);
    assert_eq!(
        std::fs::read(deep.join("x.bin")).unwrap(),
        bytes_of("/x.bin", 10)
    );
}

#[test]
fn without_a_folder_given_files_go_into_download() {
    let site = Site::new(Via::Clear);
    let hs = Hs::new();
    hs.run_bare(&[&site.url("/x.bin?size=10")]).exits(0);
    hs.assert_only("x.bin", &bytes_of("/x.bin", 10));
}

#[test]
fn quiet_is_silent() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let done = hs.run(&["-q", &site.url("/x.bin?size=10")]).exits(0);
    assert_eq!(done.stderr, "");
}

#[test]
fn a_server_without_validators_still_gets_ranges() {
    let site = Site::new(Via::Http2);
    site.set(
        "/bare.bin",
        Resource {
            etag: None,
            last_modified: None,
            limit: Some(STEADY),
            ..Resource::new(7, 16 * MIB)
        },
    );
    let hs = Hs::trusting(&site);
    hs.run(&["-t", "4", &site.url("/bare.bin")]).exits(0);
    hs.assert_only("bare.bin", &content(7, 16 * MIB));
    for exchange in &site.exchanges()[1..] {
        assert_eq!(exchange.request.header("if-match"), None);
        assert_eq!(exchange.request.header("if-unmodified-since"), None);
    }
}

fn content(seed: u64, size: u64) -> Vec<u8> {
    crate::common::origin::server::content::bytes(seed, 0..size)
}

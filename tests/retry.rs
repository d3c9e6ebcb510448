//! Whatever server and network do wrong on the way, the bytes are right, or the run fails.

use std::time::{Duration, Instant};

use crate::common::count::first;
use crate::common::hs::Hs;
use crate::common::origin::server::content::Body;
use crate::common::origin::server::script::{Act, Point, Reply, Request};
use crate::common::origin::{MIB, Site, Via, asks_range, bytes_of, in_every_way};

/// A file large enough for ranges.
const SIZE: u64 = 14 * MIB;
/// Speed of each request, so that all that are allowed really run side by side.
const LIMIT: u64 = 20 * MIB;

/// The address of that file.
fn file(site: &Site) -> String {
    site.url(&format!("/x.bin?size={SIZE}&limit={LIMIT}"))
}

/// Downloads that file from a site that behaves like this, and checks its bytes.
fn arrives_from(
    via: Via,
    behaviour: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static,
) -> Site {
    let site = Site::behaving(via, behaviour);
    let hs = Hs::trusting(&site);
    hs.run(&["-t", "4", &file(&site)]).exits(0);
    hs.assert_only("x.bin", &bytes_of("/x.bin", SIZE));
    site.settle();
    site
}

fn busy() -> Reply {
    Reply::new(503, "busy\n".into())
}

/// Where the body of an answer begins in the file.
fn start(reply: &Reply) -> u64 {
    let range = reply
        .headers
        .iter()
        .find(|(name, _)| name == "Content-Range");
    range.map_or(0, |(_, value)| {
        let (start, _) = value.trim_start_matches("bytes ").split_once('-').unwrap();
        start.parse().unwrap()
    })
}

#[test]
fn a_busy_server_is_asked_again() {
    in_every_way(|via| {
        let is_busy = first(2);
        let site = arrives_from(via, move |_, reply| if is_busy() { busy() } else { reply });
        let plain: Vec<_> = site
            .exchanges()
            .iter()
            .map(|e| asks_range(&e.request))
            .collect();
        assert_eq!(plain[..3], [false, false, false]);
    });
}

#[test]
fn a_range_that_is_refused_for_now_is_asked_for_again() {
    in_every_way(|via| {
        for status in [429, 500, 503] {
            let is_busy = first(3);
            arrives_from(via, move |request, reply| {
                if asks_range(request) && is_busy() {
                    return Reply::new(status, "not now\n".into());
                }
                reply
            });
        }
    });
}

#[test]
fn connections_that_are_reset_on_the_way_lose_nothing() {
    in_every_way(|via| {
        for act in [Act::Reset, Act::Cut, Act::Close] {
            let breaks = first(2);
            let site = arrives_from(via, move |_, reply| {
                if breaks() {
                    return reply.fault(Point::Body(700_001), act);
                }
                reply
            });
            let plain = site
                .exchanges()
                .iter()
                .filter(|e| !asks_range(&e.request))
                .count();
            assert_eq!(plain, 1, "{via:?} {act:?}: begun anew");
        }
    });
}

#[test]
fn streams_that_are_reset_on_the_way_lose_nothing() {
    const INTERNAL_ERROR: u32 = 2;
    const REFUSED_STREAM: u32 = 7;
    const ENHANCE_YOUR_CALM: u32 = 11;
    for code in [INTERNAL_ERROR, REFUSED_STREAM, ENHANCE_YOUR_CALM] {
        for at in [Point::Head, Point::Body(0), Point::Body(700_001)] {
            let breaks = first(3);
            arrives_from(Via::Http2, move |request, reply| {
                if asks_range(request) && breaks() {
                    return reply.fault(at, Act::ResetStream(code));
                }
                reply
            });
        }
    }
}

/// libcurl makes such a request once more by itself, and hands on the second answer's bytes behind the first one's.
#[test]
fn http_1_1_required_in_mid_body_puts_nothing_of_another_answer_behind_it() {
    const HTTP_1_1_REQUIRED: u32 = 13;
    for at in [Point::Head, Point::Body(0), Point::Body(700_001)] {
        for ranges in [false, true] {
            let breaks = first(1);
            arrives_from(Via::Http2, move |request, reply| {
                if asks_range(request) == ranges && breaks() {
                    return reply.fault(at, Act::ResetStream(HTTP_1_1_REQUIRED));
                }
                reply
            });
        }
    }
}

#[test]
fn a_connection_that_goes_away_is_replaced() {
    for last_stream in [None, Some(0)] {
        let goes = first(1);
        let code = 0;
        arrives_from(Via::Http2, move |request, reply| {
            if asks_range(request) && goes() {
                return reply.fault(Point::Body(300_000), Act::GoAway { code, last_stream });
            }
            reply
        });
    }
}

#[test]
fn a_connection_that_breaks_before_the_answer_is_replaced() {
    in_every_way(|via| {
        let breaks = first(2);
        arrives_from(via, move |_, reply| {
            if breaks() {
                return reply.fault(Point::Head, Act::Reset);
            }
            reply
        });
    });
}

#[test]
fn a_body_that_ends_early_where_there_are_no_ranges_is_begun_anew() {
    in_every_way(|via| {
        for act in [Act::Finish, Act::Reset] {
            let ends = first(1);
            let site = Site::behaving(via, move |_, reply| {
                if ends() {
                    return reply.fault(Point::Body(700_001), act);
                }
                reply
            });
            let hs = Hs::trusting(&site);
            let begun = Instant::now();
            hs.run(&[&site.url("/x.bin?size=1000000&ranges=none")])
                .exits(0);
            hs.assert_only("x.bin", &bytes_of("/x.bin", 1_000_000));
            // Noticed at once, and not when the transfer counts as stalled.
            assert!(begun.elapsed() < Duration::from_secs(10), "{via:?} {act:?}");
        }
    });
}

/// RFC 9113 §8.1: only after a complete answer does a reset without an error mean that all is well. libcurl takes each for that.
#[test]
fn a_stream_that_is_reset_without_an_error_is_not_the_end_of_its_body() {
    const NO_ERROR: u32 = 0;
    for length in ["on", "off"] {
        let breaks = first(1);
        let site = Site::behaving(Via::Http2, move |_, reply| {
            if breaks() {
                return reply.fault(Point::Body(400_000), Act::ResetStream(NO_ERROR));
            }
            reply
        });
        let hs = Hs::trusting(&site);
        hs.run(&[&site.url(&format!("/x.bin?size=1000000&length={length}"))])
            .exits(0);
        hs.assert_only("x.bin", &bytes_of("/x.bin", 1_000_000));
    }
}

#[test]
fn a_body_without_a_length_that_breaks_is_begun_anew() {
    in_every_way(|via| {
        let breaks = first(1);
        let site = Site::behaving(via, move |_, reply| {
            if breaks() {
                return reply.fault(Point::Body(400_000), Act::Reset);
            }
            reply
        });
        let hs = Hs::trusting(&site);
        hs.run(&[&site.url("/x.bin?size=1000000&length=off")])
            .exits(0);
        hs.assert_only("x.bin", &bytes_of("/x.bin", 1_000_000));
    });
}

/// Answers to ranges whose heads lie, with bodies that would spoil the file.
#[test]
fn answers_that_are_not_what_was_asked_for_are_refused() {
    type Lie = fn(Reply) -> Reply;
    let lies: [(&str, Lie); 6] = [
        ("starts later", |reply| {
            let value = format!("bytes {}-{}/{SIZE}", start(&reply) + 1, SIZE - 1);
            reply.replace("Content-Range", value)
        }),
        ("no content-range", |mut reply| {
            reply.headers.retain(|(name, _)| name != "Content-Range");
            reply
        }),
        ("nonsense", |reply| {
            reply.replace("Content-Range", "bytes (null)")
        }),
        ("multipart", |reply| {
            reply.replace("Content-Type", "multipart/byteranges; boundary=x")
        }),
        ("encoded", |reply| reply.with("Content-Encoding", "gzip")),
        ("status 200", |mut reply| {
            reply.status = 200;
            reply
        }),
    ];
    in_every_way(|via| {
        for (what, lie) in lies {
            let site = Site::behaving(via, move |_, reply| match reply.status {
                206 => {
                    let mut lie = lie(reply);
                    lie.body = Body::generated(666, 0..lie.body.len());
                    lie
                }
                _ => reply,
            });
            let hs = Hs::trusting(&site);
            let done = hs.run(&["-t", "4", &file(&site)]);
            assert_eq!(done.code, Some(0), "{via:?}, {what}: {}", done.stderr);
            hs.assert_only("x.bin", &bytes_of("/x.bin", SIZE));
        }
    });
}

/// As from a cache that serves whole blocks: such an answer is of no use, and the next may be right.
#[test]
fn an_answer_that_starts_too_early_is_asked_for_again() {
    in_every_way(|via| {
        let is_early = first(2);
        arrives_from(via, move |_, mut reply| {
            if reply.status == 206 && is_early() {
                let start = start(&reply) - 65_536;
                reply.body = Body::generated(seed(), start..SIZE);
                return reply.replace(
                    "Content-Range",
                    format!("bytes {start}-{}/{SIZE}", SIZE - 1),
                );
            }
            reply
        });
    });
}

/// Which bytes the file is made of.
fn seed() -> u64 {
    crate::common::origin::server::files::seed_of("/x.bin")
}

#[test]
fn a_range_that_stalls_does_not_hold_up_the_file() {
    in_every_way(|via| {
        let stalls = first(1);
        let begun = Instant::now();
        arrives_from(via, move |request, reply| {
            if asks_range(request) && stalls() {
                return reply.fault(Point::Body(300_000), Act::Stall(None));
            }
            reply
        });
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(20), "{via:?}: {took:?}");
    });
}

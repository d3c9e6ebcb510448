//! Section E: how many at once, and how connections end.

use std::net::{IpAddr, TcpListener};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;

use super::case::{
    BEGINNING, Case, EVERYWHERE, End, HTTP1, Mode, Play, nobody_begins_anew, plain_requests,
    ranges_first,
};
use super::section;
use crate::common::count::first;
use crate::common::hs::{Done, Hs};
use crate::common::node::Node;
use crate::common::origin::server::files::Resource;
use crate::common::origin::server::script::{Act, Framing, Point, Reply, Request};
use crate::common::origin::{MIB, Site, Via, asks_range, bytes_of, taking};

section!(
    e01, e02, e03, e04, e05, e06, e07, e08, e09, e10, e11, e12, e13, e14, e15, e16, e17, e18, e19,
    e20, e21, e22
);

const NETWORK: i32 = 4;

const HTTP2: &[Via] = &[Via::Http2];

fn status(code: u16) -> Reply {
    Reply::new(code, "not now\n".into())
}

fn e01() -> Case {
    Case::new(
        "E01",
        "503 for every request above a number",
        "fewer at once; no failure of the file",
    )
    .play(
        Play::large()
            .options(&["-t", "8"])
            .origin(|| {
                |request: &Request, reply: Reply| match request.active > 3 {
                    true => status(503),
                    false => reply,
                }
            })
            .asked(|site, mode| {
                let exchanges = site.exchanges();
                let refused = exchanges.iter().filter(|e| e.status == Some(503)).count();
                assert!(refused <= 20, "{refused} of {} refused", exchanges.len());
                nobody_begins_anew(site, mode);
            }),
    )
}

fn e02() -> Case {
    let says = |what, value: fn() -> String, least: u64, most: u64| {
        Play::slices()
            .what(what)
            .options(&["--max-retry-after", "2"])
            .origin(ranges_first(1, move |_, _| {
                status(429).with("Retry-After", value())
            }))
            .asked(move |site, mode| {
                nobody_begins_anew(site, mode);
                let exchanges = site.exchanges();
                let refused = exchanges.iter().find(|e| e.status == Some(429)).unwrap();
                let range = refused.request.header("range");
                let again = exchanges
                    .iter()
                    .find(|e| e.request.header("range") == range && e.at > refused.at);
                let Some(again) = again else { return };
                let waited = again.at - refused.at;
                assert!(waited >= Duration::from_millis(least), "waited {waited:?}");
                assert!(waited <= Duration::from_millis(most), "waited {waited:?}");
            })
    };
    Case::new(
        "E02",
        "429 with Retry-After: seconds, a date, negative, past, huge, garbage",
        "obeyed up to --max-retry-after, by all requests to the host; what is no such value means a backoff",
    )
    .play(says("1 second", || "1".to_owned(), 950, 8000))
    .play(says(
        "a date",
        || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2)),
        900,
        9000,
    ))
    .play(says("a date that has passed", || "Mon, 02 Mar 2020 10:00:00 GMT".to_owned(), 0, 8000))
    .play(says("negative", || "-5".to_owned(), 0, 8000))
    .play(says("huge", || "99999999999999999999".to_owned(), 1950, 9000))
    .play(says("garbage", || "soon".to_owned(), 0, 8000))
    .also("src/retry.rs", "e02_retry_after")
}

fn e03() -> Case {
    Case::new("E03", "503 with Retry-After", "obeyed")
        .play(
            Play::slices()
                .origin(ranges_first(1, |_, _| status(503).with("Retry-After", "1")))
                .asked(nobody_begins_anew),
        )
        .play(
            Play::small()
                .what("to the first request")
                .origin(|| {
                    let is_first = first(1);
                    move |_, reply| match is_first() {
                        true => status(503).with("Retry-After", "1"),
                        false => reply,
                    }
                })
                .asked(|site, _| {
                    let exchanges = site.exchanges();
                    let waited = exchanges[1].at - exchanges[0].at;
                    assert!(waited >= Duration::from_millis(950), "waited {waited:?}");
                }),
        )
}

fn e04() -> Case {
    let passes = |what, code: u16| {
        Play::small().what(what).origin(move || {
            let is_first = first(1);
            move |_, reply| if is_first() { status(code) } else { reply }
        })
    };
    Case::new("E04", "509, 520 to 527, 530", "asked again")
        .play(passes("509", 509))
        .play(passes("520", 520))
        .play(passes("521", 521))
        .play(passes("522", 522))
        .play(passes("523", 523))
        .play(passes("524", 524))
        .play(passes("525", 525))
        .play(passes("526", 526))
        .play(passes("527", 527))
        .play(passes("530", 530))
        .also("src/retry.rs", "every_status_has_its_verdict")
}

fn e05() -> Case {
    Case::new(
        "E05",
        "421 Misdirected Request",
        "asked again, on another connection",
    )
    .play(Play::small().over(EVERYWHERE).origin(|| {
        |request, reply| {
            if request.connection == 0 {
                status(421)
            } else {
                reply
            }
        }
    }))
}

fn e06() -> Case {
    Case::new(
        "E06",
        "425 Too Early",
        "asked again; nothing is ever sent as early data",
    )
    .play(Play::small().origin(|| {
        let is_first = first(1);
        move |_, reply| if is_first() { status(425) } else { reply }
    }))
    .play(
        Play::slices()
            .what("to ranges")
            .origin(ranges_first(2, |_, _| status(425))),
    )
}

fn e07() -> Case {
    let ends = |what, code: u16, words| {
        Play::small()
            .what(what)
            .origin(move || move |_, _| status(code))
            .ends(End::Refused(NETWORK, words))
            .asked(|site, _| assert_eq!(site.exchanges().len(), 1, "asked again for nothing"))
    };
    Case::new("E07", "431 and 414", "the end at once")
        .play(ends("431", 431, "431"))
        .play(ends("414", 414, "414"))
}

fn reset(code: u32, at: Point) -> impl Fn(&Request, Reply) -> Reply + Clone + Send + Sync {
    move |_, reply| reply.fault(at, Act::ResetStream(code))
}

fn e08() -> Case {
    Case::new(
        "E08",
        "RST_STREAM with REFUSED_STREAM",
        "asked again at no cost: it is no failure, however often",
    )
    .play(
        Play::slices()
            .over(HTTP2)
            .options(&["--retries", "2"])
            .origin(ranges_first(6, reset(7, Point::Head)))
            .asked(nobody_begins_anew),
    )
    .also("src/retry.rs", "what_the_server_did_not_begin_is_free")
}

fn e09() -> Case {
    let at = Point::Body(300_000);
    let goes_on = |what, code| {
        Play::slices()
            .what(what)
            .over(HTTP2)
            .origin(ranges_first(3, reset(code, at)))
            .asked(|site, mode| {
                nobody_begins_anew(site, mode);
                let sent = site.sent();
                assert!(sent < 5 * MIB, "{sent} bytes were sent");
            })
    };
    Case::new(
        "E09",
        "RST_STREAM in the middle of a body",
        "what came is kept, the rest is asked for",
    )
    .play(goes_on("INTERNAL_ERROR", 2))
    .play(goes_on("PROTOCOL_ERROR", 1))
    .play(goes_on("CANCEL", 8))
    .play(
        Play::small()
            .what("of the first body")
            .over(HTTP2)
            .origin(|| {
                let is_first = first(1);
                move |_, reply| match is_first() {
                    true => reply.fault(Point::Body(100_000), Act::ResetStream(2)),
                    false => reply,
                }
            }),
    )
}

fn e10() -> Case {
    Case::new(
        "E10",
        "RST_STREAM with HTTP_1_1_REQUIRED",
        "HTTP/1.1 for that host",
    )
    .play(Play::slices().over(HTTP2).origin(|| {
        |request, reply| {
            use crate::common::origin::server::script::Protocol;
            match request.protocol {
                Protocol::Http2 => reply.fault(Point::Head, Act::ResetStream(13)),
                Protocol::Http11 => reply,
            }
        }
    }))
}

fn goes_away(code: u32, last_stream: Option<u32>) -> Act {
    Act::GoAway { code, last_stream }
}

fn e11() -> Case {
    let leaves = |what, last_stream| {
        let act = goes_away(0, last_stream);
        Play::slices()
            .what(what)
            .over(HTTP2)
            .origin(ranges_first(1, move |_, reply: Reply| {
                reply.fault(Point::Body(100_000), act)
            }))
            .asked(nobody_begins_anew)
    };
    Case::new(
        "E11",
        "GOAWAY with NO_ERROR",
        "streams it promised to serve end, the others are asked for again on a new connection",
    )
    .play(leaves("serves this stream", None))
    .play(leaves("serves none", Some(0)))
}

fn e12() -> Case {
    let angry = |times: usize| {
        move || {
            let is_angry = first(times);
            move |_: &Request, reply: Reply| match is_angry() {
                true => reply.fault(Point::Head, goes_away(11, Some(0))),
                false => reply,
            }
        }
    };
    Case::new(
        "E12",
        "GOAWAY with ENHANCE_YOUR_CALM",
        "a pause and fewer at once; given up when it goes on, not for ever",
    )
    .play(
        Play::slices()
            .what("three times")
            .over(HTTP2)
            .origin(angry(3)),
    )
    .play(
        Play::small()
            .what("always")
            .over(HTTP2)
            .options(&["--retries", "2"])
            .origin(angry(usize::MAX))
            .ends(End::Fails(NETWORK, ""))
            .asked(|site, _| assert!(site.exchanges().len() < 20, "{}", site.exchanges().len())),
    )
}

fn e13() -> Case {
    let closes = |what, ways, close: fn(Reply) -> Reply| {
        Play::large()
            .what(what)
            .over(ways)
            .origin(move || {
                move |request: &Request, reply: Reply| match request.nth % 3 {
                    2 => close(reply),
                    _ => reply,
                }
            })
            .asked(nobody_begins_anew)
    };
    Case::new(
        "E13",
        "the connection is closed after every third request",
        "nobody notices",
    )
    .play(
        closes("GOAWAY", HTTP2, |reply| {
            let end = Point::Body(reply.body.len());
            reply.fault(end, goes_away(0, Some(0x7fff_ffff)))
        })
        .hides("again in"),
    )
    .play(
        closes(
            "GOAWAY, and what was sent meanwhile is not served",
            HTTP2,
            |reply| {
                let end = Point::Body(reply.body.len());
                reply.fault(end, goes_away(0, None))
            },
        )
        .hides("again in"),
    )
    .play(
        closes("Connection: close", HTTP1, |reply| {
            reply.with("Connection", "close")
        })
        .hides("again in"),
    )
}

fn e14() -> Case {
    let queued = |site: &Site, _: Mode| {
        assert_eq!(site.connections().len(), 1, "connections");
    };
    Case::new(
        "E14",
        "SETTINGS_MAX_CONCURRENT_STREAMS is 1, or lowered on the way",
        "requests wait for their turn, on the same connection",
    )
    .play(
        Play::large()
            .what("1 from the start")
            .over(HTTP2)
            .config(|| taking(1))
            .asked(queued),
    )
    .play(
        Play::large()
            .what("lowered to 2")
            .over(HTTP2)
            .origin(|| {
                let is_first = first(1);
                move |request, reply| match asks_range(request) && is_first() {
                    true => reply.fault(Point::Body(100_000), Act::MaxStreams(2)),
                    false => reply,
                }
            })
            .asked(queued),
    )
}

fn e15() -> Case {
    Case::new(
        "E15",
        "only so many connections are accepted, one more is reset",
        "fewer at once; the file arrives by those that were",
    )
    .play(
        Play::large()
            .over(HTTP1)
            .options(&["-t", "6"])
            .admission(|| Box::new(|open| open < 3)),
    )
}

fn e16() -> Case {
    Case::new(
        "E16",
        "all streams but one stall when there are several",
        "let go of and asked for again, fewer at once; what came is kept",
    )
    .play(
        Play::large()
            .modes(BEGINNING)
            .options(&["--stall-timeout", "2"])
            .within(80)
            .origin(|| {
                |request: &Request, reply: Reply| match request.active > 1 && asks_range(request) {
                    true => reply.fault(Point::Body(200_000), Act::Stall(None)),
                    false => reply,
                }
            }),
    )
}

fn e17() -> Case {
    Case::new(
        "E17",
        "a body of one byte a second",
        "its rest is taken over",
    )
    .play(Play::large().modes(BEGINNING).origin(|| {
        let is_slow = first(1);
        move |request, mut reply| {
            if asks_range(request) && is_slow() {
                reply.limit = Some(1);
            }
            reply
        }
    }))
}

fn e18() -> Case {
    Case::new(
        "E18",
        "TLS is closed without close_notify",
        "fine behind a body whose length was stated, an error where the close would be the end",
    )
    .play(
        Play::small()
            .what("the length was stated")
            .over(&[Via::Http1])
            .origin(|| {
                |_, reply: Reply| {
                    let end = Point::Body(reply.body.len());
                    reply.fault(end, Act::Cut)
                }
            }),
    )
    .play(
        Play::small()
            .what("no length")
            .over(&[Via::Http1])
            .modes(BEGINNING)
            .origin(|| {
                let is_first = first(1);
                move |_, mut reply: Reply| {
                    reply.framing = Framing::UntilClose;
                    match is_first() {
                        true => reply.fault(Point::Body(100_000), Act::Cut),
                        false => reply,
                    }
                }
            })
            .asked(|site, _| assert_eq!(site.exchanges().len(), 2)),
    )
}

fn e19() -> Case {
    Case::new(
        "E19",
        "the machine sleeps, and all connections are gone when it wakes",
        "new connections, and on from the last byte",
    )
    .play(
        Play::scene(|via, mode| {
            // Everything that was asked for before the sleep dies meanwhile.
            let site = Site::behaving(via, |request, reply| match request.nth < 4 {
                true => reply
                    .fault(
                        Point::Body(400_000),
                        Act::Stall(Some(Duration::from_millis(1500))),
                    )
                    .fault(Point::Body(400_000), Act::Reset),
                false => reply,
            });
            let hs = Hs::trusting(&site);
            let url = site.url("/x.bin?size=8388608&limit=20971520");
            let mut arguments = vec!["-t", "4", &*url];
            if mode == Mode::Stream {
                arguments.push("-s");
            }
            let running = hs.start(&arguments);
            site.wait_for_sent(300_000);
            running.signal(Signal::STOP);
            std::thread::sleep(Duration::from_secs(4));
            running.signal(Signal::CONT);
            let woken = Instant::now();
            let done = running.wait();
            assert_eq!(done.code, Some(0), "{}{}", done.stderr, site.story());
            assert!(
                woken.elapsed() < Duration::from_secs(30),
                "{:?}",
                woken.elapsed()
            );
            let bytes = bytes_of("/x.bin", 8 * MIB);
            match mode {
                Mode::Stream => assert!(done.bytes == bytes),
                Mode::Cold | Mode::Resumed => hs.assert_only("x.bin", &bytes),
            }
            assert_eq!(plain_requests(&site), 1, "begun anew: {}", site.story());
        })
        .over(EVERYWHERE)
        .modes(BEGINNING),
    )
}

fn e20() -> Case {
    Case::new(
        "E20",
        "one of the addresses of a host is dead",
        "the next one is tried; what comes from it is compared as ever",
    )
    // `localhost` is ::1, where nobody listens, and 127.0.0.1.
    .play(Play::slices().what("from the start").over(EVERYWHERE))
    .play(
        Play::scene(|via, mode| {
            moves(via, mode, |hs, port, arguments| {
                let resolve = format!("files.test:{port}:127.0.0.1,127.0.0.2");
                hs.run(&[&["--resolve", &resolve], arguments].concat())
            });
        })
        .what("from some byte on")
        .over(EVERYWHERE),
    )
    .play(
        Play::scene(|via, mode| moves(via, mode, with_hosts))
            .what("and its name has another address by then")
            .over(EVERYWHERE),
    )
}

/// A file is begun at one address of a host, which is gone behind a piece of the first body, and has to be completed at another.
fn moves(via: Via, mode: Mode, run: impl Fn(&Hs, u16, &[&str]) -> Done) {
    let resource = || Resource {
        limit: Some(20 * MIB),
        ..Resource::new(11, 3 * MIB + 5)
    };
    let is_first = first(1);
    let old = Site::behaving(via, move |_, reply| match is_first() {
        true => reply.fault(Point::Body(300_000), Act::Close),
        false => reply,
    });
    old.set("/x.bin", resource());
    let new = Site::new(via);
    new.set("/x.bin", resource());
    let hs = Hs::trusting_pem(&[old.ca_pem(), new.ca_pem()].concat());
    let hosts = hs.home().join("hosts");
    std::fs::write(&hosts, "127.0.0.1 files.test\n").unwrap();
    let at = |last| IpAddr::from([127, 0, 0, last]);
    let first_node = Node::new(at(1), 0, old.port(), move |door| {
        std::fs::write(&hosts, "127.0.0.2 files.test\n").unwrap();
        door.shut();
    });
    let port = first_node.port();
    let _second_node = Node::new(at(2), port, new.port(), |_| {});
    let url = old
        .url("/x.bin")
        .replace(&old.authority(), &format!("files.test:{port}"));
    let mut play = Play::of(3 * MIB + 5);
    play.resource = resource();
    let mut arguments = vec!["-t", "4"];
    match mode {
        Mode::Cold => {}
        Mode::Resumed => super::drive::leave_behind(&hs.dir(), &url, &play),
        Mode::Stream => arguments.push("-s"),
    }
    arguments.push(&url);
    let begun = Instant::now();
    let done = run(&hs, port, &arguments);
    let story = format!("{}{}\nand{}", done.stderr, old.story(), new.story());
    assert_eq!(done.code, Some(0), "{story}");
    match mode {
        Mode::Stream => assert!(done.bytes == play.bytes(), "{story}"),
        Mode::Cold | Mode::Resumed => hs.assert_only("x.bin", &play.bytes()),
    }
    // What was asked before it was gone, and nothing afterwards.
    assert!(old.exchanges().len() <= 4, "{story}");
    assert_eq!(plain_requests(&new), 0, "begun anew: {story}");
    // Far below the minute for which libcurl remembers an address.
    assert!(begun.elapsed() < Duration::from_secs(30), "{story}");
}

/// Runs `hs` where the names of hosts are in a file of the test's.
fn with_hosts(hs: &Hs, _port: u16, arguments: &[&str]) -> Done {
    const SCRIPT: &str = r#"
        mount --bind hosts /etc/hosts || exit 99
        exec "$0" --cacert ca.pem -o download "$@""#;
    let own = ["-rm", "sh", "-c", SCRIPT, Hs::PROGRAM];
    let done = hs.run_program("unshare", &[&own[..], arguments].concat());
    assert_ne!(
        done.code,
        Some(99),
        "this user may not mount: {}",
        done.stderr
    );
    done
}

fn e21() -> Case {
    Case::new(
        "E21",
        "many requests meet one outage",
        "one pause for all of them; they do not return together",
    )
    .play(
        Play::large()
            .options(&["-t", "16"])
            .origin(|| {
                let (begun, is_before) = (Instant::now(), first(3));
                move |request, reply| {
                    let is_out = !is_before() && begun.elapsed() < Duration::from_secs(4);
                    if asks_range(request) && is_out {
                        status(503)
                    } else {
                        reply
                    }
                }
            })
            .asked(|site, mode| {
                nobody_begins_anew(site, mode);
                let exchanges = site.exchanges();
                let refused = exchanges.iter().filter(|e| e.status == Some(503)).count();
                assert!(refused <= 40, "{refused} requests were refused");
            }),
    )
}

fn e22() -> Case {
    let refuses = |what, status: u16, words: &'static str| {
        let scene = move |via, _| {
            let site = Site::new(via);
            let proxy = proxy(status);
            let hs = Hs::trusting(&site);
            let through = format!("http://localhost:{proxy}");
            let done = hs.run(&[
                "--retries",
                "1",
                "-x",
                &through,
                &site.url("/x.bin?size=1000"),
            ]);
            done.exits(NETWORK).says(words).says("hint: ");
            assert!(site.exchanges().is_empty(), "past the proxy");
        };
        Play::scene(scene).what(what).modes(&[Mode::Cold])
    };
    Case::new(
        "E22",
        "a proxy answers CONNECT with 407, 502 or 504",
        "an error of the proxy, and nothing goes past it",
    )
    .play(refuses("407", 407, "407"))
    .play(refuses("502", 502, "502"))
    .play(refuses("504", 504, "504"))
}

/// A proxy that answers each CONNECT with this status; its port.
fn proxy(status: u16) -> u16 {
    use std::io::{Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().take(20) {
            let mut client = client.unwrap();
            let _ = client.read(&mut [0; 4096]);
            let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
            let _ = client.write_all(answer.as_bytes());
        }
    });
    port
}

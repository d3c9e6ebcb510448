//! Section A: the answer to the first GET.

use std::time::Duration;

use bytes::Bytes;

use super::case::{
    BEGINNING, Case, EVERYWHERE, End, HTTP1, Mode, Play, nobody_begins_anew, overlong,
};
use super::section;
use crate::common::count::first;
use crate::common::hs::Hs;
use crate::common::origin::server::content::{Body, Piece};
use crate::common::origin::server::files::Ranges;
use crate::common::origin::server::script::{Act, Framing, Point, Reply, Request};
use crate::common::origin::{MIB, Site, Via, asks_range, bytes_of, most_active};

section!(
    a01, a02, a03, a04, a05, a06, a07, a08, a09, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19,
    a20, a21
);

const NETWORK: i32 = 4;

fn a01() -> Case {
    Case::new(
        "A01",
        "200 with a length, Accept-Ranges and a strong ETag",
        "its body is the first slice, ranges come beside it",
    )
    .play(Play::large().over(EVERYWHERE).asked(|site, mode| {
        let exchanges = site.exchanges();
        assert_eq!(asks_range(&exchanges[0].request), mode == Mode::Resumed);
        assert!(
            exchanges[1..]
                .iter()
                .all(|e| asks_range(&e.request) && e.status == Some(206))
        );
        assert!(most_active(&exchanges) > 2, "ranges are not used");
        let (sent, size) = (site.sent(), 14 * MIB + 3);
        assert!(sent <= size + size / 50 + 4 * MIB, "{sent} bytes were sent");
    }))
    .play(
        Play::small()
            .what("too small for ranges")
            .asked(nobody_begins_anew),
    )
}

fn a02() -> Case {
    Case::new(
        "A02",
        "no Accept-Ranges",
        "one range is tried: 206 means ranges, 200 a single stream",
    )
    .play(
        Play::large()
            .what("206")
            .resource(|r| r.ranges = Ranges::Silent)
            .asked(|site, _| {
                assert!(most_active(&site.exchanges()) > 2, "ranges are not used");
            }),
    )
    .play(
        Play::large()
            .what("200")
            .resource(|r| r.ranges = Ranges::Ignored)
            .asked(|site, _| {
                let (sent, size) = (site.sent(), 14 * MIB + 3);
                assert!(site.exchanges().len() <= 2);
                assert!(sent <= size + 2 * MIB, "{sent} bytes were sent");
            }),
    )
}

fn a03() -> Case {
    Case::new("A03", "Accept-Ranges: none", "a single stream").play(
        Play::large()
            .over(EVERYWHERE)
            .resource(|r| r.ranges = Ranges::None)
            .asked(|site, _| {
                // To resume is worth a try: the field may have been another server's.
                assert!(
                    site.exchanges()
                        .iter()
                        .skip(1)
                        .all(|e| !asks_range(&e.request))
                );
                assert_eq!(site.exchanges().len(), 1);
            }),
    )
}

fn a04() -> Case {
    Case::new(
        "A04",
        "no length: chunked, or HTTP/2 without content-length",
        "a single stream to its end; a resumed one goes by the length in Content-Range",
    )
    .play(
        Play::of(14 * MIB + 5)
            .over(EVERYWHERE)
            .resource(|r| r.length = false)
            .asked(|site, mode| {
                if mode != Mode::Resumed {
                    assert_eq!(site.exchanges().len(), 1);
                }
            }),
    )
    .play(
        Play::small()
            .what("and it breaks")
            .resource(|r| r.length = false)
            .origin(|| {
                let is_first = first(1);
                move |_, reply| match is_first() {
                    true => reply.fault(Point::Body(100_000), Act::Reset),
                    false => reply,
                }
            }),
    )
}

/// An answer of HTTP/1.0 whose end is that of the connection.
fn http10(mut reply: Reply) -> Reply {
    reply.framing = Framing::UntilClose;
    let head = "HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\nETag: \"v1\"\r\n\r\n";
    reply.raw_head = Some(Bytes::from_static(head.as_bytes()));
    reply
}

fn a05() -> Case {
    let play = || Play::small().modes(BEGINNING);
    let cut = |reply: Reply| http10(reply).fault(Point::Body(100_000), Act::Cut);
    Case::new(
        "A05",
        "HTTP/1.0, the close of the connection ends the body",
        "an orderly close is the end, and it is said that nobody stated a length; any other close is none",
    )
    .play(
        play()
            .over(HTTP1)
            .says("no length was stated")
            .origin(|| |_, reply| http10(reply)),
    )
    .play(play().what("cut once, without close_notify").over(&[Via::Http1]).origin(move || {
        let is_first = first(1);
        move |_, reply| match is_first() {
            true => cut(reply),
            false => http10(reply),
        }
    }))
    .play(
        play()
            .what("cut in the clear, and a checksum finds it")
            .over(&[Via::Clear])
            .modes(&[Mode::Cold])
            .options(&["--checksum", "sha256:0000000000000000000000000000000000000000000000000000000000000000"])
            .origin(move || move |_, reply| cut(reply))
            .ends(End::Fails(3, "checksum")),
    )
}

fn a06() -> Case {
    let empty = || Play::of(0).over(EVERYWHERE).modes(BEGINNING);
    let none = |status| {
        Play::small()
            .origin(move || move |_, _| Reply::new(status, Body::default()))
            .ends(End::Refused(NETWORK, "no content"))
    };
    Case::new(
        "A06",
        "an empty body; 204 and 205",
        "a file without bytes; 204 and 205 are no file",
    )
    .play(empty().what("Content-Length: 0"))
    .play(empty().what("no length").resource(|r| r.length = false))
    .play(none(204).what("204"))
    .play(none(205).what("205"))
}

fn a07() -> Case {
    let play = || Play::small().modes(BEGINNING);
    let part = |mut reply: Reply| {
        reply.status = 206;
        reply.with("Content-Range", "bytes 0-300000/300001")
    };
    Case::new(
        "A07",
        "206 although no range was asked for",
        "refused; asked again, but not for ever",
    )
    .play(play().what("once").origin(move || {
        let is_first = first(1);
        move |_, reply| if is_first() { part(reply) } else { reply }
    }))
    .play(
        play()
            .what("always")
            .origin(move || move |_, reply| part(reply))
            .ends(End::Refused(NETWORK, "part")),
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The same answer with another body, which is packed.
fn packed(mut reply: Reply, body: &[u8], coding: &str) -> Reply {
    reply.status = 200;
    reply.body = Body::new(vec![Piece::Bytes(Bytes::copy_from_slice(body))]);
    reply.headers.retain(|(name, _)| name != "Content-Range");
    reply.with("Content-Encoding", coding)
}

fn a08() -> Case {
    let play = || Play::small().over(EVERYWHERE).modes(BEGINNING);
    let bytes = Play::small().bytes();
    let (one, two) = (Bytes::from(gzip(&bytes)), Bytes::from(gzip(&gzip(&bytes))));
    let (once, cut) = (one.clone(), one.clone());
    let lasting = one.clone();
    Case::new(
        "A08",
        "Content-Encoding: gzip, whatever was asked for",
        "asked for again as it is stored; packed all the same, it is unpacked on the way, as a single stream",
    )
    .play(play().what("unless identity is asked for").origin(move || {
        let once = once.clone();
        move |request, reply| match request.header("accept-encoding") {
            Some("identity") => reply,
            _ => packed(reply, &once, "gzip"),
        }
    }))
    .play(play().what("always").origin(move || {
        let one = one.clone();
        move |_, reply| packed(reply, &one, "gzip")
    }))
    .play(play().what("twice").origin(move || {
        let two = two.clone();
        move |_, reply| packed(reply, &two, "gzip, gzip")
    }))
    .play(
        Play::slices().what("for a part of an earlier run").modes(&[Mode::Resumed]).resource(|r| {
            r.size = 300_001;
        }).origin(move || {
            let lasting = lasting.clone();
            move |_, reply| packed(reply, &lasting, "gzip")
        }),
    )
    .play(play().what("and it breaks off").modes(&[Mode::Cold]).origin(move || {
        let (cut, breaks) = (cut.clone(), first(2));
        move |_, reply| {
            let reply = packed(reply, &cut, "gzip");
            if breaks() { reply.fault(Point::Body(100_000), Act::Reset) } else { reply }
        }
    }))
    .play(
        play()
            .what("a coding that nobody knows")
            .origin(|| |_, reply| packed(reply, b"?", "compress"))
            .ends(End::Fails(NETWORK, "compress")),
    )
    .also("src/coding.rs", "a08_every_coding_is_undone")
}

fn a09() -> Case {
    Case::new(
        "A09",
        "a file of gzip that is labelled as packed on the way too",
        "kept as it is, by its type and its name",
    )
    .play(
        Play::slices()
            .named("/x.tar.gz", "x.tar.gz")
            .resource(|r| r.content_type = "application/x-gzip".to_owned())
            .origin(|| |_, reply| reply.with("Content-Encoding", "gzip"))
            .asked(|site, _| assert!(site.exchanges().iter().any(|e| e.status == Some(206)))),
    )
}

fn a10() -> Case {
    Case::new("A10", "Content-Encoding: identity", "the same as none").play(
        Play::slices()
            .origin(|| |_, reply| reply.with("Content-Encoding", "identity"))
            .asked(|site, _| assert!(site.exchanges().iter().any(|e| e.status == Some(206)))),
    )
}

/// The warning of bytes that nobody declared.
const OVERLONG: &str = "the server sends more bytes than it declares";

fn a11() -> Case {
    Case::new(
        "A11",
        "a body longer than its Content-Length",
        "cut at the declared end, and a warning",
    )
    .play(
        Play::small()
            // One hole, whose request is not cut by another one.
            .left(&[(0, 200_000)])
            .over(EVERYWHERE)
            .origin(|| {
                let is_first = first(1);
                move |_, reply| if is_first() { overlong(reply) } else { reply }
            })
            .says(OVERLONG),
    )
    .play(
        Play::slices()
            .what("always")
            .over(HTTP1)
            .origin(|| |_, reply| overlong(reply))
            .says(OVERLONG),
    )
}

fn a12() -> Case {
    let short = |act| {
        move || {
            let is_first = first(1);
            move |_: &Request, reply: Reply| match is_first() {
                true => reply.fault(Point::Body(50_001), act),
                false => reply,
            }
        }
    };
    let goes_on = |site: &Site, mode| {
        nobody_begins_anew(site, mode);
        let sent = site.sent();
        assert!(sent < 340_000, "{sent} bytes were sent");
    };
    Case::new(
        "A12",
        "a body shorter than its Content-Length",
        "what came is kept, the rest is asked for as a range; never a success",
    )
    .play(
        Play::small()
            .what("closed")
            .over(EVERYWHERE)
            .origin(short(Act::Close))
            .asked(goes_on),
    )
    .play(
        Play::small()
            .what("finished")
            .origin(short(Act::Finish))
            .asked(goes_on),
    )
    .play(
        Play::small()
            .what("without ranges")
            .resource(|r| r.ranges = Ranges::None)
            .origin(short(Act::Close)),
    )
    .play(
        Play::small()
            .what("finished, without ranges")
            .resource(|r| r.ranges = Ranges::None)
            .origin(short(Act::Finish))
            .asked(|site, _| {
                // It is noticed by the end, and not because nothing comes any more.
                let exchanges = site.exchanges();
                let waited = exchanges[1].at - exchanges[0].ended.unwrap();
                assert!(waited < Duration::from_secs(5), "{waited:?}");
            }),
    )
}

fn a13() -> Case {
    Case::new(
        "A13",
        "Content-Length and Transfer-Encoding both",
        "Transfer-Encoding wins, the length is not looked at",
    )
    .play(Play::small().over(HTTP1).modes(BEGINNING).origin(|| {
        |_, mut reply| {
            reply.framing = Framing::Unknown;
            let head =
                "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n";
            reply.raw_head = Some(Bytes::from_static(head.as_bytes()));
            reply
        }
    }))
}

fn a14() -> Case {
    let play = || {
        Play::small()
            .over(EVERYWHERE)
            .ends(End::Refused(NETWORK, ""))
    };
    Case::new(
        "A14",
        "Content-Length twice and different, negative, or beyond 2^63",
        "an error of the protocol, no byte is used",
    )
    .play(play().what("different").origin(lying(&["300001", "12"])))
    .play(play().what("negative").origin(lying(&["-5"])))
    .play(
        play()
            .what("beyond 2^63")
            .origin(lying(&["9223372036854775809"])),
    )
}

/// Answers that have these lengths, whatever the body has, and are closed behind it.
fn lying(
    lengths: &'static [&'static str],
) -> impl Fn() -> Box<crate::common::origin::Behaviour> + Send + Sync {
    move || {
        Box::new(move |_, mut reply| {
            // On HTTP/1.1 no other framing may hide the fields.
            reply.framing = Framing::UntilClose;
            for length in lengths {
                reply = reply.with("Content-Length", *length);
            }
            reply
        })
    }
}

fn a15() -> Case {
    const BLOCKED: i32 = 6;
    fn page(status: u16) -> Reply {
        Reply::new(
            status,
            "<!doctype html><title>Just a moment...</title>".into(),
        )
        .with("Content-Type", "text/html; charset=utf-8")
    }
    let sends = |what, reply: fn() -> Reply| {
        Play::small()
            .what(what)
            .over(EVERYWHERE)
            .origin(move || move |_, _| reply())
            .ends(End::Refused(BLOCKED, ""))
    };
    Case::new(
        "A15",
        "a challenge or login page where a file was expected",
        "exit 6, and not a byte of it is written; --accept-html takes it",
    )
    .play(sends("200", || page(200)))
    .play(sends("403 with cf-mitigated", || {
        page(403).with("cf-mitigated", "challenge")
    }))
    .play(
        Play::of(1000)
            .what("--accept-html")
            .modes(BEGINNING)
            .options(&["--accept-html"])
            .resource(|r| r.content_type = "text/html".to_owned()),
    )
    .play(
        Play::of(1000)
            .what("a page that is asked for")
            .modes(BEGINNING)
            .named("/page.html", "page.html")
            .resource(|r| r.content_type = "text/html".to_owned()),
    )
}

/// The end came at once; only a part of an earlier run is worth a look at the whole.
fn asked_once(site: &Site, mode: Mode) {
    let most = 1 + usize::from(mode == Mode::Resumed);
    let asked = site.exchanges().len();
    assert!(asked <= most, "asked again for nothing");
}

fn a16() -> Case {
    let gone = |status: u16, words| {
        Play::small()
            .over(EVERYWHERE)
            .origin(move || move |_, _| Reply::new(status, "gone\n".into()))
            .ends(End::Refused(NETWORK, words))
            .asked(asked_once)
    };
    Case::new("A16", "404, 410, 451", "the end at once; a part stays")
        .play(gone(404, "404").what("404"))
        .play(gone(410, "410").what("410"))
        .play(gone(451, "451").what("451"))
}

fn a17() -> Case {
    let denied = |status: u16, words| {
        Play::small()
            .origin(move || move |_, _| Reply::new(status, "who are you\n".into()))
            .ends(End::Refused(NETWORK, words))
            .asked(asked_once)
    };
    Case::new(
        "A17",
        "401 and 407",
        "credentials that were given are sent with the first request; without any it is the end",
    )
    .play(denied(401, "401").what("401"))
    .play(denied(407, "407").what("407"))
    .play(
        Play::scene(|via, mode| {
            let site = Site::behaving(via, |request, reply| {
                match request.header("authorization") {
                    Some("Basic dXNlcjpzM2NyZXQ=") => reply,
                    _ => Reply::new(401, "who are you\n".into()),
                }
            });
            let url = site.url_as("user", "s3cret", "/x.bin?size=300001");
            let hs = Hs::trusting(&site);
            expect(&hs, &url, mode, &bytes_of("/x.bin", 300_001));
        })
        .what("with credentials")
        .modes(BEGINNING),
    )
}

/// Downloads or streams, and expects these bytes under the name of `x.bin`, and exit 0.
fn expect(hs: &Hs, url: &str, mode: Mode, bytes: &[u8]) {
    if mode == Mode::Stream {
        let done = hs.run(&["-s", url]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert!(done.bytes == bytes, "standard output");
    } else {
        hs.run(&[url]).exits(0);
        hs.assert_only("x.bin", bytes);
    }
}

fn a18() -> Case {
    let leads_to = |location: fn(&Request) -> String| {
        move || {
            move |request: &Request, _: Reply| {
                Reply::new(302, "moved\n".into()).with("Location", location(request))
            }
        }
    };
    let hops = |most: usize| {
        move || {
            move |request: &Request, reply: Reply| {
                let hop = request
                    .query("hop")
                    .and_then(|hop| hop.parse().ok())
                    .unwrap_or(0);
                if hop >= most {
                    return reply;
                }
                Reply::new(302, "moved\n".into())
                    .with("Location", format!("/x.bin?hop={}", hop + 1))
            }
        }
    };
    let ends = |words| End::Refused(NETWORK, words);
    Case::new(
        "A18",
        "redirects: a loop, too many, out of TLS, to another host",
        "20 are followed, none out of TLS; credentials stay with their host",
    )
    .play(
        Play::small()
            .what("20 hops")
            .over(EVERYWHERE)
            .origin(hops(20)),
    )
    .play(
        Play::small()
            .what("21 hops")
            .origin(hops(21))
            .ends(ends("redirects")),
    )
    .play(
        Play::small()
            .what("a loop")
            .origin(leads_to(|request| request.target.clone()))
            .ends(ends("redirects")),
    )
    .play(
        Play::small()
            .what("out of TLS")
            .origin(leads_to(|_| "http://localhost:1/x.bin".to_owned()))
            .ends(ends("redirect from https to http")),
    )
    .play(
        Play::scene(|via, mode| {
            let other = Site::new(via);
            let location = other.url("/x.bin?size=1000");
            let site = Site::behaving(via, move |_, _| {
                Reply::new(302, "moved\n".into()).with("Location", location.as_str())
            });
            let hs = Hs::new();
            expect(
                &hs,
                &site.url_as("user", "s3cret", "/x.bin"),
                mode,
                &bytes_of("/x.bin", 1000),
            );
            assert!(
                site.exchanges()[0]
                    .request
                    .header("authorization")
                    .is_some()
            );
            assert_eq!(other.exchanges()[0].request.header("authorization"), None);
        })
        .what("to another host")
        .over(&[Via::Clear])
        .modes(BEGINNING),
    )
}

fn a19() -> Case {
    let status = |status: u16, words| {
        Play::small()
            .origin(move || move |_, _| Reply::new(status, Body::default()))
            .ends(End::Refused(NETWORK, words))
    };
    Case::new(
        "A19",
        "300 and 304 that nobody asked for, a storm of 1xx, 103 Early Hints",
        "1xx are read over; 300 and 304 are errors",
    )
    .play(
        Play::slices()
            .what("50 times 1xx")
            .over(EVERYWHERE)
            .origin(|| {
                |_, mut reply| {
                    let hint = || vec![("Link".to_owned(), "</style.css>; rel=preload".to_owned())];
                    reply.interim = (0..50)
                        .map(|n| (if n % 2 == 0 { 103 } else { 102 }, hint()))
                        .collect();
                    reply
                }
            }),
    )
    .play(status(300, "300").what("300"))
    .play(status(304, "not modified").what("304"))
}

fn a20() -> Case {
    Case::new(
        "A20",
        "HEAD is refused, GET works, and --dry-run asks",
        "a dry run asks with GET as well, reads no body, and makes nothing",
    )
    .play(
        Play::scene(|via, _| {
            let site = Site::behaving(via, |request, reply| match request.method.as_str() {
                "GET" => reply,
                _ => Reply::new(405, "only GET\n".into()),
            });
            let hs = Hs::trusting(&site);
            let done = hs.run(&[
                "--dry-run",
                &site.url("/x.bin?size=100000000&limit=1000000"),
            ]);
            assert_eq!(done.code, Some(0), "{}", done.stderr);
            assert!(done.stdout.contains("x.bin"), "{}", done.stdout);
            let made = hs.files();
            assert!(made.is_empty(), "{made:?}");
            let exchanges = site.settle().exchanges();
            assert!(exchanges.iter().all(|e| e.request.method == "GET"));
            assert!(site.sent() < 20_000_000, "{} bytes were sent", site.sent());
        })
        .over(EVERYWHERE)
        .modes(&[Mode::Cold]),
    )
}

fn a21() -> Case {
    Case::new(
        "A21",
        "nothing is missing of what an earlier run left",
        "complete, after a look whether it is the same file still",
    )
    .play(Play::of(0).what("an empty file").modes(&[Mode::Resumed]))
    .play(
        Play::small()
            .what("all but the name")
            .modes(&[Mode::Resumed])
            .left(&[(0, 300_001)])
            .asked(|site, _| assert!(site.sent() <= 1, "{} bytes were sent", site.sent())),
    )
}

//! Section B: the answer to a range request.

use std::sync::Arc;
use std::time::Duration;

use super::case::{
    BEGINNING, Case, EVERYWHERE, End, HTTP1, Mode, Play, nobody_begins_anew, overlong,
    plain_requests, range_of, ranges_always, ranges_first,
};
use super::section;
use crate::common::count::first;
use crate::common::hs::Hs;
use crate::common::origin::server::content::{self, Body};
use crate::common::origin::server::files::{Ranges, Resource};
use crate::common::origin::server::log::Exchange;
use crate::common::origin::server::script::{Act, Point, Reply, Request};
use crate::common::origin::{MIB, Site, asks_range, most_active, most_served};

section!(
    b01, b02, b03, b04, b05, b06, b07, b08, b09, b10, b11, b12, b13, b14, b15, b16, b17, b18, b19,
    b20, b21, b22, b23, b24
);

/// Which bytes every file here is made of.
const SEED: u64 = 11;

/// A 206 that says and brings this half-open range of a file of `total` bytes.
fn brings(mut reply: Reply, (start, end): (u64, u64), total: &str) -> Reply {
    reply.body = Body::generated(SEED, start..end);
    reply.replace(
        "Content-Range",
        format!("bytes {start}-{}/{total}", end - 1),
    )
}

/// The length that a 206 states.
fn total_of(reply: &Reply) -> u64 {
    let (_, value) = reply
        .headers
        .iter()
        .find(|(name, _)| name == "Content-Range")
        .unwrap();
    value.split_once('/').unwrap().1.parse().unwrap()
}

/// Only the right 206s.
fn is_part(reply: &Reply) -> bool {
    reply.status == 206
}

/// Changes every 206 and nothing else.
fn parts(
    change: impl Fn(Reply) -> Reply + Clone + Send + Sync + 'static,
) -> impl Fn(&Request, Reply) -> Reply + Clone + Send + Sync + 'static {
    move |_, reply| {
        if is_part(&reply) {
            change(reply)
        } else {
            reply
        }
    }
}

/// What a 206 has to carry if it must not be used: as many bytes, and none of the file's.
fn poisoned(mut reply: Reply) -> Reply {
    let (start, end) = range_of(&reply);
    reply.body = Body::generated(99, start..end);
    reply
}

/// Ranges are tried, and then no more.
fn few_ranges(site: &Site, _: Mode) {
    let exchanges = site.exchanges();
    let ranges = exchanges.iter().filter(|e| asks_range(&e.request)).count();
    assert!((1..=8).contains(&ranges), "{ranges} requests for ranges");
}

/// At most one full body is read, and what was in flight beside it.
fn read_once(size: u64) -> impl Fn(&Site, Mode) + Send + Sync {
    move |site, _| {
        let sent = site.sent();
        assert!(
            sent <= size + size / 50 + 4 * MIB,
            "{sent} bytes were sent for {size}"
        );
    }
}

fn b01() -> Case {
    Case::new("B01", "206 with exactly what was asked for", "accepted")
        .play(Play::slices().over(EVERYWHERE).asked(|site, mode| {
            assert_eq!(plain_requests(site), usize::from(mode != Mode::Resumed));
        }))
        .also("src/answer.rs", "b01_exactly_as_asked")
}

fn b02() -> Case {
    let early = |bytes: u64| {
        parts(move |reply| {
            let (start, end) = range_of(&reply);
            let total = total_of(&reply).to_string();
            brings(reply, (start.saturating_sub(bytes), end), &total)
        })
    };
    Case::new(
        "B02",
        "206 begins before what was asked for, as caches of whole blocks do",
        "the overlap is read over and compared, never appended",
    )
    .play(
        Play::slices()
            .what("100,000 bytes early")
            .over(EVERYWHERE)
            .origin(ranges_always(early(100_000)))
            .asked(nobody_begins_anew),
    )
    .play(
        Play::slices()
            .what("one byte early")
            .origin(ranges_always(early(1)))
            .asked(nobody_begins_anew),
    )
    .play(
        Play::of(24 * MIB)
            .what("5 MiB early, once")
            .modes(&[Mode::Resumed])
            .left(&[(0, 20 * MIB)])
            .origin(ranges_first(1, early(5 * MIB))),
    )
    .also("src/answer.rs", "b02_b03_another_start")
}

fn b03() -> Case {
    let late = parts(|reply| {
        let (start, end) = range_of(&reply);
        let total = total_of(&reply).to_string();
        brings(reply, (start + 1, end), &total)
    });
    Case::new(
        "B03",
        "206 begins behind what was asked for",
        "refused; one request at a time from then on",
    )
    .play(
        Play::slices()
            .origin(ranges_always(late.clone()))
            .asked(few_ranges),
    )
    .play(
        Play::large()
            .what("beside the first body")
            .modes(BEGINNING)
            .origin(ranges_always(late.clone()))
            .asked(few_ranges),
    )
    .play(two_files("the next file of that host", late))
}

fn b04() -> Case {
    let shorter = |most: u64| {
        parts(move |reply| {
            let (start, end) = range_of(&reply);
            let total = total_of(&reply).to_string();
            brings(reply, (start, end.min(start + most)), &total)
        })
    };
    Case::new(
        "B04",
        "206 with fewer bytes than asked for",
        "taken; the rest is asked for anew",
    )
    .play(
        Play::slices()
            .over(EVERYWHERE)
            .origin(ranges_always(shorter(300_000)))
            .asked(nobody_begins_anew),
    )
    .play(
        Play::small()
            .what("of 20,000 bytes")
            .modes(&[Mode::Resumed])
            .origin(ranges_always(shorter(20_000)))
            .asked(nobody_begins_anew),
    )
    .also("src/answer.rs", "b04_b05_another_end")
}

fn b05() -> Case {
    let longer = parts(|reply| {
        let (start, end) = range_of(&reply);
        let total = total_of(&reply);
        brings(
            reply,
            (start, (end + 200_000).min(total)),
            &total.to_string(),
        )
    });
    let more = parts(overlong);
    let late = parts(|reply| {
        let end = reply.body.len();
        let pause = Act::Stall(Some(Duration::from_millis(100)));
        overlong(reply).fault(Point::Body(end), pause)
    });
    Case::new(
        "B05",
        "206 with more bytes than asked for, or than it declares",
        "cut at the end of the slice",
    )
    .play(
        Play::slices()
            .what("more than asked for")
            .origin(ranges_always(longer))
            .asked(nobody_begins_anew),
    )
    .play(
        Play::slices()
            .what("more than declared")
            .over(HTTP1)
            .origin(ranges_always(more.clone()))
            .asked(nobody_begins_anew),
    )
    .play(
        Play::slices()
            .what("more than declared, a moment later")
            .over(HTTP1)
            .options(&["--connections", "1"])
            .hides("invalid status line")
            .origin(ranges_first(3, late))
            .asked(nobody_begins_anew),
    )
    .play(
        Play::slices()
            .what("more than declared, three times")
            .over(&[crate::common::origin::Via::Http2])
            .origin(ranges_first(3, more)),
    )
}

fn b06() -> Case {
    let whole = parts(|reply| {
        let total = total_of(&reply);
        brings(reply, (0, total), &total.to_string())
    });
    Case::new(
        "B06",
        "206 that brings the whole file",
        "the same as 200: a single stream",
    )
    .play(Play::slices().origin(ranges_always(whole.clone())))
    .play(
        Play::large()
            .what("beside the first body")
            .modes(BEGINNING)
            .origin(ranges_always(whole))
            .asked(read_once(14 * MIB)),
    )
    .also("src/answer.rs", "b06_the_whole_file_as_a_part")
}

/// A file that is `old` for the first request and `new` ever after.
fn changes(play: Play, new: Resource) -> Play {
    let bytes = Arc::new(content::bytes(new.seed, 0..new.size));
    let old = play.resource.clone();
    play.modes(BEGINNING)
        .origin(move || {
            let (is_old, old, new) = (first(1), old.clone(), new.clone());
            move |request, _| {
                if is_old() {
                    old.reply(request)
                } else {
                    new.reply(request)
                }
            }
        })
        .ends_apart(End::Bytes(bytes), End::Fails(7, "changed"))
}

fn b07() -> Case {
    let bare = |resource: &mut Resource| {
        (resource.etag, resource.last_modified) = (None, None);
    };
    let mut new = Resource::new(12, 3 * MIB + 6);
    bare(&mut new);
    Case::new(
        "B07",
        "206 of a file of another length",
        "the file has changed: begun anew on disk, exit 7 where bytes are out already",
    )
    .play(changes(Play::slices().resource(bare), new))
    .also("src/answer.rs", "b07_b08_totals")
}

fn b08() -> Case {
    Case::new(
        "B08",
        "206 that does not know the length of the file",
        "accepted if start and validators are right",
    )
    .play(
        Play::slices()
            .origin(ranges_always(parts(|reply| {
                let range = range_of(&reply);
                brings(reply, range, "*")
            })))
            .asked(|site, mode| {
                assert_eq!(plain_requests(site), usize::from(mode != Mode::Resumed));
            }),
    )
}

fn b09() -> Case {
    let silent = parts(|reply| {
        let mut reply = poisoned(reply);
        reply.headers.retain(|(name, _)| name != "Content-Range");
        reply
    });
    Case::new("B09", "206 without Content-Range", "refused")
        .play(Play::slices().origin(ranges_always(silent.clone())))
        .play(
            Play::large()
                .what("beside the first body")
                .modes(BEGINNING)
                .origin(ranges_always(silent)),
        )
        .also("src/answer.rs", "b09_to_b11_which_part_is_unclear")
}

fn b10() -> Case {
    let says = |value: fn((u64, u64), u64) -> String| {
        ranges_always(parts(move |reply| {
            let value = value(range_of(&reply), total_of(&reply));
            poisoned(reply).replace("Content-Range", value)
        }))
    };
    let misspells = |value: fn((u64, u64), u64) -> String| {
        ranges_always(parts(move |reply| {
            let value = value(range_of(&reply), total_of(&reply));
            reply.replace("Content-Range", value)
        }))
    };
    Case::new(
        "B10",
        "206 whose Content-Range is malformed",
        "refused, unless it is misspelt in a known way and says exactly what was asked for",
    )
    .play(
        Play::slices()
            .what("bytes=")
            .origin(says(|_, _| "bytes=".to_owned())),
    )
    .play(
        Play::slices()
            .what("(null)")
            .origin(says(|_, _| "bytes (null)".to_owned())),
    )
    .play(
        Play::slices()
            .what("last before first")
            .origin(says(|(start, _), total| {
                format!("bytes {}-{start}/{total}", start + 9)
            })),
    )
    .play(
        Play::slices()
            .what("another unit")
            .origin(says(|(start, end), total| {
                format!("items {start}-{}/{total}", end - 1)
            })),
    )
    .play(
        Play::slices()
            .what("bytes: a-b/t")
            .origin(misspells(|(start, end), total| {
                format!("bytes: {start}-{}/{total}", end - 1)
            }))
            .asked(nobody_begins_anew),
    )
    .play(
        Play::slices()
            .what("a-b/t")
            .origin(misspells(|(start, end), total| {
                format!("{start}-{}/{total}", end - 1)
            }))
            .asked(nobody_begins_anew),
    )
    .play(
        Play::slices()
            .what("bytes: a-b/t, of another range")
            .origin(says(|(start, end), total| {
                format!("bytes: {}-{}/{total}", start - start.min(1), end - 1)
            })),
    )
}

/// A body of `multipart/byteranges` with these ranges of the file, with a preamble, or without that and with a boundary
/// that needs no quotes.
fn multipart(mut reply: Reply, ranges: &[(u64, u64)], preamble: bool) -> Reply {
    let total = total_of(&reply);
    let (boundary, parameter, mut body) = match preamble {
        true => (
            "THE \"END\"",
            "\"THE \\\"END\\\"\"",
            Body::from("a preamble that nobody reads\r\n\r\n"),
        ),
        false => ("3d6b6a416f9b5", "3d6b6a416f9b5; charset=x", Body::default()),
    };
    for (nth, (start, end)) in ranges.iter().enumerate() {
        let head = format!(
            "{}--{boundary}\r\nContent-Type: application/octet-stream\r\n\
             Content-Range: bytes {start}-{}/{total}\r\n\r\n",
            if nth == 0 { "" } else { "\r\n" },
            end - 1
        );
        body = body.and(&*head).and(Body::generated(SEED, *start..*end));
    }
    reply.body = body.and(&*format!("\r\n--{boundary}--\r\n"));
    reply.headers.retain(|(name, _)| name != "Content-Range");
    reply.replace(
        "Content-Type",
        format!("multipart/byteranges; boundary={parameter}"),
    )
}

fn b11() -> Case {
    let one = |preamble| {
        parts(move |reply| {
            let range = range_of(&reply);
            multipart(reply, &[range], preamble)
        })
    };
    let two = parts(|reply| {
        let (start, end) = range_of(&reply);
        let middle = (start + end) / 2;
        multipart(reply, &[(start, middle), (middle, end)], true)
    });
    let late = parts(|reply| {
        let (start, end) = range_of(&reply);
        multipart(reply, &[(start + 1, end)], false)
    });
    let taken = |site: &Site, mode: Mode| {
        assert_eq!(plain_requests(site), usize::from(mode != Mode::Resumed));
    };
    // What ranges were to bring comes in one body, and none of theirs is used.
    let refused = |site: &Site, mode: Mode| {
        let least = if mode == Mode::Resumed { 1 } else { 2 };
        assert!(plain_requests(site) >= least, "it was not begun anew");
    };
    Case::new(
        "B11",
        "206 multipart/byteranges to a request for one range",
        "its part is taken if there is one, and it is the one that was asked for; else refused, and the file comes as a \
         single stream",
    )
    .play(
        Play::slices()
            .what("one part")
            .origin(ranges_always(one(false)))
            .asked(taken),
    )
    .play(
        Play::slices()
            .what("one part, a preamble and a quoted boundary")
            .origin(ranges_always(one(true)))
            .asked(taken),
    )
    .play(
        Play::large()
            .what("beside the first body")
            .modes(BEGINNING)
            .origin(ranges_always(one(false)))
            .asked(|site, _| {
                assert_eq!(plain_requests(site), 1);
                assert!(most_served(&site.exchanges()) > 2);
            }),
    )
    .play(
        Play::slices()
            .what("another part")
            .origin(ranges_always(late))
            .asked(refused),
    )
    .play(
        Play::slices()
            .what("two parts")
            .origin(ranges_always(two))
            .asked(refused),
    )
    .also("src/multipart.rs", "b11_parts_as_servers_send_them")
}

fn b12() -> Case {
    Case::new(
        "B12",
        "200 with the whole file to a range request, whatever was promised",
        "one stream; never more than one full body is read",
    )
    .play(
        Play::large()
            .over(EVERYWHERE)
            .resource(|r| r.ranges = Ranges::Broken)
            .asked(read_once(14 * MIB)),
    )
    .play(
        Play::large()
            .what("after one right 206")
            .modes(BEGINNING)
            .origin(|| {
                let is_first = first(1);
                move |request, mut reply| {
                    if !asks_range(request) || is_first() {
                        return reply;
                    }
                    (reply.status, reply.body) = (200, Body::generated(SEED, 0..14 * MIB + 3));
                    reply.headers.retain(|(name, _)| name != "Content-Range");
                    reply
                }
            })
            // What ranges brought, and one more body from the first byte.
            .asked(read_once(2 * 14 * MIB)),
    )
    .play(two_files(
        "the next file of that host",
        |_, mut reply: Reply| {
            (reply.status, reply.body) = (200, Body::generated(SEED, 0..14 * MIB + 3));
            reply.headers.retain(|(name, _)| name != "Content-Range");
            reply
        },
    ))
}

/// Two files of a host that serves no right range, one after the other: of the second no range is asked for.
pub(super) fn two_files(
    what: &'static str,
    ranges: impl Fn(&Request, Reply) -> Reply + Clone + Send + Sync + 'static,
) -> Play {
    Play::scene(move |via, _| {
        let ranges = ranges.clone();
        let site = Site::behaving(via, move |request, reply| match asks_range(request) {
            true => ranges(request, reply),
            false => reply,
        });
        let size = 14 * MIB + 3;
        for path in ["/x.bin", "/y.bin"] {
            let mut resource = Resource::new(SEED, size);
            resource.limit = Some(20 * MIB);
            site.set(path, resource);
        }
        let hs = Hs::trusting(&site);
        let done = hs.run(&["-t", "4", "-s", &site.url("/x.bin"), &site.url("/y.bin")]);
        assert_eq!(done.code, Some(0), "{}{}", done.stderr, site.story());
        let bytes = content::bytes(SEED, 0..size);
        assert!(
            done.bytes == [&bytes[..], &bytes].concat(),
            "{}",
            site.story()
        );
        let exchanges = site.settle().exchanges();
        let asked = |path: &str, range| {
            let of = exchanges.iter().filter(|e| e.request.path() == path);
            of.filter(|e| asks_range(&e.request) == range).count()
        };
        assert!(asked("/x.bin", true) > 0, "{}", site.story());
        assert_eq!(asked("/y.bin", true), 0, "{}", site.story());
        assert_eq!(asked("/y.bin", false), 1, "{}", site.story());
    })
    .what(what)
    .modes(&[Mode::Stream])
}

fn b13() -> Case {
    let confused = parts(|reply| {
        let mut reply = poisoned(reply);
        reply.status = 200;
        reply
    });
    Case::new(
        "B13",
        "200 with a Content-Range, and just the bytes asked for",
        "refused, it cannot be known which of the two is meant",
    )
    .play(Play::slices().origin(ranges_always(confused)))
}

/// Answers with 416 and this Content-Range.
fn unsatisfiable(content_range: Option<&'static str>) -> impl Fn(&Request, Reply) -> Reply + Clone {
    move |_, _| {
        let reply = Reply::new(416, "no such bytes\n".into());
        match content_range {
            Some(value) => reply.with("Content-Range", value),
            None => reply,
        }
    }
}

fn b14() -> Case {
    Case::new(
        "B14",
        "416 that states the length of what is there already",
        "complete, if a look at the whole shows the same file",
    )
    .play(
        Play::small()
            .over(EVERYWHERE)
            .modes(&[Mode::Resumed])
            .left(&[(0, 300_001)])
            .origin(ranges_always(unsatisfiable(Some("bytes */300001"))))
            .asked(|site, _| assert_eq!(site.exchanges().len(), 2)),
    )
}

fn b15() -> Case {
    let mut new = Resource::new(12, 200_000);
    new.last_modified = Some("Tue, 03 Mar 2026 10:00:00 GMT".to_owned());
    let bytes = Arc::new(content::bytes(12, 0..200_000));
    Case::new("B15", "416 that states another length", "begun anew").play(
        Play::small()
            .over(EVERYWHERE)
            .modes(&[Mode::Resumed])
            .left(&[(0, 250_000)])
            .origin(move || {
                let new = new.clone();
                move |request, _| new.reply(request)
            })
            .ends(End::Bytes(bytes)),
    )
}

fn b16() -> Case {
    Case::new(
        "B16",
        "416 without a length to any range; HTTP/2 PROTOCOL_ERROR in its place",
        "asked for as a whole, without a loop",
    )
    .play(
        Play::slices()
            .what("416")
            .origin(ranges_always(unsatisfiable(None)))
            .asked(|site, _| assert!(site.exchanges().len() < 12, "a loop")),
    )
    .play(
        Play::slices()
            .what("PROTOCOL_ERROR, twice")
            .over(&[crate::common::origin::Via::Http2])
            .origin(ranges_first(2, |_, reply| {
                reply.fault(Point::Head, Act::ResetStream(1))
            })),
    )
}

fn b17() -> Case {
    // As Apache with mod_deflate: what it sends as a tag it does not know when it gets it.
    let suffixed = |r: &mut Resource| r.etag = Some("\"v1-gzip\"".to_owned());
    let strange = || {
        |request: &Request, reply: Reply| {
            if request.header("if-match").is_some() {
                return Reply::new(412, "precondition failed\n".into());
            }
            reply
        }
    };
    Case::new(
        "B17",
        "412 to a condition that holds",
        "no conditions any more; what the answers say is compared",
    )
    .play(
        Play::slices()
            .what("always")
            .resource(suffixed)
            .origin(strange),
    )
    .play(
        Play::large()
            .what("beside the first body")
            .modes(BEGINNING)
            // Slow enough for others to begin before the first body has brought everything.
            .resource(move |r| {
                suffixed(r);
                r.limit = Some(3 * MIB);
            })
            .origin(strange)
            .asked(|site, _| {
                let exchanges = site.exchanges();
                let most = most_served(&exchanges);
                assert!(most > 2, "{most} bodies at once");
                assert_eq!(plain_requests(site), 1, "begun anew");
                let refused = exchanges.iter().filter(|e| e.status == Some(412)).count();
                assert!(refused <= 4, "{refused} requests with the condition");
            }),
    )
    .play(changes(
        Play::slices().what("the file has changed"),
        Resource::new(12, 3 * MIB + 5),
    ))
}

fn b18() -> Case {
    let unmodified = |_: &Request, _: Reply| Reply::new(304, Body::default());
    Case::new(
        "B18",
        "304 to a range request, to which no condition of a cache belongs",
        "asked again",
    )
    .play(
        Play::slices()
            .origin(ranges_first(2, unmodified))
            .asked(|site, mode| {
                let exchanges = site.exchanges();
                let is_cache =
                    |name: &str| name.starts_with("if-none") || name.starts_with("if-mod");
                let fields = exchanges.iter().flat_map(|e| e.request.headers.iter());
                let mut names = fields.map(|(name, _)| name.to_ascii_lowercase());
                assert!(!names.any(|name| is_cache(&name)));
                // A part whose first request it befell is looked at as a whole.
                assert!(plain_requests(site) <= 1, "begun anew");
                assert!(mode == Mode::Resumed || plain_requests(site) == 1);
            }),
    )
}

fn b19() -> Case {
    let encoded = parts(|reply| poisoned(reply).with("Content-Encoding", "gzip"));
    Case::new(
        "B19",
        "206 of the encoded bytes",
        "refused; a single stream of the bytes as they are stored",
    )
    .play(Play::slices().origin(ranges_always(encoded.clone())))
    .play(
        Play::large()
            .what("beside the first body")
            .modes(BEGINNING)
            .origin(ranges_always(encoded)),
    )
}

fn b20() -> Case {
    let above = |most: usize, status: u16| {
        Play::large()
            .origin(move || {
                move |request: &Request, mut reply: Reply| {
                    if request.active <= most || !asks_range(request) {
                        return reply;
                    }
                    if status == 200 {
                        (reply.status, reply.body) = (200, Body::generated(SEED, 0..14 * MIB + 3));
                        reply.headers.retain(|(name, _)| name != "Content-Range");
                        return reply;
                    }
                    Reply::new(status, "too many\n".into())
                }
            })
            .asked(move |site, mode| {
                read_once(2 * 14 * MIB)(site, mode);
                let exchanges = site.exchanges();
                let is_refused = |e: &&Exchange| match status {
                    200 => asks_range(&e.request) && e.status == Some(200),
                    status => e.status == Some(status),
                };
                let refused = exchanges.iter().filter(is_refused).count();
                assert!((1..=16).contains(&refused), "{refused} were refused");
            })
    };
    Case::new(
        "B20",
        "ranges are ignored or refused when there are too many at once",
        "fewer at once",
    )
    .play(above(2, 503).what("503 above 2"))
    .play(above(3, 403).what("403 above 3"))
    .play(above(2, 200).what("200 above 2"))
}

fn b21() -> Case {
    Case::new(
        "B21",
        "a range of the tail is answered after seconds, as a cache fetches the whole first",
        "waited for, not asked for twice",
    )
    .play(
        Play::slices()
            .origin(ranges_always(|_, mut reply: Reply| {
                reply.latency = Duration::from_secs(3);
                reply
            }))
            .asked(|site, _| {
                let exchanges = site.exchanges();
                let mut asked: Vec<_> = exchanges
                    .iter()
                    .filter_map(|e| e.request.header("range"))
                    .collect();
                let all = asked.len();
                asked.sort_unstable();
                asked.dedup();
                assert_eq!(asked.len(), all, "a range was asked for twice");
            }),
    )
}

fn b22() -> Case {
    let at = |size: u64, what, left: &[(u64, u64)]| {
        Play::of(size).what(what).modes(&[Mode::Resumed]).left(left)
    };
    Case::new(
        "B22",
        "ranges at the edges: a file of one byte, the first, the last byte; offsets beyond 2^31, 2^32, 2^53",
        "exact, in 64 bits everywhere",
    )
    .play(Play::of(1).what("one byte").modes(BEGINNING).over(EVERYWHERE))
    .play(Play::of(2).what("two bytes").modes(BEGINNING))
    .play(at(1, "one byte that is missing", &[]))
    .play(at(65_536, "the last byte", &[(0, 65_535)]))
    .play(at(65_537, "the first byte", &[(1, 65_537)]))
    .play(at(65_537, "every second byte of ten", &[(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 65_537)]))
    .also("src/answer.rs", "b22_large_offsets")
}

fn b23() -> Case {
    Case::new(
        "B23",
        "slices overlap when the tail of a slow one is taken over",
        "no byte is written twice with another content",
    )
    .play(
        Play::large()
            .modes(BEGINNING)
            .origin(|| {
                let is_slow = first(2);
                move |request, mut reply| {
                    if asks_range(request) && is_slow() {
                        reply.limit = Some(MIB / 2);
                    }
                    reply
                }
            })
            .asked(|site, _| assert!(most_active(&site.exchanges()) > 2)),
    )
    .also("src/schedule/tests.rs", "every_byte_arrives_exactly_once")
}

fn b24() -> Case {
    let other = |total: u64| {
        parts(move |mut reply| {
            let (start, end) = range_of(&reply);
            reply.body = Body::generated(99, start..end);
            reply
                .replace(
                    "Content-Range",
                    format!("bytes {start}-{}/{total}", end - 1),
                )
                .replace("ETag", "\"another\"")
        })
    };
    Case::new(
        "B24",
        "the answer to somebody else's request",
        "refused by its length or validator",
    )
    .play(
        Play::slices()
            .what("of another length")
            .origin(ranges_first(2, other(5 * MIB))),
    )
    .play(
        Play::slices()
            .what("of the same length")
            .origin(ranges_first(2, other(3 * MIB + 5))),
    )
}

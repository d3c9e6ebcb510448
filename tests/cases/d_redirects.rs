//! Section D: redirects, and addresses that expire.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::case::{BEGINNING, Case, EVERYWHERE, End, Mode, Play, TO_DISK};
use super::section;
use crate::common::count::{counter, first};
use crate::common::hs::Hs;
use crate::common::origin::server::content::{self, Body};
use crate::common::origin::server::files::Resource;
use crate::common::origin::server::log::Exchange;
use crate::common::origin::server::script::{Act, Point, Reply, Request};
use crate::common::origin::{Behaviour, MIB, Site, asks_range, bytes_of};

section!(d01, d02, d03, d04, d05, d06, d07, d08);

const NETWORK: i32 = 4;
const BLOCKED: i32 = 6;
const CHANGED: i32 = 7;

fn moved(location: impl Into<String>) -> Reply {
    Reply::new(302, "moved\n".into()).with("Location", location)
}

/// `/go/x.bin` leads to `/x.bin` with a new signature each time, and each is good for so many answers. What comes after
/// that is `expired`.
fn signed(
    good_for: usize,
    expired: impl Fn() -> Reply + Clone + Send + Sync + 'static,
) -> impl Fn() -> Box<Behaviour> + Send + Sync {
    move || {
        let (given, answered, expired) =
            (AtomicUsize::new(0), AtomicUsize::new(0), expired.clone());
        Box::new(move |request: &Request, reply: Reply| {
            if request.path() == "/go/x.bin" {
                answered.store(0, Ordering::Relaxed);
                let signature = 1 + given.fetch_add(1, Ordering::Relaxed);
                return moved(format!("/x.bin?signature={signature}"));
            }
            let current = given.load(Ordering::Relaxed).to_string();
            let is_good = request.query("signature") == Some(&*current)
                && answered.fetch_add(1, Ordering::Relaxed) < good_for;
            if is_good { reply } else { expired() }
        })
    }
}

fn denied(status: u16) -> impl Fn() -> Reply + Clone + Send + Sync {
    move || Reply::new(status, "expired\n".into())
}

/// How often the whole of the file was sent for.
fn plain_at_the_file(site: &Site) -> usize {
    let exchanges = site.exchanges();
    let asked = exchanges.iter().filter(|e| {
        e.request.path() == "/x.bin" && !asks_range(&e.request) && e.status == Some(200)
    });
    asked.count()
}

fn resolved(site: &Site) -> usize {
    let exchanges = site.exchanges();
    exchanges
        .iter()
        .filter(|e| e.request.path() == "/go/x.bin")
        .count()
}

fn d01() -> Case {
    let expires = |what, status| {
        Play::large()
            .what(what)
            .modes(&[Mode::Cold, Mode::Stream])
            .through("/go/x.bin")
            .origin(signed(3, denied(status)))
            .asked(|site, _| {
                let exchanges = site.exchanges();
                let refused = exchanges
                    .iter()
                    .filter(|e| e.status.is_some_and(|s| s >= 400))
                    .count();
                let resolved: Vec<_> = exchanges
                    .iter()
                    .filter(|e| e.request.path() == "/go/x.bin")
                    .collect();
                let count = resolved.len();
                assert!(
                    count <= 1 + refused,
                    "{count} resolves for {refused} refusals"
                );
                let is_alone = |two: &[&Exchange]| two[0].ended.is_some_and(|end| end <= two[1].at);
                assert!(resolved.windows(2).all(is_alone), "two resolves at once");
                assert_eq!(plain_at_the_file(site), 1, "begun anew");
            })
    };
    Case::new(
        "D01",
        "a signed address expires on the way: 403, 400, 404 or 410",
        "the original one is resolved again, the file compared, and the rest asked for there",
    )
    .play(expires("403", 403))
    .play(expires("400", 400))
    .play(expires("404", 404))
    .play(expires("410", 410))
    .play(
        Play::slices()
            .what("403 for a part that is gone on with")
            .modes(&[Mode::Resumed])
            .through("/go/x.bin")
            .origin(signed(2, denied(403))),
    )
}

fn d02() -> Case {
    Case::new(
        "D02",
        "every resolve leads to another mirror",
        "the file is compared, and the rest asked for there",
    )
    .play(
        Play::scene(|via, mode| {
            let mirrors: Vec<Site> = (0..2)
                .map(|_| {
                    let breaks = first(1);
                    Site::behaving(via, move |_, reply| match breaks() {
                        true => reply.fault(Point::Body(300_000), Act::Reset),
                        false => reply,
                    })
                })
                .collect();
            let urls: Vec<String> = mirrors
                .iter()
                .map(|mirror| mirror.url("/x.bin?size=3000000"))
                .collect();
            let nth = counter();
            let site = Site::behaving(via, move |_, _| moved(urls[nth() % 2].as_str()));
            let hs = Hs::new();
            let url = site.url("/go/x.bin");
            let bytes = bytes_of("/x.bin", 3_000_000);
            if mode == Mode::Stream {
                let done = hs.run(&["-k", "-s", &url]);
                assert_eq!(done.code, Some(0), "{}", done.stderr);
                assert!(done.bytes == bytes);
            } else {
                hs.run(&["-k", &url]).exits(0);
                hs.assert_only("x.bin", &bytes);
            }
        })
        .over(EVERYWHERE)
        .modes(BEGINNING),
    )
}

fn d03() -> Case {
    let leads = |then: fn(&Request) -> Reply| {
        move || -> Box<Behaviour> {
            let (is_new, is_good) = (first(1), first(2));
            Box::new(move |request, reply| {
                if request.path() == "/go/x.bin" {
                    return match is_new() {
                        true => moved("/x.bin?signature=1"),
                        false => then(request),
                    };
                }
                if is_good() {
                    return reply;
                }
                Reply::new(403, "expired\n".into())
            })
        }
    };
    Case::new(
        "D03",
        "the original address leads to a login page by now, or to another file",
        "exit 6; a file that has changed is begun anew, or ends a stream with 7",
    )
    .play(
        Play::large()
            .what("a login page")
            .modes(BEGINNING)
            .through("/go/x.bin")
            .origin(leads(|_| {
                Reply::new(200, "<!doctype html><title>Log in</title>".into())
                    .with("Content-Type", "text/html; charset=utf-8")
            }))
            .ends(End::Fails(BLOCKED, "")),
    )
    .play(
        Play::large()
            .what("another file")
            .modes(BEGINNING)
            .through("/go/x.bin")
            .origin(leads(|request| Resource::new(12, 2 * MIB).reply(request)))
            .ends_apart(
                End::Bytes(Arc::new(content::bytes(12, 0..2 * MIB))),
                End::Fails(CHANGED, "changed"),
            ),
    )
}

fn d04() -> Case {
    Case::new(
        "D04",
        "403 that no new address helps against",
        "resolved again once, then the end with what is there kept",
    )
    .play(
        Play::large()
            .modes(BEGINNING)
            .through("/go/x.bin")
            .origin(|| {
                let is_cut = first(3);
                move |request, reply| {
                    if request.path() == "/go/x.bin" {
                        return moved("/x.bin");
                    }
                    if is_cut() {
                        return reply.fault(Point::Body(MIB), Act::Finish);
                    }
                    Reply::new(403, "go away\n".into())
                }
            })
            .ends(End::Nothing(&[NETWORK, BLOCKED]))
            .asked(|site, _| {
                let asked = site.exchanges().len();
                assert!(asked < 25, "{asked} requests");
                // Once, and what that answers is asked for some times more.
                let resolved = resolved(site);
                assert!(resolved <= 6, "{resolved} resolves");
            }),
    )
    .play(
        Play::small()
            .what("for a part of an earlier run")
            .modes(&[Mode::Resumed])
            .origin(|| |_, _| Reply::new(403, "go away\n".into()))
            .ends(End::Fails(NETWORK, "403")),
    )
    .play(
        Play::slices()
            .what("403 twice from the new address too, which passes")
            .through("/go/x.bin")
            .origin(|| {
                let nth = counter();
                move |request, reply| {
                    if request.path() == "/go/x.bin" {
                        return moved("/x.bin");
                    }
                    match nth() {
                        0 => reply.fault(Point::Body(300_000), Act::Close),
                        1..4 => Reply::new(403, "not yet\n".into()),
                        _ => reply,
                    }
                }
            })
            .asked(|site, mode| {
                let begun = usize::from(mode != Mode::Resumed);
                assert_eq!(plain_at_the_file(site), begun, "begun anew");
            }),
    )
}

fn d05() -> Case {
    let once = |play: Play| {
        play.origin(|| {
            let is_first = first(1);
            move |_, reply| match is_first() {
                true => reply,
                false => Reply::new(403, "this address was good for one request\n".into()),
            }
        })
    };
    Case::new(
        "D05",
        "an address that is good for one request",
        "the first body brings all of it; where it breaks, that is the end",
    )
    .play(
        once(Play::large().what("the body holds").modes(BEGINNING))
            .asked(|site, _| assert_eq!(plain_at_the_file(site), 1, "begun anew")),
    )
    .play(
        Play::small()
            .what("the body breaks")
            .modes(BEGINNING)
            .origin(|| {
                let is_first = first(1);
                move |_, reply| match is_first() {
                    true => reply.fault(Point::Body(100_000), Act::Reset),
                    false => Reply::new(403, "this address was good for one request\n".into()),
                }
            })
            .ends(End::Fails(NETWORK, "403")),
    )
}

fn d06() -> Case {
    Case::new("D06", "Retry-After on a redirect", "obeyed").play(
        Play::small()
            .through("/go/x.bin")
            .origin(|| {
                |request, reply| match request.path() {
                    "/go/x.bin" => moved("/x.bin").with("Retry-After", "2"),
                    _ => reply,
                }
            })
            .asked(|site, _| {
                let exchanges = site.exchanges();
                let waited = exchanges[1].at - exchanges[0].at;
                assert!(waited >= Duration::from_millis(1900), "waited {waited:?}");
            }),
    )
}

fn d07() -> Case {
    let leads = |what, location: &'static str, place: &'static str| {
        let mut play = Play::small().what(what).modes(TO_DISK).over(EVERYWHERE);
        play.place = place;
        play.through("/go/x.bin").origin(move || {
            move |request: &Request, reply: Reply| match request.path() {
                "/go/x.bin" => moved(location),
                _ => reply,
            }
        })
    };
    let lost = |what, reply: fn() -> Reply| {
        Play::small()
            .what(what)
            .origin(move || move |_, _| reply())
            .ends(End::Fails(NETWORK, "location"))
    };
    Case::new(
        "D07",
        "Location is relative, has letters and spaces, a fragment, or is empty",
        "followed as browsers do; empty or absent is an error",
    )
    .play(leads("relative", "../x/y.bin", "/x/y.bin"))
    .play(leads("without a scheme", "y.bin?a=1", "/go/y.bin"))
    .play(leads(
        "letters as they are",
        "/größe.bin",
        "/gr%C3%B6%C3%9Fe.bin",
    ))
    .play(leads("spaces", "/a b.bin", "/a%20b.bin"))
    .play(leads("a fragment", "/y.bin#there", "/y.bin"))
    .play(lost("empty", || moved("")))
    .play(lost("absent", || Reply::new(302, Body::default())))
}

fn d08() -> Case {
    Case::new(
        "D08",
        "a cookie that the redirect sets is needed for the file",
        "sent, with every range too",
    )
    .play(
        Play::slices()
            .through("/go/x.bin")
            .origin(|| {
                |request, reply| match request.path() {
                    "/go/x.bin" => moved("/x.bin").with("Set-Cookie", "token=abc; Path=/"),
                    _ if request.header("cookie") == Some("token=abc") => reply,
                    _ => Reply::new(403, "no cookie\n".into()),
                }
            })
            .asked(|site, _| {
                assert!(site.exchanges().iter().all(|e| e.status != Some(403)));
                assert!(site.exchanges().iter().any(|e| asks_range(&e.request)));
            }),
    )
}

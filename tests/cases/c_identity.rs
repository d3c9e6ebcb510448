//! Section C: whether two answers are about the same file.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::case::{BEGINNING, Case, End, Mode, Play, plain_requests, range_of};
use super::section;
use crate::common::count::{counter, first};
use crate::common::hs::Hs;
use crate::common::node::Node;
use crate::common::origin::server::content::{self, Body};
use crate::common::origin::server::files::Resource;
use crate::common::origin::server::script::{Act, Point, Reply, Request};
use crate::common::origin::{MIB, Site, Via, asks_range, most_served};

section!(
    c01, c02, c03, c04, c05, c06, c07, c08, c09, c10, c11, c12, c13
);

const CHANGED: i32 = 7;
const NETWORK: i32 = 4;
const SIZE: u64 = 3 * MIB + 5;

/// The bytes of the file `seed` of [`SIZE`].
fn version(seed: u64) -> Arc<Vec<u8>> {
    Arc::new(content::bytes(seed, 0..SIZE))
}

fn nobody_begins_anew(site: &Site, mode: Mode) {
    assert_eq!(
        plain_requests(site),
        usize::from(mode != Mode::Resumed),
        "begun anew"
    );
}

fn c01() -> Case {
    let new = || Resource {
        limit: Some(20 * MIB),
        ..Resource::new(12, SIZE)
    };
    Case::new(
        "C01",
        "the ETag changes between two answers",
        "begun anew, all of the result is the new file; exit 7 where bytes are out already",
    )
    .play(
        Play::slices()
            .what("once")
            .modes(BEGINNING)
            .origin(move || {
                let (is_old, new) = (first(1), new());
                move |request, reply| if is_old() { reply } else { new.reply(request) }
            })
            .ends_apart(End::Bytes(version(12)), End::Fails(CHANGED, "changed")),
    )
    .play(
        Play::large()
            .what("while ranges come beside the first body")
            .modes(BEGINNING)
            .origin(|| {
                let is_old = first(3);
                let new = Resource {
                    limit: Some(20 * MIB),
                    ..Resource::new(12, 14 * MIB + 3)
                };
                move |request, reply| if is_old() { reply } else { new.reply(request) }
            })
            .ends_apart(
                End::Bytes(Arc::new(content::bytes(12, 0..14 * MIB + 3))),
                End::Fails(CHANGED, "changed"),
            ),
    )
    .play(
        Play::slices()
            .what("with every answer")
            .modes(BEGINNING)
            .origin(|| {
                let nth = counter();
                move |request, _| {
                    let reply = Resource::new(100 + nth() as u64, SIZE).reply(request);
                    // None of them can be had at once.
                    reply.fault(Point::Body(600_000), Act::Finish)
                }
            })
            .ends(End::Nothing(&[NETWORK, CHANGED])),
    )
}

fn c02() -> Case {
    Case::new(
        "C02",
        "Last-Modified changes, the strong ETag does not",
        "the tag is right: nothing happens",
    )
    .play(
        Play::slices()
            .origin(|| {
                let nth = counter();
                move |_, reply: Reply| {
                    let second = nth() % 60;
                    reply.replace(
                        "Last-Modified",
                        format!("Mon, 02 Mar 2026 11:00:{second:02} GMT"),
                    )
                }
            })
            .asked(nobody_begins_anew),
    )
    .also("src/entity.rs", "agreement")
}

fn weak(r: &mut Resource) {
    r.etag = Some("W/\"v1\"".to_owned());
}

fn c03() -> Case {
    let no_weak_condition = |site: &Site| {
        for exchange in site.exchanges() {
            for name in ["if-range", "if-match"] {
                let value = exchange.request.header(name).unwrap_or_default().to_owned();
                assert!(!value.contains("W/"), "{name}: {value}");
            }
        }
    };
    Case::new(
        "C03",
        "the ETag is weak",
        "in no condition, but compared; a part is gone on with if a date or a checksum is there as well",
    )
    .play(Play::slices().what("and a date").resource(weak).asked(move |site, mode| {
        no_weak_condition(site);
        nobody_begins_anew(site, mode);
    }))
    .play(
        Play::slices()
            .what("alone")
            .resource(|r| {
                weak(r);
                r.last_modified = None;
            })
            .asked(move |site, mode| {
                no_weak_condition(site);
                if mode == Mode::Resumed {
                    let asked = site.exchanges();
                    assert!(!asks_range(&asked[0].request), "gone on with");
                }
            }),
    )
    .play(
        Play::slices()
            .what("another one, and the same date")
            .modes(BEGINNING)
            .resource(weak)
            .origin(|| {
                let is_old = first(1);
                let mut new = Resource::new(12, SIZE);
                new.etag = Some("W/\"v2\"".to_owned());
                move |request, reply| if is_old() { reply } else { new.reply(request) }
            })
            .ends_apart(End::Bytes(version(12)), End::Fails(CHANGED, "changed")),
    )
}

fn c04() -> Case {
    // Apache's tags have the inode in them: each node has its own for the same bytes.
    let nodes = |answers: usize| {
        move || {
            let (is_mixed, nth) = (first(answers), counter());
            move |request: &Request, reply: Reply| {
                let node = nth() % 2;
                if node == 0 || !is_mixed() {
                    return reply;
                }
                let other = Resource {
                    etag: Some("\"the-other-node\"".to_owned()),
                    limit: Some(20 * MIB),
                    ..Resource::new(11, SIZE)
                };
                other.reply(request)
            }
        }
    };
    Case::new(
        "C04",
        "two nodes have different ETags for the same bytes",
        "it goes on with the address at which it was begun; behind one address it counts as a change: begun anew, and given up if it goes on; never mixed",
    )
    .play(
        Play::scene(at_two_addresses)
            .what("at two addresses")
            .over(super::case::EVERYWHERE)
            .modes(super::case::EVERY_MODE),
    )
    .play(
        Play::slices()
            .what("five answers")
            .origin(nodes(5))
            .ends_apart(End::Whole, End::WholeOr(CHANGED)),
    )
    .play(
        Play::slices()
            .what("every second answer")
            .origin(nodes(usize::MAX))
            .ends_apart(End::WholeOr(NETWORK), End::WholeOr(CHANGED)),
    )
}

/// A host with two addresses, each with a tag of its own, and, so that it shows which of them was used, with bytes of its
/// own. The first takes one connection; when the second was met, it takes more.
fn at_two_addresses(via: Via, mode: Mode) {
    let node = |seed, tag: &str| Resource {
        etag: Some(tag.to_owned()),
        limit: Some(20 * MIB),
        ..Resource::new(seed, SIZE)
    };
    let is_first = first(1);
    let one = Site::behaving(via, move |_, reply| match is_first() {
        true => reply.fault(Point::Body(300_000), Act::Close),
        false => reply,
    });
    one.set("/x.bin", node(11, "\"one\""));
    let other = Site::new(via);
    other.set("/x.bin", node(12, "\"other\""));
    let is_first = first(1);
    let at = |last| IpAddr::from([127, 0, 0, last]);
    let first_node = Node::new(at(1), 0, one.port(), move |door| {
        if is_first() {
            door.shut();
        }
    });
    let door = first_node.door();
    let port = first_node.port();
    let _other_node = Node::new(at(2), port, other.port(), move |_| door.open());

    let hs = Hs::trusting_pem(&[one.ca_pem(), other.ca_pem()].concat());
    let url = one
        .url("/x.bin")
        .replace(&one.authority(), &format!("localhost:{port}"));
    let resolve = format!("localhost:{port}:127.0.0.1,127.0.0.2");
    let mut arguments = vec!["-t", "4", "--resolve", &resolve, &url];
    let mut play = Play::of(SIZE);
    play.resource = node(11, "\"one\"");
    match mode {
        Mode::Cold => {}
        Mode::Resumed => super::drive::leave_behind(&hs.dir(), &url, &play),
        Mode::Stream => arguments.push("-s"),
    }
    let done = hs.run(&arguments);
    let story = format!("{}{}\nand{}", done.stderr, one.story(), other.story());
    assert_eq!(done.code, Some(0), "{story}");
    match mode {
        Mode::Stream => assert!(done.bytes == play.bytes(), "{story}"),
        Mode::Cold | Mode::Resumed => hs.assert_only("x.bin", &play.bytes()),
    }
    assert!(
        !other.exchanges().is_empty(),
        "the other was not met: {story}"
    );
    nobody_begins_anew(&one, mode);
    assert_eq!(plain_requests(&other), 0, "{story}");
}

fn c05() -> Case {
    let bare = |r: &mut Resource| (r.etag, r.last_modified) = (None, None);
    let large = || Play::large().modes(BEGINNING).resource(bare);
    let checksum = || {
        let digest = crate::common::hs::sha256(&Play::large().bytes());
        format!("sha256:{digest}")
    };
    // Without a range nothing can be put together of two versions.
    let in_one_body = |site: &Site, _: Mode| {
        let exchanges = site.exchanges();
        assert!(exchanges.iter().all(|e| e.status == Some(200)));
    };
    let in_ranges = |site: &Site, _: Mode| {
        assert!(most_served(&site.exchanges()) > 2);
    };
    let replaced = || {
        let is_old = first(1);
        let mut new = Resource::new(12, 14 * MIB + 3);
        (new.etag, new.last_modified, new.limit) = (None, None, Some(20 * MIB));
        move |request: &Request, reply: Reply| match is_old() {
            true => reply,
            false => new.reply(request),
        }
    };
    Case::new(
        "C05",
        "no validator at all",
        "ranges only where a checksum tells in the end; else one body, begun anew where it breaks; a part is never gone on with",
    )
    .play(large().what("and no checksum").asked(in_one_body))
    .play(
        large()
            .what("and a checksum")
            .options(&["--checksum", &checksum()])
            .asked(in_ranges),
    )
    .play(
        large()
            .what("and the server states a digest")
            .origin(stating(vec![(
                "Repr-Digest",
                format!("sha-256=:{}:", Digests::of(&Play::large().bytes()).sha256),
            )]))
            .asked(in_ranges),
    )
    .play(
        large()
            .what("and it is another file of the same length when ranges begin")
            .origin(replaced)
            .asked(in_one_body),
    )
    .play(
        large()
            .what("the same, and a checksum")
            .options(&["--checksum", &checksum()])
            .origin(replaced)
            .ends(End::Nothing(&[3])),
    )
    .play(
        Play::small()
            .what("the body breaks")
            .modes(BEGINNING)
            .resource(bare)
            .origin(|| {
                let is_first = first(1);
                move |_, reply| match is_first() {
                    true => reply.fault(Point::Body(100_000), Act::Finish),
                    false => reply,
                }
            })
            .asked(in_one_body)
            .ends_apart(End::Whole, End::Fails(NETWORK, "")),
    )
    .play(
        Play::small()
            .what("a part of an earlier run")
            .modes(&[Mode::Resumed])
            .resource(bare)
            .asked(in_one_body),
    )
}

fn c06() -> Case {
    Case::new(
        "C06",
        "If-Range does not hold: 200 with the new file",
        "begun anew with this very body",
    )
    .play(
        Play::slices()
            .modes(&[Mode::Resumed])
            .origin(|| {
                let new = Resource::new(12, SIZE);
                move |request, _| new.reply(request)
            })
            .ends(End::Bytes(version(12))),
    )
    .play(
        Play::small()
            .what("of another length")
            .over(super::case::EVERYWHERE)
            .modes(&[Mode::Resumed])
            .origin(|| {
                let new = Resource::new(12, 200_000);
                move |request, _| new.reply(request)
            })
            .ends(End::Bytes(Arc::new(content::bytes(12, 0..200_000))))
            .asked(|site, _| assert_eq!(site.exchanges().len(), 1)),
    )
}

fn c07() -> Case {
    let undated = |mut reply: Reply| {
        if reply.status == 206 {
            let (start, end) = range_of(&reply);
            reply.body = Body::generated(12, start..end);
        } else {
            reply.body = Body::generated(12, 0..SIZE);
        }
        reply
    };
    Case::new(
        "C07",
        "206 of a changed file although If-Range was sent, and its date is the old one",
        "without a strong ETag 64 KiB before the gap are asked for too and compared; what differs is begun anew",
    )
    .play(
        Play::slices()
            .modes(&[Mode::Resumed])
            .resource(|r| r.etag = None)
            .origin(move || move |_, reply| undated(reply))
            .ends(End::Bytes(version(12))),
    )
    .play(
        Play::slices()
            .what("and it is the same")
            .modes(&[Mode::Resumed])
            .resource(|r| r.etag = None)
            .asked(nobody_begins_anew),
    )
}

/// Adds these header fields to every answer.
fn stating(
    fields: Vec<(&'static str, String)>,
) -> impl Fn() -> Box<crate::common::origin::Behaviour> {
    move || {
        let fields = fields.clone();
        Box::new(move |_, reply| {
            let add = |reply: Reply, (name, value): &(&str, String)| reply.replace(name, value);
            fields.iter().fold(reply, add)
        })
    }
}

/// Digests of the file of a small play, or of something else.
struct Digests {
    md5_hex: String,
    md5: String,
    sha256: String,
}

impl Digests {
    fn of(bytes: &[u8]) -> Self {
        let md5 = Md5::digest(bytes);
        Self {
            md5_hex: md5.iter().map(|byte| format!("{byte:02x}")).collect(),
            md5: BASE64_STANDARD.encode(md5),
            sha256: BASE64_STANDARD.encode(Sha256::digest(bytes)),
        }
    }

    fn right() -> Self {
        Self::of(&Play::small().bytes())
    }

    fn wrong() -> Self {
        Self::of(b"something else")
    }
}

const VERIFIED: &str = "verified by";

/// A small file from an origin that states this.
fn states(what: &'static str, fields: &[(&'static str, String)]) -> Play {
    Play::small()
        .what(what)
        .modes(BEGINNING)
        .origin(stating(fields.to_vec()))
}

fn c08() -> Case {
    let (right, wrong) = (Digests::right(), Digests::wrong());
    let s3 = || ("x-amz-request-id", "1".to_owned());
    let tag = |hex: &str, more: &str| ("ETag", format!("\"{hex}{more}\""));
    let other = |what, fields: &[(&'static str, String)]| states(what, fields).says("no checksum");
    Case::new(
        "C08",
        "an ETag that looks like an MD5",
        "taken for one only from S3, of an object in one piece, without a key of its own",
    )
    .play(states("of S3", &[tag(&right.md5_hex, ""), s3()]).says(VERIFIED))
    .play(states("of S3, wrong", &[tag(&wrong.md5_hex, ""), s3()]).ends(End::Corrupt))
    .play(other("of 17 parts", &[tag(&wrong.md5_hex, "-17"), s3()]))
    .play(other(
        "SSE-KMS",
        &[
            tag(&wrong.md5_hex, ""),
            s3(),
            ("x-amz-server-side-encryption", "aws:kms".to_owned()),
        ],
    ))
    .play(other(
        "SSE-C",
        &[
            tag(&wrong.md5_hex, ""),
            s3(),
            (
                "x-amz-server-side-encryption-customer-algorithm",
                "AES256".to_owned(),
            ),
        ],
    ))
    .play(other(
        "of CloudFront",
        &[tag(&wrong.md5_hex, ""), ("x-amz-cf-id", "1".to_owned())],
    ))
    .play(other("of an unknown server", &[tag(&wrong.md5_hex, "")]))
}

fn c09() -> Case {
    let (right, wrong) = (Digests::right(), Digests::wrong());
    let goog = |md5: &str| ("x-goog-hash", format!("crc32c=AAAAAA==,md5={md5}"));
    Case::new(
        "C09",
        "x-goog-hash, and x-goog-stored-content-encoding: gzip",
        "held against the file, unless it is of the packed bytes",
    )
    .play(states("right", &[goog(&right.md5)]).says(VERIFIED))
    .play(states("wrong", &[goog(&wrong.md5)]).ends(End::Corrupt))
    .play(
        states(
            "of the packed bytes",
            &[
                goog(&wrong.md5),
                ("x-goog-stored-content-encoding", "gzip".to_owned()),
            ],
        )
        .says("no checksum"),
    )
}

fn c10() -> Case {
    let (right, wrong) = (Digests::right(), Digests::wrong());
    let field = |name, sha: &str| (name, format!("sha-256=:{sha}:"));
    Case::new(
        "C10",
        "Repr-Digest and Content-Digest, on 200 and on 206",
        "Repr-Digest is of the whole file whatever is sent, Content-Digest of one message and no use",
    )
    .play(states("Repr-Digest, right", &[field("Repr-Digest", &right.sha256)]).modes(super::case::EVERY_MODE).says(VERIFIED))
    .play(states("Repr-Digest, wrong", &[field("Repr-Digest", &wrong.sha256)]).modes(super::case::EVERY_MODE).ends(End::Corrupt))
    .play(states("Content-Digest, of something else", &[field("Content-Digest", &wrong.sha256)]).modes(super::case::EVERY_MODE).says("no checksum"))
    .play(states("Digest, wrong", &[("Digest", format!("SHA-256={}", wrong.sha256))]).ends(End::Corrupt))
    .play(states("Content-MD5, wrong", &[("Content-MD5", wrong.md5.clone())]).ends(End::Corrupt))
}

fn c11() -> Case {
    let (right, wrong) = (Digests::right(), Digests::wrong());
    let sha = |sha: &str| ("x-amz-checksum-sha256", sha.to_owned());
    let kind = |kind: &str| ("x-amz-checksum-type", kind.to_owned());
    Case::new(
        "C11",
        "x-amz-checksum-* of the file, or of the checksums of its parts",
        "the former is held against the file, the latter ignored",
    )
    .play(states("FULL_OBJECT", &[sha(&right.sha256), kind("FULL_OBJECT")]).says(VERIFIED))
    .play(
        states(
            "FULL_OBJECT, wrong",
            &[sha(&wrong.sha256), kind("FULL_OBJECT")],
        )
        .ends(End::Corrupt),
    )
    .play(states("COMPOSITE", &[sha(&wrong.sha256), kind("COMPOSITE")]).says("no checksum"))
    .play(
        states(
            "of 3 parts",
            &[sha(&format!("{}-3", wrong.sha256)), kind("FULL_OBJECT")],
        )
        .says("no checksum"),
    )
    .also("src/resolve/checksum.rs", "c09_c10_c11_header_fields")
}

/// A small file beside which there is this text.
fn beside(what: &'static str, path: &'static str, text: String) -> Play {
    Play::small()
        .what(what)
        .modes(BEGINNING)
        .options(&["--sidecar"])
        .origin(move || {
            let text = text.clone();
            move |request, reply| match request.path() {
                "/x.bin" => reply,
                found if found == path => {
                    Reply::new(200, text.as_str().into()).with("Content-Type", "text/plain")
                }
                _ => Reply::new(404, "<html>no such file</html>".into()),
            }
        })
}

fn c12() -> Case {
    let hex = |bytes: &[u8]| crate::common::hs::sha256(bytes);
    let (right, wrong) = (hex(&Play::small().bytes()), hex(b"something else"));
    let md5 = Digests::right().md5_hex;
    let found = |play: Play| play.says(VERIFIED);
    let unsure = |play: Play| play.says("no checksum");
    Case::new(
        "C12",
        "SHA256SUMS and the like: GNU, BSD, paths, CRLF, capitals, duplicates, signatures",
        "read; what could mean two things means nothing",
    )
    .play(found(beside(
        "a digest alone",
        "/x.bin.sha256",
        format!("{right}\n"),
    )))
    .play(found(beside(
        "capitals and CRLF",
        "/x.bin.sha256",
        format!("{}  x.bin\r\n", right.to_uppercase()),
    )))
    .play(found(beside(
        "BSD",
        "/x.bin.md5",
        format!("MD5 (x.bin) = {md5}\n"),
    )))
    .play(found(beside(
        "GNU, binary",
        "/SHA256SUMS",
        format!("{wrong}  y.bin\n{right} *x.bin\n"),
    )))
    .play(found(beside(
        "with a path",
        "/MD5SUMS",
        format!("{md5}  ./x.bin\n"),
    )))
    .play(found(beside(
        "signed",
        "/SHA256SUMS",
        format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{right}  x.bin\n\
         -----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n"
        ),
    )))
    .play(unsure(beside(
        "twice, and different",
        "/x.bin.sha256",
        format!("{wrong}  x.bin\n{right}  x.bin\n"),
    )))
    .play(unsure(beside(
        "a page",
        "/x.bin.sha256",
        "<html>soft 404</html>".to_owned(),
    )))
    .play(unsure(beside(
        "of another file",
        "/x.bin.sha256",
        format!("{wrong}  y.bin\n"),
    )))
    .play(beside("wrong", "/x.bin.sha256", format!("{wrong}  x.bin\n")).ends(End::Corrupt))
    .also("src/sums.rs", "c12_lists_of_a_folder")
}

fn c13() -> Case {
    const WRONG: &str = "sha256:7777777777777777777777777777777777777777777777777777777777777777";
    let right = |play: &Play| format!("sha256:{}", crate::common::hs::sha256(&play.bytes()));
    // The first body has something else in front, and its headers say nothing of that.
    let damaged = |play: Play| {
        play.origin(|| {
            let is_first = first(1);
            move |_, mut reply| {
                if is_first() {
                    let rest = reply.body.len() - 9;
                    reply.body = Body::from("corrupted").and(Body::generated(11, 9..9 + rest));
                }
                reply
            }
        })
    };
    let twice = |site: &Site, mode: Mode| {
        let downloads = if mode == Mode::Stream { 1 } else { 2 };
        let least = downloads - usize::from(mode == Mode::Resumed);
        let plain = plain_requests(site);
        assert!((least..=downloads).contains(&plain), "{plain} downloads");
    };
    let small = right(&Play::small());
    let wrong = |play: Play| {
        play.options(&["--checksum", WRONG])
            .ends(End::Corrupt)
            .asked(twice)
    };
    Case::new(
        "C13",
        "the checksum is wrong at the end",
        "set aside as NAME.corrupt and downloaded once more; exit 3 if that is wrong too; a stream tells it behind its last byte",
    )
    .play(
        wrong(Play::small())
            .what("given by the user")
            .over(super::case::EVERYWHERE)
            .says("checksum"),
    )
    .play(wrong(Play::slices()).what("in ranges"))
    .play(
        wrong(Play::of(1000).resource(|r| r.length = false))
            .what("no length")
            .modes(BEGINNING),
    )
    .play(
        damaged(Play::small().what("damaged once"))
            .modes(&[Mode::Cold])
            .options(&["--checksum", &small])
            .asked(twice),
    )
    .play(
        damaged(Play::small().what("damaged once, and a stream"))
            .modes(&[Mode::Stream])
            .options(&["--checksum", &small])
            .ends(End::Nothing(&[3]))
            .says("checksum")
            .asked(twice),
    )
    .play(
        damaged(Play::small().what("the rest of a part of an earlier run is damaged"))
            .modes(&[Mode::Resumed])
            .options(&["--checksum", &small]),
    )
    .also("tests/verify.rs", "what_is_wrong_stays_when_the_second_download_breaks")
}

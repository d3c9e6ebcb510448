//! With `-s` the bytes come out once and in order, whatever happens to the requests and however slow the reader is; and
//! where that cannot be, the exit status says so.

use std::time::{Duration, Instant};

use crate::common::count::counter;
use crate::common::hs::{Done, Hs, assert_same, sha256};
use crate::common::origin::server::content::Body;
use crate::common::origin::server::files::{Resource, seed_of};
use crate::common::origin::server::script::{Act, Point, Reply};
use crate::common::origin::{
    MIB, Site, Via, asks_for, asks_range, bytes_of, in_every_way, most_active, taking,
};

/// What a cut may cost: bytes that were on their way when a neighbour's start was reached.
const CUT: u64 = MIB;

/// Speed of each request in tests that count bytes: so slow that a busy machine has a third of a second for a cut.
const STEADY: u64 = 3 * MIB;

/// Runs `hs -s ARGUMENTS | READER`; what the reader writes is returned. The exit code is that of `hs`.
fn pipe(hs: &Hs, arguments: &str, reader: &str) -> (Done, Vec<u8>) {
    let program = Hs::PROGRAM;
    let script = format!(
        "'{program}' --cacert ca.pem -s {arguments} | {{ {reader}; }} >out; exit ${{PIPESTATUS[0]}}"
    );
    let done = hs.run_program("bash", &["-c", &script]);
    let out = std::fs::read(hs.home().join("out")).unwrap();
    assert_eq!(hs.files(), [""; 0], "a stream leaves nothing behind");
    (done, out)
}

/// A stream of all of a file succeeds and is right.
fn assert_streams(site: &Site, options: &str, path: &str, query: &str, size: u64) -> Done {
    let hs = Hs::trusting(site);
    let url = site.url(&format!("{path}?size={size}&{query}"));
    let (done, out) = pipe(&hs, &format!("{options} '{url}'"), "cat");
    assert_same("the stream", &out, &bytes_of(path, size));
    done.exits(0)
}

#[test]
fn every_size_streams_over_every_protocol() {
    in_every_way(|via| {
        let site = Site::new(via);
        for size in [0, 1, 65_537, 3 * MIB + 7] {
            assert_streams(&site, "", "/some.bin", "", size);
        }
    });
}

#[test]
fn a_large_file_streams_in_ranges() {
    in_every_way(|via| {
        let site = Site::new(via);
        let size = 40 * MIB + 11;
        assert_streams(
            &site,
            "-t 8",
            "/large.bin",
            &format!("limit={STEADY}"),
            size,
        );
        let exchanges = site.settle().exchanges();
        assert!((5..=9).contains(&most_active(&exchanges)), "{via:?}");
        assert!(
            site.sent() <= size + size / 50 + CUT,
            "{via:?}: {}",
            site.sent()
        );
    });
}

#[test]
fn a_server_without_ranges_or_length_streams_too() {
    in_every_way(|via| {
        let site = Site::new(via);
        for query in [
            "ranges=none",
            "ranges=ignored",
            "ranges=broken",
            "ranges=silent",
            "length=off",
        ] {
            assert_streams(&site, "-t 4", "/odd.bin", query, 20 * MIB + 3);
        }
    });
}

#[test]
fn several_urls_come_one_after_the_other() {
    in_every_way(|via| {
        let site = Site::new(via);
        let hs = Hs::trusting(&site);
        let files = [
            ("/a", 7 * MIB),
            ("/b", 0),
            ("/c", 1),
            ("/d", 30 * MIB),
            ("/e", 1000),
        ];
        let urls =
            files.map(|(path, size)| format!("'{}'", site.url(&format!("{path}?size={size}"))));
        let (done, out) = pipe(&hs, &urls.join(" "), "cat");
        done.exits(0);
        let expected: Vec<u8> = files
            .iter()
            .flat_map(|(path, size)| bytes_of(path, *size))
            .collect();
        assert_same("the stream", &out, &expected);
    });
}

#[test]
fn the_first_failure_ends_the_stream() {
    let site = Site::behaving(Via::Http2, |request, reply| match request.path() {
        "/b" => Reply::new(404, "no\n".into()),
        _ => reply,
    });
    let hs = Hs::trusting(&site);
    let urls =
        ["/a", "/b", "/c"].map(|path| format!("'{}'", site.url(&format!("{path}?size=1000"))));
    let (done, out) = pipe(&hs, &urls.join(" "), "cat");
    done.exits(4).says("404");
    assert_same("the stream", &out, &bytes_of("/a", 1000));
}

#[test]
fn f07_a_reader_that_stops_for_a_while_is_waited_for() {
    in_every_way(|via| {
        let site = Site::new(via);
        let size = 60 * MIB;
        let hs = Hs::trusting(&site);
        let url = site.url(&format!("/stop.bin?size={size}"));
        std::thread::scope(|scope| {
            let run = scope.spawn(|| pipe(&hs, &format!("-b 16 -t 8 '{url}'"), "sleep 3; cat"));
            std::thread::sleep(Duration::from_secs(2));
            // The window, the pipe, what sockets hold, and what the first body had behind its cut.
            let sent = site.sent();
            assert!(
                sent <= 40 * MIB,
                "{via:?}: {sent} bytes although nobody reads"
            );
            let (done, out) = run.join().unwrap();
            done.exits(0).never_says("again in");
            assert_same("the stream", &out, &bytes_of("/stop.bin", size));
        });
    });
}

#[test]
fn a_head_whose_connection_dies_goes_on_from_where_it_was() {
    in_every_way(|via| {
        let nth = counter();
        let site = Site::behaving(via, move |request, reply| {
            if asks_for(request, 20 * MIB) && nth() == 0 {
                return reply.fault(Point::Body(1_000_000), Act::Reset);
            }
            reply
        });
        assert_streams(&site, "-t 4", "/dies.bin", "", 30 * MIB);
    });
}

#[test]
fn c13_a_checksum_is_judged_behind_the_last_byte() {
    in_every_way(|via| {
        let site = Site::new(via);
        let size = 14 * MIB;
        let bytes = bytes_of("/sum.bin", size);
        let right = format!("--checksum sha256:{}", sha256(&bytes));
        assert_streams(&site, &right, "/sum.bin", "", size).says("verified by --checksum");
        for query in ["", "ranges=none", "length=off"] {
            let hs = Hs::trusting(&site);
            let url = site.url(&format!("/sum.bin?size={size}&{query}"));
            let wrong = format!("sha256:{}", sha256(b"something else"));
            let (done, out) = pipe(&hs, &format!("'{url}' --checksum {wrong}"), "cat");
            done.exits(3).explains("checksum");
            assert_same("the stream", &out, &bytes);
        }
    });
}

#[test]
fn several_digests_are_computed_in_one_pass() {
    let site = Site::new(Via::Http2);
    let bytes = bytes_of("/sums.bin", 1000);
    let url = site.url("/sums.bin?size=1000");
    let hs = Hs::trusting(&site);
    let expected = format!("sha256:{}", sha256(&bytes));
    let disk = hs
        .run(&["-th", "md5,sha256", &url])
        .exits(0)
        .says(&expected);
    assert!(disk.stderr.contains("md5:"));
    assert_streams(&site, "-th md5,SHA-256", "/sums.bin", "", 1000)
        .says(&expected)
        .says("md5:");
}

#[test]
fn c01_a_file_that_changes_under_the_reader_ends_the_stream_with_7() {
    in_every_way(|via| {
        let size = 60 * MIB;
        let site = Site::new(via);
        let old = Resource {
            limit: Some(2 * MIB),
            ..Resource::new(1, size)
        };
        site.set("/v.bin", old.clone());
        let hs = Hs::trusting(&site);
        let url = site.url("/v.bin");
        std::thread::scope(|scope| {
            let run = scope.spawn(|| pipe(&hs, &format!("-t 4 '{url}'"), "cat"));
            site.wait_for_sent(3 * MIB);
            std::thread::sleep(Duration::from_millis(200));
            site.set(
                "/v.bin",
                Resource {
                    limit: Some(2 * MIB),
                    ..Resource::new(2, size)
                },
            );
            let (done, out) = run.join().unwrap();
            done.exits(7).explains("changed");
            assert!(!out.is_empty());
            let bytes = crate::common::origin::server::content::bytes(1, 0..size);
            assert_same("the stream", &out, &bytes[..out.len()]);
        });
    });
}

#[test]
fn a_single_body_that_dies_goes_on_only_if_it_is_provably_the_same() {
    in_every_way(|via| {
        for (query, code) in [
            ("ranges=none", 0),
            ("length=off", 0),
            ("ranges=none&etag=off", 0),
            ("ranges=none&etag=off&modified=off", 4),
        ] {
            let nth = counter();
            let site = Site::behaving(via, move |_, reply| match nth() {
                0 => reply.fault(Point::Body(3_000_000), Act::Reset),
                _ => reply,
            });
            let hs = Hs::trusting(&site);
            let url = site.url(&format!("/whole.bin?size=8000000&{query}"));
            let (done, out) = pipe(&hs, &format!("'{url}'"), "cat");
            let bytes = bytes_of("/whole.bin", 8_000_000);
            let done = done.exits(code);
            if code == 0 {
                assert_same("the stream", &out, &bytes);
            } else {
                done.explains("bytes were written");
                assert_same("the stream", &out, &bytes[..out.len()]);
            }
        }
    });
}

#[test]
fn a_stream_that_is_begun_again_ends_although_ranges_are_ignored_by_then() {
    // The first range is of another file, so all is begun again, and then the whole file comes for every range.
    in_every_way(|via| {
        let nth = counter();
        let site = Site::behaving(via, move |request, mut reply| {
            if !asks_range(request) {
                return reply;
            }
            if nth() == 0 {
                reply.latency = Duration::from_secs(1);
                return reply.replace("ETag", "\"another\"");
            }
            reply.status = 200;
            reply.body = Body::generated(seed_of("/again.bin"), 0..14 * MIB);
            reply.headers.retain(|(name, _)| name != "Content-Range");
            reply
        });
        let options = "-t 2 --stream-chunk-mb 1";
        assert_streams(&site, options, "/again.bin", "limit=10000000", 14 * MIB);
    });
}

#[test]
fn a_stream_that_is_begun_again_with_room_for_one_request_asks_for_every_gap() {
    // The opening body brings the first gap, and cannot bring the one behind what is there already. No more than one request is
    // let in by then, and it is kept for want of a range that was seen to be served.
    let nth = counter();
    let is_begun = counter();
    let site = Site::behaving(Via::Http2, move |request, mut reply| {
        if !asks_range(request) {
            let at = Point::Head;
            return match is_begun() {
                0 => reply,
                _ => reply.fault(at, Act::MaxStreams(1)),
            };
        }
        match nth() {
            0 => reply.fault(Point::Body(100_000), Act::Stall(None)),
            3 => {
                reply.latency = Duration::from_secs(1);
                reply.replace("ETag", "\"another\"")
            }
            _ => reply,
        }
    });
    let options = "-t 4 --stream-chunk-mb 1 --give-up-after 10";
    assert_streams(&site, options, "/gaps.bin", "limit=4000000", 14 * MIB);
}

#[test]
fn the_end_of_a_file_does_not_wait_for_the_file_behind_it() {
    // One request at a time. When the first file's body breaks near its end, the second's has the only turn, and waits for the
    // window, and so for the end of the first.
    for (via, options) in [(Via::Http2, ""), (Via::Http1, "--connections 1")] {
        let site = Site::set_up(
            via,
            taking(1),
            Box::new(|request, reply| match request.path() {
                "/one.bin" if request.nth == 0 => {
                    reply.fault(Point::Body(3 * MIB - 50_000), Act::ResetStream(2))
                }
                _ => reply,
            }),
            Box::new(|_| true),
        );
        let hs = Hs::trusting(&site);
        let (one, two) = (3 * MIB, 40 * MIB);
        let urls = [("one", one), ("two", two)]
            .map(|(name, size)| site.url(&format!("/{name}.bin?size={size}")));
        let arguments = format!("-b 16 {options} '{}' '{}'", urls[0], urls[1]);
        let (done, out) = pipe(&hs, &arguments, "cat");
        done.exits(0);
        let both = [bytes_of("/one.bin", one), bytes_of("/two.bin", two)].concat();
        assert_same("the stream", &out, &both);
    }
}

#[test]
fn a_file_that_is_gone_in_mid_stream_is_4() {
    in_every_way(|via| {
        let site = Site::behaving(via, |request, mut reply| {
            if asks_range(request) {
                return Reply::new(404, "gone\n".into());
            }
            reply.limit = Some(STEADY);
            match request.nth {
                0 => reply,
                _ => Reply::new(404, "gone\n".into()),
            }
        });
        let hs = Hs::trusting(&site);
        let size = 60 * MIB;
        let url = site.url(&format!("/gone.bin?size={size}"));
        let (done, out) = pipe(&hs, &format!("-t 4 '{url}'"), "cat");
        done.exits(4).explains("404");
        assert_same(
            "the stream",
            &out,
            &bytes_of("/gone.bin", size)[..out.len()],
        );
    });
}

#[test]
fn what_waits_for_the_reader_while_all_stands_still_is_not_lost() {
    // The one body runs ahead of a reader that has stopped, and waits at the window's end. Then hs is stopped for so long that it
    // gives all connections up.
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let size = 60 * MIB;
    let url = site.url(&format!("/wait.bin?size={size}"));
    let program = Hs::PROGRAM;
    let script = format!(
        "mkfifo fifo; exec 3<>fifo; '{program}' --cacert ca.pem -s -t 1 -b 16 '{url}' >fifo 3<&- & id=$!; sleep 2; \
         kill -STOP $id; sleep 6; kill -CONT $id; sleep 4; cat <fifo 3<&- >out & exec 3<&-; wait $id; code=$?; wait; \
         rm fifo; exit $code"
    );
    let done = hs.run_program("bash", &["-c", &script]).exits(0);
    let out = std::fs::read(hs.home().join("out")).unwrap();
    assert_same("the stream", &out, &bytes_of("/wait.bin", size));
    assert!(
        done.stderr.contains("connections are lost"),
        "{}",
        done.stderr
    );
}

#[test]
fn an_interrupted_stream_ends_at_once_although_nobody_reads() {
    in_every_way(|via| {
        let site = Site::new(via);
        let hs = Hs::trusting(&site);
        for query in ["", "ranges=none"] {
            let url = site.url(&format!("/int.bin?size={}&{query}", 400 * MIB));
            // Opened for reading as well, so that nobody is missing and nobody reads.
            let script = format!(
                "mkfifo fifo; exec 3<>fifo; '{}' --cacert ca.pem -s -b 16 '{url}' >fifo & \
                 sleep 1.5; kill -INT $!; wait $!; code=$?; rm fifo; exit $code",
                Hs::PROGRAM
            );
            let begun = Instant::now();
            hs.run_program("bash", &["-c", &script]).exits(130);
            assert!(begun.elapsed() < Duration::from_secs(5), "{via:?}");
        }
        assert_eq!(hs.files(), [""; 0]);
    });
}

#[test]
fn a_terminal_gets_nothing_but_a_verdict() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let url = site.url("/tty.bin?size=1000");
    let hs_s = format!("'{}' --cacert ca.pem -s '{url}' 2>err", Hs::PROGRAM);
    let terminal = |command: &str| {
        let done = hs.run_program("script", &["-qec", command, "/dev/null"]);
        assert_eq!(done.stdout, "", "{command}");
        done.code
    };
    assert_eq!(terminal(&hs_s), Some(2));
    let right = sha256(&bytes_of("/tty.bin", 1000));
    assert_eq!(
        terminal(&format!("{hs_s} --checksum sha256:{right}")),
        Some(0)
    );
    let wrong = sha256(b"");
    assert_eq!(
        terminal(&format!("{hs_s} --checksum sha256:{wrong}")),
        Some(3)
    );
}

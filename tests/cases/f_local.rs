//! Section F: disk, signals, and whoever reads standard output.
//!
//! A full disk is a small one of memory, in a mount namespace that ends with the run.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::case::{Case, EVERYWHERE, Mode, Play};
use super::drive::leave_behind;
use super::section;
use crate::common::count::first;
use crate::common::hs::{Done, Hs};
use crate::common::origin::server::script::{Act, Point, Reply};
use crate::common::origin::{MIB, Site, asks_for, asks_range, bytes_of};

section!(f01, f02, f03, f04, f05, f06, f07, f08, f09);

const DISK: i32 = 5;
const BUSY: i32 = 8;

const FILE: &[Mode] = &[Mode::Cold];
const RESUMED: &[Mode] = &[Mode::Resumed];
const STREAM: &[Mode] = &[Mode::Stream];

fn f01() -> Case {
    let full = |what, query: &'static str, disk: &'static str, words: &'static str| {
        let scene = move |via, _| {
            let site = Site::new(via);
            let (done, left) = on_a_disk(&site, disk, &site.url(&format!("/x.bin?{query}")));
            done.exits(DISK).explains(words);
            assert!(!left.contains(&"x.bin".to_owned()), "{left:?}");
        };
        Play::scene(scene).what(what).over(EVERYWHERE).modes(FILE)
    };
    Case::new(
        "F01",
        "no space, a limit, a read-only disk, a folder that is gone",
        "exit 5, and what there is stays for the next run",
    )
    .play(full(
        "no room for all of it",
        "size=16000000",
        "size=4m",
        "no space",
    ))
    .play(full(
        "no room on the way",
        "size=16000000&length=off",
        "size=4m",
        "no space",
    ))
    .play(full("read-only", "size=10", "ro", "read-only"))
    .play(
        Play::scene(|via, _| {
            let site = Site::new(via);
            let hs = Hs::trusting(&site);
            let url = site.url("/x.bin?size=8000000&length=off");
            let script = format!(
                "trap '' XFSZ; ulimit -f 2000; exec '{}' --cacert ca.pem '{url}'",
                Hs::PROGRAM
            );
            hs.run_program("bash", &["-c", &script])
                .exits(DISK)
                .explains("too large");
            assert!(!hs.files().contains(&"x.bin".to_owned()));
        })
        .what("a limit of file sizes")
        .modes(FILE),
    )
    .play(
        Play::scene(|via, _| {
            let site = Site::new(via);
            let hs = Hs::trusting(&site);
            let running = hs.start(&["-t", "4", &site.url("/x.bin?size=4000000&limit=2000000")]);
            site.wait_for_sent(MIB);
            // It may come to have another file while it is emptied.
            while hs.dir().exists() {
                let _ = fs::remove_dir_all(hs.dir());
            }
            running.wait().exits(DISK).says("hint: ");
            assert!(!hs.dir().join("x.bin").exists());
        })
        .what("the folder vanishes")
        .modes(FILE),
    )
    .play(
        Play::scene(|via, _| {
            let site = Site::new(via);
            let hs = Hs::trusting(&site);
            let url = site.url("/x.bin?size=4000000");
            let script = format!("'{}' --cacert ca.pem -s '{url}' >/dev/full", Hs::PROGRAM);
            let done = hs.run_program("bash", &["-c", &script]).exits(DISK);
            done.explains("standard output");
        })
        .what("standard output")
        .over(EVERYWHERE)
        .modes(STREAM),
    )
    .also(
        "src/sink/torture.rs",
        "every_call_that_fails_once_leaves_the_truth",
    )
}

/// Runs `hs` with a destination that is a disk of memory with these options, and says what is left there.
fn on_a_disk(site: &Site, options: &str, url: &str) -> (Done, Vec<String>) {
    const SCRIPT: &str = r#"
        mount -t tmpfs -o "$2" none "$1" || exit 99
        "$3" --cacert ca.pem -o "$1" "$4"
        code=$?
        ls "$1" >left
        exit $code"#;
    let hs = Hs::trusting(site);
    hs.write("unused", b"");
    let dir = hs.dir();
    let words = [dir.to_str().unwrap(), options, Hs::PROGRAM, url];
    let arguments = [&["-rm", "sh", "-c", SCRIPT, "sh"][..], &words].concat();
    let done = hs.run_program("unshare", &arguments);
    assert_ne!(
        done.code,
        Some(99),
        "this user may not mount: {}",
        done.stderr
    );
    let left = fs::read_to_string(hs.home().join("left")).unwrap();
    (done, left.lines().map(str::to_owned).collect())
}

fn f02() -> Case {
    let with = |what, prepare: fn(&Hs), judge: fn(&Hs, &[u8])| {
        let scene = move |via, _| {
            let site = Site::new(via);
            let hs = Hs::trusting(&site);
            fs::create_dir_all(hs.dir()).unwrap();
            prepare(&hs);
            hs.run(&[&site.url("/x.bin?size=1000")]).exits(0);
            judge(&hs, &bytes_of("/x.bin", 1000));
        };
        Play::scene(scene).what(what).modes(FILE)
    };
    let beside = |hs: &Hs, bytes: &[u8]| hs.assert_file("x (1).bin", bytes);
    Case::new(
        "F02",
        "something is at the target, or planted where the part has to be",
        "a complete file is skipped, anything else stays and the file gets a free name; no link is followed",
    )
    .play(with(
        "a file of the same size",
        |hs| hs.write("x.bin", &[7; 1000]),
        |hs, _| hs.assert_only("x.bin", &[7; 1000]),
    ))
    .play(with("a file of another size", |hs| hs.write("x.bin", b"mine"), move |hs, bytes| {
        hs.assert_file("x.bin", b"mine");
        hs.assert_file("x (1).bin", bytes);
    }))
    .play(with("a folder", |hs| fs::create_dir(hs.dir().join("x.bin")).unwrap(), beside))
    .play(with(
        "a link that leads nowhere",
        |hs| symlink(hs.home().join("nowhere"), hs.dir().join("x.bin")).unwrap(),
        |hs, bytes| {
            hs.assert_file("x (1).bin", bytes);
            assert!(!hs.home().join("nowhere").exists(), "the link was followed");
        },
    ))
    .play(with(
        "a read-only file",
        |hs| {
            hs.write("x.bin", b"mine");
            let only_read = fs::Permissions::from_mode(0o444);
            fs::set_permissions(hs.dir().join("x.bin"), only_read).unwrap();
        },
        |hs, bytes| {
            hs.assert_file("x.bin", b"mine");
            hs.assert_file("x (1).bin", bytes);
        },
    ))
    .play(with(
        "links where the control file and its draft have to be",
        |hs| {
            fs::write(hs.home().join("victim"), "precious").unwrap();
            for name in ["x.bin.part.json", "x.bin.part.new"] {
                symlink(hs.home().join("victim"), hs.dir().join(name)).unwrap();
            }
        },
        |hs, bytes| {
            hs.assert_only("x.bin", bytes);
            assert_eq!(fs::read(hs.home().join("victim")).unwrap(), b"precious");
        },
    ))
    .play(
        Play::scene(|via, _| {
            let site = Site::new(via);
            let hs = Hs::trusting(&site);
            fs::create_dir_all(hs.dir()).unwrap();
            fs::write(hs.home().join("victim"), "precious").unwrap();
            symlink(hs.home().join("victim"), hs.dir().join("x.bin.part")).unwrap();
            let done = hs.run(&[&site.url("/x.bin?size=1000")]).exits(DISK);
            done.explains("not a regular file");
            assert_eq!(fs::read(hs.home().join("victim")).unwrap(), b"precious");
        })
        .what("a link where the part has to be")
        .modes(FILE),
    )
    .play(
        Play::scene(|via, _| {
            let site = Site::new(via);
            let hs = Hs::trusting(&site);
            let url = site.url("/x.bin?size=1000");
            // Not even root may make anything there.
            let done = hs.run_bare(&["--cacert", "ca.pem", "-o", "/proc/hs-test", &url]);
            done.exits(DISK).explains("/proc/hs-test");
        })
        .what("a folder that may not be made")
        .modes(FILE),
    )
    .also("src/sink/file.rs", "planted_links_are_not_followed")
    .also("src/sink/disk.rs", "what_is_not_a_file_of_its_own_is_neither_followed_nor_opened")
}

/// A file that takes long enough to be interrupted: 8 MiB, a third of it in some 0.3 s.
const SLOW: &str = "/x.bin?size=8388608&limit=3145728";
const SIZE: u64 = 8 * MIB;

fn f03() -> Case {
    Case::new(
        "F03",
        "two of them on one target",
        "the second ends with 8, the first goes on",
    )
    .play(
        Play::scene(|via, _| {
            let site = Site::new(via);
            let hs = Hs::trusting(&site);
            let url = site.url(SLOW);
            let running = hs.start(&["-t", "8", &url]);
            site.wait_for_sent(MIB);
            hs.run(&["-t", "8", &url]).exits(BUSY).explains("in use");
            running.wait().exits(0);
            hs.assert_only("x.bin", &bytes_of("/x.bin", SIZE));
        })
        .what("at once")
        .over(EVERYWHERE)
        .modes(FILE),
    )
    .play(
        Play::scene(|via, _| {
            let site = Site::new(via);
            let hs = Hs::trusting(&site);
            let url = site.url(SLOW);
            let stopped = hs.start(&["-t", "8", &url]);
            site.wait_for_sent(MIB);
            stopped.signal(Signal::STOP);
            hs.run(&["-t", "8", &url]).exits(BUSY);
            stopped.kill();
            hs.run(&["-t", "8", &url]).exits(0);
            hs.assert_only("x.bin", &bytes_of("/x.bin", SIZE));
        })
        .what("and the first is killed")
        .modes(FILE),
    )
}

fn f04() -> Case {
    let interrupted = |what, signal, code| {
        let scene = move |via, mode: Mode| {
            let site = Site::new(via);
            let hs = Hs::trusting(&site);
            let url = site.url(SLOW);
            if mode == Mode::Resumed {
                interrupt(&site, &hs, &url, signal, code);
            }
            interrupt(&site, &hs, &url, signal, code);
            let asked = site.exchanges().len();
            hs.run(&["-t", "8", &url]).exits(0);
            hs.assert_only("x.bin", &bytes_of("/x.bin", SIZE));
            let first = &site.exchanges()[asked].request;
            assert!(asks_range(first), "begun anew");
        };
        Play::scene(scene).what(what).modes(super::case::TO_DISK)
    };
    Case::new(
        "F04",
        "SIGINT, SIGTERM, SIGHUP; the reader of standard output goes away",
        "state saved at once, exit 130, 143, 129; 141 without a word",
    )
    .play(interrupted("SIGINT", Signal::INT, 130))
    .play(interrupted("SIGTERM", Signal::TERM, 143))
    .play(interrupted("SIGHUP", Signal::HUP, 129))
    .play(
        Play::scene(|via, _| {
            let site = Site::new(via);
            let hs = Hs::trusting(&site);
            let url = site.url(&format!("/long.bin?size={}&limit={MIB}", 1000 * MIB));
            let begun = Instant::now();
            let (done, out) = pipe(&hs, &format!("'{url}'"), "head -c 100000");
            done.exits(141).never_says("hs:");
            assert!(out == bytes_of("/long.bin", 100_000));
            assert!(begun.elapsed() < Duration::from_secs(20));
            site.settle();
        })
        .what("head -c")
        .over(EVERYWHERE)
        .modes(STREAM),
    )
    .play(
        Play::scene(|via, _| {
            let site = Site::new(via);
            let hs = Hs::trusting(&site);
            let running = hs.start(&["-s", &site.url(SLOW)]);
            site.wait_for_sent(MIB);
            running.signal(Signal::INT);
            let done = running.wait();
            assert_eq!(done.code, Some(130), "{}", done.stderr);
            assert!(done.bytes == bytes_of("/x.bin", SIZE)[..done.bytes.len()]);
        })
        .what("SIGINT in a stream")
        .modes(STREAM),
    )
}

/// Lets a quarter arrive and sends this signal.
fn interrupt(site: &Site, hs: &Hs, url: &str, signal: Signal, code: i32) {
    let running = hs.start(&["-t", "4", url]);
    site.wait_for_sent(site.sent() + SIZE / 4);
    let begun = Instant::now();
    running.signal(signal);
    running
        .wait()
        .exits(code)
        .says("interrupted")
        .says("hint: ");
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(hs.files(), ["x.bin.part", "x.bin.part.json"]);
    site.settle();
}

/// Runs `hs -s ARGUMENTS | READER`; what the reader writes is returned. The exit code is that of `hs`.
fn pipe(hs: &Hs, arguments: &str, reader: &str) -> (Done, Vec<u8>) {
    let program = Hs::PROGRAM;
    let script = format!(
        "'{program}' --cacert ca.pem -s {arguments} | {{ {reader}; }} >out; exit ${{PIPESTATUS[0]}}"
    );
    let done = hs.run_program("bash", &["-c", &script]);
    (done, fs::read(hs.home().join("out")).unwrap())
}

fn f05() -> Case {
    type Damage = fn(&mut Vec<u8>);
    let damaged = |what, damage: Damage| {
        let scene = move |via, _| {
            let play = Play::small();
            let site = Site::new(via);
            site.set("/x.bin", play.resource.clone());
            let hs = Hs::trusting(&site);
            let url = site.url("/x.bin");
            leave_behind(&hs.dir(), &url, &play);
            let mut text = hs.read("x.bin.part.json");
            // The first line alone claims what is durable; later ones are of no use without it.
            text.truncate(1 + text.iter().position(|byte| *byte == b'\n').unwrap());
            damage(&mut text);
            hs.write("x.bin.part.json", &text);
            // Whoever trusts the part now gets these.
            hs.write("x.bin.part", &vec![0xee; play.resource.size as usize]);
            hs.run(&[&url]).exits(0);
            hs.assert_only("x.bin", &play.bytes());
            assert!(!asks_range(&site.exchanges()[0].request), "trusted");
        };
        Play::scene(scene).what(what).modes(RESUMED)
    };
    Case::new(
        "F05",
        "the control file is of another version, cut, of another URL, or one bit is wrong",
        "begun anew, nothing of the part is trusted",
    )
    .play(damaged("one bit of what is claimed", |text| {
        let claim = text.windows(12).position(|part| part == b"\"durable\":[[");
        text[claim.unwrap() + 12] ^= 1;
    }))
    .play(damaged("half of it", |text| text.truncate(text.len() / 2)))
    .play(damaged("empty", Vec::clear))
    .play(damaged("something else", |text| *text = b"{}".to_vec()))
    .play(damaged("another version", |text| {
        let version = text.windows(11).position(|part| part == b"\"version\":1");
        text[version.unwrap() + 10] = b'0';
    }))
    .play(
        Play::scene(|via, _| {
            let play = Play::small();
            let site = Site::new(via);
            let hs = Hs::trusting(&site);
            leave_behind(&hs.dir(), &site.url("/one/x.bin"), &play);
            let etag = play.resource.etag.clone();
            let other = crate::common::origin::server::files::Resource {
                etag,
                ..crate::common::origin::server::files::Resource::new(12, play.resource.size)
            };
            let bytes = crate::common::origin::server::content::bytes(12, 0..other.size);
            site.set("/two/x.bin", other);
            hs.run(&[&site.url("/two/x.bin")]).exits(0);
            hs.assert_file("x.bin", &bytes);
            assert!(!asks_range(&site.exchanges()[0].request), "mixed in");
        })
        .what("of another URL")
        .modes(RESUMED),
    )
    .play(
        Play::scene(|via, _| {
            let play = Play::small();
            let site = Site::new(via);
            site.set("/x.bin", play.resource.clone());
            let hs = Hs::trusting(&site);
            leave_behind(&hs.dir(), &site.url("/x.bin"), &play);
            hs.write("x.bin.part", b"short");
            hs.run(&[&site.url("/x.bin")]).exits(0);
            hs.assert_only("x.bin", &play.bytes());
        })
        .what("the part was cut")
        .modes(RESUMED),
    )
    .also(
        "src/sink/file.rs",
        "a_control_file_cut_or_damaged_anywhere_claims_no_unwritten_byte",
    )
}

fn f06() -> Case {
    let killed = |what, query: &'static str| {
        let scene = move |via, _| {
            let site = Site::new(via);
            let hs = Hs::trusting(&site);
            let url = site.url(&format!("/x.bin?size=20971520&limit=5242880{query}"));
            for third in 1..3 {
                let running = hs.start(&["-t", "4", &url]);
                site.wait_for_sent(third * 6 * MIB);
                running.kill();
                site.settle();
            }
            hs.run(&["-t", "4", &url]).exits(0);
            hs.assert_file("x.bin", &bytes_of("/x.bin", 20 * MIB));
        };
        Play::scene(scene).what(what).modes(super::case::TO_DISK)
    };
    Case::new(
        "F06",
        "kill -9 at any time, between data and state too",
        "what the state claims is always there; the rest is asked for again",
    )
    .play(killed("ranges", ""))
    .play(killed("a single stream", "&ranges=none"))
    .also("tests/resume.rs", "kill_9_over_http2_costs_little")
    .also(
        "src/sink/file.rs",
        "after_a_kill_at_most_a_few_mebibytes_are_missing",
    )
}

fn f07() -> Case {
    let slow = |what, options: &'static str, reader: &'static str, most: usize| {
        let scene = move |via, _| {
            let site = Site::new(via);
            let hs = Hs::trusting(&site);
            let url = site.url("/slow.bin?size=31457280");
            let (done, out) = pipe(&hs, &format!("{options} '{url}'"), reader);
            done.exits(0).never_says("again in");
            assert!(out == bytes_of("/slow.bin", 30 * MIB));
            let exchanges = site.settle().exchanges();
            assert!(exchanges.len() <= most, "{} requests", exchanges.len());
            let sent = site.sent();
            assert!(sent <= 30 * MIB + 8 * MIB, "{sent} bytes were sent");
        };
        Play::scene(scene).what(what).modes(STREAM)
    };
    const SIPS: &str = "for i in {1..20}; do head -c 1048576; sleep 0.05; done; cat";
    Case::new(
        "F07",
        "the reader of standard output is slower than the network",
        "the network is slowed down, within a bounded buffer; no request and no byte more",
    )
    .play(slow("four requests", "-b 16 -t 4", SIPS, 40).over(EVERYWHERE))
    .play(slow("one request", "-b 16 -t 1", SIPS, 1))
    .play(slow("who stops for 3 s", "-b 16 -t 8", "sleep 3; cat", 60))
}

fn f08() -> Case {
    let fault = |what, behave: fn(Reply) -> Reply, times: usize| {
        Play::of(40 * MIB)
            .what(what)
            .modes(STREAM)
            .options(&["-b", "16"])
            .origin(move || {
                let fails = first(times);
                move |request, reply| {
                    if asks_for(request, 20 * MIB) && fails() {
                        return behave(reply);
                    }
                    reply
                }
            })
    };
    Case::new(
        "F08",
        "the slice that all others wait for keeps failing, or stalls",
        "taken over before anything else; the others wait when the buffer is full",
    )
    .play(fault(
        "503, three times",
        |_| Reply::new(503, "busy\n".into()),
        3,
    ))
    .play(fault(
        "a reset",
        |reply| reply.fault(Point::Body(100_000), Act::Reset),
        2,
    ))
    .play(fault(
        "a stall",
        |reply| reply.fault(Point::Body(100_000), Act::Stall(None)),
        1,
    ))
    .play(fault(
        "a stall before the answer",
        |reply| reply.fault(Point::Head, Act::Stall(None)),
        1,
    ))
}

fn f09() -> Case {
    Case::new(
        "F09",
        "the clock was set back: files are from the future",
        "no date of a file is looked at, and no pause is measured by the wall clock",
    )
    .play(
        Play::scene(|via, _| {
            let play = Play::small();
            let nth = first(2);
            let site = Site::behaving(via, move |_, reply| match nth() {
                true => Reply::new(503, "busy\n".into())
                    .with("Retry-After", "Mon, 02 Mar 2026 10:00:00 GMT"),
                false => reply,
            });
            site.set("/x.bin", play.resource.clone());
            let hs = Hs::trusting(&site);
            leave_behind(&hs.dir(), &site.url("/x.bin"), &play);
            let future = std::time::SystemTime::now() + Duration::from_secs(3_000_000_000);
            for name in hs.files() {
                let file = fs::File::options()
                    .write(true)
                    .open(hs.dir().join(name))
                    .unwrap();
                file.set_modified(future).unwrap();
            }
            hs.run(&[&site.url("/x.bin")]).exits(0);
            hs.assert_only("x.bin", &play.bytes());
            assert!(
                site.exchanges().iter().all(|e| asks_range(&e.request)),
                "begun anew"
            );
        })
        .modes(RESUMED),
    )
    .also("src/retry.rs", "e02_retry_after")
}

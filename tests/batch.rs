//! Many files in one run: lists of them, many at once, and what becomes of the run if some fail.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::common::hs::{Hs, sha256};
use crate::common::origin::server::files::Resource;
use crate::common::origin::server::script::Reply;
use crate::common::origin::{MIB, Site, Via, bytes_of, taking};

/// Puts a list into the folder of the runs.
fn list(hs: &Hs, lines: &str) -> String {
    let path: PathBuf = hs.home().join("list.txt");
    std::fs::write(&path, lines).unwrap();
    path.into_os_string().into_string().unwrap()
}

#[test]
fn a_list_has_urls_comments_and_objects() {
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    let body = bytes_of("/c.bin", 3000);
    let list = list(
        &hs,
        &format!(
            "\u{feff}# files\r\n\r\n{}\r\n  {} and words\n{{\"url\": \"{}\", \"out\": \"see.dat\", \"checksum\": \"sha256:{}\"}}\n{}",
            site.url("/a.bin?size=1000"),
            site.url("/b.bin?size=2000"),
            site.url("/c.bin?size=3000"),
            sha256(&body),
            site.url("/d.bin?size=4000"),
        ),
    );
    for option in ["-i", "--input"] {
        hs.run(&[option, &list]).exits(0);
    }
    assert_eq!(hs.files(), ["a.bin", "b.bin", "d.bin", "see.dat"]);
    hs.assert_file("see.dat", &body);
    hs.assert_file("d.bin", &bytes_of("/d.bin", 4000));
}

#[test]
fn urls_and_a_list_go_together_and_twice_the_same_is_once() {
    let site = Site::new(Via::Clear);
    let hs = Hs::new();
    let (a, b) = (site.url("/a.bin?size=1000"), site.url("/b.bin?size=1000"));
    let list = list(&hs, &format!("{b}\n{a}\n{b}\n"));
    hs.run(&[&a, "-i", &list]).exits(0);
    assert_eq!(hs.files(), ["a.bin", "b.bin"]);
    assert_eq!(site.exchanges().len(), 2, "{}", site.story());
}

#[test]
fn a_list_may_come_from_a_pipe_that_is_still_written() {
    let site = Site::new(Via::Clear);
    let hs = Hs::new();
    // The first file has to be there before the second is named.
    let script = format!(
        "(echo {}; for i in $(seq 600); do test -e download/a.bin && break; sleep 0.1; done; test -e download/a.bin && echo {}) \
         | {} -i - -o download",
        site.url("/a.bin?size=1000"),
        site.url("/b.bin?size=1000"),
        Hs::PROGRAM,
    );
    hs.run_program("sh", &["-c", &script]).exits(0);
    assert_eq!(hs.files(), ["a.bin", "b.bin"]);
}

#[test]
fn a_bad_line_is_named_and_the_others_are_fetched() {
    let site = Site::new(Via::Clear);
    let hs = Hs::new();
    let list = list(
        &hs,
        &format!(
            "{}\nftp://h/x\n{{\"url\": 7}}\nnonsense\n{}\n",
            site.url("/a.bin?size=1000"),
            site.url("/b.bin?size=1000")
        ),
    );
    let done = hs.run(&["-i", &list]).exits(2);
    let done = done.says("list.txt:2: ftp://h/x: `ftp` is not supported");
    let done = done
        .says("list.txt:3: invalid type")
        .says("list.txt:4: nonsense: not a URL");
    done.says("2 complete, 3 failed");
    assert_eq!(hs.files(), ["a.bin", "b.bin"]);
}

#[test]
fn a_list_that_is_not_there_is_a_mistake() {
    let hs = Hs::new();
    for wrong in ["/no/such/list", "/"] {
        hs.run(&["-i", wrong]).exits(2).explains(wrong);
    }
    let empty = list(&hs, "# nothing\n");
    hs.run(&["-i", &empty]).exits(0);
    let list = list(&hs, "http://h/a\n");
    for option in [
        ["-O", "x"],
        ["--mirror", "http://h/b"],
        ["--checksum", "md5:00"],
    ] {
        hs.run(&["-i", &list, option[0], option[1]]).exits(2);
    }
}

#[test]
fn a_run_goes_on_after_a_failure_and_ends_with_what_the_failures_have_in_common() {
    let site = Site::behaving(Via::Http1, |request, reply| {
        if request.target.contains("missing") {
            return Reply::new(404, "no\n".into());
        }
        reply
    });
    let hs = Hs::trusting(&site);
    let (good, missing) = (site.url("/good.bin?size=1000"), site.url("/missing.bin"));
    let done = hs
        .run(&[&missing, &good, &site.url("/missing.too")])
        .exits(4);
    done.says("1 complete, 2 failed").says(&missing);
    hs.assert_only("good.bin", &bytes_of("/good.bin", 1000));
    let wrong = format!(
        "{{\"url\": \"{good}\", \"out\": \"x\", \"checksum\": \"md5:{}\"}}",
        "0".repeat(32)
    );
    let wrong = list(&hs, &wrong);
    hs.run(&[&missing, "-i", &wrong]).exits(1);
}

#[test]
fn files_of_one_name_become_several_and_the_same_ones_each_time() {
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    let urls: Vec<_> = (1..=5)
        .map(|n| site.url(&format!("/{n}/s.bin?size={n}000")))
        .collect();
    let arguments: Vec<_> = urls.iter().map(String::as_str).collect();
    for _ in 0..2 {
        hs.run(&arguments).exits(0);
        let names = ["s (1).bin", "s (2).bin", "s (3).bin", "s (4).bin", "s.bin"];
        assert_eq!(hs.files(), names);
        hs.assert_file("s.bin", &bytes_of("/1/s.bin", 1000));
        for n in 2..=5 {
            let body = bytes_of(&format!("/{n}/s.bin"), n * 1000);
            hs.assert_file(&format!("s ({}).bin", n - 1), &body);
        }
    }
}

/// Fetches so many small files in one run, and returns the number of connections.
fn small_files(via: Via, number: usize) -> usize {
    let site = Site::new(via);
    let hs = Hs::trusting(&site);
    let mut lines = String::new();
    for n in 0..number {
        writeln!(lines, "{}", site.url(&format!("/f{n}.bin?size=16384"))).unwrap();
    }
    let list = list(&hs, &lines);
    hs.run(&["-q", "-N", "-i", &list]).exits(0);
    assert_eq!(hs.files().len(), number);
    for n in [0, number / 2, number - 1] {
        hs.assert_file(
            &format!("f{n}.bin"),
            &bytes_of(&format!("/f{n}.bin"), 16384),
        );
    }
    assert_eq!(site.exchanges().len(), number, "one request for each file");
    site.connections().len()
}

#[test]
fn many_small_files_share_few_connections() {
    let connections = small_files(Via::Http1, 400);
    assert!(connections <= 8, "{connections} connections over HTTP/1.1");
    assert_eq!(small_files(Via::Http2, 400), 1, "connections over HTTP/2");
}

/// Small files have hardly ever a control file to go on with: what was complete stays, and the others are begun anew.
#[test]
fn small_files_that_were_killed_are_begun_anew() {
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    let (small, slow) = (20_000, "limit=10000");
    let mut lines = String::new();
    for n in 0..12 {
        let limit = if n < 3 { "" } else { slow };
        writeln!(
            lines,
            "{}",
            site.url(&format!("/f{n}.bin?size={small}&{limit}"))
        )
        .unwrap();
    }
    let list = list(&hs, &lines);
    let running = hs.start(&["-i", &list]);
    site.wait_for_sent(4 * small);
    running.kill();
    site.settle();
    let left = hs.files();
    assert!(left.iter().any(|name| name.ends_with(".part")), "{left:?}");
    hs.run(&["-i", &list]).exits(0);
    assert_eq!(hs.files().len(), 12);
    for n in 0..12 {
        let body = bytes_of(&format!("/f{n}.bin"), small);
        hs.assert_file(&format!("f{n}.bin"), &body);
    }
}

#[test]
fn a_slow_file_does_not_hold_up_the_others() {
    let site = Site::new(Via::Http1);
    let slow = Resource {
        limit: Some(50_000),
        ..Resource::new(1, 64 * MIB)
    };
    site.set("/slow.bin", slow);
    let hs = Hs::trusting(&site);
    let urls: Vec<_> = (0..20)
        .map(|n| site.url(&format!("/{n}.bin?size=1000")))
        .collect();
    let slow = site.url("/slow.bin");
    let mut arguments = vec![slow.as_str()];
    arguments.extend(urls.iter().map(String::as_str));
    let running = hs.start(&arguments);
    let done = || (0..20).all(|n| hs.files().contains(&format!("{n}.bin")));
    let begun = std::time::Instant::now();
    while !done() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(done(), "{:?}", hs.files());
    assert!(hs.files().contains(&"slow.bin.part".to_owned()));
    running.kill();
}

#[test]
fn an_interrupted_run_goes_on_where_it_stopped() {
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    let paths = ["/a.bin", "/b.bin", "/c.bin"];
    for (seed, path) in paths.iter().enumerate() {
        let resource = Resource {
            limit: Some(MIB),
            ..Resource::new(seed as u64, 6 * MIB)
        };
        site.set(path, resource);
    }
    let urls = paths.map(|path| site.url(path));
    let arguments = [urls[0].as_str(), &urls[1], &urls[2], "-t", "3"];
    let running = hs.start(&arguments);
    site.wait_for_sent(6 * MIB);
    running.signal(rustix::process::Signal::INT);
    running.wait().exits(130);
    let before = site.settle().sent();
    for (seed, path) in paths.iter().enumerate() {
        site.set(path, Resource::new(seed as u64, 6 * MIB));
    }
    hs.run(&arguments).exits(0);
    assert_eq!(hs.files(), ["a.bin", "b.bin", "c.bin"]);
    let again = site.settle().sent() - before;
    assert!(
        again < 14 * MIB,
        "{again} bytes were sent to the second run"
    );
}

#[test]
fn several_runs_in_one_folder_do_not_disturb_each_other() {
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    let url = |n: usize, m: usize| site.url(&format!("/{n}-{m}.bin?size=300000"));
    let runs: Vec<_> = (0..3)
        .map(|n| hs.start(&[&url(n, 0), &url(n, 1), &url(n, 2)]))
        .collect();
    for run in runs {
        run.wait().exits(0);
    }
    assert_eq!(hs.files().len(), 9);
    for n in 0..3 {
        for m in 0..3 {
            let name = format!("{n}-{m}.bin");
            hs.assert_file(&name, &bytes_of(&format!("/{name}"), 300_000));
        }
    }
}

#[test]
fn a_manifest_is_what_sha256sum_checks() {
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    let (a, b) = (site.url("/a.bin?size=1000"), site.url("/b.bin?size=2000"));
    let sums = hs.dir().join("SUMS");
    let sums = sums.to_str().unwrap();
    for _ in 0..2 {
        // The second time nothing is fetched, and nothing is listed twice.
        hs.run(&[&a, &b, "--manifest", sums, "-th", "sha256"])
            .exits(0);
        let checked = hs.run_program("sh", &["-c", "cd download && sha256sum -c SUMS"]);
        let mut lines: Vec<_> = checked.stdout.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["a.bin: OK", "b.bin: OK"]);
    }
    // What was there before is listed too.
    hs.run(&[&a, "--manifest", "MD5"]).exits(0);
    let checked = hs.run_program("sh", &["-c", "cd download && md5sum -c ../MD5"]);
    assert_eq!(checked.stdout, "a.bin: OK\n");
    hs.run(&[&a, "--manifest", "/proc/no/such"]).exits(5);
}

#[test]
fn a_list_streams_in_its_order() {
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    let urls: Vec<_> = (0..6)
        .map(|n| site.url(&format!("/{n}.bin?size=50000")))
        .collect();
    let list = list(&hs, &urls.join("\n"));
    let script = format!(
        "{} -s -q --cacert ca.pem -i {list} | sha256sum",
        Hs::PROGRAM
    );
    let done = hs.run_program("sh", &["-c", &script]);
    let all: Vec<_> = (0..6)
        .flat_map(|n| bytes_of(&format!("/{n}.bin"), 50_000))
        .collect();
    assert_eq!(
        done.stdout.split(' ').next(),
        Some(sha256(&all).as_str()),
        "{}",
        done.stderr
    );
}

/// Ten times as many files cost hardly more: a bit for each name, and nothing for what was asked and answered.
#[test]
fn a_long_list_of_files_that_are_not_wanted_costs_no_memory() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let peak = |number: usize, option: &str, code| {
        let lines: String = (0..number)
            .map(|n| site.url(&format!("/a/rather/long/path/f{n}.bin?size=1000")) + "\n")
            .collect();
        let list = list(&hs, &lines);
        let running = hs.start(&["-q", "-j", option, "-i", &list]);
        let peak = running.peak_memory();
        let done = running.wait();
        assert_eq!(done.code, Some(code), "{option}: {}", done.stderr);
        let reports = if code == 0 { number } else { 0 };
        assert_eq!(done.stdout.lines().count(), reports);
        peak
    };
    for (option, code) in [("--max-filesize=0", 1), ("--dry-run", 0)] {
        let (short, long) = (peak(1_000, option, code), peak(10_000, option, code));
        assert!(
            long < short + (4 << 10),
            "{option}: {long} KiB after {short} KiB"
        );
        assert!(long < 64 << 10, "{option}: {long} KiB");
    }
    assert_eq!(hs.files().len(), 0);
}

/// Every line is read, judged and told, and nothing of it is kept.
#[test]
fn a_long_list_costs_no_memory() {
    let hs = Hs::new();
    let mut lines = String::new();
    for n in 0..50_000 {
        writeln!(
            lines,
            "ftp://example.org/a/rather/long/path/to/a/file/that/is/called/{n}.bin"
        )
        .unwrap();
    }
    let list = list(&hs, &lines);
    let peak = |list: &str, option| {
        let running = hs.start(&["-q", option, "-i", list]);
        let peak = running.peak_memory();
        running.wait().exits(2);
        peak
    };
    for option in ["--max-filesize=0", "--dry-run"] {
        let long = peak(&list, option);
        assert!(long < 64 << 10, "{option}: {long} KiB");
    }
}

#[test]
fn files_wait_for_their_turn_where_a_host_takes_one_request_at_a_time() {
    // Each takes longer than a server may be silent, and waiting for a turn is no silence of the server.
    let site = Site::configured(taking(1));
    let hs = Hs::trusting(&site);
    let size = 6_000_000;
    let names = ["a.bin", "b.bin", "c.bin", "d.bin"];
    let lines = names.map(|name| site.url(&format!("/{name}?size={size}&limit=2000000")));
    let list = list(&hs, &lines.join("\n"));
    let patience = ["--stall-timeout", "2", "--give-up-after", "2"];
    let done = hs.run(&[&patience[..], &["-i", &list]].concat()).exits(0);
    assert!(!done.stderr.contains("stalled"), "{}", done.stderr);
    for name in names {
        hs.assert_file(name, &bytes_of(&format!("/{name}"), size));
    }
    assert_eq!(site.settle().connections().len(), 1, "connections");
}

/// Files that take three seconds each, by one request.
struct SlowFiles(usize);

impl SlowFiles {
    const SIZE: u64 = 3_000_000;
    /// No file is divided.
    const WHOLE: [&str; 2] = ["--min-chunk-mb", "8"];

    fn lines(&self, site: &Site) -> Vec<String> {
        let url = |n| site.url(&format!("/{n}.bin?size={}&limit=1000000", Self::SIZE));
        (0..self.0).map(url).collect()
    }

    fn assert_there(&self, hs: &Hs) {
        for n in 0..self.0 {
            let name = format!("{n}.bin");
            hs.assert_file(&name, &bytes_of(&format!("/{name}"), Self::SIZE));
        }
    }
}

#[test]
fn files_over_http1_come_at_once_though_http2_was_offered() {
    // None is short: libcurl would keep the others waiting for the end of the first.
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    let slow = SlowFiles(6);
    let list = list(&hs, &slow.lines(&site).join("\n"));
    let begun = Instant::now();
    let arguments = [&SlowFiles::WHOLE[..], &["-i", &list]].concat();
    hs.run(&arguments).exits(0);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "3 s each took {took:?}");
    slow.assert_there(&hs);
    assert_eq!(site.settle().exchanges().len(), 6, "{}", site.story());
    assert_eq!(site.connections().len(), 6, "connections");
}

#[test]
fn files_wait_for_one_of_the_connections_that_the_user_named() {
    // As above, where there are fewer connections than a browser has.
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    let slow = SlowFiles(6);
    let list = list(&hs, &slow.lines(&site).join("\n"));
    let limits = ["--stall-timeout", "2", "--connections", "2", "-i", &list];
    let arguments = [&SlowFiles::WHOLE[..], &limits].concat();
    let done = hs.run(&arguments).exits(0);
    assert!(!done.stderr.contains("stalled"), "{}", done.stderr);
    slow.assert_there(&hs);
    assert_eq!(site.settle().exchanges().len(), 6, "{}", site.story());
    assert_eq!(site.connections().len(), 2, "connections");
}

#[test]
fn files_wait_for_a_connection_over_http1_and_lose_nothing_by_it() {
    // Each takes longer than anybody may be silent, but for a short one, which says that others may be; three wait for one of
    // the first six to end.
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    let slow = SlowFiles(8);
    let mut lines = vec![site.url("/short.bin?size=1000")];
    lines.extend(slow.lines(&site));
    let list = list(&hs, &lines.join("\n"));
    let limits = ["--stall-timeout", "2", "--give-up-after", "2", "-i", &list];
    let arguments = [&SlowFiles::WHOLE[..], &limits].concat();
    hs.run(&arguments).exits(0);
    slow.assert_there(&hs);
    assert_eq!(site.settle().exchanges().len(), 9, "{}", site.story());
    assert_eq!(site.connections().len(), 6, "connections");
}

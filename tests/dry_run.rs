//! `--dry-run` says what would be done, and does nothing.

use serde_json::Value;

use crate::common::hs::Hs;
use crate::common::origin::server::files::{Ranges, Resource};
use crate::common::origin::server::script::Reply;
use crate::common::origin::{MIB, Site, Via, bytes_of, in_every_way};

/// The JSON objects on standard output.
fn objects(hs: &Hs, arguments: &[&str], code: i32) -> Vec<Value> {
    let all: Vec<_> = ["--dry-run", "--json"]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    let done = hs.run(&all);
    assert_eq!(done.code, Some(code), "{}", done.stderr);
    done.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_report_says_what_the_server_has_and_creates_nothing() {
    in_every_way(|via| {
        let site = Site::new(via);
        site.set("/a.bin", Resource::new(7, 30 * MIB));
        let hs = Hs::trusting(&site);
        let [report] = &objects(&hs, &[&site.url("/a.bin")], 0)[..] else {
            panic!("one object for one URL");
        };
        assert_eq!(report["name"], "a.bin");
        assert_eq!(report["size"], 30 * MIB);
        assert_eq!(report["ranges"], "yes");
        assert_eq!(report["etag"], "\"7-1e00000\"");
        assert_eq!(report["checksum"], Value::Null);
        assert_eq!(
            (&report["action"], &report["fits"]),
            (&"download".into(), &true.into())
        );
        assert!(report["free"].as_u64().unwrap() > 0);
        assert!(!hs.dir().exists(), "{:?}", hs.files());
        let asked = site.settle().exchanges();
        assert_eq!(asked.len(), 1, "{}", site.story());
        assert_eq!(asked[0].request.method, "GET");
        assert!(site.sent() < 20 * MIB, "{} bytes were sent", site.sent());
    });
}

#[test]
fn the_reports_are_in_the_order_of_the_urls() {
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    let urls: Vec<_> = (0..30)
        .map(|n| site.url(&format!("/{n}.bin?size=1000")))
        .collect();
    site.set(
        "/0.bin",
        Resource {
            latency: std::time::Duration::from_millis(500),
            ..Resource::new(1, 5)
        },
    );
    let arguments: Vec<_> = urls.iter().map(String::as_str).collect();
    let names: Vec<_> = objects(&hs, &arguments, 0)
        .iter()
        .map(|report| report["name"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<_> = (0..30).map(|n| format!("{n}.bin")).collect();
    assert_eq!(names, expected);
}

#[test]
fn what_is_there_already_is_seen_and_left_alone() {
    let site = Site::new(Via::Http1);
    let resource = Resource {
        limit: Some(2 * MIB),
        ..Resource::new(3, 12 * MIB)
    };
    site.set("/part.bin", resource);
    let hs = Hs::trusting(&site);
    let url = site.url("/part.bin");
    let running = hs.start(&["-t", "2", &url]);
    site.wait_for_sent(6 * MIB);
    running.signal(rustix::process::Signal::INT);
    running.wait().exits(130);
    hs.write("done.bin", &bytes_of("/done.bin", 1000));
    hs.write("other.bin", b"something else");
    let before = (hs.files(), hs.read("part.bin.part.json"));
    let urls = [
        url,
        site.url("/done.bin?size=1000"),
        site.url("/other.bin?size=1000"),
    ];
    let [part, done, other] = &objects(&hs, &[&urls[0], &urls[1], &urls[2]], 0)[..] else {
        panic!("three objects");
    };
    assert_eq!(part["action"], "resume");
    let there = part["there"].as_u64().unwrap();
    assert!(there > 2 * MIB && there < 12 * MIB, "{there}");
    assert_eq!(done["action"], "skip");
    assert_eq!(
        (&other["action"], &other["name"]),
        (&"download".into(), &"other (1).bin".into())
    );
    assert_eq!((hs.files(), hs.read("part.bin.part.json")), before);
    let replaced = &objects(&hs, &["--on-conflict", "overwrite", &urls[2]], 0)[0];
    assert_eq!(
        (&replaced["action"], &replaced["name"]),
        (&"replace".into(), &"other.bin".into())
    );
}

#[test]
fn a_file_that_does_not_fit_is_said_not_to() {
    let site = Site::new(Via::Http1);
    // No disk has room for the two of them, and most have none for one.
    for path in ["/a.bin", "/b.bin"] {
        site.set(path, Resource::new(1, 1 << 60));
    }
    let hs = Hs::trusting(&site);
    let reports = objects(&hs, &[&site.url("/a.bin"), &site.url("/b.bin")], 0);
    assert_eq!(reports[1]["fits"], false);
    let done = hs.run(&["--dry-run", &site.url("/a.bin")]);
    assert!(done.stdout.contains("not enough"), "{}", done.stdout);
}

#[test]
fn a_checksum_is_told_with_its_place() {
    let site = Site::behaving(Via::Http1, |_, reply| {
        reply.with("X-Goog-Hash", "md5=XrY7u+Ae7tCTyyK7j1rNww==")
    });
    let hs = Hs::trusting(&site);
    let url = site.url("/a.bin?size=1000");
    let report = &objects(&hs, &[&url], 0)[0];
    assert_eq!(report["checksum"], "md5:5eb63bbbe01eeed093cb22bb8f5acdc3");
    assert_eq!(report["checksum_from"], "x-goog-hash");
    assert_eq!(objects(&hs, &["-N", &url], 0)[0]["checksum"], Value::Null);
}

#[test]
fn a_failure_has_its_place_and_its_exit_code() {
    let site = Site::behaving(Via::Http1, |request, reply| {
        if request.target.contains("missing") {
            return Reply::new(404, "no\n".into());
        }
        reply
    });
    let hs = Hs::trusting(&site);
    let (missing, good) = (site.url("/missing.bin"), site.url("/good.bin?size=1000"));
    let reports = objects(&hs, &[&missing, &good], 4);
    assert_eq!(
        (&reports[0]["kind"], &reports[0]["exit_code"]),
        (&"http".into(), &4.into())
    );
    assert_eq!(reports[1]["name"], "good.bin");
    let done = hs.run(&["--dry-run", &missing, &good]);
    assert_eq!(done.code, Some(4));
    assert!(done.stderr.contains("404") && done.stdout.contains("good.bin"));
}

#[test]
fn the_text_says_the_same_and_names_where_settings_come_from() {
    let site = Site::new(Via::Http1);
    site.set(
        "/a.bin",
        Resource {
            ranges: Ranges::None,
            ..Resource::new(1, 1000)
        },
    );
    let hs = Hs::trusting(&site);
    let url = site.url("/a.bin");
    let done = hs.run(&["--dry-run", "-d", "-t", "3", "--bearer", "hunter2", &url]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    for part in [
        "a.bin",
        "1000 bytes",
        "ranges     no",
        "threads = 3  (--threads)",
        "min-chunk-mb = 1  (default)",
        "bearer = …",
    ] {
        assert!(
            done.stdout.contains(part),
            "{part:?} is missing in:\n{}",
            done.stdout
        );
    }
    assert!(!done.stdout.contains("hunter2") && !done.stderr.contains("hunter2"));
    let settings = &objects(&hs, &["-d", "-t", "3", &url], 0)[0]["settings"];
    let threads = settings
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["name"] == "threads");
    assert_eq!(threads.unwrap()["origin"], "--threads");
}

#[test]
fn a_dry_run_of_a_stream_or_with_a_limit_is_one_too() {
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    let url = site.url("/a.bin?size=100000");
    assert_eq!(objects(&hs, &["-s", &url], 0)[0]["size"], 100_000);
    let refused = &objects(&hs, &["--max-filesize", "1K", &url], 1)[0];
    assert_eq!(refused["kind"], "too-large");
}

//! With `-j`, standard error is JSON lines and nothing else, and every line is what `docs/json-lines.schema.json` says.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::count::counter;
use crate::common::hs::{Done, Hs};
use crate::common::origin::server::script::Reply;
use crate::common::origin::{Site, Via};
use crate::common::schema::Schema;

/// The lines of a run, each held against the schema; the last one is the summary, and the only one.
fn lines(done: &Done) -> Vec<Value> {
    let schema = Schema::read(include_str!("../docs/json-lines.schema.json"));
    let lines: Vec<Value> = done
        .stderr
        .lines()
        .map(|line| {
            let value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            schema
                .check(&value)
                .unwrap_or_else(|e| panic!("{e}: {line}"));
            value
        })
        .collect();
    let summaries = of(&lines, "summary").len();
    assert_eq!(summaries, 1, "{}", done.stderr);
    assert_eq!(lines.last().unwrap()["event"], "summary");
    assert_eq!(lines.last().unwrap()["exit_code"], done.code.unwrap());
    lines
}

fn of<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

#[test]
fn a_download_is_told_from_beginning_to_end() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let url = site.url("/x.bin?size=3000000&limit=600000");
    let done = hs.run(&["-j", "-t", "2", "-th", "sha256", &url]).exits(0);
    let lines = lines(&done);
    let [resolved] = of(&lines, "resolved")[..] else {
        panic!("{}", done.stderr)
    };
    assert_eq!(resolved["size"], 3_000_000);
    assert_eq!(resolved["protocol"], "HTTP/2");
    assert_eq!(
        (&resolved["file"], &resolved["url"]),
        (&"x.bin".into(), &url.as_str().into())
    );
    let progress = of(&lines, "progress");
    assert!(!progress.is_empty(), "{}", done.stderr);
    for line in progress {
        assert_eq!(line["total"], 3_000_000);
        assert!(line["requests"].as_u64().unwrap() >= 1);
    }
    let [completed] = of(&lines, "completed")[..] else {
        panic!("{}", done.stderr)
    };
    assert_eq!(completed["bytes"], 3_000_000);
    assert!(completed["digest"].as_str().unwrap().starts_with("sha256:"));
    assert!(completed["seconds"].as_f64().unwrap() > 0.9);
    let again = hs.run(&["-j", &url]).exits(0);
    let again = self::lines(&again);
    assert_eq!(of(&again, "completed")[0]["skipped"], true);
    assert_eq!(again.last().unwrap()["skipped"], 1);
}

/// What is told of connections is what the server sees, whatever the protocol and the number of requests are.
#[test]
fn connections_are_those_that_there_are() {
    for (via, most) in [(Via::Http1, "2"), (Via::Http2, "1"), (Via::Http2, "2")] {
        let site = Site::new(via);
        let hs = Hs::trusting(&site);
        let url = site.url("/x.bin?size=25165824&limit=1048576");
        let done = hs
            .run(&["-j", "-t", "6", "--connections", most, &url])
            .exits(0);
        let lines = lines(&done);
        let told = of(&lines, "progress");
        let told = told.iter().map(|line| line["connections"].as_u64());
        let there = site.settle().connections().len();
        assert_eq!(there.to_string(), most, "{via:?}: {}", site.story());
        assert_eq!(
            told.max().flatten(),
            Some(there as u64),
            "{via:?}: {}",
            done.stderr
        );
    }
}

#[test]
fn trouble_before_the_first_answer_has_lines_too() {
    let nth = counter();
    let site = Site::behaving(Via::Http2, move |_, reply| match nth() {
        0 => Reply::new(503, "busy\n".into()).with("Retry-After", "1"),
        _ => reply,
    });
    let done = Hs::trusting(&site).run(&["-j", &site.url("/x.bin?size=1000")]);
    let done = done.exits(0);
    let lines = lines(&done);
    let retry = of(&lines, "retry")[0];
    assert!(retry["reason"].as_str().unwrap().contains("503"));
    assert!(retry["delay_s"].as_f64().unwrap() >= 1.0);
    assert_eq!(retry["file"], "x.bin");
}

#[test]
fn failures_have_kind_and_code() {
    let site = Site::behaving(Via::Http2, |_, _| Reply::new(404, "no\n".into()));
    let url = site.url_as("user", "s3cret", "/x.bin");
    let done = Hs::trusting(&site).run(&["-j", &url]).exits(4);
    let lines = lines(&done.never_says("s3cret"));
    let failed = of(&lines, "failed")[0];
    assert_eq!(
        (&failed["kind"], &failed["exit_code"]),
        (&"http".into(), &4.into())
    );
    assert_eq!(
        (&failed["id"], &failed["file"]),
        (&0.into(), &"x.bin".into())
    );
    let summary = lines.last().unwrap();
    assert_eq!(summary["failed"], 1);
    assert_eq!(summary["failures"][0]["url"], failed["url"]);
}

#[test]
fn a_wrong_checksum_is_a_failure_of_integrity() {
    let site = Site::new(Via::Clear);
    let wrong = format!("md5:{}", "0".repeat(32));
    let url = site.url("/x.bin?size=1000");
    let done = Hs::new().run(&["-j", "--checksum", &wrong, &url]).exits(3);
    let lines = lines(&done);
    assert_eq!(of(&lines, "failed")[0]["kind"], "integrity");
    assert_eq!(of(&lines, "resolved")[0]["checksum"], wrong);
    assert!(of(&lines, "completed").is_empty() && of(&lines, "verified").is_empty());
}

#[test]
fn a_batch_has_one_summary_of_all() {
    let site = Site::behaving(Via::Http2, |request, reply| match request.path() {
        "/b.bin" => Reply::new(404, "no\n".into()),
        _ => reply,
    });
    let urls = ["/a.bin?size=5000", "/b.bin", "/c.bin?size=7000"].map(|path| site.url(path));
    let done = Hs::trusting(&site).run(&["-j", &urls[0], &urls[1], &urls[2]]);
    let done = done.exits(4);
    let lines = lines(&done);
    let ids: BTreeSet<_> = lines
        .iter()
        .filter_map(|line| line["id"].as_u64())
        .collect();
    assert_eq!(ids, BTreeSet::from([0, 1, 2]));
    let summary = lines.last().unwrap();
    assert_eq!(
        (&summary["files"], &summary["complete"]),
        (&3.into(), &2.into())
    );
    assert_eq!(summary["bytes"], 12_000);
    assert_eq!(summary["failures"][0]["id"], 1);
}

#[test]
fn a_stream_leaves_standard_output_to_the_bytes() {
    let site = Site::new(Via::Http2);
    let url = site.url("/x.bin?size=70000");
    let done = Hs::trusting(&site).run(&["-s", "-j", "-d", &url]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    lines(&done);
}

#[test]
fn what_goes_wrong_before_a_run_is_json_as_well() {
    let hs = Hs::new();
    for wrong in [
        &["-j", "--no-such-option"][..],
        &["--json", "-t", "0", "http://h/f"],
        &["-j"],
        &["-kj", "ftp://h/f"],
        &["-j", "--config", "none.toml", "http://h/f"],
    ] {
        let done = hs.run_bare(wrong).exits(2);
        let lines = lines(&done);
        assert_eq!(of(&lines, "failed")[0]["kind"], "usage", "{wrong:?}");
        assert_eq!(lines.len(), 2, "{}", done.stderr);
    }
    let done = hs.run_bare(&["-j", "-q", "--no-such-option"]).exits(2);
    assert_eq!(done.stderr, "", "quiet is quiet");
}

#[test]
fn an_interruption_is_told() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let running = hs.start(&["-j", &site.url("/x.bin?size=20000000&limit=2000000")]);
    site.wait_for_sent(2_000_000);
    running.signal(rustix::process::Signal::INT);
    let done = running.wait().exits(130);
    let lines = lines(&done);
    assert_eq!(of(&lines, "failed")[0]["kind"], "interrupted");
}

/// A schema that allows everything would hold everything.
#[test]
fn the_schema_refuses_what_is_wrong() {
    let schema = Schema::read(include_str!("../docs/json-lines.schema.json"));
    let right = serde_json::json!({"timestamp": "2026-11-22T16:22:13.173263Z", "level": "WARNING", "event": "retry",
        "message": "m", "id": 0, "url": "u", "file": "f", "reason": "r", "delay_s": 0.5});
    schema.check(&right).unwrap();
    let wrong: [(&str, Value); 6] = [
        ("timestamp", "2026-11-22 16:22:13".into()),
        ("level", "LOUD".into()),
        ("event", "progress".into()),
        ("id", "0".into()),
        ("delay_s", Value::Null),
        ("surplus", 1.into()),
    ];
    for (key, value) in wrong {
        let mut line = right.clone();
        line[key] = value;
        assert!(schema.check(&line).is_err(), "{line}");
    }
    for key in [
        "timestamp",
        "level",
        "message",
        "event",
        "id",
        "url",
        "file",
        "delay_s",
    ] {
        let mut line = right.clone();
        line.as_object_mut().unwrap().remove(key);
        assert!(schema.check(&line).is_err(), "{line}");
    }
}

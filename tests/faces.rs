//! What is said on standard error without a terminal, and what is kept in the log.

use std::fs;
use std::path::Path;

use crate::common::hs::Hs;
use crate::common::origin::server::script::Reply;
use crate::common::origin::{Site, Via};

fn log(hs: &Hs) -> String {
    fs::read_to_string(hs.dir().join(Hs::LOG)).unwrap()
}

#[test]
fn without_a_terminal_lines_stay_and_none_moves() {
    let site = Site::new(Via::Http2);
    let url = site.url("/x.bin?size=70000");
    let done = Hs::trusting(&site).run(&[&url]).exits(0);
    let done = done.says("x.bin: 68.4 KiB\n").says("done: ");
    assert!(!done.stderr.contains(['\r', '\x1b']), "{:?}", done.stderr);
}

#[test]
fn trouble_before_the_first_answer_is_said() {
    let site = Site::behaving(Via::Clear, |_, _| Reply::new(503, "busy\n".into()));
    let url = site.url("/x.bin");
    let done = Hs::new().run(&["--retries", "1", &url]).exits(4);
    done.says("x.bin: server answered with status 503")
        .says("; again in ");
}

#[test]
fn the_log_is_kept_when_nothing_is_shown() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let url = site.url_as("user", "s3cret", "/x.bin?size=70000");
    let done = hs.run(&["-q", &url]).exits(0);
    assert_eq!(done.stderr, "");
    let text = log(&hs);
    for wanted in [
        " INFO x.bin: from https://",
        " INFO x.bin: 68.4 KiB",
        " INFO done: ",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is missing in:\n{text}");
    }
    assert!(!text.contains("s3cret"), "{text}");
    hs.run(&["-q", &url]).exits(0);
    let longer = log(&hs);
    assert!(
        longer.starts_with(&text) && longer.contains("complete already"),
        "{longer}"
    );
}

#[test]
fn failures_are_in_the_log() {
    let site = Site::behaving(Via::Http2, |_, _| Reply::new(404, "no\n".into()));
    let hs = Hs::trusting(&site);
    hs.run(&["-q", &site.url("/x.bin")]).exits(4);
    let text = log(&hs);
    assert!(
        text.contains("ERROR ") && text.contains("404") && text.contains("hint: "),
        "{text}"
    );
}

#[test]
fn the_log_can_be_elsewhere_or_nowhere() {
    let site = Site::new(Via::Clear);
    let url = site.url("/x.bin?size=1000");
    let hs = Hs::new();
    hs.run(&["--log-file", "none", &url]).exits(0);
    assert!(!hs.dir().join(Hs::LOG).exists());
    hs.run(&["--log-file", "logs/mine.log", &url]).exits(0);
    assert!(
        fs::read_to_string(hs.home().join("logs/mine.log"))
            .unwrap()
            .contains("x.bin")
    );
    assert!(!hs.dir().join(Hs::LOG).exists());
}

#[test]
fn a_stream_keeps_its_log_with_the_users_state() {
    let site = Site::new(Via::Clear);
    let hs = Hs::new();
    let done = hs.run(&["-s", &site.url("/x.bin?size=1000")]);
    assert_eq!(
        done.stdout.len(),
        String::from_utf8_lossy(&crate::common::origin::bytes_of("/x.bin", 1000)).len()
    );
    let log = hs.home().join(".local/state/hydrastream/download.log");
    assert!(fs::read_to_string(log).unwrap().contains("done: x.bin"));
    assert!(
        !hs.dir().exists(),
        "a stream leaves nothing in the destination"
    );
}

#[test]
fn a_log_that_cannot_be_opened_is_one_warning() {
    let site = Site::new(Via::Clear);
    let url = site.url("/x.bin?size=1000");
    assert!(!Path::new("/proc/none").exists());
    let done = Hs::new().run(&["--log-file", "/proc/none/x.log", &url]);
    let done = done
        .exits(0)
        .says("hs: warning: no log is kept: /proc/none/x.log: ");
    assert_eq!(done.stderr.matches("warning").count(), 1);
}

#[test]
fn debug_shows_causes_and_the_wire_but_no_secret() {
    let site = Site::behaving(Via::Http2, |_, _| Reply::new(404, "no\n".into()));
    let hs = Hs::trusting(&site);
    let url = site.url_as("user", "s3cret", "/x.bin?token=t0ken");
    let done = hs.run(&["-d", "-H", "Cookie: a=c00kie", &url]).exits(4);
    let done = done
        .says("hs: debug: > GET /x.bin")
        .says("hs: debug: < HTTP/2 404");
    // As it is typed, and as it goes over the wire.
    let secrets = ["s3cret", "dXNlcjpzM2NyZXQ", "c00kie"];
    let text = log(&hs);
    assert!(text.contains("DEBUG > GET /x.bin"), "{text}");
    for secret in secrets {
        assert!(!done.stderr.contains(secret), "{}", done.stderr);
        assert!(!text.contains(secret), "{text}");
    }
    done.says("hs: debug: Failed {");
    let quiet = hs.run(&[&url]).exits(4);
    quiet.never_says("debug").never_says("> GET");
}

//! Which file a download becomes: its name, what lies there already, and what is not taken at all.

use crate::common::hs::Hs;
use crate::common::origin::server::files::{Ranges, Resource};
use crate::common::origin::server::script::Reply;
use crate::common::origin::{MIB, Site, Via, bytes_of};

#[test]
fn a_name_that_the_user_gives_is_the_files_name() {
    let site = Site::new(Via::Http1);
    let url = site.url("/a.bin?size=100000");
    for option in ["-O", "--out"] {
        let hs = Hs::trusting(&site);
        hs.run(&[option, "mine.dat", &url]).exits(0);
        hs.assert_only("mine.dat", &bytes_of("/a.bin", 100_000));
    }
    let hs = Hs::trusting(&site);
    for wrong in ["a/b", "/etc/passwd", "..", "."] {
        hs.run(&["-O", wrong, &url]).exits(2).explains(wrong);
    }
    hs.run(&["-O", "x", &url, &site.url("/b.bin")])
        .exits(2)
        .explains("--out: needs a single URL");
    assert!(hs.files().is_empty());
}

#[test]
fn what_lies_there_is_kept_skipped_replaced_or_stepped_around() {
    let site = Site::new(Via::Http1);
    let url = site.url("/a.bin?size=100000");
    let (right, other) = (bytes_of("/a.bin", 100_000), vec![7; 100_000]);
    let run = |what: Option<&str>, there: &[u8]| {
        let hs = Hs::trusting(&site);
        hs.write("a.bin", there);
        let option = what.map(|what| ["--on-conflict", what]);
        let arguments: Vec<_> = option.into_iter().flatten().chain([&*url]).collect();
        hs.run(&arguments).exits(0);
        hs
    };
    for resume in [None, Some("resume")] {
        run(resume, &right).assert_only("a.bin", &right);
        // Of the same size, and nobody says what it should be.
        run(resume, &other).assert_only("a.bin", &other);
        let hs = run(resume, b"short");
        assert_eq!(hs.files(), ["a (1).bin", "a.bin"]);
        hs.assert_file("a (1).bin", &right);
        hs.assert_file("a.bin", b"short");
    }
    run(Some("skip"), b"short").assert_only("a.bin", b"short");
    run(Some("overwrite"), b"short").assert_only("a.bin", &right);
    run(Some("overwrite"), &right).assert_only("a.bin", &right);
    let hs = run(Some("rename"), &right);
    assert_eq!(hs.files(), ["a (1).bin", "a.bin"]);
    hs.assert_file("a (1).bin", &right);
}

#[test]
fn a_file_that_is_to_be_replaced_stays_until_the_new_one_is_verified() {
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    hs.write("a.bin", b"old");
    let url = site.url("/a.bin?size=100000");
    let wrong = "0".repeat(32);
    hs.run(&["--on-conflict", "overwrite", "--checksum", &wrong, &url])
        .exits(3);
    hs.assert_file("a.bin", b"old");
}

#[test]
fn a_name_that_is_to_be_skipped_is_not_even_asked_for() {
    let site = Site::new(Via::Clear);
    let hs = Hs::new();
    hs.write("mine.dat", b"old");
    hs.run(&[
        "--on-conflict",
        "skip",
        "-O",
        "mine.dat",
        &site.url("/a.bin"),
    ])
    .exits(0);
    assert!(site.exchanges().is_empty(), "{}", site.story());
}

#[test]
fn a_part_of_another_name_is_not_continued_under_this_one() {
    let site = Site::new(Via::Http1);
    site.set(
        "/a.bin",
        Resource {
            limit: Some(MIB),
            ..Resource::new(1, 8 * MIB)
        },
    );
    let hs = Hs::trusting(&site);
    let running = hs.start(&["-O", "one", "-t", "2", &site.url("/a.bin")]);
    site.wait_for_sent(2 * MIB);
    running.kill();
    site.set("/a.bin", Resource::new(1, 8 * MIB));
    hs.run(&["-O", "two", &site.url("/a.bin")]).exits(0);
    assert_eq!(hs.files(), ["one.part", "one.part.json", "two"]);
    hs.run(&["-O", "one", &site.url("/a.bin")]).exits(0);
    assert_eq!(hs.files(), ["one", "two"]);
    assert_eq!(hs.read("one"), hs.read("two"));
}

#[test]
fn a_file_that_is_too_large_is_refused_before_a_byte_is_kept() {
    let site = Site::new(Via::Http1);
    let url = site.url("/a.bin?size=100000");
    let hs = Hs::trusting(&site);
    hs.run(&["--max-filesize", "97K", &url])
        .exits(1)
        .explains("100000 bytes are more than the 99328");
    assert!(hs.files().is_empty());
    hs.run(&["-s", "--max-filesize", "97K", &url]).exits(1);
    hs.run(&["--max-filesize", "98K", &url]).exits(0);
    hs.assert_only("a.bin", &bytes_of("/a.bin", 100_000));
}

#[test]
fn a_file_whose_length_nobody_tells_is_refused_when_it_has_become_too_large() {
    let site = Site::new(Via::Http1);
    let resource = Resource {
        length: false,
        ranges: Ranges::None,
        ..Resource::new(1, 4 * MIB)
    };
    site.set("/a.bin", resource);
    let hs = Hs::trusting(&site);
    hs.run(&["--max-filesize", "1M", &site.url("/a.bin")])
        .exits(1)
        .explains("--max-filesize");
    assert!(hs.files().is_empty());
}

/// A site whose files are all answered with a page, as a login does it.
fn login() -> Site {
    Site::behaving(Via::Http1, |_, _| {
        Reply::new(200, "<html>log in</html>".into()).with("Content-Type", "text/html")
    })
}

#[test]
fn a_page_instead_of_the_file_is_refused_unless_it_is_welcome() {
    let site = login();
    let hs = Hs::trusting(&site);
    let url = site.url("/genome.fna.gz");
    hs.run(&[&url]).exits(6).explains("a page (text/html)");
    hs.run(&["-s", &url]).exits(6);
    assert!(hs.files().is_empty());
    hs.run(&["--accept-html", &url]).exits(0);
    hs.assert_only("genome.fna.gz", b"<html>log in</html>");
}

#[test]
fn where_no_file_was_expected_a_page_is_what_was_asked_for() {
    let site = login();
    let hs = Hs::trusting(&site);
    hs.run(&[&site.url("/index.html"), &site.url("/latest")])
        .exits(0);
    assert_eq!(hs.files(), ["index.html", "latest"]);
}

#[test]
fn a_challenge_is_told_from_a_refusal() {
    let site = Site::behaving(Via::Http1, |_, _| {
        Reply::new(403, "<html>".into()).with("CF-Mitigated", "challenge")
    });
    let hs = Hs::trusting(&site);
    hs.run(&[&site.url("/a.gz")]).exits(6).explains("challenge");
}

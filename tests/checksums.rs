//! A checksum that the server states counts like one that the user gives, wherever it is found; what only looks like one
//! is left alone.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::common::hs::{Hs, sha256};
use crate::common::origin::server::script::{Act, Point, Reply};
use crate::common::origin::{Site, Via, bytes_of, in_every_way};

const SIZE: u64 = 2_000_000;

fn body() -> Vec<u8> {
    bytes_of("/f.bin", SIZE)
}

fn md5_hex(bytes: &[u8]) -> String {
    Md5::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A site whose `/f.bin` has these fields too.
fn stating(via: Via, fields: Vec<(&'static str, String)>) -> Site {
    Site::behaving(via, move |request, reply| {
        let add = request.path() == "/f.bin";
        let fields = fields.iter().filter(|_| add);
        fields.fold(reply, |reply, (name, value)| reply.replace(name, value))
    })
}

/// A site with this text at `path`, and nothing else beside `/f.bin`.
fn beside(via: Via, path: &'static str, text: String) -> Site {
    Site::behaving(via, move |request, reply| match request.path() {
        "/d/f.bin" => reply,
        found if found == path => {
            Reply::new(200, text.as_str().into()).with("Content-Type", "text/plain")
        }
        _ => Reply::new(404, "<html>no such file</html>".into()),
    })
}

/// Downloads to disk and to standard output, and expects this of both.
fn expect(site: &Site, path: &str, options: &[&str], code: i32, said: &str) {
    let url = site.url(&format!("{path}?size={SIZE}"));
    for stream in [false, true] {
        let hs = Hs::trusting(site);
        let done = if stream {
            let options = options.join(" ");
            let script = format!(
                "'{}' --cacert ca.pem -s {options} '{url}' >out",
                Hs::PROGRAM
            );
            hs.run_program("bash", &["-c", &script])
        } else {
            hs.run(&[options, &[&url]].concat())
        };
        let done = done.exits(code).says(said);
        match (code, stream) {
            (0, false) => hs.assert_only("f.bin", &bytes_of(path, SIZE)),
            (3, false) => assert_eq!(hs.files(), ["f.bin.corrupt"], "{}", done.stderr),
            _ => assert_eq!(hs.files(), [""; 0]),
        }
    }
}

const NONE: &str = "no checksum";

#[test]
fn what_the_head_states_is_held_against_the_file() {
    in_every_way(|via| {
        let (right, wrong) = (body(), b"something else".to_vec());
        for (bytes, code) in [(right, 0), (wrong, 3)] {
            let md5 = BASE64_STANDARD.encode(Md5::digest(&bytes));
            let sha = BASE64_STANDARD.encode(Sha256::digest(&bytes));
            let etag = format!("\"{}\"", md5_hex(&bytes));
            for fields in [
                vec![("x-goog-hash", format!("md5={md5}"))],
                vec![("Repr-Digest", format!("sha-256=:{sha}:"))],
                vec![("Digest", format!("SHA-256={sha}"))],
                vec![("Content-MD5", md5.clone())],
                vec![("ETag", etag), ("x-amz-request-id", "1".to_owned())],
                vec![
                    ("x-amz-checksum-sha256", sha.clone()),
                    ("x-amz-checksum-type", "FULL_OBJECT".to_owned()),
                ],
            ] {
                let said = if code == 0 {
                    "verified by"
                } else {
                    "wrong checksum"
                };
                expect(&stating(via, fields), "/f.bin", &[], code, said);
            }
        }
    });
}

#[test]
fn what_only_looks_like_a_checksum_is_left_alone() {
    let wrong = md5_hex(b"something else");
    let base64 = BASE64_STANDARD.encode(Md5::digest(b"something else"));
    for fields in [
        vec![("ETag", format!("\"{wrong}\""))],
        vec![
            ("ETag", format!("\"{wrong}-3\"")),
            ("x-amz-request-id", "1".to_owned()),
        ],
        vec![
            ("ETag", format!("\"{wrong}\"")),
            ("x-amz-cf-id", "1".to_owned()),
        ],
        vec![("Content-Digest", format!("md5=:{base64}:"))],
        vec![("x-goog-hash", "md5=malformed".to_owned())],
        vec![("Repr-Digest", "sha-256=malformed".to_owned())],
        vec![
            ("x-goog-hash", format!("md5={base64}")),
            ("x-goog-stored-content-encoding", "gzip".to_owned()),
        ],
    ] {
        expect(&stating(Via::Http2, fields), "/f.bin", &[], 0, NONE);
    }
}

#[test]
fn what_is_beside_the_file_is_found_on_request() {
    let right = bytes_of("/d/f.bin", SIZE);
    let (md5, sha) = (md5_hex(&right), sha256(&right));
    let other = sha256(b"another file");
    for (path, text) in [
        ("/d/f.bin.sha256", format!("{sha}\n")),
        (
            "/d/f.bin.sha256",
            format!("{}  f.bin\r\n", sha.to_uppercase()),
        ),
        ("/d/f.bin.md5", format!("MD5 (f.bin) = {md5}\n")),
        ("/d/SHA256SUMS", format!("{other}  g.bin\n{sha} *f.bin\n")),
        ("/d/MD5SUMS", format!("{md5}  ./f.bin\n")),
        ("/d/md5checksums.txt", format!("{md5}  ./f.bin\n")),
        ("/d/CHECKSUMS", format!("SHA256 (sub/f.bin) = {sha}\n")),
    ] {
        let site = beside(Via::Http2, path, text);
        expect(
            &site,
            "/d/f.bin",
            &["--sidecar"],
            0,
            &format!("verified by {}", site.url(path)),
        );
        let asked = site.exchanges();
        assert!(
            asked[0].request.path() == "/d/f.bin",
            "the download comes first"
        );
    }
}

#[test]
fn a_wrong_one_beside_the_file_fails_and_a_malformed_one_says_nothing() {
    in_every_way(|via| {
        let wrong = sha256(b"something else");
        let site = beside(via, "/d/f.bin.sha256", format!("{wrong}  f.bin\n"));
        expect(&site, "/d/f.bin", &["--sidecar"], 3, "wrong checksum");
        for text in [
            "<html>soft 404</html>".to_owned(),
            format!("{wrong}  g.bin\n"),
            format!("{wrong}  f.bin\n{}  f.bin\n", sha256(b"")),
            wrong[1..].to_owned(),
        ] {
            let site = beside(via, "/d/f.bin.sha256", text);
            expect(&site, "/d/f.bin", &["--sidecar"], 0, NONE);
        }
    });
}

#[test]
fn nothing_is_asked_for_beside_the_file_of_an_unknown_host() {
    let wrong = sha256(b"something else");
    let site = beside(Via::Http2, "/d/f.bin.sha256", wrong);
    expect(&site, "/d/f.bin", &[], 0, NONE);
    assert!(
        site.exchanges()
            .iter()
            .all(|e| e.request.path() == "/d/f.bin")
    );
}

#[test]
fn without_verification_only_the_users_own_checksum_counts() {
    let wrong = format!(
        "md5={}",
        BASE64_STANDARD.encode(Md5::digest(b"something else"))
    );
    let site = stating(Via::Http2, vec![("x-goog-hash", wrong)]);
    expect(&site, "/f.bin", &["-N"], 0, "md5:");
    let right = format!("sha256:{}", sha256(&body()));
    expect(
        &site,
        "/f.bin",
        &["--checksum", &right],
        0,
        "verified by --checksum",
    );
    let other = format!("sha256:{}", sha256(b""));
    expect(
        &site,
        "/f.bin",
        &["-N", "--checksum", &other],
        3,
        "wrong checksum",
    );
}

#[test]
fn a_sidecar_that_never_answers_holds_nothing_up_for_long() {
    let site = Site::behaving(Via::Http2, |request, reply| match request.path() {
        "/d/f.bin" => reply,
        _ => reply.fault(Point::Head, Act::Stall(None)),
    });
    let begun = std::time::Instant::now();
    let hs = Hs::trusting(&site);
    hs.run(&["--sidecar", &site.url(&format!("/d/f.bin?size={SIZE}"))])
        .exits(0)
        .says(NONE);
    assert!(begun.elapsed().as_secs() < 25);
}

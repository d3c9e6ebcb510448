//! A checksum that the server states counts like one that the user gives, wherever it is found; what only looks like one
//! is left alone.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};

use crate::common::hs::{Hs, sha256};
use crate::common::origin::server::script::{Act, Point, Reply};
use crate::common::origin::{Site, Via, bytes_of};

const SIZE: u64 = 2_000_000;

fn body() -> Vec<u8> {
    bytes_of("/f.bin", SIZE)
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

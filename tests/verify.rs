//! Nothing that fails its checksum gets the final name.

use crate::common::hs::{Hs, sha256};
use crate::common::origin::server::script::Reply;
use crate::common::origin::{MIB, Site, Via, bytes_of, in_every_way};

/// Digests of `abc`, from the algorithms' own specifications.
const ABC: [(&str, &str); 14] = [
    ("md5", "900150983cd24fb0d6963f7d28e17f72"),
    ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    (
        "sha224",
        "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
    ),
    (
        "sha256",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ),
    (
        "sha384",
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    ),
    (
        "sha512",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    ),
    (
        "sha3_224",
        "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
    ),
    (
        "sha3_256",
        "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
    ),
    (
        "sha3_384",
        "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
    ),
    (
        "sha3_512",
        "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e\
         10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
    ),
    (
        "blake2b",
        "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
         7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
    ),
    (
        "blake2s",
        "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
    ),
    (
        "blake3",
        "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
    ),
    ("crc32c", "364b3fb7"),
];

fn abc() -> Site {
    Site::behaving(Via::Clear, |_, _| Reply::new(200, "abc".into()))
}

#[test]
fn every_algorithm_is_known_and_right() {
    let site = abc();
    for (algorithm, digest) in ABC {
        let hs = Hs::new();
        let done = hs.run(&["-th", algorithm, &site.url("/abc.bin")]).exits(0);
        done.says(&format!("{algorithm}:{digest}"));
        let upper = algorithm.to_ascii_uppercase();
        let again = ["-th", &upper, "--checksum", digest, &site.url("/abc.bin")];
        let hs = Hs::new();
        hs.run(&again).exits(0);
        hs.assert_only("abc.bin", b"abc");
    }
}

#[test]
fn a_checksum_may_name_its_algorithm() {
    let site = abc();
    for (algorithm, digest) in ABC {
        let hs = Hs::new();
        let checksum = format!("{algorithm}:{}", digest.to_ascii_uppercase());
        let url = site.url("/abc.bin");
        hs.run(&[&url, "--checksum", &checksum, "-th", "md5"])
            .exits(0);
        hs.assert_only("abc.bin", b"abc");
        let hs = Hs::new();
        let wrong = format!("{algorithm}:{}", "0".repeat(digest.len()));
        hs.run(&[&url, "--checksum", &wrong]).exits(3);
        hs.assert_only("abc.bin.corrupt", b"abc");
    }
}

#[test]
fn a_right_checksum_lets_the_file_pass() {
    in_every_way(|via| {
        let site = Site::new(via);
        let hs = Hs::trusting(&site);
        let size = 14 * MIB;
        let bytes = bytes_of("/good.bin", size);
        let url = site.url(&format!("/good.bin?size={size}"));
        let done = hs.run(&[
            "-t",
            "4",
            "-th",
            "sha256",
            "--checksum",
            &sha256(&bytes),
            &url,
        ]);
        done.exits(0);
        hs.assert_only("good.bin", &bytes);
    });
}

#[test]
fn a_wrong_checksum_keeps_the_file_from_its_name() {
    let site = Site::new(Via::Http2);
    for query in [
        "size=14000000",
        "size=14000000&ranges=none",
        "size=1000&length=off",
    ] {
        let hs = Hs::trusting(&site);
        let url = site.url(&format!("/bad.bin?{query}"));
        let wrong = format!("sha256:{}", sha256(b"something else"));
        let done = hs.run(&["-t", "4", "--checksum", &wrong, &url]).exits(3);
        done.explains("checksum").says(&wrong);
        assert_eq!(hs.files(), ["bad.bin.corrupt"]);
        let size = hs.read("bad.bin.corrupt").len() as u64;
        hs.assert_file("bad.bin.corrupt", &bytes_of("/bad.bin", size));
    }
}

/// A byte is damaged on its way, and then the server has the file no more.
#[test]
fn what_is_wrong_stays_when_the_second_download_breaks() {
    let is_first = std::sync::atomic::AtomicBool::new(true);
    let site = Site::behaving(Via::Http2, move |_, _| {
        match is_first.swap(false, std::sync::atomic::Ordering::Relaxed) {
            true => Reply::new(200, "damaged".into()),
            false => Reply::new(404, "gone\n".into()),
        }
    });
    let hs = Hs::trusting(&site);
    let right = format!("sha256:{}", sha256(b"as it is"));
    let done = hs.run(&["--checksum", &right, &site.url("/x.bin")]);
    done.exits(4).says("404").says(&right);
    hs.assert_only("x.bin.corrupt", b"damaged");
}

#[test]
fn after_a_wrong_checksum_the_next_run_begins_anew() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let url = site.url("/x.bin?size=1000");
    let bytes = bytes_of("/x.bin", 1000);
    let wrong = format!("sha256:{}", sha256(b"something else"));
    hs.run(&["--checksum", &wrong, &url]).exits(3);
    let right = format!("sha256:{}", sha256(&bytes));
    hs.run(&["--checksum", &right, &url]).exits(0);
    hs.assert_file("x.bin", &bytes);
    assert!(site.exchanges().iter().all(|e| e.status == Some(200)));
}

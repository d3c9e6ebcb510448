//! Every failure ends with the right exit code, one line that says why, a hint, and nothing under the final name.

use std::net::TcpListener;

use crate::common::hs::Hs;
use crate::common::origin::server::script::Reply;
use crate::common::origin::{Site, Via, bytes_of};

const USAGE: i32 = 2;
const NETWORK: i32 = 4;
const DISK: i32 = 5;

/// A site where every path is answered with this status.
fn answering(via: Via, status: u16) -> Site {
    Site::behaving(via, move |_, _| Reply::new(status, "no\n".into()))
}

#[test]
fn what_is_forbidden_is_a_network_failure() {
    for status in [401, 403] {
        let site = answering(Via::Http2, status);
        let hs = Hs::trusting(&site);
        let done = hs.run(&[&site.url("/x.bin")]).exits(NETWORK);
        done.explains(&status.to_string());
        assert!(hs.files().is_empty());
    }
}

#[test]
fn a_refused_connection_is_a_network_failure() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let hs = Hs::new();
    let url = format!("https://localhost:{port}/x.bin");
    hs.run(&[&url]).exits(NETWORK).explains("connect");
    assert!(hs.files().is_empty());
}

#[test]
fn an_unknown_host_is_a_network_failure() {
    let hs = Hs::new();
    let done = hs
        .run(&["https://no-such-host.invalid/x.bin"])
        .exits(NETWORK);
    done.explains("resolve");
    assert!(hs.files().is_empty());
}

#[test]
fn a_certificate_of_nobody_known_is_refused_unless_told_otherwise() {
    for via in [Via::Http2, Via::Http1] {
        let site = Site::new(via);
        let url = site.url("/x.bin?size=10");
        let hs = Hs::new();
        let done = hs.run(&[&url]).exits(NETWORK);
        done.explains("certificate").says("--cacert");
        assert!(hs.files().is_empty());
        let other = Hs::trusting(&Site::new(via));
        other.run(&[&url]).exits(NETWORK).explains("certificate");
        assert!(
            site.exchanges().is_empty(),
            "something was asked all the same"
        );
        hs.run(&["-k", &url]).exits(0);
        hs.assert_only("x.bin", &bytes_of("/x.bin", 10));
    }
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let url = site.url("/x.bin?size=10").replace("localhost", "127.0.0.2");
    // The origin listens on 127.0.0.1 alone, so that name is reached through it.
    let port = site.authority().rsplit_once(':').unwrap().1.to_owned();
    let relay = relay("127.0.0.2", port.parse().unwrap());
    let url = url.replace(&format!(":{port}/"), &format!(":{relay}/"));
    hs.run(&[&url]).exits(NETWORK).explains("certificate");
    assert!(hs.files().is_empty());
    assert!(site.exchanges().is_empty());
}

/// Passes the bytes of some connections on to a port of 127.0.0.1; returns its own port.
fn relay(address: &str, to: u16) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().take(20) {
            let (mut from, mut to) = (
                client.unwrap(),
                std::net::TcpStream::connect(("127.0.0.1", to)).unwrap(),
            );
            let (mut back_from, mut back_to) = (to.try_clone().unwrap(), from.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            std::thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
        }
    });
    port
}

#[test]
fn a_folder_that_cannot_be_written_is_a_disk_failure() {
    let site = Site::new(Via::Clear);
    let url = site.url("/x.bin?size=10");
    let hs = Hs::new();
    // Not even root may make anything there.
    hs.run_bare(&["-o", "/proc/hs-test", &url])
        .exits(DISK)
        .explains("/proc/hs-test");
    hs.write("file", b"mine");
    let below = hs.dir().join("file");
    let below = below.to_str().unwrap();
    hs.run_bare(&["-o", below, &url])
        .exits(DISK)
        .explains("not a directory");
    let deeper = format!("{below}/deeper");
    hs.run_bare(&["-o", &deeper, &url])
        .exits(DISK)
        .explains("not a directory");
    hs.assert_only("file", b"mine");
}

#[test]
fn a_mistake_on_the_command_line_is_a_usage_error() {
    let url = "https://localhost:1/x.bin";
    let wrong: [(&[&str], &str); 16] = [
        (&[], "URL"),
        (&["--no-such-option", url], "--no-such-option"),
        (&["-t", "0", url], "0"),
        (&["-t", "129", url], "129"),
        (&["-t", "many", url], "many"),
        (&["-t"], "--threads"),
        (&["ftp://localhost/x.bin"], "ftp"),
        (&["file:///etc/passwd"], "file"),
        (&["not a url"], "not a url"),
        (&["-B", "chrome12", url], "chrome120"),
        (&["-th", "md7", url], "md7"),
        (&["--checksum", "abc", url], "--checksum"),
        (&["--checksum", "md7:00", url], "--checksum"),
        (&["--checksum", "sha256:00", url], "64"),
        (
            &["--checksum", &"0".repeat(32), url, "https://localhost:1/y"],
            "--checksum",
        ),
        (&["--cacert", "/no/such/file.pem", url], "/no/such/file.pem"),
    ];
    for (arguments, why) in wrong {
        let hs = Hs::new();
        let done = hs.run(arguments);
        assert_eq!(done.code, Some(USAGE), "{arguments:?}: {}", done.stderr);
        assert_eq!(done.stdout, "", "{arguments:?}");
        done.says(why).says("hint: ");
        assert!(hs.files().is_empty());
    }
}

#[test]
fn help_and_version_are_what_was_asked_for() {
    let hs = Hs::new();
    for option in ["-h", "--help"] {
        let done = hs.run(&[option]);
        assert_eq!((done.code, &*done.stderr), (Some(0), ""));
        assert!(done.stdout.contains("--checksum"));
    }
    let done = hs.run(&["--version"]);
    assert_eq!((done.code, &*done.stderr), (Some(0), ""));
    for library in ["libcurl", "BoringSSL", "nghttp2", "fingerprints"] {
        assert!(
            done.stdout.contains(library),
            "{library} in {}",
            done.stdout
        );
    }
}

#[test]
fn credentials_are_used_and_never_shown() {
    let site = Site::behaving(Via::Http2, |request, reply| match request.path() {
        "/gone.bin" => Reply::new(404, "gone\n".into()),
        _ => reply,
    });
    let hs = Hs::trusting(&site);
    let gone = site.url_as("user", "s3cret", "/gone.bin");
    hs.run(&[&gone])
        .exits(NETWORK)
        .never_says("s3cret")
        .says("/gone.bin");
    let here = site.url_as("user", "s3cret", "/x.bin?size=20000000");
    hs.run(&["-t", "4", &here]).exits(0).never_says("s3cret");
    for exchange in site.exchanges() {
        let sent = exchange.request.header("authorization");
        assert_eq!(
            sent,
            Some("Basic dXNlcjpzM2NyZXQ="),
            "{}",
            exchange.request.target
        );
        assert!(!exchange.request.target.contains("s3cret"));
    }
    let wrong = "https://user:s3cret@localhost:port/";
    hs.run(&[wrong]).exits(USAGE).never_says("s3cret");
}

#[test]
fn credentials_are_not_in_the_control_file() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let url = site.url_as("user", "s3cret", "/x.bin?size=20000000&limit=2000000");
    let running = hs.start(&[&url]);
    site.wait_for_sent(2_000_000);
    running.signal(rustix::process::Signal::INT);
    running.wait().exits(130).never_says("s3cret");
    let control = String::from_utf8(hs.read("x.bin.part.json")).unwrap();
    assert!(
        control.contains("/x.bin") && !control.contains("s3cret"),
        "{control}"
    );
}

#[test]
fn quiet_hides_the_reason_and_keeps_the_code() {
    let site = answering(Via::Clear, 404);
    let done = Hs::new().run(&["-q", &site.url("/x.bin")]).exits(NETWORK);
    assert_eq!(done.stderr, "");
    let done = Hs::new().run(&["-q", "ftp://localhost/"]).exits(USAGE);
    assert_eq!(done.stderr, "");
}

//! The way to a host: proxies, and whom TLS trusts. Each test fails if its option is ignored.

use std::fs;

use boring::hash::{MessageDigest, hash};
use boring::x509::X509;
use hydrastream::fingerprint;
use hydrastream::fingerprint::compare;

use crate::common::capture::assert_hello;
use crate::common::hs::Hs;
use crate::common::origin::server::Config;
use crate::common::origin::server::script::Protocol;
use crate::common::origin::server::tls::{TlsConfig, identity};
use crate::common::origin::{Site, Via, bytes_of, in_every_way};
use crate::common::proxy::{Habits, Proxy};

const FILE: &str = "/file.bin?size=300000";

/// The head of a CONNECT as Chromium 156 and Firefox 153 were seen to send it, the user agent's value left out.
const CONNECT_CHROMIUM: [&str; 3] = ["Host: ", "Proxy-Connection: keep-alive", "User-Agent: "];
const CONNECT_FIREFOX: [&str; 4] = [
    "User-Agent: ",
    "Proxy-Connection: keep-alive",
    "Connection: keep-alive",
    "Host: ",
];

/// Fails unless the lines of a head behind the first begin like this, one for one.
fn assert_lines(head: &str, expected: &[&str]) {
    let lines: Vec<_> = head.trim_end().split("\r\n").skip(1).collect();
    assert_eq!(lines.len(), expected.len(), "{head}");
    for (line, beginning) in lines.iter().zip(expected) {
        assert!(
            line.starts_with(beginning),
            "{line:?} is not {beginning:?} in\n{head}"
        );
    }
}

#[test]
fn a_tunnel_is_asked_for_as_the_browser_does_and_what_is_in_it_is_the_browsers() {
    for (browser, expected) in [
        ("chrome120", &CONNECT_CHROMIUM[..]),
        ("firefox153", &CONNECT_FIREFOX),
    ] {
        let (site, proxy) = (Site::new(Via::Http2), Proxy::new(Habits::default()));
        let hs = Hs::trusting(&site);
        let way = format!("http://{}", proxy.authority());
        hs.run(&["-B", browser, "-x", &way, &site.url(FILE)])
            .exits(0);
        hs.assert_only("file.bin", &bytes_of("/file.bin", 300_000));
        let asked = proxy.asked();
        assert!(
            asked[0].starts_with(&format!("CONNECT {} HTTP/1.1\r\n", site.authority())),
            "{asked:?}"
        );
        let agent = &fingerprint::find(browser).unwrap().values["user_agent"];
        assert!(
            asked[0].contains(&format!("User-Agent: {agent}\r\n")),
            "{asked:?}"
        );
        assert_lines(&asked[0], expected);
        let hello = site.settle().connections()[0].hello().unwrap();
        let tls = fingerprint::find(browser).unwrap().tls;
        assert_hello("a hello through a proxy", &hello, &tls, "localhost");
        let request = &site.exchanges()[0].request;
        assert!(
            request
                .headers
                .iter()
                .all(|(name, _)| !name.starts_with("proxy")),
            "{request:?}"
        );
    }
}

#[test]
fn a_proxy_that_reads_a_request_is_asked_as_the_browser_does() {
    for (browser, second) in [
        ("chrome120", "Proxy-Connection: keep-alive"),
        ("firefox153", "User-Agent: "),
    ] {
        let (site, proxy) = (Site::new(Via::Clear), Proxy::new(Habits::default()));
        let hs = Hs::new();
        hs.run(&[
            "-B",
            browser,
            "-t",
            "1",
            "-x",
            &proxy.authority(),
            &site.url(FILE),
        ])
        .exits(0);
        hs.assert_only("file.bin", &bytes_of("/file.bin", 300_000));
        let head = &proxy.asked()[0];
        assert!(
            head.starts_with(&format!(
                "GET {} HTTP/1.1\r\nHost: {}\r\n{second}",
                site.url(FILE),
                site.authority()
            )),
            "{head}"
        );
        let connections = head.matches("onnection: keep-alive").count();
        assert_eq!(connections, 1, "{head}");
    }
}

#[test]
fn credentials_of_a_proxy_go_to_the_proxy_alone() {
    for via in [Via::Http1, Via::Clear] {
        let habits = Habits {
            wants: Some("me:p@ss"),
            ..Habits::default()
        };
        let (site, proxy) = (Site::new(via), Proxy::new(habits));
        let hs = Hs::trusting(&site);
        let way = format!("http://me:p%40ss@{}", proxy.authority());
        hs.run(&["-d", "-x", &way, &site.url("/a.bin?size=1")])
            .exits(0)
            .never_says("p%40ss")
            // Nor as it goes over the wire.
            .never_says("bWU6cEBzcw");
        let head = &proxy.asked()[0];
        assert_eq!(
            head.matches("Proxy-Authorization: Basic").count(),
            1,
            "{head}"
        );
        let request = &site.settle().exchanges()[0].request;
        assert_eq!(request.header("authorization"), None);
        if via == Via::Http1 {
            assert_eq!(request.header("proxy-authorization"), None);
            assert_lines(
                head,
                &[
                    "Host: ",
                    "Proxy-Connection: ",
                    "User-Agent: ",
                    "Proxy-Authorization: ",
                ],
            );
        }
        let wrong = format!("http://me:wrong@{}", proxy.authority());
        let done = hs.run(&["--retries", "0", "-x", &wrong, &site.url("/b.bin?size=1")]);
        done.exits(4).explains("407").never_says("wrong@");
    }
}

/// A proxy over TLS that speaks HTTP/1.1, and an `hs` that trusts it and the site.
fn secure_proxy(site: &Site, habits: Habits) -> (Proxy, Hs, String) {
    let config = TlsConfig {
        alpn: vec![Protocol::Http11],
        ..TlsConfig::default()
    };
    let proxy = Proxy::secure(habits, &config);
    let hs = Hs::trusting_pem(&[site.ca_pem(), proxy.ca_pem()].concat());
    let authority = proxy.secure_authority();
    (proxy, hs, authority)
}

#[test]
fn through_a_proxy_over_tls_the_server_sees_the_browser_and_the_proxy_all_of_it_but_http2() {
    for (browser, expected) in [
        ("chrome120", &CONNECT_CHROMIUM[..]),
        ("firefox153", &CONNECT_FIREFOX),
    ] {
        let site = Site::new(Via::Http2);
        let (proxy, hs, authority) = secure_proxy(&site, Habits::default());
        let way = format!("https://{authority}");
        hs.run(&["-B", browser, "-x", &way, &site.url(FILE)])
            .exits(0);
        hs.assert_only("file.bin", &bytes_of("/file.bin", 300_000));
        let tls = fingerprint::find(browser).unwrap().tls;
        let inner = site.settle().connections()[0].hello().unwrap();
        assert_hello("the hello inside", &inner, &tls, "localhost");
        assert_eq!(site.exchanges()[0].request.protocol, Protocol::Http2);
        // CONNECT is inside the TLS that the proxy takes off, and looks as it does without.
        let asked = proxy.asked();
        assert!(
            asked[0].starts_with(&format!("CONNECT {} HTTP/1.1\r\n", site.authority())),
            "{asked:?}"
        );
        assert_lines(&asked[0], expected);
        let outside = &proxy.connections()[0];
        assert!(!outside.raw.windows(7).any(|bytes| bytes == b"CONNECT"));
        let found = compare::hello(&tls, &outside.hello().unwrap());
        let fields: Vec<_> = found.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(fields, ["tls.alpn"], "{found:#?}");
        assert_eq!(found[0].got, r#"["http/1.1"]"#);
    }
}

#[test]
fn a_proxy_over_tls_reads_what_is_for_the_clear_and_carries_many_tunnels() {
    in_every_way(|via| {
        let site = Site::new(via);
        let (proxy, hs, authority) = secure_proxy(&site, Habits::default());
        let url = site.url("/file.bin?size=3000000");
        hs.run(&["-t", "3", "-x", &format!("https://{authority}"), &url])
            .exits(0);
        hs.assert_only("file.bin", &bytes_of("/file.bin", 3_000_000));
        let method = if via == Via::Clear {
            "GET http://"
        } else {
            "CONNECT "
        };
        let asked = proxy.asked();
        assert!(
            asked.iter().all(|head| head.starts_with(method)),
            "{asked:?}"
        );
        assert_eq!(asked.len(), proxy.connections().len());
    });
}

#[test]
fn credentials_of_a_proxy_over_tls_are_for_it_alone() {
    for via in [Via::Http1, Via::Clear] {
        let site = Site::new(via);
        let habits = Habits {
            wants: Some("me:p@ss"),
            ..Habits::default()
        };
        let (proxy, hs, authority) = secure_proxy(&site, habits);
        let way = format!("https://me:p%40ss@{authority}");
        hs.run(&["-d", "-x", &way, &site.url("/a.bin?size=1")])
            .exits(0)
            .never_says("p%40ss")
            // Nor as it goes over the wire.
            .never_says("bWU6cEBzcw");
        let head = &proxy.asked()[0];
        let count = head.matches("Proxy-Authorization: Basic").count();
        assert_eq!(count, 1, "{head}");
        let request = &site.settle().exchanges()[0].request;
        assert_eq!(request.header("authorization"), None);
        if via == Via::Http1 {
            assert_eq!(request.header("proxy-authorization"), None);
        }
        let wrong = format!("https://me:wrong@{authority}");
        let done = hs.run(&["--retries", "0", "-x", &wrong, &site.url("/b.bin?size=1")]);
        done.exits(4).explains("407").never_says("wrong@");
    }
}

#[test]
fn a_proxy_over_tls_that_nobody_vouches_for_gets_no_credentials() {
    let site = Site::new(Via::Http2);
    let (proxy, _, authority) = secure_proxy(&site, Habits::default());
    // The site is trusted, the proxy is not.
    let hs = Hs::trusting(&site);
    let way = format!("https://me:secret@{authority}");
    let done = hs.run(&["-x", &way, &site.url("/a.bin?size=1")]).exits(4);
    done.explains("certificate").says("--cacert");
    assert_eq!(proxy.asked(), Vec::<String>::new());
    hs.run(&["-k", "-x", &way, &site.url("/a.bin?size=1")])
        .exits(0);
    assert_eq!(proxy.asked().len(), 1);
    // One that does not speak TLS at all.
    let plain = format!("https://{}", proxy.authority());
    let done = hs.run(&[
        "--retries",
        "0",
        "--connect-timeout",
        "2",
        "-x",
        &plain,
        &site.url("/b.bin?size=1"),
    ]);
    done.exits(4);
}

#[test]
fn a_proxy_that_refuses_is_named_with_its_status() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    for status in [407, 502, 504] {
        let proxy = Proxy::new(Habits {
            refuses: Some(status),
            ..Habits::default()
        });
        let done = hs.run(&["--retries", "1", "-x", &proxy.authority(), &site.url(FILE)]);
        done.exits(4).explains(&status.to_string()).says("proxy");
        assert!(proxy.asked().len() <= 2);
    }
    let done = hs.run(&["--retries", "0", "-x", "127.0.0.1:1", &site.url(FILE)]);
    done.exits(4);
    assert!(site.settle().exchanges().is_empty(), "{}", site.story());
}

#[test]
fn socks_proxies_resolve_names_where_they_should() {
    in_every_way(|via| {
        let site = Site::new(via);
        let port = site.authority().split(':').nth(1).unwrap().to_owned();
        for (scheme, expected) in [
            ("socks5h://u:p%40@", format!("socks5 localhost {port} u:p@")),
            ("socks5://", format!("socks5 127.0.0.1 {port}")),
            ("socks4a://", format!("socks4a localhost {port}")),
        ] {
            let proxy = Proxy::new(Habits::default());
            let hs = Hs::trusting(&site);
            let way = format!("{scheme}{}", proxy.authority());
            hs.run(&["-4", "-x", &way, &site.url("/a.bin?size=1")])
                .exits(0);
            assert_eq!(proxy.asked()[0], expected);
        }
        let heads = site.settle().exchanges();
        let named = |it: &crate::common::origin::server::log::Exchange| {
            it.request.header("proxy-connection").is_some()
        };
        assert!(!heads.iter().any(named));
    });
}

#[test]
fn the_environment_names_proxies_and_exceptions() {
    let (clear, secure) = (Site::new(Via::Clear), Site::new(Via::Http2));
    let proxy = Proxy::new(Habits::default());
    let way = proxy.authority();
    let hs = Hs::trusting(&secure);
    let mut nth = 0;
    let mut goes_through = |variables: &[(&str, &str)], options: &[&str], site: &Site| {
        nth += 1;
        let before = proxy.asked().len();
        let url = site.url(&format!("/{nth}.bin?size=1"));
        hs.run_with(variables, &[options, &[&url]].concat())
            .exits(0);
        proxy.asked().len() > before
    };
    assert!(goes_through(&[("http_proxy", &way)], &[], &clear));
    assert!(!goes_through(&[("http_proxy", &way)], &[], &secure));
    assert!(!goes_through(&[("HTTP_PROXY", &way)], &[], &clear));
    assert!(goes_through(&[("HTTPS_PROXY", &way)], &[], &secure));
    assert!(goes_through(&[("ALL_PROXY", &way)], &[], &secure));
    assert!(!goes_through(
        &[("ALL_PROXY", &way), ("NO_PROXY", "localhost")],
        &[],
        &secure
    ));
    assert!(goes_through(
        &[("ALL_PROXY", "127.0.0.1:1")],
        &["-x", &way],
        &secure
    ));
    assert!(!goes_through(
        &[],
        &["-x", &way, "--noproxy", "x, localhost"],
        &clear
    ));
    assert!(!goes_through(
        &[("ALL_PROXY", &way)],
        &["--noproxy", "*"],
        &clear
    ));
    assert!(!goes_through(&[("all_proxy", &way)], &["-x", ""], &clear));
    let done = hs
        .run_with(&[("https_proxy", "ftp://u:secret@h")], &[&secure.url(FILE)])
        .exits(2);
    done.explains("https_proxy").never_says("secret");
}

#[test]
fn a_key_can_be_pinned() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let certificate = X509::from_pem(site.ca_pem().as_bytes()).unwrap();
    let key = certificate
        .public_key()
        .unwrap()
        .public_key_to_der()
        .unwrap();
    let digest = hash(MessageDigest::sha256(), &key).unwrap();
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let pin = |digest: &[u8]| format!("sha256//{}", BASE64_STANDARD.encode(digest));
    let (right, wrong) = (pin(&digest), pin(&[7; 32]));
    hs.run(&[
        "--pinnedpubkey",
        &format!("{wrong};{right}"),
        &site.url("/a.bin?size=1"),
    ])
    .exits(0);
    let done = hs
        .run(&["--pinnedpubkey", &wrong, &site.url("/b.bin?size=1")])
        .exits(4);
    done.explains("pinned").says("--pinnedpubkey");
    // It holds for those who trust anybody, too.
    hs.run(&["-k", "--pinnedpubkey", &wrong, &site.url("/c.bin?size=1")])
        .exits(4);
    assert_eq!(site.settle().exchanges().len(), 1, "{}", site.story());
}

#[test]
fn nobody_is_trusted_without_a_reason() {
    let site = Site::new(Via::Http2);
    let hs = Hs::new();
    let done = hs.run(&[&site.url("/a.bin?size=1")]).exits(4);
    done.explains("certificate").says("--cacert");
    hs.run(&["-k", &site.url("/b.bin?size=1")]).exits(0);
    Hs::trusting(&site)
        .run(&[&site.url("/c.bin?size=1")])
        .exits(0);
}

#[test]
fn who_is_asked_for_a_certificate_shows_it() {
    let config = Config {
        tls: TlsConfig {
            wants_certificate: true,
            ..TlsConfig::default()
        },
        ..Config::default()
    };
    let site = Site::configured(config);
    let hs = Hs::trusting(&site);
    let [certificate, key] = identity().unwrap();
    let path = |name: &str, text: &[u8]| {
        let path = hs.home().join(name);
        fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let cert = path("cert.pem", &certificate);
    let both = path("both.pem", &[certificate, key.clone()].concat());
    let key = path("key.pem", &key);
    let other = path("other.pem", &identity().unwrap()[1]);
    let url = |name: &str| site.url(&format!("/{name}.bin?size=1"));
    hs.run(&["--retries", "0", &url("none")]).exits(4);
    hs.run(&["--cert", &cert, "--key", &key, &url("two")])
        .exits(0);
    hs.run(&["--cert", &both, &url("one")]).exits(0);
    for options in [
        ["--cert", &cert, "--key", &other],
        ["--cert", &key, "--key", &cert],
    ] {
        hs.run(&[&options[..], &[&url("wrong")]].concat())
            .exits(4)
            .says("hint: change the option");
    }
    hs.run(&["--cert", "/nonexistent", &url("x")])
        .exits(2)
        .explains("--cert");
    hs.run(&["--key", &key, &url("x")])
        .exits(2)
        .explains("--key");
}

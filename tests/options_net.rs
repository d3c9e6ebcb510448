//! What the options of the network promise, seen from the server: each test fails if its option is ignored.

use hydrastream::fingerprint;

use crate::common::hs::Hs;
use crate::common::origin::server::Config;
use crate::common::origin::server::content::Body;
use crate::common::origin::server::script::{Protocol, Reply, Request};
use crate::common::origin::{MIB, Site, Via, bytes_of, in_every_way};

const FILE: &str = "/file.bin?size=1000";

/// Large enough for ranges, slow enough that they are asked for.
const LARGE: &str = "/large.bin?size=12582912&limit=2097152";

/// The one request's names in the order in which they were sent, pseudo-headers left out.
fn names(request: &Request) -> Vec<&str> {
    let names = request.headers.iter().map(|(name, _)| name.as_str());
    names.filter(|name| !name.starts_with(':')).collect()
}

fn only(site: &Site) -> Request {
    let mut exchanges = site.settle().exchanges();
    assert_eq!(exchanges.len(), 1, "{}", site.story());
    exchanges.remove(0).request
}

/// What is before and behind a header.
fn around<'a>(names: &[&'a str], name: &str) -> [&'a str; 2] {
    let at = names.iter().position(|it| it.eq_ignore_ascii_case(name));
    let at = at.unwrap_or_else(|| panic!("{name} is not among {names:?}"));
    [
        names[at - 1],
        names.get(at + 1).copied().unwrap_or_default(),
    ]
    .map(|name| {
        names
            .iter()
            .find(|it| **it == name)
            .copied()
            .unwrap_or_default()
    })
}

#[test]
fn headers_are_added_replaced_and_removed_where_the_browser_has_them() {
    in_every_way(|via| {
        let site = Site::new(via);
        let hs = Hs::trusting(&site);
        let url = site.url(FILE);
        let args = [
            "-H",
            "X-New: 1",
            "-H",
            "accept-LANGUAGE: de",
            "-H",
            "Upgrade-Insecure-Requests:",
            &url,
        ];
        hs.run(&args).exits(0);
        let request = only(&site);
        let names = names(&request);
        let (new, language) = match via {
            Via::Http2 => ("x-new", "accept-language"),
            Via::Http1 | Via::Clear => ("X-New", "Accept-Language"),
        };
        assert_eq!(request.header("accept-language"), Some("de"));
        assert!(
            names.contains(&language) && names.contains(&new),
            "{names:?}"
        );
        assert_eq!(request.header("upgrade-insecure-requests"), None);
        let last = *names.last().unwrap();
        assert_eq!(last, language);
        let behind = match via {
            Via::Clear => "accept-encoding",
            Via::Http1 | Via::Http2 => "sec-fetch-site",
        };
        let [before, after] = around(&names, "x-new").map(str::to_ascii_lowercase);
        assert_eq!([&*before, &*after], ["accept", behind], "{via:?}");
    });
}

#[test]
fn headers_of_the_user_are_in_slices_too_and_stored_bytes_are_asked_for() {
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    hs.run(&[
        "-t",
        "3",
        "-H",
        "X-New: 1",
        "-H",
        "Accept-Encoding: gzip",
        &site.url(LARGE),
    ])
    .exits(0);
    hs.assert_only("large.bin", &bytes_of("/large.bin", 12 * MIB));
    let exchanges = site.settle().exchanges();
    assert!(exchanges.len() >= 2, "{}", site.story());
    for exchange in exchanges {
        let request = exchange.request;
        assert_eq!(request.header("x-new"), Some("1"));
        let coding = match request.header("range") {
            None => "gzip",
            Some(_) => "identity",
        };
        assert_eq!(request.header("accept-encoding"), Some(coding));
    }
}

#[test]
fn a_firefox_has_other_places() {
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    let args = [
        "-B",
        "firefox153",
        "-H",
        "X-New: 1",
        "-u",
        "a:b",
        "-e",
        "https://r.org/",
        "-H",
        "Cookie: c=d",
    ];
    hs.run(&[&args[..], &[&site.url(FILE)]].concat()).exits(0);
    let request = only(&site);
    let names = names(&request);
    assert_eq!(
        names[4..10],
        [
            "Accept-Encoding",
            "X-New",
            "Authorization",
            "Connection",
            "Referer",
            "Cookie"
        ],
        "{names:?}"
    );
}

#[test]
fn headers_that_belong_to_the_download_are_refused() {
    let hs = Hs::new();
    for text in [
        "Range: bytes=0-1",
        "If-Match: *",
        "Content-Length: 5",
        "Proxy-Authorization: x",
        "a b: c",
    ] {
        let done = hs.run(&["http://127.0.0.1:9/f", "-H", text]).exits(2);
        done.explains("--header");
    }
}

#[test]
fn another_host_name_is_said_and_not_asked_for() {
    for via in [Via::Http1, Via::Http2, Via::Clear] {
        let site = Site::new(via);
        let hs = Hs::trusting(&site);
        hs.run(&["-H", "Host: elsewhere.test", &site.url(FILE)])
            .exits(0);
        let request = only(&site);
        let name = if via == Via::Http2 {
            ":authority"
        } else {
            "Host"
        };
        assert_eq!(request.header(name), Some("elsewhere.test"), "{via:?}");
        let hosts = request
            .headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("host"));
        assert_eq!(hosts.count(), usize::from(via != Via::Http2));
    }
}

#[test]
fn a_referer_stands_where_the_browser_has_it_and_the_request_says_how_it_is_related() {
    in_every_way(|via| {
        let site = Site::new(via);
        let hs = Hs::trusting(&site);
        let page = format!("{}#part", site.url("/page"));
        hs.run(&["-e", &page, &site.url(FILE)]).exits(0);
        hs.run(&[
            "-e",
            "https://me:secret@other.test/x",
            &site.url("/b.bin?size=1"),
        ])
        .exits(0);
        let exchanges = site.settle().exchanges();
        let own = &exchanges[0].request;
        assert_eq!(own.header("referer"), Some(&*site.url("/page")));
        let names = names(own);
        let [before, after] = around(&names, "referer").map(str::to_ascii_lowercase);
        let expected = match via {
            Via::Clear => ["accept", "accept-encoding"],
            Via::Http1 | Via::Http2 => ["sec-fetch-dest", "accept-encoding"],
        };
        assert_eq!([&*before, &*after], expected, "{via:?}");
        let other = &exchanges[1].request;
        assert_eq!(other.header("referer"), Some("https://other.test/x"));
        if via != Via::Clear {
            assert_eq!(own.header("sec-fetch-site"), Some("same-origin"));
            assert_eq!(other.header("sec-fetch-site"), Some("cross-site"));
        }
    });
}

#[test]
fn a_user_agent_is_worn_and_one_that_does_not_fit_is_warned_of_once() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let text = &fingerprint::find("chrome120").unwrap().values["user_agent"];
    let fitting = format!("{text} Extra/1");
    hs.run(&["-A", &fitting, &site.url("/a.bin?size=1")])
        .exits(0)
        .never_says("user agent");
    let urls = [site.url("/b.bin?size=1"), site.url("/c.bin?size=1")];
    let done = hs.run(&["-A", "curl/8.5.0", &urls[0], &urls[1]]).exits(0);
    assert_eq!(
        done.stderr
            .matches("the user agent says no browser")
            .count(),
        1,
        "{}",
        done.stderr
    );
    let sent: Vec<_> = site
        .settle()
        .exchanges()
        .iter()
        .map(|it| it.request.header("user-agent").unwrap().to_owned())
        .collect();
    assert_eq!(sent, [&*fitting, "curl/8.5.0", "curl/8.5.0"]);
}

/// Redirects everything below `/go` to `to`.
fn redirecting(via: Via, to: String) -> Site {
    Site::behaving(via, move |request, reply| {
        match request.path().strip_prefix("/go") {
            Some(rest) => Reply::new(302, Body::default())
                .with("Location", format!("{to}{rest}?size=4000000&limit=4000000")),
            None => reply,
        }
    })
}

#[test]
fn no_credentials_cross_to_another_host() {
    let other = Site::new(Via::Clear);
    let site = redirecting(Via::Clear, other.url(""));
    let hs = Hs::new();
    let netrc = hs.home().join("netrc");
    std::fs::write(&netrc, "default login nobody password netrcsecret\n").unwrap();
    let given: [&[&str]; 5] = [
        &["-u", "me:secret"],
        &["--bearer", "secret"],
        &["-H", "Authorization: secret"],
        &[
            "-H",
            "X-Api-Key: secret",
            "-H",
            "Cookie: a=secret",
            "-H",
            "Host: localhost",
        ],
        &["--netrc-file", netrc.to_str().unwrap()],
    ];
    for (nth, options) in given.into_iter().enumerate() {
        let url = site.url(&format!("/go/{nth}.bin"));
        let done = hs.run(&[options, &["-d", "-t", "3", &url]].concat());
        done.exits(0).never_says("secret").never_says("bmV0cmM");
        hs.assert_file(
            &format!("{nth}.bin"),
            &bytes_of(&format!("/{nth}.bin"), 4_000_000),
        );
    }
    let secrets = |request: &Request| -> Vec<String> {
        let fields = request.headers.iter();
        let secret = fields.filter(|(name, value)| {
            let name = name.to_ascii_lowercase();
            ["authorization", "cookie", "x-api-key"].contains(&&*name) || value.contains("secret")
        });
        secret.map(|(name, _)| name.clone()).collect()
    };
    for exchange in site.settle().exchanges() {
        assert!(
            !secrets(&exchange.request).is_empty(),
            "{:?}",
            exchange.request
        );
    }
    let exchanges = other.settle().exchanges();
    assert!(exchanges.len() >= 5, "{}", other.story());
    for exchange in exchanges {
        assert_eq!(
            secrets(&exchange.request),
            [""; 0],
            "{:?}",
            exchange.request
        );
        assert_eq!(exchange.request.header("host"), Some(&*other.authority()));
    }
    let log = std::fs::read_to_string(hs.dir().join("download.log")).unwrap_or_default();
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn credentials_are_sent_at_once_where_the_browser_puts_them() {
    in_every_way(|via| {
        let site = Site::behaving(via, |request, reply| {
            match request.header("authorization") {
                Some("Basic bWU6YTpi") => reply,
                _ => Reply::new(401, Body::default()).with("WWW-Authenticate", "Basic realm=\"x\""),
            }
        });
        let hs = Hs::trusting(&site);
        hs.run(&["-u", "me:a:b", "-t", "3", &site.url(LARGE)])
            .exits(0);
        for exchange in site.settle().exchanges() {
            assert_ne!(exchange.status, Some(401), "{}", site.story());
            let names = names(&exchange.request);
            let at = names
                .iter()
                .position(|name| name.eq_ignore_ascii_case("authorization"));
            // Behind Host and Connection, which HTTP/2 does not have.
            let expected = if via == Via::Http2 { 0 } else { 2 };
            assert_eq!(at, Some(expected), "{names:?}");
        }
        hs.run(&["-u", "me", &site.url("/x.bin")])
            .exits(4)
            .explains("401");
        hs.run(&[&site.url_as("me", "a%3Ab", "/y.bin?size=3")])
            .exits(0);
    });
}

#[test]
fn a_netrc_says_who_logs_in_where() {
    let site = Site::behaving(Via::Clear, |request, reply| {
        match request.header("authorization") {
            Some("Basic bjpwIHE=") => reply,
            _ => Reply::new(401, Body::default()),
        }
    });
    let hs = Hs::new();
    let text = "machine elsewhere login x password y\nmachine localhost login n password \"p q\"\n";
    std::fs::write(hs.home().join("mine"), text).unwrap();
    std::fs::write(hs.home().join(".netrc"), text).unwrap();
    hs.run(&["--netrc-file", "mine", &site.url("/a.bin?size=1")])
        .exits(0);
    hs.run(&["--netrc", &site.url("/b.bin?size=1")]).exits(0);
    hs.run(&[&site.url("/c.bin?size=1")]).exits(4);
    std::fs::write(
        hs.home().join("bad"),
        "machine localhost\nlogin n\nsecret\n",
    )
    .unwrap();
    let done = hs
        .run(&["--netrc-file", "bad", &site.url("/d.bin")])
        .exits(2);
    done.explains("bad: line 3").never_says("secret");
}

#[test]
fn a_password_that_is_missing_is_asked_for_at_a_terminal() {
    let site = Site::new(Via::Clear);
    let hs = Hs::new();
    // Without a terminal it is empty.
    hs.run(&["-u", "me", &site.url("/a.bin?size=1")]).exits(0);
    let line = format!("{} -q -u me {}", Hs::PROGRAM, site.url("/b.bin?size=1"));
    // What is typed before the question is thrown away, hence more than once.
    let typing = "while sleep 0.2; do echo s3cret || exit; done";
    let script = format!("({typing}) | timeout 60 script -qec '{line}' /dev/null");
    hs.run_program("sh", &["-c", &script]);
    let sent: Vec<_> = site
        .settle()
        .exchanges()
        .into_iter()
        .map(|it| it.request)
        .collect();
    assert_eq!(sent[0].header("authorization"), Some("Basic bWU6"));
    assert_eq!(sent[1].header("authorization"), Some("Basic bWU6czNjcmV0"));
}

#[test]
fn a_bearer_token_is_sent() {
    let site = Site::new(Via::Http2);
    Hs::trusting(&site)
        .run(&["--bearer", "t0ken", &site.url(FILE)])
        .exits(0);
    assert_eq!(only(&site).header("authorization"), Some("Bearer t0ken"));
}

#[test]
fn cookies_of_a_redirect_open_the_file() {
    in_every_way(|via| {
        let site = Site::behaving(via, |request, reply| match request.path() {
            "/enter" => Reply::new(302, Body::default())
                .with("Set-Cookie", "pass=1; Path=/")
                .with(
                    "Set-Cookie",
                    "long=0123456789012345678901234567890123456789; HttpOnly",
                )
                .with("Set-Cookie", "other=1; Domain=example.org")
                .with("Location", "/large.bin?size=12582912&limit=2097152"),
            "/large.bin" if !cookies(request).contains("pass=1") => {
                Reply::new(403, Body::default())
            }
            _ => reply,
        });
        let hs = Hs::trusting(&site);
        hs.run(&["-t", "3", &site.url("/enter")]).exits(0);
        let exchanges = site.settle().exchanges();
        assert!(exchanges.len() >= 3, "{}", site.story());
        for exchange in &exchanges[1..] {
            let fields: Vec<_> = exchange
                .request
                .headers
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case("cookie"))
                .collect();
            let crumbs = if via == Via::Http2 { 2 } else { 1 };
            assert_eq!(fields.len(), crumbs, "{fields:?}");
            assert_eq!(
                cookies(&exchange.request),
                "pass=1; long=0123456789012345678901234567890123456789"
            );
            assert_eq!(
                names(&exchange.request)
                    .last()
                    .unwrap()
                    .to_ascii_lowercase(),
                "cookie"
            );
        }
    });
}

/// All cookies as one field.
fn cookies(request: &Request) -> String {
    let fields = request
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("cookie"));
    fields
        .map(|(_, value)| value.as_str())
        .collect::<Vec<_>>()
        .join("; ")
}

#[test]
fn cookies_come_from_a_file_and_go_to_one() {
    let site = Site::behaving(Via::Clear, |request, reply| match request.path() {
        "/a.bin" => reply.with("Set-Cookie", "new=2; Max-Age=1000"),
        _ => reply,
    });
    let hs = Hs::new();
    let file = "# Netscape HTTP Cookie File\nlocalhost\tFALSE\t/\tFALSE\t0\tgiven\t1\nexample.org\tFALSE\t/\tFALSE\t0\tforeign\t1\n";
    std::fs::write(hs.home().join("in.txt"), file).unwrap();
    let urls = [site.url("/a.bin?size=1"), site.url("/b.bin?size=1")];
    hs.run(&[
        "--cookies",
        "in.txt",
        "--cookie-jar",
        "out.txt",
        &urls[0],
        &urls[1],
    ])
    .exits(0);
    let sent: Vec<_> = site
        .settle()
        .exchanges()
        .iter()
        .map(|it| cookies(&it.request))
        .collect();
    assert_eq!(sent, ["given=1", "given=1; new=2"]);
    let jar = std::fs::read_to_string(hs.home().join("out.txt")).unwrap();
    assert!(
        jar.contains("localhost\tFALSE\t/\tFALSE\t0\tgiven\t1\n")
            && jar.contains("\tnew\t2\n")
            && jar.contains("foreign"),
        "{jar}"
    );
    // What was written is read, and sent again.
    hs.run(&["--cookies", "out.txt", &site.url("/c.bin?size=1")])
        .exits(0);
    assert_eq!(
        cookies(&site.settle().exchanges()[2].request),
        "given=1; new=2"
    );
    std::fs::write(hs.home().join("bad.txt"), "no cookies\n").unwrap();
    hs.run(&["--cookies", "bad.txt", &urls[0]])
        .exits(2)
        .explains("line 1");
    hs.run(&["--cookie-jar", "none/jar", &site.url("/d.bin?size=1")])
        .exits(5)
        .says("none/jar");
}

#[test]
fn a_version_of_http_can_be_demanded() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    hs.run(&["--http1.1", &site.url("/a.bin?size=1")]).exits(0);
    hs.run(&["--http2", &site.url("/b.bin?size=1")]).exits(0);
    let spoken: Vec<_> = site
        .settle()
        .exchanges()
        .iter()
        .map(|it| it.request.protocol)
        .collect();
    assert_eq!(spoken, [Protocol::Http11, Protocol::Http2]);
    let hello = site.connections()[0].hello().unwrap();
    let ids: Vec<_> = hello.extensions.iter().map(|it| it.id).collect();
    use hydrastream::fingerprint::wire::extension::{ALPN, ALPS, ALPS_OLD, Body as Extension};
    assert_eq!(
        hello.extension(ALPN),
        Some(&Extension::Alpn(vec![b"http/1.1".to_vec()]))
    );
    assert!(!ids.contains(&ALPS) && !ids.contains(&ALPS_OLD), "{ids:?}");
    for via in [Via::Http1, Via::Clear] {
        let old = Site::new(via);
        let hs = Hs::trusting(&old);
        hs.run(&["--http2", &old.url(FILE)])
            .exits(4)
            .explains("HTTP/1.1, not HTTP/2");
        assert_eq!(old.settle().exchanges().len(), 1, "{}", old.story());
    }
}

#[test]
fn connections_are_as_many_as_was_said() {
    for (via, options, expected) in [
        (Via::Http1, &["-t", "8", "--connections", "2"][..], 2),
        (Via::Clear, &["-t", "3"], 3),
        (Via::Http2, &["-t", "8"], 1),
        (Via::Http2, &["-t", "8", "--connections", "4"], 4),
    ] {
        let site = Site::new(via);
        let hs = Hs::trusting(&site);
        hs.run(&[options, &[&site.url("/l.bin?size=33554432&limit=4194304")]].concat())
            .exits(0);
        let connections = site.settle().connections();
        let open = most_open(&connections);
        assert_eq!(open, expected, "{via:?} {options:?}: {}", site.story());
    }
}

/// The most connections that were open at one time.
fn most_open(connections: &[crate::common::origin::server::log::Connection]) -> usize {
    let open_at = |at| {
        let is_open = |it: &&crate::common::origin::server::log::Connection| {
            it.opened <= at && it.closed.as_ref().is_none_or(|(closed, _)| *closed > at)
        };
        connections.iter().filter(is_open).count()
    };
    connections
        .iter()
        .map(|it| open_at(it.opened))
        .max()
        .unwrap_or(0)
}

#[test]
fn a_host_can_be_given_an_address() {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    let url = site.url(FILE);
    let port = url.split(':').nth(2).unwrap().split('/').next().unwrap();
    let elsewhere = url.replace("localhost", "nowhere.test");
    let hosts = format!("NOWHERE.test:{port}:127.0.0.1");
    hs.run(&["-k", "--resolve", &hosts, &elsewhere]).exits(0);
    assert_eq!(
        only(&site).header(":authority"),
        Some(&*format!("nowhere.test:{port}"))
    );
}

#[test]
fn the_version_of_ip_and_the_interface_are_kept_to() {
    let site = Site::new(Via::Clear);
    let hs = Hs::new();
    hs.run(&["-4", &site.url("/a.bin?size=1")]).exits(0);
    // The site listens on IPv4 alone.
    hs.run(&["-6", "--retries", "0", &site.url("/x.bin?size=1")])
        .exits(4);
    let config = Config {
        address: std::net::Ipv6Addr::LOCALHOST.into(),
        ..Config::default()
    };
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        let six = Site::configured(config);
        let hs = Hs::trusting(&six);
        hs.run(&["-6", &six.url("/a.bin?size=1")]).exits(0);
        hs.run(&["-4", "--retries", "0", &six.url("/x.bin?size=1")])
            .exits(4);
    }
    hs.run(&["--interface", "127.0.0.2", &site.url("/b.bin?size=1")])
        .exits(0);
    hs.run(&["--interface", "nosuch0", &site.url("/c.bin?size=1")])
        .exits(4)
        .explains("Failed binding");
    assert_eq!(site.settle().exchanges().len(), 2, "{}", site.story());
}

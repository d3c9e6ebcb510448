//! Credentials, certificates, cookies and proxies against real programs of Debian: nginx, tinyproxy, microsocks, Chromium, Firefox.
//!
//! `make test-system` runs this; what is not installed fails it with the command that installs it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hydrastream::fingerprint;
use hydrastream::fingerprint::compare;
use tempfile::TempDir;

use crate::common::capture::assert_none;
use crate::common::hs::Hs;
use crate::common::origin::server::content::Body;
use crate::common::origin::server::log::Exchange;
use crate::common::origin::server::script::{Protocol, Reply, Request};
use crate::common::origin::server::tls::{TlsConfig, identity};
use crate::common::origin::{Site, Via};
use crate::common::proxy::{Habits, Proxy};

/// Nothing here takes longer to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// What nginx serves: large enough for ranges.
const SIZE: usize = 5_000_000;

/// A program that is killed in the end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program of the Debian package of this name.
fn start(package: &str, program: &str, arguments: &[&str]) -> Running {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Running(child.unwrap_or_else(|error| panic!("{program}: {error}: apt-get install {package}")))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn wait_for(port: u16) {
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < PATIENCE, "nobody listens on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// nginx with a file behind a password, and one behind a client certificate.
struct Nginx {
    _running: Running,
    home: TempDir,
    /// Ports: in the clear and over TLS with a password; over TLS with a client certificate.
    clear: u16,
    secure: u16,
    certified: u16,
}

impl Nginx {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let [clear, secure, certified] = [(); 3].map(|()| free_port());
        let dir = home.path().display();
        for (name, [certificate, key]) in [
            ("server", identity().unwrap()),
            ("client", identity().unwrap()),
        ] {
            fs::write(home.path().join(format!("{name}.pem")), certificate).unwrap();
            fs::write(home.path().join(format!("{name}.key")), key).unwrap();
        }
        fs::create_dir(home.path().join("www")).unwrap();
        fs::write(home.path().join("www/file.bin"), content()).unwrap();
        fs::write(home.path().join("users"), "me:{PLAIN}p@ss-word\n").unwrap();
        let config = format!(
            "daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;\n\
             events {{}}\n\
             http {{\n\
               access_log off; root {dir}/www; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;\n\
               fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
               ssl_certificate {dir}/server.pem; ssl_certificate_key {dir}/server.key;\n\
               server {{ listen 127.0.0.1:{clear}; listen 127.0.0.1:{secure} ssl http2;\n\
                 auth_basic demonstration; auth_basic_user_file {dir}/users; }}\n\
               server {{ listen 127.0.0.1:{certified} ssl http2;\n\
                 ssl_verify_client on; ssl_client_certificate {dir}/client.pem; }}\n\
             }}\n"
        );
        let path = home.path().join("nginx.conf");
        fs::write(&path, config).unwrap();
        let running = start(
            "nginx-light",
            "/usr/sbin/nginx",
            &["-c", path.to_str().unwrap()],
        );
        for port in [clear, secure, certified] {
            wait_for(port);
        }
        Self {
            _running: running,
            home,
            clear,
            secure,
            certified,
        }
    }

    fn path(&self, name: &str) -> String {
        self.home
            .path()
            .join(name)
            .into_os_string()
            .into_string()
            .unwrap()
    }

    /// The addresses with a password, in the clear and over TLS.
    fn urls(&self) -> [String; 2] {
        [
            format!("http://localhost:{}/file.bin", self.clear),
            format!("https://localhost:{}/file.bin", self.secure),
        ]
    }
}

fn content() -> Vec<u8> {
    (0..SIZE).map(|at| (at * at / 7 % 251) as u8).collect()
}

/// A fresh folder, in which a run gets the file or fails with the code.
fn run(nginx: &Nginx, options: &[&str], url: &str, code: i32) -> Hs {
    let hs = Hs::new();
    let ca = nginx.path("server.pem");
    let done = hs.run(
        &[
            &["--cacert", &ca, "-t", "3", "--retries", "1"],
            options,
            &[url],
        ]
        .concat(),
    );
    done.exits(code);
    if code == 0 {
        hs.assert_only("file.bin", &content());
    }
    hs
}

#[test]
#[ignore = "needs Debian's nginx-light"]
fn nginx_lets_in_who_has_the_password_or_the_certificate() {
    let nginx = Nginx::start();
    let netrc = nginx.path("netrc");
    fs::write(
        &netrc,
        "machine localhost login me password \"p@ss-word\"\n",
    )
    .unwrap();
    for url in nginx.urls() {
        run(&nginx, &["-u", "me:p@ss-word"], &url, 0);
        run(&nginx, &["--netrc-file", &netrc], &url, 0);
        run(
            &nginx,
            &[],
            &url.replace("localhost", "me:p%40ss-word@localhost"),
            0,
        );
        run(&nginx, &["-u", "me:wrong"], &url, 4);
        run(&nginx, &[], &url, 4);
    }
    let url = format!("https://localhost:{}/file.bin", nginx.certified);
    let (cert, key) = (nginx.path("client.pem"), nginx.path("client.key"));
    for browser in ["chrome120", "chrome156", "firefox153", "safari260"] {
        run(
            &nginx,
            &["-B", browser, "--cert", &cert, "--key", &key],
            &url,
            0,
        );
    }
    run(&nginx, &[], &url, 4);
    let (cert, key) = (nginx.path("server.pem"), nginx.path("server.key"));
    run(&nginx, &["--cert", &cert, "--key", &key], &url, 4);
}

#[test]
#[ignore = "needs Debian's nginx-light and tinyproxy"]
fn tinyproxy_passes_on_requests_and_tunnels() {
    let nginx = Nginx::start();
    let port = free_port();
    let config = nginx.path("tinyproxy.conf");
    let text = format!(
        "Port {port}\nListen 127.0.0.1\nTimeout 60\nAllow 127.0.0.1\nMaxClients 50\nBasicAuth proxy s3cret\nLogFile \"{}\"\n",
        nginx.path("tinyproxy.log")
    );
    fs::write(&config, text).unwrap();
    let _running = start("tinyproxy-bin", "tinyproxy", &["-d", "-c", &config]);
    wait_for(port);
    let way = format!("http://proxy:s3cret@127.0.0.1:{port}");
    for url in nginx.urls() {
        run(&nginx, &["-u", "me:p@ss-word", "-x", &way], &url, 0);
        run(
            &nginx,
            &["-u", "me:p@ss-word", "-x", &way.replace("s3cret", "wrong")],
            &url,
            4,
        );
    }
    // A tunnel to nowhere.
    let url = format!("https://localhost:{}/file.bin", free_port());
    run(&nginx, &["-x", &way], &url, 4);
}

#[test]
#[ignore = "needs Debian's nginx-light and microsocks"]
fn microsocks_connects_for_who_may() {
    let nginx = Nginx::start();
    let port = free_port();
    let listen = [
        "-i",
        "127.0.0.1",
        "-p",
        &port.to_string(),
        "-u",
        "proxy",
        "-P",
        "s3cret",
    ];
    let _running = start("microsocks", "microsocks", &listen);
    wait_for(port);
    for url in nginx.urls() {
        for scheme in ["socks5", "socks5h"] {
            let way = format!("{scheme}://proxy:s3cret@127.0.0.1:{port}");
            run(&nginx, &["-4", "-u", "me:p@ss-word", "-x", &way], &url, 0);
        }
        let wrong = format!("socks5h://proxy:wrong@127.0.0.1:{port}");
        run(&nginx, &["-u", "me:p@ss-word", "-x", &wrong], &url, 4);
    }
}

/// Asks for a password, sets cookies, and leads on.
fn club(via: Via) -> Site {
    Site::behaving(via, |request, _| {
        let html = |text: &'static str| {
            Reply::new(200, Body::from(text)).with("Content-Type", "text/html")
        };
        match (request.path(), request.header("authorization")) {
            ("/enter", None) => {
                Reply::new(401, Body::default()).with("WWW-Authenticate", "Basic realm=\"club\"")
            }
            ("/enter", Some(_)) => html("<meta http-equiv=refresh content='0;url=/next'>")
                .with("Set-Cookie", "a=1")
                .with("Set-Cookie", "b=0123456789012345678901234567890123456789"),
            _ => html("<p>in"),
        }
    })
}

/// The request for the page that a browser is led to.
fn led(site: &Site) -> Request {
    let begun = Instant::now();
    loop {
        let exchanges = site.exchanges();
        if let Some(next) = exchanges
            .into_iter()
            .find(|it| it.request.path() == "/next")
        {
            return next.request;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "the browser did not come:{}",
            site.story()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Names, and the values of cookies.
fn shown(request: &Request) -> Vec<String> {
    let fields = request
        .headers
        .iter()
        .filter(|(name, _)| !name.starts_with(':'));
    fields
        .map(|(name, value)| match name.to_ascii_lowercase().as_str() {
            "cookie" | "authorization" | "sec-fetch-site" => format!("{name}: {value}"),
            _ => name.clone(),
        })
        // A page leads on by itself, a user by a click.
        .filter(|name| !name.eq_ignore_ascii_case("sec-fetch-user"))
        .collect()
}

/// Whether `hs` in this fingerprint shows what the browser showed, over both versions.
fn compare(browser: &str, worn: &str, open: impl Fn(&Path, &Site) -> Running) {
    for via in [Via::Http2, Via::Http1] {
        let (site, ours) = (club(via), club(via));
        let profile = tempfile::tempdir().unwrap();
        let expected = {
            let _running = open(profile.path(), &site);
            shown(&led(&site))
        };
        let hs = Hs::trusting(&ours);
        let jar = hs.home().join("jar");
        let cookies = "localhost\tFALSE\t/\tFALSE\t0\ta\t1\nlocalhost\tFALSE\t/\tFALSE\t0\tb\t0123456789012345678901234567890123456789\n";
        fs::write(&jar, cookies).unwrap();
        let page = ours.url("/enter");
        let mut options = vec!["-B", worn, "--cookies", "jar", "-e", &page, "--accept-html"];
        if expected
            .iter()
            .any(|name| name.to_ascii_lowercase().starts_with("authorization"))
        {
            options.extend(["-u", "u:p"]);
        }
        let url = ours.url("/next");
        options.push(&url);
        hs.run(&options).exits(0);
        assert_eq!(shown(&led(&ours)), expected, "{browser} {via:?}");
    }
}

#[test]
#[ignore = "needs Debian's chromium"]
fn a_redirect_is_followed_as_chromium_does() {
    for via in [Via::Http2, Via::Http1] {
        let elsewhere = Site::new(via);
        let there = elsewhere
            .url("/next?size=1")
            .replace("localhost", "127.0.0.1");
        let site = Site::behaving(via, move |request, reply| {
            let to = match request.path() {
                "/enter" => "/between".to_owned(),
                "/between" => there.clone(),
                _ => return reply,
            };
            Reply::new(302, Body::default()).with("Location", to)
        });
        let profile = tempfile::tempdir().unwrap();
        {
            let _running = chromium(profile.path(), &site.url("/enter"));
            led(&elsewhere);
        }
        Hs::trusting(&site)
            .run(&["-B", "chromium156", "-k", &site.url("/enter")])
            .exits(0);
        let names = |it: &Exchange| shown(&it.request);
        for (site, path) in [(&site, "/between"), (&elsewhere, "/next")] {
            let exchanges = site.exchanges();
            let of_path: Vec<_> = exchanges
                .iter()
                .filter(|it| it.request.path() == path)
                .map(names)
                .collect();
            let [theirs, .., ours] = &of_path[..] else {
                panic!("{path} was not asked for twice: {}", site.story());
            };
            assert_eq!(ours, theirs, "{path} {via:?}");
        }
    }
}

/// Chromium with a fresh profile, at this address.
fn chromium(profile: &Path, url: &str) -> Running {
    chromium_with(profile, &[url])
}

/// Chromium with a fresh profile and these arguments.
fn chromium_with(profile: &Path, arguments: &[&str]) -> Running {
    let data = format!("--user-data-dir={}", profile.display());
    let quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
    ];
    let trusting = [
        "--ignore-certificate-errors",
        "--remote-debugging-port=0",
        &data,
    ];
    start(
        "chromium",
        "chromium",
        &[&quiet[..], &trusting, arguments].concat(),
    )
}

#[test]
#[ignore = "needs Debian's chromium"]
fn credentials_cookies_and_referer_are_where_chromium_has_them() {
    compare("chromium", "chromium156", |profile, site| {
        let url = site.url("/enter").replace("localhost", "u:p@localhost");
        chromium(profile, &url)
    });
}

#[test]
#[ignore = "needs Debian's chromium"]
fn a_proxy_over_tls_is_shown_chromiums_hello_but_for_http2() {
    let config = TlsConfig {
        alpn: vec![Protocol::Http11],
        ..TlsConfig::default()
    };
    let (site, proxy) = (
        Site::new(Via::Http2),
        Proxy::secure(Habits::default(), &config),
    );
    let way = format!("https://{}", proxy.secure_authority());
    let page = site.url("/enter");
    let profile = tempfile::tempdir().unwrap();
    {
        let server = format!("--proxy-server={way}");
        let options = [&server, "--proxy-bypass-list=<-loopback>", &page];
        let _running = chromium_with(profile.path(), &options);
        let begun = Instant::now();
        while site.exchanges().is_empty() {
            assert!(begun.elapsed() < PATIENCE, "{:?}", proxy.asked());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let to = format!("CONNECT {} ", site.authority());
    let head = |asked: &[String]| {
        let head = asked.iter().rfind(|head| head.starts_with(&to));
        let names = head.unwrap().lines().skip(1);
        let names = names.map(|line| line.split(':').next().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let (theirs, connections) = (head(&proxy.asked()), proxy.connections().len());
    let tls = fingerprint::find("chromium156").unwrap().tls;
    let hello = proxy.connections()[0].hello().unwrap();
    assert_none("chromium's to a proxy", compare::hello(&tls, &hello));
    let hs = Hs::trusting(&site);
    hs.run(&["-B", "chromium156", "-k", "-x", &way, &page])
        .exits(0);
    assert_eq!(head(&proxy.asked()), theirs);
    let ours = proxy.connections()[connections].hello().unwrap();
    let found = compare::hello(&tls, &ours);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].field, "tls.alpn");
}

#[test]
#[ignore = "needs Debian's firefox-esr"]
fn credentials_cookies_and_referer_are_where_firefox_has_them() {
    compare("firefox", "firefox153", |profile, site| {
        let preferences = "user_pref(\"network.auth.confirmAuth.enabled\", false);\n";
        fs::write(profile.join("user.js"), preferences).unwrap();
        fs::write(profile.join("cert_override.txt"), exception(site, profile)).unwrap();
        let url = site.url("/enter").replace("localhost", "u:p@localhost");
        let profile = profile.to_str().unwrap();
        start(
            "firefox-esr",
            "firefox-esr",
            &["--headless", "--no-remote", "--profile", profile, &url],
        )
    });
}

/// What Firefox writes when its user says that the certificate is all right.
fn exception(site: &Site, dir: &Path) -> String {
    let certificate: PathBuf = dir.join("site.pem");
    fs::write(&certificate, site.ca_pem()).unwrap();
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(&certificate)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, digest) = text.trim().split_once('=').unwrap();
    format!(
        "{}:\tOID.2.16.840.1.101.3.4.2.1\t{digest}\t\n",
        site.authority()
    )
}

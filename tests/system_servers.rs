//! Every browser shakes hands with the servers that the world runs: nginx, Apache and Caddy, as Debian packages them, with
//! RSA and ECDSA certificates, where TLS 1.2 is all they speak and where TLS 1.3 is. Where it is TLS 1.1, those get in that
//! say they speak it, and the others fail as the browser does.
//!
//! What a hello advertises is a browser's and what answers it is BoringSSL, so a server might select something that was
//! said and cannot be done. `make test-system` runs this; a server that is not installed fails it with the command that
//! installs it. Each server is started for the test, with a configuration of its own; Debian's services are left alone.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hydrastream::fingerprint;
use tempfile::TempDir;

use crate::common::hs::Hs;
use crate::common::origin::server::certificate::{KeyKind, certificate};

/// A server is up within a second, unless the machine is very busy.
const LIMIT: Duration = Duration::from_secs(60);
/// Bytes of the file that is downloaded from each.
const SIZE: usize = 5000;
/// Browsers that download at once; who is turned away tries again after a while.
const AT_ONCE: usize = 8;

/// The certificates, by the names of their files.
const KEYS: [(&str, KeyKind); 2] = [("rsa", KeyKind::Rsa), ("ecdsa", KeyKind::Ecdsa)];

/// What OpenSSL's servers can be told to speak alone. Caddy leaves out the first.
const VERSIONS: [(&str, u16); 3] = [("1.1", 0x0302), ("1.2", 0x0303), ("1.3", 0x0304)];
/// What `hs` says, as the browser would, of a server that speaks no version of its hello.
const TURNED_AWAY: &str = "TLSV1_ALERT_PROTOCOL_VERSION";

#[test]
#[ignore = "needs Debian's nginx-light"]
fn every_browser_shakes_hands_with_nginx() {
    shake_hands(&Software {
        package: "nginx-light",
        versions: &VERSIONS,
        program: "nginx",
        arguments: |home| vec!["-p".into(), home.into(), "-c".into(), "nginx.conf".into()],
        configuration: |home, doors| ("nginx.conf", nginx(home, doors)),
    });
}

#[test]
#[ignore = "needs Debian's apache2"]
fn every_browser_shakes_hands_with_apache() {
    shake_hands(&Software {
        package: "apache2",
        versions: &VERSIONS,
        program: "apache2",
        arguments: |home| {
            let file = format!("{home}/apache.conf");
            vec!["-DFOREGROUND".into(), "-f".into(), file]
        },
        configuration: |home, doors| ("apache.conf", apache(home, doors)),
    });
}

#[test]
#[ignore = "needs Debian's caddy"]
fn every_browser_shakes_hands_with_caddy() {
    shake_hands(&Software {
        package: "caddy",
        versions: &VERSIONS[1..],
        program: "caddy",
        arguments: |home| {
            let file = format!("{home}/Caddyfile");
            let words = ["run", "--adapter", "caddyfile", "--config"].map(str::to_owned);
            words.into_iter().chain([file]).collect()
        },
        configuration: |home, doors| ("Caddyfile", caddy(home, doors)),
    });
}

/// A server program as Debian has it.
struct Software {
    /// What `apt-get install` is told.
    package: &'static str,
    /// Each of which is spoken alone behind two doors.
    versions: &'static [(&'static str, u16)],
    /// Its program, here or in `/usr/sbin`.
    program: &'static str,
    /// What it is started with, in a folder of this name.
    arguments: fn(&str) -> Vec<String>,
    /// File name and text of its configuration.
    configuration: fn(&str, &[Door]) -> (&'static str, String),
}

/// One way to be reached.
struct Door {
    /// Name of the certificate's files: one of [`KEYS`].
    key: &'static str,
    /// The only version of TLS, as servers and as hellos have it.
    version: (&'static str, u16),
    port: u16,
}

impl Door {
    /// `rsa-1.2`; also the name of the file behind it.
    fn name(&self) -> String {
        format!("{}-{}", self.key, self.version.0)
    }
}

/// Both kinds of keys with each version, on free ports.
fn doors(versions: &'static [(&'static str, u16)]) -> Vec<Door> {
    let ways = KEYS
        .iter()
        .flat_map(|(key, _)| versions.iter().map(move |version| (*key, *version)));
    // All sockets are held until each has its port, so that none is given twice.
    let open = ways.map(|way| (way, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()));
    let open: Vec<_> = open.collect();
    let door = |((key, version), socket): &((&'static str, _), TcpListener)| Door {
        key,
        version: *version,
        port: socket.local_addr().unwrap().port(),
    };
    open.iter().map(door).collect()
}

/// A server that runs until this is dropped, with its folder.
struct Running {
    process: Child,
    doors: Vec<Door>,
    /// The certificates of all doors, PEM.
    trusted: String,
    home: TempDir,
}

impl Running {
    fn start(software: &Software) -> Self {
        let home = tempfile::tempdir().unwrap();
        let doors = doors(software.versions);
        // Servers give up root's rights before they read a file.
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(home.path().join("www")).unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(home.path().join(name), bytes).unwrap();
        let mut trusted = String::new();
        for (name, kind) in KEYS {
            let (certificate, key) = certificate(kind, Ipv4Addr::LOCALHOST.into()).unwrap();
            let certificate = certificate.to_pem().unwrap();
            write(&format!("{name}.crt"), &certificate);
            write(
                &format!("{name}.key"),
                &key.private_key_to_pem_pkcs8().unwrap(),
            );
            trusted.push_str(&String::from_utf8(certificate).unwrap());
        }
        for door in &doors {
            let name = door.name();
            write(&format!("www/{name}"), &content(&name));
        }
        let folder = home.path().to_str().unwrap().to_owned();
        let (file, text) = (software.configuration)(&folder, &doors);
        fs::write(home.path().join(file), text).unwrap();
        let log = fs::File::create(home.path().join("log")).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let process = Command::new(software.program)
            .args((software.arguments)(&folder))
            .env_clear()
            .env("PATH", format!("{path}:/usr/sbin"))
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let package = software.package;
        let process = process.unwrap_or_else(|e| panic!("{e}: apt-get install {package}"));
        let mut running = Self {
            process,
            doors,
            trusted,
            home,
        };
        running.wait();
        running
    }

    /// Until every door is open.
    fn wait(&mut self) {
        let begun = Instant::now();
        while !self
            .doors
            .iter()
            .all(|door| TcpStream::connect((Ipv4Addr::LOCALHOST, door.port)).is_ok())
        {
            let ended = self.process.try_wait().unwrap().is_some();
            assert!(
                !ended && begun.elapsed() < LIMIT,
                "not started: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A signal that lets it end its own workers; they would outlive a kill.
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}

/// What lies behind a door.
fn content(name: &str) -> Vec<u8> {
    name.bytes().cycle().take(SIZE).collect()
}

/// All browsers, through all doors.
fn shake_hands(software: &Software) {
    let server = Running::start(software);
    let names: Vec<_> = fingerprint::names().collect();
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|nth| {
                let (names, server) = (&names, &server);
                let mine = names.iter().skip(nth).step_by(AT_ONCE);
                scope.spawn(move || mine.flat_map(|name| try_doors(name, server)).collect())
            })
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.collect::<Vec<Vec<String>>>().concat()
    });
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), server.log());
}

/// What went otherwise than it should for one browser.
fn try_doors(browser: &str, server: &Running) -> Vec<String> {
    let hs = Hs::trusting_pem(&server.trusted);
    let tls = fingerprint::find(browser).unwrap().tls;
    let mut wrong = Vec::new();
    for door in &server.doors {
        let name = door.name();
        let url = format!("https://localhost:{}/{name}", door.port);
        let done = hs.run(&["-N", "-B", browser, &url]);
        let as_wanted = if tls.versions.contains(&door.version.1) {
            done.code == Some(0) && hs.read(&name) == content(&name)
        } else {
            done.code == Some(4) && done.stderr.contains(TURNED_AWAY)
        };
        if !as_wanted {
            let (code, said) = (done.code, done.stderr);
            wrong.push(format!("{browser}, {name}: exit {code:?}: {said}"));
        }
    }
    wrong
}

fn nginx(home: &str, doors: &[Door]) -> String {
    let server = |door: &Door| {
        let (key, version, port) = (door.key, door.version.0, door.port);
        format!(
            "server {{ listen 127.0.0.1:{port} ssl http2; root {home}/www; ssl_protocols TLSv{version}; ssl_ciphers DEFAULT:@SECLEVEL=0;
             ssl_certificate {home}/{key}.crt; ssl_certificate_key {home}/{key}.key; }}\n"
        )
    };
    let servers: String = doors.iter().map(server).collect();
    let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {home}/{what};\n"))
        .concat();
    format!(
        "daemon off; pid {home}/pid; error_log stderr; worker_processes 1; events {{ }}
         http {{ access_log off; {folders} {servers} }}\n"
    )
}

fn apache(home: &str, doors: &[Door]) -> String {
    let modules = ["mpm_event", "authz_core", "socache_shmcb", "ssl", "http2"];
    let modules = modules
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    let server = |door: &Door| {
        let (key, version, port) = (door.key, door.version.0, door.port);
        format!(
            "Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nSSLEngine on\nSSLProtocol -all +TLSv{version}\nSSLCipherSuite DEFAULT:@SECLEVEL=0
             SSLCertificateFile {home}/{key}.crt\nSSLCertificateKeyFile {home}/{key}.key\n</VirtualHost>\n"
        )
    };
    let servers: String = doors.iter().map(server).collect();
    format!(
        "{modules}ServerName localhost\nServerRoot {home}\nDefaultRuntimeDir {home}\nPidFile {home}/pid\nErrorLog {home}/log
         <IfModule unixd_module>\nUser www-data\nGroup www-data\n</IfModule>
         Protocols h2 http/1.1\nDocumentRoot {home}/www\n{servers}"
    )
}

fn caddy(home: &str, doors: &[Door]) -> String {
    let site = |door: &Door| {
        let (key, version, port) = (door.key, door.version.0, door.port);
        format!(
            "https://localhost:{port} {{\nbind 127.0.0.1\nroot * {home}/www\nfile_server
             tls {home}/{key}.crt {home}/{key}.key {{\nprotocols tls{version} tls{version}\n}}\n}}\n"
        )
    };
    let sites: String = doors.iter().map(site).collect();
    format!("{{\nadmin off\nauto_https off\nservers {{\nprotocols h1 h2\n}}\n}}\n{sites}")
}

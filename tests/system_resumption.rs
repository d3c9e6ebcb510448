//! Which of its tickets a browser brings back, and that `hs` brings back the same.
//!
//! The other end is OpenSSL's test server, which writes down what it sends and gets. It gives two tickets after a full
//! handshake and one after a resumed one, and closes every connection. `make test-system` runs this.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::common::browser::{self, Running};
use crate::common::hs::Hs;
use crate::common::origin::server::certificate::{KeyKind, certificate};

/// Nothing takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(90);
/// Pages, each of which sends the browser to the next.
const PAGES: usize = 5;

#[test]
#[ignore = "needs Debian's chromium and openssl"]
fn chromium_resumes_with_its_newest_ticket_and_so_does_hs() {
    assert_eq!(hs("chromium156", &[]), ["", "1.2", "2.1", "3.1", "4.1"]);
    assert_eq!(
        hs("chromium156", &["-tls1_2"]),
        ["", "1.1", "1.1", "1.1", "1.1"]
    );
    let server = Server::start(&[]);
    let seen = server.visited_by(
        "chromium",
        browser::chromium(&server.home(), &server.address()),
    );
    // It connects more often than it asks, and at once; of one connection's two tickets the order is seen all the same.
    assert_eq!(first_of_two(&seen), Some("2"), "{seen:?}");
    let server = Server::start(&["-tls1_2"]);
    let seen = server.visited_by(
        "chromium",
        browser::chromium(&server.home(), &server.address()),
    );
    let again = seen
        .windows(2)
        .any(|two| two[0] == two[1] && !two[0].is_empty());
    assert!(again, "{seen:?}");
}

#[test]
#[ignore = "needs Debian's firefox-esr and openssl"]
fn firefox_resumes_with_its_oldest_ticket_and_so_does_hs() {
    assert_eq!(hs("firefox153", &[]), ["", "1.1", "1.2", "2.1", "3.1"]);
    assert_eq!(hs("firefox153", &["-tls1_2"]), ["", "1.1", "", "3.1", ""]);
    for options in [&[][..], &["-tls1_2"]] {
        let server = Server::start(options);
        let certificate = server.folder.path().join("server.crt");
        let firefox = browser::firefox(&server.home(), &server.address(), &certificate);
        let seen = server.visited_by("firefox-esr", firefox);
        let used: Vec<_> = seen.iter().filter(|ticket| !ticket.is_empty()).collect();
        let once: BTreeSet<_> = used.iter().collect();
        assert!(!used.is_empty() && once.len() == used.len(), "{seen:?}");
        if options.is_empty() {
            assert_eq!(first_of_two(&seen), Some("1"), "{seen:?}");
        }
    }
}

/// The tickets with which `hs` resumes while it asks for one page after the other.
fn hs(browser: &str, options: &[&str]) -> Vec<String> {
    let server = Server::start(options);
    let pages: Vec<_> = (1..=PAGES).map(|nth| server.page(nth)).collect();
    let mut arguments = vec!["-s", "-k", "-N", "-B", browser];
    arguments.extend(pages.iter().map(String::as_str));
    let done = Hs::new().run(&arguments);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    server.wait_for_last_page();
    tickets(&server.log())
}

/// Which of the two tickets of a full handshake came back first: `1` or `2`.
fn first_of_two(seen: &[String]) -> Option<&str> {
    let used = seen.iter().filter_map(|ticket| ticket.split_once('.'));
    let mut of_two = used.filter(|(connection, _)| {
        let at: usize = connection.parse().unwrap();
        seen[at - 1].is_empty()
    });
    of_two.next().map(|(_, nth)| nth)
}

/// OpenSSL's test server, with pages each of which leads to the next.
struct Server {
    /// Ends with the test.
    _process: Running,
    port: u16,
    folder: TempDir,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (certificate, key) = certificate(KeyKind::Ecdsa, Ipv4Addr::LOCALHOST.into()).unwrap();
        fs::write(at("server.crt"), certificate.to_pem().unwrap()).unwrap();
        fs::write(at("server.key"), key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        for nth in 1..=PAGES {
            let next = format!(
                "<meta http-equiv=refresh content='1;url=/{}.html'>",
                nth + 1
            );
            fs::write(at(&format!("{nth}.html")), next).unwrap();
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let log = fs::File::create(at("log")).unwrap();
        // By lines, so that what it says on both streams is not mixed.
        let process = Command::new("stdbuf")
            .args([
                "-oL",
                "openssl",
                "s_server",
                "-WWW",
                "-trace",
                "-num_tickets",
                "2",
            ])
            .args(["-cert", "server.crt", "-key", "server.key"])
            .args(["-accept", &format!("127.0.0.1:{port}")])
            .args(options)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{error}: apt-get install openssl"));
        let server = Self {
            _process: Running(process),
            port,
            folder,
        };
        // Not by connecting: that would be written down.
        server.wait_until("it accepts", |log| log.contains("ACCEPT"));
        server
    }

    fn page(&self, nth: usize) -> String {
        format!("https://localhost:{}/{nth}.html", self.port)
    }

    fn address(&self) -> String {
        self.page(1)
    }

    /// A folder for a browser.
    fn home(&self) -> PathBuf {
        let home = self.folder.path().join("profile");
        fs::create_dir(&home).unwrap();
        home
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("log")).unwrap()).into_owned()
    }

    fn wait_until(&self, what: &str, condition: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        while !condition(&self.log()) {
            assert!(
                begun.elapsed() < LIMIT,
                "not in {LIMIT:?}: {what}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The tickets of a browser that walked through all pages.
    fn visited_by(&self, package: &str, mut command: Command) -> Vec<String> {
        let _browser = browser::start(package, &mut command);
        self.wait_for_last_page();
        tickets(&self.log())
    }

    fn wait_for_last_page(&self) {
        let last = format!("FILE:{PAGES}.html");
        self.wait_until("the last page is asked for", |log| log.contains(&last));
    }
}

/// For each hello in the log, the ticket with which it resumes: `2.1` is the first that the second connection gave; empty
/// where there is none.
fn tickets(log: &str) -> Vec<String> {
    let mut given: HashMap<String, String> = HashMap::new();
    let mut used: Vec<String> = Vec::new();
    let (mut of_this, mut from_client) = (0, false);
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        let words = line.trim();
        if words.starts_with("ClientHello,") {
            used.push(String::new());
            (of_this, from_client) = (0, true);
        } else if words.starts_with("ServerHello,") || words.starts_with("NewSessionTicket,") {
            from_client = false;
        } else if let Some((_, ticket)) = words
            .split_once("ticket (len=")
            .and_then(|(_, rest)| rest.split_once(": "))
        {
            if from_client {
                *used.last_mut().unwrap() = given.get(mark(ticket)).cloned().unwrap_or_default();
            } else {
                of_this += 1;
                given.insert(mark(ticket).to_owned(), format!("{}.{of_this}", used.len()));
            }
        } else if from_client && words.starts_with("extension_type=psk(") {
            // Lengths of all identities and of the first, then the first.
            let dump = std::iter::from_fn(|| lines.next_if(|line| line.contains(" - ")));
            let bytes: String = dump.map(bytes_of_dump).collect();
            *used.last_mut().unwrap() = given.get(mark(&bytes[8..])).cloned().unwrap_or_default();
        }
    }
    used
}

/// What tells a ticket of this server from its others: behind the name of the key there is something random.
fn mark(ticket: &str) -> &str {
    ticket.get(32..80).unwrap_or(ticket)
}

/// The bytes in a line of a dump, in upper case as tickets are printed: `0000 - 00 c6 …-… 6e   ...text`.
fn bytes_of_dump(line: &str) -> String {
    const SIXTEEN: usize = 47;
    let (_, bytes) = line.split_once(" - ").unwrap();
    let bytes = bytes.get(..SIXTEEN).unwrap_or(bytes);
    let hex = bytes.split("   ").next().unwrap().chars();
    hex.filter(char::is_ascii_hexdigit)
        .map(|digit| digit.to_ascii_uppercase())
        .collect()
}

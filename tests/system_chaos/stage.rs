//! Two network namespaces with a bad line between them, an origin in one, and `hs` to be run in the other.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tappers::{Interface, Tun};

use super::link::{Line, Link};
use crate::common::hs::{Hs, Running};
use crate::common::origin::server::files::{Files, Resource};
use crate::common::origin::server::log::Log;
use crate::common::origin::server::script::Protocol;
use crate::common::origin::server::{Config, Origin};
use crate::common::origin::{Via, bytes_of};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const CLIENT: &str = "10.77.0.2/24";
/// What the client has after it has moved.
const ELSEWHERE: &str = "10.77.0.3/24";
/// The name of the device in each namespace.
const DEVICE: &str = "hs0";
/// The file that is downloaded.
const PATH: &str = "/far.bin";

/// Counts the stages of this process.
static STAGES: AtomicUsize = AtomicUsize::new(0);

/// A stage for one scenario; taken down when dropped.
pub struct Stage {
    /// Names of the namespaces.
    client: String,
    server: String,
    pub link: Link,
    origin: Origin,
    via: Via,
    pub hs: Hs,
    /// Bytes of the file.
    pub size: u64,
}

impl Stage {
    /// Sets up a stage for a file of `size` bytes.
    pub fn new(via: Via, size: u64, line: Line) -> Self {
        let nth = STAGES.fetch_add(1, Ordering::Relaxed);
        let name = |side| format!("hs-chaos-{}-{nth}-{side}", std::process::id());
        let (client, server) = (name("client"), name("server"));
        let device = |namespace: &str, address: &str| {
            run("ip", &["netns", "add", namespace]);
            let interface = Interface::new(DEVICE).unwrap();
            let tun = within(namespace, move || Tun::new_named(interface).unwrap());
            ip(namespace, &["addr", "add", address, "dev", DEVICE]);
            ip(namespace, &["link", "set", DEVICE, "up"]);
            tun
        };
        let near = device(&client, CLIENT);
        let far = device(&server, &format!("{SERVER}/24"));
        let link = Link::new(near, far, line);
        let mut config = Config {
            address: SERVER.into(),
            https_port: 443,
            http_port: 80,
            ..Config::default()
        };
        if via == Via::Http1 {
            config.tls.alpn = vec![Protocol::Http11];
        }
        let files = Arc::new(Files::new(Resource::new(0, size)));
        let origin = within(&server, move || {
            Origin::start(config, files, Arc::new(Log::default())).unwrap()
        });
        let hs = Hs::trusting_pem(&origin.ca_pem);
        Self {
            client,
            server,
            link,
            origin,
            via,
            hs,
            size,
        }
    }

    /// Starts `hs` on its side.
    pub fn start(&self) -> Running {
        let (scheme, port) = match self.via {
            Via::Http2 | Via::Http1 => ("https", 443),
            Via::Clear => ("http", 80),
        };
        let url = format!("{scheme}://localhost{PATH}");
        let address = format!("localhost:{port}:{SERVER}");
        let arguments = ["-t", "6", "--resolve", &address, &url];
        self.hs.start_in(&self.client, &arguments)
    }

    /// Fails unless `hs` ends well within `limit`, and has left the right bytes and nothing else.
    pub fn end(&self, running: Running, limit: Duration) {
        let done = running.wait_within(limit);
        assert_eq!(done.code, Some(0), "hs said:\n{}", done.stderr);
        self.hs.assert_only("far.bin", &bytes_of(PATH, self.size));
    }

    /// Bytes of body that the origin has sent beyond the file, whether they arrived or not.
    pub fn sent_twice(&self) -> u64 {
        let exchanges = self.origin.log.exchanges();
        let sent: u64 = exchanges.iter().map(|exchange| exchange.sent).sum();
        sent.saturating_sub(self.size)
    }

    /// Waits until so many more bytes have reached the client; how long that took.
    pub fn wait_for(&self, bytes: u64, limit: Duration) -> Duration {
        let (begun, before) = (Instant::now(), self.link.carried());
        while self.link.carried() < before + bytes {
            assert!(
                begun.elapsed() < limit,
                "not {bytes} more bytes in {limit:?}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        begun.elapsed()
    }

    /// Runs `ip` on the client's side.
    pub fn ip(&self, arguments: &[&str]) {
        ip(&self.client, arguments);
    }

    /// Takes the client's device down, or up again.
    pub fn set_device(&self, state: &str) {
        self.ip(&["link", "set", DEVICE, state]);
    }

    /// The client gets another address, and loses the one it has.
    pub fn move_away(&self) {
        self.ip(&["addr", "del", CLIENT, "dev", DEVICE]);
        self.ip(&["addr", "add", ELSEWHERE, "dev", DEVICE]);
    }

    /// Destroys all TCP sockets of the client.
    pub fn kill_sockets(&self) {
        let server = SERVER.to_string();
        let arguments = [
            "netns",
            "exec",
            &self.client,
            "ss",
            "-t",
            "-K",
            "dst",
            &server,
        ];
        let killed = run("ip", &arguments);
        let lines = String::from_utf8_lossy(&killed.stdout).lines().count();
        assert!(lines > 1, "ss -K has found no socket to kill");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for namespace in [&self.client, &self.server] {
            // The threads of the link end by this.
            let _ = output("ip", &["-n", namespace, "link", "del", DEVICE]);
            let _ = output("ip", &["netns", "del", namespace]);
        }
    }
}

/// Whether this user and system can do all this.
pub fn is_possible() -> bool {
    let root = rustix::process::geteuid().is_root();
    root && File::open("/dev/net/tun").is_ok() && output("ip", &["netns", "list"]).is_ok()
}

/// Does something in a network namespace, in a thread of its own, as only that goes there.
fn within<T: Send + 'static>(namespace: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let path = format!("/run/netns/{namespace}");
    let thread = std::thread::spawn(move || {
        let namespace = File::open(&path).unwrap();
        let kind = LinkNameSpaceType::Network;
        move_into_link_name_space(namespace.as_fd(), Some(kind)).unwrap();
        work()
    });
    thread.join().unwrap()
}

fn ip(namespace: &str, arguments: &[&str]) {
    run("ip", &[&["-n", namespace], arguments].concat());
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = output(program, arguments).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    output
}

fn output(program: &str, arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(program).args(arguments).output()
}

//! What a run takes to the network: how it connects, and what it brings to servers.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use super::MIB;
use crate::fingerprint::{self, Fingerprint};
use crate::net::{self, Client, Connections, Identity, Route};
use crate::resolve::Session;
use crate::resolve::session::basic;
use crate::{Config, Error, sink};

/// Body bytes that all transfers together may have on their way to the disk.
const IN_FLIGHT: usize = 24 * MIB;

/// With a limited rate, one transfer brings no more at a time than passes in so long.
const BURST: Duration = Duration::from_millis(50);

/// Requests at once where the user names no number, for dividing things up.
const USUAL: usize = 8;

/// Sockets to one host that speaks HTTP/1.1, where the user names no number: a browser's limit.
const BROWSER_SOCKETS: usize = 6;

/// The one client of a run.
pub(super) fn client(config: &Config) -> Result<Client, Error> {
    wearing(config, config.fingerprint.clone())
}

/// Makes clients that wear another family of browsers, for servers that let the first one in no more. Firefox and Chrome
/// share neither TLS nor HTTP/2 habits.
pub(super) fn other_family(config: &Config) -> Box<dyn Fn() -> Option<Client>> {
    let config = config.clone();
    let is_gecko = ["firefox", "tor"]
        .iter()
        .any(|name| config.fingerprint.browser.name.starts_with(name));
    Box::new(move || {
        let other = fingerprint::find(if is_gecko { "chrome" } else { "firefox" }).ok()?;
        wearing(&config, other).ok()
    })
}

fn wearing(config: &Config, fingerprint: Fingerprint) -> Result<Client, Error> {
    let requests = config.limits.threads.unwrap_or(USUAL);
    let net = &config.net;
    let identity = net.cert.as_ref().map(|certificate| Identity {
        certificate: certificate.clone(),
        key: net.key.clone(),
    });
    let route = Route {
        proxies: net.proxies.clone(),
        resolve: net.resolve.clone(),
        ip: net.ip,
        interface: net.interface.clone(),
    };
    let options = net::Options {
        insecure: net.insecure,
        cacert: net.cacert.clone(),
        identity,
        pinned_key: net.pinned_key.clone(),
        route,
        http: net.http,
        connections: Some(connections(config)),
        connect_timeout: config.retry.connect_timeout,
        window: window(config, requests),
        ..net::Options::new(Arc::new(fingerprint))
    };
    Client::new(options).map_err(|error| Error::Internal(error.to_string()))
}

/// What one transfer may have on its way. With a limited rate that has to be little, and to pass in small pieces.
fn window(config: &Config, requests: usize) -> usize {
    let usual = (IN_FLIGHT / requests).clamp(512 * 1024, 2 * MIB);
    let burst = |rate: f64| (rate * BURST.as_secs_f64()) as usize;
    config
        .limits
        .rate
        .map_or(usual, |rate| usual.min(burst(rate)))
}

/// Without a number, as many as there are requests over HTTP/1.1, and over HTTP/2 one as long as the server takes all
/// requests on it. A number is shared out: each HTTP/2 connection gets its part of the requests.
fn connections(config: &Config) -> Connections {
    let threads = config.limits.threads;
    match config.limits.connections {
        None => Connections {
            // Those of requests that hang are no use to the ones that replace them.
            most: 2 * threads.unwrap_or(BROWSER_SOCKETS) + 1,
            streams: None,
        },
        Some(most) => Connections {
            most,
            streams: Some(threads.unwrap_or(USUAL).div_ceil(most)),
        },
    }
}

/// What requests carry.
pub(super) fn session(config: &Config) -> Session {
    let net = &config.net;
    let user = net.user.as_ref().map(|(name, password)| {
        let password = password.as_deref().unwrap_or_default();
        basic(name.as_bytes(), password.as_bytes())
    });
    let bearer = net.bearer.as_ref().map(|token| format!("Bearer {token}"));
    Session {
        edits: net.headers.clone(),
        referer: net.referer.clone(),
        authorization: bearer.or(user),
        netrc: net.netrc.clone(),
        jar: RefCell::new(net.cookies.clone()),
        protocol: net.http,
    }
}

/// Writes the cookies where the user wants them. `now` is in seconds since 1970.
pub(super) fn keep_cookies(config: &Config, session: &Session, now: u64) -> Result<(), Error> {
    let Some(path) = &config.net.cookie_jar else {
        return Ok(());
    };
    let text = session.jar.borrow().text(now);
    Ok(sink::write_private(path, &text)?)
}

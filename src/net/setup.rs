//! From a [`Request`] to a curl easy handle: the place where curl options are set, but for the header list.
//!
//! That is given to libcurl by [`http1`](super::http1), and for HTTP/2 announced to [`super::hooks`], which replace libcurl's
//! list by the browser's own.

use std::ffi::c_long;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use curl::easy::{Easy2, HttpVersion, IpResolve, List};

use super::handler::Body;
use super::http1::Fields;
use super::http2::Requested;
use super::route::{Proxy, Route};
use super::{Error, Kind, Options, Request, trace};
use crate::fingerprint::headers::{self, Places, Proxied};
use crate::fingerprint::schema::Scheme;
use crate::http::{IpVersion, Protocol};

/// Size of libcurl's receive buffer, one per multi handle (`CURLOPT_BUFFERSIZE`).
const RECEIVE_BUFFER: usize = 256 * 1024;

/// What is known of a host's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// Nothing, or that it speaks HTTP/2.
    Any,
    /// Its connections chose HTTP/1.1.
    Http1,
    /// It wants HTTP/1.1, and nothing else is to be offered.
    OnlyHttp1,
}

/// An easy handle ready to be added to the multi handle.
pub(super) fn easy(
    request: &Rc<Request>,
    options: &Options,
    body: Body,
    speaks: Speaks,
) -> Result<Easy2<Body>, Error> {
    let mut easy = Easy2::new(body);
    configure(&mut easy, request, options, speaks).map_err(|error| Error::from_curl(&error))?;
    Ok(easy)
}

fn configure(
    easy: &mut Easy2<Body>,
    request: &Rc<Request>,
    options: &Options,
    speaks: Speaks,
) -> Result<(), curl::Error> {
    easy.url(&request.url)?;
    easy.get(true)?;
    easy.signal(false)?;
    easy.verbose(trace::is_on())?;
    easy.http_version(match options.http {
        _ if speaks == Speaks::OnlyHttp1 => HttpVersion::V11,
        Some(Protocol::Http10 | Protocol::Http11) => HttpVersion::V11,
        Some(Protocol::Http2 | Protocol::Http3) | None => HttpVersion::V2TLS,
    })?;
    // libcurl would wait for the first answer, and may then forget whom it has kept waiting.
    easy.pipewait(speaks == Speaks::Any)?;
    easy.tcp_nodelay(true)?;
    easy.tcp_keepalive(true)?;
    easy.tcp_keepidle(Duration::from_secs(45))?;
    easy.buffer_size(RECEIVE_BUFFER)?;
    easy.connect_timeout(options.connect_timeout)?;
    trust(easy, options)?;
    reach(easy, &options.route)?;
    let proxy = options.route.proxies.of(&request.url);
    // Not set, these would come from the environment.
    easy.noproxy("")?;
    match &proxy {
        None => {
            easy.proxy("")?;
            easy.get_mut().goes_directly();
            if let Some(node) = request.node {
                to_node(easy, node)?;
            }
        }
        Some(proxy) => through(easy, proxy, request, options)?,
    }
    let reads = |proxy: &Proxy| proxy.http && scheme(&request.url) == Scheme::Http;
    let proxied = proxy.filter(reads).map(|proxy| Proxied {
        connection: options.fingerprint.proxy.connection.clone(),
        authorization: proxy.authorization,
    });
    let fingerprint = Arc::clone(&options.fingerprint);
    Fields::new(Rc::clone(request), proxied, fingerprint).wait(easy)
}

/// Whom to believe, and who this client is.
fn trust(easy: &mut Easy2<Body>, options: &Options) -> Result<(), curl::Error> {
    easy.ssl_verify_peer(!options.insecure)?;
    easy.ssl_verify_host(!options.insecure)?;
    // Ours remembers sessions as the browser does: see `tls::sessions`.
    easy.ssl_sessionid_cache(false)?;
    if let Some(cacert) = &options.cacert {
        easy.cainfo(cacert)?;
    }
    if let Some(identity) = &options.identity {
        easy.ssl_cert(&identity.certificate)?;
        easy.ssl_key(identity.key.as_ref().unwrap_or(&identity.certificate))?;
    }
    if let Some(key) = &options.pinned_key {
        easy.pinned_public_key(key)?;
    }
    Ok(())
}

/// Addresses and the way to them.
fn reach(easy: &mut Easy2<Body>, route: &Route) -> Result<(), curl::Error> {
    if let Some(ip) = route.ip {
        easy.ip_resolve(match ip {
            IpVersion::V4 => IpResolve::V4,
            IpVersion::V6 => IpResolve::V6,
        })?;
    }
    if let Some(interface) = &route.interface {
        easy.interface(interface)?;
    }
    if route.resolve.is_empty() {
        return Ok(());
    }
    let mut list = List::new();
    for (host, port, addresses) in &route.resolve {
        let bracketed = |address: &IpAddr| match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let addresses: Vec<_> = addresses.iter().map(bracketed).collect();
        list.append(&format!("{host}:{port}:{}", addresses.join(",")))?;
    }
    easy.resolve(list)
}

/// Connects to one address of the host, and shows nothing of that (`CURLOPT_CONNECT_TO`).
fn to_node(easy: &mut Easy2<Body>, node: IpAddr) -> Result<(), curl::Error> {
    let mut list = List::new();
    list.append(&match node {
        IpAddr::V4(node) => format!("::{node}:"),
        IpAddr::V6(node) => format!("::[{node}]:"),
    })?;
    easy.connect_to(list)
}

/// The request goes through a proxy, which is trusted on the same terms as a server.
fn through(
    easy: &mut Easy2<Body>,
    proxy: &Proxy,
    request: &Request,
    options: &Options,
) -> Result<(), curl::Error> {
    easy.proxy(&proxy.url)?;
    if proxy.url.starts_with("https:") {
        easy.proxy_ssl_verify_peer(!options.insecure)?;
        easy.proxy_ssl_verify_host(!options.insecure)?;
        let probed = openssl_probe::probe();
        let cacert = options.cacert.as_ref().or(probed.cert_file.as_ref());
        if let Some(cacert) = cacert.and_then(|path| path.to_str()) {
            easy.proxy_cainfo(cacert)?;
        }
        if let (None, Some(dir)) = (&options.cacert, &probed.cert_dir) {
            easy.proxy_capath(dir)?;
        }
    }
    // The proxy's answer to CONNECT is none of the server's.
    option(easy, SUPPRESS_CONNECT_HEADERS, 1)?;
    if !proxy.http || scheme(&request.url) == Scheme::Http {
        return Ok(());
    }
    let mut list = List::new();
    let authority = authority_and_port(&request.url);
    let head = headers::connect(
        &options.fingerprint,
        &authority,
        proxy.authorization.as_deref(),
    );
    for (name, value) in head {
        list.append(&format!("{name}: {value}"))?;
    }
    easy.proxy_headers(list)
}

/// `CURLOPT_SUPPRESS_CONNECT_HEADERS`, which the bindings lack.
const SUPPRESS_CONNECT_HEADERS: curl_sys::CURLoption = 265;

/// An option that takes a number.
fn option(
    easy: &Easy2<Body>,
    option: curl_sys::CURLoption,
    value: c_long,
) -> Result<(), curl::Error> {
    // SAFETY: the handle is alive, and every option given here takes a long.
    checked(unsafe { curl_sys::curl_easy_setopt(easy.raw(), option, value) })
}

/// What libcurl says of an option that was set past the bindings.
pub(super) fn checked(code: curl_sys::CURLcode) -> Result<(), curl::Error> {
    match code {
        curl_sys::CURLE_OK => Ok(()),
        code => Err(curl::Error::new(code)),
    }
}

pub(super) fn scheme(url: &str) -> Scheme {
    let secure = url
        .get(..6)
        .is_some_and(|start| start.eq_ignore_ascii_case("https:"));
    if secure { Scheme::Https } else { Scheme::Http }
}

/// As CONNECT names it: the port is always there.
fn authority_and_port(url: &str) -> String {
    let authority = authority(url);
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    match has_port {
        true => authority.to_owned(),
        false => format!("{authority}:443"),
    }
}

/// Host and port of an absolute URL without credentials.
pub(super) fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    &rest[..end]
}

/// What the last request showed over HTTP/2: of thousands of small files all ask alike.
#[derive(Default)]
pub(super) struct LastAsked(Option<(Kind, Places, Rc<Requested>)>);

impl LastAsked {
    /// What this request shows.
    pub(super) fn of(&mut self, request: &Request, options: &Options) -> Rc<Requested> {
        if let Some((kind, places, asked)) = &self.0
            && (*kind, places) == (request.kind, &request.places)
        {
            return Rc::clone(asked);
        }
        let asked = Rc::new(http2_request(request, options));
        self.0 = Some((request.kind, request.places.clone(), Rc::clone(&asked)));
        asked
    }
}

/// A request as HTTP/2 shows it.
fn http2_request(request: &Request, options: &Options) -> Requested {
    let fingerprint = &options.fingerprint;
    let shape = request.kind.shape(fingerprint);
    let headers = headers::compose(
        shape,
        2,
        Scheme::Https,
        &fingerprint.values,
        &request.places,
    );
    let headers = match fingerprint.http2.split_cookies {
        true => split_cookies(headers),
        false => headers,
    };
    Requested {
        headers,
        priority: shape.priority,
    }
}

/// A field for each cookie (RFC 9113 §8.2.3).
fn split_cookies(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let split = |(name, value): (String, String)| -> Vec<(String, String)> {
        if name != "cookie" {
            return vec![(name, value)];
        }
        let cookies = value
            .split("; ")
            .map(|cookie| (name.clone(), cookie.to_owned()));
        cookies.collect()
    };
    headers.into_iter().flat_map(split).collect()
}

/// Names and versions of the linked libraries, one a line, as `hs --version` shows them.
#[must_use]
pub fn versions() -> Vec<String> {
    let curl = curl::Version::get();
    let nghttp2 = curl.nghttp2_version().map(str::to_owned);
    vec![
        format!("libcurl {}", curl.version()),
        format!("TLS {}", curl.ssl_version().unwrap_or("none")),
        format!("nghttp2 {}", nghttp2.as_deref().unwrap_or("none")),
    ]
}

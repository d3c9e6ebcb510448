//! From a [`Request`] to a curl easy handle: the only place where curl options are set.
//!
//! HTTP/1.1 sends the header list given here as it is. For HTTP/2 the same request is announced to [`super::hooks`],
//! which replace libcurl's list by the browser's own.

use std::time::Duration;

use curl::easy::{Easy2, HttpVersion, List};

use super::handler::Body;
use super::http2::Requested;
use super::{Error, Options, Request};
use crate::fingerprint::headers;
use crate::fingerprint::schema::Scheme;

/// Size of libcurl's receive buffer, one per multi handle (`CURLOPT_BUFFERSIZE`).
const RECEIVE_BUFFER: usize = 256 * 1024;

/// An easy handle ready to be added to the multi handle.
pub(super) fn easy(
    request: &Request,
    options: &Options,
    mut body: Body,
) -> Result<Easy2<Body>, Error> {
    body.set_url(&request.url);
    let mut easy = Easy2::new(body);
    configure(&mut easy, request, options).map_err(|error| Error::from_curl(&error))?;
    Ok(easy)
}

fn configure(
    easy: &mut Easy2<Body>,
    request: &Request,
    options: &Options,
) -> Result<(), curl::Error> {
    easy.url(&request.url)?;
    easy.get(true)?;
    easy.signal(false)?;
    easy.http_version(HttpVersion::V2TLS)?;
    easy.pipewait(true)?;
    easy.tcp_nodelay(true)?;
    easy.tcp_keepalive(true)?;
    easy.tcp_keepidle(Duration::from_secs(45))?;
    easy.buffer_size(RECEIVE_BUFFER)?;
    easy.connect_timeout(options.connect_timeout)?;
    easy.ssl_verify_peer(!options.insecure)?;
    easy.ssl_verify_host(!options.insecure)?;
    // Ours remembers sessions as the browser does: see `tls::sessions`.
    easy.ssl_sessionid_cache(false)?;
    if let Some(cacert) = &options.cacert {
        easy.cainfo(cacert)?;
    }
    easy.http_headers(http1_headers(request, options)?)
}

fn scheme(url: &str) -> Scheme {
    let secure = url
        .get(..6)
        .is_some_and(|start| start.eq_ignore_ascii_case("https:"));
    if secure { Scheme::Https } else { Scheme::Http }
}

/// The header fields as HTTP/1.1 shows them.
///
/// libcurl puts `Connection` behind all others wherever it stands in the list, and browsers do not. Of `Host` it takes
/// over the text as it is, so the whole list goes there. `Accept` it would add by itself.
fn http1_headers(request: &Request, options: &Options) -> Result<List, curl::Error> {
    let fingerprint = &options.fingerprint;
    let lines = headers::compose(
        request.kind.shape(fingerprint),
        1,
        scheme(&request.url),
        &fingerprint.values,
        &request.places,
    );
    let mut text = format!("Host: {}", authority(&request.url));
    for (name, value) in &lines {
        text.push_str(&format!("\r\n{name}: {value}"));
    }
    let mut list = List::new();
    list.append(&text)?;
    list.append("Accept:")?;
    Ok(list)
}

/// Host and port of an absolute URL without credentials.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    &rest[..end]
}

/// The same request as HTTP/2 shows it.
pub(super) fn http2_request(request: &Request, options: &Options) -> Requested {
    let fingerprint = &options.fingerprint;
    let shape = request.kind.shape(fingerprint);
    let headers = headers::compose(
        shape,
        2,
        Scheme::Https,
        &fingerprint.values,
        &request.places,
    );
    Requested {
        headers,
        priority: shape.priority,
    }
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

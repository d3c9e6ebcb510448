//! How a host is reached: through which proxy, at which address, from which interface.
//!
//! libcurl would read the environment's proxies by itself; it is kept from that, because a request that a proxy reads
//! looks different from one that it only passes on, and so the choice has to be known before the request is made.

use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use url::{Host, Url};

use crate::http::IpVersion;

/// How hosts are reached; by default directly, as the system resolves their names.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// Who stands between.
    pub proxies: Proxies,
    /// Addresses of hosts and ports, instead of what the system resolves (`CURLOPT_RESOLVE`). Hosts in lower case.
    pub resolve: Vec<(String, u16, Vec<IpAddr>)>,
    /// The only version of IP to use (`CURLOPT_IPRESOLVE`).
    pub ip: Option<IpVersion>,
    /// Interface, address or host name to connect from (`CURLOPT_INTERFACE`).
    pub interface: Option<String>,
}

/// Proxies by the scheme of the address asked for.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// For `http://`.
    pub http: Option<Url>,
    /// For `https://`.
    pub https: Option<Url>,
    /// Hosts that are reached without: names (with all below them), addresses, networks (`10.0.0.0/8`), or `*`; with
    /// commas or spaces between.
    pub except: String,
}

/// A proxy in the terms of libcurl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    /// `CURLOPT_PROXY`; credentials are in it only where SOCKS takes them.
    pub url: String,
    /// `Proxy-Authorization`, for proxies that speak HTTP.
    pub authorization: Option<String>,
    /// Whether it speaks HTTP.
    pub http: bool,
}

impl Proxies {
    /// The proxy for an address.
    pub(super) fn of(&self, url: &str) -> Option<Proxy> {
        let url = Url::parse(url).ok()?;
        let proxy = match url.scheme() {
            "https" => self.https.as_ref(),
            _ => self.http.as_ref(),
        }?;
        if excepted(&self.except, url.host()?) {
            return None;
        }
        let http = matches!(proxy.scheme(), "http" | "https");
        let mut plain = proxy.clone();
        if http {
            // Both fail only for URLs without a host, which are no proxies.
            let _ = plain.set_username("");
            let _ = plain.set_password(None);
        }
        Some(Proxy {
            // Unknown schemes have no default port, and libcurl's is the same for all: 1080.
            url: plain.to_string().trim_end_matches('/').to_owned(),
            authorization: http.then(|| basic(proxy)).flatten(),
            http,
        })
    }
}

/// Basic credentials of a URL's user information (RFC 7617).
fn basic(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let mut pair = decode(url.username());
    pair.push(b':');
    pair.extend(decode(url.password().unwrap_or_default()));
    Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
}

/// Whether a list of exceptions names the host, as curl reads such lists.
fn excepted(list: &str, host: Host<&str>) -> bool {
    let mut entries = list
        .split([',', ' '])
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    let address = match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            return entries.any(|entry| entry == "*" || covers(entry, name));
        }
        Host::Ipv4(address) => IpAddr::V4(address),
        Host::Ipv6(address) => IpAddr::V6(address),
    };
    entries.any(|entry| entry == "*" || network(entry, address))
}

/// A name and all below it; dots around it do not matter.
fn covers(entry: &str, name: &str) -> bool {
    let entry = entry.trim_matches('.');
    let Some(at) = name.len().checked_sub(entry.len()) else {
        return false;
    };
    !entry.is_empty()
        && name.is_char_boundary(at)
        && name[at..].eq_ignore_ascii_case(entry)
        && (at == 0 || name.as_bytes()[at - 1] == b'.')
}

/// An address, or a network with the length of its prefix.
fn network(entry: &str, address: IpAddr) -> bool {
    let (base, prefix) = entry.split_once('/').unwrap_or((entry, ""));
    let Ok(base) = base.trim_matches(['[', ']']).parse::<IpAddr>() else {
        return false;
    };
    let (base, address, bits): (u128, u128, u32) = match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => (
            u128::from(base.to_bits()),
            u128::from(address.to_bits()),
            32,
        ),
        (IpAddr::V6(base), IpAddr::V6(address)) => (base.to_bits(), address.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    let prefix = match prefix {
        "" => Some(bits),
        prefix => prefix.parse().ok().filter(|prefix| *prefix <= bits),
    };
    prefix.is_some_and(|prefix| (base ^ address).checked_shr(bits - prefix).unwrap_or(0) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excepts(list: &str, url: &str) -> bool {
        excepted(list, Url::parse(url).unwrap().host().unwrap())
    }

    #[test]
    fn exceptions_are_names_addresses_and_networks() {
        for (list, url) in [
            ("example.org", "http://example.org/"),
            ("other, .Example.org", "http://a.b.example.org/"),
            ("example.org.", "http://example.org./"),
            ("x example.org", "http://example.org:81/"),
            ("*", "http://anything/"),
            ("127.0.0.1", "http://127.0.0.1/"),
            ("10.0.0.0/8", "http://10.255.3.4/"),
            ("0.0.0.0/0", "http://1.2.3.4/"),
            ("[::1]", "http://[::1]:80/"),
            ("fe80::/10", "http://[fe80::1]/"),
        ] {
            assert!(excepts(list, url), "{list} and {url}");
        }
        for (list, url) in [
            ("", "http://example.org/"),
            ("example.org", "http://badexample.org/"),
            ("a.example.org", "http://example.org/"),
            ("127.0.0.1", "http://127.0.0.2/"),
            ("10.0.0.0/8", "http://11.0.0.1/"),
            ("10.0.0.0/33", "http://10.0.0.0/"),
            ("0.0.0.0/0", "http://[::1]/"),
            (".", "http://example.org/"),
        ] {
            assert!(!excepts(list, url), "{list} and {url}");
        }
    }

    #[test]
    fn credentials_go_where_the_proxy_takes_them() {
        let through = |proxy: &str| {
            let proxies = Proxies {
                https: Some(Url::parse(proxy).unwrap()),
                ..Proxies::default()
            };
            assert_eq!(proxies.of("http://h/"), None);
            proxies.of("https://h/").unwrap()
        };
        let http = through("http://u:p%40@proxy:3128");
        assert_eq!(http.url, "http://proxy:3128");
        assert_eq!(http.authorization.as_deref(), Some("Basic dTpwQA=="));
        let socks = through("socks5h://u:p@proxy");
        assert_eq!(socks.url, "socks5h://u:p@proxy");
        assert_eq!((socks.authorization, socks.http), (None, false));
    }
}

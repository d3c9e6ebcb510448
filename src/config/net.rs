//! What requests carry, and how hosts are reached.

use std::net::IpAddr;
use std::path::PathBuf;

use super::layers::Layers;
use super::{Surroundings, existing};
use crate::error::Error;
use crate::http::{IpVersion, Protocol};

/// Schemes of proxies.
const PROXIES: [&str; 5] = ["http", "https", "socks4a", "socks5", "socks5h"];

/// What requests carry, and how hosts are reached.
#[derive(Debug, Clone)]
pub struct Net {
    /// The only version to speak, HTTP/1.1 or HTTP/2; `None` = what the server prefers.
    pub http: Option<Protocol>,
    /// Header fields to add or replace, in this order; `None` removes the field.
    pub headers: Vec<(String, Option<String>)>,
    /// `Referer`.
    pub referer: Option<String>,
    /// `User-Agent` instead of the browser's own.
    pub user_agent: Option<String>,
    /// User name and password; the password is empty if none was given.
    pub user: Option<(String, String)>,
    /// Bearer token.
    pub bearer: Option<String>,
    /// A .netrc file; it is there.
    pub netrc: Option<PathBuf>,
    /// A file of cookies to send; it is there.
    pub cookies: Option<PathBuf>,
    /// A file to write cookies to.
    pub cookie_jar: Option<PathBuf>,
    /// Proxy, with its scheme; `None` = what the environment says.
    pub proxy: Option<String>,
    /// Hosts for which no proxy is used, with commas.
    pub noproxy: Option<String>,
    /// Addresses of hosts and ports: host in lower case without brackets.
    pub resolve: Vec<(String, u16, Vec<IpAddr>)>,
    /// The only version of IP to use.
    pub ip: Option<IpVersion>,
    /// Interface, address or host name to connect from.
    pub interface: Option<String>,
    /// Accept any certificate.
    pub insecure: bool,
    /// PEM file to trust instead of the system's; it is there.
    pub cacert: Option<PathBuf>,
    /// Client certificate, PEM; it is there.
    pub cert: Option<PathBuf>,
    /// Its private key, PEM; it is there. `None` = in the same file.
    pub key: Option<PathBuf>,
    /// The only public keys to accept, as curl writes them.
    pub pinned_key: Option<String>,
}

impl Net {
    pub(super) fn read(layers: &Layers, around: &Surroundings) -> Result<Self, Error> {
        let file = |name, right| existing(layers, around, name, right);
        let (cert, key) = (
            file("cert", "give a PEM file")?,
            file("key", "give a PEM file")?,
        );
        if key.is_some() && cert.is_none() {
            return Err(layers.wrong(
                "key",
                "there is no certificate to it",
                "name the certificate with --cert",
            ));
        }
        let (user, bearer) = (user(layers), layers.text("bearer"));
        if user.is_some() && bearer.is_some() {
            let what = format!("{} is given too", layers.origin("user"));
            return Err(layers.wrong("bearer", &what, "give one of them"));
        }
        Ok(Self {
            http: layers.choice(
                "http",
                &[
                    ("auto", None),
                    ("1.1", Some(Protocol::Http11)),
                    ("2", Some(Protocol::Http2)),
                ],
            )?,
            headers: headers(layers)?,
            referer: field(layers, "referer")?,
            user_agent: field(layers, "user-agent")?,
            user,
            bearer,
            netrc: netrc(layers, around)?,
            cookies: file("cookies", "give a file in Netscape's format")?,
            cookie_jar: layers.text("cookie-jar").map(|path| around.path(&path)),
            proxy: proxy(layers)?,
            noproxy: layers.text("noproxy"),
            resolve: resolve(layers)?,
            ip: layers.choice(
                "ip",
                &[
                    ("any", None),
                    ("4", Some(IpVersion::V4)),
                    ("6", Some(IpVersion::V6)),
                ],
            )?,
            interface: layers.text("interface"),
            insecure: layers.flag("insecure"),
            cacert: file("cacert", "give a PEM file")?,
            cert,
            key,
            pinned_key: pinned_key(layers, around)?,
        })
    }
}

/// `Name: value`, `Name:` to remove it, and curl's `Name;` for an empty value.
fn headers(layers: &Layers) -> Result<Vec<(String, Option<String>)>, Error> {
    let parse = |line: &String| {
        let (name, value) = match line.split_once(':') {
            Some((name, value)) => (
                name.trim(),
                Some(value.trim()).filter(|value| !value.is_empty()),
            ),
            None => (line.trim().strip_suffix(';')?, Some("")),
        };
        let right = is_token(name) && value.is_none_or(is_field_value);
        right.then(|| (name.to_owned(), value.map(str::to_owned)))
    };
    let list = layers.list("header");
    let parsed = list.iter().map(|line| {
        parse(line).ok_or_else(|| {
            // The value may be a secret.
            let name = line.split(':').next().unwrap_or_default();
            layers.wrong(
                "header",
                &format!("`{name}` is not a header"),
                "-H 'Name: value', or 'Name:' to remove it",
            )
        })
    });
    parsed.collect()
}

/// The value of a header field of its own.
fn field(layers: &Layers, name: &str) -> Result<Option<String>, Error> {
    layers.read(name, "text without line breaks", |text| {
        is_field_value(text).then(|| text.to_owned())
    })
}

/// A token of RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

/// Nothing that would end the field (RFC 9110 §5.5).
fn is_field_value(text: &str) -> bool {
    text.chars().all(|c| c == '\t' || !c.is_control())
}

fn user(layers: &Layers) -> Option<(String, String)> {
    let text = layers.text("user")?;
    let (name, password) = text.split_once(':').unwrap_or((&text, ""));
    Some((name.to_owned(), password.to_owned()))
}

fn netrc(layers: &Layers, around: &Surroundings) -> Result<Option<PathBuf>, Error> {
    let named = existing(layers, around, "netrc-file", "name a file as .netrc is one")?;
    if named.is_some() || !layers.flag("netrc") {
        return Ok(named);
    }
    let path = around.path("~/.netrc");
    if path.is_file() {
        return Ok(Some(path));
    }
    let what = format!("{}: no such file", path.display());
    Err(layers.wrong("netrc", &what, "name another with --netrc-file"))
}

fn proxy(layers: &Layers) -> Result<Option<String>, Error> {
    let Some(text) = layers.text("proxy").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let with_scheme = match text.contains("://") {
        true => text,
        false => format!("http://{text}"),
    };
    let url = url::Url::parse(&with_scheme).ok();
    let right = url.is_some_and(|url| PROXIES.contains(&url.scheme()) && url.has_host());
    if right {
        return Ok(Some(with_scheme));
    }
    let what = format!("`{}` is not a proxy", Error::redact(&with_scheme));
    let hint = format!("HOST:PORT behind one of {}", PROXIES.join("://, "));
    Err(layers.wrong("proxy", &what, &format!("{hint}://")))
}

/// `HOST:PORT:ADDR[,ADDR]…`, IPv6 in brackets or not.
fn resolve(layers: &Layers) -> Result<Vec<(String, u16, Vec<IpAddr>)>, Error> {
    let parse = |text: &String| {
        let (host, rest) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once("]:")?,
            None => text.split_once(':')?,
        };
        let (port, addresses) = rest.split_once(':')?;
        let address = |text: &str| text.trim_matches(['[', ']']).parse().ok();
        let addresses: Vec<IpAddr> = addresses.split(',').map(address).collect::<Option<_>>()?;
        (!host.is_empty()).then_some((host.to_ascii_lowercase(), port.parse().ok()?, addresses))
    };
    let list = layers.list("resolve");
    let parsed = list.iter().map(|text| {
        parse(text).ok_or_else(|| {
            layers.wrong(
                "resolve",
                &format!("`{text}` is not HOST:PORT:ADDR"),
                "example.org:443:192.0.2.1",
            )
        })
    });
    parsed.collect()
}

/// `sha256//BASE64` of 32 bytes, several with `;`, or a file.
fn pinned_key(layers: &Layers, around: &Surroundings) -> Result<Option<String>, Error> {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let Some(text) = layers.text("pinnedpubkey") else {
        return Ok(None);
    };
    if !text.starts_with("sha256//") {
        let file = existing(
            layers,
            around,
            "pinnedpubkey",
            "sha256//BASE64, or a PEM or DER file",
        )?;
        return Ok(file.map(|path| path.display().to_string()));
    }
    let is_hash = |text: &str| {
        let digest = text
            .strip_prefix("sha256//")
            .map(|digest| BASE64_STANDARD.decode(digest));
        matches!(digest, Some(Ok(digest)) if digest.len() == 32)
    };
    if text.split(';').all(is_hash) {
        return Ok(Some(text));
    }
    let what = format!("`{text}` is not sha256//BASE64 of 32 bytes");
    Err(layers.wrong("pinnedpubkey", &what, "several have ; between them"))
}

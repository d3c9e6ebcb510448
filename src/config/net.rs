//! What requests carry, and how hosts are reached.

use std::net::IpAddr;
use std::path::PathBuf;

use url::Url;

use super::layers::Layers;
use super::{Surroundings, access, existing};
use crate::cookies::Jar;
use crate::error::Error;
use crate::fingerprint::edits::Refused;
use crate::fingerprint::headers::Edit;
use crate::fingerprint::{Fingerprint, agent};
use crate::http::{IpVersion, Protocol};
use crate::net::Proxies;
use crate::netrc::Netrc;

/// What requests carry, and how hosts are reached.
#[derive(Debug, Clone)]
pub struct Net {
    /// The only version to speak, HTTP/1.1 or HTTP/2; `None` = what the server prefers.
    pub http: Option<Protocol>,
    /// Header fields to add, replace or remove, `User-Agent` among them.
    pub headers: Vec<Edit>,
    /// The page that led here, without fragment and credentials.
    pub referer: Option<Url>,
    /// User name, and password if one is known.
    pub user: Option<(String, Option<String>)>,
    /// Bearer token.
    pub bearer: Option<String>,
    /// Who logs in where.
    pub netrc: Netrc,
    /// Cookies to send.
    pub cookies: Jar,
    /// A file to write cookies to.
    pub cookie_jar: Option<PathBuf>,
    /// Who stands between.
    pub proxies: Proxies,
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
        let (user, bearer) = (access::user(layers), field(layers, "bearer")?);
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
            referer: referer(layers)?,
            user,
            bearer,
            netrc: access::netrc(layers, around)?,
            cookies: access::cookies(layers, around)?,
            cookie_jar: layers.text("cookie-jar").map(|path| around.path(&path)),
            proxies: Proxies::read(layers, around)?,
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

/// `Name: value`, `Name:` to remove it, and curl's `Name;` for an empty value; `--user-agent` is one of them, and weaker.
fn headers(layers: &Layers) -> Result<Vec<Edit>, Error> {
    let mut edits = Vec::new();
    if let Some(agent) = field(layers, "user-agent")? {
        edits.push(Edit {
            name: "User-Agent".to_owned(),
            value: Some(agent).filter(|agent| !agent.is_empty()),
        });
    }
    for line in layers.list("header") {
        let edit = Edit::parse(&line).map_err(|refused| {
            // The value may be a secret.
            let name = line.split(':').next().unwrap_or_default();
            let (what, hint) = match &refused {
                Refused::Malformed => (
                    format!("`{name}` is not a header"),
                    "-H 'Name: value', or 'Name:' to remove it",
                ),
                Refused::Range(_) => (
                    refused.to_string(),
                    "leave it out: hs asks for ranges itself",
                ),
                Refused::Connection(_) => (refused.to_string(), "leave it out"),
                Refused::Proxy => (refused.to_string(), "-x http://USER:PASS@HOST:PORT"),
            };
            layers.wrong("header", &what, hint)
        })?;
        edits.push(edit);
    }
    Ok(edits)
}

/// A page, of which its own credentials and the place in it are nobody's business (RFC 9110 §10.1.3).
fn referer(layers: &Layers) -> Result<Option<Url>, Error> {
    layers.read("referer", "an http or https URL", |text| {
        let mut url = Url::parse(text).ok()?;
        let right = matches!(url.scheme(), "http" | "https");
        // Both fail only for URLs without a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        right.then_some(url)
    })
}

/// What a user agent that does not fit the fingerprint is told once.
pub(super) fn contradiction(net: &Net, fingerprint: &Fingerprint) -> Option<String> {
    let mut edits = net.headers.iter();
    let edit = edits.rfind(|edit| edit.name.eq_ignore_ascii_case("user-agent"))?;
    let text = edit.value.as_deref().unwrap_or_default();
    let (given, own) = agent::contradiction(text, fingerprint)?;
    Some(format!(
        "the user agent says {given}, everything else on the wire says {own}: a server can see that; choose another -B, or leave -A out"
    ))
}

/// The value of a header field of its own.
fn field(layers: &Layers, name: &str) -> Result<Option<String>, Error> {
    layers.read(name, "text without line breaks", |text| {
        is_field_value(text).then(|| text.to_owned())
    })
}

/// Nothing that would end the field (RFC 9110 §5.5).
fn is_field_value(text: &str) -> bool {
    text.chars().all(|c| c == '\t' || !c.is_control())
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

//! The origin's TLS settings.

use std::net::{IpAddr, Ipv4Addr};

use boring::error::ErrorStack;
use boring::ssl::{AlpnError, SslAcceptor, SslMethod, SslVerifyMode, SslVersion};

use super::certificate::{KeyKind, certificate};
use super::script::Protocol;

/// What the TLS side offers.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// Application protocols, the most wanted first; empty for no answer to ALPN.
    pub alpn: Vec<Protocol>,
    /// Groups as in `SSL_CTX_set1_curves_list`; one that a client supports but sends no key share for makes a
    /// HelloRetryRequest. BoringSSL's own if `None`.
    pub groups: Option<String>,
    /// The newest version, TLS 1.3 if `None`.
    pub max_version: Option<SslVersion>,
    /// Whether clients must show a certificate; any will do.
    pub wants_certificate: bool,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            alpn: vec![Protocol::Http2, Protocol::Http11],
            groups: None,
            max_version: None,
            wants_certificate: false,
        }
    }
}

/// An acceptor with a fresh certificate for this machine and `address`, and that certificate in PEM, which is its own
/// authority.
pub fn acceptor(config: &TlsConfig, address: IpAddr) -> Result<(SslAcceptor, String), ErrorStack> {
    let (certificate, key) = certificate(KeyKind::Ecdsa, address)?;
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls())?;
    builder.set_private_key(&key)?;
    builder.set_certificate(&certificate)?;
    builder.set_max_proto_version(Some(config.max_version.unwrap_or(SslVersion::TLS1_3)))?;
    if let Some(groups) = &config.groups {
        builder.set_curves_list(groups)?;
    }
    if config.wants_certificate {
        let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
        builder.set_verify_callback(mode, |_, _| true);
    }
    let offered = config.alpn.clone();
    builder.set_alpn_select_callback(move |_, client| {
        choose(&offered, client).ok_or(AlpnError::NOACK)
    });
    let pem = certificate.to_pem()?;
    Ok((builder.build(), String::from_utf8_lossy(&pem).into_owned()))
}

/// A certificate and its key for a client, both in PEM.
pub fn identity() -> Result<[Vec<u8>; 2], ErrorStack> {
    let (certificate, key) = certificate(KeyKind::Ecdsa, Ipv4Addr::LOCALHOST.into())?;
    Ok([certificate.to_pem()?, key.private_key_to_pem_pkcs8()?])
}

/// The first protocol of ours in the client's list, a sequence of length-prefixed names.
fn choose<'a>(offered: &[Protocol], client: &'a [u8]) -> Option<&'a [u8]> {
    offered.iter().find_map(|protocol| {
        let mut rest = client;
        while let Some((length, tail)) = rest.split_first() {
            let (name, after) = tail.split_at_checked(usize::from(*length))?;
            if name == protocol.alpn().as_bytes() {
                return Some(name);
            }
            rest = after;
        }
        None
    })
}

//! The origin's certificate, made at start, and its TLS settings.

use boring::asn1::Asn1Time;
use boring::bn::{BigNum, MsbOption};
use boring::ec::{EcGroup, EcKey};
use boring::error::ErrorStack;
use boring::hash::MessageDigest;
use boring::nid::Nid;
use boring::pkey::{PKey, Private};
use boring::ssl::{AlpnError, SslAcceptor, SslMethod, SslVerifyMode, SslVersion};
use boring::x509::extension::{BasicConstraints, SubjectAlternativeName};
use boring::x509::{X509, X509NameBuilder};

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

/// An acceptor with a fresh certificate, and that certificate in PEM, which is its own authority.
pub(super) fn acceptor(config: &TlsConfig) -> Result<(SslAcceptor, String), ErrorStack> {
    let (certificate, key) = certificate()?;
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
    let (certificate, key) = certificate()?;
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

fn certificate() -> Result<(X509, PKey<Private>), ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", "demonstration origin")?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;

    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    let serial = serial.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_pubkey(&key)?;
    let (yesterday, next_month) = (
        Asn1Time::from_unix(days_from_now(-1))?,
        Asn1Time::days_from_now(30)?,
    );
    builder.set_not_before(&yesterday)?;
    builder.set_not_after(&next_month)?;
    let constraints = BasicConstraints::new().critical().ca().build()?;
    builder.append_extension(&constraints)?;
    let names = SubjectAlternativeName::new()
        .dns("localhost")
        .ip("127.0.0.1")
        .ip("::1")
        .build(&builder.x509v3_context(None, None))?;
    builder.append_extension(&names)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok((builder.build(), key))
}

fn days_from_now(days: i64) -> i64 {
    let now = std::time::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_secs() as i64);
    now + days * 24 * 60 * 60
}

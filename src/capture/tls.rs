//! The server's certificate, made at start, and its TLS settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use boring::asn1::Asn1Time;
use boring::bn::{BigNum, MsbOption};
use boring::ec::{EcGroup, EcKey};
use boring::error::ErrorStack;
use boring::hash::MessageDigest;
use boring::nid::Nid;
use boring::pkey::{PKey, Private};
use boring::ssl::{
    AlpnError, SslAcceptor, SslMethod, SslOptions, SslSessionCacheMode, SslVersion,
    select_next_proto,
};
use boring::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName};
use boring::x509::{X509, X509NameBuilder};

use super::Options;

const BOTH: &[u8] = b"\x02h2\x08http/1.1";
const HTTP1: &[u8] = b"\x08http/1.1";

/// An acceptor with a fresh certificate, and that certificate in PEM. While `http1` is
/// true, connections agree on HTTP/1.1.
pub(super) fn acceptor(
    options: &Options,
    http1: Arc<AtomicBool>,
) -> Result<(SslAcceptor, String), ErrorStack> {
    let (certificate, key) = certificate()?;
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls())?;
    builder.set_private_key(&key)?;
    builder.set_certificate(&certificate)?;
    let newest = if options.tls12 {
        SslVersion::TLS1_2
    } else {
        SslVersion::TLS1_3
    };
    builder.set_max_proto_version(Some(newest))?;
    if let Some(groups) = &options.groups {
        builder.set_curves_list(groups)?;
    }
    if options.tickets {
        // Without a context of its own a server resumes nothing.
        builder.set_session_id_context(b"capture")?;
    } else {
        // Every connection is to be a first one: a resumed session shows another hello.
        builder.set_options(SslOptions::NO_TICKET);
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    }
    builder.set_alpn_select_callback(move |_, client| {
        let offered = if http1.load(Ordering::Relaxed) {
            HTTP1
        } else {
            BOTH
        };
        select_next_proto(offered, client).ok_or(AlpnError::NOACK)
    });
    let pem = certificate.to_pem()?;
    Ok((builder.build(), String::from_utf8_lossy(&pem).into_owned()))
}

fn certificate() -> Result<(X509, PKey<Private>), ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", "hs fingerprint")?;
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
    let (begin, end) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(30)?);
    builder.set_not_before(&begin)?;
    builder.set_not_after(&end)?;
    // Not an authority: Firefox refuses those as servers, even where it was told to trust them.
    let constraints = BasicConstraints::new().critical().build()?;
    builder.append_extension(&constraints)?;
    let usage = ExtendedKeyUsage::new().server_auth().build()?;
    builder.append_extension(&usage)?;
    let names = SubjectAlternativeName::new()
        .dns("localhost")
        .ip("127.0.0.1")
        .build(&builder.x509v3_context(None, None))?;
    builder.append_extension(&names)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok((builder.build(), key))
}

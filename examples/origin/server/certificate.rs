//! Certificates made on the spot: each its own authority, for this machine's names.

use std::net::IpAddr;

use boring::asn1::Asn1Time;
use boring::bn::{BigNum, MsbOption};
use boring::ec::{EcGroup, EcKey};
use boring::error::ErrorStack;
use boring::hash::MessageDigest;
use boring::nid::Nid;
use boring::pkey::{PKey, Private};
use boring::rsa::Rsa;
use boring::x509::extension::{BasicConstraints, SubjectAlternativeName};
use boring::x509::{X509, X509NameBuilder};

const RSA_BITS: u32 = 2048;

/// What a certificate's key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with 2048 bits.
    Rsa,
    /// ECDSA with P-256.
    Ecdsa,
}

/// A certificate for this machine and `address`, valid from yesterday for a month, and its key.
pub fn certificate(kind: KeyKind, address: IpAddr) -> Result<(X509, PKey<Private>), ErrorStack> {
    let key = key(kind)?;
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let mut name = X509NameBuilder::new()?;
    // Of its own, so that an authority is found by its name.
    let number = serial.to_hex_str()?;
    name.append_entry_by_text("CN", &format!("demonstration origin {number}"))?;
    let name = name.build();

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
        .dns("files.test")
        .ip("127.0.0.1")
        .ip("::1")
        .ip(&address.to_string())
        .build(&builder.x509v3_context(None, None))?;
    builder.append_extension(&names)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok((builder.build(), key))
}

fn key(kind: KeyKind) -> Result<PKey<Private>, ErrorStack> {
    match kind {
        KeyKind::Rsa => PKey::from_rsa(Rsa::generate(RSA_BITS)?),
        KeyKind::Ecdsa => {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            PKey::from_ec_key(EcKey::generate(&group)?)
        }
    }
}

fn days_from_now(days: i64) -> i64 {
    let now = std::time::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_secs() as i64);
    now + days * 24 * 60 * 60
}

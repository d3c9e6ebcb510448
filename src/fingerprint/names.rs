//! The registered names of the numbers in a ClientHello and a SETTINGS frame, for people to read and files to use.
//!
//! Names are IANA's (TLS parameters; HTTP/2 settings). A number written as such is accepted too, so that a file can
//! hold what has no name yet. A wrong name is an error, never skipped.

use serde::de::{Deserialize, Deserializer, Error};

/// Stands for "a GREASE value here" (RFC 8701) in every list.
pub const GREASE: u16 = 0x0a0a;
/// encrypted_client_hello.
pub const ECH: u16 = 65037;
/// application_settings, the code point of today.
pub const ALPS: u16 = 17613;
/// application_settings, the code point until Chrome 132.
pub const ALPS_OLD: u16 = 17513;
/// compress_certificate.
pub const COMPRESS_CERTIFICATE: u16 = 27;
/// record_size_limit.
pub const RECORD_SIZE_LIMIT: u16 = 28;
/// delegated_credentials.
pub const DELEGATED_CREDENTIALS: u16 = 34;
/// trust_anchors.
pub const TRUST_ANCHORS: u16 = 51764;
/// Groups for which BoringSSL can make a key, and GREASE.
pub const KEY_SHARES: [u16; 7] = [GREASE, 23, 24, 25, 29, 4588, 25497];

type Table = &'static [(&'static str, u16)];

const VERSIONS: Table = &[
    ("GREASE", GREASE),
    ("1.3", 0x0304),
    ("1.2", 0x0303),
    ("1.1", 0x0302),
    ("1.0", 0x0301),
];

const CIPHERS: Table = &[
    ("GREASE", GREASE),
    ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", 0x000a),
    ("TLS_RSA_WITH_AES_128_CBC_SHA", 0x002f),
    ("TLS_DHE_RSA_WITH_AES_128_CBC_SHA", 0x0033),
    ("TLS_RSA_WITH_AES_256_CBC_SHA", 0x0035),
    ("TLS_DHE_RSA_WITH_AES_256_CBC_SHA", 0x0039),
    ("TLS_RSA_WITH_AES_128_CBC_SHA256", 0x003c),
    ("TLS_RSA_WITH_AES_256_CBC_SHA256", 0x003d),
    ("TLS_RSA_WITH_AES_128_GCM_SHA256", 0x009c),
    ("TLS_RSA_WITH_AES_256_GCM_SHA384", 0x009d),
    ("TLS_EMPTY_RENEGOTIATION_INFO_SCSV", 0x00ff),
    ("TLS_AES_128_GCM_SHA256", 0x1301),
    ("TLS_AES_256_GCM_SHA384", 0x1302),
    ("TLS_CHACHA20_POLY1305_SHA256", 0x1303),
    ("TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA", 0xc008),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", 0xc009),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", 0xc00a),
    ("TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", 0xc012),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", 0xc013),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", 0xc014),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", 0xc023),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", 0xc024),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", 0xc027),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", 0xc028),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 0xc02b),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", 0xc02c),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 0xc02f),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 0xc030),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 0xcca8),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", 0xcca9),
];

const GROUPS: Table = &[
    ("GREASE", GREASE),
    ("secp256r1", 23),
    ("secp384r1", 24),
    ("secp521r1", 25),
    ("x25519", 29),
    ("ffdhe2048", 256),
    ("ffdhe3072", 257),
    ("X25519MLKEM768", 4588),
    ("X25519Kyber768Draft00", 25497),
];

const SIGNATURE_ALGORITHMS: Table = &[
    ("GREASE", GREASE),
    ("rsa_pkcs1_sha1", 0x0201),
    ("ecdsa_sha1", 0x0203),
    ("rsa_pkcs1_sha256", 0x0401),
    ("ecdsa_secp256r1_sha256", 0x0403),
    ("rsa_pkcs1_sha384", 0x0501),
    ("ecdsa_secp384r1_sha384", 0x0503),
    ("rsa_pkcs1_sha512", 0x0601),
    ("ecdsa_secp521r1_sha512", 0x0603),
    ("rsa_pss_rsae_sha256", 0x0804),
    ("rsa_pss_rsae_sha384", 0x0805),
    ("rsa_pss_rsae_sha512", 0x0806),
    ("mldsa44", 0x0904),
    ("mldsa65", 0x0905),
    ("mldsa87", 0x0906),
];

const EXTENSIONS: Table = &[
    ("GREASE", GREASE),
    ("server_name", 0),
    ("status_request", 5),
    ("supported_groups", 10),
    ("ec_point_formats", 11),
    ("signature_algorithms", 13),
    ("application_layer_protocol_negotiation", 16),
    ("signed_certificate_timestamp", 18),
    ("padding", 21),
    ("extended_master_secret", 23),
    ("compress_certificate", COMPRESS_CERTIFICATE),
    ("record_size_limit", RECORD_SIZE_LIMIT),
    ("delegated_credentials", DELEGATED_CREDENTIALS),
    ("session_ticket", 35),
    ("pre_shared_key", 41),
    ("supported_versions", 43),
    ("psk_key_exchange_modes", 45),
    ("key_share", 51),
    ("application_settings_old", ALPS_OLD),
    ("application_settings", ALPS),
    ("trust_anchors", TRUST_ANCHORS),
    ("encrypted_client_hello", ECH),
    ("renegotiation_info", 65281),
];

const COMPRESSIONS: Table = &[("zlib", 1), ("brotli", 2), ("zstd", 3)];

const SETTINGS: Table = &[
    ("HEADER_TABLE_SIZE", 1),
    ("ENABLE_PUSH", 2),
    ("MAX_CONCURRENT_STREAMS", 3),
    ("INITIAL_WINDOW_SIZE", 4),
    ("MAX_FRAME_SIZE", 5),
    ("MAX_HEADER_LIST_SIZE", 6),
    ("ENABLE_CONNECT_PROTOCOL", 8),
    ("NO_RFC7540_PRIORITIES", 9),
];

/// A number, or a name that stands for one.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Code {
    Number(u16),
    Name(String),
}

impl Code {
    fn resolve<E: Error>(self, table: Table, what: &str) -> Result<u16, E> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Name(name) => table
                .iter()
                .find_map(|&(known, number)| (known == name).then_some(number))
                .ok_or_else(|| E::custom(format!("unknown {what} `{name}`"))),
        }
    }
}

/// The lists of a file whose codes have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Versions,
    Ciphers,
    Groups,
    SignatureAlgorithms,
    Extensions,
    Compressions,
    Settings,
}

/// A code as a file writes it in this list: its name in quotes, or the number if it has none.
pub(super) fn text(list: List, code: u16) -> String {
    let table = match list {
        List::Versions => VERSIONS,
        List::Ciphers => CIPHERS,
        List::Groups => GROUPS,
        List::SignatureAlgorithms => SIGNATURE_ALGORITHMS,
        List::Extensions => EXTENSIONS,
        List::Compressions => COMPRESSIONS,
        List::Settings => SETTINGS,
    };
    match table.iter().find(|(_, known)| *known == code) {
        Some((name, _)) => format!("\"{name}\""),
        None => code.to_string(),
    }
}

fn list<'de, D: Deserializer<'de>>(
    deserializer: D,
    table: Table,
    what: &str,
) -> Result<Vec<u16>, D::Error> {
    Vec::<Code>::deserialize(deserializer)?
        .into_iter()
        .map(|code| code.resolve(table, what))
        .collect()
}

pub(super) fn versions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
    list(deserializer, VERSIONS, "TLS version")
}

pub(super) fn ciphers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
    list(deserializer, CIPHERS, "cipher suite")
}

pub(super) fn groups<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
    list(deserializer, GROUPS, "group")
}

pub(super) fn signature_algorithms<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<u16>, D::Error> {
    list(deserializer, SIGNATURE_ALGORITHMS, "signature algorithm")
}

pub(super) fn extensions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
    list(deserializer, EXTENSIONS, "extension")
}

pub(super) fn compressions<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<u16>, D::Error> {
    list(deserializer, COMPRESSIONS, "certificate compression")
}

pub(super) fn settings<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(u16, u32)>, D::Error> {
    Vec::<(Code, u32)>::deserialize(deserializer)?
        .into_iter()
        .map(|(code, value)| Ok((code.resolve(SETTINGS, "HTTP/2 setting")?, value)))
        .collect()
}

/// Relative object identifiers as dotted numbers, to their encoding (X.690 §8.20).
pub(super) fn trust_anchors<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Vec<u8>>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let mut anchors = Vec::new();
    for text in &texts {
        let arcs = text.split('.').map(str::parse::<u32>);
        let bytes = arcs
            .map(|arc| arc.map(base_128))
            .collect::<Result<Vec<_>, _>>();
        let wrong = |_| D::Error::custom(format!("`{text}` is not numbers with points between"));
        anchors.push(bytes.map_err(wrong)?.concat());
    }
    Ok(anchors)
}

/// Seven bits a byte, the first bit set on all but the last.
fn base_128(mut arc: u32) -> Vec<u8> {
    let mut bytes = vec![(arc & 0x7f) as u8];
    while arc > 0x7f {
        arc >>= 7;
        bytes.push((arc & 0x7f) as u8 | 0x80);
    }
    bytes.reverse();
    bytes
}

/// Bytes as hexadecimal digits.
pub(super) fn hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    match digits {
        Some(digits) if digits.len().is_multiple_of(2) => Ok(digits
            .chunks(2)
            .map(|pair| (pair[0] * 16 + pair[1]) as u8)
            .collect()),
        Some(_) | None => Err(D::Error::custom(format!("`{text}` is not hexadecimal"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arcs_are_coded_seven_bits_a_byte() {
        assert_eq!(base_128(1), [1]);
        assert_eq!(base_128(127), [0x7f]);
        assert_eq!(base_128(44947), [0x82, 0xdf, 0x13]);
        assert_eq!(base_128(u32::MAX), [0x8f, 0xff, 0xff, 0xff, 0x7f]);
    }
}

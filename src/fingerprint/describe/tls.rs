//! `[tls]` out of a ClientHello.

use crate::fingerprint::compare::Difference;
use crate::fingerprint::names::GREASE;
use crate::fingerprint::schema::{EchGrease, Habit, OpaqueExtension, Tls};
use crate::fingerprint::text::hex;
use crate::fingerprint::wire::extension::{self, Body, Ech, Extension, KeyShare, is_grease};
use crate::fingerprint::wire::hello::ClientHello;

const SIGNED_CERTIFICATE_TIMESTAMP: u16 = 18;
const EXTENDED_MASTER_SECRET: u16 = 23;
const RENEGOTIATION_INFO: u16 = 65281;
/// Extensions whose content the parser understands.
const DECODED: [u16; 18] = [
    extension::SERVER_NAME,
    extension::STATUS_REQUEST,
    extension::SUPPORTED_GROUPS,
    extension::EC_POINT_FORMATS,
    extension::SIGNATURE_ALGORITHMS,
    extension::ALPN,
    extension::PADDING,
    extension::COMPRESS_CERTIFICATE,
    extension::RECORD_SIZE_LIMIT,
    extension::DELEGATED_CREDENTIALS,
    extension::PRE_SHARED_KEY,
    extension::SUPPORTED_VERSIONS,
    extension::PSK_KEY_EXCHANGE_MODES,
    extension::KEY_SHARE,
    extension::ALPS_OLD,
    extension::ALPS,
    extension::TRUST_ANCHORS,
    extension::ENCRYPTED_CLIENT_HELLO,
];
const X25519: u16 = 29;
pub(crate) const X25519_MLKEM768: u16 = 4588;

/// `[tls]` of one ClientHello, and what is unusual about it in ways that a file cannot say.
#[must_use]
pub fn tls(hello: &ClientHello) -> (Tls, Vec<Difference>) {
    let mut tls = Tls {
        versions: degreased(hello.versions()),
        ciphers: degreased(&hello.ciphers),
        groups: degreased(hello.groups()),
        key_shares: hello
            .key_shares()
            .iter()
            .map(|share| degrease(share.group))
            .collect(),
        signature_algorithms: degreased(hello.signature_algorithms()),
        alpn: names(hello.alpn()),
        application_settings: Vec::new(),
        certificate_compression: Vec::new(),
        record_size_limit: None,
        delegated_credentials: Vec::new(),
        trust_anchors: Vec::new(),
        opaque_extensions: Vec::new(),
        permute_extensions: false,
        extensions: hello
            .extensions
            .iter()
            .map(|extension| degrease(extension.id))
            .filter(|id| ![extension::PRE_SHARED_KEY, extension::EARLY_DATA].contains(id))
            .collect(),
        ech_grease: None,
        habits: Vec::new(),
    };
    if shares_x25519(hello.key_shares()) {
        tls.habits.push(Habit::SharedX25519);
    }
    let mut odd = oddities_of(hello);
    for extension in &hello.extensions {
        take(extension, &mut tls, &mut odd);
    }
    (tls, odd)
}

/// Takes over what one extension says, or notes that it says something unusual.
fn take(extension: &Extension, tls: &mut Tls, odd: &mut Vec<Difference>) {
    let mut usual = |expected: &str, is: bool, got: String| {
        if !is {
            odd.push(Difference::new(
                format!("extension {}", extension.id),
                expected,
                got,
            ));
        }
    };
    match &extension.body {
        Body::Alps(protocols) => tls.application_settings = names(protocols),
        Body::CompressCertificate(algorithms) => tls.certificate_compression.clone_from(algorithms),
        Body::RecordSizeLimit(limit) => tls.record_size_limit = Some(*limit),
        Body::DelegatedCredentials(list) => tls.delegated_credentials.clone_from(list),
        Body::TrustAnchors(anchors) => tls.trust_anchors.clone_from(anchors),
        Body::EncryptedClientHello(Ech::Outer {
            kdf,
            aead,
            enc_length,
            payload_length,
            ..
        }) => {
            tls.ech_grease = Some(EchGrease {
                payload_lengths: vec![*payload_length],
                aeads: vec![*aead],
            });
            let got = format!("kdf {kdf}, enc {enc_length} bytes");
            usual("kdf 1, enc 32 bytes", (*kdf, *enc_length) == (1, 32), got);
        }
        Body::EncryptedClientHello(Ech::Inner) => usual("outer", false, "inner".to_owned()),
        Body::ServerName(hosts) => usual("one host name", hosts.len() == 1, format!("{hosts:?}")),
        Body::StatusRequest {
            kind,
            responder_ids,
            request_extensions,
        } => {
            let got = (*kind, *responder_ids, *request_extensions);
            usual("(1, 0, 0)", got == (1, 0, 0), format!("{got:?}"));
        }
        Body::EcPointFormats(formats) => usual("[0]", formats == &[0], format!("{formats:?}")),
        Body::PskKeyExchangeModes(modes) => usual("[1]", modes == &[1], format!("{modes:?}")),
        Body::Padding { zero, .. } => usual("zeros", *zero, "other bytes".to_owned()),
        // The first is empty, the second has one byte; which is which, the whole hello says.
        Body::Grease(content) => usual("0 or 00", matches!(**content, [] | [0]), hex(content)),
        Body::Opaque(content) => opaque(extension.id, content, tls, odd),
        Body::SupportedGroups(_)
        | Body::SignatureAlgorithms(_)
        | Body::Alpn(_)
        | Body::PreSharedKey { .. }
        | Body::SupportedVersions(_)
        | Body::KeyShares(_) => {}
    }
}

fn opaque(id: u16, content: &[u8], tls: &mut Tls, odd: &mut Vec<Difference>) {
    let usual: &[u8] = match id {
        SIGNED_CERTIFICATE_TIMESTAMP | EXTENDED_MASTER_SECRET => &[],
        // Empty, or a ticket: no browser's choice, but the server's.
        extension::SESSION_TICKET => return,
        RENEGOTIATION_INFO => &[0],
        // Known to the parser, so it is opaque only because its content is out of format.
        _ if DECODED.contains(&id) => {
            odd.push(Difference::new(
                format!("extension {id}"),
                "its format",
                hex(content),
            ));
            return;
        }
        _ => {
            tls.opaque_extensions.push(OpaqueExtension {
                extension: id,
                body: content.to_vec(),
            });
            return;
        }
    };
    if content != usual {
        odd.push(Difference::new(
            format!("extension {id}"),
            hex(usual),
            hex(content),
        ));
    }
}

/// What a file takes for granted about a ClientHello as a whole.
fn oddities_of(hello: &ClientHello) -> Vec<Difference> {
    let mut odd = Vec::new();
    let mut check = |field: &str, expected: &str, got: String| {
        if got != expected {
            odd.push(Difference::new(field, expected, got));
        }
    };
    check(
        "record version",
        "0x0301",
        format!("{:#06x}", hello.record_version),
    );
    check(
        "handshake version",
        "0x0303",
        format!("{:#06x}", hello.handshake_version),
    );
    check(
        "session id",
        "32 bytes",
        format!("{} bytes", hello.session_id.len()),
    );
    check(
        "compression methods",
        "[0]",
        format!("{:?}", hello.compression_methods),
    );
    for share in hello.key_shares() {
        let expected = share_length(share.group).unwrap_or(share.key.len());
        let field = format!("key share of group {}", degrease(share.group));
        check(
            &field,
            &format!("{expected} bytes"),
            format!("{} bytes", share.key.len()),
        );
    }
    let mut shares = hello.key_shares().iter().map(|share| share.group);
    let share = shares.find(|code| is_grease(*code));
    let group = hello.groups().iter().copied().find(|code| is_grease(*code));
    if share.is_some() && share != group {
        odd.push(Difference::new(
            "GREASE key share",
            "that of the groups",
            "another",
        ));
    }
    let greases: Vec<_> = hello
        .extensions
        .iter()
        .filter(|extension| is_grease(extension.id))
        .map(|extension| (extension.id, extension.length))
        .collect();
    if let [(first, first_length), (last, last_length)] = greases[..]
        && (first == last || (first_length, last_length) != (0, 1))
    {
        let expected = "two values, of 0 and 1 bytes";
        odd.push(Difference::new(
            "GREASE extensions",
            expected,
            format!("{greases:?}"),
        ));
    }
    odd
}

/// Bytes of a public key.
fn share_length(group: u16) -> Option<usize> {
    match group {
        23 => Some(65),
        24 => Some(97),
        25 => Some(133),
        X25519 => Some(32),
        X25519_MLKEM768 | 25497 => Some(1216),
        _ if is_grease(group) => Some(1),
        _ => None,
    }
}

fn shares_x25519(shares: &[KeyShare]) -> bool {
    let key = |group| {
        let share = shares.iter().find(|share| share.group == group);
        share.map(|share| share.key.as_slice())
    };
    matches!((key(X25519_MLKEM768), key(X25519)), (Some(hybrid), Some(plain)) if hybrid.ends_with(plain))
}

fn degrease(code: u16) -> u16 {
    if is_grease(code) { GREASE } else { code }
}

fn degreased(codes: &[u16]) -> Vec<u16> {
    codes.iter().map(|code| degrease(*code)).collect()
}

fn names(protocols: &[Vec<u8>]) -> Vec<String> {
    protocols
        .iter()
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

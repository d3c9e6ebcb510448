//! Holds what a client sent against a fingerprint file, field by field.
//!
//! What differs is listed in words, so that a failed test says which byte gave us away. Equal means equal in everything
//! that a server can see, except keys, random bytes, the ECH config id, and GREASE values among themselves.

use std::fmt::Debug;

use hydrastream::fingerprint::Fingerprint;
use hydrastream::fingerprint::schema::{Priority, Tls};
use hydrastream::fingerprint::wire::extension::{
    ALPN, ALPS, ALPS_OLD, Body, COMPRESS_CERTIFICATE, EC_POINT_FORMATS, ENCRYPTED_CLIENT_HELLO,
    Ech, KEY_SHARE, KeyShare, PADDING, PRE_SHARED_KEY, PSK_KEY_EXCHANGE_MODES, SERVER_NAME,
    SESSION_TICKET, SIGNATURE_ALGORITHMS, STATUS_REQUEST, SUPPORTED_GROUPS, SUPPORTED_VERSIONS,
    is_grease,
};
use hydrastream::fingerprint::wire::frames::{self, Frame, PREFACE, Payload, flag};
use hydrastream::fingerprint::wire::hello::ClientHello;
use hydrastream::fingerprint::wire::hpack::Block;
use hydrastream::fingerprint::wire::record::Record;

use super::origin::server::log::Connection;

/// Stands for any GREASE value, as in the files.
const GREASE: u16 = 0x0a0a;

/// What a protected TLS 1.3 record has beside its content: the content's type and the tag.
const SEAL: u32 = 17;

/// What was found to be different.
#[derive(Debug, Default)]
pub struct Differences(Vec<String>);

impl Differences {
    /// Fails with the whole list unless it is empty.
    pub fn assert_none(&self, what: &str) {
        assert!(self.0.is_empty(), "{what} differs:\n{}", self.0.join("\n"));
    }

    fn equal<T: PartialEq<U> + Debug, U: Debug>(&mut self, what: &str, sent: T, expected: U) {
        if sent != expected {
            self.0
                .push(format!("{what}: sent {sent:x?}, not {expected:x?}"));
        }
    }

    fn holds(&mut self, what: &str, condition: bool) {
        if !condition {
            self.0.push(format!("does not hold: {what}"));
        }
    }
}

/// A ClientHello for `host` against a fingerprint.
pub fn compare_hello(hello: &ClientHello, tls: &Tls, host: &str) -> Differences {
    let mut found = Differences::default();
    found.equal("record version", hello.record_version, 0x0301);
    found.equal("version", hello.handshake_version, 0x0303);
    found.equal("bytes of session id", hello.session_id.len(), 32);
    found.equal("compression methods", &*hello.compression_methods, [0]);
    found.equal("ciphers", normal_codes(&hello.ciphers), &*tls.ciphers);
    compare_order(hello, tls, &mut found);
    compare_grease(hello, &mut found);
    compare_padding(hello, tls, &mut found);
    for extension in &hello.extensions {
        if let Some(expected) = expected_body(extension.id, tls, host) {
            let what = format!("extension {}", extension.id);
            found.equal(&what, normal_body(&extension.body), expected);
        }
    }
    compare_ech(hello, tls, &mut found);
    found
}

/// Extension types as sent, GREASE made equal.
pub fn extension_order(hello: &ClientHello) -> Vec<u16> {
    let ids: Vec<_> = hello
        .extensions
        .iter()
        .map(|extension| extension.id)
        .collect();
    normal_codes(&ids)
}

/// The payload length of the ECH extension.
pub fn ech_length(hello: &ClientHello) -> Option<u16> {
    let Some(Body::EncryptedClientHello(Ech::Outer { payload_length, .. })) =
        hello.extension(ENCRYPTED_CLIENT_HELLO)
    else {
        return None;
    };
    Some(*payload_length)
}

fn compare_order(hello: &ClientHello, tls: &Tls, found: &mut Differences) {
    let fixed = |ids: Vec<u16>| -> Vec<u16> {
        let moves = |id: &u16| ![PADDING, PRE_SHARED_KEY].contains(id);
        ids.into_iter().filter(moves).collect()
    };
    let sent = fixed(extension_order(hello));
    let expected = fixed(tls.extensions.clone());
    if !tls.permute_extensions {
        return found.equal("extensions", sent, expected);
    }
    let grease_at = |ids: &[u16]| -> Vec<usize> {
        let positions = ids.iter().enumerate();
        positions
            .filter(|(_, id)| **id == GREASE)
            .map(|(at, _)| at)
            .collect()
    };
    found.equal(
        "places of GREASE extensions",
        grease_at(&sent),
        grease_at(&expected),
    );
    let sorted = |mut ids: Vec<u16>| {
        ids.sort_unstable();
        ids
    };
    found.equal("extensions, sorted", sorted(sent), sorted(expected));
}

fn compare_grease(hello: &ClientHello, found: &mut Differences) {
    let greased: Vec<_> = hello
        .extensions
        .iter()
        .filter(|e| is_grease(e.id))
        .collect();
    if let [first, last] = greased[..] {
        found.holds("the two GREASE extensions differ", first.id != last.id);
        found.equal(
            "first GREASE extension",
            &first.body,
            &Body::Grease(Vec::new()),
        );
        found.equal("last GREASE extension", &last.body, &Body::Grease(vec![0]));
    }
    let group = hello.groups().iter().find(|group| is_grease(**group));
    let share = hello
        .key_shares()
        .iter()
        .find(|share| is_grease(share.group));
    if let (Some(group), Some(share)) = (group, share) {
        found.equal("group of the GREASE key share", share.group, *group);
        found.equal("GREASE key share", &*share.key, [0]);
    }
}

/// A hello of 256 to 511 bytes is stretched to 512, or by one byte of padding if that is too little room (RFC 7685 and what
/// BoringSSL makes of it).
fn compare_padding(hello: &ClientHello, tls: &Tls, found: &mut Differences) {
    const EXTENSION_HEADER: usize = 4;
    let sent = hello
        .extensions
        .iter()
        .find(|extension| extension.id == PADDING);
    let taken = sent.map_or(0, |padding| EXTENSION_HEADER + usize::from(padding.length));
    let unpadded = hello.message_length - taken;
    let wanted = (tls.extensions.contains(&PADDING) && (256..512).contains(&unpadded))
        .then(|| (512 - unpadded).saturating_sub(EXTENSION_HEADER).max(1));
    let length = sent.map(|padding| usize::from(padding.length));
    found.equal(&format!("padding of {unpadded} bytes"), length, wanted);
    if let Some(padding) = sent {
        let zero = matches!(padding.body, Body::Padding { zero: true, .. });
        found.holds("padding is zero", zero);
        let last = hello.extensions.iter().rfind(|e| e.id != PRE_SHARED_KEY);
        found.equal("last extension", last.map(|e| e.id), Some(PADDING));
    }
}

fn compare_ech(hello: &ClientHello, tls: &Tls, found: &mut Differences) {
    let Some(expected) = &tls.ech_grease else {
        return;
    };
    let Some(Body::EncryptedClientHello(Ech::Outer {
        kdf,
        aead,
        enc_length,
        payload_length,
        ..
    })) = hello.extension(ENCRYPTED_CLIENT_HELLO)
    else {
        return found.holds("encrypted_client_hello is an outer one", false);
    };
    found.equal("ECH kdf", *kdf, 1);
    found.equal("bytes of ECH enc", *enc_length, 32);
    found.holds(
        &format!("ECH aead {aead} is listed"),
        expected.aeads.contains(aead),
    );
    found.holds(
        &format!("ECH payload of {payload_length} bytes is listed"),
        expected.payload_lengths.contains(payload_length),
    );
}

/// The content that an extension of this type must have; `None` where other functions look.
fn expected_body(id: u16, tls: &Tls, host: &str) -> Option<Body> {
    const SIGNED_CERTIFICATE_TIMESTAMP: u16 = 18;
    const EXTENDED_MASTER_SECRET: u16 = 23;
    const RENEGOTIATION_INFO: u16 = 65281;
    let names = |list: &[String]| list.iter().map(|name| name.clone().into_bytes()).collect();
    Some(match id {
        SERVER_NAME => Body::ServerName(vec![host.to_owned()]),
        STATUS_REQUEST => Body::StatusRequest {
            kind: 1,
            responder_ids: 0,
            request_extensions: 0,
        },
        SUPPORTED_GROUPS => Body::SupportedGroups(tls.groups.clone()),
        EC_POINT_FORMATS => Body::EcPointFormats(vec![0]),
        SIGNATURE_ALGORITHMS => Body::SignatureAlgorithms(tls.signature_algorithms.clone()),
        ALPN => Body::Alpn(names(&tls.alpn)),
        ALPS | ALPS_OLD => Body::Alps(names(&tls.application_settings)),
        COMPRESS_CERTIFICATE => Body::CompressCertificate(tls.certificate_compression.clone()),
        SUPPORTED_VERSIONS => Body::SupportedVersions(tls.versions.clone()),
        PSK_KEY_EXCHANGE_MODES => Body::PskKeyExchangeModes(vec![1]),
        KEY_SHARE => Body::KeyShares(tls.key_shares.iter().map(|group| share(*group)).collect()),
        SIGNED_CERTIFICATE_TIMESTAMP | EXTENDED_MASTER_SECRET | SESSION_TICKET => {
            Body::Opaque(Vec::new())
        }
        RENEGOTIATION_INFO => Body::Opaque(vec![0]),
        _ => return None,
    })
}

/// A key share of the right length for its group.
fn share(group: u16) -> KeyShare {
    let length = match group {
        GREASE => 1,
        29 => 32,
        23 => 65,
        24 => 97,
        25 => 133,
        4588 => 1216,
        other => panic!("how long is a key share of group {other}?"),
    };
    let key = vec![0; length];
    KeyShare { group, key }
}

/// A body with all GREASE made equal and all keys made zero.
fn normal_body(body: &Body) -> Body {
    match body {
        Body::SupportedGroups(codes) => Body::SupportedGroups(normal_codes(codes)),
        Body::SupportedVersions(codes) => Body::SupportedVersions(normal_codes(codes)),
        Body::SignatureAlgorithms(codes) => Body::SignatureAlgorithms(normal_codes(codes)),
        Body::KeyShares(shares) => Body::KeyShares(
            shares
                .iter()
                .map(|share| KeyShare {
                    group: normal_code(share.group),
                    key: vec![0; share.key.len()],
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

fn normal_code(code: u16) -> u16 {
    if is_grease(code) { GREASE } else { code }
}

fn normal_codes(codes: &[u16]) -> Vec<u16> {
    codes.iter().copied().map(normal_code).collect()
}

/// The opening of an HTTP/2 connection whose first request has these fields and forms, against a fingerprint.
pub fn compare_opening(
    connection: &Connection,
    fingerprint: &Fingerprint,
    fields: &[(String, String)],
    forms: &[&str],
) -> Differences {
    let mut found = Differences::default();
    let http2 = &fingerprint.http2;
    let [settings, update, headers, rest @ ..] = &connection.frames[..] else {
        found.holds("there are three frames", false);
        return found;
    };
    found.equal(
        "SETTINGS",
        &settings.payload,
        &Payload::Settings(http2.settings.clone()),
    );
    found.equal(
        "stream and flags of SETTINGS",
        (settings.stream, settings.flags),
        (0, 0),
    );
    let increment = http2.window_update;
    found.equal(
        "WINDOW_UPDATE",
        &update.payload,
        &Payload::WindowUpdate { increment },
    );
    found.equal(
        "stream and flags of WINDOW_UPDATE",
        (update.stream, update.flags),
        (0, 0),
    );
    found.equal("first stream", headers.stream, http2.first_stream);
    compare_request_frame(headers, fingerprint.navigation.priority, 0, &mut found);
    for frame in rest {
        let ack = frame.flags == flag::ACK && frame.payload == Payload::Settings(Vec::new());
        found.holds(
            &format!("no frame follows but an acknowledgement: {frame:?}"),
            ack,
        );
    }
    match connection.blocks.first() {
        Some((_, block)) => compare_block(block, fields, forms, &mut found),
        None => found.holds("there is a header block", false),
    }
    compare_records(&connection.records, [settings, update], headers, &mut found);
    found
}

/// A HEADERS frame's flags and priority.
pub fn compare_request_frame(
    frame: &Frame,
    priority: Option<Priority>,
    dependency: u32,
    found: &mut Differences,
) {
    let Payload::Headers { priority: sent, .. } = &frame.payload else {
        return found.holds(&format!("{frame:?} is HEADERS"), false);
    };
    let expected = priority.map(|priority| frames::Priority {
        dependency,
        exclusive: priority.exclusive,
        weight: priority.weight,
    });
    found.equal("priority of HEADERS", *sent, expected);
    let shown = if expected.is_some() {
        flag::PRIORITY
    } else {
        0
    };
    let flags = flag::END_STREAM | flag::END_HEADERS | shown;
    found.equal("flags of HEADERS", frame.flags, flags);
}

/// A header block's fields, in order, and how each was written.
pub fn compare_block(
    block: &Block,
    fields: &[(String, String)],
    forms: &[&str],
    found: &mut Differences,
) {
    found.equal("table size updates", &*block.table_sizes, [0_usize; 0]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let sent: Vec<_> = block
        .fields
        .iter()
        .map(|f| (text(&f.name), text(&f.value)))
        .collect();
    found.equal("header fields", sent, fields);
    let sent: Vec<_> = block
        .fields
        .iter()
        .map(|field| format!("{} {}", text(&field.name), field.form))
        .collect();
    found.equal("forms of header fields", sent, forms);
}

/// The TLS records of the opening: hello, change_cipher_spec, Finished, then one with everything up to the first HEADERS,
/// and one with these alone.
fn compare_records(
    records: &[Record],
    early: [&Frame; 2],
    headers: &Frame,
    found: &mut Differences,
) {
    const HEADER: u32 = frames::HEADER as u32;
    let [hello, change, finished, first, second, rest @ ..] = records else {
        return found.holds("there are five records", false);
    };
    let kind = |record: &Record| (record.content_type, record.version);
    found.equal("record of the hello", kind(hello), (22, 0x0301));
    found.equal(
        "second record",
        (kind(change), change.length),
        ((20, 0x0303), 1),
    );
    for record in [finished, first, second].into_iter().chain(rest) {
        found.equal("protected record", kind(record), (23, 0x0303));
    }
    let early: u32 = early.iter().map(|frame| HEADER + frame.length).sum();
    let length = PREFACE.len() as u32 + early + SEAL;
    found.equal(
        "bytes of the first record of HTTP/2",
        u32::from(first.length),
        length,
    );
    let length = HEADER + headers.length + SEAL;
    found.equal(
        "bytes of the second record of HTTP/2",
        u32::from(second.length),
        length,
    );
}

//! Says in the terms of a fingerprint file what one connection showed, and lists what a file has no words for.
//!
//! Recording writes this down, comparing holds it against a file. One connection never shows what varies: lists of
//! what may be drawn have one element here, and `permute_extensions` is false.

use super::compare::Difference;
use super::names::GREASE;
use super::observed::{Connection, Request};
use super::schema::{
    DependsOn, EchGrease, Habit, HeaderLine, Http2, OpaqueExtension, Priority, RequestShape, Tls,
};
use super::text::hex;
use super::wire::extension::{self, Body, Ech, Extension, KeyShare, is_grease};
use super::wire::frames::{self, Frame, PREFACE, Payload};
use super::wire::hello::ClientHello;
use super::wire::huffman;

const SIGNED_CERTIFICATE_TIMESTAMP: u16 = 18;
const EXTENDED_MASTER_SECRET: u16 = 23;
const SESSION_TICKET: u16 = 35;
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
pub(super) const X25519_MLKEM768: u16 = 4588;
/// Content type of protected TLS 1.3 records.
const APPLICATION_DATA: u8 = 23;
/// What TLS 1.3 adds to a record's content: its inner type and the tag.
const PROTECTION: usize = 17;

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
            .filter(|id| *id != extension::PRE_SHARED_KEY)
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
        SIGNED_CERTIFICATE_TIMESTAMP | EXTENDED_MASTER_SECRET | SESSION_TICKET => &[],
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

/// `[http2]` of a connection's opening, without `credit`; `None` without a request in it.
#[must_use]
pub fn http2(connection: &Connection) -> Option<Http2> {
    let opening = connection.opening_frames();
    let request = connection
        .requests
        .first()
        .filter(|request| request.stream > 0)?;
    let at = opening
        .iter()
        .position(|frame| matches!(frame.payload, Payload::Headers { .. }))?;
    let settings = opening.iter().find_map(|frame| {
        if let Payload::Settings(pairs) = &frame.payload {
            Some(pairs.clone())
        } else {
            None
        }
    });
    Some(Http2 {
        settings: settings.unwrap_or_default(),
        window_update: increments(&opening[..at], 0).next().unwrap_or(0),
        stream_window_update: increments(&opening[at..], request.stream)
            .next()
            .unwrap_or(0),
        credit: None,
        pseudo_headers: request
            .pseudo
            .iter()
            .map(|(name, _)| name.clone())
            .collect(),
        first_stream: request.stream,
        headers_in_own_record: layout(connection)
            .is_some_and(|records| records.iter().any(|record| record.starts_with("HEADERS"))),
        huffman_always: huffman_always(request),
        path_always_literal: path_always_literal(request),
    })
}

/// Increments of the WINDOW_UPDATE frames on a stream.
pub fn increments(frames: &[Frame], stream: u32) -> impl Iterator<Item = u32> + '_ {
    frames.iter().filter_map(move |frame| {
        if let Payload::WindowUpdate { increment } = frame.payload {
            (frame.stream == stream).then_some(increment)
        } else {
            None
        }
    })
}

/// The frames of the opening as TLS 1.3 records carried them, each record's as `PREFACE SETTINGS WINDOW_UPDATE`; a frame
/// that goes on in the next record is marked with `…`. `None` before TLS 1.3, where the overhead is not known.
#[must_use]
pub fn layout(connection: &Connection) -> Option<Vec<String>> {
    let hello = connection.hellos.first()?;
    hello.versions().contains(&0x0304).then_some(())?;
    // The first protected record is the handshake's end.
    let mut rooms = connection
        .records
        .iter()
        .filter(|record| record.content_type == APPLICATION_DATA)
        .skip(1)
        .map(|record| usize::from(record.length).saturating_sub(PROTECTION));
    let preface = ("PREFACE".to_owned(), PREFACE.len());
    let sizes = connection.opening_frames().iter().map(|frame| {
        let text = super::observed::frame_text(frame);
        let name = text.split(' ').next().unwrap_or_default().to_owned();
        (name, frames::HEADER + frame.length as usize)
    });
    let (mut records, mut record, mut room) = (Vec::new(), Vec::new(), rooms.next()?);
    for (name, mut size) in std::iter::once(preface).chain(sizes) {
        while size > room {
            record.push(format!("{name}…"));
            size -= room;
            records.push(std::mem::take(&mut record).join(" "));
            room = rooms.next()?;
        }
        room -= size;
        record.push(name);
        if room == 0 {
            records.push(std::mem::take(&mut record).join(" "));
            room = rooms.next().unwrap_or(0);
        }
    }
    if !record.is_empty() {
        records.push(record.join(" "));
    }
    Some(records)
}

/// Whether a string was Huffman coded though that does not make it shorter.
fn huffman_always(request: &Request) -> bool {
    request
        .pseudo
        .iter()
        .chain(&request.headers)
        .zip(&request.forms)
        .any(|((_, value), form)| {
            form.ends_with("vH") && huffman::encoded_len(value.as_bytes()) >= value.len()
        })
}

fn path_always_literal(request: &Request) -> bool {
    let path = request.pseudo.iter().position(|(name, _)| name == ":path");
    let form = path.and_then(|at| request.forms.get(at));
    form.is_some_and(|form| match request.target.as_str() {
        "/" => form.starts_with('L'),
        _ => form.contains("n5"),
    })
}

/// A request as a shape without places: what was sent, word for word. `previous` is what it would depend on.
#[must_use]
pub fn shape(request: &Request) -> RequestShape {
    RequestShape {
        open: false,
        priority: request.priority.map(|priority| Priority {
            weight: priority.weight,
            exclusive: priority.exclusive,
            depends_on: match priority.dependency {
                0 => DependsOn::Root,
                _ => DependsOn::Previous,
            },
        }),
        headers: request
            .headers
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
            .map(|(name, value)| HeaderLine {
                name: name.clone(),
                value: value.clone(),
                http: None,
                scheme: None,
            })
            .collect(),
    }
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

//! The extensions of a ClientHello, decoded as far as a fingerprint needs them (RFC 8446 §4.2).
//!
//! What a server can tell browsers apart by is kept: lists in their order, lengths, code points. An extension whose
//! content does not follow its own format is [`Body::Opaque`] rather than an error, because the question here is what was
//! sent, not whether it was right. Names of code points belong to whoever prints them.

use super::cursor::Cursor;

pub const SERVER_NAME: u16 = 0;
pub const STATUS_REQUEST: u16 = 5;
pub const SUPPORTED_GROUPS: u16 = 10;
pub const EC_POINT_FORMATS: u16 = 11;
pub const SIGNATURE_ALGORITHMS: u16 = 13;
pub const ALPN: u16 = 16;
pub const PADDING: u16 = 21;
pub const COMPRESS_CERTIFICATE: u16 = 27;
pub const RECORD_SIZE_LIMIT: u16 = 28;
pub const DELEGATED_CREDENTIALS: u16 = 34;
pub const SESSION_TICKET: u16 = 35;
pub const PRE_SHARED_KEY: u16 = 41;
pub const EARLY_DATA: u16 = 42;
pub const SUPPORTED_VERSIONS: u16 = 43;
pub const PSK_KEY_EXCHANGE_MODES: u16 = 45;
pub const KEY_SHARE: u16 = 51;
/// Application settings on the code point of Chrome up to 132.
pub const ALPS_OLD: u16 = 17513;
/// Application settings on the code point of newer Chromes.
pub const ALPS: u16 = 17613;
pub const TRUST_ANCHORS: u16 = 51764;
pub const ENCRYPTED_CLIENT_HELLO: u16 = 65037;

/// Whether a code point is one of the sixteen reserved by RFC 8701: both bytes equal, both ending in `a`.
pub fn is_grease(code: u16) -> bool {
    let [high, low] = code.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// One extension, as it stood in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// `ExtensionType`, GREASE values as drawn.
    pub id: u16,
    /// Bytes of content, type and length fields excluded.
    pub length: u16,
    /// The content.
    pub body: Body,
}

/// The content of an extension. Lists keep the client's order, GREASE included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The extension's type is a GREASE value; its content.
    Grease(Vec<u8>),
    /// Host names (RFC 6066 §3); bytes outside UTF-8 are replaced.
    ServerName(Vec<String>),
    /// OCSP stapling (RFC 6066 §8): type, bytes of responder ids, bytes of request extensions.
    StatusRequest {
        kind: u8,
        responder_ids: u16,
        request_extensions: u16,
    },
    /// Named groups (RFC 8446 §4.2.7).
    SupportedGroups(Vec<u16>),
    /// Point formats (RFC 8422 §5.1.2).
    EcPointFormats(Vec<u8>),
    /// Signature schemes (RFC 8446 §4.2.3).
    SignatureAlgorithms(Vec<u16>),
    /// Application protocols (RFC 7301).
    Alpn(Vec<Vec<u8>>),
    /// Application settings: protocols for which the client has some; on either code point.
    Alps(Vec<Vec<u8>>),
    /// Zeros that stretch the message (RFC 7685): how many, and whether they are all zero.
    Padding { length: u16, zero: bool },
    /// Certificate compression algorithms (RFC 8879): 1 zlib, 2 brotli, 3 zstd.
    CompressCertificate(Vec<u16>),
    /// The largest record the client accepts (RFC 8449).
    RecordSizeLimit(u16),
    /// Signature schemes for delegated credentials (RFC 9345).
    DelegatedCredentials(Vec<u16>),
    /// Resumption (RFC 8446 §4.2.11): lengths of the identities and of the binders.
    PreSharedKey {
        identities: Vec<u16>,
        binders: Vec<u8>,
    },
    /// Protocol versions (RFC 8446 §4.2.1).
    SupportedVersions(Vec<u16>),
    /// PSK key exchange modes (RFC 8446 §4.2.9).
    PskKeyExchangeModes(Vec<u8>),
    /// Key shares (RFC 8446 §4.2.8).
    KeyShares(Vec<KeyShare>),
    /// Trust anchor ids, each the DER content of a relative OID.
    TrustAnchors(Vec<Vec<u8>>),
    /// Encrypted ClientHello, or the GREASE of it (RFC 9849).
    EncryptedClientHello(Ech),
    /// Any other extension, or one whose content is not in its format.
    Opaque(Vec<u8>),
}

/// One entry of the key share list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyShare {
    /// The group; GREASE as drawn.
    pub group: u16,
    /// The public key's bytes, fresh on each connection except for GREASE.
    pub key: Vec<u8>,
}

/// The two forms of the encrypted_client_hello extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ech {
    /// In the hello that travels in the clear; its GREASE form looks the same.
    Outer {
        kdf: u16,
        aead: u16,
        config_id: u8,
        /// Bytes of the encapsulated key.
        enc_length: u16,
        /// Bytes of the encrypted hello.
        payload_length: u16,
    },
    /// In the hello that was encrypted.
    Inner,
}

impl Extension {
    /// Decodes the content of extension `id`.
    pub(super) fn decode(id: u16, content: &[u8], length: u16) -> Self {
        let body = if is_grease(id) {
            Body::Grease(content.to_vec())
        } else {
            decode(id, content).unwrap_or_else(|| Body::Opaque(content.to_vec()))
        };
        Self { id, length, body }
    }
}

/// The content in the format of its type; `None` if the type is not decoded or the content is not in its format.
fn decode(id: u16, content: &[u8]) -> Option<Body> {
    let mut cursor = Cursor::new(content);
    let body = match id {
        SERVER_NAME => Body::ServerName(cursor.vec16()?.all(host_name)?),
        STATUS_REQUEST => status_request(&mut cursor)?,
        SUPPORTED_GROUPS => Body::SupportedGroups(cursor.vec16()?.all(Cursor::u16)?),
        EC_POINT_FORMATS => Body::EcPointFormats(cursor.vec8()?.rest().to_vec()),
        SIGNATURE_ALGORITHMS => Body::SignatureAlgorithms(cursor.vec16()?.all(Cursor::u16)?),
        ALPN => Body::Alpn(cursor.vec16()?.all(opaque8)?),
        ALPS | ALPS_OLD => Body::Alps(cursor.vec16()?.all(opaque8)?),
        PADDING => padding(cursor.rest())?,
        COMPRESS_CERTIFICATE => Body::CompressCertificate(cursor.vec8()?.all(Cursor::u16)?),
        RECORD_SIZE_LIMIT => Body::RecordSizeLimit(cursor.u16()?),
        DELEGATED_CREDENTIALS => Body::DelegatedCredentials(cursor.vec16()?.all(Cursor::u16)?),
        PRE_SHARED_KEY => pre_shared_key(&mut cursor)?,
        SUPPORTED_VERSIONS => Body::SupportedVersions(cursor.vec8()?.all(Cursor::u16)?),
        PSK_KEY_EXCHANGE_MODES => Body::PskKeyExchangeModes(cursor.vec8()?.rest().to_vec()),
        KEY_SHARE => Body::KeyShares(cursor.vec16()?.all(key_share)?),
        TRUST_ANCHORS => Body::TrustAnchors(cursor.vec16()?.all(opaque8)?),
        ENCRYPTED_CLIENT_HELLO => Body::EncryptedClientHello(ech(&mut cursor)?),
        _ => return None,
    };
    cursor.is_empty().then_some(body)
}

fn opaque8(cursor: &mut Cursor<'_>) -> Option<Vec<u8>> {
    Some(cursor.vec8()?.rest().to_vec())
}

fn length16(cursor: &mut Cursor<'_>) -> Option<u16> {
    u16::try_from(cursor.vec16()?.rest().len()).ok()
}

fn host_name(cursor: &mut Cursor<'_>) -> Option<String> {
    const HOST_NAME: u8 = 0;
    (cursor.u8()? == HOST_NAME).then_some(())?;
    Some(String::from_utf8_lossy(cursor.vec16()?.rest()).into_owned())
}

fn status_request(cursor: &mut Cursor<'_>) -> Option<Body> {
    Some(Body::StatusRequest {
        kind: cursor.u8()?,
        responder_ids: length16(cursor)?,
        request_extensions: length16(cursor)?,
    })
}

fn padding(content: &[u8]) -> Option<Body> {
    Some(Body::Padding {
        length: u16::try_from(content.len()).ok()?,
        zero: content.iter().all(|byte| *byte == 0),
    })
}

fn pre_shared_key(cursor: &mut Cursor<'_>) -> Option<Body> {
    let identities = cursor.vec16()?.all(|identity| {
        let length = length16(identity)?;
        let _obfuscated_age = identity.u32()?;
        Some(length)
    })?;
    let binders = cursor
        .vec16()?
        .all(|binder| u8::try_from(binder.vec8()?.rest().len()).ok())?;
    Some(Body::PreSharedKey {
        identities,
        binders,
    })
}

fn key_share(cursor: &mut Cursor<'_>) -> Option<KeyShare> {
    Some(KeyShare {
        group: cursor.u16()?,
        key: cursor.vec16()?.rest().to_vec(),
    })
}

fn ech(cursor: &mut Cursor<'_>) -> Option<Ech> {
    match cursor.u8()? {
        0 => Some(Ech::Outer {
            kdf: cursor.u16()?,
            aead: cursor.u16()?,
            config_id: cursor.u8()?,
            enc_length: length16(cursor)?,
            payload_length: length16(cursor)?,
        }),
        1 => Some(Ech::Inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(id: u16, content: &[u8]) -> Body {
        Extension::decode(id, content, content.len().try_into().unwrap()).body
    }

    #[test]
    fn grease_is_sixteen_values() {
        let all: Vec<u16> = (0..=u16::MAX).filter(|code| is_grease(*code)).collect();
        assert_eq!(all.len(), 16);
        assert_eq!((all[0], all[15]), (0x0a0a, 0xfafa));
    }

    #[test]
    fn content_in_its_format_is_decoded() {
        assert_eq!(
            body(RECORD_SIZE_LIMIT, &[0x40, 0x01]),
            Body::RecordSizeLimit(16385)
        );
        assert_eq!(
            body(ALPS, &[0, 3, 2, b'h', b'2']),
            Body::Alps(vec![b"h2".to_vec()])
        );
        assert_eq!(
            body(
                ENCRYPTED_CLIENT_HELLO,
                &[0, 0, 1, 0, 3, 7, 0, 2, 9, 9, 0, 1, 9]
            ),
            Body::EncryptedClientHello(Ech::Outer {
                kdf: 1,
                aead: 3,
                config_id: 7,
                enc_length: 2,
                payload_length: 1
            })
        );
        assert_eq!(
            body(
                PRE_SHARED_KEY,
                &[0, 8, 0, 2, 1, 1, 0, 0, 0, 0, 0, 3, 2, 5, 5]
            ),
            Body::PreSharedKey {
                identities: vec![2],
                binders: vec![2]
            }
        );
        assert_eq!(
            body(TRUST_ANCHORS, &[0, 5, 1, 8, 2, 8, 9]),
            Body::TrustAnchors(vec![vec![8], vec![8, 9]])
        );
        assert_eq!(
            body(PADDING, &[0; 3]),
            Body::Padding {
                length: 3,
                zero: true
            }
        );
    }

    #[test]
    fn content_out_of_format_is_kept_as_it_is() {
        for content in [&[][..], &[0], &[0, 3, 0, 29], &[0, 2, 0, 29, 0]] {
            assert_eq!(
                body(SUPPORTED_GROUPS, content),
                Body::Opaque(content.to_vec())
            );
        }
        assert_eq!(body(0x1234, &[1, 2]), Body::Opaque(vec![1, 2]));
        assert_eq!(body(0x1a1a, &[0]), Body::Grease(vec![0]));
    }
}

//! The ClientHello (RFC 8446 §4.1.2), read from the raw bytes a client sends first.
//!
//! Accepts a hello in one record or spread over several, and the second hello that follows a HelloRetryRequest. Keeps
//! everything a server sees, in its order. Does not check that the hello makes sense.

use super::cursor::Cursor;
use super::extension::{
    ALPN, Body, Extension, KEY_SHARE, KeyShare, SIGNATURE_ALGORITHMS, SUPPORTED_GROUPS,
    SUPPORTED_VERSIONS,
};
use super::record::{self, records};

/// `HandshakeType` of a ClientHello.
const CLIENT_HELLO: u8 = 1;
/// Content type of change_cipher_spec, which a client puts between its two hellos for middleboxes' sake.
const CHANGE_CIPHER_SPEC: u8 = 20;

/// Why bytes are not a ClientHello.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// The stream does not begin with a handshake record, so it is probably not TLS.
    #[error("reading a client hello: the first record has content type {0} instead of 22")]
    NotHandshake(u8),
    /// A handshake message of another type.
    #[error("reading a client hello: handshake message of type {0} instead of 1")]
    NotClientHello(u8),
    /// Bytes are missing, or an inner length points beyond its outer one.
    #[error("reading a client hello: ends within its {0}")]
    Truncated(&'static str),
    /// The message is longer than what it contains.
    #[error("reading a client hello: {0} bytes after the extensions")]
    Trailing(usize),
}

/// A decoded ClientHello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// Version in the header of the record that carried the message's first byte.
    pub record_version: u16,
    /// `legacy_version`, `0x0303` in every modern client.
    pub handshake_version: u16,
    /// 32 random bytes.
    pub random: [u8; 32],
    /// 0 to 32 bytes; TLS 1.3 clients send 32 random ones.
    pub session_id: Vec<u8>,
    /// Cipher suites in the client's order, GREASE included.
    pub ciphers: Vec<u16>,
    /// Compression methods, `[0]` in every modern client.
    pub compression_methods: Vec<u8>,
    /// Extensions in the client's order, GREASE included.
    pub extensions: Vec<Extension>,
    /// Bytes of the whole handshake message, its four-byte header included.
    pub message_length: usize,
}

impl ClientHello {
    /// The first ClientHello of a client's raw byte stream.
    ///
    /// # Errors
    ///
    /// [`HelloError`] if the stream does not begin with a complete, well-formed ClientHello; bytes after it are ignored.
    pub fn parse(stream: &[u8]) -> Result<Self, HelloError> {
        Self::parse_next(&mut Handshake::read(stream)?)
    }

    /// All ClientHellos at the beginning of a client's stream: two after a HelloRetryRequest, else one.
    ///
    /// # Errors
    ///
    /// As [`ClientHello::parse`], for the first of them.
    pub fn parse_all(stream: &[u8]) -> Result<Vec<Self>, HelloError> {
        let mut handshake = Handshake::read(stream)?;
        let mut hellos = vec![Self::parse_next(&mut handshake)?];
        hellos.extend(std::iter::from_fn(|| Self::parse_next(&mut handshake).ok()));
        Ok(hellos)
    }

    /// A ClientHello without its record layer: one handshake message, header included.
    ///
    /// # Errors
    ///
    /// [`HelloError`] if `message` is not exactly one well-formed ClientHello.
    pub fn parse_message(message: &[u8], record_version: u16) -> Result<Self, HelloError> {
        let mut cursor = Cursor::new(message);
        let kind = cursor.u8().ok_or(HelloError::Truncated("type"))?;
        if kind != CLIENT_HELLO {
            return Err(HelloError::NotClientHello(kind));
        }
        let length = cursor.u24().ok_or(HelloError::Truncated("length"))?;
        let body = usize::try_from(length)
            .ok()
            .and_then(|length| cursor.take(length));
        let body = body.ok_or(HelloError::Truncated("message"))?;
        match cursor.rest().len() {
            0 => parse_body(body, record_version, message.len()),
            extra => Err(HelloError::Trailing(extra)),
        }
    }

    fn parse_next(handshake: &mut Handshake) -> Result<Self, HelloError> {
        let (message, version) = handshake.next_message()?;
        Self::parse_message(message, version)
    }

    /// The first extension of this type.
    pub fn extension(&self, id: u16) -> Option<&Body> {
        self.extensions
            .iter()
            .find(|extension| extension.id == id)
            .map(|extension| &extension.body)
    }

    /// Supported groups, GREASE included; empty without that extension.
    pub fn groups(&self) -> &[u16] {
        if let Some(Body::SupportedGroups(groups)) = self.extension(SUPPORTED_GROUPS) {
            groups
        } else {
            &[]
        }
    }

    /// Signature algorithms, GREASE included; empty without that extension.
    pub fn signature_algorithms(&self) -> &[u16] {
        if let Some(Body::SignatureAlgorithms(algorithms)) = self.extension(SIGNATURE_ALGORITHMS) {
            algorithms
        } else {
            &[]
        }
    }

    /// Supported versions, GREASE included; empty without that extension.
    pub fn versions(&self) -> &[u16] {
        if let Some(Body::SupportedVersions(versions)) = self.extension(SUPPORTED_VERSIONS) {
            versions
        } else {
            &[]
        }
    }

    /// Application protocols; empty without that extension.
    pub fn alpn(&self) -> &[Vec<u8>] {
        if let Some(Body::Alpn(protocols)) = self.extension(ALPN) {
            protocols
        } else {
            &[]
        }
    }

    /// Key shares, GREASE included; empty without that extension.
    pub fn key_shares(&self) -> &[KeyShare] {
        if let Some(Body::KeyShares(shares)) = self.extension(KEY_SHARE) {
            shares
        } else {
            &[]
        }
    }
}

fn parse_body(
    body: &[u8],
    record_version: u16,
    message_length: usize,
) -> Result<ClientHello, HelloError> {
    let mut cursor = Cursor::new(body);
    let ended_in = HelloError::Truncated;
    let handshake_version = cursor.u16().ok_or(ended_in("version"))?;
    let random = cursor.array().ok_or(ended_in("random"))?;
    let session_id = cursor.vec8().ok_or(ended_in("session id"))?.rest().to_vec();
    let ciphers = cursor
        .vec16()
        .and_then(|list| list.all(Cursor::u16))
        .ok_or(ended_in("cipher suites"))?;
    let compression_methods = cursor
        .vec8()
        .ok_or(ended_in("compression methods"))?
        .rest()
        .to_vec();
    // RFC 5246 §7.4.1.2 allows a hello without the extensions field.
    let extensions = if cursor.is_empty() {
        Vec::new()
    } else {
        cursor
            .vec16()
            .and_then(|list| list.all(extension))
            .ok_or(ended_in("extensions"))?
    };
    match cursor.rest().len() {
        0 => Ok(ClientHello {
            record_version,
            handshake_version,
            random,
            session_id,
            ciphers,
            compression_methods,
            extensions,
            message_length,
        }),
        extra => Err(HelloError::Trailing(extra)),
    }
}

fn extension(cursor: &mut Cursor<'_>) -> Option<Extension> {
    let id = cursor.u16()?;
    let content = cursor.vec16()?.rest();
    Some(Extension::decode(
        id,
        content,
        u16::try_from(content.len()).ok()?,
    ))
}

/// The clear handshake bytes at the beginning of a stream, taken out of their records.
struct Handshake {
    /// Contents of all handshake records before the first record of a type that ends the clear part.
    bytes: Vec<u8>,
    /// Where in `bytes` each record's content begins, ascending, with that record's version.
    starts: Vec<(usize, u16)>,
    /// Where in `bytes` the next message begins.
    next: usize,
}

impl Handshake {
    fn read(stream: &[u8]) -> Result<Self, HelloError> {
        let mut handshake = Self {
            bytes: Vec::new(),
            starts: Vec::new(),
            next: 0,
        };
        for (record, content) in records(stream) {
            match record.content_type {
                record::HANDSHAKE => {
                    handshake
                        .starts
                        .push((handshake.bytes.len(), record.version));
                    handshake.bytes.extend_from_slice(content);
                }
                CHANGE_CIPHER_SPEC if !handshake.starts.is_empty() => {}
                other if handshake.starts.is_empty() => {
                    return Err(HelloError::NotHandshake(other));
                }
                _ => break,
            }
        }
        Ok(handshake)
    }

    /// The next whole message and the version of the record in which it begins.
    fn next_message(&mut self) -> Result<(&[u8], u16), HelloError> {
        let start = self.next;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let header = rest
            .first_chunk::<4>()
            .ok_or(HelloError::Truncated("header"))?;
        let [_, a, b, c] = *header;
        let length = 4 + u32::from_be_bytes([0, a, b, c]) as usize;
        let message = rest.get(..length).ok_or(HelloError::Truncated("message"))?;
        let begun = self.starts.partition_point(|(at, _)| *at <= start);
        let version = begun
            .checked_sub(1)
            .map_or(0, |record| self.starts[record].1);
        self.next = start + length;
        Ok((message, version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small hello of our own making: one cipher, server name `a`, one group.
    fn message() -> Vec<u8> {
        let extensions = [
            &[0, 0, 0, 6, 0, 4, 0, 0, 1, b'a'][..],
            &[0, 10, 0, 4, 0, 2, 0, 29],
        ]
        .concat();
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([1, 9]);
        body.extend([0, 2, 0x13, 0x01]);
        body.extend([1, 0]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        let mut message = vec![1, 0, 0, body.len() as u8];
        message.extend(body);
        message
    }

    fn record(content_type: u8, version: u8, content: &[u8]) -> Vec<u8> {
        let mut record = vec![content_type, 3, version, 0, content.len() as u8];
        record.extend(content);
        record
    }

    #[test]
    fn every_field_is_read() {
        let hello = ClientHello::parse(&record(22, 1, &message())).unwrap();
        assert_eq!(
            (hello.record_version, hello.handshake_version),
            (0x0301, 0x0303)
        );
        assert_eq!(
            (hello.random, hello.session_id.as_slice()),
            ([7; 32], &[9][..])
        );
        assert_eq!(
            (
                hello.ciphers.as_slice(),
                hello.compression_methods.as_slice()
            ),
            (&[0x1301][..], &[0][..])
        );
        assert_eq!(
            hello.extension(0),
            Some(&Body::ServerName(vec!["a".into()]))
        );
        assert_eq!(hello.groups(), [29]);
        assert_eq!(hello.message_length, message().len());
    }

    #[test]
    fn a_hello_may_be_cut_into_records_anywhere() {
        let message = message();
        let whole = ClientHello::parse(&record(22, 1, &message)).unwrap();
        for cut in 1..message.len() {
            let stream = [
                record(22, 1, &message[..cut]),
                record(22, 3, &message[cut..]),
            ]
            .concat();
            assert_eq!(
                ClientHello::parse(&stream).as_ref(),
                Ok(&whole),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn the_second_hello_is_found_behind_change_cipher_spec() {
        let stream = [
            record(22, 1, &message()),
            record(20, 3, &[1]),
            record(22, 3, &message()),
            record(23, 3, &[0; 9]),
        ];
        let hellos = ClientHello::parse_all(&stream.concat()).unwrap();
        assert_eq!(
            hellos
                .iter()
                .map(|hello| hello.record_version)
                .collect::<Vec<_>>(),
            [0x0301, 0x0303]
        );
    }

    #[test]
    fn every_prefix_is_an_error() {
        let stream = record(22, 1, &message());
        for end in 0..stream.len() {
            assert!(
                matches!(
                    ClientHello::parse(&stream[..end]),
                    Err(HelloError::Truncated(_))
                ),
                "at {end}"
            );
        }
    }

    #[test]
    fn other_beginnings_are_named() {
        assert_eq!(
            ClientHello::parse(b"GET / HTTP/1.1\r\n"),
            Err(HelloError::NotHandshake(b'G'))
        );
        assert_eq!(
            ClientHello::parse(&record(22, 3, &[2, 0, 0, 0])),
            Err(HelloError::NotClientHello(2))
        );
        let mut long = message();
        long.push(0);
        assert_eq!(
            ClientHello::parse_message(&long, 0),
            Err(HelloError::Trailing(1))
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>, at: usize, new: u8) {
            let _ = ClientHello::parse_all(&bytes);
            let mut damaged = record(22, 1, &message());
            let at = at % damaged.len();
            damaged[at] = new;
            let _ = ClientHello::parse_all(&damaged);
        }
    }
}

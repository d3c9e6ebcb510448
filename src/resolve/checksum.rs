//! What a server says of a file's checksum in the head of an answer.
//!
//! Only digests of the whole file as it is stored count. Many fields look like one and are not: a `Content-Digest` is of
//! one message, a composite checksum of S3 is of its parts, and an `ETag` is whatever the server likes, unless there is
//! proof that S3 made it. What lies beside the file is looked for by [`sidecar`](super::sidecar).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::hash::{Algorithm, Checksum};
use crate::http::{Head, Headers};
use crate::sums::strength;

/// A checksum that a server states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What the file must hash to.
    pub checksum: Checksum,
    /// Where it was found: a field's name or a URL.
    pub place: String,
}

/// The strongest checksum of the whole file that the head of its answer states.
#[must_use]
pub fn in_head(head: &Head) -> Option<Found> {
    let fields = [
        repr_digest(&head.headers),
        digest(&head.headers),
        amazon_checksums(&head.headers),
        google_hash(&head.headers),
        content_md5(head),
        amazon_etag(&head.headers),
    ];
    // Of equally strong ones the first.
    let found = fields.into_iter().flatten().rev();
    found.max_by_key(|found| strength(found.checksum.algorithm))
}

/// `Repr-Digest` (RFC 9530 §3): `sha-256=:BASE64:, …`.
fn repr_digest(headers: &Headers) -> Vec<Found> {
    let parse = |member: &str| {
        let (name, value) = member.split_once('=')?;
        let value = value.split(';').next()?.trim();
        let value = value.strip_prefix(':')?.strip_suffix(':')?;
        decode("repr-digest", instance_algorithm(name)?, value)
    };
    headers.members("repr-digest").filter_map(parse).collect()
}

/// `Digest` (RFC 3230): `SHA-256=BASE64,MD5=BASE64`.
fn digest(headers: &Headers) -> Vec<Found> {
    let parse = |member: &str| {
        let (name, value) = member.split_once('=')?;
        decode("digest", instance_algorithm(name)?, value)
    };
    headers.members("digest").filter_map(parse).collect()
}

/// The algorithms of both fields that are digests of the bytes; `id-sha-256` and `unixsum` are not.
fn instance_algorithm(name: &str) -> Option<Algorithm> {
    match name.trim().to_ascii_lowercase().as_str() {
        "sha-512" => Some(Algorithm::Sha512),
        "sha-256" => Some(Algorithm::Sha256),
        "sha" => Some(Algorithm::Sha1),
        "md5" => Some(Algorithm::Md5),
        _ => None,
    }
}

/// `x-amz-checksum-*`, if it is of the object and not of the checksums of its parts.
fn amazon_checksums(headers: &Headers) -> Vec<Found> {
    let kind = headers.get("x-amz-checksum-type");
    if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("FULL_OBJECT")) {
        return Vec::new();
    }
    let known = [
        ("x-amz-checksum-sha256", Algorithm::Sha256),
        ("x-amz-checksum-sha1", Algorithm::Sha1),
        ("x-amz-checksum-crc32c", Algorithm::Crc32c),
    ];
    let of = |(field, algorithm)| decode(field, algorithm, headers.get(field)?);
    known.into_iter().filter_map(of).collect()
}

/// `x-goog-hash: crc32c=…,md5=…`, which is of the stored bytes: useless if those are compressed and arrive unpacked.
fn google_hash(headers: &Headers) -> Vec<Found> {
    let stored = headers.get("x-goog-stored-content-encoding");
    if stored.is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Vec::new();
    }
    let parse = |member: &str| {
        let (name, value) = member.split_once('=')?;
        let algorithm = match name.trim() {
            "md5" => Algorithm::Md5,
            "crc32c" => Algorithm::Crc32c,
            _ => return None,
        };
        decode("x-goog-hash", algorithm, value)
    };
    headers.members("x-goog-hash").filter_map(parse).collect()
}

/// `Content-MD5` (RFC 1864) is of the message, which is the file only in an answer with all of it.
fn content_md5(head: &Head) -> Vec<Found> {
    let whole = head.status == 200 && head.headers.get("content-encoding").is_none();
    let value = head.headers.get("content-md5").filter(|_| whole);
    let found = value.and_then(|value| decode("content-md5", Algorithm::Md5, value));
    found.into_iter().collect()
}

/// The entity tag of an object that S3 took in one piece and did not encrypt with a key of its own is its MD5.
fn amazon_etag(headers: &Headers) -> Vec<Found> {
    let is_amazon = headers.iter().any(|(name, _)| {
        let name = name.to_ascii_lowercase();
        // CloudFront puts `x-amz-cf-` in front of any server.
        name.starts_with("x-amz-") && !name.starts_with("x-amz-cf-")
    });
    let encryption = headers.get("x-amz-server-side-encryption");
    let own_key = encryption.is_some_and(|kind| kind.starts_with("aws:kms"))
        || headers.iter().any(|(name, _)| {
            let name = name.to_ascii_lowercase();
            name.starts_with("x-amz-server-side-encryption-customer")
                || name == "x-amz-server-side-encryption-aws-kms-key-id"
        });
    let hex = headers
        .get("etag")
        .and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"'))
        .filter(|_| is_amazon && !own_key);
    let found = hex.and_then(|hex| Checksum::parse(hex, Algorithm::Md5).ok());
    let found = found.filter(|_| !hex.is_some_and(|hex| hex.contains(':')));
    let place = "etag of S3".to_owned();
    found
        .map(|checksum| Found { checksum, place })
        .into_iter()
        .collect()
}

fn decode(field: &str, algorithm: Algorithm, value: &str) -> Option<Found> {
    let digest = BASE64_STANDARD.decode(value.trim()).ok()?;
    let right = digest.len() == algorithm.digest_len();
    let checksum = Checksum { algorithm, digest };
    let place = field.to_owned();
    right.then_some(Found { checksum, place })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Protocol;

    fn head(status: u16, fields: &[(&str, &str)]) -> Head {
        Head {
            status,
            protocol: Protocol::Http2,
            url: String::new(),
            headers: fields.iter().copied().collect(),
        }
    }

    fn found(fields: &[(&str, &str)]) -> Option<String> {
        in_head(&head(200, fields)).map(|found| format!("{} {}", found.checksum, found.place))
    }

    const MD5: &str = "kAFQmDzST7DWlj99KOF/cg==";
    const MD5_HEX: &str = "900150983cd24fb0d6963f7d28e17f72";
    const SHA256: &str = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
    const SHA256_HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn c09_c10_c11_header_fields() {
        let md5 = |place| Some(format!("md5:{MD5_HEX} {place}"));
        let sha256 = |place| Some(format!("sha256:{SHA256_HEX} {place}"));
        let google = format!("crc32c=Nks/tw==, md5={MD5}");
        let google_crc = Some("crc32c:364b3fb7 x-goog-hash".to_owned());
        let repr = format!("md5=:{MD5}:, sha-256=:{SHA256}:;x=1");
        let old = format!("unixsum=30637, SHA-256={SHA256},MD5={MD5}");
        let etag = format!("\"{MD5_HEX}\"");
        let parts = format!("\"{MD5_HEX}-17\"");
        let s3 = ("x-amz-request-id", "A1");
        let full = ("x-amz-checksum-type", "FULL_OBJECT");
        type Case<'a> = (&'a [(&'a str, &'a str)], Option<String>);
        let table: &[Case<'_>] = &[
            (&[], None),
            (&[("X-Goog-Hash", &google)], md5("x-goog-hash")),
            (&[("x-goog-hash", "crc32c=Nks/tw==")], google_crc),
            (
                &[
                    ("x-goog-hash", &google),
                    ("x-goog-stored-content-encoding", "identity"),
                ],
                md5("x-goog-hash"),
            ),
            (
                &[
                    ("x-goog-hash", &google),
                    ("x-goog-stored-content-encoding", "gzip"),
                ],
                None,
            ),
            (&[("x-goog-hash", "md5=%%%,crc32c=AAA=")], None),
            (&[("Repr-Digest", &repr)], sha256("repr-digest")),
            (&[("Content-Digest", &repr)], None),
            (
                &[("Repr-Digest", "sha-256=:kAFQmDzST7DWlj99KOF/cg==:")],
                None,
            ),
            (&[("Repr-Digest", SHA256)], None),
            (&[("Digest", &old)], sha256("digest")),
            (&[("Digest", "id-sha-256=x")], None),
            (&[("Content-MD5", MD5)], md5("content-md5")),
            (&[("Content-MD5", MD5), ("content-encoding", "gzip")], None),
            (&[("Content-MD5", MD5_HEX)], None),
            (
                &[("x-amz-checksum-sha256", SHA256), full],
                sha256("x-amz-checksum-sha256"),
            ),
            (
                &[
                    ("x-amz-checksum-sha256", SHA256),
                    ("x-amz-checksum-type", "COMPOSITE"),
                ],
                None,
            ),
            (
                &[
                    (
                        "x-amz-checksum-sha256",
                        "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=-3",
                    ),
                    full,
                ],
                None,
            ),
            (&[("x-amz-checksum-sha256", SHA256)], None),
            (&[("ETag", &etag)], None),
            (&[("ETag", &etag), s3], md5("etag of S3")),
            (&[("ETag", &parts), s3], None),
            (&[("ETag", &etag), ("x-amz-cf-id", "B")], None),
            (
                &[
                    ("ETag", &etag),
                    s3,
                    ("x-amz-server-side-encryption", "AES256"),
                ],
                md5("etag of S3"),
            ),
            (
                &[
                    ("ETag", &etag),
                    s3,
                    ("x-amz-server-side-encryption", "aws:kms"),
                ],
                None,
            ),
            (
                &[
                    ("ETag", &etag),
                    s3,
                    ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
                ],
                None,
            ),
            (&[("ETag", "\"crc32c:01020304\""), s3], None),
            (&[("ETag", "\"abc\""), s3], None),
        ];
        for (fields, expected) in table {
            assert_eq!(found(fields), *expected, "{fields:?}");
        }
        assert_eq!(in_head(&head(206, &[("Content-MD5", MD5)])), None);
        assert!(in_head(&head(206, &[("x-goog-hash", &google)])).is_some());
    }
}

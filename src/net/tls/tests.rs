//! Handshakes in memory: what a dressed context says and understands, against a BoringSSL server.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use boring::asn1::Asn1Time;
use boring::ec::{EcGroup, EcKey};
use boring::hash::MessageDigest;
use boring::nid::Nid;
use boring::pkey::PKey;
use boring::ssl::{Ssl, SslContext, SslMethod, SslVerifyMode};
use boring::x509::X509;

use super::super::hooks;
use super::compression::{BROTLI, ZLIB, ZSTD};
use super::*;
use crate::fingerprint::names::TRUST_ANCHORS;
use crate::fingerprint::wire::extension::{Body, PADDING, is_grease};
use crate::fingerprint::wire::hello::ClientHello;

/// The compression that the last certificate was sent with; 0 = none.
static USED: AtomicU16 = AtomicU16::new(0);

/// "Compresses" without making anything smaller, which each format allows.
unsafe extern "C" fn compress<const ALGORITHM: u16>(
    _ssl: *mut ffi::SSL,
    out: *mut ffi::CBB,
    bytes: *const u8,
    length: usize,
) -> c_int {
    // SAFETY: BoringSSL passes `length` readable bytes.
    let message = unsafe { std::slice::from_raw_parts(bytes, length) };
    let size = u32::try_from(length).unwrap();
    let wrapped = match ALGORITHM {
        ZLIB => {
            let level = flate2::Compression::none();
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(message).unwrap();
            encoder.finish().unwrap()
        }
        // A window of 16 bits, an uncompressed block, an empty last block (RFC 7932 §9.2).
        BROTLI => {
            let head = ((size - 1) << 4 | 1 << 20).to_le_bytes();
            [&head[..3], message, &[3]].concat()
        }
        // One segment with its size, one raw and last block (RFC 8878 §3.1.1).
        _ => {
            let magic = [0x28, 0xb5, 0x2f, 0xfd, 0xa0];
            let block = (size << 3 | 1).to_le_bytes();
            [&magic[..], &size.to_le_bytes(), &block[..3], message].concat()
        }
    };
    USED.store(ALGORITHM, Ordering::SeqCst);
    // SAFETY: `out` is BoringSSL's own and alive.
    unsafe { ffi::CBB_add_bytes(out, wrapped.as_ptr(), wrapped.len()) }
}

fn server(compression: Option<u16>) -> SslContext {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut certificate = X509::builder().unwrap();
    certificate.set_pubkey(&key).unwrap();
    let (begin, end) = (Asn1Time::days_from_now(0), Asn1Time::days_from_now(1));
    certificate.set_not_before(&begin.unwrap()).unwrap();
    certificate.set_not_after(&end.unwrap()).unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    let mut context = SslContext::builder(SslMethod::tls()).unwrap();
    context.set_certificate(&certificate.build()).unwrap();
    context.set_private_key(&key).unwrap();
    let compress: ffi::ssl_cert_compression_func_t = match compression {
        Some(ZLIB) => Some(compress::<ZLIB>),
        Some(BROTLI) => Some(compress::<BROTLI>),
        Some(_) => Some(compress::<ZSTD>),
        None => None,
    };
    if let Some(algorithm) = compression {
        // SAFETY: the context is alive, the function has the form that BoringSSL asks for.
        let added = unsafe {
            ffi::SSL_CTX_add_cert_compression_alg(context.as_ptr(), algorithm, compress, None)
        };
        assert_eq!(added, 1);
    }
    context.build()
}

fn client(fingerprint: &Fingerprint) -> Ssl {
    let mut context = SslContext::builder(SslMethod::tls()).unwrap();
    context.set_verify(SslVerifyMode::NONE);
    dress_context(context.as_ptr().cast(), &fingerprint.tls).unwrap();
    // Dresses the connection, as on a driver's thread.
    let worn = hooks::wear(&Arc::new(fingerprint.clone()), true);
    let mut ssl = Ssl::new(&context.build()).unwrap();
    drop(worn);
    ssl.set_hostname("localhost").unwrap();
    ssl.set_alpn_protos(b"\x02h2\x08http/1.1").unwrap();
    ssl
}

/// Shakes hands and sends a byte back; the bytes that the client sent first.
fn handshake(fingerprint: &Fingerprint, server: SslContext) -> Vec<u8> {
    let (near, far) = UnixStream::pair().unwrap();
    let (tapped, mut relay) = UnixStream::pair().unwrap();
    let serving = thread::spawn(move || {
        let mut stream = Ssl::new(&server).unwrap().accept(far).unwrap();
        stream.write_all(b"!").unwrap();
    });
    // What the client writes goes through `relay`, which keeps the first of it.
    let mut first = vec![0; 16 * 1024];
    let mut onwards = near.try_clone().unwrap();
    let mut backwards = (near, relay.try_clone().unwrap());
    let forth = thread::spawn(move || {
        let length = relay.read(&mut first).unwrap();
        onwards.write_all(&first[..length]).unwrap();
        // The client may hang up while its last words are on the way.
        let _ = std::io::copy(&mut relay, &mut onwards);
        first.truncate(length);
        first
    });
    thread::spawn(move || std::io::copy(&mut backwards.0, &mut backwards.1));
    let mut stream = client(fingerprint).connect(tapped).unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).unwrap();
    drop(stream);
    serving.join().unwrap();
    forth.join().unwrap()
}

/// `code`, or the mark for GREASE that files use.
fn marked(codes: &[u16]) -> Vec<u16> {
    let mark = |code: &u16| if is_grease(*code) { GREASE } else { *code };
    codes.iter().map(mark).collect()
}

#[test]
fn every_file_shakes_hands_and_says_what_it_says() {
    for name in crate::fingerprint::names() {
        let fingerprint = crate::fingerprint::find(name).unwrap();
        let tls = &fingerprint.tls;
        let hello = ClientHello::parse(&handshake(&fingerprint, server(None))).unwrap();
        assert_eq!(marked(&hello.ciphers), tls.ciphers, "{name}");
        assert_eq!(marked(hello.groups()), tls.groups, "{name}");
        assert_eq!(marked(hello.versions()), tls.versions, "{name}");
        let algorithms = marked(hello.signature_algorithms());
        assert_eq!(algorithms, tls.signature_algorithms, "{name}");
        let shares: Vec<u16> = hello.key_shares().iter().map(|share| share.group).collect();
        assert_eq!(marked(&shares), tls.key_shares, "{name}");
        let ids: Vec<u16> = hello.extensions.iter().map(|one| one.id).collect();
        let without_padding = |mut ids: Vec<u16>| {
            ids.retain(|id| *id != PADDING);
            if tls.permute_extensions {
                ids.sort_unstable();
            }
            ids
        };
        let (seen, listed) = (
            without_padding(marked(&ids)),
            without_padding(tls.extensions.clone()),
        );
        assert_eq!(seen, listed, "{name}");
        assert_eq!(
            hello.extension(TRUST_ANCHORS).is_some(),
            !tls.trust_anchors.is_empty()
        );
        assert!(
            !matches!(hello.extension(TRUST_ANCHORS), Some(Body::Opaque(_))),
            "{name}"
        );
    }
}

#[test]
fn compressed_certificates_are_understood() {
    let firefox = crate::fingerprint::find("firefox153").unwrap();
    for algorithm in [ZLIB, BROTLI, ZSTD] {
        USED.store(0, Ordering::SeqCst);
        handshake(&firefox, server(Some(algorithm)));
        assert_eq!(USED.load(Ordering::SeqCst), algorithm);
    }
}

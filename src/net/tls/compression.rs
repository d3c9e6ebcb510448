//! Certificate compression (RFC 8879): what a hello offers is really undone, whatever the server picks.
//!
//! Receiving only; a client has no certificate that is worth it. BoringSSL bounds the size that a message claims.

use std::ffi::c_int;
use std::io::{self, Read};

use boring::ssl::SslContextBuilder;
use boring_sys as ffi;

use crate::fingerprint::schema::Tls;

pub(super) const ZLIB: u16 = 1;
pub(super) const BROTLI: u16 = 2;
pub(super) const ZSTD: u16 = 3;

/// Offers what the file lists, in its order; false if memory is short.
///
/// Set by BoringSSL's own function because `boring` cannot name zstd.
pub(super) fn accept(context: &SslContextBuilder, tls: &Tls) -> bool {
    tls.certificate_compression.iter().all(|&algorithm| {
        let decompress: Decompress = match algorithm {
            ZLIB => decompress::<Zlib>,
            BROTLI => decompress::<Brotli>,
            ZSTD => decompress::<Zstd>,
            // A file may name only these three.
            _ => return false,
        };
        // SAFETY: the context is alive; the function has the form that BoringSSL asks for.
        unsafe {
            ffi::SSL_CTX_add_cert_compression_alg(
                context.as_ptr(),
                algorithm,
                None,
                Some(decompress),
            ) == 1
        }
    })
}

type Decompress = unsafe extern "C" fn(
    *mut ffi::SSL,
    *mut *mut ffi::CRYPTO_BUFFER,
    usize,
    *const u8,
    usize,
) -> c_int;

/// Decompresses a certificate message of `size` bytes; 1, or 0 if it is not just that.
///
/// # Safety
/// As BoringSSL calls it: `bytes` has `length` readable bytes, `out` can be written.
unsafe extern "C" fn decompress<D: Decoder>(
    _ssl: *mut ffi::SSL,
    out: *mut *mut ffi::CRYPTO_BUFFER,
    size: usize,
    bytes: *const u8,
    length: usize,
) -> c_int {
    // SAFETY: the caller passes `length` readable bytes.
    let compressed = unsafe { std::slice::from_raw_parts(bytes, length) };
    let Ok(message) = exactly::<D>(compressed, size) else {
        return 0;
    };
    // SAFETY: the call copies the bytes; without a pool it needs nothing else.
    let buffer =
        unsafe { ffi::CRYPTO_BUFFER_new(message.as_ptr(), message.len(), std::ptr::null_mut()) };
    // SAFETY: the caller passes a place for the buffer and takes it over.
    unsafe { out.write(buffer) };
    c_int::from(!buffer.is_null())
}

/// The `size` bytes that `compressed` stands for; an error if it stands for fewer or more. BoringSSL bounds `size`.
fn exactly<D: Decoder>(compressed: &[u8], size: usize) -> io::Result<Vec<u8>> {
    let mut message = vec![0; size];
    let mut decoder = D::decoder(compressed)?;
    decoder.read_exact(&mut message)?;
    match decoder.read(&mut [0])? {
        0 => Ok(message),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// A compression of RFC 8879.
trait Decoder {
    fn decoder(compressed: &[u8]) -> io::Result<impl Read>;
}

struct Zlib;

impl Decoder for Zlib {
    fn decoder(compressed: &[u8]) -> io::Result<impl Read> {
        Ok(flate2::read::ZlibDecoder::new(compressed))
    }
}

struct Brotli;

impl Decoder for Brotli {
    fn decoder(compressed: &[u8]) -> io::Result<impl Read> {
        const BUFFER: usize = 4096;
        Ok(brotli_decompressor::Decompressor::new(compressed, BUFFER))
    }
}

struct Zstd;

impl Decoder for Zstd {
    fn decoder(compressed: &[u8]) -> io::Result<impl Read> {
        ruzstd::decoding::StreamingDecoder::new(compressed).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `certificate ` forty times, as the usual tools of each format compress it.
    const ZLIB_BYTES: &[u8] = &[
        120, 218, 75, 78, 45, 42, 201, 76, 203, 76, 78, 44, 73, 85, 72, 30, 101, 15, 59, 54, 0,
        138, 98, 185, 121,
    ];
    const BROTLI_BYTES: &[u8] = &[27, 223, 1, 248, 37, 0, 10, 24, 194, 106, 1, 111, 76, 117, 4];
    const ZSTD_BYTES: &[u8] = &[
        40, 181, 47, 253, 96, 224, 0, 157, 0, 0, 96, 99, 101, 114, 116, 105, 102, 105, 99, 97, 116,
        101, 32, 1, 0, 209, 87, 75, 18,
    ];

    fn message() -> Vec<u8> {
        b"certificate ".repeat(40)
    }

    #[test]
    fn each_compression_is_undone() {
        let size = message().len();
        assert_eq!(exactly::<Zlib>(ZLIB_BYTES, size).unwrap(), message());
        assert_eq!(exactly::<Brotli>(BROTLI_BYTES, size).unwrap(), message());
        assert_eq!(exactly::<Zstd>(ZSTD_BYTES, size).unwrap(), message());
    }

    #[test]
    fn another_size_and_a_cut_message_are_errors() {
        let size = message().len();
        for wrong in [size - 1, size + 1] {
            assert!(exactly::<Zlib>(ZLIB_BYTES, wrong).is_err());
            assert!(exactly::<Brotli>(BROTLI_BYTES, wrong).is_err());
            assert!(exactly::<Zstd>(ZSTD_BYTES, wrong).is_err());
        }
        assert!(exactly::<Zlib>(&ZLIB_BYTES[..ZLIB_BYTES.len() - 6], size).is_err());
        assert!(exactly::<Brotli>(&BROTLI_BYTES[..BROTLI_BYTES.len() - 2], size).is_err());
        assert!(exactly::<Zstd>(&ZSTD_BYTES[..ZSTD_BYTES.len() - 6], size).is_err());
    }
}

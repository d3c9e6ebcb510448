//! Content codings (RFC 9110 §8.4.1): unpacks what a server has packed on the way, though it was asked not to.
//!
//! The last resort for servers that pack everything: such a body has no ranges and no length that means anything, so it is
//! read once, from front to back. That it is whole is known by the coding itself. Which bytes are packed at all is the
//! business of [`answer`](crate::answer).

use std::io::{self, BufRead, BufReader, Read};

use brotli_decompressor::Decompressor;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

/// Packed or unpacked bytes.
pub type Bytes = Box<dyn Read + Send>;

/// Unpacks `packed`, whose Content-Encoding is `codings`, a list in the order in which they were applied; `None` if one of
/// them is not known.
///
/// Reading it gives an error where the packed bytes are damaged or end too early.
#[must_use]
pub fn unpack(codings: &str, packed: Bytes) -> Option<Bytes> {
    codings.rsplit(',').try_fold(packed, |packed, coding| {
        one(&coding.trim().to_ascii_lowercase(), packed)
    })
}

/// Whether [`unpack`] knows all of these.
#[must_use]
pub fn is_known(codings: &str) -> bool {
    unpack(codings, Box::new(io::empty())).is_some()
}

fn one(coding: &str, packed: Bytes) -> Option<Bytes> {
    const BUFFER: usize = 64 << 10;
    Some(match coding {
        "gzip" | "x-gzip" => Box::new(MultiGzDecoder::new(packed)),
        "deflate" => Box::new(Late::new(packed, deflate)),
        "br" => Box::new(Decompressor::new(packed, BUFFER)),
        "zstd" => Box::new(Late::new(packed, zstd)),
        "identity" => packed,
        _ => return None,
    })
}

/// `deflate` is zlib's format, or what some servers take for it: the same without its head, whose first byte ends with 8.
fn deflate(packed: Bytes) -> io::Result<Bytes> {
    let mut packed = BufReader::new(packed);
    let has_head = packed
        .fill_buf()?
        .first()
        .is_none_or(|byte| byte & 0x0f == 8);
    Ok(match has_head {
        true => Box::new(ZlibDecoder::new(packed)),
        false => Box::new(DeflateDecoder::new(packed)),
    })
}

fn zstd(packed: Bytes) -> io::Result<Bytes> {
    let frame = StreamingDecoder::new(packed).map_err(io::Error::other)?;
    Ok(Box::new(frame))
}

/// A decoder that is made at the first read, because to make it is to read.
struct Late {
    /// `None` once the decoder was made, or could not be.
    packed: Option<Bytes>,
    make: fn(Bytes) -> io::Result<Bytes>,
    decoder: Option<Bytes>,
}

impl Late {
    fn new(packed: Bytes, make: fn(Bytes) -> io::Result<Bytes>) -> Self {
        Self {
            packed: Some(packed),
            make,
            decoder: None,
        }
    }
}

impl Read for Late {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(packed) = self.packed.take() {
            self.decoder = Some((self.make)(packed)?);
        }
        match &mut self.decoder {
            Some(decoder) => decoder.read(out),
            None => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(codings: &str, packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        let packed = Box::new(io::Cursor::new(packed.to_vec()));
        unpack(codings, packed).unwrap().read_to_end(&mut out)?;
        Ok(out)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a08_every_coding_is_undone() {
        let text: Vec<u8> = (0..100_000u32)
            .flat_map(|n| (n / 7).to_le_bytes())
            .collect();
        assert_eq!(read("gzip", &gzip(&text)).unwrap(), text);
        assert_eq!(read("gzip, X-GZIP", &gzip(&gzip(&text))).unwrap(), text);
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&text).unwrap();
        assert_eq!(read("deflate", &zlib.finish().unwrap()).unwrap(), text);
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        raw.write_all(&text).unwrap();
        assert_eq!(read("deflate", &raw.finish().unwrap()).unwrap(), text);
        let zstd = ruzstd::encoding::compress_to_vec(
            &text[..],
            ruzstd::encoding::CompressionLevel::Fastest,
        );
        assert_eq!(read("zstd", &zstd).unwrap(), text);
        // As the reference program packs it.
        let brotli = b"\x0b\x02\x80hello\x03";
        assert_eq!(read("br", brotli).unwrap(), b"hello");
        assert!(!is_known("gzip, compress") && is_known("br, gzip"));
    }

    #[test]
    fn what_is_cut_is_an_error() {
        let packed = gzip(&[7; 100_000]);
        for length in [0, 1, 20, packed.len() - 1] {
            assert!(read("gzip", &packed[..length]).is_err(), "{length}");
        }
        assert!(read("zstd", b"\x28\xb5\x2f").is_err());
    }
}

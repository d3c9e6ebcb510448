//! Checksums: the algorithms, an expected or computed digest, and the hashing of bytes in order.
//!
//! One pass can feed several algorithms at once. It knows no files: whoever owns the bytes feeds them in order.

use std::fmt;
use std::str::FromStr;

use sha2::digest::DynDigest;

/// A checksum algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// MD5 (RFC 1321): detects damage, not forgery.
    Md5,
    /// SHA-1: detects damage, not forgery.
    Sha1,
    /// SHA-224 (FIPS 180-4).
    Sha224,
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SHA-384 (FIPS 180-4).
    Sha384,
    /// SHA-512 (FIPS 180-4).
    Sha512,
    /// SHA3-224 (FIPS 202).
    Sha3_224,
    /// SHA3-256 (FIPS 202).
    Sha3_256,
    /// SHA3-384 (FIPS 202).
    Sha3_384,
    /// SHA3-512 (FIPS 202).
    Sha3_512,
    /// BLAKE2b with 64 bytes (RFC 7693).
    Blake2b,
    /// BLAKE2s with 32 bytes (RFC 7693).
    Blake2s,
    /// BLAKE3 with 32 bytes.
    Blake3,
    /// CRC-32C (Castagnoli), four bytes in big-endian order as in `x-goog-hash`: detects damage by chance only.
    Crc32c,
}

impl Algorithm {
    /// All of them, in the order the documentation lists them.
    pub const ALL: [Algorithm; 14] = [
        Algorithm::Md5,
        Algorithm::Sha1,
        Algorithm::Sha224,
        Algorithm::Sha256,
        Algorithm::Sha384,
        Algorithm::Sha512,
        Algorithm::Sha3_224,
        Algorithm::Sha3_256,
        Algorithm::Sha3_384,
        Algorithm::Sha3_512,
        Algorithm::Blake2b,
        Algorithm::Blake2s,
        Algorithm::Blake3,
        Algorithm::Crc32c,
    ];

    /// Its name, as the command line and the log write it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha224 => "sha224",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
            Algorithm::Sha3_224 => "sha3_224",
            Algorithm::Sha3_256 => "sha3_256",
            Algorithm::Sha3_384 => "sha3_384",
            Algorithm::Sha3_512 => "sha3_512",
            Algorithm::Blake2b => "blake2b",
            Algorithm::Blake2s => "blake2s",
            Algorithm::Blake3 => "blake3",
            Algorithm::Crc32c => "crc32c",
        }
    }

    /// Length of its digest in bytes; in hexadecimal it is twice as long.
    pub fn digest_len(self) -> usize {
        match self {
            Algorithm::Crc32c => 4,
            Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha224 | Algorithm::Sha3_224 => 28,
            Algorithm::Sha256 | Algorithm::Sha3_256 | Algorithm::Blake2s | Algorithm::Blake3 => 32,
            Algorithm::Sha384 | Algorithm::Sha3_384 => 48,
            Algorithm::Sha512 | Algorithm::Sha3_512 | Algorithm::Blake2b => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Case and the marks `-` and `_` do not matter: `SHA-256`, `sha3-256` and `sha3_256` are all understood.
impl FromStr for Algorithm {
    type Err = ChecksumError;

    fn from_str(name: &str) -> Result<Algorithm, ChecksumError> {
        let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
        let wanted = plain(name.trim());
        Algorithm::ALL
            .into_iter()
            .find(|algorithm| plain(algorithm.name()) == wanted)
            .ok_or_else(|| ChecksumError::Unknown(name.to_owned()))
    }
}

/// A digest and how it was, or is to be, computed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Checksum {
    /// How it is computed.
    pub algorithm: Algorithm,
    /// The digest, [`Algorithm::digest_len`] bytes.
    pub digest: Vec<u8>,
}

/// Why a text is no checksum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// No algorithm of that name.
    #[error("unknown checksum algorithm {0:?}")]
    Unknown(String),
    /// Something other than hexadecimal digits.
    #[error("{0} checksums consist of hexadecimal digits only")]
    NotHex(Algorithm),
    /// As many digits as another algorithm has, or none.
    #[error("{algorithm} checksums have {expected} hexadecimal digits, not {got}")]
    Length {
        /// The algorithm whose digest it should be.
        algorithm: Algorithm,
        /// The number of digits it must have.
        expected: usize,
        /// The number of digits given.
        got: usize,
    },
}

impl Checksum {
    /// The one of these that says otherwise; `None` if the same is among them, or none of this algorithm.
    #[must_use]
    pub fn refuted_by<'a>(&self, computed: &'a [Checksum]) -> Option<&'a Checksum> {
        let mut same = computed.iter().filter(|it| it.algorithm == self.algorithm);
        same.next().filter(|it| *it != self)
    }

    /// Reads `ALGO:HEX`, or `HEX` alone, which is then a digest of `default`. The case of the digits does not matter.
    ///
    /// # Errors
    /// An unknown algorithm, other characters than hexadecimal digits, or a wrong number of them.
    pub fn parse(text: &str, default: Algorithm) -> Result<Checksum, ChecksumError> {
        let (algorithm, hex) = match text.trim().split_once(':') {
            Some((name, hex)) => (name.parse()?, hex.trim()),
            None => (default, text.trim()),
        };
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ChecksumError::NotHex(algorithm));
        }
        let expected = algorithm.digest_len() * 2;
        if hex.len() != expected {
            return Err(ChecksumError::Length {
                algorithm,
                expected,
                got: hex.len(),
            });
        }
        let digest = hex
            .as_bytes()
            .chunks_exact(2)
            .map(|pair| nibble(pair[0]) << 4 | nibble(pair[1]))
            .collect();
        Ok(Checksum { algorithm, digest })
    }

    /// The digest alone in lower-case hexadecimal, as the `*sum` programs write it.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.digest
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
            .collect()
    }
}

/// `sha256:9f86…`, which [`Checksum::parse`] reads back.
impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex())
    }
}

/// Computes several checksums of the same bytes in one pass.
pub struct Hasher {
    /// One running digest per algorithm, in the order they were asked for.
    running: Vec<(Algorithm, State)>,
}

impl Hasher {
    /// Hashes with each of `algorithms`; one that is listed twice is computed once.
    pub fn new(algorithms: &[Algorithm]) -> Hasher {
        let mut running: Vec<(Algorithm, State)> = Vec::with_capacity(algorithms.len());
        for &algorithm in algorithms {
            if running.iter().all(|(other, _)| *other != algorithm) {
                running.push((algorithm, State::new(algorithm)));
            }
        }
        Hasher { running }
    }

    /// Whether nothing is computed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Feeds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        for (_, state) in &mut self.running {
            match state {
                State::Digest(digest) => digest.update(bytes),
                State::Blake3(hasher) => {
                    hasher.update(bytes);
                }
                State::Crc32c(crc) => *crc = crc32c::crc32c_append(*crc, bytes),
            }
        }
    }

    /// The checksums of all bytes fed, in the order the algorithms were asked for.
    pub fn finish(self) -> Vec<Checksum> {
        self.running
            .into_iter()
            .map(|(algorithm, state)| Checksum {
                algorithm,
                digest: match state {
                    State::Digest(digest) => digest.finalize().into_vec(),
                    State::Blake3(hasher) => hasher.finalize().as_bytes().to_vec(),
                    State::Crc32c(crc) => crc.to_be_bytes().to_vec(),
                },
            })
            .collect()
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.running.iter().map(|(algorithm, _)| algorithm))
            .finish()
    }
}

/// A digest in progress.
enum State {
    Digest(Box<dyn DynDigest + Send>),
    Blake3(Box<blake3::Hasher>),
    /// The checksum of what was fed so far.
    Crc32c(u32),
}

impl State {
    fn new(algorithm: Algorithm) -> State {
        fn of<D: DynDigest + Default + Send + 'static>() -> State {
            State::Digest(Box::<D>::default())
        }
        match algorithm {
            Algorithm::Md5 => of::<md5::Md5>(),
            Algorithm::Sha1 => of::<sha1::Sha1>(),
            Algorithm::Sha224 => of::<sha2::Sha224>(),
            Algorithm::Sha256 => of::<sha2::Sha256>(),
            Algorithm::Sha384 => of::<sha2::Sha384>(),
            Algorithm::Sha512 => of::<sha2::Sha512>(),
            Algorithm::Sha3_224 => of::<sha3::Sha3_224>(),
            Algorithm::Sha3_256 => of::<sha3::Sha3_256>(),
            Algorithm::Sha3_384 => of::<sha3::Sha3_384>(),
            Algorithm::Sha3_512 => of::<sha3::Sha3_512>(),
            Algorithm::Blake2b => of::<blake2::Blake2b512>(),
            Algorithm::Blake2s => of::<blake2::Blake2s256>(),
            Algorithm::Blake3 => State::Blake3(Box::default()),
            Algorithm::Crc32c => State::Crc32c(0),
        }
    }
}

/// The value of a hexadecimal digit; the caller has checked that it is one.
fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Digests of `abc`, from the algorithms' own specifications (CRC-32C: of `123456789`, its check value).
    const KNOWN: [(Algorithm, &str); 13] = [
        (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
        (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            Algorithm::Sha224,
            "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
        ),
        (
            Algorithm::Sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            Algorithm::Sha384,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            Algorithm::Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        (
            Algorithm::Sha3_224,
            "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
        ),
        (
            Algorithm::Sha3_256,
            "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
        ),
        (
            Algorithm::Sha3_384,
            "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
        ),
        (
            Algorithm::Sha3_512,
            "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
        ),
        (
            Algorithm::Blake2b,
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
        ),
        (
            Algorithm::Blake2s,
            "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
        ),
        (
            Algorithm::Blake3,
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
        ),
    ];

    #[test]
    fn known_digests() {
        let algorithms: Vec<Algorithm> = KNOWN.iter().map(|(algorithm, _)| *algorithm).collect();
        let mut hasher = Hasher::new(&algorithms);
        hasher.update(b"a");
        hasher.update(b"");
        hasher.update(b"bc");
        let sums = hasher.finish();
        for (sum, (algorithm, hex)) in sums.iter().zip(KNOWN) {
            assert_eq!(sum.to_string(), format!("{algorithm}:{hex}"));
        }
        let mut crc = Hasher::new(&[Algorithm::Crc32c]);
        crc.update(b"1234");
        crc.update(b"56789");
        assert_eq!(crc.finish()[0].hex(), "e3069283");
    }

    #[test]
    fn every_digest_has_the_length_it_promises() {
        let sums = Hasher::new(&Algorithm::ALL).finish();
        assert_eq!(sums.len(), Algorithm::ALL.len());
        for sum in sums {
            assert_eq!(sum.digest.len(), sum.algorithm.digest_len(), "{sum}");
        }
    }

    #[test]
    fn names() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        for (name, algorithm) in [
            ("SHA-256", Algorithm::Sha256),
            ("Sha3-256", Algorithm::Sha3_256),
            ("sha3_512", Algorithm::Sha3_512),
            ("BLAKE3", Algorithm::Blake3),
            ("crc-32c", Algorithm::Crc32c),
        ] {
            assert_eq!(name.parse(), Ok(algorithm));
        }
        for name in ["", "sha", "sha2", "md4", "sha3"] {
            let unknown = ChecksumError::Unknown(name.to_owned());
            assert_eq!(name.parse::<Algorithm>(), Err(unknown));
        }
    }

    #[test]
    fn checksums_are_read_with_and_without_algorithm() {
        let md5 = "900150983CD24fb0d6963f7d28e17f72";
        let plain = Checksum::parse(md5, Algorithm::Md5).unwrap();
        assert_eq!(plain.hex(), md5.to_ascii_lowercase());
        assert_eq!(
            Checksum::parse(&format!(" MD5: {md5}\n"), Algorithm::Sha256),
            Ok(plain)
        );
        let short = Checksum::parse(md5, Algorithm::Sha256).unwrap_err();
        assert_eq!(
            short.to_string(),
            "sha256 checksums have 64 hexadecimal digits, not 32"
        );
        assert_eq!(
            Checksum::parse("xyz", Algorithm::Md5),
            Err(ChecksumError::NotHex(Algorithm::Md5))
        );
        assert!(Checksum::parse("", Algorithm::Md5).is_err());
        assert!(Checksum::parse("foo:00", Algorithm::Md5).is_err());
    }

    #[test]
    fn an_algorithm_listed_twice_is_computed_once() {
        let sums = Hasher::new(&[Algorithm::Md5, Algorithm::Crc32c, Algorithm::Md5]).finish();
        assert_eq!(sums.len(), 2);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8)) {
            let mut whole = Hasher::new(&Algorithm::ALL);
            whole.update(&pieces.concat());
            let mut split = Hasher::new(&Algorithm::ALL);
            pieces.iter().for_each(|piece| split.update(piece));
            prop_assert_eq!(whole.finish(), split.finish());
        }

        #[test]
        fn printed_checksums_read_back(digest in prop::collection::vec(any::<u8>(), 32)) {
            let sum = Checksum { algorithm: Algorithm::Blake3, digest };
            prop_assert_eq!(Checksum::parse(&sum.to_string(), Algorithm::Md5), Ok(sum));
        }
    }
}

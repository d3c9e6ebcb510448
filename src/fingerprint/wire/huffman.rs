//! HPACK's Huffman code (RFC 7541 §5.2 and appendix B).
//!
//! The code is canonical: codes of one length are consecutive, in the order of their symbols, and follow the shorter ones.
//! So the lengths say everything, and the codes are counted up from them at compile time.

/// The symbol that ends a string; only its first bits may appear, as padding.
const EOS: u16 = 256;

/// Code length in bits of each symbol, EOS last.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
     6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
     5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
    13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
     7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
    15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
     6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// The longest code, in bits.
const LONGEST: usize = 30;

/// The canonical code, ready for decoding bit by bit.
struct Code {
    /// All symbols by code: by length, then by value.
    symbols: [u16; 257],
    /// For each length: the first code of that length.
    first: [u32; LONGEST + 1],
    /// For each length: where in `symbols` its codes begin; how many there are is the distance to the next.
    start: [usize; LONGEST + 2],
}

static CODE: Code = Code::canonical();

impl Code {
    const fn canonical() -> Self {
        let mut code = Self {
            symbols: [0; 257],
            first: [0; LONGEST + 1],
            start: [0; LONGEST + 2],
        };
        let (mut next, mut filled, mut length) = (0, 0, 1);
        while length <= LONGEST {
            next <<= 1;
            code.first[length] = next;
            code.start[length] = filled;
            let mut symbol = 0;
            while symbol <= EOS {
                if LENGTHS[symbol as usize] as usize == length {
                    code.symbols[filled] = symbol;
                    filled += 1;
                    next += 1;
                }
                symbol += 1;
            }
            length += 1;
        }
        code.start[LONGEST + 1] = filled;
        code
    }

    /// The code of a symbol: the first of its length, and one more for each smaller symbol of that length.
    fn bits(&self, symbol: u8) -> u32 {
        let length = LENGTHS[usize::from(symbol)];
        let smaller = &LENGTHS[..usize::from(symbol)];
        let before = smaller.iter().filter(|other| **other == length).count();
        self.first[usize::from(length)] + before as u32
    }

    fn symbol(&self, bits: u32, length: usize) -> Option<u16> {
        let index = bits.checked_sub(self.first[length])? as usize;
        (index < self.start[length + 1] - self.start[length])
            .then(|| self.symbols[self.start[length] + index])
    }
}

/// Decodes a string; `None` if it contains EOS or is padded with anything but up to seven one bits.
///
/// The output is at most 8/5 of the input.
pub fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(bytes.len() * 8 / 5);
    let (mut bits, mut length) = (0u32, 0);
    for byte in bytes {
        for shift in (0..8).rev() {
            bits = bits << 1 | u32::from(byte >> shift & 1);
            length += 1;
            if let Some(symbol) = CODE.symbol(bits, length) {
                text.push(u8::try_from(symbol).ok()?);
                (bits, length) = (0, 0);
            }
        }
    }
    (length < 8 && bits == (1 << length) - 1).then_some(text)
}

/// Encodes a string.
pub fn encode(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded_len(text));
    let (mut bits, mut length) = (0u64, 0);
    for symbol in text {
        let width = usize::from(LENGTHS[usize::from(*symbol)]);
        bits = bits << width | u64::from(CODE.bits(*symbol));
        length += width;
        while length >= 8 {
            length -= 8;
            bytes.push((bits >> length) as u8);
        }
    }
    if length > 0 {
        bytes.push((bits << (8 - length)) as u8 | 0xff >> length);
    }
    bytes
}

/// How many bytes a string takes when encoded, padding included.
pub fn encoded_len(text: &[u8]) -> usize {
    let bits: usize = text
        .iter()
        .map(|symbol| usize::from(LENGTHS[usize::from(*symbol)]))
        .sum();
    bits.div_ceil(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The strings of RFC 7541 appendix C.4 and C.6.
    const EXAMPLES: [(&str, &[u8]); 4] = [
        (
            "www.example.com",
            &[
                0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
            ],
        ),
        ("no-cache", &[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]),
        (
            "custom-value",
            &[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf],
        ),
        ("302", &[0x64, 0x02]),
    ];

    #[test]
    fn the_examples_of_the_rfc_encode() {
        for (text, bytes) in EXAMPLES {
            assert_eq!(encode(text.as_bytes()), bytes, "{text}");
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)), Some(all));
    }

    #[test]
    fn the_examples_of_the_rfc_decode() {
        for (text, bytes) in EXAMPLES {
            assert_eq!(decode(bytes).as_deref(), Some(text.as_bytes()));
            assert_eq!(encoded_len(text.as_bytes()), bytes.len());
        }
    }

    #[test]
    fn the_code_is_complete() {
        let space: u64 = LENGTHS
            .iter()
            .map(|length| 1u64 << (LONGEST - usize::from(*length)))
            .sum();
        assert_eq!(space, 1 << LONGEST);
        assert_eq!(CODE.symbol(0x3fff_ffff, LONGEST), Some(EOS));
    }

    #[test]
    fn padding_is_up_to_seven_ones_and_nothing_else() {
        assert_eq!(decode(&[]).as_deref(), Some(&[][..]));
        assert_eq!(decode(&[0x1f]).as_deref(), Some(&b"a"[..]));
        assert_eq!(decode(&[0x1e]), None);
        assert_eq!(decode(&[0x1f, 0xff]), None);
        assert_eq!(decode(&[0xff; 4]), None);
    }
}

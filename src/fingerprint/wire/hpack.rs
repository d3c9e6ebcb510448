//! HPACK (RFC 7541): a decoder that also tells *how* each header field was written, and the least encoder a server needs.
//!
//! Browsers differ in which fields they index and when they use Huffman coding, so the decoder reports a [`Form`] beside
//! each name and value. The encoder never indexes and never uses Huffman coding, hence needs no state.

use std::fmt;

use bytes::Bytes;

use super::cursor::Cursor;
use super::header_table::{Dynamic, ENTRY_OVERHEAD, STATIC};
use super::huffman;

/// The table size both sides begin with, in bytes (RFC 9113 §6.5.2).
pub const DEFAULT_TABLE_SIZE: usize = 4096;

/// The largest header list a block may decode to, in bytes counted as for SETTINGS_MAX_HEADER_LIST_SIZE.
///
/// One byte of a block can stand for a whole table entry, so without a limit a small block could fill the memory.
pub const MAX_LIST: usize = 256 * 1024;

/// Why a header block cannot be decoded. The connection is lost after any of them: the tables no longer agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HpackError {
    #[error("decoding a header block: ends within a field")]
    Truncated,
    #[error("decoding a header block: an integer is larger than 2^28")]
    Integer,
    #[error("decoding a header block: there is no table entry {0}")]
    Index(usize),
    #[error("decoding a header block: a string is not in the huffman code")]
    Huffman,
    #[error("decoding a header block: a table size of {0} bytes was not allowed")]
    TableSize(usize),
    #[error("decoding a header block: a table size update behind a field")]
    LateUpdate,
    #[error("decoding a header block: the list is larger than {MAX_LIST} bytes")]
    TooLarge,
}

/// One header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: Bytes,
    pub value: Bytes,
    /// How it was written.
    pub form: Form,
}

/// How a field was written (RFC 7541 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// By its index alone.
    Indexed(usize),
    /// With a literal value.
    Literal {
        indexing: Indexing,
        name: Name,
        value_huffman: bool,
    },
}

/// What the encoder asked to be done with a literal field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// Put it into the dynamic table.
    Incremental,
    /// Leave it out.
    Without,
    /// Leave it out, on every hop.
    Never,
}

/// How the name of a literal field was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// By the index of an entry with that name.
    Indexed(usize),
    /// As a string.
    Literal { huffman: bool },
}

/// Short forms, as in `I2` (indexed, entry 2) and `L+n58vH` (literal; `+` incremental, `-` without, `!` never; name by index,
/// or `H` Huffman, `p` plain; value `H` or `p`). Every entry of the dynamic table is `d`, because its index depends on what
/// was sent before.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let coding = |huffman| if huffman { "H" } else { "p" };
        let entry = |index: usize| {
            if index > STATIC.len() {
                "d".to_owned()
            } else {
                index.to_string()
            }
        };
        match *self {
            Form::Indexed(index) => write!(f, "I{}", entry(index)),
            Form::Literal {
                indexing,
                name,
                value_huffman,
            } => {
                f.write_str(match indexing {
                    Indexing::Incremental => "L+n",
                    Indexing::Without => "L-n",
                    Indexing::Never => "L!n",
                })?;
                match name {
                    Name::Indexed(index) => f.write_str(&entry(index))?,
                    Name::Literal { huffman } => f.write_str(coding(huffman))?,
                }
                write!(f, "v{}", coding(value_huffman))
            }
        }
    }
}

/// A decoded header block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Fields in order, pseudo-header fields included.
    pub fields: Vec<Field>,
    /// Table size updates at the beginning of the block, in bytes.
    pub table_sizes: Vec<usize>,
}

/// Decodes the header blocks of one direction of one connection, in order.
#[derive(Debug)]
pub struct Decoder {
    /// Agrees with the encoder's table after each block.
    table: Dynamic,
    /// The largest table the encoder may ask for: our SETTINGS_HEADER_TABLE_SIZE.
    limit: usize,
}

impl Decoder {
    /// A decoder for an encoder that was told a SETTINGS_HEADER_TABLE_SIZE of `limit` bytes, or
    /// [`DEFAULT_TABLE_SIZE`] if it was told nothing.
    pub fn new(limit: usize) -> Self {
        Self {
            table: Dynamic::new(limit.min(DEFAULT_TABLE_SIZE)),
            limit,
        }
    }

    /// Decodes one whole header block: the fragments of HEADERS and its CONTINUATIONs together.
    ///
    /// # Errors
    ///
    /// [`HpackError`]; the decoder cannot be used any more after one.
    pub fn decode(&mut self, block: &[u8]) -> Result<Block, HpackError> {
        let mut cursor = Cursor::new(block);
        let mut decoded = Block::default();
        let mut size = 0;
        while let Some(first) = cursor.u8() {
            if first & 0b1110_0000 == 0b0010_0000 {
                if !decoded.fields.is_empty() {
                    return Err(HpackError::LateUpdate);
                }
                decoded.table_sizes.push(self.update(first, &mut cursor)?);
                continue;
            }
            let field = self.field(first, &mut cursor)?;
            size += field.name.len() + field.value.len() + ENTRY_OVERHEAD;
            if size > MAX_LIST {
                return Err(HpackError::TooLarge);
            }
            decoded.fields.push(field);
        }
        Ok(decoded)
    }

    fn update(&mut self, first: u8, cursor: &mut Cursor<'_>) -> Result<usize, HpackError> {
        let size = integer(first, 5, cursor)?;
        if size > self.limit {
            return Err(HpackError::TableSize(size));
        }
        self.table.resize(size);
        Ok(size)
    }

    fn field(&mut self, first: u8, cursor: &mut Cursor<'_>) -> Result<Field, HpackError> {
        if first & 0x80 != 0 {
            let index = integer(first, 7, cursor)?;
            let (name, value) = self.table.get(index).ok_or(HpackError::Index(index))?;
            return Ok(Field {
                name,
                value,
                form: Form::Indexed(index),
            });
        }
        let (indexing, prefix) = match first {
            0x40.. => (Indexing::Incremental, 6),
            0x10.. => (Indexing::Never, 4),
            _ => (Indexing::Without, 4),
        };
        let (name, name_form) = match integer(first, prefix, cursor)? {
            0 => string(cursor).map(|(name, huffman)| (name, Name::Literal { huffman }))?,
            index => {
                let (name, _) = self.table.get(index).ok_or(HpackError::Index(index))?;
                (name, Name::Indexed(index))
            }
        };
        let (value, value_huffman) = string(cursor)?;
        if indexing == Indexing::Incremental {
            self.table.insert((name.clone(), value.clone()));
        }
        Ok(Field {
            name,
            value,
            form: Form::Literal {
                indexing,
                name: name_form,
                value_huffman,
            },
        })
    }
}

/// The first entry of the static table with this name and value; else the first with this name, and false.
pub fn static_entry(name: &str, value: &str) -> Option<(usize, bool)> {
    let whole = STATIC.iter().position(|entry| *entry == (name, value));
    let named = STATIC.iter().position(|entry| entry.0 == name);
    whole
        .map(|at| (at + 1, true))
        .or(named.map(|at| (at + 1, false)))
}

/// Appends a field to a block: indexed if the static table has it whole, else a plain literal that is not indexed.
///
/// `name` must be in lower case for HTTP/2.
pub fn encode(name: &str, value: &str, block: &mut Vec<u8>) {
    if let Some(at) = STATIC.iter().position(|entry| *entry == (name, value)) {
        put_integer(0x80, 7, at + 1, block);
        return;
    }
    match STATIC.iter().position(|entry| entry.0 == name) {
        Some(at) => put_integer(0, 4, at + 1, block),
        None => {
            block.push(0);
            put_string(name, block);
        }
    }
    put_string(value, block);
}

fn put_string(text: &str, block: &mut Vec<u8>) {
    put_integer(0, 7, text.len(), block);
    block.extend_from_slice(text.as_bytes());
}

pub(super) fn put_integer(pattern: u8, prefix: u32, value: usize, block: &mut Vec<u8>) {
    let full = (1u8 << prefix) - 1;
    if let Ok(small) = u8::try_from(value)
        && small < full
    {
        block.push(pattern | small);
        return;
    }
    block.push(pattern | full);
    let mut rest = value - usize::from(full);
    while rest >= 0x80 {
        block.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    block.push(rest as u8);
}

/// An integer with a prefix of `prefix` bits in `first` (RFC 7541 §5.1).
pub(super) fn integer(
    first: u8,
    prefix: u32,
    cursor: &mut Cursor<'_>,
) -> Result<usize, HpackError> {
    let full = (1usize << prefix) - 1;
    let mut value = usize::from(first) & full;
    if value < full {
        return Ok(value);
    }
    for shift in [0, 7, 14, 21] {
        let byte = cursor.u8().ok_or(HpackError::Truncated)?;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(HpackError::Integer)
}

/// A string and whether it was Huffman coded (RFC 7541 §5.2).
pub(super) fn string(cursor: &mut Cursor<'_>) -> Result<(Bytes, bool), HpackError> {
    let first = cursor.u8().ok_or(HpackError::Truncated)?;
    let length = integer(first, 7, cursor)?;
    let bytes = cursor.take(length).ok_or(HpackError::Truncated)?;
    if first & 0x80 == 0 {
        return Ok((Bytes::copy_from_slice(bytes), false));
    }
    let text = huffman::decode(bytes).ok_or(HpackError::Huffman)?;
    Ok((text.into(), true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: String = hex.split_whitespace().collect();
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect()
    }

    fn lines(block: &Block) -> Vec<String> {
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        block
            .fields
            .iter()
            .map(|field| {
                format!(
                    "{}: {} {}",
                    text(&field.name),
                    text(&field.value),
                    field.form
                )
            })
            .collect()
    }

    /// Appendix C.4: three requests on one connection, with Huffman coding.
    #[test]
    fn the_requests_of_the_rfc_decode() {
        let mut decoder = Decoder::new(DEFAULT_TABLE_SIZE);
        let first = decoder
            .decode(&bytes("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"))
            .unwrap();
        assert_eq!(
            lines(&first),
            [
                ":method: GET I2",
                ":scheme: http I6",
                ":path: / I4",
                ":authority: www.example.com L+n1vH"
            ]
        );
        let second = decoder
            .decode(&bytes("8286 84be 5886 a8eb 1064 9cbf"))
            .unwrap();
        assert_eq!(
            lines(&second)[3..],
            [
                ":authority: www.example.com Id",
                "cache-control: no-cache L+n24vH"
            ]
        );
        let third = decoder
            .decode(&bytes(
                "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
            ))
            .unwrap();
        assert_eq!(
            lines(&third)[3..],
            [
                ":authority: www.example.com Id",
                "custom-key: custom-value L+nHvH"
            ]
        );
    }

    /// Appendix C.5: responses with a table of 256 bytes, so that entries are evicted.
    #[test]
    fn the_responses_of_the_rfc_evict() {
        let mut decoder = Decoder::new(256);
        let first = decoder.decode(&bytes(
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
             2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        ));
        assert_eq!(lines(&first.unwrap())[0], ":status: 302 L+n8vp");
        assert_eq!(
            lines(&decoder.decode(&bytes("4803 3330 37c1 c0bf")).unwrap())[0],
            ":status: 307 L+n8vp"
        );
        assert_eq!(decoder.decode(&[0x80 | 66]), Err(HpackError::Index(66)));
    }

    #[test]
    fn table_size_updates_come_first_and_within_the_limit() {
        let mut decoder = Decoder::new(65536);
        let block = decoder.decode(&bytes("20 3fe1ff03 82")).unwrap();
        assert_eq!((block.table_sizes, block.fields.len()), (vec![0, 65536], 1));
        assert_eq!(
            decoder.decode(&bytes("3fe2ff03")),
            Err(HpackError::TableSize(65537))
        );
        assert_eq!(decoder.decode(&bytes("82 20")), Err(HpackError::LateUpdate));
    }

    #[test]
    fn damage_is_named() {
        let mut decoder = Decoder::new(DEFAULT_TABLE_SIZE);
        assert_eq!(decoder.decode(&[0x80]), Err(HpackError::Index(0)));
        assert_eq!(
            decoder.decode(&[0x40, 0x05, b'a']),
            Err(HpackError::Truncated)
        );
        assert_eq!(
            decoder.decode(&bytes("ff ffffffff ff")),
            Err(HpackError::Integer)
        );
        assert_eq!(
            decoder.decode(&[0x40, 0x81, 0x00]),
            Err(HpackError::Huffman)
        );
    }

    #[test]
    fn a_small_block_cannot_become_a_large_list() {
        let mut block = vec![0x40, 1, b'a'];
        put_integer(0, 7, 4000, &mut block);
        block.extend([b'x'; 4000]);
        block.extend([0x80 | 62; 1000]);
        assert_eq!(
            Decoder::new(DEFAULT_TABLE_SIZE).decode(&block),
            Err(HpackError::TooLarge)
        );
    }

    proptest::proptest! {
        #[test]
        fn what_is_encoded_decodes(fields in proptest::collection::vec(("[a-z:-]{0,9}", "[ -~]{0,300}"), 0..9)) {
            let mut block = Vec::new();
            for (name, value) in &fields {
                encode(name, value, &mut block);
            }
            let decoded = Decoder::new(DEFAULT_TABLE_SIZE).decode(&block).unwrap();
            let back = decoded.fields.iter().map(|field| (field.name.clone(), field.value.clone()));
            proptest::prop_assert!(back.eq(fields.into_iter().map(|(name, value)| (name.into(), value.into()))));
        }

        #[test]
        fn nothing_panics(first: Vec<u8>, second: Vec<u8>) {
            let mut decoder = Decoder::new(DEFAULT_TABLE_SIZE);
            let _ = decoder.decode(&first);
            let _ = decoder.decode(&second);
        }
    }
}

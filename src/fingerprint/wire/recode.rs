//! Writes a header block as another encoder would have written it (RFC 7541), without touching what it means.
//!
//! nghttp2 writes strings in the Huffman code only where that is shorter, and takes `:path: /` from the static table.
//! Firefox does neither. Both choices leave the dynamic table alone, so a block can be changed on its way out: what is
//! indexed, and in which order, stays nghttp2's.

use super::cursor::Cursor;
use super::hpack::{integer, put_integer, string};
use super::huffman;

/// The entry `:path: /` of the static table; the next one, `/index.html`, has the same name.
const ROOT_PATH: usize = 4;

/// Where a browser differs from nghttp2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Strings are always Huffman coded.
    pub huffman_always: bool,
    /// `:path` is always a literal; only `/` takes its name from that very entry, others from the next.
    pub path_always_literal: bool,
}

/// `block` in another style; `None` if it is not a whole header block.
pub fn recode(block: &[u8], style: Style) -> Option<Vec<u8>> {
    let mut cursor = Cursor::new(block);
    let mut out = Vec::with_capacity(block.len() + block.len() / 4);
    while let Some(first) = cursor.u8() {
        match first {
            0x80.. => indexed(integer(first, 7, &mut cursor).ok()?, style, &mut out),
            0x40.. => literal(0x40, 6, first, style, &mut cursor, &mut out)?,
            0x20.. => put_integer(0x20, 5, integer(first, 5, &mut cursor).ok()?, &mut out),
            0x10.. => literal(0x10, 4, first, style, &mut cursor, &mut out)?,
            _ => literal(0, 4, first, style, &mut cursor, &mut out)?,
        }
    }
    Some(out)
}

fn indexed(index: usize, style: Style, out: &mut Vec<u8>) {
    if index == ROOT_PATH && style.path_always_literal {
        put_integer(0, 4, ROOT_PATH, out);
        put_string(b"/", style.huffman_always, out);
    } else {
        put_integer(0x80, 7, index, out);
    }
}

fn literal(
    pattern: u8,
    prefix: u32,
    first: u8,
    style: Style,
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    match integer(first, prefix, cursor).ok()? {
        0 => {
            put_integer(pattern, prefix, 0, out);
            copy_string(style, cursor, out)?;
        }
        ROOT_PATH if style.path_always_literal => put_integer(pattern, prefix, ROOT_PATH + 1, out),
        index => put_integer(pattern, prefix, index, out),
    }
    copy_string(style, cursor, out)
}

fn copy_string(style: Style, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Option<()> {
    let (text, huffman) = string(cursor).ok()?;
    put_string(&text, huffman || style.huffman_always, out);
    Some(())
}

fn put_string(text: &[u8], huffman: bool, out: &mut Vec<u8>) {
    if huffman {
        let coded = huffman::encode(text);
        put_integer(0x80, 7, coded.len(), out);
        out.extend_from_slice(&coded);
    } else {
        put_integer(0, 7, text.len(), out);
        out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::super::hpack::{Decoder, Form};
    use super::*;

    const FIREFOX: Style = Style {
        huffman_always: true,
        path_always_literal: true,
    };

    /// `:method: GET`, `:path: /`, `te: trailers` (plain), `:path: /a` by the name of entry 4.
    const BLOCK: [u8; 21] = [
        0x82, 0x84, 0x40, 2, b't', b'e', 8, b't', b'r', b'a', b'i', b'l', b'e', b'r', b's', 0x04,
        2, b'/', b'a', 0xbe, 0x87,
    ];

    #[test]
    fn the_meaning_and_the_table_stay() {
        let fields = |block: &[u8]| -> Vec<_> {
            let decoded = Decoder::new(4096).decode(block).unwrap();
            let pairs = decoded.fields.into_iter();
            pairs.map(|field| (field.name, field.value)).collect()
        };
        assert_eq!(
            recode(&BLOCK, Style::default()).as_deref(),
            Some(&BLOCK[..])
        );
        let recoded = recode(&BLOCK, FIREFOX).unwrap();
        assert_ne!(recoded, BLOCK);
        assert_eq!(fields(&recoded), fields(&BLOCK));
    }

    #[test]
    fn paths_and_strings_are_written_as_firefox_does() {
        let recoded = recode(&BLOCK, FIREFOX).unwrap();
        assert_eq!(recoded[1..4], [0x04, 0x81, 0x63]);
        let fields = Decoder::new(4096).decode(&recoded).unwrap().fields;
        let forms: Vec<_> = fields.iter().map(|field| field.form.to_string()).collect();
        assert_eq!(forms, ["I2", "L-n4vH", "L+nHvH", "L-n5vH", "Id", "I7"]);
        assert_eq!(fields[4].form, Form::Indexed(62));
    }

    #[test]
    fn a_cut_block_is_refused() {
        for end in [4, 8, 16, 18] {
            assert_eq!(recode(&BLOCK[..end], FIREFOX), None, "at {end}");
        }
    }
}

//! The bytes of generated resources: any size, no disk, the same bytes for the same seed and offset on every machine.
//!
//! Each aligned word of eight bytes is a mix of the seed and its own position, so a range is made without what lies
//! before it, and a byte in the wrong place is noticed. Not random enough for anything but tests.

use std::ops::Range;

use bytes::Bytes;

const WORD: u64 = 8;

/// Writes the bytes of resource `seed` from `offset` on into all of `out`.
pub fn fill(seed: u64, offset: u64, out: &mut [u8]) {
    let skip = (offset % WORD) as usize;
    let head = if skip == 0 {
        0
    } else {
        (WORD as usize - skip).min(out.len())
    };
    let (head, body) = out.split_at_mut(head);
    let mut position = offset / WORD;
    if !head.is_empty() {
        head.copy_from_slice(&word(seed, position)[skip..skip + head.len()]);
        position += 1;
    }
    let mut words = body.chunks_exact_mut(WORD as usize);
    for chunk in &mut words {
        chunk.copy_from_slice(&word(seed, position));
        position += 1;
    }
    let tail = words.into_remainder();
    tail.copy_from_slice(&word(seed, position)[..tail.len()]);
}

/// The bytes of a half-open range, at once; for tests and small resources.
pub fn bytes(seed: u64, range: Range<u64>) -> Vec<u8> {
    let mut out = vec![0; (range.end - range.start) as usize];
    fill(seed, range.start, &mut out);
    out
}

fn word(seed: u64, position: u64) -> [u8; WORD as usize] {
    // The seed moves the sequence so far that those of two resources do not meet.
    let place = position.wrapping_add(seed.wrapping_mul(0xd1b5_4a32_d192_ed03));
    let mixed = place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).to_le_bytes()
}

/// A piece of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Given bytes.
    Bytes(Bytes),
    /// A half-open range of the resource `seed`.
    Generated { seed: u64, range: Range<u64> },
}

/// A body that is read from front to back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// What is left, in order.
    pieces: Vec<Piece>,
}

impl Body {
    pub fn new(pieces: Vec<Piece>) -> Self {
        Self { pieces }
    }

    /// A half-open range of the resource `seed`.
    pub fn generated(seed: u64, range: Range<u64>) -> Self {
        Self::new(vec![Piece::Generated { seed, range }])
    }

    /// The same, and another one behind it.
    pub fn and(mut self, other: impl Into<Self>) -> Self {
        self.pieces.extend(other.into().pieces);
        self
    }

    /// Bytes left.
    pub fn len(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// Fills `out`, or as much of it as there are bytes left; returns how many.
    pub fn read(&mut self, mut out: &mut [u8]) -> usize {
        let wanted = out.len();
        while let Some(piece) = self.pieces.first_mut()
            && !out.is_empty()
        {
            let count = usize::try_from(piece.len())
                .unwrap_or(usize::MAX)
                .min(out.len());
            let (now, later) = out.split_at_mut(count);
            piece.read(now);
            out = later;
            if piece.len() == 0 {
                self.pieces.remove(0);
            }
        }
        wanted - out.len()
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self::new(vec![Piece::Bytes(Bytes::copy_from_slice(text.as_bytes()))])
    }
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Generated { range, .. } => range.end - range.start,
        }
    }

    /// Takes exactly `out.len()` bytes off the front.
    fn read(&mut self, out: &mut [u8]) {
        match self {
            Self::Bytes(bytes) => out.copy_from_slice(&bytes.split_to(out.len())),
            Self::Generated { seed, range } => {
                fill(*seed, range.start, out);
                range.start += out.len() as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_the_same_bytes_wherever_it_begins() {
        let whole = bytes(7, 0..64);
        for start in 0..40 {
            for end in start..64 {
                assert_eq!(
                    bytes(7, start..end),
                    whole[start as usize..end as usize],
                    "{start}..{end}"
                );
            }
        }
        assert_ne!(bytes(8, 0..64), whole);
    }

    #[test]
    fn a_body_is_its_pieces_in_order() {
        let generated = Piece::Generated {
            seed: 1,
            range: 3..20,
        };
        let mut body = Body::new(vec![Piece::Bytes("ab".into()), generated]);
        let mut out = [0; 30];
        assert_eq!(
            (
                body.len(),
                body.read(&mut out[..5]),
                body.read(&mut out[5..])
            ),
            (19, 5, 14)
        );
        assert_eq!(
            (&out[..2], &out[2..19]),
            (&b"ab"[..], bytes(1, 3..20).as_slice())
        );
    }
}

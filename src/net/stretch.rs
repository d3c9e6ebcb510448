//! A stretch of a body, read as a body of its own.

use bytes::Bytes;

use super::Block;

/// What is left of the stretch.
#[derive(Debug)]
pub(super) struct Stretch {
    /// Bytes of it that were read before it was known that they are its first.
    waiting: Bytes,
    /// Bytes of it that were handed out, which is the offset of the next block.
    passed: u64,
    /// Bytes of it.
    length: u64,
}

impl Stretch {
    pub(super) fn new(mut waiting: Bytes, length: u64) -> Self {
        waiting.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Self {
            waiting,
            passed: 0,
            length,
        }
    }

    /// What was read before.
    pub(super) fn waiting(&mut self) -> Option<Block> {
        let waiting = std::mem::take(&mut self.waiting);
        self.cut(waiting)
    }

    /// What of the next bytes belongs to it.
    pub(super) fn cut(&mut self, mut bytes: Bytes) -> Option<Block> {
        let left = self.length - self.passed;
        bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let offset = self.passed;
        self.passed += bytes.len() as u64;
        (!bytes.is_empty()).then_some(Block { offset, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_counted_anew_and_end_with_the_stretch() {
        let mut stretch = Stretch::new(Bytes::from_static(b"he"), 5);
        let mut told = Vec::new();
        told.extend(stretch.waiting());
        told.extend(stretch.waiting());
        for piece in ["l", "lo\r\n", "--b--"] {
            told.extend(stretch.cut(Bytes::from_static(piece.as_bytes())));
        }
        let told: Vec<_> = told.iter().map(|it| (it.offset, &it.bytes[..])).collect();
        assert_eq!(told, [(0, &b"he"[..]), (2, b"l"), (3, b"lo")]);
        assert_eq!(
            Stretch::new(Bytes::from_static(b"hello"), 2)
                .waiting()
                .map(|it| it.bytes),
            Some("he".into())
        );
    }
}

//! Reads big-endian numbers and length-prefixed vectors (RFC 8446 §3) off the front of a slice.
//!
//! Every read either consumes exactly what it returns or returns `None` and leaves a cursor of which nobody should ask
//! more; so a parser is a chain of `?` and cannot index out of bounds. Knows no protocol.

/// The part of a slice that has not been read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Exactly `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }

    /// Exactly `N` bytes, as an array.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u24(&mut self) -> Option<u32> {
        self.array()
            .map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// A vector with a one-byte length.
    pub(super) fn vec8(&mut self) -> Option<Cursor<'a>> {
        let length = self.u8()?;
        self.take(length.into()).map(Cursor)
    }

    /// A vector with a two-byte length.
    pub(super) fn vec16(&mut self) -> Option<Cursor<'a>> {
        let length = self.u16()?;
        self.take(length.into()).map(Cursor)
    }

    /// Applies `read` until nothing is left; `None` if it fails before, or would consume nothing for ever.
    pub(super) fn all<T>(mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        while !self.is_empty() {
            let before = self.0.len();
            items.push(read(&mut self)?);
            if self.0.len() == before {
                return None;
            }
        }
        Some(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_big_endian() {
        let mut cursor = Cursor::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(cursor.u8(), Some(1));
        assert_eq!(cursor.u16(), Some(0x0203));
        assert_eq!(cursor.u24(), Some(0x0004_0506));
        assert_eq!(cursor.u32(), Some(0x0708_090a));
        assert_eq!(cursor.u8(), None);
    }

    #[test]
    fn a_vector_longer_than_the_slice_is_none() {
        assert!(Cursor::new(&[3, 1, 2]).vec8().is_none());
        assert!(Cursor::new(&[0, 3, 1, 2]).vec16().is_none());
        assert_eq!(
            Cursor::new(&[2, 1, 2, 9]).vec8().map(|mut v| v.rest()),
            Some(&[1, 2][..])
        );
    }

    #[test]
    fn all_needs_whole_items_and_progress() {
        assert_eq!(
            Cursor::new(&[0, 1, 0, 2]).all(Cursor::u16),
            Some(vec![1, 2])
        );
        assert_eq!(Cursor::new(&[0, 1, 0]).all(Cursor::u16), None);
        assert_eq!(Cursor::new(&[0]).all(|_| Some(())), None);
    }
}

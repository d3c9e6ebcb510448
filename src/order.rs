//! Arrival order in, byte order out.
//!
//! Blocks of many transfers come interleaved; a stream wants them by offset. They wait in a heap until the one that comes
//! next is there. The heap has no limit of its own: `schedule` begins no chunk beyond the window, so it never holds more
//! than that, and the chunk at the head is never refused for want of room.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use bytes::{Buf, Bytes};

/// Puts blocks into byte order.
#[derive(Debug)]
pub struct Order {
    /// Blocks that wait, lowest offset on top. None is empty; they may overlap, and the bytes then count as equal.
    heap: BinaryHeap<Block>,
    /// Offset of the next byte to go out. Every byte below has gone.
    head: u64,
    /// Sum of the lengths of the blocks in `heap`.
    held: u64,
}

impl Order {
    /// An order whose first byte out is the one at offset `head`.
    pub fn new(head: u64) -> Order {
        Order {
            heap: BinaryHeap::new(),
            head,
            held: 0,
        }
    }

    /// Takes in the bytes from `offset` on. What of them has gone out already is dropped.
    pub fn insert(&mut self, offset: u64, bytes: Bytes) {
        let block = Block { offset, bytes };
        if let Some(block) = block.from(self.head) {
            self.held += block.len();
            self.heap.push(block);
        }
    }

    /// The next bytes in order; `None` until those at the head have come.
    pub fn pop(&mut self) -> Option<Bytes> {
        while self.heap.peek()?.offset <= self.head {
            let block = self.heap.pop()?;
            self.held -= block.len();
            if let Some(block) = block.from(self.head) {
                self.head = block.end();
                return Some(block.bytes);
            }
        }
        None
    }

    /// Drops every block that begins at `offset` or behind it.
    pub fn forget(&mut self, offset: u64) {
        self.heap.retain(|block| block.offset < offset);
        self.held = self.heap.iter().map(Block::len).sum();
    }

    /// Offset of the next byte to go out.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Number of bytes that wait, counted once for each time they came.
    pub fn held(&self) -> u64 {
        self.held
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Block {
    /// Where in the file its first byte belongs.
    offset: u64,
    bytes: Bytes,
}

impl Block {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn end(&self) -> u64 {
        self.offset + self.len()
    }

    /// The block without its bytes below `head`; `None` if none are left.
    fn from(mut self, head: u64) -> Option<Block> {
        if self.end() <= head {
            return None;
        }
        let gone = head.saturating_sub(self.offset);
        self.bytes
            .advance(usize::try_from(gone).expect("less than the block's length"));
        self.offset += gone;
        Some(self)
    }
}

/// Reversed, as the standard heap has its greatest element on top. Of blocks that begin alike, the longer one comes first,
/// so that the shorter one is dropped whole.
impl Ord for Block {
    fn cmp(&self, other: &Block) -> Ordering {
        let shorter = self.bytes.len().cmp(&other.bytes.len());
        other.offset.cmp(&self.offset).then(shorter)
    }
}

impl PartialOrd for Block {
    fn partial_cmp(&self, other: &Block) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(order: &mut Order) -> Vec<u8> {
        std::iter::from_fn(|| order.pop()).flatten().collect()
    }

    #[test]
    fn what_comes_in_order_goes_straight_through() {
        let mut order = Order::new(0);
        order.insert(0, Bytes::from_static(b"abc"));
        assert_eq!(order.pop().unwrap(), "abc");
        order.insert(3, Bytes::from_static(b"de"));
        assert_eq!(order.pop().unwrap(), "de");
        assert_eq!((order.pop(), order.head(), order.held()), (None, 5, 0));
    }

    #[test]
    fn a_gap_holds_everything_behind_it() {
        let mut order = Order::new(10);
        order.insert(13, Bytes::from_static(b"de"));
        order.insert(15, Bytes::from_static(b"f"));
        assert_eq!((order.pop(), order.held()), (None, 3));
        order.insert(10, Bytes::from_static(b"abc"));
        assert_eq!(drain(&mut order), b"abcdef");
        assert_eq!((order.head(), order.held()), (16, 0));
    }

    #[test]
    fn repeated_and_empty_blocks_do_no_harm() {
        let mut order = Order::new(0);
        order.insert(0, Bytes::new());
        order.insert(2, Bytes::from_static(b"cd"));
        order.insert(2, Bytes::from_static(b"cdef"));
        order.insert(1, Bytes::from_static(b"bc"));
        order.insert(0, Bytes::from_static(b"a"));
        assert_eq!(drain(&mut order), b"abcdef");
        order.insert(0, Bytes::from_static(b"abcdefg"));
        assert_eq!(drain(&mut order), b"g");
        assert_eq!(order.held(), 0);
    }

    proptest! {
        /// Any arrival order, and any overlap, gives the bytes once.
        #[test]
        fn any_permutation_gives_the_bytes(
            data in prop::collection::vec(any::<u8>(), 1..400),
            cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..40), 0..30),
            early in any::<bool>(),
            order in any::<u64>(),
        ) {
            let data = Bytes::from(data);
            let mut blocks: Vec<(usize, usize)> = (0..data.len()).step_by(7).map(|at| (at, 7)).collect();
            blocks.extend(cuts.iter().map(|(at, len)| (at.index(data.len()), *len)));
            blocks.sort_by_key(|&(at, len)| (at as u64 * 31 + len as u64 + 1).wrapping_mul(order | 1));
            let mut sorted = Order::new(0);
            let mut out = Vec::new();
            for (at, len) in blocks {
                sorted.insert(at as u64, data.slice(at..(at + len).min(data.len())));
                if early {
                    out.extend(drain(&mut sorted));
                }
            }
            out.extend(drain(&mut sorted));
            prop_assert_eq!(out, data);
            prop_assert_eq!(sorted.held(), 0);
        }
    }
}

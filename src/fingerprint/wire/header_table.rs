//! The two tables that HPACK's indexes point into (RFC 7541 §2.3): the static one and the one the encoder fills.

use std::collections::VecDeque;

use bytes::Bytes;

/// What an entry counts for beyond its name and value, in bytes (RFC 7541 §4.1).
pub(super) const ENTRY_OVERHEAD: usize = 32;

/// The static table, from index 1 (RFC 7541 appendix A).
#[rustfmt::skip]
pub(super) static STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""),
    ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""),
    ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""),
    ("last-modified", ""), ("link", ""), ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""),
    ("proxy-authorization", ""), ("range", ""), ("referer", ""), ("refresh", ""), ("retry-after", ""),
    ("server", ""), ("set-cookie", ""), ("strict-transport-security", ""), ("transfer-encoding", ""),
    ("user-agent", ""), ("vary", ""), ("via", ""), ("www-authenticate", ""),
];

/// An entry's name and value.
pub(super) type Entry = (Bytes, Bytes);

/// The dynamic table.
#[derive(Debug)]
pub(super) struct Dynamic {
    /// Newest first; their sizes add up to `size`.
    entries: VecDeque<Entry>,
    /// Sum of the entries' sizes, at most `capacity`.
    size: usize,
    /// What the encoder has set the table's size to, in bytes.
    capacity: usize,
}

impl Dynamic {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            size: 0,
            capacity,
        }
    }

    /// Entry by HPACK index, through both tables; `None` for 0 and beyond the end.
    pub(super) fn get(&self, index: usize) -> Option<Entry> {
        let index = index.checked_sub(1)?;
        match STATIC.get(index) {
            Some((name, value)) => Some((
                Bytes::from_static(name.as_bytes()),
                Bytes::from_static(value.as_bytes()),
            )),
            None => self.entries.get(index - STATIC.len()).cloned(),
        }
    }

    /// Adds an entry at the front; one larger than the table empties it (RFC 7541 §4.4).
    pub(super) fn insert(&mut self, entry: Entry) {
        let size = size_of(&entry);
        self.evict(size);
        if size <= self.capacity {
            self.size += size;
            self.entries.push_front(entry);
        }
    }

    pub(super) fn resize(&mut self, capacity: usize) {
        self.capacity = capacity;
        self.evict(0);
    }

    /// Drops the oldest entries until `room` bytes are free or the table is empty.
    fn evict(&mut self, room: usize) {
        while self.size.saturating_add(room) > self.capacity {
            let Some(oldest) = self.entries.pop_back() else {
                return;
            };
            self.size -= size_of(&oldest);
        }
    }
}

pub(super) fn size_of((name, value): &Entry) -> usize {
    name.len() + value.len() + ENTRY_OVERHEAD
}

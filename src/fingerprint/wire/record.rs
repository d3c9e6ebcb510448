//! TLS records as they lie in a byte stream (RFC 8446 §5.1): type, version, length, never the protected content.
//!
//! How a client cuts its stream into records is part of its fingerprint: browsers send the HTTP/2 preface, SETTINGS and
//! WINDOW_UPDATE in one record and HEADERS in the next. [`Layout`] follows a live stream piece by piece and keeps only
//! the first few headers, so it can sit on a connection that carries gigabytes. A stream that ends inside a record is not
//! an error: the header says what was announced.

use std::fmt;

/// Content type of records that carry handshake messages in the clear.
pub const HANDSHAKE: u8 = 22;

/// Length of a record's header, in bytes.
const HEADER: usize = 5;

/// The header of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// 20 change_cipher_spec, 21 alert, 22 handshake, 23 application_data; others as they came.
    pub content_type: u8,
    /// `legacy_record_version`, `0x0301` for a first ClientHello.
    pub version: u16,
    /// Bytes of (protected) content that the header announces, header excluded.
    pub length: u16,
}

impl Record {
    fn parse(header: [u8; HEADER]) -> Self {
        let [content_type, v0, v1, l0, l1] = header;
        Self {
            content_type,
            version: u16::from_be_bytes([v0, v1]),
            length: u16::from_be_bytes([l0, l1]),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:#06x} {}",
            self.content_type, self.version, self.length
        )
    }
}

/// Every record of `stream` with the part of its content that is there; the last one may be cut short.
pub fn records(stream: &[u8]) -> impl Iterator<Item = (Record, &[u8])> {
    let mut rest = stream;
    std::iter::from_fn(move || {
        let (header, tail) = rest.split_first_chunk::<HEADER>()?;
        let record = Record::parse(*header);
        let (content, after) = tail.split_at(tail.len().min(record.length.into()));
        rest = after;
        Some((record, content))
    })
}

/// Follows a byte stream and remembers the headers of its first records.
#[derive(Debug)]
pub struct Layout {
    /// Headers seen so far, in order; never more than `limit`.
    records: Vec<Record>,
    /// How many headers are worth keeping.
    limit: usize,
    /// The first bytes of a header that is not complete yet; shorter than a header.
    partial: Vec<u8>,
    /// Content bytes of the newest record that have not passed yet.
    skip: usize,
}

impl Layout {
    /// Keeps the headers of the first `limit` records.
    pub fn new(limit: usize) -> Self {
        Self {
            records: Vec::new(),
            limit,
            partial: Vec::with_capacity(HEADER),
            skip: 0,
        }
    }

    /// The records seen so far; the content of the last may still be on its way.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Whether `limit` is reached, so that feeding more has no effect.
    pub fn is_full(&self) -> bool {
        self.records.len() >= self.limit
    }

    /// Takes the next bytes of the stream, cut anywhere.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_full() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let wanted = (HEADER - self.partial.len()).min(bytes.len());
            self.partial.extend_from_slice(&bytes[..wanted]);
            bytes = &bytes[wanted..];
            if let Some(header) = self.partial.first_chunk::<HEADER>() {
                let record = Record::parse(*header);
                self.skip = record.length.into();
                self.records.push(record);
                self.partial.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = &[
        22, 3, 1, 0, 2, 0xaa, 0xbb, 20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 9, 0xcc,
    ];

    fn expected() -> [Record; 3] {
        [
            Record {
                content_type: 22,
                version: 0x0301,
                length: 2,
            },
            Record {
                content_type: 20,
                version: 0x0303,
                length: 1,
            },
            Record {
                content_type: 23,
                version: 0x0303,
                length: 9,
            },
        ]
    }

    #[test]
    fn the_last_record_may_be_cut_short() {
        let all: Vec<_> = records(STREAM).collect();
        assert_eq!(
            all.iter().map(|(record, _)| *record).collect::<Vec<_>>(),
            expected()
        );
        assert_eq!(all[0].1, [0xaa, 0xbb]);
        assert_eq!(all[2].1, [0xcc]);
    }

    #[test]
    fn the_layout_does_not_depend_on_how_the_stream_is_cut() {
        for piece in 1..=STREAM.len() {
            let mut layout = Layout::new(20);
            for bytes in STREAM.chunks(piece) {
                layout.feed(bytes);
            }
            assert_eq!(layout.records(), expected(), "fed {piece} bytes at a time");
        }
    }

    #[test]
    fn the_layout_keeps_no_more_than_its_limit() {
        let mut layout = Layout::new(2);
        layout.feed(STREAM);
        assert!(layout.is_full());
        assert_eq!(layout.records(), &expected()[..2]);
    }

    #[test]
    fn a_record_prints_as_type_version_length() {
        assert_eq!(expected()[0].to_string(), "22 0x0301 2");
    }
}

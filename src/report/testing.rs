//! Updates that the faces' tests begin with.

use std::time::Instant;

use super::Update;
use super::track::Tracks;
use crate::answer::Ranges;
use crate::http::Protocol;

/// A file that begins, and the server's answer.
pub(super) fn start(id: usize, name: &str, size: Option<u64>, resumed: u64) -> [Update; 2] {
    let started = Update::Started {
        id,
        url: format!("https://example.org/{id}"),
        name: "guess".to_owned(),
    };
    let resolved = Update::Resolved {
        id,
        name: name.to_owned(),
        size,
        ranges: Ranges::Yes,
        protocol: Protocol::Http2,
        checksum: None,
        resumed,
    };
    [started, resolved]
}

/// Notes that file 0 begins.
pub(super) fn begin(
    tracks: &mut Tracks,
    name: &str,
    size: Option<u64>,
    resumed: u64,
    now: Instant,
) {
    for update in start(0, name, size, resumed) {
        tracks.note(update, now);
    }
}

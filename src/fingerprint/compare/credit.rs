//! How the bytes of a download were acknowledged, against the file.

use super::Difference;
use crate::fingerprint::describe;
use crate::fingerprint::observed::Connection;
use crate::fingerprint::schema::Http2;
use crate::fingerprint::wire::frames::Payload;

/// How far beyond its threshold a WINDOW_UPDATE may go: what one read of a socket brings.
const SLACK: u32 = 256 * 1024;
/// A window before any SETTINGS or WINDOW_UPDATE (RFC 9113 §6.9.2).
const DEFAULT_WINDOW: u32 = 65_535;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// Differences in how the bytes of one download of `length` bytes, on `stream`, were acknowledged. Looks only at
/// frames behind the opening.
#[must_use]
pub fn credit(
    expected: &Http2,
    connection: &Connection,
    stream: u32,
    length: u64,
) -> Vec<Difference> {
    let setting = expected
        .settings
        .iter()
        .find(|(id, _)| *id == INITIAL_WINDOW_SIZE);
    let window =
        setting.map_or(DEFAULT_WINDOW, |(_, value)| *value) + expected.stream_window_update;
    let thresholds = expected.credit.map_or(
        (window / 2, (DEFAULT_WINDOW + expected.window_update) / 2),
        |credit| (credit.stream, credit.connection),
    );
    let frames = &connection.frames[connection.opening.unwrap_or(0)..];
    // What follows a later request's HEADERS at once is that request's, not the download's.
    let follows = frames.iter().position(|frame| {
        frame.stream == stream && matches!(frame.payload, Payload::Headers { .. })
    });
    let extra = usize::from(expected.stream_window_update > 0 && follows.is_some());
    let of_stream: Vec<_> = describe::increments(frames, stream).skip(extra).collect();
    let of_connection: Vec<_> = describe::increments(frames, 0).collect();
    cadence("stream", thresholds.0, &of_stream, length)
        .into_iter()
        .chain(cadence("connection", thresholds.1, &of_connection, length))
        .collect()
}

/// Each update acknowledges what has come since the last, as soon as that reaches the threshold.
pub(super) fn cadence(what: &str, threshold: u32, seen: &[u32], length: u64) -> Option<Difference> {
    let least = length / u64::from(threshold + SLACK);
    let most = length / u64::from(threshold.max(1));
    let regular = seen
        .iter()
        .all(|it| (threshold..threshold + SLACK).contains(it));
    // The last may be omitted, because the stream has ended, or be due to what came before.
    let enough = (least.saturating_sub(1)..=most + 1).contains(&(seen.len() as u64));
    (!regular || !enough).then(|| {
        let expected = format!("{least} to {most} of about +{threshold}");
        let mut got: Vec<_> = seen.iter().take(8).map(|it| format!("+{it}")).collect();
        if seen.len() > got.len() {
            got.push(format!("… {} in all", seen.len()));
        }
        Difference::new(
            format!("WINDOW_UPDATEs of the {what}"),
            expected,
            got.join(", "),
        )
    })
}

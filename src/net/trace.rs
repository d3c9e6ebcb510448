//! What libcurl says of a transfer, as events of `tracing`: its own remarks and the heads of requests and answers, a line each.
//!
//! libcurl is asked to speak only if somebody listens at that level, which is with `--debug`. Bodies and the bytes of TLS are
//! left out. Credentials are taken out where the events are written or shown.

use curl::easy::InfoType;

/// Whether anybody listens.
pub(super) fn is_on() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

/// Passes on what libcurl says; `data` is as it gives it to `CURLOPT_DEBUGFUNCTION`.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "not our enum, and non-exhaustive"
)]
pub(super) fn say(kind: InfoType, data: &[u8]) {
    let sign = match kind {
        InfoType::Text => '*',
        InfoType::HeaderIn => '<',
        InfoType::HeaderOut => '>',
        // Bodies and TLS records, and what a later libcurl may have.
        _ => return,
    };
    for line in String::from_utf8_lossy(data).lines() {
        if !line.trim().is_empty() {
            tracing::debug!("{sign} {line}");
        }
    }
}

//! What an update is called in one sentence, the same in every face: on the terminal, in the log, as a JSON line's message.

use std::time::{Duration, Instant};

use super::run::Run;
use super::track::Track;
use super::{Level, Update, text};
use crate::hash::Checksum;

/// A sentence, and what the user can do where something failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// How much it matters.
    pub(super) level: Level,
    /// Free of control characters but for line breaks.
    pub(super) text: String,
    /// As free.
    pub(super) hint: Option<String>,
}

/// The sentence for an update that the run has not taken note of yet; `None` for what there is nothing to say of.
pub(super) fn say(update: &Update, run: &Run, now: Instant) -> Option<Line> {
    let about = |id: &usize, what: String| match run.tracks.get(*id) {
        Some(track) => format!("{}: {what}", track.name),
        None => what,
    };
    let (level, text) = match update {
        Update::Planned { .. } | Update::Previewed { .. } => return None,
        Update::Started { id: _, url, name } => (Level::Info, format!("{name}: from {url}")),
        Update::Resolved {
            name,
            size,
            resumed,
            ..
        } => (Level::Info, announcement(name, *size, *resumed)),
        Update::Progress { id, .. } => (Level::Info, progress(run.tracks.get(*id)?, now)),
        Update::Retry { id, reason, delay } => {
            let wait = again(*delay);
            (Level::Warning, about(id, format!("{reason}; {wait}")))
        }
        Update::Throttled {
            id,
            reason,
            requests,
            delay,
        } => {
            let what = throttled(reason, *requests, *delay);
            (Level::Warning, about(id, what))
        }
        Update::Reresolved { id, reason } => {
            let what = format!("{reason}; goes on from the original address");
            (Level::Warning, about(id, what))
        }
        Update::Restarted { id, reason } => (
            Level::Warning,
            about(id, format!("{reason}; begins again with the first byte")),
        ),
        Update::Verified {
            id,
            checksum,
            place,
        } => {
            let what = format!("verified by {place}: {checksum}");
            (Level::Info, about(id, what))
        }
        Update::Completed {
            id,
            path,
            bytes,
            checksums,
            verified,
        } => {
            let speed = run.tracks.get(*id).map(|track| track.average(*bytes, now));
            let facts = facts(*bytes, speed, checksums, verified.as_deref());
            (Level::Info, format!("done: {} ({facts})", path.display()))
        }
        Update::Skipped { path, .. } => {
            let what = format!("complete already: {}", path.display());
            (Level::Info, what)
        }
        Update::Failed { error, hint, .. } | Update::Aborted { error, hint, .. } => {
            return Some(Line {
                level: Level::Error,
                text: text::clean(error),
                hint: hint.as_deref().map(text::clean),
            });
        }
        Update::Message { id, level, text } => match id {
            Some(id) => (*level, about(id, text.clone())),
            None => (*level, text.clone()),
        },
        Update::Summary { .. } => (Level::Info, summary(run, now)),
    };
    Some(Line {
        level,
        text: text::clean(&text),
        hint: None,
    })
}

/// `44%, 45.9 MiB of 119 MiB, 9.2 MiB/s, 0:07 left, 8 requests`, with the file's name before.
pub(super) fn progress(track: &Track, now: Instant) -> String {
    let bytes = text::size(track.bytes);
    let mut parts = match track.size {
        Some(size) => {
            let percent = text::percent(track.bytes, size);
            vec![
                format!("{percent}%"),
                format!("{bytes} of {}", text::size(size)),
            ]
        }
        None => vec![bytes],
    };
    parts.extend(track.speed(now).map(text::speed));
    parts.extend(track.left(now).map(left));
    parts.push(requests(track.requests, track.connections));
    if track.is_throttled(now) {
        parts.push("throttled".to_owned());
    }
    format!("{}: {}", track.name, parts.join(", "))
}

/// `12 of 50 files, 6 in flight, 1 failed, 3.4 GiB, 45.9 MiB/s, 12:34 left, 24 requests`.
pub(super) fn overall(run: &Run, now: Instant) -> String {
    let ended = run.ended();
    let mut parts = vec![match run.planned {
        Some(planned) => format!("{ended} of {planned} files"),
        None => text::plural(ended, "file"),
    }];
    parts.push(format!("{} in flight", run.tracks.len()));
    if run.failed > 0 {
        parts.push(format!("{} failed", run.failed));
    }
    parts.push(text::size(run.arrived()));
    parts.extend(run.speed(now).map(text::speed));
    parts.extend(run.left(now).map(left));
    parts.push(text::plural(run.requests(), "request"));
    parts.join(", ")
}

fn announcement(name: &str, size: Option<u64>, resumed: u64) -> String {
    let size = size.map_or("length unknown".to_owned(), text::size);
    if resumed == 0 {
        return format!("{name}: {size}");
    }
    format!("{name}: {size}, {} of it here already", text::size(resumed))
}

fn again(delay: Duration) -> String {
    if delay.is_zero() {
        return "again at once".to_owned();
    }
    format!("again in {:.1} s", delay.as_secs_f64())
}

fn throttled(reason: &str, requests: usize, delay: Duration) -> String {
    let at_most = text::plural(requests, "request");
    let pause = if delay.is_zero() {
        String::new()
    } else {
        format!(", after {:.1} s", delay.as_secs_f64())
    };
    format!("{reason}; throttled to {at_most} at once{pause}")
}

fn facts(bytes: u64, speed: Option<f64>, checksums: &[Checksum], verified: Option<&str>) -> String {
    let verified = verified.map(|place| format!("verified by {place}"));
    let facts: Vec<String> = [text::size(bytes)]
        .into_iter()
        .chain(speed.map(text::speed))
        .chain(checksums.iter().map(Checksum::to_string))
        .chain(verified)
        .collect();
    facts.join(", ")
}

/// `50 files: 48 complete, 1 complete already, 1 failed; 3.4 GiB in 1:15, 45.9 MiB/s`, then the failures.
fn summary(run: &Run, now: Instant) -> String {
    let mut counts = vec![format!("{} complete", run.complete)];
    if run.skipped > 0 {
        counts.push(format!("{} complete already", run.skipped));
    }
    if run.failed > 0 {
        counts.push(format!("{} failed", run.failed));
    }
    let mut text = format!(
        "{}: {}; {} in {}, {}",
        text::plural(run.ended(), "file"),
        counts.join(", "),
        text::size(run.arrived()),
        text::time(run.age(now)),
        text::speed(run.average(now))
    );
    if run.failed > 0 {
        let named = run.failures.iter().map(|failed| failed.url.as_str());
        text += "; failed: ";
        text += &named.collect::<Vec<_>>().join(" ");
    }
    if run.failed > run.failures.len() {
        text += &format!(" and {} more", run.failed - run.failures.len());
    }
    text
}

fn left(left: Duration) -> String {
    format!("{} left", text::time(left))
}

fn requests(requests: usize, connections: usize) -> String {
    let shown = text::plural(requests, "request");
    if connections == 0 || connections == requests {
        return shown;
    }
    format!("{shown} on {}", text::plural(connections, "connection"))
}

//! What is known of each file in flight, and how fast it grows.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Update, text};
use crate::hash::Checksum;

/// Time constant of the smoothing: what is older than a few of these no longer counts.
const SMOOTHING: f64 = 3.0;

/// A reason to wait is shown once in this time for each file, however many of its requests meet it.
const QUIET_AFTER_RETRY: Duration = Duration::from_secs(5);

/// The files in flight by their numbers.
#[derive(Debug, Default)]
pub(super) struct Tracks(BTreeMap<usize, Track>);

impl Tracks {
    /// Takes note of an update. Returns the line that says it, if it is to be said.
    pub(super) fn note(&mut self, update: Update, now: Instant) -> Option<String> {
        let line = match update {
            Update::Planned { .. } | Update::Verified { .. } | Update::Summary { .. } => {
                return None;
            }
            Update::Started { id, name, .. } => {
                self.0.insert(id, Track::new(&name, now));
                return None;
            }
            Update::Resolved {
                id,
                name,
                size,
                resumed,
                ..
            } => {
                let track = self.0.get_mut(&id)?;
                track.resolve(&name, size, resumed, now);
                track.announcement()
            }
            Update::Progress {
                id,
                bytes,
                requests,
                ..
            } => {
                if let Some(track) = self.0.get_mut(&id) {
                    track.advance(bytes, requests, now);
                }
                return None;
            }
            Update::Retry { id, reason, delay } => {
                let track = self.0.get_mut(&id);
                return track.and_then(|track| track.retry(&reason, delay, now));
            }
            Update::Throttled {
                id,
                reason,
                requests,
                ..
            } => {
                let name = &self.0.get(&id)?.name;
                format!("{name}: {reason}; at most {requests} at once from here on")
            }
            Update::Reresolved { id, reason } => {
                let name = &self.0.get(&id)?.name;
                format!("{name}: {reason}; goes on from the original address")
            }
            Update::Restarted { id, reason } => {
                let name = &self.0.get(&id)?.name;
                format!("{name}: {reason}; begun anew")
            }
            Update::Completed {
                id,
                path,
                bytes,
                checksums,
                verified,
            } => {
                let average = self.0.remove(&id).map(|track| track.average(bytes, now));
                let digests = checksums.iter().map(Checksum::to_string);
                let verified = verified.map(|place| format!("verified by {place}"));
                let facts: Vec<String> = [text::size(bytes)]
                    .into_iter()
                    .chain(average)
                    .chain(digests)
                    .chain(verified)
                    .collect();
                format!("done: {} ({})", path.display(), facts.join(", "))
            }
            Update::Skipped { id, path } => {
                self.0.remove(&id);
                format!("complete already: {}", path.display())
            }
            Update::Failed {
                id, error, hint, ..
            } => {
                self.0.remove(&id);
                complaint(&error, hint.as_deref())
            }
            Update::Aborted { error, hint, .. } => complaint(&error, hint.as_deref()),
            Update::Message { level, text, .. } => message(level, &text),
        };
        Some(text::clean(&line))
    }

    /// All files in flight, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Track)> {
        self.0.iter().map(|(&id, track)| (id, track))
    }

    /// One file in flight.
    pub(super) fn get(&self, id: usize) -> Option<&Track> {
        self.0.get(&id)
    }
}

fn complaint(error: &str, hint: Option<&str>) -> String {
    let hint = hint.map_or(String::new(), |hint| format!("\nhint: {hint}"));
    format!("hs: {error}{hint}")
}

fn message(level: super::Level, text: &str) -> String {
    match level {
        super::Level::Info => text.to_owned(),
        super::Level::Warning => format!("hs: warning: {text}"),
        super::Level::Error => format!("hs: {text}"),
    }
}

/// One file in flight.
#[derive(Debug)]
pub(super) struct Track {
    /// Free of control characters.
    pub(super) name: String,
    /// Bytes of the whole file, if known.
    pub(super) size: Option<u64>,
    /// Bytes that are there.
    pub(super) bytes: u64,
    /// Requests in flight.
    pub(super) requests: usize,
    /// Bytes that did not arrive in this run; never counted as speed.
    resumed: u64,
    /// When the file began.
    started: Instant,
    /// When `bytes` was last told.
    told: Instant,
    /// Weighted bytes per second, see `speed`.
    rate: f64,
    /// Sum of the weights in `rate`: 0 at first, towards 1 with time.
    weight: f64,
    /// When a retry was last shown.
    retried: Option<Instant>,
}

impl Track {
    fn new(name: &str, now: Instant) -> Self {
        Self {
            name: text::clean(name),
            size: None,
            bytes: 0,
            requests: 0,
            resumed: 0,
            started: now,
            told: now,
            rate: 0.0,
            weight: 0.0,
            retried: None,
        }
    }

    /// Smoothed bytes per second; `None` before there is anything to tell from.
    ///
    /// An exponential mean over time, freed of its bias at the beginning. Time in which nothing is told counts as time
    /// in which nothing came.
    pub(super) fn speed(&self, now: Instant) -> Option<f64> {
        let (rate, weight) = self.blend(0.0, now);
        (weight > 0.05).then(|| rate / weight)
    }

    /// Time until the file is complete at the present speed, if that can be told.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let missing = self.size?.saturating_sub(self.bytes);
        let speed = self.speed(now).filter(|&speed| speed >= 1.0)?;
        Duration::try_from_secs_f64(missing as f64 / speed).ok()
    }

    fn resolve(&mut self, name: &str, size: Option<u64>, resumed: u64, now: Instant) {
        self.name = text::clean(name);
        (self.size, self.bytes, self.resumed) = (size, resumed, resumed);
        (self.started, self.told) = (now, now);
    }

    fn advance(&mut self, bytes: u64, requests: usize, now: Instant) {
        self.requests = requests;
        let elapsed = (now - self.told).as_secs_f64();
        if bytes < self.bytes {
            // Begun anew: what was there before is worth nothing, the speed still holds.
            self.resumed = 0;
        } else if elapsed > 0.0 {
            let news = (bytes - self.bytes) as f64 / elapsed;
            (self.rate, self.weight) = self.blend(news, now);
        } else {
            return;
        }
        (self.bytes, self.told) = (bytes, now);
    }

    /// Rate and weight if since `told` bytes came at `news` per second.
    fn blend(&self, news: f64, now: Instant) -> (f64, f64) {
        let kept = (-(now - self.told).as_secs_f64() / SMOOTHING).exp();
        let fresh = 1.0 - kept;
        (self.rate * kept + news * fresh, self.weight * kept + fresh)
    }

    fn retry(&mut self, reason: &str, after: Duration, now: Instant) -> Option<String> {
        if self.retried.is_some_and(|at| now - at < QUIET_AFTER_RETRY) {
            return None;
        }
        self.retried = Some(now);
        let wait = after.as_secs_f64();
        let reason = text::clean(reason);
        Some(format!("{}: {reason}; again in {wait:.1} s", self.name))
    }

    fn announcement(&self) -> String {
        let size = self.size.map_or("length unknown".to_owned(), text::size);
        if self.resumed == 0 {
            return format!("{}: {size}", self.name);
        }
        let here = text::size(self.resumed);
        format!("{}: {size}, {here} of it here already", self.name)
    }

    /// Speed over all of this run.
    fn average(&self, bytes: u64, now: Instant) -> String {
        let seconds = (now - self.started).as_secs_f64().max(0.001);
        text::speed(bytes.saturating_sub(self.resumed) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn started(resumed: u64, now: Instant) -> Tracks {
        let mut tracks = Tracks::default();
        let name = "a\u{1b}.bin";
        super::super::testing::begin(&mut tracks, name, Some(1000 * MIB), resumed, now);
        tracks
    }

    fn progress(tracks: &mut Tracks, bytes: u64, now: Instant) {
        let update = Update::Progress {
            id: 0,
            bytes,
            requests: 4,
            connections: 4,
        };
        assert_eq!(tracks.note(update, now), None);
    }

    #[test]
    fn a_steady_speed_is_shown_at_once_without_what_was_resumed() {
        let start = Instant::now();
        let mut tracks = started(500 * MIB, start);
        assert_eq!(tracks.get(0).unwrap().speed(start), None);
        for tenth in 1..=100 {
            let now = start + Duration::from_millis(100 * tenth);
            progress(&mut tracks, (500 + tenth) * MIB, now);
            if let Some(speed) = tracks.get(0).unwrap().speed(now) {
                assert!((speed / MIB as f64 - 10.0).abs() < 0.01, "{speed}");
            }
        }
        let track = tracks.get(0).unwrap();
        let left = track.left(start + Duration::from_secs(10)).unwrap();
        assert_eq!(left.as_secs_f64().round(), 40.0);
        let later = start + Duration::from_secs(40);
        assert!(track.speed(later).unwrap() < MIB as f64, "a stall is seen");
    }

    #[test]
    fn a_restart_does_not_go_backwards_in_speed() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut tracks = started(0, start);
        progress(&mut tracks, 100 * MIB, at(10));
        progress(&mut tracks, 0, at(11));
        progress(&mut tracks, 10 * MIB, at(12));
        let speed = tracks.get(0).unwrap().speed(at(12)).unwrap() / MIB as f64;
        assert!((9.0..11.0).contains(&speed), "{speed}");
    }

    #[test]
    fn the_same_trouble_is_told_once() {
        let start = Instant::now();
        let mut tracks = started(0, start);
        let mut retry = |seconds| {
            let now = start + Duration::from_secs(seconds);
            let retry = Update::Retry {
                id: 0,
                reason: "server \u{7}busy".to_owned(),
                delay: Duration::from_millis(1500),
            };
            tracks.note(retry, now)
        };
        let line = "a\u{FFFD}.bin: server \u{FFFD}busy; again in 1.5 s";
        assert_eq!(retry(0).as_deref(), Some(line));
        assert_eq!(retry(4), None);
        assert_eq!(retry(6).as_deref(), Some(line));
    }
}

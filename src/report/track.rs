//! What is known of each file in flight, and how fast it grows.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Update, text};

/// Time constant of the smoothing: what is older than a few of these no longer counts.
const SMOOTHING: f64 = 3.0;

/// How long a file counts as throttled after the server was last found to be asked too much.
const THROTTLED: Duration = Duration::from_secs(10);

/// The files in flight by their numbers.
#[derive(Debug, Default)]
pub(super) struct Tracks(BTreeMap<usize, Track>);

impl Tracks {
    /// Takes note of an update. Returns the track of a file that is no longer in flight because of it.
    pub(super) fn note(&mut self, update: &Update, now: Instant) -> Option<Track> {
        match update {
            Update::Started { id, url, name } => {
                self.0.insert(*id, Track::new(url, name, now));
            }
            Update::Resolved {
                id,
                name,
                size,
                resumed,
                ..
            } => self.change(*id, |track| track.resolve(name, *size, *resumed, now)),
            Update::Progress {
                id,
                bytes,
                requests,
                connections,
            } => self.change(*id, |track| {
                (track.requests, track.connections) = (*requests, *connections);
                track.advance(*bytes, now);
            }),
            Update::Retry { id, delay, .. } => {
                self.change(*id, |track| track.waits_until = Some(now + *delay));
            }
            Update::Throttled { id, delay, .. } => {
                self.change(*id, |track| {
                    track.throttled_until = Some(now + *delay + THROTTLED);
                });
            }
            Update::Completed { id, bytes, .. } => {
                self.change(*id, |track| track.bytes = *bytes);
                return self.0.remove(id);
            }
            Update::Skipped { id, .. } | Update::Previewed { id } | Update::Failed { id, .. } => {
                return self.0.remove(id);
            }
            Update::Planned { .. }
            | Update::Reresolved { .. }
            | Update::Restarted { .. }
            | Update::Verified { .. }
            | Update::Aborted { .. }
            | Update::Message { .. }
            | Update::Summary { .. } => {}
        }
        None
    }

    /// All files in flight, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Track)> {
        self.0.iter().map(|(&id, track)| (id, track))
    }

    /// One file in flight.
    pub(super) fn get(&self, id: usize) -> Option<&Track> {
        self.0.get(&id)
    }

    /// How many files are in flight.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn change(&mut self, id: usize, how: impl FnOnce(&mut Track)) {
        if let Some(track) = self.0.get_mut(&id) {
            how(track);
        }
    }
}

/// One file in flight.
#[derive(Debug)]
pub(super) struct Track {
    /// Where from, without credentials.
    pub(super) url: String,
    /// Free of control characters; a guess until the server has answered.
    pub(super) name: String,
    /// Whether the server has answered.
    pub(super) resolved: bool,
    /// Bytes of the whole file, if known.
    pub(super) size: Option<u64>,
    /// Bytes that are there.
    pub(super) bytes: u64,
    /// Requests in flight.
    pub(super) requests: usize,
    /// Connections that they share.
    pub(super) connections: usize,
    /// Bytes that did not arrive in this run; never counted as speed.
    resumed: u64,
    /// When the file began.
    begun: Instant,
    /// When the server had answered; `begun` until then.
    answered: Instant,
    /// When `bytes` was last told.
    told: Instant,
    /// Weighted bytes per second, see `speed`.
    rate: f64,
    /// Sum of the weights in `rate`: 0 at first, towards 1 with time.
    weight: f64,
    /// When the last request that failed is made again.
    waits_until: Option<Instant>,
    /// When the server is taken to be at ease again.
    throttled_until: Option<Instant>,
}

impl Track {
    fn new(url: &str, name: &str, now: Instant) -> Self {
        Self {
            url: url.to_owned(),
            name: text::clean(name),
            resolved: false,
            size: None,
            bytes: 0,
            requests: 0,
            connections: 0,
            resumed: 0,
            begun: now,
            answered: now,
            told: now,
            rate: 0.0,
            weight: 0.0,
            waits_until: None,
            throttled_until: None,
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

    /// Time until it asks again, if it does nothing but wait for that.
    pub(super) fn waits(&self, now: Instant) -> Option<Duration> {
        let until = self.waits_until.filter(|_| self.requests == 0)?;
        until.checked_duration_since(now)
    }

    /// Whether the server was lately found to be asked too much.
    pub(super) fn is_throttled(&self, now: Instant) -> bool {
        self.throttled_until.is_some_and(|until| now < until)
    }

    /// Bytes that arrived in this run.
    pub(super) fn arrived(&self) -> u64 {
        self.bytes.saturating_sub(self.resumed)
    }

    /// Bytes that will have arrived in this run when the file is complete, as far as its size is known.
    pub(super) fn will_arrive(&self) -> u64 {
        let size = self.size.unwrap_or(self.bytes);
        size.max(self.bytes).saturating_sub(self.resumed)
    }

    /// Time since it began.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now - self.begun
    }

    /// Bytes per second of a file of `bytes` over all of this run.
    pub(super) fn average(&self, bytes: u64, now: Instant) -> f64 {
        let seconds = (now - self.answered).as_secs_f64().max(0.001);
        bytes.saturating_sub(self.resumed) as f64 / seconds
    }

    fn resolve(&mut self, name: &str, size: Option<u64>, resumed: u64, now: Instant) {
        self.name = text::clean(name);
        self.resolved = true;
        (self.size, self.bytes, self.resumed) = (size, resumed, resumed);
        (self.answered, self.told) = (now, now);
    }

    fn advance(&mut self, bytes: u64, now: Instant) {
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
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    const MIB: u64 = 1 << 20;

    fn started(resumed: u64, now: Instant) -> Tracks {
        let mut tracks = Tracks::default();
        for update in testing::start(0, "a.bin", Some(1000 * MIB), resumed) {
            tracks.note(&update, now);
        }
        tracks
    }

    fn progress(tracks: &mut Tracks, bytes: u64, now: Instant) {
        tracks.note(&testing::progress(0, bytes, 4), now);
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
    fn a_file_waits_only_while_nothing_is_in_flight() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut tracks = started(0, start);
        let retry = Update::Retry {
            id: 0,
            reason: "busy".to_owned(),
            delay: Duration::from_secs(5),
        };
        tracks.note(&retry, start);
        let waits = |tracks: &Tracks, now| tracks.get(0).unwrap().waits(now);
        assert_eq!(waits(&tracks, at(2)), Some(Duration::from_secs(3)));
        assert_eq!(waits(&tracks, at(6)), None);
        progress(&mut tracks, MIB, at(3));
        assert_eq!(waits(&tracks, at(3)), None, "others go on");
    }

    #[test]
    fn throttling_is_forgotten_after_a_while() {
        let start = Instant::now();
        let mut tracks = started(0, start);
        let throttled = Update::Throttled {
            id: 0,
            reason: "status 429".to_owned(),
            requests: 2,
            delay: Duration::from_secs(5),
        };
        tracks.note(&throttled, start);
        let track = tracks.get(0).unwrap();
        assert!(track.is_throttled(start + Duration::from_secs(14)));
        assert!(!track.is_throttled(start + Duration::from_secs(16)));
    }
}

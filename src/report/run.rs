//! The run as a whole: what is in flight, what became of the rest, and how fast all of it is together.

use std::time::{Duration, Instant};

use super::Update;
use super::track::{Track, Tracks};

/// Failures that are named at the end; of more, only the number is kept.
const NAMED: usize = 100;

/// All that a face has been told.
#[derive(Debug)]
pub(super) struct Run {
    /// The files in flight.
    pub(super) tracks: Tracks,
    /// Files of the run, if that is known.
    pub(super) planned: Option<usize>,
    /// Files that are complete.
    pub(super) complete: usize,
    /// Files that were complete before.
    pub(super) skipped: usize,
    /// Files that failed.
    pub(super) failed: usize,
    /// The first [`NAMED`] of those.
    pub(super) failures: Vec<Failed>,
    /// Bytes of this run that belong to files that have ended.
    ended_bytes: u64,
    /// Sizes of files that are complete; with their number, the mean size that the others may have.
    complete_bytes: u64,
    /// When the run began.
    begun: Instant,
}

/// A file that failed.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    /// Its number.
    pub(super) id: usize,
    /// Its URL, without credentials.
    pub(super) url: String,
    /// [`Error::kind`](crate::Error::kind).
    pub(super) kind: &'static str,
    /// What the run's exit code would be if this was all.
    pub(super) exit_code: u8,
}

impl Run {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            tracks: Tracks::default(),
            planned: None,
            complete: 0,
            skipped: 0,
            failed: 0,
            failures: Vec::new(),
            ended_bytes: 0,
            complete_bytes: 0,
            begun: now,
        }
    }

    /// Takes note of an update.
    pub(super) fn note(&mut self, update: &Update, now: Instant) {
        let ended = self.tracks.note(update, now);
        self.ended_bytes += ended.as_ref().map_or(0, Track::arrived);
        match update {
            Update::Planned { files } => self.planned = Some(*files),
            Update::Completed { bytes, .. } => {
                self.complete += 1;
                self.complete_bytes += bytes;
            }
            Update::Skipped { .. } => self.skipped += 1,
            Update::Failed {
                id,
                kind,
                exit_code,
                ..
            } => {
                self.failed += 1;
                if self.failures.len() < NAMED {
                    self.failures.push(Failed {
                        id: *id,
                        url: ended.map_or_else(String::new, |track| track.url),
                        kind,
                        exit_code: *exit_code,
                    });
                }
            }
            Update::Started { .. }
            | Update::Resolved { .. }
            | Update::Progress { .. }
            | Update::Retry { .. }
            | Update::Throttled { .. }
            | Update::Reresolved { .. }
            | Update::Restarted { .. }
            | Update::Verified { .. }
            | Update::Previewed { .. }
            | Update::Aborted { .. }
            | Update::Message { .. }
            | Update::Summary { .. } => {}
        }
    }

    /// Files that have ended.
    pub(super) fn ended(&self) -> usize {
        self.complete + self.skipped + self.failed
    }

    /// Whether the run is of more than one file, as far as can be told.
    pub(super) fn is_batch(&self) -> bool {
        self.planned
            .unwrap_or(0)
            .max(self.ended() + self.tracks.len())
            > 1
    }

    /// Bytes that arrived in this run.
    pub(super) fn arrived(&self) -> u64 {
        let in_flight = self.tracks.iter().map(|(_, track)| track.arrived());
        self.ended_bytes + in_flight.sum::<u64>()
    }

    /// Bytes that will have arrived when all files are complete of which the size is known, and whether there may be more.
    pub(super) fn will_arrive(&self) -> (u64, bool) {
        let in_flight = self.tracks.iter().map(|(_, track)| track.will_arrive());
        let known = self.ended_bytes + in_flight.sum::<u64>();
        let begun = self.ended() + self.tracks.len();
        let all_sized = self.tracks.iter().all(|(_, track)| track.size.is_some());
        (known, self.planned != Some(begun) || !all_sized)
    }

    /// Bytes per second of all files in flight; `None` before there is anything to tell from.
    pub(super) fn speed(&self, now: Instant) -> Option<f64> {
        let speeds = self.tracks.iter().filter_map(|(_, track)| track.speed(now));
        speeds.reduce(|sum, speed| sum + speed)
    }

    /// Requests in flight.
    pub(super) fn requests(&self) -> usize {
        self.tracks.iter().map(|(_, track)| track.requests).sum()
    }

    /// Bytes per second from the beginning to now.
    pub(super) fn average(&self, now: Instant) -> f64 {
        self.arrived() as f64 / self.age(now).as_secs_f64().max(0.001)
    }

    /// Time since the run began.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now - self.begun
    }

    /// Time until all files are complete, if those to come are as large as those so far; `None` if that cannot be told.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let to_come = self
            .planned?
            .checked_sub(self.ended() + self.tracks.len())?;
        let sizes: Vec<u64> = self.tracks.iter().filter_map(|(_, t)| t.size).collect();
        let known = self.complete + sizes.len();
        let unknown = to_come + self.tracks.len() - sizes.len();
        if known == 0 {
            return None;
        }
        let mean = (self.complete_bytes + sizes.iter().sum::<u64>()) as f64 / known as f64;
        let here = self.tracks.iter().filter(|(_, t)| t.size.is_some());
        let here: u64 = here.map(|(_, t)| t.bytes).sum();
        let missing = sizes.iter().sum::<u64>().saturating_sub(here) as f64 + mean * unknown as f64;
        let speed = self.speed(now).filter(|&speed| speed >= 1.0)?;
        Duration::try_from_secs_f64(missing / speed).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn files_are_counted_and_failures_named() {
        let start = Instant::now();
        let mut run = Run::new(start);
        run.note(&Update::Planned { files: 300 }, start);
        for id in 0..300 {
            for update in testing::start(id, "a", Some(100), 40) {
                run.note(&update, start);
            }
            let end = match id % 3 {
                0 => testing::completed(id, "a", 100),
                1 => testing::failed(id),
                _ => Update::Skipped {
                    id,
                    path: "a".into(),
                    bytes: 100,
                },
            };
            run.note(&end, start);
        }
        assert_eq!((run.complete, run.failed, run.skipped), (100, 100, 100));
        assert_eq!(run.failures.len(), NAMED);
        assert_eq!(run.failures[0].url, "https://example.org/1");
        assert_eq!(run.arrived(), 100 * 60, "what was resumed did not arrive");
        assert_eq!((run.ended(), run.tracks.len()), (300, 0));
    }

    #[test]
    fn what_is_known_of_a_list_grows_until_its_end() {
        let start = Instant::now();
        let mut run = Run::new(start);
        for id in 0..3 {
            for update in testing::start(id, "a", Some(100), 40) {
                run.note(&update, start);
            }
        }
        run.note(&testing::completed(0, "a", 100), start);
        assert_eq!(run.will_arrive(), (180, true), "the list may go on");
        run.note(&Update::Planned { files: 3 }, start);
        assert_eq!(run.will_arrive(), (180, false));
        for update in testing::start(3, "b", None, 0) {
            run.note(&update, start);
        }
        run.note(&Update::Planned { files: 4 }, start);
        run.note(&testing::progress(3, 7, 1), start + Duration::from_secs(1));
        assert_eq!(
            run.will_arrive(),
            (187, true),
            "nobody knows how long it is"
        );
    }

    #[test]
    fn the_time_left_counts_files_to_come() {
        let start = Instant::now();
        let mut run = Run::new(start);
        run.note(&Update::Planned { files: 3 }, start);
        for update in testing::start(0, "a", Some(100 << 20), 0) {
            run.note(&update, start);
        }
        let now = start + Duration::from_secs(10);
        run.note(&testing::progress(0, 50 << 20, 2), now);
        let left = run.left(now).unwrap().as_secs_f64();
        assert!((49.0..51.0).contains(&left), "{left}");
        assert_eq!(run.requests(), 2);
    }
}

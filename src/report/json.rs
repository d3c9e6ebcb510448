//! One JSON object a line, for programs: every update, progress once a second for each file.
//!
//! The shape is a contract, `docs/json-lines.schema.json`: tests hold all output against it. Times are UTC.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Map, Value, json};

use super::run::Run;
use super::words::{self, Line};
use super::{Face, Level, Update, clock};
use crate::answer::Ranges;
use crate::hash::Checksum;

/// Time between two progress lines of one file.
const EVERY: Duration = Duration::from_secs(1);

/// Writes lines to `out`.
#[derive(Debug)]
pub(super) struct Json<W> {
    /// Where they go; errors are ignored.
    out: W,
    run: Run,
    /// When each file in flight had its last progress line.
    told: BTreeMap<usize, Instant>,
    /// Tells the time of a line.
    wall_clock: fn() -> SystemTime,
}

impl<W: Write> Json<W> {
    pub(super) fn new(out: W, now: Instant, wall_clock: fn() -> SystemTime) -> Self {
        Self {
            out,
            run: Run::new(now),
            told: BTreeMap::new(),
            wall_clock,
        }
    }

    /// Writes the line of an update that the run has not taken note of yet.
    fn line(&mut self, update: &Update, now: Instant) {
        let line = event(update).zip(words::say(update, &self.run, now));
        let Some((event, Line { level, text, .. })) = line else {
            return;
        };
        let mut line = Map::new();
        let timestamp = clock::rfc3339((self.wall_clock)());
        line.insert("timestamp".into(), timestamp.into());
        line.insert("level".into(), name(level).into());
        line.insert("event".into(), event.into());
        line.insert("message".into(), text.into());
        line.extend(file(update, &self.run));
        line.extend(object(facts(update, &self.run, now)));
        // One call, so that lines of several programs do not mix.
        let _ = self
            .out
            .write_all(format!("{}\n", Value::Object(line)).as_bytes());
    }
}

impl<W: Write + Send> Face for Json<W> {
    fn show(&mut self, update: Update, now: Instant) {
        if !matches!(update, Update::Progress { .. }) {
            // A file's name is known with the answer, which that line is to have already.
            let early = matches!(update, Update::Resolved { .. });
            if early {
                self.run.note(&update, now);
            }
            self.line(&update, now);
            if early {
                return;
            }
        }
        self.run.note(&update, now);
    }

    fn tick(&mut self, now: Instant) {
        let tracks = &self.run.tracks;
        self.told.retain(|&id, _| tracks.get(id).is_some());
        let mut due = Vec::new();
        for (id, track) in tracks.iter().filter(|(_, track)| track.resolved) {
            let told = self.told.entry(id).or_insert(now);
            if now - *told >= EVERY {
                *told = now;
                due.push(Update::Progress {
                    id,
                    bytes: track.bytes,
                    requests: track.requests,
                    connections: track.connections,
                });
            }
        }
        for update in due {
            self.line(&update, now);
        }
    }

    fn close(&mut self) {
        let _ = self.out.flush();
    }
}

/// The levels of the original, of which scripts know the names.
fn name(level: Level) -> &'static str {
    match level {
        Level::Debug => "DEBUG",
        Level::Info => "INFO",
        Level::Warning => "WARNING",
        Level::Error => "ERROR",
    }
}

/// `id`, `url` and `file` of the file that an update is about.
fn file(update: &Update, run: &Run) -> Map<String, Value> {
    let id = match update {
        Update::Started { id, .. }
        | Update::Resolved { id, .. }
        | Update::Progress { id, .. }
        | Update::Retry { id, .. }
        | Update::Throttled { id, .. }
        | Update::Reresolved { id, .. }
        | Update::Restarted { id, .. }
        | Update::Verified { id, .. }
        | Update::Completed { id, .. }
        | Update::Skipped { id, .. }
        | Update::Previewed { id }
        | Update::Failed { id, .. }
        | Update::Message { id: Some(id), .. } => *id,
        Update::Planned { .. }
        | Update::Aborted { .. }
        | Update::Message { id: None, .. }
        | Update::Summary { .. } => return Map::new(),
    };
    let track = run.tracks.get(id);
    object(json!({
        "id": id,
        "url": track.map_or("", |track| &track.url),
        "file": track.map_or("", |track| &track.name),
    }))
}

/// What an update is called; `None` for what has no line.
fn event(update: &Update) -> Option<&'static str> {
    match update {
        Update::Planned { .. } | Update::Started { .. } | Update::Previewed { .. } => None,
        Update::Resolved { .. } => Some("resolved"),
        Update::Progress { .. } => Some("progress"),
        Update::Retry { .. } => Some("retry"),
        Update::Throttled { .. } => Some("throttled"),
        Update::Reresolved { .. } => Some("reresolved"),
        Update::Restarted { .. } => Some("restarted"),
        Update::Verified { .. } => Some("verified"),
        Update::Completed { .. } | Update::Skipped { .. } => Some("completed"),
        Update::Failed { .. } | Update::Aborted { .. } => Some("failed"),
        Update::Message { .. } => Some("note"),
        Update::Summary { .. } => Some("summary"),
    }
}

/// What an update has beyond the fields of all lines.
#[rustfmt::skip]
fn facts(update: &Update, run: &Run, now: Instant) -> Value {
    let track = |id: &usize| run.tracks.get(*id);
    let age = |id: &usize| seconds(track(id).map_or(Duration::ZERO, |track| track.age(now)));
    match update {
        Update::Planned { .. }
        | Update::Started { .. }
        | Update::Previewed { .. }
        | Update::Message { .. } => json!({}),
        Update::Resolved { size, ranges, protocol, checksum, resumed, .. } => json!({
            "size": size, "ranges": possible(*ranges), "protocol": protocol.to_string(),
            "checksum": checksum.as_ref().map(Checksum::to_string), "resumed": resumed,
        }),
        Update::Progress { id, bytes, requests, connections } => json!({
            "bytes": bytes, "total": track(id).and_then(|track| track.size),
            "speed": track(id).and_then(|track| track.speed(now)).map(whole),
            "requests": requests, "connections": connections,
        }),
        Update::Retry { reason, delay, .. } => json!({"reason": reason, "delay_s": seconds(*delay)}),
        Update::Throttled { reason, requests, delay, .. } => json!({
            "reason": reason, "requests": requests, "delay_s": seconds(*delay),
        }),
        Update::Reresolved { reason, .. } | Update::Restarted { reason, .. } => json!({"reason": reason}),
        Update::Verified { checksum, place, .. } => json!({"checksum": checksum.to_string(), "place": place}),
        Update::Completed { id, path, bytes, checksums, .. } => {
            let digests: Vec<_> = checksums.iter().map(Checksum::to_string).collect();
            json!({
                "path": path.to_string_lossy(), "bytes": bytes, "seconds": age(id),
                "digest": digests.first(), "digests": digests, "skipped": false,
            })
        }
        Update::Skipped { id, path, bytes } => json!({
            "path": path.to_string_lossy(), "bytes": bytes, "seconds": age(id),
            "digest": null, "digests": [], "skipped": true,
        }),
        Update::Failed { kind, exit_code, hint, .. }
        | Update::Aborted { kind, exit_code, hint, .. } => json!({
            "kind": kind, "exit_code": exit_code, "hint": hint,
        }),
        Update::Summary { exit_code } => summary(*exit_code, run, now),
    }
}

fn summary(exit_code: u8, run: &Run, now: Instant) -> Value {
    let failures: Vec<_> = run
        .failures
        .iter()
        .map(|failed| {
            json!({"id": failed.id, "url": failed.url, "kind": failed.kind, "exit_code": failed.exit_code})
        })
        .collect();
    json!({"exit_code": exit_code, "files": run.ended(), "complete": run.complete, "skipped": run.skipped,
        "failed": run.failed, "failures": failures, "bytes": run.arrived(), "seconds": seconds(run.age(now))})
}

/// `null` where it will only be seen.
fn possible(ranges: Ranges) -> Option<bool> {
    match ranges {
        Ranges::Yes => Some(true),
        Ranges::Unknown => None,
        Ranges::No => Some(false),
    }
}

/// To the millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

fn whole(speed: f64) -> u64 {
    // A float beyond the range ends at its end.
    speed.round() as u64
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use std::time::UNIX_EPOCH;

    fn lines(updates: &[(u64, Update)]) -> Vec<Value> {
        let start = Instant::now();
        let mut json = Json::new(Vec::new(), start, || UNIX_EPOCH);
        for (tenths, update) in updates {
            let now = start + Duration::from_millis(100 * tenths);
            json.show(update.clone(), now);
            json.tick(now);
        }
        let text = String::from_utf8(json.out).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_file_event_names_its_file_even_before_the_answer() {
        let [started, resolved] = testing::start(7, "a.bin", None, 3);
        let retry = Update::Retry {
            id: 7,
            reason: "busy".to_owned(),
            delay: Duration::from_micros(1_500_400),
        };
        let lines = lines(&[(0, started), (0, retry), (20, resolved)]);
        assert_eq!(
            lines[0],
            json!({"timestamp": "1970-01-01T00:00:00.000000Z", "level": "WARNING", "event": "retry", "id": 7,
                "url": "https://example.org/7", "file": "guess", "message": "guess: busy; again in 1.5 s",
                "reason": "busy", "delay_s": 1.5})
        );
        assert_eq!(lines[1]["file"], "a.bin");
        assert_eq!(
            (&lines[1]["size"], &lines[1]["ranges"], &lines[1]["resumed"]),
            (&Value::Null, &json!(true), &json!(3))
        );
    }

    #[test]
    fn progress_comes_once_a_second() {
        let mut updates: Vec<_> = testing::start(0, "a.bin", Some(1000), 0)
            .into_iter()
            .map(|update| (0, update))
            .collect();
        updates.extend((0..=35).map(|tenths| (tenths, testing::progress(0, tenths, 2))));
        let lines = lines(&updates);
        let progress: Vec<_> = lines.iter().filter(|l| l["event"] == "progress").collect();
        let bytes: Vec<_> = progress
            .iter()
            .map(|l| l["bytes"].as_u64().unwrap())
            .collect();
        assert_eq!(bytes, [10, 20, 30]);
        assert_eq!(progress[0]["speed"], 10);
    }

    #[test]
    fn a_failure_of_the_run_has_no_file() {
        let aborted = Update::Aborted {
            kind: "usage",
            exit_code: 2,
            error: "no URL\nat all".to_owned(),
            hint: None,
        };
        let lines = lines(&[(0, aborted), (0, Update::Summary { exit_code: 2 })]);
        assert_eq!(lines[0].get("id"), None);
        assert_eq!(lines[0]["message"], "no URL\nat all");
        assert_eq!(
            (&lines[1]["exit_code"], &lines[1]["files"]),
            (&json!(2), &json!(0))
        );
    }
}

//! Lines that stay, for logs and pipes: a file's beginning, how far it is every ten seconds, and its end.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use super::track::{Track, Tracks};
use super::{Face, Update, text};

/// Time between two lines about the progress of one file.
const EVERY: Duration = Duration::from_secs(10);

/// Writes lines to `out`.
#[derive(Debug)]
pub(super) struct Lines<W> {
    /// Where they go; errors are ignored.
    out: W,
    /// The files in flight.
    tracks: Tracks,
    /// When each file in flight had its last line.
    told: BTreeMap<usize, Instant>,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            tracks: Tracks::default(),
            told: BTreeMap::new(),
        }
    }

    fn line(&mut self, line: &str) {
        // One call, so that lines of several programs do not mix.
        let _ = self.out.write_all(format!("{line}\n").as_bytes());
    }
}

impl<W: Write + Send> Face for Lines<W> {
    fn show(&mut self, update: Update, now: Instant) {
        if let Some(line) = self.tracks.note(update, now) {
            self.line(&line);
        }
    }

    fn tick(&mut self, now: Instant) {
        let tracks = &self.tracks;
        self.told.retain(|&id, _| tracks.get(id).is_some());
        let mut due = Vec::new();
        for (id, track) in self.tracks.iter() {
            let told = self.told.entry(id).or_insert(now);
            if now - *told >= EVERY {
                *told = now;
                due.push(progress(track, now));
            }
        }
        for line in due {
            self.line(&line);
        }
    }

    fn close(&mut self) {
        let _ = self.out.flush();
    }
}

/// `a.bin: 44%, 45.9 MiB of 119 MiB, 9.2 MiB/s, 0:07 left, 8 requests`.
fn progress(track: &Track, now: Instant) -> String {
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
    parts.extend(
        track
            .left(now)
            .map(|left| format!("{} left", text::time(left))),
    );
    let plural = if track.requests == 1 { "" } else { "s" };
    parts.push(format!("{} request{plural}", track.requests));
    format!("{}: {}", track.name, parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::hash::{Algorithm, Checksum};

    #[test]
    fn a_file_in_plain_lines() {
        let start = Instant::now();
        let mut lines = Lines::new(Vec::new());
        let id = 3;
        for update in testing::start(id, "a.bin", Some(1000 << 20), 100 << 20) {
            lines.show(update, start);
        }
        for second in 0..=25 {
            let now = start + Duration::from_secs(second);
            let update = Update::Progress {
                id,
                bytes: (100 + 10 * second) << 20,
                requests: 8,
                connections: 1,
            };
            lines.show(update, now);
            lines.tick(now);
        }
        let finished = Update::Completed {
            id,
            path: "d/a.bin".into(),
            bytes: 1000 << 20,
            checksums: vec![Checksum {
                algorithm: Algorithm::Crc32c,
                digest: vec![1, 2, 3, 4],
            }],
            verified: None,
        };
        lines.show(finished, start + Duration::from_secs(30));
        lines.tick(start + Duration::from_secs(31));
        let failed = Update::Failed {
            id: 4,
            kind: "http",
            exit_code: 4,
            error: "not found".to_owned(),
            hint: Some("check the address".to_owned()),
        };
        lines.show(failed, start + Duration::from_secs(31));
        let text = String::from_utf8(lines.out).unwrap();
        let expected = "\
            a.bin: 1000 MiB, 100 MiB of it here already\n\
            a.bin: 20%, 200 MiB of 1000 MiB, 10.0 MiB/s, 1:20 left, 8 requests\n\
            a.bin: 30%, 300 MiB of 1000 MiB, 10.0 MiB/s, 1:10 left, 8 requests\n\
            done: d/a.bin (1000 MiB, 30.0 MiB/s, crc32c:01020304)\n\
            hs: not found\n\
            hint: check the address\n";
        assert_eq!(text, expected);
    }
}

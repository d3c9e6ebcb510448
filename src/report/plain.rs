//! Lines that stay, for logs and pipes: a file's beginning, how far it is every ten seconds, and its end. Of many files at
//! once, one line tells how far all of them are.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use super::speaker::Speaker;
use super::{Face, Update, words};

/// Time between two lines about the progress of one file, or of all.
const EVERY: Duration = Duration::from_secs(10);

/// Files in flight that have lines of their own.
const FEW: usize = 4;

/// Writes lines to `out`.
#[derive(Debug)]
pub(super) struct Lines<W> {
    /// Where they go; errors are ignored.
    out: W,
    speaker: Speaker,
    /// When each file in flight had its last line.
    told: BTreeMap<usize, Instant>,
    /// When all files together had their last line.
    told_overall: Instant,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(out: W, now: Instant) -> Self {
        Self {
            out,
            speaker: Speaker::new(now),
            told: BTreeMap::new(),
            told_overall: now,
        }
    }

    fn line(&mut self, line: &str) {
        // One call, so that lines of several programs do not mix.
        let _ = self.out.write_all(format!("{line}\n").as_bytes());
    }

    /// Lines of single files that are due.
    fn due(&mut self, now: Instant) -> Vec<String> {
        let tracks = &self.speaker.run.tracks;
        self.told.retain(|&id, _| tracks.get(id).is_some());
        let mut due = Vec::new();
        for (id, track) in tracks.iter() {
            let told = self.told.entry(id).or_insert(now);
            if now - *told >= EVERY && track.resolved {
                *told = now;
                due.push(words::progress(track, now));
            }
        }
        due
    }
}

impl<W: Write + Send> Face for Lines<W> {
    fn show(&mut self, update: Update, now: Instant) {
        if let Some(line) = self.speaker.hear(&update, now) {
            self.line(&line);
        }
    }

    fn tick(&mut self, now: Instant) {
        let run = &self.speaker.run;
        if run.tracks.len() <= FEW {
            for line in self.due(now) {
                self.line(&line);
            }
        } else if now - self.told_overall >= EVERY {
            self.told_overall = now;
            let line = words::overall(run, now);
            self.line(&line);
        }
    }

    fn close(&mut self) {
        let _ = self.out.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::hash::{Algorithm, Checksum};

    #[test]
    fn a_file_in_plain_lines() {
        let start = Instant::now();
        let mut lines = Lines::new(Vec::new(), start);
        let id = 3;
        for update in testing::start(id, "a.bin", Some(1000 << 20), 100 << 20) {
            lines.show(update, start);
        }
        for second in 0..=25 {
            let now = start + Duration::from_secs(second);
            lines.show(testing::progress(id, (100 + 10 * second) << 20, 8), now);
            lines.tick(now);
        }
        let completed = Update::Completed {
            id,
            path: "d/a.bin".into(),
            bytes: 1000 << 20,
            checksums: vec![Checksum {
                algorithm: Algorithm::Crc32c,
                digest: vec![1, 2, 3, 4],
            }],
            verified: None,
        };
        lines.show(completed, start + Duration::from_secs(30));
        lines.tick(start + Duration::from_secs(31));
        let text = String::from_utf8(lines.out).unwrap();
        let expected = "\
            a.bin: 1000 MiB, 100 MiB of it here already\n\
            a.bin: 20%, 200 MiB of 1000 MiB, 10.0 MiB/s, 1:20 left, 8 requests on 1 connection\n\
            a.bin: 30%, 300 MiB of 1000 MiB, 10.0 MiB/s, 1:10 left, 8 requests on 1 connection\n\
            done: d/a.bin (1000 MiB, 30.0 MiB/s, crc32c:01020304)\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn many_files_share_a_line() {
        let start = Instant::now();
        let mut lines = Lines::new(Vec::new(), start);
        lines.show(Update::Planned { files: 50 }, start);
        for id in 0..50 {
            let [started, resolved] = testing::start(id, "a.bin", Some(10 << 20), 0);
            lines.speaker.hear(&started, start);
            lines.speaker.hear(&resolved, start);
        }
        for second in 0..=10 {
            let now = start + Duration::from_secs(second);
            for id in 0..50 {
                lines.show(testing::progress(id, second << 19, 1), now);
            }
            lines.tick(now);
        }
        let text = String::from_utf8(lines.out).unwrap();
        let expected = "0 of 50 files, 50 in flight, 250 MiB, 25.0 MiB/s, 0:10 left, 50 requests\n";
        assert_eq!(text, expected);
    }
}

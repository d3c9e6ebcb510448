//! The moving lines: one for each file in flight, one for all of them, composed for a given width.
//!
//! Pure, so that every width can be tested. A narrow terminal loses first what matters least: connections, sizes, the
//! bar, requests. Never does a line become longer than it may be, which would break the screen.

use std::time::{Duration, Instant};

use unicode_width::UnicodeWidthStr;

use super::run::Run;
use super::text;
use super::track::Track;

/// How a part of a line is coloured, as the parameters of SGR (ECMA-48 §8.3.117); empty is as the terminal has it.
type Ink = &'static str;

const PLAIN: Ink = "";
const DONE: Ink = "32";
const TO_COME: Ink = "2";
const TROUBLE: Ink = "33";

/// Columns from which on there is room for these.
const FOR_GAPS: usize = 60;
const FOR_REQUESTS: usize = 66;
const FOR_SIZES: usize = 100;
const FOR_CONNECTIONS: usize = 120;

/// Columns that a name and a bar need to be worth their room.
const FOR_BAR: usize = 28;

/// The longest name that is shown whole beside a bar.
const NAME: usize = 48;

/// Lines in at most `columns` columns and `rows` rows, the last of them about all files if there are several.
pub(super) fn compose(
    run: &Run,
    (columns, rows): (usize, usize),
    colour: bool,
    now: Instant,
) -> Vec<String> {
    let files = run.tracks.len();
    let overall = run.is_batch();
    let room = rows.saturating_sub(usize::from(overall)).max(1);
    // The line that says how many more there are needs room itself.
    let shown = if files > room { room - 1 } else { files };
    let tracks = run.tracks.iter().take(shown);
    let mut lines: Vec<_> = tracks
        .map(|(_, track)| file(track, columns, now).render(columns, colour))
        .collect();
    if shown < files {
        lines.push(text::fit(&format!("… and {} more", files - shown), columns));
    }
    if overall {
        lines.push(all(run, columns, now).render(columns, colour));
    }
    lines
}

/// A line before its name and its bar get what room is left.
struct Row {
    name: String,
    /// How much of it is there, from 0 to 1; without that there is no bar.
    part: Option<f64>,
    /// What stands to the right.
    cells: Vec<(String, Ink)>,
}

fn file(track: &Track, columns: usize, now: Instant) -> Row {
    let bytes = text::size(track.bytes);
    let mut cells = Vec::new();
    if let Some(size) = track.size {
        let percent = text::percent(track.bytes, size);
        cells.push((format!("{percent:>3}%"), PLAIN));
    }
    match track.size {
        Some(size) if columns >= FOR_SIZES => {
            let sizes = format!("{bytes:>8} of {:<8}", text::size(size));
            cells.push((sizes, PLAIN));
        }
        Some(_) => {}
        None if track.resolved => cells.push((format!("{bytes:>8}"), PLAIN)),
        None => {}
    }
    cells.extend(pace(track, now));
    cells.extend(requests(track.requests, track.connections, columns));
    Row {
        name: track.name.clone(),
        part: part(track),
        cells,
    }
}

/// How much of a file is there, from 0 to 1, if that is known.
fn part(track: &Track) -> Option<f64> {
    Some(match track.size? {
        0 => 1.0,
        size => track.bytes as f64 / size as f64,
    })
}

/// Speed and time left, or why there are none.
fn pace(track: &Track, now: Instant) -> Vec<(String, Ink)> {
    if let Some(wait) = track.waits(now) {
        let wait = text::time(wait + Duration::from_millis(999));
        return vec![(format!("{:>19}", format!("retry in {wait}")), TROUBLE)];
    }
    if !track.resolved {
        return vec![(format!("{:>19}", "asking"), TO_COME)];
    }
    let speed = track.speed(now).map_or("- B/s".to_owned(), text::speed);
    let left = if track.is_throttled(now) {
        ("throttled".to_owned(), TROUBLE)
    } else if track.size.is_none() {
        return vec![(format!("{speed:>10}"), PLAIN)];
    } else {
        let left = track.left(now).map_or("-:--".to_owned(), text::time);
        (format!("{left:>7}"), PLAIN)
    };
    vec![(format!("{speed:>10}"), PLAIN), left]
}

fn all(run: &Run, columns: usize, now: Instant) -> Row {
    let mut name = match run.planned {
        Some(planned) => format!("{} of {planned} files", run.ended()),
        None if columns < FOR_GAPS => format!("{} done", run.ended()),
        None => format!("{} done, {} in flight", run.ended(), run.tracks.len()),
    };
    if run.failed > 0 {
        name += &format!(", {} failed", run.failed);
    }
    let mut cells = Vec::new();
    let mut sizes = format!("{:>8}", text::size(run.arrived()));
    if columns >= FOR_SIZES {
        let (bytes, may_grow) = run.will_arrive();
        let known = text::size(bytes) + if may_grow { "+" } else { "" };
        sizes += &format!(" of {known:<9}");
    }
    cells.push((sizes, PLAIN));
    let speed = run.speed(now).map_or("- B/s".to_owned(), text::speed);
    cells.push((format!("{speed:>10}"), PLAIN));
    if run.planned.is_some() && columns >= 50 {
        let left = run.left(now).map_or("-:--".to_owned(), text::time);
        cells.push((format!("{left:>7}"), PLAIN));
    }
    // Files share connections, so theirs do not add up.
    cells.extend((columns >= FOR_REQUESTS).then(|| (format!("{:>3} req", run.requests()), PLAIN)));
    let planned = run.planned.filter(|&planned| planned > 0);
    let parts = run.tracks.iter().filter_map(|(_, track)| part(track));
    let done = run.ended() as f64 + parts.sum::<f64>();
    Row {
        name,
        part: planned.map(|planned| done / planned as f64),
        cells,
    }
}

fn requests(requests: usize, connections: usize, columns: usize) -> Option<(String, Ink)> {
    let shown = format!("{requests:>3} req");
    if columns >= FOR_CONNECTIONS {
        return Some((format!("{shown} {connections:>3} conn"), PLAIN));
    }
    (columns >= FOR_REQUESTS).then_some((shown, PLAIN))
}

impl Row {
    fn render(&self, columns: usize, colour: bool) -> String {
        let gap = if columns < FOR_GAPS { " " } else { "  " };
        let cells = self.cells.iter();
        let taken: usize = cells.map(|(text, _)| text.width() + gap.len()).sum();
        let Some(rest) = columns.checked_sub(taken).filter(|&rest| rest >= 4) else {
            let cells: Vec<_> = self.cells.iter().map(|(text, _)| text.as_str()).collect();
            return text::fit(&format!("{}  {}", self.name, cells.join("  ")), columns);
        };
        let mut line = match self.part {
            Some(part) if rest >= FOR_BAR => {
                let name = (rest / 2).min(NAME);
                let bar = bar(part, rest - name - 2, colour);
                format!("{}  {bar}", text::pad(&self.name, name))
            }
            Some(_) | None => text::pad(&self.name, rest),
        };
        for (text, ink) in &self.cells {
            line += gap;
            line += &inked(text, ink, colour);
        }
        line
    }
}

fn bar(part: f64, columns: usize, colour: bool) -> String {
    let full = ((part * columns as f64) as usize).min(columns);
    let done = inked(&"█".repeat(full), DONE, colour);
    done + &inked(&"░".repeat(columns - full), TO_COME, colour)
}

fn inked(text: &str, ink: Ink, colour: bool) -> String {
    if colour && !ink.is_empty() && !text.is_empty() {
        format!("\x1b[{ink}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::report::Update;

    fn run(name: &str, size: Option<u64>, files: usize, start: Instant) -> Run {
        let mut run = Run::new(start);
        let now = start + Duration::from_secs(10);
        run.note(&Update::Planned { files }, start);
        for id in 0..files {
            for update in testing::start(id, name, size, 0) {
                run.note(&update, start);
            }
            run.note(&testing::progress(id, 48_129_638, 8), now);
        }
        run
    }

    fn lines(name: &str, size: Option<u64>, columns: usize) -> Vec<String> {
        let start = Instant::now();
        let run = run(name, size, 1, start);
        compose(&run, (columns, 24), false, start + Duration::from_secs(10))
    }

    const NAME: &str = "GCF_000001405.40_GRCh38.p14_genomic.fna.gz";
    const SIZE: Option<u64> = Some(124_856_064);

    #[test]
    fn lines_at_common_widths() {
        assert_eq!(
            lines(NAME, SIZE, 39),
            ["GCF_000….fna.gz  38%  4.6 MiB/s    0:15"]
        );
        assert_eq!(
            lines(NAME, SIZE, 79),
            ["GCF_000001405….fna.gz  ███████░░░░░░░░░░░░░   38%   4.6 MiB/s     0:15    8 req"]
        );
    }

    #[test]
    fn a_batch_has_a_line_for_all() {
        let start = Instant::now();
        let now = start + Duration::from_secs(10);
        let run = run(NAME, SIZE, 50, start);
        let lines = compose(&run, (79, 10), false, now);
        assert_eq!(lines.len(), 10);
        assert_eq!(lines[8], "… and 42 more");
        assert!(lines[9].starts_with("0 of 50 files"), "{}", lines[9]);
        assert!(lines[9].contains("2.2 GiB") && lines[9].ends_with("400 req"));
    }

    #[test]
    fn of_a_list_the_line_for_all_says_what_is_known_so_far() {
        let start = Instant::now();
        let now = start + Duration::from_secs(10);
        let mut run = run(NAME, SIZE, 2, start);
        run.planned = None;
        let all = |run: &Run| compose(run, (120, 10), false, now).remove(2);
        assert!(
            all(&run).starts_with("0 done, 2 in flight"),
            "{}",
            all(&run)
        );
        assert!(all(&run).contains("91.8 MiB of 238 MiB+ "), "{}", all(&run));
        run.note(&Update::Planned { files: 2 }, now);
        assert!(all(&run).starts_with("0 of 2 files"), "{}", all(&run));
        assert!(all(&run).contains("91.8 MiB of 238 MiB  "), "{}", all(&run));
    }

    #[test]
    fn what_a_file_waits_for_is_said() {
        let start = Instant::now();
        let mut run = Run::new(start);
        let [started, resolved] = testing::start(0, "a.bin", SIZE, 0);
        run.note(&started, start);
        let at = |run: &Run, seconds| {
            let now = start + Duration::from_secs(seconds);
            compose(run, (79, 24), false, now).remove(0)
        };
        assert!(at(&run, 1).contains("asking"));
        let retry = Update::Retry {
            id: 0,
            reason: "busy".to_owned(),
            delay: Duration::from_secs(5),
        };
        run.note(&retry, start);
        assert!(at(&run, 1).contains("retry in 0:04"), "{}", at(&run, 1));
        run.note(&resolved, start + Duration::from_secs(5));
        run.note(
            &testing::progress(0, 1 << 20, 1),
            start + Duration::from_secs(6),
        );
        let throttled = Update::Throttled {
            id: 0,
            reason: "busy".to_owned(),
            requests: 1,
            delay: Duration::ZERO,
        };
        run.note(&throttled, start + Duration::from_secs(6));
        assert!(at(&run, 7).contains("throttled"), "{}", at(&run, 7));
    }

    #[test]
    fn no_width_and_no_name_breaks_a_line() {
        let names = [
            "a",
            "文件名文件名文件名文件名文件名文件名.bin",
            &"x".repeat(300),
        ];
        for name in names {
            for size in [None, Some(0), Some(1), Some(u64::MAX)] {
                for columns in 0..=220 {
                    let line = lines(name, size, columns).remove(0);
                    assert!(line.width() <= columns && !line.contains('\n'), "{line}");
                    assert!(columns < 40 || line.width() == columns, "{columns}: {line}");
                }
            }
        }
    }

    #[test]
    fn colour_changes_no_character() {
        let start = Instant::now();
        let now = start + Duration::from_secs(10);
        let run = run(NAME, SIZE, 3, start);
        let (with, without) = (
            compose(&run, (120, 24), true, now),
            compose(&run, (120, 24), false, now),
        );
        let mut bare = with.join("\n");
        for ink in ["\x1b[32m", "\x1b[2m", "\x1b[33m", "\x1b[0m"] {
            bare = bare.replace(ink, "");
        }
        assert_ne!(with, without);
        assert_eq!(bare, without.join("\n"));
    }
}

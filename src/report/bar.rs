//! One moving line for each file in flight, at the bottom of the terminal; all else scrolls by above.
//!
//! The lines are composed here, by a function that can be tested at any width; `indicatif` keeps them in place, which
//! takes care of scrolling, of several lines, and of a window that changes its size.

use std::collections::BTreeMap;
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::track::{Track, Tracks};
use super::{Face, Update, text};

/// Columns where the terminal does not say how many it has.
const USUAL_WIDTH: usize = 80;

/// Files that get a line of their own; more would push each other off the screen.
const MOST: usize = 16;

/// The lines on the screen.
#[derive(Debug)]
pub(super) struct Bars {
    /// Keeps the lines together.
    screen: MultiProgress,
    /// A line for each file that has one; each is in `tracks` too, except between an update and the next tick.
    lines: BTreeMap<usize, ProgressBar>,
    /// The files in flight.
    tracks: Tracks,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self {
            screen: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            lines: BTreeMap::new(),
            tracks: Tracks::default(),
        }
    }

    fn remove_finished(&mut self) {
        let (screen, tracks) = (&self.screen, &self.tracks);
        self.lines.retain(|&id, line| {
            let stays = tracks.get(id).is_some();
            if !stays {
                line.finish_and_clear();
                screen.remove(line);
            }
            stays
        });
    }
}

impl Face for Bars {
    fn show(&mut self, update: Update, now: Instant) {
        // The moving line says it already.
        let is_start = matches!(update, Update::Resolved { .. });
        let line = self.tracks.note(update, now);
        self.remove_finished();
        if let Some(line) = line.filter(|_| !is_start) {
            let _ = self.screen.println(line);
        }
    }

    fn tick(&mut self, now: Instant) {
        let columns = width();
        for (id, track) in self.tracks.iter().take(MOST) {
            let line = self.lines.entry(id).or_insert_with(|| {
                let line = ProgressBar::no_length().with_style(style());
                self.screen.add(line)
            });
            line.set_message(compose(track, columns, now));
            line.tick();
        }
    }

    fn close(&mut self) {
        let _ = self.screen.clear();
    }
}

/// A line that is nothing but our text.
fn style() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Columns of the terminal that may be used: all but the last, in which some terminals begin a new line.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { USUAL_WIDTH } else { columns }.saturating_sub(1)
}

/// A file's line in at most `columns` columns. Gives up the least important first: bar, requests, sizes.
fn compose(track: &Track, columns: usize, now: Instant) -> String {
    let speed = track.speed(now).map_or("- B/s".to_owned(), text::speed);
    let left = track.left(now).map_or("-:--".to_owned(), text::time);
    let bytes = text::size(track.bytes);
    let requests = format!("{:>3} req", track.requests);
    let mut numbers = match track.size {
        Some(size) => {
            let percent = text::percent(track.bytes, size);
            let sizes = format!("{bytes:>8}/{:<8}", text::size(size));
            let mut numbers = vec![format!("{percent:>3}%")];
            numbers.extend((columns >= 56).then_some(sizes));
            numbers.extend([format!("{speed:>10}"), format!("{left:>7}")]);
            numbers
        }
        None => vec![format!("{bytes:>8}"), format!("{speed:>10}")],
    };
    numbers.extend((columns >= 66).then_some(requests));
    let numbers = numbers.join("  ");
    let rest = columns.saturating_sub(numbers.chars().count() + 2);
    let name = match track.size {
        Some(size) if rest >= 34 => {
            let name = (rest / 2).min(48);
            let bar = bar(track.bytes, size, rest - name - 2);
            format!("{}  {bar}", text::pad(&track.name, name))
        }
        Some(_) | None => text::pad(&track.name, rest),
    };
    text::fit(&format!("{name}  {numbers}"), columns)
}

fn bar(bytes: u64, size: u64, columns: usize) -> String {
    let part = if size == 0 {
        1.0
    } else {
        bytes as f64 / size as f64
    };
    let full = ((part * columns as f64) as usize).min(columns);
    "█".repeat(full) + &"░".repeat(columns - full)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use unicode_width::UnicodeWidthStr;

    fn line(name: &str, size: Option<u64>, columns: usize) -> String {
        let start = Instant::now();
        let now = start + Duration::from_secs(10);
        let mut tracks = Tracks::default();
        super::super::testing::begin(&mut tracks, name, size, 0, start);
        let progress = Update::Progress {
            id: 0,
            bytes: 48_129_638,
            requests: 8,
            connections: 8,
        };
        tracks.note(progress, now);
        compose(tracks.get(0).unwrap(), columns, now)
    }

    #[test]
    fn lines_at_common_widths() {
        let name = "GCF_000001405.40_GRCh38.p14_genomic.fna.gz";
        let size = Some(124_856_064);
        let narrow = line(name, size, 39);
        assert_eq!(narrow, "GCF_00…na.gz   38%   4.6 MiB/s     0:15");
        let usual = line(name, size, 79);
        assert!(
            usual.contains("45.9 MiB/119 MiB") && usual.ends_with("0:15    8 req"),
            "{usual}"
        );
        let wide = line(name, size, 120);
        assert!(
            wide.contains("█") && wide.contains("45.9 MiB/119 MiB") && wide.contains("8 req"),
            "{wide}"
        );
    }

    #[test]
    fn no_width_and_no_name_breaks_a_line() {
        for name in [
            "a",
            "文件名文件名文件名文件名文件名文件名.bin",
            &"x".repeat(300),
        ] {
            for size in [None, Some(0), Some(1), Some(u64::MAX)] {
                for columns in 0..=220 {
                    let line = line(name, size, columns);
                    assert!(line.width() <= columns && !line.contains('\n'), "{line}");
                    assert!(columns < 40 || line.width() == columns, "{columns}: {line}");
                }
            }
        }
    }
}

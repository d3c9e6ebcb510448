//! Moving lines at the bottom of the terminal; all that is to stay scrolls by above.
//!
//! What they say is composed in [`rows`]; `indicatif` keeps them in place.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::speaker::Speaker;
use super::{Face, Update, rows};

/// Columns and rows where the terminal does not say how many it has.
const USUAL: (usize, usize) = (80, 24);

/// Moving lines at most, however large the screen.
const MOST: usize = 16;

/// The lines on the screen.
#[derive(Debug)]
pub(super) struct Bars {
    /// All moving lines, as one message of `indicatif`.
    screen: ProgressBar,
    speaker: Speaker,
    /// Whether lines may be coloured.
    colour: bool,
}

impl Bars {
    pub(super) fn new(colour: bool, now: Instant) -> Self {
        let screen = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        screen.set_style(style());
        Self {
            screen,
            speaker: Speaker::new(now),
            colour,
        }
    }
}

impl Face for Bars {
    fn show(&mut self, update: Update, now: Instant) {
        // The moving line says it already.
        let moves = matches!(update, Update::Resolved { .. });
        let line = self.speaker.hear(&update, now);
        if let Some(line) = line.filter(|_| !moves) {
            self.screen.println(line);
        }
    }

    fn tick(&mut self, now: Instant) {
        let lines = rows::compose(&self.speaker.run, room(), self.colour, now);
        self.screen.set_message(lines.join("\n"));
        self.screen.tick();
    }

    fn close(&mut self) {
        self.screen.finish_and_clear();
    }
}

/// Lines that are nothing but our text.
fn style() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Columns and rows that may be used: all columns but the last, in which some terminals begin a new line, and all rows but
/// two, so that something of what scrolls by is seen.
fn room() -> (usize, usize) {
    let (columns, rows) = rustix::termios::tcgetwinsize(std::io::stderr())
        .map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)))
        .ok()
        .filter(|&(columns, rows)| columns > 0 && rows > 0)
        .unwrap_or(USUAL);
    (columns - 1, rows.saturating_sub(2).clamp(1, MOST))
}

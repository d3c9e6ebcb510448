//! Every update but progress as an event of `tracing`, from where it gets into the log file.

use std::time::Instant;

use super::run::Run;
use super::words::{self, Line};
use super::{Face, Level, TARGET, Update};

/// Writes to whatever `tracing` leads to.
#[derive(Debug)]
pub(super) struct Journal {
    run: Run,
}

impl Journal {
    pub(super) fn new(now: Instant) -> Self {
        Self { run: Run::new(now) }
    }
}

impl Face for Journal {
    fn show(&mut self, update: Update, now: Instant) {
        // What comes for whoever looks for a fault has come from `tracing`.
        let skipped = matches!(
            update,
            Update::Progress { .. }
                | Update::Message {
                    level: Level::Debug,
                    ..
                }
        );
        let line = (!skipped).then(|| words::say(&update, &self.run, now));
        if let Some(Line { level, text, hint }) = line.flatten() {
            let text = hint.map_or(text.clone(), |hint| format!("{text}; hint: {hint}"));
            match level {
                Level::Debug => tracing::debug!(target: TARGET, "{text}"),
                Level::Info => tracing::info!(target: TARGET, "{text}"),
                Level::Warning => tracing::warn!(target: TARGET, "{text}"),
                Level::Error => tracing::error!(target: TARGET, "{text}"),
            }
        }
        self.run.note(&update, now);
    }

    fn tick(&mut self, _: Instant) {}

    fn close(&mut self) {}
}

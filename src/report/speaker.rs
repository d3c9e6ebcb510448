//! What of a run is said in text that stays: by the plain lines, and above the bars.
//!
//! Less than the JSON lines say: nothing that the next line says as well, and trouble once in a while, not once for each of
//! a hundred requests.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::run::Run;
use super::words::{self, Line};
use super::{Level, Update};

/// A reason to wait is said once in this time for each file, however many of its requests meet it.
const QUIET_AFTER_TROUBLE: Duration = Duration::from_secs(5);

/// Hears everything, says what matters.
#[derive(Debug)]
pub(super) struct Speaker {
    /// What was heard.
    pub(super) run: Run,
    /// When each file in flight last had trouble that was said.
    troubled: BTreeMap<usize, Instant>,
}

impl Speaker {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            run: Run::new(now),
            troubled: BTreeMap::new(),
        }
    }

    /// Takes note of an update; returns what is to be said of it.
    pub(super) fn hear(&mut self, update: &Update, now: Instant) -> Option<String> {
        let said = self.is_said(update, now);
        let line = if said {
            words::say(update, &self.run, now)
        } else {
            None
        };
        self.run.note(update, now);
        line.map(|line| prefixed(update, line))
    }

    fn is_said(&mut self, update: &Update, now: Instant) -> bool {
        match update {
            Update::Planned { .. }
            | Update::Started { .. }
            | Update::Progress { .. }
            | Update::Verified { .. } => false,
            Update::Previewed { id } => {
                self.troubled.remove(id);
                false
            }
            Update::Summary { .. } => self.run.is_batch(),
            Update::Retry { id, .. } | Update::Throttled { id, .. } => self.is_news(*id, now),
            Update::Completed { id, .. }
            | Update::Skipped { id, .. }
            | Update::Failed { id, .. } => {
                self.troubled.remove(id);
                true
            }
            Update::Resolved { .. }
            | Update::Reresolved { .. }
            | Update::Restarted { .. }
            | Update::Aborted { .. }
            | Update::Message { .. } => true,
        }
    }

    fn is_news(&mut self, id: usize, now: Instant) -> bool {
        let said = self.troubled.get(&id);
        if said.is_some_and(|&at| now - at < QUIET_AFTER_TROUBLE) {
            return false;
        }
        self.troubled.insert(id, now);
        true
    }
}

/// The sentence, after the program's name where that is how programs complain.
fn prefixed(update: &Update, line: Line) -> String {
    let Line { level, text, hint } = line;
    let hint = hint.map_or(String::new(), |hint| format!("\nhint: {hint}"));
    let complains = matches!(
        update,
        Update::Failed { .. } | Update::Aborted { .. } | Update::Message { .. }
    );
    match level {
        Level::Error if complains => format!("hs: {text}{hint}"),
        Level::Warning if complains => format!("hs: warning: {text}"),
        Level::Debug => format!("hs: debug: {text}"),
        Level::Info | Level::Warning | Level::Error => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn the_same_trouble_is_told_once() {
        let start = Instant::now();
        let mut speaker = Speaker::new(start);
        for update in testing::start(0, "a\u{1b}.bin", None, 0) {
            speaker.hear(&update, start);
        }
        let mut retry = |seconds| {
            let retry = Update::Retry {
                id: 0,
                reason: "server \u{7}busy".to_owned(),
                delay: Duration::from_millis(1500),
            };
            speaker.hear(&retry, start + Duration::from_secs(seconds))
        };
        let line = "a\u{FFFD}.bin: server \u{FFFD}busy; again in 1.5 s";
        assert_eq!(retry(0).as_deref(), Some(line));
        assert_eq!(retry(4), None);
        assert_eq!(retry(6).as_deref(), Some(line));
    }

    #[test]
    fn trouble_before_the_first_answer_is_told() {
        let start = Instant::now();
        let mut speaker = Speaker::new(start);
        let [started, _] = testing::start(0, "a.bin", None, 0);
        assert_eq!(speaker.hear(&started, start), None);
        let retry = Update::Retry {
            id: 0,
            reason: "could not connect".to_owned(),
            delay: Duration::ZERO,
        };
        let line = "guess: could not connect; again at once";
        assert_eq!(speaker.hear(&retry, start).as_deref(), Some(line));
    }

    #[test]
    fn a_batch_ends_with_a_summary_that_names_the_failures() {
        let start = Instant::now();
        let mut speaker = Speaker::new(start);
        for id in 0..2 {
            for update in testing::start(id, "a.bin", Some(1 << 20), 0) {
                speaker.hear(&update, start);
            }
        }
        speaker.hear(&testing::completed(0, "a.bin", 1 << 20), start);
        let failed = speaker.hear(&testing::failed(1), start);
        let expected = "hs: https://example.org/1: not found\nhint: check the address";
        assert_eq!(failed.as_deref(), Some(expected));
        let end = start + Duration::from_secs(2);
        let summary = speaker.hear(&Update::Summary { exit_code: 4 }, end);
        let expected = "2 files: 1 complete, 1 failed; 1.0 MiB in 0:02, 512 KiB/s; failed: https://example.org/1";
        assert_eq!(summary.as_deref(), Some(expected));
    }
}

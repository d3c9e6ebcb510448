//! What a person sees of a run: bars, plain lines, or nothing, always on standard error.
//!
//! The flow sends [`Update`]s and never waits: they go through a channel to a thread of their own, so a terminal that
//! was stopped with Ctrl-S, or a slow pipe behind standard error, cannot slow a download down. Of progress only the
//! latest counts, and it is left out while the thread is behind; everything else is kept in order. How it is shown is
//! the business of a *face*; none of them decides anything, and their errors are ignored, since there is nowhere left
//! to report them.

mod bar;
mod plain;
#[cfg(test)]
mod testing;
mod text;
mod track;
mod update;

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use update::{Level, Update};

/// How often a face may draw.
const TICK: Duration = Duration::from_millis(100);

/// Updates on their way above which progress is left out.
const BACKLOG: usize = 256;

/// How updates are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// One moving line for each file in flight.
    Bars,
    /// Lines that stay: a file's beginning, every ten seconds how far it is, its end.
    Plain,
    /// Nothing.
    Quiet,
}

impl Style {
    /// Bars on a terminal, plain lines elsewhere.
    #[must_use]
    pub fn for_stderr() -> Self {
        if io::stderr().is_terminal() {
            Self::Bars
        } else {
            Self::Plain
        }
    }
}

/// Where updates are sent. Clones lead to the same place.
#[derive(Clone, Debug)]
pub struct Reporter {
    /// `None` if nothing is shown.
    shared: Option<Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    /// Leads to the thread; nothing is sent after `None`, which ends it.
    sender: Sender<Option<Update>>,
    /// Updates sent and not yet shown.
    pending: Arc<AtomicUsize>,
    /// The thread that owns the face; taken by whoever waits for its end.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Reporter {
    /// Shows nothing if `quiet`, else what suits standard error.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        Self::with_style(if quiet {
            Style::Quiet
        } else {
            Style::for_stderr()
        })
    }

    /// Shows updates in the given style. A system that has no thread to spare shows none.
    #[must_use]
    pub fn with_style(style: Style) -> Self {
        match style {
            Style::Bars => Self::with_face(bar::Bars::new()),
            Style::Plain => Self::with_face(plain::Lines::new(io::stderr())),
            Style::Quiet => Self { shared: None },
        }
    }

    /// Shows an update soon. Never blocks.
    pub fn send(&self, update: Update) {
        let Some(shared) = &self.shared else {
            return;
        };
        let is_progress = matches!(update, Update::Progress { .. });
        if is_progress && shared.pending.load(Ordering::Relaxed) > BACKLOG {
            return;
        }
        shared.pending.fetch_add(1, Ordering::Relaxed);
        // Fails only after `close`.
        let _ = shared.sender.send(Some(update));
    }

    /// Shows what was sent before and leaves the screen as it is to stay. Blocks until that is done.
    pub fn close(&self) {
        let Some(shared) = &self.shared else {
            return;
        };
        let _ = shared.sender.send(None);
        let thread = shared.thread.lock();
        let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A face that panicked has said so itself.
            let _ = thread.join();
        }
    }

    fn with_face(face: impl Face + 'static) -> Self {
        let (sender, updates) = mpsc::channel();
        let pending = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&pending);
        let thread = thread::Builder::new()
            .name("report".to_owned())
            .spawn(move || show(face, &updates, &counter));
        let shared = thread.ok().map(|thread| {
            Arc::new(Shared {
                sender,
                pending,
                thread: Mutex::new(Some(thread)),
            })
        });
        Self { shared }
    }
}

/// One way to show updates. Runs on the report thread, may block, and gets the time as an argument.
trait Face: Send {
    /// Takes note of an update, and shows it if it is to stay.
    fn show(&mut self, update: Update, now: Instant);

    /// Draws what moves. Called at most every [`TICK`].
    fn tick(&mut self, now: Instant);

    /// Leaves the screen as it is to stay.
    fn close(&mut self);
}

/// The thread: shows until it is told to end or all reporters are gone.
fn show(mut face: impl Face, updates: &Receiver<Option<Update>>, pending: &AtomicUsize) {
    let mut drawn = now();
    loop {
        match updates.recv_timeout(TICK) {
            Ok(Some(update)) => {
                pending.fetch_sub(1, Ordering::Relaxed);
                face.show(update, now());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(None) | Err(RecvTimeoutError::Disconnected) => return face.close(),
        }
        let now = now();
        if now - drawn >= TICK {
            drawn = now;
            face.tick(now);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "speeds on the screen are nobody else's; faces get the time as an argument"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps what it was shown, slowly.
    struct Slow(mpsc::Sender<Update>);

    impl Face for Slow {
        fn show(&mut self, update: Update, _: Instant) {
            thread::sleep(Duration::from_micros(50));
            let _ = self.0.send(update);
        }

        fn tick(&mut self, _: Instant) {}

        fn close(&mut self) {}
    }

    #[test]
    fn all_but_progress_is_shown_in_order_and_nothing_waits() {
        let (sender, seen) = mpsc::channel();
        let reporter = Reporter::with_face(Slow(sender));
        let message = |n: usize| Update::Message {
            id: None,
            level: Level::Info,
            text: n.to_string(),
        };
        for n in 0..2_000 {
            reporter.send(Update::Progress {
                id: 0,
                bytes: n as u64,
                requests: 1,
                connections: 1,
            });
            reporter.clone().send(message(n));
        }
        reporter.close();
        reporter.send(message(0));
        reporter.close();
        let (progress, messages): (Vec<_>, Vec<_>) = seen
            .into_iter()
            .partition(|update| matches!(update, Update::Progress { .. }));
        assert!(progress.len() < 2_000, "{}", progress.len());
        assert_eq!(messages, (0..2_000).map(message).collect::<Vec<_>>());
    }

    #[test]
    fn quiet_shows_nothing() {
        let reporter = Reporter::new(true);
        reporter.send(Update::Failed {
            id: 0,
            kind: "network",
            exit_code: 4,
            error: "not to be seen".to_owned(),
            hint: None,
        });
        reporter.close();
    }
}

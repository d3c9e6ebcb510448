//! What a person, a program and the log are told of a run: bars, plain lines, JSON lines, always on standard error.
//!
//! The flow sends [`Update`]s and never waits: they go through a channel to a thread for each *face*, so a terminal that
//! was stopped with Ctrl-S, or a slow pipe behind standard error, can slow down neither a download nor the log. Of
//! progress only the latest counts, and it is left out while a thread is behind; everything else is kept in order. A face
//! decides nothing, and its errors are ignored, since there is nowhere left to report them.

mod bar;
mod clock;
mod journal;
mod json;
mod plain;
mod rows;
mod run;
mod speaker;
#[cfg(test)]
mod testing;
mod text;
mod track;
mod update;
mod words;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

pub use update::{Level, Update};

/// How often a face may draw.
const TICK: Duration = Duration::from_millis(100);

/// How long a face that has shown all there was lets more come together: to be woken for each costs whoever sends it more than
/// the sending.
const NAP: Duration = Duration::from_millis(5);

/// Updates on their way above which progress is left out.
const BACKLOG: usize = 256;

/// Updates on their way above which those for whoever looks for a fault are left out as well.
const DEEP_BACKLOG: usize = 16_384;

/// The target of the events that [`Options::journal`] makes; all others come from elsewhere in the program.
pub const TARGET: &str = "hs";

/// How updates are shown on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Moving lines for the files in flight.
    Bars {
        /// Whether they may be coloured.
        colour: bool,
    },
    /// Lines that stay: a file's beginning, every ten seconds how far it is, its end.
    Plain,
    /// One JSON object a line.
    Json,
    /// Nothing.
    Quiet,
}

/// Where updates are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// On standard error.
    pub style: Style,
    /// As events of `tracing` too, for the log.
    pub journal: bool,
}

/// Where updates are sent. Clones lead to the same place.
#[derive(Clone, Debug)]
pub struct Reporter {
    /// One for each face; none if nothing is shown.
    faces: Arc<[Thread]>,
}

/// A face's thread, seen from outside.
#[derive(Debug)]
struct Thread {
    /// Leads to the thread; nothing is sent after `None`, which ends it.
    sender: Sender<Option<Update>>,
    /// Updates sent and not yet shown.
    pending: Arc<AtomicUsize>,
    /// Taken by whoever waits for its end.
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl Reporter {
    /// Shows updates as the options say. A system that has no thread to spare shows none.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let shown = match options.style {
            Style::Bars { colour } => Thread::spawn(bar::Bars::new(colour, now())),
            Style::Plain => Thread::spawn(plain::Lines::new(io::stderr(), now())),
            Style::Json => Thread::spawn(json::Json::new(io::stderr(), now(), wall_clock)),
            Style::Quiet => None,
        };
        let journal = options.journal.then(|| journal::Journal::new(now()));
        let faces = shown.into_iter().chain(journal.and_then(Thread::spawn));
        Self {
            faces: faces.collect(),
        }
    }

    /// Shows an update soon. Never blocks.
    pub fn send(&self, update: Update) {
        for face in self.faces.iter() {
            face.send(update.clone());
        }
    }

    /// Whether anything is shown to anybody.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        !self.faces.is_empty()
    }

    /// Whether so much waits to be shown that whoever sends should take a breath, so that the wait does not fill the memory.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let behind = |face: &Thread| face.pending.load(Ordering::Relaxed) > DEEP_BACKLOG;
        self.faces.iter().any(behind)
    }

    /// Shows what was sent before and leaves the screen as it is to stay. Blocks until that is done.
    pub fn close(&self) {
        for face in self.faces.iter() {
            face.close();
        }
    }
}

impl Thread {
    fn spawn(face: impl Face + 'static) -> Option<Self> {
        let (sender, updates) = mpsc::channel();
        let pending = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&pending);
        let handle = thread::Builder::new()
            .name("report".to_owned())
            .spawn(move || show(face, &updates, &counter));
        handle.ok().map(|handle| Self {
            sender,
            pending,
            handle: Mutex::new(Some(handle)),
        })
    }

    fn send(&self, update: Update) {
        let most = match update {
            Update::Progress { .. } => BACKLOG,
            Update::Message {
                level: Level::Debug,
                ..
            } => DEEP_BACKLOG,
            Update::Planned { .. }
            | Update::Started { .. }
            | Update::Resolved { .. }
            | Update::Retry { .. }
            | Update::Throttled { .. }
            | Update::Reresolved { .. }
            | Update::Restarted { .. }
            | Update::Verified { .. }
            | Update::Completed { .. }
            | Update::Skipped { .. }
            | Update::Previewed { .. }
            | Update::Failed { .. }
            | Update::Aborted { .. }
            | Update::Message { .. }
            | Update::Summary { .. } => usize::MAX,
        };
        if self.pending.load(Ordering::Relaxed) > most {
            return;
        }
        self.pending.fetch_add(1, Ordering::Relaxed);
        // Fails only after `close`.
        let _ = self.sender.send(Some(update));
    }

    fn close(&self) {
        let _ = self.sender.send(None);
        let handle = self.handle.lock();
        let handle = handle.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle {
            handle.thread().unpark();
            // A face that panicked has said so itself.
            let _ = handle.join();
        }
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
        let next = updates.try_recv().or_else(|_| {
            thread::park_timeout(NAP);
            updates.recv_timeout(TICK)
        });
        match next {
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

#[expect(
    clippy::disallowed_methods,
    reason = "lines for programs and the log say when something happened"
)]
fn wall_clock() -> SystemTime {
    SystemTime::now()
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
        let reporter = Reporter {
            faces: Thread::spawn(Slow(sender)).into_iter().collect(),
        };
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
    fn quiet_has_no_thread() {
        let reporter = Reporter::new(Options {
            style: Style::Quiet,
            journal: false,
        });
        assert!(reporter.faces.is_empty());
        reporter.send(testing::failed(0));
        reporter.close();
    }
}

//! Leads the events of `tracing` to the log file and, with `--debug`, to whoever shows them.
//!
//! The log is written whatever is on the screen, also when that is nothing. It says when a run began, all that is said of
//! its files, and with `--debug` what went over the wire. Secrets are taken out of every line here, at the last place
//! before they would be kept. Nothing is ever written to standard output.

mod file;

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use self::file::LogFile;
use crate::redact;

/// What becomes of the events of a run.
pub struct Options<'a> {
    /// The log file; `None` keeps none.
    pub file: Option<&'a Path>,
    /// Called with each event for whoever looks for a fault that does not come from `quiet_target`, redacted; `None` if
    /// nobody does.
    pub debug: Option<Box<dyn Fn(String) + Send + Sync>>,
    /// Where events come from that whoever shows `debug` has caused.
    pub quiet_target: &'static str,
}

/// Installs what the options say for the rest of the process, once.
///
/// # Errors
/// Why the log file cannot be opened. Everything else is installed all the same.
pub fn init(options: Options<'_>) -> io::Result<()> {
    let (file, opened) = match options.file.map(LogFile::open).transpose() {
        Ok(file) => (file, Ok(())),
        Err(error) => (None, Err(error)),
    };
    let level = if options.debug.is_some() {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    let file = file.map(|file| {
        tracing_subscriber::fmt::layer()
            .with_writer(Redacting(file))
            .with_timer(SystemTime)
            .with_ansi(false)
            .with_target(false)
    });
    let shown = options.debug.map(|show| Shown {
        show,
        quiet_target: options.quiet_target,
    });
    let subscriber = tracing_subscriber::registry()
        .with(level)
        .with(file)
        .with(shown);
    // Fails only where a test has installed another one.
    let _ = tracing::subscriber::set_global_default(subscriber);
    opened
}

/// Takes secrets out of what is written.
struct Redacting(LogFile);

impl<'a> MakeWriter<'a> for Redacting {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &Redacting {
    /// Gets a whole event at once.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = redact::text(&String::from_utf8_lossy(event));
        self.0.append(text.as_bytes());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hands events on to be shown.
struct Shown {
    show: Box<dyn Fn(String) + Send + Sync>,
    quiet_target: &'static str,
}

impl<S: Subscriber> Layer<S> for Shown {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == self.quiet_target {
            return;
        }
        let mut message = Message::default();
        event.record(&mut message);
        (self.show)(redact::text(&message.0));
    }
}

/// Collects an event's message and what it has beside that.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        if field.name() == "message" {
            self.0 += &format!("{value:?}");
        } else {
            self.0 += &format!("{}={value:?}", field.name());
        }
    }
}

//! From what was said to a valid [`Config`]: the layers of settings are merged, and checked as a whole.
//!
//! Each part of a `Config` is for one consumer and read in a file of its own ([`mod@browser`], [`files`], [`access`], [`net`],
//! [`proxy`], [`report`], [`retry`], [`sources`]); [`layers`] merges, [`file`](mod@file) reads the config file, [`keys`] has
//! all names and defaults, [`values`] reads texts. This is the only place that reads the environment. Nothing below the flow
//! reads a `Config`; values are passed down.

mod access;
mod browser;
mod file;
mod files;
mod keys;
mod layers;
mod net;
mod proxy;
mod report;
mod retry;
mod sources;
mod values;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::cli::Cli;
use crate::error::Error;
use crate::fingerprint::Fingerprint;

pub use browser::browser;
pub use files::{Checksums, Files, Limits, Stream};
use layers::Layers;
pub use layers::Setting;
pub use net::Net;
pub use report::Report;
pub use retry::Retry;
pub use sources::Sources;

/// Everything a run needs to know, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// What is fetched.
    pub sources: Sources,
    /// Where files go, and which are taken.
    pub files: Files,
    /// What files are held against.
    pub checksums: Checksums,
    /// To standard output instead of to disk.
    pub stream: Option<Stream>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// How much at once, and how fast.
    pub limits: Limits,
    /// What to look like.
    pub fingerprint: Fingerprint,
    /// What requests carry, and how hosts are reached.
    pub net: Net,
    /// When to give up.
    pub retry: Retry,
    /// What is told, and where.
    pub report: Report,
    /// Every setting in force, and who said so.
    pub settings: Vec<Setting>,
    /// What seems to be a mistake and is none for certain, a sentence each.
    pub warnings: Vec<String>,
}

/// What is around the program: read once, so that tests can have another one.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The environment's variables that are text.
    pub variables: Vec<(String, String)>,
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// Whether standard error is one.
    pub screen: bool,
    /// The day, counted from 1970.
    pub today: u64,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the age of a browser is told by the wall clock"
    )]
    pub fn of_the_process() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            variables: std::env::vars_os().filter_map(text).collect(),
            terminal: std::io::stdout().is_terminal(),
            screen: std::io::stderr().is_terminal(),
            today: now.map_or(0, |now| now.as_secs() / DAY),
        }
    }

    /// The value of a variable that is there and not empty.
    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// `text` as a path, a leading `~` being the home directory.
    fn path(&self, text: &str) -> PathBuf {
        let rest = text.strip_prefix('~');
        let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with('/'));
        match (rest, self.variable("HOME")) {
            (Some(rest), Some(home)) => PathBuf::from(format!("{home}{rest}")),
            _ => PathBuf::from(text),
        }
    }

    /// A base directory of the XDG specification: that of the variable, which has to be absolute, or one below the home directory.
    fn base(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let named = self.variable(variable).map(PathBuf::from);
        let home = || {
            self.variable("HOME")
                .map(|home| Path::new(home).join(below_home))
        };
        named.filter(|path| path.is_absolute()).or_else(home)
    }
}

impl Config {
    /// Merges the layers of this process, and checks.
    ///
    /// # Errors
    /// [`Error::Usage`] that says which value is wrong, who said it and what would be right.
    pub fn new(cli: &Cli) -> Result<Self, Error> {
        let mut config = Self::read(cli, &Surroundings::of_the_process())?;
        if let Some((name, password @ None)) = &mut config.net.user {
            *password = Some(access::ask_password(name));
        }
        Ok(config)
    }

    /// As [`Config::new`], with other surroundings.
    ///
    /// # Errors
    /// As there.
    pub fn read(cli: &Cli, around: &Surroundings) -> Result<Self, Error> {
        let mut layers = Layers::built_in();
        file::say(&mut layers, cli, around)?;
        let mut warnings = layers.say_environment(&around.variables)?;
        layers.say_options(cli)?;
        let (fingerprint, outdated) = browser::worn(&layers, around)?;
        warnings.extend(outdated);
        let sources = Sources::read(&layers, around)?;
        let files = Files::read(&layers, around)?;
        let checksums = Checksums::read(&layers)?;
        let dry_run = layers.flag("dry-run");
        let stream = Stream::read(&layers, around, dry_run)?;
        let net = Net::read(&layers, around)?;
        warnings.extend(net::contradiction(&net, &fingerprint));
        Ok(Self {
            limits: Limits::read(&layers)?,
            fingerprint,
            net,
            retry: Retry::read(&layers)?,
            report: Report::read(&layers, around, stream.is_none() && !dry_run)?,
            settings: layers.settings(),
            sources,
            files,
            checksums,
            stream,
            dry_run,
            warnings,
        })
    }
}

/// A file that must be there to be read.
fn existing(
    layers: &Layers,
    around: &Surroundings,
    name: &str,
    right: &str,
) -> Result<Option<PathBuf>, Error> {
    let Some(text) = layers.text(name) else {
        return Ok(None);
    };
    let path = around.path(&text);
    match std::fs::metadata(&path) {
        Ok(found) if !found.is_dir() => Ok(Some(path)),
        Ok(_) => Err(layers.wrong(name, &format!("{}: is a directory", path.display()), right)),
        Err(error) => Err(layers.wrong(name, &format!("{}: {error}", path.display()), right)),
    }
}

/// Writes a file that the user named.
///
/// # Errors
/// [`Error::Usage`] if that is not possible.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|error| {
        let what = format!("writing {}: {error}", path.display());
        Error::usage(what, "name a file in a folder that you may write to")
    })
}

#[cfg(test)]
mod tests;

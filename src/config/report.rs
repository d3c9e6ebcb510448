//! What is told, and where.

use std::path::PathBuf;

use super::Surroundings;
use super::layers::Layers;
use crate::error::Error;

/// What is told, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Nothing on standard error.
    pub quiet: bool,
    /// JSON lines instead of text.
    pub json: bool,
    /// No bars.
    pub no_ui: bool,
    /// Every cause of an error, and what goes over the wire.
    pub debug: bool,
    /// The log file, if there is one.
    pub log: Option<PathBuf>,
    /// Whether somebody named that file: then it is an error if it cannot be written.
    pub log_named: bool,
}

impl Report {
    /// `disk` if files go to the destination directory.
    pub(super) fn read(layers: &Layers, around: &Surroundings, disk: bool) -> Result<Self, Error> {
        let named = layers.text("log-file");
        let log = match named.as_deref() {
            Some("none") => None,
            Some("") => return Err(layers.wrong("log-file", "is empty", "name a file, or none")),
            Some(path) => Some(around.path(path)),
            None if disk => {
                let dir = layers.text("output").unwrap_or_default();
                Some(around.path(&dir).join("download.log"))
            }
            None => {
                let state = around.base("XDG_STATE_HOME", ".local/state");
                state.map(|state| state.join("hydrastream/download.log"))
            }
        };
        Ok(Self {
            quiet: layers.flag("quiet"),
            json: layers.flag("json"),
            no_ui: layers.flag("no-ui"),
            debug: layers.flag("debug"),
            log,
            log_named: named.is_some(),
        })
    }
}

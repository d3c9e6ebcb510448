//! What is told, and where.

use std::path::PathBuf;

use super::Surroundings;
use super::layers::Layers;
use crate::error::Error;
use crate::report::Style;

/// What is told, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What standard error shows.
    pub style: Style,
    /// JSON lines instead of text.
    pub json: bool,
    /// Every cause of an error, and what goes over the wire.
    pub debug: bool,
    /// The log file, if there is one.
    pub log: Option<PathBuf>,
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
            style: style(layers, around),
            json: layers.flag("json"),
            debug: layers.flag("debug"),
            log,
        })
    }
}

/// Bars need a terminal that can move its cursor, and no trace that scrolls through them; <https://no-color.org> takes the
/// colour away.
fn style(layers: &Layers, around: &Surroundings) -> Style {
    if layers.flag("quiet") {
        return Style::Quiet;
    }
    if layers.flag("json") {
        return Style::Json;
    }
    let still = layers.flag("no-ui") || layers.flag("debug");
    if still || !around.screen || around.variable("TERM").is_none_or(|term| term == "dumb") {
        return Style::Plain;
    }
    Style::Bars {
        colour: around.variable("NO_COLOR").is_none(),
    }
}

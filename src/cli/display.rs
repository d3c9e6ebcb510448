//! What is told, and where the settings come from.

use clap::Args;
use serde::Serialize;

/// What is told, and where the settings come from.
#[derive(Debug, Args, Serialize)]
#[command(next_help_heading = "Output and settings")]
pub struct Display {
    /// No bars, plain lines; short form -nu
    #[arg(long)]
    pub no_ui: bool,

    /// Print nothing on standard error; the log file is still written
    #[arg(short, long)]
    pub quiet: bool,

    /// JSON lines on standard error instead of text
    #[arg(short, long)]
    pub json: bool,

    /// Print every cause of an error and what goes over the wire, without credentials
    #[arg(short, long)]
    pub debug: bool,

    /// Log file, or none [default: download.log in the destination directory]
    ///
    /// Without a download to disk it is $XDG_STATE_HOME/hydrastream/download.log.
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<String>,

    /// Read settings from this file [default: ~/.config/hydrastream/config.toml]
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    #[serde(skip)]
    pub config: Option<String>,

    /// Read no config file
    #[arg(long)]
    #[serde(skip)]
    pub no_config: bool,

    /// Print the version and those of the libraries
    #[arg(short, long)]
    #[serde(skip)]
    pub version: bool,
}

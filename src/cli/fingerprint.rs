//! What `hs fingerprint` accepts.

use std::path::PathBuf;

use clap::Subcommand;

/// The subcommands of `hs fingerprint`.
#[derive(Debug, Clone, Subcommand)]
pub enum Fingerprint {
    /// List all fingerprints
    List,
    /// Show what a server sees of one: JA3, JA3N, JA4, Akamai's text, headers
    Show {
        /// A name of the list, an alias, or a path to a TOML file
        name: String,
        /// System that the browser says it runs on: linux, macos or windows
        #[arg(long, value_name = "SYSTEM")]
        platform: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Connect to a server on this machine and hold what it sees against the file; exit 1 if there is a difference
    Check {
        /// Names of the list, aliases, or paths to TOML files
        #[arg(required_unless_present = "all")]
        names: Vec<String>,
        /// All of the list
        #[arg(long, conflicts_with = "names")]
        all: bool,
        /// Connections that show a navigation
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        connections: u16,
    },
    /// Record your own browser: serves a page, and writes what the browser showed as a TOML file
    Record {
        /// File to write; standard output if absent
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Name of the browser in the file
        #[arg(long, value_name = "NAME", default_value = "mine")]
        name: String,
        /// Cold connections to ask for
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(2..=200))]
        connections: u16,
        /// Time for everything, in seconds
        #[arg(long, value_name = "S", default_value_t = 300)]
        timeout: u64,
        /// File for the server's certificate, for browsers that must be told beforehand to trust it
        #[arg(long, value_name = "FILE")]
        certificate: Option<PathBuf>,
        /// Port to listen on, 0 for any
        #[arg(long, value_name = "PORT", default_value_t = 0)]
        port: u16,
    },
}

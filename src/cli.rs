//! What the command line accepts. Flags only: no default, no effect and no decision is here; `config` has those.

pub mod fingerprint;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use serde::Serialize;

const EXAMPLES: &str = "\
Examples:
  hs https://example.org/big.iso                     download into ./download
  hs https://example.org/big.iso -t 16 -o ~/isos     sixteen range requests at once
  hs URL -th sha256 --checksum 9f86d0…               nothing unverified gets the final name

Exit codes: 0 complete, 2 usage, 3 checksum or size, 4 network or HTTP, 5 disk, 8 target in use,
130 and 143 interrupted (run the same command again to go on).";

/// Download a file over many range requests, looking like a browser on the wire.
#[derive(Debug, Parser, Serialize)]
#[command(name = "hs", disable_version_flag = true, arg_required_else_help = false,
    args_conflicts_with_subcommands = true, after_long_help = EXAMPLES)]
pub struct Cli {
    /// What to download: one or more http or https URLs
    #[arg(value_name = "URL")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,

    /// Destination directory, created if missing [default: download]
    #[arg(short, long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,

    /// Concurrent range requests, 1 to 128 [default: auto]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=128))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u8>,

    /// Browser to look like [default: chrome120]
    #[arg(short = 'B', long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,

    /// Expected checksum of a single URL: HEX, or ALGO:HEX
    #[arg(long, value_name = "HEX")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,

    /// Hash algorithm, also for --checksum; short form -th [default: md5]
    #[arg(long, value_name = "ALGO")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typehash: Option<String>,

    /// Accept any certificate
    #[arg(short = 'k', long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,

    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cacert: Option<PathBuf>,

    /// Print nothing on standard error
    #[arg(short, long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub quiet: bool,

    /// Print the version and those of the libraries
    #[arg(short, long)]
    #[serde(skip)]
    pub version: bool,

    /// What to do instead of downloading
    #[command(subcommand)]
    #[serde(skip)]
    pub command: Option<Command>,
}

/// What `hs` does besides downloading.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// The browsers that hs can look like
    #[command(subcommand)]
    Fingerprint(fingerprint::Fingerprint),
}

impl Cli {
    /// Parses the process's arguments.
    ///
    /// # Errors
    /// clap's own, which also carries the text of `--help`.
    pub fn parse_from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(args.into_iter().map(long_form))
    }
}

/// The original's two-letter short options, which clap would read as a short option with a value.
fn long_form(argument: OsString) -> OsString {
    match argument.to_str() {
        Some("-th") => "--typehash".into(),
        Some(text) if text.starts_with("-th=") => format!("--typehash={}", &text[4..]).into(),
        _ => argument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::parse_from_args(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn two_letter_options_work_as_in_the_original() {
        assert_eq!(
            parse("hs u -th sha256").unwrap().typehash.as_deref(),
            Some("sha256")
        );
        assert_eq!(
            parse("hs u -th=sha256").unwrap().typehash.as_deref(),
            Some("sha256")
        );
        assert_eq!(parse("hs u -t 4").unwrap().threads, Some(4));
    }

    #[test]
    fn threads_have_a_range() {
        for wrong in ["0", "129", "x"] {
            assert_eq!(
                parse(&format!("hs u -t {wrong}")).unwrap_err().exit_code(),
                2
            );
        }
    }
}

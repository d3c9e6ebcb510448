//! What the command line accepts. Flags only: no default, no effect and no decision is here; `config` has those.
//!
//! Every value is taken as text, so that the same words are read, and refused, in one place whether they come from here, from
//! the environment or from the config file. The groups below are the headings of `--help`.

mod display;
pub mod fingerprint;
pub mod manual;
mod network;
mod transfer;
mod trust;

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use serde::Serialize;

const EXAMPLES: &str = "\
Examples:
  hs https://example.org/big.iso                  download into ./download
  hs https://example.org/big.iso -t 16 -o ~/isos  sixteen requests at once
  hs URL -th sha256 --checksum 9f86d0…            nothing wrong gets a name
  hs URL.gz -t 20 -s -q | zcat | wc -l            a pipe, nothing on disk
  hs -s URL --checksum sha256:9f86d0… >/dev/null  only verify
  hs -i urls.txt -o data --manifest data/MD5SUMS  a list, and one for md5sum -c
  hs --dry-run -i urls.txt                        how large, does it fit

Every option can also stand in the config file (threads = 20) and in the
environment (HS_THREADS=20). The command line wins, then the environment.
MB is 1024² bytes.

Exit codes:
  0    all files complete, or complete before
  1    anything not below; of several files, failures of different kinds
  2    usage or configuration
  3    checksum or size is wrong
  4    network or HTTP
  5    local disk
  6    a challenge or login page instead of the file
  7    the file changed on the server in the middle of a stream
  8    another hs holds the target
  130, 143   interrupted; to disk, the same command goes on where it stopped
  141  the reader of standard output went away";

/// Download a file over many range requests, looking like a browser on the wire.
///
/// TLS, HTTP/2 and headers are those of the browser that -B names. The file is NAME.part until its size and its checksum hold;
/// the same command goes on where an interrupted one stopped. With -s the bytes go in order to standard output, and nothing
/// touches the disk.
#[derive(Debug, Parser, Serialize)]
#[command(name = "hs", disable_version_flag = true, arg_required_else_help = false, args_override_self = true,
    args_conflicts_with_subcommands = true, after_long_help = EXAMPLES)]
pub struct Cli {
    /// What is fetched and where it goes.
    #[command(flatten)]
    #[serde(flatten)]
    pub download: transfer::Download,
    /// Standard output instead of a directory.
    #[command(flatten)]
    #[serde(flatten)]
    pub stream: transfer::Stream,
    /// Checksums.
    #[command(flatten)]
    #[serde(flatten)]
    pub verification: trust::Verification,
    /// What a request looks like.
    #[command(flatten)]
    #[serde(flatten)]
    pub browser: network::Browser,
    /// How hosts are reached.
    #[command(flatten)]
    #[serde(flatten)]
    pub connection: network::Connection,
    /// Who asks.
    #[command(flatten)]
    #[serde(flatten)]
    pub credentials: trust::Credentials,
    /// Whom to trust.
    #[command(flatten)]
    #[serde(flatten)]
    pub tls: trust::Tls,
    /// When to give up.
    #[command(flatten)]
    #[serde(flatten)]
    pub retries: network::Retries,
    /// What is told, and where the settings come from.
    #[command(flatten)]
    #[serde(flatten)]
    pub display: display::Display,

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
    /// Print a script that lets a shell complete the options
    Completions {
        /// The shell
        shell: manual::Shell,
    },
    /// Print the manual page, in roff
    Man,
}

impl Cli {
    /// Parses the process's arguments.
    ///
    /// # Errors
    /// clap's own, which also carries the text of `--help`.
    pub fn parse_from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut options = true;
        Self::try_parse_from(args.into_iter().map(|argument| {
            options &= argument != "--";
            if options {
                long_form(argument)
            } else {
                argument
            }
        }))
    }

    /// The usage line, for whoever has typed nothing.
    #[must_use]
    pub fn usage() -> &'static str {
        "Usage: hs [OPTIONS] URL..., or -i FILE"
    }
}

/// The original's two-letter short options, which clap would read as a short option with a value. No number of threads begins
/// with an `h`, so `-thsha256` is clear too.
fn long_form(argument: OsString) -> OsString {
    let Some(text) = argument.to_str() else {
        return argument;
    };
    match text.strip_prefix("-th") {
        Some("") => "--typehash".into(),
        Some(value) => format!("--typehash={}", value.trim_start_matches('=')).into(),
        None if text == "-nu" => "--no-ui".into(),
        None => argument,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::parse_from_args(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn two_letter_options_work_as_in_the_original() {
        for line in [
            "hs u -th sha256",
            "hs u -th=sha256",
            "hs u -thsha256",
            "hs u --typehash sha256",
        ] {
            let cli = parse(line).unwrap();
            assert_eq!(cli.verification.typehash.as_deref(), Some("sha256"));
        }
        assert!(parse("hs u -nu").unwrap().display.no_ui);
        let threads = parse("hs u -t 4").unwrap().download.threads;
        assert_eq!(threads.as_deref(), Some("4"));
    }

    #[test]
    fn behind_two_dashes_nothing_is_an_option() {
        let cli = parse("hs -nu -- -th").unwrap();
        assert_eq!(cli.download.urls, ["-th"]);
    }

    #[test]
    fn the_last_of_opposites_counts() {
        let cli = parse("hs u --http2 --http1.1 -4 -6 -N -V").unwrap();
        assert!(cli.connection.http1_1 && !cli.connection.http2);
        assert!(cli.connection.ipv6 && !cli.connection.ipv4);
        assert!(cli.verification.verify && !cli.verification.no_verify);
    }
}

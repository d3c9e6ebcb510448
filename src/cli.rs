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
  hs URL.gz -t 20 -s -q | zcat | wc -l               many connections, one pipe, nothing on disk
  hs -s URL --checksum sha256:9f86d0… >/dev/null     only verify

Exit codes: 0 complete, 2 usage, 3 checksum or size, 4 network or HTTP, 5 disk, 7 the file changed in the
middle of a stream, 8 target in use, 130 and 143 interrupted (to disk: run the same command again to go on),
141 the reader of standard output went away.";

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

    /// Write the bytes in order to standard output; several URLs one after the other
    ///
    /// The exit status is known only behind the last byte: 3 if the checksum is wrong, 7 if the file changed on the server
    /// meanwhile, 4 if the network failed. The first failure ends the stream. To a terminal nothing is written: that is
    /// refused, unless a checksum is given, and then the bytes are only verified.
    #[arg(short, long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,

    /// Bytes of a stream that may wait for those before them, MiB, at least 16 [default: auto]
    ///
    /// auto: two chunks for each request, from 64 to 256.
    #[arg(short, long, value_name = "MB", value_parser = clap::value_parser!(u32).range(16..=1 << 20))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buffer: Option<u32>,

    /// Target chunk of a stream, MiB; smaller if --buffer has no room for two of each request [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_chunk_mb: Option<u32>,

    /// Smallest chunk of a download to disk, MiB [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_chunk_mb: Option<u32>,

    /// Browser to look like [default: chrome120]
    #[arg(short = 'B', long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,

    /// Expected checksum of a single URL: HEX, or ALGO:HEX
    #[arg(long, value_name = "HEX")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,

    /// Hash algorithm, also for --checksum; a comma list computes several; short form -th [default: md5]
    ///
    /// md5, sha1, sha224, sha256, sha384, sha512, sha3_224, sha3_256, sha3_384, sha3_512, blake2b, blake2s, blake3, crc32c.
    #[arg(long, value_name = "ALGO")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typehash: Option<String>,

    /// Hold the file against a checksum that the server states; this is the default
    #[arg(short = 'V', long, overrides_with = "no_verify")]
    #[serde(skip)]
    pub verify: bool,

    /// Look for no checksum; one given with --checksum still counts
    #[arg(short = 'N', long, overrides_with = "verify")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_verify: bool,

    /// Look for a checksum beside the file on any host (URL.sha256, SHA256SUMS, …), not only where there is known to be one
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sidecar: bool,

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

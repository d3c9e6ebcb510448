//! From flags to a valid [`Config`]: defaults are merged with what the user said, and checked as a whole.
//!
//! This is the only place with defaults. Nothing below the flow reads a `Config`; values are passed down.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::Serialized;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::cli::Cli;
use crate::error::Error;
use crate::fingerprint::{self, Fingerprint};
use crate::hash::{Algorithm, Checksum};

/// Everything a run needs to know, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// http or https, at least one.
    pub urls: Vec<Url>,
    /// Destination directory.
    pub output: PathBuf,
    /// Concurrent range requests; `None` = chosen by protocol.
    pub threads: Option<usize>,
    /// What to look like.
    pub fingerprint: Fingerprint,
    /// Expected checksum; only with a single URL.
    pub checksum: Option<Checksum>,
    /// Digests that the user wants; none if he named none.
    pub algorithms: Vec<Algorithm>,
    /// Look for a checksum where none is given.
    pub verify: bool,
    /// Look for it beside the file on any host.
    pub sidecar: bool,
    /// Smallest chunk on disk, bytes.
    pub min_chunk: u64,
    /// To standard output instead of to disk.
    pub stream: Option<Stream>,
    /// Accept any certificate.
    pub insecure: bool,
    /// PEM file to trust instead of the system's.
    pub cacert: Option<PathBuf>,
    /// Nothing on standard error.
    pub quiet: bool,
}

/// How a stream is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Bytes that may wait for those before them; `None` = by the number of requests.
    pub buffer: Option<u64>,
    /// Target chunk, bytes.
    pub chunk: u64,
    /// Standard output is a terminal: bytes are verified and thrown away.
    pub discard: bool,
}

/// The merged layers, before they are checked.
#[derive(Debug, Serialize, Deserialize)]
struct Raw {
    urls: Vec<String>,
    output: PathBuf,
    threads: Option<u8>,
    browser: String,
    checksum: Option<String>,
    typehash: Option<String>,
    no_verify: bool,
    sidecar: bool,
    stream: bool,
    buffer: Option<u32>,
    stream_chunk_mb: u32,
    min_chunk_mb: u32,
    insecure: bool,
    cacert: Option<PathBuf>,
    quiet: bool,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            output: "download".into(),
            threads: None,
            browser: "chrome120".into(),
            checksum: None,
            typehash: None,
            no_verify: false,
            sidecar: false,
            stream: false,
            buffer: None,
            stream_chunk_mb: 5,
            min_chunk_mb: 1,
            insecure: false,
            cacert: None,
            quiet: false,
        }
    }
}

impl Config {
    /// Merges and checks.
    ///
    /// # Errors
    /// [`Error::Usage`] that says which value is wrong and what would be right.
    pub fn new(cli: &Cli) -> Result<Self, Error> {
        let raw: Raw = Figment::from(Serialized::defaults(Raw::default()))
            .merge(Serialized::defaults(cli))
            .extract()
            .map_err(|error| Error::usage(error.to_string(), "see hs --help"))?;
        raw.check(std::io::stdout().is_terminal())
    }
}

impl Raw {
    /// `terminal` says whether standard output is one.
    fn check(self, terminal: bool) -> Result<Config, Error> {
        if self.urls.is_empty() {
            return Err(Error::usage(
                "no URL was given",
                "hs URL; hs --help shows the options",
            ));
        }
        let urls = self
            .urls
            .iter()
            .map(|url| parse_url(url))
            .collect::<Result<Vec<_>, _>>()?;
        let algorithms = algorithms(self.typehash.as_deref())?;
        let default = algorithms.first().copied().unwrap_or(Algorithm::Md5);
        let checksum = self
            .checksum
            .as_ref()
            .map(|text| Checksum::parse(text.trim(), default).map_err(|error| bad_checksum(&error)))
            .transpose()?;
        if checksum.is_some() && urls.len() > 1 {
            return Err(Error::usage(
                "--checksum needs a single URL",
                "give one URL, or leave the checksum out",
            ));
        }
        if let Some(cacert) = self.cacert.as_ref().filter(|path| !path.is_file()) {
            return Err(Error::usage(
                format!("--cacert {}: no such file", cacert.display()),
                "give a PEM file",
            ));
        }
        let stream = self.stream(terminal)?;
        let fingerprint = browser(&self.browser)?;
        Ok(Config {
            urls,
            output: self.output,
            threads: self.threads.map(usize::from),
            fingerprint,
            checksum,
            algorithms,
            verify: !self.no_verify,
            sidecar: self.sidecar,
            min_chunk: mib(self.min_chunk_mb),
            stream,
            insecure: self.insecure,
            cacert: self.cacert,
            quiet: self.quiet,
        })
    }

    fn stream(&self, terminal: bool) -> Result<Option<Stream>, Error> {
        if !self.stream {
            return Ok(None);
        }
        if terminal && self.checksum.is_none() {
            return Err(Error::usage(
                "--stream: standard output is a terminal",
                "lead it into a pipe or a file; with --checksum the bytes are only verified",
            ));
        }
        Ok(Some(Stream {
            buffer: self.buffer.map(mib),
            chunk: mib(self.stream_chunk_mb),
            discard: terminal,
        }))
    }
}

/// What `--typehash` lists.
fn algorithms(list: Option<&str>) -> Result<Vec<Algorithm>, Error> {
    let parse = |name: &str| {
        name.parse().map_err(|error| {
            Error::usage(
                format!("--typehash {name}: {error}"),
                "md5, sha256, blake2b, … as hs --help says",
            )
        })
    };
    list.map_or(Ok(Vec::new()), |list| list.split(',').map(parse).collect())
}

/// MB of the options are 1024² bytes.
fn mib(number: u32) -> u64 {
    u64::from(number) << 20
}

/// The fingerprint that `name` stands for: an embedded one, an alias, or a TOML file of the user's own.
///
/// # Errors
/// [`Error::Usage`] with the nearest names, or with line and key of what is wrong in the file.
pub fn browser(name: &str) -> Result<Fingerprint, Error> {
    if !name.contains('/') && !name.ends_with(".toml") {
        return fingerprint::find(name).map_err(|unknown| {
            let nearest = format!("nearest: {}", unknown.nearest.join(", "));
            Error::usage(format!("--browser: {unknown}"), nearest)
        });
    }
    let text = std::fs::read_to_string(name).map_err(|error| {
        let hint = "give a name of hs fingerprint list, or a path to a TOML file";
        Error::usage(format!("--browser {name}: {error}"), hint)
    })?;
    fingerprint::read(&text).map_err(|error| {
        let hint = "fingerprints/README.md explains every key";
        Error::usage(format!("--browser {name}: {error}"), hint)
    })
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

fn bad_checksum(error: &crate::hash::ChecksumError) -> Error {
    Error::usage(
        format!("--checksum: {error}"),
        "HEX of the algorithm that -th names, or ALGO:HEX",
    )
}

fn parse_url(text: &str) -> Result<Url, Error> {
    let shown = Error::redact(text);
    let url = Url::parse(text).map_err(|error| {
        Error::usage(
            format!("{shown}: not a URL: {error}"),
            "URLs begin with http:// or https://",
        )
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::usage(
            format!("{shown}: `{}` is not supported", url.scheme()),
            "only http and https are",
        ));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(line: &str) -> Result<Config, Error> {
        Config::new(&Cli::parse_from_args(line.split(' ').map(Into::into)).unwrap())
    }

    #[test]
    fn defaults_hold_until_a_flag_says_otherwise() {
        let plain = config("hs http://h/f").unwrap();
        assert_eq!(
            (plain.output.to_str(), plain.threads, plain.quiet),
            (Some("download"), None, false)
        );
        assert_eq!(plain.fingerprint.browser.name, "chrome120");
        let flags = config("hs http://h/f -o d -t 7 -q -th SHA256").unwrap();
        assert_eq!(
            (flags.output.to_str(), flags.threads, flags.quiet),
            (Some("d"), Some(7), true)
        );
        assert_eq!(flags.algorithms, [Algorithm::Sha256]);
        assert!(plain.algorithms.is_empty() && plain.verify && plain.stream.is_none());
        let several = config("hs http://h/f -th md5,SHA-256 -N --sidecar").unwrap();
        assert_eq!(several.algorithms, [Algorithm::Md5, Algorithm::Sha256]);
        assert!(!several.verify && several.sidecar);
        assert!(config("hs http://h/f -N -V").unwrap().verify);
    }

    #[test]
    fn a_terminal_gets_no_stream_but_a_verification() {
        let raw = |line: &str| {
            let cli = Cli::parse_from_args(line.split(' ').map(Into::into)).unwrap();
            Figment::from(Serialized::defaults(Raw::default()))
                .merge(Serialized::defaults(&cli))
                .extract::<Raw>()
                .unwrap()
        };
        let refused = raw("hs http://h/f -s").check(true).unwrap_err();
        assert_eq!(refused.exit_code(), 2);
        let checked = "hs http://h/f -s --checksum md5:d41d8cd98f00b204e9800998ecf8427e -b 16";
        for terminal in [false, true] {
            let stream = raw(checked).check(terminal).unwrap().stream.unwrap();
            assert_eq!((stream.buffer, stream.discard), (Some(16 << 20), terminal));
        }
        assert!(raw("hs http://h/f -s").check(false).is_ok());
        assert!(raw("hs http://h/f").check(true).is_ok());
    }

    #[test]
    fn wrong_values_are_usage_errors_that_say_what_would_be_right() {
        for (line, part) in [
            ("hs", "no URL"),
            ("hs ftp://h/f", "`ftp`"),
            ("hs nonsense", "not a URL"),
            ("hs http://h/f -B chrom120", "chrom120"),
            ("hs http://h/f --checksum abc", "--checksum"),
            ("hs http://h/f -th sha257", "sha257"),
            ("hs http://h/f --cacert /nonexistent", "/nonexistent"),
            (
                "hs http://h/a http://h/b --checksum d41d8cd98f00b204e9800998ecf8427e",
                "single URL",
            ),
        ] {
            let error = config(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(part), "{line}: {error}");
            assert!(error.hint().is_some(), "{line}");
        }
    }

    #[test]
    fn a_password_in_a_wrong_url_is_not_shown() {
        let error = config("hs ftp://me:secret@h/f").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

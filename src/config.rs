//! From flags to a valid [`Config`]: defaults are merged with what the user said, and checked as a whole.
//!
//! This is the only place with defaults. Nothing below the flow reads a `Config`; values are passed down.

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
    /// Digest to compute and log.
    pub algorithm: Algorithm,
    /// Accept any certificate.
    pub insecure: bool,
    /// PEM file to trust instead of the system's.
    pub cacert: Option<PathBuf>,
    /// Nothing on standard error.
    pub quiet: bool,
}

/// The merged layers, before they are checked.
#[derive(Debug, Serialize, Deserialize)]
struct Raw {
    urls: Vec<String>,
    output: PathBuf,
    threads: Option<u8>,
    browser: String,
    checksum: Option<String>,
    typehash: String,
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
            typehash: "md5".into(),
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
        raw.check()
    }
}

impl Raw {
    fn check(self) -> Result<Config, Error> {
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
        let algorithm: Algorithm = self.typehash.parse().map_err(|error| {
            Error::usage(
                format!("--typehash {}: {error}", self.typehash),
                "md5, sha256, blake2b, … as hs --help says",
            )
        })?;
        let checksum = self
            .checksum
            .map(|text| {
                Checksum::parse(text.trim(), algorithm).map_err(|error| bad_checksum(&error))
            })
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
        let fingerprint = browser(&self.browser)?;
        Ok(Config {
            urls,
            output: self.output,
            threads: self.threads.map(usize::from),
            fingerprint,
            checksum,
            algorithm,
            insecure: self.insecure,
            cacert: self.cacert,
            quiet: self.quiet,
        })
    }
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
        assert_eq!(flags.algorithm, Algorithm::Sha256);
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

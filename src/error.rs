//! What can go wrong with a run, as the user is told: what failed, on which URL, why, and what to do next.
//!
//! Every edge has an error of its own; this one adds the URL or the file, the exit code and the hint. Credentials are
//! taken out of URLs before they get in here.

mod credentials;

use std::path::PathBuf;

use crate::answer::Refusal;
use crate::hash::Checksum;
use crate::retry::{Failure, Fault};
use crate::sink;

/// Why a run, or the download of one file, failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line or the configuration is wrong.
    #[error("{what}")]
    Usage {
        /// What is wrong with which value.
        what: String,
        /// What would be right.
        hint: String,
    },
    /// No answer, a broken one or one that cannot be used, after the retries.
    #[error("{url}: {detail}")]
    Failed {
        /// Redacted.
        url: String,
        /// The last failure.
        failure: Failure,
        /// The same for people, with what the library below said.
        detail: String,
    },
    /// The file is larger than the user wants.
    #[error("{url}: {length} bytes are more than the {limit} of --max-filesize")]
    TooLarge {
        /// Redacted.
        url: String,
        /// Its length, or how much of it came when it was too much.
        length: u64,
        /// The most that is wanted.
        limit: u64,
    },
    /// The bytes are not those that the checksum stands for.
    #[error("{url}: wrong checksum: expected {expected}, got {actual}")]
    Checksum {
        /// Redacted.
        url: String,
        /// What the user or the server said.
        expected: Checksum,
        /// What arrived.
        actual: Checksum,
        /// Where the wrong file is; `None` if it went to standard output.
        kept: Option<PathBuf>,
    },
    /// The file became another one when the reader of standard output had a part of it.
    #[error("{url}: the file changed on the server after {written} bytes were written")]
    Changed {
        /// Redacted.
        url: String,
        /// Bytes of the old version that standard output got.
        written: u64,
    },
    /// A stream broke off when the reader of standard output had a part of it.
    #[error("{source}; {written} bytes were written")]
    BrokenOff {
        /// Bytes that standard output got.
        written: u64,
        /// Why.
        source: Box<Error>,
    },
    /// The local disk, or standard output.
    #[error(transparent)]
    Disk(#[from] sink::Error),
    /// A signal ended the run.
    #[error("interrupted")]
    Interrupted {
        /// 2 for SIGINT, 15 for SIGTERM.
        signal: i32,
        /// Whether what arrived is kept for the next run.
        saved: bool,
    },
    /// Something that cannot happen on a working system.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// A usage error.
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// `url` without user name and password, for messages, logs and control files.
    #[must_use]
    pub fn redact(url: &str) -> String {
        credentials::remove(url)
    }

    /// The process's exit code if this is what ended it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Internal(_) | Self::TooLarge { .. } => 1,
            Self::Usage { .. } => 2,
            Self::Checksum { .. } => 3,
            Self::Failed {
                failure: Failure::Refused(Refusal::Page(_) | Refusal::Challenge(_)),
                ..
            } => 6,
            Self::Failed { .. } => 4,
            Self::Changed { .. } => 7,
            Self::BrokenOff { source, .. } => source.exit_code(),
            Self::Disk(sink::Error::Held { .. }) => 8,
            Self::Disk(sink::Error::ReaderGone) => 141,
            Self::Disk(_) => 5,
            Self::Interrupted { signal, .. } => u8::try_from(128 + signal).unwrap_or(1),
        }
    }

    /// One word for what failed, for programs; it goes with the exit code.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Internal(_) => "internal",
            Self::TooLarge { .. } => "too-large",
            Self::Usage { .. } => "usage",
            Self::Checksum { .. } => "integrity",
            Self::Failed { failure, .. } => match failure {
                Failure::Network(_) | Failure::Short => "network",
                Failure::Refused(Refusal::Page(_) | Refusal::Challenge(_)) => "blocked",
                Failure::Status { .. } | Failure::Refused(_) => "http",
            },
            Self::Changed { .. } => "changed",
            Self::BrokenOff { source, .. } => source.kind(),
            Self::Disk(sink::Error::Held { .. }) => "held",
            Self::Disk(sink::Error::ReaderGone) => "reader-gone",
            Self::Disk(_) => "disk",
            Self::Interrupted { .. } => "interrupted",
        }
    }

    /// Tells whoever looks for a fault all that is known of this one: every cause, and how the program sees it.
    pub fn trace(&self) {
        let mut next: Option<&dyn std::error::Error> = Some(self);
        while let Some(error) = next {
            tracing::debug!("{error}");
            next = error.source();
        }
        tracing::debug!("{self:?}");
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Usage { hint, .. } => return Some(hint.clone()),
            Self::Failed { failure, .. } => failure_hint(failure),
            Self::Checksum { kept, .. } => {
                return Some(match kept {
                    Some(path) => format!(
                        "check the expected value; the file is kept as {}",
                        path.display()
                    ),
                    None => "check the expected value; trust nothing of what was written".into(),
                });
            }
            Self::TooLarge { .. } => "allow more with --max-filesize",
            Self::Changed { .. } => "throw away what was written, and begin again",
            Self::BrokenOff { .. } => "what was written is only the beginning; begin again",
            Self::Disk(error) => disk_hint(error),
            Self::Interrupted { saved: true, .. } => {
                "run the same command again to go on where this one stopped"
            }
            Self::Interrupted { saved: false, .. } => {
                "what was written is only the beginning; without -s a run can go on where it stopped"
            }
            Self::Internal(_) => return None,
        };
        Some(hint.to_owned())
    }
}

fn failure_hint(failure: &Failure) -> &'static str {
    match failure {
        Failure::Network(fault) => match fault {
            Fault::Resolve => "check the host name and the name server",
            Fault::Certificate(why) if why.contains("pinned") => {
                "the server has another key than --pinnedpubkey names: find out why before you go on"
            }
            Fault::Certificate(_) => {
                "name its authority with --cacert (the usual ones come with ca-certificates), or use -k if you trust this host anyway"
            }
            Fault::Unable(_) => "change the option that asks for it, or leave it out",
            Fault::Proxy(_) => {
                "check the proxy: its address and credentials are -x or a *_PROXY variable; --noproxy goes around it"
            }
            Fault::TooManyRedirects | Fault::Impossible(_) => {
                "open the address in a browser and copy the final one"
            }
            Fault::Connect
            | Fault::ConnectTimeout
            | Fault::Tls(_)
            | Fault::Reset
            | Fault::Timeout
            | Fault::Stall
            | Fault::Http2 { .. }
            | Fault::RefusedStream
            | Fault::Goaway { .. }
            | Fault::Http11Required
            | Fault::Protocol(_)
            | Fault::Other(_) => {
                "check the address and the connection; the same command goes on where this one stopped"
            }
        },
        Failure::Status { code, .. } => match code {
            401 => {
                "the server wants credentials: -u, --netrc or --bearer (Basic and Bearer, not Digest)"
            }
            403 | 407 => "the server or the proxy wants credentials, or does not like this client",
            404 | 410 => "check the address",
            429 | 503 => "the server is busy: try again later, or with a smaller -t",
            _ => "try again later; the same command goes on where this one stopped",
        },
        Failure::Refused(Refusal::Challenge(_)) => {
            "open the address in a browser, and bring its cookies with --cookies, or try another -B"
        }
        Failure::Refused(Refusal::Page(_)) => {
            "open the address in a browser: it may want a login (--cookies); --accept-html takes the page"
        }
        Failure::Refused(_) | Failure::Short => {
            "try again later; -t 1 asks for nothing in parallel"
        }
    }
}

fn disk_hint(error: &sink::Error) -> &'static str {
    match error {
        sink::Error::NoSpace { .. } => "make room, or choose another directory with -o",
        sink::Error::Output { .. } => "check where standard output leads, and begin again",
        sink::Error::ReaderGone => "nothing is left to do",
        sink::Error::Held { .. } => "wait for the other one, or choose another directory with -o",
        sink::Error::NotRegular { .. } => "remove it, or choose another directory with -o",
        sink::Error::Permission { .. }
        | sink::Error::ReadOnly { .. }
        | sink::Error::NotADirectory { .. }
        | sink::Error::Incomplete { .. }
        | sink::Error::Io { .. } => "choose a directory you can write to with -o",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_out() {
        assert_eq!(Error::redact("https://u:p@h/f?a=b"), "https://h/f?a=b");
        assert_eq!(Error::redact("https://h/f"), "https://h/f");
        assert_eq!(Error::redact("u:p@h"), "…@h");
        assert_eq!(Error::redact("ftp://u:secret@h/f"), "ftp://h/f");
    }
}

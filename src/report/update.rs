//! What the flow tells of a run, as plain data: one variant for each thing that a person, a program or a log is told.
//!
//! Senders say what happened and nothing else. Times, speeds, totals and words are the faces' business, so an update has
//! none of them. Everything in here may be shown: URLs come without credentials ([`Error::redact`](crate::Error::redact)).

use std::path::PathBuf;
use std::time::Duration;

use crate::answer::Ranges;
use crate::hash::Checksum;
use crate::http::Protocol;

/// Something to show. `id` numbers a file within the run, from 0 in the order of the input.
///
/// The life of a file: `Started`, then `Resolved` when the server has answered, `Progress` while bytes come, at the end
/// exactly one of `Completed`, `Skipped`, `Previewed` and `Failed`. `Retry` and `Throttled` may come anywhere between. The
/// last update of a run is its `Summary`.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// How many files there are in all. Of a list that is read while files are downloaded this is known at its end; what is
    /// told last counts.
    Planned {
        /// Their number.
        files: usize,
    },
    /// A file begins; nothing has been asked for yet. The first update of each file.
    Started {
        /// The file.
        id: usize,
        /// Where from, as the user typed it, without credentials.
        url: String,
        /// The name it will probably have.
        name: String,
    },
    /// The server has answered, and says what the file is. Sent once, before any progress.
    Resolved {
        /// The file.
        id: usize,
        /// Its name.
        name: String,
        /// Its length in bytes, if known.
        size: Option<u64>,
        /// Whether the server takes range requests.
        ranges: Ranges,
        /// Version of HTTP the server speaks.
        protocol: Protocol,
        /// The checksum it will be held against, if one is known already.
        checksum: Option<Checksum>,
        /// Bytes that an earlier run left; they do not count as speed.
        resumed: u64,
    },
    /// A file has come further. May be left out when there are too many.
    Progress {
        /// The file.
        id: usize,
        /// Bytes that are there, those of an earlier run included. Fewer than before after a restart.
        bytes: u64,
        /// Requests of this file in flight.
        requests: usize,
        /// Connections on which their answers come; fewer than requests where they share one, or wait for an answer.
        connections: usize,
    },
    /// A request of a file failed, and is made again.
    Retry {
        /// The file.
        id: usize,
        /// What went wrong.
        reason: String,
        /// How long it waits before.
        delay: Duration,
    },
    /// The server, or the way to it, was found to be asked too much at once; less is asked from here on.
    Throttled {
        /// The file at which it was noticed.
        id: usize,
        /// What showed it.
        reason: String,
        /// Requests that may be in flight at this host from now on; grows again silently.
        requests: usize,
        /// Time in which this host is not asked at all; 0 if it is asked on.
        delay: Duration,
    },
    /// The address where the ranges came from stopped working; the original URL was asked again and gave the same file.
    /// What has arrived is kept.
    Reresolved {
        /// The file.
        id: usize,
        /// What went wrong with the address.
        reason: String,
    },
    /// A file begins again with its first byte; what had arrived is given up.
    Restarted {
        /// The file.
        id: usize,
        /// Why it cannot be continued.
        reason: String,
    },
    /// All bytes are there, and they are those that a checksum stands for. Followed by `Completed`.
    Verified {
        /// The file.
        id: usize,
        /// What holds.
        checksum: Checksum,
        /// Who states it: a header's name, the address of a list, or the option.
        place: String,
    },
    /// A file is complete.
    Completed {
        /// The file.
        id: usize,
        /// Where it is; its name if it went to standard output.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// Its digests, those that were asked for or compared.
        checksums: Vec<Checksum>,
        /// Who vouches for one of them; `None` if nobody does.
        verified: Option<String>,
    },
    /// A file was complete before the run, and is left as it is.
    Skipped {
        /// The file.
        id: usize,
        /// Where it is.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// A dry run has its report of a file, and is through with it.
    Previewed {
        /// The file.
        id: usize,
    },
    /// A file could not be completed.
    Failed {
        /// The file.
        id: usize,
        /// One word for programs, [`Error::kind`](crate::Error::kind).
        kind: &'static str,
        /// The exit code of a run in which only this failed.
        exit_code: u8,
        /// What failed, and why.
        error: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// The run as a whole could not begin or go on, whatever becomes of its files: a wrong option, no standard output.
    Aborted {
        /// One word for programs, [`Error::kind`](crate::Error::kind).
        kind: &'static str,
        /// The exit code.
        exit_code: u8,
        /// What failed, and why.
        error: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// Something worth knowing that is none of the above.
    Message {
        /// The file it is about; `None` if it is about the run.
        id: Option<usize>,
        /// How much it matters.
        level: Level,
        /// One sentence.
        text: String,
    },
    /// The run is over. Exactly one, the last; what became of its files the faces have counted.
    Summary {
        /// The exit code of the process.
        exit_code: u8,
    },
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for a fault; shown with `-d` alone.
    Debug,
    /// Good to know.
    Info,
    /// Something is not as it should be, and the run goes on.
    Warning,
    /// Something failed.
    Error,
}

//! Updates that the faces' tests begin with.

use super::Update;
use crate::answer::Ranges;
use crate::http::Protocol;

/// A file that begins, and the server's answer.
pub(super) fn start(id: usize, name: &str, size: Option<u64>, resumed: u64) -> [Update; 2] {
    let started = Update::Started {
        id,
        url: format!("https://example.org/{id}"),
        name: "guess".to_owned(),
    };
    let resolved = Update::Resolved {
        id,
        name: name.to_owned(),
        size,
        ranges: Ranges::Yes,
        protocol: Protocol::Http2,
        checksum: None,
        resumed,
    };
    [started, resolved]
}

/// A file that has come so far, over one connection.
pub(super) fn progress(id: usize, bytes: u64, requests: usize) -> Update {
    Update::Progress {
        id,
        bytes,
        requests,
        connections: 1,
    }
}

/// A file that is complete, unverified.
pub(super) fn completed(id: usize, path: &str, bytes: u64) -> Update {
    Update::Completed {
        id,
        path: path.into(),
        bytes,
        checksums: Vec::new(),
        verified: None,
    }
}

/// A file that was not found.
pub(super) fn failed(id: usize) -> Update {
    Update::Failed {
        id,
        kind: "http",
        exit_code: 4,
        error: format!("https://example.org/{id}: not found"),
        hint: Some("check the address".to_owned()),
    }
}

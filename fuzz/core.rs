//! The library's parsers alone, under the library's name.
//!
//! The whole library needs BoringSSL, libcurl and the linker hooks of `build.rs`, and a nightly compiler would build all of
//! that once more, to fuzz code that never calls it. Core modules import only core modules (`tests/layers.rs` holds that), so
//! their files can be compiled alone; paths within them are the same here. What this costs: a module that gets a new
//! neighbour has to be named here too, and the compiler says so.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "only the parsers of these modules are used here"
)]

#[path = "../src/answer.rs"]
pub mod answer;
#[path = "../src/batch"]
pub mod batch {
    pub mod list;
}
#[path = "../src/error/credentials.rs"]
mod credentials;
#[path = "../src/entity.rs"]
pub mod entity;
#[path = "../src/fingerprint/mod.rs"]
pub mod fingerprint;
#[path = "../src/hash.rs"]
pub mod hash;
#[path = "../src/http.rs"]
pub mod http;
#[path = "../src/name.rs"]
pub mod name;
#[path = "../src/range.rs"]
pub mod range;
#[path = "../src/resume.rs"]
pub mod resume;
#[path = "../src/retry.rs"]
pub mod retry;
#[path = "../src/sums.rs"]
pub mod sums;

/// Without its own file, which makes requests.
#[path = "../src/resolve"]
pub mod resolve {
    mod disposition;
    pub mod name;
    pub mod said;
    mod source;

    pub use self::source::Source;
}

/// As much of it as a control file depends on.
pub mod sink {
    /// Stands before calls that tests let fail.
    pub(crate) fn trip(_: &std::path::Path) -> std::io::Result<()> {
        Ok(())
    }
}

/// As much of the library's as lists have.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    pub fn usage(what: impl Into<String>, _hint: impl Into<String>) -> Self {
        Self(what.into())
    }

    pub fn redact(url: &str) -> String {
        credentials::remove(url)
    }
}

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

    /// As much of it as a name depends on.
    pub struct Source {
        pub url: url::Url,
        pub name: Option<String>,
    }

    impl Source {
        pub fn new(url: url::Url) -> Self {
            Self { url, name: None }
        }
    }
}

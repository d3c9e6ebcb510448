//! The integration tests, one binary: each file holds one promise of the README.

#![allow(clippy::disallowed_methods, reason = "tests read the clock and wait")]
#![allow(clippy::unwrap_used, reason = "a test may end at once")]
#![allow(clippy::print_stdout, reason = "helpers say what was skipped")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test names the cases it is about"
)]
#![allow(
    unreachable_pub,
    reason = "the origin is shared with a program of its own"
)]

mod batch;
mod cases;
mod checksums;
mod common;
mod connections;
mod download;
mod dry_run;
mod errors;
mod faces;
mod faults;
mod files;
mod fingerprints;
mod flow;
mod fuzz;
mod json_lines;
mod layers;
mod mirrors;
mod options;
mod options_net;
mod options_way;
mod patience;
mod recordings;
mod resume;
mod retry;
mod settings;
mod signatures;
mod stream;
mod system_access;
mod system_browsers;
mod system_chaos;
mod system_order;
mod system_resumption;
mod system_servers;
mod verify;
mod wire;

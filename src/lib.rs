//! HydraStream: one file over many HTTP range requests, indistinguishable from a browser on the wire.
//!
//! The story, one stage a line:
//!
//! - a [`resolve::Source`] (a URL and what the user said of it) is **resolved** by the browser's own first GET
//! - into a [`resolve::Resource`]: final URL, length, validator, name;
//! - **plan** cuts what is missing into chunks, half-open byte ranges;
//! - **schedule** says which chunk is asked for next, what is in flight and what failed;
//! - **net** runs the transfers: one thread with one curl multi handle, commands in, events out;
//! - blocks of bytes go to the **sink**, which writes them into a part file at their offsets, or puts them into **order** for
//!   standard output;
//! - **hash** follows the contiguous front of what was written;
//! - when size and checksum hold, the part file is renamed to its final name;
//! - **report** shows all this to a person.
//!
//! *Core* (`range`, `http`, `entity`, `answer`, `multipart`, `coding`, `page`, `name`, `day`, `plan`, `schedule`, `order`, `retry`,
//! `limit`, `hash`, `sums`, `cookies`, `netrc`, `redact`, `fingerprint`) is pure: no I/O, no clock, no curl. *Edge* (`net`,
//! `sink` with `resume`, `report`, `capture`, `input`) does the I/O and decides nothing. *Flow* (`batch`, `download`,
//! `resolve`, `inspect`) joins them and contains no algorithm. `tests/layers.rs` holds this rule.

#![cfg_attr(test, allow(clippy::disallowed_methods))]
#![allow(rustdoc::private_intra_doc_links)] // Who reads these pages reads them with the private items.

pub mod answer;
pub mod batch;
pub mod capture;
pub mod cli;
pub mod coding;
pub mod config;
pub mod cookies;
pub mod day;
pub mod download;
pub mod entity;
pub mod error;
pub mod fingerprint;
pub mod hash;
pub mod http;
pub mod input;
pub mod inspect;
pub mod limit;
pub mod log;
pub mod multipart;
pub mod name;
pub mod net;
pub mod netrc;
pub mod order;
pub mod page;
pub mod plan;
pub mod range;
pub mod redact;
pub mod report;
pub mod resolve;
pub mod resume;
pub mod retry;
pub mod schedule;
pub mod sink;
pub mod sums;

pub use config::Config;
pub use error::Error;

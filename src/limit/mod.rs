//! How much at once: [`aimd`] for requests, [`bucket`] for bytes a second.
//!
//! Both are told what happened, with the time it happened at, and answer with a number. Neither waits nor knows a
//! transfer; one of each is shared by all that the limit covers, the requests to one host or the bytes of all files.

pub mod aimd;
pub mod bucket;

pub use aimd::Aimd;
pub use bucket::Bucket;

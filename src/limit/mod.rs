//! How much at once: [`aimd`] for requests, [`host`] for all that is shared by the requests to one host, [`bucket`] for bytes
//! a second.
//!
//! All are told what happened, with the time it happened at, and answer with a number. None waits nor knows a
//! transfer; one of each is shared by all that the limit covers, the requests to one host or the bytes of all files.

pub mod aimd;
pub mod bucket;
pub mod host;

pub use aimd::Aimd;
pub use bucket::Bucket;
pub use host::Host;

//! The wire formats in which a client shows what it is: TLS records and the ClientHello, HTTP/2 frames and HPACK.
//!
//! A fingerprint is only as good as the bytes it leads to, so the crate reads bytes back: the tests compare what `hs`
//! sends with a recorded browser field by field, and the demonstration origin prints what it was shown.
//!
//! Everything here is a pure function of bytes. Input comes from strangers: no parser panics, whatever it is given, and
//! none keeps more memory than a small multiple of its input or of the limit it was built with. Nothing here does I/O,
//! decrypts, or judges whether a peer obeys a protocol beyond what is needed to read on.

mod cursor;
pub mod extension;
pub mod frames;
mod header_table;
pub mod hello;
pub mod hpack;
pub mod huffman;
pub mod recode;
pub mod record;

//! Says in the terms of a fingerprint file what one connection showed, and lists what a file has no words for.
//!
//! Recording writes this down, comparing holds it against a file. One connection never shows what varies: lists of
//! what may be drawn have one element here, and `permute_extensions` is false.

mod http2;
mod tls;

pub use http2::{http2, increments, layout, shape};
pub(super) use tls::X25519_MLKEM768;
pub use tls::tls;

//! The part of `openssl-sys` that the `curl` crate uses, on BoringSSL.
//!
//! `curl-sys` compiles libcurl against whatever headers a crate of this name offers, and `curl` calls [`init`] once. Nothing else
//! of OpenSSL's API is here: Rust code that wants to talk TLS uses the `boring` crate, which sits on the same library.

/// Initialises BoringSSL. Safe to call from any thread, any number of times.
pub fn init() {
    boring_sys::init();
}

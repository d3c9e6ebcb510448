//! The published `boring-sys`, bound to a BoringSSL that also carries the patches in `patches/`.
//!
//! Everything here comes from the published crate's own `src/lib.rs`, which the build script copies out of cargo's registry without
//! its inner attributes (they are repeated below); its bindings were generated from the patched headers, so the functions that
//! the patches add (`SSL_CTX_hello_…`, declared and explained in `openssl/ssl.h`) are among them.
#![allow(
    clippy::all,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_code,
    unused_imports
)]

include!(concat!(env!("OUT_DIR"), "/published_lib.rs"));

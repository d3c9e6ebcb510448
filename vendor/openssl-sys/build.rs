//! Hands BoringSSL's header folder on to `curl-sys`, under the name by which it looks for OpenSSL's.
//!
//! Refuses any other library: a libcurl on a real OpenSSL would send OpenSSL's ClientHello, and nobody would notice. Whoever
//! depends on this crate can make sure that it, and not the published one, was built: only this one sets `DEP_OPENSSL_BORINGSSL`.

#![allow(
    clippy::disallowed_methods,
    reason = "a build script is told everything by its environment"
)]

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    match include() {
        Ok(include) => {
            println!("cargo::metadata=include={include}");
            println!("cargo::metadata=boringssl=1");
        }
        Err(reason) => println!("cargo::error={reason}"),
    }
}

/// The folder that holds `openssl/*.h`, proved to be BoringSSL's.
fn include() -> Result<String, String> {
    let include = env::var("DEP_BORINGSSL_INCLUDE").map_err(|_| {
        "libcurl would not be built on BoringSSL: boring-sys does not say where its headers are; \
         Cargo.toml needs `[patch.crates-io] boring-sys = { path = \"vendor/boring-sys\" }`"
    })?;
    let header = Path::new(&include).join("openssl/base.h");
    let text = fs::read_to_string(&header).map_err(|e| {
        format!(
            "libcurl would not be built on BoringSSL: cannot read {}: {e}",
            header.display()
        )
    })?;
    if !text.contains("#define OPENSSL_IS_BORINGSSL") {
        return Err(format!(
            "libcurl would not be built on BoringSSL: {} belongs to another library",
            header.display()
        ));
    }
    Ok(include)
}

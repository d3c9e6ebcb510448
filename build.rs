//! Embeds the fingerprint files and asks the linker for the hooks that `src/net` defines.
//!
//! A wrong fingerprint file fails the build with file, line and key. A hook that the code lacks, or a symbol that no
//! library has, is a link error that names it; so libcurl's own fingerprint never leaks silently.

#![allow(
    clippy::disallowed_methods,
    reason = "a build script is told everything by its environment"
)]
#![allow(unreachable_pub, reason = "the modules below are the library's own")]

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs, io, process};

#[allow(dead_code)]
#[path = "src/fingerprint/check.rs"]
mod check;
#[allow(dead_code)]
#[path = "src/fingerprint/headers.rs"]
mod headers;
#[allow(dead_code)]
#[path = "src/fingerprint/inherit.rs"]
mod inherit;
#[allow(dead_code)]
#[path = "src/fingerprint/names.rs"]
mod names;
#[allow(dead_code)]
#[path = "src/fingerprint/platform.rs"]
mod platform;
#[allow(dead_code)]
#[path = "src/fingerprint/schema.rs"]
mod schema;

/// Functions of nghttp2, BoringSSL and the system whose callers in libcurl are led through `src/net/hooks.rs`.
const HOOKS: [&str; 17] = [
    "SSL_connect",
    "SSL_new",
    "SSL_read",
    "SSL_write",
    "nghttp2_option_new",
    "nghttp2_session_callbacks_set_on_frame_recv_callback",
    "nghttp2_session_callbacks_set_on_stream_close_callback",
    "nghttp2_session_callbacks_set_send_callback",
    "nghttp2_session_consume",
    "nghttp2_session_del",
    "nghttp2_session_get_remote_settings",
    "nghttp2_session_set_local_window_size",
    "nghttp2_submit_request",
    "nghttp2_submit_rst_stream",
    "nghttp2_submit_settings",
    "nghttp2_submit_window_update",
    "recv",
];

fn main() {
    if let Err(message) = embed_fingerprints() {
        eprintln!("{message}");
        process::exit(1);
    }
    // Set by vendor/openssl-sys only; with any other, libcurl would send that library's ClientHello.
    if env::var("DEP_OPENSSL_BORINGSSL").as_deref() != Ok("1") {
        eprintln!(
            "libcurl is not on BoringSSL: Cargo.toml needs `[patch.crates-io] openssl-sys = {{ path = \"vendor/openssl-sys\" }}`"
        );
        process::exit(1);
    }
    for hook in HOOKS {
        println!("cargo:rustc-link-arg=-Wl,--wrap={hook}");
    }
    println!("cargo:rerun-if-changed=build.rs");
    for file in ["check", "headers", "inherit", "names", "platform", "schema"] {
        println!("cargo:rerun-if-changed=src/fingerprint/{file}.rs");
    }
}

/// Writes the table of (name, text) and that of (alias, name), both sorted, after reading each file.
fn embed_fingerprints() -> Result<(), String> {
    let root = env::var("CARGO_MANIFEST_DIR").map_err(|_| "run by cargo only".to_owned())?;
    let folder = Path::new(&root).join("fingerprints");
    println!("cargo:rerun-if-changed={}", folder.display());
    let texts = texts(&folder)?;
    let find = |name: &str| texts.get(name).map(String::as_str);
    let mut aliases = BTreeMap::new();
    let mut table = String::from("const EMBEDDED: &[(&str, &str)] = &[\n");
    for (name, text) in &texts {
        let path = folder.join(format!("{name}.toml"));
        let wrong = |error| format!("fingerprint file {}: {error}", path.display());
        let fingerprint = inherit::read(text, find).map_err(wrong)?;
        if fingerprint.browser.name != *name {
            return Err(wrong(format!("browser.name must be `{name}`")));
        }
        for alias in fingerprint.aliases {
            if texts.contains_key(&alias) || aliases.contains_key(&alias) {
                return Err(wrong(format!("aliases: `{alias}` is taken")));
            }
            aliases.insert(alias, name.clone());
        }
        table += &format!("    ({name:?}, include_str!({path:?})),\n");
    }
    table += "];\nconst ALIASES: &[(&str, &str)] = &[\n";
    for alias in aliases {
        table += &format!("    {alias:?},\n");
    }
    table += "];\n";
    let out = env::var("OUT_DIR").map_err(|_| "run by cargo only".to_owned())?;
    fs::write(Path::new(&out).join("fingerprints.rs"), table).map_err(|error| error.to_string())
}

/// The `.toml` files of a folder by their names without that ending.
fn texts(folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let wrong = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    let mut texts = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(|error| wrong(folder, error))? {
        let path = entry.map_err(|error| wrong(folder, error))?.path();
        if path.extension().is_some_and(|ending| ending == "toml")
            && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
        {
            let text = fs::read_to_string(&path).map_err(|error| wrong(&path, error))?;
            texts.insert(name.to_owned(), text);
        }
    }
    Ok(texts)
}

//! Builds the published `boring-sys` crate from BoringSSL sources that also carry the patches in `patches/`.
//!
//! cargo downloads the published crate (`upstream/Cargo.lock` pins it), its BoringSSL is copied into the target folder and patched
//! there, and the published crate's own build script compiles it in a nested `cargo build` and generates the bindings. So no source of
//! BoringSSL lives in this repository, and how it is built on each platform stays Cloudflare's business.
//!
//! The nested build is always optimised: an unoptimised BoringSSL makes every test slow and helps nobody here. So all profiles
//! of the outer build share one, in a folder beside theirs.

#![allow(
    clippy::disallowed_methods,
    reason = "a build script is told everything by its environment"
)]

mod nested;
mod patches;
mod tools;
mod tree;

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What stops the build, as a sentence for the person who started it.
type Failure = String;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!(
                "cargo::error=boring-sys: {}",
                failure.trim_end().replace('\n', "\ncargo::error=")
            );
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    for path in ["build", "patches", "upstream"] {
        println!("cargo::rerun-if-changed={path}");
    }
    for name in tools::ENVIRONMENT {
        println!("cargo::rerun-if-env-changed={name}");
    }
    if cfg!(feature = "fips") {
        return Err(
            "feature `fips` cannot be had: the validated module must not be patched".into(),
        );
    }
    tools::check()?;

    let out =
        PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set; run me through cargo")?);
    let published = nested::find_published()?;
    let patches = patches::list(&published)?;
    let shared = shared_folder(&out)?;
    let lock = lock(&shared)?;
    let source = patched_source(&shared, &published, &patches)?;
    let built = nested::build(&shared, &source, &patches::digest(&patches)?)?;
    take(&built, &source, &out)?;
    drop(lock);
    publish_lib(&published, &out)?;

    println!("cargo::rustc-link-search=native={}", out.display());
    for lib in &built.linked_libs {
        println!("cargo::rustc-link-lib={lib}");
    }
    println!("cargo::metadata=include={}", out.join("include").display());
    println!(
        "cargo::metadata=version_major={}",
        env!("CARGO_PKG_VERSION_MAJOR")
    );
    Ok(())
}

/// The folder that all profiles share: `boringssl` beside `debug` and `release`, or one of its own per set of features, which
/// change what is built.
fn shared_folder(out: &Path) -> Result<PathBuf, Failure> {
    // <target>/<profile>/build/<package>-<hash>/out
    let target = out
        .ancestors()
        .nth(4)
        .ok_or_else(|| format!("{} is too close to the root", out.display()))?;
    let name = nested::features()
        .iter()
        .fold("boringssl".to_owned(), |name, feature| name + "-" + feature);
    let folder = target.join(name);
    fs::create_dir_all(&folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
    Ok(folder)
}

/// Waits until no other build works in `folder`.
fn lock(folder: &Path) -> Result<File, Failure> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(|e| format!("cannot create {}: {e}", path.display()))?;
    file.lock()
        .map_err(|e| format!("cannot lock {}: {e}", path.display()))?;
    Ok(file)
}

/// The patched BoringSSL. Only files whose text changed are written, so after an edit of one patch little is compiled again.
fn patched_source(
    folder: &Path,
    published: &Path,
    patches: &[PathBuf],
) -> Result<PathBuf, Failure> {
    let (fresh, source) = (folder.join("fresh"), folder.join("source"));
    tree::mirror(&published.join("deps/boringssl"), &fresh)?;
    for patch in patches {
        patches::apply(patch, &fresh)?;
    }
    tree::mirror(&fresh, &source)?;
    fs::remove_dir_all(&fresh).map_err(|e| format!("cannot remove {}: {e}", fresh.display()))?;
    Ok(source)
}

/// Copies what was built to `out`, so that the shared folder may vanish or change at any time.
fn take(built: &nested::Built, source: &Path, out: &Path) -> Result<(), Failure> {
    let copy = |from: &Path, name: &str| {
        fs::copy(from, out.join(name)).map_err(|e| format!("cannot copy {}: {e}", from.display()))
    };
    copy(&built.out_dir.join("bindings.rs"), "bindings.rs")?;
    tree::mirror(&source.join("include"), &out.join("include"))?;
    for lib in built
        .linked_libs
        .iter()
        .filter_map(|lib| lib.strip_prefix("static="))
    {
        let names = [format!("lib{lib}.a"), format!("{lib}.lib")];
        let (folder, name) = built
            .linked_paths
            .iter()
            .map(|path| Path::new(path.strip_prefix("native=").unwrap_or(path)))
            .flat_map(|folder| names.iter().map(move |name| (folder, name)))
            .find(|(folder, name)| folder.join(name).exists())
            .ok_or_else(|| format!("the nested cargo left no library `{lib}`"))?;
        copy(&folder.join(name), name)?;
    }
    Ok(())
}

/// Copies the published `src/lib.rs` without its inner attributes, which an included file may not have.
fn publish_lib(published: &Path, out: &Path) -> Result<(), Failure> {
    let path = published.join("src/lib.rs");
    let text =
        fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let mut rest = text.trim_start();
    while let Some(attribute) = rest.strip_prefix("#![") {
        let (_, after) = attribute
            .split_once("]\n")
            .ok_or_else(|| format!("{}: unclosed attribute", path.display()))?;
        rest = after.trim_start();
    }
    fs::write(out.join("published_lib.rs"), rest)
        .map_err(|e| format!("cannot write published_lib.rs: {e}"))
}

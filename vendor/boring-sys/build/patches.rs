//! Which patches BoringSSL gets, in which order, and how.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

/// The published crate's patches that its build script would apply for our features, then ours by file name.
pub fn list(published: &Path) -> Result<Vec<PathBuf>, Failure> {
    let theirs = [
        (
            cfg!(feature = "allow-crl-extensions-bad-version"),
            "bad-cert-verification.patch",
        ),
        (true, "boring-pq.patch"),
        (cfg!(feature = "rpk"), "rpk.patch"),
        (
            cfg!(feature = "underscore-wildcards"),
            "underscore-wildcards.patch",
        ),
        (
            cfg!(feature = "relax-cert-validation"),
            "relax-cert-validation.patch",
        ),
    ];
    let mut patches: Vec<PathBuf> = theirs
        .iter()
        .filter(|(wanted, _)| *wanted)
        .map(|(_, name)| published.join("patches").join(name))
        .collect();

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("patches");
    let entries =
        fs::read_dir(&folder).map_err(|e| format!("cannot list {}: {e}", folder.display()))?;
    let mut ours: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "patch")
        })
        .collect();
    ours.sort();
    patches.append(&mut ours);
    Ok(patches)
}

/// Applies one patch to `source`, wholly or not at all.
pub fn apply(patch: &Path, source: &Path) -> Result<(), Failure> {
    let output = Command::new("git")
        .args(["apply", "--whitespace=nowarn"])
        .arg(patch)
        .current_dir(source)
        // `source` lies inside the caller's repository, in which git would take the patch's paths for ones of that repository.
        .env("GIT_CEILING_DIRECTORIES", source.parent().unwrap_or(source))
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .output()
        .map_err(|e| format!("cannot run git apply: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{} does not apply to BoringSSL of boring-sys {}: redo it for this version, see vendor/boring-sys/README.md\n{}",
        patch.display(),
        env!("CARGO_PKG_VERSION"),
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// A value that changes when any patch's text does.
pub fn digest(patches: &[PathBuf]) -> Result<String, Failure> {
    let mut hasher = DefaultHasher::new();
    for patch in patches {
        let text = fs::read(patch).map_err(|e| format!("cannot read {}: {e}", patch.display()))?;
        text.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

//! The nested cargo: finds the published crate in the registry and lets its build script compile our sources.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{tools, Failure};

/// What the published crate's build script said.
pub struct Built {
    /// Its `OUT_DIR`, which holds `bindings.rs`.
    pub out_dir: PathBuf,
    /// Its values for `rustc-link-search`, where the libraries are.
    pub linked_paths: Vec<String>,
    /// Its values for `rustc-link-lib`, in its order.
    pub linked_libs: Vec<String>,
}

/// The folder of the published crate, downloaded if need be.
pub fn find_published() -> Result<PathBuf, Failure> {
    let target = target()?;
    let stdout = run(cargo("metadata").args(["--format-version=1", "--filter-platform", &target]))?;
    let metadata: Value =
        serde_json::from_str(&stdout).map_err(|e| format!("cannot read cargo metadata: {e}"))?;
    metadata["packages"]
        .as_array()
        .and_then(|packages| {
            packages
                .iter()
                .find(|package| package["name"] == "boring-sys")
        })
        .filter(|package| package["version"] == env!("CARGO_PKG_VERSION"))
        .and_then(|package| Path::new(package["manifest_path"].as_str()?).parent())
        .map(Path::to_owned)
        .ok_or_else(|| {
            format!(
                "upstream/Cargo.toml does not name boring-sys {}",
                env!("CARGO_PKG_VERSION")
            )
        })
}

/// Compiles `source` and generates bindings for it. `digest` stands for the patches: the published build script runs again
/// when it changes.
pub fn build(folder: &Path, source: &Path, digest: &str) -> Result<Built, Failure> {
    let target = target()?;
    let mut command = cargo("build");
    command
        .args([
            "--package=boring-sys",
            "--release",
            "--message-format=json",
            "--target",
            &target,
        ])
        .arg("--target-dir")
        .arg(folder.join("target"))
        .env("BORING_BSSL_SOURCE_PATH", source)
        .env("BORING_BSSL_ASSUME_PATCHED", digest);
    if let Ok(jobs) = env::var("NUM_JOBS") {
        command.args(["--jobs", &jobs]);
    }
    for feature in features() {
        command.arg(format!("--features=boring-sys/{feature}"));
    }
    let stdout = run(&mut command)?;
    stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "build-script-executed")
        .find(|message| {
            message["package_id"]
                .as_str()
                .is_some_and(|id| id.contains("boring-sys"))
        })
        .map(|message| Built {
            out_dir: PathBuf::from(message["out_dir"].as_str().unwrap_or_default()),
            linked_paths: strings(&message["linked_paths"]),
            linked_libs: strings(&message["linked_libs"]),
        })
        .ok_or_else(|| "the published build script left no message".into())
}

/// The published crate's features that are on.
pub fn features() -> Vec<&'static str> {
    let known = [
        (
            cfg!(feature = "allow-crl-extensions-bad-version"),
            "allow-crl-extensions-bad-version",
        ),
        (cfg!(feature = "mlkem"), "mlkem"),
        (
            cfg!(feature = "relax-cert-validation"),
            "relax-cert-validation",
        ),
        (cfg!(feature = "rpk"), "rpk"),
        (
            cfg!(feature = "underscore-wildcards"),
            "underscore-wildcards",
        ),
    ];
    known
        .into_iter()
        .filter_map(|(on, name)| on.then_some(name))
        .collect()
}

fn target() -> Result<String, Failure> {
    env::var("TARGET").map_err(|_| "TARGET is not set; run me through cargo".into())
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|value| Some(value.as_str()?.to_owned()))
        .collect()
}

/// A cargo that works on `upstream/` and knows nothing of the cargo that runs this script, but for the job server (both
/// together keep to one `-j`) and the user's own settings for network and registries.
fn cargo(subcommand: &str) -> Command {
    const KEPT: [&str; 8] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_MAKEFLAGS",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
        "CARGO_UNSTABLE_",
    ];
    const REMOVED: [&str; 11] = [
        "DEBUG",
        "HOST",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTC_LINKER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTDOC",
        "RUSTFLAGS",
        "TARGET",
    ];
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("upstream/Cargo.toml");
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let of_cargo =
            text.starts_with("CARGO_") && !KEPT.iter().any(|kept| text.starts_with(kept));
        if of_cargo
            || text.starts_with("DEP_")
            || text.starts_with("BORING_BSSL_")
            || REMOVED.contains(&text)
        {
            command.env_remove(&name);
        }
    }
    command
        .arg(subcommand)
        .arg("--locked")
        .arg("--manifest-path")
        .arg(manifest);
    command
}

/// Runs to the end and returns stdout; what went to stderr is passed on if it fails.
fn run(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot run {}: {e}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    eprintln!("{stderr}");
    Err(tools::explain(&stderr)
        .unwrap_or("the nested cargo failed; what it said is under `--- stderr`")
        .into())
}

//! Holds the dependency rule of `docs/INTERNALS.md` as a table: who may import whom, and which crates and corners of `std` have
//! one home only.
//!
//! The compiler cannot say this within one crate, and a rule that nothing holds is gone within a year. The source text is read
//! (see `scan`), not the compiled program; names that macros make up are therefore not seen. Code under `#[cfg(test)]`, `tests/`,
//! `examples/` and `vendor/` is free.

mod scan;
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

use scan::{Seen, scan};

/// The layers, from the inside out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    /// Decides, and does nothing: no I/O, no clock, no randomness of its own.
    Core,
    /// Does one kind of I/O each, and decides nothing.
    Edge,
    /// Tells the story of a download with both.
    Flow,
    /// The program around the library's story: flags, settings, log, errors.
    Top,
}

/// Every module of `src/`. One that is missing here fails the test: say where it belongs.
const MODULES: &[(Layer, &[&str])] = &[
    (
        Layer::Core,
        &[
            "name",
            "range",
            "plan",
            "schedule",
            "order",
            "retry",
            "cookies",
            "day",
            "hash",
            "netrc",
            "limit",
            "fingerprint",
            "http",
            "entity",
            "answer",
            "coding",
            "multipart",
            "page",
            "sums",
            "redact",
        ],
    ),
    (
        Layer::Edge,
        &["net", "sink", "resume", "report", "capture", "input"],
    ),
    (Layer::Flow, &["batch", "download", "resolve", "inspect"]),
    (Layer::Top, &["cli", "config", "error", "log"]),
];

/// Edges that are one group and may import each other: the part file and the control file beside it.
const GROUPS: &[&[&str]] = &[&["sink", "resume"]];

/// What the top may import of itself: `config` merges the flags that `cli` describes, and its faults are `Error`s.
const TOP_FOR_TOP: &[(&str, &str)] = &[("config", "cli"), ("config", "error")];

/// All that flow may name of the top.
const TOP_FOR_FLOW: &[&[&str]] = &[&["config", "Config"], &["error", "Error"]];

/// Items that the crate root re-exports, and the module that each belongs to.
const REEXPORTS: &[(&str, &str)] = &[("Config", "config"), ("Error", "error")];

/// All crates that core may name: the language's own, plain data, and digests. `toml_edit` reads a fingerprint and
/// `httpdate` a Retry-After, which are texts to them; `psl` is a table of public suffixes. The last three unpack bytes.
const CORE_CRATES: &[&str] = &[
    "std",
    "core",
    "alloc",
    "bytes",
    "serde",
    "thiserror",
    "toml_edit",
    "httpdate",
    "psl",
    "md5",
    "sha1",
    "sha2",
    "sha3",
    "blake2",
    "blake3",
    "crc32c",
    "digest",
    "flate2",
    "brotli_decompressor",
    "ruzstd",
];

/// What of `std` core must not name all the same; the rest of a path does not matter.
const NOT_IN_CORE: &[&[&str]] = &[
    &["std", "fs"],
    &["std", "env"],
    &["std", "net", "TcpStream"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "hash", "RandomState"],
];

/// Clocks; core gets `now` as an argument. Found anywhere in a path, since `Instant` is usually imported.
const CLOCKS: &[[&str; 2]] = &[["Instant", "now"], ["SystemTime", "now"]];

/// What only the named modules may name (`main` stands for `src/main.rs`).
const HOMES: &[(&[&str], &[&str])] = &[
    (&["curl"], &["net"]),
    (&["curl_sys"], &["net"]),
    (&["boring"], &["net", "capture"]),
    (&["boring_sys"], &["net"]),
    (&["openssl_sys"], &["net"]),
    (&["libnghttp2_sys"], &["net"]),
    (&["clap"], &["cli", "main"]),
    (&["clap_complete"], &["cli"]),
    (&["clap_mangen"], &["cli"]),
    (&["figment"], &["config"]),
    (&["indicatif"], &["report"]),
    (&["tracing_subscriber"], &["log"]),
    (
        &["std", "fs"],
        &["sink", "resume", "input", "config", "log"],
    ),
    (&["tokio", "fs"], &["sink", "resume"]),
    (&["std", "env"], &["config", "main"]),
    (&["std", "process"], &["main"]),
];

/// The only modules in which `unsafe` may stand.
const UNSAFE: &[&str] = &["net"];

/// The files that put the parts together, and so may import every layer.
const ROOTS: &[&str] = &["lib", "main"];

#[test]
fn source_keeps_the_dependency_rule() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&source);
    assert!(!files.is_empty(), "no source found in {}", source.display());
    let mut breaches = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("source files are readable");
        breaches.extend(check(
            file.strip_prefix(&source).expect("found below src"),
            &text,
        ));
    }
    assert!(
        breaches.is_empty(),
        "the dependency rule is broken:\n{}",
        breaches.join("\n")
    );
}

/// The breaches in one file, each as `FILE:LINE: what`; `file` is relative to `src`.
fn check(file: &Path, text: &str) -> Vec<String> {
    let (module, path) = module_of(file);
    let Seen {
        names,
        unsafe_lines,
    } = scan(text, &path);
    let place = |line: usize, what: &str| format!("src/{}:{line}: {what}", file.display());
    if !ROOTS.contains(&module.as_str()) && layer(&module).is_none() {
        return vec![place(
            1,
            &format!("`{module}` has no layer; add it to MODULES in tests/layers.rs"),
        )];
    }
    let mut breaches = Vec::new();
    for named in &names {
        if let Some(what) =
            import_breach(&module, &named.path).or_else(|| name_breach(&module, &named.path))
        {
            breaches.push(place(named.line, &what));
        }
    }
    if !UNSAFE.contains(&module.as_str()) {
        breaches.extend(
            unsafe_lines
                .iter()
                .map(|line| place(*line, "`unsafe` outside src/net")),
        );
    }
    breaches
}

/// Why `module` must not name `path`, a path into this crate; `None` for what it may, and for other crates.
fn import_breach(module: &str, path: &[String]) -> Option<String> {
    let [first, item, rest @ ..] = path else {
        return None;
    };
    if first != "crate" && first != "hydrastream" || ROOTS.contains(&module) {
        return None;
    }
    let shown = path.join("::");
    let reexport = REEXPORTS.iter().find(|(name, _)| name == item);
    let (target, item) = match reexport {
        Some((name, home)) => (*home, Some(*name)),
        None => (item.as_str(), rest.first().map(String::as_str)),
    };
    if target == module {
        return None;
    }
    let Some(to) = layer(target) else {
        return Some(format!("`{shown}`: the crate root has no such module"));
    };
    let from = layer(module)?;
    let allowed = match (from, to) {
        (Layer::Core | Layer::Edge | Layer::Flow | Layer::Top, Layer::Core)
        | (Layer::Flow | Layer::Top, Layer::Edge | Layer::Flow) => true,
        (Layer::Edge, Layer::Edge) => GROUPS
            .iter()
            .any(|group| group.contains(&module) && group.contains(&target)),
        (Layer::Flow, Layer::Top) => {
            item.is_some_and(|item| TOP_FOR_FLOW.contains(&[target, item].as_slice()))
        }
        (Layer::Top, Layer::Top) => TOP_FOR_TOP.contains(&(module, target)),
        (Layer::Core, Layer::Edge | Layer::Flow | Layer::Top)
        | (Layer::Edge, Layer::Flow | Layer::Top) => false,
    };
    (!allowed).then(|| format!("`{shown}`: {from:?} `{module}` must not import {to:?} `{target}`"))
}

/// Why `module` must not name `path`, a path into `std` or another crate.
fn name_breach(module: &str, path: &[String]) -> Option<String> {
    let shown = path.join("::");
    let core = layer(module) == Some(Layer::Core);
    if core && NOT_IN_CORE.iter().any(|corner| begins(path, corner)) {
        return Some(format!("`{shown}` has no place in core"));
    }
    if core
        && CLOCKS
            .iter()
            .any(|clock| path.windows(2).any(|pair| pair == clock))
    {
        return Some(format!(
            "`{shown}`: core reads no clock; take `now` as an argument"
        ));
    }
    if core && dependencies().contains(&path[0]) && !CORE_CRATES.contains(&path[0].as_str()) {
        return Some(format!(
            "`{shown}`: core must not depend on the crate `{}`",
            path[0]
        ));
    }
    let (corner, homes) = HOMES.iter().find(|(corner, _)| begins(path, corner))?;
    (!homes.contains(&module)).then(|| {
        format!(
            "`{shown}`: `{}` belongs to {} alone",
            corner.join("::"),
            homes.join(", ")
        )
    })
}

fn begins(path: &[String], with: &[&str]) -> bool {
    path.len() >= with.len() && path.iter().zip(with).all(|(name, wanted)| name == wanted)
}

fn layer(module: &str) -> Option<Layer> {
    MODULES
        .iter()
        .find(|(_, modules)| modules.contains(&module))
        .map(|(layer, _)| *layer)
}

/// The crates that `Cargo.toml` names, as Rust spells them, and the runtime ones that core must never name in any case.
fn dependencies() -> Vec<String> {
    let manifest = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    let mut inside = false;
    let mut crates = vec!["tokio".to_owned(), "curl".to_owned(), "rand".to_owned()];
    for line in manifest.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            inside = table.ends_with("dependencies");
            // `[dependencies.curl]`
            crates.extend(
                table
                    .split_once("dependencies.")
                    .map(|(_, name)| name.replace('-', "_")),
            );
        } else if inside && !line.starts_with('#') {
            crates.extend(
                line.split_once(['=', '.'])
                    .map(|(name, _)| name.trim().replace('-', "_")),
            );
        }
    }
    crates
}

/// The module in the table that `file` belongs to, and its own path in the module tree.
fn module_of(file: &Path) -> (String, Vec<String>) {
    let mut path: Vec<String> = file
        .with_extension("")
        .iter()
        .map(|part| part.to_str().expect("module names are ASCII").to_owned())
        .collect();
    let module = path[0].clone();
    if path.last().is_some_and(|name| name == "mod") || ROOTS.contains(&module.as_str()) {
        path.pop();
    }
    (module, path)
}

/// All `.rs` files below `folder`, but for test modules in files of their own.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs")
            && path.file_stem().is_some_and(|stem| stem != "tests")
        {
            files.push(path);
        }
    }
    files.sort();
    files
}

mod tests {
    use super::*;

    /// The breaches of `source` in file `file`, as one text.
    fn breaches(file: &str, source: &str) -> String {
        check(Path::new(file), source).join("\n")
    }

    #[test]
    fn what_the_rule_forbids_is_found() {
        let cases = [
            (
                "plan.rs",
                "use crate::net::Client;",
                "Core `plan` must not import Edge `net`",
            ),
            (
                "limit/aimd.rs",
                "use super::super::batch;",
                "Core `limit` must not import Flow `batch`",
            ),
            (
                "plan.rs",
                "use crate::Error;",
                "Core `plan` must not import Top `error`",
            ),
            (
                "plan.rs",
                "fn f() { tokio::spawn(g()) }",
                "must not depend on the crate `tokio`",
            ),
            ("plan.rs", "fn f() { std::fs::read(x) }", "no place in core"),
            (
                "plan.rs",
                "use std::{env, io};",
                "`std::env` has no place in core",
            ),
            (
                "plan.rs",
                "use std::time::Instant;\nfn f() { Instant::now() }",
                "src/plan.rs:2: `Instant::now`: core reads no clock",
            ),
            (
                "plan.rs",
                "fn f() { std::time::SystemTime::now() }",
                "core reads no clock",
            ),
            (
                "net/tls.rs",
                "use crate::{range, sink::Part};",
                "Edge `net` must not import Edge `sink`",
            ),
            (
                "sink/file.rs",
                "use crate::report::Update;",
                "Edge `sink` must not import Edge `report`",
            ),
            (
                "report/mod.rs",
                "use crate::download;",
                "Edge `report` must not import Flow `download`",
            ),
            (
                "net/mod.rs",
                "fn f(c: &crate::Config) {}",
                "Edge `net` must not import Top `config`",
            ),
            (
                "download.rs",
                "use crate::cli::Args;",
                "Flow `download` must not import Top `cli`",
            ),
            (
                "download.rs",
                "use crate::config::File;",
                "Flow `download` must not import Top `config`",
            ),
            (
                "download.rs",
                "use curl::easy::Easy;",
                "`curl` belongs to net alone",
            ),
            (
                "resolve/name.rs",
                "use std::fs;",
                "`std::fs` belongs to sink, resume, input, config, log alone",
            ),
            (
                "batch.rs",
                "fn f() { indicatif::ProgressBar::new(1); }",
                "`indicatif` belongs to report alone",
            ),
            (
                "cli.rs",
                "use crate::config::Config;",
                "Top `cli` must not import Top `config`",
            ),
            (
                "error.rs",
                "fn f() { std::process::exit(1) }",
                "`std::process` belongs to main alone",
            ),
            (
                "sink/file.rs",
                "fn f() { unsafe { g() } }",
                "`unsafe` outside src/net",
            ),
            (
                "main.rs",
                "use curl::easy::Easy;",
                "`curl` belongs to net alone",
            ),
            ("helper.rs", "", "`helper` has no layer"),
            (
                "download.rs",
                "use crate::utils::x;",
                "the crate root has no such module",
            ),
        ];
        for (file, source, expected) in cases {
            let found = breaches(file, source);
            assert!(
                found.contains(expected),
                "{file}: {source}\n  expected: {expected}\n  found: {found}"
            );
        }
    }

    #[test]
    fn what_the_rule_allows_is_let_through() {
        let cases = [
            (
                "schedule.rs",
                "use std::time::Instant; use crate::{range::ByteRange, plan}; fn f(now: Instant) {}",
            ),
            (
                "fingerprint/schema.rs",
                "use serde::Deserialize; use super::names;",
            ),
            (
                "net/tls.rs",
                "use boring::ssl; use crate::http::Head; use super::error::Error; fn f() { unsafe { g() } }",
            ),
            (
                "sink/file.rs",
                "use crate::resume; use crate::range::RangeSet; use std::fs::File;",
            ),
            ("resume.rs", "use crate::sink::Error;"),
            (
                "download.rs",
                "use crate::{Config, Error, net::Client, sink, resolve, schedule::Schedule}; use tokio::select;",
            ),
            ("error.rs", "use crate::{net, sink, retry};"),
            ("config.rs", "use crate::{cli::Cli, error::Error};"),
            (
                "lib.rs",
                "pub mod net; pub use error::Error; pub use config::Config;",
            ),
            (
                "main.rs",
                "use hydrastream::{cli, config::Config, batch}; fn main() { std::process::exit(0) }",
            ),
            (
                "plan.rs",
                "#[cfg(test)] mod tests { use std::time::Instant; fn f() { Instant::now(); std::fs::read(x); } }",
            ),
            (
                "plan.rs",
                "// use crate::net;\nconst A: &str = \"std::fs::read unsafe\";",
            ),
        ];
        for (file, source) in cases {
            assert_eq!(breaches(file, source), "", "{file}: {source}");
        }
    }

    #[test]
    fn dependencies_are_read_from_the_manifest() {
        assert!(
            dependencies().contains(&"serde".to_owned()),
            "{:?}",
            dependencies()
        );
    }
}

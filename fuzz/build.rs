//! Embeds the fingerprint files, without the checks that the library's own build script makes of them.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fingerprints");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut table = String::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path().canonicalize()?;
        if path.extension().is_some_and(|ending| ending == "toml") {
            let name = path.file_stem().unwrap_or_default();
            table += &format!("    ({name:?}, include_str!({path:?})),\n");
        }
    }
    let table = format!(
        "const EMBEDDED: &[(&str, &str)] = &[\n{table}];\nconst ALIASES: &[(&str, &str)] = &[];\n"
    );
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("run by cargo only"))?;
    fs::write(Path::new(&out).join("fingerprints.rs"), table)
}

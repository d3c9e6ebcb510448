//! Copies a folder so that what is equal stays untouched: make and cmake go by modification times.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::Failure;

/// Makes `to` equal to `from`, leaving alone files that already have the same bytes and removing those that `from` lacks.
pub fn mirror(from: &Path, to: &Path) -> Result<(), Failure> {
    folder(from, to).map_err(|e| format!("cannot copy {} to {}: {e}", from.display(), to.display()))
}

fn folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut wanted = BTreeSet::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            folder(&entry.path(), &target)?;
        } else {
            file(&entry.path(), &target)?;
        }
        wanted.insert(entry.file_name());
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if wanted.contains(&entry.file_name()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes instead of `fs::copy`, because the registry's files may be read-only and patches must be able to change the copy.
fn file(from: &Path, to: &Path) -> io::Result<()> {
    let bytes = fs::read(from)?;
    match fs::read(to) {
        Ok(old) if old == bytes => Ok(()),
        Ok(_) | Err(_) => fs::write(to, bytes),
    }
}

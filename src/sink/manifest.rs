//! The manifest: a list of finished files and their digests, as `sha256sum -c` and its kin read it.
//!
//! A line is appended by a single write, so that several runs can share a file. What is listed already is not listed again, so that
//! the same command can be run twice. It is not synced: a line that a loss of power takes away can be made again.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Error;
use crate::hash::Checksum;

/// An open manifest.
#[derive(Debug)]
pub struct Manifest {
    /// For messages.
    path: PathBuf,
    /// What appends, and hashes of all lines that are listed.
    lines: Mutex<(File, HashSet<u64>)>,
}

impl Manifest {
    /// Opens a manifest, which is created, with its directory, if it is missing. Blocks for a few file operations.
    ///
    /// # Errors
    /// [`Error`] if it cannot be read or written.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let fail = |doing, error| Error::new(path, doing, 0, error);
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir).map_err(|error| fail("create the directory of", error))?;
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path);
        let file = file.map_err(|error| fail("open", error))?;
        let mut listed = HashSet::new();
        for line in BufReader::new(&file).split(b'\n') {
            listed.insert(hash(&line.map_err(|error| fail("read", error))?));
        }
        Ok(Self {
            path: path.to_owned(),
            lines: Mutex::new((file, listed)),
        })
    }

    /// Lists a file, unless it is listed. `name` is what stands in the list, as seen from where it will be checked.
    ///
    /// # Errors
    /// [`Error`] if the line cannot be written.
    pub fn list(&self, checksum: &Checksum, name: &str) -> Result<(), Error> {
        let line = line(checksum, name);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if !lines.1.insert(hash(line.as_bytes())) {
            return Ok(());
        }
        let written = lines.0.write_all(format!("{line}\n").as_bytes());
        written.map_err(|error| Error::new(&self.path, "write", 0, error))
    }
}

/// Names with a backslash or a line break are escaped, and the line begins with a backslash then, as GNU's programs have it.
fn line(checksum: &Checksum, name: &str) -> String {
    let digest = checksum.hex();
    if name.contains(['\\', '\n', '\r']) {
        let name = name
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('\r', "\\r");
        return format!("\\{digest}  {name}");
    }
    format!("{digest}  {name}")
}

fn hash(line: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    line.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Algorithm;

    #[test]
    fn a_file_is_listed_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/SUMS");
        let checksum = Checksum {
            algorithm: Algorithm::Crc32c,
            digest: vec![0, 1, 2, 255],
        };
        for _ in 0..2 {
            let manifest = Manifest::open(&path).unwrap();
            for name in ["a b", "a b", "c\\d"] {
                manifest.list(&checksum, name).unwrap();
            }
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "000102ff  a b\n\\000102ff  c\\\\d\n");
    }
}

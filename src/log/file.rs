//! A log file that several processes may append to, and that does not grow without end.
//!
//! Each line is one `write` to a file that was opened for appending, so lines of two processes do not mix. A file that has
//! become large is renamed to `NAME.1`, the one before that to `NAME.2`, and so on; who renames holds a lock, and looks
//! first whether another process was quicker.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, flock};

/// A log is set aside when it is larger than this, bytes.
const LARGE: u64 = 8 << 20;

/// Logs that were set aside and are kept.
const KEPT: u32 = 3;

/// An open log file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    /// Set aside beyond this, bytes.
    large: u64,
    /// The file at `path`, as far as this process knows.
    file: Mutex<File>,
}

impl LogFile {
    /// Opens the log, and makes it and its folder if there is none. It may hold URLs, so others may not read a new one.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(Self {
            path: path.to_owned(),
            large: LARGE,
            file: Mutex::new(open(path)?),
        })
    }

    /// Appends to the log. What cannot be written is lost: a full disk must not end a download that goes elsewhere.
    pub(super) fn append(&self, lines: &[u8]) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = file.write_all(lines);
        let size = file.metadata().map_or(0, |metadata| metadata.size());
        if size > self.large {
            // A log that cannot be set aside goes on where it is.
            if let Ok(next) = self.set_aside(&file) {
                *file = next;
            }
        }
    }

    /// Makes room for a new log, and opens it.
    fn set_aside(&self, file: &File) -> io::Result<File> {
        flock(file, FlockOperation::NonBlockingLockExclusive)?;
        let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        if same(&file.metadata()?, &fs::metadata(&self.path)?) {
            for number in (1..KEPT).rev() {
                let _ = fs::rename(self.numbered(number), self.numbered(number + 1));
            }
            fs::rename(&self.path, self.numbered(1))?;
        }
        open(&self.path)
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(folder: &Path, large: u64) -> LogFile {
        let mut log = LogFile::open(&folder.join("deep/down.log")).unwrap();
        log.large = large;
        log
    }

    #[test]
    fn a_large_log_is_set_aside_and_few_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path(), 100);
        for number in 0..100 {
            log.append(format!("{number:>29}\n").as_bytes());
        }
        let mut names: Vec<_> = fs::read_dir(folder.path().join("deep"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["down.log", "down.log.1", "down.log.2", "down.log.3"]
        );
        let last = fs::read_to_string(folder.path().join("deep/down.log.1")).unwrap();
        assert!(last.ends_with("99\n"), "{last}");
        assert_eq!(last.len(), 120);
    }

    #[test]
    fn two_processes_lose_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (log(folder.path(), 1000), log(folder.path(), 1000));
        for number in 0..60 {
            one.append(format!("one {number:>25}\n").as_bytes());
            two.append(format!("two {number:>25}\n").as_bytes());
        }
        let mut text = String::new();
        for name in ["down.log", "down.log.1", "down.log.2", "down.log.3"] {
            text += &fs::read_to_string(folder.path().join("deep").join(name)).unwrap_or_default();
        }
        assert_eq!(text.lines().count(), 120);
    }

    #[test]
    fn what_cannot_be_opened_is_an_error() {
        assert!(LogFile::open(Path::new("/proc/no/such.log")).is_err());
    }
}

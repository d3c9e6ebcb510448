//! Where the bytes of a file go: `NAME.part` on disk until they are complete, then `NAME`; or in order to standard output.
//!
//! [`Part`] is the file while it is incomplete: locked against a second `hs`, written at any offset by many requests at
//! once, hashed while it grows, and put in its place by a rename that overwrites nothing. What a later run may trust of
//! it is recorded by [`crate::resume`]. The functions here answer what has to be known before a download begins: what is
//! at the target already, and how much room there is.
//!
//! This and `resume` are the only places that touch the file system. They know nothing of HTTP, and never decide what
//! is fetched.

mod disk;
mod file;
mod finish;
mod follow;
mod ledger;
mod manifest;
mod pipe;
mod private;
mod together;
#[cfg(test)]
mod torture;
mod writer;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::hash::{Algorithm, Checksum};
use crate::range::RangeSet;
pub use crate::resume::Identity;
pub use file::{Part, Verified};
pub use finish::Place;
pub use follow::Hashed;
pub use manifest::Manifest;
pub use pipe::{Follow, Output, Pipe};
pub use private::write_private;

/// Stands before every call that can fail, so that a test can let each of them fail once, see `torture.rs`. Nothing at all
/// outside of tests.
#[cfg(not(test))]
#[inline]
pub(crate) fn trip(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) use torture::trip;

/// Why the disk did not do what was asked, with the path it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file does not fit, by the disk or by a quota.
    #[error("no space for {}: {need} bytes are needed, {free} are free", path.display())]
    NoSpace {
        /// What was to be written.
        path: PathBuf,
        /// Bytes that were still to be stored.
        need: u64,
        /// Bytes that the file system offers to this user, 0 if it does not say.
        free: u64,
    },
    /// The user may not do this here.
    #[error("not permitted to {doing} {}", path.display())]
    Permission {
        /// The file or directory.
        path: PathBuf,
        /// What was being done, to be read before the path.
        doing: &'static str,
    },
    /// The file system is mounted read-only.
    #[error("cannot {doing} {}: the file system is read-only", path.display())]
    ReadOnly {
        /// The file or directory.
        path: PathBuf,
        /// What was being done, to be read before the path.
        doing: &'static str,
    },
    /// Another `hs`, or another download of this one, is writing this part.
    #[error("{} is in use by another download", path.display())]
    Held {
        /// The part file.
        path: PathBuf,
    },
    /// A file is where a directory is needed.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// The path that was to be a directory, or to be in one.
        path: PathBuf,
    },
    /// A link, directory or device is where the part has to be. It is left alone, and never followed.
    #[error("{} is not a regular file of its own", path.display())]
    NotRegular {
        /// The part file.
        path: PathBuf,
    },
    /// The file was to be put in its place before all of it was there, or somebody cut it.
    #[error("{} is incomplete: {have} of {need} bytes", path.display())]
    Incomplete {
        /// The part file.
        path: PathBuf,
        /// Bytes that are there.
        have: u64,
        /// Bytes that have to be there.
        need: u64,
    },
    /// Whoever read standard output has ended, and wants no more.
    #[error("the reader of standard output went away")]
    ReaderGone,
    /// Standard output did not take what was written to it.
    #[error("cannot write to standard output: {source}")]
    Output {
        /// The system's report.
        source: Arc<io::Error>,
    },
    /// Anything else the operating system reports.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was being done, to be read before the path.
        doing: &'static str,
        /// The report.
        source: io::Error,
    },
}

impl Error {
    /// What `source` means for `path`. `need` is the number of bytes that were still to be stored.
    fn new(path: &Path, doing: &'static str, need: u64, source: io::Error) -> Self {
        let path = path.to_owned();
        let kind = source.kind();
        if kind == io::ErrorKind::StorageFull || kind == io::ErrorKind::QuotaExceeded {
            let free = free_space(&path).unwrap_or(0);
            return Self::NoSpace { path, need, free };
        }
        if kind == io::ErrorKind::PermissionDenied {
            return Self::Permission { path, doing };
        }
        if kind == io::ErrorKind::ReadOnlyFilesystem {
            return Self::ReadOnly { path, doing };
        }
        if kind == io::ErrorKind::NotADirectory {
            return Self::NotADirectory { path };
        }
        Self::Io {
            path,
            doing,
            source,
        }
    }

    /// Whether the directory is missing, or is none.
    fn is_of_directory(&self) -> bool {
        match self {
            Self::NotADirectory { .. } => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::NoSpace { .. }
            | Self::Permission { .. }
            | Self::ReadOnly { .. }
            | Self::Held { .. }
            | Self::NotRegular { .. }
            | Self::Incomplete { .. }
            | Self::ReaderGone
            | Self::Output { .. } => false,
        }
    }
}

/// Where one file's blocks are written.
#[derive(Clone, Copy, Debug)]
pub enum Sink<'a> {
    /// A file on disk.
    Part(&'a Part),
    /// A stream.
    Pipe(&'a Pipe),
}

impl Sink<'_> {
    /// Writes a block at an offset in bytes.
    ///
    /// # Errors
    /// As [`Part::write`] and [`Pipe::write`].
    pub async fn write(self, offset: u64, block: Bytes) -> Result<(), Error> {
        match self {
            Self::Part(part) => part.write(offset, block).await,
            Self::Pipe(pipe) => pipe.write(offset, block).await,
        }
    }

    /// Whether these bytes are the same as those that are at this offset already. What is not there cannot differ, and what
    /// is on its way to a reader is not looked at any more.
    ///
    /// # Errors
    /// As [`Part::agrees`].
    pub async fn agrees(self, offset: u64, bytes: Bytes) -> Result<bool, Error> {
        match self {
            Self::Part(part) => part.agrees(offset, bytes).await,
            Self::Pipe(_) => Ok(true),
        }
    }

    /// What has been written.
    #[must_use]
    pub fn done(self) -> RangeSet {
        match self {
            Self::Part(part) => part.done(),
            Self::Pipe(pipe) => pipe.done(),
        }
    }

    /// States the length of a file whose length was unknown until its end was reached.
    pub fn ends_at(self, length: u64) {
        match self {
            Self::Part(part) => part.ends_at(length),
            Self::Pipe(pipe) => pipe.ends_at(length),
        }
    }

    /// How many bytes beyond those that have left it may wait; `None` if it takes any byte at any time.
    #[must_use]
    pub fn window(self) -> Option<u64> {
        match self {
            Self::Part(_) => None,
            Self::Pipe(pipe) => Some(pipe.window()),
        }
    }

    /// What follows the bytes that leave it, if that is of interest.
    #[must_use]
    pub fn follow(self) -> Option<Follow> {
        match self {
            Self::Part(_) => None,
            Self::Pipe(pipe) => Some(pipe.follow()),
        }
    }
}

/// What to do if a file's name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// A finished file that is the same is left as it is; otherwise a free name is used.
    Resume,
    /// Whatever has the name is left as it is.
    Skip,
    /// It is replaced once the new one is complete.
    Overwrite,
    /// A free name is used.
    Rename,
}

/// What is at the place of a finished file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// A regular file, or a link to one, of this many bytes.
    File {
        /// Bytes.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A device, or a link that leads nowhere. It occupies the name and can never be the file.
    Other,
}

/// What is at `dir`/`name`; `None` if the name is free or the directory is missing.
#[must_use]
pub fn existing(dir: &Path, name: &str) -> Option<Existing> {
    let path = dir.join(name);
    fs::symlink_metadata(&path).ok()?;
    match fs::metadata(&path) {
        Ok(meta) if meta.is_file() => Some(Existing::File { size: meta.len() }),
        Ok(meta) if meta.is_dir() => Some(Existing::Directory),
        Ok(_) | Err(_) => Some(Existing::Other),
    }
}

/// `name`, or while that is taken in `dir`, `name (1)`, `name (2)` and so on.
#[must_use]
pub fn free_name(dir: &Path, name: &str) -> String {
    let numbers = (1..).map(|number| crate::name::numbered(name, number));
    let mut names = std::iter::once(name.to_owned()).chain(numbers);
    let free = names.find(|name| existing(dir, name).is_none());
    free.unwrap_or_else(|| name.to_owned())
}

/// Bytes of a finished file; 0 if it is none.
#[must_use]
pub fn size_of(path: &Path) -> u64 {
    match fs::metadata(path) {
        Ok(meta) if meta.is_file() => meta.len(),
        Ok(_) | Err(_) => 0,
    }
}

/// Bytes that this user may still store where `path` is or will be; `None` if the system does not say.
///
/// Asks the nearest ancestor that exists.
#[must_use]
pub fn free_space(path: &Path) -> Option<u64> {
    path.ancestors()
        .map(disk::here)
        .find(|ancestor| ancestor.exists())
        .and_then(disk::free)
}

/// Removes a file that is of no use any more; that it is gone already is no error.
///
/// # Errors
/// [`Error`] if it cannot be removed.
pub fn remove(path: &Path) -> Result<(), Error> {
    disk::remove(path).map_err(|e| Error::new(path, "remove", 0, e))
}

/// Computes the checksums of a finished file. Dropping the future stops the reading.
///
/// # Errors
/// [`Error`] if the file cannot be opened or read.
pub async fn digest_of(path: &Path, algorithms: &[Algorithm]) -> Result<Vec<Checksum>, Error> {
    follow::whole(path, algorithms).await
}

/// Runs work in the blocking pool. A panic there is a panic here; the error is that the pool has shut down.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_files_from_what_only_occupies_their_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "1234").unwrap();
        fs::create_dir(at("dir")).unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("nothing"), at("dangling")).unwrap();
        let file = Some(Existing::File { size: 4 });
        assert_eq!(existing(dir.path(), "file"), file);
        assert_eq!(existing(dir.path(), "link"), file);
        assert_eq!(existing(dir.path(), "dir"), Some(Existing::Directory));
        assert_eq!(existing(dir.path(), "dangling"), Some(Existing::Other));
        assert_eq!(existing(dir.path(), "free"), None);
        assert_eq!(existing(&at("missing"), "file"), None);
    }

    #[test]
    fn free_space_is_that_of_the_nearest_directory() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_space(&dir.path().join("not/yet/there")).is_some_and(|free| free > 0));
        assert!(free_space(Path::new("not-yet-there")).is_some_and(|free| free > 0));
    }

    #[tokio::test]
    async fn digest_of_reads_the_whole_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, vec![7; 3_000_000]).unwrap();
        let sums = digest_of(&path, &[Algorithm::Crc32c, Algorithm::Md5]).await;
        let mut hasher = crate::hash::Hasher::new(&[Algorithm::Crc32c, Algorithm::Md5]);
        hasher.update(&vec![7; 3_000_000]);
        assert_eq!(sums.unwrap(), hasher.finish());
        let missing = digest_of(&dir.path().join("b"), &[Algorithm::Md5]).await;
        assert!(matches!(missing, Err(Error::Io { .. })));
    }
}

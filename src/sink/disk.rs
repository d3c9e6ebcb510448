//! The few things asked of the file system that need more than one call to be right.
//!
//! Each is one function without state: open a part without following links, hold it alone, take the room in advance,
//! move without overwriting, make a directory durable. Where a file system cannot do one of them, it says what happens
//! instead. Error texts belong to the callers, who know what the user asked for; here are only `io::Error`s, except
//! for opening, which has outcomes of its own.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{
    Advice, CWD, FallocateFlags, OFlags, RenameFlags, fadvise, fallocate, renameat_with, statvfs,
};
use rustix::io::Errno;
use tokio::time::Instant;

use super::{Error, trip};
use crate::name::numbered;
use crate::resume::flags;

/// File systems whose `syncfs` writes and flushes all, and tells of errors: ext4 and its elders, XFS, btrfs, and memory. Not
/// overlays, which do not pass errors on, nor FUSE, whose daemons are not told.
const KNOWN: [rustix::fs::FsWord; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994];

/// So many files are worth it.
const SEVERAL: usize = 4;

/// What a sync of one file takes at most, even on a slow disk.
const SLOW: Duration = Duration::from_millis(30);

/// How often a part that is renamed away between opening and locking is opened anew.
const ATTEMPTS: usize = 16;

/// What is found where a part is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing: the file was created.
    New,
    /// A file that is empty and takes no room.
    Empty,
    /// A file that may hold bytes.
    Used,
}

/// Opens `path` for reading and writing and locks it for as long as the file is open.
///
/// `None` if it does not exist and is not to be created. A link, a device, or a file that also has another name is
/// refused: whoever can write to the directory could otherwise have us write elsewhere.
pub(super) fn open_locked(path: &Path, create: bool) -> Result<Option<(File, State)>, Error> {
    let fail = |doing, source| Error::new(path, doing, 0, source);
    for _ in 0..ATTEMPTS {
        let (file, is_new) = match trip(path).and_then(|()| open(path, create)) {
            Ok(Some(opened)) => opened,
            Ok(None) if create => continue,
            Ok(None) => return Ok(None),
            Err(error) if is_not_regular(&error) => {
                return Err(Error::NotRegular { path: path.into() });
            }
            Err(error) => return Err(fail("open", error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Held { path: path.into() }),
            // Some network file systems have no locks; without them two runs are not told apart.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(fail("lock", error)),
        }
        // Between opening and locking, the holder before us may have moved the file to its final name.
        let held = trip(path).and_then(|()| file.metadata());
        let held = held.map_err(|e| fail("inspect", e))?;
        if !held.is_file() {
            return Err(Error::NotRegular { path: path.into() });
        }
        match fs::symlink_metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => {
                return match held.nlink() {
                    1 if is_new => Ok(Some((file, State::New))),
                    1 if held.len() == 0 && held.blocks() == 0 => Ok(Some((file, State::Empty))),
                    1 => Ok(Some((file, State::Used))),
                    _ => Err(Error::NotRegular { path: path.into() }),
                };
            }
            Ok(_) | Err(_) => {}
        }
    }
    Err(Error::Held { path: path.into() })
}

/// Opens a file, or creates it if it is not there; whether it did. `None` if it does not exist, or did a moment ago.
fn open(path: &Path, create: bool) -> io::Result<Option<(File, bool)>> {
    let mut options = OpenOptions::new();
    let nobody_elses = flags(OFlags::NOFOLLOW | OFlags::NONBLOCK);
    options.read(true).write(true).mode(0o644);
    options.custom_flags(nobody_elses);
    if create {
        match options.clone().create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return Ok(Some((opened?, true))),
        }
    }
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => Ok(Some((opened?, false))),
    }
}

/// Takes the room for a file of `length` bytes without changing its size.
///
/// A file system that cannot is only asked whether so much is free. `ENOSPC` is the error that matters.
pub(super) fn reserve(file: &File, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    let reserved =
        rustix::io::retry_on_intr(|| fallocate(file, FallocateFlags::KEEP_SIZE, 0, length));
    match reserved {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            let stored = file.metadata()?.blocks() * 512;
            let room = rustix::fs::fstatvfs(file)?;
            if length.saturating_sub(stored) > room.f_bavail * room.f_frsize {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(())
        }
        other => Ok(other?),
    }
}

/// Makes what several files in `dir` hold durable at once; false if nothing is known of it, and each has to be synced. `files`:
/// that which was opened first stands first.
///
/// To sync them one by one has the disk flush its cache for each, which on many takes milliseconds. `syncfs` has it flushed
/// once, and in turn waits for what others have to write in that file system: where that takes too long, it is not done again.
pub(super) fn sync_together(dir: &Path, files: &[&File]) -> bool {
    static TELLS: LazyLock<bool> =
        LazyLock::new(|| tells_of_errors(&rustix::system::uname().release().to_string_lossy()));
    static OTHERS_WRITE: AtomicBool = AtomicBool::new(false);
    let Some(first) = files.first() else {
        return true;
    };
    if files.len() < SEVERAL || OTHERS_WRITE.load(Ordering::Relaxed) || !*TELLS {
        return false;
    }
    let is_known = rustix::fs::fstatfs(first).is_ok_and(|it| KNOWN.contains(&it.f_type));
    let device = |file: &&File| file.metadata().ok().map(|it| it.dev());
    let one = device(first);
    if !is_known || one.is_none() || files.iter().any(|file| device(file) != one) {
        return false;
    }
    let began = Instant::now();
    // It tells of errors since this file was opened, hence of those of all the others.
    let synced = trip(dir).and_then(|()| Ok(rustix::fs::syncfs(first)?));
    let each = u32::try_from(files.len()).unwrap_or(u32::MAX);
    if began.elapsed() > SLOW * each {
        OTHERS_WRITE.store(true, Ordering::Relaxed);
    }
    synced.is_ok()
}

/// Whether `syncfs` tells of what could not be written, as it does since Linux 5.8.
fn tells_of_errors(release: &str) -> bool {
    let mut numbers = release.split(|it: char| !it.is_ascii_digit());
    let mut next = || numbers.next().and_then(|it| it.parse::<u32>().ok());
    (next(), next()) >= (Some(5), Some(8))
}

/// Tells the system that a file is to be written to the disk, and waits for nothing.
pub(super) fn begin_to_write(file: &File) {
    // Pages that are clean already would be let go of too: not for files that somebody is about to read. It is but a hint.
    let _ = fadvise(file, 0, None, Advice::DontNeed);
}

/// Bytes an ordinary user may still store in the file system of `path`.
pub(super) fn free(path: &Path) -> Option<u64> {
    let room = statvfs(path).ok()?;
    Some(room.f_bavail.saturating_mul(room.f_frsize))
}

/// Moves `from` to `dir`/`name`, or, while that is taken, to `name (1)`, `name (2)` and so on; says where it went.
pub(super) fn move_to_free_name(from: &Path, dir: &Path, name: &str) -> io::Result<PathBuf> {
    let names = std::iter::once(name.to_owned()).chain((1..).map(|n| numbered(name, n)));
    for name in names {
        let to = dir.join(name);
        match move_without_overwriting(from, &to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(to),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Makes what was created, renamed or removed in a directory outlive a loss of power, where the file system can.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    trip(dir)?;
    match File::open(here(dir))?.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

/// Removes a file that may be missing.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    trip(path)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// An empty path means the current directory, but cannot be opened.
pub(super) fn here(dir: &Path) -> &Path {
    if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    }
}

fn move_without_overwriting(from: &Path, to: &Path) -> io::Result<()> {
    trip(from)?;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        other => return Ok(other?),
    }
    // A hard link fails as well if the name is taken, and is then the file's only name but for a moment.
    match fs::hard_link(from, to) {
        Ok(()) => return fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // FAT and its like have no links. A file that appears between these two lines is lost.
        Err(_) => {}
    }
    match fs::symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}

fn is_not_regular(error: &io::Error) -> bool {
    let odd = [Errno::LOOP, Errno::ISDIR, Errno::NXIO];
    odd.iter()
        .any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_handle_finds_the_part_held_until_the_first_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.part");
        assert!(open_locked(&path, false).unwrap().is_none());
        let first = open_locked(&path, true).unwrap().unwrap();
        assert!(matches!(open_locked(&path, true), Err(Error::Held { .. })));
        drop(first);
        assert!(open_locked(&path, false).unwrap().is_some());
    }

    #[test]
    fn what_is_not_a_file_of_its_own_is_neither_followed_nor_opened() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("victim"), "precious").unwrap();
        std::os::unix::fs::symlink(at("victim"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
        fs::hard_link(at("victim"), at("hard")).unwrap();
        fs::create_dir(at("dir")).unwrap();
        rustix::fs::mknodat(
            CWD,
            at("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        for name in ["link", "dangling", "hard", "dir", "fifo"] {
            let result = open_locked(&at(name), true);
            assert!(
                matches!(result, Err(Error::NotRegular { .. })),
                "{name}: {result:?}"
            );
        }
        assert_eq!(fs::read(at("victim")).unwrap(), b"precious");
        assert!(!at("nowhere").exists());
    }

    #[test]
    fn moving_takes_the_next_free_name_and_overwrites_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let place = |content: &str| {
            fs::write(at("x.part"), content).unwrap();
            move_to_free_name(&at("x.part"), dir.path(), "x.tar.gz").unwrap()
        };
        assert_eq!(place("0"), at("x.tar.gz"));
        assert_eq!(place("1"), at("x (1).tar.gz"));
        std::os::unix::fs::symlink(at("nowhere"), at("x (2).tar.gz")).unwrap();
        assert_eq!(place("3"), at("x (3).tar.gz"));
        assert_eq!(fs::read(at("x.tar.gz")).unwrap(), b"0");
        assert!(!at("x.part").exists());
    }

    #[test]
    fn files_are_synced_together_if_there_are_several_of_one_file_system() {
        let dir = tempfile::tempdir().unwrap();
        let files: Vec<_> = (0..SEVERAL)
            .map(|nth| File::create(dir.path().join(nth.to_string())).unwrap())
            .collect();
        let mut files: Vec<_> = files.iter().collect();
        let elsewhere = File::open("/proc/self/stat").unwrap();
        assert!(sync_together(dir.path(), &[]));
        assert!(!sync_together(dir.path(), &files[1..]));
        files.push(&elsewhere);
        assert!(!sync_together(dir.path(), &files));
        files.reverse();
        assert!(!sync_together(dir.path(), &files));
    }

    #[test]
    fn kernels_tell_of_errors_since_5_8() {
        for (release, tells) in [
            ("5.10.0-28-amd64", true),
            ("5.8.0", true),
            ("6.1.0-rc1", true),
            ("10.0", true),
            ("5.7.19", false),
            ("4.18.0-553.el8", false),
            ("unheard of", false),
        ] {
            assert_eq!(tells_of_errors(release), tells, "{release}");
        }
    }

    #[test]
    fn more_than_the_disk_holds_is_refused_in_advance() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("a")).unwrap();
        let too_much = free(dir.path()).unwrap() + (1 << 40);
        let error = reserve(&file, too_much).unwrap_err();
        let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::FileTooLarge];
        assert!(kinds.contains(&error.kind()), "{error:?}");
        reserve(&file, 1 << 20).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 0);
    }
}

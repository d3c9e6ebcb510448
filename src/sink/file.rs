//! [`Part`]: the file while it is incomplete.
//!
//! Asynchronous on the outside, blocking within: each method hands one piece of work to the blocking pool and waits
//! for it; only opening a part, and writing or keeping the bytes of a small one, is done at once. A dropped future does not stop work
//! that has begun, which is harmless: a block that is written is right, and [`Part::restart`] and [`Part::commit`] wait for
//! such stragglers and shut out the late ones.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::disk::State;
use super::finish::{self, Complete, Place, Trial, Tried};
use super::follow::Hashed;
use super::ledger::{Ledger, SMALL, disown, is_kept};
use super::{Error, Identity, blocking, disk, follow, together, trip};
use crate::hash::{Algorithm, Checksum};
use crate::range::{ByteRange, RangeSet};
use crate::resume::{self, Draft, Leftovers, control_path, draft_path, part_path};

/// A part file, locked. Its control file comes into being with the first claim, see [`FIRST_CLAIM`](super::ledger).
///
/// Dropping it gives the lock back as soon as writes under way have ended, and leaves both files as they are, good for
/// a later [`Part::take_up`]; [`Part::suspend`] first makes what they claim durable.
#[derive(Debug)]
pub struct Part {
    /// Shared with work in the blocking pool, which may outlive this by moments.
    ledger: Arc<Ledger>,
}

/// What came of [`Part::verify`].
#[derive(Debug)]
pub enum Verified {
    /// Where the file is, and its checksums.
    Placed(PathBuf, Vec<Checksum>),
    /// The part, which stays where it was; the expected checksum, and the one that there is.
    Refused(Part, (Checksum, Checksum)),
}

impl Part {
    /// Takes up what an earlier run left of `url` in `dir`; `None` if there is nothing to be trusted. Reads every control file
    /// there: whoever takes up many knows their names from [`resume::Leftovers`].
    ///
    /// # Errors
    /// As [`Part::take_up_named`].
    pub fn take_up(dir: &Path, url: &str) -> Result<Option<Self>, Error> {
        match resume::find(dir, url) {
            Some(hint) => Self::take_up_named(dir, &hint.name, url),
            None => Ok(None),
        }
    }

    /// Takes up what an earlier run left of `url` under `name` in `dir`; `None` if there is nothing to be trusted.
    ///
    /// Whether the origin still has the same entity is for the caller to compare, see [`Part::identity`]. Blocks for a
    /// few file operations.
    ///
    /// # Errors
    /// [`Error::Held`] if another download has it, [`Error::NoSpace`] if the rest does not fit, and others.
    pub fn take_up_named(dir: &Path, name: &str, url: &str) -> Result<Option<Self>, Error> {
        if resume::read(dir, name, url).is_none() {
            return Ok(None);
        }
        let path = part_path(dir, name);
        let Some((file, _)) = disk::open_locked(&path, false)? else {
            return Ok(None);
        };
        // Now that nobody else writes, read again.
        let Some(found) = resume::read(dir, name, url) else {
            return Ok(None);
        };
        if let Some(length) = found.identity.entity.length {
            reserve(&file, &path, length, length - found.done.len())?;
        }
        let fail = |e| Error::new(&path, "write the control file of", 0, e);
        let draft = Draft::write_through(dir, &found.name, &found.identity, &found.durable);
        let published = draft.and_then(|draft| draft.publish(&found.done));
        let journal = published.map_err(fail)?;
        disk::sync_dir(dir).map_err(fail)?;
        let place = (dir.to_owned(), found.name, file);
        let ranges = (found.done, found.durable);
        let ledger = Ledger::new(place, found.identity, ranges, Some(journal));
        Ok(Some(Self {
            ledger: Arc::new(ledger),
        }))
    }

    /// Creates `name`.part in `dir`, which is created too if it is missing, and takes the room for the whole file, unless that
    /// is small.
    ///
    /// A part that lies there is emptied. `name` has to be safe, see [`crate::name::safe`]. Blocks for a few file
    /// operations.
    ///
    /// # Errors
    /// [`Error::Held`] if another download has it, [`Error::NoSpace`] if the file does not fit (nothing is left behind
    /// then), [`Error::NotRegular`] if a link or the like is in its place, and others.
    pub fn create(dir: &Path, name: &str, identity: &Identity) -> Result<Self, Error> {
        Self::make(dir, name, identity, false)
    }

    /// As [`create`](Part::create), in a directory of which `leftovers` tells what lay there when the run began. Spares thousands
    /// of small files to look for more.
    ///
    /// # Errors
    /// As [`create`](Part::create).
    pub fn create_beside(
        leftovers: &Leftovers,
        dir: &Path,
        name: &str,
        identity: &Identity,
    ) -> Result<Self, Error> {
        Self::make(dir, name, identity, leftovers.are_none_of(name))
    }

    /// `is_alone`: no control file nor draft lay there when the run began.
    fn make(dir: &Path, name: &str, identity: &Identity, is_alone: bool) -> Result<Self, Error> {
        let path = part_path(dir, name);
        let length = identity.entity.length.unwrap_or(0);
        let opened = match disk::open_locked(&path, true) {
            Err(error) if error.is_of_directory() => {
                create_dir(dir)?;
                disk::open_locked(&path, true)
            }
            opened => opened,
        };
        let Some((file, state)) = opened? else {
            return Err(Error::Held { path });
        };
        // Another run, which had the file meanwhile and was killed, could have left a control file and no part. It would vouch
        // for no more bytes of this one than are there, and these are written from the first on.
        let is_alone = is_alone && state == State::New && is_kept(identity.entity.length);
        if !is_alone {
            disown(dir, name).map_err(|e| Error::new(&path, "remove the control file of", 0, e))?;
            // What a kill may have left, or somebody planted; it was never in force.
            let _ = disk::remove(&draft_path(dir, name));
        }
        if state == State::Used {
            let emptied = trip(&path).and_then(|()| file.set_len(0));
            emptied.map_err(|e| Error::new(&path, "truncate", length, e))?;
        }
        if length > SMALL
            && let Err(error) = reserve(&file, &path, length, length)
        {
            // The error at hand matters more than this one.
            let _ = disk::remove(&path);
            return Err(error);
        }
        let place = (dir.to_owned(), name.to_owned(), file);
        let nothing = (RangeSet::new(), RangeSet::new());
        let ledger = Ledger::new(place, identity.clone(), nothing, None);
        Ok(Self {
            ledger: Arc::new(ledger),
        })
    }

    /// The name that the file gets if it is free.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.ledger.name
    }

    /// Where the part is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.ledger.path
    }

    /// What the bytes are bytes of.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.ledger.identity()
    }

    /// What is written, in this run and in earlier ones.
    #[must_use]
    pub fn done(&self) -> RangeSet {
        self.ledger.done()
    }

    /// Whether it is known to be so short that it needs no help of other threads.
    #[must_use]
    pub fn is_small(&self) -> bool {
        self.ledger.progress.borrow().is_small()
    }

    /// States the length of a file whose length was unknown until its end was reached.
    pub fn ends_at(&self, length: u64) {
        self.ledger.set_length(length);
    }

    /// Writes a block at an offset in bytes. Many may be written at once; where they overlap, any may win.
    ///
    /// Returns when the operating system has the bytes, which is before they are durable; those of a file of up to 64 KiB are
    /// only kept, until the file is complete, or somebody needs them in it. A block whose write is begun before a
    /// [`restart`](Part::restart) and gets its turn after it is dropped.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::Io`] and others; also the failure of an earlier checkpoint.
    pub async fn write(&self, offset: u64, block: Bytes) -> Result<(), Error> {
        let now = *self.ledger.progress.borrow();
        let checkpoint_due = match now.is_small() {
            true => self.ledger.put(now.era, offset, &block)?,
            false => {
                self.run(move |ledger| ledger.put(now.era, offset, &block))
                    .await?
            }
        };
        if checkpoint_due {
            let ledger = Arc::clone(&self.ledger);
            // Not waited for: the next write reports what goes wrong with the data.
            drop(tokio::task::spawn_blocking(move || ledger.checkpoint()));
        }
        Ok(())
    }

    /// Whether these bytes are the same as what is written from `offset` on. What is not written cannot differ.
    ///
    /// # Errors
    /// [`Error`] if the part cannot be read back.
    pub async fn agrees(&self, offset: u64, bytes: Bytes) -> Result<bool, Error> {
        self.run(move |ledger| {
            ledger.settle()?;
            let range = ByteRange::new(offset, offset + bytes.len() as u64);
            for known in ledger
                .done()
                .iter()
                .filter_map(|done| done.intersect(range))
            {
                let at = usize::try_from(known.start - offset).unwrap_or(usize::MAX);
                let new = &bytes[at..][..usize::try_from(known.len()).unwrap_or(usize::MAX)];
                let mut old = vec![0; new.len()];
                let read = ledger.file.read_exact_at(&mut old, known.start);
                read.map_err(|e| ledger.error("read back", 0, e))?;
                if old != new {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    /// Makes all that is written durable and claims it. Happens by itself about every two seconds.
    ///
    /// # Errors
    /// [`Error`] if the data cannot be synced or the control file not be written.
    pub async fn checkpoint(&self) -> Result<(), Error> {
        self.run(Ledger::checkpoint).await
    }

    /// Computes the checksums while the file grows: follows the bytes that are complete from the start, and ends when
    /// the length is known and reached. After a restart it begins anew by itself, unless it has ended by then: see
    /// [`is_of`](Part::is_of). Dropping the future ends it.
    ///
    /// # Errors
    /// [`Error`] if the part cannot be read back, or was dropped before it was complete.
    pub fn hash(
        &self,
        algorithms: &[Algorithm],
    ) -> impl Future<Output = Result<Hashed, Error>> + Send + use<> {
        follow::growing(Arc::clone(&self.ledger), algorithms.to_vec())
    }

    /// Whether the part was not begun anew since these checksums were computed.
    pub fn is_of(&self, hashed: &Hashed) -> bool {
        self.ledger.progress.borrow().era == hashed.era
    }

    /// Throws away what is written and begins anew with another entity.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if the new length does not fit, and others.
    pub async fn restart(&self, identity: &Identity) -> Result<(), Error> {
        let identity = identity.clone();
        self.run(move |ledger| ledger.restart(&identity)).await
    }

    /// Saves the state for a later run. Claims what is written first for the case that the process ends, at once, and
    /// then for the loss of power, which takes as long as the disk does.
    ///
    /// # Errors
    /// [`Error`] if neither claim could be saved, or the data not be synced. A disk too full for a new control file is
    /// no error as long as the old one could be added to.
    pub async fn suspend(&self) -> Result<(), Error> {
        self.run(|ledger| {
            let noted = ledger.note();
            match ledger.checkpoint() {
                Err(Error::NoSpace { .. }) => noted,
                other => other,
            }
        })
        .await
    }

    /// Makes the complete file durable, gives it its name, and removes the control file. Returns where the file is.
    ///
    /// # Errors
    /// [`Error::Incomplete`] if bytes are missing, and others, as where a directory has the name; the part stays then.
    pub async fn commit(self, place: Place) -> Result<PathBuf, Error> {
        let ledger = Arc::clone(&self.ledger);
        let complete = Complete { ledger, place };
        let done = blocking(move || finish::one(&complete)).await;
        done.map_err(|e| self.ledger.error("finish the work on", 0, e))?
    }

    /// As [`commit`](Part::commit), of a [small](Part::is_small) part, with its checksums computed before, if the expected one is
    /// among them or none is expected.
    ///
    /// # Errors
    /// As [`commit`](Part::commit), and if the part cannot be read back.
    pub async fn verify(
        self,
        place: Place,
        algorithms: &[Algorithm],
        expected: Option<&Checksum>,
    ) -> Result<Verified, Error> {
        let ledger = Arc::clone(&self.ledger);
        let trial = Trial {
            algorithms: algorithms.to_vec(),
            expected: expected.cloned(),
        };
        let tried = together::put_in_place(Complete { ledger, place }, trial).await;
        let tried = tried.map_err(|e| self.ledger.error("finish the work on", 0, e))?;
        Ok(match tried? {
            Tried::Placed(path, checksums) => Verified::Placed(path, checksums),
            Tried::Refused(wrong) => Verified::Refused(self, wrong),
        })
    }

    /// Sets a complete file with a wrong checksum aside as `name.corrupt`, replacing an earlier one, and removes the
    /// control file. Returns where the file is.
    ///
    /// # Errors
    /// [`Error`] if it cannot be renamed.
    pub async fn reject(self) -> Result<PathBuf, Error> {
        self.run(|ledger| {
            ledger.close();
            ledger.settle()?;
            let control = control_path(&ledger.dir, &ledger.name);
            let target = ledger.dir.join(format!("{}.corrupt", ledger.name));
            disk::remove(&control)
                .and_then(|()| trip(&ledger.path))
                .and_then(|()| fs::rename(&ledger.path, &target))
                .map_err(|e| ledger.error("set aside", 0, e))?;
            Ok(target)
        })
        .await
    }

    /// Removes the part and its control file.
    ///
    /// # Errors
    /// [`Error`] if they cannot be removed.
    pub async fn discard(self) -> Result<(), Error> {
        self.run(|ledger| {
            ledger.close();
            disk::remove(&control_path(&ledger.dir, &ledger.name))
                .and_then(|()| disk::remove(&ledger.path))
                .map_err(|e| ledger.error("remove", 0, e))
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Ledger) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let ledger = Arc::clone(&self.ledger);
        let done = blocking(move || work(&ledger)).await;
        done.map_err(|e| self.ledger.error("finish the work on", 0, e))?
    }
}

fn create_dir(dir: &Path) -> Result<(), Error> {
    let made = trip(dir).and_then(|()| fs::create_dir_all(dir));
    made.map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Error::NotADirectory { path: dir.into() };
        }
        Error::new(dir, "create the directory", 0, error)
    })
}

impl Drop for Part {
    fn drop(&mut self) {
        self.ledger.progress.send_modify(|p| p.over = true);
    }
}

/// Takes the room for `length` bytes, of which `need` are still to come.
fn reserve(file: &fs::File, path: &Path, length: u64, need: u64) -> Result<(), Error> {
    let reserved = trip(path).and_then(|()| disk::reserve(file, length));
    reserved.map_err(|source| {
        // Gives back what was reserved before the disk was full, so that the figure is right.
        if let Ok(meta) = file.metadata() {
            let _ = file.set_len(meta.len());
        }
        Error::new(path, "reserve room for", need, source)
    })
}

#[cfg(test)]
mod tests {
    use super::super::ledger::KEPT;
    use super::*;
    use crate::entity::{Entity, Validator};
    use crate::hash::Hasher;
    use crate::resume::find;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const URL: &str = "https://example.org/a.bin";
    const MIB: u64 = 1 << 20;

    fn identity(length: Option<u64>, etag: &str) -> Identity {
        let etag = Some(etag.to_owned());
        let last_modified = None;
        Identity {
            url: URL.to_owned(),
            entity: Entity {
                length,
                validator: Validator {
                    etag,
                    last_modified,
                },
            },
        }
    }

    /// Bytes that differ from their neighbours and from those of every other seed.
    fn content(length: u64, seed: u64) -> Vec<u8> {
        (0..length)
            .map(|i| (i ^ (i >> 8) ^ (i >> 16)).wrapping_add(seed) as u8)
            .collect()
    }

    async fn fill(part: &Part, content: &[u8], from: u64, to: u64) {
        let mut at = from;
        while at < to {
            let next = to.min(at + 256 * 1024);
            let block = Bytes::copy_from_slice(&content[at as usize..next as usize]);
            part.write(at, block).await.unwrap();
            at = next;
        }
    }

    #[tokio::test]
    async fn only_a_new_small_part_is_taken_to_be_alone() {
        let dir = tempfile::tempdir().unwrap();
        let alone = resume::Leftovers::scan(dir.path());
        let control = control_path(dir.path(), "a.bin");
        let create = |length| {
            fs::write(&control, "planted since").unwrap();
            let identity = identity(Some(length), "1");
            drop(Part::create_beside(&alone, dir.path(), "a.bin", &identity).unwrap());
            control.exists()
        };
        assert!(create(3), "nobody looked");
        assert!(!create(3), "there was a part");
        fs::remove_file(part_path(dir.path(), "a.bin")).unwrap();
        assert!(!create(KEPT + 1), "it is not small");
        let known = resume::Leftovers::scan(dir.path());
        assert!(known.are_none_of("a.bin"));
        fs::remove_file(part_path(dir.path(), "a.bin")).unwrap();
        fs::write(&control, "left").unwrap();
        let known = resume::Leftovers::scan(dir.path());
        let identity = identity(Some(3), "1");
        drop(Part::create_beside(&known, dir.path(), "a.bin", &identity).unwrap());
        assert!(!control.exists(), "it was known of");
    }

    /// A small file's bytes are in memory until somebody needs them in the file.
    #[tokio::test]
    async fn what_is_kept_of_a_small_file_is_there_for_whoever_looks() {
        let right = content(3000, 1);
        let opened = async || {
            let dir = tempfile::tempdir().unwrap();
            let part = Part::create(dir.path(), "a.bin", &identity(Some(3000), "1")).unwrap();
            fill(&part, &right, 1000, 2000).await;
            fill(&part, &right, 0, 1000).await;
            assert_eq!(fs::read(part.path()).unwrap(), b"", "nobody has looked");
            (dir, part)
        };
        let (_dir, part) = opened().await;
        let same = part.agrees(500, right[500..1500].to_vec().into()).await;
        assert!(same.unwrap());
        assert!(!part.agrees(500, vec![0; 9].into()).await.unwrap());

        let (dir, part) = opened().await;
        part.suspend().await.unwrap();
        drop(part);
        let part = take_up(dir.path()).await.unwrap();
        assert_eq!(part.done().frontier(), 2000);
        let agrees = part.agrees(0, right[..2000].to_vec().into()).await;
        assert!(agrees.unwrap());

        let (_dir, part) = opened().await;
        let sums = tokio::spawn(part.hash(&[Algorithm::Md5]));
        fill(&part, &right, 2000, 3000).await;
        let mut hasher = Hasher::new(&[Algorithm::Md5]);
        hasher.update(&right);
        assert_eq!(sums.await.unwrap().unwrap().checksums, hasher.finish());
        let path = part.commit(Place::Free).await.unwrap();
        assert_eq!(fs::read(path).unwrap(), right);

        let (_dir, part) = opened().await;
        part.restart(&identity(Some(2500), "2")).await.unwrap();
        fill(&part, &content(2500, 2), 0, 2500).await;
        let path = part.commit(Place::Free).await.unwrap();
        assert_eq!(fs::read(path).unwrap(), content(2500, 2));
    }

    #[tokio::test]
    async fn where_nothing_is_computed_nothing_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let part = Part::create(dir.path(), "a.bin", &identity(Some(4 * MIB), "1")).unwrap();
        fill(&part, &content(4 * MIB, 1), 0, 4 * MIB).await;
        let cut = fs::File::options().write(true).open(part.path()).unwrap();
        cut.set_len(0).unwrap();
        part.hash(&[Algorithm::Md5]).await.unwrap_err();
        assert_eq!(part.hash(&[]).await.unwrap().checksums, []);
    }

    /// Takes up once work in the pool has let go of the lock, as after a kill.
    async fn take_up(dir: &Path) -> Option<Part> {
        for _ in 0..200 {
            match Part::take_up(dir, URL) {
                Err(Error::Held { .. }) => {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
                other => return other.unwrap(),
            }
        }
        panic!("the lock was never given back");
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_file_written_in_any_order_appears_whole_under_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("not/yet/there");
        let bytes = content(3 * MIB + 7, 0);
        let part = Part::create(&sub, "a.bin", &identity(Some(3 * MIB + 7), "1")).unwrap();
        assert_eq!(names(&sub), ["a.bin.part"]);
        let mode = fs::metadata(part.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o133, 0, "{mode:o}");
        fill(&part, &bytes, 2 * MIB, 3 * MIB + 7).await;
        assert_eq!(names(&sub), ["a.bin.part", "a.bin.part.json"]);
        fill(&part, &bytes, 0, MIB).await;
        fill(&part, &bytes, MIB, 2 * MIB).await;
        assert_eq!(part.done(), ByteRange::new(0, 3 * MIB + 7).into());
        let path = part.commit(Place::Free).await.unwrap();
        assert_eq!(path, sub.join("a.bin"));
        assert_eq!(fs::read(path).unwrap(), bytes);
        assert_eq!(names(&sub), ["a.bin"]);
    }

    #[tokio::test]
    async fn the_control_file_comes_with_the_first_claim_and_a_small_file_makes_none() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = content(3 * MIB, 0);
        let begin = || Part::create(dir.path(), "a.bin", &identity(Some(3 * MIB), "1")).unwrap();
        let part = begin();
        fill(&part, &bytes, 0, MIB - 1).await;
        assert_eq!(names(dir.path()), ["a.bin.part"]);
        // As after a kill: the part is not trusted, and whoever begins anew empties it.
        drop(part);
        assert!(take_up(dir.path()).await.is_none());
        let part = begin();
        assert_eq!(fs::metadata(part.path()).unwrap().len(), 0);
        fill(&part, &bytes, MIB, 2 * MIB).await;
        assert_eq!(names(dir.path()), ["a.bin.part", "a.bin.part.json"]);
        let found = find(dir.path(), URL).unwrap();
        assert_eq!(found.done, ByteRange::new(MIB, 2 * MIB).into());
        assert!(found.durable.is_empty());
        // One that is interrupted is recorded, however small it is.
        part.restart(&identity(Some(100), "2")).await.unwrap();
        assert_eq!(names(dir.path()), ["a.bin.part"]);
        fill(&part, &bytes, 0, 40).await;
        part.suspend().await.unwrap();
        drop(part);
        let part = take_up(dir.path()).await.unwrap();
        assert_eq!(part.done(), ByteRange::new(0, 40).into());
    }

    #[tokio::test]
    async fn an_empty_file_and_one_of_unknown_length_are_files_too() {
        let dir = tempfile::tempdir().unwrap();
        let empty = Part::create(dir.path(), "empty", &identity(Some(0), "1")).unwrap();
        assert_eq!(
            fs::read(empty.commit(Place::Free).await.unwrap()).unwrap(),
            b""
        );
        let part = Part::create(dir.path(), "grown", &identity(None, "1")).unwrap();
        let sums = tokio::spawn(part.hash(&[Algorithm::Crc32c]));
        fill(&part, &content(MIB, 0), 0, MIB).await;
        part.ends_at(MIB);
        let mut hasher = Hasher::new(&[Algorithm::Crc32c]);
        hasher.update(&content(MIB, 0));
        assert_eq!(sums.await.unwrap().unwrap().checksums, hasher.finish());
        let path = part.commit(Place::Free).await.unwrap();
        assert_eq!(fs::read(path).unwrap(), content(MIB, 0));
    }

    #[tokio::test]
    async fn an_incomplete_file_gets_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let part = Part::create(dir.path(), "a.bin", &identity(Some(100), "1")).unwrap();
        fill(&part, &content(100, 0), 0, 40).await;
        fill(&part, &content(100, 0), 60, 100).await;
        let error = part.commit(Place::Free).await.unwrap_err();
        let expected = (40, 100);
        assert!(matches!(error, Error::Incomplete { have, need, .. } if (have, need) == expected));
        assert_eq!(names(dir.path()), ["a.bin.part"]);
        // Complete by the books, but somebody has cut the file.
        let part = Part::create(dir.path(), "b.bin", &identity(Some(MIB), "1")).unwrap();
        fill(&part, &content(MIB, 0), 0, MIB).await;
        fs::write(part.path(), "short").unwrap();
        let error = part.commit(Place::Free).await.unwrap_err();
        assert!(matches!(error, Error::Incomplete { have: 5, .. }));
    }

    #[tokio::test]
    async fn after_a_kill_at_most_a_few_mebibytes_are_missing() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = content(64 * MIB, 0);
        let part = Part::create(dir.path(), "a.bin", &identity(Some(64 * MIB), "1")).unwrap();
        let (a, b) = (
            fill(&part, &bytes, 0, 21 * MIB),
            fill(&part, &bytes, 40 * MIB, 61 * MIB),
        );
        tokio::join!(a, b);
        drop(part);
        let part = take_up(dir.path()).await.unwrap();
        let done = part.done();
        assert!(done.len() > (42 - 8) * MIB, "{done:?}");
        let stored = fs::read(part.path()).unwrap();
        for range in done.iter() {
            let range = range.start as usize..range.end as usize;
            assert!(stored[range.clone()] == bytes[range]);
        }
        assert_eq!(part.identity(), identity(Some(64 * MIB), "1"));
        // What is taken up keeps its claims when it is dropped again at once.
        drop(part);
        assert_eq!(take_up(dir.path()).await.unwrap().done(), done);
    }

    #[tokio::test]
    async fn suspending_saves_every_byte_for_any_later_boot() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = content(9 * MIB, 0);
        let part = Part::create(dir.path(), "a.bin", &identity(Some(9 * MIB), "1")).unwrap();
        fill(&part, &bytes, 0, 5 * MIB + 1).await;
        fill(&part, &bytes, 6 * MIB, 6 * MIB + 3).await;
        part.suspend().await.unwrap();
        let done = part.done();
        drop(part);
        let found = find(dir.path(), URL).unwrap();
        assert_eq!((&found.done, &found.durable), (&done, &done));
        let part = take_up(dir.path()).await.unwrap();
        let sums = tokio::spawn(part.hash(&[Algorithm::Md5, Algorithm::Sha256]));
        fill(&part, &bytes, 6 * MIB, 9 * MIB).await;
        fill(&part, &bytes, 5 * MIB, 6 * MIB).await;
        let mut hasher = Hasher::new(&[Algorithm::Md5, Algorithm::Sha256]);
        hasher.update(&bytes);
        assert_eq!(sums.await.unwrap().unwrap().checksums, hasher.finish());
        assert_eq!(
            fs::read(part.commit(Place::Free).await.unwrap()).unwrap(),
            bytes
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn checkpoints_happen_by_themselves_and_beside_the_writes() {
        let dir = tempfile::tempdir().unwrap();
        let length = 600 * MIB;
        let part = Part::create(dir.path(), "a.bin", &identity(Some(length), "1")).unwrap();
        let block = Bytes::from(content(MIB, 0));
        for at in 0..length / MIB {
            part.write(at * MIB, block.clone()).await.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        drop(part);
        let part = take_up(dir.path()).await.unwrap();
        assert!(part.done().len() >= length - 4 * MIB);
        let durable = find(dir.path(), URL).unwrap().durable.len();
        assert!(durable >= 256 * MIB, "{durable}");
    }

    #[tokio::test]
    async fn a_restart_forgets_everything_and_drops_what_comes_late() {
        let dir = tempfile::tempdir().unwrap();
        let part = Part::create(dir.path(), "a.bin", &identity(Some(9 * MIB), "1")).unwrap();
        let sums = tokio::spawn(part.hash(&[Algorithm::Crc32c]));
        fill(&part, &content(9 * MIB, 0), 0, 5 * MIB).await;
        let era = part.ledger.progress.borrow().era;
        let new = identity(Some(2 * MIB), "2");
        part.restart(&new).await.unwrap();
        assert!(part.done().is_empty());
        assert_eq!(fs::metadata(part.path()).unwrap().len(), 0);
        assert!(!part.ledger.put(era, 0, &Bytes::from("late")).unwrap());
        assert!(part.done().is_empty());
        assert_eq!(names(dir.path()), ["a.bin.part"]);
        fill(&part, &content(2 * MIB, 9), 0, 2 * MIB).await;
        let mut hasher = Hasher::new(&[Algorithm::Crc32c]);
        hasher.update(&content(2 * MIB, 9));
        assert_eq!(sums.await.unwrap().unwrap().checksums, hasher.finish());
        let path = part.commit(Place::Free).await.unwrap();
        assert_eq!(fs::read(path).unwrap(), content(2 * MIB, 9));
    }

    #[tokio::test]
    async fn checksums_of_a_complete_part_are_not_those_of_one_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let part = Part::create(dir.path(), "a.bin", &identity(Some(MIB), "1")).unwrap();
        fill(&part, &content(MIB, 0), 0, MIB).await;
        let hashed = part.hash(&[Algorithm::Crc32c]).await.unwrap();
        assert!(part.is_of(&hashed));
        let new = identity(Some(MIB), "2");
        part.restart(&new).await.unwrap();
        fill(&part, &content(MIB, 9), 0, MIB).await;
        assert!(!part.is_of(&hashed));
        let again = part.hash(&[Algorithm::Crc32c]).await.unwrap();
        assert!(part.is_of(&again) && again.checksums != hashed.checksums);
    }

    #[tokio::test]
    async fn a_part_without_a_trustworthy_control_file_is_not_taken_up_but_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let lost = || fs::write(dir.path().join("a.bin.part"), content(100, 5)).unwrap();
        lost();
        assert!(take_up(dir.path()).await.is_none());
        fs::write(dir.path().join("a.bin.part.json"), "{}\n").unwrap();
        assert!(take_up(dir.path()).await.is_none());
        let part = Part::create(dir.path(), "a.bin", &identity(None, "1")).unwrap();
        assert!(part.done().is_empty());
        assert_eq!(fs::metadata(part.path()).unwrap().len(), 0);
        drop(part);
        assert!(
            Part::take_up(dir.path(), "https://example.org/b")
                .unwrap()
                .is_none()
        );
    }

    #[tokio::test]
    async fn a_control_file_cut_or_damaged_anywhere_claims_no_unwritten_byte() {
        let dir = tempfile::tempdir().unwrap();
        let part = Part::create(dir.path(), "a.bin", &identity(Some(40 * MIB), "1")).unwrap();
        fill(&part, &content(40 * MIB, 0), 0, 9 * MIB).await;
        part.checkpoint().await.unwrap();
        fill(&part, &content(40 * MIB, 0), 20 * MIB, 29 * MIB).await;
        let all = part.done();
        drop(part);
        // Also waits for a checkpoint that may still be under way.
        drop(take_up(dir.path()).await);
        let control = control_path(dir.path(), "a.bin");
        let text = fs::read(&control).unwrap();
        let whole = find(dir.path(), URL).unwrap();
        assert!(whole.durable.contains_range(ByteRange::new(0, 9 * MIB)));
        // The journal may lack its last 4 MiB; when it was written last depends on when a checkpoint fell due.
        assert!(whole.done.len() > 14 * MIB);
        let check = |damaged: &[u8]| {
            fs::write(&control, damaged).unwrap();
            if let Some(found) = find(dir.path(), URL) {
                assert!(found.done.iter().all(|range| all.contains_range(range)));
                assert_eq!(found.durable, whole.durable);
            }
        };
        for at in 0..text.len() {
            check(&text[..at]);
            let mut damaged = text.clone();
            damaged[at] ^= 1 << (at % 8);
            check(&damaged);
        }
    }

    #[tokio::test]
    async fn dropping_the_part_ends_the_hashing_and_gives_the_lock_back() {
        let dir = tempfile::tempdir().unwrap();
        let part = Part::create(dir.path(), "a.bin", &identity(Some(9), "1")).unwrap();
        let sums = tokio::spawn(part.hash(&[Algorithm::Crc32c]));
        fill(&part, &content(9, 0), 0, 5).await;
        part.checkpoint().await.unwrap();
        drop(part);
        assert!(matches!(sums.await.unwrap(), Err(Error::Io { .. })));
        assert!(Part::take_up(dir.path(), URL).unwrap().is_some());
    }

    #[tokio::test]
    async fn only_one_download_holds_a_part() {
        let dir = tempfile::tempdir().unwrap();
        let part = Part::create(dir.path(), "a.bin", &identity(Some(9), "1")).unwrap();
        fill(&part, &content(9, 0), 0, 9).await;
        let second = Part::create(dir.path(), "a.bin", &identity(Some(9), "2"));
        assert!(matches!(second, Err(Error::Held { .. })));
        part.checkpoint().await.unwrap();
        assert!(matches!(
            Part::take_up(dir.path(), URL),
            Err(Error::Held { .. })
        ));
        let path = part.commit(Place::Free).await.unwrap();
        assert_eq!(fs::read(path).unwrap(), content(9, 0));
    }

    #[tokio::test]
    async fn planted_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let sub = dir.path().join("sub");
        fs::create_dir(&sub).unwrap();
        symlink(&victim, sub.join("a.bin.part")).unwrap();
        let result = Part::create(&sub, "a.bin", &identity(Some(9), "1"));
        assert!(matches!(result, Err(Error::NotRegular { .. })));
        fs::remove_file(sub.join("a.bin.part")).unwrap();
        for link in [
            "a.bin.part.json",
            "a.bin.part.new",
            "a.bin",
            "a.bin.corrupt",
        ] {
            symlink(&victim, sub.join(link)).unwrap();
        }
        let part = Part::create(&sub, "a.bin", &identity(Some(9), "1")).unwrap();
        fill(&part, &content(9, 0), 0, 9).await;
        part.checkpoint().await.unwrap();
        assert_eq!(
            part.commit(Place::Free).await.unwrap(),
            sub.join("a (1).bin")
        );
        let part = Part::create(&sub, "a.bin", &identity(Some(9), "1")).unwrap();
        assert_eq!(part.reject().await.unwrap(), sub.join("a.bin.corrupt"));
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }

    #[tokio::test]
    async fn the_target_is_kept_unless_it_is_to_be_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.tar.gz");
        fs::write(&target, "old").unwrap();
        for over in [false, true] {
            let part = Part::create(dir.path(), "a.tar.gz", &identity(Some(3), "1")).unwrap();
            part.write(0, Bytes::from_static(b"new")).await.unwrap();
            if over {
                assert_eq!(part.commit(Place::Over).await.unwrap(), target);
            } else {
                assert_eq!(
                    part.commit(Place::Free).await.unwrap(),
                    dir.path().join("a (1).tar.gz")
                );
                assert_eq!(fs::read(&target).unwrap(), b"old");
            }
        }
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(names(dir.path()), ["a (1).tar.gz", "a.tar.gz"]);
    }

    #[tokio::test]
    async fn a_wrong_file_is_set_aside_without_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let part = Part::create(dir.path(), "a.bin", &identity(Some(3), "1")).unwrap();
        part.write(0, Bytes::from_static(b"bad")).await.unwrap();
        part.reject().await.unwrap();
        assert_eq!(names(dir.path()), ["a.bin.corrupt"]);
    }

    #[test]
    fn a_file_that_cannot_fit_is_refused_at_once_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        // Less than the largest file of ext4, more than this disk.
        let length = super::super::free_space(dir.path()).unwrap() + (1 << 30);
        match Part::create(dir.path(), "a.bin", &identity(Some(length), "1")) {
            Err(Error::NoSpace { need, free, .. }) => assert!(need == length && free < need),
            other => panic!("{other:?}"),
        }
        assert!(names(dir.path()).is_empty());
    }

    #[tokio::test]
    async fn directories_need_not_be_text_and_files_are_no_directories() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join(OsStr::from_bytes(b"\xff\xfe dir"));
        let part = Part::create(&odd, "a.bin", &identity(Some(3), "1")).unwrap();
        part.write(0, Bytes::from_static(b"abc")).await.unwrap();
        part.suspend().await.unwrap();
        drop(part);
        let part = take_up(&odd).await.unwrap();
        assert_eq!(part.commit(Place::Free).await.unwrap(), odd.join("a.bin"));
        let file = odd.join("a.bin");
        for dir in [file.clone(), file.join("sub")] {
            let result = Part::create(&dir, "b.bin", &identity(Some(3), "1"));
            assert!(
                matches!(result, Err(Error::NotADirectory { .. })),
                "{result:?}"
            );
        }
    }
}

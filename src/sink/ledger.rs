//! The open part file and the books kept about it: which bytes are written, which of them are journalled, which durable.
//!
//! Functions that touch the disk block and are called from the blocking pool, or for a [small](SMALL) file at once. There
//! are five locks, always taken in this order: `durable` (held for a whole checkpoint, so there is one at a time), `era`
//! (read by every write for as long as it lasts, so that a restart waits for the writes before it and shuts out the late
//! ones), `books` (held for microseconds, or while the control file is made or renamed, and never while anything is
//! synced), and of the last two either: `identity`, `kept`.
//!
//! What is claimed always lags behind what is true: a range enters the books after its bytes were handed to the system
//! or [kept](KEPT), the journal when no more are kept, and the durable set after a sync that began later still.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Error, Identity, disk, trip};
use crate::range::{ByteRange, RangeSet};
use crate::resume::{Draft, Journal, control_path, part_path};

/// Bytes with which a part gets its control file. Thousands of small files would pay for two each, and fewer bytes are
/// sooner fetched again than recorded.
const FIRST_CLAIM: u64 = 1 << 20;

/// New bytes after which the journal gets a line: what `kill -9` costs at most, less what is being written.
const JOURNAL_EVERY: u64 = 4 << 20;

/// New bytes after which the data is synced and the head rewritten, if [`SYNC_AFTER`] does not come first.
const SYNC_EVERY: u64 = 256 << 20;

/// Time after which new bytes are made durable: what a loss of power costs at most, while bytes arrive.
const SYNC_AFTER: Duration = Duration::from_secs(2);

/// A file of up to so many bytes is written on the spot: to hand each block to a thread of the blocking pool, and to be woken by
/// it, takes several times as long. No room is taken for it in advance, and it is hashed when all of it is there.
pub(super) const SMALL: u64 = 256 << 10;

/// Of a file of up to so many bytes the blocks are kept in memory until all are there, or anything is to be made of them: the
/// thread that syncs the file writes them too. The flow has enough to do while thousands of such files come.
pub(super) const KEPT: u64 = 64 << 10;

/// Whether that is done for a file of this length.
pub(super) fn is_kept(length: Option<u64>) -> bool {
    length.is_some_and(|length| length <= KEPT)
}

/// How far the file has come; what those who follow it are woken by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// Counts the restarts; bytes of different eras have nothing to do with each other.
    pub(super) era: u64,
    /// All bytes below this offset are written.
    pub(super) frontier: u64,
    /// The length of the whole file, once known.
    pub(super) length: Option<u64>,
    /// The owner has let go: nothing more will come, and whoever follows must let go too.
    pub(super) over: bool,
}

impl Progress {
    /// Whether the file is known to be so short that its bytes need no other thread.
    pub(super) fn is_small(&self) -> bool {
        self.length.is_some_and(|length| length <= SMALL)
    }
}

/// An open, locked part file.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The directory of the part, its control file and the finished file.
    pub(super) dir: PathBuf,
    /// Name of the finished file, before a number is added to it.
    pub(super) name: String,
    /// Where the part is: `dir`/`name`.part, held by the lock of `file`.
    pub(super) path: PathBuf,
    /// The part, open for reading and writing. Its lock ends with it.
    pub(super) file: Arc<File>,
    /// When that was opened.
    pub(super) opened: Instant,
    /// Published with every change of the books or the era, and in their order.
    pub(super) progress: watch::Sender<Progress>,
    /// A subset of what is written, known to be on stable storage.
    durable: Mutex<Durable>,
    /// Equals `Progress::era` until the ledger is closed, and is no era of any block from then on.
    era: RwLock<u64>,
    /// What is written, and how much of it is claimed.
    books: Mutex<Books>,
    /// What the bytes of this era are bytes of.
    identity: Mutex<Identity>,
    /// Blocks that are in the books, but not in the file yet, with their offsets.
    kept: Mutex<VecDeque<(u64, Bytes)>>,
}

#[derive(Debug)]
struct Durable {
    /// What a loss of power would leave.
    ranges: RangeSet,
    /// A sync failed. The system reports that once and may have dropped the pages, so no later sync proves anything.
    lost: bool,
    /// The part has been moved away: no control file may appear for it again.
    closed: bool,
}

#[derive(Debug)]
struct Books {
    /// What has been written, in this run and in earlier ones that may be trusted.
    done: RangeSet,
    /// The part of `done` that no line of the control file in force claims.
    unsaved: RangeSet,
    /// Bytes in `unsaved`, counting again what was written twice.
    unsaved_bytes: u64,
    /// Bytes written since the last checkpoint took its look at `done`.
    since_sync: u64,
    /// When the last checkpoint ended.
    synced: Instant,
    /// A checkpoint is under way, or is due and somebody has taken it on.
    syncing: bool,
    /// The control file, and what may be claimed in it.
    claims: Claims,
    /// Why the last checkpoint failed, for the next write to report.
    failure: Option<Error>,
}

/// What there is to claim bytes in.
#[derive(Debug)]
enum Claims {
    /// No control file, which vouches for as much as one without a claim. A checkpoint makes one, or [`FIRST_CLAIM`].
    Nowhere,
    /// The control file in force.
    Journal(Journal),
    /// Only what is durable, as written pages were lost.
    DurableOnly,
}

impl Ledger {
    /// `journal` is the control file in force, if there is one.
    pub(super) fn new(
        (dir, name, file): (PathBuf, String, File),
        identity: Identity,
        (done, durable): (RangeSet, RangeSet),
        journal: Option<Journal>,
    ) -> Self {
        let progress = Progress {
            era: 0,
            frontier: done.frontier(),
            length: identity.entity.length,
            over: false,
        };
        Self {
            path: part_path(&dir, &name),
            dir,
            name,
            file: Arc::new(file),
            opened: Instant::now(),
            progress: watch::Sender::new(progress),
            durable: Mutex::new(Durable {
                ranges: durable,
                lost: false,
                closed: false,
            }),
            era: RwLock::new(0),
            books: Mutex::new(Books::new(done, journal)),
            identity: Mutex::new(identity),
            kept: Mutex::default(),
        }
    }

    pub(super) fn identity(&self) -> Identity {
        locked(&self.identity).clone()
    }

    pub(super) fn done(&self) -> RangeSet {
        locked(&self.books).done.clone()
    }

    /// States the length that only the end of the body has told.
    pub(super) fn set_length(&self, length: u64) {
        locked(&self.identity).entity.length = Some(length);
        self.progress.send_modify(|p| p.length = Some(length));
    }

    /// Writes a block of the given era, or keeps it; one of an earlier era is dropped. Says whether a checkpoint is due, which
    /// is then the caller's to make.
    pub(super) fn put(&self, number: u64, offset: u64, block: &Bytes) -> Result<bool, Error> {
        let era = self.era.read().unwrap_or_else(PoisonError::into_inner);
        if *era != number {
            return Ok(false);
        }
        if is_kept(self.progress.borrow().length) {
            locked(&self.kept).push_back((offset, block.clone()));
        } else {
            self.write(offset, block).map_err(|source| {
                let length = self.identity().entity.length;
                let left = length.map(|length| length.saturating_sub(self.done().len()));
                self.error("write to", left.unwrap_or(block.len() as u64), source)
            })?;
        }
        let range = ByteRange::new(offset, offset + block.len() as u64);
        let mut books = locked(&self.books);
        books.enter(range);
        if books.is_claim_due() {
            // One that cannot be written costs a repeated download after a crash, and is no reason to end this one: the
            // claim is made again with the next block.
            let _ = self.claim(&mut books);
        }
        self.progress.send_if_modified(|progress| {
            let frontier = books.done.frontier();
            std::mem::replace(&mut progress.frontier, frontier) != frontier
        });
        if let Some(failure) = books.failure.take() {
            return Err(failure);
        }
        Ok(books.checkpoint_due(Instant::now()))
    }

    /// Writes what was kept. What cannot be written is kept on.
    pub(super) fn settle(&self) -> Result<(), Error> {
        self.write_kept().map_err(|source| {
            let kept = locked(&self.kept);
            let need = kept.iter().map(|(_, block)| block.len() as u64).sum();
            self.error("write to", need, source)
        })
    }

    fn write_kept(&self) -> io::Result<()> {
        let mut kept = locked(&self.kept);
        while let Some((offset, block)) = kept.front() {
            self.write(*offset, block)?;
            kept.pop_front();
        }
        Ok(())
    }

    fn write(&self, offset: u64, block: &[u8]) -> io::Result<()> {
        trip(&self.path)?;
        self.file.write_all_at(block, offset)
    }

    /// Claims what is new, without a sync.
    pub(super) fn note(&self) -> Result<(), Error> {
        let noted = self.claim(&mut locked(&self.books));
        noted.map_err(|e| self.error("write the control file of", 0, e))
    }

    /// Whether there is a control file that goes with the part.
    pub(super) fn has_control(&self) -> bool {
        match locked(&self.books).claims {
            Claims::Nowhere => false,
            Claims::Journal(_) | Claims::DurableOnly => true,
        }
    }

    /// Syncs the data and then rewrites the control file. Waits for one that is under way.
    ///
    /// A failed sync is also reported by the next write, since a checkpoint may have nobody who waits for it.
    pub(super) fn checkpoint(&self) -> Result<(), Error> {
        let mut durable = locked(&self.durable);
        if durable.closed {
            return Ok(());
        }
        let saved = self.save(&mut durable);
        let mut books = locked(&self.books);
        books.synced = Instant::now();
        books.syncing = false;
        saved
    }

    /// Forgets every byte and begins anew with another entity.
    pub(super) fn restart(&self, identity: &Identity) -> Result<(), Error> {
        let mut durable = locked(&self.durable);
        let mut era = self.era.write().unwrap_or_else(PoisonError::into_inner);
        // First the claims, then the bytes: never the other way round. And those who follow learn of it before that too,
        // so that they know what it means when the bytes are gone.
        disown(&self.dir, &self.name)
            .map_err(|e| self.error("remove the control file of", 0, e))?;
        let length = identity.entity.length;
        durable.ranges = RangeSet::new();
        *era += 1;
        *locked(&self.identity) = identity.clone();
        *locked(&self.books) = Books::new(RangeSet::new(), None);
        locked(&self.kept).clear();
        self.progress.send_replace(Progress {
            era: *era,
            frontier: 0,
            length,
            over: false,
        });
        let room = length.unwrap_or(0);
        let emptied = trip(&self.path).and_then(|()| self.file.set_len(0));
        emptied.map_err(|e| self.error("truncate", room, e))?;
        disk::reserve(&self.file, room).map_err(|e| self.error("reserve room for", room, e))
    }

    /// Ends the books: waits for writes and checkpoints under way and drops all later ones.
    pub(super) fn close(&self) {
        locked(&self.durable).closed = true;
        *self.era.write().unwrap_or_else(PoisonError::into_inner) = u64::MAX;
    }

    /// `source` as an error about the part.
    pub(super) fn error(&self, doing: &'static str, need: u64, source: io::Error) -> Error {
        Error::new(&self.path, doing, need, source)
    }

    fn save(&self, durable: &mut Durable) -> Result<(), Error> {
        let done = {
            let mut books = locked(&self.books);
            books.syncing = true;
            books.since_sync = 0;
            books.done.clone()
        };
        self.settle()?;
        match trip(&self.path).and_then(|()| self.file.sync_data()) {
            Ok(()) if !durable.lost => durable.ranges = done,
            Ok(()) => {}
            Err(error) => {
                durable.lost = true;
                locked(&self.books).failure = Some(self.error("sync", 0, copy(&error)));
                // Also what only the journal claims may be gone.
                if self.publish(&durable.ranges, true).is_err() {
                    let _ = disk::remove(&control_path(&self.dir, &self.name));
                }
                return Err(self.error("sync", 0, error));
            }
        }
        self.publish(&durable.ranges, durable.lost)
            .map_err(|e| self.error("write the control file of", 0, e))
    }

    /// Puts a new control file in force; once pages were `lost`, one that never claims what is only written.
    fn publish(&self, durable: &RangeSet, lost: bool) -> io::Result<()> {
        let draft = Draft::write_through(&self.dir, &self.name, &self.identity(), durable)?;
        {
            let mut books = locked(&self.books);
            self.write_kept()?;
            let written = if lost { durable } else { &books.done };
            let journal = draft.publish(written)?;
            books.claims = match lost {
                true => Claims::DurableOnly,
                false => Claims::Journal(journal),
            };
            books.saved();
        }
        disk::sync_dir(&self.dir)
    }

    /// Claims what is written and not claimed yet. The first claim makes the control file, unless a checkpoint is about to.
    fn claim(&self, books: &mut Books) -> io::Result<()> {
        self.write_kept()?;
        match &mut books.claims {
            Claims::Nowhere if books.syncing || books.unsaved.is_empty() => return Ok(()),
            Claims::Nowhere => {
                let nothing = RangeSet::new();
                let draft = Draft::write(&self.dir, &self.name, &self.identity(), &nothing)?;
                books.claims = Claims::Journal(draft.publish(&books.done)?);
            }
            Claims::Journal(journal) => journal.append(&books.unsaved)?,
            Claims::DurableOnly => {}
        }
        books.saved();
        Ok(())
    }
}

impl Books {
    fn new(done: RangeSet, journal: Option<Journal>) -> Self {
        Self {
            done,
            unsaved: RangeSet::new(),
            unsaved_bytes: 0,
            since_sync: 0,
            synced: Instant::now(),
            syncing: false,
            claims: journal.map_or(Claims::Nowhere, Claims::Journal),
            failure: None,
        }
    }

    fn enter(&mut self, range: ByteRange) {
        self.done.insert(range);
        self.unsaved.insert(range);
        self.unsaved_bytes += range.len();
        self.since_sync += range.len();
    }

    fn is_claim_due(&self) -> bool {
        let due = match self.claims {
            Claims::Nowhere => FIRST_CLAIM,
            Claims::Journal(_) | Claims::DurableOnly => JOURNAL_EVERY,
        };
        self.unsaved_bytes >= due
    }

    fn saved(&mut self) {
        self.unsaved = RangeSet::new();
        self.unsaved_bytes = 0;
    }

    fn checkpoint_due(&mut self, now: Instant) -> bool {
        let due = self.since_sync >= SYNC_EVERY || now - self.synced >= SYNC_AFTER;
        let mine = due && !self.syncing;
        self.syncing |= mine;
        mine
    }
}

/// Removes a control file that lies there, and for good: the part is about to be emptied.
pub(super) fn disown(dir: &Path, name: &str) -> io::Result<()> {
    let control = control_path(dir, name);
    if fs::symlink_metadata(&control).is_err() {
        return Ok(());
    }
    disk::remove(&control)?;
    disk::sync_dir(dir)
}

fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    }
}

/// The books hold at every step, so a panic elsewhere does not spoil them.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Checksums that follow the file while it grows.
//!
//! The bytes are read back from the page cache instead of being taken from the network, because they arrive out of
//! order and a resumed file has bytes that never arrive. They are read in steps of [`STEP`] in the blocking pool, and those
//! of a small file [at once](now), when it is complete; between steps nothing is held, so a hundred waiting files cost no
//! thread, and a dropped future ends after one step. Where nothing is to be computed, nothing is read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::ledger::Ledger;
use super::{Error, blocking};
use crate::hash::{Algorithm, Checksum, Hasher};

/// The most that is read in one piece of blocking work: a tenth of a second or so.
const STEP: u64 = 64 << 20;

/// Size of one read.
const READ: usize = 1 << 20;

/// The checksums of a part that was complete when they were.
#[derive(Debug)]
pub struct Hashed {
    /// One for each algorithm, in their order.
    pub checksums: Vec<Checksum>,
    /// The part's era at that time. In a later one there are other bytes.
    pub(super) era: u64,
}

/// Hashes a part up to its length, waiting for what is not there yet.
pub(super) async fn growing(
    ledger: Arc<Ledger>,
    algorithms: Vec<Algorithm>,
) -> Result<Hashed, Error> {
    let mut progress = ledger.progress.subscribe();
    let mut run = Run::new(&algorithms);
    let mut era = progress.borrow().era;
    loop {
        let now = *progress.borrow_and_update();
        if now.era != era {
            era = now.era;
            run = Run::new(&algorithms);
        }
        if now.length == Some(run.position) {
            let checksums = run.hasher.finish();
            return Ok(Hashed { checksums, era });
        }
        let end = now.length.map_or(now.frontier, |l| l.min(now.frontier));
        if run.position < end {
            ledger.settle()?;
            match run.step_aside(&ledger.file, end).await {
                Ok(further) => run = further,
                // A restart has truncated the file meanwhile; the next turn begins anew.
                Err(_) if progress.borrow().era != era => run = Run::new(&algorithms),
                Err(error) => return Err(ledger.error("read back", 0, error)),
            }
        } else if now.over || progress.changed().await.is_err() {
            // Waiting on would keep the lock for ever.
            let given_up = io::Error::other("the download was given up");
            return Err(ledger.error("hash", 0, given_up));
        }
    }
}

/// Hashes all of a part that is complete, here and now.
pub(super) fn now(ledger: &Ledger, algorithms: &[Algorithm]) -> Result<Vec<Checksum>, Error> {
    let mut run = Run::new(algorithms);
    let end = ledger.progress.borrow().frontier;
    while run.position < end {
        let step = run.step(&ledger.file, end);
        run = step.map_err(|e| ledger.error("read back", 0, e))?;
    }
    Ok(run.hasher.finish())
}

/// Hashes a finished file of the length that it has now.
pub(super) async fn whole(path: &Path, algorithms: &[Algorithm]) -> Result<Vec<Checksum>, Error> {
    let fail = |doing| move |e| Error::new(path, doing, 0, e);
    let owned = path.to_owned();
    let open = move || {
        let file = File::open(owned)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    };
    let opened: io::Result<(File, u64)> = blocking(open).await.and_then(|opened| opened);
    let (file, length) = opened.map_err(fail("open"))?;
    let file = Arc::new(file);
    let mut run = Run::new(algorithms);
    while run.position < length {
        run = run.step_aside(&file, length).await.map_err(fail("read"))?;
    }
    Ok(run.hasher.finish())
}

/// A computation under way.
struct Run {
    /// Has been given the bytes below `position`.
    hasher: Hasher,
    /// Where the next read begins.
    position: u64,
    /// Scratch space, at most [`READ`] bytes, and only as much as there was to read at once.
    buffer: Vec<u8>,
}

impl Run {
    fn new(algorithms: &[Algorithm]) -> Self {
        Self {
            hasher: Hasher::new(algorithms),
            position: 0,
            buffer: Vec::new(),
        }
    }

    /// Goes on towards `end`, but no further than one step, in the blocking pool.
    async fn step_aside(self, file: &Arc<File>, end: u64) -> io::Result<Self> {
        let file = Arc::clone(file);
        blocking(move || self.step(&file, end))
            .await
            .and_then(|run| run)
    }

    /// The same, here and now.
    fn step(mut self, file: &File, end: u64) -> io::Result<Self> {
        if self.hasher.is_empty() {
            self.position = end;
        }
        let end = end.min(self.position + STEP);
        while self.position < end {
            let left = end - self.position;
            let size = usize::try_from(left).map_or(READ, |left| left.min(READ));
            self.buffer.resize(size.max(self.buffer.len()), 0);
            let read = &mut self.buffer[..size];
            file.read_exact_at(read, self.position)?;
            self.hasher.update(read);
            self.position += size as u64;
        }
        Ok(self)
    }
}

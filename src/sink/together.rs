//! Directory syncs that many files need at once are made once for all of them.
//!
//! A file has its name for good only when the directory was synced after the rename. Of thousands of small files each would
//! pay a sync of its own, though one serves all that were renamed before it began: so those that come while one is under
//! way wait for the next one together. Nobody waits for company; a file that is alone is synced at once.
//!
//! What is known is kept for the whole process, since the directory is the same whichever part asks.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::disk;

/// One for each directory that files were put into, of which a run has one.
static FOLDERS: Mutex<BTreeMap<PathBuf, Arc<Folder>>> = Mutex::new(BTreeMap::new());

/// As [`disk::sync_dir`]: what was created, renamed or removed in `dir` before the call is durable after it.
///
/// # Errors
/// Those of a sync that was made for this call alone.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    let folder = {
        let mut folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(folders.entry(dir.to_owned()).or_default())
    };
    folder.sync(|| disk::sync_dir(dir))
}

#[derive(Debug, Default)]
struct Folder {
    turns: Mutex<Turns>,
    /// Told when a sync with an even number, or an odd one, has ended or may begin: so that those who wait for the next one are
    /// not all woken in vain.
    ended: [Condvar; 2],
}

/// Syncs are numbered from 1 on, and one is under way at a time.
#[derive(Debug, Default)]
struct Turns {
    /// The last that was begun.
    begun: u64,
    /// The last that has ended well.
    done: u64,
    /// Whether one is under way.
    busy: bool,
}

impl Folder {
    /// Returns after a sync that began after the call, made here or by another caller.
    fn sync(&self, make: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut turns = self.turns();
        // The one under way may have begun too early.
        let needed = turns.begun + 1;
        while turns.done < needed && turns.busy {
            // After one that failed, the one under way is late enough.
            let awaited = needed.max(turns.begun);
            let waiting = self.turn(awaited).wait(turns);
            turns = waiting.unwrap_or_else(PoisonError::into_inner);
        }
        if turns.done >= needed {
            return Ok(());
        }
        turns.begun += 1;
        turns.busy = true;
        let number = turns.begun;
        drop(turns);
        let made = make();
        let mut turns = self.turns();
        turns.busy = false;
        if made.is_ok() {
            turns.done = number;
        }
        // Of those who waited for it in vain, each makes its own, and has its own error to tell.
        self.turn(number).notify_all();
        // One of the others makes the next one.
        self.turn(number + 1).notify_one();
        made
    }

    fn turn(&self, number: u64) -> &Condvar {
        &self.ended[usize::from(!number.is_multiple_of(2))]
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    /// Begins a sync, has 20 others ask for one meanwhile, and ends it; returns how many were made. The first ones fail.
    fn crowd(failing: u64) -> u64 {
        let folder = Folder::default();
        let made = AtomicU64::new(0);
        let (begun, wait_begun) = channel();
        let (go_on, wait_go_on) = channel::<()>();
        let count = || match made.fetch_add(1, Ordering::SeqCst) < failing {
            true => Err(io::Error::other("no")),
            false => Ok(()),
        };
        thread::scope(|scope| {
            let (folder, made, count) = (&folder, &made, &count);
            scope.spawn(move || {
                folder.sync(|| {
                    let end = count();
                    begun.send(()).unwrap();
                    wait_go_on.recv().unwrap();
                    end
                })
            });
            wait_begun.recv().unwrap();
            let waiting: Vec<_> = (0..20)
                .map(|_| scope.spawn(move || folder.sync(count)))
                .collect();
            thread::sleep(Duration::from_millis(20));
            assert_eq!(made.load(Ordering::SeqCst), 1, "one is under way");
            go_on.send(()).unwrap();
            let ends = waiting.into_iter().map(|one| one.join().unwrap());
            let failed = ends.filter(Result::is_err).count() as u64;
            assert_eq!(
                failed,
                failing.saturating_sub(1),
                "each failure is told once"
            );
        });
        made.into_inner()
    }

    #[test]
    fn whoever_comes_during_a_sync_shares_the_next_one() {
        // Whoever was late to ask may have needed one more.
        let made = crowd(0);
        assert!((2..20).contains(&made), "{made} syncs for 21 files");
    }

    #[test]
    fn whoever_waits_for_a_sync_that_fails_gets_another_one() {
        for failing in 1..=4 {
            for _ in 0..20 {
                let made = crowd(failing);
                assert!(made > failing, "{made} syncs of which {failing} fail");
            }
        }
    }

    #[test]
    fn alone_each_call_makes_one_and_a_failure_is_nobody_elses() {
        let folder = Folder::default();
        let mut made = 0;
        for _ in 0..3 {
            folder
                .sync(|| {
                    made += 1;
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(made, 3);
        assert!(folder.sync(|| Err(io::Error::other("no"))).is_err());
        folder
            .sync(|| {
                made += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(made, 4);
    }
}

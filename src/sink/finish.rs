//! Puts complete parts in their places: what they hold becomes durable, they get their names, and these become durable too.
//!
//! Several at once cost little more than one: the system is told of all that is to be written before any of it is waited
//! for, and one sync of the directory serves all that were renamed before it. Each file has an end of its own: what goes
//! wrong with one is nobody else's. Small files are hashed here too, which takes less than to tell another thread of it. All of
//! this blocks; who waits for whom is in [`together`](super::together).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ledger::Ledger;
use super::{Error, disk, follow, trip};
use crate::hash::{Algorithm, Checksum};
use crate::resume::control_path;

/// The name that a part gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its own, or if that is taken the next free `name (1).ext`.
    Free,
    /// Its own, whatever file has it.
    Over,
}

/// A part that is to be put in its place.
#[derive(Debug)]
pub(super) struct Complete {
    pub(super) ledger: Arc<Ledger>,
    pub(super) place: Place,
}

/// What a part is held against before it gets its name.
#[derive(Debug)]
pub(super) struct Trial {
    /// What is computed.
    pub(super) algorithms: Vec<Algorithm>,
    /// What one of them has to come to.
    pub(super) expected: Option<Checksum>,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Tried {
    /// It has its name: where it is now, and its checksums.
    Placed(PathBuf, Vec<Checksum>),
    /// It is left where it was, as it is not what it has to be: the expected checksum, and the one that there is.
    Refused((Checksum, Checksum)),
}

/// Where the part is now.
pub(super) fn one(part: &Complete) -> Result<PathBuf, Error> {
    check(&part.ledger)?;
    sync(&part.ledger)?;
    let path = give_name(part)?;
    seal(&part.ledger, &mut None)?;
    Ok(path)
}

/// The same of each of several small parts, if it is what it has to be.
pub(super) fn all(parts: &[(Complete, Trial)]) -> Vec<Result<Tried, Error>> {
    let tried = parts.iter().map(|(part, trial)| examine(part, trial));
    let tried: Vec<_> = tried.collect();
    let right = parts.iter().zip(&tried);
    let right = right.filter(|(_, tried)| matches!(tried, Ok(Ok(_))));
    let durable = sync_together(right.map(|((part, _), _)| &*part.ledger));
    let named = parts.iter().zip(tried).map(|((part, _), tried)| {
        let checksums = match tried? {
            Ok(checksums) => checksums,
            Err(wrong) => return Ok(Tried::Refused(wrong)),
        };
        if !durable {
            sync(&part.ledger)?;
        }
        Ok(Tried::Placed(give_name(part)?, checksums))
    });
    let mut ends: Vec<Result<Tried, Error>> = named.collect();
    let mut synced = None;
    for ((part, _), end) in parts.iter().zip(&mut ends) {
        if matches!(end, Ok(Tried::Placed(..)))
            && let Err(error) = seal(&part.ledger, &mut synced)
        {
            *end = Err(error);
        }
    }
    ends
}

/// The checksums of a part, or what was expected and the one of them that differs.
fn examine(
    part: &Complete,
    trial: &Trial,
) -> Result<Result<Vec<Checksum>, (Checksum, Checksum)>, Error> {
    check(&part.ledger)?;
    let computed = follow::now(&part.ledger, &trial.algorithms)?;
    let expected = trial.expected.as_ref();
    let wrong = expected.and_then(|expected| {
        let actual = expected.refuted_by(&computed)?;
        Some((expected.clone(), actual.clone()))
    });
    Ok(wrong.map_or(Ok(computed), Err))
}

/// Checks that all bytes are there and none beyond, and that it stays like that.
fn check(ledger: &Ledger) -> Result<(), Error> {
    ledger.close();
    ledger.settle()?;
    let fail = |e| ledger.error("inspect", 0, e);
    let done = ledger.done();
    let inspected = trip(&ledger.path).and_then(|()| ledger.file.metadata());
    let stored = inspected.map_err(fail)?.len();
    let last = done.iter().map(|range| range.end).max().unwrap_or(0);
    let need = ledger.identity().entity.length.unwrap_or(last);
    let have = done.frontier().min(stored);
    if have < need {
        let path = ledger.path.clone();
        return Err(Error::Incomplete { path, have, need });
    }
    if stored > need {
        let cut = trip(&ledger.path).and_then(|()| ledger.file.set_len(need));
        cut.map_err(|e| ledger.error("truncate", 0, e))?;
    }
    Ok(())
}

/// Makes the bytes of several durable at once. If that cannot be, it is only begun, and each has to be synced.
fn sync_together<'a>(parts: impl Iterator<Item = &'a Ledger>) -> bool {
    let mut parts: Vec<&Ledger> = parts.collect();
    parts.sort_by_key(|part| part.opened);
    let files: Vec<&File> = parts.iter().map(|part| &*part.file).collect();
    let done = parts
        .first()
        .is_none_or(|part| disk::sync_together(&part.dir, &files));
    if !done {
        files.into_iter().for_each(disk::begin_to_write);
    }
    done
}

/// Makes the bytes durable.
fn sync(ledger: &Ledger) -> Result<(), Error> {
    let synced = trip(&ledger.path).and_then(|()| ledger.file.sync_data());
    synced.map_err(|e| ledger.error("sync", 0, e))
}

/// Lets a part whose bytes are durable have its name.
fn give_name(Complete { ledger, place }: &Complete) -> Result<PathBuf, Error> {
    let moved = match place {
        Place::Free => disk::move_to_free_name(&ledger.path, &ledger.dir, &ledger.name),
        Place::Over => move_over(ledger),
    };
    moved.map_err(|e| ledger.error("rename", 0, e))
}

/// Makes the name durable, unless that was done with its directory, `synced`.
fn seal<'a>(ledger: &'a Ledger, synced: &mut Option<&'a Path>) -> Result<(), Error> {
    if *synced != Some(&ledger.dir) {
        disk::sync_dir(&ledger.dir).map_err(|e| Error::new(&ledger.dir, "sync", 0, e))?;
        *synced = Some(&ledger.dir);
    }
    // What it claims is true no longer, but a part that could be taken for it does not exist.
    if ledger.has_control() {
        let _ = disk::remove(&control_path(&ledger.dir, &ledger.name));
    }
    Ok(())
}

fn move_over(ledger: &Ledger) -> io::Result<PathBuf> {
    let target = ledger.dir.join(&ledger.name);
    trip(&ledger.path)?;
    fs::rename(&ledger.path, &target).map(|()| target)
}

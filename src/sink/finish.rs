//! Puts complete parts in their places: what they hold becomes durable, they get their names, and these become durable too.
//!
//! Several at once cost little more than one: the system is told of all that is to be written before any of it is waited
//! for, and one sync of the directory serves all that were renamed before it. Each file has an end of its own: what goes
//! wrong with one is nobody else's. It blocks; who waits for whom is in [`together`](super::together).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ledger::Ledger;
use super::{Error, disk, trip};
use crate::resume::control_path;

/// The name that a part gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
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

/// Where the part is now.
pub(super) fn one(part: &Complete) -> Result<PathBuf, Error> {
    check(&part.ledger)?;
    let path = give_name(part)?;
    seal(&part.ledger, &mut None)?;
    Ok(path)
}

/// The same of each of several parts.
pub(super) fn all(parts: &[Complete]) -> Vec<Result<PathBuf, Error>> {
    let checked: Vec<_> = parts.iter().map(|part| check(&part.ledger)).collect();
    for part in parts {
        disk::begin_to_write(&part.ledger.file);
    }
    let named = parts.iter().zip(checked);
    let mut ends: Vec<_> = named
        .map(|(part, checked)| checked.and_then(|()| give_name(part)))
        .collect();
    let mut synced = None;
    for (part, end) in parts.iter().zip(&mut ends) {
        if end.is_ok()
            && let Err(error) = seal(&part.ledger, &mut synced)
        {
            *end = Err(error);
        }
    }
    ends
}

/// Checks that all bytes are there and none beyond, and that it stays like that.
fn check(ledger: &Ledger) -> Result<(), Error> {
    ledger.close();
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

/// Makes the bytes durable, and only then lets them have the name.
fn give_name(Complete { ledger, place }: &Complete) -> Result<PathBuf, Error> {
    let synced = trip(&ledger.path).and_then(|()| ledger.file.sync_data());
    synced.map_err(|e| ledger.error("sync", 0, e))?;
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

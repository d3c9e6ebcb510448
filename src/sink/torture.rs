//! Every call to the file system that can fail fails once, in every story of a part file.
//!
//! A story is told again and again; each time the next of its calls fails. Whatever it makes of that, it has to be true in
//! the end: what a control file vouches for is there, a file under the final name is whole, and the next run gets the rest.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard};

use bytes::Bytes;

use super::{Error, Identity, Part, Place};
use crate::entity::{Entity, Validator};
use crate::hash::Algorithm;
use crate::resume::find;

/// Folders in which calls are counted: how many are left until one fails, and how.
static ARMED: Mutex<Option<HashMap<PathBuf, Trap>>> = Mutex::new(None);

#[derive(Clone, Copy)]
struct Trap {
    /// Calls that succeed before the one that fails; negative once it has failed.
    left: i64,
    errno: i32,
}

fn armed() -> MutexGuard<'static, Option<HashMap<PathBuf, Trap>>> {
    ARMED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Fails if it is the turn of this call in a folder above `path`.
pub(crate) fn trip(path: &Path) -> io::Result<()> {
    let mut armed = armed();
    let Some(traps) = armed.as_mut() else {
        return Ok(());
    };
    let Some(trap) = path.ancestors().find_map(|dir| traps.get(dir).copied()) else {
        return Ok(());
    };
    let dir = path.ancestors().find(|dir| traps.contains_key(*dir));
    let next = Trap {
        left: trap.left - 1,
        ..trap
    };
    traps.insert(dir.unwrap_or(path).to_owned(), next);
    match trap.left {
        0 => Err(io::Error::from_raw_os_error(trap.errno)),
        _ => Ok(()),
    }
}

fn arm(dir: &Path, left: i64, errno: i32) {
    let trap = Trap { left, errno };
    armed().get_or_insert_default().insert(dir.to_owned(), trap);
}

/// Takes the trap away; whether it was sprung.
fn disarm(dir: &Path) -> bool {
    let trap = armed().as_mut().and_then(|traps| traps.remove(dir));
    trap.is_some_and(|trap| trap.left < 0)
}

const URL: &str = "https://example.org/a.bin";
const LENGTH: u64 = 5 * BLOCK;
/// Four of them are enough for a control file.
const BLOCK: u64 = 256 << 10;

fn identity(etag: &str) -> Identity {
    Identity {
        url: URL.to_owned(),
        entity: Entity {
            length: Some(LENGTH),
            validator: Validator {
                etag: Some(etag.to_owned()),
                last_modified: None,
            },
        },
    }
}

/// The bytes of the file with this tag, made once: a story is told a hundred times.
fn content(etag: &str) -> &'static [u8] {
    static ONE: LazyLock<Vec<u8>> = LazyLock::new(|| seeded(1));
    static OTHER: LazyLock<Vec<u8>> = LazyLock::new(|| seeded(2));
    match etag {
        "1" => &ONE,
        _ => &OTHER,
    }
}

fn seeded(seed: u64) -> Vec<u8> {
    (0..LENGTH).map(|i| ((i ^ (i >> 9)) + seed) as u8).collect()
}

async fn fill(part: &Part, etag: &str, from: u64, to: u64) -> Result<(), Error> {
    let content = content(etag);
    for at in (from..to).step_by(BLOCK as usize) {
        let end = (at + BLOCK).min(to);
        let block = Bytes::copy_from_slice(&content[at as usize..end as usize]);
        part.write(at, block).await?;
    }
    Ok(())
}

/// A part of an earlier run, or a new one.
fn open(dir: &Path) -> Result<Part, Error> {
    match Part::take_up(dir, URL)? {
        Some(part) => Ok(part),
        None => Part::create(dir, "a.bin", &identity("1")),
    }
}

/// All that is missing, and its name.
async fn finish(part: Part) -> Result<PathBuf, Error> {
    let etag = part.identity().entity.validator.etag.unwrap_or_default();
    for gap in part.done().complement(LENGTH).iter() {
        fill(&part, &etag, gap.start, gap.end).await?;
    }
    part.commit(Place::Free).await
}

async fn in_one_go(dir: PathBuf) -> Result<(), Error> {
    let part = open(&dir)?;
    let sums = tokio::spawn(part.hash(&[Algorithm::Crc32c]));
    fill(&part, "1", 0, LENGTH).await?;
    sums.await
        .map_err(|e| Error::new(&dir, "hash", 0, e.into()))??;
    part.commit(Place::Free).await.map(drop)
}

async fn in_two_runs(dir: PathBuf) -> Result<(), Error> {
    let part = open(&dir)?;
    fill(&part, "1", 0, 2 * BLOCK).await?;
    fill(&part, "1", 3 * BLOCK, 4 * BLOCK).await?;
    part.checkpoint().await?;
    fill(&part, "1", 4 * BLOCK, LENGTH).await?;
    part.suspend().await?;
    drop(part);
    finish(open(&dir)?).await.map(drop)
}

async fn begun_anew(dir: PathBuf) -> Result<(), Error> {
    let part = open(&dir)?;
    fill(&part, "1", 0, 2 * BLOCK).await?;
    part.checkpoint().await?;
    part.restart(&identity("22")).await?;
    finish(part).await.map(drop)
}

async fn put_over(dir: PathBuf) -> Result<(), Error> {
    let part = open(&dir)?;
    fill(&part, "1", 0, LENGTH).await?;
    part.commit(Place::Over).await.map(drop)
}

async fn set_aside(dir: PathBuf) -> Result<(), Error> {
    let part = open(&dir)?;
    fill(&part, "1", 0, LENGTH).await?;
    part.reject().await.map(drop)
}

/// What has to be true whatever has failed.
fn judge(dir: &Path, what: &str) {
    if let Ok(bytes) = fs::read(dir.join("a.bin")) {
        assert!(
            bytes == content("1") || bytes == content("22"),
            "{what}: the file is wrong"
        );
    }
    let Some(found) = find(dir, URL) else {
        return;
    };
    let etag = found.identity.entity.validator.etag.unwrap_or_default();
    let (part, right) = (fs::read(dir.join("a.bin.part")).unwrap(), content(&etag));
    for range in found.done.iter() {
        let range = range.start as usize..range.end as usize;
        assert!(
            part[range.clone()] == right[range.clone()],
            "{what}: {range:?} is a lie"
        );
    }
}

/// Tells the story until no call is left to fail; how many failed.
async fn torture<S: Future<Output = Result<(), Error>>>(
    story: fn(PathBuf) -> S,
    errno: i32,
) -> i64 {
    for nth in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("d");
        arm(&dir, nth, errno);
        let outcome = story(dir.clone()).await;
        let sprung = disarm(&dir);
        if !sprung {
            assert!(outcome.is_ok(), "without a failure: {outcome:?}");
            return nth;
        }
        let what = format!("call {nth}, errno {errno}, {outcome:?}");
        judge(&dir, &what);
        // Work in the pool may hold the lock for moments longer.
        let part = loop {
            match open(&dir) {
                Err(Error::Held { .. }) => {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await
                }
                other => break other.unwrap(),
            }
        };
        let path = finish(part).await.unwrap();
        let bytes = fs::read(path).unwrap();
        assert!(
            bytes == content("1") || bytes == content("22"),
            "{what}: the next run is wrong"
        );
    }
    0
}

#[tokio::test]
async fn a_call_that_fails_for_one_of_several_files_is_nobody_elses_failure() {
    let few = ["a", "b", "c"].map(str::to_owned);
    assert!(each_call_fails(&few).await > 9);
    let many: Vec<_> = ('a'..='h').map(String::from).collect();
    assert!(each_call_fails(&many).await > 15);
}

/// Puts files of these names in place again and again, with one call that fails; the number of calls.
async fn each_call_fails(names: &[String]) -> i64 {
    let errno = rustix::io::Errno::IO.raw_os_error();
    for nth in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let parts = names.iter().map(|name| {
            let identity = Identity {
                url: name.clone(),
                entity: Entity {
                    length: Some(1),
                    ..Entity::default()
                },
            };
            Part::create(dir.path(), name, &identity).unwrap()
        });
        let parts: Vec<_> = parts.collect();
        for (part, name) in parts.iter().zip(names) {
            part.write(0, name.clone().into()).await.unwrap();
        }
        arm(dir.path(), nth, errno);
        let ends = futures_util::future::join_all(
            parts
                .into_iter()
                .map(|part| part.verify(Place::Free, &[Algorithm::Md5], None)),
        )
        .await;
        let sprung = disarm(dir.path());
        let failed = ends.iter().filter(|end| end.is_err()).count();
        // A sync of all at once that fails is followed by one of each.
        let is_told = failed == usize::from(sprung) || (failed == 0 && names.len() > 3);
        assert!(is_told, "call {nth}: {ends:?}");
        for (end, name) in ends.iter().zip(names) {
            let has_name = fs::read_to_string(dir.path().join(name)).is_ok_and(|it| it == *name);
            assert!(end.is_err() || has_name, "call {nth}, {name}");
        }
        if !sprung {
            return nth;
        }
    }
    0
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_that_fails_once_leaves_the_truth() {
    use rustix::io::Errno;
    // What is told apart by the number of the error is told apart in one story as well as in five.
    let others = [Errno::DQUOT, Errno::ROFS].map(Errno::raw_os_error);
    let [quota, read_only] = others;
    let (io, full) = (Errno::IO.raw_os_error(), Errno::NOSPC.raw_os_error());
    let failed = [
        torture(in_one_go, io).await,
        torture(in_two_runs, io).await,
        torture(begun_anew, io).await,
        torture(put_over, io).await,
        torture(set_aside, io).await,
        torture(in_two_runs, full).await,
        torture(begun_anew, full).await,
        torture(in_one_go, quota).await,
        torture(in_one_go, read_only).await,
    ];
    assert!(failed.iter().all(|calls| *calls > 10), "{failed:?}");
}

//! The control file `NAME.part.json`: which bytes of `NAME.part` may be trusted by a later run.
//!
//! It has to satisfy two promises that pull apart. It never claims a byte that a crash or a loss of power could lose,
//! which needs a sync of the data before each claim; and after `kill -9` only a few MiB are fetched again even at 1 GB/s,
//! which would need a sync every few milliseconds. So it makes two kinds of claim, one JSON object per line:
//!
//! - Line 1 is the *head*: URL, name, entity, and the ranges that are **durable**. It is replaced as a whole (written
//!   beside, synced, renamed, directory synced), and only after the data it claims was synced.
//! - Each further line is appended without any sync and lists ranges **written** since: they are in the page cache, so
//!   they outlive the process but not the machine. Such a line carries the boot id of the running system and is believed
//!   only while that system still runs. Without a boot id (`/proc` missing) these lines are neither written nor believed.
//!
//! There is no control file before there is something to claim: the sink makes it when that is worth it.
//!
//! Every line ends with a CRC-32C of itself. A damaged head means that nothing is trusted; a damaged later line is
//! passed over, since each line stands for itself and a claim left out only costs a download. A part shorter than what
//! is claimed is not trusted at all.
//!
//! Disadvantages: a journal line is as good as the page cache, so a device pulled out, or a file system that is
//! unmounted by force, while the system goes on running can leave a claim without its data; and a copy of the two files
//! taken while `hs` writes may be inconsistent until the next boot. A checksum or the caller's check of the last bytes
//! finds both. The CRC guards against damage, not against somebody who can write to the directory.
//!
//! Nothing here locks, syncs data or knows HTTP; that is the sink's part.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, OFlags, fallocate};
use serde::{Deserialize, Serialize};

use crate::entity::Entity;
use crate::hash::{Algorithm, Hasher};
use crate::range::RangeSet;
use crate::sink::trip;

/// The format this module writes, and the only one it reads.
const VERSION: u32 = 1;

/// A larger control file is read up to here; what is beyond is not believed.
const READ_LIMIT: u64 = 16 << 20;

/// Space taken in advance for journal lines, so that a full disk can still be told what it holds.
const RESERVE: u64 = 64 << 10;

/// What the bytes of a part file are bytes of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The URL the user gave, without credentials.
    pub url: String,
    /// Length and validator as the origin stated them (RFC 9110 §8.8).
    pub entity: Entity,
}

/// A part file that a control file vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The name of the file that is to be; the part is this with `.part` behind it.
    pub name: String,
    /// What the part is a part of.
    pub identity: Identity,
    /// All ranges that may be trusted; a superset of `durable`.
    pub done: RangeSet,
    /// The ranges that also a loss of power would leave intact.
    pub durable: RangeSet,
}

/// Looks in `dir` for a trustworthy part of `url`; of several, the one with the most bytes.
///
/// Takes no lock, so what it finds may change at once: good enough for a dry run, and as a hint where to lock. A file
/// that cannot be read is as good as none. Reads every control file in `dir`.
#[must_use]
pub fn find(dir: &Path, url: &str) -> Option<Found> {
    Leftovers::scan(dir).found.remove(url)
}

/// What lies about in a directory when a run begins: the name under which each URL was left.
///
/// Only a hint, which may be out of date: [`read`] tells what can be trusted. It spares a run of many files to read all
/// control files for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// By URL.
    found: HashMap<String, Found>,
    /// The names of files that have a control file or a draft, good or not; `None` if the directory could not be read.
    claimed: Option<HashSet<String>>,
}

impl Leftovers {
    /// Reads every control file in `dir`. Of several of one URL that with the most bytes counts.
    #[must_use]
    pub fn scan(dir: &Path) -> Self {
        let mut found = HashMap::<String, Found>::new();
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) => {
                let is_missing = error.kind() == io::ErrorKind::NotFound;
                return Self {
                    found,
                    claimed: is_missing.then(HashSet::new),
                };
            }
        };
        let mut claimed = Some(HashSet::new());
        for entry in entries {
            let Ok(entry) = entry else {
                claimed = None;
                continue;
            };
            let file = entry.file_name();
            let file = file.to_string_lossy();
            let control = file.strip_suffix(".part.json");
            let claim = control.or_else(|| file.strip_suffix(".part.new"));
            if let (Some(name), Some(claimed)) = (claim, &mut claimed) {
                claimed.insert(name.to_owned());
            }
            let Some(next) = control.and_then(|name| read_any(dir, name)) else {
                continue;
            };
            let url = next.identity.url.clone();
            match found.get(&url) {
                Some(other) if other.done.len() >= next.done.len() => {}
                Some(_) | None => drop(found.insert(url, next)),
            }
        }
        Self { found, claimed }
    }

    /// Whether there was neither a control file nor a draft of one for the file `name`.
    #[must_use]
    pub fn are_none_of(&self, name: &str) -> bool {
        let claimed = self.claimed.as_ref();
        claimed.is_some_and(|claimed| !claimed.contains(name))
    }

    /// What was left of `url`, if anything was.
    #[must_use]
    pub fn of(&self, url: &str) -> Option<&Found> {
        self.found.get(url)
    }
}

/// Reads what the control file of `name` vouches for; `None` unless it is undamaged, of `url`, and the part is there.
#[must_use]
pub fn read(dir: &Path, name: &str, url: &str) -> Option<Found> {
    read_any(dir, name).filter(|found| found.identity.url == url)
}

/// As [`read`], of any URL.
fn read_any(dir: &Path, name: &str) -> Option<Found> {
    let mut text = Vec::new();
    OpenOptions::new()
        .read(true)
        .custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK))
        .open(control_path(dir, name))
        .ok()?
        .take(READ_LIMIT)
        .read_to_end(&mut text)
        .ok()?;
    let found = parse(&text, boot_id().as_deref())?;
    if found.name != name {
        return None;
    }
    let part = fs::symlink_metadata(part_path(dir, name)).ok()?;
    (part.is_file() && end(&found.done) <= part.len()).then_some(found)
}

/// `NAME.part` in `dir`.
#[must_use]
pub fn part_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.part"))
}

/// `NAME.part.json` in `dir`.
#[must_use]
pub fn control_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.part.json"))
}

/// `NAME.part.new` in `dir`, which is never in force.
#[must_use]
pub fn draft_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.part.new"))
}

/// A control file that is written beside the one in force and not yet in force itself.
#[derive(Debug)]
pub struct Draft {
    /// The file under its temporary name, complete up to and including the head.
    file: File,
    /// The temporary name, in the same directory as `target`.
    path: PathBuf,
    /// The name it gets when published.
    target: PathBuf,
}

impl Draft {
    /// Writes the head. `durable` must be on stable storage by now.
    ///
    /// # Errors
    /// Any error of the file system; the control file in force is untouched then.
    pub fn write(
        dir: &Path,
        name: &str,
        identity: &Identity,
        durable: &RangeSet,
    ) -> io::Result<Self> {
        let path = draft_path(dir, name);
        // A left-over of a killed run. `create_new` then follows no link that somebody may put here.
        match trip(&path).and_then(|()| fs::remove_file(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        trip(&path)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        // Only a precaution; many file systems cannot.
        let _ = fallocate(&file, FallocateFlags::KEEP_SIZE, 0, RESERVE);
        let head = Head {
            version: VERSION,
            name: name.to_owned(),
            url: identity.url.clone(),
            entity: identity.entity.clone(),
            durable: durable.clone(),
        };
        let target = control_path(dir, name);
        let draft = Self { file, path, target };
        let written = seal(&head).and_then(|line| {
            trip(&draft.path)?;
            (&draft.file).write_all(line.as_bytes())
        });
        draft.kept_if(written)
    }

    /// As [`write`](Draft::write), and puts the draft on stable storage, which has to be before it may replace a control
    /// file that claims something.
    ///
    /// # Errors
    /// As [`write`](Draft::write).
    pub fn write_through(
        dir: &Path,
        name: &str,
        identity: &Identity,
        durable: &RangeSet,
    ) -> io::Result<Self> {
        let draft = Self::write(dir, name, identity, durable)?;
        let synced = trip(&draft.path).and_then(|()| draft.file.sync_all());
        draft.kept_if(synced)
    }

    /// Adds a line for what is `written` by now and takes the place of the control file in force.
    ///
    /// # Errors
    /// Any error of the rename; the control file in force is untouched then. That the line cannot be appended is not an
    /// error.
    pub fn publish(self, written: &RangeSet) -> io::Result<Journal> {
        let Self { file, path, target } = self;
        let boot = boot_id();
        let torn = false;
        let mut journal = Journal {
            path: target.clone(),
            file,
            boot,
            torn,
        };
        // Before the rename, so that no kill finds a moment in which less is claimed than before. Without the line the
        // head still holds.
        let _ = journal.append(written);
        let renamed = trip(&path).and_then(|()| fs::rename(&path, &target));
        renamed.inspect_err(|_| {
            let _ = fs::remove_file(&path);
        })?;
        Ok(journal)
    }

    /// The draft if all went well; else nothing of it stays, which a full disk needs most.
    fn kept_if(self, outcome: io::Result<()>) -> io::Result<Self> {
        match outcome {
            Ok(()) => Ok(self),
            Err(error) => {
                let _ = fs::remove_file(&self.path);
                Err(error)
            }
        }
    }
}

/// The control file in force, open for more lines.
#[derive(Debug)]
pub struct Journal {
    /// Where it is.
    path: PathBuf,
    /// Positioned at its end.
    file: File,
    /// The running system; `None` where that cannot be told, and then nothing is appended.
    boot: Option<String>,
    /// Whether the last line may lack its end.
    torn: bool,
}

impl Journal {
    /// Claims ranges whose bytes were handed to the operating system before this call. Does not sync.
    ///
    /// # Errors
    /// Any error of the file system. The claim then has to be made again; lines before and after are not affected.
    pub fn append(&mut self, written: &RangeSet) -> io::Result<()> {
        let Some(boot) = &self.boot else {
            return Ok(());
        };
        if written.is_empty() {
            return Ok(());
        }
        let line = seal(&Written {
            boot: boot.clone(),
            written: written.clone(),
        })?;
        let start = if self.torn { "\n" } else { "" };
        self.torn = true;
        trip(&self.path)?;
        self.file.write_all(format!("{start}{line}").as_bytes())?;
        self.torn = false;
        Ok(())
    }
}

/// Line 1.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    version: u32,
    name: String,
    url: String,
    entity: Entity,
    durable: RangeSet,
}

/// Each further line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    boot: String,
    written: RangeSet,
}

/// What the text of a control file vouches for in a system with this boot id.
#[must_use]
pub fn parse(text: &[u8], boot: Option<&str>) -> Option<Found> {
    let mut lines = text.split(|&byte| byte == b'\n');
    let head: Head = unseal(lines.next()?)?;
    if head.version != VERSION {
        return None;
    }
    let mut done = head.durable.clone();
    for line in lines {
        let Some(line) = unseal::<Written>(line) else {
            continue;
        };
        if Some(line.boot.as_str()) == boot {
            line.written.iter().for_each(|range| done.insert(range));
        }
    }
    if head.entity.length.is_some_and(|length| end(&done) > length) {
        return None;
    }
    Some(Found {
        name: head.name,
        identity: Identity {
            url: head.url,
            entity: head.entity,
        },
        done,
        durable: head.durable,
    })
}

/// Where the last range ends; 0 for an empty set.
fn end(ranges: &RangeSet) -> u64 {
    ranges.iter().map(|range| range.end).max().unwrap_or(0)
}

/// Length of the text that follows a line's other fields: `,"crc":"xxxxxxxx"}`.
const SEAL: usize = 18;

/// One line of JSON, with the checksum of all that is before it as the last field.
fn seal(line: &impl Serialize) -> io::Result<String> {
    let mut json = serde_json::to_string(line)?;
    json.pop();
    let crc = crc(json.as_bytes());
    Ok(format!("{json},\"crc\":\"{crc}\"}}\n"))
}

/// Reads a line back; `None` if one bit of it is not as it was written.
fn unseal<T: for<'de> Deserialize<'de>>(line: &[u8]) -> Option<T> {
    let (json, seal) = line.split_at_checked(line.len().checked_sub(SEAL)?)?;
    if seal != format!(",\"crc\":\"{}\"}}", crc(json)).as_bytes() {
        return None;
    }
    let mut json = json.to_vec();
    json.push(b'}');
    serde_json::from_slice(&json).ok()
}

/// CRC-32C in hexadecimal.
fn crc(bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(&[Algorithm::Crc32c]);
    hasher.update(bytes);
    let sums = hasher.finish();
    let digest = sums.iter().flat_map(|sum| &sum.digest);
    digest.map(|byte| format!("{byte:02x}")).collect()
}

/// Names the running system until it is started anew.
fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let id = id.trim();
    (!id.is_empty()).then(|| id.to_owned())
}

/// Flags as `OpenOptions` takes them.
pub(crate) fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Validator;
    use crate::range::ByteRange;

    const BOOT: &str = "6e4d7a0e-boot";

    fn set(ranges: &[(u64, u64)]) -> RangeSet {
        let mut set = RangeSet::new();
        for &(start, end) in ranges {
            set.insert(ByteRange::new(start, end));
        }
        set
    }

    fn identity() -> Identity {
        Identity {
            url: "https://example.org/ä?x=1".into(),
            entity: Entity {
                length: Some(10_000),
                validator: Validator {
                    etag: Some("\"v1\"".into()),
                    last_modified: None,
                },
            },
        }
    }

    /// A control file with durable 0-100 and 200-300 and two journal lines.
    fn text() -> Vec<u8> {
        let identity = identity();
        let mut text = seal(&Head {
            version: VERSION,
            name: "a.bin".into(),
            url: identity.url,
            entity: identity.entity,
            durable: set(&[(0, 100), (200, 300)]),
        })
        .unwrap();
        for written in [set(&[(100, 150)]), set(&[(300, 400), (9_000, 10_000)])] {
            let boot = BOOT.into();
            text += &seal(&Written { boot, written }).unwrap();
        }
        text.into_bytes()
    }

    #[test]
    fn what_lies_about_is_known_by_the_name_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.bin.part", "b.bin.part.json", "c.bin.part.new"] {
            fs::write(dir.path().join(name), "no matter what").unwrap();
        }
        let left = Leftovers::scan(dir.path());
        let alone = ["a.bin", "b.bin", "c.bin", "d.bin"].map(|name| left.are_none_of(name));
        assert_eq!(alone, [true, false, false, true]);
        assert!(Leftovers::scan(&dir.path().join("none")).are_none_of("a.bin"));
        // What could not be read is not known.
        assert!(!Leftovers::scan(&dir.path().join("a.bin.part")).are_none_of("a.bin"));
    }

    #[test]
    fn written_ranges_count_only_in_the_system_that_wrote_them() {
        let all = set(&[(0, 150), (200, 400), (9_000, 10_000)]);
        let durable = set(&[(0, 100), (200, 300)]);
        let here = parse(&text(), Some(BOOT)).unwrap();
        assert_eq!((&here.done, &here.durable), (&all, &durable));
        assert_eq!(here.identity, identity());
        assert_eq!(parse(&text(), Some("other")).unwrap().done, durable);
        assert_eq!(parse(&text(), None).unwrap().done, durable);
    }

    #[test]
    fn a_control_file_torn_anywhere_claims_no_more_than_its_whole_lines() {
        let text = text();
        let all = parse(&text, Some(BOOT)).unwrap().done;
        let head = text.iter().position(|&b| b == b'\n').unwrap();
        for cut in 0..text.len() {
            let found = parse(&text[..cut], Some(BOOT));
            assert_eq!(found.is_some(), cut >= head, "cut at {cut}");
            if let Some(found) = found {
                assert!(found.done.iter().all(|range| all.contains_range(range)));
                assert!(cut + 1 >= text.len() || found.done != all);
            }
        }
    }

    #[test]
    fn a_flipped_bit_never_adds_a_claim() {
        let text = text();
        let all = parse(&text, Some(BOOT)).unwrap();
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut damaged = text.clone();
                damaged[at] ^= 1 << bit;
                if let Some(found) = parse(&damaged, Some(BOOT)) {
                    assert_eq!(found.identity, all.identity);
                    assert!(
                        found
                            .done
                            .iter()
                            .all(|range| all.done.contains_range(range))
                    );
                    assert_eq!(found.durable, all.durable);
                }
            }
        }
    }

    #[test]
    fn a_damaged_line_does_not_take_the_others_with_it() {
        let mut text = text();
        let first = text.iter().position(|&b| b == b'\n').unwrap() + 1;
        text[first + 3] ^= 1;
        let done = parse(&text, Some(BOOT)).unwrap().done;
        assert_eq!(done, set(&[(0, 100), (200, 400), (9_000, 10_000)]));
    }

    #[test]
    fn other_versions_and_claims_beyond_the_length_are_not_trusted() {
        let identity = identity();
        let mut head = Head {
            version: VERSION + 1,
            name: "a.bin".into(),
            url: identity.url,
            entity: identity.entity,
            durable: set(&[(0, 100)]),
        };
        assert_eq!(parse(seal(&head).unwrap().as_bytes(), None), None);
        head.version = VERSION;
        head.durable = set(&[(0, 10_001)]);
        assert_eq!(parse(seal(&head).unwrap().as_bytes(), None), None);
        assert_eq!(parse(b"", None), None);
        assert_eq!(parse(b"{}", None), None);
        assert_eq!(parse(&[0; 4096], None), None);
    }

    #[test]
    fn a_part_is_found_by_its_url_and_only_if_it_is_long_enough() {
        let dir = tempfile::tempdir().unwrap();
        let publish = |name: &str, durable: &RangeSet| {
            let draft = Draft::write(dir.path(), name, &identity(), durable).unwrap();
            draft.publish(&RangeSet::new()).unwrap()
        };
        publish("a.bin", &set(&[(0, 100)]));
        publish("b.bin", &set(&[(0, 50)]));
        let url = identity().url;
        assert_eq!(find(dir.path(), &url), None, "no part file");
        fs::write(part_path(dir.path(), "a.bin"), [0; 99]).unwrap();
        assert_eq!(find(dir.path(), &url), None, "part too short");
        fs::write(part_path(dir.path(), "b.bin"), [0; 50]).unwrap();
        assert_eq!(find(dir.path(), &url).unwrap().name, "b.bin");
        fs::write(part_path(dir.path(), "a.bin"), [0; 100]).unwrap();
        assert_eq!(find(dir.path(), &url).unwrap().name, "a.bin");
        assert_eq!(find(dir.path(), "https://example.org/other"), None);
        fs::copy(
            control_path(dir.path(), "a.bin"),
            control_path(dir.path(), "c.bin"),
        )
        .unwrap();
        fs::write(part_path(dir.path(), "c.bin"), [0; 100]).unwrap();
        assert_eq!(read(dir.path(), "c.bin", &url), None, "of another name");
    }

    #[test]
    fn a_link_is_not_read_as_a_control_file() {
        let dir = tempfile::tempdir().unwrap();
        let draft = Draft::write(dir.path(), "a.bin", &identity(), &RangeSet::new()).unwrap();
        draft.publish(&RangeSet::new()).unwrap();
        fs::write(part_path(dir.path(), "a.bin"), "").unwrap();
        let control = control_path(dir.path(), "a.bin");
        let elsewhere = dir.path().join("elsewhere");
        fs::rename(&control, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &control).unwrap();
        assert_eq!(find(dir.path(), &identity().url), None);
    }

    #[test]
    fn journal_lines_are_believed_within_this_boot() {
        let dir = tempfile::tempdir().unwrap();
        let draft = Draft::write_through(dir.path(), "a.bin", &identity(), &set(&[(0, 10)]));
        let draft = draft.unwrap();
        let mut journal = draft.publish(&set(&[(10, 20)])).unwrap();
        journal.append(&set(&[(30, 40)])).unwrap();
        // As after a write that ended in the middle of a line.
        journal.file.write_all(b"{\"boot\":\"tor").unwrap();
        journal.torn = true;
        journal.append(&set(&[(50, 60)])).unwrap();
        fs::write(part_path(dir.path(), "a.bin"), [0; 60]).unwrap();
        let done = find(dir.path(), &identity().url).unwrap().done;
        if boot_id().is_some() {
            assert_eq!(done, set(&[(0, 20), (30, 40), (50, 60)]));
        } else {
            assert_eq!(done, set(&[(0, 10)]));
        }
    }
}

//! Runs the plays of a case in all their variants, side by side, and says of each how it went.
//!
//! Every run has an origin and a folder of its own. What an earlier run has left is written here, byte by byte, instead of
//! being made by one: with holes at odd places, and with rubbish in the holes, so that nobody takes them for done.

use std::fs::{self, File};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use hydrastream::entity::{Entity, Validator};
use hydrastream::range::{ByteRange, RangeSet};
use hydrastream::resume::{self, Draft, Identity};

use super::case::{Case, End, Mode, Performance, Play};
use crate::common::hs::{Done, Hs, assert_same};
use crate::common::origin::{Site, Via};

/// Runs at once, in all tests together: most of their time they wait.
const SLOTS: usize = 12;

/// Plays every combination; fails with all that failed.
pub fn hold(case: &Case) {
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (play, via, mode) in case.combinations() {
            let failures = &failures;
            scope.spawn(move || {
                let _slot = Slot::take();
                let begun = Instant::now();
                let result = perform(play, via, mode);
                record(case, play, (via, mode), result.is_ok(), begun.elapsed());
                if let Err(why) = result {
                    let what = format!("{} {} {via:?} {mode:?}", case.id, play.what);
                    failures.lock().unwrap().push(format!("{what}: {why}"));
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

fn perform(play: &Play, via: Via, mode: Mode) -> Result<(), String> {
    match &play.act {
        Performance::Scene(scene) => caught(|| scene(via, mode)),
        Performance::Script {
            behaviour,
            config,
            admission,
        } => {
            let site = Site::set_up(via, config(), behaviour(), admission());
            site.set(play.place, play.resource.clone());
            caught(|| run(play, &site, mode)).map_err(|why| format!("{why}{}", site.story()))
        }
    }
}

/// One run of `hs`, and what has to be true then.
fn run(play: &Play, site: &Site, mode: Mode) {
    let hs = Hs::trusting(site);
    let url = site.url(play.target);
    let mut arguments: Vec<&str> = play.options.iter().map(String::as_str).collect();
    match mode {
        Mode::Cold => {}
        Mode::Resumed => leave_behind(&hs.dir(), &url, play),
        Mode::Stream => arguments.push("-s"),
    }
    arguments.push(&url);
    let done = hs.start(&arguments).wait_within(play.within);
    if let Some(words) = play.says {
        assert!(
            done.stderr.contains(words),
            "{words:?} is missing in:\n{}",
            done.stderr
        );
    }
    if let Some(words) = play.hides {
        assert!(
            !done.stderr.contains(words),
            "{words:?} in:\n{}",
            done.stderr
        );
    }
    judge(play, &hs, &url, mode, done);
    if let Some(asked) = &play.asked {
        asked(site.settle(), mode);
    }
}

fn judge(play: &Play, hs: &Hs, url: &str, mode: Mode, done: Done) {
    let said = &done.stderr;
    let bytes = play.bytes();
    let whole = done.code == Some(0);
    match play.end(mode) {
        End::Bytes(bytes) => judge_whole(play, hs, mode, bytes, &done),
        End::Whole => judge_whole(play, hs, mode, &bytes, &done),
        End::WholeOr(_) if whole => judge_whole(play, hs, mode, &bytes, &done),
        End::WholeOr(code) => judge_failed(play, hs, url, mode, (*code, ""), &done),
        End::Fails(code, words) => judge_failed(play, hs, url, mode, (*code, words), &done),
        End::Refused(code, words) => {
            judge_failed(play, hs, url, mode, (*code, words), &done);
            judge_untouched(play, hs, url, mode, &done);
        }
        End::Nothing(codes) => {
            let code = done.code.unwrap_or_default();
            assert!(codes.contains(&code), "exit code {code}; hs said:\n{said}");
            assert!(!hs.dir().join(play.name).exists(), "{} is there", play.name);
        }
        End::Corrupt => {
            assert_eq!(done.code, Some(3), "exit code; hs said:\n{said}");
            match mode {
                Mode::Stream => assert_same("standard output", &done.bytes, &bytes),
                Mode::Cold | Mode::Resumed => {
                    hs.assert_only(&format!("{}.corrupt", play.name), &bytes);
                }
            }
        }
    }
}

fn judge_whole(play: &Play, hs: &Hs, mode: Mode, bytes: &[u8], done: &Done) {
    assert_eq!(done.code, Some(0), "exit code; hs said:\n{}", done.stderr);
    match mode {
        Mode::Stream => {
            assert_same("standard output", &done.bytes, bytes);
            assert_eq!(hs.files(), [""; 0], "a stream leaves nothing behind");
        }
        Mode::Cold | Mode::Resumed => {
            assert!(done.bytes.is_empty(), "standard output has bytes");
            hs.assert_only(play.name, bytes);
        }
    }
}

fn judge_failed(
    play: &Play,
    hs: &Hs,
    url: &str,
    mode: Mode,
    (code, words): (i32, &str),
    done: &Done,
) {
    let said = &done.stderr;
    assert_eq!(done.code, Some(code), "exit code; hs said:\n{said}");
    assert!(said.contains(words), "{words:?} is missing in:\n{said}");
    assert!(said.contains("hint: "), "no hint in:\n{said}");
    let bytes = play.bytes();
    match mode {
        Mode::Stream => {
            let length = done.bytes.len().min(bytes.len());
            assert_same("standard output", &done.bytes, &bytes[..length]);
            assert_eq!(hs.files(), [""; 0], "a stream leaves nothing behind");
        }
        Mode::Cold | Mode::Resumed => {
            assert!(done.bytes.is_empty(), "standard output has bytes");
            let final_name = hs.dir().join(play.name);
            assert!(!final_name.exists(), "{} is there", play.name);
            assert_claims_are_true(hs, url, play.name, &bytes);
        }
    }
}

/// What there is is what there was.
fn judge_untouched(play: &Play, hs: &Hs, url: &str, mode: Mode, done: &Done) {
    match mode {
        Mode::Stream => assert!(done.bytes.is_empty(), "standard output has bytes"),
        Mode::Cold => assert_eq!(hs.files(), [""; 0], "something was written"),
        Mode::Resumed => {
            let found = resume::read(&hs.dir(), play.name, url).map(|found| found.done);
            assert_eq!(found, Some(left_of(play)), "the part is another one");
        }
    }
}

/// Whatever a control file vouches for is right.
fn assert_claims_are_true(hs: &Hs, url: &str, name: &str, bytes: &[u8]) {
    let Some(found) = resume::read(&hs.dir(), name, url) else {
        return;
    };
    let part = hs.read(&format!("{name}.part"));
    for range in found.done.iter() {
        let range = range.start as usize..range.end as usize;
        assert!(
            part[range.clone()] == bytes[range.clone()],
            "{range:?} of the part is wrong"
        );
    }
}

/// Writes the part and the control file of an earlier run that has seen the play's resource.
pub fn leave_behind(dir: &Path, url: &str, play: &Play) {
    fs::create_dir_all(dir).unwrap();
    let resource = &play.resource;
    let done = left_of(play);
    let mut part = vec![0xee; resource.size as usize];
    let bytes = play.bytes();
    for range in done.iter() {
        let range = range.start as usize..range.end as usize;
        part[range.clone()].copy_from_slice(&bytes[range]);
    }
    fs::write(resume::part_path(dir, play.name), part).unwrap();
    let identity = Identity {
        url: url.to_owned(),
        entity: Entity {
            length: Some(resource.size),
            validator: Validator {
                etag: resource.etag.clone(),
                last_modified: resource.last_modified.clone(),
            },
        },
    };
    let draft = Draft::write(dir, play.name, &identity, &done).unwrap();
    draft.publish(&done).unwrap();
}

/// What an earlier run left.
fn left_of(play: &Play) -> RangeSet {
    let mut done = RangeSet::new();
    let left = play.left.clone();
    for (start, end) in left.unwrap_or_else(|| holes(play.resource.size)) {
        done.insert(ByteRange::new(start, end));
    }
    done
}

/// Two stretches, and a hole before, between and behind them.
fn holes(size: u64) -> Vec<(u64, u64)> {
    if size < 100 {
        return Vec::new();
    }
    let at = |eighths: u64, more: u64| size * eighths / 8 + more;
    vec![(0, at(2, 1)), (at(4, 3), at(5, 7))]
}

fn caught(work: impl FnOnce()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
            .unwrap_or_default()
    })
}

/// Adds a line to `cases.tsv` among the build's temporary files, which begins anew with each run of the tests.
fn record(case: &Case, play: &Play, (via, mode): (Via, Mode), held: bool, took: Duration) {
    static RECORD: OnceLock<Mutex<File>> = OnceLock::new();
    let record = RECORD.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cases.tsv");
        Mutex::new(File::create(path).unwrap())
    });
    let result = if held { "held" } else { "FAILED" };
    let line = format!(
        "{}\t{}\t{via:?}\t{mode:?}\t{result}\t{}\n",
        case.id,
        play.what,
        took.as_millis()
    );
    record.lock().unwrap().write_all(line.as_bytes()).unwrap();
}

/// One of [`SLOTS`].
struct Slot;

static TAKEN: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Slot {
    fn take() -> Self {
        let (count, freed) = &TAKEN;
        let mut count = count.lock().unwrap();
        while *count >= SLOTS {
            count = freed.wait(count).unwrap();
        }
        *count += 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let (count, freed) = &TAKEN;
        *count.lock().unwrap() -= 1;
        freed.notify_one();
    }
}

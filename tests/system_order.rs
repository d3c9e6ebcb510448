//! The order in which a download reaches the disk, as the kernel sees it: what a claim stands for is synced before the claim is
//! written, the claim before it is in force, and the whole file before it has its name.
//!
//! A loss of power cannot be played here; the order of the calls is what the promise rests on, so that is what is held:
//! data, control file, rename, directory. `make test-system` runs this, with strace.

use std::collections::HashMap;
use std::ops::Range;

use hydrastream::range::{ByteRange, RangeSet};

use crate::common::hs::Hs;
use crate::common::origin::{MIB, Site, Via, bytes_of};

/// One call, and the lines of the trace between which it ran.
#[derive(Debug)]
struct Call {
    name: String,
    /// Arguments and result, as strace writes them.
    text: String,
    lines: Range<usize>,
}

impl Call {
    fn is(&self, names: &[&str]) -> bool {
        names.contains(&&*self.name)
    }

    /// Whether its first argument is a file of this name, or a name that ends so.
    fn is_of(&self, file: &str) -> bool {
        let first = self.text.split_inclusive('>').next().unwrap_or_default();
        first.ends_with(&format!("/{file}>"))
    }

    fn syncs(&self, file: &str) -> bool {
        self.is(&["syncfs"]) || self.is(&["fsync", "fdatasync"]) && self.is_of(file)
    }

    /// Whether it moves one name to another.
    fn moves(&self, from: &str, to: &str) -> bool {
        let says = |name: &str| self.text.contains(&format!("/{name}\""));
        self.name.starts_with("rename") && says(from) && says(to) && self.text.ends_with("= 0")
    }

    fn is_before(&self, other: &Call) -> bool {
        self.lines.end <= other.lines.start
    }
}

/// The calls of a trace of several threads.
fn calls(trace: &str) -> Vec<Call> {
    let mut begun: HashMap<&str, (usize, String)> = HashMap::new();
    let mut calls = Vec::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, text)) = line.split_once(char::is_whitespace) else {
            continue;
        };
        let text = text.trim_start();
        let (start, text) = if let Some(text) = text.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, (at, text.to_owned()));
            continue;
        } else if let Some(rest) = text.strip_prefix("<... ") {
            let (_, rest) = rest.split_once("resumed>").unwrap();
            let (start, text) = begun.remove(thread).unwrap();
            (start, text + rest)
        } else {
            (at, text.to_owned())
        };
        // Signals and exits have no parenthesis.
        if let Some((name, text)) = text.split_once('(') {
            calls.push(Call {
                name: name.to_owned(),
                text: text.trim_end().to_owned(),
                lines: start..at + 1,
            });
        }
    }
    calls.sort_by_key(|call| call.lines.start);
    calls
}

/// Where a pwrite of the part went.
fn written(call: &Call) -> ByteRange {
    let (arguments, count) = call.text.rsplit_once(')').unwrap();
    let (_, offset) = arguments.rsplit_once(", ").unwrap();
    let (offset, count): (u64, u64) = (
        offset.parse().unwrap(),
        count.trim_start_matches([' ', '=']).parse().unwrap(),
    );
    ByteRange::new(offset, offset + count)
}

/// What a control file's head claims, from the write of its first line.
fn claimed(call: &Call) -> RangeSet {
    let (_, rest) = call.text.split_once(r#"\"durable\":"#).unwrap();
    let (ranges, _) = rest.split_once(r#",\"crc"#).unwrap();
    serde_json::from_str(ranges).unwrap()
}

/// `hs` under strace, in the middle of checkpoints; its trace.
fn trace() -> Vec<Call> {
    let site = Site::new(Via::Http2);
    let hs = Hs::trusting(&site);
    // Slow enough for some checkpoints.
    let url = site.url("/x.bin?size=25165824&limit=1572864");
    let what =
        "trace=write,pwrite64,fsync,fdatasync,syncfs,rename,renameat,renameat2,unlink,unlinkat";
    let done = hs.run_program(
        "strace",
        &[
            "-f",
            "-y",
            "-s",
            "4096",
            "-e",
            what,
            "-o",
            "trace",
            Hs::PROGRAM,
            "--cacert",
            "ca.pem",
            "-o",
            "download",
            "-t",
            "4",
            &url,
        ],
    );
    done.exits(0);
    hs.assert_file("x.bin", &bytes_of("/x.bin", 24 * MIB));
    calls(&std::fs::read_to_string(hs.home().join("trace")).unwrap())
}

#[test]
#[ignore = "needs strace"]
fn data_goes_before_its_claim_and_all_of_it_before_the_name() {
    let calls = trace();
    let all = |is: &dyn Fn(&Call) -> bool| calls.iter().filter(|it| is(it)).collect::<Vec<_>>();
    let blocks = all(&|it| it.is(&["pwrite64"]) && it.is_of("x.bin.part"));
    let part_syncs = all(&|it| it.syncs("x.bin.part"));
    let dir_syncs = all(&|it| it.syncs("download"));
    let heads =
        all(&|it| it.is(&["write"]) && it.is_of("x.bin.part.new") && it.text.contains("durable"));
    let drafts = all(&|it| it.moves("x.bin.part.new", "x.bin.part.json"));
    assert!(blocks.len() > 20 && !part_syncs.is_empty(), "{calls:#?}");

    let mut claims = 0;
    for head in &heads {
        let claimed = claimed(head);
        if claimed.is_empty() {
            continue;
        }
        claims += 1;
        // What was written when a sync began that was over when the claim was made.
        let mut synced = RangeSet::new();
        for sync in part_syncs.iter().filter(|sync| sync.is_before(head)) {
            let before = blocks.iter().filter(|block| block.is_before(sync));
            before.for_each(|block| synced.insert(written(block)));
        }
        let is_synced = claimed.iter().all(|range| synced.contains_range(range));
        assert!(
            is_synced,
            "claims {claimed:?}, of which {synced:?} is synced"
        );

        let draft = drafts.iter().find(|draft| head.is_before(draft)).unwrap();
        let is_durable = |sync: &Call| {
            sync.syncs("x.bin.part.new") && head.is_before(sync) && sync.is_before(draft)
        };
        assert!(
            calls.iter().any(is_durable),
            "in force before it is synced: {draft:?}"
        );
        assert!(
            dir_syncs.iter().any(|sync| draft.is_before(sync)),
            "its name is not synced: {draft:?}"
        );
    }
    assert!(claims >= 2, "{claims} checkpoints");

    let [named] = all(&|it| it.moves("x.bin.part", "x.bin"))[..] else {
        panic!("the file gets its name once");
    };
    let last = blocks.iter().max_by_key(|block| block.lines.end).unwrap();
    assert!(last.is_before(named));
    let is_whole = |sync: &&&Call| last.is_before(sync) && sync.is_before(named);
    assert!(
        part_syncs.iter().any(|sync| is_whole(&sync)),
        "named before it is synced"
    );
    let is_removal =
        |it: &Call| it.name.starts_with("unlink") && it.text.contains("/x.bin.part.json\"");
    let [removed] = all(&|it| is_removal(it) && named.is_before(it))[..] else {
        panic!("the control file is removed once, behind the rename");
    };
    assert!(
        dir_syncs
            .iter()
            .any(|sync| named.is_before(sync) && sync.is_before(removed)),
        "the control file goes before the name is synced"
    );
}

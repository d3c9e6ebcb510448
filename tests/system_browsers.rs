//! A user's own browser, recorded and worn: what `hs` shows then is what the browser showed.
//!
//! Debian's Chromium and Firefox, without windows. `make test-system` runs this; a browser that is not installed fails it
//! with the command that installs it.

#![allow(clippy::disallowed_methods, reason = "a test waits for other programs")]
#![allow(clippy::unwrap_used, reason = "a test may end at once")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::common::browser::{self, Running};

/// A recording takes ten seconds.
const LIMIT: Duration = Duration::from_secs(120);

#[test]
#[ignore = "needs Debian's chromium"]
fn chromium_recorded_and_worn_is_chromium() {
    recorded_and_worn("chromium", |profile, address, _| {
        browser::chromium(profile, address)
    });
}

#[test]
#[ignore = "needs Debian's firefox-esr"]
fn firefox_recorded_and_worn_is_firefox() {
    recorded_and_worn("firefox-esr", browser::firefox);
}

/// Records the browser that `start` starts with a fresh profile, and checks the recording.
fn recorded_and_worn(name: &str, start: impl FnOnce(&Path, &str, &Path) -> Command) {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("profile");
    fs::create_dir(&profile).unwrap();
    let (recording, certificate) = (
        folder.path().join("mine.toml"),
        folder.path().join("server.pem"),
    );
    let log = folder.path().join("log");
    let record = Command::new(env!("CARGO_BIN_EXE_hs"))
        .args(["fingerprint", "record", "--timeout", "100", "--out"])
        .arg(&recording)
        .arg("--certificate")
        .arg(&certificate)
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut record = Running(record);
    let address = address(&log);
    let mut command = start(&profile, &address, &certificate);
    let _browser = browser::start(name, &mut command);
    let status = wait(&mut record.0);
    let said = fs::read_to_string(&log).unwrap();
    assert_eq!(status, Some(0), "recording {name}:\n{said}");
    let text = fs::read_to_string(&recording).unwrap();
    for gap in [
        "not walked through",
        "was not seen",
        "No download",
        "cannot say",
    ] {
        assert!(!text.contains(gap), "{text}");
    }
    let check = Command::new(env!("CARGO_BIN_EXE_hs"))
        .args(["fingerprint", "check"])
        .arg(&recording)
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&check.stdout);
    assert_eq!(
        check.status.code(),
        Some(0),
        "{name} worn:\n{report}\n{text}"
    );
}

/// Waits for the address that the recording shows.
fn address(log: &PathBuf) -> String {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        let text = fs::read_to_string(log).unwrap_or_default();
        let mut words = text.split_whitespace();
        if let Some(address) = words.find(|word| word.starts_with("https://")) {
            return address.to_owned();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the recording showed no address");
}

fn wait(child: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

//! A user's own browser, recorded and worn: what `hs` shows then is what the browser showed.
//!
//! Debian's Chromium and Firefox, without windows. `make test-system` runs this; a browser that is not installed fails it
//! with the command that installs it.

#![allow(clippy::disallowed_methods, reason = "a test waits for other programs")]
#![allow(clippy::unwrap_used, reason = "a test may end at once")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A recording takes ten seconds.
const LIMIT: Duration = Duration::from_secs(120);

#[test]
#[ignore = "needs Debian's chromium"]
fn chromium_recorded_and_worn_is_chromium() {
    recorded_and_worn("chromium", |profile, address, _| {
        let mut chromium = browser("chromium");
        chromium
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args(["--ignore-certificate-errors", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(address);
        chromium
    });
}

#[test]
#[ignore = "needs Debian's firefox-esr"]
fn firefox_recorded_and_worn_is_firefox() {
    recorded_and_worn("firefox-esr", |profile, address, certificate| {
        let quiet = [
            "captive-portal-service.enabled",
            "connectivity-service.enabled",
        ];
        let preferences = quiet
            .map(|name| format!("user_pref(\"network.{name}\", false);\n"))
            .concat();
        fs::write(profile.join("user.js"), preferences).unwrap();
        fs::write(
            profile.join("cert_override.txt"),
            exception(address, certificate),
        )
        .unwrap();
        let mut firefox = browser("firefox-esr");
        firefox
            .args(["--headless", "--no-remote", "--profile"])
            .args([profile.as_os_str(), address.as_ref()])
            .env("HOME", profile);
        firefox
    });
}

/// What Firefox writes when its user says that the certificate is all right.
fn exception(address: &str, certificate: &Path) -> String {
    let authority = address.trim_start_matches("https://").trim_end_matches('/');
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(certificate)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, digest) = text.trim().split_once('=').unwrap();
    format!("{authority}:\tOID.2.16.840.1.101.3.4.2.1\t{digest}\t\n")
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
    let started = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let browser = started.unwrap_or_else(|error| panic!("{name}: {error}: apt-get install {name}"));
    let _browser = Running(browser);
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

/// A program that runs with nothing of this test's environment but its path.
fn browser(name: &str) -> Command {
    let mut command = Command::new(name);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// A child that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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

//! Real browsers without windows, each with a fresh profile.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A program that does not outlive its test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a browser, which is Debian's package `package`.
pub fn start(package: &str, command: &mut Command) -> Running {
    let started = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Running(started.unwrap_or_else(|e| panic!("{package}: {e}: apt-get install {package}")))
}

/// Chromium that opens an address and takes any certificate.
pub fn chromium(profile: &Path, address: &str) -> Command {
    let mut chromium = clean("chromium");
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
}

/// Firefox that opens an address and takes the certificate in this file.
pub fn firefox(profile: &Path, address: &str, certificate: &Path) -> Command {
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
    let mut firefox = clean("firefox-esr");
    firefox
        .args(["--headless", "--no-remote", "--profile"])
        .args([profile.as_os_str(), address.as_ref()])
        .env("HOME", profile);
    firefox
}

/// What Firefox writes when its user says that the certificate is all right.
fn exception(address: &str, certificate: &Path) -> String {
    let (_, rest) = address.split_once("://").unwrap();
    let authority = rest.split('/').next().unwrap();
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(certificate)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, digest) = text.trim().split_once('=').unwrap();
    format!("{authority}:\tOID.2.16.840.1.101.3.4.2.1\t{digest}\t\n")
}

/// A program that runs with nothing of this test's environment but its path.
fn clean(name: &str) -> Command {
    let mut command = Command::new(name);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

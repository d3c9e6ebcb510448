//! The client side of a test: the real `hs`, run in a folder of its own and never for longer than a while.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::origin::Site;

/// No run takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(90);

/// A folder in which `hs` is run; what it downloads is in a folder below.
pub struct Hs {
    home: TempDir,
    /// What every run gets: the destination, and whom to trust.
    options: Vec<String>,
}

impl Hs {
    /// The log in the destination.
    pub const LOG: &str = "download.log";

    /// Where the program is.
    pub const PROGRAM: &str = env!("CARGO_BIN_EXE_hs");

    /// One that trusts nobody but the system's authorities.
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = vec!["-o".to_owned(), text(home.path().join("download"))];
        Self { home, options }
    }

    /// One that trusts this site.
    pub fn trusting(site: &Site) -> Self {
        Self::trusting_pem(site.ca_pem())
    }

    /// One that trusts these certificates.
    pub fn trusting_pem(certificates: &str) -> Self {
        let mut hs = Self::new();
        let ca = hs.home.path().join("ca.pem");
        fs::write(&ca, certificates).unwrap();
        hs.options.extend(["--cacert".to_owned(), text(ca)]);
        hs
    }

    /// Where files arrive.
    pub fn dir(&self) -> PathBuf {
        self.home.path().join("download")
    }

    /// A folder for whatever a test needs beside that.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Starts `hs` with these arguments behind the usual ones.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = Command::new(Self::PROGRAM);
        command.args(&self.options).args(arguments);
        self.launch(command)
    }

    /// As [`Hs::start`], in a network namespace.
    pub fn start_in(&self, namespace: &str, arguments: &[&str]) -> Running {
        // Becomes `hs`, so that signals reach that.
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", namespace, Self::PROGRAM])
            .args(&self.options)
            .args(arguments);
        self.launch(command)
    }

    /// Runs `hs` to its end.
    pub fn run(&self, arguments: &[&str]) -> Done {
        self.start(arguments).wait()
    }

    /// Runs `hs` with these variables in its environment.
    pub fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Done {
        let mut command = Command::new(Self::PROGRAM);
        command.args(&self.options).args(arguments);
        self.launch_with(command, variables).wait()
    }

    /// Runs `hs` with these arguments alone.
    pub fn run_bare(&self, arguments: &[&str]) -> Done {
        let mut command = Command::new(Self::PROGRAM);
        command.args(arguments);
        self.launch(command).wait()
    }

    /// Runs another program in the folder.
    pub fn run_program(&self, program: &str, arguments: &[&str]) -> Done {
        let mut command = Command::new(program);
        command.args(arguments);
        self.launch(command).wait()
    }

    /// Names of all that is in the destination but for the log, sorted; none if it does not exist.
    pub fn files(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.dir()) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != Self::LOG)
            .collect();
        names.sort();
        names
    }

    /// A file's bytes.
    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.dir().join(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Puts a file into the destination.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::create_dir_all(self.dir()).unwrap();
        fs::write(self.dir().join(name), bytes).unwrap();
    }

    /// Fails unless `name` is there with exactly these bytes, and says where they differ.
    pub fn assert_file(&self, name: &str, expected: &[u8]) {
        assert_same(name, &self.read(name), expected);
    }

    /// As [`Hs::assert_file`], and nothing else is there.
    pub fn assert_only(&self, name: &str, expected: &[u8]) {
        assert_eq!(self.files(), [name]);
        self.assert_file(name, expected);
    }

    fn launch(&self, command: Command) -> Running {
        self.launch_with(command, &[])
    }

    fn launch_with(&self, mut command: Command, variables: &[(&str, &str)]) -> Running {
        // No proxy, no locale, no configuration of whoever runs the tests.
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .envs(variables.iter().copied())
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running::new(command)
    }
}

/// An `hs` that runs. Dropping it kills it.
pub struct Running {
    child: Child,
    /// Collect standard output and standard error; `None` once they were taken.
    readers: Option<[JoinHandle<Vec<u8>>; 2]>,
}

impl Running {
    fn new(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let readers = [
            collect(child.stdout.take().unwrap()),
            collect(child.stderr.take().unwrap()),
        ];
        Self {
            child,
            readers: Some(readers),
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> &Self {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self
    }

    /// The most memory that it has had when it ends, in KiB. Looks now and then, and gives up with the time limit.
    pub fn peak_memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let begun = Instant::now();
        let mut peak = 0;
        while begun.elapsed() < LIMIT {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            // A process that has ended has none.
            let Some(line) = line else { break };
            let number = line.trim().trim_end_matches(" kB").parse().unwrap();
            peak = peak.max(number);
            std::thread::sleep(Duration::from_millis(20));
        }
        peak
    }

    /// `kill -9`.
    pub fn kill(self) {
        self.signal(Signal::KILL);
    }

    /// Waits for the end.
    pub fn wait(self) -> Done {
        self.wait_within(LIMIT)
    }

    /// Waits for the end, and fails if it takes longer than this.
    pub fn wait_within(mut self, limit: Duration) -> Done {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break Some(status);
            }
            if begun.elapsed() > limit {
                self.child.kill().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let [stdout, stderr] = self.readers.take().unwrap();
        let (bytes, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        let Some(status) = status else {
            panic!("hs still ran after {limit:?}; it had said:\n{stderr}");
        };
        Done {
            code: status.code(),
            stdout: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Done {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output as text.
    pub stdout: String,
    /// Standard output as it is.
    pub bytes: Vec<u8>,
    pub stderr: String,
}

impl Done {
    /// Fails unless the run ended with this code and left standard output alone.
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "exit code; hs said:\n{}",
            self.stderr
        );
        assert_eq!(self.stdout, "", "standard output");
        self
    }

    /// Fails unless standard error has this text.
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "{text:?} is missing in:\n{}",
            self.stderr
        );
        self
    }

    /// Fails if standard error has this text.
    pub fn never_says(self, text: &str) -> Self {
        assert!(!self.stderr.contains(text), "{text:?} in:\n{}", self.stderr);
        self
    }

    /// Fails unless the last words are one line that says why, with this text in it, and one that says what to do.
    pub fn explains(self, why: &str) -> Self {
        let lines: Vec<_> = self.stderr.lines().collect();
        let [.., reason, hint] = lines[..] else {
            panic!("no reason and hint in:\n{}", self.stderr);
        };
        assert!(
            reason.starts_with("hs: ") && reason.contains(why),
            "the reason {reason:?} does not say {why:?}"
        );
        assert!(
            hint.strip_prefix("hint: ")
                .is_some_and(|hint| !hint.is_empty()),
            "no hint in {hint:?}"
        );
        self
    }
}

/// Fails unless the bytes of `what` are these, and says where they differ.
pub fn assert_same(what: &str, actual: &[u8], expected: &[u8]) {
    assert_eq!(actual.len(), expected.len(), "{what}: length in bytes");
    if actual != expected {
        let at = actual.iter().zip(expected).position(|(a, b)| a != b);
        panic!("{what}: the first wrong byte is at offset {at:?}");
    }
}

/// Lower-case hexadecimal SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

fn text(path: PathBuf) -> String {
    path.into_os_string().into_string().unwrap()
}

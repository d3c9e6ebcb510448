//! Plays a seed: its origin, one download through the library, the judgement, and for a part on disk a second run that
//! has to complete it.
//!
//! The library is called below the command line, because a user cannot ask for pauses of milliseconds; what `hs` adds to
//! that is held by other tests.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hydrastream::download::{
    self, Context, Destination, Doors, Hosts, Outcome, Pace, Search, Turn,
};
use hydrastream::hash::{Algorithm, Checksum, Hasher};
use hydrastream::net::{self, Client};
use hydrastream::report::{self, Reporter, Style};
use hydrastream::resolve::{Session, Source};
use hydrastream::retry::Policy;
use hydrastream::sink::Output;
use hydrastream::{Error, fingerprint, plan};
use tokio::sync::watch;

use super::fault::Files;
use super::world::{Into, Weather, World};
use crate::common::origin::server::Origin;
use crate::common::origin::server::content;
use crate::common::origin::server::files::Resource;
use crate::common::origin::server::log::Log;
use crate::common::origin::server::script::{Protocol, Reply, Request, Script};
use crate::common::origin::{Via, taking};

/// Without a byte for so long, a transfer is given up. Short for a test, long for a loopback under load.
const STALL: Duration = Duration::from_millis(1500);
/// No run takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// How a seed ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// With the right bytes.
    Complete,
    /// With this exit code, and without a file; what was left could be completed.
    Failed(u8),
}

/// Plays a world to its end; `aloud` says on standard error what happens.
///
/// # Errors
/// What was wrong, and all that was asked and answered.
pub fn play(world: &World, aloud: bool) -> Result<Ended, String> {
    let script = Arc::new(Answers::new(world.clone()));
    let mut config = taking(world.streams);
    if world.via == Via::Http1 {
        config.tls.alpn = vec![Protocol::Http11];
    }
    let origin = Origin::start(config, Arc::clone(&script) as _, Arc::new(Log::default()));
    let stage = Stage {
        world,
        script: &script,
        origin: origin.unwrap(),
        home: tempfile::tempdir().unwrap(),
        aloud,
    };
    let result = stage.play();
    if aloud {
        println!("{}\n{world:#?}\nend: {result:?}", script.story());
    }
    result.map_err(|what| format!("seed {}: {what}\n{world:?}{}", world.seed, script.story()))
}

/// All that a run needs.
struct Stage<'a> {
    world: &'a World,
    script: &'a Answers,
    origin: Origin,
    home: tempfile::TempDir,
    aloud: bool,
}

/// What came out of a run.
struct Run {
    result: Result<Outcome, Error>,
    /// What standard output got.
    stream: Vec<u8>,
}

impl Stage<'_> {
    fn play(&self) -> Result<Ended, String> {
        let run = self.run(self.world.interrupt)?;
        let error = match run.result {
            Ok(_) => {
                let bytes = match self.world.into {
                    Into::Stream => run.stream,
                    Into::Disk => self.only_file()?,
                };
                self.judge_bytes(&bytes)?;
                return Ok(Ended::Complete);
            }
            Err(error) => error,
        };
        self.judge_error(&error, &run.stream)?;
        if self.world.into == Into::Disk {
            self.complete(&error)?;
        }
        Ok(Ended::Failed(error.exit_code()))
    }

    /// What was left behind must not spoil a second run, with a server that behaves.
    fn complete(&self, first: &Error) -> Result<(), String> {
        self.script.heal();
        let _ = std::fs::remove_file(self.dir().join("file.bin.corrupt"));
        let run = self.run(None)?;
        let now = self.script.version(usize::MAX);
        match run.result {
            Ok(_) => {
                let bytes = self.only_file()?;
                if bytes == all_of(&now) {
                    return Ok(());
                }
                Err(format!("after {first}, the second run got wrong bytes"))
            }
            Err(Error::Checksum { .. }) if self.world.checked && now.seed != self.first().seed => {
                Ok(())
            }
            Err(error) => Err(format!("after {first}, the second run failed: {error}")),
        }
    }

    /// The bytes of a complete file are those of one version, and of the right one if the user said which.
    fn judge_bytes(&self, bytes: &[u8]) -> Result<(), String> {
        let first = all_of(&self.first());
        if bytes == first {
            return Ok(());
        }
        let second = all_of(&self.world.second());
        if bytes == second && !self.world.checked {
            return Ok(());
        }
        let at = bytes.iter().zip(&first).position(|(a, b)| a != b);
        let (got, size) = (bytes.len(), first.len());
        Err(format!(
            "success with wrong bytes: {got} of {size}, the first wrong one at {at:?}"
        ))
    }

    fn judge_error(&self, error: &Error, stream: &[u8]) -> Result<(), String> {
        let World {
            weather,
            into,
            checked,
            change,
            tag,
            dated,
            interrupt,
            ..
        } = self.world;
        let code = error.exit_code();
        let allowed = match code {
            3 => *checked,
            4 | 6 => true,
            7 => *into == Into::Stream,
            130 => interrupt.is_some(),
            _ => false,
        };
        if !allowed {
            return Err(format!("exit code {code}: {error}"));
        }
        let wrong = *checked && change.is_some();
        let unconfirmed = *into == Into::Stream && (change.is_some() || (tag.is_none() && !dated));
        if *weather == Weather::Fair && code != 130 && !wrong && !unconfirmed {
            return Err(format!("failed for nothing: {error}"));
        }
        if self.dir().join("file.bin").exists() {
            return Err(format!("a file of that name in spite of: {error}"));
        }
        let begins = |file: &Resource| all_of(file).starts_with(stream);
        if code != 3 && !begins(&self.first()) && !begins(&self.world.second()) {
            return Err(format!("wrong bytes on standard output before: {error}"));
        }
        Ok(())
    }

    fn first(&self) -> Resource {
        self.world.first()
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join("download")
    }

    /// The only file there may be after a success.
    fn only_file(&self) -> Result<Vec<u8>, String> {
        let names: Vec<_> = std::fs::read_dir(self.dir())
            .map_err(|error| format!("no directory: {error}"))?
            .map(|entry| entry.unwrap().file_name())
            .collect();
        if names != ["file.bin"] {
            return Err(format!("success leaves {names:?}"));
        }
        std::fs::read(self.dir().join("file.bin")).map_err(|error| error.to_string())
    }

    fn run(&self, interrupt: Option<Duration>) -> Result<Run, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (stop, stopped) = watch::channel(None);
        let stream = Collect::default();
        let work = async {
            let context = self.context(stopped);
            let source = self.source();
            let download = async {
                match context.chunks.window {
                    None => download::download(&context, 0, source).await,
                    Some(window) => {
                        let output = Output::writer(stream.clone(), window)?;
                        let turn = Turn::all().next().unwrap();
                        download::stream(&context, 0, source, &output, turn).await
                    }
                }
            };
            let signal = async {
                match interrupt {
                    Some(after) => tokio::time::sleep(after).await,
                    None => std::future::pending().await,
                }
                stop.send_replace(Some(2));
                std::future::pending().await
            };
            tokio::select! {
                result = download => Ok(result),
                () = signal => unreachable!("a signal does not end"),
                () = tokio::time::sleep(LIMIT) => Err(format!("no end in {LIMIT:?}")),
            }
        };
        let result = runtime.block_on(work)?;
        runtime.shutdown_background();
        let stream = std::mem::take(&mut *stream.0.lock().unwrap());
        Ok(Run { result, stream })
    }

    fn source(&self) -> Source {
        let path = if self.world.redirected {
            "/go/file.bin"
        } else {
            "/file.bin"
        };
        let url = match self.world.via {
            Via::Http2 | Via::Http1 => self.origin.https_url(path),
            Via::Clear => self.origin.http_url(path),
        };
        Source {
            checksum: self.world.checked.then(|| checksum(&self.first())),
            ..Source::new(url.parse().unwrap())
        }
    }

    /// What `batch` makes of the options, with the patience of a test.
    fn context(&self, stop: watch::Receiver<Option<i32>>) -> Context {
        let world = self.world;
        let ca = self.home.path().join("ca.pem");
        std::fs::write(&ca, &self.origin.ca_pem).unwrap();
        let fingerprint = Arc::new(fingerprint::find(world.browser).unwrap());
        let open_slices = fingerprint.slice.open;
        let client = Client::new(net::Options {
            cacert: Some(ca),
            window: 512 * 1024,
            ..net::Options::new(fingerprint)
        });
        Context {
            client: client.unwrap(),
            other_family: Box::new(|| None),
            session: Session::default(),
            destination: Destination::new(self.dir()),
            doors: Doors::default(),
            threads: world.threads,
            sockets: None,
            chunks: chunks(world),
            open_slices,
            policy: Policy {
                base: Duration::from_millis(2),
                cap: Duration::from_millis(50),
                ..Policy::default()
            },
            stall: STALL,
            give_up_after: None,
            hosts: Hosts::default(),
            pace: Pace::default(),
            algorithms: vec![Algorithm::Crc32c],
            search: Search::Off,
            unverified: true.into(),
            reporter: Reporter::new(report::Options {
                style: if self.aloud {
                    Style::Plain
                } else {
                    Style::Quiet
                },
                journal: false,
            }),
            stop,
        }
    }
}

fn chunks(world: &World) -> plan::Options {
    let requests = world.threads.unwrap_or(8);
    let options = match world.into {
        Into::Disk => plan::Options::default(),
        Into::Stream => plan::Options::ordered(requests, world.min_chunk, 1 << 20),
    };
    plan::Options {
        min_chunk: world.min_chunk,
        // So that small files are cut too.
        cut_cost: 1 << 14,
        ..options
    }
}

fn all_of(resource: &Resource) -> Vec<u8> {
    content::bytes(resource.seed, 0..resource.size)
}

fn checksum(resource: &Resource) -> Checksum {
    let mut hasher = Hasher::new(&[Algorithm::Crc32c]);
    hasher.update(&all_of(resource));
    hasher.finish().remove(0)
}

/// Standard output.
#[derive(Clone, Debug, Default)]
struct Collect(Arc<Mutex<Vec<u8>>>);

impl Write for Collect {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The origin's answers, and what they were.
struct Answers {
    world: World,
    /// How often the same was asked for.
    attempts: Mutex<HashMap<String, usize>>,
    /// One line for each answer.
    lines: Mutex<Vec<String>>,
    /// Whether nothing goes wrong any more.
    healed: AtomicBool,
}

impl Answers {
    fn new(world: World) -> Self {
        Self {
            world,
            attempts: Mutex::default(),
            lines: Mutex::default(),
            healed: AtomicBool::new(false),
        }
    }

    fn heal(&self) {
        self.healed.store(true, Ordering::Relaxed);
        self.note("-- the server is well again".to_owned());
    }

    /// The file as request `nth` finds it.
    fn version(&self, nth: usize) -> Resource {
        self.world.version(nth)
    }

    fn note(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    fn story(&self) -> String {
        let lines = self.lines.lock().unwrap();
        lines.iter().map(|line| format!("\n  {line}")).collect()
    }
}

impl Script for Answers {
    fn reply(&self, request: &Request) -> Reply {
        let healed = self.healed.load(Ordering::Relaxed);
        let nth = if healed { usize::MAX } else { request.nth };
        let now = self.version(nth);
        let range = request.header("range").unwrap_or_default();
        let reply = if request.path() == "/go/file.bin" {
            Reply::new(302, "moved\n".into()).with("Location", "/file.bin")
        } else {
            now.reply(request)
        };
        let key = format!("{} {range}", request.path());
        let attempt = {
            let mut attempts = self.attempts.lock().unwrap();
            let attempt = attempts.entry(key.clone()).or_default();
            *attempt += 1;
            *attempt - 1
        };
        let fault = self.world.fault(request, attempt).filter(|_| !healed);
        let told = fault.as_ref().map(|fault| format!("{fault:?}"));
        let (status, told) = (reply.status, told.unwrap_or_default());
        self.note(format!("{} {key} #{attempt} {status} {told}", request.nth));
        let Some(fault) = fault else {
            return reply;
        };
        let other = if now.seed == self.world.first().seed {
            self.world.second()
        } else {
            self.world.first()
        };
        fault.strike(request, reply, &Files { now, other })
    }
}

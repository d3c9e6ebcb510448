//! A demonstration origin: serves files of any size over HTTP/1.1 and HTTP/2 and tells what it saw of the client.
//!
//! ```text
//! cargo run --release --example origin -- --size 1073741824 --ca-out ca.pem
//! hs --cacert ca.pem https://localhost:PORT/any-name.bin
//! curl --cacert ca.pem https://localhost:PORT/_seen
//! ```
//!
//! Every path is a file; its query says which, see `server/files.rs`. `/_seen` answers as JSON what connections and
//! requests looked like, with their JA4 and Akamai fingerprints.

#![allow(
    clippy::disallowed_methods,
    reason = "a program of its own, which reads the clock and waits"
)]
#![allow(unreachable_pub, reason = "the server is shared with the tests")]

#[allow(
    dead_code,
    reason = "the tests include the server too, and use what the demonstration does not"
)]
mod server;

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use server::files::{Files, Resource};
use server::log::Log;
use server::script::{Reply, Request, Script};
use server::{Config, Origin};

const USAGE: &str = "\
usage: origin [--port N] [--http-port N] [--size BYTES] [--limit BYTES/S] [--latency MS] [--ca-out FILE] [--seconds N]

  --port N        port for TLS (HTTP/2 and HTTP/1.1); any free one by default
  --http-port N   port for plain HTTP/1.1; any free one by default
  --size BYTES    size of files whose URL has no ?size=, 64 MiB by default
  --limit BYTES/S speed of each request; unlimited by default
  --latency MS    time between a request and its answer; none by default
  --ca-out FILE   where to write the certificate to trust; origin-ca.pem in the temporary folder by default
  --seconds N     how long to run; until killed by default
";

struct Options {
    config: Config,
    template: Resource,
    ca_out: PathBuf,
    seconds: Option<u64>,
}

fn main() -> io::Result<ExitCode> {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            io::stderr().write_all(format!("origin: {problem}\n{USAGE}").as_bytes())?;
            return Ok(ExitCode::from(2));
        }
    };
    let log = Arc::new(Log::default());
    let script = Arc::new(Demonstration {
        files: Files::new(options.template),
        log: Arc::clone(&log),
        asked: Mutex::default(),
    });
    let origin = Origin::start(options.config, script, log)?;
    std::fs::write(&options.ca_out, &origin.ca_pem)?;
    let (https, http, ca) = (
        origin.https_url("/"),
        origin.http_url("/"),
        options.ca_out.display(),
    );
    io::stdout().write_all(format!("ready {https} {http} {ca}\n").as_bytes())?;
    match options.seconds {
        Some(seconds) => std::thread::sleep(Duration::from_secs(seconds)),
        None => loop {
            std::thread::park();
        },
    }
    Ok(ExitCode::SUCCESS)
}

/// Files, and the log under its own path.
///
/// A file's query may ask for trouble: `busy=2` refuses the first two requests for the path, `most=3` whatever is more than
/// three at once; `after=5` is the Retry-After, in seconds.
struct Demonstration {
    files: Files,
    log: Arc<Log>,
    /// Requests by path, of those that ask for trouble.
    asked: Mutex<HashMap<String, usize>>,
}

impl Demonstration {
    fn refusal(&self, request: &Request) -> Option<Reply> {
        let number = |name| request.query(name)?.parse::<usize>().ok();
        let too_early = number("busy").is_some_and(|busy| {
            let mut asked = self.asked.lock().expect("no holder panics");
            let asked = asked.entry(request.path().to_owned()).or_default();
            *asked += 1;
            *asked <= busy
        });
        let too_many = number("most").is_some_and(|most| request.active > most);
        let status = match (too_early, too_many) {
            (true, _) => 503,
            (false, true) => 429,
            (false, false) => return None,
        };
        let reply = Reply::new(status, "not now\n".into());
        Some(match request.query("after") {
            Some(after) => reply.with("Retry-After", after),
            None => reply,
        })
    }
}

impl Script for Demonstration {
    fn reply(&self, request: &Request) -> Reply {
        if request.path() != "/_seen" {
            let refusal = self.refusal(request);
            return refusal.unwrap_or_else(|| self.files.reply(request));
        }
        let seen = format!("{:#}\n", self.log.to_json());
        Reply::new(200, seen.as_str().into()).with("Content-Type", "application/json")
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        config: Config::default(),
        template: Resource::new(0, 64 << 20),
        ca_out: std::env::temp_dir().join("origin-ca.pem"),
        seconds: None,
    };
    while let Some(flag) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{flag} needs a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| format!("{flag} {value}: not a whole number"))
        };
        let port = || u16::try_from(number()?).map_err(|_| format!("{flag} {value}: not a port"));
        match flag.as_str() {
            "--port" => options.config.https_port = port()?,
            "--http-port" => options.config.http_port = port()?,
            "--size" => options.template.size = number()?,
            "--limit" => options.template.limit = Some(number()?),
            "--latency" => options.template.latency = Duration::from_millis(number()?),
            "--ca-out" => options.ca_out = PathBuf::from(&value),
            "--seconds" => options.seconds = Some(number()?),
            _ => return Err(format!("unknown option {flag}")),
        }
    }
    Ok(options)
}

//! The `hs` command: arguments in, exit code out. Everything between is in the library.

#![cfg_attr(test, allow(clippy::disallowed_methods))]

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use hydrastream::cli::fingerprint::Fingerprint as Action;
use hydrastream::cli::{Cli, Command};
use hydrastream::inspect::Progress;
use hydrastream::report::{Reporter, Update};
use hydrastream::{Config, Error, batch, config, fingerprint, inspect, net};

fn main() -> ExitCode {
    let cli = match Cli::parse_from_args(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            complain(&mistake(&error), false);
            return ExitCode::from(2);
        }
        Err(help) => {
            // A closed standard output changes nothing.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    if cli.version {
        return version();
    }
    if let Some(Command::Fingerprint(action)) = &cli.command {
        return inspect(action).unwrap_or_else(|error| {
            complain(&error, cli.quiet);
            ExitCode::from(error.exit_code())
        });
    }
    match Config::new(&cli) {
        Ok(config) => download(&config),
        Err(error) => {
            complain(&error, cli.quiet);
            ExitCode::from(error.exit_code())
        }
    }
}

/// The run proper. How it ended is the last that is reported.
fn download(config: &Config) -> ExitCode {
    let reporter = Reporter::new(config.quiet);
    let exit_code = batch::run(config, &reporter).unwrap_or_else(|error| {
        reporter.send(Update::Aborted {
            kind: error.kind(),
            exit_code: error.exit_code(),
            error: error.to_string(),
            hint: error.hint(),
        });
        error.exit_code()
    });
    reporter.send(Update::Summary { exit_code });
    reporter.close();
    ExitCode::from(exit_code)
}

/// What clap says of a mistake, in the form of all other errors: its first sentence, and its tip or else where to look.
fn mistake(error: &clap::Error) -> Error {
    let text = error.to_string();
    let mut paragraphs = text.split("\n\n").map(one_line);
    let what = paragraphs.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    let tip = paragraphs.find_map(|line| line.strip_prefix("tip: ").map(str::to_owned));
    Error::usage(what, tip.unwrap_or_else(|| "see hs --help".into()))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `hs fingerprint …`: the result goes to standard output.
fn inspect(action: &Action) -> Result<ExitCode, Error> {
    let print = |text: &str| match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    };
    match action {
        Action::List => Ok(print(&inspect::list()?)),
        Action::Show { name, json } => Ok(print(&inspect::show(&config::browser(name)?, *json)?)),
        Action::Check {
            names, connections, ..
        } => {
            let all = fingerprint::names().map(str::to_owned).collect();
            let names: &Vec<_> = if names.is_empty() { &all } else { names };
            let mut code = ExitCode::SUCCESS;
            for name in names {
                let report = inspect::check(&config::browser(name)?, usize::from(*connections));
                if !report.differences.is_empty() {
                    code = ExitCode::FAILURE;
                }
                print(&report.to_string());
            }
            Ok(code)
        }
        Action::Record {
            out,
            name,
            connections,
            timeout,
            certificate,
            port,
        } => {
            let wanted = inspect::Recording {
                name: name.clone(),
                connections: usize::from(*connections),
                timeout: Duration::from_secs(*timeout),
                port: *port,
            };
            let text = inspect::record(&wanted, |progress| say(&progress, certificate.as_deref()))?;
            match out {
                None => Ok(print(&text)),
                Some(path) => config::write(path, &text).map(|()| ExitCode::SUCCESS),
            }
        }
    }
}

/// What a person needs to know while a browser is recorded.
fn say(progress: &Progress<'_>, certificate_file: Option<&Path>) -> Result<(), Error> {
    let text = match progress {
        Progress::Ready {
            address,
            certificate,
        } => {
            if let Some(path) = certificate_file {
                config::write(path, certificate)?;
            }
            format!(
                "open this address in your browser:\n\n    {address}\n\nIt will warn that the certificate is not \
                 trusted: that is right, go on. The page does the rest."
            )
        }
        Progress::Connections(count) => format!("{count} connections"),
    };
    // A closed standard error changes nothing.
    let _ = writeln!(std::io::stderr(), "{text}");
    Ok(())
}

/// `--version`: ours, then one line for each library.
fn version() -> ExitCode {
    let mut lines = vec![format!("hs {}", env!("CARGO_PKG_VERSION"))];
    lines.extend(net::versions());
    lines.push(format!("fingerprints {}", fingerprint::names().count()));
    match writeln!(std::io::stdout(), "{}", lines.join("\n")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// An error that came before anything could be downloaded.
fn complain(error: &Error, quiet: bool) {
    if !quiet {
        let hint = error
            .hint()
            .map(|hint| format!("\nhint: {hint}"))
            .unwrap_or_default();
        let _ = writeln!(std::io::stderr(), "hs: {error}{hint}");
    }
}

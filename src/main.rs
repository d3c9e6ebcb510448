//! The `hs` command: arguments in, exit code out. Everything between is in the library.

#![cfg_attr(test, allow(clippy::disallowed_methods))]

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use hydrastream::cli::fingerprint::Fingerprint as Action;
use hydrastream::cli::{Cli, Command, manual};
use hydrastream::inspect::Progress;
use hydrastream::report::{self, Level, Reporter, Style, Update};
use hydrastream::{Config, Error, batch, config, fingerprint, inspect, log, net};

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    let cli = match Cli::parse_from_args(args.iter().cloned()) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return refuse(&mistake(&error), early_style(&args)),
        Err(help) => {
            // A closed standard output changes nothing.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    if cli.display.version {
        return version();
    }
    if let Some(command) = &cli.command {
        return answer(command).unwrap_or_else(|error| refuse(&error, early_style(&args)));
    }
    match Config::new(&cli) {
        Ok(config) => download(&config),
        Err(error) => refuse(&error, early_style(&args)),
    }
}

/// The run proper. How it ended is the last that is reported.
fn download(config: &Config) -> ExitCode {
    let reporter = Reporter::new(report::Options {
        style: config.report.style,
        journal: config.report.log.is_some(),
    });
    open_log(config, &reporter);
    for warning in &config.warnings {
        reporter.send(Update::Message {
            id: None,
            level: Level::Warning,
            text: warning.clone(),
        });
    }
    let mut print = |text: &str| std::io::stdout().write_all(text.as_bytes());
    let exit_code = batch::run(config, &reporter, &mut print).unwrap_or_else(|error| {
        error.trace();
        reporter.send(aborted(&error));
        error.exit_code()
    });
    conclude(&reporter, exit_code)
}

/// Leads what is to be kept to the log, and with `--debug` what goes over the wire to standard error.
fn open_log(config: &Config, reporter: &Reporter) {
    let shown = reporter.clone();
    let show = move |text| {
        shown.send(Update::Message {
            id: None,
            level: Level::Debug,
            text,
        });
    };
    let opened = log::init(log::Options {
        file: config.report.log.as_deref(),
        debug: config.report.debug.then(|| Box::new(show) as _),
        quiet_target: report::TARGET,
    });
    if let (Err(error), Some(path)) = (opened, &config.report.log) {
        reporter.send(Update::Message {
            id: None,
            level: Level::Warning,
            text: format!("no log is kept: {}: {error}", path.display()),
        });
    }
}

/// Says why there will be no run.
fn refuse(error: &Error, style: Style) -> ExitCode {
    let reporter = Reporter::new(report::Options {
        style,
        journal: false,
    });
    reporter.send(aborted(error));
    conclude(&reporter, error.exit_code())
}

fn aborted(error: &Error) -> Update {
    Update::Aborted {
        kind: error.kind(),
        exit_code: error.exit_code(),
        error: error.to_string(),
        hint: error.hint(),
    }
}

fn conclude(reporter: &Reporter, exit_code: u8) -> ExitCode {
    reporter.send(Update::Summary { exit_code });
    reporter.close();
    ExitCode::from(exit_code)
}

/// How to complain where the settings cannot be read: as the command line says, as far as it can be understood.
fn early_style(args: &[OsString]) -> Style {
    let options = args.iter().skip(1).filter_map(|arg| arg.to_str());
    let options = options.take_while(|&arg| arg != "--");
    let has = |long: &str, short: char| {
        options.clone().any(|arg| match arg.strip_prefix('-') {
            Some(rest) if rest.starts_with('-') => arg == long,
            // Several in one: those without a value only, so that the rest is no value either.
            Some(flags) => flags.contains(short) && flags.chars().all(|c| "sqjdkNV46".contains(c)),
            None => false,
        })
    };
    if has("--quiet", 'q') {
        Style::Quiet
    } else if has("--json", 'j') {
        Style::Json
    } else {
        Style::Plain
    }
}

/// What clap says of a mistake, in the form of all other errors: its first sentence, and its tip or else where to look.
fn mistake(error: &clap::Error) -> Error {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Only one command has others below it.
        return Error::usage(
            "fingerprint: what about them?",
            "hs fingerprint list, show NAME, check NAME or record",
        );
    }
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

/// The subcommands: their results go to standard output.
fn answer(command: &Command) -> Result<ExitCode, Error> {
    match command {
        Command::Fingerprint(action) => inspect(action),
        Command::Completions { shell } => Ok(put(&manual::completions(*shell))),
        Command::Man => {
            let page = manual::page();
            let page = page.map_err(|error| Error::Internal(format!("the manual: {error}")))?;
            Ok(put(&page))
        }
    }
}

fn put(bytes: &[u8]) -> ExitCode {
    match std::io::stdout().write_all(bytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// `hs fingerprint …`.
fn inspect(action: &Action) -> Result<ExitCode, Error> {
    let print = |text: &str| put(text.as_bytes());
    match action {
        Action::List => Ok(print(&inspect::list()?)),
        Action::Show {
            name,
            platform,
            json,
        } => {
            let browser = config::browser(name, platform.as_deref())?;
            Ok(print(&inspect::show(&browser, *json)?))
        }
        Action::Check {
            names, connections, ..
        } => {
            let all = fingerprint::names().map(str::to_owned).collect();
            let names: &Vec<_> = if names.is_empty() { &all } else { names };
            let mut code = ExitCode::SUCCESS;
            for name in names {
                let report =
                    inspect::check(&config::browser(name, None)?, usize::from(*connections));
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
            let text = inspect::record(&wanted, |progress| say(&progress, certificate.as_deref()));
            if std::io::stderr().is_terminal() {
                let _ = writeln!(std::io::stderr());
            }
            let text = text?;
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
        // One line that counts, for who looks at it.
        Progress::Connections(count) => {
            if std::io::stderr().is_terminal() {
                let _ = write!(std::io::stderr(), "\rconnections: {count}");
            }
            return Ok(());
        }
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

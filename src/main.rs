//! The `hs` command: arguments in, exit code out. Everything between is in the library.

#![cfg_attr(test, allow(clippy::disallowed_methods))]

use std::io::Write as _;
use std::process::ExitCode;

use hydrastream::cli::Cli;
use hydrastream::{Config, Error, batch, fingerprint, net};

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
    match Config::new(&cli).and_then(|config| batch::run(&config)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&error, cli.quiet);
            ExitCode::from(error.exit_code())
        }
    }
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

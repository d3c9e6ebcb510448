//! The `hs` command: arguments in, exit code out. Everything between is in the library.

#![cfg_attr(test, allow(clippy::disallowed_methods))]

use std::io::Write as _;
use std::process::ExitCode;

use hydrastream::cli::Cli;
use hydrastream::{Config, Error, batch, fingerprint, net};

fn main() -> ExitCode {
    let cli = match Cli::parse_from_args(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output, mistakes to standard error; a closed one changes nothing.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
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

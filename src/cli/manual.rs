//! What a shell and `man` want to know of the command line: completions, and the manual page, both made from its definition.

use clap::{Command, CommandFactory as _, ValueEnum};
use clap_complete::Generator as _;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::Cli;

/// A shell that can complete options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// The GNU shell.
    Bash,
    /// The Z shell.
    Zsh,
    /// The friendly shell.
    Fish,
    /// The shell with structured data.
    Elvish,
    /// The shell of Windows, which runs on Linux as well.
    #[value(name = "powershell")]
    PowerShell,
}

/// What the exit codes mean, as in the README.
const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "All files are complete, or were so before."),
    (
        "1",
        "Anything not below; of several files, failures of different kinds.",
    ),
    ("2", "Usage or configuration."),
    ("3", "Integrity: checksum or size mismatch."),
    (
        "4",
        "Network or HTTP: unreachable, timed out, an error status after the retries.",
    ),
    ("5", "Local disk: no space, no permission, I/O error."),
    (
        "6",
        "Blocked: a challenge or login page instead of the file.",
    ),
    (
        "7",
        "The remote file changed while its bytes were already on standard output.",
    ),
    ("8", "Another hs holds the target."),
    (
        "130, 143",
        "Interrupted by SIGINT, SIGTERM; to disk, the same command goes on where this one stopped.",
    ),
    ("141", "The reader of standard output went away."),
];

/// Files that hs reads and writes.
const FILES: &[(&str, &str)] = &[
    (
        "NAME.part, NAME.part.json",
        "A file that is not complete, and the control file beside it. Both are gone when NAME is there.",
    ),
    ("NAME.corrupt", "A file whose checksum was wrong."),
    (
        "download.log",
        "The log, in the destination directory; see --log-file. A large one becomes download.log.1 and so on.",
    ),
    (
        "~/.config/hydrastream/config.toml",
        "Settings: the names of the long options, threads = 20.",
    ),
    (
        "~/.local/state/hydrastream/download.log",
        "The log of streams and dry runs.",
    ),
];

/// Variables that hs reads.
const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "HS_*",
        "Every long option, in capitals and with _ for -: HS_THREADS=20; of what is repeatable, each value on a line of its own. The command line wins over it, it wins over the config file.",
    ),
    (
        "XDG_CONFIG_HOME, XDG_STATE_HOME",
        "Where config file and log are, instead of ~/.config and ~/.local/state.",
    ),
    (
        "http_proxy, https_proxy, all_proxy, no_proxy",
        "Proxies, as with curl.",
    ),
    ("NO_COLOR", "If set, no colour on standard error."),
    ("TERM", "If dumb, or not set, plain lines instead of bars."),
];

/// The completions for a shell, as a script.
#[must_use]
pub fn completions(shell: Shell) -> Vec<u8> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Elvish => clap_complete::Shell::Elvish,
        Shell::PowerShell => clap_complete::Shell::PowerShell,
    };
    let mut script = Vec::new();
    let mut command = Cli::command();
    command.set_bin_name("hs");
    command.build();
    shell.generate(&command, &mut script);
    script
}

/// The manual page, in roff.
///
/// # Errors
/// None that a vector has.
pub fn page() -> std::io::Result<Vec<u8>> {
    let command = Cli::command().version(env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).title("HS").manual("HydraStream");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    // The one that is made names each of sixty options.
    let mut synopsis = Roff::new();
    synopsis.control("SH", ["SYNOPSIS"]);
    for line in [
        " [OPTIONS] [URL]...",
        " fingerprint list|show|check|record",
        " completions SHELL",
        " man",
    ] {
        synopsis.text([bold("hs"), roman(line)]);
        synopsis.control("br", []);
    }
    synopsis.to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut rest = Roff::new();
    rest.control("SH", ["NOTES"]);
    rest.text([
        bold("-th"),
        roman(" is short for "),
        bold("--typehash"),
        roman(", "),
        bold("-nu"),
        roman(" for "),
        bold("--no-ui"),
        roman(". Every option has its default in brackets. MB is 1024² bytes."),
    ]);
    rest.control("SH", ["SUBCOMMANDS"]);
    for subcommand in command.get_subcommands() {
        subcommands(&mut rest, subcommand, "hs");
    }
    for (title, entries) in [
        ("EXIT STATUS", EXIT_STATUS),
        ("FILES", FILES),
        ("ENVIRONMENT", ENVIRONMENT),
    ] {
        rest.control("SH", [title]);
        for (what, text) in entries {
            rest.control("TP", []);
            rest.text([bold(*what)]);
            rest.text([roman(*text)]);
        }
    }
    rest.control("SH", ["EXAMPLES"]);
    rest.control("nf", []);
    let examples = super::EXAMPLES.split("\n\n").next().unwrap_or_default();
    for line in examples.lines().skip(1) {
        rest.text([roman(line)]);
    }
    rest.control("fi", []);
    rest.to_writer(&mut page)?;
    Ok(page)
}

/// A subcommand, its options, and those below it.
fn subcommands(page: &mut Roff, command: &Command, before: &str) {
    let name = format!("{before} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string);
    let mut usage = vec![bold(name.clone())];
    for argument in command.get_positionals() {
        usage.push(roman(" "));
        usage.push(italic(argument.get_id().as_str().to_uppercase()));
    }
    page.control("TP", []);
    page.text(usage);
    page.text([roman(about.unwrap_or_default())]);
    let options = command
        .get_arguments()
        .filter(|option| !option.is_positional());
    for option in options.filter(|option| option.get_id() != "help") {
        let Some(long) = option.get_long() else {
            continue;
        };
        let help = option.get_help().map(ToString::to_string);
        page.control("br", []);
        page.text([
            bold(format!("--{long}")),
            roman(format!(": {}", help.unwrap_or_default())),
        ]);
    }
    for subcommand in command.get_subcommands() {
        subcommands(page, subcommand, &name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page that lacks an option is worse than none.
    #[test]
    fn the_readme_the_page_and_every_completion_have_every_option() {
        let readme = include_str!("../../README.md");
        let page = String::from_utf8(page().unwrap()).unwrap();
        let page = page.replace("\\fR", " ").replace('\\', "");
        let bare = |text: &str| text.replace('\\', "");
        for option in Cli::command().get_arguments() {
            let Some(long) = option.get_long() else {
                continue;
            };
            let flag = format!("--{long}");
            let names = |text: &str| {
                let ends = |at: usize| text[at + flag.len()..].chars().next();
                let mut found = text.match_indices(&flag);
                found.any(|(at, _)| ends(at).is_none_or(|c| !c.is_alphanumeric() && c != '-'))
            };
            assert!(names(&page), "{flag} is not in the manual");
            assert!(
                names(readme) || long == "help",
                "{flag} is not in the README"
            );
            for shell in Shell::value_variants() {
                let script = bare(&String::from_utf8(completions(*shell)).unwrap());
                assert!(
                    script.contains(long),
                    "--{long} is not completed by {shell:?}"
                );
            }
        }
    }

    #[test]
    fn the_page_has_what_a_manual_page_has() {
        let page = String::from_utf8(page().unwrap()).unwrap();
        for title in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "SUBCOMMANDS",
            "EXIT STATUS",
            "FILES",
            "ENVIRONMENT",
            "EXAMPLES",
        ] {
            assert!(
                page.contains(&format!(".SH \"{title}\""))
                    || page.contains(&format!(".SH {title}")),
                "{title}"
            );
        }
        assert!(page.contains("141") && page.contains("XDG_STATE_HOME"));
    }
}

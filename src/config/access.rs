//! Who asks: credentials, and the files that hold them.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::layers::Layers;
use super::{Surroundings, existing};
use crate::cookies::Jar;
use crate::error::Error;
use crate::netrc::Netrc;

/// User name, and password if one was given.
pub(super) fn user(layers: &Layers) -> Option<(String, Option<String>)> {
    let text = layers.text("user")?;
    Some(match text.split_once(':') {
        Some((name, password)) => (name.to_owned(), Some(password.to_owned())),
        None => (text, None),
    })
}

/// Asks the person at the terminal for a user's password; empty if there is no terminal.
pub(super) fn ask_password(user: &str) -> String {
    ask(user).unwrap_or_default()
}

fn ask(user: &str) -> std::io::Result<String> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    write!(terminal, "password of {user}: ")?;
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
    let read = line(&terminal);
    tcsetattr(&terminal, OptionalActions::Flush, &before)?;
    writeln!(terminal)?;
    read
}

fn line(terminal: &File) -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(terminal).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// What the file of `--netrc-file`, or `~/.netrc`, says.
pub(super) fn netrc(layers: &Layers, around: &Surroundings) -> Result<Netrc, Error> {
    let mut name = "netrc-file";
    let mut path = existing(layers, around, name, "name a file as .netrc is one")?;
    if path.is_none() && layers.flag("netrc") {
        name = "netrc";
        path = Some(around.path("~/.netrc"));
    }
    let Some(path) = path else {
        return Ok(Netrc::default());
    };
    let text = text(layers, name, &path, "name another with --netrc-file")?;
    Netrc::read(&text).map_err(|error| {
        let what = format!("{}: {error}", path.display());
        layers.wrong(name, &what, "machine HOST login NAME password PASSWORD")
    })
}

/// The cookies of `--cookies`.
pub(super) fn cookies(layers: &Layers, around: &Surroundings) -> Result<Jar, Error> {
    const RIGHT: &str =
        "give a file in Netscape's format, as browsers' extensions and curl -c write it";
    let Some(path) = existing(layers, around, "cookies", RIGHT)? else {
        return Ok(Jar::default());
    };
    let text = text(layers, "cookies", &path, RIGHT)?;
    Jar::read(&text).map_err(|error| {
        let what = format!("{}: {error}", path.display());
        layers.wrong("cookies", &what, RIGHT)
    })
}

fn text(layers: &Layers, name: &str, path: &Path, hint: &str) -> Result<String, Error> {
    std::fs::read_to_string(path)
        .map_err(|error| layers.wrong(name, &format!("{}: {error}", path.display()), hint))
}

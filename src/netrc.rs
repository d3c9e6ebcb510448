//! `~/.netrc` (the format of ftp, which curl and wget read too): who logs in where.
//!
//! A file is text to this module. `macdef` is skipped; a quoted token may hold spaces, as in curl.

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Netrc {
    /// In the file's order; `None` as host is `default`.
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entry {
    host: Option<String>,
    login: Option<String>,
    password: String,
}

/// A file that breaks off in the middle of an entry, or holds a word that has no meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Malformed {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there; says nothing of passwords.
    pub what: &'static str,
}

impl Netrc {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Malformed`], the first.
    pub fn read(text: &str) -> Result<Self, Malformed> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut tokens = tokens(text).into_iter();
        while let Some((line, token)) = tokens.next() {
            let wrong = |what| Malformed { line, what };
            let mut next = || tokens.next().map(|(_, token)| token);
            match (&*token, entries.last_mut()) {
                ("machine", _) => entries.push(Entry {
                    host: Some(
                        next()
                            .ok_or(wrong("no host behind machine"))?
                            .to_lowercase(),
                    ),
                    ..Entry::default()
                }),
                ("default", _) => entries.push(Entry::default()),
                ("login", Some(entry)) => {
                    entry.login = Some(next().ok_or(wrong("no name behind login"))?);
                }
                ("password", Some(entry)) => {
                    entry.password = next().ok_or(wrong("no password behind password"))?;
                }
                ("account", Some(_)) => drop(next()),
                (_, None) => return Err(wrong("neither machine nor default")),
                (_, Some(_)) => return Err(wrong("an unknown word")),
            }
        }
        Ok(Self { entries })
    }

    /// Name and password for a host; those of `default` only if the user named the host himself. With `user`, only an
    /// entry for that login counts.
    #[must_use]
    pub fn find<'a>(
        &'a self,
        host: &str,
        user: Option<&'a str>,
        named: bool,
    ) -> Option<(&'a str, &'a str)> {
        let fits = |entry: &&Entry| match &entry.host {
            Some(machine) => machine.eq_ignore_ascii_case(host),
            None => named,
        };
        let login = |entry: &Entry| {
            user.is_none() || entry.login.is_none() || entry.login.as_deref() == user
        };
        let entry = self
            .entries
            .iter()
            .filter(fits)
            .find(|entry| login(entry))?;
        Some((entry.login.as_deref().or(user)?, &entry.password))
    }
}

/// Words with their lines; comments and macros are left out.
fn tokens(text: &str) -> Vec<(usize, String)> {
    let mut tokens = Vec::new();
    let mut in_macro = false;
    for (at, line) in text.lines().enumerate() {
        // A macro goes up to an empty line.
        in_macro = in_macro && !line.trim().is_empty();
        if in_macro {
            continue;
        }
        for word in words(line) {
            if word == "macdef" {
                in_macro = true;
                break;
            }
            tokens.push((at + 1, word));
        }
    }
    tokens
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let mut word = String::new();
        let quoted = rest.starts_with('"');
        let mut letters = rest.char_indices().skip(usize::from(quoted));
        let end = loop {
            match letters.next() {
                None => break rest.len(),
                Some((at, '"')) if quoted => break at + 1,
                Some((at, letter)) if !quoted && letter.is_whitespace() => break at,
                Some((_, '\\')) if quoted => match letters.next() {
                    Some((_, 'n')) => word.push('\n'),
                    Some((_, 't')) => word.push('\t'),
                    Some((_, other)) => word.push(other),
                    None => {}
                },
                Some((_, letter)) => word.push(letter),
            }
        };
        words.push(word);
        rest = rest[end..].trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
# comment
machine a.org login me password p#1
machine b.org
  login "two words" password "quo\"ted"   # behind
macdef init
  machine evil login no password no

machine c.org password only
machine c.org login x password y
default login anonymous password guest
"#;

    #[test]
    fn entries_are_found_by_host_and_login() {
        let netrc = Netrc::read(FILE).unwrap();
        assert_eq!(netrc.find("A.org", None, false), Some(("me", "p#1")));
        assert_eq!(
            netrc.find("b.org", None, false),
            Some(("two words", "quo\"ted"))
        );
        assert_eq!(netrc.find("c.org", Some("x"), false), Some(("x", "only")));
        assert_eq!(netrc.find("a.org", Some("other"), false), None);
        assert_eq!(netrc.find("evil", None, false), None);
    }

    #[test]
    fn the_default_is_for_hosts_that_the_user_named() {
        let netrc = Netrc::read(FILE).unwrap();
        assert_eq!(
            netrc.find("z.org", None, true),
            Some(("anonymous", "guest"))
        );
        assert_eq!(netrc.find("z.org", None, false), None);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line() {
        let line = |text| Netrc::read(text).unwrap_err().line;
        assert_eq!(line("\nlogin me"), 2);
        assert_eq!(line("machine"), 1);
        assert_eq!(line("machine a\nlogin b\nfoo"), 3);
        assert_eq!(Netrc::read("").unwrap(), Netrc::default());
    }
}

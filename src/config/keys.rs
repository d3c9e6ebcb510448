//! The settings there are: name, form and default of each, and the other names that are understood.
//!
//! A setting has one name, that of its long option; in the config file `-` and `_` are the same, in the environment the name is
//! in capitals behind `HS_`. This table is the only place with defaults.

/// One setting.
#[derive(Debug)]
pub(super) struct Key {
    /// As the long option has it.
    pub(super) name: &'static str,
    /// What values look like.
    pub(super) form: Form,
    /// What holds if nobody says anything.
    pub(super) default: Option<&'static str>,
}

/// What the values of a setting look like in a config file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `true` or `false`.
    Flag,
    /// A number, or one of these words in quotes.
    Number(&'static [&'static str]),
    /// A number, or a number with a unit in quotes.
    Size,
    /// Text in quotes.
    Text,
    /// The same, and never to be shown.
    Secret,
    /// A list of texts, or a single one. In the environment one a line.
    List,
    /// The same, and never to be shown.
    SecretList,
}

/// What another name says of the setting it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sense {
    /// The same.
    Same,
    /// The opposite: both are flags.
    Not,
    /// If it is true, the setting has this value.
    Means(&'static str),
}

/// All settings, in the order of `--help`.
pub(super) const KEYS: &[Key] = &[
    key("urls", Form::List),
    key("input", Form::Text),
    key("output", Form::Text).or("download"),
    key("out", Form::Text),
    key("on-conflict", Form::Text).or("resume"),
    key("mirror", Form::List),
    key("threads", Form::Number(&["auto"])).or("auto"),
    key("limit", Form::Number(&[])),
    key("min-chunk-mb", Form::Number(&[])).or("1"),
    key("max-filesize", Form::Size),
    key("accept-html", Form::Flag),
    key("dry-run", Form::Flag),
    key("stream", Form::Flag),
    key("buffer", Form::Number(&["auto"])).or("auto"),
    key("stream-chunk-mb", Form::Number(&[])).or("5"),
    key("checksum", Form::Text),
    key("typehash", Form::Text),
    key("verify", Form::Flag).or("true"),
    key("sidecar", Form::Flag),
    key("manifest", Form::Text),
    key("browser", Form::Text).or("chrome120"),
    key("platform", Form::Text),
    key("header", Form::SecretList),
    key("referer", Form::Text),
    key("user-agent", Form::Text),
    key("connections", Form::Number(&["auto"])).or("auto"),
    key("http", Form::Text).or("auto"),
    key("proxy", Form::Secret),
    key("noproxy", Form::Text),
    key("resolve", Form::List),
    key("ip", Form::Text).or("any"),
    key("interface", Form::Text),
    key("user", Form::Secret),
    key("netrc", Form::Flag),
    key("netrc-file", Form::Text),
    key("bearer", Form::Secret),
    key("cookies", Form::Text),
    key("cookie-jar", Form::Text),
    key("cacert", Form::Text),
    key("cert", Form::Text),
    key("key", Form::Text),
    key("insecure", Form::Flag),
    key("pinnedpubkey", Form::Text),
    key("retries", Form::Number(&["inf"])).or("10"),
    key("connect-timeout", Form::Number(&[])).or("15"),
    key("stall-timeout", Form::Number(&[])).or("30"),
    key("max-retry-after", Form::Number(&["inf"])).or("600"),
    key("give-up-after", Form::Number(&["inf"])).or("600"),
    key("no-ui", Form::Flag),
    key("quiet", Form::Flag),
    key("json", Form::Flag),
    key("debug", Form::Flag),
    key("log-file", Form::Text),
];

/// Other names: options that set a setting of another name, what the original called things, and what people try.
const ALIASES: &[(&str, &str, Sense)] = &[
    ("no-verify", "verify", Sense::Not),
    ("http1.1", "http", Sense::Means("1.1")),
    ("http1-1", "http", Sense::Means("1.1")),
    ("http2", "http", Sense::Means("2")),
    ("ipv4", "ip", Sense::Means("4")),
    ("ipv6", "ip", Sense::Means("6")),
    ("url", "urls", Sense::Same),
    ("links", "urls", Sense::Same),
    ("mirrors", "mirror", Sense::Same),
    ("headers", "header", Sense::Same),
    ("output-dir", "output", Sense::Same),
    ("speed-limit", "limit", Sense::Same),
    ("min-chunk-size-mb", "min-chunk-mb", Sense::Same),
    ("max-stream-chunk-size-mb", "stream-chunk-mb", Sense::Same),
    ("buffer-size-mb", "buffer", Sense::Same),
    ("stream-buffer-size-mb", "buffer", Sense::Same),
    ("json-logs", "json", Sense::Same),
    ("impersonate", "browser", Sense::Same),
];

impl Key {
    const fn or(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }
}

const fn key(name: &'static str, form: Form) -> Key {
    Key {
        name,
        form,
        default: None,
    }
}

/// The setting that `name` stands for, and what it says of it.
///
/// # Errors
/// The most similar name that there is, if any is similar.
pub(super) fn find(name: &str) -> Result<(&'static Key, Sense), Option<&'static str>> {
    let name = name.replace('_', "-").to_ascii_lowercase();
    let alias = ALIASES.iter().find(|(alias, ..)| *alias == name);
    let (target, sense) = alias.map_or((name.as_str(), Sense::Same), |&(_, target, sense)| {
        (target, sense)
    });
    let found = KEYS.iter().find(|key| key.name == target);
    found.map(|key| (key, sense)).ok_or_else(|| {
        let aliases = ALIASES.iter().map(|&(alias, ..)| alias);
        super::values::nearest(&name, KEYS.iter().map(|key| key.name).chain(aliases))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_however_they_are_written() {
        for (name, key, sense) in [
            ("threads", "threads", Sense::Same),
            ("min_chunk-mb", "min-chunk-mb", Sense::Same),
            ("output_dir", "output", Sense::Same),
            ("SPEED_LIMIT", "limit", Sense::Same),
            ("no_verify", "verify", Sense::Not),
            ("http1_1", "http", Sense::Means("1.1")),
        ] {
            let (found, found_sense) = find(name).unwrap();
            assert_eq!((found.name, found_sense), (key, sense), "{name}");
        }
        assert_eq!(find("thread").unwrap_err(), Some("threads"));
        assert_eq!(find("xyzzy").unwrap_err(), None);
    }

    #[test]
    fn every_alias_leads_somewhere_and_no_name_is_given_twice() {
        for (alias, ..) in ALIASES {
            assert!(find(alias).is_ok(), "{alias}");
            assert!(KEYS.iter().all(|key| key.name != *alias), "{alias}");
        }
        for (index, key) in KEYS.iter().enumerate() {
            assert!(KEYS[..index].iter().all(|other| other.name != key.name));
        }
    }
}

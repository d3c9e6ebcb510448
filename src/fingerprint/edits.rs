//! Which headers a user may change, and which of them are secrets.
//!
//! What a download is made of (ranges, their conditions, framing) is asked for by the program itself; a header that said
//! something else would make the answer useless. A secret is sent to the origin it was given for and to no other.

use super::headers::Edit;

/// Why a header can't be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No name, or characters that no header has (RFC 9110 §5.1, §5.5).
    #[error("not a header")]
    Malformed,
    /// The program asks for ranges itself.
    #[error("`{0}` belongs to the ranges that are asked for")]
    Range(String),
    /// It would break the framing of HTTP or the connection.
    #[error("`{0}` belongs to the connection")]
    Connection(String),
    /// Its place is elsewhere.
    #[error("credentials for a proxy are part of its URL")]
    Proxy,
}

/// Asked for by the program.
const RANGES: [&str; 6] = [
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
];

/// Of the connection or the body, which a GET has not.
const CONNECTION: [&str; 8] = [
    "content-length",
    "transfer-encoding",
    "trailer",
    "expect",
    "upgrade",
    "keep-alive",
    "proxy-connection",
    "http2-settings",
];

/// Parts of names that stand for secrets: `X-Api-Key`, `PRIVATE-TOKEN`, `X-Auth-User`, …
const SECRETS: [&str; 7] = [
    "auth", "cookie", "token", "key", "secret", "session", "password",
];

impl Edit {
    /// Reads `Name: value`; `Name:` removes, `Name;` sends it without a value, as in curl.
    ///
    /// # Errors
    /// [`Refused`] if that is no header, or one that must stay as it is.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let (name, value) = match (text.split_once(':'), text.trim_end().strip_suffix(';')) {
            (Some((name, value)), _) => {
                (name, Some(value.trim()).filter(|value| !value.is_empty()))
            }
            (None, Some(name)) => (name, Some("")),
            (None, None) => return Err(Refused::Malformed),
        };
        Self::new(name.trim(), value)
    }

    /// An edit of the header `name`, removed if there is no value.
    ///
    /// # Errors
    /// As [`Edit::parse`].
    pub fn new(name: &str, value: Option<&str>) -> Result<Self, Refused> {
        let controls = |value: &str| value.chars().any(|c| c.is_control() && c != '\t');
        if name.is_empty() || !name.bytes().all(is_token) || value.is_some_and(controls) {
            return Err(Refused::Malformed);
        }
        let lower = name.to_ascii_lowercase();
        if RANGES.contains(&&*lower) {
            return Err(Refused::Range(name.to_owned()));
        }
        // A browser's own values do no harm: they come with commands that are copied from it.
        let harmless = matches!(
            (&*lower, value),
            ("connection", Some("keep-alive")) | ("te", Some("trailers"))
        );
        if CONNECTION.contains(&&*lower) || (matches!(&*lower, "connection" | "te") && !harmless) {
            return Err(Refused::Connection(name.to_owned()));
        }
        if lower == "proxy-authorization" {
            return Err(Refused::Proxy);
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        })
    }

    /// Whether it is for the origin alone that it was given for: what names a secret, and `Host`.
    #[must_use]
    pub fn is_for_one_origin(&self) -> bool {
        self.name.eq_ignore_ascii_case("host") || is_secret(&self.name)
    }
}

/// Whether a header of this name may carry credentials, judged by its words.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRETS.iter().any(|part| name.contains(part))
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(String, Option<String>), Refused> {
        Edit::parse(text).map(|edit| (edit.name, edit.value))
    }

    #[test]
    fn headers_are_set_emptied_and_removed() {
        let pair =
            |name: &str, value: Option<&str>| Ok((name.to_owned(), value.map(str::to_owned)));
        assert_eq!(parse("X-A: b: c "), pair("X-A", Some("b: c")));
        assert_eq!(parse("X-A:"), pair("X-A", None));
        assert_eq!(parse("X-A;"), pair("X-A", Some("")));
        assert_eq!(
            parse("Connection: keep-alive"),
            pair("Connection", Some("keep-alive"))
        );
    }

    #[test]
    fn what_would_break_a_download_is_refused() {
        for text in [
            "",
            "X A: b",
            ": b",
            "x",
            "X: a\rb",
            "X: a\nY: b",
            ":path: /x",
        ] {
            assert_eq!(parse(text), Err(Refused::Malformed), "{text:?}");
        }
        for text in ["range: bytes=0-1", "If-Match: *", "If-Modified-Since:"] {
            assert!(matches!(parse(text), Err(Refused::Range(_))), "{text}");
        }
        for text in [
            "Content-Length: 3",
            "connection: close",
            "TE: gzip",
            "Connection:",
        ] {
            assert!(matches!(parse(text), Err(Refused::Connection(_))), "{text}");
        }
        assert_eq!(parse("Proxy-Authorization: x"), Err(Refused::Proxy));
    }

    #[test]
    fn secrets_are_told_by_their_names() {
        for name in [
            "Authorization",
            "COOKIE",
            "X-Api-Key",
            "PRIVATE-TOKEN",
            "host",
        ] {
            assert!(
                Edit::new(name, Some("x")).unwrap().is_for_one_origin(),
                "{name}"
            );
        }
        for name in ["Accept", "X-Requested-With", "User-Agent", "DNT"] {
            assert!(
                !Edit::new(name, Some("x")).unwrap().is_for_one_origin(),
                "{name}"
            );
        }
    }
}

//! What a user says of a source, as text: read here wherever it stands, on the command line or in a list.

use url::{ParseError, Url};

use crate::Error;
use crate::fingerprint::headers::Edit;
use crate::name::MAX_LEN;

/// The URL that `text` is.
///
/// # Errors
/// What is wrong with it, without credentials, and a hint, if it is none that can be fetched.
pub fn url(text: &str) -> Result<Url, (String, &'static str)> {
    let shown = Error::redact(text);
    let url = Url::parse(text).map_err(|error| {
        if error == ParseError::RelativeUrlWithoutBase {
            let what = format!("{shown}: not a URL: it has no scheme");
            return (what, "put https:// or http:// before it");
        }
        let what = format!("{shown}: not a URL: {error}");
        (what, "URLs begin with http:// or https://")
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        let what = format!("{shown}: `{}` is not supported", url.scheme());
        return Err((what, "only http and https are"));
    }
    Ok(url)
}

/// Whether `name` can be a file's name: one path component, short enough for what is added to it meanwhile.
#[must_use]
pub fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']) && name.len() <= MAX_LEN
}

/// A header field with a value, or without one if it is to be left out; `None` if it cannot be one (RFC 9110 §5.1, §5.5).
#[must_use]
pub fn header(name: &str, value: Option<&str>) -> Option<Edit> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let right = !name.is_empty()
        && name.bytes().all(token)
        && value.is_none_or(|value| value.chars().all(|c| c == '\t' || !c.is_control()));
    right.then(|| Edit {
        name: name.to_owned(),
        value: value.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_component() {
        for right in ["a", ".a", "a b", "…"] {
            assert!(is_file_name(right), "{right}");
        }
        for wrong in ["", ".", "..", "a/b", "/", "a\0", &"x".repeat(241)] {
            assert!(!is_file_name(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_header_cannot_bring_another() {
        assert!(header("X-A", Some("1")).is_some() && header("X-A", None).is_some());
        for (name, value) in [
            ("", "1"),
            ("A B", "1"),
            ("A:", "1"),
            ("A", "1\r\nB: 2"),
            ("A", "\0"),
        ] {
            assert!(header(name, Some(value)).is_none(), "{name}: {value}");
        }
    }
}

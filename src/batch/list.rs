//! What a line of a list says: nothing, a URL, or a JSON object with all that can be said of one file.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Error;
use crate::fingerprint::headers::Edit;
use crate::hash::{Algorithm, Checksum};
use crate::resolve::{Source, said};

/// A JSON object on a line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    url: String,
    #[serde(default)]
    mirrors: Vec<String>,
    out: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
}

/// Reads a line; `None` if it is blank or a comment. `place` names it in errors, `algorithm` is that of a checksum
/// which does not name its own, `pages` as in [`Source`].
///
/// # Errors
/// [`Error::Usage`] that says what is wrong with which line.
pub fn read(
    line: &str,
    place: &str,
    algorithm: Algorithm,
    pages: bool,
) -> Result<Option<Source>, Error> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let read = if line.starts_with('{') {
        object(line, algorithm)
    } else {
        // What stands behind the URL is left to whoever wrote it there.
        let url = line.split_whitespace().next().unwrap_or_default();
        said::url(url).map(Source::new)
    };
    let wrong = |(what, hint): (String, &str)| Error::usage(format!("{place}: {what}"), hint);
    read.map(|source| Some(Source { pages, ..source }))
        .map_err(wrong)
}

fn object(line: &str, algorithm: Algorithm) -> Result<Source, (String, &'static str)> {
    let object: Object = serde_json::from_str(line).map_err(|error| {
        let why = error.to_string();
        // Each object has a line of its own.
        let why = why.replace(" at line 1 column ", ", at column ");
        let hint =
            r#"{"url": …, "mirrors": […], "out": …, "checksum": "sha256:…", "headers": {…}}"#;
        (why, hint)
    })?;
    let checksum = object.checksum.map(|text| {
        Checksum::parse(text.trim(), algorithm)
            .map_err(|error| (format!("checksum: {error}"), "HEX, or ALGO:HEX"))
    });
    let mirrors = object.mirrors.iter().map(|text| said::url(text));
    let headers = object.headers.into_iter().map(|(name, value)| {
        said::header(&name, value.as_deref()).ok_or((
            format!("`{name}` is not a header"),
            r#""headers": {"Name": "value"}"#,
        ))
    });
    let name = object.out.map(|name| match said::is_file_name(&name) {
        true => Ok(name),
        false => Err((
            format!("out: `{name}` is not a file name"),
            "name a file, and its directory with -o",
        )),
    });
    Ok(Source {
        mirrors: mirrors.collect::<Result<_, _>>()?,
        checksum: checksum.transpose()?,
        headers: headers.collect::<Result<Vec<Edit>, _>>()?,
        name: name.transpose()?,
        ..Source::new(said::url(&object.url)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<Option<Source>, Error> {
        read(text, "list:7", Algorithm::Md5, false)
    }

    #[test]
    fn blanks_and_comments_are_passed_over() {
        for text in ["", "  \t", "# http://h/a", "   #"] {
            assert!(line(text).unwrap().is_none(), "{text:?}");
        }
    }

    #[test]
    fn the_first_word_is_the_url() {
        for text in ["http://h/a", "  http://h/a  \t", "http://h/a  some words"] {
            assert_eq!(line(text).unwrap().unwrap().url.as_str(), "http://h/a");
        }
    }

    #[test]
    fn an_object_says_everything() {
        let text = r#"{"url": "http://h/a", "mirrors": ["https://i/a"], "out": "b",
            "checksum": "crc32c:00010203", "headers": {"X-A": "1", "Referer": null}}"#;
        let source = line(&text.replace('\n', "")).unwrap().unwrap();
        assert_eq!(source.mirrors.len(), 1);
        assert_eq!(source.name.as_deref(), Some("b"));
        assert_eq!(source.checksum.unwrap().algorithm, Algorithm::Crc32c);
        let headers: Vec<_> = source
            .headers
            .iter()
            .map(|h| (h.name.as_str(), h.value.as_deref()))
            .collect();
        assert_eq!(headers, [("Referer", None), ("X-A", Some("1"))]);
        let md5 = r#"{"url":"http://h/a","checksum":"d41d8cd98f00b204e9800998ecf8427e"}"#;
        assert_eq!(
            line(md5).unwrap().unwrap().checksum.unwrap().algorithm,
            Algorithm::Md5
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, why) in [
            ("ftp://h/a", "`ftp` is not supported"),
            ("nonsense", "not a URL"),
            ("{", "EOF"),
            (r#"{"out": "a"}"#, "missing field `url`"),
            (r#"{"url": "http://h/a", "ot": "a"}"#, "unknown field `ot`"),
            (r#"{"url": "http://h/a", "out": "../a"}"#, "`../a`"),
            (r#"{"url": "http://h/a", "checksum": "sha256:00"}"#, "64"),
            (r#"{"url": "http://h/a", "mirrors": ["ftp://h/"]}"#, "`ftp`"),
            (r#"{"url": "http://h/a", "headers": {"A B": "1"}}"#, "`A B`"),
            (r#"{"url": "http://h/a", "headers": {"A": "1\n2"}}"#, "`A`"),
            (r#"["http://h/a"]"#, "not a URL"),
        ] {
            let error = line(text).unwrap_err();
            assert!(error.to_string().starts_with("list:7: "), "{error}");
            assert!(error.to_string().contains(why), "{text}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}

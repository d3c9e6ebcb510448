//! Which name a file gets: what the server says, else what the URL ends with.
//!
//! The order is that of browsers: `Content-Disposition` (RFC 6266), then the last path segment of the URL the user gave,
//! because people recognise it, then that of the URL that answered. Whatever is chosen passes through
//! [`crate::name::safe`]. Nothing here looks at the disk or at the content type.

use url::Url;

use super::{Source, disposition};
use crate::http::Headers;
use crate::name::{FALLBACK, safe};

/// Names the answer with these header fields, that came from `answered`. A name that the user gave is taken as it is.
#[must_use]
pub fn of(source: &Source, headers: &Headers, answered: &Url) -> String {
    match &source.name {
        Some(name) => name.clone(),
        None => suggested(headers, &source.url, answered),
    }
}

/// The name before there is an answer.
#[must_use]
pub fn expected(source: &Source) -> String {
    of(source, &Headers::default(), &source.url)
}

/// The first candidate of which something safe is left; without any it is [`FALLBACK`].
fn suggested(headers: &Headers, asked: &Url, answered: &Url) -> String {
    let disposition = headers.get("content-disposition");
    [
        disposition.and_then(disposition::file_name),
        last_segment(asked),
        last_segment(answered),
    ]
    .into_iter()
    .flatten()
    .map(|candidate| safe(&candidate))
    .find(|name| name != FALLBACK)
    .unwrap_or_else(|| FALLBACK.to_owned())
}

/// The percent-decoded text behind the last slash of a URL's path, or `None` if the path ends with it.
fn last_segment(url: &Url) -> Option<String> {
    let segment = url.path_segments()?.next_back()?;
    let decoded = disposition::percent_decode(segment);
    (!decoded.is_empty()).then(|| disposition::text(&decoded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn choose(field: Option<&str>, asked: &str, answered: &str) -> String {
        let headers: Headers = field
            .map(|value| ("Content-Disposition", value))
            .into_iter()
            .collect();
        let source = Source::new(asked.parse().unwrap());
        of(&source, &headers, &answered.parse().unwrap())
    }

    #[test]
    fn the_server_comes_first_then_the_urls() {
        let table = [
            (
                Some("attachment; filename=cd.bin"),
                "https://h/a",
                "https://h/b",
                "cd.bin",
            ),
            (
                Some("attachment"),
                "https://h/a.bin?x=/y.z#f",
                "https://h/b",
                "a.bin",
            ),
            (
                Some("attachment; filename=\"..\""),
                "https://h/a.bin",
                "https://h/b",
                "a.bin",
            ),
            (
                None,
                "https://h/dir/",
                "https://h/dir/index.bin",
                "index.bin",
            ),
            (None, "https://h", "https://h/", FALLBACK),
            (
                None,
                "https://user:p@h/latest",
                "https://cdn/v1.tar.gz",
                "latest",
            ),
            (None, "https://h/b%20c%2Fd.bin", "https://h/", "b c_d.bin"),
            (None, "https://h/%2e%2e", "https://h/x", "x"),
            (None, "https://h/%E6%96%87.txt", "https://h/", "文.txt"),
            (None, "https://h/caf%E9.txt", "https://h/", "café.txt"),
            (None, "https://h/50%.txt", "https://h/", "50%.txt"),
            (None, "https://h/a%00b", "https://h/", "a_b"),
            (
                None,
                "https://h/r%C3%A9sum%C3%A9+x.pdf;v=1",
                "https://h/",
                "résumé+x.pdf;v=1",
            ),
        ];
        for (disposition, asked, answered, expected) in table {
            assert_eq!(choose(disposition, asked, answered), expected, "{asked}");
        }
    }

    #[test]
    fn the_users_own_name_comes_first() {
        let source = Source {
            name: Some(".mine".into()),
            ..Source::new("https://h/a.bin".parse().unwrap())
        };
        let headers: Headers = [("Content-Disposition", "attachment; filename=cd.bin")]
            .into_iter()
            .collect();
        assert_eq!(of(&source, &headers, &source.url), ".mine");
        assert_eq!(expected(&Source::new(source.url.clone())), "a.bin");
    }

    proptest! {
        #[test]
        fn any_input_gives_a_safe_name(field in any::<Option<String>>(), path in any::<String>()) {
            let mut url: Url = "https://h/".parse().unwrap();
            url.set_path(&path);
            let name = choose(field.as_deref(), url.as_str(), "https://h/");
            prop_assert_eq!(&safe(&name), &name);
            prop_assert_eq!(&choose(field.as_deref(), url.as_str(), "https://h/"), &name);
        }
    }
}

//! From the lines that libcurl hands over to a [`Head`].
//!
//! It hands over one at a time, for HTTP/2 too, whose fields it writes as HTTP/1.1 would.

use crate::http::{Head, Headers, Protocol};

/// Collects header lines; interim answers (1xx) are read over.
#[derive(Default)]
pub(super) struct Reader {
    /// Status and version of the answer whose headers are being read.
    status: Option<(u16, Protocol)>,
    /// Those that have come of it.
    headers: Headers,
}

impl Reader {
    /// Takes one line; the head, when the line was the blank one that ends a final answer.
    pub(super) fn line(&mut self, data: &[u8], url: &str) -> Option<Head> {
        let line = text(data);
        let line = line.trim_end_matches(['\r', '\n']);
        if let Some(status) = status_line(line) {
            self.status = Some(status);
            self.headers = Headers::default();
        } else if let Some((name, value)) = line.split_once(':') {
            self.headers.append(name.trim(), value.trim());
        } else if line.is_empty()
            && let Some((status, protocol)) = self.status.take()
            && status >= 200
        {
            return Some(Head {
                status,
                protocol,
                url: url.to_owned(),
                headers: std::mem::take(&mut self.headers),
            });
        }
        None
    }
}

/// Whether a line begins an answer.
pub(super) fn is_status_line(data: &[u8]) -> bool {
    status_line(&text(data)).is_some()
}

/// Bytes of a header as text: UTF-8, which servers send against the rules, else Latin-1, which the rules once allowed.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

/// Parses `HTTP/1.1 200 OK`, `HTTP/2 200`.
fn status_line(line: &str) -> Option<(u16, Protocol)> {
    let (version, rest) = line.strip_prefix("HTTP/")?.split_once(' ')?;
    let protocol = match version {
        "1.0" => Protocol::Http10,
        "1.1" => Protocol::Http11,
        "2" | "2.0" => Protocol::Http2,
        "3" => Protocol::Http3,
        _ => return None,
    };
    Some((rest.get(..3)?.parse().ok()?, protocol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_answers_are_read_over() {
        let mut reader = Reader::default();
        let mut lines = [
            "HTTP/2 103 \r\n",
            "link: a\r\n",
            "\r\n",
            "HTTP/2 200 \r\n",
            "ETag: \"x:y\"\r\n",
            "\r\n",
        ]
        .map(|line| reader.line(line.as_bytes(), "https://h/"));
        let head = lines[5].take().unwrap();
        assert!(lines.iter().all(Option::is_none));
        assert_eq!((head.status, head.protocol), (200, Protocol::Http2));
        assert_eq!(head.headers.get("etag"), Some("\"x:y\""));
        assert_eq!(head.headers.get("link"), None);
    }

    #[test]
    fn a_status_line_is_told_from_a_header() {
        assert_eq!(
            status_line("HTTP/1.1 206 Partial Content"),
            Some((206, Protocol::Http11))
        );
        assert_eq!(status_line("HTTP/1.0 404"), Some((404, Protocol::Http10)));
        assert_eq!(status_line("HTTP/9 200"), None);
        assert_eq!(status_line("X: HTTP/1.1 200"), None);
    }
}

//! A body of `multipart/byteranges` (RFC 9110 §14.6) that has one part, read as that part.
//!
//! Who asks for one range should get no such body (§15.3.7.2), but there are servers that build every partial answer alike.
//! One that has nothing but the part that was asked for is as good as a plain 206: [`open`] finds where the part's bytes
//! begin, [`alone`] makes the head that a plain 206 would have had, and `answer` judges that as ever. Whether it is the only
//! part shows before any byte is used, by the length of the whole message. Several parts are not read.

use crate::http::{Head, Headers};
use crate::range::ContentRange;

/// Bytes in which the first part has to begin; what is longer is no answer that anybody means.
const MOST: usize = 16 << 10;

/// The longest boundary that there may be (RFC 2046 §5.1.1).
const LONGEST_BOUNDARY: usize = 70;

/// What the first bytes of a body show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// More of them are needed.
    Unclear,
    /// A part begins.
    Part {
        /// Its own header fields.
        headers: Headers,
        /// Bytes of the body before the part's first one.
        begins: usize,
    },
    /// No part.
    Nothing,
}

/// The boundary between the parts, if the head announces parts.
pub fn boundary(head: &Head) -> Option<String> {
    let value = head.headers.get("content-type")?;
    let (essence, parameters) = value.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/byteranges") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    (1..=LONGEST_BOUNDARY)
        .contains(&boundary.len())
        .then_some(boundary)
}

/// Reads the beginning of a body: a preamble that means nothing, a line with the boundary, the part's fields, a blank line.
pub fn open(body: &[u8], boundary: &str) -> Beginning {
    let incomplete = match body.len() < MOST {
        true => Beginning::Unclear,
        false => Beginning::Nothing,
    };
    let delimiter = format!("--{boundary}");
    let mut at = 0;
    let mut headers: Option<Headers> = None;
    while let Some(length) = body[at..].iter().take(MOST).position(|&byte| byte == b'\n') {
        let line = String::from_utf8_lossy(&body[at..at + length]);
        let line = line.strip_suffix('\r').unwrap_or(&line);
        at += length + 1;
        match &mut headers {
            // White space may stand behind it (RFC 2046 §5.1.1).
            None if line.trim_end_matches([' ', '\t']) == delimiter => {
                headers = Some(Headers::new());
            }
            // The end comes first: there is no part.
            None if line.starts_with(&format!("{delimiter}--")) => return Beginning::Nothing,
            None => {}
            Some(fields) if line.is_empty() => {
                return Beginning::Part {
                    headers: std::mem::take(fields),
                    begins: at,
                };
            }
            Some(fields) => match line.split_once(':') {
                Some((name, value)) => fields.append(name.trim(), value),
                None => return Beginning::Nothing,
            },
        }
        if at >= MOST {
            return Beginning::Nothing;
        }
    }
    incomplete
}

/// The head of a plain 206 with the part that begins behind `begins` bytes of the body; `None` unless the length of the
/// message leaves room for that part and the last boundary alone.
pub fn alone(head: &Head, part: &Headers, begins: usize, boundary: &str) -> Option<Head> {
    let total = only(&head.headers, "content-length")?.parse::<u64>().ok()?;
    let content_range = only(part, "content-range")?;
    let range = ContentRange::parse(content_range).ok()?.range?;
    let rest = total.checked_sub(u64::try_from(begins).ok()?)?;
    let behind = rest.checked_sub(range.len())?;
    let closing = format!("\r\n--{boundary}--").len() as u64;
    // Most end their last line.
    if behind != closing && behind != closing + 2 {
        return None;
    }
    let replaced = ["content-type", "content-length", "content-range"];
    let is_kept = |name: &str| !replaced.iter().any(|it| it.eq_ignore_ascii_case(name));
    let mut headers: Headers = head.headers.iter().filter(|it| is_kept(it.0)).collect();
    headers.append("Content-Length", range.len().to_string());
    headers.append("Content-Range", content_range);
    if let Some(content_type) = part.get("content-type") {
        headers.append("Content-Type", content_type);
    }
    Some(Head {
        headers,
        ..head.clone()
    })
}

/// The value of a field that is there once.
fn only<'h>(headers: &'h Headers, name: &'h str) -> Option<&'h str> {
    let mut values = headers.all(name);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// The value of a parameter, freed from quotes (RFC 9110 §5.6.6).
fn parameter(text: &str, wanted: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let (name, value) = rest.split_once('=')?;
        let (value, behind) = value_of(value);
        if name
            .trim_matches([' ', '\t', ';'])
            .eq_ignore_ascii_case(wanted)
        {
            return Some(value);
        }
        rest = behind;
    }
}

/// A token or a quoted string, and what stands behind it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, behind) = text.split_once(';').unwrap_or((text, ""));
        return (token.trim_matches([' ', '\t']).to_owned(), behind);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::Protocol;

    fn head(content_type: &str, length: usize) -> Head {
        Head {
            status: 206,
            protocol: Protocol::Http11,
            url: "https://example.org/f".to_owned(),
            headers: [
                ("ETag", "\"v1\""),
                ("Content-Type", content_type),
                ("Content-Length", &length.to_string()),
            ]
            .into_iter()
            .collect(),
        }
    }

    /// The head of the one part in `body`, and the bytes that begin there.
    fn read(content_type: &str, body: &str) -> Option<(Head, String)> {
        let head = head(content_type, body.len());
        let boundary = boundary(&head)?;
        let Beginning::Part { headers, begins } = open(body.as_bytes(), &boundary) else {
            return None;
        };
        let alone = alone(&head, &headers, begins, &boundary)?;
        Some((alone, body[begins..].to_owned()))
    }

    const ONE: &str =
        "--b\r\nContent-Type: a/b\r\nContent-Range: bytes 2-6/9\r\n\r\nhello\r\n--b--";

    #[test]
    fn b11_parts_as_servers_send_them() {
        let quoted = ONE.replace("--b", "--b c:d");
        for (content_type, body) in [
            ("multipart/byteranges; boundary=b", ONE.to_owned()),
            ("multipart/byteranges;boundary=b", format!("{ONE}\r\n")),
            (
                "Multipart/ByteRanges; charset=\"x;boundary=y\"; BOUNDARY=b",
                ONE.to_owned(),
            ),
            (
                "multipart/byteranges; boundary=\"b c:d\"; x=y",
                quoted.clone(),
            ),
            ("multipart/byteranges; boundary=\"b\\ c:d\"", quoted),
            (
                "multipart/byteranges; boundary=b",
                format!("a preamble --b\r\n\r\n{ONE}"),
            ),
            (
                "multipart/byteranges; boundary=b",
                ONE.replace("--b\r", "--b \t\r"),
            ),
            (
                "multipart/byteranges; boundary=b",
                ONE.replacen("\r\n", "\n", 4),
            ),
        ] {
            let Some((head, bytes)) = read(content_type, &body) else {
                panic!("{content_type}: {body:?}");
            };
            assert!(bytes.starts_with("hello\r\n"), "{bytes}");
            let says = |name| head.headers.all(name).collect::<Vec<_>>();
            assert_eq!(says("content-range"), ["bytes 2-6/9"]);
            assert_eq!(says("content-length"), ["5"]);
            assert_eq!(says("content-type"), ["a/b"]);
            assert_eq!(says("etag"), ["\"v1\""]);
        }
    }

    #[test]
    fn b11_what_is_not_one_part_alone() {
        let multipart = "multipart/byteranges; boundary=b";
        let two = ONE.replace(
            "--b--",
            "--b\r\nContent-Range: bytes 7-7/9\r\n\r\nx\r\n--b--",
        );
        for (content_type, body) in [
            (multipart, two),
            (multipart, ONE.replace("hello", "hell")),
            (multipart, ONE.replace("hello", "hello world")),
            (multipart, ONE.replace("Content-Range: bytes 2-6/9\r\n", "")),
            (multipart, ONE.replace("2-6/9", "*/9")),
            (
                multipart,
                ONE.replace("2-6/9", "2-6/9\r\nContent-Range: bytes 2-6/8"),
            ),
            (multipart, ONE.replace("Content-Type:", "Content-Type")),
            (multipart, "--b--".to_owned()),
            (multipart, String::new()),
            (multipart, "x".repeat(MOST)),
            (multipart, format!("{}\r\n{ONE}", "x".repeat(MOST))),
            ("multipart/byteranges", ONE.to_owned()),
            ("multipart/byteranges; boundary=", ONE.to_owned()),
            ("multipart/mixed; boundary=b", ONE.to_owned()),
            ("application/octet-stream", ONE.to_owned()),
        ] {
            assert_eq!(read(content_type, &body), None, "{content_type}: {body:?}");
        }
        let mut chunked = head(multipart, ONE.len());
        chunked.headers = [("Content-Type", multipart)].into_iter().collect();
        let part = [("Content-Range", "bytes 2-6/9")].into_iter().collect();
        assert_eq!(alone(&chunked, &part, ONE.len() - 12, "b"), None);
    }

    #[test]
    fn it_does_not_matter_in_which_pieces_it_comes() {
        let begins = ONE.find("hello").unwrap();
        for length in 0..begins {
            assert_eq!(open(&ONE.as_bytes()[..length], "b"), Beginning::Unclear);
        }
        let whole = open(ONE.as_bytes(), "b");
        assert_eq!(open(&ONE.as_bytes()[..begins], "b"), whole);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            body in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'-'), Just(b'b'), any::<u8>()], 0..200),
            content_type in "multipart/byteranges;[ -~é]{0,40}",
        ) {
            let head = head(&content_type, body.len());
            let boundary = boundary(&head).unwrap_or_else(|| "b".to_owned());
            if let Beginning::Part { headers, begins } = open(&body, &boundary) {
                prop_assert!(begins <= body.len());
                let _ = alone(&head, &headers, begins, &boundary);
            }
        }
    }
}

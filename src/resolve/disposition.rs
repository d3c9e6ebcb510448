//! The file name in a `Content-Disposition` field (RFC 6266), read as forgivingly as browsers do.
//!
//! Servers send what no grammar allows: a semicolon at the end, spaces without quotes, text in Latin-1, encoded words
//! of e-mail (RFC 2047), percent escapes where none belong. Each has one obvious meaning, and that is what is taken.
//! `filename*` (RFC 8187) wins over `filename` unless it cannot be decoded. Names are not made safe here.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;

/// The file name a field names, or `None` if it names none.
///
/// `field` is the field's value with bytes outside ASCII already mapped to characters.
#[must_use]
pub(super) fn file_name(field: &str) -> Option<String> {
    let parameters = parameters(field);
    let value_of = |wanted: &str| {
        let found = parameters
            .iter()
            .find(|(name, value)| name.eq_ignore_ascii_case(wanted) && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    };
    value_of("filename*")
        .and_then(extended)
        .or_else(|| value_of("filename").map(plain))
        .filter(|name| !name.is_empty())
}

/// Turns `%41` into `A`; what is no escape stays.
#[must_use]
pub(super) fn percent_decode(text: &str) -> Vec<u8> {
    unescape(text.as_bytes(), b'%')
}

/// Bytes as text: UTF-8 if they are, else Latin-1, in which every byte means something.
#[must_use]
pub(super) fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| latin1(bytes), str::to_owned)
}

/// Name and value of each parameter, quotes and backslashes resolved. The disposition type is passed over, or read as a
/// parameter where a server forgot it.
fn parameters(field: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = field;
    while !rest.is_empty() {
        let end = rest.find([';', '=']).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        let Some(tail) = tail.strip_prefix('=') else {
            rest = tail.get(1..).unwrap_or("");
            continue;
        };
        let (value, tail) = value(tail.trim_start());
        found.push((name.trim().to_owned(), value));
        rest = tail;
    }
    found
}

/// A parameter's value, and what is behind its semicolon.
fn value(text: &str) -> (String, &str) {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    let tail = &quoted[at + 1..];
                    return (value, tail.split_once(';').map_or("", |(_, tail)| tail));
                }
                // A backslash escapes a quote or itself; elsewhere it is a path of Windows that nobody escaped.
                '\\' if matches!(quoted[at + 1..].chars().next(), Some('"' | '\\')) => {
                    value.extend(chars.next().map(|(_, escaped)| escaped));
                }
                other => value.push(other),
            }
        }
        // The closing quote is missing: the value ends like one without quotes.
    }
    let text = text.strip_prefix('"').unwrap_or(text);
    let (value, tail) = text.split_once(';').unwrap_or((text, ""));
    (value.trim().to_owned(), tail)
}

/// `UTF-8''na%C3%AFve` (RFC 8187 §3.2). The charset decides; of those that are not known, only ASCII is understood.
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, escaped) = rest.split_once('\'')?;
    let bytes = percent_decode(escaped);
    decode(charset, &bytes).filter(|name| !name.is_empty())
}

/// A `filename` without a charset: encoded words, or percent escapes of UTF-8, or just text.
fn plain(value: &str) -> String {
    if let Some(decoded) = encoded_words(value) {
        return decoded;
    }
    if !value.contains('%') {
        return value.to_owned();
    }
    String::from_utf8(percent_decode(value)).unwrap_or_else(|_| value.to_owned())
}

fn decode(charset: &str, bytes: &[u8]) -> Option<String> {
    let is = |names: &[&str]| names.iter().any(|name| charset.eq_ignore_ascii_case(name));
    if is(&["utf-8", "utf8", ""]) || bytes.is_ascii() {
        return String::from_utf8(bytes.to_vec()).ok();
    }
    is(&["iso-8859-1", "latin1", "us-ascii", "windows-1252"]).then(|| latin1(bytes))
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// One or more `=?UTF-8?B?…?=` (RFC 2047), separated by spaces; `None` if the text is anything else.
fn encoded_words(text: &str) -> Option<String> {
    let mut decoded = String::new();
    for word in text.split_ascii_whitespace() {
        let inner = word.strip_prefix("=?")?.strip_suffix("?=")?;
        let mut parts = inner.splitn(3, '?');
        let (charset, encoding, body) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = match encoding {
            "B" | "b" => BASE64_STANDARD_NO_PAD
                .decode(body.trim_end_matches('='))
                .ok()?,
            "Q" | "q" => unescape(body.replace('_', " ").as_bytes(), b'='),
            _ => return None,
        };
        decoded += &decode(charset, &bytes)?;
    }
    (!decoded.is_empty()).then_some(decoded)
}

/// Resolves escapes of a sign and two hexadecimal digits; what is no escape stays.
fn unescape(text: &[u8], sign: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..2).filter(|_| first == sign);
        match digits.and_then(hex) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    bytes
}

/// The value of two hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0, |value, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        u8::try_from(value as u32 * 16 + digit).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_as_servers_send_them() {
        let table = [
            ("attachment; filename=a.bin", Some("a.bin")),
            ("attachment; filename=a.bin;", Some("a.bin")),
            ("attachment; filename=\"a.bin\";", Some("a.bin")),
            ("ATTACHMENT; FileName = \"a.bin\" ; size=3", Some("a.bin")),
            (
                "attachment;filename=my file 1.bin; x=y",
                Some("my file 1.bin"),
            ),
            ("attachment; filename=\"a;b.txt\"", Some("a;b.txt")),
            ("attachment; x=\"filename=no\"; filename=yes", Some("yes")),
            (
                "attachment; filename=\"say \\\"hi\\\".txt\"",
                Some("say \"hi\".txt"),
            ),
            (
                "attachment; filename=\"C:\\dir\\a.txt\"",
                Some("C:\\dir\\a.txt"),
            ),
            ("attachment; filename=\"open.bin", Some("open.bin")),
            ("attachment; filename=\"open.bin; size=3", Some("open.bin")),
            ("filename=a.bin", Some("a.bin")),
            ("inline", None),
            ("", None),
            ("attachment; filename", None),
            ("attachment; filename=", None),
            ("attachment; filename=\"\"", None),
            (";;;=;", None),
            // RFC 8187, and which of the two wins.
            (
                "attachment; filename=x; filename*=UTF-8''na%C3%AFve%20file",
                Some("naïve file"),
            ),
            (
                "attachment; filename*=utf-8'en'%e2%82%ac.txt; filename=x",
                Some("€.txt"),
            ),
            ("attachment; filename*=ISO-8859-1''caf%E9", Some("café")),
            (
                "attachment; filename*=\"UTF-8''quoted.txt\"",
                Some("quoted.txt"),
            ),
            ("attachment; filename=x; filename*=UTF-8''%ff", Some("x")),
            ("attachment; filename=x; filename*=broken", Some("x")),
            ("attachment; filename=x; filename*=", Some("x")),
            ("attachment; filename*=KOI8-R''plain.txt", Some("plain.txt")),
            // RFC 2047, and bare escapes.
            (
                "attachment; filename=\"=?UTF-8?B?5paH5Lu2LnR4dA==?=\"",
                Some("文件.txt"),
            ),
            (
                "attachment; filename=\"=?utf-8?Q?na=C3=AFve_file?=\"",
                Some("naïve file"),
            ),
            (
                "attachment; filename=\"=?UTF-8?B?YS4=?= =?UTF-8?B?Ymlu?=\"",
                Some("a.bin"),
            ),
            (
                "attachment; filename=\"=?UTF-8?X?abc?=\"",
                Some("=?UTF-8?X?abc?="),
            ),
            ("attachment; filename=a%20b.txt", Some("a b.txt")),
            ("attachment; filename=100%.txt", Some("100%.txt")),
            ("attachment; filename=café.txt", Some("café.txt")),
        ];
        for (field, expected) in table {
            assert_eq!(file_name(field).as_deref(), expected, "{field}");
        }
    }

    #[test]
    fn bytes_are_text_of_one_kind_or_the_other() {
        assert_eq!(text("naïve".as_bytes()), "naïve");
        assert_eq!(text(b"caf\xe9"), "café");
    }

    proptest! {
        #[test]
        fn no_field_is_too_odd(field in any::<String>()) {
            let _ = file_name(&field);
            let _ = file_name(&format!("attachment; filename*=UTF-8''{field}; filename=\"{field}"));
            let _ = file_name(&format!("attachment; filename=\"=?UTF-8?B?{field}?=\""));
        }

        #[test]
        fn a_quoted_name_comes_back(name in "[^\"\\\\%=]{1,40}") {
            prop_assert_eq!(file_name(&format!("attachment; filename=\"{name}\"")), Some(name));
        }
    }
}

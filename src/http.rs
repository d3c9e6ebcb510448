//! Plain data of an HTTP answer: protocol, status and header fields.
//!
//! A transfer produces it, everything else reads it. It knows no HTTP library and gives no field a meaning; a value is
//! text in which bytes outside ASCII have been mapped by whoever built it.

use std::fmt;

/// The protocol an answer arrived in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// HTTP/1.0: no chunked bodies, closes after each answer unless told otherwise.
    Http10,
    /// HTTP/1.1 (RFC 9112).
    Http11,
    /// HTTP/2 (RFC 9113).
    Http2,
    /// HTTP/3 (RFC 9114).
    Http3,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Http10 => "HTTP/1.0",
            Protocol::Http11 => "HTTP/1.1",
            Protocol::Http2 => "HTTP/2",
            Protocol::Http3 => "HTTP/3",
        })
    }
}

/// Connections that a browser opens to one host over HTTP/1.1: Chromium's `kMaxSocketsPerGroup`, Firefox's
/// `network.http.max-persistent-connections-per-server`.
pub const BROWSER_CONNECTIONS: usize = 6;

/// The versions of the Internet Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpVersion {
    /// IPv4 (RFC 791).
    V4,
    /// IPv6 (RFC 8200).
    V6,
}

/// Header fields in the order they arrived, repeats included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(
    /// Name as it was spelled, value without surrounding whitespace.
    Vec<(String, String)>,
);

impl Headers {
    /// No fields.
    pub fn new() -> Headers {
        Headers::default()
    }

    /// Adds a field behind the others; whitespace around the value is dropped (RFC 9110 §5.5).
    pub fn append(&mut self, name: impl Into<String>, value: impl AsRef<str>) {
        let value = value.as_ref().trim_matches([' ', '\t', '\r', '\n']);
        self.0.push((name.into(), value.to_owned()));
    }

    /// The first value of a field; names are compared without case (RFC 9110 §5.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Every value of a field, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.iter()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The members of a field whose value is a comma-separated list, over all of its lines, empty ones left out
    /// (RFC 9110 §5.6.1). Quoted commas are not understood: not for fields that may have them.
    pub fn members<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.all(name)
            .flat_map(|value| value.split(','))
            .map(|member| member.trim_matches([' ', '\t']))
            .filter(|member| !member.is_empty())
    }

    /// All fields, name and value, in the order they arrived.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: AsRef<str>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        headers
    }
}

/// What of an answer comes before its body. Interim answers (1xx) and followed redirects never appear as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Status code as the server sent it, 100 to 999.
    pub status: u16,
    /// Protocol of the connection it came over.
    pub protocol: Protocol,
    /// The URL that answered, after redirects.
    pub url: String,
    /// Header fields; trailers are not among them.
    pub headers: Headers,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_without_case_and_in_order() {
        let headers: Headers = [("ETag", " \"a\"\r\n"), ("Via", "x"), ("via", "y, ,z")]
            .into_iter()
            .collect();
        assert_eq!(headers.get("etag"), Some("\"a\""));
        assert_eq!(headers.get("date"), None);
        assert_eq!(headers.all("VIA").collect::<Vec<_>>(), ["x", "y, ,z"]);
        assert_eq!(headers.members("via").collect::<Vec<_>>(), ["x", "y", "z"]);
        assert_eq!(headers.iter().next(), Some(("ETag", "\"a\"")));
    }

    #[test]
    fn protocols_are_printed_as_the_field_writes_them() {
        let names = [
            Protocol::Http10,
            Protocol::Http11,
            Protocol::Http2,
            Protocol::Http3,
        ]
        .map(|protocol| protocol.to_string());
        assert_eq!(names, ["HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3"]);
    }
}

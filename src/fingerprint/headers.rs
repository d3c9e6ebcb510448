//! From a request shape to the header list of one request.
//!
//! Pure text: the shape says which headers a browser sends and in what order, the request brings the few values that
//! differ from one to the next. What goes around the list (request line, `Host`, pseudo-headers) is `net`'s.

use std::collections::BTreeMap;

use super::schema::{RequestShape, Scheme};

/// Values that one request brings for the places of a shape; absent ones leave their lines out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// `Range`, e.g. `bytes=0-99`.
    pub range: Option<String>,
    /// A strong entity tag, quotes included.
    pub strong_etag: Option<String>,
    /// What `If-Range` may carry: a strong tag, else a date.
    pub if_range: Option<String>,
    /// `Last-Modified` of the known entity.
    pub last_modified: Option<String>,
    /// The page the user came from.
    pub referer: Option<String>,
    /// Credentials as `Authorization` carries them.
    pub authorization: Option<String>,
}

impl Places {
    fn get(&self, place: &str) -> Option<&str> {
        match place {
            "range" => self.range.as_deref(),
            "strong_etag" => self.strong_etag.as_deref(),
            "if_range" => self.if_range.as_deref(),
            "last_modified" => self.last_modified.as_deref(),
            "referer" => self.referer.as_deref(),
            "authorization" => self.authorization.as_deref(),
            _ => None,
        }
    }
}

/// The headers for HTTP `version` (1 or 2) to an address of `scheme`, in wire order; names in lower case for 2.
#[must_use]
pub fn compose(
    shape: &RequestShape,
    version: u8,
    scheme: Scheme,
    values: &BTreeMap<String, String>,
    request: &Places,
) -> Vec<(String, String)> {
    shape
        .headers
        .iter()
        .filter(|line| line.http.is_none_or(|only| only == version))
        .filter(|line| line.scheme.is_none_or(|only| only == scheme))
        .filter_map(|line| {
            let name = if version == 2 {
                line.name.to_ascii_lowercase()
            } else {
                line.name.clone()
            };
            Some((name, fill(&line.value, values, request)?))
        })
        .collect()
}

/// The names between braces in `text`.
pub(super) fn places(text: &str) -> impl Iterator<Item = &str> {
    text.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(place, _)| place))
}

/// `text` with each place filled, or `None` if one has no value.
fn fill(text: &str, values: &BTreeMap<String, String>, request: &Places) -> Option<String> {
    let mut filled = text.to_owned();
    for place in places(text) {
        let value = request
            .get(place)
            .or_else(|| values.get(place).map(String::as_str))?;
        filled = filled.replace(&format!("{{{place}}}"), value);
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::schema::HeaderLine;

    fn shape(lines: &[(&str, &str, Option<u8>, Option<Scheme>)]) -> RequestShape {
        let headers = lines
            .iter()
            .map(|&(name, value, http, scheme)| HeaderLine {
                name: name.into(),
                value: value.into(),
                http,
                scheme,
            })
            .collect();
        RequestShape {
            open: false,
            priority: None,
            headers,
        }
    }

    #[test]
    fn lines_without_a_value_are_left_out_and_versions_and_schemes_differ() {
        let shape = shape(&[
            ("Connection", "keep-alive", Some(1), None),
            ("Range", "{range}", None, None),
            ("Referer", "{referer}", None, None),
            ("User-Agent", "x {who} y", None, None),
            ("Sec-Fetch-Site", "none", None, Some(Scheme::Https)),
            ("Accept-Encoding", "gzip", None, Some(Scheme::Http)),
            ("Priority", "u=4, i", Some(2), None),
        ]);
        let values = BTreeMap::from([("who".to_owned(), "me".to_owned())]);
        let request = Places {
            range: Some("bytes=0-9".into()),
            ..Places::default()
        };
        let pairs = |version, scheme| {
            compose(&shape, version, scheme, &values, &request)
                .into_iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            pairs(1, Scheme::Http),
            [
                "Connection: keep-alive",
                "Range: bytes=0-9",
                "User-Agent: x me y",
                "Accept-Encoding: gzip"
            ]
        );
        assert_eq!(
            pairs(2, Scheme::Https),
            [
                "range: bytes=0-9",
                "user-agent: x me y",
                "sec-fetch-site: none",
                "priority: u=4, i"
            ]
        );
    }
}

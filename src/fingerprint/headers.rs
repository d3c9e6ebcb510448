//! From a request shape to the header list of one request.
//!
//! Pure text: the shape says which headers a browser sends and in what order, the request brings the few values that
//! differ from one to the next, and the changes that the user makes ([`Edit`]; which may be made is `edits`' to say).
//! What goes around the list (request line, `Host`, pseudo-headers) is `net`'s.

use std::collections::BTreeMap;

use super::schema::{Fingerprint, HeaderLine, RequestShape, Scheme};

/// Name of the line in a shape that stands for the headers which the user adds.
pub(super) const EXTRA: &str = "*";

/// What HTTP/2 has no place for (RFC 9113 §8.2.2), and `Host`, which is around the list.
const HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "host",
];

/// A header as the user wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// As the user spelled it; used only where the browser has no header of this name.
    pub name: String,
    /// Without a value, the browser's header of this name is left out.
    pub value: Option<String>,
}

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
    /// Cookies as `Cookie` carries them.
    pub cookie: Option<String>,
    /// How the page the user came from is related to the address: what `Sec-Fetch-Site` says instead of `none`.
    pub site: Option<&'static str>,
    /// Whether a redirect led here.
    pub redirected: bool,
    /// What the user changes.
    pub edits: Vec<Edit>,
    /// Present if a proxy reads this request.
    pub proxied: Option<Proxied>,
}

/// How a request is made that a proxy reads (`http://` through a proxy for HTTP).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxied {
    /// The name that `Connection` has then.
    pub connection: String,
    /// `Proxy-Authorization`.
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
            "cookie" => self.cookie.as_deref(),
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
    let composer = Composer {
        lines: ordered(shape, request.redirected),
        version,
        scheme,
        values,
        request,
    };
    let mut list = Vec::new();
    for (at, line) in composer.lines.iter().enumerate() {
        composer.line(at, line, &mut list);
    }
    composer.unplaced(&mut list);
    if version == 2 {
        for (name, _) in &mut list {
            name.make_ascii_lowercase();
        }
    }
    list
}

/// A shape's lines in wire order.
fn ordered(shape: &RequestShape, redirected: bool) -> Vec<&HeaderLine> {
    let mut lines: Vec<_> = shape.headers.iter().collect();
    let Some(change) = shape.redirected.as_ref().filter(|_| redirected) else {
        return lines;
    };
    let named = |line: &HeaderLine, name: &str| line.name.eq_ignore_ascii_case(name);
    let moves = |line: &HeaderLine| change.moves.iter().position(|name| named(line, name));
    let mut moved: Vec<_> = lines
        .iter()
        .copied()
        .filter(|line| moves(line).is_some())
        .collect();
    moved.sort_by_key(|line| moves(line));
    lines.retain(|line| moves(line).is_none());
    let at = lines.iter().position(|line| named(line, &change.before));
    let at = at.unwrap_or(lines.len());
    lines.splice(at..at, moved);
    lines
}

/// The headers of a CONNECT request, `Host` among them; `authority` with the port.
#[must_use]
pub fn connect(
    fingerprint: &Fingerprint,
    authority: &str,
    authorization: Option<&str>,
) -> Vec<(String, String)> {
    let mut values = fingerprint.values.clone();
    values.insert("authority".to_owned(), authority.to_owned());
    if let Some(authorization) = authorization {
        values.insert("proxy_authorization".to_owned(), authorization.to_owned());
    }
    let lines = fingerprint.proxy.connect.iter();
    lines
        .filter_map(|line| {
            let value = fill(&line.value, &values, &Places::default())?;
            Some((line.name.clone(), value))
        })
        .collect()
}

/// The arguments of [`compose`].
struct Composer<'a> {
    /// In wire order.
    lines: Vec<&'a HeaderLine>,
    version: u8,
    scheme: Scheme,
    values: &'a BTreeMap<String, String>,
    request: &'a Places,
}

impl Composer<'_> {
    /// What the line number `at` becomes, appended.
    fn line(&self, at: usize, line: &HeaderLine, list: &mut Vec<(String, String)>) {
        if line.name == EXTRA {
            return list.extend(self.extra());
        }
        if let Some(edit) = self.edit(line) {
            if self.edited_line(line) == Some(at)
                && let Some(value) = &edit.value
                && self.may_carry(&line.name)
            {
                list.push((line.name.clone(), value.clone()));
            }
            return;
        }
        if !self.applies(line) {
            return;
        }
        let Some(value) = self.value(line) else {
            return;
        };
        match &self.request.proxied {
            Some(proxied) if line.name.eq_ignore_ascii_case("connection") => {
                list.push((proxied.connection.clone(), value));
                let credentials = proxied.authorization.clone();
                list.extend(credentials.map(|value| ("Proxy-Authorization".to_owned(), value)));
            }
            _ => list.push((line.name.clone(), value)),
        }
    }

    fn applies(&self, line: &HeaderLine) -> bool {
        line.http.is_none_or(|only| only == self.version)
            && line.scheme.is_none_or(|only| only == self.scheme)
    }

    fn value(&self, line: &HeaderLine) -> Option<String> {
        let typed = line.name.eq_ignore_ascii_case("sec-fetch-site") && line.value == "none";
        match self.request.site {
            Some(site) if typed => Some(site.to_owned()),
            _ => fill(&line.value, self.values, self.request),
        }
    }

    /// The user's last word on this line. A range of an encoded body would be of no use, so a shape that asks for the
    /// bytes as they are stored keeps doing so.
    fn edit(&self, line: &HeaderLine) -> Option<&Edit> {
        if line.name.eq_ignore_ascii_case("accept-encoding") && line.value == "identity" {
            return None;
        }
        let mut edits = self.request.edits.iter();
        edits.rfind(|edit| edit.name.eq_ignore_ascii_case(&line.name))
    }

    /// Which of several lines with the same name an edit takes: one that applies to this request, else the first.
    fn edited_line(&self, line: &HeaderLine) -> Option<usize> {
        let same = |other: &&'_ HeaderLine| other.name.eq_ignore_ascii_case(&line.name);
        let lines = || self.lines.iter();
        lines()
            .position(|other| same(other) && self.applies(other))
            .or_else(|| lines().position(same))
    }

    /// Headers that the browser does not send.
    fn extra(&self) -> impl Iterator<Item = (String, String)> {
        let edits = self.request.edits.iter();
        edits
            .filter(|edit| !self.is_known(&edit.name) && self.may_carry(&edit.name))
            .filter_map(|edit| Some((edit.name.clone(), edit.value.clone()?)))
    }

    fn is_known(&self, name: &str) -> bool {
        let mut lines = self.lines.iter();
        lines.any(|line| line.name.eq_ignore_ascii_case(name))
    }

    fn may_carry(&self, name: &str) -> bool {
        let hop = HOP.iter().any(|hop| hop.eq_ignore_ascii_case(name));
        match self.version {
            1 => !name.eq_ignore_ascii_case("host"),
            _ => !hop,
        }
    }

    /// Cookies and the user's headers, where the file has no line for them: at the end, but for what browsers put there.
    fn unplaced(&self, list: &mut Vec<(String, String)>) {
        let last = |(name, _): &(String, String)| {
            !name.eq_ignore_ascii_case("priority") && !name.eq_ignore_ascii_case("te")
        };
        let mut more = Vec::new();
        if !self.is_known(EXTRA) {
            more.extend(self.extra());
        }
        let mut edits = self.request.edits.iter();
        if !self.is_known("cookie")
            && !edits.any(|edit| edit.name.eq_ignore_ascii_case("cookie"))
            && let Some(cookie) = &self.request.cookie
        {
            more.push(("Cookie".to_owned(), cookie.clone()));
        }
        let at = list.iter().rposition(last).map_or(0, |at| at + 1);
        list.splice(at..at, more);
    }
}

/// The names between braces in `text`.
pub(super) fn places(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, place, after) = next_place(rest)?;
        rest = after;
        Some(place)
    })
}

/// What stands before the first place, its name, and what stands behind it.
fn next_place(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (place, after) = rest.split_once('}')?;
    Some((before, place, after))
}

/// `text` with each place filled, or `None` if one has no value.
fn fill(text: &str, values: &BTreeMap<String, String>, request: &Places) -> Option<String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, place, after)) = next_place(rest) {
        let value = request.get(place).or_else(|| Some(values.get(place)?))?;
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [[headers]]
        name = "Connection"
        value = "keep-alive"
        http = 1
        [[headers]]
        name = "Range"
        value = "{range}"
        [[headers]]
        name = "Referer"
        value = "{referer}"
        [[headers]]
        name = "User-Agent"
        value = "x {who} y"
        [[headers]]
        name = "*"
        value = ""
        [[headers]]
        name = "Sec-Fetch-Site"
        value = "none"
        scheme = "https"
        [[headers]]
        name = "Accept-Encoding"
        value = "gzip"
        scheme = "http"
        [[headers]]
        name = "Accept-Encoding"
        value = "br"
        scheme = "https"
        [[headers]]
        name = "Priority"
        value = "u=4, i"
        http = 2
    "#;

    fn pairs(version: u8, scheme: Scheme, request: &Places) -> Vec<String> {
        let shape: RequestShape = toml_edit::de::from_str(FILE).unwrap();
        let values = BTreeMap::from([("who".to_owned(), "me".to_owned())]);
        let list = compose(&shape, version, scheme, &values, request);
        let line = |(name, value)| format!("{name}: {value}");
        list.into_iter().map(line).collect()
    }

    fn edits(edits: &[(&str, Option<&str>)]) -> Places {
        let edit = |&(name, value): &(&str, Option<&str>)| Edit {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        };
        Places {
            edits: edits.iter().map(edit).collect(),
            ..Places::default()
        }
    }

    #[test]
    fn lines_without_a_value_are_left_out_and_versions_and_schemes_differ() {
        let request = Places {
            range: Some("bytes=0-9".into()),
            ..Places::default()
        };
        assert_eq!(
            pairs(1, Scheme::Http, &request),
            [
                "Connection: keep-alive",
                "Range: bytes=0-9",
                "User-Agent: x me y",
                "Accept-Encoding: gzip"
            ]
        );
        assert_eq!(
            pairs(2, Scheme::Https, &request),
            [
                "range: bytes=0-9",
                "user-agent: x me y",
                "sec-fetch-site: none",
                "accept-encoding: br",
                "priority: u=4, i"
            ]
        );
    }

    #[test]
    fn edits_replace_in_place_remove_and_add_where_the_file_says() {
        let request = edits(&[
            ("user-agent", Some("other")),
            ("SEC-FETCH-SITE", None),
            ("X-New", Some("1")),
            ("X-Gone", None),
            ("accept-encoding", Some("identity")),
            ("Host", Some("elsewhere")),
            ("Referer", Some("http://a/")),
            ("Connection", Some("keep-alive")),
        ]);
        assert_eq!(
            pairs(2, Scheme::Https, &request),
            [
                "referer: http://a/",
                "user-agent: other",
                "x-new: 1",
                "accept-encoding: identity",
                "priority: u=4, i"
            ]
        );
        assert_eq!(
            pairs(1, Scheme::Http, &request),
            [
                "Connection: keep-alive",
                "Referer: http://a/",
                "User-Agent: other",
                "X-New: 1",
                "Accept-Encoding: identity",
            ]
        );
    }

    #[test]
    fn a_redirect_moves_what_the_file_says() {
        let redirect =
            "redirected = { moves = [\"Sec-Fetch-Site\", \"range\"], before = \"User-Agent\" }\n";
        let shape: RequestShape = toml_edit::de::from_str(&format!("{redirect}{FILE}")).unwrap();
        let values = BTreeMap::from([("who".to_owned(), "me".to_owned())]);
        let names = |redirected| {
            let request = Places {
                range: Some("bytes=0-9".into()),
                redirected,
                ..Places::default()
            };
            let list = compose(&shape, 2, Scheme::Https, &values, &request);
            list.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        let rest = ["accept-encoding", "priority"];
        assert_eq!(
            names(false),
            [&["range", "user-agent", "sec-fetch-site"], &rest[..]].concat()
        );
        assert_eq!(
            names(true),
            [&["sec-fetch-site", "range", "user-agent"], &rest[..]].concat()
        );
    }

    #[test]
    fn cookies_without_a_line_go_before_what_is_always_last() {
        let mut request = edits(&[]);
        request.cookie = Some("a=b".into());
        let list = pairs(2, Scheme::Https, &request);
        assert_eq!(list[3..], ["cookie: a=b", "priority: u=4, i"]);
        request.edits = edits(&[("Cookie", None)]).edits;
        assert!(!pairs(2, Scheme::Https, &request).contains(&"cookie: a=b".to_owned()));
    }

    #[test]
    fn who_comes_from_a_page_says_so_and_who_asks_a_proxy_too() {
        let request = Places {
            site: Some("cross-site"),
            proxied: Some(Proxied {
                connection: "Proxy-Connection".into(),
                authorization: Some("Basic x".into()),
            }),
            ..Places::default()
        };
        assert_eq!(
            pairs(2, Scheme::Https, &request)[1],
            "sec-fetch-site: cross-site"
        );
        assert_eq!(
            pairs(1, Scheme::Http, &request)[..2],
            [
                "Proxy-Connection: keep-alive",
                "Proxy-Authorization: Basic x"
            ]
        );
    }

    #[test]
    fn a_shape_that_wants_stored_bytes_keeps_saying_so() {
        let line = HeaderLine {
            name: "Accept-Encoding".into(),
            value: "identity".into(),
            http: None,
            scheme: None,
        };
        let shape = RequestShape {
            open: false,
            redirected: None,
            priority: None,
            headers: vec![line],
        };
        let request = edits(&[("Accept-Encoding", Some("gzip"))]);
        let list = compose(&shape, 1, Scheme::Https, &BTreeMap::new(), &request);
        assert_eq!(list[0].1, "identity");
    }
}

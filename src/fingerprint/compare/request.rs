//! One request against a shape of the file: its header list and its place in the priority tree.

use super::Difference;
use crate::fingerprint::Fingerprint;
use crate::fingerprint::headers::{Places, compose};
use crate::fingerprint::observed::Request;
use crate::fingerprint::schema::{DependsOn, RequestShape, Scheme};

/// Differences between a request's header list and a shape of the file, whose name is `name`.
#[must_use]
pub fn request(
    expected: &Fingerprint,
    name: &str,
    shape: &RequestShape,
    places: &Places,
    seen: &Request,
) -> Vec<Difference> {
    let version = if seen.stream > 0 { 2 } else { 1 };
    let mut list = compose(shape, version, Scheme::Https, &expected.values, places);
    if version == 1 {
        let host = seen.header("host").unwrap_or("missing").to_owned();
        list.insert(0, ("Host".to_owned(), host));
    }
    header_list(
        &format!("{name}.headers over HTTP/{version}"),
        &list,
        &seen.headers,
    )
}

/// Differences between two header lists: in their names and order, else in single values.
#[must_use]
pub fn header_list(
    field: &str,
    expected: &[(String, String)],
    seen: &[(String, String)],
) -> Vec<Difference> {
    let names = |list: &[(String, String)]| {
        list.iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    if names(expected) != names(seen) {
        return vec![Difference::new(field, names(expected), names(seen))];
    }
    expected
        .iter()
        .zip(seen)
        .filter(|(expected, seen)| expected != seen)
        .map(|((name, expected), (_, seen))| {
            Difference::new(format!("{field}: {name}"), expected, seen)
        })
        .collect()
}

/// The difference between a request's priority fields and its shape's. `previous` is the stream of the latest request
/// that is still open, 0 if there is none.
#[must_use]
pub fn priority(
    name: &str,
    shape: &RequestShape,
    seen: &Request,
    previous: u32,
) -> Option<Difference> {
    if seen.stream == 0 {
        return None;
    }
    let words = |weight: u16, exclusive: bool, parent: u32| {
        let exclusive = if exclusive { ", exclusive" } else { "" };
        format!("weight {weight}{exclusive}, depends on stream {parent}")
    };
    let expected = shape.priority.map_or("none".to_owned(), |it| {
        let parent = match it.depends_on {
            DependsOn::Root => 0,
            DependsOn::Previous => previous,
        };
        words(it.weight, it.exclusive, parent)
    });
    let got = seen.priority.map_or("none".to_owned(), |it| {
        words(it.weight, it.exclusive, it.dependency)
    });
    (expected != got).then(|| Difference::new(format!("{name}.priority"), expected, got))
}

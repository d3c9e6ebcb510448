//! Fingerprints: what a browser shows on the wire, as data.
//!
//! [`schema`] is the shape of a file, [`inherit`] reads one, [`headers`] composes a request's header list from it; the
//! files of the `fingerprints` folder are embedded by `build.rs`, which refuses to build with a wrong one. No browser is
//! described in code, and nothing here sets an option of curl or BoringSSL.

pub mod agent;
mod check;
pub mod compare;
pub mod describe;
pub mod edits;
pub mod headers;
mod inherit;
pub mod ja;
#[cfg(test)]
mod known;
pub mod names;
pub mod observed;
mod platform;
pub mod recording;
pub mod schema;
pub mod text;
pub mod wire;

pub use platform::NoPlatform;
pub use schema::Fingerprint;

include!(concat!(env!("OUT_DIR"), "/fingerprints.rs"));

/// No embedded fingerprint has this name.
#[derive(Debug, thiserror::Error)]
#[error("no fingerprint is called `{name}`")]
pub struct UnknownFingerprint {
    /// What was asked for.
    pub name: String,
    /// The most similar names that exist, best first.
    pub nearest: Vec<&'static str>,
}

/// Names of the embedded fingerprints, sorted, without aliases.
pub fn names() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|&(name, _)| name)
}

/// Other names of the embedded fingerprint called `name`.
pub fn aliases(name: &str) -> impl Iterator<Item = &'static str> {
    let of_it = ALIASES.iter().filter(move |(_, target)| *target == name);
    of_it.map(|(alias, _)| *alias)
}

/// The embedded fingerprint called `name`, which may be an alias.
///
/// # Errors
/// [`UnknownFingerprint`] with the nearest names.
///
/// # Panics
/// Never: `build.rs` has read every embedded file.
pub fn find(name: &str) -> Result<Fingerprint, UnknownFingerprint> {
    let Some(text) = text(name) else {
        return Err(UnknownFingerprint {
            name: name.to_owned(),
            nearest: nearest(name),
        });
    };
    Ok(read(text).expect("build.rs has read every embedded file"))
}

/// The newest embedded fingerprint of a family; of all of them if that family has none.
///
/// # Panics
/// Never: `build.rs` has read every embedded file.
#[must_use]
pub fn newest(family: &str) -> String {
    let all = || names().filter_map(|name| find(name).ok().map(|it| it.browser));
    let latest = |browsers: &mut dyn Iterator<Item = schema::Browser>| {
        // Of the same day, the one whose name comes first: the brand, not what it is built from.
        browsers.max_by(|a, b| a.released.cmp(&b.released).then(b.name.cmp(&a.name)))
    };
    let of_family = latest(&mut all().filter(|browser| browser.family == family));
    let newest = of_family.or_else(|| latest(&mut all()));
    newest.expect("there are embedded files").name
}

/// Reads a file of the user's own, which may inherit from the embedded ones.
///
/// # Errors
/// A message with line and key.
pub fn read(text_of_file: &str) -> Result<Fingerprint, String> {
    inherit::read(text_of_file, text)
}

/// The embedded file called `name`, which may be an alias.
fn text(name: &str) -> Option<&'static str> {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    let name = alias.map_or(name, |(_, target)| target);
    let file = EMBEDDED.iter().find(|(known, _)| *known == name);
    file.map(|(_, text)| *text)
}

/// Up to three names or aliases, by the share of letter pairs they have in common with `name`.
fn nearest(name: &str) -> Vec<&'static str> {
    let pairs = |text: &str| {
        text.to_ascii_lowercase()
            .into_bytes()
            .windows(2)
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>()
    };
    let asked = pairs(name);
    let mut scored: Vec<_> = names()
        .chain(ALIASES.iter().map(|&(alias, _)| alias))
        .map(|known| {
            let known_pairs = pairs(known);
            let common = known_pairs
                .iter()
                .filter(|pair| asked.contains(pair))
                .count();
            (
                common * 200 / (known_pairs.len() + asked.len()).max(1),
                known,
            )
        })
        .collect();
    scored.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, known)| known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_file_parses_and_is_named_after_itself() {
        assert!(names().count() > 0);
        for name in names() {
            assert_eq!(find(name).unwrap().browser.name, name);
        }
    }

    #[test]
    fn an_unknown_name_brings_the_nearest() {
        let error = find("chrom120").unwrap_err();
        assert_eq!(error.nearest.first(), Some(&"chrome120"));
    }

    #[test]
    fn a_wrong_file_is_reported_with_line_and_key() {
        let text = text("chrome120").unwrap();
        let error = read(&text.replace("permute_extensions", "permute_extension")).unwrap_err();
        assert!(
            error.starts_with("line ") && error.contains("permute_extension"),
            "{error}"
        );
        let error =
            read(&text.replace("TLS_AES_128_GCM_SHA256", "TLS_AES_129_GCM_SHA256")).unwrap_err();
        assert!(
            error.starts_with("line ") && error.contains("TLS_AES_129_GCM_SHA256"),
            "{error}"
        );
    }

    #[test]
    fn an_alias_is_another_name() {
        for (alias, name) in ALIASES {
            assert_eq!(find(alias).unwrap().browser.name, *name);
        }
    }
}

//! Fingerprints: what a browser shows on the wire, as data.
//!
//! [`schema`] is the shape of a file, [`headers`] composes a request's header list from it; the files of the
//! `fingerprints` folder are embedded by `build.rs`, which refuses to build with a wrong one. No browser is described
//! in code, and nothing here sets an option of curl or BoringSSL.

pub mod headers;
pub mod ja;
pub mod names;
pub mod schema;
pub mod wire;

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

/// Names of the embedded fingerprints, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|&(name, _)| name)
}

/// The embedded fingerprint called `name`.
///
/// # Errors
/// [`UnknownFingerprint`] with the nearest names.
///
/// # Panics
/// Never: `build.rs` has parsed every embedded file.
pub fn find(name: &str) -> Result<Fingerprint, UnknownFingerprint> {
    let Some((_, text)) = EMBEDDED.iter().find(|(known, _)| *known == name) else {
        return Err(UnknownFingerprint {
            name: name.to_owned(),
            nearest: nearest(name),
        });
    };
    Ok(Fingerprint::parse(text).expect("build.rs has parsed every embedded file"))
}

/// Up to three names, by the share of letter pairs they have in common with `name`.
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
        let text = EMBEDDED[0]
            .1
            .replace("permute_extensions", "permute_extension");
        let error = Fingerprint::parse(&text).unwrap_err();
        assert!(
            error.contains("line") && error.contains("permute_extension"),
            "{error}"
        );
        let text = EMBEDDED[0]
            .1
            .replace("TLS_AES_128_GCM_SHA256", "TLS_AES_129_GCM_SHA256");
        let error = Fingerprint::parse(&text).unwrap_err();
        assert!(
            error.contains("line") && error.contains("TLS_AES_129_GCM_SHA256"),
            "{error}"
        );
    }
}

//! What serde can't say of a fingerprint file: rules between keys, and ranges.
//!
//! A fault names the key where it shows, so that [`super::inherit`] can find its line.

use std::collections::BTreeMap;

use super::names;
use super::schema::{
    Fingerprint, OpaqueExtension, PROXY_PLACES, REQUEST_PLACES, RequestShape, Tls,
};

/// A contradiction within a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Table and key where it shows.
    pub at: [&'static str; 2],
    /// What is wrong.
    pub what: String,
}

fn fault(at: [&'static str; 2], what: impl Into<String>) -> Fault {
    let what = what.into();
    Fault { at, what }
}

/// Those that one browser can have several of.
const PLATFORMS: [&str; 3] = ["linux", "macos", "windows"];

impl Fingerprint {
    /// Whether the file contradicts itself.
    pub(super) fn check(&self) -> Result<(), Fault> {
        self.tls.check()?;
        if let Some(other) = self
            .platforms
            .keys()
            .find(|it| !PLATFORMS.contains(&it.as_str()))
        {
            let what = format!("`{other}` is none of linux, macos, windows");
            return Err(fault(["platforms", "linux"], what));
        }
        if let Some(open) = self.values.values().find(|text| text.contains('{')) {
            let what = format!("{open}: nothing of [platforms] is called so");
            return Err(fault(["values", "user_agent"], what));
        }
        if self.http2.first_stream.is_multiple_of(2) {
            let what = "a client's streams have odd ids";
            return Err(fault(["http2", "first_stream"], what));
        }
        for (kind, shape) in [
            ("navigation", &self.navigation),
            ("slice", &self.slice),
            ("resume", &self.resume),
        ] {
            if shape.open && kind != "slice" {
                return Err(fault([kind, "open"], "only a slice can be open"));
            }
            if shape.redirected.is_some() && kind != "navigation" {
                let what = "only a navigation is redirected";
                return Err(fault([kind, "redirected"], what));
            }
            shape.check(kind, &self.values)?;
        }
        self.check_proxy()
    }

    fn check_proxy(&self) -> Result<(), Fault> {
        let at = ["proxy", "connect"];
        for line in &self.proxy.connect {
            for place in super::headers::places(&line.value) {
                if !self.values.contains_key(place) && !PROXY_PLACES.contains(&place) {
                    let what = format!("{}: nothing is called {{{place}}}", line.name);
                    return Err(fault(at, what));
                }
            }
        }
        let mut names = self.proxy.connect.iter().map(|line| &line.name);
        if !names.any(|name| name.eq_ignore_ascii_case("host")) {
            return Err(fault(at, "there is no Host"));
        }
        Ok(())
    }
}

impl Tls {
    fn check(&self) -> Result<(), Fault> {
        let listed = |code| self.extensions.contains(&code);
        let alps = listed(names::ALPS) || listed(names::ALPS_OLD);
        for (key, given, extension) in [
            ("ech_grease", self.ech_grease.is_some(), listed(names::ECH)),
            (
                "application_settings",
                !self.application_settings.is_empty(),
                alps,
            ),
            (
                "certificate_compression",
                !self.certificate_compression.is_empty(),
                listed(names::COMPRESS_CERTIFICATE),
            ),
            (
                "record_size_limit",
                self.record_size_limit.is_some(),
                listed(names::RECORD_SIZE_LIMIT),
            ),
            (
                "delegated_credentials",
                !self.delegated_credentials.is_empty(),
                listed(names::DELEGATED_CREDENTIALS),
            ),
            (
                "trust_anchors",
                !self.trust_anchors.is_empty(),
                listed(names::TRUST_ANCHORS),
            ),
        ] {
            if given != extension {
                let what = "this key and that extension in tls.extensions go together";
                return Err(fault(["tls", key], what));
            }
        }
        for group in &self.key_shares {
            if !self.groups.contains(group) || !names::KEY_SHARES.contains(group) {
                let what =
                    format!("group {group} is not in tls.groups, or no key can be made for it");
                return Err(fault(["tls", "key_shares"], what));
            }
        }
        if self.real_versions().next().is_none() {
            return Err(fault(["tls", "versions"], "there is none"));
        }
        self.check_numbers()
    }

    fn check_numbers(&self) -> Result<(), Fault> {
        if self
            .record_size_limit
            .is_some_and(|limit| !(64..=16385).contains(&limit))
        {
            return Err(fault(["tls", "record_size_limit"], "must be 64 to 16385"));
        }
        if self
            .ech_grease
            .as_ref()
            .is_some_and(|ech| ech.payload_lengths.is_empty() || ech.aeads.is_empty())
        {
            return Err(fault(
                ["tls", "ech_grease"],
                "each list needs at least one value",
            ));
        }
        let unlisted = |opaque: &&OpaqueExtension| !self.extensions.contains(&opaque.extension);
        if let Some(opaque) = self.opaque_extensions.iter().find(unlisted) {
            let what = format!("{} is not in tls.extensions", opaque.extension);
            return Err(fault(["tls", "opaque_extensions"], what));
        }
        Ok(())
    }
}

impl RequestShape {
    fn check(&self, kind: &'static str, values: &BTreeMap<String, String>) -> Result<(), Fault> {
        if self
            .priority
            .is_some_and(|priority| !(1..=256).contains(&priority.weight))
        {
            return Err(fault([kind, "priority"], "weight must be 1 to 256"));
        }
        for line in &self.headers {
            if !matches!(line.http, None | Some(1 | 2)) {
                let what = format!("{}: http must be 1 or 2", line.name);
                return Err(fault([kind, "headers"], what));
            }
            for place in super::headers::places(&line.value) {
                if !values.contains_key(place) && !REQUEST_PLACES.contains(&place) {
                    let what = format!("{}: nothing is called {{{place}}}", line.name);
                    return Err(fault([kind, "headers"], what));
                }
            }
        }
        Ok(())
    }
}

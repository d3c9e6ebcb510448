//! The serde shape of a fingerprint file: what one browser on one platform shows to a server before it is answered.
//!
//! The same types read the files embedded by `build.rs` and a user's own file, so a wrong key or an unknown name is
//! reported with file, line and key in both places. This module only says what a file may contain; [`super`] chooses
//! a file, `net` puts it on the wire. It knows no browser by name.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::names;

/// One browser on one platform.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Who this is, and how we know.
    pub browser: Browser,
    /// Texts that the header lists below refer to as `{key}`.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// The TLS ClientHello.
    pub tls: Tls,
    /// The HTTP/2 connection preface and request frames.
    pub http2: Http2,
    /// The request a browser sends for an address that was typed in.
    pub navigation: RequestShape,
    /// A range request beside a running download.
    pub slice: RequestShape,
    /// The range request that takes up an earlier, interrupted download.
    pub resume: RequestShape,
}

/// Identity of the browser, for lists and messages; nothing here reaches the wire.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Browser {
    /// The name users type after `-B`; equals the file's name.
    pub name: String,
    /// Engine family, e.g. `chrome`.
    pub family: String,
    /// Full version of the recorded program.
    pub version: String,
    /// `linux`, `macos`, `windows`, `android` or `ios`.
    pub platform: String,
    /// Release day, `YYYY-MM-DD`.
    pub released: String,
    /// Where the facts come from.
    pub source: String,
}

/// What the ClientHello advertises (RFC 8446 §4.1.2). Lists are in wire order; [`names::GREASE`] marks a GREASE value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// supported_versions, highest first.
    #[serde(deserialize_with = "names::versions")]
    pub versions: Vec<u16>,
    /// Cipher suites.
    #[serde(deserialize_with = "names::ciphers")]
    pub ciphers: Vec<u16>,
    /// supported_groups.
    #[serde(deserialize_with = "names::groups")]
    pub groups: Vec<u16>,
    /// Groups for which a key share is sent at once.
    #[serde(deserialize_with = "names::groups")]
    pub key_shares: Vec<u16>,
    /// signature_algorithms; repeats are allowed, browsers have them.
    #[serde(deserialize_with = "names::signature_algorithms")]
    pub signature_algorithms: Vec<u16>,
    /// ALPN protocols.
    pub alpn: Vec<String>,
    /// Protocols offered in application_settings (ALPS); the extension list says on which code point.
    #[serde(default)]
    pub application_settings: Vec<String>,
    /// compress_certificate algorithms, each really supported.
    #[serde(default, deserialize_with = "names::compressions")]
    pub certificate_compression: Vec<u16>,
    /// Whether the extensions are shuffled for each connection (all but GREASE, padding and pre_shared_key).
    #[serde(default)]
    pub permute_extensions: bool,
    /// Extension types. With `permute_extensions` the order is only the file's. `padding` means that the padding
    /// rule of RFC 7685 is followed, not that it is in every hello.
    #[serde(deserialize_with = "names::extensions")]
    pub extensions: Vec<u16>,
    /// The fake encrypted_client_hello; present exactly when the extension list has it.
    #[serde(default)]
    pub ech_grease: Option<EchGrease>,
}

/// What varies in a GREASE encrypted_client_hello.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EchGrease {
    /// Payload lengths in bytes, one of which is drawn for each connection.
    pub payload_lengths: Vec<u16>,
    /// HPKE AEAD ids, one of which is drawn for each connection.
    pub aeads: Vec<u16>,
}

/// The opening of an HTTP/2 connection (RFC 9113 §3.4) and what requests on it look like.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http2 {
    /// SETTINGS entries in wire order.
    #[serde(deserialize_with = "names::settings")]
    pub settings: Vec<(u16, u32)>,
    /// Increment of the connection's first WINDOW_UPDATE, in bytes; 0 = none is sent.
    pub window_update: u32,
    /// Order of the pseudo-headers.
    pub pseudo_headers: Vec<String>,
    /// Id of the first request's stream; odd.
    pub first_stream: u32,
    /// Whether the first HEADERS travels in a TLS record of its own, behind the one with preface and SETTINGS.
    pub headers_in_own_record: bool,
}

/// One kind of request: its headers and its place in the priority tree.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestShape {
    /// Priority fields of the HEADERS frame (RFC 7540 §6.2); absent = the flag is not set.
    #[serde(default)]
    pub priority: Option<Priority>,
    /// Headers in wire order, after `Host` or the pseudo-headers. HTTP/2 sends the names in lower case.
    pub headers: Vec<HeaderLine>,
}

/// Stream priority as HTTP/2's first edition has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Priority {
    /// 1 to 256; the wire carries one less.
    pub weight: u16,
    /// The exclusive bit.
    pub exclusive: bool,
    /// The stream this one depends on.
    #[serde(default)]
    pub depends_on: DependsOn,
}

/// The parent in the priority tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DependsOn {
    /// Stream 0.
    #[default]
    Root,
    /// The latest request that is still open, else stream 0.
    Previous,
}

/// One header of a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderLine {
    /// Name as HTTP/1.1 shows it.
    pub name: String,
    /// Text with `{key}` places: keys of `[values]`, or what the request brings (`range`, `strong_etag`, `if_range`,
    /// `last_modified`, `referer`, `authorization`). A line with a place that has no value is left out.
    pub value: String,
    /// Only in this version of HTTP: 1 or 2; absent = both.
    #[serde(default)]
    pub http: Option<u8>,
}

impl Fingerprint {
    /// Reads a file.
    ///
    /// # Errors
    /// A message with line and column for wrong TOML, an unknown key or name, or a contradiction within the file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fingerprint: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        fingerprint.check()?;
        Ok(fingerprint)
    }

    /// What serde can't say: rules between keys.
    fn check(&self) -> Result<(), String> {
        let listed = |code| self.tls.extensions.contains(&code);
        if listed(names::ECH) != self.tls.ech_grease.is_some() {
            return Err(
                "tls.ech_grease and encrypted_client_hello in tls.extensions go together".into(),
            );
        }
        if (listed(names::ALPS) || listed(names::ALPS_OLD))
            == self.tls.application_settings.is_empty()
        {
            return Err(
                "tls.application_settings and that extension in tls.extensions go together".into(),
            );
        }
        if let Some(group) = self
            .tls
            .key_shares
            .iter()
            .find(|group| !self.tls.groups.contains(group))
        {
            return Err(format!(
                "tls.key_shares: group {group} is not in tls.groups"
            ));
        }
        if self.http2.first_stream.is_multiple_of(2) {
            return Err("http2.first_stream: a client's streams have odd ids".into());
        }
        for (kind, shape) in [
            ("navigation", &self.navigation),
            ("slice", &self.slice),
            ("resume", &self.resume),
        ] {
            shape
                .check(&self.values)
                .map_err(|error| format!("{kind}.{error}"))?;
        }
        Ok(())
    }
}

/// Places that the request fills, not the file.
pub const REQUEST_PLACES: [&str; 6] = [
    "range",
    "strong_etag",
    "if_range",
    "last_modified",
    "referer",
    "authorization",
];

impl RequestShape {
    fn check(&self, values: &BTreeMap<String, String>) -> Result<(), String> {
        if self
            .priority
            .is_some_and(|priority| !(1..=256).contains(&priority.weight))
        {
            return Err("priority.weight: must be 1 to 256".into());
        }
        for line in &self.headers {
            if !matches!(line.http, None | Some(1 | 2)) {
                return Err(format!("headers: {}: http must be 1 or 2", line.name));
            }
            for place in super::headers::places(&line.value) {
                if !values.contains_key(place) && !REQUEST_PLACES.contains(&place) {
                    return Err(format!(
                        "headers: {}: nothing is called {{{place}}}",
                        line.name
                    ));
                }
            }
        }
        Ok(())
    }
}

//! The serde shape of a fingerprint file: what one browser on one platform shows to a server before it is answered.
//!
//! The same types read the files embedded by `build.rs` and a user's own file, so a wrong key or an unknown name is
//! reported with line and key in both places. This module only says what a whole file may contain; [`super::inherit`]
//! reads files and joins them with those they inherit from, `net` puts them on the wire. It knows no browser by name.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::names;

/// One browser on one platform.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// The file that this one only changes; its values are already here.
    #[serde(default)]
    pub inherits: Option<String>,
    /// Other names for the same file. Not inherited.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Who this is, and how we know.
    pub browser: Browser,
    /// Texts that the header lists below refer to as `{key}`.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// What is another value on each platform that the browser is known on; the texts of `values` refer to it as `{key}`.
    #[serde(default)]
    pub platforms: BTreeMap<String, BTreeMap<String, String>>,
    /// The values as the file has them, before the platform has filled their places.
    #[serde(skip)]
    pub(super) templates: BTreeMap<String, String>,
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
    /// How it talks to a proxy for HTTP.
    #[serde(default)]
    pub proxy: Proxy,
}

/// What a proxy for HTTP sees.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Proxy {
    /// Headers of CONNECT in wire order, `Host` among them.
    pub connect: Vec<HeaderLine>,
    /// Name of `Connection` in a request for an `http://` address.
    pub connection: String,
}

impl Default for Proxy {
    /// What Chromium does, and most others.
    fn default() -> Self {
        let line = |name: &str, value: &str| HeaderLine {
            name: name.into(),
            value: value.into(),
            http: None,
            scheme: None,
        };
        Self {
            connect: vec![
                line("Host", "{authority}"),
                line("Proxy-Connection", "keep-alive"),
                line("User-Agent", "{user_agent}"),
                line("Proxy-Authorization", "{proxy_authorization}"),
            ],
            connection: "Proxy-Connection".into(),
        }
    }
}

/// Identity of the browser, for lists and messages; nothing here reaches the wire.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Browser {
    /// The name users type after `-B`; equals the file's name. Not inherited.
    pub name: String,
    /// Engine family, e.g. `chrome`.
    pub family: String,
    /// Full version of the recorded program. Not inherited.
    pub version: String,
    /// `linux`, `macos`, `windows`, `android` or `ios`.
    pub platform: String,
    /// Release day, `YYYY-MM-DD`. Not inherited.
    pub released: String,
    /// Where the facts come from. Not inherited.
    pub source: String,
}

/// What the ClientHello advertises (RFC 8446 §4.1.2). Lists are in wire order; [`names::GREASE`] marks a GREASE value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// supported_versions, highest first. The lowest and highest are also what is accepted.
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
    /// record_size_limit in bytes (RFC 8449), 64 to 16385.
    #[serde(default)]
    pub record_size_limit: Option<u16>,
    /// Signature algorithms of delegated_credentials (RFC 9345); only advertised.
    #[serde(default, deserialize_with = "names::signature_algorithms")]
    pub delegated_credentials: Vec<u16>,
    /// Relative object identifiers of trust_anchors, e.g. `11129.9.1`, here as bytes.
    #[serde(default, deserialize_with = "names::trust_anchors")]
    pub trust_anchors: Vec<Vec<u8>>,
    /// Extensions that BoringSSL does not know, with their whole content.
    #[serde(default)]
    pub opaque_extensions: Vec<OpaqueExtension>,
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
    /// What the TLS library does beyond lists.
    #[serde(default)]
    pub habits: Vec<Habit>,
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

/// An extension that is sent as it is; the server's answer to it is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpaqueExtension {
    /// Extension type; also in the extension list, as this number.
    pub extension: u16,
    /// Content without the length before it; hexadecimal in the file.
    #[serde(deserialize_with = "names::hex")]
    pub body: Vec<u8>,
}

/// Habits of NSS, the TLS library of Firefox, and of Firefox with its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Habit {
    /// The x25519 share repeats the x25519 half of the X25519MLKEM768 share.
    SharedX25519,
    /// session_ticket is left out when a TLS 1.3 session is resumed.
    NoTicketWithPsk,
    /// Of the two sessions that are kept for a host, the older one is resumed first; otherwise the newer one.
    OldestTicketFirst,
    /// Sessions of TLS 1.2 are resumed only once, as those of TLS 1.3 always are.
    SessionOnce,
}

/// The opening of an HTTP/2 connection (RFC 9113 §3.4), its flow control, and what requests on it look like.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http2 {
    /// SETTINGS entries in wire order.
    #[serde(deserialize_with = "names::settings")]
    pub settings: Vec<(u16, u32)>,
    /// Increment of the connection's first WINDOW_UPDATE, in bytes; 0 = none is sent.
    pub window_update: u32,
    /// Increment of a WINDOW_UPDATE right behind the HEADERS of each request, on its stream; 0 = none is sent.
    #[serde(default)]
    pub stream_window_update: u32,
    /// When received bytes are acknowledged; absent = at half of each window, as nghttp2 does.
    #[serde(default)]
    pub credit: Option<Credit>,
    /// Order of the pseudo-headers.
    pub pseudo_headers: Vec<String>,
    /// Id of the first request's stream; odd.
    pub first_stream: u32,
    /// Whether the first HEADERS travels in a TLS record of its own, behind the one with preface and SETTINGS.
    pub headers_in_own_record: bool,
    /// Strings of header blocks are always Huffman coded, not only where that is shorter.
    #[serde(default)]
    pub huffman_always: bool,
    /// `:path` is always a literal, even the `/` that HPACK's static table has; another path takes its name from the
    /// entry behind that one.
    #[serde(default)]
    pub path_always_literal: bool,
    /// Each cookie is a header field of its own (RFC 9113 §8.2.3).
    #[serde(default)]
    pub split_cookies: bool,
}

/// Bytes that are received and not acknowledged before a WINDOW_UPDATE for all of them is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credit {
    /// On a stream.
    pub stream: u32,
    /// On the connection.
    pub connection: u32,
}

/// One kind of request: its headers and its place in the priority tree.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestShape {
    /// The browser asks for everything from an offset (`bytes=N-`) and cancels, where it could name an end. Only in
    /// `[slice]`.
    #[serde(default)]
    pub open: bool,
    /// What stands elsewhere where a redirect led here; only in `[navigation]`.
    #[serde(default)]
    pub redirected: Option<Redirected>,
    /// Priority fields of the HEADERS frame (RFC 7540 §6.2); absent = the flag is not set.
    #[serde(default)]
    pub priority: Option<Priority>,
    /// Headers in wire order, after `Host` or the pseudo-headers. HTTP/2 sends the names in lower case.
    pub headers: Vec<HeaderLine>,
}

/// How a redirect changes the order of headers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redirected {
    /// Names of the headers that move, in their new order.
    pub moves: Vec<String>,
    /// Name of the header before which they stand then.
    pub before: String,
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
    /// Name as HTTP/1.1 shows it; `*` stands for the headers that the user adds.
    pub name: String,
    /// Text with `{key}` places: keys of `[values]`, or what the request brings (`range`, `strong_etag`, `if_range`,
    /// `last_modified`, `referer`, `authorization`, `cookie`; to a proxy `authority` and `proxy_authorization`). A line
    /// with a place that has no value is left out.
    pub value: String,
    /// Only in this version of HTTP: 1 or 2; absent = both.
    #[serde(default)]
    pub http: Option<u8>,
    /// Only to addresses of this scheme; absent = both.
    #[serde(default)]
    pub scheme: Option<Scheme>,
}

/// How an address is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

/// Places that the request fills, not the file.
pub const REQUEST_PLACES: [&str; 7] = [
    "range",
    "strong_etag",
    "if_range",
    "last_modified",
    "referer",
    "authorization",
    "cookie",
];

/// Places of CONNECT that the request fills.
pub const PROXY_PLACES: [&str; 2] = ["authority", "proxy_authorization"];

impl Tls {
    /// Versions without GREASE.
    pub fn real_versions(&self) -> impl Iterator<Item = u16> + '_ {
        self.versions
            .iter()
            .copied()
            .filter(|version| *version != names::GREASE)
    }

    /// Extensions whose content the file gives, with that content as it is sent.
    #[must_use]
    pub fn bodies(&self) -> Vec<(u16, Vec<u8>)> {
        let mut bodies = Vec::new();
        if let Some(limit) = self.record_size_limit {
            bodies.push((names::RECORD_SIZE_LIMIT, limit.to_be_bytes().into()));
        }
        if !self.delegated_credentials.is_empty() {
            let list: Vec<u8> = self
                .delegated_credentials
                .iter()
                .flat_map(|code| code.to_be_bytes())
                .collect();
            let length = u16::try_from(list.len()).unwrap_or(u16::MAX);
            let body = [&length.to_be_bytes()[..], &list].concat();
            bodies.push((names::DELEGATED_CREDENTIALS, body));
        }
        bodies.extend(
            self.opaque_extensions
                .iter()
                .map(|opaque| (opaque.extension, opaque.body.clone())),
        );
        bodies
    }
}

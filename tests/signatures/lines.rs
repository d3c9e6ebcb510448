//! Two descriptions of one opening brought to the same form: a field and its text each.

use std::collections::BTreeMap;

use hydrastream::fingerprint::observed::{Connection, frame_text};
use hydrastream::fingerprint::wire::extension::{self, Body, Extension, is_grease};
use hydrastream::fingerprint::wire::frames::Payload;
use serde_json::Value;

type Lines = BTreeMap<String, String>;

/// Names of extensions in signature files.
const EXTENSIONS: [(&str, u16); 25] = [
    ("server_name", 0),
    ("status_request", 5),
    ("supported_groups", 10),
    ("ec_point_formats", 11),
    ("signature_algorithms", 13),
    ("application_layer_protocol_negotiation", 16),
    ("signed_certificate_timestamp", 18),
    ("padding", 21),
    ("extended_master_secret", 23),
    ("compress_certificate", 27),
    ("record_size_limit", 28),
    ("delegated_credentials", 34),
    ("session_ticket", 35),
    ("pre_shared_key", 41),
    ("supported_versions", 43),
    ("psk_key_exchange_modes", 45),
    ("keyshare", 51),
    ("application_settings", 17513),
    ("application_settings_old", 17513),
    ("application_settings_new", 17613),
    ("trust_anchors", 51764),
    ("encrypted_client_hello", 65037),
    ("renegotiation_info", 65281),
    ("GREASE", GREASE),
    ("unknown", 0xffff),
];
const GREASE: u16 = 0x0a0a;

/// Fields of a signature file, those that it has.
pub fn of_signature(signature: &Value) -> Lines {
    let mut lines = Lines::new();
    let hello = &signature["tls_client_hello"];
    let permuted = signature["options"]["tls_permute_extensions"] == true;
    lines.insert("ciphers".into(), numbers(&hello["ciphersuites"]));
    lines.insert("session id".into(), text(&hello["session_id_length"]));
    let extensions = list(&hello["extensions"]);
    let ids: Vec<u16> = extensions.iter().map(|it| id_of(&it["type"])).collect();
    lines.insert("extensions".into(), order(ids, permuted));
    for it in extensions {
        let id = id_of(&it["type"]);
        let key = |name: &str| it.get(name).map(numbers);
        let content = match id {
            extension::SUPPORTED_GROUPS => key("supported_groups"),
            extension::EC_POINT_FORMATS => key("ec_point_formats"),
            extension::SIGNATURE_ALGORITHMS | extension::DELEGATED_CREDENTIALS => {
                key("sig_hash_algs")
            }
            extension::ALPN => key("alpn_list"),
            extension::COMPRESS_CERTIFICATE => key("algorithms"),
            extension::RECORD_SIZE_LIMIT => it.get("record_size_limit").map(text),
            extension::SUPPORTED_VERSIONS => key("supported_versions"),
            extension::PSK_KEY_EXCHANGE_MODES => it.get("psk_ke_mode").map(text),
            extension::ALPS_OLD | extension::ALPS => key("alps_alpn_list"),
            extension::KEY_SHARE => Some(shares(&it["key_shares"])),
            _ => None,
        };
        lines.extend(content.map(|content| (format!("extension {id}"), content)));
    }
    let frames = list(&signature["http2"]["frames"]);
    if frames.iter().any(|frame| frame["frame_type"] == "SETTINGS") {
        let mut texts: Vec<_> = frames.iter().map(frame).collect();
        let behind = list(&signature["http2"]["after_headers"]).iter();
        let stream = frames
            .last()
            .map(|it| text(&it["stream_id"]))
            .unwrap_or_default();
        texts.extend(behind.map(|it| format!("{} {stream} +{}", text(&it[0]), text(&it[2]))));
        lines.insert("frames".into(), texts.join(", "));
        let settings = frames[0]["settings"].as_array().unwrap().iter();
        let pair = |it: &Value| format!("{}:{}", it["key"], it["value"]);
        lines.insert(
            "SETTINGS".into(),
            settings.map(pair).collect::<Vec<_>>().join(";"),
        );
    }
    if let Some(headers) = frames.iter().find(|it| it["frame_type"] == "HEADERS") {
        request(headers, &mut lines);
    }
    lines
}

/// A HEADERS frame of a signature file.
fn request(headers: &Value, lines: &mut Lines) {
    lines.insert("pseudo-headers".into(), numbers(&headers["pseudo_headers"]));
    if let Some(it) = headers.get("priority") {
        let exclusive = if it["exclusive"] == true {
            ", exclusive"
        } else {
            ""
        };
        lines.insert("priority".into(), format!("{}{exclusive}", it["weight"]));
    }
    let pairs = list(&headers["headers"]).iter();
    let pairs = pairs.map(|line| line.as_str().unwrap().split_once(": ").unwrap());
    fields(pairs, lines);
}

/// Fields of a connection that a server of ours saw.
pub fn of_connection(connection: &Connection, permuted: bool) -> Lines {
    let mut lines = Lines::new();
    let hello = &connection.hellos[0];
    lines.insert("ciphers".into(), codes(&hello.ciphers));
    lines.insert("session id".into(), hello.session_id.len().to_string());
    let ids = hello.extensions.iter().map(|it| it.id).collect();
    lines.insert("extensions".into(), order(ids, permuted));
    lines.extend(hello.extensions.iter().filter_map(content));
    let frames = connection.opening_frames();
    lines.insert(
        "frames".into(),
        frames.iter().map(frame_text).collect::<Vec<_>>().join(", "),
    );
    if let Payload::Settings(pairs) = &frames[0].payload {
        let pairs = pairs.iter().map(|(key, value)| format!("{key}:{value}"));
        lines.insert("SETTINGS".into(), pairs.collect::<Vec<_>>().join(";"));
    }
    let request = &connection.requests[0];
    let pseudo: Vec<_> = request
        .pseudo
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    lines.insert("pseudo-headers".into(), pseudo.join(" "));
    if let Some(it) = request.priority {
        let exclusive = if it.exclusive { ", exclusive" } else { "" };
        lines.insert("priority".into(), format!("{}{exclusive}", it.weight));
    }
    let pairs = request.headers.iter();
    fields(
        pairs.map(|(name, value)| (name.as_str(), value.as_str())),
        &mut lines,
    );
    lines
}

/// Names in their order, and each value.
fn fields<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>, lines: &mut Lines) {
    let mut names = Vec::new();
    for (name, value) in pairs {
        names.push(name);
        lines.insert(format!("header {name}"), value.to_owned());
    }
    lines.insert("headers".into(), names.join(", "));
}

/// An extension's content, where files have it.
fn content(it: &Extension) -> Option<(String, String)> {
    let words = |list: &[Vec<u8>]| {
        let words = list
            .iter()
            .map(|word| String::from_utf8_lossy(word).into_owned());
        words.collect::<Vec<_>>().join(" ")
    };
    let content = match &it.body {
        Body::SupportedGroups(list)
        | Body::SignatureAlgorithms(list)
        | Body::DelegatedCredentials(list)
        | Body::CompressCertificate(list)
        | Body::SupportedVersions(list) => codes(list),
        Body::EcPointFormats(list) | Body::PskKeyExchangeModes(list) => {
            list.iter().map(u8::to_string).collect::<Vec<_>>().join(" ")
        }
        Body::Alpn(list) | Body::Alps(list) => words(list),
        Body::RecordSizeLimit(limit) => limit.to_string(),
        Body::KeyShares(shares) => {
            let share = shares
                .iter()
                .map(|it| format!("{}:{}", code(it.group), it.key.len()));
            share.collect::<Vec<_>>().join(" ")
        }
        _ => return None,
    };
    Some((format!("extension {}", it.id), content))
}

/// Extension types in their order, or sorted if that is drawn. Padding depends on the length, not on the browser.
fn order(mut ids: Vec<u16>, permuted: bool) -> String {
    ids.retain(|id| *id != extension::PADDING);
    if permuted {
        ids.sort_by_key(|id| if is_grease(*id) { GREASE } else { *id });
    }
    codes(&ids)
}

fn frame(it: &Value) -> String {
    let stream = text(&it["stream_id"]);
    match it["frame_type"].as_str().unwrap() {
        "SETTINGS" if list(&it["settings"]).is_empty() => "SETTINGS ack".to_owned(),
        "SETTINGS" => "SETTINGS".to_owned(),
        "WINDOW_UPDATE" => format!("WINDOW_UPDATE {stream} +{}", it["window_size_increment"]),
        other => format!("{other} {stream}"),
    }
}

fn shares(list_of: &Value) -> String {
    let share = |it: &Value| format!("{}:{}", word(&it["group"]), it["length"]);
    list(list_of)
        .iter()
        .map(share)
        .collect::<Vec<_>>()
        .join(" ")
}

fn id_of(name: &Value) -> u16 {
    let known = EXTENSIONS.iter().find(|(known, _)| name == known);
    known.unwrap_or_else(|| panic!("an extension {name}")).1
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn numbers(value: &Value) -> String {
    list(value).iter().map(word).collect::<Vec<_>>().join(" ")
}

/// A number, a name, or a version by its number.
fn word(value: &Value) -> String {
    match value.as_str() {
        Some("TLS_VERSION_1_0") => 0x0301.to_string(),
        Some("TLS_VERSION_1_1") => 0x0302.to_string(),
        Some("TLS_VERSION_1_2") => 0x0303.to_string(),
        Some("TLS_VERSION_1_3") => 0x0304.to_string(),
        Some(other) => other.to_owned(),
        None => value.to_string(),
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn codes(list: &[u16]) -> String {
    list.iter().copied().map(code).collect::<Vec<_>>().join(" ")
}

fn code(code: u16) -> String {
    if is_grease(code) {
        "GREASE".to_owned()
    } else {
        code.to_string()
    }
}

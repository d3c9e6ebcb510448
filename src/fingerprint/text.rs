//! Writes a fingerprint as the file that reads back as the same: for recordings, and for showing two side by side.
//!
//! Keys come in the order in which `fingerprints/README.md` explains them, and a key whose value is its default is left
//! out. Inheritance and aliases are not written: what is written is whole.

use std::fmt::Write as _;

use super::Fingerprint;
use super::names::{List, text};
use super::schema::{
    Browser, DependsOn, EchGrease, Habit, HeaderLine, Http2, OpaqueExtension, Priority, Proxy,
    Redirected, RequestShape, Scheme, Tls,
};

/// A key of a table and its value, as TOML.
pub type Line = (&'static str, String);

/// Lists longer than this are written one element a line, in characters.
const WIDTH: usize = 100;

/// The whole file, with `notes` as comments before the first table.
#[must_use]
pub fn file(fingerprint: &Fingerprint, notes: &[String]) -> String {
    let mut file: String = notes.iter().map(|note| format!("# {note}\n")).collect();
    put(&mut file, "browser", &browser(&fingerprint.browser));
    if !fingerprint.templates.is_empty() {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(file, "\n[values]");
        for (key, value) in &fingerprint.templates {
            let _ = writeln!(file, "{key} = {}", quoted(value));
        }
    }
    if !fingerprint.platforms.is_empty() {
        let _ = writeln!(file, "\n[platforms]");
        for (platform, brings) in &fingerprint.platforms {
            let pairs = brings.iter();
            let pairs: Vec<_> = pairs
                .map(|(key, value)| format!("{key} = {}", quoted(value)))
                .collect();
            let _ = writeln!(file, "{platform} = {{ {} }}", pairs.join(", "));
        }
    }
    put(&mut file, "tls", &tls(&fingerprint.tls));
    put(&mut file, "http2", &http2(&fingerprint.http2));
    put(&mut file, "navigation", &shape(&fingerprint.navigation));
    put(&mut file, "slice", &shape(&fingerprint.slice));
    put(&mut file, "resume", &shape(&fingerprint.resume));
    put(&mut file, "proxy", &proxy(&fingerprint.proxy));
    file.trim_start().to_owned()
}

fn put(file: &mut String, table: &str, lines: &[Line]) {
    let _ = writeln!(file, "\n[{table}]");
    for (key, value) in lines {
        let _ = writeln!(file, "{key} = {value}");
    }
}

fn browser(browser: &Browser) -> Vec<Line> {
    vec![
        ("name", quoted(&browser.name)),
        ("family", quoted(&browser.family)),
        ("version", quoted(&browser.version)),
        ("platform", quoted(&browser.platform)),
        ("released", quoted(&browser.released)),
        ("source", quoted(&browser.source)),
    ]
}

/// `[tls]`
#[must_use]
pub fn tls(tls: &Tls) -> Vec<Line> {
    let codes = |kind, codes: &[u16]| list(codes.iter().map(|code| text(kind, *code)));
    let protocols = |names: &[String]| list(names.iter().map(|name| quoted(name)));
    let anchors = tls.trust_anchors.iter().map(|anchor| quoted(&arcs(anchor)));
    let lines = vec![
        ("versions", codes(List::Versions, &tls.versions)),
        ("ciphers", codes(List::Ciphers, &tls.ciphers)),
        ("groups", codes(List::Groups, &tls.groups)),
        ("key_shares", codes(List::Groups, &tls.key_shares)),
        (
            "signature_algorithms",
            codes(List::SignatureAlgorithms, &tls.signature_algorithms),
        ),
        ("alpn", protocols(&tls.alpn)),
        ("application_settings", protocols(&tls.application_settings)),
        (
            "certificate_compression",
            codes(List::Compressions, &tls.certificate_compression),
        ),
        (
            "record_size_limit",
            tls.record_size_limit
                .map_or(String::new(), |limit| limit.to_string()),
        ),
        (
            "delegated_credentials",
            codes(List::SignatureAlgorithms, &tls.delegated_credentials),
        ),
        ("trust_anchors", list(anchors)),
        (
            "opaque_extensions",
            list(tls.opaque_extensions.iter().map(opaque)),
        ),
        ("permute_extensions", flag(tls.permute_extensions)),
        ("extensions", codes(List::Extensions, &tls.extensions)),
        (
            "ech_grease",
            tls.ech_grease.as_ref().map_or(String::new(), ech_grease),
        ),
        (
            "habits",
            list(tls.habits.iter().map(|habit| habit_text(*habit))),
        ),
    ];
    without_defaults(lines)
}

/// `[http2]`
#[must_use]
pub fn http2(http2: &Http2) -> Vec<Line> {
    let settings = http2
        .settings
        .iter()
        .map(|(id, value)| format!("[{}, {value}]", text(List::Settings, *id)));
    let credit = http2.credit.map_or(String::new(), |credit| {
        format!(
            "{{ stream = {}, connection = {} }}",
            credit.stream, credit.connection
        )
    });
    let update = match http2.stream_window_update {
        0 => String::new(),
        bytes => bytes.to_string(),
    };
    let lines = vec![
        ("settings", list(settings)),
        ("window_update", http2.window_update.to_string()),
        ("stream_window_update", update),
        ("credit", credit),
        (
            "pseudo_headers",
            list(http2.pseudo_headers.iter().map(|name| quoted(name))),
        ),
        ("first_stream", http2.first_stream.to_string()),
        (
            "headers_in_own_record",
            http2.headers_in_own_record.to_string(),
        ),
        ("huffman_always", flag(http2.huffman_always)),
        ("path_always_literal", flag(http2.path_always_literal)),
        ("split_cookies", flag(http2.split_cookies)),
    ];
    without_defaults(lines)
}

/// `[navigation]`, `[slice]` or `[resume]`.
#[must_use]
pub fn shape(shape: &RequestShape) -> Vec<Line> {
    without_defaults(vec![
        ("open", flag(shape.open)),
        (
            "redirected",
            shape.redirected.as_ref().map_or(String::new(), redirected),
        ),
        ("priority", shape.priority.map_or(String::new(), priority)),
        ("headers", column(shape.headers.iter().map(header))),
    ])
}

/// `[proxy]`
fn proxy(proxy: &Proxy) -> Vec<Line> {
    vec![
        ("connect", column(proxy.connect.iter().map(header))),
        ("connection", quoted(&proxy.connection)),
    ]
}

fn redirected(change: &Redirected) -> String {
    let moves = change.moves.iter().map(|name| quoted(name));
    format!(
        "{{ moves = [{}], before = {} }}",
        moves.collect::<Vec<_>>().join(", "),
        quoted(&change.before)
    )
}

/// The priority fields of a request, as a file has them.
#[must_use]
pub fn priority(priority: Priority) -> String {
    let parent = match priority.depends_on {
        DependsOn::Root => "root",
        DependsOn::Previous => "previous",
    };
    format!(
        "{{ weight = {}, exclusive = {}, depends_on = \"{parent}\" }}",
        priority.weight, priority.exclusive
    )
}

fn header(line: &HeaderLine) -> String {
    let http = line
        .http
        .map_or(String::new(), |version| format!(", http = {version}"));
    let scheme = match line.scheme {
        None => "",
        Some(Scheme::Http) => ", scheme = \"http\"",
        Some(Scheme::Https) => ", scheme = \"https\"",
    };
    format!(
        "{{ name = {}, value = {}{http}{scheme} }}",
        quoted(&line.name),
        quoted(&line.value)
    )
}

fn opaque(opaque: &OpaqueExtension) -> String {
    format!(
        "{{ extension = {}, body = \"{}\" }}",
        opaque.extension,
        hex(&opaque.body)
    )
}

fn ech_grease(ech: &EchGrease) -> String {
    let numbers = |numbers: &[u16]| list(numbers.iter().map(u16::to_string));
    format!(
        "{{ payload_lengths = {}, aeads = {} }}",
        numbers(&ech.payload_lengths),
        numbers(&ech.aeads)
    )
}

fn habit_text(habit: Habit) -> String {
    quoted(match habit {
        Habit::SharedX25519 => "shared_x25519",
        Habit::NoTicketWithPsk => "no_ticket_with_psk",
        Habit::OldestTicketFirst => "oldest_ticket_first",
        Habit::SessionOnce => "session_once",
    })
}

/// The dotted numbers of a relative object identifier; nonsense for bytes that are not one.
fn arcs(anchor: &[u8]) -> String {
    let mut arcs = Vec::new();
    let mut arc = 0u64;
    for byte in anchor {
        arc = arc << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            arcs.push(arc.to_string());
            arc = 0;
        }
    }
    arcs.join(".")
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A TOML string: literal where it holds quotes, basic else.
fn quoted(text: &str) -> String {
    let plain = |letter: char| !letter.is_control() && letter != '\\';
    if text.contains('"') && !text.contains('\'') && text.chars().all(plain) {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            _ if letter.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(letter));
            }
            _ => quoted.push(letter),
        }
    }
    quoted + "\""
}

fn flag(set: bool) -> String {
    if set {
        "true".to_owned()
    } else {
        String::new()
    }
}

fn without_defaults(mut lines: Vec<Line>) -> Vec<Line> {
    lines.retain(|(_, value)| !value.is_empty());
    lines
}

/// Nothing for an empty list.
fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    let line = items.join(", ");
    if items.is_empty() {
        String::new()
    } else if line.len() <= WIDTH {
        format!("[{line}]")
    } else {
        column(items.into_iter())
    }
}

fn column(items: impl Iterator<Item = String>) -> String {
    let lines: String = items.map(|item| format!("    {item},\n")).collect();
    format!("[\n{lines}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        for name in crate::fingerprint::names() {
            let mut fingerprint = crate::fingerprint::find(name).unwrap();
            fingerprint.inherits = None;
            fingerprint.aliases.clear();
            let text = file(&fingerprint, &["a note".to_owned()]);
            assert_eq!(crate::fingerprint::read(&text), Ok(fingerprint), "{text}");
        }
    }

    #[test]
    fn strings_keep_their_quotes() {
        assert_eq!(quoted("a"), "\"a\"");
        assert_eq!(quoted("\"Linux\""), "'\"Linux\"'");
        assert_eq!(quoted("'\"\\"), "\"'\\\"\\\\\"");
    }
}

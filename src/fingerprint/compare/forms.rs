//! How HPACK should have written the first header block of a connection.
//!
//! Browsers agree in what they do but for the two habits that a file names: a field that the static table has whole is
//! indexed, everything else is a literal that enters the dynamic table, except `:path`; a string is Huffman coded where that is
//! shorter. Later blocks depend on the table that the first ones filled, hence are not judged; nor are credentials, which no
//! capture shows.

use super::Difference;
use crate::fingerprint::observed::Request;
use crate::fingerprint::schema::Http2;
use crate::fingerprint::wire::hpack::static_entry;
use crate::fingerprint::wire::huffman;

/// Fields that are written in another form than the file lets expect.
pub(super) fn forms(http2: &Http2, request: &Request) -> Vec<Difference> {
    let names = request
        .pseudo
        .iter()
        .chain(&request.headers)
        .map(|(name, _)| name);
    names
        .zip(usual(http2, request).into_iter().zip(&request.forms))
        .filter(|(name, (expected, got))| expected != *got && *name != "authorization")
        .map(|(name, (expected, got))| {
            Difference::new(format!("HPACK form of {name}"), expected, got)
        })
        .collect()
}

/// The form in which each field should be.
pub(super) fn usual(http2: &Http2, request: &Request) -> Vec<String> {
    let fields = request.pseudo.iter().chain(&request.headers);
    fields
        .map(|(name, value)| form(http2, name, value))
        .collect()
}

/// In the words of [`Form`](crate::fingerprint::wire::hpack::Form).
fn form(http2: &Http2, name: &str, value: &str) -> String {
    let coding = |text: &str| {
        let shorter = huffman::encoded_len(text.as_bytes()) < text.len();
        if shorter || http2.huffman_always {
            "H"
        } else {
            "p"
        }
    };
    let path = name == ":path";
    let indexing = if path { '-' } else { '+' };
    let name = match static_entry(name, value) {
        Some((index, true)) if !(path && http2.path_always_literal) => return format!("I{index}"),
        Some((index, false)) if path && http2.path_always_literal => (index + 1).to_string(),
        Some((index, _)) => index.to_string(),
        None => coding(name).to_owned(),
    };
    format!("L{indexing}n{name}v{}", coding(value))
}

//! Splits Rust source into words and signs, without comments, literals, lifetimes and `#[cfg(test)]` items.
//!
//! Just enough of the grammar for `scan`: numbers are words, an operator of several characters is several signs (but `::`).

/// One word or one sign of a source text, with its line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// A word (identifier or number) whole; of signs one character each, but `::` as one.
    pub(super) text: String,
    pub(super) line: usize,
}

/// Leaves out each item under `#[cfg(test)]`, attribute included.
pub(super) fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const ATTRIBUTE: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if (0..ATTRIBUTE.len()).all(|i| text(tokens, at + i) == ATTRIBUTE[i]) {
            at = behind_item(tokens, at + ATTRIBUTE.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The index behind the item at `at`: behind its `;`, or behind the brace that closes its first open one.
fn behind_item(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "{" | "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    // `use a::{b};` goes on to its semicolon.
                    return at + 1 + usize::from(text(tokens, at + 1) == ";");
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Splits `source` into words and signs; comments, strings, characters and lifetimes are dropped.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let skip = skipped(rest);
        let length = if skip > 0 {
            skip
        } else if is_word(rest) || first.is_ascii_digit() {
            let end = rest
                .find(|c: char| c != '_' && !c.is_alphanumeric())
                .unwrap_or(rest.len());
            tokens.push(Token {
                text: rest[..end].to_owned(),
                line,
            });
            end
        } else {
            let length = if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            if !first.is_whitespace() {
                tokens.push(Token {
                    text: rest[..length].to_owned(),
                    line,
                });
            }
            length
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// The length of the comment, literal or lifetime at the beginning of `rest`; 0 if there is none.
fn skipped(rest: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        rest.strip_prefix(prefix)
            .is_some_and(|behind| match prefix.ends_with('r') {
                true => behind.trim_start_matches('#').starts_with('"'),
                false => behind.starts_with(['"', '\'']),
            })
    });
    let Some(prefix) = prefix else { return 0 };
    let body = &rest[prefix.len()..];
    prefix.len()
        + if prefix.ends_with('r') {
            raw_string(body)
        } else if body.starts_with('"') {
            quoted(body, '"')
        } else {
            character(body)
        }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn raw_string(body: &str) -> usize {
    let hashes = body.len() - body.trim_start_matches('#').len();
    let end = format!("\"{}", "#".repeat(hashes));
    body[hashes + 1..]
        .find(&end)
        .map_or(body.len(), |at| hashes + 1 + at + end.len())
}

/// The length of a literal between two `mark`s, escapes heeded.
fn quoted(body: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices().skip(1) {
        if c == mark && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    body.len()
}

/// The length of a character (`'a'`, `'\n'`) or, where no second mark follows, of a lifetime (`'a`).
fn character(body: &str) -> usize {
    let mut chars = body.chars().skip(1);
    let first = chars.next();
    if first == Some('\\') || chars.next() == Some('\'') {
        return quoted(body, '\'');
    }
    1 + body[1..]
        .find(|c: char| c != '_' && !c.is_alphanumeric())
        .unwrap_or(body.len() - 1)
}

/// The text of the token at `at`; empty behind the end.
pub(super) fn text(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}

/// Is this an identifier or a keyword?
pub(super) fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

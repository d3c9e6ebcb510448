//! Reads Rust source just far enough to see what it names: paths, imports and the word `unsafe`, each with its line.
//!
//! A parser would see more, but it would be a dependency and a hundred times the code of the rule it serves. What counts is
//! that comments, literals and `#[cfg(test)]` items are left out and that no way of naming a module is overlooked: groups in
//! `use`, `super::`, `self::` and paths in the middle of code. Names made by macros are not seen.

use super::tokens::{Token, is_word, text, tokens, without_tests};

/// A path as the source names it, made absolute: `["crate", "net", "Client"]` or `["std", "fs"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

/// What one file names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Every path of two or more names, and every import, in the order of the text.
    pub(super) names: Vec<Named>,
    /// The lines on which the word `unsafe` stands.
    pub(super) unsafe_lines: Vec<usize>,
}

/// Reads `text`, the file of module `module` (`["net", "tls"]` for `src/net/tls.rs`; empty for a crate root).
pub(super) fn scan(text: &str, module: &[String]) -> Seen {
    let tokens = without_tests(&tokens(text));
    let mut seen = Seen::default();
    let mut scope = Scope {
        module: module.to_vec(),
        inline: Vec::new(),
        depth: 0,
    };
    let mut at = 0;
    while at < tokens.len() {
        scope.step(&tokens, at);
        let token = &tokens[at];
        if token.text == "use" || token.text == "crate" && at > 0 && tokens[at - 1].text == "extern"
        {
            at = use_tree(&tokens, at + 1, &[], &scope, &mut seen.names);
            continue;
        }
        if token.text == "unsafe" {
            seen.unsafe_lines.push(token.line);
        }
        if starts_path(&tokens, at) {
            let path = path_at(&tokens, at);
            at += 2 * path.len() - 1;
            seen.names.push(Named {
                path: scope.absolute(path),
                line: token.line,
            });
            continue;
        }
        at += 1;
    }
    seen
}

/// Where in the module tree the scan is.
struct Scope {
    /// The module of the file.
    module: Vec<String>,
    /// The inline modules that are open, each with the brace depth outside it.
    inline: Vec<(String, usize)>,
    /// How many braces are open.
    depth: usize,
}

impl Scope {
    /// Follows braces and `mod name {`.
    fn step(&mut self, tokens: &[Token], at: usize) {
        match tokens[at].text.as_str() {
            "{" => self.depth += 1,
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                if self
                    .inline
                    .last()
                    .is_some_and(|(_, outside)| *outside == self.depth)
                {
                    self.inline.pop();
                }
            }
            "mod" if text(tokens, at + 2) == "{" => {
                self.inline.push((tokens[at + 1].text.clone(), self.depth))
            }
            _ => {}
        }
    }

    /// Resolves leading `self` and `super` to a path from `crate`; leaves others as they are.
    fn absolute(&self, path: Vec<String>) -> Vec<String> {
        let mut from: Vec<String> = self
            .module
            .iter()
            .chain(self.inline.iter().map(|(name, _)| name))
            .cloned()
            .collect();
        let steps = path
            .iter()
            .take_while(|name| *name == "self" || *name == "super")
            .count();
        if steps == 0 {
            return path;
        }
        let ups = path[..steps].iter().filter(|name| *name == "super").count();
        from.truncate(from.len().saturating_sub(ups));
        std::iter::once("crate".to_owned())
            .chain(from)
            .chain(path[steps..].iter().cloned())
            .collect()
    }
}

/// Reads the use tree at `at`, whose names stand behind `prefix`; returns the index behind it.
fn use_tree(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    scope: &Scope,
    out: &mut Vec<Named>,
) -> usize {
    let mut path = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    loop {
        match text(tokens, at) {
            "::" => at += 1,
            "{" => {
                at += 1;
                while !matches!(text(tokens, at), "}" | "") {
                    at = use_tree(tokens, at, &path, scope, out);
                    at += usize::from(text(tokens, at) == ",");
                }
                return at + 1;
            }
            "as" => at += 2,
            "," | ";" | "}" | "" => break,
            // `a::{self}` names `a` itself.
            "self" if !path.is_empty() => at += 1,
            name => {
                path.push(name.to_owned());
                at += 1;
            }
        }
    }
    out.push(Named {
        path: scope.absolute(path),
        line,
    });
    at
}

/// Does a path of two or more names begin here? One in the middle of a longer path, and a method call, does not.
fn starts_path(tokens: &[Token], at: usize) -> bool {
    // A leading `::` (`::std::fs`) begins a path too, where no name or `>` stands before it.
    let behind_a_name = at >= 2
        && tokens[at - 1].text == "::"
        && (is_word(&tokens[at - 2].text) || tokens[at - 2].text == ">");
    is_word(&tokens[at].text)
        && text(tokens, at + 1) == "::"
        && is_word(text(tokens, at + 2))
        && !behind_a_name
}

fn path_at(tokens: &[Token], at: usize) -> Vec<String> {
    let mut path = vec![tokens[at].text.clone()];
    let mut next = at + 1;
    while text(tokens, next) == "::" && is_word(text(tokens, next + 1)) {
        path.push(tokens[next + 1].text.clone());
        next += 2;
    }
    path
}

mod tests {
    use super::*;

    fn paths(source: &str, module: &str) -> Vec<String> {
        let module: Vec<String> = module
            .split("::")
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        scan(source, &module)
            .names
            .iter()
            .map(|named| named.path.join("::"))
            .collect()
    }

    #[test]
    fn imports_are_taken_apart() {
        assert_eq!(
            paths("use crate::{a, b::c, d::{self, e as f, g::*}};", "x"),
            [
                "crate::a",
                "crate::b::c",
                "crate::d",
                "crate::d::e",
                "crate::d::g::*"
            ]
        );
        assert_eq!(
            paths("pub(crate) use ::std::{fs::File};", "x"),
            ["std::fs::File"]
        );
        assert_eq!(paths("extern crate curl;", "x"), ["curl"]);
    }

    #[test]
    fn relative_paths_become_absolute() {
        assert_eq!(
            paths(
                "use super::tls; use super::super::plan::Chunk; use self::a::B;",
                "net::driver"
            ),
            [
                "crate::net::tls",
                "crate::plan::Chunk",
                "crate::net::driver::a::B"
            ]
        );
        assert_eq!(
            paths(
                "mod inner { use super::a; mod more { use super::super::b; } } use super::c;",
                "m"
            ),
            ["crate::m::a", "crate::m::b", "crate::c"]
        );
    }

    #[test]
    fn paths_in_code_are_found_once() {
        let source = "fn f<'a>(x: &'a crate::net::Error) -> std::io::Result<()> { ::std::fs::read(x)?; Vec::<u8>::new(); x.y }";
        assert_eq!(
            paths(source, "m"),
            ["crate::net::Error", "std::io::Result", "std::fs::read"]
        );
        assert_eq!(
            paths("#[derive(serde::Serialize)] struct S;", "m"),
            ["serde::Serialize"]
        );
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        let source = r####"
            // crate::a::b
            /* crate::c::d /* nested */ unsafe */
            const A: &str = "crate::e::f \" unsafe"; const B: &str = r#"crate::g::h " unsafe"#;
            const C: &[u8] = b"unsafe"; const D: char = '"'; const E: char = '\''; const F: char = 'x';
            /// unsafe crate::i::j
            fn f<'unsafe_life>() -> crate::real::Thing { "€"; 'ß'; naïve → x }
        "####;
        assert_eq!(paths(source, "m"), ["crate::real::Thing"]);
        assert!(scan(source, &[]).unsafe_lines.is_empty());
    }

    #[test]
    fn test_code_is_left_out_and_nothing_behind_it() {
        let source = "#[cfg(test)] use a::{b};
            #[cfg(test)] #[allow(x)] mod tests { fn f() { c::d(); unsafe {} } }
            #[cfg(test)] mod more;
            #[cfg(test)] fn g(x: [u8; 2]) -> e::F { }
            fn h() { i::j() }";
        assert_eq!(paths(source, "m"), ["i::j"]);
    }

    #[test]
    fn lines_are_counted() {
        let seen = scan("fn f() {\n  \"two\nlines\";\n  unsafe { a::b() }\n}", &[]);
        assert_eq!((seen.unsafe_lines, seen.names[0].line), (vec![4], 4));
    }
}

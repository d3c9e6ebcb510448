//! Reads fingerprint files and joins each with the file it inherits from.
//!
//! `inherits = "chrome120"` means: as that file, but for what is written here. Tables are merged key by key, everything
//! else, lists included, is replaced as a whole. What says who a file is (name, version, day of release, source,
//! aliases) is never inherited. A parent is checked before its child, so whatever is wrong after joining stands in the
//! child, and errors name its line. Where the texts come from is the caller's business.

use std::ops::Range;

use toml_edit::{DocumentMut, ImDocument, Item, Table, TableLike};

use super::check::Fault;
use super::schema::Fingerprint;

/// Keys of `[browser]` that each file must have itself.
const OWN: [&str; 4] = ["name", "version", "released", "source"];

/// Reads a file; `find` knows the texts of those that it may inherit from, by name.
///
/// # Errors
/// A message with line and key for wrong TOML, an unknown key, name or parent, a circle of parents, or a contradiction.
pub(super) fn read<'a>(
    text: &str,
    find: impl Fn(&str) -> Option<&'a str>,
) -> Result<Fingerprint, String> {
    join(text, &find, &mut Vec::new()).map(|(fingerprint, _)| fingerprint)
}

/// The file and its table, parents included. `children` are the names on the way here, the last asked for first.
fn join<'a>(
    text: &str,
    find: &dyn Fn(&str) -> Option<&'a str>,
    children: &mut Vec<String>,
) -> Result<(Fingerprint, Table), String> {
    let document = ImDocument::parse(text).map_err(|error| error.to_string())?;
    let own = document.as_table();
    let table = match own.get("inherits") {
        None => own.clone(),
        Some(parent) => {
            let mut table = ancestors(text, parent, find, children)?;
            merge(&mut table, own);
            table
        }
    };
    let fingerprint: Fingerprint = toml_edit::de::from_document(DocumentMut::from(table.clone()))
        .map_err(|error| located(text, error.span(), error.message()))?;
    let fingerprint = fingerprint.settle();
    fingerprint
        .check()
        .map_err(|fault| located_fault(text, own, &fault))?;
    Ok((fingerprint, table))
}

/// The table of the file named by the key `inherits`, without what is that file's own.
fn ancestors<'a>(
    text: &str,
    parent: &Item,
    find: &dyn Fn(&str) -> Option<&'a str>,
    children: &mut Vec<String>,
) -> Result<Table, String> {
    let wrong = |what: &str| located(text, parent.span(), what);
    let name = parent
        .as_str()
        .ok_or_else(|| wrong("inherits must be a name"))?;
    let parent_text =
        find(name).ok_or_else(|| wrong(&format!("inherits: no fingerprint is called `{name}`")))?;
    if children.iter().any(|child| child == name) {
        return Err(wrong(&format!("inherits: `{name}` comes back to itself")));
    }
    children.push(name.to_owned());
    let (_, mut table) = join(parent_text, find, children)
        .map_err(|error| format!("inherited file `{name}`: {error}"))?;
    table.remove("inherits");
    table.remove("aliases");
    if let Some(browser) = table.get_mut("browser").and_then(Item::as_table_like_mut) {
        for key in OWN {
            browser.remove(key);
        }
    }
    Ok(table)
}

/// Puts the keys of `own` over those of `table`.
fn merge(table: &mut dyn TableLike, own: &dyn TableLike) {
    for (name, item) in own.iter() {
        let below = table.get_mut(name).and_then(Item::as_table_like_mut);
        if let (Some(below), Some(own)) = (below, item.as_table_like()) {
            merge(below, own);
            continue;
        }
        table.remove(name);
        // The key, not its text alone: it knows where it stands in the file.
        if let Some((key, _)) = own.get_key_value(name) {
            table.entry_format(key).or_insert_with(|| item.clone());
        }
    }
}

/// `line N: what`. If `what` quotes a word that stands further down in the span, that line is meant.
fn located(text: &str, span: Option<Range<usize>>, what: &str) -> String {
    let Some(place) = span.as_ref().and_then(|span| text.get(span.clone())) else {
        return what.to_owned();
    };
    let start = span.map_or(0, |span| span.start);
    let word = what.split('`').nth(1).and_then(|word| place.find(word));
    let line = text[..start + word.unwrap_or(0)].matches('\n').count() + 1;
    format!("line {line}: {what}")
}

/// A contradiction is between keys: the line is that of the key where it shows, or of its table, if this file has them.
fn located_fault(text: &str, own: &Table, fault: &Fault) -> String {
    let Fault {
        at: [table, key],
        what,
    } = fault;
    let what = format!("{table}.{key}: {what}");
    let table = own.get(table);
    let item = table.and_then(|table| table.get(key)).or(table);
    located(text, item.and_then(Item::span), &what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> &'static str {
        super::super::text("chrome120").unwrap()
    }

    fn child(extra: &str) -> String {
        format!(
            "inherits = \"parent\"\n[browser]\nname = \"child\"\nversion = \"1\"\nreleased = \"2020-01-01\"\n\
             source = \"a test\"\n{extra}"
        )
    }

    fn read_child(extra: &str) -> Result<Fingerprint, String> {
        read(&child(extra), |name| (name == "parent").then(full))
    }

    #[test]
    fn a_child_is_its_parent_but_for_what_it_says() {
        let parent = read(full(), |_| None).unwrap();
        let child =
            read_child("[values]\nlanguage = \"de\"\n[tls]\ngroups = [\"GREASE\", \"x25519\"]")
                .unwrap();
        assert_eq!(
            (child.browser.name.as_str(), child.browser.version.as_str()),
            ("child", "1")
        );
        assert_eq!(child.browser.family, parent.browser.family);
        assert_eq!(child.values["language"], "de");
        assert_eq!(child.values["user_agent"], parent.values["user_agent"]);
        assert_eq!(child.tls.groups.len(), 2);
        assert_eq!(
            (child.tls.ciphers, child.navigation),
            (parent.tls.ciphers, parent.navigation)
        );
        assert!(child.aliases.is_empty());
    }

    #[test]
    fn who_it_is_is_not_inherited() {
        let error = read("inherits = \"parent\"", |_| Some(full())).unwrap_err();
        assert!(error.contains("`name`"), "{error}");
    }

    #[test]
    fn errors_stand_in_the_child() {
        let unknown = read_child("[tls]\n\ncipers = []").unwrap_err();
        assert!(
            unknown.starts_with("line 9: ") && unknown.contains("cipers"),
            "{unknown}"
        );
        let wrong = read_child("[tls]\ngroups = [\n  \"x25519\",\n  \"x25518\",\n]").unwrap_err();
        assert!(
            wrong.starts_with("line 10: ") && wrong.contains("x25518"),
            "{wrong}"
        );
        let contradiction = read_child("[http2]\nfirst_stream = 2").unwrap_err();
        assert!(
            contradiction.starts_with("line 8: http2.first_stream"),
            "{contradiction}"
        );
    }

    #[test]
    fn an_error_in_the_parent_names_the_parent() {
        let error = read(&child(""), |_| Some("[browser]\nnam = 1")).unwrap_err();
        assert!(
            error.starts_with("inherited file `parent`: line 2: "),
            "{error}"
        );
    }

    #[test]
    fn circles_and_strangers_are_errors() {
        let own = child("");
        let circle = read(&own, |_| Some(own.as_str())).unwrap_err();
        assert!(circle.contains("comes back to itself"), "{circle}");
        let stranger = read(&own, |_| None).unwrap_err();
        assert_eq!(
            stranger,
            "line 1: inherits: no fingerprint is called `parent`"
        );
    }
}

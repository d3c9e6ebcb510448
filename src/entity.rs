//! Which bytes a server is talking about: length and validators of a representation (RFC 9110 §8.8).
//!
//! Chunks of one file come in many answers, perhaps from many machines and on different days. They may be put together
//! only if all of them belong to the same representation, and validators are how HTTP says so. This module compares;
//! what follows from a contradiction is decided by `answer` and `retry`.

use serde::{Deserialize, Serialize};

use crate::http::Headers;

/// The validators of one answer, as the server spelled them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validator {
    /// `ETag`, quotes and a `W/` included; never empty.
    pub etag: Option<String>,
    /// `Last-Modified`; never empty. Compared as text, never as a date.
    pub last_modified: Option<String>,
}

impl Validator {
    /// The validators among an answer's header fields; an empty field counts as absent.
    pub fn of(headers: &Headers) -> Validator {
        let field = |name| {
            headers
                .get(name)
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
        };
        Validator {
            etag: field("etag"),
            last_modified: field("last-modified"),
        }
    }

    /// Whether there is nothing to compare by.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }

    /// Whether there is a strong entity tag, one that changes with every byte (RFC 9110 §8.8.1). A tag without quotes is
    /// none: no server would recognise it in a condition.
    pub fn is_strong(&self) -> bool {
        self.etag.as_deref().is_some_and(is_strong_tag)
    }

    /// Whether both may name the same bytes.
    ///
    /// Two strong tags decide alone: a file that was copied keeps its tag and changes its date. In every other pair, both
    /// the tags without `W/` (caches weaken tags on their way) and the dates have to be equal where both sides have
    /// them. What one side does not send is no contradiction; the caller also compares lengths.
    pub fn agrees(&self, other: &Validator) -> bool {
        let dates = match (&self.last_modified, &other.last_modified) {
            (Some(mine), Some(theirs)) => mine == theirs,
            (Some(_) | None, Some(_) | None) => true,
        };
        match (&self.etag, &other.etag) {
            (Some(mine), Some(theirs)) if is_strong_tag(mine) && is_strong_tag(theirs) => {
                mine == theirs
            }
            (Some(mine), Some(theirs)) => opaque(mine) == opaque(theirs) && dates,
            (Some(_) | None, Some(_) | None) => dates,
        }
    }

    /// Whether they show that both are of the same bytes: they agree, and not only because one side says nothing.
    pub fn confirms(&self, other: &Validator) -> bool {
        let both = |one: &Option<String>, two: &Option<String>| one.is_some() && two.is_some();
        let common =
            both(&self.etag, &other.etag) || both(&self.last_modified, &other.last_modified);
        common && self.agrees(other)
    }

    /// Whether both may be of the same bytes at another node of the server, though the tags differ: some servers make them of
    /// what is each node's own, such as the number of an inode. The dates are equal then.
    pub fn is_twin(&self, other: &Validator) -> bool {
        self.last_modified.is_some()
            && self.last_modified == other.last_modified
            && self.etag.is_some()
            && other.etag.is_some()
            && !self.agrees(other)
    }

    /// The value of an `If-Range` field: the strong tag, else the date (RFC 9110 §13.1.5).
    ///
    /// That a date is younger than a second, and therefore weak, cannot be seen here. No harm comes of it: the answer's
    /// own validators are compared anyway, `If-Range` only saves a round trip.
    pub fn if_range(&self) -> Option<String> {
        self.if_match().or_else(|| self.last_modified.clone())
    }

    /// The value of an `If-Match` field, which takes strong tags only (RFC 9110 §13.1.1).
    pub fn if_match(&self) -> Option<String> {
        self.etag.clone().filter(|tag| is_strong_tag(tag))
    }
}

/// What the first answer says about the whole file; later answers are held against it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// Length in bytes; `None` until some answer tells.
    pub length: Option<u64>,
    /// Validators of the first answer.
    pub validator: Validator,
}

impl Entity {
    /// Whether both may be the same file: no two known lengths differ and the validators agree.
    pub fn agrees(&self, other: &Entity) -> bool {
        let lengths = match (self.length, other.length) {
            (Some(mine), Some(theirs)) => mine == theirs,
            (Some(_) | None, Some(_) | None) => true,
        };
        lengths && self.validator.agrees(&other.validator)
    }

    /// Whether both have the same length, and nothing but their tags tells them apart.
    pub fn is_twin(&self, other: &Entity) -> bool {
        self.length.is_some()
            && self.length == other.length
            && self.validator.is_twin(&other.validator)
    }

    /// Whether they are seen to be the same file: they agree, and not only because one side says nothing.
    pub fn confirms(&self, other: &Entity) -> bool {
        self.agrees(other) && self.validator.confirms(&other.validator)
    }

    /// Whether both are said to be the same file and have different lengths.
    pub fn contradicts(&self, other: &Entity) -> bool {
        let lengths = self.length.zip(other.length);
        lengths.is_some_and(|(one, two)| one != two) && self.validator.confirms(&other.validator)
    }
}

fn is_strong_tag(tag: &str) -> bool {
    tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"')
}

/// A tag without its weakness mark; some servers write it in lower case.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/")
        .or_else(|| tag.strip_prefix("w/"))
        .unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(etag: &str, date: &str) -> Validator {
        Validator::of(
            &[("ETag", etag), ("Last-Modified", date)]
                .into_iter()
                .collect(),
        )
    }

    const MON: &str = "Mon, 05 Jan 2026 00:00:00 GMT";
    const TUE: &str = "Tue, 06 Jan 2026 00:00:00 GMT";

    #[test]
    fn empty_fields_are_absent() {
        assert_eq!(v("", ""), Validator::default());
        assert!(v("", "").is_empty());
        assert!(!v("", MON).is_empty());
    }

    #[test]
    fn only_a_quoted_tag_is_strong() {
        assert!(v("\"a\"", "").is_strong());
        assert!(v("\"\"", "").is_strong());
        for tag in ["W/\"a\"", "w/\"a\"", "a", "\"", "", "\"a"] {
            assert!(!v(tag, MON).is_strong(), "{tag}");
        }
    }

    #[test]
    fn agreement() {
        for (one, other, agree) in [
            // C02: a strong tag outweighs the date
            (v("\"a\"", MON), v("\"a\"", TUE), true),
            (v("\"a\"", MON), v("\"b\"", MON), false),
            // C03: weak tags count as text, and so does the date then
            (v("W/\"a\"", MON), v("W/\"a\"", MON), true),
            (v("W/\"a\"", MON), v("W/\"a\"", TUE), false),
            (v("W/\"a\"", MON), v("W/\"b\"", MON), false),
            // a cache in between weakened the tag
            (v("\"a\"", MON), v("W/\"a\"", MON), true),
            (v("\"a\"", MON), v("W/\"b\"", MON), false),
            // what is absent contradicts nothing
            (v("\"a\"", MON), v("", MON), true),
            (v("\"a\"", MON), v("", TUE), false),
            (v("\"a\"", ""), v("", TUE), true),
            (v("", ""), v("\"a\"", MON), true),
            (v("", MON), v("", TUE), false),
        ] {
            assert_eq!(one.agrees(&other), agree, "{one:?} {other:?}");
            assert_eq!(other.agrees(&one), agree, "{other:?} {one:?}");
        }
    }

    #[test]
    fn c04_twins_differ_by_their_tags_alone() {
        for (one, other, twins) in [
            (v("\"a\"", MON), v("\"b\"", MON), true),
            (v("W/\"a\"", MON), v("W/\"b\"", MON), true),
            (v("\"a\"", MON), v("\"b\"", TUE), false),
            (v("\"a\"", MON), v("\"a\"", MON), false),
            (v("\"a\"", ""), v("\"b\"", ""), false),
            (v("", MON), v("\"b\"", MON), false),
        ] {
            assert_eq!(one.is_twin(&other), twins, "{one:?} {other:?}");
            assert_eq!(other.is_twin(&one), twins, "{other:?} {one:?}");
        }
    }

    #[test]
    fn silence_confirms_nothing() {
        for (one, other, confirmed) in [
            (v("\"a\"", MON), v("\"a\"", ""), true),
            (v("", MON), v("\"a\"", MON), true),
            (v("\"a\"", ""), v("", MON), false),
            (v("", ""), v("", ""), false),
            (v("\"a\"", MON), v("\"b\"", MON), false),
        ] {
            assert_eq!(one.confirms(&other), confirmed, "{one:?} {other:?}");
            assert_eq!(other.confirms(&one), confirmed, "{other:?} {one:?}");
        }
    }

    #[test]
    fn conditions_take_the_strong_tag_or_the_date() {
        assert_eq!(v("\"a\"", MON).if_range().as_deref(), Some("\"a\""));
        assert_eq!(v("\"a\"", MON).if_match().as_deref(), Some("\"a\""));
        assert_eq!(v("W/\"a\"", MON).if_range().as_deref(), Some(MON));
        assert_eq!(v("W/\"a\"", MON).if_match(), None);
        assert_eq!(v("W/\"a\"", "").if_range(), None);
    }

    #[test]
    fn entities_compare_length_too() {
        let entity = |length| Entity {
            length,
            validator: v("\"a\"", ""),
        };
        assert!(entity(Some(3)).agrees(&entity(Some(3))));
        assert!(entity(Some(3)).agrees(&entity(None)));
        assert!(!entity(Some(3)).agrees(&entity(Some(4))));
    }

    #[test]
    fn one_file_with_two_lengths_is_a_contradiction() {
        let entity = |length, validator: &Validator| Entity {
            length,
            validator: validator.clone(),
        };
        let (a, b, silent) = (v("\"a\"", MON), v("\"b\"", MON), v("", ""));
        for (one, other, contradiction) in [
            (entity(Some(3), &a), entity(Some(4), &a), true),
            (entity(Some(3), &a), entity(Some(3), &a), false),
            (entity(Some(3), &a), entity(None, &a), false),
            (entity(None, &a), entity(None, &a), false),
            // another file may have another length
            (entity(Some(3), &a), entity(Some(4), &b), false),
            // nothing says that it is the same one
            (entity(Some(3), &a), entity(Some(4), &silent), false),
            (entity(Some(3), &silent), entity(Some(4), &silent), false),
        ] {
            assert_eq!(one.contradicts(&other), contradiction, "{one:?} {other:?}");
            assert_eq!(other.contradicts(&one), contradiction, "{other:?} {one:?}");
        }
    }

    #[test]
    fn the_serialized_form_round_trips() {
        let entity = Entity {
            length: Some(3),
            validator: v("W/\"a\"", MON),
        };
        let text = serde_json::to_string(&entity).unwrap();
        assert_eq!(serde_json::from_str::<Entity>(&text).unwrap(), entity);
    }
}

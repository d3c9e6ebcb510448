//! Which names the files of a run have, so that two URLs that end alike become two files.
//!
//! A file claims the name it will probably have when it begins, in the order of the input, and exchanges it when the
//! server says otherwise. So the same list gives the same names each time, and a second run finds the files of the first.
//! Nothing here looks at the disk: what lies there from earlier is a question for `--on-conflict`.
//!
//! Names are kept as hashes, since a run may have millions. Should two collide, a file gets a number that it did not need.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::name::numbered;

/// The names that are claimed.
#[derive(Debug, Default)]
pub struct Names(
    /// For the hash of each claimed name, the number that the next file of that name tries; at least 1.
    RefCell<HashMap<u64, u32>>,
);

/// A claimed name. It is free again when this is dropped, unless it was [kept](Claim::keep).
#[derive(Debug)]
pub struct Claim<'a> {
    names: &'a Names,
    /// What the file would be called if it were alone.
    wanted: String,
    /// What it is called.
    name: String,
    /// Whether a file has the name for good.
    kept: bool,
}

impl Names {
    /// Claims `wanted`, or while other files of the run have that, `wanted (1)` and so on.
    pub fn claim(&self, wanted: &str) -> Claim<'_> {
        Claim {
            names: self,
            wanted: wanted.to_owned(),
            name: self.take(wanted),
            kept: false,
        }
    }

    fn take(&self, wanted: &str) -> String {
        let mut claimed = self.0.borrow_mut();
        let mut next = claimed.get(&hash(wanted)).copied().unwrap_or(0);
        let name = loop {
            let name = match next {
                0 => wanted.to_owned(),
                number => numbered(wanted, number),
            };
            next += 1;
            if next == 1 || !claimed.contains_key(&hash(&name)) {
                break name;
            }
        };
        claimed.entry(hash(&name)).or_insert(1);
        claimed.insert(hash(wanted), next);
        name
    }

    fn give_back(&self, wanted: &str, name: &str) {
        let mut claimed = self.0.borrow_mut();
        if wanted == name {
            // Numbers that others took meanwhile have entries of their own.
            claimed.remove(&hash(name));
        } else if claimed.get(&hash(name)) == Some(&1) {
            claimed.remove(&hash(name));
        }
    }
}

impl Claim<'_> {
    /// What the file is called, now that it is known what it would be called if it were alone.
    pub fn settle(&mut self, wanted: &str) -> String {
        if wanted != self.wanted {
            self.names.give_back(&self.wanted, &self.name);
            self.name = self.names.take(wanted);
            self.wanted = wanted.to_owned();
        }
        self.name.clone()
    }

    /// The name is the file's for the rest of the run.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.names.give_back(&self.wanted, &self.name);
        }
    }
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_name_are_numbered_in_their_order() {
        let names = Names::default();
        let claims: Vec<_> = ["a.bin", "a.bin", "b", "a.bin"]
            .map(|name| names.claim(name))
            .into();
        let given: Vec<_> = claims.iter().map(|claim| claim.name.as_str()).collect();
        assert_eq!(given, ["a.bin", "a (1).bin", "b", "a (2).bin"]);
    }

    #[test]
    fn a_number_that_is_a_name_of_another_is_passed_over() {
        let names = Names::default();
        let _one = names.claim("a (1).bin");
        let _two = names.claim("a.bin");
        assert_eq!(names.claim("a.bin").name, "a (2).bin");
    }

    #[test]
    fn a_name_is_free_again_unless_it_was_kept() {
        let names = Names::default();
        drop(names.claim("a"));
        names.claim("a").keep();
        assert_eq!(names.claim("a").name, "a (1)");
        let mut claim = names.claim("b");
        assert_eq!(claim.settle("b"), "b");
        assert_eq!(claim.settle("a"), "a (2)");
        assert_eq!(names.claim("b").name, "b");
    }

    #[test]
    fn very_many_files_of_one_name_take_no_time() {
        let names = Names::default();
        for _ in 0..100_000 {
            names.claim("index.bin").keep();
        }
        assert_eq!(names.claim("index.bin").name, "index (100000).bin");
    }
}

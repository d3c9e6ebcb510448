//! The sources of a run, in their order: those of the command line, then those of the list, one line after the other.
//!
//! Nothing is kept of what has been handed out but a hash, so that a URL that is listed twice is fetched once.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::vec;

use super::list;
use crate::hash::Algorithm;
use crate::input::Lines;
use crate::resolve::Source;
use crate::{Config, Error};

/// What is still to be begun.
pub(super) struct Queue {
    /// What the command line names.
    named: vec::IntoIter<Source>,
    /// The list, until its end.
    lines: Option<Lines>,
    /// Of a checksum in the list that does not name its own.
    algorithm: Algorithm,
    /// As in [`Source`].
    pages: bool,
    /// Hashes of what was handed out.
    seen: HashSet<u64>,
    /// The number of the next source.
    next: usize,
}

/// A source and its number, or a line of the list that is none.
pub(super) struct Item {
    /// From 0 on, in the order of the input.
    pub(super) id: usize,
    /// The line's place in its list, for a line.
    pub(super) place: Option<String>,
    pub(super) source: Result<Source, Error>,
}

impl Queue {
    /// # Errors
    /// [`Error::Usage`] if the list cannot be opened.
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let said = &config.sources;
        let named = said.urls.iter().map(|url| Source {
            mirrors: said.mirrors.clone(),
            checksum: said.checksum.clone(),
            name: said.out.clone(),
            pages: config.files.accept_html,
            ..Source::new(url.clone())
        });
        let lines = said.input.as_ref().map(|list| {
            Lines::open(list).map_err(|(name, error)| {
                Error::usage(
                    format!("--input {name}: {error}"),
                    "name a file with URLs, or - for standard input",
                )
            })
        });
        let algorithm = config.checksums.algorithms.first();
        Ok(Self {
            named: named.collect::<Vec<_>>().into_iter(),
            lines: lines.transpose()?,
            algorithm: algorithm.copied().unwrap_or(Algorithm::Md5),
            pages: config.files.accept_html,
            seen: HashSet::new(),
            next: 0,
        })
    }

    /// How many sources there are in all, if that is known: not before the end of the list.
    pub(super) fn planned(&self) -> Option<usize> {
        self.lines.is_none().then_some(self.next + self.named.len())
    }

    /// The next source; `None` when there is none, now or later. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(source) = self.named.next() {
                if self.is_new(&source) {
                    return Some(self.number(None, Ok(source)));
                }
                continue;
            }
            let lines = self.lines.as_mut()?;
            let Some(line) = lines.next().await else {
                self.lines = None;
                continue;
            };
            let place = format!("{}:{}", lines.name(), line.number);
            let read = match line.text {
                Ok(text) => list::read(&text, &place, self.algorithm, self.pages),
                Err(fault) => {
                    let hint = "a list is text, with one URL a line";
                    Err(Error::usage(format!("{place}: {fault}"), hint))
                }
            };
            match read {
                Ok(Some(source)) if self.is_new(&source) => {
                    return Some(self.number(Some(place), Ok(source)));
                }
                Ok(_) => {}
                Err(error) => return Some(self.number(Some(place), Err(error))),
            }
        }
    }

    fn is_new(&mut self, source: &Source) -> bool {
        let mut hasher = DefaultHasher::new();
        (&source.url, &source.name).hash(&mut hasher);
        self.seen.insert(hasher.finish())
    }

    fn number(&mut self, place: Option<String>, source: Result<Source, Error>) -> Item {
        let id = self.next;
        self.next += 1;
        Item { id, place, source }
    }
}

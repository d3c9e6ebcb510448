//! What a file is held against, and what came of it.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use super::{Context, Search};
use crate::Error;
use crate::hash::{Algorithm, Checksum};
use crate::resolve::checksum::Found;
use crate::resolve::sidecar::{self, Sidecar};
use crate::resolve::{Resource, Source};

/// How long the search beside a file may hold up its end.
const PATIENCE: Duration = Duration::from_secs(15);

/// Computed where nobody states a checksum and the user asked for none, if anybody is told of it.
const DEFAULT: Algorithm = Algorithm::Md5;

/// How one file is verified.
pub(super) struct Check {
    /// What the user gave, or the head of the answer states.
    expected: Option<Found>,
    /// Where else to look; nowhere if there is an expected one.
    sidecars: &'static [Sidecar],
    /// Computed because they were asked for.
    wanted: Vec<Algorithm>,
    /// Computed at all: `wanted`, and whatever the expected checksum is or may turn out to be.
    computed: Vec<Algorithm>,
}

/// What came of it.
pub(super) struct Verdict {
    /// The digests to tell of.
    pub(super) digests: Vec<Checksum>,
    /// The expected checksum and the one there is, if they differ.
    pub(super) wrong: Option<(Checksum, Checksum)>,
    /// The checksum that held, and who stated it; `None` if nobody stated one.
    pub(super) held: Option<Found>,
}

impl Check {
    pub(super) fn new(context: &Context, source: &Source, resource: &Resource) -> Self {
        let given = source.checksum.clone().map(|checksum| Found {
            checksum,
            place: "--checksum".to_owned(),
        });
        let expected = match context.search {
            Search::Off => given,
            Search::Likely | Search::Everywhere => given.or_else(|| resource.stated.clone()),
        };
        let sidecars = match context.search {
            Search::Likely | Search::Everywhere if expected.is_none() => {
                sidecar::sidecars(&source.url, context.search == Search::Everywhere)
            }
            Search::Off | Search::Likely | Search::Everywhere => &[],
        };
        let mut wanted = context.algorithms.clone();
        wanted.extend(expected.as_ref().map(|found| found.checksum.algorithm));
        if wanted.is_empty() && context.reporter.is_heard() {
            wanted.push(DEFAULT);
        }
        let mut computed = wanted.clone();
        computed.extend(sidecar::algorithms(sidecars));
        Self {
            expected,
            sidecars,
            wanted,
            computed,
        }
    }

    /// The checksum that is known before any byte is.
    pub(super) fn expected(&self) -> Option<&Checksum> {
        self.expected.as_ref().map(|found| &found.checksum)
    }

    /// The same, and who states it.
    pub(super) fn known(&self) -> Option<Found> {
        self.expected.clone()
    }

    /// What to compute.
    pub(super) fn algorithms(&self) -> &[Algorithm] {
        &self.computed
    }

    /// Does `work` and looks for a checksum beside the file meanwhile. A failure of `work` ends both.
    pub(super) async fn search_beside(
        &self,
        (context, source): (&Context, &Source),
        work: impl Future<Output = Result<(), Error>>,
    ) -> Result<Option<Found>, Error> {
        let mut work = pin!(work);
        if self.sidecars.is_empty() {
            return work.await.map(|()| None);
        }
        let visit = context.visit(source);
        let mut search = Box::pin(sidecar::search(&visit, self.sidecars));
        let mut found = None;
        loop {
            tokio::select! {
                end = &mut work => {
                    end?;
                    break;
                }
                end = &mut search, if found.is_none() => found = Some(end),
            }
        }
        Ok(match found {
            Some(found) => found,
            None => timeout(PATIENCE, search).await.unwrap_or(None),
        })
    }

    /// Compares the digests with what is expected, or was found beside the file.
    pub(super) fn judge(&self, digests: Vec<Checksum>, beside: Option<Found>) -> Verdict {
        let Some(Found { checksum, place }) = self.expected.clone().or(beside) else {
            return Verdict {
                digests: self.only(digests, None),
                wrong: None,
                held: None,
            };
        };
        let wrong = checksum.refuted_by(&digests);
        let wrong = wrong.map(|actual| (checksum.clone(), actual.clone()));
        let is_computed = digests.iter().any(|d| d.algorithm == checksum.algorithm);
        Verdict {
            // A digest that was not computed proves nothing.
            held: is_computed.then_some(Found {
                checksum: checksum.clone(),
                place,
            }),
            digests: self.only(digests, Some(checksum.algorithm)),
            wrong,
        }
    }

    /// The digests that were asked for or compared.
    fn only(&self, mut digests: Vec<Checksum>, compared: Option<Algorithm>) -> Vec<Checksum> {
        digests.retain(|digest| {
            self.wanted.contains(&digest.algorithm) || compared == Some(digest.algorithm)
        });
        digests
    }
}

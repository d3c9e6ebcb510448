//! Other sources of the same file: taken where the first one fails, and beside it where they are seen to have the same.
//!
//! A mirror is asked for the file once, as the first source is. It takes part if its file has the same length and something
//! shows that it is the same: the same validator, the same stated checksum, or a checksum that the user gave and that the
//! whole will be held against; and if the first bytes of its body are those that are here already. Its ranges are held against
//! what it said itself. A mirror that fails is dropped and its chunks go elsewhere: there is no second chance, since there
//! is another source.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use url::Url;

use super::Context;
use super::fetch::{File, Place};
use super::job::{Job, Stop, timed};
use super::settle::Next;
use super::transfer::next;
use crate::Error;
use crate::answer::Ranges;
use crate::entity::Entity;
use crate::net::{Block, Transfer};
use crate::resolve::{Earlier, Opening, Problem, Resource, Source, name, resolve};
use crate::retry::Verdict;
use crate::schedule::{ChunkId, Outcome};

/// Failures after which a mirror is dropped even if they may pass.
const STRIKES: u32 = 3;

/// How often it is looked whether bytes to compare with are here.
const LOOK: Duration = Duration::from_millis(50);

/// What a place that is a mirror has of its own.
pub(super) struct Mirror {
    /// What it says that it has.
    pub(super) entity: Entity,
    /// The file's requests there that have not ended.
    pub(super) in_flight: Cell<usize>,
    /// Those of them that are being served.
    pub(super) served: Cell<usize>,
    /// Failures since it served a range.
    strikes: Cell<u32>,
}

impl Job<'_> {
    /// The same file at a mirror. Headers of the source go along; credentials do not, unless they are the mirror's.
    fn at(&self, mirror: &Url) -> Source {
        Source {
            home: self.source.home.clone(),
            headers: self.source.headers.clone(),
            name: Some(name::expected(&self.source)),
            pages: self.source.pages,
            ..Source::new(mirror.clone())
        }
    }

    /// Opens the file at the first mirror that has it, after the source itself has failed. What `earlier` left is gone on
    /// with or not opened.
    ///
    /// # Errors
    /// The source's own `problem` if no mirror helps.
    pub(super) async fn open_elsewhere(
        &self,
        earlier: Option<&Earlier>,
        problem: Problem,
    ) -> Result<Opening, Error> {
        for mirror in &self.source.mirrors {
            let source = self.at(mirror);
            let visit = self.context.visit(&source);
            let opened = tokio::select! {
                opened = resolve(&visit, earlier) => opened,
                over = self.over() => return Err(over),
            };
            match opened {
                Ok(opening) if earlier.is_none() || opening.resumed => {
                    self.note(format!("{problem}; it goes on at {}", shown(mirror)));
                    return Ok(opening);
                }
                Ok(_) => self.drop_mirror(mirror, "it has another file"),
                Err(problem) => self.drop_mirror(mirror, &problem.to_string()),
            }
        }
        Err(self.failed(problem))
    }

    fn drop_mirror(&self, mirror: &Url, why: &str) {
        self.note(format!("the mirror {} is dropped: {why}", shown(mirror)));
    }
}

impl File<'_> {
    /// Asks a mirror whether it has the file. `None` if it has not, which has been told then.
    pub(super) async fn try_mirror(&self, mirror: &Url) -> Option<Rc<Place>> {
        match self.judge_mirror(mirror).await {
            Ok(place) => Some(place),
            Err(why) => {
                self.job.drop_mirror(mirror, &why);
                None
            }
        }
    }

    async fn judge_mirror(&self, mirror: &Url) -> Result<Rc<Place>, String> {
        let source = self.job.at(mirror);
        let visit = self.job.context.visit(&source);
        let opened = resolve(&visit, None).await;
        let opening = opened.map_err(|problem| problem.to_string())?;
        self.is_same(&opening.resource)?;
        self.begins_alike(opening.transfer).await?;
        let mut place = Place::new(self.job.context, &opening.resource, 0);
        if let Some(place) = Rc::get_mut(&mut place) {
            place.mirror = Some(Mirror {
                entity: opening.resource.entity,
                in_flight: Cell::new(0),
                served: Cell::new(0),
                strikes: Cell::new(0),
            });
        }
        Ok(place)
    }

    /// Whether the heads show that it is the same file.
    fn is_same(&self, there: &Resource) -> Result<(), String> {
        if there.entity.length != Some(self.length) {
            let length = there
                .entity
                .length
                .map_or("unknown".to_owned(), |n| n.to_string());
            return Err(format!("its length is {length}, not {}", self.length));
        }
        if there.ranges == Ranges::No {
            return Err("it has no ranges".to_owned());
        }
        let here = &self.resource;
        if let (Some(mine), Some(theirs)) = (&here.stated, &there.stated)
            && mine.checksum.algorithm == theirs.checksum.algorithm
        {
            let same = mine.checksum == theirs.checksum;
            return same
                .then_some(())
                .ok_or_else(|| "it states another checksum".to_owned());
        }
        let shown = here.entity.confirms(&there.entity)
            || self.job.source.checksum.is_some()
            || here.stated.is_some();
        let why = "nothing shows that it has the same file; --checksum would";
        shown.then_some(()).ok_or_else(|| why.to_owned())
    }

    /// Whether its body begins with the bytes that are here.
    async fn begins_alike(&self, mut body: Transfer) -> Result<(), String> {
        let block = timed(self.job.context.stall, next(&mut body)).await;
        let block = block.map_err(|problem| problem.to_string())?;
        let Some(Block { bytes, .. }) = block else {
            return Ok(());
        };
        let here = async {
            while self.sink.done().frontier() < bytes.len() as u64 {
                sleep(LOOK).await;
            }
        };
        if timeout(self.job.context.stall, here).await.is_err() {
            return Err("there is nothing yet to compare it with".to_owned());
        }
        match self.sink.agrees(0, bytes).await {
            Ok(true) => Ok(()),
            Ok(false) => Err("its file begins with other bytes".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Where the next request goes, and how many may begin there: of the places that bear one, the one that has fewest. `free`
    /// is what the first place bears, `busy` what it has.
    pub(super) fn choose(&self, first: &Rc<Place>, free: usize, busy: usize) -> (Rc<Place>, usize) {
        let now = Context::now();
        let mirrors = self.mirrors.borrow();
        let others = mirrors.iter().filter_map(|other| {
            let has = other.mirror.as_ref()?.in_flight.get();
            Some((has, other.share.gate.free(now), other))
        });
        let chosen = std::iter::once((busy, free, first))
            .chain(others)
            .filter(|(_, free, _)| *free > 0)
            .min_by_key(|(has, ..)| *has);
        chosen.map_or((Rc::clone(first), 0), |(_, free, place)| {
            (Rc::clone(place), free)
        })
    }

    /// The file's requests at mirrors that have not ended.
    pub(super) fn elsewhere(&self) -> usize {
        let mirrors = self.mirrors.borrow();
        let each = mirrors.iter().filter_map(|place| place.mirror.as_ref());
        each.map(|mirror| mirror.in_flight.get()).sum()
    }

    /// A failure at a mirror: its chunk goes elsewhere.
    pub(super) fn settle_mirror(
        &self,
        id: ChunkId,
        place: &Rc<Place>,
        problem: Problem,
    ) -> Result<Next, Stop> {
        self.schedule
            .borrow_mut()
            .end(id, Outcome::Void, Context::now());
        let Some(mirror) = &place.mirror else {
            return Ok(Next::GoOn);
        };
        mirror.strikes.set(mirror.strikes.get() + 1);
        let passes = matches!(self.job.verdict(&problem.failure, 1), Verdict::Retry { .. });
        let mut mirrors = self.mirrors.borrow_mut();
        let known = mirrors.iter().position(|other| Rc::ptr_eq(other, place));
        if let Some(known) = known
            && !(passes && mirror.strikes.get() < STRIKES)
        {
            mirrors.remove(known);
            self.job.drop_mirror(&place.url, &problem.to_string());
        }
        drop(mirrors);
        self.is_not_over().map(|()| Next::GoOn)
    }

    /// Takes in a mirror, or learns that it is none.
    pub(super) fn welcome(&self, mirror: Option<Rc<Place>>) -> Result<(), Stop> {
        self.unknown.set(self.unknown.get().saturating_sub(1));
        self.mirrors.borrow_mut().extend(mirror);
        self.is_not_over()
    }

    fn has_others(&self) -> bool {
        !self.mirrors.borrow().is_empty() || self.unknown.get() > 0
    }

    /// Whether any place is left.
    fn is_not_over(&self) -> Result<(), Stop> {
        if self.has_others() {
            return Ok(());
        }
        match self.lost.take() {
            Some(error) => Err(Stop::Fatal(error)),
            None => Ok(()),
        }
    }

    /// The first place has failed for good: goes on at the mirrors, if there are any.
    ///
    /// # Errors
    /// `error`, if there are none.
    pub(super) fn lose(&self, error: Error) -> Result<(), Stop> {
        if !self.has_others() {
            return Err(Stop::Fatal(error));
        }
        if !self.is_lost() {
            self.job.note(format!("{error}; it goes on at the mirrors"));
        }
        self.lost.replace(Some(error));
        Ok(())
    }

    /// Whether the first place has failed for good.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.borrow().is_some()
    }
}

impl Place {
    /// Notes that a request of the file begins at a mirror, or ends there.
    pub(super) fn count(&self, change: isize) {
        if let Some(mirror) = &self.mirror {
            let now = mirror.in_flight.get().saturating_add_signed(change);
            mirror.in_flight.set(now);
            self.share.set(now, mirror.served.get().min(now));
        }
    }

    /// Notes that a mirror served a range.
    pub(super) fn forgive(&self) {
        if let Some(mirror) = &self.mirror {
            mirror.strikes.set(0);
        }
    }
}

/// A mirror as messages name it.
fn shown(url: &Url) -> String {
    Error::redact(url.as_str())
}

//! The first request of a file, which is made again until its answer is one to go on with, or nothing more can be hoped for.
//!
//! What a failure means is judged by `retry`. Here is what follows where there may be something to go on with from an
//! earlier run or round: where that cannot be, all of the file is asked for.

use std::time::Duration;

use super::job::Job;
use crate::Error;
use crate::net::Client;
use crate::resolve::{Earlier, Opening, Problem, Visit, resolve};
use crate::retry::{self, Failure, Policy, Verdict};

/// How often an address that denies the rest of a file is asked again for it, before all of the file is asked for.
const DENIALS: u32 = 2;

impl Job<'_> {
    /// The first request, with retries. What `earlier` left cannot be gone on with if the server has another file now, or no
    /// byte of what is missing: then the request is for all of the file.
    pub(super) async fn open(&self, earlier: Option<&Earlier>) -> Result<Opening, Error> {
        let mut tries = Tries {
            job: self,
            earlier,
            attempts: 0,
            denials: 0,
        };
        loop {
            let client = self.client();
            let problem = match tries.ask(&client).await? {
                Ok(opening) if tries.is_doubtful(&opening) => {
                    self.note(
                        "the server says another length of the same file; asked again".to_owned(),
                    );
                    tries.earlier = None;
                    continue;
                }
                Ok(opening) => return self.wanted(opening),
                Err(problem) => problem,
            };
            if self.is_challenge(&problem) && self.change_family() {
                self.retrying(&problem, Duration::ZERO);
                continue;
            }
            if problem.failure.is_misdirected() {
                client.reset();
            }
            match tries.after(&problem.failure) {
                Next::Again(pause) => self.pause(&problem, pause).await?,
                Next::Anew => self.retrying(&problem, Duration::ZERO),
                Next::Elsewhere => {
                    return self.wanted(self.open_elsewhere(tries.earlier, problem).await?);
                }
            }
        }
    }

    /// Refuses what is larger than the user wants.
    fn wanted(&self, opening: Opening) -> Result<Opening, Error> {
        let length = opening.resource.entity.length.unwrap_or(0);
        self.not_too_large(length).map(|()| opening)
    }

    async fn pause(&self, problem: &Problem, after: Duration) -> Result<(), Error> {
        self.retrying(problem, after);
        tokio::select! {
            () = tokio::time::sleep(after) => Ok(()),
            over = self.over() => Err(over),
        }
    }
}

/// What has been tried so far.
struct Tries<'a> {
    job: &'a Job<'a>,
    /// What is to be gone on with; `None` once that has turned out to be impossible.
    earlier: Option<&'a Earlier>,
    /// Failures since it was last decided what to ask for.
    attempts: u32,
    /// How often what is missing was forbidden.
    denials: u32,
}

/// What to do after a failure.
enum Next {
    /// Ask for the same again, after a pause.
    Again(Duration),
    /// Ask for all of the file.
    Anew,
    /// Give the address up.
    Elsewhere,
}

impl Tries<'_> {
    /// Makes the request once. The outer error: the user wants to stop, or nothing has come for too long.
    async fn ask(&self, client: &Client) -> Result<Result<Opening, Problem>, Error> {
        let asks = |turn| self.job.asks(turn);
        let visit = Visit {
            client,
            asks: Some(&asks),
            ..self.job.context.visit(&self.job.source)
        };
        tokio::select! {
            answer = resolve(&visit, self.earlier) => Ok(answer),
            over = self.job.over() => Err(over),
        }
    }

    /// Whether one of two lengths is a lie, this answer's or that of what is here. Whichever is said again is believed.
    fn is_doubtful(&self, opening: &Opening) -> bool {
        let contradicts = |known: &Earlier| known.entity.contradicts(&opening.resource.entity);
        !opening.resumed && self.earlier.is_some_and(contradicts)
    }

    /// Counts a failure and says what follows from it.
    fn after(&mut self, failure: &Failure) -> Next {
        self.attempts += 1;
        let verdict = self.verdict(failure);
        // A fresh address may not be known everywhere yet, or be asked too much: that passes, and a body from the first
        // byte would be no better.
        let is_passing = self.earlier.is_some() && failure.is_forbidden();
        self.denials += u32::from(is_passing);
        let policy = &self.job.context.policy;
        if is_passing && self.denials <= DENIALS && policy.retries > 0 {
            return Next::Again(retry::backoff(self.denials, policy, fastrand::u64(..)));
        }
        let gives_way = is_passing || matches!(verdict, Verdict::Restart | Verdict::Reresolve);
        if self.earlier.is_some() && gives_way {
            (self.earlier, self.attempts) = (None, 0);
            return Next::Anew;
        }
        match verdict.on_first() {
            Verdict::Retry { after } => Next::Again(after),
            Verdict::Restart | Verdict::Reresolve | Verdict::Fatal => Next::Elsewhere,
        }
    }

    /// A host that has never answered is asked less often.
    fn verdict(&self, failure: &Failure) -> Verdict {
        let policy = self.job.context.policy;
        let is_silent = matches!(failure, Failure::Network(_)) && self.earlier.is_none();
        let retries = if is_silent {
            policy.first_retries
        } else {
            policy.retries
        };
        let policy = Policy { retries, ..policy };
        retry::verdict(failure, self.attempts, &policy, fastrand::u64(..))
    }
}

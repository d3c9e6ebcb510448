//! The bandwidth limit of a run: whoever has received bytes passes them on when they are paid for.
//!
//! Until then he takes no more, so the transfer's credit runs out and its server is held back.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Context;
use crate::limit::Bucket;

/// What limits the bytes of all files together.
#[derive(Default)]
pub struct Pace(
    /// `None` if nothing does.
    Option<Limited>,
);

struct Limited {
    /// Never borrowed across an await.
    bucket: RefCell<Bucket>,
    /// Bytes a second.
    rate: f64,
    /// As many requests as have been necessary so far to reach the rate. More would each be slower, and a stream's bytes
    /// would come in bursts, whenever those at its front are there.
    requests: Cell<usize>,
    /// Since when bytes are counted to see whether the rate is reached.
    since: Cell<Instant>,
    /// Bytes since then.
    passed: Cell<u64>,
    /// Whether it was not reached in the stretch of time before.
    missed: Cell<bool>,
}

/// How often it is seen whether the rate is reached.
const STRETCH: Duration = Duration::from_millis(250);

/// No more requests than any user may ask for.
const MOST: usize = 128;

/// This share of the rate counts as all of it.
const REACHED: f64 = 0.9;

impl Pace {
    /// `rate` bytes a second; no limit if `None`.
    ///
    /// # Panics
    /// If the rate is not a positive number.
    #[must_use]
    pub fn new(rate: Option<f64>) -> Self {
        Self(rate.map(|rate| Limited {
            bucket: RefCell::new(Bucket::new(rate)),
            rate,
            requests: Cell::new(1),
            since: Cell::new(Context::now()),
            passed: Cell::new(0),
            missed: Cell::new(false),
        }))
    }

    /// How many requests may be necessary; as many as there can be, if there is no limit.
    pub(super) fn requests(&self, now: Instant) -> usize {
        let Some(limited) = &self.0 else {
            return usize::MAX;
        };
        let elapsed = now.saturating_duration_since(limited.since.get());
        if elapsed >= STRETCH {
            let due = limited.rate * elapsed.as_secs_f64() * REACHED;
            let missed = (limited.passed.take() as f64) < due;
            if missed && limited.missed.get() {
                limited
                    .requests
                    .set(limited.requests.get().saturating_mul(2).min(MOST));
            }
            limited.missed.set(missed && !limited.missed.get());
            limited.since.set(now);
        }
        limited.requests.get()
    }

    /// Whether there is a limit.
    pub(super) fn is_limited(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until so many more bytes may pass.
    pub(super) async fn pay(&self, bytes: usize) {
        let Some(limited) = &self.0 else {
            return;
        };
        limited.passed.set(limited.passed.get() + bytes as u64);
        let wait = limited
            .bucket
            .borrow_mut()
            .take(bytes as u64, Context::now());
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

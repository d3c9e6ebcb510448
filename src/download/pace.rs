//! The bandwidth limit of a run: whoever has received bytes passes them on when they are paid for.
//!
//! Until then he takes no more, so the transfer's credit runs out and its server is held back.

use std::cell::RefCell;

use tokio::time::sleep;

use super::Context;
use crate::limit::Bucket;

/// What limits the bytes of all files together.
#[derive(Default)]
pub struct Pace(
    /// `None` if nothing does. Never borrowed across an await.
    Option<RefCell<Bucket>>,
);

impl Pace {
    /// `rate` bytes a second; no limit if `None`.
    ///
    /// # Panics
    /// If the rate is not a positive number.
    #[must_use]
    pub fn new(rate: Option<f64>) -> Self {
        Self(rate.map(|rate| RefCell::new(Bucket::new(rate))))
    }

    /// Whether there is a limit.
    pub(super) fn is_limited(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until so many more bytes may pass.
    pub(super) async fn pay(&self, bytes: usize) {
        let Some(bucket) = &self.0 else {
            return;
        };
        let wait = bucket.borrow_mut().take(bytes as u64, Context::now());
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

//! Servers that behave otherwise after a while: closures that count how often they were called.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the calls and tells the number of each, from 0.
pub fn counter() -> impl Fn() -> usize + Send + Sync {
    let calls = AtomicUsize::new(0);
    move || calls.fetch_add(1, Ordering::Relaxed)
}

/// True for the first `count` calls.
pub fn first(count: usize) -> impl Fn() -> bool + Send + Sync {
    let nth = counter();
    move || nth() < count
}

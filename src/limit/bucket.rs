//! Bytes a second.
//!
//! A token bucket that counts bytes after they have come, as nobody can say before how many will: whoever took some waits
//! as long as it is told and then takes more. The state is one moment, the time at which all bytes so far would have
//! been through at the limited rate (the virtual scheduling form of ITU-T I.371's leaky bucket), so nothing drifts
//! and there is no refill to be run.

use std::time::{Duration, Instant};

/// Limits a rate over all who share it.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Bytes a second; greater than 0.
    rate: f64,
    /// When all bytes taken so far have been paid for; in the past if the line was slower than the limit.
    paid_at: Option<Instant>,
}

/// What was not used in the last moments may be caught up with; more would be a burst far above the limit.
const BURST: Duration = Duration::from_millis(100);

/// A single wait is no longer, so that no arithmetic overflows at absurd rates.
const LONGEST: Duration = Duration::from_secs(60 * 60);

impl Bucket {
    /// A limit of `rate` bytes a second.
    ///
    /// # Panics
    /// If `rate` is not a positive number.
    pub fn new(rate: f64) -> Bucket {
        assert!(
            rate > 0.0 && rate.is_finite(),
            "a rate limit of {rate} bytes a second"
        );
        Bucket {
            rate,
            paid_at: None,
        }
    }

    /// Takes `bytes` that have come, and tells how long to wait before taking more.
    pub fn take(&mut self, bytes: u64, now: Instant) -> Duration {
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let start = self.paid_at.unwrap_or(now).max(earliest);
        let price = (bytes as f64 / self.rate).min(LONGEST.as_secs_f64());
        let paid_at = start + Duration::from_secs_f64(price);
        self.paid_at = Some(paid_at.min(now + LONGEST));
        self.wait(now)
    }

    /// How long to wait before taking any bytes.
    pub fn wait(&self, now: Instant) -> Duration {
        self.paid_at
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn bytes_are_paid_for_afterwards() {
        let mut bucket = Bucket::new(MIB as f64);
        let now = Instant::now();
        assert_eq!(bucket.wait(now), Duration::ZERO);
        assert_eq!(bucket.take(MIB, now), Duration::from_secs(1));
        assert_eq!(bucket.take(MIB, now), Duration::from_secs(2));
        let later = now + Duration::from_millis(1500);
        assert_eq!(bucket.wait(later), Duration::from_millis(500));
    }

    #[test]
    fn an_idle_time_is_not_saved_up() {
        let mut bucket = Bucket::new(MIB as f64);
        let now = Instant::now();
        bucket.take(1, now);
        let later = now + Duration::from_secs(60);
        assert_eq!(bucket.take(MIB, later), Duration::from_secs(1) - BURST);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_does_no_harm() {
        let mut bucket = Bucket::new(1000.0);
        let now = Instant::now() + Duration::from_secs(10);
        bucket.take(1000, now);
        let wait = bucket.take(0, now - Duration::from_secs(5));
        assert_eq!(wait, Duration::from_secs(6));
    }

    #[test]
    #[should_panic(expected = "a rate limit of 0 bytes")]
    fn nothing_is_no_limit() {
        let _ = Bucket::new(0.0);
    }

    proptest! {
        /// Over any run, no more than the rate and one burst, and no less where bytes are always there.
        #[test]
        fn the_rate_is_kept(rate in 1e3f64..1e9, blocks in prop::collection::vec(1u64..1 << 18, 1..200)) {
            let mut bucket = Bucket::new(rate);
            let begin = Instant::now();
            let mut now = begin;
            for &bytes in &blocks {
                now += bucket.take(bytes, now);
            }
            let ideal = blocks.iter().sum::<u64>() as f64 / rate;
            let took = (now - begin).as_secs_f64();
            prop_assert!((took - ideal).abs() < 1e-3, "{took} {ideal}");
        }

        #[test]
        fn no_input_panics(rate in prop_oneof![Just(f64::MIN_POSITIVE), Just(f64::MAX), 1e-9f64..1e18], bytes in any::<u64>()) {
            let mut bucket = Bucket::new(rate);
            let now = Instant::now();
            for _ in 0..3 {
                prop_assert!(bucket.take(bytes, now) <= LONGEST);
            }
        }
    }
}

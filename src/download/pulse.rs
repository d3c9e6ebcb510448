//! Notices that time was lost: the machine slept, or the process was stopped.
//!
//! A sleeping machine's monotonic clock stands still while the wall clock goes on; in a stopped process both go on and
//! nothing happens between two beats. Either way connections may be dead and nobody has told us. A wall clock that is set
//! back says nothing, one that is set forward by hand costs a few connections.

use std::time::{Duration, Instant};

/// Watches the clocks, if it is shown them often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pulse {
    /// When it was last shown them.
    beat: Instant,
    /// The wall clock then, since 1970.
    wall: Duration,
    /// When bytes must have come again for connections to be believed alive; `None` if nothing is suspected.
    verdict: Option<Instant>,
}

/// More than this between two beats is no delay but a stop.
const LOST: Duration = Duration::from_secs(5);

/// How long connections get to show that they are alive.
const GRACE: Duration = Duration::from_secs(2);

impl Pulse {
    pub(super) fn new(now: Instant, wall: Duration) -> Self {
        Self {
            beat: now,
            wall,
            verdict: None,
        }
    }

    /// Shows it the clocks, and how long nothing has come. True if all connections are to be taken for dead.
    pub(super) fn beat(&mut self, now: Instant, wall: Duration, silent: Duration) -> bool {
        let passed = now.saturating_duration_since(self.beat);
        let on_the_wall = wall.saturating_sub(self.wall);
        if passed.max(on_the_wall) >= LOST {
            self.verdict = Some(now + GRACE);
        }
        (self.beat, self.wall) = (now, wall);
        let due = self.verdict.is_some_and(|verdict| verdict <= now);
        if due {
            self.verdict = None;
        }
        // What had arrived before is read even from a dead connection, but not for long.
        due && silent >= GRACE / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const WALL: Duration = Duration::from_secs(1_700_000_000);

    #[test]
    fn e19_a_stop_and_a_sleep_are_noticed_and_silence_after_it_is_death() {
        // Of monotonic and wall time, what passes while nothing happens.
        for (mono, wall) in [(60, 60), (0, 600)] {
            let begin = Instant::now();
            let mut pulse = Pulse::new(begin, WALL);
            let (now, then) = (begin + mono * SECOND, WALL + wall * SECOND);
            assert!(!pulse.beat(now, then, 60 * SECOND), "there is some grace");
            assert!(!pulse.beat(now + SECOND, then + SECOND, 61 * SECOND));
            assert!(pulse.beat(now + 2 * SECOND, then + 2 * SECOND, 62 * SECOND));
            assert!(
                !pulse.beat(now + 3 * SECOND, then + 3 * SECOND, 63 * SECOND),
                "once"
            );
        }
    }

    #[test]
    fn connections_that_go_on_are_kept() {
        let begin = Instant::now();
        let mut pulse = Pulse::new(begin, WALL);
        pulse.beat(begin + 60 * SECOND, WALL + 60 * SECOND, 60 * SECOND);
        assert!(!pulse.beat(begin + 62 * SECOND, WALL + 62 * SECOND, Duration::ZERO));
    }

    #[test]
    fn f09_a_wall_clock_that_is_set_back_says_nothing() {
        let mut now = Instant::now();
        let mut pulse = Pulse::new(now, WALL);
        for back in [1_000_000, 2_000_000] {
            now += SECOND;
            assert!(!pulse.beat(now, WALL - back * SECOND, 9 * SECOND));
        }
    }
}

//! What ends the driver's wait: an eventfd beside its sockets, which whoever has a command for it rings.
//!
//! `curl_multi_wakeup` would do the same with a pair of sockets. But whoever writes to a socket tells the kernel that it is about
//! to wait itself, and so the thread that is woken gets the same core, behind the one that goes on there: of two cores one was
//! idle. An eventfd says nothing of the kind.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use curl::MultiError;
use curl::multi::{Multi, WaitFd};
use rustix::event::{EventfdFlags, eventfd};

use super::Error;

/// One bell; clones ring the same.
#[derive(Clone, Debug)]
pub(super) struct Bell(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    event: OwnedFd,
    /// Whether the driver waits, or is about to: a command that it would not see has to be followed by a ring.
    asleep: AtomicBool,
}

impl Bell {
    pub(super) fn new() -> Result<Self, Error> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let event = event.map_err(|error| Error::setup(format!("making an eventfd: {error}")))?;
        let asleep = AtomicBool::new(false);
        Ok(Self(Arc::new(Inner { event, asleep })))
    }

    /// Ends a wait that has been [announced](Self::listen). To be called behind the command.
    pub(super) fn ring(&self) {
        if self.0.asleep.swap(false, Ordering::SeqCst) {
            // It could only fail for one that has been rung for ages, which rings anyhow.
            let _ = rustix::io::write(&self.0.event, &1_u64.to_ne_bytes());
        }
    }

    /// Announces a wait. Commands that were sent before this do not end it, and are to be looked for once more.
    pub(super) fn listen(&self) {
        self.0.asleep.store(true, Ordering::SeqCst);
    }

    /// Waits for the network, for libcurl's timers, or for the bell (`curl_multi_poll`).
    pub(super) fn wait(&self, multi: &Multi, longest: Duration) -> Result<(), MultiError> {
        let mut rung = WaitFd::new();
        rung.set_fd(self.0.event.as_raw_fd());
        rung.poll_on_read(true);
        let mut waited = [rung];
        let polled = multi.poll(&mut waited, longest);
        self.0.asleep.store(false, Ordering::SeqCst);
        if waited[0].received_read() {
            // It was rung, so there is something to be read.
            let _ = rustix::io::read(&self.0.event, &mut [0; 8]);
        }
        polled.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use curl::multi::Multi;

    use super::Bell;

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(10);

    #[test]
    fn a_ring_ends_the_wait_that_was_announced_and_no_other() {
        let (bell, multi) = (Bell::new().unwrap(), Multi::new());
        let waits = |longest| {
            let began = Instant::now();
            bell.wait(&multi, longest).unwrap();
            began.elapsed()
        };
        bell.ring();
        assert!(waits(SHORT) >= SHORT, "nobody had announced it");
        bell.listen();
        bell.ring();
        assert!(waits(LONG) < LONG);
        assert!(waits(SHORT) >= SHORT, "it rings but once");
        bell.listen();
        let ringer = bell.clone();
        std::thread::spawn(move || ringer.ring());
        assert!(waits(LONG) < LONG);
    }
}

//! Small files that are complete are verified and put in their places together.
//!
//! Of thousands of small files each would pay for a sync of its own and one of the directory, and for a thread that is woken
//! to make them, and to hash it. So they wait in a queue, of which a thread takes as many as there are. Nobody waits for company,
//! unless there has just been some: while many come, the thread looks only now and then, which costs far less than to be woken for
//! each. More threads come only where the queue grows all the same, as on a slow disk, which serves several in the time of one.
//!
//! The queue is that of the whole process, and so are its threads: they belong to no runtime, and end when nothing comes.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Error;
use super::finish::{self, Complete, Trial, Tried};

/// Files that a thread takes at most.
const TOGETHER: usize = 32;

/// Threads at most.
const THREADS: usize = 8;

/// How long a thread waits for more before it ends.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long it sleeps where they come faster than that.
const NAP: Duration = Duration::from_millis(1);

static QUEUE: Queue = Queue {
    state: Mutex::new(State {
        waiting: VecDeque::new(),
        threads: 0,
        idle: 0,
    }),
    more: Condvar::new(),
};

/// Those who wait, and those who see to them.
struct Queue {
    state: Mutex<State>,
    /// Told when somebody has come and a thread is idle.
    more: Condvar,
}

struct State {
    waiting: VecDeque<Task>,
    /// Threads that there are.
    threads: usize,
    /// Of these, the ones that wait.
    idle: usize,
}

/// A part, and who is told what becomes of it.
type Task = ((Complete, Trial), oneshot::Sender<Result<Tried, Error>>);

/// Puts a complete part in its place if it is what it has to be, with others if there are any. The outer error: the work came to
/// no end.
pub(super) async fn put_in_place(part: Complete, trial: Trial) -> io::Result<Result<Tried, Error>> {
    let (told, end) = oneshot::channel();
    QUEUE.enter(((part, trial), told));
    end.await
        .map_err(|_| io::Error::other("the thread that did it panicked"))
}

impl Queue {
    fn enter(&'static self, task: Task) {
        let mut state = self.state();
        state.waiting.push_back(task);
        if state.idle > 0 {
            drop(state);
            return self.more.notify_one();
        }
        let enough = state.waiting.len().div_ceil(TOGETHER).min(THREADS);
        if state.threads >= enough {
            return;
        }
        state.threads += 1;
        drop(state);
        let thread = thread::Builder::new().name("hs-finish".into());
        if thread.spawn(|| self.serve(PATIENCE)).is_err() {
            // Then it is done here, and takes as long as it takes.
            self.serve(Duration::ZERO);
        }
    }

    /// Sees to all who wait, and ends when nobody has come for so long.
    #[expect(
        clippy::disallowed_methods,
        reason = "the thread is none of a runtime's, and nothing is to wake it"
    )]
    fn serve(&self, patience: Duration) {
        while let Some((tasks, rested)) = self.next(patience) {
            let (parts, told): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
            // A panic is that of those whose parts these are, who are told nothing then.
            let ends = catch_unwind(AssertUnwindSafe(|| finish::all(&parts)));
            for (told, end) in told.into_iter().zip(ends.unwrap_or_default()) {
                // Nobody has to wait for it.
                let _ = told.send(end);
            }
            if rested < NAP && !patience.is_zero() {
                thread::sleep(NAP);
            }
        }
    }

    /// As many as there are, when there are some, and how long that took; `None` if nobody came.
    fn next(&self, patience: Duration) -> Option<(Vec<Task>, Duration)> {
        let began = Instant::now();
        let mut state = self.state();
        if state.waiting.is_empty() {
            state.idle += 1;
            let waited = self.more.wait_timeout(state, patience);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.idle -= 1;
            if state.waiting.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
        let together = state.waiting.len().min(TOGETHER);
        Some((state.waiting.drain(..together).collect(), began.elapsed()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use bytes::Bytes;
    use futures_util::future::join_all;

    use super::super::{Error, Identity, Part, Place, Verified};
    use crate::entity::Entity;
    use crate::hash::{Algorithm, Hasher};

    fn part(dir: &std::path::Path, name: &str, length: u64) -> Part {
        let entity = Entity {
            length: Some(length),
            ..Entity::default()
        };
        let url = format!("https://example.org/{name}");
        Part::create(dir, name, &Identity { url, entity }).unwrap()
    }

    #[tokio::test]
    async fn each_of_many_gets_its_name_whatever_becomes_of_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let mut hasher = Hasher::new(&[Algorithm::Md5]);
        hasher.update(b"abc");
        let right = hasher.finish().remove(0);
        let number = 3 * super::TOGETHER;
        let ends = join_all((0..number).map(async |nth| {
            let part = part(dir.path(), &nth.to_string(), 3);
            let bytes = ["abc", "ab", "abd"].get(nth % 7).unwrap_or(&"abc");
            part.write(0, Bytes::from(*bytes)).await.unwrap();
            part.verify(Place::Free, &[Algorithm::Md5], Some(&right))
                .await
        }));
        for (nth, end) in ends.await.into_iter().enumerate() {
            let path = dir.path().join(nth.to_string());
            match end {
                Ok(Verified::Placed(end, sums)) => {
                    assert_eq!((&end, sums.contains(&right)), (&path, true));
                    assert!(nth % 7 == 0 || nth % 7 > 2, "{nth}");
                }
                Ok(Verified::Refused(part, (expected, actual))) => {
                    assert_eq!(
                        (nth % 7, expected == right, actual == right),
                        (2, true, false)
                    );
                    assert_eq!(fs::read(part.path()).unwrap(), b"abd");
                }
                Err(Error::Incomplete { have, need, .. }) => {
                    assert_eq!((have, need, nth % 7), (2, 3, 1));
                }
                Err(other) => panic!("{other}"),
            }
            let is_right = nth % 7 == 0 || nth % 7 > 2;
            assert_eq!(fs::read(&path).is_ok_and(|it| it == b"abc"), is_right);
        }
    }
}

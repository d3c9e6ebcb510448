//! Small files that are complete are put in their places together.
//!
//! Of thousands of small files each would pay for a sync of its own and one of the directory, and for a thread that is woken
//! to make them. So they wait in a queue, of which a thread takes as many as there are: nobody waits for company, but
//! whoever comes while others are seen to is next together with all that came meanwhile. More threads come only where the queue
//! grows all the same, as on a slow disk, which serves several in the time of one.
//!
//! The queue is that of the whole process, and so are its threads: they belong to no runtime, and end when nothing comes.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Error;
use super::finish::{self, Complete};

/// Files that a thread takes at most.
const TOGETHER: usize = 32;

/// Threads at most.
const THREADS: usize = 8;

/// How long a thread waits for more before it ends.
const PATIENCE: Duration = Duration::from_millis(100);

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
    waiting: VecDeque<(Complete, Told)>,
    /// Threads that there are.
    threads: usize,
    /// Of these, the ones that wait.
    idle: usize,
}

type Told = oneshot::Sender<Result<PathBuf, Error>>;

/// Puts a complete part in its place, with others if there are any. The outer error: the work came to no end.
pub(super) async fn put_in_place(part: Complete) -> io::Result<Result<PathBuf, Error>> {
    let (told, end) = oneshot::channel();
    QUEUE.enter((part, told));
    end.await
        .map_err(|_| io::Error::other("the thread that did it panicked"))
}

impl Queue {
    fn enter(&'static self, part: (Complete, Told)) {
        let mut state = self.state();
        state.waiting.push_back(part);
        if state.idle > 0 {
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
    fn serve(&self, patience: Duration) {
        let mut state = self.state();
        loop {
            if state.waiting.is_empty() {
                state.idle += 1;
                let waited = self.more.wait_timeout(state, patience);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                state.idle -= 1;
                if state.waiting.is_empty() {
                    state.threads -= 1;
                    return;
                }
            }
            let together = state.waiting.len().min(TOGETHER);
            let (parts, told): (Vec<_>, Vec<_>) = state.waiting.drain(..together).unzip();
            drop(state);
            // A panic is that of those whose parts these are, who are told nothing then.
            let ends = catch_unwind(AssertUnwindSafe(|| finish::all(&parts)));
            for (told, end) in told.into_iter().zip(ends.unwrap_or_default()) {
                // Nobody has to wait for it.
                let _ = told.send(end);
            }
            state = self.state();
        }
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

    use super::super::{Error, Identity, Part};
    use crate::entity::Entity;

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
        let number = 3 * super::TOGETHER;
        let ends = join_all((0..number).map(async |nth| {
            let part = part(dir.path(), &nth.to_string(), 3);
            let bytes = if nth % 7 == 3 { "ab" } else { "abc" };
            part.write(0, Bytes::from(bytes)).await.unwrap();
            part.commit().await
        }));
        for (nth, end) in ends.await.into_iter().enumerate() {
            let path = dir.path().join(nth.to_string());
            match end {
                Ok(end) => assert_eq!((end, nth % 7 == 3), (path.clone(), false)),
                Err(Error::Incomplete { have, need, .. }) => {
                    assert_eq!((have, need, nth % 7), (2, 3, 3));
                }
                Err(other) => panic!("{other}"),
            }
            assert_eq!(fs::read(&path).is_ok_and(|it| it == b"abc"), nth % 7 != 3);
        }
    }
}

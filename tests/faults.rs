//! Whatever goes wrong, and in whatever order, a download ends: with the right bytes, or with a right exit code and
//! without a file.
//!
//! A *seed* is a file, a server, a client and what befalls each answer (see [`world`] and [`fault`]); the fault of an answer
//! depends on nothing but the seed, what is asked for, and how often that was asked for before. A failing seed says so,
//! and is played again, aloud, or among others of one's choice, by
//!
//! ```text
//! HS_FAULT_SEED=123 cargo test --test main faults::replay -- --nocapture
//! HS_FAULT_SEED=100..200 cargo test --test main faults::replay -- --nocapture
//! ```

mod fault;
mod play;
mod world;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use play::{Ended, play};
use world::{Weather, World};

/// Seeds played at one time: mostly they wait.
const AT_ONCE: usize = 16;

/// No seed takes longer, not even on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(240);

#[test]
fn some_hundred_schedules_of_faults_end_as_they_should() {
    play_all(0..300);
}

#[test]
#[ignore = "takes minutes; make test-system runs it"]
fn ten_thousand_schedules_of_faults_end_as_they_should() {
    play_all(1_000..11_000);
}

#[test]
fn replay() {
    let Ok(seed) = std::env::var("HS_FAULT_SEED") else {
        return;
    };
    let number = |text: &str| {
        text.parse()
            .expect("HS_FAULT_SEED is a number, or two with .. between")
    };
    if let Some((from, to)) = seed.split_once("..") {
        return play_all(number(from)..number(to));
    }
    let world = World::new(number(&seed));
    if let Err(what) = play(&world, true) {
        panic!("{what}");
    }
}

/// Plays all these seeds, and says of each that went wrong how.
fn play_all(seeds: Range<u64>) {
    let next = AtomicU64::new(seeds.start);
    let (sender, ended) = mpsc::channel();
    let mut endings: BTreeMap<(&str, Ended), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            let (sender, next, end) = (sender.clone(), &next, seeds.end);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let world = World::new(seed);
                    let result = std::panic::catch_unwind(|| play(&world, false));
                    let result = result.unwrap_or_else(|_| Err(format!("seed {seed}: a panic")));
                    sender.send((world.weather, result)).unwrap();
                }
            });
        }
        for _ in seeds.clone() {
            match ended.recv_timeout(LIMIT) {
                Ok((weather, Ok(end))) => *endings.entry((name(weather), end)).or_default() += 1,
                Ok((_, Err(what))) => {
                    println!("{what}\n");
                    wrong.push(what);
                }
                Err(_) => {
                    println!("a seed hangs near {}", next.load(Ordering::Relaxed));
                    // Its thread would be waited for.
                    std::process::abort();
                }
            }
        }
    });
    println!("{} seeds: {endings:?}", seeds.end - seeds.start);
    assert!(
        wrong.is_empty(),
        "{} of {} seeds went wrong; the first: {}",
        wrong.len(),
        seeds.end - seeds.start,
        wrong[0]
    );
}

fn name(weather: Weather) -> &'static str {
    match weather {
        Weather::Fair => "fair",
        Weather::Foul => "foul",
    }
}

//! The real `hs` over bad lines: loss, outages, moves to another address, suspends, kills. Nothing is lost, and it goes on.
//!
//! Two network namespaces are joined by a line of our own ([`link`]). It needs root and `/dev/net/tun`; `make test-system` runs
//! it, and prints for each scenario how long the download took, how long after an outage bytes came again, and how many bytes
//! the server sent beyond the file. `HS_CHAOS=outage` plays those scenarios alone whose names have that word.

mod link;
mod stage;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;

use crate::common::dice::Dice;
use crate::common::origin::{MIB, Via};
use link::Line;
use stage::Stage;

/// No scenario takes longer, on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(360);

/// Bytes a second of a line in which something is to happen on the way.
const RATE: u64 = 2 * MIB;

/// A file that takes long enough for that.
const SIZE: u64 = 24 * MIB;

/// Bytes that show that the download goes on, and more than the rests of old connections.
const AGAIN: u64 = 512 * 1024;

/// What a scenario measured.
#[derive(Default)]
struct Measured {
    /// From the end of an outage to the next bytes.
    recovery: Option<Duration>,
    /// Sent beyond the file.
    twice: u64,
}

type Scenario = (&'static str, fn() -> Measured);

const SCENARIOS: [Scenario; 16] = [
    ("loss 10 %, round trip 200 ms, http/2", || far(Via::Http2)),
    ("loss 10 %, round trip 200 ms, http/1.1", || far(Via::Http1)),
    ("loss 1 %, round trip 80 ms, http/2", || near(Via::Http2)),
    ("loss 1 %, round trip 80 ms, http/1.1", || near(Via::Http1)),
    ("out of order, twice, damaged, http/2", || {
        muddle(Via::Http2)
    }),
    ("out of order, twice, damaged, clear", || muddle(Via::Clear)),
    ("outage 15 s, http/2", || outage(Via::Http2, 15)),
    ("outage 15 s, http/1.1", || outage(Via::Http1, 15)),
    ("outage 60 s, http/2", || outage(Via::Http2, 60)),
    ("outage 60 s, http/1.1", || outage(Via::Http1, 60)),
    ("device down and up, http/2", device_down),
    ("another address, http/2", || another_address(Via::Http2)),
    ("another address, http/1.1", || another_address(Via::Http1)),
    ("stopped 10 s, sockets killed, http/2", || {
        stopped(Via::Http2, 10)
    }),
    ("stopped 60 s, sockets killed, http/1.1", || {
        stopped(Via::Http1, 60)
    }),
    ("kill -9, at random and at checkpoints", kills),
];

#[test]
#[ignore = "needs root, and takes minutes; make test-system runs it"]
fn nothing_is_lost_on_bad_lines() {
    if !stage::is_possible() {
        println!("skipped: needs root, ip netns and /dev/net/tun");
        return;
    }
    let wanted = std::env::var("HS_CHAOS").unwrap_or_default();
    let chosen: Vec<Scenario> = SCENARIOS
        .into_iter()
        .filter(|(name, _)| name.contains(&wanted))
        .collect();
    let mut table = format!(
        "{:42} {:>9} {:>9} {:>12}\n",
        "scenario", "seconds", "recovery", "sent twice"
    );
    let mut failed = Vec::new();
    // Mostly they wait.
    std::thread::scope(|scope| {
        let running: Vec<_> = chosen
            .into_iter()
            .map(|(name, play)| (name, scope.spawn(move || timed(play))))
            .collect();
        for (name, thread) in running {
            let (result, took) = thread.join().unwrap();
            let line = match result {
                Some(measured) => row(&measured),
                None => {
                    failed.push(name);
                    "FAILED, see above".to_owned()
                }
            };
            let _ = writeln!(table, "{name:42} {:9.1} {line}", took.as_secs_f64());
        }
    });
    println!("\n{table}");
    assert!(failed.is_empty(), "failed: {failed:?}");
}

/// Plays a scenario; `None` if it failed, which its panic has told.
fn timed(play: fn() -> Measured) -> (Option<Measured>, Duration) {
    let begun = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(play)).ok();
    (result, begun.elapsed())
}

fn row(measured: &Measured) -> String {
    let recovery = measured
        .recovery
        .map(|time| format!("{:.1} s", time.as_secs_f64()));
    let twice = measured.twice as f64 / MIB as f64;
    format!("{:>9} {twice:8.2} MiB", recovery.unwrap_or_default())
}

/// A download over a line that is bad all the time.
fn all_along(via: Via, size: u64, line: Line) -> Measured {
    let stage = Stage::new(via, size, line);
    stage.end(stage.start(), LIMIT);
    Measured {
        recovery: None,
        twice: stage.sent_twice(),
    }
}

fn far(via: Via) -> Measured {
    let delay = Duration::from_millis(100);
    all_along(
        via,
        MIB,
        Line {
            delay,
            loss: 100,
            ..Line::new(RATE)
        },
    )
}

fn near(via: Via) -> Measured {
    let delay = Duration::from_millis(40);
    all_along(
        via,
        8 * MIB,
        Line {
            delay,
            loss: 10,
            ..Line::new(RATE)
        },
    )
}

fn muddle(via: Via) -> Measured {
    let line = Line {
        jitter: Duration::from_millis(10),
        twice: 20,
        damage: 10,
        overtake: 20,
        ..Line::new(RATE)
    };
    all_along(via, 8 * MIB, line)
}

/// Something happens when a quarter is there; `happen` returns when it is over. Then bytes have to come again in `soon`.
fn interrupted(
    via: Via,
    soon: Duration,
    happen: impl FnOnce(&Stage, &crate::common::hs::Running),
) -> Measured {
    let stage = Stage::new(via, SIZE, Line::new(RATE));
    let running = stage.start();
    stage.wait_for(SIZE / 4, LIMIT);
    happen(&stage, &running);
    let recovery = stage.wait_for(AGAIN, soon);
    stage.end(running, LIMIT);
    Measured {
        recovery: Some(recovery),
        twice: stage.sent_twice(),
    }
}

fn outage(via: Via, seconds: u64) -> Measured {
    interrupted(via, Duration::from_secs(60), |stage, _| {
        stage.link.change(|line| line.up = false);
        std::thread::sleep(Duration::from_secs(seconds));
        stage.link.change(|line| line.up = true);
    })
}

fn device_down() -> Measured {
    interrupted(Via::Http2, Duration::from_secs(60), |stage, _| {
        stage.set_device("down");
        std::thread::sleep(Duration::from_secs(5));
        stage.set_device("up");
    })
}

fn another_address(via: Via) -> Measured {
    interrupted(via, Duration::from_secs(60), |stage, _| stage.move_away())
}

fn stopped(via: Via, seconds: u64) -> Measured {
    interrupted(via, Duration::from_secs(30), |stage, running| {
        running.signal(Signal::STOP);
        stage.kill_sockets();
        std::thread::sleep(Duration::from_secs(seconds));
        running.signal(Signal::CONT);
    })
}

/// Many runs that end by `kill -9`, half of them just when the control file has changed.
fn kills() -> Measured {
    const KILLS: usize = 24;
    let stage = Stage::new(Via::Http2, 64 * MIB, Line::new(8 * MIB));
    let control = stage.hs.dir().join("far.bin.part.json");
    let stamp = || {
        let meta = std::fs::metadata(&control).ok()?;
        Some((
            meta.len(),
            meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        ))
    };
    let mut dice = Dice::of("kills");
    for nth in 0..KILLS {
        let running = stage.start();
        // Not before something has come, so that the runs get on.
        stage.wait_for(64 * 1024, LIMIT);
        if nth % 2 == 0 {
            std::thread::sleep(Duration::from_millis(dice.below(700)));
        } else {
            let seen = stamp();
            let begun = Instant::now();
            while stamp() == seen && begun.elapsed() < Duration::from_secs(2) {
                std::hint::spin_loop();
            }
        }
        running.kill();
        if !control.exists() {
            break;
        }
    }
    stage.end(stage.start(), LIMIT);
    Measured {
        recovery: None,
        twice: stage.sent_twice(),
    }
}

//! A bad line: packets of one TUN device go to another, late, damaged, twice, in the wrong order, or not at all.
//!
//! Some kernels have no `tc netem`, and none of its settings can be proved to have had an effect; here each is a few lines,
//! and what arrived is counted. Each direction has two threads: one reads packets and decides their fate ([`Lane`]), one
//! waits for their time and writes them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tappers::Tun;

use crate::common::dice::Dice;

/// What a line does to packets, in both directions.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// False carries nothing.
    pub up: bool,
    /// Bytes a second.
    pub rate: u64,
    /// Bytes that may wait for their turn; what comes then is lost.
    pub queue: u64,
    /// One way.
    pub delay: Duration,
    /// Up to so much more delay, for each packet anew: more than the time between two packets puts them out of order.
    pub jitter: Duration,
    /// Packets of a thousand that are lost.
    pub loss: u64,
    /// Packets of a thousand that come twice.
    pub twice: u64,
    /// Packets of a thousand of which a bit is flipped.
    pub damage: u64,
    /// Packets of a thousand that overtake all others.
    pub overtake: u64,
}

impl Line {
    /// A good line of this many bytes a second, with a few milliseconds of delay.
    pub fn new(rate: u64) -> Self {
        Self {
            up: true,
            rate,
            queue: (rate / 5).max(64 * 1024),
            delay: Duration::from_millis(5),
            jitter: Duration::ZERO,
            loss: 0,
            twice: 0,
            damage: 0,
            overtake: 0,
        }
    }
}

/// A running line between two devices.
pub struct Link {
    shared: Arc<Shared>,
}

struct Shared {
    line: Mutex<Line>,
    /// Bytes of packets written to the first device: those to the client.
    carried: AtomicU64,
    /// Whether the threads are to end.
    closed: AtomicBool,
}

impl Link {
    /// Joins `client` and `server`. The threads end when the link was dropped and the devices are gone.
    pub fn new(client: Tun, server: Tun, line: Line) -> Self {
        let shared = Arc::new(Shared {
            line: Mutex::new(line),
            carried: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        });
        let (client, server) = (Arc::new(client), Arc::new(server));
        carry(&shared, &client, &server, "up");
        carry(&shared, &server, &client, "down");
        Self { shared }
    }

    /// Changes the line from now on.
    pub fn change(&self, change: impl FnOnce(&mut Line)) {
        change(&mut self.shared.line.lock().unwrap());
    }

    /// Bytes that have reached the client, headers included.
    pub fn carried(&self) -> u64 {
        self.shared.carried.load(Ordering::Relaxed)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
    }
}

type Packet = Vec<u8>;

/// Starts the two threads of one direction.
fn carry(shared: &Arc<Shared>, from: &Arc<Tun>, to: &Arc<Tun>, name: &'static str) {
    let (sender, packets) = mpsc::channel();
    let (reading, writing) = (Arc::clone(shared), Arc::clone(shared));
    let (from, to) = (Arc::clone(from), Arc::clone(to));
    std::thread::spawn(move || read(&reading, &from, &sender, name));
    std::thread::spawn(move || write(&writing, &to, &packets, name == "down"));
}

/// Reads packets and decides when each is to arrive.
fn read(shared: &Shared, from: &Tun, to: &Sender<(Instant, Packet)>, name: &str) {
    let mut lane = Lane::new(Dice::of(name));
    let mut buffer = [0; 2048];
    while !shared.closed.load(Ordering::Relaxed) {
        let Ok(length) = from.recv(&mut buffer) else {
            // The device is down, or gone; the latter ends the link as well.
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let line = *shared.line.lock().unwrap();
        let arrivals = lane.arrivals(&line, length as u64, Instant::now());
        for at in arrivals {
            let mut packet = buffer[..length].to_vec();
            lane.damage(&line, &mut packet);
            if to.send((at, packet)).is_err() {
                return;
            }
        }
    }
}

/// Writes packets when their time has come.
fn write(shared: &Shared, to: &Tun, packets: &Receiver<(Instant, Packet)>, counts: bool) {
    let mut waiting: BinaryHeap<Reverse<(Instant, u64, Packet)>> = BinaryHeap::new();
    let mut nth = 0_u64;
    loop {
        let now = Instant::now();
        while waiting.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            let Some(Reverse((_, _, packet))) = waiting.pop() else {
                break;
            };
            // What was on its way when the line went down is lost as well.
            let is_up = shared.line.lock().unwrap().up;
            if is_up && sent(to, &packet) && counts {
                shared
                    .carried
                    .fetch_add(packet.len() as u64, Ordering::Relaxed);
            }
        }
        let next = waiting.peek().map(|Reverse((at, ..))| *at);
        let wait = next.map_or(Duration::from_secs(1), |at| {
            at.saturating_duration_since(now)
        });
        match packets.recv_timeout(wait) {
            Ok((at, packet)) => {
                nth += 1;
                waiting.push(Reverse((at, nth, packet)));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// False if the device is down or gone.
fn sent(to: &Tun, packet: &[u8]) -> bool {
    let result: io::Result<usize> = to.send(packet);
    result.is_ok()
}

/// One direction: what becomes of its packets.
struct Lane {
    dice: Dice,
    /// When the last packet has left the queue.
    free_at: Option<Instant>,
}

impl Lane {
    fn new(dice: Dice) -> Self {
        let free_at = None;
        Self { dice, free_at }
    }

    /// When a packet of `length` bytes that comes `now` is to arrive: never, once, or twice.
    fn arrivals(&mut self, line: &Line, length: u64, now: Instant) -> Vec<Instant> {
        if !line.up || self.happens(line.loss) {
            return Vec::new();
        }
        let begin = self.free_at.map_or(now, |at| at.max(now));
        let waiting = (begin - now).as_secs_f64() * line.rate as f64;
        if waiting as u64 + length > line.queue {
            return Vec::new();
        }
        let leaves = begin + Duration::from_secs_f64(length as f64 / line.rate as f64);
        self.free_at = Some(leaves);
        if self.happens(line.overtake) {
            return vec![now];
        }
        let jitter = self.dice.below(line.jitter.as_micros() as u64 + 1);
        let at = leaves + line.delay + Duration::from_micros(jitter);
        if self.happens(line.twice) {
            return vec![at, at + line.delay];
        }
        vec![at]
    }

    /// Flips a bit somewhere, now and then.
    fn damage(&mut self, line: &Line, packet: &mut [u8]) {
        if !packet.is_empty() && self.happens(line.damage) {
            let at = self.dice.below(packet.len() as u64) as usize;
            packet[at] ^= 1 << self.dice.below(8);
        }
    }

    fn happens(&mut self, of_a_thousand: u64) -> bool {
        self.dice.below(1000) < of_a_thousand
    }
}

#[test]
fn a_line_keeps_its_rate_its_queue_and_its_losses() {
    let line = Line {
        queue: 10_000,
        loss: 100,
        ..Line::new(1_000_000)
    };
    let mut lane = Lane::new(Dice::of("a test"));
    let (begin, mut arrived, mut last) = (Instant::now(), 0, Duration::ZERO);
    // Four times as much as fits, for ten seconds.
    for nth in 0..40_000 {
        let now = begin + Duration::from_micros(nth * 250);
        for at in lane.arrivals(&line, 1000, now) {
            arrived += 1;
            assert!(at > now && at - now <= line.delay + Duration::from_millis(11));
            last = last.max(at - begin);
        }
    }
    let rate = f64::from(arrived) * 1000.0 / last.as_secs_f64();
    assert!((980_000.0..=1_001_000.0).contains(&rate), "{rate}");
    let mut lost = 0;
    for nth in 0..10_000 {
        let now = begin + Duration::from_secs(100 + nth);
        lost += i32::from(lane.arrivals(&line, 1000, now).is_empty());
    }
    assert!((900..1100).contains(&lost), "{lost} of 10000 lost");
    assert!(
        lane.arrivals(&Line { up: false, ..line }, 1, begin)
            .is_empty()
    );
}

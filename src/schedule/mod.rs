//! Who fetches which bytes: the gaps that wait, the chunks in flight, splits, steals, retries and the window.
//!
//! A state machine without I/O: transfers report what happened, each with the time it happened at, and get told what to
//! do. Every missing byte is in exactly one place: in a gap that waits, in the rest of one chunk in flight, or delivered
//! through [`Schedule::advance`]. That is why work may be split and stolen at any time: whatever a transfer brings, only
//! the bytes of its own chunk are accepted from it, so no byte is ever accepted twice.
//!
//! The rules, in the order [`Schedule::start`] tries them:
//! - the lowest gap that is ready is begun, with a length by `plan`;
//! - with nothing left to begin, a request whose answer is late is raced by another for the same bytes: whichever brings
//!   the first of them has won, and the other is cut. An answer that merely takes its time is thus never given up;
//! - then the tail half of the chunk that will end last is stolen, if it needs noticeably longer than a new request does.
//!   Where speeds are alike this never happens: a steal ends in a cut, and what the server had sent by then is lost;
//! - in ordered mode all others wait for the chunk at the head, so it comes first in everything: no chunk is begun that
//!   ends beyond the window; the head is stolen from before any other, and before anything new is begun if it is much
//!   slower than usual; while it waits for another attempt, a request is kept free for it.
//!
//! A body that has stopped coming, or crawls, while others come as usual, loses its bytes to the gaps ([`Schedule::relieve`])
//! and with them its request. How long is too long follows from the longest wait of this file that ended well.
//!
//! A running body at the very front is the one thing that the window does not hold, if nothing behind it is in flight: it
//! needs no reordering, and the reader's own pace holds it back. Else a slow reader would have it cut and asked for anew
//! again and again.
//!
//! A body that goes on behind its chunk's end (asked for without an end, or robbed of its tail) takes over the gap that
//! follows, if there still is one: the connection is warm and the bytes are on their way.
//!
//! It does not decide whether a failure is worth a retry (`retry`) nor how many requests may run (`limit`).

mod flight;
mod pending;
mod race;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use self::flight::{Flight, smooth};
use self::pending::{History, Pending};
use crate::plan::{self, Options};
use crate::range::{ByteRange, RangeSet};

/// Names a chunk in flight; never used twice within a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId(u64);

/// One request to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// To report by.
    pub id: ChunkId,
    /// What to ask for. The chunk may shrink or grow at its end later: [`Schedule::rest`] tells.
    pub range: ByteRange,
    /// Ask without an end (`bytes=a-`), and cut when the rest is empty.
    pub open: bool,
    /// Attempts in a row that brought no byte of it so far.
    pub attempt: u32,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should: it brought all of its chunk, or fewer bytes as the server is free to (RFC 9110 §15.3.7). What is
    /// missing may be asked for at once, so report an answer that brings nothing as `Again`.
    Complete,
    /// It failed, and its rest is to be asked for again.
    Again {
        /// But not before this has passed.
        after: Duration,
    },
    /// It failed for reasons that lie elsewhere, and does not count as an attempt. Its rest may be asked for at once.
    Void,
}

/// The state of one file's download.
#[derive(Debug)]
pub struct Schedule {
    options: Options,
    /// Missing bytes that no transfer is asked for.
    pending: Pending,
    /// Chunks whose transfers have not ended, complete or cut ones included.
    flights: BTreeMap<ChunkId, Flight>,
    /// The id the next chunk gets.
    next_id: u64,
    /// Bytes accepted so far, of all chunks.
    delivered: u64,
    /// What one request brings, bytes a second, smoothed over all of them; `None` before the first sample.
    speed: Option<f64>,
    /// Ordered mode: every byte below has left the window. Never falls.
    head: u64,
    /// The latest time any call was made at; `None` before the first.
    latest: Option<Instant>,
    /// The longest wait for a first byte that ended well; `None` before the first.
    longest_wait: Option<Duration>,
    /// The longest pause within a body that ended well.
    longest_pause: Duration,
    /// Missing bytes at the beginning.
    total: u64,
    /// When a steal that was not worth it should be looked at again; set by `start` alone.
    recheck: Option<Instant>,
}

/// A steal has to save a transfer that would need at least this many seconds more.
const LAGGARD: f64 = 1.0;

/// A head that needs so many times longer than usual is stolen from although other bytes could be begun.
const SLOW_HEAD: f64 = 3.0;

/// Bytes that others bring while a transfer is quiet and that show that the line is not the reason.
const ALIVE: u64 = 64 << 10;

/// A wait is too long from here on, and from there on, whatever waits before it were like.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(8));

/// So many times the longest wait that ended well is too long.
const TOO_LONG: u32 = 4;

/// When so few bytes are missing, or a hundredth of the file, requests that would idle share even what is less than a chunk.
const ENDGAME: u64 = 8 << 20;

/// How many times slower than usual a chunk has to be for that.
const SLOW: f64 = 6.0;

/// How often laggards are looked for while a request is idle.
const RECHECK: Duration = Duration::from_millis(500);

/// No retry is put off for longer, whatever the caller says; keeps time arithmetic from overflowing.
const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Schedule {
    /// A schedule that fetches `missing`. In all calls below, `now` is the time of the call.
    pub fn new(missing: RangeSet, options: Options) -> Schedule {
        Schedule {
            pending: Pending::new(&missing),
            head: missing.first().map_or(0, |range| range.start),
            options,
            flights: BTreeMap::new(),
            next_id: 0,
            delivered: 0,
            speed: None,
            latest: None,
            longest_wait: None,
            longest_pause: Duration::ZERO,
            total: missing.len(),
            recheck: None,
        }
    }

    /// Takes in a body that is running already, asked for without an end, whose next byte is the one at `from`.
    ///
    /// Its chunk is empty, and its transfer to be cut, if that byte is not missing.
    pub fn adopt(&mut self, from: u64, now: Instant) -> Chunk {
        self.latest = self.latest.max(Some(now));
        let run = self.pending.run_at(from);
        let range = match run.and_then(|run| run.intersect(ByteRange::new(0, self.bound()))) {
            Some(gap) => {
                let len = plan::first_len(&self.options, self.pending.bytes());
                ByteRange::new(from, plan::cut(&self.options, gap, len))
            }
            None => ByteRange::new(from, from),
        };
        let chunk = self.launch(range, true, now);
        if let Some(flight) = self.flights.get_mut(&chunk.id) {
            // Its answer has come, whenever that was asked for.
            flight.touched = true;
        }
        chunk
    }

    /// The next request to make: a gap, a race with a late one, or the tail of a laggard. `None` if `limit` requests are in
    /// flight, late ones left out, or nothing is to be done now; [`wake`](Self::wake) then tells when to ask again, unless a
    /// transfer or [`head`](Self::head) moves first.
    pub fn start(&mut self, limit: usize, now: Instant) -> Option<Chunk> {
        self.latest = self.latest.max(Some(now));
        self.recheck = None;
        if self.busy(now) + usize::from(self.head_waits(now)) >= limit
            || self.flights.len() > limit * 2
        {
            return None;
        }
        if let Some(head) = self.late_head(now) {
            return Some(self.race(head, now));
        }
        if let Some((head, at)) = self.slow_head(now) {
            return Some(self.steal(head, at, now));
        }
        if let Some(range) = self.next_gap(now) {
            return Some(self.launch(range, self.options.open, now));
        }
        if let Some(late) = self.late(now) {
            return Some(self.race(late, now));
        }
        let Some((victim, at)) = self.laggard(now) else {
            let busy = self.flights.values().any(|flight| !flight.rest.is_empty());
            self.recheck = busy.then(|| now + RECHECK);
            return None;
        };
        Some(self.steal(victim, at, now))
    }

    /// Notes that `bytes` arrived and returns how many of them, from the first on, belong to the chunk; the others are to be
    /// thrown away. 0 for a chunk that is complete, or has ended. Every byte of the body has to be reported, in order.
    pub fn advance(&mut self, id: ChunkId, bytes: u64, now: Instant) -> u64 {
        self.latest = self.latest.max(Some(now));
        if bytes > 0 {
            self.win(id);
        }
        let Some(mut flight) = self.flights.remove(&id) else {
            return 0;
        };
        if bytes > 0 {
            self.note_wait(&flight, now);
            flight.touched = true;
        }
        let mut accepted = 0;
        loop {
            let taken = flight.rest.len().min(bytes - accepted);
            flight.rest.start += taken;
            accepted += taken;
            if !flight.rest.is_empty() || !self.take_over(&mut flight) {
                break;
            }
        }
        if accepted < bytes {
            // The body is beyond its chunk now: no gap that opens here later may be filled from it.
            flight.body_end = flight.rest.end;
        }
        self.delivered += accepted;
        if let Some(sample) = flight.measure(accepted, self.delivered, now) {
            self.speed = Some(smooth(self.speed, sample));
        }
        self.flights.insert(id, flight);
        accepted
    }

    /// What the chunk still has to deliver; empty if it is complete or has ended. A transfer whose rest is empty is to be
    /// cut. The end may move at any call for any chunk, so look again after each wait.
    pub fn rest(&self, id: ChunkId) -> ByteRange {
        let flight = self.flights.get(&id);
        let rival = flight.and_then(|flight| flight.against);
        match rival.and_then(|rival| self.flights.get(&rival)).or(flight) {
            Some(flight) => flight.rest,
            None => ByteRange::new(0, 0),
        }
    }

    /// Notes that the transfer waits for us (`held`), not for its server, or does so no more: that is no fault of it.
    pub fn hold(&mut self, id: ChunkId, held: bool, now: Instant) {
        if let Some(flight) = self.flights.get_mut(&id) {
            flight.hold(held, now);
        }
    }

    /// The head of the answer says that the body goes on to the end of the file, as when a server ignores ranges. Ignored
    /// once a byte of the body was reported.
    pub fn runs_on(&mut self, id: ChunkId) {
        if let Some(flight) = self.flights.get_mut(&id)
            && !flight.touched
        {
            flight.body_end = u64::MAX;
        }
    }

    /// Notes that the chunk's transfer has ended. What it did not deliver waits again. Ignored for one that had ended.
    pub fn end(&mut self, id: ChunkId, outcome: Outcome, now: Instant) {
        self.latest = self.latest.max(Some(now));
        let Some(mut flight) = self.flights.remove(&id) else {
            return;
        };
        if let Some(sample) = flight.last_sample(now) {
            self.speed = Some(smooth(self.speed, sample));
        }
        if self.inherit(id, flight.rest) {
            return;
        }
        let (attempts, not_before) = match outcome {
            Outcome::Complete => (flight.fruitless(), None),
            Outcome::Again { after } => {
                let pause = (!after.is_zero()).then(|| now + after.min(LONGEST_PAUSE));
                (flight.fruitless(), pause)
            }
            Outcome::Void if flight.arrived => (0, None),
            Outcome::Void => (flight.attempts, None),
        };
        let history = History {
            attempts,
            not_before,
            replaced: flight.replaced,
        };
        self.pending.put(flight.rest, history);
    }

    /// Takes their bytes from transfers that have stopped or crawl while others do not. Returns how many there were; each
    /// then has an empty [`rest`](Self::rest).
    pub fn relieve(&mut self, now: Instant) -> usize {
        self.latest = self.latest.max(Some(now));
        let (delivered, speed, bound) = (self.delivered, self.speed, self.bound());
        let patience = self.patience(Some(self.longest_pause));
        // Where all get slower, as on a busy machine or a bad line, that is no reason to ask anew.
        let usual = self.speed.unwrap_or_default() * patience.as_secs_f64();
        let enough = ALIVE.max((usual / 2.0) as u64);
        let mut relieved = 0;
        for flight in self.flights.values_mut() {
            if flight.rest.is_empty() || flight.rest.end > bound || !flight.arrived {
                continue;
            }
            let crawls = flight.crawls(speed, delivered, now);
            if crawls || flight.is_late(patience, delivered, enough, now) {
                let history = History {
                    attempts: 0,
                    replaced: flight.replaced.saturating_add(u32::from(crawls)),
                    not_before: None,
                };
                self.pending.put(flight.rest, history);
                flight.rest.end = flight.rest.start;
                // What it may bring after all lies behind bytes that others fetch.
                flight.body_end = flight.rest.end;
                relieved += 1;
            }
        }
        relieved
    }

    /// Ends all races and takes their bytes from all transfers, none of which counts as an attempt: as when every connection
    /// is presumed dead. What of `missing` was delivered and got lost on its way from there is fetched again.
    pub fn abandon(&mut self, missing: &RangeSet, now: Instant) {
        let ids: Vec<ChunkId> = self.flights.keys().copied().collect();
        for id in &ids {
            if let Some(flight) = self.flights.get_mut(id) {
                flight.against = None;
            }
        }
        for id in ids {
            self.end(id, Outcome::Void, now);
        }
        let mut lost = missing.clone();
        for known in self.pending.iter() {
            lost.remove(known);
        }
        for range in lost.iter() {
            self.pending.put(range, History::default());
        }
    }

    /// Ordered mode: the bytes below `offset` have left the window. Call [`start`](Self::start) afterwards.
    pub fn head(&mut self, offset: u64) {
        self.head = self.head.max(offset);
    }

    /// Plans for another number of requests at once from now on.
    pub fn expect(&mut self, requests: usize) {
        self.options.requests = requests;
    }

    /// Number of transfers that have not ended, complete ones included.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Number of bytes that are still to be delivered.
    pub fn missing(&self) -> u64 {
        let in_flight: u64 = self.flights.values().map(|flight| flight.rest.len()).sum();
        self.pending.bytes() + in_flight
    }

    /// The lowest bytes that wait for a request, ready or not.
    pub fn first_gap(&self) -> Option<ByteRange> {
        self.pending.first()
    }

    /// Whether a request could be made for bytes that wait, if one more were allowed.
    pub fn has_ready(&self, now: Instant) -> bool {
        self.next_gap(now).is_some()
    }

    /// Whether no byte waits for a request. Those in flight may still fail, and then wait again.
    pub fn is_all_begun(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether every byte was delivered. Transfers may still be in flight, with nothing left to bring.
    pub fn is_done(&self) -> bool {
        self.missing() == 0
    }

    /// The next moment at which [`start`](Self::start) may have something although nothing happened in between.
    pub fn wake(&self) -> Option<Instant> {
        let ready = self.latest.and_then(|now| self.pending.wake(now));
        [ready, self.recheck].into_iter().flatten().min()
    }

    /// Attempts in a row at this chunk that brought no byte, if the one in flight ended now: 0 once a byte has arrived.
    pub fn attempts_without_progress(&self, id: ChunkId) -> u32 {
        self.flights.get(&id).map_or(0, Flight::fruitless)
    }

    /// Where the window ends; without one, nowhere.
    fn bound(&self) -> u64 {
        match self.options.window {
            Some(window) => self.head.saturating_add(window),
            None => u64::MAX,
        }
    }

    /// The next chunk among the gaps. Only the lowest ready one counts: in ordered mode, those behind it are even further
    /// beyond the window. A chunk that would be a crumb waits until the window has moved, unless it is the head itself.
    fn next_gap(&self, now: Instant) -> Option<ByteRange> {
        let gap = self.pending.first_ready(now)?;
        let room = gap.intersect(ByteRange::new(0, self.bound()))?;
        let len = if self.options.open {
            let idle = self.options.requests.saturating_sub(self.flights.len());
            plan::even_len(&self.options, self.pending.bytes(), idle)
        } else {
            plan::chunk_len(&self.options, self.pending.bytes(), self.speed)
        };
        let is_crumb = room.len() < len && room.end < gap.end;
        if is_crumb && gap.start > self.head {
            return None;
        }
        Some(ByteRange::new(
            gap.start,
            plan::cut(&self.options, room, len),
        ))
    }

    /// The chunk to steal from and the offset to steal from on, if that is worth it.
    ///
    /// While bytes wait for their time, only the head is worth it: the others would take a turn from them.
    fn laggard(&self, now: Instant) -> Option<(ChunkId, u64)> {
        if let Some((&id, head)) = self.lowest()
            && let Some((_, at)) = self.loot(id, head, true, now)
        {
            return Some((id, at));
        }
        if !self.pending.is_empty() {
            return None;
        }
        let loot = |(&id, flight): (&ChunkId, &Flight)| {
            let (expected, at) = self.loot(id, flight, false, now)?;
            Some((id, at, expected))
        };
        self.flights
            .iter()
            .filter_map(loot)
            .max_by(|(_, _, one), (_, _, other)| one.total_cmp(other))
            .map(|(id, at, _)| (id, at))
    }

    /// Ordered mode: the chunk in flight that all others wait for; `None` if the bytes before it are in no flight at all.
    fn lowest(&self) -> Option<(&ChunkId, &Flight)> {
        self.options.window?;
        let running = self.flights.iter().filter(|(_, f)| !f.rest.is_empty());
        let head = running.min_by_key(|(_, flight)| flight.rest.start);
        head.filter(|(_, flight)| self.pending.begins_behind(flight.rest.start))
    }

    /// Ordered mode: whether the bytes that all others wait for may not be asked for yet.
    fn head_waits(&self, now: Instant) -> bool {
        self.options.window.is_some() && self.pending.first_waits(now) && self.lowest().is_none()
    }

    /// Ordered mode: the head and where to split it, if it holds everything up by far.
    fn slow_head(&self, now: Instant) -> Option<(ChunkId, u64)> {
        let (&id, head) = self.lowest()?;
        let (expected, at) = self.loot(id, head, true, now)?;
        let usual = head.rest.len() as f64 / self.speed?;
        (expected > SLOW_HEAD * usual).then_some((id, at))
    }

    /// How long a chunk will still take, in seconds, and where to split it; `None` if it is to be left alone. If all others
    /// wait for it, they cannot show that it is stalled.
    fn loot(
        &self,
        id: ChunkId,
        flight: &Flight,
        is_head: bool,
        now: Instant,
    ) -> Option<(f64, u64)> {
        let rest = flight.rest;
        // One that has run on beyond the window waits for the reader, not for the server; one that is raced has its helper.
        if rest.is_empty() || rest.end > self.bound() || self.is_raced(id, now) {
            return None;
        }
        if is_head && flight.may_be_relieved() && flight.is_stalled(now) {
            return Some((f64::INFINITY, rest.start));
        }
        let expected = flight.expected(self.speed, now)?;
        if expected <= LAGGARD {
            return None;
        }
        if rest.len() < self.least_loot(rest, expected) {
            // Too little to share. If as good as nothing comes, nothing is lost with the request.
            // Where all are as slow as this one, the line is.
            let usual = self
                .speed
                .map_or(f64::INFINITY, |speed| rest.len() as f64 / speed);
            let hopeless = expected > SLOW * usual.max(LAGGARD) && flight.had_its_time(now);
            return hopeless.then_some((expected, rest.start));
        }
        Some((expected, plan::middle(rest)))
    }

    /// What has to be left of a chunk for a part of it to be stolen: two chunks' worth, or less near the end of the file if
    /// it is slower than usual. Where all are alike the line is the limit, and small parts would not make it any faster.
    fn least_loot(&self, rest: ByteRange, expected: f64) -> u64 {
        let endgame = self.missing() <= (self.total / 100).max(ENDGAME);
        let usual = self.speed.map(|speed| rest.len() as f64 / speed);
        let slow = usual.is_some_and(|usual| expected > SLOW * usual);
        let share = if endgame && slow { 8 } else { 1 };
        (self.options.min_chunk / share).saturating_mul(2).max(2)
    }

    /// Splits the victim at `at` and begins a chunk with the tail, which keeps its history.
    fn steal(&mut self, victim: ChunkId, at: u64, now: Instant) -> Chunk {
        let mut tail = ByteRange::new(at, at);
        if let Some(flight) = self.flights.get_mut(&victim) {
            tail.end = flight.rest.end;
            flight.rest.end = at;
            let history = History {
                attempts: match (flight.arrived, flight.rest.is_empty()) {
                    (true, _) => 0,
                    (false, false) => flight.attempts,
                    (false, true) => flight.fruitless(),
                },
                replaced: match flight.rest.is_empty() && flight.arrived {
                    true => flight.replaced.saturating_add(1),
                    false => flight.replaced,
                },
                not_before: None,
            };
            self.pending.put(tail, history);
        }
        self.launch(tail, self.options.open, now)
    }

    /// Moves a range from the gaps into flight.
    fn launch(&mut self, range: ByteRange, open: bool, now: Instant) -> Chunk {
        let history = if range.is_empty() {
            History::default()
        } else {
            self.pending.take(range)
        };
        self.depart(range, open, history, now)
    }

    fn depart(&mut self, range: ByteRange, open: bool, history: History, now: Instant) -> Chunk {
        let id = ChunkId(self.next_id);
        self.next_id += 1;
        let body_end = if open { u64::MAX } else { range.end };
        let flight = Flight::new(range, body_end, history, self.delivered, now);
        self.flights.insert(id, flight);
        Chunk {
            id,
            range,
            open,
            attempt: history.attempts,
        }
    }

    /// Lets a chunk that has reached its end go on into the gap behind it. False if there is none, or the body ends here.
    fn take_over(&mut self, flight: &mut Flight) -> bool {
        let end = flight.rest.end;
        let leads = self.pending.begins_behind(end)
            && self.flights.values().all(|other| other.rest.is_empty());
        let window = if leads { u64::MAX } else { self.bound() };
        let reach = flight.body_end.min(window);
        let gap = self
            .pending
            .run_at(end)
            .and_then(|gap| gap.intersect(ByteRange::new(0, reach)));
        let Some(gap) = gap else {
            return false;
        };
        let len = plan::chunk_len(&self.options, self.pending.bytes(), self.speed);
        let more = ByteRange::new(end, plan::cut(&self.options, gap, len));
        self.pending.take(more);
        flight.rest = more;
        true
    }
}

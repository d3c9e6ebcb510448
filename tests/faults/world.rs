//! What a seed stands for: the file, the server, the client's options, and how bad the line is.
//!
//! Everything is drawn from the seed alone, so that it can be printed and played again.

use std::time::Duration;

use super::fault::Fault;
use crate::common::dice::Dice;
use crate::common::origin::server::files::{Ranges, Resource};
use crate::common::origin::server::script::Request;
use crate::common::origin::{EVERY_WAY, Via};

/// A browser of each family, so that requests for ranges of each form are made.
const BROWSERS: [&str; 3] = ["chrome", "firefox", "safari"];

/// How bad it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// No request meets more than one fault, and each of them passes: the download has to succeed.
    Fair,
    /// Every second request meets a fault of any kind, again and again: it may fail.
    Foul,
}

/// Where the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Into {
    Disk,
    Stream,
}

/// All that a seed decides.
#[derive(Clone, Debug)]
pub struct World {
    pub seed: u64,
    pub weather: Weather,
    pub via: Via,
    pub into: Into,
    /// Bytes.
    pub size: u64,
    pub ranges: Ranges,
    /// `None` for no ETag, else whether it is strong.
    pub tag: Option<bool>,
    /// Whether there is a Last-Modified.
    pub dated: bool,
    /// Whether lengths are told.
    pub length: bool,
    /// Whether a redirect leads to the file.
    pub redirected: bool,
    /// Bytes a second for each answer.
    pub limit: Option<u64>,
    /// HTTP/2 streams that the server allows.
    pub streams: u32,
    /// Bytes of the other version of the file, which single answers may bring.
    pub other: u64,
    /// The request from which on it is the only version, if there is one.
    pub change: Option<usize>,
    /// Whether the user states the checksum of the first version.
    pub checked: bool,
    pub browser: &'static str,
    pub threads: Option<usize>,
    pub min_chunk: u64,
    /// When the user interrupts the run.
    pub interrupt: Option<Duration>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::of(&format!("world {seed}"));
        let weather = dice.pick(&[Weather::Fair, Weather::Foul]);
        let size = match dice.below(8) {
            0 => 1 + dice.below(16),
            1 => 1 + dice.below(40_000),
            2 => (1 + dice.below(8)) << 16,
            3..=5 => 1 + dice.below(600_000),
            _ => 1 + dice.below(2 << 20),
        };
        let ranges = match dice.below(10) {
            0 => Ranges::None,
            1 => Ranges::Ignored,
            2 => Ranges::Broken,
            3 | 4 => Ranges::Silent,
            _ => Ranges::Announced,
        };
        // Versions without a validator are told apart by their length alone.
        let other = size + dice.below(3);
        let change = dice.percent(15).then(|| 1 + dice.below(6) as usize);
        let mut world = Self {
            seed,
            weather,
            via: dice.pick(&EVERY_WAY),
            into: if dice.percent(30) {
                Into::Stream
            } else {
                Into::Disk
            },
            size,
            ranges,
            tag: dice.pick(&[Some(true), Some(true), Some(true), Some(false), None]),
            dated: dice.percent(70),
            length: dice.percent(90),
            redirected: dice.percent(15),
            limit: dice.percent(20).then(|| 1_000_000 + dice.below(4_000_000)),
            streams: dice.pick(&[1, 2, 8, 128]),
            other,
            change,
            checked: dice.percent(30),
            browser: dice.pick(&BROWSERS),
            threads: dice.pick(&[None, Some(1), Some(2), Some(4), Some(8), Some(16)]),
            min_chunk: dice.pick(&[1 << 14, 1 << 16, 1 << 18, 1 << 20]),
            interrupt: dice
                .percent(10)
                .then(|| Duration::from_millis(dice.below(400))),
        };
        if !world.is_change_visible() && !world.checked {
            // Nobody could tell.
            world.change = None;
        }
        world
    }

    /// The version of the file with which a request is answered, if nothing goes wrong.
    pub fn version(&self, nth: usize) -> Resource {
        match self.change {
            Some(change) if nth >= change => self.second(),
            Some(_) | None => self.first(),
        }
    }

    /// The file as it is at first.
    pub fn first(&self) -> Resource {
        self.resource(1, self.size)
    }

    /// The other version.
    pub fn second(&self) -> Resource {
        self.resource(2, self.other)
    }

    /// Whether an end that comes too early can be seen, however orderly it is.
    pub fn is_length_told(&self) -> bool {
        self.length
    }

    /// Whether an answer of the other version can be told from one of the first.
    pub fn is_change_visible(&self) -> bool {
        self.tag.is_some() || self.dated || (self.other != self.size && self.length)
    }

    fn resource(&self, version: u64, size: u64) -> Resource {
        let mut resource = Resource::new(self.seed.wrapping_mul(2) + version, size);
        resource.etag = self.tag.map(|strong| {
            let weak = if strong { "" } else { "W/" };
            format!("{weak}\"version-{version}\"")
        });
        resource.last_modified = self
            .dated
            .then(|| format!("Mon, 02 Mar 2026 10:00:0{version} GMT"));
        resource.ranges = self.ranges;
        resource.length = self.length;
        resource.limit = self.limit;
        resource
    }

    /// What befalls the answer to a request: the `attempt`th, from 0, to ask for this.
    pub fn fault(&self, request: &Request, attempt: usize) -> Option<Fault> {
        let range = request.header("range").unwrap_or("none");
        let (seed, path) = (self.seed, request.path());
        let mut dice = Dice::of(&format!("{seed} {path} {range} {attempt}"));
        let strikes = match self.weather {
            Weather::Fair => attempt == 0 && dice.percent(25),
            Weather::Foul => dice.percent(50),
        };
        strikes.then(|| Fault::draw(self, &mut dice, range != "none"))
    }
}

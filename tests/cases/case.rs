//! The form of a case: what the origin does, in which variants it is played, and how each has to end.
//!
//! A [`Case`] is one line of the table; its [`Play`]s are the ways in which that can happen. A play is either a script,
//! which the driver runs, or a scene, which does its own directing where signals, second programs or full disks are
//! part of it. Nothing here runs anything.

use std::sync::Arc;
use std::time::Duration;

use crate::common::count::first;
use crate::common::origin::server::Config;
use crate::common::origin::server::content;
use crate::common::origin::server::files::Resource;
use crate::common::origin::server::script::{Act, Framing, Point, Reply, Request};
use crate::common::origin::{Admission, Behaviour, MIB, Site, Via, asks_range};

/// One line of the table.
pub struct Case {
    /// A letter for the section and a number, as `B04`.
    pub id: &'static str,
    /// What origin, network or disk do.
    pub stimulus: &'static str,
    /// What `hs` does then.
    pub outcome: &'static str,
    /// The ways in which it happens.
    pub plays: Vec<Play>,
    /// Tests elsewhere that hold it too, as file and function.
    pub also: Vec<(&'static str, &'static str)>,
    /// What of it does not hold, in plain words.
    pub unmet: Option<&'static str>,
}

impl Case {
    pub fn new(id: &'static str, stimulus: &'static str, outcome: &'static str) -> Self {
        Self {
            id,
            stimulus,
            outcome,
            plays: Vec::new(),
            also: Vec::new(),
            unmet: None,
        }
    }

    /// Adds a way in which it happens.
    pub fn play(mut self, play: Play) -> Self {
        self.plays.push(play);
        self
    }

    /// Names a test elsewhere that holds it too, or what cannot be played against a server.
    pub fn also(mut self, file: &'static str, function: &'static str) -> Self {
        self.also.push((file, function));
        self
    }

    /// Says what of it does not hold.
    #[allow(dead_code, reason = "for the case that is found not to hold next")]
    pub fn unmet(mut self, words: &'static str) -> Self {
        self.unmet = Some(words);
        self
    }

    /// Every play in each of its variants.
    pub fn combinations(&self) -> impl Iterator<Item = (&Play, Via, Mode)> {
        self.plays.iter().flat_map(|play| {
            let modes = move |&via: &Via| play.modes.iter().map(move |&mode| (play, via, mode));
            play.ways.iter().flat_map(modes)
        })
    }
}

/// Where the bytes go, and what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To a file, and nothing is there.
    Cold,
    /// To a file of which an earlier run left a part with holes.
    Resumed,
    /// To standard output.
    Stream,
}

pub const EVERY_MODE: &[Mode] = &[Mode::Cold, Mode::Resumed, Mode::Stream];
pub const BEGINNING: &[Mode] = &[Mode::Cold, Mode::Stream];
pub const TO_DISK: &[Mode] = &[Mode::Cold, Mode::Resumed];

pub const EVERYWHERE: &[Via] = &[Via::Http2, Via::Http1, Via::Clear];
pub const OVER_TLS: &[Via] = &[Via::Http2, Via::Http1];
pub const HTTP1: &[Via] = &[Via::Http1, Via::Clear];

/// How a run has to end.
#[derive(Clone, Debug)]
pub enum End {
    /// All bytes, nothing else, exit 0.
    Whole,
    /// These bytes instead of the resource's, exit 0.
    Bytes(Arc<Vec<u8>>),
    /// This exit code and words, and no file of that name. What is kept of it is right; so is what standard output has.
    Fails(i32, &'static str),
    /// As `Fails`, and not one byte of an answer was used: nothing is on disk but what was there, nothing on standard output.
    Refused(i32, &'static str),
    /// As `Whole`, or as `Fails` with this code.
    WholeOr(i32),
    /// One of these exit codes, and no file of that name.
    Nothing(&'static [i32]),
    /// Exit 3, and all bytes in a file that is named as corrupt, or on standard output.
    Corrupt,
}

/// Looks at what the site was asked for.
pub type Inspection = dyn Fn(&Site, Mode) + Send + Sync;

/// One way in which a case happens.
pub struct Play {
    /// Tells the plays of a case apart; empty if there is one.
    pub what: &'static str,
    /// Path and query of what is asked for.
    pub target: &'static str,
    /// The path of the resource, which is the target unless that leads somewhere else.
    pub place: &'static str,
    /// The name it has to get.
    pub name: &'static str,
    /// What an earlier run has seen there, and the origin has unless the script says otherwise.
    pub resource: Resource,
    /// What the earlier run of [`Mode::Resumed`] left, as half-open ranges; holes by default.
    pub left: Option<Vec<(u64, u64)>>,
    pub options: Vec<String>,
    /// Whether the first body breaks off after [`BREAK`] bytes.
    breaks: bool,
    pub act: Performance,
    pub ways: &'static [Via],
    pub modes: &'static [Mode],
    /// How it ends on disk, and as a stream.
    pub ends: (End, End),
    /// What the origin must have been asked, judged when the client has gone.
    pub asked: Option<Arc<Inspection>>,
    /// What standard error must say.
    pub says: Option<&'static str>,
    /// And what it must not.
    pub hides: Option<&'static str>,
    /// No run may take longer.
    pub within: Duration,
}

/// Who plays.
pub enum Performance {
    /// The driver, with an origin that behaves like this.
    Script {
        /// Makes the behaviour anew for each run, with a state of its own.
        behaviour: Arc<dyn Fn() -> Box<Behaviour> + Send + Sync>,
        config: fn() -> Config,
        admission: fn() -> Box<Admission>,
    },
    /// The play itself.
    Scene(Arc<dyn Fn(Via, Mode) + Send + Sync>),
}

/// Bytes after which the first body of [`Play::slices`] breaks off.
pub const BREAK: u64 = 256 << 10;

impl Play {
    /// A file that has all a download hopes for, from an origin that does everything right, in every mode over HTTP/2 and
    /// HTTP/1.1.
    pub fn of(size: u64) -> Self {
        Self {
            what: "",
            target: "/x.bin",
            place: "/x.bin",
            name: "x.bin",
            resource: Resource::new(11, size),
            left: None,
            options: vec!["-t".to_owned(), "4".to_owned()],
            breaks: false,
            act: Performance::Script {
                behaviour: Arc::new(|| Box::new(|_, reply| reply)),
                config: Config::default,
                admission: || Box::new(|_| true),
            },
            ways: OVER_TLS,
            modes: EVERY_MODE,
            ends: (End::Whole, End::Whole),
            asked: None,
            says: None,
            hides: None,
            within: Duration::from_secs(60),
        }
    }

    /// A file too small for ranges, unless an earlier run left holes.
    pub fn small() -> Self {
        Self::of(300_001)
    }

    /// A file large enough for ranges beside its first body, from an origin so slow that all of them run at once.
    pub fn large() -> Self {
        let mut play = Self::of(14 * MIB + 3);
        play.resource.limit = Some(20 * MIB);
        play
    }

    /// A file whose first body breaks off, so that what is missing is asked for in ranges. Smaller than one that gets ranges
    /// at once, for plays of which there are many.
    pub fn slices() -> Self {
        let mut play = Self::of(3 * MIB + 5);
        play.resource.limit = Some(20 * MIB);
        play.breaks = true;
        play.origin(|| |_, reply| reply)
    }

    /// A play that directs itself.
    pub fn scene(scene: impl Fn(Via, Mode) + Send + Sync + 'static) -> Self {
        let mut play = Self::of(0);
        play.act = Performance::Scene(Arc::new(scene));
        play
    }

    pub fn what(mut self, what: &'static str) -> Self {
        self.what = what;
        self
    }

    pub fn over(mut self, ways: &'static [Via]) -> Self {
        self.ways = ways;
        self
    }

    pub fn modes(mut self, modes: &'static [Mode]) -> Self {
        self.modes = modes;
        self
    }

    pub fn resource(mut self, change: impl FnOnce(&mut Resource)) -> Self {
        change(&mut self.resource);
        self
    }

    /// What is asked for, and the name that it has to get.
    pub fn named(mut self, target: &'static str, name: &'static str) -> Self {
        (self.target, self.place, self.name) = (target, target, name);
        self
    }

    /// What is asked for in place of the resource; the origin has to lead from there to it.
    pub fn through(mut self, target: &'static str) -> Self {
        self.target = target;
        self
    }

    pub fn left(mut self, ranges: &[(u64, u64)]) -> Self {
        self.left = Some(ranges.to_vec());
        self
    }

    pub fn options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|&o| o.to_owned()));
        self
    }

    /// What the origin makes of the right replies. `make` is called once for each run.
    pub fn origin<B>(mut self, make: impl Fn() -> B + Send + Sync + 'static) -> Self
    where
        B: Fn(&Request, Reply) -> Reply + Send + Sync + 'static,
    {
        let breaks = self.breaks;
        let Performance::Script { behaviour, .. } = &mut self.act else {
            panic!("a scene has an origin of its own");
        };
        *behaviour = Arc::new(move || {
            let (behave, is_first) = (make(), first(1));
            Box::new(move |request, reply| {
                let reply = behave(request, reply);
                if breaks && !asks_range(request) && reply.status == 200 && is_first() {
                    return reply.fault(Point::Body(BREAK), Act::Finish);
                }
                reply
            })
        });
        self
    }

    pub fn config(mut self, make: fn() -> Config) -> Self {
        if let Performance::Script { config, .. } = &mut self.act {
            *config = make;
        }
        self
    }

    pub fn admission(mut self, make: fn() -> Box<Admission>) -> Self {
        if let Performance::Script { admission, .. } = &mut self.act {
            *admission = make;
        }
        self
    }

    /// How it ends, on disk and as a stream alike.
    pub fn ends(self, end: End) -> Self {
        let stream = end.clone();
        self.ends_apart(end, stream)
    }

    /// How it ends on disk, and how as a stream.
    pub fn ends_apart(mut self, disk: End, stream: End) -> Self {
        self.ends = (disk, stream);
        self
    }

    pub fn asked(mut self, judge: impl Fn(&Site, Mode) + Send + Sync + 'static) -> Self {
        self.asked = Some(Arc::new(judge));
        self
    }

    pub fn says(mut self, words: &'static str) -> Self {
        self.says = Some(words);
        self
    }

    pub fn hides(mut self, words: &'static str) -> Self {
        self.hides = Some(words);
        self
    }

    pub fn within(mut self, seconds: u64) -> Self {
        self.within = Duration::from_secs(seconds);
        self
    }

    /// The bytes of the resource.
    pub fn bytes(&self) -> Vec<u8> {
        content::bytes(self.resource.seed, 0..self.resource.size)
    }

    pub fn end(&self, mode: Mode) -> &End {
        match mode {
            Mode::Cold | Mode::Resumed => &self.ends.0,
            Mode::Stream => &self.ends.1,
        }
    }
}

/// An origin that answers the first `count` range requests with what `change` makes of the right reply.
pub fn ranges_first(
    count: usize,
    change: impl Fn(&Request, Reply) -> Reply + Clone + Send + Sync + 'static,
) -> impl Fn() -> Box<Behaviour> + Send + Sync + 'static {
    move || {
        let (is_first, change) = (first(count), change.clone());
        Box::new(move |request, reply| {
            if asks_range(request) && is_first() {
                return change(request, reply);
            }
            reply
        })
    }
}

/// As [`ranges_first`], for all range requests.
pub fn ranges_always(
    change: impl Fn(&Request, Reply) -> Reply + Clone + Send + Sync + 'static,
) -> impl Fn() -> Box<Behaviour> + Send + Sync + 'static {
    ranges_first(usize::MAX, change)
}

/// Says less than it sends.
pub fn overlong(mut reply: Reply) -> Reply {
    reply.framing = Framing::Declared(reply.body.len());
    reply.body = reply.body.and("these bytes belong to nobody");
    reply
}

/// The half-open range that a 206 carries.
pub fn range_of(reply: &Reply) -> (u64, u64) {
    let field = reply
        .headers
        .iter()
        .find(|(name, _)| name == "Content-Range");
    let (_, value) = field.expect("a 206 of the default script says which bytes it has");
    let (range, _) = value.trim_start_matches("bytes ").split_once('/').unwrap();
    let (start, last) = range.split_once('-').unwrap();
    (start.parse().unwrap(), last.parse::<u64>().unwrap() + 1)
}

/// Fails if all of the file was asked for but in the first request of a run that finds no part.
pub fn nobody_begins_anew(site: &Site, mode: Mode) {
    assert_eq!(
        plain_requests(site),
        usize::from(mode != Mode::Resumed),
        "begun anew"
    );
}

/// Requests without a range.
pub fn plain_requests(site: &Site) -> usize {
    let exchanges = site.exchanges();
    exchanges.iter().filter(|e| !asks_range(&e.request)).count()
}

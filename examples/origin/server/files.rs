//! The well-behaved script: named resources of any size, with validators and ranges.
//!
//! A path that was not registered is made up on the spot, from the query: `/any/name.bin?size=1000000&etag=off&limit=50000`.
//! Misbehaviour is put on top by other scripts, which change the reply they get from here.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use super::conditions::{Current, Selected, select};
use super::content::Body;
use super::script::{Framing, Reply, Request, Script};

/// How a resource treats Range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// Supported, and `Accept-Ranges: bytes` says so.
    Announced,
    /// Supported, without saying so.
    Silent,
    /// Ignored, and `Accept-Ranges: none` says so.
    None,
    /// Ignored, without saying so.
    Ignored,
    /// Ignored although `Accept-Ranges: bytes` promises them.
    Broken,
}

impl Ranges {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "announced" | "on" => Self::Announced,
            "silent" => Self::Silent,
            "none" | "off" => Self::None,
            "ignored" => Self::Ignored,
            "broken" => Self::Broken,
            _ => return None,
        })
    }
}

/// One resource.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Bytes.
    pub size: u64,
    /// Which bytes, see [`super::content::fill`].
    pub seed: u64,
    /// With its quotes; none if `None`.
    pub etag: Option<String>,
    /// An IMF-fixdate; none if `None`.
    pub last_modified: Option<String>,
    pub ranges: Ranges,
    /// Whether the length is told.
    pub length: bool,
    pub content_type: String,
    /// Content-Disposition; none if `None`.
    pub disposition: Option<String>,
    /// Bytes a second for each request.
    pub limit: Option<u64>,
    /// Time between a request and the head of its answer.
    pub latency: Duration,
}

impl Resource {
    /// A resource with everything a download tool hopes for: a strong ETag, Last-Modified, ranges, a length.
    pub fn new(seed: u64, size: u64) -> Self {
        Self {
            size,
            seed,
            etag: Some(format!("\"{seed:x}-{size:x}\"")),
            last_modified: Some("Mon, 02 Mar 2026 10:00:00 GMT".to_owned()),
            ranges: Ranges::Announced,
            length: true,
            content_type: "application/octet-stream".to_owned(),
            disposition: None,
            limit: None,
            latency: Duration::ZERO,
        }
    }

    /// The right answer to a request, framed and paced as the resource says.
    pub fn reply(&self, request: &Request) -> Reply {
        let current = Current {
            size: self.size,
            etag: self.etag.as_deref(),
            last_modified: self.last_modified.as_deref(),
        };
        let ranges = matches!(self.ranges, Ranges::Announced | Ranges::Silent);
        let headers: Vec<_> = request
            .headers
            .iter()
            .filter(|(name, _)| ranges || !name.eq_ignore_ascii_case("range"))
            .cloned()
            .collect();
        let mut reply = match select(&headers, &current) {
            Selected::Whole => self.described(200, Body::generated(self.seed, 0..self.size)),
            Selected::Part(range) => {
                let content_range =
                    format!("bytes {}-{}/{}", range.start, range.end - 1, self.size);
                self.described(206, Body::generated(self.seed, range))
                    .with("Content-Range", content_range)
            }
            Selected::NotModified => self.described(304, Body::default()),
            Selected::PreconditionFailed => Reply::new(412, "precondition failed\n".into()),
            Selected::Unsatisfiable => Reply::new(416, "range not satisfiable\n".into())
                .with("Content-Range", format!("bytes */{}", self.size)),
        };
        (reply.limit, reply.latency) = (self.limit, self.latency);
        if !self.length {
            reply.framing = Framing::Unknown;
        }
        reply
    }

    fn described(&self, status: u16, body: Body) -> Reply {
        let mut reply = Reply::new(status, body).with("Content-Type", &self.content_type);
        match self.ranges {
            Ranges::Announced | Ranges::Broken => reply = reply.with("Accept-Ranges", "bytes"),
            Ranges::None => reply = reply.with("Accept-Ranges", "none"),
            Ranges::Silent | Ranges::Ignored => {}
        }
        let fields = [
            ("ETag", &self.etag),
            ("Last-Modified", &self.last_modified),
            ("Content-Disposition", &self.disposition),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                reply = reply.with(name, value);
            }
        }
        reply
    }
}

/// The default script.
#[derive(Debug)]
pub struct Files {
    /// Resources by path; a script may change them while requests come in.
    registered: Mutex<HashMap<String, Resource>>,
    /// What a path that is not registered is made from.
    template: Resource,
}

impl Files {
    /// Resources that are not registered look like `template`, with a seed of their own for each path.
    pub fn new(template: Resource) -> Self {
        Self {
            registered: Mutex::default(),
            template,
        }
    }

    /// Registers or replaces the resource of a path.
    pub fn set(&self, path: &str, resource: Resource) {
        self.registered
            .lock()
            .expect("no holder panics")
            .insert(path.to_owned(), resource);
    }

    /// The resource that a request asks for.
    pub fn resource(&self, request: &Request) -> Resource {
        let registered = self
            .registered
            .lock()
            .expect("no holder panics")
            .get(request.path())
            .cloned();
        registered.unwrap_or_else(|| self.made_up(request))
    }

    fn made_up(&self, request: &Request) -> Resource {
        let number = |name| {
            request
                .query(name)
                .and_then(|value| value.parse::<u64>().ok())
        };
        let size = number("size").unwrap_or(self.template.size);
        let mut resource = Resource {
            seed: number("seed").unwrap_or_else(|| seed_of(request.path())),
            size,
            limit: number("limit").or(self.template.limit),
            ..self.template.clone()
        };
        resource.etag = match request.query("etag") {
            Some("off") => None,
            Some("weak") => Some(format!("W/\"{:x}\"", resource.seed)),
            Some(tag) => Some(format!("\"{tag}\"")),
            None => Some(format!("\"{:x}-{size:x}\"", resource.seed)),
        };
        if request.query("modified") == Some("off") {
            resource.last_modified = None;
        }
        if let Some(ranges) = request.query("ranges").and_then(Ranges::parse) {
            resource.ranges = ranges;
        }
        resource.length = request.query("length") != Some("off");
        if let Some(name) = request.query("name") {
            resource.disposition = Some(format!("attachment; filename=\"{name}\""));
        }
        if let Some(latency) = number("latency") {
            resource.latency = Duration::from_millis(latency);
        }
        resource
    }
}

impl Script for Files {
    fn reply(&self, request: &Request) -> Reply {
        match request.method.as_str() {
            "GET" | "HEAD" => self.resource(request).reply(request),
            _ => Reply::new(405, "method not allowed\n".into()).with("Allow", "GET, HEAD"),
        }
    }
}

/// A seed for a path, so that two paths have different bytes (FNV-1a).
pub fn seed_of(path: &str) -> u64 {
    path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

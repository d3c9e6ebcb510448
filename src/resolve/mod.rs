//! From a [`Source`], what the user typed, to an [`Opening`]: the resource behind it and its body, already arriving.
//!
//! There is no HEAD and no probe. The first request is the plain GET that a browser sends for a typed address, and its
//! body is the first chunk; where an earlier run left a part, it is the GET with which a browser resumes. Redirects are
//! followed here, one request each, because credentials and downgrades have to be judged between them. One call is one
//! attempt: retrying is the caller's.

pub mod checksum;
mod disposition;
pub mod name;
pub mod part;
pub mod said;
pub mod session;
pub mod sidecar;
mod source;

use std::time::Duration;

use url::Url;

use self::checksum::Found;
pub use self::session::Session;
pub use self::source::Source;
use crate::answer::{self, First, Meaning, Ranges, Refusal};
use crate::coding;
use crate::entity::Entity;
use crate::http::{Head, Protocol};
use crate::net::{self, Client, Event, Kind, Request, Transfer, Turn};
use crate::page;
use crate::range::ByteRange;
use crate::retry::{Failure, Fault, parse_retry_after};

/// A redirect may ask for a pause; longer than this it is not obeyed.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Hops until a redirect is called a loop, as curl and browsers have it.
const MAX_REDIRECTS: usize = 20;

/// What the source turned out to be.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Where ranges are asked for: the end of the redirects. May carry credentials that a redirect gave.
    pub url: Url,
    /// A safe file name.
    pub name: String,
    /// Length and validators.
    pub entity: Entity,
    /// Whether range requests make sense.
    pub ranges: Ranges,
    /// Nothing but the close of the connection tells the end of the body.
    pub until_close: bool,
    /// The codings that the body has to be freed from, as `Content-Encoding` lists them.
    pub encoded: Option<String>,
    /// Version of HTTP the server speaks.
    pub protocol: Protocol,
    /// The checksum that the answer's head states.
    pub stated: Option<Found>,
}

/// A resource whose body is on its way.
pub struct Opening {
    /// What is arriving.
    pub resource: Resource,
    /// Its next event is the first block of the body.
    pub transfer: Transfer,
    /// Offset in the file of the body's first byte; not 0 only if an earlier part is continued.
    pub from: u64,
    /// Whether the body brings the entity an earlier part is of.
    pub resumed: bool,
}

/// What an earlier run left.
pub struct Earlier {
    /// What its bytes are bytes of.
    pub entity: Entity,
    /// The first stretch it lacks; its last byte, if it lacks none. Not empty.
    pub gap: ByteRange,
    /// Whether it lacks nothing.
    pub complete: bool,
}

/// Why a request did not do what it was to do: what [`retry`](crate::retry) decides by, and what a person reads.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// The kind of failure.
    pub failure: Failure,
    /// A sentence for people.
    pub detail: String,
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self {
            detail: failure.to_string(),
            failure,
        }
    }
}

impl From<net::Error> for Problem {
    fn from(error: net::Error) -> Self {
        Self {
            failure: Failure::Network(error.fault().clone()),
            detail: error.to_string(),
        }
    }
}

/// Who asks whom for what.
#[derive(Clone, Copy)]
pub struct Visit<'a> {
    /// Runs the transfers.
    pub client: &'a Client,
    /// What the user brings.
    pub session: &'a Session,
    /// Where it begins.
    pub source: &'a Source,
    /// A server that says nothing for so long is given up.
    pub stall: Duration,
    /// Seconds since 1970.
    pub now: u64,
    /// Is told of each request, if these may wait for those of other files.
    pub asks: Option<&'a dyn Fn(Turn)>,
}

/// Makes the first request of a download and reads the head of its answer.
///
/// # Errors
/// [`Problem`], after one attempt.
pub async fn resolve(visit: &Visit<'_>, earlier: Option<&Earlier>) -> Result<Opening, Problem> {
    let start = match earlier {
        None => begin(visit).await?,
        Some(earlier) => go_on(visit, earlier).await?,
    };
    let Start {
        arrival,
        first,
        from,
        resumed,
    } = start;
    let resource = Resource {
        url: arrival.url.clone(),
        name: name::of(visit.source, &arrival.head.headers, &arrival.url),
        entity: first.entity,
        ranges: first.ranges,
        until_close: first.until_close,
        stated: checksum::in_head(&arrival.head).filter(|_| first.encoded.is_none()),
        encoded: first.encoded,
        protocol: arrival.head.protocol,
    };
    Ok(Opening {
        resource,
        transfer: arrival.transfer,
        from,
        resumed,
    })
}

/// A body that is to be used, and where it belongs.
struct Start {
    arrival: Arrival,
    first: First,
    /// Offset in the file of the body's first byte.
    from: u64,
    /// Whether it is of the entity that an earlier part is of.
    resumed: bool,
}

/// Asks for the whole file.
async fn begin(visit: &Visit<'_>) -> Result<Start, Problem> {
    let plain = Asked {
        kind: Kind::Navigation,
        gap: None,
    };
    let arrival = arrive(visit, &visit.source.url, &plain).await?;
    from_zero(visit, arrival).await
}

/// Takes a body that brings the whole file, or asks for one as it is stored if this is encoded.
async fn from_zero(visit: &Visit<'_>, mut arrival: Arrival) -> Result<Start, Problem> {
    let refused = |refusal| Failure::of(refusal, &arrival.head, visit.now);
    if !visit.source.pages {
        page::no_page(&arrival.head, &name::expected(visit.source)).map_err(refused)?;
    }
    let mut first = answer::first(&arrival.head).map_err(refused)?;
    if first.encoded.is_some() {
        // Ranges of an encoding are useless; a slice's headers ask for the bytes as they are stored.
        let identity = Asked {
            kind: Kind::Slice,
            gap: None,
        };
        // There may be room for one connection only.
        drop(arrival);
        arrival = arrive(visit, &visit.source.url, &identity).await?;
        first = unencoded(&arrival.head, visit.now)?;
    }
    if let Some(codings) = &first.encoded {
        // Packed whatever it is asked. What comes out has a length that nobody knows, and no validator or digest is of it.
        if arrival.head.status != 200 || !coding::is_known(codings) {
            let why = format!("the body is packed as {codings}, which is not known here");
            return Err(Failure::Network(Fault::Impossible(why)).into());
        }
        first.entity = Entity::default();
    }
    Ok(Start {
        arrival,
        first,
        from: 0,
        resumed: false,
    })
}

/// Asks for what an earlier part lacks first. Where the answer to that is of no use, all of the file is asked for: what the
/// server says then tells whether the part is worth anything.
async fn go_on(visit: &Visit<'_>, earlier: &Earlier) -> Result<Start, Problem> {
    let asked = Asked {
        kind: Kind::Resume,
        gap: Some(earlier),
    };
    let arrival = arrive(visit, &visit.source.url, &asked).await?;
    let refusal = match arrival.head.status {
        206 => match answer::slice(&arrival.head, earlier.gap, true, &earlier.entity) {
            Ok(slice) => return Ok(continued(arrival, earlier, slice)),
            Err(refusal) => refusal,
        },
        // Whether a 200 with a Content-Range brings all or a part cannot be known.
        200 if arrival.head.headers.get("content-range").is_some() => Refusal::Whole,
        304 | 412 | 416 => {
            let read = answer::slice(&arrival.head, earlier.gap, true, &earlier.entity);
            match read {
                Err(refusal) => refusal,
                Ok(_) => return from_zero(visit, arrival).await,
            }
        }
        _ => return from_zero(visit, arrival).await,
    };
    drop(arrival);
    let mut start = begin(visit).await?;
    match refusal.meaning() {
        Meaning::NoRanges => start.first.ranges = Ranges::No,
        Meaning::Unclear if refusal != Refusal::Precondition => start.first.ranges = Ranges::No,
        Meaning::Unclear
        | Meaning::Changed
        | Meaning::Again
        | Meaning::Never
        | Meaning::Status(_) => {}
    }
    if earlier.complete && earlier.entity.confirms(&start.first.entity) {
        // Nothing is missing, and it is the same file: the body is not needed.
        (start.from, start.resumed) = (earlier.gap.start, true);
    }
    Ok(start)
}

/// A 206 that brings what an earlier part lacks.
fn continued(arrival: Arrival, earlier: &Earlier, slice: answer::Slice) -> Start {
    let entity = Entity {
        length: slice.total.or(earlier.entity.length),
        ..earlier.entity.clone()
    };
    let first = First {
        entity,
        ranges: Ranges::Yes,
        encoded: None,
        until_close: false,
    };
    Start {
        arrival,
        first,
        from: slice.range.start,
        resumed: true,
    }
}

/// Reads the answer to `bytes=0-`, which may be all of the file with either status, and be packed still.
fn unencoded(head: &Head, now: u64) -> Result<First, Failure> {
    let refused = |refusal| Failure::of(refusal, head, now);
    if head.status != 206 {
        return answer::first(head).map_err(refused);
    }
    let known = Entity {
        length: None,
        validator: crate::entity::Validator::of(&head.headers),
    };
    let slice = answer::slice(head, ByteRange::new(0, 1), true, &known).map_err(refused)?;
    Ok(First {
        entity: Entity {
            length: slice.total,
            ..known
        },
        ranges: Ranges::Yes,
        encoded: None,
        until_close: false,
    })
}

/// How the first request is made.
struct Asked<'a> {
    kind: Kind,
    gap: Option<&'a Earlier>,
}

/// The end of the redirects.
struct Arrival {
    url: Url,
    head: Head,
    transfer: Transfer,
}

/// Goes from `start` to the end of its redirects.
async fn arrive(visit: &Visit<'_>, start: &Url, asked: &Asked<'_>) -> Result<Arrival, Problem> {
    let mut url = start.clone();
    for hop in 0..=MAX_REDIRECTS {
        let mut places = visit.session.places(visit.source, &url, visit.now);
        places.redirected = hop > 0;
        match asked.gap {
            Some(earlier) => {
                places.range = Some(earlier.gap.request_open());
                places.if_range = earlier.entity.validator.if_range();
            }
            None if asked.kind == Kind::Slice => places.range = Some("bytes=0-".into()),
            None => {}
        }
        let mut transfer = visit.client.start(Request {
            url: plain(&url),
            kind: asked.kind,
            places,
            node: None,
            patient: visit.asks.is_some(),
        });
        if let Some(asks) = visit.asks {
            asks(transfer.turn());
        }
        let head = part::head_within(visit.stall, &mut transfer).await?;
        visit.session.learn(&url, &head, visit.now)?;
        if !matches!(head.status, 301 | 302 | 303 | 307 | 308) {
            return Ok(Arrival {
                url,
                head,
                transfer,
            });
        }
        let pause = head.headers.get("retry-after");
        let pause = pause.and_then(|value| parse_retry_after(value, visit.now));
        if let Some(pause) = pause.filter(|pause| !pause.is_zero()) {
            // RFC 9110 §10.2.3: how long to wait before the redirected request.
            tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        }
        url = target(&url, &head).map_err(|why| Failure::Network(Fault::Impossible(why)))?;
    }
    Err(Failure::Network(Fault::TooManyRedirects).into())
}

/// Waits for the head of an answer. The body stays in the transfer.
///
/// # Errors
/// How the transfer ended without one.
pub async fn head(transfer: &mut Transfer) -> Result<Head, net::Error> {
    match transfer.next().await {
        Some(Event::Head(head)) => Ok(head),
        Some(Event::End(Err(error))) => Err(error),
        Some(Event::End(Ok(())) | Event::Data(_)) | None => Err(net::Error::new(
            Fault::Reset,
            "the server closed the connection without an answer",
        )),
    }
}

/// Where a redirect leads (RFC 9110 §10.2.2); the fragment of a URL is never sent anyway.
fn target(from: &Url, head: &Head) -> Result<Url, String> {
    let location = head
        .headers
        .get("location")
        .filter(|location| !location.is_empty());
    let location =
        location.ok_or_else(|| format!("redirect with status {} and no location", head.status))?;
    let next = from
        .join(location)
        .map_err(|error| format!("redirect to an address that is none: {error}"))?;
    match (from.scheme(), next.scheme()) {
        ("https", "http") => Err("redirect from https to http, which is not followed".into()),
        (_, "http" | "https") => Ok(next),
        (_, other) => Err(format!("redirect to {other}, which is not supported")),
    }
}

/// The URL as a request may carry it, without credentials and fragment.
pub(crate) fn plain(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs without a host, of which there are none here.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Headers;

    fn redirect(location: Option<&str>) -> Head {
        let mut headers = Headers::default();
        if let Some(location) = location {
            headers.append("Location", location);
        }
        Head {
            status: 302,
            protocol: Protocol::Http11,
            url: String::new(),
            headers,
        }
    }

    #[test]
    fn redirects_are_joined_and_judged() {
        let from = Url::parse("https://h/a/b?c").unwrap();
        let to = |location| target(&from, &redirect(location)).map(String::from);
        assert_eq!(to(Some("d e")).unwrap(), "https://h/a/d%20e");
        assert_eq!(to(Some("//i/x")).unwrap(), "https://i/x");
        assert!(
            to(Some("http://h/a"))
                .unwrap_err()
                .contains("https to http")
        );
        assert!(to(Some("ftp://h/a")).unwrap_err().contains("ftp"));
        assert!(to(Some("")).unwrap_err().contains("no location"));
        assert!(to(None).unwrap_err().contains("no location"));
    }

    #[test]
    fn credentials_leave_the_url() {
        let url = Url::parse("https://me:a%40b@h/f#x").unwrap();
        assert_eq!(plain(&url), "https://h/f");
    }
}

//! From a [`Source`], what the user typed, to an [`Opening`]: the resource behind it and its body, already arriving.
//!
//! There is no HEAD and no probe. The first request is the plain GET that a browser sends for a typed address, and its
//! body is the first chunk; where an earlier run left a part, it is the GET with which a browser resumes. Redirects are
//! followed here, one request each, because credentials and downgrades have to be judged between them. One call is one
//! attempt: retrying is the caller's.

pub mod checksum;
mod disposition;
pub mod name;
pub mod sidecar;

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use url::Url;

use self::checksum::Found;
use crate::coding;
use crate::answer::{self, First, Meaning, Ranges, Refusal};
use crate::entity::Entity;
use crate::fingerprint::headers::Places;
use crate::hash::Checksum;
use crate::http::{Head, Protocol};
use crate::net::{self, Client, Event, Kind, Request, Transfer};
use crate::page;
use crate::range::ByteRange;
use crate::retry::{Failure, Fault, parse_retry_after};

/// Hops until a redirect is called a loop, as curl and browsers have it.
const MAX_REDIRECTS: usize = 20;

/// What the user wants.
#[derive(Debug, Clone)]
pub struct Source {
    /// As typed; may carry credentials.
    pub url: Url,
    /// What the bytes must hash to.
    pub checksum: Option<Checksum>,
    /// The name that the file is to have: one path component.
    pub name: Option<String>,
    /// A page for people is welcome where a file is expected.
    pub pages: bool,
}

impl Source {
    /// A URL of which nothing else is said.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            url,
            checksum: None,
            name: None,
            pages: false,
        }
    }
}

/// What the source turned out to be.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Where ranges are asked for: the end of the redirects, without credentials.
    pub url: String,
    /// `Authorization` for that URL.
    pub authorization: Option<String>,
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

/// Makes the first request of a download and reads the head of its answer. `now` is in seconds since 1970.
///
/// # Errors
/// [`Problem`], after one attempt.
pub async fn resolve(
    client: &Client,
    source: &Source,
    earlier: Option<&Earlier>,
    now: u64,
) -> Result<Opening, Problem> {
    let start = match earlier {
        None => begin(client, source, now).await?,
        Some(earlier) => go_on(client, source, earlier, now).await?,
    };
    let Start {
        arrival,
        first,
        from,
        resumed,
    } = start;
    let resource = Resource {
        url: plain(&arrival.url),
        authorization: arrival.authorization,
        name: name::of(source, &arrival.head.headers, &arrival.url),
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
async fn begin(client: &Client, source: &Source, now: u64) -> Result<Start, Problem> {
    let plain = Asked {
        kind: Kind::Navigation,
        gap: None,
    };
    let arrival = arrive(client, source, &plain, now).await?;
    from_zero(client, source, arrival, now).await
}

/// Takes a body that brings the whole file, or asks for one as it is stored if this is encoded.
async fn from_zero(
    client: &Client,
    source: &Source,
    mut arrival: Arrival,
    now: u64,
) -> Result<Start, Problem> {
    let refused = |head: &Head, refusal| Failure::of(refusal, head, now);
    let in_first = |refusal| refused(&arrival.head, refusal);
    if !source.pages {
        page::no_page(&arrival.head, &name::expected(source)).map_err(in_first)?;
    }
    let mut first = answer::first(&arrival.head).map_err(in_first)?;
    if first.encoded.is_some() {
        // Ranges of an encoding are useless; a slice's headers ask for the bytes as they are stored.
        let identity = Asked {
            kind: Kind::Slice,
            gap: None,
        };
        arrival = arrive(client, source, &identity, now).await?;
        first = unencoded(&arrival.head, now)?;
    }
    if let Some(codings) = &first.encoded {
        // Packed whatever it is asked. What comes out has a length that nobody knows, and no validator or digest is of it.
        if arrival.head.status != 200 || !coding::is_known(codings) {
            return Err(refused(&arrival.head, Refusal::Encoded(codings.clone())).into());
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
async fn go_on(
    client: &Client,
    source: &Source,
    earlier: &Earlier,
    now: u64,
) -> Result<Start, Problem> {
    let asked = Asked {
        kind: Kind::Resume,
        gap: Some(earlier),
    };
    let arrival = arrive(client, source, &asked, now).await?;
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
                Ok(_) => return from_zero(client, source, arrival, now).await,
            }
        }
        _ => return from_zero(client, source, arrival, now).await,
    };
    drop(arrival);
    let mut start = begin(client, source, now).await?;
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
    authorization: Option<String>,
    head: Head,
    transfer: Transfer,
}

async fn arrive(
    client: &Client,
    source: &Source,
    asked: &Asked<'_>,
    now: u64,
) -> Result<Arrival, Problem> {
    let mut url = source.url.clone();
    let mut authorization = basic(&url);
    for _ in 0..=MAX_REDIRECTS {
        let mut places = Places {
            authorization: authorization.clone(),
            ..Places::default()
        };
        match asked.gap {
            Some(earlier) => {
                places.range = Some(earlier.gap.request_open());
                places.if_range = earlier.entity.validator.if_range();
            }
            None if asked.kind == Kind::Slice => places.range = Some("bytes=0-".into()),
            None => {}
        }
        let mut transfer = client.start(Request {
            url: plain(&url),
            kind: asked.kind,
            places,
        });
        let head = head(&mut transfer).await?;
        if !matches!(head.status, 301 | 302 | 303 | 307 | 308) {
            return Ok(Arrival {
                url,
                authorization,
                head,
                transfer,
            });
        }
        wait_as_asked(&head, now).await;
        let next = target(&url, &head).map_err(|why| Failure::Network(Fault::Impossible(why)))?;
        // A password belongs to the origin it was given for.
        if next.origin() != url.origin() || basic(&next).is_some() {
            authorization = basic(&next);
        }
        url = next;
    }
    Err(Failure::Network(Fault::TooManyRedirects).into())
}

/// The longest wait that a redirect may ask for; what asks for more is followed after this.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// Waits where a redirect wants that (RFC 9110 §10.2.3).
async fn wait_as_asked(head: &Head, now: u64) {
    let asked = head.headers.get("retry-after");
    if let Some(wait) = asked.and_then(|value| parse_retry_after(value, now)) {
        tokio::time::sleep(wait.min(MAX_WAIT)).await;
    }
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
fn plain(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs without a host, of which there are none here.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    url.into()
}

/// Basic credentials of a URL's user information (RFC 7617).
fn basic(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let mut pair = decode(url.username());
    pair.push(b':');
    pair.extend(decode(url.password().unwrap_or_default()));
    Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
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
        assert_eq!(basic(&url).unwrap(), "Basic bWU6YUBi");
        assert_eq!(plain(&url), "https://h/f");
        assert_eq!(basic(&Url::parse("https://h/f").unwrap()), None);
    }
}

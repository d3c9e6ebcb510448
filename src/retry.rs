//! Whether and when to try again.
//!
//! A download of hours meets every failure there is, and most pass. The policy: what a person would try again is tried
//! again, with exponential backoff and full jitter (so that many requests that failed together do not return together),
//! as long as bytes keep coming. The budget counts attempts *in a row that brought no byte*, so a bad line cannot end a
//! file that is getting ahead, and a dead one ends soon. A server's Retry-After is obeyed up to a limit. What a person
//! would have to look into (404, a certificate) ends at once.
//!
//! [`verdict`] only judges: it never sleeps, reads no clock and draws no random number of its own.

use std::time::{Duration, SystemTime};

use crate::answer::{Meaning, Refusal};
use crate::http::Head;

/// What went wrong below HTTP's statuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The host's or the proxy's name has no address, or no name server answered.
    #[error("could not resolve the host name")]
    Resolve,
    /// No connection, refused or unreachable.
    #[error("could not connect")]
    Connect,
    /// No connection in time; under many connections a sign of too many.
    #[error("connecting timed out")]
    ConnectTimeout,
    /// The proxy refused, or failed to open the tunnel.
    #[error("the proxy failed: {0}")]
    Proxy(String),
    /// The TLS handshake failed, certificates aside.
    #[error("tls handshake failed: {0}")]
    Tls(String),
    /// The peer's certificate or public key is not to be trusted.
    #[error("the server's certificate is not trusted: {0}")]
    Certificate(String),
    /// The connection broke: reset, closed, or lost while sending or receiving.
    #[error("the connection was lost")]
    Reset,
    /// No answer in time.
    #[error("the server did not answer in time")]
    Timeout,
    /// The body stopped coming, or came too slowly.
    #[error("the transfer stalled")]
    Stall,
    /// HTTP/2 stream or connection error, with its code (RFC 9113 §7).
    #[error("http/2 error {code}")]
    Http2 {
        /// The error code; 0 if unknown.
        code: u32,
    },
    /// The stream was refused before any processing (RFC 9113 §8.7).
    #[error("the server refused the stream")]
    RefusedStream,
    /// The server is closing the connection (RFC 9113 §6.8), with its error code.
    #[error("the server is closing the connection, error {code}")]
    Goaway {
        /// The error code; 0 is an orderly end, 11 asks for calm.
        code: u32,
    },
    /// The server wants HTTP/1.1 for this resource (HTTP_1_1_REQUIRED).
    #[error("the server requires http/1.1")]
    Http11Required,
    /// The answer is not HTTP, or breaks its framing.
    #[error("the answer breaks the protocol: {0}")]
    Protocol(String),
    /// The chain of redirects is longer than allowed, or a loop.
    #[error("too many redirects")]
    TooManyRedirects,
    /// The request cannot be made at all: bad URL, unsupported scheme, forbidden redirect.
    #[error("the request is impossible: {0}")]
    Impossible(String),
    /// Something of this side's own cannot be used: a client certificate, an interface.
    #[error("cannot be done from here: {0}")]
    Unable(String),
    /// Anything else from the transport.
    #[error("transfer failed: {0}")]
    Other(String),
}

/// Why a transfer did not deliver its chunk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The server answered, with a status other than what was hoped for.
    #[error("server answered with status {code}")]
    Status {
        /// The status code.
        code: u16,
        /// What [`parse_retry_after`] made of the field.
        retry_after: Option<Duration>,
    },
    /// The transport failed.
    #[error(transparent)]
    Network(#[from] Fault),
    /// The answer's head was read and its body refused.
    #[error("{0}")]
    Refused(Refusal),
    /// The body ended without an error before its declared end.
    #[error("the body ended early")]
    Short,
}

impl Failure {
    /// The failure behind a refused answer. A plain status becomes [`Failure::Status`] and takes Retry-After along;
    /// `now_unix` is the time in seconds since 1970, which a date in that field is held against.
    pub fn of(refusal: Refusal, head: &Head, now_unix: u64) -> Failure {
        match refusal.meaning() {
            Meaning::Status(code) => Failure::Status {
                code,
                retry_after: head
                    .headers
                    .get("retry-after")
                    .and_then(|value| parse_retry_after(value, now_unix)),
            },
            Meaning::Changed
            | Meaning::NoRanges
            | Meaning::Again
            | Meaning::Unclear
            | Meaning::Never => Failure::Refused(refusal),
        }
    }

    /// How long the server wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Failure::Status { retry_after, .. } => *retry_after,
            Failure::Network(_) | Failure::Refused(_) | Failure::Short => None,
        }
    }

    /// Whether it looks the same when a host, or the way to it, is out altogether. Then it says nothing about what was
    /// asked for.
    pub fn is_outage(&self) -> bool {
        match self {
            Failure::Status { code, .. } => matches!(code, 429 | 500 | 502..=504 | 509 | 520..=530),
            Failure::Network(fault) => match fault {
                Fault::Resolve
                | Fault::Connect
                | Fault::ConnectTimeout
                | Fault::Proxy(_)
                | Fault::Tls(_)
                | Fault::Reset
                | Fault::Timeout
                | Fault::Stall
                | Fault::Http2 { .. } => true,
                // A connection has its end; code 0 says that nothing is wrong.
                Fault::Goaway { code } => *code != 0,
                Fault::Certificate(_)
                | Fault::RefusedStream
                | Fault::Http11Required
                | Fault::Protocol(_)
                | Fault::TooManyRedirects
                | Fault::Impossible(_)
                | Fault::Unable(_)
                | Fault::Other(_) => false,
            },
            Failure::Refused(_) | Failure::Short => false,
        }
    }

    /// Whether it is the ordinary end of a connection, and the request came too late for it: nothing to tell anybody of.
    pub fn is_ordinary(&self) -> bool {
        matches!(self, Failure::Network(Fault::Goaway { code: 0 }))
    }

    /// Whether the server has it, and not for us, at least for now.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Failure::Status { code: 403, .. })
    }

    /// Whether no connection came about.
    pub fn is_unreachable(&self) -> bool {
        let Failure::Network(fault) = self else {
            return false;
        };
        matches!(fault, Fault::Connect | Fault::ConnectTimeout)
    }

    /// Whether the request was sent on a connection that is not for its host (RFC 9110 §15.5.20): it needs another.
    pub fn is_misdirected(&self) -> bool {
        matches!(self, Failure::Status { code: 421, .. })
    }

    /// Whether it is how a server turns a connection away that is one too many, if it serves others meanwhile.
    pub fn is_refusal(&self) -> bool {
        match self {
            Failure::Network(fault) => {
                matches!(fault, Fault::Connect | Fault::ConnectTimeout | Fault::Reset)
            }
            Failure::Status { .. } | Failure::Refused(_) | Failure::Short => false,
        }
    }

    /// Whether it hints that the server is asked too much at once, so that asking less may help.
    pub fn is_congestion(&self) -> bool {
        match self {
            Failure::Status { code, .. } => matches!(code, 420 | 429 | 503 | 508 | 509 | 529),
            Failure::Network(fault) => match fault {
                Fault::ConnectTimeout | Fault::RefusedStream => true,
                Fault::Goaway { code } | Fault::Http2 { code } => *code == ENHANCE_YOUR_CALM,
                Fault::Connect
                | Fault::Reset
                | Fault::Timeout
                | Fault::Stall
                | Fault::Resolve
                | Fault::Proxy(_)
                | Fault::Tls(_)
                | Fault::Certificate(_)
                | Fault::Http11Required
                | Fault::Protocol(_)
                | Fault::TooManyRedirects
                | Fault::Impossible(_)
                | Fault::Unable(_)
                | Fault::Other(_) => false,
            },
            Failure::Refused(refusal) => *refusal == Refusal::Whole,
            Failure::Short => false,
        }
    }
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Ask for the rest of the bytes again.
    Retry {
        /// But not before this has passed.
        after: Duration,
    },
    /// The file has changed: forget all of it and begin again.
    Restart,
    /// The effective URL may have expired: begin again at the URL the user gave, hold on to the bytes if it is still the
    /// same file.
    Reresolve,
    /// Give up.
    Fatal,
}

impl Verdict {
    /// The verdict on a request that was itself the first for its file, where there is nothing to begin again from.
    pub fn on_first(self) -> Verdict {
        match self {
            Verdict::Retry { after } => Verdict::Retry { after },
            Verdict::Restart | Verdict::Reresolve | Verdict::Fatal => Verdict::Fatal,
        }
    }
}

/// How patient to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts after the first that may bring no byte, in a row: 0 never retries, `u32::MAX` never gives up.
    pub retries: u32,
    /// The same at a host that has never answered: the address is wrong more often than the host is down.
    pub first_retries: u32,
    /// Upper end of the first backoff; it doubles with each attempt.
    pub base: Duration,
    /// The backoff does not grow beyond this.
    pub cap: Duration,
    /// A Retry-After is obeyed up to this.
    pub max_retry_after: Duration,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            retries: 10,
            first_retries: 3,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            max_retry_after: Duration::from_secs(600),
        }
    }
}

/// Judges a failure.
///
/// `attempts_without_progress` counts the attempts at these bytes, the failed one included, since a byte last arrived: 0
/// if the failed one brought some. `seed` decides the jitter; two requests must not use the same.
pub fn verdict(
    failure: &Failure,
    attempts_without_progress: u32,
    policy: &Policy,
    seed: u64,
) -> Verdict {
    let attempts = attempts_without_progress;
    let asked = failure.retry_after();
    let after = || delay(asked, attempts, policy, seed);
    let within = |limit: u32| match policy.retries {
        u32::MAX => true,
        0 => false,
        retries => attempts <= retries.min(limit),
    };
    match course(failure) {
        Course::Retry => retry_if(within(u32::MAX), after()),
        Course::Briefly => retry_if(within(BRIEF), after()),
        Course::Free if policy.retries == 0 => Verdict::Fatal,
        Course::Free if attempts <= 1 => Verdict::Retry {
            after: Duration::ZERO,
        },
        Course::Free => Verdict::Retry { after: after() },
        // An address may expire during an outage, so however many attempts that took, they say nothing of it.
        Course::Reresolve => Verdict::Reresolve,
        Course::Restart => Verdict::Restart,
        Course::Fatal => Verdict::Fatal,
    }
}

/// The pause before the `attempts`th attempt in a row: exponential, with full jitter by `seed`.
pub fn backoff(attempts: u32, policy: &Policy, seed: u64) -> Duration {
    delay(None, attempts, policy, seed)
}

/// Reads a `Retry-After` field (RFC 9110 §10.2.3): seconds, or a date that is held against `now_unix`.
///
/// A date that has passed gives zero, seconds beyond 64 bits the largest duration; `None` for anything else that is no
/// such value, a negative number included.
pub fn parse_retry_after(value: &str, now_unix: u64) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let since_1970 = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(since_1970.saturating_sub(Duration::from_secs(now_unix)))
}

/// Retries granted to failures that are rarely transient, such as a host name that does not exist.
const BRIEF: u32 = 3;

/// HTTP/2's error code for a client that asks too much (RFC 9113 §7).
const ENHANCE_YOUR_CALM: u32 = 0xb;

/// The kinds of answers to a failure, budget and delay aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// Within the budget.
    Retry,
    /// Within the budget, but no more than [`BRIEF`] times.
    Briefly,
    /// At no cost, since the server did no work on it; still slower each time.
    Free,
    /// Where it is now is asked; whoever asks counts how often that was in vain.
    Reresolve,
    Restart,
    Fatal,
}

fn course(failure: &Failure) -> Course {
    match failure {
        Failure::Status { code, .. } => course_of_status(*code),
        Failure::Network(fault) => course_of_fault(fault),
        Failure::Refused(refusal) => match refusal.meaning() {
            Meaning::Status(code) => course_of_status(code),
            Meaning::Changed => Course::Restart,
            Meaning::NoRanges => Course::Retry,
            // Nonsense is rarely transient.
            Meaning::Again => Course::Briefly,
            Meaning::Unclear => Course::Reresolve,
            Meaning::Never => Course::Fatal,
        },
        Failure::Short => Course::Retry,
    }
}

fn course_of_fault(fault: &Fault) -> Course {
    match fault {
        Fault::Connect
        | Fault::ConnectTimeout
        | Fault::Reset
        | Fault::Timeout
        | Fault::Stall
        | Fault::Http2 { .. }
        | Fault::Other(_) => Course::Retry,
        Fault::Resolve | Fault::Proxy(_) | Fault::Tls(_) | Fault::Protocol(_) => Course::Briefly,
        Fault::RefusedStream | Fault::Http11Required | Fault::Goaway { code: 0 } => Course::Free,
        Fault::Goaway { .. } => Course::Retry,
        Fault::Certificate(_)
        | Fault::TooManyRedirects
        | Fault::Impossible(_)
        | Fault::Unable(_) => Course::Fatal,
    }
}

/// RFC 9110 §15, and what servers in the field use beyond it (509; Cloudflare's 520–530).
fn course_of_status(code: u16) -> Course {
    match code {
        // asked on a connection that is not for this host
        421 => Course::Free,
        408 | 425 | 429 => Course::Retry,
        // wants what we cannot do: method, version, negotiation, extension, a login in the network
        501 | 505 | 506 | 510 | 511 => Course::Fatal,
        500..=599 => Course::Retry,
        // signed URLs and cookies that have expired; a mirror that lost the file
        400 | 401 | 403 | 404 | 410 | 416 => Course::Reresolve,
        412 => Course::Restart,
        // successes that carry no file, redirects that led nowhere, errors of ours, statuses that do not exist
        0..=407 | 409..=499 | 600..=u16::MAX => Course::Fatal,
    }
}

fn retry_if(allowed: bool, after: Duration) -> Verdict {
    if allowed {
        Verdict::Retry { after }
    } else {
        Verdict::Fatal
    }
}

/// The pause: full jitter over the backoff, and never less than the server asked for. What it asked for gets jitter too,
/// since it was told to all requests alike.
fn delay(asked: Option<Duration>, attempts: u32, policy: &Policy, seed: u64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(31);
    let ceiling = policy.base.saturating_mul(1 << doublings).min(policy.cap);
    let jitter = ceiling.mul_f64(unit(seed, attempts));
    match asked {
        Some(asked) => asked
            .min(policy.max_retry_after)
            .saturating_add(jitter.min(policy.base)),
        None => jitter,
    }
}

/// A number in 0..1 that depends on both arguments alone (the finalizer of SplitMix64).
fn unit(seed: u64, attempts: u32) -> f64 {
    let mut z = seed.wrapping_add(u64::from(attempts).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status(code: u16) -> Failure {
        Failure::Status {
            code,
            retry_after: None,
        }
    }

    fn judge(failure: &Failure, attempts: u32) -> Verdict {
        verdict(failure, attempts, &Policy::default(), 7)
    }

    fn retries(failure: &Failure, attempts: u32) -> bool {
        matches!(judge(failure, attempts), Verdict::Retry { .. })
    }

    #[test]
    fn every_status_has_its_verdict() {
        let codes = |attempts, wanted: fn(&Verdict) -> bool| -> Vec<u16> {
            (100..600)
                .filter(|&code| wanted(&judge(&status(code), attempts)))
                .collect()
        };
        let retried: Vec<u16> = [408, 421, 425, 429]
            .into_iter()
            .chain((500..600).filter(|code| ![501, 505, 506, 510, 511].contains(code)))
            .collect();
        assert_eq!(codes(1, |v| matches!(v, Verdict::Retry { .. })), retried);
        assert_eq!(codes(1, |v| *v == Verdict::Restart), [412]);
        // Whatever failed before, such as all of an outage.
        for attempts in [0, 1, 4, 1000] {
            assert_eq!(
                codes(attempts, |v| *v == Verdict::Reresolve),
                [400, 401, 403, 404, 410, 416]
            );
        }
    }

    #[test]
    fn the_first_request_of_a_file_has_nothing_to_begin_again_from() {
        for code in [400, 403, 404, 410, 412, 416, 451] {
            assert_eq!(judge(&status(code), 1).on_first(), Verdict::Fatal, "{code}");
        }
        assert!(matches!(
            judge(&status(503), 1).on_first(),
            Verdict::Retry { .. }
        ));
    }

    #[test]
    fn the_budget_counts_fruitless_attempts() {
        let lost = Failure::Network(Fault::Reset);
        assert!(retries(&lost, 0) && retries(&lost, 10));
        assert_eq!(judge(&lost, 11), Verdict::Fatal);
        let with = |retries| Policy {
            retries,
            ..Policy::default()
        };
        assert_eq!(verdict(&lost, 0, &with(0), 7), Verdict::Fatal);
        assert_eq!(verdict(&lost, 1, &with(0), 7), Verdict::Fatal);
        let endless = verdict(&lost, u32::MAX, &with(u32::MAX), 7);
        assert!(matches!(endless, Verdict::Retry { .. }));
        let unknown_host = Failure::Network(Fault::Resolve);
        assert!(retries(&unknown_host, 3) && !retries(&unknown_host, 4));
    }

    #[test]
    fn what_the_server_did_not_begin_is_free() {
        for fault in [
            Fault::RefusedStream,
            Fault::Goaway { code: 0 },
            Fault::Http11Required,
        ] {
            let failure = Failure::Network(fault);
            let now = Verdict::Retry {
                after: Duration::ZERO,
            };
            assert_eq!(judge(&failure, 1), now);
            assert!(retries(&failure, 1000));
        }
        let calm = Failure::Network(Fault::Goaway { code: 11 });
        assert!(retries(&calm, 10) && !retries(&calm, 11));
        assert!(calm.is_congestion());
    }

    #[test]
    fn refusals() {
        let judge = |refusal| judge(&Failure::Refused(refusal), 1);
        assert_eq!(judge(Refusal::Changed), Verdict::Restart);
        assert_eq!(judge(Refusal::NoContent), Verdict::Fatal);
        assert_eq!(
            judge(Refusal::Unsatisfiable {
                total: None,
                changed: false
            }),
            Verdict::Reresolve
        );
        assert!(matches!(judge(Refusal::Part), Verdict::Retry { .. }));
        assert!(matches!(judge(Refusal::Status(503)), Verdict::Retry { .. }));
        assert_eq!(judge(Refusal::Status(451)), Verdict::Fatal);
    }

    #[test]
    fn a_refused_status_takes_retry_after_along() {
        let head = Head {
            status: 429,
            protocol: crate::http::Protocol::Http2,
            url: String::new(),
            headers: [("Retry-After", "7")].into_iter().collect(),
        };
        assert_eq!(
            Failure::of(Refusal::Status(429), &head, 0),
            Failure::Status {
                code: 429,
                retry_after: Some(Duration::from_secs(7))
            }
        );
        assert_eq!(
            Failure::of(Refusal::Whole, &head, 0),
            Failure::Refused(Refusal::Whole)
        );
    }

    #[test]
    fn e02_retry_after() {
        // 1 January 2025
        let now = 1_735_689_600;
        for (value, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Wed, 01 Jan 2025 00:00:10 GMT", Some(10)),
            ("Wednesday, 01-Jan-25 00:00:10 GMT", Some(10)),
            ("Wed Jan  1 00:00:10 2025", Some(10)),
            ("Fri, 01 Jan 2010 00:00:00 GMT", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("-1", None),
            ("1.5", None),
            ("+3", None),
            ("soon", None),
            ("", None),
        ] {
            let want = seconds.map(Duration::from_secs);
            assert_eq!(parse_retry_after(value, now), want, "{value:?}");
        }
    }

    #[test]
    fn retry_after_is_obeyed_up_to_its_limit() {
        let wait = |seconds| {
            let failure = Failure::Status {
                code: 429,
                retry_after: Some(Duration::from_secs(seconds)),
            };
            let Verdict::Retry { after } = judge(&failure, 1) else {
                panic!("{failure} must be retried");
            };
            after.as_secs_f64()
        };
        assert!((20.0..=20.5).contains(&wait(20)));
        assert!((600.0..=600.5).contains(&wait(3600)));
        assert!((600.0..=600.5).contains(&wait(u64::MAX)));
    }

    proptest! {
        #[test]
        fn backoff_is_jittered_and_capped(attempts in 0u32.., seed in any::<u64>()) {
            let policy = Policy { retries: u32::MAX, ..Policy::default() };
            let Verdict::Retry { after } = verdict(&Failure::Short, attempts, &policy, seed) else {
                panic!("endless retries must retry");
            };
            let ceiling = 0.5 * 2f64.powi(attempts.saturating_sub(1).min(30) as i32);
            prop_assert!(after.as_secs_f64() <= ceiling.min(30.0));
        }
    }

    #[test]
    fn jitter_spreads() {
        let drawn: Vec<f64> = (0..1000).map(|seed| unit(seed, 1)).collect();
        let mean = drawn.iter().sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert!(drawn.iter().all(|x| (0.0..1.0).contains(x)));
        assert_ne!(unit(1, 1), unit(1, 2));
    }
}

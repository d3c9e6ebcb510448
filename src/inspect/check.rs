//! `hs fingerprint check`: many connections of each kind, held against the file.

use std::sync::Arc;

use super::connect::{block_on, client, finish, repeat, request, serve, serve_once};
use crate::Error;
use crate::capture::Options;
use crate::fingerprint::Fingerprint;
use crate::fingerprint::compare::{self, Difference};
use crate::fingerprint::headers::Places;
use crate::fingerprint::schema::{Habit, RequestShape};
use crate::net::{Event, Kind};

/// Bytes of the download whose acknowledgements are compared.
const DOWNLOAD: u64 = 64 << 20;
/// Bytes of all other answers.
const SMALL: u64 = 1000;
/// Connections one after the other to a server that gives tickets.
const RESUMED: usize = 3;
/// The group that makes a server ask for another key share.
const P384: u16 = 24;

/// What was found out about one fingerprint.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// Connections that were compared.
    pub connections: usize,
    /// Differences, each with how many connections show it.
    pub differences: Vec<(Difference, usize)>,
}

/// Connects `count` times as `fingerprint`, and a few times more for other kinds of requests and servers. What cannot be
/// done is a difference as well: the browser can do it.
#[must_use]
pub fn check(fingerprint: &Fingerprint, count: usize) -> Report {
    let worn = Arc::new(fingerprint.clone());
    let mut found = Found::default();
    for (what, part) in [
        ("navigation", block_on(navigation(&worn, count))),
        (
            "first requests",
            block_on(kinds_of_requests(&worn, &Options::default())),
        ),
        ("HTTP/1.1", block_on(kinds_of_requests(&worn, &http1()))),
        ("second hello", block_on(second_hello(&worn))),
        ("resumption", block_on(resumption(&worn, true))),
        ("resumption, TLS 1.2", block_on(resumption(&worn, false))),
        ("download and slice", block_on(download(&worn))),
    ] {
        match part {
            Ok(part) => found.add(part.connections, part.differences),
            Err(error) => found.add_each([Difference::new(what, "done", error.to_string())]),
        }
    }
    Report {
        name: fingerprint.browser.name.clone(),
        connections: found.connections,
        differences: found.differences,
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = match self.differences.len() {
            0 => "no difference".to_owned(),
            1 => "1 difference".to_owned(),
            many => format!("{many} differences"),
        };
        writeln!(
            f,
            "{}: {verdict} on {} connections",
            self.name, self.connections
        )?;
        for (
            Difference {
                field,
                expected,
                got,
            },
            count,
        ) in &self.differences
        {
            writeln!(
                f,
                "  {field} ({count}×)\n    expected {expected}\n    got      {got}"
            )?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Found {
    connections: usize,
    differences: Vec<(Difference, usize)>,
}

impl Found {
    fn add(&mut self, connections: usize, differences: Vec<(Difference, usize)>) {
        self.connections += connections;
        for (difference, count) in differences {
            match self
                .differences
                .iter_mut()
                .find(|(known, _)| *known == difference)
            {
                Some((_, known)) => *known += count,
                None => self.differences.push((difference, count)),
            }
        }
    }

    fn add_each(&mut self, differences: impl IntoIterator<Item = Difference>) {
        self.add(0, differences.into_iter().map(|it| (it, 1)).collect());
    }
}

/// The opening of fresh connections.
async fn navigation(worn: &Arc<Fingerprint>, count: usize) -> Result<Found, Error> {
    let mut found = Found::default();
    let server = serve(&Options::default(), SMALL)?;
    let places = Places::default();
    let seen = repeat(&server, worn, Kind::Navigation, &places, count).await?;
    let shape = &worn.navigation;
    found.add(
        seen.len(),
        compare::differences(worn, "navigation", shape, &places, &seen),
    );
    if seen.len() != count {
        let got = format!("{} connections", seen.len());
        found.add_each([Difference::new(
            "connections",
            format!("{count} connections"),
            got,
        )]);
    }
    Ok(found)
}

/// All kinds of requests, each as the first of a connection.
async fn kinds_of_requests(worn: &Arc<Fingerprint>, options: &Options) -> Result<Found, Error> {
    let mut found = Found::default();
    for (kind, name, shape) in kinds(worn) {
        let server = serve(options, SMALL)?;
        let places = places(kind);
        let seen = repeat(&server, worn, kind, &places, 1).await?;
        found.add(
            seen.len(),
            compare::differences(worn, name, shape, &places, &seen),
        );
    }
    Ok(found)
}

fn http1() -> Options {
    Options {
        http1: true,
        ..Options::default()
    }
}

/// The hello after a HelloRetryRequest.
async fn second_hello(worn: &Arc<Fingerprint>) -> Result<Found, Error> {
    let mut found = Found::default();
    if !worn.tls.groups.contains(&P384) || worn.tls.key_shares.contains(&P384) {
        return Ok(found);
    }
    let options = Options {
        groups: Some("P-384".to_owned()),
        ..Options::default()
    };
    let server = serve(&options, SMALL)?;
    let places = Places::default();
    let seen = repeat(&server, worn, Kind::Navigation, &places, 1).await?;
    let shape = &worn.navigation;
    found.add(
        seen.len(),
        compare::differences(worn, "navigation", shape, &places, &seen),
    );
    let modern = worn.tls.versions.contains(&0x0304);
    if modern
        && seen
            .first()
            .is_some_and(|connection| connection.hellos.len() != 2)
    {
        found.add_each([Difference::new("second hello", "one", "none")]);
    }
    Ok(found)
}

/// Three connections to one host, one after the other: the second and the third resume, if the browser does. `modern`
/// servers speak TLS 1.3.
async fn resumption(worn: &Arc<Fingerprint>, modern: bool) -> Result<Found, Error> {
    let mut found = Found::default();
    let options = Options {
        tickets: true,
        tls12: !modern,
        ..Options::default()
    };
    let server = serve_once(&options, SMALL)?;
    let client = client(worn)?;
    for _ in 0..RESUMED {
        finish(client.start(request(&server, Kind::Navigation, &Places::default()))).await?;
    }
    let seen = server.connections();
    found.connections = seen.len();
    if seen.len() != RESUMED {
        let (expected, got) = (RESUMED.to_string(), seen.len().to_string());
        found.add_each([Difference::new("connections to resume on", expected, got)]);
    }
    // A session of TLS 1.2 brings no other when it is resumed: whoever uses it once has none for the third.
    let used_up = !modern && worn.tls.habits.contains(&Habit::SessionOnce);
    for (nth, connection) in seen.iter().enumerate() {
        let Some(hello) = connection.hellos.first() else {
            continue;
        };
        found.add_each(compare::hello(&worn.tls, hello));
        found.add_each(if nth == 0 || used_up && nth % 2 == 0 {
            compare::first(hello)
        } else {
            compare::resumed(&worn.tls, hello, modern)
        });
    }
    Ok(found)
}

/// A long download with a slice beside it.
async fn download(worn: &Arc<Fingerprint>) -> Result<Found, Error> {
    let mut found = Found::default();
    let server = serve(&Options::default(), DOWNLOAD)?;
    let client = client(worn)?;
    let mut whole = client.start(request(&server, Kind::Navigation, &Places::default()));
    while !matches!(
        whole.next().await,
        Some(Event::Head(_) | Event::End(_)) | None
    ) {}
    let slice = places(Kind::Slice);
    let beside = client.start(request(&server, Kind::Slice, &slice));
    // Both at once: a download that nobody reads is acknowledged in another rhythm.
    tokio::try_join!(finish(beside), finish(whole))?;
    let seen = server.connections();
    found.connections += seen.len();
    let [connection] = &seen[..] else {
        let got = format!("{} connections", seen.len());
        found.add_each([Difference::new("download and slice", "one connection", got)]);
        return Ok(found);
    };
    let [first, second] = &connection.requests[..] else {
        let got = format!("{} requests", connection.requests.len());
        found.add_each([Difference::new("download and slice", "two requests", got)]);
        return Ok(found);
    };
    found.add_each(compare::request(worn, "slice", &worn.slice, &slice, second));
    found.add_each(compare::priority(
        "slice",
        &worn.slice,
        second,
        first.stream,
    ));
    if second.stream != first.stream + 2 {
        let expected = (first.stream + 2).to_string();
        found.add_each([Difference::new(
            "second stream",
            expected,
            second.stream.to_string(),
        )]);
    }
    found.add_each(compare::credit(
        &worn.http2,
        connection,
        first.stream,
        DOWNLOAD,
    ));
    Ok(found)
}

fn kinds(worn: &Fingerprint) -> [(Kind, &'static str, &RequestShape); 3] {
    [
        (Kind::Navigation, "navigation", &worn.navigation),
        (Kind::Slice, "slice", &worn.slice),
        (Kind::Resume, "resume", &worn.resume),
    ]
}

/// Something for every place that a kind of request has.
fn places(kind: Kind) -> Places {
    let mut places = Places {
        referer: Some("https://localhost/page".to_owned()),
        authorization: Some("Basic dTpw".to_owned()),
        ..Places::default()
    };
    if kind != Kind::Navigation {
        places.range = Some("bytes=10-19".to_owned());
        places.strong_etag = Some("\"capture\"".to_owned());
        places.if_range = Some("\"capture\"".to_owned());
        places.last_modified = Some("Sun, 06 Nov 1994 08:49:37 GMT".to_owned());
    }
    places
}

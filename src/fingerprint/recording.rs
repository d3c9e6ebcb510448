//! Makes a fingerprint file out of what a browser showed while it walked through the recording page.
//!
//! What varied among the connections becomes lists of what may be drawn; what can't be seen from a page (a parallel or
//! resumed download, credentials) is derived from what was seen, and said in the notes that stand before the file.

use std::collections::{BTreeMap, BTreeSet};

use super::Fingerprint;
use super::describe;
use super::observed::{Connection, Request};
use super::schema::{Browser, Credit, DependsOn, Habit, HeaderLine, Http2, RequestShape, Tls};
use super::text;

const PADDING: u16 = 21;
/// Headers of an address that a page opens, not the user.
const NOT_TYPED: [&str; 2] = ["referer", "cookie"];

/// Paths of the recording page, each of which shows one kind of request.
pub mod path {
    /// The address that the user opens.
    pub const TYPED: &str = "/";
    /// A fetch with a Range header.
    pub const RANGE: &str = "/range";
    /// A fetch of many MiB.
    pub const LONG: &str = "/long";
    /// A link with `download`.
    pub const DOWNLOAD: &str = "/download.bin";
    /// A page opened over HTTP/1.1.
    pub const HTTP1: &str = "/http1";
}

/// Who was recorded, as far as the wire does not say it.
#[derive(Debug, Clone)]
pub struct Who {
    /// For `browser.name`.
    pub name: String,
    /// Full version, if the page learned it.
    pub version: Option<String>,
    /// The day of the recording, `YYYY-MM-DD`.
    pub day: String,
}

/// The fingerprint of the browser that made these connections, and notes for whoever reads the file.
///
/// # Errors
/// What is missing.
pub fn fingerprint(
    connections: &[Connection],
    who: &Who,
) -> Result<(Fingerprint, Vec<String>), String> {
    let mut notes = Vec::new();
    let opening = connections
        .iter()
        .find(|connection| asked(connection, path::TYPED).is_some_and(|it| it.stream > 0))
        .ok_or("no page was opened over HTTP/2")?;
    let typed = asked(opening, path::TYPED).ok_or("no page was opened")?;
    let find = |path| {
        connections
            .iter()
            .find_map(|connection| asked(connection, path))
    };
    let tls = tls(connections, &mut notes);
    let mut http2 = describe::http2(opening).ok_or("the page was asked for too late")?;
    http2.credit = credit(connections, &http2, &mut notes);
    let http1 = find(path::HTTP1).filter(|request| request.stream == 0);
    if http1.is_none() {
        notes.push("HTTP/1.1 was not seen: the letter case of the headers is a guess.".to_owned());
    }
    let mut values = BTreeMap::new();
    let navigation = navigation(typed, http1, &mut values);
    let download = find(path::DOWNLOAD);
    if download.is_none() {
        notes.push(
            "No download was seen: [slice] and [resume] are made from [navigation].".to_owned(),
        );
    }
    let download = download.map_or(navigation.clone(), |request| {
        let mut shape = respelt(request, &navigation);
        replace_values(&mut shape, &mut values);
        shape
    });
    let chromium = typed.header("sec-ch-ua").is_some();
    let (slice, resume) = if chromium {
        (slice(&download, true), resume(&download))
    } else {
        // Gecko's downloads ask for the rest of a file as its pages ask for a range.
        let range = find(path::RANGE).map_or(download, |request| {
            let mut shape = respelt(request, &navigation);
            replace_values(&mut shape, &mut values);
            shape
        });
        let slice = slice(&range, false);
        let resume = RequestShape {
            open: false,
            ..slice.clone()
        };
        (slice, resume)
    };
    notes.push("[slice] and [resume] cannot be seen from a page; they are derived from the requests most like them.".to_owned());
    let fingerprint = Fingerprint {
        inherits: None,
        aliases: Vec::new(),
        browser: browser(typed, who, &mut notes),
        values,
        tls,
        http2,
        navigation,
        slice,
        resume,
    };
    Ok((fingerprint, notes))
}

fn asked<'a>(connection: &'a Connection, target: &str) -> Option<&'a Request> {
    connection
        .requests
        .iter()
        .find(|request| request.target.split('?').next() == Some(target))
}

/// Joins what the single hellos show. A browser sometimes changes its hello when it tries a lost connection again, so
/// what the most hellos agree on counts.
fn tls(connections: &[Connection], notes: &mut Vec<String>) -> Tls {
    let hellos: Vec<_> = connections
        .iter()
        .filter_map(|connection| connection.hellos.first())
        .map(describe::tls)
        .collect();
    let mut kinds: BTreeMap<_, Vec<&Tls>> = BTreeMap::new();
    for (tls, _) in &hellos {
        kinds.entry(without_draws(tls)).or_default().push(tls);
    }
    let seen = kinds.into_values().max_by_key(Vec::len).unwrap_or_default();
    let mut tls = seen
        .first()
        .map(|tls| Tls::clone(tls))
        .expect("a page was opened over TLS");
    notes.push(format!("Seen on {} connections.", hellos.len()));
    if seen.len() < hellos.len() {
        let others = hellos.len() - seen.len();
        notes.push(format!(
            "{others} others had a ClientHello that differs in more than what is drawn; left out."
        ));
    }
    let orders: BTreeSet<_> = seen.iter().map(|tls| without_padding(tls)).collect();
    tls.permute_extensions = orders.len() > 1;
    notes.push(match orders.len() {
        1 => "The order of the extensions was the same on all.".to_owned(),
        count => format!("The extensions came in {count} orders."),
    });
    let padded = seen
        .iter()
        .filter(|tls| tls.extensions.contains(&PADDING))
        .count();
    if padded > 0 {
        notes.push(format!("{padded} hellos were padded."));
        if !tls.extensions.contains(&PADDING) {
            tls.extensions.push(PADDING);
        }
    }
    join_ech(&mut tls, &seen, notes);
    if tls.habits.contains(&Habit::SharedX25519) {
        tls.habits.push(Habit::NoTicketWithPsk);
        notes.push("No session was resumed: no_ticket_with_psk is taken from NSS.".to_owned());
    }
    let odd: BTreeSet<_> = hellos.iter().flat_map(|(_, odd)| odd).collect();
    notes.extend(odd.into_iter().map(|odd| {
        format!(
            "A file cannot say this: {}: {} instead of {}.",
            odd.field, odd.got, odd.expected
        )
    }));
    tls
}

/// Everything seen in an ECH extension may be drawn.
fn join_ech(tls: &mut Tls, seen: &[&Tls], notes: &mut Vec<String>) {
    let Some(ech) = &mut tls.ech_grease else {
        return;
    };
    let all = || seen.iter().filter_map(|tls| tls.ech_grease.as_ref());
    let union = |lists: Vec<&[u16]>| {
        lists
            .concat()
            .into_iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    };
    ech.payload_lengths = union(all().map(|ech| ech.payload_lengths.as_slice()).collect());
    ech.aeads = union(all().map(|ech| ech.aeads.as_slice()).collect());
    let (lengths, aeads) = (&ech.payload_lengths, &ech.aeads);
    notes.push(format!(
        "ECH payload lengths: {lengths:?}, AEADs: {aeads:?}."
    ));
}

/// What must not vary: all of a hello but ECH's draws, padding, and the order of the extensions.
fn without_draws(tls: &Tls) -> Vec<text::Line> {
    let mut tls = tls.clone();
    tls.extensions = without_padding(&tls);
    tls.extensions.sort_unstable();
    tls.opaque_extensions.sort_by_key(|opaque| opaque.extension);
    tls.ech_grease = None;
    text::tls(&tls)
}

fn without_padding(tls: &Tls) -> Vec<u16> {
    tls.extensions
        .iter()
        .copied()
        .filter(|id| *id != PADDING)
        .collect()
}

/// When the long answer was acknowledged; `None` if at half of each window.
fn credit(connections: &[Connection], http2: &Http2, notes: &mut Vec<String>) -> Option<Credit> {
    let connection = connections
        .iter()
        .find(|it| asked(it, path::LONG).is_some())?;
    let stream = asked(connection, path::LONG)?.stream;
    let frames = &connection.frames[..];
    let opened = usize::from(http2.stream_window_update > 0);
    let of_stream = usual(describe::increments(frames, stream).skip(opened))?;
    let opened = usize::from(http2.window_update > 0);
    let of_connection = usual(describe::increments(frames, 0).skip(opened))?;
    let window = http2
        .settings
        .iter()
        .find(|(id, _)| *id == 4)
        .map_or(65_535, |(_, size)| *size);
    let half = (window + http2.stream_window_update) / 2;
    notes.push(format!(
        "A long answer was acknowledged by WINDOW_UPDATEs of about {of_stream} bytes on its stream, {of_connection} on \
         the connection."
    ));
    let near = |seen: u32, threshold: u32| (threshold..threshold + threshold / 16).contains(&seen);
    if near(of_stream, half) && near(of_connection, (65_535 + http2.window_update) / 2) {
        return None;
    }
    Some(Credit {
        stream: of_stream,
        connection: of_connection,
    })
}

/// The median: the first and the last may be due to something else.
fn usual(increments: impl Iterator<Item = u32>) -> Option<u32> {
    let mut increments: Vec<_> = increments.collect();
    increments.sort_unstable();
    increments.get(increments.len() / 2).copied()
}

/// The typed request, with names spelt and lines added as HTTP/1.1 has them.
fn navigation(
    typed: &Request,
    http1: Option<&Request>,
    values: &mut BTreeMap<String, String>,
) -> RequestShape {
    let mut shape = describe::shape(typed);
    let spelt = http1.map(describe::shape);
    let known = spelt.as_ref().map_or(&[][..], |shape| &shape.headers);
    for line in &mut shape.headers {
        match find(known, &line.name) {
            Some(other) => line.name.clone_from(&other.name),
            None => {
                line.name = title_case(&line.name);
                // What a page may not send is no sign of the version.
                let always = line.name.eq_ignore_ascii_case("sec-fetch-user");
                line.http = (http1.is_some() && !always).then_some(2);
            }
        }
    }
    let mut before: Option<String> = None;
    for line in known {
        let referer = NOT_TYPED.contains(&line.name.to_ascii_lowercase().as_str());
        if find(&shape.headers, &line.name).is_none() {
            let at = before.as_ref().and_then(|name| {
                shape
                    .headers
                    .iter()
                    .position(|it| it.name.eq_ignore_ascii_case(name))
            });
            let mut line = line.clone();
            if referer {
                line.value = format!("{{{}}}", line.name.to_ascii_lowercase());
            } else {
                line.http = Some(1);
            }
            shape.headers.insert(at.map_or(0, |at| at + 1), line);
        }
        before = Some(line.name.clone());
    }
    shape
        .headers
        .retain(|line| !line.name.eq_ignore_ascii_case("cookie"));
    let credentials = line("Authorization", "{authorization}");
    let connection = position(&shape.headers, "connection");
    shape
        .headers
        .insert(connection.map_or(0, |at| at + 1), credentials);
    if let Some(priority) = &mut shape.priority {
        // The first request of a connection has nothing to depend on; Chromium's exclusive ones would.
        priority.depends_on = if priority.exclusive {
            DependsOn::Previous
        } else {
            DependsOn::Root
        };
    }
    replace_values(&mut shape, values);
    shape
}

/// A request with its names spelt as another shape has them, and with that one's places.
fn respelt(request: &Request, like: &RequestShape) -> RequestShape {
    let mut shape = describe::shape(request);
    for line in &mut shape.headers {
        match find(&like.headers, &line.name) {
            Some(other) => (line.name, line.http) = (other.name.clone(), other.http),
            None => line.name = title_case(&line.name),
        }
        if line.name.eq_ignore_ascii_case("referer") {
            line.value = "{referer}".to_owned();
        }
    }
    shape
        .headers
        .retain(|line| !line.name.eq_ignore_ascii_case("cookie"));
    // What this request does not show goes behind the same header as there.
    let mut before: Option<&str> = None;
    for line in &like.headers {
        if line.http == Some(1) || line.value == "{authorization}" {
            let at = before.and_then(|name| position(&shape.headers, name));
            shape
                .headers
                .insert(at.map_or(0, |at| at + 1), line.clone());
        }
        before = Some(&line.name);
    }
    shape.priority = match (shape.priority, like.priority) {
        (Some(mut own), Some(other)) => {
            own.depends_on = other.depends_on;
            Some(own)
        }
        (own, _) => own,
    };
    shape
}

/// Values that are who the browser is get keys of their own, so that a person sees them at once.
fn replace_values(shape: &mut RequestShape, values: &mut BTreeMap<String, String>) {
    for (header, key) in [
        ("user-agent", "user_agent"),
        ("sec-ch-ua", "brands"),
        ("sec-ch-ua-platform", "platform"),
        ("accept-language", "language"),
    ] {
        let Some(at) = position(&shape.headers, header) else {
            continue;
        };
        let line = &mut shape.headers[at];
        let known = values
            .entry(key.to_owned())
            .or_insert_with(|| line.value.clone());
        if *known == line.value {
            line.value = format!("{{{key}}}");
        }
    }
}

/// A range beside a running download: the download's request, as Chromium's parallel download changes it.
fn slice(download: &RequestShape, chromium: bool) -> RequestShape {
    let conditions = [
        line("Range", "{range}"),
        line("If-Match", "{strong_etag}"),
        line("If-Unmodified-Since", "{last_modified}"),
    ];
    let mut shape = ranged(download, &conditions, chromium);
    shape.open = true;
    shape
}

/// The continuation of an earlier download: as a slice, with other conditions and in another order.
fn resume(download: &RequestShape) -> RequestShape {
    let mut download = download.clone();
    let mut conditions = vec![line("Range", "{range}"), line("If-Range", "{if_range}")];
    if let Some(at) = position(&download.headers, "accept-encoding") {
        let mut encoding = download.headers.remove(at);
        encoding.value = "identity".to_owned();
        conditions.push(encoding);
    }
    ranged(&download, &conditions, true)
}

fn ranged(download: &RequestShape, conditions: &[HeaderLine], chromium: bool) -> RequestShape {
    let mut shape = download.clone();
    shape
        .headers
        .retain(|line| !line.name.eq_ignore_ascii_case("sec-fetch-user"));
    for line in &mut shape.headers {
        match line.name.to_ascii_lowercase().as_str() {
            "accept-encoding" => line.value = "identity".to_owned(),
            "sec-fetch-site" => line.value = "none".to_owned(),
            "sec-fetch-mode" if line.value == "cors" => line.value = "no-cors".to_owned(),
            "range" => line.value = "{range}".to_owned(),
            _ => {}
        }
    }
    let at = if chromium {
        shape
            .headers
            .iter()
            .take_while(|line| line.http == Some(1) || line.value == "{authorization}")
            .count()
    } else {
        // Gecko sets them last, before what the connection itself adds.
        position(&shape.headers, "priority").unwrap_or(shape.headers.len())
    };
    for condition in conditions.iter().rev() {
        if find(&shape.headers, &condition.name).is_none() {
            shape.headers.insert(at, condition.clone());
        }
    }
    shape
}

fn browser(typed: &Request, who: &Who, notes: &mut Vec<String>) -> Browser {
    let agent = typed.header("user-agent").unwrap_or_default();
    if agent.contains("Headless") {
        notes.push(
            "The user agent says Headless, which a browser with windows does not.".to_owned(),
        );
    }
    let product = |name: &str| {
        let (_, rest) = agent.split_once(name)?;
        Some(rest.split(' ').next().unwrap_or_default().to_owned())
    };
    let (family, version) = [
        ("edge", "Edg/"),
        ("firefox", "Firefox/"),
        ("chrome", "Chrome/"),
        ("safari", "Version/"),
    ]
    .into_iter()
    .find_map(|(family, name)| Some((family, product(name)?)))
    .unwrap_or(("unknown", String::new()));
    let platform = [
        ("android", "Android"),
        ("ios", "iPhone"),
        ("windows", "Windows"),
        ("macos", "Mac OS X"),
    ];
    let platform = platform.into_iter().find(|(_, name)| agent.contains(name));
    notes.push(
        "browser.released is the day of the recording: put the day of the release there."
            .to_owned(),
    );
    Browser {
        name: who.name.clone(),
        family: family.to_owned(),
        version: who.version.clone().unwrap_or(version),
        platform: platform
            .map_or("linux", |(platform, _)| platform)
            .to_owned(),
        released: who.day.clone(),
        source: format!("recorded with hs fingerprint record on {}", who.day),
    }
}

fn line(name: &str, value: &str) -> HeaderLine {
    HeaderLine {
        name: name.to_owned(),
        value: value.to_owned(),
        http: None,
        scheme: None,
    }
}

fn position(lines: &[HeaderLine], name: &str) -> Option<usize> {
    lines
        .iter()
        .position(|line| line.name.eq_ignore_ascii_case(name))
}

fn find<'a>(lines: &'a [HeaderLine], name: &str) -> Option<&'a HeaderLine> {
    position(lines, name).map(|at| &lines[at])
}

/// As browsers spell headers over HTTP/1.1: client hints in lower case, everything else with capitals.
fn title_case(name: &str) -> String {
    if name.starts_with("sec-ch-") {
        return name.to_owned();
    }
    if name == "te" {
        return name.to_ascii_uppercase();
    }
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

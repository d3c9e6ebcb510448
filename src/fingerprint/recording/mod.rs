//! Makes a fingerprint file out of what a browser showed while it walked through the recording page.
//!
//! What varied among the connections becomes lists of what may be drawn; what can't be seen from a page (a parallel or
//! resumed download, credentials) is derived from what was seen, and said in the notes that stand before the file.

mod shapes;
mod tls;

use std::collections::BTreeMap;

use super::observed::{Connection, Request};
use super::schema::{Browser, Credit, Http2};
use super::{Fingerprint, describe};
use shapes::proxy;
use shapes::{navigation, replace_values, respelt, resume, slice};

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
    let tls = tls::tls(connections, &mut notes);
    let mut http2 = describe::http2(opening).ok_or("the page was asked for too late")?;
    http2.credit = credit(connections, &http2, &mut notes);
    // The page sets no cookies; Chromium and Firefox both do this.
    http2.split_cookies = true;
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
        (slice.clone(), slice)
    };
    notes.push("[slice] and [resume] cannot be seen from a page; they are derived from the requests most like them.".to_owned());
    let fingerprint = Fingerprint {
        inherits: None,
        aliases: Vec::new(),
        browser: browser(typed, who, &mut notes),
        values,
        platforms: BTreeMap::new(),
        templates: BTreeMap::new(),
        tls,
        http2,
        navigation,
        slice,
        resume,
        proxy: proxy(chromium),
    }
    .settle();
    notes.push("[proxy], redirects, the header list's `*` and its cookies were not seen; they are as in Chromium and Firefox of 2026.".to_owned());
    Ok((fingerprint, notes))
}

fn asked<'a>(connection: &'a Connection, target: &str) -> Option<&'a Request> {
    connection
        .requests
        .iter()
        .find(|request| request.target.split('?').next() == Some(target))
}

/// Whether the request for this path was answered to the end over HTTP/2.
#[must_use]
pub fn is_answered(connection: &Connection, target: &str) -> bool {
    asked(connection, target).is_some_and(|request| connection.answered.contains(&request.stream))
}

/// When a long answer was acknowledged; `None` if none was seen to its end.
fn credit(connections: &[Connection], http2: &Http2, notes: &mut Vec<String>) -> Option<Credit> {
    // A page reads in another rhythm than a download, but better that than none.
    let (connection, stream) = [path::DOWNLOAD, path::LONG].into_iter().find_map(|path| {
        let whole = |it: &&Connection| is_answered(it, path);
        let connection = connections.iter().find(whole)?;
        Some((connection, asked(connection, path)?.stream))
    })?;
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
    let half_of_connection = (65_535 + http2.window_update) / 2;
    if near(of_stream, half) && near(of_connection, half_of_connection) {
        // What was read at once went beyond the threshold, which is more than half of each window.
        return Some(Credit {
            stream: half + 1,
            connection: half_of_connection + 1,
        });
    }
    Some(Credit {
        stream: of_stream,
        connection: of_connection,
    })
}

/// The smallest that is not far below the median: what was read at once comes on top of the threshold, and a window that
/// was nearly empty may have been widened early.
fn usual(increments: impl Iterator<Item = u32>) -> Option<u32> {
    let mut increments: Vec<_> = increments.collect();
    increments.sort_unstable();
    let median = increments.get(increments.len() / 2)?;
    let near = |it: &&u32| **it >= median - median / 4;
    increments.iter().find(near).copied()
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

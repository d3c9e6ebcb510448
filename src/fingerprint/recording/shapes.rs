//! Request shapes out of single requests: spelling, places for values, and the kinds that a page cannot show.

use std::collections::BTreeMap;

use crate::fingerprint::describe;
use crate::fingerprint::observed::Request;
use crate::fingerprint::schema::{DependsOn, HeaderLine, Proxy, Redirected, RequestShape};

/// Headers of an address that a page opens, not the user.
const NOT_TYPED: [&str; 2] = ["referer", "cookie"];

/// The typed request, with names spelt and lines added as HTTP/1.1 has them.
pub(super) fn navigation(
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
    // Chromium has credentials behind Connection, Gecko before it; cookies are at the end, or behind the referer.
    let chromium = typed.header("sec-ch-ua").is_some();
    let at = position(&shape.headers, "connection");
    let credentials = line("Authorization", "{authorization}");
    let at = at.map_or(0, |at| at + usize::from(chromium));
    shape.headers.insert(at, credentials);
    let (before, extra) = match chromium {
        true => ("accept-language", "sec-fetch-site"),
        false => ("referer", "authorization"),
    };
    let authorization = position(&shape.headers, "authorization");
    if let Some(at) = position(&shape.headers, before).or(authorization) {
        shape.headers.insert(at + 1, line("Cookie", "{cookie}"));
    }
    if let Some(at) = position(&shape.headers, extra) {
        shape.headers.insert(at, line("*", ""));
    }
    // Chromium sets its hints anew for each hop. A page cannot show it.
    shape.redirected = chromium.then(|| Redirected {
        moves: ["sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform"]
            .map(str::to_owned)
            .into(),
        before: "Referer".to_owned(),
    });
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
pub(super) fn respelt(request: &Request, like: &RequestShape) -> RequestShape {
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
        let added = ["{authorization}", "{cookie}"].contains(&&*line.value) || line.name == "*";
        if line.http == Some(1) || added {
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
pub(super) fn replace_values(shape: &mut RequestShape, values: &mut BTreeMap<String, String>) {
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
pub(super) fn slice(download: &RequestShape, chromium: bool) -> RequestShape {
    let conditions = [
        line("Range", "{range}"),
        line("If-Match", "{strong_etag}"),
        line("If-Unmodified-Since", "{last_modified}"),
    ];
    let mut shape = ranged(download, &conditions, chromium);
    shape.open = chromium;
    shape
}

/// The continuation of an earlier download: as a slice, with other conditions and in another order.
pub(super) fn resume(download: &RequestShape) -> RequestShape {
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
    shape.redirected = None;
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

/// How proxies are talked to, which a page cannot show.
pub(super) fn proxy(chromium: bool) -> Proxy {
    if chromium {
        return Proxy::default();
    }
    Proxy {
        connect: vec![
            line("User-Agent", "{user_agent}"),
            line("Proxy-Connection", "keep-alive"),
            line("Connection", "keep-alive"),
            line("Host", "{authority}"),
            line("Proxy-Authorization", "{proxy_authorization}"),
        ],
        connection: "Connection".to_owned(),
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

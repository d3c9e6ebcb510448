//! `hs fingerprint show`: the public names of a fingerprint's opening bytes, and its headers, as they really go out.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::Error;
use crate::fingerprint::Fingerprint;
use crate::fingerprint::ja;
use crate::fingerprint::observed::{Connection, Request};
use crate::fingerprint::wire::hpack::{Field, Form};

/// What a server sees of `fingerprint`, for people or as JSON.
///
/// # Errors
/// If connecting fails.
pub fn show(fingerprint: &Fingerprint, as_json: bool) -> Result<String, Error> {
    let [http2, http1] = [
        connection(fingerprint, false)?,
        connection(fingerprint, true)?,
    ];
    let hello = http2
        .hellos
        .first()
        .ok_or_else(|| Error::Internal("the server saw no ClientHello".to_owned()))?;
    let (ja3, ja3n) = (ja::ja3(hello), ja::ja3n(hello));
    let akamai = http2
        .requests
        .first()
        .map(|request| ja::akamai(&http2.frames, &fields(request)));
    let akamai = akamai.unwrap_or_default();
    let lines = [
        ("ja3", ja::md5_hex(&ja3)),
        ("ja3_text", ja3),
        ("ja3n", ja::md5_hex(&ja3n)),
        ("ja3n_text", ja3n),
        ("ja4", ja::ja4(hello)),
        ("ja4_r", ja::ja4_r(hello)),
        ("akamai", ja::md5_hex(&akamai)),
        ("akamai_text", akamai),
    ];
    if as_json {
        return Ok(json_text(fingerprint, &lines, &http2, &http1));
    }
    let browser = &fingerprint.browser;
    let mut text = format!(
        "{} {}, {}\n",
        browser.name, browser.version, browser.platform
    );
    for (name, value) in &lines {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "{name:12} {value}");
    }
    if fingerprint.tls.permute_extensions {
        text.push_str("ja3 is another on each connection: the extensions are shuffled\n");
    }
    for (version, connection) in [("HTTP/2", &http2), ("HTTP/1.1", &http1)] {
        let _ = writeln!(text, "\n{version}");
        for (name, value) in headers(connection) {
            let _ = writeln!(text, "{name}: {value}");
        }
    }
    Ok(text)
}

fn connection(fingerprint: &Fingerprint, http1: bool) -> Result<Connection, Error> {
    let mut seen = super::observe(fingerprint, http1, 1)?;
    seen.pop()
        .ok_or_else(|| Error::Internal("the server saw no connection".to_owned()))
}

/// The first request's header list, pseudo-headers included.
fn headers(connection: &Connection) -> Vec<(String, String)> {
    let request = connection.requests.first();
    request.map_or(Vec::new(), |it| {
        it.pseudo.iter().chain(&it.headers).cloned().collect()
    })
}

fn json_text(
    fingerprint: &Fingerprint,
    lines: &[(&str, String)],
    http2: &Connection,
    http1: &Connection,
) -> String {
    let browser = &fingerprint.browser;
    let mut object = json!({
        "name": browser.name,
        "family": browser.family,
        "version": browser.version,
        "platform": browser.platform,
        "released": browser.released,
        "source": browser.source,
        "shuffles_extensions": fingerprint.tls.permute_extensions,
    });
    let list = |connection| {
        let headers = headers(connection).into_iter();
        headers
            .map(|(name, value)| json!([name, value]))
            .collect::<Vec<_>>()
    };
    for (name, value) in lines {
        object[*name] = Value::from(value.clone());
    }
    object["http2_headers"] = list(http2).into();
    object["http1_headers"] = list(http1).into();
    format!("{object:#}\n")
}

/// What Akamai's text looks at.
fn fields(request: &Request) -> Vec<Field> {
    let pseudo = request.pseudo.iter();
    pseudo
        .map(|(name, value)| Field {
            name: name.clone().into(),
            value: value.clone().into(),
            form: Form::Indexed(0),
        })
        .collect()
}

//! Tells a page for people from the file that was asked for.
//!
//! A login, a challenge or a "your download will begin shortly" comes with status 200 and a fine length, and saved as
//! `genome.fna.gz` it is found out days later. So an answer that is a page is refused where the name of what was asked for says
//! that it is something else. Only the head is looked at: a body of the right type may still be the wrong one, which is
//! what checksums are for. Where the name says nothing (`/`, `/download?id=7`), the page may well be what was wanted.

use crate::answer::Refusal;
use crate::http::Head;
use crate::name;

/// Endings of names behind which a page is no surprise.
const PAGES: [&str; 16] = [
    "html", "htm", "xhtml", "xht", "shtml", "mhtml", "php", "php5", "asp", "aspx", "jsp", "jspx",
    "cgi", "pl", "do", "cfm",
];

/// The longest ending that is taken for the name of a format.
const LONGEST: usize = 10;

/// Checks that the answer is not a page in the place of a file that is to be called `expected`.
///
/// # Errors
/// [`Refusal::Page`] that says what shows it.
pub fn no_page(head: &Head, expected: &str) -> Result<(), Refusal> {
    if let Some(guard) = challenge(head) {
        return Err(Refusal::Challenge(guard));
    }
    let field = |name| head.headers.get(name).unwrap_or_default();
    let kind = field("content-type").split(';').next().unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    let is_page = matches!(kind.as_str(), "text/html" | "application/xhtml+xml");
    let attached = field("content-disposition").to_ascii_lowercase();
    let attached = attached.trim_start().starts_with("attachment");
    if matches!(head.status, 200 | 203) && is_page && !attached && is_file(expected) {
        return Err(Refusal::Page(format!("a page ({kind})")));
    }
    Ok(())
}

/// Whose challenge an answer is, whatever its status; `None` if it is none that is known.
///
/// Only marks count that an ordinary refusal of the same guard does not have: an address that has expired is answered
/// with 403 as well.
pub fn challenge(head: &Head) -> Option<&'static str> {
    let field = |name| head.headers.get(name).unwrap_or_default();
    let is = |name, values: &[&str]| values.iter().any(|v| field(name).eq_ignore_ascii_case(v));
    let has = |name| head.headers.get(name).is_some();
    let cookie = |name: &str| {
        head.headers
            .all("set-cookie")
            .any(|set| set.starts_with(name))
    };
    let refused = head.status >= 400 || head.status == 202;
    // https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/
    if is("cf-mitigated", &["challenge"]) {
        return Some("Cloudflare");
    }
    // https://docs.aws.amazon.com/waf/latest/developerguide/waf-captcha-and-challenge-how-it-works.html
    if is("x-amzn-waf-action", &["challenge", "captcha"]) {
        return Some("AWS WAF");
    }
    if refused && (has("x-datadome") || has("x-dd-b") || cookie("datadome=")) {
        return Some("DataDome");
    }
    if refused && has("x-iinfo") && (cookie("incap_ses_") || cookie("visid_incap_")) {
        return Some("Imperva");
    }
    let akamai = is("sec-cp-challenge", &["true"]) || cookie("sec_cpt=") || cookie("_abck=");
    (refused && akamai).then_some("Akamai")
}

/// Whether a name says that it is one of a file, and not of a page or of nothing in particular.
fn is_file(name: &str) -> bool {
    let (_, extension) = name::split(name);
    let Some(last) = extension.rsplit('.').next().filter(|last| !last.is_empty()) else {
        return false;
    };
    let format = last.len() <= LONGEST
        && last.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && last.bytes().any(|byte| byte.is_ascii_alphabetic());
    format && !PAGES.iter().any(|page| last.eq_ignore_ascii_case(page))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Protocol;

    fn judge(status: u16, fields: &[(&str, &str)], name: &str) -> Result<(), Refusal> {
        let head = Head {
            status,
            protocol: Protocol::Http2,
            url: String::new(),
            headers: fields.iter().copied().collect(),
        };
        no_page(&head, name)
    }

    #[test]
    fn a_page_is_refused_where_a_file_was_expected() {
        let html = [("Content-Type", "text/HTML; charset=utf-8")];
        for name in ["a.tar.gz", "x.ISO", "data.7z", "a.fna", "b.sha256"] {
            assert!(judge(200, &html, name).is_err(), "{name}");
            assert!(judge(200, &[("Content-Type", "text/plain")], name).is_ok());
            assert!(judge(200, &[], name).is_ok());
        }
        for name in [
            "index.html",
            "a.PHP",
            "download.bin.aspx",
            "latest",
            "v1.2",
            ".",
        ] {
            assert!(judge(200, &html, name).is_ok(), "{name}");
        }
    }

    #[test]
    fn an_attachment_is_what_it_says() {
        let fields = [
            ("Content-Type", "text/html"),
            ("Content-Disposition", "Attachment; filename=a.gz"),
        ];
        assert!(judge(200, &fields, "a.gz").is_ok());
    }

    #[test]
    fn a_challenge_is_one_whatever_its_status() {
        for status in [200, 403, 503] {
            assert!(judge(status, &[("CF-Mitigated", "challenge")], "latest").is_err());
            assert!(judge(status, &[("x-amzn-waf-action", "captcha")], "latest").is_err());
        }
        assert!(judge(404, &[("Content-Type", "text/html")], "a.gz").is_ok());
    }

    #[test]
    fn guards_are_told_by_their_marks() {
        let guard = |status, fields: &[(&str, &str)]| {
            challenge(&Head {
                status,
                protocol: Protocol::Http2,
                url: String::new(),
                headers: fields.iter().copied().collect(),
            })
        };
        assert_eq!(
            guard(403, &[("cf-mitigated", "challenge")]),
            Some("Cloudflare")
        );
        assert_eq!(
            guard(202, &[("x-amzn-waf-action", "challenge")]),
            Some("AWS WAF")
        );
        assert_eq!(guard(403, &[("x-datadome", "protected")]), Some("DataDome"));
        let imperva = [
            ("x-iinfo", "1-2"),
            ("set-cookie", "visid_incap_7=a; path=/"),
        ];
        assert_eq!(guard(403, &imperva), Some("Imperva"));
        assert_eq!(guard(428, &[("sec-cp-challenge", "true")]), Some("Akamai"));
        // They guard what they let through, too, and refuse for reasons of the origin's.
        assert_eq!(guard(200, &[("x-datadome", "protected")]), None);
        assert_eq!(guard(403, &[("server", "AkamaiGHost")]), None);
        assert_eq!(
            guard(403, &[("server", "cloudflare"), ("cf-ray", "1")]),
            None
        );
    }
}

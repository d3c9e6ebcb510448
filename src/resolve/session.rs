//! What the user brings to servers besides an address: headers, the page he comes from, credentials and cookies; and to
//! whom each of them may go.
//!
//! Credentials belong to an origin (scheme, host and port, RFC 6454). Those of the command line, and headers that carry
//! secrets, go to the origin of the address that the user gave and to no other, whatever it redirects to; those of a URL
//! go to that URL's origin, those of a .netrc file to the host named there. They are sent with the first request, as a
//! browser does that has been there before, and not only when a server asks for them. Cookies go where their own rules
//! send them.

use std::cell::RefCell;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use url::{Host, Url};

use super::Source;
use crate::cookies::{self, Jar, Place};
use crate::fingerprint::headers::{Edit, Places};
use crate::http::{Head, Protocol};
use crate::netrc::Netrc;
use crate::retry::{Failure, Fault};

/// One for all transfers of a run; nothing is sent by default.
#[derive(Debug, Default)]
pub struct Session {
    /// Headers to add, replace or remove.
    pub edits: Vec<Edit>,
    /// The page that the user comes from; without fragment and credentials.
    pub referer: Option<Url>,
    /// `Authorization` for what the user asks for.
    pub authorization: Option<String>,
    /// Who logs in where.
    pub netrc: Netrc,
    /// Cookies given, and those that servers set. Never borrowed across an await.
    pub jar: RefCell<Jar>,
    /// The version of HTTP without which the user wants nothing.
    pub protocol: Option<Protocol>,
}

impl Session {
    /// What a request for `url`, to which `source` has led, carries. `now` is in seconds since 1970.
    #[must_use]
    pub fn places(&self, source: &Source, url: &Url, now: u64) -> Places {
        let at_home = url.origin() == source.home.origin();
        let edits = self.edits.iter().chain(&source.headers);
        let edits = edits.filter(|edit| at_home || !edit.is_for_one_origin());
        let relation = self.referer.as_ref().map(|page| {
            let first = relation(page, &source.url);
            first.max(relation(page, url))
        });
        Places {
            referer: self.referer.as_ref().map(Url::to_string),
            site: relation.map(Relation::text),
            authorization: self.authorization(source, url),
            cookie: place(url).and_then(|place| self.jar.borrow().header(place, now)),
            edits: edits.cloned().collect(),
            ..Places::default()
        }
    }

    /// Takes the cookies of an answer that came from `url`.
    ///
    /// # Errors
    /// [`Fault::Unable`] if it did not come in the only version of HTTP that is wanted.
    pub fn learn(&self, url: &Url, head: &Head, now: u64) -> Result<(), Failure> {
        if let Some(wanted) = self.protocol
            && (wanted > Protocol::Http11) != (head.protocol > Protocol::Http11)
        {
            let what = format!("the server answered in {}, not {wanted}", head.protocol);
            return Err(Fault::Unable(what).into());
        }
        if let Some(place) = place(url) {
            let mut jar = self.jar.borrow_mut();
            for field in head.headers.all("set-cookie") {
                jar.set(field, place, now);
            }
        }
        Ok(())
    }

    /// `Authorization` for a request.
    fn authorization(&self, source: &Source, url: &Url) -> Option<String> {
        let host = url.host_str()?;
        let named = url.origin() == source.home.origin();
        let user = decoded(url.username());
        let user = (!user.is_empty() && url.password().is_none()).then_some(&*user);
        if let Some(user) = user.and_then(|user| std::str::from_utf8(user).ok())
            && let Some((login, password)) = self.netrc.find(host, Some(user), named)
        {
            return Some(basic(login.as_bytes(), password.as_bytes()));
        }
        let of_source = || named.then(|| self.authorization.clone()).flatten();
        let of_file = || {
            let (login, password) = self.netrc.find(host, None, named)?;
            Some(basic(login.as_bytes(), password.as_bytes()))
        };
        of_url(url)
            .or_else(|| {
                let same = url.origin() == source.url.origin();
                same.then(|| of_url(&source.url)).flatten()
            })
            .or_else(of_source)
            .or_else(of_file)
    }
}

/// `Authorization` with Basic credentials (RFC 7617).
#[must_use]
pub fn basic(user: &[u8], password: &[u8]) -> String {
    let pair = [user, b":", password].concat();
    format!("Basic {}", BASE64_STANDARD.encode(pair))
}

/// Basic credentials of a URL's user information.
fn of_url(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let password = decoded(url.password().unwrap_or_default());
    Some(basic(&decoded(url.username()), &password))
}

fn decoded(text: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(text).collect()
}

/// Where a request for `url` goes, as far as cookies care. This machine counts as secure, as in browsers.
fn place(url: &Url) -> Option<Place<'_>> {
    let here = match url.host()? {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    Some(Place {
        host: url.host_str()?,
        path: url.path(),
        secure: here || url.scheme() == "https",
    })
}

/// How two addresses are related (Fetch Metadata, `Sec-Fetch-Site`); a chain is what its worst part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Relation {
    Origin,
    Site,
    Cross,
}

impl Relation {
    fn text(self) -> &'static str {
        match self {
            Self::Origin => "same-origin",
            Self::Site => "same-site",
            Self::Cross => "cross-site",
        }
    }
}

fn relation(a: &Url, b: &Url) -> Relation {
    let hosts = (
        a.host_str().unwrap_or_default(),
        b.host_str().unwrap_or_default(),
    );
    if a.origin() == b.origin() {
        Relation::Origin
    } else if a.scheme() == b.scheme() && cookies::same_site(hosts.0, hosts.1) {
        Relation::Site
    } else {
        Relation::Cross
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Headers;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn session() -> Session {
        Session {
            edits: vec![
                Edit::parse("X-Api-Key: 1").unwrap(),
                Edit::parse("X-Plain: 1").unwrap(),
            ],
            authorization: Some(basic(b"me", b"pw")),
            netrc: Netrc::read("machine n.org login n password np default login d password dp")
                .unwrap(),
            ..Session::default()
        }
    }

    /// `Authorization` and the names of the added headers after a redirect from one URL to another.
    fn sent(from: &str, to: &str) -> (Option<String>, Vec<String>) {
        let places = session().places(&Source::new(url(from)), &url(to), 0);
        let names = places.edits.into_iter().map(|edit| edit.name).collect();
        (places.authorization, names)
    }

    #[test]
    fn credentials_stay_with_the_origin_they_are_for() {
        let mine = Some(basic(b"me", b"pw"));
        let both = vec!["X-Api-Key".to_owned(), "X-Plain".to_owned()];
        assert_eq!(sent("https://h/a", "https://h/b"), (mine.clone(), both));
        for other in ["https://i/", "https://h:444/", "https://a.h/"] {
            let (authorization, names) = sent("https://h/a", other);
            assert_eq!(authorization, None, "{other}");
            assert_eq!(names, ["X-Plain"], "{other}");
        }
        assert_eq!(sent("http://h/a", "https://h/b").0, None);
        assert_eq!(
            sent("https://h/", "https://n.org/").0,
            Some(basic(b"n", b"np"))
        );
        assert_eq!(sent("https://n.org/", "https://n.org/").0, mine);
    }

    #[test]
    fn a_urls_own_credentials_come_first() {
        let own = Some(basic(b"u", b"a@b"));
        assert_eq!(sent("https://u:a%40b@h/", "https://u:a%40b@h/").0, own);
        assert_eq!(sent("https://u:a%40b@h/", "https://h/next").0, own);
        assert_eq!(sent("https://u:a%40b@h/", "https://i/next").0, None);
        assert_eq!(sent("https://h/", "https://u:a%40b@i/").0, own);
        // A name without a password is looked up.
        assert_eq!(
            sent("https://n@n.org/", "https://n@n.org/").0,
            Some(basic(b"n", b"np"))
        );
    }

    #[test]
    fn a_mirror_is_not_what_credentials_were_given_for() {
        let source = Source {
            home: url("https://h/f"),
            ..Source::new(url("https://mirror/f"))
        };
        let places = session().places(&source, &source.url, 0);
        assert_eq!(places.authorization, None);
        assert_eq!(places.edits.len(), 1);
    }

    #[test]
    fn who_comes_from_a_page_says_how_it_is_related() {
        let site = |page, from, to| {
            let session = Session {
                referer: Some(url(page)),
                ..Session::default()
            };
            let places = session.places(&Source::new(url(from)), &url(to), 0);
            assert_eq!(places.referer.as_deref(), Some(page));
            places.site.unwrap()
        };
        let page = "https://www.example.org/";
        assert_eq!(
            site(
                page,
                "https://www.example.org/f",
                "https://www.example.org/g"
            ),
            "same-origin"
        );
        assert_eq!(
            site(
                page,
                "https://dl.example.org/f",
                "https://www.example.org/g"
            ),
            "same-site"
        );
        assert_eq!(
            site(page, "https://www.example.org/f", "https://cdn.net/g"),
            "cross-site"
        );
        assert_eq!(
            site(page, "http://www.example.org/f", "http://www.example.org/f"),
            "cross-site"
        );
    }

    #[test]
    fn cookies_are_learned_and_a_wrong_version_is_refused() {
        let head = |protocol| Head {
            status: 200,
            protocol,
            url: String::new(),
            headers: Headers::from_iter([("Set-Cookie", "a=1; Secure"), ("set-cookie", "b=2")]),
        };
        let mut session = Session::default();
        let local = url("http://localhost:1/f");
        session.learn(&local, &head(Protocol::Http11), 0).unwrap();
        let places = session.places(&Source::new(local.clone()), &local, 0);
        assert_eq!(places.cookie.as_deref(), Some("a=1; b=2"));
        session.protocol = Some(Protocol::Http2);
        assert!(session.learn(&local, &head(Protocol::Http11), 0).is_err());
        assert!(session.learn(&local, &head(Protocol::Http2), 0).is_ok());
    }
}

//! A cookie jar (RFC 6265, with what browsers do beyond it): what servers set, and what is sent back to whom.
//!
//! Pure: it is told the time, and text of files. Of RFC 6265bis it has the prefixes of names and the rule that plain HTTP
//! can't touch secure cookies; `SameSite` has no meaning here, since every request stands for an address that was typed.

mod date;
mod file;

pub use file::BadLine;

/// Longest name and value together, bytes; longer ones are ignored, as browsers do.
const LONGEST: usize = 4096;
/// Cookies that one domain may have; the oldest give way.
const PER_DOMAIN: usize = 180;
/// Cookies in all; the oldest give way.
const IN_ALL: usize = 3000;

/// One cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    /// In lower case, without a leading dot.
    domain: String,
    /// Sent to `domain` alone, not to hosts below it.
    host_only: bool,
    /// Begins with `/`.
    path: String,
    /// Sent over secure connections only.
    secure: bool,
    /// Not for scripts; only kept for the file.
    http_only: bool,
    /// Seconds since 1970; `None` until the program ends.
    expires: Option<u64>,
}

/// Where a request goes, as far as cookies care.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Host name or address, in lower case.
    pub host: &'a str,
    /// Path of the URL, without the query.
    pub path: &'a str,
    /// TLS, or this machine.
    pub secure: bool,
}

/// All cookies of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Jar {
    /// Oldest first; no two have the same name, domain and path.
    cookies: Vec<Cookie>,
}

impl Jar {
    /// Takes a `Set-Cookie` field from an answer of `place`; what must not be set is ignored. `now` is in seconds since
    /// 1970.
    pub fn set(&mut self, field: &str, place: Place<'_>, now: u64) {
        if let Some(cookie) = read(field, place, now) {
            self.put(cookie, place.secure, now);
        }
    }

    /// The value of `Cookie` for a request to `place`: longer paths first, then older cookies (RFC 6265 §5.4).
    #[must_use]
    pub fn header(&self, place: Place<'_>, now: u64) -> Option<String> {
        let goes = |cookie: &&Cookie| {
            let host = match cookie.host_only {
                true => place.host == cookie.domain,
                false => domain_matches(place.host, &cookie.domain),
            };
            host && path_matches(place.path, &cookie.path)
                && (place.secure || !cookie.secure)
                && !cookie.is_expired(now)
        };
        let mut cookies: Vec<_> = self.cookies.iter().filter(goes).collect();
        cookies.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pair = |cookie: &&Cookie| match &*cookie.name {
            "" => cookie.value.clone(),
            name => format!("{name}={}", cookie.value),
        };
        let pairs: Vec<_> = cookies.iter().map(pair).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn put(&mut self, cookie: Cookie, secure: bool, now: u64) {
        let guarded = |old: &Cookie| {
            old.secure
                && old.name == cookie.name
                && (domain_matches(&old.domain, &cookie.domain)
                    || domain_matches(&cookie.domain, &old.domain))
                && path_matches(&cookie.path, &old.path)
        };
        if !secure && self.cookies.iter().any(guarded) {
            return;
        }
        let same = |old: &Cookie| {
            (&old.name, &old.domain, &old.path) == (&cookie.name, &cookie.domain, &cookie.path)
        };
        let at = self.cookies.iter().position(same);
        match (at, cookie.is_expired(now)) {
            (Some(at), true) => drop(self.cookies.remove(at)),
            (None, true) => {}
            // One that is set again keeps its age.
            (Some(at), false) => self.cookies[at] = cookie,
            (None, false) => {
                self.make_room(&cookie.domain, now);
                self.cookies.push(cookie);
            }
        }
    }

    /// Keeps the limits when one more comes for `domain`.
    fn make_room(&mut self, domain: &str, now: u64) {
        self.cookies.retain(|cookie| !cookie.is_expired(now));
        let of_domain = |cookie: &&Cookie| cookie.domain == domain;
        if self.cookies.iter().filter(of_domain).count() >= PER_DOMAIN
            && let Some(oldest) = self
                .cookies
                .iter()
                .position(|cookie| cookie.domain == domain)
        {
            self.cookies.remove(oldest);
        }
        if self.cookies.len() >= IN_ALL {
            self.cookies.remove(0);
        }
    }
}

impl Cookie {
    fn is_expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// Whether two hosts belong to one site: the same registrable domain, or the same name where there is none.
#[must_use]
pub fn same_site(a: &str, b: &str) -> bool {
    match (site(a), site(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// The registrable domain; none for addresses and public suffixes.
fn site(host: &str) -> Option<&str> {
    if is_address(host) {
        None
    } else {
        psl::domain_str(host)
    }
}

/// Reads a `Set-Cookie` field (RFC 6265 §5.2, §5.3).
fn read(field: &str, place: Place<'_>, now: u64) -> Option<Cookie> {
    let (pair, attributes) = field.split_once(';').unwrap_or((field, ""));
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let (name, value) = (name.trim(), value.trim());
    let wrong = name.is_empty() && value.is_empty()
        || name.len() + value.len() > LONGEST
        || field.chars().any(|c| c.is_control() && c != '\t');
    if wrong {
        return None;
    }
    let mut cookie = Cookie {
        name: name.to_owned(),
        value: value.to_owned(),
        domain: place.host.to_owned(),
        host_only: true,
        path: default_path(place.path),
        secure: false,
        http_only: false,
        expires: None,
    };
    let mut max_age = None;
    for attribute in attributes.split(';') {
        let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" if !value.is_empty() => scope(&mut cookie, value, place.host)?,
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "path" => cookie.path = default_path(place.path),
            "secure" => cookie.secure = true,
            "httponly" => cookie.http_only = true,
            "expires" => cookie.expires = date::parse(value).or(cookie.expires),
            "max-age" => max_age = seconds(value).or(max_age),
            _ => {}
        }
    }
    // Max-Age is stronger; what is not positive is over.
    if let Some(age) = max_age {
        cookie.expires = Some(u64::try_from(age).map_or(0, |age| now.saturating_add(age)));
    }
    allowed(&cookie, place).then_some(cookie)
}

/// `Domain`: the host itself or a name above it, but no public suffix; `None` if the cookie is to be ignored.
fn scope(cookie: &mut Cookie, domain: &str, host: &str) -> Option<()> {
    let domain = domain
        .strip_prefix('.')
        .unwrap_or(domain)
        .to_ascii_lowercase();
    let suffix = is_address(&domain) || psl::domain_str(&domain).is_none();
    if suffix {
        return (domain == host).then_some(());
    }
    domain_matches(host, &domain).then(|| {
        cookie.domain = domain;
        cookie.host_only = false;
    })
}

/// What secure places and the prefixes of names demand.
fn allowed(cookie: &Cookie, place: Place<'_>) -> bool {
    let name = cookie.name.to_ascii_lowercase();
    let host =
        !name.starts_with("__host-") || (cookie.secure && cookie.host_only && cookie.path == "/");
    let secure = !name.starts_with("__secure-") || cookie.secure;
    host && secure && (place.secure || !cookie.secure)
}

fn seconds(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| {
        let far = if text.starts_with('-') {
            i64::MIN
        } else {
            i64::MAX
        };
        text.parse().unwrap_or(far)
    })
}

/// RFC 6265 §5.1.4.
fn default_path(path: &str) -> String {
    match path.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(_) if !path.starts_with('/') => "/".to_owned(),
        Some(last) => path[..last].to_owned(),
    }
}

/// RFC 6265 §5.1.4.
fn path_matches(path: &str, of_cookie: &str) -> bool {
    path.strip_prefix(of_cookie)
        .is_some_and(|rest| rest.is_empty() || of_cookie.ends_with('/') || rest.starts_with('/'))
}

/// RFC 6265 §5.1.3.
fn domain_matches(host: &str, domain: &str) -> bool {
    host == domain
        || !is_address(host)
            && host
                .strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
}

fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn place<'a>(host: &'a str, path: &'a str) -> Place<'a> {
        Place {
            host,
            path,
            secure: true,
        }
    }

    /// What is sent to `to` after `from` has set these.
    fn sent(fields: &[&str], from: Place<'_>, to: Place<'_>) -> Option<String> {
        let mut jar = Jar::default();
        for field in fields {
            jar.set(field, from, NOW);
        }
        jar.header(to, NOW)
    }

    #[test]
    fn a_cookie_goes_back_to_its_host_and_below_its_path() {
        let from = place("a.example.org", "/x/y");
        let to = |host, path| sent(&["k=v"], from, place(host, path));
        assert_eq!(to("a.example.org", "/x/z").as_deref(), Some("k=v"));
        assert_eq!(to("a.example.org", "/x").as_deref(), Some("k=v"));
        for (host, path) in [
            ("a.example.org", "/xy"),
            ("a.example.org", "/"),
            ("b.a.example.org", "/x/"),
            ("example.org", "/x/"),
            ("evil-a.example.org", "/x/"),
        ] {
            assert_eq!(to(host, path), None, "{host}{path}");
        }
    }

    #[test]
    fn a_domain_reaches_hosts_below_it_but_no_public_suffix() {
        let from = place("a.example.co.uk", "/");
        let to = |domain: &str, host: &str| {
            sent(&[&format!("k=v; Domain={domain}")], from, place(host, "/")).is_some()
        };
        assert!(to(".Example.co.uk", "b.example.co.uk") && to("example.co.uk", "example.co.uk"));
        assert!(!to("example.co.uk", "badexample.co.uk"));
        for foreign in [
            "co.uk",
            "uk",
            "other.co.uk",
            "b.example.co.uk",
            "x.a.example.co.uk",
        ] {
            assert!(!to(foreign, "a.example.co.uk"), "{foreign}");
        }
        let own = |host| {
            sent(
                &[&format!("k=v; Domain={host}")],
                place(host, "/"),
                place(host, "/"),
            )
        };
        assert!(own("127.0.0.1").is_some() && own("localhost").is_some());
        let address = sent(
            &["k=v; Domain=0.0.1"],
            place("127.0.0.1", "/"),
            place("127.0.0.1", "/"),
        );
        assert_eq!(address, None);
    }

    #[test]
    fn longer_paths_go_first_then_older_cookies() {
        let from = place("h.org", "/");
        let fields = [
            "b=1; path=/",
            "a=2; path=/",
            "c=3; path=/deep",
            "b=4; path=/",
        ];
        let all = sent(&fields, from, place("h.org", "/deep/er"));
        assert_eq!(all.as_deref(), Some("c=3; b=4; a=2"));
    }

    #[test]
    fn cookies_end_by_age_or_date_or_are_taken_back() {
        let h = place("h.org", "/");
        let past = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(sent(&["a=1", &format!("a=1; Expires={past}")], h, h), None);
        assert_eq!(sent(&["a=1; Max-Age=0"], h, h), None);
        assert_eq!(sent(&["a=1; Max-Age=-5"], h, h), None);
        assert!(sent(&[&format!("a=1; Max-Age=5; Expires={past}")], h, h).is_some());
        let mut jar = Jar::default();
        jar.set("a=1; Max-Age=5", h, NOW);
        assert!(jar.header(h, NOW + 4).is_some() && jar.header(h, NOW + 5).is_none());
    }

    #[test]
    fn secure_cookies_need_and_keep_a_secure_place() {
        let plain = Place {
            secure: false,
            ..place("h.org", "/")
        };
        let h = place("h.org", "/");
        assert_eq!(sent(&["a=1; Secure"], h, plain), None);
        assert_eq!(sent(&["a=1; Secure"], plain, h), None);
        let mut jar = Jar::default();
        jar.set("a=1; Secure", h, NOW);
        jar.set("a=2", plain, NOW);
        jar.set("a=2; Max-Age=0", plain, NOW);
        assert_eq!(jar.header(h, NOW).as_deref(), Some("a=1"));
        assert_eq!(
            sent(&["__Host-a=1; Secure; Path=/; Domain=h.org"], h, h),
            None
        );
        assert_eq!(sent(&["__Secure-a=1"], h, h), None);
        assert!(sent(&["__Host-a=1; Secure; Path=/"], h, h).is_some());
    }

    #[test]
    fn odd_fields_are_read_as_browsers_do() {
        let h = place("h.org", "/");
        assert_eq!(sent(&["lonely"], h, h).as_deref(), Some("lonely"));
        assert_eq!(
            sent(&[" a = b=c ; ; path=x"], h, h).as_deref(),
            Some("a=b=c")
        );
        assert_eq!(sent(&["="], h, h), None);
        assert_eq!(sent(&["a=b\rX: y"], h, h), None);
        assert_eq!(sent(&[&format!("a={}", "x".repeat(LONGEST))], h, h), None);
    }

    #[test]
    fn a_domain_cannot_fill_the_jar() {
        let mut jar = Jar::default();
        for nth in 0..PER_DOMAIN + 5 {
            jar.set(&format!("c{nth}=1"), place("h.org", "/"), NOW);
        }
        assert_eq!(jar.cookies.len(), PER_DOMAIN);
        assert_eq!(jar.cookies[0].name, "c5");
    }

    #[test]
    fn sites_are_registrable_domains() {
        assert!(same_site("a.example.co.uk", "b.example.co.uk"));
        assert!(!same_site("a.co.uk", "b.co.uk"));
        assert!(same_site("localhost", "localhost") && !same_site("127.0.0.1", "127.0.0.2"));
        assert!(!same_site("a.github.io", "b.github.io"));
    }
}

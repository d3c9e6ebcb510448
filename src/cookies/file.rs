//! Netscape's cookie file, the format of curl, wget and every exporter: seven fields a line, separated by tabs.

use super::{Cookie, Jar};

/// Before the domain of a cookie that is not for scripts.
const HTTP_ONLY: &str = "#HttpOnly_";
const HEAD: &str = "# Netscape HTTP Cookie File\n";

/// A line that is no cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {0} is no cookie: seven fields with tabs between them")]
pub struct BadLine(
    /// Counted from 1.
    pub usize,
);

impl Jar {
    /// Reads a file.
    ///
    /// # Errors
    /// [`BadLine`], the first.
    pub fn read(text: &str) -> Result<Self, BadLine> {
        let mut jar = Self::default();
        for (at, line) in text.lines().enumerate() {
            let comment = line.starts_with('#') && !line.starts_with(HTTP_ONLY);
            if comment || line.trim().is_empty() {
                continue;
            }
            // Who wrote the file has judged where they came from.
            jar.put(cookie(line).ok_or(BadLine(at + 1))?, true, 0);
        }
        Ok(jar)
    }

    /// The file for what has not ended at `now`, in seconds since 1970; cookies that end with the program have 0 as
    /// their end, as curl writes them.
    #[must_use]
    pub fn text(&self, now: u64) -> String {
        let live = self.cookies.iter().filter(|cookie| !cookie.is_expired(now));
        let lines = live.map(line);
        HEAD.to_owned() + &lines.collect::<String>()
    }
}

fn cookie(line: &str) -> Option<Cookie> {
    let http_only = line.starts_with(HTTP_ONLY);
    let line = line.strip_prefix(HTTP_ONLY).unwrap_or(line);
    let mut fields = line.splitn(7, '\t');
    let domain = fields.next()?;
    let below = flag(fields.next()?)?;
    let path = fields.next()?;
    let secure = flag(fields.next()?)?;
    // Some exporters write fractions of a second.
    let expires = fields.next()?.split('.').next()?.parse::<i64>().ok()?;
    let (name, value) = (fields.next()?, fields.next().unwrap_or_default());
    let domain = domain
        .strip_prefix('.')
        .unwrap_or(domain)
        .to_ascii_lowercase();
    (!domain.is_empty() && path.starts_with('/')).then(|| Cookie {
        name: name.to_owned(),
        value: value.to_owned(),
        domain,
        host_only: !below,
        path: path.to_owned(),
        secure,
        http_only,
        expires: u64::try_from(expires).ok().filter(|expires| *expires > 0),
    })
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "TRUE" | "true" => Some(true),
        "FALSE" | "false" => Some(false),
        _ => None,
    }
}

fn line(cookie: &Cookie) -> String {
    let flag = |set| if set { "TRUE" } else { "FALSE" };
    format!(
        "{}{}{}\t{}\t{}\t{}\t{}\t{}\t{}\n",
        if cookie.http_only { HTTP_ONLY } else { "" },
        if cookie.host_only { "" } else { "." },
        cookie.domain,
        flag(!cookie.host_only),
        cookie.path,
        flag(cookie.secure),
        cookie.expires.unwrap_or(0),
        cookie.name,
        cookie.value
    )
}

#[cfg(test)]
mod tests {
    use super::super::Place;
    use super::*;

    const FILE: &str = "\
# Netscape HTTP Cookie File
# https://curl.se/docs/http-cookies.html

.example.org\tTRUE\t/\tTRUE\t1900000000\ta\tb=c
#HttpOnly_www.example.org\tFALSE\t/x\tFALSE\t0\tid\t7
example.org\tFALSE\t/\tFALSE\t100\told\t1
";

    #[test]
    fn a_file_is_read_and_written() {
        let jar = Jar::read(FILE).unwrap();
        let place = Place {
            host: "www.example.org",
            path: "/x/f",
            secure: true,
        };
        assert_eq!(jar.header(place, 1_000).as_deref(), Some("id=7; a=b=c"));
        let text = jar.text(1_000);
        assert!(!text.contains("old"));
        assert_eq!(Jar::read(&text).unwrap().text(1_000), text);
        assert_eq!(text.lines().nth(2).unwrap(), FILE.lines().nth(4).unwrap());
    }

    #[test]
    fn a_wrong_line_is_named() {
        let wrong = format!("{FILE}example.org TRUE / FALSE 0 a b\n");
        assert_eq!(Jar::read(&wrong), Err(BadLine(7)));
        assert_eq!(Jar::read("h\tFALSE\tx\tFALSE\t0\ta\tb"), Err(BadLine(1)));
        assert!(Jar::read("h\tFALSE\t/\tFALSE\t0\tempty").is_ok());
        assert_eq!(Jar::read("").unwrap(), Jar::default());
    }
}

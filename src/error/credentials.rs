//! Takes user name and password out of URLs.

use url::Url;

/// `url` without user name and password; what is no URL may have some all the same.
pub(super) fn remove(url: &str) -> String {
    if !url.contains('@') {
        return url.to_owned();
    }
    let parsed = Url::parse(url).ok().filter(Url::has_host);
    let Some(mut parsed) = parsed else {
        // No URL of ours: what stands before an @ might still be a password.
        let rest = url.rsplit_once('@');
        return rest.map_or_else(|| url.to_owned(), |(_, rest)| format!("…@{rest}"));
    };
    if parsed.username().is_empty() && parsed.password().is_none() {
        return url.to_owned();
    }
    // Fails only for URLs without a host, which have no credentials either.
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    parsed.into()
}

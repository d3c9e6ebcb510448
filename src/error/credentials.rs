//! Takes user name and password out of URLs.

use url::Url;

/// `url` without user name and password; what is no URL may have some all the same.
pub(super) fn remove(url: &str) -> String {
    let Some((_, behind)) = url.rsplit_once('@') else {
        return url.to_owned();
    };
    let parsed = Url::parse(url).ok().filter(Url::has_host);
    let Some(mut parsed) = parsed else {
        // No URL of ours: what stands before an @ might still be a password.
        return format!("…@{behind}");
    };
    if parsed.username().is_empty() && parsed.password().is_none() {
        return url.to_owned();
    }
    // Fails only for URLs without a host, which have no credentials either.
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    parsed.into()
}

//! What the user wants: one file, where it is, and what is known of it beforehand.
//!
//! Plain data, filled by the command line and by URL lists. What a server makes of it is a
//! [`Resource`](super::Resource).

use url::Url;

use crate::fingerprint::headers::Edit;
use crate::hash::Checksum;

/// What the user wants.
#[derive(Debug, Clone)]
pub struct Source {
    /// As typed; may carry credentials.
    pub url: Url,
    /// What the bytes must hash to.
    pub checksum: Option<Checksum>,
    /// Other URLs of the same file.
    pub mirrors: Vec<Url>,
    /// The name that the file is to have: one path component.
    pub name: Option<String>,
    /// A page for people is welcome where a file is expected.
    pub pages: bool,
    /// What credentials and secret headers of the command line are for: the URL itself, unless it is a mirror's.
    pub home: Url,
    /// Headers for this source, over those for all.
    pub headers: Vec<Edit>,
}

impl Source {
    /// A URL of which nothing else is said.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            home: url.clone(),
            url,
            checksum: None,
            mirrors: Vec::new(),
            name: None,
            pages: false,
            headers: Vec::new(),
        }
    }
}

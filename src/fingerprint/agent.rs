//! Whether a `User-Agent` fits a fingerprint.
//!
//! A server that looks at fingerprints compares the text with the handshake. It contradicts when it names another
//! family, another major version or another platform than the fingerprint's own text, or no browser at all; what else is
//! in it does not matter.

use std::fmt;

use super::Fingerprint;

/// What a `User-Agent` says of its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// `chrome`, `edge`, `firefox`, `safari`; `None` if it names none of them.
    pub family: Option<&'static str>,
    /// Major version.
    pub version: Option<u32>,
    /// `windows`, `macos`, `linux`, `android` or `ios`.
    pub platform: Option<&'static str>,
}

/// Product tokens, the telling ones first: all of these say `Safari/`, and Edge says `Chrome/` too.
const FAMILIES: [(&str, &str); 9] = [
    ("Edg/", "edge"),
    ("EdgA/", "edge"),
    ("OPR/", "opera"),
    ("Firefox/", "firefox"),
    ("FxiOS/", "firefox"),
    ("CriOS/", "chrome"),
    ("HeadlessChrome/", "chrome"),
    ("Chrome/", "chrome"),
    ("Version/", "safari"),
];

/// Words of the platform, the telling ones first: Android says Linux, iOS says Mac OS X.
const PLATFORMS: [(&str, &str); 6] = [
    ("Android", "android"),
    ("iPhone", "ios"),
    ("iPad", "ios"),
    ("Windows", "windows"),
    ("Mac OS X", "macos"),
    ("Linux", "linux"),
];

impl Agent {
    /// Reads the text.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let family = FAMILIES.iter().find_map(|(token, family)| {
            let (_, rest) = text.split_once(token)?;
            let digits = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            Some((*family, rest[..digits].parse().ok()))
        });
        let platform = PLATFORMS.iter().find(|(word, _)| text.contains(word));
        Self {
            family: family.map(|(family, _)| family),
            version: family.and_then(|(_, version)| version),
            platform: platform.map(|(_, platform)| *platform),
        }
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.family.unwrap_or("no browser"))?;
        if let Some(version) = self.version {
            write!(f, " {version}")?;
        }
        match self.platform {
            Some(platform) => write!(f, " on {platform}"),
            None => Ok(()),
        }
    }
}

/// What `text` says and what the fingerprint says, if the two contradict each other.
#[must_use]
pub fn contradiction(text: &str, fingerprint: &Fingerprint) -> Option<(Agent, Agent)> {
    let given = Agent::read(text);
    let own = Agent::read(fingerprint.values.get("user_agent")?);
    (given != own).then_some((given, own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contradicts(browser: &str, text: &str) -> Option<String> {
        let fingerprint = crate::fingerprint::find(browser).unwrap();
        contradiction(text, &fingerprint).map(|(given, own)| format!("{given}, {own}"))
    }

    #[test]
    fn family_version_and_platform_have_to_agree() {
        let chrome = |version: &str, platform: &str| {
            format!(
                "Mozilla/5.0 ({platform}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version} Safari/537.36"
            )
        };
        let linux = "X11; Linux x86_64";
        assert_eq!(
            contradicts("chrome120", &chrome("120.0.6099.1", linux)),
            None
        );
        assert_eq!(
            contradicts("chrome120", &chrome("121.0.0.0", linux)).unwrap(),
            "chrome 121 on linux, chrome 120 on linux"
        );
        let windows = chrome("120.0.0.0", "Windows NT 10.0; Win64; x64");
        assert_eq!(
            contradicts("chrome120", &windows).unwrap(),
            "chrome 120 on windows, chrome 120 on linux"
        );
        assert_eq!(
            contradicts("chrome120", &format!("{windows} Edg/120.0.0.0")).unwrap(),
            "edge 120 on windows, chrome 120 on linux"
        );
        assert_eq!(
            contradicts("chrome120", "curl/8.5.0").unwrap(),
            "no browser, chrome 120 on linux"
        );
    }

    #[test]
    fn every_fingerprint_has_a_text_that_names_it() {
        for name in crate::fingerprint::names() {
            let fingerprint = crate::fingerprint::find(name).unwrap();
            let agent = Agent::read(&fingerprint.values["user_agent"]);
            let family = match &*fingerprint.browser.family {
                "tor" => "firefox",
                family => family,
            };
            assert_eq!(agent.family, Some(family), "{name}: {agent}");
            assert!(
                agent.version.is_some() && agent.platform.is_some(),
                "{name}: {agent}"
            );
        }
    }
}

//! One browser on another system: what a file says of each platform fills the places of its values.
//!
//! Only user agent and client hints tell the platforms of one browser apart, as far as the public files show. A file
//! whose own platform is not in its list (Android and iOS, which inherit from desktops) has that one alone.

use std::collections::BTreeMap;

use super::schema::Fingerprint;

/// A browser does not exist there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{browser} is not known on {platform}, only on {}", .has.join(", "))]
pub struct NoPlatform {
    /// Name of the browser.
    pub browser: String,
    /// What was asked for.
    pub platform: String,
    /// What it has, its own among them.
    pub has: Vec<String>,
}

impl Fingerprint {
    /// The platforms that this browser is known on.
    #[must_use]
    pub fn platforms(&self) -> Vec<String> {
        if self.platforms.contains_key(&self.browser.platform) {
            self.platforms.keys().cloned().collect()
        } else {
            vec![self.browser.platform.clone()]
        }
    }

    /// The same browser on `platform`.
    ///
    /// # Errors
    /// [`NoPlatform`] with those that there are.
    pub fn on(&self, platform: &str) -> Result<Self, NoPlatform> {
        let has = self.platforms();
        if !has.iter().any(|known| known == platform) {
            return Err(NoPlatform {
                browser: self.browser.name.clone(),
                platform: platform.to_owned(),
                has,
            });
        }
        let mut other = self.clone();
        platform.clone_into(&mut other.browser.platform);
        other.fill_values();
        Ok(other)
    }

    /// Fills the places of the values as the browser's platform says; once a file has been read.
    pub(super) fn settle(mut self) -> Self {
        self.templates = self.values.clone();
        self.fill_values();
        self
    }

    fn fill_values(&mut self) {
        let nothing = BTreeMap::new();
        let brings = self
            .platforms
            .get(&self.browser.platform)
            .unwrap_or(&nothing);
        let filled = |text: &String| {
            brings.iter().fold(text.clone(), |text, (key, value)| {
                text.replace(&format!("{{{key}}}"), value)
            })
        };
        let own = self.templates.iter();
        let mut values: BTreeMap<_, _> =
            own.map(|(key, text)| (key.clone(), filled(text))).collect();
        values.extend(brings.clone());
        self.values = values;
    }
}

#[cfg(test)]
mod tests {
    use crate::fingerprint::{find, names};

    #[test]
    fn a_browser_of_several_systems_says_on_which_it_is() {
        let chrome = find("chrome120").unwrap();
        assert_eq!(chrome.platforms(), ["linux", "macos", "windows"]);
        let mac = chrome.on("macos").unwrap();
        assert_eq!(mac.browser.platform, "macos");
        assert_eq!(mac.values["platform"], "\"macOS\"");
        assert_eq!(
            mac.values["user_agent"],
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/120.0.0.0 Safari/537.36"
        );
        assert_eq!(
            (mac.tls, mac.navigation),
            (chrome.tls.clone(), chrome.navigation.clone())
        );
        assert_eq!(
            find("chrome120").unwrap().on("macos").unwrap().on("linux"),
            Ok(chrome)
        );
    }

    #[test]
    fn a_browser_of_one_system_is_on_no_other() {
        for (name, platform) in [
            ("safari260", "macos"),
            ("safari260_ios", "ios"),
            ("chrome131_android", "android"),
        ] {
            let browser = find(name).unwrap();
            assert_eq!(browser.platforms(), [platform]);
            assert_eq!(browser.on(platform).as_ref(), Ok(&browser));
            let error = browser.on("windows").unwrap_err();
            let expected = format!("{name} is not known on windows, only on {platform}");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn no_place_of_a_value_is_left_open() {
        for name in names() {
            let browser = find(name).unwrap();
            for platform in browser.platforms() {
                let on = browser.on(&platform).unwrap();
                let open = on.values.values().find(|text| text.contains('{'));
                assert_eq!(open, None, "{name}");
            }
        }
    }
}

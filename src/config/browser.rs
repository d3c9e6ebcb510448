//! Which browser to look like, and on which platform.

use super::Surroundings;
use super::layers::Layers;
use crate::day;
use crate::error::Error;
use crate::fingerprint::{self, Fingerprint};

/// The fingerprint that `name` stands for: an embedded one, an alias, or a TOML file of the user's own; on its own platform
/// unless there is another.
///
/// # Errors
/// [`Error::Usage`] with the nearest names, with the platforms that there are, or with line and key of what is wrong in the
/// file.
pub fn browser(name: &str, platform: Option<&str>) -> Result<Fingerprint, Error> {
    let found = find(name).map_err(|(what, hint)| Error::usage(what, hint))?;
    let Some(platform) = platform else {
        return Ok(found);
    };
    on(&found, platform).map_err(|(what, hint)| Error::usage(what, hint))
}

/// The fingerprint to wear, and what is to be said about its age.
pub(super) fn worn(
    layers: &Layers,
    around: &Surroundings,
) -> Result<(Fingerprint, Option<String>), Error> {
    let name = layers.text("browser").unwrap_or_default();
    let found = find(&name).map_err(|(what, hint)| layers.wrong("browser", &what, &hint))?;
    let found = match layers.text("platform") {
        None => found,
        Some(platform) => {
            on(&found, &platform).map_err(|(what, hint)| layers.wrong("platform", &what, &hint))?
        }
    };
    // Who has not chosen is not to blame.
    let chosen = !layers.is_default("browser");
    let warning = chosen.then(|| outdated(&found, around.today)).flatten();
    Ok((found, warning))
}

/// What is wrong, and a hint, if the browser does not exist on `platform`.
fn on(browser: &Fingerprint, platform: &str) -> Result<Fingerprint, (String, String)> {
    browser.on(platform).map_err(|error| {
        let hint = match &error.has[..] {
            [only] => {
                format!("it is {only} without the option; chrome and firefox are on all three")
            }
            has => format!("one of {}", has.join(", ")),
        };
        (error.to_string(), hint)
    })
}

/// What is wrong, and a hint, if there is no such fingerprint.
fn find(name: &str) -> Result<Fingerprint, (String, String)> {
    if !name.contains('/') && !name.ends_with(".toml") {
        return fingerprint::find(name).map_err(|unknown| {
            let nearest = format!("nearest: {}", unknown.nearest.join(", "));
            (unknown.to_string(), nearest)
        });
    }
    let text = std::fs::read_to_string(name).map_err(|error| {
        let hint = "give a name of hs fingerprint list, or a path to a TOML file";
        (format!("{name}: {error}"), hint.to_owned())
    })?;
    fingerprint::read(&text).map_err(|error| {
        let hint = "fingerprints/README.md explains every key";
        (format!("{name}: {error}"), hint.to_owned())
    })
}

/// A sentence about a browser that hardly anybody still uses.
fn outdated(worn: &Fingerprint, today: u64) -> Option<String> {
    let browser = &worn.browser;
    let age = day::age(&browser.released, today)?;
    let newest = fingerprint::newest(&browser.family);
    (age > day::YEAR && newest != browser.name).then(|| {
        format!(
            "{} was released on {}, more than a year ago, and stands out; the newest is {newest}",
            browser.name, browser.released
        )
    })
}

//! The layers of settings, laid over each other: built in, config file, environment, command line; the last wins.
//!
//! Every value that is not a flag is kept as text here, whichever layer it comes from, so that one reader of its meaning is
//! enough; what a layer can get wrong by itself (an unknown key, text for a number) is refused when it is laid.
//! Beside each value stands who said it, for error messages and for `--dry-run -d`.

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::DeserializeOwned;

use super::keys::{Form, KEYS, Key, Sense, find};
use super::values;
use crate::cli::Cli;
use crate::error::Error;

/// Who said a value that nobody said.
const BUILT_IN: &str = "default";

/// The merged settings.
#[derive(Debug)]
pub(super) struct Layers {
    /// Flags are booleans, lists are lists of texts, all else is text. The metadata's name of a value is its origin.
    figment: Figment,
}

/// A setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name, that of the long option.
    pub name: &'static str,
    /// Its value; `…` if it is a secret.
    pub value: String,
    /// Who said so: `default`, file and line, a variable, an option.
    pub origin: String,
}

/// A value that somebody said.
struct Said {
    key: &'static Key,
    value: Value,
    origin: String,
}

impl Provider for Said {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut dict = Dict::new();
        dict.insert(self.key.name.to_owned(), self.value.clone());
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

impl Layers {
    /// The defaults.
    pub(super) fn built_in() -> Self {
        let mut layers = Self {
            figment: Figment::new(),
        };
        for key in KEYS {
            let value = match key.form {
                Form::Flag => Value::from(key.default == Some("true")),
                Form::List | Form::SecretList => Value::from(Vec::<Value>::new()),
                Form::Number(_) | Form::Size | Form::Text | Form::Secret => match key.default {
                    Some(text) => Value::from(text),
                    None => continue,
                },
            };
            layers.say(key, value, BUILT_IN);
        }
        layers
    }

    /// Lays a value that has the form of its key over what was said before.
    pub(super) fn say(&mut self, key: &'static Key, value: Value, origin: &str) {
        let figment = std::mem::take(&mut self.figment);
        self.figment = figment.merge(Said {
            key,
            value,
            origin: origin.to_owned(),
        });
    }

    /// Lays a flag, which may have been said under another name, over what was said before.
    pub(super) fn say_flag(&mut self, key: &'static Key, sense: Sense, value: bool, origin: &str) {
        match sense {
            Sense::Same => self.say(key, Value::from(value), origin),
            Sense::Not => self.say(key, Value::from(!value), origin),
            Sense::Means(text) if value => self.say(key, Value::from(text), origin),
            Sense::Means(_) => {}
        }
    }

    /// Lays the environment's `HS_*` over what was said before. Returns warnings about names that are nearly right.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the variable.
    pub(super) fn say_environment(
        &mut self,
        variables: &[(String, String)],
    ) -> Result<Vec<String>, Error> {
        let mut warnings = Vec::new();
        for (variable, text) in variables {
            let Some(name) = variable.strip_prefix("HS_") else {
                continue;
            };
            if text.is_empty() || matches!(name, "CONFIG" | "NO_CONFIG") {
                continue;
            }
            let (key, sense) = match find(name) {
                Ok(found) => found,
                Err(Some(near)) => {
                    let near = near.replace(['-', '.'], "_").to_ascii_uppercase();
                    warnings.push(format!("{variable} is no setting; did you mean HS_{near}?"));
                    continue;
                }
                Err(None) => continue,
            };
            if key.form == Form::Flag || sense != Sense::Same {
                let flag = values::flag(text).ok_or_else(|| {
                    let what = format!("{variable}: `{text}` is neither true nor false");
                    Error::usage(what, format!("{variable}=true, or {variable}=false"))
                })?;
                self.say_flag(key, sense, flag, variable);
            } else if matches!(key.form, Form::List | Form::SecretList) {
                let lines = text.lines().filter(|line| !line.trim().is_empty());
                self.say(key, lines.collect::<Vec<_>>().into(), variable);
            } else {
                self.say(key, Value::from(text.as_str()), variable);
            }
        }
        Ok(warnings)
    }

    /// Lays the command line over what was said before.
    pub(super) fn say_options(&mut self, cli: &Cli) -> Result<(), Error> {
        let told = Value::serialize(cli)
            .map_err(|error| Error::Internal(format!("reading the options: {error}")))?;
        for (field, value) in told.into_dict().unwrap_or_default() {
            let (key, sense) = find(&field)
                .map_err(|_| Error::Internal(format!("the option {field} sets nothing")))?;
            let origin = match key.name {
                "urls" => "URL".to_owned(),
                _ => format!("--{}", field.replace('_', "-")),
            };
            if value.to_bool() == Some(true) {
                self.say_flag(key, sense, true, &origin);
            } else if value.as_str().is_some()
                || value.as_array().is_some_and(|list| !list.is_empty())
            {
                self.say(key, value, &origin);
            }
        }
        Ok(())
    }

    /// Whether a flag is set.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).unwrap_or_default()
    }

    /// The texts of a list.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        self.get(name).unwrap_or_default()
    }

    /// The text of a setting, if it has any.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name)
    }

    /// The value of a setting, if it has any. `right` completes "is not …".
    ///
    /// # Errors
    /// [`Error::Usage`] that says who said it and what would be right, if `read` gives `None`.
    pub(super) fn read<T>(
        &self,
        name: &str,
        right: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match read(text.trim()) {
            Some(value) => Ok(Some(value)),
            None => Err(self.wrong(name, &format!("`{text}` is not {right}"), "see hs --help")),
        }
    }

    /// As [`Layers::read`], for a setting that has a default.
    ///
    /// # Errors
    /// As there.
    pub(super) fn value<T>(
        &self,
        name: &str,
        right: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Error> {
        self.read(name, right, read)?
            .ok_or_else(|| Error::Internal(format!("{name} has no default")))
    }

    /// The value of a setting that is one of these words.
    ///
    /// # Errors
    /// [`Error::Usage`] with the nearest word.
    pub(super) fn choice<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<T, Error> {
        let text = self.text(name).unwrap_or_default();
        let wanted = text.trim().to_ascii_lowercase();
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == wanted) {
            return Ok(*value);
        }
        let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let hint = match values::nearest(&wanted, all.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => "see hs --help".into(),
        };
        let what = format!("`{text}` is none of {}", all.join(", "));
        Err(self.wrong(name, &what, &hint))
    }

    /// A usage error about a setting, which begins with who said it.
    pub(super) fn wrong(&self, name: &str, what: &str, hint: &str) -> Error {
        Error::usage(format!("{}: {what}", self.origin(name)), hint)
    }

    /// Whether nobody has said anything of this setting.
    pub(super) fn is_default(&self, name: &str) -> bool {
        self.origin(name) == BUILT_IN
    }

    /// Who said a setting.
    pub(super) fn origin(&self, name: &str) -> String {
        let metadata = self.figment.find_metadata(name);
        metadata.map_or_else(|| BUILT_IN.to_owned(), |metadata| metadata.name.to_string())
    }

    /// Every setting that has a value.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let shown = |key: &Key| match key.form {
            Form::Flag => Some(self.flag(key.name).to_string()),
            Form::List => Some(self.list(key.name))
                .filter(|list| !list.is_empty())
                .map(|list| {
                    list.iter()
                        .map(|text| Error::redact(text))
                        .collect::<Vec<_>>()
                        .join(" ")
                }),
            Form::SecretList => (!self.list(key.name).is_empty()).then(|| "…".to_owned()),
            Form::Secret => self.text(key.name).map(|_| "…".to_owned()),
            Form::Number(_) | Form::Size | Form::Text => self.text(key.name),
        };
        let of = |key: &'static Key| {
            Some(Setting {
                name: key.name,
                value: shown(key)?,
                origin: self.origin(key.name),
            })
        };
        KEYS.iter().filter_map(of).collect()
    }

    fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        debug_assert!(KEYS.iter().any(|key| key.name == name), "{name}");
        // Its form was checked when it was said, so that an error means that there is no value.
        self.figment.extract_inner(name).ok()
    }
}

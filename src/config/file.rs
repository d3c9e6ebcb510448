//! The config file: where it is, and how its keys become settings.
//!
//! It is TOML. Nothing in it is passed over: an unknown key, a value of the wrong type or a mistake in the syntax is an error
//! with file, line and key, because a setting that is silently not in force is worse than none.

use std::path::PathBuf;

use figment::value::Value;
use toml_edit::{ImDocument, Item, TableLike};

use super::Surroundings;
use super::keys::{Form, Key, Sense, find};
use super::layers::Layers;
use crate::cli::Cli;
use crate::error::Error;

/// Lays the config file, if there is one, over what was said before.
///
/// # Errors
/// [`Error::Usage`] with file, line and key; also if a file that was asked for cannot be read.
pub(super) fn say(layers: &mut Layers, cli: &Cli, around: &Surroundings) -> Result<(), Error> {
    let Some((path, asked)) = path(cli, around)? else {
        return Ok(());
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if !asked && error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            let what = format!("{}: {error}", path.display());
            return Err(Error::usage(
                what,
                "name another with --config, or give --no-config",
            ));
        }
    };
    let place = path.display().to_string();
    say_text(layers, &place, &text)
}

/// Which file to read, and whether somebody asked for it.
fn path(cli: &Cli, around: &Surroundings) -> Result<Option<(PathBuf, bool)>, Error> {
    if let Some(path) = &cli.display.config {
        return Ok(Some((around.path(path), true)));
    }
    if cli.display.no_config {
        return Ok(None);
    }
    if let Some(path) = around.variable("HS_CONFIG") {
        return Ok(Some((around.path(path), true)));
    }
    if let Some(text) = around.variable("HS_NO_CONFIG") {
        let no = super::values::flag(text).ok_or_else(|| {
            let what = format!("HS_NO_CONFIG: `{text}` is neither true nor false");
            Error::usage(what, "HS_NO_CONFIG=true, or HS_NO_CONFIG=false")
        })?;
        if no {
            return Ok(None);
        }
    }
    let home = around.base("XDG_CONFIG_HOME", ".config");
    Ok(home.map(|home| (home.join("hydrastream/config.toml"), false)))
}

fn say_text(layers: &mut Layers, place: &str, text: &str) -> Result<(), Error> {
    let document = ImDocument::parse(text).map_err(|error| {
        let line = error.span().map_or(0, |span| line_of(text, span.start));
        let why = error.message().split_whitespace().collect::<Vec<_>>();
        Error::usage(
            format!("{place}:{line}: {}", why.join(" ")),
            "the file is TOML: key = value, text in quotes",
        )
    })?;
    say_table(layers, (place, text), "", document.as_table())
}

/// `source` is the file's name and text, `prefix` the path of the table with a dot behind it.
fn say_table(
    layers: &mut Layers,
    source: (&str, &str),
    prefix: &str,
    table: &dyn TableLike,
) -> Result<(), Error> {
    let (place, text) = source;
    for (name, item) in table.iter() {
        let path = format!("{prefix}{name}");
        if let Some(inner) = item.as_table_like() {
            // A key such as http1.1 is a table to TOML.
            say_table(layers, source, &format!("{path}."), inner)?;
            continue;
        }
        let at = table.key(name).and_then(toml_edit::Key::span);
        let at = at.or(item.span()).map_or(0, |span| span.start);
        let origin = format!("{place}:{}: {path}", line_of(text, at));
        let (key, sense) = find(&path).map_err(|near| {
            let hint = match near {
                Some(near) => format!("did you mean {near}?"),
                None => "the keys are the long options of hs --help".into(),
            };
            Error::usage(format!("{origin}: no such key"), hint)
        })?;
        say_item(layers, key, sense, item, &origin)?;
    }
    Ok(())
}

fn say_item(
    layers: &mut Layers,
    key: &'static Key,
    sense: Sense,
    item: &Item,
    origin: &str,
) -> Result<(), Error> {
    if key.form == Form::Flag || sense != Sense::Same {
        let flag = item
            .as_bool()
            .ok_or_else(|| mistyped(origin, item, "true or false"))?;
        layers.say_flag(key, sense, flag, origin);
        return Ok(());
    }
    let right = match key.form {
        Form::Flag => "true or false".to_owned(),
        Form::Number([]) => "a number".to_owned(),
        Form::Number(words) => format!("a number or \"{}\"", words.join("\" or \"")),
        Form::Size => "a number, or text like \"10G\"".to_owned(),
        Form::Text | Form::Secret => "text in quotes".to_owned(),
        Form::List | Form::SecretList => "a list of texts in quotes".to_owned(),
    };
    let value = value(key.form, item).ok_or_else(|| mistyped(origin, item, &right))?;
    layers.say(key, value, origin);
    Ok(())
}

/// The item as a value of this form, if it is one.
fn value(form: Form, item: &Item) -> Option<Value> {
    let number = || {
        let whole = item.as_integer().map(|number| number.to_string());
        whole.or_else(|| item.as_float().map(|number| number.to_string()))
    };
    let text = || item.as_str().map(str::to_owned);
    match form {
        Form::Flag => item.as_bool().map(Value::from),
        Form::Number(words) => number()
            .or_else(|| text().filter(|text| words.contains(&text.as_str())))
            .map(Value::from),
        Form::Size => number().or_else(text).map(Value::from),
        Form::Text | Form::Secret => text().map(Value::from),
        Form::List | Form::SecretList => match item.as_array() {
            Some(array) => {
                let texts: Option<Vec<_>> = array.iter().map(|value| value.as_str()).collect();
                texts.map(Value::from)
            }
            None => item.as_str().map(|text| Value::from(vec![text])),
        },
    }
}

fn mistyped(origin: &str, item: &Item, right: &str) -> Error {
    let is = item.type_name();
    Error::usage(
        format!("{origin}: is {is} and not {right}"),
        format!("give {right}"),
    )
}

/// The number of the line in which byte `offset` stands.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Layers, Error> {
        let mut layers = Layers::built_in();
        say_text(&mut layers, "c.toml", text).map(|()| layers)
    }

    #[test]
    fn the_originals_example_is_understood() {
        let text = "threads = 128\noutput_dir = \"~/downloads\"\nverify = true\nspeed_limit = 50.0\nmin-chunk-mb = 5\n";
        let layers = read(text).unwrap();
        let texts =
            ["threads", "output", "limit", "min-chunk-mb"].map(|key| layers.text(key).unwrap());
        assert_eq!(texts, ["128", "~/downloads", "50", "5"]);
        assert_eq!(layers.origin("limit"), "c.toml:4: speed_limit");
        assert!(layers.flag("verify"));
    }

    #[test]
    fn every_form_is_read() {
        let layers = read(
            "no_verify = true\nhttp1.1 = true\nmirror = [\"a\", \"b\"]\nheader = \"X: y\"\nretries = \"inf\"\n\
             max-filesize = \"10G\"\ngive-up-after = inf\nipv6 = false",
        )
        .unwrap();
        assert!(!layers.flag("verify"));
        assert_eq!(layers.text("http").unwrap(), "1.1");
        assert_eq!(layers.text("ip").unwrap(), "any");
        assert_eq!(layers.list("mirror"), ["a", "b"]);
        assert_eq!(layers.list("header"), ["X: y"]);
        let texts =
            ["retries", "max-filesize", "give-up-after"].map(|key| layers.text(key).unwrap());
        assert_eq!(texts, ["inf", "10G", "inf"]);
    }

    #[test]
    fn mistakes_are_named_with_file_line_and_key() {
        for (text, message, hint) in [
            ("\nthread = 4", "c.toml:2: thread: no such key", "threads"),
            (
                "threads = \"4\"",
                "c.toml:1: threads: is string",
                "a number",
            ),
            ("limit = true", "c.toml:1: limit: is boolean", "a number"),
            (
                "verify = 1",
                "c.toml:1: verify: is integer",
                "true or false",
            ),
            ("# x\nurls = [1]", "c.toml:2: urls: is array", "texts"),
            (
                "[net]\nproxy = \"x\"",
                "c.toml:2: net.proxy: no such key",
                "",
            ),
            ("a = \n", "c.toml:1: ", "TOML"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
            assert!(error.hint().unwrap().contains(hint), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}

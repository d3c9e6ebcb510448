//! What is fetched: URLs, a list of them, mirrors, and what the user said of a single one.

use std::collections::HashSet;

use url::Url;

use super::Surroundings;
use super::layers::Layers;
use crate::error::Error;
use crate::hash::{Algorithm, Checksum};
use crate::input::List;
use crate::resolve::said;

/// What is fetched.
#[derive(Debug, Clone)]
pub struct Sources {
    /// http or https, each once; may be empty if there is an `input`.
    pub urls: Vec<Url>,
    /// A list of more, behind those.
    pub input: Option<List>,
    /// Other sources of the single URL.
    pub mirrors: Vec<Url>,
    /// File name of the single URL: not empty, no path.
    pub out: Option<String>,
    /// Expected checksum of the single URL.
    pub checksum: Option<Checksum>,
}

impl Sources {
    pub(super) fn read(layers: &Layers, around: &Surroundings) -> Result<Self, Error> {
        let mut urls = parse(layers, "urls")?;
        let mut seen = HashSet::new();
        urls.retain(|url| seen.insert(url.clone()));
        let input = layers.text("input").map(|text| match text.as_str() {
            "-" => List::Stdin,
            path => List::File(around.path(path)),
        });
        if urls.is_empty() && input.is_none() {
            return Err(Error::usage(
                "no URL was given",
                "hs URL, or hs -i FILE; hs --help shows the options",
            ));
        }
        let sources = Self {
            mirrors: parse(layers, "mirror")?,
            out: out(layers)?,
            checksum: checksum(layers)?,
            urls,
            input,
        };
        sources.single(layers)?;
        Ok(sources)
    }

    /// Holds what is said of a single URL against the number of URLs.
    fn single(&self, layers: &Layers) -> Result<(), Error> {
        if self.urls.len() == 1 && self.input.is_none() {
            return Ok(());
        }
        let said = [
            (!self.mirrors.is_empty(), "mirror"),
            (self.out.is_some(), "out"),
            (self.checksum.is_some(), "checksum"),
        ];
        match said.into_iter().find(|(said, _)| *said) {
            Some((_, name)) => Err(layers.wrong(
                name,
                "needs a single URL",
                "give one URL, or a list of JSON objects with -i, in which each file has its own",
            )),
            None => Ok(()),
        }
    }
}

fn parse(layers: &Layers, name: &str) -> Result<Vec<Url>, Error> {
    let list = layers.list(name);
    let parsed = list.iter().map(|text| {
        said::url(text.trim()).map_err(|(what, hint)| match name {
            // The text is the argument itself.
            "urls" if layers.origin(name) == "URL" => Error::usage(what, hint),
            _ => layers.wrong(name, &what, hint),
        })
    });
    parsed.collect()
}

fn out(layers: &Layers) -> Result<Option<String>, Error> {
    let Some(name) = layers.text("out") else {
        return Ok(None);
    };
    let whole = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
    if whole && name.len() <= LONGEST_NAME {
        return Ok(Some(name));
    }
    let what = if whole {
        format!("`{name}` is longer than {LONGEST_NAME} bytes")
    } else {
        format!("`{name}` is not a file name")
    };
    Err(layers.wrong("out", &what, "name a file, and its directory with -o"))
}

/// File systems allow 255 bytes, of which `.part.json` and a draft of that need some.
const LONGEST_NAME: usize = 240;

fn checksum(layers: &Layers) -> Result<Option<Checksum>, Error> {
    let Some(text) = layers.text("checksum") else {
        return Ok(None);
    };
    let default = algorithms(layers)?
        .first()
        .copied()
        .unwrap_or(Algorithm::Md5);
    let parsed = Checksum::parse(text.trim(), default);
    parsed.map(Some).map_err(|error| {
        let hint = "HEX of the algorithm that -th names, or ALGO:HEX";
        layers.wrong("checksum", &error.to_string(), hint)
    })
}

/// What `typehash` lists.
pub(super) fn algorithms(layers: &Layers) -> Result<Vec<Algorithm>, Error> {
    let list = layers.text("typehash").unwrap_or_default();
    let names = list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let parse = |name: &str| {
        name.parse().map_err(|error: crate::hash::ChecksumError| {
            let known = Algorithm::ALL.into_iter().map(Algorithm::name);
            let hint = match super::values::nearest(name, known) {
                Some(near) => format!("did you mean {near}?"),
                None => "md5, sha256, blake2b, … as hs --help says".into(),
            };
            layers.wrong("typehash", &error.to_string(), &hint)
        })
    };
    names.map(parse).collect()
}

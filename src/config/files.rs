//! Where bytes go and which are taken: files, checksums, the stream, and how much at once.

use std::path::PathBuf;

use super::layers::Layers;
use super::{Surroundings, sources, values};
use crate::error::Error;
use crate::hash::Algorithm;
use crate::sink::OnConflict;

/// The largest chunk or buffer that can be asked for, MB: a terabyte.
const MOST_MB: u32 = 1 << 20;

/// Where files go, and which are taken.
#[derive(Debug, Clone)]
pub struct Files {
    /// Destination directory.
    pub dir: PathBuf,
    /// What to do if a file is there already.
    pub on_conflict: OnConflict,
    /// Larger files are refused; bytes.
    pub max_size: Option<u64>,
    /// Take a page where a file was expected.
    pub accept_html: bool,
    /// Finished files are listed in this file.
    pub manifest: Option<PathBuf>,
}

/// What files are held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksums {
    /// Digests that the user wants; none if he named none.
    pub algorithms: Vec<Algorithm>,
    /// Look for a checksum where none is given.
    pub verify: bool,
    /// Look for it beside the file on any host.
    pub sidecar: bool,
}

/// How a stream is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Bytes that may wait for those before them; `None` = by the number of requests.
    pub buffer: Option<u64>,
    /// Target chunk, bytes.
    pub chunk: u64,
    /// Standard output is a terminal: bytes are verified and thrown away.
    pub discard: bool,
}

/// How much at once, and how fast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Concurrent range requests, 1 to 128; `None` = adaptive.
    pub threads: Option<usize>,
    /// Sockets per host, 1 to 128; `None` = by protocol.
    pub connections: Option<usize>,
    /// Smallest chunk on disk, bytes.
    pub min_chunk: u64,
    /// Bytes a second for everything together, above 0.
    pub rate: Option<f64>,
}

impl Files {
    pub(super) fn read(layers: &Layers, around: &Surroundings) -> Result<Self, Error> {
        let dir = layers.text("output").unwrap_or_default();
        if dir.is_empty() {
            return Err(layers.wrong("output", "is empty", "name a directory; . is this one"));
        }
        Ok(Self {
            dir: around.path(&dir),
            on_conflict: layers.choice(
                "on-conflict",
                &[
                    ("resume", OnConflict::Resume),
                    ("skip", OnConflict::Skip),
                    ("overwrite", OnConflict::Overwrite),
                    ("rename", OnConflict::Rename),
                ],
            )?,
            max_size: layers.read("max-filesize", "a size such as 700M or 1.5G", values::size)?,
            accept_html: layers.flag("accept-html"),
            manifest: layers.text("manifest").map(|path| around.path(&path)),
        })
    }
}

impl Checksums {
    pub(super) fn read(layers: &Layers) -> Result<Self, Error> {
        Ok(Self {
            algorithms: sources::algorithms(layers)?,
            verify: layers.flag("verify"),
            sidecar: layers.flag("sidecar"),
        })
    }
}

impl Stream {
    /// `dry` if nothing will be written anyway.
    pub(super) fn read(
        layers: &Layers,
        around: &Surroundings,
        dry: bool,
    ) -> Result<Option<Self>, Error> {
        let buffer = layers.value(
            "buffer",
            "auto or a whole number of MB, at least 16",
            |text| values::auto_or_whole(text, 16..=MOST_MB),
        )?;
        let chunk = megabytes(layers, "stream-chunk-mb")?;
        if !layers.flag("stream") {
            return Ok(None);
        }
        if around.terminal && !dry && layers.text("checksum").is_none() {
            let hint = "lead it into a pipe or a file; with --checksum the bytes are only verified";
            return Err(layers.wrong("stream", "standard output is a terminal", hint));
        }
        Ok(Some(Self {
            buffer: buffer.map(values::mib),
            chunk,
            discard: around.terminal,
        }))
    }
}

impl Limits {
    pub(super) fn read(layers: &Layers) -> Result<Self, Error> {
        let number = |name| {
            layers.value(name, "auto or a whole number from 1 to 128", |text| {
                values::auto_or_whole(text, 1..=128)
            })
        };
        let rate = layers.read("limit", "a number of MB a second above 0", values::positive)?;
        Ok(Self {
            threads: number("threads")?.map(|number| number as usize),
            connections: number("connections")?.map(|number| number as usize),
            min_chunk: megabytes(layers, "min-chunk-mb")?,
            rate: rate.map(|megabytes| megabytes * 1_048_576.0),
        })
    }
}

fn megabytes(layers: &Layers, name: &str) -> Result<u64, Error> {
    let right = "a whole number of MB, at least 1";
    let number = layers.value(name, right, |text| values::whole(text, 1..=MOST_MB))?;
    Ok(values::mib(number))
}

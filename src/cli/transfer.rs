//! What is fetched and where it goes: to a directory, or to standard output.

use clap::Args;
use serde::Serialize;

/// What is fetched, and what becomes of it on disk.
#[derive(Debug, Args, Serialize)]
#[command(next_help_heading = "Download")]
pub struct Download {
    /// What to download: one or more http or https URLs
    #[arg(value_name = "URL")]
    pub urls: Vec<String>,

    /// Read URLs from a file, or from standard input if FILE is -
    ///
    /// A line is blank, a # comment, a URL, or a JSON object:
    /// {"url": …, "mirrors": […], "out": …, "checksum": "sha256:…", "headers": {…}}.
    /// The file is read as it is needed, so it may have a million lines, or be a pipe that is still being written.
    #[arg(short, long, value_name = "FILE")]
    pub input: Option<String>,

    /// Destination directory, created if missing [default: download]
    #[arg(short, long, value_name = "DIR", allow_hyphen_values = false)]
    pub output: Option<String>,

    /// File name for a single URL, inside of the destination directory
    #[arg(short = 'O', long, value_name = "NAME")]
    pub out: Option<String>,

    /// What to do if the file exists: resume, skip, overwrite or rename [default: resume]
    ///
    /// resume: a finished file of the same size, and checksum where one is known, is left as it is; otherwise the new one is
    /// called `name (1).ext`. skip: whatever has the name is left as it is. overwrite: it is replaced once the new one is
    /// complete and verified. rename: always a free name.
    #[arg(long, value_name = "WHAT")]
    pub on_conflict: Option<String>,

    /// Another source of the same single file; repeatable
    #[arg(long, value_name = "URL")]
    pub mirror: Vec<String>,

    /// Concurrent range requests, 1 to 128 [default: auto]
    ///
    /// auto: as many as the line and the server reward, found by trying.
    #[arg(short, long, value_name = "N")]
    pub threads: Option<String>,

    /// Bandwidth for everything together, in MB a second; decimals are allowed
    #[arg(short, long, value_name = "MB/S")]
    pub limit: Option<String>,

    /// Smallest chunk of a download to disk, MB [default: 1]
    #[arg(long, value_name = "N")]
    pub min_chunk_mb: Option<String>,

    /// Refuse a file that is larger; K, M and G are understood
    #[arg(long, value_name = "SIZE")]
    pub max_filesize: Option<String>,

    /// Take an HTML page where a file was expected, instead of ending with 6
    #[arg(long)]
    pub accept_html: bool,

    /// Say what would be done, and do nothing
    ///
    /// One report per URL on standard output: name, size, ranges, validator, checksum and where it was found, free space, whether
    /// it fits, and what a resume would skip; with --json one JSON object a line. With -d also where each setting comes from.
    #[arg(long)]
    pub dry_run: bool,
}

/// Standard output instead of a directory.
#[derive(Debug, Args, Serialize)]
#[command(next_help_heading = "Stream")]
pub struct Stream {
    /// Write the bytes in order to standard output; several URLs one after the other
    ///
    /// The exit status is known only behind the last byte: 3 if the checksum is wrong, 7 if the file changed on the server
    /// meanwhile, 4 if the network failed. The first failure ends the stream. To a terminal nothing is written: that is
    /// refused, unless a checksum is given, and then the bytes are only verified.
    #[arg(short, long)]
    pub stream: bool,

    /// Bytes of a stream that may wait for those before them, MB, at least 16 [default: auto]
    ///
    /// auto: two chunks for each request, from 64 to 256.
    #[arg(short, long, value_name = "MB")]
    pub buffer: Option<String>,

    /// Target chunk of a stream, MB; smaller if --buffer has no room for two of each request [default: 5]
    #[arg(long, value_name = "N")]
    pub stream_chunk_mb: Option<String>,
}

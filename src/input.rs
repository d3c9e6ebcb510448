//! A list of URLs, read line by line and no faster than it is used.
//!
//! A list may have a million lines, or be a pipe into which somebody is still writing. So a thread of its own reads it, a few
//! lines ahead, and waits while they are not wanted. It hands over together what it has without waiting for more, as each
//! hand-over wakes somebody up. What a line means is not its business, except that it has to be text of a sensible length.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::{thread, vec};

use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Lines that are handed over together, and bytes of lines, unless the last one is longer.
const TOGETHER: (usize, usize) = (64, 64 << 10);

/// Hand-overs that may wait to be used.
const AHEAD: usize = 1;

/// A longer line is no URL but the wrong file.
const LONGEST: u64 = 1 << 20;

/// Where a list is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum List {
    /// On standard input.
    Stdin,
    /// In a file.
    File(PathBuf),
}

/// A line of a list.
#[derive(Debug)]
pub struct Line {
    /// Its number, from 1 on.
    pub number: usize,
    /// What it says, without its end.
    pub text: Result<String, Fault>,
}

/// Why a line cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Bytes that are no UTF-8.
    #[error("is not text")]
    NotText,
    /// More than a mebibyte without an end.
    #[error("is longer than {LONGEST} bytes")]
    TooLong,
    /// The list ends here because it cannot be read any further.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// A list that is being read.
#[derive(Debug)]
pub struct Lines {
    /// For messages.
    name: String,
    /// What was handed over and is to be used next.
    ready: vec::IntoIter<Line>,
    /// Brings at least one line each time.
    receiver: Receiver<Vec<Line>>,
}

impl Lines {
    /// Begins to read. A thread that waits for standard input is left alone when this is dropped.
    ///
    /// # Errors
    /// The name of the list and why it cannot be opened.
    pub fn open(list: &List) -> Result<Self, (String, io::Error)> {
        let (name, source): (_, Box<dyn Read + Send>) = match list {
            List::Stdin => ("standard input".to_owned(), Box::new(io::stdin())),
            List::File(path) => {
                let name = path.display().to_string();
                let fail = |error| (name.clone(), error);
                let file = File::open(path).map_err(fail)?;
                if file.metadata().map_err(fail)?.is_dir() {
                    return Err(fail(io::ErrorKind::IsADirectory.into()));
                }
                (name, Box::new(file))
            }
        };
        let (sender, receiver) = channel(AHEAD);
        let reading = thread::Builder::new().name("hs-list".into());
        let reading = reading.spawn(move || read(BufReader::new(source), &sender));
        reading.map_err(|error| (name.clone(), error))?;
        let ready = Vec::new().into_iter();
        Ok(Self {
            name,
            ready,
            receiver,
        })
    }

    /// What the list is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next line; `None` behind the last. Dropping the future loses none.
    pub async fn next(&mut self) -> Option<Line> {
        if self.ready.as_slice().is_empty() {
            self.ready = self.receiver.recv().await?.into_iter();
        }
        self.ready.next()
    }
}

fn read(mut source: BufReader<impl Read>, sender: &Sender<Vec<Line>>) {
    let (mut lines, mut size) = (Vec::new(), 0);
    for number in 1.. {
        let mut bytes = Vec::new();
        let end = (&mut source).take(LONGEST).read_until(b'\n', &mut bytes);
        let text = match end {
            Ok(0) => break,
            Ok(_) if bytes.last() != Some(&b'\n') && bytes.len() as u64 == LONGEST => {
                Err(Fault::TooLong)
            }
            Ok(_) => text(&bytes, number),
            Err(error) => Err(Fault::Io(error)),
        };
        let last = matches!(text, Err(Fault::TooLong | Fault::Io(_)));
        lines.push(Line { number, text });
        size += bytes.len();
        let is_enough = lines.len() >= TOGETHER.0 || size >= TOGETHER.1;
        if (is_enough || source.buffer().is_empty())
            && sender.blocking_send(std::mem::take(&mut lines)).is_err()
        {
            return;
        }
        if lines.is_empty() {
            size = 0;
        }
        if last {
            break;
        }
    }
    if !lines.is_empty() {
        // Nobody may want them any more.
        let _ = sender.blocking_send(lines);
    }
}

/// A line without its end and without the mark that some editors put at the beginning of a file.
fn text(bytes: &[u8], number: usize) -> Result<String, Fault> {
    let text = str::from_utf8(bytes).map_err(|_| Fault::NotText)?;
    let text = text.trim_end_matches(['\n', '\r']);
    let text = match number {
        1 => text.strip_prefix('\u{feff}').unwrap_or(text),
        _ => text,
    };
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(bytes: &[u8]) -> Vec<(usize, Option<String>)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        std::fs::write(&path, bytes).unwrap();
        let mut lines = Lines::open(&List::File(path)).unwrap();
        let mut all = Vec::new();
        while let Some(line) = lines.next().await {
            all.push((line.number, line.text.ok()));
        }
        all
    }

    #[tokio::test]
    async fn lines_end_as_they_do_everywhere() {
        let text = |text: &str| Some(text.to_owned());
        let read = lines("\u{feff}a\r\n\nb\nc".as_bytes()).await;
        assert_eq!(
            read,
            [
                (1, text("a")),
                (2, text("")),
                (3, text("b")),
                (4, text("c"))
            ]
        );
        assert_eq!(lines(b"").await, []);
    }

    #[tokio::test]
    async fn what_is_no_text_does_not_end_the_list() {
        let read = lines(b"a\n\xff\xfe\nb\n").await;
        assert_eq!(read.len(), 3);
        assert_eq!((read[1].0, read[1].1.as_deref()), (2, None));
        assert_eq!(read[2].1.as_deref(), Some("b"));
    }

    #[tokio::test]
    async fn a_line_without_end_is_the_last() {
        let read = lines(&vec![b'x'; 3 << 20]).await;
        assert_eq!(read, [(1, None)]);
    }

    #[test]
    fn a_list_that_is_none_is_an_error_at_once() {
        for path in ["/nonexistent", "/"] {
            assert!(Lines::open(&List::File(path.into())).is_err());
        }
    }
}

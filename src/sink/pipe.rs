//! A stream: the bytes of one file after the other, in their order, to standard output.
//!
//! Transfers hand in blocks in any order and never wait for the reader, since `schedule` begins nothing beyond the window.
//! The thread behind it ([`writer`]) puts them in order and writes them; a reader that stops therefore stops that thread and
//! nothing else.
//!
//! Offsets in the stream go through all files: a file's first byte has the offset at which the one before it ends.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use super::Error;
use super::writer::{self, Command, Progress, Stdout};
use crate::hash::{Algorithm, Checksum};
use crate::range::{ByteRange, RangeSet};

/// Where the stream goes. Clones lead to the same place.
#[derive(Clone, Debug)]
pub struct Output {
    commands: Sender<Command>,
    progress: watch::Receiver<Progress>,
    /// Bytes from what is written on that may wait.
    window: u64,
}

impl Output {
    /// Standard output, with at most `window` bytes on their way to it.
    ///
    /// # Errors
    /// [`Error::Output`] if it is closed, or there is no thread to be had.
    pub fn stdout(window: u64) -> Result<Self, Error> {
        let stdout = Stdout::new().map_err(output_error)?;
        Self::writer(stdout, window)
    }

    /// Whatever can be written to, as [`stdout`](Output::stdout) is.
    ///
    /// # Errors
    /// [`Error::Output`] if there is no thread to be had.
    pub fn writer(out: impl Write + Send + 'static, window: u64) -> Result<Self, Error> {
        Self::start(out, window).map_err(output_error)
    }

    /// Nowhere: bytes are put in order and hashed.
    ///
    /// # Errors
    /// [`Error::Output`] if there is no thread to be had.
    pub fn nowhere(window: u64) -> Result<Self, Error> {
        Self::writer(io::sink(), window)
    }

    fn start(out: impl Write + Send + 'static, window: u64) -> io::Result<Self> {
        let (commands, progress) = writer::start(out)?;
        Ok(Self {
            commands,
            progress,
            window,
        })
    }

    fn send(&self, command: Command) {
        // A thread that has ended has said why in `progress`.
        let _ = self.commands.send(command);
    }
}

/// One file of a stream.
#[derive(Debug)]
pub struct Pipe {
    output: Output,
    /// Offset in the stream of its first byte.
    base: u64,
    /// What was handed in, by offset in the file. All of it that is contiguous from 0 may be with the reader already.
    done: RefCell<RangeSet>,
    /// The file's length, once its end was reached.
    length: Cell<Option<u64>>,
    /// Told when all of the file is written; `None` before it is closed.
    checksums: RefCell<Option<oneshot::Receiver<Vec<Checksum>>>>,
}

impl Pipe {
    /// Begins a file at offset `base` of the stream, where the one before it ends.
    #[must_use]
    pub fn new(output: &Output, base: u64, algorithms: &[Algorithm]) -> Self {
        let algorithms = algorithms.to_vec();
        output.send(Command::Begin { algorithms });
        Self {
            output: output.clone(),
            base,
            done: RefCell::default(),
            length: Cell::new(None),
            checksums: RefCell::default(),
        }
    }

    /// Bytes that may wait for those before them and for the reader.
    #[must_use]
    pub fn window(&self) -> u64 {
        self.output.window
    }

    /// What was handed in.
    #[must_use]
    pub fn done(&self) -> RangeSet {
        self.done.borrow().clone()
    }

    /// Whether the reader may have bytes of the file.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.done.borrow().frontier() > 0
    }

    /// States the length of a file whose length was unknown until its end was reached.
    pub fn ends_at(&self, length: u64) {
        self.length.set(Some(length));
    }

    /// Hands in a block. Waits only for one beyond the window, until the reader has come near enough.
    ///
    /// # Errors
    /// [`Error::ReaderGone`], [`Error::Output`]: what an earlier write came to.
    pub async fn write(&self, offset: u64, bytes: Bytes) -> Result<(), Error> {
        if bytes.is_empty() {
            // Where nothing goes there is no room to wait for.
            return self.output.progress.borrow().check();
        }
        let range = ByteRange::new(offset, offset + bytes.len() as u64);
        let limit = (self.base + range.end).saturating_sub(self.output.window);
        self.wait_for(|progress| progress.written >= limit).await?;
        self.done.borrow_mut().insert(range);
        let offset = self.base + offset;
        self.output.send(Command::Block { offset, bytes });
        Ok(())
    }

    /// Forgets what was handed in, as long as the reader has none of it: see [`is_begun`](Pipe::is_begun).
    pub fn forget(&self) {
        debug_assert!(!self.is_begun(), "the reader has bytes of this file");
        *self.done.borrow_mut() = RangeSet::new();
        self.output.send(Command::Forget { from: self.base });
    }

    /// States that all of the file was handed in, and tells its length.
    pub fn close(&self) -> u64 {
        let known = self.length.get();
        let length = known.unwrap_or_else(|| self.done.borrow().frontier());
        self.length.set(Some(length));
        let at = self.base + length;
        let (done, checksums) = oneshot::channel();
        self.checksums.replace(Some(checksums));
        self.output.send(Command::End { at, done });
        length
    }

    /// Waits until all of a [closed](Pipe::close) file is written, and tells its checksums.
    ///
    /// # Errors
    /// As [`Pipe::write`].
    pub async fn written_completely(&self) -> Result<Vec<Checksum>, Error> {
        let checksums = self.checksums.take();
        let end = self.base + self.length.get().unwrap_or(u64::MAX - self.base);
        self.wait_for(|progress| progress.written >= end).await?;
        match checksums {
            Some(checksums) => checksums.await.map_err(|_| output_error(gone())),
            None => Err(output_error(gone())),
        }
    }

    /// How much of the file the reader has, bytes.
    #[must_use]
    pub fn written(&self) -> u64 {
        let written = self
            .output
            .progress
            .borrow()
            .written
            .saturating_sub(self.base);
        self.length
            .get()
            .map_or(written, |length| written.min(length))
    }

    /// Follows the reader.
    #[must_use]
    pub fn follow(&self) -> Follow {
        Follow {
            progress: self.output.progress.clone(),
            base: self.base,
        }
    }

    async fn wait_for(&self, enough: impl Fn(&Progress) -> bool) -> Result<(), Error> {
        let mut progress = self.output.progress.clone();
        let progress = progress.wait_for(|p| p.failed.is_some() || enough(p));
        progress.await.map_err(|_| output_error(gone()))?.check()
    }
}

/// How far the reader is in one file.
#[derive(Debug)]
pub struct Follow {
    progress: watch::Receiver<Progress>,
    /// See [`Pipe`].
    base: u64,
}

impl Follow {
    /// Waits until the reader has taken something. Returns how much of the file it has.
    ///
    /// # Errors
    /// As [`Pipe::write`].
    pub async fn next(&mut self) -> Result<u64, Error> {
        self.progress
            .changed()
            .await
            .map_err(|_| output_error(gone()))?;
        let progress = self.progress.borrow_and_update();
        progress.check()?;
        Ok(progress.written.saturating_sub(self.base))
    }
}

fn output_error(source: io::Error) -> Error {
    Error::Output {
        source: Arc::new(source),
    }
}

/// The thread has ended without a reason.
fn gone() -> io::Error {
    io::Error::other("the thread that writes has ended")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::hash::Hasher;

    /// What was written, and whether more may be.
    #[derive(Clone, Default)]
    struct Reader(Arc<Mutex<(Vec<u8>, bool)>>);

    impl Reader {
        fn bytes(&self) -> Vec<u8> {
            self.0.lock().unwrap().0.clone()
        }

        fn leave(&self) {
            self.0.lock().unwrap().1 = true;
        }
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut inner = self.0.lock().unwrap();
            if inner.1 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            // Never all of it at once.
            let taken = bytes.len().min(3);
            inner.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn output(window: u64) -> (Output, Reader) {
        let reader = Reader::default();
        (Output::start(reader.clone(), window).unwrap(), reader)
    }

    fn md5(bytes: &[u8]) -> Vec<Checksum> {
        let mut hasher = Hasher::new(&[Algorithm::Md5]);
        hasher.update(bytes);
        hasher.finish()
    }

    #[tokio::test]
    async fn files_come_out_in_order_each_with_its_checksum() {
        let (output, reader) = output(100);
        let one = Pipe::new(&output, 0, &[Algorithm::Md5]);
        one.write(3, "defg".into()).await.unwrap();
        one.write(0, "abc".into()).await.unwrap();
        assert_eq!(one.done().frontier(), 7);
        assert_eq!(one.close(), 7);
        let empty = Pipe::new(&output, 7, &[Algorithm::Md5]);
        assert_eq!(empty.close(), 0);
        let two = Pipe::new(&output, 7, &[Algorithm::Md5]);
        two.write(0, "hi".into()).await.unwrap();
        assert_eq!(two.close(), 2);
        for (pipe, bytes) in [(one, &b"abcdefg"[..]), (empty, b""), (two, b"hi")] {
            assert_eq!(pipe.written_completely().await.unwrap(), md5(bytes));
            assert_eq!(pipe.written(), bytes.len() as u64);
        }
        assert_eq!(reader.bytes(), b"abcdefghi");
    }

    #[tokio::test]
    async fn what_was_forgotten_is_not_written_and_what_stands_before_it_is() {
        let (output, reader) = output(100);
        let one = Pipe::new(&output, 0, &[]);
        one.write(1, "b".into()).await.unwrap();
        // Begun before all of the first is there: nobody does that, and nothing is lost.
        let two = Pipe::new(&output, 2, &[]);
        two.write(1, "X".into()).await.unwrap();
        assert!(!two.is_begun());
        two.forget();
        two.write(0, "cd".into()).await.unwrap();
        one.write(0, "a".into()).await.unwrap();
        two.wait_for(|p| p.written == 4).await.unwrap();
        assert_eq!(reader.bytes(), b"abcd");
    }

    #[tokio::test]
    async fn a_block_beyond_the_window_waits_for_the_reader() {
        let (output, _reader) = output(4);
        let pipe = Pipe::new(&output, 0, &[]);
        pipe.write(2, "cd".into()).await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(50), pipe.write(4, "e".into()));
        assert!(early.await.is_err());
        let mut follow = pipe.follow();
        pipe.write(0, "ab".into()).await.unwrap();
        pipe.write(4, "e".into()).await.unwrap();
        while follow.next().await.unwrap() < 5 {}
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_is_noticed() {
        let (output, reader) = output(100);
        let pipe = Pipe::new(&output, 0, &[]);
        reader.leave();
        pipe.write(0, "ab".into()).await.unwrap();
        let gone = pipe.follow().next().await;
        assert!(matches!(gone, Err(Error::ReaderGone)), "{gone:?}");
        let late = pipe.write(2, "c".into()).await;
        assert!(matches!(late, Err(Error::ReaderGone)), "{late:?}");
        pipe.close();
        assert!(pipe.written_completely().await.is_err());
    }
}

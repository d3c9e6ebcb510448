//! A stream: the bytes of one file after the other, in their order, to standard output.
//!
//! Transfers hand in blocks in any order and never wait for the reader, since `schedule` begins nothing beyond the window.
//! One thread puts the blocks into byte order, writes what is contiguous in large pieces, hashes it while it is still in
//! the cache, and tells how far it has come. A reader that stops therefore stops that thread and nothing else. It is a
//! thread of its own and never waited for, because a write to a full pipe cannot be called off.
//!
//! Offsets in the stream go through all files: a file's first byte has the offset at which the one before it ends.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::{oneshot, watch};

use super::Error;
use crate::hash::{Algorithm, Checksum, Hasher};
use crate::order::Order;
use crate::range::{ByteRange, RangeSet};

/// One write has up to so many bytes: enough that its cost is that of copying, little enough to stay in the cache until
/// it is hashed.
const RUN: usize = 1 << 20;

/// And up to so many blocks (`IOV_MAX` is 1024).
const BLOCKS: usize = 128;

/// What a pipe is asked to hold. Every reader's wakeup then finds more than the usual 64 KiB; refused, it stays as it is.
const PIPE: usize = 1 << 20;

/// Where the stream goes. Clones lead to the same place.
#[derive(Clone, Debug)]
pub struct Output {
    commands: Sender<Command>,
    progress: watch::Receiver<Progress>,
    /// Bytes from what is written on that may wait.
    window: u64,
}

/// How far the thread is.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// Every byte of the stream below this was taken by the reader's side.
    written: u64,
    /// Why nothing more will be written.
    failed: Option<Arc<io::Error>>,
}

impl Progress {
    fn check(&self) -> Result<(), Error> {
        match &self.failed {
            None => Ok(()),
            Some(error) => Err(if is_reader_gone(error) {
                Error::ReaderGone
            } else {
                Error::Output {
                    source: Arc::clone(error),
                }
            }),
        }
    }
}

/// What the thread is told, in the order in which it is to be done.
#[derive(Debug)]
enum Command {
    /// A file begins where the one before it ends.
    Begin { algorithms: Vec<Algorithm> },
    /// Bytes of the file begun last, by their offset in the stream.
    Block { offset: u64, bytes: Bytes },
    /// Nothing that was handed in from this offset of the stream on counts any more.
    Forget { from: u64 },
    /// That file ends here; its checksums go into `done` when all of it is written.
    End {
        at: u64,
        done: oneshot::Sender<Vec<Checksum>>,
    },
}

impl Output {
    /// Standard output, with at most `window` bytes on their way to it.
    ///
    /// # Errors
    /// [`Error::Output`] if it is closed, or there is no thread to be had.
    pub fn stdout(window: u64) -> Result<Self, Error> {
        Stdout::new()
            .and_then(|stdout| Self::start(stdout, window))
            .map_err(output_error)
    }

    /// Nowhere: bytes are put in order and hashed.
    ///
    /// # Errors
    /// [`Error::Output`] if there is no thread to be had.
    pub fn nowhere(window: u64) -> Result<Self, Error> {
        Self::start(io::sink(), window).map_err(output_error)
    }

    fn start(out: impl Write + Send + 'static, window: u64) -> io::Result<Self> {
        let (commands, receiver) = channel();
        let (sender, progress) = watch::channel(Progress::default());
        let writer = Writer {
            out,
            order: Order::new(0),
            files: VecDeque::new(),
            progress: sender,
        };
        thread::Builder::new()
            .name("hs-stream".to_owned())
            .spawn(move || writer.run(&receiver))?;
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

/// A pipe says the one, a socket may say the other.
fn is_reader_gone(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
    kinds.contains(&error.kind())
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

/// The thread's state.
struct Writer<W> {
    out: W,
    /// Blocks that wait, by offset in the stream.
    order: Order,
    /// Files begun and not completely written, in order; blocks are of the last one, or older.
    files: VecDeque<Unfinished>,
    progress: watch::Sender<Progress>,
}

struct Unfinished {
    /// Has been fed all that is written of the file.
    hasher: Hasher,
    /// Where in the stream it ends, once that is known, and who waits for it.
    end: Option<(u64, oneshot::Sender<Vec<Checksum>>)>,
}

impl<W: Write> Writer<W> {
    fn run(mut self, commands: &Receiver<Command>) {
        while let Ok(command) = commands.recv() {
            self.obey(command);
            loop {
                commands.try_iter().for_each(|command| self.obey(command));
                match self.write_run() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        let failed = Some(Arc::new(error));
                        self.progress.send_modify(|p| p.failed = failed);
                        return;
                    }
                }
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Begin { algorithms } => self.files.push_back(Unfinished {
                hasher: Hasher::new(&algorithms),
                end: None,
            }),
            Command::Block { offset, bytes } => self.order.insert(offset, bytes),
            Command::Forget { from } => self.order.forget(from),
            Command::End { at, done } => {
                if let Some(file) = self.files.back_mut() {
                    file.end = Some((at, done));
                }
            }
        }
        self.finish_files();
    }

    /// Writes and hashes contiguous blocks of one file; false if there are none.
    fn write_run(&mut self) -> io::Result<bool> {
        let mut blocks = Vec::new();
        let mut bytes = 0;
        while bytes < RUN && blocks.len() < BLOCKS && !self.is_at_end() {
            let Some(block) = self.order.pop() else {
                break;
            };
            bytes += block.len();
            blocks.push(block);
        }
        if blocks.is_empty() {
            return Ok(false);
        }
        write_all(&mut self.out, &blocks)?;
        if let Some(file) = self.files.front_mut() {
            blocks.iter().for_each(|block| file.hasher.update(block));
        }
        let written = self.order.head();
        // Freed before the room is given to others, so that the window bounds what is in memory.
        drop(blocks);
        self.progress.send_modify(|p| p.written = written);
        self.finish_files();
        Ok(true)
    }

    fn is_at_end(&self) -> bool {
        let end = self.files.front().and_then(|file| file.end.as_ref());
        end.is_some_and(|(at, _)| self.order.head() >= *at)
    }

    fn finish_files(&mut self) {
        while self.is_at_end() {
            let file = self.files.pop_front();
            if let Some((Unfinished { hasher, .. }, (_, done))) =
                file.and_then(|mut file| file.end.take().map(|end| (file, end)))
            {
                // Nobody waits if the run has been given up.
                let _ = done.send(hasher.finish());
            }
        }
    }
}

/// `Write::write_all_vectored`, which is not stable.
fn write_all(out: &mut impl Write, blocks: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = blocks.iter().map(|block| IoSlice::new(block)).collect();
    let mut rest = &mut slices[..];
    while !rest.is_empty() {
        match out.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Standard output without the line buffer of the standard library.
struct Stdout(File);

impl Stdout {
    fn new() -> io::Result<Self> {
        let stdout = Self(io::stdout().as_fd().try_clone_to_owned()?.into());
        // Fails for all but pipes, and beyond the user's share of pipe memory; neither matters.
        let _ = rustix::pipe::fcntl_setpipe_size(&stdout.0, PIPE);
        Ok(stdout)
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            match self.0.write_vectored(slices) {
                // Whoever shares the pipe may have made it non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None)?;
                }
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

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

//! The thread behind a stream: puts blocks in order, writes and hashes them, and tells how far it is.
//!
//! It is the only one that ever waits for the reader. Why a thread and not the blocking pool: a write to a full pipe cannot
//! be called off, and a pool would be waited for at the end of the run.

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

/// One write has up to so many bytes: enough that its cost is that of copying, little enough to stay in the cache until
/// it is hashed.
const RUN: usize = 1 << 20;

/// And up to so many blocks (`IOV_MAX` is 1024).
const BLOCKS: usize = 128;

/// What a pipe is asked to hold. Every reader's wakeup then finds more than the usual 64 KiB; refused, it stays as it is.
const PIPE: usize = 1 << 20;

/// How far the thread is.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// Every byte of the stream below this was taken by the reader's side.
    pub(super) written: u64,
    /// Why nothing more will be written.
    pub(super) failed: Option<Arc<io::Error>>,
}

impl Progress {
    pub(super) fn check(&self) -> Result<(), Error> {
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
pub(super) enum Command {
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

/// Starts the thread: where to send commands, and where it tells how far it is. It ends when nobody can command it any more,
/// or when a write fails.
pub(super) fn start(
    out: impl Write + Send + 'static,
) -> io::Result<(Sender<Command>, watch::Receiver<Progress>)> {
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
    Ok((commands, progress))
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
pub(super) struct Stdout(File);

impl Stdout {
    pub(super) fn new() -> io::Result<Self> {
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

/// A pipe says the one, a socket may say the other.
fn is_reader_gone(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
    kinds.contains(&error.kind())
}

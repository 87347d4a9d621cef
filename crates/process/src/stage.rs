//! The way from a program's descriptor into its log that loses nothing when this process is killed.
//!
//! A `read` that is interrupted by SIGKILL loses what it had copied. So bytes move by `splice` into a *staging pipe*
//! that the supervisor holds too, and from there into the ring. What is in the pipe when the server dies is still in
//! the pipe; a small shared page says whose it is:
//!
//! 1. `session`, `stream`, `start` (the log's head) are written, the pipe is empty;
//! 2. `splice` moves what there is into the pipe;
//! 3. `len` is written: that many bytes are about to go to `start`;
//! 4. the bytes are read into the ring, the head moves to `start + len`;
//! 5. `len` is cleared.
//!
//! [`Stages::recover`] finishes whichever step was the last. Nothing is awaited while a pipe is not empty.

use crate::memory::{self, Memory};
use crate::ring::Ring;
use anywire_model::{MarkKind, SessionId, Stream};
use parking_lot::Mutex;
use rustix::pipe::{PipeFlags, SpliceFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of a stage's record in the shared page.
const RECORD_LEN: usize = 64;
const SESSION_HIGH: usize = 0;
const SESSION_LOW: usize = 8;
const STREAM: usize = 16;
const START: usize = 24;
const LEN: usize = 32;
/// A terminal holds this much (one less than its buffer of 4096 bytes); whoever asks for one byte more waits for the
/// kernel's own worker to bring it.
pub(crate) const TERMINAL_READ: usize = 4095;
/// What is shorter is an answer to a key, with nothing behind it: asking would wait for the kernel's own worker too.
const TERMINAL_ANSWER: usize = 128;
/// Most bytes in the staging pipe: sixteen pages.
const STAGE_LEN: usize = 64 << 10;
/// Pieces that it holds for certain, however short they are.
const STAGE_PIECES: usize = 16;

/// The descriptors of one stage, as the supervisor holds and hands them.
#[derive(Debug)]
pub(crate) struct StagePipe {
    pub(crate) read: OwnedFd,
    pub(crate) write: OwnedFd,
}

impl StagePipe {
    pub(crate) fn new() -> io::Result<Self> {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { read, write })
    }
}

/// One staging pipe per worker, and the page that says what is in them.
#[derive(Debug)]
pub(crate) struct Stages {
    page: Memory,
    pipes: Box<[Mutex<StagePipe>]>,
}

/// What a transfer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// This many bytes are in the log; the source may have more.
    Some(usize),
    /// This many bytes are in the log and the source had no more.
    Drained(usize),
    /// This many bytes are in the log and the source has ended.
    Ended(usize),
}

/// The memory that the records of `count` stages lie in.
pub(crate) fn create_page(count: usize) -> io::Result<OwnedFd> {
    memory::create(
        "anywire-stages",
        (count * RECORD_LEN).next_multiple_of(4096),
    )
}

impl Stages {
    pub(crate) fn new(page: BorrowedFd<'_>, pipes: Vec<StagePipe>) -> io::Result<Self> {
        let page = Memory::map(page)?;
        if pipes.is_empty() || page.len() < pipes.len() * RECORD_LEN {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the stages' page is too small",
            ));
        }
        Ok(Self {
            page,
            pipes: pipes.into_iter().map(Mutex::new).collect(),
        })
    }

    /// Stages of this process alone, for programs that need not survive it.
    pub(crate) fn private(count: usize) -> io::Result<Self> {
        let page = create_page(count)?;
        Self::new(
            page.as_fd(),
            (0..count)
                .map(|_| StagePipe::new())
                .collect::<io::Result<_>>()?,
        )
    }

    /// Moves what `source` has, at most `budget` bytes, into the log.
    pub(crate) fn pump(&self, source: &Source<'_>, budget: usize) -> io::Result<Moved> {
        let index = worker() % self.pipes.len();
        let pipe = self.pipes[index].lock();
        let Some(log) = source.ring.shared() else {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "only programs with a shared log are staged",
            ));
        };
        let start = log.head();
        self.claim(index, source, start);
        let (len, end) = fill(source, &pipe, budget)?;
        if len > 0 {
            crate::points::at("after-splice");
            if source
                .stream
                .is_some_and(|stream| last_stream(source.ring) != stream)
            {
                source
                    .ring
                    .put_mark(MarkKind::Stream(source.stream.unwrap_or_default()));
            }
            crate::points::at("before-intent");
            self.word(index, LEN).store(len as u64, Release);
            crate::points::at("after-intent");
            if let Err(error) = log.take_staged(pipe.read.as_fd(), start, len) {
                // Nothing of this may be taken for another session's.
                let left = rustix::io::ioctl_fionread(&pipe.read)? as usize;
                drop_staged(&pipe, left)?;
                self.word(index, LEN).store(0, Release);
                return Err(error);
            }
            crate::points::at("before-clear");
            self.word(index, LEN).store(0, Release);
        }
        Ok(match end {
            End::Budget => Moved::Some(len),
            End::Empty => Moved::Drained(len),
            End::Eof => Moved::Ended(len),
        })
    }

    fn claim(&self, index: usize, source: &Source<'_>, start: u64) {
        let id = u128::from_be_bytes(source.id.to_bytes());
        self.word(index, SESSION_HIGH)
            .store((id >> 64) as u64, Release);
        self.word(index, SESSION_LOW).store(id as u64, Release);
        self.word(index, STREAM)
            .store(stream_code(source.stream), Release);
        self.word(index, START).store(start, Release);
    }

    fn word(&self, index: usize, at: usize) -> &std::sync::atomic::AtomicU64 {
        self.page.word(index * RECORD_LEN + at)
    }

    /// Finishes what a killed server was doing: call it once, before anything else touches the logs. `find` gives the
    /// log of a session; bytes of a session that is gone are dropped.
    pub(crate) fn recover(
        &self,
        find: impl Fn(SessionId) -> Option<std::sync::Arc<Ring>>,
    ) -> io::Result<()> {
        for (index, pipe) in self.pipes.iter().enumerate() {
            self.recover_one(index, &pipe.lock(), &find)?;
        }
        Ok(())
    }

    fn recover_one(
        &self,
        index: usize,
        pipe: &StagePipe,
        find: &impl Fn(SessionId) -> Option<std::sync::Arc<Ring>>,
    ) -> io::Result<()> {
        let load = |at| self.word(index, at).load(Acquire);
        let staged = rustix::io::ioctl_fionread(&pipe.read)? as usize;
        let len = usize::try_from(load(LEN)).unwrap_or(usize::MAX);
        let id = u128::from(load(SESSION_HIGH)) << 64 | u128::from(load(SESSION_LOW));
        let ring = find(SessionId::from_bytes(id.to_be_bytes()));
        match ring.as_ref().and_then(|ring| Some((ring, ring.shared()?))) {
            None => drop_staged(pipe, staged)?,
            Some((ring, log)) => {
                if let Some(stream) = stream_of(load(STREAM)).filter(|_| staged > 0)
                    && last_stream(ring) != stream
                {
                    ring.put_mark(MarkKind::Stream(stream));
                }
                // With an intent, `len - staged` bytes had left the pipe for the ring when the server died.
                if len > 0 && log.head() == load(START) && (staged..=STAGE_LEN).contains(&len) {
                    log.recover_head(load(START) + (len - staged) as u64);
                }
                if staged > 0 {
                    log.take_staged(pipe.read.as_fd(), log.head(), staged)?;
                }
                ring.announce();
            }
        }
        self.word(index, LEN).store(0, Release);
        Ok(())
    }
}

/// Where bytes come from and which log they go to.
pub(crate) struct Source<'a> {
    pub(crate) id: SessionId,
    pub(crate) ring: &'a Ring,
    pub(crate) fd: BorrowedFd<'a>,
    /// Which of a piped program's outputs; `None` for a terminal.
    pub(crate) stream: Option<Stream>,
    /// The program has ended: what is there now is all there will be.
    pub(crate) ended: bool,
}

enum End {
    Budget,
    Empty,
    Eof,
}

/// Splices until the budget is used up, the source has no more, or it has ended.
fn fill(source: &Source<'_>, pipe: &StagePipe, budget: usize) -> io::Result<(usize, End)> {
    let budget = budget.min(STAGE_LEN);
    let terminal = source.stream.is_none();
    let piece = if terminal { TERMINAL_READ } else { STAGE_LEN };
    let (mut staged, mut pieces) = (0, 0);
    while staged < budget && pieces < STAGE_PIECES {
        pieces += 1;
        let want = piece.min(budget - staged);
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        match rustix::pipe::splice(source.fd, None, &pipe.write, None, want, flags) {
            Ok(0) => return Ok((staged, End::Eof)),
            Ok(len) => {
                staged += len;
                // Once the program has ended it is asked all the same, to be certain.
                if terminal && !source.ended && len < TERMINAL_ANSWER.min(want) {
                    return Ok((staged, End::Empty));
                }
            }
            Err(rustix::io::Errno::AGAIN) if terminal || staged == 0 => {
                return Ok((staged, End::Empty));
            }
            // The staging pipe may have no free page though it holds few bytes; the next turn will see.
            Err(rustix::io::Errno::AGAIN) => return Ok((staged, End::Budget)),
            Err(rustix::io::Errno::INTR) => {}
            // A terminal whose last slave was closed.
            Err(rustix::io::Errno::IO) => return Ok((staged, End::Eof)),
            Err(error) if staged == 0 => return Err(error.into()),
            Err(_) => return Ok((staged, End::Budget)),
        }
    }
    Ok((staged, End::Budget))
}

fn drop_staged(pipe: &StagePipe, mut staged: usize) -> io::Result<()> {
    let mut scrap = [0; 4096];
    while staged > 0 {
        let want = staged.min(scrap.len());
        staged -= rustix::io::read(&pipe.read, &mut scrap[..want])?.max(1);
    }
    Ok(())
}

/// The stream that the log's last bytes came from.
fn last_stream(ring: &Ring) -> Stream {
    let marks = ring.marks();
    let stream = |index| match ring.mark(index)?.kind {
        MarkKind::Stream(stream) => Some(stream),
        MarkKind::Resize(_) => None,
    };
    // Pipes have no other marks than these, so the last one tells.
    (marks.saturating_sub(4)..marks)
        .rev()
        .find_map(stream)
        .unwrap_or_default()
}

fn stream_code(stream: Option<Stream>) -> u64 {
    match stream {
        None => 0,
        Some(Stream::Out) => 1,
        Some(Stream::Err) => 2,
    }
}

fn stream_of(code: u64) -> Option<Stream> {
    match code {
        1 => Some(Stream::Out),
        2 => Some(Stream::Err),
        _ => None,
    }
}

/// A small number for this thread, so that workers do not share a pipe.
fn worker() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! { static WORKER: usize = NEXT.fetch_add(1, Ordering::Relaxed); }
    WORKER.with(|worker| *worker)
}

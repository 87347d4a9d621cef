//! The task that moves a program's output from its descriptors into its log, and the handle that acts on it.
//!
//! Reads are budgeted: a program that floods takes 60 KiB a turn while it is alone on its worker, and 4 KiB while
//! somebody types beside it. After a turn it yields. No output byte is ever outside kernel, staging pipe or log.

use crate::fds;
use crate::launch::{Ends, pty};
use crate::ring::Ring;
use crate::running::{Control, InputError};
use crate::stage::{self, Moved, Source, Stages};
use anywire_model::{ExitReason, MarkKind, Offset, SessionId, Signal, Size, Stream};
use parking_lot::Mutex;
use std::cell::Cell;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

/// A turn's bytes for a program that floods alone: whole reads of a terminal, and together few enough that wires send them
/// as one message of at most 64 KiB with its header. A read more would leave a second message of a few bytes each turn.
const BULK: usize = 15 * stage::TERMINAL_READ;
/// A turn's bytes while somebody types beside it: one read, so that the kernel fills the terminal while they are sent.
const INTERACTIVE: usize = stage::TERMINAL_READ;
/// After a turn of so many bytes more is on its way: the next turn looks for it, without asking the kernel to say when.
const FLOOD: usize = 3 * stage::TERMINAL_READ;
/// How long a worker remembers that somebody types.
const TYPING: Duration = Duration::from_millis(30);
/// The end-of-file character where a terminal does not say another.
const END_OF_FILE: u8 = 4;
/// How often to look at a terminal that its programs had left: somebody may have opened it again.
const HUNG_UP: Duration = Duration::from_millis(50);

/// What only the process's parent can do: the supervisor, or [`crate::Local`].
pub(crate) trait Parent: Send + Sync + Debug {
    fn kill(&self, id: SessionId, reason: ExitReason);
    fn signal(&self, id: SessionId, signal: Signal);
    /// The parent holds the write end of standard input too.
    fn close_input(&self, id: SessionId);
    fn forget(&self, id: SessionId);
}

/// A program with a terminal or pipes.
#[derive(Debug)]
pub(crate) struct Program {
    id: SessionId,
    ring: Arc<Ring>,
    stages: Arc<Stages>,
    ends: AsyncEnds,
    gate: Gate,
    exit: Exit,
    parent: Arc<dyn Parent>,
    /// After a piped program's end: how long its children may keep the pipes open before the end is told.
    linger: Duration,
    /// The last input byte ended a line: then one end-of-file character is read as end of file, else two.
    line_ended: AtomicBool,
    /// End-of-file characters for which the terminal has had no room yet.
    end_owed: Mutex<u8>,
}

#[derive(Debug)]
enum AsyncEnds {
    Pty(AsyncFd<OwnedFd>),
    Pipe {
        stdin: Mutex<Option<Arc<AsyncFd<OwnedFd>>>>,
        stdout: AsyncFd<OwnedFd>,
        stderr: AsyncFd<OwnedFd>,
    },
}

/// How far the log may be filled.
#[derive(Debug)]
struct Gate {
    limit: AtomicU64,
    moved: Notify,
}

/// How the process ended, told by its parent; the driver tells the log once the output is complete.
#[derive(Debug, Default)]
struct Exit {
    reason: OnceLock<ExitReason>,
    told: Notify,
}

impl Program {
    /// Registers the descriptors with the current runtime. [`Program::drive`] does the rest.
    pub(crate) fn new(
        id: SessionId,
        ends: Ends,
        ring: Arc<Ring>,
        stages: Arc<Stages>,
        parent: Arc<dyn Parent>,
        linger: Duration,
    ) -> io::Result<Arc<Self>> {
        let ends = match ends {
            Ends::Pty(master) => AsyncEnds::Pty(fds::watch(master, fds::both())?),
            Ends::Pipe {
                stdin,
                stdout,
                stderr,
            } => {
                let stdin = stdin
                    .map(|fd| fds::watch(fd, Interest::WRITABLE))
                    .transpose()?;
                AsyncEnds::Pipe {
                    stdin: Mutex::new(stdin.map(Arc::new)),
                    stdout: fds::watch(stdout, Interest::READABLE)?,
                    stderr: fds::watch(stderr, Interest::READABLE)?,
                }
            }
        };
        let gate = Gate {
            // Closed until the session has said how far: a pipe fills a ring in a millisecond.
            limit: AtomicU64::new(0),
            moved: Notify::new(),
        };
        let line_ended = AtomicBool::new(true);
        Ok(Arc::new(Self {
            id,
            ring,
            stages,
            ends,
            gate,
            exit: Exit::default(),
            parent,
            linger,
            line_ended,
            end_owed: Mutex::new(0),
        }))
    }

    /// Tells how the process ended. Called by its parent, any number of times; the first counts.
    pub(crate) fn exited(&self, reason: ExitReason) {
        let _ = self.exit.reason.set(reason);
        self.exit.told.notify_one();
    }

    /// Moves output until the program has ended and everything is in the log.
    pub(crate) async fn drive(self: Arc<Self>) {
        let result = match &self.ends {
            AsyncEnds::Pty(master) => self.drive_pty(master).await,
            // Boxed, so that a terminal's driver is not as large as this one.
            AsyncEnds::Pipe { stdout, stderr, .. } => {
                Box::pin(self.drive_pipes(stdout, stderr)).await
            }
        };
        match result {
            Ok(reason) => self.ring.end(reason),
            Err(error) => {
                tracing::error!(session = %self.id, %error, "moving output");
                self.parent.kill(self.id, ExitReason::ServerLost);
                self.ring.end(ExitReason::ServerLost);
            }
        }
    }

    async fn drive_pty(&self, master: &AsyncFd<OwnedFd>) -> io::Result<ExitReason> {
        loop {
            let budget = self.room().await;
            let owes_end = *self.end_owed.lock() > 0;
            let mut ready = if owes_end {
                // Boxed, since it is rare.
                Box::pin(self.readable_or_end(master)).await?
            } else {
                tokio::select! {
                    biased;
                    // By polling: `readable()` would cost every idle terminal 130 bytes more. One task alone waits.
                    ready = poll_fn(|context| master.poll_read_ready(context)) => Some(ready?),
                    () = self.exit.told.notified() => None,
                }
            };
            let exit = self.exit.reason.get();
            match (self.pump(master, None, budget)?, exit) {
                (Moved::Some(_), _) => tokio::task::yield_now().await,
                (Moved::Drained(len), None) if len >= FLOOD => tokio::task::yield_now().await,
                // Read until there was nothing more after the end was known: that is all.
                (_, Some(reason)) => return Ok(reason.clone()),
                (Moved::Drained(len), None) => {
                    let mut closed = false;
                    if let Some(mut ready) = ready.take() {
                        closed = ready.ready().is_read_closed();
                        ready.clear_ready();
                    }
                    // A terminal that was without a slave once stays ready, though it was opened again.
                    if closed && len == 0 {
                        Box::pin(self.hung_up()).await;
                    }
                }
                // Without a slave a terminal reads as ended, and stays ready, until somebody opens it again.
                (Moved::Ended(_), None) => Box::pin(self.hung_up()).await,
            }
        }
    }

    /// Waits for output, and for room for the end of input, which it then gives.
    async fn readable_or_end<'a>(
        &self,
        master: &'a AsyncFd<OwnedFd>,
    ) -> io::Result<Option<AsyncFdReadyGuard<'a, OwnedFd>>> {
        tokio::select! {
            // Room first: output may go on for ever.
            biased;
            room = master.writable() => {
                drop(room?);
                self.give_end(master);
                Ok(None)
            }
            ready = master.readable() => Ok(Some(ready?)),
            () = self.exit.told.notified() => Ok(None),
        }
    }

    /// A moment, in place of readiness that means nothing, or the program's end. Boxed by its caller: a timer is large, and
    /// this is rare.
    async fn hung_up(&self) {
        tokio::select! {
            () = self.exit.told.notified() => {}
            () = tokio::time::sleep(HUNG_UP) => {}
        }
    }

    async fn drive_pipes(
        &self,
        stdout: &AsyncFd<OwnedFd>,
        stderr: &AsyncFd<OwnedFd>,
    ) -> io::Result<ExitReason> {
        let (mut out_open, mut err_open) = (true, true);
        let mut deadline = None;
        loop {
            // What is in the pipes is waited for, however long readers take; only children that hold them are not.
            let budget = self.room().await;
            let exit = self.exit.reason.get();
            if exit.is_some() {
                deadline.get_or_insert_with(|| Instant::now() + self.linger);
            }
            let over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if let Some(reason) = exit.filter(|_| over || (!out_open && !err_open)) {
                let rest = [
                    (stdout, Stream::Out, out_open),
                    (stderr, Stream::Err, err_open),
                ];
                let mut more = false;
                for (fd, stream, _) in rest.into_iter().filter(|(.., open)| *open) {
                    more |= matches!(self.pump(fd, Some(stream), budget)?, Moved::Some(_));
                }
                if more {
                    tokio::task::yield_now().await;
                    continue;
                }
                return Ok(reason.clone());
            }
            let (mut ready, stream, open) = tokio::select! {
                ready = stdout.readable(), if out_open => (ready?, Stream::Out, &mut out_open),
                ready = stderr.readable(), if err_open => (ready?, Stream::Err, &mut err_open),
                () = self.exit.told.notified() => continue,
                () = sleep_until(deadline) => continue,
            };
            match self.pump(ready.get_ref(), Some(stream), budget)? {
                Moved::Some(_) => tokio::task::yield_now().await,
                Moved::Drained(_) => ready.clear_ready(),
                Moved::Ended(_) => *open = false,
            }
        }
    }

    fn pump(
        &self,
        fd: &AsyncFd<OwnedFd>,
        stream: Option<Stream>,
        budget: usize,
    ) -> io::Result<Moved> {
        let source = Source {
            id: self.id,
            ring: &self.ring,
            fd: fd.get_ref().as_fd(),
            stream,
            ended: self.exit.reason.get().is_some(),
        };
        let moved = self.stages.pump(&source, budget)?;
        let (Moved::Some(len) | Moved::Drained(len) | Moved::Ended(len)) = moved;
        if len > 0 {
            self.ring.announce();
        }
        Ok(moved)
    }

    /// Waits until the log has room and says how much to move in this turn.
    async fn room(&self) -> usize {
        loop {
            let moved = self.gate.moved.notified();
            let room = self
                .gate
                .limit
                .load(Ordering::Acquire)
                .saturating_sub(self.ring.head());
            if room > 0 {
                let budget = if others_type(self.key()) {
                    INTERACTIVE
                } else {
                    BULK
                };
                return budget.min(usize::try_from(room).unwrap_or(usize::MAX));
            }
            moved.await;
        }
    }

    fn key(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Gives a terminal what it is owed of the end of input. False while it has no room.
    fn give_end(&self, master: &AsyncFd<OwnedFd>) -> bool {
        let mut owed = self.end_owed.lock();
        while *owed > 0 {
            let modes = rustix::termios::tcgetattr(master.get_ref());
            let end = modes.map_or(END_OF_FILE, |modes| {
                modes.special_codes[rustix::termios::SpecialCodeIndex::VEOF]
            });
            match write(master, &[end; 2][..usize::from((*owed).min(2))]) {
                Ok(len) => *owed -= len as u8,
                Err(InputError::Full) => return false,
                Err(InputError::Closed) => *owed = 0,
            }
        }
        true
    }

    /// The descriptor that takes input, if it still does.
    fn with_input<T>(&self, act: impl FnOnce(&AsyncFd<OwnedFd>) -> T) -> Option<T> {
        match &self.ends {
            AsyncEnds::Pty(master) => Some(act(master)),
            AsyncEnds::Pipe { stdin, .. } => stdin.lock().as_deref().map(act),
        }
    }
}

impl Control for Program {
    fn input(&self, bytes: &[u8]) -> Result<usize, InputError> {
        if bytes.is_empty() {
            return Ok(0);
        }
        // What is typed after the end of input does not come before it.
        if let AsyncEnds::Pty(master) = &self.ends
            && !self.give_end(master)
        {
            return Err(InputError::Full);
        }
        let len = self
            .with_input(|fd| write(fd, bytes))
            .unwrap_or(Err(InputError::Closed))?;
        typing(self.key());
        self.line_ended.store(
            matches!(bytes[len - 1], b'\n' | b'\r' | END_OF_FILE),
            Ordering::Relaxed,
        );
        Ok(len)
    }

    fn input_ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let stdin = match &self.ends {
            AsyncEnds::Pty(master) => {
                return Box::pin(async move {
                    let _ = master.writable().await;
                });
            }
            AsyncEnds::Pipe { stdin, .. } => stdin.lock().clone(),
        };
        Box::pin(async move {
            if let Some(stdin) = stdin {
                let _ = stdin.writable().await;
            }
        })
    }

    fn close_input(&self) {
        match &self.ends {
            AsyncEnds::Pty(master) => {
                let mut owed = self.end_owed.lock();
                let line_ended = self.line_ended.swap(true, Ordering::Relaxed);
                // A second end adds nothing to one that is owed in the middle of a line.
                *owed = (*owed).max(if line_ended { 1 } else { 2 });
                drop(owed);
                if !self.give_end(master) {
                    // The driver waits for room.
                    self.exit.told.notify_one();
                }
            }
            AsyncEnds::Pipe { stdin, .. } => {
                *stdin.lock() = None;
                self.parent.close_input(self.id);
            }
        }
    }

    fn resize(&self, size: Size) {
        if let AsyncEnds::Pty(master) = &self.ends {
            match pty::set_size(master.get_ref().as_fd(), size) {
                Ok(()) => self.ring.put_mark(MarkKind::Resize(size)),
                Err(error) => tracing::debug!(session = %self.id, %error, "setting the size"),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        self.parent.signal(self.id, signal);
    }

    fn kill(&self, reason: ExitReason) {
        self.parent.kill(self.id, reason);
    }

    fn allow(&self, limit: Offset) {
        self.gate.limit.store(limit, Ordering::Release);
        self.gate.moved.notify_one();
    }

    fn forget(&self) {
        self.parent.forget(self.id);
    }
}

/// Writes what there is room for.
fn write(fd: &AsyncFd<OwnedFd>, bytes: &[u8]) -> Result<usize, InputError> {
    let written = fd.try_io(Interest::WRITABLE, |fd| Ok(rustix::io::write(fd, bytes)?));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => InputError::Full,
        _ => InputError::Closed,
    })
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

thread_local! {
    /// Which program was last given input by this worker, and when.
    static TYPED: Cell<Option<(usize, Instant)>> = const { Cell::new(None) };
}

fn typing(key: usize) {
    TYPED.set(Some((key, Instant::now())));
}

fn others_type(key: usize) -> bool {
    TYPED
        .get()
        .is_some_and(|(other, at)| other != key && at.elapsed() < TYPING)
}

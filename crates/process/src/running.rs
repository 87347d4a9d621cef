//! The one value that this crate hands up for a program that runs, and the two ways to get one.

use crate::launch::SpawnError;
use crate::ring::Ring;
use anywire_model::{ExitReason, Io, Offset, SessionId, Signal, Size};
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Told about a log by whoever writes it, in the writer's own task. Must not wait.
pub trait Watcher: Send + Sync {
    /// Output has moved the head to the offset set with [`Ring::watch_from`] or beyond.
    fn grown(self: Arc<Self>);
    /// The log has ended.
    fn ended(self: Arc<Self>);
}

/// How far a log reaches, and whether more can come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The offset after the last byte.
    pub head: Offset,
    /// The program has ended, and all that it wrote is in the log: [`Ring::exit`] tells how.
    pub ended: bool,
}

/// A program that runs.
#[derive(Clone, Debug)]
pub struct Running {
    /// The session that it was started for.
    pub id: SessionId,
    /// The service that it is an instance of.
    pub service: String,
    /// What carries its bytes.
    pub io: Io,
    /// Its process id, if it is a process.
    pub pid: Option<u32>,
    /// Its output, which is also where its end is told.
    pub log: Arc<Ring>,
    /// The way to act on it.
    pub control: Arc<dyn Control>,
}

/// The ways to act on a program. None of them waits.
pub trait Control: Send + Sync + Debug {
    /// Gives input; returns how many bytes were taken.
    ///
    /// # Errors
    /// [`InputError::Full`] when nothing was taken: wait for [`Control::input_ready`].
    fn input(&self, bytes: &[u8]) -> Result<usize, InputError>;

    /// Waits until input may be taken again.
    fn input_ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Ends the input: the program reads end of file.
    fn close_input(&self);

    /// Sets the terminal's size and puts the mark. Nothing for programs without a terminal.
    fn resize(&self, size: Size);

    /// Signals the foreground programs.
    fn signal(&self, signal: Signal);

    /// Ends the whole tree of processes, in the background. `reason` becomes the exit reason.
    fn kill(&self, reason: ExitReason);

    /// The program may fill the log up to this offset; at it, its output waits. May move in both directions; before
    /// the first call nothing may be written.
    fn allow(&self, limit: Offset);

    /// The end has been written down and told: nothing needs to be kept for a successor any more.
    fn forget(&self) {}
}

/// Why input was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The program does not read at the moment.
    #[error("the program does not read its input")]
    Full,
    /// Input was closed, or the program has ended.
    #[error("the program takes no more input")]
    Closed,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct Order {
    /// The id of the session to be.
    pub id: SessionId,
    /// The service whose recipe is followed.
    pub service: String,
    /// The terminal's first size.
    pub size: Size,
}

/// A future of [`Spawn::spawn`].
pub type Spawning<'a> = Pin<Box<dyn Future<Output = Result<Running, SpawnError>> + Send + 'a>>;

/// Starts programs: by the supervisor, or in this process ([`crate::Local`]).
pub trait Spawn: Send + Sync + Debug {
    /// Starts the program of a service. Its output is moved by a task of the runtime that this is called in.
    fn spawn(&self, order: Order) -> Spawning<'_>;
}

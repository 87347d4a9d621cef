//! What is run: programs behind PTYs and pipes, their logs in shared memory, and the supervisor that keeps both alive
//! while servers come and go.
//!
//! Reading order: [`launch`] starts a program, [`ring`] is the log that its output goes to, `stage` the way there that
//! survives `kill -9`, `drive` the task that moves bytes, [`running`] the one value handed up, [`tree`] and `ladder`
//! end programs for certain, [`supervisor`] does all of this from a process of its own, [`local`] in this one.
//!
//! This is the only crate with `unsafe`: shared memory, `fork`, and descriptors from the environment.

mod clock;
mod drive;
mod fds;
mod ladder;
pub mod launch;
pub mod local;
mod memory;
mod points;
pub mod ring;
pub mod running;
mod stage;
pub mod supervisor;
pub mod tree;

pub use clock::boottime_ms;
pub use launch::{Recipe, SpawnError};
pub use local::Local;
pub use points::at as named_point;
pub use ring::Ring;
pub use running::{Control, InputError, Order, Progress, Running, Spawn, Spawning, Watcher};

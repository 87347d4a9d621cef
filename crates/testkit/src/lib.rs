//! The test kit: the real binary as a process in a folder of its own, one typed client per wire, and a program whose
//! every output byte is known.
//!
//! Nothing here sleeps and hopes: [`wait_until`] polls a condition until a deadline and says what it waited for. A
//! mistake of the server is a panic with the end of its log. A [`Server`] that is dropped leaves no process behind.

pub mod flood;
mod native;
pub mod processes;
mod pty;
mod server;
mod serving;
mod tcp;
mod wait;
pub mod xwterm;

pub use native::{Attach, Exit, NativeClient};
pub use pty::Pty;
pub use server::{Config, Server};
pub use serving::Serving;
pub use tcp::TcpClient;
pub use wait::{DEADLINE, Rng, rounds, wait_until};

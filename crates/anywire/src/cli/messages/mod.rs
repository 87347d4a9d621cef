//! Commands that send messages: `request` sends one, `connect` many on many connections.
//!
//! Reading order: [`url`] is where to, [`talk`] one connection and its messages, [`request`] the one command; [`connect`]
//! the other, with [`load`], a connection that checks what comes back, and [`report`], the figures.

mod connect;
mod histogram;
mod load;
mod report;
mod request;
mod talk;
mod url;
mod websocket;

pub(super) use connect::{ConnectArgs, connect};
pub(super) use request::{RequestArgs, request};

use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

/// The error was in what the user wrote.
const USAGE: u8 = 2;
/// The server could not be reached, or did not answer.
const UNREACHABLE: u8 = 3;

fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("anywire: {error}");
    ExitCode::from(code)
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

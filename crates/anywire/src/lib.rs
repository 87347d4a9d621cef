//! anywire as a library: what the binary is made of, for its tests and for programs that talk to a running server.
//!
//! Reading order: [`cli`] is the command line, `serve` binds what a user asked for and becomes the supervisor, `server`
//! is the process that the supervisor starts, `config` what the one tells the other and what users write, `listener`
//! from URLs to sockets, `programs` where a session's program comes from, `logging` how both log, `print` how commands
//! print.

mod access;
mod activity;
mod alone;
mod announce;
pub mod cli;
mod config;
mod echo;
mod framed;
mod hosted;
mod hubs;
mod listener;
mod logging;
mod messages;
mod nearest;
mod print;
mod programs;
pub mod runtime_dir;
mod serve;
mod server;
mod workers;

pub use config::fuzz as fuzz_config;

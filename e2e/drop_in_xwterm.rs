//! `anywire xwterm` as the pages of xwterm meet it, with the real binary: each rule of the sample server's dialect, and
//! each of its mistakes that must not come back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "drop_in_xwterm/attacks.rs"]
mod attacks;
#[path = "drop_in_xwterm/command.rs"]
mod command;
#[path = "drop_in_xwterm/crash.rs"]
mod crash;
#[path = "drop_in_xwterm/files.rs"]
mod files;
#[path = "drop_in_xwterm/kit.rs"]
mod kit;
#[path = "drop_in_xwterm/lifetime.rs"]
mod lifetime;
#[path = "drop_in_xwterm/poll.rs"]
mod poll;
#[path = "drop_in_xwterm/websocket.rs"]
mod websocket;

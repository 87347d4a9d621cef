//! The JSON API beside the page (docs/protocol.md, docs/openapi.json).
//!
//! One file for each concern; `visit` and `body` are what they share: who asks about which session, and what a
//! request may carry.

mod about;
mod act;
mod body;
mod login;
mod output;
mod screen;
mod sessions;
mod visit;

#[cfg(test)]
pub(super) use about::OPENAPI;
pub(super) use about::{openapi, services};
pub(super) use act::{input, resize, signal};
pub(super) use login::{login, tickets, token};
pub(super) use output::output;
pub(super) use screen::screen;
pub(super) use sessions::{create, kill, list, rename, session};

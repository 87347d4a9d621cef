//! Network bytes to intents: everything between a socket and a session.
//!
//! Reading order, which is the way of a connection: [`serve`] runs a listener (`listen`), whose connections are judged
//! (`admit`) and speak raw bytes (`tcp`) or HTTP (`http`), perhaps upgraded to WebSocket (`ws`). Either way they end in
//! `link`, the one pump that moves bytes between a socket and an attachment, and which knows only messages and a
//! `dialect` that gives them a meaning.
//!
//! The caller binds sockets, owns worker runtimes and the shutdown token; this crate spawns one task per connection
//! and tracks it.

pub mod admit;
mod dialect;
mod http;
mod limits;
mod link;
mod listen;
mod peer;
mod tcp;
#[cfg(test)]
mod testing;
mod ws;

pub use admit::Admission;
pub use listen::{Bound, serve};

use anywire_model::Role;
use anywire_session::Registry;
use std::sync::Arc;

/// What every connection of a listener is given.
#[derive(Clone, Debug)]
pub struct Context {
    /// All sessions.
    pub registry: Registry,
    /// Who may come in.
    pub admission: Arc<Admission>,
    /// The session that a client gets that names none.
    pub target: Target,
    /// The most that a client may do that did not come with a role of its own.
    pub default_role: Role,
}

/// The session that a client gets that names none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A new session of this service for every client.
    New {
        /// The service's name.
        service: String,
    },
    /// One session for all, created for the first client.
    Named {
        /// The session's name.
        name: String,
        /// The service's name.
        service: String,
    },
}

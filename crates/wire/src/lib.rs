//! Network bytes to intents: everything between a socket and a session.
//!
//! Reading order, which is the way of a connection: [`serve`] runs a listener (`listen`), whose connections are judged
//! (`admit`), perhaps behind TLS (`tls`), and speak raw bytes (`tcp`), `telnet` or HTTP (`http`), perhaps upgraded to
//! WebSocket (`ws`), or whatever they turn out to speak (`auto`). Either way they end in `link`, the one pump that moves
//! bytes between a socket and an attachment, and which knows only messages and a
//! `dialect` that gives them a meaning.
//!
//! The caller binds sockets, owns worker runtimes and the shutdown token; this crate spawns one task per connection
//! and tracks it.

pub mod admit;
mod auto;
mod dialect;
pub mod framed;
mod http;
mod limits;
mod link;
mod listen;
pub mod metrics;
mod observer;
mod peer;
mod reach;
mod tcp;
mod telnet;
#[cfg(test)]
mod testing;
pub mod tls;
mod ws;

pub use admit::Admission;
pub use auto::Silent;
pub use http::xwterm;
pub use listen::{Bound, Listening, Protocol, serve};
pub use metrics::Metrics;
pub use observer::Observer;

use anywire_model::Role;
use anywire_session::Registry;
use std::sync::Arc;
use std::time::Duration;

/// What every connection of a listener is given.
#[derive(Clone, Debug)]
pub struct Context {
    /// All sessions.
    pub registry: Registry,
    /// Who may come in.
    pub admission: Arc<Admission>,
    /// What is counted, and whether the server is ready.
    pub metrics: Arc<Metrics>,
    /// What its listener was told.
    pub listener: Listener,
}

/// The rules of one listener.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The session that a client gets that names none.
    pub target: Target,
    /// What a client may do that has no role of its own: who comes by the start code, by a UNIX socket, or where nobody
    /// is asked. Users and tokens have one, more or less than this, and keep it. A client may ask for less than it gets.
    pub default_role: Role,
    /// Whether clients must say who they are.
    pub auth: bool,
    /// What becomes of standard error where there is one stream only.
    pub stderr: Stderr,
    /// How long output flows on a wire without frames once the client has ended its input; without, to the
    /// program's end, or for five seconds in a session that others share.
    pub linger: Option<Duration>,
    /// What a client is taken for that says nothing, on a listener that tells by the first bytes; without, it is closed.
    pub silent: Option<Silent>,
    /// Whether WebSocket messages are compressed for clients that offer it.
    pub compression: Compression,
    /// Connections at the same time; more are told that the listener is busy.
    pub max_connections: usize,
    /// Connections at the same time from one address (IPv6: one /64).
    pub max_per_address: usize,
    /// Its certificate, if it is enciphered. UNIX sockets never are.
    pub tls: Option<Arc<tls::Tls>>,
    /// The certificate for clients that begin with TLS on a port for everything which is not enciphered as such.
    pub offered_tls: Option<Arc<tls::Tls>>,
    /// What framed messages mean, and what they may cost.
    pub framed: framed::Settings,
    /// Who hears of raw connections.
    pub observer: Option<Arc<dyn Observer>>,
    /// What a listener serves that speaks HTTP as xwterm's sample server does; the page and its API without it.
    pub xwterm: Option<Arc<xwterm::Xwterm>>,
    /// Where the page is, for clients that come another way; nowhere without it.
    pub page: Option<Arc<str>>,
}

impl Listener {
    /// The rules of a listener without options: authentication, no role of its own beyond a viewer's.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            default_role: Role::Viewer,
            auth: true,
            stderr: Stderr::Merge,
            linger: None,
            silent: None,
            compression: Compression::Auto,
            max_connections: usize::MAX,
            max_per_address: usize::MAX,
            tls: None,
            offered_tls: None,
            framed: framed::Settings::default(),
            observer: None,
            xwterm: None,
            page: None,
        }
    }
}

/// Whether WebSocket messages are compressed for clients that offer it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// For clients on other machines: on this one it costs processor time and saves nothing.
    #[default]
    Auto,
    /// For all.
    Always,
    /// For none.
    Never,
}

/// What becomes of standard error on a wire with one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stderr {
    /// It is sent as it comes, between the output.
    #[default]
    Merge,
    /// It is not sent.
    Drop,
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
    /// A menu: the client chooses a session or makes one of this service.
    Lobby {
        /// The service's name.
        service: String,
    },
}

//! The configuration in the form that travels: from `serve` through the supervisor to every server, as JSON.
//!
//! Everything is decided: no default is left to the reader. What only the supervisor needs (the programs and their
//! environment) goes to it as recipes and is not in here.

use super::file::{
    Compression, Dialect, Handler, Lag, Limits, Log, SizePolicy, Stderr, Token, User,
};
use super::messages::Messages;
use super::values::{Cells, Silent, Time};
use crate::listener::ListenUrl;
use anywire_model::{Io, Role};
use anywire_process::Recipe;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What `serve` tells the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settled {
    /// How programs are started, by service. Handlers have no recipe.
    pub(crate) recipes: BTreeMap<String, Recipe>,
    /// What servers get.
    pub(crate) config: Config,
}

/// What every server that the supervisor starts is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Config {
    /// The services, by name.
    pub(crate) services: BTreeMap<String, Service>,
    /// The service of clients that name neither session nor service.
    pub(crate) default_service: String,
    /// The listeners; a descriptor's name is the index here.
    pub(crate) listeners: Vec<Listener>,
    /// How much there may be of everything.
    pub(crate) limits: Limits,
    /// Who may come in.
    pub(crate) auth: Auth,
    /// What is logged.
    pub(crate) log: Log,
}

/// How sessions of a service live.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Service {
    /// The program inside the server, if it is one.
    pub(crate) handler: Option<Handler>,
    /// Terminal, pipes or handler.
    pub(crate) io: Io,
    /// The terminal's first size where the client has none.
    pub(crate) size: Cells,
    /// How long a session lives unattended.
    pub(crate) ttl: Time,
    /// How long it lives with neither input nor output.
    pub(crate) idle: Time,
    /// How long it lives at all.
    pub(crate) max_life: Time,
    /// How long it waits for its first client.
    pub(crate) never_attached: Time,
    /// How long it can be read once it has ended, if the file says so.
    pub(crate) keep_ended: Option<Time>,
    /// Whose window is the terminal's size.
    pub(crate) size_policy: SizePolicy,
    /// What becomes of viewers that fall too far behind.
    pub(crate) lag: Lag,
    /// The most sessions of this service.
    pub(crate) max_sessions: Option<usize>,
}

/// A listener and its rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listener {
    /// What is spoken, and where it was asked for: a port may be 0 here, the descriptor knows the real one.
    pub(crate) url: ListenUrl,
    /// The service of its sessions.
    pub(crate) service: String,
    /// Which session a client gets.
    pub(crate) session: Target,
    /// What a client may do that has no role of its own.
    pub(crate) role: Role,
    /// Whether clients must say who they are.
    pub(crate) auth: bool,
    /// What becomes of standard error on one stream.
    pub(crate) stderr: Stderr,
    /// Whether WebSocket messages are compressed.
    pub(crate) compression: Compression,
    /// Connections at the same time.
    pub(crate) max_connections: usize,
    /// Connections at the same time from one address.
    pub(crate) max_per_address: usize,
    /// What a client gets that says nothing (`auto`).
    pub(crate) silent: Option<Silent>,
    /// How long output flows after a half-close.
    pub(crate) linger: Time,
    /// What is spoken in place of anywire's own.
    pub(crate) dialect: Option<Dialect>,
    /// Where its pages are.
    pub(crate) docroot: Option<PathBuf>,
    /// Where uploads go.
    pub(crate) upload_dir: Option<PathBuf>,
    /// How long a terminal lives that nobody polls.
    pub(crate) idle: Time,
    /// Its certificate, if its scheme has TLS; on `auto` always, since clients may begin with TLS there.
    pub(crate) tls: Option<Certificate>,
    /// What framed messages may cost.
    pub(crate) messages: Messages,
}

/// Which session a client gets that names none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// A new one.
    New,
    /// The one with this name, created for the first client.
    Named(String),
    /// A menu.
    Lobby,
}

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Certificate {
    /// PEM files, absolute paths.
    Files {
        /// The chain.
        cert: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// Made at the start.
    SelfSigned,
}

/// Who may come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Auth {
    /// Further names under which the page is reached, for `Host`.
    pub(crate) hosts: Vec<String>,
    /// Further origins whose pages may connect.
    pub(crate) origins: Vec<String>,
    /// People with a password.
    pub(crate) users: BTreeMap<String, User>,
    /// Programs with a token.
    pub(crate) tokens: BTreeMap<String, Token>,
    /// A command that gets each new start code as its last argument.
    pub(crate) announce: Vec<String>,
}

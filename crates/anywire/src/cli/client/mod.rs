//! Commands that talk to a running server, over its UNIX socket or to a URL.
//!
//! Reading order: [`find`] chooses the server, `place` is the way there, [`http`] asks it one thing, `api` the things
//! that there are to ask, `sessions`, `send` and `logs` are commands made of them. [`ws`] carries messages, [`link`]
//! gives them a meaning, [`progress`] survives connections; `attach` joins them with the user's `console`.

mod api;
mod attach;
mod code;
mod console;
mod find;
pub mod http;
mod keys;
pub mod link;
mod logs;
mod place;
pub mod progress;
mod send;
mod sessions;
mod table;
mod typing;
pub mod ws;

pub use attach::{AttachArgs, attach};
pub use code::{CodeArgs, code};
pub(in crate::cli) use console::note;
pub use find::Target;
pub use logs::{LogsArgs, logs};
pub(in crate::cli) use place::is_here;
pub use send::{SendArgs, send};
pub(in crate::cli) use table::clean;

pub use sessions::{
    KillArgs, LsArgs, NewArgs, RenameArgs, ScreenArgs, UrlArgs, kill, ls, new, rename, screen, url,
};

//! HTTP as xwterm's sample server speaks it: terminals that are polled, a list of sessions, files, uploads, and
//! WebSocket on every address (docs/drop-in-xwterm.md).
//!
//! Reading order: `gate` judges a request, `answer` finds out what it wants, `hub` knows the sessions by their clients'
//! ids, each of which is an `entry` with, once somebody polls it, a `viewer`; `files` and `upload` are about files.

mod answer;
mod clock;
mod entry;
mod files;
mod gate;
mod hub;
mod input;
mod upload;
mod viewer;

pub(crate) use entry::Entry;
pub use hub::{Hub, Options};

use crate::Context;
use axum::Router;
use axum::middleware::from_fn_with_state;
use std::path::PathBuf;
use std::sync::Arc;

/// What a listener of this dialect serves.
#[derive(Clone, Debug)]
pub struct Xwterm {
    /// The sessions, which listeners of one service share.
    pub hub: Arc<Hub>,
    /// The HTTP service; without it, WebSocket alone.
    pub pages: Option<Pages>,
    /// The port of the same host whose pages may use a WebSocket here.
    pub page_port: Option<u16>,
}

/// Where files come from and go to.
#[derive(Clone, Debug)]
pub struct Pages {
    /// The folder of the page's files; without it, there is one small page.
    pub docroot: Option<PathBuf>,
    /// Where uploads go; without it, they are refused.
    pub upload_dir: Option<PathBuf>,
}

/// The router of a listener: one address for everything, behind the gate.
pub(super) fn router(context: Arc<Context>) -> Router {
    Router::new()
        .fallback(answer::answer)
        .layer(from_fn_with_state(context.clone(), gate::gate))
        .with_state(context)
}

//! A session under the id that its client knows.

use super::viewer::Viewer;
use anywire_model::Size;
use anywire_session::Session;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Between two sizes that a client asks for; of those in between only the last is applied.
pub(super) const RESIZE: Duration = Duration::from_millis(100);

/// One id, from its first request to the end of its session. The same id later is another entry.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(super) id: String,
    /// Entries are listed in this order.
    pub(super) order: u64,
    /// Seconds since 1970.
    pub(super) created: i64,
    /// It came by WebSocket.
    pub(super) persistent: bool,
    pub(super) state: Mutex<State>,
    /// Whoever waits for the shell to be started is woken.
    pub(super) started: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    /// The last request.
    pub(super) visited: Instant,
    pub(super) visits: u64,
    /// The size that was asked for last.
    pub(super) size: Option<Size>,
    /// When a size was applied, and the one that waits.
    sized: Option<Instant>,
    due: Option<Size>,
    pub(super) session: Option<Session>,
    pub(super) viewer: Option<Arc<Viewer>>,
    pub(super) starting: bool,
}

/// What a new server must know of an entry; lies in the session's memory.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) xwterm: Kept,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) persistent: bool,
    /// Output that its poller has taken; `None` if nobody polls it.
    pub(super) read: Option<u64>,
}

impl Entry {
    pub(super) fn new(id: String, order: u64, created: i64, persistent: bool) -> Self {
        Self {
            id,
            order,
            created,
            persistent,
            state: Mutex::new(State {
                visited: Instant::now(),
                visits: 0,
                size: None,
                sized: None,
                due: None,
                session: None,
                viewer: None,
                starting: false,
            }),
            started: Notify::new(),
        }
    }

    /// Keeps with the session what a new server must know.
    pub(super) fn keep(&self, session: &Session, read: Option<u64>) {
        let kept = Kept {
            id: self.id.clone(),
            created: self.created,
            persistent: self.persistent,
            read,
        };
        if let Ok(note) = serde_json::to_value(Note { xwterm: kept }) {
            session.set_note(note);
        }
    }

    /// Whether its shell has ended and nobody has anything more to read: the next request makes a new one.
    pub(super) fn is_over(&self) -> bool {
        let state = self.state.lock();
        let ended = state.session.as_ref().is_some_and(Session::has_ended);
        ended && state.viewer.as_ref().is_none_or(|viewer| viewer.is_done())
    }

    /// Asks for a size. Returns it if it is to be applied now.
    pub(super) fn want(&self, size: Size) -> Option<Size> {
        let mut state = self.state.lock();
        state.size = Some(size);
        if state.sized.is_some_and(|then| then.elapsed() < RESIZE) {
            state.due = Some(size);
            return None;
        }
        state.sized = Some(Instant::now());
        state.due = None;
        Some(size)
    }

    /// Applies the size that waits, if one does.
    pub(super) fn settle(&self) {
        let mut state = self.state.lock();
        let Some(size) = state.due.take() else {
            return;
        };
        state.sized = Some(Instant::now());
        let (session, viewer) = (state.session.clone(), state.viewer.clone());
        drop(state);
        if let Some(session) = session {
            super::viewer::resize(&session, viewer.as_deref(), size);
        }
    }
}

//! A session under the id that its client knows.

use super::viewer::Viewer;
use anywire_model::Size;
use anywire_session::{Session, Window};
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
    due: Option<(Size, Window)>,
    pub(super) session: Option<Session>,
    pub(super) viewer: Option<Arc<Viewer>>,
    pub(super) starting: bool,
    /// It is no longer known: whoever still has it gets another one, and no shell is started for it.
    pub(super) gone: bool,
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

impl State {
    /// Nobody has asked for it for so long.
    pub(super) fn is_idle(&self, idle: Duration) -> bool {
        self.visited.elapsed() >= idle && !self.starting
    }
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
                gone: false,
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

    /// Its session, unless that has ended or is to end.
    pub(super) fn living(&self) -> Option<Session> {
        let state = self.state.lock();
        let session = state.session.clone().filter(|_| !state.gone)?;
        (!session.has_ended()).then_some(session)
    }

    /// Whether its shell has ended and nobody has anything more to read: the next request makes a new one.
    pub(super) fn is_over(&self) -> bool {
        let state = self.state.lock();
        if state.gone {
            return true;
        }
        let ended = state.session.as_ref().is_some_and(Session::has_ended);
        ended && state.viewer.as_ref().is_none_or(|viewer| viewer.is_done())
    }

    /// Asks for a size of this window. Returns it if it is to be applied now.
    pub(super) fn want(&self, size: Size, window: &Window) -> Option<Size> {
        let mut state = self.state.lock();
        state.size = Some(size);
        if state.sized.is_some_and(|then| then.elapsed() < RESIZE) {
            state.due = Some((size, window.clone()));
            return None;
        }
        state.sized = Some(Instant::now());
        state.due = None;
        Some(size)
    }

    /// Applies the size that waits, if one does.
    pub(super) fn settle(&self) {
        let mut state = self.state.lock();
        let Some((size, window)) = state.due.take() else {
            return;
        };
        state.sized = Some(Instant::now());
        drop(state);
        self.apply(size, &window);
    }

    /// Gives the terminal its size.
    pub(super) fn apply(&self, size: Size, window: &Window) {
        match window.resize(size) {
            Ok(()) => tracing::info!(sid = ?self.id, %size, "a size is applied"),
            Err(error) => tracing::debug!(sid = ?self.id, %error, "a size is not applied"),
        }
    }
}

//! The sessions of a service under the ids of its clients. An id is an alias in here and opens nothing elsewhere.

use super::clock::{self, Zone};
use super::entry::{Entry, Note, RESIZE};
use super::viewer::Viewer;
use crate::admit::Principal;
use crate::metrics::Wire;
use crate::{Context, Listener};
use anywire_codec::dialect::xwterm::random_id;
use anywire_model::{Intent, Role, Size};
use anywire_session::{Attach, AttachError, Create, CreateError, Registry, Session, Start, Window};
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, sleep};

/// Ids without a shell that are remembered; of more, the one that was used longest ago is forgotten.
const IDLE_MAX: usize = 1024;
/// How often idle sessions are looked for.
const TICK: Duration = Duration::from_secs(1);

/// How sessions of a service live.
#[derive(Clone, Debug)]
pub struct Options {
    /// The service of the sessions.
    pub service: String,
    /// How long a terminal lives that nobody polls.
    pub idle: Duration,
    /// A terminal's size until its client says how large it is; the service's without it.
    pub size: Option<Size>,
}

/// The sessions of a service under the ids of its clients. [`Hub::run`] must run for its timers.
#[derive(Debug)]
pub struct Hub {
    registry: Registry,
    options: Options,
    table: Mutex<Table>,
    /// A size waits to be applied.
    resized: Notify,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<String, Arc<Entry>>,
    next: u64,
}

/// A line of the list.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    sid: String,
    ty: bool,
    sz: String,
    dt: String,
    tm: u64,
}

/// Why nobody can watch or type.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("a viewer starts no shell")]
    Viewer,
    #[error(transparent)]
    Create(#[from] CreateError),
    #[error(transparent)]
    Attach(#[from] AttachError),
}

impl Hub {
    /// Finds the sessions of an earlier server.
    #[must_use]
    pub fn new(registry: Registry, options: Options) -> Arc<Self> {
        let mut table = Table::default();
        for info in registry.list() {
            let session = registry.find(&info.id.to_string());
            let Some(session) = session.filter(|_| info.service == options.service) else {
                continue;
            };
            let note = session
                .note()
                .and_then(|note| serde_json::from_value(note).ok());
            let Some(Note { xwterm: kept }) = note else {
                continue;
            };
            let entry = Entry::new(kept.id, table.next, kept.created, kept.persistent);
            if !entry.persistent {
                // Its time is the idle time, not that of a service's session without a client.
                session.touch();
            }
            {
                let mut state = entry.state.lock();
                state.size = Some(info.size);
                state.session = Some(session);
            }
            table.next += 1;
            table.entries.insert(entry.id.clone(), Arc::new(entry));
        }
        Arc::new(Self {
            registry,
            options,
            table: Mutex::new(table),
            resized: Notify::new(),
        })
    }

    /// Runs the timers for ever.
    pub async fn run(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.expire(),
                () = self.resized.notified() => {
                    sleep(RESIZE).await;
                    self.entries().iter().for_each(|entry| entry.settle());
                }
            }
        }
    }

    /// The server stops: nobody who polls is waited for.
    pub fn release(&self) {
        for entry in self.entries() {
            let viewer = entry.state.lock().viewer.take();
            drop(viewer);
        }
    }

    pub(crate) fn first_size(&self) -> Option<Size> {
        self.options.size
    }

    /// All entries in the order in which they came.
    fn entries(&self) -> Vec<Arc<Entry>> {
        let mut entries: Vec<_> = self.table.lock().entries.values().cloned().collect();
        entries.sort_unstable_by_key(|entry| entry.order);
        entries
    }

    /// The session that a request is about: of its address, of its cookie, or a new one.
    pub(super) fn bind(&self, hint: Option<&str>, cookie: Option<&str>) -> Arc<Entry> {
        loop {
            let entry = match (hint, cookie) {
                (Some(id), _) if !id.is_empty() => self.get_or_make(id),
                (Some(_), Some(cookie)) => self.get_or_make(cookie),
                (_, Some(cookie)) => self
                    .find(cookie)
                    .unwrap_or_else(|| self.get_or_make(&fresh_id())),
                _ => self.get_or_make(&fresh_id()),
            };
            let mut state = entry.state.lock();
            if !state.gone {
                state.visited = Instant::now();
                state.visits += 1;
                drop(state);
                return entry;
            }
            // Forgotten between these two lines.
        }
    }

    fn find(&self, id: &str) -> Option<Arc<Entry>> {
        let entry = self.table.lock().entries.get(id).cloned();
        entry.filter(|entry| !entry.is_over())
    }

    fn get_or_make(&self, id: &str) -> Arc<Entry> {
        if let Some(entry) = self.find(id) {
            return entry;
        }
        self.make(id.to_owned(), false)
    }

    /// A fresh entry, in place of one that is over.
    fn make(&self, id: String, persistent: bool) -> Arc<Entry> {
        let mut table = self.table.lock();
        if let Some(known) = table.entries.get(&id)
            && !known.is_over()
        {
            // Somebody was faster.
            return known.clone();
        }
        table.forget_idle();
        let now = clock::seconds(SystemTime::now());
        let entry = Arc::new(Entry::new(id.clone(), table.next, now, persistent));
        table.next += 1;
        table.entries.insert(id, entry.clone());
        tracing::info!(sid = ?entry.id, persistent, "a session is known");
        entry
    }

    /// Forgets this entry; a later one of the same id stays.
    fn forget(&self, entry: &Arc<Entry>) {
        entry.state.lock().gone = true;
        let mut table = self.table.lock();
        let known = table.entries.get(&entry.id);
        if known.is_some_and(|known| Arc::ptr_eq(known, entry)) {
            table.entries.remove(&entry.id);
        }
    }

    /// A WebSocket has its session.
    pub(crate) fn connected(&self, session: &Session, size: Option<Size>) -> Arc<Entry> {
        let entry = self.make(fresh_id(), true);
        let mut state = entry.state.lock();
        state.size = Some(size.unwrap_or_else(|| session.info().size));
        state.session = Some(session.clone());
        drop(state);
        entry.keep(session, None);
        entry
    }

    /// Somebody's window has another size. Returns it if it is to be applied now; it is applied later otherwise.
    pub(crate) fn resize(&self, entry: &Entry, window: &Window, size: Size) -> Option<Size> {
        tracing::debug!(sid = ?entry.id, %size, "a size is asked for");
        let now = entry.want(size, window);
        if now.is_none() {
            self.resized.notify_one();
        }
        now
    }

    /// The list.
    pub(super) fn list(&self, asker: &Arc<Entry>) -> Vec<Row> {
        let (entries, zone) = (self.entries().into_iter(), Zone::here());
        let rows = entries.filter_map(|entry| row(&entry, asker, &zone));
        rows.collect()
    }

    /// Ends a session, if there is one of that id and this role may do it.
    pub(super) fn kill(&self, id: &str, principal: &Principal, listener: &Listener) {
        let entry = self.table.lock().entries.get(id).cloned();
        let Some(entry) = entry else {
            return;
        };
        let role = principal.role_at(listener);
        let session = {
            let mut state = entry.state.lock();
            // Whoever is just about to start its shell finds out, if it is told by who could end the shell.
            if state.session.is_none() && !role.may_own() {
                return tracing::warn!(sid = ?entry.id, ?role, "not killed");
            }
            state.gone |= state.session.is_none();
            state.session.clone()
        };
        if let Some(session) = session
            && let Err(error) = session.act(role, &principal.name, Intent::Kill)
        {
            return tracing::warn!(sid = ?entry.id, %error, "not killed");
        }
        self.forget(&entry);
        tracing::info!(sid = ?entry.id, "killed");
    }

    /// Ends what nobody uses.
    fn expire(&self) {
        for entry in self.entries() {
            let viewer = {
                let mut state = entry.state.lock();
                let idle = state.is_idle(self.options.idle);
                state.viewer.take_if(|_| idle)
            };
            drop(viewer);
            if let Some(session) = self.overdue(&entry) {
                self.forget(&entry);
                if let Some(session) = session {
                    session.kill("the idle timer");
                }
            }
        }
    }

    /// Whether this entry is to be forgotten, and what is to be ended then. Who asks for it from now on gets another one.
    fn overdue(&self, entry: &Entry) -> Option<Option<Session>> {
        let over = entry.is_over();
        let mut state = entry.state.lock();
        let idle = state.is_idle(self.options.idle);
        let ends = match &state.session {
            Some(session) if session.has_ended() => {
                if !over && !idle {
                    return None;
                }
                tracing::info!(sid = ?entry.id, "its shell has ended");
                None
            }
            // Its WebSocket, or its service's time without one, decides.
            Some(_) if entry.persistent => return None,
            Some(session) if !idle => {
                if state.viewer.is_none() {
                    // It was polled, and will be: a page that was not heard of since a crash has its time, too.
                    session.touch();
                }
                return None;
            }
            Some(session) if session.is_attached() => return None,
            None if !idle => return None,
            session => {
                tracing::info!(sid = ?entry.id, "nobody uses it any more");
                session.clone()
            }
        };
        state.gone = true;
        Some(ends)
    }

    /// Whoever polls or types, with a shell that is started for him if need be. `None` while another request starts it
    /// and this one does not `wait`, and when the session is killed meanwhile.
    pub(super) async fn open(
        &self,
        entry: &Arc<Entry>,
        context: &Context,
        principal: &Principal,
        size: Option<Size>,
        wait: bool,
    ) -> Result<Option<Arc<Viewer>>, OpenError> {
        loop {
            let mut started = pin!(entry.started.notified());
            started.as_mut().enable();
            let starting = {
                let mut state = entry.state.lock();
                if let Some(viewer) = &state.viewer {
                    let viewer = viewer.clone();
                    drop(state);
                    self.apply(entry, &viewer, size);
                    return Ok(Some(viewer));
                }
                if let (Some(size), true) = (size, state.starting) {
                    // Whoever starts it looks again.
                    state.size = Some(size);
                }
                std::mem::replace(&mut state.starting, true)
            };
            if !starting {
                let turn = Turn(entry);
                let viewer = self.start(entry, context, principal, size).await?;
                drop(turn);
                return Ok(viewer);
            }
            if !wait {
                return Ok(None);
            }
            started.await;
        }
    }

    /// Gives a poller's terminal its size, now or in a moment.
    pub(super) fn apply(&self, entry: &Entry, viewer: &Viewer, size: Option<Size>) {
        let Some(size) = size else {
            return;
        };
        let window = viewer.window();
        if let Some(size) = self.resize(entry, &window, size) {
            entry.apply(size, &window);
        }
    }

    async fn start(
        &self,
        entry: &Arc<Entry>,
        context: &Context,
        principal: &Principal,
        size: Option<Size>,
    ) -> Result<Option<Arc<Viewer>>, OpenError> {
        let known = entry.state.lock().session.clone();
        let (session, start) = match known {
            Some(session) => {
                let note = session
                    .note()
                    .and_then(|note| serde_json::from_value(note).ok());
                let read = note.and_then(|Note { xwterm: kept }| kept.read);
                (session, read.map_or(Start::Screen, Start::Since))
            }
            None => {
                if principal.role == Some(Role::Viewer) {
                    return Err(OpenError::Viewer);
                }
                let size = size.or(self.options.size);
                let create = Create { name: None, size };
                let session = self.registry.create(&self.options.service, create).await?;
                tracing::info!(sid = ?entry.id, session = %session.id(), "its shell is started");
                (session, Start::Oldest)
            }
        };
        let attachment = session.attach(Attach {
            role: principal.role_at(&context.listener),
            start,
            lag: None,
            size,
            client: None,
            answers: true,
            principal: principal.name.clone(),
        })?;
        let read = attachment.welcome().from;
        let meter = context.metrics.attached(Wire::Xwterm);
        let viewer = Arc::new(Viewer::new(attachment, meter));
        entry.keep(&session, Some(read));
        let mut state = entry.state.lock();
        if state.gone {
            drop(state);
            session.kill("who ended it before it had begun");
            return Ok(None);
        }
        // Whoever came meanwhile may have named another one.
        let later = state
            .size
            .filter(|later| Some(*later) != size && !entry.persistent);
        state.size = later.or(size).or_else(|| Some(session.info().size));
        state.session = Some(session);
        state.viewer = Some(viewer.clone());
        drop(state);
        self.apply(entry, &viewer, later);
        Ok(Some(viewer))
    }
}

/// Whoever starts a shell; the others are woken when it is dropped, however that ended.
struct Turn<'a>(&'a Entry);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state.lock().starting = false;
        self.0.started.notify_waiters();
    }
}

impl Table {
    /// Makes room for one more.
    fn forget_idle(&mut self) {
        let idle = |entry: &Arc<Entry>| {
            let state = entry.state.lock();
            let used = state.session.is_some() || state.starting;
            (!used).then_some((state.visited, entry.order, entry.id.clone()))
        };
        if self.entries.len() < IDLE_MAX {
            return;
        }
        let mut idle: Vec<_> = self.entries.values().filter_map(idle).collect();
        if idle.len() >= IDLE_MAX {
            idle.sort_unstable();
            if let Some(entry) = self.entries.remove(&idle[0].2) {
                entry.state.lock().gone = true;
            }
        }
    }
}

/// What is shown: whatever has a shell, whoever asks, and whoever came twice. Somebody who keeps no cookies would fill
/// the list.
fn row(entry: &Arc<Entry>, asker: &Arc<Entry>, zone: &Zone) -> Option<Row> {
    let state = entry.state.lock();
    let sz = match &state.session {
        Some(session) if session.has_ended() => return None,
        Some(_) => state
            .size
            .map_or_else(|| "-".to_owned(), |size| size.to_string()),
        None if state.visits < 2 && !Arc::ptr_eq(entry, asker) => return None,
        None => "-".to_owned(),
    };
    Some(Row {
        sid: entry.id.clone(),
        ty: entry.persistent,
        sz,
        dt: zone.local(entry.created),
        tm: state.visited.elapsed().as_secs(),
    })
}

/// An id that nobody has.
fn fresh_id() -> String {
    let mut bytes = [0; 32];
    // Without randomness ids are guessable, and they protect nothing.
    let _ = getrandom::fill(&mut bytes);
    let mut random = [0; 16];
    for (number, pair) in random.iter_mut().zip(bytes.chunks_exact(2)) {
        *number = u16::from_ne_bytes([pair[0], pair[1]]);
    }
    random_id(random)
}

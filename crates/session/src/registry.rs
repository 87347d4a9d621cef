//! All sessions of this node.

use crate::counters::Counters;
use crate::info::SessionInfo;
use crate::policy::Policy;
use crate::session::Session;
use anywire_model::{Io, Role, SessionId, Size};
use anywire_process::{Order, Running, Spawn, SpawnError};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::TaskTracker;

/// Letters of a name.
const NAME_MAX: usize = 64;
/// What a listener's `session` says without naming one.
const RESERVED: [&str; 2] = ["new", "lobby"];
/// Pictures of screens that are drawn at the same time: a large one takes a processor for a while.
const DRAWN_AT_ONCE: usize = 2;

/// What the registry needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The services, by name.
    pub services: BTreeMap<String, Arc<Policy>>,
    /// The most sessions there may be.
    pub max_sessions: usize,
}

/// How to create a session.
#[derive(Clone, Debug, Default)]
pub struct Create {
    /// A name, unique among sessions; by default the service's name and a number.
    pub name: Option<String>,
    /// The terminal's first size.
    pub size: Option<Size>,
}

/// Why a session was not created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// No service has that name.
    #[error("no service is called {0:?}")]
    NoService(String),
    /// The name is taken.
    #[error("a session called {0:?} exists")]
    NameTaken(String),
    /// The name cannot be one.
    #[error(transparent)]
    BadName(#[from] NameError),
    /// As many sessions exist as may exist.
    #[error("{0} sessions exist, the most there may be; end one first")]
    Busy(usize),
    /// As many sessions of the service exist as may exist.
    #[error("{0} sessions of this service exist, the most there may be; end one first")]
    ServiceBusy(usize),
    /// The program did not start.
    #[error("starting the program: {0}")]
    Spawn(#[from] SpawnError),
}

/// Why a session was not renamed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenameError {
    /// The role does not allow it.
    #[error("only an owner may rename a session")]
    Role,
    /// The name is taken.
    #[error("a session called {0:?} exists")]
    NameTaken(String),
    /// The name cannot be one.
    #[error(transparent)]
    BadName(#[from] NameError),
}

/// Why a name cannot be a session's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It is too long, or has letters that are not for names.
    #[error("{0:?} cannot be a name: 1 to 64 letters, digits, '-', '_' and '.'")]
    Letters(String),
    /// It could be an id.
    #[error("{0:?} cannot be a name: 32 hexadecimal digits could be taken for an id")]
    LikeId(String),
    /// It is a word of the configuration.
    #[error("{0:?} cannot be a name: a listener's session of that name means another thing")]
    Reserved(String),
}

/// A service, as clients see it.
#[derive(Clone, Debug, Serialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// What carries the bytes of its programs, as far as it is known.
    pub io: Io,
}

/// What a new server must know of an old one's session; lies in the session's memory.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) name: String,
    /// Somebody has taken all of the output and the end.
    #[serde(default)]
    pub(crate) told: bool,
    /// When the end was noticed, in milliseconds since the machine started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended_ms: Option<u64>,
    /// Somebody is in the middle of a paste.
    #[serde(default)]
    pub(crate) pasting: bool,
    /// What a dialect must know again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<serde_json::Value>,
}

/// All sessions of this node. A cheap handle.
#[derive(Clone, Debug)]
pub struct Registry(pub(crate) Arc<Table>);

#[derive(Debug)]
pub(crate) struct Table {
    spawn: Arc<dyn Spawn>,
    settings: RwLock<Settings>,
    sessions: Mutex<Sessions>,
    /// A session that was being started is there, or did not start.
    settled: Notify,
    pub(crate) counters: Counters,
    pub(crate) tasks: TaskTracker,
    /// Turns to draw a picture.
    pub(crate) drawing: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Sessions {
    by_id: HashMap<SessionId, Session>,
    /// Names in use, those of sessions that are being started included.
    by_name: HashMap<String, SessionId>,
    numbers: HashMap<String, u64>,
    /// How many there are of each service, those that are being started included.
    counts: HashMap<String, usize>,
}

impl Registry {
    /// An empty registry. [`Registry::sweep`] must run for its timers.
    #[must_use]
    pub fn new(spawn: Arc<dyn Spawn>, settings: Settings) -> Self {
        Self(Arc::new(Table {
            spawn,
            settings: RwLock::new(settings),
            sessions: Mutex::default(),
            settled: Notify::new(),
            counters: Counters::default(),
            tasks: TaskTracker::new(),
            drawing: Arc::new(Semaphore::new(DRAWN_AT_ONCE)),
        }))
    }

    /// Starts the program of a service in a new session.
    ///
    /// # Errors
    /// See [`CreateError`]; then there is no session.
    pub async fn create(&self, service: &str, options: Create) -> Result<Session, CreateError> {
        let table = &self.0;
        let policy = table.policy(service);
        let policy = policy.ok_or_else(|| CreateError::NoService(service.to_owned()))?;
        let id = SessionId::random();
        let reserved = table.reserve(id, service, &policy, options.name)?;
        let order = Order {
            id,
            service: service.to_owned(),
            size: options.size.unwrap_or(policy.first_size),
        };
        let running = table.spawn.spawn(order).await?;
        tracing::info!(session = %id, name = reserved.name, service, pid = running.pid, "started");
        let page = Page {
            name: reserved.keep(),
            told: false,
            ended_ms: None,
            pasting: false,
            note: None,
        };
        let session = Session::new(running, page, policy, false, table);
        session.0.save_page();
        table.counters.started();
        table.sessions.lock().by_id.insert(id, session.clone());
        table.settled.notify_waiters();
        Ok(session)
    }

    /// The services that sessions can be made from, by name.
    #[must_use]
    pub fn services(&self) -> Vec<Service> {
        let settings = self.0.settings.read();
        let services = settings.services.iter();
        services
            .map(|(name, policy)| Service {
                name: name.clone(),
                io: policy.io,
            })
            .collect()
    }

    /// What was counted since this server began.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Gives a session another name, which a new server will know too.
    ///
    /// # Errors
    /// See [`RenameError`]; then it keeps its name.
    pub fn rename(&self, session: &Session, role: Role, name: String) -> Result<(), RenameError> {
        if !role.may_own() {
            return Err(RenameError::Role);
        }
        let name = checked(name)?;
        {
            let mut sessions = self.0.sessions.lock();
            let id = session.id();
            match sessions.by_name.get(&name) {
                Some(holder) if *holder == id => return Ok(()),
                Some(_) => return Err(RenameError::NameTaken(name)),
                None => {}
            }
            let mut current = session.0.name.lock();
            if sessions.by_name.get(current.as_ref()) == Some(&id) {
                sessions.by_name.remove(current.as_ref());
            }
            *current = name.as_str().into();
            // A session that was forgotten meanwhile has no name to keep.
            if sessions.by_id.contains_key(&id) {
                sessions.by_name.insert(name, id);
            }
        }
        session.0.save_page();
        session.0.visited();
        Ok(())
    }

    /// Takes over a program that an earlier server started.
    pub fn adopt(&self, running: Running) -> Session {
        let table = &self.0;
        let saved = running.log.page();
        let page = saved.and_then(|page| serde_json::from_slice::<Page>(&page).ok());
        let page = page.unwrap_or_else(|| Page {
            name: running.id.short(),
            told: false,
            ended_ms: None,
            pasting: false,
            note: None,
        });
        table.counters.adopted();
        let name = page.name.clone();
        // A service that is gone from the configuration ends with its last client.
        let policy = table.policy(&running.service);
        let policy = policy.unwrap_or_else(|| Arc::new(Policy::new(Duration::ZERO)));
        let (id, service) = (running.id, running.service.clone());
        let session = Session::new(running, page, policy, true, table);
        let mut sessions = table.sessions.lock();
        *sessions.counts.entry(service).or_default() += 1;
        sessions.by_name.insert(name, id);
        sessions.by_id.insert(id, session.clone());
        session
    }

    /// The session with this id or name.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<Session> {
        let sessions = self.0.sessions.lock();
        let id = key
            .parse()
            .ok()
            .or_else(|| sessions.by_name.get(key).copied())?;
        sessions.by_id.get(&id).cloned()
    }

    /// The session with this name; one that somebody is starting is waited for, and `None` if it does not start.
    /// Cancel-safe.
    pub async fn find_started(&self, name: &str) -> Option<Session> {
        loop {
            let mut settled = pin!(self.0.settled.notified());
            // From here on nothing is missed.
            settled.as_mut().enable();
            {
                let sessions = self.0.sessions.lock();
                let id = sessions.by_name.get(name)?;
                if let Some(session) = sessions.by_id.get(id) {
                    return Some(session.clone());
                }
            }
            settled.await;
        }
    }

    /// Replaces the rules for sessions to come; those that live keep theirs.
    pub fn set_settings(&self, settings: Settings) {
        *self.0.settings.write() = settings;
    }

    /// All sessions, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<SessionInfo> {
        let sessions: Vec<Session> = self.0.sessions.lock().by_id.values().cloned().collect();
        let mut list: Vec<SessionInfo> = sessions.iter().map(Session::info).collect();
        list.sort_by(|a, b| b.age_ms.cmp(&a.age_ms).then_with(|| a.name.cmp(&b.name)));
        list
    }

    pub(crate) fn sessions(&self) -> Vec<Session> {
        self.0.sessions.lock().by_id.values().cloned().collect()
    }
}

impl Table {
    fn policy(&self, service: &str) -> Option<Arc<Policy>> {
        self.settings.read().services.get(service).cloned()
    }

    fn reserve(
        self: &Arc<Self>,
        id: SessionId,
        service: &str,
        policy: &Policy,
        name: Option<String>,
    ) -> Result<Reserved, CreateError> {
        let max_sessions = self.settings.read().max_sessions;
        let mut sessions = self.sessions.lock();
        let named =
            |session: &Session| sessions.by_name.get(&*session.name()) == Some(&session.id());
        if sessions.is_full(sessions.by_name.len(), max_sessions, named) {
            return Err(CreateError::Busy(max_sessions));
        }
        let count = sessions.counts.get(service).copied().unwrap_or_default();
        if sessions.is_full(count, policy.max_sessions, |session| {
            session.0.running.service == service
        }) {
            return Err(CreateError::ServiceBusy(policy.max_sessions));
        }
        let name = match name {
            Some(name) => checked(name)?,
            None => sessions.fresh_name(service),
        };
        // One that has ended can still be read by its id; its name is free.
        sessions.free_name_of_ended(&name);
        if sessions.by_name.contains_key(&name) {
            return Err(CreateError::NameTaken(name));
        }
        sessions.by_name.insert(name.clone(), id);
        *sessions.counts.entry(service.to_owned()).or_default() += 1;
        Ok(Reserved {
            name,
            service: service.to_owned(),
            id,
            table: Some(self.clone()),
        })
    }

    /// Forgets a session that is over.
    pub(crate) fn remove(&self, id: SessionId) {
        let session = {
            let mut sessions = self.sessions.lock();
            let Some(session) = sessions.by_id.remove(&id) else {
                return;
            };
            sessions.release(&session.name(), &session.0.running.service, id);
            session
        };
        session.0.running.control.forget();
    }
}

impl Sessions {
    /// Gives a name back, and a place among the sessions of a service.
    fn release(&mut self, name: &str, service: &str, id: SessionId) {
        if self.by_name.get(name) == Some(&id) {
            self.by_name.remove(name);
        }
        if let Some(count) = self.counts.get_mut(service) {
            *count = count.saturating_sub(1);
        }
    }

    /// Whether as many live as may. Those that have ended and can still be read are in `count`, but do not live: where
    /// `count` is so large, they are looked for among the `counted`.
    fn is_full(&self, count: usize, most: usize, counted: impl Fn(&Session) -> bool) -> bool {
        let over = |session: &&Session| session.has_ended() && counted(session);
        count >= most && count.saturating_sub(self.by_id.values().filter(over).count()) >= most
    }

    fn free_name_of_ended(&mut self, name: &str) {
        let session = self.by_name.get(name).and_then(|id| self.by_id.get(id));
        if session.is_some_and(Session::has_ended) {
            self.by_name.remove(name);
        }
    }

    fn fresh_name(&mut self, service: &str) -> String {
        loop {
            let number = self.numbers.entry(service.to_owned()).or_insert(0);
            *number += 1;
            let name = format!("{service}-{number}");
            if !self.by_name.contains_key(&name) {
                return name;
            }
        }
    }
}

/// The name if it can be one.
fn checked(name: String) -> Result<String, NameError> {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let len = name.chars().count();
    if !(1..=NAME_MAX).contains(&len) || !name.chars().all(good) {
        Err(NameError::Letters(name.chars().take(NAME_MAX).collect()))
    } else if name.parse::<SessionId>().is_ok() {
        Err(NameError::LikeId(name))
    } else if RESERVED.contains(&name.as_str()) {
        Err(NameError::Reserved(name))
    } else {
        Ok(name)
    }
}

/// A name that is taken until it is kept or dropped.
struct Reserved {
    name: String,
    service: String,
    id: SessionId,
    table: Option<Arc<Table>>,
}

impl Reserved {
    fn keep(mut self) -> String {
        self.table = None;
        std::mem::take(&mut self.name)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(table) = &self.table {
            let mut sessions = table.sessions.lock();
            sessions.release(&self.name, &self.service, self.id);
            drop(sessions);
            table.settled.notify_waiters();
        }
    }
}

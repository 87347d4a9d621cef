//! One session: a program that runs, its attachments, and the rules about who may do what.

use crate::attach::{Applied, Attach, AttachError, Attachment, Lag, Refused, Start};
use crate::info::SessionInfo;
use crate::input::Counts;
use crate::keeper::{self, Door, House, Keyframe, Request};
use crate::policy::Policy;
use crate::registry::{Page, Table};
use crate::seats::{Seat, Seats};
use crate::title::Title;
use crate::unattended::Unattended;
use anywire_codec::query::ReplyFilter;
use anywire_model::{ExitReason, Intent, Io, Offset, SessionId, Size};
use anywire_process::ring::Ring;
use anywire_process::{Running, Watcher};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// How long a program waits for a client that had typed, after a crash or a lost connection, before the ring drops what
/// that client may not have.
const HOLD: Duration = Duration::from_secs(2);

/// One session. A cheap handle.
#[derive(Clone, Debug)]
pub struct Session(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) running: Running,
    pub(crate) name: Mutex<Arc<str>>,
    pub(crate) title: Mutex<Title>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) state: Mutex<State>,
    /// How far the ring may be filled before a checkpoint is needed.
    checkpoint_limit: AtomicU64,
    door: Door,
    tasks: TaskTracker,
    pub(crate) home: Weak<Table>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) seats: Seats,
    size: Size,
    pub(crate) counts: Counts,
    /// Since when nobody is attached.
    pub(crate) alone_since: Option<Instant>,
    /// How long nobody may be attached: longer at the beginning and after a crash than later.
    pub(crate) alone_for: Duration,
    /// Since when this server has known of the end.
    pub(crate) ended_at: Option<Instant>,
    /// The same of the first server that has, in milliseconds since the machine started.
    pub(crate) ended_ms: Option<u64>,
    /// When anything last went in or out, as far as anybody has looked, and where output was then.
    pub(crate) active: (Instant, Offset),
    /// There was input since then. The sweep looks at the clock for it: one look a second, not one a key.
    pub(crate) used: bool,
    /// Somebody has taken all of the output and the end.
    pub(crate) told: bool,
    /// Until a client that had typed is back, or for a moment, the program may fill the ring no further than this.
    pub(crate) hold: Option<(Offset, Instant)>,
    /// On the heap, as is what else a session seldom has.
    pub(crate) unattended: Option<Box<Unattended>>,
    /// Whose paste has begun and not ended; [`BEFORE_THE_CRASH`] for a client of an earlier server.
    pub(crate) paste: Option<u64>,
    /// What a dialect must know again after a crash.
    note: Option<Box<serde_json::Value>>,
}

/// No seat has this key.
const BEFORE_THE_CRASH: u64 = 0;

impl Session {
    /// A session for a program that was just started, or `adopted` from an earlier server.
    pub(crate) fn new(
        running: Running,
        page: Page,
        policy: Arc<Policy>,
        adopted: bool,
        home: &Arc<Table>,
    ) -> Self {
        let log = running.log.clone();
        let head = log.head();
        let state = State {
            seats: Seats::new(policy.size, policy.lag),
            size: log.size_at(head),
            counts: Counts::default(),
            alone_since: Some(Instant::now()),
            // What an earlier server has left was in use, for all that is known.
            alone_for: if adopted {
                policy.never_attached.max(policy.ttl)
            } else {
                policy.never_attached
            },
            ended_at: None,
            ended_ms: page.ended_ms,
            active: (Instant::now(), head),
            used: false,
            told: page.told,
            // After a crash, what clients may not have read is kept: they come back in a moment and want it exactly.
            hold: adopted.then(|| (log.tail() + log.capacity(), Instant::now() + HOLD)),
            unattended: None,
            paste: page.pasting.then_some(BEFORE_THE_CRASH),
            note: page.note.map(Box::new),
        };
        let drawn = log.checkpoint().map_or(0, |checkpoint| checkpoint.offset);
        let has_screen = running.io == Io::Pty;
        let inner = Arc::new(Inner {
            running,
            name: Mutex::new(page.name.into()),
            title: Mutex::default(),
            policy,
            state: Mutex::new(state),
            checkpoint_limit: AtomicU64::new(if has_screen {
                drawn + log.capacity()
            } else {
                Offset::MAX
            }),
            door: Door::default(),
            tasks: home.tasks.clone(),
            home: Arc::downgrade(home),
        });
        inner.attend(&mut inner.state.lock());
        inner.open_gate(&inner.state.lock());
        let watcher: Weak<dyn Watcher> = Arc::downgrade(&inner) as Weak<dyn Watcher>;
        log.set_watcher(watcher);
        // What an earlier server was about to do: no new output will ask for it if the ring is full.
        inner.clone().grown();
        Self(inner)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.0.running.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        self.0.name.lock().clone()
    }

    /// What a list shows.
    #[must_use]
    pub fn info(&self) -> SessionInfo {
        let running = &self.0.running;
        let state = self.0.state.lock();
        SessionInfo {
            id: running.id,
            name: self.name().as_ref().to_owned(),
            service: running.service.clone(),
            io: running.io,
            size: state.size,
            head: running.log.head(),
            age_ms: anywire_process::boottime_ms().saturating_sub(running.log.created_ms()),
            idle_ms: state.idle(running.log.head()).as_millis() as u64,
            pid: running.pid,
            attachments: state.seats.len(),
            exit: running.log.exit().cloned(),
        }
    }

    /// Joins the session.
    ///
    /// # Errors
    /// [`AttachError::Busy`] when it has as many attachments as it may have, or as viewers may fill.
    pub fn attach(&self, options: Attach) -> Result<Attachment, AttachError> {
        let inner = &self.0;
        let mut state = inner.state.lock();
        let most = inner.policy.places(options.role);
        if state.seats.len() >= most {
            return Err(AttachError::Busy(most));
        }
        let head = inner.running.log.head();
        let (cursor, keyframe) = inner.entry(options.start, head);
        let seat = Seat {
            key: 0,
            principal: options.principal.clone(),
            role: options.role,
            lag: options.lag.unwrap_or(if options.role.may_write() {
                Lag::Block
            } else {
                inner.policy.lag
            }),
            answers: options.answers,
            size: options.size,
            cursor,
            behind_since: None,
        };
        let (key, size) = state.seats.join(seat);
        state.alone_since = None;
        let known = options
            .client
            .is_some_and(|client| state.counts.knows(&inner.running, client));
        if known || !inner.running.log.has_input_counts() {
            state.hold = None;
        }
        if let Some(size) = size {
            inner.set_size(&mut state, size);
        }
        if known && options.role.may_write() {
            state.seats.resume_pace(key);
            // It goes on where it was cut, and ends the paste itself.
            if let Some(whose) = &mut state.paste {
                *whose = key;
            }
        }
        inner.attend(&mut state);
        inner.open_gate(&state);
        let (input, uncertain) = options
            .client
            .map_or((0, 0), |client| state.counts.resume(&inner.running, client));
        Ok(Attachment::new(
            self.clone(),
            key,
            &options,
            cursor,
            keyframe,
            (input, uncertain),
        ))
    }

    /// Ends the session: the whole tree of its programs, in the background.
    pub fn kill(&self, by: &str) {
        self.0
            .running
            .control
            .kill(ExitReason::KilledBy { by: by.to_owned() });
    }

    /// What a dialect keeps with the session, where a new server finds it.
    #[must_use]
    pub fn note(&self) -> Option<serde_json::Value> {
        self.0.state.lock().note.as_deref().cloned()
    }

    /// Keeps something for a dialect: at most a kilobyte as JSON, or a new server does not find it.
    pub fn set_note(&self, note: serde_json::Value) {
        let mut state = self.0.state.lock();
        state.note = Some(Box::new(note));
        self.0.save_page_of(&state);
    }

    /// Whether somebody is attached.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.0.state.lock().seats.len() > 0
    }

    /// Whether the program has ended and all of its output is in the log.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.running.log.exit().is_some()
    }
}

impl Inner {
    pub(crate) fn log(&self) -> &Arc<Ring> {
        &self.running.log
    }

    /// Where an attachment begins, and whether with a keyframe.
    fn entry(&self, start: Start, head: Offset) -> (Offset, bool) {
        let tail = self.log().tail();
        let has_screen = self.running.io == Io::Pty;
        match start {
            Start::Now => (head, false),
            Start::Bytes(offset) => (offset.clamp(tail, head), false),
            Start::Since(offset) if (tail..=head).contains(&offset) => (offset, false),
            Start::Oldest if tail == 0 || !has_screen => (tail, false),
            // Nothing was written yet: the screen is known to be empty.
            Start::Screen if head == 0 => (0, false),
            _ if has_screen => (head, true),
            // The gap is named by the cursor's first step.
            Start::Since(offset) if offset < tail => (offset, false),
            _ => (tail, false),
        }
    }

    pub(crate) fn leave(&self, key: u64, resumable: bool) {
        let mut state = self.state.lock();
        if let Some(cursor) = state.seats.pacer_cursor(key).filter(|_| resumable) {
            // It may be back in a moment, and more may have been on its way than it got.
            let limit = cursor.saturating_add(self.log().capacity() / 4);
            state.hold = Some((limit, Instant::now() + HOLD));
        }
        if let Some(size) = state.seats.leave(key) {
            self.set_size(&mut state, size);
        }
        if state.seats.len() == 0 {
            state.alone_since = Some(Instant::now());
            state.alone_for = if resumable {
                self.policy.resumable_ttl()
            } else {
                self.policy.ttl
            };
        }
        self.release(&state);
        self.attend(&mut state);
        self.open_gate(&state);
        let over = state.seats.len() == 0 && state.alone_for.is_zero();
        drop(state);
        if over {
            self.running.control.kill(ExitReason::Idle);
            if self.running.io == Io::Handler
                && let Some(home) = self.home.upgrade()
            {
                home.remove(self.running.id);
            }
        }
    }

    pub(crate) fn set_size(&self, state: &mut State, size: Size) {
        if state.size != size {
            state.size = size;
            self.running.control.resize(size);
        }
    }

    /// How far the program may write: the pacer, the screen and who may be back in a moment have a say.
    fn limit(&self, state: &State) -> Offset {
        let hold = state.hold.map_or(Offset::MAX, |(limit, _)| limit);
        let drawn = self.checkpoint_limit.load(Ordering::Acquire);
        state.seats.pace_limit().min(drawn).min(hold)
    }

    /// Lets the program write that far, and has the log's growth watched.
    pub(crate) fn open_gate(&self, state: &State) {
        self.running.control.allow(self.limit(state));
        // The keeper starts drawing when half of the ring has not been seen by a screen.
        let half = self.log().capacity() / 2;
        let drawn = self.checkpoint_limit.load(Ordering::Acquire);
        let watched = if state.unattended.is_some() {
            0
        } else {
            drawn.saturating_sub(half)
        };
        self.log().watch_from(watched);
    }

    /// Somebody took output up to `cursor`.
    pub(crate) fn took(&self, key: u64, cursor: Offset) {
        let mut state = self.state.lock();
        state.seats.took(key, cursor);
        if state.seats.pace_limit() != Offset::MAX {
            self.running.control.allow(self.limit(&state));
        }
        self.release(&state);
    }

    /// A log on the heap keeps nothing that everybody has taken.
    fn release(&self, state: &State) {
        if let Some(slowest) = state.seats.slowest().filter(|_| !self.log().is_shared()) {
            self.log().release(slowest);
        }
    }

    /// Somebody was told the end.
    pub(crate) fn told(&self) {
        if !std::mem::replace(&mut self.state.lock().told, true) {
            self.save_page();
        }
    }

    /// Keeps what a new server must know.
    pub(crate) fn save_page(&self) {
        self.save_page_of(&self.state.lock());
    }

    /// The same for who holds the state.
    pub(crate) fn save_page_of(&self, state: &State) {
        // Held until the page is written, so that of two pages the later one stands.
        let name = self.name.lock();
        let page = Page {
            name: name.as_ref().to_owned(),
            told: state.told,
            ended_ms: state.ended_ms,
            pasting: state.paste.is_some(),
            note: state.note.as_deref().cloned(),
        };
        self.log()
            .put_page(&serde_json::to_vec(&page).unwrap_or_default());
    }

    pub(crate) fn lag(&self, key: u64) -> Lag {
        self.state.lock().seats.lag(key)
    }

    /// Applies what an attachment wants, if its role allows it.
    pub(crate) fn apply(
        &self,
        key: u64,
        client: Option<u64>,
        filter: &mut ReplyFilter,
        intent: Intent<'_>,
    ) -> Result<Applied, Refused> {
        let mut state = self.state.lock();
        let role = state
            .seats
            .get(key)
            .map(|seat| seat.role)
            .ok_or(Refused::Role)?;
        let allowed = if matches!(intent, Intent::Kill) {
            role.may_own()
        } else {
            role.may_write()
        };
        if let Intent::Resize(size) = intent
            && !allowed
        {
            // A viewer's window is its own affair.
            let _ = state.seats.resized(key, size);
            return Ok(Applied::Done);
        }
        if !allowed {
            return Err(Refused::Role);
        }
        state.used = true;
        match intent {
            Intent::Input { offset, bytes } => {
                self.input(&mut state, (key, client), filter, offset, bytes)
            }
            Intent::Resize(size) => {
                if let Some(size) = state.seats.resized(key, size) {
                    self.set_size(&mut state, size);
                }
                Ok(Applied::Done)
            }
            Intent::Signal(signal) => {
                self.running.control.signal(signal);
                Ok(Applied::Done)
            }
            Intent::CloseInput => {
                self.running.control.close_input();
                Ok(Applied::Done)
            }
            Intent::Kill => {
                let by = state.seats.principal(key);
                self.running.control.kill(ExitReason::KilledBy { by });
                Ok(Applied::Done)
            }
        }
    }

    pub(crate) fn input_taken(&self, client: u64) -> u64 {
        self.state.lock().counts.taken(&self.running, client)
    }

    /// Asks for a picture of the screen.
    pub(crate) fn ask_keyframe(self: &Arc<Self>) -> oneshot::Receiver<Keyframe> {
        let (to, from) = oneshot::channel();
        keeper::ask(self, Request::Keyframe(to));
        from
    }
}

impl Watcher for Inner {
    fn grown(self: Arc<Self>) {
        let asked = self.look_for_queries(&mut self.state.lock());
        let half = self.log().capacity() / 2;
        if asked {
            keeper::ask(&self, Request::Answer);
        } else if self.log().head().saturating_add(half)
            >= self.checkpoint_limit.load(Ordering::Acquire)
        {
            keeper::ask(&self, Request::Checkpoint);
        }
    }

    fn ended(self: Arc<Self>) {
        let log = self.log();
        if let Some(reason) = log.exit() {
            let name = self.name.lock().clone();
            tracing::info!(session = %self.running.id, name = %name, %reason, bytes = log.head(), "ended");
            if let Some(home) = self.home.upgrade() {
                home.counters.ended(reason);
            }
            // Whoever ends it may be holding the state; then the sweep does this in a moment.
            if let Some(mut state) = self.state.try_lock() {
                self.note_end(&mut state, anywire_process::boottime_ms());
            }
        }
    }
}

impl House for Inner {
    fn log(&self) -> &Arc<Ring> {
        &self.running.log
    }

    fn door(&self) -> &Door {
        &self.door
    }

    fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    fn checkpointed(&self, offset: Offset) {
        self.checkpoint_limit
            .store(offset + self.log().capacity(), Ordering::Release);
        self.open_gate(&self.state.lock());
    }

    fn unattended_since(&self) -> Option<Offset> {
        self.state
            .lock()
            .unattended
            .as_ref()
            .map(|unattended| unattended.since)
    }

    fn answer(&self, replies: &[u8], upto: Offset) {
        let mut state = self.state.lock();
        if let Some(unattended) = &mut state.unattended {
            unattended.since = unattended.since.max(upto);
            let _ = self.running.control.input(replies);
        }
    }
}

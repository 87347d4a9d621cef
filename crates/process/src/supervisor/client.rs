//! The server's end of the connection: asks for programs, hears how they end.

use super::adopt::{found_session, read_config};
use super::channel;
use super::protocol::{self, Event, MESSAGE_MAX, Request};
use crate::drive::{Parent, Program};
use crate::fds;
use crate::ladder::{Ladder, Turn};
use crate::launch::{Ends, SpawnError};
use crate::ring::Ring;
use crate::running::{Order, Running, Spawn, Spawning};
use crate::stage::Stages;
use crate::tree::Snapshot;
use anywire_model::{ExitReason, Io, SessionId, Signal};
use parking_lot::Mutex;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io;
use std::mem::Discriminant;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Grace for programs that have lost their supervisor.
const ORPHAN_GRACE_MS: u64 = 500;
/// How often to look whether they are gone.
const ORPHAN_LOOK: Duration = Duration::from_millis(50);

/// The connection to the supervisor.
#[derive(Debug)]
pub struct Supervised {
    socket: AsyncFd<OwnedFd>,
    stages: Arc<Stages>,
    waiting: Mutex<HashMap<u64, Waiting>>,
    programs: Mutex<HashMap<SessionId, Known>>,
    /// Requests that wait for the socket.
    sending: Mutex<HashSet<(SessionId, Discriminant<Request>)>>,
    tokens: AtomicU64,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Configurations that came after the first.
    configs: watch::Sender<String>,
    own: Weak<Self>,
}

/// Who asked for a program.
#[derive(Debug)]
struct Waiting {
    id: SessionId,
    to: oneshot::Sender<Result<Spawned, SpawnError>>,
}

/// A program, or how it ended if that was heard before it was known.
#[derive(Debug)]
enum Known {
    Program(Weak<Program>, u32),
    Ended(ExitReason),
}

#[derive(Debug)]
struct Spawned {
    pid: u32,
    io: Io,
    linger: Duration,
    fds: Vec<OwnedFd>,
}

impl Supervised {
    pub(super) fn new(socket: OwnedFd, stages: Arc<Stages>) -> io::Result<Arc<Self>> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        let socket = fds::watch(socket, fds::both())?;
        Ok(Arc::new_cyclic(|own| Self {
            socket,
            stages,
            waiting: Mutex::default(),
            programs: Mutex::default(),
            sending: Mutex::default(),
            tokens: AtomicU64::new(0),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            configs: watch::Sender::default(),
            own: own.clone(),
        }))
    }

    /// Hears the supervisor until it is gone or says stop; then [`Supervised::stopped`] is cancelled.
    ///
    /// # Errors
    /// When the supervisor is gone without a word.
    pub async fn listen(&self) -> io::Result<()> {
        let mut buffer = vec![0; MESSAGE_MAX];
        loop {
            let mut ready = self.socket.readable().await?;
            let received = ready.try_io(|socket| channel::receive(socket.as_fd(), &mut buffer));
            let (len, fds) = match received {
                Err(_would_block) => continue,
                Ok(Ok(received)) => received,
                Ok(Err(error)) => return Err(error),
            };
            if len == 0 {
                self.stop.cancel();
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the supervisor is gone",
                ));
            }
            match protocol::decode_event(&buffer[..len]) {
                Ok(event) => self.hear(event, fds),
                Err(error) => tracing::error!(%error, "reading the supervisor's message"),
            }
        }
    }

    fn hear(&self, event: Event, fds: Vec<OwnedFd>) {
        match event {
            Event::Spawned {
                token,
                pid,
                io,
                linger_ms,
            } => {
                let linger = Duration::from_millis(linger_ms);
                let spawned = Spawned {
                    pid,
                    io,
                    linger,
                    fds,
                };
                self.answer(token, Ok(spawned));
            }
            Event::SpawnFailed { token, error } => {
                self.answer(token, Err(SpawnError::Supervisor(error)));
            }
            Event::Exit { id, reason } => self.exited(id, reason),
            Event::Stop => self.stop.cancel(),
            Event::Config => match fds.into_iter().next().map(read_config) {
                Some(Ok(config)) => drop(self.configs.send_replace(config)),
                error => tracing::error!(?error, "a configuration was lost"),
            },
            other => tracing::warn!(?other, "an event out of turn"),
        }
    }

    fn answer(&self, token: u64, answer: Result<Spawned, SpawnError>) {
        let Some(Waiting { id, to }) = self.waiting.lock().remove(&token) else {
            return;
        };
        if let Err(Ok(_unwanted)) = to.send(answer) {
            self.discard(id);
        }
    }

    /// Ends a program that nobody waits for any more.
    pub(super) fn discard(&self, id: SessionId) {
        self.kill(id, ExitReason::Idle);
        self.forget(id);
    }

    pub(super) fn exited(&self, id: SessionId, reason: ExitReason) {
        let program = match self.programs.lock().entry(id) {
            Entry::Occupied(known) => match known.get() {
                Known::Program(program, _) => program.upgrade(),
                Known::Ended(_) => None,
            },
            Entry::Vacant(unknown) => {
                unknown.insert(Known::Ended(reason));
                return;
            }
        };
        if let Some(program) = program {
            program.exited(reason);
        }
    }

    /// Ends the programs of a supervisor that is gone, as it would have: nobody else is left to do it.
    pub async fn end_orphans(&self) {
        let programs: Vec<(SessionId, i32)> = {
            let known = self.programs.lock();
            let pid = |known: &Known| match known {
                Known::Program(_, pid) => Some(pid.cast_signed()),
                Known::Ended(_) => None,
            };
            known
                .iter()
                .filter_map(|(id, known)| Some((*id, pid(known)?)))
                .collect()
        };
        let now = crate::boottime_ms();
        let mut left: Vec<_> = programs
            .into_iter()
            .map(|(id, pid)| (id, pid, Ladder::new(now, ORPHAN_GRACE_MS)))
            .collect();
        while !left.is_empty() {
            let (now, snapshot) = (crate::boottime_ms(), Snapshot::take_everywhere());
            left.retain_mut(|(id, pid, ladder)| {
                ladder.turn(now, &snapshot, *id, *pid, None) != Turn::Empty
            });
            tokio::time::sleep(ORPHAN_LOOK).await;
        }
    }

    /// Cancelled when the supervisor wants this server to finish.
    #[must_use]
    pub fn stopped(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Changes whenever another configuration than the one in [`Adopted`] is in force.
    #[must_use]
    pub fn configs(&self) -> watch::Receiver<String> {
        self.configs.subscribe()
    }

    /// Tells the supervisor that clients are served.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn ready(&self) -> io::Result<()> {
        self.send(&Request::Ready).await
    }

    async fn send(&self, request: &Request) -> io::Result<()> {
        loop {
            match self.try_send(request) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let _ = self.socket.writable().await?;
                }
                done => return done,
            }
        }
    }

    fn try_send(&self, request: &Request) -> io::Result<()> {
        self.socket.try_io(Interest::WRITABLE, |socket| {
            channel::send(socket.as_fd(), request, &[])
        })
    }

    /// Sends from where waiting is not possible; what does not go at once goes in a task, one for each session and
    /// kind of request.
    fn send_soon(&self, id: SessionId, request: Request) {
        if let Err(error) = self.try_send(&request)
            && error.kind() == io::ErrorKind::WouldBlock
            && let Some(own) = self.own.upgrade()
            && Handle::try_current().is_ok()
            && self
                .sending
                .lock()
                .insert((id, std::mem::discriminant(&request)))
        {
            self.tasks.spawn(async move {
                if let Err(error) = own.send(&request).await {
                    tracing::debug!(%error, "telling the supervisor");
                }
                own.sending
                    .lock()
                    .remove(&(id, std::mem::discriminant(&request)));
            });
        }
    }

    async fn start(&self, order: Order) -> Result<Running, SpawnError> {
        let Order { id, service, size } = order;
        let system = |doing| move |error: io::Error| SpawnError::System { doing, error };
        let token = self.tokens.fetch_add(1, Ordering::Relaxed);
        let (to, from) = oneshot::channel();
        self.waiting.lock().insert(token, Waiting { id, to });
        let request = Request::Spawn {
            token,
            id,
            service: service.clone(),
            size,
        };
        self.send(&request)
            .await
            .map_err(system("asking the supervisor"))?;
        let gone = |_| SpawnError::Supervisor("it is gone".to_owned());
        let Spawned {
            pid,
            io,
            linger,
            fds,
        } = from.await.map_err(gone)??;
        let running = found_session(io, size, true, fds)
            .and_then(|(ends, log)| self.run(id, service, pid, ends, linger, log));
        running
            .inspect_err(|_| self.discard(id))
            .map_err(system("watching the program"))
    }

    pub(super) fn run(
        &self,
        id: SessionId,
        service: String,
        pid: u32,
        ends: Ends,
        linger: Duration,
        log: Arc<Ring>,
    ) -> io::Result<Running> {
        let io = if matches!(ends, Ends::Pty(_)) {
            Io::Pty
        } else {
            Io::Pipe
        };
        let parent: Arc<dyn Parent> = self.own.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        let program = Program::new(id, ends, log.clone(), self.stages.clone(), parent, linger)?;
        if let Some(Known::Ended(reason)) = self
            .programs
            .lock()
            .insert(id, Known::Program(Arc::downgrade(&program), pid))
        {
            program.exited(reason);
        }
        self.tasks.spawn(program.clone().drive());
        Ok(Running {
            id,
            service,
            io,
            pid: Some(pid),
            log,
            control: program,
        })
    }
}

impl Spawn for Supervised {
    fn spawn(&self, order: Order) -> Spawning<'_> {
        Box::pin(self.start(order))
    }
}

impl Parent for Supervised {
    fn kill(&self, id: SessionId, reason: ExitReason) {
        self.send_soon(id, Request::Kill { id, reason });
    }

    fn signal(&self, id: SessionId, signal: Signal) {
        self.send_soon(id, Request::Signal { id, signal });
    }

    fn close_input(&self, id: SessionId) {
        self.send_soon(id, Request::CloseInput { id });
    }

    fn forget(&self, id: SessionId) {
        self.programs.lock().remove(&id);
        self.send_soon(id, Request::Forget { id });
    }
}

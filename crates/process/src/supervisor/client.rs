//! The server's end: adopts what an earlier server left, asks for programs, hears how they end.

use super::channel;
use super::protocol::{self, Event, MESSAGE_MAX, Request, VERSION};
use super::reload;
use super::vault::Vault;
use crate::drive::{Parent, Program};
use crate::fds;
use crate::ladder::{Ladder, Turn};
use crate::launch::{Ends, SpawnError};
use crate::ring::Ring;
use crate::running::{Order, Running, Spawn, Spawning};
use crate::stage::{StagePipe, Stages};
use crate::tree::Snapshot;
use anywire_model::{ExitReason, Io, SessionId, Signal, Size};
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

/// Everything that the supervisor hands to a new server.
#[derive(Debug)]
pub struct Adopted {
    /// Starts programs and hears of their ends.
    pub spawn: Arc<Supervised>,
    /// What the root gave the supervisor.
    pub config: String,
    /// How many servers there were, this one included.
    pub epoch: u64,
    /// Memory for secrets that outlive a server; see [`Vault`].
    pub vault: Vault,
    /// Listening sockets and their names.
    pub listeners: Vec<(String, OwnedFd)>,
    /// Sessions that an earlier server had, whose logs are complete as far as they were written.
    pub orphans: Vec<Orphan>,
}

/// A session to be adopted. [`Orphan::adopt`] starts moving its output in the runtime that it is called in.
#[derive(Debug)]
pub struct Orphan {
    id: SessionId,
    service: String,
    pid: u32,
    ends: Ends,
    log: Arc<Ring>,
    exit: Option<ExitReason>,
    spawn: Arc<Supervised>,
}

impl Orphan {
    /// Takes the program over.
    ///
    /// # Errors
    /// When its descriptors cannot be watched; then the program is ended.
    pub fn adopt(self) -> io::Result<Running> {
        let Self {
            id,
            service,
            pid,
            ends,
            log,
            exit,
            spawn,
        } = self;
        let running = spawn.run(id, service, pid, ends, log);
        let running = running.inspect_err(|_| spawn.discard(id))?;
        if let Some(reason) = exit {
            spawn.exited(id, reason);
        }
        Ok(running)
    }
}

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
    fds: Vec<OwnedFd>,
}

/// Says hello to the supervisor at the other end of `socket` and takes what it hands over. Logs are repaired on the
/// way: what the last server was doing when it died is finished.
///
/// # Errors
/// When the supervisor is gone, speaks a later version, or its memory is damaged.
pub fn adopt(socket: OwnedFd) -> io::Result<Adopted> {
    rustix::io::ioctl_fionbio(&socket, false)?;
    let mut hand = Hand {
        socket,
        buffer: vec![0; MESSAGE_MAX],
    };
    let (Event::Hello { version, epoch }, fds) = hand.next()? else {
        return Err(unexpected("no hello"));
    };
    if version > VERSION {
        return Err(unexpected(
            "it is of a later version: start the server from the same build",
        ));
    }
    let Ok([vault, page, config]) = <[OwnedFd; 3]>::try_from(fds) else {
        return Err(unexpected("hello without memory"));
    };
    let config = read_config(config)?;
    let vault = Vault::open(vault.as_fd())?;
    let (mut pipes, mut listeners, mut found) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        match hand.next()? {
            (Event::Stage, fds) => {
                let Ok([read, write]) = <[OwnedFd; 2]>::try_from(fds) else {
                    return Err(unexpected("half a stage"));
                };
                pipes.push(StagePipe { read, write });
            }
            (Event::Listener { name }, fds) => {
                listeners.extend(fds.into_iter().next().map(|fd| (name, fd)));
            }
            (
                Event::Session {
                    id,
                    service,
                    io,
                    pid,
                    size,
                    input,
                    exit,
                },
                fds,
            ) => match found_session(io, size, input, fds) {
                Ok((ends, log)) => found.push((id, service, pid, ends, log, exit)),
                Err(error) => tracing::error!(session = %id, %error, "adopting"),
            },
            (Event::Adopt, _) => break,
            (event, _) => {
                return Err(unexpected(&format!(
                    "{event:?} before everything was handed over"
                )));
            }
        }
    }
    let stages = Arc::new(Stages::new(page.as_fd(), pipes)?);
    let logs: HashMap<SessionId, Arc<Ring>> = found
        .iter()
        .map(|(id, .., log, _)| (*id, log.clone()))
        .collect();
    stages.recover(|id| logs.get(&id).cloned())?;
    let spawn = Supervised::new(hand.socket, stages)?;
    let orphans = found
        .into_iter()
        .map(|(id, service, pid, ends, log, exit)| Orphan {
            id,
            service,
            pid,
            ends,
            log,
            exit,
            spawn: spawn.clone(),
        });
    let orphans = orphans.collect();
    Ok(Adopted {
        spawn,
        config,
        epoch,
        vault,
        listeners,
        orphans,
    })
}

fn read_config(letter: OwnedFd) -> io::Result<String> {
    let bytes = reload::read(&letter.into())?;
    String::from_utf8(bytes).map_err(|_| unexpected("the configuration is no text"))
}

fn unexpected(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the supervisor's message: {what}"),
    )
}

struct Hand {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Hand {
    fn next(&mut self) -> io::Result<(Event, Vec<OwnedFd>)> {
        let (len, fds) = channel::receive(self.socket.as_fd(), &mut self.buffer)?;
        if len == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the supervisor is gone",
            ));
        }
        Ok((protocol::decode_event(&self.buffer[..len])?, fds))
    }
}

fn found_session(
    io: Io,
    size: Size,
    input: bool,
    fds: Vec<OwnedFd>,
) -> io::Result<(Ends, Arc<Ring>)> {
    let mut fds = fds.into_iter();
    let mut next = || {
        fds.next()
            .ok_or_else(|| unexpected("descriptors are missing"))
    };
    let log = Arc::new(Ring::open(next()?.as_fd(), size)?);
    let ends = match io {
        Io::Pty => Ends::Pty(next()?),
        Io::Pipe => {
            let stdin = if input { Some(next()?) } else { None };
            Ends::Pipe {
                stdin,
                stdout: next()?,
                stderr: next()?,
            }
        }
        Io::Handler => return Err(unexpected("a handler is no process")),
    };
    Ok((ends, log))
}

impl Supervised {
    fn new(socket: OwnedFd, stages: Arc<Stages>) -> io::Result<Arc<Self>> {
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
                // Out of descriptors: this one message is lost, and what it was about is told to be.
                Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    tracing::error!(%error, "out of descriptors?");
                    self.fail_all_waiting();
                    continue;
                }
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
            Event::Spawned { token, pid, io } => self.answer(token, Ok(Spawned { pid, io, fds })),
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

    /// It cannot be told which request a lost message answered: all that wait fail, and their programs are ended.
    fn fail_all_waiting(&self) {
        let waiting: Vec<Waiting> = self
            .waiting
            .lock()
            .drain()
            .map(|(_, waiting)| waiting)
            .collect();
        for Waiting { id, to } in waiting {
            let error = "its answer was lost: out of descriptors";
            let _ = to.send(Err(SpawnError::Supervisor(error.to_owned())));
            self.discard(id);
        }
    }

    /// Ends a program that nobody waits for any more.
    fn discard(&self, id: SessionId) {
        self.kill(id, ExitReason::Idle);
        self.forget(id);
    }

    fn exited(&self, id: SessionId, reason: ExitReason) {
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
        let Spawned { pid, io, fds } = from.await.map_err(gone)??;
        let running = found_session(io, size, true, fds)
            .and_then(|(ends, log)| self.run(id, service, pid, ends, log));
        running
            .inspect_err(|_| self.discard(id))
            .map_err(system("watching the program"))
    }

    fn run(
        &self,
        id: SessionId,
        service: String,
        pid: u32,
        ends: Ends,
        log: Arc<Ring>,
    ) -> io::Result<Running> {
        let io = if matches!(ends, Ends::Pty(_)) {
            Io::Pty
        } else {
            Io::Pipe
        };
        let parent: Arc<dyn Parent> = self.own.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        let program = Program::new(id, ends, log.clone(), self.stages.clone(), parent)?;
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

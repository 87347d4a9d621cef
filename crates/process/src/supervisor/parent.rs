//! The supervisor's loop: one thread, `poll`, no allocation that grows with traffic.

use super::channel;
use super::held::{Held, kill, send_held};
use super::protocol::{self, Event, MESSAGE_MAX, Request, VERSION};
use super::reload::Reload;
use super::restart::Backoff;
use super::signals::Signals;
use crate::boottime_ms;
use crate::launch::{self, Recipe};
use crate::local::reason;
use crate::stage::{self, StagePipe};
use crate::tree::{self, Snapshot};
use anywire_model::{ExitReason, SessionId, Size};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, Signal, WaitOptions, WaitStatus};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Bytes of the vault: what the root wants a new server to know of the old one's secrets.
pub(super) const VAULT_LEN: usize = 8192;
/// At most this often all processes are looked at.
const LOOK_MS: u64 = 25;
/// What a stopping server gets to finish with its clients.
const SERVER_GRACE_MS: u64 = 3_000;
/// How often orphans are looked for at the end: each look may find the children of the last one's.
const SWEEPS: usize = 40;
/// Requests handled before timers and signals get their turn.
const REQUESTS: usize = 64;

/// What the supervisor is to keep running.
#[derive(Debug)]
pub struct Plan {
    /// The services that a server may ask for.
    pub services: BTreeMap<String, Recipe>,
    /// Handed to every server as it is.
    pub config: String,
    /// Bound and listening sockets with the root's names for them.
    pub listeners: Vec<(String, OwnedFd)>,
    /// Arguments with which this executable becomes a server.
    pub server: Vec<OsString>,
    /// Arguments with which it writes [`super::Rules`] to its standard output, for SIGHUP; empty if there is nothing to
    /// read again, and SIGHUP stops.
    pub reload: Vec<OsString>,
    /// How many workers the server has: one staging pipe for each.
    pub workers: usize,
}

/// Runs until it is told to stop (SIGTERM, SIGINT, or by the server) and everything has ended.
///
/// # Errors
/// When the first server cannot be started, or the kernel refuses what the loop needs.
pub fn run(plan: Plan) -> io::Result<()> {
    Parent::new(plan)?.run()
}

struct Parent {
    plan: Plan,
    signals: Signals,
    reload: Reload,
    vault: OwnedFd,
    page: OwnedFd,
    stages: Vec<StagePipe>,
    /// The limit on descriptors that programs get: the one that this process was started with.
    files: Option<Rlimit>,
    sessions: HashMap<SessionId, Held>,
    leaders: HashMap<i32, SessionId>,
    server: Option<Server>,
    epoch: u64,
    backoff: Backoff,
    restart_at: Option<u64>,
    look_at: Option<u64>,
    stop: Option<Stop>,
    buffer: Vec<u8>,
}

struct Server {
    pid: i32,
    socket: OwnedFd,
    started_ms: u64,
    ready: bool,
    outbox: VecDeque<Outgoing>,
}

/// What waits to be sent; descriptors are looked up when it goes.
enum Outgoing {
    Hello,
    Config,
    Stage(usize),
    Listener(usize),
    Session(SessionId),
    Spawned { token: u64, id: SessionId },
    Plain(Event),
}

#[derive(Clone, Copy)]
struct Stop {
    /// When the server is ended, ready or not.
    server_at: Option<u64>,
    urgent: bool,
}

impl Parent {
    fn new(plan: Plan) -> io::Result<Self> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let workers = plan.workers.max(1);
        Ok(Self {
            signals: Signals::new()?,
            reload: Reload::new(plan.reload.clone(), &plan.config)?,
            vault: crate::memory::create("anywire-vault", VAULT_LEN)?,
            page: stage::create_page(workers)?,
            stages: (0..workers)
                .map(|_| StagePipe::new())
                .collect::<io::Result<_>>()?,
            files: raise_files(),
            sessions: HashMap::new(),
            leaders: HashMap::new(),
            server: None,
            epoch: 0,
            backoff: Backoff::default(),
            restart_at: None,
            look_at: None,
            stop: None,
            buffer: vec![0; MESSAGE_MAX],
            plan,
        })
    }

    fn run(mut self) -> io::Result<()> {
        self.start_server()?;
        while !self.is_done() {
            self.wait()?;
            // First, so that what a server said before it died still counts.
            self.requests();
            if Signals::take(&self.signals.children) {
                self.reap();
            }
            if Signals::take(&self.signals.ends) {
                self.stop();
            }
            if Signals::take(&self.signals.reloads) {
                self.hang_up();
            }
            self.timers()?;
            self.flush();
        }
        self.end_strays();
        tracing::info!("stopped");
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.stop.is_some()
            && self.server.is_none()
            && self.sessions.values().all(|held| held.ladder.is_none())
    }

    /// Sleeps until something can be done.
    fn wait(&self) -> io::Result<()> {
        let mut fds = vec![
            PollFd::new(&self.signals.children, PollFlags::IN),
            PollFd::new(&self.signals.ends, PollFlags::IN),
            PollFd::new(&self.signals.reloads, PollFlags::IN),
        ];
        if let Some(server) = &self.server {
            // Requests wait while answers cannot be sent: that bounds what lies here.
            let flags = if server.outbox.is_empty() {
                PollFlags::IN
            } else {
                PollFlags::OUT
            };
            fds.push(PollFd::new(&server.socket, flags));
        }
        let timeout = self
            .next_timer()
            .map(|at| at.saturating_sub(boottime_ms()))
            .map(|ms| Timespec {
                tv_sec: (ms / 1000).cast_signed(),
                tv_nsec: (ms % 1000 * 1_000_000).cast_signed(),
            });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends whatever sessions have left without a trace: orphans are our children.
    fn end_strays(&mut self) {
        for _ in 0..SWEEPS {
            let strays = tree::strays(|_| false);
            if strays.is_empty() {
                return;
            }
            strays.into_iter().for_each(|pid| kill(pid, Signal::KILL));
            std::thread::sleep(std::time::Duration::from_millis(LOOK_MS));
            self.reap();
        }
    }

    fn next_timer(&self) -> Option<u64> {
        let ladders = self
            .sessions
            .values()
            .filter_map(|held| held.ladder.as_ref())
            .map(crate::ladder::Ladder::due_ms);
        let stop = self.stop.and_then(|stop| stop.server_at);
        ladders
            .chain(self.restart_at)
            .chain(self.look_at)
            .chain(self.reload.due_ms())
            .chain(stop)
            .min()
    }

    fn timers(&mut self) -> io::Result<()> {
        let now = boottime_ms();
        if self.restart_at.is_some_and(|at| at <= now) {
            self.restart_at = None;
            if let Err(error) = self.start_server() {
                // Descriptors or processes are used up, perhaps by the very sessions that must be kept: later.
                let wait = self.backoff.after(0, false).max(LOOK_MS);
                tracing::error!(%error, wait_ms = wait, "starting a server");
                self.restart_at = Some(now + wait);
            }
        }
        self.reload.advance(now);
        self.turn_ladders(now);
        self.advance_stop(now);
        Ok(())
    }

    fn turn_ladders(&mut self, now: u64) {
        let look = self.look_at.is_some_and(|at| at <= now);
        let due = self
            .sessions
            .values()
            .any(|held| held.ladder.as_ref().is_some_and(|l| l.due_ms() <= now));
        if !look && !due {
            return;
        }
        self.look_at = None;
        let snapshot = Snapshot::take();
        self.sessions
            .values_mut()
            .for_each(|held| held.turn(now, &snapshot));
        self.sessions.retain(|_, held| !held.is_over());
    }

    // The server.

    fn start_server(&mut self) -> io::Result<()> {
        if self.stop.is_some() {
            return Ok(());
        }
        let (ours, theirs) = channel::pair()?;
        let mut command = Command::new("/proc/self/exe");
        // A group of its own: Ctrl-C in the operator's terminal is for the supervisor.
        command
            .args(&self.plan.server)
            .stdin(Stdio::from(theirs))
            .process_group(0);
        let child = command.spawn()?;
        self.epoch += 1;
        let mut outbox = VecDeque::from([Outgoing::Hello]);
        outbox.extend((0..self.stages.len()).map(Outgoing::Stage));
        outbox.extend((0..self.plan.listeners.len()).map(Outgoing::Listener));
        for held in self.sessions.values_mut() {
            held.exit_told = held.exit.is_some();
            outbox.push_back(Outgoing::Session(held.id));
        }
        outbox.push_back(Outgoing::Plain(Event::Adopt));
        let pid = child.id().cast_signed();
        tracing::debug!(
            pid,
            epoch = self.epoch,
            sessions = self.sessions.len(),
            "server started"
        );
        self.server = Some(Server {
            pid,
            socket: ours,
            started_ms: boottime_ms(),
            ready: false,
            outbox,
        });
        self.flush();
        Ok(())
    }

    fn server_ended(&mut self, server: &Server, status: WaitStatus) {
        let how = reason(Some(status), None);
        if self.stop.is_some() {
            return;
        }
        let now = boottime_ms();
        let (lived, served) = (now - server.started_ms, server.ready);
        let wait = self.backoff.after(lived, served);
        tracing::warn!(pid = server.pid, %how, lived_ms = lived, served, wait_ms = wait, "the server ended, starting another");
        self.restart_at = Some(now + wait);
    }

    /// Sends what waits, as far as the server reads.
    fn flush(&mut self) {
        let Some(server) = &mut self.server else {
            return;
        };
        for held in self.sessions.values_mut().filter(|held| !held.exit_told) {
            if let Some(reason) = &held.exit {
                held.exit_told = true;
                let event = Event::Exit {
                    id: held.id,
                    reason: reason.clone(),
                };
                server.outbox.push_back(Outgoing::Plain(event));
            }
        }
        while let Some(next) = server.outbox.pop_front() {
            let sent = match &next {
                Outgoing::Hello => {
                    let (version, epoch) = (VERSION, self.epoch);
                    let hello = Event::Hello { version, epoch };
                    let fds = [self.vault.as_fd(), self.page.as_fd(), self.reload.config()];
                    channel::send(server.socket.as_fd(), &hello, &fds)
                }
                Outgoing::Config => {
                    let fds = [self.reload.config()];
                    channel::send(server.socket.as_fd(), &Event::Config, &fds)
                }
                Outgoing::Stage(index) => {
                    let StagePipe { read, write } = &self.stages[*index];
                    channel::send(
                        server.socket.as_fd(),
                        &Event::Stage,
                        &[read.as_fd(), write.as_fd()],
                    )
                }
                Outgoing::Listener(index) => {
                    let (name, socket) = &self.plan.listeners[*index];
                    let event = Event::Listener { name: name.clone() };
                    channel::send(server.socket.as_fd(), &event, &[socket.as_fd()])
                }
                Outgoing::Session(id) => {
                    send_held(server.socket.as_fd(), self.sessions.get(id), Held::as_event)
                }
                Outgoing::Spawned { token, id } => {
                    send_held(server.socket.as_fd(), self.sessions.get(id), |held| {
                        Event::Spawned {
                            token: *token,
                            pid: held.leader.cast_unsigned(),
                            io: held.io(),
                        }
                    })
                }
                Outgoing::Plain(event) => channel::send(server.socket.as_fd(), event, &[]),
            };
            match sent {
                Ok(()) => {}
                // Also when too many descriptors are on their way (ETOOMANYREFS): they arrive, then it goes on.
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock
                        || error.raw_os_error() == Some(109) =>
                {
                    server.outbox.push_front(next);
                    return;
                }
                // It is dying; the next one gets everything anew.
                Err(error) => {
                    tracing::debug!(%error, "talking to the server");
                    server.outbox.clear();
                    return;
                }
            }
        }
    }

    fn requests(&mut self) {
        for _ in 0..REQUESTS {
            let Some(server) = self
                .server
                .as_ref()
                .filter(|server| server.outbox.is_empty())
            else {
                return;
            };
            let message = match channel::receive(server.socket.as_fd(), &mut self.buffer) {
                Ok((0, _)) => return,
                Ok((len, _)) => protocol::decode_request(&self.buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    Err(serde::de::Error::custom(error))
                }
                // It died with messages unread. What it said before that follows.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
                // Nothing there, or gone: its end is told by SIGCHLD.
                Err(_) => return,
            };
            match message {
                Ok(request) => self.handle(request),
                Err(error) => {
                    tracing::error!(%error, "the server does not speak our protocol, ending it");
                    kill(server.pid, Signal::KILL);
                    return;
                }
            }
            self.flush();
        }
    }

    fn handle(&mut self, request: Request) {
        let now = boottime_ms();
        match request {
            Request::Ready => {
                if let Some(server) = &mut self.server {
                    server.ready = true;
                }
            }
            Request::Spawn {
                token,
                id,
                service,
                size,
            } => self.spawn(token, id, service, size),
            Request::Kill { id, reason } => {
                if let Some(held) = self
                    .sessions
                    .get_mut(&id)
                    .filter(|held| held.exit.is_none())
                {
                    held.kill(reason, now);
                }
            }
            Request::Signal { id, signal } => {
                if let Some(held) = self.sessions.get(&id) {
                    held.signal(signal);
                }
            }
            Request::CloseInput { id } => {
                if let Some(held) = self.sessions.get_mut(&id) {
                    held.close_input();
                }
            }
            Request::Forget { id } => {
                if let Some(held) = self.sessions.get_mut(&id) {
                    held.forgotten = true;
                    if held.is_over() {
                        self.sessions.remove(&id);
                    }
                }
            }
            Request::Stop => self.stop(),
        }
    }

    fn spawn(&mut self, token: u64, id: SessionId, service: String, size: Size) {
        let outgoing = match self.try_spawn(id, service, size) {
            Ok(()) => Outgoing::Spawned { token, id },
            Err(error) => Outgoing::Plain(Event::SpawnFailed { token, error }),
        };
        if let Some(server) = &mut self.server {
            server.outbox.push_back(outgoing);
        }
    }

    fn try_spawn(&mut self, id: SessionId, service: String, size: Size) -> Result<(), String> {
        if self.stop.is_some() {
            return Err("the supervisor is stopping".to_owned());
        }
        if self.sessions.contains_key(&id) {
            return Err("an id is never used twice".to_owned());
        }
        let recipe = self
            .plan
            .services
            .get(&service)
            .ok_or_else(|| format!("no service is called {service:?}"))?;
        let log = crate::ring::create_memory(recipe.ring_len)
            .map_err(|error| format!("making the log: {error}"))?;
        let launched =
            launch::launch(recipe, id, size, self.files).map_err(|error| error.to_string())?;
        let leader = launched.pid.as_raw_nonzero().get();
        self.leaders.insert(leader, id);
        self.sessions.insert(
            id,
            Held::new(id, service, size, recipe, leader, log, launched.ends),
        );
        Ok(())
    }

    // Ends.

    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get();
            if let Some(server) = self.server.take_if(|server| server.pid == pid) {
                self.server_ended(&server, status);
            } else if let Some(id) = self.leaders.remove(&pid) {
                self.leader_ended(id, status);
            } else if let Some(services) = self.reload.ended(pid, status, boottime_ms()) {
                self.plan.services = services;
                if let Some(server) = &mut self.server {
                    server.outbox.push_back(Outgoing::Config);
                }
            }
        }
        if self.sessions.values().any(|held| held.ladder.is_some()) {
            self.look_at.get_or_insert(boottime_ms() + LOOK_MS);
        }
    }

    fn leader_ended(&mut self, id: SessionId, status: WaitStatus) {
        let leaders = &self.leaders;
        let server = self.server.as_ref().map(|server| server.pid);
        let Some(held) = self.sessions.get_mut(&id) else {
            return;
        };
        held.exit = Some(reason(Some(status), held.kill.take()));
        // What it left behind ends too. Orphans are our children now, so no search is needed to see that there are none.
        let strays = tree::strays(|pid| leaders.contains_key(&pid) || Some(pid) == server);
        let leader = held.leader;
        if strays
            .into_iter()
            .any(|pid| tree::session_of(pid) == Some(leader) || tree::carries(pid, id))
        {
            held.clean_up(boottime_ms());
        }
    }

    /// SIGHUP: what can be read again is.
    fn hang_up(&mut self) {
        if !self.reload.is_possible() {
            self.stop();
        } else if self.stop.is_none() {
            self.reload.start(boottime_ms());
        }
    }

    fn stop(&mut self) {
        let now = boottime_ms();
        let again = self.stop.is_some();
        let server_at = self.stop.and_then(|stop| stop.server_at);
        self.stop = Some(Stop {
            server_at,
            urgent: again,
        });
        for held in self
            .sessions
            .values_mut()
            .filter(|held| held.exit.is_none() || held.ladder.is_some())
        {
            held.kill(
                ExitReason::KilledBy {
                    by: "shutdown".to_owned(),
                },
                now,
            );
            if again && let Some(ladder) = &mut held.ladder {
                ladder.hurry(now);
            }
        }
        if !again {
            tracing::info!(sessions = self.sessions.len(), "stopping");
            if let Some(server) = &mut self.server {
                server.outbox.push_back(Outgoing::Plain(Event::Stop));
            }
        }
    }

    /// When all programs have ended the server gets a moment for its clients, then it is ended.
    fn advance_stop(&mut self, now: u64) {
        let Some(stop) = &mut self.stop else { return };
        let alive = self.sessions.values().any(|held| held.exit.is_none());
        let Some(server) = self.server.as_ref() else {
            return;
        };
        match stop.server_at {
            None if !alive || stop.urgent => stop.server_at = Some(now + SERVER_GRACE_MS),
            Some(at) if at <= now => {
                kill(server.pid, Signal::KILL);
                stop.server_at = Some(now + SERVER_GRACE_MS);
            }
            _ => {}
        }
    }
}

/// Raises this process's soft limit on descriptors to the hard one; returns what programs are to get.
fn raise_files() -> Option<Rlimit> {
    let old = rustix::process::getrlimit(Resource::Nofile);
    let new = Rlimit {
        current: old.maximum,
        maximum: old.maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, new)
        .ok()
        .map(|()| old)
}

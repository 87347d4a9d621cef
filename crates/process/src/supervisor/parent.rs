//! The supervisor's loop: one thread, `poll`, no allocation that grows with traffic. Below it: what it is asked for
//! (`requests`), what it says (`outbox`), how everything ends (`ends`).

mod ends;
mod outbox;
mod requests;

use super::channel;
use super::held::{Held, kill};
use super::protocol::{Event, MESSAGE_MAX};
use super::reload::Reload;
use super::restart::Backoff;
use super::signals::Signals;
use crate::boottime_ms;
use crate::launch::{Launcher, Recipe};
use crate::local::reason;
use crate::stage::{self, StagePipe};
use crate::tree::{self, Snapshot};
use anywire_model::SessionId;
use outbox::Outgoing;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, Signal, WaitStatus};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Bytes of the vault: what the root wants a new server to know of the old one's secrets.
pub(super) const VAULT_LEN: usize = 16384;
/// At most this often all processes are looked at.
const LOOK_MS: u64 = 25;
/// How often orphans are looked for at the end: each look may find the children of the last one's.
const SWEEPS: usize = 40;

/// What lists of processes call the children that are this executable: its path there says nothing.
pub(super) const NAME: &str = "anywire";

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
    launcher: Launcher,
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
        // Programs get the limit on descriptors that this process was started with.
        let launcher = Launcher::new(raise_files())?;
        Ok(Self {
            signals: Signals::new()?,
            reload: Reload::new(plan.reload.clone(), &plan.config)?,
            vault: crate::memory::create("anywire-vault", VAULT_LEN)?,
            page: stage::create_page(workers)?,
            stages: (0..workers)
                .map(|_| StagePipe::new())
                .collect::<io::Result<_>>()?,
            launcher,
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

    fn start_server(&mut self) -> io::Result<()> {
        if self.stop.is_some() {
            return Ok(());
        }
        let (ours, theirs) = channel::pair()?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0(NAME);
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

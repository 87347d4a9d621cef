//! Programs as children of this process: for tests, for library use, and where no supervisor runs. They end with it.

use crate::drive::{Parent, Program};
use crate::ladder::{Ladder, Turn};
use crate::launch::{Ends, Launcher, Recipe, SpawnError};
use crate::ring::{self, Ring};
use crate::running::{Order, Running, Spawn, Spawning};
use crate::stage::Stages;
use crate::tree::Snapshot;
use anywire_model::{ExitReason, Io, SessionId, Signal};
use parking_lot::Mutex;
use rustix::process::{Pid, PidfdFlags, WaitOptions};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinSet;

/// Starts programs in this process. Dropping it ends its tasks; programs then see a hang-up.
#[derive(Debug, Clone)]
pub struct Local(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    services: BTreeMap<String, Recipe>,
    stages: Arc<Stages>,
    children: Mutex<HashMap<SessionId, Kid>>,
    /// The drivers and waiters of all programs.
    tasks: Mutex<JoinSet<()>>,
    own: Weak<Inner>,
}

#[derive(Debug, Clone)]
struct Kid {
    pid: i32,
    killed_by: Option<ExitReason>,
}

impl Local {
    /// A spawner for these services.
    ///
    /// # Errors
    /// When the kernel gives no pipe or memory for the stage.
    pub fn new(services: BTreeMap<String, Recipe>) -> io::Result<Self> {
        let stages = Arc::new(Stages::private(
            std::thread::available_parallelism().map_or(2, usize::from),
        )?);
        Ok(Self(Arc::new_cyclic(|own| Inner {
            services,
            stages,
            children: Mutex::default(),
            tasks: Mutex::default(),
            own: own.clone(),
        })))
    }

    fn start(&self, order: &Order) -> Result<Running, SpawnError> {
        let recipe = self.0.services.get(&order.service);
        let recipe = recipe.ok_or_else(|| SpawnError::NoService(order.service.clone()))?;
        let system = |doing| move |error: io::Error| SpawnError::System { doing, error };
        let memory = ring::create_memory(recipe.ring_len).map_err(system("making the log"))?;
        let log =
            Arc::new(Ring::open(memory.as_fd(), order.size).map_err(system("mapping the log"))?);
        let launched = Launcher::default().launch(recipe, order.id, order.size)?;
        let pid = launched.pid.as_raw_nonzero().get();
        let is_pty = matches!(launched.ends, Ends::Pty(_));
        let io = if is_pty { Io::Pty } else { Io::Pipe };
        let program = Program::new(
            order.id,
            launched.ends,
            log.clone(),
            self.0.stages.clone(),
            self.0.clone(),
            Duration::from_millis(recipe.linger_ms),
        )
        .map_err(system("watching the program"))?;
        let pidfd = pidfd(pid).map_err(system("watching the program"))?;
        self.0.children.lock().insert(
            order.id,
            Kid {
                pid,
                killed_by: None,
            },
        );
        let mut tasks = self.0.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(program.clone().drive());
        tasks.spawn(wait(
            self.0.own.clone(),
            order.id,
            pid,
            pidfd,
            program.clone(),
        ));
        let pid = Some(pid.cast_unsigned());
        Ok(Running {
            id: order.id,
            service: order.service.clone(),
            io,
            pid,
            log,
            control: program,
        })
    }
}

impl Spawn for Local {
    fn spawn(&self, order: Order) -> Spawning<'_> {
        Box::pin(std::future::ready(self.start(&order)))
    }
}

fn pidfd(pid: i32) -> io::Result<AsyncFd<OwnedFd>> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    crate::fds::watch(
        rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)?,
        Interest::READABLE,
    )
}

/// Waits for the end of one child and tells its program.
async fn wait(
    inner: Weak<Inner>,
    id: SessionId,
    pid: i32,
    pidfd: AsyncFd<OwnedFd>,
    program: Arc<Program>,
) {
    let _ = pidfd.readable().await;
    let status = Pid::from_raw(pid)
        .and_then(|pid| rustix::process::waitpid(Some(pid), WaitOptions::NOHANG).ok()?);
    let Some(inner) = inner.upgrade() else { return };
    let killed_by = inner
        .children
        .lock()
        .remove(&id)
        .and_then(|kid| kid.killed_by);
    program.exited(reason(status.map(|(_, status)| status), killed_by));
}

/// The one reason for an end: whoever asked for it comes before how it happened.
pub(crate) fn reason(
    status: Option<rustix::process::WaitStatus>,
    killed_by: Option<ExitReason>,
) -> ExitReason {
    match (killed_by, status) {
        (Some(reason), _) => reason,
        (None, Some(status)) => match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => ExitReason::Code { code },
            (None, Some(signal)) => ExitReason::Signal { signal },
            (None, None) => ExitReason::ServerLost,
        },
        (None, None) => ExitReason::ServerLost,
    }
}

impl Parent for Inner {
    fn kill(&self, id: SessionId, reason: ExitReason) {
        let leader = {
            let mut children = self.children.lock();
            let Some(kid) = children.get_mut(&id) else {
                return;
            };
            if kid.killed_by.is_some() {
                return;
            }
            kid.killed_by = Some(reason);
            kid.pid
        };
        let grace_ms = self
            .services
            .values()
            .next()
            .map_or(5000, |recipe| recipe.grace_ms);
        self.tasks.lock().spawn(async move {
            let mut ladder = Ladder::new(crate::boottime_ms(), grace_ms);
            loop {
                let now = crate::boottime_ms();
                match ladder.turn(now, &Snapshot::take(), id, leader, None) {
                    Turn::Empty => return,
                    Turn::Until(due) => {
                        tokio::time::sleep(Duration::from_millis((due - now).clamp(5, 50))).await;
                    }
                }
            }
        });
    }

    fn signal(&self, id: SessionId, signal: Signal) {
        let Some(pid) = self
            .children
            .lock()
            .get(&id)
            .and_then(|kid| Pid::from_raw(kid.pid))
        else {
            return;
        };
        let _ = rustix::process::kill_process_group(pid, number(signal));
    }

    fn close_input(&self, _id: SessionId) {}

    fn forget(&self, _id: SessionId) {}
}

/// The kernel's name for a signal of ours.
pub(crate) fn number(signal: Signal) -> rustix::process::Signal {
    use rustix::process::Signal as Kernel;
    match signal {
        Signal::Hup => Kernel::HUP,
        Signal::Int => Kernel::INT,
        Signal::Quit => Kernel::QUIT,
        Signal::Term => Kernel::TERM,
        Signal::Kill => Kernel::KILL,
        Signal::Usr1 => Kernel::USR1,
        Signal::Usr2 => Kernel::USR2,
        Signal::Stop => Kernel::STOP,
        Signal::Cont => Kernel::CONT,
    }
}

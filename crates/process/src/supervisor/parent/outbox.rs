//! What the supervisor says to its server: kept in order until the server reads it.

use super::Parent;
use crate::stage::StagePipe;
use crate::supervisor::channel;
use crate::supervisor::held::{Held, send_held};
use crate::supervisor::protocol::{Event, VERSION};
use anywire_model::SessionId;
use rustix::io::Errno;
use std::io;
use std::os::fd::AsFd;

/// What waits to be sent; descriptors are looked up when it goes.
pub(super) enum Outgoing {
    Hello,
    Config,
    Stage(usize),
    Listener(usize),
    Session(SessionId),
    Spawned { token: u64, id: SessionId },
    Plain(Event),
}

impl Parent {
    /// Sends what waits, as far as the server reads.
    pub(super) fn flush(&mut self) {
        let Some(server) = &mut self.server else {
            return;
        };
        let untold = |held: &&mut Held| !held.exit_told && !held.forgotten;
        for held in self.sessions.values_mut().filter(untold) {
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
                            linger_ms: held.linger_ms,
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
                        || error.raw_os_error() == Some(Errno::TOOMANYREFS.raw_os_error()) =>
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
}

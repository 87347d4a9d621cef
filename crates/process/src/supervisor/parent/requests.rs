//! What the server asks of its supervisor.

use super::Parent;
use super::outbox::Outgoing;
use crate::boottime_ms;
use crate::supervisor::channel;
use crate::supervisor::held::{Held, kill};
use crate::supervisor::protocol::{self, Event, Request};
use anywire_model::{SessionId, Size};
use rustix::process::Signal;
use std::io;
use std::os::fd::AsFd;

/// Requests handled before timers and signals get their turn.
const REQUESTS: usize = 64;

impl Parent {
    pub(super) fn requests(&mut self) {
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
                // What has ended by itself by now was not killed.
                self.reap_leader(id);
                if let Some(held) = self
                    .sessions
                    .get_mut(&id)
                    // Also when only what it left behind lives on.
                    .filter(|held| held.exit.is_none() || held.ladder.is_some())
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
        let launched = self
            .launcher
            .launch(recipe, id, size)
            .map_err(|error| error.to_string())?;
        let leader = launched.pid.as_raw_nonzero().get();
        self.leaders.insert(leader, id);
        self.sessions.insert(
            id,
            Held::new(id, service, size, recipe, leader, log, launched.ends),
        );
        Ok(())
    }
}

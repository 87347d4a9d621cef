//! How programs, servers and the supervisor itself end.

use super::outbox::Outgoing;
use super::{LOOK_MS, Parent, Stop};
use crate::boottime_ms;
use crate::local::reason;
use crate::supervisor::held::kill;
use crate::supervisor::protocol::Event;
use crate::tree;
use anywire_model::{ExitReason, SessionId};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

/// What a stopping server gets to finish with its clients.
const SERVER_GRACE_MS: u64 = 3_000;

impl Parent {
    pub(super) fn reap(&mut self) {
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

    /// The same for one session's program alone: no more than a look whether it has ended.
    pub(super) fn reap_leader(&mut self, id: SessionId) {
        let held = self.sessions.get(&id).filter(|held| held.exit.is_none());
        let Some(leader) = held.map(|held| held.leader) else {
            return;
        };
        if let Ok(Some((_, status))) =
            rustix::process::waitpid(Pid::from_raw(leader), WaitOptions::NOHANG)
        {
            self.leaders.remove(&leader);
            self.leader_ended(id, status);
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
            held.clean_up_later(boottime_ms());
        }
    }

    /// SIGHUP: what can be read again is.
    pub(super) fn hang_up(&mut self) {
        if !self.reload.is_possible() {
            self.stop();
        } else if self.stop.is_none() {
            self.reload.start(boottime_ms());
        }
    }

    pub(super) fn stop(&mut self) {
        // What has ended by itself by now was not killed.
        self.reap();
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
    pub(super) fn advance_stop(&mut self, now: u64) {
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

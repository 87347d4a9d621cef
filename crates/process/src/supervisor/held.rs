//! What the supervisor keeps of one session: its process, its descriptors, and how it is to end.

use super::channel;
use super::protocol::Event;
use crate::ladder::{Ladder, Turn};
use crate::launch::{Ends, Recipe};
use crate::tree::Snapshot;
use anywire_model::{ExitReason, Io, SessionId, Signal, Size};
use rustix::process::Pid;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// One session.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: SessionId,
    pub(super) service: String,
    pub(super) size: Size,
    /// The program's process; a pid of ours until it is reaped.
    pub(super) leader: i32,
    pub(super) log: OwnedFd,
    pub(super) ends: Ends,
    pub(super) grace_ms: u64,
    pub(super) linger_ms: u64,
    /// Why it was asked to end.
    pub(super) kill: Option<ExitReason>,
    pub(super) ladder: Option<Ladder>,
    pub(super) exit: Option<ExitReason>,
    /// The present server knows how it ended.
    pub(super) exit_told: bool,
    /// No server needs it any more.
    pub(super) forgotten: bool,
}

impl Held {
    pub(super) fn new(
        id: SessionId,
        service: String,
        size: Size,
        recipe: &Recipe,
        leader: i32,
        log: OwnedFd,
        ends: Ends,
    ) -> Self {
        Self {
            id,
            service,
            size,
            leader,
            log,
            ends,
            grace_ms: recipe.grace_ms,
            linger_ms: recipe.linger_ms,
            kill: None,
            ladder: None,
            exit: None,
            exit_told: false,
            forgotten: false,
        }
    }

    pub(super) fn io(&self) -> Io {
        match self.ends {
            Ends::Pty(_) => Io::Pty,
            Ends::Pipe { .. } => Io::Pipe,
        }
    }

    /// The message that hands the session to a new server.
    pub(super) fn as_event(&self) -> Event {
        Event::Session {
            id: self.id,
            service: self.service.clone(),
            io: self.io(),
            pid: self.leader.cast_unsigned(),
            size: self.size,
            input: matches!(self.ends, Ends::Pipe { stdin: Some(_), .. }),
            linger_ms: self.linger_ms,
            exit: self.exit.clone(),
        }
    }

    /// The descriptors that go with it, the log first.
    pub(super) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = vec![self.log.as_fd()];
        match &self.ends {
            Ends::Pty(master) => fds.push(master.as_fd()),
            Ends::Pipe {
                stdin,
                stdout,
                stderr,
            } => {
                fds.extend(stdin.as_ref().map(AsFd::as_fd));
                fds.extend([stdout.as_fd(), stderr.as_fd()]);
            }
        }
        fds
    }

    /// Begins to end it. The first reason stands.
    pub(super) fn kill(&mut self, reason: ExitReason, now_ms: u64) {
        if self.exit.is_none() {
            self.kill.get_or_insert(reason);
        }
        self.clean_up(now_ms);
    }

    /// Ends whatever is left of it.
    fn clean_up(&mut self, now_ms: u64) {
        self.clean_up_at(now_ms);
        if let Some(ladder) = &mut self.ladder {
            ladder.begin(now_ms);
        }
    }

    /// Ends what the program has left behind when it ended. Who holds its pipes may have something to say first.
    pub(super) fn clean_up_later(&mut self, now_ms: u64) {
        let wait = match self.io() {
            Io::Pipe => self.linger_ms,
            _ => 0,
        };
        self.clean_up_at(now_ms.saturating_add(wait));
    }

    fn clean_up_at(&mut self, at_ms: u64) {
        self.ladder
            .get_or_insert_with(|| Ladder::new(at_ms, self.grace_ms));
    }

    /// Turns the ladder; when nothing is left it is put away.
    pub(super) fn turn(&mut self, now_ms: u64, snapshot: &Snapshot) {
        let foreground = self.foreground();
        let Some(ladder) = &mut self.ladder else {
            return;
        };
        if ladder.turn(now_ms, snapshot, self.id, self.leader, foreground) == Turn::Empty {
            self.ladder = None;
        }
    }

    /// The terminal's foreground group, if it can be told.
    fn foreground(&self) -> Option<Pid> {
        match &self.ends {
            Ends::Pty(master) if self.exit.is_none() => rustix::termios::tcgetpgrp(master).ok(),
            _ => None,
        }
    }

    /// Signals the foreground programs; without a terminal, the program's group.
    pub(super) fn signal(&self, signal: Signal) {
        let group = self
            .foreground()
            .or_else(|| Pid::from_raw(self.leader))
            .filter(|_| self.exit.is_none());
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, crate::local::number(signal));
        }
    }

    pub(super) fn close_input(&mut self) {
        if let Ends::Pipe { stdin, .. } = &mut self.ends {
            *stdin = None;
        }
    }

    /// Nothing of it is left and nobody will ask.
    pub(super) fn is_over(&self) -> bool {
        self.forgotten && self.exit.is_some() && self.ladder.is_none()
    }
}

/// Sends a message with the descriptors of a session.
pub(super) fn send_held(
    socket: BorrowedFd<'_>,
    held: Option<&Held>,
    event: impl FnOnce(&Held) -> Event,
) -> io::Result<()> {
    // Forgotten in the meantime: nothing to tell.
    held.map_or(Ok(()), |held| {
        channel::send(socket, &event(held), &held.fds())
    })
}

pub(super) fn kill(pid: i32, signal: rustix::process::Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

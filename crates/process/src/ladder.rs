//! The kill ladder: hang-up, termination (and hang-up again), kill, with grace between, for the whole tree of a session.
//!
//! A state machine without a clock of its own: the supervisor turns it in its poll loop, the in-process parent in a
//! task. The terminal stays open all the while, so what programs write on their way out is delivered.

use crate::tree::Snapshot;
use anywire_model::SessionId;
use rustix::process::{Pid, Signal};

/// How often to look while something is left after KILL.
const AGAIN_MS: u64 = 20;
/// How often KILL is tried: what is left then cannot be signalled by us, or hangs in the kernel.
const TRIES: u32 = 250;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rung {
    Hup,
    Term,
    Kill,
}

/// One session on its way out.
#[derive(Debug)]
pub(crate) struct Ladder {
    rung: Rung,
    due_ms: u64,
    grace_ms: u64,
    tries: u32,
}

/// What a turn of the ladder found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Something lives; turn again at this time at the latest.
    Until(u64),
    /// Nothing is left.
    Empty,
}

impl Ladder {
    /// One that begins at `at_ms`.
    pub(crate) fn new(at_ms: u64, grace_ms: u64) -> Self {
        Self {
            rung: Rung::Hup,
            due_ms: at_ms,
            grace_ms,
            tries: 0,
        }
    }

    /// If nobody was signalled yet, the next turn does.
    pub(crate) fn begin(&mut self, now_ms: u64) {
        if self.rung == Rung::Hup {
            self.due_ms = self.due_ms.min(now_ms);
        }
    }

    /// No more grace: the next turn kills.
    pub(crate) fn hurry(&mut self, now_ms: u64) {
        self.rung = Rung::Kill;
        self.due_ms = now_ms;
    }

    pub(crate) fn due_ms(&self) -> u64 {
        self.due_ms
    }

    /// Signals who is left, if it is time. `foreground` is the terminal's foreground group.
    pub(crate) fn turn(
        &mut self,
        now_ms: u64,
        snapshot: &Snapshot,
        id: SessionId,
        leader: i32,
        foreground: Option<Pid>,
    ) -> Turn {
        let members = snapshot.members(id, leader);
        if members.is_empty() {
            return Turn::Empty;
        }
        if self.tries >= TRIES {
            tracing::error!(session = %id, left = members.len(), "processes cannot be ended, giving up");
            return Turn::Empty;
        }
        if now_ms >= self.due_ms {
            self.tries += u32::from(self.rung == Rung::Kill);
            let (signals, next, wait): (&[Signal], _, _) = match self.rung {
                // Stopped programs could not act on a hang-up.
                Rung::Hup => (&[Signal::HUP, Signal::CONT], Rung::Term, self.grace_ms),
                // A shell that has just been started loses the first hang-up, and does not mind TERM.
                Rung::Term => (
                    &[Signal::HUP, Signal::TERM, Signal::CONT],
                    Rung::Kill,
                    self.grace_ms,
                ),
                Rung::Kill => (&[Signal::KILL], Rung::Kill, AGAIN_MS),
            };
            for signal in signals {
                if let Some(group) = foreground {
                    let _ = rustix::process::kill_process_group(group, *signal);
                }
                members.iter().for_each(|member| member.signal(*signal));
            }
            self.rung = next;
            self.due_ms = now_ms + wait;
        }
        Turn::Until(self.due_ms)
    }
}

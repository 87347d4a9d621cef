//! Which processes belong to a session, daemons included.
//!
//! A program can leave its process group (`setsid`) and its parent (a double fork). It stays findable by three traces:
//! its ancestors while they live, its terminal session, and the session id in the environment that it inherited. The
//! supervisor is a sub-reaper, so whatever loses its parent becomes the supervisor's child, never init's.

use crate::launch::SESSION_VARIABLE;
use anywire_model::SessionId;
use rustix::process::{Pid, PidfdFlags, Signal};
use std::collections::{HashMap, HashSet};
use std::fs;

#[derive(Clone, Copy, Debug)]
struct Process {
    parent: i32,
    session: i32,
    started: u64,
    zombie: bool,
}

/// All processes at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    processes: HashMap<i32, Process>,
    /// Sessions by the ids that possible strays carry.
    strays: HashMap<i32, SessionId>,
}

/// A process as it was seen: the pid may be another's by now, which [`Member::signal`] notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    pid: i32,
    started: u64,
}

impl Snapshot {
    /// Reads `/proc`: a few microseconds a process. Strays are looked for among what has lost its parent to us or to
    /// init.
    #[must_use]
    pub fn take() -> Self {
        let own = std::process::id().cast_signed();
        Self::with(|process| process.parent == own || process.parent == 1)
    }

    /// As [`Snapshot::take`], with strays looked for everywhere: for who is not where orphans go.
    #[must_use]
    pub fn take_everywhere() -> Self {
        Self::with(|_| true)
    }

    fn with(may_stray: impl Fn(&Process) -> bool) -> Self {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Self::default();
        };
        let own = std::process::id().cast_signed();
        let mut snapshot = Self::default();
        for entry in entries.flatten() {
            let pid = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<i32>().ok());
            let Some((pid, process)) = pid.and_then(|pid| Some((pid, read(pid)?))) else {
                continue;
            };
            if may_stray(&process)
                && pid != own
                && let Some(id) = session_id(pid)
            {
                snapshot.strays.insert(pid, id);
            }
            snapshot.processes.insert(pid, process);
        }
        snapshot
    }

    /// The living processes of a session: those of the terminal session that `leader` began, their descendants, and
    /// strays that carry its id.
    #[must_use]
    pub fn members(&self, id: SessionId, leader: i32) -> Vec<Member> {
        let in_session = self
            .processes
            .iter()
            .filter(|(_, process)| process.session == leader);
        let strays = self.strays.iter().filter(|(_, stray)| **stray == id);
        let mut found: HashSet<i32> = in_session
            .map(|(pid, _)| *pid)
            .chain(strays.map(|(pid, _)| *pid))
            .collect();
        let mut grown = true;
        while grown {
            let child =
                |(pid, p): &(&i32, &Process)| found.contains(&p.parent) && !found.contains(*pid);
            let children: Vec<i32> = self
                .processes
                .iter()
                .filter(child)
                .map(|(pid, _)| *pid)
                .collect();
            grown = !children.is_empty();
            found.extend(children);
        }
        let living = found
            .into_iter()
            .filter_map(|pid| Some((pid, self.processes.get(&pid)?)));
        living
            .filter(|(_, process)| !process.zombie)
            .map(|(pid, process)| Member {
                pid,
                started: process.started,
            })
            .collect()
    }
}

impl Member {
    /// Signals this very process; nothing if it is gone.
    pub fn signal(self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return;
        };
        // The descriptor pins the process, then it is compared with what was seen.
        let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        if read(self.pid).is_some_and(|process| process.started == self.started) {
            let _ = rustix::process::pidfd_send_signal(&pidfd, signal);
        }
    }
}

/// Children of this process that are none of `known`: what sessions left behind.
#[must_use]
pub fn strays(known: impl Fn(i32) -> bool) -> Vec<i32> {
    let own = std::process::id();
    let children =
        fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
    children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .filter(|pid| !known(*pid))
        .collect()
}

/// Whether a process inherited the session's id.
#[must_use]
pub fn carries(pid: i32, id: SessionId) -> bool {
    session_id(pid) == Some(id)
}

/// The session id that a process inherited.
fn session_id(pid: i32) -> Option<SessionId> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut entries = environment.split(|byte| *byte == 0);
    let value = entries.find_map(|entry| {
        entry
            .strip_prefix(SESSION_VARIABLE.as_bytes())?
            .strip_prefix(b"=")
    })?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The session (in the kernel's sense) of a process.
#[must_use]
pub fn session_of(pid: i32) -> Option<i32> {
    read(pid).map(|process| process.session)
}

fn read(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, so fields are counted from its closing parenthesis.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let zombie = matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(15)?.parse().ok()?;
    Some(Process {
        parent,
        session,
        started,
        zombie,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(condition: impl Fn() -> bool) {
        while !condition() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn sees_a_session_and_signals_no_successor() {
        let mut child = std::process::Command::new("setsid")
            .args(["sleep", "1000"])
            .spawn()
            .unwrap();
        let pid = child.id().cast_signed();
        until(|| session_of(pid) == Some(pid));
        let members = Snapshot::take().members(SessionId::random(), pid);
        assert_eq!(members.len(), 1);
        members[0].signal(Signal::KILL);
        child.wait().unwrap();
        // The pid is gone: the signal goes nowhere.
        members[0].signal(Signal::KILL);
        assert!(
            Snapshot::take()
                .members(SessionId::random(), pid)
                .is_empty()
        );
    }

    #[test]
    fn a_stray_is_known_by_its_environment() {
        let id = SessionId::random();
        let mut command = std::process::Command::new("sleep");
        let mut child = command
            .arg("1000")
            .env(SESSION_VARIABLE, id.to_string())
            .spawn()
            .unwrap();
        let pid = child.id().cast_signed();
        // The kernel lets the parent go on a moment before the new environment can be read.
        until(|| carries(pid, id));
        assert!(!carries(pid, SessionId::random()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

//! What is counted of all sessions since this server began. Read when somebody asks, added to when something happens
//! that is not an everyday matter: nothing here is on the way of a byte.

use crate::attach::Lag;
use anywire_model::ExitReason;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Kinds of [`ExitReason`], by the names that they have in JSON.
const EXITS: [&str; 9] = [
    "code",
    "signal",
    "oom",
    "cpu",
    "wall",
    "idle",
    "limit",
    "killed-by",
    "server-lost",
];
/// What happens to attachments that do not keep up.
const LAGS: [&str; 4] = ["resync", "drop", "disconnect", "unpaced"];

/// Counts of all sessions.
#[derive(Debug, Default)]
pub struct Counters {
    started: AtomicU64,
    adopted: AtomicU64,
    exits: [AtomicU64; EXITS.len()],
    lags: [AtomicU64; LAGS.len()],
}

impl Counters {
    /// Sessions that were started.
    #[must_use]
    pub fn sessions_started(&self) -> u64 {
        self.started.load(Relaxed)
    }

    /// Sessions that were taken over from an earlier server.
    #[must_use]
    pub fn sessions_adopted(&self) -> u64 {
        self.adopted.load(Relaxed)
    }

    /// Ends of sessions by the reason's kind.
    pub fn exits(&self) -> impl Iterator<Item = (&'static str, u64)> {
        read(EXITS, &self.exits)
    }

    /// What was done to attachments that fell behind: `resync` and `drop` by what their lag policy asked for,
    /// `disconnect`, and `unpaced` for a pacer that may no longer slow its program.
    pub fn lags(&self) -> impl Iterator<Item = (&'static str, u64)> {
        read(LAGS, &self.lags)
    }

    pub(crate) fn started(&self) {
        self.started.fetch_add(1, Relaxed);
    }

    pub(crate) fn adopted(&self) {
        self.adopted.fetch_add(1, Relaxed);
    }

    pub(crate) fn ended(&self, reason: &ExitReason) {
        let kind = match reason {
            ExitReason::Code { .. } => 0,
            ExitReason::Signal { .. } => 1,
            ExitReason::Oom => 2,
            ExitReason::Cpu => 3,
            ExitReason::Wall => 4,
            ExitReason::Idle => 5,
            ExitReason::Limit { .. } => 6,
            ExitReason::KilledBy { .. } => 7,
            ExitReason::ServerLost => 8,
        };
        self.exits[kind].fetch_add(1, Relaxed);
    }

    pub(crate) fn lagged(&self, lag: Lag) {
        let kind = match lag {
            Lag::Block | Lag::Resync => 0,
            Lag::Drop => 1,
            Lag::Disconnect => 2,
        };
        self.lags[kind].fetch_add(1, Relaxed);
    }

    pub(crate) fn unpaced(&self) {
        self.lags[3].fetch_add(1, Relaxed);
    }
}

fn read<'a, const N: usize>(
    names: [&'static str; N],
    counts: &'a [AtomicU64; N],
) -> impl Iterator<Item = (&'static str, u64)> + use<'a, N> {
    let counts = counts.iter().map(|count| count.load(Relaxed));
    names.into_iter().zip(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_reasons() {
        let reasons = [
            ExitReason::Code { code: 1 },
            ExitReason::Signal { signal: 9 },
            ExitReason::Oom,
            ExitReason::Cpu,
            ExitReason::Wall,
            ExitReason::Idle,
            ExitReason::Limit { what: "x".into() },
            ExitReason::KilledBy { by: "x".into() },
            ExitReason::ServerLost,
        ];
        for reason in reasons {
            let counters = Counters::default();
            counters.ended(&reason);
            let (name, _) = counters.exits().find(|(_, count)| *count == 1).unwrap();
            assert_eq!(serde_json::to_value(&reason).unwrap()["kind"], name);
        }
    }
}

//! Reasons: how sessions and attachments end. Every session ends with exactly one.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ExitReason {
    /// The program ended by itself with this code.
    Code {
        /// 0 to 255.
        code: i32,
    },
    /// A signal that anywire did not send ended the program.
    Signal {
        /// The signal's number.
        signal: i32,
    },
    /// It used more memory than it may.
    Oom,
    /// It used more processor time than it may.
    Cpu,
    /// It lived longer than it may.
    Wall,
    /// Nobody used it for as long as its service allows.
    Idle,
    /// It went beyond another limit.
    Limit {
        /// Which one.
        what: String,
    },
    /// Somebody ended it.
    KilledBy {
        /// Who: a principal's name.
        by: String,
    },
    /// The part of anywire that held it is gone.
    ServerLost,
}

impl ExitReason {
    /// The code for a command line: the program's own, 128 + signal, or 1.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::Code { code } => *code,
            Self::Signal { signal } => 128 + signal,
            _ => 1,
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code { code } => write!(f, "exited with code {code}"),
            Self::Signal { signal } => write!(f, "ended by signal {signal}"),
            Self::Oom => f.write_str("out of memory"),
            Self::Cpu => f.write_str("out of processor time"),
            Self::Wall => f.write_str("reached its maximum life"),
            Self::Idle => f.write_str("unused for too long"),
            Self::Limit { what } => write!(f, "over its limit: {what}"),
            Self::KilledBy { by } => write!(f, "killed by {by}"),
            Self::ServerLost => f.write_str("the server was lost"),
        }
    }
}

/// Why an attachment ended while its session may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The session ended, all of its output was delivered before.
    Exit(ExitReason),
    /// The client went.
    Detached,
    /// The server stops; the session may live on.
    Shutdown,
    /// The client was too slow for its lag policy.
    Lagged,
    /// The client broke its protocol.
    Protocol(String),
}

//! Roles: what a principal may do with a session.

use serde::{Deserialize, Serialize};

/// What an attachment may do. Each role may do all that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees output. Changes nothing: no input, no resize, no replies to terminal queries.
    Viewer,
    /// Types, resizes, signals.
    Writer,
    /// Kills and renames, and decides for the others.
    Owner,
}

impl Role {
    /// Whether input, resize and signals are allowed.
    #[must_use]
    pub fn may_write(self) -> bool {
        self >= Self::Writer
    }

    /// Whether killing and renaming are allowed.
    #[must_use]
    pub fn may_own(self) -> bool {
        self >= Self::Owner
    }
}

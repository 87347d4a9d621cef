//! How the sessions of a service live: how long, how large, and what becomes of slow viewers.

use crate::attach::Lag;
use std::time::Duration;

/// How long a client that counts its input may be away, whatever the service says.
const RESUME: Duration = Duration::from_secs(60);

/// How sessions of a service live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long a session lives that was attached and is not any more.
    pub ttl: Duration,
    /// How long it waits for its first attachment, also after a crash of the server.
    pub never_attached: Duration,
    /// How long it lives without input and output; without one for ever.
    pub idle: Option<Duration>,
    /// How long it lives at all; without one for ever.
    pub max_life: Option<Duration>,
    /// Whose window is the terminal's size.
    pub size: SizePolicy,
    /// What happens to attachments that do not keep up and may not slow the program.
    pub lag: Lag,
    /// The most sessions of this service that there may be.
    pub max_sessions: usize,
}

impl Policy {
    /// A policy with this `ttl`, else the defaults: a minute for the first attachment, no end by age or idleness.
    #[must_use]
    pub fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            never_attached: RESUME,
            idle: None,
            max_life: None,
            size: SizePolicy::default(),
            lag: Lag::Resync,
            max_sessions: usize::MAX,
        }
    }

    /// As `ttl`, for a session whose last client is able to come back.
    pub(crate) fn resumable_ttl(&self) -> Duration {
        self.ttl.max(RESUME)
    }
}

/// Whose window is the terminal's size. Viewers never have a say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SizePolicy {
    /// Of whoever came, resized or typed last.
    #[default]
    LastActive,
    /// As `LastActive`, of owners only.
    Owner,
    /// As large as every window has room for.
    Smallest,
    /// As large as the largest window.
    Largest,
    /// The first size stays.
    Fixed,
}

//! How the sessions of a service live: how long, how large, and what becomes of slow viewers.

use crate::attach::Lag;
use anywire_model::{Io, Role, Size};
use std::time::Duration;

/// How long a client that counts its input may be away, whatever the service says.
const RESUME: Duration = Duration::from_secs(60);

/// Attachments that one session may have unless its service says otherwise.
const ATTACHMENTS: usize = 256;
/// The most places of a session that viewers do not get.
const KEPT_FOR_WRITERS: usize = 16;

/// How sessions of a service live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What carries the bytes of its programs, for lists.
    pub io: Io,
    /// How long a session lives that was attached and is not any more.
    pub ttl: Duration,
    /// How long it waits for its first attachment.
    pub never_attached: Duration,
    /// How long it can be read once it has ended; without one a minute, and a moment after a client has heard of the end.
    pub keep_ended: Option<Duration>,
    /// How long it lives without input and output; without one for ever.
    pub idle: Option<Duration>,
    /// How long it lives at all; without one for ever.
    pub max_life: Option<Duration>,
    /// The terminal's size until a client says how large its window is.
    pub first_size: Size,
    /// Whose window is the terminal's size.
    pub size: SizePolicy,
    /// What happens to attachments that do not keep up and may not slow the program.
    pub lag: Lag,
    /// The most sessions of this service that there may be.
    pub max_sessions: usize,
    /// The most attachments that one of them may have.
    pub max_attachments: usize,
}

impl Policy {
    /// A policy with this `ttl`, else the defaults: a terminal, a minute for the first attachment, no end by age or idleness.
    #[must_use]
    pub fn new(ttl: Duration) -> Self {
        Self {
            io: Io::Pty,
            ttl,
            never_attached: RESUME,
            keep_ended: None,
            idle: None,
            max_life: None,
            first_size: Size::DEFAULT,
            size: SizePolicy::default(),
            lag: Lag::Resync,
            max_sessions: usize::MAX,
            max_attachments: ATTACHMENTS,
        }
    }

    /// Attachments that there may be when one of this role comes: some are kept for those who may write, so that an
    /// audience cannot lock them out of their own session.
    pub(crate) fn places(&self, role: Role) -> usize {
        let most = self.max_attachments;
        let kept = if role.may_write() { 0 } else { most / 8 };
        most - kept.min(KEPT_FOR_WRITERS)
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

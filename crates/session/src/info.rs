//! What a list shows of a session.

use anywire_model::{ExitReason, Io, Offset, SessionId, Size};

/// What a list shows of a session.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct SessionInfo {
    /// Its id.
    pub id: SessionId,
    /// Its name.
    pub name: String,
    /// The service that it was made from.
    pub service: String,
    /// What carries its bytes.
    pub io: Io,
    /// The terminal's size.
    pub size: Size,
    /// Output bytes so far.
    pub head: Offset,
    /// Age in milliseconds.
    pub age_ms: u64,
    /// Milliseconds since anything went in or out, to the second; counted anew by each server.
    #[serde(default)]
    pub idle_ms: u64,
    /// Process id of the program, if it has one.
    pub pid: Option<u32>,
    /// How many are attached.
    pub attachments: usize,
    /// How it ended, if it did.
    pub exit: Option<ExitReason>,
}

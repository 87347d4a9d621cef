//! Close frames: a code and a reason (RFC 6455 sections 5.5.1 and 7.4).

use super::{Error, MAX_CONTROL};

/// The close codes that we send ourselves; a dialect adds its own between 4000 and 4999.
#[derive(Debug)]
pub struct CloseCode;

impl CloseCode {
    /// All is done.
    pub const NORMAL: u16 = 1000;
    /// The server stops.
    pub const GOING_AWAY: u16 = 1001;
    /// The peer broke RFC 6455.
    pub const PROTOCOL: u16 = 1002;
    /// Text that is not UTF-8.
    pub const BAD_DATA: u16 = 1007;
    /// The peer broke a rule of ours.
    pub const POLICY: u16 = 1008;
    /// A message over the maximum.
    pub const TOO_LARGE: u16 = 1009;
    /// The server failed.
    pub const INTERNAL: u16 = 1011;
    /// Try again later.
    pub const TRY_AGAIN: u16 = 1013;
}

/// The payload of a close frame: the reason is cut at a character's border so that it fits.
#[must_use]
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(MAX_CONTROL - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    payload
}

/// The code and the reason of a close frame; `None` for an empty one.
pub(super) fn parse(payload: &[u8]) -> Result<Option<(u16, &str)>, Error> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(Error::Close)
        };
    };
    let code = u16::from_be_bytes(*code);
    // 1004 to 1006 and 1015 are reserved, never sent.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Error::Close);
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Error::Utf8)?;
    Ok(Some((code, reason)))
}

//! Notices that a program asks its terminal something.
//!
//! Known: device attributes, status and cursor reports, mode requests, version, keyboard flags, window reports,
//! parameter reports, colours, clipboard, DECRQSS, XTGETTCAP. A false alarm costs its user a little work, a query
//! that is missed leaves a program waiting; so doubtful ones count.

use super::{ESC, Seen, csi};
use crate::styled;

/// The longest beginning of a query that is remembered between two chunks.
const MAX_TAIL: usize = 32;

/// The scanner of one program's output.
#[derive(Clone, Debug, Default)]
pub struct QueryScanner {
    tail: [u8; MAX_TAIL],
    len: u8,
}

impl QueryScanner {
    /// A scanner at the start of output.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a query ends in `output`, seen together with the end of what came before.
    pub fn feed(&mut self, output: &[u8]) -> bool {
        let mut found = false;
        let mut rest = output;
        if self.len > 0 {
            // A query that began before: enough of the new bytes to finish it. Cut where those bytes begin another
            // sequence, which the second step sees whole.
            let len = usize::from(std::mem::take(&mut self.len));
            let mut joined = [0; 3 * MAX_TAIL];
            let more = output.len().min(2 * MAX_TAIL);
            joined[..len].copy_from_slice(&self.tail[..len]);
            joined[len..len + more].copy_from_slice(&output[..more]);
            match query(&joined[..len + more]) {
                Seen::Yes(used) => {
                    found = true;
                    rest = &output[used.saturating_sub(len).min(output.len())..];
                }
                Seen::Perhaps if more == output.len() && len + more <= MAX_TAIL => {
                    self.keep(&joined[..len + more]);
                    return false;
                }
                Seen::Perhaps | Seen::No => {}
            }
        }
        loop {
            rest = &rest[styled::run(rest)..];
            let seen = match rest.first() {
                None => return found,
                Some(&ESC) => query(rest),
                Some(_shift) => Seen::No,
            };
            match seen {
                Seen::Yes(used) => {
                    found = true;
                    rest = &rest[used..];
                }
                Seen::Perhaps if rest.len() <= MAX_TAIL => {
                    self.keep(rest);
                    return found;
                }
                Seen::Perhaps | Seen::No => rest = &rest[1..],
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.tail[..bytes.len()].copy_from_slice(bytes);
        self.len = bytes.len() as u8;
    }
}

/// Whether a query stands at the start of `bytes`, which begins with ESC.
fn query(bytes: &[u8]) -> Seen {
    let bytes = &bytes[..bytes.len().min(2 * MAX_TAIL)];
    match bytes.get(1) {
        None => Seen::Perhaps,
        Some(b'[') => match csi::parse(bytes) {
            Ok(Some(csi)) if asks(&csi) => Seen::Yes(csi.len),
            Ok(None) => Seen::Perhaps,
            _ => Seen::No,
        },
        // `OSC number ; ... ?`
        Some(b']') => {
            let body = &bytes[2..];
            let end = |byte: &u8| *byte == b'?' || *byte < 0x20;
            match body.iter().position(end) {
                Some(at) if body[at] == b'?' => Seen::Yes(2 + at + 1),
                Some(_) => Seen::No,
                None => Seen::Perhaps,
            }
        }
        // `DCS $ q`, `DCS + q`
        Some(b'P') => match (bytes.get(2), bytes.get(3)) {
            (Some(b'$' | b'+'), Some(b'q')) => Seen::Yes(4),
            (Some(b'$' | b'+'), None) | (None, _) => Seen::Perhaps,
            _ => Seen::No,
        },
        // `DECID`, the old form of device attributes.
        Some(b'Z') => Seen::Yes(2),
        Some(_) => Seen::No,
    }
}

fn asks(csi: &csi::Csi<'_>) -> bool {
    let first = csi.param(0);
    match (csi.private, csi.intermediate, csi.last) {
        (None | Some(b'>' | b'='), None, b'c') => first.unwrap_or(0) == 0,
        (None, None, b'n') => matches!(first, Some(5 | 6)),
        (Some(b'?'), None, b'n') => first.is_some(),
        (None | Some(b'?'), Some(b'$'), b'p') => true,
        (Some(b'>'), None, b'q') => first.unwrap_or(0) == 0,
        (Some(b'?'), None, b'u') => csi.count() == 0,
        (None, None, b't') => matches!(first, Some(11 | 13..=16 | 18..=21)),
        (None, None, b'x') => first.unwrap_or(0) <= 1,
        (Some(b'?'), None, b'S') => csi.param(1) == Some(1) || csi.param(1) == Some(4),
        _ => false,
    }
}

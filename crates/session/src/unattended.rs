//! Output that no attached terminal sees: somebody must answer what the program asks its terminal all the same.

use crate::session::{Inner, State};
use anywire_codec::query::QueryScanner;
use anywire_model::{Io, Offset};

/// Unattended output that is searched for queries at once; of a larger burst only the end counts.
const SCAN: usize = 64 << 10;

/// Output since `since` is seen by no terminal that answers queries; it was searched for them up to `scanned`.
#[derive(Debug)]
pub(crate) struct Unattended {
    pub(crate) since: Offset,
    scanned: Offset,
    scanner: QueryScanner,
}

impl Inner {
    /// Keeps track of whether anybody answers the program's queries to its terminal.
    pub(crate) fn attend(&self, state: &mut State) {
        if self.running.io != Io::Pty || state.seats.responder().is_some() {
            state.unattended = None;
        } else if state.unattended.is_none() {
            let head = self.log().head();
            state.unattended = Some(Box::new(Unattended {
                since: head,
                scanned: head,
                scanner: QueryScanner::new(),
            }));
        }
    }

    /// Searches new unattended output; whether there is a query in it.
    pub(crate) fn look_for_queries(&self, state: &mut State) -> bool {
        let Some(unattended) = &mut state.unattended else {
            return false;
        };
        let head = self.log().head();
        unattended.scanned = unattended.scanned.max(head.saturating_sub(SCAN as u64));
        let mut bytes = Vec::new();
        if self
            .log()
            .read(unattended.scanned, SCAN, &mut bytes)
            .is_err()
        {
            return false;
        }
        unattended.scanned += bytes.len() as u64;
        unattended.scanner.feed(&bytes)
    }
}

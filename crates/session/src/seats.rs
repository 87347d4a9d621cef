//! Who sits at a session, and who of them is what: *pacer* (the one that may slow the program), *sizer* (whose window
//! is the terminal's) and *responder* (who answers the program's questions to its terminal).

use crate::attach::Lag;
use anywire_model::{Offset, Role, Size};
use std::time::Duration;
use tokio::time::Instant;

/// Output that a pacer may have waiting before the program waits.
const PACE_WINDOW: u64 = 256 << 10;
/// A pacer that takes nothing for this long no longer slows the program.
const PACE_PATIENCE: Duration = Duration::from_secs(10);

/// One attachment as its session sees it.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) key: u64,
    pub(crate) role: Role,
    pub(crate) lag: Lag,
    pub(crate) answers: bool,
    pub(crate) size: Option<Size>,
    /// Output taken so far.
    pub(crate) cursor: Offset,
    /// Since when it has not taken output that was there, as far as anybody has looked.
    pub(crate) behind_since: Option<Instant>,
}

/// All attachments of a session, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    seats: Vec<Seat>,
    next_key: u64,
    pacer: Option<u64>,
    sizer: Option<u64>,
}

impl Seats {
    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    /// Seats somebody and returns the key; with a size from the newcomer if it is to be the terminal's.
    pub(crate) fn join(&mut self, mut seat: Seat) -> (u64, Option<Size>) {
        self.next_key += 1;
        let key = self.next_key;
        seat.key = key;
        let size = seat.size.filter(|_| seat.role.may_write());
        // Most sessions have one attachment: no room for three more that never come.
        self.seats.reserve_exact(1);
        self.seats.push(seat);
        if size.is_some() {
            self.sizer = Some(key);
        }
        (key, size)
    }

    /// Somebody leaves. Returns the size that the terminal has to take, if the sizer left.
    pub(crate) fn leave(&mut self, key: u64) -> Option<Size> {
        self.seats.retain(|seat| seat.key != key);
        self.seats.shrink_to(self.seats.len().max(1));
        if self.pacer == Some(key) {
            self.pacer = None;
        }
        if self.sizer != Some(key) {
            return None;
        }
        let heir = self
            .seats
            .iter()
            .rev()
            .find(|seat| seat.role.may_write() && seat.size.is_some());
        self.sizer = heir.map(|seat| seat.key);
        heir.and_then(|seat| seat.size)
    }

    pub(crate) fn get(&self, key: u64) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.key == key)
    }

    fn get_mut(&mut self, key: u64) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.key == key)
    }

    /// Somebody gave input: it paces now, and its window counts. Returns a size to take.
    pub(crate) fn typed(&mut self, key: u64) -> Option<Size> {
        self.pacer = Some(key);
        if self.sizer == Some(key) {
            return None;
        }
        let size = self.get(key)?.size?;
        self.sizer = Some(key);
        Some(size)
    }

    /// Somebody is back who gave input before: it paces again, unless somebody else has begun to.
    pub(crate) fn resume_pace(&mut self, key: u64) {
        self.pacer.get_or_insert(key);
    }

    /// Somebody's window changed. Returns a size to take.
    pub(crate) fn resized(&mut self, key: u64, size: Size) -> Option<Size> {
        let seat = self.get_mut(key)?;
        seat.size = Some(size);
        if !seat.role.may_write() {
            return None;
        }
        self.sizer = Some(key);
        Some(size)
    }

    /// Somebody took output up to `cursor`.
    pub(crate) fn took(&mut self, key: u64, cursor: Offset) {
        if let Some(seat) = self.get_mut(key) {
            seat.cursor = cursor;
            seat.behind_since = None;
        }
    }

    /// How far the program may write as far as the pacer is concerned.
    pub(crate) fn pace_limit(&self) -> Offset {
        match self.pacer.and_then(|key| self.get(key)) {
            Some(seat) if seat.lag == Lag::Block => seat.cursor.saturating_add(PACE_WINDOW),
            _ => Offset::MAX,
        }
    }

    /// A pacer that has not taken a byte for too long, though there were some, becomes a mere viewer of its lag.
    /// Returns whether that happened.
    pub(crate) fn lose_patience(&mut self, head: Offset) -> bool {
        let Some(seat) = self.pacer.and_then(|key| self.get_mut(key)) else {
            return false;
        };
        if seat.lag != Lag::Block || seat.cursor >= head {
            seat.behind_since = None;
            return false;
        }
        let since = seat.behind_since.get_or_insert_with(Instant::now);
        let stuck = since.elapsed() >= PACE_PATIENCE;
        if stuck {
            seat.lag = Lag::Resync;
        }
        stuck
    }

    /// How far the pacer has taken output, if this is the pacer and it may slow the program.
    pub(crate) fn pacer_cursor(&self, key: u64) -> Option<Offset> {
        let seat = self
            .get(key)
            .filter(|seat| self.pacer == Some(key) && seat.lag == Lag::Block)?;
        Some(seat.cursor)
    }

    pub(crate) fn lag(&self, key: u64) -> Lag {
        self.get(key).map_or(Lag::Resync, |seat| seat.lag)
    }

    /// Who answers terminal queries: the pacer if it can, else whoever came first and can.
    pub(crate) fn responder(&self) -> Option<u64> {
        let able = |seat: &&Seat| seat.answers && seat.role.may_write();
        let pacer = self.pacer.and_then(|key| self.get(key)).filter(able);
        pacer
            .or_else(|| self.seats.iter().find(able))
            .map(|seat| seat.key)
    }

    /// The oldest offset that somebody still has to take.
    pub(crate) fn slowest(&self) -> Option<Offset> {
        self.seats.iter().map(|seat| seat.cursor).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(role: Role, size: Option<Size>) -> Seat {
        Seat {
            key: 0,
            role,
            lag: Lag::Block,
            answers: true,
            size,
            cursor: 0,
            behind_since: None,
        }
    }

    const SMALL: Size = Size { cols: 40, rows: 10 };
    const LARGE: Size = Size {
        cols: 200,
        rows: 60,
    };

    #[test]
    fn the_last_to_type_paces_sizes_and_answers() {
        let mut seats = Seats::default();
        let (first, size) = seats.join(seat(Role::Writer, Some(SMALL)));
        assert_eq!(size, Some(SMALL));
        let (second, size) = seats.join(seat(Role::Writer, Some(LARGE)));
        assert_eq!(size, Some(LARGE));
        assert_eq!(seats.pace_limit(), Offset::MAX);
        assert_eq!(seats.responder(), Some(first));
        assert_eq!(seats.typed(first), Some(SMALL));
        assert_eq!(seats.typed(first), None);
        assert_eq!(seats.pace_limit(), PACE_WINDOW);
        assert_eq!(seats.typed(second), Some(LARGE));
        assert_eq!(seats.responder(), Some(second));
        assert_eq!(seats.leave(second), Some(SMALL));
        assert_eq!(seats.pace_limit(), Offset::MAX);
        assert_eq!(seats.leave(first), None);
        assert_eq!(seats.responder(), None);
    }

    #[test]
    fn a_viewer_is_none_of_them() {
        let mut seats = Seats::default();
        let (viewer, size) = seats.join(seat(Role::Viewer, Some(SMALL)));
        assert_eq!(size, None);
        assert_eq!(seats.resized(viewer, LARGE), None);
        assert_eq!(seats.responder(), None);
        assert_eq!(seats.slowest(), Some(0));
    }
}

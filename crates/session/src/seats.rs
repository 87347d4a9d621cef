//! Who sits at a session, and who of them is what: *pacer* (the one that may slow the program), *sizer* (whose window
//! is the terminal's) and *responder* (who answers the program's questions to its terminal).

use crate::attach::Lag;
use crate::policy::SizePolicy;
use anywire_model::{Offset, Role, Size};
use std::sync::Arc;
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
    pub(crate) principal: Arc<str>,
    pub(crate) role: Role,
    pub(crate) lag: Lag,
    pub(crate) answers: bool,
    pub(crate) size: Option<Size>,
    /// Output taken so far.
    pub(crate) cursor: Offset,
    /// Since when it has not taken output that was there, as far as anybody has looked.
    pub(crate) behind_since: Option<Instant>,
}

impl Seat {
    /// Whether this window has a say in the terminal's size.
    fn sizes(&self, policy: SizePolicy) -> bool {
        match policy {
            SizePolicy::Fixed => false,
            SizePolicy::Owner => self.role.may_own(),
            _ => self.role.may_write(),
        }
    }
}

/// All attachments of a session, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    seats: Vec<Seat>,
    next_key: u64,
    pacer: Option<u64>,
    sizer: Option<u64>,
    size_policy: SizePolicy,
    /// What becomes of a pacer that does not pace.
    lag: Lag,
}

impl Seats {
    pub(crate) fn new(size_policy: SizePolicy, lag: Lag) -> Self {
        Self {
            size_policy,
            lag,
            ..Self::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    /// Seats somebody and returns the key; with a size from the newcomer if it is to be the terminal's.
    pub(crate) fn join(&mut self, mut seat: Seat) -> (u64, Option<Size>) {
        self.next_key += 1;
        let key = self.next_key;
        seat.key = key;
        // Most sessions have one attachment: no room for three more that never come.
        self.seats.reserve_exact(1);
        self.seats.push(seat);
        (key, self.in_charge(key))
    }

    /// Somebody came, resized or typed. Returns the size that the terminal has to take.
    fn in_charge(&mut self, key: u64) -> Option<Size> {
        let policy = self.size_policy;
        let seat = self.get(key).filter(|seat| seat.sizes(policy))?;
        if seat.size.is_some() {
            self.sizer = Some(key);
        }
        self.size()
    }

    /// The size that the terminal has to take, if anybody has a say in it.
    fn size(&self) -> Option<Size> {
        let policy = self.size_policy;
        let sizes = self.seats.iter().filter(|seat| seat.sizes(policy));
        let sizes = sizes.filter_map(|seat| seat.size);
        let fold = |pick: fn(u16, u16) -> u16| {
            move |a: Size, b: Size| Size {
                cols: pick(a.cols, b.cols),
                rows: pick(a.rows, b.rows),
            }
        };
        match policy {
            SizePolicy::Smallest => sizes.reduce(fold(u16::min)),
            SizePolicy::Largest => sizes.reduce(fold(u16::max)),
            SizePolicy::Fixed => None,
            SizePolicy::LastActive | SizePolicy::Owner => self.get(self.sizer?)?.size,
        }
    }

    /// Somebody leaves. Returns the size that the terminal has to take, if the sizer left.
    pub(crate) fn leave(&mut self, key: u64) -> Option<Size> {
        self.seats.retain(|seat| seat.key != key);
        self.seats.shrink_to(self.seats.len().max(1));
        if self.pacer == Some(key) {
            self.pacer = None;
        }
        if self.sizer == Some(key) {
            let policy = self.size_policy;
            let mut heirs = self.seats.iter().rev();
            let heir = heirs.find(|seat| seat.sizes(policy) && seat.size.is_some());
            self.sizer = heir.map(|seat| seat.key);
        }
        self.size()
    }

    /// The name of who sits there.
    pub(crate) fn principal(&self, key: u64) -> String {
        self.get(key)
            .map_or_else(String::new, |seat| seat.principal.as_ref().to_owned())
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
        self.in_charge(key)
    }

    /// Somebody is back who gave input before: it paces again, unless somebody else has begun to.
    pub(crate) fn resume_pace(&mut self, key: u64) {
        self.pacer.get_or_insert(key);
    }

    /// Somebody's window changed. Returns a size to take.
    pub(crate) fn resized(&mut self, key: u64, size: Size) -> Option<Size> {
        self.get_mut(key)?.size = Some(size);
        self.in_charge(key)
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
        let lag = self.lag;
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
            seat.lag = lag;
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
            principal: "somebody".into(),
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

    #[test]
    fn whose_window_counts_is_a_policy() {
        let wide = Size { cols: 90, rows: 5 };
        let sizes = |policy, role| {
            let mut seats = Seats::new(policy, Lag::Resync);
            seats.join(seat(Role::Owner, Some(SMALL)));
            seats.join(seat(Role::Viewer, Some(LARGE)));
            let (last, size) = seats.join(seat(role, Some(wide)));
            (size, seats.leave(last))
        };
        use SizePolicy::{Fixed, Largest, LastActive, Owner, Smallest};
        assert_eq!(sizes(LastActive, Role::Writer), (Some(wide), Some(SMALL)));
        assert_eq!(sizes(Owner, Role::Writer), (None, Some(SMALL)));
        assert_eq!(sizes(Owner, Role::Owner), (Some(wide), Some(SMALL)));
        assert_eq!(sizes(Fixed, Role::Owner), (None, None));
        let both = |cols, rows| (Some(Size { cols, rows }), Some(SMALL));
        assert_eq!(sizes(Smallest, Role::Writer), both(40, 5));
        assert_eq!(sizes(Largest, Role::Writer), both(90, 10));
    }
}

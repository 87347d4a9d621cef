//! Which options are on: the Q method of RFC 1143, for each side of each option that is known.

use super::{DO, DONT, Kind, WILL, WONT};

/// The number of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u8);

impl Code {
    /// RFC 856.
    pub const BINARY: Self = Self(0);
    /// RFC 857.
    pub const ECHO: Self = Self(1);
    /// RFC 858.
    pub const SUPPRESS_GO_AHEAD: Self = Self(3);
    /// RFC 1091.
    pub const TERMINAL_TYPE: Self = Self(24);
    /// RFC 1073.
    pub const WINDOW_SIZE: Self = Self(31);
}

/// Who does what an option is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The server: it says WILL and WONT, the client DO and DONT.
    Us,
    /// The client.
    Him,
}

impl Side {
    /// Our word for it.
    pub(super) fn verb(self, positive: bool) -> u8 {
        match (self, positive) {
            (Self::Us, true) => WILL,
            (Self::Us, false) => WONT,
            (Self::Him, true) => DO,
            (Self::Him, false) => DONT,
        }
    }

    /// What the client's word is about, and whether it is for it.
    pub(super) fn heard(verb: u8) -> Option<(Self, bool)> {
        Some(match verb {
            WILL => (Self::Him, true),
            WONT => (Self::Him, false),
            DO => (Self::Us, true),
            DONT => (Self::Us, false),
            _ => return None,
        })
    }
}

/// An option that is known: who may turn it on, depending on what is behind the connection.
struct Known {
    code: Code,
    us: fn(Kind) -> bool,
    him: fn(Kind) -> bool,
}

const ALWAYS: fn(Kind) -> bool = |_| true;
const NEVER: fn(Kind) -> bool = |_| false;
/// Where each key counts, the server echoes. Where lines count, the client must not fall out of its line mode.
const TERMINAL: fn(Kind) -> bool = |kind| matches!(kind, Kind::Terminal);

/// All known options: a new one is a line here, and what its subnegotiation means.
const KNOWN: [Known; 5] = [
    known(Code::BINARY, ALWAYS, ALWAYS),
    known(Code::ECHO, TERMINAL, NEVER),
    known(Code::SUPPRESS_GO_AHEAD, TERMINAL, ALWAYS),
    known(Code::TERMINAL_TYPE, NEVER, ALWAYS),
    known(Code::WINDOW_SIZE, NEVER, ALWAYS),
];

const fn known(code: Code, us: fn(Kind) -> bool, him: fn(Kind) -> bool) -> Known {
    Known { code, us, him }
}

/// Where one side of an option stands (RFC 1143 section 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Q {
    #[default]
    No,
    Yes,
    /// We said no and wait for the answer.
    WantNo,
    /// As `WantNo`, and then we want yes after all.
    WantNoThenYes,
    /// We said yes and wait for the answer.
    WantYes,
    /// As `WantYes`, and then we want no after all.
    WantYesThenNo,
}

impl Q {
    /// The client said so; returns our answer, if one is due.
    fn hear(&mut self, positive: bool, may: bool) -> Option<bool> {
        let (next, answer) = match (*self, positive) {
            (Self::No, true) if may => (Self::Yes, Some(true)),
            (Self::No, true) => (Self::No, Some(false)),
            (Self::Yes, false) => (Self::No, Some(false)),
            // It answers no with yes: it is wrong, and is believed.
            (Self::WantNoThenYes, true) => (Self::Yes, None),
            (Self::WantNoThenYes, false) => (Self::WantYes, Some(true)),
            (Self::WantYesThenNo, true) => (Self::WantNo, Some(false)),
            (Self::WantYes | Self::Yes, true) => (Self::Yes, None),
            (Self::WantNo, true) | (_, false) => (Self::No, None),
        };
        *self = next;
        answer
    }

    /// We want it so; returns what to say, if it is time for that.
    fn ask(&mut self, on: bool) -> Option<bool> {
        let (next, say) = match (*self, on) {
            (Self::No, true) => (Self::WantYes, Some(true)),
            (Self::Yes, false) => (Self::WantNo, Some(false)),
            (Self::WantNo | Self::WantNoThenYes, true) => (Self::WantNoThenYes, None),
            (Self::WantNo | Self::WantNoThenYes, false) => (Self::WantNo, None),
            (Self::WantYes | Self::WantYesThenNo, true) => (Self::WantYes, None),
            (Self::WantYes | Self::WantYesThenNo, false) => (Self::WantYesThenNo, None),
            (settled, _) => (settled, None),
        };
        *self = next;
        say
    }
}

/// How often the client may be refused what it was refused before; then it is not answered any more.
const REPEATS: u8 = 64;

/// All options of a connection.
#[derive(Debug, Default)]
pub(super) struct Table {
    us: [Q; KNOWN.len()],
    him: [Q; KNOWN.len()],
    /// One bit for each unknown option that was refused: ours, his.
    refused: [[u64; 4]; 2],
    repeats: u8,
}

impl Table {
    fn side(&mut self, side: Side) -> &mut [Q; KNOWN.len()] {
        match side {
            Side::Us => &mut self.us,
            Side::Him => &mut self.him,
        }
    }

    /// Whether both have agreed on it.
    pub(super) fn is_on(&self, side: Side, code: Code) -> bool {
        let states = match side {
            Side::Us => &self.us,
            Side::Him => &self.him,
        };
        find(code).is_some_and(|index| states[index] == Q::Yes)
    }

    /// We want an option on or off; returns what to say, if anything.
    pub(super) fn ask(&mut self, side: Side, code: Code, on: bool) -> Option<bool> {
        self.side(side)[find(code)?].ask(on)
    }

    /// The client wants an option on or off; returns the answer, if one is due.
    pub(super) fn hear(
        &mut self,
        side: Side,
        code: Code,
        positive: bool,
        kind: Kind,
    ) -> Option<bool> {
        let Some(index) = find(code) else {
            return (positive && self.may_refuse(side, code)).then_some(false);
        };
        let may = match side {
            Side::Us => KNOWN[index].us,
            Side::Him => KNOWN[index].him,
        };
        self.side(side)[index].hear(positive, may(kind))
    }

    /// A peer that asks again whenever it is refused would never come to an end.
    fn may_refuse(&mut self, side: Side, code: Code) -> bool {
        let bits = &mut self.refused[usize::from(side == Side::Him)][usize::from(code.0 / 64)];
        let bit = 1 << (code.0 % 64);
        if *bits & bit == 0 {
            *bits |= bit;
            return true;
        }
        self.repeats = self.repeats.saturating_add(1);
        self.repeats <= REPEATS
    }
}

fn find(code: Code) -> Option<usize> {
    KNOWN.iter().position(|known| known.code == code)
}

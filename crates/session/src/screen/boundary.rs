//! Where output may be cut: the parser's states, reduced to what ends a sequence.
//!
//! The emulator's parser does not tell its state, so this follows it byte by byte (a test compares the two on
//! random bytes). The states that a CSI sequence passes through end on the same bytes, so they are one here.

const ESC: u8 = 0x1b;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;

/// What the parser is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing: text.
    Ground,
    /// `ESC`, and perhaps C0 controls.
    Escape,
    /// `ESC` and intermediate bytes.
    EscapeIntermediate,
    /// `ESC [`: any control sequence before its final byte.
    Csi,
    /// `ESC P`.
    DcsEntry,
    /// A device control string with parameters.
    DcsParam,
    /// A device control string with intermediate bytes.
    DcsIntermediate,
    /// A malformed device control string: only CAN, SUB and ESC end it.
    DcsIgnore,
    /// The data of a device control string.
    DcsData,
    /// `ESC ]`: an operating system command.
    Osc,
    /// `ESC X`, `ESC ^`, `ESC _`: strings that nobody reads.
    Ignored,
}

impl State {
    fn next(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Ground, ESC) => Self::Escape,
            (Self::Ground, _) => Self::Ground,
            (_, CAN | SUB) => Self::Ground,
            (_, ESC) => Self::Escape,
            (Self::Escape, _) => Self::after_escape(byte),
            (Self::EscapeIntermediate, 0x30..=0x7e) | (Self::Csi, 0x40..=0x7e) => Self::Ground,
            (Self::DcsEntry, 0x30..=0x3f) => Self::DcsParam,
            (Self::DcsEntry | Self::DcsParam, 0x20..=0x2f) => Self::DcsIntermediate,
            (Self::DcsParam, 0x3c..=0x3f) | (Self::DcsIntermediate, 0x30..=0x3f) => Self::DcsIgnore,
            (Self::DcsEntry | Self::DcsParam | Self::DcsIntermediate, 0x40..=0x7e) => Self::DcsData,
            (Self::DcsData, 0x9c) | (Self::Osc, 0x07) => Self::Ground,
            (state, _) => state,
        }
    }

    fn after_escape(byte: u8) -> Self {
        match byte {
            0x20..=0x2f => Self::EscapeIntermediate,
            b'[' => Self::Csi,
            b']' => Self::Osc,
            b'P' => Self::DcsEntry,
            b'X' | b'^' | b'_' => Self::Ignored,
            0x30..=0x7e => Self::Ground,
            _ => Self::Escape,
        }
    }

    /// Bytes that put a terminal into a state in which it swallows the rest of a sequence that was cut in this
    /// state, up to the same terminator.
    pub(super) fn opener(self) -> &'static [u8] {
        match self {
            Self::Ground => b"",
            Self::Escape => b"\x1b",
            // Intermediate bytes that make no known sequence with any final byte.
            Self::EscapeIntermediate => b"\x1b  ",
            // A private marker after a parameter: malformed, so ignored up to the final byte.
            Self::Csi => b"\x1b[0<",
            Self::DcsEntry => b"\x1bP",
            Self::DcsParam => b"\x1bP0",
            Self::DcsIntermediate => b"\x1bP0 ",
            // No known device control string.
            Self::DcsData => b"\x1bP0 ~",
            Self::DcsIgnore => b"\x1bP0<",
            // Not a registered command.
            Self::Osc => b"\x1b]7777;",
            Self::Ignored => b"\x1b_",
        }
    }
}

/// Follows `bytes` from `state` (not ground) to the end of the sequence, to the next ESC, or to the end of `bytes`.
/// Returns the state there and how many bytes that was. `bytes` may begin with the ESC that opens the sequence.
pub(super) fn sequence(mut state: State, bytes: &[u8]) -> (State, usize) {
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == ESC && at > 0 {
            return (state, at);
        }
        state = state.next(byte);
        if state == State::Ground {
            return (state, at + 1);
        }
    }
    (state, bytes.len())
}

/// How many bytes at the end of `text` are the beginning of a UTF-8 character that may still be completed: 0 to 3.
pub(super) fn partial_character(text: &[u8]) -> usize {
    let tail = &text[text.len().saturating_sub(3)..];
    let Some(lead) = tail.iter().rposition(|byte| byte & 0xc0 != 0x80) else {
        return 0;
    };
    match std::str::from_utf8(&tail[lead..]) {
        Err(error) if error.error_len().is_none() => tail.len() - lead - error.valid_up_to(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alacritty_terminal::vte::{Parser, Perform};
    use proptest::prelude::*;

    #[derive(Default)]
    struct Printed(Vec<char>);

    impl Perform for Printed {
        fn print(&mut self, c: char) {
            self.0.push(c);
        }
    }

    /// Whether the emulator's parser, after `bytes`, takes the next character as text and nothing else.
    fn parser_is_in_ground(bytes: &[u8]) -> bool {
        let mut parser = Parser::new();
        parser.advance(&mut Printed::default(), bytes);
        let mut printed = Printed::default();
        parser.advance(&mut printed, b"@");
        printed.0 == ['@']
    }

    fn is_boundary(bytes: &[u8]) -> bool {
        let mut state = State::Ground;
        let mut text = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            let before = state;
            state = state.next(byte);
            if before != State::Ground {
                text = at + 1;
            }
        }
        state == State::Ground && partial_character(&bytes[text..]) == 0
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            4 => Just(ESC),
            6 => prop::sample::select(&b"[]PX^_\\?<:;0b~ !mhq\x07\x18\x1a\n"[..]),
            2 => prop::sample::select(&[0x9cu8, 0xc2, 0xe2, 0x82, 0xac, 0xf0, 0x9f][..]),
            1 => any::<u8>(),
        ];
        prop::collection::vec(byte, 0..24)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]
        #[test]
        fn agrees_with_the_parser(bytes in bytes()) {
            for cut in 0..=bytes.len() {
                let bytes = &bytes[..cut];
                prop_assert_eq!(is_boundary(bytes), parser_is_in_ground(bytes), "{:x?}", bytes);
            }
        }

        #[test]
        fn opener_swallows_what_the_sequence_would_have(head in bytes(), tail in bytes()) {
            let end = |mut state: State, bytes: &[u8]| {
                let at = bytes.iter().position(|&byte| {
                    state = state.next(byte);
                    matches!(state, State::Ground | State::Escape)
                });
                (at, state == State::Ground)
            };
            let state = head.iter().fold(State::Ground, |state, &byte| state.next(byte));
            if state != State::Ground {
                let reopened = state.opener().iter().fold(State::Ground, |state, &byte| state.next(byte));
                prop_assert_eq!(end(state, &tail), end(reopened, &tail));
            }
        }
    }
}

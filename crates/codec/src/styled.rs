//! Text with colours: the most frequent sequences of all, so whoever looks for others first passes over these.
//!
//! A *run* is text mixed with nothing but SGR sequences (`ESC [ ... m`, ECMA-48 section 8.3.117).

use memchr::memchr3;

const ESC: u8 = 0x1b;
const SHIFT_OUT: u8 = 0x0e;
const SHIFT_IN: u8 = 0x0f;

/// What ends plain text: bytes that begin a sequence or shift to another character set.
pub const CONTROLS: [u8; 3] = [ESC, SHIFT_OUT, SHIFT_IN];

/// Longest SGR sequence of a run, so that it surely has no more parameters than terminals take (32).
const SGR_MAX: usize = 34;
/// Coloured text has the next sequence near, where setting up a vectorised search costs more than it saves.
const NEAR: usize = 64;

/// Length of the run at the start of `bytes`: up to a shift to another character set, or to an ESC that begins something
/// other than a whole SGR sequence.
#[must_use]
pub fn run(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(stop) = next_control(&bytes[at..]) {
        at += stop;
        match sgr(&bytes[at..]) {
            Some(length) => at += length,
            None => return at,
        }
    }
    bytes.len()
}

/// Length of the SGR sequence at the start of `bytes`, if there is a whole one of at most 34 bytes.
#[must_use]
pub fn sgr(bytes: &[u8]) -> Option<usize> {
    let parameters = bytes.strip_prefix(b"\x1b[")?;
    let window = &parameters[..parameters.len().min(SGR_MAX - 2)];
    let end = window
        .iter()
        .position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':'))?;
    (window[end] == b'm').then_some(end + 3)
}

/// Where the first ESC, SO or SI is.
fn next_control(bytes: &[u8]) -> Option<usize> {
    let near = &bytes[..bytes.len().min(NEAR)];
    let (words, rest) = near.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let found = controls(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let before = near.len() - rest.len();
    let rest = &bytes[before..];
    memchr3(ESC, SHIFT_OUT, SHIFT_IN, rest).map(|at| before + at)
}

/// Eight bytes at once: the lowest bit that is set is the high bit of the first ESC, SO or SI among them.
fn controls(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let zeroes = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    // SO and SI differ in their last bit alone.
    zeroes(word ^ u64::from_le_bytes([ESC; 8]))
        | zeroes((word & !ONES) ^ u64::from_le_bytes([SHIFT_OUT; 8]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn run_ends_at_the_first_thing_that_is_not_text_or_colour() {
        assert_eq!(run(b"ab\x1b[1;31mcd\r\n\x1b[Ke"), 13);
        assert_eq!(run(b"ab\x0e"), 2);
        assert_eq!(run(b"ab\x1b[3"), 2);
        assert_eq!(run("h\u{e9}\u{9b}".as_bytes()), 5);
        assert_eq!(run(&[&b"\x1b["[..], &[b';'; 40], b"m"].concat()), 0);
    }

    proptest! {
        #[test]
        fn next_control_is_the_first(
            text in proptest::collection::vec(any::<u8>(), 0..160),
            first in 0usize..160,
        ) {
            let is_control = |byte: &u8| [ESC, SHIFT_OUT, SHIFT_IN].contains(byte);
            // Random bytes hold a control soon, so those before `first` are made others.
            let text: Vec<u8> = text
                .into_iter()
                .enumerate()
                .map(|(at, byte)| if at < first && is_control(&byte) { byte ^ 0x80 } else { byte })
                .collect();
            prop_assert_eq!(next_control(&text), text.iter().position(is_control));
        }
    }
}

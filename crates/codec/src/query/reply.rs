//! Takes a terminal's replies out of what it sends, and leaves what a person typed.
//!
//! Removed: device attributes (`CSI ? .. c`, `CSI > .. c`, DA3), status and cursor reports (`CSI 0 n`, `CSI 3 n`,
//! `CSI ? .. n`, `CSI r;c R`, `CSI ? .. R`), mode reports (`CSI .. $ y`), parameter reports (`CSI .. x`), window
//! reports (`CSI .. t`), keyboard flags (`CSI ? .. u`), focus (`CSI I`, `CSI O`), strings (DECRQSS, XTGETTCAP,
//! XTVERSION, graphics) and colours (`OSC 4`, `5`, `10` to `19`).
//!
//! Left alone: everything else, above all keys and mouse reports. `CSI 1 ; m R` with m in 2..=16 is both a cursor
//! report from row 1 and the key F3 with a modifier; it is left alone, because a stray report does less harm than a
//! key that does nothing.
//!
//! An unfinished sequence is held until it is finished, impossible or [`MAX_HELD`] bytes long. But a chunk that ends
//! with a bare `ESC`, `ESC [`, `ESC ]`, `ESC P` or `ESC _` passes at once: that is a person who pressed Escape, or
//! Alt with that key. So a reply that is split there gets through; terminals write a reply in one piece.

use super::{BEL, ESC, Seen, csi};
use memchr::memchr;

/// The most bytes that are held back.
pub const MAX_HELD: usize = 256;

/// The filter of one terminal's input.
#[derive(Clone, Debug, Default)]
pub struct ReplyFilter {
    /// The beginning of what may become a reply.
    held: Vec<u8>,
}

impl ReplyFilter {
    /// A filter that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends to `out` what of `input` is not a reply.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) {
        if self.held.is_empty() {
            let rest = filter(input, out);
            self.held.extend_from_slice(rest);
            return;
        }
        let mut whole = std::mem::take(&mut self.held);
        whole.extend_from_slice(input);
        let rest = filter(&whole, out).len();
        whole.drain(..whole.len() - rest);
        if rest > 0 {
            self.held = whole;
        }
    }

    /// Bytes held back now, at most [`MAX_HELD`].
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Gives up waiting: appends what is held to `out`.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
        self.held = Vec::new();
    }
}

/// Filters `input`; returns the unfinished rest.
fn filter<'a>(mut input: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    while let Some(at) = memchr(ESC, input) {
        let (plain, sequence) = input.split_at(at);
        out.extend_from_slice(plain);
        input = match reply(sequence) {
            Seen::Yes(len) => &sequence[len..],
            Seen::Perhaps if (3..=MAX_HELD).contains(&sequence.len()) => return sequence,
            Seen::Perhaps | Seen::No => {
                out.push(ESC);
                &sequence[1..]
            }
        };
    }
    out.extend_from_slice(input);
    &[]
}

/// Whether a reply stands at the start of `bytes`, which begins with ESC.
fn reply(bytes: &[u8]) -> Seen {
    match bytes.get(1) {
        None => Seen::Perhaps,
        Some(b'[') => control(bytes),
        Some(b']') => colour(bytes),
        Some(b'P') => device_string(bytes),
        Some(b'_') => match bytes.get(2) {
            None => Seen::Perhaps,
            Some(b'G') => string_end(bytes, 3, false),
            Some(_) => Seen::No,
        },
        Some(_) => Seen::No,
    }
}

fn control(bytes: &[u8]) -> Seen {
    // Longer ones are not replies; this also bounds the time for an endless row of digits.
    let window = &bytes[..bytes.len().min(MAX_HELD + 1)];
    let Ok(found) = csi::parse(window) else {
        return Seen::No;
    };
    let Some(csi) = found else {
        return Seen::Perhaps;
    };
    let first = csi.param(0);
    let is_reply = match (csi.private, csi.intermediate, csi.last) {
        (Some(b'?' | b'>'), None, b'c') => true,
        (Some(b'?'), None, b'n' | b'R' | b'u') => true,
        (None, None, b'n') => matches!(first, Some(0 | 3)) && csi.count() == 1,
        (None, None, b'R') => {
            let f3 = first == Some(1) && matches!(csi.param(1), Some(2..=16));
            csi.count() == 2 && !f3
        }
        (None | Some(b'?'), Some(b'$'), b'y') => csi.count() == 2,
        (None, None, b't') => csi.count() >= 1,
        (None, None, b'x') => matches!(first, Some(2 | 3)) && csi.count() == 7,
        (None, None, b'I' | b'O') => csi.count() == 0,
        _ => false,
    };
    if is_reply {
        Seen::Yes(csi.len)
    } else {
        Seen::No
    }
}

/// `OSC number ; ... rgb: ...` ended by ST or BEL.
fn colour(bytes: &[u8]) -> Seen {
    let body = &bytes[2..];
    let digits = body.iter().take_while(|b| b.is_ascii_digit()).count();
    let number = std::str::from_utf8(&body[..digits])
        .ok()
        .and_then(|text| text.parse::<u16>().ok());
    match (body.get(digits), number) {
        (None, _) if digits <= 2 => return Seen::Perhaps,
        (Some(b';'), Some(4 | 5 | 10..=19)) => {}
        _ => return Seen::No,
    }
    let mut value = &body[digits + 1..];
    if matches!(number, Some(4 | 5)) {
        let index = value.iter().take_while(|b| b.is_ascii_digit()).count();
        match value.get(index) {
            None if index <= 3 => return Seen::Perhaps,
            Some(b';') if index > 0 => value = &value[index + 1..],
            _ => return Seen::No,
        }
    }
    let known = b"rgb";
    let common = value.len().min(known.len());
    if value[..common] != known[..common] {
        return Seen::No;
    }
    string_end(bytes, bytes.len() - value.len() + common, true)
}

/// `DCS` of DECRQSS, XTGETTCAP, XTVERSION and DA3.
fn device_string(bytes: &[u8]) -> Seen {
    let starts: [&[u8]; 6] = [b">|", b"!|", b"0$r", b"1$r", b"0+r", b"1+r"];
    let body = &bytes[2..];
    for start in starts {
        let common = body.len().min(start.len());
        if body[..common] == start[..common] {
            return if common < start.len() {
                Seen::Perhaps
            } else {
                string_end(bytes, 2 + common, false)
            };
        }
    }
    Seen::No
}

/// Looks from `at` on for the end of a string of printable characters: ST, or BEL where terminals write that.
fn string_end(bytes: &[u8], at: usize, bell: bool) -> Seen {
    for (at, &byte) in bytes.iter().enumerate().skip(at).take(MAX_HELD) {
        return match byte {
            0x20..=0x7e => continue,
            BEL if bell => Seen::Yes(at + 1),
            ESC => match bytes.get(at + 1) {
                Some(b'\\') => Seen::Yes(at + 2),
                Some(_) => Seen::No,
                None => Seen::Perhaps,
            },
            _ => Seen::No,
        };
    }
    if bytes.len() <= MAX_HELD {
        Seen::Perhaps
    } else {
        Seen::No
    }
}

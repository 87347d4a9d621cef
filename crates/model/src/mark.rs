//! Marks: the things that happen between output bytes.
//!
//! A mark lies beside the log at an offset and costs no output byte, so offsets stay a pure count of what the
//! program wrote. In shared memory a mark is 32 bytes, so that a new server can read what an old one wrote.

use crate::{Offset, Size};
use serde::{Deserialize, Serialize};

/// Which of a piped program's outputs a byte came from. A terminal has only `Out`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output, or the terminal.
    #[default]
    Out,
    /// Standard error.
    Err,
}

/// What happened at an offset: it holds for the bytes from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// The terminal has this size from here on.
    Resize(Size),
    /// Bytes from here on came from this stream.
    Stream(Stream),
}

/// A mark and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The first output byte that it holds for.
    pub offset: Offset,
    /// What happened.
    pub kind: MarkKind,
    /// When, in milliseconds of the clock that goes on while the machine sleeps (CLOCK_BOOTTIME).
    pub at_ms: u64,
}

impl Mark {
    /// Bytes of a mark in shared memory.
    pub const LEN: usize = 32;

    /// The form in shared memory: offset, time, kind, two arguments; native byte order, since it never leaves the
    /// machine.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let (kind, a, b) = match self.kind {
            MarkKind::Resize(size) => (1, u32::from(size.cols), u32::from(size.rows)),
            MarkKind::Stream(Stream::Out) => (2, 1, 0),
            MarkKind::Stream(Stream::Err) => (2, 2, 0),
        };
        let mut out = [0; Self::LEN];
        out[..8].copy_from_slice(&self.offset.to_ne_bytes());
        out[8..16].copy_from_slice(&self.at_ms.to_ne_bytes());
        out[16..20].copy_from_slice(&u32::to_ne_bytes(kind));
        out[20..24].copy_from_slice(&a.to_ne_bytes());
        out[24..28].copy_from_slice(&b.to_ne_bytes());
        out
    }

    /// Reads what [`Mark::to_bytes`] wrote; `None` for anything else, since shared memory is not trusted.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let long =
            |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let word =
            |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let kind = match (word(16), word(20), word(24)) {
            (1, cols, rows) => MarkKind::Resize(Size::checked(cols.into(), rows.into())?),
            (2, 1, 0) => MarkKind::Stream(Stream::Out),
            (2, 2, 0) => MarkKind::Stream(Stream::Err),
            _ => return None,
        };
        Some(Self {
            offset: long(0),
            kind,
            at_ms: long(8),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds() -> impl Strategy<Value = MarkKind> {
        prop_oneof![
            (1..=1000u64, 1..=500u64)
                .prop_map(|(c, r)| MarkKind::Resize(Size::checked(c, r).expect("within bounds"))),
            Just(MarkKind::Stream(Stream::Out)),
            Just(MarkKind::Stream(Stream::Err)),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(offset: u64, at_ms: u64, kind in kinds()) {
            let mark = Mark { offset, kind, at_ms };
            prop_assert_eq!(Mark::from_bytes(&mark.to_bytes()), Some(mark));
        }

        #[test]
        fn noise_never_panics(bytes: [u8; 32]) {
            let _ = Mark::from_bytes(&bytes);
        }
    }
}

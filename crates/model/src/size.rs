//! The size of a terminal, within bounds that keep every screen affordable.

use serde::{Deserialize, Serialize};

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    /// Characters in a line.
    pub cols: u16,
    /// Lines on the screen.
    pub rows: u16,
}

impl Size {
    /// What a program gets until somebody says otherwise.
    pub const DEFAULT: Self = Self { cols: 80, rows: 24 };
    /// More would make one screen cost megabytes.
    pub const MAX: Self = Self {
        cols: 1000,
        rows: 500,
    };

    /// A size from what a client sent; `None` for a zero or an absurd dimension.
    #[must_use]
    pub fn checked(cols: u64, rows: u64) -> Option<Self> {
        let within =
            |value: u64, max: u16| u16::try_from(value).ok().filter(|v| (1..=max).contains(v));
        Some(Self {
            cols: within(cols, Self::MAX.cols)?,
            rows: within(rows, Self::MAX.rows)?,
        })
    }
}

impl Default for Size {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.cols, self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn zero_and_giant_are_refused() {
        assert_eq!(Size::checked(80, 24), Some(Size::DEFAULT));
        assert_eq!(Size::checked(0, 24), None);
        assert_eq!(Size::checked(80, 0), None);
        assert_eq!(Size::checked(1001, 24), None);
        assert_eq!(Size::checked(u64::MAX, u64::MAX), None);
        assert_eq!(Size::checked(1000, 500), Some(Size::MAX));
    }
}

//! Character attributes, and the SGR sequence that sets them.

use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{Color, NamedColor};
use std::io::Write as _;

/// What SGR sets: colours and attributes of a cell, or of what is printed next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pen {
    foreground: Color,
    background: Color,
    underline: Option<Color>,
    flags: Flags,
}

/// Attributes and the SGR parameter that turns each on. A cell has at most one kind of underline.
const ATTRIBUTES: [(Flags, &str); 11] = [
    (Flags::BOLD, ";1"),
    (Flags::DIM, ";2"),
    (Flags::ITALIC, ";3"),
    (Flags::UNDERLINE, ";4"),
    (Flags::DOUBLE_UNDERLINE, ";4:2"),
    (Flags::UNDERCURL, ";4:3"),
    (Flags::DOTTED_UNDERLINE, ";4:4"),
    (Flags::DASHED_UNDERLINE, ";4:5"),
    (Flags::INVERSE, ";7"),
    (Flags::HIDDEN, ";8"),
    (Flags::STRIKEOUT, ";9"),
];

const DEFAULT_FOREGROUND: Color = Color::Named(NamedColor::Foreground);
const DEFAULT_BACKGROUND: Color = Color::Named(NamedColor::Background);

impl Default for Pen {
    fn default() -> Self {
        Self::blank(DEFAULT_BACKGROUND)
    }
}

impl Pen {
    /// The pen of cells that were erased.
    pub(super) fn blank(background: Color) -> Self {
        Self {
            foreground: DEFAULT_FOREGROUND,
            background,
            underline: None,
            flags: Flags::empty(),
        }
    }

    /// The pen that a cell was written with, or that a cursor's template holds.
    pub(super) fn of(cell: &Cell) -> Self {
        let attributes = ATTRIBUTES
            .iter()
            .fold(Flags::empty(), |all, (flag, _)| all | *flag);
        Self {
            foreground: cell.fg,
            background: cell.bg,
            underline: cell.underline_color(),
            flags: cell.flags & attributes,
        }
    }

    /// Whether a space written with this pen is the same as an erased cell.
    pub(super) fn is_blank(&self) -> bool {
        *self == Self::blank(self.background)
    }

    pub(super) fn background(&self) -> Color {
        self.background
    }

    /// The SGR sequence that sets exactly this, whatever was set before: at most 26 of the 32 parameters that
    /// terminals take.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if *self == Self::default() {
            out.extend_from_slice(b"\x1b[m");
            return;
        }
        out.extend_from_slice(b"\x1b[0");
        for (flag, parameter) in ATTRIBUTES {
            if self.flags.contains(flag) {
                out.extend_from_slice(parameter.as_bytes());
            }
        }
        write_color(out, self.foreground, 30);
        write_color(out, self.background, 40);
        match self.underline {
            Some(Color::Indexed(index)) => write_out(out, format_args!(";58:5:{index}")),
            // The empty parameter is the colour space, which the standard has and most leave empty.
            Some(Color::Spec(rgb)) => {
                write_out(out, format_args!(";58:2::{}:{}:{}", rgb.r, rgb.g, rgb.b));
            }
            Some(Color::Named(_)) | None => (),
        }
        out.push(b'm');
    }
}

/// Appends one colour's parameters; `base` is 30 for the foreground and 40 for the background.
fn write_color(out: &mut Vec<u8>, color: Color, base: usize) {
    match color {
        Color::Named(name) => match name as usize {
            index @ 0..8 => write_out(out, format_args!(";{}", base + index)),
            index @ 8..16 => write_out(out, format_args!(";{}", base + 60 + index - 8)),
            // The defaults: what the leading 0 sets.
            _ => (),
        },
        Color::Indexed(index) => write_out(out, format_args!(";{};5;{index}", base + 8)),
        Color::Spec(rgb) => {
            write_out(
                out,
                format_args!(";{};2;{};{};{}", base + 8, rgb.r, rgb.g, rgb.b),
            );
        }
    }
}

/// Appends formatted text.
pub(super) fn write_out(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a Vec does not fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sgr(cell: &Cell) -> String {
        let mut out = Vec::new();
        Pen::of(cell).write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_what_differs_from_the_default() {
        let mut cell = Cell::default();
        assert_eq!(sgr(&cell), "\x1b[m");
        cell.fg = Color::Named(NamedColor::BrightRed);
        cell.bg = Color::Indexed(200);
        cell.flags = Flags::BOLD | Flags::UNDERCURL | Flags::WRAPLINE;
        assert_eq!(sgr(&cell), "\x1b[0;1;4:3;91;48;5;200m");
    }
}

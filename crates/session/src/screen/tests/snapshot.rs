//! All that can be seen of a screen, or will be, as a value to compare.

use super::super::Screen;
use super::super::emulator::Emulator;
use alacritty_terminal::Term;
use alacritty_terminal::event::VoidListener;
use alacritty_terminal::grid::{Cursor, Dimensions, Grid};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Cell;
use std::fmt::Write as _;

/// A grid with its cursors, one line of text per row, cell and cursor, so that a difference can be read.
pub(super) fn grid(grid: &Grid<Cell>) -> String {
    let mut out = String::new();
    for line in 0..grid.screen_lines() {
        let _ = writeln!(out, "row {line}");
        for column in 0..grid.columns() {
            let cell = &grid[Line(i32::try_from(line).unwrap())][Column(column)];
            let cell = describe(cell);
            if cell != describe(&Cell::default()) {
                let _ = writeln!(out, "  {column}: {cell}");
            }
        }
    }
    let _ = writeln!(out, "cursor {}", cursor(&grid.cursor));
    let _ = writeln!(out, "saved {}", cursor(&grid.saved_cursor));
    out
}

fn describe(cell: &Cell) -> String {
    // The emulator notes where a tab was written, but nothing depends on it.
    let c = if cell.c == '\t' { ' ' } else { cell.c };
    let marks: String = cell.zerowidth().into_iter().flatten().collect();
    let link = cell.hyperlink().map(|link| link.uri().to_owned());
    let colors = (cell.fg, cell.bg, cell.underline_color());
    format!("{c:?} {marks:?} {colors:?} {:?} {link:?}", cell.flags)
}

fn cursor(cursor: &Cursor<Cell>) -> String {
    let (line, column) = (cursor.point.line, cursor.point.column);
    let wrap = cursor.input_needs_wrap;
    format!(
        "{line} {column} wrap {wrap} {:?} {}",
        cursor.charsets,
        describe(&cursor.template)
    )
}

/// What an emulator of its own shows of itself.
pub(super) fn term(term: &Term<VoidListener>) -> String {
    visible(term.grid(), *term.mode())
}

/// The same of ours.
pub(super) fn shown(screen: &Screen) -> String {
    visible(screen.emulator.grid(), screen.emulator.mode())
}

fn visible(cells: &Grid<Cell>, mode: TermMode) -> String {
    format!("{}{mode:?}\n", grid(cells))
}

/// Everything.
pub(super) fn all(screen: &Screen) -> String {
    let emulator: &Emulator = &screen.emulator;
    let mut out = shown(screen);
    if let Some(primary) = emulator.primary() {
        let _ = writeln!(out, "primary\n{}", grid(primary));
    }
    let stops: Vec<_> = (0..emulator.cols())
        .filter(|&c| emulator.tab_stops()[c])
        .collect();
    let _ = writeln!(
        out,
        "region {:?} stops {stops:?} charset {:?}",
        emulator.region(),
        emulator.charset()
    );
    let _ = writeln!(
        out,
        "style {:?} titles {:?}",
        emulator.cursor_style(),
        emulator.titles()
    );
    let _ = writeln!(out, "palette {:?}", emulator.palette().collect::<Vec<_>>());
    let _ = writeln!(out, "swallowing {:?}", screen.swallowing);
    out
}

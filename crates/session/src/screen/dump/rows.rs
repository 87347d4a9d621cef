//! The text of a screen, row by row: jumps over blanks, erases what is left, and has the terminal wrap lines where the
//! program did, so that they stay whole when the terminal is resized.

use super::Printer;
use crate::screen::emulator::{line, row};
use crate::screen::pen::Pen;
use alacritty_terminal::grid::{Dimensions, Grid, Row};
use alacritty_terminal::index::Column;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::Color;

/// Runs of blank cells shorter than this are printed as spaces.
const JUMP_MIN: usize = 5;

/// A wide character, drawn where only its effect on the row before is wanted.
const WIDE: char = '\u{3000}';

/// Where the terminal's cursor stands while a grid is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Anywhere.
    Unknown,
    /// Somewhere in this row.
    In(usize),
    /// In the first column of this row.
    Start(usize),
    /// In the row before, such that the next character is the first of this row.
    Wrap(usize),
}

impl Printer {
    /// Draws all rows, or those up to the cursor's that the detail allows.
    pub(super) fn grid(&mut self, grid: &Grid<Cell>) {
        let rows = grid.screen_lines();
        let end = if self.detail.rows < rows {
            (row(grid.cursor.point.line) + 1).max(self.detail.rows)
        } else {
            rows
        };
        let first = end.saturating_sub(self.detail.rows);
        let drawn = end == rows && end - first > 1 && wraps(grid, rows - 1);
        if drawn {
            self.wrapping_bottom_row(grid);
        }
        let mut at = At::Unknown;
        let end = if drawn { end - 1 } else { end };
        for row in first..end {
            at = self.row(grid, row, at);
        }
        if let At::Wrap(row) = at
            && row < rows
        {
            // Completes the wrap onto the bottom row, which is there already.
            self.print_cell(&grid[line(row)][Column(0)]);
        }
        self.set_pen(Pen::default());
        self.set_link(None);
    }

    /// The bottom row cannot be made to wrap where it is: draws it one row higher, wraps, and moves it down.
    fn wrapping_bottom_row(&mut self, grid: &Grid<Cell>) {
        let bottom = grid.screen_lines() - 1;
        self.go(bottom - 1, 0);
        self.cells(grid, bottom);
        let last = &grid[line(bottom)][Column(grid.columns() - 1)];
        if last.flags.contains(Flags::LEADING_WIDE_CHAR_SPACER) {
            self.dip(last);
            self.print(WIDE);
        } else {
            self.print(' ');
        }
        self.set_pen(Pen::default());
        self.set_link(None);
        self.write(b"\x1b[H\x1bM");
        let first = &grid[line(bottom)][Column(0)];
        if wraps(grid, bottom - 1) && first.flags.contains(Flags::WIDE_CHAR) {
            // Drawn again by the row above it, and over itself it would undo that row's mark.
            self.go(bottom, 0);
            self.write(b"\x1b[2X");
        }
    }

    /// Draws a row, and returns where that leaves the cursor.
    fn row(&mut self, grid: &Grid<Cell>, row: usize, at: At) -> At {
        let cells = &grid[line(row)];
        let blank = cells
            .into_iter()
            .all(|cell| is_erased(cell, Pen::default().background()));
        match at {
            At::Start(here) | At::Wrap(here) if here == row => (),
            _ if blank => return at,
            At::Start(here) | At::In(here) if row - here < JUMP_MIN => {
                (here..row).for_each(|_| self.write(b"\r\n"));
            }
            _ => self.go(row, 0),
        }
        if at == At::Wrap(row) && is_erased(&cells[Column(0)], cells[Column(0)].bg) {
            // The first character completes the wrap, so there has to be one.
            self.print_cell(&cells[Column(0)]);
            self.write(b"\r");
        } else if blank {
            return At::Start(row);
        }
        self.cells(grid, row);
        self.end_of_row(grid, row)
    }

    /// Draws the cells of a row, from the first column on.
    fn cells(&mut self, grid: &Grid<Cell>, row: usize) {
        let cells = &grid[line(row)];
        let cols = grid.columns();
        let tail = erased_tail(cells, cols);
        let mut column = 0;
        while column < tail {
            let cell = &cells[Column(column)];
            let gap = (column..tail)
                .take_while(|&column| {
                    is_erased(&cells[Column(column)], Pen::default().background())
                })
                .count();
            if gap >= JUMP_MIN {
                self.format(format_args!("\x1b[{gap}C"));
                column += gap;
            } else if cell
                .flags
                .contains(Flags::LEADING_WIDE_CHAR_SPACER | Flags::WRAPLINE)
            {
                // Made by the wide character that begins the next row.
                column += 1;
            } else {
                self.print_cell(cell);
                column += if cell.flags.contains(Flags::WIDE_CHAR) {
                    2
                } else {
                    1
                };
            }
        }
        if tail < cols {
            let background = cells[Column(tail)].bg;
            if background != Pen::default().background() && self.detail.attributes {
                self.set_pen(Pen::blank(background));
                self.write(b"\x1b[K");
            }
        }
    }

    /// Where the cursor is after a row was drawn; ends a row that wraps.
    fn end_of_row(&mut self, grid: &Grid<Cell>, row: usize) -> At {
        if !wraps(grid, row) {
            return At::In(row);
        }
        let last = &grid[line(row)][Column(grid.columns() - 1)];
        if !last.flags.contains(Flags::LEADING_WIDE_CHAR_SPACER) {
            return At::Wrap(row + 1);
        }
        if row + 1 == grid.screen_lines() {
            return At::Unknown;
        }
        let next = &grid[line(row + 1)][Column(0)];
        if next.flags.contains(Flags::WIDE_CHAR) && Pen::of(next) == Pen::of(last) {
            return At::Wrap(row + 1);
        }
        // The wide character is gone, or another: have one make the mark, and take it away.
        self.dip(last);
        self.print(WIDE);
        self.set_pen(Pen::default());
        self.set_link(None);
        self.write(b"\r\x1b[2X");
        At::Start(row + 1)
    }
}

/// Whether the text of a row goes on in the next one.
fn wraps(grid: &Grid<Cell>, row: usize) -> bool {
    grid[line(row)][Column(grid.columns() - 1)]
        .flags
        .contains(Flags::WRAPLINE)
}

/// Whether erasing with this background makes such a cell.
fn is_erased(cell: &Cell, background: Color) -> bool {
    matches!(cell.c, ' ' | '\t')
        && cell.bg == background
        && Pen::of(cell).is_blank()
        && cell.zerowidth().is_none_or(<[char]>::is_empty)
        && cell.hyperlink().is_none()
        && !cell.flags.intersects(
            Flags::WRAPLINE
                | Flags::WIDE_CHAR
                | Flags::WIDE_CHAR_SPACER
                | Flags::LEADING_WIDE_CHAR_SPACER,
        )
}

/// The first column from which a row can be drawn by erasing to its end.
fn erased_tail(cells: &Row<Cell>, cols: usize) -> usize {
    let background = cells[Column(cols - 1)].bg;
    let cells = &cells[Column(0)..Column(cols)];
    cells
        .iter()
        .rposition(|cell| !is_erased(cell, background))
        .map_or(0, |column| column + 1)
}

/// The text of the screen that is shown: rows with their trailing blanks trimmed.
pub(in crate::screen) fn text(grid: &Grid<Cell>) -> String {
    let spacer = Flags::WIDE_CHAR_SPACER | Flags::LEADING_WIDE_CHAR_SPACER;
    let rows = (0..grid.screen_lines()).map(|row| {
        let mut text = String::with_capacity(grid.columns());
        let cells: &Row<Cell> = &grid[line(row)];
        for cell in cells
            .into_iter()
            .filter(|cell| !cell.flags.intersects(spacer))
        {
            text.push(if cell.c == '\t' { ' ' } else { cell.c });
            text.extend(cell.zerowidth().into_iter().flatten());
        }
        text.truncate(text.trim_end().len());
        text
    });
    rows.collect::<Vec<_>>().join("\n")
}

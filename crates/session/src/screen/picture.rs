//! The screen as a value for programs that look at it: text, cursor, modes, and if wanted the cells' attributes.

use super::emulator::{Emulator, line, row};
use super::pen::Pen;
use alacritty_terminal::grid::{Dimensions, Grid};
use alacritty_terminal::index::Column;
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};
use anywire_model::Size;
use serde::Serialize;

/// What a terminal shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Picture {
    /// Columns and rows.
    pub size: Size,
    /// Where the next character goes.
    pub cursor: Cursor,
    /// The window's title, if one was set.
    pub title: Option<String>,
    /// What the program has asked of its terminal.
    pub modes: Modes,
    /// The text of each row, without blanks at its end.
    pub rows: Vec<String>,
    /// Each row as runs of cells that look the same, without what is blank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cells: Option<Vec<Vec<Run>>>,
}

/// The cursor; row and column count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cursor {
    /// Row from the top.
    pub row: usize,
    /// Column from the left.
    pub col: usize,
    /// Whether it is shown.
    pub visible: bool,
}

/// Modes that matter to whoever sends input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Modes {
    /// The alternate screen is shown, as full-screen programs do.
    pub alternate: bool,
    /// Pasted text is to be bracketed.
    pub bracketed_paste: bool,
    /// Arrow keys send application sequences.
    pub application_cursor: bool,
    /// Which movements of the mouse are reported.
    pub mouse: Mouse,
}

/// Reports of the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mouse {
    /// None.
    Off,
    /// Buttons.
    Click,
    /// Buttons, and movement while one is held.
    Drag,
    /// Every movement.
    Motion,
}

/// Neighbouring cells with the same attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The first cell's column, from 0.
    pub col: usize,
    /// The text.
    pub text: String,
    /// The attributes as parameters of SGR (ECMA-48 8.3.117), as a terminal would be sent them; empty for none.
    pub sgr: String,
}

/// See [`Screen::picture`](super::Screen::picture).
pub(super) fn picture(size: Size, emulator: &Emulator, cells: bool) -> Picture {
    let (grid, mode) = (emulator.grid(), emulator.mode());
    let point = grid.cursor.point;
    Picture {
        size,
        cursor: Cursor {
            row: row(point.line),
            col: point.column.0,
            visible: mode.contains(TermMode::SHOW_CURSOR),
        },
        title: emulator.titles().current().map(str::to_owned),
        modes: Modes {
            alternate: emulator.primary().is_some(),
            bracketed_paste: mode.contains(TermMode::BRACKETED_PASTE),
            application_cursor: mode.contains(TermMode::APP_CURSOR),
            mouse: mouse(mode),
        },
        rows: super::dump::text(grid)
            .split('\n')
            .map(str::to_owned)
            .collect(),
        cells: cells.then(|| {
            (0..grid.screen_lines())
                .map(|row| runs(grid, row))
                .collect()
        }),
    }
}

fn mouse(mode: TermMode) -> Mouse {
    let kinds = [
        (TermMode::MOUSE_MOTION, Mouse::Motion),
        (TermMode::MOUSE_DRAG, Mouse::Drag),
        (TermMode::MOUSE_REPORT_CLICK, Mouse::Click),
    ];
    let kind = kinds.into_iter().find(|(flag, _)| mode.contains(*flag));
    kind.map_or(Mouse::Off, |(_, mouse)| mouse)
}

fn runs(grid: &Grid<Cell>, row: usize) -> Vec<Run> {
    let spacer = Flags::WIDE_CHAR_SPACER | Flags::LEADING_WIDE_CHAR_SPACER;
    let cells = &grid[line(row)];
    let mut runs: Vec<(Pen, Run)> = Vec::new();
    for col in 0..grid.columns() {
        let cell = &cells[Column(col)];
        if cell.flags.intersects(spacer) {
            continue;
        }
        let pen = Pen::of(cell);
        if runs.last().is_none_or(|(last, _)| *last != pen) {
            let sgr = sgr(&pen);
            let text = String::new();
            runs.push((pen, Run { col, text, sgr }));
        }
        if let Some((_, run)) = runs.last_mut() {
            run.text.push(if cell.c == '\t' { ' ' } else { cell.c });
            run.text.extend(cell.zerowidth().into_iter().flatten());
        }
    }
    let blank = |run: &Run| run.sgr.is_empty() && run.text.trim().is_empty();
    let runs = runs.into_iter().map(|(_, run)| run);
    runs.filter(|run| !blank(run)).collect()
}

/// The parameters of the sequence that sets a pen.
fn sgr(pen: &Pen) -> String {
    let mut bytes = Vec::new();
    pen.write(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches("\x1b[").trim_end_matches('m');
    // It begins with a reset, since a terminal may have anything set.
    text.trim_start_matches('0')
        .trim_start_matches(';')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Screen;
    use super::*;

    #[test]
    fn what_is_shown_is_told() {
        let size = Size::checked(10, 3).unwrap();
        let mut screen = Screen::new(size);
        screen.advance(b"\x1b]2;hi\x07\x1b[?1049h\x1b[?2004h\x1b[?1002h\x1b[?25lab\x1b[1;31mcd\x1b[m e\r\n\xe4\xb8\xad!");
        let picture = screen.picture(true);
        assert_eq!(picture.rows, ["abcd e", "中!", ""]);
        assert_eq!(
            (
                picture.cursor.row,
                picture.cursor.col,
                picture.cursor.visible
            ),
            (1, 3, false)
        );
        assert_eq!(picture.title.as_deref(), Some("hi"));
        let modes = Modes {
            alternate: true,
            bracketed_paste: true,
            application_cursor: false,
            mouse: Mouse::Drag,
        };
        assert_eq!(picture.modes, modes);
        let cells = picture.cells.unwrap();
        let plain: Vec<_> = cells[0]
            .iter()
            .map(|run| (run.col, run.text.trim_end(), run.sgr.as_str()))
            .collect();
        assert_eq!(plain, [(0, "ab", ""), (2, "cd", "1;31"), (4, " e", "")]);
        assert_eq!(cells[2], []);
        assert_eq!(Screen::new(size).picture(false).cells, None);
    }
}

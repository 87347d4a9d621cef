//! Printing a screen as the bytes that draw it on a freshly reset terminal.

mod rows;

pub(super) use rows::text;

use super::emulator::{Emulator, Printed, default_tab_stops, row};
use super::pen::{Pen, write_out};
use alacritty_terminal::grid::{Cursor, Dimensions, Grid};
use alacritty_terminal::index::Column;
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags, Hyperlink};
use alacritty_terminal::vte::ansi::{CharsetIndex, CursorShape, StandardCharset};

/// How much of a screen is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detail {
    /// With colours, attributes, hyperlinks, palette and pushed titles.
    pub(super) attributes: bool,
    /// So many rows, the last one being the cursor's or, if all fit, the screen's.
    pub(super) rows: usize,
    /// Every row of the screen is blank.
    pub(super) blank: bool,
}

/// Modes that are off in a fresh terminal.
const MODES: [(TermMode, &[u8]); 11] = [
    (TermMode::APP_CURSOR, b"\x1b[?1h"),
    (TermMode::APP_KEYPAD, b"\x1b="),
    (TermMode::MOUSE_REPORT_CLICK, b"\x1b[?1000h"),
    (TermMode::MOUSE_DRAG, b"\x1b[?1002h"),
    (TermMode::MOUSE_MOTION, b"\x1b[?1003h"),
    (TermMode::FOCUS_IN_OUT, b"\x1b[?1004h"),
    (TermMode::UTF8_MOUSE, b"\x1b[?1005h"),
    (TermMode::SGR_MOUSE, b"\x1b[?1006h"),
    (TermMode::BRACKETED_PASTE, b"\x1b[?2004h"),
    (TermMode::LINE_FEED_NEW_LINE, b"\x1b[20h"),
    (TermMode::ORIGIN, b"\x1b[?6h"),
];

/// Modes that are on in a fresh terminal.
const UNSET_MODES: [(TermMode, &[u8]); 4] = [
    (TermMode::LINE_WRAP, b"\x1b[?7l"),
    (TermMode::SHOW_CURSOR, b"\x1b[?25l"),
    (TermMode::ALTERNATE_SCROLL, b"\x1b[?1007l"),
    (TermMode::URGENCY_HINTS, b"\x1b[?1042l"),
];

const CHARSETS: [(CharsetIndex, u8); 4] = [
    (CharsetIndex::G0, b'('),
    (CharsetIndex::G1, b')'),
    (CharsetIndex::G2, b'*'),
    (CharsetIndex::G3, b'+'),
];

/// The whole picture: see [`Screen::dump`](super::Screen::dump).
pub(super) fn dump(emulator: &Emulator, detail: Detail) -> Vec<u8> {
    let mut printer = Printer {
        out: Vec::with_capacity(4096),
        pen: Pen::default(),
        link: None,
        detail,
    };
    printer.titles(emulator);
    printer.palette(emulator);
    if let Some(primary) = emulator.primary() {
        printer.saved_cursor(&primary.saved_cursor, primary);
        printer.grid(primary);
        printer.cursor(&primary.cursor, primary);
        // Not 1049, which would save the cursor.
        printer.write(b"\x1b[?1047h");
        printer.fresh_cursor(&primary.cursor);
        // The alternate screen came with the background that was set.
        printer.write(b"\x1b[2J");
    }
    let grid = emulator.grid();
    printer.saved_cursor(&grid.saved_cursor, grid);
    if !detail.blank {
        printer.grid(grid);
    }
    printer.tab_stops(emulator);
    printer.modes(emulator);
    printer.final_cursor(emulator);
    printer.out
}

struct Printer {
    out: Vec<u8>,
    pen: Pen,
    link: Option<Hyperlink>,
    detail: Detail,
}

impl Printer {
    fn write(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn format(&mut self, text: std::fmt::Arguments<'_>) {
        write_out(&mut self.out, text);
    }

    fn go(&mut self, row: usize, column: usize) {
        self.format(format_args!("\x1b[{};{}H", row + 1, column + 1));
    }

    fn set_pen(&mut self, pen: Pen) {
        if self.pen != pen && self.detail.attributes {
            pen.write(&mut self.out);
            self.pen = pen;
        }
    }

    fn set_link(&mut self, link: Option<Hyperlink>) {
        if self.link != link && self.detail.attributes {
            match &link {
                Some(link) => {
                    let (id, uri) = (link.id(), link.uri());
                    write_out(&mut self.out, format_args!("\x1b]8;id={id};{uri}\x1b\\"));
                }
                None => self.write(b"\x1b]8;;\x1b\\"),
            }
            self.link = link;
        }
    }

    /// Sets attributes and hyperlink as this cell or cursor template has them.
    fn dip(&mut self, cell: &Cell) {
        self.set_pen(Pen::of(cell));
        self.set_link(cell.hyperlink());
    }

    fn print(&mut self, c: char) {
        self.write(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// Prints a cell with all that is on it. The emulator notes tabs in cells; to draw, they are blanks.
    fn print_cell(&mut self, cell: &Cell) {
        self.dip(cell);
        self.print(if cell.c == '\t' { ' ' } else { cell.c });
        for &mark in cell.zerowidth().into_iter().flatten() {
            self.print(mark);
        }
    }

    fn titles(&mut self, emulator: &Emulator) {
        let titles = emulator.titles();
        if self.detail.attributes {
            for title in titles.stack() {
                if let Some(title) = title {
                    self.format(format_args!("\x1b]2;{title}\x1b\\"));
                }
                self.write(b"\x1b[22;2t");
            }
        }
        if let Some(title) = titles.current() {
            self.format(format_args!("\x1b]2;{title}\x1b\\"));
        }
    }

    fn palette(&mut self, emulator: &Emulator) {
        if !self.detail.attributes {
            return;
        }
        for (index, [r, g, b]) in emulator.palette() {
            match index {
                0..256 => self.format(format_args!(
                    "\x1b]4;{index};rgb:{r:02x}/{g:02x}/{b:02x}\x1b\\"
                )),
                _ => {
                    let code = index - 256 + 10;
                    self.format(format_args!(
                        "\x1b]{code};rgb:{r:02x}/{g:02x}/{b:02x}\x1b\\"
                    ));
                }
            }
        }
    }

    /// Brings the terminal's cursor into the state of `cursor`, as far as it belongs to the cursor: position,
    /// pending wrap, attributes, charsets.
    fn cursor(&mut self, cursor: &Cursor<Cell>, grid: &Grid<Cell>) {
        self.position(cursor, grid, 0);
        self.dip(&cursor.template);
        self.charsets(cursor);
    }

    /// Puts the cursor where it stands; `origin` is the row that counts as the first.
    fn position(&mut self, cursor: &Cursor<Cell>, grid: &Grid<Cell>, origin: usize) {
        let row = row(cursor.point.line);
        let line = cursor.point.line;
        let column = cursor.point.column.0;
        if !cursor.input_needs_wrap {
            self.go(row.saturating_sub(origin), column);
            return;
        }
        // Only printing in the last column leaves the cursor behind it.
        let cells = &grid[line];
        let wide = column > 0
            && cells[Column(column)]
                .flags
                .contains(Flags::WIDE_CHAR_SPACER);
        let column = if wide { column - 1 } else { column };
        self.go(row.saturating_sub(origin), column);
        self.print_cell(&cells[Column(column)]);
    }

    fn charsets(&mut self, cursor: &Cursor<Cell>) {
        for (index, designator) in CHARSETS {
            if cursor.charsets[index] != StandardCharset::Ascii {
                self.write(&[0x1b, designator, b'0']);
            }
        }
    }

    /// Undoes [`Printer::cursor`], except for the position.
    fn fresh_cursor(&mut self, cursor: &Cursor<Cell>) {
        for (index, designator) in CHARSETS {
            if cursor.charsets[index] != StandardCharset::Ascii {
                self.write(&[0x1b, designator, b'B']);
            }
        }
        self.set_pen(Pen::default());
        self.set_link(None);
    }

    /// Saves the cursor that DECRC will restore. The screen is blank before and after.
    fn saved_cursor(&mut self, saved: &Cursor<Cell>, grid: &Grid<Cell>) {
        if *saved == Cursor::default() {
            return;
        }
        let row = row(saved.point.line);
        self.go(row, saved.point.column.0);
        if saved.input_needs_wrap {
            self.go(row, grid.columns() - 1);
            self.print(' ');
        }
        self.dip(&saved.template);
        self.charsets(saved);
        self.write(b"\x1b7");
        self.fresh_cursor(saved);
        if saved.input_needs_wrap {
            self.write(b"\r\x1b[K");
        }
    }

    fn tab_stops(&mut self, emulator: &Emulator) {
        let stops = emulator.tab_stops();
        if default_tab_stops(stops.len()).eq(stops.iter().copied()) {
            return;
        }
        self.write(b"\x1b[3g");
        for column in (0..stops.len()).filter(|&column| stops[column]) {
            self.format(format_args!("\x1b[{}G\x1bH", column + 1));
        }
    }

    /// Everything that is on or off, except insert mode and the charsets: the cursor is not drawn yet.
    fn modes(&mut self, emulator: &Emulator) {
        let region = emulator.region();
        if region != (0..emulator.rows()) {
            self.format(format_args!("\x1b[{};{}r", region.start + 1, region.end));
        }
        let mode = emulator.mode();
        for (flag, sequence) in MODES {
            if mode.contains(flag) {
                self.write(sequence);
            }
        }
        for (flag, sequence) in UNSET_MODES {
            if !mode.contains(flag) {
                self.write(sequence);
            }
        }
        if let Some(style) = emulator.cursor_style() {
            let steady = match style.shape {
                CursorShape::Underline => 4,
                CursorShape::Beam => 6,
                _ => 2,
            };
            self.format(format_args!("\x1b[{} q", steady - u8::from(style.blinking)));
        }
    }

    fn final_cursor(&mut self, emulator: &Emulator) {
        let grid = emulator.grid();
        let cursor = &grid.cursor;
        let origin = if emulator.mode().contains(TermMode::ORIGIN) {
            emulator.region().start
        } else {
            0
        };
        let insert = emulator.mode().contains(TermMode::INSERT);
        if let Some((printed, column)) = last_printed(emulator).filter(|_| !insert) {
            // The last bytes print what was printed last, so that a REP or a combining mark that follows finds it.
            self.dip(&cursor.template);
            self.charsets(cursor);
            self.shift(emulator);
            self.go(row(cursor.point.line) - origin, column);
            match printed {
                Printed::Character(c) => self.print(c),
                Printed::Mark => self.print_cell(&grid[cursor.point.line][Column(column)]),
            }
            return;
        }
        let saved = &grid.saved_cursor;
        if cursor.input_needs_wrap && saved.input_needs_wrap && cursor.point == saved.point {
            // Restored: the line may have been continued since, which printing its last character would undo.
            self.write(b"\x1b8");
            self.pen = Pen::of(&saved.template);
            self.link = saved.template.hyperlink();
            self.fresh_cursor(saved);
        } else {
            self.position(cursor, grid, origin);
        }
        if cursor.input_needs_wrap {
            // Whatever was printed for that is not to be repeated.
            self.pen.write(&mut self.out);
        }
        self.dip(&cursor.template);
        self.charsets(cursor);
        self.shift(emulator);
        if insert {
            self.write(b"\x1b[4h");
        }
    }

    /// The charset in use. The emulator has no sequence for G2 and G3, so it is one of the first two.
    fn shift(&mut self, emulator: &Emulator) {
        if emulator.charset() == CharsetIndex::G1 {
            self.write(b"\x0e");
        }
    }
}

/// What was printed last and its column, if printing that again before the cursor, with the attributes set now, would
/// leave everything as it is.
fn last_printed(emulator: &Emulator) -> Option<(Printed, usize)> {
    let printed = emulator.last()?;
    let cursor = &emulator.grid().cursor;
    let cells = &emulator.grid()[cursor.point.line];
    let after = cursor.point.column.0 + usize::from(cursor.input_needs_wrap);
    let mut column = after.checked_sub(1)?;
    if cells[Column(column)]
        .flags
        .contains(Flags::WIDE_CHAR_SPACER)
    {
        // One in the first column may have wrapped, and printing it again would lose the mark of that.
        column = column.checked_sub(1).filter(|&column| column > 0)?;
    }
    let cell = &cells[Column(column)];
    let marked = cell.zerowidth().is_some_and(|marks| !marks.is_empty());
    let content = match printed {
        Printed::Character(c) => !marked && cell.c == cursor.charsets[emulator.charset()].map(c),
        Printed::Mark => marked,
    };
    let attributes = Pen::of(cell) == Pen::of(&cursor.template)
        && cell.hyperlink() == cursor.template.hyperlink();
    (content && attributes).then_some((printed, column))
}

//! The terminal behind a [`Screen`](super::Screen): the emulator's grid, and what the emulator keeps to itself.
//!
//! A keyframe has to reproduce *all* state, also what `alacritty_terminal` does not show: the inactive screen, the
//! scroll region, tab stops, charsets. So this stands between the parser and the emulator and keeps a copy. It is
//! also where limits are put on what a program may make the emulator hold or do, and where the emulator is brought
//! in line with xterm in the details in which it differs (each says so).

use super::titles::Titles;
use alacritty_terminal::Term;
use alacritty_terminal::event::VoidListener;
use alacritty_terminal::grid::{Cursor, Dimensions, Grid};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::term::{Config, Osc52, TermMode};
use alacritty_terminal::vte::ansi::{CharsetIndex, Color, CursorStyle, NamedColor};
use anywire_model::Size;
use std::ops::Range;
use unicode_width::UnicodeWidthChar;

mod handler;

/// Most combining characters that one cell keeps; more are dropped.
pub(super) const COMBINING_MAX: usize = 16;
/// Most bytes of replies to queries kept until somebody takes them; further replies are dropped.
pub(super) const REPLIES_MAX: usize = 4096;
/// Longest hyperlink that is kept, in bytes; text with a longer one is not linked.
pub(super) const LINK_MAX: usize = 2048;

/// Rows and columns as the emulator wants to be told.
pub(super) struct Area {
    pub(super) rows: usize,
    pub(super) cols: usize,
}

impl From<Size> for Area {
    /// Wide characters need two columns, and the emulator is not safe with fewer.
    fn from(size: Size) -> Self {
        Self {
            rows: usize::from(size.rows).max(1),
            cols: usize::from(size.cols).max(2),
        }
    }
}

impl Dimensions for Area {
    fn total_lines(&self) -> usize {
        self.rows
    }
    fn screen_lines(&self) -> usize {
        self.rows
    }
    fn columns(&self) -> usize {
        self.cols
    }
}

/// What was printed last. It matters to what comes next: REP repeats a character, and xterm.js adds a combining mark
/// only to what was printed just before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Printed {
    /// A character, before it was mapped to the charset.
    Character(char),
    /// A combining mark.
    Mark,
}

/// A terminal without a parser.
pub(super) struct Emulator {
    term: Term<VoidListener>,
    /// The primary screen while the alternate one is shown. The emulator's own copy cannot be reached, so it is
    /// given a spare grid in its place.
    primary: Option<Grid<Cell>>,
    /// The grid that took the primary's place last time.
    spare: Option<Grid<Cell>>,
    /// Whether the emulator's alternate grid was resized out of reach: see [`touch`].
    untouched: bool,
    /// Rows that scroll.
    region: Range<usize>,
    tab_stops: Vec<bool>,
    charset: CharsetIndex,
    cursor_style: Option<CursorStyle>,
    titles: Titles,
    /// What was printed last, if nothing else came since.
    last: Option<Printed>,
    /// Names given to hyperlinks that came without one.
    links: u64,
    replies: Vec<u8>,
}

impl Emulator {
    pub(super) fn new(size: Size) -> Self {
        let area = Area::from(size);
        let config = Config {
            scrolling_history: 0,
            osc52: Osc52::Disabled,
            ..Config::default()
        };
        Self {
            term: Term::new(config, &area, VoidListener),
            primary: None,
            spare: None,
            untouched: false,
            region: 0..area.rows,
            tab_stops: default_tab_stops(area.cols).collect(),
            charset: CharsetIndex::G0,
            cursor_style: None,
            titles: Titles::default(),
            last: None,
            links: 0,
            replies: Vec::new(),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.term.screen_lines()
    }
    pub(super) fn cols(&self) -> usize {
        self.term.columns()
    }
    pub(super) fn mode(&self) -> TermMode {
        *self.term.mode()
    }
    /// The screen that is shown.
    pub(super) fn grid(&self) -> &Grid<Cell> {
        self.term.grid()
    }
    /// The primary screen, while the alternate one is shown.
    pub(super) fn primary(&self) -> Option<&Grid<Cell>> {
        self.primary.as_ref()
    }
    /// Rows that scroll.
    pub(super) fn region(&self) -> Range<usize> {
        self.region.clone()
    }
    pub(super) fn tab_stops(&self) -> &[bool] {
        &self.tab_stops
    }
    pub(super) fn charset(&self) -> CharsetIndex {
        self.charset
    }
    pub(super) fn cursor_style(&self) -> Option<CursorStyle> {
        self.cursor_style
    }
    pub(super) fn titles(&self) -> &Titles {
        &self.titles
    }
    /// What was printed last, if nothing else came since.
    pub(super) fn last(&self) -> Option<Printed> {
        self.last
    }
    /// The colours that the program changed: index in the palette (256 to 258: foreground, background, cursor) and
    /// red, green, blue.
    pub(super) fn palette(&self) -> impl Iterator<Item = (usize, [u8; 3])> {
        let colors = self.term.colors();
        (0..=NamedColor::Cursor as usize)
            .filter_map(|index| colors[index].map(|rgb| (index, [rgb.r, rgb.g, rgb.b])))
    }
    pub(super) fn take_replies(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.replies)
    }

    /// Whether a line feed on the bottom row moves every row.
    pub(super) fn scrolls_whole_screen(&self) -> bool {
        self.region == (0..self.rows())
    }

    /// Brings the cursor to where it stands after much text that ended in a CR LF.
    pub(super) fn skip_to_bottom(&mut self) {
        let bottom = self.rows() - 1;
        let cursor = &mut self.term.grid_mut().cursor;
        cursor.point.line = line(bottom);
        cursor.point.column = Column(0);
        cursor.input_needs_wrap = false;
    }

    /// Blanks every row, and leaves everything else.
    pub(super) fn blank(&mut self) {
        let rows = self.rows();
        let grid = self.term.grid_mut();
        (0..rows).for_each(|row| grid[line(row)].reset(&Cell::default()));
    }

    /// REP: prints the last character again, `count` times. A character that something else came after is not
    /// repeated (ECMA-48 leaves that open; xterm.js does the same).
    pub(super) fn repeat(&mut self, count: usize) {
        use alacritty_terminal::vte::ansi::Handler as _;
        let Some(Printed::Character(c)) = self.last else {
            return;
        };
        // Once the screen is full of one character, only the column still changes, and that in every line alike.
        let line = self.cols() / c.width().unwrap_or(1).max(1);
        let full = 2 * line.max(1) * self.rows();
        let count = match count.checked_sub(full) {
            Some(rest) => full + rest % line.max(1),
            None => count,
        };
        for _ in 0..count {
            self.input(c);
        }
    }

    /// DECSTR, as xterm.js does it: modes, margins and attributes, but not the text.
    pub(super) fn soft_reset(&mut self) {
        let point = self.grid().cursor.point;
        self.reset_modes();
        let grid = self.term.grid_mut();
        grid.saved_cursor = Cursor::default();
        grid.cursor = Cursor {
            point,
            ..Cursor::default()
        };
    }

    pub(super) fn resize(&mut self, size: Size) {
        let area = Area::from(size);
        if (area.rows, area.cols) == (self.rows(), self.cols()) {
            return;
        }
        if area.cols != self.cols() {
            self.tab_stops.truncate(area.cols);
            let more = default_tab_stops(area.cols).skip(self.tab_stops.len());
            self.tab_stops.extend(more);
        }
        self.last = None;
        self.spare = None;
        self.untouched = self.primary.is_none();
        self.region = 0..area.rows;
        if let Some(primary) = &mut self.primary {
            let returns = primary.saved_cursor == primary.cursor;
            primary.resize(true, area.rows, area.cols);
            if returns {
                // What leaving the alternate screen returns to moves with the text.
                primary.saved_cursor = primary.cursor.clone();
            }
            settle(primary);
        }
        self.term.resize(area);
        settle(self.term.grid_mut());
    }

    /// Turns to the alternate screen, which is then blank. With `save`, saves the cursor first.
    fn enter_alternate(&mut self, save: bool) {
        if save {
            let grid = self.term.grid_mut();
            grid.saved_cursor = grid.cursor.clone();
        }
        if self.primary.is_some() {
            return;
        }
        let (rows, cols) = (self.rows(), self.cols());
        let mut stand_in = self
            .spare
            .take()
            .unwrap_or_else(|| Grid::new(rows, cols, 0));
        stand_in.cursor = self.term.grid().cursor.clone();
        self.primary = Some(std::mem::replace(self.term.grid_mut(), stand_in));
        self.term.swap_alt();
        let grid = self.term.grid_mut();
        if std::mem::take(&mut self.untouched) {
            touch(grid);
            grid.reset_region(..);
        }
        // The alternate screen begins without one from earlier: one thing less to reproduce.
        grid.saved_cursor = Cursor::default();
    }

    /// Turns back to the primary screen. With `restore`, restores the cursor saved there; else it stays where it is.
    fn leave_alternate(&mut self, restore: bool) {
        if let Some(primary) = self.primary.take() {
            let cursor = self.grid().cursor.clone();
            self.term.swap_alt();
            self.spare = Some(std::mem::replace(self.term.grid_mut(), primary));
            self.term.grid_mut().cursor = cursor;
        }
        if restore {
            let grid = self.term.grid_mut();
            grid.cursor = grid.saved_cursor.clone();
            self.keep_in_region();
        }
    }

    /// In origin mode the cursor stays within the scroll region.
    fn keep_in_region(&mut self) {
        if self.mode().contains(TermMode::ORIGIN) {
            let (first, last) = (line(self.region.start), line(self.region.end - 1));
            let cursor = &mut self.term.grid_mut().cursor;
            cursor.point.line = cursor.point.line.clamp(first, last);
        }
    }

    fn cursor_row(&self) -> usize {
        row(self.grid().cursor.point.line)
    }

    /// Moves the cursor to another row as the cursor keys do.
    fn move_to_row(&mut self, row: usize) {
        let cursor = &mut self.term.grid_mut().cursor;
        cursor.point.line = line(row);
        cursor.input_needs_wrap = false;
    }

    /// Ends the state between the last column and the next line.
    fn end_pending_wrap(&mut self) {
        self.term.grid_mut().cursor.input_needs_wrap = false;
    }

    /// Whether the cell that a combining character would go to has as many as it may have.
    fn combining_is_full(&self) -> bool {
        let grid = self.grid();
        let cursor = &grid.cursor;
        let mut column = cursor.point.column.0;
        if !cursor.input_needs_wrap {
            column = column.saturating_sub(1);
        }
        let row = &grid[cursor.point.line];
        if row[Column(column)].flags.contains(Flags::WIDE_CHAR_SPACER) {
            column = column.saturating_sub(1);
        }
        row[Column(column)]
            .zerowidth()
            .is_some_and(|marks| marks.len() >= COMBINING_MAX)
    }

    /// Mends the cursor's row after something that may have cut wide characters in half.
    fn mend_row(&mut self) {
        let row = self.cursor_row();
        let grid = self.term.grid_mut();
        let background = grid.cursor.template.bg;
        mend(grid, row, background);
    }

    fn reply(&mut self, reply: &str) {
        if self.replies.len() + reply.len() <= REPLIES_MAX {
            self.replies.extend_from_slice(reply.as_bytes());
        }
    }
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emulator")
            .field("cols", &self.cols())
            .field("rows", &self.rows())
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}

/// Whether each column has a tab stop, from the first on.
pub(super) fn default_tab_stops(cols: usize) -> impl Iterator<Item = bool> {
    (0..cols).map(|column| column % 8 == 0)
}

/// A row's number as the grid counts. Rows are at most 500.
pub(super) fn line(row: usize) -> Line {
    Line(i32::try_from(row).unwrap_or(i32::MAX))
}

/// The number of a visible line.
pub(super) fn row(line: Line) -> usize {
    usize::try_from(line.0).unwrap_or(0)
}

/// Has rows forget how many of their first cells are not blank: resizing loses count, and then clearing a row leaves
/// some of it.
fn touch(grid: &mut Grid<Cell>) {
    for row in 0..grid.screen_lines() {
        let _ = grid[line(row)].last_mut();
    }
}

/// Tidies a grid whose size has changed.
fn settle(grid: &mut Grid<Cell>) {
    // Growing keeps a thousand spare rows.
    grid.truncate();
    for row in 0..grid.screen_lines() {
        mend(grid, row, Color::Named(NamedColor::Background));
    }
    touch(grid);
    let last = Column(grid.columns() - 1);
    // Nothing continues the last row, nor what the cursor stands behind.
    let bottom = grid.bottommost_line();
    grid[bottom][last].flags.remove(Flags::WRAPLINE);
    if grid.cursor.input_needs_wrap {
        grid.cursor_cell().flags.remove(Flags::WRAPLINE);
    }
    for cursor in [&mut grid.cursor, &mut grid.saved_cursor] {
        if cursor.input_needs_wrap && cursor.point.column < last {
            cursor.point.column += 1;
            cursor.input_needs_wrap = false;
        }
    }
}

/// Blanks halves of wide characters that lost their other half (the emulator keeps them, and misplaces text that is
/// written over them later; xterm blanks them), and takes line-end marks off cells that are no longer at the end.
fn mend(grid: &mut Grid<Cell>, row: usize, background: Color) {
    const MARKS: Flags = Flags::WIDE_CHAR
        .union(Flags::WIDE_CHAR_SPACER)
        .union(Flags::LEADING_WIDE_CHAR_SPACER)
        .union(Flags::WRAPLINE);
    let last = grid.columns() - 1;
    let row = line(row);
    if !grid[row]
        .into_iter()
        .any(|cell| cell.flags.intersects(MARKS))
    {
        return;
    }
    for column in 0..=last {
        let at = |column: usize| grid[row][Column(column)].flags;
        let flags = at(column);
        if !flags.intersects(MARKS) {
            continue;
        }
        let orphan_wide = flags.contains(Flags::WIDE_CHAR)
            && (column == last || !at(column + 1).contains(Flags::WIDE_CHAR_SPACER));
        let orphan_spacer = flags.contains(Flags::WIDE_CHAR_SPACER)
            && (column == 0 || !at(column - 1).contains(Flags::WIDE_CHAR));
        let line_end = Flags::LEADING_WIDE_CHAR_SPACER | Flags::WRAPLINE;
        if orphan_wide || orphan_spacer {
            grid[row][Column(column)] = background.into();
        } else if column < last && flags.intersects(line_end) {
            grid[row][Column(column)].flags.remove(line_end);
        }
    }
}

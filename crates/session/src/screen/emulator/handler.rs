//! What each control function does: mostly what the emulator does, and the exceptions.

use super::{Emulator, LINK_MAX, Printed, default_tab_stops, row};
use alacritty_terminal::index::Line;
use alacritty_terminal::term::TermMode;
use alacritty_terminal::vte::ansi::{
    Attr, CharsetIndex, ClearMode, CursorShape, CursorStyle, Handler, Hyperlink, LineClearMode,
    Mode, NamedMode, NamedPrivateMode, PrivateMode, Rgb, StandardCharset, TabulationClearMode,
};
use unicode_width::UnicodeWidthChar;

/// Private modes that turn to the alternate screen and leave the cursor alone; 1049 saves and restores it.
const ALTERNATE_SCREEN: [u16; 2] = [47, 1047];
/// Saves and restores the cursor.
const SAVE_CURSOR: u16 = 1048;
/// DECNKM, the keypad.
const APPLICATION_KEYPAD: u16 = 66;

/// Control functions that the emulator handles alone.
macro_rules! forward {
    ($(fn $name:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $name(&mut self, $($argument: $type),*) {
            self.last = None;
            Handler::$name(&mut self.term, $($argument),*);
        })*
    };
}

/// Control functions after which halves of wide characters may be left.
macro_rules! forward_and_mend {
    ($(fn $name:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $name(&mut self, $($argument: $type),*) {
            self.last = None;
            Handler::$name(&mut self.term, $($argument),*);
            self.mend_row();
        })*
    };
}

impl Handler for Emulator {
    forward! {
        fn goto(line: i32, col: usize);
        fn goto_line(line: i32);
        fn goto_col(col: usize);
        fn move_forward(cols: usize);
        fn move_backward(cols: usize);
        fn backspace();
        fn carriage_return();
        fn scroll_up(lines: usize);
        fn scroll_down(lines: usize);
        fn move_forward_tabs(count: u16);
        fn save_cursor_position();
        fn set_mode(mode: Mode);
        fn unset_mode(mode: Mode);
        fn set_keypad_application_mode();
        fn unset_keypad_application_mode();
        fn configure_charset(index: CharsetIndex, charset: StandardCharset);
        fn set_color(index: usize, color: Rgb);
        fn reset_color(index: usize);
    }

    forward_and_mend! {
        fn clear_line(mode: LineClearMode);
    }

    #[inline]
    fn input(&mut self, c: char) {
        let mut printed = Printed::Character(c);
        if !c.is_ascii() {
            match c.width() {
                Some(0) if self.combining_is_full() => return,
                Some(0) => printed = Printed::Mark,
                _ => (),
            }
        } else if c == '\x7f' {
            return;
        }
        self.term.input(c);
        self.last = Some(printed);
        if self.term.mode().contains(TermMode::INSERT) {
            self.mend_row();
        }
    }

    /// As in xterm, does nothing once the line is full; the emulator would wrap.
    fn put_tab(&mut self, count: u16) {
        self.last = None;
        if !self.grid().cursor.input_needs_wrap {
            self.term.put_tab(count);
        }
    }

    /// As in xterm, a line feed in the last column does not wrap a second time, and new-line mode is honoured.
    fn linefeed(&mut self) {
        self.last = None;
        self.end_pending_wrap();
        self.term.linefeed();
        if self.mode().contains(TermMode::LINE_FEED_NEW_LINE) {
            self.term.carriage_return();
        }
    }

    fn bell(&mut self) {
        self.last = None;
    }

    fn reverse_index(&mut self) {
        self.last = None;
        self.end_pending_wrap();
        self.term.reverse_index();
    }

    /// Stops at the margin, as in xterm.
    fn move_up(&mut self, lines: usize) {
        self.last = None;
        let row = self.cursor_row();
        let first = if row >= self.region.start {
            self.region.start
        } else {
            0
        };
        self.move_to_row(row.saturating_sub(lines).max(first));
    }

    fn move_down(&mut self, lines: usize) {
        self.last = None;
        let row = self.cursor_row();
        let end = if row < self.region.end {
            self.region.end
        } else {
            self.rows()
        };
        self.move_to_row(row.saturating_add(lines).min(end - 1));
    }

    fn move_down_and_cr(&mut self, lines: usize) {
        self.move_down(lines);
        self.term.carriage_return();
    }

    fn move_up_and_cr(&mut self, lines: usize) {
        self.move_up(lines);
        self.term.carriage_return();
    }

    /// The emulator searches all columns anew for each step, also when there is no stop to find.
    fn move_backward_tabs(&mut self, count: u16) {
        self.last = None;
        let column = self.grid().cursor.point.column.0;
        let stops = self.tab_stops[..column]
            .iter()
            .filter(|stop| **stop)
            .count();
        self.end_pending_wrap();
        self.term
            .move_backward_tabs(count.min(u16::try_from(stops).unwrap_or(u16::MAX)));
    }

    fn insert_blank(&mut self, count: usize) {
        self.last = None;
        self.end_pending_wrap();
        self.term.insert_blank(count);
        self.mend_row();
    }

    fn erase_chars(&mut self, count: usize) {
        self.last = None;
        self.end_pending_wrap();
        self.term.erase_chars(count);
        self.mend_row();
    }

    /// With a count beyond the end of the line the emulator would also clear cells before the cursor.
    fn delete_chars(&mut self, count: usize) {
        self.last = None;
        self.end_pending_wrap();
        let rest = self.cols() - self.grid().cursor.point.column.0;
        self.term.delete_chars(count.min(rest));
        self.mend_row();
    }

    /// As in xterm, goes to the first column.
    fn insert_blank_lines(&mut self, lines: usize) {
        self.last = None;
        if self.region.contains(&self.cursor_row()) {
            self.term.insert_blank_lines(lines);
            self.term.carriage_return();
        }
    }

    fn delete_lines(&mut self, lines: usize) {
        self.last = None;
        if self.region.contains(&self.cursor_row()) {
            self.term.delete_lines(lines);
            self.term.carriage_return();
        }
    }

    fn clear_screen(&mut self, mode: ClearMode) {
        self.last = None;
        // The emulator forgets the first row if the cursor is on the second.
        if matches!(mode, ClearMode::Above) && self.cursor_row() == 1 {
            self.term.grid_mut().reset_region(..Line(1));
        }
        self.term.clear_screen(mode);
        self.mend_row();
    }

    fn decaln(&mut self) {
        self.last = None;
        self.term.decaln();
        self.term.goto(0, 0);
    }

    fn restore_cursor_position(&mut self) {
        self.last = None;
        self.term.restore_cursor_position();
        self.keep_in_region();
    }

    fn set_horizontal_tabstop(&mut self) {
        self.last = None;
        let column = self.grid().cursor.point.column.0;
        self.tab_stops[column] = true;
        self.term.set_horizontal_tabstop();
    }

    fn clear_tabs(&mut self, mode: TabulationClearMode) {
        self.last = None;
        match mode {
            TabulationClearMode::Current => {
                let column = self.grid().cursor.point.column.0;
                self.tab_stops[column] = false;
            }
            TabulationClearMode::All => self.tab_stops.fill(false),
        }
        self.term.clear_tabs(mode);
    }

    fn reset_state(&mut self) {
        self.last = None;
        self.leave_alternate(false);
        self.term.reset_state();
        self.region = 0..self.rows();
        self.tab_stops = default_tab_stops(self.cols()).collect();
        self.charset = CharsetIndex::G0;
        self.cursor_style = None;
        self.titles = super::Titles::default();
    }

    fn terminal_attribute(&mut self, attribute: Attr) {
        self.last = None;
        self.term.terminal_attribute(match attribute {
            // SGR 21, which is a double underline everywhere else.
            Attr::CancelBold => Attr::DoubleUnderline,
            other => other,
        });
    }

    fn set_private_mode(&mut self, mode: PrivateMode) {
        self.last = None;
        match mode {
            PrivateMode::Named(NamedPrivateMode::SwapScreenAndSetRestoreCursor) => {
                self.enter_alternate(true);
            }
            PrivateMode::Named(NamedPrivateMode::BlinkingCursor) => self.blink(true),
            // The width of the page is not the program's to set.
            PrivateMode::Named(NamedPrivateMode::ColumnMode) => (),
            PrivateMode::Unknown(mode) if ALTERNATE_SCREEN.contains(&mode) => {
                self.enter_alternate(false);
            }
            PrivateMode::Unknown(SAVE_CURSOR) => self.term.save_cursor_position(),
            PrivateMode::Unknown(APPLICATION_KEYPAD) => self.term.set_keypad_application_mode(),
            _ => self.term.set_private_mode(mode),
        }
    }

    fn unset_private_mode(&mut self, mode: PrivateMode) {
        self.last = None;
        match mode {
            PrivateMode::Named(NamedPrivateMode::SwapScreenAndSetRestoreCursor) => {
                self.leave_alternate(true);
            }
            PrivateMode::Named(NamedPrivateMode::BlinkingCursor) => self.blink(false),
            PrivateMode::Named(NamedPrivateMode::ColumnMode) => (),
            // Whichever mouse mode is on, each of them turns it off, as in xterm.js.
            PrivateMode::Named(
                NamedPrivateMode::ReportMouseClicks
                | NamedPrivateMode::ReportCellMouseMotion
                | NamedPrivateMode::ReportAllMouseMotion,
            ) => self.no_mouse(),
            PrivateMode::Unknown(mode) if ALTERNATE_SCREEN.contains(&mode) => {
                self.leave_alternate(false);
            }
            PrivateMode::Unknown(SAVE_CURSOR) => self.restore_cursor_position(),
            PrivateMode::Unknown(APPLICATION_KEYPAD) => self.term.unset_keypad_application_mode(),
            PrivateMode::Named(NamedPrivateMode::Origin) => {
                self.term.unset_private_mode(mode);
                self.term.goto(0, 0);
            }
            _ => self.term.unset_private_mode(mode),
        }
    }

    /// An empty or inverted region is ignored, as in xterm.
    fn set_scrolling_region(&mut self, top: usize, bottom: Option<usize>) {
        self.last = None;
        let bottom = bottom.map_or(self.rows(), |bottom| bottom.min(self.rows()));
        if top < bottom {
            self.region = top - 1..bottom;
            self.term.set_scrolling_region(top, Some(bottom));
        }
    }

    fn set_active_charset(&mut self, index: CharsetIndex) {
        self.last = None;
        self.charset = index;
        self.term.set_active_charset(index);
    }

    fn set_cursor_style(&mut self, style: Option<CursorStyle>) {
        self.last = None;
        self.cursor_style = style;
    }

    fn set_cursor_shape(&mut self, shape: CursorShape) {
        self.last = None;
        self.cursor_style.get_or_insert_default().shape = shape;
    }

    fn set_title(&mut self, title: Option<String>) {
        self.last = None;
        self.titles.set(&title.unwrap_or_default());
    }

    fn push_title(&mut self) {
        self.last = None;
        self.titles.push();
    }

    fn pop_title(&mut self) {
        self.last = None;
        self.titles.pop();
    }

    fn set_hyperlink(&mut self, link: Option<Hyperlink>) {
        self.last = None;
        let link = link.filter(|link| {
            let id = link.id.as_deref().unwrap_or_default();
            link.uri.len() + id.len() <= LINK_MAX
                && !link.uri.chars().chain(id.chars()).any(char::is_control)
        });
        let link = link.map(|mut link| {
            // One without a name gets one, so that what belongs together still does after a keyframe.
            link.id.get_or_insert_with(|| {
                self.links += 1;
                format!("~{}", self.links)
            });
            link
        });
        self.term.set_hyperlink(link);
    }

    // Queries. The replies are those of xterm.js, which answers them while a page is attached. Reports of the
    // window, of titles, colours and the clipboard are not given: their parameters come from programs, and replies
    // are typed to programs.

    fn identify_terminal(&mut self, intermediate: Option<char>) {
        self.last = None;
        match intermediate {
            None => self.reply("\x1b[?1;2c"),
            Some('>') => self.reply("\x1b[>0;276;0c"),
            Some(_) => (),
        }
    }

    fn device_status(&mut self, query: usize) {
        self.last = None;
        match query {
            5 => self.reply("\x1b[0n"),
            6 => {
                let point = self.grid().cursor.point;
                self.reply(&format!(
                    "\x1b[{};{}R",
                    row(point.line) + 1,
                    point.column.0 + 1
                ));
            }
            _ => (),
        }
    }

    fn report_mode(&mut self, mode: Mode) {
        self.last = None;
        let state = match mode {
            Mode::Named(NamedMode::Insert) => self.is_set(TermMode::INSERT),
            Mode::Named(NamedMode::LineFeedNewLine) => self.is_set(TermMode::LINE_FEED_NEW_LINE),
            Mode::Unknown(_) => 0,
        };
        self.reply(&format!("\x1b[{};{state}$y", mode.raw()));
    }

    fn report_private_mode(&mut self, mode: PrivateMode) {
        self.last = None;
        let state = match mode {
            PrivateMode::Named(mode) => self.private_mode(mode),
            PrivateMode::Unknown(mode) if ALTERNATE_SCREEN.contains(&mode) => {
                self.is_set(TermMode::ALT_SCREEN)
            }
            PrivateMode::Unknown(APPLICATION_KEYPAD) => self.is_set(TermMode::APP_KEYPAD),
            PrivateMode::Unknown(_) => 0,
        };
        self.reply(&format!("\x1b[?{};{state}$y", mode.raw()));
    }
}

impl Emulator {
    /// DECRPM's word for a mode that may be either way: 1 set, 2 reset.
    fn is_set(&self, mode: TermMode) -> u8 {
        if self.mode().contains(mode) { 1 } else { 2 }
    }

    fn private_mode(&self, mode: NamedPrivateMode) -> u8 {
        match mode {
            NamedPrivateMode::CursorKeys => self.is_set(TermMode::APP_CURSOR),
            NamedPrivateMode::Origin => self.is_set(TermMode::ORIGIN),
            NamedPrivateMode::LineWrap => self.is_set(TermMode::LINE_WRAP),
            NamedPrivateMode::BlinkingCursor => match self.cursor_style {
                Some(CursorStyle { blinking: true, .. }) => 1,
                _ => 2,
            },
            NamedPrivateMode::ShowCursor => self.is_set(TermMode::SHOW_CURSOR),
            NamedPrivateMode::ReportMouseClicks => self.is_set(TermMode::MOUSE_REPORT_CLICK),
            NamedPrivateMode::ReportCellMouseMotion => self.is_set(TermMode::MOUSE_DRAG),
            NamedPrivateMode::ReportAllMouseMotion => self.is_set(TermMode::MOUSE_MOTION),
            NamedPrivateMode::ReportFocusInOut => self.is_set(TermMode::FOCUS_IN_OUT),
            NamedPrivateMode::Utf8Mouse => self.is_set(TermMode::UTF8_MOUSE),
            NamedPrivateMode::SgrMouse => self.is_set(TermMode::SGR_MOUSE),
            NamedPrivateMode::AlternateScroll => self.is_set(TermMode::ALTERNATE_SCROLL),
            NamedPrivateMode::SwapScreenAndSetRestoreCursor => self.is_set(TermMode::ALT_SCREEN),
            NamedPrivateMode::BracketedPaste => self.is_set(TermMode::BRACKETED_PASTE),
            // A synchronized update is applied whole: nobody sees one that is on.
            NamedPrivateMode::SyncUpdate => 2,
            NamedPrivateMode::UrgencyHints | NamedPrivateMode::ColumnMode => 0,
        }
    }

    fn blink(&mut self, blinking: bool) {
        self.cursor_style.get_or_insert_default().blinking = blinking;
    }

    fn no_mouse(&mut self) {
        for mode in [
            NamedPrivateMode::ReportMouseClicks,
            NamedPrivateMode::ReportCellMouseMotion,
            NamedPrivateMode::ReportAllMouseMotion,
        ] {
            self.term.unset_private_mode(mode.into());
        }
    }

    /// The part of DECSTR that concerns modes and margins. Moves the cursor.
    pub(super) fn reset_modes(&mut self) {
        self.set_scrolling_region(1, None);
        for charset in [
            CharsetIndex::G0,
            CharsetIndex::G1,
            CharsetIndex::G2,
            CharsetIndex::G3,
        ] {
            self.term.configure_charset(charset, StandardCharset::Ascii);
        }
        self.set_active_charset(CharsetIndex::G0);
        self.term.unset_mode(NamedMode::Insert.into());
        self.term.unset_keypad_application_mode();
        for mode in [
            NamedPrivateMode::Origin,
            NamedPrivateMode::CursorKeys,
            NamedPrivateMode::BracketedPaste,
        ] {
            self.term.unset_private_mode(mode.into());
        }
        for mode in [NamedPrivateMode::LineWrap, NamedPrivateMode::ShowCursor] {
            self.term.set_private_mode(mode.into());
        }
    }
}

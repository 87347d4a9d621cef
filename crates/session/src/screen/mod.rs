//! The virtual screen behind keyframes: what a terminal shows after a session's output.
//!
//! A [`Screen`] is fed output, lazily, and prints itself as the bytes that draw it ([`Screen::dump`]). It is pure: no
//! I/O, no clock. The terminal is `alacritty_terminal`'s; around it:
//!
//! - `boundary` finds where output may be cut,
//! - `skip` finds output that need not be drawn,
//! - `emulator` keeps the state that the emulator hides, and sets limits,
//! - `dump` prints.

mod boundary;
mod dump;
mod emulator;
mod parser;
mod pen;
mod picture;
mod skip;
mod titles;

#[cfg(test)]
mod tests;

use alacritty_terminal::term::TermMode;
use anywire_codec::styled;
use anywire_model::Size;
use boundary::State;
use dump::Detail;
use emulator::Emulator;
use memchr::memmem;
pub use picture::{Cursor, Modes, Mouse, Picture, Run};

/// Most bytes that [`Screen::advance`] leaves to be offered again.
pub const HOLD_MAX: usize = 64 * 1024;

const ESC: u8 = 0x1b;
/// Makes [`Screen::advance`] panic, for the test of what happens then.
#[cfg(test)]
pub(crate) const BREAKS: &[u8] = b"\x1b_break\x1b\\";
/// Begins a synchronized update: what follows is shown at once when it ends.
const BEGIN_UPDATE: &[u8] = b"\x1b[?2026h";
const END_UPDATE: &[u8] = b"\x1b[?2026l";
/// A string terminator: ends what is open, and else does nothing.
const NOTHING: &[u8] = b"\x1b\\";

/// A terminal's screen, without the terminal.
#[derive(Debug)]
pub struct Screen {
    size: Size,
    emulator: Emulator,
    /// Not ground while the rest of a sequence that was too long is thrown away.
    swallowing: State,
    /// Nothing was drawn since text was passed over.
    skimmed: bool,
}

impl Screen {
    /// A blank screen, as after a reset. A width of one column is treated as two.
    #[must_use]
    pub fn new(size: Size) -> Self {
        Self {
            size,
            emulator: Emulator::new(size),
            swallowing: State::Ground,
            skimmed: false,
        }
    }

    /// The screen that `dump` (from [`Screen::dump`] at the same size) draws.
    #[must_use]
    pub fn restore(size: Size, dump: &[u8]) -> Self {
        let mut screen = Self::new(size);
        let drawn = screen.advance(dump);
        // A dump taken inside an oversized sequence ends inside a short one.
        let (state, _) = boundary::sequence(State::Ground, &dump[drawn..]);
        screen.swallowing = state;
        screen
    }

    /// Columns and rows.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// Changes the size: lines of the primary screen are wrapped anew, the scroll region is the whole screen again.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
        self.emulator.resize(size);
    }

    /// Takes output up to the last *ground boundary* in `bytes`, and returns how many bytes that were; the caller
    /// offers the rest again with more behind it. At a ground boundary no escape sequence, no UTF-8 character and
    /// no synchronized update is half done.
    ///
    /// Never more than [`HOLD_MAX`] bytes are left. A sequence that is longer has no effect, and what comes of it
    /// later is thrown away too; a synchronized update that is longer is shown piecemeal.
    ///
    /// A caller that offers slices therefore has to offer a longer one, of more than [`HOLD_MAX`], when nothing of a
    /// slice was taken.
    ///
    /// Long text is not drawn in full; the result is the same (`skip` says why).
    pub fn advance(&mut self, bytes: &[u8]) -> usize {
        #[cfg(test)]
        assert!(bytes != BREAKS, "as asked");
        self.skimmed = false;
        let start = self.swallow(bytes);
        let mut feed = Feed {
            emulator: &mut self.emulator,
            bytes,
            fed: start,
            ground: start,
            last_end_update: None,
        };
        let open = feed.run(start);
        let ground = feed.ground;
        feed.draw(ground);
        match open {
            Some(state) if bytes.len() - ground > HOLD_MAX => {
                self.swallowing = state;
                bytes.len()
            }
            _ => ground,
        }
    }

    /// Passes over text that need not be drawn because what follows it scrolls it away: for a caller that has more than
    /// `bytes`. Returns how many bytes are done with; what is behind them has to be drawn before the screen shows
    /// anything true. Until then its rows are blank and all else is as it should be, so a dump may stand for it.
    pub fn skim(&mut self, bytes: &[u8]) -> usize {
        if self.swallowing != State::Ground || !self.emulator.scrolls_whole_screen() {
            return 0;
        }
        let run = &bytes[..styled::run(bytes)];
        let Some(cut) = skip::cut(run, self.emulator.rows()) else {
            return 0;
        };
        skip_to(&mut self.emulator, &run[..cut]);
        if !std::mem::replace(&mut self.skimmed, true) {
            self.emulator.blank();
        }
        cut
    }

    /// Throws away the rest of a sequence that was too long. Returns where it ends.
    fn swallow(&mut self, bytes: &[u8]) -> usize {
        if self.swallowing == State::Ground || bytes.is_empty() {
            return 0;
        }
        if bytes[0] == ESC {
            self.swallowing = State::Ground;
            return 0;
        }
        let (state, length) = boundary::sequence(self.swallowing, bytes);
        // What stops before the end of the bytes stops at an ESC, which is looked at as any other.
        self.swallowing = if length < bytes.len() {
            State::Ground
        } else {
            state
        };
        length
    }

    /// Bytes that draw this screen on a freshly reset terminal of the same size: the text of both screens with all
    /// attributes, the cursor, and every mode that output set. At most a few dozen bytes per cell.
    #[must_use]
    pub fn dump(&self) -> Vec<u8> {
        self.dump_as(Detail {
            attributes: true,
            rows: usize::MAX,
            blank: self.skimmed,
        })
    }

    /// As [`Screen::dump`], in at most `max` bytes: if need be without attributes, then with fewer rows (those up
    /// to the cursor are kept), and if not even the modes fit, nothing.
    #[must_use]
    pub fn dump_within(&self, max: usize) -> Vec<u8> {
        let full = self.dump();
        if full.len() <= max {
            return full;
        }
        let mut rows = self.emulator.rows();
        loop {
            let dump = self.dump_as(Detail {
                attributes: false,
                rows,
                blank: self.skimmed,
            });
            if dump.len() <= max {
                return dump;
            }
            if rows == 0 {
                return Vec::new();
            }
            rows /= 2;
        }
    }

    fn dump_as(&self, detail: Detail) -> Vec<u8> {
        let mut dump = dump::dump(&self.emulator, detail);
        dump.extend_from_slice(self.swallowing.opener());
        dump
    }

    /// What a terminal answers to the queries (device attributes, status, modes) met since the last call, 4 KiB at
    /// most. Reports that a program could fill with text of its own, such as the title, are never given.
    pub fn take_replies(&mut self) -> Vec<u8> {
        self.emulator.take_replies()
    }

    /// The window title, if one was set: at most 256 characters, none of them a control character.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.emulator.titles().current()
    }

    /// Whether the program wants to know what is pasted.
    #[must_use]
    pub fn bracketed_paste(&self) -> bool {
        self.emulator.mode().contains(TermMode::BRACKETED_PASTE)
    }

    /// The screen as a value, for programs that look at it; with the cells' attributes if `cells`.
    #[must_use]
    pub fn picture(&self, cells: bool) -> Picture {
        picture::picture(self.size, &self.emulator, cells)
    }

    /// The rows, joined by line feeds, without blanks at their ends.
    #[must_use]
    pub fn text(&self) -> String {
        dump::text(self.emulator.grid())
    }
}

/// Leaves `skipped` undrawn: a run up to its cut.
fn skip_to(emulator: &mut Emulator, skipped: &[u8]) {
    for sgr in skip::sgr_state(skipped) {
        parser::advance(emulator, sgr);
    }
    emulator.skip_to_bottom();
}

/// One pass over output.
struct Feed<'a> {
    emulator: &'a mut Emulator,
    bytes: &'a [u8],
    /// What lies before is drawn (or skipped).
    fed: usize,
    /// The last boundary found.
    ground: usize,
    /// Where the last end of a synchronized update begins; looked for once.
    last_end_update: Option<Option<usize>>,
}

impl Feed<'_> {
    /// Walks from boundary to boundary, starting at one. Returns the state at the end of `bytes` if that is inside a
    /// sequence.
    fn run(&mut self, mut at: usize) -> Option<State> {
        loop {
            at = self.text(at);
            match *self.bytes.get(at)? {
                ESC => match self.sequences(at) {
                    Ok(end) => at = end?,
                    Err(state) => return Some(state),
                },
                // A shift to another charset.
                _ => at += 1,
            }
            self.ground = at;
        }
    }

    /// Text and colours from `start` on. Returns where something else begins.
    fn text(&mut self, start: usize) -> usize {
        let end = start + styled::run(&self.bytes[start..]);
        self.ground = end;
        if end == self.bytes.len() {
            self.ground -= boundary::partial_character(&self.bytes[start..]);
        }
        if let Some(cut) = skip::cut(&self.bytes[start..self.ground], self.emulator.rows()) {
            self.draw(start);
            if self.emulator.scrolls_whole_screen() {
                skip_to(self.emulator, &self.bytes[start..start + cut]);
                self.fed = start + cut;
            }
        }
        end
    }

    /// The escape sequence at `at`, or several if one breaks off another. Returns where the text goes on; nothing if
    /// the sequence begins an update whose end has not come; or the state in which the bytes end.
    fn sequences(&mut self, mut at: usize) -> Result<Option<usize>, State> {
        let mut state = State::Ground;
        loop {
            let start = at;
            let (next, length) = boundary::sequence(state, &self.bytes[at..]);
            state = next;
            at += length;
            let sequence = &self.bytes[start..at];
            if state != State::Ground {
                if at == self.bytes.len() {
                    return Err(state);
                }
                continue;
            }
            if sequence == BEGIN_UPDATE && self.holds_update(start) {
                return Ok(None);
            }
            self.special(sequence, start);
            return Ok(Some(at));
        }
    }

    /// Whether the synchronized update that begins at `start` has yet to end, and may be waited for.
    fn holds_update(&mut self, start: usize) -> bool {
        let bytes = self.bytes;
        let last_end = *self
            .last_end_update
            .get_or_insert_with(|| memmem::rfind(bytes, END_UPDATE));
        last_end.is_none_or(|end| end < start) && bytes.len() - start <= HOLD_MAX
    }

    /// Sequences that the emulator's parser does not know, or knows no limit for.
    fn special(&mut self, sequence: &[u8], start: usize) {
        let Some(body) = sequence.strip_prefix(b"\x1b[") else {
            return;
        };
        let repeat = body.last() == Some(&b'b');
        if !repeat && body != b"!p" {
            return;
        }
        self.draw(start);
        // Ends what the sequence broke off.
        parser::advance(self.emulator, NOTHING);
        self.fed = start + sequence.len();
        if repeat {
            let count = std::str::from_utf8(&body[..body.len() - 1]).unwrap_or("?");
            self.emulator.repeat(match count.parse::<usize>() {
                Ok(count) => count.clamp(1, usize::from(u16::MAX)),
                Err(_) => usize::from(count.is_empty()),
            });
        } else {
            self.emulator.soft_reset();
        }
    }

    /// Draws what comes before `end`.
    fn draw(&mut self, end: usize) {
        if self.fed < end {
            let bytes = &self.bytes[self.fed..end];
            parser::advance(self.emulator, bytes);
            if boundary::partial_character(bytes) > 0 {
                // What comes next does not complete the character, but the parser has not seen that yet.
                parser::advance(self.emulator, NOTHING);
            }
            self.fed = end;
        }
    }
}

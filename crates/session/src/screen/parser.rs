//! The emulator's parser: one per thread, since between two calls none of them has anything to remember.
//!
//! It reserves 2 MiB to buffer synchronized updates in. [`Screen::advance`](super::Screen::advance) takes those
//! whole, so the buffering is turned off; sharing the parser leaves the reservation at one per thread.

use super::emulator::Emulator;
use alacritty_terminal::vte::ansi::{Processor, Timeout};
use std::cell::Cell;
use std::time::Duration;

/// Never waits for the end of a synchronized update.
#[derive(Default)]
struct NoBuffering;

impl Timeout for NoBuffering {
    fn set_timeout(&mut self, _: Duration) {}
    fn clear_timeout(&mut self) {}
    fn pending_timeout(&self) -> bool {
        false
    }
}

thread_local! {
    static PARSER: Cell<Option<Processor<NoBuffering>>> = const { Cell::new(None) };
}

/// Has the emulator do what `bytes` say. They must not end inside a sequence, unless more follows at once.
pub(super) fn advance(emulator: &mut Emulator, bytes: &[u8]) {
    // Taken out while it works, so that one that panicked is not used again.
    let mut parser = PARSER.take().unwrap_or_default();
    parser.advance(emulator, bytes);
    PARSER.set(Some(parser));
}

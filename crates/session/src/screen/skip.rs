//! Which output need not be drawn: long text scrolls itself off the screen.
//!
//! A *run* ([`anywire_codec::styled`]) is text mixed with nothing but SGR sequences. If the whole screen scrolls, then
//! what it leaves behind is decided by its last lines: with `rows` line feeds before a cut the cursor stands on the
//! bottom row, and with `rows` after it every row that was there at the cut has left. So a run may be drawn from a cut
//! right behind a CR LF, given the SGR state there, and the result is the same cell by cell.

use anywire_codec::styled::sgr;
use memchr::{memchr_iter, memrchr_iter};

const ESC: u8 = 0x1b;

/// Where drawing `run` may begin on a screen of `rows` rows, if enough of it can be left out.
pub(super) fn cut(run: &[u8], rows: usize) -> Option<usize> {
    // The least that the lines after the cut, and those before it, take.
    if run.len() < 4 * rows {
        return None;
    }
    let mut feeds = memrchr_iter(b'\n', run);
    let mut feed = feeds.nth(rows)?;
    while feed == 0 || run[feed - 1] != b'\r' {
        feed = feeds.next()?;
    }
    feeds.nth(rows).map(|_| feed + 1)
}

/// The SGR sequences of `skipped` that make its final SGR state, in order: those from the last full reset on.
pub(super) fn sgr_state(skipped: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut first = None;
    for at in memrchr_iter(ESC, skipped) {
        first = Some(at);
        if resets(&skipped[at..]) {
            break;
        }
    }
    // Plain text, which is most, was searched once then.
    let colours = &skipped[first.unwrap_or(skipped.len())..];
    memchr_iter(ESC, colours)
        .filter_map(|at| sgr(&colours[at..]).map(|length| &colours[at..][..length]))
}

/// Whether the SGR sequence at the start of `bytes` first resets everything: its first parameter is 0 or missing.
fn resets(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [ESC, b'[', b'm' | b';', ..] | [ESC, b'[', b'0', b'm' | b';', ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_lies_behind_a_return_with_enough_lines_on_both_sides() {
        let lines = b"1\r\n2\r\n3\n4\r\n5\r\n6\r\n";
        assert_eq!(cut(lines, 2), Some(11), "5 and 6 are drawn");
        assert_eq!(cut(lines, 3), None, "too few lines before 4");
        let lines = [&b"0\r\n0\r\n0\r\n"[..], lines].concat();
        assert_eq!(
            cut(&lines, 3),
            Some(15),
            "3 has no return: it is drawn as well"
        );
    }

    #[test]
    fn sgr_state_begins_at_the_last_reset() {
        let found: Vec<_> = sgr_state(b"\x1b[1mx\x1b[0;4my\x1b[31m").collect();
        assert_eq!(found, [&b"\x1b[0;4m"[..], b"\x1b[31m"]);
        assert_eq!(sgr_state(b"\x1b[1mx\x1b[01;34m").count(), 2);
    }
}

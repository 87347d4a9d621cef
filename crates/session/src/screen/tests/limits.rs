//! Hostile output: everything that could grow or take long has a limit.

use super::super::emulator::{Area, COMBINING_MAX, LINK_MAX, REPLIES_MAX};
use super::super::{HOLD_MAX, Screen};
use super::snapshot;
use alacritty_terminal::Term;
use alacritty_terminal::event::VoidListener;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::Config;
use alacritty_terminal::vte::ansi::{Processor, StdSyncHandler};
use anywire_model::Size;

fn screen(output: &[u8]) -> Screen {
    let mut screen = Screen::new(Size::DEFAULT);
    assert_eq!(screen.advance(output), output.len());
    screen
}

fn first_row(screen: &Screen) -> String {
    screen.text().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn sequences_that_are_too_long_have_no_effect() {
    for (start, end) in [
        (&b"\x1b]0;"[..], &b"\x07"[..]),
        (b"\x1bPq", b"\x1b\\"),
        (b"\x1bP0;1|", b"\x18"),
        (b"\x1b_", b"\x1b\\"),
        (b"\x1b[3", b"m"),
    ] {
        let mut screen = Screen::new(Size::DEFAULT);
        let long = [b"a", start, &b"1".repeat(HOLD_MAX)].concat();
        assert_eq!(screen.advance(&long[..=HOLD_MAX]), 1, "held");
        assert_eq!(screen.advance(&long[1..]), long.len() - 1, "taken by force");
        // A keyframe in the middle of it goes on in the middle of it.
        let mut restored = Screen::restore(Size::DEFAULT, &screen.dump());
        for screen in [&mut screen, &mut restored] {
            assert_eq!(screen.advance(&b"1".repeat(3 * HOLD_MAX)), 3 * HOLD_MAX);
            assert_eq!(screen.advance(end), end.len());
            assert_eq!(screen.advance(b"b"), 1);
            assert_eq!(first_row(screen), "ab", "{}", start.escape_ascii());
            assert_eq!(screen.title(), None);
        }
        assert_eq!(snapshot::all(&screen), snapshot::all(&restored));
    }
}

#[test]
fn an_update_that_does_not_end_is_shown_in_the_end() {
    let mut screen = Screen::new(Size::DEFAULT);
    let update = [&b"a\x1b[?2026h"[..], &b"b\r".repeat(HOLD_MAX / 2)].concat();
    assert_eq!(screen.advance(&update[..HOLD_MAX]), 1);
    assert_eq!(screen.advance(&update[1..]), update.len() - 1);
    assert_eq!(first_row(&screen), "bb");
}

#[test]
fn an_update_is_taken_whole() {
    let mut screen = Screen::new(Size::DEFAULT);
    let update = b"\x1b[?2026hone\x1b[?2026l";
    for end in 0..update.len() {
        assert_eq!(screen.advance(&update[..end]), 0);
    }
    assert_eq!(screen.advance(update), update.len());
    assert_eq!(first_row(&screen), "one");
}

/// What the emulator does with so many of a character, one after the other.
fn printed(size: Size, c: char, count: usize) -> Term<VoidListener> {
    let config = Config {
        scrolling_history: 0,
        ..Config::default()
    };
    let mut term = Term::new(config, &Area::from(size), VoidListener);
    let mut parser: Processor<StdSyncHandler> = Processor::new();
    parser.advance(&mut term, c.to_string().repeat(count).as_bytes());
    term
}

#[test]
fn a_giant_repeat_does_what_so_many_characters_do() {
    for size in [Size { cols: 7, rows: 3 }, Size { cols: 10, rows: 1 }] {
        for c in ['x', '\u{4f60}'] {
            for count in [1, 20, 33, 65_535] {
                let mut screen = Screen::new(size);
                let output = format!("{c}\x1b[{count}b");
                screen.advance(output.as_bytes());
                assert_eq!(
                    snapshot::shown(&screen),
                    snapshot::term(&printed(size, c, count + 1))
                );
            }
        }
    }
}

#[test]
fn only_what_was_printed_just_before_is_repeated() {
    assert_eq!(
        first_row(&screen(b"a\x1b[2bc\x1b[m\x1b[5b\x1b[99999999999999999999b")),
        "aaac"
    );
    assert_eq!(first_row(&screen(b"a\x1b[;2bb\x1b[1\n2bc")), "abc");
}

#[test]
fn expensive_functions_are_cheap() {
    // Each of these would be minutes of work, if counts were taken at their word.
    let mut screen = Screen::new(Size {
        cols: 400,
        rows: 100,
    });
    for output in [
        "\x1b[3gx\x1b[65535Z",
        "\x1b[65535I",
        "x\x1b[65535b",
        "\x1b[65535M",
        "\x1b[65535@",
        "\x1b[65535S",
    ] {
        screen.advance(output.repeat(40).as_bytes());
    }
}

#[test]
fn cells_take_a_bounded_number_of_marks() {
    let screen = screen(format!("a{}b", "\u{301}".repeat(1000)).as_bytes());
    let cell = &screen.emulator.grid()[Line(0)][Column(0)];
    assert_eq!(cell.zerowidth().unwrap().len(), COMBINING_MAX);
    assert!(first_row(&screen).ends_with('b'));
}

#[test]
fn titles_and_links_are_bounded_and_clean() {
    let title = "t".repeat(10_000);
    let many = format!("\x1b]0;{title}\x07\x1b[22;0t").repeat(1000);
    let bounded = screen(many.as_bytes());
    assert_eq!(bounded.title().unwrap().len(), 256);
    assert!(bounded.dump().len() < 4096);

    let dirty = screen("\x1b]2;a\u{9b}31mb\u{85}\x1b\\".as_bytes());
    assert_eq!(dirty.title(), Some("a31mb"));

    let link = format!("\x1b]8;;http://{}\x1b\\x", "a".repeat(LINK_MAX));
    let unlinked = screen(link.as_bytes());
    assert!(
        unlinked.emulator.grid()[Line(0)][Column(0)]
            .hyperlink()
            .is_none()
    );
}

#[test]
fn replies_are_bounded() {
    let mut asked = screen(&b"\x1b[c\x1b[6n".repeat(10_000));
    let replies = asked.take_replies();
    assert!(replies.len() <= REPLIES_MAX && replies.len() > REPLIES_MAX - 20);
    assert!(asked.take_replies().is_empty());
}

#[test]
fn a_dump_is_made_to_fit() {
    let output = "\x1b[38;2;1;2;3mcolour\x1b[48;5;9m!\r\n".repeat(24) + "\x1b[?2004h";
    let screen = screen(output.as_bytes());
    let full = screen.dump();
    assert_eq!(screen.dump_within(full.len()), full);

    let plain = Screen::restore(screen.size(), &screen.dump_within(full.len() - 1));
    assert_eq!(plain.text(), screen.text());
    assert!(plain.bracketed_paste());

    let few = screen.dump_within(100);
    let few = Screen::restore(screen.size(), &few);
    assert!(few.text().contains("colour!") && few.text().len() < screen.text().len());
    assert!(screen.dump_within(3).is_empty());
}

#[test]
fn the_smallest_and_the_largest_screen_work() {
    let output = "\u{4f60}a\r\n\x1b[5;5H\u{1f600}\x1b[2J\x1b[?1049hx\x1b[10T".repeat(20);
    for size in [
        Size { cols: 1, rows: 1 },
        Size { cols: 2, rows: 1 },
        Size::MAX,
    ] {
        let mut screen = Screen::new(size);
        screen.advance(output.as_bytes());
        screen.resize(Size { cols: 3, rows: 2 });
        screen.resize(size);
        assert_eq!(screen.size(), size);
        let restored = Screen::restore(size, &screen.dump());
        assert_eq!(restored.text(), screen.text());
    }
}

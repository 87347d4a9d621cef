//! Lazy equals eager, a restored screen equals the one dumped, now and after more output.

use super::super::{HOLD_MAX, Screen};
use super::fragments::{any_fragment, common, garbage, output};
use super::snapshot;
use alacritty_terminal::Term;
use alacritty_terminal::event::VoidListener;
use alacritty_terminal::term::Config;
use alacritty_terminal::vte::ansi::{Processor, StdSyncHandler};
use anywire_model::Size;
use proptest::prelude::*;

const SIZE: Size = Size { cols: 44, rows: 12 };

/// Feeds `bytes` in pieces of these lengths, as a session would: what is not taken is offered again. Returns how much
/// was taken in all.
fn feed(screen: &mut Screen, bytes: &[u8], pieces: &[usize]) -> usize {
    let mut taken = 0;
    let mut offered = 0;
    let mut pieces = pieces.iter().cycle();
    while offered < bytes.len() {
        offered = bytes
            .len()
            .min(offered + pieces.next().copied().unwrap_or(bytes.len()).max(1));
        taken += screen.advance(&bytes[taken..offered]);
        assert!(offered - taken <= HOLD_MAX);
    }
    taken
}

/// As the keeper does: text with more behind it is passed over where that may be; then, if so asked, another keeper goes
/// on from a checkpoint. Returns how much was taken in all.
fn skim(screen: &mut Screen, bytes: &[u8], piece: usize, checkpoints: bool) -> usize {
    let (mut taken, mut want) = (0, piece);
    loop {
        let slice = &bytes[taken..bytes.len().min(taken + want)];
        let is_last = taken + slice.len() == bytes.len();
        let mut took = if is_last { 0 } else { screen.skim(slice) };
        if took == 0 {
            took = screen.advance(slice);
        } else if checkpoints {
            *screen = Screen::restore(screen.size(), &screen.dump());
        }
        taken += took;
        if is_last {
            return taken;
        }
        want = if took == 0 { 2 * want } else { piece };
    }
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1..20usize, 100..5000usize, Just(1 << 20)], 1..6)
}

fn size() -> impl Strategy<Value = Size> {
    (5..60u16, 1..20u16).prop_map(|(cols, rows)| Size { cols, rows })
}

/// So many cases, unless `PROPTEST_CASES` says how many.
fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases.unwrap_or(default))
    }
}

/// Fails with the lines that differ, and the dump if it is of interest.
fn same(left: &str, right: &str, dump: &[u8]) -> Result<(), TestCaseError> {
    let both = left.lines().zip(right.lines());
    let differences: Vec<_> = both.filter(|(left, right)| left != right).take(3).collect();
    prop_assert!(left == right, "{differences:#?}\n{}", dump.escape_ascii());
    Ok(())
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn lazy_equals_the_emulator_itself(bytes in output(common(), 30), pieces in pieces()) {
        let mut screen = Screen::new(SIZE);
        let taken = feed(&mut screen, &bytes, &pieces);
        let area = super::super::emulator::Area::from(SIZE);
        let config = Config { scrolling_history: 0, ..Config::default() };
        let mut term = Term::new(config, &area, VoidListener);
        let mut parser: Processor<StdSyncHandler> = Processor::new();
        parser.advance(&mut term, &bytes[..taken]);
        parser.stop_sync(&mut term);
        same(&snapshot::shown(&screen), &snapshot::term(&term), b"")?;
    }

    /// Nothing is skipped in pieces that short.
    #[test]
    fn pieces_do_not_matter(bytes in output(any_fragment(), 40), pieces in pieces()) {
        let mut screen = Screen::new(SIZE);
        let taken = feed(&mut screen, &bytes, &pieces);
        let mut eager = Screen::new(SIZE);
        prop_assert_eq!(taken, feed(&mut eager, &bytes, &[16]));
        same(&snapshot::all(&screen), &snapshot::all(&eager), b"")?;
        prop_assert_eq!(screen.dump(), eager.dump());
        prop_assert_eq!(screen.take_replies(), eager.take_replies());
    }

    #[test]
    fn text_that_is_passed_over_changes_nothing(
        bytes in output(common(), 60),
        sizes in prop::collection::vec(size(), 1),
        piece in 200..6000usize,
        checkpoints in any::<bool>(),
    ) {
        let mut eager = Screen::new(sizes[0]);
        let taken = feed(&mut eager, &bytes, &[16]);
        let mut screen = Screen::new(sizes[0]);
        prop_assert_eq!(skim(&mut screen, &bytes, piece, checkpoints), taken);
        same(&snapshot::all(&screen), &snapshot::all(&eager), b"")?;
        // Links without a name are numbered by each screen anew.
        prop_assert!(checkpoints || screen.dump() == eager.dump());
    }

    #[test]
    fn restoring_a_dump_gives_the_same_screen(
        bytes in output(any_fragment(), 30),
        more in output(any_fragment(), 20),
        sizes in prop::collection::vec(size(), 2),
        resized in any::<bool>(),
    ) {
        let mut screen = Screen::new(sizes[0]);
        let taken = screen.advance(&bytes);
        if resized {
            screen.resize(sizes[1]);
        }
        let dump = screen.dump();
        let mut restored = Screen::restore(screen.size(), &dump);
        same(&snapshot::all(&screen), &snapshot::all(&restored), &dump)?;
        prop_assert_eq!(dump.escape_ascii().to_string(), restored.dump().escape_ascii().to_string());

        // And it goes on the same.
        let more = [&bytes[taken..], &more].concat();
        screen.advance(&more);
        restored.advance(&more);
        same(&snapshot::all(&screen), &snapshot::all(&restored), &dump)?;
        screen.resize(sizes[1]);
        restored.resize(sizes[1]);
        same(&snapshot::all(&screen), &snapshot::all(&restored), &dump)?;
    }

    #[test]
    fn garbage_is_survived(
        parts in prop::collection::vec((garbage(), prop::option::weighted(0.3, size())), 1..6),
        pieces in pieces(),
    ) {
        let mut screen = Screen::new(SIZE);
        for (bytes, resize) in &parts {
            feed(&mut screen, bytes, &pieces);
            if let Some(size) = resize {
                screen.resize(*size);
            }
        }
        let restored = Screen::restore(screen.size(), &screen.dump());
        same(&snapshot::all(&screen), &snapshot::all(&restored), b"")?;
        for max in [0, 50, 200, 1000] {
            prop_assert!(screen.dump_within(max).len() <= max);
        }
    }
}

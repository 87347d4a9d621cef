//! How fast output is taken; not part of the usual run:
//! `cargo test --release -p anywire-session speed -- --ignored --nocapture`.

use super::super::Screen;
use anywire_model::Size;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

/// As the session offers it.
const SLICE: usize = 64 * 1024;

/// Lines as `seq` and logs have them.
fn plain() -> String {
    (0..400_000).fold(String::new(), |mut out, n| {
        let _ = write!(
            out,
            "{n} the quick brown fox jumps over the lazy dog, {}\r\n",
            n * 7919
        );
        out
    })
}

/// Lines as `ls --color -l` prints them.
fn coloured() -> String {
    (0..250_000).fold(String::new(), |mut out, n| {
        let color = ["01;34", "01;32", "01;36", "0", "01;31"][n % 5];
        let _ = write!(
            out,
            "-rwxr-xr-x 1 root root {:8} Jan  1 00:00 \x1b[0m\x1b[{color}mfile-{n}\x1b[0m\r\n",
            n * 31
        );
        out
    })
}

/// Names in columns, a colour each.
fn columns() -> String {
    (0..1_000_000).fold(String::new(), |mut out, n| {
        let _ = write!(out, "\x1b[0m\x1b[01;34mdirectory {}\x1b[0m  ", n % 100);
        out.push_str(if n % 4 == 3 { "\r\n" } else { "" });
        out
    })
}

/// Cursor movement, as in a full-screen program: nothing to skip.
fn moving() -> String {
    (0..300_000).fold(String::new(), |mut out, n| {
        let _ = write!(
            out,
            "\x1b[{};{}H\x1b[3{}mword {n}\x1b[K",
            n % 24 + 1,
            n % 70 + 1,
            n % 8
        );
        out
    })
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    for (name, output) in [
        ("plain", plain()),
        ("ls -l", coloured()),
        ("ls -C", columns()),
        ("moving", moving()),
    ] {
        let bytes = output.as_bytes();
        let mut best = 0.0_f64;
        for _ in 0..5 {
            let mut screen = Screen::new(Size::DEFAULT);
            let start = Instant::now();
            let mut at = 0;
            while at < bytes.len() {
                let taken = screen.advance(&bytes[at..bytes.len().min(at + SLICE)]);
                assert!(taken > 0 || bytes.len() - at < 100);
                at += taken.max(1);
            }
            black_box(&screen);
            best = best.max(bytes.len() as f64 / start.elapsed().as_secs_f64() / 1e6);
        }
        let mut screen = Screen::new(Size::DEFAULT);
        screen.advance(&bytes[..SLICE]);
        let start = Instant::now();
        let dumps: usize = (0..1000).map(|_| black_box(screen.dump()).len()).sum();
        let dump = start.elapsed() / 1000;
        eprintln!(
            "{name}: {best:.0} MB/s; a dump of {} bytes takes {dump:?}",
            dumps / 1000
        );
    }
}

//! Against xterm.js, the terminal of the page: our screen shows what it shows, and it shows the same after a keyframe
//! as after all the output.
//!
//! Needs node and the packages of `web/test-screen` (`npm ci` there). Without them these tests say so and pass, unless
//! `ANYWIRE_TEST_WEB=1` is set.

use super::super::Screen;
use super::fragments::{output, whole};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::Color;
use anywire_model::Size;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SIZE: Size = Size { cols: 80, rows: 24 };

fn color(color: Color) -> String {
    match color {
        Color::Named(name) if (name as usize) < 16 => (name as usize).to_string(),
        Color::Named(_) => "-".to_owned(),
        Color::Indexed(index) => index.to_string(),
        Color::Spec(rgb) => format!("#{:02x}{:02x}{:02x}", rgb.r, rgb.g, rgb.b),
    }
}

fn describe(cell: &Cell) -> String {
    let attributes = [
        (Flags::BOLD, 'B'),
        (Flags::DIM, 'D'),
        (Flags::ITALIC, 'I'),
        (Flags::ALL_UNDERLINES, 'U'),
        (Flags::INVERSE, 'R'),
        (Flags::HIDDEN, 'H'),
        (Flags::STRIKEOUT, 'S'),
    ];
    let mut text = String::from(if cell.c == '\t' { ' ' } else { cell.c });
    text.extend(cell.zerowidth().into_iter().flatten());
    let _ = write!(text, " {} {} ", color(cell.fg), color(cell.bg));
    // xterm.js underlines links.
    let link = if cell.hyperlink().is_some() {
        Flags::UNDERLINE
    } else {
        Flags::empty()
    };
    let set = attributes
        .iter()
        .filter(|(flag, _)| (cell.flags | link).intersects(*flag));
    text.extend(set.map(|(_, letter)| letter));
    text
}

/// What `draw.mjs` prints for such a screen.
fn lines(screen: &Screen) -> Vec<String> {
    let grid = screen.emulator.grid();
    let mode = screen.emulator.mode();
    let is = |flag| mode.contains(flag);
    let kind = if is(TermMode::ALT_SCREEN) {
        "alternate"
    } else {
        "normal"
    };
    let column = grid.cursor.point.column.0 + usize::from(grid.cursor.input_needs_wrap);
    let mouse = [
        (TermMode::MOUSE_REPORT_CLICK, "vt200"),
        (TermMode::MOUSE_DRAG, "drag"),
        (TermMode::MOUSE_MOTION, "any"),
    ];
    let mouse = mouse
        .iter()
        .find(|(flag, _)| is(*flag))
        .map_or("none", |(_, name)| name);
    let mut out = vec![
        format!("{kind} cursor {} {column}", grid.cursor.point.line),
        format!(
            "keys {} {} paste {} insert {} origin {} focus {} wrap {} mouse {mouse}",
            is(TermMode::APP_CURSOR),
            is(TermMode::APP_KEYPAD),
            is(TermMode::BRACKETED_PASTE),
            is(TermMode::INSERT),
            is(TermMode::ORIGIN),
            is(TermMode::FOCUS_IN_OUT),
            is(TermMode::LINE_WRAP),
        ),
    ];
    for row in 0..screen.emulator.rows() {
        for column in 0..screen.emulator.cols() {
            let cell = &grid[Line(i32::try_from(row).unwrap())][Column(column)];
            let text = describe(cell);
            if !cell.flags.contains(Flags::WIDE_CHAR_SPACER) && text != describe(&Cell::default()) {
                out.push(format!("{row} {column}: {text}"));
            }
        }
    }
    out
}

/// What xterm.js shows after each of these outputs; nothing if it is not here.
fn xterm(size: Size, outputs: &[Vec<u8>]) -> Option<Vec<Vec<String>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/test-screen");
    if !folder.join("node_modules/@xterm/headless").exists() {
        assert!(
            std::env::var_os("ANYWIRE_TEST_WEB").is_none(),
            "run `npm ci` in {}",
            folder.display()
        );
        eprintln!("skipped: no xterm.js (run `npm ci` in web/test-screen)");
        return None;
    }
    let jobs: Vec<_> = outputs
        .iter()
        .map(|output| {
            let hex: String = output.iter().map(|byte| format!("{byte:02x}")).collect();
            serde_json::json!({ "cols": size.cols, "rows": size.rows, "output": hex })
        })
        .collect();
    let mut command = Command::new("node");
    command
        .arg(folder.join("draw.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut node = match command.spawn() {
        Ok(node) => node,
        Err(error) => {
            assert!(
                std::env::var_os("ANYWIRE_TEST_WEB").is_none(),
                "node: {error}"
            );
            eprintln!("skipped: no node");
            return None;
        }
    };
    // It reads all of its input before it prints.
    node.stdin
        .take()
        .unwrap()
        .write_all(&serde_json::to_vec(&jobs).unwrap())
        .unwrap();
    let result = node.wait_with_output().unwrap();
    assert!(result.status.success());
    Some(serde_json::from_slice(&result.stdout).unwrap())
}

/// One comparison, made of outputs that xterm.js draws.
struct Case {
    name: String,
    ours: Vec<String>,
    before: Vec<u8>,
    dump: Vec<u8>,
    after: Vec<u8>,
}

impl Case {
    /// Cuts output at the last boundary at or before `cut`.
    fn new(name: String, size: Size, output: &[u8], cut: usize) -> Self {
        let mut screen = Screen::new(size);
        let taken = screen.advance(&output[..cut]);
        Self {
            name: format!("{name} cut at {taken}"),
            ours: lines(&screen),
            before: output[..taken].to_vec(),
            dump: screen.dump(),
            after: output[taken..].to_vec(),
        }
    }

    fn outputs(&self) -> [Vec<u8>; 4] {
        let whole = |head: &[u8]| [head, &self.after].concat();
        [
            self.before.clone(),
            self.dump.clone(),
            whole(&self.before),
            whole(&self.dump),
        ]
    }
}

/// The differences between two screens, as far as they help.
fn difference(left: &[String], right: &[String]) -> Option<String> {
    let only = |these: &[String], those: &[String]| {
        these
            .iter()
            .filter(|line| !those.contains(line))
            .take(6)
            .cloned()
            .collect::<Vec<_>>()
    };
    (left != right).then(|| {
        format!(
            "{:#?} instead of {:#?}",
            only(left, right),
            only(right, left)
        )
    })
}

fn compare(size: Size, cases: &[Case]) {
    let outputs: Vec<_> = cases.iter().flat_map(Case::outputs).collect();
    let Some(screens) = xterm(size, &outputs) else {
        return;
    };
    let mut failures = Vec::new();
    for (case, screens) in cases.iter().zip(screens.chunks(4)) {
        let [shown, from_dump, end, end_from_dump] = screens else {
            unreachable!()
        };
        for (what, left, right) in [
            ("our screen", &case.ours, shown),
            ("the dump", from_dump, shown),
            ("the dump and the rest", end_from_dump, end),
        ] {
            if let Some(difference) = difference(left, right) {
                let name = &case.name;
                let bytes = if case.before.len() < 1500 {
                    case.before.escape_ascii().to_string()
                } else {
                    String::new()
                };
                failures.push(format!(
                    "{name}: {what}: {difference}\n{bytes}\n{}",
                    case.dump.escape_ascii()
                ));
            }
        }
    }
    failures.sort_by_key(String::len);
    let shown = failures
        .iter()
        .take(12)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n\n");
    assert!(
        failures.is_empty(),
        "{} of {}:\n{shown}",
        failures.len(),
        3 * cases.len()
    );
}

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|end| end == "bin"))
        .collect();
    files.sort();
    files
}

#[test]
fn corpus_is_shown_as_xterm_shows_it() {
    let mut cases = Vec::new();
    for path in corpus() {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        // In sevenths, but not at round numbers.
        for part in 1..=7 {
            let cut = if part == 7 {
                bytes.len()
            } else {
                bytes.len() * part / 7 + part
            };
            cases.push(Case::new(name.clone(), SIZE, &bytes, cut));
        }
    }
    assert!(cases.len() >= 7 * 12);
    compare(SIZE, &cases);
}

#[test]
fn mixtures_are_shown_as_xterm_shows_them() {
    let size = Size { cols: 44, rows: 12 };
    let count = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(200);
    // Where xterm.js 6.0 is peculiar: scrolling (SU, SD) does not fill with the background that is set; erasing to
    // the right bottom corner throws an exception (ED 1); half a wide character that was written over takes on new
    // attributes.
    let oddities = [
        "\x1b[1J",
        "\x1b[S",
        "\u{4f60}\u{597d}",
        "\u{754c}",
        "\u{1f600}",
        "\u{4e2d}",
    ];
    let mut oddities: Vec<_> = oddities.map(str::to_owned).to_vec();
    oddities.extend((1..10).flat_map(|n| [format!("\x1b[{n}S"), format!("\x1b[{n}T")]));
    // The same ones in every run.
    let mut runner = TestRunner::deterministic();
    let cases: Vec<_> = (0..count)
        .map(|n| {
            let mut bytes = output(whole(), 8).new_tree(&mut runner).unwrap().current();
            for oddity in &oddities {
                while let Some(at) = memchr::memmem::find(&bytes, oddity.as_bytes()) {
                    bytes.drain(at..at + oddity.len());
                }
            }
            let cut = bytes.len() * (n % 5 + 1) / 5;
            Case::new(format!("mixture {n}"), size, &bytes, cut)
        })
        .collect();
    compare(size, &cases);
}

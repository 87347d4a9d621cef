//! Pieces of output as programs write it, to be mixed at random.

use proptest::prelude::*;
use proptest::sample::select;

pub(super) type Bytes = Vec<u8>;

fn of(text: String) -> Bytes {
    text.into_bytes()
}

/// Text of one line: words, wide characters, emoji, combining marks.
fn words() -> impl Strategy<Value = Bytes> {
    let word = select(
        &[
            "a",
            "the",
            "lines",
            "0123456789",
            " ",
            "   ",
            "\u{e9}",
            "\u{4f60}\u{597d}",
            "\u{754c}",
            "\u{1f600}",
            "e\u{301}",
            "o\u{308}\u{323}",
            "\u{2500}\u{2502}",
            "\t",
            "\u{8}",
            "\u{7}",
            "A\u{4e2d}B",
            "~/src $ ",
        ][..],
    );
    prop::collection::vec(word, 0..12).prop_map(|words| words.concat().into_bytes())
}

/// Words, the colour before them, and how the line ends.
type TextLine = (Bytes, Option<Bytes>, &'static str);

/// Text of several lines, sometimes long enough to be skipped.
fn lines(tabs: bool) -> impl Strategy<Value = Bytes> {
    let end = if tabs {
        &["\r\n", "\r\n", "\r\n", "\r", "\n"][..]
    } else {
        &["\r\n", "\r\n", "\r"]
    };
    let end = select(end);
    let words = move || {
        words().prop_map(move |words| words.into_iter().filter(|b| tabs || *b != b'\t').collect())
    };
    let count = prop_oneof![6 => 0..6usize, 2 => 20..80usize];
    (
        count,
        prop::collection::vec((words(), prop::option::weighted(0.3, color()), end), 1..8),
    )
        .prop_map(|(count, lines): (usize, Vec<TextLine>)| {
            let mut out = Vec::new();
            for (words, color, end) in lines.iter().cycle().take(count) {
                out.extend_from_slice(color.as_deref().unwrap_or_default());
                out.extend_from_slice(words);
                out.extend_from_slice(end.as_bytes());
            }
            out
        })
}

fn color() -> impl Strategy<Value = Bytes> {
    let code = prop_oneof![
        4 => select(&["", "0", "1", "4", "7", "22", "24", "27", "39", "49", "01;34", "0;31", "4:3", "2;3;9", "8"][..])
            .prop_map(str::to_owned),
        2 => (30..38u8).prop_map(|n| n.to_string()),
        2 => (40..48u8).prop_map(|n| n.to_string()),
        1 => (90..98u8).prop_map(|n| n.to_string()),
        1 => (100..108u8).prop_map(|n| n.to_string()),
        1 => (any::<bool>(), any::<u8>()).prop_map(|(bg, n)| format!("{};5;{n}", if bg { 48 } else { 38 })),
        1 => (any::<bool>(), any::<[u8; 3]>())
            .prop_map(|(bg, [r, g, b])| format!("{};2;{r};{g};{b}", if bg { 48 } else { 38 })),
        1 => any::<[u8; 3]>().prop_map(|[r, g, b]| format!("4;58:2::{r}:{g}:{b}")),
    ];
    code.prop_map(|code| of(format!("\x1b[{code}m")))
}

/// Absolute and relative movement that every terminal does alike.
fn movement() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        4 => (1..15u16, 1..50u16).prop_map(|(row, column)| of(format!("\x1b[{row};{column}H"))),
        1 => (1..50u16, select(&b"CDG"[..])).prop_map(|(n, end)| of(format!("\x1b[{n}{}", char::from(end)))),
        1 => (1..15u16).prop_map(|n| of(format!("\x1b[{n}d"))),
    ]
}

fn modes() -> impl Strategy<Value = Bytes> {
    select(
        &[
            "\x1b[?25l",
            "\x1b[?25h",
            "\x1b[?2004h",
            "\x1b[?2004l",
            "\x1b[?1h\x1b=",
            "\x1b[?1l\x1b>",
            "\x1b[?1000h",
            "\x1b[?1002h\x1b[?1006h",
            "\x1b[?1004h",
            "\x1b[?7l",
            "\x1b[?7h",
            "\x1b[?7h",
        ][..],
    )
    .prop_map(|mode| mode.as_bytes().to_vec())
}

fn titles() -> impl Strategy<Value = Bytes> {
    select(
        &[
            "\x1b]0;user@host: ~\x07",
            "\x1b]2;vim \u{2014} \u{4f60}\x1b\\",
            "\x1b]8;;http://a/\x1b\\link\x1b]8;;\x1b\\",
        ][..],
    )
    .prop_map(|title| title.as_bytes().to_vec())
}

/// What any emulator does as ours does: no function of those in which ours differs on purpose.
pub(super) fn common() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        4 => lines(false),
        3 => words().prop_map(|words| words.into_iter().filter(|b| *b != b'\t').collect()),
        3 => color(),
        3 => movement(),
        1 => modes(),
        1 => titles(),
        1 => select(&["\x1b[2J", "\x1b[H\x1b[J", "\x1b[r\x1b[H"][..]).prop_map(|text| text.as_bytes().to_vec()),
        1 => select(&["\x1b[?1049h\x1b7", "\x1b[?1049h\x1b7\x1b[?1049l"][..]).prop_map(|text| text.as_bytes().to_vec()),
        1 => (1..8u16, 8..13u16).prop_map(|(top, bottom)| of(format!("\x1b[{top};{bottom}r"))),
        1 => select(&["\x1b7", "\x1b8", "\x1b[S", "\x1b[2T", "\x1b(0lqqk\x1b(B", "\x1b[?2026h", "\x1b[?2026l"][..])
            .prop_map(|text| text.as_bytes().to_vec()),
    ]
}

/// Whole sequences of all kinds that programs send, including those that our emulator treats in its own way.
pub(super) fn whole() -> impl Strategy<Value = Bytes> {
    let edit = (1..50u16, select(&b"@ABEFIJKLMPSTXZbde`a"[..]));
    prop_oneof![
        10 => common(),
        3 => lines(true),
        4 => edit.prop_map(|(n, end)| of(format!("\x1b[{}{}", if n > 9 { 1 } else { n }, char::from(end)))),
        1 => select(&["\x1b[J", "\x1b[1J", "\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[41m\x1b[K", "\x1b[P", "\x1b[X"][..])
            .prop_map(|text| text.as_bytes().to_vec()),
        2 => select(&[
            "\x1bM", "\x1bD", "\x1bE", "\x1bH", "\x1b[g", "\x1b[3g", "\x1b[?6h", "\x1b[?6l", "\x1b[4h", "\x1b[4l",
            "\x1b[20h", "\x1b[20l",  "\x1bc", "\x1b[!p", "\x1b[?1049l", "\x1b[?47h", "\x1b[?47l", "\x1b[?1048h",
            "\x1b[?1048l", "\x1b)0\x0eqx\x0f", "\x0e", "\x0f", "\x1b[5 q", "\x1b[0 q", "\x1b[?12h", "\x1b[22;2t",
            "\x1b[23;2t", "\x1b]4;7;rgb:10/20/30\x07", "\x1b]11;#102030\x1b\\", "\x1b]104\x07", "\x1b[?1003l",
            "\x1b[>c\x1b[6n\x1b[?2026$p", "\x1b[?3l", "\x1b[99999b", "x\x1b[3b",
        ][..]).prop_map(|text| text.as_bytes().to_vec()),
    ]
}

/// All of that, halves of sequences, and what only a test of the terminal sends.
pub(super) fn any_fragment() -> impl Strategy<Value = Bytes> {
    let half = select(
        &[
            "\x1b", "\x1b[", "\x1b[3", "\x1b]0;t", "\x1bP1$q", "\u{4f60}", "\x1b[31", "\x1b_x",
        ][..],
    );
    prop_oneof![
        30 => whole(),
        1 => half.prop_map(|text| text.as_bytes()[..text.len().div_ceil(2)].to_vec()),
        1 => Just(b"\x1b#8".to_vec()),
    ]
}

/// Bytes that nothing sensible sends.
pub(super) fn garbage() -> impl Strategy<Value = Bytes> {
    let byte = prop_oneof![
        3 => Just(0x1bu8),
        8 => select(&b"[]P\\?;:0123459!$ #()><=@ABCDEFGHIJKLMPSTXZbcdefghlmnqrstuMc78\r\n\t\x08\x0e\x0f\x07\x18"[..]),
        2 => any::<u8>(),
        1 => select("\u{4f60}\u{301}\u{1f600}".as_bytes().to_vec()),
    ];
    prop::collection::vec(byte, 0..400)
}

/// Output made of such pieces.
pub(super) fn output(
    fragment: impl Strategy<Value = Bytes>,
    count: usize,
) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(fragment, 0..count).prop_map(|fragments| fragments.concat())
}

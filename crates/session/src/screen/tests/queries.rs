//! What the screen answers, and what it does not.

use super::super::Screen;
use anywire_model::Size;

fn replies(output: &str) -> String {
    let mut screen = Screen::new(Size::DEFAULT);
    screen.advance(output.as_bytes());
    String::from_utf8(screen.take_replies()).unwrap()
}

#[test]
fn device_attributes_and_status_are_answered() {
    assert_eq!(replies("\x1b[c\x1b[0c\x1bZ"), "\x1b[?1;2c".repeat(3));
    assert_eq!(replies("\x1b[>c"), "\x1b[>0;276;0c");
    assert_eq!(replies("\x1b[5n"), "\x1b[0n");
    assert_eq!(replies("\x1b[3;7Hx\x1b[6n"), "\x1b[3;8R");
}

#[test]
fn modes_are_reported() {
    assert_eq!(
        replies("\x1b[?2004h\x1b[?2004$p\x1b[?25$p\x1b[?1$p"),
        "\x1b[?2004;1$y\x1b[?25;1$y\x1b[?1;2$y"
    );
    assert_eq!(replies("\x1b[4h\x1b[4$p\x1b[20$p"), "\x1b[4;1$y\x1b[20;2$y");
    assert_eq!(
        replies("\x1b[?2026$p\x1b[?1049h\x1b[?1049$p\x1b[?9999$p"),
        "\x1b[?2026;2$y\x1b[?1049;1$y\x1b[?9999;0$y"
    );
}

/// Replies whose text a program chooses are typed into whatever reads the terminal next.
#[test]
fn nothing_that_a_program_could_fill_with_text_is_reported() {
    let asked = "\x1b]0;rm -rf ~\x07\x1b[21t\x1b[20t\x1b[14t\x1b[18t\x1b]52;c;?\x07\x1b]4;1;?\x07\x1b]11;?\x07\x1bP$qm\x1b\\\x1b[?u";
    assert_eq!(replies(asked), "");
}

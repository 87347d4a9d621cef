//! What the sample server's clients send, and what must not be taken for it.

use super::*;
use crate::text::Decoder;
use proptest::prelude::*;

fn unit(bytes: &[u8]) -> (Option<String>, String) {
    let unit = Unit::decode(bytes);
    let size = unit.size.map(|size| size.to_string());
    (size, String::from_utf8(unit.text.into_owned()).unwrap())
}

#[test]
fn envelopes_are_read() {
    assert_eq!(unit(br#"{"text":"ls\r"}"#), (None, "ls\r".into()));
    assert_eq!(
        unit(br#" {"size":"40x120"}"#),
        (Some("120x40".into()), String::new())
    );
    assert_eq!(
        unit(br#"{"size":"25x80x3","text":"a","more":[{}]}"#),
        (Some("80x25".into()), "a".into())
    );
    assert_eq!(
        unit(br#"{"size":"nonsense","text":""}"#),
        (None, String::new())
    );
    assert_eq!(unit(br#"{"text":"a","size":7}"#), (None, "a".into()));
    assert_eq!(
        unit(br#"{"text":"\ud83d\ude00\u20ac"}"#),
        (None, "\u{1f600}\u{20ac}".into())
    );
}

#[test]
fn everything_else_is_typed() {
    for typed in [
        "echo raw\r",
        "{}",
        "[]",
        "\"abc\"",
        "1",
        "true",
        "null",
        "[\"text\"]",
        "{\"text\":5}",
        "{\"other\":1}",
        "{\"text\":\"cut",
        "{ echo; }\r",
        "",
    ] {
        assert_eq!(unit(typed.as_bytes()), (None, typed.into()), "{typed}");
    }
    assert_eq!(Unit::decode(b"\xff\xfe").text.as_ref(), b"\xff\xfe");
}

#[test]
fn half_a_pair_is_no_character_and_no_error() {
    let (_, text) = unit(br#"{"text":"a\ud800b"}"#);
    assert!(text.starts_with('a') && text.ends_with('b') && text.contains('\u{fffd}'));
}

#[test]
fn sizes_are_lines_first() {
    assert_eq!(read_size("40x120"), Size::checked(120, 40));
    assert_eq!(read_size("20x70x5"), Size::checked(70, 20));
    for none in [
        "", "40", "x", "40X120", "-1x5", "0x0", "70000x10", "1e1x5", "axb",
    ] {
        assert_eq!(read_size(none), None, "{none}");
    }
}

#[test]
fn addresses_are_read() {
    let query = Query::parse("size=25x80&session=a%20b+c&size=1x1&Console&kill");
    assert_eq!(query.size.as_deref(), Some("25x80"));
    assert_eq!(query.session.as_deref(), Some("a b c"));
    assert_eq!(query.kill.as_deref(), Some(""));
    assert!(!query.console && !query.sessions && query.is_about_terminals());
    assert!(Query::parse("console").console && Query::parse("sessions=").sessions);
    assert_eq!(Query::parse("foo"), Query::default());
    assert_eq!(decode("%e2%82%ac%zz%+%", false), "\u{20ac}%zz%+%");
}

#[test]
fn cookies_are_as_python_prints_them() {
    assert_eq!(cookie_value("1a1fbaf51bf00000"), "1a1fbaf51bf00000");
    assert_eq!(cookie_value("hint x;y\"z"), r#""hint x\073y\"z""#);
    assert_eq!(
        read_cookie(r#"a=b; session_id="hint x\073y\"z""#).as_deref(),
        Some("hint x;y\"z")
    );
    for none in ["", "nonsense", "session_id=", "xsession_id=1", "=; ;;"] {
        assert_eq!(read_cookie(none), None, "{none}");
    }
}

#[test]
fn output_is_printed_in_ascii() {
    let mut out = Vec::new();
    print_text("a\"\\\r\n\u{1b}[0m\u{7f}\u{e9}\u{1f600}", &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"text": "a\"\\\r\n\u001b[0m\u007f\u00e9\ud83d\ude00"}"#
    );
}

#[test]
fn a_byte_that_is_none_does_not_stop_what_follows() {
    let (mut decoder, mut out) = (Decoder::default(), String::new());
    decoder.feed(b"\xff", &mut out);
    decoder.feed(b"a\xe2\x82", &mut out);
    assert_eq!(out, "\u{fffd}a");
    decoder.feed(b"\xac\xf0\x9f", &mut out);
    assert_eq!(out, "\u{fffd}a\u{20ac}");
    decoder.finish(&mut out);
    assert_eq!(out, "\u{fffd}a\u{20ac}\u{fffd}");
}

proptest! {
    #[test]
    fn pieces_decode_as_the_whole(bytes: Vec<u8>, cuts in prop::collection::vec(0..64usize, 0..8)) {
        let (mut decoder, mut out) = (Decoder::default(), String::new());
        let mut rest = &bytes[..];
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            decoder.feed(piece, &mut out);
            rest = after;
        }
        decoder.feed(rest, &mut out);
        decoder.finish(&mut out);
        prop_assert_eq!(out, String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn what_is_printed_is_read(text: String) {
        let mut out = Vec::new();
        print_text(&text, &mut out);
        prop_assert!(out.is_ascii());
        let unit = Unit::decode(&out);
        prop_assert_eq!(unit.text.as_ref(), text.as_bytes());
    }

    #[test]
    fn an_id_survives_its_cookie(id in "\\PC{1,30}|[ -~]{1,30}|(?s).{1,30}") {
        prop_assume!(id.len() <= MAX_ID && id.trim_ascii() == id);
        let header = format!("x=1; session_id={}; y=2", cookie_value(&id));
        prop_assert!(header.is_ascii());
        prop_assert_eq!(read_cookie(&header), Some(id));
    }

    #[test]
    fn noise_never_panics(bytes: Vec<u8>, text: String) {
        let _ = Unit::decode(&bytes);
        let _ = read_size(&text);
        let _ = read_cookie(&text);
        let _ = Query::parse(&text);
    }

    #[test]
    fn what_is_no_object_is_typed_as_it_is(bytes: Vec<u8>) {
        prop_assume!(!looks_like_object(&bytes));
        let unit = Unit::decode(&bytes);
        prop_assert_eq!(unit.text.as_ref(), &bytes[..]);
    }
}

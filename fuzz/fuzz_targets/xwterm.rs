//! The dialect of xwterm's sample server: no panic; what we print is read back; what is no object is typed as it is.
#![no_main]

use anywire_codec::dialect::xwterm::{
    MAX_ID, Query, Unit, cookie_value, looks_like_object, print_text, read_cookie, read_size,
};
use anywire_codec::text::Decoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let unit = Unit::decode(bytes);
    if !looks_like_object(bytes) {
        assert_eq!(unit.text.as_ref(), bytes);
    }
    // However it is cut, it decodes as the whole.
    let (mut decoder, mut text) = (Decoder::default(), String::new());
    let (first, second) = bytes.split_at(bytes.len() / 3);
    decoder.feed(first, &mut text);
    decoder.feed(second, &mut text);
    decoder.finish(&mut text);
    assert_eq!(text, String::from_utf8_lossy(bytes));
    let mut json = Vec::new();
    print_text(&text, &mut json);
    assert_eq!(Unit::decode(&json).text.as_ref(), text.as_bytes());
    let _ = (read_size(&text), Query::parse(&text), read_cookie(&text));
    if (1..=MAX_ID).contains(&text.len()) && text.trim() == text {
        let header = format!("session_id={}", cookie_value(&text));
        assert_eq!(read_cookie(&header), Some(text));
    }
});

//! What a peer can send, row by row, and what it is answered.

use super::kit::{SEARCH, json_message, message, raw, search, text};
use serde_json::{Value, json};

/// What a row of the table is answered with.
pub(crate) enum Expect {
    /// An error reply of this code.
    Error(&'static str),
    /// A result.
    Result(&'static str),
    /// The first bytes of the request.
    First(&'static [u8]),
}
pub(crate) use Expect::{Error, First, Result as Text};

#[expect(clippy::too_many_lines, reason = "a table, row by row")]
pub(crate) fn table() -> Vec<(&'static str, Vec<u8>, Expect)> {
    let ring = "In the caves beneath the Misty Mountains. 💍";
    let good: &[u8] = b"{\"action\": \"search\", \"value\": \"ring\"}";
    let utf_16: Vec<u8> = text(good)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let binary = |content: &[u8]| {
        message(
            content,
            json!({"content-type": "binary/x", "content-encoding": "binary"}),
        )
    };
    let length = |length: Value| message(good, json!({"content-length": length}));
    let keys = "\"byteorder content-length content-type content-encoding\"";
    let twice = "{\"content-length\":37,\"content-length\":0,\"content-type\":\"text/json\",\"content-encoding\":\"utf-8\"}";
    let deep = "[".repeat(40_000);
    vec![
        ("the original's request", SEARCH.to_vec(), Text(ring)),
        ("H = 0", vec![0, 0], Error("bad_header")),
        ("no key at all", raw("{}", b""), Error("missing_header")),
        (
            "no content-length",
            raw(r#"{"content-type":"x","content-encoding":"x"}"#, b""),
            Error("missing_header"),
        ),
        (
            "no content-type",
            message(good, json!({"content-type": null})),
            Error("missing_header"),
        ),
        (
            "no content-encoding",
            message(good, json!({"content-encoding": null})),
            Error("missing_header"),
        ),
        (
            "no byteorder",
            message(good, json!({"byteorder": null})),
            Text(ring),
        ),
        (
            "an unknown key",
            message(good, json!({"x": [1]})),
            Text(ring),
        ),
        (
            "a header that is no JSON",
            raw("{content}", b""),
            Error("bad_header"),
        ),
        (
            "a header of other bytes",
            [&[0, 5][..], b"{\"\xff\"}"].concat(),
            Error("bad_header"),
        ),
        ("an array", raw("[]", b""), Error("bad_header")),
        (
            "a string with the four names",
            raw(keys, b""),
            Error("bad_header"),
        ),
        ("a key twice", raw(twice, good), Error("bad_header")),
        (
            "H = 65535, two bytes of it",
            vec![0xff, 0xff],
            Error("header_too_large"),
        ),
        (
            "content of 1 MiB",
            binary(&vec![b'x'; 1 << 20]),
            First(b"xxxxxxxxxx"),
        ),
        (
            "a byte more",
            binary(&vec![b'x'; (1 << 20) + 1]),
            Error("payload_too_large"),
        ),
        (
            "10 GiB",
            length(json!(10u64 << 30)),
            Error("payload_too_large"),
        ),
        (
            "5 bytes too long, and waiting",
            length(json!(good.len() + 5)),
            Error("timeout"),
        ),
        (
            "1 byte too short",
            length(json!(good.len() - 1)),
            Error("bad_json"),
        ),
        (
            "1 byte too short, no JSON",
            message(
                b"abc",
                json!({"content-type": "binary/x", "content-length": 2}),
            ),
            First(b"ab"),
        ),
        ("no content", length(json!(0)), Error("bad_json")),
        ("-1", length(json!(-1)), Error("bad_header")),
        (
            "-1, no JSON",
            message(
                b"x",
                json!({"content-type": "binary/x", "content-length": -1}),
            ),
            Error("bad_header"),
        ),
        ("\"36\"", length(json!("36")), Error("bad_header")),
        ("36.0", length(json!(36.0)), Error("bad_header")),
        (
            "null",
            raw(
                r#"{"content-length":null,"content-type":"x","content-encoding":"x"}"#,
                b"",
            ),
            Error("bad_header"),
        ),
        ("true", length(json!(true)), Error("bad_header")),
        (
            "a byteorder of its own",
            message(good, json!({"byteorder": "middle"})),
            Error("bad_header"),
        ),
        (
            "broken JSON",
            json_message("{\"action\": "),
            Error("bad_json"),
        ),
        (
            "NaN",
            json_message("{\"action\": \"search\", \"value\": NaN}"),
            Error("bad_json"),
        ),
        ("40000 deep", json_message(&deep), Error("bad_json")),
        (
            "content: an array",
            json_message("[1]"),
            Error("bad_request"),
        ),
        (
            "content: a string",
            json_message("\"search\""),
            Error("bad_request"),
        ),
        ("content: {}", json_message("{}"), Error("bad_request")),
        ("content: null", json_message("null"), Error("bad_request")),
        ("content: 0", json_message("0"), Error("bad_request")),
        (
            "content: false",
            json_message("false"),
            Error("bad_request"),
        ),
        ("content: \"\"", json_message("\"\""), Error("bad_request")),
        ("content: []", json_message("[]"), Error("bad_request")),
        ("content: no bytes", binary(b""), First(b"")),
        (
            "value: a list",
            search(json!(["ring"])),
            Error("bad_request"),
        ),
        (
            "value: a number",
            search(json!(5)),
            Text("No match for '5'."),
        ),
        (
            "value: none",
            json_message("{\"action\": \"search\"}"),
            Error("bad_request"),
        ),
        (
            "value: not in the table",
            search(json!("zzz")),
            Text("No match for 'zzz'."),
        ),
        (
            "value: morpheus",
            search(json!("morpheus")),
            Text("Follow the white rabbit. 🐰"),
        ),
        (
            "value: a dog",
            search(json!("🐶")),
            Text("🐾 Playing ball! 🏐"),
        ),
        (
            "another action",
            json_message("{\"action\": \"double\", \"value\": 1}"),
            Text("Error: invalid action 'double'."),
        ),
        (
            "utf-16",
            message(&utf_16, json!({"content-encoding": "utf-16"})),
            Text(ring),
        ),
        (
            "latin-1",
            message(good, json!({"content-encoding": "latin-1"})),
            Text(ring),
        ),
        (
            "an encoding that nobody knows",
            message(good, json!({"content-encoding": "klingon"})),
            Error("unsupported_encoding"),
        ),
        (
            "binary JSON",
            message(good, json!({"content-encoding": "binary"})),
            Error("unsupported_encoding"),
        ),
        (
            "compressed JSON",
            message(good, json!({"content-encoding": "bz2"})),
            Error("unsupported_encoding"),
        ),
        (
            "another type",
            message(b"<a>0123456789", json!({"content-type": "text/xml"})),
            First(b"<a>0123456"),
        ),
        (
            "a number for a type",
            message(b"abc", json!({"content-type": 5})),
            First(b"abc"),
        ),
        (
            "the type in capitals, with a parameter",
            message(good, json!({"content-type": "Text/JSON; charset=utf-8"})),
            Text(ring),
        ),
        ("one byte, and silence", vec![0], Error("timeout")),
        ("two bytes, and silence", vec![0, 103], Error("timeout")),
        (
            "half a header, and silence",
            SEARCH[..50].to_vec(),
            Error("timeout"),
        ),
        (
            "a header, and silence",
            SEARCH[..105].to_vec(),
            Error("timeout"),
        ),
        (
            "HTTP",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            Error("header_too_large"),
        ),
        (
            "TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc".to_vec(),
            Error("bad_header"),
        ),
        (
            "junk behind a message",
            [SEARCH, b"junk"].concat(),
            Text(ring),
        ),
        (
            "two messages, the first without keep-alive",
            [SEARCH, SEARCH].concat(),
            Text(ring),
        ),
    ]
}

//! The captured bytes of the original, every split, every rule that a peer can break, and noise.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

/// `search ring` of the original's client, as it went over the wire.
const SEARCH: &[u8] = b"\x00\x67{\"byteorder\": \"little\", \"content-type\": \"text/json\", \
    \"content-encoding\": \"utf-8\", \"content-length\": 37}{\"action\": \"search\", \"value\": \"ring\"}";

/// A message with this header, whatever it says.
fn raw(header: &[u8], content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(header.len()).expect("a header that can be announced");
    [&len.to_be_bytes(), header, content].concat()
}

/// A message whose header differs from a good one in one key.
fn with(key: &str, value: Value, content: &[u8]) -> Vec<u8> {
    let mut header = json!({
        "byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8",
        "content-length": content.len(),
    });
    header[key] = value;
    raw(header.to_string().as_bytes(), content)
}

/// A message with its content, owned so that many can be kept.
type Owned = (Header<'static>, Vec<u8>);

fn owned(header: &Header<'_>) -> Header<'static> {
    Header {
        content_type: header.content_type.to_string().into(),
        content_encoding: header.content_encoding.to_string().into(),
        id: header.id.clone().map(Id::into_owned),
        ..*header
    }
}

/// Reads whole messages out of chunks; what was read before an error counts.
fn whole<'a>(
    limits: Limits,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Owned>, Option<Error>) {
    let (mut reader, mut buffer, mut all) = (Reader::new(limits), Vec::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match reader.message(&buffer) {
                Ok(Next::More) => break,
                Ok(Next::Message { used, message }) => {
                    all.push((owned(&message.header), message.content.to_vec()));
                    buffer.drain(..used);
                }
                Err(error) => return (all, Some(error)),
            }
        }
        assert!(buffer.len() as u64 <= (PREFIX + limits.header) as u64 + limits.content);
    }
    (all, None)
}

/// The same by pieces; the buffer never holds more than a header and a chunk.
fn pieces<'a>(
    limits: Limits,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Owned>, Option<Error>) {
    let (mut reader, mut buffer, mut all) = (Reader::new(limits), Vec::new(), Vec::new());
    let mut open: Option<Owned> = None;
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        assert!(buffer.len() <= PREFIX + limits.header + chunk.len());
        loop {
            let used = match reader.piece(&buffer) {
                Ok(Piece::More) => break,
                Ok(Piece::Header { used, header }) => {
                    open = Some((owned(&header), Vec::new()));
                    used
                }
                Ok(Piece::Content { used, bytes, last }) => {
                    let content = &mut open.as_mut().expect("a header came before").1;
                    content.extend_from_slice(bytes);
                    if last {
                        all.extend(open.take());
                    }
                    used
                }
                Err(error) => return (all, Some(error)),
            };
            buffer.drain(..used);
        }
    }
    (all, None)
}

fn error(bytes: &[u8]) -> Option<Code> {
    whole(Limits::DEFAULT, [bytes]).1.map(|error| error.code())
}

fn id() -> impl Strategy<Value = Option<Id<'static>>> {
    prop_oneof![
        Just(None),
        any::<u64>().prop_map(|id| Some(Id::Number(id))),
        ".{0,60}".prop_map(|id| Some(Id::Text(id.into()))),
    ]
}

prop_compose! {
    fn message()(
        kind in ".{0,30}", encoding in ".{0,20}", order in 0..3, keep_alive: bool, id in id(),
        content in proptest::collection::vec(any::<u8>(), 0..300),
    ) -> Owned {
        let byteorder = [None, Some(ByteOrder::Little), Some(ByteOrder::Big)][order as usize];
        let header = Header { byteorder, keep_alive, id, ..Header::new(kind, encoding, content.len()) };
        (header, content)
    }
}

fn written(messages: &[Owned]) -> Vec<u8> {
    let mut out = Vec::new();
    for (header, content) in messages {
        header.write(&mut out).expect("a header that fits");
        out.extend_from_slice(content);
    }
    out
}

/// Cuts bytes at places that the numbers choose.
fn cut<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let (mut rest, mut all) = (bytes, Vec::new());
    for size in sizes {
        let (head, tail) = rest.split_at((*size).min(rest.len()));
        all.push(head);
        rest = tail;
    }
    all.push(rest);
    all
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_cut(
        messages in proptest::collection::vec(message(), 0..4),
        sizes in proptest::collection::vec(0..200usize, 0..20),
    ) {
        let bytes = written(&messages);
        prop_assert_eq!(whole(Limits::DEFAULT, cut(&bytes, &sizes)), (messages.clone(), None));
        prop_assert_eq!(whole(Limits::DEFAULT, bytes.chunks(1)), (messages.clone(), None));
        prop_assert_eq!(pieces(Limits::DEFAULT, cut(&bytes, &sizes)), (messages.clone(), None));
        prop_assert_eq!(pieces(Limits::DEFAULT, bytes.chunks(1)), (messages, None));
    }

    #[test]
    fn noise_never_panics_and_is_the_same_however_it_is_cut(
        prefix in 0..200u16, noise: Vec<u8>, sizes in proptest::collection::vec(0..9usize, 0..30),
    ) {
        let limits = Limits { header: 100, content: 50, depth: 3 };
        let bytes = [&prefix.to_be_bytes()[..], &noise].concat();
        let all = whole(limits, [&bytes[..]]);
        prop_assert_eq!(&whole(limits, cut(&bytes, &sizes)), &all);
        prop_assert_eq!(whole(limits, bytes.chunks(1)), all);
    }

    #[test]
    fn a_broken_message_is_refused_or_read_and_never_a_panic(
        at in 0..SEARCH.len(), byte: u8, sizes in proptest::collection::vec(0..50usize, 0..9),
    ) {
        let mut bytes = SEARCH.to_vec();
        bytes[at] = byte;
        let all = whole(Limits::DEFAULT, [&bytes[..]]);
        prop_assert_eq!(whole(Limits::DEFAULT, cut(&bytes, &sizes)), all);
    }

    #[test]
    fn text_of_every_encoding_comes_back(text in ".{0,40}") {
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        prop_assert_eq!(content::text("UTF-8", text.as_bytes()).unwrap(), text.as_str());
        prop_assert_eq!(content::text("utf_16_le", &little).unwrap(), text.as_str());
        prop_assert_eq!(content::text("utf-16-be", &big).unwrap(), text.as_str());
        let marked = [&[0xfe, 0xff][..], &big].concat();
        prop_assert_eq!(content::text("utf-16", &marked).unwrap(), text.as_str());
        let latin: Vec<u8> = text.chars().filter_map(|c| u8::try_from(c).ok()).collect();
        let back = content::text("latin-1", &latin).unwrap().chars().count();
        prop_assert_eq!(back, latin.len());
    }

    #[test]
    fn deep_json_is_refused_before_it_is_read(depth in 0..300usize, text in "[\\[\\]{}\"\\\\a]{0,40}") {
        let nested = "[".repeat(depth) + &"]".repeat(depth);
        prop_assert_eq!(content::check_depth(nested.as_bytes(), 64).is_ok(), depth <= 64);
        // Brackets in a string are text.
        let string = Value::from(text).to_string();
        prop_assert!(content::check_depth(string.as_bytes(), 0).is_ok());
    }
}

#[test]
fn the_bytes_of_the_original_both_ways() {
    let message = Reader::only(SEARCH, Limits::DEFAULT).unwrap();
    assert!(message.header.is_json());
    assert_eq!((SEARCH.len(), message.content.len()), (142, 37));
    let value = content::json(&message.header, message.content, &Limits::DEFAULT).unwrap();
    assert_eq!(value, json!({"action": "search", "value": "ring"}));
    let mut out = Vec::new();
    let request = Reply::json(&value);
    request.write(false, None, &mut out).unwrap();
    if ByteOrder::NATIVE == ByteOrder::Little {
        assert_eq!(out, SEARCH);
    }

    let mut out = Vec::new();
    let kind = "binary/custom-client-binary-type";
    let request = Reply::binary(kind, "binary😃".as_bytes());
    request.write(false, None, &mut out).unwrap();
    assert_eq!((out.len(), &out[..2]), (139, &[0, 0x7f][..]));
    assert_eq!(&out[129..], b"binary\xf0\x9f\x98\x83");
}

#[test]
fn what_a_header_may_not_be() {
    let bad = Some(Code::BadHeader);
    assert_eq!(error(&[0, 0]), bad);
    for header in [
        "null",
        "[]",
        "\"content-length content-type content-encoding byteorder\"",
        "{",
        "{}}",
        "{\"a\":NaN}",
        "{\"content-length\":1,\"content-length\":1,\"content-type\":\"x\",\"content-encoding\":\"x\"}",
    ] {
        assert_eq!(error(&raw(header.as_bytes(), b"")), bad, "{header}");
    }
    assert_eq!(error(&raw(b"{\"a\":\"\xff\"}", b"")), bad);
    let deep = "{\"a\":".repeat(65) + "1" + &"}".repeat(65);
    assert_eq!(error(&raw(deep.as_bytes(), b"")), bad);
    for (key, value) in [
        ("content-length", json!(-1)),
        ("content-length", json!("36")),
        ("content-length", json!(36.0)),
        ("content-length", json!(null)),
        ("content-length", json!(true)),
        ("content-length", json!([])),
        ("content-encoding", json!(8)),
        ("content-type", json!({})),
        ("byteorder", json!("middle")),
        ("byteorder", json!(1)),
        ("keep-alive", json!("yes")),
        ("id", json!([1])),
        ("id", json!(-1)),
        ("id", json!("x".repeat(257))),
    ] {
        assert_eq!(
            error(&with(key, value.clone(), b"{}")),
            bad,
            "{key}: {value}"
        );
    }
}

#[test]
fn what_a_header_must_and_may_have() {
    let missing = |header: &str| whole(Limits::DEFAULT, [&raw(header.as_bytes(), b"")[..]]).1;
    assert_eq!(missing("{}"), Some(Error::MissingHeader("content-length")));
    assert_eq!(
        missing(r#"{"content-length":0}"#),
        Some(Error::MissingHeader("content-type"))
    );
    assert_eq!(
        missing(r#"{"content-length":0,"content-type":"x"}"#),
        Some(Error::MissingHeader("content-encoding"))
    );
    // The order of bytes may be missing, other keys are ignored, white space is free.
    let free = " { \"x\": [{}], \"content-encoding\":\"binary\",\n\"content-type\": 5, \"content-length\":1 } ";
    let (all, error) = whole(Limits::DEFAULT, [&raw(free.as_bytes(), b"z")[..]]);
    assert_eq!((all.len(), error), (1, None));
    assert_eq!(all[0].0.content_type, "5");
    assert!(!all[0].0.is_json());
    let parameters = with("content-type", json!("Text/JSON; charset=x"), b"");
    assert!(
        Reader::only(&parameters, Limits::DEFAULT)
            .unwrap()
            .header
            .is_json()
    );
}

#[test]
fn too_much_is_refused_as_early_as_it_shows() {
    // Two bytes are enough for these, and the third for a TLS handshake.
    for start in [&b"GET / HTTP/1.1\r\n"[..], b"POST", &[0xff, 0xff]] {
        assert_eq!(error(&start[..2]), Some(Code::HeaderTooLarge));
    }
    assert_eq!(error(&[0x16, 0x03]), None);
    assert_eq!(error(&[0x16, 0x03, 0x01]), Some(Code::BadHeader));
    let large = with("content-length", json!(10u64 << 30), b"");
    assert_eq!(error(&large), Some(Code::PayloadTooLarge));
    assert_eq!(error(&large[..large.len() - 1]), None);
    let most = with("content-length", json!(1 << 20), b"");
    assert_eq!(error(&most), None);
    // A larger maximum takes a header of the longest kind.
    let limits = Limits {
        header: MAX_HEADER,
        ..Limits::DEFAULT
    };
    let padded = format!(
        "{:65535}",
        r#"{"content-length":0,"content-type":"x","content-encoding":"x"}"#
    );
    let (all, error) = whole(limits, [&raw(padded.as_bytes(), b"")[..]]);
    assert_eq!((all.len(), error), (1, None));
    let huge = Header::new("x".repeat(MAX_HEADER), "x", 0);
    let mut out = vec![1];
    assert_eq!(
        huge.write(&mut out).unwrap_err().code(),
        Code::HeaderTooLarge
    );
    assert_eq!(out, [1]);
}

#[test]
fn what_json_may_not_be() {
    let header = |encoding: &'static str| Header::new(JSON, encoding, 0);
    let code = |encoding, content: &[u8]| {
        content::json(&header(encoding), content, &Limits::DEFAULT)
            .map(|_| ())
            .map_err(|error| error.code())
    };
    assert_eq!(code("utf-8", b"{}"), Ok(()));
    let deep = "[".repeat(40_000);
    for bad in [
        "",
        "{\"a\":",
        "NaN",
        "{\"value\": NaN}",
        "{} {}",
        "\u{0}",
        &deep,
    ] {
        assert_eq!(code("utf-8", bad.as_bytes()), Err(Code::BadJson));
    }
    assert_eq!(code("utf-8", b"\"\xff\""), Err(Code::BadJson));
    assert_eq!(code("utf-16", b"{\0}"), Err(Code::BadJson));
    for encoding in ["binary", "bz2", "", "utf-7", "rot13", "utf-8-and-much-more"] {
        assert_eq!(
            code(encoding, b"{}"),
            Err(Code::UnsupportedEncoding),
            "{encoding}"
        );
    }
}

#[test]
fn stages_and_envelopes() {
    let mut reader = Reader::new(Limits::DEFAULT);
    let stages = |reader: &mut Reader, end: usize| {
        assert_eq!(reader.message(&SEARCH[..end]), Ok(Next::More));
        reader.stage(&SEARCH[..end])
    };
    assert_eq!(stages(&mut reader, 0), Stage::Idle);
    assert_eq!(stages(&mut reader, 1), Stage::Header);
    assert_eq!(stages(&mut reader, 104), Stage::Header);
    assert_eq!(stages(&mut reader, 105), Stage::Content);
    assert_eq!(stages(&mut reader, 141), Stage::Content);
    let limits = Limits::DEFAULT;
    assert_eq!(Reader::only(&SEARCH[..141], limits), Err(Error::Truncated));
    let twice = [SEARCH, SEARCH].concat();
    assert_eq!(Reader::only(&twice, limits), Err(Error::TrailingData));
    assert_eq!(sniff(&SEARCH[..2], &limits), None);
    assert_eq!(sniff(&SEARCH[..3], &limits), Some(true));
    assert_eq!(sniff(b"GE", &limits), Some(false));
    assert_eq!(sniff(&[0x16, 3, 1], &limits), Some(false));
}

#[test]
fn error_replies_are_for_old_clients_too_and_quote_little() {
    let error = Error::BadHeader("x".repeat(10_000));
    let reply = Reply::from(&error);
    assert!(reply.close && reply.content.len() < 1000);
    let value: Value = serde_json::from_slice(&reply.content).unwrap();
    assert_eq!(value["error"]["code"], "bad_header");
    let result = value["result"].as_str().unwrap();
    assert!(result.starts_with("Error: bad header: xxx"), "{result}");
}

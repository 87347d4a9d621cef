//! Round trips, every split, every rule of RFC 6455 that a peer can break, and noise.

use super::*;
use proptest::prelude::*;

/// An owned [`Message`], so that many can be kept.
#[derive(Clone, Debug, PartialEq)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Message<'_>> for Owned {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(bytes) => Self::Binary(bytes.into()),
            Message::Ping(bytes) => Self::Ping(bytes.into()),
            Message::Pong(bytes) => Self::Pong(bytes.into()),
            Message::Close(close) => Self::Close(close.map(|(code, text)| (code, text.into()))),
        }
    }
}

/// Reads all messages of `chunks`, one chunk after the other.
fn read<'a>(
    side: Side,
    max: usize,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Owned>, Error> {
    let (mut reader, mut buffer, mut all) = (Reader::new(side, max), Vec::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            let used = match reader.next(&mut buffer)? {
                Next::More => break,
                Next::Frame { used, message } => {
                    all.extend(message.map(Owned::from));
                    used
                }
            };
            buffer.drain(..used);
        }
        // A control frame may be longer than a small maximum for messages.
        assert!(buffer.len() <= max.max(MAX_CONTROL) + MAX_HEADER);
    }
    Ok(all)
}

/// A client's frame with every part as one likes.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_masked(Opcode::Binary, payload, [1, 2, 3, 4], &mut out);
    out[0] = first;
    out
}

fn one(bytes: &[u8]) -> Result<Vec<Owned>, Error> {
    read(Side::Server, 1000, [bytes])
}

proptest! {
    #[test]
    fn both_directions_and_every_split(
        payload in proptest::collection::vec(any::<u8>(), 0..300), key: [u8; 4], cut in 0..320usize,
    ) {
        let mut masked = Vec::new();
        write_masked(Opcode::Binary, &payload, key, &mut masked);
        write_masked(Opcode::Ping, b"x", key, &mut masked);
        let cut = cut.min(masked.len());
        let all = read(Side::Server, 300, [&masked[..cut], &masked[cut..]]);
        let want = vec![Owned::Binary(payload.clone()), Owned::Ping(b"x".to_vec())];
        prop_assert_eq!(all, Ok(want.clone()));

        let mut plain = Vec::new();
        write_header(Opcode::Binary, payload.len(), &mut plain);
        plain.extend_from_slice(&payload);
        write_header(Opcode::Ping, 1, &mut plain);
        plain.push(b'x');
        prop_assert_eq!(read(Side::Client, 300, plain.chunks(1)), Ok(want));
    }

    #[test]
    fn fragments_are_put_together_around_control_frames(text in ".{0,60}", cut in 0.0..1.0f64) {
        let cut = (text.len() as f64 * cut) as usize;
        let (a, b) = text.as_bytes().split_at(cut);
        let bytes = [frame(0x01, a), frame(0x89, b"p"), frame(0x00, b""), frame(0x80, b)].concat();
        prop_assert_eq!(one(&bytes), Ok(vec![Owned::Ping(b"p".to_vec()), Owned::Text(text)]));
    }

    #[test]
    fn noise_never_panics_and_holds_little(bytes: Vec<u8>, size in 1..9usize) {
        let _ = read(Side::Server, 64, bytes.chunks(size));
        let _ = read(Side::Client, 64, bytes.chunks(size));
    }

    #[test]
    fn masking_twice_is_nothing(bytes: Vec<u8>, key: [u8; 4]) {
        let mut twice = bytes.clone();
        mask(&mut twice, key);
        for (at, byte) in twice.iter().enumerate() {
            prop_assert_eq!(byte ^ key[at % 4], bytes[at]);
        }
        mask(&mut twice, key);
        prop_assert_eq!(twice, bytes);
    }

    #[test]
    fn close_reasons_fit_and_come_back(code in 3000..5000u16, reason in ".{0,200}") {
        let payload = close_payload(code, &reason);
        prop_assert!(payload.len() <= MAX_CONTROL);
        let Ok(Some((got, text))) = close::parse(&payload) else { panic!("a close") };
        prop_assert_eq!(got, code);
        prop_assert!(reason.starts_with(text));
    }
}

#[test]
fn the_example_of_the_standard() {
    let bytes = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(one(&bytes), Ok(vec![Owned::Text("Hello".into())]));
}

#[test]
fn what_a_peer_may_not_do() {
    assert_eq!(one(&[0x82, 0x00]), Err(Error::Masking));
    assert_eq!(one(&frame(0xc2, b"")), Err(Error::ReservedBits));
    assert_eq!(one(&frame(0x83, b"")), Err(Error::Opcode(3)));
    assert_eq!(one(&frame(0x80, b"")), Err(Error::Fragment));
    assert_eq!(one(&frame(0x09, b"")), Err(Error::Control));
    assert_eq!(one(&frame(0x89, &[0; 126])), Err(Error::Control));
    assert_eq!(one(&frame(0x88, &[0; 126])), Err(Error::Control));
    assert_eq!(one(&frame(0x8a, &[0; 200])), Err(Error::Control));
    assert_eq!(one(&frame(0x81, b"\xff")), Err(Error::Utf8));
    assert_eq!(one(&frame(0x88, b"x")), Err(Error::Close));
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        let payload = u16::to_be_bytes(code);
        assert_eq!(one(&frame(0x88, &payload)), Err(Error::Close), "{code}");
    }
    let twice = [frame(0x02, b"a"), frame(0x82, b"b")].concat();
    assert_eq!(one(&twice), Err(Error::Fragment));
    assert_eq!(one(&[0x82, 0xfe, 0, 125]), Err(Error::Length));
    assert_eq!(
        one(&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 255, 255]),
        Err(Error::Length)
    );
    assert_eq!(
        one(&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        Err(Error::Length)
    );
}

#[test]
fn too_much_is_refused_by_its_header_alone() {
    let too_large = Err(Error::TooLarge { max: 1000 });
    assert_eq!(one(&[0x82, 0xfe, 0x03, 0xe9]), too_large);
    assert_eq!(one(&[0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0]), too_large);
    assert_eq!(one(&frame(0x82, &[0; 1000])).map(|all| all.len()), Ok(1));
    let parts = [frame(0x02, &[0; 600]), frame(0x00, &[0; 401])].concat();
    assert_eq!(one(&parts), too_large);
}

//! Round trips of every message, the maxima, and noise.

use super::*;
use anywire_model::{ExitReason, Io, Role, SessionId, Signal, Size};
use proptest::option::of;
use proptest::prelude::*;

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Viewer), Just(Role::Writer), Just(Role::Owner)]
}

fn lag() -> impl Strategy<Value = Lag> {
    prop_oneof![Just(Lag::Resync), Just(Lag::Drop), Just(Lag::Disconnect)]
}

prop_compose! {
    fn hello()(
        session in of(".{0,20}"), since: Option<u64>, cols: Option<u64>, rows: Option<u64>,
        role in of(role()), client: Option<u64>, window: Option<u64>, lag in of(lag()),
    ) -> Hello {
        Hello { session, since, cols, rows, role, client, window, lag }
    }
}

fn client_text() -> impl Strategy<Value = Client<'static>> {
    prop_oneof![
        hello().prop_map(|hello| Client::Hello(Box::new(hello))),
        (1..=1000u64, 1..=500u64)
            .prop_map(|(c, r)| Client::Resize(Size::checked(c, r).expect("within bounds"))),
        Just(Client::Signal(Signal::Int)),
        Just(Client::Signal(Signal::Usr2)),
        Just(Client::Eof),
        Just(Client::Kill),
        any::<u64>().prop_map(Client::Ack),
        any::<u64>().prop_map(Client::Ping),
    ]
}

fn server_text() -> impl Strategy<Value = ServerText> {
    prop_oneof![
        (any::<[u8; 16]>(), ".{0,20}", role(), any::<[u64; 4]>()).prop_map(
            |(id, name, role, numbers)| {
                ServerText::Welcome(Box::new(Welcome {
                    session: SessionId::from_bytes(id),
                    service: name.clone(),
                    name,
                    io: Io::Pipe,
                    role,
                    cols: 80,
                    rows: 24,
                    head: numbers[0],
                    from: numbers[1],
                    input: numbers[2],
                    uncertain: numbers[3],
                }))
            }
        ),
        any::<(u16, u16, u64)>().prop_map(|(cols, rows, offset)| ServerText::Resize {
            cols,
            rows,
            offset
        }),
        any::<(u64, u64)>().prop_map(|(from, to)| ServerText::Gap { from, to }),
        any::<u64>().prop_map(|offset| ServerText::Input { offset }),
        any::<u64>().prop_map(|id| ServerText::Pong { id }),
        any::<(i32, u64)>()
            .prop_map(|(code, offset)| ServerText::exit(ExitReason::Code { code }, offset)),
        ".{0,40}".prop_map(|message| ServerText::Error {
            code: ErrorCode::NoSuchSession,
            message
        }),
    ]
}

proptest! {
    #[test]
    fn client_text_round_trip(message in client_text()) {
        let mut out = Vec::new();
        prop_assert!(!message.encode(&mut out));
        prop_assert_eq!(Client::decode_text(&out).unwrap(), message);
    }

    #[test]
    fn input_round_trip(offset: u64, bytes: Vec<u8>) {
        let message = Client::Input { offset, bytes: &bytes };
        let mut out = Vec::new();
        prop_assert!(message.encode(&mut out));
        prop_assert_eq!(Client::decode_binary(&out).unwrap(), message);
    }

    #[test]
    fn server_text_round_trip(message in server_text()) {
        let message = Server::Text(message);
        let mut out = Vec::new();
        prop_assert!(!message.encode(&mut out));
        prop_assert_eq!(Server::decode_text(&out).unwrap(), message);
    }

    #[test]
    fn output_round_trip(offset: u64, err: bool, keyframe: bool, bytes: Vec<u8>) {
        let stream = if err { Stream::Err } else { Stream::Out };
        let message = if keyframe {
            Server::Keyframe { offset, dump: &bytes }
        } else {
            Server::Output { stream, offset, bytes: &bytes }
        };
        let mut out = Vec::new();
        prop_assert!(message.encode(&mut out));
        prop_assert_eq!(Server::decode_binary(&out).unwrap(), message);
    }

    #[test]
    fn noise_never_panics(bytes: Vec<u8>, text in "\\PC{0,64}") {
        let _ = Client::decode_text(&bytes);
        let _ = Client::decode_text(text.as_bytes());
        let _ = Client::decode_binary(&bytes);
        let _ = Server::decode_text(&bytes);
        let _ = Server::decode_binary(&bytes);
    }

    #[test]
    fn a_message_cut_short_is_refused(message in client_text(), cut in 0.0..1.0f64) {
        let mut out = Vec::new();
        message.encode(&mut out);
        let cut = (out.len() as f64 * cut) as usize;
        prop_assert!(Client::decode_text(&out[..cut]).is_err_and(|error| error.is_fatal()));
    }
}

#[test]
fn the_protocol_s_own_examples_are_read() {
    let text = |text: &str| Client::decode_text(text.as_bytes());
    assert_eq!(
        text(r#"{"type":"resize","cols":80,"rows":24}"#).unwrap(),
        Client::Resize(Size::DEFAULT)
    );
    assert_eq!(
        text(r#"{"type":"signal","signal":"int"}"#).unwrap(),
        Client::Signal(Signal::Int)
    );
    assert_eq!(text(r#"{"type":"ping","id":7}"#).unwrap(), Client::Ping(7));
    let hello = r#"{"type":"hello","client":"00000000000000ff","role":"viewer","later":[1]}"#;
    let Client::Hello(hello) = text(hello).unwrap() else {
        panic!("a hello");
    };
    assert_eq!((hello.client, hello.role), (Some(255), Some(Role::Viewer)));
}

#[test]
fn unknown_types_and_sizes_go_on_nonsense_does_not() {
    let fatal = |text: &str| Client::decode_text(text.as_bytes()).unwrap_err().is_fatal();
    assert!(!fatal(r#"{"type":"paste","text":"x"}"#));
    assert!(!fatal(r#"{"type":"resize","cols":0,"rows":24}"#));
    assert!(fatal(r#"{"type":"resize","cols":-1,"rows":24}"#));
    assert!(fatal(r#"{"type":"hello","client":"xyz"}"#));
    assert!(fatal(r#"{"type":"hello","client":"+000000000000ff0"}"#));
    assert!(fatal("[]"));
    assert!(fatal(""));
    assert!(fatal(&"[".repeat(1000)));
}

#[test]
fn the_maxima_hold() {
    let long = format!(r#"{{"type":"eof","pad":"{}"}}"#, "x".repeat(MAX_TEXT));
    assert!(matches!(
        Client::decode_text(long.as_bytes()),
        Err(DecodeError::TooLarge { .. })
    ));
    let mut input = input_header(0).to_vec();
    input.resize(HEADER + MAX_INPUT, b'x');
    assert!(Client::decode_binary(&input).is_ok());
    input.push(b'x');
    assert!(matches!(
        Client::decode_binary(&input),
        Err(DecodeError::TooLarge { .. })
    ));
}

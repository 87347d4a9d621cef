//! Every split, round trips, the Q method against itself, what real clients say, and noise.

use super::*;
use proptest::prelude::*;

/// An owned [`Event`], so that many can be kept.
#[derive(Clone, Debug, PartialEq)]
enum Owned {
    Data(Vec<u8>),
    Command(Command),
    Size(Size),
    Reply(Vec<u8>),
}

/// Reads `chunks` one after the other; data that belongs together is put together.
fn read<'a>(telnet: &mut Telnet, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Owned> {
    let mut all = Vec::new();
    for chunk in chunks {
        let (mut chunk, mut at, mut calls) = (chunk.to_vec(), 0, 0);
        while let Some((used, event)) = telnet.next(&mut chunk[at..]) {
            calls += 1;
            match event {
                Event::Data(bytes) => {
                    assert!(!bytes.is_empty());
                    match all.last_mut() {
                        Some(Owned::Data(data)) => data.extend_from_slice(bytes),
                        _ => all.push(Owned::Data(bytes.to_vec())),
                    }
                }
                Event::Command(command) => all.push(Owned::Command(command)),
                Event::Size(size) => all.push(Owned::Size(size)),
                Event::Reply(bytes) => all.push(Owned::Reply(bytes.to_vec())),
                Event::Nothing => {}
            }
            at += used;
        }
        assert_eq!(at, chunk.len());
        assert!(calls <= 2 * chunk.len(), "linear");
        assert!(telnet.sub.len() <= MAX_SUB + 1);
    }
    all
}

fn data(events: &[Owned]) -> Vec<u8> {
    let pieces = events.iter().filter_map(|event| match event {
        Owned::Data(bytes) => Some(bytes.as_slice()),
        _ => None,
    });
    pieces.collect::<Vec<_>>().concat()
}

fn replies(events: &[Owned]) -> Vec<u8> {
    let pieces = events.iter().filter_map(|event| match event {
        Owned::Reply(bytes) => Some(bytes.as_slice()),
        _ => None,
    });
    pieces.collect::<Vec<_>>().concat()
}

fn started(kind: Kind) -> Telnet {
    let mut telnet = Telnet::new();
    telnet.begin(kind, &mut Vec::new());
    telnet
}

fn binary(kind: Kind) -> Telnet {
    let mut telnet = started(kind);
    read(&mut telnet, [&[IAC, DO, 0, IAC, WILL, 0][..]]);
    assert!(telnet.binary_in() && telnet.binary_out());
    telnet
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Terminal), Just(Kind::Lines)]
}

/// Streams that are mostly what telnet cares about.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => Just(IAC), 2 => Just(SB), 2 => Just(SE), 1 => 236..=254u8, 2 => prop_oneof![
            Just(0u8), Just(1), Just(3), Just(24), Just(31), Just(b'\r'), Just(b'\n')
        ], 3 => any::<u8>(),
    ];
    proptest::collection::vec(byte, 0..200)
}

proptest! {
    #[test]
    fn a_stream_means_the_same_however_it_is_cut(
        stream in streams(), kind in kinds(), cut in 0..200usize, size in 1..9usize,
    ) {
        let cut = cut.min(stream.len());
        let ways: [Vec<&[u8]>; 3] = [
            vec![&stream],
            vec![&stream[..cut], &stream[cut..]],
            stream.chunks(size).collect(),
        ];
        let seen = ways.map(|chunks| {
            let mut telnet = started(kind);
            let events = read(&mut telnet, chunks);
            (events, telnet.finish(), telnet.size, telnet.terminal_type.clone())
        });
        prop_assert_eq!(&seen[0], &seen[1]);
        prop_assert_eq!(&seen[0], &seen[2]);
    }

    #[test]
    fn binary_output_is_read_back_as_it_was(bytes: Vec<u8>, before: Vec<u8>, size in 1..9usize, kind in kinds()) {
        let mut out = before.clone();
        out.extend_from_slice(&bytes);
        binary(kind).escape(&mut out, before.len());
        prop_assert_eq!(&out[..before.len()], &before[..]);
        let events = read(&mut binary(kind), out[before.len()..].chunks(size));
        prop_assert_eq!(data(&events), bytes);
    }

    #[test]
    fn lines_are_read_back_as_they_were(text in "([a-z\r\n\u{ff}]|\u{0}){0,40}", cut in 0..40usize) {
        // What a program writes as LF, CR LF or CR arrives as LF, LF or CR at a peer that reads lines.
        let text: Vec<u8> = text.chars().map(|c| c as u8).collect();
        let want = String::from_utf8_lossy(&text.iter().flat_map(|byte| match byte {
            255 => b"?".to_vec(), byte => vec![*byte]
        }).collect::<Vec<_>>()).replace("\r\n", "\n");
        let cut = cut.min(text.len());
        let (mut telnet, mut sent) = (started(Kind::Lines), Vec::new());
        for piece in [&text[..cut], &text[cut..]] {
            let mut out = piece.to_vec();
            telnet.escape(&mut out, 0);
            sent.extend(out);
        }
        let mut peer = started(Kind::Lines);
        let mut got = data(&read(&mut peer, [&sent[..]]));
        got.extend(peer.finish());
        let got: Vec<u8> = got.into_iter().map(|byte| if byte == 255 { b'?' } else { byte }).collect();
        prop_assert_eq!(String::from_utf8_lossy(&got), want);
    }

    #[test]
    fn output_means_the_same_however_it_is_cut(bytes in streams(), cut in 0..200usize, kind in kinds()) {
        let cut = cut.min(bytes.len());
        let (mut whole, mut telnet) = (bytes.clone(), started(kind));
        telnet.escape(&mut whole, 0);
        let (mut parts, mut telnet) = (bytes[..cut].to_vec(), started(kind));
        telnet.escape(&mut parts, 0);
        let from = parts.len();
        parts.extend_from_slice(&bytes[cut..]);
        telnet.escape(&mut parts, from);
        prop_assert_eq!(whole, parts);
    }

    #[test]
    fn two_that_negotiate_come_to_an_end(
        a in kinds(), b in kinds(), wishes in proptest::collection::vec((any::<bool>(), any::<bool>(), 0..6u8), 0..20),
    ) {
        let (mut left, mut right) = (Telnet::new(), Telnet::new());
        let (mut to_right, mut to_left) = (Vec::new(), Vec::new());
        left.begin(a, &mut to_right);
        right.begin(b, &mut to_left);
        for (side, on, code) in wishes {
            let side = if side { Side::Us } else { Side::Him };
            left.ask(side, Code([0, 1, 3, 24, 31, 99][usize::from(code)]), on, &mut to_right);
        }
        let mut rounds = 0;
        while !to_left.is_empty() || !to_right.is_empty() {
            let heard = std::mem::take(&mut to_left);
            to_right.extend(replies(&read(&mut left, [&heard[..]])));
            let heard = std::mem::take(&mut to_right);
            to_left.extend(replies(&read(&mut right, [&heard[..]])));
            rounds += 1;
            prop_assert!(rounds < 20, "{left:?} {right:?}");
        }
        for code in [0, 1, 3, 24, 31] {
            prop_assert_eq!(left.options.is_on(Side::Us, Code(code)), right.options.is_on(Side::Him, Code(code)));
            prop_assert_eq!(left.options.is_on(Side::Him, Code(code)), right.options.is_on(Side::Us, Code(code)));
        }
    }

    #[test]
    fn answers_are_in_proportion(stream in streams(), kind in kinds()) {
        let events = read(&mut started(kind), [&stream[..]]);
        prop_assert!(replies(&events).len() <= 9 * stream.len());
    }
}

fn line(kind: Kind, bytes: &[u8]) -> Vec<u8> {
    let mut telnet = started(kind);
    let mut got = data(&read(&mut telnet, [bytes]));
    got.extend(telnet.finish());
    got
}

#[test]
fn line_ends_of_each_kind() {
    for (typed, terminal, lines) in [
        (&b"a\r\nb"[..], &b"a\rb"[..], &b"a\nb"[..]),
        (b"a\r\0b", b"a\rb", b"a\rb"),
        (b"a\nb", b"a\nb", b"a\nb"),
        (b"a\rb", b"a\rb", b"a\rb"),
        (b"\r\r\n\r", b"\r\r\r", b"\r\n\r"),
        (b"\r\n\r\n", b"\r\r", b"\n\n"),
        (b"\r\xff\xff\r\xff\xf1\n", b"\r\xff\r\n", b"\r\xff\r\n"),
        (b"\0\xff\xff\xff\xff", b"\0\xff\xff", b"\0\xff\xff"),
    ] {
        assert_eq!(line(Kind::Terminal, typed), terminal, "{typed:?}");
        assert_eq!(line(Kind::Lines, typed), lines, "{typed:?}");
        let doubled = typed.to_vec();
        let mut out = doubled.clone();
        escape_iac(&mut out, 0);
        assert_eq!(
            data(&read(&mut binary(Kind::Lines), [&out[..]])),
            doubled,
            "binary is as it is"
        );
    }
}

#[test]
fn output_of_each_kind() {
    let written = b"a\nb\r\nc\rd\xff\r";
    let mut out = written.to_vec();
    started(Kind::Terminal).escape(&mut out, 0);
    assert_eq!(out, b"a\nb\r\nc\rd\xff\xff\r");
    let (mut out, mut telnet) = (written.to_vec(), started(Kind::Lines));
    telnet.escape(&mut out, 0);
    assert_eq!(out, b"a\r\nb\r\nc\r\0d\xff\xff\r");
    let mut next = b"\nx".to_vec();
    telnet.escape(&mut next, 0);
    assert_eq!(next, b"\nx");
}

#[test]
fn a_line_end_in_two_does_not_become_two_when_lines_begin_between() {
    let mut telnet = Telnet::new();
    telnet.greet(&mut Vec::new());
    assert_eq!(data(&read(&mut telnet, [&b"code\r"[..]])), b"code\r");
    telnet.begin(Kind::Lines, &mut Vec::new());
    assert_eq!(data(&read(&mut telnet, [&b"\nfirst\r\n"[..]])), b"first\n");
}

#[test]
fn offers_and_what_is_agreed() {
    let (mut telnet, mut out) = (Telnet::new(), Vec::new());
    telnet.greet(&mut out);
    assert_eq!(
        out,
        [IAC, WILL, 1, IAC, WILL, 3, IAC, DO, 24, IAC, DO, 31],
        "before the login"
    );
    out.clear();
    telnet.begin(Kind::Terminal, &mut out);
    assert_eq!(out, [IAC, WILL, 0, IAC, DO, 0], "nothing is offered twice");
    let (mut telnet, mut out) = (Telnet::new(), Vec::new());
    telnet.begin(Kind::Lines, &mut out);
    assert_eq!(
        out, b"",
        "a client is in line mode unless it is told otherwise"
    );
}

#[test]
fn options_that_are_unknown_are_refused_once_each_time() {
    let mut telnet = started(Kind::Terminal);
    let heard = [IAC, WILL, 99, IAC, DO, 200, IAC, WONT, 99, IAC, DONT, 200];
    let events = read(&mut telnet, [&heard[..]]);
    assert_eq!(replies(&events), [IAC, DONT, 99, IAC, WONT, 200]);
    // A client that insists for ever is not answered for ever, but other options are.
    let events = read(&mut telnet, [&[IAC, DO, 200].repeat(1000)[..]]);
    assert_eq!(replies(&events).len(), 3 * 64);
    let events = read(&mut telnet, [&[IAC, DO, 201][..]]);
    assert_eq!(replies(&events), [IAC, WONT, 201]);
}

#[test]
fn acknowledgements_are_not_acknowledged() {
    let mut telnet = started(Kind::Terminal);
    let agreed = [IAC, DO, 1, IAC, DO, 3, IAC, WILL, 31, IAC, DO, 1];
    assert_eq!(replies(&read(&mut telnet, [&agreed[..]])), b"");
    let events = read(&mut telnet, [&[IAC, DONT, 1, IAC, DONT, 1, IAC, DO, 1][..]]);
    assert_eq!(replies(&events), [IAC, WONT, 1, IAC, WILL, 1]);
    // The client's own echo is never wanted; in line mode ours is not either.
    assert_eq!(
        replies(&read(&mut telnet, [&[IAC, WILL, 1][..]])),
        [IAC, DONT, 1]
    );
    let mut telnet = started(Kind::Lines);
    let events = read(&mut telnet, [&[IAC, DO, 1, IAC, DO, 3][..]]);
    assert_eq!(replies(&events), [IAC, WONT, 1, IAC, WONT, 3]);
}

#[test]
fn a_mind_changed_before_the_answer() {
    let (mut telnet, mut out) = (Telnet::new(), Vec::new());
    telnet.greet(&mut out);
    out.clear();
    telnet.begin(Kind::Lines, &mut out);
    assert_eq!(out, b"", "the answer comes first (RFC 1143 section 7)");
    let events = read(&mut telnet, [&[IAC, DO, 1, IAC, DO, 3][..]]);
    assert_eq!(replies(&events), [IAC, WONT, 1, IAC, WONT, 3]);
    let events = read(&mut telnet, [&[IAC, DONT, 1, IAC, DONT, 3][..]]);
    assert_eq!(events, []);
}

/// `IAC SB ... IAC SE` around escaped content.
fn sub(content: &[u8]) -> Vec<u8> {
    let mut out = vec![IAC, SB];
    out.extend_from_slice(content);
    escape_iac(&mut out, 2);
    out.extend_from_slice(&[IAC, SE]);
    out
}

#[test]
fn windows_and_terminals() {
    let mut telnet = started(Kind::Terminal);
    let early = [sub(&[31, 0, 80, 0, 24]), sub(b"\x18\0xterm")].concat();
    assert_eq!(read(&mut telnet, [&early[..]]), [], "not agreed yet");
    let agreed = [IAC, WILL, 31, IAC, WILL, 24];
    let send = [IAC, SB, 24, 1, IAC, SE].to_vec();
    assert_eq!(read(&mut telnet, [&agreed[..]]), [Owned::Reply(send)]);
    let size = |cols, rows| Owned::Size(Size::checked(cols, rows).unwrap());
    for (bytes, want) in [
        (&[31, 0, 100, 0, 30][..], vec![size(100, 30)]),
        (&[31, 0, 255, 0, 255], vec![size(255, 255)]),
        (&[31, 0, 0, 0, 24], vec![]),
        (&[31, 255, 255, 255, 255], vec![]),
        (&[31, 0, 80, 0], vec![]),
        (&[31], vec![]),
        (&[], vec![]),
    ] {
        assert_eq!(read(&mut telnet, [&sub(bytes)[..]]), want, "{bytes:?}");
    }
    assert_eq!(telnet.size(), Size::checked(255, 255));
    for (name, want) in [
        (&b"XTERM-256color"[..], Some("XTERM-256color")),
        (b"", None),
        (b"a\x1b[31m", None),
        (b"two words", None),
        (&[b'x'; MAX_TERMINAL_TYPE + 1], None),
        (b"-froot", Some("-froot")),
    ] {
        let content = [b"\x18\0", name].concat();
        read(&mut telnet, [&sub(&content)[..]]);
        assert_eq!(telnet.terminal_type(), want, "{name:?}");
    }
}

#[test]
fn a_subnegotiation_is_bounded_and_may_lack_its_end() {
    let mut telnet = started(Kind::Terminal);
    read(&mut telnet, [&[IAC, WILL, 31][..]]);
    let mut long = vec![31];
    long.resize(1 << 20, IAC);
    let stream = [sub(&long), b"after".to_vec()].concat();
    assert_eq!(data(&read(&mut telnet, stream.chunks(1000))), b"after");
    let stream = [&[IAC, SB, 31, 0, 80, IAC, 244][..], b"after"].concat();
    let want = [
        Owned::Command(Command::Interrupt),
        Owned::Data(b"after".to_vec()),
    ];
    assert_eq!(read(&mut telnet, [&stream[..]]), want);
    let full = sub(&[vec![99], vec![b'x'; MAX_SUB - 1]].concat());
    assert_eq!(read(&mut telnet, [&full[..]]), []);
}

#[test]
fn commands() {
    let mut telnet = started(Kind::Terminal);
    let stream = [244, 243, 238, 237, 236, 245, 247, 248].map(|byte| [IAC, byte]);
    use Command::{
        Abort, AbortOutput, Break, EndOfFile, EraseCharacter, EraseLine, Interrupt, Suspend,
    };
    let want = [
        Interrupt,
        Break,
        Abort,
        Suspend,
        EndOfFile,
        AbortOutput,
        EraseCharacter,
        EraseLine,
    ];
    assert_eq!(
        read(&mut telnet, [&stream.concat()[..]]),
        want.map(Owned::Command)
    );
    let stream = [
        &[IAC, 246][..],
        b"x",
        &[IAC, 241, IAC, 242, IAC, 249, IAC, SE, IAC, 7],
    ]
    .concat();
    assert_eq!(
        read(&mut telnet, [&stream[..]]),
        [Owned::Reply(HERE.to_vec()), Owned::Data(b"x".to_vec())]
    );
}

/// What clients send first, and then `ls` and Enter; what is read from that, and what is answered.
#[test]
fn transcripts_of_clients() {
    let linux_23 = [
        &[
            IAC, DO, 3, IAC, WILL, 24, IAC, WILL, 31, IAC, WILL, 32, IAC, WILL, 33, IAC, WILL, 34,
        ][..],
        &[
            IAC, WILL, 39, IAC, DO, 5, IAC, WILL, 35, IAC, DO, 1, IAC, DO, 0, IAC, WILL, 0,
        ],
        &sub(&[31, 0, 100, 0, 30]),
        &sub(b"\x18\0XTERM-256COLOR"),
        b"ls\r",
    ]
    .concat();
    let putty = [
        &[
            IAC, WILL, 31, IAC, WILL, 32, IAC, WILL, 24, IAC, WILL, 39, IAC, DO, 1, IAC, WILL, 3,
        ][..],
        &[IAC, DO, 3],
        &sub(&[31, 0, 100, 0, 30]),
        &sub(b"\x18\0XTERM"),
        b"ls\r\n",
    ]
    .concat();
    let mud = [
        &[IAC, DO, 1, IAC, DO, 3, IAC, WILL, 24, IAC, WILL, 31][..],
        &sub(&[31, 0, 100, 0, 30]),
        &sub(b"\x18\0MUDLET"),
        &[IAC, DO, 201, IAC, DO, 86, IAC, DO, 70, IAC, WILL, 42],
        b"ls\r\n",
    ]
    .concat();
    for (name, said, answers) in [
        ("Linux, port 23", linux_23, &[32, 33, 34, 39, 5, 35][..]),
        ("PuTTY", putty, &[32, 39]),
        ("a MUD client", mud, &[201, 86, 70, 42]),
    ] {
        for size in [1, 7, 1000] {
            let mut telnet = started(Kind::Terminal);
            let events = read(&mut telnet, said.chunks(size));
            assert_eq!(data(&events), b"ls\r", "{name}");
            assert_eq!(telnet.size(), Size::checked(100, 30), "{name}");
            assert!(telnet.terminal_type().is_some(), "{name}");
            let send = [IAC, SB, 24, 1, IAC, SE];
            let refused: Vec<u8> = replies(&events)
                .chunks(3)
                .filter(|reply| [WONT, DONT].contains(&reply[1]))
                .map(|reply| reply[2])
                .collect();
            assert_eq!(refused, answers, "{name}");
            let asked = replies(&events)
                .windows(6)
                .filter(|six| *six == send)
                .count();
            assert_eq!(asked, 1, "{name}");
        }
    }
    for (kind, typed, want) in [
        (Kind::Terminal, &b"ls\nexit\n"[..], &b"ls\nexit\n"[..]),
        (Kind::Lines, b"ls\nexit\n", b"ls\nexit\n"),
        (Kind::Lines, b"ls\r\nunfinished", b"ls\nunfinished"),
        (
            Kind::Terminal,
            "größe €\r\n".as_bytes(),
            "größe €\r".as_bytes(),
        ),
    ] {
        let events = read(&mut started(kind), [typed]);
        assert_eq!(events, [Owned::Data(want.to_vec())]);
    }
}

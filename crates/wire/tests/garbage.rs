//! Bad input on every wire: a clear answer or a close for that client, and the server goes on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use anywire_codec::dialect::native::{Client, Hello, MAX_INPUT, SUBPROTOCOL};
use anywire_codec::websocket::Opcode;
use anywire_model::Role;
use common::client::{self, Frame, Socket};
use common::{Server, Setup, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn native(server: &Server) -> Socket {
    let mut socket = client::connect(server.http, "/ws", SUBPROTOCOL).await;
    socket.hello(Hello::default()).await;
    socket
}

/// A connection still works.
async fn works(server: &Server) {
    let mut socket = native(server).await;
    socket.say(&Client::Ping(1)).await;
    assert!(matches!(socket.next().await, Frame::Text(_)));
}

#[tokio::test]
async fn broken_frames_close_with_their_code() {
    let server = Setup::pipe(&["cat"]).start().await;
    let masked = |first: u8, len: u8| vec![first, 0x80 | len, 0, 0, 0, 0];
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("unmasked", vec![0x82, 1, b'x'], 1002),
        ("reserved bits", masked(0xc2, 0), 1002),
        ("reserved opcode", masked(0x83, 0), 1002),
        ("continuation of nothing", masked(0x80, 0), 1002),
        ("long control frame", vec![0x89, 0xfe, 0, 126], 1002),
        ("fragmented control frame", masked(0x09, 0), 1002),
        ("not UTF-8", [masked(0x81, 1), vec![0xff]].concat(), 1007),
        (
            "close of one byte",
            [masked(0x88, 1), vec![3]].concat(),
            1002,
        ),
        (
            "forbidden close code",
            [masked(0x88, 2), vec![3, 0xed]].concat(),
            1002,
        ),
        ("2 MiB", vec![0x82, 0xff, 0, 0, 0, 0, 0, 32, 0, 0], 1009),
        ("2^63", vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002),
    ];
    for (what, bytes, want) in cases {
        let mut socket = native(&server).await;
        socket.send_bytes(&bytes).await;
        assert_eq!(socket.closed().await, want, "{what}");
        assert_eq!(socket.next().await, Frame::End, "{what}");
    }
    works(&server).await;
    server.shutdown().await;
}

/// The begin of a message is kept until its end comes: from somebody who may not write, or does not need to, that is
/// little.
#[tokio::test]
async fn half_messages_are_short_ones() {
    for (role, protocol) in [
        (Role::Viewer, ""),
        (Role::Viewer, SUBPROTOCOL),
        (Role::Owner, SUBPROTOCOL),
    ] {
        let mut setup = Setup::pipe(&["cat"]);
        setup.role = role;
        let server = setup.start().await;
        let mut socket = client::connect(server.http, "/ws", protocol).await;
        if protocol == SUBPROTOCOL {
            socket.hello(Hello::default()).await;
        }
        // A fragment of 192 KiB that others are to follow.
        socket
            .send_bytes(&[0x02, 0xff, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0])
            .await;
        assert_eq!(socket.closed().await, 1009, "{role:?} {protocol}");
        server.shutdown().await;
    }
}

#[tokio::test]
async fn broken_messages_close_with_their_code() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut too_long = vec![1; 9];
    too_long.resize(9 + MAX_INPUT + 1, b'x');
    let cases: [(Opcode, &[u8], u16); 7] = [
        (Opcode::Text, b"{", 4400),
        (Opcode::Text, b"[]", 4400),
        (Opcode::Text, br#"{"type":"hello"}"#, 4400),
        (Opcode::Text, br#"{"type":"ack","offset":99}"#, 4400),
        (Opcode::Binary, b"\x01short", 4400),
        (Opcode::Binary, b"\x09\0\0\0\0\0\0\0\0x", 4400),
        (Opcode::Binary, &too_long, 4413),
    ];
    for (opcode, payload, want) in cases {
        let mut socket = native(&server).await;
        socket.send(opcode, payload).await;
        assert_eq!(
            socket.closed().await,
            want,
            "{:.20?}",
            payload.escape_ascii()
        );
    }
    let long = format!(r#"{{"type":"eof","x":"{}"}}"#, "x".repeat(17_000));
    let mut socket = native(&server).await;
    socket.text(&long).await;
    assert_eq!(socket.closed().await, 4413);
    server.shutdown().await;
}

#[tokio::test]
async fn unknown_types_are_answered_and_the_connection_goes_on() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut socket = native(&server).await;
    socket.text(r#"{"type":"dance"}"#).await;
    assert!(matches!(socket.next().await, Frame::Text(text) if text.contains("bad-message")));
    socket.text(r#"{"type":"resize","cols":0,"rows":0}"#).await;
    assert!(matches!(socket.next().await, Frame::Text(text) if text.contains("1 to 1000")));
    socket.say(&Client::Ping(3)).await;
    assert_eq!(
        socket.next().await,
        Frame::Text(r#"{"type":"pong","id":3}"#.into())
    );
    server.shutdown().await;
}

#[tokio::test]
async fn a_first_message_that_is_no_hello() {
    let server = Setup::pipe(&["cat"]).start().await;
    for (protocol, message) in [
        (SUBPROTOCOL, r#"{"type":"eof"}"#),
        (SUBPROTOCOL, "nonsense"),
        ("tty", "0input"),
        ("tty", "{nonsense"),
    ] {
        let mut socket = client::connect(server.http, "/ws", protocol).await;
        socket.text(message).await;
        assert_eq!(socket.closed().await, 4400, "{protocol} {message}");
    }
    assert!(server.registry.list().is_empty());
    server.shutdown().await;
}

#[tokio::test]
async fn fragments_and_single_bytes_are_put_together() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut socket = client::connect(server.http, "/ws?binary=1", "").await;
    for (first, byte) in [(0x02u8, b'a'), (0x00, b'b'), (0x80, b'c')] {
        for byte in [first, 0x81, 0, 0, 0, 0, byte] {
            socket.send_bytes(&[byte]).await;
        }
    }
    let mut all = Vec::new();
    while all != b"abc" {
        let Frame::Binary(bytes) = socket.next().await else {
            panic!("no echo");
        };
        all.extend(bytes);
    }
    server.shutdown().await;
}

#[tokio::test]
async fn noise_on_every_port() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut noise = vec![0u8; 100_000];
    let mut state = 1u32;
    for byte in &mut noise {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    let mut stream = TcpStream::connect(server.http).await.unwrap();
    let _ = stream.write_all(&noise).await;
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    let mut socket = native(&server).await;
    let _ = socket.stream.write_all(&noise).await;
    while !matches!(socket.next().await, Frame::End) {}
    let host = server.http.to_string();
    let giant = "x".repeat(100_000);
    let headers = [("Host", host.as_str()), ("X-Giant", giant.as_str())];
    let mut stream = TcpStream::connect(server.http).await.unwrap();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nX-Giant: {giant}\r\n\r\n",
        headers[0].1
    );
    let _ = stream.write_all(request.as_bytes()).await;
    answer.clear();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    works(&server).await;
    server.shutdown().await;
}

#[tokio::test]
async fn answers_to_a_flood_of_pings_are_bounded() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut socket = native(&server).await;
    // Nobody reads the answers: the server stops reading before they pile up, and goes on when they are read.
    let mut pings = Vec::new();
    for _ in 0..1000 {
        anywire_codec::websocket::write_masked(Opcode::Ping, &[b'p'; 125], [0; 4], &mut pings);
    }
    let (mut sent, mut full) = (0, false);
    while !full && sent < 400 {
        let write = socket.stream.write_all(&pings);
        full = tokio::time::timeout(std::time::Duration::from_millis(300), write)
            .await
            .is_err();
        sent += 1;
    }
    assert!(full, "the server reads on without end");
    let mut pongs = 0;
    while pongs < 1000 * (sent - 1) {
        match socket.next().await {
            Frame::Pong(_) => pongs += 1,
            other => panic!("{other:?} after {pongs} pongs"),
        }
    }
    server.shutdown().await;
}

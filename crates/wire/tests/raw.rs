//! Raw bytes: TCP, and WebSocket without a subprotocol; ttyd's dialect with and without its name.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use anywire_codec::dialect::tty;
use anywire_codec::websocket::Opcode;
use anywire_model::Size;
use common::client::{self, Frame, Socket};
use common::{Server, Setup, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn half_a_close_ends_the_input_and_not_the_output() {
    let script = "cat; echo done; echo aside >&2";
    let server = Setup::script(script).start().await;
    let mut stream = TcpStream::connect(server.tcp).await.unwrap();
    stream.write_all(b"words\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut all = String::new();
    soon(stream.read_to_string(&mut all)).await.unwrap();
    // Standard error has no place of its own on a wire with one stream, nor an order beside standard output.
    assert_eq!(all.replacen("aside\n", "", 1), "words\ndone\n", "{all}");
    assert!(all.contains("aside\n"), "{all}");
    server.shutdown().await;
}

#[tokio::test]
async fn nothing_is_lost_both_ways() {
    let server = Setup::pipe(&["cat"]).start().await;
    let bytes: Vec<u8> = (0..3_000_000u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    let stream = TcpStream::connect(server.tcp).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let send = async {
        write.write_all(&bytes).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    soon(async { tokio::join!(send, read.read_to_end(&mut back)) })
        .await
        .1
        .unwrap();
    assert!(back == bytes, "{} of {} bytes", back.len(), bytes.len());
    server.shutdown().await;
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_named() {
    let server = Setup::pipe(&["/nonexistent/program"]).start().await;
    let mut stream = TcpStream::connect(server.tcp).await.unwrap();
    let mut all = String::new();
    soon(stream.read_to_string(&mut all)).await.unwrap();
    assert!(all.starts_with("anywire: starting the program: "), "{all}");
    let mut socket = client::connect(server.http, "/ws", "tty").await;
    socket.text(r#"{"columns":80,"rows":24}"#).await;
    assert_eq!(socket.closed().await, 4500);
    server.shutdown().await;
}

/// Reads a WebSocket's binary messages until they end so.
async fn until(socket: &mut Socket, end: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while !all.ends_with(end) {
        match socket.next().await {
            Frame::Binary(bytes) => all.extend(bytes),
            other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&all)),
        }
    }
    all
}

#[tokio::test]
async fn a_websocket_without_a_dialect_is_bytes() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut socket = client::connect(server.http, "/ws?binary=1", "").await;
    socket.text("text ").await;
    socket.binary(b"and bytes").await;
    assert_eq!(until(&mut socket, b"bytes").await, b"text and bytes");
    socket.send(Opcode::Ping, b"p").await;
    assert_eq!(socket.next().await, Frame::Pong(b"p".to_vec()));
    socket.send(Opcode::Close, &1000u16.to_be_bytes()).await;
    assert_eq!(socket.next().await, Frame::Close(1000));
    assert_eq!(socket.next().await, Frame::End);
    server.shutdown().await;
}

#[tokio::test]
async fn who_speaks_in_bytes_is_answered_in_bytes() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut socket = client::connect(server.http, "/ws", "").await;
    socket.binary(b"\xff and so on").await;
    assert_eq!(until(&mut socket, b"on").await, b"\xff and so on");
    let mut socket = client::connect(server.http, "/ws", "").await;
    socket.text("text").await;
    assert_eq!(socket.next().await, Frame::Text("text".into()));
    socket.binary(b"and bytes").await;
    assert_eq!(socket.next().await, Frame::Text("and bytes".into()));
    server.shutdown().await;
}

#[tokio::test]
async fn who_only_listens_hears() {
    let server = Setup::script("echo hello; cat").start().await;
    let mut socket = client::connect(server.http, "/ws?binary=1", "").await;
    assert_eq!(until(&mut socket, b"\n").await, b"hello\n");
    server.shutdown().await;
}

/// Reads the tty dialect's output until it contains the text.
async fn shows(socket: &mut Socket, text: &str) -> String {
    let mut all = String::new();
    while !all.contains(text) {
        let Frame::Binary(message) = socket.next().await else {
            panic!("no output after {all:?}");
        };
        if let tty::Server::Output(bytes) = tty::Server::decode(&message).unwrap() {
            all += &String::from_utf8_lossy(bytes);
        }
    }
    all
}

async fn say(socket: &mut Socket, message: tty::Client<'_>) {
    let mut out = Vec::new();
    message.encode(&mut out);
    socket.binary(&out).await;
}

async fn ttyd(server: &Server, protocol: &str) -> Socket {
    let mut socket = client::connect(server.http, "/ws", protocol).await;
    socket
        .text(r#"{"AuthToken":"","columns":100,"rows":30}"#)
        .await;
    socket
}

#[tokio::test]
async fn ttyd_s_clients_are_understood_with_and_without_its_name() {
    let script = "stty -echo; stty size; while read line; do echo \"<$line>\"; stty size; done";
    let server = Setup::terminal(script).start().await;
    for protocol in ["tty", ""] {
        let mut socket = ttyd(&server, protocol).await;
        let Frame::Binary(title) = socket.next().await else {
            panic!("no title");
        };
        assert_eq!(title[0], b'1');
        assert_eq!(socket.next().await, Frame::Binary(b"2{}".to_vec()));
        shows(&mut socket, "30 100").await;
        say(&mut socket, tty::Client::Resize(Size::checked(80, 25))).await;
        say(&mut socket, tty::Client::Input(b"words\n")).await;
        let all = shows(&mut socket, "25 80").await;
        assert!(all.contains("<words>"), "{all}");
    }
    let host = server.http.to_string();
    let token = client::request(server.http, "GET /token", &[("Host", &host)], "").await;
    assert_eq!(token.body, r#"{"token":""}"#);
    server.shutdown().await;
}

#[tokio::test]
async fn pause_stops_output_until_resume() {
    let script = "read a; echo one; read b; echo two";
    let server = Setup::script(script).start().await;
    let mut socket = ttyd(&server, "tty").await;
    say(&mut socket, tty::Client::Pause).await;
    say(&mut socket, tty::Client::Input(b"\n\n")).await;
    // The answer to a ping comes behind all that was sent before it.
    let session = loop {
        let found = server
            .registry
            .list()
            .pop()
            .and_then(|info| info.exit.map(|_| info.id));
        match found {
            Some(id) => break id,
            None => tokio::task::yield_now().await,
        }
    };
    socket.send(Opcode::Ping, b"").await;
    let mut seen = Vec::new();
    loop {
        match socket.next().await {
            Frame::Pong(_) => break,
            Frame::Binary(bytes) => seen.push(bytes[0]),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, b"12", "{session}: only title and preferences");
    say(&mut socket, tty::Client::Resume).await;
    assert_eq!(shows(&mut socket, "two").await, "one\ntwo\n");
    assert_eq!(socket.next().await, Frame::Close(1000));
    server.shutdown().await;
}

#[tokio::test]
async fn a_late_viewer_gets_the_screen_behind_a_reset() {
    let mut setup = Setup::terminal("stty -echo; echo on the screen; cat");
    setup.shared = true;
    let server = setup.start().await;
    let mut first = TcpStream::connect(server.tcp).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"screen\r\n") {
        soon(first.read_buf(&mut seen)).await.unwrap();
    }
    let mut late = TcpStream::connect(server.tcp).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("on the screen") {
        assert_ne!(soon(late.read_buf(&mut seen)).await.unwrap(), 0);
    }
    assert!(seen.starts_with(b"\x1bc"));
    server.shutdown().await;
}

//! Compressed WebSocket messages: agreed on in the handshake, smaller, and the same bytes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use anywire_codec::websocket::deflate::Deflater;
use anywire_codec::websocket::{DEFLATED, Opcode, write_masked};
use anywire_wire::Compression;
use common::client::{self, Frame, HANDSHAKE};
use common::{Server, Setup};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What a browser offers.
const OFFER: (&str, &str) = (
    "Sec-WebSocket-Extensions",
    "permessage-deflate; client_max_window_bits",
);

async fn connect(server: &Server) -> (client::Socket, Option<String>) {
    let host = server.http.to_string();
    let mut headers = HANDSHAKE.to_vec();
    headers.extend([("Host", host.as_str()), OFFER]);
    let stream = TcpStream::connect(server.http).await.unwrap();
    let (socket, response) = client::upgrade(stream, "/ws?binary=1", &headers)
        .await
        .unwrap();
    let answer = response.header(OFFER.0).map(str::to_owned);
    (socket, answer)
}

#[tokio::test]
async fn both_directions_are_compressed_and_nothing_changes() {
    let server = Setup {
        compression: Compression::Always,
        ..Setup::pipe(&["cat"])
    };
    let server = server.start().await;
    let (mut socket, answer) = connect(&server).await;
    assert!(answer.unwrap().starts_with("permessage-deflate"));
    let input: String = (0..5000).map(|n| format!("line {n}\n")).collect();
    let (mut deflater, mut short, mut frame) = (Deflater::default(), Vec::new(), Vec::new());
    assert!(deflater.deflate(input.as_bytes(), &mut short));
    write_masked(Opcode::Binary, &short, [1, 2, 3, 4], &mut frame);
    frame[0] |= DEFLATED;
    assert!(frame.len() < input.len() / 2);
    socket.stream.write_all(&frame).await.unwrap();
    let mut output = Vec::new();
    while output.len() < input.len() {
        match socket.next().await {
            Frame::Binary(bytes) => output.extend(bytes),
            Frame::Text(text) => output.extend(text.into_bytes()),
            Frame::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(output == input.as_bytes());
}

#[tokio::test]
async fn on_one_machine_nothing_is_compressed_by_default() {
    let server = Setup::pipe(&["cat"]).start().await;
    let (_socket, answer) = connect(&server).await;
    assert_eq!(answer, None);
}

#[tokio::test]
async fn a_bomb_ends_its_connection() {
    let server = Setup {
        compression: Compression::Always,
        ..Setup::pipe(&["cat"])
    };
    let server = server.start().await;
    let (mut socket, _) = connect(&server).await;
    let (mut deflater, mut short, mut frame) = (Deflater::default(), Vec::new(), Vec::new());
    assert!(deflater.deflate(&vec![0; 50 << 20], &mut short));
    write_masked(Opcode::Binary, &short, [1, 2, 3, 4], &mut frame);
    frame[0] |= DEFLATED;
    socket.stream.write_all(&frame).await.unwrap();
    loop {
        match socket.next().await {
            Frame::Close(code) => break assert_eq!(code, 1009),
            Frame::End => panic!("without a word"),
            _ => {}
        }
    }
}

//! How fast: the window, programs that do not read, clients that do not read, a server that stops.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use anywire_codec::dialect::native::{Client, Hello, MAX_INPUT, SUBPROTOCOL, ServerText};
use common::client::{self, Frame};
use common::{Setup, soon};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn no_more_than_the_window_is_on_the_way() {
    let server = Setup::script("head -c 100000 /dev/zero; echo end")
        .start()
        .await;
    let mut socket = client::connect(server.http, "/ws", SUBPROTOCOL).await;
    let hello = Hello {
        window: Some(1000),
        ..Hello::default()
    };
    socket.hello(hello).await;
    let (mut next, mut acked) = (0u64, 0u64);
    while next < 100_004 {
        // A pong comes behind all that the window allowed.
        let before = next;
        while next < (acked + 1000).min(100_004) {
            let Frame::Binary(bytes) = socket.next().await else {
                panic!("no output at {next}");
            };
            next += bytes.len() as u64 - 9;
            assert!(next <= acked + 1000);
        }
        assert!(next > before);
        if next < 100_004 {
            socket.say(&Client::Ping(next)).await;
            assert_eq!(socket.control().await, ServerText::Pong { id: next });
            acked = next;
            socket.say(&Client::Ack(acked)).await;
        }
    }
    assert!(matches!(
        socket.control().await,
        ServerText::Exit {
            offset: 100_004,
            ..
        }
    ));
    server.shutdown().await;
}

#[tokio::test]
async fn a_program_that_does_not_read_stops_its_client_and_nothing_is_lost() {
    // More than the pipe holds is sent before the program reads at all, while it writes.
    let script = "echo waiting; head -c 300000 /dev/zero | tr '\\0' x; echo; cat | tail -c 6";
    let server = Setup::script(script).start().await;
    let mut socket = client::connect(server.http, "/ws", SUBPROTOCOL).await;
    let hello = Hello {
        client: Some(1),
        ..Hello::default()
    };
    socket.hello(hello).await;
    let (mut read, mut write) = socket.stream.into_split();
    let total = 60 * MAX_INPUT;
    let send = async {
        use tokio::io::AsyncWriteExt;
        let mut sent = 0;
        while sent < total {
            let mut bytes = vec![b'i'; MAX_INPUT];
            if sent + MAX_INPUT == total {
                bytes[MAX_INPUT - 6..].copy_from_slice(b"ending");
            }
            let (mut payload, mut frame) = (Vec::new(), Vec::new());
            let offset = sent as u64;
            Client::Input {
                offset,
                bytes: &bytes,
            }
            .encode(&mut payload);
            let opcode = anywire_codec::websocket::Opcode::Binary;
            anywire_codec::websocket::write_masked(opcode, &payload, [5; 4], &mut frame);
            write.write_all(&frame).await.unwrap();
            sent += bytes.len();
        }
        let (mut payload, mut frame) = (Vec::new(), Vec::new());
        Client::Eof.encode(&mut payload);
        let opcode = anywire_codec::websocket::Opcode::Text;
        anywire_codec::websocket::write_masked(opcode, &payload, [5; 4], &mut frame);
        write.write_all(&frame).await.unwrap();
    };
    let mut back = Vec::new();
    soon(async { tokio::join!(send, read.read_to_end(&mut back)) })
        .await
        .1
        .unwrap();
    let text = String::from_utf8_lossy(&back);
    assert!(
        text.contains("ending"),
        "the last bytes of the input arrived"
    );
    assert!(text.contains(&format!(r#"{{"type":"input","offset":{total}}}"#)));
    assert!(text.contains(r#""code":0"#));
    server.shutdown().await;
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_does_not_wait_for_the_stubborn() {
    let server = Setup::script("yes").start().await;
    let mut page = client::connect(server.http, "/ws", SUBPROTOCOL).await;
    let hello = Hello {
        window: Some(10),
        ..Hello::default()
    };
    page.hello(hello).await;
    let mut raw = TcpStream::connect(server.tcp).await.unwrap();
    raw.read_u8().await.unwrap();
    // Connected, and silent for ever.
    let silent = TcpStream::connect(server.http).await.unwrap();
    let before = std::time::Instant::now();
    let stopping = tokio::spawn(server.shutdown());
    assert_eq!(page.closed().await, 1001);
    soon(stopping).await.unwrap();
    assert!(before.elapsed().as_secs() < 6);
    drop((raw, silent));
}

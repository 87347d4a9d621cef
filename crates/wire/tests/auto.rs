//! One port for everything: each client is told by what it says first, however slowly it says it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use anywire_wire::Silent;
use common::client::{self, Frame};
use common::plain::Plain;
use common::{Server, Setup, soon};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn setup() -> Setup {
    Setup::terminal(
        "trap 'echo interrupted' INT; stty -echo; echo hello; while :; do read line && echo \"<$line>\"; done",
    )
}

async fn auto(server: &Server) -> Plain {
    Plain::connect(server.auto).await
}

#[tokio::test]
async fn each_is_told_by_its_first_bytes_one_at_a_time() {
    let mut setup = setup();
    setup.shared = true;
    let server = setup.start().await;
    let request = format!(
        "GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        server.auto
    );
    for (said, answer) in [
        (request.as_str(), "HTTP/1.1 200 OK\r\n"),
        ("\u{7f}\x15plain\n", "<plain>\r\n"),
        ("PUT it there\n", "<PUT it there>\r\n"),
        ("\x03", "interrupted\r\n"),
    ] {
        let mut client = auto(&server).await;
        for byte in said.bytes() {
            client.send([byte]).await;
            tokio::task::yield_now().await;
        }
        client.see(answer).await;
    }
    let mut client = auto(&server).await;
    for byte in b"\xff\xfd\x01words\r\n" {
        client.send([*byte]).await;
    }
    client.see(b"\xff\xfb\x01").await;
    client.see("<words>\r\n").await;
    let mut page = client::connect(server.auto, "/ws?binary=1", "").await;
    page.text("over WebSocket\n").await;
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains("<over WebSocket>") {
        match page.next().await {
            Frame::Binary(bytes) => all.extend(bytes),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        server.registry.list().len(),
        1,
        "all of them share one session"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn what_is_not_served_is_closed() {
    let server = setup().start().await;
    let mut client = auto(&server).await;
    client.send(b"\x16\x03\x01\x02\x00\x01").await;
    assert_eq!(client.end().await, b"");
    assert!(server.registry.list().is_empty());
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_to_who_says_nothing() {
    let server = setup().start().await;
    for said in [&b""[..], b"\x16", b"GET / HTTP/1.1", b"POST "] {
        let mut client = auto(&server).await;
        client.send(said).await;
        let start = tokio::time::Instant::now();
        assert_eq!(client.end().await, b"", "{said:?}");
        assert_eq!(start.elapsed().as_secs(), 10, "{said:?}");
    }
    // A connection that a browser opens before it needs it.
    let mut client = auto(&server).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    client
        .send(format!(
            "GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n",
            server.auto
        ))
        .await;
    client.see("HTTP/1.1 200 OK").await;
    assert!(server.registry.list().is_empty());
    server.shutdown().await;
}

#[tokio::test]
async fn a_silent_client_may_be_taken_for_telnet() {
    let mut setup = setup();
    setup.rules = |listener| {
        listener.silent = Some(Silent {
            telnet: true,
            after: Duration::from_millis(100),
        });
    };
    let server = setup.start().await;
    let mut client = auto(&server).await;
    assert!(client.see("hello\r\n").await.starts_with(&[255, 251, 1]));
    // A request is one, all the same.
    let mut client = auto(&server).await;
    client
        .send(format!(
            "GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n",
            server.auto
        ))
        .await;
    client.see("HTTP/1.1 200 OK").await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_client_that_says_all_at_once_and_ends_is_heard() {
    let server = Setup::pipe(&["cat"]).start().await;
    for said in [&b"GE"[..], b"\x00", b"unfinished", b"two\nlines"] {
        let mut client = auto(&server).await;
        client.send(said).await;
        client.stream.shutdown().await.unwrap();
        let mut all = Vec::new();
        soon(client.stream.read_to_end(&mut all)).await.unwrap();
        assert_eq!(all, said);
    }
    server.shutdown().await;
}

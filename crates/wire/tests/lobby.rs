//! The menu of sessions, on raw TCP, telnet and UNIX sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use anywire_session::Create;
use anywire_wire::Target;
use common::client;
use common::plain::Plain;
use common::{Server, Setup, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const PROMPT: &str = "q: quit > ";

async fn lobby() -> Server {
    let mut setup =
        Setup::terminal("stty -echo; echo here I am; while read line; do echo \"<$line>\"; done");
    setup.rules = |listener| {
        listener.target = Target::Lobby {
            service: "program".to_owned(),
        };
    };
    setup.start().await
}

async fn named(server: &Server, name: &str) {
    let options = Create {
        name: Some(name.to_owned()),
        ..Create::default()
    };
    server.registry.create("program", options).await.unwrap();
}

#[tokio::test]
async fn sessions_are_listed_and_chosen_by_number_or_name() {
    let server = lobby().await;
    let mut client = Plain::connect(server.tcp).await;
    let menu = client.see(PROMPT).await;
    assert!(String::from_utf8_lossy(&menu).contains("no sessions are running"));
    named(&server, "first").await;
    named(&server, "7").await;
    client.send("r\n").await;
    let menu = client.see(PROMPT).await;
    let menu = String::from_utf8_lossy(&menu);
    assert!(
        menu.contains("first") && menu.contains("program") && menu.contains("attached"),
        "{menu}"
    );
    assert!(!menu.contains('\x1b'), "{menu}");
    client.send("nobody\x1b[2J\n").await;
    let menu = client.see(PROMPT).await;
    let menu = String::from_utf8_lossy(&menu);
    assert!(
        menu.contains("no session \"nobody[2J\" is running"),
        "{menu}"
    );
    client.send("first\nwords\n").await;
    client.see("<words>\r\n").await;
    assert_eq!(attached(&server, "first"), 1);

    let mut other = Plain::connect(server.tcp).await;
    let menu = other.see(PROMPT).await;
    let menu = String::from_utf8_lossy(&menu);
    let number = menu.lines().find(|line| line.contains("first")).unwrap();
    let number = number.split_whitespace().next().unwrap();
    other.send(format!("{number}\r\n")).await;
    other.see("\x1bc").await;
    other.see("<words>").await;
    assert_eq!(attached(&server, "first"), 2);
    let mut third = Plain::connect(server.tcp).await;
    third.send("7\n").await;
    third.see("here I am").await;
    assert_eq!(attached(&server, "7"), 1);
    server.shutdown().await;
}

fn attached(server: &Server, name: &str) -> usize {
    server.registry.find(name).unwrap().info().attachments
}

#[tokio::test]
async fn a_new_one_and_the_way_out() {
    let server = lobby().await;
    let mut client = Plain::connect(server.tcp).await;
    client.send("n\n").await;
    client.see("here I am\r\n").await;
    assert_eq!(server.registry.list().len(), 1);
    for leave in ["q\n", "\x04", "\x03"] {
        let mut client = Plain::connect(server.tcp).await;
        client.see(PROMPT).await;
        client.send(leave).await;
        assert_eq!(client.end().await, b"", "{leave:?}");
    }
    let mut client = Plain::connect(server.tcp).await;
    client.send("x".repeat(1000)).await;
    let all = client.end().await;
    assert!(String::from_utf8_lossy(&all).contains("the line is too long"));
    let mut unix = UnixStream::connect(&server.unix_raw).await.unwrap();
    unix.write_all(b"q\n").await.unwrap();
    let mut all = String::new();
    soon(unix.read_to_string(&mut all)).await.unwrap();
    assert!(all.contains("program-1"), "{all}");
    server.shutdown().await;
}

/// A page of anybody can have a browser send a request here, whose body would be choices and then input.
#[tokio::test]
async fn a_browser_chooses_nothing() {
    let server = lobby().await;
    for address in [server.tcp, server.telnet] {
        let mut client = Plain::connect(address).await;
        client
            .send("POST / HTTP/1.1\r\nHost: x\r\n\r\nn\ntouch trouble\n")
            .await;
        client.end().await;
        assert!(server.registry.list().is_empty());
    }
    server.shutdown().await;
}

#[tokio::test]
async fn telnet_shows_what_is_typed_and_the_window_is_known() {
    let server = lobby().await;
    let mut client = Plain::connect(server.telnet).await;
    client.see(PROMPT).await;
    client
        .send(b"\xff\xfd\x01\xff\xfd\x03\xff\xfb\x1f\xff\xfa\x1f\0\x64\0\x1e\xff\xf0")
        .await;
    client.send("nö\x7f\x7fn").await;
    client.see("nö\x08 \x08\x08 \x08n").await;
    client.send("\r\0").await;
    client.see("\r\n").await;
    client.see("here I am\r\n").await;
    assert_eq!(server.registry.list()[0].size.to_string(), "100x30");
    server.shutdown().await;
}

#[tokio::test]
async fn on_http_it_means_a_new_one() {
    let server = lobby().await;
    let mut socket = client::connect(server.http, "/ws?binary=1", "").await;
    socket.text("words\n").await;
    socket.next().await;
    assert_eq!(server.registry.list().len(), 1);
    server.shutdown().await;
}

//! Telnet: offers that wait for nobody, what is negotiated, both kinds of programs, the login, and bad manners.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use anywire_codec::telnet::{HERE, IAC, escape_iac};
use common::client::{self, Frame};
use common::plain::Plain;
use common::{Server, Setup, soon};
use rustix::net::SendFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;
const SB: u8 = 250;
const SE: u8 = 240;
/// What a terminal's client is offered.
const OFFERS: [u8; 18] = [
    IAC, WILL, 1, IAC, WILL, 3, IAC, DO, 24, IAC, DO, 31, IAC, WILL, 0, IAC, DO, 0,
];
/// The answers of a client that takes all of them, its window of 100x30 among them.
const AGREED: [u8; 27] = [
    IAC, DO, 1, IAC, DO, 3, IAC, WILL, 24, IAC, WILL, 31, IAC, SB, 31, 0, 100, 0, 30, IAC, SE, IAC,
    DO, 0, IAC, WILL, 0,
];

async fn telnet(server: &Server) -> Plain {
    Plain::connect(server.telnet).await
}

#[tokio::test]
async fn the_banner_waits_for_nobody() {
    let server = Setup::terminal("echo hello; cat").start().await;
    let mut client = telnet(&server).await;
    assert_eq!(client.see("hello\r\n").await, OFFERS);
    server.shutdown().await;
}

#[tokio::test]
async fn the_window_s_size_reaches_the_program_however_slowly_it_comes() {
    let script = "stty -echo; read word; stty size; read word; stty size; cat";
    let server = Setup::terminal(script).start().await;
    let mut client = telnet(&server).await;
    client.see(OFFERS).await;
    for byte in AGREED {
        client.send([byte]).await;
    }
    client.see([IAC, SB, 24, 1, IAC, SE]).await;
    client.send("\r").await;
    client.see("30 100\r\n").await;
    // Impossible sizes change nothing.
    client.send([IAC, SB, 31, 0, 0, 0, 0, IAC, SE]).await;
    client
        .send([IAC, SB, 31, 0, 255, 255, 0, 255, 255, IAC, SE, b'\r'])
        .await;
    client.see("255 255\r\n").await;
    server.shutdown().await;
}

#[tokio::test]
async fn enter_is_one_enter_in_every_spelling() {
    let script = "stty -echo; echo ready; while read line; do echo \"<$line>\"; done";
    let server = Setup::terminal(script).start().await;
    let mut client = telnet(&server).await;
    client.see("ready\r\n").await;
    for enter in [&b"\r\n"[..], b"\r\0", b"\n", b"\r"] {
        client.send([b"word", enter].concat()).await;
        assert_eq!(client.see("<word>\r\n").await, b"", "{enter:?}");
    }
    // The last CR may have been the first half of a line end.
    client.send("\nlast\r\n").await;
    assert_eq!(client.see("<last>\r\n").await, b"");
    server.shutdown().await;
}

#[tokio::test]
async fn a_program_on_pipes_has_a_client_in_line_mode() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut client = telnet(&server).await;
    // What a client asks for that would end its line mode is refused.
    client.send([IAC, DO, 3, IAC, DO, 1]).await;
    client.see([IAC, WONT, 3, IAC, WONT, 1]).await;
    client
        .send(b"one\r\ntwo\r\0\xff\xffthree\r\nunfinished")
        .await;
    client.stream.shutdown().await.unwrap();
    let all = client.end().await;
    assert_eq!(
        all.escape_ascii().to_string(),
        b"one\r\ntwo\r\0\xff\xffthree\r\nunfinished"
            .escape_ascii()
            .to_string()
    );
    server.shutdown().await;
}

#[tokio::test]
async fn nothing_is_lost_in_binary_both_ways() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut bytes: Vec<u8> = (0..2_000_000u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    bytes.extend([IAC; 1001]);
    let mut sent = vec![];
    sent.extend_from_slice(&bytes);
    escape_iac(&mut sent, 0);
    let mut client = telnet(&server).await;
    client.send([IAC, DO, 0, IAC, WILL, 0]).await;
    client.see([IAC, WILL, 0, IAC, DO, 0]).await;
    let (mut read, mut write) = client.stream.into_split();
    let send = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    soon(async { tokio::join!(send, read.read_to_end(&mut back)) })
        .await
        .1
        .unwrap();
    assert!(back == sent, "{} of {} bytes", back.len(), sent.len());
    server.shutdown().await;
}

#[tokio::test]
async fn commands_reach_the_program() {
    let script = "trap 'echo interrupted' INT; stty -echo; echo ready; while :; do read line; done";
    let server = Setup::terminal(script).start().await;
    let mut client = telnet(&server).await;
    client.see("ready").await;
    client.send([IAC, 246]).await;
    client.see(HERE).await;
    client.send([IAC, 244]).await;
    client.see("interrupted").await;
    // As clients send it: the mark that ends the Synch is urgent.
    let mark = |bytes: &[u8]| rustix::net::send(&client.stream, bytes, SendFlags::OOB).unwrap();
    assert_eq!(mark(&[IAC, 244, IAC, 242]), 4);
    client.see("interrupted").await;
    client.send([IAC, 246]).await;
    client.see(HERE).await;

    let script = "trap 'echo interrupted; exit' INT; echo ready; while :; do sleep 0.05; done";
    let server = Setup::script(script).start().await;
    let mut client = telnet(&server).await;
    client.see("ready\r\n").await;
    client.send([IAC, 244]).await;
    client.see("interrupted\r\n").await;
    assert_eq!(client.end().await, b"");
    server.shutdown().await;
}

#[tokio::test]
async fn the_start_code_is_typed_unseen_and_may_be_mistyped() {
    let mut setup =
        Setup::terminal("stty -echo; echo in; read word; echo \"<$word>\"; stty size; cat");
    setup.auth = true;
    let server = setup.start().await;
    let code = server.admission.start_code();
    for (agreed, enter) in [
        (true, "\r\0"),
        (true, "\r\n"),
        (false, "\r\n"),
        (false, "\n"),
    ] {
        let mut client = telnet(&server).await;
        client.see([&OFFERS[..12], b"start code: "].concat()).await;
        if agreed {
            client.send(&AGREED[..21]).await;
            client.see([IAC, SB, 24, 1, IAC, SE]).await;
        }
        client.send(format!("wrong{enter}")).await;
        let newline = if agreed { "\r\n" } else { "" };
        let shown = client.see("wrong start code\r\nstart code: ").await;
        assert_eq!(
            shown.escape_ascii().to_string(),
            newline.escape_default().to_string()
        );
        client
            .send(format!("xyz\x15{code}y\x7f{enter}at once\r"))
            .await;
        let shown = client.see("in\r\n").await;
        assert!(!shown.windows(2).any(|two| code.as_bytes().starts_with(two)));
        client.see("<at once>\r\n").await;
        client.see(if agreed { "30 100" } else { "24 80" }).await;
    }
    server.shutdown().await;
}

#[tokio::test]
async fn guesses_end_in_a_wait_that_is_told() {
    let mut setup = Setup::terminal("echo in");
    setup.auth = true;
    let server = setup.start().await;
    for _ in 0..2 {
        let mut client = telnet(&server).await;
        client.send("a\r\nb\r\nc\r\nd\r\n").await;
        client.end().await;
    }
    let mut client = telnet(&server).await;
    client
        .send(format!("{}\r\n", server.admission.start_code()))
        .await;
    let all = client.end().await;
    let all = String::from_utf8_lossy(&all);
    assert!(all.contains("too many failures; try again in"), "{all}");
    server.shutdown().await;
}

/// What is read at once of such a request shows neither its version nor the end of its first line.
#[tokio::test]
async fn a_browser_with_a_long_address_is_turned_away() {
    let server = Setup::script("while read line; do echo \"<$line>\"; done");
    let server = server.start().await;
    let request = format!("POST /{} HTTP/1.1\r\n\r\ntrouble\r\n", "a".repeat(90_000));
    for address in [server.tcp, server.telnet] {
        let mut client = Plain::connect(address).await;
        client.send(&request).await;
        let all = client.end().await;
        let all = String::from_utf8_lossy(&all);
        assert!(all.contains("not for HTTP"), "{all}");
        assert!(!all.contains('<'), "{all}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn browsers_and_giants_are_turned_away() {
    let server = Setup::terminal("cat").start().await;
    let mut client = telnet(&server).await;
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\n\r\nrm -rf /\n")
        .await;
    let all = client.end().await;
    let all = String::from_utf8_lossy(&all);
    assert!(all.contains("not for HTTP") && !all.contains("rm"), "{all}");

    let mut setup = Setup::terminal("echo in");
    setup.auth = true;
    let server = setup.start().await;
    let mut client = telnet(&server).await;
    client.send("x".repeat(1000)).await;
    let all = client.end().await;
    assert!(String::from_utf8_lossy(&all).contains("the line is too long"));
    server.shutdown().await;
}

#[tokio::test]
async fn who_goes_has_not_pressed_control_d() {
    let script = "stty -echo; echo ready; while read line; do echo \"<$line>\"; done; echo ended";
    let server = Setup::terminal(script).start().await;
    let mut client = telnet(&server).await;
    client.see("ready\r\n").await;
    drop(client);
    let session = server.registry.list().pop().unwrap();
    let session = server.registry.find(&session.name).unwrap();
    while session.is_attached() {
        tokio::task::yield_now().await;
    }
    assert!(!session.has_ended());
    let path = format!("/ws?binary=1&session={}", session.name());
    let mut page = client::connect(server.http, &path, "").await;
    page.text("words\n").await;
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains("<words>") {
        match page.next().await {
            Frame::Binary(bytes) => all.extend(bytes),
            other => panic!("{other:?}"),
        }
    }

    // Who still listens has.
    let mut client = telnet(&server).await;
    client.see("ready\r\n").await;
    client.send("last\r\n").await;
    client.stream.shutdown().await.unwrap();
    client.see("<last>\r\n").await;
    client.see("ended\r\n").await;
    client.end().await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_late_client_gets_the_screen_behind_a_reset() {
    let mut setup = Setup::terminal("stty -echo; echo on the screen; cat");
    setup.shared = true;
    let server = setup.start().await;
    let mut first = telnet(&server).await;
    first.see("screen\r\n").await;
    let mut late = telnet(&server).await;
    assert_eq!(late.see("\x1bc").await, OFFERS);
    late.see("on the screen").await;
    server.shutdown().await;
}

#[tokio::test]
async fn garbage_harms_nobody_else() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut good = telnet(&server).await;
    let mut open = vec![IAC, SB, 31];
    open.resize(3_000_000, 0);
    let requests: Vec<u8> = (0..100_000u32)
        .flat_map(|n| [IAC, [WILL, WONT, DO, DONT][(n % 4) as usize], (n / 4) as u8])
        .collect();
    for noise in [open, requests, vec![IAC; 99_999], [IAC, 246].repeat(1000)] {
        let mut bad = telnet(&server).await;
        let (mut read, mut write) = bad.stream.split();
        let mut answer = Vec::new();
        let send = async {
            write.write_all(&noise).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let _ = soon(async { tokio::join!(send, read.read_to_end(&mut answer)) }).await;
        assert!(answer.len() <= 10 * noise.len());
    }
    good.send("still here\r\n").await;
    good.see("still here\r\n").await;
    server.shutdown().await;
}

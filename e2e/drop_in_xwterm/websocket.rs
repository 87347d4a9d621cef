//! Terminals over WebSocket.

use super::kit::{PROMPT, cli, config, http, sockets, start, wait_for, ws};
use anywire_testkit::wait_until;
use anywire_testkit::xwterm::{Poller, Socket, request};

#[tokio::test]
async fn a_websocket_has_a_shell_on_both_ports() {
    let server = start();
    for (address, path) in [(ws(&server), "/"), (http(&server), "/any/path?session=x")] {
        let mut page = Socket::connect(address, path, None).await.unwrap();
        page.send(r#"{"size":"41x121"}"#).await;
        page.keys("stty size; printf '\\342'; printf '\\202\\254'; echo en\"\"d\r")
            .await;
        page.see("41 121").await;
        page.see("\u{20ac}end").await;
        page.send(r#"{"text":"stty size; echo bo\"\"th\r","size":"30x90"}"#)
            .await;
        page.see("both").await;
        page.send(r#"{"size":"31x91"}"#).await;
        page.keys("until [ \"$(stty size)\" = '31 91' ]; do sleep 0.01; done; echo siz\"\"ed\r")
            .await;
        page.see("sized").await;
        page.keys("exit\r").await;
        assert_eq!(page.end().await, 1000, "closed when the shell ends");
    }
    // Whatever its address says, each has a shell of its own.
    let mut page = Poller::open(&server, "mine", "25x80").await;
    page.send("VALUE=mine; echo s\"\"et\r").await;
    page.see("set").await;
    let mut other = Socket::connect(http(&server), "/?session=mine", None)
        .await
        .unwrap();
    other.keys("echo =$VALUE=\r").await;
    other.see("==\r\n").await;
    // One that says nothing has its shell all the same.
    let mut page = Socket::connect(ws(&server), "/", None).await.unwrap();
    page.see(PROMPT).await;
    page.keys("stty size\r").await;
    page.see("40 120").await;
    let answer = request(ws(&server), "GET", "/", &[], b"").await;
    assert_eq!(answer.status, 426);
    assert!(answer.text().contains("WebSocket"));
    drop(page);
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_envelope_is_typed() {
    let server = start();
    let mut page = Socket::open(ws(&server), "40x200").await;
    page.keys("stty -echo; PS1=; echo rea\"\"dy\r").await;
    page.see("ready").await;
    page.keys("echo g\"\"o; cat -v\r").await;
    page.see("go\r\n").await;
    for typed in [
        "{}",
        "[]",
        "\"abc\"",
        "5",
        "true",
        "null",
        "[\"text\"]",
        "{\"text\":5}",
        "{\"x\":1}",
    ] {
        page.got.clear();
        page.send(typed).await;
        page.keys("\r").await;
        page.see(&format!("{typed}\r\n")).await;
    }
    page.send_binary("bin\u{e4}r\r".as_bytes()).await;
    page.see("binM-CM-$r").await;
    page.send(r#"{"text":"a\ud800z\r"}"#).await;
    page.see("z\r\n").await;
    page.send("raw words\r").await;
    page.see("raw words").await;
    for odd in [r#"{"text":""}"#, r#"{"size":"70000x10"}"#, r#"{"size":""}"#] {
        page.send(odd).await;
    }
    let mut poller = Poller::open(&server, "typed", "25x200").await;
    poller.send("stty -echo; echo g\"\"o; cat -v\r").await;
    poller.see("go\r\n").await;
    for typed in ["{}", "[]", "\"abc\""] {
        poller.send(typed).await;
        poller.send("\r").await;
        poller.see(&format!("{typed}\r\n")).await;
    }
    page.keys("alive\r").await;
    page.see("alive\r\n").await;
    // More than a message may have is told as such.
    let mut long = Socket::open(ws(&server), "40x80").await;
    long.see(PROMPT).await;
    long.send(&"x".repeat((1 << 20) + 1)).await;
    assert_eq!(long.end().await, 1009);
    server.stop().await;
}

#[tokio::test]
async fn the_first_size_is_there_when_the_shell_starts() {
    let server = config(&[])
        .variable("HOME", ".")
        .with(".bashrc", "stty size >> sizes")
        .start();
    let sizes = || std::fs::read_to_string(server.dir().join("sizes")).unwrap_or_default();
    let mut socket = Socket::open(ws(&server), "41x121").await;
    socket.see(PROMPT).await;
    assert_eq!(sizes(), "41 121\n");
    let mut page = Poller::open(&server, "sized", "26x81").await;
    page.see(PROMPT).await;
    assert_eq!(sizes(), "41 121\n26 81\n");
    let mut silent = Socket::connect(ws(&server), "/", None).await.unwrap();
    silent.see(PROMPT).await;
    let default = Poller::silent(&server, "default");
    default.send("\r").await;
    wait_for(async || sizes() == "41 121\n26 81\n40 120\n40 120\n").await;
    server.stop().await;
}

#[tokio::test]
async fn a_storm_of_sizes_reaches_the_program_as_a_few() {
    let server = start();
    let mut socket = Socket::open(ws(&server), "40x120").await;
    // A script counts, since bash fails at a signal in the middle of a `$(...)` that is typed.
    socket
        .keys("sh -c 'trap \"echo w >> winches\" WINCH; echo rea\"\"dy; until [ \"$(stty size)\" = \"33 77\" ]; do sleep 0.01; done; echo la\"\"st'\r")
        .await;
    socket.see("ready").await;
    let start = std::time::Instant::now();
    for n in 0..2000 {
        socket
            .send(&format!(r#"{{"size":"{}x{}"}}"#, 20 + n % 30, 100 + n % 50))
            .await;
    }
    socket.send(r#"{"size":"33x77"}"#).await;
    socket.see("last").await;
    let most = start.elapsed().as_millis() / 100 + 2;
    let winches = std::fs::read_to_string(server.dir().join("winches")).unwrap();
    let count = winches.lines().count() as u128;
    assert!(
        (1..=most).contains(&count),
        "{count} of 2001, {most} at most"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_size_that_had_to_wait_is_the_windows_own() {
    let server = start();
    let mut socket = Socket::open(ws(&server), "40x120").await;
    socket.see(PROMPT).await;
    // The second of these has to wait.
    socket.send(r#"{"size":"30x90"}"#).await;
    socket.send(r#"{"size":"33x77"}"#).await;
    let id = sockets(&server).await.remove(0);
    let size = || cli(&server, &["screen", "bash-1", "--json"]);
    wait_until("the size", || size().contains(r#""rows":33"#).then_some(())).await;
    // Somebody else's window is the terminal's for a while.
    let mut other = Poller::open(&server, &id, "20x60").await;
    other.send("stty size\r").await;
    other.see("20 60").await;
    socket.got.clear();
    socket.keys("stty size\r").await;
    socket.see("33 77").await;
    server.stop().await;
}

#[tokio::test]
async fn a_page_that_did_not_read_gets_the_screen() {
    let server = start();
    let mut socket = Socket::open(ws(&server), "25x80").await;
    socket.see(PROMPT).await;
    // Typed by somebody else: this page does not make the program wait. It is more than the network and the log hold.
    cli(
        &server,
        &["send", "bash-1", "seq 2000000; printf 'la\\163t\\n'\r"],
    );
    wait_until("the end of the flood", || {
        let screen = cli(&server, &["screen", "bash-1"]);
        screen.contains("last").then_some(())
    })
    .await;
    socket.see("last").await;
    let (_, screen) = socket
        .got
        .split_once("\u{18}\u{1b}c")
        .expect("it begins anew");
    assert!(screen.contains("2000000"), "{screen:?}");
    assert!(screen.len() < 64 * 1024, "a screen: {}", screen.len());
    socket.keys("echo on\"\"ward\r").await;
    socket.see("onward").await;
    server.stop().await;
}

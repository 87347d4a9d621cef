//! `kill -9` of the server.

use super::kit::{
    PROMPT, Upload, cli, config, http, nothing_left_over, row, sockets, start, wait_for, ws,
};
use anywire_testkit::wait_until;
use anywire_testkit::xwterm::{Poller, Socket};

#[tokio::test]
async fn terminals_survive_their_server() {
    let server = start();
    let mut page = Poller::open(&server, "survivor", "25x80").await;
    page.send("VALUE=kept; echo be\"\"fore\r").await;
    page.see("before").await;
    while !page.ask("console").await.is_empty() {}
    page.got.clear();
    let old = server.kill_server().await;
    server.next_server(old).await;
    page.see("").await;
    page.send("echo =$VALUE=\r").await;
    page.see("=kept=").await;
    assert!(
        !page.got.contains("before"),
        "nothing comes twice: {}",
        page.got
    );
    let row = row(&server, "survivor").await.expect("it is listed");
    assert_eq!((&row["ty"], &row["sz"]), (&false.into(), &"80x25".into()));
    server.stop().await;
}

#[tokio::test]
async fn a_websockets_shell_survives_and_ends_after_its_grace() {
    let server = config(&["-grace", "600", "-idle", "600"]).start();
    let mut socket = Socket::open(ws(&server), "25x80").await;
    socket.keys("VALUE=kept; echo be\"\"fore\r").await;
    socket.see("before").await;
    let id = sockets(&server).await.remove(0);
    let old = server.kill_server().await;
    server.next_server(old).await;
    // The page is told, and the shell is listed as what it was.
    socket.gone().await;
    let row = row(&server, &id).await.expect("it is listed");
    assert_eq!((&row["ty"], &row["sz"]), (&true.into(), &"80x25".into()));
    // Who knows its id has it, and all that it knew.
    let mut page = Poller::silent(&server, &id);
    page.send("echo =$VALUE=\r").await;
    page.see("=kept=").await;
    // Other wires, too.
    assert!(cli(&server, &["screen", "bash-1"]).contains("=kept="));
    drop(page);
    server.stop().await;

    // Nobody comes: it ends after the time that a shell has without its WebSocket, not that of terminals that are polled.
    let server = config(&["-grace", "2", "-idle", "600"]).start();
    let mut socket = Socket::open(ws(&server), "25x80").await;
    socket.keys("sleep 1000 & echo he\"\"re\r").await;
    socket.see("here").await;
    let old = server.kill_server().await;
    server.next_server(old).await;
    nothing_left_over(&server).await;
    wait_for(async || sockets(&server).await.is_empty()).await;
    server.stop().await;
}

#[tokio::test]
async fn a_polled_shell_waits_for_its_page_as_long_as_without_a_crash() {
    let server = config(&["-grace", "0", "-idle", "10"]).start();
    let mut page = Poller::open(&server, "patient", "25x80").await;
    page.send("VALUE=kept; echo be\"\"fore\r").await;
    page.see("before").await;
    let old = server.kill_server().await;
    server.next_server(old).await;
    // A page in the background asks once a minute: two sweeps of the new server come first.
    let age = || {
        let list = server.cli(&["ls", "--json"]).output().ok()?.stdout;
        let sessions: serde_json::Value = serde_json::from_slice(&list).ok()?;
        sessions.as_array()?.first()?["age_ms"].as_u64()
    };
    let then = wait_until("the session", age).await;
    wait_until("another second or two of the new server", || {
        (age()? > then + 2500).then_some(())
    })
    .await;
    page.got.clear();
    page.send("echo =$VALUE=\r").await;
    page.see("=kept=").await;
    // And then it ends as it would have.
    nothing_left_over(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_character_that_is_cut_by_a_crash_comes_whole() {
    let server = start();
    let mut page = Poller::open(&server, "cut", "25x80").await;
    page.see(PROMPT).await;
    page.send("printf '=\\342\\202'; read -s; printf '\\254='; echo en\"\"d\r")
        .await;
    page.see("\u{1b}[?2004l\r=").await;
    let old = server.kill_server().await;
    server.next_server(old).await;
    page.see("").await;
    page.send("\r").await;
    page.see("end").await;
    assert!(page.got.contains("=\u{20ac}=end"), "{:?}", page.got);
    server.stop().await;
}

#[tokio::test]
async fn an_upload_that_the_server_dies_in_leaves_nothing() {
    let server = start();
    let folder = server.dir().join("example/uploads");
    let mut upload = Upload::begin(http(&server), "/half", 1000).await;
    upload.write(b"half").await;
    let old = server.server_pid().unwrap();
    wait_until("the upload to begin", || Upload::is_open(old, &folder)).await;
    server.kill_server().await;
    server.next_server(old).await;
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    server.stop().await;
}

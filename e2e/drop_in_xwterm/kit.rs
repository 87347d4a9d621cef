//! What the tests of this dialect share: the preset on free ports, requests, and the list of sessions.

use anywire_testkit::xwterm::{Answer, request};
use anywire_testkit::{Config, DEADLINE, Server, processes, wait_until};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_anywire");

/// Before its prompt the shell asks for brackets around what is pasted.
pub(crate) const PROMPT: &str = "\u{1b}[?2004h";

/// A server of the preset on free ports, with these arguments more.
pub(crate) fn config(arguments: &[&str]) -> Config {
    let own = ["xwterm", "-http", "0", "-ws", "0"];
    Config::new(BINARY)
        .preset(&[&own[..], arguments].concat(), 2)
        .with("example/index.html", "<title>home</title>")
        .variable("TERM", "xterm-256color")
        .variable("HOME", "/dev/null")
}

pub(crate) fn start() -> Server {
    config(&[]).start()
}

pub(crate) fn http(server: &Server) -> SocketAddr {
    server.address("http")
}

pub(crate) fn ws(server: &Server) -> SocketAddr {
    let url = server.urls()[1].trim_start_matches("http://");
    url.trim_end_matches('/').parse().expect("an address")
}

pub(crate) async fn get(server: &Server, path: &str) -> Answer {
    request(http(server), "GET", path, &[], b"").await
}

/// The line of an id in the list of sessions.
pub(crate) async fn row(server: &Server, id: &str) -> Option<Value> {
    let list = get(server, "/?sessions&session=asker").await.json();
    let rows = list.as_array().expect("an array");
    rows.iter().find(|row| row["sid"] == id).cloned()
}

pub(crate) async fn until_row(
    server: &Server,
    id: &str,
    what: &str,
    good: impl Fn(Option<&Value>) -> bool,
) {
    let start = Instant::now();
    loop {
        let row = row(server, id).await;
        if good(row.as_ref()) {
            return;
        }
        assert!(start.elapsed() < DEADLINE, "{what}: {row:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Asks until the answer is yes.
pub(crate) async fn wait_for(mut yes: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !yes().await {
        assert!(start.elapsed() < DEADLINE, "waited in vain");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until no program of a session is left, not even as a zombie.
pub(crate) async fn nothing_left_over(server: &Server) {
    wait_until("the end of all programs", || {
        let alone = processes::children(server.supervisor_pid()).len() == 1;
        (alone && server.leftovers().is_empty()).then_some(())
    })
    .await;
}

/// Runs the binary until it ends by itself. Where it should end and would serve instead, it has no place for its socket.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let output = Command::new(BINARY)
        .arg("xwterm")
        .args(arguments)
        .current_dir("/")
        .env("ANYWIRE_RUNTIME_DIR", "/dev/null/run")
        .stdin(Stdio::null())
        .output();
    output.expect("the binary runs")
}

pub(crate) fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Everything in the server's log so far.
pub(crate) fn logged(server: &Server) -> String {
    std::fs::read_to_string(server.dir().join("log")).unwrap_or_default()
}

/// Runs a command that talks to this server; what it printed.
pub(crate) fn cli(server: &Server, arguments: &[&str]) -> String {
    let output = server.cli(arguments).output().expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    words(&output.stdout)
}

/// The ids of the sessions that came by WebSocket.
pub(crate) async fn sockets(server: &Server) -> Vec<String> {
    let list = get(server, "/?sessions&session=asker").await.json();
    let rows = list.as_array().expect("an array").iter();
    let ids = rows.filter(|row| row["ty"] == true);
    ids.map(|row| row["sid"].as_str().expect("an id").to_owned())
        .collect()
}

/// An upload whose body comes piece by piece.
pub(crate) struct Upload(TcpStream);

impl Upload {
    /// Says how long it is going to be.
    pub(crate) async fn begin(address: SocketAddr, path: &str, len: usize) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n"
        );
        stream
            .write_all(head.as_bytes())
            .await
            .expect("it is taken");
        Self(stream)
    }

    pub(crate) async fn write(&mut self, piece: &[u8]) {
        let written = timeout(DEADLINE, self.0.write_all(piece)).await;
        written.expect("it is taken in time").expect("it is taken");
    }

    /// The first line of the answer.
    pub(crate) async fn end(mut self) -> String {
        let mut answer = Vec::new();
        let read = timeout(DEADLINE, self.0.read_to_end(&mut answer)).await;
        read.expect("an answer in time").expect("an answer");
        let answer = words(&answer);
        answer.lines().next().unwrap_or_default().to_owned()
    }

    /// Whether this server has a file open in that folder that is not whole yet.
    pub(crate) fn is_open(server: u32, folder: &Path) -> Option<()> {
        let own = |link: &String| Path::new(link).starts_with(folder) && !link.ends_with("uploads");
        processes::descriptors(server).iter().any(own).then_some(())
    }
}

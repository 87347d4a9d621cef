//! `curl` is enough: sessions over plain HTTP against the real binary, also across the death of its server.

use anywire_testkit::{Config, Server, flood, processes, wait_until};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

fn config() -> Config {
    Config::new(env!("CARGO_BIN_EXE_anywire"))
}

fn shell() -> Config {
    config().command(["/usr/bin/env", "-u", "ENV", "PS1=$ ", "/bin/sh", "-i"])
}

/// `curl` for an address below `/api/sessions`.
fn curl(server: &Server, path: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("curl");
    let url = format!("http://{}/api/sessions{path}", server.address("http"));
    command
        .args(["-sS", "--max-time", "60"])
        .args(arguments)
        .arg(url);
    command
}

/// Its whole answer, which is to be a good one.
fn ask(server: &Server, path: &str, arguments: &[&str]) -> String {
    let output = curl(server, path, &[&["--fail-with-body"], arguments].concat())
        .output()
        .expect("curl runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{path} {arguments:?}: {text} {output:?}"
    );
    text
}

fn json(server: &Server, path: &str, arguments: &[&str]) -> Value {
    serde_json::from_str(&ask(server, path, arguments)).expect("JSON")
}

/// A new session's id.
fn create(server: &Server) -> String {
    let session = json(server, "", &["-X", "POST"]);
    session["id"].as_str().expect("an id").to_owned()
}

fn send(server: &Server, id: &str, input: &str) {
    let taken = json(server, &format!("/{id}/input"), &["--data-binary", input]);
    assert_eq!(taken["taken"], input.len());
}

/// A `curl -N` that follows output into a file.
struct Follower {
    child: Child,
    file: PathBuf,
}

impl Follower {
    fn start(server: &Server, id: &str, since: usize, name: &str) -> Self {
        let file = server.dir().join(name);
        let path = format!("/{id}/output?follow=1&since={since}");
        let child = curl(server, &path, &["-N", "--fail"])
            .stdout(File::create(&file).expect("a file"))
            .stderr(Stdio::null())
            .spawn();
        Self {
            child: child.expect("curl runs"),
            file,
        }
    }

    async fn until(&self, what: &str, len: usize) {
        wait_until(what, || (read(&self.file).len() >= len).then_some(())).await;
    }

    /// Waits for its end; returns its exit code and what came.
    async fn end(mut self) -> (i32, Vec<u8>) {
        let status = wait_until("curl's end", || self.child.try_wait().ok().flatten()).await;
        (status.code().unwrap_or(-1), read(&self.file))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap_or_default()
}

#[tokio::test]
async fn output_is_followed_byte_for_byte_across_the_server_s_death() {
    let server = config().pipe().producer(&["steps"]).start();
    let id = create(&server);
    let mut whole = Vec::new();
    let mut sent = 0;
    for round in 0..3 {
        let follower = Follower::start(&server, &id, whole.len(), &format!("part{round}"));
        send(&server, &id, &"x".repeat(500));
        sent += 500;
        let total = (sent + 1) * flood::LINE as usize;
        let some = total - whole.len() - 100 * flood::LINE as usize;
        follower.until("some lines", some).await;
        let old = server.kill_server().await;
        server.next_server(old).await;
        let (code, part) = follower.end().await;
        assert_ne!(code, 0, "a body that is cut is not taken for a whole one");
        whole.extend(part);
    }
    let follower = Follower::start(&server, &id, whole.len(), "last");
    ask(
        &server,
        &format!("/{id}/input?eof=1"),
        &["--data-binary", "xyz"],
    );
    let (code, part) = follower.end().await;
    whole.extend(part);
    assert_eq!(code, 0);
    let total = (sent + 4) as u64 * flood::LINE;
    assert!(
        whole == flood::bytes(0, total),
        "{} of {total} bytes",
        whole.len()
    );
    let kept = json(&server, &format!("/{id}"), &[]);
    assert_eq!(
        (&kept["head"], &kept["exit"]["kind"]),
        (&total.into(), &"code".into())
    );
    server.stop().await;
}

/// What the README says of `curl`, as it stands there.
#[tokio::test]
async fn the_readme_s_lines_work() {
    let server = shell().with_auth().start();
    let binary = env!("CARGO_BIN_EXE_anywire");
    let lines: Vec<&str> = include_str!("../README.md")
        .lines()
        .skip_while(|line| !line.starts_with("`curl` is enough"))
        .skip_while(|line| !line.starts_with("    "))
        .take_while(|line| line.starts_with("    "))
        .collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    let script = lines
        .join("\n")
        .replace("cargo run --release -- ", &format!("{binary} "))
        .replace("127.0.0.1:7681", &server.address("http").to_string());
    assert!(
        !script.contains("cargo") && script.contains(binary),
        "{script}"
    );
    std::fs::write(server.dir().join("a-file-to-list"), "").expect("a file");
    let out = server.dir().join("out");
    let mut command = Command::new("bash");
    let child = command
        .args(["-e", "-c", &format!("{script}\nwait")])
        .env("ANYWIRE_RUNTIME_DIR", server.runtime_dir())
        .current_dir(server.dir())
        .stdout(File::create(&out).expect("a file"))
        .stderr(Stdio::null())
        .spawn();
    let follower = Follower {
        child: child.expect("bash runs"),
        file: out.clone(),
    };
    wait_until("what `ls` printed", || {
        String::from_utf8(read(&out))
            .ok()?
            .contains("a-file-to-list")
            .then_some(())
    })
    .await;
    let killed = server.cli(&["kill", "work"]).output().expect("it runs");
    assert!(killed.status.success(), "{killed:?}");
    assert_eq!(follower.end().await.0, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_full_screen_program_is_seen_and_its_name_kept() {
    let server = shell().start();
    let id = create(&server);
    ask(
        &server,
        &format!("/{id}"),
        &["-X", "PATCH", "--json", r#"{"name":"pager"}"#],
    );
    ask(
        &server,
        "/pager/resize",
        &["--json", r#"{"cols":60,"rows":12}"#],
    );
    let lines: String = (1..=100).map(|n| format!("line {n}\n")).collect();
    std::fs::write(server.dir().join("text"), lines).expect("a file");
    send(
        &server,
        "pager",
        &format!("less {}/text\r", server.dir().display()),
    );
    let screen = || json(&server, "/pager/screen?format=json", &[]);
    let shows = |screen: Value, row: &str| {
        let alternate = screen["modes"]["alternate"] == true;
        (alternate && screen["rows"][0] == row).then_some(screen)
    };
    let first = wait_until("the pager", || shows(screen(), "line 1")).await;
    assert_eq!(first["rows"].as_array().map(Vec::len), Some(12));
    send(&server, "pager", " ");
    let second = wait_until("the next page", || shows(screen(), "line 12")).await;

    let old = server.kill_server().await;
    server.next_server(old).await;
    assert_eq!(screen(), second);
    let text = ask(&server, "/pager/screen", &[]);
    assert!(text.starts_with("line 12\nline 13\n"), "{text}");
    assert_eq!(
        json(&server, "/pager", &[])["id"].as_str(),
        Some(id.as_str())
    );
    send(&server, "pager", "qexit\r");
    let follower = Follower::start(&server, "pager", 0, "rest");
    assert_eq!(follower.end().await.0, 0);
    server.stop().await;
}

/// SIGTERM while one follows and reads, and another follows and does not.
#[tokio::test]
async fn the_end_of_the_server_does_not_wait_for_followers() {
    let server = config()
        .pipe()
        .command([
            "sh",
            "-c",
            "trap 'echo bye; exit 4' HUP TERM; yes & while :; do sleep 0.05; done",
        ])
        .start();
    let id = create(&server);
    let follower = Follower::start(&server, &id, 0, "out");
    follower.until("output", 1).await;
    let mut stuck = tokio::net::TcpStream::connect(server.address("http"))
        .await
        .expect("a connection");
    let request = format!(
        "GET /api/sessions/{id}/output?follow=1 HTTP/1.1\r\nHost: {}\r\n\r\n",
        server.address("http")
    );
    stuck
        .write_all(request.as_bytes())
        .await
        .expect("a request");
    stuck.readable().await.expect("an answer");
    let asked = Instant::now();
    server.stop().await;
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
    drop(follower);
}

/// Every line is JSON and says what it is about; nothing that was typed or written is in it.
#[tokio::test]
async fn the_log_tells_of_sessions_and_connections_and_of_nothing_else() {
    let server = config()
        .pipe()
        .with_auth()
        .listener("tcp://127.0.0.1:0")
        .variable("ANYWIRE_LOG", "info")
        .variable("ANYWIRE_LOG_FORMAT", "json")
        .command(["sh", "-c", "cat; exit 7"])
        .start();
    let code = server.code().expect("a start code");
    let bearer = format!("Authorization: Bearer {code}");
    let session = json(&server, "", &["-X", "POST", "-H", &bearer]);
    let id = session["id"].as_str().expect("an id").to_owned();
    let secret = "correct-horse-battery";
    let input = format!("/{id}/input?eof=1");
    ask(&server, &input, &["-H", &bearer, "--data-binary", secret]);
    let whole = ask(&server, &format!("/{id}/output?follow=1"), &["-H", &bearer]);
    assert_eq!(whole, secret);
    let mut raw = tokio::net::TcpStream::connect(server.address("tcp"))
        .await
        .expect("a connection");
    let typed = format!("{code}\n{secret}\n");
    raw.write_all(typed.as_bytes()).await.expect("input");
    raw.shutdown().await.expect("the end of input");
    let log = server.dir().join("log");
    let events = wait_until("the connection's end in the log", || {
        let text = String::from_utf8(read(&log)).expect("UTF-8");
        let lines = text.lines().map(serde_json::from_str::<Value>);
        let events: Vec<Value> = lines.collect::<Result<_, _>>().ok()?;
        let over = |event: &Value| event["message"] == "closed" && event["wire"] == "tcp";
        events.iter().any(over).then_some(events)
    })
    .await;
    let text = String::from_utf8(read(&log)).expect("UTF-8");
    assert!(!text.contains(secret) && !text.contains(&code), "{text}");
    let find = |message: &str, key: &str, value: &str| {
        let mut found = events.iter().filter(|event| event["message"] == message);
        found
            .find(|event| event[key] == value)
            .unwrap_or_else(|| panic!("no {message} with {key} {value}:\n{text}"))
    };
    assert!(find("started", "session", &id)["pid"].is_u64());
    assert_eq!(
        find("ended", "session", &id)["reason"],
        "exited with code 7"
    );
    let closed = find("closed", "wire", "tcp");
    let reason = "the session ended: exited with code 7";
    let bytes: Value = (secret.len() + 1).into();
    assert_eq!(
        (&closed["reason"], &closed["sent"], &closed["received"]),
        (&reason.into(), &bytes, &bytes)
    );
    assert!(
        closed["peer"]
            .as_str()
            .is_some_and(|peer| peer.starts_with("127.0.0.1:"))
    );
    assert!(find("connected", "wire", "http")["peer"].is_string());
    assert_eq!(
        find("attached", "wire", "tcp")["session"],
        closed["session"]
    );
    server.stop().await;
}

/// Metrics and readiness are for who is on this machine, without a word of who he is.
#[tokio::test]
async fn who_watches_over_the_server_needs_no_code() {
    let server = config().with_auth().start();
    let peer = server.peer();
    for (path, expected) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/api/services", 401),
    ] {
        let answer = server.request(&peer, http::Method::GET, path, "").await;
        assert_eq!(answer.status().as_u16(), expected, "{path}");
    }
    server.stop().await;
}

/// While programs are being ended, whoever sends work elsewhere hears of it in time.
#[tokio::test]
async fn a_server_that_stops_is_not_ready() {
    let server = config().producer(&["ignore-signals"]).start();
    let id = create(&server);
    let follower = Follower::start(&server, &id, 0, "out");
    follower.until("the program", "ready".len()).await;
    let ready = || {
        let url = format!("http://{}/readyz", server.address("http"));
        let output = Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", &url])
            .output();
        output.expect("curl runs").stdout
    };
    assert_eq!(ready(), b"200");
    processes::signal(server.supervisor_pid(), rustix::process::Signal::TERM);
    wait_until("a refusal", || (ready() == b"503").then_some(())).await;
    assert_eq!(follower.end().await.0, 0);
    server.stop().await;
}

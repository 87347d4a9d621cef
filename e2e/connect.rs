//! The clients of messages, `request` and `connect`, at servers of the original's behaviour and at ours; what `echo`
//! logs; wrong usage.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "framed/kit.rs"]
mod kit;

use anywire_testkit::processes;
use anywire_testkit::{Config, Pty, Serving, wait_until};
use kit::{BINARY, RING, cli, json_message, message, text};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

#[test]
fn who_answers_not_is_told_with_what_would() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let at = closed.unwrap();
    let (framed, raw) = (format!("framed://{at}"), format!("tcp://{at}"));
    let done = cli(&["request", &framed, "a", "b"]);
    assert_eq!(done.status.code(), Some(3));
    let told = format!("anywire: nobody answers at {at}; `anywire echo -l {framed}` would\n");
    assert_eq!(text(&done.stderr), told);
    let done = cli(&["connect", &raw]);
    assert_eq!(done.status.code(), Some(1));
    let told = text(&done.stdout);
    assert!(
        told.contains(&format!("`anywire echo -l {raw}` would")),
        "{told}"
    );
    assert!(!told.contains("latency"), "{told}");
    // What is named is what is taken.
    let told = cli(&["request", &raw, "a", "b"]);
    assert_eq!(told.status.code(), Some(2));
    let told = text(&told.stderr);
    assert!(!told.contains("tcp://HOST"), "{told}");
}

#[test]
fn wrong_usage_exits_2_and_other_machines_are_not_served_by_accident() {
    for (arguments, said) in [
        (&["framed", "-h", ""][..], "needs a password"),
        (&["framed", "-h", "0.0.0.0"], "needs a password"),
        (&["framed", "-c", "0"], "max-clients"),
        (&["framed", "-P", "70000"], "port"),
        (&["framed", "--max-depth", "200"], "max-depth"),
        (&["request", "framed://127.0.0.1:1"], "ACTION"),
        (&["request", "http://127.0.0.1:1", "a", "b"], "framed://"),
        (&["request", "tcp://127.0.0.1:1", "a", "b"], "framed://"),
        (&["connect", "127.0.0.1", "1"], "CONNECTIONS"),
        (&["connect", "127.0.0.1:1"], "framed://"),
        (&["connect", "tcp://127.0.0.1:1", "-n", "0"], "connections"),
        (&["connect", "tcp://127.0.0.1:1", "-m", ""], "empty"),
        (&["echo"], "--listen"),
    ] {
        let done = cli(arguments);
        let stderr = text(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
    let help = cli(&["framed", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    for option in [
        "-P, --port",
        "2021",
        "-h, --host",
        "127.0.0.1",
        "-c, --max-clients",
        "25",
        "-p, --password",
    ] {
        assert!(text(&help.stdout).contains(option), "{option}");
    }
    // Every interface, with the password that it needs.
    let server = Serving::start(
        BINARY,
        &["framed", "-P", "0", "-h", ""],
        &[("ANYWIRE_PASSWORD", "x")],
        1,
    );
    assert!(server.at().ip().is_unspecified());
    // Or with the word that says that it needs none.
    let open = ["framed", "-h", "", "--insecure", "--print-config"];
    assert_eq!(cli(&open).status.code(), Some(0));
}

/// A server of the original's behaviour for one client, from the contract: one message, one answer, close.
fn original(answer: impl Fn(&Value, &[u8]) -> Option<Vec<u8>> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("framed://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut prefix = [0; 2];
        stream.read_exact(&mut prefix).unwrap();
        let mut header = vec![0; u16::from_be_bytes(prefix).into()];
        stream.read_exact(&mut header).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        for key in [
            "byteorder",
            "content-length",
            "content-type",
            "content-encoding",
        ] {
            assert!(header.get(key).is_some(), "the original needs {key}");
        }
        let mut content = vec![0; header["content-length"].as_u64().unwrap() as usize];
        stream.read_exact(&mut content).unwrap();
        if let Some(answer) = answer(&header, &content) {
            stream.write_all(&answer).unwrap();
        }
    });
    url
}

#[test]
fn our_client_understands_the_original_s_server() {
    let table = |header: &Value, content: &[u8]| {
        Some(if header["content-type"] == "text/json" {
            let request: Value = serde_json::from_slice(content).unwrap();
            assert_eq!(
                (&request["action"], &request["value"]),
                (&json!("search"), &json!("ring"))
            );
            RING.to_vec()
        } else {
            assert_eq!(header["content-type"], "binary/custom-client-binary-type");
            let first = [b"First 10 bytes of request: ", &content[..10]].concat();
            message(
                &first,
                json!({"content-type": "binary/custom-server-binary-type", "content-encoding": "binary"}),
            )
        })
    };
    let run = |arguments: &[&str]| {
        let done = cli(arguments);
        (done.status.code(), text(&done.stdout))
    };
    let ring = "In the caves beneath the Misty Mountains. 💍\n".to_owned();
    assert_eq!(
        run(&["request", &original(table), "search", "ring"]),
        (Some(0), ring)
    );
    let first = "First 10 bytes of request: binary😃\n".to_owned();
    assert_eq!(
        run(&["request", &original(table), "binary", "😃"]),
        (Some(0), first.clone())
    );
    let hex = run(&["request", &original(table), "binary", "😃", "--hex"]).1;
    assert_eq!(
        hex.trim(),
        first
            .trim()
            .bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    );
    // An error in words, a server that drops without a word, one that is silent, and none.
    let invalid =
        |_: &Value, _: &[u8]| Some(json_message("{\"result\": \"Error: invalid action 'x'.\"}"));
    assert_eq!(
        run(&["request", &original(invalid), "x", "y", "--json"]).0,
        Some(1)
    );
    let drop = |_: &Value, _: &[u8]| None;
    assert_eq!(
        run(&["request", &original(drop), "search", "ring"]).0,
        Some(3)
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("framed://{}", listener.local_addr().unwrap());
    assert_eq!(
        run(&["request", &silent, "search", "ring", "--timeout", "1"]).0,
        Some(3)
    );
    assert_eq!(
        run(&["request", "framed://127.0.0.1:1", "search", "ring"]).0,
        Some(3)
    );
}

/// An echo of the original's ladder, from the contract: pieces of 1024 bytes until the client ends; `spoil` changes
/// what goes back.
fn echo_server(clients: usize, spoil: fn(&mut [u8])) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for _ in 0..clients {
            let (mut stream, _) = listener.accept().unwrap();
            std::thread::spawn(move || {
                let mut piece = [0; 1024];
                while let Ok(n @ 1..) = stream.read(&mut piece) {
                    spoil(&mut piece[..n]);
                    let _ = stream.write_all(&piece[..n]);
                }
            });
        }
    });
    at
}

#[test]
fn the_ladder_s_clients_and_servers() {
    // Our client at the original's servers.
    let at = echo_server(3, |_| {});
    let done = cli(&["connect", "127.0.0.1", &at.port().to_string(), "3"]);
    let said = text(&done.stdout);
    assert_eq!(done.status.code(), Some(0), "{said}");
    for number in 1..=3 {
        for line in [
            "starting to",
            "sending \"Message 1 from client.\"",
            "sending \"Message 2 from client.\"",
            "received",
            "closed",
            "44 bytes sent, 44 received: ok",
        ] {
            let wanted = |found: &&str| {
                found.starts_with(&format!("connection {number}: ")) && found.contains(line)
            };
            assert!(
                said.lines().any(|found| wanted(&found)),
                "{line} of {number} in {said}"
            );
        }
    }
    let at = echo_server(1, |bytes| bytes[0] ^= 1);
    let done = cli(&["connect", &format!("tcp://{at}")]);
    assert_eq!(done.status.code(), Some(1));
    assert!(text(&done.stdout).contains("not what was sent"));

    // At ours, raw and framed, with figures for programs; the log names who came, and payload only if asked.
    let echo = Serving::start(
        BINARY,
        &[
            "echo",
            "-l",
            "tcp://127.0.0.1:0",
            "-l",
            "framed://127.0.0.1:0",
        ],
        &[],
        2,
    );
    for url in &echo.urls {
        let done = cli(&[
            "connect",
            url,
            "-n",
            "40",
            "-m",
            "one",
            "-m",
            "and another",
            "--count",
            "25",
            "--json",
        ]);
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        let figures: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(
            (&figures["ok"], &figures["messages_received"]),
            (&json!(true), &json!(2000))
        );
        assert_eq!(figures["connections"].as_array().unwrap().len(), 40);
    }
    let done = cli(&[
        "connect",
        &echo.urls[1],
        "--rate",
        "100",
        "--duration",
        "0.5",
    ]);
    assert!(
        text(&done.stdout).contains("latency: median"),
        "{}",
        text(&done.stdout)
    );
    assert_eq!(done.status.code(), Some(0));
    echo.see("a line of the log", |line| {
        line.starts_with("listening on tcp://")
    });
    let accepted = echo.see("a line of the log", |line| {
        line.starts_with("accepted 127.0.0.1:")
    });
    let peer = accepted.strip_prefix("accepted ").unwrap();
    let echoed = echo.see("its echo", |line| {
        line.starts_with("echoing ") && line.ends_with(&format!("bytes to {peer}"))
    });
    assert!(!echoed.contains("one"));
    echo.see("a line of the log", |line| line == format!("closed {peer}"));
    let echo = Serving::start(
        BINARY,
        &["echo", "--show", "-l", "tcp://127.0.0.1:0"],
        &[],
        1,
    );
    let done = cli(&["connect", &echo.urls[0], "-m", "shown\u{1b}"]);
    assert_eq!(done.status.code(), Some(0));
    echo.see("a line of the log", |line| {
        line.starts_with("echoing 6 bytes to ") && line.ends_with(": \"shown\\x1b\"")
    });
}

#[test]
fn a_file_of_bytes_comes_back_as_it_was() {
    let echo = Serving::start(BINARY, &["echo", "-l", "framed://127.0.0.1:0"], &[], 1);
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bytes");
    std::fs::write(&path, &bytes).unwrap();
    let done = cli(&[
        "request",
        &echo.urls[0],
        "--binary",
        &path.to_string_lossy(),
    ]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(done.stdout == bytes);
    std::fs::remove_file(&path).unwrap();
    let missing = [
        "request",
        &echo.urls[0],
        "--binary",
        &path.to_string_lossy(),
    ];
    assert_eq!(cli(&missing).status.code(), Some(2));
    let mut child = Command::new(BINARY)
        .args(["request", &echo.urls[0], "--binary", "-", "--hex"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"\x00\xff").unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!(text(&done.stdout), "00ff\n");
}

#[tokio::test]
async fn figures_come_live_and_with_a_plot() {
    let echo = Serving::start(
        BINARY,
        &["echo", "--quiet", "-l", "tcp://127.0.0.1:0"],
        &[],
        1,
    );
    let pace = ["connect", &echo.urls[0], "--rate", "100", "--duration"];
    let endless = [&pace[..], &["600"]].concat();
    let mut terminal = Pty::start(BINARY, &endless, (100, 24), false);
    terminal.see("1 connections, ").await;
    terminal.see(" messages came back, ").await;
    // A key that interrupts ends the sending.
    terminal.send("\x03");
    terminal.see("latency: median ").await;
    terminal.see(" us ").await;
    terminal.see(" ##").await;
    terminal.end().await;
    let done = cli(&[&pace[..], &["1", "--json"]].concat());
    let figures: Value = serde_json::from_slice(&done.stdout).unwrap();
    let sent = figures["messages_sent"].as_u64().unwrap();
    assert!((1..=101).contains(&sent), "{sent}");
    for quantile in ["p50", "p90", "p99", "max"] {
        assert!(figures["latency_us"][quantile].as_u64().unwrap() > 0);
    }
    // Nobody looks at a live line that is no terminal.
    assert_eq!(text(&done.stderr), "");

    // What a server says does not steer the terminal.
    let evil = |_: &Value, _: &[u8]| Some(json_message(r#"{"result": "a\u001b[2Jb"}"#));
    let url = original(evil);
    let ask = ["request", &url, "search", "x"];
    let mut terminal = Pty::start(BINARY, &ask, (80, 24), false);
    terminal.see("a\u{fffd}[2Jb").await;
    terminal.end().await;
}

#[tokio::test]
async fn an_interrupted_client_tells_what_it_has_and_a_second_time_goes() {
    let start = |arguments: &[&str]| {
        let mut command = Command::new(BINARY);
        command.arg("connect").args(arguments);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let echo = Serving::start(BINARY, &["echo", "-l", "tcp://127.0.0.1:0"], &[], 1);
    let child = start(&[&echo.urls[0], "--duration", "600", "--rate", "50"]);
    echo.see("an echo", |line| line.starts_with("echoing "));
    processes::signal(child.id(), Signal::INT);
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains("1 connections, 0 failed"));

    // A server that takes everything and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("tcp://{}", listener.local_addr().unwrap());
    let mut child = start(&[&silent]);
    let (mut held, _) = listener.accept().unwrap();
    held.read_exact(&mut [0; 44]).unwrap();
    wait_until("the client's end", || {
        processes::signal(child.id(), Signal::INT);
        child.try_wait().unwrap()
    })
    .await;
    let done = child.wait_with_output().unwrap();
    assert!(text(&done.stderr).contains("interrupted"));
    // Nothing was sent, but nothing was connected either: it says nothing of TLS.
    let silent = silent.replace("tcp://", "tcps://");
    let done = cli(&["connect", &silent, "--duration", "0.1"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(text(&done.stdout).contains("before it was connected"));
}

#[test]
fn a_server_s_refusal_is_told_in_its_words() {
    let server = Serving::start(BINARY, &["framed", "-P", "0", "-c", "1"], &[], 1);
    let mut held = TcpStream::connect(server.at()).unwrap();
    held.write_all(&[0]).unwrap();
    let said = text(&cli(&["connect", &server.urls[0]]).stdout);
    assert!(
        said.contains("the server answered: too many clients"),
        "{said}"
    );
    let done = cli(&["request", &server.urls[0], "search", "ring"]);
    assert_eq!(done.status.code(), Some(1), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains("too many clients"));

    // Both commands take a password in the same ways.
    let secret = [("ANYWIRE_PASSWORD", "open sesame")];
    let server = Serving::start(BINARY, &["framed", "-P", "0"], &secret, 1);
    let connect = ["connect", &server.urls[0], "-m", "hello"];
    let said = text(&cli(&connect).stdout);
    assert!(said.contains("the first message must be"), "{said}");
    let mut command = Command::new(BINARY);
    let done = command.args(connect).envs(secret).output().unwrap();
    let said = text(&done.stdout);
    assert!(
        said.contains("not what was sent"),
        "let in, to no echo: {said}"
    );
    let mut command = Command::new(BINARY);
    let wrong = command.args(connect).env("ANYWIRE_PASSWORD", "wrong");
    let said = text(&wrong.output().unwrap().stdout);
    assert!(
        said.contains("the password was refused: wrong password"),
        "{said}"
    );
    let said = text(&cli(&[&connect[..], &["-p=open sesame"]].concat()).stderr);
    assert!(
        said.contains("command line") && !said.contains("sesame"),
        "{said}"
    );
}

#[tokio::test]
async fn sessions_are_asked_for_over_tls_with_the_start_code() {
    let serve = ["serve", "-l", "https://127.0.0.1:0", "-l"];
    let server = Config::new(BINARY)
        .preset(&[&serve[..], &["framed+tls://127.0.0.1:0"]].concat(), 2)
        .start();
    let print = server.fingerprint();
    let code = server.code().unwrap();
    let wss = format!("wss://{}", server.address("https"));
    for url in [&server.urls()[1], &wss] {
        let mut command = Command::new(BINARY);
        let list = [
            "request",
            url,
            "list",
            "",
            "--json",
            "--fingerprint",
            &print,
        ];
        let done = command.args(list).env("ANYWIRE_PASSWORD", &code);
        let done = done.output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{url}: {}", text(&done.stderr));
        assert!(text(&done.stdout).contains("\"sessions\": []"), "{url}");
    }
    server.stop().await;
}

#[test]
fn messages_go_through_websockets() {
    let echo = Serving::start(BINARY, &["echo", "-l", "ws://127.0.0.1:0"], &[], 1);
    let url = echo.urls[0].replace("http://", "ws://");
    let done = cli(&["connect", &url, "-n", "20", "--count", "50", "--json"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let figures: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(figures["messages_received"], 2000);
    let done = cli(&["request", &url, "echo", "this", "--json"]);
    assert!(
        text(&done.stdout).contains("this"),
        "{}",
        text(&done.stdout)
    );

    // Sessions, with the password before the upgrade.
    let server = Config::new(BINARY).with_auth().command(["cat"]).start();
    let url = format!("ws://{}", server.address("http"));
    let list = ["request", &url, "list", "", "--json"];
    let done = cli(&list);
    assert_eq!(done.status.code(), Some(3), "{}", text(&done.stdout));
    assert!(text(&done.stderr).contains("401"), "{}", text(&done.stderr));
    let mut command = Command::new(BINARY);
    let code = server.code().unwrap();
    let done = command
        .args(list)
        .env("ANYWIRE_PASSWORD", code)
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(
        text(&done.stdout).contains("\"sessions\": []"),
        "{}",
        text(&done.stdout)
    );
}

#[test]
fn messages_go_over_tls_to_whom_is_known() {
    let listeners = [
        "-l",
        "framed+tls://127.0.0.1:0",
        "-l",
        "tcps://127.0.0.1:0",
        "-l",
        "wss://127.0.0.1:0",
    ];
    let echo = Serving::start(BINARY, &[&["echo"], &listeners[..]].concat(), &[], 3);
    let line = echo.line();
    let (_, print) = line.rsplit_once(' ').unwrap();
    let urls = [0, 1, 2].map(|index| echo.urls[index].replace("https://", "wss://"));
    for url in &urls {
        let args = ["connect", url, "-n", "20", "--count", "50", "--json"];
        let done = cli(&[&args[..], &["--fingerprint", print]].concat());
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        let figures: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(figures["messages_received"], 2000, "{url}");
        // Who is not known is not talked to.
        let done = cli(&["connect", url]);
        assert_eq!(done.status.code(), Some(1), "{}", text(&done.stdout));
        assert!(text(&done.stdout).contains("0 bytes sent, 0 received: connecting to"));
    }
    let large = "x".repeat(100_000);
    let large = ["connect", &urls[0], "-m", &large, "--count", "30"];
    let done = cli(&[&large[..], &["--fingerprint", print]].concat());
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stdout));
    for url in [&urls[0], &urls[2]] {
        let ask = ["request", url, "search", "this"];
        let done = cli(&[&ask[..], &["--fingerprint", print]].concat());
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        assert!(text(&done.stdout).contains("this"));
        // What is to be done stands in the error, with the fingerprint that the server printed.
        let done = cli(&ask);
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(3), "{said}");
        assert!(said.contains(&format!("--fingerprint {print}")), "{said}");
        let other = print.replace(|c: char| c.is_ascii_hexdigit(), "7");
        let done = cli(&[&ask[..], &["--fingerprint", &other]].concat());
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(3), "{said}");
        assert!(said.contains("somebody is in between"), "{said}");
    }
    // TLS and no TLS are told apart.
    let plain = Serving::start(BINARY, &["framed", "-P", "0"], &[], 1);
    let url = plain.urls[0].replace("framed://", "framed+tls://");
    let done = cli(&["request", &url, "search", "ring"]);
    assert!(text(&done.stderr).contains("speaks no TLS"));
    assert_eq!(done.status.code(), Some(3));
    let ask = ["request", &plain.urls[0], "search", "ring"];
    let done = cli(&[&ask[..], &["--fingerprint", print]].concat());
    assert!(text(&done.stderr).contains("has no TLS"));
    assert_eq!(done.status.code(), Some(2));
}

/// A script of the original's behaviour; ends with this.
struct Original(std::process::Child, String);

impl Original {
    const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../e2e/framed/original.py");

    fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new("python3");
        command
            .arg(Self::SCRIPT)
            .args(arguments)
            .env("PYTHONIOENCODING", "utf-8");
        command.stdin(Stdio::null());
        command
    }

    /// A server, and the port that it says.
    fn serve(name: &str) -> Self {
        let mut child = Self::command(&[name])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let out = child.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut port).unwrap();
        Self(child, port.trim().to_owned())
    }

    fn run(arguments: &[&str]) -> Vec<String> {
        let output = Self::command(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout).lines().map(str::to_owned).collect()
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn python_s_clients_and_servers_are_understood_and_understand() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("there is no python3: the same is tested above with servers in Rust");
        return;
    }
    // Its clients at our servers.
    let ours = Serving::start(BINARY, &["framed", "-P", "0"], &[], 1);
    let port = ours.at().port().to_string();
    for (action, value, kind, result) in [
        (
            "search",
            "morpheus",
            "text/json",
            "Follow the white rabbit. 🐰",
        ),
        ("search", "🐶", "text/json", "🐾 Playing ball! 🏐"),
        ("search", "nothing", "text/json", "No match for 'nothing'."),
        (
            "double",
            "0123456789",
            "binary/custom-server-binary-type",
            "b'First 10 bytes of request: double0123'",
        ),
    ] {
        let said = Original::run(&["app-client", &port, action, value]);
        assert_eq!(said, [kind, result, "closed"]);
    }
    let echo = Serving::start(BINARY, &["echo", "-l", "tcp://127.0.0.1:0"], &[], 1);
    let port = echo.at().port().to_string();
    assert_eq!(Original::run(&["echo-client", &port]), ["Hello, world"]);

    // Our clients at its servers.
    let app = Original::serve("app-server");
    let url = format!("framed://127.0.0.1:{}", app.1);
    for (action, value, code, result) in [
        ("search", "ring", 0, "Misty Mountains"),
        ("search", "x", 0, "No match for 'x'."),
        ("binary", "😃", 0, "First 10 bytes of request: binary😃"),
    ] {
        let done = cli(&["request", &url, action, value]);
        assert_eq!(done.status.code(), Some(code), "{}", text(&done.stderr));
        assert!(
            text(&done.stdout).contains(result),
            "{}",
            text(&done.stdout)
        );
    }
    let done = cli(&["request", &url, "double", "x", "--json"]);
    assert_eq!(done.status.code(), Some(1), "{}", text(&done.stdout));
    let multi = Original::serve("multiconn-server");
    let done = cli(&["connect", "127.0.0.1", &multi.1, "5"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stdout));
}

//! The clients of messages, `request` and `connect`, at servers of the original's behaviour and at ours; what `echo`
//! logs; wrong usage.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "framed/kit.rs"]
mod kit;

use anywire_testkit::Serving;
use kit::{BINARY, RING, cli, json_message, message, text};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

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

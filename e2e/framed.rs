//! Length-prefixed messages with the real binary: the original's bytes, everything that a peer can get wrong, the
//! options, and sessions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "framed/kit.rs"]
mod kit;
#[path = "framed/table.rs"]
mod table;

use anywire_codec::framed::{Code, Header};
use anywire_testkit::processes::{self, resident};
use anywire_testkit::{Config, DEADLINE, Pty, Serving, TcpClient, rounds};
use kit::{
    BINARY, GROWTH, RING, SEARCH, cli, exchange, json_message, message, only_json, raw, split,
    text, until_end,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;
use table::{Error, First, Text, table};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// `anywire framed` on a free port.
fn framed(arguments: &[&str]) -> Serving {
    Serving::start(
        BINARY,
        &[&["framed", "-P", "0"], arguments].concat(),
        &[],
        1,
    )
}

/// It still answers.
async fn answers(server: &Serving) {
    assert_eq!(exchange(server.at(), SEARCH).await, RING);
}

#[tokio::test]
async fn every_row_of_the_table_has_one_answer_and_an_end() {
    let server = framed(&[]);
    // For what ends by a deadline alone: a busy machine must not make other rows late.
    let hasty = framed(&["--header-timeout", "0.3", "--content-timeout", "0.3"]);
    answers(&server).await;
    let before = processes::descriptors(server.pid()).len();
    for (row, bytes, expect) in table() {
        let is_late = matches!(expect, Error("timeout"));
        let at = if is_late { hasty.at() } else { server.at() };
        let answer = exchange(at, &bytes).await;
        assert!(answer.len() > 2, "{row}: no answer");
        let (header, content, rest) = split(&answer);
        assert_eq!(rest, b"", "{row}: one answer");
        let value: Value = serde_json::from_slice(content).unwrap_or_default();
        match expect {
            Error(code) => {
                assert_eq!(value["error"]["code"], code, "{row}: {value}");
                let result = value["result"].as_str().expect("a result for old clients");
                assert!(result.starts_with("Error: "), "{row}: {result}");
                assert!(content.len() < 1000, "{row}: {} bytes", content.len());
            }
            Text(text) => assert_eq!(value, json!({"result": text}), "{row}"),
            First(bytes) => {
                assert_eq!(
                    header["content-type"], "binary/custom-server-binary-type",
                    "{row}"
                );
                assert_eq!(
                    content,
                    [b"First 10 bytes of request: ", bytes].concat(),
                    "{row}"
                );
            }
        }
    }
    answers(&server).await;
    server.until_descriptors(before).await;
}

#[tokio::test]
async fn the_bytes_of_the_original_come_back_however_they_are_sent() {
    let server = framed(&[]);
    assert_eq!(exchange(server.at(), SEARCH).await, RING);
    // Byte by byte, each in a packet of its own.
    let mut stream = TcpStream::connect(server.at()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in SEARCH {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(until_end(&mut stream).await, RING);
    // The client's side ends with its request.
    let mut stream = TcpStream::connect(server.at()).await.unwrap();
    stream.write_all(SEARCH).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(until_end(&mut stream).await, RING);
    // Nothing at all is no mistake, half a message is.
    let mut stream = TcpStream::connect(server.at()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(until_end(&mut stream).await, b"");
    for part in [1, 50, 110] {
        let mut stream = TcpStream::connect(server.at()).await.unwrap();
        stream.write_all(&SEARCH[..part]).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = only_json(&until_end(&mut stream).await);
        assert_eq!(answer["error"]["code"], "truncated", "{part}");
    }
    // What two bytes cannot say is refused where it is made.
    let huge = Header::new("x".repeat(70_000), "binary", 0).write(&mut Vec::new());
    assert_eq!(huge.unwrap_err().code(), Code::HeaderTooLarge);
}

#[tokio::test]
async fn pipelined_messages_are_answered_in_order_while_nobody_reads() {
    let server = Serving::start(
        BINARY,
        &["echo", "--quiet", "-l", "framed://127.0.0.1:0"],
        &[],
        1,
    );
    let content = vec![b'x'; 100_000];
    let count = 200u64;
    let mut stream = TcpStream::connect(server.at()).await.unwrap();
    let mut all = Vec::new();
    for id in 0..count {
        let last = id + 1 == count;
        let differs = json!({"content-type": "binary/x", "keep-alive": !last, "id": id});
        all.extend(message(&content, differs));
    }
    let before = resident(server.pid());
    let (mut read, mut write) = stream.split();
    // The server takes no more than it can answer: writing stops until somebody reads.
    let mut sent = 0;
    while let Ok(n) = timeout(Duration::from_millis(500), write.write(&all[sent..])).await {
        sent += n.unwrap();
        assert!(
            sent < all.len(),
            "the server took everything and could send nothing"
        );
    }
    assert!(resident(server.pid()) < before + GROWTH);
    let mut answers = Vec::new();
    let rest = async { write.write_all(&all[sent..]).await.unwrap() };
    let (_, read) = timeout(DEADLINE, async {
        tokio::join!(rest, read.read_to_end(&mut answers))
    })
    .await
    .expect("all answers come");
    read.unwrap();
    let mut left = &answers[..];
    for id in 0..count {
        let (header, body, rest) = split(left);
        assert_eq!(header["id"], id);
        assert_eq!(header.get("keep-alive").is_some(), id + 1 < count);
        assert!(body == content, "content {id}");
        left = rest;
    }
    assert_eq!(left, b"");
}

#[tokio::test]
async fn the_limits_can_be_set() {
    let server = framed(&[
        "--max-header",
        "65535",
        "--max-content",
        "40",
        "--max-depth",
        "1",
        "--strict",
    ]);
    let header = r#"{"content-type":"text/json","content-encoding":"utf-8","content-length":37}"#;
    let padded = raw(&format!("{header:65535}"), &SEARCH[105..]);
    assert_eq!(exchange(server.at(), &padded).await, RING);
    for (bytes, code) in [
        (json_message(&"x".repeat(41)), "payload_too_large"),
        (json_message("{\"action\": []}"), "bad_json"),
        (
            message(b"", json!({"content-type": "text/xml"})),
            "unsupported_type",
        ),
    ] {
        let answer = only_json(&exchange(server.at(), &bytes).await);
        assert_eq!(answer["error"]["code"], code);
    }
    let server = framed(&["--idle-timeout", "0.2"]);
    let answer = only_json(&exchange(server.at(), b"").await);
    assert_eq!(answer["error"]["code"], "timeout");
    // What is left over of a message on a connection that goes on is the start of the next one.
    let short = json!({"content-type": "binary/x", "content-length": 2, "keep-alive": true});
    let both = [&message(b"ab", short)[..], b"c", &SEARCH[1..]].concat();
    let answers = exchange(server.at(), &both).await;
    let (_, content, rest) = split(&answers);
    assert_eq!(content, b"First 10 bytes of request: ab");
    assert_eq!(only_json(rest)["error"]["code"], "header_too_large");
    // Who takes no answers is not waited for.
    let server = framed(&["--write-timeout", "0.3", "--max-content", "100"]);
    let mut stream = TcpStream::connect(server.at()).await.unwrap();
    let asked = message(&SEARCH[105..], json!({"keep-alive": true})).repeat(1000);
    let flood = async { while stream.write_all(&asked).await.is_ok() {} };
    timeout(DEADLINE, flood).await.expect("an end");
    // Who comes while the server stops is told.
    let server = framed(&[]);
    let mut stream = TcpStream::connect(server.at()).await.unwrap();
    let asked = message(&SEARCH[105..], json!({"keep-alive": true}));
    stream.write_all(&asked).await.unwrap();
    let mut first = [0; 2];
    stream.read_exact(&mut first).await.unwrap();
    processes::signal(server.pid(), Signal::TERM);
    let rest = until_end(&mut stream).await;
    let all = [&first[..], &rest].concat();
    let answer = only_json(split(&all).2);
    assert_eq!(answer["error"]["code"], "shutdown");
}

#[tokio::test]
async fn the_26th_client_is_told_and_served_after_one_has_left() {
    let server = framed(&[]);
    let mut clients = Vec::new();
    let asked = message(&SEARCH[105..], json!({"keep-alive": true}));
    for _ in 0..25 {
        let mut client = TcpStream::connect(server.at()).await.unwrap();
        client.write_all(&asked).await.unwrap();
        // With its answer each client surely is in.
        let mut first = [0; 2];
        client.read_exact(&mut first).await.unwrap();
        clients.push(client);
    }
    for _ in 0..3 {
        let answer = only_json(&exchange(server.at(), SEARCH).await);
        assert_eq!(answer["error"]["code"], "busy");
    }
    drop(clients.pop());
    loop {
        let answer = exchange(server.at(), SEARCH).await;
        if answer == RING {
            break;
        }
        // The server has not heard yet.
        assert_eq!(only_json(&answer)["error"]["code"], "busy");
    }
}

#[tokio::test]
async fn a_farm_of_slow_clients_costs_little_and_ends() {
    let server = framed(&[
        "-c",
        "1000",
        "--header-timeout",
        "2",
        "--content-timeout",
        "2",
    ]);
    answers(&server).await;
    let (before, descriptors) = (
        resident(server.pid()),
        processes::descriptors(server.pid()).len(),
    );
    let starts = [
        SEARCH[..1].to_vec(),
        SEARCH[..60].to_vec(),
        SEARCH[..110].to_vec(),
    ];
    let mut clients = Vec::new();
    for number in 0..300 {
        let mut client = TcpStream::connect(server.at()).await.unwrap();
        client
            .write_all(&starts[number % starts.len()])
            .await
            .unwrap();
        clients.push(client);
    }
    answers(&server).await;
    assert!(resident(server.pid()) < before + GROWTH);
    let busy = processes::busy(server.pid());
    for client in &mut clients {
        let answer = only_json(&until_end(client).await);
        assert_eq!(answer["error"]["code"], "timeout");
    }
    // Two seconds of waiting are no two seconds of looking.
    let busy = processes::busy(server.pid()) - busy;
    assert!(busy < Duration::from_secs(1), "{busy:?} of processor time");
    drop(clients);
    server.until_descriptors(descriptors).await;
}

#[tokio::test]
async fn storms_of_resets_leave_nothing_behind() {
    let server = framed(&["-c", "1000"]);
    answers(&server).await;
    let (before, descriptors) = (
        resident(server.pid()),
        processes::descriptors(server.pid()).len(),
    );
    let falsy = json_message("{}");
    for round in 0..rounds(500) {
        let mut client = TcpStream::connect(server.at()).await.unwrap();
        let bytes = match round % 4 {
            0 => SEARCH,
            1 => &SEARCH[..100],
            2 => &falsy,
            _ => b"",
        };
        let _ = client.write_all(bytes).await;
        // Closing answers with a reset what comes then.
        client.set_zero_linger().unwrap();
        drop(client);
    }
    answers(&server).await;
    server.until_descriptors(descriptors).await;
    assert!(resident(server.pid()) < before + GROWTH);
}

#[tokio::test]
async fn a_password_opens_and_is_nowhere_to_be_seen() {
    let secret = "white-rabbit-7";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    let file = file.to_string_lossy().into_owned();
    let server = framed(&["--password-file", &file]);
    let url = server.urls[0].clone();
    let answer = only_json(&exchange(server.at(), SEARCH).await);
    assert_eq!(answer["error"]["code"], "auth_required");
    let auth =
        |password: &str| json_message(&json!({"action": "auth", "password": password}).to_string());
    let both = [auth(secret), SEARCH.to_vec()].concat();
    let answers = exchange(server.at(), &both).await;
    let (_, content, rest) = split(&answers);
    assert_eq!((content, rest), (&b"{\"result\": \"ok\"}"[..], RING));

    // Our client finds it in a file or in its environment.
    let done = cli(&["request", &url, "search", "ring", "--password-file", &file]);
    assert_eq!(
        (done.status.code(), text(&done.stdout).contains("Misty")),
        (Some(0), true)
    );
    let mut command = Command::new(BINARY);
    command
        .args(["request", &url, "search", "ring"])
        .env("ANYWIRE_PASSWORD", secret);
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    let done = cli(&["request", &url, "search", "ring"]);
    assert_eq!(done.status.code(), Some(1), "{}", text(&done.stdout));

    // In no process's arguments, the server's among them.
    for pid in processes::all() {
        assert!(
            !processes::arguments(pid).join(" ").contains(secret),
            "{}",
            processes::describe(pid)
        );
    }
    assert!(!processes::arguments(server.pid()).is_empty());
    drop(dir);

    // Wrong ones are counted, and in the end not even looked at.
    for expected in [
        "auth_failed",
        "auth_failed",
        "auth_failed",
        "auth_failed",
        "too_many_failures",
    ] {
        let answer = only_json(&exchange(server.at(), &auth("wrong")).await);
        assert_eq!(answer["error"]["code"], expected);
    }
    let answer = only_json(&exchange(server.at(), &auth(secret)).await);
    assert_eq!(answer["error"]["code"], "too_many_failures");
}

#[tokio::test]
async fn a_password_is_asked_for_without_an_echo_and_not_taken_from_the_command_line() {
    let server = Config::new(BINARY)
        .listener("tcp://127.0.0.1:0")
        .command([BINARY, "framed", "-P", "0", "-p"])
        .start();
    let mut terminal = TcpClient::connect(&server).await;
    terminal.see("Set the password: ").await;
    terminal.send("open sesame\n").await;
    terminal.see("framed://127.0.0.1:").await;
    terminal.see("\n").await;
    let seen = text(&terminal.got);
    assert!(!seen.contains("sesame"), "{seen}");
    drop(terminal);
    server.stop().await;
    // Who thinks better of it has a terminal that echoes again, however soon: also when the prompt is barely there.
    let script = format!("{BINARY} framed -P 0 -p; echo exit $?; stty -a");
    let mut terminal = Pty::start("/bin/sh", &["-c", &script], (80, 24), false);
    terminal.see("Set the password: ").await;
    terminal.send("\x03");
    terminal.see("exit 2").await;
    terminal.end().await;
    let seen = text(&terminal.got());
    let has = |mode| seen.split_whitespace().any(|word| word == mode);
    assert!(
        has("echo") && has("isig") && seen.contains("eol = <undef>"),
        "{seen}"
    );
    for arguments in [
        &["framed", "-p", "sesame"][..],
        &["framed", "--password=sesame"],
        &["request", "framed://127.0.0.1:1", "a", "b", "-p=sesame"],
    ] {
        let done = cli(arguments);
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(
            said.contains("command line") && !said.contains("sesame"),
            "{said}"
        );
    }
}

/// Sends one message of a keep-alive connection and reads its answer.
async fn ask(stream: &mut TcpStream, request: Value) -> Value {
    let request = message(request.to_string().as_bytes(), json!({"keep-alive": true}));
    stream
        .write_all(&request)
        .await
        .expect("the connection holds");
    let mut prefix = [0; 2];
    let read = timeout(DEADLINE, stream.read_exact(&mut prefix)).await;
    read.expect("an answer in time").expect("an answer");
    let mut header = vec![0; u16::from_be_bytes(prefix).into()];
    stream.read_exact(&mut header).await.expect("a header");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    let mut content = vec![0; header["content-length"].as_u64().expect("a length") as usize];
    stream.read_exact(&mut content).await.expect("content");
    serde_json::from_slice(&content).expect("JSON")
}

#[tokio::test]
async fn a_session_is_driven_by_messages_and_outlives_the_server() {
    let server = Config::new(BINARY)
        .with_auth()
        .listener("framed://127.0.0.1:0")
        .command([
            "/bin/sh",
            "-c",
            "stty -echo; echo ready; while read x; do echo said $x; done",
        ])
        .start();
    let auth = json!({"action": "auth", "password": server.code().expect("a start code")});
    let mut stream = TcpStream::connect(server.address("framed")).await.unwrap();
    let refused = ask(&mut stream, json!({"action": "open"})).await;
    assert_eq!(refused["error"]["code"], "auth_required");
    let mut stream = TcpStream::connect(server.address("framed")).await.unwrap();
    assert_eq!(ask(&mut stream, auth.clone()).await["result"], "ok");
    let session = ask(&mut stream, json!({"action": "open"})).await["session"].clone();
    let read = json!({"action": "read", "wait": 20_000});
    let (mut seen, mut next) = (String::new(), json!(0));
    while !seen.contains("ready") {
        let output = ask(&mut stream, read.clone()).await;
        seen += output["data"].as_str().expect("text");
        next = output["next"].clone();
    }
    let old = server.kill_server().await;
    server.next_server(old).await;
    // The password is still the same, and the next byte is where it was.
    let mut stream = TcpStream::connect(server.address("framed")).await.unwrap();
    assert_eq!(ask(&mut stream, auth).await["result"], "ok");
    let open = json!({"action": "open", "session": session, "since": next});
    assert_eq!(ask(&mut stream, open).await["session"], session);
    ask(&mut stream, json!({"action": "input", "data": "hello\n"})).await;
    let mut seen = String::new();
    while !seen.contains("said hello") {
        let output = ask(&mut stream, read.clone()).await;
        assert_eq!(output["offset"], next, "{output}");
        next = output["next"].clone();
        seen += output["data"].as_str().expect("text");
    }
    let closed = ask(&mut stream, json!({"action": "close", "kill": true})).await;
    assert_eq!(closed["result"], "ok");
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn the_printed_configuration_is_the_same_server() {
    let dir = tempfile::tempdir().unwrap();
    let in_it = |name| dir.path().join(name);
    let (secret, file) = (in_it("secret"), in_it("anywire.yaml"));
    std::fs::write(&secret, "white-rabbit-7\n").unwrap();
    let (secret, file) = (secret.to_string_lossy(), file.to_string_lossy());
    let limits = ["--max-clients", "2", "--max-content", "100", "--strict"];
    let options = [&["--password-file", &secret], &limits[..]].concat();
    let printed = cli(&[&["framed", "-P", "0", "--print-config"], &options[..]].concat());
    assert_eq!(printed.status.code(), Some(0), "{}", text(&printed.stderr));
    std::fs::write(&*file, &printed.stdout).unwrap();
    assert!(!text(&printed.stdout).contains("rabbit"));

    let run = in_it("run").to_string_lossy().into_owned();
    let variables = [("ANYWIRE_RUNTIME_DIR", &*run)];
    let served = Serving::start(BINARY, &["serve", "-c", &file], &variables, 1);
    for server in [framed(&options), served] {
        let url = &server.urls[0];
        let ask = |word: &str, password: &str| {
            let done = cli(&["request", url, "search", word, "--password-file", password]);
            text(&[done.stdout, done.stderr].concat())
        };
        for (said, expected) in [
            (ask("ring", &secret), "Misty"),
            (ask(&"x".repeat(100), &secret), "longer than 100"),
            (ask("ring", &file), "wrong password"),
        ] {
            assert!(said.contains(expected), "{url}: {said}");
        }
        // Two clients, and no third one.
        let hold = || TcpStream::connect(server.at());
        let (one, two) = (hold().await.unwrap(), hold().await.unwrap());
        let busy = only_json(&exchange(server.at(), b"").await);
        assert_eq!(busy["error"]["code"], "busy");
        drop((one, two));
    }
}

#[tokio::test]
async fn messages_go_over_unix_sockets_and_the_port_for_all() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("framed.sock");
    let unix = format!("framed+unix://{}", socket.display());
    let server = Config::new(BINARY)
        .listener("auto://127.0.0.1:0")
        .listener(&unix)
        .command(["cat"])
        .pipe()
        .start();
    let mut stream = TcpStream::connect(server.address("auto")).await.unwrap();
    let open = ask(&mut stream, json!({"action": "open"})).await;
    assert_eq!(open["result"], "ok");
    let list = message(br#"{"action": "list"}"#, json!({}));
    let mut local = UnixStream::connect(&socket).await.unwrap();
    local.write_all(&list).await.unwrap();
    let mut all = Vec::new();
    timeout(DEADLINE, local.read_to_end(&mut all))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(only_json(&all)["sessions"][0]["id"], open["session"]);
    drop(stream);
    server.stop().await;
}

//! Length-prefixed messages with the real binary: the original's clients and servers, everything that a peer can get
//! wrong, the options, and the clients that go with it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use anywire_codec::framed::{Code, Header};
use anywire_testkit::{Config, DEADLINE, TcpClient, processes, rounds, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const BINARY: &str = env!("CARGO_BIN_EXE_anywire");
/// What a server may grow by, whatever is thrown at it.
const GROWTH: u64 = 16 << 20;

/// `search ring` as the original's client sent it.
const SEARCH: &[u8] = b"\x00\x67{\"byteorder\": \"little\", \"content-type\": \"text/json\", \
    \"content-encoding\": \"utf-8\", \"content-length\": 37}{\"action\": \"search\", \"value\": \"ring\"}";
/// What the original's server answered.
const RING: &[u8] = b"\x00\x67{\"byteorder\": \"little\", \"content-type\": \"text/json\", \
    \"content-encoding\": \"utf-8\", \"content-length\": 60}\
    {\"result\": \"In the caves beneath the Misty Mountains. \xf0\x9f\x92\x8d\"}";

/// A command of ours that serves, until it is dropped.
struct Serving {
    child: Child,
    urls: Vec<String>,
    log: mpsc::Receiver<String>,
}

impl Serving {
    /// Starts it and waits for `urls` addresses.
    fn start(arguments: &[&str], variables: &[(&str, &str)], urls: usize) -> Self {
        let mut child = Command::new(BINARY)
            .args(arguments)
            .env_remove("ANYWIRE_PASSWORD")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let out = lines(child.stdout.take().expect("standard output is piped"));
        let log = lines(child.stderr.take().expect("standard error is piped"));
        let urls = (0..urls).map(|_| out.recv_timeout(DEADLINE).expect("an address"));
        let urls = urls.collect();
        Self { child, urls, log }
    }

    /// `anywire framed` on a free port.
    fn framed(arguments: &[&str]) -> Self {
        Self::start(&[&["framed", "-P", "0"], arguments].concat(), &[], 1)
    }

    fn at(&self) -> SocketAddr {
        address(&self.urls[0])
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next lines of its log until one is as wanted.
    fn see(&self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.log.recv_timeout(DEADLINE).expect("a line of the log");
            if wanted(&line) {
                return line;
            }
        }
    }

    /// Waits until it holds no more connections than `before`.
    async fn until_descriptors(&self, before: usize) {
        wait_until("the descriptors of ended connections to be closed", || {
            (processes::descriptors(self.pid()).len() <= before).then_some(())
        })
        .await;
    }

    /// It still answers.
    async fn answers(&self) {
        assert_eq!(exchange(self.at(), SEARCH).await, RING);
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(url: &str) -> SocketAddr {
    let (_, rest) = url.split_once("://").expect("a URL");
    rest.parse().expect("an address")
}

/// Lines of a pipe; the thread ends with the process at its other end.
fn lines(pipe: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(pipe)
            .lines()
            .map_while(Result::ok)
            .for_each(|line| drop(send.send(line)));
    });
    lines
}

/// Runs a command of ours to its end.
fn cli(arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command
        .args(arguments)
        .env_remove("ANYWIRE_PASSWORD")
        .stdin(Stdio::null());
    command.output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or("0");
    line.trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .unwrap_or(0)
        * 1024
}

/// Sends bytes and keeps the own side open; returns all that comes until the server closes.
async fn exchange(at: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(at)
        .await
        .expect("the server takes connections");
    // It may refuse before it has taken everything.
    let _ = timeout(DEADLINE, stream.write_all(bytes))
        .await
        .expect("the server takes or refuses");
    until_end(&mut stream).await
}

async fn until_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = timeout(DEADLINE, stream.read_to_end(&mut all))
        .await
        .expect("the server closes");
    all
}

/// A message with this header, whatever it says.
fn raw(header: &str, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(header.len()).expect("two bytes can say it");
    [&len.to_be_bytes()[..], header.as_bytes(), content].concat()
}

/// A message of JSON whose header differs in some keys from a good one; `null` removes one.
fn message(content: &[u8], differs: Value) -> Vec<u8> {
    let mut header = json!({
        "byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8",
        "content-length": content.len(),
    });
    let object = header.as_object_mut().expect("an object");
    for (key, value) in differs.as_object().expect("an object") {
        if value.is_null() {
            object.remove(key);
        } else {
            object.insert(key.clone(), value.clone());
        }
    }
    raw(&header.to_string(), content)
}

fn json_message(content: &str) -> Vec<u8> {
    message(content.as_bytes(), json!({}))
}

fn search(value: Value) -> Vec<u8> {
    json_message(&json!({"action": "search", "value": value}).to_string())
}

/// Takes the first answer apart, not with our own codec: its header, its content, and what follows.
fn split(bytes: &[u8]) -> (Value, &[u8], &[u8]) {
    let len = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let header: Value = serde_json::from_slice(&bytes[2..2 + len]).expect("a header");
    let content = header["content-length"].as_u64().expect("a length") as usize;
    let (content, rest) = bytes[2 + len..].split_at(content);
    (header, content, rest)
}

/// The one answer of JSON.
fn only_json(bytes: &[u8]) -> Value {
    assert!(!bytes.is_empty(), "an answer");
    let (header, content, rest) = split(bytes);
    assert_eq!(
        (rest, &header["content-type"]),
        (&b""[..], &json!("text/json"))
    );
    serde_json::from_slice(content).expect("JSON")
}

/// What a row of the table is answered with.
enum Expect {
    /// An error reply of this code.
    Error(&'static str),
    /// A result.
    Result(&'static str),
    /// The first bytes of the request.
    First(&'static [u8]),
}
use Expect::{Error, First, Result as Text};

#[expect(clippy::too_many_lines, reason = "a table, row by row")]
fn table() -> Vec<(&'static str, Vec<u8>, Expect)> {
    let ring = "In the caves beneath the Misty Mountains. 💍";
    let good: &[u8] = b"{\"action\": \"search\", \"value\": \"ring\"}";
    let utf_16: Vec<u8> = text(good)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let binary = |content: &[u8]| {
        message(
            content,
            json!({"content-type": "binary/x", "content-encoding": "binary"}),
        )
    };
    let length = |length: Value| message(good, json!({"content-length": length}));
    let keys = "\"byteorder content-length content-type content-encoding\"";
    let twice = "{\"content-length\":37,\"content-length\":0,\"content-type\":\"text/json\",\"content-encoding\":\"utf-8\"}";
    let deep = "[".repeat(40_000);
    vec![
        ("the original's request", SEARCH.to_vec(), Text(ring)),
        ("H = 0", vec![0, 0], Error("bad_header")),
        ("no key at all", raw("{}", b""), Error("missing_header")),
        (
            "no content-length",
            raw(r#"{"content-type":"x","content-encoding":"x"}"#, b""),
            Error("missing_header"),
        ),
        (
            "no content-type",
            message(good, json!({"content-type": null})),
            Error("missing_header"),
        ),
        (
            "no content-encoding",
            message(good, json!({"content-encoding": null})),
            Error("missing_header"),
        ),
        (
            "no byteorder",
            message(good, json!({"byteorder": null})),
            Text(ring),
        ),
        (
            "an unknown key",
            message(good, json!({"x": [1]})),
            Text(ring),
        ),
        (
            "a header that is no JSON",
            raw("{content}", b""),
            Error("bad_header"),
        ),
        (
            "a header of other bytes",
            [&[0, 5][..], b"{\"\xff\"}"].concat(),
            Error("bad_header"),
        ),
        ("an array", raw("[]", b""), Error("bad_header")),
        (
            "a string with the four names",
            raw(keys, b""),
            Error("bad_header"),
        ),
        ("a key twice", raw(twice, good), Error("bad_header")),
        (
            "H = 65535, two bytes of it",
            vec![0xff, 0xff],
            Error("header_too_large"),
        ),
        (
            "content of 1 MiB",
            binary(&vec![b'x'; 1 << 20]),
            First(b"xxxxxxxxxx"),
        ),
        (
            "a byte more",
            binary(&vec![b'x'; (1 << 20) + 1]),
            Error("payload_too_large"),
        ),
        (
            "10 GiB",
            length(json!(10u64 << 30)),
            Error("payload_too_large"),
        ),
        (
            "5 bytes too long, and waiting",
            length(json!(good.len() + 5)),
            Error("timeout"),
        ),
        (
            "1 byte too short",
            length(json!(good.len() - 1)),
            Error("bad_json"),
        ),
        (
            "1 byte too short, no JSON",
            message(
                b"abc",
                json!({"content-type": "binary/x", "content-length": 2}),
            ),
            First(b"ab"),
        ),
        ("no content", length(json!(0)), Error("bad_json")),
        ("-1", length(json!(-1)), Error("bad_header")),
        (
            "-1, no JSON",
            message(
                b"x",
                json!({"content-type": "binary/x", "content-length": -1}),
            ),
            Error("bad_header"),
        ),
        ("\"36\"", length(json!("36")), Error("bad_header")),
        ("36.0", length(json!(36.0)), Error("bad_header")),
        (
            "null",
            raw(
                r#"{"content-length":null,"content-type":"x","content-encoding":"x"}"#,
                b"",
            ),
            Error("bad_header"),
        ),
        ("true", length(json!(true)), Error("bad_header")),
        (
            "a byteorder of its own",
            message(good, json!({"byteorder": "middle"})),
            Error("bad_header"),
        ),
        (
            "broken JSON",
            json_message("{\"action\": "),
            Error("bad_json"),
        ),
        (
            "NaN",
            json_message("{\"action\": \"search\", \"value\": NaN}"),
            Error("bad_json"),
        ),
        ("40000 deep", json_message(&deep), Error("bad_json")),
        (
            "content: an array",
            json_message("[1]"),
            Error("bad_request"),
        ),
        (
            "content: a string",
            json_message("\"search\""),
            Error("bad_request"),
        ),
        ("content: {}", json_message("{}"), Error("bad_request")),
        ("content: null", json_message("null"), Error("bad_request")),
        ("content: 0", json_message("0"), Error("bad_request")),
        (
            "content: false",
            json_message("false"),
            Error("bad_request"),
        ),
        ("content: \"\"", json_message("\"\""), Error("bad_request")),
        ("content: []", json_message("[]"), Error("bad_request")),
        ("content: no bytes", binary(b""), First(b"")),
        (
            "value: a list",
            search(json!(["ring"])),
            Error("bad_request"),
        ),
        (
            "value: a number",
            search(json!(5)),
            Text("No match for '5'."),
        ),
        (
            "value: none",
            json_message("{\"action\": \"search\"}"),
            Error("bad_request"),
        ),
        (
            "value: not in the table",
            search(json!("zzz")),
            Text("No match for 'zzz'."),
        ),
        (
            "value: morpheus",
            search(json!("morpheus")),
            Text("Follow the white rabbit. 🐰"),
        ),
        (
            "value: a dog",
            search(json!("🐶")),
            Text("🐾 Playing ball! 🏐"),
        ),
        (
            "another action",
            json_message("{\"action\": \"double\", \"value\": 1}"),
            Text("Error: invalid action 'double'."),
        ),
        (
            "utf-16",
            message(&utf_16, json!({"content-encoding": "utf-16"})),
            Text(ring),
        ),
        (
            "latin-1",
            message(good, json!({"content-encoding": "latin-1"})),
            Text(ring),
        ),
        (
            "an encoding that nobody knows",
            message(good, json!({"content-encoding": "klingon"})),
            Error("unsupported_encoding"),
        ),
        (
            "binary JSON",
            message(good, json!({"content-encoding": "binary"})),
            Error("unsupported_encoding"),
        ),
        (
            "compressed JSON",
            message(good, json!({"content-encoding": "bz2"})),
            Error("unsupported_encoding"),
        ),
        (
            "another type",
            message(b"<a>0123456789", json!({"content-type": "text/xml"})),
            First(b"<a>0123456"),
        ),
        (
            "a number for a type",
            message(b"abc", json!({"content-type": 5})),
            First(b"abc"),
        ),
        (
            "the type in capitals, with a parameter",
            message(good, json!({"content-type": "Text/JSON; charset=utf-8"})),
            Text(ring),
        ),
        ("one byte, and silence", vec![0], Error("timeout")),
        ("two bytes, and silence", vec![0, 103], Error("timeout")),
        (
            "half a header, and silence",
            SEARCH[..50].to_vec(),
            Error("timeout"),
        ),
        (
            "a header, and silence",
            SEARCH[..105].to_vec(),
            Error("timeout"),
        ),
        (
            "HTTP",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            Error("header_too_large"),
        ),
        (
            "TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc".to_vec(),
            Error("bad_header"),
        ),
        (
            "junk behind a message",
            [SEARCH, b"junk"].concat(),
            Text(ring),
        ),
        (
            "two messages, the first without keep-alive",
            [SEARCH, SEARCH].concat(),
            Text(ring),
        ),
    ]
}

#[tokio::test]
async fn every_row_of_the_table_has_one_answer_and_an_end() {
    let server = Serving::framed(&["--header-timeout", "0.3", "--content-timeout", "0.3"]);
    server.answers().await;
    let before = processes::descriptors(server.pid()).len();
    for (row, bytes, expect) in table() {
        let answer = exchange(server.at(), &bytes).await;
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
    server.answers().await;
    server.until_descriptors(before).await;
}

#[tokio::test]
async fn the_bytes_of_the_original_come_back_however_they_are_sent() {
    let server = Serving::framed(&[]);
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
    let server = Serving::start(&["echo", "--quiet", "-l", "framed://127.0.0.1:0"], &[], 1);
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
    let server = Serving::framed(&[
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
    let server = Serving::framed(&["--idle-timeout", "0.2"]);
    let answer = only_json(&exchange(server.at(), b"").await);
    assert_eq!(answer["error"]["code"], "timeout");
    // Who comes while the server stops is told.
    let server = Serving::framed(&[]);
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
    let server = Serving::framed(&[]);
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
    let server = Serving::framed(&[
        "-c",
        "1000",
        "--header-timeout",
        "2",
        "--content-timeout",
        "2",
    ]);
    server.answers().await;
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
    server.answers().await;
    assert!(resident(server.pid()) < before + GROWTH);
    for client in &mut clients {
        let answer = only_json(&until_end(client).await);
        assert_eq!(answer["error"]["code"], "timeout");
    }
    drop(clients);
    server.until_descriptors(descriptors).await;
}

#[tokio::test]
async fn storms_of_resets_leave_nothing_behind() {
    let server = Serving::framed(&["-c", "1000"]);
    server.answers().await;
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
    server.answers().await;
    server.until_descriptors(descriptors).await;
    assert!(resident(server.pid()) < before + GROWTH);
}

#[tokio::test]
async fn a_password_opens_and_is_nowhere_to_be_seen() {
    let secret = "white-rabbit-7";
    let dir = std::env::temp_dir().join(format!("anywire-framed-{}", std::process::id()));
    std::fs::write(&dir, format!("{secret}\n")).unwrap();
    let file = dir.to_string_lossy().into_owned();
    let server = Serving::framed(&["--password-file", &file]);
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
    std::fs::remove_file(&dir).unwrap();

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
        &["framed", "-P", "0", "-h", ""],
        &[("ANYWIRE_PASSWORD", "x")],
        1,
    );
    assert!(server.at().ip().is_unspecified());
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
    echo.see(|line| line.starts_with("listening on tcp://"));
    let accepted = echo.see(|line| line.starts_with("accepted 127.0.0.1:"));
    let peer = accepted.strip_prefix("accepted ").unwrap();
    let echoed = echo
        .see(|line| line.starts_with("echoing ") && line.ends_with(&format!("bytes to {peer}")));
    assert!(!echoed.contains("one"));
    echo.see(|line| line == format!("closed {peer}"));
    let echo = Serving::start(&["echo", "--show", "-l", "tcp://127.0.0.1:0"], &[], 1);
    let done = cli(&["connect", &echo.urls[0], "-m", "shown\u{1b}"]);
    assert_eq!(done.status.code(), Some(0));
    echo.see(|line| line.starts_with("echoing 6 bytes to ") && line.ends_with(": \"shown\\x1b\""));
}

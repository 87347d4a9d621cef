//! Messages made and taken apart by hand, not with our own codec; the original's bytes; the commands of ours.

#![allow(dead_code, reason = "each test file uses its part of this one")]

use anywire_testkit::DEADLINE;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_anywire");
/// What a server may grow by, whatever is thrown at it.
pub(crate) const GROWTH: u64 = 16 << 20;

/// `search ring` as the original's client sent it.
pub(crate) const SEARCH: &[u8] = b"\x00\x67{\"byteorder\": \"little\", \"content-type\": \"text/json\", \
    \"content-encoding\": \"utf-8\", \"content-length\": 37}{\"action\": \"search\", \"value\": \"ring\"}";
/// What the original's server answered.
pub(crate) const RING: &[u8] =
    b"\x00\x67{\"byteorder\": \"little\", \"content-type\": \"text/json\", \
    \"content-encoding\": \"utf-8\", \"content-length\": 60}\
    {\"result\": \"In the caves beneath the Misty Mountains. \xf0\x9f\x92\x8d\"}";

/// Runs a command of ours to its end.
pub(crate) fn cli(arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command
        .args(arguments)
        .env_remove("ANYWIRE_PASSWORD")
        .stdin(Stdio::null());
    command.output().expect("the binary runs")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Sends bytes and keeps the own side open; returns all that comes until the server closes.
pub(crate) async fn exchange(at: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(at)
        .await
        .expect("the server takes connections");
    // It may refuse before it has taken everything.
    let _ = timeout(DEADLINE, stream.write_all(bytes))
        .await
        .expect("the server takes or refuses");
    until_end(&mut stream).await
}

pub(crate) async fn until_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = timeout(DEADLINE, stream.read_to_end(&mut all))
        .await
        .expect("the server closes");
    all
}

/// A message with this header, whatever it says.
pub(crate) fn raw(header: &str, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(header.len()).expect("two bytes can say it");
    [&len.to_be_bytes()[..], header.as_bytes(), content].concat()
}

/// A message of JSON whose header differs in some keys from a good one; `null` removes one.
pub(crate) fn message(content: &[u8], differs: Value) -> Vec<u8> {
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

pub(crate) fn json_message(content: &str) -> Vec<u8> {
    message(content.as_bytes(), json!({}))
}

pub(crate) fn search(value: Value) -> Vec<u8> {
    json_message(&json!({"action": "search", "value": value}).to_string())
}

/// Takes the first answer apart, not with our own codec: its header, its content, and what follows.
pub(crate) fn split(bytes: &[u8]) -> (Value, &[u8], &[u8]) {
    let len = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let header: Value = serde_json::from_slice(&bytes[2..2 + len]).expect("a header");
    let content = header["content-length"].as_u64().expect("a length") as usize;
    let (content, rest) = bytes[2 + len..].split_at(content);
    (header, content, rest)
}

/// The one answer of JSON.
pub(crate) fn only_json(bytes: &[u8]) -> Value {
    assert!(!bytes.is_empty(), "an answer");
    let (header, content, rest) = split(bytes);
    assert_eq!(
        (rest, &header["content-type"]),
        (&b""[..], &json!("text/json"))
    );
    serde_json::from_slice(content).expect("JSON")
}

//! A WebSocket without a subprotocol: text out, whatever the program writes; bytes for who asks for them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::client::{self, Frame};
use common::{Server, Setup};

/// Writes a character in two parts, something that is none, and half of one.
const SCRIPT: &str = r"printf 'a\342'; read line; printf '\202\254 \377b\n'; printf '\360\237'";

async fn output(server: &Server, path: &str) -> Vec<Frame> {
    let mut socket = client::connect(server.http, path, "").await;
    socket.text("go\n").await;
    let mut frames = Vec::new();
    loop {
        match socket.next().await {
            Frame::Ping(_) => {}
            Frame::Close(_) | Frame::End => return frames,
            frame => frames.push(frame),
        }
    }
}

#[tokio::test]
async fn what_is_no_text_becomes_text() {
    let server = Setup::script(SCRIPT).start().await;
    let mut text = String::new();
    for frame in output(&server, "/ws").await {
        let Frame::Text(part) = frame else {
            panic!("{frame:?}")
        };
        text += &part;
    }
    assert_eq!(text, "a\u{20ac} \u{fffd}b\n\u{fffd}");
}

#[tokio::test]
async fn bytes_for_who_asks_for_them() {
    let server = Setup::script(SCRIPT).start().await;
    let mut bytes = Vec::new();
    for frame in output(&server, "/ws?binary=1").await {
        let Frame::Binary(part) = frame else {
            panic!("{frame:?}")
        };
        bytes.extend(part);
    }
    assert_eq!(bytes, b"a\xe2\x82\xac \xffb\n\xf0\x9f");
}

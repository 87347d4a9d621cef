//! The WebSocket handshake: what is accepted, and what is refused before the upgrade, each with its status.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use anywire_codec::dialect::native::SUBPROTOCOL;
use common::client::{self, HANDSHAKE};
use common::{Server, Setup};
use tokio::net::TcpStream;

/// The status of a handshake with these headers instead of, or beside, the usual ones.
async fn status(server: &Server, path: &str, changes: &[(&str, &str)]) -> u16 {
    let host = server.http.to_string();
    let mut headers = HANDSHAKE.to_vec();
    headers.push(("Host", &host));
    headers.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    headers.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    let stream = TcpStream::connect(server.http).await.unwrap();
    match client::upgrade(stream, path, &headers).await {
        Ok((_, response)) | Err(response) => response.status,
    }
}

#[tokio::test]
async fn each_refusal_has_its_status_and_comes_before_the_upgrade() {
    let server = Setup::pipe(&["cat"]).start().await;
    let origin = format!("http://{}", server.http);
    for (path, changes, want) in [
        ("/ws", &[][..], 101),
        ("/ws", &[("Origin", origin.as_str())], 101),
        ("/ws", &[("Origin", "http://evil.example")], 403),
        ("/ws", &[("Origin", "null")], 403),
        ("/ws", &[("Sec-Fetch-Site", "cross-site")], 403),
        ("/ws", &[("Host", "evil.example")], 421),
        ("/ws", &[("Upgrade", "")], 426),
        ("/ws", &[("Upgrade", "h2c")], 426),
        ("/ws", &[("Connection", "keep-alive")], 426),
        ("/ws", &[("Sec-WebSocket-Version", "8")], 426),
        ("/ws", &[("Sec-WebSocket-Key", "short")], 400),
        ("/ws", &[("Sec-WebSocket-Key", "")], 400),
        ("/ws?session=nobody", &[], 404),
        ("/elsewhere", &[], 404),
    ] {
        assert_eq!(
            status(&server, path, changes).await,
            want,
            "{path} {changes:?}"
        );
    }
    assert!(server.registry.list().is_empty() || server.registry.list().len() <= 2);
    server.shutdown().await;
}

#[tokio::test]
async fn without_credentials_there_is_no_upgrade() {
    let mut setup = Setup::pipe(&["cat"]);
    setup.auth = true;
    let server = setup.start().await;
    assert_eq!(status(&server, "/ws", &[]).await, 401);
    let wrong = [("Authorization", "Bearer AAAAAAAAAA")];
    assert_eq!(status(&server, "/ws", &wrong).await, 401);
    let code = format!("Bearer {}", server.admission.start_code());
    let right = [("Authorization", code.as_str())];
    assert_eq!(status(&server, "/ws", &right).await, 101);
    server.shutdown().await;
}

#[tokio::test]
async fn the_first_subprotocol_that_is_known_is_chosen() {
    let server = Setup::pipe(&["cat"]).start().await;
    let host = server.http.to_string();
    for (offer, want) in [
        ("x, tty, anywire.v1", Some("tty")),
        (SUBPROTOCOL, Some(SUBPROTOCOL)),
        ("chat", None),
    ] {
        let mut headers = HANDSHAKE.to_vec();
        headers.extend([("Host", host.as_str()), ("Sec-WebSocket-Protocol", offer)]);
        let stream = TcpStream::connect(server.http).await.unwrap();
        let (_, response) = client::upgrade(stream, "/ws", &headers).await.unwrap();
        assert_eq!(response.header("sec-websocket-protocol"), want);
        assert_eq!(
            response.header("sec-websocket-accept"),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
    }
    server.shutdown().await;
}

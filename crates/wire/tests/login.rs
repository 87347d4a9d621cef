//! Start codes, tickets and cookies over HTTP; the prompt on a raw connection.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::client::{self, HANDSHAKE, Response};
use common::{Server, Setup, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn closed_server() -> Server {
    let mut setup = Setup::pipe(&["cat"]);
    setup.auth = true;
    setup.start().await
}

async fn login(server: &Server, body: &str) -> Response {
    let host = server.http.to_string();
    let headers = [
        ("Host", host.as_str()),
        ("Content-Type", "application/json"),
    ];
    client::request(server.http, "POST /api/login", &headers, body).await
}

#[tokio::test]
async fn a_code_buys_a_cookie_and_the_cookie_opens_the_rest() {
    let server = closed_server().await;
    let code = server.admission.start_code();
    let answer = login(&server, &format!(r#"{{"code":"{code}"}}"#)).await;
    assert_eq!(answer.status, 204);
    let set = answer.header("set-cookie").unwrap().to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && set.contains("Path=/;"));
    let cookie = set.split(';').next().unwrap();
    let host = server.http.to_string();
    let headers = [("Host", host.as_str()), ("Cookie", cookie)];
    let list = client::request(server.http, "GET /api/sessions", &headers, "").await;
    assert_eq!((list.status, list.body.as_str()), (200, "[]"));

    // A cookie alone does not open a socket: the page's origin belongs to it.
    let origin = format!("http://{host}");
    let mut upgrade = HANDSHAKE.to_vec();
    upgrade.extend(headers);
    let stream = TcpStream::connect(server.http).await.unwrap();
    let refused = client::upgrade(stream, "/ws", &upgrade).await;
    assert_eq!(refused.err().map(|response| response.status), Some(403));
    upgrade.push(("Origin", &origin));
    let stream = TcpStream::connect(server.http).await.unwrap();
    assert!(client::upgrade(stream, "/ws", &upgrade).await.is_ok());
    server.shutdown().await;
}

#[tokio::test]
async fn a_ticket_works_once() {
    let server = closed_server().await;
    let host = server.http.to_string();
    let code = format!("Bearer {}", server.admission.start_code());
    let headers = [("Host", host.as_str()), ("Authorization", code.as_str())];
    let minted = client::request(server.http, "POST /api/tickets", &headers, "").await;
    let minted: serde_json::Value = serde_json::from_str(&minted.body).unwrap();
    assert_eq!(minted["expires_in"], 30);
    let body = format!(r#"{{"ticket":{}}}"#, minted["ticket"]);
    assert_eq!(login(&server, &body).await.status, 204);
    assert_eq!(login(&server, &body).await.status, 401);
    server.shutdown().await;
}

/// Else whoever may look without logging in could buy what the start code buys elsewhere.
#[tokio::test]
async fn no_ticket_without_a_login() {
    let server = Setup::pipe(&["cat"]).start().await;
    let host = server.http.to_string();
    let headers = [("Host", host.as_str())];
    let refused = client::request(server.http, "POST /api/tickets", &headers, "").await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    server.shutdown().await;
}

#[tokio::test]
async fn wrong_codes_are_backed_off_even_from_the_right_one() {
    let server = closed_server().await;
    let mut answer = login(&server, r#"{"code":"AAAAAAAAAA"}"#).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    for _ in 0..5 {
        answer = login(&server, r#"{"code":"AAAAAAAAAA"}"#).await;
    }
    assert_eq!(answer.status, 429);
    let seconds: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(seconds >= 1);
    let unit = if seconds == 1 { "second" } else { "seconds" };
    let told = format!("try again in {seconds} {unit}\"");
    assert!(answer.body.contains(&told), "{}", answer.body);
    let code = server.admission.start_code();
    let answer = login(&server, &format!(r#"{{"code":"{code}"}}"#)).await;
    assert_eq!(answer.status, 429);
    server.shutdown().await;
}

/// Who has nothing is told what to bring, who has something wrong that it is wrong; nobody learns who is a user.
#[tokio::test]
async fn a_wrong_credential_is_called_wrong() {
    let (none, wrong) = (
        "log in first",
        "that start code, token or password is wrong",
    );
    let server = closed_server().await;
    let host = server.http.to_string();
    let basic = |pair: &str| format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()));
    for (credential, told) in [
        (None, none),
        (Some("Digest x".to_owned()), none),
        (Some("Bearer AAAAAAAAAA".to_owned()), wrong),
        (Some(format!("Bearer {}", "t".repeat(43))), wrong),
        (Some(basic("nobody:x")), wrong),
    ] {
        let mut headers = vec![("Host", host.as_str())];
        headers.extend(credential.as_deref().map(|value| ("Authorization", value)));
        let refused = client::request(server.http, "GET /api/sessions", &headers, "").await;
        assert_eq!(refused.status, 401, "{credential:?}");
        assert!(
            refused.body.contains(told),
            "{credential:?} {}",
            refused.body
        );
        assert!(
            refused.header("www-authenticate").is_some(),
            "{credential:?}"
        );
    }
    for body in [
        r#"{"code":"AAAAAAAAAA"}"#,
        r#"{"ticket":"tttttttttttttttttttttt"}"#,
        r#"{"user":"nobody","password":"x"}"#,
    ] {
        let refused = login(&server, body).await;
        assert_eq!(refused.status, 401, "{body}");
        assert!(refused.body.contains(wrong), "{body} {}", refused.body);
    }
    server.shutdown().await;
}

#[tokio::test]
async fn bad_bodies_are_named() {
    let server = closed_server().await;
    for (body, want) in [
        ("", 400),
        ("{", 400),
        ("{}", 400),
        (r#"{"code":"A","ticket":"B"}"#, 400),
        (r#"{"code":"A","extra":1}"#, 400),
        (&format!(r#"{{"code":"{}"}}"#, "A".repeat(5000)), 413),
    ] {
        assert_eq!(login(&server, body).await.status, want, "{body:.40}");
    }
    let host = server.http.to_string();
    let form = [("Host", host.as_str()), ("Content-Type", "text/plain")];
    let answer = client::request(server.http, "POST /api/login", &form, "{}").await;
    assert_eq!(answer.status, 415);
    server.shutdown().await;
}

/// Reads until the text ends so.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut all = Vec::new();
    while !all.ends_with(end.as_bytes()) {
        let read = soon(stream.read_buf(&mut all)).await.unwrap();
        assert_ne!(read, 0, "ended after {:?}", String::from_utf8_lossy(&all));
    }
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn a_raw_connection_types_the_code_first() {
    let server = closed_server().await;
    let mut stream = TcpStream::connect(server.tcp).await.unwrap();
    until(&mut stream, "start code: ").await;
    stream.write_all(b"wrong\r\n").await.unwrap();
    assert_eq!(
        until(&mut stream, "start code: ").await,
        "wrong start code\r\nstart code: "
    );
    let code = server.admission.start_code().to_lowercase();
    let line = format!("{code}\nfirst words\n");
    stream.write_all(line.as_bytes()).await.unwrap();
    assert_eq!(until(&mut stream, "words\n").await, "first words\n");
    server.shutdown().await;
}

#[tokio::test]
async fn three_tries_then_the_door_is_shut() {
    let server = closed_server().await;
    let mut stream = TcpStream::connect(server.tcp).await.unwrap();
    stream.write_all(b"a\nb\nc\n").await.unwrap();
    let mut all = String::new();
    soon(stream.read_to_string(&mut all)).await.unwrap();
    assert!(server.registry.list().is_empty());
    let mut stream = TcpStream::connect(server.tcp).await.unwrap();
    until(&mut stream, "start code: ").await;
    let endless = [b'x'; 200];
    stream.write_all(&endless).await.unwrap();
    all.clear();
    let _ = soon(stream.read_to_string(&mut all)).await;
    assert!(server.registry.list().is_empty());
    server.shutdown().await;
}

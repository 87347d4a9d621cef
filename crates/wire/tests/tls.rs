//! TLS below HTTP, WebSocket and raw TCP, from a client's side.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use anywire_codec::websocket::Opcode;
use anywire_wire::admit::{Rules, Token, User, hash_password, new_token};
use anywire_wire::tls::Options;
use common::client::{self, Frame, HANDSHAKE};
use common::tls::Client;
use common::{Server, Setup, soon};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn start(mut setup: Setup) -> (Server, String) {
    setup.tls = Some(Options::SelfSigned { names: Vec::new() });
    let server = setup.start().await;
    let fingerprint = server.tls.as_ref().unwrap().fingerprint();
    (server, fingerprint)
}

#[tokio::test]
async fn a_page_over_https_opens_a_socket_over_wss() {
    let mut setup = Setup::pipe(&["cat"]);
    setup.auth = true;
    let (server, fingerprint) = start(setup).await;
    let client = Client::new(&fingerprint);
    let host = server.http.to_string();
    let headers = [("Host", &*host), ("Content-Type", "application/json")];
    let body = format!(r#"{{"code":"{}"}}"#, server.admission.start_code());
    let stream = client.connect(server.http).await.unwrap();
    let answer = client::request_on(stream, "POST /api/login", &headers, &body).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let set = answer.header("set-cookie").unwrap();
    assert!(
        set.starts_with("__Host-anywire-") && set.ends_with("; Secure"),
        "{set}"
    );
    assert!(answer.header("strict-transport-security").is_none());

    let mut upgrade = HANDSHAKE.to_vec();
    let cookie = set.split(';').next().unwrap();
    upgrade.extend([("Host", &*host), ("Cookie", cookie)]);
    for (scheme, want) in [("http", false), ("https", true)] {
        let origin = format!("{scheme}://{host}");
        let mut upgrade = upgrade.clone();
        upgrade.push(("Origin", &origin));
        let stream = client.connect(server.http).await.unwrap();
        let opened = client::upgrade(stream, "/ws?binary=1", &upgrade).await;
        let Ok((mut socket, _)) = opened else {
            assert!(!want);
            assert_eq!(opened.err().unwrap().status, 403);
            continue;
        };
        assert!(want);
        socket.binary(b"over wss").await;
        assert_eq!(socket.next().await, Frame::Binary(b"over wss".to_vec()));
        socket.send(Opcode::Close, &1000u16.to_be_bytes()).await;
        assert_eq!(socket.next().await, Frame::Close(1000));
        assert_eq!(socket.next().await, Frame::End);
    }
    server.shutdown().await;
}

#[tokio::test]
async fn nothing_is_lost_both_ways_and_each_side_ends_for_itself() {
    let (server, fingerprint) = start(Setup::pipe(&["cat"])).await;
    let bytes: Vec<u8> = (0..3_000_000u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    for version in rustls::ALL_VERSIONS {
        let client = Client {
            versions: &[version],
            ..Client::new(&fingerprint)
        };
        let stream = client.connect(server.tcp).await.unwrap();
        let (mut read, mut write) = tokio::io::split(stream);
        let send = async {
            write.write_all(&bytes).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let mut back = Vec::new();
        let (_, end) = soon(async { tokio::join!(send, read.read_to_end(&mut back)) }).await;
        // The server says that this is the end: rustls makes an error of anything else.
        end.unwrap();
        assert!(back == bytes, "{} of {} bytes", back.len(), bytes.len());
    }
    server.shutdown().await;
}

#[tokio::test]
async fn who_reads_late_gets_everything_and_the_program_waits() {
    let script =
        "head -c 8000000 /dev/zero | tr '\\0' x; echo; echo done >&2; read line; echo \"<$line>\"";
    let (server, fingerprint) = start(Setup::script(script)).await;
    let client = Client::new(&fingerprint);
    let mut stream = client.connect(server.tcp).await.unwrap();
    // One byte a record, while nothing is read.
    for byte in b"word\n" {
        stream.write_all(&[*byte]).await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut all = Vec::new();
    soon(stream.read_to_end(&mut all)).await.unwrap();
    let text = String::from_utf8(all).unwrap().replacen("done\n", "", 1);
    assert_eq!(text.len(), 8_000_000 + "\n<word>\n".len());
    assert!(text.ends_with("x\n<word>\n"));
    server.shutdown().await;
}

#[tokio::test]
async fn the_prompt_is_enciphered_too_and_knows_users() {
    let (token, digest) = new_token();
    let phc = hash_password("open sesame").unwrap();
    let role = anywire_model::Role::Owner;
    let mut setup = Setup::pipe(&["cat"]);
    setup.auth = true;
    setup.access = Rules {
        users: [("ada".parse().unwrap(), User::new(&phc, role).unwrap())].into(),
        tokens: [("ci".parse().unwrap(), Token::new(&digest, role).unwrap())].into(),
        ..Rules::default()
    };
    let (server, fingerprint) = start(setup).await;
    let client = Client::new(&fingerprint);
    for lines in ["ada\r\nopen sesame\r\n".to_owned(), format!("{token}\n")] {
        let mut stream = client.connect(server.tcp).await.unwrap();
        stream.write_all(lines.as_bytes()).await.unwrap();
        stream.write_all(b"first words\n").await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"words\n") {
            assert_ne!(soon(stream.read_buf(&mut seen)).await.unwrap(), 0);
        }
        let seen = String::from_utf8(seen).unwrap();
        let shown = seen
            .replace("start code or user: ", "")
            .replace("password: ", "");
        assert_eq!(shown, "first words\n");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn each_port_names_or_refuses_the_other_kind() {
    let (server, fingerprint) = start(Setup::pipe(&["cat"])).await;
    let answer = client::request(server.http, "GET /", &[("Host", "x")], "").await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("this port speaks HTTPS"), "{answer:?}");
    // What is neither gets nothing, and so does half a handshake that makes no sense.
    for noise in [&b"\0\0\0\0"[..], b"\x16\x03\x01\0\x05hello"] {
        let mut stream = TcpStream::connect(server.tcp).await.unwrap();
        stream.write_all(noise).await.unwrap();
        let mut all = Vec::new();
        let _ = soon(stream.read_to_end(&mut all)).await;
        // At most an alert.
        assert!(all.is_empty() || all[0] == 21, "{all:?}");
    }
    let plain = Setup::pipe(&["cat"]).start().await;
    for at in [plain.http, plain.tcp] {
        assert!(soon(Client::new(&fingerprint).connect(at)).await.is_err());
    }
    plain.shutdown().await;
    server.shutdown().await;
}

#[tokio::test]
async fn http_2_is_not_agreed_upon() {
    let (server, fingerprint) = start(Setup::pipe(&["cat"])).await;
    let with = |alpn| Client {
        alpn,
        ..Client::new(&fingerprint)
    };
    let stream = with(&["h2", "http/1.1"])
        .connect(server.http)
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(with(&["h2"]).connect(server.http).await.is_err());
    server.shutdown().await;
}

/// A fresh certificate in files of this folder.
fn pair(folder: &Path) -> Options {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let cert = params.self_signed(&key).unwrap();
    let write = |name: &str, kind: &str, der: &[u8]| {
        let body = data_encoding::BASE64.encode(der);
        let text = format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n");
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    Options::Files {
        cert: write("cert.pem", "CERTIFICATE", cert.der()),
        key: write("key.pem", "PRIVATE KEY", key.serialized_der()),
    }
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections() {
    let folder = tempfile::tempdir().unwrap();
    let mut setup = Setup::pipe(&["cat"]);
    setup.tls = Some(pair(folder.path()));
    let server = setup.start().await;
    let tls = server.tls.clone().unwrap();
    let old = tls.fingerprint();
    let mut stream = Client::new(&old).connect(server.tcp).await.unwrap();
    pair(folder.path());
    tls.reload().unwrap();
    drop(folder);
    assert!(Client::new(&old).connect(server.tcp).await.is_err());
    assert!(
        Client::new(&tls.fingerprint())
            .connect(server.tcp)
            .await
            .is_ok()
    );
    // Files that are gone change nothing either.
    assert!(tls.reload().is_err());
    assert!(
        Client::new(&tls.fingerprint())
            .connect(server.tcp)
            .await
            .is_ok()
    );
    stream.write_all(b"still here").await.unwrap();
    let mut back = [0; 10];
    soon(stream.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, b"still here");
    server.shutdown().await;
}

#[tokio::test]
async fn one_port_tells_tls_apart_and_what_is_spoken_inside() {
    for offer_tls in [true, false] {
        let mut setup = Setup::pipe(&["cat"]);
        setup.offer_tls = offer_tls;
        let (server, fingerprint) = start(setup).await;
        let client = Client::new(&fingerprint);
        let host = server.auto.to_string();
        let stream = client.connect(server.auto).await.unwrap();
        let answer = client::request_on(stream, "GET /healthz", &[("Host", &host)], "").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
        let mut stream = client.connect(server.auto).await.unwrap();
        stream.write_all(b"typed\n").await.unwrap();
        let mut back = [0; 6];
        soon(stream.read_exact(&mut back)).await.unwrap();
        assert_eq!(&back, b"typed\n");
        // Without TLS the same, or nothing at all.
        let answer = client::request(server.auto, "GET /healthz", &[("Host", &host)], "").await;
        assert_eq!(answer.status, if offer_tls { 200 } else { 400 });
        server.shutdown().await;
    }
}

#[tokio::test]
async fn telnet_behind_tls_asks_before_it_is_spoken_to() {
    let mut setup = Setup::pipe(&["cat"]);
    setup.auth = true;
    let (server, fingerprint) = start(setup).await;
    let mut stream = Client::new(&fingerprint)
        .connect(server.telnet)
        .await
        .unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"start code: ") {
        assert_ne!(soon(stream.read_buf(&mut seen)).await.unwrap(), 0);
    }
    let line = format!("{}\r\nwords\r\n", server.admission.start_code());
    stream.write_all(line.as_bytes()).await.unwrap();
    while !String::from_utf8_lossy(&seen).contains("words") {
        assert_ne!(soon(stream.read_buf(&mut seen)).await.unwrap(), 0);
    }
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_shake_hands_is_let_go() {
    let (server, _) = start(Setup::pipe(&["cat"])).await;
    for half in [&b""[..], b"\x16\x03\x01\x02\0"] {
        let begun = tokio::time::Instant::now();
        let mut stream = TcpStream::connect(server.tcp).await.unwrap();
        stream.write_all(half).await.unwrap();
        let mut all = Vec::new();
        let _ = soon(stream.read_to_end(&mut all)).await;
        assert!(
            begun.elapsed().as_secs() >= 10 && all.is_empty(),
            "{:?}",
            begun.elapsed()
        );
    }
    server.shutdown().await;
}

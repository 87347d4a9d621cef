//! Who is not let in, and what must not do harm.

use super::kit::{BINARY, cli, http, run, start, words, ws};
use anywire_testkit::xwterm::{Socket, request};
use anywire_testkit::{Config, DEADLINE};
use std::net::SocketAddr;
use std::process::Command;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn pages_of_others_are_refused() {
    let server = start();
    let (pages, socket) = (http(&server), ws(&server));
    let good = [
        (socket, format!("http://{pages}")),
        (socket, format!("http://{socket}")),
        (pages, format!("http://{pages}")),
    ];
    // By a name of this machine, too: a page may be opened as localhost.
    let host = format!("localhost:{}", socket.port());
    let origin = format!("http://localhost:{}", pages.port());
    let upgrade = [
        ("Host", host.as_str()),
        ("Origin", origin.as_str()),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    assert_eq!(switched(socket, &upgrade).await, 101);
    for (address, origin) in &good {
        let ws = Socket::connect(*address, "/", Some(origin)).await;
        assert!(ws.is_ok(), "{origin} at {address}");
    }
    let bad = [
        (socket, "http://evil.example".to_owned()),
        (socket, "null".to_owned()),
        (socket, format!("http://localhost:{}", pages.port())),
        (
            socket,
            format!("http://127.0.0.1:{}", pages.port().wrapping_add(1)),
        ),
        (socket, format!("https://{pages}")),
        (socket, format!("http://{pages}.evil.example")),
        (pages, format!("http://{socket}")),
        (pages, "http://evil.example".to_owned()),
    ];
    for (address, origin) in &bad {
        let ws = Socket::connect(*address, "/", Some(origin)).await;
        assert!(ws.is_err(), "{origin} at {address}");
    }
    for (method, path) in [
        ("GET", "/?console&session=x"),
        ("GET", "/?kill=x"),
        ("GET", "/"),
        ("POST", "/?session=x"),
        ("PUT", "/evil"),
    ] {
        let headers = [("Origin", "http://evil.example")];
        let answer = request(pages, method, path, &headers, b"").await;
        assert_eq!(answer.status, 403, "{method} {path}");
        let headers = [("Host", "evil.example")];
        let answer = request(pages, method, path, &headers, b"").await;
        assert_eq!(answer.status, 421, "{method} {path}");
    }
    for (path, status) in [("/?kill=x", 403), ("/?console", 403), ("/", 200)] {
        let headers = [("Sec-Fetch-Site", "cross-site")];
        let answer = request(pages, "GET", path, &headers, b"").await;
        assert_eq!(answer.status, status, "{path} from a link");
    }
    server.stop().await;
}

#[tokio::test]
async fn with_authentication_nothing_is_open() {
    let printed = words(&run(&["-http", "0", "-ws", "0", "--print-config"]).stdout);
    let asked = printed.replace("    auth: false", "    auth: true");
    let server = Config::new(BINARY)
        .with("asked.yaml", asked)
        .preset(&["serve", "-c", "asked.yaml"], 2)
        .start();
    let pages = server.urls()[0].split('#').next().unwrap().to_owned();
    let pages: SocketAddr = pages["http://".len()..pages.len() - 1].parse().unwrap();
    for (method, path) in [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/index.html"),
        ("GET", "/?console"),
        ("GET", "/?sessions"),
        ("GET", "/?kill=x"),
        ("POST", "/"),
        ("PUT", "/x"),
        ("DELETE", "/"),
    ] {
        let answer = request(pages, method, path, &[], b"").await;
        assert_eq!(answer.status, 401, "{method} {path}");
    }
    assert!(Socket::connect(pages, "/", None).await.is_err());
    server.stop().await;
}

/// The status of an upgrade; the connection is dropped then.
async fn switched(address: SocketAddr, headers: &[(&str, &str)]) -> u16 {
    let mut request = "GET / HTTP/1.1\r\n".to_owned();
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut line = String::new();
    let read = timeout(DEADLINE, BufReader::new(&mut stream).read_line(&mut line)).await;
    read.expect("an answer in time").unwrap();
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|number| number.parse().ok());
    status.unwrap_or_else(|| panic!("no status: {line:?}"))
}

/// Who may only look starts nothing, ends nothing and leaves nothing behind.
#[tokio::test]
async fn a_viewer_changes_nothing() {
    let token = Command::new(BINARY).args(["config", "new-token"]).output();
    let token = words(&token.expect("the binary runs").stdout);
    let mut lines = token.lines().filter_map(|line| line.split_once(": "));
    let mut word = || lines.next().expect("a line each").1.trim().to_owned();
    let (token, sha256) = (word(), word());
    let yaml = format!(
        "services: {{sh: {{command: [sh]}}}}
listeners: [{{url: \"http://127.0.0.1:0\", dialect: xwterm}}]
auth: {{tokens: {{guest: {{sha256: {sha256}, role: viewer}}}}}}
"
    );
    let server = Config::new(BINARY)
        .with("viewer.yaml", yaml)
        .preset(&["serve", "-c", "viewer.yaml"], 1)
        .start();
    let bearer = format!("Bearer {token}");
    let ask = async |method: &str, path: &str| {
        let headers = [("Authorization", bearer.as_str())];
        request(http(&server), method, path, &headers, b"x").await
    };
    assert_eq!(ask("GET", "/").await.status, 200);
    assert_eq!(ask("PUT", "/planted.txt").await.status, 403);
    assert_eq!(ask("GET", "/?size=24x80&session=mine").await.status, 403);
    assert_eq!(ask("POST", "/?session=mine").await.status, 200);
    assert_eq!(ask("GET", "/?kill=mine").await.status, 200);
    let list = cli(&server, &["ls", "--json"]);
    assert_eq!(list.trim(), "[]", "no shell is started");
    server.stop().await;
}

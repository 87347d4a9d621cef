//! Bad input on every wire: an error or a close for whoever sent it, and nothing at all for anybody else.

use anywire::cli::client::http::{HttpError, Peer};
use anywire::cli::client::link::{Event, LinkError};
use anywire::cli::client::ws::{Message, WebSocket, WsError};
use anywire_codec::dialect::native::{Client, SUBPROTOCOL};
use anywire_testkit::processes::{self, resident};
use anywire_testkit::{Attach, Config, DEADLINE, NativeClient, Rng, Server, rounds, wait_until};
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a server may grow by, whatever is thrown at it.
const GROWTH: u64 = 16 << 20;

/// The server is the same process, answers, and is not much larger.
struct Unharmed {
    pid: Option<u32>,
    resident: u64,
}

impl Unharmed {
    fn look(server: &Server) -> Self {
        let pid = server.server_pid();
        Self {
            pid,
            resident: pid.map_or(0, resident),
        }
    }

    async fn check(&self, server: &Server) {
        let answer = server
            .request(&server.peer(), Method::GET, "/healthz", "")
            .await;
        assert_eq!(
            (answer.status(), answer.body().trim_ascii()),
            (StatusCode::OK, &b"ok"[..])
        );
        assert_eq!(
            server.server_pid(),
            self.pid,
            "the server did not restart\n{}",
            server.log()
        );
        let now = self.pid.map_or(0, resident);
        assert!(
            now < self.resident + GROWTH,
            "{} -> {now} bytes",
            self.resident
        );
    }
}

/// Sends bytes and waits until the server has closed or answered and closed.
async fn throw(server: &Server, scheme: &str, bytes: &[u8]) {
    let mut stream = TcpStream::connect(server.address(scheme))
        .await
        .expect("the listener takes connections");
    // The server may close before it has taken everything.
    let _ = timeout(DEADLINE, stream.write_all(bytes))
        .await
        .expect("the server takes or refuses");
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = timeout(DEADLINE, stream.read_to_end(&mut answer))
        .await
        .expect("the server closes");
}

#[tokio::test]
async fn noise_on_every_listener() {
    let mut rng = Rng::new();
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .listener("tcp://127.0.0.1:0")
        .command(["cat"])
        .start();
    let unharmed = Unharmed::look(&server);
    for _ in 0..rounds(20) {
        let noise: Vec<u8> = (0..rng.below(5000)).map(|_| rng.below(256) as u8).collect();
        throw(&server, "http", &noise).await;
    }
    let endless = [b"GET / HTTP/1.1\r\nx: ".as_slice(), &[b'a'; 2 << 20]].concat();
    for bytes in [
        b"GET / HTTP/1.1\r\nhost: ".as_slice(),
        b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &endless,
    ] {
        throw(&server, "http", bytes).await;
    }
    unharmed.check(&server).await;
}

#[tokio::test]
async fn noise_on_the_byte_wires() {
    let mut rng = Rng::new();
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .listener("tcp://127.0.0.1:0")
        .listener("telnet://127.0.0.1:0")
        .listener("auto://127.0.0.1:0")
        .pipe()
        .command(["cat"])
        .start();
    let unharmed = Unharmed::look(&server);
    for _ in 0..rounds(10) {
        let noise: Vec<u8> = (0..rng.below(5000)).map(|_| rng.below(256) as u8).collect();
        for scheme in ["tcp", "telnet", "auto"] {
            throw(&server, scheme, &noise).await;
        }
    }
    // A subnegotiation without an end, options that are asked for again and again, questions without end.
    let endless = [b"\xff\xfa\x1f".as_slice(), &[0; 4 << 20]].concat();
    for bytes in [
        endless.as_slice(),
        &b"\xff\xfd\x63".repeat(100_000),
        &b"\xff\xf6".repeat(10_000),
        b"\xff",
        b"\xff\xfa",
        b"\x16\x03",
        b"\0\x20{",
        &b"GET /".repeat(1 << 20),
    ] {
        for scheme in ["telnet", "auto"] {
            throw(&server, scheme, bytes).await;
        }
    }
    unharmed.check(&server).await;
}

async fn upgrade(server: &Server) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(server.address("http"))
        .await
        .expect("the listener takes connections");
    WebSocket::connect(stream, &server.peer(), "/ws", SUBPROTOCOL)
        .await
        .expect("an upgrade")
}

#[tokio::test]
async fn frames_and_messages_that_make_no_sense() {
    let server = Config::new(env!("CARGO_BIN_EXE_anywire")).start();
    let unharmed = Unharmed::look(&server);
    let giant = b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0";
    for raw in [
        &b"\x81\x02{}"[..],
        b"\xf1\x80\0\0\0\0",
        b"\x89\xfe\x7f\xff\0\0\0\0",
        giant,
        b"\x80\x80\0\0\0\0",
    ] {
        let mut ws = upgrade(&server).await;
        ws.raw(raw);
        let end = timeout(DEADLINE, ws.next())
            .await
            .expect("the server closes");
        assert!(
            !matches!(end, Ok(Some(Message::Binary(_)))),
            "{raw:?}: {end:?}"
        );
    }
    for text in [
        "",
        "nonsense",
        "[]",
        r#"{"type":7}"#,
        r#"{"type":"hello","since":-1}"#,
    ] {
        let mut ws = upgrade(&server).await;
        ws.text(text.as_bytes());
        let mut last = None;
        while let Ok(Some(message)) = timeout(DEADLINE, ws.next())
            .await
            .expect("the server closes")
        {
            last = Some(message);
        }
        let closed = matches!(last, Some(Message::Close(4400..=4413, _)));
        assert!(closed, "{text}: {last:?}");
    }
    unharmed.check(&server).await;
}

#[tokio::test]
async fn a_session_outlives_its_clients_mistakes() {
    let server = Config::new(env!("CARGO_BIN_EXE_anywire")).start();
    let unharmed = Unharmed::look(&server);
    let mut good = NativeClient::attach(&server, Attach::default()).await;
    let session = good.session();

    // A type that does not exist is answered, and the connection goes on.
    let mut odd = NativeClient::attach(&server, Attach::to(&session)).await;
    odd.link().ws().text(br#"{"type":"later"}"#);
    odd.until("an error", |odd| !odd.errors.is_empty()).await;
    odd.send("echo od''d\r");
    odd.see("odd").await;

    // Input from beyond what was sent, too much of it, and a message of no kind end the connection.
    let too_much = vec![0; (64 << 10) + 1];
    let beyond = Client::Input {
        offset: 1 << 40,
        bytes: b"x",
    };
    let long = Client::Input {
        offset: 0,
        bytes: &too_much,
    };
    for message in [Some(beyond), Some(long), None] {
        let mut bad = NativeClient::attach(&server, Attach::to(&session)).await;
        match message {
            Some(message) => bad.message(&message),
            None => bad.link().ws().binary(b"\x09"),
        }
        let code = loop {
            match timeout(DEADLINE, bad.link().next())
                .await
                .expect("the server closes")
            {
                Ok(Event::Closed { code, .. }) => break code,
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        };
        assert!(matches!(code, 4400 | 4413 | 1009), "{code}");
    }
    good.send("echo go''od\r");
    good.see("good").await;
    unharmed.check(&server).await;
}

#[tokio::test]
async fn who_never_says_hello_is_let_go() {
    let server = Config::new(env!("CARGO_BIN_EXE_anywire")).start();
    let mut ws = upgrade(&server).await;
    let code = loop {
        match timeout(DEADLINE, ws.next())
            .await
            .expect("the server closes")
        {
            Ok(Some(Message::Close(code, _))) => break code,
            Ok(Some(Message::Text(_))) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, 4400);
    assert!(server.sessions().await.is_empty());
}

fn refusal(error: &LinkError) -> Option<StatusCode> {
    match error {
        LinkError::Ws(WsError::Http(HttpError::Status { status, .. })) => Some(*status),
        _ => None,
    }
}

/// Host and Origin are checked on every route, before the upgrade; credentials too.
#[tokio::test]
async fn strangers_stay_outside() {
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .with_auth()
        .start();
    let friend = server.login().await;
    let own = server.address("http");
    let with = |name: &str, value: String| {
        let mut peer = friend.clone();
        peer.headers.push((name.into(), value));
        peer
    };
    let attach = |peer: Peer| {
        let server = &server;
        async move {
            NativeClient::try_attach(server, &peer, Attach::default())
                .await
                .err()
        }
    };
    assert!(
        attach(with("origin", format!("http://{own}")))
            .await
            .is_none()
    );
    for origin in [
        "http://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://127.0.0.1",
        "https://",
    ] {
        let error = attach(with("origin", origin.into()))
            .await
            .expect("a refusal");
        assert_eq!(refusal(&error), Some(StatusCode::FORBIDDEN), "{origin}");
    }
    for evil in [
        format!("http://{own}.evil.example"),
        format!("http://evil.{own}"),
    ] {
        let error = attach(with("origin", evil.clone()))
            .await
            .expect("a refusal");
        assert_eq!(refusal(&error), Some(StatusCode::FORBIDDEN), "{evil}");
    }
    let error = attach(server.peer()).await.expect("a refusal");
    assert_eq!(refusal(&error), Some(StatusCode::UNAUTHORIZED));
    let rebound = Peer {
        host: format!("evil.example:{}", own.port()),
        ..friend.clone()
    };
    for path in ["/", "/api/sessions", "/ws"] {
        let answer = server.request(&rebound, Method::GET, path, "").await;
        assert!(
            matches!(answer.status().as_u16(), 403 | 421),
            "{path}: {}",
            answer.status()
        );
    }
    for (method, path) in [
        (Method::GET, "/api/sessions"),
        (Method::POST, "/api/tickets"),
        (Method::DELETE, "/api/sessions/x"),
    ] {
        let answer = server
            .request(&server.peer(), method.clone(), path, "")
            .await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
    }
}

#[tokio::test]
async fn codes_are_guarded_and_tickets_are_for_once() {
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .with_auth()
        .start();
    let stranger = server.peer();
    let login = |body: String| {
        let (server, stranger) = (&server, &stranger);
        async move {
            server
                .request(stranger, Method::POST, "/api/login", &body)
                .await
                .status()
        }
    };
    let mut friend = server.login().await;
    // With a cookie only the page itself may change anything.
    let answer = server
        .request(&friend, Method::POST, "/api/tickets", "{}")
        .await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let origin = format!("http://{}", server.address("http"));
    friend.headers.push(("origin".into(), origin));
    let answer = server
        .request(&friend, Method::POST, "/api/tickets", "{}")
        .await;
    assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
    let ticket: serde_json::Value = serde_json::from_slice(answer.body()).expect("a ticket");
    let body = serde_json::json!({ "ticket": ticket["ticket"] }).to_string();
    assert_eq!(login(body.clone()).await, StatusCode::NO_CONTENT);
    assert!(login(body).await.is_client_error());
    // Wrong codes are refused, and soon not even looked at.
    let mut last = StatusCode::OK;
    for _ in 0..20 {
        last = login(r#"{"code":"AAAAAAAAAA"}"#.into()).await;
        assert!(matches!(last.as_u16(), 401 | 429), "{last}");
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

/// Out of descriptors, with more clients at the door: the server waits longer and longer before it looks again, those
/// that it has go on, and who comes when there is room is served.
#[tokio::test]
async fn a_storm_beyond_its_descriptors_passes() {
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .listener("tcp://127.0.0.1:0")
        .start();
    let mut live = NativeClient::open(&server).await;
    live.send("echo be''fore\r");
    live.see("before").await;
    let unharmed = Unharmed::look(&server);
    let pid = unharmed.pid.expect("a server");
    // More than the sessions have that the storm begins and that are kept for a while.
    processes::limit_descriptors(pid, processes::descriptors(pid).len() + 100);
    let connect = async |scheme| {
        let stream = TcpStream::connect(server.address(scheme)).await;
        stream.expect("the kernel takes connections")
    };
    let mut early = connect("http").await;
    let mut storm = Vec::new();
    for scheme in ["http", "http", "tcp"] {
        for _ in 0..100 {
            storm.push(connect(scheme).await);
        }
    }
    let log = server.dir().join("log");
    wait_until("a pause that has grown", || {
        let log = std::fs::read_to_string(&log).expect("a log");
        let long = |line: &str| line.contains("os error 24") && line.contains("millis=160");
        log.lines().any(long).then_some(())
    })
    .await;
    for round in 0..3 {
        live.send(format!("echo still''{round}\r"));
        live.see(&format!("still{round}")).await;
    }
    assert_eq!(live.connections, 1);
    // Who was there before can still start something: the storm has not got everything.
    let host = server.address("http");
    let request = format!(
        "POST /api/sessions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    early.write_all(request.as_bytes()).await.expect("it holds");
    let mut status = [0; 12];
    early.read_exact(&mut status).await.expect("an answer");
    assert_eq!(String::from_utf8_lossy(&status), "HTTP/1.1 201");
    drop(storm);
    // Still with as few descriptors as in the storm. The sessions that it began are the last to go.
    unharmed.check(&server).await;
    server
        .until_sessions("the storm is over", |sessions| {
            let running = |session: &&serde_json::Value| session["exit"].is_null();
            sessions.iter().filter(running).count() == 2
        })
        .await;
    let mut late = NativeClient::open(&server).await;
    late.send("echo af''ter\r");
    late.see("after").await;
    live.send("exit 3\r");
    assert_eq!(live.exit().await.code, 3);
    server.stop().await;
}

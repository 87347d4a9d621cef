//! Limits on connections, and deadlines for who is slow on purpose.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use anywire_codec::dialect::native::{Hello, SUBPROTOCOL};
use anywire_model::Role;
use anywire_wire::Stderr;
use common::client::{self, Frame};
use common::plain::Plain;
use common::{Server, Setup, soon};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UnixStream};
use tokio::time::Instant;

fn shared(script: &str) -> Setup {
    let mut setup = Setup::terminal(script);
    setup.shared = true;
    setup
}

/// A connection that is there: its place is taken.
async fn taken(server: &Server, at: SocketAddr) -> Plain {
    let mut client = Plain::connect(at).await;
    if at == server.http {
        client
            .send(format!("GET /healthz HTTP/1.1\r\nHost: {at}\r\n\r\n"))
            .await;
        client.see("ok").await;
    } else {
        client.see("hello").await;
    }
    client
}

#[tokio::test]
async fn one_too_many_is_told_so_and_the_next_one_after_that_is_served() {
    for rules in [
        (|listener| {
            listener.max_connections = 2;
            listener.linger = Some(Duration::ZERO);
        }) as fn(&mut anywire_wire::Listener),
        |listener| {
            listener.max_per_address = 2;
            listener.linger = Some(Duration::ZERO);
        },
    ] {
        let mut setup = shared("stty -echo; echo hello; cat");
        setup.rules = rules;
        let server = setup.start().await;
        for at in [server.http, server.tcp, server.telnet] {
            let (_one, two) = (taken(&server, at).await, taken(&server, at).await);
            let mut three = Plain::connect(at).await;
            three.send("GET / HTTP/1.1\r\n\r\n").await;
            let answer = three.end().await;
            let answer = String::from_utf8_lossy(&answer);
            if at == server.http {
                assert!(
                    answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
                    "{answer}"
                );
                assert!(
                    answer.contains("Retry-After: ") && answer.contains("problem+json"),
                    "{answer}"
                );
            } else {
                assert_eq!(answer, "anywire: too many connections; try again later\r\n");
            }
            drop(two);
            // The place comes free as soon as the server has heard of that.
            loop {
                let mut next = Plain::connect(at).await;
                next.send(format!("GET /healthz HTTP/1.1\r\nHost: {at}\r\n\r\n"))
                    .await;
                soon(next.stream.read_buf(&mut next.got)).await.unwrap();
                if !next.shown().contains("too many") && !next.shown().contains("503") {
                    break;
                }
            }
        }
        server.shutdown().await;
    }
}

/// Of four places: whoever has not logged in gets two from one address, and a third when one of them has.
#[tokio::test]
async fn strangers_of_one_address_leave_half_of_the_places_to_others() {
    let mut setup = shared("stty -echo; echo hello; cat");
    setup.auth = true;
    setup.rules = |listener| listener.max_connections = 4;
    let server = setup.start().await;
    let code = server.admission.start_code();
    let content = format!(r#"{{"action":"auth","password":"{code}"}}"#);
    let header = format!(
        r#"{{"content-length":{},"content-type":"text/json","content-encoding":"utf-8","keep-alive":true}}"#,
        content.len()
    );
    let framed = [
        &(header.len() as u16).to_be_bytes(),
        header.as_bytes(),
        content.as_bytes(),
    ];
    let http = format!(
        "GET /api/me HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {code}\r\n\r\n",
        server.http
    );
    let typed = format!("{code}\r\n");
    for (at, asked, login, let_in) in [
        (server.http, "", http.as_bytes(), "role"),
        (server.tcp, "start code: ", typed.as_bytes(), "hello"),
        (server.telnet, "start code: ", typed.as_bytes(), "hello"),
        (server.framed, "", &*framed.concat(), "ok"),
    ] {
        let mut two = [Plain::connect(at).await, Plain::connect(at).await];
        for one in two.iter_mut().filter(|_| !asked.is_empty()) {
            one.see(asked).await;
        }
        let refused = Plain::connect(at).await.end().await;
        let refused = String::from_utf8_lossy(&refused).into_owned();
        assert!(refused.contains("too many"), "{at}: {refused}");
        two[0].send(login).await;
        two[0].see(let_in).await;
        let mut three = Plain::connect(at).await;
        three.send(login).await;
        three.see(let_in).await;
    }
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn slow_talkers_are_cut_off_on_every_wire() {
    let mut setup = shared("cat");
    setup.auth = true;
    setup.role = Role::Owner;
    let server = setup.start().await;
    for (at, said, seconds) in [
        (server.http, "", 10),
        (server.http, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", 10),
        (server.tcp, "abc", 30),
        (server.telnet, "abc\u{0}", 30),
        (server.auto, "GET / HTT", 10),
    ] {
        let mut client = Plain::connect(at).await;
        client.send(said).await;
        let start = Instant::now();
        // One byte now and then does not help.
        loop {
            let read = client.stream.read_buf(&mut client.got);
            match tokio::time::timeout(Duration::from_secs(3), read).await {
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(_)) => {}
                Err(_) => drop(client.stream.write_all(b"x").await),
            }
            assert!(start.elapsed().as_secs() < seconds + 5, "{said:?} at {at}");
        }
        let took = start.elapsed().as_secs();
        assert!((seconds..seconds + 4).contains(&took), "{said:?}: {took} s");
    }
    let mut setup = shared("cat");
    setup.role = Role::Owner;
    let open = setup.start().await;
    for (protocol, said) in [(SUBPROTOCOL, ""), (SUBPROTOCOL, "half"), ("tty", "")] {
        let mut socket = client::connect(open.http, "/ws", protocol).await;
        if !said.is_empty() {
            // A frame of which more is announced than comes.
            socket.send_bytes(b"\x81\xff\0\0").await;
        }
        let start = Instant::now();
        while !matches!(socket.next().await, Frame::End) {}
        let took = start.elapsed().as_secs();
        assert!((5..12).contains(&took), "{protocol} {said}: {took} s");
    }
    open.shutdown().await;
    let body = format!(
        "POST /api/login HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{{",
        server.http
    );
    let mut client = Plain::connect(server.http).await;
    client.send(body).await;
    let start = Instant::now();
    client.see("HTTP/1.1 4").await;
    assert_eq!(start.elapsed().as_secs(), 10);
    assert!(server.registry.list().is_empty());
    server.shutdown().await;
}

/// A peer whose machine is gone says nothing, and nothing says so: the connection is open at one end only.
#[tokio::test(start_paused = true)]
async fn a_websocket_that_gives_no_sign_of_life_is_let_go() {
    let mut setup = shared("cat");
    setup.role = Role::Owner;
    let server = setup.start().await;
    for protocol in [SUBPROTOCOL, "tty"] {
        let mut socket = client::connect(server.http, "/ws", protocol).await;
        if protocol == SUBPROTOCOL {
            socket.hello(Hello::default()).await;
        } else {
            socket.text(r#"{"columns":80,"rows":24}"#).await;
        }
        let start = Instant::now();
        let mut buffer = [0; 1024];
        // Pings are not answered. Without a timer of ours, or the paused clock could run ahead of the socket.
        while let Ok(1..) = socket.stream.read(&mut buffer).await {}
        let took = start.elapsed().as_secs();
        assert!((70..130).contains(&took), "{protocol}: {took} s");
    }
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn who_never_reads_the_answer_is_cut_off() {
    let mut setup = shared("cat");
    setup.rules = |listener| listener.max_connections = 1;
    let server = setup.start().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut deaf = socket.connect(server.http).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", server.http);
    let asking = async {
        // Until the server reads no more, since its answers are not taken.
        while deaf.write_all(request.as_bytes()).await.is_ok() {}
    };
    let start = Instant::now();
    let _ = tokio::time::timeout(Duration::from_secs(300), asking).await;
    let took = start.elapsed().as_secs();
    assert!((30..40).contains(&took), "cut off after {took} s");
    // The place is free.
    taken(&server, server.http).await;
    server.shutdown().await;
}

#[tokio::test]
async fn half_a_close_has_a_linger() {
    let mut setup = Setup::script("cat; echo late; exec sleep 1000");
    setup.rules = |listener| listener.linger = Some(Duration::from_millis(300));
    let server = setup.start().await;
    for at in [server.tcp, server.telnet] {
        let mut client = Plain::connect(at).await;
        client.send("unfinished").await;
        client.stream.shutdown().await.unwrap();
        let all = client.end().await;
        assert!(
            String::from_utf8_lossy(&all).starts_with("unfinishedlate"),
            "{all:?}"
        );
    }
    server.shutdown().await;
}

#[tokio::test]
async fn half_a_close_is_end_of_file_on_a_terminal() {
    let server = Setup::terminal("stty -echo; cat; echo done").start().await;
    let mut client = Plain::connect(server.tcp).await;
    client.send("unfinished").await;
    client.stream.shutdown().await.unwrap();
    let all = client.end().await;
    let all = String::from_utf8_lossy(&all);
    assert!(
        all.contains("unfinished") && all.contains("done\r\n"),
        "{all}"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn standard_error_may_be_dropped_where_there_is_one_stream() {
    let mut setup = Setup::script("echo out; echo err >&2; echo out");
    setup.rules = |listener| listener.stderr = Stderr::Drop;
    let server = setup.start().await;
    for (at, want) in [
        (server.tcp, &b"out\nout\n"[..]),
        (server.telnet, b"out\r\nout\r\n"),
    ] {
        assert_eq!(Plain::connect(at).await.end().await, want);
    }
    let mut socket = client::connect(server.http, "/ws", SUBPROTOCOL).await;
    socket.hello(Hello::default()).await;
    let all = socket.gather(|seen| seen.closed.is_some()).await;
    assert_eq!(
        (all.out, all.err),
        (b"out\nout\n".to_vec(), b"err\n".to_vec())
    );
    server.shutdown().await;
}

#[tokio::test]
async fn raw_bytes_on_a_unix_socket() {
    let mut setup = Setup::script("cat; echo done");
    setup.auth = true;
    let server = setup.start().await;
    let mut client = UnixStream::connect(&server.unix_raw).await.unwrap();
    client
        .write_all(b"no code is asked of a process of the same user")
        .await
        .unwrap();
    client.shutdown().await.unwrap();
    let mut all = String::new();
    soon(client.read_to_string(&mut all)).await.unwrap();
    assert_eq!(all, "no code is asked of a process of the same userdone\n");
    server.shutdown().await;
}

/// A socket's file lets nobody but its user in; what he may do there is the listener's affair all the same.
#[tokio::test]
async fn a_viewers_unix_socket_makes_nobody_an_owner() {
    let mut setup = Setup::pipe(&["cat"]);
    setup.role = Role::Viewer;
    let server = setup.start().await;
    for (request, want) in [
        ("GET /api/me", "\"role\":\"viewer\""),
        ("GET /api/code", " 403 "),
        ("POST /api/sessions", " 403 "),
    ] {
        let mut client = UnixStream::connect(&server.unix).await.unwrap();
        let request = format!(
            "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon(client.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.contains(want), "{answer}");
    }
    server.shutdown().await;
}

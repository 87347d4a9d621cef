//! The native dialect against real programs: input, output, sizes, signals, exit; one session on many wires.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use anywire_codec::dialect::native::{Client, ErrorCode, Hello, SUBPROTOCOL, ServerText};
use anywire_model::{ExitReason, Role, Signal, Size};
use common::client::{self, Gathered, Socket};
use common::{Server, Setup, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

async fn native(server: &Server) -> Socket {
    client::connect(server.http, "/ws", SUBPROTOCOL).await
}

fn exit_of(all: &Gathered) -> Option<&ServerText> {
    all.control
        .iter()
        .find(|text| matches!(text, ServerText::Exit { .. }))
}

#[tokio::test]
async fn echo_is_counted_and_acknowledged_and_ends_with_its_exit() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut socket = native(&server).await;
    let hello = Hello {
        client: Some(7),
        ..Hello::default()
    };
    let ServerText::Welcome(welcome) = socket.hello(hello).await else {
        panic!("no welcome");
    };
    assert_eq!(
        (welcome.from, welcome.input, welcome.role),
        (0, 0, Role::Owner)
    );
    let input = |offset, bytes| Client::Input { offset, bytes };
    socket.say(&input(0, b"one ")).await;
    socket.say(&input(2, b"e two\n")).await;
    socket.say(&Client::Ping(42)).await;
    socket.say(&Client::Eof).await;
    let all = socket.gather(|all| all.closed.is_some()).await;
    assert_eq!(all.text(), "one two\n");
    assert!(all.control.contains(&ServerText::Pong { id: 42 }));
    assert!(all.control.contains(&ServerText::Input { offset: 8 }));
    let exit = ServerText::exit(ExitReason::Code { code: 0 }, 8);
    assert_eq!(all.control.last(), Some(&exit));
    assert_eq!(all.closed, Some(1000));
    server.shutdown().await;
}

#[tokio::test]
async fn both_streams_arrive_apart_and_in_full() {
    let script = "seq 1 20000; seq 1 5 >&2; exit 3";
    let server = Setup::script(script).start().await;
    let mut socket = native(&server).await;
    socket.hello(Hello::default()).await;
    let all = socket.gather(|all| all.closed.is_some()).await;
    let want: String = (1..=20000).map(|n| format!("{n}\n")).collect();
    assert_eq!(all.text(), want);
    assert_eq!(all.err, b"1\n2\n3\n4\n5\n");
    let total = (want.len() + 10) as u64;
    let exit = ServerText::exit(ExitReason::Code { code: 3 }, total);
    assert_eq!(exit_of(&all), Some(&exit));
    server.shutdown().await;
}

#[tokio::test]
async fn a_terminal_has_the_client_s_size_and_follows_it() {
    let script = "stty -echo; stty size; while read _; do stty size; done";
    let server = Setup::terminal(script).start().await;
    let mut socket = native(&server).await;
    let hello = Hello {
        cols: Some(100),
        rows: Some(30),
        ..Hello::default()
    };
    socket.hello(hello).await;
    socket.gather(|all| all.text().contains("30 100")).await;
    socket
        .say(&Client::Resize(Size { cols: 90, rows: 20 }))
        .await;
    let resized = |text: &ServerText| {
        matches!(
            text,
            ServerText::Resize {
                cols: 90,
                rows: 20,
                ..
            }
        )
    };
    socket.gather(|all| all.control.iter().any(resized)).await;
    let input = Client::Input {
        offset: 0,
        bytes: b"\n",
    };
    socket.say(&input).await;
    socket.gather(|all| all.text().contains("20 90")).await;
    server.shutdown().await;
}

#[tokio::test]
async fn signals_and_kills_reach_the_program() {
    let script = "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 1 & wait; done";
    let server = Setup::terminal(script).start().await;
    let mut socket = native(&server).await;
    socket.hello(Hello::default()).await;
    socket.gather(|all| all.text().contains("ready")).await;
    socket.say(&Client::Signal(Signal::Int)).await;
    let all = socket.gather(|all| all.closed.is_some()).await;
    assert!(all.text().contains("caught"));
    assert!(matches!(
        exit_of(&all),
        Some(ServerText::Exit { code: 5, .. })
    ));

    let mut socket = native(&server).await;
    socket.hello(Hello::default()).await;
    socket.gather(|all| all.text().contains("ready")).await;
    socket.say(&Client::Kill).await;
    let all = socket.gather(|all| all.closed.is_some()).await;
    let Some(ServerText::Exit { reason, .. }) = exit_of(&all) else {
        panic!("no exit: {all:?}");
    };
    assert!(matches!(reason, ExitReason::KilledBy { .. }));
    server.shutdown().await;
}

#[tokio::test]
async fn a_viewer_sees_and_changes_nothing() {
    let mut setup = Setup::pipe(&["cat"]);
    setup.shared = true;
    let server = setup.start().await;
    let mut owner = native(&server).await;
    owner.hello(Hello::default()).await;
    let mut viewer = native(&server).await;
    let hello = Hello {
        role: Some(Role::Viewer),
        ..Hello::default()
    };
    let ServerText::Welcome(welcome) = viewer.hello(hello).await else {
        panic!("no welcome");
    };
    assert_eq!(welcome.role, Role::Viewer);
    for message in [
        Client::Input {
            offset: 0,
            bytes: b"no",
        },
        Client::Eof,
        Client::Kill,
        Client::Signal(Signal::Kill),
    ] {
        viewer.say(&message).await;
        let answer = viewer.control().await;
        assert!(matches!(
            answer,
            ServerText::Error {
                code: ErrorCode::Forbidden,
                ..
            }
        ));
    }
    let input = Client::Input {
        offset: 0,
        bytes: b"yes\n",
    };
    owner.say(&input).await;
    let all = viewer.gather(|all| all.text().ends_with('\n')).await;
    assert_eq!(all.text(), "yes\n");
    server.shutdown().await;
}

#[tokio::test]
async fn a_listener_s_role_is_the_most_there_is() {
    let mut setup = Setup::pipe(&["cat"]);
    setup.role = Role::Viewer;
    let server = setup.start().await;
    let mut socket = native(&server).await;
    let hello = Hello {
        role: Some(Role::Owner),
        ..Hello::default()
    };
    let ServerText::Welcome(welcome) = socket.hello(hello).await else {
        panic!("no welcome");
    };
    assert_eq!(welcome.role, Role::Viewer);
    server.shutdown().await;
}

#[tokio::test]
async fn a_session_is_found_by_id_by_name_and_by_address() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut first = native(&server).await;
    let ServerText::Welcome(made) = first.hello(Hello::default()).await else {
        panic!("no welcome");
    };
    for key in [made.session.to_string(), made.name.clone()] {
        let mut socket = native(&server).await;
        let hello = Hello {
            session: Some(key.clone()),
            ..Hello::default()
        };
        let ServerText::Welcome(welcome) = socket.hello(hello).await else {
            panic!("no welcome");
        };
        assert_eq!(welcome.session, made.session);
        let path = format!("/ws?session={key}");
        let mut socket = client::connect(server.http, &path, SUBPROTOCOL).await;
        let ServerText::Welcome(welcome) = socket.hello(Hello::default()).await else {
            panic!("no welcome");
        };
        assert_eq!(welcome.session, made.session);
    }
    let mut socket = native(&server).await;
    let hello = Hello {
        session: Some("nobody".to_owned()),
        ..Hello::default()
    };
    let answer = socket.hello(hello).await;
    assert!(matches!(
        answer,
        ServerText::Error {
            code: ErrorCode::NoSuchSession,
            ..
        }
    ));
    assert_eq!(socket.closed().await, 4404);
    server.shutdown().await;
}

#[tokio::test]
async fn who_comes_back_gets_exactly_the_bytes_from_there() {
    let mut setup = Setup::pipe(&["cat"]);
    setup.shared = true;
    let server = setup.start().await;
    let mut socket = native(&server).await;
    let hello = |since| Hello {
        since: Some(since),
        client: Some(9),
        ..Hello::default()
    };
    socket.hello(hello(0)).await;
    let input = |offset, bytes| Client::Input { offset, bytes };
    socket.say(&input(0, b"0123456789")).await;
    socket.gather(|all| all.text() == "0123456789").await;
    drop(socket);
    let mut socket = native(&server).await;
    let ServerText::Welcome(welcome) = socket.hello(hello(4)).await else {
        panic!("no welcome");
    };
    assert_eq!((welcome.from, welcome.head, welcome.input), (4, 10, 10));
    // Sent again, taken once.
    socket.say(&input(8, b"89ab")).await;
    let all = socket.gather(|all| all.text().ends_with('b')).await;
    assert_eq!(all.text(), "456789ab");
    socket.say(&input(99, b"gap")).await;
    assert_eq!(socket.closed().await, 4400);
    server.shutdown().await;
}

#[tokio::test]
async fn one_session_on_every_wire() {
    let mut setup = Setup::pipe(&["cat"]);
    setup.shared = true;
    let server = setup.start().await;
    let mut page = native(&server).await;
    page.hello(Hello::default()).await;
    let mut raw = TcpStream::connect(server.tcp).await.unwrap();
    raw.write_all(b"from tcp\n").await.unwrap();
    page.gather(|all| all.text() == "from tcp\n").await;
    let stream = UnixStream::connect(&server.unix).await.unwrap();
    let mut headers = client::HANDSHAKE.to_vec();
    headers.push(("Sec-WebSocket-Protocol", SUBPROTOCOL));
    let (mut local, _) = client::upgrade(stream, "/ws", &headers).await.unwrap();
    let ServerText::Welcome(welcome) = local.hello(Hello::default()).await else {
        panic!("no welcome");
    };
    assert_eq!(
        (welcome.role, welcome.name.as_str()),
        (Role::Owner, "shared")
    );
    local.gather(|all| all.text() == "from tcp\n").await;
    let input = Client::Input {
        offset: 0,
        bytes: b"from unix\n",
    };
    local.say(&input).await;
    let mut all = [0; 19];
    soon(raw.read_exact(&mut all)).await.unwrap();
    assert_eq!(&all, b"from tcp\nfrom unix\n");
    server.shutdown().await;
}

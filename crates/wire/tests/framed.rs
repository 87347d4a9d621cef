//! Sessions by framed messages: TCP, UNIX sockets and WebSocket, and who may.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use anywire_codec::framed::{Header, Id, Limits, Message, Next, Reader, Reply};
use anywire_codec::websocket::Opcode;
use anywire_model::Role;
use anywire_wire::admit::{User, hash_password};
use anywire_wire::framed::{Answer, Caller, Conversation, Deadlines, Service, Settings, USER};
use anywire_wire::tls::Options;
use common::client::{self, Frame};
use common::tls::Client;
use common::{Server, Setup, soon};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// One client's connection.
struct Talk<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl Talk<TcpStream> {
    async fn to(server: &Server) -> Self {
        Self::on(TcpStream::connect(server.framed).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn on(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    async fn send(&mut self, reply: &Reply, id: Option<Id<'_>>) {
        let mut out = Vec::new();
        reply.write(true, id, &mut out).unwrap();
        self.stream.write_all(&out).await.unwrap();
    }

    /// The next answer's header and JSON.
    async fn receive(&mut self) -> (Header<'static>, Value) {
        loop {
            if let Next::Message { used, message } =
                Reader::new(Limits::DEFAULT).message(&self.buffer).unwrap()
            {
                let Message { header, content } = message;
                let value = serde_json::from_slice(content).unwrap();
                let header = Header {
                    content_type: header.content_type.into_owned().into(),
                    content_encoding: header.content_encoding.into_owned().into(),
                    id: header.id.map(Id::into_owned),
                    ..header
                };
                self.buffer.drain(..used);
                return (header, value);
            }
            let n = soon(self.stream.read_buf(&mut self.buffer)).await.unwrap();
            assert!(n > 0, "the connection ended");
        }
    }

    async fn ask(&mut self, request: Value) -> Value {
        self.send(&Reply::json(&request), None).await;
        self.receive().await.1
    }

    /// Reads output until the program has written this.
    async fn see(&mut self, text: &str) -> String {
        let mut all = String::new();
        while !all.contains(text) {
            let read = self.ask(json!({"action": "read", "wait": 20_000})).await;
            assert_eq!(read["result"], "ok", "{read}");
            all += read["data"].as_str().unwrap();
        }
        all
    }

    async fn ended(&mut self) {
        let mut rest = Vec::new();
        soon(self.stream.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"");
    }
}

#[tokio::test]
async fn a_program_is_driven_from_open_to_its_exit() {
    let server = Setup::script("read a; echo got $a; read b; echo aside >&2; cat; exit 3")
        .start()
        .await;
    let mut talk = Talk::to(&server).await;
    let open = talk.ask(json!({"action": "open"})).await;
    assert_eq!(
        (&open["result"], &open["role"]),
        (&json!("ok"), &json!("owner"))
    );
    let id = open["session"].clone();
    let list = talk.ask(json!({"action": "list"})).await;
    assert_eq!(list["sessions"][0]["id"], id);

    let taken = talk
        .ask(json!({"action": "input", "data": "häagen\n"}))
        .await;
    assert_eq!(taken, json!({"result": "ok", "taken": 8}));
    assert_eq!(talk.see("häagen\n").await, "got häagen\n");
    talk.ask(json!({"action": "input", "data": "\n"})).await;
    // Standard error is an answer of its own.
    let aside = talk.ask(json!({"action": "read", "wait": 20_000})).await;
    assert_eq!(
        (&aside["data"], &aside["stream"]),
        (&json!("aside\n"), &json!("err"))
    );
    // What was read can be read again, from any offset, by anybody.
    let again = talk
        .ask(json!({"action": "read", "session": id, "since": 4, "max": 3}))
        .await;
    assert_eq!((&again["data"], &again["next"]), (&json!("hä"), &json!(7)));
    // A message that is no JSON is input; output that is no text is Base64.
    talk.send(&Reply::binary("binary/input", b"\xff\xfe"), None)
        .await;
    assert_eq!(talk.receive().await.1["taken"], 2);
    talk.ask(json!({"action": "input", "base64": "AAE=", "eof": true}))
        .await;
    let since = aside["next"].clone();
    let mut bytes = talk
        .ask(json!({"action": "read", "since": since, "wait": 20_000}))
        .await;
    while bytes["base64"].as_str().unwrap_or_default() != "//4AAQ==" {
        bytes = talk
            .ask(json!({"action": "read", "since": since, "wait": 20_000}))
            .await;
    }
    let mut end = json!({});
    while end.get("exit").is_none() {
        end = talk
            .ask(json!({"action": "read", "since": bytes["next"], "wait": 20_000}))
            .await;
    }
    assert_eq!(
        (&end["code"], &end["exit"]["kind"]),
        (&json!(3), &json!("code"))
    );
    server.shutdown().await;
}

#[tokio::test]
async fn terminals_have_a_size_a_picture_and_signals() {
    let server = Setup {
        shared: true,
        ..Setup::terminal(
            "trap 'echo interrupted' INT; stty size; while :; do read x; echo said $x; done",
        )
    };
    let server = server.start().await;
    let mut talk = Talk::to(&server).await;
    talk.ask(json!({"action": "open", "cols": 90, "rows": 20}))
        .await;
    talk.see("20 90").await;
    let resized = talk
        .ask(json!({"action": "resize", "cols": 91, "rows": 21}))
        .await;
    assert_eq!(resized["result"], "ok");
    let signalled = talk.ask(json!({"action": "signal", "signal": "int"})).await;
    assert_eq!(signalled["result"], "ok");
    talk.see("interrupted").await;
    // Somebody else comes to the same session and sees the screen.
    let mut late = Talk::to(&server).await;
    late.ask(json!({"action": "open", "role": "viewer"})).await;
    let picture = late.ask(json!({"action": "read"})).await;
    assert_eq!(picture["keyframe"], true, "{picture}");
    assert!(picture["data"].as_str().unwrap().contains("interrupted"));
    let refused = late.ask(json!({"action": "input", "data": "x"})).await;
    assert_eq!(refused["error"]["code"], "forbidden");
    let refused = late.ask(json!({"action": "close", "kill": true})).await;
    assert_eq!(refused["error"]["code"], "forbidden");
    let closed = talk.ask(json!({"action": "close", "kill": true})).await;
    assert_eq!(closed["result"], "ok");
    let mut end = json!({});
    while end.get("exit").is_none() {
        end = late.ask(json!({"action": "read", "wait": 20_000})).await;
    }
    assert_eq!(end["exit"]["kind"], "killed-by");
    server.shutdown().await;
}

#[tokio::test]
async fn answers_come_in_order_and_carry_the_id() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut talk = Talk::to(&server).await;
    let mut all = Vec::new();
    for number in 0..200 {
        let request =
            Reply::json(&json!({"action": if number % 2 == 0 { "list" } else { "close" }}));
        request
            .write(true, Some(Id::Number(number)), &mut all)
            .unwrap();
    }
    let last = Reply::json(&json!({"action": "list"}));
    last.write(false, Some(Id::Text("last".into())), &mut all)
        .unwrap();
    talk.stream.write_all(&all).await.unwrap();
    for number in 0..200 {
        let (header, value) = talk.receive().await;
        assert_eq!(
            (header.id, header.keep_alive),
            (Some(Id::Number(number)), true)
        );
        assert_eq!(value.get("sessions").is_some(), number % 2 == 0);
    }
    let (header, _) = talk.receive().await;
    assert_eq!(
        (header.id, header.keep_alive),
        (Some(Id::Text("last".into())), false)
    );
    talk.ended().await;
    server.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_the_connection_goes_on() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut talk = Talk::to(&server).await;
    for (request, code) in [
        (json!({"action": "read"}), "no_such_session"),
        (json!({"action": "input", "data": "x"}), "no_such_session"),
        (
            json!({"action": "open", "session": "nobody"}),
            "no_such_session",
        ),
        (
            json!({"action": "open", "cols": 0, "rows": 1}),
            "bad_request",
        ),
        (json!({"action": "dance"}), "bad_request"),
        (json!({"action": "signal", "signal": "boo"}), "bad_request"),
        (json!({"action": "input", "base64": "!"}), "bad_request"),
    ] {
        let answer = talk.ask(request.clone()).await;
        assert_eq!(answer["error"]["code"], code, "{request}: {answer}");
    }
    for _ in 0..16 {
        assert_eq!(talk.ask(json!({"action": "open"})).await["result"], "ok");
    }
    assert_eq!(
        talk.ask(json!({"action": "open"})).await["error"]["code"],
        "busy"
    );
    // Which of them is not clear.
    assert_eq!(
        talk.ask(json!({"action": "read"})).await["error"]["code"],
        "no_such_session"
    );
    // What is no request at all ends it.
    assert_eq!(talk.ask(json!([])).await["error"]["code"], "bad_request");
    talk.ended().await;
    server.shutdown().await;
}

#[tokio::test]
async fn one_websocket_message_is_one_framed_message() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut socket = client::connect(server.http, "/ws", "anywire.framed").await;
    let message = |value: Value| {
        let mut out = Vec::new();
        Reply::json(&value).write(false, None, &mut out).unwrap();
        out
    };
    socket
        .send(Opcode::Binary, &message(json!({"action": "open"})))
        .await;
    // The connection goes on without keep-alive.
    for _ in 0..2 {
        socket
            .send(Opcode::Binary, &message(json!({"action": "list"})))
            .await;
    }
    for key in ["session", "sessions", "sessions"] {
        let Frame::Binary(bytes) = socket.next().await else {
            panic!("a message")
        };
        let message = Reader::only(&bytes, Limits::DEFAULT).unwrap();
        let value: Value = serde_json::from_slice(message.content).unwrap();
        assert!(value.get(key).is_some(), "{value}");
    }
    // As large as a message may be: header and content together are more than the content may be.
    socket
        .send(Opcode::Binary, &message(json!({"action": "close"})))
        .await;
    socket.next().await;
    let mut largest = Vec::new();
    let content = vec![b'x'; 1 << 20];
    let input = Reply::binary("binary/x", content);
    input.write(false, None, &mut largest).unwrap();
    socket.send(Opcode::Binary, &largest).await;
    let Frame::Binary(bytes) = socket.next().await else {
        panic!("an answer")
    };
    assert!(String::from_utf8_lossy(&bytes).contains("no_such_session"));
    let mut two = message(json!({"action": "list"}));
    two.push(0);
    socket.send(Opcode::Binary, &two).await;
    let Frame::Binary(bytes) = socket.next().await else {
        panic!("an error")
    };
    assert!(String::from_utf8_lossy(&bytes).contains("trailing_data"));
    assert_eq!(socket.closed().await, 1008);
    server.shutdown().await;
}

#[tokio::test]
async fn a_start_code_is_the_password_and_the_kernel_s_word_is_enough() {
    let server = Setup {
        auth: true,
        role: Role::Writer,
        ..Setup::pipe(&["cat"])
    };
    let server = server.start().await;
    let code = server.admission.start_code();
    let mut talk = Talk::to(&server).await;
    let answer = talk.ask(json!({"action": "list"})).await;
    assert_eq!(answer["error"]["code"], "auth_required");
    talk.ended().await;
    let mut talk = Talk::to(&server).await;
    let right = json!({"action": "auth", "password": code});
    assert_eq!(talk.ask(right.clone()).await, json!({"result": "ok"}));
    assert_eq!(talk.ask(json!({"action": "open"})).await["role"], "writer");
    // Three mistakes are free, then even the right one has to wait.
    for expected in [
        "auth_failed",
        "auth_failed",
        "auth_failed",
        "auth_failed",
        "too_many_failures",
    ] {
        let mut talk = Talk::to(&server).await;
        let answer = talk
            .ask(json!({"action": "auth", "password": "wrong"}))
            .await;
        assert_eq!(answer["error"]["code"], expected, "{answer}");
        talk.ended().await;
    }
    let mut talk = Talk::to(&server).await;
    assert_eq!(talk.ask(right).await["error"]["code"], "too_many_failures");
    // The client that is in stays in, and a process of this machine needs no password.
    let mut local = Talk::on(UnixStream::connect(&server.unix_framed).await.unwrap());
    assert_eq!(local.ask(json!({"action": "open"})).await["role"], "owner");
    server.shutdown().await;
}

#[tokio::test]
async fn who_waits_for_output_hears_of_the_end_of_the_server() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut talk = Talk::to(&server).await;
    talk.ask(json!({"action": "open"})).await;
    let wait = Reply::json(&json!({"action": "read", "wait": 30_000}));
    talk.send(&wait, None).await;
    let (stopped, (_, value)) = tokio::join!(server.shutdown(), talk.receive());
    let () = stopped;
    assert_eq!(value["error"]["code"], "shutdown");
    talk.ended().await;
}

#[tokio::test]
async fn an_answer_does_not_wait_for_the_next_one() {
    let server = Setup::pipe(&["cat"]).start().await;
    let mut talk = Talk::to(&server).await;
    talk.ask(json!({"action": "open"})).await;
    let mut both = Vec::new();
    for request in [
        json!({"action": "resize", "cols": 0, "rows": 0}),
        json!({"action": "read", "wait": 30_000}),
    ] {
        Reply::json(&request).write(true, None, &mut both).unwrap();
    }
    talk.stream.write_all(&both).await.unwrap();
    // The program says nothing, so the second answer is half a minute away.
    assert_eq!(talk.receive().await.1["error"]["code"], "bad_request");
    server.shutdown().await;
}

/// A service that does what its clients say.
#[derive(Debug)]
struct Moody;

impl Service for Moody {
    fn begin(&self, caller: Caller) -> Box<dyn Conversation> {
        assert!(caller.address().is_some());
        Box::new(Self)
    }
}

impl Conversation for Moody {
    fn answer<'a>(&'a mut self, _: &'a Header<'a>, content: &'a [u8]) -> Answer<'a> {
        match content {
            b"\"panic\"" => panic!("as the client wished"),
            b"\"never\"" => Answer::Later(Box::pin(std::future::pending())),
            b"\"giant\"" => Answer::Now(Reply::binary("x".repeat(70_000), b"")),
            _ => Answer::Now(Reply::json(&json!("well"))),
        }
    }
}

#[tokio::test]
async fn a_service_that_breaks_or_hangs_ends_one_connection() {
    let server = Setup {
        framed: Settings {
            service: Arc::new(Moody),
            deadlines: Deadlines {
                answer: Duration::from_millis(200),
                ..Deadlines::DEFAULT
            },
            ..Settings::default()
        },
        ..Setup::pipe(&["cat"])
    };
    let server = server.start().await;
    let mut other = Talk::to(&server).await;
    let mut broken = Talk::to(&server).await;
    broken.send(&Reply::json(&json!("panic")), None).await;
    broken.ended().await;
    let mut hanging = Talk::to(&server).await;
    hanging.send(&Reply::json(&json!("never")), None).await;
    // Others are served meanwhile.
    assert_eq!(other.ask(json!("how are you?")).await, "well");
    assert_eq!(hanging.receive().await.1["error"]["code"], "timeout");
    hanging.ended().await;
    // An answer that no header can announce.
    assert_eq!(other.ask(json!("giant")).await["error"]["code"], "internal");
    server.shutdown().await;
}

#[tokio::test]
async fn who_takes_no_answers_is_left() {
    let server = Setup {
        framed: Settings {
            service: Arc::new(Moody),
            deadlines: Deadlines {
                write: Duration::from_millis(200),
                ..Deadlines::DEFAULT
            },
            ..Settings::default()
        },
        ..Setup::pipe(&["cat"])
    };
    let server = server.start().await;
    let mut talk = Talk::to(&server).await;
    let mut requests = Vec::new();
    for _ in 0..1000 {
        Reply::json(&json!("x"))
            .write(true, None, &mut requests)
            .unwrap();
    }
    // Without reading: until the server no longer takes requests, and then no longer waits.
    let flood = async { while talk.stream.write_all(&requests).await.is_ok() {} };
    soon(flood).await;
    server.shutdown().await;
}

#[tokio::test]
async fn messages_come_over_tls_and_the_port_for_all() {
    let large = "0123456789abcdef".repeat(10_000);
    for offered in [false, true] {
        let mut setup = Setup::pipe(&["cat"]);
        setup.tls = Some(Options::SelfSigned { names: Vec::new() });
        setup.offer_tls = offered;
        setup.auth = true;
        let server = setup.start().await;
        let fingerprint = server.tls.as_ref().unwrap().fingerprint();
        let at = if offered { server.auto } else { server.framed };
        let stream = Client::new(&fingerprint).connect(at).await.unwrap();
        let mut talk = Talk::on(stream);
        let auth = json!({"action": "auth", "password": server.admission.start_code()});
        assert_eq!(talk.ask(auth).await["result"], "ok");
        assert_eq!(talk.ask(json!({"action": "open"})).await["result"], "ok");
        let input = talk.ask(json!({"action": "input", "data": large})).await;
        assert_eq!(input["taken"], large.len());
        assert!(
            talk.see(&large[large.len() - 16..])
                .await
                .starts_with("0123456789abcdef")
        );
        server.shutdown().await;
    }
    let mut setup = Setup::pipe(&["cat"]);
    setup.tls = Some(Options::SelfSigned { names: Vec::new() });
    (setup.offer_tls, setup.auth) = (true, true);
    let server = setup.start().await;
    // On a port for all, a client may do without TLS.
    let mut talk = Talk::on(TcpStream::connect(server.auto).await.unwrap());
    let refused = talk.ask(json!({"action": "list"})).await;
    assert_eq!(refused["error"]["code"], "auth_required");
    server.shutdown().await;
}

#[tokio::test]
async fn one_client_too_many_hears_so_over_tls() {
    let mut setup = Setup::pipe(&["cat"]);
    setup.tls = Some(Options::SelfSigned { names: Vec::new() });
    setup.rules = |listener| listener.max_connections = 1;
    let server = setup.start().await;
    let print = server.tls.as_ref().unwrap().fingerprint();
    let tls = Client::new(&print);
    let mut first = Talk::on(tls.connect(server.framed).await.unwrap());
    assert_eq!(first.ask(json!({"action": "list"})).await["result"], "ok");
    let mut second = Talk::on(tls.connect(server.framed).await.unwrap());
    assert_eq!(second.receive().await.1["error"]["code"], "busy");
    second.ended().await;
    let mut raw = tls.connect(server.tcp).await.unwrap();
    raw.write_all(b"x").await.unwrap();
    assert_eq!(soon(raw.read_u8()).await.unwrap(), b'x');
    let (mut raw, mut said) = (tls.connect(server.tcp).await.unwrap(), Vec::new());
    soon(raw.read_to_end(&mut said)).await.unwrap();
    assert!(said.starts_with(b"anywire: too many connections"));
    server.shutdown().await;
}

#[tokio::test]
async fn strangers_are_given_no_room() {
    let mut setup = Setup::pipe(&["cat"]);
    setup.auth = true;
    let server = setup.start().await;
    // A header alone: what it announces is no password.
    let mut talk = Talk::to(&server).await;
    let mut header = Vec::new();
    Header::new("text/json", "utf-8", 5000)
        .write(&mut header)
        .unwrap();
    talk.stream.write_all(&header).await.unwrap();
    assert_eq!(talk.receive().await.1["error"]["code"], "auth_required");
    talk.ended().await;
    // Who is known may send as much as others.
    let mut talk = Talk::to(&server).await;
    let auth = json!({"action": "auth", "password": server.admission.start_code()});
    assert_eq!(talk.ask(auth).await["result"], "ok");
    let large = json!({"action": "input", "data": "x".repeat(500_000)});
    assert_eq!(talk.ask(large).await["error"]["code"], "no_such_session");
    server.shutdown().await;
}

#[tokio::test]
async fn a_user_logs_in_by_name_and_one_is_meant_without() {
    let phc = hash_password("white rabbit").unwrap();
    let mut setup = Setup::pipe(&["cat"]);
    setup.auth = true;
    for (name, role) in [("ada", Role::Owner), (USER, Role::Writer)] {
        let user = User::new(&phc, role).unwrap();
        setup.access.users.insert(name.parse().unwrap(), user);
    }
    let server = setup.start().await;
    for (login, role) in [
        (
            json!({"action": "auth", "user": "ada", "password": "white rabbit"}),
            "owner",
        ),
        (
            json!({"action": "auth", "password": "white rabbit"}),
            "writer",
        ),
    ] {
        let mut talk = Talk::to(&server).await;
        assert_eq!(talk.ask(login).await["result"], "ok");
        assert_eq!(talk.ask(json!({"action": "open"})).await["role"], role);
    }
    for login in [
        json!({"action": "auth", "user": "eve", "password": "white rabbit"}),
        json!({"action": "auth", "password": "black rabbit"}),
    ] {
        let mut talk = Talk::to(&server).await;
        assert_eq!(talk.ask(login).await["error"]["code"], "auth_failed");
        talk.ended().await;
    }
    server.shutdown().await;
}

//! The byte wires as their users meet them: Debian's `telnet`, `nc` and `curl` beside a WebSocket on one session.

use anywire_testkit::{Attach, Config, NativeClient, Pty, Server, processes, wait_until};
use std::process::{Child, Command, Stdio};

/// Prints what all must see: bytes of telnet's own and of UTF-8 among them.
const SCRIPT: &str = r#"
trap 'echo interrupted' INT
stty -echo
echo ready
while :; do
    read -r line || continue
    case $line in
        size) stty size ;;
        go)
            echo BEGIN
            i=0
            while [ $i -lt 300 ]; do i=$((i + 1)); printf 'line %s \377\377 größe \001\r\n' $i; done
            echo END
            ;;
        *) echo "<$line>" ;;
    esac
done
"#;

fn config() -> Config {
    Config::new(env!("CARGO_BIN_EXE_anywire"))
        .listener("telnet://127.0.0.1:0")
        .listener("tcp://127.0.0.1:0")
        .listener("auto://127.0.0.1:0")
}

fn port(server: &Server, scheme: &str) -> String {
    server.address(scheme).port().to_string()
}

fn telnet(server: &Server, scheme: &str) -> Pty {
    let port = port(server, scheme);
    Pty::start("telnet", &["127.0.0.1", &port], (90, 20), false)
}

fn nc(server: &Server, scheme: &str) -> Pty {
    Pty::start("nc", &["127.0.0.1", &port(server, scheme)], (80, 24), true)
}

/// `curl -N` that follows the output of a session into a file.
fn follow(server: &Server, session: &str, file: &str) -> Child {
    let url = format!(
        "http://{}/api/sessions/{session}/output?follow=1&since=0",
        server.address("http")
    );
    let file = std::fs::File::create(server.dir().join(file)).expect("a file");
    let mut command = Command::new("curl");
    command
        .args(["-sSN", &url])
        .stdin(Stdio::null())
        .stdout(file);
    command.spawn().expect("curl runs")
}

/// The one client that does not know its wire's escapes.
const NC_ON_TELNET: usize = 1;

/// Bytes of 255 that stand for one are one.
fn without_doubles(got: &[u8]) -> Vec<u8> {
    let mut bytes = got.iter().copied();
    let mut one = Vec::new();
    while let Some(byte) = bytes.next() {
        one.push(byte);
        if byte == 255 {
            assert_eq!(bytes.next(), Some(255));
        }
    }
    one
}

fn between(got: &[u8]) -> Option<Vec<u8>> {
    let find = |text: &[u8]| got.windows(text.len()).position(|part| part == text);
    let (begin, end) = (find(b"BEGIN\r\n")?, find(b"END\r\n")?);
    Some(got[begin..end].to_vec())
}

#[tokio::test]
async fn every_client_sees_the_same_bytes_of_one_session() {
    let server = config()
        .variable("ANYWIRE_SESSION_NAME", "shared")
        .command(["/bin/sh", "-c", SCRIPT])
        .start();
    let mut telnet_client = telnet(&server, "telnet");
    telnet_client.see("ready").await;
    telnet_client.send("size\r");
    telnet_client.see("20 90").await;
    let mut consoles = vec![
        nc(&server, "tcp"),
        nc(&server, "telnet"),
        nc(&server, "auto"),
        telnet(&server, "auto"),
    ];
    // Who is to be told apart by what is said first has to say something.
    consoles[2].send("nc on auto\n");
    consoles[3].see("Escape character").await;
    consoles[3].send("\x1d");
    consoles[3].see("telnet> ").await;
    consoles[3].send("send ayt\r");
    consoles[3].see("[anywire: yes]").await;
    let session = server.sessions().await[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let mut curl = follow(&server, &session, "curl");
    let mut page = NativeClient::attach(
        &server,
        Attach {
            session: Some(session),
            ..Attach::default()
        },
    )
    .await;
    consoles.push(telnet_client);
    let sessions = server.sessions().await;
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    server
        .until_sessions("everybody's attachment", |sessions| {
            sessions[0]["attachments"].as_u64() >= Some(6)
        })
        .await;

    // Everybody types, and everybody sees it.
    for (index, console) in consoles.iter_mut().enumerate() {
        let enter = if index < 3 { "\n" } else { "\r" };
        console.send(&format!("console {index}{enter}"));
    }
    page.send("page\r");
    for word in [
        "console 0",
        "console 1",
        "console 2",
        "console 3",
        "console 4",
        "page",
    ] {
        let shown = format!("<{word}>");
        for console in &consoles {
            console.see(&shown).await;
        }
        page.see(&shown).await;
    }
    page.send("go\r");
    page.see("END").await;
    let want = between(&page.out).expect("all of it");
    assert!(want.len() > 300 * 20);
    for (index, console) in consoles.iter().enumerate() {
        let mut got = wait_until("all of it on a console", || between(&console.got())).await;
        if index == NC_ON_TELNET {
            got = without_doubles(&got);
        }
        assert!(
            got == want,
            "console {index}: {} of {} bytes",
            got.len(),
            want.len()
        );
    }
    let file = server.dir().join("curl");
    let read = || between(&std::fs::read(&file).unwrap_or_default());
    assert!(
        wait_until("all of it in curl's file", read).await == want,
        "curl"
    );
    let _ = curl.kill();
    let _ = curl.wait();

    // Ctrl-C, Ctrl-] quit, and a session that goes on.
    let mut telnet_client = consoles.pop().expect("the telnet client");
    telnet_client.send("\x03");
    page.see("interrupted").await;
    telnet_client.send("\x1d");
    telnet_client.see("telnet> ").await;
    telnet_client.send("quit\r");
    telnet_client.end().await;
    page.send("still here\r");
    page.see("<still here>").await;
    server.stop().await;
}

#[tokio::test]
async fn who_quits_telnet_leaves_the_session_behind() {
    let server = config().command(["/bin/sh", "-c", SCRIPT]).start();
    let mut client = telnet(&server, "telnet");
    client.see("ready").await;
    client.send("\x1d");
    client.see("telnet> ").await;
    client.send("quit\r");
    client.end().await;
    server
        .until_sessions("the client's detachment", |sessions| {
            sessions.len() == 1 && sessions[0]["attachments"] == 0 && sessions[0]["exit"].is_null()
        })
        .await;
    let session = server.sessions().await[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let attach = Attach {
        session: Some(session),
        ..Attach::default()
    };
    let mut page = NativeClient::attach(&server, attach).await;
    page.send("still here\r");
    page.see("<still here>").await;
    server.stop().await;
}

#[tokio::test]
async fn a_piped_program_has_telnet_s_line_mode() {
    let server = config().pipe().command(["/bin/cat"]).start();
    let mut client = telnet(&server, "telnet");
    client.see("Escape character").await;
    // The terminal of the client echoes and edits: what arrives is the line.
    client.send("helo\x7flo\r");
    client.see("lo\r\nhello\r\n").await;
    server
        .until_sessions("cat", |sessions| sessions.len() == 1)
        .await;
    let pid = server.sessions().await[0]["pid"].as_u64().expect("a pid");
    let pid = u32::try_from(pid).expect("a pid");
    // Ctrl-C is the client's to send: an urgent IP.
    client.send("\x03");
    wait_until("the end of cat", || {
        (!processes::is_alive(pid)).then_some(())
    })
    .await;
    client.see("Connection closed").await;
    server.stop().await;
}

#[tokio::test]
async fn nc_gets_everything_of_a_program_whose_input_it_ends() {
    let server = config()
        .pipe()
        .command(["/bin/sh", "-c", "sort; echo end"])
        .start();
    let port = port(&server, "tcp");
    let script = format!("printf 'b\\nc\\na' | nc -N 127.0.0.1 {port}");
    let output = Command::new("sh").args(["-c", &script]).output();
    let output = output.expect("nc runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a\nb\nc\nend\n");
    server.stop().await;
}

#[tokio::test]
async fn the_start_code_and_the_lobby_by_telnet() {
    let server = config()
        .with_auth()
        .variable("ANYWIRE_SESSION_NAME", "lobby")
        .command(["/bin/sh", "-c", SCRIPT])
        .start();
    let code = server.code().expect("a start code");
    let mut first = telnet(&server, "telnet");
    first.see("start code: ").await;
    first.send("nonsense\r");
    first.see("wrong start code").await;
    first.send(&format!("{code}\r"));
    first.see("no sessions are running").await;
    assert!(
        !String::from_utf8_lossy(&first.got()).contains(&code),
        "it is not echoed"
    );
    first.send("n\r");
    first.see("ready").await;
    first.send("size\r");
    first.see("20 90").await;

    let mut second = nc(&server, "tcp");
    second.see("start code: ").await;
    second.send(&format!("{code}\n"));
    second.see("sh-1").await;
    second.send("1\n");
    second.see("ready").await;
    second.send("from nc\n");
    first.see("<from nc>").await;
    server.stop().await;
}

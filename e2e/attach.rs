//! Open, type, see, resize, detach: a session as its user meets it, on the page's wire, raw TCP and the command line.

use anywire_model::{ExitReason, Role, Size};
use anywire_testkit::{
    Attach, Config, NativeClient, Server, TcpClient, flood, processes, rounds, wait_until,
};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Output, Stdio};

fn server() -> Config {
    // A bare shell: no start-up files, a short prompt.
    Config::new(env!("CARGO_BIN_EXE_anywire")).command([
        "/usr/bin/env",
        "-u",
        "ENV",
        "PS1=$ ",
        "/bin/sh",
        "-i",
    ])
}

async fn open(server: &Server) -> NativeClient {
    let size = Size::checked(100, 30);
    NativeClient::attach(
        server,
        Attach {
            size,
            ..Attach::default()
        },
    )
    .await
}

#[tokio::test]
async fn open_type_see_resize() {
    let server = server().start();
    let mut client = open(&server).await;
    client.send("stty size\r");
    client.see("30 100").await;
    client.resize(Size::checked(120, 40).expect("a size"));
    client.send("stty size\r");
    client.see("40 120").await;
    client.send("exit 3\r");
    let exit = client.exit().await;
    assert_eq!((exit.reason, exit.code), (ExitReason::Code { code: 3 }, 3));
    server.stop().await;
}

#[tokio::test]
async fn the_terminal_is_a_controlling_one() {
    let server = server().start();
    let mut client = open(&server).await;
    client.send("echo con''trolled >/dev/tty\r");
    client.see("controlled").await;

    // The shell hands the terminal to a job between fork and exec; the job says when it has it.
    let wait = flood::producer().display().to_string();
    client.send(format!("{wait} wait\r"));
    client.see("ready").await;
    client.send("\x03");
    client.send("echo still ali''ve\r");
    client.see("still alive").await;

    client.forget();
    client.send(format!("{wait} wait\r"));
    client.see("ready").await;
    client.send("\x1a");
    client.see("Stopped").await;
    client.send("kill %1; trap 'echo win''ched' WINCH; echo tr''apped\r");
    client.see("trapped").await;
    client.resize(Size::checked(90, 20).expect("a size"));
    client.send("\r");
    client.see("winched").await;
    assert!(!String::from_utf8_lossy(&client.out).contains("job control turned off"));
}

#[tokio::test]
async fn pipes_keep_standard_error_apart() {
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .pipe()
        .producer(&["both", "20000"])
        .start();
    let mut client = NativeClient::open(&server).await;
    let exit = client.exit().await;
    let whole = flood::bytes(0, 20_000 * flood::LINE);
    assert_eq!(
        (client.out == whole, client.err == whole, exit.code),
        (true, true, 0)
    );
    server.stop().await;
}

#[tokio::test]
async fn the_end_of_input_reaches_programs_on_both() {
    for config in [
        Config::new(env!("CARGO_BIN_EXE_anywire"))
            .pipe()
            .command(["cat"]),
        Config::new(env!("CARGO_BIN_EXE_anywire")).command(["cat"]),
    ] {
        let server = config.start();
        let mut client = NativeClient::attach(&server, Attach::default()).await;
        client.send("hello\n");
        client.close_input();
        assert_eq!(client.exit().await.code, 0);
        assert!(
            String::from_utf8_lossy(&client.out).contains("hello"),
            "{:?}",
            client.out
        );
        server.stop().await;
    }
}

#[tokio::test]
async fn a_program_that_exits_at_once_loses_nothing() {
    for pipe in [false, true] {
        let config = Config::new(env!("CARGO_BIN_EXE_anywire")).producer(&["flood-exit", "301"]);
        let server = if pipe { config.pipe() } else { config }.start();
        let memfds = server.memfds();
        for _ in 0..rounds(20) {
            let mut client = NativeClient::open(&server).await.flood();
            let exit = client.exit().await;
            assert_eq!((exit.code, exit.offset), (301 % 256, 301 * flood::LINE));
        }
        server.nothing_left_over(memfds).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn a_signal_is_the_reason() {
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .producer(&["die"])
        .start();
    let mut client = NativeClient::attach(&server, Attach::default()).await;
    let exit = client.exit().await;
    assert_eq!(
        (exit.reason, exit.code),
        (ExitReason::Signal { signal: 9 }, 137)
    );
}

#[tokio::test]
async fn a_viewer_sees_and_changes_nothing() {
    let server = server().start();
    let mut writer = open(&server).await;
    let attach = Attach {
        role: Some(Role::Viewer),
        size: Size::checked(10, 5),
        ..Attach::to(&writer.session())
    };
    let mut viewer = NativeClient::attach(&server, attach).await;
    assert_eq!(viewer.welcome.role, Role::Viewer);
    viewer.send("echo intru''der\r");
    viewer.kill();
    viewer.resize(Size::checked(11, 6).expect("a size"));
    viewer
        .until("a refusal", |viewer| !viewer.errors.is_empty())
        .await;
    writer.send("stty size; echo ma''rk\r");
    writer.see("mark").await;
    viewer.see("mark").await;
    for text in [&writer.out, &viewer.out].map(|out| String::from_utf8_lossy(out).into_owned()) {
        assert!(text.contains("30 100") && !text.contains("intru"), "{text}");
    }
}

#[tokio::test]
async fn raw_tcp_is_the_same_shell() {
    let server = server().listener("tcp://127.0.0.1:0").start();
    let mut client = TcpClient::connect(&server).await;
    client.send("echo over t''cp\r").await;
    client.see("over tcp").await;
    client.send("exit\r").await;
    client.end().await;
    server.stop().await;
}

fn run(server: &Server, arguments: &[&str], input: &str) -> Output {
    let mut command = server.cli(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut stdin = child.stdin.take().expect("standard input is piped");
    let input = input.to_owned();
    // Beside reading, or both would wait for the other; its end is the end of input.
    std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    child.wait_with_output().expect("the command ends")
}

#[tokio::test]
async fn the_command_line_lists_and_kills() {
    let server = server().start();
    let mut client = open(&server).await;
    let listed = run(&server, &["ls", "--json"], "");
    let listed: Vec<serde_json::Value> =
        serde_json::from_slice(&listed.stdout).expect("a JSON array");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], client.session());
    let table = String::from_utf8(run(&server, &["ls"], "").stdout).expect("text");
    assert!(
        table.contains(&client.welcome.name) && table.contains("running"),
        "{table}"
    );

    let url = String::from_utf8(run(&server, &["url"], "").stdout).expect("text");
    assert!(
        url.starts_with(&format!("http://{}/#ticket=", server.address("http"))),
        "{url}"
    );

    let none = run(&server, &["kill", "no-such"], "");
    assert!(
        !none.status.success() && String::from_utf8_lossy(&none.stderr).contains("no-such"),
        "{none:?}"
    );
    let name = client.welcome.name.clone();
    assert!(run(&server, &["kill", &name], "").status.success());
    assert!(matches!(
        client.exit().await.reason,
        ExitReason::KilledBy { .. }
    ));
    server.stop().await;
}

#[tokio::test]
async fn the_command_line_carries_pipes_and_exit_codes() {
    let script = "cat; echo problem >&2; exit 5";
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .pipe()
        .command(["sh", "-c", script])
        .start();
    let input = String::from_utf8(flood::bytes(0, 1 << 20)).expect("ASCII");
    let output = run(&server, &["attach"], &input);
    assert_eq!(
        output.status.code(),
        Some(5),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.stdout == input.as_bytes(),
        "{} bytes of {}",
        output.stdout.len(),
        input.len()
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("problem\n") && errors.contains("exited with code 5"),
        "{errors}"
    );
    server.stop().await;
}

/// What is piped into a session that others use ends without ending theirs.
#[tokio::test]
async fn the_end_of_piped_input_leaves_a_shared_session_alone() {
    let server = server().start();
    let mut client = open(&server).await;
    let session = client.session();
    let attach = |more: &[&str]| {
        let mut attach = server.cli(&["attach", &session]);
        attach.args(more).stdin(Stdio::piped());
        attach.stdout(Stdio::piped()).stderr(Stdio::piped());
        attach.spawn().expect("it starts")
    };
    let mut piped = attach(&[]);
    let mut keys = piped.stdin.take().expect("a pipe");
    keys.write_all(b"echo pi''ped\r").expect("it reads");
    drop(keys);
    client.see("piped").await;
    let (tell, told) = std::sync::mpsc::channel();
    let said = BufReader::new(piped.stderr.take().expect("a pipe"));
    std::thread::spawn(move || {
        said.lines()
            .map_while(Result::ok)
            .try_for_each(|line| tell.send(line))
    });
    wait_until("the note", || {
        told.try_iter()
            .find(|line| line.contains("only watching now"))
    })
    .await;
    client.send("echo and li''ving\r");
    client.see("and living").await;
    let mut last = attach(&["--eof"]);
    drop(last.stdin.take());
    assert_eq!(client.exit().await.code, 0);
    wait_until("the command's end", || last.try_wait().expect("a child")).await;
    let output = piped.wait_with_output().expect("the command ends");
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.contains("and living"), "{printed}");
    server.stop().await;
}

/// `attach` in a terminal of another server's session: its keys go through, its own key detaches, the terminal is as
/// it was, and the session lives on.
#[tokio::test]
async fn the_command_line_detaches_from_a_terminal() {
    let inner = server().start();
    let outer = server().start();
    let mut program = open(&inner).await;
    let mut terminal = open(&outer).await;
    terminal.send(format!(
        "before=$(stty -g); ANYWIRE_RUNTIME_DIR={} {} attach {}; echo left:$?; test \"$before\" = \"$(stty -g)\" && echo as be''fore\r",
        inner.runtime_dir().display(),
        env!("CARGO_BIN_EXE_anywire"),
        program.session(),
    ));
    program.send("echo from wi''thin\r");
    program.see("from within").await;
    terminal.see("from within").await;
    inner
        .until_sessions("two attachments", |sessions| {
            sessions[0]["attachments"] == 2
        })
        .await;
    terminal.send(format!("{} wait\r", flood::producer().display()));
    terminal.see("ready").await;
    terminal.send("\x03");
    terminal.send("echo in''ner; stty size\r");
    terminal.see("inner").await;
    terminal.send("\x1c");
    terminal.see("detached").await;
    terminal.see("left:0").await;
    terminal.see("as before").await;
    program.send("echo and li''ving\r");
    program.see("and living").await;
}

/// A program that ends while its reader is far behind: what lies in its pipe still comes, however late it is taken.
#[tokio::test]
async fn a_slow_reader_gets_the_end_of_a_pipe_that_is_long_closed() {
    const LINES: u64 = 140_000;
    let config = Config::new(env!("CARGO_BIN_EXE_anywire")).pipe();
    let server = config.producer(&["flood-exit", &LINES.to_string()]).start();
    let since = Attach {
        since: Some(0),
        ..Attach::default()
    };
    let mut client = NativeClient::attach(&server, since).await.flood();
    let session = client.session();
    // Whoever gives input paces the program; this one takes nothing for a while.
    client.send(" ");
    client.push().await;
    let pid = server.program(&session).await.expect("the program runs");
    wait_until("the program's end", || {
        (!processes::is_alive(pid)).then_some(())
    })
    .await;
    // Longer than the server waits for children that hold the pipe.
    tokio::time::sleep(std::time::Duration::from_millis(1300)).await;
    let exit = client.exit().await;
    assert_eq!(
        (exit.code, exit.offset),
        ((LINES % 256) as i32, LINES * flood::LINE)
    );
}

/// The first of them starts it, the others wait until it is there.
#[tokio::test]
async fn all_who_come_at_once_share_a_named_session() {
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .listener("tcp://127.0.0.1:0?session=main")
        .command(["sh", "-c", "echo ready; exec cat"])
        .start();
    let at = server.address("tcp");
    let mut clients: Vec<_> = (0..16)
        .map(|_| std::net::TcpStream::connect(at).expect("a connection"))
        .collect();
    for client in &mut clients {
        let deadline = Some(std::time::Duration::from_secs(20));
        client.set_read_timeout(deadline).expect("a deadline");
        let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
        while !seen.windows(5).any(|window| window == b"ready") {
            let len = client.read(&mut buffer).expect("output");
            seen.extend(&buffer[..len]);
            let text = String::from_utf8_lossy(&seen);
            assert!(len > 0 && !text.contains("anywire:"), "{text:?}");
        }
    }
    assert_eq!(server.sessions().await.len(), 1);
    server.stop().await;
}

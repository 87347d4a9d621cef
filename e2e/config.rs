//! The configuration of the real binary: files, flags, listeners, and reading it again while everything runs.

use anywire_testkit::{Config, NativeClient, Server, processes, wait_until};
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_anywire");
/// How long one answer may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// A folder that goes with the test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let mode = fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().permissions(mode).tempdir();
        Self(folder.expect("a folder for the test"))
    }

    fn write(&self, text: &str) -> PathBuf {
        let path = self.0.path().join("anywire.yaml");
        fs::write(&path, text).expect("a file in it");
        path
    }
}

/// Runs a command that ends by itself.
async fn run(runtime_dir: &Path, arguments: &[&str]) -> Output {
    let mut child = Command::new(BINARY)
        .args(arguments)
        .env("ANYWIRE_RUNTIME_DIR", runtime_dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    wait_until("the command's end", || child.try_wait().expect("a child")).await;
    child.wait_with_output().expect("its output")
}

/// What a `serve` says that does not start.
async fn refused(folder: &Folder, arguments: &[&str]) -> String {
    let arguments: Vec<&str> = ["serve"].iter().chain(arguments).copied().collect();
    let output = run(folder.0.path(), &arguments).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// A line of a program that speaks first.
fn first_line(server: &Server, index: usize) -> String {
    let address = server.urls()[index]
        .strip_prefix("tcp://")
        .expect("a tcp listener");
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    let mut line = String::new();
    BufReader::new(stream)
        .read_line(&mut line)
        .expect("a line in time");
    line
}

#[tokio::test]
async fn check_shows_every_mistake_and_its_place() {
    let folder = Folder::new();
    let path = folder.write("services:\n  a:\n    comand: [sh]\nlimits: {sessions: many}\n");
    let name = path.to_str().unwrap();
    let output = run(folder.0.path(), &["config", "check", name]).await;
    assert_eq!(output.status.code(), Some(2));
    let expected = format!(
        "\
{name}:3:5: no key is called \"comand\"; did you mean \"command\"?
  |
3 |     comand: [sh]
  |     ^^^^^^

{name}:4:20: \"many\" is no whole number from 0 to 18446744073709551615
  |
4 | limits: {{sessions: many}}
  |                    ^^^^
"
    );
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
    folder.write("services: {a: {command: [sh]}}\n");
    let output = run(folder.0.path(), &["config", "check", name]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = run(folder.0.path(), &["config", "check", "/no/such/file"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[tokio::test]
async fn the_schema_is_json_and_what_is_in_force_can_be_read_again() {
    let folder = Folder::new();
    let schema = run(folder.0.path(), &["config", "schema"]).await;
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["properties"]["services"].is_object());
    let show = [
        "config",
        "show",
        "--ttl",
        "7s",
        "-l",
        "tcp://127.0.0.1:0?role=viewer",
        "--",
        "sh",
    ];
    let shown = String::from_utf8(run(folder.0.path(), &show).await.stdout).unwrap();
    assert!(
        shown.contains("ttl: 7s") && shown.contains("role: viewer"),
        "{shown}"
    );
    let path = folder.write(&shown);
    let output = run(
        folder.0.path(),
        &["config", "check", path.to_str().unwrap()],
    )
    .await;
    assert_eq!(output.status.code(), Some(0), "{output:?}\n{shown}");
}

#[tokio::test]
async fn the_file_then_the_environment_then_flags() {
    let folder = Folder::new();
    let path = folder.write(
        "services: {a: {command: [sh], ttl: 1h, grace: 1s, max_life: 1d}}\nlog: {level: info}\n",
    );
    let mut command = Command::new(BINARY);
    command
        .args(["config", "show", "--ttl", "7s", "-c"])
        .arg(&path)
        .env("ANYWIRE_TTL", "8s")
        .env("ANYWIRE_GRACE", "9s")
        .env("ANYWIRE_PIPE", "1")
        .env("ANYWIRE_NO_AUTH", "no")
        .env("ANYWIRE_LISTEN", "tcp://127.0.0.1:0 http://127.0.0.1:0");
    let shown = String::from_utf8(command.output().unwrap().stdout).unwrap();
    for line in [
        "ttl: 7s",
        "grace: 9s",
        "max_life: 1d",
        "io: pipe",
        "required: true",
        "level: info",
        "- url: \"tcp://127.0.0.1:0\"",
        "- url: \"http://127.0.0.1:0/\"",
    ] {
        assert!(
            shown.lines().any(|shown| shown.trim() == line),
            "{line}\n{shown}"
        );
    }
    let output = command.env("ANYWIRE_LOG", "a=b=c").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("\"a=b=c\" is no filter of logs"), "{told}");
    let mut ls = Command::new(BINARY);
    let output = ls.arg("ls").env("ANYWIRE_LOG", "loud").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.starts_with("anywire: ANYWIRE_LOG: \"loud\" is no level of logs"),
        "{told}"
    );
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_at_the_start() {
    let folder = Folder::new();
    let told = refused(&folder, &["--", "/no/such/program"]).await;
    assert_eq!(
        told,
        "anywire: service program: /no/such/program does not exist\n"
    );
    let told = refused(&folder, &["--", "no-such-program"]).await;
    assert!(
        told.contains("no program is called \"no-such-program\" in PATH"),
        "{told}"
    );
    let told = refused(&folder, &["-l", "http://0.0.0.0:0"]).await;
    assert!(
        told.contains("without encryption") && told.contains("--insecure-no-tls"),
        "{told}"
    );
    let told = refused(
        &folder,
        &["--insecure-no-tls", "--no-auth", "-l", "http://0.0.0.0:0"],
    )
    .await;
    assert!(
        told.contains("asks nobody") && told.contains("--insecure-no-auth"),
        "{told}"
    );
    let told = refused(&folder, &["-l", "tcp://127.0.0.1:0?rol=viewer"]).await;
    assert!(told.contains("did you mean \"role\"?"), "{told}");
    for (arguments, wanted) in [
        (
            &["-l", "unix:///no/such/x.sock"][..],
            "there is no folder /no/such",
        ),
        (&["-l", "http://localhost:99999"], "a port is at most 65535"),
        (&["--log", "loud"], "\"loud\" is no level of logs"),
    ] {
        let told = refused(&folder, arguments).await;
        assert!(told.contains(wanted), "{arguments:?} {told}");
    }
    let path = folder.write("servces: {}\n");
    let told = refused(&folder, &["-c", path.to_str().unwrap()]).await;
    assert!(told.ends_with("\n1 | servces: {}\n  | ^^^^^^^\n"), "{told}");
}

#[tokio::test]
async fn a_port_in_use_is_told_with_who_has_it() {
    let server = Config::new(BINARY).start();
    let address = server.address("http");
    let output = server
        .cli(&["serve", "-l", &format!("http://{address}")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    let pid = server.supervisor_pid();
    assert_eq!(
        told,
        format!(
            "anywire: listening on {address}: the port is in use: the anywire server of process {pid} listens there already; end it, or choose another port: -l http://127.0.0.1:{}/\n",
            address.port() + 1
        )
    );
    // Each command says another port in its own words.
    let port = address.port().to_string();
    for (arguments, option) in [
        (&["framed", "-P", &port][..], "-P"),
        (&["xwterm", "-http", &port, "-no-websocket"], "-http"),
        (&["xwterm", "-ws", &port, "-no-http"], "-ws"),
    ] {
        let output = server.cli(arguments).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let words = format!("choose another port: {option} {}\n", address.port() + 1);
        assert!(told.ends_with(&words), "{arguments:?} {told}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_misspelt_variable_is_told_in_a_line() {
    let server = Config::new(BINARY)
        .variable("ANYWIRE_LISTN", "http://127.0.0.1:0")
        .start();
    let told = "ANYWIRE_LISTN is no setting: did you mean ANYWIRE_LISTEN?";
    assert_eq!(server.log().matches(told).count(), 1, "{}", server.log());
    server.stop().await;
}

/// A server that has closed connections leaves them in TIME_WAIT, which keeps no port from its successor.
#[tokio::test]
async fn a_port_is_free_again_at_once() {
    let server = Config::new(BINARY).start();
    let address = server.address("http");
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(stream);
    let port = format!(":{:04X}", address.port());
    let waiting = || {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let local = |line: &str| {
            line.split_whitespace()
                .nth(1)
                .is_some_and(|at| at.ends_with(&port))
        };
        let waits = |line: &str| line.split_whitespace().nth(3) == Some("06");
        table
            .lines()
            .any(|line| local(line) && waits(line))
            .then_some(())
    };
    wait_until("a connection in TIME_WAIT", waiting).await;
    server.stop().await;
    waiting().expect("it waits on");
    let again = Config::new(BINARY)
        .at(&[&format!("http://{address}")])
        .start();
    assert_eq!(again.address("http"), address);
    again.stop().await;
}

#[tokio::test]
async fn the_limit_of_descriptors_is_raised_for_the_server_and_not_for_programs() {
    let folder = Folder::new();
    let script = folder.0.path().join("anywire");
    let text = format!("#!/bin/sh\nulimit -Sn 200\nexec {BINARY} \"$@\"\n");
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    let server = Config::new(script.to_str().unwrap()).start();
    let (soft, hard) = processes::descriptor_limits(server.server_pid().unwrap());
    assert_eq!(soft, hard);
    let told = format!("{hard} descriptors: room for ");
    assert!(server.log().contains(&told), "{}", server.log());
    let live = NativeClient::open(&server).await;
    let program = server.program(&live.session()).await.unwrap();
    assert_eq!(processes::descriptor_limits(program), (200, hard));
    server.stop().await;
}

#[tokio::test]
async fn without_a_page_the_start_code_is_printed_alone() {
    let folder = Folder::new();
    let mut child = Command::new(BINARY)
        .args(["serve", "-l", "tcp://127.0.0.1:0", "--", "cat"])
        .env("ANYWIRE_RUNTIME_DIR", folder.0.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines.next().unwrap().unwrap();
    assert!(
        url.starts_with("tcp://127.0.0.1:") && !url.contains("code"),
        "{url}"
    );
    let code = lines.next().unwrap().unwrap();
    assert!(code.starts_with("start code: "), "{code}");
    processes::signal(child.id(), Signal::TERM);
    wait_until("the end", || child.try_wait().unwrap()).await;
}

#[tokio::test]
async fn localhost_is_both_families() {
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let server = Config::new(BINARY)
        .listener("tcp://localhost:0")
        .command(["sh", "-c", "echo here; cat"])
        .start();
    let port = server.urls()[1].rsplit_once(':').unwrap().1;
    for host in ["127.0.0.1", "[::1]"] {
        if host == "[::1]" && !has_ipv6 {
            continue;
        }
        let stream = TcpStream::connect(format!("{host}:{port}")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), "here", "{host}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_unix_listener_replaces_a_stale_socket_and_goes_with_its_server() {
    let folder = Folder::new();
    let path = folder.0.path().join("x.sock");
    drop(UnixListener::bind(&path).unwrap());
    let url = format!("unix://{}", path.display());
    let server = Config::new(BINARY)
        .listener(&url)
        .pipe()
        .command(["cat"])
        .start();
    assert_eq!(server.urls()[1], url);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(b"ping\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert_eq!(line, "ping\n");
    let told = refused(&folder, &["-l", &url]).await;
    assert!(told.contains("is in use"), "{told}");
    server.stop().await;
    assert!(!path.exists(), "the socket is left over");
}

#[tokio::test]
async fn a_handler_is_a_service() {
    let folder = Folder::new();
    let path = folder.write("services: {echo: {handler: echo}}\n");
    let server = Config::new(BINARY)
        .file(&path)
        .listener("tcp://127.0.0.1:0")
        .start();
    let address = server.address("tcp");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(b"ping\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert_eq!(line, "ping\n");
    assert_eq!(
        processes::children(server.supervisor_pid()).len(),
        1,
        "the server alone"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_program_starts_as_it_was_told() {
    let folder = Folder::new();
    let path = folder.write(
        r#"
services:
  told:
    command: [sh, -c, 'echo "$0 $TERM $PWD $A ${HOME-none} $(stty size)"; exec cat']
    login: true
    term: vt100
    cwd: /usr
    size: 100x30
    env: {A: b}
    keep_env: ["PA*"]
"#,
    );
    let server = Config::new(BINARY)
        .file(&path)
        .listener("tcp://127.0.0.1:0")
        .variable("HOME", "/nowhere")
        .start();
    let line = first_line(&server, 1);
    assert_eq!(line.trim_end(), "-sh vt100 /usr b none 30 100");
    server.stop().await;
    // Flags say the same of the default service.
    folder.write(
        "services: {told: {command: [sh, -c, 'echo \"$0 $TERM $PWD $(stty size)\"; exec cat']}}\n",
    );
    let server = Config::new(BINARY)
        .file(&path)
        .listener("tcp://127.0.0.1:0")
        .variable("ANYWIRE_LOGIN", "true")
        .variable("ANYWIRE_TERM", "vt220")
        .variable("ANYWIRE_CWD", "/usr")
        .variable("ANYWIRE_SIZE", "90x20")
        .start();
    let line = first_line(&server, 1);
    assert_eq!(line.trim_end(), "-sh vt220 /usr 20 90");
    server.stop().await;
}

const SPEAKER: &str =
    "services: {speaker: {command: [sh, -c, 'echo WORD; exec cat'], io: pipe, ttl: 1h}}\n";

#[tokio::test]
async fn a_hang_up_reads_the_file_again_and_leaves_sessions_alone() {
    let folder = Folder::new();
    let path = folder.write(&SPEAKER.replace("WORD", "before"));
    let server = Config::new(BINARY)
        .file(&path)
        .listener("tcp://127.0.0.1:0")
        .start();
    assert_eq!(first_line(&server, 1), "before\n");
    let mut live = NativeClient::open(&server).await;
    live.see("before").await;
    let program = server.program(&live.session()).await.unwrap();

    folder.write(&SPEAKER.replace("WORD", "after"));
    processes::signal(server.supervisor_pid(), Signal::HUP);
    wait_until("the new program", || {
        (first_line(&server, 1) == "after\n").then_some(())
    })
    .await;
    assert_eq!(server.program(&live.session()).await, Some(program));
    live.send("still here\n");
    live.see("still here").await;

    // A bad file changes nothing, and is told.
    folder.write(&SPEAKER.replace("WORD", "never").replace("ttl", "tll"));
    processes::signal(server.supervisor_pid(), Signal::HUP);
    wait_until("the complaint", || {
        let log = server.log();
        (log.contains("did you mean \"ttl\"?") && log.contains("stays as it was")).then_some(())
    })
    .await;
    assert!(server.log().contains("^^^"), "{}", server.log());
    assert_eq!(first_line(&server, 1), "after\n");

    // The next server knows the new configuration.
    let old = server.kill_server().await;
    server.next_server(old).await;
    wait_until("the next server's answer", || {
        let address = server.address("tcp");
        TcpStream::connect(address).ok()
    })
    .await;
    assert_eq!(first_line(&server, 1), "after\n");
    live.send("and here\n");
    live.see("and here").await;
    server.stop().await;
}

#[tokio::test]
async fn a_log_in_json_tells_mistakes_in_json() {
    let folder = Folder::new();
    let good = format!("{}log: {{format: json}}\n", SPEAKER);
    let path = folder.write(&good);
    let server = Config::new(BINARY).file(&path).start();
    folder.write(&good.replace("ttl", "tll"));
    processes::signal(server.supervisor_pid(), Signal::HUP);
    wait_until("the complaint", || {
        server.log().contains("stays as it was").then_some(())
    })
    .await;
    let log = fs::read_to_string(server.dir().join("log")).unwrap();
    let line = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let events: Vec<serde_json::Value> = log.lines().map(line).collect();
    let told = events[0]["message"].as_str().unwrap();
    assert!(
        told.contains("did you mean \"ttl\"?") && told.contains("^^^"),
        "{told}"
    );
    server.stop().await;
}

/// The program lives on without its client: one that has ended would not count.
#[tokio::test]
async fn limits_are_read_again_too() {
    let folder = Folder::new();
    let text = |limit: usize| {
        format!(
            "services: {{a: {{command: [sh, -c, 'echo here; exec sleep 1000'], io: pipe, ttl: 1h, max_sessions: {limit}}}}}\n"
        )
    };
    let path = folder.write(&text(1));
    let server = Config::new(BINARY)
        .file(&path)
        .listener("tcp://127.0.0.1:0")
        .start();
    assert_eq!(first_line(&server, 1), "here\n");
    assert_ne!(first_line(&server, 1), "here\n", "one is the most");
    folder.write(&text(100));
    processes::signal(server.supervisor_pid(), Signal::HUP);
    wait_until("room for more", || {
        (first_line(&server, 1) == "here\n").then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn without_a_file_a_hang_up_ends_it() {
    let server = Config::new(BINARY).start();
    let pid = server.supervisor_pid();
    processes::signal(pid, Signal::HUP);
    wait_until("the end", || (!processes::is_alive(pid)).then_some(())).await;
}

/// Who holds the pipes of a program that has ended may speak for as long as `linger` says, also to another server.
#[tokio::test]
async fn a_piped_programs_children_have_the_last_word() {
    let folder = Folder::new();
    let file = folder.write(
        "services:\n  late:\n    io: pipe\n    linger: 1m\n    command: [sh, -c, '(sleep 2; echo later) & echo ready; exit 3']\n",
    );
    for crash in [false, true] {
        let server = Config::new(BINARY).file(&file).start();
        let mut client = NativeClient::open(&server).await;
        client.see("ready").await;
        if crash {
            let old = server.kill_server().await;
            server.next_server(old).await;
        }
        assert_eq!(client.exit().await.code, 3);
        assert_eq!(client.out, b"ready\nlater\n");
        server.stop().await;
    }
}

/// However long they may stay, a kill ends them.
#[tokio::test]
async fn a_kill_does_not_wait_for_linger() {
    let folder = Folder::new();
    let file = folder.write(
        "services:\n  stay:\n    io: pipe\n    linger: never\n    command: [sh, -c, 'sleep 1000 & echo ready; exit 3']\n",
    );
    let server = Config::new(BINARY).file(&file).start();
    let memfds = server.memfds();
    let mut client = NativeClient::open(&server).await;
    let program = server.program(&client.session()).await.expect("a program");
    client.see("ready").await;
    // Not only dead: until the supervisor has fetched its status, a kill is what ended it.
    wait_until("the program's end", || {
        processes::stat(program).is_none().then_some(())
    })
    .await;
    client.kill();
    assert_eq!(client.exit().await.code, 3);
    server.nothing_left_over(memfds).await;
    server.stop().await;
}

//! The command line against the real binary: each command, over the UNIX socket and over a URL, and what it says when
//! something is not there.

use anywire_testkit::{Attach, Config, DEADLINE, NativeClient, Pty, Server, flood, wait_until};
use serde_json::Value;
use std::fs::{DirBuilder, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{UnixListener, UnixStream};

fn config() -> Config {
    Config::new(env!("CARGO_BIN_EXE_anywire"))
}

fn shell() -> Config {
    config().command(["/usr/bin/env", "-u", "ENV", "PS1=$ ", "/bin/sh", "-i"])
}

/// What a command prints; it is to succeed.
fn good(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// What a command complains of; it is to fail.
fn bad(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    assert!(!output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stderr).expect("text")
}

fn run(server: &Server, arguments: &[&str]) -> String {
    good(server.cli(arguments))
}

/// A command of somebody who has nothing but a URL and perhaps a token.
fn remote(server: &Server, url: &str, token: &str, arguments: &[&str]) -> Command {
    let mut command = server.cli(arguments);
    command
        .env("ANYWIRE_RUNTIME_DIR", server.dir().join("elsewhere"))
        .env("ANYWIRE_URL", url)
        .env("ANYWIRE_TOKEN", token);
    command
}

#[tokio::test]
async fn a_session_s_life_in_commands() {
    let server = shell().start();
    assert_eq!(run(&server, &["new", "--name", "work"]), "work\n");
    let other: Value = serde_json::from_str(&run(&server, &["new", "--json"])).expect("JSON");
    run(&server, &["rename", "work", "play"]);
    run(&server, &["send", "play", "echo he''llo", "--enter"]);
    wait_until("the screen", || {
        run(&server, &["screen", "play"])
            .contains("\nhello\n")
            .then_some(())
    })
    .await;
    let lines = |arguments: &[&str]| run(&server, arguments).lines().count();
    assert!(lines(&["screen", "play"]) < 24);
    assert_eq!(lines(&["screen", "play", "--full"]), 24);
    let screen: Value =
        serde_json::from_str(&run(&server, &["screen", "play", "--json"])).expect("JSON");
    assert!(screen["cells"].is_array() && screen["size"]["cols"] == 80);
    run(
        &server,
        &["send", "play", "sleep 1000", "--keys", "enter,ctrl-c"],
    );
    run(&server, &["send", "play", "--keys", "up,up,enter"]);
    let mut typed = server.cli(&["send", "play", "-"]);
    let mut typing = typed.stdin(Stdio::piped()).spawn().expect("it runs");
    let mut stdin = typing.stdin.take().expect("a pipe");
    stdin
        .write_all(b"echo from a pi''pe; exit 3\r")
        .expect("input");
    drop(stdin);
    assert!(typing.wait().expect("its end").success());
    let log = run(&server, &["logs", "play", "--follow"]);
    assert!(log.contains("from a pipe"), "{log}");
    let whole = log.len().to_string();
    assert_eq!(run(&server, &["logs", "play", "--since", &whole]), "");
    let list = run(&server, &["ls"]);
    assert!(
        list.contains("play") && list.contains("exited with code 3"),
        "{list}"
    );
    let id = other["id"].as_str().expect("an id");
    run(&server, &["kill", id]);
    server.stop().await;
}

#[tokio::test]
async fn who_errs_is_told_what_to_do() {
    let server = shell().start();
    let say = |arguments: &[&str]| bad(server.cli(arguments));
    let said = say(&["screen", "wrok"]);
    assert!(said.contains("`anywire new` starts one"), "{said}");
    run(&server, &["new", "--name", "work"]);
    run(&server, &["new", "--name", "other"]);
    for command in ["screen", "logs", "kill", "attach"] {
        let said = say(&[command, "wrok"]);
        assert!(said.contains("did you mean work?"), "{command}: {said}");
        let said = say(&[command, "nothing-like-it"]);
        assert!(said.contains("there are: "), "{command}: {said}");
        assert!(said.contains("work") && said.contains("other"), "{said}");
    }
    let said = say(&["new", "nothing"]);
    assert!(
        said.contains("no service is called \"nothing\"; there are: env"),
        "{said}"
    );
    let said = say(&["new", "--name", "work"]);
    assert!(said.contains("exists"), "{said}");
    let said = say(&["send", "work", "--keys", "ctrl-up"]);
    assert!(said.contains("is no key"), "{said}");
    let said = say(&["logs", "work", "--since", "999999"]);
    assert!(said.contains("ends at"), "{said}");
    let port = server.address("http").port().to_string();
    let said = say(&["ls", "--server", "other"]);
    let running = format!("no server called other runs; there are: {port}");
    assert!(said.contains(&running), "{said}");
    let early = run(&server, &["--server", &port, "ls"]);
    assert_eq!(early, run(&server, &["ls", "--server", &port]));
    // What is typed counts before what the environment says, and what says nothing is not there.
    let url = format!("http://127.0.0.1:{port}");
    for (variable, value, arguments) in [
        ("ANYWIRE_SERVER", "other", &["ls", "--url", &url][..]),
        (
            "ANYWIRE_URL",
            "http://127.0.0.1:1",
            &["ls", "--server", &port],
        ),
        ("ANYWIRE_SERVER", "", &["ls"]),
        ("ANYWIRE_URL", "", &["ls"]),
    ] {
        let mut command = server.cli(arguments);
        command.env(variable, value);
        assert!(good(command).contains("work"), "{variable}={value}");
    }
    let mut nowhere = server.cli(&["ls"]);
    nowhere.env("ANYWIRE_RUNTIME_DIR", server.dir().join("elsewhere"));
    let said = bad(nowhere);
    assert!(said.contains("`anywire serve` starts one"), "{said}");
    server.stop().await;
}

#[tokio::test]
async fn a_server_with_https_alone_is_reached_by_its_socket_and_by_its_fingerprint() {
    let echoes = "while read x; do echo got $x; done";
    let serve = ["serve", "-l", "https://localhost:0", "--ttl", "600"];
    let program = ["--pipe", "--", "/bin/sh", "-c", echoes];
    let server = config().preset(&[&serve[..], &program].concat(), 1).start();
    let print = server.fingerprint();
    assert_eq!(run(&server, &["new", "--name", "work"]), "work\n");
    let printed = server.urls()[0].clone();
    let page = printed.split('#').next().expect("a page");
    let ticket = run(&server, &["url"]);
    assert!(ticket.starts_with(&format!("{page}#ticket=")), "{ticket}");
    assert!(page.starts_with("https://localhost:"), "{page}");

    // From elsewhere: who is not known is not talked to, and the error says what to do.
    let said = bad(remote(&server, &printed, "", &["ls"]));
    assert!(said.contains(&format!("--fingerprint {print}")), "{said}");
    let known = |url: &str, arguments: &[&str]| {
        let mut command = remote(&server, url, "", arguments);
        command.env("ANYWIRE_FINGERPRINT", &print);
        command
    };
    assert!(good(known(&printed, &["ls"])).contains("work"));
    assert!(good(known(ticket.trim(), &["ls"])).contains("work"));
    let again = good(known(&printed, &["url"]));
    assert!(again.starts_with(&format!("{page}#ticket=")), "{again}");
    let plain = printed.replace("https://", "http://");
    let said = bad(known(&plain, &["ls"]));
    assert!(said.contains("has no TLS"), "{said}");

    // A connection with TLS comes back as one without does.
    let mut attach = known(&printed, &["attach", "work", "--eof"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let (mut keys, screen) = (attach.stdin.take(), attach.stdout.take());
    let mut lines = BufReader::new(screen.expect("a pipe")).lines();
    let mut exchange = |word: &str| {
        let keys = keys.as_mut().expect("a pipe");
        writeln!(keys, "{word}").expect("it reads");
        let line = lines.next().expect("a line").expect("text");
        assert_eq!(line, format!("got {word}"));
    };
    exchange("one");
    let old = server.kill_server().await;
    server.next_server(old).await;
    exchange("two");
    drop(keys.take());
    assert!(attach.wait().expect("it ends").success());
    server.stop().await;
}

#[tokio::test]
async fn a_certificate_in_a_file_is_trusted_by_its_file() {
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = ["localhost".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).expect("a name");
    let certificate = certificate.self_signed(&key).expect("a certificate");
    let pem = |kind: &str, der: &[u8]| {
        let body = data_encoding::BASE64.encode(der);
        format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n")
    };
    let serve = ["serve", "-l", "https://localhost:0", "--cert", "cert.pem"];
    let server = config()
        .with("cert.pem", pem("CERTIFICATE", certificate.der()))
        .with("key.pem", pem("PRIVATE KEY", key.serialized_der()))
        .preset(&[&serve[..], &["--key", "key.pem"]].concat(), 1)
        .start();
    let url = &server.urls()[0];
    let said = bad(remote(&server, url, "", &["ls"]));
    assert!(said.contains("is not trusted"), "{said}");
    let ls = ["ls", "--ca", "cert.pem"];
    assert_eq!(good(remote(&server, url, "", &ls)), "no sessions\n");
    // It is for localhost, and nobody else.
    let other = url.replace("localhost", "127.0.0.1");
    let said = bad(remote(&server, &other, "", &ls));
    assert!(said.contains("it is not for 127.0.0.1"), "{said}");
    server.stop().await;
}

#[tokio::test]
async fn a_password_to_be_hashed_is_typed_twice_and_not_shown() {
    let ask = ["config", "hash-password"];
    let mut terminal = Pty::start(env!("CARGO_BIN_EXE_anywire"), &ask, (200, 24), false);
    terminal.see("password: ").await;
    terminal.send("white rabbit\n");
    terminal.see("again: ").await;
    terminal.send("white rabbit\n");
    terminal.see("$argon2id$").await;
    terminal.end().await;
    let seen = String::from_utf8_lossy(&terminal.got()).into_owned();
    assert!(!seen.contains("rabbit"), "{seen}");
}

#[tokio::test]
async fn a_url_and_a_code_are_as_good_as_the_socket() {
    let server = shell().with_auth().start();
    let url = format!("http://{}", server.address("http"));
    let code = server.code().expect("a start code");
    let said = bad(remote(&server, &url, "", &["ls"]));
    assert!(said.contains("ANYWIRE_TOKEN"), "{said}");
    for secret in ["AAAAAAAAAA", "teacher:wrong"] {
        let said = bad(remote(&server, &url, secret, &["ls"]));
        assert_eq!(
            said,
            "anywire: listing sessions: that start code, token or password is wrong, or that ticket has been used\n"
        );
    }
    let new = remote(&server, &url, &code, &["new", "--name", "far"]);
    assert_eq!(good(new), "far\n");
    // The URL as it was printed, and one with a ticket.
    let printed = format!("{url}/#code={code}");
    good(remote(
        &server,
        &printed,
        "",
        &["send", "far", "echo o''ne", "--enter"],
    ));
    let ticket = run(&server, &["url"]);
    let send = ["send", "far", "echo t''wo; exit 5", "--enter"];
    good(remote(&server, ticket.trim(), "", &send));
    let said = bad(remote(&server, ticket.trim(), "", &["ls"]));
    assert!(said.contains("good once"), "{said}");
    let log = good(remote(&server, &printed, "", &["logs", "far", "-f"]));
    assert!(log.contains("one\r\n") && log.contains("two\r\n"), "{log}");
    let attach = remote(&server, &url, &code, &["attach", "far"]).output();
    assert_eq!(attach.expect("it runs").status.code(), Some(5));
    server.stop().await;
}

/// Waits until a file has so many lines of the producer's.
async fn until_lines(file: &Path, lines: u64) {
    wait_until("a line for each byte", || {
        let len = std::fs::metadata(file).expect("a file").len();
        (len >= lines * flood::LINE).then_some(())
    })
    .await;
}

/// `attach` on pipes, while servers die: what goes in comes out, all of it and once, and the program's code is ours.
#[tokio::test]
async fn an_attached_command_survives_the_server() {
    let server = config().pipe().producer(&["steps"]).start();
    let out = server.dir().join("out");
    let mut command = server.cli(&["attach"]);
    let mut attached = command
        .stdin(Stdio::piped())
        .stdout(File::create(&out).expect("a file"))
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut stdin = attached.stdin.take().expect("a pipe");
    let mut lines = 1;
    until_lines(&out, lines).await;
    for _ in 0..3 {
        stdin.write_all(&[b'x'; 700]).expect("input");
        lines += 700;
        // What is just being given to the program when the server dies is given at most once.
        until_lines(&out, lines).await;
        let old = server.kill_server().await;
        stdin.write_all(&[b'y'; 300]).expect("input");
        lines += 300;
        server.next_server(old).await;
        until_lines(&out, lines).await;
    }
    drop(stdin);
    let status = wait_until("its end", || attached.try_wait().ok().flatten()).await;
    assert_eq!(status.code(), Some(0));
    let whole = std::fs::read(&out).expect("a file");
    assert!(
        whole == flood::bytes(0, lines * flood::LINE),
        "{} bytes",
        whole.len()
    );
    server.stop().await;
}

/// A server that dies between a connection and its welcome.
#[tokio::test]
async fn attach_tries_again_when_its_first_connection_breaks() {
    let server = config().pipe().command(["cat"]).start();
    let sockets = std::fs::read_dir(server.runtime_dir()).expect("a folder");
    let behind = sockets
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|end| end == "sock"))
        .expect("the server's socket");
    let dir = server.dir().join("between");
    DirBuilder::new()
        .mode(0o700)
        .create(&dir)
        .expect("a folder");
    let between = UnixListener::bind(dir.join("7681.sock")).expect("a socket");
    let relay = async {
        let (first, _) = between.accept().await.expect("a client");
        drop(first);
        let (mut client, _) = between.accept().await.expect("the client again");
        let mut server = UnixStream::connect(behind).await.expect("the server");
        let _ = copy_bidirectional(&mut client, &mut server).await;
    };
    let mut attached = tokio::process::Command::new(env!("CARGO_BIN_EXE_anywire"))
        .arg("attach")
        .env("ANYWIRE_RUNTIME_DIR", &dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("it runs");
    let mut stdin = attached.stdin.take().expect("a pipe");
    stdin.write_all(b"once").await.expect("input");
    drop(stdin);
    let (output, ()) = tokio::time::timeout(DEADLINE, async {
        tokio::join!(attached.wait_with_output(), relay)
    })
    .await
    .expect("both end");
    let output = output.expect("its output");
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(0), &b"once"[..])
    );
    server.stop().await;
}

#[tokio::test]
async fn logs_are_followed_across_the_server_s_death() {
    let server = config().pipe().producer(&["steps"]).start();
    let name = run(&server, &["new"]);
    let name = name.trim();
    let out = server.dir().join("out");
    let mut command = server.cli(&["logs", "--follow", name]);
    let mut follower = command
        .stdout(File::create(&out).expect("a file"))
        .stderr(File::create(server.dir().join("said")).expect("a file"))
        .spawn()
        .expect("it runs");
    let mut lines = 1;
    until_lines(&out, lines).await;
    for _ in 0..3 {
        run(&server, &["send", name, &"x".repeat(800)]);
        lines += 800;
        let old = server.kill_server().await;
        server.next_server(old).await;
        until_lines(&out, lines).await;
    }
    run(&server, &["send", name, "--eof"]);
    let status = wait_until("its end", || follower.try_wait().ok().flatten()).await;
    assert!(status.success());
    let whole = std::fs::read(&out).expect("a file");
    assert!(
        whole == flood::bytes(0, lines * flood::LINE),
        "{} bytes",
        whole.len()
    );
    let said = std::fs::read_to_string(server.dir().join("said")).expect("a file");
    assert!(said.contains("exited with code 0"), "{said}");
    server.stop().await;
}

/// `new --attach` in a terminal: the key is told, and does what was told.
#[tokio::test]
async fn a_new_session_is_joined_in_a_terminal() {
    let (inner, outer) = (shell().start(), shell().start());
    let mut terminal = NativeClient::attach(&outer, Attach::default()).await;
    terminal.send(format!(
        "ANYWIRE_RUNTIME_DIR={} {} new --attach --name inside; echo left:$?\r",
        inner.runtime_dir().display(),
        env!("CARGO_BIN_EXE_anywire"),
    ));
    terminal.see(r"ctrl-\ detaches").await;
    terminal.send("echo in''ner\r");
    terminal.see("inner").await;
    // Its server dies; who types meanwhile is none the wiser.
    let old = inner.kill_server().await;
    terminal.send("echo aft''er\r");
    inner.next_server(old).await;
    terminal.see("after").await;
    terminal.send("\x1c");
    terminal.see("left:0").await;
    assert!(run(&inner, &["ls"]).contains("inside"));
}

/// Whoever reads may have seen enough; a full disk has not.
#[tokio::test]
async fn what_nobody_reads_is_no_error_and_what_cannot_be_written_is() {
    let server = shell().start();
    for arguments in [
        &["config", "schema"][..],
        &["config", "show"],
        &["config", "new-token"],
        &["framed", "--print-config"],
        &["xwterm", "-print-config"],
        &["xwterm", "-help"],
        &["man"],
        &["completions", "bash"],
        &["ls"],
        &["ls", "--json"],
        &["code"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let run = |out: Stdio| {
            let mut command = server.cli(arguments);
            command.stdout(out).stderr(Stdio::piped());
            let child = command.spawn().expect("it runs");
            child.wait_with_output().expect("its end")
        };
        let done = run(writer.into());
        assert_eq!(done.status.code(), Some(0), "{arguments:?} {done:?}");
        assert!(done.stderr.is_empty(), "{arguments:?} {done:?}");
        let full = File::options().write(true).open("/dev/full");
        let done = run(full.expect("a full device").into());
        assert_eq!(done.status.code(), Some(1), "{arguments:?} {done:?}");
        let said = String::from_utf8(done.stderr).expect("text");
        assert!(
            said.starts_with("anywire: writing to standard output: No space left"),
            "{arguments:?} {said}"
        );
        assert_eq!(said.lines().count(), 1, "{arguments:?} {said}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_user_comes_in_with_name_and_password() {
    let mut hash = Command::new(env!("CARGO_BIN_EXE_anywire"));
    hash.args(["config", "hash-password"]);
    hash.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut hashing = hash.spawn().expect("it runs");
    let mut stdin = hashing.stdin.take().expect("a pipe");
    stdin.write_all(b"white:rabbit").expect("input");
    drop(stdin);
    let hash = hashing.wait_with_output().expect("its end").stdout;
    let hash = String::from_utf8(hash).expect("text");
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = folder.path().join("anywire.yaml");
    let users = format!(
        "auth: {{users: {{teacher: {{password: {:?}, role: owner}}}}}}\n",
        hash.trim()
    );
    std::fs::write(&file, users).expect("a file");
    let server = shell().with_auth().file(&file).start();
    let url = format!("http://{}", server.address("http"));
    let ls = |secret| remote(&server, &url, secret, &["ls"]);
    assert_eq!(good(ls("teacher:white:rabbit")), "no sessions\n");
    assert!(bad(ls("teacher:white")).contains("password is wrong"));
    server.stop().await;
}

/// As `ps` and `top` show them.
#[tokio::test]
async fn processes_have_the_program_s_name() {
    let server = shell().start();
    for pid in [
        server.supervisor_pid(),
        server.server_pid().expect("a server"),
    ] {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).expect("a process");
        assert_eq!(name, "anywire\n");
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).expect("a process");
        assert!(
            !line.starts_with(b"/proc"),
            "{}",
            String::from_utf8_lossy(&line)
        );
    }
    server.stop().await;
}

#[test]
fn the_command_line_describes_itself() {
    let anywire = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_anywire"));
        command.args(arguments);
        good(command)
    };
    for shell in ["bash", "zsh", "fish"] {
        let script = anywire(&["completions", shell]);
        assert!(
            script.contains("rename") && !script.contains("__server"),
            "{shell}"
        );
    }
    let mut typo = Command::new(env!("CARGO_BIN_EXE_anywire"));
    typo.arg("serv");
    let told = bad(typo);
    assert!(told.contains("'serve'") && !told.contains("__"), "{told}");
    let page = anywire(&["man"]);
    assert!(
        page.contains(".TH anywire 1") && page.contains("puts any program on any wire"),
        "{page}"
    );
    let folder = tempfile::tempdir().expect("a folder for the test");
    let dir = folder.path().join("man");
    anywire(&["man", dir.to_str().expect("text")]);
    let pages: Vec<String> = std::fs::read_dir(&dir)
        .expect("a folder")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    assert!(pages.contains(&"anywire.1".to_owned()), "{pages:?}");
    assert!(pages.contains(&"anywire-attach.1".to_owned()), "{pages:?}");
    assert!(
        !pages.iter().any(|page| page.contains("__server")),
        "{pages:?}"
    );
}

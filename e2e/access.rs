//! Who may come in, with the real binary: users and tokens from its file, TLS, certificates and start codes that change.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use anywire_testkit::{Config, NativeClient, Server, processes, wait_until};
use rustix::process::Signal;
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_anywire");

/// A folder that goes with the test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let mode = fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().permissions(mode).tempdir();
        Self(folder.expect("a folder for the test"))
    }

    fn write(&self, auth: &str) -> PathBuf {
        let path = self.0.path().join("anywire.yaml");
        let text = format!("services: {{cat: {{command: [cat], io: pipe}}}}\nauth: {auth}\n");
        fs::write(&path, text).unwrap();
        path
    }
}

/// What a command prints that gets this as its input.
fn printed(command: &mut Command, input: &str) -> String {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn hash(password: &str) -> String {
    let mut command = Command::new(BINARY);
    let phc = printed(command.args(["config", "hash-password"]), password);
    phc.trim().to_owned()
}

/// Status, and what curl was told to print beside it or the body.
fn curl(server: &Server, scheme: &str, path: &str, arguments: &[&str]) -> (u16, String) {
    let url = format!("{scheme}://{}{path}", server.address(scheme));
    let output = Command::new("curl")
        .args(["-sS", "-k", "--max-time", "30", "-w", "\n%{http_code}"])
        .args(arguments)
        .arg(url)
        .output()
        .expect("curl runs");
    let text = String::from_utf8(output.stdout).unwrap();
    let (text, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), text.to_owned())
}

fn me(server: &Server, arguments: &[&str]) -> (u16, Value) {
    let (status, body) = curl(server, "https", "/api/me", arguments);
    (status, serde_json::from_str(&body).unwrap_or_default())
}

/// Logs in over HTTPS; the cookie for curl's `-b`.
fn login(server: &Server, body: &str) -> String {
    let json = [
        "-H",
        "Content-Type: application/json",
        "-D",
        "-",
        "-d",
        body,
    ];
    let (status, head) = curl(server, "https", "/api/login", &json);
    assert_eq!(status, 204, "{head}");
    let set = head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap();
    assert!(
        set.starts_with("__Host-") && set.contains("; Secure"),
        "{set}"
    );
    set.split(';').next().unwrap().to_owned()
}

/// The certificate that the server presents, as PEM.
fn certificate(server: &Server) -> String {
    let arguments = ["-o", "/dev/null", "-w", "%{certs}\n%{http_code}"];
    let (_, text) = curl(server, "https", "/healthz", &arguments);
    let from = text.find("-----BEGIN").expect("a certificate");
    text[from..].to_owned()
}

#[tokio::test]
async fn users_and_tokens_from_the_file_over_https() {
    let folder = Folder::new();
    let tokens = printed(Command::new(BINARY).args(["config", "new-token"]), "");
    let word = |line: usize| {
        tokens
            .lines()
            .nth(line)
            .unwrap()
            .split_once(": ")
            .unwrap()
            .1
            .trim()
    };
    let (token, sha256) = (word(0), word(1));
    let auth = |password: &str| {
        let phc = hash(password);
        format!(
            "{{users: {{ada: {{password: '{phc}', role: writer}}}}, tokens: {{ci: {{sha256: {sha256}, role: viewer}}}}}}"
        )
    };
    let file = folder.write(&auth("open sesame\n"));
    let config = Config::new(BINARY).with_auth().file(&file);
    let server = config.listener("https://127.0.0.1:0").start();

    let ada = serde_json::json!({"name": "ada", "role": "writer"});
    assert_eq!(me(&server, &["-u", "ada:open sesame"]), (200, ada.clone()));
    assert_eq!(me(&server, &["-u", "ada:open sesamf"]).0, 401);
    assert_eq!(me(&server, &[]).0, 401);
    let bearer = format!("Authorization: Bearer {token}");
    let ci = serde_json::json!({"name": "ci", "role": "viewer"});
    assert_eq!(me(&server, &["-H", &bearer]), (200, ci));
    // A viewer ends nothing, a writer of the file's starts something.
    let (status, _) = curl(
        &server,
        "https",
        "/api/sessions",
        &["-H", &bearer, "-X", "POST"],
    );
    assert_eq!(status, 403);

    let cookie = login(&server, r#"{"user":"ada","password":"open sesame"}"#);
    let left = login(&server, r#"{"user":"ada","password":"open sesame"}"#);
    let origin = format!("Origin: https://{}", server.address("https"));
    let logout = ["-b", &*left, "-H", &*origin, "-X", "POST"];
    assert_eq!(curl(&server, "https", "/api/logout", &logout).0, 204);
    assert_eq!(me(&server, &["-b", &left]).0, 401);

    // The next server has the same certificate, knows the cookie, and which logins were ended.
    let before = certificate(&server);
    let old = server.kill_server().await;
    server.next_server(old).await;
    wait_until("the next server's answer", || {
        (me(&server, &["-b", &cookie]) == (200, ada.clone())).then_some(())
    })
    .await;
    assert_eq!(certificate(&server), before);
    assert_eq!(me(&server, &["-b", &left]).0, 401);

    // Another password ends what the old one began.
    folder.write(&auth("another"));
    processes::signal(server.supervisor_pid(), Signal::HUP);
    wait_until("the cookie's end", || {
        (me(&server, &["-b", &cookie]).0 == 401).then_some(())
    })
    .await;
    assert_eq!(me(&server, &["-u", "ada:another"]), (200, ada));
    server.stop().await;
}

/// A certificate for 127.0.0.1 and its key, as PEM.
fn pair() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let cert = params.self_signed(&key).unwrap();
    (
        pem("CERTIFICATE", cert.der()),
        pem("PRIVATE KEY", key.serialized_der()),
    )
}

fn pem(kind: &str, der: &[u8]) -> String {
    let body = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> = (0..body.len())
        .step_by(64)
        .map(|at| &body[at..body.len().min(at + 64)])
        .collect();
    format!(
        "-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n",
        lines.join("\n")
    )
}

/// `curl` by HTTPS, to whom this certificate is the only one that counts.
fn trusting(server: &Server, certificate: &str, path: &str) -> Command {
    let mut command = Command::new("curl");
    command
        .args(["-sSN", "--fail", "--max-time", "60", "--cacert"])
        .arg(server.dir().join(certificate))
        .arg(format!("https://{}{path}", server.address("https")))
        .stderr(Stdio::null());
    command
}

/// A child that goes with the test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_hang_up_reads_certificates_again_and_leaves_connections_alone() {
    let (old, new) = (pair(), pair());
    let server = Config::new(BINARY)
        .command(["cat"])
        .listener("https://127.0.0.1:0")
        .with("cert.pem", &old.0)
        .with("key.pem", &old.1)
        .with("old.pem", &old.0)
        .with("new.pem", &new.0)
        .variable("ANYWIRE_CERT", "cert.pem")
        .variable("ANYWIRE_KEY", "key.pem")
        .start();
    let presents = |certificate: &str| {
        let mut curl = trusting(&server, certificate, "/healthz");
        curl.stdout(Stdio::null()).status().unwrap().success()
    };
    let mut live = NativeClient::open(&server).await;
    let session = live.session();
    let program = server.program(&session).await;
    let out = server.dir().join("out");
    let path = format!("/api/sessions/{session}/output?follow=1");
    let mut follower = trusting(&server, "old.pem", &path);
    let mut follower = Running(
        follower
            .stdout(File::create(&out).unwrap())
            .spawn()
            .unwrap(),
    );
    let followed = async |word: &str| {
        wait_until("output by the first connection", || {
            fs::read_to_string(&out).ok()?.contains(word).then_some(())
        })
        .await;
    };
    live.send("one\r");
    live.see("one").await;
    followed("one").await;
    assert!(presents("old.pem") && !presents("new.pem"));

    let write = |name: &str, text: &str| fs::write(server.dir().join(name), text).unwrap();
    write("cert.pem", &new.0);
    write("key.pem", &new.1);
    processes::signal(server.supervisor_pid(), Signal::HUP);
    wait_until("the new certificate", || presents("new.pem").then_some(())).await;
    assert!(!presents("old.pem"));
    live.send("two\r");
    live.see("two").await;
    followed("two").await;
    assert_eq!(follower.0.try_wait().unwrap(), None);
    assert_eq!(server.program(&session).await, program);
    assert_eq!(live.connections, 1);

    // Files that do not belong together change nothing, and are told.
    write("key.pem", &old.1);
    processes::signal(server.supervisor_pid(), Signal::HUP);
    wait_until("the complaint", || {
        let log = server.log();
        log.contains("the certificate stays as it was")
            .then_some(())
    })
    .await;
    assert!(presents("new.pem"));
    write("key.pem", &new.1);

    // The next server reads the files as they are.
    let before = server.kill_server().await;
    server.next_server(before).await;
    wait_until("the next server's answer", || {
        presents("new.pem").then_some(())
    })
    .await;
    live.send("three\r");
    live.see("three").await;
    server.stop().await;
}

#[tokio::test]
async fn each_new_start_code_is_announced_and_ends_the_old_one() {
    let folder = Folder::new();
    let told = folder.0.path().join("told");
    let script = format!("echo \"$1\" >> {}", told.display());
    let file = folder.write(&format!("{{announce: [sh, -c, '{script}', announce]}}"));
    let config = Config::new(BINARY).with_auth().file(&file);
    let server = config.listener("https://127.0.0.1:0").start();
    let code = async |arguments: &[&str]| {
        let arguments = [&["code"], arguments].concat();
        printed(&mut server.cli(&arguments), "").trim().to_owned()
    };
    let first = code(&[]).await;
    assert_eq!(Some(&first), server.code().as_ref());
    let cookie = login(&server, &format!(r#"{{"code":"{first}"}}"#));
    let second = code(&["--rotate"]).await;
    assert_ne!(first, second);
    assert_eq!(code(&[]).await, second);
    let bearer = |code: &str| format!("Authorization: Bearer {code}");
    assert_eq!(me(&server, &["-H", &bearer(&first)]).0, 401);
    assert_eq!(me(&server, &["-H", &bearer(&second)]).0, 200);
    assert_eq!(me(&server, &["-b", &cookie]).0, 200);
    // A server that takes over makes no new code, and announces none.
    let old = server.kill_server().await;
    server.next_server(old).await;
    let both = format!("{first}\n{second}\n");
    wait_until("both codes announced", || {
        (fs::read_to_string(&told).ok()? == both).then_some(())
    })
    .await;
    server.stop().await;
    assert_eq!(fs::read_to_string(&told).unwrap(), both);
}

#[tokio::test]
async fn without_credentials_pages_of_others_stay_out() {
    let server = Config::new(BINARY).start();
    let at = server.address("http");
    let status = |header: &str| curl(&server, "http", "/api/sessions", &["-H", header]).0;
    for origin in [
        "null",
        "http://evil.example",
        &format!("http://evil.{at}"),
        &format!("https://{at}"),
        &format!("http://{}:{}", at.ip(), at.port() ^ 1),
    ] {
        assert_eq!(status(&format!("Origin: {origin}")), 403, "{origin}");
    }
    assert_eq!(status("Sec-Fetch-Site: cross-site"), 403);
    assert_eq!(status("Host: evil.example"), 421);
    assert_eq!(status(&format!("Origin: http://{at}")), 200);
    server.stop().await;
}

//! Who may come in, with the real binary: users and tokens from its file, TLS, start codes that change.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use anywire_testkit::{Config, Server, processes, wait_until};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_anywire");

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("anywire-access-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Self(path)
    }

    fn write(&self, auth: &str) -> PathBuf {
        let path = self.0.join("anywire.yaml");
        let text = format!("services: {{cat: {{command: [cat], io: pipe}}}}\nauth: {auth}\n");
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
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
    let folder = Folder::new("users");
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

#[tokio::test]
async fn each_new_start_code_is_announced_and_ends_the_old_one() {
    let folder = Folder::new("code");
    let told = folder.0.join("told");
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

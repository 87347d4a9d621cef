//! `anywire xwterm` as the pages of xwterm meet it, with the real binary: each rule of the sample server's dialect, and
//! each of its mistakes that must not come back.

use anywire_testkit::xwterm::{Answer, Poller, Socket, request};
use anywire_testkit::{Config, Server, processes, rounds, wait_until};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_anywire");
/// Before its prompt the shell asks for brackets around what is pasted.
const PROMPT: &str = "\u{1b}[?2004h";

/// A server of the preset on free ports, with these arguments more.
fn config(arguments: &[&str]) -> Config {
    let own = ["xwterm", "-http", "0", "-ws", "0"];
    Config::new(BINARY)
        .preset(&[&own[..], arguments].concat(), 2)
        .with("example/index.html", "<title>home</title>")
        .variable("TERM", "xterm-256color")
        .variable("HOME", "/nonexistent")
}

fn start() -> Server {
    config(&[]).start()
}

fn http(server: &Server) -> SocketAddr {
    server.address("http")
}

fn ws(server: &Server) -> SocketAddr {
    let url = server.urls()[1].trim_start_matches("http://");
    url.trim_end_matches('/').parse().expect("an address")
}

async fn get(server: &Server, path: &str) -> Answer {
    request(http(server), "GET", path, &[], b"").await
}

/// The line of an id in the list of sessions.
async fn row(server: &Server, id: &str) -> Option<Value> {
    let list = get(server, "/?sessions&session=asker").await.json();
    let rows = list.as_array().expect("an array");
    rows.iter().find(|row| row["sid"] == id).cloned()
}

async fn until_row(server: &Server, id: &str, what: &str, good: impl Fn(Option<&Value>) -> bool) {
    for _ in 0..3000 {
        if good(row(server, id).await.as_ref()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: {:?}", row(server, id).await);
}

#[tokio::test]
async fn a_terminal_is_polled_and_typed_into() {
    let server = start();
    let mut page = Poller::open(&server, "1a1fbaf51bf00000", "25x80").await;
    page.see(PROMPT).await;
    page.send("stty size; echo =$0=$TERM=\r").await;
    page.see("25 80").await;
    page.see("=bash=").await;
    page.send("printf '\\342'; printf '\\202\\254 \\360\\237\\230\\200'; echo \u{e9}n\"\"d\r")
        .await;
    page.see("\u{20ac} \u{1f600}\u{e9}nd").await;
    // Nothing new is an answer, at once.
    let start = std::time::Instant::now();
    while !page.ask("console").await.is_empty() {}
    assert!(start.elapsed() < Duration::from_secs(5));
    let answer = get(&server, "/?console&session=1a1fbaf51bf00000").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.text(), r#"{"text": ""}"#);
    assert_eq!(
        answer.header("set-cookie"),
        Some("session_id=1a1fbaf51bf00000; Path=/")
    );
    page.send("printf '\\303\\251\\033[0m\"'\r").await;
    let mut raw = String::new();
    wait_for(async || {
        raw += &get(&server, "/?console&session=1a1fbaf51bf00000")
            .await
            .text();
        raw.contains(r#"\u00e9\u001b[0m\""#)
    })
    .await;
    server.stop().await;
}

/// Asks until the answer is yes.
async fn wait_for(mut yes: impl AsyncFnMut() -> bool) {
    for _ in 0..3000 {
        if yes().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain");
}

#[tokio::test]
async fn sizes_are_lines_first_and_bad_ones_are_ignored() {
    let server = start();
    let mut page = Poller::silent(&server, "sizes");
    // Without a size, the first one is that of the command line.
    page.send("stty size\r").await;
    page.see("40 120").await;
    assert_eq!(row(&server, "sizes").await.unwrap()["sz"], "120x40");
    for bad in ["70000x10", "-1x5", "0x0", "20X70", "nonsense", ""] {
        page.ask(&format!("size={bad}")).await;
    }
    page.ask("size=20x70x5").await;
    page.send("stty size\r").await;
    page.see("20 70").await;
    assert_eq!(row(&server, "sizes").await.unwrap()["sz"], "70x20");
    // A storm ends with the last.
    for lines in 30..60 {
        page.ask(&format!("size={lines}x101")).await;
    }
    page.send("until [ \"$(stty size)\" = '59 101' ]; do sleep 0.01; done; echo la\"\"st\r")
        .await;
    page.see("last").await;
    page.send(r#"{"size":"11x77","text":"stty size\r"}"#).await;
    page.send("until [ \"$(stty size)\" = '11 77' ]; do sleep 0.01; done; echo pos\"\"ted\r")
        .await;
    page.see("posted").await;
    server.stop().await;
}

#[tokio::test]
async fn a_websocket_has_a_shell_on_both_ports() {
    let server = start();
    for (address, path) in [(ws(&server), "/"), (http(&server), "/any/path?session=x")] {
        let mut page = Socket::connect(address, path, None).await.unwrap();
        page.send(r#"{"size":"41x121"}"#).await;
        page.keys("stty size; printf '\\342'; printf '\\202\\254'; echo en\"\"d\r")
            .await;
        page.see("41 121").await;
        page.see("\u{20ac}end").await;
        page.send(r#"{"text":"stty size; echo bo\"\"th\r","size":"30x90"}"#)
            .await;
        page.see("both").await;
        page.send(r#"{"size":"31x91"}"#).await;
        page.keys("until [ \"$(stty size)\" = '31 91' ]; do sleep 0.01; done; echo siz\"\"ed\r")
            .await;
        page.see("sized").await;
        page.keys("exit\r").await;
        assert_eq!(page.end().await, 1000, "closed when the shell ends");
    }
    // One that says nothing has its shell all the same.
    let mut page = Socket::connect(ws(&server), "/", None).await.unwrap();
    page.see(PROMPT).await;
    page.keys("stty size\r").await;
    page.see("40 120").await;
    let answer = request(ws(&server), "GET", "/", &[], b"").await;
    assert_eq!(answer.status, 426);
    assert!(answer.text().contains("WebSocket"));
    drop(page);
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_envelope_is_typed() {
    let server = start();
    let mut page = Socket::open(ws(&server), "40x200").await;
    page.keys("stty -echo; PS1=; echo rea\"\"dy\r").await;
    page.see("ready").await;
    page.keys("echo g\"\"o; cat -v\r").await;
    page.see("go\r\n").await;
    for typed in [
        "{}",
        "[]",
        "\"abc\"",
        "5",
        "true",
        "null",
        "[\"text\"]",
        "{\"text\":5}",
        "{\"x\":1}",
    ] {
        page.got.clear();
        page.send(typed).await;
        page.keys("\r").await;
        page.see(&format!("{typed}\r\n")).await;
    }
    page.send_binary("bin\u{e4}r\r".as_bytes()).await;
    page.see("binM-CM-$r").await;
    page.send(r#"{"text":"a\ud800z\r"}"#).await;
    page.see("z\r\n").await;
    page.send("raw words\r").await;
    page.see("raw words").await;
    for odd in [r#"{"text":""}"#, r#"{"size":"70000x10"}"#, r#"{"size":""}"#] {
        page.send(odd).await;
    }
    let mut poller = Poller::open(&server, "typed", "25x200").await;
    poller.send("stty -echo; echo g\"\"o; cat -v\r").await;
    poller.see("go\r\n").await;
    for typed in ["{}", "[]", "\"abc\""] {
        poller.send(typed).await;
        poller.send("\r").await;
        poller.see(&format!("{typed}\r\n")).await;
    }
    page.keys("alive\r").await;
    page.see("alive\r\n").await;
    // More than a message may have is told as such.
    let mut long = Socket::open(ws(&server), "40x80").await;
    long.see(PROMPT).await;
    long.send(&"x".repeat((1 << 20) + 1)).await;
    assert_eq!(long.end().await, 1009);
    server.stop().await;
}

#[tokio::test]
async fn a_byte_that_is_no_character_does_not_stop_the_output() {
    let server = start();
    let bad = "printf 'a\\377b\\342\\202'; echo on\"\"ward\r";
    let mut poller = Poller::open(&server, "bytes", "25x80").await;
    poller.send(bad).await;
    poller.see("a\u{fffd}b\u{fffd}onward").await;
    let mut socket = Socket::open(ws(&server), "25x80").await;
    socket.keys(bad).await;
    socket.see("a\u{fffd}b\u{fffd}onward").await;
    server.stop().await;
}

#[tokio::test]
async fn addresses_methods_and_cookies() {
    let server = config(&[])
        .with("example/app.js", "js")
        .with("example/read.txt", "txt")
        .with("src/xwterm.js", "src")
        .with("dist/xwterm.js", "dist")
        .with("dist/only.css", "dist")
        .with("wip/wip.bin", "wip")
        .start();
    for (path, kind, body) in [
        ("/", "text/html", "<title>home</title>"),
        ("/?foo", "text/html", "<title>home</title>"),
        ("/index.html?console", "text/html", "<title>home</title>"),
        ("/app.js", "application/javascript", "js"),
        ("/%61pp.js?x=y", "application/javascript", "js"),
        ("/read.txt", "text/plain", "txt"),
        ("/xwterm.js", "application/javascript", "src"),
        ("/only.css", "text/css", "dist"),
        ("/wip.bin", "application/octet-stream", "wip"),
    ] {
        let answer = get(&server, path).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, body),
            "{path}"
        );
        assert_eq!(answer.header("content-type"), Some(kind), "{path}");
        let cookie = answer.header("set-cookie").expect("a cookie");
        assert!(
            cookie.starts_with("session_id=") && cookie.ends_with("; Path=/"),
            "{cookie}"
        );
    }
    for path in ["/nothing", "/uploads", "/uploads/", "/example"] {
        let answer = get(&server, path).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (404, "Not found"),
            "{path}"
        );
        assert!(answer.header("set-cookie").is_some());
    }
    let head = request(http(&server), "HEAD", "/app.js", &[], b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for (method, path, allow) in [
        ("DELETE", "/", "GET,HEAD,POST,PUT"),
        ("OPTIONS", "/", "GET,HEAD,POST,PUT"),
        ("POST", "/other", "GET,HEAD,PUT"),
        ("OPTIONS", "/other", "GET,HEAD,PUT"),
    ] {
        let answer = request(http(&server), method, path, &[], b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)));
        assert_eq!(answer.text(), "405: Method Not Allowed");
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(answer.header("set-cookie"), None);
    }
    let hint = get(&server, "/?session=hint%20x%3By%22z").await;
    let quoted = r#"session_id="hint x\073y\"z"; Path=/"#;
    assert_eq!(hint.header("set-cookie"), Some(quoted));
    let cookie = async |value: &'static str| {
        let headers = [("Cookie", value)];
        let answer = request(http(&server), "GET", "/", &headers, b"").await;
        assert_eq!(answer.status, 200, "{value}");
        answer.header("set-cookie").expect("a cookie").to_owned()
    };
    assert_eq!(cookie(r#"a=b; session_id="hint x\073y\"z""#).await, quoted);
    assert_ne!(
        cookie("session_id=unknown").await,
        "session_id=unknown; Path=/"
    );
    assert!(
        cookie("nonsense").await.starts_with("session_id="),
        "no error"
    );
    let headers = [("Cookie", "session_id=unknown")];
    let answer = request(http(&server), "GET", "/?session=", &headers, b"").await;
    assert_eq!(
        answer.header("set-cookie"),
        Some("session_id=unknown; Path=/")
    );
    let path = "/?console&session=charset";
    assert_eq!(get(&server, path).await.status, 200);
    for (kind, body, status) in [
        ("text/plain;charset=UTF-8", &b"\xff"[..], 400),
        ("text/plain;charset=klingon", b"a", 400),
        ("text/plain; charset=latin-1", b"\xe9", 200),
        ("application/octet-stream", b"a", 200),
    ] {
        let headers = [("Content-Type", kind)];
        let answer = request(http(&server), "POST", "/?session=charset", &headers, body).await;
        assert_eq!(answer.status, status, "{kind}");
    }
    server.stop().await;
}

#[tokio::test]
async fn sessions_are_listed_killed_and_made_again() {
    let server = start();
    let mut first = Poller::open(&server, "first", "25x80").await;
    first.see(PROMPT).await;
    let mut socket = Socket::open(ws(&server), "40x120").await;
    socket.see(PROMPT).await;
    let list = get(&server, "/?sessions&session=asker").await.json();
    let rows = list.as_array().unwrap();
    assert_eq!(rows.len(), 3, "{list}");
    assert_eq!(
        (&rows[0]["sid"], &rows[0]["ty"]),
        (&"first".into(), &false.into())
    );
    assert_eq!(
        (&rows[1]["ty"], &rows[1]["sz"]),
        (&true.into(), &"120x40".into())
    );
    assert_eq!(
        (&rows[2]["sid"], &rows[2]["sz"]),
        (&"asker".into(), &"-".into())
    );
    let date = rows[0]["dt"].as_str().unwrap();
    assert_eq!(
        (date.len(), &date[4..5], &date[10..11]),
        (19, "/", " "),
        "{date}"
    );
    assert!(rows[0]["tm"].is_u64());
    // Somebody who keeps no cookie does not fill the list.
    for _ in 0..5 {
        get(&server, "/").await;
    }
    let list = get(&server, "/?sessions&session=asker").await.json();
    assert_eq!(list.as_array().unwrap().len(), 3, "{list}");
    // Killed, and polled at once: a fresh shell under the same id.
    first.send("VALUE=old\r").await;
    let killed = get(&server, "/?kill=first&session=asker").await;
    assert_eq!((killed.status, killed.text().as_str()), (200, "{}"));
    first.got.clear();
    first.send("echo =$VALUE=\r").await;
    first.see("==\r\n").await;
    // A shell that ends is no longer listed, its last words are read, and the next poll makes another.
    first.send("VALUE=old; echo last\"\" words; exit 3\r").await;
    until_row(&server, "first", "an ended shell is listed", |row| {
        row.is_none()
    })
    .await;
    first.got.clear();
    assert!(first.ask("console").await.contains("last words"));
    first.send("echo =$VALUE=\r").await;
    first.see("==\r\n").await;
    // Who knows a WebSocket's id can watch and type there; nobody loses output by that.
    let sid = rows[1]["sid"].as_str().unwrap().to_owned();
    let mut spy = Poller::silent(&server, &sid);
    spy.send("echo for\"\" both\r").await;
    spy.see("for both").await;
    socket.see("for both").await;
    for id in ["", "nobody"] {
        let answer = get(&server, &format!("/?kill={id}")).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    }
    get(&server, &format!("/?kill={sid}")).await;
    assert_eq!(socket.end().await, 1000, "closed when killed");
    server.stop().await;
}

/// Waits until no program of a session is left, not even as a zombie.
async fn nothing_left_over(server: &Server) {
    wait_until("the end of all programs", || {
        let alone = processes::children(server.supervisor_pid()).len() == 1;
        (alone && server.leftovers().is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn idle_terminals_end_and_so_do_shells_without_their_socket() {
    let server = config(&["-idle", "1", "-grace", "1"]).start();
    let mut poller = Poller::open(&server, "idle", "25x80").await;
    poller.see(PROMPT).await;
    poller
        .send("sleep 1000 & nohup sleep 1001 >/dev/null 2>&1 &\r")
        .await;
    let mut socket = Socket::open(ws(&server), "25x80").await;
    socket.keys("echo he\"\"re\r").await;
    socket.see("here").await;
    for _ in 0..2 {
        get(&server, "/?session=shellless").await;
    }
    assert_eq!(row(&server, "shellless").await.unwrap()["sz"], "-");
    until_row(
        &server,
        "shellless",
        "an id without a shell is kept",
        |row| row.is_none(),
    )
    .await;
    until_row(&server, "idle", "an idle terminal lives", |row| {
        row.is_none()
    })
    .await;
    socket.keys("echo sti\"\"ll\r").await;
    socket.see("still").await;
    drop(socket);
    nothing_left_over(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn addresses_do_not_lead_out_of_the_docroot() {
    let server = config(&[])
        .with("example/sub/in.txt", "in")
        .with("secret.txt", "secret")
        .with("example-sibling/secret.txt", "secret")
        .start();
    let docroot = server.dir().join("example");
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, docroot.join(name)).unwrap();
    link("../secret.txt", "out.txt");
    link("/etc", "etc");
    link("sub/in.txt", "within.txt");
    link("/proc/self/fd", "magic");
    fifo(&docroot.join("pipe"));
    assert_eq!(get(&server, "/within.txt").await.text(), "in");
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "/sub/../../secret.txt",
        "/sub/%2e%2e/%2e%2e/secret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "///etc/passwd",
        "/out.txt",
        "/etc/passwd",
        "/magic/0",
        "/pipe",
        "/../example-sibling/secret.txt",
        "/a%00b",
        "/..%5csecret.txt",
    ] {
        let answer = get(&server, path).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
    for path in [
        "/../evil.txt".to_owned(),
        "/%2e%2e/evil.txt".to_owned(),
        "/..%2fevil.txt".to_owned(),
        format!("/{}", server.dir().join("evil.txt").display()),
        "/".to_owned(),
        "/missing/evil.txt".to_owned(),
        "/out/evil.txt".to_owned(),
        "/%00".to_owned(),
    ] {
        std::os::unix::fs::symlink("..", server.dir().join("example/uploads/out")).ok();
        let answer = request(http(&server), "PUT", &path, &[], b"evil").await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (500, "Error uploading file"),
            "{path}"
        );
    }
    for place in ["evil.txt", "example/evil.txt"] {
        assert!(!server.dir().join(place).exists(), "{place}");
    }
    // A link in the place of a file is replaced, not followed.
    std::os::unix::fs::symlink("../../secret.txt", server.dir().join("example/uploads/l")).unwrap();
    let answer = request(http(&server), "PUT", "/l", &[], b"mine").await;
    assert_eq!(answer.status, 200);
    let secret = std::fs::read(server.dir().join("secret.txt")).unwrap();
    assert_eq!(secret, b"secret");
    assert_eq!(get(&server, "/uploads/l").await.text(), "mine");
    server.stop().await;
}

fn fifo(path: &std::path::Path) {
    let status = Command::new("mkfifo")
        .arg(path)
        .status()
        .expect("mkfifo runs");
    assert!(status.success());
}

#[tokio::test]
async fn pages_of_others_are_refused() {
    let server = start();
    let (pages, socket) = (http(&server), ws(&server));
    let good = [
        (socket, format!("http://{pages}")),
        (socket, format!("http://{socket}")),
        (pages, format!("http://{pages}")),
    ];
    for (address, origin) in &good {
        let ws = Socket::connect(*address, "/", Some(origin)).await;
        assert!(ws.is_ok(), "{origin} at {address}");
    }
    let bad = [
        (socket, "http://evil.example".to_owned()),
        (socket, "null".to_owned()),
        (socket, format!("http://localhost:{}", pages.port())),
        (
            socket,
            format!("http://127.0.0.1:{}", pages.port().wrapping_add(1)),
        ),
        (socket, format!("https://{pages}")),
        (socket, format!("http://{pages}.evil.example")),
        (pages, format!("http://{socket}")),
        (pages, "http://evil.example".to_owned()),
    ];
    for (address, origin) in &bad {
        let ws = Socket::connect(*address, "/", Some(origin)).await;
        assert!(ws.is_err(), "{origin} at {address}");
    }
    for (method, path) in [
        ("GET", "/?console&session=x"),
        ("GET", "/?kill=x"),
        ("GET", "/"),
        ("POST", "/?session=x"),
        ("PUT", "/evil"),
    ] {
        let headers = [("Origin", "http://evil.example")];
        let answer = request(pages, method, path, &headers, b"").await;
        assert_eq!(answer.status, 403, "{method} {path}");
        let headers = [("Host", "evil.example")];
        let answer = request(pages, method, path, &headers, b"").await;
        assert_eq!(answer.status, 421, "{method} {path}");
    }
    for (path, status) in [("/?kill=x", 403), ("/?console", 403), ("/", 200)] {
        let headers = [("Sec-Fetch-Site", "cross-site")];
        let answer = request(pages, "GET", path, &headers, b"").await;
        assert_eq!(answer.status, status, "{path} from a link");
    }
    server.stop().await;
}

#[tokio::test]
async fn uploads_are_streamed_and_whole_or_not_there() {
    let server = start();
    let uploads = server.dir().join("example/uploads");
    assert!(uploads.is_dir(), "made at the start");
    let large: Vec<u8> = (0..5_000_000u32).map(|n| (n * 7 % 251) as u8).collect();
    let name = "/gr%C3%B6%C3%9Fe%20x.bin";
    let kind = [("Content-Type", "application/octet-stream")];
    let answer = request(http(&server), "PUT", name, &kind, &large).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(
        std::fs::read(uploads.join("gr\u{f6}\u{df}e x.bin")).unwrap(),
        large
    );
    let back = get(&server, &format!("/uploads{name}")).await;
    assert_eq!(back.body, large);
    assert_eq!(back.header("content-security-policy"), Some("sandbox"));
    std::fs::create_dir(uploads.join("sub")).unwrap();
    for body in [&b"one"[..], b"two", b""] {
        let answer = request(http(&server), "PUT", "/sub/x", &kind, body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(std::fs::read(uploads.join("sub/x")).unwrap(), body);
    }
    // One that breaks leaves what was there.
    {
        use tokio::io::AsyncWriteExt as _;
        let mut stream = tokio::net::TcpStream::connect(http(&server)).await.unwrap();
        let head = format!(
            "PUT /sub/x HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\npart",
            http(&server)
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let parts = || std::fs::read_dir(uploads.join("sub")).unwrap().count();
        wait_until("the upload to begin", || (parts() == 2).then_some(())).await;
        drop(stream);
        wait_until("the part to go", || (parts() == 1).then_some(())).await;
    }
    assert_eq!(std::fs::read(uploads.join("sub/x")).unwrap(), b"");
    server.stop().await;
}

#[tokio::test]
async fn a_paste_of_megabytes_arrives() {
    let server = start();
    let mut page = Poller::open(&server, "paste", "25x80").await;
    page.see(PROMPT).await;
    let paste: String = (0..3_000_000u32)
        .map(|n| char::from(b'a' + (n * 7 % 26) as u8))
        .collect();
    let len = paste.len();
    page.send(format!(
        "stty raw -echo; echo rea\"\"dy; head -c {len} > pasted; stty sane; echo do\"\"ne\r"
    ))
    .await;
    page.see("ready").await;
    page.send(&paste).await;
    page.see("done").await;
    let arrived = std::fs::read(server.dir().join("pasted")).unwrap();
    assert!(arrived == paste.as_bytes(), "{} bytes", arrived.len());
    server.stop().await;
}

#[tokio::test]
async fn terminals_survive_their_server() {
    let server = start();
    let mut page = Poller::open(&server, "survivor", "25x80").await;
    page.send("VALUE=kept; echo be\"\"fore\r").await;
    page.see("before").await;
    while !page.ask("console").await.is_empty() {}
    page.got.clear();
    let old = server.kill_server().await;
    server.next_server(old).await;
    page.see("").await;
    page.send("echo =$VALUE=\r").await;
    page.see("=kept=").await;
    assert!(
        !page.got.contains("before"),
        "nothing comes twice: {}",
        page.got
    );
    let row = row(&server, "survivor").await.expect("it is listed");
    assert_eq!((&row["ty"], &row["sz"]), (&false.into(), &"80x25".into()));
    server.stop().await;
}

#[tokio::test]
async fn they_are_sessions_like_all_others() {
    let server = start();
    let mut page = Poller::open(&server, "plain", "25x80").await;
    page.see(PROMPT).await;
    let run = |arguments: &[&str]| {
        let output = server.cli(arguments).output().expect("the binary runs");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(run(&["ls"]).contains("bash-1"));
    run(&["send", "bash-1", "echo from\"\" outside\r"]);
    page.see("from outside").await;
    assert!(run(&["screen", "bash-1"]).contains("from outside"));
    run(&["kill", "bash-1"]);
    until_row(&server, "plain", "a killed session is listed", |row| {
        row.is_none()
    })
    .await;
    // The id opens nothing beyond the dialect.
    let failed = server
        .cli(&["screen", "plain"])
        .output()
        .expect("the binary runs");
    assert!(!failed.status.success());
    let api = get(&server, "/api/sessions").await;
    assert_eq!(api.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn the_first_word_of_an_address_counts_and_ids_are_shared() {
    let server = start();
    // size and console before sessions, sessions before kill, names as they are written.
    for path in [
        "/?sessions&console&session=order",
        "/?kill=order&size=nonsense&session=order",
        "/?size&session=order",
        "/?console=&sessions&kill=order&session=order",
    ] {
        let answer = get(&server, path).await;
        assert!(answer.json()["text"].is_string(), "{path}: {answer:?}");
    }
    let list = get(&server, "/?kill=order&sessions&session=order").await;
    assert!(list.json().is_array());
    let page = get(&server, "/?Console&session=order").await;
    assert_eq!(page.text(), "<title>home</title>");
    // A file's address has no terminal.
    assert_eq!(
        get(&server, "/index.html?kill=order").await.text(),
        "<title>home</title>"
    );
    assert!(row(&server, "order").await.is_some());
    // Two terminals of one id share a shell; each keystroke comes once.
    let (mut one, two) = (
        Poller::open(&server, "twins", "25x80").await,
        Poller::silent(&server, "twins"),
    );
    one.see(PROMPT).await;
    two.send("echo from\"\" two\r").await;
    one.see("from two").await;
    let head = request(http(&server), "HEAD", "/?console&session=twins", &[], b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    // By cookie alone, as the list of sessions is asked for.
    let cookie = [("Cookie", "session_id=twins")];
    let answer = request(http(&server), "POST", "/", &cookie, b"echo by\"\" cookie\r").await;
    assert_eq!(answer.status, 200);
    one.see("by cookie").await;
    for id in ["x".repeat(129), "a%0Ab".to_owned(), "%1b".to_owned()] {
        let answer = get(&server, &format!("/?session={id}")).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (400, "Bad request"),
            "{id}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn with_authentication_nothing_is_open() {
    let printed = words(&run(&["-http", "0", "-ws", "0", "--print-config"]).stdout);
    let asked = printed.replace("    auth: false", "    auth: true");
    let server = Config::new(BINARY)
        .with("asked.yaml", asked)
        .preset(&["serve", "-c", "asked.yaml"], 2)
        .start();
    let pages = server.urls()[0].split('#').next().unwrap().to_owned();
    let pages: SocketAddr = pages["http://".len()..pages.len() - 1].parse().unwrap();
    for (method, path) in [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/index.html"),
        ("GET", "/?console"),
        ("GET", "/?sessions"),
        ("GET", "/?kill=x"),
        ("POST", "/"),
        ("PUT", "/x"),
        ("DELETE", "/"),
    ] {
        let answer = request(pages, method, path, &[], b"").await;
        assert_eq!(answer.status, 401, "{method} {path}");
    }
    assert!(Socket::connect(pages, "/", None).await.is_err());
    server.stop().await;
}

/// Runs the binary in an empty folder until it ends by itself.
fn run(arguments: &[&str]) -> Output {
    let output = Command::new(BINARY)
        .arg("xwterm")
        .args(arguments)
        .current_dir("/")
        .env("ANYWIRE_RUNTIME_DIR", "/nonexistent")
        .stdin(Stdio::null())
        .output();
    output.expect("the binary runs")
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_command_line_is_the_sample_server_s() {
    let config = |arguments: &[&str]| {
        let output = run(&[arguments, &["--print-config"]].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        words(&output.stdout)
    };
    let plain = config(&[]);
    for line in [
        "url: \"http://127.0.0.1:8000/\"",
        "url: \"http://127.0.0.1:8001/\"",
        "dialect: xwterm\n",
        "dialect: xwterm-ws\n",
        "size: \"120x40\"",
        "command: [bash]",
        "upload_dir: /uploads",
    ] {
        assert!(plain.contains(line), "{line}:\n{plain}");
    }
    let given = config(&["--bind", "127.0.0.9", "--HTTP", "18000", "-Ws", "18001"]);
    assert!(given.contains("http://127.0.0.9:18000/") && given.contains("http://127.0.0.9:18001/"));
    assert!(!config(&["--no-http"]).contains("dialect: xwterm\n"));
    assert!(!config(&["--no-websocket"]).contains("xwterm-ws"));
    let note = run(&["--aiohttp-workaround", "-use-conhost", "-print-config"]);
    assert!(words(&note.stderr).contains("not needed"));
    assert!(words(&note.stderr).contains("no effect"));
    for (arguments, what) in [
        (&["-no-http", "-no-websocket"][..], "nothing is left"),
        (&["-http"], "needs a value"),
        (&["-initial-size", "0x5"], "-initial-size"),
        (&["--nonsense"], "no option"),
        (&["quiet"], "is no option"),
        (&["-docdir", "/nonexistent"], "is no folder"),
        (
            &["-docdir", "/tmp", "-upload-dir", "/tmp"],
            "a folder of their own",
        ),
        (&["-bind", "0.0.0.0"], "--insecure-no-auth"),
        (
            &["-bind", "0.0.0.0", "-insecure-no-auth"],
            "--insecure-no-tls",
        ),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            words(&output.stderr).contains(what),
            "{arguments:?}: {output:?}"
        );
    }
    let help = run(&["-h"]);
    assert_eq!(help.status.code(), Some(0));
    for option in [
        "-bind",
        "-bindaddr",
        "-httpport",
        "-wsport",
        "-websocketport",
        "-docroot",
        "-wwwroot",
        "-default-size",
        "-no-websocket",
        "-no-welcome",
        "-quiet",
        "-debug",
        "-fix-aiohttp",
    ] {
        assert!(words(&help.stdout).contains(option), "{option}");
    }
}

#[tokio::test]
async fn what_is_printed_runs_as_the_same_server() {
    let printed = run(&[
        "-http",
        "0",
        "-ws",
        "0",
        "-initial-size",
        "99x33",
        "--print-config",
    ]);
    let server = Config::new(BINARY)
        .with("printed.yaml", &printed.stdout)
        .preset(&["serve", "-c", "printed.yaml"], 2)
        .start();
    let mut page = Poller::silent(&server, "printed");
    page.send("stty size\r").await;
    page.see("33 99").await;
    let mut socket = Socket::connect(ws(&server), "/", None).await.unwrap();
    socket.keys("stty size\r").await;
    socket.see("33 99").await;
    // Where there are no pages, there is one.
    let embedded = get(&server, "/").await;
    assert!(embedded.text().contains("anywire xwterm"));
    server.stop().await;
}

#[tokio::test]
async fn the_docroot_is_as_typed_and_quiet_is_quiet() {
    let server = config(&["-docdir", "MyDir", "-upload-dir", "Up"])
        .with("MyDir/index.html", "mine")
        .start();
    assert_eq!(get(&server, "/").await.text(), "mine");
    let put = request(http(&server), "PUT", "/x", &[], b"up").await;
    assert_eq!(put.status, 200);
    assert_eq!(std::fs::read(server.dir().join("Up/x")).unwrap(), b"up");
    assert_eq!(get(&server, "/uploads/x").await.text(), "up");
    server.stop().await;
    let server = config(&["-quiet"])
        .preset(&["xwterm", "-http", "0", "-ws", "0", "-quiet"], 0)
        .start();
    wait_until("a server", || server.server_pid()).await;
    assert!(server.urls().is_empty());
    server.stop().await;
}

/// Sessions start, are killed and expire while others go on without one mistake: nobody hears of it.
#[tokio::test]
async fn others_do_not_notice_sessions_that_come_and_go() {
    let server = std::sync::Arc::new(config(&["-idle", "2", "-grace", "1"]).start());
    let churn = rounds(40).clamp(20, 200);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_over =
        |stop: &std::sync::atomic::AtomicBool| stop.load(std::sync::atomic::Ordering::Relaxed);
    let mut echoes = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (server, stop) = (server.clone(), stop.clone());
        echoes.spawn(async move {
            let mut count = 0u32;
            if n % 2 == 0 {
                let mut page = Socket::open(ws(&server), "25x80").await;
                while !is_over(&stop) {
                    count += 1;
                    page.keys(&format!("echo {n}\"-\"{count}.\r")).await;
                    page.see(&format!("{n}-{count}.")).await;
                    page.got.clear();
                }
            } else {
                let mut page = Poller::open(&server, &format!("echo{n}"), "25x80").await;
                while !is_over(&stop) {
                    count += 1;
                    page.send(format!("echo {n}\"-\"{count}.\r")).await;
                    page.see(&format!("{n}-{count}.")).await;
                    page.got.clear();
                }
            }
            count
        });
    }
    for n in 0..churn {
        let id = format!("churn{n}");
        match n % 4 {
            0 => {
                let mut page = Poller::open(&server, &id, "25x80").await;
                page.see(PROMPT).await;
                get(&server, &format!("/?kill={id}&session=asker")).await;
            }
            1 => {
                let mut page = Socket::open(ws(&server), "25x80").await;
                page.keys("exit\r").await;
                page.end().await;
            }
            2 => drop(Socket::open(ws(&server), "25x80").await),
            // It expires.
            _ => drop(Poller::open(&server, &id, "25x80").await),
        }
    }
    until_row(&server, &format!("churn{}", churn - 1), "it lives", |row| {
        row.is_none()
    })
    .await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut counts = Vec::new();
    while let Some(echoed) = echoes.join_next().await {
        counts.push(echoed.expect("every echo came"));
    }
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    nothing_left_over(&server).await;
}

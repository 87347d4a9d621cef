//! Terminals that are polled over HTTP, and what the addresses of that service mean.

use super::kit::{
    BINARY, PROMPT, cli, config, get, http, row, run, start, until_row, wait_for, words, ws,
};
use anywire_testkit::xwterm::{Poller, Socket, request};
use anywire_testkit::{Config, wait_until};
use std::time::Duration;

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
async fn addresses_methods_and_cookies() {
    let server = config(&[])
        .with("example/app.js", "js")
        .with("example/read.txt", "txt")
        .with("example/favicon.ico", "icon")
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
        ("/favicon.ico", "image/vnd.microsoft.icon", "icon"),
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
        assert!(answer.header("set-cookie").is_some(), "{kind}");
    }
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
    // A HEAD is a poll whose answer nobody sees.
    one.send("echo lo\"\"st\r").await;
    wait_for(async || cli(&server, &["logs", "bash-2"]).contains("lost\r\n")).await;
    request(http(&server), "HEAD", "/?console&session=twins", &[], b"").await;
    one.got.clear();
    one.send("echo af\"\"ter\r").await;
    one.see("after").await;
    assert!(!one.got.contains("lost\r\n"), "{:?}", one.got);
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
async fn a_page_that_was_overtaken_gets_the_screen() {
    let server = start();
    let mut page = Poller::open(&server, "away", "25x80").await;
    page.see(PROMPT).await;
    page.got.clear();
    // Typed by somebody else: this page does not make the program wait for it. It ends in the middle of a character.
    let flood = "for n in $(seq 100000); do echo \"\u{20ac}$n \u{1b}[1;3$((n % 8))m----------------\u{1b}[m\"; done; \
                 printf 'la\\163t\\342\\202'; read -s; echo\r";
    cli(&server, &["send", "bash-1", flood]);
    wait_until("the end of the flood", || {
        cli(&server, &["screen", "bash-1"])
            .contains("last")
            .then_some(())
    })
    .await;
    let text = page.ask("console").await;
    assert!(
        text.starts_with("\u{18}\u{1b}c"),
        "it begins anew: {text:?}"
    );
    assert!(
        text.contains("100000 ") && text.contains("last"),
        "{text:?}"
    );
    assert!(
        text.len() < 64 * 1024,
        "a screen, not the log: {}",
        text.len()
    );
    assert!(!text.contains('\u{fffd}'), "{text:?}");
    // It goes on from there, without a byte twice.
    page.got.clear();
    page.send("\r").await;
    page.send("echo on\"\"ward\r").await;
    page.see("onward").await;
    assert!(!page.got.contains("100000 "), "{:?}", page.got);
    server.stop().await;
}

#[tokio::test]
async fn a_program_waits_for_a_page_that_typed() {
    let server = start();
    let mut page = Poller::open(&server, "typed", "25x80").await;
    page.see(PROMPT).await;
    page.send("stty -onlcr; seq 1000000 1400000; echo do\"\"ne\r")
        .await;
    page.see("done").await;
    // Every line, in order, though it is more than the log keeps.
    let from = page.got.find("\r1000000\n").expect("the first line") + 1;
    let mut lines = page.got[from..].split('\n');
    for n in 1_000_000..=1_400_000 {
        assert_eq!(lines.next(), Some(n.to_string().as_str()));
    }
    server.stop().await;
}

#[tokio::test]
async fn keys_for_a_program_that_is_killed_do_not_lock_the_page() {
    let server = start();
    let mut page = Poller::open(&server, "stuck", "25x80").await;
    page.see(PROMPT).await;
    page.send("stty raw -echo; echo rea\"\"dy; head -c 10 > first; sleep 1000\r")
        .await;
    page.see("ready").await;
    let sender = Poller::silent(&server, "stuck");
    let posted = tokio::spawn(async move { sender.send("x".repeat(300_000)).await });
    let first = server.dir().join("first");
    wait_until("the first keys to arrive", || {
        (std::fs::metadata(&first).ok()?.len() == 10).then_some(())
    })
    .await;
    get(&server, "/?kill=stuck&session=asker").await;
    posted.await.expect("the page is answered");
    page.got.clear();
    page.send("echo ag\"\"ain\r").await;
    page.see("again").await;
    server.stop().await;
}

#[tokio::test]
async fn where_no_shell_can_be_started_a_page_may_go_on_asking() {
    let printed = words(&run(&["-http", "0", "-ws", "0", "--print-config"]).stdout);
    let few = printed.replace(
        "    command: [bash]",
        "    command: [bash]\n    max_sessions: 1",
    );
    assert_ne!(few, printed);
    let server = Config::new(BINARY)
        .with("few.yaml", few)
        .preset(&["serve", "-c", "few.yaml"], 2)
        .start();
    let mut first = Poller::open(&server, "first", "25x80").await;
    first.see(PROMPT).await;
    let refused = get(&server, "/?console&session=second").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    // A page's sender would be locked by an error.
    Poller::silent(&server, "second").send("lost\r").await;
    // One that has ended counts until its page has heard of it, and a moment longer.
    first.send("exit\r").await;
    until_row(&server, "first", "an ended shell is listed", |row| {
        row.is_none()
    })
    .await;
    first.ask("console").await;
    wait_for(async || get(&server, "/?console&session=second").await.status == 200).await;
    let mut second = Poller::silent(&server, "second");
    second.send("echo th\"\"ere\r").await;
    second.see("there").await;
    server.stop().await;
}

#[tokio::test]
async fn a_connection_takes_more_than_one_request() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = start();
    let address = http(&server);
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    for _ in 0..3 {
        let ask = format!("GET /?console&session=kept HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        }
        let answer = words(&answer);
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        for absent in [
            "etag",
            "last-modified",
            "content-encoding",
            "access-control",
        ] {
            assert!(
                !answer.to_lowercase().contains(absent),
                "{absent}: {answer}"
            );
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn long_posts_are_keys_whatever_they_look_like() {
    let server = start();
    let mut page = Poller::open(&server, "long", "25x80").await;
    page.see(PROMPT).await;
    // Beyond a mebibyte it is no envelope; another charset is decoded on its way.
    let object = format!("{{\"text\":\"{}\"}}", "o".repeat(1 << 20));
    let latin = vec![0xe9; 700_000];
    let len = object.len() + 2 * latin.len();
    page.send(format!(
        "stty raw -echo; echo rea\"\"dy; head -c {len} > long; stty sane; echo do\"\"ne\r"
    ))
    .await;
    page.see("ready").await;
    page.send(&object).await;
    let kind = [("Content-Type", "text/plain; charset=iso-8859-1")];
    let answer = request(http(&server), "POST", "/?session=long", &kind, &latin).await;
    assert_eq!(answer.status, 200);
    page.see("done").await;
    let arrived = std::fs::read(server.dir().join("long")).unwrap();
    let expected = object + &"\u{e9}".repeat(latin.len());
    assert!(
        arrived == expected.as_bytes(),
        "{} of {len} bytes",
        arrived.len()
    );
    server.stop().await;
}

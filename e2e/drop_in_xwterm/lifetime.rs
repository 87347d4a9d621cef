//! When sessions begin and end: the list, kills, idleness, and many at the same time.

use super::kit::{
    BINARY, PROMPT, cli, config, get, http, nothing_left_over, row, run, start, until_row,
    wait_for, words, ws,
};
use anywire_testkit::xwterm::{Poller, Socket, request};
use anywire_testkit::{Config, DEADLINE, Server, rounds, wait_until};
use serde_json::Value;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

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

#[tokio::test]
async fn idle_terminals_end_and_so_do_shells_without_their_socket() {
    let server = config(&["-idle", "3", "-grace", "1"]).start();
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
async fn they_are_sessions_like_all_others() {
    let server = start();
    let mut page = Poller::open(&server, "plain", "25x80").await;
    page.see(PROMPT).await;
    let run = |arguments: &[&str]| cli(&server, arguments);
    assert!(run(&["ls"]).contains("bash-1"));
    run(&["send", "bash-1", "echo from\"\" outside\r"]);
    page.see("from outside").await;
    assert!(run(&["screen", "bash-1"]).contains("from outside"));
    run(&["kill", "bash-1"]);
    until_row(&server, "plain", "a killed session is listed", |row| {
        row.is_none()
    })
    .await;
    // Joined from a command line, and ended from there.
    let mut page = Poller::open(&server, "joined", "25x80").await;
    page.see(PROMPT).await;
    let mut attach = server.cli(&["attach", "bash-2"]);
    attach.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut attach = attach.spawn().expect("the binary runs");
    let mut input = attach.stdin.take().expect("it is piped");
    input.write_all(b"echo from\"\" attach; exit 7\r").unwrap();
    page.see("from attach").await;
    let status = wait_until("the end of attach", || attach.try_wait().unwrap()).await;
    assert_eq!(status.code(), Some(7));
    drop(input);
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

/// What a session that comes and goes does.
async fn come_and_go(server: &Server, n: usize) {
    let id = format!("churn{n}");
    match n % 5 {
        0 => {
            let mut page = Poller::open(server, &id, "25x80").await;
            page.see(PROMPT).await;
            get(server, &format!("/?kill={id}&session=asker")).await;
        }
        1 => {
            let mut page = Socket::open(ws(server), "25x80").await;
            page.keys("exit\r").await;
            assert_eq!(page.end().await, 1000);
        }
        2 => drop(Socket::open(ws(server), "25x80").await),
        3 => {
            let page = Poller::open(server, &id, "25x80").await;
            page.send("exit\r").await;
        }
        // It expires.
        _ => drop(Poller::open(server, &id, "25x80").await),
    }
}

/// Types and reads over one kind of terminal until it is told to stop; how often.
async fn echo(server: Arc<Server>, stop: Arc<AtomicBool>, n: usize) -> usize {
    let mut count = 0;
    if n.is_multiple_of(2) {
        let mut page = Socket::open(ws(&server), "25x80").await;
        while !stop.load(Ordering::Relaxed) {
            count += 1;
            page.keys(&format!("echo {n}\"-\"{count}.\r")).await;
            page.see(&format!("{n}-{count}.")).await;
            page.got.clear();
        }
    } else {
        let mut page = Poller::open(&server, &format!("echo{n}"), "25x80").await;
        while !stop.load(Ordering::Relaxed) {
            count += 1;
            page.send(format!("echo {n}\"-\"{count}.\r")).await;
            page.see(&format!("{n}-{count}.")).await;
            page.got.clear();
        }
    }
    count
}

/// Sessions start, are killed and expire while others go on without one mistake: nobody hears of it.
#[tokio::test]
async fn others_do_not_notice_sessions_that_come_and_go() {
    const COUNT: usize = 200;
    const LANES: usize = 4;
    let server = Arc::new(config(&["-idle", "3", "-grace", "1"]).start());
    let stop = Arc::new(AtomicBool::new(false));
    let mut echoes = JoinSet::new();
    for n in 0..20 {
        echoes.spawn(echo(server.clone(), stop.clone(), n));
    }
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let server = server.clone();
        lanes.spawn(async move {
            for n in (lane..COUNT).step_by(LANES) {
                come_and_go(&server, n).await;
            }
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.expect("each came and went");
    }
    // All have ended, each in its way, and only the echoes are listed.
    wait_for(async || {
        let list = get(&server, "/?sessions&session=asker").await.json();
        list.as_array().map(Vec::len) == Some(21)
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    let mut counts = Vec::new();
    while let Some(echoed) = echoes.join_next().await {
        counts.push(echoed.expect("every echo came"));
    }
    assert!(
        counts.len() == 20 && counts.iter().all(|count| *count > 0),
        "{counts:?}"
    );
    nothing_left_over(&server).await;
    let server = Arc::into_inner(server).expect("nobody else has it");
    server.stop().await;
}

/// The shells that live.
fn shells(server: &Server) -> usize {
    let list: Vec<Value> = serde_json::from_str(&cli(server, &["ls", "--json"])).unwrap();
    list.iter()
        .filter(|session| session["exit"].is_null())
        .count()
}

#[tokio::test]
async fn a_kill_that_meets_the_start_leaves_no_shell_that_nobody_knows() {
    let server = config(&["-grace", "600", "-idle", "600"]).start();
    for n in 0..rounds(30) {
        let poll = format!("/?size=25x80&session=r{n}");
        let kill = format!("/?kill=r{n}&session=asker");
        let (polled, killed) = tokio::join!(get(&server, &poll), get(&server, &kill));
        assert_eq!((polled.status, killed.status), (200, 200));
    }
    wait_for(async || {
        let list = get(&server, "/?sessions&session=asker").await.json();
        let rows = list.as_array().unwrap().iter();
        rows.filter(|row| row["sz"] != "-").count() == shells(&server)
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn whoever_asks_for_anything_keeps_the_terminal_of_his_cookie() {
    let server = config(&["-idle", "6"]).start();
    let mut page = Poller::open(&server, "kept", "25x80").await;
    page.send("VALUE=kept; echo s\"\"et\r").await;
    page.see("set").await;
    Poller::open(&server, "left", "25x80").await;
    wait_for(async || {
        let cookie = [("Cookie", "session_id=kept")];
        for path in ["/", "/missing", "/?sessions"] {
            request(http(&server), "GET", path, &cookie, b"").await;
        }
        row(&server, "left").await.is_none()
    })
    .await;
    page.send("echo =$VALUE=\r").await;
    page.see("=kept=").await;
    server.stop().await;
}

#[tokio::test]
async fn who_keeps_no_cookies_makes_the_server_forget_only_what_has_no_shell() {
    let server = start();
    let mut page = Poller::open(&server, "shell", "25x80").await;
    page.see(PROMPT).await;
    for _ in 0..2 {
        get(&server, "/?session=first").await;
    }
    assert!(row(&server, "first").await.is_some());
    for _ in 0..1100 {
        get(&server, "/missing").await;
    }
    assert!(row(&server, "first").await.is_none(), "1024 are remembered");
    page.send("echo sti\"\"ll\r").await;
    page.see("still").await;
    server.stop().await;
}

#[tokio::test]
async fn a_terminal_is_reached_over_telnet_too() {
    let printed = words(&run(&["-http", "0", "-ws", "0", "--print-config"]).stdout);
    let telnet = "listeners:\n  - url: \"telnet://127.0.0.1:0?session=bash-1\"\n    auth: false\n";
    let more = printed.replace("listeners:\n", telnet);
    let server = Config::new(BINARY)
        .with("more.yaml", more)
        .preset(&["serve", "-c", "more.yaml"], 3)
        .start();
    let mut page = Poller::open(&server, "shared", "25x80").await;
    page.see(PROMPT).await;
    let mut stream = TcpStream::connect(server.address("telnet")).await.unwrap();
    stream.write_all(b"echo from\"\" telnet\r").await.unwrap();
    page.see("from telnet").await;
    page.send("echo from\"\" page\r").await;
    let mut got = Vec::new();
    while !String::from_utf8_lossy(&got).contains("from page") {
        let read = timeout(DEADLINE, stream.read_buf(&mut got)).await;
        assert!(read.expect("output in time").unwrap() > 0);
    }
    server.stop().await;
}

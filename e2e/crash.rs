//! `kill -9` of the server: programs do not notice, clients get every byte once, input is never given twice.

use anywire_testkit::{
    Attach, Config, NativeClient, Rng, Server, TcpClient, flood, processes, rounds,
};
use http::{Method, StatusCode};

/// All of it fits into the log: whoever comes back, however late, can have every byte.
const LINES: u64 = 100_000;

/// Kills the server at a random point of a flood; what the program wrote and what the client got are the same.
async fn flood_survives(pipe: bool) {
    let mut rng = Rng::new();
    let argument = (LINES + 3).to_string();
    let config = Config::new(env!("CARGO_BIN_EXE_anywire")).producer(&["flood-exit", &argument]);
    let server = if pipe { config.pipe() } else { config }.start();
    let memfds = server.memfds();
    let total = (LINES + 3) * flood::LINE;
    for round in 0..rounds(10) {
        let mut client = NativeClient::open(&server).await.flood();
        let id = client.session();
        let before = server
            .program(&id)
            .await
            .map(|pid| (pid, processes::stat(pid).map(|stat| stat.started)));
        let point = rng.below(total);
        client
            .until("the point of the kill", |client| client.next() >= point)
            .await;
        let old = server.kill_server().await;
        server.next_server(old).await;
        // Still running, or ended meanwhile; never another process.
        if let (Some(after), Some(before)) = (server.program(&id).await, before) {
            assert_eq!(before, (after, before.1), "round {round}: the same process");
        }
        let exit = client.exit().await;
        assert_eq!(
            (exit.code, exit.offset),
            ((LINES + 3) as i32 % 256, total),
            "round {round}, kill at {point}"
        );
    }
    server.nothing_left_over(memfds).await;
    server.stop().await;
}

#[tokio::test]
async fn a_terminals_flood_survives() {
    flood_survives(false).await;
}

#[tokio::test]
async fn a_pipes_flood_survives() {
    flood_survives(true).await;
}

/// Every server dies at its first passage of a named point, so at each possible state of a transfer.
#[tokio::test]
async fn a_kill_at_each_point_of_a_transfer_loses_nothing() {
    for pipe in [false, true] {
        for point in [
            "after-splice",
            "before-intent",
            "after-intent",
            "mid-read",
            "before-publish",
            "before-clear",
        ] {
            let config = Config::new(env!("CARGO_BIN_EXE_anywire"))
                .producer(&["flood-exit", "3001"])
                .variable("ANYWIRE_KILL_AT", point);
            let server = if pipe { config.pipe() } else { config }.start();
            let first = server.server_pid();
            let mut client = NativeClient::open(&server).await.flood();
            let exit = client.exit().await;
            assert_eq!(
                (exit.code, exit.offset),
                (3001 % 256, 3001 * flood::LINE),
                "{point}"
            );
            assert_ne!(server.server_pid(), first, "no server reached {point}");
        }
    }
}

/// The program sums its input with weights, so a byte lost, doubled or moved shows.
async fn input_is_taken_at_most_once(pipe: bool) {
    let mut rng = Rng::new();
    for _ in 0..rounds(5) {
        let config = Config::new(env!("CARGO_BIN_EXE_anywire")).producer(&["count"]);
        let server = if pipe { config.pipe() } else { config }.start();
        let mut client = NativeClient::open(&server).await;
        client.see("ready").await;
        let mut typed = Vec::new();
        for _ in 0..1 + rng.below(3) {
            let piece: Vec<u8> = (0..rng.below(60_000))
                .map(|i| b'a' + (i % 23) as u8)
                .collect();
            client.send(&piece);
            typed.extend(piece);
            // Part of it is on its way, part of it is not.
            client.push().await;
            let old = server.kill_server().await;
            server.next_server(old).await;
        }
        client.send("\x04");
        let exit = client.exit().await;
        assert_eq!(exit.code, 0);
        let text = String::from_utf8_lossy(&client.out).into_owned();
        let count: u64 = text
            .split("ready")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|word| word.parse().ok())
            .unwrap_or_else(|| panic!("{text}"));
        let missing = typed.len() as u64 - count;
        assert!(
            missing <= client.uncertain,
            "{missing} bytes missing, {} uncertain",
            client.uncertain
        );
        if missing == 0 {
            let sum = typed.iter().zip(1_u64..).fold(0_u64, |sum, (&byte, at)| {
                sum.wrapping_add(at.wrapping_mul(u64::from(byte)))
            });
            assert!(
                text.contains(&format!("{count} bytes, sum {sum}")),
                "{text}, expected {sum}"
            );
        }
    }
}

#[tokio::test]
async fn a_terminals_input_is_taken_at_most_once() {
    input_is_taken_at_most_once(false).await;
}

#[tokio::test]
async fn a_pipes_input_is_taken_at_most_once() {
    input_is_taken_at_most_once(true).await;
}

#[tokio::test]
async fn a_shell_and_its_jobs_do_not_notice() {
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .command(["/bin/sh", "-i"])
        .start();
    let mut client = NativeClient::attach(&server, Attach::default()).await;
    client.send("sleep 1000 & here=remem''bered; echo $! is its job\r");
    client.see("is its job").await;
    let pid = server.program(&client.session()).await;
    for _ in 0..3 {
        let old = server.kill_server().await;
        server.next_server(old).await;
    }
    client.forget();
    client.send("echo still $here; jobs; stty size\r");
    client.see("still remembered").await;
    client.see("Running").await;
    assert_eq!(server.program(&client.session()).await, pid);
    client.kill();
    client.exit().await;
    server.stop().await;
}

#[tokio::test]
async fn a_program_that_ended_meanwhile_reports_its_code() {
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .pipe()
        .command(["sh", "-c", "read x; echo bye; exit 9"])
        .start();
    let mut client = NativeClient::attach(&server, Attach::default()).await;
    let pid = server
        .program(&client.session())
        .await
        .expect("the program runs");
    let old = server.kill_server().await;
    processes::signal(pid, rustix::process::Signal::KILL);
    server.next_server(old).await;
    assert_eq!(client.exit().await.code, 137);
}

async fn status(server: &Server, peer: &anywire::cli::client::http::Peer) -> StatusCode {
    server
        .request(peer, Method::GET, "/api/sessions", "")
        .await
        .status()
}

#[tokio::test]
async fn who_was_let_in_stays_in() {
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .with_auth()
        .start();
    let peer = server.login().await;
    assert_eq!(status(&server, &peer).await, StatusCode::OK);
    let old = server.kill_server().await;
    server.next_server(old).await;
    assert_eq!(status(&server, &peer).await, StatusCode::OK);
    assert_eq!(
        status(&server, &server.peer()).await,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn raw_connections_end_and_the_listener_stays() {
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .listener("tcp://127.0.0.1:0")
        .start();
    let mut client = TcpClient::connect(&server).await;
    client.send("echo be''fore\r").await;
    client.see("before").await;
    let old = server.kill_server().await;
    client.end().await;
    server.next_server(old).await;
    let mut again = TcpClient::connect(&server).await;
    again.send("echo af''ter\r").await;
    again.see("after").await;
}

/// Of more ended sessions than can be kept a server that has just come forgets those that ended first, and not the one
/// whose client is on its way back. The client of a flood's last rounds was told that there is no such session.
#[tokio::test]
async fn the_last_to_end_are_kept_across_a_crash() {
    const KEPT: usize = 64;
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .producer(&["exit", "0"])
        .start();
    let open = async |count: usize| {
        let mut ids = Vec::new();
        for _ in 0..count {
            let answer = server
                .request(&server.peer(), Method::POST, "/api/sessions", "{}")
                .await;
            let made: serde_json::Value = serde_json::from_slice(answer.body()).expect("a session");
            ids.push(made["id"].clone());
        }
        ids
    };
    let over = |session: &serde_json::Value| !session["exit"].is_null();
    open(10).await;
    server
        .until_sessions("the first ones' end", |sessions| sessions.iter().all(over))
        .await;
    let last = open(KEPT).await;
    let old = server.kill_server().await;
    server.next_server(old).await;
    server
        .until_sessions("the first to be forgotten", |sessions| {
            sessions.len() == KEPT && sessions.iter().all(over)
        })
        .await;
    let kept = server.sessions().await;
    for id in &last {
        assert!(kept.iter().any(|session| session["id"] == *id), "{id}");
    }
    server.stop().await;
}

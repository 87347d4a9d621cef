//! The end of a session: the whole tree goes, whatever it does about it, and its last words arrive.

use anywire_model::{ExitReason, Size};
use anywire_testkit::{Attach, Config, NativeClient, Server, flood, processes, rounds, wait_until};
use http::{Method, StatusCode};
use rustix::process::Signal;

async fn start(arguments: &[&str]) -> (Server, usize, NativeClient) {
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .producer(arguments)
        .start();
    let memfds = server.memfds();
    let mut client = NativeClient::open(&server).await;
    client.see("ready").await;
    (server, memfds, client)
}

/// The number after `ready`, once its line is complete.
async fn reported_pid(client: &mut NativeClient) -> u32 {
    client
        .until("a whole line", |client| client.out.contains(&b'\n'))
        .await;
    let text = String::from_utf8_lossy(&client.out).into_owned();
    text.split_whitespace()
        .nth(1)
        .and_then(|pid| pid.parse().ok())
        .unwrap_or_else(|| panic!("{text:?}"))
}

async fn killed(server: Server, memfds: usize, client: &mut NativeClient) {
    client.kill();
    let exit = client.exit().await;
    assert!(
        matches!(exit.reason, ExitReason::KilledBy { .. }),
        "{exit:?}"
    );
    server.nothing_left_over(memfds).await;
    server.stop().await;
}

/// A kill that meets a program's own end does not make up another one.
#[tokio::test]
async fn what_has_ended_by_itself_was_not_killed() {
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .command(["sh", "-c", "echo ready; read line; exit 3"])
        .start();
    let mut client = NativeClient::open(&server).await;
    client.see("ready").await;
    let program = server.program(&client.session()).await.expect("a program");
    // The supervisor hears of the end and of the kill in one moment.
    let supervisor = server.supervisor_pid();
    processes::signal(supervisor, Signal::STOP);
    client.send("\r");
    client.push().await;
    wait_until("its end", || {
        let line = processes::describe(program);
        line.contains(" Z ").then_some(())
    })
    .await;
    client.kill();
    // What is asked later is done later.
    let size = Size::checked(99, 33).expect("a size");
    client.resize(size);
    client
        .until("the size", |client| client.sizes.contains(&size))
        .await;
    processes::signal(supervisor, Signal::CONT);
    assert_eq!(client.exit().await.reason, ExitReason::Code { code: 3 });
    server.stop().await;
}

#[tokio::test]
async fn a_program_that_ignores_signals() {
    let (server, memfds, mut client) = start(&["ignore-signals"]).await;
    killed(server, memfds, &mut client).await;
}

#[tokio::test]
async fn a_daemon_whose_parent_is_gone() {
    let (server, memfds, mut client) = start(&["double-fork"]).await;
    let daemon = reported_pid(&mut client).await;
    assert!(processes::is_alive(daemon));
    killed(server, memfds, &mut client).await;
    assert!(!processes::is_alive(daemon));
}

#[tokio::test]
async fn a_child_in_a_session_of_its_own() {
    let (server, memfds, mut client) = start(&["setsid"]).await;
    let child = reported_pid(&mut client).await;
    killed(server, memfds, &mut client).await;
    assert!(!processes::is_alive(child));
}

/// Twenty runners, each of which starts its successor and ends: whoever is seen is gone already.
#[tokio::test]
async fn programs_that_fork_and_fork() {
    for pipe in [false, true] {
        let config = Config::new(env!("CARGO_BIN_EXE_anywire"))
            .with("runner", "sleep 0.02; sh runner &\n")
            .with("bomb", "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sh runner & done\necho ready\nwhile :; do sleep 100; done\n")
            .command(["sh", "bomb"]);
        let server = if pipe { config.pipe() } else { config }.start();
        let memfds = server.memfds();
        let mut client = NativeClient::open(&server).await;
        client.see("ready").await;
        // Well under way: none of the first runners lives.
        let first = server.leftovers();
        wait_until("successors", || {
            let now = server.leftovers();
            let runners = now.iter().filter(|process| process.contains("runner"));
            let fresh = runners.filter(|process| !first.contains(process)).count();
            (fresh >= 10).then_some(())
        })
        .await;
        killed(server, memfds, &mut client).await;
    }
}

#[tokio::test]
async fn a_background_job_that_holds_the_terminal_delays_no_exit() {
    for pipe in [false, true] {
        let config = Config::new(env!("CARGO_BIN_EXE_anywire")).producer(&["hold-slave", "6"]);
        let server = if pipe { config.pipe() } else { config }.start();
        let mut client = NativeClient::open(&server).await;
        let exit = client.exit().await;
        assert_eq!(exit.reason, ExitReason::Code { code: 6 });
        assert!(client.out.starts_with(b"ready "), "{:?}", client.out);
    }
}

#[tokio::test]
async fn last_words_arrive() {
    for _ in 0..rounds(3) {
        let (server, memfds, mut client) = start(&["hup-writer", "5000"]).await;
        client.forget();
        let from = client.next();
        client.kill();
        let exit = client.exit().await;
        assert!(
            matches!(exit.reason, ExitReason::KilledBy { .. }),
            "{exit:?}"
        );
        let words = 5000 * flood::LINE;
        // The rest of the line that said `ready` may have come after it was seen.
        let start = client.out.len() - words as usize;
        assert_eq!(exit.offset - from, client.out.len() as u64);
        flood::check(0, &client.out[start..]);
        server.nothing_left_over(memfds).await;
    }
}

#[tokio::test]
async fn killing_goes_on_when_the_server_dies() {
    let (server, memfds, mut client) = start(&["ignore-signals"]).await;
    // Answered when the supervisor has been asked: from then on it needs no server.
    let path = format!("/api/sessions/{}", client.session());
    let answer = server
        .request(&server.peer(), Method::DELETE, &path, "")
        .await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let old = server.kill_server().await;
    server.next_server(old).await;
    client.exit().await;
    server.nothing_left_over(memfds).await;
    server.stop().await;
}

#[tokio::test]
async fn the_end_of_the_supervisor_ends_all() {
    for mode in ["wait", "double-fork"] {
        let (server, _, client) = start(&[mode]).await;
        let program = server
            .program(&client.session())
            .await
            .expect("the program runs");
        let serving = server.server_pid().expect("a server runs");
        processes::kill(server.supervisor_pid());
        wait_until("the program's end", || {
            (!processes::is_alive(program)).then_some(())
        })
        .await;
        wait_until("the server's end", || {
            (!processes::is_alive(serving)).then_some(())
        })
        .await;
        assert_eq!(processes::of_folder(server.dir()), [0; 0], "{mode}");
    }
}

/// A program may close its terminal and go on, and open it again: its end is still told, and until then nobody is busy
/// with it.
#[tokio::test]
async fn a_program_that_left_its_terminal_costs_nothing() {
    for script in [
        "echo ready; exec sleep 1 <&- >&- 2>&-",
        "exec <&- >&- 2>&-; sleep 0.3; exec </dev/tty >/dev/tty 2>&1; echo ready; sleep 1",
    ] {
        let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
            .command(["sh", "-c", script])
            .start();
        let serving = server.server_pid().expect("a server runs");
        let mut client = NativeClient::attach(&server, Attach::default()).await;
        client.see("ready").await;
        let before = processes::busy(serving);
        assert_eq!(client.exit().await.code, 0);
        let busy = processes::busy(serving) - before;
        assert!(
            busy < std::time::Duration::from_millis(200),
            "busy for {busy:?} of a second"
        );
    }
}

//! Input of programs on terminals that do not read it yet.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use anywire_model::{Io, SessionId, Signal, Size};
use anywire_process::{InputError, Local, Order, Recipe, Running, Spawn as _};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long one event may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// A shell's script on a terminal; whatever it writes has room.
async fn start(script: &str) -> (Local, Running) {
    let recipe = Recipe {
        argv: ["/bin/sh", "-c", script].map(String::from).into(),
        env: Vec::new(),
        cwd: None,
        login: false,
        keep_env: None,
        io: Io::Pty,
        ring_len: 1 << 16,
        grace_ms: 100,
        linger_ms: 1000,
    };
    let local = Local::new(BTreeMap::from([("sh".to_owned(), recipe)])).unwrap();
    let order = Order {
        id: SessionId::from_bytes([7; 16]),
        service: "sh".into(),
        size: Size::checked(80, 24).unwrap(),
    };
    let running = local.spawn(order).await.unwrap();
    running.control.allow(1 << 16);
    (local, running)
}

fn written(running: &Running) -> String {
    let mut out = Vec::new();
    running.log.read(0, 1 << 16, &mut out).unwrap();
    String::from_utf8_lossy(&out).into_owned()
}

/// Looks until the condition holds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The end of input comes when the terminal has no room for as much as its character, in the middle of a line or not.
#[tokio::test]
async fn the_end_of_input_waits_for_room() {
    for line in ["1234567\n", "a line without an end"] {
        let (_local, running) = start("stty -echo; echo ready; kill -STOP $$; exec wc -c").await;
        until("the program", || written(&running).contains("ready")).await;
        let mut given = running.control.input(b"one line\n").unwrap();
        // What a terminal takes is its own affair; in the end it takes nothing.
        loop {
            match running.control.input(line.as_bytes()) {
                Ok(len) => given += len,
                Err(error) => {
                    assert_eq!(error, InputError::Full);
                    break;
                }
            }
        }
        // Said twice, as by a telnet client that says it and then goes, it is one end.
        running.control.close_input();
        running.control.close_input();
        assert_eq!(running.control.input(b"too late"), Err(InputError::Full));
        until("the end of the program", || {
            // It may not have stopped yet.
            running.control.signal(Signal::Cont);
            running.log.exit().is_some()
        })
        .await;
        // Of a line that is too long the kernel keeps 4096 bytes.
        if line.ends_with('\n') {
            let counted = format!("ready\r\n{given}\r\n");
            assert_eq!(written(&running), counted);
        }
    }
}

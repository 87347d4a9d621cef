//! A storm of `kill -9`: the server dies again and again at random moments of one flood, and its client, which resumes
//! each time, has every byte once.

use anywire_testkit::{Attach, Config, NativeClient, Rng, processes, rounds};

/// Output between two kills, at most.
const STRIDE: u64 = 256 << 10;

async fn storm(pipe: bool) {
    let mut rng = Rng::new();
    let config = Config::new(env!("CARGO_BIN_EXE_anywire")).producer(&["forever"]);
    let server = if pipe { config.pipe() } else { config }.start();
    let memfds = server.memfds();
    let since = Attach {
        since: Some(0),
        ..Attach::default()
    };
    let mut client = NativeClient::attach(&server, since).await.flood();
    let program = server
        .program(&client.session())
        .await
        .expect("the program runs");
    let started = processes::stat(program).expect("it is there").started;
    // Whoever gives input paces the program, so that it cannot outrun a slow test. The terminal is raw by its first output.
    client
        .until("the first output", |client| client.next() > 0)
        .await;
    client.send(" ");
    for _ in 0..rounds(50) {
        let point = client.next() + rng.below(STRIDE);
        client
            .until("the point of the kill", |client| client.next() >= point)
            .await;
        server.kill_server().await;
        let before = client.connections;
        client
            .until("the way back", |client| client.connections > before)
            .await;
    }
    assert_eq!(
        processes::stat(program).map(|stat| stat.started),
        Some(started),
        "the same process"
    );
    client.kill();
    client.exit().await;
    server.nothing_left_over(memfds).await;
    server.stop().await;
}

#[tokio::test]
async fn a_terminals_flood_survives_a_storm() {
    storm(false).await;
}

#[tokio::test]
async fn a_pipes_flood_survives_a_storm() {
    storm(true).await;
}

//! Coming back: whoever knows his offset gets exactly the bytes from there, or is told that he cannot.

use anywire_model::Size;
use anywire_testkit::{Attach, Config, NativeClient, Rng, flood, rounds};

/// The log of a session, as large as it is by default.
const RING: u64 = 2 << 20;

fn shell() -> Config {
    Config::new(env!("CARGO_BIN_EXE_anywire")).command(["/bin/sh"])
}

/// A line comes back for every byte that goes in, so lost or doubled bytes show on either way.
async fn random_disconnects(config: Config) {
    let mut rng = Rng::new();
    let server = config.start();
    let mut client = NativeClient::open(&server).await.flood();
    client
        .until("the first line", |client| client.next() >= flood::LINE)
        .await;
    let mut sent = 0;
    for _ in 0..rounds(100) {
        let more = 1 + rng.below(2000);
        client.send(vec![b'x'; more as usize]);
        sent += more;
        let enough = client.next() + rng.below(more * flood::LINE);
        client
            .until("some lines", |client| {
                client.next() >= enough.min((sent + 1) * flood::LINE)
            })
            .await;
        if rng.below(4) > 0 {
            client.disconnect();
        }
    }
    let total = (sent + 1) * flood::LINE;
    client
        .until("a line for each byte", |client| client.next() >= total)
        .await;
    assert_eq!((client.next(), client.uncertain), (total, 0));
    client.close_input();
    println!("{sent} bytes typed, {} connections", client.connections);
}

#[tokio::test]
async fn random_disconnects_of_a_terminal() {
    random_disconnects(Config::new(env!("CARGO_BIN_EXE_anywire")).producer(&["steps"])).await;
}

#[tokio::test]
async fn random_disconnects_of_pipes() {
    random_disconnects(
        Config::new(env!("CARGO_BIN_EXE_anywire"))
            .pipe()
            .producer(&["steps"]),
    )
    .await;
}

#[tokio::test]
async fn everybody_gets_the_same_bytes_from_any_offset() {
    let server = shell().start();
    let mut first = NativeClient::open(&server).await;
    first.send(format!(
        "{} flood 20000; printf do''ne; exec sleep 1000\r",
        flood::producer().display()
    ));
    // Nothing follows it: no prompt that one of us could have seen and the other not yet.
    first.see("done").await;
    let whole = first.out.clone();
    let mut rng = Rng::new();
    for _ in 0..20 {
        let since = rng.below(whole.len() as u64);
        let mut late = NativeClient::attach(
            &server,
            Attach {
                since: Some(since),
                ..Attach::to(&first.session())
            },
        )
        .await;
        assert_eq!(late.welcome.from, since);
        let end = first.next();
        late.until("the end", |late| late.next() >= end).await;
        assert!(late.keyframes.is_empty());
        assert!(late.out == whole[since as usize..], "from {since}");
    }
}

#[tokio::test]
async fn past_the_ring_a_terminal_gets_a_keyframe() {
    let server = shell().start();
    let size = Size::checked(100, 30);
    let mut first = NativeClient::attach(
        &server,
        Attach {
            size,
            ..Attach::default()
        },
    )
    .await;
    let lines = 2 * RING / flood::LINE;
    first.send(format!(
        "{} flood {lines}; stty sane; echo; echo the e''nd\r",
        flood::producer().display()
    ));
    first.see("the end").await;
    let mut late = NativeClient::attach(
        &server,
        Attach {
            size,
            ..Attach::to(&first.session())
        },
    )
    .await;
    late.see("the end").await;
    assert_eq!(late.keyframes.len(), 1);
    assert!(late.keyframes[0] >= RING / 2, "{:?}", late.keyframes);
    let last = format!("{:015}", lines - 1);
    assert!(
        String::from_utf8_lossy(&late.out).contains(&last),
        "the screen shows the last line"
    );
}

#[tokio::test]
async fn past_the_ring_pipes_get_a_named_gap() {
    let lines = 2 * RING / flood::LINE;
    let script = format!("{} flood {lines}; cat", flood::producer().display());
    let server = Config::new(env!("CARGO_BIN_EXE_anywire"))
        .pipe()
        .command(["sh", "-c", &script])
        .start();
    let total = lines * flood::LINE;
    let mut first = NativeClient::attach(&server, Attach::default()).await;
    first
        .until("the flood's end", |first| first.next() >= total)
        .await;
    let mut late = NativeClient::attach(&server, Attach::to(&first.session())).await;
    late.until("the flood's end", |late| late.next() >= total)
        .await;
    assert!(
        late.lost > 0 && late.lost < total,
        "{} of {total} lost",
        late.lost
    );
    assert_eq!(late.lost + late.out.len() as u64, total);
    flood::check(late.lost, &late.out);
}

/// A flood, somebody who watches it without ever reading, and somebody who wants it to stop.
#[tokio::test]
async fn ctrl_c_ends_a_flood_at_once_beside_a_viewer_that_never_reads() {
    let server = shell().start();
    let mut typist = NativeClient::open(&server).await;
    let session = typist.session();
    let _stuck = NativeClient::attach(
        &server,
        Attach {
            role: Some(anywire_model::Role::Viewer),
            ..Attach::to(&session)
        },
    )
    .await;
    let mut slowest = std::time::Duration::ZERO;
    for round in 0..5 {
        typist.send("yes\r");
        let start = typist.next();
        typist
            .until("a few megabytes", |client| {
                client.next() > start + (3 << 20)
            })
            .await;
        typist.forget();
        let pressed = std::time::Instant::now();
        typist.send(format!("\x03echo st''opped{round}\r"));
        typist.see(&format!("stopped{round}")).await;
        slowest = slowest.max(pressed.elapsed());
    }
    // Generous towards an unoptimised build on a busy machine; what the server takes is far less.
    assert!(slowest.as_millis() < 200, "{slowest:?}");
}

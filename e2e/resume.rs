//! Coming back: whoever knows his offset gets exactly the bytes from there, or is told that he cannot.

use anywire_model::Size;
use anywire_session::screen::Screen;
use anywire_testkit::{Attach, Config, NativeClient, Rng, Server, flood, rounds, wait_until};
use serde_json::Value;

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

const POEM: &str = "\
#include <stdio.h>

/* Kommentar: äöü → 語 */
int main(void) {
\tfor (int i = 0; i < 10; i++)
\t\tprintf(\"line %d\\n\", i);
\treturn 0;
}
";

/// What the command line says that the terminal shows.
fn screen(server: &Server, session: &str) -> Value {
    let output = server.cli(&["screen", session, "--json"]).output();
    let output = output.expect("the command runs");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What a terminal of this size shows that was sent these bytes.
fn drawn(size: Size, bytes: &[u8]) -> Value {
    let mut screen = Screen::new(size);
    assert_eq!(screen.advance(bytes), bytes.len());
    serde_json::to_value(screen.picture(true)).expect("JSON")
}

/// An editor as somebody saw it grow, as somebody sees it who comes when nobody is there, and as the server says that
/// it is: the same cells, colours, cursor and modes. So it is again when its server has died.
#[tokio::test]
async fn an_editor_is_attached_again_with_identical_cells() {
    let server = shell().with("poem.c", POEM).start();
    let size = Size::checked(90, 28);
    let attach = |session: Option<String>| Attach {
        session,
        size,
        ..Attach::default()
    };
    let mut first = NativeClient::attach(&server, attach(None)).await;
    let (session, size) = (first.session(), size.expect("a size"));
    let shows = async |text: &str| {
        wait_until(text, || {
            let screen = screen(&server, &session);
            let last = screen["rows"].as_array()?.last()?.as_str()?.trim();
            let whole = screen["modes"]["alternate"] == true && screen["cursor"]["visible"] == true;
            (whole && last == text && screen["cursor"]["row"] != 27).then_some(screen)
        })
        .await
    };
    let head = async || {
        let sessions = server.sessions().await;
        sessions[0]["head"].as_u64().expect("a head")
    };
    // The last words are in two parts, so that the line that is typed is not taken for them.
    first.send("vim -u NONE -N -n poem.c\r");
    first.send(":syntax on | set nu cul hls mouse=a noru nosc | vsplit\r");
    first.send("/line\r:echo 'rea'.'dy'\r");
    first.push().await;
    let shown = shows("ready").await;
    let end = head().await;
    first.until("all of it", |first| first.next() == end).await;
    let cells = shown["cells"].to_string();
    assert!(
        cells.contains("\u{8a9e}") && cells.contains("\"sgr\":\"38;5;"),
        "{cells}"
    );
    assert_eq!(drawn(size, &first.out), shown);
    first.disconnect();
    server
        .until_sessions("an empty session", |all| all[0]["attachments"] == 0)
        .await;

    let mut late = NativeClient::attach(&server, attach(Some(session.clone()))).await;
    late.until("the picture", |late| !late.keyframes.is_empty())
        .await;
    assert_eq!(late.keyframes, [end], "nothing but a picture");
    assert_eq!(drawn(size, &late.out), shown);
    late.disconnect();
    let old = server.kill_server().await;
    server.next_server(old).await;
    let mut late = NativeClient::attach(&server, attach(Some(session.clone()))).await;
    late.until("the picture", |late| !late.keyframes.is_empty())
        .await;
    assert_eq!(drawn(size, &late.out), shown);

    // And it is the editor, not its picture.
    late.send("ggOedited\x1b:wqa\r");
    late.see("\x1b[?1049l").await;
    let text = std::fs::read_to_string(server.dir().join("poem.c")).expect("a file");
    assert_eq!(text, format!("edited\n{POEM}"));
    server.stop().await;
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

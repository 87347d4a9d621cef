//! Who is waited for: a program goes no faster than the one who types, and waits for him a moment when he is gone.

mod kit;

use anywire_model::{Intent, Io, Role};
use anywire_session::{Attach, Attachment, Lag, Output, Session, Start};
use kit::{next, options, reference, registry, session};

/// A client whose input is counted and for which the program waits.
fn counted() -> Attach {
    Attach {
        client: Some(5),
        lag: Some(Lag::Block),
        ..options(Start::Oldest)
    }
}

/// One that has typed.
fn typist(session: &Session) -> Attachment {
    let mut typist = session.attach(counted()).expect("a seat");
    typist
        .apply(Intent::Input {
            offset: Some(0),
            bytes: b"go",
        })
        .expect("it is taken");
    typist
}

#[tokio::test(start_paused = true)]
async fn a_pacer_slows_the_program_until_patience_ends() {
    let (registry, session, script) = session(4 << 20, Io::Pty).await;
    let mut pacer = session
        .attach(Attach {
            lag: Some(Lag::Block),
            ..options(Start::Oldest)
        })
        .unwrap();
    pacer
        .apply(Intent::Input {
            offset: None,
            bytes: b"yes\r",
        })
        .unwrap();
    let flood = reference(0, 1 << 20);
    let written = script.write(&flood);
    tokio::pin!(written);
    assert!(
        futures_poll(&mut written).await.is_none(),
        "the program waits"
    );
    assert_eq!(script.log.head(), 256 << 10);
    let mut buf = Vec::new();
    while pacer.next(&mut buf, 64 << 10) != Output::Pending {}
    assert!(futures_poll(&mut written).await.is_none());
    assert_eq!(script.log.head(), 512 << 10);
    // It takes nothing more; after ten seconds the program goes on without it.
    let start = tokio::time::Instant::now();
    tokio::select! {
        () = registry.sweep() => {}
        () = &mut written => {}
    }
    let waited = start.elapsed().as_secs();
    assert!((10..=12).contains(&waited), "{waited} s");
    assert_eq!(script.log.head(), 1 << 20);
}

#[tokio::test]
async fn after_a_crash_a_viewer_does_not_open_the_gate_for_a_typists_bytes() {
    let (_registry, session, script) = session(64 << 10, Io::Pipe).await;
    let _typist = typist(&session);
    script.write(&reference(0, 60_000)).await;
    let next_script = script.after_crash();
    let registry = registry(&next_script, Io::Pipe);
    let session = registry.adopt(next_script.running(session.id(), Io::Pipe));
    let _viewer = session
        .attach(Attach {
            role: Role::Viewer,
            ..options(Start::Now)
        })
        .unwrap();
    let flood = reference(60_000, 1 << 20);
    let written = next_script.write(&flood);
    tokio::pin!(written);
    assert!(
        futures_poll(&mut written).await.is_none(),
        "the program waits for its typist"
    );
    let mut back = session
        .attach(Attach {
            start: Start::Since(0),
            ..counted()
        })
        .unwrap();
    let mut buf = Vec::new();
    assert!(matches!(
        next(&mut back, &mut buf, 100).await,
        Output::Bytes { offset: 0, .. }
    ));
}

#[tokio::test(start_paused = true)]
async fn a_typist_who_loses_the_connection_for_a_moment_loses_no_byte_of_a_flood() {
    let (registry, session, script) = session(256 << 10, Io::Pipe).await;
    let mut typist = typist(&session);
    let flood = reference(0, 2 << 20);
    let written = script.write(&flood);
    tokio::pin!(written);
    assert!(futures_poll(&mut written).await.is_none());
    let mut buf = Vec::new();
    next(&mut typist, &mut buf, 100_000).await;
    drop(typist);
    assert!(
        futures_poll(&mut written).await.is_none(),
        "the program waits for a moment"
    );
    let mut back = session
        .attach(Attach {
            start: Start::Since(buf.len() as u64),
            ..counted()
        })
        .unwrap();
    let at = buf.len() as u64;
    let got = next(&mut back, &mut buf, 1000).await;
    assert!(
        matches!(got, Output::Bytes { offset, .. } if offset == at),
        "{got:?}"
    );
    assert_eq!(buf, reference(0, buf.len()));
    // Who does not come back is not waited for.
    drop(back);
    tokio::select! {
        () = registry.sweep() => {}
        () = &mut written => {}
    }
    assert_eq!(script.log.head(), 2 << 20);
}

/// Lets a future run as far as it gets now.
async fn futures_poll<F: Future<Output = ()> + Unpin>(future: &mut F) -> Option<()> {
    for _ in 0..200 {
        let polled = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx))
        })
        .await;
        if polled.is_ready() {
            return Some(());
        }
        tokio::task::yield_now().await;
    }
    None
}

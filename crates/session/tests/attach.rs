//! Attachments: every byte once from any offset, in order, with what happened between the bytes.

mod kit;

use anywire_model::{CloseReason, ExitReason, Intent, Io, MarkKind, Role, Size, Stream};
use anywire_session::{Attach, Create, Lag, Output, Start};
use kit::{Script, next, options, reference, registry, session};
use std::time::Duration;

/// A small deterministic source of choices.
struct Choices(u64);

impl Choices {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[tokio::test]
async fn two_thousand_disconnects_and_resumes_lose_and_double_nothing() {
    let (_registry, session, script) = session(256 << 10, Io::Pty).await;
    let mut choices = Choices(7);
    let mut received: Vec<u8> = Vec::new();
    for _ in 0..2000 {
        let head = script.log.head();
        script
            .write(&reference(head, choices.below(6000) as usize))
            .await;
        let since = received.len() as u64;
        let mut attachment = session.attach(options(Start::Since(since))).unwrap();
        assert_eq!(
            (attachment.welcome().from, attachment.welcome().keyframe),
            (since, false)
        );
        // It goes away in the middle of anything.
        for _ in 0..choices.below(6) {
            let at = received.len() as u64;
            match attachment.next(&mut received, 1 + choices.below(5000) as usize) {
                Output::Bytes { offset, len, .. } => {
                    assert_eq!((offset, len as u64), (at, received.len() as u64 - at));
                }
                Output::Pending => break,
                other => panic!("{other:?}"),
            }
        }
        // Not so far behind that the ring has moved on.
        while script.log.head() - received.len() as u64 > 200_000 {
            next(&mut attachment, &mut received, 64 << 10).await;
        }
    }
    assert_eq!(received, reference(0, received.len()));
    assert!(
        received.len() > 4 << 20,
        "the ring went round: {}",
        received.len()
    );
}

#[tokio::test]
async fn a_late_comer_to_a_terminal_gets_the_screen_and_then_every_byte() {
    let (_registry, session, script) = session(64 << 10, Io::Pty).await;
    script.write(&reference(0, 1 << 20)).await;
    let mut attachment = session.attach(options(Start::Since(10))).unwrap();
    assert!(attachment.welcome().keyframe);
    let mut buf = Vec::new();
    let Output::Keyframe { offset, size, dump } = next(&mut attachment, &mut buf, 1000).await
    else {
        panic!("a keyframe comes first")
    };
    assert_eq!((offset, size), (1 << 20, Size::DEFAULT));
    let last = String::from_utf8(reference((1 << 20) - 16, 14)).unwrap();
    assert!(String::from_utf8_lossy(&dump).contains(&last));
    script.write(&reference(offset, 5000)).await;
    while buf.len() < 5000 {
        next(&mut attachment, &mut buf, 700).await;
    }
    assert_eq!(buf, reference(offset, 5000));
}

/// A checkpoint leaves the end of a text for later, and a screen holds back a sequence that does not end: a log as short as
/// may be has little room for either.
#[tokio::test]
async fn a_flood_fills_the_shortest_log_again_and_again() {
    let endless = [&b"\x1b]0;"[..], &[b'x'; 1 << 20]].concat();
    for flood in [reference(0, 1 << 20), b"line\r\n".repeat(200_000), endless] {
        let (_registry, session, script) = session(1, Io::Pty).await;
        let attachment = session.attach(options(Start::Oldest)).unwrap();
        let written = tokio::time::timeout(Duration::from_secs(20), script.write(&flood)).await;
        assert!(written.is_ok(), "stuck at {}", script.log.head());
        drop(attachment);
    }
}

#[tokio::test]
async fn pipes_name_what_is_gone_and_tell_their_streams_apart() {
    let (_registry, session, script) = session(64 << 10, Io::Pipe).await;
    script.write(&reference(0, 200_000)).await;
    script.log.put_mark(MarkKind::Stream(Stream::Err));
    script.write(b"oops").await;
    script.log.put_mark(MarkKind::Stream(Stream::Out));
    script.write(b"fine").await;
    let mut attachment = session.attach(options(Start::Since(5))).unwrap();
    let mut buf = Vec::new();
    let to = 200_008 - script.log.capacity();
    assert_eq!(
        next(&mut attachment, &mut buf, 1000).await,
        Output::Gap { from: 5, to }
    );
    let mut streams = Vec::new();
    while buf.len() < 128 << 10 {
        let Output::Bytes { stream, len, .. } = next(&mut attachment, &mut buf, 64 << 10).await
        else {
            panic!()
        };
        streams.push((stream, len));
    }
    assert_eq!(
        streams[streams.len() - 2..],
        [(Stream::Err, 4), (Stream::Out, 4)]
    );
    assert!(buf.ends_with(b"oopsfine"));
}

#[tokio::test]
async fn the_end_comes_after_the_last_byte_and_is_one() {
    let (registry, session, script) = session(64 << 10, Io::Pty).await;
    let mut first = session.attach(options(Start::Oldest)).unwrap();
    script.write(b"last words").await;
    script.log.end(ExitReason::Code { code: 3 });
    script.log.end(ExitReason::ServerLost);
    let mut late = session.attach(options(Start::Oldest)).unwrap();
    for attachment in [&mut first, &mut late] {
        let mut buf = Vec::new();
        assert!(matches!(
            next(attachment, &mut buf, 4).await,
            Output::Bytes { len: 4, .. }
        ));
        assert!(matches!(
            next(attachment, &mut buf, 400).await,
            Output::Bytes { len: 6, .. }
        ));
        assert_eq!(buf, b"last words");
        let end = Output::Closed(CloseReason::Exit(ExitReason::Code { code: 3 }));
        assert_eq!(next(attachment, &mut buf, 400).await, end);
        assert_eq!(next(attachment, &mut buf, 400).await, end);
    }
    assert_eq!(registry.list()[0].exit, Some(ExitReason::Code { code: 3 }));
}

#[tokio::test]
async fn resizes_come_where_they_happened() {
    let (_registry, session, script) = session(64 << 10, Io::Pty).await;
    let mut attachment = session.attach(options(Start::Oldest)).unwrap();
    script.write(b"small").await;
    let size = Size {
        cols: 100,
        rows: 30,
    };
    attachment.apply(Intent::Resize(size)).unwrap();
    script.write(b"large").await;
    for mut attachment in [attachment, session.attach(options(Start::Oldest)).unwrap()] {
        let mut buf = Vec::new();
        assert!(matches!(
            next(&mut attachment, &mut buf, 100).await,
            Output::Bytes {
                offset: 0,
                len: 5,
                ..
            }
        ));
        assert_eq!(
            next(&mut attachment, &mut buf, 100).await,
            Output::Resize { size, offset: 5 }
        );
        assert!(matches!(
            next(&mut attachment, &mut buf, 100).await,
            Output::Bytes {
                offset: 5,
                len: 5,
                ..
            }
        ));
    }
}

#[tokio::test]
async fn laggards_get_what_their_policy_says() {
    let script = Script::new(64 << 10);
    let registry = registry(&script, Io::Pty);
    let session = registry.create("script", Create::default()).await.unwrap();
    let attach = |lag| {
        session
            .attach(Attach {
                lag,
                role: Role::Viewer,
                ..options(Start::Oldest)
            })
            .unwrap()
    };
    let (mut resync, mut drop_, mut disconnect) = (
        attach(Some(Lag::Resync)),
        attach(Some(Lag::Drop)),
        attach(Some(Lag::Disconnect)),
    );
    script.write(&reference(0, 500_000)).await;
    let mut buf = Vec::new();
    assert!(matches!(
        next(&mut resync, &mut buf, 100).await,
        Output::Keyframe {
            offset: 500_000,
            ..
        }
    ));
    let Output::Gap { from: 0, to } = next(&mut drop_, &mut buf, 100).await else {
        panic!()
    };
    assert_eq!(to, script.log.tail());
    assert_eq!(
        next(&mut disconnect, &mut buf, 100).await,
        Output::Closed(CloseReason::Lagged)
    );
}

#[tokio::test]
async fn more_resizes_than_marks_are_kept_stop_nobody() {
    // Once an idle attachment beside such a burst span for ever: its next mark was gone, and it waited for it.
    let (_registry, session, script) = session(64 << 10, Io::Pty).await;
    let mut idle = session.attach(options(Start::Oldest)).unwrap();
    let mut typist = session.attach(options(Start::Oldest)).unwrap();
    let burst = anywire_process::ring::MARKS_MAX + 1000;
    for n in 0..burst {
        let size = Size {
            cols: 80 + (n % 2) as u16,
            rows: 24,
        };
        typist.apply(Intent::Resize(size)).unwrap();
    }
    script.write(b"after").await;
    let mut buf = Vec::new();
    while !buf.ends_with(b"after") {
        next(&mut idle, &mut buf, 100).await;
    }
    let nothing = tokio::time::timeout(Duration::from_millis(20), idle.ready()).await;
    assert!(nothing.is_err(), "it waits, and lets others run");
    let mut late = session.attach(options(Start::Screen)).unwrap();
    let Output::Keyframe { dump, .. } = next(&mut late, &mut Vec::new(), 100).await else {
        panic!()
    };
    assert!(String::from_utf8_lossy(&dump).contains("after"));
}

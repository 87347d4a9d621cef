//! Attachments: every byte once from any offset, in order, with what happened between the bytes.

mod kit;

use anywire_model::{CloseReason, ExitReason, Intent, Io, MarkKind, Role, Signal, Size, Stream};
use anywire_session::{
    Applied, Attach, AttachError, Create, CreateError, Lag, Output, Policy, Refused, Start,
};
use kit::{Script, Told, next, options, reference, registry, registry_with, session};
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

#[tokio::test]
async fn pipes_name_what_is_gone_and_tell_their_streams_apart() {
    let (_registry, session, script) = session(64 << 10, Io::Pipe).await;
    script.write(&reference(0, 100_000)).await;
    script.log.put_mark(MarkKind::Stream(Stream::Err));
    script.write(b"oops").await;
    script.log.put_mark(MarkKind::Stream(Stream::Out));
    script.write(b"fine").await;
    let mut attachment = session.attach(options(Start::Since(5))).unwrap();
    let mut buf = Vec::new();
    let to = 100_008 - (64 << 10);
    assert_eq!(
        next(&mut attachment, &mut buf, 1000).await,
        Output::Gap { from: 5, to }
    );
    let mut streams = Vec::new();
    while buf.len() < 64 << 10 {
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
async fn a_viewer_changes_nothing() {
    let (_registry, session, script) = session(64 << 10, Io::Pty).await;
    let mut viewer = session
        .attach(Attach {
            role: Role::Viewer,
            ..options(Start::Oldest)
        })
        .unwrap();
    let before = script.told();
    for intent in [
        Intent::Input {
            offset: None,
            bytes: b"rm -rf /\r",
        },
        Intent::Signal(Signal::Kill),
        Intent::CloseInput,
        Intent::Kill,
    ] {
        assert_eq!(viewer.apply(intent), Err(Refused::Role));
    }
    assert_eq!(
        viewer.apply(Intent::Resize(Size { cols: 1, rows: 1 })),
        Ok(Applied::Done)
    );
    let mut writer = session
        .attach(Attach {
            role: Role::Writer,
            ..options(Start::Oldest)
        })
        .unwrap();
    assert_eq!(writer.apply(Intent::Kill), Err(Refused::Role));
    assert_eq!(script.told(), before);
}

#[tokio::test]
async fn counted_input_arrives_once_whatever_is_sent_again() {
    let (_registry, session, script) = session(64 << 10, Io::Pty).await;
    let client = Attach {
        client: Some(9),
        ..options(Start::Now)
    };
    let mut attachment = session.attach(client.clone()).unwrap();
    let give = |offset, bytes| Intent::Input {
        offset: Some(offset),
        bytes,
    };
    assert_eq!(attachment.apply(give(0, b"abc")), Ok(Applied::Taken(3)));
    assert_eq!(attachment.apply(give(1, b"bcde")), Ok(Applied::Taken(4)));
    script.take_at_most(2);
    assert_eq!(attachment.apply(give(5, b"fghi")), Ok(Applied::Taken(2)));
    assert_eq!(
        attachment.apply(give(9, b"x")),
        Err(Refused::InputGap {
            expected: 7,
            got: 9
        })
    );
    drop(attachment);
    script.take_at_most(100);
    let mut again = session.attach(client).unwrap();
    assert_eq!((again.welcome().input, again.welcome().uncertain), (7, 0));
    assert_eq!(again.apply(give(0, b"abcdefghij")), Ok(Applied::Taken(10)));
    assert_eq!(script.input(), b"abcdefghij");
}

#[tokio::test]
async fn what_a_crash_left_uncertain_is_told_and_not_given_again() {
    let (_registry, session, script) = session(64 << 10, Io::Pty).await;
    let client = Attach {
        client: Some(9),
        ..options(Start::Now)
    };
    let mut attachment = session.attach(client.clone()).unwrap();
    attachment
        .apply(Intent::Input {
            offset: Some(0),
            bytes: b"12345",
        })
        .unwrap();
    // Killed between the intent and the count of three more bytes.
    script.log.put_input_count(
        9,
        anywire_process::ring::InputCount {
            taken: 5,
            intended: 8,
        },
    );
    let next = script.after_crash();
    let registry = registry(&next, Io::Pty);
    let session = registry.adopt(next.running(session.id(), Io::Pty));
    let mut attachment = session.attach(client.clone()).unwrap();
    assert_eq!(
        (attachment.welcome().input, attachment.welcome().uncertain),
        (8, 3)
    );
    attachment
        .apply(Intent::Input {
            offset: Some(5),
            bytes: b"678901",
        })
        .unwrap();
    assert_eq!(next.input(), b"901");
    drop(attachment);
    assert_eq!(session.attach(client).unwrap().welcome().uncertain, 0);
}

#[tokio::test]
async fn a_new_server_finds_name_size_and_output() {
    let (_registry, session, script) = session(64 << 10, Io::Pty).await;
    let mut attachment = session.attach(options(Start::Oldest)).unwrap();
    attachment
        .apply(Intent::Resize(Size { cols: 99, rows: 33 }))
        .unwrap();
    script.write(b"before").await;
    let next_script = script.after_crash();
    let registry = registry(&next_script, Io::Pty);
    registry.adopt(next_script.running(session.id(), Io::Pty));
    let found = registry.find("script-1").expect("by its name");
    assert_eq!(
        (found.id(), found.info().size),
        (session.id(), Size { cols: 99, rows: 33 })
    );
    next_script.write(b"after").await;
    let mut attachment = found.attach(options(Start::Since(3))).unwrap();
    let mut buf = Vec::new();
    next(&mut attachment, &mut buf, 100).await;
    assert_eq!(buf, b"oreafter");
}

#[tokio::test]
async fn only_one_terminal_answers() {
    let (_registry, session, script) = session(64 << 10, Io::Pty).await;
    let mut first = session.attach(options(Start::Oldest)).unwrap();
    let mut second = session.attach(options(Start::Oldest)).unwrap();
    let reply = Intent::Input {
        offset: None,
        bytes: b"\x1b[?62;22c",
    };
    first.apply(reply.clone()).unwrap();
    assert_eq!(script.input(), b"\x1b[?62;22c");
    second
        .apply(Intent::Input {
            offset: None,
            bytes: b"\x1b[5;7Rls\r",
        })
        .unwrap();
    // Now the second one types, so it is asked.
    first.apply(reply).unwrap();
    let input = String::from_utf8(script.input()).unwrap();
    assert!(
        input.ends_with("ls\r") && input.matches("62;22c").count() == 1,
        "{input:?}"
    );
}

#[tokio::test]
async fn with_nobody_there_the_screen_answers() {
    let (_registry, session, script) = session(64 << 10, Io::Pty).await;
    script.write(b"hello\x1b[6n").await;
    let answered = async {
        while script.input().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), answered)
        .await
        .expect("an answer");
    assert_eq!(script.input(), b"\x1b[1;6R");
    // Somebody is there: it is for him to answer.
    let _attachment = session.attach(options(Start::Oldest)).unwrap();
    script.write(b"\x1b[6n").await;
    tokio::task::yield_now().await;
    assert_eq!(script.input(), b"\x1b[1;6R");
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

#[tokio::test(start_paused = true)]
async fn an_ended_session_goes_when_somebody_has_heard_of_it() {
    let (registry, session, script) = session(64 << 10, Io::Pty).await;
    let mut attachment = session.attach(options(Start::Oldest)).unwrap();
    script.log.end(ExitReason::Code { code: 0 });
    assert!(matches!(
        next(&mut attachment, &mut Vec::new(), 10).await,
        Output::Closed(_)
    ));
    drop(attachment);
    assert_eq!(registry.list().len(), 1);
    assert!(!script.told().contains(&Told::Forget));
    tokio::select! {
        () = registry.sweep() => {}
        () = gone(&registry) => {}
    }
    assert!(script.told().contains(&Told::Forget));
}

async fn gone(registry: &anywire_session::Registry) {
    while !registry.list().is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
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

#[tokio::test]
async fn each_of_many_unattended_queries_is_answered() {
    // Once the answer to the first one hid a second one that came while the screen was drawn.
    let (_registry, _session, script) = session(64 << 10, Io::Pty).await;
    for n in 1..=20 {
        script.write(b"x\x1b[6n").await;
        let answered = async {
            while script.input().iter().filter(|byte| **byte == b'R').count() < n {
                tokio::task::yield_now().await;
            }
        };
        let answered = tokio::time::timeout(Duration::from_secs(10), answered).await;
        answered.unwrap_or_else(|_| panic!("query {n} has no answer"));
        if n == 10 {
            // Two in a row, the second one before the first was looked at.
            script.log.append(b"");
        }
    }
}

#[tokio::test]
async fn a_paste_beside_a_reply_is_taken_to_the_last_byte() {
    // Once a full input queue swallowed what followed a reply that was taken out.
    let (_registry, session, script) = session(64 << 10, Io::Pty).await;
    let _asked = session.attach(options(Start::Oldest)).unwrap();
    let mut other = session.attach(options(Start::Oldest)).unwrap();
    let mut paste = b"\x1b[?1;2c".to_vec();
    paste.extend(reference(0, 5000));
    let mut rest = &paste[..];
    while !rest.is_empty() {
        script.take_at_most(700);
        let Applied::Taken(taken) = other
            .apply(Intent::Input {
                offset: None,
                bytes: rest,
            })
            .unwrap()
        else {
            panic!()
        };
        rest = &rest[taken..];
    }
    let input = script.input();
    assert!(input.ends_with(&reference(4000, 1000)));
    assert_eq!(input.len(), 5000, "without the reply");
}

#[tokio::test]
async fn input_of_a_pipe_is_data_to_the_last_escape() {
    let (_registry, session, script) = session(64 << 10, Io::Pipe).await;
    let _page = session.attach(options(Start::Oldest)).unwrap();
    let mut file = session
        .attach(Attach {
            answers: false,
            ..options(Start::Oldest)
        })
        .unwrap();
    let bytes = b"\x1b[?1;2c\x1b[I\x1b[5;7R\x00\xff";
    file.apply(Intent::Input {
        offset: None,
        bytes,
    })
    .unwrap();
    assert_eq!(script.input(), bytes);
}

#[tokio::test]
async fn more_typists_than_counters_in_memory_keep_their_counts() {
    let (_registry, session, script) = session(64 << 10, Io::Pty).await;
    let client = |n| Attach {
        client: Some(n),
        ..options(Start::Now)
    };
    let mut typists: Vec<_> = (1..=20)
        .map(|n| session.attach(client(n)).unwrap())
        .collect();
    for round in 0..3 {
        for typist in &mut typists {
            let taken = typist.apply(Intent::Input {
                offset: Some(round),
                bytes: b"x",
            });
            assert_eq!(taken, Ok(Applied::Taken(1)));
        }
    }
    typists.clear();
    assert_eq!(session.attach(client(1)).unwrap().welcome().input, 3);
    assert_eq!(script.input().len(), 60);
}

#[tokio::test]
async fn after_a_crash_a_viewer_does_not_open_the_gate_for_a_typists_bytes() {
    let (_registry, session, script) = session(64 << 10, Io::Pipe).await;
    let client = Attach {
        client: Some(5),
        lag: Some(Lag::Block),
        ..options(Start::Oldest)
    };
    let mut typist = session.attach(client.clone()).unwrap();
    typist
        .apply(Intent::Input {
            offset: Some(0),
            bytes: b"go",
        })
        .unwrap();
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
            ..client
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
    let client = Attach {
        client: Some(5),
        lag: Some(Lag::Block),
        ..options(Start::Oldest)
    };
    let mut typist = session.attach(client.clone()).unwrap();
    typist
        .apply(Intent::Input {
            offset: Some(0),
            bytes: b"go",
        })
        .unwrap();
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
            ..client
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

/// Ends of sessions by policy: `typing` keeps one alive until it stops.
async fn ends_by(policy: Policy, typing: bool) -> ExitReason {
    let registry = registry_with(policy)(&Script::new(64 << 10), Io::Pty);
    let session = registry.create("script", Create::default()).await;
    let session = session.expect("a session");
    let mut attachment = session.attach(options(Start::Now)).expect("a seat");
    let typed = async {
        for _ in 0..if typing { 20 } else { 0 } {
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert!(!session.has_ended(), "it is used");
            let bytes = b"x";
            let input = Intent::Input {
                offset: None,
                bytes,
            };
            attachment.apply(input).expect("taken");
        }
    };
    tokio::select! {
        () = registry.sweep() => {}
        () = async { typed.await; registry.all_ended().await } => {}
    }
    let exit = session.info().exit;
    exit.expect("an end")
}

#[tokio::test(start_paused = true)]
async fn sessions_end_by_age_and_when_nothing_happens_in_them() {
    let ttl = Policy::new(Duration::from_secs(1000));
    let idle = Policy {
        idle: Some(Duration::from_secs(10)),
        ..ttl.clone()
    };
    assert_eq!(ends_by(idle.clone(), false).await, ExitReason::Idle);
    assert_eq!(ends_by(idle, true).await, ExitReason::Idle);
    let old = Policy {
        max_life: Some(Duration::ZERO),
        ..ttl
    };
    assert_eq!(ends_by(old, false).await, ExitReason::Wall);
}

#[tokio::test]
async fn a_service_may_have_a_limit_of_its_own() {
    let policy = Policy {
        max_sessions: 2,
        ..Policy::new(Duration::from_secs(1000))
    };
    let registry = registry_with(policy)(&Script::new(64 << 10), Io::Pty);
    let create = || registry.create("script", Create::default());
    let first = create().await.unwrap();
    let _second = create().await.unwrap();
    assert!(matches!(create().await, Err(CreateError::ServiceBusy(2))));
    first.kill("test");
    tokio::time::pause();
    tokio::select! {
        () = registry.sweep() => {}
        () = async { while registry.list().len() > 1 { tokio::time::sleep(Duration::from_secs(1)).await } } => {}
    }
    create().await.unwrap();
}

#[tokio::test]
async fn an_audience_does_not_lock_the_owner_out() {
    let (_registry, session, _script) = session(64 << 10, Io::Pty).await;
    let come = |role| {
        session.attach(Attach {
            role,
            ..options(Start::Oldest)
        })
    };
    let audience: Vec<_> = std::iter::from_fn(|| come(Role::Viewer).ok()).collect();
    assert!(audience.len() > 200, "{}", audience.len());
    let _owner = come(Role::Owner).unwrap();
    let _writer = come(Role::Writer).unwrap();
    assert!(matches!(come(Role::Viewer), Err(AttachError::Busy(_))));
}

#[tokio::test(start_paused = true)]
async fn a_paste_that_is_cut_is_ended() {
    let (registry, session, script) = session(64 << 10, Io::Pty).await;
    let client = |name| Attach {
        client: name,
        ..options(Start::Oldest)
    };
    let paste = |attachment: &mut anywire_session::Attachment, offset, bytes: &'static [u8]| {
        attachment.apply(Intent::Input { offset, bytes }).unwrap();
    };
    let settle = || async {
        tokio::select! {
            () = registry.sweep() => {}
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
    };
    // Who cannot come back: the program hears the end.
    let mut foreign = session.attach(client(None)).unwrap();
    paste(&mut foreign, None, b"\x1b[200~half");
    drop(foreign);
    settle().await;
    assert_eq!(script.input(), b"\x1b[200~half\x1b[201~");
    // Who comes back goes on.
    let mut ours = session.attach(client(Some(7))).unwrap();
    paste(&mut ours, Some(0), b"\x1b[200~one");
    drop(ours);
    let mut ours = session.attach(client(Some(7))).unwrap();
    settle().await;
    paste(&mut ours, Some(9), b" two\x1b[201~");
    settle().await;
    assert!(script.input().ends_with(b"~\x1b[200~one two\x1b[201~"));
    // A crash of the server in the middle, and nobody comes back.
    paste(&mut ours, Some(19), b"\x1b[200~lost");
    let next_script = script.after_crash();
    let registry = kit::registry(&next_script, Io::Pty);
    let _session = registry.adopt(next_script.running(session.id(), Io::Pty));
    tokio::select! {
        () = registry.sweep() => {}
        () = tokio::time::sleep(Duration::from_secs(5)) => {}
    }
    assert_eq!(next_script.input(), b"\x1b[201~");
}

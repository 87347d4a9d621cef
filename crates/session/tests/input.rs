//! Input: at most once, to the last byte, and one answer to each query.

mod kit;

use anywire_model::{Intent, Io};
use anywire_session::{Applied, Attach, Refused, Start};
use kit::{options, reference, registry, session};
use std::time::Duration;

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

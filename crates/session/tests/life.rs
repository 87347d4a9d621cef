//! The life of sessions, and who may do what in them.

mod kit;

use anywire_model::{ExitReason, Intent, Io, Role, Signal, Size};
use anywire_session::{
    Applied, Attach, AttachError, Create, CreateError, Output, Policy, Refused, Start,
};
use kit::{Script, Told, next, options, registry, registry_with, session};
use std::time::Duration;

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

/// For how many seconds a session can be found that has ended, and that somebody heard of or nobody.
async fn kept_after_its_end(keep_ended: Option<Duration>, told: bool) -> u64 {
    let policy = Policy {
        keep_ended,
        ..Policy::new(Duration::from_secs(1000))
    };
    let script = Script::new(64 << 10);
    let registry = registry_with(policy)(&script, Io::Pty);
    let session = registry.create("script", Create::default()).await;
    let session = session.expect("a session");
    let attachment = session.attach(options(Start::Oldest)).expect("a seat");
    let mut attachment = Some(attachment).filter(|_| told);
    script.log.end(ExitReason::Code { code: 0 });
    if let Some(attachment) = &mut attachment {
        let end = next(attachment, &mut Vec::new(), 10).await;
        assert!(matches!(end, Output::Closed(_)));
    }
    drop(attachment);
    let start = tokio::time::Instant::now();
    tokio::select! {
        () = registry.sweep() => {}
        () = gone(&registry) => {}
    }
    start.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn an_ended_session_is_kept_as_long_as_its_service_says() {
    let minutes = Some(Duration::from_secs(300));
    for (keep_ended, told, seconds) in [
        (None, true, 3),
        (None, false, 60),
        (minutes, true, 300),
        (minutes, false, 300),
    ] {
        let kept = kept_after_its_end(keep_ended, told).await;
        assert!(
            (seconds..seconds + 3).contains(&kept),
            "{keep_ended:?} {told}: {kept} s"
        );
    }
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

/// For how many seconds a session lives on when these have been there and are gone; `Some` name: one that can come back.
async fn lives_after(clients: &[Option<u64>]) -> u64 {
    let policy = Policy {
        never_attached: Duration::from_secs(30),
        ..Policy::new(Duration::from_secs(10))
    };
    let registry = registry_with(policy)(&Script::new(64 << 10), Io::Pty);
    let session = registry.create("script", Create::default()).await;
    let session = session.expect("a session");
    for &client in clients {
        let client = Attach {
            client,
            ..options(Start::Now)
        };
        drop(session.attach(client).expect("a seat"));
    }
    let start = tokio::time::Instant::now();
    tokio::select! {
        () = registry.sweep() => {}
        () = registry.all_ended() => {}
    }
    start.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn sessions_end_that_nobody_came_to_or_comes_back_to() {
    for (clients, seconds) in [
        (&[][..], 30),
        (&[None], 10),
        // Who can come back may have lost the connection only.
        (&[Some(5)], 60),
    ] {
        let lived = lives_after(clients).await;
        assert!(
            (seconds..seconds + 3).contains(&lived),
            "{clients:?}: {lived} s"
        );
    }
}

/// After a crash every session is without clients, and not one that nobody ever came to: a job that somebody had left
/// running ended a minute later.
#[tokio::test(start_paused = true)]
async fn what_is_found_after_a_crash_lives_as_long_as_what_was_attached_to() {
    let policy = Policy {
        never_attached: Duration::from_secs(30),
        ..Policy::new(Duration::from_secs(600))
    };
    let script = Script::new(64 << 10);
    let first = registry_with(policy.clone())(&script, Io::Pty);
    let session = first.create("script", Create::default()).await;
    let id = session.expect("a session").id();
    let script = script.after_crash();
    let registry = registry_with(policy)(&script, Io::Pty);
    registry.adopt(script.running(id, Io::Pty));
    let start = tokio::time::Instant::now();
    tokio::select! {
        () = registry.sweep() => {}
        () = registry.all_ended() => {}
    }
    let lived = start.elapsed().as_secs();
    assert!((600..603).contains(&lived), "{lived} s");
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

/// What has ended can still be read, and is in nobody's way.
#[tokio::test]
async fn ended_sessions_do_not_count() {
    let policy = Policy {
        max_sessions: 1,
        keep_ended: Some(Duration::from_secs(3600)),
        ..Policy::new(Duration::from_secs(1000))
    };
    let script = Script::new(64 << 10);
    let registry = registry_with(policy)(&script, Io::Pty);
    let create = || registry.create("script", Create::default());
    create().await.unwrap();
    assert!(matches!(create().await, Err(CreateError::ServiceBusy(1))));
    script.log.end(ExitReason::Code { code: 0 });
    create().await.unwrap();
    assert_eq!(registry.list().len(), 2);
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
